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
			Gist:    "What min watermarks add up to, but of HighMem: kept for critical allocations.",
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
		watermark("min", "Where no zone is above it, tasks must reclaim before they get a page.", explain.Always),
		watermark("low", "Where no zone is above it, kswapd is woken and reclaims.", explain.Always),
		watermark("high", "kswapd reclaims until one zone of the node reaches it.", explain.Always),
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
			Source: src, Also: also(inspect.Buddyinfo, inspect.Meminfo),
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
		if r.In.Partial(inspect.Zoneinfo) {
			return explain.None(inspect.Malformed)
		}
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
	case free < low && served(r, "low").Float() >= 1:
		return "below low, but others that the same requests can take are not: nobody waits, and kswapd is not woken for it"
	case free < least && served(r, "min").Float() >= 1:
		return "below min, but another that the same requests can take is not: kswapd reclaims, and nobody waits"
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
	type row = nodeRow
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
		{Doc: doc{Key: "spare", Unit: ratio, Source: src, Concept: "numa", Gist: "Its share that is free, file pages or reclaimable slab."},
			Get: func(r row) value { return spare(r.It) }},
		{Doc: doc{
			Key: "why", Source: src, Also: also(inspect.Meminfo), Concept: "numa",
			Gist: "What its share of free memory means.",
		}, Get: func(r row) value { return explain.S(whyNode(r)) }},
	}, Rules: nodeRules()}
}

type nodeRow = memfacts.Part[memfacts.Node]

// Populated returns the zones that have memory. The kernel lists the empty ones
// too, and their watermarks count.
func Populated(m *memfacts.Snapshot) []memfacts.Zone {
	return slices.DeleteFunc(slices.Clone(m.Zones), func(z memfacts.Zone) bool {
		managed, ok := z.Pages["managed"]
		return ok && managed == 0
	})
}

