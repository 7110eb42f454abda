package mem

import (
	"cmp"
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
)

// bound is what holds a cgroup's tasks.
type bound struct {
	file string // memory.high or memory.max
	size uint64
	hits value // how often it was reached
}

// nearly is from which share of a bound on a cgroup is at it: the kernel charges in batches, and
// reclaims a little more than it must.
const nearly = 0.9

// boundOf returns the bound that a cgroup of version 2 is at; false where it is at none.
func boundOf(c *cgroupfacts.Memory) (b bound, at bool) {
	use, why := c.Use()
	if why != inspect.Present {
		return b, false
	}
	if c.Unbound() != inspect.Present {
		return b, false
	}
	reached := func(size uint64, why inspect.Reason, hits value) bool {
		return why == inspect.Present && float64(use) >= nearly*float64(size) && !hits.Zero()
	}
	high, why := c.High()
	if hits := explain.Look(c.Events, "high"); reached(high, why, hits) {
		return bound{"memory.high", high, hits}, true
	}
	limit, why := c.Limit()
	if hits := explain.Look(c.Events, "max"); reached(limit, why, hits) {
		return bound{"memory.max", limit, hits}, true
	}
	return b, false
}

// Held says what holds a cgroup's tasks, and how much they are stalled.
func Held(c *cgroupfacts.Memory) string {
	b, at := boundOf(c)
	if why := c.Unbound(); why != inspect.Present {
		return "whether it is at a bound of its own is not known: what it has or uses is " + units.AbsentWord(why)
	}
	if !at {
		high, why := c.High()
		if why != inspect.Present {
			return "it is at no bound of its own"
		}
		return "above memory.high (" + units.Size(high) + ") its tasks are slowed down, and it is not there"
	}
	s := b.file + " (" + units.Size(b.size) + ") holds it"
	if b.hits.Has() {
		s += ", " + units.Plural(b.hits.Uint(), "time", "times") + " so far"
	}
	if full := c.Pressure.Full; full != nil {
		s += fmt.Sprintf("; all of its tasks that are not idle are stalled %.3g %% of the time", full.Avg10)
	}
	if b.file == "memory.high" {
		return s + ". That bound kills nobody: it goes on until memory is freed or the bound is raised"
	}
	if n, ok := c.OOMKills(); ok {
		s += fmt.Sprintf("; %s killed in it", units.Plural(n, "process was", "processes were"))
	}
	return s
}

// CgroupStalled judges how much a cgroup's own bound stalls its tasks.
func CgroupStalled() explain.Rule[cgroupRow] {
	return explain.Rule[cgroupRow]{
		ID: "mem.cgroup_stalled", What: "PSI memory full avg10 of a cgroup that is at its own memory.high or memory.max", Unit: explain.Ratio,
		Means: "At its bound the kernel reclaims from this cgroup alone, whatever the host has free. Beyond memory.high it also lets " +
			"a task sleep up to 2 s each time before it returns to its program, and kills none: where nothing can be reclaimed its tasks " +
			"crawl for good.",
		Evidence: []string{"pressure_full", "use", "memory_high", "limit"}, Concept: "memory-cgroup", Next: "kwhy explain memory-cgroup",
		Of: func(r cgroupRow) value {
			full := r.It.Pressure.Full
			if why := cmp.Or(r.It.Lacks(cgroupfacts.MemoryPressure), r.It.Unbound()); full == nil || why != inspect.Present {
				return explain.None(why)
			}
			if _, at := boundOf(r.It); !at {
				return explain.F(0)
			}
			return explain.F(full.Avg10 / 100)
		}, At: explain.At{Notice: 0.05, Warning: 0.20, Critical: 0.50},
		Say: func(r cgroupRow) string { return "cgroup " + r.It.Path + ": " + Held(r.It) },
	}
}

// stalledRows are cgroups of a walk as rows of a table.
type stalledRows struct {
	memfacts.Parts[cgroupfacts.Memory]
	why inspect.Reason // of the walk
}

