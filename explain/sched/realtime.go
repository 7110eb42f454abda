package sched

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	schedfacts "kwhy/inspect/sched"
)

func realtime() []field {
	ofSysctl := func(d doc, read func(sched) string) field {
		d.Unit, d.Concept = explain.Seconds, "real-time"
		return field{Doc: d, Get: func(s sched) value {
			n, ok := s.Settings.Number(d.Source)
			switch {
			case !ok:
				return value{}
			case n < 0:
				return explain.None(inspect.Unlimited)
			}
			return explain.F(float64(n) / 1e6)
		},
			Reading: read}
	}
	return []field{
		{
			Doc: doc{
				Key: "realtime_tasks", Label: "real-time tasks", Unit: explain.Count, Source: inspect.PIDStat,
				Concept: "real-time",
				Gist:    "Threads of the policies FIFO, RR and DEADLINE, the kernel's among them.",
			},
			Get:  func(s sched) value { return explain.I(len(s.Realtime)) },
			Over: overThreads,
			Reading: func(s sched) string {
				n := 0
				for i := range s.Realtime {
					if !s.Realtime[i].P.Kthread() {
						n++
					}
				}
				if n == 0 {
					return "All of them the kernel's own."
				}
				return units.Plural(n, "is a program's", "are programs'") + ", the rest the kernel's own."
			},
		},
		ofSysctl(doc{
			Key: "sched_rt_runtime_us", Label: "sched_rt_runtime_us", Kernel: "kernel.sched_rt_runtime_us",
			Source: inspect.SchedRTRuntime,
			Also:   []inspect.Source{inspect.SchedRTPeriod},
			Gist:   "How much of each period real-time tasks may use.",
		}, readRuntime),
		ofSysctl(doc{
			Key: "sched_rt_period_us", Label: "sched_rt_period_us", Kernel: "kernel.sched_rt_period_us",
			Source: inspect.SchedRTPeriod,
			Gist:   "The period of that limit.",
		}, nil),
		{
			Doc: doc{
				Key: "fair_server_runtime", Label: "fair server runtime", Unit: explain.Seconds,
				Source: inspect.SchedDebug, Since: version(6, 12), Concept: "real-time",
				Gist: "What fair tasks get of each period in any case, since 6.12; as CPU 0 has it.",
			},
			Get: func(s sched) value {
				if s.Debug.FairRuntime == inspect.Unset {
					return explain.None(inspect.Unsupported)
				}
				return explain.F(float64(s.Debug.FairRuntime) / 1e9)
			},
			Reading: func(s sched) string {
				return fmt.Sprintf("Of each %s: fair tasks get this much even if a real-time task never waits.",
					units.Span(float64(s.Debug.FairPeriod)/1e9))
			},
		},
		{
			Doc: doc{
				Key: "sched_rr_timeslice_ms", Kernel: "kernel.sched_rr_timeslice_ms", Label: "sched_rr_timeslice_ms",
				Unit: explain.Seconds, Show: explain.Data,
				Source: inspect.SchedRRTimeslice, Concept: "real-time",
				Gist: "How long a SCHED_RR task runs before others of its priority.",
			},
			Get: func(s sched) value {
				if n, ok := s.Settings.Number(inspect.SchedRRTimeslice); ok {
					return explain.F(float64(n) / 1e3)
				}
				return value{}
			},
		},
	}
}

func readRuntime(s sched) string {
	run, _ := s.Settings.Number(inspect.SchedRTRuntime)
	period, ok := s.Settings.Number(inspect.SchedRTPeriod)
	if run < 0 || ok && run >= period {
		const served = "No limit by this. Since 6.12 the fair server reserves a share for other tasks, 5 % by default."
		return inspect.Choose(s.FairServer(), served, "No limit: a real-time task that never waits leaves its CPU to no other task.",
			served+" Before, a real-time task that never waits leaves its CPU to no other.")
	}
	if !ok || period <= 0 {
		return ""
	}
	says := units.Percent(run, period) + " of each period"
	return inspect.Choose(s.FairServer(),
		says+" is the limit up to which SCHED_DEADLINE tasks are admitted. Fair tasks get their share by the fair server "+
			"since 6.12; real-time tasks are throttled only in groups of CONFIG_RT_GROUP_SCHED.",
		says+": then real-time tasks are throttled, so that others get the rest"+
			inspect.Choose(s.Kernel().Since(5, 10), "", "; before 5.10 a CPU can borrow that from other CPUs", "")+".",
		says+": before Linux 6.12 real-time tasks are throttled then, so that others get the rest.")
}

