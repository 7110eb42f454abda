package mem

import (
	"fmt"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
)

// intervalRules judge what happens over an interval: none of them says anything
// about counters since boot.
func intervalRules() []rule {
	return []rule{{
		ID:       "mem.thrashing",
		Evidence: []string{"pressure_memory_some", "workingset_refault_file", "workingset_refault_anon", "workingset_refault"},
		Concept:  "working-set", Next: "kwhy mem --interval 5s",
		What: "time that tasks were stalled on memory, while refaults exceeded 1 MiB per second and free memory was not above the watermarks",
		Unit: explain.Ratio, Basis: explain.Interval,
		Means: "RAM is too small for the working set: each page that is evicted is needed again at once, " +
			"and so is the page that is evicted in its place. More load makes it worse; less load or more RAM ends it.",
		Of: thrashing, At: explain.At{Notice: 0.05, Warning: 0.20, Critical: 0.50},
		Say: func(m mem) string {
			_, over, _ := m.Before()
			return fmt.Sprintf("the host thrashes: in %s tasks were stalled on memory for %s of the time, "+
				"and %s was read back soon after it was evicted or swapped out",
				units.Span(over.Seconds()), units.AppendPercent(nil, thrashing(m).Float()), size(scaled(m, refaulted(m))))
		},
	}, {
		ID: "mem.compaction_stalls", Evidence: []string{"compact_stall", "compact_fail"}, Concept: "compaction", Next: "kwhy explain compaction",
		What: "compact_stall, per second", Unit: explain.Decimal, Basis: explain.Interval,
		Means: "A task needed contiguous pages, there were none, and it had to compact memory first: " +
			"huge pages, large network buffers and driver rings need them.",
		Of: rateOf(vmstat("compact_stall")), At: explain.At{Notice: 10, Warning: 200},
		Say: func(m mem) string {
			return explain.Often(rateOf(vmstat("compact_stall"))(m).Float()) + " a task has to compact memory before it gets a large block"
		},
	}, {
		ID: "mem.fragmented", Evidence: []string{"compact_fail", "compact_stall"}, Concept: "fragmentation", Next: "kwhy mem",
		What: "compact_fail, per second", Unit: explain.Decimal, Basis: explain.Interval,
		Means: "Free pages are scattered between pages that can't be moved. " +
			"Requests for large blocks fail or wait in vain; single pages are still available.",
		Of: rateOf(vmstat("compact_fail")), At: explain.At{Notice: 10, Warning: 200},
		Say: func(m mem) string {
			return explain.Often(rateOf(vmstat("compact_fail"))(m).Float()) + " no large block could be made by compaction" + scattered(m)
		},
	}, {
		// Seconds until MemAvailable is used up at this rate.
		ID: "mem.slab_growing", Evidence: []string{"s_unreclaim", "mem_available"}, Concept: "slab", Next: "kwhy mem --interval 10s",
		What: "MemAvailable / growth of SUnreclaim per second, where that is 0.5 % of RAM over the interval at least and slab has 5 % of RAM",
		Unit: explain.Seconds, Basis: explain.Interval, Below: true,
		Means: "Kernel objects that reclaim cannot free grow in number. A burst of work causes that for a moment; " +
			"if it continues, something is leaked or never freed, and the OOM killer cannot help.",
		Of: slabLasts, At: explain.At{Notice: 3600, Warning: 600, Critical: 60}, Most: briefly,
		Say: func(m mem) string {
			return fmt.Sprintf("unreclaimable slab grew by %s per second to %s: at this rate it uses up MemAvailable in %s",
				units.Size(uint64(slabGrowth(m).Float())), size(explain.Look(m.Info, "SUnreclaim")),
				units.Span(slabLasts(m).Float()))
		},
	}, {
		ID: "mem.oom_kills_now", Evidence: []string{"oom_kill", "mem_available"}, Concept: "oom-killer", Next: "kwhy oom log",
		Here: lower.Beside[mem]("oom_kill", "mem_available", inspect.Meminfo),
		What: "oom_kill", Unit: explain.Count, Basis: explain.Interval,
		Means: "The kernel found nothing more to reclaim, on the host, on the nodes allowed or in a cgroup (or was told to by sysrq f), " +
			"and killed a process.",
		Of: func(m mem) value {
			if _, _, ok := m.Before(); !ok {
				return value{}
			}
			n, _ := grown(m, vmstat("oom_kill"))
			return n
		}, At: explain.At{Critical: 1},
		Say: func(m mem) string {
			n, span := grown(m, vmstat("oom_kill"))
			return fmt.Sprintf("%s killed by the OOM killer %s", units.Plural(n.Int(), "process was", "processes were"), span)
		},
	}, {
		ID: "mem.hardware_corrupted", Evidence: []string{"hardware_corrupted"}, Concept: "untracked-memory",
		Next: "kwhy explain untracked-memory",
		What: "HardwareCorrupted", Unit: explain.Bytes,
		Means: "The kernel took pages out of use: because of errors that could not be corrected, which kill the processes that need the data, " +
			"or because somebody asked for it after errors that could (soft offline), which moves the data and kills nobody.",
		Of: meminfo("HardwareCorrupted"), At: explain.At{Notice: 1},
		Say: func(m mem) string {
			return size(explain.Look(m.Info, "HardwareCorrupted")) + " of RAM is out of use as faulty"
		},
	}}
}

