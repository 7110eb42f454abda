package fd

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
	netfacts "kwhy/inspect/net"
	procfacts "kwhy/inspect/proc"
)

// What a snapshot offers besides, as the machinery looks for it.
var (
	_ lower.Gapped   = host(nil)
	_ lower.Surveyor = host(nil)
)

// Topic is open files: of the host, of one process, and who has something open.
func Topic() explain.Topic {
	return explain.Topic{Name: "fd", Title: "open files", Pages: func() []explain.Page {
		return []explain.Page{
			lower.MustPage(ProcessPage(0, Options{})), lower.MustPage(HostPage(Options{})),
			lower.MustPage(
				DeletedPage(Options{}),
			), lower.MustPage(PathPage(".", Options{})), lower.MustPage(socketPage("", netip.Addr{}, 0, Options{})),
		}
	}}
}

// Options are what a table of descriptors or of processes is asked for.
type Options struct {
	Columns, Sort []string
	Limit         int // rows; 0 is all
	Filter        proc.Filter
}

const allRows = "--limit 0 shows all"

// HostPage shows what a host has open. It fails where the options name a column that
// there is not, or a filter does not make sense.
func HostPage(o Options) (*lower.Page[host], error) {
	v, err := lower.NewView(Processes(), o.Columns, o.Sort, o.Limit)
	if err != nil {
		return nil, err
	}
	v.Where(inspect.Sources{}, func(p hostRow) bool { return p.It.Counted() && !p.Row.P.Kthread() })
	if err := proc.Keep(v, &o.Filter, func(r hostRow) procfacts.Row { return r.Row }); err != nil {
		return nil, err
	}
	return &lower.Page[host]{
		Command: "fd", Card: Host(), Doing: "reading the descriptors", Tables: []lower.Attached[host]{kindRows(), processRows(v), keyRows()},
		Take: func(h *inspect.Host, want inspect.Sources) (host, error) {
			if !want.Has(inspect.PIDFd) {
				return fdfacts.Take(h, nil, want) // no process has to be looked at
			}
			return TakeHost(h, want)
		},
		First:  TakeHost,
		Second: func(h *inspect.Host, want inspect.Sources, _ host) (host, error) { return TakeHost(h, want) },
		Since:  func(now, was host) { now.Was = was },
		At:     func(f host) time.Time { return f.Mem.At },
		Gaps:   host.Gaps,
		Summary: func(_ *lower.Report, f host) []string {
			return []string{proc.Counted(f.Scan.Procs)}
		},
		Check: check,
	}, nil
}

// kindRows attaches the table of kinds of descriptors.
func kindRows() lower.Attached[host] {
	r := lower.Table(Kinds(), 0, func(f host) explain.Rows[fdfacts.KindPart] { return f.Kinds() })
	r.Scan = func(h *inspect.Host, v *lower.View[fdfacts.KindPart]) (explain.Rows[fdfacts.KindPart], []int32, error) {
		f, err := TakeHost(h, v.Needs())
		if err != nil {
			return nil, nil, err
		}
		rows := f.Kinds()
		return rows, v.Order(rows), nil
	}
	r.Ready = true
	return r
}

// keyRows attaches the table of users that have keys.
func keyRows() lower.Attached[host] {
	return lower.Table(KeyUsers(), 0, func(f host) explain.Rows[keyRow] { return f.KeyUsers() })
}

// processRows attaches the table of processes, as it was asked for.
func processRows(v *lower.View[hostRow]) lower.Attached[host] {
	return &lower.Rows[host, hostRow]{
		View:  v,
		Asked: true,
		Ready: true,
		More:  allRows,
		Left:  "the others have no files of their own, ended meanwhile, may not be looked at, or are not as was asked",
		Of:    func(f host) explain.Rows[hostRow] { return f },
		Order: func(f host) []int32 {
			order := v.Order(f)
			f.Scan.Procs.Fill(order, v.Needs().Plus(inspect.Of(inspect.PIDLimits)))
			return order
		},
		Scan: func(h *inspect.Host, v *lower.View[hostRow]) (explain.Rows[hostRow], []int32, error) {
			f, err := TakeHost(h, v.Needs())
			if err != nil {
				return nil, nil, err
			}
			return f, v.Order(f), nil
		},
	}
}

