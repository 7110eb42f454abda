package sched

import (
	"fmt"
	"slices"
	"time"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
)

type (
	sched = *schedfacts.Snapshot
	field = explain.Field[*schedfacts.Snapshot]
	doc   = explain.Doc
	value = explain.Value
)

// Host explains how a host's CPUs are shared out.
func Host() explain.Card[*schedfacts.Snapshot] {
	return explain.Card[*schedfacts.Snapshot]{Name: "sched", Sections: []explain.Section[*schedfacts.Snapshot]{
		{Title: "Scheduler", Fields: scheduler()},
		{Title: "CPU time", Whole: "cpu_time", Fields: cpuTime(), Table: "cpus"},
		{Title: "Run queue and load", Fields: queues(), Table: "blocked"},
		{Title: "Real-time", Fields: realtime(), Table: "realtime"},
		{Title: "Cgroups with CPU settings", Table: "cpu_cgroups"},
		{Title: "Processes", Table: "processes"},
	}, Rules: rules()}
}

func version(major, minor int) inspect.Version {
	return inspect.Version{Major: major, Minor: minor}
}

// text is absent where there is nothing.
func text(s string) value {
	if s == "" {
		return explain.None(inspect.Inapplicable)
	}
	return explain.S(s)
}

func list(words []string) value {
	out := make([]value, len(words))
	for i, w := range words {
		out[i] = explain.S(w)
	}
	return explain.L(out)
}

// Regime is which algorithm picks the next fair task: the tunables in debugfs or
// sysctl show it, and where they are not visible the version does; "" where nothing does.
func Regime(s sched) string {
	switch {
	case s.Ext.State == "enabled" || s.Ext.State == "enabling":
		return "sched_ext"
	case s.Debug.BaseSlice != inspect.Unset:
		return "EEVDF"
	case s.Debug.Latency != inspect.Unset || s.Settings.Missing(inspect.SchedLatency) == inspect.Present:
		return "CFS"
	}
	shown := "" // by the slices that tasks of EEVDF have
	if s.Procs != nil && baseSliceNS(s) > 0 {
		shown = "EEVDF"
	}
	return inspect.Choose(s.Kernel().Since(6, 6), "EEVDF", "CFS", shown)
}

func scheduler() []field {
	return slices.Concat([]field{
		{
			Doc: doc{
				Key: "scheduler", Source: inspect.KernelBuild,
				Also:    []inspect.Source{inspect.SchedExt, inspect.SchedDebug, inspect.SchedLatency},
				Concept: "scheduler",
				Words: []explain.Word{
					{Name: "CFS", Gist: "The Completely Fair Scheduler: least virtual run time first, 2.6.23 to 6.5.", Concept: "cfs"},
					{Name: "EEVDF", Gist: "Earliest eligible virtual deadline first, since 6.6.", Concept: "eevdf"},
					{Name: "sched_ext", Gist: "A BPF program decides, since 6.12.", Concept: "sched-ext"},
				},
				Gist: "Which algorithm picks the next of the fair tasks.",
			},
			Get: func(s sched) value {
				if name := Regime(s); name != "" {
					return explain.S(name)
				}
				return explain.None(s.Settings.Host.Unshown())
			}, Reading: readRegime,
		},
		preemptionField(),
		{
			Doc: doc{
				Key: "hz", Label: "HZ", Unit: explain.Count, Source: inspect.TickClock,
				Also: []inspect.Source{inspect.KernelConfig}, Concept: "preemption",
				Gist: "Timer interrupts in a second on a busy CPU.",
			},
			Get: hz, Reading: readTick,
		},
	}, tunables(), []field{
		{
			Doc: doc{
				Key: "sched_features", Label: "features", Show: explain.Data, Source: inspect.SchedDebug,
				Concept: "scheduler",
				Gist:    "Switches of the scheduler that debugfs shows; NO_ is off.",
			},
			Get: func(s sched) value {
				if len(s.Debug.Features) == 0 {
					return explain.None(inspect.Unsupported)
				}
				return list(s.Debug.Features)
			},
		},
		{
			Doc: doc{
				Key: "sched_autogroup_enabled", Kernel: "kernel.sched_autogroup_enabled", Label: "autogroup",
				Unit:   explain.Bool,
				Source: inspect.SchedAutogroup, Concept: "autogroup",
				Gist: "Whether each session is a group of its own, so that nice counts only within it.",
			},
			Get: func(s sched) value {
				n, ok := s.Settings.Number(inspect.SchedAutogroup)
				if !ok {
					return value{}
				}
				return explain.B(n == 1)
			},
			Reading: func(s sched) string {
				if n, _ := s.Settings.Number(inspect.SchedAutogroup); n == 1 {
					return "On: sessions share the CPUs as equals, and nice counts only within a session. " +
						"Tasks in a CPU cgroup of their own are not in one."
				}
				return "Off: nice counts among all tasks of a cgroup. What ran when it was switched off stays in its group."
			},
		},
	})
}

