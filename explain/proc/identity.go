package proc

import (
	"fmt"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// identity says who a process is.
func identity() []detailField {
	out := append(program(), family()...)
	return append(append(out, standing()...), origin())
}

// program is what it runs.
func program() []detailField {
	return []detailField{
		lift(Comm(), "name"),
		told(doc{
			Key: "cmdline", Label: "command line",
			Source:  inspect.PIDCmdline,
			Gist:    "The command line, which the process may have overwritten.",
			Concept: "process",
		}, func(d detail) value {
			if len(d.Args) == 0 {
				return explain.None(inspect.Inapplicable)
			}
			return names(d.Args)
		}, func(d detail) string {
			return units.Plural(len(d.Args), "argument", "arguments") + ", the program's own name first."
		}),
		told(doc{
			Key: "exe", Label: "program",
			Source:  inspect.PIDExe,
			Gist:    "The file that it runs.",
			Concept: "running-a-program",
		}, func(d detail) value { return text(d.Exe) }, func(d detail) string {
			if strings.HasSuffix(d.Exe, " (deleted)") {
				return "The file is gone from its directory, or was replaced: the process runs the old one until it ends."
			}
			return ""
		}),
		told(doc{
			Key: "cwd", Label: "works in",
			Source:  inspect.PIDCwd,
			Gist:    "Its working directory, which keeps that file system mounted.",
			Concept: "process",
		}, func(d detail) value { return text(d.Cwd) }, nil),
		told(doc{
			Key: "root", Label: "root",
			Source:  inspect.PIDRoot,
			Gist:    "What it takes for /.",
			Concept: "process",
		}, func(d detail) value { return text(d.Root) }, nil),
	}
}

// family is when it was started, by whom, and whom it started.
func family() []detailField {
	return []detailField{
		told(doc{Key: "started", Source: inspect.PIDStat, Concept: "process", Gist: "When it was started."},
			func(d detail) value {
				if d.Born.IsZero() {
					return value{}
				}
				return explain.S(d.Born.UTC().Format(time.RFC3339))
			}, func(d detail) string {
				if a := age(d.Row); a > 0 {
					return units.Span(a) + " ago."
				}
				return ""
			}),
		told(doc{
			Key: "ppid", Label: "parent", Unit: explain.Plain,
			Source:  inspect.PIDStat,
			Gist:    "The number of its parent; 0 where that is outside the PID namespace.",
			Concept: "process",
		}, func(d detail) value { return explain.I(d.Row.P.PPID) }, func(d detail) string {
			switch {
			case d.Row.P.PPID == 0:
				return "Outside this PID namespace, or none."
			case len(d.Ancestors) == 0:
				return "Not to be seen by this user."
			}
			var words []string
			for _, a := range d.Ancestors {
				words = append(words, string(named(nil, a)))
			}
			return strings.Join(words, " ← ") + "."
		}),
		told(doc{
			Key: "children", Unit: explain.Count,
			Source:  inspect.PIDStat,
			Gist:    "Processes that it started, or that were left to it.",
			Concept: "process",
		}, func(d detail) value { return explain.I(len(d.Children)) }, readChildren),
	}
}

// standing is how it stands to others: threads, groups, sessions, the kernel.
func standing() []detailField {
	return []detailField{
		lift(Threads(), "threads"),
		line("n_spid", "NSpid", "Its number in each PID namespace, from this one inwards; since 4.1.",
			"pid-namespace", explain.Always, readNumbers),
		told(doc{
			Key: "pgrp", Label: "process group", Unit: explain.Plain,
			Source:  inspect.PIDStat,
			Gist:    "Its process group: what a shell signals as one job.",
			Concept: "session-and-terminal",
		}, func(d detail) value { return explain.I(d.Row.P.PGRP) }, func(d detail) string {
			p := d.Row.P
			switch {
			case p.Session == p.PID:
				return "It leads a session of its own, as daemons and login shells do."
			case p.PGRP == p.PID:
				return fmt.Sprintf("It leads that group, in session %d.", p.Session)
			}
			return fmt.Sprintf("In session %d.", p.Session)
		}),
		told(doc{
			Key: "session", Unit: explain.Plain,
			Source:  inspect.PIDStat,
			Gist:    "Its session: the process groups of one login or daemon.",
			Concept: "session-and-terminal",
		}, func(d detail) value { return explain.I(d.Row.P.Session) }, nil),
		told(doc{
			Key: "kthread", Label: "kernel thread", Unit: explain.Bool, Show: explain.Rare,
			Source:  inspect.PIDStat,
			Gist:    "Whether it is a thread of the kernel: PF_KTHREAD is the one sure mark.",
			Concept: "kernel-thread",
		}, func(d detail) value { return explain.B(d.Row.P.Kthread()) }, nil),
		told(doc{
			Key: "flags", Label: "flags",
			Source:  inspect.PIDStat,
			Words:   flagWords(),
			Gist:    "The PF_* bits of its task; those without a name here as numbers.",
			Concept: "process",
		}, func(d detail) value { return names(flagNames(d.Row.P.Flags, d.Kernel())) }, readFlags),
		told(doc{
			Key:     "terminal",
			Source:  inspect.PIDStat,
			Gist:    "The terminal of its session; none for daemons.",
			Concept: "session-and-terminal",
		}, func(d detail) value { return tty(d.Row) }, func(d detail) string {
			return "A signal key typed there reaches the foreground group of its session."
		}),
	}
}

func readChildren(d detail) string {
	const most = 6
	var words []string
	for _, c := range d.Children[:min(len(d.Children), most)] {
		words = append(words, string(named(nil, c)))
	}
	if n := len(d.Children) - most; n > 0 {
		words = append(words, fmt.Sprintf("and %d more", n))
	}
	if words == nil {
		return "None."
	}
	return strings.Join(words, ", ") + "."
}

// readNumbers says in which namespaces it has which number.
func readNumbers(d detail) string {
	n := strings.Fields(d.Status["NSpid"])
	if len(n) < 2 {
		return "It has a number in this PID namespace alone."
	}
	return fmt.Sprintf("In this PID namespace it is %s, in those below it %s.", n[0], strings.Join(n[1:], ", then "))
}
