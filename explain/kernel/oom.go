package kernel

// Badness is oom_badness of 2.6.36 and later for a process that may be killed:
// what it has, in pages, plus its oom_score_adj, where each step counts
// as a thousandth of all that the domain may use (mm/oom_kill.c). Before 4.15
// tables is the sum of its levels; before 4.17 a privileged task (CAP_SYS_ADMIN)
// got 3 % subtracted, which no file shows.
func Badness(rss, swap, tables, adj, total int64) int64 {
	return rss + swap + tables + AdjPages(adj, total)
}

// BadnessBefore59 is the same up to 5.8, where a process that may be killed had
// at least one point: those with less were tied.
func BadnessBefore59(rss, swap, tables, adj, total int64) int64 {
	return max(Badness(rss, swap, tables, adj, total), 1)
}

// AdjPages is how many pages an oom_score_adj counts for; the division comes first.
func AdjPages(adj, total int64) int64 { return adj * (total / 1000) }

// Score is /proc/PID/oom_score since 5.9, and in older vendor kernels that
// backported it: 0 to 1333 (fs/proc/base.c, proc_oom_score). Divisions are C's
// and Go's, towards zero. total is the host's, whichever cgroup is at its limit.
func Score(badness, total int64) int64 {
	if total <= 0 {
		return 0
	}
	return (1000 + badness*1000/total) * 2 / 3
}

// ScoreBefore59 is the same from 2.6.36 to 5.8, where badness was at least 1:
// 0 to 1000, and a small process has 0.
func ScoreBefore59(badness, total int64) int64 {
	if total <= 0 {
		return 0
	}
	return max(badness, 1) * 1000 / total
}

// FloorScore is the least oom_score since 5.9 of a process with an adjustment, which is that of
// one without memory: 666 with 0. The kernel divides the total by 1000 first, which takes up to
// a sixteenth off what an adjustment adds on a host of 64 MiB, and less on others.
func FloorScore(adj int64) int64 { return max((1000+adj-max(adj, 0)/16-1)*2/3, 0) }

// Scale is what scores show of how the kernel makes them.
type Scale uint8

// The scales.
const (
	ScaleUnknown Scale = iota
	ScaleBefore59
	ScaleSince59
)

// ScaleOf is what one score of a process that may be killed shows. Before 5.9 one has at most
// what its adjustment counts for and a thousand for all memory, and since then never less than
// FloorScore, but for 0: then it is one that cannot be killed.
func ScaleOf(score, adj int64) Scale {
	switch {
	case score > 1000+max(adj, 0):
		return ScaleSince59
	case score > 0 && score < FloorScore(adj):
		return ScaleBefore59
	}
	return ScaleUnknown
}

// AtFloor reports whether a score is what many small processes have since 5.9. Before, it takes
// two thirds of all memory to have it by chance.
func AtFloor(score, adj int64) bool {
	return score > 0 && score >= FloorScore(adj) && score <= (1000+adj-min(adj, 0)/16)*2/3+1
}

// MemcgTotal is mem_cgroup_get_max: what the processes of a group that hit its
// limit can use at most, to which their adjustments are relative (mm/memcontrol.c).
// Swap counts as far as there is any, and not at all if swappiness is 0. For
// version 2 swapMax is memory.swap.max; for version 1 it is how much
// memory.memsw.limit_in_bytes is above the limit.
func MemcgTotal(limit, swapMax, totalSwap, swappiness int64) int64 {
	if swappiness != 0 {
		limit += min(swapMax, totalSwap)
	}
	return max(limit, 1)
}
