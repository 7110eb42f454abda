package oom

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/mem"
	"kwhy/inspect/proc"
)

// Group is a memory cgroup with a hard limit, and what shows kills in it.
type Group struct {
	cgroup.Memory
	Pressure inspect.Pressure // memory.pressure, v2
	Together bool             // memory.oom.group: all of its processes are killed with the victim
	Local    bool             // its events leave out those of the cgroups below
	Failures inspect.Num      // v1: memory.failcnt
	Swap     inspect.Num      // v1: memory.swappiness
	Total    uint64           // pages that its processes can use at most; 0 if unknown

	PIDs    []int32 // of the processes in it and below
	Victim  *proc.Process
	Points  int64         // those of the victim, set against Total
	ByScore *proc.Process // the victim that /proc's oom_score suggests
	Whole   string        // the cgroup that dies as a whole with the victim; ""

	Mounted string // where its directory is
	tree    inspect.Tree
	dirs    []string // it and those below it, in tree
}

// Snapshot is what a host knows of the OOM killer's next victim.
type Snapshot struct {
	Mem    *mem.Snapshot
	Procs  *proc.Processes
	Order  []int32       // rows of Procs that are shown, the next victim first
	First  *proc.Process // the victim of a global OOM; nil if there is none
	Second *proc.Process // and after that one
	Groups []Group       // those with a hard limit
	// Killers are user-space killers that run, which act before the kernel does.
	Killers []string
	Known   bool // whether the names of all processes were seen
	Was     *Snapshot

	Got inspect.Reason // of the walk over the cgroups

	// Kills are those that the kernel's log still has, as their reader keeps them; nil
	// where it was not read. NoLog says why it gave nothing.
	Kills Kills
	NoLog inspect.Reason
}

// Kills is a list of kills in the kernel's log.
type Kills interface{ Len() int }

// Missing says why a source gave nothing.
func (o *Snapshot) Missing(s inspect.Source) inspect.Reason {
	switch {
	case s == inspect.PIDStat && !o.Known:
		return inspect.Unread
	case s.Scope() == inspect.OfProcess, s == inspect.KernelLog:
		return inspect.Present
	case s == inspect.CgroupMemory:
		return o.Got
	}
	return o.Mem.Missing(s)
}

// SeenOf returns how much was seen of the processes that a source is read of.
func (o *Snapshot) SeenOf(s inspect.Source) inspect.Seen {
	if o.Procs == nil {
		return inspect.Seen{}
	}
	return o.Procs.SeenOf(s)
}

// Before returns the sample an interval ago.
func (o *Snapshot) Before() (*Snapshot, time.Duration, bool) {
	if o.Was == nil {
		return nil, 0, false
	}
	return o.Was, o.Mem.At.Sub(o.Was.Mem.At), true
}

// Kernel returns the kernel that was read.
func (o *Snapshot) Kernel() inspect.Version { return o.Mem.Host.Kernel }

// LimitedCgroups walks the hierarchy that accounts memory, as far down as it is
// mounted, and returns the cgroups that have a hard limit.
func LimitedCgroups(h *inspect.Host) ([]Group, error) {
	mounts, err := cgroup.Mounts(h)
	if err == nil {
		err = cgroup.Shown(h, mounts)
	}
	if err != nil {
		return nil, err
	}
	for _, version := range [...]int{1, 2} {
		for _, m := range mounts {
			if version == 1 && m.FSType == "cgroup" && m.Has("memory") || version == 2 && m.FSType == "cgroup2" {
				w := groupWalk{h: h, version: version, top: path.Clean(m.Point), root: m.Root, local: m.Has("memory_localevents")}
				w.tree, w.rel = cgroup.Under(h, w.top)
				if err := w.walk(""); err != nil {
					return nil, err
				}
				if !w.met && !h.Live { // every cgroup of a host with the controller has its files
					return nil, w.missing
				}
				if len(w.out) > 0 || version == 2 {
					return w.out, nil
				}
			}
		}
	}
	return nil, &fs.PathError{Op: "find", Path: "the memory controller", Err: fs.ErrNotExist}
}

// HasMemoryCgroup reports whether there is a memory cgroup of a path, as
// /proc/PID/cgroup spells it or as it is mounted, limited or not.
func HasMemoryCgroup(h *inspect.Host, at string) bool {
	mounts, err := cgroup.Mounts(h)
	if err != nil {
		return false
	}
	for _, m := range mounts {
		if m.FSType != "cgroup2" && (m.FSType != "cgroup" || !m.Has("memory")) {
			continue
		}
		top := path.Clean(m.Point)
		rest, ok := cgroup.Below(at, m.Root)
		if inside, mounted := cgroup.Below(at, top); mounted {
			rest, ok = inside, true
		}
		if !ok {
			continue
		}
		tree, rel := cgroup.Under(h, path.Join(top, rest))
		if st, err := tree.Stat(rel); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return true
		}
	}
	return false
}

// groupWalk goes through one hierarchy.
type groupWalk struct {
	h         *inspect.Host
	version   int
	top, root string // where it is mounted, and which cgroup that shows
	local     bool   // mounted so that events are each cgroup's own
	tree      inspect.Tree
	rel       string
	open      []int // indices in out of the limited ones above
	met       bool  // there is some file of the controller,
	missing   error // and where there is none, why
	out       []Group
}

