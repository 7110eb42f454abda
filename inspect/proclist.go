package inspect

import (
	"bytes"
	"time"
)

// ProcList is a host's processes and what the kernel says of them all.
type ProcList struct {
	Mem     *Settings
	Procs   *Procs
	Order   []int32  // rows that are shown
	Stat    Counters // /proc/stat: processes (forks since boot), procs_running, procs_blocked, ctxt
	Tasks   Num      // threads of the whole host, from loadavg
	LastPID Num
	Was     *ProcList

	stat, load Reason
}

// Missing says why a source gave nothing.
func (l *ProcList) Missing(s Source) Reason {
	switch {
	case s == ProcStat:
		return l.stat
	case s == Loadavg:
		return l.load
	case s >= PIDStat || s == Uptime:
		return Present
	}
	return l.Mem.Missing(s)
}

// Before returns the sample an interval ago.
func (l *ProcList) Before() (*ProcList, time.Duration, bool) {
	if l.Was == nil {
		return nil, 0, false
	}
	return l.Was, l.Mem.At.Sub(l.Was.Mem.At), true
}

// Kernel returns the kernel that was read.
func (l *ProcList) Kernel() Version { return l.Mem.Host.Kernel }

// Gaps lists the wanted sources that gave nothing.
func (l *ProcList) Gaps() []Gap {
	out := l.Mem.Gaps()
	for _, g := range [...]Gap{{ProcStat, l.stat, 1, 1}, {Loadavg, l.load, 1, 1}} {
		if g.Reason.IsGap() {
			out = append(out, g)
		}
	}
	return append(out, l.Procs.Gaps(l.Order)...)
}

// ProcList reads the host's side; the caller has scanned the processes.
func (h *Host) ProcList(ps *Procs, order []int32) (*ProcList, error) {
	l := &ProcList{Mem: h.Settings(Of(KernelPIDMax, KernelThreadsMax)), Procs: ps, Order: order, Tasks: Unset, LastPID: Unset}
	var err error
	l.Stat, err = h.counters("stat", 8)
	l.stat = reasonFor(err)
	ps.Notes(order)
	l.load = reasonFor(h.proc.single("loadavg", l.parseLoadavg))
	return l, nil
}

// parseLoadavg reads "0.00 0.01 0.05 2/231 4711".
func (l *ProcList) parseLoadavg(b []byte) error {
	rest := trimNewline(b)
	for range 3 {
		_, rest = cutField(rest)
	}
	ratio, rest := cutField(rest)
	_, all, ok := bytes.Cut(ratio, []byte("/"))
	l.Tasks, l.LastPID = count(all), count(rest)
	if !ok || l.Tasks == Unset {
		return errMalformed
	}
	return nil
}
