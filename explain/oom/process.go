package oom

import (
	"fmt"
	"slices"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
)

type (
	task      = *oomfacts.Task
	taskField = explain.Field[*oomfacts.Task]
)

func rowOf(t task) row { return t.Row }

// Process explains one process's badness, its rank, and what another
// adjustment would change.
func Process() explain.Card[*oomfacts.Task] {
	var terms []taskField
	for _, f := range append([]column{proc.VmRSS()}, append(proc.RssParts(), proc.VmSwap(), proc.VmPTE())...) {
		f.Show, f.Label = explain.Always, "" // a card has room for the kernel's own spelling
		terms = append(terms, explain.Lift(f, rowOf))
	}
	return explain.Card[*oomfacts.Task]{Name: "oom PID", Sections: []explain.Section[*oomfacts.Task]{
		{Title: "Badness", Fields: badness()},
		{Title: "Parts of the badness", Fields: slices.Concat(terms, counted(), adjusted())},
		{Title: "Rank", Fields: standing()},
		{Title: "With another oom_score_adj", Fields: whatIf()},
	}}
}

// declare declares a value of one process.
func declare(d doc, get func(task) value, read func(task) string) taskField {
	if d.Source == inspect.None {
		d.Source, d.Also = inspect.PIDStatus, also(inspect.PIDStat, inspect.PIDOomScoreAdj, inspect.PIDOomScore, inspect.Meminfo)
	}
	if d.Concept == "" {
		d.Concept = "oom-score"
	}
	return taskField{Doc: d, Get: get, Reading: read}
}

func badness() []taskField {
	score := declare(doc{
		Key: "oom_score", Kernel: "oom_score", Unit: explain.Plain,
		Source: inspect.PIDOomScore,
		Also:   also(inspect.PIDStat, inspect.PIDStatus, inspect.PIDOomScoreAdj, inspect.Meminfo),
		Gist:   "The kernel's own figure: its memory and adjustment, relative to all memory.",
	}, func(t task) value { return explain.Opt(t.Row.P.OomScore) }, readScore)
	score.Derive = deriveScore
	points := declare(doc{
		Key: "points", Unit: explain.Pages,
		Gist: "What the kernel compares: RSS, swap and page tables, and the adjustment.",
	}, func(t task) value {
		if n, ok := Points(t.Row); ok {
			return explain.I(n)
		}
		return none(t.Row)
	}, readPoints)
	points.Derive = derivePoints
	return []taskField{
		declare(doc{
			Key: "killable", Unit: explain.Bool,
			Gist:    "Whether the OOM killer may kill it.",
			Concept: "oom-killer",
		}, func(t task) value { return explain.B(Killable(t.Row)) }, func(t task) string {
			switch s := immortal(t.Row); {
			case s != "":
				return "Never: " + s + "."
			case spared(t.Row):
				return "Not now: its oom_score is 0, though its parts give more. It was already reaped, or it uses its parent's memory after vfork."
			}
			if g := t.Group; g != nil && g.KillerOff() {
				return "In an OOM of the whole host. At the limit of " + g.Path + " nobody is killed: its OOM killer is disabled."
			}
			return "It can be killed."
		}),
		score, points,
	}
}

func readScore(t task) string {
	r := t.Row
	n, file, ok := recompute(r)
	if immortal(r) != "" {
		return "The kernel skips it."
	}
	switch {
	case !ok && r.Host.OOM.Host == 0:
		return "It cannot be computed here: that takes the host's RAM and swap."
	case !ok && r.Missing(inspect.PIDOomScoreAdj) != inspect.Present:
		return "It cannot be computed here: that takes its oom_score_adj."
	case !ok:
		return "Its parts could not be read."
	}
	s := ""
	if r.Host.OOM.Sure59() {
		s = fmt.Sprintf("On a scale where an idle process has %d, and one that fills RAM and swap twice as much.", idle(t.OOM))
	}
	switch file {
	case "":
		return s + fmt.Sprintf(" Its parts give %d: %s.", n, offBecause(n-int64(r.P.OomScore)))
	case fromStatus, fromStat:
		s += fmt.Sprintf(" The RSS of %s gives this figure, that of the other file does not.", file)
	}
	return s + scoreBefore(t)
}

