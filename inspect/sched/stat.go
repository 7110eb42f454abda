package sched

import (
	"bytes"
	"strconv"
	"strings"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// parseStat reads the times by CPU and the counters of /proc/stat. The line of
// interrupts, which may be long, is passed over.
func (s *Snapshot) parseStat(b []byte) error {
	s.Stat, s.NoTimes = inspect.Counters{}, inspect.NotSaved // unless there is such a line
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		name, rest := inspect.CutField(line)
		switch {
		case bytes.HasPrefix(name, []byte("cpu")):
			t, ok := parseTimes(rest)
			id, err := strconv.Atoi(string(name[3:]))
			switch {
			case !ok && len(name) == 3:
				s.NoTimes = inspect.Malformed
			case len(name) == 3:
				s.All, s.NoTimes = t, inspect.Present
			case err == nil && id >= 0:
				s.CPUs = append(s.CPUs, CPU{ID: id, Times: t, Spoilt: !ok, Ran: inspect.Unset, Waited: inspect.Unset})
			}
		case bytes.Equal(name, []byte("intr")), bytes.Equal(name, []byte("softirq")):
		default:
			if n, ok := inspect.ParseUint(rest); ok {
				s.Stat[string(name)] = n
			}
		}
	}
	if s.NoTimes != inspect.Present && len(s.Stat) == 0 {
		return inspect.ErrMalformed
	}
	return nil
}

// Partial reports whether a source gave only a part of what it holds: every kernel has these lines
// of /proc/stat (fs/proc/stat.c, show_stat).
func (s *Snapshot) Partial(src inspect.Source) bool {
	return src == inspect.ProcStat && s.got[src] == inspect.Present && proc.StatLacks(s.Stat)
}

func (s *Snapshot) readStat(h *inspect.Host) inspect.Reason {
	err := h.Proc.Single("stat", s.parseStat)
	if s.NoTimes == inspect.NotSaved && h.Live {
		s.NoTimes = inspect.Malformed
	}
	switch {
	case err == nil && s.NoTimes == inspect.Present:
		h.WeighStat(s.All.Total(), len(s.CPUs), s.Stat)
	case err == nil:
		h.WeighStat(0, 0, s.Stat)
	}
	return inspect.ReasonOf(err)
}

// parseTimes reads the times of one CPU: four at least, ten since 2.6.33.
func parseTimes(b []byte) (t CPUTimes, ok bool) {
	to := [...]*uint64{&t.User, &t.Nice, &t.System, &t.Idle, &t.IOWait, &t.IRQ, &t.SoftIRQ, &t.Steal, &t.Guest, &t.GuestNice}
	for i, p := range to {
		var field []byte
		field, b = inspect.CutField(b)
		n, good := inspect.ParseUint(field)
		if !good {
			return t, i >= 4 && len(field) == 0
		}
		*p = n
	}
	return t, true
}

func (s *Snapshot) parseLoadavg(b []byte) error {
	var l proc.Snapshot
	if err := l.ParseLoadavg(b); err != nil {
		return err
	}
	rest := b
	for i := range s.Load {
		var field []byte
		field, rest = inspect.CutField(rest)
		if _, err := strconv.ParseFloat(string(field), 64); err != nil {
			return inspect.ErrMalformed
		}
		s.Load[i] = string(field)
	}
	s.Tasks = l.Tasks
	return nil
}

// parseSchedstat reads the lines of CPUs: the seventh and eighth number are the
// time that tasks ran and that they waited (Documentation/scheduler/
// sched-stats.rst; so in all versions since 15).
func (s *Snapshot) parseSchedstat(b []byte) error {
	found := false
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		f := strings.Fields(string(line))
		if len(f) < 10 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		id, err := strconv.Atoi(f[0][3:])
		ran, ok1 := inspect.ParseUint([]byte(f[7]))
		waited, ok2 := inspect.ParseUint([]byte(f[8]))
		if err != nil || !ok1 || !ok2 {
			continue // of that CPU it is not known, and of all together neither
		}
		found = true
		for i := range s.CPUs {
			if s.CPUs[i].ID == id {
				s.CPUs[i].Ran, s.CPUs[i].Waited = inspect.Num(ran), inspect.Num(waited)
			}
		}
	}
	if !found {
		return inspect.ErrMalformed
	}
	return nil
}
