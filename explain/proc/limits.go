package proc

import (
	"math"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

type rungColumn = explain.Field[rungRow]

// Limits is the ladder of what bounds a process: for each resource its own limit,
// each cgroup's on the way up, a namespace's, the sysctls and the host.
func Limits() *explain.Table[rungRow] {
	return &explain.Table[rungRow]{
		Name: "limits", Identity: []string{"resource", "where"},
		Fields: append(rungNames(), rungNumbers()...), Rules: ladderRules(),
	}
}

func rungField(d doc, get func(rungRow) value) rungColumn {
	d.Source, d.Concept = inspect.PIDLimits, "resource-limits"
	d.Also = []inspect.Source{
		inspect.PIDStatus, inspect.PIDCgroup, inspect.PIDFd, inspect.FSFileNr,
		inspect.CgroupMemory, inspect.CgroupPids, inspect.CgroupCPU,
	}
	return rungColumn{Doc: d, Get: get}
}

func rungNames() []rungColumn {
	return []rungColumn{
		rungField(doc{
			Key:  "resource",
			Gist: "What is bounded.",
		}, func(r rungRow) value { return explain.S(r.It.Resource) }),
		rungField(doc{
			Key: "step", Label: "BY",
			Words: []explain.Word{
				{Name: "rlimit", Gist: "The process's own limit.", Concept: "resource-limits"},
				{Name: "cgroup", Gist: "A control group that it is in.", Concept: "memory-cgroup"},
				{Name: "high", Gist: "A control group's memory.high: above it memory is taken back and tasks slowed.", Concept: "memory-cgroup"},
				{Name: "namespace", Gist: "A PID namespace that it is in, since 6.14.", Concept: "namespaces"},
				{Name: "sysctl", Gist: "A setting of the kernel.", Concept: "resource-limits"},
				{Name: "host", Gist: "What the machine has.", Concept: "resource-limits"},
			},
			Gist: "Who bounds it.",
		}, func(r rungRow) value { return explain.S(r.It.Step) }),
		rungField(doc{
			Key:  "where",
			Gist: "Which limit, cgroup or sysctl.",
		}, func(r rungRow) value { return explain.S(r.It.Where) }),
		rungField(doc{
			Key: "whose", Show: explain.Data,
			Words: []explain.Word{
				{Name: "process", Gist: "Its own use alone.", Concept: "resource-limits"},
				{Name: "user", Gist: "That of all processes of its real user.", Concept: "resource-limits"},
				{Name: "cgroup", Gist: "That of all in the cgroup.", Concept: "memory-cgroup"},
				{Name: "namespace", Gist: "That of all in the namespace.", Concept: "namespaces"},
				{Name: "host", Gist: "That of the whole host.", Concept: "resource-limits"},
			},
			Gist: "Whose use is counted against it.",
		}, func(r rungRow) value { return explain.S(r.It.Whose) }),
	}
}

func rungNumbers() []rungColumn {
	return []rungColumn{
		rungField(doc{
			Key: "limit", Unit: explain.Decimal, Show: explain.Data,
			Gist: "The bound: bytes, or a count.",
		}, rungLimit),
		rungField(doc{
			Key: "used", Unit: explain.Decimal, Show: explain.Data,
			Gist: "What is used of it, by all whom it bounds.",
		}, rungUsed),
		rungField(doc{
			Key: "at_least", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether more may be used than this user can see here.",
		}, func(r rungRow) value { return explain.B(r.It.AtLeast) }),
		rungField(doc{
			Key: "room", Unit: explain.Decimal, Show: explain.Data,
			Gist: "What is left below it.",
		}, rungRoom),
		rungField(doc{
			Key: "exempt", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether the process has a right that lets it pass this bound.",
		}, func(r rungRow) value { return explain.B(r.It.Exempt) }),
		rungField(doc{
			Key: "first", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether this one is reached first, of those whose use is known.",
		}, func(r rungRow) value { return explain.B(isFirst(r)) }),
		rungField(doc{
			Key: "used_text", Label: "USED",
			Gist: "What is used by all whom it bounds, for people.",
		}, func(r rungRow) value {
			v := forPeople(r, rungUsed(r))
			switch {
			case v.Has() && r.It.AtLeast:
				return explain.S(v.Text() + "+")
			case !v.Has() && r.It.Resource != "cpus": // their time is not used up
				return explain.S("not shown")
			}
			return v
		}),
		rungField(doc{
			Key: "limit_text", Label: "LIMIT",
			Gist: "The bound, for people.",
		}, func(r rungRow) value { return forPeople(r, rungLimit(r)) }),
		rungField(doc{
			Key:  "why",
			Gist: "What is left below it, and which of them is reached first.",
		}, func(r rungRow) value { return explain.S(whyRung(r)) }),
	}
}

func rungNumber(n float64, ok bool) value {
	if !ok {
		return explain.None(inspect.Inapplicable)
	}
	return explain.F(n)
}

func rungLimit(r rungRow) value {
	switch {
	case r.It.Hidden:
		return explain.None(inspect.Masked)
	case !r.It.Bounded:
		return explain.None(inspect.Unlimited)
	}
	return rungNumber(r.It.Limit, true)
}

func rungUsed(r rungRow) value { return rungNumber(r.It.Used, r.It.Known) }

func rungRoom(r rungRow) value { return rungNumber(r.It.Room()) }

// forPeople tells a number in the unit of its row.
func forPeople(r rungRow, v value) value {
	switch {
	case !v.Has():
		return v
	case r.It.Unit == "bytes":
		return explain.S(units.Size(uint64(max(v.Float(), 0))))
	case v.Float() == math.Trunc(v.Float()):
		return explain.S(units.Number(int64(v.Float())))
	}
	return explain.S(string(units.AppendDecimal(nil, v.Float())))
}

func whyRung(r rungRow) string {
	left, first := forPeople(r, rungRoom(r)), isFirst(r)
	if left.Has() && r.It.Used > r.It.Limit {
		left = explain.S("nothing")
	}
	switch {
	case r.It.Hidden:
		return "it bounds too, and is not to be seen from here"
	case !r.It.Bounded && r.It.Partial:
		return "bounds nothing; what the root uses is told without the kernel's own memory"
	case !r.It.Bounded:
		return "bounds nothing"
	case r.It.Exempt:
		return "does not hold for it: it has the right to pass"
	case r.It.Resource == "cpus" && first:
		return "the lowest: it gets no more CPUs' time than that"
	case r.It.Resource == "cpus":
		return "others are lower"
	case !left.Has():
		return "its use is not shown"
	}
	s := left.Text() + " left" + leftTo(r.It)
	if r.It.AtLeast {
		s = "at most " + s
	}
	switch {
	case first && hasHidden(r):
		s = "reached first of those that are to be seen: " + s
	case first:
		s = "reached first: " + s
	}
	if r.It.Step == "high" {
		s += "; beyond it, it is slowed down"
	}
	return s
}

// hasHidden tells whether there are bounds of that resource that are not to be seen.
func hasHidden(r rungRow) bool {
	for i := range r.Detail.Bounds {
		if o := &r.Detail.Bounds[i]; o.Hidden && o.Resource == r.It.Resource {
			return true
		}
	}
	return false
}

// leftTo says for whom together that is.
func leftTo(r *procfacts.Bound) string {
	switch r.Whose {
	case "user":
		return " for all of its user's"
	case "cgroup":
		if r.Partial {
			return " for all; the root counts no memory of the kernel"
		}
		return " for all in that cgroup"
	case "namespace":
		return " for all in that namespace"
	case "host":
		return " for the whole host"
	}
	return ""
}

// isFirst tells whether a rung has the least room of its resource. CPUs' time is
// not used up: there the lowest bound is the one. memory.high stops nothing.
func isFirst(r rungRow) bool {
	if r.It.Resource == "cpus" {
		return isLowest(r)
	}
	mine, ok := r.It.Room()
	if !ok || r.It.Exempt || r.It.Step == "high" {
		return false
	}
	for i := range r.Detail.Bounds {
		o := &r.Detail.Bounds[i]
		if its, ok := o.Room(); ok && !o.Exempt && o.Step != "high" && o != r.It && o.Resource == r.It.Resource && its < mine {
			return false
		}
	}
	return true
}

func isLowest(r rungRow) bool {
	for i := range r.Detail.Bounds {
		o := &r.Detail.Bounds[i]
		if o.Resource == r.It.Resource && o.Bounded && o.Limit < r.It.Limit {
			return false
		}
	}
	return r.It.Bounded
}

func ladderRules() []explain.Rule[rungRow] {
	return []explain.Rule[rungRow]{{
		ID: "proc.limit_near", What: "used / limit, of one resource at one level", Unit: explain.Ratio,
		Means:    "The lowest level that bounds a resource decides: at it the call that asks for more fails.",
		Evidence: []string{"used", "limit"}, Concept: "resource-limits", Next: "kwhy explain resource-limits",
		Of: func(r rungRow) value {
			// Memory has rules of its own: caches fill whatever there is.
			if !r.It.Bounded || !r.It.Known || r.It.Exempt || r.It.Limit <= 0 || r.It.Unit == "bytes" && r.It.Resource != "locked memory" {
				return value{}
			}
			return explain.F(r.It.Used / r.It.Limit)
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Say: func(r rungRow) string {
			return r.It.Resource + ": " + string(units.AppendPercent(nil, r.It.Used/r.It.Limit)) + " of what " + r.It.Step + " " +
				r.It.Where + " allows"
		},
	}}
}
