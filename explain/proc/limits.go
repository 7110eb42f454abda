package proc

import (
	"math"

	"kwhy/explain"
	"kwhy/inspect"
)

// Limits is the ladder of what bounds a process: for each resource its own limit,
// each cgroup's on the way up, the sysctls and the host.
func Limits() *explain.Table[rungRow] {
	type column = explain.Field[rungRow]
	declare := func(d doc, get func(rungRow) value) column {
		d.Source, d.Concept = inspect.PIDLimits, "resource-limits"
		d.Also = []inspect.Source{inspect.PIDStatus, inspect.PIDCgroup, inspect.PIDFd, inspect.FSFileNr, inspect.CgroupMemory, inspect.CgroupPids, inspect.CgroupCPU}
		return column{Doc: d, Get: get}
	}
	number := func(n float64, ok bool) value {
		if !ok {
			return explain.None(inspect.Inapplicable)
		}
		return explain.F(n)
	}
	people := func(r rungRow, v value) value {
		switch {
		case !v.Has():
			return v
		case r.It.Unit == "bytes":
			return explain.S(explain.Size(uint64(max(v.Float(), 0))))
		case v.Float() == math.Trunc(v.Float()):
			return explain.S(explain.Number(int64(v.Float())))
		}
		return explain.S(string(explain.AppendDecimal(nil, v.Float())))
	}
	limit := func(r rungRow) value {
		if !r.It.Bounded {
			return explain.None(inspect.Unlimited)
		}
		return number(r.It.Limit, true)
	}
	used := func(r rungRow) value { return number(r.It.Used, r.It.Known) }
	room := func(r rungRow) value { return number(r.It.Room()) }
	return &explain.Table[rungRow]{Name: "limits", Fields: []column{
		declare(doc{Key: "resource", Gist: "What is bounded."}, func(r rungRow) value { return explain.S(r.It.Resource) }),
		declare(doc{Key: "step", Label: "BY", Words: []explain.Word{
			{Name: "rlimit", Gist: "The process's own limit.", Concept: "resource-limits"}, {Name: "cgroup", Gist: "A control group that it is in.", Concept: "memory-cgroup"},
			{Name: "sysctl", Gist: "A setting of the kernel.", Concept: "resource-limits"}, {Name: "host", Gist: "What the machine has.", Concept: "resource-limits"},
		}, Gist: "Who bounds it."}, func(r rungRow) value { return explain.S(r.It.Step) }),
		declare(doc{Key: "where", Gist: "Which limit, cgroup or sysctl."}, func(r rungRow) value { return explain.S(r.It.Where) }),
		declare(doc{Key: "limit", Unit: explain.Decimal, Show: explain.Data, Gist: "The bound: bytes, or a count."}, limit),
		declare(doc{Key: "used", Unit: explain.Decimal, Show: explain.Data, Gist: "What is used of it, by all whom it bounds."}, used),
		declare(doc{Key: "room", Unit: explain.Decimal, Show: explain.Data, Gist: "What is left below it."}, room),
		declare(doc{Key: "exempt", Unit: explain.Bool, Show: explain.Data, Gist: "Whether the process has a right that lets it pass this bound."}, func(r rungRow) value { return explain.B(r.It.Exempt) }),
		declare(doc{Key: "first", Unit: explain.Bool, Show: explain.Data, Gist: "Whether this one is reached first, of those whose use is known."}, func(r rungRow) value { return explain.B(isFirst(r)) }),
		declare(doc{Key: "used_text", Label: "USED", Gist: "What is used, for people."}, func(r rungRow) value { return people(r, used(r)) }),
		declare(doc{Key: "limit_text", Label: "LIMIT", Gist: "The bound, for people."}, func(r rungRow) value { return people(r, limit(r)) }),
		declare(doc{Key: "why", Gist: "What is left below it, and which of them is reached first."}, func(r rungRow) value {
			switch v := room(r); {
			case !r.It.Bounded:
				return explain.S("bounds nothing")
			case r.It.Exempt:
				return explain.S("does not hold for it: it has the right to pass")
			case r.It.Resource == "cpus" && isFirst(r):
				return explain.S("the lowest: it gets no more CPUs' time than that")
			case !v.Has():
				return explain.S("its use is not shown")
			case isFirst(r):
				return explain.S("reached first: " + people(r, v).Text() + " left")
			default:
				return explain.S(people(r, v).Text() + " left")
			}
		}),
	}, Rules: ladderRules()}
}

// isFirst tells whether a rung has the least room of its resource. CPUs' time is
// not used up: there the lowest bound is the one.
func isFirst(r rungRow) bool {
	mine, ok := r.It.Room()
	if r.It.Resource == "cpus" {
		for i := range r.Detail.Ladder {
			o := &r.Detail.Ladder[i]
			if o.Resource == r.It.Resource && o.Bounded && o.Limit < r.It.Limit {
				return false
			}
		}
		return r.It.Bounded
	}
	if !ok || r.It.Exempt {
		return false
	}
	for i := range r.Detail.Ladder {
		o := &r.Detail.Ladder[i]
		if its, ok := o.Room(); ok && !o.Exempt && o != r.It && o.Resource == r.It.Resource && its < mine {
			return false
		}
	}
	return true
}

func ladderRules() []explain.Rule[rungRow] {
	return []explain.Rule[rungRow]{{
		ID: "proc.limit_near", Evidence: []string{"used", "limit"}, Concept: "resource-limits", Next: "kwhy explain resource-limits",
		Of: func(r rungRow) value {
			// Memory has rules of its own: caches fill whatever there is.
			if !r.It.Bounded || !r.It.Known || r.It.Exempt || r.It.Limit <= 0 || r.It.Resource == "memory" {
				return value{}
			}
			return explain.F(r.It.Used / r.It.Limit)
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Say: func(r rungRow) string {
			return r.It.Resource + ": " + string(explain.AppendPercent(nil, r.It.Used/r.It.Limit)) + " of what " + r.It.Step + " " + r.It.Where + " allows"
		},
	}}
}
