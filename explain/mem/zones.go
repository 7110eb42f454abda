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
			Gist:    "The sum of the zones' min watermarks: reserved for critical allocations.",
			Concept: "watermarks",
		}, Get: sysctlKB(inspect.VMMinFreeKbytes), Reading: readMinFree},
		{Doc: doc{
			Key: "watermark_scale_factor", Kernel: "vm.watermark_scale_factor", Label: "watermark_scale_factor",
			Unit:    count,
			Source:  inspect.VMWatermarkScaleFactor,
			Gist:    "The distance between the watermarks, in 1/10,000 of a zone.",
			Concept: "watermarks",
		}, Get: sysctl(inspect.VMWatermarkScaleFactor), Reading: readScale},
	}
}

func readMinFree(m mem) string {
	n, _ := m.Number(inspect.VMMinFreeKbytes)
	return fmt.Sprintf("%s of RAM: below the min watermarks, tasks must reclaim before they get a page.", ofRAM(m, explain.I(n<<10)))
}

func readScale(m mem) string {
	n, _ := m.Number(inspect.VMWatermarkScaleFactor)
	return fmt.Sprintf("The distance between low and high is %s of the zone's memory, or a quarter of min, whichever is more.",
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
			Gist:    "The zone's name: an address range that some devices or uses need.",
			Concept: "zones",
		}, Get: func(r zoneRow) value { return explain.S(r.It.Name) }},
		{Doc: doc{
			Key: "node", Unit: explain.Plain,
			Source:  src,
			Gist:    "The NUMA node it belongs to.",
			Concept: "numa",
		}, Get: func(r zoneRow) value { return explain.I(r.It.Node) }},
		watermark("managed", "Pages of the page allocator in this zone, used or free.", explain.Always),
		watermark("free", "Free pages, without those in per-CPU lists.", explain.Always),
		watermark("min", "Below it, tasks must reclaim before they get a page.", explain.Always),
		watermark("low", "Below it, kswapd wakes up and reclaims.", explain.Always),
		watermark("high", "kswapd reclaims until this is reached.", explain.Always),
		watermark("promo", "Hot pages of slower nodes are promoted to this node up to this.", explain.Data),
		watermark("boost", "A temporary addition to the watermarks, caused by fragmentation.", explain.Data),
		watermark("present", "Pages that physically exist, the kernel's own included.", explain.Data),
		{Doc: doc{
			Key: "protection", Kernel: "protection", Unit: bytes, Show: explain.Data,
			Source:  src,
			Gist:    "Pages withheld here from allocations that could use a higher zone, per zone.",
			Concept: "zones",
		}, Get: protection},
		{Doc: doc{
			Key: "per_cpu", Unit: bytes, Show: explain.Data,
			Source:  src,
			Gist:    "Free pages in per-CPU lists.",
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
			Gist:    "How its free memory compares with the watermarks.",
			Concept: "watermarks",
		}, Get: func(r zoneRow) value { return explain.S(whyZone(r)) }},
	}, Rules: zoneRules()}
}

func zonePages(name string) func(zoneRow) value {
	return func(r zoneRow) value { return scaled(r.In, explain.Look(r.It.Pages, name)) }
}

func protection(r zoneRow) value {
	if r.It.Protection == nil {
		return value{}
	}
	list := make([]value, len(r.It.Protection))
	for i, p := range r.It.Protection {
		list[i] = inBytes(r.In, int64(p))
	}
	return explain.L(list)
}

func perCPU(r zoneRow) value {
	if !r.It.HasPerCPU {
		return explain.None(inspect.Inapplicable)
	}
	return inBytes(r.In, int64(r.It.PerCPU))
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
	return explain.F(float64(kernel.UnusableIndex(int64(free), int64(r.It.FreeInBlocks(hugeOrder(r.In))))) / 1000)
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
		return "zoneinfo lacks a part of it"
	case managed == 0:
		return "empty"
	case free < least:
		return "below min: tasks must reclaim before they get a page"
	case free < low:
		return "below low: kswapd reclaims"
	case free < high:
		return "between low and high: kswapd reclaims until high, if it is awake"
	}
	return fmt.Sprintf("above high: kswapd can sleep%s", whyBlocks(r))
}

func whyBlocks(r zoneRow) string {
	if r.It.Blocks == nil {
		return ""
	}
	order := hugeOrder(r.In)
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
		amount("mem_free", "MemFree", "Unused pages of it."),
		amount("anon_pages", "AnonPages", "Anonymous memory on it."),
		amount("file_pages", "FilePages", "Page cache and shared memory on it."),
		amount("slab", "Slab", "Kernel objects on it."),
		{Doc: doc{Key: "why", Source: src, Concept: "numa", Gist: "What its share of free memory means."},
			Get: func(r row) value { return explain.S(whyNode(r)) }},
	}}
}

// Populated returns the zones that have memory. The kernel lists the empty ones
// too, and their watermarks count.
func Populated(m *memfacts.Snapshot) []memfacts.Zone {
	return slices.DeleteFunc(slices.Clone(m.Zones), func(z memfacts.Zone) bool {
		managed, ok := z.Pages["managed"]
		return ok && managed == 0
	})
}

func whyNode(r memfacts.Part[memfacts.Node]) string {
	free := percentOf(explain.Look(r.It.Info, "MemFree"), explain.Look(r.It.Info, "MemTotal"))
	if len(r.In.Nodes) == 1 {
		s := free + " free; the only node, so no access is remote"
		if node, total := explain.Look(r.It.Info, "MemTotal"), explain.Look(r.In.Info,
			"MemTotal"); total.Has() && node.Has() && node.Float() < 0.9*total.Float() {
			s += ". Far less than MemTotal: this kernel adds the rest to its zones when it is needed"
		}
		return s
	}
	return free + " free; tasks on its CPUs get memory from here first"
}
