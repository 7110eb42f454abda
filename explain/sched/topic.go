package sched

import (
	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
)

// voters is of how many default tasks the slice is read.
const voters = 5

// readSlices reads the slices of some default tasks, kwhy's own first if it is one.
func readSlices(ps *procfacts.Processes) {
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
func Topic() lower.Topic {
	host := Host()
	t := lower.CardTopic(&host, "sched", func(h *inspect.Host, want inspect.Sources) (sched, error) { return take(h, want) })
	t = t.Plus(partTopic(CPUs(), func(s sched) []schedfacts.CPU { return s.CPUs }))
	t = t.Plus(partTopic(Blocked(), func(s sched) []schedfacts.Task { return s.Blocked }))
	t = t.Plus(partTopic(Realtime(), func(s sched) []schedfacts.Task { return s.Realtime }))
	t = t.Plus(partTopic(Cgroups(), func(s sched) []cgroupfacts.CPU { return s.Groups }))
	t = t.Plus(lower.TableTopic(Processes(), "sched", func(h *inspect.Host, v *lower.View[procfacts.Row]) (explain.Rows[procfacts.Row], []int32, error) {
		return v.Scan(func(want inspect.Sources) (explain.Scan[procfacts.Row], error) { return proc.Scan(h, want, nil) })
	}))
	t = t.Plus(lower.TableTopic(EachThread(), "sched PID --threads", func(h *inspect.Host, v *lower.View[procfacts.Row]) (explain.Rows[procfacts.Row], []int32, error) {
		return v.Scan(func(want inspect.Sources) (explain.Scan[procfacts.Row], error) { return proc.ScanThreads(h, want, nil) })
	}))
	process := Process()
	return t.Plus(lower.CardTopic(&process, "sched PID", func(h *inspect.Host, want inspect.Sources) (one, error) { return Task(h, h.Self(), want) }))
}

// Take completes a scan of processes to a host's scheduling.
func Take(h *inspect.Host, ps *procfacts.Processes, order []int32, want inspect.Sources) (sched, error) {
	readSlices(ps)
	return schedfacts.Take(h, ps, order, want)
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
	return schedfacts.TakeProcess(h, ps, id, want.Plus(host.Sections[0].Needs()))
}

func partTopic[T any](table *explain.Table[schedfacts.Part[T]], of func(sched) []T) lower.Topic {
	return lower.TableTopic(table, "sched", func(h *inspect.Host, v *lower.View[schedfacts.Part[T]]) (explain.Rows[schedfacts.Part[T]], []int32, error) {
		s, err := take(h, v.Needs().Plus(v.Rank()))
		if err != nil {
			return nil, nil, err
		}
		rows := schedfacts.Parts[T]{Sched: s, List: of(s)}
		return rows, v.Order(rows), nil
	})
}
