package sched

import (
	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/inspect"
)

// voters is of how many default tasks the slice is read.
const voters = 5

// readSlices reads the slices of some default tasks, kwhy's own first if it is one.
func readSlices(ps *inspect.Procs) {
	var rows []int32
	if i, ok := ps.Row(ps.Host.Self); ok && hasSlice(&ps.Rows[i]) {
		rows = append(rows, i)
	}
	for i := range ps.Rows {
		if p := &ps.Rows[i]; len(rows) < voters && hasSlice(p) && p.PID != ps.Host.Self {
			rows = append(rows, int32(i))
		}
	}
	ps.Fill(rows, inspect.Of(inspect.PIDSched))
}

// Topic lists every value and rule of this package for those who walk the
// catalogue.
func Topic() explain.Topic {
	host := Host()
	t := host.Topic("sched", func(h *inspect.Host, want inspect.Sources) (sched, error) { return take(h, want) })
	t = t.Plus(partTopic(CPUs(), func(s sched) []inspect.CPU { return s.CPUs }))
	t = t.Plus(partTopic(Blocked(), func(s sched) []inspect.Task { return s.Blocked }))
	t = t.Plus(partTopic(Realtime(), func(s sched) []inspect.Task { return s.Realtime }))
	t = t.Plus(partTopic(Cgroups(), func(s sched) []inspect.CPUGroup { return s.Groups }))
	t = t.Plus(Processes().Topic("sched", func(h *inspect.Host, v *explain.View[inspect.Proc]) (explain.Rows[inspect.Proc], []int32, error) {
		return v.Scan(func(want inspect.Sources) (explain.Scan[inspect.Proc], error) { return proc.Scan(h, want, nil) })
	}))
	t = t.Plus(EachThread().Topic("sched PID --threads", func(h *inspect.Host, v *explain.View[inspect.Proc]) (explain.Rows[inspect.Proc], []int32, error) {
		return v.Scan(func(want inspect.Sources) (explain.Scan[inspect.Proc], error) { return proc.ScanThreads(h, want, nil) })
	}))
	process := Process()
	return t.Plus(process.Topic("sched PID", func(h *inspect.Host, want inspect.Sources) (one, error) { return Task(h, h.Self(), want) }))
}

// Take completes a scan of processes to a host's scheduling.
func Take(h *inspect.Host, ps *inspect.Procs, order []int32, want inspect.Sources) (sched, error) {
	readSlices(ps)
	return h.Sched(ps, order, want)
}

func take(h *inspect.Host, want inspect.Sources) (sched, error) {
	ps, err := proc.Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return Take(h, ps, nil, want)
}

// Task reads one process, or one thread, and those that it shares CPUs with.
func Task(h *inspect.Host, id int32, want inspect.Sources) (one, error) {
	ps, err := proc.Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	readSlices(ps)
	host := Host()
	return h.SchedTask(ps, id, want.Plus(host.Sections[0].Needs()))
}

func partTopic[T any](table *explain.Table[inspect.SchedPart[T]], of func(sched) []T) explain.Topic {
	return table.Topic("sched", func(h *inspect.Host, v *explain.View[inspect.SchedPart[T]]) (explain.Rows[inspect.SchedPart[T]], []int32, error) {
		s, err := take(h, v.Needs().Plus(v.Rank()))
		if err != nil {
			return nil, nil, err
		}
		rows := inspect.SchedParts[T]{Sched: s, List: of(s)}
		return rows, v.Order(rows), nil
	})
}
