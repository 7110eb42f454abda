package oom

import (
	"errors"
	"strconv"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/lower"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

type (
	row    = procfacts.Row
	column = explain.Field[procfacts.Row]
	doc    = explain.Doc
	value  = explain.Value
)

// Needs is the sources of a process's badness. The files are read in this
// order, one right after the other.
func Needs() inspect.Sources {
	return inspect.Of(inspect.PIDStat, inspect.PIDStatus, inspect.PIDOomScoreAdj, inspect.PIDOomScore)
}

// parts are the terms of a process's badness, in pages.
type parts struct{ rss, swap, tables, adj int64 }

// RSS counts differ by kernel: which one the OOM code reads can't be inferred from
// the version (the change was backported), so both are tried.
const (
	fromStat   = "stat"
	fromStatus = "status"
	fromBoth   = "either"
)

// of returns the parts with RSS from one file; ok is false where one is missing.
func of(r row, file string) (t parts, ok bool) {
	t, ok = memory(r, file)
	return t, ok && r.Missing(inspect.PIDOomScoreAdj) == inspect.Present
}

// memory returns them where those that are memory are there, whatever is known of the adjustment.
func memory(r row, file string) (t parts, ok bool) {
	p, page := r.P, int64(r.Host.Host.PageSize)
	lost := p.Lost("VmRSS") || p.Lost("VmSwap") || p.Lost("VmPTE")
	absent := p.VmRSS == inspect.Unset || p.VmSwap == inspect.Unset || p.PageTables == inspect.Unset
	if page == 0 || r.Missing(inspect.PIDStatus) != inspect.Present || lost || absent {
		return t, false
	}
	t = parts{
		rss: int64(p.VmRSS) / page, swap: int64(max(p.VmSwap, 0)) / page,
		tables: int64(max(p.PageTables, 0)) / page, adj: int64(p.OomScoreAdj),
	}
	if file == fromStat {
		if r.Missing(inspect.PIDStat) != inspect.Present || p.Spoilt(procfacts.StatFields(24)) {
			return t, false
		}
		t.rss = int64(p.RSS)
	}
	return t, true
}

func (t parts) points(s *procfacts.OOMScale, total uint64) int64 {
	if s.Since59 {
		return kernel.Badness(t.rss, t.swap, t.tables, t.adj, int64(total))
	}
	return kernel.BadnessBefore59(t.rss, t.swap, t.tables, t.adj, int64(total))
}

// score is what oom_score should be: always relative to the host's total.
func (t parts) score(s *procfacts.OOMScale) int64 {
	if s.Since59 {
		return max(kernel.Score(t.points(s, s.Host), int64(s.Host)), 0)
	}
	return kernel.ScoreBefore59(t.points(s, s.Host), int64(s.Host))
}

// faked reports whether RAM and swap are not the kernel's figures: what is computed of them says
// nothing of its score.
func faked(h *inspect.Host) bool { return h != nil && h.Doubt(inspect.Meminfo).Any() }

// recompute returns the score computed from the parts, and with which RSS it equals
// the kernel's own figure; "" if with neither.
func recompute(r row) (score int64, file string, ok bool) {
	if immortal(r) != "" {
		return 0, fromBoth, true
	}
	s := &r.Host.OOM
	stat, ok1 := of(r, fromStat)
	status, ok2 := of(r, fromStatus)
	if !ok1 && !ok2 || s.Host == 0 || faked(r.Host.Host) {
		return 0, "", false
	}
	kernels, read := int64(r.P.OomScore), r.Missing(inspect.PIDOomScore) == inspect.Present
	byStat, byStatus := ok1 && read && stat.score(s) == kernels, ok2 && read && status.score(s) == kernels
	switch {
	case byStat && byStatus:
		return kernels, fromBoth, true
	case byStat:
		return kernels, fromStat, true
	case byStatus:
		return kernels, fromStatus, true
	case ok1:
		return stat.score(s), "", true
	}
	return status.score(s), "", true
}

// chosen returns the parts whose RSS gives the kernel's figure: where both files'
// do or neither's, those of the file that gives it for others on this kernel.
func chosen(r row) (parts, bool) {
	stat, ok := of(r, fromStat)
	if !ok || usesStatus(r) {
		return of(r, fromStatus)
	}
	return stat, true
}

// taken returns the memory of a process as chosen does, whether or not its adjustment is known.
func taken(r row) (parts, bool) {
	if t, ok := chosen(r); ok {
		return t, true
	}
	if t, ok := memory(r, fromStat); ok && !r.Host.OOM.StatusRSS {
		return t, true
	}
	return memory(r, fromStatus)
}

func usesStatus(r row) bool {
	_, file, _ := recompute(r)
	return file == fromStatus || file != fromStat && r.Host.OOM.StatusRSS
}

// Settled reports whether the parts give the kernel's figure: if not, the
// process changed between two reads, and they are worth reading again.
func Settled(r row) bool {
	_, file, ok := recompute(r)
	return !ok || file != "" || spared(r)
}

// immortal says why the OOM killer can't kill a process; "" if it can.
func immortal(r row) string {
	p := r.P
	switch {
	case p.Kthread():
		return "a kernel thread"
	case p.Over():
		return "a zombie: its memory is already freed"
	case p.PID == 1 && r.Host.OOM.InitLives:
		return "the host's PID 1"
	case r.Missing(inspect.PIDOomScoreAdj) == inspect.Present && p.OomScoreAdj == -1000:
		return "its oom_score_adj is -1000"
	case r.Missing(inspect.PIDStatus) == inspect.Present && p.VmRSS == inspect.Unset && !p.Lost("VmRSS"):
		return "it has no memory of its own"
	}
	return ""
}

// spared reports cases that show only as a score of 0 where the parts give
// more. On the older scale a small process has 0 too.
func spared(r row) bool {
	if !r.Host.OOM.Sure59() || r.Missing(inspect.PIDOomScore) != inspect.Present || r.P.OomScore != 0 || immortal(r) != "" {
		return false
	}
	t, ok := of(r, fromStatus)
	return ok && t.score(&r.Host.OOM) > 0
}

// Killable reports whether the kernel could kill the process.
func Killable(r row) bool { return immortal(r) == "" && !spared(r) }

// Points returns what the kernel would compare, in pages, for the domain that the
// scan is relative to; ok is false where a part is missing or the process can't
// be killed.
func Points(r row) (n int64, ok bool) {
	t, ok := chosen(r)
	if !ok || !Killable(r) || r.Host.OOM.Domain == 0 {
		return 0, false
	}
	return t.points(&r.Host.OOM, r.Host.OOM.Domain), true
}

// shownScale is what the scores show by themselves: one that only one of the scales can have,
// or several that would each take two thirds of all memory on the older one.
func shownScale(ps *procfacts.Processes) kernel.Scale {
	const several = 3
	var saw [3]int
	floors := 0
	for i := range ps.Rows {
		r := ps.At(i)
		if r.Missing(inspect.PIDOomScore) != inspect.Present || immortal(r) != "" {
			continue
		}
		score, adj := int64(r.P.OomScore), int64(0)
		if r.Missing(inspect.PIDOomScoreAdj) == inspect.Present {
			adj = int64(r.P.OomScoreAdj)
			saw[kernel.ScaleOf(score, adj)]++
		}
		if kernel.AtFloor(score, adj) {
			floors++
		}
	}
	old, since59 := saw[kernel.ScaleBefore59] > 0, saw[kernel.ScaleSince59] > 0 || floors >= several
	switch {
	case old && !since59:
		return kernel.ScaleBefore59
	case since59 && !old:
		return kernel.ScaleSince59
	}
	return kernel.ScaleUnknown
}

// decideScale decides by what the scores show, or else by how many more rows the formula of 5.9
// fits, or else by the version. Where that is unknown too the newer scale is assumed.
func decideScale(shown kernel.Scale, more int, on inspect.Kernel) (since59, assumed bool) {
	switch contradicted := shown == kernel.ScaleBefore59 && more > 1 || shown == kernel.ScaleSince59 && more < -1; {
	case shown != kernel.ScaleUnknown && !contradicted: // one odd score does not outweigh several that come out
		return shown == kernel.ScaleSince59, false
	case more != 0:
		return more > 0, false
	}
	since := on.Since(5, 9)
	return inspect.Choose(since, true, false, true), inspect.Choose(since, false, false, true)
}

// assumption is what is said beside a scale that was assumed.
func assumption(s *procfacts.OOMScale) string {
	if s.Assumed {
		return ", which is assumed: neither the scores nor a version show the scale"
	}
	return ""
}

// Scale finds out how the kernel that was read computes oom_score: by what the scores show,
// by which of the two formulas more of the rows are exact, and by the version where that
// decides nothing. Vendors backported the one of 5.9 to older kernels.
func Scale(ps *procfacts.Processes, order []int32, total uint64, initLives bool) procfacts.OOMScale {
	s := procfacts.OOMScale{Host: total, Domain: total, InitLives: initLives, Since59: true}
	was := ps.Host.OOM
	var fits [2]int
	for i, since59 := range [...]bool{true, false} {
		s.Since59 = since59
		ps.Host.OOM = s
		for _, n := range order {
			r := ps.At(int(n))
			if _, file, ok := recompute(r); ok && file != "" && immortal(r) == "" {
				fits[i]++
			}
		}
	}
	s.Since59, s.Assumed = decideScale(shownScale(ps), fits[0]-fits[1], ps.Host.Host.Kernel)
	ps.Host.OOM = s
	by := map[string]int{}
	for _, n := range order {
		_, file, _ := recompute(ps.At(int(n)))
		by[file]++
	}
	s.StatusRSS = by[fromStatus] > by[fromStat]
	ps.Host.OOM = was
	return s
}

// trials are the arithmetic of rows: the score of every process.
func trials() []explain.Trial {
	return []explain.Trial{{
		Key: "oom_score", Command: "oom", Rows: "processes", Unit: explain.Plain, Concept: "oom-score", Try: scores,
		Formula: "of rss, swap, tables, adj and total, by the scale of this kernel",
	}}
}

// scores recomputes the score of every process. Those that the kernel skips for
// reasons that are not visible have none to compare with.
func scores(h *inspect.Host) (out []explain.Tried, err error) {
	if faked(h) {
		return nil, inspect.Lacking(errors.New("/proc/meminfo is not the kernel's"), inspect.Foreign)
	}
	v := lower.Own(Processes(false), []string{"pid", "points"}, nil, 0)
	o, order, err := Take(h, Options{View: v})
	if err != nil {
		return nil, err
	}
	for _, i := range order {
		r := o.Procs.At(int(i))
		n, _, ok := recompute(r)
		if !ok || spared(r) || r.Missing(inspect.PIDOomScore) != inspect.Present {
			continue
		}
		t := &oomfacts.Task{OOM: o, Row: r}
		var w explain.Working
		terms(&w, t, r.Host.OOM.Host)
		d := w.Done("", explain.Plain, explain.I(n))
		if immortal(r) != "" {
			d = explain.Derivation{Unit: explain.Plain, Result: explain.I(n)}
		}
		d.Reported, d.Cause = explain.I(int64(r.P.OomScore)), "pages that CPUs have yet to add up, or the process changed between the reads"
		out = append(out, explain.Tried{Row: "process " + strconv.Itoa(int(r.P.PID)) + " (" + r.P.Comm + ")", Derivation: d})
	}
	return out, nil
}
