package proc

import (
	"iter"
	"strings"
)

// Kinds of waiting, as a sample sums them up.
const (
	onCPU   = "cpu"
	lock    = "lock"
	disk    = "disk"
	network = "network"
	child   = "child"
	local   = "ipc"
	events  = "events"
	choice  = "choice"
	memory  = "memory"
	halted  = "stopped"
	ended   = "ended"
	unknown = "other"
	unseen  = "unseen"
)

// wait is what a wait is for: its kind and what follows "waits for".
type wait struct {
	kind, what string
	kill       bool // in D: SIGKILL ends it
}

// waitsFor says what a wait is for, by the call and by where in the kernel; the
// words are empty where neither tells.
func waitsFor(state byte, call, where string) wait {
	if state == 'D' {
		if w, ok := kernelLock(where); ok {
			return w
		}
	}
	for part, w := range places() {
		if strings.Contains(where, part) {
			return w
		}
	}
	return byCall(call)
}

// kernelLock names the locks that are known from their caller: wchan skips
// the functions that sleep in such a lock themselves (include/linux/sched/debug.h,
// __sched). Those of an address space are taken so that SIGKILL ends the wait
// (include/linux/mmap_lock.h, mmap_write_lock_killable), madvise's apart.
func kernelLock(where string) (wait, bool) {
	for _, part := range [...]string{
		"vm_munmap", "vm_mmap_pgoff", "lock_mm_and_find_vma", "mprotect", "sys_mremap", "sys_brk", "mmap_read_lock", "mmap_write_lock",
	} {
		if strings.Contains(where, part) {
			return wait{lock, "the lock of its address space (mmap_lock), held by another thread", true}, true
		}
	}
	if strings.Contains(where, "do_madvise") || strings.Contains(where, "madvise_lock") {
		return wait{lock, "the lock of its address space (mmap_lock), held by another thread", false}, true
	}
	for _, part := range [...]string{
		"path_openat", "open_last_lookups", "do_unlinkat", "filename_create", "do_rmdir", "do_renameat2", "lock_rename", "lookup_slow",
		"iterate_dir",
	} {
		if strings.Contains(where, part) {
			return wait{kind: lock, what: "the lock of a directory, held by another task"}, true
		}
	}
	return wait{}, false
}

// places says what a task waits for, by parts of the names of kernel functions, the
// specific ones first.
func places() iter.Seq2[string, wait] {
	const (
		thread     = "another thread: a lock or a condition"
		journal    = "the file system's journal"
		ready      = "an event on its files"
		connection = "a connection"
	)
	return func(yield func(string, wait) bool) {
		for _, k := range [...]struct{ part, kind, what string }{
			{"futex", lock, thread}, {"nfs", disk, "an NFS server"}, {"rpc_wait", disk, "an NFS server"}, {"jbd2", disk, journal},
			{"xlog", disk, journal}, {"do_get_write_access", disk, journal},
			{"io_schedule", disk, "a disk"}, {"folio_wait", disk, "a page from a disk"}, {"wait_on_page", disk, "a page from a disk"},
			{"wait_on_buffer", disk, "a block from a disk"}, {"blk_", disk, "a disk"}, {"rq_qos_wait", disk, "a disk"},
			{"submit_bio", disk, "a disk"},
			{"balance_dirty", disk, "dirty pages to be written back"}, {"throttle_direct_reclaim", memory, "memory to be reclaimed"},
			{"mem_cgroup_handle_over_high", memory, "its cgroup's memory to get below memory.high"},
			{"rwsem", lock, "a lock in the kernel"}, {"mutex_lock", lock, "a lock in the kernel"}, {"pipe_read", local, "data in a pipe"},
			{"pipe_write", local, "room in a pipe"},
			{"accept", network, connection}, {"unix_stream", local, "data on a local socket"}, {"skb_wait", network, "data on a socket"},
			{"skb_recv", network, "data on a socket"}, {"sk_wait_data", network, "data on a socket"},
			{"sk_stream_wait_memory", network, "room in a socket's buffer"}, {"tty_read", events, "input on its terminal"},
			{"vfork", child, vforked}, {"do_wait", child, "a child to end"}, {"nanosleep", choice, napping},
			{"ep_poll", events, ready}, {"poll_schedule", events, ready}, {"do_epoll", events, ready}, {"do_select", events, ready},
			{"sys_pause", choice, "a signal"}, {"sigsuspend", choice, "a signal"}, {"sigtimedwait", choice, "a signal"},
		} {
			if !yield(k.part, wait{kind: k.kind, what: k.what, kill: k.what == vforked}) {
				return
			}
		}
	}
}

const (
	napping = "a timeout that it chose"
	vforked = "its child from vfork" // which SIGKILL ends: kernel/fork.c, wait_for_vfork_done
)

// byCall says what a task waits for, by the name of the system call.
func byCall(call string) wait {
	of := func(kind, what string) wait { return wait{kind: kind, what: what, kill: what == vforked} }
	switch call {
	case "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6":
		return of(events, "an event on its files")
	case "futex", "futex_wait", "futex_waitv":
		return of(lock, "another thread: a lock or a condition")
	case "wait4", "waitid":
		return of(child, "a child to end")
	case "nanosleep", "clock_nanosleep":
		return of(choice, napping)
	case "pause", "rt_sigsuspend", "rt_sigtimedwait":
		return of(choice, "a signal")
	case "accept", "accept4":
		return of(network, "a connection")
	case "connect":
		return of(network, "its connection to be established")
	case "recvfrom", "recvmsg", "recvmmsg":
		return of(network, "data on a socket")
	case "sendto", "sendmsg", "sendmmsg":
		return of(network, "room in a socket's buffer")
	case "io_getevents", "io_uring_enter":
		return of(disk, "I/O that it submitted")
	case "fsync", "fdatasync", "sync", "syncfs", "msync":
		return of(disk, "its writes to reach the disk")
	case "flock":
		return of(lock, "a lock on a file")
	case "semop", "semtimedop":
		return of(lock, "a semaphore")
	case "vfork", "clone", "clone3":
		return of(child, vforked)
	}
	return wait{kind: unknown}
}
