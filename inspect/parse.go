package inspect

import (
	"bytes"
	"errors"
	"iter"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ParseDev reads a device as major:minor.
func ParseDev(text string, base int) (uint64, bool) {
	major, minor, ok := strings.Cut(text, ":")
	ma, err1 := strconv.ParseUint(major, base, 32)
	mi, err2 := strconv.ParseUint(minor, base, 32)
	return unix.Mkdev(uint32(ma), uint32(mi)), ok && err1 == nil && err2 == nil
}

// TrimNewline returns b without the newline at its end, if it has one.
func TrimNewline(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		return b[:n-1]
	}
	return b
}

// CutOff reports whether a file of lines ends within one: the kernel ends each with a newline.
func CutOff(b []byte) bool { return len(b) > 0 && b[len(b)-1] != '\n' }

// UnescapeOctal undoes what the kernel's mangle_path did to blanks and
// newlines in a path: \040 is a blank. Anything else stays.
func UnescapeOctal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out = append(out, byte(n))
				i += 3
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// Num is a number that a kernel may not have: negative where it is not there.
type Num int64

// Unset is a Num without a value.
const Unset Num = -1

// Garbled is a Num that is there and makes no sense: of a limit, where Unset is none.
const Garbled Num = -2

// ParseLimit reads a limit: Unset is none, and Garbled is no limit that the kernel writes.
func ParseLimit(field []byte) Num {
	n, ok := ParseUint(field)
	switch {
	case string(field) == "unlimited", ok && n > math.MaxInt64:
		return Unset
	case !ok:
		return Garbled
	}
	return Num(n)
}

// ParsePID reads the name of a process's directory; ok is false for any other name.
func ParsePID(name string) (int32, bool) {
	if name == "" || name[0] < '1' || name[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(name, 10, 32)
	return int32(n), err == nil
}

// ParseInt reads a signed decimal number.
func ParseInt(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	n, ok := ParseUint(b)
	if !ok || n > math.MaxInt64 {
		return 0, false
	}
	if neg {
		return -int64(n), true
	}
	return int64(n), true
}

// ParseNum reads a decimal number that is not negative; Unset for anything else.
func ParseNum(field []byte) Num {
	if n, ok := ParseUint(field); ok && n <= math.MaxInt64 {
		return Num(n)
	}
	return Unset
}

// ErrMalformed marks a file that was read and made no sense.
var ErrMalformed = errors.New("malformed")

// Counters are named numbers of one file: bytes where the file gave kB, and
// the number itself elsewhere. A name that the kernel does not have is not in it.
type Counters map[string]uint64

// ParseCounters reads lines of "name value", "name: value" and "name: value kB".
// Lines of another form are passed over, so that one bad line costs itself
// alone; a file without a single good line is malformed.
func ParseCounters(b []byte, sizeHint int) (Counters, error) {
	out, _, err := ParseAllCounters(b, sizeHint)
	return out, err
}

// ParseAllCounters does the same for a file that has nothing else, and reports whether each of
// its lines was read. One without an end may have half a number, and is passed over too.
func ParseAllCounters(b []byte, sizeHint int) (out Counters, whole bool, err error) {
	out, whole = make(Counters, sizeHint), true
	for len(b) > 0 {
		at := bytes.IndexByte(b, '\n')
		if at < 0 {
			whole = false
			break
		}
		name, n, ok := counter(b[:at])
		if b = b[at+1:]; ok {
			out[string(name)] = n
		}
		whole = whole && ok
	}
	if len(out) == 0 {
		return nil, false, ErrMalformed
	}
	return out, whole, nil
}

func counter(line []byte) (name []byte, n uint64, ok bool) {
	name, rest := CutField(line)
	value, rest := CutField(rest)
	unit, rest := CutField(rest)
	if n, ok = ParseUint(value); !ok || len(rest) > 0 || name[0] >= '0' && name[0] <= '9' {
		return nil, 0, false // no counter's name begins with a digit
	}
	switch string(unit) {
	case "":
	case "kB":
		if n >= 1<<54 {
			return nil, 0, false
		}
		n <<= 10
	default:
		return nil, 0, false
	}
	return bytes.TrimSuffix(name, []byte(":")), n, true
}

// CutLine returns the first line of b, without its newline, and what follows it. The kernel ends
// each line of its files: one without an end may be half of one, with half a number in it, and
// is none.
func CutLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i], b[i+1:]
	}
	return nil, nil
}

