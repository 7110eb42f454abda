package fd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
)

type (
	list      = *fdfacts.List
	listField = explain.Field[*fdfacts.List]
	fdRow     = fdfacts.Part
	doc       = explain.Doc
	value     = explain.Value
)

// Process sums up what a process has open.
func Process() explain.Card[*fdfacts.List] {
	return explain.Card[*fdfacts.List]{Name: "fd PID", Sections: []explain.Section[*fdfacts.List]{
		{Title: "Summary", Fields: summary()},
		{Title: "Descriptors", Table: "fds"},
	}, Rules: rules()}
}

// letGo is what is said of the files of a process that has ended.
const letGo = "It has ended, and its files are closed."

func summary() []listField { return append(limits(), held()...) }

func ofProcess(d doc, get func(list) value, read func(list) string) listField {
	if d.Source == inspect.None {
		d.Source = inspect.PIDFd
	}
	if d.Concept == "" {
		d.Concept = "file-descriptor"
	}
	return listField{Doc: d, Get: get, Reading: read}
}

// limits are how many it has, and how many it may have.
func limits() []listField {
	bound := func(n inspect.Num) value {
		switch n {
		case inspect.Unset:
			return explain.None(inspect.Unlimited)
		case inspect.Garbled:
			return explain.None(inspect.Malformed)
		}
		return explain.Opt(n)
	}
	return []listField{
		ofProcess(doc{
			Key: "open_fds", Label: "open descriptors", Unit: explain.Count, Counter: true, Gauge: true,
			Also: []inspect.Source{inspect.PIDLimits},
			Gist: "Its open file descriptors.",
		}, func(l list) value { return explain.I(l.Count()) }, func(l list) string {
			switch {
			case l.Row.P.Over():
				return letGo
			case l.Sized:
				return "By the size of their directory: which they are is denied."
			}
			s := kindsOf(l) + "."
			if was, _, ok := l.Before(); ok && !was.Sized {
				s += " " + changed(was, l)
			}
			return s
		}),
		ofProcess(doc{
			Key: "fd_limit_soft", Label: "soft limit", Unit: explain.Count, Source: inspect.PIDLimits,
			Gist: "No descriptor gets this number or a higher one: EMFILE.",
		}, func(l list) value { return bound(l.Limit.Soft) }, readLimit),
		ofProcess(doc{
			Key: "fd_limit_hard", Label: "hard limit", Unit: explain.Count, Source: inspect.PIDLimits,
			Gist: "How far the process may raise its soft limit itself.",
		}, func(l list) value { return bound(l.Limit.Hard) }, func(l list) string {
			if l.Row.P.Over() {
				return "It has ended, and raises nothing."
			}
			return "How far the process may raise its soft limit itself."
		}),
		ofProcess(doc{
			Key: "fd_lowest_free", Label: "lowest free", Unit: explain.Plain,
			Gist: "The number that the next file gets: the lowest free one.",
		}, func(l list) value {
			if l.Row.P.Over() || l.Row.P.Kthread() { // it opens none
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(lowestFree(l))
		}, func(l list) string {
			if l.Limit.Soft > 0 && int64(lowestFree(l)) >= int64(l.Limit.Soft) {
				return "The lowest free number, and not available: it is not below the soft limit."
			}
			return "The number that the next file gets: the lowest free one."
		}),
	}
}

// changed says what was opened and closed in an interval.
func changed(was, l list) string {
	before, now := map[int32]string{}, map[int32]string{}
	for i := range was.List {
		before[was.List[i].N] = was.List[i].Link
	}
	var opened, closed []string
	for i := range l.List {
		f := &l.List[i]
		if now[f.N] = f.Link; before[f.N] != f.Link {
			opened = append(opened, strconv.Itoa(int(f.N)))
		}
	}
	for i := range was.List {
		if f := &was.List[i]; now[f.N] != f.Link {
			closed = append(closed, strconv.Itoa(int(f.N)))
		}
	}
	if len(opened)+len(closed) == 0 {
		return "None was opened or closed in this interval."
	}
	s := "In this interval"
	if len(opened) > 0 {
		s += " it opened " + few(opened)
	}
	if len(closed) > 0 {
		s += map[bool]string{true: " and", false: " it"}[len(opened) > 0] + " closed " + few(closed)
	}
	return s + "."
}

// belowLimit counts the descriptors whose numbers are below the soft limit, and the
// others: the limit bounds the number, and those that are there when it is lowered stay.
// Where their size alone is known, all of them may be below: see sizeTells.
func belowLimit(l list) (below, above int64) {
	if l.Sized {
		return int64(l.Size), 0
	}
	for i := range l.List {
		if int64(l.List[i].N) < int64(l.Limit.Soft) {
			below++
		} else {
			above++
		}
	}
	return below, above
}

// sizeTells reports whether of the descriptors of a process, of which their number alone is known, it
// can be said how many are below the soft limit: not where they are more than that.
func sizeTells(l list) bool { return !l.Sized || int64(l.Size) <= int64(l.Limit.Soft) }

func readLimit(l list) string {
	raise := " The process may raise it to the hard limit itself."
	switch l.Limit.Hard {
	case l.Limit.Soft:
		raise = " It is the hard limit too: raising it needs CAP_SYS_RESOURCE."
	case inspect.Garbled:
		raise = ""
	}
	if l.Limit.Soft <= 0 {
		return ""
	}
	if l.Row.P.Over() {
		return "It has ended, and opens nothing more."
	}
	if l.Missing(inspect.PIDFd) != inspect.Present {
		return "When all lower numbers are taken, open, socket, pipe and the like fail with EMFILE." + raise
	}
	below, above := belowLimit(l)
	s := units.Plural(int64(l.Limit.Soft)-below, "number below it is free", "numbers below it are free")
	if below >= int64(l.Limit.Soft) {
		s = "No number below it is free"
	}
	if above > 0 {
		s += ", and " + units.Plural(above, "descriptor is above it, from before it was lowered",
			"descriptors are above it, from before it was lowered")
	}
	return s + "; when none is, open, socket, pipe and the like fail with EMFILE." + raise
}

// held are what its descriptors keep, and share.
func held() []listField {
	return []listField{
		ofProcess(doc{
			Key: "fd_deleted", Label: "deleted files", Unit: explain.Bytes, Concept: "deleted-files",
			Gist: "Space of deleted files that it keeps open.",
		}, func(l list) value {
			var sum uint64
			for _, f := range deleted(l) {
				if !f.HasStat { // a copy has links and no files
					return explain.None(inspect.NotSaved)
				}
				sum += f.Taken
			}
			return explain.N(sum)
		}, func(l list) string {
			n := len(deleted(l))
			switch {
			case l.Row.P.Over():
				return letGo
			case n == 0:
				return "None of its files is deleted."
			}
			return units.Plural(n, "file is deleted and takes", "files are deleted and take") +
				" up space until this process, and any other that has it, closes it."
		}),
		ofProcess(doc{
			Key: "fd_same", Label: "duplicates", Unit: explain.Count,
			Gist: "Descriptors that share their open file with a lower one: made by dup.",
		}, func(l list) value {
			if !l.Sharing.Asked {
				return explain.None(inspect.Inapplicable)
			}
			if n := duplicates(l); n > 0 || !l.Sharing.Denied {
				return explain.I(n)
			}
			return explain.None(inspect.Denied)
		}, readDuplicates),
		ofProcess(doc{
			Key: "fd_shared", Label: "shared", Unit: explain.Count,
			Gist: "Open files that its parent or children have too, by fork.",
		}, func(l list) value {
			if !l.Sharing.Asked {
				return explain.None(inspect.Inapplicable)
			}
			n := 0
			for i := range l.List {
				if len(l.List[i].Shared) > 0 {
					n++
				}
			}
			for _, r := range l.Sharing.Relatives {
				if r.Table {
					return explain.I(len(l.List))
				}
			}
			if n == 0 && l.Sharing.Unasked > 0 {
				return explain.None(inspect.Denied)
			}
			return explain.I(n)
		}, readShared),
	}
}

func duplicates(l list) (n int) {
	for i := range l.List {
		if l.List[i].Same != l.List[i].N {
			n++
		}
	}
	return n
}

// compared says of how many descriptors that is known.
func compared(l list) string {
	s := ""
	if l.Sharing.Compared < len(l.List) {
		s = "Of the first " + units.Number(l.Sharing.Compared) + ", which were compared: "
	}
	if l.Sharing.Cut {
		s = "Of those that could be compared, as there are too many alike: "
	}
	return s
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func readDuplicates(l list) string {
	s := "none."
	if duplicates(l) > 0 {
		s = "they share offset and status flags with another descriptor of this process: dup, or a shell's >&."
	}
	if c := compared(l); c != "" {
		return c + s
	}
	return capital(s)
}

// readShared names the relatives that share, those with the most first.
func readShared(l list) string {
	var who []string
	rel := slices.Clone(l.Sharing.Relatives)
	slices.SortStableFunc(rel, func(a, b fdfacts.Relative) int { return b.Shared - a.Shared })
	for _, r := range rel {
		name := fmt.Sprintf("%s (%d)", r.P.Comm, r.P.PID)
		if r.Parent {
			name = "its parent " + name
		}
		if r.Table {
			return "It shares its descriptor table with " + name +
				": what one of them opens or closes, the other has open or closed (CLONE_FILES)."
		}
		who = append(who, fmt.Sprintf("%d with %s", r.Shared, name))
	}
	s := "neither its parent nor a child has any of them."
	if len(who) > 0 {
		s = few(who) + "; they share offset and flags."
	}
	if n := l.Sharing.Unasked; n > 0 {
		s += " " + units.Plural(n, "relative", "relatives") + " could not be compared: kcmp needs the right to trace both."
	}
	if c := compared(l); c != "" {
		return c + s
	}
	return capital(s)
}

// deleted are the files without a directory, each once.
func deleted(l list) (out []*fdfacts.Descriptor) {
	type id struct{ dev, inode uint64 }
	seen := map[id]bool{}
	for i := range l.List {
		f := &l.List[i]
		if k := (id{f.Dev, f.Inode}); f.Deleted && (!f.HasStat || !seen[k]) {
			seen[k] = true
			out = append(out, f)
		}
	}
	return out
}

func lowestFree(l list) int32 {
	next := int32(0)
	for i := range l.List { // by number
		if l.List[i].N == next {
			next++
		}
	}
	return next
}

func rules() []explain.Rule[*fdfacts.List] {
	share := func(l list) float64 {
		below, _ := belowLimit(l)
		return float64(below) / float64(l.Limit.Soft)
	}
	return []explain.Rule[*fdfacts.List]{{
		ID: "fd.limit_near", What: "open descriptors / soft RLIMIT_NOFILE", Unit: explain.Ratio,
		Means:    "At the limit open, socket and accept fail with EMFILE.",
		Evidence: []string{"fd_limit_soft", "open_fds"}, Concept: "file-descriptor", Next: "kwhy explain file-descriptor",
		Of: func(l list) value {
			if l.Limit.Soft <= 0 || !sizeTells(l) {
				return value{}
			}
			return explain.F(share(l))
		},
		Here: func(l list) []string {
			if sizeTells(l) {
				return []string{"fd_limit_soft", "open_fds"}
			}
			return []string{"fd_limit_soft", "fd_lowest_free"} // which takes the list
		},
		At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Say: func(l list) string {
			below, _ := belowLimit(l)
			return fmt.Sprintf("%s of the descriptor numbers below its limit are taken: %s of %s",
				units.AppendPercent(nil, share(l)), units.Number(below), units.Number(int64(l.Limit.Soft)))
		},
	}}
}
