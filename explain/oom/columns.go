package oom

import (
	"fmt"
	"strconv"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

func also(s ...inspect.Source) []inspect.Source { return s }

// Processes ranks processes in the kernel's own kill order. Within a cgroup the
// order is that of the points alone: /proc's oom_score is relative to the host.
func Processes(within bool) *explain.Table[procfacts.Row] {
	sort := []string{"oom_score", "points", "-pid"}
	if within {
		sort = []string{"points", "-pid"}
	}
	fields := []column{proc.PID(), proc.PPID(), proc.UID(), proc.Comm(), proc.OomScore(), agrees(), proc.OomScoreAdj(), pointsColumn()}
	fields = append(fields, split()...)
	for _, f := range append([]column{proc.VmRSS()}, append(proc.RssParts(), proc.VmSwap(), proc.VmPTE())...) {
		f.Show = explain.Data // the split has them in pages, which add up to the points
		fields = append(fields, f)
	}
	fields = append(fields, recomputed()...)
	fields = append(fields, proc.Command(), proc.Cgroup(), column{
		Doc: doc{
			Key:    "why",
			Source: inspect.PIDStatus, Also: also(inspect.PIDStat, inspect.PIDOomScoreAdj, inspect.PIDOomScore),
			Gist:    "What its points consist of, or why it can't be killed.",
			Concept: "oom-score",
		},
		Write: why,
	})
	return &explain.Table[procfacts.Row]{Name: "processes", Identity: []string{"pid", "comm"}, Sort: sort, Fields: fields}
}

// pointsColumn uses status for the order, and stat as well once it is
// read: then the one whose RSS gives the kernel's figure.
func pointsColumn() column {
	return column{Doc: doc{
		Key: "points", Unit: explain.Pages,
		Source: inspect.PIDStatus, Also: also(inspect.PIDOomScoreAdj),
		Gist:    "What the kernel compares: RSS, swap and page tables, and the adjustment.",
		Concept: "oom-score",
	}, Get: func(r row) value {
		n, ok := Points(r)
		switch {
		case ok:
			return explain.I(n)
		case !Killable(r):
			return explain.None(inspect.Inapplicable)
		case r.Host.OOM.Domain == 0:
			return explain.None(r.Host.OOM.Why) // what all may use is not known
		}
		return value{}
	}}
}

// split is the parts of the points, in pages: RSS, SWAP, TABLES and ADJ PAGES add up
// to them, and where there is room ANON, FILE, SHMEM and LAG to RSS.
func split() []column {
	return []column{
		term("points_rss", "RSS", "RSS as the OOM code counts it: ANON, FILE, SHMEM and LAG together.", func(_ row, t parts) int64 {
			return t.rss
		}),
		term("points_swap", "SWAP", "Swap in pages.", func(_ row, t parts) int64 { return t.swap }),
		term("points_tables", "TABLES", "Page tables in pages.", func(_ row, t parts) int64 { return t.tables }),
		term("points_adj", "ADJ PAGES", "What oom_score_adj adds to the points, in pages.", func(r row, t parts) int64 {
			return kernel.AdjPages(t.adj, int64(r.Host.OOM.Domain))
		}),
		term("points_anon", "ANON", "RSS that no file backs.", func(r row, _ parts) int64 { return inPages(r, r.P.RssAnon) }, "RssAnon"),
		term("points_file", "FILE", "RSS that files back.", func(r row, _ parts) int64 { return inPages(r, r.P.RssFile) }, "RssFile"),
		term("points_shmem", "SHMEM", "RSS that is shared memory or tmpfs.", func(r row, _ parts) int64 {
			return inPages(r, r.P.RssShmem)
		}, "RssShmem"),
		term("points_lag", "LAG", "The error of the OOM code's quick count: CPUs add up their pages in batches.", func(r row, t parts) int64 {
			return lag(r, t)
		}, "RssAnon", "RssFile", "RssShmem"),
	}
}

func inPages(r row, n inspect.Num) int64 {
	return int64(max(n, 0)) / int64(max(r.Host.Host.PageSize, 1))
}

// lag is how much the RSS of the OOM code exceeds the parts in status, which
// are exact; negative where it is less. Before 4.5 status has no parts.
func lag(r row, t parts) int64 {
	if r.P.RssAnon == inspect.Unset {
		return 0
	}
	return t.rss - inPages(r, r.P.RssAnon) - inPages(r, r.P.RssFile) - inPages(r, r.P.RssShmem)
}

func term(key, label, gist string, get func(row, parts) int64, lines ...string) column {
	return column{Doc: doc{
		Key: key, Label: label, Unit: explain.Pages, Show: explain.Wide,
		Source: inspect.PIDStatus, Also: also(inspect.PIDStat, inspect.PIDOomScoreAdj),
		Gist:    gist,
		Concept: "oom-score",
	}, Get: func(r row) value {
		for _, line := range lines {
			if r.P.Lost(line) {
				return explain.None(inspect.Malformed)
			}
		}
		t, ok := taken(r)
		if key == "points_adj" {
			t, ok = chosen(r)
		}
		switch {
		case ok && key == "points_adj" && t.adj != 0 && r.Host.OOM.Domain == 0:
			return explain.None(r.Host.OOM.Why)
		case ok:
			return explain.I(get(r, t))
		}
		if immortal(r) != "" {
			return explain.None(inspect.Inapplicable)
		}
		return value{}
	}}
}

// agrees compares the recomputed score with the kernel's figure.
func agrees() column {
	return column{Doc: doc{
		Key: "agreement", Label: "MATCH",
		Source:  inspect.PIDStatus,
		Also:    also(inspect.PIDStat, inspect.PIDOomScoreAdj, inspect.PIDOomScore, inspect.Meminfo),
		Gist:    "exact if kwhy's own score equals the kernel's; else the difference.",
		Concept: "oom-score",
	}, Get: func(r row) value {
		n, _, ok := recompute(r)
		switch {
		case r.Doubt(inspect.Meminfo).Any():
			return explain.None(inspect.Foreign)
		case !ok && r.Host.OOM.Host == 0 && Killable(r):
			return explain.None(r.Host.OOM.Why)
		case !ok || r.Missing(inspect.PIDOomScore) != inspect.Present:
			return none(r)
		case spared(r):
			return explain.S("spared")
		case n == int64(r.P.OomScore):
			return explain.S("exact")
		}
		return explain.S(fmt.Sprintf("%+d", int64(r.P.OomScore)-n))
	}}
}

func recomputed() []column {
	lean := also(inspect.PIDStat, inspect.PIDOomScoreAdj, inspect.PIDOomScore, inspect.Meminfo)
	return []column{
		{Doc: doc{
			Key: "recomputed", Unit: explain.Plain, Show: explain.Data,
			Source: inspect.PIDStatus, Also: lean,
			Gist:    "The score computed from the parts with this kernel's formula.",
			Concept: "oom-score",
		}, Get: func(r row) value {
			if n, _, ok := recompute(r); ok {
				return explain.I(n)
			}
			return none(r)
		}},
		{Doc: doc{
			Key: "exact", Unit: explain.Bool, Show: explain.Data,
			Source: inspect.PIDStatus, Also: lean,
			Gist:    "Whether that equals the kernel's figure.",
			Concept: "oom-score",
		}, Get: func(r row) value {
			n, _, ok := recompute(r)
			if ok && r.Missing(inspect.PIDOomScore) == inspect.Present {
				return explain.B(n == int64(r.P.OomScore))
			}
			return none(r)
		}},
		{Doc: doc{
			Key: "rss_from", Show: explain.Data,
			Source: inspect.PIDStatus, Also: lean,
			Words: []explain.Word{
				{Name: fromStat, Gist: "RSS from stat, which is summed up less often.", Concept: "rss"},
				{Name: fromStatus, Gist: "RSS from status.", Concept: "rss"},
				{Name: fromBoth, Gist: "Both give the same score.", Concept: "rss"},
			},
			Gist:    "The file whose RSS gives the kernel's figure.",
			Concept: "oom-score",
		}, Get: func(r row) value {
			if _, file, ok := recompute(r); ok && file != "" {
				return explain.S(file)
			}
			return none(r)
		}},
	}
}

// none is the reason why a row that lacks a part has no result.
func none(r row) value {
	if immortal(r) != "" || spared(r) {
		return explain.None(inspect.Inapplicable)
	}
	return value{}
}

func why(b []byte, r row) []byte {
	if s := immortal(r); s != "" {
		return append(append(b, "can't be killed: "...), s...)
	}
	if spared(r) {
		return append(b, "can't be killed now: its oom_score is 0, though its parts give more. "+
			"It was already reaped, or it uses its parent's memory after vfork"...)
	}
	t, ok := chosen(r)
	if _, memory := taken(r); memory && !ok {
		return append(b, "its oom_score_adj could not be read: its points are not known"...)
	}
	if !ok {
		return append(b, "the parts of its badness could not be read"...)
	}
	if r.P.PID == r.Host.Self {
		b = append(b, "kwhy itself; "...)
	}
	b = whyParts(b, r, t)
	if sum := kernel.Badness(t.rss, t.swap, t.tables, t.adj, int64(r.Host.OOM.Domain)); sum < 1 && !r.Host.OOM.Since59 {
		b = strconv.AppendInt(append(b, "; that gives "...), sum, 10)
		b = append(b, ", and before 5.9 the minimum is 1"...)
	}
	if kernels := int64(r.P.OomScore); r.Missing(inspect.PIDOomScore) == inspect.Present {
		if n, _, ok := recompute(r); ok && n != kernels {
			b = strconv.AppendInt(append(b, "; the parts give "...), n, 10)
			b = append(b, ": "...)
			b = append(b, offBecause(n-kernels)...)
		}
	}
	return b
}

// offBecause says why a score differs: by one because of counters that CPUs have yet
// to add up, by more because the process changed.
func offBecause(n int64) string {
	if n >= -1 && n <= 1 {
		return "CPUs have not added up some pages yet, or it changed between the reads"
	}
	return "it changed between the reads"
}

func whyParts(b []byte, r row, t parts) []byte {
	page := int64(r.Host.Host.PageSize)
	b = append(units.AppendSize(b, t.rss*page), " resident"...)
	if most, name := largestPart(r); most > 0 {
		b = append(append(b, ", mostly "...), name...)
	}
	if t.swap > 0 {
		b = append(units.AppendSize(append(b, ", "...), t.swap*page), " swapped out"...)
	}
	if t.tables > t.rss/20 && t.tables*page >= 1<<20 {
		b = append(units.AppendSize(append(b, ", "...), t.tables*page), " of page tables"...)
	}
	if t.adj == 0 {
		return append(b, "; no adjustment"...)
	}
	worth := kernel.AdjPages(t.adj, int64(r.Host.OOM.Domain)) * page
	b = append(b, "; adj "...)
	if t.adj > 0 {
		b = append(b, '+')
	}
	b = strconv.AppendInt(b, t.adj, 10)
	if r.Host.OOM.Domain == 0 {
		return b
	}
	if worth < 0 {
		return units.AppendSize(append(b, " subtracts "...), -worth)
	}
	return units.AppendSize(append(b, " counts like another "...), worth)
}

// largestPart names the part that is more than half of RSS.
func largestPart(r row) (inspect.Num, string) {
	p := r.P
	for _, part := range []struct {
		n    inspect.Num
		name string
	}{{p.RssAnon, "anonymous"}, {p.RssFile, "file pages"}, {p.RssShmem, "shared memory"}} {
		if part.n > 0 && part.n*2 > p.VmRSS {
			return part.n, part.name
		}
	}
	return 0, ""
}
