package cgroup

import (
	"cmp"
	"path"
	"time"

	"kwhy/inspect"
)

// Throttle is a bound that cgroups set on a process's CPU time, and how often it
// was met since the cgroup was made (Documentation/scheduler/sched-bwc.rst).
type Throttle struct {
	Path      string         // of the cgroup with the lowest bound
	CPUs      float64        // how many CPUs' worth of time it may have
	Periods   uint64         // in which it wanted any
	Throttled uint64         // of these, in which it used all of its time and was stopped
	Stood     time.Duration  // how long it was stopped, on all CPUs together
	Counted   bool           // whether cpu.stat says so: else the three are nothing,
	NoStat    inspect.Reason // for this reason

	Rest inspect.Reason // why there may be other bounds that can't be seen; Present: there are none
}

// Since returns what was counted since an earlier reading of the same cgroup; ok is
// false where they are not of the same.
func (t Throttle) Since(was Throttle) (Throttle, bool) {
	if !t.Counted || !was.Counted || t.Path != was.Path || t.Periods < was.Periods || t.Throttled < was.Throttled || t.Stood < was.Stood {
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
	lost := inspect.Present
	for ; ; at = at.Up() {
		cpus, bounded, good := at.quota()
		if !good {
			lost = cmp.Or(at.noQuota(), lost)
		}
		if good && bounded && (!ok || cpus < out.CPUs) {
			out, ok = Throttle{Path: at.Path, CPUs: cpus}, true
			at.throttled(&out)
		}
		if at.Top() {
			if out.Rest = at.Mount.Rest; out.Rest == inspect.Present {
				out.Rest = lost
			}
			return out, ok
		}
	}
}

// quota reads the bound on CPU time; ok is false where there is none to read.
func (p Place) quota() (cpus float64, bounded, ok bool) {
	t, rel := p.Dir()
	if p.Mount.Version == 2 {
		return CPUMax(t, rel)
	}
	return CFSQuota(t, rel)
}

// noQuota says why the bound on CPU time of one that gives none is not known; Present where it has none.
func (p Place) noQuota() inspect.Reason {
	name := "cpu.cfs_quota_us"
	if p.Mount.Version == 2 {
		name = "cpu.max"
	}
	if why := p.Lacks("cpu", name); why != inspect.Present {
		return why
	}
	t, rel := p.File(name)
	if _, err := t.Stat(rel); err == nil {
		return inspect.Malformed
	}
	return inspect.Present
}

// throttled reads how often the bound was met.
func (p Place) throttled(out *Throttle) {
	t, rel := p.File("cpu.stat")
	err := t.Single(rel, func(b []byte) error {
		c, err := inspect.ParseCounters(b, 8)
		stood, known := c["throttled_usec"]
		stood *= uint64(time.Microsecond)
		if p.Mount.Version == 1 { // in ns
			stood, known = c["throttled_time"]
		}
		if out.Counted = known && c.Sum("nr_periods", "nr_throttled") != inspect.Unset; out.Counted {
			out.Periods, out.Throttled, out.Stood = c["nr_periods"], c["nr_throttled"], time.Duration(stood)
		}
		return err
	})
	if out.NoStat = inspect.ReasonOf(err); !out.Counted {
		out.NoStat = cmp.Or(out.NoStat, inspect.Malformed)
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
