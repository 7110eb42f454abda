package proc

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kwhy/explain"
	"kwhy/explain/edge"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
	"kwhy/inspect/wait"
)

type (
	sample      = *procfacts.Sample
	sampleField = explain.Field[*procfacts.Sample]
	doingRow    = procfacts.SamplePart
)

// sampleEvery is the sampling period: short enough that five seconds
// give shares to about one or two percent.
const sampleEvery = 4 * time.Millisecond

// Take samples what a process does.
func Take(ctx context.Context, h *inspect.Host, pid int32, over time.Duration) (sample, error) {
	ps, err := Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return procfacts.TakeSample(h, ctx, ps, pid, procfacts.Sampling{Every: sampleEvery, For: over, TakesFile: func(call int64) bool {
		return wait.TakesFile(wait.CallName(&procfacts.Syscall{Number: call}, h))
	}})
}

// Sampled sums up what a sample found.
func Sampled() explain.Card[*procfacts.Sample] {
	return explain.Card[*procfacts.Sample]{Name: "proc PID --sample", Sections: []explain.Section[*procfacts.Sample]{
		{Title: "Activities by share of time", Table: "doings", By: "share"},
		{Title: "Sampling", Fields: sampling()},
	}}
}

func sampling() []sampleField {
	declare := func(d doc, get func(sample) value, read func(sample) string) sampleField {
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
		declare(doc{
			Key: "rounds", Unit: explain.Count,
			Gist: "How often each thread was sampled.",
		}, func(s sample) value { return explain.I(s.Rounds) }, readRounds),
		declare(doc{
			Key: "sampled_threads", Label: "threads", Unit: explain.Count,
			Gist: "Threads that were sampled, including those that started or ended.",
		}, func(s sample) value { return explain.I(s.Threads) }, nil),
		declare(doc{
			Key: "looks", Unit: explain.Count, Show: explain.Data,
			Gist: "Samples of single threads: the shares are relative to these.",
		}, func(s sample) value { return explain.I(s.Looks) }, nil),
		declare(doc{
			Key: "took", Unit: explain.Seconds, Show: explain.Data,
			Gist: "Time from the first sample to the last.",
		}, func(s sample) value { return explain.F(s.Took.Seconds()) }, nil),
		declare(doc{
			Key: "rounds_per_second", Unit: explain.Decimal, Show: explain.Data,
			Gist: "Rounds per second.",
		}, func(s sample) value {
			if s.Took <= 0 {
				return value{}
			}
			return explain.F(float64(s.Rounds) / s.Took.Seconds())
		}, nil),
		declare(doc{
			Key: "cost", Unit: explain.Seconds,
			Gist:    "CPU time that kwhy itself spent on it.",
			Concept: "cpu-time",
		}, func(s sample) value { return explain.F(s.Cost.Seconds()) }, func(s sample) string {
			return units.Percent(s.Cost, s.Took) + " of one CPU: the cost of sampling to this host, not to the process."
		}),
		declare(doc{
			Key: "ran", Label: "on a CPU", Unit: explain.Seconds,
			Source:  inspect.PIDSchedstat,
			Gist:    "How long its threads were on a CPU meanwhile, measured by the kernel.",
			Concept: "cpu-time",
		}, func(s sample) value { return clock(s, s.Ran) }, func(s sample) string {
			return units.Percent(s.Ran, s.Took) + " of one CPU, measured by the kernel" + lost(s) + "."
		}),
		declare(doc{
			Key: "waited", Label: "waited for CPU", Unit: explain.Seconds,
			Source: inspect.PIDSchedstat, Also: []inspect.Source{inspect.CgroupCPU},
			Gist:    "How long its threads were runnable meanwhile, without a CPU.",
			Concept: "cpu-time",
		}, func(s sample) value { return clock(s, s.Waited) }, readWaited),
		declare(doc{
			Key: "stood", Label: "throttled", Unit: explain.Seconds, Show: explain.Rare,
			Source:  inspect.CgroupCPU,
			Gist:    "How long its cgroup's CPU quota throttled its tasks, all CPUs together.",
			Concept: "cpu-bandwidth",
		}, func(s sample) value {
			if !s.Bounded {
				return explain.None(inspect.Inapplicable)
			}
			if !s.Quota.Counted {
				return explain.None(s.Quota.NoStat)
			}
			return explain.F(s.Quota.Stood.Seconds())
		}, func(s sample) string {
			q := &s.Quota
			return fmt.Sprintf("Its cgroup may use %s CPUs, and was throttled in %s of %s.",
				units.AppendDecimal(nil, q.CPUs), units.Number(q.Throttled), units.Plural(q.Periods,
					"period", "periods"))
		}),
	}
}

