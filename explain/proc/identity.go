package proc

import (
	"fmt"
	"path"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
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
			if strings.HasPrefix(d.Exe, "/memfd:") {
				return "A file in memory (memfd_create): it never had a name, and goes with the last who has it."
			}
			if strings.HasSuffix(d.Exe, " (deleted)") && !d.There {
				return inspect.Choose(d.Replaced, "The file was replaced by another of that name", "The file was deleted",
					"The file was deleted or replaced") + ": the process runs the old one until it ends."
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
		declare(
			doc{
				Key: "started", Source: inspect.PIDStat, Also: []inspect.Source{inspect.ProcStat, inspect.Uptime}, Concept: "process",
				Gist: "When it was started.",
			},
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
		amongProcesses(declare(doc{
			Key: "children", Unit: explain.Count,
			Source:  inspect.PIDStat,
			Gist:    "Processes that it started, or orphans that it adopted.",
			Concept: "process",
		}, func(d detail) value { return explain.I(len(d.Children)) }, readChildren)),
	}
}

// standing is its threads, process group, session and flags.
func standing() []detailField {
	return []detailField{
		lift(Threads(), "threads"),
		ofNumbers(statusLine("n_spid", "NSpid", "Its PID in each PID namespace, from this one inwards; since 4.1.",
			"pid-namespace", explain.Always, readNumbers)),
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

// amongProcesses makes a field of one that is found among all processes. Those outside a PID
// namespace are no descendants of one in it.
func amongProcesses(f detailField) detailField {
	f.Over = func(d detail) inspect.Seen {
		seen := d.Row.Host.All.SeenOf(inspect.PIDStat)
		seen.Open = seen.Open && seen.Beyond != inspect.OtherNamespace
		return seen
	}
	return f
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
		return "It has no other PID in a namespace below this one."
	}
	return fmt.Sprintf("In this PID namespace its PID is %s, in those below it %s.", n[0], strings.Join(n[1:], ", then "))
}

// Bits of a task's flags (include/linux/sched.h).
const forkNoExec = 0x40

// origin says how a process was created, as far as that is still visible.
func origin() detailField {
	return declare(doc{
		Key: "origin", Label: "created by",
		Source: inspect.PIDStat, Also: []inspect.Source{inspect.PIDExe, inspect.PIDCmdline},
		Words: []explain.Word{
			{Name: "boot", Gist: "The kernel created it at boot.", Concept: "kernel-thread"},
			{Name: "kthread", Gist: "kthreadd created it, for the kernel.", Concept: "kernel-thread"},
			{Name: "fork", Gist: "Forked, and still running its parent's program.", Concept: "process"},
			{Name: "exec", Gist: "Forked, and running another program since exec.", Concept: "process"},
			{Name: "thread", Gist: "A thread, created by clone in a process.", Concept: "process"},
		},
		Gist:    "How it was created.",
		Concept: "process",
	}, func(d detail) value {
		if p := d.Row.P; p.PID == 1 && !p.Kthread() && p.Told(procfacts.StatFields(4, 22)) != inspect.Present {
			return explain.None(inspect.Malformed) // which init it is its parent and its start say
		}
		return explain.S(originOf(d))
	}, readOrigin)
}

// bootInit distinguishes the init of the host from that of a PID namespace: it has only one PID
// and started with the kernel.
func bootInit(d detail) bool {
	p := d.Row.P
	return !p.Kthread() && p.PID == 1 && p.PPID == 0 && !d.Row.Host.Inside &&
		len(strings.Fields(d.Status["NSpid"])) < 2 && d.Row.Host.Host.Seconds(p.Start) < 10
}

func originOf(d detail) string {
	p := d.Row.P
	switch {
	case p.TGID != 0 && p.TGID != p.PID:
		return "thread"
	case p.Kthread() && p.PPID == 0, bootInit(d):
		return "boot"
	case p.Kthread():
		return "kthread"
	case p.Flags&forkNoExec != 0:
		return "fork"
	}
	return "exec"
}

func readOrigin(d detail) string {
	p := d.Row.P
	switch originOf(d) {
	case "thread":
		return fmt.Sprintf("A thread of process %d created it with clone: memory, files and signal handlers are the process's, "+
			"registers, stack and signal mask its own.", p.TGID)
	case "boot":
		return "The kernel created it at boot: nothing forked it."
	case "kthread":
		return "kthreadd created it for the kernel: it has no program and no memory of its own."
	}
	return strings.Join([]string{made(d), runs(d), grown(d)}, "")
}

// made says who forked it, as far as that is known: a process whose parent
// ends gets another parent.
func made(d detail) string {
	p, started := d.Row.P, procfacts.StatFields(22)
	switch {
	case p.Told(procfacts.StatFields(4)) != inspect.Present:
		return "Forked by a process whose number could not be read."
	case p.PPID == 0:
		return "Forked from outside this PID namespace."
	case len(d.Ancestors) == 0:
		return fmt.Sprintf("Forked or adopted by process %d, which is not visible.", p.PPID)
	}
	parent := d.Ancestors[0]
	who := fmt.Sprintf("%s (%d)", parent.Comm, parent.PID)
	switch {
	case p.Told(started) != inspect.Present || parent.Told(started) != inspect.Present:
		return "Forked or adopted by " + who + "."
	case parent.Start > p.Start:
		return "Forked by a process that has ended; " + who + ", which is younger, has adopted it."
	case parent.PID == 1:
		return "Forked by " + who + ", or adopted by it when its parent ended."
	}
	return "Forked by " + who + ", unless that process adopts orphans (PR_SET_CHILD_SUBREAPER)."
}

// runs says which program it runs, and under which name.
func runs(d detail) string {
	p := d.Row.P
	exe := strings.TrimSuffix(d.Exe, " (deleted)")
	switch {
	case p.Flags&forkNoExec == 0:
	case p.Zombie():
		return " It never called exec: it ran its parent's program."
	case d.Borrowed:
		return " It runs in its parent's memory after vfork, until it calls exec or ends: the parent sees what it writes there."
	default:
		return " It never called exec: it is a copy of its parent, and shares pages with it until either writes to them."
	}
	if exe == "" {
		return " Since then it has called exec."
	}
	base := path.Base(exe)
	s := " Since then it has called exec and runs " + base
	if p.Comm == base[:min(len(base), 15)] { // TASK_COMM_LEN less the end
		return s + "."
	}
	for _, a := range d.Args[min(len(d.Args), 1):] {
		if b := path.Base(a); p.Comm == b[:min(len(b), 15)] {
			return s + ", which reads the script " + a + "."
		}
	}
	return s + ", under the name " + p.Comm + ": a link to that program, or what it calls itself."
}

// grown says what it did since.
func grown(d detail) string {
	p := d.Row.P
	var out string
	if p.Threads > 1 {
		out += " It has created " + units.Plural(p.Threads-1, "thread", "threads") + " by clone that " +
			oneOrMany(p.Threads-1, "is", "are") + " still alive."
	}
	if p.Session == p.PID {
		out += " It called setsid, so it leads its own session."
	}
	if len(compared(d).apart) > 0 {
		out += " Its own namespaces come from clone, unshare or setns, by it or an ancestor."
	}
	return out
}

func oneOrMany(n int32, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
