package fd

import (
	"slices"

	"kwhy/explain"
	"kwhy/inspect"
)

type (
	list      = *inspect.FDList
	listField = explain.Field[*inspect.FDList]
	fdRow     = inspect.FDPart
	doc       = explain.Doc
	value     = explain.Value
)

// Process sums up what a process has open.
func Process() explain.Card[*inspect.FDList] {
	return explain.Card[*inspect.FDList]{Name: "fd PID", Sections: []explain.Section[*inspect.FDList]{
		{Title: "All of them", Fields: summary()},
		{Title: "One by one", Table: "fds"},
	}, Rules: rules()}
}

func summary() []listField {
	field := func(d doc, get func(list) value, read func(list) string) listField {
		if d.Source == inspect.None {
			d.Source = inspect.PIDFd
		}
		if d.Concept == "" {
			d.Concept = "file-descriptor"
		}
		return listField{Doc: d, Get: get, Reading: read}
	}
	bound := func(n inspect.Num) value {
		if n == inspect.Unset {
			return explain.None(inspect.Unlimited)
		}
		return explain.Opt(n)
	}
	return []listField{
		field(doc{Key: "open_fds", Label: "open", Unit: explain.Count, Also: []inspect.Source{inspect.PIDLimits}, Gist: "Its open file descriptors."}, func(l list) value { return explain.I(len(l.List)) }, func(l list) string {
			if l.Limit.Soft <= 0 {
				return kindsOf(l) + "."
			}
			return explain.Percent(int64(len(l.List)), int64(l.Limit.Soft)) + " of its limit: " + kindsOf(l) + "."
		}),
		field(doc{Key: "fd_limit_soft", Label: "soft limit", Unit: explain.Count, Source: inspect.PIDLimits, Gist: "No descriptor gets this number or a higher one: EMFILE."}, func(l list) value { return bound(l.Limit.Soft) }, func(l list) string {
			if l.Missing(inspect.PIDFd) != inspect.Present {
				return "Then open, socket, pipe and the like fail with EMFILE. The process may raise it to the hard limit itself."
			}
			left := int64(l.Limit.Soft) - int64(len(l.List))
			return explain.Number(left) + " left; then open, socket, pipe and the like fail with EMFILE. The process may raise it to the hard limit itself."
		}),
		field(doc{Key: "fd_limit_hard", Label: "hard limit", Unit: explain.Count, Source: inspect.PIDLimits, Gist: "How far the process may raise its soft limit itself."}, func(l list) value { return bound(l.Limit.Hard) }, nil),
		field(doc{Key: "fd_lowest_free", Label: "next", Unit: explain.Plain, Gist: "The number that the next file gets: the lowest that is free."}, func(l list) value { return explain.I(lowestFree(l)) }, nil),
		field(doc{Key: "fd_deleted", Label: "deleted", Unit: explain.Bytes, Concept: "deleted-files", Gist: "Space of files that are gone from their directory, and that it keeps."}, func(l list) value {
			var sum uint64
			for _, f := range deleted(l) {
				sum += f.Taken
			}
			return explain.N(sum)
		}, func(l list) string {
			n := len(deleted(l))
			if n == 0 {
				return "None of its files is gone from its directory."
			}
			return explain.Plural(n, "file is gone from its directory and takes", "files are gone from their directories and take") + " up space until this process closes it."
		}),
		field(doc{Key: "fd_same", Label: "duplicates", Unit: explain.Count, Gist: "Descriptors that share their open file with a lower one: made by dup."}, func(l list) value {
			n := 0
			for i := range l.List {
				if l.List[i].Same != l.List[i].N {
					n++
				}
			}
			return explain.I(n)
		}, func(l list) string {
			if l.Uncompared > 0 {
				return explain.Number(l.Uncompared) + " that lead to the same place are too many to compare each with each."
			}
			if l.CompareDenied {
				return "Which share an open file could not be asked: kcmp takes the right to trace the process."
			}
			if !slices.ContainsFunc(l.List, func(f inspect.FD) bool { return f.Same != f.N }) {
				return "None."
			}
			return "They share offset and flags with another descriptor of this process: dup, or a shell's >&."
		}),
	}
}

// deleted are the files without a directory, each once.
func deleted(l list) (out []*inspect.FD) {
	type id struct{ dev, inode uint64 }
	seen := map[id]bool{}
	for i := range l.List {
		f := &l.List[i]
		if k := (id{f.Dev, f.Inode}); f.Deleted && f.HasStat && !seen[k] {
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

func rules() []explain.Rule[*inspect.FDList] {
	return []explain.Rule[*inspect.FDList]{{
		ID: "fd.limit_near", Evidence: []string{"open_fds", "fd_limit_soft"}, Concept: "file-descriptor", Next: "kwhy explain file-descriptor",
		Of: func(l list) value {
			if l.Limit.Soft <= 0 {
				return value{}
			}
			return explain.F(float64(len(l.List)) / float64(l.Limit.Soft))
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Say: func(l list) string {
			return string(explain.AppendPercent(nil, float64(len(l.List))/float64(l.Limit.Soft))) + " of the files that it may have open: " + explain.Number(len(l.List)) + " of " + explain.Number(int64(l.Limit.Soft))
		},
	}}
}
