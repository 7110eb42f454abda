package proc

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// Processes is the table of processes: as in ps, and why.
func Processes() *explain.Table[procfacts.Row] {
	ppid := PPID()
	ppid.Show = explain.Wide
	command := Command()
	command.Show, command.Label = explain.Asked, ""
	nice := Nice()
	nice.Show = explain.Data
	fields := []column{PID(), ppid, User(), State(), Threads(), nice, Turn(), CPU(), VmRSS(), RSS(), FDs(), Age(), Comm(), command}
	for _, list := range [][]column{
		{Tree(), Kernel()}, times(), schedules(), groups(), {UID()}, RssParts(),
		{VmSwap(), VmPTE(), OomScore(), OomScoreAdj(), Cgroup()}, waits(), transfers(),
	} {
		for _, f := range list {
			f.Show = explain.Asked
			fields = append(fields, f)
		}
	}
	fields = append(fields, Why())
	return &explain.Table[procfacts.Row]{
		Name: "processes", Identity: []string{"pid", "comm"},
		Sort: []string{"kernel", "cpu", "rss", "-pid"}, Fields: fields, Rules: rowRules(),
	}
}

// Why says what it does or waits for now.
func Why() column {
	return column{
		Doc: doc{
			Key:     "why",
			Source:  inspect.PIDStat,
			Also:    []inspect.Source{inspect.PIDStatus, inspect.PIDWchan, inspect.PIDSyscall, inspect.PIDFd, inspect.PIDLimits},
			Gist:    "What it does or waits for now.",
			Concept: "process-state",
		},
		Write: why,
	}
}

// EachThread is the same table with a row for each thread.
func EachThread() *explain.Table[procfacts.Row] {
	t := Processes()
	t.Name, t.Identity, t.Sort = "threads", []string{"pid", "tid", "comm"}, []string{"kernel", "cpu", "tid"}
	t.Fields = slices.DeleteFunc(t.Fields, func(f column) bool { return f.Key == "tree" || f.Key == "threads" })
	t.Fields = slices.Insert(t.Fields, 1, TID())
	rules := t.Rules
	t.Rules = nil
	for _, r := range rules {
		if r.Evidence[0] != "fds" { // those of the process, which all threads share
			t.Rules = append(t.Rules, explain.LiftRule(r, func(p row) row { return p }))
		}
	}
	return t
}

// Tree is the name, indented below the parent's.
func Tree() column {
	return ofStat(column{Doc: doc{
		Key: "tree", Label: "NAME",
		Source:  inspect.PIDStat,
		Gist:    "Its name, indented below its parent's.",
		Concept: "process",
	}, Get: func(p row) value {
		if p.P.Depth == 0 {
			return explain.S(p.P.Comm)
		}
		return explain.S(strings.Repeat("  ", int(min(p.P.Depth, 12))-1) + "└ " + p.P.Comm)
	}})
}

// AsTree puts rows in the order of a tree, each after its parent and children by
// PID, and notes how deep each is. A row whose parent is not among them begins a
// tree of its own.
func AsTree(ps *procfacts.Processes, rows []int32) (out []int32) {
	shown := map[int32]bool{}
	for _, i := range rows {
		shown[ps.Rows[i].PID] = true
	}
	children := map[int32][]int32{}
	var tops []int32
	for _, i := range rows {
		if p := &ps.Rows[i]; shown[p.PPID] && p.PPID != p.PID {
			children[p.PPID] = append(children[p.PPID], i)
		} else {
			tops = append(tops, i)
		}
	}
	type place struct{ i, depth int32 }
	var stack []place
	push := func(list []int32, depth int32) {
		slices.SortFunc(list, func(a, b int32) int { return cmp.Compare(ps.Rows[b].PID, ps.Rows[a].PID) })
		for _, i := range list {
			stack = append(stack, place{i, depth})
		}
	}
	push(tops, 0)
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		p := &ps.Rows[at.i]
		p.Depth = at.depth
		out = append(out, at.i)
		push(children[p.PID], at.depth+1)
		delete(children, p.PID)
	}
	for _, i := range rows { // two that are each other's ancestors, which a reused PID can cause
		if p := &ps.Rows[i]; children[p.PPID] != nil && shown[p.PPID] {
			p.Depth = 0
			out = append(out, i)
		}
	}
	return out
}

