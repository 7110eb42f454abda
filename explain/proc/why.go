package proc

import (
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
)

// why says what a process does or waits for now.
func why(b []byte, r row) []byte {
	p := r.P
	if p.PID == r.Host.Self || p.TGID == r.Host.Self && p.TGID != 0 {
		b = append(b, "kwhy itself; "...)
	}
	switch p.State {
	case 'R':
		b = append(b, "on a CPU, or ready for one"...)
		if p.CPU >= 0 {
			b = strconv.AppendInt(append(b, "; last on CPU "...), int64(p.CPU), 10)
		}
		b = AppendThrottled(b, r)
	case 'S':
		b = sleeping(b, r, "sleeping")
	case 'D':
		b = sleeping(b, r, "sleeping where no signal reaches it")
	case 'T':
		b = stopped(b, r)
	case 't':
		b = append(b, "stopped by its tracer"...)
	case 'Z':
		b = zombie(b, r)
	case 'I':
		b = append(b, "kernel thread without work"...)
	case 'P':
		b = append(b, "kernel thread parked with its CPU"...)
	default:
		b = append(b, "ending"...)
	}
	if p.Tracer > 0 {
		b = strconv.AppendInt(append(b, "; traced by "...), int64(p.Tracer), 10)
	}
	if p.MaxFDs > 0 && p.FDs*10 >= p.MaxFDs*9 {
		b = append(explain.AppendPercent(append(b, "; has "...), float64(p.FDs)/float64(p.MaxFDs)), " of the files that it may open"...)
	}
	return b
}

// AppendThrottled says that a cgroup bounds the CPU time of a process that wants some,
// and how often that stopped it. Whether it is stopped at this moment the kernel
// does not show.
func AppendThrottled(b []byte, r row) []byte {
	t, ok := r.Host.Throttled[r.P.PID]
	if !ok || t.Throttled == 0 {
		return b
	}
	b = append(explain.AppendDecimal(append(b, "; throttled: its cgroup may use "...), t.CPUs), " CPUs, and was stopped in "...)
	b = explain.AppendPercent(b, float64(t.Throttled)/float64(max(t.Periods, t.Throttled)))
	return append(b, " of its periods"...)
}

// sleeping says in what: by the system call, or the kernel function where that
// says more or the call is not to be seen.
func sleeping(b []byte, r row, how string) []byte {
	where, call := wchan(r), callName(r)
	switch {
	case frozen(where):
		return append(b, "frozen, with its cgroup or for suspend"...)
	case r.P.Kthread():
		b = append(b, "kernel thread, waits"...)
		if where != "" {
			b = append(append(b, " in "...), where...)
		}
		return b
	}
	b = append(b, how...)
	if call != "" {
		b = append(append(b, " in "...), call...)
	}
	if w := waitsFor(call, where); w.what != "" {
		b = append(append(b, ", waits for "...), w.what...)
	} else if where != "" {
		b = append(append(b, ", in the kernel's "...), where...)
	}
	if call == "" && where == "" {
		b = append(b, nowhere(r)...)
	}
	return b
}

// frozen tells whether a kernel function is where frozen tasks are kept: the old
// freezer's, and that of cgroup version 2, whose do_freezer_trap is part of
// get_signal (kernel/signal.c).
func frozen(where string) bool {
	return strings.Contains(where, "refrigerator") || strings.Contains(where, "freezer") || where == "get_signal"
}

