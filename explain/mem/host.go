package mem

import (
	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
	"math"
)

type (
	mem   = *memfacts.Snapshot
	field = explain.Field[*memfacts.Snapshot]
	doc   = explain.Doc
	value = explain.Value
)

// Short names for what nearly every literal uses.
const (
	bytes = explain.Bytes
	pages = explain.Pages
	count = explain.Count
	ratio = explain.Ratio
)

func kernelVersion(major, minor int) inspect.Version {
	return inspect.Version{Major: major, Minor: minor}
}

func also(s ...inspect.Source) []inspect.Source { return s }

// Host explains the memory of a host.
func Host() explain.Card[*memfacts.Snapshot] {
	return explain.Card[*memfacts.Snapshot]{Name: "mem", Sections: []explain.Section[*memfacts.Snapshot]{
		{Title: "Available memory", Fields: left()},
		{Title: "Memory cgroup", Fields: cgroup(), Table: "cgroups"},
		ram(),
		{Title: "Processes by RSS", Table: "processes", By: "rss"},
		{Title: "Page cache, LRU lists and writeback", Fields: cache()},
		{Title: "Shared memory by holder", Table: "shared_memory"},
		{Title: "Overcommit", Fields: commit()},
		{Title: "Swap", Fields: swap(), Table: "swaps"},
		{Title: "Reclaim and pressure", Fields: reclaim(), Table: "stalled_cgroups"},
		{Title: "Processes by mappings", Table: "map_counts"},
		{Title: "Zones and watermarks", Fields: zones(), Table: "zones"},
		{Title: "NUMA nodes", Table: "nodes"},
		{Title: "Huge pages, KSM and direct map", Fields: huge(), Table: "hugepages"},
		{Title: "Slab caches", Fields: slabTotal(), Table: "slabs"},
	}, Rules: hostRules()}
}

// Getters.

func meminfo(name string) func(mem) value {
	return func(m mem) value { return explain.Look(m.Info, name) }
}

func vmstat(name string) func(mem) value {
	return func(m mem) value { return explain.Look(m.Vmstat, name) }
}

// perZone gets a counter that some kernels have once and others once per zone.
func perZone(name string) func(mem) value {
	return func(m mem) value {
		if v := explain.Look(m.Vmstat, name); v.Has() {
			return v
		}
		var sum uint64
		found := false
		for _, zone := range []string{"dma", "dma32", "normal", "high", "movable", "device"} {
			if n, ok := m.Vmstat[name+"_"+zone]; ok {
				sum, found = sum+n, true
			}
		}
		if !found {
			return value{}
		}
		return explain.N(sum)
	}
}

func sysctl(s inspect.Source) func(mem) value {
	return func(m mem) value { return number(m, s, 1) }
}

func sysctlKB(s inspect.Source) func(mem) value {
	return func(m mem) value { return number(m, s, 1<<10) }
}

// number returns a sysctl, multiplied by its unit.
func number(m mem, s inspect.Source, unit int64) value {
	n, ok := m.Number(s)
	if !ok {
		return explain.None(m.Missing(s))
	}
	return explain.I(n * unit)
}

func word(s inspect.Source) func(mem) value {
	return func(m mem) value {
		w, ok := m.Word(s)
		if !ok {
			return explain.None(m.Missing(s))
		}
		return explain.S(w)
	}
}

// Arithmetic that readings share.

// inPages converts bytes to pages of the host.
func inPages(m mem, v value) value {
	if !v.Has() {
		return v
	}
	return explain.N(v.Uint() / m.Host.PageSize)
}

// inBytes converts pages of the host to bytes.
func inBytes(m mem, pages int64) value {
	size := int64(m.Host.PageSize)
	return explain.I(min(pages, math.MaxInt64/size) * size) // of more pages than there are addresses the most
}

// or0 returns v, or zero where this kernel does not have it: for a term whose
// absence means that the kernel has no such memory.
func or0(v value) value {
	if v.Has() {
		return v
	}
	return explain.N(uint64(0))
}

func ofRAM(m mem, v value) string {
	total := explain.Look(m.Info, "MemTotal")
	if s := explain.Share(v, total); s.Has() {
		return string(units.AppendPercent(nil, s.Float()))
	}
	return "an unknown share"
}

func size(v value) string { return string(v.AppendSize(nil)) }

// decimal formats a rate.
func decimal(v value) string { return explain.Amount(v.Float(), explain.Decimal) }

func num(v value) string { return units.Number(v.Uint()) }

// grown returns how much a counter grew, and over what: since boot, or over
// the interval.
func grown(m mem, get func(mem) value) (n value, span string) {
	now := get(m)
	was, over, ok := m.Before()
	if !ok {
		return now, "since boot"
	}
	before := get(was)
	if !now.Has() || !before.Has() || before.Float() > now.Float() {
		return now, "since boot"
	}
	return explain.I(now.Int() - before.Int()), "in " + units.Span(over.Seconds())
}
