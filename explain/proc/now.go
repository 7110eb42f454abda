package proc

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

func now() []detailField {
	return []detailField{
		declare(doc{
			Key:    "state",
			Source: inspect.PIDStat, Also: []inspect.Source{inspect.PIDWchan, inspect.PIDSyscall},
			Words:   states(),
			Gist:    "The state of its main thread, as the kernel's letter.",
			Concept: "process-state",
		}, func(d detail) value { return explain.S(string(rune(d.Row.P.State))) }, func(d detail) string {
			s := string(why(nil, d.Row))
			readable := d.Missing(inspect.PIDIO) == inspect.Present // with the same permission as the exit code
			if d.Row.P.Zombie() && d.Row.P.ExitCode == 0 && readable {
				s = strings.Replace(s, "ended; ", "ended with status 0; ", 1)
			}
			s += heldThreads(d)
			if d.Ended {
				return "It ended while it was read. Before that: " + s + "."
			}
			return strings.ToUpper(s[:1]) + s[1:] + "."
		}),
		declare(doc{
			Key: "syscall", Kernel: "syscall", Label: "system call",
			Source:  inspect.PIDSyscall,
			Gist:    "The system call that its main thread waits in.",
			Concept: "system-call",
		}, func(d detail) value { return text(d.Row.CallName()) }, readCall),
		declare(doc{
			Key: "syscall_args", Unit: explain.Address, Show: explain.Data,
			Source:  inspect.PIDSyscall,
			Gist:    "The six registers of its system call, which uses as many as it has arguments.",
			Concept: "system-call",
		}, func(d detail) value {
			if d.Row.CallName() == "" {
				return explain.None(inspect.Inapplicable)
			}
			var out []value
			for _, a := range d.Row.P.Call.Args {
				out = append(out, explain.N(a))
			}
			return explain.L(out)
		}, nil),
		declare(doc{
			Key: "wchan", Kernel: "wchan",
			Source:  inspect.PIDWchan,
			Gist:    "The kernel function that its main thread waits in.",
			Concept: "wait-channel",
		}, func(d detail) value {
			if w := d.Row.Where(); w != "" {
				return explain.S(w)
			}
			return explain.None(inspect.Inapplicable)
		}, nil),
		declare(doc{
			Key: "last_ran", Label: "last on a CPU", Unit: explain.Seconds,
			Source: inspect.PIDSched, Also: []inspect.Source{inspect.PIDStat},
			Gist:    "How long ago its main thread was last on a CPU, time in suspend left out.",
			Concept: "process-state",
		}, lastRan, readLastRan),
		tracees(),
		declare(doc{
			Key: "stack", Label: "kernel stack",
			Source:  inspect.PIDStack,
			Gist:    "The kernel stack of its main thread, innermost function first.",
			Concept: "wait-channel",
		}, func(d detail) value {
			if len(d.Stack) == 0 {
				return explain.None(inspect.Inapplicable)
			}
			return names(d.Stack)
		}, nil),
		switches("voluntary_ctxt_switches", "voluntary switches", "How often its main thread gave up the CPU to wait.",
			func(d detail) inspect.Num {
				return d.Row.P.Voluntary
			}, nil),
		switches("nonvoluntary_ctxt_switches", "involuntary switches", "How often its main thread was preempted for another.",
			func(d detail) inspect.Num {
				return d.Row.P.Forced
			}, readSwitches),
	}
}

// heldThreads says which of its other threads a tracer has stopped, while the main one goes on; "" for none.
func heldThreads(d detail) string {
	if len(d.Held) == 0 {
		return ""
	}
	b := units.AppendNumber([]byte("; "), int64(len(d.Held)))
	b = append(b, oneOrMany(int32(len(d.Held)), " other thread is", " other threads are")...)
	b = append(b, " stopped by a tracer: "...)
	const most = 3
	for i := range d.Held[:min(len(d.Held), most)] {
		t := &d.Held[i]
		if i > 0 {
			b = append(b, ", "...)
		}
		b = named(b, t)
		if tracer, ok := (row{Host: d.Row.Host, P: t}).Tracer(); ok {
			b = named(append(b, " by "...), tracer)
		}
	}
	if n := len(d.Held) - most; n > 0 {
		b = append(units.AppendNumber(append(b, " and "...), int64(n)), " more"...)
	}
	return string(b)
}

// lastRan is how long ago the task was on a CPU: at least, where that is all that is known.
func lastRan(d detail) value {
	switch run, ok := d.Row.LastRun(); {
	case d.Row.P.Outlived(): // it is of a thread that has ended, and the others go on
		return explain.None(inspect.Inapplicable)
	case d.Missing(inspect.PIDSched) != inspect.Present:
		return explain.None(d.Missing(inspect.PIDSched))
	case !ok, vague(run) && run.Least == 0:
		return explain.None(inspect.Untold)
	case vague(run):
		return explain.F(run.Least.Round(time.Second).Seconds())
	default:
		return explain.F(roughly(run))
	}
}

func readLastRan(d detail) string {
	run, _ := d.Row.LastRun()
	off := units.Span(max((run.Most-run.Least)/2, 10*time.Millisecond).Round(10 * time.Millisecond).Seconds())
	switch {
	case vague(run):
		return "At least, and at most " + units.Span(run.Most.Round(time.Second).Seconds()) +
			": the clocks of two CPUs differ by what interrupts and the hypervisor took of each."
	case d.Row.P.State == 'T':
		return "Since then it is stopped, to within " + off + "."
	case d.Row.P.State == 't':
		return "Since then its tracer holds it, to within " + off + "."
	}
	return "Since then it waits, to within " + off + "."
}

