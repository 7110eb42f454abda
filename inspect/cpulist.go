package inspect

import (
	"strconv"
	"strings"
)

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
