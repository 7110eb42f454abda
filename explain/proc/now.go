package proc

import (
	"fmt"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
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
		}, func(d detail) value { return text(callName(d.Row)) }, readCall),
		declare(doc{
			Key: "syscall_args", Unit: explain.Address, Show: explain.Data,
			Source:  inspect.PIDSyscall,
			Gist:    "The six registers of its system call, which uses as many as it has arguments.",
			Concept: "system-call",
		}, func(d detail) value {
			if callName(d.Row) == "" {
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
			if w := wchan(d.Row); w != "" {
				return explain.S(w)
			}
			return explain.None(inspect.Inapplicable)
		}, nil),
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
		switches("voluntary_ctxt_switches", "voluntary csw", "How often its main thread gave up the CPU to wait.",
			func(d detail) inspect.Num {
				return d.Row.P.Voluntary
			}, nil),
		switches("nonvoluntary_ctxt_switches", "involuntary csw", "How often its main thread was preempted for another.",
			func(d detail) inspect.Num {
				return d.Row.P.Forced
			}, readSwitches),
	}
}

// readCall formats the call with its arguments, as far as registers have them.
func readCall(d detail) string {
	c := &d.Row.P.Call
	if s, ok := callText(callName(d.Row), c, d.File); ok {
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
	case f > v:
		return "More often than it waited: it is CPU-bound, and others want the CPU too."
	case f*10 > v:
		return "Sometimes: its time slice was over, or a task that woke up preempted it."
	}
	return "Rarely: mostly it waits for something before it is preempted."
}
