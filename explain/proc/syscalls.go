package proc

import (
	"runtime"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// callName names the system call that a process waits in; "" if it waits in
// none, or the number has no known name.
func callName(r row) string {
	if r.Missing(inspect.PIDSyscall) != inspect.Present || r.P.Kthread() {
		return ""
	}
	return nameOf(&r.P.Call, r.Host.Host)
}

// nameOf names a system call; "" for none, and where its number means something else
// (a 32-bit program, another kind of machine), or has no name yet.
func nameOf(c *procfacts.Syscall, h *inspect.Host) string {
	if c.Number == procfacts.NoCall || c.Compat || machine(h.Arch) != runtime.GOARCH {
		return ""
	}
	return numbered(c.Number)
}

// numbered names a system call of the architecture that kwhy was built for.
func numbered(n int64) string {
	_, rest, ok := strings.Cut(syscalls, "\n"+strconv.FormatInt(n, 10)+" ")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "\n")
	return name
}

// machine is Go's name for the architecture that uname shows.
func machine(arch string) string {
	switch arch {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return arch
}

// CallWord is a system call by its name, on the architecture that kwhy was built for.
func CallWord(name string) (explain.Word, bool) {
	if name == "" || !strings.Contains(syscalls, " "+name+"\n") {
		return explain.Word{}, false
	}
	return explain.Word{Name: name, Gist: "A system call: see man 2 " + name + ".", Concept: "system-call"}, true
}
