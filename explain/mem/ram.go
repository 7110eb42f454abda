package mem

import (
	"fmt"
	"slices"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// kernelPart is drawn in the bar for memory of the kernel itself.
const kernelPart = '░'

// part declares a part of MemTotal: none of them overlap.
func part(d doc, get func(mem) value, read func(mem) string, derive func(mem) explain.Derivation) field {
	d.Unit = bytes
	if d.Part == 0 {
		d.Part = kernelPart
	}
	if d.Source == inspect.None {
		d.Source = inspect.Meminfo
	}
	return field{Doc: d, Get: get, Reading: read, Derive: derive}
}

// tracked are the parts of MemTotal that the kernel counts.
func tracked() []field {
	return []field{
		part(doc{
			Key: "mem_free", Kernel: "MemFree", Part: '·',
			Gist:    "Pages that nothing uses, not even the page cache.",
			Concept: "free-memory",
		}, meminfo("MemFree"), readFree, nil),
		part(doc{
			Key: "anon_pages", Kernel: "AnonPages", Part: '█',
			Gist:    "Memory of programs that no file backs: heaps, stacks.",
			Concept: "anonymous-memory",
		}, meminfo("AnonPages"), readAnon, nil),
		part(doc{
			Key: "page_cache", Label: "page cache", Part: '▓',
			Gist:    "File contents in RAM; dropped when memory runs short.",
			Concept: "page-cache",
		}, pageCache, readPageCache, derivePageCache),
		part(doc{
			Key: "shmem", Kernel: "Shmem", Part: '▒',
			Gist:    "tmpfs files and shared memory; reclaim can only swap it out.",
			Concept: "shared-memory",
		}, meminfo("Shmem"), readShmem, nil),
		part(doc{
			Key: "swap_cached_unmapped", Label: "swap cache", Part: '▓', Show: explain.Rare,
			Gist:    "Pages in the swap cache that no process maps.",
			Concept: "swap",
		}, swapCacheUnmapped, nil, deriveSwapCache),
		part(doc{
			Key: "s_reclaimable", Kernel: "SReclaimable",
			Gist:    "Slab that reclaim can free, mostly cached dentries and inodes.",
			Concept: "slab",
		}, meminfo("SReclaimable"), readSReclaimable, nil),
		part(doc{
			Key: "misc_reclaimable", Label: "misc reclaimable", Show: explain.Rare,
			Since:   kernelVersion(4, 20),
			Gist:    "Kernel memory outside slab that a shrinker can free.",
			Concept: "slab",
		}, miscReclaimable, nil, deriveMisc),
		part(doc{
			Key: "s_unreclaim", Kernel: "SUnreclaim",
			Gist:    "Slab that reclaim cannot free: kernel objects in use.",
			Concept: "slab",
		}, meminfo("SUnreclaim"), readSUnreclaim, nil),
		part(doc{
			Key: "kernel_stack", Kernel: "KernelStack",
			Gist:    "Kernel stacks: one for each thread, sleeping ones included.",
			Concept: "kernel-stack",
		}, meminfo("KernelStack"), nil, nil),
		part(doc{
			Key: "page_tables", Kernel: "PageTables",
			Gist:    "The tables that translate programs' addresses into RAM.",
			Concept: "page-tables",
		}, meminfo("PageTables"), readPageTables, nil),
		part(doc{
			Key: "sec_page_tables", Kernel: "SecPageTables", Show: explain.Rare,
			Since:   kernelVersion(6, 1),
			Gist:    "Page tables of guests (KVM) and, by 6.12, of devices (IOMMU).",
			Concept: "page-tables",
		}, meminfo("SecPageTables"), nil, nil),
		part(doc{
			Key: "percpu", Kernel: "Percpu",
			Since:   kernelVersion(4, 19),
			Gist:    "The kernel's per-CPU variables: one copy for each possible CPU.",
			Concept: "per-cpu",
		}, meminfo("Percpu"), nil, nil),
		part(doc{
			Key: "vmalloc_less_stacks", Label: "vmalloc (no stacks)",
			Also:    also(inspect.Vmstat),
			Gist:    "Large kernel buffers, modules and BPF programs, without kernel stacks.",
			Concept: "vmalloc",
		}, vmallocRest, readVmalloc, deriveVmalloc),
		part(doc{
			Key: "pcp_lists", Label: "per-CPU page lists", Part: '·',
			Source:  inspect.Zoneinfo,
			Gist:    "Free pages in per-CPU lists; MemFree does not count them.",
			Concept: "per-cpu",
		}, pcpLists, nil, nil),
		part(doc{
			Key: "hugetlb", Kernel: "Hugetlb", Part: '▚', Show: explain.Rare, Also: also(inspect.HugepagePools),
			Since: kernelVersion(4, 16), Option: "CONFIG_HUGETLB_PAGE",
			Gist:    "RAM in huge page pools, used or not; nothing else can use it.",
			Concept: "huge-pages",
		}, hugetlb, readHugetlb, nil),
		part(doc{
			Key: "zspages", Label: "zram/zswap pools", Show: explain.Rare,
			Source: inspect.Vmstat, Also: also(inspect.Meminfo), Option: "CONFIG_ZSMALLOC",
			Gist:    "RAM that holds compressed pages for zram and zswap.",
			Concept: "compressed-swap",
		}, compressed, nil, nil),
		part(doc{
			Key: "gpu_active", Kernel: "GPUActive", Show: explain.Rare,
			Gist:    "System RAM that graphics drivers use, on kernels that count it (7.3 does).",
			Concept: "untracked-memory",
		}, whereCounted("GPUActive"), nil, nil),
		part(doc{
			Key: "gpu_reclaim", Kernel: "GPUReclaim", Show: explain.Rare,
			Gist:    "System RAM in graphics drivers' pools, which they can give back.",
			Concept: "untracked-memory",
		}, whereCounted("GPUReclaim"), nil, nil),
		part(doc{
			Key: "hardware_corrupted", Kernel: "HardwareCorrupted", Show: explain.Rare,
			Option:  "CONFIG_MEMORY_FAILURE",
			Gist:    "Pages taken out of use because of errors of their RAM, or on request.",
			Concept: "untracked-memory",
		}, meminfo("HardwareCorrupted"), nil, nil),
		part(doc{
			Key: "bounce", Kernel: "Bounce", Show: explain.Rare,
			Gist:    "Copies of pages for block devices that cannot reach all of RAM.",
			Concept: "untracked-memory",
		}, meminfo("Bounce"), nil, nil),
		part(doc{
			Key: "writeback_tmp", Kernel: "WritebackTmp", Show: explain.Rare,
			Gist:    "Copies of pages that FUSE writes back.",
			Concept: "dirty-pages",
		}, meminfo("WritebackTmp"), nil, nil),
	}
}

// ram is all of MemTotal: what the kernel counts, and what is left.
func ram() explain.Section[mem] {
	parts := tracked()
	return explain.Section[mem]{Title: "RAM by use", Whole: "mem_total", Fields: append(parts, rest(parts)), Rest: rest}
}

// rest is what the parts leave of MemTotal.
func rest(parts []field) field {
	return part(doc{
		Key: "untracked", Label: "unaccounted", Part: '?',
		Also:    also(inspect.Zoneinfo, inspect.Vmstat, inspect.ZFSArc),
		Gist:    "RAM in no counter: drivers' pages, packet buffers and the like.",
		Concept: "untracked-memory",
	}, func(m mem) value { return less(m, parts) },
		func(m mem) string { return readUntracked(m, less(m, parts)) },
		func(m mem) explain.Derivation { return deriveUntracked(m, parts) })
}

// whereCounted gets a line of newer kernels. On others, what it would
// count is part of the remainder.
func whereCounted(name string) func(mem) value {
	return func(m mem) value {
		if v := explain.Look(m.Info, name); v.Has() {
			return v
		}
		return explain.None(inspect.Inapplicable)
	}
}

func pageCache(m mem) value {
	sum := explain.Sum(explain.Look(m.Info, "Cached"), explain.Look(m.Info, "Buffers"))
	shmem := explain.Look(m.Info, "Shmem")
	if !sum.Has() || !shmem.Has() {
		return value{}
	}
	return explain.I(sum.Int() - shmem.Int())
}

func derivePageCache(m mem) explain.Derivation {
	var w explain.Working
	for _, name := range []string{"Cached", "Buffers", "Shmem"} {
		w.Take(name, explain.Look(m.Info, name), bytes, inspect.Meminfo, name)
	}
	return w.Done("Cached + Buffers − Shmem", bytes, pageCache(m))
}

// swapCacheUnmapped is the part of SwapCached that AnonPages does not count:
// a page that a process maps and that still has its place in swap is in both.
// The LRU lists contain each page once, so what they have beyond anonymous
// and file pages is only in the swap cache. The lists lag behind by the pages
// that each CPU has yet to add.
func swapCacheUnmapped(m mem) value {
	cached := explain.Look(m.Info, "SwapCached")
	lists := lruPages(m)
	rest := explain.Sum(explain.Look(m.Info, "AnonPages"), explain.Look(m.Info, "Cached"), explain.Look(m.Info, "Buffers"))
	if !cached.Has() || !lists.Has() || !rest.Has() {
		return value{}
	}
	return explain.I(min(max(lists.Int()-rest.Int(), 0), cached.Int()))
}

func lruPages(m mem) value {
	return explain.Sum(explain.Look(m.Info, "Active"), explain.Look(m.Info, "Inactive"), explain.Look(m.Info, "Unevictable"))
}

func deriveSwapCache(m mem) explain.Derivation {
	var w explain.Working
	for _, name := range []string{"Active", "Inactive", "Unevictable", "AnonPages", "Cached", "Buffers", "SwapCached"} {
		w.Take(name, explain.Look(m.Info, name), bytes, inspect.Meminfo, name)
	}
	return w.Done("Active + Inactive + Unevictable − AnonPages − Cached − Buffers, from 0 to SwapCached", bytes, swapCacheUnmapped(m))
}

func miscReclaimable(m mem) value {
	k, s := explain.Look(m.Info, "KReclaimable"), explain.Look(m.Info, "SReclaimable")
	if !k.Has() || !s.Has() {
		return value{}
	}
	return explain.I(k.Int() - s.Int())
}

func deriveMisc(m mem) explain.Derivation {
	var w explain.Working
	w.Take("KReclaimable", explain.Look(m.Info, "KReclaimable"), bytes, inspect.Meminfo, "KReclaimable")
	w.Take("SReclaimable", explain.Look(m.Info, "SReclaimable"), bytes, inspect.Meminfo, "SReclaimable")
	return w.Done("KReclaimable − SReclaimable", bytes, miscReclaimable(m))
}

// stacksInVmalloc reports whether VmallocUsed includes the kernel stacks:
// under CONFIG_VMAP_STACK, which is the default of the 64-bit architectures.
// The kernel does not say so; where it is less than the stacks, it does not.
func stacksInVmalloc(m mem) bool { return m.Info["VmallocUsed"] >= m.Info["KernelStack"] }

// ofAddresses reports whether VmallocUsed is of an old kernel, where it counts addresses: mappings
// of devices (ioremap) too, which are no RAM. Until 4.3 VmallocChunk is computed with it
// (fs/proc/meminfo.c, get_vmalloc_info), and 0 since.
func ofAddresses(m mem) bool {
	return inspect.Choose(m.Kernel().Since(4, 4), false, true, m.Info["VmallocChunk"] > 0)
}

func vmallocRest(m mem) value {
	used, stack := explain.Look(m.Info, "VmallocUsed"), explain.Look(m.Info, "KernelStack")
	switch {
	case !used.Has() || !stack.Has():
		return value{}
	case used.Zero() && inspect.Choose(m.Kernel().Since(5, 3), false, true, true): // not counted until then
		return explain.None(inspect.Masked)
	case ofAddresses(m):
		return explain.None(inspect.Inapplicable)
	case !stacksInVmalloc(m):
		return used
	}
	return explain.I(used.Int() - stack.Int())
}

func readVmalloc(m mem) string {
	if !stacksInVmalloc(m) {
		return "All of VmallocUsed: it is too small to include the kernel stacks."
	}
	return ""
}

func deriveVmalloc(m mem) explain.Derivation {
	var w explain.Working
	w.Take("VmallocUsed", explain.Look(m.Info, "VmallocUsed"), bytes, inspect.Meminfo, "VmallocUsed")
	formula := "VmallocUsed"
	if stacksInVmalloc(m) {
		formula = "VmallocUsed − KernelStack"
		w.Take("KernelStack", explain.Look(m.Info, "KernelStack"), bytes, inspect.Meminfo, "KernelStack")
	}
	return w.Done(formula, bytes, vmallocRest(m))
}

func pcpLists(m mem) value {
	var n uint64
	for i := range m.Zones {
		n += m.Zones[i].PerCPU
	}
	if len(m.Zones) == 0 || m.Partial(inspect.Zoneinfo) || m.Missing(inspect.Zoneinfo) != inspect.Present { // buddyinfo names zones too
		return value{}
	}
	return inBytes(m, int64(n))
}

// hugetlb is meminfo's Hugetlb, which counts the pools of all sizes. Before 4.16 /sys has
// them, and meminfo that of the default size.
func hugetlb(m mem) value {
	if v := explain.Look(m.Info, "Hugetlb"); v.Has() {
		return v
	}
	if p := poolsOf(m); p.idle.Has() {
		return explain.N(p.total)
	}
	n, size := explain.Look(m.Info, "HugePages_Total"), explain.Look(m.Info, "Hugepagesize")
	if !n.Has() || !size.Has() {
		return value{}
	}
	return explain.N(n.Uint() * size.Uint())
}

// compressed is the memory of zsmalloc. Until 6.15 zswap could use other allocators
// (zbud, z3fold), which only meminfo's Zswap counts; the larger of the two is
// a safe lower bound.
func compressed(m mem) value {
	pages, pool := explain.Look(m.Vmstat, "nr_zspages"), explain.Look(m.Info, "Zswap")
	switch {
	case pages.Has():
		return inBytes(m, max(pages.Int(), or0(inPages(m, pool)).Int()))
	case pool.Has():
		return pool
	}
	return value{}
}

// untracked is the remainder. It includes parts that this kernel does not count.
func untracked(m mem) value { return less(m, tracked()) }

// unowned is what is left of it without ZFS's cache, which is most of it where there is one: OpenZFS
// takes the cache's data from the page allocator (module/os/linux/zfs/abd_os.c).
func unowned(m mem) value {
	v := untracked(m)
	if !v.Has() || m.ARC == nil {
		return v
	}
	return explain.I(max(v.Int()-int64(m.ARC.Size), 0))
}

// maybeIn says what of it is known from elsewhere: ZFS's cache, and pages that a balloon took.
func maybeIn(m mem) (s string) {
	if m.ARC != nil {
		s = fmt.Sprintf("; ZFS's cache (ARC) has %s, most of it here, and gives way down to %s", units.Size(m.ARC.Size), units.Size(m.ARC.Min))
	}
	in, out := explain.Look(m.Vmstat, "balloon_inflate"), explain.Look(m.Vmstat, "balloon_deflate")
	if in.Has() && out.Has() && in.Int() > out.Int() {
		s += fmt.Sprintf("; a balloon has taken %s, which is a part of this if its driver left it in MemTotal",
			size(inBytes(m, in.Int()-out.Int())))
	}
	return s
}

// less is MemTotal less the parts.
func less(m mem, parts []field) value {
	total, sum := explain.Look(m.Info, "MemTotal"), sumOf(m, parts)
	switch {
	case !total.Has() || !sum.Has():
		return value{}
	case foreign(m, inspect.Zoneinfo, inspect.Vmstat, inspect.ZFSArc):
		return explain.None(inspect.Foreign)
	}
	return explain.I(total.Int() - sum.Int())
}

// foreign reports whether one of the sources that a value is made of, besides its own, is not the
// kernel's.
func foreign(m mem, parts ...inspect.Source) bool {
	return slices.ContainsFunc(parts, func(src inspect.Source) bool { return m.Doubt(src).Any() })
}

// sumOf adds up parts. What every kernel counts must be there; the others are zero where
// they are not counted.
func sumOf(m mem, parts []field) value {
	for _, name := range []string{"MemFree", "AnonPages", "Cached", "Buffers", "Shmem", "SReclaimable", "SUnreclaim"} {
		if v := explain.Look(m.Info, name); !v.Has() {
			return v
		}
	}
	sum := explain.I(0)
	for _, f := range parts {
		v := f.Get(m)
		if why := unseenPart(m, &f, v); why.IsGap() {
			return explain.None(why)
		}
		sum = explain.Sum(sum, or0(v))
	}
	return sum
}

// unseenPart is why a part may be more than its value, or than nothing: it is in a file that
// could not be read, or among what did not parse.
func unseenPart(m mem, f *field, v value) inspect.Reason {
	for src := range f.Needs().Each() {
		why := m.Missing(src)
		switch {
		case m.Partial(src):
			return inspect.Malformed
		case v.Has() && src != f.Source, why == inspect.Unsupported, why == inspect.Disabled:
		case why.IsGap():
			return why
		}
	}
	return inspect.Present
}

func deriveUntracked(m mem, parts []field) explain.Derivation {
	var w explain.Working
	w.Take("MemTotal", explain.Look(m.Info, "MemTotal"), bytes, inspect.Meminfo, "MemTotal")
	w.Take("parts", sumOf(m, parts), bytes, inspect.Meminfo, "the sum of all parts above")
	return w.Done("MemTotal − parts", bytes, less(m, parts))
}

func readUntracked(m mem, n value) string {
	s := ofRAM(m, n) + " of RAM is in no counter: pages that were allocated directly, as drivers and the network stack do" + maybeIn(m) + "."
	if n.Int() < 0 {
		s = "Below zero: the parts add up to more than MemTotal. Why is " + unexplained + "; they are not all of one moment."
	}
	if b := explain.Look(m.Info, "Balloon"); b.Has() && !b.Zero() {
		s += fmt.Sprintf(" A balloon has %s, which is part of this if its driver did not subtract it from MemTotal.", size(b))
	}
	return s
}

func readFree(m mem) string {
	return fmt.Sprintf("%s of RAM is unused. A low value is normal: the page cache fills free pages.",
		ofRAM(m, explain.Look(m.Info, "MemFree")))
}

func readAnon(m mem) string {
	s := ofRAM(m, explain.Look(m.Info, "AnonPages")) + " of RAM is anonymous memory of programs"
	if explain.Look(m.Info, "SwapTotal").Zero() {
		return s + "; without swap, reclaim can take none of it but what MADV_FREE gave up."
	}
	if locked := explain.Look(m.Info, "Mlocked"); locked.Has() && locked.Float() >= 0.05*explain.Look(m.Info, "MemTotal").Float() {
		return s + "; it can be swapped out, but for what of it is locked: Mlocked, which counts all kinds, is " + size(locked) + "."
	}
	return s + "; it can be swapped out."
}

func readPageCache(m mem) string {
	s := ofRAM(m, pageCache(m)) + " of RAM holds file contents"
	if d := explain.Look(m.Info, "Dirty"); d.Zero() {
		s += "; none of it is dirty"
	} else if d.Has() {
		s += "; " + size(d) + " of it is dirty and must be written before it can be dropped"
	}
	return s + "."
}

func readShmem(m mem) string {
	s := "tmpfs files and shared memory"
	if explain.Look(m.Info, "SwapTotal").Zero() {
		return s + ": only deleting them, or the end of their last user, frees it, because there is no swap."
	}
	return s + "; swap can take it where it has room, otherwise only deleting them, or the end of their last user, frees it."
}

func readSReclaimable(m mem) string {
	a, b := explain.Look(m.Info, "SReclaimable"), explain.Look(m.Info, "SUnreclaim")
	sum := explain.Sum(a, b)
	if s := explain.Share(a, sum); s.Has() {
		return string(units.AppendPercent(nil, s.Float())) + " of the slab; freed when memory runs short."
	}
	return ""
}

func readSUnreclaim(m mem) string {
	return ofRAM(m, explain.Look(m.Info, "SUnreclaim")) + " of RAM. If it keeps growing, the kernel or a driver leaks memory."
}

func readPageTables(m mem) string {
	return ofRAM(m, explain.Look(m.Info, "PageTables")) +
		" of RAM. Many processes that map the same large memory need many: each has its own."
}

func readHugetlb(m mem) string {
	if hugetlb(m).Zero() {
		return "None are set aside."
	}
	unused := ""
	if idle := idleHuge(m); idle.Has() {
		unused = "; " + size(idle)
		if !poolsOf(m).idle.Has() {
			unused += " of the default size"
		}
		unused += " of it is idle"
	}
	return ofRAM(m, hugetlb(m)) + " of RAM" + unused + ". Only programs that ask for huge pages get any of it."
}
