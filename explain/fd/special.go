package fd

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/explain/proc"
	"kwhy/explain/units"
	fdfacts "kwhy/inspect/fd"
	procfacts "kwhy/inspect/proc"
)

// line returns what fdinfo has under a name.
func line(f *fdfacts.Descriptor, name string) string {
	for _, l := range f.Info {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

func lines(f *fdfacts.Descriptor, name string) (out []string) {
	for _, l := range f.Info {
		if l.Name == name {
			out = append(out, l.Value)
		}
	}
	return out
}

// special says what the files are that have no file system of their own.
func special(r fdRow) string {
	f := r.It
	switch f.Kind {
	case procfacts.KindEventfd:
		n, err := strconv.ParseUint(strings.TrimSpace(line(f, "eventfd-count")), 16, 64)
		if err != nil {
			return "a counter to wait on"
		}
		if line(f, "eventfd-semaphore") == "1" {
			return fmt.Sprintf("a counter at %d; each read takes one", n)
		}
		return fmt.Sprintf("a counter at %d; a read takes all", n)
	case procfacts.KindEpoll:
		return epoll(f)
	case procfacts.KindTimerfd:
		return timer(f)
	case procfacts.KindSignalfd:
		if set, err := strconv.ParseUint(line(f, "sigmask"), 16, 64); err == nil {
			return "reads signals as they come: " + strings.Join(proc.SignalNames(set), " ")
		}
		return "reads signals as they come"
	case procfacts.KindInotify:
		return inotify(r)
	case procfacts.KindFanotify:
		return fanotify(r)
	case procfacts.KindPidfd:
		return pidfd(r)
	case procfacts.KindIOUring:
		return "a ring of I/O requests" + ring(f)
	case procfacts.KindUserfaultfd:
		return "page faults of a range of memory, served by a program: " + orZero(line(f, "total")) + " wait"
	case procfacts.KindBPF:
		return bpf(f)
	case procfacts.KindPerf:
		return "a performance counter"
	case procfacts.KindDMABuf:
		return "memory shared among devices" + sized(line(f, "size"))
	}
	return "a kind of file that the kernel calls " + strings.Trim(strings.TrimPrefix(f.Link, "anon_inode:"), "[]")
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

func sized(s string) string {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return ", " + units.Size(n)
	}
	return ""
}

func ring(f *fdfacts.Descriptor) string {
	head, err1 := strconv.ParseUint(line(f, "SqHead"), 10, 64)
	tail, err2 := strconv.ParseUint(line(f, "SqTail"), 10, 64)
	if err1 != nil || err2 != nil {
		return ""
	}
	return fmt.Sprintf(", %d handed in and not taken yet", tail-min(head, tail))
}

// pidfd says which process or thread it is: -1 stands for one that is gone, 0 for one that
// this PID namespace has no number for (fs/pidfs.c, pidfd_show_fdinfo). That of a thread has
// PIDFD_THREAD, which is O_EXCL (include/uapi/linux/pidfd.h, since 6.9).
func pidfd(r fdRow) string {
	what := "process"
	if r.It.Flags&unix.PIDFD_THREAD != 0 {
		what = "thread"
	}
	switch pid := line(r.It, "Pid"); pid {
	case "":
		return "a " + what + ", identified by more than its number"
	case "-1":
		return "a " + what + " that has ended and was reaped"
	case "0":
		return "a " + what + " of another PID namespace"
	default:
		return what + " " + pid + " itself, even if its number is reused"
	}
}

// timer says the clock and the next expiry: "it_value: (3, 141592653)". A timer that
// expired has 0 there until it is read, and counts ticks meanwhile; one that repeats is
// set again by that read (fs/timerfd.c, timerfd_read).
func timer(f *fdfacts.Descriptor) string {
	clocks := map[string]string{
		"0": "the wall clock", "1": "the monotonic clock", "7": "the clock since boot",
		"8": "the wall clock, and wakes the machine", "9": "the clock since boot, and wakes the machine",
	}
	clock := clocks[line(f, "clockid")]
	if clock == "" {
		clock = "clock " + line(f, "clockid")
	}
	s := "a timer on " + clock
	next, ok := timespec(line(f, "it_value"))
	every, repeats := timespec(line(f, "it_interval"))
	repeats = repeats && every > 0
	ticks, _ := strconv.ParseUint(line(f, "ticks"), 10, 64)
	switch {
	case !ok:
		return s
	case ticks > 0 && repeats:
		return s + ", expired and was not read yet; every " + units.Span(every)
	case ticks > 0:
		return s + ", expired and was not read yet"
	case next == 0:
		return s + ", disarmed"
	case repeats:
		return s + ", expires in " + units.Span(next) + " and every " + units.Span(every)
	}
	return s + ", expires in " + units.Span(next)
}

func timespec(s string) (seconds float64, ok bool) {
	a, b, ok := strings.Cut(strings.Trim(s, "() "), ",")
	sec, err1 := strconv.ParseFloat(strings.TrimSpace(a), 64)
	nsec, err2 := strconv.ParseFloat(strings.TrimSpace(b), 64)
	return sec + nsec/1e9, ok && err1 == nil && err2 == nil
}