// Lines passes on the lines of b, without their newlines, that have an end, as CutLine does.
func Lines(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := bytes.IndexByte(b, '\n'); i >= 0; i = bytes.IndexByte(b, '\n') {
			if !yield(b[:i]) {
				return
			}
			b = b[i+1:]
		}
	}
}

// CutField returns the first blank-separated field of b and what follows it,
// blanks trimmed.
func CutField(b []byte) (field, rest []byte) {
	b = TrimBlank(b)
	for i, c := range b {
		if c == ' ' || c == '\t' {
			return b[:i], TrimBlank(b[i:])
		}
	}
	return b, nil
}

// TrimBlank returns b without the blanks and tabs at its beginning.
func TrimBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// ParseUint reads a decimal number of digits alone that fits 64 bits.
func ParseUint(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// Num returns a counter; Unset where the file does not have it, or where it does not fit.
func (c Counters) Num(name string) Num {
	if n, ok := c[name]; ok && n < 1<<63 {
		return Num(n)
	}
	return Unset
}

// Sum adds names up; Unset if one is missing.
func (c Counters) Sum(names ...string) (total Num) {
	for _, name := range names {
		n := c.Num(name)
		if n == Unset {
			return Unset
		}
		total += n
	}
	return total
}

// CountList counts the members of a list such as 0-3,8.
func CountList(s string) (n int) {
	const most = 1 << 20 // far above any NR_CPUS: a file that says more is garbage
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		if err != nil {
			return 0
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(to); err != nil || b < a || b > most {
				return 0
			}
		}
		n += b - a + 1
	}
	return n
}

// CPULists are lists of CPUs such as "0-3,8", as /sys has them; "" for none.
type CPULists struct {
	Online, Isolated, NohzFull string
	SMT                        string // on, off, notsupported, ...; "" if unknown
}

// InList reports whether a number is in a list such as 0,2-3, as the kernel writes those of CPUs and
// nodes (lib/vsprintf.c, bitmap_list_string).
func InList(list string, n int) bool {
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		if err != nil {
			continue
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(last); err != nil {
				continue
			}
		}
		if n >= from && n <= to {
			return true
		}
	}
	return false
}

// CpuLists reads the lists. The reason is that of the CPUs which are online: without
// the others there is none of their kind.
func (h *Host) CpuLists(l *CPULists) Reason {
	read := func(name string, to *string) error {
		return h.Sys.Single("devices/system/cpu/"+name, func(b []byte) error { *to = strings.TrimSpace(string(b)); return nil })
	}
	err := read("online", &l.Online)
	_, _, _ = read("isolated", &l.Isolated), read("nohz_full", &l.NohzFull), read("smt/control", &l.SMT)
	if l.NohzFull == "(null)" {
		l.NohzFull = ""
	}
	return ReasonOf(err)
}

// CPUListHolds reports whether every CPU of the list some is in the list all: a list
// is "0-3,8".
func CPUListHolds(all, some string) bool {
	in := map[int]bool{}
	EachCPU(all, func(n int) { in[n] = true })
	holds := true
	EachCPU(some, func(n int) { holds = holds && in[n] })
	return holds
}

// EachCPU passes on the members of a list such as 0-3,8, as far as it makes sense.
func EachCPU(list string, do func(int)) {
	const most = 1 << 16 // far above any NR_CPUS
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		b := a
		if isRange && err == nil {
			b, err = strconv.Atoi(to)
		}
		for n := a; err == nil && n >= 0 && n <= min(b, most); n++ {
			do(n)
		}
	}
}
