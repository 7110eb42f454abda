package inspect

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Num is a number that a kernel may not have: negative where it is not there.
type Num int64

// Unset is a Num without a value.
const Unset Num = -1

// pidSources is how many sources one process can have.
const pidSources = int(nSources - PIDStat)

// Process is one process, compact: no maps, and no pointers but its two texts.
type Process struct {
	PID, PPID  int32
	TGID       int32 // of a thread: the process that it belongs to; 0 for a process
	PGRP       int32 // process group
	Session    int32
	TTY        int32 // device number of its terminal; 0: none
	State      byte
	Flags      uint32 // PF_*
	Comm       string
	Cmdline    string // arguments separated by blanks
	Start      uint64 // clock ticks after boot
	RSS        uint64 // pages, stat's field 24: on 6.2 and later off by what its CPUs have not added up yet
	Minflt     uint64
	Majflt     uint64
	UTime      uint64 // clock ticks
	STime      uint64
	CUTime     uint64 // of children that were waited for
	CSTime     uint64
	Nice       int8
	Prio       int16 // stat's field 18: 20 + nice, or -1 - the real-time priority
	Threads    int32
	VSize      uint64 // bytes
	CPU        int32  // that it last ran on; -1 if unknown
	RTPrio     int16
	Policy     int8 // SCHED_*; -1 if unknown
	ExitCode   int32
	StackStart uint64 // where its stack begins; 0 if unknown
	UID        uint32 // effective, from status
	RealUID    uint32
	Tracer     int32 // PID of who traces it, from status
	Voluntary  Num   // context switches, of the main thread
	Forced     Num
	Wchan      string // the kernel function that it waits in; "0" or "" if none
	Call       Syscall
	Depth      int32 // below the topmost ancestor that is shown, in a tree
	FDs        Num
	MaxFDs     Num // soft limit
	MaxFDsHard Num
	ReadBytes  Num // from io
	WriteBytes Num
	// From status, in bytes. PageTables is VmPTE, and before 4.15, where the
	// kernel counts the levels apart, VmPMD and VmPUD beside it.
	VmRSS, RssAnon, RssFile, RssShmem, VmSwap, PageTables Num
	OomScore                                              Num // as the kernel gives it
	OomScoreAdj                                           int32
	Cgroup                                                string // path in the hierarchy that accounts memory
	CPUCgroup                                             string // path in the one that shares out CPUs
	CPUCgroupVersion                                      int8   // of that one: 1 or 2; 0 if there is none
	// From schedstat: ns on a CPU, ns ready for one, and how many turns it had.
	Ran, Waited, Turns Num
	Sched              *TaskSched // from sched; nil if unread
	Autogroup          int32      // the number of its session's; -1 without one
	AutogroupNice      int8
	// From smaps_rollup, in bytes.
	Pss, Uss, SwapPss Num

	got    [pidSources]Reason
	Frozen bool // its cgroup's freezer holds it

	other int32 // a thread that goes on where the main one has ended; -1: none was found
	gone  bool  // it ended before its first file was read
	late  bool  // one of its files did not answer in time
}

// PF_KTHREAD, include/linux/sched.h: the one sure mark of a kernel thread.
const pfKthread = 0x00200000

// Syscall is the system call that a task waits in, from /proc/PID/syscall.
type Syscall struct {
	Number  int64 // NoCall where it runs, or waits outside of one
	Args    [6]uint64
	Running bool
	Compat  bool // of a 32-bit program on a 64-bit kernel, where numbers mean other calls
}

// NoCall is the number of no system call.
const NoCall int64 = -1

// Kthread tells whether p is a kernel thread.
func (p *Process) Kthread() bool { return p.Flags&pfKthread != 0 }

// MainEnded tells whether the main thread of p has ended and others go on: then p
// shows as Z, and is no zombie, for nobody can wait for it yet (kernel/exit.c,
// delay_group_leader).
func (p *Process) MainEnded() bool { return p.State == 'Z' && p.Threads > 1 && p.TGID == 0 }

// Zombie tells whether p has ended and its parent has not asked how.
func (p *Process) Zombie() bool { return p.State == 'Z' && !p.MainEnded() }

