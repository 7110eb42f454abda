package oom

import (
	"fmt"

	"kwhy/explain"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

// What another oom_score_adj would make of a process.

// supposed declares a value of what --adj asks about.
func supposed(d doc, get func(*oomfacts.WhatIf) value, read func(task, *oomfacts.WhatIf) string) taskField {
	f := declare(d, func(t task) value {
		if t.If == nil || t.If.Moot && d.Key != "if_oom_score_adj" {
			return explain.None(inspect.Inapplicable)
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

// place is a rank, from 1.
func place(n int) value {
	if n == 0 {
		return explain.None(inspect.Inapplicable)
	}
	return explain.I(n)
}

func whatIf() []taskField {
	return append([]taskField{
		supposed(doc{
			Key: "if_oom_score_adj", Label: "with adj", Unit: explain.Plain, Show: explain.Always,
			Gist:    "The adjustment that was asked about; nothing is written.",
			Concept: "oom-score-adj",
		}, func(w *oomfacts.WhatIf) value { return explain.I(w.Adj) }, readSupposed),
		supposed(doc{
			Key: "if_oom_score", Label: "score then", Unit: explain.Plain,
			Gist: "The oom_score that it would have.",
		}, func(w *oomfacts.WhatIf) value { return explain.I(w.Score) }, func(t task, _ *oomfacts.WhatIf) string {
			return fmt.Sprintf("It is %d now.", t.Row.P.OomScore)
		}),
		supposed(doc{
			Key: "if_points", Label: "points then", Unit: explain.Pages,
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
		return "It would change nothing now: the kernel passes it over, reaped already or on borrowed memory after vfork."
	case w.Moot:
		return "What it would change can't be said: the parts of its badness are not to be seen."
	case w.Adj < t.Row.P.OomScoreAdj:
		return "Nothing was changed. To set it below the lowest that was set with privilege takes CAP_SYS_RESOURCE."
	}
	return "Nothing was changed. Raising it takes no privilege."
}

func ranksThen() []taskField {
	pid := func(p *procfacts.Process) value {
		if p == nil {
			return explain.None(inspect.Inapplicable)
		}
		return explain.I(p.PID)
	}
	return []taskField{
		supposed(doc{
			Key: "if_rank", Label: "rank then", Unit: explain.Plain,
			Gist:    "The place in the kill order that it would have.",
			Concept: "oom-killer",
		}, func(w *oomfacts.WhatIf) value { return place(w.Rank) }, func(t task, _ *oomfacts.WhatIf) string {
			if t.Rank == 0 {
				return "It can't be killed now."
			}
			return fmt.Sprintf("It is %d now.", t.Rank)
		}),
		supposed(doc{
			Key: "if_victim_pid", Label: "victim then", Unit: explain.Plain,
			Gist:    "Whom a global OOM would kill then.",
			Concept: "oom-killer",
		}, func(w *oomfacts.WhatIf) value { return pid(w.Victim) }, func(t task, w *oomfacts.WhatIf) string {
			return victim("If the whole machine runs out", w.Victim, t.Row.P)
		}),
		supposed(doc{
			Key: "if_rank_in_cgroup", Label: "rank there then", Unit: explain.Plain, Show: explain.Rare,
			Gist:    "The same in its limited cgroup.",
			Concept: "oom-killer",
		}, func(w *oomfacts.WhatIf) value { return place(w.RankInGroup) }, nil),
		supposed(doc{
			Key: "if_victim_in_cgroup_pid", Label: "victim there then", Unit: explain.Plain, Show: explain.Rare,
			Gist:    "Whom the limit of that cgroup would kill then.",
			Concept: "oom-killer",
		}, func(w *oomfacts.WhatIf) value { return pid(w.GroupVictim) }, func(t task, w *oomfacts.WhatIf) string {
			return victim("When that limit is hit", w.GroupVictim, t.Row.P)
		}),
	}
}

func victim(when string, p, self *procfacts.Process) string {
	switch {
	case p == nil:
		return when + ", nobody could be killed."
	case p.PID == self.PID:
		return when + ", it would die first."
	}
	return fmt.Sprintf("%s, %s would die first.", when, p.Comm)
}

// Stand works out where a process stands in a scan whose rows have all been
// read, and what an adjustment would make of it; nil asks for none.
func Stand(t *oomfacts.Task, adj *int32) {
	t.Rank, t.Killable = rank(t, t.Row.Host.OOM.Domain, everyone(t))
	if t.Group != nil {
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
	p.adj = int64(*adj)
	w.Killable = *adj != -1000
	if w.Killable {
		w.Score = p.score(&t.Row.Host.OOM)
	}
	w.Points, w.Rank, w.Victim = suppose(t, w.Killable, p, t.Row.Host.OOM.Domain, everyone(t))
	if t.Group != nil {
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
			continue // kwhy is gone by then
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

// suppose does the same for made-up parts, and says who would be first.
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
