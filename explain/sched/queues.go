package sched

import (
	"cmp"
	"fmt"
	"strconv"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
)

func queues() []field {
	ofStat := func(d doc) field {
		d.Unit, d.Source = explain.Count, inspect.ProcStat
		return field{Doc: d, Get: func(s sched) value { return explain.Look(s.Stat, d.Kernel) }}
	}
	all := proc.Host()
	out, _ := explain.Borrow(all, sched.List, "procs_running", "procs_blocked")
	forks, _ := explain.Borrow(all, sched.List, "processes")
	out = append(out,
		field{
			Doc: doc{
				Key: "uninterruptible", Unit: explain.Count, Source: inspect.PIDStat, Concept: "process-state",
				Gist: "Threads in D: no signal reaches them, and each counts as load.",
			},
			Get:  func(s sched) value { return explain.I(len(s.Blocked)) },
			Over: overThreads,
			Reading: func(s sched) string {
				if len(s.Blocked) == 0 {
					return "None."
				}
				return "They are listed below; each counts as load though it uses no CPU."
			},
		})
	out = append(out, starvedThreads(), busiest())
	for i, minutes := range [...]string{"1", "5", "15"} {
		out = append(out, field{
			Doc: doc{
				Key: "load_" + minutes, Label: "load average, " + minutes + " min", Unit: explain.Decimal,
				Source: inspect.Loadavg, Concept: "load-average",
				Gist: "Threads that ran, were ready or in D, averaged over " + minutes + " min, fading.",
			},
			Get:     func(s sched) value { return loadText(s, i) },
			Reading: func(s sched) string { return readLoad(s, i) },
		})
	}
	out = append(out,
		field{
			Doc: doc{
				Key: "load_active", Label: "active tasks", Unit: explain.Count, Interval: "6s",
				Source: inspect.Sysinfo, Concept: "load-average",
				Gist: "How many threads the kernel counted when it last updated the load averages.",
			},
			Get: func(s sched) value {
				if n, ok := active(s); ok {
					return explain.N(n)
				}
				if s.Was != nil {
					return explain.None(inspect.NoUpdate)
				}
				return explain.None(inspect.NoInterval)
			},
			Reading: func(s sched) string {
				return "The only number that turns all three load averages before the update into exactly those after it."
			},
			Derive: deriveActive,
		},
		ofStat(doc{
			Key: "ctxt", Kernel: "ctxt", Label: "context switches", Counter: true, Concept: "context-switch",
			Gist: "How often a CPU went from one thread to another since boot.",
		}))
	out = append(append(out, forks...),
		field{
			Doc: doc{
				Key: "run_delay_total", Label: "run delay", Unit: explain.Seconds, Counter: true,
				Source: inspect.Schedstat, Also: []inspect.Source{inspect.ProcStat}, Concept: "run-queue",
				Gist: "Time that tasks were ready while others ran, of all CPUs since boot.",
			},
			Get: func(s sched) value {
				var sum inspect.Num
				if n := s.Settings.Host.CPUs; len(s.CPUs) == 0 || len(s.CPUs) < n { // which there are /proc/stat says
					return explain.None(cmp.Or(s.Missing(inspect.ProcStat), inspect.Malformed))
				}
				for i := range s.CPUs {
					if s.CPUs[i].Waited == inspect.Unset {
						return explain.None(inspect.Malformed)
					}
					sum += s.CPUs[i].Waited
				}
				return explain.F(float64(sum) / 1e9)
			},
		},
	)
	return append(out, pressure()...)
}

// starvedThreads counts the threads that were ready and never ran.
func starvedThreads() field {
	return field{
		Doc: doc{
			Key: "starved", Unit: explain.Count, Interval: "1s",
			Source: inspect.PIDSchedstat, Also: []inspect.Source{inspect.PIDStat, inspect.CgroupCPU, inspect.CPUList}, Concept: "run-queue",
			Gist: "Threads that were runnable over the whole interval and did not run.",
		},
		Get: func(s sched) value {
			list, known := s.Starved()
			switch seen := s.ReadySeen(); {
			case known:
				return explain.I(len(list))
			case !seen.Whole():
				return explain.None(seen.Reason)
			}
			return explain.None(inspect.NoInterval)
		},
		Over: func(s sched) inspect.Seen { return s.ReadySeen() },
		Reading: func(s sched) string {
			list, _ := s.Starved()
			if len(list) == 0 {
				return "None."
			}
			return says(&list[0])
		},
	}
}

// says how a thread was left without a CPU, and who had it.
func says(it *schedfacts.Starved) string {
	s := fmt.Sprintf("%s (%d), %s, was ready for about %s and did not run: ",
		it.P.Comm, it.P.PID, priority(it.P), units.Span(it.Over.Seconds()))
	switch {
	case it.Quota != "":
		return s + "its cgroup " + it.Quota + " was out of its CPU quota."
	case it.Rival == nil:
		return s + "who had CPU " + strconv.Itoa(int(it.P.CPU)) + " was not seen."
	}
	return s + fmt.Sprintf("%s (%d), %s, had CPU %d for %s of that time.",
		it.Rival.Comm, it.Rival.PID, priority(it.Rival), it.P.CPU, units.AppendPercent(nil, it.Ran))
}

