package proc

import "kwhy/inspect"

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
	Tracer     int32       // PID of who traces it, from status
	Voluntary  inspect.Num // context switches, of the main thread
	Forced     inspect.Num
	Wchan      string // the kernel function that it waits in; "0" or "" if none
	Call       Syscall
	Depth      int32 // below the topmost ancestor that is shown, in a tree
	FDs        inspect.Num
	MaxFDs     inspect.Num // soft limit
	MaxFDsHard inspect.Num
	ReadBytes  inspect.Num // from io
	WriteBytes inspect.Num
	// From status, in bytes. PageTables is VmPTE, and before 4.15, where the
	// kernel counts the levels apart, VmPMD and VmPUD beside it.
	VmRSS, RssAnon, RssFile, RssShmem, VmSwap, PageTables inspect.Num
	OomScore                                              inspect.Num // as the kernel gives it
	OomScoreAdj                                           int32
	Cgroup                                                string // path in the hierarchy that accounts memory
	CPUCgroup                                             string // path in the one that shares out CPUs
	CPUCgroupVersion                                      int8   // of that one: 1 or 2; 0 if there is none
	// From schedstat: ns on a CPU, ns ready for one, and how many turns it had.
	Ran, Waited, Turns inspect.Num
	Sched              *TaskSched // from sched; nil if unread
	Autogroup          int32      // the number of its session's; -1 without one
	AutogroupNice      int8
	// From smaps_rollup, in bytes.
	Pss, Uss, SwapPss inspect.Num

	got    [inspect.NumProcessSources]inspect.Reason // by Source.Slot
	Frozen bool                                      // its cgroup's freezer holds it

	other int32 // a thread that goes on where the main one has ended; -1: none was found
	Gone  bool  // it ended before its first file was read
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

// Why says what became of one of a process's sources: Unread until it is read.
func (p *Process) Why(s inspect.Source) inspect.Reason { return p.got[s.Slot()] }

func (p *Process) note(s inspect.Source, why inspect.Reason) { p.got[s.Slot()] = why }

// NewProcess returns a process of which nothing was read.
func NewProcess(pid int32) Process {
	p := Process{PID: pid, CPU: -1, Policy: -1, Voluntary: inspect.Unset, Forced: inspect.Unset, FDs: inspect.Unset, MaxFDs: inspect.Unset, MaxFDsHard: inspect.Unset, ReadBytes: inspect.Unset, WriteBytes: inspect.Unset, Call: Syscall{Number: NoCall}, VmRSS: inspect.Unset, RssAnon: inspect.Unset, RssFile: inspect.Unset, RssShmem: inspect.Unset, VmSwap: inspect.Unset, PageTables: inspect.Unset, OomScore: inspect.Unset, Pss: inspect.Unset, Uss: inspect.Unset, SwapPss: inspect.Unset, Ran: inspect.Unset, Waited: inspect.Unset, Turns: inspect.Unset, Autogroup: -1}
	for i := range p.got {
		p.got[i] = inspect.Unread
	}
	return p
}
