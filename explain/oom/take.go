package oom

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/lower"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

// Options say what Take is to find out.
type Options struct {
	Mem       inspect.Sources            // of the host
	Procs     *procfacts.Processes       // that were scanned already; nil: Take scans
	View      *lower.View[procfacts.Row] // the ranking; nil: the default one
	Limit     int                        // of the default view
	Groups    bool                       // walk the cgroups
	Walk      *cgroupfacts.Walk          // that was made already; nil: Take walks
	GroupView *lower.View[oomfacts.Part] // which of them are shown: only their members are read
	Everyone  bool                       // look at every process: for names and for who can't be killed
	Cgroup    *oomfacts.Group            // rank within this one
}

// memNeeds is what scores and limits are set against.
func memNeeds() inspect.Sources {
	return inspect.Of(inspect.Meminfo, inspect.VMSwappiness)
}

// Take takes a snapshot, little by little: scores of all processes, then the
// parts of those among which they don't decide, then the rest of what is shown.
// It returns the rows to show, in order.
func Take(h *inspect.Host, o Options) (*oomfacts.Snapshot, []int32, error) {
	m, err := memfacts.Take(h, o.Mem.Plus(memNeeds()))
	if err != nil {
		return nil, nil, err
	}
	out := &oomfacts.Snapshot{Mem: m, Got: inspect.Unread}
	if o.View == nil {
		o.View = lower.Own(Processes(false), nil, nil, o.Limit)
	}
	order, err := rankAll(h, out, o)
	if err != nil {
		return nil, nil, err
	}
	if o.Groups {
		takeGroups(h, out, &o)
	}
	first(out, order, o) // which has read every score, whatever the rows shown needed
	contest(out, o.Cgroup)
	out.Tied = tied(out, o.Cgroup != nil)
	if o.Everyone {
		lookAtAll(out)
	}
	return out, order, nil
}

// hostScale is what can be said of oom_score before any row was read.
func hostScale(h *inspect.Host, m *memfacts.Snapshot) procfacts.OOMScale {
	total := pages(m)
	lives, known := h.InitialPIDNamespace()
	s := procfacts.OOMScale{Host: total, Domain: total, InitLives: lives || !known}
	switch {
	case faked(h):
		s.Why = inspect.Foreign
	case total == 0:
		s.Why = cmp.Or(m.Missing(inspect.Meminfo), h.Unshown())
	}
	s.Since59, s.Assumed = decideScale(kernel.ScaleUnknown, 0, h.Kernel)
	return s
}

// pages is RAM and swap, against which the kernel sets oom_score; 0 where that is unknown.
func pages(m *memfacts.Snapshot) uint64 {
	ram, ok := m.Info["MemTotal"]
	swap, ok2 := m.Info["SwapTotal"] // which every kernel has, whether or not there is swap
	if !ok || !ok2 || m.Host.PageSize == 0 || faked(m.Host) {
		return 0
	}
	return (ram + swap) / m.Host.PageSize
}

func rankAll(h *inspect.Host, out *oomfacts.Snapshot, o Options) ([]int32, error) {
	scale := hostScale(h, out.Mem)
	if o.Cgroup != nil {
		SetTotal(o.Cgroup, out.Mem)
		scale.Domain = o.Cgroup.Total
	}
	rows, order, err := o.View.Scan(func(want inspect.Sources) (explain.Scan[procfacts.Row], error) {
		ps, err := rowsWith(h, o.Procs, want)
		if err == nil {
			ps.Host.OOM = scale
		}
		return ps, err
	})
	if err != nil {
		return nil, err
	}
	ps := rows.(*procfacts.Processes)
	out.Procs = ps
	order = ps.Fill(order, Needs())
	if i, ok := ps.Row(1); ok && scale.InitLives {
		ps.Fill([]int32{i}, Needs())
	}
	out.Highest = highest(ps)
	found := Scale(ps, out.Highest, scale.Host, scale.InitLives)
	found.Domain, found.Why = scale.Domain, scale.Why
	found.InitLives = initLives(h, ps, found)
	ps.Host.OOM = found
	ps.Settle(out.Highest, Needs(), Settled)
	ps.Settle(order, Needs(), Settled)
	order = o.View.Again(ps, order)
	out.Order = order
	return order, nil
}

