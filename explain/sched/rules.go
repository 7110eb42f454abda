package sched

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
)

// besideLoad is what a rule rests on that tells the load average with what it finds, and is not decided
// by it.
func besideLoad(decides string) func(sched) []string {
	return lower.Beside[sched](decides, "load_1", inspect.Loadavg)
}

func rules() []explain.Rule[*schedfacts.Snapshot] {
	return []explain.Rule[*schedfacts.Snapshot]{
		{
			ID: "sched.cpu_pressure", What: "PSI cpu some avg10", Unit: explain.Ratio,
			Means:    "Tasks that were ready to run waited for a CPU: there is more work than CPUs, or it is confined to too few of them.",
			Evidence: []string{"pressure_cpu_some", "load_1"}, Here: besideLoad("pressure_cpu_some"), Concept: "pressure",
			Next: "kwhy sched --interval 1s",
			Of: func(s sched) value {
				if s.Pressure.Some == nil {
					return value{}
				}
				if left, known := spare(s); known && left >= heldShare {
					return value{} // sched.cpu_held speaks of it
				}
				if _, _, watched := s.Before(); !watched && hasRoom(s) {
					return value{} // an interval tells who is held back
				}
				return explain.F(s.Pressure.Some.Avg10 / 100)
			},
			At: explain.At{Notice: waiting, Warning: 0.50, Critical: 0.90},
			Say: func(s sched) string {
				return "tasks wait for CPUs: pressure " +
					string(units.AppendPercent(nil, s.Pressure.Some.Avg10/100)) + " of the last 10 s" + runnableNow(s) + usedBy(s)
			},
		},
		{
			ID: "sched.steal", What: "steal / CPU time", Unit: explain.Ratio, Basis: explain.Interval,
			Means: "The hypervisor did not run this machine's CPUs while they had work: it ran others, or holds this machine to a quota. " +
				"What runs here is slower than its CPU time shows.",
			Evidence: []string{"cpu_steal"}, Concept: "cpu-time", Next: "kwhy sched --interval 1s",
			Of: func(s sched) value {
				f, ok := stolen(s)
				if !ok {
					return value{}
				}
				return explain.F(f)
			},
			At: explain.At{Notice: 0.02, Warning: 0.10, Critical: 0.30},
			Say: func(s sched) string {
				f, _ := stolen(s)
				return "the hypervisor kept " + string(units.AppendPercent(nil, f)) + " of this host's CPU time from it"
			},
		},
		{
			ID: "sched.blocked", Unless: "sched.stuck", Unit: explain.Count,
			What: "threads in D, without those of healthy I/O, frozen ones, and parents in vfork",
			Means: "They wait in the kernel in a state that ordinary signals don't end, and each counts as load. Who was seen " +
				"waiting for a disk once is not counted: I/O at work looks like that.",
			Evidence: []string{"uninterruptible"}, Concept: "process-state", Next: "kwhy proc --threads --state D",
			Of: func(s sched) value { return explain.I(len(held(s))) }, At: explain.At{Notice: 1, Warning: 20},
			Say: func(s sched) string {
				list := held(s)
				return units.Plural(len(list), "thread", "threads") + " in D, such as " + list[0].P.Comm
			},
		},
		heldRule(),
		runQueue(),
		hog(),
		forking(),
		starvation(),
		unbounded(),
	}
}

// starvation judges the longest that a thread was ready and did not run. One whose cgroup has used
// its quota up is not among them: sched.throttled speaks of that.
func starvation() explain.Rule[*schedfacts.Snapshot] {
	left := func(s sched) []schedfacts.Starved {
		list, _ := s.Starved()
		return slices.DeleteFunc(slices.Clone(list), func(it schedfacts.Starved) bool {
			return it.Quota != "" || it.P.Policy == policyIdle || it.P.OfDeadline() // whose own runtime may be used up
		})
	}
	return explain.Rule[*schedfacts.Snapshot]{
		ID: "sched.starved", What: "how long a thread was ready and did not run", Unit: explain.Seconds, Basis: explain.Interval,
		Means: "Others had its CPU all that time: tasks of a much higher weight (nice, cgroup weights), real-time tasks, or a very long queue. " +
			"The kernel adds what it waits to its run delay only when it runs next.",
		Evidence: []string{"starved"}, Concept: "run-queue", Next: "kwhy sched --interval 5s",
		NextOf: func(s sched) string { return "kwhy sched " + strconv.Itoa(int(left(s)[0].P.PID)) + " --interval 5s" },
		Of: func(s sched) value {
			list, known := s.Starved()
			switch {
			case !known:
				return value{}
			case len(left(s)) == 0:
				return explain.I(0)
			}
			return explain.F(list[0].Over.Seconds())
		},
		At: explain.At{Notice: 0.5, Warning: 5, Critical: 60},
		Say: func(s sched) string {
			list := left(s)
			text := strings.TrimSuffix(says(&list[0]), ".")
			if more := len(list) - 1; more > 0 {
				text += "; and so were " + units.Plural(more, "other thread", "other threads")
			}
			return text
		},
	}
}

