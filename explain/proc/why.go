package proc

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/edge"
	"kwhy/explain/kernel"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	procfacts "kwhy/inspect/proc"
	"kwhy/inspect/wait"
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
	if p.Tracer > 0 && (p.State != 't' || p.Frozen) && reapsFirst(r) == nil { // who is named already where it holds it
		b = append(b, "; traced by "...)
		if t, ok := r.Tracer(); ok {
			b = named(b, t)
		} else {
			b = strconv.AppendInt(b, int64(p.Tracer), 10)
		}
	}
	if low := p.Below(); p.MaxFDs > 0 && low*10 >= p.MaxFDs*9 {
		b = append(units.AppendPercent(append(b, "; has "...), float64(low)/float64(p.MaxFDs)), " of the descriptors that it may have open"...)
	}
	return b
}

// frozen says which cgroup is to be thawed, and what else holds it.
func frozen(b []byte, r row) []byte {
	held, until := alsoHeld(r)
	b = append(b, held...)
	w := r.Wait()
	switch n := len(w.Frozen); {
	case n == 1 && w.Frozen[0] == w.Object:
		b = append(append(append(b, "frozen with its cgroup "...), w.Object...), " until that is thawed"...)
	case n == 1:
		b = append(append(append(b, "frozen with cgroup "...), w.Frozen[0]...), ", above its own, until that is thawed"...)
	case n > 1:
		b = append(append(b, "frozen with cgroups "...), strings.Join(w.Frozen, " and ")...)
		b = append(b, " until all of these are thawed"...)
	case w.Object != "":
		b = append(append(append(b, "frozen with its cgroup "...), w.Object...), " until that, or one above it, is thawed"...)
	default: // a sample, which does not name it
		b = append(b, "frozen with its cgroup until that is thawed"...)
	}
	return append(b, until...)
}

// alsoHeld says what holds a frozen task besides, and goes on to when it is thawed. A stopped one that version
// 1's freezer holds is in D (kernel/freezer.c, __freeze_task), and shows by its function that it is stopped;
// a parent in vfork stays where it waits.
func alsoHeld(r row) (held, until string) {
	where := r.Where()
	switch {
	case r.P.State == 't', strings.Contains(where, "ptrace_stop"):
		return "stopped by its tracer, and ", ""
	case r.P.State == 'T', strings.Contains(where, "do_signal_stop"):
		return "stopped, and ", ": SIGCONT continues it only then"
	case r.P.State != 'D':
		return "", ""
	}
	if k, _, _ := wait.Sleeping('D', r.CallName(), where); k == wait.Vfork {
		return "waits for its child from vfork, and ", ""
	}
	return "", ""
}

// doing says it by the state.
func doing(b []byte, r row) []byte {
	p := r.P
	switch {
	case p.Frozen:
		return frozen(b, r)
	case p.MainEnded():
		b = units.AppendNumber(append(b, "its main thread has ended; "...), int64(p.Threads-1))
		return append(append(b, oneOrMany(p.Threads-1, " other thread runs", " other threads run")...), " on"...)
	}
	switch p.State {
	case 'R':
		if over, yes := starved(r); yes {
			b = append(units.AppendSpan(append(b, "runnable for "...), over), " at least, and did not run in that time"...)
		} else {
			b = append(b, "runnable: on a CPU or waiting for one"...)
			if _, since, _, known := r.Throttled(); known && since.Throttled > 0 {
				b = append(b, ", or for its cgroup's quota"...)
			}
			if p.OfDeadline() {
				b = append(b, ", or for its own runtime of SCHED_DEADLINE in its next period"...)
			}
		}
		if p.CPU >= 0 {
			b = strconv.AppendInt(append(b, "; last on CPU "...), int64(p.CPU), 10)
		}
		return AppendThrottled(b, r)
	case 'S', 'D':
		return sleeping(b, r)
	case 'T', 't':
		return edge.AppendStop(b, r.Wait(), howLong(r), r.Missing(inspect.PIDStatus) == inspect.Present, func(b []byte, pid int32) []byte {
			return numbered(b, r, pid)
		})
	case 'Z':
		if p.TGID != 0 { // nobody waits for a thread: where it is the main one, its process goes on without it
			return append(b, "this thread has ended; others of its process may go on"...)
		}
		return zombie(b, r)
	case 'I':
		return append(b, "idle kernel thread"...)
	case 'P':
		return append(b, "parked kernel thread: its CPU is offline"...)
	}
	if p.State == 0 {
		return append(b, "its state could not be read"...)
	}
	return append(b, "exiting"...)
}

