package proc

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
)

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