// waiting is the pressure from which on tasks wait so much that it is told.
const waiting = 0.25

// heldShare is the share of CPU time from which on it is not a lack of CPUs that tasks wait for.
const heldShare = 0.3

// spare is the share of the interval's CPU time that was idle, or went to tasks of a nice value above 0
// where others hardly ran. Where others ran too the nice value says little: it counts within an autogroup or
// a cgroup alone, so that both may lack CPUs. PSI counts tasks as waiting that a quota holds back, that may
// run on a few CPUs alone, or that have a low weight themselves (kernel/sched/psi.c, NR_RUNNING and NR_ONCPU).
func spare(s sched) (left float64, known bool) {
	was, _, ok := s.Before()
	if !ok {
		return 0, false
	}
	left, known = share(&s.All, &was.All, idle)
	nice, _ := share(&s.All, &was.All, func(t *schedfacts.CPUTimes) uint64 { return t.Nice })
	if 1-left-nice < heldShare { // others hardly want a CPU
		left += nice
	}
	return left, known
}

// hasRoom reports whether one look shows fewer threads than CPUs, now and over the last minute.
func hasRoom(s sched) bool {
	n, ok := s.Stat["procs_running"]
	load, cpus := loadText(s, 0), s.Settings.Host.CPUs
	return ok && load.Has() && cpus > 0 && n <= uint64(cpus) && load.Float() < 0.7*float64(cpus)
}

// heldRule judges the pressure on CPUs of a host that has some left.
func heldRule() explain.Rule[*schedfacts.Snapshot] {
	return explain.Rule[*schedfacts.Snapshot]{
		ID: "sched.cpu_held", What: "PSI cpu some avg10, of a host whose CPUs have time left", Unit: explain.Ratio, Basis: explain.Interval,
		Means: "Tasks are ready and do not run, though CPUs are idle or run tasks of low weight: a quota of their cgroup holds them back, or " +
			"their own runtime (SCHED_DEADLINE), they may run on a few CPUs alone, or they have a low weight themselves. More CPUs would not help.",
		Evidence: []string{"pressure_cpu_some", "cpu_idle"}, Concept: "cpu-bandwidth", Next: "kwhy sched --interval 2s",
		Of: func(s sched) value {
			left, known := spare(s)
			if s.Pressure.Some == nil || !known || left < heldShare {
				return value{}
			}
			return explain.F(s.Pressure.Some.Avg10 / 100)
		},
		At: explain.At{Notice: waiting},
		Say: func(s sched) string {
			was, _, _ := s.Before()
			left, _ := share(&s.All, &was.All, idle)
			var words []string
			if left >= 0.05 {
				words = append(words, fmt.Sprintf("were idle for %s of the interval", units.AppendPercent(nil, left)))
			}
			if low, _ := share(&s.All, &was.All, func(t *schedfacts.CPUTimes) uint64 { return t.Nice }); low >= 0.05 {
				words = append(words, fmt.Sprintf("ran tasks of a nice value above 0 for %s", units.AppendPercent(nil, low)))
			}
			return fmt.Sprintf("tasks wait for CPUs %s of the last 10 s, though these %s",
				units.AppendPercent(nil, s.Pressure.Some.Avg10/100), strings.Join(words, " and "))
		},
	}
}

// runnableNow adds to what another file says how many threads are runnable, where that is known.
func runnableNow(s sched) string {
	n, ok := s.Stat["procs_running"]
	if d := s.Doubt(inspect.ProcStat); !ok || d.Any() && !d.Ever || s.Settings.Host.CPUs == 0 {
		return ""
	}
	return "; now " + units.Plural(n, "thread is", "threads are") + " runnable on " + units.Plural(s.Settings.Host.CPUs, "CPU", "CPUs")
}

