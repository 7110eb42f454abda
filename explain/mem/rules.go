package mem

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
)

type rule = explain.Rule[*memfacts.Snapshot]

// hostRules judge a host's memory. Their thresholds are ratios unless the
// rule says otherwise.
func hostRules() []rule { return append(standRules(), strainRules()...) }

// standRules judge how it stands, and some counters.
func standRules() []rule {
	return []rule{{
		ID: "mem.available_low", What: "MemAvailable / MemTotal", Unit: explain.Ratio,
		Means: "MemAvailable is what the kernel can hand out without swapping. " +
			"Below the watermarks every request for a page first has to free one, and where that fails the OOM killer ends a process.",
		Evidence: []string{"mem_available", "mem_total"}, Concept: "available-memory", Next: "kwhy explain available-memory",
		Of: availableShare, Below: true, At: explain.At{Notice: 0.15, Warning: 0.08, Critical: 0.03},
		Say: func(m mem) string {
			return fmt.Sprintf("only %s of RAM is available: %s", ofRAM(m, explain.Look(m.Info, "MemAvailable")),
				size(explain.Look(m.Info, "MemAvailable")))
		},
	}, {
		ID: "mem.cgroup_near_limit", What: "memory that cannot be dropped / the limit of the cgroup that bounds kwhy", Unit: explain.Ratio,
		Means: "At the limit the kernel reclaims from this cgroup alone, " +
			"and when that yields nothing it kills a process in it, however much the host has free.",
		Evidence: []string{"cgroup_room", "cgroup_limit"}, Concept: "memory-cgroup", Next: "kwhy explain memory-cgroup",
		Of: func(m mem) value {
			if at := cgroupfacts.Closest(m.Cgroups); at >= 0 {
				return Pressed(&m.Cgroups[at])
			}
			return value{}
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.97},
		Say: func(m mem) string {
			c := &m.Cgroups[cgroupfacts.Closest(m.Cgroups)]
			limit, _ := c.Limit()
			return fmt.Sprintf("%s of the limit of cgroup %s (%s) is used by memory that cannot be dropped",
				units.AppendPercent(nil, Pressed(c).Float()), c.Path, units.Size(limit))
		},
	}, {
		ID: "mem.untracked_large", What: "RAM in no counter / MemTotal", Unit: explain.Ratio,
		Means: "Pages that drivers took straight from the page allocator: of graphics, of balloons, of a leak. " +
			"No process has them, and no kill gives them back.",
		Evidence: []string{"untracked", "mem_total"}, Concept: "untracked-memory", Next: "kwhy explain untracked-memory",
		Of: func(m mem) value { return explain.Share(untracked(m), explain.Look(m.Info, "MemTotal")) },
		At: explain.At{Notice: 0.10, Warning: 0.30},
		Say: func(m mem) string {
			return fmt.Sprintf("%s of RAM is in no counter: %s of pages that drivers took", ofRAM(m, untracked(m)), size(untracked(m)))
		},
	}, {
		ID: "mem.slab_unreclaimable_large", What: "SUnreclaim / MemTotal", Unit: explain.Ratio,
		Means: "Kernel objects that are in use: reclaim cannot free them, only their owners can, by closing, " +
			"unmounting or ending. A leak in the kernel ends here.",
		Evidence: []string{"s_unreclaim", "mem_total"}, Concept: "slab", Next: "kwhy explain slab",
		Of: func(m mem) value {
			return explain.Share(explain.Look(m.Info, "SUnreclaim"), explain.Look(m.Info, "MemTotal"))
		}, At: explain.At{Notice: 0.15, Warning: 0.30},
		Say: func(m mem) string {
			return fmt.Sprintf("%s of RAM is slab that cannot be reclaimed", ofRAM(m, explain.Look(m.Info, "SUnreclaim")))
		},
	}, {
		ID: "mem.dirty_throttled", What: "(Dirty + Writeback) / the mean of dirty and background threshold", Unit: explain.Ratio,
		Means:    "From here on the kernel makes those who write wait in write() as long as the disk needs, so that dirty pages do not fill RAM.",
		Evidence: []string{"dirty", "writeback", "nr_dirty_threshold"}, Concept: "dirty-pages", Next: "kwhy explain dirty-pages",
		Of: func(m mem) value { return explain.Share(dirtyNow(m), freerun(m)) }, At: explain.At{Notice: 0.80, Warning: 1},
		Say: func(m mem) string {
			return fmt.Sprintf("%s waits to be written, %s of what makes the kernel slow writers down",
				size(dirtyNow(m)), percentOf(dirtyNow(m), freerun(m)))
		},
	}, {
		ID: "mem.commit_near_limit", What: "Committed_AS / CommitLimit, where overcommit_memory is 2", Unit: explain.Ratio,
		Means:    "In this mode mmap, brk and fork fail with ENOMEM at the limit, however much RAM is free.",
		Evidence: []string{"committed_as", "commit_limit", "overcommit_memory"}, Concept: "overcommit", Next: "kwhy explain overcommit",
		Of: func(m mem) value {
			if mode(m) != 2 {
				return value{}
			}
			return explain.Share(explain.Look(m.Info, "Committed_AS"), explain.Look(m.Info, "CommitLimit"))
		}, At: explain.At{Notice: 0.85, Warning: 0.93, Critical: 0.98},
		Say: func(m mem) string {
			return fmt.Sprintf("%s of CommitLimit is promised, and mode 2 refuses what goes beyond",
				percentOf(explain.Look(m.Info, "Committed_AS"), explain.Look(m.Info, "CommitLimit")))
		},
	}, {
		ID: "mem.swap_full", What: "(SwapTotal − SwapFree) / SwapTotal", Unit: explain.Ratio,
		Means: "What programs allocated has nowhere left to go: reclaim can only drop file pages, " +
			"and when those are gone the OOM killer is next.",
		Evidence: []string{"swap_free", "swap_total"}, Concept: "swap", Next: "kwhy explain swap",
		Of: func(m mem) value { return explain.Share(swapUsed(m), explain.Look(m.Info, "SwapTotal")) },
		At: explain.At{Notice: 0.75, Warning: 0.90, Critical: 0.98},
		Say: func(m mem) string {
			return fmt.Sprintf("swap is %s full: %s left", percentOf(swapUsed(m), explain.Look(m.Info, "SwapTotal")),
				size(explain.Look(m.Info, "SwapFree")))
		},
	}, {
		ID: "mem.pressure_some", Unless: "mem.thrashing", What: "PSI memory some, avg10", Unit: explain.Ratio,
		Means:    "Tasks stood still because memory had to be reclaimed, compacted, or read back first.",
		Evidence: []string{"pressure_memory_some"}, Concept: "pressure", Next: "kwhy explain pressure",
		Of: func(m mem) value {
			if l := some(m); l != nil {
				return explain.F(l.Avg10 / 100)
			}
			return value{}
		}, At: explain.At{Notice: 0.05, Warning: 0.20, Critical: 0.50},
		Say: func(m mem) string {
			return fmt.Sprintf("tasks lose %.3g %% of the time to waiting for memory", some(m).Avg10)
		},
	}, {
		ID: "mem.pressure_full", What: "PSI memory full, avg10", Unit: explain.Ratio,
		Means:    "All tasks that were not idle stood still at once: the host works for its memory instead of for its users.",
		Evidence: []string{"pressure_memory_full"}, Concept: "pressure", Next: "kwhy explain pressure",
		Of: func(m mem) value {
			if l := full(m); l != nil {
				return explain.F(l.Avg10 / 100)
			}
			return value{}
		}, At: explain.At{Notice: 0.02, Warning: 0.10, Critical: 0.30},
		Say: func(m mem) string {
			return fmt.Sprintf("in %.3g %% of the time nobody gets work done for want of memory", full(m).Avg10)
		},
	}, {
		// A rate: stalls a second. Stalls since boot say nothing of now.
		ID: "mem.direct_reclaim", What: "allocstall, per second", Unit: explain.Decimal, Basis: explain.Interval,
		Means:    "kswapd, which reclaims in the background, does not keep up: who asks for a page frees one itself, and waits.",
		Evidence: []string{"allocstall"}, Concept: "reclaim", Next: "kwhy explain reclaim",
		Of: rateOf(perZone("allocstall")), At: explain.At{Notice: 1, Warning: 50},
		Say: func(m mem) string {
			return explain.Often(rateOf(perZone("allocstall"))(m).Float()) + " a task has to free memory before it gets any"
		},
	}, {
		// A rate: pages a second.
		ID: "mem.swapping_in", What: "pswpin, per second", Unit: explain.Decimal, Basis: explain.Interval,
		Means:    "What was swapped out is wanted again: each page is a read that a task waits for.",
		Evidence: []string{"pswpin"}, Concept: "swap", Next: "kwhy explain swap",
		Of: rateOf(vmstat("pswpin")), At: explain.At{Notice: 50, Warning: 1000},
		Say: func(m mem) string {
			return fmt.Sprintf("%s pages a second come back from swap, and somebody waits for each", decimal(rateOf(vmstat("pswpin"))(m)))
		},
	}, {
		// A count: victims since boot, or over the interval.
		ID: "mem.oom_kills", Unless: "oom.killed_lately", What: "oom_kill", Unit: explain.Count, Basis: explain.Ever,
		Means:    "The kernel found nothing more to reclaim, for the host or in a cgroup, and ended a process by SIGKILL to get its memory.",
		Evidence: []string{"oom_kill"}, Concept: "oom-killer", Next: "kwhy oom log",
		Of: func(m mem) value {
			if _, _, ok := m.Before(); ok && !rateOf(vmstat("oom_kill"))(m).Zero() {
				return value{} // the interval says more
			}
			return vmstat("oom_kill")(m)
		}, At: explain.At{Notice: 1},
		Say: func(m mem) string {
			n := vmstat("oom_kill")(m)
			return fmt.Sprintf("%s killed for want of memory since boot", units.Plural(n.Int(), "process was", "processes were"))
		},
	}, {
		ID: "mem.hugetlb_idle", What: "free and unreserved huge pages / MemTotal", Unit: explain.Ratio,
		Means: "hugetlb pages are taken out of RAM when they are set up; " +
			"nothing else can use them while they are idle, and reclaim does not touch them.",
		Evidence: []string{"hugetlb", "huge_pages_free"}, Concept: "huge-pages", Next: "kwhy explain huge-pages",
		Of: func(m mem) value { return explain.Share(idleHuge(m), explain.Look(m.Info, "MemTotal")) },
		At: explain.At{Notice: 0.05, Warning: 0.25},
		Say: func(m mem) string {
			return fmt.Sprintf("%s of RAM is set aside in huge pages that nothing uses: %s", ofRAM(m, idleHuge(m)), size(idleHuge(m)))
		},
	}}
}

