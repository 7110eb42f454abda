package wait

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

// Finder finds who could end waits. It reads what tells that only where a task waits so, and what
// many share once.
type Finder struct {
	host  *inspect.Host
	tasks func() iter.Seq[Task] // all processes, without what they wait for

	servers []server // of FUSE
	asked   bool     // who these are

	jobs  map[int32]job // process groups
	whole bool          // whether tasks are all that there are

	ended map[int32][]int32 // processes that have ended, by their parent
}

// NewFinder returns one for a host, whose processes tasks passes on; whole says that these are all.
func NewFinder(h *inspect.Host, whole bool, tasks func() iter.Seq[Task]) *Finder {
	return &Finder{host: h, tasks: tasks, whole: whole}
}

// Tells reports whether there is more to be said of a task's wait than the task's own files do.
func Tells(t *Task) bool {
	w := Of(t)
	return tells(w.Kind) || w.unseen(t)
}

// unseen reports whether a task in D does not show where it waits: then its cgroup may.
func (w *Wait) unseen(t *Task) bool {
	return w.Kind == Unknown && t.State == 'D' && t.Where == "" && !t.Kthread
}

func tells(k Kind) bool {
	switch k {
	case MemoryHigh, MemoryOOM, NFS, FUSE, FUSELock, Vfork, Child, Stopped, Traced:
		return true
	}
	return false
}

// MayTell reports whether Tells may hold of a task, by its state and the kernel function: it is cheap,
// for there may be many thousand tasks. In S, the function has to say so.
func MayTell(state byte, where string) bool {
	if state != 'S' {
		return state == 'D' || state == 'T' || state == 't'
	}
	for _, l := range places() {
		if tells(l.kind) && strings.Contains(where, l.part) {
			return true
		}
	}
	return false
}

// Find returns what a task waits for, and who could end that.
func (f *Finder) Find(t *Task) Wait {
	w := Of(t)
	switch w.Kind {
	case Unknown:
		if w.unseen(t) {
			f.likely(t, &w)
		}
	case MemoryHigh:
		f.memory(t, &w, overHigh)
	case MemoryOOM:
		f.memory(t, &w, oomDisabled)
	case NFS:
		f.mount(t, &w, f.mounts(t, "nfs"))
	case FUSE, FUSELock:
		f.fuse(t, &w)
	case Vfork:
		f.vfork(t, &w)
	case Child:
		f.child(t, &w)
	case Stopped:
		f.stopped(t, &w)
	case Traced:
		if t.Tracer > 0 {
			w.Holders, w.Sure, w.Evidence = []int32{t.Tracer}, Says, w.Evidence.Plus(inspect.Of(inspect.PIDStatus))
		}
	}
	return w
}

// job is what a process group is to the other groups of its session.
type job struct {
	shell   int32 // a parent of one of its processes that is in another group of the session; 0: nobody
	outside bool  // the parent of one of them is not among the tasks
}

// stopped finds what stopped a task, and which shell has it as a job. The kernel keeps the signal
// until the parent has waited for the stop (fs/proc/array.c, do_task_stat; kernel/exit.c,
// wait_task_stopped); who sent it nothing shows. In an orphaned process group none but SIGSTOP stops
// (kernel/signal.c, get_signal).
func (f *Finder) stopped(t *Task, w *Wait) {
	numbered := Machine(f.host.Arch) == "amd64" || Machine(f.host.Arch) == "arm64"
	if n := t.ExitCode; numbered && n >= StopSignal && n <= StopWrite {
		w.Signal = n
	}
	if f.jobs == nil {
		f.findJobs()
	}
	j, met := f.jobs[t.PGRP]
	switch {
	case t.Session <= 0 || t.PGRP <= 0 || !met: // of a PID namespace above
	case j.shell != 0 && t.TTY != 0:
		w.Holders, w.Sure, w.Jobless = []int32{j.shell}, OnlyOne, inspect.No
	case j.shell != 0: // without a terminal it has jobs too, if it was told so (set -m), and not else
	case f.whole && !j.outside:
		w.Jobless = inspect.Yes
		if w.Signal == 0 {
			w.Signal = StopSignal
		}
	}
}

// findJobs finds of each process group who links it to its session (kernel/exit.c,
// will_become_orphaned_pgrp): not the host's init. What is outside of a PID namespace is in no session
// of one in it.
func (f *Finder) findJobs() {
	f.jobs = map[int32]job{}
	initial, known := f.host.InitialPIDNamespace()
	inside := known && !initial
	type place struct{ group, session int32 }
	at := map[int32]place{}
	for t := range f.tasks() {
		at[t.PID] = place{t.PGRP, t.Session}
	}
	for t := range f.tasks() {
		j := f.jobs[t.PGRP]
		if up, ok := at[t.PPID]; !ok {
			j.outside = j.outside || t.PPID > 0 && t.State != 'Z'
		} else if up.group != t.PGRP && up.session == t.Session && (t.PPID != 1 || inside) && t.State != 'Z' {
			j.shell = t.PPID
		}
		f.jobs[t.PGRP] = j
	}
}