// runQueue judges how many threads there are for each CPU, in both samples where there
// are two: for one moment any host has a few too many.
func runQueue() explain.Rule[*schedfacts.Snapshot] {
	of := func(s sched) value {
		n, ok := s.Stat["procs_running"]
		if !ok || n == 0 || s.Settings.Host.CPUs == 0 {
			return value{}
		}
		if was, _, watched := s.Before(); watched {
			n = min(n, was.Stat["procs_running"])
		}
		return explain.F(float64(n-min(n, 1)) / float64(s.Settings.Host.CPUs)) // one of them read it: kwhy, or who made the copy
	}
	return explain.Rule[*schedfacts.Snapshot]{
		ID: "sched.run_queue", Unless: "sched.cpu_pressure",
		What: "runnable threads / CPUs, kwhy's own left out", Unit: explain.Decimal,
		Means:    "Each CPU runs one thread at a time; the others wait in its run queue until the scheduler picks them.",
		Evidence: []string{"procs_running", "load_1"}, Here: besideLoad("procs_running"), Concept: "run-queue", Next: "kwhy sched --interval 5s",
		Of: of,
		At: explain.At{Notice: 2, Warning: 4, Critical: 16},
		Say: func(s sched) string {
			text := fmt.Sprintf("%s threads want each CPU: %s on %s", explain.Amount(of(s).Float(), explain.Decimal),
				units.Plural(s.Stat["procs_running"], "thread is runnable", "threads are runnable"),
				units.Plural(s.Settings.Host.CPUs, "CPU", "CPUs"))
			if s.Pressure.Some == nil { // else sched.cpu_pressure says who
				text += usedBy(s)
			}
			return text
		},
	}
}

// unbounded judges whether real-time tasks of programs could keep a CPU from all
// others: nothing reserves time for these.
func unbounded() explain.Rule[*schedfacts.Snapshot] {
	return explain.Rule[*schedfacts.Snapshot]{
		ID: "sched.realtime_unbounded", Unless: "sched.realtime_starves",
		What: "programs' threads of FIFO and RR, where no time is reserved for others", Unit: explain.Count,
		Means: "To 6.11 sched_rt_runtime_us leaves others a part of each period (before 5.10 a CPU may borrow that from other CPUs), " +
			"since 6.12 the fair server does. " +
			"With neither, a real-time task that never waits leaves its CPU to nothing of lower priority, kernel threads included.",
		Evidence: []string{"realtime_tasks", "sched_rt_runtime_us", "fair_server_runtime"},
		Here:     reservedBy,
		Concept:  "real-time", Next: "kwhy explain real-time",
		Of: unreserved,
		At: explain.At{Notice: 1},
		Say: func(s sched) string {
			return units.Plural(unreserved(s).Int(), "real-time thread of a program", "real-time threads of programs") +
				" could keep a CPU from all tasks of lower priority: nothing reserves time for those"
		},
	}
}

// realtimeOfPrograms counts programs' threads of FIFO and RR.
func realtimeOfPrograms(s sched) (n int) {
	for i := range s.Realtime {
		if p := s.Realtime[i].P; !p.Kthread() && p.Policy != policyDeadline {
			n++
		}
	}
	return n
}

// unreserved is how many of these could keep a CPU; absent where it is not known whether
// something reserves time for others.
func unreserved(s sched) value {
	n := realtimeOfPrograms(s)
	if n == 0 {
		return explain.I(0)
	}
	none := func(reserved, known bool) value {
		switch {
		case !known:
			return value{}
		case reserved:
			return explain.I(0)
		}
		return explain.I(n)
	}
	run, ok := s.Settings.Number(inspect.SchedRTRuntime)
	period, _ := s.Settings.Number(inspect.SchedRTPeriod)
	fair := s.Debug.FairRuntime // debugfs alone shows it; 5 % by default
	return inspect.Choose(s.FairServer(), none(fair > 0, fair != inspect.Unset), none(run >= 0 && run < period, ok), value{})
}

// reservedBy is what that rests on here: without a thread that could, on nothing else.
func reservedBy(s sched) []string {
	if realtimeOfPrograms(s) == 0 {
		return []string{"realtime_tasks"}
	}
	old, since612 := []string{"realtime_tasks", "sched_rt_runtime_us"}, []string{"realtime_tasks", "fair_server_runtime"}
	return inspect.Choose(s.FairServer(), since612, old, []string{"realtime_tasks", "sched_rt_runtime_us", "fair_server_runtime"})
}

