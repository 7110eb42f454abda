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

// sleeping says in what: by the system call, or the kernel function where that
// says more or the call is not to be seen.
func sleeping(b []byte, r row, how string) []byte {
	where, call := wchan(r), callName(r)
	switch {
	case strings.Contains(where, "refrigerator"), strings.Contains(where, "freezer"):
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
	if what := waitsFor(call, where); what != "" {
		b = append(append(b, ", waits for "...), what...)
	} else if where != "" {
		b = append(append(b, ", in the kernel's "...), where...)
	}
	if call == "" && where == "" {
		b = append(b, "; in what is not to be seen"...)
	}
	return b
}

// waitsFor says in words what a wait is for, by the call and by where in the
// kernel; "" where neither tells.
func waitsFor(call, where string) string {
	for _, k := range [...]struct{ part, what string }{
		{"futex", "another thread: a lock or a condition"}, {"nfs", "an NFS server"}, {"rpc_wait", "an NFS server"}, {"jbd2", "the file system's journal"}, {"xlog", "the file system's journal"},
		{"io_schedule", "a disk"}, {"folio_wait", "a page from a disk"}, {"wait_on_page", "a page from a disk"}, {"blk_", "a disk"}, {"submit_bio", "a disk"},
		{"balance_dirty", "dirty pages to be written"}, {"throttle_direct_reclaim", "memory to be reclaimed"}, {"mem_cgroup_handle_over_high", "its cgroup's memory to shrink"},
		{"rwsem", "a lock in the kernel"}, {"mutex_lock", "a lock in the kernel"}, {"pipe_read", "data in a pipe"}, {"pipe_write", "room in a pipe"},
		{"accept", "a connection"}, {"unix_stream", "data on a local socket"}, {"skb_wait", "data on a socket"}, {"sk_wait_data", "data on a socket"}, {"tty_read", "input on its terminal"},
		{"vfork", "the child that it made by vfork"}, {"do_wait", "a child to end"}, {"nanosleep", "time to pass, by its own will"},
		{"ep_poll", "something to happen on its files"}, {"poll_schedule", "something to happen on its files"}, {"do_epoll", "something to happen on its files"}, {"do_select", "something to happen on its files"},
		{"sys_pause", "a signal"}, {"sigsuspend", "a signal"}, {"sigtimedwait", "a signal"},
	} {
		if strings.Contains(where, k.part) {
			return k.what
		}
	}
	switch call {
	case "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6":
		return "something to happen on its files"
	case "futex", "futex_wait", "futex_waitv":
		return "another thread: a lock or a condition"
	case "wait4", "waitid":
		return "a child to end"
	case "nanosleep", "clock_nanosleep":
		return "time to pass, by its own will"
	case "pause", "rt_sigsuspend", "rt_sigtimedwait":
		return "a signal"
	case "accept", "accept4":
		return "a connection"
	case "recvfrom", "recvmsg", "recvmmsg":
		return "data on a socket"
	case "io_getevents", "io_uring_enter":
		return "I/O that it handed in"
	case "vfork", "clone", "clone3":
		return "the child that it made by vfork"
	}
	return ""
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
