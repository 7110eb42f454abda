package inspect

import "golang.org/x/sys/unix"

// SCHED_* (include/uapi/linux/sched.h).
const (
	policyFIFO     = 1
	policyRR       = 2
	policyDeadline = 6
)

// schedTasks finds the tasks of real-time policies and those in D, among all
// threads of all processes: of a process of one thread, stat has said it.
func (h *Host) schedTasks(s *Sched) {
	ps := s.Procs
	note := func(p *Process) {
		t := Task{Proc: Proc{Host: &ps.Host, P: p}}
		switch p.Policy {
		case policyFIFO, policyRR, policyDeadline:
			t.Attr = h.attr(p)
			s.Realtime = append(s.Realtime, t)
		}
		if p.State == 'D' {
			s.Blocked = append(s.Blocked, t)
		}
	}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Threads <= 1 || p.TGID != 0 {
			note(p)
			continue
		}
		threads, err := h.Threads(p.PID, Of(PIDStat))
		if err != nil {
			continue
		}
		for j := range threads.Rows {
			note(&threads.Rows[j])
		}
	}
	r := &pidReader{h: h}
	for i := range s.Blocked {
		r.fill(s.Blocked[i].P, Of(PIDWchan, PIDSyscall))
	}
	s.got[SchedGetattr] = Present
	if !h.sameProcesses() {
		s.got[SchedGetattr] = Inapplicable
	}
}

// sameProcesses tells whether the numbers in this /proc mean the same processes to
// system calls.
func (h *Host) sameProcesses() bool { return h.Live && h.Self() == int32(unix.Getpid()) }

// Deadline is what a SCHED_DEADLINE task asked for, in ns; Unset where
// sched_getattr can't be asked. What /proc/PID/sched calls dl.runtime and
// dl.deadline is what is left of the runtime, and when the next deadline is.
func (t *Task) Deadline() (runtime, deadline, period Num) {
	if a := t.Attr; a != nil {
		return Num(a.Runtime), Num(a.Deadline), Num(a.Period)
	}
	return Unset, Unset, Unset
}

// attr asks for a task's scheduling parameters; nil where they can't be had.
func (h *Host) attr(p *Process) *unix.SchedAttr {
	if !h.sameProcesses() {
		return nil
	}
	a, err := unix.SchedGetAttr(int(p.PID), 0)
	if err != nil {
		return nil
	}
	return a
}
