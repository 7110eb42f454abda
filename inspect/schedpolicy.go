package inspect

import "golang.org/x/sys/unix"

// SCHED_* (include/uapi/linux/sched.h).
const (
	policyFIFO     = 1
	policyRR       = 2
	policyDeadline = 6
)

// schedTasks finds the tasks of real-time policies, those in D and those that want
// a CPU, among all threads of all processes: of a process of one thread, stat has
// said it. Where a process's threads can't be read its main thread stands for them.
func (h *Host) schedTasks(s *Sched) {
	ps := s.Procs
	r := &pidReader{h: h}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Threads <= 1 || p.TGID != 0 {
			h.noteTask(s, p)
			continue
		}
		s.threaded++
		threads, err := r.threadsOf(p)
		if err != nil {
			s.noThreads[h.pidReason(p.dir(), err)]++
			h.noteTask(s, p)
			continue
		}
		for j := range threads {
			h.noteTask(s, &threads[j])
		}
	}
	for i := range s.Blocked {
		r.fill(s.Blocked[i].P, Of(PIDWchan, PIDSyscall))
	}
	s.got[SchedGetattr] = Present
	if !h.sameProcesses() {
		s.got[SchedGetattr] = Inapplicable
	}
}

func (h *Host) noteTask(s *Sched, p *Process) {
	t := Task{Proc: Proc{Host: &s.Procs.Host, P: p}}
	switch p.Policy {
	case policyFIFO, policyRR, policyDeadline:
		t.Attr = h.attr(p)
		s.Realtime = append(s.Realtime, t)
	}
	switch p.State {
	case 'D':
		s.Blocked = append(s.Blocked, t)
	case 'R':
		s.ready = append(s.ready, p)
	}
}

// threadsOf reads stat of each thread of a process.
func (r *pidReader) threadsOf(p *Process) ([]Process, error) {
	names, err := r.h.proc.names(p.dir() + "/task")
	if err != nil {
		return nil, err
	}
	out := make([]Process, 0, len(names))
	for _, name := range names {
		tid, ok := parsePID(name)
		if !ok {
			continue
		}
		t := newProcess(tid)
		t.TGID = p.PID
		if r.fill(&t, Of(PIDStat)); t.got[0] == Present { // else it has ended
			out = append(out, t)
		}
	}
	return out, nil
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
