package sched

import (
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/proc"
)

// SameGroup finds a cgroup in an earlier sample.
func SameGroup(was *Snapshot, g *cgroup.CPU) *cgroup.CPU {
	for i := range was.Groups {
		if was.Groups[i].Path == g.Path && was.Groups[i].Version == g.Version {
			return &was.Groups[i]
		}
	}
	return nil
}

// Snapshot is how a host's CPUs are shared out, at one moment and a moment before if
// it was asked to watch.
type Snapshot struct {
	Settings *inspect.Settings
	Procs    *proc.Processes
	Order    []int32 // rows that are shown

	Build   string            // uname -v: #1 SMP PREEMPT_DYNAMIC ...
	Cmdline string            // what the kernel was booted with
	Config  map[string]string // options that bear on scheduling; "n" for those that are not set
	Tick    time.Duration     // between two timer interrupts of a busy CPU
	Debug   Debugfs
	Ext     ExtState

	CPUs     []CPU // those of /proc/stat: the ones online
	All      CPUTimes
	NoTimes  inspect.Reason   // why there are none of them, where /proc/stat has other lines alone
	Stat     inspect.Counters // ctxt, processes, procs_running, procs_blocked
	Lists    inspect.CPULists
	Load     [3]string   // as /proc/loadavg has them
	Tasks    inspect.Num // threads of the whole host, from loadavg
	Loads    [3]uint64   // the same to the bit, in units of 1/2048
	Step     LoadStep
	Pressure inspect.Pressure

	Realtime []Task // tasks of policies that come before the fair ones
	Blocked  []Task // tasks in D
	Groups   []cgroup.CPU
	Walked   inspect.Seen // the cgroups that they are found among

	Was *Snapshot
	got [inspect.NumSources]inspect.Reason

	callable bool            // whether system calls mean the same processes
	ready    []*proc.Process // threads in R
	starved  []Starved
	watched  bool // these were looked for
	threads  *proc.Threads
	usage    *Usage // nil without an interval
}

// CPUTimes are the times of a CPU by kind, in ticks of 1/100 s since boot
// (proc_stat(5)). User holds Guest, and Nice GuestNice.
type CPUTimes struct {
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ, Steal, Guest, GuestNice uint64
}

// Total is all of it: guests' time is in user and nice already.
func (t *CPUTimes) Total() uint64 {
	return t.User + t.Nice + t.System + t.Idle + t.IOWait + t.IRQ + t.SoftIRQ + t.Steal
}

// Since returns the times that passed since an earlier sample, kind by kind: of one that went
// back, none.
func (t *CPUTimes) Since(was *CPUTimes) CPUTimes {
	less := func(now, then uint64) uint64 { return now - min(now, then) }
	return CPUTimes{
		User: less(t.User, was.User), Nice: less(t.Nice, was.Nice), System: less(t.System, was.System),
		Idle: less(t.Idle, was.Idle), IOWait: less(t.IOWait, was.IOWait), IRQ: less(t.IRQ, was.IRQ),
		SoftIRQ: less(t.SoftIRQ, was.SoftIRQ), Steal: less(t.Steal, was.Steal),
		Guest: less(t.Guest, was.Guest), GuestNice: less(t.GuestNice, was.GuestNice),
	}
}

// Grew returns the time of all CPUs together that passed over the interval, in seconds, by the kinds of
// it that went forward: the sum of all would be less than one of these where another fell.
func (s *Snapshot) Grew(key string) (n float64, ok bool) {
	if key != "cpu_time" || s.Was == nil {
		return 0, false
	}
	t := s.All.Since(&s.Was.All)
	return s.Settings.Host.Seconds(t.Total()), true
}

// CPU is one that is online.
type CPU struct {
	ID    int
	Times CPUTimes
	// Spoilt says that its line did not parse: then Times are nothing.
	Spoilt bool
	// From /proc/schedstat, in ns: what tasks ran here, and waited here while
	// others ran; Unset without it.
	Ran, Waited inspect.Num
}

// Debugfs is what debugfs has on the scheduler; Unset if it does not have it.
type Debugfs struct {
	Preempt                                    string // none, voluntary, full, lazy
	Features                                   []string
	BaseSlice, MinGranularity, Latency, Wakeup inspect.Num // ns
	FairRuntime, FairPeriod                    inspect.Num // ns, of the fair server of the first CPU
}

// ExtState is that of sched_ext.
type ExtState struct{ State, Ops string }

// LoadStep is an update of the load averages that was seen happen.
type LoadStep struct {
	Old, New [3]uint64
	Seen     bool
}

// Task is a thread with the parameters that sched_getattr returns.
type Task struct {
	proc.Row
	Attr *unix.SchedAttr
}

