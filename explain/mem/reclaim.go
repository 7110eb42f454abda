package mem

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
)

// event declares a counter of /proc/vmstat.
func event(d doc, get func(mem) value, read func(mem) string) field {
	d.Source, d.Counter = inspect.Vmstat, true
	if d.Unit == "" {
		d.Unit = pages
	}
	if get == nil {
		get = vmstat(d.Kernel)
	}
	return field{Doc: d, Get: get, Reading: read}
}

func reclaim() []field {
	return append([]field{
		event(doc{
			Key: "pgscan_kswapd", Kernel: "pgscan_kswapd",
			Gist:    "Pages that kswapd, the background reclaimer, scanned.",
			Concept: "reclaim",
		}, perZone("pgscan_kswapd"), readScanKswapd),
		event(doc{
			Key: "pgscan_direct", Kernel: "pgscan_direct",
			Gist:    "Pages scanned in direct reclaim: by tasks that needed memory.",
			Concept: "reclaim",
		}, perZone("pgscan_direct"), readScanDirect),
		event(doc{
			Key: "pgsteal_kswapd", Kernel: "pgsteal_kswapd", Show: explain.Rare,
			Gist:    "Pages that kswapd reclaimed.",
			Concept: "reclaim",
		}, perZone("pgsteal_kswapd"), nil),
		event(doc{
			Key: "pgsteal_direct", Kernel: "pgsteal_direct", Show: explain.Rare,
			Gist:    "Pages reclaimed in direct reclaim, by tasks that needed memory.",
			Concept: "reclaim",
		}, perZone("pgsteal_direct"), nil),
		{Doc: doc{
			Key: "reclaim_efficiency", Unit: ratio,
			Source:  inspect.Vmstat,
			Gist:    "Pages reclaimed per page scanned; low means reclaim finds little to free.",
			Concept: "reclaim",
		}, Get: efficiency, Reading: readEfficiency, Derive: deriveEfficiency},
		event(doc{
			Key: "allocstall", Kernel: "allocstall", Unit: count,
			Gist:    "How often a task entered direct reclaim to get a page.",
			Concept: "reclaim",
		}, perZone("allocstall"), readStall),
		event(doc{
			Key: "workingset_refault_file", Kernel: "workingset_refault_file",
			Since:   kernelVersion(5, 9),
			Gist:    "File pages read again soon after they were evicted.",
			Concept: "working-set",
		}, nil, readRefault),
		event(doc{
			Key: "workingset_refault_anon", Kernel: "workingset_refault_anon", Show: explain.Rare,
			Since:   kernelVersion(5, 9),
			Gist:    "Anonymous pages swapped in again soon after they were swapped out.",
			Concept: "working-set",
		}, nil, nil),
		event(doc{
			Key: "workingset_refault", Kernel: "workingset_refault",
			Until:   kernelVersion(5, 9),
			Gist:    "Pages read again soon after they were evicted.",
			Concept: "working-set",
		}, nil, nil),
		event(doc{
			Key: "workingset_activate", Kernel: "workingset_activate", Show: explain.Rare,
			Gist:    "Refaults so soon that the page is taken as part of the working set.",
			Concept: "working-set",
		}, activations, nil),
		event(doc{
			Key: "compact_stall", Kernel: "compact_stall", Unit: count,
			Option:  "CONFIG_COMPACTION",
			Gist:    "How often a task had to compact memory to get a large block.",
			Concept: "compaction",
		}, nil, readCompaction),
		event(doc{
			Key: "compact_fail", Kernel: "compact_fail", Unit: count, Show: explain.Rare,
			Option:  "CONFIG_COMPACTION",
			Gist:    "How often that compaction failed.",
			Concept: "compaction",
		}, nil, nil),
		event(doc{
			Key: "pgfault", Kernel: "pgfault", Unit: count,
			Gist:    "All page faults; most only map what is already in RAM.",
			Concept: "page-fault",
		}, nil, nil),
		event(doc{
			Key: "pgmajfault", Kernel: "pgmajfault", Unit: count,
			Gist:    "Page faults whose page had to be read: from a file, or from swap.",
			Concept: "page-fault",
		}, nil, readMajor),
		event(doc{
			Key: "pswpin", Kernel: "pswpin", Show: explain.Rare,
			Option: "CONFIG_SWAP", Also: also(inspect.Swaps),
			Gist:    "Pages read back from swap, readahead included.",
			Concept: "swap",
		}, nil, nil),
		event(doc{
			Key: "pswpout", Kernel: "pswpout", Show: explain.Rare,
			Option:  "CONFIG_SWAP",
			Gist:    "Pages written to swap.",
			Concept: "swap",
		}, nil, nil),
		event(doc{
			Key: "oom_kill", Kernel: "oom_kill", Unit: count,
			Since:   kernelVersion(4, 13),
			Gist:    "Processes that the OOM killer killed, host-wide or in a cgroup.",
			Concept: "oom-killer",
		}, nil, readKills),
	}, pressure()...)
}

