package proc

import (
	"context"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	procfacts "kwhy/inspect/proc"
)

// Topic lists every value and rule of this package for those who walk the
// catalogue.
func Topic() lower.Topic {
	host := Host()
	t := lower.CardTopic(&host, "proc", func(h *inspect.Host, _ inspect.Sources) (*procfacts.Snapshot, error) {
		ps, err := Scan(h, inspect.Of(inspect.PIDStat), nil)
		if err != nil {
			return nil, err
		}
		return procfacts.Take(h, ps, nil)
	})
	sampled := Sampled()
	t = t.Plus(lower.CardTopic(&sampled, "proc PID --sample", func(h *inspect.Host, _ inspect.Sources) (*procfacts.Sample, error) {
		return Take(context.Background(), h, h.Self(), 20*time.Millisecond)
	}))
	t = t.Plus(lower.TableTopic(Doings(), "proc PID --sample", func(h *inspect.Host, v *lower.View[doingRow]) (explain.Rows[doingRow], []int32, error) {
		s, err := Take(context.Background(), h, h.Self(), 20*time.Millisecond)
		if err != nil {
			return nil, nil, err
		}
		return s, v.Order(s), nil
	}))
	process := Process()
	t = t.Plus(lower.CardTopic(&process, "proc PID", self))
	t = t.Plus(detailTopic(Namespaces(), func(d detail) []procfacts.Namespace { return d.Namespaces }))
	t = t.Plus(detailTopic(Limits(), func(d detail) []procfacts.Bound { return d.Bounds }))
	t = t.Plus(lower.TableTopic(PidsGroups(), "proc", func(h *inspect.Host, v *lower.View[cgroupfacts.PidsPart]) (explain.Rows[cgroupfacts.PidsPart], []int32, error) {
		l := cgroupfacts.TakePids(h)
		return l, v.Order(l), nil
	}))
	t = t.Plus(detailTopic(Rlimits(), func(d detail) []procfacts.Limit { return d.Limits }))
	t = t.Plus(lower.TableTopic(EachThread(), "proc --threads", func(h *inspect.Host, v *lower.View[procfacts.Row]) (explain.Rows[procfacts.Row], []int32, error) {
		return v.Scan(func(want inspect.Sources) (explain.Scan[procfacts.Row], error) { return ScanThreads(h, want, nil) })
	}))
	return t.Plus(lower.TableTopic(Processes(), "proc", func(h *inspect.Host, v *lower.View[procfacts.Row]) (explain.Rows[procfacts.Row], []int32, error) {
		return v.Scan(func(want inspect.Sources) (explain.Scan[procfacts.Row], error) { return Scan(h, want, nil) })
	}))
}

// Scan scans the processes with what their rows are told by beside their own
// files: users' names, and the scan an interval ago, if there is one. stat is
// always read: it says what a process is.
func Scan(h *inspect.Host, want inspect.Sources, was *procfacts.Processes) (*procfacts.Processes, error) {
	ps, err := procfacts.Scan(h, want.Plus(inspect.Of(inspect.PIDStat)))
	if err != nil {
		return nil, err
	}
	return known(h, ps, was), nil
}

// ScanThreads does the same for every thread of the host.
func ScanThreads(h *inspect.Host, want inspect.Sources, was *procfacts.Processes) (*procfacts.Processes, error) {
	ps, err := procfacts.ScanThreads(h, 0, want.Plus(inspect.Of(inspect.PIDStat)))
	if err != nil {
		return nil, err
	}
	return known(h, ps, was), nil
}

func known(h *inspect.Host, ps, was *procfacts.Processes) *procfacts.Processes {
	var err error
	if ps.Host.Users, err = h.Users(); err != nil {
		ps.Host.Users = nil // then numbers stand for them
	}
	ps.Terminals()
	if was != nil {
		ps.Since(was)
	}
	return ps
}

// self is kwhy's own process: what a value of a process reads in an example.
func self(h *inspect.Host, want inspect.Sources) (*procfacts.Detail, error) {
	return Detail(h, h.Self(), want)
}

// Detail reads one process, and of the others who they are.
func Detail(h *inspect.Host, pid int32, want inspect.Sources) (*procfacts.Detail, error) {
	ps, err := Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return procfacts.TakeDetail(h, ps, pid, want)
}

// ThreadDetail reads one thread, and of the processes who they are.
func ThreadDetail(h *inspect.Host, tid int32, want inspect.Sources) (*procfacts.Detail, error) {
	ps, err := Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return procfacts.TakeThread(h, ps, tid, want)
}

func detailTopic[T any](table *explain.Table[procfacts.DetailPart[T]], of func(detail) []T) lower.Topic {
	return lower.TableTopic(table, "proc PID", func(h *inspect.Host, v *lower.View[procfacts.DetailPart[T]]) (explain.Rows[procfacts.DetailPart[T]], []int32, error) {
		d, err := self(h, v.Needs().Plus(inspect.Of(inspect.PIDStatus, inspect.PIDCgroup, inspect.PIDLimits)))
		if err != nil {
			return nil, nil, err
		}
		rows := procfacts.DetailParts[T]{Detail: d, List: of(d)}
		return rows, v.Order(rows), nil
	})
}