// ProcHost is what the rows of one scan share.
type ProcHost struct {
	Host *Host
	At   time.Time
	Self int32 // kwhy's own PID in that tree; 0 if unknown
	OOM  OOMScale
	// Uptime is how long the host has been up, in seconds; 0 if unknown.
	Uptime float64
	Users  Userland
	TTYs   map[int32]string // names of terminals, below /dev, by number
	// Throttled are bounds on the CPU time of those that want some, by PID.
	Throttled map[int32]Throttle
	// Hidden tells whether this /proc does not show the processes of others to
	// this reader.
	Hidden bool

	// Whole tells that this /proc shows the host's own PID namespace, Inside that it
	// shows one below; where neither is to be seen, neither is set.
	Whole, Inside bool
	// Tracers are the processes of those tracers that are no main threads, by TID.
	Tracers map[int32]int32

	mounts []mount
	quotas map[string]Throttle // by cgroup
	frozen map[string]bool     // by cgroup
	All    *Procs
	Was    *ProcHost
}

// Proc is one process in its context: a view of three words, never stored.
type Proc struct {
	Host *ProcHost
	P    *Process
	Was  *Process // the same process an interval ago, or nil
}

// Missing says why a source of this process gave nothing.
func (p Proc) Missing(s Source) Reason {
	if s < PIDStat {
		return Present
	}
	return p.P.got[s-PIDStat]
}

// Before returns the same process an interval ago.
func (p Proc) Before() (Proc, time.Duration, bool) {
	if p.Was == nil || p.Host.Was == nil {
		return Proc{}, 0, false
	}
	return Proc{Host: p.Host.Was, P: p.Was}, p.Host.At.Sub(p.Host.Was.At), true
}

// Kernel returns the kernel that was read.
func (p Proc) Kernel() Version { return p.Host.Host.Kernel }

// Gaps lists what the process did not give.
func (p Proc) Gaps() (out []Gap) {
	for s := PIDStat; s < nSources; s++ {
		if r := p.P.got[s-PIDStat]; r.IsGap() && r != Unread {
			out = append(out, Gap{s, r, 1, 1})
		}
	}
	return out
}

// Procs is one scan of all processes.
type Procs struct {
	Host ProcHost
	Rows []Process
	// FillTook is how long Fill took: the kernel walks page tables for some.
	FillTook time.Duration

	prev  *Procs
	pairs []int32 // for each row its index in prev, or -1
}

// Len returns the number of processes.
func (ps *Procs) Len() int { return len(ps.Rows) }

// At returns row i in its context.
func (ps *Procs) At(i int) Proc {
	v := Proc{Host: &ps.Host, P: &ps.Rows[i]}
	if ps.prev != nil && ps.pairs[i] >= 0 {
		v.Was = &ps.prev.Rows[ps.pairs[i]]
	}
	return v
}

// Since pairs the rows with those of an earlier scan, by PID and start time:
// a number may have been given to another process meanwhile.
func (ps *Procs) Since(prev *Procs) {
	ps.prev, ps.Host.Was = prev, &prev.Host
	ps.pairs = make([]int32, len(ps.Rows))
	for i := range ps.Rows {
		p := &ps.Rows[i]
		j, ok := slices.BinarySearchFunc(prev.Rows, p.PID, func(q Process, pid int32) int { return cmp.Compare(q.PID, pid) })
		if ps.pairs[i] = int32(j); !ok || prev.Rows[j].Start != p.Start {
			ps.pairs[i] = -1
		}
	}
}

// Alone undoes Since.
func (ps *Procs) Alone() { ps.prev, ps.pairs, ps.Host.Was = nil, nil, nil }

// Procs reads the wanted sources of every process. Those that end meanwhile
// are left out.
func (h *Host) Procs(want Sources) (*Procs, error) {
	names, err := h.proc.names(".")
	if err != nil {
		return nil, err
	}
	rows := make([]Process, 0, len(names))
	for _, name := range names {
		if pid, ok := parsePID(name); ok {
			rows = append(rows, newProcess(pid))
		}
	}
	ps := h.scan(rows, want)
	ps.Host.Hidden = ps.hidden()
	return ps, nil
}

// scan reads the wanted sources of rows, and leaves out those that are gone.
func (h *Host) scan(rows []Process, want Sources) *Procs {
	ps := &Procs{Host: ProcHost{Host: h, At: h.now(), Self: h.Self(), Uptime: h.uptime()}, Rows: rows}
	ps.Host.All = ps
	if whole, known := h.InitialPIDNamespace(); known {
		ps.Host.Whole, ps.Host.Inside = whole, !whole
	}
	slices.SortFunc(ps.Rows, func(a, b Process) int { return cmp.Compare(a.PID, b.PID) })
	h.eachChunk(len(ps.Rows), func(r *pidReader, i int) { r.fill(&ps.Rows[i], want) })
	ps.Rows = slices.DeleteFunc(ps.Rows, func(p Process) bool { return p.gone })
	return ps
}

