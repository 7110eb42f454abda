package oom

import (
	"path"
	"slices"
	"time"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/mem"
	"kwhy/inspect/proc"
)

// Group is a memory cgroup with a hard limit, and what shows kills in it.
type Group struct {
	cgroup.Memory
	Together bool           // memory.oom.group: all of its processes are killed with the victim
	Local    bool           // its events leave out those of the cgroups below
	Failures inspect.Num    // v1: memory.failcnt
	Swap     inspect.Num    // v1: memory.swappiness
	Total    uint64         // pages that its processes can use at most; 0 if unknown,
	NoTotal  inspect.Reason // for this reason

	PIDs    []int32        // of the processes in it and below
	Unseen  inspect.Reason // why there may be others in it that can't be seen; Present: there are none; Unread: nobody looked
	Judged  inspect.Seen   // of how many of them it is known whether and how soon they would be killed
	Victim  *proc.Process
	Points  int64          // those of the victim, set against Total
	ByScore *proc.Process  // the victim that /proc's oom_score suggests
	NoScore inspect.Reason // why the oom_score of one of them is not known
	Whole   string         // the cgroup that dies as a whole with the victim; ""

	Mounted string         // where its directory is
	places  []cgroup.Place // it and those below it
	outside int            // processes of another PID namespace
	listed  int            // places of which the list of processes could be read
	lost    inspect.Reason // why that of another could not
}

