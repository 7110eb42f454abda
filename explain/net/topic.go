package net

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

// What snapshots offer besides, as the machinery looks for it.
var (
	_ lower.Originer = host(nil)
	_ lower.Originer = sockets(nil)
	_ lower.Gapped   = host(nil)
	_ lower.Surveyor = host(nil)
	_ lower.Surveyor = sockets(nil)
	_ lower.Surveyed = sockets(nil)
	_ lower.Surveyor = (*netfacts.Namespaces)(nil)
	_ lower.Surveyed = (*netfacts.Namespaces)(nil)
	_ lower.Surveyed = netfacts.SocketRows{}
)

// Topic is the network: of a namespace, of one process, and each socket.
func Topic() explain.Topic {
	return explain.Topic{Name: "net", Title: "network", Pages: func() []explain.Page {
		return []explain.Page{
			HostPage(HostOptions{}), NamespacesPage(), ProcessPage(0, 0), lower.MustPage(SocketsPage(SocketOptions{})),
		}
	}}
}

// HostOptions are what the page of a network is asked for.
type HostOptions struct {
	PID    int32 // whose network namespace; 0 is kwhy's own
	Screen int   // rows of a screen
}

const allRows = "--limit 0 shows all"

// fewFindings is how many findings of a rule are listed one by one: a host in trouble
// has the same one of thousands of sockets.
const fewFindings = 3

// HostPage shows a network namespace.
func HostPage(o HostOptions) *lower.Page[host] {
	take := func(h *inspect.Host, want inspect.Sources) (host, error) {
		space := netfacts.OwnNamespace(h)
		if o.PID != 0 {
			var err error
			if space, err = netfacts.NamespaceOf(h, o.PID); err != nil {
				return nil, err
			}
		}
		return netfacts.Take(h, space, Whole(want.Plus(inspect.Of(inspect.NetSockets))))
	}
	return &lower.Page[host]{
		Command: "net", Card: Host(), Doing: "reading the network", Tables: hostTables(o.Screen),
		Take:  Take,
		First: take,
		Second: func(h *inspect.Host, want inspect.Sources, _ host) (host, error) {
			return take(h, want.Plus(inspect.Of(inspect.PIDFd))) // whose they are, of the later sample
		},
		Since: pair,
		At:    func(n host) time.Time { return n.Mem.At },
		Gaps:  host.Gaps,
		Summary: func(_ *lower.Report, n host) []string {
			if n.Space.Own && o.PID == 0 {
				return nil
			}
			return []string{"network namespace of process " + strconv.Itoa(int(n.Space.PID))}
		},
		Finish: func(rep *lower.Report, n host) {
			if n.Listed != nil {
				at := slices.IndexFunc(rep.Parts, func(p lower.Part) bool { return p.Table == "listeners" })
				rep.Parts = slices.Insert(rep.Parts, max(at, 0), lower.Part{Title: "Sockets by state and owner", Table: "states"})
			}
			rep.Findings = lower.Better(rep.Findings)
		},
		Check: check,
	}
}

// check looks at kwhy's own network namespace: its links, its queues, and every socket.
func check() *lower.Check[host] {
	return &lower.Check[host]{
		Take: func(sh *lower.Shared, want inspect.Sources) (host, error) {
			want = Whole(want.Plus(inspect.Of(inspect.NetSockets)))
			return netfacts.TakeWith(sh.Host, netfacts.OwnNamespace(sh.Host), want, lower.Share(sh, netfacts.WalkFDs))
		},
		Scan:   inspect.Of(inspect.PIDStatus), // whose sockets are looked for
		Health: Health, Rests: inspect.Of(inspect.NetSockstat), Gaps: host.Gaps,
	}
}

// pair pairs a sample of a network with the one an interval ago.
func pair(now, was host) {
	var listed sockets
	if now.Was = was; was != nil {
		listed = was.Listed
	}
	if now.Listed != nil {
		now.Listed.Was = listed
	}
}