// tracees are those that it traces.
func tracees() detailField {
	f := declare(doc{
		Key: "tracees", Unit: explain.Count, Show: explain.Rare,
		Source:  inspect.PIDStatus,
		Gist:    "Processes whose main thread it traces, as a debugger or strace does.",
		Concept: "ptrace",
	}, func(d detail) value { return explain.I(len(d.Tracees)) }, func(d detail) string {
		const most = 6
		var words []string
		for _, p := range d.Tracees[:min(len(d.Tracees), most)] {
			s := string(named(nil, p))
			if p.State == 't' {
				s += ", which it has stopped"
			}
			words = append(words, s)
		}
		if n := len(d.Tracees) - most; n > 0 {
			words = append(words, "and "+units.Number(n)+" more")
		}
		if words == nil {
			return "None."
		}
		return strings.Join(words, "; ") + "."
	})
	f.Over = func(d detail) inspect.Seen { return d.Traceable }
	return f
}

// readCall formats the call with its arguments, as far as registers have them.
func readCall(d detail) string {
	c := &d.Row.P.Call
	if s, ok := callText(d.Row.CallName(), c, d.File); ok {
		return s
	}
	var args []string
	for _, a := range c.Args {
		args = append(args, "0x"+strconv.FormatUint(a, 16))
	}
	return fmt.Sprintf("System call %d of this architecture, with the six registers %s. A call uses as many of them as it has arguments.",
		c.Number, strings.Join(args, ", "))
}

func switches(key, label, gist string, get func(detail) inspect.Num, read func(detail) string) detailField {
	return declare(doc{
		Key: key, Kernel: key, Label: label, Unit: explain.Count, Counter: true,
		Source:  inspect.PIDStatus,
		Gist:    gist,
		Concept: "cpu-time",
	}, func(d detail) value { return explain.Opt(get(d)) }, read)
}

func readSwitches(d detail) string {
	v, f := d.Row.P.Voluntary, d.Row.P.Forced
	const few = 20
	switch {
	case v <= 0 && f <= 0:
		return "It has not run yet."
	case v+f < few:
		return "Too few to say anything."
	case f > v && d.Row.P.OfDeadline():
		return "More often than it waited: it computes, and its runtime of SCHED_DEADLINE runs out, or others want the CPU too."
	case f > v && computes(d):
		return "More often than it waited: it computes, and others want the CPU too, or its cgroup's quota runs out."
	case f > v:
		return "More often than it waited, over its life: it computed, and others wanted the CPU too."
	case f*10 > v:
		return "Sometimes: its time slice was over, or a task that woke up preempted it."
	}
	return "Rarely: mostly it waits for something before it is preempted."
}

// computes reports whether it does so now: it is runnable, or was preempted more often than it waited
// in the interval.
func computes(d detail) bool {
	if was, _, ok := d.Before(); ok {
		p, before := d.Row.P, was.Row.P
		return p.Forced-before.Forced > p.Voluntary-before.Voluntary
	}
	return d.Row.P.State == 'R'
}

// delays are the kernel's delay accounting. The fields depend on the version of the
// kernel's structure.
func delays() []detailField {
	delay := func(key, label, gist string, concept explain.Concept, version uint16, get func(*procfacts.Delays) procfacts.Delay) detailField {
		return declare(doc{
			Key: key, Label: label, Unit: explain.Seconds, Counter: true,
			Source:  inspect.Taskstats,
			Gist:    gist,
			Concept: concept,
		}, func(d detail) value {
			if d.Delays.Version < version {
				return explain.None(inspect.Unsupported)
			}
			return explain.F(get(&d.Delays).Seconds)
		}, func(d detail) string {
			n := get(&d.Delays)
			if n.Count == 0 {
				return "Never."
			}
			return units.Plural(n.Count, "time", "times") + ", " + units.Span(n.Seconds/float64(n.Count)) + " each."
		})
	}
	type of = *procfacts.Delays
	return []detailField{
		delay("cpu_delay", "waiting for CPU", "Time it was runnable and waited for a CPU.", "cpu-time", 1, func(d of) procfacts.Delay {
			return d.CPU
		}),
		delay("blkio_delay", "block devices", "Time it slept for I/O, mostly of block devices; by 6.1 for swap's too.",
			"page-cache", 1, func(d of) procfacts.Delay {
				return d.Block
			}),
		delay("swapin_delay", "swap", "Time it read from swap; by 6.1 its wait for a disk is in blkio_delay.", "swap", 1,
			func(d of) procfacts.Delay { return d.Swapin }),
		delay("freepages_delay", "reclaim", "Time it spent in direct reclaim to get memory.", "reclaim", 7, func(d of) procfacts.Delay {
			return d.Reclaim
		}),
		delay("thrashing_delay", "thrashing", "Time it waited for pages that had just been evicted.",
			"working-set", 9, func(d of) procfacts.Delay {
				return d.Thrashing
			}),
		delay("compact_delay", "compaction", "Time it spent in compaction to get contiguous pages.",
			"compaction", 11, func(d of) procfacts.Delay {
				return d.Compaction
			}),
		delay("wpcopy_delay", "copy on write", "Time it spent copying shared pages on write.",
			"page-fault", 13, func(d of) procfacts.Delay {
				return d.Copy
			}),
		delay("irq_delay", "interrupts", "Time that interrupts took while it was on a CPU.", "interrupts", 14, func(d of) procfacts.Delay {
			return d.IRQ
		}),
	}
}
