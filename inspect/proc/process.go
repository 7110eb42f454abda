package proc

import (
	"strconv"
	"time"

	"kwhy/inspect"
	"kwhy/inspect/wait"
)

// Process is one process or thread, compact: there may be many thousand of them. It has
// no maps, and few pointers.
type Process struct {
	PID, PPID int32
	TGID      int32 // of a thread: the process that it belongs to; 0 for a process
	PGRP      int32 // process group
	Session   int32
	TTY       int32  // device number of its terminal; 0: none
	Flags     uint32 // PF_*
	Start     uint64 // clock ticks after boot
	Comm      string
	Cmdline   string // arguments separated by blanks
	ExitCode  int32
	Threads   int32
	Depth     int32 // below the topmost ancestor that is shown, in a tree
	Owner

	// What it does: its state, and where it waits.
	State      byte
	Wchan      string // the kernel function that it waits in; "0" or "" if none
	Call       Syscall
	StackStart uint64 // where its stack begins; 0 if unknown

	// How it is scheduled.
	CPU           int32 // that it last ran on; -1 if unknown
	Prio          int16 // stat's field 18: 20 + nice, or -1 - the real-time priority
	RTPrio        int16
	Nice          int8
	Policy        int8        // SCHED_*; -1 if unknown
	Frozen        bool        // its cgroup's freezer holds it
	AutogroupNice int8        // of its session
	Autogroup     int32       // the number of its session's; -1 without one
	Sched         *TaskSched  // from sched; nil if unread
	Voluntary     inspect.Num // context switches, of the main thread
	Forced        inspect.Num

	// The time that it had: clock ticks from stat, and from schedstat ns on a CPU, ns
	// ready for one, and how many turns it had.
	UTime, STime       uint64
	CUTime, CSTime     int64 // of children that were waited for; signed in the kernel, and below 0 where a clock went back
	Ran, Waited, Turns inspect.Num

	TaskMemory
	TaskFiles
	TaskCgroups

	got    [inspect.NumProcessSources]inspect.Reason // by Source.Slot
	lost   uint8                                     // the lines of status that are there and did not parse, or are behind its end
	stood  uint64                                    // the fields of stat that status gave in its place
	spoilt uint64                                    // the fields of stat that did not parse, a bit each by their numbers
	other  int32                                     // a thread that goes on where the main one has ended; -1: none was found
	Gone   bool                                      // it ended before its first file was read
	// Killed says that SIGKILL is pending for the task, by status.
	Killed bool
	// survived says that the main thread has ended and others go on, by status.
	survived bool
	cut      bool // status ends before its end
	late     bool // one of its files did not answer in time
}

// Owner is whose a process is, and who traces it, from status.
type Owner struct {
	UID     uint32 // effective
	RealUID uint32
	Tracer  int32 // PID
	// Privileged says that it has CAP_SYS_ADMIN or CAP_SYS_RESOURCE, in its user namespace.
	Privileged bool
}

// TaskMemory is the memory of a process. Sizes are in bytes.
type TaskMemory struct {
	VSize  uint64
	RSS    uint64 // pages, stat's field 24: on 6.2 and later off by what its CPUs have not added up yet
	Minflt uint64
	Majflt uint64

	VmRSS, RssAnon, RssFile, RssShmem, VmSwap inspect.Num // from status
	// PageTables is VmPTE of status, and before 4.15, where the kernel counts the levels
	// separately, VmPMD and VmPUD besides it.
	PageTables        inspect.Num
	Pss, Uss, SwapPss inspect.Num // from smaps_rollup

	OomScore    inspect.Num // as the kernel gives it
	OomScoreAdj int32
}

// TaskFiles is what a process has open, and what it read and wrote.
type TaskFiles struct {
	FDs        inspect.Num
	LowFDs     inspect.Num // those of them below the soft limit, which bounds their numbers; Unset where they were not counted
	MaxFDs     inspect.Num // soft limit
	MaxFDsHard inspect.Num
	MaxTasks   inspect.Num // soft limit of its user's tasks, Unset without one; Garbled if it was not read
	ReadBytes  inspect.Num // from io
	WriteBytes inspect.Num
}

// TaskCgroups is where a process is in the hierarchies of cgroups.
type TaskCgroups struct {
	Cgroup           string // path in the hierarchy that accounts memory
	CPUCgroup        string // path in the one that shares out CPUs
	CPUCgroupVersion int8   // of that one: 1 or 2; 0 if there is none
}

// PF_KTHREAD, include/linux/sched.h: the one sure mark of a kernel thread.
const pfKthread = 0x00200000

// Syscall is the system call that a task waits in.
type Syscall = wait.Syscall

// NoCall is the number of no system call.
const NoCall = wait.NoCall

// Spoilt reports whether stat was read and one of its fields, by their numbers in
// proc_pid_stat(5), did not parse or is not there: what is made of it is absent, and the rest
// of the file is there.
func (p *Process) Spoilt(fields uint64) bool { return p.spoilt&fields != 0 }