func hostTables(screen int) []lower.Attached[host] {
	use := lower.Table(Use(), 0, func(n host) explain.Rows[netfacts.UsePart] {
		if n.Listed == nil {
			return nil // and the report says why
		}
		return n.Listed.Use()
	})
	use.Ready, use.Found, use.Scan = true, withLosers, scanUse
	listeners := lower.Own(Listeners(), nil, nil, screen)
	return []lower.Attached[host]{
		part(Interfaces(), 0, InterfaceRows), part(SoftnetCPUs(), screen, SoftnetRows), part(Qdiscs(), screen, QdiscRows),
		part(Hooks(), 0, HookRows), part(Drops(), screen, DropRows), part(Destinations(), screen, DestinationRows), use,
		&lower.Rows[host, row]{View: listeners, Ready: true, More: "kwhy net sockets --state LISTEN --limit 0 shows all",
			Of: func(n host) explain.Rows[row] {
				if n.Listed == nil {
					return nil
				}
				return n.Listed.Only((*sockdiag.Socket).IsListener)
			},
			Order: func(n host) []int32 { return filled(listeners, n.Listed.Only((*sockdiag.Socket).IsListener)) },
			Scan: func(h *inspect.Host, v *lower.View[row]) (explain.Rows[row], []int32, error) {
				return scan(h, v, (*sockdiag.Socket).IsListener)
			},
		},
		lower.Judged("net sockets", Sockets(), func(n host) explain.Rows[row] {
			if n.Listed == nil {
				return nil
			}
			return n.Listed
		}),
	}
}

// filled orders rows for a view, and reads what their columns need.
func filled(v *lower.View[row], rows explain.Scan[row]) []int32 {
	return rows.Fill(v.Refine(rows), v.Needs())
}

// part attaches a table of the parts of a network.
func part[T any](t *explain.Table[netfacts.Part[T]], limit int, of func(host) netfacts.Parts[T]) lower.Attached[host] {
	return lower.Table(t, limit, func(n host) explain.Rows[netfacts.Part[T]] { return of(n) })
}

// withLosers adds findings that say at whose sockets datagrams were lost. What each
// socket counts is since it was made: over an interval they are named where the
// interval has seen losses.
func withLosers(rep *lower.Report, n host, found []lower.Finding) []lower.Finding {
	seen := func(f lower.Finding) bool {
		return f.ID == "net.udp_rcvbuf_errors" || f.ID == "net.udp6_rcvbuf_errors"
	}
	if _, _, two := n.Before(); two && !slices.ContainsFunc(rep.Findings, seen) {
		return found
	}
	v := lower.Own(Sockets(), nil, []string{"sk_drops"}, 0)
	v.Few(fewFindings)
	rows := n.Listed.Only(func(s *sockdiag.Socket) bool { return s.Mem[sockdiag.Drops] > 0 && !s.IsListener() })
	_, lost := v.Explain(rows, filled(v, rows), rep.Limits)
	return append(found, lower.Once(slices.DeleteFunc(lost, func(f lower.Finding) bool { return f.ID != "net.datagrams_dropped" }))...)
}

// scanUse reads whose the sockets of kwhy's own network namespace are.
func scanUse(h *inspect.Host, v *lower.View[netfacts.UsePart]) (explain.Rows[netfacts.UsePart], []int32, error) {
	s, err := netfacts.TakeSockets(h, netfacts.SocketQuery{Dir: netfacts.OwnDir(h), States: sockdiag.Every, Owners: true})
	if err != nil {
		return nil, nil, err
	}
	rows := s.Use()
	return rows, v.Order(rows), nil
}

// scan lists the sockets that keep of kwhy's own network namespace, with their
// owners where these are shown.
func scan(h *inspect.Host, v *lower.View[row], keep func(*sockdiag.Socket) bool) (explain.Rows[row], []int32, error) {
	return v.Scan(func(inspect.Sources) (explain.Scan[row], error) {
		s, err := netfacts.TakeSockets(
			h,
			netfacts.SocketQuery{Dir: netfacts.OwnDir(h), States: sockdiag.Every, Owners: v.Needs().Has(inspect.PIDFd)},
		)
		if err != nil {
			return nil, err
		}
		return s.Only(keep), nil
	})
}

