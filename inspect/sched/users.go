package sched

import (
	"cmp"
	"slices"
	"time"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// Used is the CPU time that the processes of one name had over an interval, in CPUs: seconds a second.
type Used struct {
	Comm  string
	Count int // processes of that name that had some
	CPUs  float64
	// Top is the one of them that had the most, and Most how much.
	Top  *proc.Process
	Most float64
}

// Usage is who had the CPUs over an interval.
type Usage struct {
	By      []Used // the greatest first; kwhy itself is left out
	Busiest Used   // of By the one with the process that had the most; none where no process had any
	// Gone is the time that programs had by /proc/stat and that no process has which is still there: those
	// that ended had it. It is 0 where not all processes can be seen, or that file is not the kernel's own.
	Gone float64
	Over time.Duration

	spent []float64 // of each process that had some
}

// Usage returns who had the CPUs; known is false where there was no interval.
func (s *Snapshot) Usage() (u *Usage, known bool) { return s.usage, s.usage != nil }

// AtLeast returns how many processes had the time of so many CPUs, or more.
func (u *Usage) AtLeast(cpus float64) (n int) {
	for _, f := range u.spent {
		if f >= cpus {
			n++
		}
	}
	return n
}

// few is of how many processes the cgroup is read: those that are named.
const few = 3

// FindUsers finds who had the CPUs, now that the earlier sample is known.
func (s *Snapshot) FindUsers(was *Snapshot) {
	s.usage = nil
	if was == nil || was.Procs == nil || s.Procs == nil {
		return
	}
	u := &Usage{Over: s.Procs.Host.At.Sub(was.Procs.Host.At)}
	if u.Over <= 0 {
		return
	}
	by := map[string]*Used{}
	all := 0.0
	for i := range s.Procs.Rows {
		p := &s.Procs.Rows[i]
		ticks := spent(was.Procs, p)
		if ticks == 0 {
			continue
		}
		cpus := s.Settings.Host.Seconds(ticks) / u.Over.Seconds()
		all += cpus
		if p.PID == s.Procs.Host.Self {
			continue
		}
		u.spent = append(u.spent, cpus)
		of := by[p.Comm]
		if of == nil {
			of = &Used{Comm: p.Comm}
			by[p.Comm] = of
		}
		if of.Count, of.CPUs = of.Count+1, of.CPUs+cpus; cpus > of.Most {
			of.Top, of.Most = p, cpus
		}
	}
	for _, of := range by {
		u.By = append(u.By, *of)
	}
	slices.SortFunc(u.By, func(a, b Used) int { return cmp.Or(cmp.Compare(b.CPUs, a.CPUs), cmp.Compare(a.Comm, b.Comm)) })
	for i := range u.By {
		if u.By[i].Most > u.Busiest.Most {
			u.Busiest = u.By[i]
		}
	}
	s.usage = u
	u.Gone = s.gone(was, all, u.Over)
	s.placeUsers()
}

// spent is the CPU time in ticks that a process had since an earlier scan: all of its time where it is new.
func spent(was *proc.Processes, p *proc.Process) uint64 {
	times := proc.StatFields(14, 15, 22)
	if p.Why(inspect.PIDStat) != inspect.Present || p.Spoilt(times) {
		return 0
	}
	now := p.UTime + p.STime
	i, ok := was.Row(p.PID)
	if !ok {
		return now
	}
	q := &was.Rows[i]
	switch {
	case q.Why(inspect.PIDStat) != inspect.Present, q.Spoilt(times):
		return 0 // what it had before is not known
	case q.Start != p.Start:
		return now
	}
	return now - min(now, q.UTime+q.STime)
}

// gone is what the processes that were seen did not have of the time that programs had.
func (s *Snapshot) gone(was *Snapshot, all float64, over time.Duration) float64 {
	ofStat := func(s *Snapshot) bool {
		return s.NoTimes == inspect.Present && s.got[inspect.ProcStat] == inspect.Present
	}
	switch {
	case !ofStat(s), !ofStat(was), s.Doubt(inspect.ProcStat).Any():
		return 0
	case !s.Procs.Seen().Whole(), !s.Procs.SeenOf(inspect.PIDStat).Whole(), !was.Procs.SeenOf(inspect.PIDStat).Whole():
		return 0
	}
	t := s.All.Since(&was.All)
	return max(s.Settings.Host.Seconds(t.User+t.Nice+t.System)/over.Seconds()-all, 0)
}

// placeUsers reads the cgroups of those that are named.
func (s *Snapshot) placeUsers() {
	var rows []int32
	note := func(u *Used) {
		if u.Top == nil {
			return
		}
		if i, ok := s.Procs.Row(u.Top.PID); ok && !slices.Contains(rows, i) {
			rows = append(rows, i)
		}
	}
	note(&s.usage.Busiest)
	for i := range s.usage.By[:min(len(s.usage.By), few)] {
		note(&s.usage.By[i])
	}
	s.Procs.Fill(rows, inspect.Of(inspect.PIDCgroup))
}