// check looks at how near each process is to its limit, and the host to its own.
func check() *lower.Check[host] {
	return &lower.Check[host]{
		Take: func(sh *lower.Shared, want inspect.Sources) (host, error) {
			return Complete(sh.Host, func() *procfacts.FDScan { return lower.Share(sh, netfacts.WalkFDs).Scan }, want)
		},
		Scan:   inspect.Of(inspect.PIDStatus), // whose they are, and so whether they may be looked at
		Health: Health, Rests: inspect.Of(inspect.FSFileNr), Gaps: host.Gaps,
	}
}

// ProcessPage shows every descriptor of one process; 0 is kwhy itself.
func ProcessPage(pid int32, o Options) (*lower.Page[list], error) {
	v, err := lower.NewView(FDs(), o.Columns, o.Sort, o.Limit)
	if err != nil {
		return nil, err
	}
	look := o.Limit
	if len(o.Sort) > 0 {
		look = 0 // any may come first
	}
	read := func(limit int) func(*inspect.Host, inspect.Sources) (list, error) {
		return func(h *inspect.Host, _ inspect.Sources) (list, error) {
			if pid == 0 {
				return Take(h, h.Example(), limit)
			}
			return Take(h, pid, limit)
		}
	}
	fds := &lower.Rows[list, fdRow]{View: v, Asked: true, More: allRows, Of: func(l list) explain.Rows[fdRow] { return l }}
	return &lower.Page[list]{
		Command: "fd PID", Scope: explain.OfProcess, Card: Process(), Doing: "reading the descriptors", Tables: []lower.Attached[list]{fds},
		Take:    read(look),
		First:   read(1),
		Same:    func(was, now list) bool { return was.Row.P.GoesOn(now.Row.P) },
		Ended:   func(left list, limits explain.Limits) []lower.Finding { return proc.Ended(left.Row.P, limits) },
		Since:   func(now, was list) { now.Was = was },
		At:      func(l list) time.Time { return l.Row.Host.At },
		Gaps:    list.Gaps,
		Subject: func(l list) *lower.Subject { return proc.Subject(pid, l.Row) },
	}, nil
}

// DeletedPage shows the files that are gone from their directories and still take space.
func DeletedPage(o Options) (*lower.Page[deletedFiles], error) {
	v, err := lower.NewView(DeletedList(), o.Columns, o.Sort, o.Limit)
	if err != nil {
		return nil, err
	}
	return &lower.Page[deletedFiles]{
		Command: "fd --deleted", Scope: explain.OfAnswer, Card: Deleted(), Doing: "reading the descriptors",
		Tables: []lower.Attached[deletedFiles]{&lower.Rows[deletedFiles, deletedRow]{
			View: v, Asked: true, More: allRows, Of: func(l deletedFiles) explain.Rows[deletedRow] { return l },
		}},
		Take: func(h *inspect.Host, _ inspect.Sources) (deletedFiles, error) { return TakeDeleted(h) },
		At:   func(l deletedFiles) time.Time { return l.Procs.Host.At },
		Gaps: deletedFiles.Gaps,
	}, nil
}

// PathPage shows who has a file, a directory or a device open.
func PathPage(name string, o Options) (*lower.Page[holders], error) {
	v, err := lower.NewView(PathHolders(), o.Columns, o.Sort, o.Limit)
	if err != nil {
		return nil, err
	}
	return answerPage("fd --path", v, func(h *inspect.Host, ps *procfacts.Processes) (holders, error) {
		return fdfacts.TakePathHolders(h, ps, name)
	},
		func(l holders) (title, nobody string) {
			what := l.What
			if l.Whole {
				what = "something of the file system at " + l.What
			}
			if m := l.Unasked; m != nil {
				what += " (" + m.FSType + " of " + m.Source + "; its server is not asked)"
			}
			return whoHas(l) + what + " open", "No process" + kernelToo(l) + " has " + what + " open."
		}), nil
}