// walk visits a directory and those below it. One that went away is no error.
func (w *groupWalk) walk(at string) error {
	dir := path.Join(w.rel, at)
	limited := false
	err := w.tree.Single(path.Join(dir, cgroup.FilesOf(w.version).Limit), func(b []byte) error {
		n, ok := inspect.ParseUint(inspect.TrimNewline(b))
		limited = ok && (w.version == 2 || n < cgroup.UnlimitedV1)
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
		return err
	}
	if w.met = w.met || err == nil; at == "" && !w.met { // the root of version 2 has no limit
		_, none := w.tree.Stat(path.Join(dir, "memory.stat"))
		w.met, w.missing = none == nil, err
	}
	if limited {
		if g, err := w.group(at); err == nil {
			w.open = append(w.open, len(w.out))
			w.out = append(w.out, g)
			defer func() { w.open = w.open[:len(w.open)-1] }()
		}
	}
	for _, i := range w.open {
		w.out[i].dirs = append(w.out[i].dirs, dir)
	}
	names, err := w.tree.Directories(dir)
	if err != nil {
		return ignoreGone(err)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := w.walk(path.Join(at, name)); err != nil {
			return err
		}
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func (w *groupWalk) group(at string) (g Group, err error) {
	g.Memory, err = cgroup.ReadMemory(w.h, w.version, path.Join(w.top, at), true)
	if err != nil {
		return g, err
	}
	g.Path, g.Root, g.Mounted = path.Join(w.root, at), at == "", path.Join(w.top, at)
	g.Failures, g.Swap, g.tree = inspect.Unset, inspect.Unset, w.tree
	dir := path.Join(w.rel, at)
	if w.version == 1 {
		g.Failures = g.Nums.Num("memory.failcnt")
		if n, err := w.tree.Number(path.Join(dir, "memory.swappiness")); err == nil && n >= 0 {
			g.Swap = inspect.Num(n)
		}
		return g, nil
	}
	_ = w.tree.Single(path.Join(dir, "memory.pressure"), func(b []byte) error {
		g.Pressure, err = inspect.ParsePressure(b)
		return err
	})
	// memory.events sums up the subtree since 5.2.
	g.Local = w.local || w.h.Kernel.Before(inspect.Version{Major: 5, Minor: 2, Patch: 0})
	n, err := w.tree.Number(path.Join(dir, "memory.oom.group"))
	g.Together = err == nil && n == 1
	return g, nil
}

// Members reads which processes are in the group and below it.
func (g *Group) Members() {
	g.PIDs = nil
	for _, dir := range g.dirs {
		_ = g.tree.With(path.Join(dir, "cgroup.procs"), func(b []byte) error {
			for len(b) > 0 {
				var line []byte
				line, b = inspect.CutLine(b)
				if pid, ok := inspect.ParsePID(string(line)); ok {
					g.PIDs = append(g.PIDs, pid)
				}
			}
			return nil
		})
	}
	slices.Sort(g.PIDs)
	g.PIDs = slices.Compact(g.PIDs)
}

// Holds reports whether the cgroup at is g or lies below it.
func (g *Group) Holds(at string) bool {
	_, ok := cgroup.Below(at, g.Path)
	return ok
}

// KilledWhole returns the cgroup that the kernel kills as a whole together with
// a victim in the cgroup at: the highest one from there up to g that has
// memory.oom.group set (mm/memcontrol.c, mem_cgroup_get_oom_group); "" if none.
func (g *Group) KilledWhole(at string) (whole string) {
	rest, ok := strings.CutPrefix(at, g.Path)
	if g.Version != 2 || !ok || len(g.dirs) == 0 {
		return ""
	}
	for {
		n, err := g.tree.Number(path.Join(g.dirs[0], rest, "memory.oom.group"))
		if err == nil && n == 1 {
			whole = path.Join(g.Path, rest)
		}
		if rest = strings.Trim(rest, "/"); rest == "" {
			return whole
		}
		if rest = path.Dir(rest); rest == "." {
			rest = ""
		}
	}
}

// Part is one limited cgroup in its context.
type Part = inspect.Part[*Snapshot, Group]

// Limited returns the limited cgroups: the rows of a table.
func (o *Snapshot) Limited() inspect.Parts[*Snapshot, Group] {
	return inspect.Parts[*Snapshot, Group]{In: o, List: o.Groups, Same: sameGroup}
}

func sameGroup(was *Snapshot, g *Group) *Group {
	for i := range was.Groups {
		if was.Groups[i].Path == g.Path {
			return &was.Groups[i]
		}
	}
	return nil
}

// Task is one process and where it stands among the others.
type Task struct {
	inspect.Unpaired[*Task]

	OOM      *Snapshot
	Row      proc.Row
	Rank     int // among those that can be killed: 1 dies first; 0 if it can't be
	Killable int // how many can be killed

	Group         *Group // the limited cgroup nearest above it; nil if none
	RankInGroup   int
	KillableGroup int

	From *proc.Process // the nearest ancestor with the same oom_score_adj, where that is not 0

	If *WhatIf
}

// WhatIf is what another oom_score_adj would make of a process.
type WhatIf struct {
	Adj           int32
	Moot          bool // no adjustment makes a difference, or its parts can't be seen
	Killable      bool
	Points, Score int64
	Rank          int
	Victim        *proc.Process // of a global OOM then

	GroupPoints int64
	RankInGroup int
	GroupVictim *proc.Process
}

// Missing says why a source gave nothing.
func (t *Task) Missing(s inspect.Source) inspect.Reason {
	if s.Scope() == inspect.OfProcess {
		return t.Row.Missing(s)
	}
	return t.OOM.Missing(s)
}

// Kernel returns the kernel that was read.
func (t *Task) Kernel() inspect.Version { return t.OOM.Kernel() }