// scoreBefore says what the score was an interval ago.
func scoreBefore(t task) string {
	was, over, ok := t.Before()
	if !ok || was.Row.Missing(inspect.PIDOomScore) != inspect.Present || was.Row.P.OomScore == t.Row.P.OomScore {
		return ""
	}
	return fmt.Sprintf(" %s ago it was %d.", units.Span(over.Seconds()), was.Row.P.OomScore)
}

// terms adds the parts of the badness to a derivation.
func terms(w *explain.Working, t task, total uint64) (parts, bool) {
	p, read := taken(t.Row)
	_, ok := chosen(t.Row)
	opt := func(n int64, known bool) value {
		if !known {
			return value{}
		}
		return explain.I(n)
	}
	src, field := inspect.PIDStat, "field 24"
	if usesStatus(t.Row) {
		src, field = inspect.PIDStatus, "VmRSS"
	}
	w.Take("rss", opt(p.rss, read), explain.Pages, src, field)
	w.Take("swap", opt(p.swap, read), explain.Pages, inspect.PIDStatus, "VmSwap")
	w.Take("tables", opt(p.tables, read), explain.Pages, inspect.PIDStatus, "VmPTE")
	w.Take("adj", opt(p.adj, ok), explain.Plain, inspect.PIDOomScoreAdj, "oom_score_adj")
	all := value{}
	if total > 0 {
		all = explain.N(total)
	}
	w.Take("total", all, explain.Pages, inspect.Meminfo, "MemTotal, SwapTotal")
	return p, ok
}

func deriveScore(t task) explain.Derivation {
	if immortal(t.Row) != "" {
		return explain.Derivation{} // it is always 0
	}
	var w explain.Working
	s := &t.Row.Host.OOM
	p, ok := terms(&w, t, s.Host)
	result := value{}
	if ok {
		result = explain.I(p.score(s))
	}
	formula := "(1000 + (rss + swap + tables + adj * (total / 1000)) * 1000 / total) * 2 / 3"
	if !s.Since59 {
		formula = "max(rss + swap + tables + adj * (total / 1000), 1) * 1000 / total"
	}
	d := w.Done(formula, explain.Plain, result)
	d.Cause = "pages that CPUs have yet to add up, or the process changed between the reads"
	if spared(t.Row) {
		d.Cause = "the kernel skips it: already reaped, or vfork"
	}
	return d
}

func derivePoints(t task) explain.Derivation {
	var w explain.Working
	p, ok := terms(&w, t, t.Row.Host.OOM.Domain)
	result := value{}
	if ok {
		result = explain.I(p.points(&t.Row.Host.OOM, t.Row.Host.OOM.Domain))
	}
	formula := "rss + swap + tables + adj * (total / 1000)"
	if !t.Row.Host.OOM.Since59 {
		formula = "max(" + formula + ", 1)"
	}
	return w.Done(formula, explain.Pages, result)
}

func readPoints(t task) string {
	p, _ := chosen(t.Row)
	page := int64(t.OOM.Mem.Host.PageSize)
	s := units.Size(uint64((p.rss+p.swap+p.tables)*page)) + " would be freed at most: pages that others map too stay."
	if p.adj != 0 {
		worth := kernel.AdjPages(p.adj, int64(t.Row.Host.OOM.Domain)) * page
		verb := "adds"
		if worth < 0 {
			worth, verb = -worth, "subtracts"
		}
		s += fmt.Sprintf(" Its adjustment %s %s.", verb, units.Size(uint64(worth)))
	}
	return s
}

