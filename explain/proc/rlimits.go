package proc

import (
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// Rlimits lists a process's own resource limits.
func Rlimits() *explain.Table[limitRow] {
	type column = explain.Field[limitRow]
	declare := func(d doc, get func(limitRow) value) column {
		d.Source, d.Concept = inspect.PIDLimits, "resource-limits"
		return column{Doc: d, Get: get}
	}
	return &explain.Table[limitRow]{Name: "rlimits", Fields: []column{
		declare(doc{
			Key: "name", Label: "LIMIT",
			Words: rlimitWords(),
			Gist:  "The resource, as /proc/PID/limits names it.",
		}, func(r limitRow) value { return explain.S(r.It.Name) }),
		declare(doc{
			Key: "soft", Unit: explain.Plain, Show: explain.Data,
			Gist: "The soft limit, which is enforced.",
		}, func(r limitRow) value { return Limited(r.It.Soft) }),
		declare(doc{
			Key: "hard", Unit: explain.Plain, Show: explain.Data,
			Gist: "The hard limit, up to which the process may raise the soft one.",
		}, func(r limitRow) value { return Limited(r.It.Hard) }),
		declare(doc{
			Key: "used", Unit: explain.Plain, Show: explain.Data,
			Gist: "How much of it is used, if the kernel shows that per process.",
		}, used),
		declare(doc{
			Key: "unit", Show: explain.Data,
			Gist: "What is counted.",
		}, func(r limitRow) value { return text(r.It.Unit) }),
		declare(doc{
			Key: "used_text", Label: "USED",
			Gist: "How much of it is used, human-readable.",
		}, func(r limitRow) value {
			if v := used(r); v.Has() {
				return inUnit(v, r.It.Unit)
			}
			return explain.S("not shown")
		}),
		declare(doc{
			Key: "soft_text", Label: "SOFT",
			Gist: "The soft limit, human-readable.",
		}, func(r limitRow) value { return inUnit(Limited(r.It.Soft), r.It.Unit) }),
		declare(doc{
			Key: "hard_text", Label: "HARD",
			Gist: "The hard limit, human-readable.",
		}, func(r limitRow) value { return inUnit(Limited(r.It.Hard), r.It.Unit) }),
		declare(doc{
			Key: "why", Label: explain.Description,
			Gist: "What it limits, and what happens at the limit.",
		}, func(r limitRow) value { return explain.S(whyRlimit(r.It.Name)) }),
	}}
}

// whyRlimit says what a limit limits and what happens at the limit (getrlimit(2)).
func whyRlimit(name string) string {
	switch name {
	case "cpu time":
		return "total CPU time: SIGXCPU at the soft limit, SIGKILL at the hard limit"
	case "file size":
		return "size of files that it writes: beyond it SIGXFSZ"
	case "data size":
		return "private writable memory: beyond it brk and mmap fail"
	case "stack size":
		return "the main thread's stack: beyond it SIGSEGV"
	case "core file size":
		return "size of core dumps; with 0 none is written"
	case "resident set":
		return "nothing: the kernel ignores it since 2.4.30"
	case "processes":
		return "tasks of its real user: beyond it fork fails; root is exempt"
	case "open files":
		return "its descriptors, which are numbered below it: where none is free open fails"
	case "locked memory":
		return "memory that it may lock: beyond it mlock fails"
	case "address space":
		return "virtual memory: beyond it mmap fails"
	case "file locks":
		return "nothing: the kernel ignores it since 2.4.25"
	case "pending signals":
		return "signals queued for its user's processes: beyond it sigqueue fails"
	case "msgqueue size":
		return "POSIX message queues of its user: beyond it mq_open fails"
	case "nice priority":
		return "its lowest nice value: 20 minus this"
	case "realtime priority":
		return "the highest real-time priority that it may ask for"
	case "realtime timeout":
		return "CPU time without blocking under a real-time policy: beyond it SIGXCPU"
	}
	return "a limit that this version of kwhy does not know"
}

// inUnit formats a number in the unit of its row.
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

// used is how much of a limited resource a process uses.
func used(r limitRow) value {
	p := r.In.Row.P
	bytes := func(key string) value {
		kb, _, _ := strings.Cut(r.In.Status[key], " ")
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
		if why := p.Told(procfacts.StatFields(14, 15)); why != inspect.Present {
			return explain.None(why)
		}
		return explain.N(uint64(r.In.Row.Host.Host.Seconds(p.UTime + p.STime)))
	case "address space":
		if why := p.Told(procfacts.StatFields(23)); why != inspect.Present {
			return explain.None(why)
		}
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
		n, _, _ := strings.Cut(r.In.Status["SigQ"], "/")
		if q, err := strconv.ParseUint(n, 10, 32); err == nil {
			return explain.N(q)
		}
	}
	return explain.None(inspect.Inapplicable)
}
