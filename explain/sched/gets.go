package sched

import (
	"slices"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

func cpuUse() []taskField {
	runs, waits := lift(ran(), "run time"), lift(waited(), "run delay")
	runs.Grown, runs.Reading = true, readRan
	waits.Grown, waits.Reading = true, readWaited
	fields := []taskField{
		{
			Doc: doc{
				Key: "cpu_share", Label: "share", Unit: explain.Ratio, Source: inspect.PIDStat,
				Also: []inspect.Source{inspect.PIDCgroup, inspect.PIDAutogroup, inspect.CgroupCPU}, Concept: "nice",
				Gist: "The share of its CPU that its weight gives it among those that want it now.",
			},
			Get: cpuShare, Reading: readShare, Derive: deriveShare,
			Over: contenders,
		},
		lift(proc.CPU(), "cpu"), runs, waits, lift(timeslices(), "timeslices"),
		perTimeslice(doc{
			Key: "mean_turn", Label: "mean timeslice",
			Gist: "How long it ran on average before it waited or was preempted.",
		}, func(c clocks) inspect.Num { return c.ran }),
		perTimeslice(doc{
			Key: "mean_wait", Label: "mean run delay",
			Gist: "How long it was ready on average before it got a CPU.",
		}, func(c clocks) inspect.Num { return c.waited }),
	}
	for _, f := range proc.Switches() {
		label := "voluntary switches"
		if strings.HasPrefix(f.Key, "non") {
			label = "involuntary switches"
		}
		fields = append(fields, lift(f, label))
	}
	return fields
}

// clocks are times of schedstat, in ns, and timeslices: over the interval, or since the
// threads began.
type clocks struct {
	ran, waited, timeslices inspect.Num
	over                    string // what they are of, as a sentence has it
	why                     inspect.Reason
}

func clocksOf(p, was *procfacts.Process, over float64) clocks {
	c := clocks{ran: p.Ran, waited: p.Waited, timeslices: p.Turns, over: "since it began"}
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
	c.ran, c.waited, c.timeslices, c.over = p.Ran-was.Ran, p.Waited-was.Waited, p.Turns-was.Turns, "in the last "+units.Span(over)
	if c.ran < 0 || c.waited < 0 || c.timeslices < 0 { // a thread that ended took its own along
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

// perTimeslice declares a time of schedstat divided by the timeslices.
func perTimeslice(d doc, get func(clocks) inspect.Num) taskField {
	d.Unit, d.Source, d.Concept = explain.Seconds, inspect.PIDSchedstat, "scheduler"
	return ofTask(d, func(t one) value {
		c := taskClocks(t)
		switch {
		case c.why != inspect.Present:
			return explain.None(c.why)
		case c.timeslices == 0:
			return explain.None(inspect.Inapplicable)
		}
		return explain.F(float64(get(c)) / float64(c.timeslices) / 1e9)
	}, func(t one) string {
		c := taskClocks(t)
		return "On average, over " + units.Plural(c.timeslices, "timeslice", "timeslices") + " " + c.over + "."
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
	case c.ran+c.waited <= 0 && runnable(t):
		return "It is runnable and did not run " + c.over + ": the kernel adds what it waits when it runs next." + heldBack(t)
	case c.ran+c.waited <= 0:
		return "It did not want a CPU " + c.over + "."
	}
	if _, over, ok := t.Before(); ok && int64(c.waited) > int64(over)*int64(max(t.Row.P.Threads, 1)) {
		return "More than its " + units.Plural(max(t.Row.P.Threads, 1), "thread", "threads") + " can have waited " + c.over +
			": the kernel adds what a thread waited when it runs next, so that a part was before." + heldBack(t)
	}
	if n := unrun(t); n > 0 {
		return units.Plural(n, "thread was", "threads were") + " ready and did not run " + c.over +
			", which is not counted yet: the kernel adds it when a thread runs next." + heldBack(t)
	}
	return "Ready and not on a CPU, " + c.over + ": " + units.Percent(int64(c.waited), int64(c.ran+c.waited)) +
		" of the time that its threads wanted one." + heldBack(t)
}

// ofProcess reports whether it is a process with its threads, and not one thread.
func ofProcess(t one) bool {
	return t.Threads != nil && (t.Row.P.TGID == 0 || t.Row.P.TGID == t.Row.P.PID)
}

// unrun is how many of its threads were ready at both ends of the interval and did not run between.
func unrun(t one) (n int) {
	was, over, ok := t.Before()
	if !ok || !ofProcess(t) || was.Threads == nil || over < 20*time.Millisecond {
		return 0
	}
	for i := range t.Threads.Rows {
		p := &t.Threads.Rows[i]
		if j, met := was.Threads.Row(p.PID); met && p.State == 'R' {
			q := &was.Threads.Rows[j]
			if q.State == 'R' && q.Start == p.Start && p.Turns != inspect.Unset && p.Turns == q.Turns && p.Ran == q.Ran {
				n++
			}
		}
	}
	return n
}

// inQuota reports whether a quota holds it, or one of its threads: the kernel charges what fair tasks run
// (kernel/sched/fair.c, account_cfs_rq_runtime; 4.0 to 6.18), and no real-time or deadline task.
func inQuota(t one) bool {
	fair := func(p procfacts.Process) bool {
		return p.Policy != policyFIFO && p.Policy != policyRR && p.Policy != policyDeadline
	}
	return fair(*t.Row.P) || ofProcess(t) && slices.ContainsFunc(t.Threads.Rows, fair)
}

// runnable reports whether any of its threads is.
func runnable(t one) bool {
	if t.Row.P.State == 'R' {
		return true
	}
	if !ofProcess(t) {
		return false
	}
	return slices.ContainsFunc(t.Threads.Rows, func(p procfacts.Process) bool { return p.State == 'R' })
}

// heldBack says where it waited for its own quota, on idle CPUs too.
func heldBack(t one) string {
	if t.Row.P.OfDeadline() {
		return " Under SCHED_DEADLINE it waits for its next period, too, once its runtime is used up, whoever else runs."
	}
	s := taskThrottling(t)
	if !t.Bounded || s.throttled == 0 || !inQuota(t) {
		return ""
	}
	return " In " + string(units.AppendPercent(nil, s.share())) + " of the periods " + s.over + " its cgroup " + t.Bound.Path +
		" used up its quota: then its fair tasks wait for that, whoever else runs."
}

// throttling is how often the cgroup that limits a task was throttled: over the interval,
// or since it was made.
type throttling struct {
	periods, throttled uint64
	over               string
	watched            bool
}

func taskThrottling(t one) throttling {
	s := throttling{t.Bound.Periods, t.Bound.Throttled, "since it was made", false}
	was, over, ok := t.Before()
	if !ok || !was.Bounded {
		return s
	}
	since, ok := t.Bound.Since(was.Bound)
	if !ok {
		return s
	}
	return throttling{since.Periods, since.Throttled, "in the last " + units.Span(over.Seconds()), true}
}

func (s throttling) share() float64 { return float64(s.throttled) / float64(max(s.periods, 1)) }

func quotaFields() []taskField {
	ofQuota := func(d doc, get func(one) value, read func(one) string) taskField {
		d.Source, d.Concept = inspect.CgroupCPU, "cpu-bandwidth"
		return ofTask(d, func(t one) value {
			if !t.Bounded {
				return explain.None(inspect.Inapplicable)
			}
			return get(t)
		}, read)
	}
	quota := ofQuota(doc{
		Key: "cpu_quota", Label: "CPU quota", Unit: explain.Decimal,
		Gist: "How many CPUs' worth of time its cgroup may have.",
	}, nil, func(t one) string {
		switch {
		case !t.Bounded:
			return "No cgroup has a quota for it (cpu.max, cpu.cfs_quota_us)."
		case !inQuota(t):
			return "Of cgroup " + t.Bound.Path + ", for its fair tasks: this one is none, and runs on."
		case t.Bound.Rest != inspect.Present:
			return "By cgroup " + t.Bound.Path + ", for its fair tasks together: the lowest of those that can be seen."
		}
		return "By cgroup " + t.Bound.Path + ", for its fair tasks together."
	})
	quota.Also = []inspect.Source{inspect.PIDCgroup}
	quota.Get = quotaOf
	return []taskField{
		quota,
		ofQuota(doc{
			Key: "cpu_throttled", Label: "throttled", Unit: explain.Ratio,
			Gist: "The share of its cgroup's active periods in which the quota was used up.",
		}, func(t one) value {
			if !t.Bound.Counted {
				return explain.None(t.Bound.NoStat)
			}
			return explain.F(taskThrottling(t).share())
		}, func(t one) string {
			s := taskThrottling(t)
			return units.Number(s.throttled) + " of " + units.Plural(s.periods, "period", "periods") + " " +
				s.over + ": then its fair tasks are stopped until the quota is filled up again."
		}),
		ofQuota(doc{
			Key: "cpu_throttled_time", Label: "throttled time", Unit: explain.Seconds, Counter: true, Grown: true,
			Gist: "How long that cgroup was throttled, summed over CPUs.",
		}, func(t one) value {
			if !t.Bound.Counted {
				return explain.None(t.Bound.NoStat)
			}
			return explain.F(t.Bound.Stood.Seconds())
		}, readStood),
	}
}

// readStood says what a stop of the cgroup is counted in: in the interval in which it ends, with all that
// it was (kernel/sched/fair.c, unthrottle_cfs_rq).
func readStood(t one) string {
	was, over, ok := t.Before()
	if !ok || !was.Bounded {
		return "Since the cgroup was made, summed over CPUs, while its tasks wanted to run."
	}
	since, ok := t.Bound.Since(was.Bound)
	switch c := taskClocks(t); {
	case ok && since.Stood > over*time.Duration(max(t.Sched.Settings.Host.CPUs, 1)):
		return "Summed over CPUs, and more than the interval has: a stop is added when it ends, so that a part was before."
	case ok && since.Stood == 0 && c.why == inspect.Present && c.ran+c.waited <= 0 && runnable(t):
		return "None ended in the interval. Its tasks want to run and did not: a stop is added when it ends."
	}
	return "In the interval, summed over CPUs, while its tasks wanted to run."
}

// quotaOf is how many CPUs' worth of time the cgroup of a task may have.
func quotaOf(t one) value {
	why := t.Missing(inspect.PIDCgroup)
	switch {
	case t.Bounded:
		return explain.F(t.Bound.CPUs)
	case why.IsGap() && why != inspect.Unsupported:
		return explain.None(why) // which cgroups it is in is not known
	case t.Bound.Rest != inspect.Present:
		return explain.None(t.Bound.Rest)
	}
	return explain.None(inspect.Unlimited)
}

// basis is what a share of periods rests on.
func basis(watched bool) explain.Basis {
	if watched {
		return explain.Interval
	}
	return explain.Ever
}

// throttledAt are the thresholds of being throttled, of a cgroup and of a task in it.
func throttledAt() explain.At { return explain.At{Notice: 0.10, Warning: 0.50, Critical: 0.95} }

func boundRules() []explain.Rule[one] {
	return []explain.Rule[one]{{
		ID: "sched.task_throttled", What: "periods in which the quota of its cgroup was used up / periods", Unit: explain.Ratio,
		Means: "Its cgroup used up cpu.max (cpu.cfs_quota_us) before the period was over: its fair tasks are stopped until it is " +
			"filled up again, on idle CPUs too.",
		Evidence: []string{"cpu_throttled", "cpu_quota"}, Concept: "cpu-bandwidth", Next: "kwhy explain cpu-bandwidth",
		Of: func(t one) value {
			if !t.Bounded || !inQuota(t) || !t.Bound.Counted {
				return value{}
			}
			s := taskThrottling(t)
			return explain.F(s.share())
		},
		At: throttledAt(), BasisOf: func(t one) explain.Basis { return basis(taskThrottling(t).watched) },
		Say: func(t one) string {
			s := taskThrottling(t)
			return "its cgroup " + t.Bound.Path + " used up its quota in " +
				string(units.AppendPercent(nil, s.share())) + " of its periods " + s.over +
				": then its fair tasks are stopped until it is filled up again"
		},
	}}
}
