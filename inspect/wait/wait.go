package wait

import (
	"strings"

	"kwhy/inspect"
)

// Kind is what kind of thing a task waits for.
type Kind uint8

// The kinds. Unknown is a wait of which neither the system call nor the kernel function tells.
const (
	Unknown Kind = iota

	CPU        // runnable: it runs, or waits for a CPU
	Stopped    // by a signal, until SIGCONT: its holder is the shell that has it as a job
	Traced     // by its tracer, which is its holder
	Frozen     // with its cgroup, or for suspend
	Ended      // it waits for its parent, or is gone
	Idle       // a kernel thread without work
	Futex      // another thread: a lock or a condition
	MmapLock   // the lock of its address space
	DirLock    // the lock of a directory
	KernelLock // some lock in the kernel
	FileLock   // flock, a lock of fcntl, a lease
	Semaphore  // of System V
	NFS        // a server of NFS
	FUSE       // a file system that a process serves
	FUSELock   // the lock of a directory there, which another request holds
	Fanotify   // the answer of a process that watches access
	Journal    // a file system's journal
	Disk       // a block device
	DiskPage   // a page from one
	DiskBlock  // a block from one
	Dirty      // writeback, by balance_dirty_pages
	Writeback  // its own writes to reach the disk
	AIO        // I/O that it submitted
	Reclaim    // memory, in direct reclaim
	MemoryHigh // its cgroup to come below memory.high
	MemoryOOM  // its cgroup, whose OOM killer is disabled
	Child      // a child to end
	Vfork      // a child of vfork to run a program or end
	PipeData
	PipeRoom
	UnixData
	SocketData
	SocketRoom
	Accept
	Connect
	Terminal
	Request // to serve
	Events  // on any of its files
	Signal
	Timer // it sleeps by choice
)

// Interruptible reports whether any signal ends such a wait: a task in D that seems to be in one went on
// between two reads, of its state and of where it waits.
func (k Kind) Interruptible() bool {
	switch k {
	case Futex, FileLock, Semaphore, Child, PipeData, PipeRoom, UnixData, SocketData, SocketRoom, Accept, Connect, Terminal,
		Events, Signal, Timer:
		return true
	}
	return false
}

// Certainty is how sure it is whom a task waits for.
type Certainty uint8

// How sure. Nobody: it is not known who.
const (
	Nobody     Certainty = iota
	Candidates           // one of these
	OnlyOne              // by elimination: nobody else could
	Says                 // the kernel says so
)

// Wait is an edge: a task waits for a thing, which others hold.
type Wait struct {
	Kind Kind
	// Fatal says that a fatal signal such as SIGKILL ends it, of one in D (TASK_KILLABLE). Of others
	// that is not known.
	Fatal bool

	Object  string  // the name of the thing: a cgroup, a mount, a file; "" if it is not known
	Holders []int32 // processes that could end it
	// Frozen names, of one that is frozen with its cgroup, those that were told to freeze, its own and those
	// above it: all of them have to be thawed.
	Frozen []string
	Sure   Certainty

	Limit uint64 // of a cgroup: the bound that it is at, in bytes; 0 if unknown
	// Signal is what stopped it, of one that is stopped: StopSignal and those behind it; 0 if unknown.
	Signal int32
	// Jobless says of one that is stopped that no shell has it as a job: its process group is orphaned
	// (kernel/exit.c, will_become_orphaned_pgrp).
	Jobless  inspect.Answer
	Evidence inspect.Sources // files that say so
}

// The signals that stop, as amd64, arm64 and most other machines number them (include/uapi/asm-generic/
// signal.h); MIPS, SPARC, Alpha and PA-RISC have others.
const (
	StopSignal = 19 + iota // SIGSTOP
	StopTyped              // SIGTSTP
	StopRead               // SIGTTIN
	StopWrite              // SIGTTOU
)

// Task is a task as its own files show it.
type Task struct {
	PID, TGID, PPID int32  // TGID: of a thread, its process; 0 of a process
	Dir             string // in /proc
	State           byte
	Forked          bool // it has run no program since it was forked (PF_FORKNOEXEC)
	Kthread         bool
	Frozen          bool   // by its cgroup's freezer
	Call            string // the name of the system call; "" if it is not known
	Args            [6]uint64
	Where           string // the kernel function; "" if it is not known
	PGRP, Session   int32  // its process group and session
	TTY             int32  // the device of its session's terminal; 0: none
	Tracer          int32  // the process that traces it; 0: none, or it is not known
	ExitCode        int32  // of stat: of one that is stopped the signal, until its parent has waited for the stop
}

// Of returns what a task waits for, as far as its own files show it: its state, the system call and
// the kernel function.
func Of(t *Task) Wait {
	w := Wait{Evidence: inspect.Of(inspect.PIDStat)}
	switch {
	case t.Frozen, Freezer(t.Where):
		w.Kind = Frozen
	case t.State == 'R':
		w.Kind = CPU
	case t.State == 'T':
		w.Kind = Stopped
	case t.State == 't':
		w.Kind = Traced
	case t.State == 'Z', t.State == 'X':
		w.Kind = Ended
	case t.State == 'I', t.State == 'P':
		w.Kind = Idle
	default:
		w.Kind, w.Fatal, w.Evidence = Sleeping(t.State, t.Call, t.Where)
	}
	return w
}

// Freezer reports whether a kernel function is where frozen tasks sleep: the freezer's
// before 6.1, and that of cgroup version 2, whose do_freezer_trap is part of get_signal
// (kernel/signal.c). Since 6.1 a task that can be frozen where it sleeps stays there.
func Freezer(where string) bool {
	return strings.Contains(where, "refrigerator") || strings.Contains(where, "freezer") || where == "get_signal"
}

// Sleeping says what a wait in S or D is for, by the call and by where in the kernel, and which
// file says so.
func Sleeping(state byte, call, where string) (k Kind, fatal bool, by inspect.Sources) {
	wchan := inspect.Of(inspect.PIDStat, inspect.PIDWchan)
	if state == 'D' {
		for _, l := range locks() {
			if strings.Contains(where, l.part) {
				return l.kind, l.fatal, wchan
			}
		}
	}
	for _, l := range places() {
		if strings.Contains(where, l.part) {
			return l.kind, l.fatal, wchan
		}
	}
	k = byCall(call)
	return k, k == Vfork, inspect.Of(inspect.PIDStat, inspect.PIDSyscall)
}
