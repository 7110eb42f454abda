package cgroup

import (
	"path"
	"slices"
	"strings"

	"kwhy/inspect"
)

// CPU is a cgroup with something to say on CPUs.
type CPU struct {
	Version int
	Path    string
	Bounded bool
	CPUs    float64     // that it may use
	Period  uint64      // µs
	Burst   inspect.Num // µs; Unset before 5.14
	Shares  inspect.Num // of version 1, 1024 by default; Unset elsewhere
	Weight  inspect.Num // of version 2, 100 by default; Unset elsewhere
	Idle    bool
	Cpuset  string // CPUs that it is kept to, where these are not all
	Stat    inspect.Counters
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
// cgroups that are not as they are by default.
func CPUGroups(h *inspect.Host) ([]CPU, inspect.Reason) {
	mounts, err := Mounts(h)
	if err == nil {
		err = Shown(h, mounts)
	}
	if err != nil {
		return nil, inspect.ReasonOf(err)
	}
	found, counted := false, false
	var out []CPU
	for _, m := range mounts {
		version := 2
		if m.FSType == "cgroup" {
			version = 1
		}
		if version == 1 && !m.Has("cpu") && !m.Has("cpuset") {
			continue
		}
		found = true
		w := cpuWalk{h: h, version: version, top: path.Clean(m.Point), root: m.Root}
		w.tree, w.rel = Under(h, w.top)
		w.walk("", "")
		out, counted = append(out, w.out...), counted || w.counted
	}
	switch {
	case !found:
		return nil, inspect.Unsupported
	case !counted && !h.Live: // every cgroup of a host with the controller has cpu.stat
		return nil, inspect.NotSaved
	}
	return out, inspect.Present
}

// cpuWalk goes through one hierarchy.
type cpuWalk struct {
	h         *inspect.Host
	version   int
	top, root string
	tree      inspect.Tree
	rel       string
	counted   bool // some cgroup has cpu.stat
	out       []CPU
}

// walk visits a directory and those below it; above is the cpuset of the one
// above.
func (w *cpuWalk) walk(at, above string) {
	dir := path.Join(w.rel, at)
	g := CPU{Version: w.version, Path: path.Join(w.root, at), Burst: inspect.Unset, Shares: inspect.Unset, Weight: inspect.Unset}
	cpuset := w.read(&g, dir)
	if cpuset == "" {
		cpuset = above
	}
	// The top of all has everything; a container's top has bounds of its own.
	if at != "" && cpuset != above && above != "" {
		g.Cpuset = cpuset
	}
	if g.Bounded || g.Idle || g.Cpuset != "" || g.Stat["nr_throttled"] > 0 || g.ownWeight() {
		w.out = append(w.out, g)
	}
	names, err := w.tree.Directories(dir)
	if err != nil {
		return
	}
	slices.Sort(names)
	for _, name := range names {
		w.walk(path.Join(at, name), cpuset)
	}
}

// read reads one directory, and returns the CPUs that it is kept to.
func (w *cpuWalk) read(g *CPU, dir string) (cpuset string) {
	t := w.tree
	num := func(name string) inspect.Num {
		if n, err := t.Number(path.Join(dir, name)); err == nil && n >= 0 {
			return inspect.Num(n)
		}
		return inspect.Unset
	}
	set := "cpuset.cpus.effective"
	if w.version == 1 {
		set = "cpuset.effective_cpus"
		g.CPUs, g.Bounded, _ = CFSQuota(t, dir)
		g.Shares, g.Burst = num("cpu.shares"), num("cpu.cfs_burst_us")
		if n := num("cpu.cfs_period_us"); n > 0 {
			g.Period = uint64(n)
		}
	} else {
		g.CPUs, g.Bounded, _ = CPUMax(t, dir)
		_ = t.Single(path.Join(dir, "cpu.max"), func(b []byte) error {
			_, period := inspect.CutField(inspect.TrimNewline(b))
			g.Period, _ = inspect.ParseUint(period)
			return nil
		})
		g.Burst, g.Weight = num("cpu.max.burst"), num("cpu.weight")
	}
	g.Idle = num("cpu.idle") == 1
	err := t.Single(path.Join(dir, "cpu.stat"), func(b []byte) (err error) { g.Stat, err = inspect.ParseCounters(b, 8); return err })
	w.counted = w.counted || err == nil
	_ = t.Single(path.Join(dir, set), func(b []byte) error { cpuset = strings.TrimSpace(string(b)); return nil })
	return cpuset
}
