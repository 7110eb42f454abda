package oom

import "kwhy/explain"

// gfpWords are the names in a GFP mask (include/linux/gfp_types.h).
func gfpWords() (out []explain.Word) {
	for _, w := range [][2]string{
		{"GFP_KERNEL", "May wait, start I/O and enter file systems."},
		{"GFP_KERNEL_ACCOUNT", "As GFP_KERNEL, and charged to the caller's memory cgroup."},
		{"GFP_USER", "For memory that user space maps, on the nodes that its cpuset allows."},
		{"GFP_HIGHUSER", "For pages of user space, in any zone."},
		{"GFP_HIGHUSER_MOVABLE", "For anonymous pages or page cache, which may be moved later."},
		{"GFP_NOFS", "May wait and start I/O, must not enter file systems."},
		{"GFP_NOIO", "May wait, must not start I/O."}, {"GFP_NOWAIT", "Must not wait; wakes kswapd."},
		{"GFP_ATOMIC", "Must not wait, may use the reserves."},
		{"GFP_TRANSHUGE", "A transparent huge page; gives up early."},
		{"GFP_TRANSHUGE_LIGHT", "A transparent huge page, only where one is free."},
		{"GFP_DMA", "From the zone DMA."}, {"GFP_DMA32", "From the zones below 4 GiB."}, {"__GFP_ZERO", "Filled with zeros."},
		{"__GFP_COMP", "As one compound page."},
		{"__GFP_NORETRY", "Fails rather than try again or call the OOM killer."},
		{"__GFP_RETRY_MAYFAIL", "Tries hard, then fails before the OOM killer is called."},
		{"__GFP_NOFAIL", "Never fails."}, {"__GFP_NOWARN", "Logs nothing when it fails."}, {"__GFP_THISNODE", "From this node alone."},
		{"__GFP_HARDWALL", "Only from the nodes that the cpuset allows."}, {"__GFP_ACCOUNT", "Charged to the caller's memory cgroup."},
		{"__GFP_MOVABLE", "May be moved later."},
		{"__GFP_RECLAIMABLE", "Can be freed by a shrinker."}, {"__GFP_WRITE", "Will be written to: spread over nodes."},
		{"__GFP_MEMALLOC", "May use all of the reserves, to free memory."},
		{"__GFP_NOMEMALLOC", "May not use the reserves."}, {"__GFP_HIGH", "May use some of the reserves."},
		{"__GFP_IO", "May start I/O."}, {"__GFP_FS", "May enter file systems."},
		{"__GFP_DIRECT_RECLAIM", "May reclaim memory itself; since 4.4."}, {"__GFP_KSWAPD_RECLAIM", "Wakes kswapd; since 4.4."},
		{"__GFP_HIGHMEM", "May come from HighMem."},
	} {
		out = append(out, explain.Word{Name: w[0], Gist: w[1], Concept: "gfp-mask"})
	}
	return out
}
