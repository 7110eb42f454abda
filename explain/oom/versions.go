package oom

import (
	"slices"

	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

// sign is something in a report that only some kernels log.
type sign struct {
	is     bool
	oldest inspect.Version // zero: no bound
	newest inspect.Version
}

// date finds out which kernels may have logged a report: by the line that says so,
// or else by its format.
func (k *Kill) date() {
	if v := k.Kernel(); v != (inspect.Version{}) {
		k.oldest, k.newest = v, v
		return
	}
	for _, s := range k.signs() {
		if !s.is {
			continue
		}
		if k.oldest == (inspect.Version{}) || k.oldest.Before(s.oldest) {
			k.oldest = s.oldest
		}
		if k.newest == (inspect.Version{}) || s.newest.Before(k.newest) {
			k.newest = s.newest
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
	return k.oldest.AtLeast(major, minor) // the zero Version is never at least another
}

// before reports whether the kernel is certainly an earlier one.
func (k *Kill) before(major, minor int) bool {
	return k.newest.Before(inspect.Version{Major: major, Minor: minor})
}