// Threads reads the wanted sources of every thread of the host, or of one process
// if pid is not 0.
func (h *Host) Threads(pid int32, want Sources) (*Procs, error) {
	names := []string{strconv.Itoa(int(pid))}
	if pid == 0 {
		var err error
		if names, err = h.proc.names("."); err != nil {
			return nil, err
		}
	}
	var rows []Process
	for _, name := range names {
		tgid, ok := parsePID(name)
		if !ok {
			continue
		}
		tids, err := h.proc.names(name + "/task")
		if err != nil {
			continue // it has ended
		}
		for _, name := range tids {
			if tid, ok := parsePID(name); ok {
				p := newProcess(tid)
				p.TGID = tgid
				rows = append(rows, p)
			}
		}
	}
	ps := h.scan(rows, want)
	ps.Host.Hidden = pid == 0 && ps.hidden()
	return ps, nil
}

// Fill reads further sources of some rows, and returns those of them that are
// still there.
func (ps *Procs) Fill(rows []int32, want Sources) []int32 {
	start := time.Now()
	defer func() { ps.FillTook += time.Since(start) }()
	ps.Host.Host.eachChunk(len(rows), func(r *pidReader, i int) { r.fill(&ps.Rows[rows[i]], want) })
	return slices.DeleteFunc(slices.Clone(rows), func(i int32) bool { return ps.Rows[i].gone })
}

// settleTries is how often Settle reads a row anew.
const settleTries = 2

// Settle reads the wanted sources of a row anew, one right after the other, as
// long as settled finds that they don't fit together: a process moves between
// two reads.
func (ps *Procs) Settle(rows []int32, want Sources, settled func(Proc) bool) {
	ps.Host.Host.eachChunk(len(rows), func(r *pidReader, i int) {
		p := &ps.Rows[rows[i]]
		for n := 0; n < settleTries && !p.gone && !settled(ps.At(int(rows[i]))); n++ {
			p.forget(want)
			r.fill(p, want)
		}
	})
}

func (p *Process) forget(want Sources) {
	for s := PIDStat; s < nSources; s++ {
		if want.Has(s) {
			p.got[s-PIDStat] = Unread
		}
	}
}

// Gaps counts what the given rows did not give.
func (ps *Procs) Gaps(rows []int32) (out []Gap) {
	if ps.Host.Hidden {
		out = append(out, Gap{PIDEntry, Denied, 1, 1})
	}
	for s := PIDStat; s < nSources; s++ {
		var n [nReasons]int
		for _, i := range rows {
			n[ps.Rows[i].got[s-PIDStat]]++
		}
		for r := Present; r < nReasons; r++ {
			if n[r] > 0 && r.IsGap() && r != Unread {
				out = append(out, Gap{s, r, n[r], len(rows)})
			}
		}
	}
	return out
}

func newProcess(pid int32) Process {
	p := Process{PID: pid, CPU: -1, Policy: -1, Voluntary: Unset, Forced: Unset, FDs: Unset, MaxFDs: Unset, MaxFDsHard: Unset, ReadBytes: Unset, WriteBytes: Unset, Call: Syscall{Number: NoCall}, VmRSS: Unset, RssAnon: Unset, RssFile: Unset, RssShmem: Unset, VmSwap: Unset, PageTables: Unset, OomScore: Unset, Pss: Unset, Uss: Unset, SwapPss: Unset, Ran: Unset, Waited: Unset, Turns: Unset, Autogroup: -1}
	for i := range p.got {
		p.got[i] = Unread
	}
	return p
}

func parsePID(name string) (int32, bool) {
	if name == "" || name[0] < '1' || name[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(name, 10, 32)
	return int32(n), err == nil
}

// Self returns kwhy's own PID as the tree has it: a mounted /proc may be
// another PID namespace's.
func (h *Host) Self() int32 {
	var pid int32
	_ = h.proc.single("self/stat", func(b []byte) error {
		field, _ := cutField(b)
		pid, _ = parsePID(string(field))
		return nil
	})
	return pid
}
