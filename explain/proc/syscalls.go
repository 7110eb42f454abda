package proc

import (
	"runtime"
	"strconv"
	"strings"

	"kwhy/inspect"
)

// callName names the system call that a process waits in; "" where it waits in
// none, where its number means another thing (a 32-bit program, another kind of
// machine), or has no name yet.
func callName(r row) string {
	c := &r.P.Call
	if r.Missing(inspect.PIDSyscall) != inspect.Present || c.Number == inspect.NoCall || c.Compat || r.P.Kthread() || machine(r.Host.Host.Arch) != runtime.GOARCH {
		return ""
	}
	_, rest, ok := strings.Cut(syscalls, "\n"+strconv.FormatInt(c.Number, 10)+" ")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "\n")
	return name
}

// machine is Go's name for what uname calls a machine.
func machine(arch string) string {
	switch arch {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return arch
}
