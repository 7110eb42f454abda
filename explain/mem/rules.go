package mem

import (
	"fmt"

	"kwhy/explain"
	"kwhy/inspect"
)

type rule = explain.Rule[*inspect.Mem]

// hostRules judge a host's memory. Their thresholds are ratios unless the
// rule says otherwise.
func hostRules() []rule {
	return []rule{{
		ID: "mem.available_low", Evidence: []string{"mem_available", "mem_total"}, Concept: "available-memory", Next: "kwhy explain available-memory",
		Of: availableShare, Below: true, At: explain.At{Notice: 0.15, Warning: 0.08, Critical: 0.03},
		Say: func(m mem) string {
			return fmt.Sprintf("only %s of RAM is available: %s", ofRAM(m, explain.Look(m.Info, "MemAvailable")), size(explain.Look(m.Info, "MemAvailable")))
		},
	}, {
		ID: "mem.cgroup_near_limit", Evidence: []string{"cgroup_room", "cgroup_limit"}, Concept: "memory-cgroup", Next: "kwhy explain memory-cgroup",
		Of: func(m mem) value {
			if at := inspect.Closest(m.Cgroups); at >= 0 {
				return Pressed(&m.Cgroups[at])
			}
			return value{}
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.97},
		Say: func(m mem) string {
			c := &m.Cgroups[inspect.Closest(m.Cgroups)]
			limit, _ := c.Limit()
			return fmt.Sprintf("%s of the limit of cgroup %s (%s) is used by memory that cannot be dropped", explain.AppendPercent(nil, Pressed(c).Float()), c.Path, explain.Size(limit))
		},
	}, {
		ID: "mem.untracked_large", Evidence: []string{"untracked", "mem_total"}, Concept: "untracked-memory", Next: "kwhy explain untracked-memory",
		Of: func(m mem) value { return share(untracked(m), explain.Look(m.Info, "MemTotal")) }, At: explain.At{Notice: 0.10, Warning: 0.30},
		Say: func(m mem) string {
			return fmt.Sprintf("%s of RAM is in no counter: %s of pages that drivers took", ofRAM(m, untracked(m)), size(untracked(m)))
		},
	}, {
		ID: "mem.slab_unreclaimable_large", Evidence: []string{"s_unreclaim", "mem_total"}, Concept: "slab", Next: "kwhy explain slab",
		Of: func(m mem) value {
			return share(explain.Look(m.Info, "SUnreclaim"), explain.Look(m.Info, "MemTotal"))
		}, At: explain.At{Notice: 0.15, Warning: 0.30},
		Say: func(m mem) string {
			return fmt.Sprintf("%s of RAM is slab that cannot be reclaimed", ofRAM(m, explain.Look(m.Info, "SUnreclaim")))
		},
	}, {
		ID: "mem.dirty_throttled", Evidence: []string{"dirty", "writeback", "nr_dirty_threshold"}, Concept: "dirty-pages", Next: "kwhy explain dirty-pages",
		Of: func(m mem) value { return share(dirtyNow(m), freerun(m)) }, At: explain.At{Notice: 0.80, Warning: 1},
		Say: func(m mem) string {
			return fmt.Sprintf("%s waits to be written, %s of what makes the kernel slow writers down", size(dirtyNow(m)), percentOf(dirtyNow(m), freerun(m)))
		},
	}, {
		ID: "mem.commit_near_limit", Evidence: []string{"committed_as", "commit_limit", "overcommit_memory"}, Concept: "overcommit", Next: "kwhy explain overcommit",
		Of: func(m mem) value {
			if mode(m) != 2 {
				return value{}
			}
			return share(explain.Look(m.Info, "Committed_AS"), explain.Look(m.Info, "CommitLimit"))
		}, At: explain.At{Notice: 0.85, Warning: 0.93, Critical: 0.98},
		Say: func(m mem) string {
			return fmt.Sprintf("%s of CommitLimit is promised, and mode 2 refuses what goes beyond", percentOf(explain.Look(m.Info, "Committed_AS"), explain.Look(m.Info, "CommitLimit")))
		},
	}, {
		ID: "mem.swap_full", Evidence: []string{"swap_free", "swap_total"}, Concept: "swap", Next: "kwhy explain swap",
		Of: func(m mem) value { return share(swapUsed(m), explain.Look(m.Info, "SwapTotal")) }, At: explain.At{Notice: 0.75, Warning: 0.90, Critical: 0.98},
		Say: func(m mem) string {
			return fmt.Sprintf("swap is %s full: %s left", percentOf(swapUsed(m), explain.Look(m.Info, "SwapTotal")), size(explain.Look(m.Info, "SwapFree")))
		},
	}, {
		ID: "mem.pressure_some", Evidence: []string{"pressure_memory_some"}, Concept: "pressure", Next: "kwhy explain pressure",
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
		ID: "mem.pressure_full", Evidence: []string{"pressure_memory_full"}, Concept: "pressure", Next: "kwhy explain pressure",
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
		ID: "mem.direct_reclaim", Evidence: []string{"allocstall"}, Concept: "reclaim", Next: "kwhy explain reclaim",
		Of: rateOf(perZone("allocstall")), At: explain.At{Notice: 1, Warning: 50},
		Say: func(m mem) string {
			return fmt.Sprintf("%.3g times a second a task has to free memory before it gets any", rateOf(perZone("allocstall"))(m).Float())
		},
	}, {
		// A rate: pages a second.
		ID: "mem.swapping_in", Evidence: []string{"pswpin"}, Concept: "swap", Next: "kwhy explain swap",
		Of: rateOf(vmstat("pswpin")), At: explain.At{Notice: 50, Warning: 1000},
		Say: func(m mem) string {
			return fmt.Sprintf("%.3g pages a second come back from swap, and somebody waits for each", rateOf(vmstat("pswpin"))(m).Float())
		},
	}, {
		// A count: victims since boot, or over the interval.
		ID: "mem.oom_kills", Evidence: []string{"oom_kill"}, Concept: "oom-killer", Next: "kwhy oom log",
		Of: vmstat("oom_kill"), At: explain.At{Notice: 1},
		Say: func(m mem) string {
			n := vmstat("oom_kill")(m)
			return fmt.Sprintf("%s killed for want of memory since boot", explain.Plural(n.Int(), "process was", "processes were"))
		},
	}, {
		ID: "mem.hugetlb_idle", Evidence: []string{"hugetlb", "huge_pages_free"}, Concept: "huge-pages", Next: "kwhy explain huge-pages",
		Of: func(m mem) value { return share(idleHuge(m), explain.Look(m.Info, "MemTotal")) }, At: explain.At{Notice: 0.05, Warning: 0.25},
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
			return share(explain.Look(r.It.Pages, "free"), explain.Look(r.It.Pages, mark))
		}
	}
	say := func(mark, means string) func(zoneRow) string {
		return func(r zoneRow) string {
			return fmt.Sprintf("zone %s of node %d has %s free, less than its %s watermark: %s", r.It.Name, r.It.Node, size(zonePages("free")(r)), mark, means)
		}
	}
	return []explain.Rule[zoneRow]{
		{ID: "mem.zone_below_low", Evidence: []string{"free", "low"}, Concept: "watermarks", Next: "kwhy explain watermarks",
			Of: against("low"), Below: true, At: explain.At{Notice: 1}, Say: say("low", "kswapd reclaims")},
		{ID: "mem.zone_below_min", Evidence: []string{"free", "min"}, Concept: "watermarks", Next: "kwhy explain watermarks",
			Of: against("min"), Below: true, At: explain.At{Warning: 1}, Say: say("min", "tasks must reclaim before they get a page")},
	}
}

func cgroupRules() []explain.Rule[cgroupRow] {
	return []explain.Rule[cgroupRow]{{
		ID: "mem.cgroup_level_near_limit", Evidence: []string{"use", "limit"}, Concept: "memory-cgroup", Next: "kwhy explain memory-cgroup",
		Of: func(r cgroupRow) value {
			if r.N == inspect.Closest(r.Mem.Cgroups) {
				return value{} // mem.cgroup_near_limit speaks of that one
			}
			return Pressed(r.It)
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.97},
		Say: func(r cgroupRow) string {
			return fmt.Sprintf("%s of the limit of cgroup %s is used by memory that cannot be dropped", explain.AppendPercent(nil, Pressed(r.It).Float()), r.It.Path)
		},
	}}
}

func processRules() []explain.Rule[procMem] {
	return []explain.Rule[procMem]{{
		ID: "mem.maps_near_limit", Evidence: []string{"map_count", "max_map_count"}, Concept: "address-space", Next: "kwhy explain address-space",
		Of: mapShare, At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.95},
		Say: func(m procMem) string {
			return fmt.Sprintf("it has %s of the mappings that vm.max_map_count allows", explain.AppendPercent(nil, mapShare(m).Float()))
		},
	}}
}