func whyNode(r nodeRow) string {
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

// order is the kernel's order of zones, in which each request falls back to those before its own
// (include/linux/mmzone.h, enum zone_type).
func order(name string) int {
	return slices.Index([]string{"DMA", "DMA32", "Normal", "HighMem", "Movable"}, name)
}

// served is how much is free, of a watermark, in the best zone of those that a request can take
// whose page this one would serve: kswapd is woken, and tasks reclaim, only where none of these is
// above it (mm/page_alloc.c, get_page_from_freelist and __alloc_pages_slowpath). Pages that a zone
// keeps back from requests that could use a higher one do not count. What the kernel needs for
// itself is in Normal or below, whatever HighMem and Movable have.
func served(r zoneRow, mark string) value {
	own := explain.Share(explain.Look(r.It.Pages, "free"), explain.Look(r.It.Pages, mark))
	if !own.Has() {
		return own
	}
	best := own.Float()
	class := max(order(r.It.Name), order("Normal"))
	for i := range r.In.Zones {
		z := &r.In.Zones[i]
		wmark, ok := z.Pages[mark]
		if at := order(z.Name); at < 0 || at > class || !ok || wmark == 0 || z.Pages["managed"] == 0 {
			continue
		}
		free := z.Pages["free"]
		best = max(best, float64(free-min(free, keptFrom(r.In, z, class)))/float64(wmark))
	}
	return explain.F(best)
}

// keptFrom is how many pages a zone keeps back from requests of a class: its list of protection
// has a place for each zone of a node, empty ones too.
func keptFrom(m mem, z *memfacts.Zone, class int) (pages uint64) {
	at := 0
	for i := range m.Zones {
		if other := &m.Zones[i]; other.Node == z.Node {
			if n := order(other.Name); n >= 0 && n <= class && at < len(z.Protection) {
				pages = z.Protection[at]
			}
			at++
		}
	}
	return pages
}

// roomy reports whether the host itself is not short: a zone that all requests of programs can take
// has twice its high watermark free, so that the kernel reclaims nowhere but in cgroups, and over
// an interval it did not. It returns how much is free.
func roomy(m mem) (free value, yes bool) {
	if free = explain.Look(m.Info, "MemFree"); !free.Has() {
		return free, false
	}
	for _, name := range [...]string{"pgscan_kswapd", "allocstall"} {
		if rate := rateOf(perZone(name))(m); rate.Has() && !rate.Zero() {
			return free, false
		}
	}
	for i := range m.Zones {
		z := &m.Zones[i]
		high, ok := z.Pages["high"]
		if !ok || z.Pages["managed"]*20 < managed(m) || order(z.Name) < 0 || order(z.Name) > order("Normal") {
			continue
		}
		if kept := keptFrom(m, z, order("Normal")); z.Pages["free"] >= 2*high+kept {
			return free, true
		}
	}
	return free, false
}

// managed is how many pages all zones have.
func managed(m mem) (pages uint64) {
	for i := range m.Zones {
		pages += m.Zones[i].Pages["managed"]
	}
	return pages
}

// mayBeRoomy is the same where the zones could not be read: by how much of RAM is free.
func mayBeRoomy(m mem) bool {
	if _, yes := roomy(m); yes || len(m.Zones) > 0 {
		return yes
	}
	return explain.Share(explain.Look(m.Info, "MemFree"), unpooled(m)).Float() >= 0.10
}

// spare is what of a node's memory is free or can be dropped: free pages, file pages, and slab.
func spare(n *memfacts.Node) value {
	return explain.Share(explain.Sum(explain.Look(n.Info, "MemFree"), explain.Look(n.Info, "Active(file)"),
		explain.Look(n.Info, "Inactive(file)"), explain.Look(n.Info, "SReclaimable")), explain.Look(n.Info, "MemTotal"))
}

// elsewhere is the node that has most to spare besides one; nil where that is less than a quarter of it.
func elsewhere(r nodeRow) *memfacts.Node {
	var best *memfacts.Node
	for i := range r.In.Nodes {
		if n := &r.In.Nodes[i]; n.ID != r.It.ID && spare(n).Has() && (best == nil || spare(n).Float() > spare(best).Float()) {
			best = n
		}
	}
	if best == nil || spare(best).Float() < 0.25 {
		return nil
	}
	return best
}

func nodeRules() []explain.Rule[nodeRow] {
	return []explain.Rule[nodeRow]{{
		ID: "mem.node_short", What: "(MemFree + file pages + SReclaimable) / MemTotal of a NUMA node, while another has a quarter of its own",
		Unit: explain.Ratio, Below: true,
		Means: "Tasks on this node get new memory from other nodes, which is slower. Those that are bound to it (cpuset.mems, mbind, " +
			"numactl --membind) get none from elsewhere: they reclaim, swap, or are killed, with all that memory free.",
		Evidence: []string{"spare"}, Concept: "numa", Next: "kwhy explain numa",
		Of: func(r nodeRow) value {
			if len(r.In.Nodes) < 2 || explain.Look(r.It.Info, "MemTotal").Zero() {
				return value{}
			}
			if elsewhere(r) == nil {
				return explain.F(1)
			}
			return spare(r.It)
		}, At: explain.At{Notice: 0.05, Warning: 0.02},
		Say: func(r nodeRow) string {
			s := fmt.Sprintf("NUMA node %d has %s of its memory free or droppable", r.It.ID, percentOf(spare(r.It), explain.I(1)))
			if other := elsewhere(r); other != nil {
				s += fmt.Sprintf(", node %d %s", other.ID, percentOf(spare(other), explain.I(1)))
			}
			return s
		},
	}}
}

// zoneWords are the zones by name (include/linux/mmzone.h).
func zoneWords() (out []explain.Word) {
	for _, z := range [][2]string{
		{"DMA", "The lowest addresses, for old devices; the first 16 MiB on x86."},
		{"DMA32", "Memory below 4 GiB that is not in DMA, for devices with 32-bit addresses."},
		{"Normal", "Memory that the kernel can use for anything."}, {"HighMem", "RAM that a 32-bit kernel does not map permanently."},
		{"Movable", "Only movable pages, so that this RAM can be unplugged."},
		{"Device", "Memory on devices, such as persistent memory or a GPU."},
	} {
		out = append(out, explain.Word{Name: z[0], Gist: z[1], Concept: "zones"})
	}
	return out
}
