package sched

import (
	"strings"

	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

func gets() []taskField {
	runs, waits := lift(ran(), "ran"), lift(waited(), "waited")
	runs.Grown, runs.Reading = true, readRan
	waits.Grown, waits.Reading = true, readWaited
	fields := []taskField{
		{
			Doc: doc{
				Key: "cpu_share", Label: "share", Unit: explain.Ratio, Source: inspect.PIDStat,
				Also: []inspect.Source{inspect.PIDCgroup, inspect.PIDAutogroup, inspect.CgroupCPU}, Concept: "nice",
				Gist: "What its weight gives it of its CPU against those that want it now.",
			},
			Get: cpuShare, Reading: readShare, Derive: deriveShare,
		},
		lift(proc.CPU(), "cpu"), runs, waits, lift(turns(), "turns"),
		perTurn(doc{
			Key: "mean_turn", Label: "a turn",
			Gist: "How long it ran on average before it waited or was put off.",
		}, "On average, of ", func(c clocks) inspect.Num { return c.ran }),
		perTurn(doc{
			Key: "mean_wait", Label: "before a turn",
			Gist: "How long it was ready on average before it got a CPU.",
		}, "Ready for one on average, of ", func(c clocks) inspect.Num { return c.waited }),
	}
	for _, f := range proc.Switches() {
		label := "gave it up"
		if strings.HasPrefix(f.Key, "non") {
			label = "was put off"
		}
		fields = append(fields, lift(f, label))
	}
	return fields
}

// clocks are times of schedstat, in ns, and turns: over the interval, or since the
// threads began.
type clocks struct {
	ran, waited, turns inspect.Num
	over               string // what they are of, as a sentence has it
	why                inspect.Reason
}

func clocksOf(p, was *procfacts.Process, over float64) clocks {
	c := clocks{ran: p.Ran, waited: p.Waited, turns: p.Turns, over: "since it began"}
	if p.Turns == inspect.Unset {
		c.why = inspect.Unsupported
		return c
	}
	if was == nil {
		return c
	}
	if was.Turns == inspect.Unset {
		c.why = inspect.NoInterval
		return c
	}
	c.ran, c.waited, c.turns, c.over = p.Ran-was.Ran, p.Waited-was.Waited, p.Turns-was.Turns, "in the last "+units.Span(over)
	if c.ran < 0 || c.waited < 0 || c.turns < 0 { // a thread that ended took its own along
		c.why = inspect.Reset
	}
	return c
}

func taskClocks(t one) clocks {
	if was, over, ok := t.Before(); ok {
		return clocksOf(t.Row.P, was.Row.P, over.Seconds())
	}
	return clocksOf(t.Row.P, nil, 0)
}

// perTurn declares a time of schedstat divided among the turns.
func perTurn(d doc, says string, get func(clocks) inspect.Num) taskField {
	d.Unit, d.Source, d.Concept = explain.Seconds, inspect.PIDSchedstat, "scheduler"
	return told(d, func(t one) value {
		c := taskClocks(t)
		switch {
		case c.why != inspect.Present:
			return explain.None(c.why)
		case c.turns == 0:
			return explain.None(inspect.Inapplicable)
		}
		return explain.F(float64(get(c)) / float64(c.turns) / 1e9)
	}, func(t one) string {
		c := taskClocks(t)
		return says + units.Plural(c.turns, "turn", "turns") + " " + c.over + "."
	})
}

func readRan(t one) string {
	if c := taskClocks(t); c.why == inspect.Present {
		return "On a CPU, all of its threads, " + c.over + "."
	}
	return ""
}

func readWaited(t one) string {
	c := taskClocks(t)
	switch {
	case c.why != inspect.Present:
		return ""
	case c.ran+c.waited <= 0:
		return "It did not want a CPU " + c.over + "."
	}
	return "Ready while others ran, " + c.over + ": " + units.Percent(int64(c.waited), int64(c.ran+c.waited)) +
		" of the time that its threads wanted a CPU."
}

// stops is how often the cgroup that bounds a task was stopped: over the interval,
// or since it was made.
type stops struct {
	periods, throttled uint64
	over               string
	watched            bool
}

func taskStops(t one) stops {
	s := stops{t.Bound.Periods, t.Bound.Throttled, "since it was made", false}
	was, over, ok := t.Before()
	if !ok || !was.Bounded {
		return s
	}
	since, ok := t.Bound.Since(was.Bound)
	if !ok {
		return s
	}
	return stops{since.Periods, since.Throttled, "in the last " + units.Span(over.Seconds()), true}
}

func (s stops) share() float64 { return float64(s.throttled) / float64(max(s.periods, 1)) }

func bounds() []taskField {
	bound := func(d doc, get func(one) value, read func(one) string) taskField {
		d.Source, d.Concept = inspect.CgroupCPU, "cpu-bandwidth"
		return told(d, func(t one) value {
			if !t.Bounded {
				return explain.None(inspect.Inapplicable)
			}
			return get(t)
		}, read)
	}
	quota := bound(doc{
		Key: "cpu_quota", Label: "CPUs", Unit: explain.Decimal,
		Gist: "How many CPUs' worth of time its cgroup may have.",
	}, nil, func(t one) string {
		if !t.Bounded {
			return "No cgroup bounds its time."
		}
		return "By cgroup " + t.Bound.Path + ", for all of its tasks together."
	})
	quota.Get = func(t one) value {
		if !t.Bounded {
			return explain.None(inspect.Unlimited)
		}
		return explain.F(t.Bound.CPUs)
	}
	return []taskField{
		quota,
		bound(doc{
			Key: "cpu_throttled", Label: "stopped", Unit: explain.Ratio,
			Gist: "Of the periods in which that cgroup wanted time, those in which it used it up.",
		}, func(t one) value {
			return explain.F(taskStops(t).share())
		}, func(t one) string {
			s := taskStops(t)
			return units.Number(s.throttled) + " of " + units.Plural(s.periods, "period", "periods") + " " +
				s.over + ": then it stands still until the next."
		}),
		bound(doc{
			Key: "cpu_throttled_time", Label: "stopped for", Unit: explain.Seconds, Counter: true, Grown: true,
			Gist: "How long that cgroup's CPUs were stopped, added up over CPUs.",
		}, func(t one) value {
			return explain.F(t.Bound.Stood.Seconds())
		}, func(t one) string {
			if _, _, ok := t.Before(); ok {
				return "In the interval, added up over CPUs, as long as its tasks wanted them."
			}
			return "Since the cgroup was made, added up over CPUs, as long as its tasks wanted them."
		}),
	}
}

// basis is what a share of periods rests on.
func basis(watched bool) explain.Basis {
	if watched {
		return explain.Interval
	}
	return explain.Ever
}

// throttledAt are the thresholds of being stopped, of a cgroup and of a task in it.
func throttledAt() explain.At { return explain.At{Notice: 0.10, Warning: 0.50, Critical: 0.95} }

func boundRules() []explain.Rule[one] {
	return []explain.Rule[one]{{
		ID: "sched.task_throttled", What: "periods in which the quota of its cgroup was used up / periods", Unit: explain.Ratio,
		Means: "Its cgroup used up cpu.max (cpu.cfs_quota_us) before the period was over: all of its tasks stand still until the " +
			"next, on idle CPUs too.",
		Evidence: []string{"cpu_throttled", "cpu_quota"}, Concept: "cpu-bandwidth", Next: "kwhy explain cpu-bandwidth",
		Of: func(t one) value {
			if !t.Bounded {
				return value{}
			}
			s := taskStops(t)
			return explain.F(s.share())
		},
		At: throttledAt(), BasisOf: func(t one) explain.Basis { return basis(taskStops(t).watched) },
		Say: func(t one) string {
			s := taskStops(t)
			return "its cgroup " + t.Bound.Path + " used up its time in " +
				string(units.AppendPercent(nil, s.share())) + " of its periods " + s.over +
				": then all of its tasks stand still until the next"
		},
	}}
}
