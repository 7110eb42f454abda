package sched

import (
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	schedfacts "kwhy/inspect/sched"
)

type groupRow = schedfacts.Part[cgroupfacts.CPU]

// Cgroups lists the cgroups whose CPU settings are not the default, those that
// were throttled most first.
func Cgroups() *explain.Table[groupRow] {
	return &explain.Table[groupRow]{
		Name: "cpu_cgroups",
		Sort: []string{"throttled_share", "cgroup"}, Rules: groupRules(),
		Fields: slices.Concat(
			[]groupColumn{
				ofGroup(doc{Key: "cgroup", Concept: "memory-cgroup", Gist: "Its path."},
					func(r groupRow) value { return explain.S(r.It.Path) }),
				ofGroup(doc{
					Key: "version", Unit: explain.Plain, Show: explain.Data, Concept: "memory-cgroup",
					Gist: "The version of its cgroup hierarchy.",
				}, func(r groupRow) value { return explain.I(r.It.Version) }),
			}, bandwidth(), []groupColumn{
				ofGroup(doc{
					Key: "shares", Unit: explain.Count, Show: explain.Wide,
					Gist: "Its weight against its siblings; 1024 is the default.",
				}, func(r groupRow) value {
					switch {
					case r.It.Idle:
						return explain.I(kernel.IdleWeight)
					case sharesOf(r.It) == 0:
						return explain.None(inspect.Inapplicable)
					}
					return explain.I(sharesOf(r.It))
				}),
				ofGroup(doc{
					Key: "cpuset", Show: explain.Wide, Source: inspect.CgroupCpuset, Concept: "affinity",
					Gist: "The CPUs that it is restricted to, where these are not all.",
				}, func(r groupRow) value { return text(r.It.Cpuset) }),
				ofGroup(doc{Key: "why", Gist: "What its settings do now."}, func(r groupRow) value { return explain.S(whyGroup(r)) }),
			}),
	}
}

type groupColumn = explain.Field[groupRow]

func ofGroup(d doc, get func(groupRow) value) groupColumn {
	if d.Source == inspect.None {
		d.Source = inspect.CgroupCPU
	}
	if d.Concept == "" {
		d.Concept = "cpu-bandwidth"
	}
	return groupColumn{Doc: d, Get: get}
}

// bandwidth is what a quota is and does.
func bandwidth() []groupColumn {
	stat := func(r groupRow, name string) value {
		switch v := explain.Look(r.It.Stat, name); {
		case r.It.NoStat != inspect.Present:
			return explain.None(r.It.NoStat)
		case v.Has() || r.It.Stat == nil:
			return v
		}
		return explain.None(inspect.Malformed) // they came together
	}
	return []groupColumn{
		ofGroup(doc{
			Key: "quota", Unit: explain.Decimal,
			Gist: "How many CPUs' worth of time it may have; no limit: as many as there are.",
		}, func(r groupRow) value {
			if r.It.Unseen != inspect.Present {
				return explain.None(r.It.Unseen)
			}
			if !r.It.Bounded {
				return explain.None(inspect.Unlimited)
			}
			return explain.F(r.It.CPUs)
		}),
		ofGroup(doc{
			Key: "throttled_share", Label: "THROTTLED", Unit: explain.Ratio,
			Gist: "The share of its active periods in which it used up its quota.",
		}, func(r groupRow) value {
			v, _ := throttledShare(r)
			return v
		}),
		ofGroup(doc{
			Key: "nr_periods", Kernel: "nr_periods", Unit: explain.Count, Counter: true, Show: explain.Data,
			Gist: "Periods in which it wanted time.",
		}, func(r groupRow) value { return stat(r, "nr_periods") }),
		ofGroup(doc{
			Key: "nr_throttled", Kernel: "nr_throttled", Unit: explain.Count, Counter: true, Show: explain.Data,
			Gist: "Periods in which it used up its quota and was throttled.",
		}, func(r groupRow) value { return stat(r, "nr_throttled") }),
		ofGroup(doc{
			Key: "throttled_time", Label: "TIME", Unit: explain.Seconds, Counter: true, Show: explain.Wide,
			Gist: "How long it was throttled, summed over CPUs.",
		}, func(r groupRow) value {
			switch v := clock(r.It.ThrottledTime()); {
			case r.It.NoStat != inspect.Present:
				return explain.None(r.It.NoStat)
			case v.Has() || r.It.Stat["nr_periods"] == 0 && !r.It.Bounded:
				return v
			}
			return explain.None(inspect.Malformed) // they came together
		}),
	}
}

