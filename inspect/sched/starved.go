package sched

import (
	"cmp"
	"slices"
	"time"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/proc"
)

// Starved is a thread that was runnable at both ends of an interval and did not run between: its
// times and turns stood still. What it waits is not in them yet: the kernel adds it when the thread
// runs next (kernel/sched/stats.h, sched_info_arrive).
type Starved struct {
	proc.Row
	Over time.Duration // at least so long
	// Rival is who ran the most on its CPU, and Ran for which part of the interval; nil where nobody was
	// seen to.
	Rival *proc.Process
	Ran   float64
	// Quota is the cgroup that was out of its quota meanwhile; "" where there is none: then others
	// had the CPU.
	Quota string
}

// readReady reads the times of the runnable threads, kwhy's own left out.
func readReady(h *inspect.Host, s *Snapshot) {
	self := s.Procs.Host.Self
	s.ready = slices.DeleteFunc(s.ready, func(p *proc.Process) bool { return p.PID == self || p.TGID == self && self != 0 })
	proc.EachChunk(h, len(s.ready), func(r *proc.Reader, i int) {
		r.Fill(s.ready[i], inspect.Of(inspect.PIDSchedstat))
	})
}

// Starved returns the threads that an interval left without a CPU, the most important first: those
// of the lowest nice value. known is false where there was no interval, or no thread's times can be read.
func (s *Snapshot) Starved() (out []Starved, known bool) {
	return s.starved, s.watched
}

// ReadySeen returns of how many runnable threads the times could be read, or of how many processes
// the threads, where that is less than all.
func (s *Snapshot) ReadySeen() inspect.Seen {
	if t := s.SeenOf(inspect.PIDTask); !t.Whole() {
		return t
	}
	why := func(i int) inspect.Reason { return s.ready[i].Why(inspect.PIDSchedstat) }
	return inspect.SeenBy("thread", inspect.PIDSchedstat, len(s.ready), why)
}

// FindStarved finds them, now that the earlier sample is known.
func (s *Snapshot) FindStarved(was *Snapshot) {
	s.starved, s.watched = nil, false
	if was == nil {
		return
	}
	over := s.Settings.At.Sub(was.Settings.At)
	s.watched = over > 0
	before := make(map[int32]*proc.Process, len(was.ready))
	for _, p := range was.ready {
		before[p.PID] = p
	}
	quotas := s.throttledSince(was, over)
	for _, p := range s.ready {
		q := before[p.PID]
		if q == nil || !stood(q, p) || over < ticklessFor && inspect.InList(s.Lists.NohzFull, int(p.CPU)) {
			continue
		}
		s.Procs.FreezeRow(p)
		if p.Frozen { // which shows as R on some kernels
			continue
		}
		s.starved = append(s.starved, Starved{Row: proc.Row{Host: &s.Procs.Host, P: p, Was: q}, Over: over, Quota: s.outOfQuota(quotas, p)})
	}
	if len(s.starved) > 0 {
		s.findRivals(was, over)
	}
	slices.SortStableFunc(s.starved, func(a, b Starved) int { return cmp.Compare(a.P.Nice, b.P.Nice) })
}

// ticklessFor is how long a thread alone on a CPU of nohz_full= may seem not to run: nothing brings its
// times up to date there but a look from elsewhere once a second (kernel/sched/core.c, sched_tick_remote).
const ticklessFor = 3 * time.Second

// stood reports whether a thread has not run between two readings of it.
func stood(was, now *proc.Process) bool {
	return was.Start == now.Start && was.Turns != inspect.Unset && now.Turns != inspect.Unset && was.Turns == now.Turns && was.Ran == now.Ran
}

// throttledSince returns the cgroups that were, or may have been, out of their quota in the interval.
func (s *Snapshot) throttledSince(was *Snapshot, over time.Duration) (out []*cgroup.CPU) {
	for i := range s.Groups {
		g := &s.Groups[i]
		before := SameGroup(was, g)
		if before == nil || !g.Bounded {
			continue
		}
		// A period that does not end within the interval is not counted yet.
		_, had, lacked := before.Throttles()
		_, has, lacks := g.Throttles()
		long := time.Duration(g.Period)*time.Microsecond*2 > over && has > 0
		if long || has != had || cmp.Or(lacked, lacks) != inspect.Present {
			out = append(out, g)
		}
	}
	return out
}

// outOfQuota returns which of such cgroups a thread is in.
func (s *Snapshot) outOfQuota(quotas []*cgroup.CPU, p *proc.Process) string {
	if len(quotas) == 0 {
		return ""
	}
	list, err := cgroup.MembershipsOf(s.Settings.Host, p.Dir())
	if err != nil {
		return ""
	}
	version, at := cgroup.ControllerPath(list, "cpu")
	for _, g := range quotas {
		if _, in := cgroup.Below(at, g.Path); in && g.Version == version {
			return g.Path
		}
	}
	return ""
}

// findRivals finds who ran on the CPUs of those that did not.
func (s *Snapshot) findRivals(was *Snapshot, over time.Duration) {
	before := map[int32]*proc.Process{}
	was.threads.Each(func(p *proc.Process) { before[p.PID] = p })
	type most struct {
		p   *proc.Process
		ran uint64
	}
	by := map[int32]most{}
	s.threads.Each(func(p *proc.Process) {
		q := before[p.PID]
		if q == nil || q.Start != p.Start {
			return
		}
		if ran := p.UTime + p.STime - q.UTime - q.STime; ran > by[p.CPU].ran && p.UTime+p.STime >= q.UTime+q.STime {
			by[p.CPU] = most{p, ran}
		}
	})
	for i := range s.starved {
		it := &s.starved[i]
		if m, ok := by[it.P.CPU]; ok && m.p.PID != it.P.PID {
			it.Rival, it.Ran = m.p, min(s.Settings.Host.Seconds(m.ran)/over.Seconds(), 1)
		}
	}
}
