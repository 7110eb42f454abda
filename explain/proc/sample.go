package proc

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

type (
	sample      = *procfacts.Sample
	sampleField = explain.Field[*procfacts.Sample]
	doingRow    = procfacts.SamplePart
)

// sampleEvery is how often a process is looked at: often enough that five seconds
// tell shares to about a percent or two.
const sampleEvery = 4 * time.Millisecond

// Take samples what a process does.
func Take(ctx context.Context, h *inspect.Host, pid int32, over time.Duration) (sample, error) {
	ps, err := Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return procfacts.TakeSample(h, ctx, ps, pid, procfacts.Sampling{Every: sampleEvery, For: over, TakesFile: func(call int64) bool {
		return takesFile(nameOf(&procfacts.Syscall{Number: call}, h))
	}})
}

// takesFile tells whether a system call's first argument is a file descriptor.
func takesFile(name string) bool {
	return name != "" && strings.Contains(shapes, "\n"+name+" fd")
}

// Sampled sums up what a sample found.
func Sampled() explain.Card[*procfacts.Sample] {
	return explain.Card[*procfacts.Sample]{Name: "proc PID --sample", Sections: []explain.Section[*procfacts.Sample]{
		{Title: "Where its time goes", Table: "doings"},
		{Title: "How that was seen", Fields: sampling()},
	}}
}

func sampling() []sampleField {
	field := func(d doc, get func(sample) value, read func(sample) string) sampleField {
		if d.Source == inspect.None {
			d.Source = inspect.PIDStat
		}
		if d.Concept == "" {
			d.Concept = "process-state"
		}
		return sampleField{Doc: d, Get: get, Reading: read}
	}
	clock := func(s sample, d time.Duration) value {
		if s.Clocks != inspect.Present {
			return explain.None(s.Clocks)
		}
		return explain.F(d.Seconds())
	}
	return []sampleField{
		field(doc{
			Key: "rounds", Unit: explain.Count,
			Gist: "How often each thread was looked at.",
		}, func(s sample) value { return explain.I(s.Rounds) }, readRounds),
		field(doc{
			Key: "sampled_threads", Label: "threads", Unit: explain.Count,
			Gist: "Threads that were seen, those that came or went among them.",
		}, func(s sample) value { return explain.I(s.Threads) }, nil),
		field(doc{
			Key: "looks", Unit: explain.Count, Show: explain.Data,
			Gist: "Looks at single threads: what the shares are of.",
		}, func(s sample) value { return explain.I(s.Looks) }, nil),
		field(doc{
			Key: "took", Unit: explain.Seconds, Show: explain.Data,
			Gist: "From the first look to the last.",
		}, func(s sample) value { return explain.F(s.Took.Seconds()) }, nil),
		field(doc{
			Key: "rounds_per_second", Unit: explain.Decimal, Show: explain.Data,
			Gist: "Rounds in a second.",
		}, func(s sample) value {
			if s.Took <= 0 {
				return value{}
			}
			return explain.F(float64(s.Rounds) / s.Took.Seconds())
		}, nil),
		field(doc{
			Key: "cost", Unit: explain.Seconds,
			Gist:    "CPU time that kwhy itself spent on it.",
			Concept: "cpu-time",
		}, func(s sample) value { return explain.F(s.Cost.Seconds()) }, func(s sample) string {
			return units.Percent(s.Cost, s.Took) + " of one CPU: what looking costs this host, not the process."
		}),
		field(doc{
			Key: "ran", Label: "on a CPU", Unit: explain.Seconds,
			Source:  inspect.PIDSchedstat,
			Gist:    "How long its threads were on a CPU meanwhile, by the kernel's own clock.",
			Concept: "cpu-time",
		}, func(s sample) value { return clock(s, s.Ran) }, func(s sample) string {
			return units.Percent(s.Ran, s.Took) + " of one CPU, by the kernel's own clock" + lost(s) + "."
		}),
		field(doc{
			Key: "waited", Label: "ready", Unit: explain.Seconds,
			Source: inspect.PIDSchedstat, Also: []inspect.Source{inspect.CgroupCPU},
			Gist:    "How long its threads were ready meanwhile, and did not get a CPU.",
			Concept: "cpu-time",
		}, func(s sample) value { return clock(s, s.Waited) }, readWaited),
		field(doc{
			Key: "stood", Label: "stopped by quota", Unit: explain.Seconds, Show: explain.Rare,
			Source:  inspect.CgroupCPU,
			Gist:    "How long its cgroup's quota of CPU time kept its tasks off CPUs, all together.",
			Concept: "cpu-bandwidth",
		}, func(s sample) value {
			if !s.Bounded {
				return explain.None(inspect.Inapplicable)
			}
			return explain.F(s.Quota.Stood.Seconds())
		}, func(s sample) string {
			q := &s.Quota
			return fmt.Sprintf("Its cgroup may use %s CPUs, and had used that up in %s of %s.",
				units.AppendDecimal(nil, q.CPUs), units.Number(q.Throttled), units.Plural(q.Periods,
					"period", "periods"))
		}),
	}
}

// lost says that clocks are missing.
func lost(s sample) string {
	if s.Lost == 0 {
		return ""
	}
	return ", without " + units.Plural(s.Lost, "thread that", "threads that") + " ended meanwhile"
}