// sharesOf is what a group weighs among its siblings, in shares of either version;
// 0 where it has no weight.
func sharesOf(g *cgroupfacts.CPU) int64 {
	switch {
	case g.Weight != inspect.Unset:
		return kernel.SharesOfWeight(int64(g.Weight))
	case g.Shares != inspect.Unset:
		return int64(g.Shares)
	}
	return 0
}

// throttledShare is how often a group was throttled, over the interval or since it was made; watched says
// which. Of counters that went back nothing is known: the group was removed and made again.
func throttledShare(r groupRow) (v value, watched bool) {
	periods, throttled, why := r.It.Throttles()
	if why != inspect.Present {
		return explain.None(why), false
	}
	if was, _, seen := r.Before(); seen {
		p, n, lacked := was.It.Throttles()
		if watched = lacked == inspect.Present; watched && (periods < p || throttled < n) {
			return explain.None(inspect.Reset), true
		}
		periods, throttled = periods-p, throttled-n
	}
	switch {
	case periods > 0:
		return explain.F(float64(throttled) / float64(periods)), watched
	case r.It.Bounded:
		return explain.F(0), watched
	}
	return explain.None(inspect.Inapplicable), watched
}

func whyGroup(r groupRow) string {
	g := r.It
	var words []string
	if g.Bounded || g.Stat["nr_throttled"] > 0 {
		words = append(words, whyBounded(r))
	}
	if n := sharesOf(g); g.Idle {
		words = append(words, "cpu.idle: it gets what others leave, at the weight of SCHED_IDLE")
	} else if n != 0 && n != 1024 {
		words = append(words, string(units.AppendPercent(nil, float64(n)/1024))+
			" of what a sibling with default settings gets, where both want all they can get")
	}
	if g.Cpuset != "" {
		words = append(words, "restricted to CPUs "+g.Cpuset)
	}
	return strings.Join(words, "; ")
}

// whyBounded says how often a group is throttled that has a quota, or had one.
func whyBounded(r groupRow) string {
	v, watched := throttledShare(r)
	span := " since it was made"
	if watched {
		span = " in this interval"
	}
	switch {
	case r.It.Unseen != inspect.Present:
		return "was throttled; its quota is " + units.AbsentWord(r.It.Unseen)
	case !r.It.Bounded:
		return "was throttled before its quota was removed"
	case v.Reason() == inspect.Reset:
		return "whether it was throttled" + span + " is not known: its counters went back"
	case !v.Has():
		return "whether it was throttled is not known: cpu.stat is " + units.AbsentWord(v.Reason())
	case v.Zero():
		return "never throttled" + span
	}
	return string(units.AppendPercent(nil, v.Float())) + " of its periods of " +
		units.Span(float64(r.It.Period)/1e6) + span + " ended early: then its fair tasks are stopped until the quota is filled up again"
}

func groupRules() []explain.Rule[groupRow] {
	return []explain.Rule[groupRow]{{
		ID: "sched.throttled", What: "periods in which the quota was used up / periods", Unit: explain.Ratio,
		Means: "The cgroup used up its cpu.max (cpu.cfs_quota_us) before the period was over: its fair tasks are stopped until it is " +
			"filled up again, on idle CPUs too.",
		Evidence: []string{"throttled_share", "quota"}, Concept: "cpu-bandwidth", Next: "kwhy sched --interval 2s",
		Of: func(r groupRow) value {
			v, _ := throttledShare(r)
			if !r.It.Bounded {
				return value{}
			}
			return v
		},
		At: throttledAt(), BasisOf: func(r groupRow) explain.Basis { _, watched := throttledShare(r); return basis(watched) },
		Say: func(r groupRow) string { return "cgroup " + r.It.Path + ": " + whyBounded(r) },
	}}
}