// Kernel is whether a process is a kernel thread.
func Kernel() column {
	return ofStat(column{Doc: doc{
		Key: "kernel", Unit: explain.Bool,
		Source:  inspect.PIDStat,
		Gist:    "Whether it is a kernel thread, according to PF_KTHREAD.",
		Concept: "kernel-thread",
	}, Get: func(p row) value { return explain.B(p.P.Kthread()) }})
}

// User is the process's owner.
func User() column {
	return column{Doc: doc{
		Key:     "user",
		Source:  inspect.PIDStatus,
		Gist:    "The effective user's name, or number where it has no name here.",
		Concept: "process",
	}, Get: func(p row) value {
		if p.P.Lost("Uid") {
			return explain.None(inspect.Malformed)
		}
		if name := p.Host.Users[p.P.UID]; name != "" {
			return explain.S(name)
		}
		return explain.S(strconv.FormatUint(uint64(p.P.UID), 10))
	}}
}

// states are the letters of stat's field 3 (fs/proc/array.c, task_state_array).
func states() []explain.Word {
	word := func(letter, gist string) explain.Word {
		return explain.Word{Name: letter, Gist: gist, Concept: "process-state"}
	}
	return []explain.Word{
		word("R", "Runnable: on a CPU or waiting for one."),
		word("S", "Interruptible sleep: until an event or a signal."),
		word("D", "Uninterruptible sleep, mostly for a disk or a lock; at most SIGKILL ends it."),
		word("T", "Stopped by a signal."),
		word("t", "Stopped by its tracer."),
		word("Z", "Zombie: ended, and its parent has not waited for it."),
		word("I", "An idle kernel thread, which does not count as load; since 4.14."),
		word("X", "Dead: about to disappear."),
		word("P", "Parked: a kernel thread whose CPU is offline."),
	}
}

// State is the letter that ps shows.
func State() column {
	return ofStat(column{Doc: doc{
		Key: "state", Label: "S",
		Source:  inspect.PIDStat,
		Words:   states(),
		Gist:    "The state of its main thread, as the kernel's letter.",
		Concept: "process-state",
	}, Get: func(p row) value { return explain.S(string(rune(p.P.State))) }})
}

// Threads is how many threads it has.
func Threads() column {
	return ofStat(column{Doc: doc{
		Key: "threads", Label: "THR", Unit: explain.Count, Show: explain.Wide,
		Source:  inspect.PIDStat,
		Gist:    "Number of threads, including the main one.",
		Concept: "threads",
	}, Get: func(p row) value { return explain.I(p.P.Threads) }})
}

// Nice is its nice value.
func Nice() column {
	return ofStat(column{Doc: doc{
		Key: "nice", Label: "NI", Unit: explain.Plain, Show: explain.Wide,
		Source:  inspect.PIDStat,
		Gist:    "Its nice value, -20 to 19: a lower one gets more CPU time.",
		Concept: "nice",
	}, Get: func(p row) value {
		if p.P.Policy == 1 || p.P.Policy == 2 || p.P.Policy == 6 { // FIFO, RR, DEADLINE
			return explain.None(inspect.Inapplicable)
		}
		return explain.I(p.P.Nice)
	}})
}

// Turn is what decides when it gets a CPU: its nice value, or its policy if it has
// another than the default, and with that its real-time priority or its nice value.
func Turn() column {
	return ofStat(column{Doc: doc{
		Key: "turn", Label: "NI/POL", Show: explain.Wide,
		Source:  inspect.PIDStat,
		Gist:    "Its nice value, or its policy and priority if that is not the default.",
		Concept: "scheduler",
	}, Get: func(p row) value {
		nice := strconv.Itoa(int(p.P.Nice))
		n := int(p.P.Policy)
		if n <= 0 || n >= len(policies()) {
			return explain.S(nice)
		}
		switch name := strings.TrimPrefix(policies()[n].Name, "SCHED_"); n {
		case 1, 2: // FIFO, RR
			return explain.S(name + " " + strconv.Itoa(int(p.P.RTPrio)))
		case 6: // DEADLINE
			return explain.S(name)
		default:
			return explain.S(name + " " + nice)
		}
	}})
}

