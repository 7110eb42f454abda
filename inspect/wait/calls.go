package wait

import (
	"runtime"
	"strconv"
	"strings"

	"kwhy/inspect"
)

// Syscall is the system call that a task waits in, from /proc/PID/syscall.
type Syscall struct {
	Number  int64 // NoCall where it runs, or waits outside of one
	Args    [6]uint64
	Running bool
	Compat  bool // of a 32-bit program on a 64-bit kernel, where numbers mean other calls
}

// NoCall is the number of no system call.
const NoCall int64 = -1

// CallName names a system call; "" for none, and where its number means something else
// (a 32-bit program, another kind of machine), or has no name yet.
func CallName(c *Syscall, h *inspect.Host) string {
	if c.Number == NoCall || c.Compat || Machine(h.Arch) != runtime.GOARCH {
		return ""
	}
	return numbered(c.Number)
}

// numbered names a system call of the architecture that kwhy was built for; "" without a name.
func numbered(n int64) string {
	_, rest, ok := strings.Cut(syscalls, "\n"+strconv.FormatInt(n, 10)+" ")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "\n")
	return name
}

// IsCall reports whether a system call of the architecture that kwhy was built for has that name.
func IsCall(name string) bool { return name != "" && strings.Contains(syscalls, " "+name+"\n") }

// Machine is Go's name for the architecture that uname shows.
func Machine(arch string) string {
	switch arch {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return arch
}