func readScanKswapd(m mem) string {
	n, span := grown(m, perZone("pgscan_kswapd"))
	if n.Zero() {
		return fmt.Sprintf("kswapd scanned nothing %s: requests found zones above their low watermark.", span)
	}
	return fmt.Sprintf("%s of pages scanned %s in the background, while tasks went on.", size(scaled(m, n)), span)
}

func readScanDirect(m mem) string {
	n, span := grown(m, perZone("pgscan_direct"))
	if n.Zero() {
		return fmt.Sprintf("None %s: no task had to reclaim memory itself.", span)
	}
	s := fmt.Sprintf("%s of pages %s: kswapd was too slow, and tasks had to reclaim memory themselves", size(scaled(m, n)), span)
	const grouped = "; or a cgroup was at its limit or memory.high, which 7.2 counts here too" // by 7.2, after 6.17
	return s + inspect.Choose(m.Kernel().Since(7, 0), grouped, "", grouped) + "."
}

// scanned adds up all reclaimers: khugepaged and requests through
// memory.reclaim have counters of their own on newer kernels.
func scanned(m mem) value { return reclaimers(m, "pgscan_") }

func stolen(m mem) value { return reclaimers(m, "pgsteal_") }

func reclaimers(m mem, what string) value {
	return explain.Sum(perZone(what+"kswapd")(m), perZone(what+"direct")(m), or0(explain.Look(m.Vmstat, what+
		"khugepaged")), or0(explain.Look(m.Vmstat, what+"proactive")))
}

// efficiency is pages reclaimed per page scanned, over the interval if there is one.
func efficiency(m mem) value {
	a, _ := grown(m, stolen)
	b, _ := grown(m, scanned)
	if b.Zero() {
		return explain.None(inspect.Inapplicable)
	}
	return explain.Share(a, b)
}

func readEfficiency(m mem) string {
	e := efficiency(m).Float()
	_, span := grown(m, scanned)
	switch {
	case e >= 0.6:
		return fmt.Sprintf("Reclaimed per page scanned, %s: reclaim finds enough to free.", span)
	case e >= 0.3:
		return fmt.Sprintf("Reclaimed per page scanned, %s: many pages are in use again when reclaim scans them.", span)
	}
	return fmt.Sprintf("Reclaimed per page scanned, %s: reclaim finds little to free.", span)
}

func deriveEfficiency(m mem) explain.Derivation {
	var w explain.Working
	a, _ := grown(m, stolen)
	b, _ := grown(m, scanned)
	w.Take("pgsteal", a, pages, inspect.Vmstat, "pgsteal_kswapd + pgsteal_direct, and of khugepaged and memory.reclaim")
	w.Take("pgscan", b, pages, inspect.Vmstat, "pgscan_kswapd + pgscan_direct, and of khugepaged and memory.reclaim")
	return w.Done("pgsteal / pgscan", ratio, efficiency(m))
}

func readStall(m mem) string {
	n, span := grown(m, perZone("allocstall"))
	if n.Zero() {
		return "None " + span + "."
	}
	return fmt.Sprintf("%s %s; each is a task that waited for memory.", units.Plural(n.Int(), "time", "times"), span)
}

// activations is workingset_activate, in two since 5.9.
func activations(m mem) value {
	if v := explain.Look(m.Vmstat, "workingset_activate"); v.Has() {
		return v
	}
	return explain.Sum(explain.Look(m.Vmstat, "workingset_activate_anon"), explain.Look(m.Vmstat, "workingset_activate_file"))
}

func readRefault(m mem) string {
	n, span := grown(m, vmstat("workingset_refault_file"))
	if n.Zero() {
		return "None " + span + "."
	}
	act, _ := grown(m, vmstat("workingset_activate_file"))
	if scanned, _ := grown(m, scanned); scanned.Zero() {
		return fmt.Sprintf("%s was read again %s, though the host as a whole did not reclaim: a cgroup may have, at its limit; "+
			"these counters don't show it.", size(scaled(m, n)), span)
	}
	if !act.Has() || act.Zero() {
		return fmt.Sprintf("%s was read again %s, none of it so soon that it counts as the working set.", size(scaled(m, n)), span)
	}
	return fmt.Sprintf("%s was read again %s, %s of it so soon that it counts as the working set%s.",
		size(scaled(m, n)), span, size(scaled(m, act)), tooSmall(m))
}

// tooSmall says what that means: since boot it may have been a cgroup at its own limit, long ago.
func tooSmall(m mem) string {
	if _, _, ok := m.Before(); ok {
		return ": RAM is too small for it"
	}
	return ": RAM, or the limit of a cgroup, was too small for it at some time"
}

func readCompaction(m mem) string {
	n, span := grown(m, vmstat("compact_stall"))
	if n.Zero() {
		return "None " + span + ": large blocks were available, or none was requested."
	}
	fail, _ := grown(m, vmstat("compact_fail"))
	return fmt.Sprintf("%s %s, of which %s failed.", units.Plural(n.Int(), "time", "times"), span, num(fail))
}

func readMajor(m mem) string {
	n, span := grown(m, vmstat("pgmajfault"))
	all, _ := grown(m, vmstat("pgfault"))
	return fmt.Sprintf("%s of all page faults %s had to have their page read: from a file or swap, on a disk, a network or in zram.",
		percentOf(n, all), span)
}