// tunables say how long a fair task may run.
func tunables() []field {
	return []field{
		{
			Doc: doc{
				Key: "base_slice", Unit: explain.Seconds, Source: inspect.PIDSched,
				Also:    []inspect.Source{inspect.SchedDebug, inspect.CPUList},
				Option:  "debugfs mounted, or a kernel whose /proc/PID/sched has se.slice: from 6.14 on, and 6.12.14 and 6.13.3",
				Concept: "eevdf",
				Gist:    "How long a fair task asks to run at once, by default, on EEVDF.",
			},
			Get: baseSlice, Reading: readBaseSlice, Derive: deriveBaseSlice,
			Over: func(sched) inspect.Seen { return inspect.Seen{} }, // what one task has, all have by default
		},
		tunable(doc{
			Key: "sched_latency_ns", Kernel: "kernel.sched_latency_ns", Source: inspect.SchedLatency,
			Gist: "The period in which CFS lets each ready task run once.",
		}, func(s sched) inspect.Num { return s.Debug.Latency }),
		tunable(doc{
			Key: "sched_min_granularity_ns", Kernel: "kernel.sched_min_granularity_ns",
			Source: inspect.SchedMinGranularity,
			Gist:   "The least time that CFS lets a task run before another one.",
		}, func(s sched) inspect.Num { return s.Debug.MinGranularity }),
		tunable(doc{
			Key: "sched_wakeup_granularity_ns", Kernel: "kernel.sched_wakeup_granularity_ns",
			Source: inspect.SchedWakeupGranularity,
			Gist:   "The lead in vruntime that a woken task needs before CFS preempts for it.",
		}, func(s sched) inspect.Num { return s.Debug.Wakeup }),
	}
}

func readRegime(s sched) string {
	switch Regime(s) {
	case "sched_ext":
		return "The BPF scheduler " + s.Ext.Ops + " decides for its tasks, since 6.12; the rest is EEVDF's."
	case "EEVDF":
		return "Since 6.6: of the tasks that had no more than their share, the one whose slice has the earliest deadline. " +
			"Names in the kernel still say cfs."
	}
	return "From 2.6.23 to 6.5: the task that had the least CPU time, scaled by its weight."
}

func hz(s sched) value {
	if s.Tick > 0 {
		return explain.I(int64((time.Second + s.Tick/2) / s.Tick))
	}
	if v := s.Config["CONFIG_HZ"]; v != "" {
		var n int64
		if _, err := fmt.Sscan(v, &n); err == nil && n > 0 {
			return explain.I(n)
		}
	}
	return explain.None(s.Missing(inspect.TickClock))
}

// baseSliceNS is debugfs' figure, or the slice that most of the default tasks have whose
// slice was read: one may have asked for a slice of its own, and kwhy itself may run
// under another policy.
func baseSliceNS(s sched) (most inspect.Num) {
	if n := s.Debug.BaseSlice; n != inspect.Unset {
		return n
	}
	most = inspect.Unset
	votes := map[inspect.Num]int{}
	for i := range s.Procs.Rows {
		p := &s.Procs.Rows[i]
		if p.Sched == nil || p.Sched.Slice <= 0 || !hasSlice(p) {
			continue
		}
		if votes[p.Sched.Slice]++; votes[p.Sched.Slice] > votes[most] {
			most = p.Sched.Slice
		}
	}
	return most
}

// hasSlice reports whether a task has a default policy, for which the kernel shows the slice:
// its own threads may be older than the setting.
func hasSlice(p *procfacts.Process) bool {
	return (p.Policy == 0 || p.Policy == 3) && !p.Kthread()
}

func baseSlice(s sched) value {
	if Regime(s) == "CFS" {
		return explain.None(inspect.Inapplicable)
	}
	if n := baseSliceNS(s); n > 0 {
		return explain.F(float64(n) / 1e9)
	}
	return value{}
}

func readBaseSlice(s sched) string {
	if s.Debug.BaseSlice != inspect.Unset {
		return "debugfs says so: sched/base_slice_ns."
	}
	return "The slice that default tasks have: se.slice in /proc/PID/sched."
}

// normalized are the base slices for one CPU that kernels have had: 0.75 ms as
// released from 6.6, 0.70 ms from 6.15 and in stable trees (kernel/sched/fair.c,
// normalized_sysctl_sched_base_slice).
var normalized = [...]int64{700000, 750000}

func deriveBaseSlice(s sched) explain.Derivation {
	cpus := s.Settings.Host.CPUs
	factor := kernel.TunableFactor(cpus)
	for _, n := range normalized {
		if int64(baseSliceNS(s)) != n*factor {
			continue
		}
		var w explain.Working
		w.Take("normalized", explain.F(float64(n)/1e9), explain.Seconds, inspect.None, "normalized_sysctl_sched_base_slice")
		w.Take("factor", explain.I(factor), explain.Count, inspect.CPUList, fmt.Sprintf("1 + log2 of %d CPUs, 8 at most, rounded down", cpus))
		d := w.Done("normalized × factor", explain.Seconds, explain.F(float64(n*factor)/1e9))
		d.Reported = baseSlice(s)
		return d
	}
	return explain.Derivation{}
}

// tunable declares a tunable that older kernels have as a sysctl, and later ones of CFS
// in debugfs.
func tunable(d doc, debug func(sched) inspect.Num) field {
	d.Label = d.Key
	d.Unit, d.Also, d.Until, d.Concept = explain.Seconds, []inspect.Source{inspect.SchedDebug}, version(6, 6), "cfs"
	return field{Doc: d, Get: func(s sched) value {
		if n := debug(s); n != inspect.Unset {
			return explain.F(float64(n) / 1e9)
		}
		if n, ok := s.Settings.Number(d.Source); ok {
			return explain.F(float64(n) / 1e9)
		}
		if Regime(s) != "CFS" {
			return explain.None(inspect.Inapplicable)
		}
		return value{}
	}}
}
