package sched

import (
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
)

func computed() []taskField {
	v := lift(vruntime(), "vruntime")
	v.Reading = readVruntime
	slice := ofEntity(doc{
		Key: "se_slice", Kernel: "se.slice", Label: "slice", Unit: explain.Seconds, Concept: "eevdf",
		Gist: "How long it asks to run at once, on EEVDF.",
	}, func(s *procfacts.TaskSched) inspect.Num { return s.Slice })
	slice.Reading = readSlice
	clamp := func(d doc, get func(*procfacts.TaskSched) inspect.Num) taskField {
		d.Unit, d.Option, d.Concept = explain.Ratio, "CONFIG_UCLAMP_TASK", "pelt"
		f := ofEntity(d, get)
		f.Reading = readClamp
		return f
	}
	used := ofEntity(doc{
		Key: "se_avg_util_avg", Kernel: "se.avg.util_avg", Label: "util_avg", Unit: explain.Ratio,
		Concept: "pelt",
		Gist:    "How much of a CPU it has used recently; the past halves every 32 ms.",
	}, func(s *procfacts.TaskSched) inspect.Num { return s.Util })
	used.Reading = func(t one) string {
		if t.Row.P.State != 'R' {
			return "As it was when it last slept: the kernel decays it when the task wakes."
		}
		return ""
	}
	ofFair := used.Get
	used.Get = func(t one) value {
		if _, fair := weightOf(t.Row.P); !fair {
			return explain.None(inspect.Inapplicable) // the kernel keeps it for fair tasks alone: what it shows is old
		}
		return ofFair(t)
	}
	return ofLiving([]taskField{
		v, slice,
		ofQueue(doc{
			Key: "vlag", Label: "vlag", Unit: explain.Seconds,
			Gist: "How far it is behind the average of its queue; one that is behind may run.",
		}, func(l schedfacts.Lag) value {
			if !l.HasMean { // its group is off the queues, as one that is throttled
				return explain.None(inspect.Inapplicable)
			}
			return explain.F(float64(l.Mean-l.Vruntime) / 1e9)
		}, readLag),
		ofQueue(doc{
			Key: "vdeadline", Label: "vdeadline", Unit: explain.Seconds,
			Gist: "By when its slice has to be done, in the virtual time of its queue.",
		}, func(l schedfacts.Lag) value { return explain.F(float64(l.Deadline) / 1e9) }, func(t one) string {
			return units.Span(float64(t.Lag.Deadline-t.Lag.Vruntime)/1e9) +
				" of virtual time from where it is. Of the eligible tasks, the one with the earliest deadline is picked."
		}),
		ofQueue(doc{
			Key: "eligible", Unit: explain.Bool,
			Gist: "Whether it may be picked: whether its lag is not negative.",
		}, func(l schedfacts.Lag) value { return explain.B(l.Eligible) }, nil),
		used,
		clamp(doc{
			Key: "uclamp_min", Kernel: "uclamp.min",
			Gist: "The least utilisation that counts for it when a CPU's speed is chosen.",
		}, func(s *procfacts.TaskSched) inspect.Num { return s.UclampMin }),
		clamp(doc{
			Key: "uclamp_max", Kernel: "uclamp.max",
			Gist: "The most utilisation that counts for it when a CPU's speed is chosen.",
		}, func(s *procfacts.TaskSched) inspect.Num { return s.UclampMax }),
	})
}

// ofEntity declares a line of /proc/PID/sched. The clamps need an option; without
// another line the value makes no sense for the task.
func ofEntity(d doc, get func(*procfacts.TaskSched) inspect.Num) taskField {
	d.Source = inspect.PIDSched
	return ofTask(d, func(t one) value {
		s := t.Row.P.Sched
		if s == nil {
			return value{}
		}
		n := get(s)
		switch {
		case n == inspect.Unset && d.Option != "":
			return explain.None(inspect.Unsupported)
		case n == inspect.Unset:
			return explain.None(inspect.Inapplicable)
		case d.Unit == explain.Seconds:
			return explain.F(float64(n) / 1e9)
		}
		return explain.F(float64(n) / 1024)
	}, nil)
}

// readClamp says what the two bounds together do; both are there or none.
func readClamp(t one) string {
	switch s := t.Row.P.Sched; {
	case s.UclampMin <= 0 && s.UclampMax >= 1024:
		return "No limit: its own utilisation counts."
	case s.UclampMin >= 1024:
		return "The fastest speed wherever it runs, as for real-time tasks by default."
	}
	return ""
}

// ofQueue declares what debugfs alone shows, of a task that is on a queue.
func ofQueue(d doc, get func(schedfacts.Lag) value, read func(one) string) taskField {
	d.Source, d.Since, d.Concept = inspect.SchedLag, version(6, 6), "eevdf"
	return ofTask(d, func(t one) value {
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
	words := []string{"Run time, stretched by 1024 / weight."}
	switch Regime(t.Sched) {
	case "CFS":
		words = append(words, "CFS runs the task with the least in its queue next; between queues it says nothing.")
	case "":
		words = append(words, "Between queues it says nothing.")
	default:
		words = append(words, "EEVDF compares it with the average of its queue: a task that is not ahead may run. "+
			"Between queues it says nothing.")
	}
	if t.Row.P.State != 'R' {
		words = append(words, "As it was when it last slept: waking may change it.")
	}
	return strings.Join(words, " ")
}

func readSlice(t one) string {
	base, own := baseSliceNS(t.Sched), t.Row.P.Sched.Slice
	if base > 0 && own != base {
		return "It asked for one of its own; the default is " + units.Span(float64(base)/1e9) + "."
	}
	return "The default. A shorter one means that it runs sooner and for less time at once, not a larger share."
}
