package mem

import (
	"fmt"
	"math/bits"
	"slices"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/units"
	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
)

func zones() []field {
	return []field{
		{Doc: doc{
			Key: "min_free_kbytes", Kernel: "vm.min_free_kbytes", Unit: bytes,
			Source: inspect.VMMinFreeKbytes, Also: also(inspect.Meminfo),
			Gist:    "What the zones' min watermarks add up to: kept for the kernel's emergencies.",
			Concept: "watermarks",
		}, Get: sysctlKB(inspect.VMMinFreeKbytes), Reading: readMinFree},
		{Doc: doc{
			Key: "watermark_scale_factor", Kernel: "vm.watermark_scale_factor", Label: "watermark scale",
			Unit:    count,
			Source:  inspect.VMWatermarkScaleFactor,
			Gist:    "The distance between the watermarks, in 10,000ths of a zone.",
			Concept: "watermarks",
		}, Get: sysctl(inspect.VMWatermarkScaleFactor), Reading: readScale},
	}
}

func readMinFree(m mem) string {
	n, _ := m.Number(inspect.VMMinFreeKbytes)
	return fmt.Sprintf("%s of RAM: below the min watermarks, a task must reclaim before it gets a page.", ofRAM(m, explain.I(n<<10)))
}

func readScale(m mem) string {
	n, _ := m.Number(inspect.VMWatermarkScaleFactor)
	return fmt.Sprintf("low and high lie %s of the zone's memory apart, or a quarter of min, whichever is more.",
		units.AppendPercent(nil, float64(n)/10000))
}

type zoneRow = memfacts.Part[memfacts.Zone]

// Zones lists the memory zones of every node.
func Zones() *explain.Table[zoneRow] {
	type column = explain.Field[zoneRow]
	src := inspect.Zoneinfo
	watermark := func(key, gist string, show explain.Show) column {
		return column{Doc: doc{
			Key: key, Kernel: key, Unit: bytes, Show: show,
			Source:  src,
			Gist:    gist,
			Concept: "watermarks",
		}, Get: zonePages(key)}
	}
	return &explain.Table[zoneRow]{Name: "zones", Identity: []string{"node", "zone"}, Fields: []column{
		{Doc: doc{
			Key:     "zone",
			Source:  src,
			Words:   zoneWords(),
			Gist:    "The zone's name: memory that some devices or uses are limited to.",
			Concept: "zones",
		}, Get: func(r zoneRow) value { return explain.S(r.It.Name) }},
		{Doc: doc{
			Key: "node", Unit: explain.Plain,
			Source:  src,
			Gist:    "The NUMA node it belongs to.",
			Concept: "numa",
		}, Get: func(r zoneRow) value { return explain.I(r.It.Node) }},
		watermark("managed", "What the page allocator has in this zone, used or free.", explain.Always),
		watermark("free", "Free pages, without those on the per-CPU lists.", explain.Always),
		watermark("min", "Below it, tasks must reclaim before they get a page.", explain.Always),
		watermark("low", "Below it, kswapd wakes up and reclaims.", explain.Always),
		watermark("high", "Up to it, kswapd goes on.", explain.Always),
		watermark("promo", "Up to it, hot pages of slower nodes are moved here.", explain.Data),
		watermark("boost", "What fragmentation added to the watermarks for the time being.", explain.Data),
		watermark("present", "What physically exists, the kernel's own part included.", explain.Data),
		{Doc: doc{
			Key: "protection", Kernel: "protection", Unit: bytes, Show: explain.Data,
			Source:  src,
			Gist:    "Kept back here from allocations that a higher zone could serve, per zone.",
			Concept: "zones",
		}, Get: protection},
		{Doc: doc{
			Key: "per_cpu", Unit: bytes, Show: explain.Data,
			Source:  src,
			Gist:    "Free pages on the CPUs' own lists.",
			Concept: "per-cpu",
		}, Get: perCPU},
		{Doc: doc{
			Key: "free_blocks", Unit: count, Show: explain.Data,
			Source:  inspect.Buddyinfo,
			Gist:    "Free blocks of 1, 2, 4, 8 ... pages.",
			Concept: "fragmentation",
		}, Get: freeBlocks},
		{Doc: doc{
			Key: "unusable_index", Label: "unusable", Unit: ratio,
			Source: inspect.Buddyinfo, Also: also(inspect.Meminfo),
			Gist:    "Share of free memory in blocks too small for a huge page (order 9).",
			Concept: "fragmentation",
		}, Get: unusable},
		{Doc: doc{
			Key:    "why",
			Source: src, Also: also(inspect.Buddyinfo),
			Gist:    "Where its free memory stands among the watermarks.",
			Concept: "watermarks",
		}, Get: func(r zoneRow) value { return explain.S(whyZone(r)) }},
	}, Rules: zoneRules()}
}

func zonePages(name string) func(zoneRow) value {
	return func(r zoneRow) value { return scaled(r.Mem, explain.Look(r.It.Pages, name)) }
}