// age is how long a process has lived, in seconds and whole hundredths, which is what uptime
// has; 0 if unknown.
func age(p row) float64 {
	if p.Host.Uptime == 0 {
		return 0
	}
	return max(math.Round((p.Host.Uptime-p.Host.Host.Seconds(p.P.Start))*100)/100, 0)
}

// CPU is the share of one CPU that it used, over its life or the interval.
func CPU() column {
	return ofStat(column{Doc: doc{
		Key: "cpu", Label: "CPU", Unit: explain.Ratio,
		Source: inspect.PIDStat, Also: []inspect.Source{inspect.Uptime},
		Gist:    "The share of one CPU that it used, over its life, or over --interval.",
		Concept: "cpu-time",
	}, Get: func(p row) value {
		used, over := p.Host.Host.Seconds(p.P.UTime+p.P.STime), age(p)
		was, d, paired := p.Before()
		switch watched := p.Host.Was; {
		case paired:
			used, over = used-p.Host.Host.Seconds(was.P.UTime+was.P.STime), d.Seconds()
		case watched != nil: // it is new: its own short life would put it before all others
			over, paired = p.Host.At.Sub(watched.At).Seconds(), true
		}
		cpus := p.Host.Host.CPUs
		switch {
		case p.Host.Uptime > 0 && (over <= 0 || !paired && cpus > 0 && used > over*float64(cpus)+p.Host.Host.Seconds(1)):
			// It was started just before uptime was read, or after: its time was read later.
			return explain.None(inspect.NoInterval)
		case over <= 0 || used < 0:
			return value{}
		}
		return explain.F(used / over)
	}})
}

// Age is how long ago it was started.
func Age() column {
	return ofStat(column{Doc: doc{
		Key: "age", Unit: explain.Seconds,
		Source: inspect.PIDStat, Also: []inspect.Source{inspect.Uptime},
		Gist:    "How long ago it was started.",
		Concept: "process",
	}, Get: func(p row) value {
		if p.Host.Uptime == 0 {
			return value{}
		}
		return explain.F(age(p))
	}})
}

// FDs is how many descriptors it has open.
func FDs() column {
	return column{Doc: doc{
		Key: "fds", Label: "FDS", Unit: explain.Count, Show: explain.Wide,
		Source:  inspect.PIDFd,
		Gist:    "Its open file descriptors.",
		Concept: "file-descriptor",
	}, Get: func(p row) value { return explain.Opt(p.P.FDs) }}
}

func ticks(p row, n uint64) value { return explain.F(p.Host.Host.Seconds(n)) }

func times() []column {
	cpuTime := func(key, gist string, get func(*procfacts.Process) uint64) column {
		return ofStat(column{Doc: doc{
			Key: key, Unit: explain.Seconds, Counter: true,
			Source:  inspect.PIDStat,
			Gist:    gist,
			Concept: "cpu-time",
		}, Get: func(p row) value { return ticks(p, get(p.P)) }})
	}
	fault := func(key, gist string, get func(*procfacts.Process) uint64) column {
		return ofStat(column{Doc: doc{
			Key: key, Kernel: key, Unit: explain.Count, Counter: true,
			Source:  inspect.PIDStat,
			Gist:    gist,
			Concept: "page-fault",
		}, Get: func(p row) value { return explain.N(get(p.P)) }})
	}
	return []column{
		cpuTime("utime", "CPU time in its own code.", func(p *procfacts.Process) uint64 { return p.UTime }),
		cpuTime("stime", "CPU time in the kernel on its behalf.", func(p *procfacts.Process) uint64 { return p.STime }),
		fault("minflt", "Page faults without I/O.", func(p *procfacts.Process) uint64 { return p.Minflt }),
		fault("majflt", "Page faults for which something was read, or that were retried.", func(p *procfacts.Process) uint64 { return p.Majflt }),
		ofStat(column{Doc: doc{
			Key: "vsize", Unit: explain.Bytes,
			Source:  inspect.PIDStat,
			Gist:    "The size of its address space, mostly not in RAM.",
			Concept: "virtual-memory",
		}, Get: func(p row) value { return explain.N(p.P.VSize) }}),
		ofStat(column{Doc: doc{
			Key:    "started",
			Source: inspect.PIDStat, Also: []inspect.Source{inspect.Uptime},
			Gist:    "When it was started.",
			Concept: "process",
		}, Get: func(p row) value {
			if p.Host.Uptime == 0 {
				return value{}
			}
			return explain.S(p.Host.At.Add(-time.Duration(age(p) * float64(time.Second))).UTC().Format(time.RFC3339))
		}}),
	}
}

