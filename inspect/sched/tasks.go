package sched

import (
	"strconv"

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
// a CPU, among all threads of all processes: of a process of one thread, stat has
// said it. Where a process's threads can't be read its main thread stands for them.
func schedTasks(h *inspect.Host, s *Snapshot) {
	ps := s.Procs
	s.callable = h.SameProcesses() // once: it reads a file
	threads := threadsOf(h, ps)
	for i := range ps.Rows {
		p := &ps.Rows[i]
		list, many := threads[p.PID]
		switch {
		case !many:
			noteTask(s, p)
			continue
		case list.err != nil:
			s.noThreads[h.PidReason(p.Dir(), list.err)]++
			noteTask(s, p)
		}
		for j := range list.rows {
			noteTask(s, &list.rows[j])
		}
	}
	s.threaded = len(threads)
	r := &proc.Reader{Host: h}
	for i := range s.Blocked {
		r.Fill(s.Blocked[i].P, inspect.Of(inspect.PIDWchan, inspect.PIDSyscall, inspect.PIDStatus))
	}
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
	switch p.State {
	case 'D':
		s.Blocked = append(s.Blocked, t)
	case 'R':
		s.ready = append(s.ready, p)
	}
}

// threadList is the threads of a process, with their stat.
type threadList struct {
	rows []proc.Process
	err  error
}

// threadsOf reads the threads of the processes that have more than one, by PID.
func threadsOf(h *inspect.Host, ps *proc.Processes) map[int32]*threadList {
	out := map[int32]*threadList{}
	var pids []int32
	for i := range ps.Rows {
		if p := &ps.Rows[i]; p.Threads > 1 && p.TGID == 0 {
			pids, out[p.PID] = append(pids, p.PID), &threadList{}
		}
	}
	proc.EachChunk(h, len(pids), func(r *proc.Reader, i int) {
		list := out[pids[i]]
		list.rows, list.err = threads(r, pids[i])
	})
	return out
}

// threads reads stat of each thread of a process. Those that end meanwhile are left
// out.
func threads(r *proc.Reader, pid int32) ([]proc.Process, error) {
	names, err := r.Host.Proc.Names(strconv.Itoa(int(pid)) + "/task")
	if err != nil {
		return nil, err
	}
	out := make([]proc.Process, 0, len(names))
	for _, name := range names {
		tid, ok := inspect.ParsePID(name)
		if !ok {
			continue
		}
		t := proc.NewProcess(tid)
		t.TGID = pid
		if r.Fill(&t, inspect.Of(inspect.PIDStat)); t.Why(inspect.PIDStat) == inspect.Present {
			out = append(out, t)
		}
	}
	return out, nil
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
