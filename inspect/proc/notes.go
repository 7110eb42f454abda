package proc

import (
	"bytes"
	"strconv"
	"strings"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

// Notes finds out what can be said about the rows that are shown beyond their own files:
// the bound of their CPU time, the freezer of their cgroup, who could end
// what they wait for, the process of their tracer.
func (ps *Processes) Notes(rows []int32) {
	ps.Throttles(rows)
	ps.Freeze(rows)
	ps.tracers(rows)
	ps.FindWaitsOf(rows)
}

func (ps *Processes) tracers(rows []int32) {
	for _, i := range rows {
		ps.tracer(&ps.Rows[i])
	}
}

func (ps *Processes) tracer(p *Process) {
	if _, ok := ps.Row(p.Tracer); ok || p.Tracer <= 0 {
		return
	}
	tgid, err := ProcessOf(ps.Host.Host, p.Tracer)
	if err != nil {
		return
	}
	if ps.Host.Tracers == nil {
		ps.Host.Tracers = map[int32]int32{}
	}
	ps.Host.Tracers[p.Tracer] = tgid
}

// Tracer returns the process that traces p, if this scan has it.
func (p Row) Tracer() (*Process, bool) {
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
func (ps *Processes) Throttles(rows []int32) {
	for _, i := range rows {
		if p := &ps.Rows[i]; p.State == 'R' && !p.Kthread() {
			ps.throttleRow(p)
		}
	}
}

func (ps *Processes) throttleRow(p *Process) {
	list, ok := ps.memberships(p)
	if !ok {
		return
	}
	t, ok := cgroup.ThrottleOf(ps.Host.Host, list)
	if !ok {
		return
	}
	if ps.Host.Throttled == nil {
		ps.Host.Throttled, ps.Host.quotas = map[int32]cgroup.Throttle{}, map[string]cgroup.Throttle{}
	}
	ps.Host.Throttled[p.PID], ps.Host.quotas[t.Path] = t, t
}

// Throttled returns the bound of a process's CPU time; since is what was counted
// over the interval, and known false where its cgroup was not read before.
func (p Row) Throttled() (t, since cgroup.Throttle, bounded, known bool) {
	if t, bounded = p.Host.Throttled[p.P.PID]; !bounded || p.Host.Was == nil {
		return t, since, bounded, false
	}
	if was, ok := p.Host.Was.quotas[t.Path]; ok {
		since, known = t.Since(was)
	}
	return t, since, bounded, known
}

// FindStops reads of those that are stopped, by a signal or by a tracer, who could continue them and
// since when they are, whether or not they are shown.
func (ps *Processes) FindStops() {
	var rows []int32
	var list []*Process
	for i := range ps.Rows {
		if p := &ps.Rows[i]; (p.State == 'T' || p.State == 't') && p.Why(inspect.PIDStat) == inspect.Present {
			rows, list = append(rows, int32(i)), append(list, p)
		}
	}
	if rows == nil {
		return
	}
	ps.Fill(rows, inspect.Of(inspect.PIDStatus, inspect.PIDSched))
	ps.LastRuns(list...)
	ps.tracers(rows)
	ps.Freeze(rows)
	ps.FindWaitsOf(rows)
}

// mostTraceable is how many processes are looked at for whether one traces them, where there are many.
const mostTraceable = 2048

// findTracees finds whom a process traces: each tracee's status names its tracer, which is a thread.
// Of many processes those are looked at first that are stopped by a tracer, and its own descendants.
func (d *Detail) findTracees(ps *Processes) {
	own := map[int32]bool{d.Row.P.PID: true}
	if d.Row.P.TGID == 0 {
		names, _ := ps.Host.Host.Proc.Names(d.Row.P.Dir() + "/task") // without them, it is the main thread
		for _, name := range names {
			if tid, ok := inspect.ParsePID(name); ok {
				own[tid] = true
			}
		}
	}
	var first, others []int32
	for i := range ps.Rows {
		switch p := &ps.Rows[i]; {
		case p.Kthread() || p.Over() || p.PID == d.Row.P.PID:
		case p.State == 't' || ps.descends(p, d.Row.P.PID):
			first = append(first, int32(i))
		default:
			others = append(others, int32(i))
		}
	}
	all := append(first, others...)
	ps.Fill(all[:min(len(all), mostTraceable)], inspect.Of(inspect.PIDStatus))
	d.Traceable = inspect.SeenBy("process", inspect.PIDStatus, min(len(all), mostTraceable), func(i int) inspect.Reason {
		return ps.Rows[all[i]].Why(inspect.PIDStatus)
	})
	if missed := len(all) - mostTraceable; missed > 0 {
		d.Traceable.All += missed
		d.Traceable.Reason = inspect.Unread
	}
	d.Traceable = d.Traceable.Within(ps.Seen())
	for _, i := range all {
		if p := &ps.Rows[i]; p.Tracer > 0 && own[p.Tracer] {
			d.Tracees = append(d.Tracees, p)
		}
	}
}

// descends reports whether p is a child of another, or a child's child, and so on.
func (ps *Processes) descends(p *Process, of int32) bool {
	for range len(ps.Rows) {
		if p.PPID == of {
			return true
		}
		i, ok := ps.Row(p.PPID)
		if !ok || p.PPID == p.PID {
			return false
		}
		p = &ps.Rows[i]
	}
	return false
}

// The pseudo terminals of Unix 98 have majors of their own (include/uapi/linux/
// major.h), and no directory in /sys.
const firstPts, lastPts = 136, 143

// ttyName returns what a terminal's device is called below /dev, by stat's field
// 7; "" where the kernel does not say.
func ttyName(h *inspect.Host, nr int32) string {
	major, minor := nr>>8&0xfff, nr&0xff|nr>>12&0xfff00
	if major >= firstPts && major <= lastPts {
		return "pts/" + strconv.Itoa(int((major-firstPts)<<8+minor))
	}
	var name string
	_ = h.Sys.Single("dev/char/"+strconv.Itoa(int(major))+":"+strconv.Itoa(int(minor))+"/uevent", func(b []byte) error {
		for line := range bytes.Lines(b) {
			if v, ok := strings.CutPrefix(string(inspect.TrimNewline(line)), "DEVNAME="); ok {
				name = v
			}
		}
		return nil
	})
	return name
}

// Terminals names the terminals of a scan's processes.
func (ps *Processes) Terminals() {
	ps.Host.TTYs = map[int32]string{}
	for i := range ps.Rows {
		nr := ps.Rows[i].TTY
		if _, ok := ps.Host.TTYs[nr]; nr != 0 && !ok {
			ps.Host.TTYs[nr] = ttyName(ps.Host.Host, nr)
		}
	}
}

// mostHeld is how many threads a process may have at most for these to be looked at.
const mostHeld = 1024

// findHeld finds which threads of a process a tracer has stopped: each of them may be traced alone
// (kernel/ptrace.c, ptrace_attach), and the process's own state is that of its main thread.
func (d *Detail) findHeld(h *inspect.Host, ps *Processes) {
	p := d.Row.P
	if p.TGID != 0 || p.Threads < 2 || p.Threads > mostHeld {
		return
	}
	r := &Reader{Host: h}
	list, _ := threads(r, p) // without them, none is known
	for i := range list {
		if t := &list[i]; t.State == 't' && t.PID != p.PID {
			r.Fill(t, inspect.Of(inspect.PIDStatus))
			ps.tracer(t)
			d.Held = append(d.Held, *t)
		}
	}
}