// lost says that the clocks of some threads are missing.
func lost(s sample) string {
	if s.Lost == 0 {
		return ""
	}
	return ", without " + units.Plural(s.Lost, "thread that", "threads that") + " ended meanwhile"
}

// readWaited says why it was runnable and had no CPU: its cgroup's quota was used up, or
// others had the CPUs.
func readWaited(s sample) string {
	starved := ""
	if s.Starved > 0 {
		starved = units.Plural(s.Starved, "thread was", "threads were") +
			" runnable all the time and did not run, which is not counted yet: the kernel books it when a thread gets a CPU."
	}
	if says := readBooked(s); starved == "" || s.Ran+s.Waited == 0 {
		return says
	} else if says != quickly {
		return says + " " + starved
	}
	return starved
}

const quickly = "It got a CPU quickly when it was runnable."

// readBooked says that of the time that the kernel has counted.
func readBooked(s sample) string {
	rest := s.Waited
	if s.Bounded {
		rest -= min(s.Quota.Stood, rest)
	}
	others := rest > s.Ran/4 && rest > 10*time.Millisecond
	switch {
	case s.Ran+s.Waited == 0 && slices.ContainsFunc(s.Doings, func(d procfacts.Doing) bool { return d.State == 'R' }):
		return "It was runnable and did not run: the kernel books that time when it gets a CPU."
	case s.Ran+s.Waited == 0:
		return "It was never runnable."
	case s.Deadline && others:
		return "It was runnable, and had used up its own runtime (SCHED_DEADLINE), or other tasks had the CPUs."
	case s.Bounded && s.Quota.Throttled > 0 && others:
		return "Its cgroup's quota throttled it, and at other times other tasks had the CPU."
	case s.Bounded && s.Quota.Throttled > 0:
		return "Its cgroup's quota throttled it, however idle the host was."
	case others:
		return "It was runnable, and other tasks had the CPUs."
	}
	return quickly
}

func readRounds(s sample) string {
	if s.Took <= 0 {
		return ""
	}
	text := string(units.AppendDecimal(nil, float64(s.Rounds)/s.Took.Seconds())) + " per second, for " + units.Span(s.Took.Seconds()) + "."
	if s.Ended {
		return text + " The process ended meanwhile."
	}
	if s.Missing(inspect.PIDSyscall) == inspect.Denied {
		return text + " " + deniedWaits(s)
	}
	return text
}

// deniedWaits says that what it waits in is denied, and whose it is: a sandbox or a
// security module withholds it of a process of the same user, too.
func deniedWaits(s sample) string {
	const denied = "What it waits in is denied to kwhy, only its states are visible"
	switch {
	case !s.Owned:
		return denied + "."
	case s.UID == s.OwnUID:
		return fmt.Sprintf("%s, though both run as UID %d.", denied, s.UID)
	}
	return fmt.Sprintf("%s: it runs as UID %d, kwhy as UID %d.", denied, s.UID, s.OwnUID)
}

