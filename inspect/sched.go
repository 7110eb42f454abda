package inspect

import (
	"time"

	"golang.org/x/sys/unix"
)

// Sched is how a host's CPUs are shared out, at one moment and a moment before if
// it was asked to watch.
type Sched struct {
	Mem   *Settings
	Procs *Procs
	Order []int32 // rows that are shown

	Build   string            // uname -v: #1 SMP PREEMPT_DYNAMIC ...
	Cmdline string            // what the kernel was booted with
	Config  map[string]string // options that bear on scheduling; "n" for those that are not set
	Tick    time.Duration     // between two timer interrupts of a busy CPU
	Debug   SchedDebugfs
	Ext     SchedExtState

	CPUs     []CPU // those of /proc/stat: the ones online
	All      CPUTimes
	Stat     Counters // ctxt, processes, procs_running, procs_blocked
	Lists    CPULists
	Load     [3]string // as /proc/loadavg has them
	Tasks    Num       // threads of the whole host, from loadavg
	Loads    [3]uint64 // the same to the bit, in units of 1/2048
	Step     LoadStep
	Pressure Pressure

	Realtime []Task // tasks of policies that come before the fair ones
	Blocked  []Task // tasks in D
	Groups   []CPUGroup

	Was *Sched
	got [nSources]Reason

	callable  bool          // whether system calls mean the same processes
	ready     []*Process    // threads in R
	threaded  int           // processes of more than one thread
	noThreads [nReasons]int // of these, those whose threads could not be read
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

// CPU is one that is online.
type CPU struct {
	ID    int
	Times CPUTimes
	// From /proc/schedstat, in ns: what tasks ran here, and waited here while
	// others ran; Unset without it.
	Ran, Waited Num
}

// CPULists are lists of CPUs such as "0-3,8", as /sys has them; "" for none.
type CPULists struct {
	Online, Isolated, NohzFull string
	SMT                        string // on, off, notsupported, ...; "" if unknown
}

// SchedDebugfs is what debugfs tells of the scheduler; Unset where it does not.
type SchedDebugfs struct {
	Preempt                                    string // none, voluntary, full, lazy
	Features                                   []string
	BaseSlice, MinGranularity, Latency, Wakeup Num // ns
	FairRuntime, FairPeriod                    Num // ns, of the fair server of the first CPU
}

// SchedExtState is that of sched_ext.
type SchedExtState struct{ State, Ops string }

// LoadStep is an update of the load averages that was seen happen.
type LoadStep struct {
	Old, New [3]uint64
	Seen     bool
}

// Task is a thread with the parameters that sched_getattr tells.
type Task struct {
	Proc
	Attr *unix.SchedAttr
}

// Missing says why a source gave nothing.
func (s *Sched) Missing(src Source) Reason {
	switch src {
	case SchedLatency:
		return s.tunable(src, s.Debug.Latency)
	case SchedMinGranularity:
		return s.tunable(src, s.Debug.MinGranularity)
	case SchedWakeupGranularity:
		return s.tunable(src, s.Debug.Wakeup)
	}
	if src.shape() == number {
		return s.Mem.Missing(src)
	}
	if src >= PIDStat {
		return Present
	}
	return s.got[src]
}

// tunable says why one of CFS is not there: a sysctl until 5.12, then a file of
// debugfs, and gone since 6.6.
func (s *Sched) tunable(src Source, debug Num) Reason {
	switch k := s.Kernel(); {
	case debug != Unset:
		return Present
	case !k.AtLeast(5, 13):
		return s.Mem.Missing(src)
	case k.AtLeast(6, 6):
		return Inapplicable
	}
	return s.got[SchedDebug]
}

// Before returns the sample an interval ago.
func (s *Sched) Before() (*Sched, time.Duration, bool) {
	if s.Was == nil {
		return nil, 0, false
	}
	return s.Was, s.Mem.At.Sub(s.Was.Mem.At), true
}

// Kernel returns the kernel that was read.
func (s *Sched) Kernel() Version { return s.Mem.Host.Kernel }

// List is what the table of processes shares with it.
func (s *Sched) List() *ProcList {
	l := &ProcList{Mem: s.Mem, Procs: s.Procs, Order: s.Order, Stat: s.Stat, Tasks: s.Tasks, stat: s.got[ProcStat], load: s.got[Loadavg]}
	if s.Was != nil {
		l.Was = &ProcList{Mem: s.Was.Mem, Procs: s.Was.Procs, Stat: s.Was.Stat, Tasks: s.Was.Tasks}
	}
	return l
}

// Gaps lists the wanted sources that gave nothing.
func (s *Sched) Gaps() []Gap {
	out := s.Mem.Gaps()
	for src, r := range s.got {
		if r.IsGap() && r != Unread {
			out = append(out, Gap{Source(src), r, 1, 1})
		}
	}
	return append(append(out, s.threadGaps()...), s.Procs.Gaps(s.Order)...)
}

// threadGaps counts the processes whose threads could not be read.
func (s *Sched) threadGaps() (out []Gap) {
	for r, n := range s.noThreads {
		if n > 0 && Reason(r) != Vanished {
			out = append(out, Gap{PIDTask, Reason(r), n, s.threaded})
		}
	}
	return out
}

// Sched reads the wanted sources of a host; the caller has scanned the processes.
func (h *Host) Sched(ps *Procs, order []int32, want Sources) (*Sched, error) {
	m := h.Settings(want.Only(func(s Source) bool {
		old := s == SchedLatency || s == SchedMinGranularity || s == SchedWakeupGranularity // sysctls until 5.12
		return s.shape() == number && (!old || !h.Kernel.AtLeast(5, 13))
	}))
	s := &Sched{Mem: m, Procs: ps, Order: order, Tasks: Unset}
	s.Debug = SchedDebugfs{BaseSlice: Unset, MinGranularity: Unset, Latency: Unset, Wakeup: Unset, FairRuntime: Unset, FairPeriod: Unset}
	for src := range s.got {
		s.got[src] = Unread
	}
	for src := None + 1; src < PIDStat; src++ {
		if read := h.schedReader(s, src); read != nil && want.Has(src) {
			s.got[src] = read()
		}
	}
	h.schedTasks(s)
	ps.Notes(order)
	return s, nil
}

// Only returns the members of a set that keep.
func (set Sources) Only(keep func(Source) bool) (out Sources) {
	for s := None + 1; s < nSources; s++ {
		if set.Has(s) && keep(s) {
			out = out.Plus(Of(s))
		}
	}
	return out
}

// schedReader returns what reads a source of its own into s.
func (h *Host) schedReader(s *Sched, src Source) func() Reason {
	single := func(rel string, parse func([]byte) error) func() Reason {
		return func() Reason { return reasonFor(h.proc.single(rel, parse)) }
	}
	switch src {
	case KernelBuild:
		return single("sys/kernel/version", func(b []byte) error { s.Build = string(trimNewline(b)); return nil })
	case KernelCmdline:
		return single("cmdline", func(b []byte) error { s.Cmdline = string(trimNewline(b)); return nil })
	case KernelConfig:
		return func() (r Reason) { s.Config, r = h.kernelConfig(); return r }
	case TickClock:
		return func() Reason { return h.tick(s) }
	case Sysinfo:
		return func() (r Reason) { s.Loads, r = h.Loads(); return r }
	case SchedDebug:
		return func() Reason { return h.schedDebug(&s.Debug) }
	case SchedExt:
		return func() Reason { return h.schedExt(&s.Ext) }
	case CPUList:
		return func() Reason { return h.cpuLists(&s.Lists) }
	case ProcStat:
		return func() Reason { return reasonFor(h.proc.single("stat", s.parseStat)) }
	case Loadavg:
		return single("loadavg", s.parseLoadavg)
	case PressureCPU:
		return single("pressure/cpu", func(b []byte) (err error) { s.Pressure, err = parsePressure(b); return err })
	case Schedstat:
		return func() Reason { return reasonFor(h.proc.with("schedstat", s.parseSchedstat)) }
	case CgroupCPU:
		return func() (r Reason) {
			s.Groups, r = h.cpuGroups()
			s.got[CgroupCpuset] = r // the walk reads both
			return r
		}
	}
	return nil
}

// SchedPart is one of the many of a kind in a host's scheduling.
type SchedPart[T any] struct {
	Sched *Sched
	It    *T
	N     int
	was   func(*Sched, *T) *T
}

// Missing says why a source gave nothing.
func (p SchedPart[T]) Missing(s Source) Reason { return p.Sched.Missing(s) }

// Before returns the same one an interval ago.
func (p SchedPart[T]) Before() (SchedPart[T], time.Duration, bool) {
	was, over, ok := p.Sched.Before()
	if !ok || p.was == nil {
		return SchedPart[T]{}, 0, false
	}
	it := p.was(was, p.It)
	return SchedPart[T]{was, it, p.N, p.was}, over, it != nil
}

// Kernel returns the kernel that was read.
func (p SchedPart[T]) Kernel() Version { return p.Sched.Kernel() }

// SchedParts is a list in its context: the rows of a table. Was finds one in an
// earlier sample, where there is one.
type SchedParts[T any] struct {
	Sched *Sched
	List  []T
	Was   func(*Sched, *T) *T
}

// Missing says why a source gave nothing, so that there are no rows.
func (l SchedParts[T]) Missing(s Source) Reason { return l.Sched.Missing(s) }

// Len returns how many there are.
func (l SchedParts[T]) Len() int { return len(l.List) }

// At returns one of them.
func (l SchedParts[T]) At(i int) SchedPart[T] {
	return SchedPart[T]{l.Sched, &l.List[i], i, l.Was}
}

// SameCPU finds a CPU in an earlier sample.
func SameCPU(was *Sched, c *CPU) *CPU {
	for i := range was.CPUs {
		if was.CPUs[i].ID == c.ID {
			return &was.CPUs[i]
		}
	}
	return nil
}

// SameBlocked finds a task in D among those of an earlier sample.
func SameBlocked(was *Sched, t *Task) *Task { return sameTask(was.Blocked, t) }

// SameRealtime finds a real-time task among those of an earlier sample.
func SameRealtime(was *Sched, t *Task) *Task { return sameTask(was.Realtime, t) }

// sameTask finds a task by number and start: a number may be another's by now.
func sameTask(list []Task, t *Task) *Task {
	for i := range list {
		if p := list[i].P; p.PID == t.P.PID && p.Start == t.P.Start {
			return &list[i]
		}
	}
	return nil
}
