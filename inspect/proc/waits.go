package proc

import (
	"iter"
	"strings"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/wait"
)

// Wait returns what a task waits for: with who could end that, where FindWaits was asked for it.
func (p Row) Wait() wait.Wait {
	if w, ok := p.Host.Waits[p.P.PID]; ok {
		return w
	}
	t := p.task()
	return wait.Of(&t)
}

// task is a row as package wait takes it.
func (p Row) task() wait.Task {
	t := p.P.task()
	t.Frozen = p.P.Frozen
	if tracer, ok := p.Tracer(); ok {
		t.Tracer = tracer.PID
	} else {
		t.Tracer = p.P.Tracer
	}
	t.Call, t.Args = p.CallName(), p.P.Call.Args
	t.Where = p.Where()
	return t
}

// CallName names the system call that a task waits in; "" if it waits in none, or the number has
// no known name.
func (p Row) CallName() string {
	if p.Missing(inspect.PIDSyscall) != inspect.Present || p.P.Kthread() {
		return ""
	}
	return wait.CallName(&p.P.Call, p.Host.Host)
}

func (p *Process) task() wait.Task {
	const forkNoExec = 0x40 // include/linux/sched.h, PF_FORKNOEXEC
	return wait.Task{
		PID: p.PID, TGID: p.TGID, PPID: p.PPID, Dir: p.Dir(), State: p.State, Kthread: p.Kthread(), Forked: p.Flags&forkNoExec != 0,
		PGRP: p.PGRP, Session: p.Session, TTY: p.TTY, ExitCode: p.ExitCode,
	}
}

// Where returns the kernel function that a task waits in; "" if it does not, or that is not visible:
// then the file says 0 (fs/proc/base.c, proc_pid_wchan).
func (p Row) Where() string {
	if p.Missing(inspect.PIDWchan) != inspect.Present || p.P.Wchan == "0" {
		return ""
	}
	return p.P.Wchan
}

// FindWaits finds out of tasks who could end what they wait for, where there is more to be said of that
// than their own files do.
func (ps *Processes) FindWaits(tasks iter.Seq[Row]) {
	var f *wait.Finder
	for r := range tasks {
		if !wait.MayTell(r.P.State, r.P.Wchan) {
			continue
		}
		t := r.task()
		if !wait.Tells(&t) {
			continue
		}
		if f == nil {
			f = wait.NewFinder(ps.Host.Host, !ps.Host.Hidden && !ps.Host.Lacking && ps.Host.Uncounted == inspect.Present, ps.tasks)
			if ps.Host.Waits == nil {
				ps.Host.Waits = map[int32]wait.Wait{}
			}
		}
		ps.Host.Waits[r.P.PID] = f.Find(&t)
	}
}

// ServersOf returns who serves a FUSE file system, by its device; where the kernel does not say who (before
// 6.16), all who serve any.
func (ps *Processes) ServersOf(dev uint64) (out []*Process) {
	for _, pid := range wait.NewFinder(ps.Host.Host, false, ps.tasks).ServersOf(dev) {
		if i, ok := ps.Row(pid); ok {
			ps.Fill([]int32{i}, inspect.Of(inspect.PIDStat)) // its name
			out = append(out, &ps.Rows[i])
		}
	}
	return out
}

// FindWaitsOf does that for some rows.
func (ps *Processes) FindWaitsOf(rows []int32) {
	ps.FindWaits(func(yield func(Row) bool) {
		for _, i := range rows {
			if !yield(ps.At(int(i))) {
				return
			}
		}
	})
}

// tasks passes on all processes of the scan.
func (ps *Processes) tasks() iter.Seq[wait.Task] {
	return func(yield func(wait.Task) bool) {
		for i := range ps.Rows {
			if !yield(ps.Rows[i].task()) {
				return
			}
		}
	}
}

// Freeze notes which of the given rows the freezer of their cgroup holds, of those
// whose state can be that of a frozen task: version 2 keeps such tasks in S, where
// do_freezer_trap in kernel/signal.c puts them; version 1, and suspend, in D, and
// from 6.1 until a fix in 6.13 and its stable trees in R (include/linux/sched.h,
// __task_state_index).
func (ps *Processes) Freeze(rows []int32) {
	for _, i := range rows {
		ps.FreezeRow(&ps.Rows[i])
	}
}

// FreezeRow does the same for one process.
func (ps *Processes) FreezeRow(p *Process) {
	if p.Kthread() || !p.maybeFrozen(ps.Host.Host.Kernel) {
		return
	}
	list, ok := ps.memberships(p)
	if !ok {
		return
	}
	var by frozen
	if by, p.Frozen = ps.heldFrozen(list); !p.Frozen {
		return
	}
	if ps.Host.Waits == nil {
		ps.Host.Waits = map[int32]wait.Wait{}
	}
	ps.Host.Waits[p.PID] = wait.Wait{Kind: wait.Frozen, Object: by.of, Frozen: by.by, Sure: wait.Says, Evidence: inspect.Of(inspect.PIDCgroup)}
}

// maybeFrozen reports whether a task may be frozen, by its state and, where that is to
// be seen, by where it waits.
func (p *Process) maybeFrozen(on inspect.Kernel) bool {
	switch p.State {
	case 'D', 'T', 't': // one that a signal or its tracer had stopped stays so (kernel/signal.c, do_signal_stop and ptrace_stop)
		return true
	case 'R':
		return inspect.Choose(on.Since(6, 1), true, false, true) && inspect.Choose(on.Since(6, 13), false, true, true)
	case 'S':
		if p.Why(inspect.PIDWchan) == inspect.Unread {
			return false // nobody wants to know what it does
		}
		return p.Wchan == "" || p.Wchan == "0" || p.Wchan == "get_signal" || strings.Contains(p.Wchan, "freezer")
	}
	return false
}

// memberships reads in which cgroups a process is.
func (ps *Processes) memberships(p *Process) ([]cgroup.Membership, bool) {
	list, err := cgroup.MembershipsOf(ps.Host.Host, p.Dir())
	return list, err == nil
}

// frozen is that a cgroup's tasks are held, and by whom.
type frozen struct {
	of   string   // the cgroup
	by   []string // those that were told to freeze
	held bool
}

// heldFrozen reports whether the freezer of either version holds the tasks of one of these cgroups, and
// of which. Each cgroup is read once.
func (ps *Processes) heldFrozen(list []cgroup.Membership) (by frozen, yes bool) {
	for _, m := range list {
		if m.Version == 1 && !cgroup.HasController(m.Controllers, "freezer") {
			continue
		}
		key := string(rune('0'+m.Version)) + m.Path
		f, known := ps.Host.frozen[key]
		if !known {
			f.of = m.Path
			if f.by, f.held = cgroup.Frozen(ps.Host.Host, m); ps.Host.frozen == nil {
				ps.Host.frozen = map[string]frozen{}
			}
			ps.Host.frozen[key] = f
		}
		if f.held {
			return f, true
		}
	}
	return frozen{}, false
}
