package proc

import (
	"strconv"
	"strings"

	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	procfacts "kwhy/inspect/proc"
)

// Doing says what a process or thread does or waits for now, as the column why does.
func Doing(r procfacts.Row) string { return string(doing(nil, r)) }

// why says what a process does or waits for now.
func why(b []byte, r row) []byte {
	p := r.P
	if p.PID == r.Host.Self || p.TGID == r.Host.Self && p.TGID != 0 {
		b = append(b, "kwhy itself; "...)
	}
	b = doing(b, r)
	if p.Tracer > 0 {
		b = append(b, "; traced by "...)
		if t, ok := r.Tracer(); ok {
			b = named(b, t)
		} else {
			b = strconv.AppendInt(b, int64(p.Tracer), 10)
		}
	}
	if p.MaxFDs > 0 && p.FDs*10 >= p.MaxFDs*9 {
		b = append(units.AppendPercent(append(b, "; has "...), float64(p.FDs)/float64(p.MaxFDs)), " of the descriptors that it may have open"...)
	}
	return b
}

// doing says it by the state.
func doing(b []byte, r row) []byte {
	p := r.P
	switch {
	case p.Frozen:
		return append(b, "frozen with its cgroup until that is thawed"...)
	case p.MainEnded():
		b = units.AppendNumber(append(b, "its main thread has ended; "...), int64(p.Threads-1))
		return append(append(b, oneOrMany(p.Threads-1, " other thread runs", " other threads run")...), " on"...)
	}
	switch p.State {
	case 'R':
		b = append(b, "runnable: on a CPU or waiting for one"...)
		if p.CPU >= 0 {
			b = strconv.AppendInt(append(b, "; last on CPU "...), int64(p.CPU), 10)
		}
		return AppendThrottled(b, r)
	case 'S', 'D':
		return sleeping(b, r)
	case 'T':
		return stopped(b, r)
	case 't':
		return append(b, "stopped by its tracer"...)
	case 'Z':
		return zombie(b, r)
	case 'I':
		return append(b, "idle kernel thread"...)
	case 'P':
		return append(b, "parked kernel thread: its CPU is offline"...)
	}
	return append(b, "exiting"...)
}

// named writes a process's name and number.
func named(b []byte, p *procfacts.Process) []byte {
	b = append(append(b, p.Comm...), " ("...)
	return append(strconv.AppendInt(b, int64(p.PID), 10), ')')
}

// AppendThrottled says that a cgroup limits the CPU time of a runnable process,
// and how often it was throttled: over the interval, or else since the cgroup was created.
// The kernel does not show whether it is throttled now.
func AppendThrottled(b []byte, r row) []byte {
	t, since, bounded, known := r.Throttled()
	ends := " of its periods since it was created"
	switch {
	case !bounded:
		return b
	case known:
		b, t, ends = throttledNow(b, since), since, " of its periods"
	case t.Throttled > 0:
		b = append(b, "; "...)
	}
	if t.Throttled == 0 {
		return b
	}
	b = append(units.AppendDecimal(append(b, "its cgroup may use "...), t.CPUs), " CPUs, and was throttled in "...)
	b = units.AppendPercent(b, float64(t.Throttled)/float64(max(t.Periods, t.Throttled)))
	return append(b, ends...)
}

func throttledNow(b []byte, since cgroupfacts.Throttle) []byte {
	if since.Throttled == 0 {
		return b
	}
	return append(b, "; throttled: "...)
}

