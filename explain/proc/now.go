package proc

import (
	"fmt"
	"iter"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

func now() []detailField {
	return []detailField{
		declare(doc{
			Key:    "state",
			Source: inspect.PIDStat, Also: []inspect.Source{inspect.PIDWchan, inspect.PIDSyscall},
			Words:   states(),
			Gist:    "The state of its main thread, as the kernel's letter.",
			Concept: "process-state",
		}, func(d detail) value { return explain.S(string(rune(d.Row.P.State))) }, func(d detail) string {
			s := string(why(nil, d.Row))
			readable := d.Missing(inspect.PIDIO) == inspect.Present // with the same permission as the exit code
			if d.Row.P.Zombie() && d.Row.P.ExitCode == 0 && readable {
				s = strings.Replace(s, "ended; ", "ended with status 0; ", 1)
			}
			if d.Ended {
				return "It ended while it was read. Before that: " + s + "."
			}
			return strings.ToUpper(s[:1]) + s[1:] + "."
		}),
		declare(doc{
			Key: "syscall", Kernel: "syscall", Label: "system call",
			Source:  inspect.PIDSyscall,
			Gist:    "The system call that its main thread waits in.",
			Concept: "system-call",
		}, func(d detail) value { return text(callName(d.Row)) }, readCall),
		declare(doc{
			Key: "syscall_args", Unit: explain.Address, Show: explain.Data,
			Source:  inspect.PIDSyscall,
			Gist:    "The six registers of its system call, which uses as many as it has arguments.",
			Concept: "system-call",
		}, func(d detail) value {
			if callName(d.Row) == "" {
				return explain.None(inspect.Inapplicable)
			}
			var out []value
			for _, a := range d.Row.P.Call.Args {
				out = append(out, explain.N(a))
			}
			return explain.L(out)
		}, nil),
		declare(doc{
			Key: "wchan", Kernel: "wchan",
			Source:  inspect.PIDWchan,
			Gist:    "The kernel function that its main thread waits in.",
			Concept: "wait-channel",
		}, func(d detail) value {
			if w := wchan(d.Row); w != "" {
				return explain.S(w)
			}
			return explain.None(inspect.Inapplicable)
		}, nil),
		declare(doc{
			Key: "stack", Label: "kernel stack",
			Source:  inspect.PIDStack,
			Gist:    "The kernel stack of its main thread, innermost function first.",
			Concept: "wait-channel",
		}, func(d detail) value {
			if len(d.Stack) == 0 {
				return explain.None(inspect.Inapplicable)
			}
			return names(d.Stack)
		}, nil),
		switches("voluntary_ctxt_switches", "voluntary switches", "How often its main thread gave up the CPU to wait.",
			func(d detail) inspect.Num {
				return d.Row.P.Voluntary
			}, nil),
		switches("nonvoluntary_ctxt_switches", "involuntary switches", "How often its main thread was preempted for another.",
			func(d detail) inspect.Num {
				return d.Row.P.Forced
			}, readSwitches),
	}
}

// readCall formats the call with its arguments, as far as registers have them.
func readCall(d detail) string {
	c := &d.Row.P.Call
	if s, ok := callText(callName(d.Row), c, d.File); ok {
		return s
	}
	var args []string
	for _, a := range c.Args {
		args = append(args, "0x"+strconv.FormatUint(a, 16))
	}
	return fmt.Sprintf("System call %d of this architecture, with the six registers %s. A call uses as many of them as it has arguments.",
		c.Number, strings.Join(args, ", "))
}

func switches(key, label, gist string, get func(detail) inspect.Num, read func(detail) string) detailField {
	return declare(doc{
		Key: key, Kernel: key, Label: label, Unit: explain.Count, Counter: true,
		Source:  inspect.PIDStatus,
		Gist:    gist,
		Concept: "cpu-time",
	}, func(d detail) value { return explain.Opt(get(d)) }, read)
}

func readSwitches(d detail) string {
	v, f := d.Row.P.Voluntary, d.Row.P.Forced
	const few = 20
	switch {
	case v <= 0 && f <= 0:
		return "It has not run yet."
	case v+f < few:
		return "Too few to say anything."
	case f > v:
		return "More often than it waited: it is CPU-bound, and others want the CPU too."
	case f*10 > v:
		return "Sometimes: its time slice was over, or a task that woke up preempted it."
	}
	return "Rarely: mostly it waits for something before it is preempted."
}

// delays are the kernel's delay accounting. The fields depend on the version of the
// kernel's structure.
func delays() []detailField {
	delay := func(key, label, gist string, concept explain.Concept, version uint16, get func(*procfacts.Delays) procfacts.Delay) detailField {
		return declare(doc{
			Key: key, Label: label, Unit: explain.Seconds, Counter: true,
			Source:  inspect.Taskstats,
			Gist:    gist,
			Concept: concept,
		}, func(d detail) value {
			if d.Delays.Version < version {
				return explain.None(inspect.Unsupported)
			}
			return explain.F(get(&d.Delays).Seconds)
		}, func(d detail) string {
			n := get(&d.Delays)
			if n.Count == 0 {
				return "Never."
			}
			return units.Plural(n.Count, "time", "times") + ", " + units.Span(n.Seconds/float64(n.Count)) + " each."
		})
	}
	type of = *procfacts.Delays
	return []detailField{
		delay("cpu_delay", "waiting for CPU", "Time it was runnable and waited for a CPU.", "cpu-time", 1, func(d of) procfacts.Delay {
			return d.CPU
		}),
		delay("blkio_delay", "block devices", "Time it waited for block I/O that it had submitted itself.",
			"page-cache", 1, func(d of) procfacts.Delay {
				return d.Block
			}),
		delay("swapin_delay", "swap", "Time it waited for pages from swap.", "swap", 1, func(d of) procfacts.Delay { return d.Swapin }),
		delay("freepages_delay", "reclaim", "Time it spent in direct reclaim to get memory.", "reclaim", 7, func(d of) procfacts.Delay {
			return d.Reclaim
		}),
		delay("thrashing_delay", "thrashing", "Time it waited for pages that had just been evicted.",
			"working-set", 9, func(d of) procfacts.Delay {
				return d.Thrashing
			}),
		delay("compact_delay", "compaction", "Time it spent in compaction to get contiguous pages.",
			"compaction", 11, func(d of) procfacts.Delay {
				return d.Compaction
			}),
		delay("wpcopy_delay", "copy on write", "Time it spent copying shared pages on write.",
			"page-fault", 13, func(d of) procfacts.Delay {
				return d.Copy
			}),
		delay("irq_delay", "interrupts", "Time that interrupts took while it was on a CPU.", "interrupts", 14, func(d of) procfacts.Delay {
			return d.IRQ
		}),
	}
}

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
// words are empty if neither says so.
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