// refaulted is how many pages were read back over the interval soon after eviction:
// file pages and anonymous ones, which have counters of their own since 5.9.
func refaulted(m mem) value {
	sum := func(m mem) value {
		if v := explain.Look(m.Vmstat, "workingset_refault"); v.Has() {
			return v
		}
		return explain.Sum(explain.Look(m.Vmstat, "workingset_refault_file"), explain.Look(m.Vmstat, "workingset_refault_anon"))
	}
	if _, _, ok := m.Before(); !ok {
		return value{}
	}
	n, span := grown(m, sum)
	if span == "since boot" { // the counter went back
		return value{}
	}
	return n
}

// thrashing is the share of the interval in which tasks were stalled on memory, if much
// was read back; 0 if little was.
func thrashing(m mem) value {
	was, over, ok := m.Before()
	if !ok || some(m) == nil || some(was) == nil || some(m).Total < some(was).Total || over <= 0 {
		return value{}
	}
	back := refaulted(m)
	if !back.Has() {
		return value{}
	}
	if _, yes := roomy(m); yes {
		return explain.F(0) // a cgroup at its own bound: its refaults are counted here too
	}
	const much = 1 << 20
	if scaled(m, back).Float()/over.Seconds() < much {
		return explain.F(0)
	}
	return explain.F(min(float64(some(m).Total-some(was).Total)/1e6/over.Seconds(), 1))
}

// slabGrowth is by how many bytes per second unreclaimable slab grew; absent where it
// did not, or hardly.
func slabGrowth(m mem) value {
	was, over, ok := m.Before()
	if !ok || over <= 0 {
		return value{}
	}
	now, before, total := explain.Look(m.Info, "SUnreclaim"), explain.Look(was.Info, "SUnreclaim"), explain.Look(m.Info, "MemTotal")
	if !now.Has() || !before.Has() || !total.Has() {
		return value{}
	}
	grew := now.Float() - before.Float()
	if grew < 0.005*total.Float() || now.Float() < 0.05*total.Float() {
		return value{}
	}
	return explain.F(grew / over.Seconds())
}

// briefly is the highest level for growth over a short interval, which may be a burst.
func briefly(m mem) explain.Level {
	if _, over, _ := m.Before(); over < 5*time.Second {
		return explain.Notice
	}
	return explain.Critical
}

// slabLasts is after how many seconds slab would have used up MemAvailable.
func slabLasts(m mem) value {
	grows, left := slabGrowth(m), available(m)
	if !grows.Has() || !left.Has() {
		return value{}
	}
	return explain.F(left.Float() / grows.Float())
}

// scattered says how little of a zone's free memory is in large blocks: those above
// order 3, which the kernel calls costly (PAGE_ALLOC_COSTLY_ORDER, mmzone.h).
func scattered(m mem) string {
	const costly = 3
	var worst *memfacts.Zone
	least := 1.0
	for i := range m.Zones {
		z := &m.Zones[i]
		free := z.FreeInBlocks(0)
		if z.Blocks == nil || free == 0 || z.Pages["managed"] == 0 {
			continue
		}
		if f := float64(z.FreeInBlocks(costly+1)) / float64(free); f < least {
			worst, least = z, f
		}
	}
	if worst == nil {
		return ""
	}
	return fmt.Sprintf(": of the free memory in zone %s of node %d, %s is in blocks of more than 8 pages",
		worst.Name, worst.Node, units.AppendPercent(nil, least))
}