func groups() []column {
	number := func(key, gist string, get func(*procfacts.Process) int32) column {
		return ofStat(column{Doc: doc{
			Key: key, Unit: explain.Plain,
			Source:  inspect.PIDStat,
			Gist:    gist,
			Concept: "process",
		}, Get: func(p row) value { return explain.I(get(p.P)) }})
	}
	return []column{
		number("pgrp", "Its process group, such as a job of a shell.", func(p *procfacts.Process) int32 { return p.PGRP }),
		number("session", "Its session: the process groups of one login or daemon.", func(p *procfacts.Process) int32 { return p.Session }),
		ofStat(column{Doc: doc{
			Key:     "tty",
			Source:  inspect.PIDStat,
			Gist:    "Its terminal, below /dev; none for daemons.",
			Concept: "session-and-terminal",
		}, Get: tty}),
	}
}

// tty names a process's terminal; by device number where the kernel does not.
func tty(p row) value {
	nr := p.P.TTY
	if nr == 0 {
		return explain.None(inspect.Inapplicable)
	}
	if name := p.Host.TTYs[nr]; name != "" {
		return explain.S(name)
	}
	return explain.S(fmt.Sprintf("%d:%d", nr>>8&0xfff, nr&0xff|nr>>12&0xfff00))
}

func waits() []column {
	return []column{
		{Doc: doc{
			Key: "wchan", Kernel: "wchan",
			Source:  inspect.PIDWchan,
			Gist:    "The kernel function that its main thread waits in.",
			Concept: "wait-channel",
		}, Get: func(p row) value {
			if w := p.Where(); w != "" {
				return explain.S(w)
			}
			return explain.None(inspect.Masked)
		}},
		{Doc: doc{
			Key: "syscall", Kernel: "syscall",
			Source:  inspect.PIDSyscall,
			Gist:    "The system call that its main thread waits in.",
			Concept: "system-call",
		}, Get: func(p row) value {
			if name := p.CallName(); name != "" {
				return explain.S(name)
			}
			return explain.None(inspect.Inapplicable)
		}},
	}
}

func transfers() []column {
	ioBytes := func(key, gist string, get func(*procfacts.Process) inspect.Num) column {
		return column{Doc: doc{
			Key: key, Kernel: key, Unit: explain.Bytes, Counter: true,
			Source:  inspect.PIDIO,
			Gist:    gist,
			Concept: "page-cache",
		}, Get: func(p row) value { return explain.Opt(get(p.P)) }}
	}
	return []column{
		ioBytes("read_bytes", "Bytes read from disks for it.", func(p *procfacts.Process) inspect.Num { return p.ReadBytes }),
		ioBytes("write_bytes", "Bytes to be written to disks for it, now or at writeback.", func(p *procfacts.Process) inspect.Num {
			return p.WriteBytes
		}),
		FDLimit(),
	}
}

// FDLimit is how many descriptors it may have open.
func FDLimit() column {
	return column{Doc: doc{
		Key: "fd_limit", Unit: explain.Count,
		Source:  inspect.PIDLimits,
		Gist:    "Its soft limit of open descriptors (RLIMIT_NOFILE).",
		Concept: "file-descriptor",
	}, Get: func(p row) value {
		return Limited(p.P.MaxFDs)
	}}
}

// Limited is the value of a limit.
func Limited(n inspect.Num) value {
	switch n {
	case inspect.Unset:
		return explain.None(inspect.Unlimited)
	case inspect.Garbled:
		return explain.None(inspect.Malformed)
	}
	return explain.N(uint64(n))
}