// Missing says why a source gave nothing.
func (s *Snapshot) Missing(src inspect.Source) inspect.Reason {
	switch src {
	case inspect.SchedLatency:
		return s.tunable(src, s.Debug.Latency)
	case inspect.SchedMinGranularity:
		return s.tunable(src, s.Debug.MinGranularity)
	case inspect.SchedWakeupGranularity:
		return s.tunable(src, s.Debug.Wakeup)
	}
	if src.Shape() == inspect.ShapeNumber {
		return s.Settings.Missing(src)
	}
	if src.Scope() == inspect.OfProcess {
		return inspect.Present
	}
	return s.got[src]
}

// SeenOf returns how much was seen of the processes that a source is read of.
func (s *Snapshot) SeenOf(src inspect.Source) inspect.Seen {
	if s.Procs == nil {
		return inspect.Seen{}
	}
	if src == inspect.PIDTask && s.threads != nil {
		return s.threads.Seen()
	}
	return s.Procs.SeenOf(src)
}

// tunable says why one of CFS is not there: a sysctl until 5.12, then a file of
// debugfs, and gone since 6.6.
func (s *Snapshot) tunable(src inspect.Source, debug inspect.Num) inspect.Reason {
	if debug != inspect.Unset {
		return inspect.Present
	}
	inDebugfs := inspect.Choose(s.Kernel().Since(6, 6), inspect.Inapplicable, s.got[inspect.SchedDebug], s.got[inspect.SchedDebug])
	return inspect.Choose(s.Kernel().Since(5, 13), inDebugfs, s.Settings.Missing(src), s.Settings.Missing(src))
}

// Before returns the sample an interval ago.
func (s *Snapshot) Before() (*Snapshot, time.Duration, bool) {
	if s.Was == nil {
		return nil, 0, false
	}
	return s.Was, s.Settings.At.Sub(s.Was.Settings.At), true
}

// still is for how long the times of all CPUs may be the same on a running host: they count
// hundredths of a second, of idle CPUs too.
const still = 200 * time.Millisecond

// Weigh notes where the times of the CPUs stood still since an earlier sample.
func (s *Snapshot) Weigh(was *Snapshot) {
	if was == nil || s.got[inspect.ProcStat] != inspect.Present || was.got[inspect.ProcStat] != inspect.Present {
		return
	}
	if s.NoTimes == inspect.Present && s.Settings.At.Sub(was.Settings.At) >= still && s.All == was.All {
		s.Settings.Host.StoodStill(inspect.ProcStat)
	}
}

// Kernel returns the kernel that was read.
func (s *Snapshot) Kernel() inspect.Kernel { return s.Settings.Host.Kernel }

// FairServer answers whether fair tasks have time of their own beside real-time ones, which is
// since 6.12; before, real-time tasks are throttled (kernel/sched/deadline.c, fair_server_init).
// Its files in debugfs show it whatever the version.
func (s *Snapshot) FairServer() inspect.Answer {
	if s.Debug.FairRuntime != inspect.Unset {
		return inspect.Yes
	}
	return s.Kernel().Since(6, 12)
}

// Doubt says why what a source says is not the kernel's own.
func (s *Snapshot) Doubt(src inspect.Source) inspect.Doubt { return s.Settings.Host.Doubt(src) }

// List is what the table of processes shares with it.
func (s *Snapshot) List() *proc.Snapshot {
	l := &proc.Snapshot{
		Settings: s.Settings, Procs: s.Procs, Order: s.Order, Stat: s.Stat, Tasks: s.Tasks,
		StatWhy: s.got[inspect.ProcStat], LoadWhy: s.got[inspect.Loadavg],
	}
	if s.Was != nil {
		l.Was = &proc.Snapshot{Settings: s.Was.Settings, Procs: s.Was.Procs, Stat: s.Was.Stat, Tasks: s.Was.Tasks}
	}
	return l
}

// Gaps lists the wanted sources that gave nothing.
func (s *Snapshot) Gaps() []inspect.Gap {
	out := s.Settings.Gaps()
	for src, r := range s.got {
		if r.IsGap() && r != inspect.Unread {
			out = append(out, inspect.Gap{Source: inspect.Source(src), Reason: r, Count: 1, Of: 1})
		}
	}
	if s.NoTimes.IsGap() && s.got[inspect.ProcStat] == inspect.Present {
		out = append(out, inspect.Gap{Source: inspect.ProcStat, Reason: s.NoTimes, Count: 1, Of: 1})
	}
	return append(append(out, s.threadGaps()...), s.Procs.Gaps()...)
}

// threadGaps counts the processes whose threads could not be read.
func (s *Snapshot) threadGaps() (out []inspect.Gap) {
	unread, all := s.threads.Unread()
	for r, n := range unread {
		if n > 0 && inspect.Reason(r) != inspect.Vanished {
			out = append(out, inspect.Gap{Source: inspect.PIDTask, Reason: inspect.Reason(r), Count: n, Of: all})
		}
	}
	return out
}

