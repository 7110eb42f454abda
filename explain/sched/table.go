package sched

import (
	"slices"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

type (
	row    = procfacts.Row
	column = explain.Field[procfacts.Row]
)

// Processes is the table of processes as the scheduler sees them.
func Processes() *explain.Table[procfacts.Row] {
	state, policy, nice, processor, ppid := proc.State(), proc.Policy(), proc.Nice(), proc.Processor(), proc.PPID()
	policy.Show, processor.Show, processor.Label = explain.Wide, explain.Wide, "P"
	fields := []column{
		proc.PID(), ppid, state, proc.CPU(), policy, nice, weight(), ran(), waited(), timeslices(), vruntime(),
		migrations(), processor,
	}
	for _, f := range append(proc.Switches(), proc.RTPriority()) {
		f.Show = explain.Data
		fields = append(fields, f)
	}
	fields = append(fields, proc.Comm(), column{
		Doc: doc{
			Key: "why", Source: inspect.PIDSchedstat, Also: []inspect.Source{inspect.PIDStat}, Concept: "scheduler",
			Gist: "Whether it gets the CPU when it wants it.",
		},
		Write: why,
	})
	return &explain.Table[procfacts.Row]{
		Name: "processes", Identity: []string{"pid", "comm"},
		Sort: []string{"cpu", "run_time", "-pid"}, Fields: fields,
	}
}

// EachThread is the same table with a row a thread.
func EachThread() *explain.Table[procfacts.Row] {
	t := Processes()
	t.Name, t.Identity, t.Sort = "threads", []string{"pid", "tid", "comm"}, []string{"cpu", "run_time", "tid"}
	t.Fields = slices.Insert(t.Fields, 1, proc.TID())
	return t
}

// weightOf is what a task weighs among the fair ones; ok is false for others.
func weightOf(p *procfacts.Process) (int64, bool) {
	if p.Ext() {
		return 0, false
	}
	switch p.Policy {
	case policyFIFO, policyRR, policyDeadline, policyExt, -1:
		return 0, false
	case policyIdle:
		return kernel.IdleWeight, true
	}
	return kernel.NiceWeight(int(p.Nice))
}

func weight() column {
	return column{
		Doc: doc{
			Key: "weight", Unit: explain.Count, Source: inspect.PIDStat, Concept: "nice",
			Gist: "Its weight against other fair tasks of its group: 1024 at nice 0.",
		},
		Get: func(r row) value {
			if w, ok := weightOf(r.P); ok {
				return explain.I(w)
			}
			return explain.None(inspect.Inapplicable)
		},
	}
}

// clock is a time of schedstat, in ns.
func clock(n inspect.Num) value {
	if n == inspect.Unset {
		return value{}
	}
	return explain.F(float64(n) / 1e9)
}

func ran() column {
	return column{
		Doc: doc{
			Key: "run_time", Label: "RUN", Unit: explain.Seconds, Counter: true,
			Source: inspect.PIDSchedstat, Concept: "cpu-time",
			Gist: "How long its threads have been on a CPU.",
		},
		Get: func(r row) value { return clock(r.P.Ran) },
	}
}

func waited() column {
	return column{
		Doc: doc{
			Key: "wait_time", Label: "DELAY", Unit: explain.Seconds, Counter: true,
			Source: inspect.PIDSchedstat, Concept: "run-queue",
			Gist: "How long its threads were ready while others ran.",
		},
		Get: func(r row) value { return clock(r.P.Waited) },
	}
}

func timeslices() column {
	return column{
		Doc: doc{
			Key: "timeslices", Unit: explain.Count, Counter: true, Show: explain.Data,
			Source: inspect.PIDSchedstat, Concept: "preemption",
			Gist: "How often its threads got a CPU.",
		},
		Get: func(r row) value { return explain.Opt(r.P.Turns) },
	}
}

func vruntime() column {
	return column{
		Doc: doc{
			Key: "se_vruntime", Kernel: "se.vruntime", Label: "VRUNTIME", Unit: explain.Seconds, Show: explain.Data,
			Source: inspect.PIDSched, Concept: "vruntime",
			Gist: "Its main thread's weighted run time; comparable on one CPU and in one group.",
		},
		Get: func(r row) value {
			if r.P.Sched == nil || !r.P.Sched.HasVruntime {
				return value{}
			}
			if _, fair := weightOf(r.P); !fair {
				return explain.None(inspect.Inapplicable) // it goes on for fair tasks alone
			}
			return explain.F(float64(r.P.Sched.Vruntime) / 1e9)
		},
	}
}

func migrations() column {
	return column{
		Doc: doc{
			Key: "se_nr_migrations", Kernel: "se.nr_migrations", Label: "MIGRATIONS",
			Unit: explain.Count, Counter: true,
			Show: explain.Data, Source: inspect.PIDSched, Concept: "affinity",
			Gist: "How often its main thread was migrated to another CPU.",
		},
		Get: func(r row) value {
			if r.P.Sched == nil {
				return value{}
			}
			return explain.Opt(r.P.Sched.Migrations)
		},
	}
}

// why says whether a process gets the CPU when it wants it.
func why(b []byte, r row) []byte {
	p := r.P
	if p.Over() {
		return append(b, "ended: it needs no CPU any more"...)
	}
	switch p.Policy {
	case policyFIFO, policyRR:
		b = append(b, "runs before every fair task; "...)
	case policyDeadline:
		b = append(b, "by its deadline, before all others; "...)
	case policyIdle:
		b = append(b, "gets what others of its group leave; "...)
	}
	c := clocksOf(p, nil, 0)
	if was, over, ok := r.Before(); ok && was.P.Turns != inspect.Unset {
		if c = clocksOf(p, was.P, over.Seconds()); c.why == inspect.Reset {
			c = clocksOf(p, nil, 0) // since it began: the interval's can't be known
		}
	}
	switch {
	case r.Missing(inspect.PIDSchedstat) != inspect.Present:
		return append(b, "its wait time is not visible"...)
	case (c.timeslices <= 0 || c.ran+c.waited <= 0) && p.State == 'R':
		b = append(b, "runnable, and did not run"...)
	case c.timeslices <= 0 || c.ran+c.waited <= 0:
		b = append(b, "did not want a CPU"...)
	default:
		b = units.AppendSpan(append(b, "waits "...), float64(c.waited)/float64(c.timeslices)/1e9)
		b = units.AppendSpan(append(b, " for a timeslice of "...), float64(c.ran)/float64(c.timeslices)/1e9)
	}
	return appendThrottled(b, r)
}

// appendThrottled says how often the cgroup of a process that wants a CPU was
// stopped: in the interval, where both samples have it.
func appendThrottled(b []byte, r row) []byte {
	now, bounded := r.Host.Throttled[r.P.PID]
	was, _, ok := r.Before()
	if !ok || !bounded {
		return proc.AppendThrottled(b, r)
	}
	old, seen := was.Host.Throttled[was.P.PID]
	since, same := now.Since(old)
	switch {
	case (!seen || !same) && now.Throttled > 0:
		return proc.AppendThrottled(b, r)
	case since.Throttled == 0:
		return b
	}
	b = append(units.AppendDecimal(append(b, "; throttled: its cgroup may use "...), now.CPUs), " CPUs, and was stopped in "...)
	b = units.AppendPercent(b, float64(since.Throttled)/float64(max(since.Periods, since.Throttled)))
	return append(b, " of its periods over the interval"...)
}
