package proc

import (
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// Rlimits lists a process's own resource limits.
func Rlimits() *explain.Table[limitRow] {
	type column = explain.Field[limitRow]
	declare := func(d doc, get func(limitRow) value) column {
		d.Source, d.Concept = inspect.PIDLimits, "resource-limits"
		return column{Doc: d, Get: get}
	}
	bound := func(n inspect.Num) value {
		if n == inspect.Unset {
			return explain.None(inspect.Unlimited)
		}
		return explain.N(uint64(n))
	}
	return &explain.Table[limitRow]{Name: "rlimits", Fields: []column{
		declare(doc{
			Key: "name", Label: "LIMIT",
			Words: rlimitWords(),
			Gist:  "What is bounded, as the kernel words it.",
		}, func(r limitRow) value { return explain.S(r.It.Name) }),
		declare(doc{
			Key: "soft", Unit: explain.Plain, Show: explain.Data,
			Gist: "Where it stops now.",
		}, func(r limitRow) value { return bound(r.It.Soft) }),
		declare(doc{
			Key: "hard", Unit: explain.Plain, Show: explain.Data,
			Gist: "How far the process may raise that itself.",
		}, func(r limitRow) value { return bound(r.It.Hard) }),
		declare(doc{
			Key: "used", Unit: explain.Plain, Show: explain.Data,
			Gist: "How much of it is used, where the kernel shows that of the process.",
		}, used),
		declare(doc{
			Key: "unit", Show: explain.Data,
			Gist: "What is counted.",
		}, func(r limitRow) value { return text(r.It.Unit) }),
		declare(doc{
			Key: "used_text", Label: "USED",
			Gist: "How much of it is used, for people.",
		}, func(r limitRow) value {
			if v := used(r); v.Has() {
				return inUnit(v, r.It.Unit)
			}
			return explain.S("not shown")
		}),
		declare(doc{
			Key: "soft_text", Label: "SOFT",
			Gist: "Where it stops now, for people.",
		}, func(r limitRow) value { return inUnit(bound(r.It.Soft), r.It.Unit) }),
		declare(doc{
			Key: "hard_text", Label: "HARD",
			Gist: "How far the process may raise that itself, for people.",
		}, func(r limitRow) value { return inUnit(bound(r.It.Hard), r.It.Unit) }),
		declare(doc{
			Key:  "why",
			Gist: "What it bounds, and what comes of reaching it.",
		}, func(r limitRow) value { return explain.S(whyRlimit(r.It.Name)) }),
	}}
}

// whyRlimit says what a limit bounds and what comes of reaching it (getrlimit(2)).
func whyRlimit(name string) string {
	switch name {
	case "cpu time":
		return "CPU time in all: then SIGXCPU, and at the hard one SIGKILL"
	case "file size":
		return "how long files may become that it writes: then SIGXFSZ"
	case "data size":
		return "its private writable memory: then brk and mmap fail"
	case "stack size":
		return "how far the main thread's stack grows: then SIGSEGV"
	case "core file size":
		return "how long a core dump becomes; 0 is none"
	case "resident set":
		return "nothing: the kernel takes no notice of it since 2.4.30"
	case "processes":
		return "tasks of its real user: then fork fails; root is not held to it"
	case "open files":
		return "one more than its highest descriptor: then open fails"
	case "locked memory":
		return "memory that it may keep from being swapped: then mlock fails"
	case "address space":
		return "its virtual memory: then mmap fails"
	case "file locks":
		return "nothing: the kernel takes no notice of it since 2.4.25"
	case "pending signals":
		return "signals queued for its user's processes: then sigqueue fails"
	case "msgqueue size":
		return "POSIX message queues of its user: then mq_open fails"
	case "nice priority":
		return "how far it may lower its nice value: down to 20 less this"
	case "realtime priority":
		return "the highest real-time priority that it may ask for"
	case "realtime timeout":
		return "CPU time without a wait under a real-time policy: then SIGXCPU"
	}
	return "a limit that this kwhy does not know"
}

// inUnit tells a number to people in the unit of its row.
func inUnit(v value, unit string) value {
	switch {
	case !v.Has():
		return v
	case unit == "bytes":
		return explain.S(units.Size(v.Uint()))
	case unit == "seconds":
		return explain.S(units.Span(v.Float()))
	}
	return explain.S(units.Number(v.Uint()))
}

// used is what a process has of what a limit bounds.
func used(r limitRow) value {
	p := r.Detail.Row.P
	bytes := func(key string) value {
		kb, _, _ := strings.Cut(r.Detail.Status[key], " ")
		n, err := strconv.ParseUint(kb, 10, 50)
		if err != nil {
			return explain.None(inspect.Inapplicable)
		}
		return explain.N(n << 10)
	}
	switch r.It.Name {
	case "open files":
		return explain.Opt(p.FDs)
	case "cpu time":
		return explain.N((p.UTime + p.STime) / hz)
	case "address space":
		return explain.N(p.VSize)
	case "data size":
		return bytes("VmData")
	case "stack size":
		return bytes("VmStk")
	case "locked memory":
		return bytes("VmLck")
	case "resident set":
		return bytes("VmRSS")
	case "pending signals":
		n, _, _ := strings.Cut(r.Detail.Status["SigQ"], "/")
		if q, err := strconv.ParseUint(n, 10, 32); err == nil {
			return explain.N(q)
		}
	}
	return explain.None(inspect.Inapplicable)
}
