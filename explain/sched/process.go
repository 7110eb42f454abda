package sched

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
)

type (
	one       = *schedfacts.Process
	taskField = explain.Field[*schedfacts.Process]
)

// Process explains one process, or one thread, as the scheduler sees it.
func Process() explain.Card[*schedfacts.Process] {
	return explain.Card[*schedfacts.Process]{Name: "sched PID", Sections: []explain.Section[*schedfacts.Process]{
		{Title: "Scheduling policy", Fields: slices.Concat(policyFields(), deadlines())},
		{Title: "CPU time and waiting", Fields: cpuUse()},
		{Title: "Scheduling entity", Fields: computed()},
		{Title: "CPU affinity and NUMA", Fields: slices.Concat(affinity(), numa())},
		{Title: "CPU bandwidth", Fields: quotaFields()},
		{Title: "Threads", Table: "threads"},
	}, Rules: boundRules()}
}

func ofTask(d doc, get func(one) value, read func(one) string) taskField {
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

func policyFields() []taskField {
	policy := lift(proc.Policy(), "")
	policy.Reading = readPolicy
	policy.Also = []inspect.Source{inspect.SchedRTRuntime, inspect.SchedRTPeriod, inspect.SchedDebug}
	nice := lift(proc.Nice(), "nice")
	nice.Reading = readNice
	w := lift(weight(), "")
	w.Derive = deriveWeight
	priority := lift(proc.RTPriority(), "rt priority")
	always := priority.Get
	priority.Get = func(t one) value {
		if p := t.Row.P.Policy; p != policyFIFO && p != policyRR {
			return explain.None(inspect.Inapplicable)
		}
		return always(t)
	}
	return ofLiving([]taskField{policy, nice, w, priority,
		ofTask(doc{
			Key: "sched_group", Label: "groups", Source: inspect.PIDCgroup,
			Also:    []inspect.Source{inspect.PIDAutogroup, inspect.SchedAutogroup, inspect.CgroupCPU},
			Concept: "autogroup",
			Gist:    "The scheduling groups that it is in, the outermost first.",
		},
			func(t one) value {
				if _, fair := weightOf(t.Row.P); !fair {
					return explain.None(inspect.Inapplicable) // its scheduling does not depend on them
				}
				var names []string
				for _, g := range mine(t).Groups {
					names = append(names, g.Name)
				}
				return list(names)
			}, readGroups),
	})
}

// ofLiving makes fields say of a task that has ended just that: what else they say is of one that goes on.
func ofLiving(list []taskField) []taskField {
	for i := range list {
		says := list[i].Reading
		list[i].Reading = func(t one) string {
			if s := proc.EndedSays(t.Row.P); s != "" || says == nil {
				return s
			}
			return says(t)
		}
	}
	return list
}

func deadlines() []taskField {
	ofDeadline := func(d doc, get func(*schedfacts.Task) inspect.Num) taskField {
		d.Unit, d.Source, d.Concept = explain.Seconds, inspect.SchedGetattr, "deadline"
		return ofTask(d, func(t one) value {
			if t.Row.P.Policy != policyDeadline {
				return explain.None(inspect.Inapplicable)
			}
			n := get(&schedfacts.Task{Row: t.Row, Attr: t.Attr})
			if n == inspect.Unset {
				return explain.None(inspect.Masked)
			}
			return clock(n)
		}, nil)
	}
	return []taskField{
		ofDeadline(doc{
			Key: "dl_runtime", Label: "runtime",
			Gist: "The CPU time that it may use in each period, of SCHED_DEADLINE.",
		}, func(t *schedfacts.Task) inspect.Num { n, _, _ := t.Deadline(); return n }),
		ofDeadline(doc{
			Key: "dl_deadline", Label: "deadline",
			Gist: "How long after the period begins it must have had that.",
		}, func(t *schedfacts.Task) inspect.Num { _, n, _ := t.Deadline(); return n }),
		ofDeadline(doc{Key: "dl_period", Label: "period", Gist: "The length of its period."}, func(t *schedfacts.Task) inspect.Num {
			_, _, n := t.Deadline()
			return n
		}),
	}
}

func readPolicy(t one) string {
	switch t.Row.P.Policy {
	case policyFIFO:
		return "Real time: runs before every fair task, until it waits or one of a higher priority is ready. " + realtimeBound(t.Sched)
	case policyRR:
		return "Real time: runs before every fair task, round robin with those of its priority. " + realtimeBound(t.Sched)
	case policyDeadline:
		return "A budget of time in each period, the earliest deadline first, before all others. When it has used that up, " +
			"it is stopped until the next period."
	case policyIdle:
		if len(mine(t).Groups) > 0 {
			return "Weight 3, whatever its nice value: others of its group come first. Against other groups the group's own weight " +
				"counts: alone in its group, it gets all of that."
		}
		return "Weight 3, whatever its nice value: hardly anything where others want the CPU."
	case 3:
		return "A fair share, like the default, but it does not take the CPU from others when it wakes."
	case policyExt:
		return "By the BPF scheduler."
	}
	if t.Row.P.Ext() {
		return "The default, which the BPF scheduler handles here."
	}
	return "The default: a fair share by its weight, as " + cmp.Or(Regime(t.Sched), "the scheduler") + " allots it."
}

// realtimeBound says what keeps real-time tasks that never wait from taking a CPU
// for good.
func realtimeBound(s sched) string {
	run, _ := s.Settings.Number(inspect.SchedRTRuntime)
	period, known := s.Settings.Number(inspect.SchedRTPeriod)
	const served = "the fair server gives fair tasks some of each second, 5 % unless that was changed."
	switch {
	case s.Debug.FairRuntime == 0:
		return "The fair server, which would reserve time for fair tasks, is switched off."
	case s.Debug.FairRuntime != inspect.Unset:
		return "Even if it never waits, the fair server gives fair tasks " +
			units.Span(float64(s.Debug.FairRuntime)/1e9) + " of each " + units.Span(float64(s.Debug.FairPeriod)/1e9) + "."
	}
	throttled := "after " + units.Span(float64(run)/1e6) + " of each " + units.Span(float64(period)/1e6) +
		" real-time tasks are throttled, so that others get the rest" +
		inspect.Choose(s.Kernel().Since(5, 10), "", "; before 5.10 a CPU can borrow that from other CPUs", "") + "."
	switch {
	case !known:
		throttled = ""
	case run < 0 || run >= period:
		throttled = "nothing reserves time for fair tasks: sched_rt_runtime_us is off."
	}
	unknown := "Since Linux 6.12 " + served
	if throttled != "" {
		unknown = "Until Linux 6.11 " + throttled + " " + unknown
	}
	return inspect.Choose(s.FairServer(), "Even if it never waits, "+served, units.Capital(throttled), unknown)
}

func readNice(t one) string { return proc.NiceSays(t.Row.P, mine(t).Groups) }

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
	w.Take("scale", explain.I(scale), explain.Count, inspect.None, "the kernel's fixed-point scale")
	d := w.Done("se_load_weight / scale", explain.Count, explain.I(int64(p.Sched.Weight)/scale))
	d.Reported = explain.I(n)
	d.Cause = "the table of nice values says otherwise"
	return d
}

