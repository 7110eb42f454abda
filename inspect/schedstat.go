package inspect

import (
	"bytes"
	"strconv"
	"strings"
)

// parseStat reads the times by CPU and the counters of /proc/stat. The line of
// interrupts, which may be long, is passed over.
func (s *Sched) parseStat(b []byte) error {
	s.Stat = Counters{}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, rest := cutField(line)
		switch {
		case bytes.HasPrefix(name, []byte("cpu")):
			t, ok := parseTimes(rest)
			id, err := strconv.Atoi(string(name[3:]))
			switch {
			case !ok:
				return errMalformed
			case len(name) == 3:
				s.All = t
			case err == nil && id >= 0:
				s.CPUs = append(s.CPUs, CPU{ID: id, Times: t, Ran: Unset, Waited: Unset})
			}
		case bytes.Equal(name, []byte("intr")), bytes.Equal(name, []byte("softirq")):
		default:
			if n, ok := parseUint(rest); ok {
				s.Stat[string(name)] = n
			}
		}
	}
	if s.All.Total() == 0 && len(s.Stat) == 0 {
		return errMalformed
	}
	return nil
}

// parseTimes reads the times of one CPU: four at least, ten since 2.6.33.
func parseTimes(b []byte) (t CPUTimes, ok bool) {
	to := [...]*uint64{&t.User, &t.Nice, &t.System, &t.Idle, &t.IOWait, &t.IRQ, &t.SoftIRQ, &t.Steal, &t.Guest, &t.GuestNice}
	for i, p := range to {
		var field []byte
		field, b = cutField(b)
		n, good := parseUint(field)
		if !good {
			return t, i >= 4 && len(field) == 0
		}
		*p = n
	}
	return t, true
}

func (s *Sched) parseLoadavg(b []byte) error {
	var l ProcList
	if err := l.parseLoadavg(b); err != nil {
		return err
	}
	rest := b
	for i := range s.Load {
		var field []byte
		field, rest = cutField(rest)
		if _, err := strconv.ParseFloat(string(field), 64); err != nil {
			return errMalformed
		}
		s.Load[i] = string(field)
	}
	s.Tasks = l.Tasks
	return nil
}

// parseSchedstat reads the lines of CPUs: the seventh and eighth number are the
// time that tasks ran and that they waited (Documentation/scheduler/
// sched-stats.rst; so in all versions since 15).
func (s *Sched) parseSchedstat(b []byte) error {
	found := false
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		f := strings.Fields(string(line))
		if len(f) < 10 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		id, err := strconv.Atoi(f[0][3:])
		ran, ok1 := parseUint([]byte(f[7]))
		waited, ok2 := parseUint([]byte(f[8]))
		if err != nil || !ok1 || !ok2 {
			return errMalformed
		}
		found = true
		for i := range s.CPUs {
			if s.CPUs[i].ID == id {
				s.CPUs[i].Ran, s.CPUs[i].Waited = Num(ran), Num(waited)
			}
		}
	}
	if !found {
		return errMalformed
	}
	return nil
}