func readKills(m mem) string {
	n, span := grown(m, vmstat("oom_kill"))
	if n.Zero() {
		return "None " + span + "."
	}
	return fmt.Sprintf("%s %s; the kernel log has the reports, unless they were dropped or overwritten.",
		units.Plural(n.Int(), "victim", "victims"), span)
}

func pressure() []field {
	src := inspect.PressureMemory
	stall := func(d doc, line func(mem) *inspect.Stall, get func(*inspect.Stall) value, read func(mem) string) field {
		d.Source, d.Concept = src, "pressure"
		return field{Doc: d, Get: func(m mem) value {
			if l := line(m); l != nil {
				return get(l)
			}
			return explain.None(inspect.Malformed)
		}, Reading: read}
	}
	avg10 := func(l *inspect.Stall) value { return explain.F(l.Avg10 / 100) }
	total := func(l *inspect.Stall) value { return explain.F(float64(l.Total) / 1e6) }
	return []field{
		stall(doc{
			Key: "pressure_memory_some", Label: "PSI some avg10", Unit: ratio,
			Gist: "Share of the last 10 s in which tasks were stalled on memory, mean of the CPUs.",
		}, some, avg10, readSome),
		stall(doc{
			Key: "pressure_memory_full", Label: "PSI full avg10", Unit: ratio,
			Gist: "Share of the last 10 s in which all tasks of a CPU were stalled on memory.",
		}, full, avg10, readFull),
		stall(doc{
			Key: "pressure_memory_some_total", Label: "PSI some total", Unit: explain.Seconds, Counter: true,
			Show: explain.Data,
			Gist: "Time since boot in which tasks were stalled on memory, mean of the CPUs.",
		}, some, total, nil),
		stall(doc{
			Key: "pressure_memory_full_total", Label: "PSI full total", Unit: explain.Seconds, Counter: true,
			Show: explain.Data,
			Gist: "Time since boot in which all tasks of a CPU were stalled on memory.",
		}, full, total, nil),
	}
}

func some(m mem) *inspect.Stall { return m.Pressure.Some }
func full(m mem) *inspect.Stall { return m.Pressure.Full }

// heldMost is the cgroup at its own bound whose tasks are stalled most; nil where none is.
func heldMost(m mem) (worst *cgroupfacts.Memory) {
	if m.Walk == nil {
		return nil
	}
	for i := range m.Walk.List {
		c := &m.Walk.List[i].Memory
		if _, at := boundOf(c); !at || c.Version != 2 || c.Pressure.Some == nil {
			continue
		}
		if worst == nil || c.Pressure.Some.Avg10 > worst.Pressure.Some.Avg10 {
			worst = c
		}
	}
	return worst
}

// hostStall is the share of one of the lines. Where the host itself is not short, and a cgroup at
// its own bound is stalled as much, it is absent: that cgroup's rule speaks.
func hostStall(line func(mem) *inspect.Stall) func(mem) value {
	return func(m mem) value {
		l := line(m)
		if l == nil {
			return value{}
		}
		if mayBeRoomy(m) {
			if c := heldMost(m); c != nil && c.Pressure.Some.Avg10 >= l.Avg10 {
				return explain.F(0)
			}
		}
		return explain.F(l.Avg10 / 100)
	}
}

// byRoom is the highest level of the host's pressure: where it is not short itself, some cgroup is.
func byRoom(m mem) explain.Level {
	if _, yes := roomy(m); yes {
		return explain.Warning
	}
	return explain.Critical
}

// notTheHost says of a host that is not short who may be.
func notTheHost(m mem) string {
	free, yes := roomy(m)
	if !yes {
		return ""
	}
	s := ", though the host has " + size(free) + " free and reclaims none: "
	var full []string
	if m.Walk != nil {
		for i := range m.Walk.List {
			if c := &m.Walk.List[i].Memory; c.Version == 1 && c.Nums["memory.failcnt"] > 0 && atLimit(c) {
				full = append(full, c.Path)
			}
		}
	}
	switch {
	case len(full) == 1:
		return s + "cgroup " + full[0] + " is at its limit"
	case len(full) > 1:
		return s + fmt.Sprintf("%d cgroups are at their limit, %s one of them", len(full), full[0])
	}
	return s + "a cgroup at its own limit, or compaction for large blocks, can do that"
}

// atLimit reports whether a cgroup uses all but a little of its hard limit.
func atLimit(c *cgroupfacts.Memory) bool {
	limit, r1 := c.Limit()
	use, r2 := c.Use()
	return r1 == inspect.Present && r2 == inspect.Present && float64(use) >= nearly*float64(limit)
}

func readSome(m mem) string {
	return readStalls(some(m))
}

func readFull(m mem) string {
	return readStalls(full(m))
}

func readStalls(l *inspect.Stall) string {
	if l.Total == 0 {
		return "No task was stalled on memory since boot."
	}
	return fmt.Sprintf("Over 10 s; %.2f %% over 1 min, %.2f %% over 5 min, %s since boot.",
		l.Avg60, l.Avg300, units.Span(float64(l.Total)/1e6))
}