// readWaited tells why it was ready and had no CPU: its cgroup's quota was used up, or
// others had the CPUs.
func readWaited(s sample) string {
	rest := s.Waited
	if s.Bounded {
		rest -= min(s.Quota.Stood, rest)
	}
	others := rest > s.Ran/4 && rest > 10*time.Millisecond
	switch {
	case s.Ran+s.Waited == 0:
		return "It wanted no CPU."
	case s.Bounded && s.Quota.Throttled > 0 && others:
		return "Its cgroup's quota stopped it, and at other times others had the CPU."
	case s.Bounded && s.Quota.Throttled > 0:
		return "Its cgroup's quota stopped it, however idle the host was."
	case others:
		return "It wanted a CPU, and others had it."
	}
	return "It got a CPU soon when it wanted one."
}

func readRounds(s sample) string {
	if s.Took <= 0 {
		return ""
	}
	text := string(units.AppendDecimal(nil, float64(s.Rounds)/s.Took.Seconds())) + " a second, for " + units.Span(s.Took.Seconds()) + "."
	if s.Ended {
		return text + " The process ended meanwhile."
	}
	if s.Missing(inspect.PIDSyscall) == inspect.Denied {
		return text + " It is another user's: its states alone are to be seen, not what it waits in."
	}
	return text
}

// Doings lists what a process was seen doing, most often first.
func Doings() *explain.Table[doingRow] {
	type column = explain.Field[doingRow]
	declare := func(d doc, get func(doingRow) value) column {
		d.Source, d.Also = inspect.PIDStat, []inspect.Source{inspect.PIDWchan, inspect.PIDSyscall}
		if d.Concept == "" {
			d.Concept = "process-state"
		}
		return column{Doc: d, Get: get}
	}
	share := func(r doingRow) value { return explain.F(float64(r.It.Times) / float64(r.Sample.Looks)) }
	bar := declare(doc{
		Key: "share", Unit: explain.Ratio, Bar: true,
		Gist: "Of all looks at all threads, those that found this.",
	}, share)
	return &explain.Table[doingRow]{Name: "doings", Fields: []column{
		bar,
		declare(doc{
			Key: "times", Unit: explain.Count, Show: explain.Data,
			Gist: "How many looks found this.",
		}, func(r doingRow) value { return explain.I(r.It.Times) }),
		declare(doc{
			Key: "found_threads", Label: "THR", Unit: explain.Count,
			Gist: "How many threads were found doing this.",
		}, func(r doingRow) value { return explain.I(r.It.Threads) }),
		declare(doc{
			Key: "state", Label: "S",
			Words: states(),
			Gist:  "The state of a thread, by the kernel's letter.",
		}, func(r doingRow) value { return explain.S(string(rune(r.It.State))) }),
		declare(doc{
			Key:   "kind",
			Words: kinds(),
			Gist:  "What it is doing, or what it waits for, by kind.",
		}, func(r doingRow) value { return explain.S(doingKind(r)) }),
		declare(doc{
			Key: "syscall", Kernel: "syscall", Label: "CALL", Show: explain.Data,
			Gist:    "The system call that it waits in.",
			Concept: "system-call",
		}, func(r doingRow) value {
			return text(nameOf(&r.It.Call, r.Sample.Host.Host))
		}),
		declare(doc{
			Key: "wchan", Kernel: "wchan", Show: explain.Data,
			Gist: "The kernel function that it waits in.",
		}, func(r doingRow) value { return text(r.It.Wchan) }),
		declare(doc{
			Key: "file", Show: explain.Data,
			Gist:    "What the file leads to that the call works on.",
			Concept: "file-descriptor",
		}, func(r doingRow) value { return text(r.It.File) }),
		declare(doc{
			Key:  "why",
			Gist: "What it does or waits for.",
		}, func(r doingRow) value { return explain.S(whyDoing(r)) }),
	}}
}

// kinds are the words for what threads do.
func kinds() []explain.Word {
	word := func(name, gist string, concept explain.Concept) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: concept}
	}
	return []explain.Word{
		word(onCPU, "On a CPU, or ready for one.", "cpu-time"),
		word(lock, "Waits for another thread: a lock, a condition, a semaphore.", "process-state"),
		word(disk, "Waits for a disk, or for a file server.", "process-state"),
		word(network, "Waits for the network: data, room in a buffer, a connection.", "process-state"),
		word(child, "Waits for a child.", "process-state"), word(local, "Waits for another process: a pipe, a local socket.", "process-state"),
		word(events, "Waits for something to happen on any of its files.", "process-state"),
		word(choice, "Asleep by choice: for a time, or for a signal.", "process-state"),
		word(memory, "Waits for memory to be freed.", "reclaim"), word(halted, "Stopped, by a signal or a tracer, or frozen.", "process-state"),
		word(ended, "Has ended.", "process-state"), word(unseen, "Waits for what this user may not see.", "process-state"),
		word(unknown, "Waits for what kwhy has no word for.", "process-state"),
	}
}

func doingKind(r doingRow) string {
	switch r.It.State {
	case 'R':
		return onCPU
	case 'T', 't':
		return halted
	case 'Z', 'X':
		return ended
	}
	if frozen(r.It.Wchan) || r.Task().P.Frozen {
		return halted
	}
	if r.Missing(inspect.PIDSyscall) == inspect.Denied && r.It.Wchan == "" {
		return unseen
	}
	return waitsFor(r.It.State, nameOf(&r.It.Call, r.Sample.Host.Host), r.It.Wchan).kind
}

// whyDoing is a process's own sentence for what its threads were seen doing.
func whyDoing(r doingRow) string {
	b := why(nil, r.Task())
	if r.It.File != "" {
		b = append(append(b, ": "...), r.It.File...)
	}
	return string(b)
}
