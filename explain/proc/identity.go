package proc

import (
	"fmt"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/inspect"
)

func identity() []detailField {
	person := func(p *inspect.Process) string { return fmt.Sprintf("%s (%d)", p.Comm, p.PID) }
	return []detailField{
		lift(Comm(), "name"),
		told(doc{Key: "cmdline", Label: "command line", Source: inspect.PIDCmdline, Concept: "process", Gist: "The command line, which the process may have overwritten."},
			func(d detail) value {
				if len(d.Args) == 0 {
					return explain.None(inspect.Inapplicable)
				}
				return names(d.Args)
			}, func(d detail) string {
				return explain.Plural(len(d.Args), "argument", "arguments") + ", the program's own name first."
			}),
		told(doc{Key: "exe", Label: "program", Source: inspect.PIDExe, Concept: "process", Gist: "The file that it runs."},
			func(d detail) value { return text(d.Exe) }, func(d detail) string {
				if strings.HasSuffix(d.Exe, " (deleted)") {
					return "The file is gone from its directory, or was replaced: the process runs the old one until it ends."
				}
				return ""
			}),
		told(doc{Key: "cwd", Label: "works in", Source: inspect.PIDCwd, Concept: "process", Gist: "Its working directory, which keeps that file system mounted."},
			func(d detail) value { return text(d.Cwd) }, nil),
		told(doc{Key: "root", Label: "root", Source: inspect.PIDRoot, Concept: "process", Show: explain.Data, Gist: "What it takes for /."},
			func(d detail) value { return text(d.Root) }, nil),
		told(doc{Key: "started", Source: inspect.PIDStat, Concept: "process", Gist: "When it was started."},
			func(d detail) value {
				if d.Born.IsZero() {
					return value{}
				}
				return explain.S(d.Born.UTC().Format(time.RFC3339))
			}, func(d detail) string {
				if a := age(d.Row); a > 0 {
					return explain.Span(a) + " ago."
				}
				return ""
			}),
		told(doc{Key: "ppid", Label: "parent", Unit: explain.Plain, Source: inspect.PIDStat, Concept: "process", Gist: "The number of its parent; 0 where that is outside the PID namespace."},
			func(d detail) value { return explain.I(d.Row.P.PPID) }, func(d detail) string {
				switch {
				case d.Row.P.PPID == 0:
					return "Outside this PID namespace, or none."
				case len(d.Ancestors) == 0:
					return "Not to be seen by this user."
				}
				var words []string
				for _, a := range d.Ancestors {
					words = append(words, person(a))
				}
				return strings.Join(words, " ← ") + "."
			}),
		told(doc{Key: "children", Unit: explain.Count, Source: inspect.PIDStat, Concept: "process", Gist: "Processes that it started, or that were left to it."},
			func(d detail) value { return explain.I(len(d.Children)) }, func(d detail) string {
				var words []string
				for _, c := range d.Children[:min(len(d.Children), 6)] {
					words = append(words, person(c))
				}
				if n := len(d.Children) - 6; n > 0 {
					words = append(words, fmt.Sprintf("and %d more", n))
				}
				if words == nil {
					return "None."
				}
				return strings.Join(words, ", ") + "."
			}),
		lift(Threads(), "threads"),
		line("n_spid", "NSpid", "Its number in each PID namespace, from this one inwards; since 4.1.", "namespaces", explain.Data, nil),
		told(doc{Key: "pgrp", Label: "process group", Unit: explain.Plain, Source: inspect.PIDStat, Concept: "process", Gist: "Its process group: what a shell signals as one job."},
			func(d detail) value { return explain.I(d.Row.P.PGRP) }, func(d detail) string {
				p := d.Row.P
				switch {
				case p.Session == p.PID:
					return "It leads a session of its own, as daemons and login shells do."
				case p.PGRP == p.PID:
					return fmt.Sprintf("It leads that group, in session %d.", p.Session)
				}
				return fmt.Sprintf("In session %d.", p.Session)
			}),
		told(doc{Key: "session", Unit: explain.Plain, Source: inspect.PIDStat, Concept: "process", Show: explain.Data, Gist: "Its session: the process groups of one login or daemon."},
			func(d detail) value { return explain.I(d.Row.P.Session) }, nil),
		told(doc{Key: "kthread", Label: "kernel thread", Unit: explain.Bool, Source: inspect.PIDStat, Concept: "kernel-thread", Show: explain.Rare, Gist: "Whether it is a thread of the kernel: PF_KTHREAD is the one sure mark."},
			func(d detail) value { return explain.B(d.Row.P.Kthread()) }, nil),
		told(doc{Key: "flags", Label: "flags", Source: inspect.PIDStat, Concept: "process", Gist: "The PF_* bits of its task, those that have kept their meaning by name."},
			func(d detail) value { return names(flagNames(d.Row.P.Flags)) }, readFlags),
		told(doc{Key: "terminal", Source: inspect.PIDStat, Concept: "process", Gist: "The terminal of its session; none for daemons."},
			func(d detail) value { return tty(d.Row) }, func(d detail) string {
				return "A signal key typed there reaches the foreground group of its session."
			}),
		origin(),
	}
}