// NamespacesPage shows every network namespace that a process lives in.
func NamespacesPage() *lower.Page[*netfacts.Namespaces] {
	return &lower.Page[*netfacts.Namespaces]{
		Command: "net --all-netns", Scope: explain.OfAnswer, Card: Around(), Doing: "reading the network namespaces",
		Tables: []lower.Attached[*netfacts.Namespaces]{
			lower.Table(Namespaces(), 0, func(l *netfacts.Namespaces) explain.Rows[spaceRow] { return l }),
		},
		Take:  TakeSpaces,
		Since: func(now, was *netfacts.Namespaces) { now.Was = was },
		At:    func(l *netfacts.Namespaces) time.Time { return l.Found.Procs.Host.At },
		Gaps:  (*netfacts.Namespaces).Gaps,
	}
}

// ProcessPage shows the sockets of one process, in its own network namespace; 0 is
// kwhy itself.
func ProcessPage(pid int32, limit int) *lower.Page[process] {
	v := lower.Own(Sockets(), nil, nil, limit)
	v.Few(fewFindings)
	var order []int32
	return &lower.Page[process]{
		Command: "net PID", Scope: explain.OfProcess, Card: Process(), Doing: "reading the sockets",
		Tables: []lower.Attached[process]{listenersOf(pid), socketsOf(pid, v, &order)},
		Take: func(h *inspect.Host, _ inspect.Sources) (process, error) {
			if pid == 0 {
				return netfacts.TakeProcess(h, h.Example(), nil)
			}
			return netfacts.TakeProcess(h, pid, nil)
		},
		First: func(h *inspect.Host, _ inspect.Sources) (process, error) {
			n, err := netfacts.TakeProcess(h, cmp.Or(pid, h.Example()), nil) // whole: it may be all that there is
			if err == nil {
				order = filled(v, n.Mine)
			}
			return n, err
		},
		Second: func(h *inspect.Host, _ inspect.Sources, was process) (process, error) {
			var before *netfacts.Sockets
			if was != nil {
				before = was.Net
			}
			n, err := netfacts.TakeProcess(h, cmp.Or(pid, h.Example()), before)
			if err == nil {
				order = filled(v, n.Mine)
			}
			return n, err
		},
		Same:    func(was, now process) bool { return was.Row.P.GoesOn(now.Row.P) },
		Ended:   func(left process, limits explain.Limits) []lower.Finding { return proc.Ended(left.Row.P, limits) },
		Since:   func(_, _ process) {}, // which TakeProcess has done
		At:      func(n process) time.Time { return n.Net.When },
		Gaps:    process.Gaps,
		Subject: func(n process) *lower.Subject { return proc.Subject(pid, n.Row) },
	}
}

// allOf is the command that lists the sockets of a process, in its own network namespace.
func allOf(pid int32) string {
	n := strconv.Itoa(int(pid))
	return "kwhy net sockets " + n + " --process " + n
}

// listenersOf attaches the listeners of a process.
func listenersOf(pid int32) lower.Attached[process] {
	v := lower.Own(Listeners(), nil, nil, 0)
	listening := func(n process) netfacts.SocketRows {
		return n.Net.Only(func(s *sockdiag.Socket) bool { return s.IsListener() && n.Net.Has(pid, s) })
	}
	return &lower.Rows[process, row]{
		View: v, Ready: true, Elsewhere: true, More: allOf(pid) + " --state LISTEN --limit 0 shows all",
		Of:    func(n process) explain.Rows[row] { return listening(n) },
		Order: func(n process) []int32 { return filled(v, listening(n)) },
	}
}

// socketsOf attaches all sockets of a process, in the order in which they were read.
func socketsOf(pid int32, v *lower.View[row], order *[]int32) lower.Attached[process] {
	return &lower.Rows[process, row]{
		View: v, Ready: true, Elsewhere: true, More: allOf(pid) + " --limit 0 shows all",
		Of:    func(n process) explain.Rows[row] { return n.Mine },
		Order: func(process) []int32 { return *order },
		Found: func(_ *lower.Report, _ process, found []lower.Finding) []lower.Finding {
			return lower.Once(slices.DeleteFunc(found, func(f lower.Finding) bool {
				return f.ID == "net.accept_queue_full" // the listeners have said so
			}))
		},
	}
}

