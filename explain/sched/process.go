package sched

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/proc"
	"kwhy/inspect"
)

type (
	one       = *inspect.SchedTask
	taskField = explain.Field[*inspect.SchedTask]
)

// Process explains one process, or one thread, as the scheduler sees it.
func Process() explain.Card[*inspect.SchedTask] {
	return explain.Card[*inspect.SchedTask]{Name: "sched PID", Sections: []explain.Section[*inspect.SchedTask]{
		{Title: "By which rule", Fields: rule()},
		{Title: "What it gets", Fields: gets()},
		{Title: "What the scheduler reckons with", Fields: reckoned()},
		{Title: "Where it may run", Fields: places()},
		{Title: "What bounds it", Fields: bounds()},
		{Title: "Its threads", Table: "threads"},
	}}
}

func told(d doc, get func(one) value, read func(one) string) taskField {
	return taskField{Doc: d, Get: get, Reading: read}
}

// lift takes a column of the tables.
func lift(c column, label string) taskField {
	c.Show = explain.Always
	if label != "" {
		c.Label = label
	}
	return explain.Own(explain.Lift(c, func(t one) row { return t.Row }))
}

func rule() []taskField {
	policy := lift(proc.Policy(), "")
	policy.Reading = readPolicy
	nice := lift(proc.Nice(), "nice")
	nice.Reading = readNice
	w := lift(weight(), "")
	w.Derive = deriveWeight
	return []taskField{policy, nice, w,
		lift(proc.RTPriority(), "rt priority"),
		told(doc{Key: "sched_group", Label: "group", Source: inspect.PIDCgroup, Also: []inspect.Source{inspect.PIDAutogroup, inspect.SchedAutogroup, inspect.CgroupCPU}, Concept: "autogroup", Gist: "The groups that it shares CPUs with others in, the outermost first."},
			func(t one) value {
				var names []string
				for _, g := range mine(t).Groups {
					names = append(names, g.Name)
				}
				return list(names)
			}, readGroups),
		deadline("dl_runtime", "runtime", "What it may use of each period, of SCHED_DEADLINE.", func(t *inspect.Task) inspect.Num { n, _, _ := t.Deadline(); return n }),
		deadline("dl_deadline", "deadline", "By when after the period begins it has to have had that.", func(t *inspect.Task) inspect.Num { _, n, _ := t.Deadline(); return n }),
		deadline("dl_period", "period", "How long its period is.", func(t *inspect.Task) inspect.Num { _, _, n := t.Deadline(); return n }),
	}
}

func deadline(key, label, gist string, get func(*inspect.Task) inspect.Num) taskField {
	return told(doc{Key: key, Label: label, Unit: explain.Seconds, Source: inspect.SchedGetattr, Concept: "real-time", Gist: gist}, func(t one) value {
		if t.Row.P.Policy != policyDeadline {
			return explain.None(inspect.Inapplicable)
		}
		n := get(&inspect.Task{Proc: t.Row, Attr: t.Attr})
		if n == inspect.Unset {
			return explain.None(inspect.Masked)
		}
		return clock(n)
	}, nil)
}

func readPolicy(t one) string {
	switch t.Row.P.Policy {
	case policyFIFO:
		return "Real time: before every fair task, until it waits or one of a higher priority comes."
	case policyRR:
		return "Real time: before every fair task, in turns with those of its priority."
	case policyDeadline:
		return "A budget of time in each period, the earliest deadline first, before all others."
	case policyIdle:
		return "Runs where no one else wants to: weight 3, whatever its nice value."
	case 3:
		return "A fair share, like the default, but it does not take the CPU from others when it wakes."
	case policyExt:
		return "By the BPF scheduler."
	}
	return "The default: a fair share by its weight, as " + Regime(t.Sched) + " deals it out."
}

func readNice(t one) string {
	n := t.Row.P.Nice
	within := "of its group"
	if g := mine(t).Groups; len(g) > 0 && g[len(g)-1].Auto {
		within = "of its session, which is an autogroup: against other sessions it does not count"
	}
	switch {
	case n == 0:
		return "The default. It counts against fair tasks " + within + "."
	case n > 0:
		return "It lets others go first, among the fair tasks " + within + "."
	}
	return "It goes before others, among the fair tasks " + within + "."
}