// Realtime lists the tasks that come before fair ones.
func Realtime() *explain.Table[taskRow] {
	type column = explain.Field[taskRow]
	ofDeadline := func(d doc, get func(*schedfacts.Task) inspect.Num) column {
		d.Unit, d.Show, d.Source, d.Concept = explain.Seconds, explain.Wide, inspect.SchedGetattr, "deadline"
		return column{Doc: d, Get: func(r taskRow) value {
			if r.It.P.Policy != policyDeadline {
				return explain.None(inspect.Inapplicable)
			}
			return clock(get(r.It))
		}}
	}
	policy, priority, kernel := proc.Policy(), proc.RTPriority(), proc.Kernel()
	priority.Label = "PRIO"
	return &explain.Table[taskRow]{
		Name: "realtime", Identity: []string{"pid", "tid", "comm"},
		Sort: []string{"kernel", "policy", "rt_priority", "pid"},
		Fields: []column{
			task(proc.PID()), task(proc.TID()), task(proc.Comm()), task(policy), task(priority), hidden(task(kernel)),
			ofDeadline(doc{
				Key: "dl_runtime", Label: "RUNTIME",
				Gist: "The CPU time that a SCHED_DEADLINE task may use in each period.",
			}, func(t *schedfacts.Task) inspect.Num { n, _, _ := t.Deadline(); return n }),
			ofDeadline(doc{
				Key: "dl_deadline", Label: "DEADLINE",
				Gist: "How long after the period begins it must have had that.",
			}, func(t *schedfacts.Task) inspect.Num { _, n, _ := t.Deadline(); return n }),
			ofDeadline(doc{Key: "dl_period", Label: "PERIOD", Gist: "The length of the period."}, func(t *schedfacts.Task) inspect.Num {
				_, _, n := t.Deadline()
				return n
			}),
			{
				Doc: doc{
					Key: "why", Source: inspect.PIDStat, Also: []inspect.Source{inspect.SchedGetattr},
					Concept: "real-time",
					Gist:    "What it can do to others.",
				},
				Get: func(r taskRow) value { return explain.S(whyRealtime(r)) },
			},
		},
		Rules: starves(),
	}
}

// hidden keeps a column to JSON.
func hidden(f explain.Field[taskRow]) explain.Field[taskRow] {
	f.Show = explain.Data
	return f
}

// Policies by number (include/uapi/linux/sched.h).
const (
	policyFIFO     = 1
	policyRR       = 2
	policyIdle     = 5
	policyDeadline = 6
	policyExt      = 7
)

func whyRealtime(r taskRow) string {
	p := r.It.P
	switch {
	case p.Policy == policyDeadline && r.It.Attr != nil && r.It.Attr.Period > 0:
		a := r.It.Attr
		return "gets " + units.Span(float64(a.Runtime)/1e9) + " of each " + units.Span(float64(a.Period)/1e9) +
			", " + units.Percent(a.Runtime, a.Period) + " of a CPU, before all others, within " +
			units.Span(float64(a.Deadline)/1e9) + " of the start of the period"
	case p.Policy == policyDeadline:
		return "before all others, by the earliest deadline"
	case p.Kthread():
		return "a kernel thread"
	case p.Policy == policyRR:
		return "runs before every fair task, round robin with its equals; no fair task runs on its CPU until it waits"
	}
	return "runs before every fair task; nothing of lower priority runs on its CPU until it waits"
}
