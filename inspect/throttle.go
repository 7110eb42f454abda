package inspect

import (
	"path"
	"time"
)

// Throttle is a bound that cgroups set on a process's CPU time, and how often it
// was met since the cgroup was made (Documentation/scheduler/sched-bwc.rst).
type Throttle struct {
	Path      string        // of the cgroup with the lowest bound
	CPUs      float64       // how many CPUs' worth of time it may have
	Periods   uint64        // in which it wanted any
	Throttled uint64        // of these, in which it used all of its time and was stopped
	Stood     time.Duration // how long it was stopped, on all CPUs together
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

// Throttle returns the cgroup that bounds a process's CPU time the most; ok is
// false where none does.
func (h *Host) throttle(list []Membership, mounts []mount) (out Throttle, ok bool) {
	version, at := controllerPath(list, "cpu")
	dir, top, err := locateFor(version, "cpu", at, mounts)
	if err != nil {
		return out, false
	}
	for ; ; dir, at = path.Dir(dir), path.Dir(at) {
		t, rel := h.under(dir)
		bound := cfsQuota
		if version == 2 {
			bound = cpuMax
		}
		if cpus, bounded, good := bound(t, rel); good && bounded && (!ok || cpus < out.CPUs) {
			out, ok = Throttle{Path: at, CPUs: cpus}, true
			_ = t.single(path.Join(rel, "cpu.stat"), func(b []byte) error {
				c, err := parseCounters(b, 8)
				out.Periods, out.Throttled = c["nr_periods"], c["nr_throttled"]
				out.Stood = time.Duration(c["throttled_usec"])*time.Microsecond + time.Duration(c["throttled_time"]) // the one is version 2's, in us, the other version 1's, in ns
				return err
			})
		}
		if dir == top {
			return out, ok
		}
	}
}

// controllerPath returns where a process is in the hierarchy that has a
// controller: of version 1 if it is there, of version 2 otherwise.
func controllerPath(list []Membership, controller string) (version int, at string) {
	for _, c := range list {
		switch {
		case c.Version == 1 && hasController(c.Controllers, controller):
			version, at = 1, c.Path
		case c.Version == 2 && version == 0:
			version, at = 2, c.Path
		}
	}
	return version, at
}

// cfsQuota reads version 1's bound on CPU time, in CPUs.
func cfsQuota(t tree, dir string) (cpus float64, bounded, ok bool) {
	quota, err1 := t.number(path.Join(dir, "cpu.cfs_quota_us"))
	period, err2 := t.number(path.Join(dir, "cpu.cfs_period_us"))
	if err1 != nil || err2 != nil || period <= 0 {
		return 0, false, false
	}
	return float64(quota) / float64(period), quota > 0, true
}

// cpuMax reads version 2's: "max 100000" or "20000 100000".
func cpuMax(t tree, dir string) (cpus float64, bounded, ok bool) {
	_ = t.single(path.Join(dir, "cpu.max"), func(b []byte) error {
		quota, rest := cutField(trimNewline(b))
		period, good := parseUint(rest)
		if !good || period == 0 {
			return errMalformed
		}
		n, isNumber := parseUint(quota)
		cpus, bounded, ok = float64(n)/float64(period), isNumber, isNumber || string(quota) == "max"
		return nil
	})
	return cpus, bounded, ok
}

// Notes finds out what the rows that are shown can be told of beyond their own files:
// the bound of their CPU time, the freezer of their cgroup, the process of their tracer.
func (ps *Procs) Notes(rows []int32) {
	ps.Throttles(rows)
	ps.Freeze(rows)
	for _, i := range rows {
		ps.tracer(&ps.Rows[i])
	}
}

func (ps *Procs) tracer(p *Process) {
	if _, ok := ps.Row(p.Tracer); ok || p.Tracer <= 0 {
		return
	}
	tgid, err := ps.Host.Host.processOf(p.Tracer)
	if err != nil {
		return
	}
	if ps.Host.Tracers == nil {
		ps.Host.Tracers = map[int32]int32{}
	}
	ps.Host.Tracers[p.Tracer] = tgid
}

// Tracer returns the process that traces p, if this scan has it.
func (p Proc) Tracer() (*Process, bool) {
	pid := p.P.Tracer
	if tgid, ok := p.Host.Tracers[pid]; ok {
		pid = tgid
	}
	i, ok := p.Host.All.Row(pid)
	if !ok {
		return nil, false
	}
	return &p.Host.All.Rows[i], true
}

// Throttles notes which of the given rows, of those that want a CPU now, are
// bounded by a cgroup.
func (ps *Procs) Throttles(rows []int32) {
	for _, i := range rows {
		if p := &ps.Rows[i]; p.State == 'R' && !p.Kthread() {
			ps.throttle(p)
		}
	}
}

func (ps *Procs) throttle(p *Process) {
	list, ok := ps.memberships(p)
	if !ok {
		return
	}
	t, ok := ps.Host.Host.throttle(list, ps.Host.mounts)
	if !ok {
		return
	}
	if ps.Host.Throttled == nil {
		ps.Host.Throttled, ps.Host.quotas = map[int32]Throttle{}, map[string]Throttle{}
	}
	ps.Host.Throttled[p.PID], ps.Host.quotas[t.Path] = t, t
}

// Throttled returns the bound of a process's CPU time; since is what was counted
// over the interval, and known false where its cgroup was not read before.
func (p Proc) Throttled() (t, since Throttle, bounded, known bool) {
	if t, bounded = p.Host.Throttled[p.P.PID]; !bounded || p.Host.Was == nil {
		return t, since, bounded, false
	}
	if was, ok := p.Host.Was.quotas[t.Path]; ok {
		since, known = t.Since(was)
	}
	return t, since, bounded, known
}
