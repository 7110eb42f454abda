package mem

import (
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
)

func thpWords() []explain.Word {
	return []explain.Word{
		{Name: "always", Gist: "Wherever possible.", Concept: "transparent-huge-pages"},
		{Name: "madvise", Gist: "Where a program asked for it with madvise.", Concept: "transparent-huge-pages"},
		{Name: "never", Gist: "Nowhere.", Concept: "transparent-huge-pages"},
	}
}

func huge() []field {
	const thp = "transparent-huge-pages"
	thpSize := func(key, name, gist string, since inspect.Version) field {
		return field{Doc: doc{
			Key: key, Kernel: name, Unit: bytes, Show: explain.Rare,
			Source: inspect.Meminfo, Since: since, Option: "CONFIG_TRANSPARENT_HUGEPAGE",
			Gist:    gist,
			Concept: thp,
		}, Get: meminfo(name)}
	}
	pool := func(key, name, gist string) field {
		return field{Doc: doc{
			Key: key, Kernel: name, Unit: count, Show: explain.Rare,
			Source: inspect.Meminfo, Option: "CONFIG_HUGETLB_PAGE",
			Gist:    gist,
			Concept: "huge-pages",
		}, Get: meminfo(name)}
	}
	direct := func(key, name, gist string, show explain.Show) field {
		return field{Doc: doc{
			Key: key, Kernel: name, Unit: bytes, Show: show,
			Source: inspect.Meminfo, Option: "an architecture that counts it (x86, s390, 64-bit Book3S PowerPC)",
			Gist:    gist,
			Concept: "direct-map",
		}, Get: directMap(name)}
	}
	anon := thpSize("anon_huge_pages", "AnonHugePages", "Anonymous memory in transparent huge pages that one TLB entry maps.",
		inspect.Version{})
	anon.Show, anon.Reading = explain.Always, readAnonHuge
	whole := direct("direct_map1g", "DirectMap1G", "The kernel's direct map of RAM in 1 GiB pages: fewest TLB entries.", explain.Always)
	whole.Reading = readDirect
	return []field{
		{Doc: doc{
			Key: "thp_enabled", Label: "THP enabled",
			Source:  inspect.THPEnabled,
			Words:   thpWords(),
			Gist:    "When anonymous memory may be mapped in huge pages.",
			Concept: thp,
		}, Get: word(inspect.THPEnabled), Reading: readTHP},
		{Doc: doc{
			Key: "thp_defrag", Label: "THP defrag",
			Source:  inspect.THPDefrag,
			Gist:    "How much work a page fault does to get a huge page at once.",
			Concept: thp,
		}, Get: word(inspect.THPDefrag), Reading: readDefrag},
		{Doc: doc{
			Key: "thp_shmem_enabled", Label: "THP shmem_enabled",
			Source:  inspect.THPShmemEnabled,
			Gist:    "The same for shared anonymous memory.",
			Concept: thp,
		}, Get: word(inspect.THPShmemEnabled)},
		anon,
		thpSize("shmem_huge_pages", "ShmemHugePages", "tmpfs and shared memory in huge pages.", kernelVersion(4, 8)),
		thpSize("file_huge_pages", "FileHugePages", "File contents in huge pages.", kernelVersion(5, 4)),
		pool("huge_pages_total", "HugePages_Total", "Huge pages set aside in the pool of the default size."),
		pool("huge_pages_free", "HugePages_Free", "Huge pages of the pool that nothing uses yet."),
		pool("huge_pages_rsvd", "HugePages_Rsvd", "Free huge pages that are reserved for a mapping."),
		pool("huge_pages_surp", "HugePages_Surp", "Huge pages beyond the configured pool size; released when freed."),
		{Doc: doc{
			Key: "hugetlb_idle", Label: "idle huge pages", Unit: bytes, Show: explain.Rare,
			Source: inspect.HugepagePools, Also: also(inspect.Meminfo),
			Gist:    "RAM in huge pages of all sizes that nothing uses or has reserved.",
			Concept: "huge-pages",
		}, Get: func(m mem) value { return poolsOf(m).idle }, Reading: readIdle},
		{Doc: doc{
			Key: "hugepagesize", Kernel: "Hugepagesize", Unit: bytes, Show: explain.Data,
			Source: inspect.Meminfo, Option: "CONFIG_HUGETLB_PAGE",
			Gist:    "The default size of a huge page.",
			Concept: "huge-pages",
		}, Get: meminfo("Hugepagesize")},
		whole,
		direct("direct_map2m", "DirectMap2M", "The kernel's direct map of RAM in 2 MiB pages.", explain.Always),
		direct("direct_map4k", "DirectMap4k", "The kernel's direct map in 4 KiB pages: parts split for protection.", explain.Always),
		{Doc: doc{
			Key: "ksm_run", Kernel: "run", Label: "KSM run", Unit: explain.Plain,
			Source:  inspect.KSM,
			Gist:    "0: off, 1: identical pages are merged, 2: merged pages are split again.",
			Concept: "ksm",
		}, Get: ksm("run"), Reading: readKSM},
		{Doc: doc{
			Key: "ksm_pages_shared", Kernel: "pages_shared", Label: "KSM pages_shared", Unit: bytes, Show: explain.Rare,
			Source:  inspect.KSM,
			Gist:    "Merged pages, each in place of several identical ones.",
			Concept: "ksm",
		}, Get: ksmPages("pages_shared")},
		{Doc: doc{
			Key: "ksm_pages_sharing", Kernel: "pages_sharing", Label: "KSM pages_sharing", Unit: bytes,
			Show:    explain.Rare,
			Source:  inspect.KSM,
			Gist:    "How much more would be used without merging, zero pages not counted.",
			Concept: "ksm",
		}, Get: ksmPages("pages_sharing")},
		{Doc: doc{
			Key: "ksm_general_profit", Kernel: "general_profit", Label: "KSM general_profit", Unit: bytes,
			Show:   explain.Rare,
			Source: inspect.KSM, Since: kernelVersion(6, 4),
			Gist:    "Memory that merging saves, minus the memory for its bookkeeping.",
			Concept: "ksm",
		}, Get: ksm("general_profit")},
	}
}