// Stood reports whether status gave all these fields of stat, which itself did not: the name of
// a process, its state, its parent, its threads and the size of its address space.
func (p *Process) Stood(fields uint64) bool {
	return fields != 0 && fields&^p.stood == 0 && p.Why(inspect.PIDStatus) == inspect.Present
}

// Told says why fields of stat are not known, of stat or of status; or Present.
func (p *Process) Told(fields uint64) inspect.Reason {
	why := p.Why(inspect.PIDStat)
	switch {
	case p.Stood(fields):
		return inspect.Present
	case why == inspect.Present && p.Spoilt(fields):
		return inspect.Malformed
	}
	return why
}

// StatFields are fields of stat as Spoilt takes them.
func StatFields(numbers ...int) (fields uint64) {
	for _, n := range numbers {
		fields |= 1 << n
	}
	return fields
}

// Lost reports whether a line of status that is there did not parse, or the file ends before it.
func (p *Process) Lost(line string) bool { return p.lost != 0 && p.lost&lineBit(line) != 0 }

// Kthread reports whether p is a kernel thread.
func (p *Process) Kthread() bool { return p.Flags&pfKthread != 0 }

// MainEnded reports whether the main thread of p has ended and others go on: then p
// shows as Z, and is no zombie, for nobody can wait for it yet (kernel/exit.c,
// delay_group_leader).
func (p *Process) MainEnded() bool {
	return p.TGID == 0 && (p.State == 'Z' && p.Threads > 1 || p.State == 0 && p.survived)
}

// OfDeadline reports whether p is under SCHED_DEADLINE (include/uapi/linux/sched.h).
func (p *Process) OfDeadline() bool { return p.Policy == 6 }

// Zombie reports whether p has ended and its parent has not asked how.
func (p *Process) Zombie() bool { return p.State == 'Z' && !p.MainEnded() }

// GoesOn reports whether a later sample is of the same process as p, and p did not end between the two.
func (p *Process) GoesOn(later *Process) bool {
	return p.Start == later.Start && (p.Over() || !later.Over() || later.Outlived())
}

// Outlived reports whether p has ended and other threads of its process go on: it is the process, or its
// main thread among the threads.
func (p *Process) Outlived() bool {
	return p.MainEnded() || p.State == 'Z' && p.TGID == p.PID && p.Threads > 1
}

// Over reports whether nothing of p goes on: it is a zombie, or about to be gone.
func (p *Process) Over() bool { return p.Zombie() || p.State == 'X' }

// Home returns the directory below /proc that has what goes with p: its own, or, where its main thread
// has ended, that of a thread that goes on. A thread has one of its own beside those of processes, though
// it is not listed (fs/proc/base.c, proc_pid_lookup); in a copy it is below the process's.
func (p *Process) Home(h *inspect.Host) string {
	switch {
	case p.other <= 0:
		return p.Dir()
	case h.Live:
		return strconv.Itoa(int(p.other))
	}
	return (&Process{PID: p.other, TGID: p.PID}).Dir()
}

// Why says what became of one of a process's sources: Unread until it is read. Its entry in
// /proc is what it was found by.
func (p *Process) Why(s inspect.Source) inspect.Reason {
	if s == inspect.PIDEntry {
		return inspect.Present
	}
	return p.got[s.Slot()]
}

// Born returns when it was started; the zero time where that is not known.
func (p *Process) Born(h *inspect.Host) time.Time {
	if p.Told(StatFields(22)) != inspect.Present {
		return time.Time{}
	}
	return h.Born(p.Start)
}

func (p *Process) note(s inspect.Source, why inspect.Reason) { p.got[s.Slot()] = why }

// NewProcess returns a process with nothing read yet.
func NewProcess(pid int32) Process {
	p := Process{
		PID: pid, CPU: -1, Policy: -1, Autogroup: -1, Call: Syscall{Number: NoCall},
		Voluntary: inspect.Unset, Forced: inspect.Unset,
		Ran: inspect.Unset, Waited: inspect.Unset, Turns: inspect.Unset,
		TaskMemory: unsetMemory(), TaskFiles: unsetFiles(),
	}
	for i := range p.got {
		p.got[i] = inspect.Unread
	}
	return p
}

func unsetMemory() TaskMemory {
	return TaskMemory{
		VmRSS: inspect.Unset, RssAnon: inspect.Unset, RssFile: inspect.Unset, RssShmem: inspect.Unset,
		VmSwap: inspect.Unset, PageTables: inspect.Unset,
		Pss: inspect.Unset, Uss: inspect.Unset, SwapPss: inspect.Unset, OomScore: inspect.Unset,
	}
}

func unsetFiles() TaskFiles {
	return TaskFiles{
		FDs: inspect.Unset, LowFDs: inspect.Unset, MaxFDs: inspect.Unset, MaxFDsHard: inspect.Unset, MaxTasks: inspect.Garbled,
		ReadBytes: inspect.Unset, WriteBytes: inspect.Unset,
	}
}