// Missing says why the walk came to nothing.
func (r stalledRows) Missing(s inspect.Source) inspect.Reason {
	if s == inspect.CgroupMemory {
		return r.why
	}
	return r.Parts.Missing(s)
}

// bounded are the cgroups of version 2 with a bound, of which those that a filter keeps.
func bounded(m mem, keep func(*cgroupfacts.Memory) bool) explain.Rows[cgroupRow] {
	rows := stalledRows{Parts: memfacts.Parts[cgroupfacts.Memory]{In: m}}
	if m.Walk == nil {
		rows.why = inspect.Unread
		return rows
	}
	rows.why, rows.Set = inspect.ReasonOf(m.Walk.Err), m.Walk.Seen
	for i := range m.Walk.List {
		if c := &m.Walk.List[i].Memory; c.Version == 2 && keep(c) {
			rows.List = append(rows.List, *c)
		}
	}
	return rows
}

// stalled are those whose tasks are stalled at a bound.
func stalled(m mem) explain.Rows[cgroupRow] {
	return bounded(m, func(c *cgroupfacts.Memory) bool {
		_, at := boundOf(c)
		return at && c.Pressure.Some != nil && c.Pressure.Some.Avg10 > 0
	})
}

// Event returns one of a cgroup's counters of events, or why its file gave nothing; absent without a reason is what
// this kernel does not count.
func Event(c *cgroupfacts.Memory, key string) value {
	if v := explain.Look(c.Events, key); v.Has() {
		return v
	}
	return explain.None(c.NoEvents())
}

// Stalled lists the cgroups whose own bound stalls their tasks.
func Stalled() *explain.Table[cgroupRow] {
	type column = explain.Field[cgroupRow]
	src := inspect.CgroupMemory
	var fields []column
	for _, f := range Cgroups().Fields {
		switch f.Key {
		case "path", "limit", "use":
			fields = append(fields, f)
		case "memory_high":
			f.Show = explain.Always
			fields = append(fields, f)
		}
	}
	event := func(key, gist string) column {
		return column{
			Doc: doc{Key: key, Kernel: key, Unit: count, Counter: true, Show: explain.Data, Source: src, Concept: "memory-cgroup", Gist: gist},
			Get: func(r cgroupRow) value { return Event(r.It, key) },
		}
	}
	stall := func(key, label, gist string, of func(*inspect.Pressure) *inspect.Stall) column {
		return column{Doc: doc{
			Key: key, Label: label, Unit: ratio,
			Source: src, Since: kernelVersion(4, 20), Option: "CONFIG_PSI, cgroup v2",
			Gist: gist, Concept: "pressure",
		}, Get: func(r cgroupRow) value {
			if l := of(&r.It.Pressure); l != nil {
				return explain.F(l.Avg10 / 100)
			}
			return explain.None(r.It.Lacks(cgroupfacts.MemoryPressure))
		}}
	}
	fields = append(fields,
		event("high", "How often its tasks went beyond memory.high."), event("max", "How often it was about to go beyond memory.max."),
		stall("pressure_some", "PSI SOME", "Share of the last 10 s in which its tasks were stalled on memory, CPUs' mean.",
			func(p *inspect.Pressure) *inspect.Stall { return p.Some }),
		stall("pressure_full", "PSI FULL", "Share of the last 10 s in which its tasks on a CPU were all stalled on memory.",
			func(p *inspect.Pressure) *inspect.Stall { return p.Full }),
		column{Doc: doc{Key: "why", Source: src, Concept: "memory-cgroup", Gist: "Which bound holds it, and how often it did."},
			Get: func(r cgroupRow) value { return explain.S(Held(r.It)) }})
	return &explain.Table[cgroupRow]{
		Name: "stalled_cgroups", Title: "Cgroups at their bound", Fields: fields, Rules: []explain.Rule[cgroupRow]{CgroupStalled()},
	}
}