func readGroups(t one) string {
	groups := mine(t).Groups
	if len(groups) == 0 && t.Row.P.Autogroup >= 0 {
		return fmt.Sprintf("None, unless it ran before kernel.sched_autogroup_enabled was switched off: then it is still in its "+
			"session's group, /autogroup-%d, and no file says so.", t.Row.P.Autogroup)
	}
	if why := t.Unplaced; len(groups) == 0 && why != inspect.Present {
		return "Its cgroup, " + t.Row.P.CPUCgroup + ", is " + units.AbsentWord(why) + ": which of them count is not known."
	}
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
		case strings.HasPrefix(g.Name, "above "):
			words = append(words, "those "+g.Name+", which can't be seen: "+units.AbsentWord(g.Unseen))
		case g.Unseen != inspect.Present:
			words = append(words, g.Name+", whose weight can't be seen: "+units.AbsentWord(g.Unseen))
		default:
			words = append(words, g.Name+", whose weight is not visible from here")
		}
	}
	return "CPUs are shared among groups first, then within them: " + strings.Join(words, ", then ") + "."
}

func affinity() []taskField {
	allowed := ofTask(doc{
		Key: "cpus_allowed_list", Kernel: "Cpus_allowed_list",
		Source: inspect.PIDStatus, Also: []inspect.Source{inspect.CPUList}, Concept: "affinity",
		Gist: "The CPUs that it may run on, by its own mask and its cpuset.",
	},
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
		allowed, lift(proc.Processor(), "last CPU"), lift(migrations(), "migrations"),
		ofTask(doc{
			Key: "timerslack_ns", Kernel: "timerslack_ns", Label: "timer slack", Unit: explain.Seconds,
			Source: inspect.PIDTimerslack, Since: version(4, 6), Concept: "scheduler",
			Gist: "By how much its timers may be late, so that several expire at once.",
		},
			func(t one) value { return clock(t.Timerslack) }, nil),
	}
}

// numa declares what the kernel counts where it balances memory and tasks over
// nodes; nothing of it is there before the first scan.
func numa() []taskField {
	ofNUMA := func(d doc, get func(*procfacts.TaskSched) inspect.Num) taskField {
		d.Source, d.Option, d.Concept = inspect.PIDSched, "CONFIG_NUMA_BALANCING", "numa"
		return ofTask(d, func(t one) value {
			if s := t.Row.P.Sched; s != nil && get(s) != inspect.Unset {
				return explain.Opt(get(s))
			}
			return explain.None(inspect.Inapplicable)
		}, nil)
	}
	return []taskField{
		ofNUMA(doc{
			Key: "numa_preferred_nid", Kernel: "numa_preferred_nid", Unit: explain.Plain,
			Gist: "The node on which most of its memory was found; none before the first scan.",
		}, func(s *procfacts.TaskSched) inspect.Num { return s.NumaNode }),
		ofNUMA(doc{
			Key: "total_numa_faults", Kernel: "total_numa_faults", Unit: explain.Count,
			Show: explain.Rare,
			Gist: "NUMA hinting faults, which show where its memory is; they decay.",
		}, func(s *procfacts.TaskSched) inspect.Num { return s.NumaFaults }),
		ofNUMA(doc{
			Key: "numa_pages_migrated", Kernel: "numa_pages_migrated", Unit: explain.Pages,
			Counter: true, Show: explain.Rare,
			Gist: "Pages that were migrated to the node from which it used them.",
		}, func(s *procfacts.TaskSched) inspect.Num { return s.NumaMoved }),
	}
}