// starved reports whether a task was runnable at both ends of the interval and did not run between:
// neither its time nor its context switches grew. Both are of the main thread, but for the time.
func starved(r row) (seconds float64, yes bool) {
	const tick = 20 * time.Millisecond // two of those that the time is counted in
	was, over, ok := r.Before()
	if !ok || over < tick || was.P.State != 'R' || r.P.Forced < 0 || was.P.Forced < 0 {
		return 0, false
	}
	p, q := r.P, was.P
	return over.Seconds(), p.UTime+p.STime == q.UTime+q.STime && p.Voluntary == q.Voluntary && p.Forced == q.Forced
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
	where, call, w := r.Where(), r.CallName(), r.Wait()
	switch {
	case w.Kind == wait.Frozen:
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
	what := edge.AppendWhat(nil, w, func(b []byte, pid int32) []byte { return numbered(b, r, pid) })
	switch {
	case len(what) > 0:
		b = append(append(b, ", waits for "...), what...)
	case call == "restart_syscall":
		b = append(b, ", resumes a wait that a stop interrupted"...)
	case where != "":
		b = append(append(b, ", in the kernel function "...), where...)
	case call == "":
		b = append(b, nowhere(r)...)
	}
	if w.Kind == wait.Unknown && len(w.Holders) > 0 {
		b = append(b, "; perhaps it waits for its child from vfork, "...)
		b = edge.AppendHolders(b, w, func(b []byte, pid int32) []byte { return numbered(b, r, pid) })
	}
	return deaf(b, r, w)
}

// deaf says which signals end the wait of a task in D.
func deaf(b []byte, r row, w wait.Wait) []byte {
	says := "; no signal ends that, except perhaps a fatal one such as SIGKILL"
	switch {
	case r.P.State != 'D':
		return b
	case w.Kind == wait.MemoryHigh:
		says = ", up to 2 s at a time; a signal that ends the process ends that at once"
	case w.Kind.Interruptible(): // it has gone on since its state was read
		return b
	case w.Kind == wait.FUSELock:
		says = "; no signal ends that"
	case w.Fatal:
		says = "; only a fatal signal such as SIGKILL ends that"
	case w.Kind == wait.FUSE && r.P.Killed:
		says = "; SIGKILL is pending and does not end that: only the server's answer, or an abort of its connection, does"
	case r.P.Killed:
		says = "; SIGKILL is pending and has not ended that"
	case w.Kind == wait.FUSE:
		says = "; a fatal signal such as SIGKILL ends that only as long as the server has not read the request"
	}
	return append(b, says...)
}

// numbered writes a process by its number, with its name where this scan has it.
func numbered(b []byte, r row, pid int32) []byte {
	if i, ok := r.Host.All.Row(pid); ok {
		return named(b, &r.Host.All.Rows[i])
	}
	return strconv.AppendInt(b, int64(pid), 10)
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
	switch why := r.Missing(inspect.PIDWchan); {
	case why == inspect.Vanished:
		return "" // with the process
	case why.IsGap() && why != inspect.Unread && why != inspect.Unsupported:
		return "; where is " + units.AbsentWord(why)
	}
	if r.Host.Host.Copy() { // whose maker may not have been allowed to see it
		return "; the copy does not show where"
	}
	return "; this kernel does not show where"
}

// howLong says for how long a task has not been on a CPU, which one that is stopped was when it stopped: "about
// 3h". It says nothing where that is not known, or not to a tenth.
func howLong(r row) string {
	run, ok := r.LastRun()
	switch {
	case !ok:
		return ""
	case run.Most < time.Second:
		return "less than a second"
	case vague(run):
		return ""
	}
	return "about " + units.Span(roughly(run))
}

// vague reports whether it is not known to a tenth how long ago a task was on a CPU.
func vague(run procfacts.LastRun) bool { return run.Most-run.Least > max(run.Most/10, time.Second) }

// roughly is how long ago that was, in seconds, as exactly as it is known.
func roughly(run procfacts.LastRun) float64 {
	unit := 10 * time.Millisecond
	for unit < (run.Most-run.Least)/2 {
		unit *= 10
	}
	return ((run.Least + run.Most) / 2).Round(unit).Seconds()
}

// signalOf names a signal by its number; "" for none, and where numbers differ.
func signalOf(r row, n int32) string {
	if arch := wait.Machine(r.Host.Host.Arch); n <= 0 || n > 64 || arch != "amd64" && arch != "arm64" {
		return ""
	}
	return signalName(int(n))
}

func zombie(b []byte, r row) []byte {
	b = append(append(append(b, "ended"...), exited(r)...), "; "...)
	if t := reapsFirst(r); t != nil {
		b = append(named(b, t), ", which traces it, has to wait for it first, and then "...)
		return append(numbered(b, r, r.P.PPID), " has to"...)
	}
	if i, ok := r.Host.All.Row(r.P.PPID); ok {
		return append(named(b, &r.Host.All.Rows[i]), " has to wait for it"...)
	}
	return append(b, "its parent has to wait for it"...)
}

// reapsFirst returns who traces a zombie and is not its parent: as long as it does, nobody else can wait for the
// zombie (kernel/exit.c, wait_consider_task). It is nil where there is none, or it is not known to be another process.
func reapsFirst(r row) *procfacts.Process {
	if !r.P.Zombie() || r.P.TGID != 0 || r.P.Tracer <= 0 {
		return nil
	}
	if t, ok := r.Tracer(); ok && t.PID != r.P.PPID {
		return t
	}
	return nil
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

// Values of which other subcommands have the details.

func spent() []detailField {
	children := declare(doc{
		Key: "cutime", Label: "cutime + cstime", Unit: explain.Seconds, Show: explain.Rare,
		Source:  inspect.PIDStat,
		Gist:    "CPU time of its children that ended and that it has waited for.",
		Concept: "cpu-time",
	}, func(d detail) value {
		if d.Row.P.CUTime < 0 || d.Row.P.CSTime < 0 {
			return explain.None(inspect.Malformed) // a length of time is none below 0, and nothing was compared
		}
		return ticks(d.Row, uint64(d.Row.P.CUTime+d.Row.P.CSTime))
	}, nil)
	out := append(lifted(append([]column{CPU()}, times()[:4]...)...), children)
	policy, nice := read(Policy(), readPolicy), read(Nice(), readNice)
	nice.Also = append(nice.Also, inspect.PIDAutogroup, inspect.SchedAutogroup, inspect.PIDCgroup, inspect.CgroupCPU)
	return append(out, policy, read(RTPriority(), func(d detail) string { return EndedSays(d.Row.P) }), read(Processor(), nil), nice)
}

// read lifts a column, with a reading for this process.
func read(c column, says func(detail) string) detailField {
	f := lift(c, "")
	if says != nil {
		f.Reading = says
	}
	return f
}

func readPolicy(d detail) string {
	if s := EndedSays(d.Row.P); s != "" {
		return s
	}
	if n := int(d.Row.P.Policy); n >= 0 && n < len(policies()) {
		return policies()[n].Gist
	}
	return ""
}

func readNice(d detail) string { return NiceSays(d.Row.P, d.Shares) }

// EndedSays says of what is a task's own that the task has ended: a zombie, or the main thread of a process
// whose others go on; "" of one that goes on.
func EndedSays(p *procfacts.Process) string {
	switch {
	case p.Outlived():
		return "Of its main thread, which has ended: its other threads have their own."
	case p.Over():
		return "It has ended: this is what it had last."
	}
	return ""
}

// NiceSays says how nice changes a task's share, among those that it counts against: each step is a
// factor of about 1.25 (kernel/sched/core.c, sched_prio_to_weight), within the innermost of the groups
// that it is in.
func NiceSays(p *procfacts.Process, groups []cgroupfacts.ShareGroup) string {
	const fifo, rr, idle, deadline = 1, 2, 5, 6
	if s := EndedSays(p); s != "" {
		return s
	}
	switch p.Policy {
	case fifo, rr, deadline:
		return "It has no effect under this policy."
	case idle:
		return "It has no effect under SCHED_IDLE."
	}
	within := "of its group."
	if len(groups) == 0 && p.Autogroup >= 0 {
		within = "of its group: of its session alone, where it ran before autogroup was switched off."
	}
	if n := len(groups); n > 0 {
		within = "of cgroup " + groups[n-1].Name + "; against other groups the cgroup's own weight counts."
		if groups[n-1].Auto {
			within = "of its session, which is an autogroup: against other sessions it does not count."
		}
	}
	if p.Nice == 0 {
		return "The default. It counts against fair tasks " + within
	}
	return fmt.Sprintf("It gets about %.2g times as much of a CPU as one of nice 0 that wants it too, among the fair tasks %s",
		math.Pow(1.25, -float64(p.Nice)), within)
}

func memories() []detailField {
	return []detailField{read(VmRSS(), readRSS), read(VmSwap(), func(d detail) string {
		p := d.Row.P
		switch {
		case p.VmSwap <= 0:
			return "None of it is in swap."
		case p.RssAnon < 0:
			return ""
		}
		return units.Percent(int64(p.VmSwap), int64(p.VmSwap+p.RssAnon)) + " of its anonymous memory is in swap."
	})}
}

// readRSS says which share of RAM that is, and its parts.
func readRSS(d detail) string {
	p := d.Row.P
	var s string
	for i := range d.Bounds {
		if r := &d.Bounds[i]; r.Source == inspect.Meminfo && r.Limit > 0 {
			s = string(units.AppendPercent(nil, float64(p.VmRSS)/r.Limit)) + " of RAM"
		}
	}
	if p.RssAnon < 0 || p.RssFile < 0 || p.RssShmem < 0 {
		if s == "" {
			return ""
		}
		return s + "."
	}
	if s != "" {
		s += ": "
	}
	size := func(n inspect.Num) string { return units.Size(uint64(n)) }
	return s + size(p.RssAnon) + " anonymous, " + size(p.RssFile) + " file, " + size(p.RssShmem) +
		" shared memory; shared pages are counted in full."
}

func scores() []detailField {
	return []detailField{read(OomScore(), readScore), read(OomScoreAdj(), readAdj)}
}

// readScore says how much of the score is the process's memory: since 5.9 one without any
// has two thirds of a thousand (fs/proc/base.c, proc_oom_score).
func readScore(d detail) string {
	p := d.Row.P
	adj := int64(p.OomScoreAdj)
	n := int64(p.OomScore)
	scale := kernel.ScaleOf(n, adj)
	if scale == kernel.ScaleUnknown {
		scale = inspect.Choose(d.Kernel().Since(5, 9), kernel.ScaleSince59, kernel.ScaleBefore59, kernel.ScaleUnknown)
	}
	if kernel.AtFloor(n, adj) { // vendors have the scale of 5.9 in older kernels
		scale = kernel.ScaleSince59
	}
	base := max(adj, 0)
	if scale == kernel.ScaleSince59 {
		base = (1000 + adj) * 2 / 3
	}
	switch {
	case adj == -1000:
		return "It is never killed."
	case n == 0 && base > 1:
		return "The OOM killer skips it: it has no memory of its own, has been reaped, or is the host's PID 1."
	case scale == kernel.ScaleUnknown:
		return fmt.Sprintf("Since Linux 5.9 a process without memory has %d with oom_score_adj %d, and before %d. "+
			"Which of the two this kernel counts from, nothing shows.", (1000+adj)*2/3, adj, max(adj, 0))
	case n-base <= 1:
		return fmt.Sprintf("A process with almost no memory has %d with this oom_score_adj, and so has this one.", base)
	default:
		return fmt.Sprintf("A process without memory has %d with oom_score_adj %d; the rest is its memory.", base, adj)
	}
}

func readAdj(d detail) string {
	switch adj := d.Row.P.OomScoreAdj; {
	case adj == 0:
		return "Only its memory use counts."
	case adj == -1000:
		return "The OOM killer never kills it."
	case adj < 0:
		return fmt.Sprintf("As if it used %s of RAM and swap less than it does.", units.Percent(int64(-adj), 1000))
	default:
		return fmt.Sprintf("As if it used %s of RAM and swap more than it does.", units.Percent(int64(adj), 1000))
	}
}
