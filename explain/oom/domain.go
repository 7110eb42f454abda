package oom

import (
	"slices"

	"kwhy/explain/kernel"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

// span is what a total may have been, in pages. The two are equal where the
// report has it.
type span struct{ low, high int64 }

const (
	// boundless is the limit in kB from which on it means no limit.
	boundless = 1 << 50
	// endless is more pages than any total has.
	endless = 1 << 42
)

func (s span) known() bool { return s.low == s.high }

// narrow returns what two spans have in common; s where that is nothing.
func (s span) narrow(to span) span {
	out := span{max(s.low, to.low), min(s.high, to.high)}
	if out.low > out.high {
		return s
	}
	return out
}

// domain is what points are relative to, in pages: what the cgroup may use, the
// pages of the nodes that the task was bound to, or RAM; and swap.
func (k *Kill) domain() span {
	e := k.E
	ram := span{0, endless}
	if e.RAM != kmsg.Unset && e.Reserved != kmsg.Unset {
		ram = span{e.RAM - e.Reserved, e.RAM - e.Reserved}
	}
	switch k.constraint() {
	case "memcg":
		return k.cgroupTotal()
	case "cpuset", "mempolicy":
		return k.plusSwap(k.nodes())
	case "none":
		return k.plusSwap(ram)
	}
	return span{0, k.plusSwap(ram).high} // the machine, or a part of it
}

// plusSwap adds the host's swap, which has no upper bound where it is unknown.
func (k *Kill) plusSwap(s span) span {
	if s.high >= endless || k.E.SwapTotal == kmsg.Unset {
		return span{s.low, endless}
	}
	swap := k.E.SwapTotal << 10 / k.page
	return span{s.low + swap, s.high + swap}
}

// nodes is the size of the nodes that the allocation was bound to. Up to 5.3 the
// kernel took the range of addresses that they span, holes and all, which a
// report does not have (mm/oom_kill.c, constrained_alloc).
func (k *Kill) nodes() span {
	var kb int64
	for _, z := range k.E.Zones {
		if z.Present > 0 && inNodes(k.E.Nodes, z.Node) {
			kb += z.Present
		}
	}
	switch {
	case kb == 0 || k.E.Orphans > 0:
		return span{0, endless}
	case !k.atLeast(5, 4):
		return span{kb << 10 / k.page, endless}
	}
	return span{kb << 10 / k.page, kb << 10 / k.page}
}

// cgroupTotal is mem_cgroup_get_max as far as a report has it: the limit, and of
// the host's swap what the cgroup may use. How much swap the host has is not in
// the report of a cgroup.
func (k *Kill) cgroupTotal() span {
	e := k.E
	if e.Memory.Limit == kmsg.Unset || e.Memory.Limit >= boundless {
		return span{0, endless}
	}
	limit := e.Memory.Limit << 10 / k.page
	swap, known := k.swapLimit()
	swap = min(swap<<10/k.page, endless)
	switch {
	case swap == 0:
		return span{limit, limit}
	case k.swap == kmsg.Unset:
		return span{limit + min(swap, k.swappedOut()), limit + swap}
	case k.swap == 0 || known:
		return span{limit + min(swap, k.swap), limit + min(swap, k.swap)}
	}
	return span{limit + min(swap, k.swap, k.swappedOut()), limit + min(swap, k.swap)}
}

// swapLimit is how much swap a cgroup may use, in kB, and whether the report
// has it. Up to 5.2 version 2 logs version 1's counters, of which that of
// memory and swap stays at 0.
func (k *Kill) swapLimit() (kb int64, known bool) {
	e := k.E
	switch {
	case e.Swap.Limit != kmsg.Unset:
		return e.Swap.Limit, true
	case e.MemSwap.Limit == kmsg.Unset, e.MemSwap.Use == 0 && e.Memory.Use > 0:
		return boundless, false
	}
	return max(e.MemSwap.Limit-e.Memory.Limit, 0), true
}

// swappedOut is how much of the table's processes is in swap, in pages: the host
// has at least that.
func (k *Kill) swappedOut() (n int64) {
	for i := range k.E.Tasks {
		n += max(k.E.Tasks[i].Swap, 0)
	}
	return n
}

// solve uses the score that kernels up to 5.0 logged for the process they chose:
// it is the share of the points in the total, in thousandths.
func (k *Kill) solve() {
	c := k.E.Chosen
	if c == nil || c.Score <= 0 || k.atLeast(5, 1) {
		return
	}
	t := k.E.Row(c.PID)
	if t == nil {
		t = k.E.Row(k.V.PID)
	}
	if t == nil || !k.candidate(t) {
		return
	}
	alone := k.span.low
	if k.constraint() == "memcg" && k.E.Memory.Limit < boundless {
		alone = max(k.E.Memory.Limit, 0) << 10 / k.page // as where swappiness is 0
	}
	for _, b := range k.bonuses() {
		b.of = t
		for _, total := range [...]int64{k.span.low, k.span.high, alone} {
			if total > 0 && total < endless && k.scoreAt(b, total) == c.Score {
				k.span, k.bonus = span{total, total}, b
				return
			}
		}
	}
	base, _ := k.base(t)
	if k.span.known() || base <= 0 || c.Score <= t.Adj {
		return
	}
	// The adjustment is rounded to a thousandth of the total, and privilege may
	// have subtracted 3 %.
	k.span = k.span.narrow(span{950 * base / (c.Score + 1 - t.Adj), 1010*base/(c.Score-t.Adj) + 1})
}

func (k *Kill) scoreAt(b bonus, total int64) int64 {
	base, _ := k.base(b.of)
	base = b.off(b.of, base, total)
	return kernel.ScoreBefore59(kernel.Badness(base, 0, 0, b.of.Adj, total), total)
}

// bonus is what was subtracted from the points of a process with CAP_SYS_ADMIN up to 4.16: 3 % of
// them, and before 3.14 of the total (mm/oom_kill.c, oom_badness). A report does
// not say who had it; the score of the chosen process does.
type bonus struct {
	of   *kmsg.Task
	from what
}

type what uint8

const (
	ofNothing what = iota
	ofPoints
	ofTotal
)

func (k *Kill) bonuses() []bonus {
	out := []bonus{{}}
	if !k.atLeast(4, 17) {
		out = append(out, bonus{from: ofPoints})
	}
	if !k.atLeast(3, 14) {
		out = append(out, bonus{from: ofTotal})
	}
	return out
}

// off subtracts it from a row's points.
func (b bonus) off(t *kmsg.Task, n, total int64) int64 {
	switch {
	case b.of == nil || t != b.of:
	case b.from == ofPoints:
		return n - n*3/100
	case b.from == ofTotal:
		return n - 30*(total/1000)
	}
	return n
}

// sign is something in a report that only some kernels log.
type sign struct {
	is     bool
	oldest inspect.Version // zero: no bound
	newest inspect.Version
}

// date finds out which kernels may have logged a report: by the line that says so,
// or else by its format.
func (k *Kill) date() {
	if k.on = inspect.KernelOf(inspect.ParseVersion(k.E.Release)); k.on.Known() {
		return
	}
	for _, s := range k.signs() {
		if s.is {
			k.on = k.on.Within(s.oldest, s.newest)
		}
	}
}

func (k *Kill) signs() []sign {
	e := k.E
	columns := func(names ...string) bool {
		return e.Header != nil && !slices.ContainsFunc(names, func(s string) bool { return !slices.Contains(e.Header, s) })
	}
	v := func(major, minor int) inspect.Version { return inspect.Version{Major: major, Minor: minor} }
	var any inspect.Version
	return []sign{
		{e.Summary, v(5, 0), any},
		{e.Chosen != nil, any, v(5, 0)},
		{e.NodeMask != "" && !e.Summary, v(4, 9), v(4, 20)},
		{k.V.Lead, v(5, 1), any},
		{e.Listed || k.V.Tables != kmsg.Unset, v(5, 3), any},
		{e.GFPNames != "", v(4, 6), any},
		{columns("rss_anon"), v(6, 2), any},
		{columns("pgtables_bytes"), v(4, 15), any},
		{columns("nr_ptes"), v(3, 6), v(4, 14)},
		{columns("cpu", "oom_score_adj"), v(2, 6), v(3, 6)},
		{columns("cpu") && !columns("oom_score_adj"), any, v(2, 6)},
	}
}

// atLeast reports whether the kernel is certainly that version or a later one.
func (k *Kill) atLeast(major, minor int) bool {
	return inspect.Choose(k.on.Since(major, minor), true, false, false)
}

// before reports whether the kernel is certainly an earlier one.
func (k *Kill) before(major, minor int) bool {
	return inspect.Choose(k.on.Since(major, minor), false, true, false)
}
