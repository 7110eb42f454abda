package proc

import (
	"bytes"
	"time"

	"github.com/prometheus/procfs"

	"kwhy/inspect"
)

// Snapshot is a host's processes and what the kernel says of them all.
type Snapshot struct {
	Settings *inspect.Settings
	Procs    *Processes
	Order    []int32          // rows that are shown
	Stat     inspect.Counters // /proc/stat: processes (forks since boot), procs_running, procs_blocked, ctxt
	Tasks    inspect.Num      // threads of the whole host, from loadavg
	LastPID  inspect.Num
	Threads  *Threads // of kwhy check: those that sched counts too
	Users    *Users   // nil where the status of processes was not read of all
	Was      *Snapshot

	StatWhy, LoadWhy inspect.Reason
}

// Missing says why a source gave nothing.
func (l *Snapshot) Missing(s inspect.Source) inspect.Reason {
	switch {
	case s == inspect.ProcStat:
		return l.StatWhy
	case s == inspect.Loadavg:
		return l.LoadWhy
	case s.Scope() == inspect.OfProcess || s == inspect.Uptime:
		return inspect.Present
	}
	return l.Settings.Missing(s)
}

// Before returns the sample an interval ago.
func (l *Snapshot) Before() (*Snapshot, time.Duration, bool) {
	if l.Was == nil {
		return nil, 0, false
	}
	return l.Was, l.Settings.At.Sub(l.Was.Settings.At), true
}

// Kernel returns the kernel that was read.
func (l *Snapshot) Kernel() inspect.Kernel { return l.Settings.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (l *Snapshot) Doubt(src inspect.Source) inspect.Doubt { return l.Settings.Host.Doubt(src) }

// SeenOf returns how much was seen of the processes that a source is read of.
func (l *Snapshot) SeenOf(s inspect.Source) inspect.Seen { return l.Procs.SeenOf(s) }

// Gaps lists the wanted sources that gave nothing.
func (l *Snapshot) Gaps() []inspect.Gap {
	out := l.Settings.Gaps()
	for _, g := range [...]inspect.Gap{{
		Source: inspect.ProcStat, Reason: l.StatWhy, Count: 1, Of: 1,
	}, {Source: inspect.Loadavg, Reason: l.LoadWhy, Count: 1, Of: 1}} {
		if g.Reason.IsGap() {
			out = append(out, g)
		}
	}
	return append(out, l.Procs.Gaps()...)
}

// Take reads the host's side; the caller has scanned the processes.
func Take(h *inspect.Host, ps *Processes, order []int32) (*Snapshot, error) {
	l := &Snapshot{
		Settings: h.Settings(inspect.Of(inspect.KernelPIDMax, inspect.KernelThreadsMax)), Procs: ps, Order: order,
		Tasks: inspect.Unset, LastPID: inspect.Unset,
	}
	var err error
	l.Stat, err = inspect.ByProcfs(h, inspect.ProcStat, StatOf, func() (inspect.Counters, error) { return h.Counters("stat", 8) })
	if l.StatWhy = inspect.ReasonOf(err); err == nil {
		h.WeighStat(1, 0, l.Stat)
	}
	ps.Notes(order)
	l.LoadWhy = inspect.ReasonOf(h.Proc.Single("loadavg", l.ParseLoadavg))
	h.WeighLoadavg(l.Tasks)
	const few = 8 // which may have ended since they were seen, or a tenth
	if n := l.Tasks; n > 0 && int64(n)+max(few, int64(n)/10) < int64(len(ps.Rows)) {
		l.Tasks, l.LoadWhy = inspect.Unset, inspect.Malformed // each process has a thread
	}
	return l, nil
}

// StatLacks reports whether one of the lines of /proc/stat that every kernel has is not among those
// that parsed.
func StatLacks(counts inspect.Counters) bool {
	for _, name := range [...]string{"ctxt", "btime", "processes", "procs_running", "procs_blocked"} {
		if _, ok := counts[name]; !ok {
			return true
		}
	}
	return false
}

// Partial reports whether a source gave only a part of what it holds.
func (l *Snapshot) Partial(s inspect.Source) bool {
	return s == inspect.ProcStat && l.StatWhy == inspect.Present && StatLacks(l.Stat)
}

// StatOf takes the counters of /proc/stat as procfs reads them. They stand behind the
// line of interrupts: where the boot time is not there, procfs came to its end too early,
// and what it has of them is no zero.
func StatOf(fs procfs.FS) (inspect.Counters, error) {
	s, err := fs.Stat()
	if err != nil {
		return nil, err
	}
	if s.BootTime == 0 || s.ProcessCreated == 0 {
		return nil, inspect.ErrMalformed
	}
	return inspect.Counters{"btime": s.BootTime, "ctxt": s.ContextSwitches, "processes": s.ProcessCreated,
		"procs_running": s.ProcessesRunning, "procs_blocked": s.ProcessesBlocked}, nil
}

// ParseLoadavg reads "0.00 0.01 0.05 2/231 4711". One without its newline may end in half a number.
func (l *Snapshot) ParseLoadavg(b []byte) error {
	rest, _ := inspect.CutLine(b)
	for range 3 {
		_, rest = inspect.CutField(rest)
	}
	ratio, rest := inspect.CutField(rest)
	_, all, ok := bytes.Cut(ratio, []byte("/"))
	l.Tasks, l.LastPID = inspect.ParseNum(all), inspect.ParseNum(rest)
	if !ok || l.Tasks == inspect.Unset {
		return inspect.ErrMalformed
	}
	return nil
}