func deriveWeight(t one) explain.Derivation {
	p := t.Row.P
	n, ok := weightOf(p)
	if !ok || p.Sched == nil || p.Sched.Weight == inspect.Unset {
		return explain.Derivation{}
	}
	var w explain.Working
	scale := int64(1)
	if int64(p.Sched.Weight) >= 1024*kernel.IdleWeight { // 64-bit kernels count in 1/1024
		scale = 1024
	}
	w.Take("se_load_weight", explain.I(int64(p.Sched.Weight)), explain.Count, inspect.PIDSched, "se.load.weight")
	w.Take("scale", explain.I(scale), explain.Count, inspect.None, "how finely the kernel counts")
	d := w.Done("se_load_weight / scale", explain.Count, explain.I(int64(p.Sched.Weight)/scale))
	d.Reported = explain.I(n)
	d.Cause = "the table of nice values says otherwise"
	return d
}

func readGroups(t one) string {
	groups := mine(t).Groups
	if len(groups) == 0 {
		return "None: it shares the CPUs with the kernel's own threads and with groups, as one among them."
	}
	var words []string
	for _, g := range groups {
		switch {
		case g.Auto:
			words = append(words, fmt.Sprintf("its session's autogroup, nice %d", g.Nice))
		case g.Idle:
			words = append(words, g.Name+" with cpu.idle")
		case g.Weight > 0:
			words = append(words, fmt.Sprintf("%s with a weight of %d", g.Name, g.Weight))
		case g.Shares > 0:
			words = append(words, fmt.Sprintf("%s with shares of %d", g.Name, g.Shares))
		default:
			words = append(words, g.Name+", whose weight is not to be seen from here")
		}
	}
	return "CPUs are shared among groups first, then within them: " + strings.Join(words, ", then ") + "."
}

func gets() []taskField {
	perTurn := func(key, label, gist string, get func(*inspect.Process) inspect.Num) taskField {
		return told(doc{Key: key, Label: label, Unit: explain.Seconds, Source: inspect.PIDSchedstat, Concept: "scheduler", Gist: gist}, func(t one) value {
			p := t.Row.P
			switch p.Turns {
			case inspect.Unset:
				return value{}
			case 0:
				return explain.None(inspect.Inapplicable)
			}
			return explain.F(float64(get(p)) / float64(p.Turns) / 1e9)
		}, nil)
	}
	fields := []taskField{
		told(doc{Key: "cpu_share", Label: "share", Unit: explain.Ratio, Source: inspect.PIDStat, Also: []inspect.Source{inspect.PIDCgroup, inspect.PIDAutogroup, inspect.CgroupCPU}, Concept: "nice", Gist: "What its weight gives it of its CPU against those that want it now."}, cpuShare, readShare),
		lift(proc.CPU(), "cpu"), lift(ran(), "ran"), lift(waited(), "waited"), lift(turns(), "turns"),
		perTurn("mean_turn", "a turn", "How long it ran on average before it waited or was put off.", func(p *inspect.Process) inspect.Num { return p.Ran }),
		perTurn("mean_wait", "before a turn", "How long it was ready on average before it got a CPU.", func(p *inspect.Process) inspect.Num { return p.Waited }),
	}
	fields[0].Derive = deriveShare
	fields[3].Reading = readWaited
	for _, f := range proc.Switches() {
		label := "gave it up"
		if strings.HasPrefix(f.Key, "non") {
			label = "was put off"
		}
		fields = append(fields, lift(f, label))
	}
	return fields
}

func readWaited(t one) string {
	p := t.Row.P
	if p.Ran <= 0 && p.Waited <= 0 {
		return "It has not wanted a CPU."
	}
	return explain.Percent(int64(p.Waited), int64(p.Ran+p.Waited)) + " of the time that its threads wanted a CPU."
}

