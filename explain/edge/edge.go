// Package edge says what a task waits for, and in what kind of wait that is, for all topics: the
// facts are those of inspect/wait.
package edge

import (
	"strconv"

	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/wait"
)

// Groups of waits, as a sample sums them up.
const (
	OnCPU   = "cpu"
	Lock    = "lock"
	Disk    = "disk"
	Network = "network"
	Child   = "child"
	Local   = "ipc"
	Events  = "events"
	Choice  = "choice"
	Memory  = "memory"
	Halted  = "stopped"
	Ended   = "ended"
	Unknown = "other"
)

// kind is how a kind of wait is told.
type kind struct {
	group string
	what  string // what follows "waits for"
}

func of(k wait.Kind) kind {
	const another = "another thread: a lock or a condition"
	switch k {
	case wait.CPU:
		return kind{OnCPU, ""}
	case wait.Stopped, wait.Traced, wait.Frozen:
		return kind{Halted, ""}
	case wait.Ended:
		return kind{Ended, ""}
	case wait.Futex:
		return kind{Lock, another}
	case wait.MmapLock:
		return kind{Lock, "the lock of its address space (mmap_lock), held by another task"}
	case wait.DirLock:
		return kind{Lock, "the lock of a directory, held by another task"}
	case wait.KernelLock:
		return kind{Lock, "a lock in the kernel"}
	case wait.FileLock:
		return kind{Lock, "a lock on a file"}
	case wait.Semaphore:
		return kind{Lock, "a semaphore"}
	case wait.MemoryHigh:
		return kind{Memory, "its cgroup's memory to get below memory.high"}
	case wait.MemoryOOM:
		return kind{Memory, "memory in its cgroup, which is at its limit"}
	case wait.Reclaim:
		return kind{Memory, "memory to be reclaimed"}
	case wait.Child:
		return kind{Child, "a child to end"}
	case wait.Vfork:
		return kind{Child, "its child from vfork"}
	case wait.Events:
		return kind{Events, "an event on its files"}
	case wait.Terminal:
		return kind{Events, "input on its terminal"}
	case wait.Request:
		return kind{Events, "a request to serve"}
	case wait.Signal:
		return kind{Choice, "a signal"}
	case wait.Timer:
		return kind{Choice, "a timeout that it chose"}
	}
	if told, ok := ofFiles(k); ok {
		return told
	}
	return kind{Unknown, ""}
}

// ofFiles are waits for what is behind a file: a disk, a server, a peer.
func ofFiles(k wait.Kind) (kind, bool) {
	switch k {
	case wait.NFS:
		return kind{Disk, "an NFS server"}, true
	case wait.FUSE:
		return kind{Disk, "the process that serves a FUSE file system"}, true
	case wait.FUSELock:
		return kind{Disk, "the lock of a directory of a FUSE file system, which another request to it holds"}, true
	case wait.Fanotify:
		return kind{Local, "the answer of a process that watches access by fanotify"}, true
	case wait.Journal:
		return kind{Disk, "the file system's journal"}, true
	case wait.Disk:
		return kind{Disk, "a disk"}, true
	case wait.DiskPage:
		return kind{Disk, "a page from a disk"}, true
	case wait.DiskBlock:
		return kind{Disk, "a block from a disk"}, true
	case wait.Dirty:
		return kind{Disk, "dirty pages to be written back"}, true
	case wait.Writeback:
		return kind{Disk, "its writes to reach the disk"}, true
	case wait.AIO:
		return kind{Disk, "I/O that it submitted"}, true
	case wait.PipeData:
		return kind{Local, "data in a pipe"}, true
	case wait.PipeRoom:
		return kind{Local, "room in a pipe"}, true
	case wait.UnixData:
		return kind{Local, "data on a local socket"}, true
	case wait.SocketData:
		return kind{Network, "data on a socket"}, true
	case wait.SocketRoom:
		return kind{Network, "room in a socket's buffer"}, true
	case wait.Accept:
		return kind{Network, "a connection"}, true
	case wait.Connect:
		return kind{Network, "its connection to be established"}, true
	}
	return kind{}, false
}

// Group returns the group of a kind of wait.
func Group(k wait.Kind) string { return of(k).group }

// OfDisk reports whether a wait is for a block device or what lies on one, which healthy I/O has too.
func OfDisk(k wait.Kind) bool {
	switch k {
	case wait.Disk, wait.DiskPage, wait.DiskBlock, wait.Journal, wait.Dirty, wait.Writeback, wait.AIO:
		return true
	}
	return false
}

