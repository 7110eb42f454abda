package sched

import (
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/proc"
)

// Process is one process, or one thread, and those that it shares CPUs with.
type Process struct {
	Sched   *Snapshot
	Row     proc.Row        // its main thread; of a process, with the times of all threads
	Threads *proc.Processes // all of them
	Status  map[string]string
	Attr    *unix.SchedAttr // nil where sched_getattr can't be asked
	// Rivals are the tasks that ran or were ready at that moment, it among them.
	Rivals     []Rival
	Bound      cgroup.Throttle // of the cgroup that bounds its CPU time the most
	Bounded    bool
	Timerslack inspect.Num // ns
	Lag        Lag
	Queued     bool // whether debugfs lists it, with its lag
	Was        *Process

	got      [inspect.NumSources]inspect.Reason
	noGroups inspect.Reason // why no cgroup could be looked at
	Unplaced inspect.Reason // why its own could not be; Present where it could, or is the root
}

// Rival is a task that wants a CPU, and the groups that it is in, the outermost
// first.
type Rival struct {
	P      *proc.Process
	Groups []ShareGroup
}

// ShareGroup is a group of tasks that shares CPUs with others.
type ShareGroup = cgroup.ShareGroup

// Missing says why a source gave nothing.
func (t *Process) Missing(s inspect.Source) inspect.Reason {
	switch {
	case s == inspect.SchedLag:
		return t.got[s]
	case s == inspect.CgroupCPU && t.noGroups != inspect.Present:
		return t.noGroups
	}
	if s.Scope() == inspect.OfProcess && t.got[s] == inspect.Unread {
		return t.Row.Missing(s)
	}
	if s.Scope() == inspect.OfProcess {
		return t.got[s]
	}
	return t.Sched.Missing(s)
}

// Before returns the same task an interval ago.
func (t *Process) Before() (*Process, time.Duration, bool) {
	if t.Was == nil {
		return nil, 0, false
	}
	return t.Was, t.Row.Host.At.Sub(t.Was.Row.Host.At), true
}

// Kernel returns the kernel that was read.
func (t *Process) Kernel() inspect.Kernel { return t.Sched.Kernel() }

// Doubt says why what a source says is not the kernel's own.
func (t *Process) Doubt(src inspect.Source) inspect.Doubt { return t.Sched.Doubt(src) }

// Gaps lists what could not be seen.
func (t *Process) Gaps() []inspect.Gap {
	out := t.Row.Gaps()
	for s, r := range t.Sched.got {
		if r.IsGap() && r != inspect.Unread {
			out = append(out, inspect.Gap{Source: inspect.Source(s), Reason: r, Count: 1, Of: 1})
		}
	}
	for s, r := range t.got {
		if r.IsGap() && r != inspect.Unread {
			out = append(out, inspect.Gap{Source: inspect.Source(s), Reason: r, Count: 1, Of: 1})
		}
	}
	return append(out, t.Sched.threadGaps()...)
}

// TakeProcess reads one process, of a scan in which stat was read. id may be a
// thread's number: then it is that thread.
func TakeProcess(h *inspect.Host, ps *proc.Processes, id int32, want inspect.Sources) (*Process, error) {
	tgid := id
	if _, ok := ps.Row(id); !ok {
		var err error
		if tgid, err = proc.ProcessOf(h, id); err != nil {
			return nil, err
		}
	}
	threads, err := proc.ScanThreads(h, tgid, inspect.Of(inspect.PIDStat))
	if err != nil {
		return nil, err
	}
	if len(threads.Rows) == 0 && id == tgid { // a saved copy without its threads
		threads = proc.ScanRows(h, []proc.Process{proc.NewProcess(id)}, inspect.Of(inspect.PIDStat))
	}
	threads.Host = ps.Host
	i, ok := threads.Row(id)
	if !ok {
		return nil, h.NoProcess(id)
	}
	every := make([]int32, len(threads.Rows))
	for j := range every {
		every[j] = int32(j)
	}
	threads.Fill(every, inspect.Of(inspect.PIDStatus, inspect.PIDSchedstat))
	threads.Fill([]int32{i}, inspect.Of(inspect.PIDSched, inspect.PIDCgroup, inspect.PIDAutogroup))
	s, err := Take(h, ps, nil, want)
	if err != nil {
		return nil, err
	}
	t := &Process{Sched: s, Row: threads.At(int(i)), Threads: threads, Timerslack: inspect.Unset}
	t.Row.Host = &ps.Host
	if k, ok := ps.Row(id); ok {
		t.Row.P = wholeProcess(t.Row.P, &ps.Rows[k], threads)
	}
	for src := range t.got {
		t.got[src] = inspect.Unread
	}
	taskFiles(h, t, tgid, want)
	rivals(h, t)
	return t, nil
}

