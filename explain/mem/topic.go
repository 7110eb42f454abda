package mem

import (
	"kwhy/explain"
	"kwhy/inspect"
)

// Topic lists every value and rule of this package for those who walk the
// catalogue.
func Topic() explain.Topic {
	host, process := Host(), Process()
	t := host.Topic("mem", func(h *inspect.Host, want inspect.Sources) (mem, error) { return h.Mem(want) })
	t.Trials = trials()
	t = t.Plus(process.Topic("mem PID", self))
	t = t.Plus(Processes(true).Topic("mem", processes))
	t = t.Plus(parts(Swaps(), func(m mem) []inspect.Swap { return m.Swaps }))
	t = t.Plus(parts(Zones(), Populated))
	t = t.Plus(parts(Nodes(), func(m mem) []inspect.Node { return m.Nodes }))
	t = t.Plus(parts(HugePools(), func(m mem) []inspect.HugePool { return m.Pools }))
	t = t.Plus(parts(Slabs(), func(m mem) []inspect.Slab { return m.Slabs }))
	t = t.Plus(parts(Cgroups(), func(m mem) []inspect.CgroupMem { return m.Cgroups }))
	t = t.Plus(selfParts(MapKinds(), func(m procMem) []inspect.MapKind { return m.Kinds }))
	return t.Plus(selfParts(Mappings(), func(m procMem) []inspect.Region { return m.Regions }))
}

// self is kwhy's own process: what a value of a process reads in an example.
func self(h *inspect.Host, want inspect.Sources) (procMem, error) { return h.ProcMem(h.Self(), want) }

func processes(h *inspect.Host, v *explain.View[inspect.Proc]) (explain.Rows[inspect.Proc], []int32, error) {
	return v.Scan(func(want inspect.Sources) (explain.Scan[inspect.Proc], error) { return h.Procs(want) })
}

// meminfoToo is what tables of parts lean on beside their own columns.
func meminfoToo(want inspect.Sources) inspect.Sources { return want.Plus(inspect.Of(inspect.Meminfo)) }

func parts[T any](table *explain.Table[inspect.MemPart[T]], of func(mem) []T) explain.Topic {
	return table.Topic("mem", func(h *inspect.Host, v *explain.View[inspect.MemPart[T]]) (explain.Rows[inspect.MemPart[T]], []int32, error) {
		m, err := h.Mem(meminfoToo(v.Needs()))
		if err != nil {
			return nil, nil, err
		}
		rows := inspect.MemParts[T]{Mem: m, List: of(m)}
		return rows, v.Order(rows), nil
	})
}

func selfParts[T any](table *explain.Table[inspect.ProcMemPart[T]], of func(procMem) []T) explain.Topic {
	return table.Topic("mem PID", func(h *inspect.Host, v *explain.View[inspect.ProcMemPart[T]]) (explain.Rows[inspect.ProcMemPart[T]], []int32, error) {
		m, err := self(h, v.Needs())
		if err != nil {
			return nil, nil, err
		}
		rows := inspect.ProcMemParts[T]{Mem: m, List: of(m)}
		return rows, v.Order(rows), nil
	})
}
