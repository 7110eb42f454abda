package sched

import (
	"fmt"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	schedfacts "kwhy/inspect/sched"
)

// whole is the CPU time of one CPU, but for what a tick and other processes take of it.
const whole = 0.9

// busiest is the process that had the most CPU time over an interval.
func busiest() field {
	return field{
		Doc: doc{
			Key: "busiest", Label: "busiest process", Unit: explain.Decimal, Interval: "1s",
			Source: inspect.PIDStat, Also: []inspect.Source{inspect.ProcStat, inspect.PIDCgroup}, Concept: "cpu-time",
			Gist: "How many CPUs' worth of time the busiest process had over the interval.",
		},
		Get: func(s sched) value {
			u, known := s.Usage()
			switch seen := s.SeenOf(inspect.PIDStat); {
			case known:
				return explain.F(u.Busiest.Most)
			case !seen.Whole():
				return explain.None(seen.Reason)
			}
			return explain.None(inspect.NoInterval)
		},
		Over: func(s sched) inspect.Seen { return s.SeenOf(inspect.PIDStat) },
		Reading: func(s sched) string {
			u, _ := s.Usage()
			switch {
			case u.Busiest.Top == nil:
				return "None had a hundredth of a second."
			case u.By[0].Count == 1 && u.By[0].Top == u.Busiest.Top:
				return who(s, u) + "."
			}
			return "That of " + taskIn(&u.Busiest) + "; by name, " + who(s, u) + "."
		},
	}
}

// taskIn names the process of a name that had the most, and its cgroup.
func taskIn(u *schedfacts.Used) string {
	name := fmt.Sprintf("%s (%d)", u.Comm, u.Top.PID)
	switch group := u.Top.CPUCgroup; {
	case u.Top.Kthread():
		return name + ", a kernel thread"
	case u.Top.Why(inspect.PIDCgroup) == inspect.Present && group != "" && group != "/":
		return name + " of cgroup " + group
	}
	return name
}

// little is how much of a CPU is not worth a name.
const little = 0.05

// who lists who had the most CPU time, by name.
func who(s sched, u *schedfacts.Usage) string {
	var words []string
	for i := range u.By {
		it := &u.By[i]
		if i == 3 || i > 0 && it.CPUs < little {
			break
		}
		name := taskIn(it)
		if it.Count > 1 {
			name = units.Number(it.Count) + " called " + it.Comm
		}
		if words = append(words, name+" "+amount(it.CPUs)); i == 0 {
			words[0] = name + " had " + ofCPUs(s, it.CPUs)
		}
	}
	if u.Gone >= 2*little {
		words = append(words, "processes that have ended "+amount(u.Gone))
	}
	if n := len(words) - 1; n > 0 {
		words[n] = "and " + words[n]
	}
	return strings.Join(words, ", ")
}

// amount is how many CPUs' worth of time something had: the source has hundredths of a second.
func amount(cpus float64) string { return strconv.FormatFloat(cpus, 'f', 2, 64) }

// ofCPUs says it of how many CPUs there are.
func ofCPUs(s sched, cpus float64) string {
	if n := s.Settings.Host.CPUs; n > 0 {
		return amount(cpus) + " of " + units.Plural(n, "CPU", "CPUs")
	}
	return amount(cpus) + " CPUs"
}

// usedBy adds to what a rule says who had the CPUs, where an interval shows that; "" where it does not.
func usedBy(s sched) string {
	u, known := s.Usage()
	if !known || len(u.By) == 0 {
		return ""
	}
	among := ""
	if seen := s.SeenOf(inspect.PIDStat); !seen.Whole() {
		among = "of the processes that could be seen "
	}
	return "; over " + units.Span(u.Over.Seconds()) + " " + among + who(s, u)
}

// short reports whether a host lacks CPUs: they had little time left, and tasks waited. One at which
// each CPU has its work, and nobody waits, is well used.
func short(s sched) (lacks, known bool) {
	left, known := spare(s)
	if !known {
		return false, false
	}
	was, _, _ := s.Before()
	queue, ok := s.Stat["procs_running"]
	queue = min(queue, was.Stat["procs_running"])
	ok = ok && s.Settings.Host.CPUs > 0
	if s.Pressure.Some == nil && !ok {
		return false, false
	}
	waits := s.Pressure.Some != nil && s.Pressure.Some.Avg10 >= 100*waiting ||
		ok && queue > uint64(s.Settings.Host.CPUs)+1 // one of them reads it
	return left < heldShare && waits, true
}