// memory finds the memory cgroup that a task waits for: of those above it, the highest that is in
// the state.
func (f *Finder) memory(t *Task, w *Wait, in func(cgroup.Place) (limit uint64, yes bool)) {
	list, err := cgroup.MembershipsOf(f.host, t.Dir)
	if err != nil {
		return
	}
	version, path := cgroup.ControllerPath(list, "memory")
	if version == 0 {
		return
	}
	at, err := cgroup.Find(f.host, version, "memory", path)
	if err != nil {
		return
	}
	for _, at := range at.Way() {
		if limit, yes := in(at); yes {
			w.Object, w.Limit, w.Sure = at.Path, limit, Says
			w.Evidence = w.Evidence.Plus(inspect.Of(inspect.PIDCgroup, inspect.CgroupMemory))
			return
		}
	}
}

// likely finds whether the memory cgroup of a task that does not show where it waits holds its tasks up:
// what else could a task in D wait for is not known, but there that is likely it. Where its cgroup does not, it
// may wait for a child of vfork: the holders are those that it may be, and the kind stays unknown.
func (f *Finder) likely(t *Task, w *Wait) {
	held := *w
	if f.memory(t, &held, oomDisabled); held.Object != "" {
		held.Kind, held.Sure = MemoryOOM, Candidates
		*w = held
		return
	}
	if f.vfork(t, &held); len(held.Holders) > 0 {
		w.Holders, w.Sure = held.Holders, Candidates
	}
}

// oomDisabled reports whether a cgroup of version 1 is at its limit and its OOM killer is disabled:
// under_oom is set for it and for all below it (mm/memcontrol.c, mem_cgroup_mark_under_oom).
func oomDisabled(at cgroup.Place) (limit uint64, yes bool) {
	t, rel := at.File("memory.oom_control")
	_ = t.Single(rel, func(b []byte) error {
		c, err := inspect.ParseCounters(b, 3)
		yes = c["oom_kill_disable"] == 1 && c["under_oom"] == 1
		return err
	})
	n, err := at.Number("memory.limit_in_bytes")
	if err != nil || n >= cgroup.UnlimitedV1 {
		n = 0
	}
	return uint64(max(n, 0)), yes
}

// overHigh reports whether a cgroup has more than its memory.high.
func overHigh(at cgroup.Place) (limit uint64, yes bool) {
	high, err1 := at.Number("memory.high") // "max" is none
	use, err2 := at.Number("memory.current")
	return uint64(max(high, 0)), err1 == nil && err2 == nil && use > high
}

// vfork finds the child whose program its parent waits for. It runs in the parent's memory, and has
// not called exec yet (kernel/fork.c, wait_for_vfork_done).
func (f *Finder) vfork(t *Task, w *Wait) {
	own := t.PID
	if t.TGID != 0 {
		own = t.TGID
	}
	for c := range f.tasks() {
		if c.PPID == own && c.Forked && !c.Kthread {
			w.Holders = append(w.Holders, c.PID)
		}
	}
	w.Sure = sure(len(w.Holders))
}

// child finds whether one that a parent waits for has ended already, and its tracer keeps it from the parent: a
// zombie that another process traces is visible to that one alone (kernel/exit.c, wait_consider_task). The tracer is
// taken for another process where it is one's main thread.
func (f *Finder) child(t *Task, w *Wait) {
	own := t.PID
	if t.TGID != 0 {
		own = t.TGID
	}
	if f.ended == nil {
		f.ended = map[int32][]int32{}
		for c := range f.tasks() {
			if c.State == 'Z' {
				f.ended[c.PPID] = append(f.ended[c.PPID], c.PID)
			}
		}
	}
	for _, pid := range f.ended[own] {
		if tracer := f.tracer(pid); tracer > 0 && tracer != own && mayWaitFor(t, pid) && f.process(tracer) {
			w.Holders, w.Sure = []int32{tracer}, Says
			w.Evidence = w.Evidence.Plus(inspect.Of(inspect.PIDStatus))
			return
		}
	}
}

// process reports whether there is one of that number.
func (f *Finder) process(pid int32) bool {
	for t := range f.tasks() {
		if t.PID == pid {
			return true
		}
	}
	return false
}

// tracer returns who traces a process, by its status; 0 for none, or where that can't be read.
func (f *Finder) tracer(pid int32) (out int32) {
	_ = f.host.Proc.With(strconv.Itoa(int(pid))+"/status", func(b []byte) error {
		for line := range inspect.Lines(b) {
			if rest, ok := strings.CutPrefix(string(line), "TracerPid:"); ok {
				out, _ = inspect.ParsePID(strings.TrimSpace(rest))
			}
		}
		return nil
	})
	return out
}

// mayWaitFor reports whether a wait call may be for that child: not where it names another (wait(2)).
func mayWaitFor(t *Task, pid int32) bool {
	const onePID = 1 // P_PID, of include/uapi/linux/wait.h
	switch a := t.Args; t.Call {
	case "wait4":
		return int32(a[0]) <= 0 || int32(a[0]) == pid
	case "waitid":
		return a[0] != onePID || int32(a[1]) == pid
	}
	return true
}