func idleHuge(m mem) value {
	free, rsvd, each := explain.Look(m.Info, "HugePages_Free"), explain.Look(m.Info, "HugePages_Rsvd"), explain.Look(m.Info, "Hugepagesize")
	if !free.Has() || !rsvd.Has() || !each.Has() {
		return value{}
	}
	return explain.I((free.Int() - min(rsvd.Int(), free.Int())) * each.Int())
}

// rateOf is how much a counter grew a second; absent without an interval.
func rateOf(get func(mem) value) func(mem) value {
	return func(m mem) value {
		was, over, ok := m.Before()
		if !ok || over <= 0 {
			return value{}
		}
		now, before := get(m), get(was)
		if !now.Has() || !before.Has() || before.Float() > now.Float() {
			return value{}
		}
		return explain.F((now.Float() - before.Float()) / over.Seconds())
	}
}

func zoneRules() []explain.Rule[zoneRow] {
	against := func(mark string) func(zoneRow) value {
		return func(r zoneRow) value {
			if r.It.Pages["managed"] == 0 {
				return value{}
			}
			return explain.Share(explain.Look(r.It.Pages, "free"), explain.Look(r.It.Pages, mark))
		}
	}
	say := func(mark, means string) func(zoneRow) string {
		return func(r zoneRow) string {
			return fmt.Sprintf("zone %s of node %d has %s free, less than its %s watermark: %s",
				r.It.Name, r.It.Node, size(zonePages("free")(r)), mark, means)
		}
	}
	return []explain.Rule[zoneRow]{
		{ID: "mem.zone_below_low", What: "free / the low watermark of the zone", Unit: explain.Ratio,
			Means:    "kswapd is awake and reclaims until the high watermark is reached again.",
			Evidence: []string{"free", "low"}, Concept: "watermarks", Next: "kwhy explain watermarks",
			Of: against("low"), Below: true, At: explain.At{Notice: 1}, Say: say("low", "kswapd reclaims")},
		{ID: "mem.zone_below_min", What: "free / the min watermark of the zone", Unit: explain.Ratio,
			Means:    "What is left is kept for those who may not wait; all others have to reclaim first.",
			Evidence: []string{"free", "min"}, Concept: "watermarks", Next: "kwhy explain watermarks",
			Of: against("min"), Below: true, At: explain.At{Warning: 1}, Say: say("min", "tasks must reclaim before they get a page")},
	}
}