func reckoned() []taskField {
	v := lift(vruntime(), "")
	v.Reading = readVruntime
	number := func(key, kernelName, label, gist string, concept explain.Concept, unit explain.Unit, get func(*inspect.TaskSched) inspect.Num, read func(one) string) taskField {
		return told(doc{Key: key, Kernel: kernelName, Label: label, Unit: unit, Source: inspect.PIDSched, Option: option(key), Concept: concept, Gist: gist}, func(t one) value {
			s := t.Row.P.Sched
			if s == nil {
				return value{}
			}
			n := get(s)
			switch {
			case n == inspect.Unset && strings.HasPrefix(key, "uclamp"):
				return explain.None(inspect.Unsupported)
			case n == inspect.Unset:
				return explain.None(inspect.Inapplicable)
			case unit == explain.Seconds:
				return explain.F(float64(n) / 1e9)
			case unit == explain.Ratio:
				return explain.F(float64(n) / 1024)
			}
			return explain.Opt(n)
		}, read)
	}
	return []taskField{
		v,
		number("se_slice", "se.slice", "slice", "For how long it may run before another's turn, on EEVDF.", "vruntime", explain.Seconds, func(s *inspect.TaskSched) inspect.Num { return s.Slice }, readSlice),
		queued("vlag", "lag", "How far it is behind the mean of its queue: behind, it may be picked.", explain.Seconds, func(l inspect.Lag) value {
			if !l.HasMean { // its group is off the queues, as one that is throttled
				return explain.None(inspect.Inapplicable)
			}
			return explain.F(float64(l.Mean-l.Vruntime) / 1e9)
		}, readLag),
		queued("vdeadline", "deadline, virtual", "When its slice has to be done, in the virtual time of its queue.", explain.Seconds, func(l inspect.Lag) value { return explain.F(float64(l.Deadline) / 1e9) }, func(t one) string {
			return explain.Span(float64(t.Lag.Deadline-t.Lag.Vruntime)/1e9) + " of virtual time from where it is. Of those that may be picked the earliest is."
		}),
		queued("eligible", "", "Whether it may be picked: whether its lag is not negative.", explain.Bool, func(l inspect.Lag) value { return explain.B(l.Eligible) }, nil),
		number("se_avg_util_avg", "se.avg.util_avg", "used lately", "How much of a CPU it has used lately, halved every 32 ms.", "cpu-time", explain.Ratio, func(s *inspect.TaskSched) inspect.Num { return s.Util }, nil),
		number("uclamp_min", "uclamp.min", "uclamp, least", "How busy it counts at least when a CPU's speed is chosen.", "cpu-time", explain.Ratio, func(s *inspect.TaskSched) inspect.Num { return s.UclampMin }, nil),
		number("uclamp_max", "uclamp.max", "uclamp, most", "How busy it counts at most when a CPU's speed is chosen.", "cpu-time", explain.Ratio, func(s *inspect.TaskSched) inspect.Num { return s.UclampMax }, nil),
	}
}

// option is what the kernel must be built with to have a line of /proc/PID/sched.
func option(key string) string {
	if strings.HasPrefix(key, "uclamp") {
		return "CONFIG_UCLAMP_TASK"
	}
	return ""
}

// queued declares what debugfs alone tells, of a task that is on a queue.
func queued(key, label, gist string, unit explain.Unit, get func(inspect.Lag) value, read func(one) string) taskField {
	return told(doc{Key: key, Label: label, Unit: unit, Source: inspect.SchedLag, Since: version(6, 6), Concept: "vruntime", Gist: gist}, func(t one) value {
		switch {
		case Regime(t.Sched) == "CFS":
			return explain.None(inspect.Inapplicable)
		case t.Missing(inspect.SchedLag) != inspect.Present:
			return value{}
		case !t.Queued:
			return explain.None(inspect.Inapplicable)
		}
		if _, fair := weightOf(t.Row.P); !fair {
			return explain.None(inspect.Inapplicable)
		}
		return get(t.Lag)
	}, read)
}

func readLag(t one) string {
	if t.Lag.Mean >= t.Lag.Vruntime {
		return "It has had less than its share: it may be picked."
	}
	return "It has had more than its share, and waits until the others have caught up."
}

