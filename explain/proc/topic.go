package proc

import (
	"kwhy/explain"
	"kwhy/inspect"
)

// Topic lists every value and rule of this package for those who walk the
// catalogue.
func Topic() explain.Topic {
	host := Host()
	t := host.Topic("proc", func(h *inspect.Host, _ inspect.Sources) (*inspect.ProcList, error) {
		ps, err := Scan(h, inspect.Of(inspect.PIDStat), nil)
		if err != nil {
			return nil, err
		}
		return h.ProcList(ps, nil)
	})
	return t.Plus(Processes().Topic("proc", func(h *inspect.Host, v *explain.View[inspect.Proc]) (explain.Rows[inspect.Proc], []int32, error) {
		return v.Scan(func(want inspect.Sources) (explain.Scan[inspect.Proc], error) { return Scan(h, want, nil) })
	}))
}

// Scan scans the processes with what their rows are told by beside their own
// files: users' names, and the scan an interval ago, if there is one. stat is
// always read: it says what a process is.
func Scan(h *inspect.Host, want inspect.Sources, was *inspect.Procs) (*inspect.Procs, error) {
	ps, err := h.Procs(want.Plus(inspect.Of(inspect.PIDStat)))
	if err != nil {
		return nil, err
	}
	if ps.Host.Users, err = h.Users(); err != nil {
		ps.Host.Users = nil // then numbers stand for them
	}
	if was != nil {
		ps.Since(was)
	}
	return ps, nil
}
