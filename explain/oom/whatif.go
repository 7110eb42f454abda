package oom

import (
	"cmp"
	"fmt"

	"kwhy/explain"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

// What another oom_score_adj would change for a process.

// declareIf declares a value of what --adj asks for.
func declareIf(d doc, get func(*oomfacts.WhatIf) value, read func(task, *oomfacts.WhatIf) string) taskField {
	f := declare(d, func(t task) value {
		if t.If == nil || t.If.Moot && d.Key != "if_oom_score_adj" {
			return explain.None(inspect.Inapplicable)
		}
		if t.If.Why != inspect.Present && d.Key != "if_oom_score_adj" {
			return explain.None(t.If.Why)
		}
		return get(t.If)
	}, nil)
	if read != nil {
		f.Reading = func(t task) string {
			if t.If == nil {
				return ""
			}
			return read(t, t.If)
		}
	}
	return f
}

func whatIf() []taskField {
	return append([]taskField{
		declareIf(doc{
			Key: "if_oom_score_adj", Label: "new oom_score_adj", Unit: explain.Plain, Show: explain.Always,
			Gist:    "The adjustment that --adj asks about; nothing is written.",
			Concept: "oom-score-adj",
		}, func(w *oomfacts.WhatIf) value { return explain.I(w.Adj) }, readSupposed),
		declareIf(doc{
			Key: "if_oom_score", Label: "new oom_score", Unit: explain.Plain,
			Gist: "The oom_score that it would have.",
		}, func(w *oomfacts.WhatIf) value { return explain.I(w.Score) }, func(t task, _ *oomfacts.WhatIf) string {
			return fmt.Sprintf("It is %d now.", t.Row.P.OomScore)
		}),
		declareIf(doc{
			Key: "if_points", Label: "new points", Unit: explain.Pages,
			Gist: "The points that it would have.",
		}, func(w *oomfacts.WhatIf) value {
			if !w.Killable {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(w.Points)
		}, nil),
	}, ranksThen()...)
}

func readSupposed(t task, w *oomfacts.WhatIf) string {
	switch {
	case w.Moot && immortal(t.Row) != "":
		return "It would change nothing: " + immortal(t.Row) + "."
	case w.Moot && spared(t.Row):
		return "It would change nothing now: the kernel skips it, because it was already reaped or uses its parent's memory after vfork."
	case w.Why != inspect.Present:
		return "What it would change is unknown: the host's RAM and swap could not be read."
	case w.Moot:
		return "What it would change is unknown: the parts of its badness could not be read."
	case w.Adj < t.Row.P.OomScoreAdj:
		return "Nothing was changed. Setting it below the lowest value that was set with privilege needs CAP_SYS_RESOURCE."
	}
	return "Nothing was changed. Raising it needs no privilege."
}

func ranksThen() []taskField {
	pid := func(p *procfacts.Process) value {
		if p == nil {
			return explain.None(inspect.Inapplicable)
		}
		return explain.I(p.PID)
	}
	list := []taskField{
		declareIf(doc{
			Key: "if_rank", Label: "new rank", Unit: explain.Plain,
			Gist:    "The place in the kill order that it would have.",
			Concept: "oom-killer",
		}, func(w *oomfacts.WhatIf) value { return rankThen(w.Rank) }, func(t task, _ *oomfacts.WhatIf) string {
			if t.Rank == 0 {
				return "It can't be killed now."
			}
			return fmt.Sprintf("It is %d now.", t.Rank)
		}),
		declareIf(doc{
			Key: "if_victim_pid", Label: "new victim", Unit: explain.Plain,
			Gist:    "The process that a global OOM would kill then.",
			Concept: "oom-killer",
		}, func(w *oomfacts.WhatIf) value { return pid(w.Victim) }, func(t task, w *oomfacts.WhatIf) string {
			return victim("In a global OOM", w.Victim, t.Row.P)
		}),
		declareIf(doc{
			Key: "if_rank_in_cgroup", Label: "new rank in cgroup", Unit: explain.Plain, Show: explain.Rare,
			Gist:    "Its place in the kill order of its limited cgroup.",
			Concept: "oom-killer",
		}, func(w *oomfacts.WhatIf) value { return rankThen(w.RankInGroup) }, nil),
		declareIf(doc{
			Key: "if_victim_in_cgroup_pid", Label: "new victim in cgroup", Unit: explain.Plain, Show: explain.Rare,
			Gist:    "The process that would be killed at that cgroup's limit then.",
			Concept: "oom-killer",
		}, func(w *oomfacts.WhatIf) value { return pid(w.GroupVictim) }, func(t task, w *oomfacts.WhatIf) string {
			return victim("When that limit is hit", w.GroupVictim, t.Row.P)
		}),
	}
	for i := range list {
		list[i] = amongAll(list[i])
	}
	return list
}

// rankThen is a rank, from 1; 0 is that of a process that can't be killed then.
func rankThen(n int) value {
	if n == 0 {
		return explain.None(inspect.Inapplicable)
	}
	return explain.I(n)
}

func victim(when string, p, self *procfacts.Process) string {
	switch {
	case p == nil:
		return when + ", no process could be killed."
	case p.PID == self.PID:
		return when + ", it would be killed first."
	}
	return fmt.Sprintf("%s, %s would be killed first.", when, p.Comm)
}

// Stand finds the rank of a process in a scan whose rows have all been
// read, and what another adjustment would change; nil asks for none.
func Stand(t *oomfacts.Task, adj *int32) {
	t.Rank, t.Killable = rank(t, t.Row.Host.OOM.Domain, everyone(t))
	for _, i := range everyone(t) {
		if r := t.OOM.Procs.At(int(i)); r.P.PID != r.Host.Self {
			t.Unjudged = cmp.Or(t.Unjudged, unjudged(r, r.Host.OOM.Domain, r.Host.OOM.Why))
		}
	}
	if t.Group != nil && !t.Group.KillerOff() {
		t.RankInGroup, t.KillableGroup = rank(t, t.Group.Total, members(t))
	}
	if adj == nil {
		return
	}
	w := &oomfacts.WhatIf{Adj: *adj}
	t.If = w
	p, ok := chosen(t.Row)
	if !ok || immortal(t.Row) != "" && t.Row.P.OomScoreAdj != -1000 || spared(t.Row) {
		w.Moot = true
		return
	}
	if w.Why = t.Row.Host.OOM.Why; w.Why != inspect.Present {
		return
	}
	p.adj = int64(*adj)
	w.Killable = *adj != -1000
	if w.Killable {
		w.Score = p.score(&t.Row.Host.OOM)
	}
	w.Points, w.Rank, w.Victim = suppose(t, w.Killable, p, t.Row.Host.OOM.Domain, everyone(t))
	if t.Group != nil && !t.Group.KillerOff() {
		w.GroupPoints, w.RankInGroup, w.GroupVictim = suppose(t, w.Killable, p, t.Group.Total, members(t))
	}
}

func everyone(t task) []int32 {
	out := make([]int32, t.OOM.Procs.Len())
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

func members(t task) (out []int32) {
	for _, pid := range t.Group.PIDs {
		if i, ok := t.OOM.Procs.Row(pid); ok {
			out = append(out, i)
		}
	}
	return out
}

// rank returns a process's place among rows, and how many of them can be killed.
func rank(t task, total uint64, rows []int32) (place, of int) {
	mine, ok := pointsIn(t.Row, total)
	place = 1
	for _, i := range rows {
		n, can := pointsIn(t.OOM.Procs.At(int(i)), total)
		if !can || t.OOM.Procs.Rows[i].PID == t.Row.Host.Self && t.Row.P.PID != t.Row.Host.Self {
			continue // kwhy will have ended by then
		}
		of++
		if n > mine {
			place++
		}
	}
	if !ok {
		return 0, of
	}
	return place, of
}

// suppose does the same for assumed parts, and says which process would be first.
func suppose(t task, killable bool, p parts, total uint64, rows []int32) (points int64, place int, first *procfacts.Process) {
	points, place = p.points(&t.Row.Host.OOM, total), 1
	var most int64
	for _, i := range rows {
		r := t.OOM.Procs.At(int(i))
		n, can := pointsIn(r, total)
		if !can || r.P.PID == t.Row.P.PID || r.P.PID == t.Row.Host.Self {
			continue
		}
		if n > points {
			place++
		}
		if first == nil || n > most {
			first, most = r.P, n
		}
	}
	if !killable {
		return points, 0, first
	}
	if first == nil || points >= most {
		first = t.Row.P
	}
	return points, place, first
}