// nowhere says why neither call nor function tell in what a process sleeps.
func nowhere(r row) string {
	switch c := &r.P.Call; {
	case r.Missing(inspect.PIDSyscall) != inspect.Present:
		return "; in what is not to be seen"
	case c.Running:
		return "; it woke when it was looked at"
	case c.Number == inspect.NoCall:
		return " outside of a system call, as in a page fault"
	}
	return " in a system call that has no name here"
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
type wait struct{ kind, what string }

// waitsFor says what a wait is for, by the call and by where in the kernel; the
// words are empty where neither tells.
func waitsFor(call, where string) wait {
	const thread, journal, ready, connection = "another thread: a lock or a condition", "the file system's journal", "something to happen on its files", "a connection"
	for _, k := range [...]struct {
		part string
		wait wait
	}{
		{"futex", wait{lock, thread}}, {"nfs", wait{disk, "an NFS server"}}, {"rpc_wait", wait{disk, "an NFS server"}}, {"jbd2", wait{disk, journal}}, {"xlog", wait{disk, journal}},
		{"io_schedule", wait{disk, "a disk"}}, {"folio_wait", wait{disk, "a page from a disk"}}, {"wait_on_page", wait{disk, "a page from a disk"}}, {"blk_", wait{disk, "a disk"}}, {"submit_bio", wait{disk, "a disk"}},
		{"balance_dirty", wait{disk, "dirty pages to be written"}}, {"throttle_direct_reclaim", wait{memory, "memory to be reclaimed"}}, {"mem_cgroup_handle_over_high", wait{memory, "its cgroup's memory to shrink"}},
		{"rwsem", wait{lock, "a lock in the kernel"}}, {"mutex_lock", wait{lock, "a lock in the kernel"}}, {"pipe_read", wait{local, "data in a pipe"}}, {"pipe_write", wait{local, "room in a pipe"}},
		{"accept", wait{network, connection}}, {"unix_stream", wait{local, "data on a local socket"}}, {"skb_wait", wait{network, "data on a socket"}}, {"skb_recv", wait{network, "data on a socket"}}, {"skb_wait_for_more", wait{network, "data on a socket"}}, {"sk_wait_data", wait{network, "data on a socket"}},
		{"sk_stream_wait_memory", wait{network, "room in a socket's buffer"}}, {"tty_read", wait{events, "input on its terminal"}},
		{"vfork", wait{child, "the child that it made by vfork"}}, {"do_wait", wait{child, "a child to end"}}, {"nanosleep", wait{choice, "time to pass, by its own will"}},
		{"ep_poll", wait{events, ready}}, {"poll_schedule", wait{events, ready}}, {"do_epoll", wait{events, ready}}, {"do_select", wait{events, ready}},
		{"sys_pause", wait{choice, "a signal"}}, {"sigsuspend", wait{choice, "a signal"}}, {"sigtimedwait", wait{choice, "a signal"}},
	} {
		if strings.Contains(where, k.part) {
			return k.wait
		}
	}
	switch call {
	case "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6":
		return wait{events, ready}
	case "futex", "futex_wait", "futex_waitv":
		return wait{lock, thread}
	case "wait4", "waitid":
		return wait{child, "a child to end"}
	case "nanosleep", "clock_nanosleep":
		return wait{choice, "time to pass, by its own will"}
	case "pause", "rt_sigsuspend", "rt_sigtimedwait":
		return wait{choice, "a signal"}
	case "accept", "accept4":
		return wait{network, connection}
	case "connect":
		return wait{network, "its connection to be answered"}
	case "recvfrom", "recvmsg", "recvmmsg":
		return wait{network, "data on a socket"}
	case "sendto", "sendmsg", "sendmmsg":
		return wait{network, "room in a socket's buffer"}
	case "io_getevents", "io_uring_enter":
		return wait{disk, "I/O that it handed in"}
	case "fsync", "fdatasync", "sync", "syncfs", "msync":
		return wait{disk, "what it wrote to reach the disk"}
	case "flock":
		return wait{lock, "a lock on a file"}
	case "semop", "semtimedop":
		return wait{lock, "a semaphore"}
	case "vfork", "clone", "clone3":
		return wait{child, "the child that it made by vfork"}
	}
	return wait{kind: unknown}
}

// stopped names the signal where the kernel tells: stat's exit code holds it, to
// those who may trace the process, since some version after 5.10.
func stopped(b []byte, r row) []byte {
	b = append(b, "stopped"...)
	code := r.P.ExitCode
	if arch := machine(r.Host.Host.Arch); arch != "amd64" && arch != "arm64" {
		code = 0 // signals have other numbers on some
	}
	switch code {
	case 19:
		b = append(b, " by SIGSTOP"...)
	case 20:
		b = append(b, " by SIGTSTP, Ctrl-Z in a shell"...)
	case 21:
		b = append(b, " by SIGTTIN: it read its terminal from the background"...)
	case 22:
		b = append(b, " by SIGTTOU: it wrote to its terminal from the background"...)
	default:
		return append(b, " by a signal"...)
	}
	return append(b, "; SIGCONT lets it go on"...)
}

func zombie(b []byte, r row) []byte {
	b = append(b, "ended; "...)
	if i, ok := r.Host.All.Row(r.P.PPID); ok {
		parent := &r.Host.All.Rows[i]
		b = append(b, parent.Comm...)
		b = strconv.AppendInt(append(b, " ("...), int64(parent.PID), 10)
		return append(b, ") has to ask how"...)
	}
	return append(b, "its parent has to ask how"...)
}

// Needs is what a row's own sentence needs besides stat.
func Needs() inspect.Sources {
	return inspect.Of(inspect.PIDStat, inspect.PIDStatus, inspect.PIDWchan, inspect.PIDSyscall)
}