// wholeProcess is the main thread with the times of all threads, which are the
// process's.
func wholeProcess(main, whole *proc.Process, threads *proc.Processes) *proc.Process {
	p := *main
	p.UTime, p.STime = whole.UTime, whole.STime
	if p.Turns == inspect.Unset {
		return &p
	}
	p.Ran, p.Waited, p.Turns = 0, 0, 0
	for i := range threads.Rows {
		if t := &threads.Rows[i]; t.Turns != inspect.Unset {
			p.Ran, p.Waited, p.Turns = p.Ran+t.Ran, p.Waited+t.Waited, p.Turns+t.Turns
		}
	}
	return &p
}

// taskFiles reads what is of this task alone: its status, its parameters, its timer
// slack, and its place in its queue.
func taskFiles(h *inspect.Host, t *Process, tgid int32, want inspect.Sources) {
	p := t.Row.P
	var d proc.Detail
	t.got[inspect.PIDStatus] = h.PidReason(p.Dir(), h.Proc.Single(p.Dir()+"/status", d.ParseStatus))
	t.Status = d.Status
	t.Attr = t.Sched.attr(p)
	if want.Has(inspect.PIDTimerslack) {
		t.got[inspect.PIDTimerslack] = h.PidReason(p.Dir(), h.Proc.Single(strconv.Itoa(int(tgid))+"/timerslack_ns", func(b []byte) error {
			t.Timerslack = inspect.ParseNum(inspect.TrimNewline(b))
			return nil
		}))
	}
	if want.Has(inspect.SchedLag) && inspect.Choose(h.Kernel.Since(6, 6), true, false, true) {
		t.Lag, t.Queued, t.got[inspect.SchedLag] = lag(h, p.PID)
	}
}

// rivals finds who wants a CPU now, and in which groups.
func rivals(h *inspect.Host, t *Process) {
	ps := t.Sched.Procs
	auto, _ := t.Sched.Settings.Number(inspect.SchedAutogroup)
	r := &proc.Reader{Host: h}
	g := cgroup.NewShares(h, auto == 1)
	add := func(p *proc.Process) {
		self := p.PID == ps.Host.Self || p.TGID == ps.Host.Self && p.TGID != 0
		if p.PID != t.Row.P.PID && (p.State != 'R' || self) {
			return
		}
		r.Fill(p, inspect.Of(inspect.PIDCgroup, inspect.PIDAutogroup))
		t.Rivals = append(t.Rivals, Rival{P: p, Groups: g.Of(int(p.CPUCgroupVersion), p.CPUCgroup, p.Autogroup, p.AutogroupNice)})
	}
	for i := range t.Threads.Rows {
		add(&t.Threads.Rows[i])
	}
	for _, p := range t.Sched.ready {
		if own := t.Threads.Rows[0].TGID; p.PID != t.Row.P.PID && p.PID != own && (p.TGID == 0 || p.TGID != own) {
			add(p)
		}
	}
	t.noGroups = inspect.ReasonOf(cgroup.Shown(h, "cpu"))
	t.Unplaced = unplaced(h, t.Row.P)
	if list, err := cgroup.MembershipsOf(h, t.Row.P.Dir()); err == nil {
		t.Bound, t.Bounded = cgroup.ThrottleOf(h, list)
	}
}

// unplaced says why the cgroup of a process that shares out CPUs could not be looked at.
func unplaced(h *inspect.Host, p *proc.Process) inspect.Reason {
	if p.CPUCgroup == "" || p.CPUCgroup == "/" {
		return inspect.Present
	}
	at, err := cgroup.Find(h, int(p.CPUCgroupVersion), "cpu", p.CPUCgroup)
	switch {
	case err != nil:
		return inspect.ReasonOf(err)
	case at.Exists():
		return inspect.Present
	case h.Live:
		return inspect.Vanished
	}
	return inspect.NotSaved
}
