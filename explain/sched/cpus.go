package sched

import (
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	schedfacts "kwhy/inspect/sched"
)

type cpuRow = schedfacts.Part[schedfacts.CPU]

// kind is a kind of a CPU's time.
type kind struct {
	doc
	of func(*schedfacts.CPUTimes) uint64
}

// concept is the essay behind a kind of time.
func (k kind) concept() explain.Concept {
	switch k.Key {
	case "cpu_irq", "cpu_softirq":
		return "interrupts"
	case "cpu_steal":
		return "steal-time"
	case "cpu_user", "cpu_system":
		return "user-and-kernel"
	}
	return "cpu-time"
}

// kinds are the kinds, which add up to all of the time: what /proc/stat counts as
// user and nice holds the time of guests, which stands apart here.
func kinds() []kind {
	type times = *schedfacts.CPUTimes
	less := func(a, b uint64) uint64 { return a - min(a, b) }
	return []kind{
		{
			doc{Key: "cpu_user", Label: "user", Part: 'u', Gist: "Programs' own code, at nice 0 or below."},
			func(t times) uint64 { return less(t.User, t.Guest) },
		},
		{
			doc{Key: "cpu_nice", Label: "nice", Part: 'n', Gist: "Programs' own code, at a nice value above 0."},
			func(t times) uint64 { return less(t.Nice, t.GuestNice) },
		},
		{
			doc{Key: "cpu_system", Label: "system", Part: 's', Gist: "The kernel, on programs' behalf and for itself."},
			func(t times) uint64 { return t.System },
		},
		{
			doc{Key: "cpu_irq", Label: "irq", Part: 'i', Show: explain.Rare, Gist: "Interrupt handlers, where the kernel measures them."},
			func(t times) uint64 { return t.IRQ },
		},
		{
			doc{
				Key: "cpu_softirq", Label: "softirq", Part: 'q', Show: explain.Rare,
				Gist: "Work that interrupts defer, mostly packets.",
			},
			func(t times) uint64 { return t.SoftIRQ },
		},
		{
			doc{Key: "cpu_guest", Label: "guest", Part: 'g', Show: explain.Rare, Gist: "Virtual CPUs of guests that run here."},
			func(t times) uint64 { return t.Guest + t.GuestNice },
		},
		{
			doc{Key: "cpu_steal", Label: "steal", Part: 't', Gist: "The hypervisor did not run this CPU while it had work."},
			func(t times) uint64 { return t.Steal },
		},
		{
			doc{Key: "cpu_iowait", Label: "iowait", Part: 'w', Gist: "Idle, while a task that last ran here waited for a disk."},
			func(t times) uint64 { return t.IOWait },
		},
		{doc{Key: "cpu_idle", Label: "idle", Part: ' ', Gist: "Nothing to do."}, func(t times) uint64 { return t.Idle }},
	}
}

func cpuTime() []field {
	ofLists := func(d doc, get func(*inspect.CPULists) string, read func(sched) string) field {
		d.Source, d.Concept = inspect.CPUList, "affinity"
		return field{Doc: d, Get: func(s sched) value {
			if list := get(&s.Lists); list != "" && d.Key != "smt" && inspect.CountList(list) == 0 {
				return explain.None(inspect.Malformed)
			}
			return text(get(&s.Lists))
		}, Reading: read}
	}
	out := []field{
		ofLists(doc{
			Key: "cpus_online", Label: "online",
			Gist: "CPUs that tasks may run on.",
		}, func(l *inspect.CPULists) string { return l.Online }, func(s sched) string {
			return units.Plural(s.Settings.Host.CPUs, "CPU", "CPUs") + " that tasks may run on."
		}),
		ofLists(doc{
			Key: "cpus_isolated", Label: "isolated",
			Gist: "CPUs that get only the tasks which are pinned to them: isolcpus=.",
		}, func(l *inspect.CPULists) string { return l.Isolated }, nil),
		ofLists(doc{
			Key: "cpus_nohz_full", Label: "nohz_full",
			Gist: "CPUs without a tick while they have one task: nohz_full=.",
		}, func(l *inspect.CPULists) string { return l.NohzFull }, nil),
		ofLists(doc{
			Key: "smt", Label: "SMT",
			Gist: "Whether each core runs two or more threads at once.",
		}, func(l *inspect.CPULists) string { return l.SMT }, readSMT),
		{
			Doc: doc{
				Key: "cpu_time", Label: "total", Unit: explain.Seconds, Counter: true, Grown: true,
				Source: inspect.ProcStat, Concept: "cpu-time",
				Gist: "The time of all CPUs together since boot.",
			},
			Get:     func(s sched) value { return seconds(s, (*schedfacts.CPUTimes).Total) },
			Reading: readTotal,
		},
	}
	for _, k := range kinds() {
		d := k.doc
		d.Unit, d.Counter, d.Grown, d.Source, d.Concept = explain.Seconds, true, true, inspect.ProcStat, k.concept()
		out = append(out, field{
			Doc:     d,
			Get:     func(s sched) value { return seconds(s, k.of) },
			Reading: func(s sched) string { return readKind(s, k) },
		})
	}
	return out
}

func readTotal(s sched) string {
	was, over, ok := s.Before()
	if !ok {
		return "Since boot; --interval 1s shows what is going on now."
	}
	says := "Of all CPUs in the last " + units.Span(over.Seconds()) + ", and so is what follows."
	var fell []string
	for _, k := range kinds() {
		if wentBack(&s.All, &was.All, k.of) {
			fell = append(fell, k.Label)
		}
	}
	if len(fell) > 0 {
		says += " Without " + strings.Join(fell, " and ") + ", of which nothing is known."
	}
	return says
}

