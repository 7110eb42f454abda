package inspect

import (
	"strconv"

	"golang.org/x/sys/unix"
)

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
	s.callable = h.sameProcesses() // once: it reads a file
	threads := h.threadsOf(ps)
	for i := range ps.Rows {
		p := &ps.Rows[i]
		list, many := threads[p.PID]
		switch {
		case !many:
			h.noteTask(s, p)
			continue
		case list.err != nil:
			s.noThreads[h.pidReason(p.dir(), list.err)]++
			h.noteTask(s, p)
		}
		for j := range list.rows {
			h.noteTask(s, &list.rows[j])
		}
	}
	s.threaded = len(threads)
	r := &pidReader{h: h}
	for i := range s.Blocked {
		r.fill(s.Blocked[i].P, Of(PIDWchan, PIDSyscall, PIDStatus))
	}
	s.got[SchedGetattr] = Present
	if !s.callable {
		s.got[SchedGetattr] = Inapplicable
	}
}

func (h *Host) noteTask(s *Sched, p *Process) {
	t := Task{Proc: Proc{Host: &s.Procs.Host, P: p}}
	switch p.Policy {
	case policyFIFO, policyRR, policyDeadline:
		t.Attr = s.attr(p)
		s.Realtime = append(s.Realtime, t)
	}
	switch p.State {
	case 'D':
		s.Blocked = append(s.Blocked, t)
	case 'R':
		s.ready = append(s.ready, p)
	}
}

// threadList is the threads of a process, with their stat.
type threadList struct {
	rows []Process
	err  error
}

// threadsOf reads the threads of the processes that have more than one, by PID.
func (h *Host) threadsOf(ps *Procs) map[int32]*threadList {
	out := map[int32]*threadList{}
	var pids []int32
	for i := range ps.Rows {
		if p := &ps.Rows[i]; p.Threads > 1 && p.TGID == 0 {
			pids, out[p.PID] = append(pids, p.PID), &threadList{}
		}
	}
	h.eachChunk(len(pids), func(r *pidReader, i int) {
		list := out[pids[i]]
		list.rows, list.err = r.threads(pids[i])
	})
	return out
}

// threads reads stat of each thread of a process. Those that end meanwhile are left
// out.
func (r *pidReader) threads(pid int32) ([]Process, error) {
	names, err := r.h.proc.names(strconv.Itoa(int(pid)) + "/task")
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
		t.TGID = pid
		if r.fill(&t, Of(PIDStat)); t.got[0] == Present {
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
func (s *Sched) attr(p *Process) *unix.SchedAttr {
	if !s.callable {
		return nil
	}
	a, err := unix.SchedGetAttr(int(p.PID), 0)
	if err != nil {
		return nil
	}
	return a
}
