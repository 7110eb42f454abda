package sched

import (
	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// SCHED_* (include/uapi/linux/sched.h).
const (
	policyFIFO     = 1
	policyRR       = 2
	policyDeadline = 6
)

// schedTasks finds the tasks of real-time policies, those in D and those that want
// a CPU, among all threads of all processes.
func schedTasks(h *inspect.Host, s *Snapshot) {
	s.callable = h.SameProcesses() // once: it reads a file
	s.threads.Each(func(p *proc.Process) { noteTask(s, p) })
	r := &proc.Reader{Host: h}
	for _, p := range s.threads.Blocked() {
		r.Fill(p, inspect.Of(inspect.PIDWchan, inspect.PIDSyscall, inspect.PIDStatus))
		s.Procs.FreezeRow(p)
		s.Blocked = append(s.Blocked, Task{Row: proc.Row{Host: &s.Procs.Host, P: p}})
	}
	s.Procs.FindWaits(func(yield func(proc.Row) bool) {
		for i := range s.Blocked {
			if !yield(s.Blocked[i].Row) {
				return
			}
		}
	})
	s.got[inspect.SchedGetattr] = inspect.Present
	if !s.callable {
		s.got[inspect.SchedGetattr] = inspect.Inapplicable
	}
}

func noteTask(s *Snapshot, p *proc.Process) {
	t := Task{Row: proc.Row{Host: &s.Procs.Host, P: p}}
	switch p.Policy {
	case policyFIFO, policyRR, policyDeadline:
		t.Attr = s.attr(p)
		s.Realtime = append(s.Realtime, t)
	}
	if p.State == 'R' {
		s.ready = append(s.ready, p)
	}
}

// Deadline is what a SCHED_DEADLINE task asked for, in ns; Unset where
// sched_getattr can't be asked. What /proc/PID/sched calls dl.runtime and
// dl.deadline is what is left of the runtime, and when the next deadline is.
func (t *Task) Deadline() (runtime, deadline, period inspect.Num) {
	if a := t.Attr; a != nil {
		return inspect.Num(a.Runtime), inspect.Num(a.Deadline), inspect.Num(a.Period)
	}
	return inspect.Unset, inspect.Unset, inspect.Unset
}

// attr asks for a task's scheduling parameters; nil if it can't get them.
func (s *Snapshot) attr(p *proc.Process) *unix.SchedAttr {
	if !s.callable {
		return nil
	}
	a, err := s.Procs.Host.Host.SchedAttr(p.PID)
	if err != nil {
		return nil
	}
	return a
}