// kernelWork is the share of CPU time in the kernel from which on starting processes is what costs.
const kernelWork = 0.3

// forking judges how many processes and threads are started. To fork, exec and end is the kernel's work; a
// thread costs little of it, so that many of these alone are not found.
func forking() explain.Rule[*schedfacts.Snapshot] {
	return explain.Rule[*schedfacts.Snapshot]{
		ID: "sched.fork_rate", Unit: explain.Decimal, Basis: explain.Interval,
		What: "processes and threads started a second / CPUs, where the kernel has 30 % of CPU time",
		Means: "To start a program and to end it costs the kernel from some tenths of a millisecond to several milliseconds of CPU time: page " +
			"tables are made, files mapped, pages faulted in, and all of it is taken down again. Scripts that call commands in loops, " +
			"and services that crash and are restarted, do so.",
		Evidence: []string{"processes", "cpu_system"}, Concept: "fork-and-exec", Next: "kwhy proc --interval 2s --sort -age",
		Of: func(s sched) value {
			rate, ok := forkRate(s)
			was, _, _ := s.Before()
			if !ok {
				return value{}
			}
			if system, counted := share(&s.All, &was.All, func(t *schedfacts.CPUTimes) uint64 { return t.System }); !counted || system < kernelWork {
				return explain.I(0)
			}
			return explain.F(rate / float64(s.Settings.Host.CPUs))
		},
		At: explain.At{Notice: 50, Warning: 500},
		Say: func(s sched) string {
			rate, _ := forkRate(s)
			was, _, _ := s.Before()
			system, _ := share(&s.All, &was.All, func(t *schedfacts.CPUTimes) uint64 { return t.System })
			text := fmt.Sprintf("%s processes and threads were started a second on %s, and the kernel's work took %s of CPU time",
				units.Number(int64(rate+0.5)), units.Plural(s.Settings.Host.CPUs, "CPU", "CPUs"), units.AppendPercent(nil, system))
			if by := proc.Forkers(s.List()); by != "" {
				text += "; " + by
			}
			return text
		},
	}
}

// forkRate is how many processes and threads were started a second.
func forkRate(s sched) (rate float64, ok bool) {
	was, over, watched := s.Before()
	if !watched || over <= 0 || s.Settings.Host.CPUs == 0 {
		return 0, false
	}
	n, ok1 := s.Stat["processes"]
	then, ok2 := was.Stat["processes"]
	return float64(n-min(n, then)) / over.Seconds(), ok1 && ok2 && n >= then
}

// hog judges the process that had the most CPU time, where CPUs are short.
func hog() explain.Rule[*schedfacts.Snapshot] {
	return explain.Rule[*schedfacts.Snapshot]{
		ID: "sched.cpu_hog", Unless: "sched.cpu_pressure", Unit: explain.Decimal, Basis: explain.Interval,
		What: "CPUs' worth of time of the busiest process, where CPUs are short",
		Means: "One process had a CPU or more for itself while other tasks were ready and waited. Where CPUs have time left, or nobody waits, " +
			"it takes them from nobody, and is not found.",
		Evidence: []string{"busiest", "procs_running", "pressure_cpu_some", "cpu_idle"}, Concept: "cpu-time", Next: "kwhy sched --interval 5s",
		NextOf: func(s sched) string {
			u, _ := s.Usage()
			return "kwhy sched " + strconv.Itoa(int(u.Busiest.Top.PID)) + " --interval 5s"
		},
		Of: func(s sched) value {
			u, known := s.Usage()
			lacks, sure := short(s)
			switch {
			case !known || !sure:
				return value{}
			case !lacks || u.Busiest.Top == nil:
				return explain.I(0)
			}
			return explain.F(u.Busiest.Most)
		},
		At: explain.At{Notice: whole},
		Say: func(s sched) string {
			u, _ := s.Usage()
			text := fmt.Sprintf("%s had %s over %s while others waited for one",
				taskIn(&u.Busiest), ofCPUs(s, u.Busiest.Most), units.Span(u.Over.Seconds()))
			if n := u.AtLeast(whole) - 1; n > 0 {
				text += "; so had " + units.Plural(n, "other process", "other processes") + " a whole one"
			}
			return text
		},
	}
}
