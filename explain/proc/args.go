package proc

import (
	"math/bits"
	"strconv"
	"strings"

	"kwhy/explain"
	procfacts "kwhy/inspect/proc"
	"kwhy/inspect/wait"
)

// callText formats a system call as strace does, as far as its registers go: what
// pointers point to is not read. ok is false where kwhy does not know
// what its arguments are.
func callText(name string, c *procfacts.Syscall, file func(fd int32) string) (text string, ok bool) {
	kinds, ok := wait.Shape(name)
	if !ok {
		return "", false
	}
	b := append([]byte(name), '(')
	n := 0
	for _, kind := range kinds {
		if n > 0 {
			b = append(b, ", "...)
		}
		b = appendArg(b, kind, c.Args[n], file)
		n++
	}
	return string(append(b, ')')), true
}

func appendArg(b []byte, kind string, v uint64, file func(fd int32) string) []byte {
	i := int32(v) // what C calls an int is the lower half of its register
	switch kind {
	case "fd", "at":
		if kind == "at" && i == -100 {
			return append(b, "AT_FDCWD"...)
		}
		b = strconv.AppendInt(b, int64(i), 10)
		if to := file(i); to != "" {
			b = append(append(append(b, '<'), to...), '>')
		}
		return b
	case "ptr":
		if v == 0 {
			return append(b, "NULL"...)
		}
		return appendHex(b, v)
	case "bytes", "value":
		return strconv.AppendUint(b, v, 10)
	case "offset":
		return strconv.AppendInt(b, int64(v), 10)
	case "count", "files":
		return strconv.AppendInt(b, int64(i), 10)
	case "below":
		return append(strconv.AppendInt(b, int64(i), 10), " (files below this number)"...)
	case "ms":
		if i < 0 {
			return append(strconv.AppendInt(b, int64(i), 10), " (for ever)"...)
		}
		return append(strconv.AppendInt(b, int64(i), 10), " ms"...)
	case "pid":
		return strconv.AppendInt(b, int64(i), 10)
	case "octal":
		return append(append(b, '0'), strconv.FormatUint(uint64(uint32(v)), 8)...)
	case "signal":
		return append(b, signalName(int(i))...)
	case "futex":
		return appendFutex(b, uint32(v))
	case "clock", "idtype", "fcntl":
		return appendWord(b, kind, v)
	case "waitopts", "msgflags", "flock":
		return appendBits(b, kind, uint32(v))
	}
	return appendHex(b, v)
}

func appendHex(b []byte, v uint64) []byte {
	return strconv.AppendUint(append(b, "0x"...), v, 16)
}

// appendWord names an argument that has one of a few values.
func appendWord(b []byte, kind string, v uint64) []byte {
	var words string
	switch kind {
	case "clock": // include/uapi/linux/time.h
		words = "CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID CLOCK_THREAD_CPUTIME_ID CLOCK_MONOTONIC_RAW " +
			"CLOCK_REALTIME_COARSE CLOCK_MONOTONIC_COARSE CLOCK_BOOTTIME CLOCK_REALTIME_ALARM CLOCK_BOOTTIME_ALARM"
	case "idtype": // include/uapi/linux/wait.h
		words = "P_ALL P_PID P_PGID P_PIDFD"
	case "fcntl": // include/uapi/asm-generic/fcntl.h, those that are waited in
		words = "F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW"
		if v == 38 {
			return append(b, "F_OFD_SETLKW"...)
		}
	}
	for i, w := range strings.Fields(words) {
		if uint64(i) == v {
			return append(b, w...)
		}
	}
	return strconv.AppendInt(b, int64(int32(v)), 10)
}

// appendFutex names an operation (include/uapi/linux/futex.h).
func appendFutex(b []byte, v uint32) []byte {
	const private, realtime = 128, 256
	names := strings.Fields("FUTEX_WAIT FUTEX_WAKE FUTEX_FD FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_LOCK_PI " +
		"FUTEX_UNLOCK_PI FUTEX_TRYLOCK_PI FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET FUTEX_WAIT_REQUEUE_PI FUTEX_CMP_REQUEUE_PI FUTEX_LOCK_PI2")
	op := v &^ (private | realtime)
	if int(op) >= len(names) {
		return strconv.AppendUint(b, uint64(v), 10)
	}
	b = append(b, names[op]...)
	if v&private != 0 {
		b = append(b, "|FUTEX_PRIVATE_FLAG"...)
	}
	if v&realtime != 0 {
		b = append(b, "|FUTEX_CLOCK_REALTIME"...)
	}
	return b
}

// appendBits names the bits of an argument; those without a name stay a number.
func appendBits(b []byte, kind string, v uint32) []byte {
	type bit struct {
		mask uint32
		name string
	}
	var known []bit
	switch kind {
	case "waitopts": // include/uapi/linux/wait.h
		known = []bit{
			{1, "WNOHANG"}, {2, "WUNTRACED"}, {4, "WEXITED"}, {8, "WCONTINUED"},
			{0x01000000, "WNOWAIT"}, {0x20000000, "__WNOTHREAD"}, {0x40000000, "__WALL"}, {0x80000000, "__WCLONE"},
		}
	case "msgflags": // include/linux/socket.h
		known = []bit{
			{1, "MSG_OOB"}, {2, "MSG_PEEK"}, {0x20, "MSG_TRUNC"}, {0x40, "MSG_DONTWAIT"}, {0x100, "MSG_WAITALL"},
			{0x4000, "MSG_NOSIGNAL"}, {0x8000, "MSG_MORE"}, {0x10000, "MSG_WAITFORONE"}, {0x40000000, "MSG_CMSG_CLOEXEC"},
		}
	case "flock": // include/uapi/asm-generic/fcntl.h
		known = []bit{{1, "LOCK_SH"}, {2, "LOCK_EX"}, {4, "LOCK_NB"}, {8, "LOCK_UN"}}
	}
	if v == 0 {
		return append(b, '0')
	}
	first := true
	for ; v != 0; v &= v - 1 {
		if !first {
			b = append(b, '|')
		}
		first = false
		mask, name := uint32(1)<<bits.TrailingZeros32(v), ""
		for _, k := range known {
			if k.mask == mask {
				name = k.name
			}
		}
		if name == "" {
			b = appendHex(b, uint64(mask))
		} else {
			b = append(b, name...)
		}
	}
	return b
}

// CallWord is a system call by its name, on the architecture that kwhy was built for.
func CallWord(name string) (explain.Word, bool) {
	if !wait.IsCall(name) {
		return explain.Word{}, false
	}
	return explain.Word{Name: name, Gist: "A system call: see man 2 " + name + ".", Concept: "system-call"}, true
}
