package fd

import (
	"fmt"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/inspect"
)

// line returns what fdinfo has under a name.
func line(f *inspect.FD, name string) string {
	for _, l := range f.Info {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

func lines(f *inspect.FD, name string) (out []string) {
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
	case inspect.KindEventfd:
		n, err := strconv.ParseUint(strings.TrimSpace(line(f, "eventfd-count")), 16, 64)
		if err != nil {
			return "a counter to wait on"
		}
		if line(f, "eventfd-semaphore") == "1" {
			return fmt.Sprintf("a counter at %d, of which each read takes one", n)
		}
		return fmt.Sprintf("a counter at %d; a read takes all", n)
	case inspect.KindEpoll:
		return epoll(f)
	case inspect.KindTimerfd:
		return timer(f)
	case inspect.KindSignalfd:
		if set, err := strconv.ParseUint(line(f, "sigmask"), 16, 64); err == nil {
			return "reads signals as they come: " + strings.Join(proc.SignalNames(set), " ")
		}
		return "reads signals as they come"
	case inspect.KindInotify:
		return "watches " + explain.Plural(len(lines(f, "inotify")), "file or directory", "files and directories")
	case inspect.KindFanotify:
		return "watches by fanotify: " + explain.Plural(len(lines(f, "fanotify")), "mark", "marks")
	case inspect.KindPidfd:
		switch pid := line(f, "Pid"); pid {
		case "":
			return "a process"
		case "-1":
			return "a process that has ended and been asked for"
		case "0":
			return "a process of another PID namespace"
		default:
			return "process " + pid + ", whoever gets that number later"
		}
	case inspect.KindIOUring:
		return "a ring of I/O requests" + ring(f)
	case inspect.KindUserfaultfd:
		return "page faults of a range of memory, served by a program: " + orZero(line(f, "pending")) + " wait"
	case inspect.KindBPF:
		return bpf(f)
	case inspect.KindPerf:
		return "a performance counter"
	case inspect.KindDMABuf:
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
		return ", " + explain.Size(n)
	}
	return ""
}

func ring(f *inspect.FD) string {
	head, err1 := strconv.ParseUint(line(f, "SqHead"), 10, 64)
	tail, err2 := strconv.ParseUint(line(f, "SqTail"), 10, 64)
	if err1 != nil || err2 != nil {
		return ""
	}
	return fmt.Sprintf(", %d handed in and not taken yet", tail-min(head, tail))
}

// epoll lists what is watched: "tfd: 5 events: 19 data: 5 pos:0 ino:..".
func epoll(f *inspect.FD) string {
	var fds []string
	for _, l := range lines(f, "tfd") {
		if n := strings.Fields(l); len(n) > 0 {
			fds = append(fds, n[0])
		}
	}
	if len(fds) == 0 {
		return "waits for none"
	}
	if len(fds) > 8 {
		return fmt.Sprintf("waits for %d descriptors: %s and more", len(fds), strings.Join(fds[:8], " "))
	}
	return fmt.Sprintf("waits for %s: %s", explain.Plural(len(fds), "descriptor", "descriptors"), strings.Join(fds, " "))
}

// timer tells clock and next expiry: "it_value: (3, 141592653)".
func timer(f *inspect.FD) string {
	clocks := map[string]string{"0": "the wall clock", "1": "the monotonic clock", "7": "the clock since boot", "8": "the wall clock, and wakes the machine", "9": "the clock since boot, and wakes the machine"}
	clock := clocks[line(f, "clockid")]
	if clock == "" {
		clock = "clock " + line(f, "clockid")
	}
	next, ok := timespec(line(f, "it_value"))
	if !ok || next == 0 {
		return "a timer by " + clock + ", not set"
	}
	s := "a timer by " + clock + ", goes off in " + explain.Span(next)
	if every, ok := timespec(line(f, "it_interval")); ok && every > 0 {
		s += " and every " + explain.Span(every)
	}
	return s
}

func timespec(s string) (seconds float64, ok bool) {
	a, b, ok := strings.Cut(strings.Trim(s, "() "), ",")
	sec, err1 := strconv.ParseFloat(strings.TrimSpace(a), 64)
	nsec, err2 := strconv.ParseFloat(strings.TrimSpace(b), 64)
	return sec + nsec/1e9, ok && err1 == nil && err2 == nil
}

func bpf(f *inspect.FD) string {
	switch {
	case line(f, "map_type") != "":
		return fmt.Sprintf("a BPF map of type %s: keys of %s bytes, values of %s, %s entries at most, %s", line(f, "map_type"), line(f, "key_size"), line(f, "value_size"), line(f, "max_entries"), strings.TrimPrefix(sized(line(f, "memlock")), ", "))
	case line(f, "prog_type") != "":
		return fmt.Sprintf("a BPF program of type %s, tag %s", line(f, "prog_type"), line(f, "prog_tag"))
	case line(f, "link_type") != "":
		return "a BPF link of type " + line(f, "link_type")
	}
	return "a BPF object"
}