// sleeping says where: by the system call, or the kernel function where that
// says more or the call is not visible. The letter D does not show whether
// SIGKILL, and other fatal signals, end the wait (TASK_KILLABLE): for some
// waits it is known.
func sleeping(b []byte, r row) []byte {
	where, call := wchan(r), callName(r)
	switch {
	case frozen(where):
		return append(b, "frozen with its cgroup or for suspend"...)
	case r.P.Kthread():
		b = append(b, "kernel thread, waits"...)
		if where != "" {
			b = append(append(b, " in "...), where...)
		}
		return b
	}
	b = append(b, "sleeping"...)
	if call != "" {
		b = append(append(b, " in "...), call...)
	}
	w := waitsFor(r.P.State, call, where)
	switch {
	case w.what != "":
		b = append(append(b, ", waits for "...), w.what...)
	case call == "restart_syscall":
		b = append(b, ", resumes a wait that a stop interrupted"...)
	case where != "":
		b = append(append(b, ", in the kernel function "...), where...)
	case call == "":
		b = append(b, nowhere(r)...)
	}
	switch {
	case r.P.State != 'D':
	case w.kill:
		b = append(b, "; only a fatal signal such as SIGKILL ends that"...)
	default:
		b = append(b, "; no signal ends that, except perhaps SIGKILL"...)
	}
	return b
}

// frozen reports whether a kernel function is where frozen tasks sleep: the freezer's
// before 6.1, and that of cgroup version 2, whose do_freezer_trap is part of get_signal
// (kernel/signal.c). Since 6.1 a task that can be frozen where it sleeps stays there.
func frozen(where string) bool {
	return strings.Contains(where, "refrigerator") || strings.Contains(where, "freezer") || where == "get_signal"
}

// nowhere says why neither the system call nor the function is known.
func nowhere(r row) string {
	switch c := &r.P.Call; r.Missing(inspect.PIDSyscall) {
	case inspect.Present:
		switch {
		case c.Running:
			return "; it woke up while it was read"
		case c.Number == procfacts.NoCall:
			return " outside a system call, as in a page fault"
		}
		return " in a system call unknown to kwhy"
	case inspect.Denied:
		return "; where is visible only with ptrace permission"
	}
	return "; this kernel does not show where"
}

// stopped names the signal if the kernel shows it: stat's exit code has it, for
// readers with ptrace permission, since some version after 5.10.
func stopped(b []byte, r row) []byte {
	b = append(b, "stopped"...)
	switch sig := signalOf(r, r.P.ExitCode); sig {
	case "SIGSTOP":
		b = append(b, " by SIGSTOP"...)
	case "SIGTSTP":
		b = append(b, " by SIGTSTP, Ctrl-Z in a shell"...)
	case "SIGTTIN":
		b = append(b, " by SIGTTIN: it read its terminal from the background"...)
	case "SIGTTOU":
		b = append(b, " by SIGTTOU: it wrote to its terminal from the background"...)
	default:
		b = append(b, " by a signal"...)
	}
	return append(b, "; SIGCONT continues it"...)
}

// signalOf names a signal by its number; "" for none, and where numbers differ.
func signalOf(r row, n int32) string {
	if arch := machine(r.Host.Host.Arch); n <= 0 || n > 64 || arch != "amd64" && arch != "arm64" {
		return ""
	}
	return signalName(int(n))
}

func zombie(b []byte, r row) []byte {
	b = append(append(append(b, "ended"...), exited(r)...), "; "...)
	if i, ok := r.Host.All.Row(r.P.PPID); ok {
		return append(named(b, &r.Host.All.Rows[i]), " has to wait for it"...)
	}
	return append(b, "its parent has to wait for it"...)
}

// exited says how a process ended, by stat's exit code, which is also 0 for readers without
// ptrace permission: its exit status, or the signal that killed it (wait(2)).
func exited(r row) string {
	const dumped, signal = 0x80, 0x7f
	code := r.P.ExitCode
	if n := code >> 8 & 0xff; n != 0 {
		return " with status " + strconv.Itoa(int(n))
	}
	s := signalOf(r, code&signal)
	if s == "" {
		return ""
	}
	if code&dumped != 0 {
		return " by " + s + ", with a core dump"
	}
	return " by " + s
}

// Needs is the sources of a row's own sentence.
func Needs() inspect.Sources {
	return inspect.Of(inspect.PIDStat, inspect.PIDStatus, inspect.PIDWchan, inspect.PIDSyscall)
}
