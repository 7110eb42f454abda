package proc

import (
	"fmt"
	"math"
	"slices"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	procfacts "kwhy/inspect/proc"
)

type boundColumn = explain.Field[boundRow]

// Limits is what limits a process: for each resource its own rlimit,
// each cgroup's limit on the way up, a namespace's, the sysctls and the host.
func Limits() *explain.Table[boundRow] {
	return &explain.Table[boundRow]{
		Name: "limits", Identity: []string{"resource", "where"},
		Fields: append(boundNames(), boundNumbers()...), Rules: boundRules(),
	}
}

func declareBound(d doc, get func(boundRow) value) boundColumn {
	d.Source, d.Concept = inspect.ProcAndSys, "resource-limits" // a limit of another file is no less known without /proc/PID/limits
	d.Also = []inspect.Source{
		inspect.PIDLimits, inspect.PIDStatus, inspect.PIDCgroup, inspect.PIDFd, inspect.FSFileNr,
		inspect.CgroupMemory, inspect.CgroupPids, inspect.CgroupCPU,
	}
	return boundColumn{Doc: d, Get: get}
}

func boundNames() []boundColumn {
	return []boundColumn{
		declareBound(doc{
			Key:  "resource",
			Gist: "The resource that is limited.",
		}, func(r boundRow) value { return explain.S(r.It.Resource) }),
		declareBound(doc{
			Key: "step", Label: "BY",
			Words: []explain.Word{
				{Name: "rlimit", Gist: "The process's own resource limit.", Concept: "resource-limits"},
				{Name: "cgroup", Gist: "A cgroup that it is in.", Concept: "memory-cgroup"},
				{Name: "high", Gist: "A cgroup's memory.high: above it memory is reclaimed and tasks throttled.", Concept: "memory-cgroup"},
				{Name: "namespace", Gist: "A PID namespace that it is in, since 6.14.", Concept: "namespaces"},
				{Name: "sysctl", Gist: "A sysctl of the kernel.", Concept: "resource-limits"},
				{Name: "host", Gist: "What the host has.", Concept: "resource-limits"},
			},
			Gist: "What kind of limit it is.",
		}, func(r boundRow) value { return explain.S(r.It.Step) }),
		declareBound(doc{
			Key:  "where",
			Gist: "Which limit, cgroup or sysctl.",
		}, func(r boundRow) value { return explain.S(r.It.Where) }),
		declareBound(doc{
			Key: "whose", Show: explain.Data,
			Words: []explain.Word{
				{Name: "process", Gist: "The use of the process alone.", Concept: "resource-limits"},
				{Name: "user", Gist: "The use of all processes of its real user.", Concept: "resource-limits"},
				{Name: "cgroup", Gist: "The use of the cgroup as a whole, with the cgroups below it.", Concept: "memory-cgroup"},
				{Name: "namespace", Gist: "The use of all processes in the namespace.", Concept: "namespaces"},
				{Name: "host", Gist: "The use of the whole host.", Concept: "resource-limits"},
			},
			Gist: "Whose use counts against it.",
		}, func(r boundRow) value { return explain.S(r.It.Whose) }),
	}
}

func boundNumbers() []boundColumn {
	return []boundColumn{
		declareBound(doc{
			Key: "limit", Unit: explain.Decimal, Show: explain.Data,
			Gist: "The limit: bytes, or a count.",
		}, boundLimit),
		declareBound(doc{
			Key: "used", Unit: explain.Decimal, Show: explain.Data,
			Gist: "How much is used, by all that it limits.",
		}, boundUsed),
		declareBound(doc{
			Key: "at_least", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether the use may be higher than this user can see.",
		}, func(r boundRow) value { return explain.B(r.It.AtLeast) }),
		declareBound(doc{
			Key: "room", Unit: explain.Decimal, Show: explain.Data,
			Gist: "What is left below it.",
		}, boundRoom),
		declareBound(doc{
			Key: "exempt", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether the process has a capability that exempts it from this limit.",
		}, func(r boundRow) value { return explain.B(r.It.Exempt) }),
		declareBound(doc{
			Key: "first", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether this limit is reached first, of those whose use is known.",
		}, func(r boundRow) value { return explain.B(isFirst(r)) }),
		declareBound(doc{
			Key: "used_text", Label: "USED",
			Gist: "How much is used by all processes that it limits, human-readable.",
		}, func(r boundRow) value {
			v := forPeople(r, boundUsed(r))
			switch {
			case v.Has() && r.It.AtLeast:
				return explain.S(v.Text() + "+")
			case r.It.Unseen != inspect.Present:
				return explain.None(r.It.Unseen)
			case !v.Has() && r.It.Resource != "cpus": // their time is not used up
				return explain.S("not shown")
			}
			return v
		}),
		declareBound(doc{
			Key: "limit_text", Label: "LIMIT",
			Gist: "The limit, human-readable.",
		}, func(r boundRow) value { return forPeople(r, boundLimit(r)) }),
		declareBound(doc{
			Key:  "why",
			Gist: "What is left below it, and which limit is reached first.",
		}, func(r boundRow) value { return explain.S(whyBound(r)) }),
	}
}