// mostCompared is of how many of the highest scores the parts are read, to tell by which formula this
// kernel made them and whether it comes out: however many rows are shown, and whichever.
const mostCompared = 20

// highest returns those rows.
func highest(ps *procfacts.Processes) []int32 {
	v := lower.Own(Processes(false), []string{"pid"}, nil, mostCompared)
	return ps.Fill(v.Refine(ps), Needs())
}

// rowsWith reads further sources of all processes of a scan, or makes one.
func rowsWith(h *inspect.Host, ps *procfacts.Processes, want inspect.Sources) (*procfacts.Processes, error) {
	if ps == nil {
		return procfacts.Scan(h, want)
	}
	all := make([]int32, len(ps.Rows))
	for i := range all {
		all[i] = int32(i)
	}
	ps.Fill(all, want)
	return ps, nil
}

// initLives reports whether PID 1 is the host's. Where its namespace is not to be
// seen, its own score says so on the scale of 5.9: 0, whatever it has.
func initLives(h *inspect.Host, ps *procfacts.Processes, s procfacts.OOMScale) bool {
	if lives, known := h.InitialPIDNamespace(); known {
		return lives
	}
	i, ok := ps.Row(1)
	if !ok || !s.Sure59() {
		return true
	}
	p := &ps.Rows[i]
	return p.OomScore <= 0 || p.OomScoreAdj == -1000
}

// lookAtAll reads, for the processes that are not shown, what says which can't be
// killed, and their names. Of those that have memory, as status says, nothing
// more is needed.
func lookAtAll(out *oomfacts.Snapshot) {
	ps := out.Procs
	var unclear, zero []int32
	for i := range ps.Rows {
		if ps.Rows[i].VmRSS == inspect.Unset {
			unclear = append(unclear, int32(i))
		}
	}
	ps.Fill(unclear, inspect.Of(inspect.PIDStat))
	for i := range ps.Rows {
		if p := &ps.Rows[i]; p.OomScore == 0 && !p.Kthread() {
			zero = append(zero, int32(i))
		}
	}
	want := inspect.Of(inspect.PIDOomScoreAdj)
	if ps.Host.OOM.Sure59() { // before, thousands have 0
		want = want.Plus(inspect.Of(inspect.PIDStatus))
	}
	ps.Fill(zero, want)
	out.Known = true
	out.Killers = Killers(ps)
}

// first finds the next victim and the one after it. The rows shown tell, unless
// they were filtered, sorted otherwise or are too few: then the ranking is made
// once more.
func first(out *oomfacts.Snapshot, order []int32, o Options) {
	if o.Cgroup != nil && o.Cgroup.KillerOff() {
		return // nobody is
	}
	if o.View.Ranks("oom_score") || o.Cgroup != nil {
		out.First, out.Second = firstTwo(out.Procs, order)
		if out.Second != nil || len(order) == out.Procs.Len() {
			return
		}
	}
	again := func(limit int) *lower.View[procfacts.Row] {
		if o.Cgroup != nil {
			return o.View.Cut(limit)
		}
		return lower.Own(Processes(false), []string{"pid"}, nil, limit)
	}
	for _, limit := range [...]int{3, 0} { // one of three may be kwhy; where more are never killed, all are looked at
		v := again(limit)
		top := out.Procs.Fill(v.Refine(out.Procs), Needs())
		out.Procs.Settle(top, Needs(), Settled)
		if out.First, out.Second = firstTwo(out.Procs, v.Again(out.Procs, top)); out.Second != nil {
			return
		}
	}
}

