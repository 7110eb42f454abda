package proc

import (
	"strconv"

	"kwhy/inspect"
)

// What an ended task no longer has, and where its process still has it.

// Lacks reports whether p has no such source: it has ended, and let go of its memory, its
// files, its namespaces, or it is a kernel thread.
func (p *Process) Lacks(s inspect.Source) bool {
	return s.EndsWithProcess() && p.Zombie() || s.NotOfKthreads() && p.Kthread()
}

// via returns the task whose files have what goes with the main thread: a process
// itself, or, where its main thread has ended, one that goes on.
func (r *Reader) via(p *Process) *Process {
	if !p.MainEnded() {
		return p
	}
	if p.other == 0 {
		p.other = r.livingThread(p)
	}
	if p.other < 0 {
		return p
	}
	return &Process{PID: p.other, TGID: p.PID}
}

func (r *Reader) livingThread(p *Process) int32 {
	tids, err := r.Host.Proc.Names(p.Dir() + "/task")
	if err != nil {
		return -1
	}
	for _, name := range tids {
		tid, ok := inspect.ParsePID(name)
		t := NewProcess(tid)
		t.TGID = p.PID
		if ok && tid != p.PID && r.One(&t, inspect.PIDStat) == inspect.Present && t.State != 'Z' && t.State != 'X' {
			return tid
		}
	}
	return -1
}

// statOfAll takes from the stat of a thread that goes on what it says of the memory of all, which that
// of the main thread, which has ended, lacks.
func (r *Reader) statOfAll(p *Process) {
	other := r.via(p)
	if other == p {
		return
	}
	t := NewProcess(p.PID)
	if r.File(other, "/stat", inspect.UntilShort, t.ParseStat) == nil {
		p.VSize, p.RSS = t.VSize, t.RSS
	}
}

// HomeOf returns the Home of a process by its number; its directory where its stat can't be read.
func HomeOf(h *inspect.Host, pid int32) string {
	p, r := NewProcess(pid), Reader{Host: h}
	if r.One(&p, inspect.PIDStat) == inspect.Present && p.MainEnded() {
		r.via(&p)
	}
	return p.Home(h)
}

// Ended reports whether a process is a zombie: all of its threads have ended, and its parent has not
// asked how.
func Ended(h *inspect.Host, pid int32) bool {
	p, r := NewProcess(pid), Reader{Host: h}
	return r.One(&p, inspect.PIDStat) == inspect.Present && p.Zombie()
}

// parseMemory takes from a thread's status what it says of the memory of all.
func (p *Process) parseMemory(b []byte) error {
	t := NewProcess(p.PID)
	err := t.parseStatus(b)
	p.VmRSS, p.RssAnon, p.RssFile, p.RssShmem, p.VmSwap, p.PageTables = t.VmRSS, t.RssAnon, t.RssFile, t.RssShmem, t.VmSwap, t.PageTables
	p.lost = t.lost
	return err
}

// hidden reports whether this /proc keeps processes from this reader, as one does that
// is mounted with hidepid: PID 1 is not listed, or a process's parent is not, though
// a parent that ends leaves its children to another.
func (ps *Processes) hidden() bool {
	h := ps.Host.Host
	if !h.Live || len(ps.Rows) == 0 {
		return false
	}
	if _, ok := ps.Row(1); !ok {
		return true
	}
	r := Reader{Host: h}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if _, ok := ps.Row(p.PPID); ok || p.PPID == 0 || p.Why(inspect.PIDStat) != inspect.Present {
			continue
		}
		if _, err := h.Proc.Names(strconv.Itoa(int(p.PPID))); err == nil || !inspect.ReasonOf(err).IsMissing() {
			continue
		}
		now := NewProcess(p.PID)
		if r.One(&now, inspect.PIDStat) == inspect.Present && now.PPID == p.PPID {
			return true
		}
	}
	return false
}

// lacking reports whether a copy lacks processes, and where nobody can tell, why: /proc/loadavg
// counts the threads of all, and the numbers of those that are there come to less. Threads come
// and go while a copy is made, so that a tenth may be missing, or some few. Without a count, a
// process whose parent is not there tells that some are missing: who loses its parent is given
// another.
func (ps *Processes) lacking() (lacks bool, uncounted inspect.Reason) {
	h := ps.Host.Host
	if h.Live || len(ps.Rows) == 0 {
		return false, inspect.Present
	}
	const few = 8
	l := Snapshot{Tasks: inspect.Unset}
	err := h.Proc.Single("loadavg", l.ParseLoadavg)
	here, orphans := ps.threadsOfCopy()
	if err != nil {
		return orphans, inspect.ReasonOf(err)
	}
	return int64(l.Tasks)-here > max(few, int64(l.Tasks)/10), inspect.Present
}

// threadsOfCopy counts the threads that a copy has, of a process without a number one, and
// reports whether the parent of any process is not in it.
func (ps *Processes) threadsOfCopy() (threads int64, orphans bool) {
	r := Reader{Host: ps.Host.Host}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Why(inspect.PIDStat) == inspect.Unread {
			now := NewProcess(p.PID)
			_ = r.One(&now, inspect.PIDStat) // without it, it is one thread at least
			p = &now
		}
		threads += int64(max(p.Threads, 1))
		_, ok := ps.Row(p.PPID)
		orphans = orphans || !ok && p.PPID > 0
	}
	return threads, orphans
}

// borrowed reports whether a process that has run no program of its own runs in its
// parent's memory, as a child of vfork does until it calls exec: kcmp(2) says so. One
// that was forked has a copy.
func borrowed(h *inspect.Host, d *Detail) bool {
	const forkNoExec = 0x40 // include/linux/sched.h, PF_FORKNOEXEC
	p := d.Row.P
	if p.Flags&forkNoExec == 0 || p.Kthread() || p.TGID != 0 || len(d.Ancestors) == 0 || !h.SameProcesses() {
		return false
	}
	return h.SameIn(inspect.SharedMemory, p.PID, d.Ancestors[0].PID)
}
