package proc

import "kwhy/inspect/cgroup"

// Notes finds out what can be said about the rows that are shown beyond their own files:
// the bound of their CPU time, the freezer of their cgroup, who could end
// what they wait for, the process of their tracer.
func (ps *Processes) Notes(rows []int32) {
	ps.Throttles(rows)
	ps.Freeze(rows)
	ps.FindWaitsOf(rows)
	for _, i := range rows {
		ps.tracer(&ps.Rows[i])
	}
}

func (ps *Processes) tracer(p *Process) {
	if _, ok := ps.Row(p.Tracer); ok || p.Tracer <= 0 {
		return
	}
	tgid, err := ProcessOf(ps.Host.Host, p.Tracer)
	if err != nil {
		return
	}
	if ps.Host.Tracers == nil {
		ps.Host.Tracers = map[int32]int32{}
	}
	ps.Host.Tracers[p.Tracer] = tgid
}

// Tracer returns the process that traces p, if this scan has it.
func (p Row) Tracer() (*Process, bool) {
	pid := p.P.Tracer
	if tgid, ok := p.Host.Tracers[pid]; ok {
		pid = tgid
	}
	i, ok := p.Host.All.Row(pid)
	if !ok {
		return nil, false
	}
	return &p.Host.All.Rows[i], true
}

// Throttles notes which of the given rows, of those that want a CPU now, are
// bounded by a cgroup.
func (ps *Processes) Throttles(rows []int32) {
	for _, i := range rows {
		if p := &ps.Rows[i]; p.State == 'R' && !p.Kthread() {
			ps.throttleRow(p)
		}
	}
}

func (ps *Processes) throttleRow(p *Process) {
	list, ok := ps.memberships(p)
	if !ok {
		return
	}
	t, ok := cgroup.ThrottleOf(ps.Host.Host, list)
	if !ok {
		return
	}
	if ps.Host.Throttled == nil {
		ps.Host.Throttled, ps.Host.quotas = map[int32]cgroup.Throttle{}, map[string]cgroup.Throttle{}
	}
	ps.Host.Throttled[p.PID], ps.Host.quotas[t.Path] = t, t
}

// Throttled returns the bound of a process's CPU time; since is what was counted
// over the interval, and known false where its cgroup was not read before.
func (p Row) Throttled() (t, since cgroup.Throttle, bounded, known bool) {
	if t, bounded = p.Host.Throttled[p.P.PID]; !bounded || p.Host.Was == nil {
		return t, since, bounded, false
	}
	if was, ok := p.Host.Was.quotas[t.Path]; ok {
		since, known = t.Since(was)
	}
	return t, since, bounded, known
}