// counted is the RSS that the points contain, where status has another.
func counted() []taskField {
	return []taskField{
		declare(doc{
			Key: "points_rss", Label: "RSS in badness", Unit: explain.Pages,
			Gist: "RSS as the OOM code counts it.",
		}, func(t task) value {
			if p, ok := taken(t.Row); ok {
				return explain.I(p.rss)
			}
			return none(t.Row)
		}, func(t task) string {
			p, _ := taken(t.Row)
			size := units.Size(uint64(p.rss) * t.OOM.Mem.Host.PageSize)
			_, file, known := recompute(t.Row)
			switch off := p.rss - inPages(t.Row, t.Row.P.VmRSS); {
			case off != 0 && (!known || file == ""):
				return fmt.Sprintf("%s by stat, %s by VmRSS: which of both the OOM code reads its score would show, and does not here.", size,
					units.Size(uint64(t.Row.P.VmRSS)))
			case off < 0:
				return fmt.Sprintf("%s: %s fewer than VmRSS. The OOM code reads the quick sum of stat, "+
					"which lacks what CPUs have not added yet.", size, units.Plural(-off, "page", "pages"))
			case off > 0:
				return fmt.Sprintf("%s: %s more than VmRSS. The OOM code reads the quick sum of stat, "+
					"from which CPUs have not yet subtracted what they unmapped.", size, units.Plural(off, "page", "pages"))
			}
			return size + ", the same as VmRSS."
		}),
	}
}