func cgroupRules() []explain.Rule[cgroupRow] {
	return []explain.Rule[cgroupRow]{{
		ID: "mem.cgroup_level_near_limit", What: "memory that cannot be dropped / limit, of a cgroup above the one that bounds kwhy",
		Unit:     explain.Ratio,
		Means:    "A limit higher up holds for all below it: at it the kernel reclaims and kills among all of those.",
		Evidence: []string{"use", "limit"}, Concept: "memory-cgroup", Next: "kwhy explain memory-cgroup",
		Of: func(r cgroupRow) value {
			if r.N == cgroupfacts.Closest(r.Mem.Cgroups) {
				return value{} // mem.cgroup_near_limit speaks of that one
			}
			return Pressed(r.It)
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.97},
		Say: func(r cgroupRow) string {
			return fmt.Sprintf("%s of the limit of cgroup %s is used by memory that cannot be dropped",
				units.AppendPercent(nil, Pressed(r.It).Float()), r.It.Path)
		},
	}}
}

func processRules() []explain.Rule[procMem] {
	return []explain.Rule[procMem]{{
		ID: "mem.maps_near_limit", What: "mappings / vm.max_map_count", Unit: explain.Ratio,
		Means:    "mmap, mprotect and thread stacks fail with ENOMEM at the limit, though there is memory.",
		Evidence: []string{"map_count", "max_map_count"}, Concept: "address-space", Next: "kwhy explain address-space",
		Of: mapShare, At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.95},
		Say: func(m procMem) string {
			return fmt.Sprintf("it has %s of the mappings that vm.max_map_count allows", units.AppendPercent(nil, mapShare(m).Float()))
		},
	}}
}
