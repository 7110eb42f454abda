package cgroup

import (
	"path"
	"time"

	"kwhy/inspect"
)

// Throttle is a bound that cgroups set on a process's CPU time, and how often it
// was met since the cgroup was made (Documentation/scheduler/sched-bwc.rst).
type Throttle struct {
	Path      string        // of the cgroup with the lowest bound
	CPUs      float64       // how many CPUs' worth of time it may have
	Periods   uint64        // in which it wanted any
	Throttled uint64        // of these, in which it used all of its time and was stopped
	Stood     time.Duration // how long it was stopped, on all CPUs together

	Rest inspect.Reason // why there may be other bounds that can't be seen; Present: there are none
}

// Since returns what was counted since an earlier reading of the same cgroup; ok is
// false where they are not of the same.
func (t Throttle) Since(was Throttle) (Throttle, bool) {
	if t.Path != was.Path || t.Periods < was.Periods || t.Throttled < was.Throttled || t.Stood < was.Stood {
		return Throttle{}, false
	}
	t.Periods, t.Throttled, t.Stood = t.Periods-was.Periods, t.Throttled-was.Throttled, t.Stood-was.Stood
	return t, true
}

// ThrottleOf returns the cgroup that bounds a process's CPU time the most, of those that can
// be seen; ok is false where none does.
func ThrottleOf(h *inspect.Host, list []Membership) (out Throttle, ok bool) {
	version, path := ControllerPath(list, "cpu")
	if version == 0 {
		return out, false
	}
	at, err := Find(h, version, "cpu", path)
	if err != nil {
		return Throttle{Rest: inspect.ReasonOf(err)}, false
	}
	for ; ; at = at.Up() {
		t, rel := at.Dir()
		bound := CFSQuota
		if version == 2 {
			bound = CPUMax
		}
		if cpus, bounded, good := bound(t, rel); good && bounded && (!ok || cpus < out.CPUs) {
			out, ok = Throttle{Path: at.Path, CPUs: cpus}, true
			_ = t.Single(rel+"/cpu.stat", func(b []byte) error {
				c, err := inspect.ParseCounters(b, 8)
				out.Periods, out.Throttled = c["nr_periods"], c["nr_throttled"]
				// The one is version 2's, in us, the other version 1's, in ns.
				out.Stood = time.Duration(c["throttled_usec"])*time.Microsecond + time.Duration(c["throttled_time"])
				return err
			})
		}
		if at.Top() {
			out.Rest = at.Mount.Rest
			return out, ok
		}
	}
}

// CFSQuota reads version 1's bound on CPU time, in CPUs.
func CFSQuota(t inspect.Tree, dir string) (cpus float64, bounded, ok bool) {
	quota, err1 := t.Number(path.Join(dir, "cpu.cfs_quota_us"))
	period, err2 := t.Number(path.Join(dir, "cpu.cfs_period_us"))
	if err1 != nil || err2 != nil || period <= 0 {
		return 0, false, false
	}
	return float64(quota) / float64(period), quota > 0, true
}

// CPUMax reads version 2's: "max 100000" or "20000 100000".
func CPUMax(t inspect.Tree, dir string) (cpus float64, bounded, ok bool) {
	_ = t.Single(path.Join(dir, "cpu.max"), func(b []byte) error {
		quota, rest := inspect.CutField(inspect.TrimNewline(b))
		period, good := inspect.ParseUint(rest)
		if !good || period == 0 {
			return inspect.ErrMalformed
		}
		n, isNumber := inspect.ParseUint(quota)
		cpus, bounded, ok = float64(n)/float64(period), isNumber, isNumber || string(quota) == "max"
		return nil
	})
	return cpus, bounded, ok
}