// Doings lists what a process did in the samples, most frequent first.
func Doings() *explain.Table[doingRow] {
	type column = explain.Field[doingRow]
	declare := func(d doc, get func(doingRow) value) column {
		d.Source, d.Also = inspect.PIDStat, []inspect.Source{inspect.PIDWchan, inspect.PIDSyscall}
		if d.Concept == "" {
			d.Concept = "process-state"
		}
		return column{Doc: d, Get: get}
	}
	share := func(r doingRow) value { return explain.F(float64(r.It.Times) / float64(r.In.Looks)) }
	bar := declare(doc{
		Key: "share", Unit: explain.Ratio, Bar: true,
		Gist: "The share of all samples of all threads that found this.",
	}, share)
	return &explain.Table[doingRow]{Name: "doings", Fields: []column{
		bar,
		declare(doc{
			Key: "times", Unit: explain.Count, Show: explain.Data,
			Gist: "How many samples found this.",
		}, func(r doingRow) value { return explain.I(r.It.Times) }),
		declare(doc{
			Key: "found_threads", Label: "THR", Unit: explain.Count,
			Gist: "How many threads were found doing this.",
		}, func(r doingRow) value { return explain.I(r.It.Threads) }),
		declare(doc{
			Key: "state", Label: "S",
			Words: states(),
			Gist:  "The state of a thread, as the kernel's letter.",
		}, func(r doingRow) value { return explain.S(string(rune(r.It.State))) }),
		declare(doc{
			Key:   "kind",
			Words: kinds(),
			Gist:  "The kind of activity or wait.",
		}, func(r doingRow) value { return explain.S(doingKind(r)) }),
		declare(doc{
			Key: "syscall", Kernel: "syscall", Label: "CALL", Show: explain.Data,
			Gist:    "The system call that it waits in.",
			Concept: "system-call",
		}, func(r doingRow) value {
			return text(wait.CallName(&r.It.Call, r.In.Host.Host))
		}),
		declare(doc{
			Key: "wchan", Kernel: "wchan", Show: explain.Data,
			Gist: "The kernel function that it waits in.",
		}, func(r doingRow) value { return text(r.It.Wchan) }),
		declare(doc{
			Key: "file", Show: explain.Data,
			Gist:    "The file that the system call works on.",
			Concept: "file-descriptor",
		}, func(r doingRow) value { return text(r.It.File) }),
		declare(doc{
			Key:  "why",
			Gist: "What it does or waits for.",
		}, func(r doingRow) value { return explain.S(whyDoing(r)) }),
	}}
}

// unseen is the kind of a wait that this user may not see.
const unseen = "unseen"

// kinds are the kinds of what threads do.
func kinds() []explain.Word {
	word := func(name, gist string, concept explain.Concept) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: concept}
	}
	return []explain.Word{
		word(edge.OnCPU, "Runnable: on a CPU, or waiting for one, for its cgroup's quota or its own.", "cpu-time"),
		word(edge.Lock, "Waits for another thread: a lock, a condition, a semaphore.", "process-state"),
		word(edge.Disk, "Waits for a disk, or for a file server.", "process-state"),
		word(edge.Network, "Waits for the network: data, room in a buffer, a connection.", "process-state"),
		word(edge.Child, "Waits for a child.", "process-state"),
		word(edge.Local, "Waits for another process: a pipe, a local socket.", "process-state"),
		word(edge.Events, "Waits for an event on any of its files.", "process-state"),
		word(edge.Choice, "Sleeping by choice: for a time, or for a signal.", "process-state"),
		word(edge.Memory, "Waits for memory to be freed.", "reclaim"),
		word(edge.Halted, "Stopped, by a signal or a tracer, or frozen.", "process-state"),
		word(edge.Ended, "Has ended.", "process-state"), word(unseen, "Waits for something that this user may not see.", "process-state"),
		word(edge.Unknown, "Waits for something that kwhy does not know.", "process-state"),
	}
}

func doingKind(r doingRow) string {
	w := r.In.Task(r.It).Wait()
	if w.Kind == wait.Unknown && r.Missing(inspect.PIDSyscall) == inspect.Denied && r.It.Wchan == "" {
		return unseen
	}
	return edge.Group(w.Kind)
}

// whyDoing describes what threads did in the samples, as a process's own sentence does.
func whyDoing(r doingRow) string {
	b := why(nil, r.In.Task(r.It))
	if r.It.File != "" {
		b = append(append(b, ": "...), r.It.File...)
	}
	return string(b)
}
