package mem

import (
	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
	procfacts "kwhy/inspect/proc"
)

// Topic lists every value and rule of this package for those who walk the
// catalogue.
func Topic() lower.Topic {
	host, process := Host(), Process()
	t := lower.CardTopic(&host, "mem", func(h *inspect.Host, want inspect.Sources) (mem, error) { return memfacts.Take(h, want) })
	t.Trials = trials()
	t = t.Plus(lower.CardTopic(&process, "mem PID", self))
	t = t.Plus(lower.TableTopic(Processes(true), "mem", processes))
	t = t.Plus(parts(Swaps(), func(m mem) []memfacts.Swap { return m.Swaps }))
	t = t.Plus(parts(Zones(), Populated))
	t = t.Plus(parts(Nodes(), func(m mem) []memfacts.Node { return m.Nodes }))
	t = t.Plus(parts(HugePools(), func(m mem) []memfacts.HugePool { return m.Pools }))
	t = t.Plus(parts(Slabs(), func(m mem) []memfacts.Slab { return m.Slabs }))
	t = t.Plus(parts(Cgroups(), func(m mem) []cgroupfacts.Memory { return m.Cgroups }))
	t = t.Plus(selfParts(MapKinds(), func(m procMem) []memfacts.MapKind { return m.Kinds }))
	return t.Plus(selfParts(Mappings(), func(m procMem) []memfacts.Region { return m.Regions }))
}

// self is kwhy's own process: what a value of a process reads in an example.
func self(h *inspect.Host, want inspect.Sources) (procMem, error) {
	return memfacts.TakeProcess(h, h.Self(), want)
}

func processes(h *inspect.Host, v *lower.View[procfacts.Row]) (explain.Rows[procfacts.Row], []int32, error) {
	return v.Scan(func(want inspect.Sources) (explain.Scan[procfacts.Row], error) { return procfacts.Scan(h, want) })
}

// meminfoToo is what tables of parts lean on beside their own columns.
func meminfoToo(want inspect.Sources) inspect.Sources { return want.Plus(inspect.Of(inspect.Meminfo)) }

func parts[T any](table *explain.Table[memfacts.Part[T]], of func(mem) []T) lower.Topic {
	return lower.TableTopic(table, "mem", func(h *inspect.Host, v *lower.View[memfacts.Part[T]]) (explain.Rows[memfacts.Part[T]], []int32, error) {
		m, err := memfacts.Take(h, meminfoToo(v.Needs()))
		if err != nil {
			return nil, nil, err
		}
		rows := memfacts.Parts[T]{Mem: m, List: of(m)}
		return rows, v.Order(rows), nil
	})
}

func selfParts[T any](table *explain.Table[memfacts.ProcessPart[T]], of func(procMem) []T) lower.Topic {
	return lower.TableTopic(table, "mem PID", func(h *inspect.Host, v *lower.View[memfacts.ProcessPart[T]]) (explain.Rows[memfacts.ProcessPart[T]], []int32, error) {
		m, err := self(h, v.Needs())
		if err != nil {
			return nil, nil, err
		}
		rows := memfacts.ProcessParts[T]{Mem: m, List: of(m)}
		return rows, v.Order(rows), nil
	})
}