// Snapshot is what a host knows of the OOM killer's next victim.
type Snapshot struct {
	Mem   *mem.Snapshot
	Procs *proc.Processes
	Order []int32 // rows of Procs that are shown, the next victim first
	// Highest are the rows with the highest scores, however many are shown and whichever.
	Highest []int32

	First    *proc.Process  // the victim of a global OOM; nil if there is none
	Second   *proc.Process  // and after that one
	Tied     int            // so many share the first place where nothing tells them apart; 0: it is First's
	Unjudged inspect.Reason // why it is not known of a process whether it comes before the first; Present where it is
	Groups   []Group        // those with a hard limit
	Held     []Group        // those with memory.high alone
	Walked   inspect.Seen   // the cgroups that they are found among
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
func (o *Snapshot) Kernel() inspect.Kernel { return o.Mem.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (o *Snapshot) Doubt(src inspect.Source) inspect.Doubt { return o.Mem.Host.Doubt(src) }

// LimitedCgroups walks the hierarchy that accounts memory, as far down as it is
// mounted, and returns the cgroups that have a hard limit, and how much it came to.
func LimitedCgroups(h *inspect.Host) ([]Group, inspect.Seen, error) {
	w := cgroup.WalkMemory(h)
	hard, _ := GroupsOf(h, w)
	return hard, w.Seen, w.Err
}

// GroupsOf returns the cgroups of a walk: those with a hard limit, and those that have memory.high
// alone, in which nobody is killed for it.
func GroupsOf(h *inspect.Host, w *cgroup.Walk) (hard, held []Group) {
	for i := range w.List {
		if b := &w.List[i]; b.Hard() {
			hard = append(hard, groupOf(h, b))
		} else {
			held = append(held, groupOf(h, b))
		}
	}
	return hard, held
}

// HasMemoryCgroup reports whether there is a memory cgroup of a name, or as it is mounted,
// limited or not.
func HasMemoryCgroup(h *inspect.Host, at string) bool {
	mounts, err := cgroup.Mounts(h)
	if err != nil {
		return false
	}
	for _, m := range cgroup.With(mounts, "memory") {
		if inside, mounted := cgroup.Below(at, path.Clean(m.Point)); mounted && m.At(path.Join(m.Name, inside)).Exists() {
			return true
		}
		if _, ok := cgroup.Below(at, m.Name); ok && m.At(at).Exists() {
			return true
		}
	}
	return false
}

func groupOf(h *inspect.Host, b *cgroup.Bounded) Group {
	g := Group{
		Memory: b.Memory, Mounted: b.At.Mounted(), places: b.Below, Failures: inspect.Unset, Swap: inspect.Unset, Unseen: inspect.Unread,
	}
	if g.Version == 1 {
		g.Failures = g.Nums.Num("memory.failcnt")
		if n, err := b.At.Number("memory.swappiness"); err == nil && n >= 0 {
			g.Swap = inspect.Num(n)
		}
		return g
	}
	// memory.events sums up the subtree since 5.2.
	g.Local = b.Local || inspect.Choose(h.Kernel.Since(5, 2), false, true, false)
	n, err := b.At.Number("memory.oom.group")
	g.Together = err == nil && n == 1
	return g
}

// Members reads which processes are in the group and below it, of those of a scan. Where /proc
// shows another PID namespace than kwhy's, what it says of each process tells: the numbers in
// cgroup.procs are those of kwhy's own.
func (g *Group) Members(ps *proc.Processes) {
	g.PIDs, g.Unseen = nil, inspect.Present
	seen := ps.Seen()
	if ByProcess(ps.Host.Host) {
		g.membersIn(ps)
		g.Unseen = seen.Reason
		return
	}
	g.List()
	if !ps.Host.Host.Live && g.lost == inspect.Present && g.unlisted(ps) {
		g.lost = inspect.NotSaved
	}
	missing := func(pid int32) bool { _, ok := ps.Row(pid); return !ok }
	switch {
	case g.outside > 0:
		g.Unseen = inspect.OtherNamespace
	case g.lost != inspect.Present:
		g.Unseen = g.lost
	case seen.Whole(), g.Version == 2 && !slices.ContainsFunc(g.PIDs, missing):
	default:
		g.Unseen = seen.Reason
	}
}

// List reads the numbers of its processes, and of those below it. A process of another PID
// namespace than kwhy's has 0 in version 2 (kernel/cgroup/cgroup.c, cgroup_procs_show), and no line
// in version 1 (kernel/cgroup/cgroup-v1.c, pidlist_array_load).
func (g *Group) List() {
	g.PIDs, g.outside, g.listed, g.lost = nil, 0, 0, inspect.Present
	for _, at := range g.places {
		t, rel := at.File("cgroup.procs")
		err := t.With(rel, func(b []byte) error {
			g.listed++
			for len(b) > 0 {
				var line []byte
				line, b = inspect.CutLine(b)
				if pid, ok := inspect.ParsePID(string(line)); ok {
					g.PIDs = append(g.PIDs, pid)
				} else if string(line) == "0" {
					g.outside++
				} else {
					g.lost = inspect.Malformed
				}
			}
			return nil
		})
		switch why := inspect.ReasonOf(err); why {
		case inspect.Present, inspect.Unsupported, inspect.Vanished, inspect.Disabled: // it went, or is threaded, and is listed above
		default:
			g.lost = why
		}
	}
	slices.Sort(g.PIDs)
	g.PIDs = slices.Compact(g.PIDs)
}

// Empty reports whether nobody is in it or below it, by lists that could all be read.
func (g *Group) Empty() bool {
	return g.listed > 0 && g.listed == len(g.places) && len(g.PIDs) == 0 && g.outside == 0
}

// ByProcess reports whether the numbers of List are others than those of /proc.
func ByProcess(h *inspect.Host) bool { return h.Live && !h.SameProcesses() }

// unlisted reports whether a process of a copy says that it is in the group, and the group's list, which may have
// been emptied or saved at another time, does not.
func (g *Group) unlisted(ps *proc.Processes) bool {
	listed := g.PIDs
	g.membersIn(ps)
	found := g.PIDs[len(listed):]
	g.PIDs = listed
	return slices.ContainsFunc(found, func(pid int32) bool { return !slices.Contains(listed, pid) })
}

// membersIn takes the members from /proc/PID/cgroup.
func (g *Group) membersIn(ps *proc.Processes) {
	all := make([]int32, len(ps.Rows))
	for i := range all {
		all[i] = int32(i)
	}
	for _, i := range ps.Fill(all, inspect.Of(inspect.PIDCgroup)) {
		if g.Holds(ps.Rows[i].Cgroup) {
			g.PIDs = append(g.PIDs, ps.Rows[i].PID)
		}
	}
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
	if g.Version != 2 || !g.Holds(at) || len(g.places) == 0 {
		return ""
	}
	top := g.places[0]
	for of := (cgroup.Place{Mount: top.Mount, Path: at}); ; of = of.Up() {
		if n, err := of.Number("memory.oom.group"); err == nil && n == 1 {
			whole = of.Path
		}
		if of.Path == top.Path {
			return whole
		}
	}
}

// Part is one limited cgroup in its context.
type Part = inspect.Part[*Snapshot, Group]

// Limited returns the cgroups with a bound, those with a hard limit first: the rows of a table.
func (o *Snapshot) Limited() inspect.Parts[*Snapshot, Group] {
	list := o.Groups
	if len(o.Held) > 0 {
		list = slices.Concat(o.Groups, o.Held)
	}
	return inspect.Parts[*Snapshot, Group]{In: o, List: list, Same: sameGroup, Set: o.Walked}
}

func sameGroup(was *Snapshot, g *Group) *Group {
	for _, list := range [...][]Group{was.Groups, was.Held} {
		for i := range list {
			if list[i].Path == g.Path {
				return &list[i]
			}
		}
	}
	return nil
}

// Task is one process and where it stands among the others.
type Task struct {
	OOM      *Snapshot
	Row      proc.Row
	Rank     int            // among those that can be killed: 1 dies first; 0 if it can't be
	Killable int            // how many can be killed
	Unjudged inspect.Reason // why it is not known of another whether it comes before; Present where it is

	Group         *Group // the limited cgroup nearest above it; nil if none
	RankInGroup   int
	KillableGroup int

	From *proc.Process // the nearest ancestor with the same oom_score_adj, where that is not 0

	If  *WhatIf
	Was *Task
}

// Before returns the sample an interval ago.
func (t *Task) Before() (*Task, time.Duration, bool) {
	if t.Was == nil {
		return nil, 0, false
	}
	return t.Was, t.OOM.Mem.At.Sub(t.Was.OOM.Mem.At), true
}

// WhatIf is what another oom_score_adj would make of a process.
type WhatIf struct {
	Adj           int32
	Moot          bool           // no adjustment makes a difference, or its parts can't be seen
	Why           inspect.Reason // there is none of the following: what points are set against is unknown
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
func (t *Task) Kernel() inspect.Kernel { return t.OOM.Kernel() }

// Doubt says why what a source says is not the kernel's own.
func (t *Task) Doubt(src inspect.Source) inspect.Doubt { return t.OOM.Doubt(src) }