func boundNumber(n float64, ok bool) value {
	if !ok {
		return explain.None(inspect.Inapplicable)
	}
	return explain.F(n)
}

func boundLimit(r boundRow) value {
	switch {
	case r.It.Hidden:
		return explain.None(inspect.Masked)
	case r.It.Unseen != inspect.Present:
		return explain.None(r.It.Unseen)
	case !r.It.Bounded:
		return explain.None(inspect.Unlimited)
	}
	return boundNumber(r.It.Limit, true)
}

func boundUsed(r boundRow) value {
	if why := r.It.Unseen; why != inspect.Present {
		return explain.None(why)
	}
	return boundNumber(r.It.Used, r.It.Known)
}

func boundRoom(r boundRow) value {
	if why := r.It.Unseen; why != inspect.Present {
		return explain.None(why)
	}
	return boundNumber(r.It.Room())
}

// forPeople formats a number in the unit of its row.
func forPeople(r boundRow, v value) value {
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

func whyBound(r boundRow) string {
	left, first := forPeople(r, boundRoom(r)), isFirst(r)
	if left.Has() && r.It.Used > r.It.Limit {
		left = explain.S("nothing")
	}
	switch {
	case r.It.Hidden:
		return "it applies too, and is not visible from here"
	case r.It.Unseen == inspect.OtherNamespace:
		return "a limit there would apply too: it is outside of this cgroup namespace"
	case r.It.Unseen == inspect.NotSaved:
		return "a limit there would apply too: it is " + units.AbsentWord(r.It.Unseen)
	case r.It.Unseen != inspect.Present:
		return "a limit there would apply too: it is " + units.AbsentWord(r.It.Unseen) + " here"
	case !r.It.Bounded && r.It.Partial:
		return "no limit; the use of the root lacks the kernel's own memory"
	case !r.It.Bounded:
		return "no limit"
	case r.It.Exempt:
		return "the process is exempt"
	case r.It.Resource == "cpus" && first && hasHidden(r):
		return "the lowest of those that are visible"
	case r.It.Resource == "cpus" && first:
		return "the lowest: it gets no more CPU time than that"
	case r.It.Resource == "cpus":
		return "other limits are lower"
	case !left.Has():
		return "its use is not shown"
	}
	s := left.Text() + " left" + leftTo(r.It)
	if r.It.AtLeast {
		s = "at most " + s
	}
	switch {
	case first && hasHidden(r):
		s = "reached first of those that are visible: " + s
	case first && hasUnknown(r):
		s = "reached first of those whose use is shown: " + s
	case first:
		s = "reached first: " + s
	}
	if r.It.Step == "high" {
		s += "; above it, it is throttled"
	}
	return s
}

// hasHidden reports whether there are limits of that resource that are not visible.
func hasHidden(r boundRow) bool {
	own, above := r.In.Missing(inspect.PIDLimits), r.In.Missing(inspect.PIDCgroup)
	if own.IsGap() || above.IsGap() && above != inspect.Unsupported {
		return true
	}
	for i := range r.In.Bounds {
		o := &r.In.Bounds[i]
		if o.Hidden && o.Resource == r.It.Resource || o.Unseen != inspect.Present && (o.Resource == r.It.Resource || o.Source == r.It.Source) {
			return true
		}
	}
	return false
}

// hasUnknown reports whether another limit on the resource binds of which the use is not shown.
func hasUnknown(r boundRow) bool {
	return slices.ContainsFunc(r.In.Bounds, func(o procfacts.Bound) bool {
		return o.Resource == r.It.Resource && o.Bounded && !o.Exempt && !o.Known
	})
}

// leftTo says which processes share that.
func leftTo(r *procfacts.Bound) string {
	switch r.Whose {
	case "user":
		return " for all processes of its user"
	case "cgroup":
		if r.Partial {
			return " for all; the root does not count kernel memory"
		}
		return " for all in that cgroup"
	case "namespace":
		return " for all in that namespace"
	case "host":
		return " for the whole host"
	}
	return ""
}

// isFirst reports whether a limit has the least room of its resource. CPU time is
// not used up: there it is the lowest limit. memory.high stops nothing.
func isFirst(r boundRow) bool {
	if r.It.Resource == "cpus" {
		return isLowest(r)
	}
	mine, ok := r.It.Room()
	if !ok || r.It.Exempt || r.It.Step == "high" {
		return false
	}
	for i := range r.In.Bounds {
		o := &r.In.Bounds[i]
		if its, ok := o.Room(); ok && !o.Exempt && o.Step != "high" && o != r.It && o.Resource == r.It.Resource && its < mine {
			return false
		}
	}
	return true
}

func isLowest(r boundRow) bool {
	for i := range r.In.Bounds {
		o := &r.In.Bounds[i]
		if o.Resource == r.It.Resource && o.Bounded && o.Limit < r.It.Limit {
			return false
		}
	}
	return r.It.Bounded
}

func boundRules() []explain.Rule[boundRow] {
	return []explain.Rule[boundRow]{{
		ID: "proc.limit_near", What: "used / limit, of one resource at one level", Unit: explain.Ratio,
		Means:    "The limit that is reached first decides: there the call that needs more fails.",
		Evidence: []string{"used", "limit"}, Concept: "resource-limits", Next: "kwhy explain resource-limits",
		Of: func(r boundRow) value {
			// Memory has its own rules: caches fill whatever there is.
			if !r.It.Bounded || !r.It.Known || r.It.Exempt || r.It.Limit <= 0 || r.It.Unit == "bytes" && r.It.Resource != "locked memory" {
				return value{}
			}
			return explain.F(r.It.Used / r.It.Limit)
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Say: func(r boundRow) string {
			return r.It.Resource + ": " + string(units.AppendPercent(nil, r.It.Used/r.It.Limit)) + " of what " + r.It.Step + " " +
				r.It.Where + " allows"
		},
	}}
}

// PidsGroups lists the cgroups that limit the number of threads in them.
func PidsGroups() *explain.Table[cgroupfacts.PidsPart] {
	type part = cgroupfacts.PidsPart
	column := func(d doc, get func(*cgroupfacts.Pids) value) explain.Field[part] {
		d.Source, d.Concept = inspect.CgroupPids, "cgroups"
		return explain.Field[part]{Doc: d, Get: func(p part) value { return get(p.It) }}
	}
	return &explain.Table[part]{
		Name: "pids_cgroups", Title: "Cgroups with pids.max",
		Sort: []string{"pids_used", "pids_cgroup"}, Rules: pidsRules(),
		Fields: []explain.Field[part]{
			column(doc{
				Key: "pids_cgroup", Label: "CGROUP",
				Gist: "The cgroup, as its hierarchy shows it.",
			}, func(g *cgroupfacts.Pids) value { return explain.S(g.Path) }),
			column(doc{
				Key: "pids_current", Kernel: "pids.current", Label: "THREADS", Unit: explain.Count,
				Gist: "Threads in it and in the cgroups below it.",
			}, func(g *cgroupfacts.Pids) value { return explain.N(g.Use) }),
			column(doc{
				Key: "pids_max", Kernel: "pids.max", Label: "MAX", Unit: explain.Count,
				Gist: "The limit: fork and clone fail with EAGAIN beyond it.",
			}, func(g *cgroupfacts.Pids) value { return explain.N(g.Limit) }),
			column(doc{
				Key: "pids_used", Label: "USED", Unit: explain.Ratio,
				Gist: "The share of the limit that is used.",
			}, pidsUsed),
			column(doc{
				Key: "pids_events_max", Label: "FAILED FORKS", Unit: explain.Count,
				Since: inspect.Version{Major: 4, Minor: 8},
				Gist:  "Failed forks of its tasks; in v2 since 6.11 all that failed at this limit.",
			}, func(g *cgroupfacts.Pids) value { return explain.Opt(g.Refused) }),
		}}
}

func pidsUsed(g *cgroupfacts.Pids) value {
	if g.Limit == 0 {
		return explain.F(float64(min(g.Use, 1))) // an empty one is closed, not full
	}
	return explain.F(float64(g.Use) / float64(g.Limit))
}

// nextPids lists the cgroup's processes; in version 1 processes have the cgroup of the
// memory hierarchy, which is another.
func nextPids(p cgroupfacts.PidsPart) string {
	if p.It.Version == 1 {
		return "kwhy proc --sort threads"
	}
	return "kwhy proc --cgroup " + p.It.Path + " --sort threads"
}

func pidsRules() []explain.Rule[cgroupfacts.PidsPart] {
	return []explain.Rule[cgroupfacts.PidsPart]{{
		ID: "proc.cgroup_pids_near", Evidence: []string{"pids_used", "pids_current", "pids_max", "pids_events_max"},
		Concept: "cgroups", Next: "kwhy proc --sort threads",
		NextOf: nextPids,
		What:   "pids.current / pids.max", Unit: explain.Ratio,
		Means: "The pids controller counts the threads of a cgroup and of those below it. " +
			"At pids.max fork and clone fail with EAGAIN there, however few threads the host has.",
		Of: func(p cgroupfacts.PidsPart) value { return pidsUsed(p.It) }, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Most: func(p cgroupfacts.PidsPart) explain.Level {
			const sandbox = 10 // such cgroups are meant to be full
			if p.It.Limit < sandbox && p.It.Refused <= 0 {
				return explain.Notice
			}
			return explain.Critical
		},
		Say: func(p cgroupfacts.PidsPart) string {
			s := fmt.Sprintf("cgroup %s has %s of its %s", p.It.Path, units.Number(p.It.Use), units.Plural(p.It.Limit, "thread", "threads"))
			if p.It.Refused > 0 {
				s += "; fork failed there " + units.Plural(p.It.Refused, "time", "times")
			}
			return s
		},
	}}
}