// AppendWhat appends what follows "waits for", with the name of the thing and of who could end the
// wait where these are known; nothing where not even the kind is. named writes a process.
func AppendWhat(b []byte, w wait.Wait, named func([]byte, int32) []byte) []byte {
	what := of(w.Kind).what
	switch {
	case what == "":
		return b
	case w.Kind == wait.Child && len(w.Holders) > 0:
		return append(AppendHolders(append(b, "a child that has ended: "...), w, named), ", which traces it, has to wait for it first"...)
	case w.Object == "":
		if b = append(b, what...); len(w.Holders) > 0 {
			b = AppendHolders(append(b, ": "...), w, named)
		}
		return b
	}
	switch w.Kind {
	case wait.MemoryHigh:
		b = append(append(append(b, "the memory of cgroup "...), w.Object...), " to get below memory.high"...)
		return appendLimit(b, ", ", w.Limit)
	case wait.MemoryOOM:
		if b = append(b, "memory"...); w.Sure == wait.Candidates {
			b = append(b, ", most likely"...)
		}
		b = append(append(append(b, ": cgroup "...), w.Object...), " is at its limit"...)
		b = appendLimit(b, " of ", w.Limit)
		return append(b, ", and its OOM killer is disabled (oom_kill_disable)"...)
	case wait.NFS:
		b = append(append(b, "the NFS server of "...), w.Object...)
	case wait.FUSELock:
		b = append(append(b, "the lock of a directory of the FUSE file system at "...), w.Object...)
		if b = append(b, ", which another request to it holds"...); len(w.Holders) > 0 {
			b = AppendHolders(append(b, "; who serves it: "...), w, named)
		}
		return b
	case wait.FUSE:
		where := append([]byte("the FUSE file system at "), w.Object...)
		if len(w.Holders) == 0 {
			return append(append(b, "who serves "...), where...)
		}
		return append(append(AppendHolders(b, w, named), ", which serves "...), where...)
	default:
		b = append(append(append(b, what...), ": "...), w.Object...)
	}
	if len(w.Holders) > 0 {
		b = AppendHolders(append(b, ": "...), w, named)
	}
	return b
}

// AppendStop appends how a task is stopped, by a signal or by its tracer, for how long (nothing where long
// is empty), and who could continue it. told says that its status was read, which names its tracer.
func AppendStop(b []byte, w wait.Wait, long string, told bool, named func([]byte, int32) []byte) []byte {
	b = append(b, "stopped"...)
	if w.Kind == wait.Traced {
		switch b = append(b, " by its tracer"...); {
		case len(w.Holders) > 0:
			b = AppendHolders(append(b, ' '), w, named)
		case told:
			b = append(b, ", which is outside this PID namespace"...)
		}
		if long == "" {
			return b
		}
		return append(append(b, ", for "...), long...)
	}
	switch w.Signal {
	case wait.StopSignal:
		b = append(b, " by SIGSTOP"...)
	case wait.StopTyped:
		b = append(b, " by SIGTSTP, Ctrl-Z in a shell"...)
	case wait.StopRead:
		b = append(b, " by SIGTTIN: it read its terminal from the background"...)
	case wait.StopWrite:
		b = append(b, " by SIGTTOU: it wrote to its terminal, or set it, from the background"...)
	default:
		b = append(b, " by a signal"...)
	}
	if long != "" {
		b = append(append(b, ", for "...), long...)
	}
	if b = append(b, "; SIGCONT continues it"...); len(w.Holders) > 0 {
		return AppendHolders(append(b, ", and so does fg in its shell, "...), w, named)
	}
	return append(b, inspect.Choose(w.Jobless, "; no shell has it as a job", "", "")...)
}

func appendLimit(b []byte, before string, n uint64) []byte {
	if n == 0 {
		return b
	}
	return units.AppendBytes(append(b, before...), n)
}

// few is how many of the candidates are named.
const few = 3

// AppendHolders appends the names of those who could end a wait: the first few of them.
func AppendHolders(b []byte, w wait.Wait, named func([]byte, int32) []byte) []byte {
	if w.Sure == wait.Candidates && len(w.Holders) > 1 {
		b = append(b, "one of "...)
	}
	for i, pid := range w.Holders[:min(len(w.Holders), few)] {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = named(b, pid)
	}
	if more := len(w.Holders) - few; more > 0 {
		b = append(strconv.AppendInt(append(b, " and "...), int64(more), 10), " more"...)
	}
	return b
}