// Take reads the wanted sources of a host; the caller has scanned the processes.
func Take(h *inspect.Host, ps *proc.Processes, order []int32, want inspect.Sources) (*Snapshot, error) {
	return TakeBeside(h, ps, func() *proc.Threads { return proc.TakeThreads(h, ps) }, order, want)
}

// TakeBeside is Take where the threads of the processes were read already, or are by threads.
func TakeBeside(
	h *inspect.Host,
	ps *proc.Processes,
	threads func() *proc.Threads,
	order []int32,
	want inspect.Sources,
) (*Snapshot, error) {
	m := h.Settings(want.Only(func(s inspect.Source) bool {
		old := s == inspect.SchedLatency || s == inspect.SchedMinGranularity || s == inspect.SchedWakeupGranularity // sysctls until 5.12
		return s.Shape() == inspect.ShapeNumber && (!old || inspect.Choose(h.Kernel.Since(5, 13), false, true, true))
	}))
	s := &Snapshot{Settings: m, Procs: ps, Order: order, Tasks: inspect.Unset}
	s.Debug = Debugfs{
		BaseSlice: inspect.Unset, MinGranularity: inspect.Unset, Latency: inspect.Unset, Wakeup: inspect.Unset,
		FairRuntime: inspect.Unset, FairPeriod: inspect.Unset,
	}
	for src := range s.got {
		s.got[src] = inspect.Unread
	}
	for src := range want.Each() {
		if read := schedReader(h, s, src); read != nil {
			s.got[src] = read()
		}
	}
	s.threads = threads()
	schedTasks(h, s)
	readReady(h, s)
	ps.Notes(order)
	return s, nil
}

// schedReader returns what reads a source of its own into s.
func schedReader(h *inspect.Host, s *Snapshot, src inspect.Source) func() inspect.Reason {
	single := func(rel string, parse func([]byte) error) func() inspect.Reason {
		return func() inspect.Reason { return inspect.ReasonOf(h.Proc.Single(rel, parse)) }
	}
	switch src {
	case inspect.KernelBuild:
		return single("sys/kernel/version", func(b []byte) error { s.Build = string(inspect.TrimNewline(b)); return nil })
	case inspect.KernelCmdline:
		return single("cmdline", func(b []byte) error { s.Cmdline = string(inspect.TrimNewline(b)); return nil })
	case inspect.KernelConfig:
		return func() (r inspect.Reason) { s.Config, r = KernelConfig(h); return r }
	case inspect.TickClock:
		return func() inspect.Reason { return tick(h, s) }
	case inspect.Sysinfo:
		return func() (r inspect.Reason) { s.Loads, r = Loads(h); return r }
	case inspect.SchedDebug:
		return func() inspect.Reason { return schedDebug(h, &s.Debug) }
	case inspect.SchedExt:
		return func() inspect.Reason { return schedExt(h, &s.Ext) }
	case inspect.CPUList:
		return func() inspect.Reason { return h.CpuLists(&s.Lists) }
	case inspect.ProcStat:
		return func() inspect.Reason { return s.readStat(h) }
	case inspect.Loadavg:
		return single("loadavg", func(b []byte) error { defer func() { h.WeighLoadavg(s.Tasks) }(); return s.parseLoadavg(b) })
	case inspect.PressureCPU:
		return func() inspect.Reason {
			var err error
			s.Pressure, err = h.Pressure(src, "cpu")
			return inspect.ReasonOf(err)
		}
	case inspect.Schedstat:
		return func() inspect.Reason { return inspect.ReasonOf(h.Proc.With("schedstat", s.parseSchedstat)) }
	case inspect.CgroupCPU:
		return func() (r inspect.Reason) {
			s.Groups, s.Walked, r = cgroup.CPUGroups(h)
			s.got[inspect.CgroupCpuset] = r // the walk reads both
			return r
		}
	}
	return nil
}

// Part is one of the many of a kind that a host's scheduling has, in its context.
type Part[T any] = inspect.Part[*Snapshot, T]

// Parts is a list of them: the rows of a table.
type Parts[T any] = inspect.Parts[*Snapshot, T]

// SameCPU finds a CPU in an earlier sample.
func SameCPU(was *Snapshot, c *CPU) *CPU {
	for i := range was.CPUs {
		if was.CPUs[i].ID == c.ID {
			return &was.CPUs[i]
		}
	}
	return nil
}

// SameBlocked finds a task in D among those of an earlier sample.
func SameBlocked(was *Snapshot, t *Task) *Task { return sameTask(was.Blocked, t) }

// SameRealtime finds a real-time task among those of an earlier sample.
func SameRealtime(was *Snapshot, t *Task) *Task { return sameTask(was.Realtime, t) }

// sameTask finds a task by number and start: a number may be another's by now.
func sameTask(list []Task, t *Task) *Task {
	for i := range list {
		if p := list[i].P; p.PID == t.P.PID && p.Start == t.P.Start {
			return &list[i]
		}
	}
	return nil
}
