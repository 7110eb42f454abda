package kernel

import "math/bits"

// niceWeights is sched_prio_to_weight, nice -20 to 19: a factor of about 1.25 from one to the
// next, but not exact powers (kernel/sched/core.c, since 2.6.23).
var niceWeights = [40]int64{
	88761, 71755, 56483, 46273, 36291,
	29154, 23254, 18705, 14949, 11916,
	9548, 7620, 6100, 4904, 3906,
	3121, 2501, 1991, 1586, 1277,
	1024, 820, 655, 526, 423,
	335, 272, 215, 172, 137,
	110, 87, 70, 56, 45,
	36, 29, 23, 18, 15,
}

// IdleWeight is WEIGHT_IDLEPRIO: the weight of a SCHED_IDLE task, whatever its nice
// value, and a cgroup with cpu.idle (kernel/sched/sched.h).
const IdleWeight = 3

// NiceWeight is the weight of a fair task with a nice value; ok is false outside
// of -20 to 19.
func NiceWeight(nice int) (weight int64, ok bool) {
	if nice < -20 || nice > 19 {
		return 0, false
	}
	return niceWeights[nice+20], true
}

// SharesOfWeight is sched_weight_from_cgroup: version 2's cpu.weight, 1 to 10000,
// as the shares that the scheduler counts in (kernel/sched/sched.h; rounded to
// the nearest).
func SharesOfWeight(weight int64) int64 { return (weight*1024 + 50) / 100 }

// TunableFactor is get_update_sysctl_factor with logarithmic scaling, which is the
// default: the factor for the scheduler's time slices on several CPUs, of
// which at most eight count (kernel/sched/fair.c).
func TunableFactor(cpus int) int64 {
	if cpus < 1 {
		return 1
	}
	return int64(bits.Len(uint(min(cpus, 8))))
}

// Load average in the kernel's fixed point (include/linux/sched/loadavg.h): 11
// fraction bits, and for 1, 5 and 15 minutes the share of the old value that stays
// after one update, out of 2048.
const loadOne = 1 << 11

var loadDecay = [3]uint64{1884, 2014, 2037}

// LoadNext is calc_load: a load average after one update, which happens every five
// seconds and a tick, with n tasks that run, are ready or sleep uninterruptibly
// (kernel/sched/loadavg.c), rounded up while it rises. which is 0, 1
// or 2 for 1, 5 and 15 minutes.
func LoadNext(old uint64, which int, n uint64) uint64 {
	e, active := loadDecay[which], n*loadOne
	next := old*e + active*(loadOne-e)
	if active >= old {
		next += loadOne - 1
	}
	return next / loadOne
}

// ActiveTasks solves LoadNext for n: the number of tasks that turns the first
// load averages into the second by one update. ok is false where none does, or
// more than one.
func ActiveTasks(old, next [3]uint64) (n uint64, ok bool) {
	// The one-minute average changes by about n/12: there are few candidates.
	e := loadDecay[0]
	var low uint64
	if down := old[0] * e; next[0]*loadOne > down+loadOne {
		low = (next[0]*loadOne - down - loadOne) / (loadOne * (loadOne - e))
	}
	for i := low; i <= low+3; i++ {
		if LoadNext(old[0], 0, i) == next[0] && LoadNext(old[1], 1, i) == next[1] && LoadNext(old[2], 2, i) == next[2] {
			if ok {
				return 0, false
			}
			n, ok = i, true
		}
	}
	return n, ok
}

// GroupWeight is calc_group_shares: the weight of a group on one CPU, from its shares,
// by the part of its tasks' weight on that CPU (kernel/sched/fair.c). It counts in
// whole shares and returns at least 2, the minimum of a group; 64-bit
// kernels count 1024 times as finely and come down to MIN_SHARES in that unit.
func GroupWeight(shares, here, everywhere int64) int64 {
	if everywhere <= 0 {
		return shares
	}
	return max(shares*here/everywhere, 2)
}