// contest finds out whether one of which the score was not seen comes before the first: the parts of its points tell.
// in is the cgroup that was asked for; nil is the host.
func contest(out *oomfacts.Snapshot, in *oomfacts.Group) {
	if out.SeenOf(inspect.PIDOomScore).Nothing() || in != nil && in.KillerOff() {
		return
	}
	ps := out.Procs
	for _, i := range ps.Fill(unscored(ps, in), Needs()) {
		r := ps.At(int(i))
		if !Killable(r) {
			continue
		}
		mine, ok := Points(r)
		if ok && out.First == nil {
			out.First = r.P
			continue
		}
		first, known := int64(0), false
		if out.First != nil {
			first, known = Points(explainRow(out, out.First))
		}
		switch {
		case !ok || !known:
			out.Unjudged = cmp.Or(unjudged(r, r.Host.OOM.Domain, r.Host.OOM.Why), inspect.Malformed)
		case mine > first:
			out.First, out.Second = r.P, out.First
		}
	}
}

// unscored returns the rows, those of a cgroup's processes where one is asked for, of which the score was not seen;
// kwhy's own left out, which will have ended by then.
func unscored(ps *procfacts.Processes, in *oomfacts.Group) (out []int32) {
	for i := range ps.Rows {
		r := ps.At(i)
		why := r.Missing(inspect.PIDOomScore)
		if r.P.PID == r.Host.Self || !why.IsGap() || why == inspect.Unread || in != nil && !slices.Contains(in.PIDs, r.P.PID) {
			continue
		}
		out = append(out, int32(i))
	}
	return out
}

// tied counts those that may be the first to be killed: where points can't be computed, all
// with the highest oom_score, which is rounded, and within a cgroup all that are in it. It is 0
// where the first is known.
func tied(out *oomfacts.Snapshot, within bool) (n int) {
	a, b := out.First, out.Second
	if b == nil {
		return 0
	}
	_, ok := Points(explainRow(out, a))
	_, next := Points(explainRow(out, b))
	if ok && next || !within && a.OomScore != b.OomScore {
		return 0
	}
	for i := range out.Procs.Rows {
		r := out.Procs.At(i)
		if Killable(r) && r.P.PID != r.Host.Self && (within || r.P.OomScore == a.OomScore) {
			n++
		}
	}
	return n
}

// firstTwo returns the first two that can be killed, kwhy itself aside: it is
// gone by then.
func firstTwo(ps *procfacts.Processes, order []int32) (a, b *procfacts.Process) {
	for _, i := range order {
		r := ps.At(int(i))
		switch {
		case !Killable(r) || r.P.PID == r.Host.Self:
		case r.Missing(inspect.PIDOomScore) != inspect.Present: // nobody knows where it ranks
		case a == nil:
			a = r.P
		default:
			return a, r.P
		}
	}
	return a, nil
}

// takeGroups walks the cgroups, and finds the victims of those that are shown.
func takeGroups(h *inspect.Host, out *oomfacts.Snapshot, o *Options) {
	if o.Walk == nil {
		o.Walk = cgroupfacts.WalkMemory(h)
	}
	out.Got, out.Walked = inspect.ReasonOf(o.Walk.Err), o.Walk.Seen
	out.Groups, out.Held = oomfacts.GroupsOf(h, o.Walk)
	groups, view := out.Groups, o.GroupView
	for i := range out.Groups {
		SetTotal(&out.Groups[i], out.Mem)
	}
	parts := out.Limited()
	order := make([]int32, 0, len(groups))
	if view != nil {
		order = slices.DeleteFunc(view.Order(parts), func(i int32) bool { return int(i) >= len(groups) }) // nobody is killed there
	} else {
		for i := range groups {
			order = append(order, int32(i))
		}
	}
	var rows []int32
	for _, i := range order {
		g := &out.Groups[i]
		g.Members(out.Procs)
		for _, pid := range g.PIDs {
			if n, ok := out.Procs.Row(pid); ok {
				rows = append(rows, n)
			}
		}
	}
	slices.Sort(rows)
	rows = out.Procs.Fill(slices.Compact(rows), Needs().Plus(inspect.Of(inspect.PIDCgroup)))
	out.Procs.Settle(rows, Needs(), Settled)
	for _, i := range order {
		Judge(out.Procs, &out.Groups[i])
	}
}