// SocketOptions are what the table of sockets is asked for.
type SocketOptions struct {
	PID           int32 // whose network namespace; 0 is kwhy's own
	Columns, Sort []string
	Limit         int // rows; 0 is all
	Text          bool
	Filter        SocketFilter
}

// SocketsPage shows the sockets of a network namespace. It fails where the options name
// a column that there is not, or the filter does not make sense.
func SocketsPage(o SocketOptions) (*lower.Page[sockets], error) {
	v, err := o.view()
	if err != nil {
		return nil, err
	}
	var order []int32
	return &lower.Page[sockets]{
		Command: "net sockets", Scope: explain.OfList, Doing: "reading the sockets",
		Tables: []lower.Attached[sockets]{o.rows(v, &order)},
		First: func(h *inspect.Host, _ inspect.Sources) (sockets, error) {
			return netfacts.TakeSockets(h, o.query(h, false))
		},
		Second: func(h *inspect.Host, _ inspect.Sources, _ sockets) (sockets, error) {
			s, err := netfacts.TakeSockets(h, o.query(h, !o.Filter.NoOwners && (v.Needs().Has(inspect.PIDFd) || o.Filter.Process != "")))
			if err != nil {
				return nil, err
			}
			s.ByOwner = o.Filter.Process != ""
			if o.Filter.pattern != nil { // the names of all owners; or else of those that are shown
				s.NameAll()
			}
			order = filled(v, s)
			return s, nil
		},
		Since: func(now, was sockets) {
			now.Was = was
			order = v.Again(now, order)
		},
		At:   func(s sockets) time.Time { return s.When },
		Gaps: sockets.Gaps,
		Summary: func(_ *lower.Report, s sockets) []string {
			return []string{socketsSeen(s), namespaceOf(s)}
		},
	}, nil
}

// view is the table as it was asked for.
func (o *SocketOptions) view() (*lower.View[row], error) {
	if err := o.Filter.settle(); err != nil {
		return nil, err
	}
	v, err := lower.NewView(Sockets(), o.Columns, o.Sort, o.Limit)
	if err != nil {
		return nil, err
	}
	if o.Text {
		v.ForText()
	}
	v.Few(fewFindings)
	o.Filter.apply(v)
	return v, nil
}

// rows attaches the table, in the order in which its rows were read.
func (o *SocketOptions) rows(v *lower.View[row], order *[]int32) lower.Attached[sockets] {
	return &lower.Rows[sockets, row]{
		View: v, Asked: true, Ready: true, Title: "Sockets", More: allRows,
		Left: "the others are not as was asked", Empty: "No socket is as was asked.",
		Of:    func(s sockets) explain.Rows[row] { return s },
		Order: func(sockets) []int32 { return *order },
		Found: func(_ *lower.Report, _ sockets, found []lower.Finding) []lower.Finding { return lower.Once(found) },
		Scan: func(h *inspect.Host, v *lower.View[row]) (explain.Rows[row], []int32, error) {
			return scan(h, v, func(*sockdiag.Socket) bool { return true })
		},
	}
}

// query is what the kernel is asked for.
func (o *SocketOptions) query(h *inspect.Host, owners bool) netfacts.SocketQuery {
	q := netfacts.SocketQuery{Dir: netfacts.OwnDir(h), Kinds: o.Filter.kinds, States: o.Filter.mask, Owners: owners}
	if o.PID != 0 {
		q.Dir = strconv.Itoa(int(o.PID))
	}
	return q
}

// namespaceOf says whose network namespace was read, and how.
func namespaceOf(s sockets) string {
	how := "sock_diag"
	if s.Missing(inspect.SockDiag) != inspect.Present {
		how = "/proc/net"
	}
	switch {
	case s.Dir == "self", s.Dir == ".":
		return "this network namespace, by " + how
	case s.Own && s.Host.Live:
		return "the network namespace of process " + s.Dir + ", kwhy's own, by " + how
	}
	return "the network namespace of process " + s.Dir + ", by " + how
}