// seconds is one of the times of all CPUs together.
func seconds(s sched, of func(*schedfacts.CPUTimes) uint64) value {
	if s.NoTimes != inspect.Present {
		return explain.None(s.NoTimes)
	}
	return explain.F(s.Settings.Host.Seconds(of(&s.All)))
}

func readSMT(s sched) string {
	switch s.Lists.SMT {
	case "on":
		return "Each core runs two threads or more, which get less than two cores' work done."
	case "off", "forceoff":
		return "Switched off: one thread per core."
	case "notsupported":
		return "One thread per core."
	}
	return ""
}

// share is what of the time was of a kind, over the interval or since boot; false where no time
// was counted, of which there is no share.
func share(t, was *schedfacts.CPUTimes, of func(*schedfacts.CPUTimes) uint64) (f float64, ok bool) {
	if was != nil {
		grown := t.Since(was)
		t = &grown
	}
	if t.Total() == 0 {
		return 0, false
	}
	return float64(of(t)) / float64(t.Total()), true
}

// wentBack reports whether the time of a kind fell. Of iowait the kernel's documentation says
// that it may (Documentation/filesystems/proc.rst); idle and steal were seen to.
func wentBack(t, was *schedfacts.CPUTimes, of func(*schedfacts.CPUTimes) uint64) bool {
	return was != nil && of(t) < of(was)
}

func readKind(s sched, k kind) string {
	var was *schedfacts.CPUTimes
	if before, _, ok := s.Before(); ok {
		was = &before.All
	}
	if wentBack(&s.All, was, k.of) {
		fell := units.Span(s.Settings.Host.Seconds(k.of(was) - k.of(&s.All)))
		if k.Key == "cpu_iowait" {
			fell += ", as iowait may by the kernel's own documentation (proc.rst)"
		}
		return "It fell by " + fell + ": over the interval nothing is known of it."
	}
	f, ok := share(&s.All, was, k.of)
	if !ok {
		return "No time was counted meanwhile."
	}
	says := string(units.AppendPercent(nil, f)) + ": "
	switch {
	case k.Key == "cpu_iowait":
		return says + "idle time too: the CPU could have run other tasks. It says little where there are several."
	case k.Key == "cpu_steal" && k.of(&s.All) == 0:
		return says + "no hypervisor takes CPU time from this host, or it does not report it."
	case k.Key == "cpu_steal" && f == 0:
		return says + "the hypervisor kept none of it from this host."
	case k.Key == "cpu_steal":
		return says + "the hypervisor did not run CPUs that had work: it ran others, or held them to a quota."
	}
	return says + string(append([]byte{k.Gist[0] | 0x20}, k.Gist[1:]...))
}

// CPUs lists the CPUs, the busiest first.
func CPUs() *explain.Table[cpuRow] {
	type column = explain.Field[cpuRow]
	ofCPU := func(d doc, get func(cpuRow) value) column {
		d.Source = inspect.ProcStat
		if d.Concept == "" {
			d.Concept = "cpu-time"
		}
		return column{Doc: d, Get: get}
	}
	of := func(r cpuRow, get func(*schedfacts.CPUTimes) uint64) value {
		if r.It.Spoilt {
			return explain.None(inspect.Malformed)
		}
		var then *schedfacts.CPUTimes
		if was, _, ok := r.Before(); ok && was.It.Spoilt {
			return explain.None(inspect.NoInterval)
		} else if ok {
			then = &was.It.Times
		}
		if wentBack(&r.It.Times, then, get) {
			return explain.None(inspect.Reset)
		}
		f, ok := share(&r.It.Times, then, get)
		if !ok {
			return explain.None(inspect.NoUpdate)
		}
		return explain.F(f)
	}
	busy := func(t *schedfacts.CPUTimes) uint64 { return t.Total() - t.Idle - t.IOWait }
	fields := []column{
		ofCPU(doc{Key: "cpu", Unit: explain.Plain, Gist: "The number of the CPU."}, func(r cpuRow) value { return explain.I(r.It.ID) }),
		ofCPU(doc{
			Key: "busy", Unit: explain.Ratio, Bar: true,
			Gist: "The share of its time that it was not idle, over the interval or since boot.",
		}, func(r cpuRow) value { return of(r, busy) }),
	}
	for _, k := range kinds() {
		show := explain.Wide
		if k.Key == "cpu_guest" || k.Key == "cpu_idle" || k.Key == "cpu_irq" {
			show = explain.Data
		}
		fields = append(fields, ofCPU(doc{
			Key: k.Key[len("cpu_"):], Unit: explain.Ratio, Show: show, Concept: k.concept(),
			Gist: k.Gist,
		}, func(r cpuRow) value { return of(r, k.of) }))
	}
	ofSchedstat := func(d doc, get func(*schedfacts.CPU) inspect.Num) column {
		d.Unit, d.Counter, d.Show, d.Source, d.Concept = explain.Seconds, true, explain.Data, inspect.Schedstat, "run-queue"
		return column{Doc: d, Get: func(r cpuRow) value {
			if n := get(r.It); n != inspect.Unset {
				return explain.F(float64(n) / 1e9)
			}
			return explain.None(inspect.Malformed) // it has a line for each CPU that is online
		}}
	}
	return &explain.Table[cpuRow]{Name: "cpus", Sort: []string{"busy", "-cpu"}, Fields: append(fields,
		ofSchedstat(doc{
			Key:  "rq_cpu_time",
			Gist: "Time that tasks ran here, by schedstat.",
		}, func(c *schedfacts.CPU) inspect.Num { return c.Ran }),
		ofSchedstat(doc{
			Key:  "run_delay",
			Gist: "Time that tasks were ready here while others ran.",
		}, func(c *schedfacts.CPU) inspect.Num { return c.Waited }),
	)}
}
