package proc

import (
	"fmt"
	"path"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// Bits of a task's flags (include/linux/sched.h).
const forkNoExec = 0x40

// origin tells how a process came to be, from what can still be seen of it.
func origin() detailField {
	return told(doc{
		Key: "origin", Label: "came to be by",
		Source: inspect.PIDStat, Also: []inspect.Source{inspect.PIDExe, inspect.PIDCmdline},
		Words: []explain.Word{
			{Name: "boot", Gist: "The kernel made it when it started.", Concept: "kernel-thread"},
			{Name: "kthread", Gist: "kthreadd made it, for the kernel.", Concept: "kernel-thread"},
			{Name: "fork", Gist: "Copied from its parent, and running the parent's program.", Concept: "process"},
			{Name: "exec", Gist: "Copied from its parent, and running another program since.", Concept: "process"},
			{Name: "thread", Gist: "Begun by clone in a process that it shares everything with.", Concept: "process"},
		},
		Gist:    "How it came to be.",
		Concept: "process",
	}, func(d detail) value { return explain.S(originOf(d)) }, readOrigin)
}

// bootInit tells the init of the host from that of a PID namespace: it has one number
// alone, and began with the kernel.
func bootInit(d detail) bool {
	p := d.Row.P
	return !p.Kthread() && p.PID == 1 && p.PPID == 0 && len(strings.Fields(d.Status["NSpid"])) < 2 && p.Start < 10*hz
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
		return fmt.Sprintf("A thread of process %d made it with clone: memory, files and signal handlers are the process's, "+
			"registers, stack and signal mask its own.", p.TGID)
	case "boot":
		return "The kernel made it when it started: nothing forked it."
	case "kthread":
		return "kthreadd made it when the kernel asked for a thread: it has no program and no memory of its own."
	}
	return strings.Join([]string{made(d), runs(d), grown(d)}, "")
}

// made says who forked it, as far as that can be known: a process whose parent
// ends is given to another.
func made(d detail) string {
	p := d.Row.P
	switch {
	case p.PPID == 0:
		return "Forked from outside of this PID namespace."
	case len(d.Ancestors) == 0:
		return fmt.Sprintf("Forked by process %d, or left to it; that one is not to be seen.", p.PPID)
	}
	parent := d.Ancestors[0]
	who := fmt.Sprintf("%s (%d)", parent.Comm, parent.PID)
	switch {
	case parent.Start > p.Start:
		return "Forked by a process that has ended; " + who + ", which is younger, has taken it over."
	case parent.PID == 1:
		return "Forked by " + who + ", or left to it when who forked it ended."
	}
	return "Forked by " + who + ", unless that one collects the orphans of others (PR_SET_CHILD_SUBREAPER)."
}

// runs says what program it runs, and by which name.
func runs(d detail) string {
	p := d.Row.P
	exe := strings.TrimSuffix(d.Exe, " (deleted)")
	switch {
	case p.Flags&forkNoExec == 0:
	case p.Zombie():
		return " It never called exec: it ran its parent's program."
	case d.Borrowed:
		return " It runs in its parent's memory, as vfork has it, until it calls exec or ends: what it writes there the parent sees."
	default:
		return " It never called exec: it is a copy of who forked it, and shares that one's pages until either writes to them."
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

// grown says what has become of it since.
func grown(d detail) string {
	p := d.Row.P
	var out string
	if p.Threads > 1 {
		out += " It has begun " + units.Plural(p.Threads-1, "thread", "threads") + " by clone that " +
			oneOrMany(p.Threads-1, "lives", "live") + " still."
	}
	if p.Session == p.PID {
		out += " It called setsid, for a session of its own."
	}
	if len(compared(d).apart) > 0 {
		out += " Its namespaces of its own come from clone, unshare or setns, its own or an ancestor's."
	}
	return out
}

func oneOrMany(n int32, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
