package kernel

// ZoneReserve is what one zone adds to totalreserve_pages: its high watermark
// and the largest lowmem protection that a higher zone's allocations meet in
// it, at most all of its managed pages
// (mm/page_alloc.c, calculate_totalreserve_pages).
func ZoneReserve(managed, high int64, protection []uint64) int64 {
	var most int64
	for _, p := range protection {
		most = max(most, int64(p))
	}
	return min(high+most, managed)
}

// Available is si_mem_available of 4.5 and later (mm/show_mem.c; before 6.6
// in mm/page_alloc.c). Of the page cache and of reclaimable slab it counts
// what is above the smaller of one half and low, the sum of the zones' low
// watermarks.
func Available(free, reserve, cache, reclaimable, low int64) int64 {
	n := free - reserve
	n += CacheBeyond(cache, low) + CacheBeyond(reclaimable, low)
	return max(n, 0)
}

// AvailableBefore45 is the same up to 4.4, where the low watermarks took the
// place of the reserve (fs/proc/meminfo.c).
func AvailableBefore45(free, cache, reclaimable, low int64) int64 {
	n := free - low
	n += CacheBeyond(cache, low) + CacheBeyond(reclaimable, low)
	return max(n, 0)
}

// CacheBeyond is the part of a cache that counts as available.
func CacheBeyond(cache, low int64) int64 { return cache - min(cache/2, low) }

// CommitLimit is vm_commit_limit (mm/util.c): a share of RAM that is not set
// aside for hugetlb, or overcommit_kbytes where that is set, and all swap.
func CommitLimit(total, hugetlb, ratio, overcommitPages, swap int64) int64 {
	if overcommitPages > 0 {
		return overcommitPages + swap
	}
	return (total-hugetlb)*ratio/100 + swap
}

// Dirtyable is global_dirtyable_memory (mm/page-writeback.c): the free pages beyond the
// reserve, and the file pages on the lists, without those of highmem.
func Dirtyable(free, reserve, file, highmem int64) int64 {
	n := free - min(free, reserve) + file
	return n - min(n, highmem) + 1
}

// DirtyThresholds is domain_dirty_limits (mm/page-writeback.c) for a task
// without real-time or deadline scheduling. Ratios are percentages; bytes that
// are not zero win over their ratio. The ratio is turned into a share of a
// page first, and only then of the memory.
func DirtyThresholds(dirtyable, pageSize int64, ratio, bytes, backgroundRatio, backgroundBytes int64) (threshold, background int64) {
	share := func(ratio, bytes int64) int64 {
		if bytes > 0 {
			return (bytes + pageSize - 1) / pageSize
		}
		return ratio * pageSize / 100 * dirtyable / pageSize
	}
	threshold, background = share(ratio, bytes), share(backgroundRatio, backgroundBytes)
	if background >= threshold {
		background = threshold / 2
	}
	return threshold, background
}

// UnusableIndex is the share of free pages, in thousandths, that lie in blocks
// too small for an allocation of 2^order pages (mm/vmstat.c, unusable_free_index).
func UnusableIndex(free, inSuitable int64) int64 {
	if free == 0 {
		return 1000
	}
	return (free - inSuitable) * 1000 / free
}

// Watermarks are those of one zone, in pages, as __setup_per_zone_wmarks of
// mm/page_alloc.c sets them: minPages is min_free_kbytes, lowmem what all zones but
// highmem manage (and, after 6.1, but movable ones), scale watermark_scale_factor. A
// capped zone, highmem or movable, has a min of its own; promo is there since 5.18.
// What fragmentation adds for a time (boost) is not in them.
func Watermarks(minPages, managed, lowmem, scale int64, capped bool) (least, low, high, promo int64) {
	if lowmem <= 0 {
		return 0, 0, 0, 0
	}
	share := minPages * managed / lowmem
	if least = share; capped {
		least = min(max(managed/1024, 32), 128)
	}
	step := max(share/4, managed/10000*scale+managed%10000*scale/10000)
	return least, least + step, least + 2*step, least + 3*step
}