// sure is how certain that many are found by leaving out all others.
func sure(n int) Certainty {
	switch n {
	case 0:
		return Nobody
	case 1:
		return OnlyOne
	}
	return Candidates
}

// mounts lists what of a kind is mounted where a task sees it.
func (f *Finder) mounts(t *Task, kind string) (out []inspect.Mount) {
	_ = f.host.Proc.With(t.Dir+"/mountinfo", func(b []byte) error { // without it, none is known
		return inspect.ParseMountinfo(b, kind, func(m inspect.Mount) { out = append(out, m) })
	})
	return out
}

// mount finds the mount that a task waits for: the one that the file of its system call lies on,
// where its first argument is a descriptor of it, or the only one.
func (f *Finder) mount(t *Task, w *Wait, list []inspect.Mount) (dev uint64) {
	at := f.under(t, list)
	if at < 0 && len(list) == 1 {
		at = 0
	}
	if at < 0 {
		return 0
	}
	m := &list[at]
	w.Object, w.Sure = m.Point, OnlyOne
	if w.Kind == NFS {
		w.Object = m.Source + " at " + m.Point
	}
	w.Evidence = w.Evidence.Plus(inspect.Of(inspect.PIDMountinfo))
	return m.Dev
}

// under returns which mount the file of the first argument lies on; -1 if that is not known. The
// link of a descriptor names a path, and asks no file system.
func (f *Finder) under(t *Task, list []inspect.Mount) (best int) {
	best = -1
	if !TakesFile(t.Call) && !takesDir(t.Call) {
		return best
	}
	to, err := f.host.Proc.Readlink(t.Dir + "/fd/" + strconv.FormatUint(t.Args[0], 10))
	if err != nil {
		return best
	}
	for i := range list {
		if _, ok := cgroup.Below(to, list[i].Point); ok && (best < 0 || len(list[i].Point) >= len(list[best].Point)) {
			best = i
		}
	}
	return best
}

// server is a process that serves FUSE file systems.
type server struct {
	pid int32
	// connection is the number that the kernel gave it, which is the minor number of the device of its
	// files (fs/fuse/control.c, fuse_ctl_add_conn; fs/fuse/dev.c, fuse_dev_show_fdinfo, since 6.16);
	// Unset where its descriptor does not show that.
	connection inspect.Num
}

// fuse finds the mount that a task waits for, and who serves it.
func (f *Finder) fuse(t *Task, w *Wait) {
	list := f.mounts(t, "fuse")
	list = slices.DeleteFunc(list, func(m inspect.Mount) bool { return m.FSType == "fusectl" })
	dev := f.mount(t, w, list)
	if dev == 0 {
		dev = f.mount(t, w, slices.DeleteFunc(list, func(m inspect.Mount) bool { return !f.waitedFor(m.Dev) }))
	}
	var byKernel bool
	w.Holders, byKernel = f.serversOf(dev)
	if w.Sure = sure(len(w.Holders)); byKernel && w.Sure == OnlyOne {
		w.Sure = Says
	}
}

// ServersOf returns who serves a FUSE file system, by its device; where the kernel does not say who, all who
// serve any.
func (f *Finder) ServersOf(dev uint64) []int32 {
	pids, _ := f.serversOf(dev)
	return pids
}

// serversOf also says whether the kernel says so of one of them.
func (f *Finder) serversOf(dev uint64) (pids []int32, byKernel bool) {
	for _, s := range f.fuseServers() {
		switch {
		case s.connection == inspect.Unset:
			pids = append(pids, s.pid)
		case dev != 0 && uint64(s.connection) == uint64(unix.Minor(dev)):
			pids, byKernel = append(pids, s.pid), true
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids), byKernel
}

// waitedFor reports whether requests to a FUSE file system have no answer yet (fs/fuse/control.c,
// fuse_conn_waiting_read).
func (f *Finder) waitedFor(dev uint64) bool {
	n, err := f.host.Sys.Number("fs/fuse/connections/" + strconv.FormatUint(uint64(unix.Minor(dev)), 10) + "/waiting")
	return err == nil && n > 0
}

// fuseServers finds who has /dev/fuse open.
func (f *Finder) fuseServers() []server {
	if f.asked {
		return f.servers
	}
	f.asked = true
	for t := range f.tasks() {
		if t.Kthread {
			continue
		}
		names, err := f.host.Proc.Names(t.Dir + "/fd")
		if err != nil {
			continue // without them, others may still be found
		}
		for _, name := range names {
			if to, err := f.host.Proc.Readlink(t.Dir + "/fd/" + name); err == nil && to == "/dev/fuse" {
				f.servers = append(f.servers, server{t.PID, f.connection(t.Dir + "/fdinfo/" + name)})
			}
		}
	}
	return f.servers
}

func (f *Finder) connection(file string) inspect.Num {
	n := inspect.Unset
	_ = f.host.Proc.With(file, func(b []byte) error { // an older kernel does not say
		for line := range inspect.Lines(b) {
			if rest, ok := strings.CutPrefix(string(line), "fuse_connection:"); ok {
				n = inspect.ParseNum([]byte(strings.TrimSpace(rest)))
			}
		}
		return nil
	})
	return n
}