// TakeTask takes a snapshot of one process and of where it stands; adj asks what
// another adjustment would make of it.
func TakeTask(h *inspect.Host, pid int32, adj *int32) (*oomfacts.Task, error) {
	v := lower.Own(Processes(false), []string{"pid", "points"}, nil, 0)
	o, _, err := Take(h, Options{View: v})
	if err != nil {
		return nil, err
	}
	i, ok := o.Procs.Row(pid)
	if !ok {
		return nil, h.NoProcess(pid)
	}
	one := []int32{i}
	if len(o.Procs.Fill(one, Needs().Plus(inspect.Of(inspect.PIDCgroup)))) == 0 {
		return nil, h.NoProcess(pid)
	}
	o.Procs.Settle(one, Needs(), Settled)
	t := &oomfacts.Task{OOM: o, Row: o.Procs.At(int(i))}
	nearestGroup(h, t)
	t.From = sameAdj(o.Procs, t.Row.P)
	Stand(t, adj)
	return t, nil
}

// nearestGroup finds the limited cgroup that the process is deepest in.
func nearestGroup(h *inspect.Host, t *oomfacts.Task) {
	groups, walked, err := oomfacts.LimitedCgroups(h)
	t.OOM.Walked = walked
	t.OOM.Got = inspect.ReasonOf(err)
	for i := range groups {
		g := &groups[i]
		if g.Holds(t.Row.P.Cgroup) && (t.Group == nil || len(g.Path) > len(t.Group.Path)) {
			t.Group = g
		}
	}
	if t.Group == nil {
		return
	}
	SetTotal(t.Group, t.OOM.Mem)
	t.Group.Members(t.OOM.Procs)
	t.OOM.Procs.Fill(members(t), Needs().Plus(inspect.Of(inspect.PIDCgroup)))
	Judge(t.OOM.Procs, t.Group)
}

// sameAdj returns the nearest ancestor with the same adjustment, which children
// inherit; nil where it is 0 or nobody has it.
func sameAdj(ps *procfacts.Processes, p *procfacts.Process) *procfacts.Process {
	if p.OomScoreAdj == 0 {
		return nil
	}
	for at, n := p, 0; n < len(ps.Rows); n++ {
		i, ok := ps.Row(at.PPID)
		if !ok || at.PPID == 0 {
			return nil
		}
		ps.Fill([]int32{i}, Needs())
		if at = &ps.Rows[i]; at.OomScoreAdj == p.OomScoreAdj && !at.Kthread() {
			return at
		}
	}
	return nil
}

// FindGroup returns the limited cgroup of a path, as /proc/PID/cgroup spells it or
// as it is mounted. The error says what there is of that path instead.
func FindGroup(h *inspect.Host, name string) (*oomfacts.Group, error) {
	at := path.Clean("/" + strings.TrimPrefix(name, "/"))
	groups, _, err := oomfacts.LimitedCgroups(h)
	if err != nil {
		return nil, err
	}
	for i := range groups {
		if groups[i].Path == at || groups[i].Mounted == at {
			return &groups[i], nil
		}
	}
	if oomfacts.HasMemoryCgroup(h, at) {
		return nil, fmt.Errorf("--cgroup %s: it has no hard limit, so that it kills nobody of its own (kwhy oom lists those that have one)", name)
	}
	return nil, fmt.Errorf("--cgroup %s: there is no memory cgroup of that path here (kwhy oom lists those that have a limit)", name)
}