func adjusted() []taskField {
	return []taskField{
		declare(doc{
			Key: "oom_score_adj", Kernel: "oom_score_adj", Unit: explain.Plain,
			Source: inspect.PIDOomScoreAdj, Also: also(inspect.Meminfo),
			Gist:    "From -1000 (never killed) to 1000 (killed first); children inherit it.",
			Concept: "oom-score-adj",
		}, func(t task) value { return explain.I(t.Row.P.OomScoreAdj) }, readAdj),
		declare(doc{
			Key: "oom_score_adj_from", Label: "same adj as ancestor", Unit: explain.Plain, Show: explain.Rare,
			Source: inspect.PIDOomScoreAdj, Also: also(inspect.PIDStat),
			Gist:    "The nearest ancestor with the same adjustment: it may be inherited from there.",
			Concept: "oom-score-adj",
		}, func(t task) value {
			if t.From == nil {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(t.From.PID)
		}, func(t task) string {
			return fmt.Sprintf("%s. Children inherit it, and the kernel does not record who set it.", t.From.Comm)
		}),
	}
}

func readAdj(t task) string {
	step := t.Row.Host.OOM.Host / 1000 * t.OOM.Mem.Host.PageSize
	s := fmt.Sprintf("Each step is worth %s here", units.Size(step))
	if t.Row.Host.OOM.Host == 0 {
		s = "What a step is worth here cannot be told without the host's RAM and swap"
	}
	if g := t.Group; g != nil && g.Total > 0 {
		s += fmt.Sprintf(", and %s when the limit of %s is hit", units.Size(g.Total/1000*t.OOM.Mem.Host.PageSize), g.Path)
	}
	s += "."
	switch {
	case t.Row.P.OomScoreAdj == 0:
		s += " It is not adjusted."
	case t.From == nil:
		s += " No visible ancestor has the same value, and the kernel does not record who set it."
	}
	return s
}

func among(of int) string { return "Of " + units.Number(of) + " that can be killed." }

// amongAll makes a field of one about a place among all processes: where some were not seen,
// they may come before it.
func amongAll(f taskField) taskField {
	get := f.Get
	f.Get = func(t task) value {
		v := get(t)
		switch seen := t.OOM.SeenOf(inspect.PIDStat); {
		case !v.Has():
		case !seen.Whole():
			return explain.None(seen.Reason)
		case t.Unjudged != inspect.Present:
			return explain.None(t.Unjudged)
		}
		return v
	}
	return f
}

func standing() []taskField {
	group := func(d doc, get func(task) value, read func(task) string) taskField {
		d.Source, d.Also = inspect.CgroupMemory, also(inspect.PIDCgroup, inspect.SelfMountinfo, inspect.Meminfo)
		return declare(d, func(t task) value {
			if why := t.Missing(inspect.PIDCgroup); t.Group == nil && why.IsGap() && why != inspect.Unsupported && why != inspect.Unread {
				return explain.None(why)
			}
			if t.Group == nil {
				return explain.None(inspect.Inapplicable)
			}
			return get(t)
		}, read)
	}
	return []taskField{
		amongAll(declare(doc{
			Key: "rank", Unit: explain.Plain,
			Gist:    "Its place in the kill order of a global OOM.",
			Concept: "oom-killer",
		}, func(t task) value {
			return place(t, t.Rank)
		}, readRank)),
		group(doc{
			Key: "limited_by", Label: "limited by",
			Gist:    "The nearest memory cgroup with a hard limit that it is in.",
			Concept: "memory-cgroup",
		}, func(t task) value { return explain.S(t.Group.Path) }, func(t task) string {
			limit, _ := t.Group.Limit()
			use, _ := t.Group.Use()
			s := fmt.Sprintf("%s of %s used. ", units.Percent(use, limit), units.Size(limit))
			if n, ok := t.Group.Stat["hierarchical_memory_limit"]; ok && n < limit { // of version 1: the lowest of all that apply
				s += "A cgroup above it has a lower limit, of " + units.Size(n) + ". "
			}
			s += "When that is hit and nothing can be reclaimed, "
			if t.Group.KillerOff() {
				return s + "its tasks wait, and none is killed: its OOM killer is disabled."
			}
			return s + "the kernel picks among the processes in it and below."
		}),
		amongAll(group(doc{
			Key: "rank_in_cgroup", Label: "rank in that cgroup", Unit: explain.Plain,
			Gist:    "Its place in the kill order when that limit is hit.",
			Concept: "oom-killer",
		}, func(t task) value {
			if t.Group.KillerOff() {
				return explain.None(inspect.Inapplicable) // nobody is killed there
			}
			return place(t, t.RankInGroup)
		}, readRankThere)),
	}
}

// place is a place in a kill order: 0 is that of a process that is not in it, or whose points
// can't be computed.
func place(t task, rank int) value {
	switch {
	case rank > 0:
		return explain.I(rank)
	case Killable(t.Row):
		return explain.None(unranked(t.OOM))
	}
	return explain.None(inspect.Inapplicable)
}

func readRank(t task) string {
	s := among(t.Killable)
	switch {
	case t.Rank == 1:
		s += " It is killed first." + handOver(t)
	case t.OOM.First != nil:
		mine, _ := Points(t.Row)
		first, _ := Points(explainRow(t.OOM, t.OOM.First))
		s += fmt.Sprintf(" First is %s (%d), %s points ahead", t.OOM.First.Comm, t.OOM.First.PID, units.Number(first-mine))
		step := int64(t.Row.Host.OOM.Domain / 1000)
		if step > 0 {
			s += ": the same as " + units.Plural((first-mine)/step+1, "step", "steps") + " of oom_score_adj"
		}
		s += "."
	}
	return s
}

// handOver says what would make the next process the first.
func handOver(t task) string {
	next := t.OOM.Second
	if t.OOM.First != nil && t.OOM.First.PID != t.Row.P.PID {
		next = t.OOM.First
	}
	step := int64(t.Row.Host.OOM.Domain / 1000)
	if next == nil || step == 0 {
		return ""
	}
	mine, _ := Points(t.Row)
	its, _ := Points(explainRow(t.OOM, next))
	ahead, page := max(mine-its, 0), t.OOM.Mem.Host.PageSize
	if p, _ := chosen(t.Row); ahead >= p.rss+p.swap+p.tables {
		return fmt.Sprintf(" Next is %s (%d): this one stays first even without any memory, unless its oom_score_adj is lowered by %d.",
			next.Comm, next.PID, ahead/step+1)
	}
	return fmt.Sprintf(" Next is %s (%d): it becomes the first if this one frees %s, or if its oom_score_adj is lowered by %d.",
		next.Comm, next.PID,
		units.Size(uint64(ahead)*page), ahead/step+1)
}

func readRankThere(t task) string {
	s := among(t.KillableGroup)
	g := t.Group
	switch {
	case g.Victim == nil:
	case g.Victim.PID == t.Row.P.PID:
		s += " It is killed first."
	default:
		s += fmt.Sprintf(" First is %s (%d) with %s points.", g.Victim.Comm, g.Victim.PID, units.Number(g.Points))
	}
	if g.Whole != "" {
		s += " All of " + g.Whole + " is killed with the victim (memory.oom.group)."
	}
	return s
}