// priority says how a thread stands among others.
func priority(p *procfacts.Process) string {
	switch p.Policy {
	case policyFIFO, policyRR:
		return "real-time priority " + strconv.Itoa(int(p.RTPrio))
	case policyDeadline:
		return "of a deadline"
	case policyIdle:
		return "SCHED_IDLE"
	}
	return "nice " + units.Number(int(p.Nice))
}

func loadText(s sched, i int) value {
	f, err := strconv.ParseFloat(s.Load[i], 64)
	if err != nil {
		return value{}
	}
	return explain.F(f)
}

func readLoad(s sched, i int) string {
	f, cpus := loadText(s, i).Float(), float64(s.Settings.Host.CPUs)
	if cpus == 0 {
		return ""
	}
	says := fmt.Sprintf("%.2f for each of %s", f/cpus, units.Plural(s.Settings.Host.CPUs, "CPU", "CPUs"))
	if i > 0 {
		return says + "."
	}
	return says + ". It counts threads in D too, so that a slow disk raises it without any CPU at work."
}

// active is what the kernel last counted, from an update that was seen happen.
func active(s sched) (uint64, bool) {
	if !s.Step.Seen {
		return 0, false
	}
	return kernel.ActiveTasks(s.Step.Old, s.Step.New)
}

func deriveActive(s sched) explain.Derivation {
	n, ok := active(s)
	if !ok {
		return explain.Derivation{}
	}
	var w explain.Working
	w.Take("old", explain.N(s.Step.Old[0]), explain.Count, inspect.Sysinfo, "1 min, in 1/2048")
	w.Take("n", explain.N(n), explain.Count, inspect.None, "threads")
	d := w.Done("(old × 1884 + n × 2048 × 164 + 2047 while it rises) / 2048", explain.Count,
		explain.N(kernel.LoadNext(s.Step.Old[0], 0, n)))
	d.Reported = explain.N(s.Step.New[0])
	return d
}

func pressure() []field {
	ofPressure := func(d doc, line func(sched) *inspect.Stall, get func(*inspect.Stall) value, read func(*inspect.Stall) string) field {
		d.Source, d.Concept = inspect.PressureCPU, "pressure"
		f := field{Doc: d, Get: func(s sched) value {
			if l := line(s); l != nil {
				return get(l)
			}
			if s.Missing(inspect.PressureCPU) == inspect.Present {
				return explain.None(inspect.Unsupported)
			}
			return value{}
		}}
		if read != nil {
			f.Reading = func(s sched) string { return read(line(s)) }
		}
		return f
	}
	some := func(s sched) *inspect.Stall { return s.Pressure.Some }
	full := func(s sched) *inspect.Stall { return s.Pressure.Full }
	avg := func(l *inspect.Stall) value { return explain.F(l.Avg10 / 100) }
	total := func(l *inspect.Stall) value { return explain.F(float64(l.Total) / 1e6) }
	return []field{
		ofPressure(doc{
			Key: "pressure_cpu_some", Label: "PSI some avg10", Unit: explain.Ratio,
			Gist: "Share of the last 10 s in which ready tasks waited, averaged over CPUs.",
		}, some, avg, func(l *inspect.Stall) string {
			return fmt.Sprintf("Of the last 10 s, over CPUs by how busy they were; %.2f %% over 1 min, "+
				"%.2f %% over 5 min.", l.Avg60, l.Avg300)
		}),
		ofPressure(doc{
			Key: "pressure_cpu_full", Label: "PSI full avg10", Unit: explain.Ratio,
			Since: version(5, 13),
			Gist:  "The same for times when no task ran; of a whole host it says nothing.",
		}, full, avg, func(*inspect.Stall) string {
			return "Of a whole host it says nothing, and newer kernels set it to 0. It matters for cgroups."
		}),
		ofPressure(doc{
			Key: "pressure_cpu_some_total", Label: "PSI some total", Unit: explain.Seconds, Counter: true,
			Show: explain.Data,
			Gist: "Time since boot in which tasks waited for a CPU, mean of the CPUs.",
		}, some, total, nil),
	}
}

type taskRow = schedfacts.Part[schedfacts.Task]

// overThreads is of how many processes all threads were seen.
func overThreads(s sched) inspect.Seen { return s.SeenOf(inspect.PIDTask) }

// Blocked lists the threads in D.
func Blocked() *explain.Table[taskRow] {
	return &explain.Table[taskRow]{
		Name: "blocked", Identity: []string{"pid", "tid", "comm"}, Title: "Threads in uninterruptible sleep (D)",
		Fields: []explain.Field[taskRow]{
			task(proc.PID()), task(proc.TID()), task(proc.Comm()), task(proc.Why()),
		},
		Rules: stuckRules(),
	}
}

// task takes a column of processes as one of tasks.
func task(c explain.Field[procfacts.Row]) explain.Field[taskRow] {
	return explain.Own(explain.Lift(c, func(r taskRow) procfacts.Row { return r.It.Row }))
}