// held are the threads in D that sched.stuck judges one by one.
func held(s sched) []schedfacts.Task {
	return slices.DeleteFunc(slices.Clone(s.Blocked), func(t schedfacts.Task) bool { return !proc.Stuck(t.Row, blockedBefore(s, &t)).Has() })
}

// blockedBefore is the same thread an interval ago, if it was in D then.
func blockedBefore(s sched, t *schedfacts.Task) *procfacts.Process {
	if was, _, ok := s.Before(); ok {
		if b := schedfacts.SameBlocked(was, t); b != nil {
			return b.P
		}
	}
	return nil
}

// stuckRules judge the threads in D one by one: where it was found at both ends of an
// interval, and did not run between, it is stuck.
func stuckRules() []explain.Rule[taskRow] {
	of := func(r taskRow) value {
		was, _, ok := r.Before()
		if !ok || r.It.P.Kthread() { // some threads of drivers sleep like that for ever
			return proc.Stuck(r.It.Row, nil)
		}
		return proc.Stuck(r.It.Row, was.It.P)
	}
	return []explain.Rule[taskRow]{{
		ID: "sched.stuck",
		What: "how often it was found in D: 2 is at both ends of the interval, without having run between; " +
			"a wait for a disk counts only then, one in vfork, frozen or for its cgroup's memory never", Unit: explain.Count,
		Means: "It waits in the kernel in a state that ordinary signals don't end; SIGKILL does where the wait is of the killable kind. " +
			"It counts as load.",
		Evidence: []string{"why", "comm"}, Concept: "wait-channel", Next: "kwhy proc --threads --state D",
		NextOf: func(r taskRow) string { return "kwhy proc --thread " + strconv.Itoa(int(r.It.P.PID)) },
		Of:     of,
		At:     explain.At{Notice: 1, Warning: 2},
		Say: func(r taskRow) string {
			s := fmt.Sprintf("%s (%d) is in uninterruptible sleep", r.It.P.Comm, r.It.P.PID)
			if of(r).Int() > 1 {
				_, over, _ := r.Before()
				s = fmt.Sprintf("%s (%d) was in uninterruptible sleep for %s at least", r.It.P.Comm, r.It.P.PID, units.Span(over.Seconds()))
			}
			return s + ": " + proc.Doing(r.It.Row)
		},
	}}
}

// starves are the rules on what real-time tasks take.
func starves() []explain.Rule[taskRow] {
	of := func(r taskRow) value {
		was, over, ok := r.Before()
		p := r.It.P
		if !ok || over <= 0 || p.Kthread() || p.Policy == policyDeadline {
			return value{}
		}
		if l := &r.In.Lists; inspect.InList(l.Isolated, int(p.CPU)) || inspect.InList(l.NohzFull, int(p.CPU)) {
			return explain.I(0) // there it takes the CPU from nobody: it was set apart for such work
		}
		h := r.In.Settings.Host
		ran := h.Seconds(p.UTime+p.STime) - h.Seconds(was.It.P.UTime+was.It.P.STime)
		return explain.F(min(max(ran, 0)/over.Seconds(), 1)) // its ticks and the interval are not read at one moment
	}
	return []explain.Rule[taskRow]{{
		ID: "sched.realtime_starves", What: "CPU time of a thread of FIFO or RR / time", Unit: explain.Ratio, Basis: explain.Interval,
		Means: "A real-time task comes before every fair one. While it runs, all others on its CPU wait, " +
			"except for the time that is reserved for them: 5 % by default, by sched_rt_runtime_us until 6.11 (before 5.10 a CPU " +
			"may borrow that from others) and by the fair server since. One on a CPU that is isolated or nohz_full takes it from nobody.",
		Evidence: []string{"why", "policy", "rt_priority"}, Concept: "real-time", Next: "kwhy explain real-time",
		NextOf: func(r taskRow) string { return "kwhy sched " + strconv.Itoa(int(r.It.P.PID)) },
		Of:     of,
		At:     explain.At{Notice: 0.50, Warning: 0.80, Critical: 0.97},
		Say: func(r taskRow) string {
			_, over, _ := r.Before()
			return fmt.Sprintf("%s (%d), a real-time task, had a CPU for %s of the last %s: fair tasks there got the rest",
				r.It.P.Comm, r.It.P.PID, units.AppendPercent(nil, of(r).Float()), units.Span(over.Seconds()))
		},
	}}
}