func readVruntime(t one) string {
	if Regime(t.Sched) == "CFS" {
		return "Run time, stretched by 1024 / weight. CFS runs the least of its queue next; between queues it says nothing."
	}
	return "Run time, stretched by 1024 / weight. EEVDF sets it against the mean of its queue: who is not ahead may run. Between queues it says nothing."
}

func readSlice(t one) string {
	base, ok := baseSliceNS(t.Sched), t.Row.P.Sched.Slice
	if base > 0 && ok != base {
		return "It asked for one of its own; the default is " + explain.Span(float64(base)/1e9) + "."
	}
	return "The default. A shorter one means turns that are shorter and come sooner, and no larger share."
}

func places() []taskField {
	allowed := told(doc{Key: "cpus_allowed_list", Kernel: "Cpus_allowed_list", Label: "allowed", Source: inspect.PIDStatus, Also: []inspect.Source{inspect.CPUList}, Concept: "affinity", Gist: "The CPUs that it may run on, by its own mask and its cpuset."},
		func(t one) value {
			if s := t.Status["Cpus_allowed_list"]; s != "" {
				return explain.S(s)
			}
			return value{}
		}, func(t one) string {
			online, own := t.Sched.Lists.Online, t.Status["Cpus_allowed_list"]
			switch {
			case online == "":
				return ""
			case inspect.CPUListHolds(own, online):
				return "All that are online: " + online + "."
			}
			return "Not all that are online (" + online + "): it was pinned, or its cpuset is smaller."
		})
	return []taskField{
		allowed, lift(proc.Processor(), "last ran on"), lift(migrations(), "moved"),
		told(doc{Key: "numa_preferred_nid", Kernel: "numa_preferred_nid", Label: "NUMA node", Unit: explain.Plain, Source: inspect.PIDSched, Option: "CONFIG_NUMA_BALANCING", Concept: "numa", Show: explain.Data, Gist: "The node on which most of its memory was found; none before that was looked for."},
			func(t one) value {
				if s := t.Row.P.Sched; s != nil && s.NumaNode != inspect.Unset {
					return explain.Opt(s.NumaNode)
				}
				return explain.None(inspect.Inapplicable)
			}, nil),
		told(doc{Key: "timerslack_ns", Kernel: "timerslack_ns", Label: "timer slack", Unit: explain.Seconds, Source: inspect.PIDTimerslack, Since: version(4, 6), Concept: "scheduler", Gist: "By how much its timers may be late, so that several go off at once."},
			func(t one) value { return clock(t.Timerslack) }, nil),
	}
}

func bounds() []taskField {
	bound := func(d doc, get func(*inspect.Throttle) value, read func(one) string) taskField {
		d.Source, d.Concept = inspect.CgroupCPU, "cpu-bandwidth"
		return told(d, func(t one) value {
			if !t.Bounded {
				return explain.None(inspect.Unlimited)
			}
			return get(&t.Bound)
		}, read)
	}
	return []taskField{
		bound(doc{Key: "cpu_quota", Label: "CPUs", Unit: explain.Decimal, Gist: "How many CPUs' worth of time its cgroup may have."}, func(b *inspect.Throttle) value { return explain.F(b.CPUs) }, func(t one) string {
			if !t.Bounded {
				return "No cgroup bounds its time."
			}
			return "By cgroup " + t.Bound.Path + ", for all of its tasks together."
		}),
		bound(doc{Key: "cpu_throttled", Label: "stopped", Unit: explain.Ratio, Gist: "Of the periods in which that cgroup wanted time, those in which it used it up."}, func(b *inspect.Throttle) value {
			return explain.F(float64(b.Throttled) / float64(max(b.Periods, 1)))
		}, func(t one) string {
			if !t.Bounded {
				return ""
			}
			return fmt.Sprintf("%s of %s: then it stands still until the next.", explain.Number(t.Bound.Throttled), explain.Plural(t.Bound.Periods, "period", "periods"))
		}),
	}
}