func protection(r zoneRow) value {
	if r.It.Protection == nil {
		return value{}
	}
	list := make([]value, len(r.It.Protection))
	for i, p := range r.It.Protection {
		list[i] = inBytes(r.Mem, int64(p))
	}
	return explain.L(list)
}

func perCPU(r zoneRow) value {
	if !r.It.HasPerCPU {
		return explain.None(inspect.Inapplicable)
	}
	return inBytes(r.Mem, int64(r.It.PerCPU))
}

func freeBlocks(r zoneRow) value {
	if r.It.Blocks == nil {
		return explain.None(inspect.Inapplicable)
	}
	list := make([]value, len(r.It.Blocks))
	for i, n := range r.It.Blocks {
		list[i] = explain.N(n)
	}
	return explain.L(list)
}

// hugeOrder is the order of a huge page of the default size: 9 for 2 MiB in
// pages of 4 KiB.
func hugeOrder(m mem) int {
	if n := m.Info["Hugepagesize"] / m.Host.PageSize; n > 1 {
		return bits.Len64(n) - 1
	}
	return 9
}

func unusable(r zoneRow) value {
	if r.It.Blocks == nil {
		return explain.None(inspect.Inapplicable)
	}
	free := r.It.FreeInBlocks(0)
	return explain.F(float64(kernel.UnusableIndex(int64(free), int64(r.It.FreeInBlocks(hugeOrder(r.Mem))))) / 1000)
}

func whyZone(r zoneRow) string {
	get := func(name string) (int64, bool) {
		n, ok := r.It.Pages[name]
		return int64(n), ok
	}
	free, ok1 := get("free")
	low, ok2 := get("low")
	least, ok3 := get("min")
	high, ok4 := get("high")
	managed := r.It.Pages["managed"]
	switch {
	case !ok1 || !ok2 || !ok3 || !ok4:
		return "zoneinfo does not say all of it"
	case managed == 0:
		return "empty"
	case free < least:
		return "below min: tasks must reclaim before they get a page"
	case free < low:
		return "below low: kswapd is at work"
	case free < high:
		return "between low and high: kswapd goes on until high, if it is awake"
	}
	return fmt.Sprintf("above high: kswapd can sleep%s", whyBlocks(r))
}

func whyBlocks(r zoneRow) string {
	if r.It.Blocks == nil {
		return ""
	}
	order := hugeOrder(r.Mem)
	n := r.It.FreeInBlocks(order) >> order
	if n == 0 {
		return "; no free block is large enough for a huge page"
	}
	return fmt.Sprintf("; free blocks for %s", units.Plural(n, "huge page", "huge pages"))
}

// Nodes lists the NUMA nodes.
func Nodes() *explain.Table[memfacts.Part[memfacts.Node]] {
	type row = memfacts.Part[memfacts.Node]
	type column = explain.Field[row]
	src := inspect.NodeMeminfo
	amount := func(key, name, gist string) column {
		return column{Doc: doc{Key: key, Kernel: name, Unit: bytes, Source: src, Concept: "numa", Gist: gist},
			Get: func(r row) value { return explain.Look(r.It.Info, name) }}
	}
	return &explain.Table[row]{Name: "nodes", Fields: []column{
		{Doc: doc{Key: "node", Unit: explain.Plain, Source: src, Concept: "numa", Gist: "The node's number."},
			Get: func(r row) value { return explain.I(r.It.ID) }},
		amount("mem_total", "MemTotal", "RAM of this node."),
		amount("mem_free", "MemFree", "Pages of it that hold nothing."),
		amount("anon_pages", "AnonPages", "Programs' own memory on it."),
		amount("file_pages", "FilePages", "Page cache and shared memory on it."),
		amount("slab", "Slab", "Kernel objects on it."),
		{Doc: doc{Key: "why", Source: src, Concept: "numa", Gist: "What its share of free memory says."},
			Get: func(r row) value { return explain.S(whyNode(r)) }},
	}}
}

// Populated returns the zones that have memory. The kernel lists the empty ones
// too, and counts the watermark that it gives them.
func Populated(m *memfacts.Snapshot) []memfacts.Zone {
	return slices.DeleteFunc(slices.Clone(m.Zones), func(z memfacts.Zone) bool {
		managed, ok := z.Pages["managed"]
		return ok && managed == 0
	})
}

func whyNode(r memfacts.Part[memfacts.Node]) string {
	free := percentOf(explain.Look(r.It.Info, "MemFree"), explain.Look(r.It.Info, "MemTotal"))
	if len(r.Mem.Nodes) == 1 {
		s := free + " free; the only node, so no access is remote"
		if node, total := explain.Look(r.It.Info, "MemTotal"), explain.Look(r.Mem.Info,
			"MemTotal"); total.Has() && node.Has() && node.Float() < 0.9*total.Float() {
			s += ". Far less than MemTotal: this kernel hands the rest to its zones when it is wanted"
		}
		return s
	}
	return free + " free; memory is taken here first for what runs on its CPUs"
}
