package fd

import (
	"net/netip"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
	procfacts "kwhy/inspect/proc"
)

// Topic lists every value and rule of this package for those who walk the
// catalogue.
func Topic() lower.Topic {
	process := Process()
	t := lower.CardTopic(&process, "fd PID", func(h *inspect.Host, _ inspect.Sources) (list, error) { return Take(h, h.Self(), 0) })
	whole := Host()
	t = t.Plus(lower.CardTopic(&whole, "fd", func(h *inspect.Host, want inspect.Sources) (host, error) {
		if !want.Has(inspect.PIDFd) {
			return fdfacts.Take(h, nil, want) // no process has to be looked at
		}
		return TakeHost(h, want)
	}))
	t = t.Plus(lower.TableTopic(Processes(), "fd", func(h *inspect.Host, v *lower.View[hostRow]) (explain.Rows[hostRow], []int32, error) {
		f, err := TakeHost(h, v.Needs())
		if err != nil {
			return nil, nil, err
		}
		return f, v.Order(f), nil
	}))
	t = t.Plus(lower.TableTopic(Kinds(), "fd", func(h *inspect.Host, v *lower.View[fdfacts.KindPart]) (explain.Rows[fdfacts.KindPart], []int32, error) {
		f, err := TakeHost(h, v.Needs())
		if err != nil {
			return nil, nil, err
		}
		rows := f.Kinds()
		return rows, v.Order(rows), nil
	}))
	t = t.Plus(asked())
	return t.Plus(lower.TableTopic(FDs(), "fd PID", func(h *inspect.Host, v *lower.View[fdRow]) (explain.Rows[fdRow], []int32, error) {
		l, err := Take(h, h.Self(), 0)
		if err != nil {
			return nil, nil, err
		}
		return l, v.Order(l), nil
	}))
}

// asked are the answers to --deleted, --path and --socket: the last two of what
// kwhy can name without being asked, its own directory and any port.
func asked() lower.Topic {
	sum := Gone()
	t := lower.CardTopic(&sum, "fd --deleted", func(h *inspect.Host, _ inspect.Sources) (gone, error) { return TakeGone(h) })
	t = t.Plus(lower.TableTopic(GoneList(), "fd --deleted", func(h *inspect.Host, v *lower.View[goneRow]) (explain.Rows[goneRow], []int32, error) {
		l, err := TakeGone(h)
		if err != nil {
			return nil, nil, err
		}
		return l, v.Order(l), nil
	}))
	t = t.Plus(lower.TableTopic(Holders(), "fd --path", func(h *inspect.Host, v *lower.View[holderRow]) (explain.Rows[holderRow], []int32, error) {
		ps, err := proc.Scan(h, inspect.Sources{}, nil)
		if err != nil {
			return nil, nil, err
		}
		l, err := fdfacts.TakePathHolders(h, ps, ".")
		if err != nil {
			return nil, nil, err
		}
		return l, v.Order(l), nil
	}))
	return t.Plus(lower.TableTopic(SocketHolders(), "fd --socket", func(h *inspect.Host, v *lower.View[sockHolder]) (explain.Rows[sockHolder], []int32, error) {
		ps, err := proc.Scan(h, inspect.Sources{}, nil)
		if err != nil {
			return nil, nil, err
		}
		l, err := fdfacts.TakeSocketHolders(h, ps, netip.Addr{}, 0)
		if err != nil {
			return nil, nil, err
		}
		return l, v.Order(l), nil
	}))
}

// TakeGone finds the files that are gone from their directories and still kept.
func TakeGone(h *inspect.Host) (gone, error) {
	ps, err := proc.Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return fdfacts.TakeDeleted(h, ps), nil
}

// The limits of processes that prlimit(2) may not be asked for are read from their
// files: of those with many descriptors, and of all where that is few files.
const many, fewRows = 200, 300

// TakeHost reads what all processes have open.
func TakeHost(h *inspect.Host, want inspect.Sources) (host, error) {
	ps, err := proc.Scan(h, inspect.Of(inspect.PIDStatus), nil)
	if err != nil {
		return nil, err
	}
	return Complete(h, func() *procfacts.FDScan { return procfacts.ScanFDs(h, ps, nil) }, want)
}

// Complete reads what else belongs to a scan of the descriptors of processes that were
// read with their status.
func Complete(h *inspect.Host, scan func() *procfacts.FDScan, want inspect.Sources) (host, error) {
	f, err := fdfacts.TakeBeside(h, scan, want)
	if err != nil {
		return nil, err
	}
	ps := f.Scan.Procs
	var rows []int32
	for i := range f.Scan.Counts {
		if f.Scan.Counts[i].Total >= many || len(ps.Rows) <= fewRows {
			rows = append(rows, int32(i))
		}
	}
	ps.Fill(rows, inspect.Of(inspect.PIDLimits))
	return f, nil
}

// Take reads what one process has open, and looks closely at the first limit of it;
// 0 is all.
func Take(h *inspect.Host, pid int32, limit int) (list, error) {
	ps, err := proc.Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return fdfacts.TakeList(h, ps, pid, limit)
}
