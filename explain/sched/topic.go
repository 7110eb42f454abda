package sched

import (
	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/inspect"
)

// own is what a default task's slice is read from: kwhy's own files.
func own() inspect.Sources { return inspect.Of(inspect.PIDStat, inspect.PIDSched) }

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
	if i, ok := ps.Row(ps.Host.Self); ok { // a default task, for its slice
		ps.Fill([]int32{i}, own())
	} else {
		ps.Fill(order, own())
	}
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
	if i, ok := ps.Row(ps.Host.Self); ok {
		ps.Fill([]int32{i}, own())
	}
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