func directMaps() []string { return []string{"DirectMap4k", "DirectMap2M", "DirectMap1G"} }

// directMap gets one of the sizes; on a kernel that counts others it is inapplicable.
func directMap(name string) func(mem) value {
	return func(m mem) value {
		if v := explain.Look(m.Info, name); v.Has() {
			return v
		}
		for key := range m.Info {
			if strings.HasPrefix(key, "DirectMap") {
				return explain.None(inspect.Inapplicable)
			}
		}
		return value{}
	}
}

func readTHP(m mem) string {
	switch w, _ := m.Word(inspect.THPEnabled); w {
	case "always":
		return "Any program's memory may be mapped in huge pages: fewer TLB misses, but sometimes more RAM than the program asked for."
	case "madvise":
		return "Only where a program asks for it with madvise(MADV_HUGEPAGE), but for sizes set to always (hugepages-*kB, since 6.8)."
	case "never":
		return "Never, even if a program asks with madvise, but for MADV_COLLAPSE and sizes set to always or madvise " +
			"(hugepages-*kB, since 6.8)."
	}
	return ""
}

func readDefrag(m mem) string {
	switch w, _ := m.Word(inspect.THPDefrag); w {
	case "always":
		return "A page fault that could use a huge page reclaims and compacts memory for it; the task waits."
	case "defer":
		return "A page fault takes a huge page if one is free; otherwise it wakes kswapd and kcompactd."
	case "defer+madvise":
		return "Memory with madvise waits for one; for other memory kswapd and kcompactd are woken."
	case "madvise":
		return "Memory with madvise waits for reclaim and compaction; other memory gets a huge page only if one is free."
	case "never":
		return "A page fault takes a huge page only if one is free."
	}
	return ""
}

func readAnonHuge(m mem) string {
	s := explain.Share(explain.Look(m.Info, "AnonHugePages"), explain.Look(m.Info, "AnonPages"))
	if !s.Has() {
		return ""
	}
	return fmt.Sprintf("%s of anonymous memory. Only pages mapped by one TLB entry count; smaller multi-page folios do not.",
		units.AppendPercent(nil, s.Float()))
}

func readDirect(m mem) string {
	var sum, large uint64
	for _, k := range directMaps() {
		sum += m.Info[k]
		if k != "DirectMap4k" {
			large += m.Info[k]
		}
	}
	return fmt.Sprintf("%s of the kernel's direct map is in large pages. These are sizes of mappings, not memory use.",
		units.Percent(large, sum))
}

func ksm(name string) func(mem) value {
	return func(m mem) value {
		if n, ok := m.KSM[name]; ok {
			return explain.I(n)
		}
		return value{}
	}
}

func ksmPages(name string) func(mem) value {
	return func(m mem) value { return scaled(m, ksm(name)(m)) }
}

func readKSM(m mem) string {
	switch m.KSM["run"] {
	case 0:
		return "Off: no more pages are merged; those that were stay so."
	case 1:
		return fmt.Sprintf("On: at least %s of memory that programs marked for it (MADV_MERGEABLE, prctl) is saved.",
			size(ksmPages("pages_sharing")(m)))
	}
	return "Stopped: merged pages are split again."
}

