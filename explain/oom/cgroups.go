package oom

import (
	"cmp"
	"fmt"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/mem"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

type part = oomfacts.Part

// Total is what the processes of a group can use at most, in pages: what their
// points and adjustments are relative to when it hits its limit.
func Total(g *oomfacts.Group, m *memfacts.Snapshot) uint64 {
	limit, why := g.Limit()
	page := m.Host.PageSize
	if why != inspect.Present || page == 0 {
		return 0
	}
	swappiness, ok := m.Number(inspect.VMSwappiness)
	if g.Version == 1 && g.Swap != inspect.Unset {
		swappiness, ok = int64(g.Swap), true
	}
	if !ok {
		swappiness = 1
	}
	totalSwap, known := m.Info["SwapTotal"]
	if !known || faked(m.Host) || m.Host.Doubt(inspect.VMSwappiness).Any() {
		return 0
	}
	swap, why := g.SwapLimit()
	switch {
	case g.NoSwap() != inspect.Present && totalSwap > 0:
		return 0
	case why != inspect.Present:
		swap = totalSwap // no bound of its own
	case g.Version == 1:
		swap -= min(swap, limit)
	}
	return uint64(kernel.MemcgTotal(int64(limit/page), int64(swap/page), int64(totalSwap/page), swappiness))
}

// pointsIn returns a process's points in a domain of its own.
func pointsIn(r row, total uint64) (int64, bool) {
	t, ok := chosen(r)
	if !ok || !Killable(r) || total == 0 {
		return 0, false
	}
	return t.points(&r.Host.OOM, total), true
}

// SetTotal finds what the points of a group's processes are relative to, or why that is not known.
func SetTotal(g *oomfacts.Group, m *memfacts.Snapshot) {
	if g.Total, g.NoTotal = Total(g, m), inspect.Present; g.Total != 0 {
		return
	}
	_, limited := g.Limit()
	g.NoTotal = cmp.Or(limited, m.Missing(inspect.Meminfo), g.NoSwap(), inspect.Malformed)
	if faked(m.Host) || m.Host.Doubt(inspect.VMSwappiness).Any() {
		g.NoTotal = inspect.Foreign
	}
}

// noKiller says why it is not known whether its OOM killer is disabled, which version 1 alone can say.
func noKiller(g *oomfacts.Group) inspect.Reason {
	if g.Version == 1 {
		return g.NoEvents()
	}
	return inspect.Present
}

// unjudged says why it is not known whether, or how soon, one of those whose points are set against a total would
// be killed; Present where it is known.
func unjudged(r row, total uint64, noTotal inspect.Reason) inspect.Reason {
	if !Killable(r) {
		return inspect.Present
	}
	lacks := cmp.Or(r.Missing(inspect.PIDStatus), r.Missing(inspect.PIDOomScoreAdj), noTotal)
	if _, ok := pointsIn(r, total); !ok {
		return cmp.Or(lacks, r.Missing(inspect.PIDStat), inspect.Malformed)
	}
	return inspect.Present
}

// Judge finds which process the kernel would kill when a group hits its limit, which is none where its
// OOM killer is disabled, and which has the highest oom_score in /proc. The members must have been read.
func Judge(ps *procfacts.Processes, g *oomfacts.Group) {
	g.Victim, g.ByScore, g.NoScore, g.Judged = nil, nil, inspect.Present, inspect.Seen{}
	if g.KillerOff() {
		return
	}
	g.Judged = inspect.SeenBy("process", inspect.PIDStatus, len(g.PIDs), func(n int) inspect.Reason {
		i, ok := ps.Row(g.PIDs[n])
		switch {
		case ok:
			return cmp.Or(noKiller(g), unjudged(ps.At(int(i)), g.Total, g.NoTotal))
		case ps.Seen().Whole():
			return inspect.Vanished
		}
		return ps.Seen().Reason
	})
	for _, pid := range g.PIDs {
		if i, ok := ps.Row(pid); ok {
			noteVictim(ps.At(int(i)), g)
		}
	}
	if g.Victim != nil && g.Unseen == inspect.Present {
		g.Whole = g.KilledWhole(g.Victim.Cgroup)
	}
}

// noteVictim notes a member of a group where it comes first so far.
func noteVictim(r row, g *oomfacts.Group) {
	n, ok := pointsIn(r, g.Total)
	if !ok {
		return
	}
	if g.Victim == nil || n > g.Points {
		g.Victim, g.Points = r.P, n
	}
	if why := r.Missing(inspect.PIDOomScore); why != inspect.Present {
		g.NoScore = why
	} else if g.ByScore == nil || r.P.OomScore > g.ByScore.OomScore {
		g.ByScore = r.P
	}
}

// Cgroups lists the memory cgroups with a limit, the fullest first.
func Cgroups() *explain.Table[oomfacts.Part] {
	shared := func(p part) memfacts.Part[cgroupfacts.Memory] {
		return memfacts.Part[cgroupfacts.Memory]{In: p.In.Mem, It: &p.It.Memory, N: p.N}
	}
	var fields []explain.Field[part]
	for _, f := range mem.Cgroups().Fields {
		switch f.Key {
		case "why":
			continue
		case "peak":
			f.Show = explain.Wide
		}
		fields = append(fields, explain.Lift(f, shared))
	}
	fields = append(append(fields, groupColumns()...), stateColumns()...)
	fields = append(fields, victimColumns()...)
	fields = append(fields, explain.Field[part]{
		Doc: doc{
			Key:    "why",
			Source: inspect.CgroupMemory, Also: scannedToo(),
			Gist:    "Which process would be killed there, and earlier kills.",
			Concept: "oom-killer",
		},
		Get: func(p part) value { return explain.S(whyGroup(p)) },
	})
	rules := append(groupRules(), explain.LiftRule(mem.CgroupStalled(), shared))
	return &explain.Table[part]{Name: "cgroups", Sort: []string{"used", "path"}, Fields: fields, Rules: rules}
}

// event reads a counter of memory.events, or of v1's oom_control.
func event(key, label, gist string, since inspect.Version, show explain.Show) explain.Field[part] {
	return explain.Field[part]{Doc: doc{
		Key: key, Kernel: key, Label: label, Unit: explain.Count, Counter: true, Show: show,
		Source: inspect.CgroupMemory, Since: since,
		Gist:    gist,
		Concept: "memory-cgroup",
	}, Get: func(p part) value {
		v := mem.Event(&p.It.Memory, key)
		if !v.Has() && p.It.Version == 1 {
			return explain.None(cmp.Or(v.Reason(), inspect.Inapplicable))
		}
		return v
	}}
}

func groupColumns() []explain.Field[part] {
	src, concept := inspect.CgroupMemory, explain.Concept("memory-cgroup")
	return []explain.Field[part]{
		{Doc: doc{
			Key: "used", Label: "UNRECLAIMABLE", Unit: explain.Ratio,
			Source:  src,
			Gist:    "The share of the limit in use that reclaim can neither drop nor swap out.",
			Concept: concept,
		}, Get: func(p part) value {
			if _, why := p.It.Limit(); why != inspect.Present {
				return explain.None(why)
			}
			return mem.Pressed(p.In.Mem, &p.It.Memory)
		}},
		event("oom_kill", "KILLS", "OOM kills in it, and since 5.2 in cgroups below it.", inspect.Version{Major: 4, Minor: 13}, explain.Always),
		event("oom", "OOM", "How often an allocation was about to fail at the limit, or at one below it.", inspect.Version{}, explain.Wide),
		event("oom_group_kill", "GROUP KILLS", "How often a whole cgroup was killed (memory.oom.group).",
			inspect.Version{Major: 5, Minor: 17}, explain.Data),
		{Doc: doc{
			Key: "max", Kernel: "max", Label: "MAX", Unit: explain.Count, Counter: true, Show: explain.Wide,
			Source:  src,
			Gist:    "How often the limit, or since 5.2 one below it, forced reclaim; v1: failcnt.",
			Concept: concept,
		}, Get: func(p part) value {
			if p.It.Version == 1 {
				return explain.Opt(p.It.Failures)
			}
			return mem.Event(&p.It.Memory, "max")
		}},
		{Doc: doc{
			Key: "under_oom", Kernel: "under_oom", Unit: explain.Bool, Show: explain.Data,
			Source:  src,
			Gist:    "v1: whether its tasks wait for memory now, with the OOM killer disabled.",
			Concept: concept,
		}, Get: func(p part) value {
			if n, ok := p.It.Events["under_oom"]; ok {
				return explain.B(n != 0)
			}
			return explain.None(cmp.Or(p.It.NoEvents(), inspect.Inapplicable))
		}},
		{Doc: doc{
			Key: "oom_group", Unit: explain.Bool, Show: explain.Data,
			Source: src, Since: inspect.Version{Major: 4, Minor: 19},
			Gist:    "memory.oom.group: whether all its processes are killed with a victim.",
			Concept: concept,
		}, Get: func(p part) value {
			if p.It.Version == 1 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.B(p.It.Together)
		}},
	}
}

// stateColumns say how to read its counters, and how much its tasks are stalled.
func stateColumns() []explain.Field[part] {
	src, concept := inspect.CgroupMemory, explain.Concept("memory-cgroup")
	return []explain.Field[part]{
		{Doc: doc{
			Key: "events_local", Unit: explain.Bool, Show: explain.Data,
			Source:  src,
			Gist:    "Whether its counters exclude the cgroups below: before 5.2, or so mounted.",
			Concept: concept,
		}, Get: func(p part) value {
			if p.It.Version == 1 {
				return explain.B(true)
			}
			return explain.B(p.It.Local)
		}},
		{Doc: doc{
			Key: "pressure_full", Label: "PSI FULL", Unit: explain.Ratio, Show: explain.Wide,
			Source: src, Since: inspect.Version{Major: 4, Minor: 20}, Option: "CONFIG_PSI, cgroup v2",
			Gist:    "Share of the last 10 s in which its tasks on a CPU were all stalled on memory.",
			Concept: "pressure",
		}, Get: func(p part) value {
			switch {
			case p.It.Pressure.Full != nil:
				return explain.F(p.It.Pressure.Full.Avg10 / 100)
			case p.It.Version == 1:
				return explain.None(inspect.Inapplicable)
			}
			return explain.None(p.It.Lacks(cgroupfacts.MemoryPressure))
		}},
		{Doc: doc{
			Key: "oom_total", Unit: explain.Bytes, Show: explain.Data,
			Source: src, Also: also(inspect.Meminfo, inspect.VMSwappiness),
			Gist:    "What points in it are relative to: its limit plus the swap it may use.",
			Concept: "oom-score",
		}, Get: func(p part) value {
			switch {
			case p.In.Doubt(inspect.Meminfo).Any() || p.In.Doubt(inspect.VMSwappiness).Any():
				return explain.None(inspect.Foreign)
			case p.It.Total == 0:
				return value{}
			}
			return explain.N(p.It.Total * p.In.Mem.Host.PageSize)
		}},
	}
}

// scannedToo is the sources that a group's victim depends on.
func scannedToo() []inspect.Source {
	return also(inspect.Meminfo, inspect.VMSwappiness, inspect.SelfMountinfo,
		inspect.PIDStatus, inspect.PIDStat, inspect.PIDOomScoreAdj, inspect.PIDOomScore)
}

func victimColumns() []explain.Field[part] {
	declare := func(d doc, get func(*oomfacts.Group) value) explain.Field[part] {
		d.Source, d.Also, d.Concept = inspect.CgroupMemory, scannedToo(), "oom-killer"
		return explain.Field[part]{Doc: d, Get: func(p part) value { return get(p.It) }}
	}
	// Where some processes were not seen, the first may be one of these.
	first := func(d doc, get func(*oomfacts.Group) value) explain.Field[part] {
		f := declare(d, get)
		f.Get = func(p part) value {
			switch _, limited := p.It.Limit(); {
			case limited == inspect.Unlimited:
				return explain.None(inspect.Inapplicable) // nobody is killed for it
			case limited != inspect.Present:
				return explain.None(limited)
			}
			if seen := membersSeen(p); !seen.Whole() {
				return explain.None(seen.Reason)
			}
			return get(p.It)
		}
		return f
	}
	of := func(pick func(*oomfacts.Group) *procfacts.Process, get func(*procfacts.Process) value) func(*oomfacts.Group) value {
		return func(g *oomfacts.Group) value {
			if p := pick(g); p != nil {
				return get(p)
			}
			return explain.None(inspect.Inapplicable)
		}
	}
	victim := func(g *oomfacts.Group) *procfacts.Process { return g.Victim }
	byScore := func(g *oomfacts.Group) *procfacts.Process { return g.ByScore }
	pid := func(p *procfacts.Process) value { return explain.I(p.PID) }
	return []explain.Field[part]{
		declare(doc{
			Key: "processes", Label: "PROCS", Unit: explain.Count, Show: explain.Wide,
			Gist: "Processes in it and below it.",
		}, func(g *oomfacts.Group) value {
			if g.Unseen != inspect.Present {
				return explain.None(g.Unseen)
			}
			return explain.I(len(g.PIDs))
		}),
		first(doc{
			Key: "victim_pid", Label: "VICTIM", Unit: explain.Plain,
			Gist: "The process killed when this limit is hit; none where none can be.",
		}, of(victim, pid)),
		first(doc{
			Key: "victim_comm", Show: explain.Data,
			Gist: "The victim's name.",
		}, of(victim, func(p *procfacts.Process) value { return explain.S(p.Comm) })),
		first(doc{
			Key: "victim_points", Unit: explain.Pages, Show: explain.Data,
			Gist: "The victim's points, relative to this cgroup's total, not the host's.",
		}, func(g *oomfacts.Group) value {
			if g.Victim == nil {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(g.Points)
		}),
		first(doc{
			Key: "highest_score_pid", Unit: explain.Plain, Show: explain.Data,
			Gist: "The process with the highest oom_score, which is relative to the host.",
		}, func(g *oomfacts.Group) value {
			if g.NoScore != inspect.Present {
				return explain.None(g.NoScore)
			}
			return of(byScore, pid)(g)
		}),
		declare(doc{
			Key: "dies_whole", Show: explain.Data,
			Gist: "The cgroup that is killed as a whole with the victim (memory.oom.group).",
		}, func(g *oomfacts.Group) value {
			if g.Whole == "" {
				return explain.None(inspect.Inapplicable)
			}
			return explain.S(g.Whole)
		}),
	}
}

// membersSeen returns of how many of a cgroup's processes it is known whether and how soon they would be
// killed; there may be others that were not seen.
func membersSeen(p part) inspect.Seen {
	seen, why := p.It.Judged, p.It.Unseen
	switch host := p.In.SeenOf(inspect.PIDEntry); {
	case why == inspect.Present:
		return seen
	case host.Open && host.Reason == why:
		return seen.Within(host)
	}
	seen.Open, seen.Beyond, seen.Reason = true, why, cmp.Or(seen.Reason, why)
	return seen
}

// soughtIn is among how many processes those of a cgroup were found, where these say which cgroup they are in.
func soughtIn(p part) inspect.Seen {
	seen, why := p.In.SeenOf(inspect.PIDEntry), p.It.Unseen
	if why != inspect.Present && seen.Whole() {
		seen.Open, seen.Beyond, seen.Reason, seen.Source = true, why, why, inspect.CgroupMemory
	}
	return seen
}

// nobodyIn says that no process of a cgroup is known.
func nobodyIn(p part) string {
	switch {
	case p.It.Unseen == inspect.Present:
		return "no process in it"
	case oomfacts.ByProcess(p.In.Mem.Host):
		return units.NoneOf("no process in it", soughtIn(p))
	}
	return "which processes are in it is not known: " + units.AbsentWord(p.It.Unseen)
}

func whyGroup(p part) string {
	g := p.It
	seen := membersSeen(p)
	members := units.Plural(len(g.PIDs), "process is in it", "processes are in it")
	var s string
	switch _, limited := g.Limit(); {
	case limited == inspect.Unlimited:
		return "no hard limit, so that nobody is killed for it: " + mem.Held(&g.Memory)
	case limited != inspect.Present:
		return "whether it has a hard limit is not known: " + units.AbsentWord(limited)
	case len(g.PIDs) == 0:
		s = nobodyIn(p)
	case g.KillerOff():
		s = members + "; its OOM killer is disabled (oom_kill_disable): at the limit its tasks wait, and none is killed"
	case !seen.Whole():
		s = members
		if oomfacts.ByProcess(p.In.Mem.Host) {
			s += ", " + units.Among(soughtIn(p))
		} else if seen.Missed() == 0 {
			s += ", and there may be others: " + units.AbsentWord(g.Unseen)
		}
		if n := seen.Missed(); n > 0 {
			s += "; which one would be killed first is not known: the points of " + units.Plural(n, "process", "processes") +
				" can't be computed (" + units.AbsentWord(seen.Reason) + ")"
		}
	case g.Victim == nil:
		s = "none of its processes can be killed"
	default:
		s = fmt.Sprintf("%s (%d) is first, with %s points", g.Victim.Comm, g.Victim.PID, units.Number(g.Points))
		if g.ByScore != nil && g.ByScore != g.Victim && g.ByScore.OomScore > g.Victim.OomScore {
			s += fmt.Sprintf(", though %s (%d) has the higher oom_score, %d to %d: one step of oom_score_adj is worth less here",
				g.ByScore.Comm, g.ByScore.PID, g.ByScore.OomScore, g.Victim.OomScore)
		}
		if g.Whole != "" {
			s += "; all of " + g.Whole + " is killed with it (memory.oom.group)"
		}
	}
	if n := g.Events["oom_kill"]; n > 0 {
		s += "; " + units.Plural(n, "process was", "processes were") + " killed in it before"
	}
	return s + nearlyFull(p)
}

// nearlyFull says of a cgroup that is as good as at its limit, and has little that reclaim cannot take, that the
// limit is met by reclaim.
func nearlyFull(p part) string {
	const near, little = 0.9, 0.5
	limit, r1 := p.It.Limit()
	use, r2 := p.It.Use()
	held := mem.Pressed(p.In.Mem, &p.It.Memory)
	if r1 != inspect.Present || r2 != inspect.Present || !held.Has() || float64(use) < near*float64(limit) || held.Float() > little {
		return ""
	}
	return fmt.Sprintf("; it uses %s of the limit, of which all but %s can be dropped or swapped out",
		units.Percent(min(use, limit), limit), units.AppendPercent(nil, held.Float()))
}

func groupRules() []explain.Rule[part] {
	return []explain.Rule[part]{{
		ID: "oom.cgroup_near_limit", What: "memory that cannot be reclaimed / limit", Unit: explain.Ratio,
		Means: "At the limit the kernel reclaims from the cgroup alone, " +
			"and if that frees nothing it kills a process in it or below, however much the host has free.",
		Evidence: []string{"used", "limit"}, Concept: "memory-cgroup", Next: "kwhy oom --cgroup PATH",
		NextOf: func(p part) string { return "kwhy oom --cgroup " + units.Shell(p.It.Path) },
		Of: func(p part) value {
			switch {
			case p.It.KillerOff() && p.It.Events["under_oom"] > 0:
				return value{} // oom.cgroup_stuck speaks of it
			case p.It.Empty():
				return explain.F(0) // nobody is in it who could ask for more, or be killed
			}
			return mem.Pressed(p.In.Mem, &p.It.Memory)
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.97},
		Say: func(p part) string {
			s := fmt.Sprintf("cgroup %s uses %s of its limit for memory that cannot be reclaimed",
				p.It.Path, units.AppendPercent(nil, mem.Pressed(p.In.Mem, &p.It.Memory).Float()))
			switch {
			case p.It.KillerOff():
				s += ": at the limit its tasks will wait, for its OOM killer is disabled"
			case p.It.Victim != nil && membersSeen(p).Whole():
				s += fmt.Sprintf(": %s (%d) would be killed first", p.It.Victim.Comm, p.It.Victim.PID)
			}
			return s
		},
	}, {
		ID: "oom.cgroup_stuck", What: "under_oom", Unit: explain.Count,
		Means: "The OOM killer of this cgroup is disabled (oom_kill_disable), so tasks that need more memory sleep in D, and none is killed. " +
			"What ends that is memory freed in it, a higher limit, its killer enabled again, or SIGKILL for a task of it.",
		Evidence: []string{"under_oom", "limit"}, Concept: "memory-cgroup", Next: "kwhy proc --threads --state D",
		Of: func(p part) value { return explain.Look(p.It.Events, "under_oom") }, At: explain.At{Critical: 1},
		Say: func(p part) string {
			if limit, why := p.It.Limit(); why == inspect.Present && p.It.KillerOff() {
				return fmt.Sprintf("cgroup %s is at its limit of %s and its OOM killer is disabled: its tasks wait for memory, and none is killed",
					p.It.Path, units.Size(limit))
			}
			return fmt.Sprintf("tasks of cgroup %s wait for memory, and none is killed", p.It.Path)
		},
	}}
}