// whoHas begins the title of a list of holders: processes, and loop devices and swap apart.
func whoHas(l holders) string {
	processes, others := 0, []string{}
	for i := range l.List {
		if it := &l.List[i]; it.P != nil {
			processes++
		} else {
			others = append(others, it.Kernel)
		}
	}
	switch {
	case len(others) == 0:
		return units.Plural(processes, "process has ", "processes have ")
	case processes == 0 && len(others) == 1:
		return others[0] + " has "
	case processes == 0:
		return few(others) + " have "
	}
	return units.Plural(processes, "process", "processes") + " and " + few(others) + " have "
}

// kernelToo names what of the kernel was looked at besides processes, for a sentence that begins
// "No process".
func kernelToo(l holders) string {
	loops, swap := l.Looked(inspect.LoopBacking), l.Looked(inspect.Swaps)
	switch {
	case loops && swap:
		return ", loop device or swap area"
	case loops:
		return " or loop device"
	case swap:
		return " or swap area"
	}
	return ""
}

// SocketPage shows who has the sockets with an address: ADDR:PORT, [ADDR]:PORT or :PORT.
func SocketPage(address string, o Options) (*lower.Page[sockHolders], error) {
	addr, port, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	return socketPage(address, addr, port, o)
}

func socketPage(address string, addr netip.Addr, port uint16, o Options) (*lower.Page[sockHolders], error) {
	v, err := lower.NewView(SocketHolders(), o.Columns, o.Sort, o.Limit)
	if err != nil {
		return nil, err
	}
	return answerPage("fd --socket", v, func(h *inspect.Host, ps *procfacts.Processes) (sockHolders, error) {
		return fdfacts.TakeSocketHolders(h, ps, addr, port)
	}, func(l sockHolders) (title, nobody string) {
		where := ""
		if l.Namespaces > 1 {
			where = fmt.Sprintf(", in %d network namespaces", l.Namespaces)
		}
		nobody = "Nobody has a socket with " + address + where + "."
		if l.Unheld > 0 {
			nobody += " There " + units.Plural(l.Unheld, "is one", "of them are") + ", but it can't be seen whose."
		}
		return units.Plural(l.Len(), "holder", "holders") + " of sockets with " + address + where, nobody
	}), nil
}

// parseAddress reads ADDR:PORT, [ADDR]:PORT or :PORT.
func parseAddress(text string) (netip.Addr, uint16, error) {
	bad := fmt.Errorf("--socket: bad value %q: it takes ADDR:PORT, or :PORT", text)
	if rest, ok := strings.CutPrefix(text, ":"); ok {
		n, err := strconv.ParseUint(rest, 10, 16)
		if err != nil {
			return netip.Addr{}, 0, bad
		}
		return netip.Addr{}, uint16(n), nil
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.Addr{}, 0, bad
	}
	return a.Addr(), a.Port(), nil
}

// TakeDeleted finds the files that are gone from their directories and still kept.
func TakeDeleted(h *inspect.Host) (deletedFiles, error) {
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

// answering is a list of those who have something open.
type answering[S any, T any] interface {
	explain.Snapshot[S]
	explain.Rows[T]
	Gaps() []inspect.Gap
	Taken() time.Time
}

// answerPage shows a list with a title of its own, or a sentence in its place.
func answerPage[S answering[S, T], T explain.Snapshot[T]](
	command string,
	v *lower.View[T],
	take func(*inspect.Host, *procfacts.Processes) (S, error),
	words func(S) (title, nobody string),
) *lower.Page[S] {
	return &lower.Page[S]{
		Command: command, Scope: explain.OfAnswer, Doing: "reading the descriptors",
		Tables: []lower.Attached[S]{&lower.Rows[S, T]{View: v, Asked: true, Of: func(l S) explain.Rows[T] { return l }}},
		Take: func(h *inspect.Host, _ inspect.Sources) (s S, err error) {
			ps, err := proc.Scan(h, inspect.Sources{}, nil)
			if err != nil {
				return s, err
			}
			return take(h, ps)
		},
		At:   S.Taken,
		Gaps: S.Gaps,
		Finish: func(rep *lower.Report, l S) {
			g := &rep.Grids[0]
			g.Title, g.Empty = words(l)
			g.More = allRows
			if g.Sections = l.Len() == 0; !g.Sections {
				rep.Parts = []lower.Part{{Title: g.Title, Table: g.Name}}
			}
		},
	}
}
