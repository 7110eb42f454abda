package cgroup

import (
	"path"
	"strings"

	"kwhy/inspect"
)

// CPU is a cgroup with something to say on CPUs.
type CPU struct {
	Version int
	Path    string
	Bounded bool
	Unseen  inspect.Reason // why its bound is not known; Present where it is
	CPUs    float64        // that it may use
	Period  uint64         // µs
	Burst   inspect.Num    // µs; Unset before 5.14
	Shares  inspect.Num    // of version 1, 1024 by default; Unset elsewhere
	Weight  inspect.Num    // of version 2, 100 by default; Unset elsewhere
	Idle    bool
	Cpuset  string // CPUs that it is kept to, where these are not all
	Stat    inspect.Counters
	NoStat  inspect.Reason // why there is no Stat; Present where there is
}

// Throttles returns in how many periods the group wanted time, and in how many of these it used its quota
// up, since it was made; why says why that is not known, Inapplicable where it has no such counters.
func (g *CPU) Throttles() (periods, throttled uint64, why inspect.Reason) {
	switch {
	case g.NoStat != inspect.Present:
		return 0, 0, g.NoStat
	case g.Stat.Sum("nr_periods", "nr_throttled") != inspect.Unset && g.Stat["nr_throttled"] <= g.Stat["nr_periods"]:
		return g.Stat["nr_periods"], g.Stat["nr_throttled"], inspect.Present
	case g.Bounded, g.Stat["nr_throttled"] > 0:
		return 0, 0, inspect.Malformed
	}
	return 0, 0, inspect.Inapplicable
}

// ThrottledTime is how long the group's CPUs were stopped, added up, in ns: version
// 1 counts it in them, version 2 in µs. Unset where cpu.stat does not say.
func (g *CPU) ThrottledTime() inspect.Num {
	if n, ok := g.Stat["throttled_usec"]; ok && n < 1<<53 {
		return inspect.Num(n * 1000)
	}
	return g.Stat.Num("throttled_time")
}

// ownWeight reports whether it weighs other than by default.
func (g *CPU) ownWeight() bool {
	return g.Shares != inspect.Unset && g.Shares != 1024 || g.Weight != inspect.Unset && g.Weight != 100
}

// CPUGroups walks the hierarchies that have CPU controllers and returns the
// cgroups that are not as they are by default, and how much it came to.
func CPUGroups(h *inspect.Host) ([]CPU, inspect.Seen, inspect.Reason) {
	mounts, err := Mounts(h)
	if err != nil {
		return nil, inspect.Seen{}, inspect.ReasonOf(err)
	}
	list := With(mounts, "cpu", "cpuset")
	if len(list) == 0 {
		return nil, inspect.Seen{}, inspect.ReasonOf(Unmounted(h, "cpu"))
	}
	var w cpuWalk
	for _, m := range list {
		w.Of(m, inspect.CgroupCPU)
		w.walk(m.Highest(), "")
	}
	if !w.Met && !h.Live { // every cgroup of a host with the controller has cpu.stat
		return nil, inspect.Seen{}, h.Lack()
	}
	return w.out, w.Seen, inspect.Present
}

// cpuWalk goes through one hierarchy after the other.
type cpuWalk struct {
	Survey
	out []CPU
}

// walk visits a cgroup and those below it; above is the cpuset of the one
// above.
func (w *cpuWalk) walk(at Place, above string) {
	g := CPU{Version: at.Mount.Version, Path: at.Path, Burst: inspect.Unset, Shares: inspect.Unset, Weight: inspect.Unset}
	cpuset := g.read(at)
	w.Met = w.Met || g.Stat != nil
	if cpuset == "" {
		cpuset = above
	}
	// The top of all has everything; a container's top has bounds of its own.
	if !at.Top() && cpuset != above && above != "" {
		g.Cpuset = cpuset
	}
	if g.Bounded || g.Unseen == inspect.Malformed || g.Idle || g.Cpuset != "" || g.Stat["nr_throttled"] > 0 || g.ownWeight() {
		w.out = append(w.out, g)
	}
	for _, name := range w.Below(at, g.Unseen) {
		w.walk(at.Down(name), cpuset)
	}
}

// read reads one directory, and returns the CPUs that it is kept to.
func (g *CPU) read(at Place) (cpuset string) {
	t, dir := at.Dir()
	var ok bool
	g.CPUs, g.Bounded, ok = at.quota()
	if !ok {
		g.Unseen = at.noQuota()
	}
	num := func(name string) inspect.Num {
		if n, err := at.Number(name); err == nil && n >= 0 {
			return inspect.Num(n)
		}
		return inspect.Unset
	}
	set := "cpuset.cpus.effective"
	if g.Version == 1 {
		set = "cpuset.effective_cpus"
		g.Shares, g.Burst = num("cpu.shares"), num("cpu.cfs_burst_us")
		if n := num("cpu.cfs_period_us"); n > 0 {
			g.Period = uint64(n)
		}
	} else {
		_ = t.Single(path.Join(dir, "cpu.max"), func(b []byte) error {
			_, period := inspect.CutField(inspect.TrimNewline(b))
			g.Period, _ = inspect.ParseUint(period)
			return nil
		})
		g.Burst, g.Weight = num("cpu.max.burst"), num("cpu.weight")
	}
	g.Idle = num("cpu.idle") == 1
	err := t.Single(path.Join(dir, "cpu.stat"), func(b []byte) (err error) { g.Stat, err = inspect.ParseCounters(b, 8); return err })
	g.NoStat = inspect.ReasonOf(err)
	_ = t.Single(path.Join(dir, set), func(b []byte) error { cpuset = strings.TrimSpace(string(b)); return nil })
	return cpuset
}
