package mem

import (
	"fmt"
	"time"

	"kwhy/explain"
	"kwhy/explain/units"
	memfacts "kwhy/inspect/mem"
)

// strainRules judge what goes on over an interval: none of them has anything to say
// of counters since boot.
func strainRules() []rule {
	return []rule{{
		ID:       "mem.thrashing",
		Evidence: []string{"pressure_memory_some", "workingset_refault_file", "workingset_refault_anon", "workingset_refault"},
		Concept:  "working-set", Next: "kwhy mem --interval 5s",
		What: "time that tasks lost to memory, while more than 1 MiB a second was read back that had just been dropped or swapped out",
		Unit: explain.Ratio, Basis: explain.Interval,
		Means: "RAM does not hold what is in use: each page that is dropped is wanted again at once, " +
			"and what is dropped for it is, too. More work makes it worse; less work or more RAM ends it.",
		Of: thrashing, At: explain.At{Notice: 0.05, Warning: 0.20, Critical: 0.50},
		Say: func(m mem) string {
			_, over, _ := m.Before()
			return fmt.Sprintf("the host thrashes: in %.3g s tasks lost %s of the time to memory, "+
				"and %s came back that had just been dropped or swapped out",
				over.Seconds(), units.AppendPercent(nil, thrashing(m).Float()), size(scaled(m, refaulted(m))))
		},
	}, {
		ID: "mem.compaction_stalls", Evidence: []string{"compact_stall", "compact_fail"}, Concept: "compaction", Next: "kwhy explain compaction",
		What: "compact_stall, per second", Unit: explain.Decimal, Basis: explain.Interval,
		Means: "A task wanted several pages in a row, there were none, and it had to move others about before it got on: " +
			"huge pages, large network buffers, and rings of drivers ask for such.",
		Of: rateOf(vmstat("compact_stall")), At: explain.At{Notice: 10, Warning: 200},
		Say: func(m mem) string {
			return explain.Often(rateOf(vmstat("compact_stall"))(m).Float()) + " a task has to compact memory before it gets a large block"
		},
	}, {
		ID: "mem.fragmented", Evidence: []string{"compact_fail", "compact_stall"}, Concept: "fragmentation", Next: "kwhy mem",
		What: "compact_fail, per second", Unit: explain.Decimal, Basis: explain.Interval,
		Means: "What is free lies scattered between pages that can't be moved. " +
			"Who asks for a large block goes without or waits in vain; single pages are still to be had.",
		Of: rateOf(vmstat("compact_fail")), At: explain.At{Notice: 10, Warning: 200},
		Say: func(m mem) string {
			return explain.Often(rateOf(vmstat("compact_fail"))(m).Float()) + " no large block could be made by compaction" + scattered(m)
		},
	}, {
		// Seconds, until what is available is gone at this rate.
		ID: "mem.slab_growing", Evidence: []string{"s_unreclaim", "mem_available"}, Concept: "slab", Next: "kwhy mem --interval 10s",
		What: "MemAvailable / growth of SUnreclaim per second, where that is 0.5 % of RAM over the interval at least and slab has 5 % of RAM",
		Unit: explain.Seconds, Basis: explain.Interval, Below: true,
		Means: "Kernel objects that reclaim cannot free become more. A burst of work does that for a moment; " +
			"where it goes on, something is not given back, and the OOM killer cannot help.",
		Of: slabLasts, At: explain.At{Notice: 3600, Warning: 600, Critical: 60}, Most: briefly,
		Say: func(m mem) string {
			return fmt.Sprintf("unreclaimable slab grew by %s a second to %s: at this rate it takes all that is available in %s",
				units.Size(uint64(slabGrowth(m).Float())), size(explain.Look(m.Info, "SUnreclaim")),
				units.Span(slabLasts(m).Float()))
		},
	}, {
		ID: "mem.oom_kills_now", Evidence: []string{"oom_kill", "mem_available"}, Concept: "oom-killer", Next: "kwhy oom log",
		What: "oom_kill", Unit: explain.Count, Basis: explain.Interval,
		Means: "The kernel found nothing more to reclaim, for the host or in a cgroup, and ended a process by SIGKILL to get its memory.",
		Of: func(m mem) value {
			if _, _, ok := m.Before(); !ok {
				return value{}
			}
			n, _ := grown(m, vmstat("oom_kill"))
			return n
		}, At: explain.At{Critical: 1},
		Say: func(m mem) string {
			n, span := grown(m, vmstat("oom_kill"))
			return fmt.Sprintf("%s killed for want of memory %s", units.Plural(n.Int(), "process was", "processes were"), span)
		},
	}, {
		ID: "mem.hardware_corrupted", Evidence: []string{"hardware_corrupted"}, Concept: "untracked-memory",
		Next: "kwhy explain untracked-memory",
		What: "HardwareCorrupted", Unit: explain.Bytes,
		Means: "The memory controller reported errors that it could not correct. " +
			"The kernel took the pages out of use and killed whoever had lost data in them.",
		Of: meminfo("HardwareCorrupted"), At: explain.At{Notice: 1},
		Say: func(m mem) string {
			return size(explain.Look(m.Info, "HardwareCorrupted")) + " of RAM is broken and out of use"
		},
	}}
}

// refaulted is how many pages came back over the interval soon after they had gone:
// file pages and, since 5.9 told apart, anonymous ones.
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

// thrashing is the share of the interval that tasks lost to memory, where much came
// back; 0 where little did.
func thrashing(m mem) value {
	was, over, ok := m.Before()
	if !ok || some(m) == nil || some(was) == nil || some(m).Total < some(was).Total || over <= 0 {
		return value{}
	}
	back := refaulted(m)
	if !back.Has() {
		return value{}
	}
	const much = 1 << 20
	if scaled(m, back).Float()/over.Seconds() < much {
		return explain.F(0)
	}
	return explain.F(min(float64(some(m).Total-some(was).Total)/1e6/over.Seconds(), 1))
}

// slabGrowth is by how many bytes a second unreclaimable slab grew; absent where it
// did not, or too little to speak of.
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

// briefly is what a growth is worth at most over a short interval, which a burst can fill.
func briefly(m mem) explain.Level {
	if _, over, _ := m.Before(); over < 5*time.Second {
		return explain.Notice
	}
	return explain.Critical
}

// slabLasts is in how many seconds slab would take all that is available.
func slabLasts(m mem) value {
	grows, left := slabGrowth(m), explain.Look(m.Info, "MemAvailable")
	if !grows.Has() || !left.Has() {
		return value{}
	}
	return explain.F(left.Float() / grows.Float())
}

// scattered says how little of a zone's free memory lies in large blocks: those above
// order 3, which the kernel calls costly to ask for (PAGE_ALLOC_COSTLY_ORDER, mmzone.h).
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
	return fmt.Sprintf(": of what is free in zone %s of node %d, %s lies in blocks of more than 8 pages",
		worst.Name, worst.Node, units.AppendPercent(nil, least))
}
