package proc

import (
	"testing"

	procfacts "kwhy/inspect/proc"
)

func TestCallText(t *testing.T) {
	file := func(fd int32) string {
		if fd == 3 {
			return "/x"
		}
		return ""
	}
	for _, c := range []struct {
		name string
		args [6]uint64
		want string
	}{
		{"read", [6]uint64{3, 0x7f00, 10}, "read(3</x>, 0x7f00, 10)"},
		{"openat", [6]uint64{0xffffff9c, 0x1000, 0x80000, 0o644}, "openat(AT_FDCWD, 0x1000, 0x80000, 0644)"},
		{"poll", [6]uint64{0x1000, 2, 0xffffffff}, "poll(0x1000, 2, -1 (for ever))"},
		{"wait4", [6]uint64{0xffffffffffffffff, 0, 3, 0}, "wait4(-1, NULL, WNOHANG|WUNTRACED, NULL)"},
		{"futex", [6]uint64{0x10, 128 | 256 | 9, 7, 0}, "futex(0x10, FUTEX_WAIT_BITSET|FUTEX_PRIVATE_FLAG|FUTEX_CLOCK_REALTIME, 7, NULL)"},
		{"kill", [6]uint64{12, 9}, "kill(12, SIGKILL)"},
		{"fcntl", [6]uint64{9, 7, 0x20}, "fcntl(9, F_SETLKW, 0x20)"},
		{"fcntl", [6]uint64{9, 1000, 0}, "fcntl(9, 1000, 0x0)"},
		{"waitid", [6]uint64{1, 77, 0, 0x8000004, 0}, "waitid(P_PID, 77, NULL, WEXITED|0x8000000, NULL)"},
		{"sync", [6]uint64{}, "sync()"},
		{"futex", [6]uint64{0, 99}, "futex(NULL, 99, 0, NULL)"},
	} {
		if got, ok := callText(c.name, &procfacts.Syscall{Args: c.args}, file); !ok || got != c.want {
			t.Errorf("%q, %v; want %q", got, ok, c.want)
		}
	}
	for _, name := range []string{"", "rea", "readx", "fd"} {
		if got, ok := callText(name, &procfacts.Syscall{}, file); ok {
			t.Errorf("%q is formatted as %q", name, got)
		}
	}
}
