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
	}, func(d detail) value { return explain.S(originOf(d)) }, readOrigin)
}

// bootInit tells the init of the host from that of a PID namespace: it has only one PID
// and started with the kernel.
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
	p := d.Row.P
	switch {
	case p.PPID == 0:
		return "Forked from outside this PID namespace."
	case len(d.Ancestors) == 0:
		return fmt.Sprintf("Forked or adopted by process %d, which is not visible.", p.PPID)
	}
	parent := d.Ancestors[0]
	who := fmt.Sprintf("%s (%d)", parent.Comm, parent.PID)
	switch {
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
