package inspect

import (
	"path"
	"slices"
	"strings"
)

// CPUGroup is a cgroup with something to say on CPUs.
type CPUGroup struct {
	Version int
	Path    string
	Bounded bool
	CPUs    float64 // that it may use
	Period  uint64  // µs
	Burst   Num     // µs; Unset before 5.14
	Shares  Num     // of version 1, 1024 by default; Unset elsewhere
	Weight  Num     // of version 2, 100 by default; Unset elsewhere
	Idle    bool
	Cpuset  string // CPUs that it is kept to, where these are not all
	Stat    Counters
}

// ThrottledTime is how long the group's CPUs were stopped, added up, in ns: version
// 1 counts it in them, version 2 in µs. Unset where cpu.stat does not say.
func (g *CPUGroup) ThrottledTime() Num {
	if n, ok := g.Stat["throttled_usec"]; ok && n < 1<<53 {
		return Num(n * 1000)
	}
	return g.Stat.num("throttled_time")
}

// ownWeight tells whether it weighs other than by default.
func (g *CPUGroup) ownWeight() bool {
	return g.Shares != Unset && g.Shares != 1024 || g.Weight != Unset && g.Weight != 100
}

// cpuGroups walks the hierarchies that have CPU controllers and returns the
// cgroups that are not as they are by default.
func (h *Host) cpuGroups() ([]CPUGroup, Reason) {
	mounts, err := h.cgroupMounts()
	if err != nil {
		return nil, reasonFor(err)
	}
	found := false
	var out []CPUGroup
	for _, m := range mounts {
		version := 2
		if m.fsType == "cgroup" {
			version = 1
		}
		if version == 1 && !m.has("cpu") && !m.has("cpuset") {
			continue
		}
		found = true
		w := cpuWalk{h: h, version: version, top: path.Clean(m.point), root: m.root}
		w.tree, w.rel = h.under(w.top)
		w.walk("", "")
		out = append(out, w.out...)
	}
	if !found {
		return nil, Unsupported
	}
	return out, Present
}

// cpuWalk goes through one hierarchy.
type cpuWalk struct {
	h         *Host
	version   int
	top, root string
	tree      tree
	rel       string
	out       []CPUGroup
}

// walk visits a directory and those below it; above is the cpuset of the one
// above.
func (w *cpuWalk) walk(at, above string) {
	dir := path.Join(w.rel, at)
	g := CPUGroup{Version: w.version, Path: path.Join(w.root, at), Burst: Unset, Shares: Unset, Weight: Unset}
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
	names, err := w.tree.directories(dir)
	if err != nil {
		return
	}
	slices.Sort(names)
	for _, name := range names {
		w.walk(path.Join(at, name), cpuset)
	}
}

// read reads one directory, and returns the CPUs that it is kept to.
func (w *cpuWalk) read(g *CPUGroup, dir string) (cpuset string) {
	t := w.tree
	num := func(name string) Num {
		if n, err := t.number(path.Join(dir, name)); err == nil && n >= 0 {
			return Num(n)
		}
		return Unset
	}
	set := "cpuset.cpus.effective"
	if w.version == 1 {
		set = "cpuset.effective_cpus"
		g.CPUs, g.Bounded, _ = cfsQuota(t, dir)
		g.Shares, g.Burst = num("cpu.shares"), num("cpu.cfs_burst_us")
		if n := num("cpu.cfs_period_us"); n > 0 {
			g.Period = uint64(n)
		}
	} else {
		g.CPUs, g.Bounded, _ = cpuMax(t, dir)
		_ = t.single(path.Join(dir, "cpu.max"), func(b []byte) error {
			_, period := cutField(trimNewline(b))
			g.Period, _ = parseUint(period)
			return nil
		})
		g.Burst, g.Weight = num("cpu.max.burst"), num("cpu.weight")
	}
	g.Idle = num("cpu.idle") == 1
	_ = t.single(path.Join(dir, "cpu.stat"), func(b []byte) (err error) { g.Stat, err = parseCounters(b, 8); return err })
	_ = t.single(path.Join(dir, set), func(b []byte) error { cpuset = strings.TrimSpace(string(b)); return nil })
	return cpuset
}

// SameGroup finds a cgroup in an earlier sample.
func SameGroup(was *Sched, g *CPUGroup) *CPUGroup {
	for i := range was.Groups {
		if was.Groups[i].Path == g.Path && was.Groups[i].Version == g.Version {
			return &was.Groups[i]
		}
	}
	return nil
}
