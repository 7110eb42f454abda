package proc

import (
	"fmt"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// identity is what identifies a process.
func identity() []detailField {
	out := append(program(), family()...)
	return append(append(out, standing()...), origin())
}

// program is what the process runs.
func program() []detailField {
	return []detailField{
		lift(Comm(), "name"),
		declare(doc{
			Key: "cmdline", Label: "command line",
			Source:  inspect.PIDCmdline,
			Gist:    "The command line; the process may have overwritten it.",
			Concept: "process",
		}, func(d detail) value {
			if len(d.Args) == 0 {
				return explain.None(inspect.Inapplicable)
			}
			return names(d.Args)
		}, func(d detail) string {
			return units.Plural(len(d.Args), "argument", "arguments") + ", the program's own name first."
		}),
		declare(doc{
			Key: "exe", Label: "exe",
			Source:  inspect.PIDExe,
			Gist:    "The file that it runs.",
			Concept: "running-a-program",
		}, func(d detail) value { return text(d.Exe) }, func(d detail) string {
			if strings.HasSuffix(d.Exe, " (deleted)") {
				return "The file was deleted or replaced: the process runs the old one until it ends."
			}
			return ""
		}),
		declare(doc{
			Key: "cwd", Label: "cwd",
			Source:  inspect.PIDCwd,
			Gist:    "Its working directory; it keeps that file system busy.",
			Concept: "process",
		}, func(d detail) value { return text(d.Cwd) }, nil),
		declare(doc{
			Key: "root", Label: "root",
			Source:  inspect.PIDRoot,
			Gist:    "Its root directory.",
			Concept: "process",
		}, func(d detail) value { return text(d.Root) }, nil),
	}
}

// family is when it was started, its parent and its children.
func family() []detailField {
	return []detailField{
		declare(doc{Key: "started", Source: inspect.PIDStat, Concept: "process", Gist: "When it was started."},
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
		declare(doc{
			Key: "ppid", Label: "parent (PPID)", Unit: explain.Plain,
			Source:  inspect.PIDStat,
			Gist:    "The PID of its parent; 0 where that is outside the PID namespace.",
			Concept: "process",
		}, func(d detail) value { return explain.I(d.Row.P.PPID) }, func(d detail) string {
			switch {
			case d.Row.P.PPID == 0:
				return "Outside this PID namespace, or none."
			case len(d.Ancestors) == 0:
				return "Not visible to this user."
			}
			var words []string
			for _, a := range d.Ancestors {
				words = append(words, string(named(nil, a)))
			}
			return strings.Join(words, " ← ") + "."
		}),
		declare(doc{
			Key: "children", Unit: explain.Count,
			Source:  inspect.PIDStat,
			Gist:    "Processes that it started, or orphans that it adopted.",
			Concept: "process",
		}, func(d detail) value { return explain.I(len(d.Children)) }, readChildren),
	}
}

// standing is its threads, process group, session and flags.
func standing() []detailField {
	return []detailField{
		lift(Threads(), "threads"),
		statusLine("n_spid", "NSpid", "Its PID in each PID namespace, from this one inwards; since 4.1.",
			"pid-namespace", explain.Always, readNumbers),
		declare(doc{
			Key: "pgrp", Label: "process group", Unit: explain.Plain,
			Source:  inspect.PIDStat,
			Gist:    "Its process group, such as a job of a shell.",
			Concept: "session-and-terminal",
		}, func(d detail) value { return explain.I(d.Row.P.PGRP) }, func(d detail) string {
			p := d.Row.P
			switch {
			case p.Session == p.PID:
				return "It is a session leader, as daemons and login shells are."
			case p.PGRP == p.PID:
				return fmt.Sprintf("It is the leader of that group, in session %d.", p.Session)
			}
			return fmt.Sprintf("In session %d.", p.Session)
		}),
		declare(doc{
			Key: "session", Unit: explain.Plain,
			Source:  inspect.PIDStat,
			Gist:    "Its session: the process groups of one login or daemon.",
			Concept: "session-and-terminal",
		}, func(d detail) value { return explain.I(d.Row.P.Session) }, nil),
		declare(doc{
			Key: "kthread", Label: "kernel thread", Unit: explain.Bool, Show: explain.Rare,
			Source:  inspect.PIDStat,
			Gist:    "Whether it is a kernel thread, according to PF_KTHREAD.",
			Concept: "kernel-thread",
		}, func(d detail) value { return explain.B(d.Row.P.Kthread()) }, nil),
		declare(doc{
			Key: "flags", Label: "flags",
			Source:  inspect.PIDStat,
			Words:   flagWords(),
			Gist:    "The PF_* flags of its task; those without a name here as numbers.",
			Concept: "process",
		}, func(d detail) value { return names(flagNames(d.Row.P.Flags, d.Kernel())) }, readFlags),
		declare(doc{
			Key:     "terminal",
			Source:  inspect.PIDStat,
			Gist:    "The terminal of its session; none for daemons.",
			Concept: "session-and-terminal",
		}, func(d detail) value { return tty(d.Row) }, func(d detail) string {
			return "Signal keys typed there signal the foreground process group of its session."
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

// readNumbers says which PID it has in which namespace.
func readNumbers(d detail) string {
	n := strings.Fields(d.Status["NSpid"])
	if len(n) < 2 {
		return "It has a PID only in this PID namespace."
	}
	return fmt.Sprintf("In this PID namespace its PID is %s, in those below it %s.", n[0], strings.Join(n[1:], ", then "))
}