// HugePools lists the hugetlb pools that have pages, or may grow some.
func HugePools() *explain.Table[memfacts.Part[memfacts.HugePool]] {
	type row = memfacts.Part[memfacts.HugePool]
	type column = explain.Field[row]
	src := inspect.HugepagePools
	amount := func(key, gist string) column {
		return column{Doc: doc{
			Key: key, Kernel: key, Label: key[:len(key)-len("_hugepages")], Unit: count,
			Source:  src,
			Gist:    gist,
			Concept: "huge-pages",
		}, Get: func(r row) value { return explain.Look(r.It.Counts, key) }}
	}
	total := amount("nr_hugepages", "Pages in the pool.")
	total.Label = "total"
	return &explain.Table[row]{Name: "hugepages", Fields: []column{
		{Doc: doc{
			Key: "page_size", Label: "page size", Unit: bytes,
			Source:  src,
			Gist:    "The size of the pool's pages.",
			Concept: "huge-pages",
		}, Get: func(r row) value { return explain.N(r.It.PageSize) }},
		total,
		amount("free_hugepages", "Pages that nothing uses."),
		amount("resv_hugepages", "Free pages that are reserved for a mapping."),
		amount("surplus_hugepages", "Pages beyond the configured size."),
		{Doc: doc{Key: "why", Source: src, Concept: "huge-pages", Gist: "How much of the pool is idle."},
			Get: func(r row) value { return explain.S(whyPool(r.It)) }},
	}}
}

func whyPool(p *memfacts.HugePool) string {
	idle := idleIn(p)
	if idle == 0 {
		return "all of it is in use or reserved"
	}
	return units.Size(idle) + " is idle, and nothing else can use it"
}

// pools are the huge pages that were set aside.
type pools struct {
	total uint64 // bytes, in use or not
	idle  value  // bytes that nothing uses or has reserved; absent where that is not known
	each  string // how that is made up, where several sizes have some
}

// poolsOf adds up the pools of all sizes, as /sys has them.
func poolsOf(m mem) (p pools) {
	if why := m.Missing(inspect.HugepagePools); why != inspect.Present {
		p.idle = explain.None(why)
		return p
	}
	sum, each := uint64(0), []string{}
	for i := range m.Pools {
		pool := &m.Pools[i]
		if pool.Counts["nr_hugepages"] > 0 && !explain.Look(pool.Counts, "free_hugepages").Has() {
			p.idle = explain.None(inspect.Malformed)
			return p
		}
		p.total += pool.Counts["nr_hugepages"] * pool.PageSize
		if idle := idleIn(pool); idle > 0 {
			sum += idle
			each = append(each, fmt.Sprintf("%s in pages of %s", units.Size(idle), units.Size(pool.PageSize)))
		}
	}
	if p.idle = explain.N(sum); len(each) > 1 {
		p.each = strings.Join(each, ", ")
	}
	return p
}

// idleHuge is what nothing uses of the pools of all sizes; where only meminfo can be read, of
// that of the default size.
func idleHuge(m mem) value {
	if v := poolsOf(m).idle; v.Has() {
		return v
	}
	free, rsvd, each := explain.Look(m.Info, "HugePages_Free"), explain.Look(m.Info, "HugePages_Rsvd"), explain.Look(m.Info, "Hugepagesize")
	if !free.Has() || !rsvd.Has() || !each.Has() {
		return value{}
	}
	return explain.I((free.Int() - min(rsvd.Int(), free.Int())) * each.Int())
}

// idleIn is how many bytes of a pool nothing uses or has reserved.
func idleIn(p *memfacts.HugePool) uint64 {
	free := p.Counts["free_hugepages"]
	return (free - min(free, p.Counts["resv_hugepages"])) * p.PageSize
}

func readIdle(m mem) string {
	p := poolsOf(m)
	s := ofRAM(m, p.idle) + " of RAM"
	if p.each != "" {
		s += ": " + p.each
	}
	return s + ". Only programs that ask for huge pages can get it."
}

// unpooled is the RAM outside of the pools of huge pages, on which all else lives.
func unpooled(m mem) value {
	total := explain.Look(m.Info, "MemTotal")
	if !total.Has() {
		return total
	}
	return explain.I(total.Int() - min(or0(hugetlb(m)).Int(), total.Int()))
}

// UsedPools returns the pools that have pages, or may get some.
func UsedPools(m *memfacts.Snapshot) []memfacts.HugePool {
	return slices.DeleteFunc(slices.Clone(m.Pools), func(p memfacts.HugePool) bool {
		return p.Counts["nr_hugepages"] == 0 && p.Counts["nr_overcommit_hugepages"] == 0
	})
}
