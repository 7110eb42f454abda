package net

import (
	"cmp"
	"net/netip"
	"slices"

	"kwhy/inspect"
	"kwhy/inspect/sockdiag"
)

// SocketCount counts the TCP sockets of a network namespace.
type SocketCount struct {
	States       [int(sockdiag.NewSynRecv) + 1]int // by number (include/net/tcp_states.h)
	Ephemeral    int                               // that have a local port of the range for outgoing connections, and listen on none
	Destinations []Destination                     // the most used first
	From         []LocalPorts                      // by local address, the most used first
}

// LocalPorts are the local ports that sockets of one local address take.
type LocalPorts struct {
	Local   netip.Addr
	Ports   int // different ones
	Sockets int // that have them, those in TIME_WAIT among them
	Most    int // ports that go to the destination that takes most of them
	// Chance is how many ports fewer than sockets there would be if each destination's were taken
	// without regard to the others', as connect does.
	Chance float64
}

// Bound reports whether the ports were taken by bind, before connect. A port that connect chooses
// serves any number of destinations, and these go to each on their own (net/ipv4/inet_hashtables.c,
// __inet_hash_connect); one that bind takes serves its socket alone. The kernel does not tell which
// it was: where far fewer ports are shared than connect would share, it was bind.
func (l LocalPorts) Bound() bool {
	const sign = 8 // shared ports that are missed: fewer are chance
	return l.Chance >= sign && float64(l.Sockets-l.Ports) < l.Chance/2
}

// Destination is where the connections from one local address to one remote
// address and port go: each takes a local port of its own.
type Destination struct {
	Local netip.Addr
	Peer  netip.AddrPort
	Ports int // local ports that are taken, those in TIME_WAIT among them
}

// netSockets lists the sockets and counts those of TCP, which wants the range of
// ports: all there is of them where the tables are wanted, and otherwise what the
// counts need. All that is said about sockets comes from this one list.
func netSockets(h *inspect.Host, n *Snapshot, want inspect.Sources, walk *FDWalk) {
	if !want.Has(inspect.TCPSockets) && !want.Has(inspect.NetSockets) {
		return
	}
	q := SocketQuery{Dir: n.Space.owner(), Kinds: []string{"tcp", "tcp6"}, States: sockdiag.Every, Bare: true}
	if want.Has(inspect.NetSockets) {
		q.Kinds, q.Bare, q.Owners, q.Walk = nil, false, want.Has(inspect.PIDFd), walk
	}
	s, err := TakeSockets(h, q)
	if err != nil {
		n.got[inspect.TCPSockets] = netReason(err)
		return
	}
	n.got[inspect.TCPSockets], n.from = s.tcpSource()
	n.tcp, n.Six = s.listed("TCP socket", "tcp", "tcp6"), s.whyNone("tcp6")
	n.Sockets = s.Count(n.Ports)
	if want.Has(inspect.NetSockets) {
		n.Listed = s
	}
}

// tcpSource says where the sockets of TCP are from, and why there are none if there
// are none. A kernel may lack those of IPv6.
func (s *Sockets) tcpSource() (inspect.Reason, inspect.Source) {
	if s.why[0] == inspect.Present {
		return inspect.Present, inspect.SockDiag
	}
	return s.read[0], inspect.NetTCP
}

// Origin is the source that a value was taken from, of one that names several.
func (s *Sockets) Origin(src inspect.Source) inspect.Source {
	if src != inspect.NetSockets {
		return src
	}
	asked, read := 0, 0
	for i := range socketKinds {
		switch {
		case s.why[i] == inspect.Present:
			asked++
		case s.read[i] == inspect.Present:
			read++
		}
	}
	switch {
	case asked == 0 && read > 0:
		return inspect.PIDNet
	case read == 0 && asked > 0:
		return inspect.SockDiag
	}
	return src // each row of the table names its own
}

// way is from which address to which connections go. An IPv4 address in an IPv6
// socket takes ports of IPv4.
type way struct {
	from netip.Addr
	to   netip.AddrPort
}

// mostDestinations is how many destinations are kept.
const mostDestinations = 100

// Count counts the sockets of TCP by state, and the local ports of a range that
// those take that listen on none, by where they go.
func (s *Sockets) Count(ports PortRange) (c SocketCount) {
	type door struct {
		family uint8 // a port of one version is not taken in the other
		port   uint16
	}
	listen := map[door]bool{}
	for i := range s.List.Len() {
		sock := s.List.At(i)
		if !sock.Stream() || int(sock.State) >= len(c.States) {
			continue
		}
		c.States[sock.State]++
		if sock.State == sockdiag.Listen {
			listen[door{sock.Family, sock.LocalPort}] = true
		}
	}
	to, from := map[way]int{}, map[netip.Addr]map[uint16]int{}
	for i := range s.List.Len() {
		sock := s.List.At(i)
		port := inspect.Num(sock.LocalPort)
		if !sock.Stream() || port == 0 || port < ports.Low || port > ports.High || listen[door{sock.Family, sock.LocalPort}] {
			continue
		}
		c.Ephemeral++
		if !sock.Connected() {
			continue
		}
		local := sock.Local().Addr()
		to[way{local, sock.Remote()}]++
		if from[local] == nil {
			from[local] = map[uint16]int{}
		}
		from[local][sock.LocalPort]++
	}
	for w, n := range to {
		c.Destinations = append(c.Destinations, Destination{w.from, w.to, n})
	}
	slices.SortFunc(c.Destinations, func(a, b Destination) int {
		return cmp.Or(cmp.Compare(b.Ports, a.Ports), a.Peer.Compare(b.Peer), a.Local.Compare(b.Local))
	})
	c.From = localPorts(from, c.Destinations, ports)
	c.Destinations = c.Destinations[:min(len(c.Destinations), mostDestinations)]
	return c
}

// HoldersOf returns who has most of the connections that take the ports of a local address, where it was
// looked for: those in TIME_WAIT are nobody's.
func (n *Snapshot) HoldersOf(l LocalPorts) []Holding {
	s := n.Listed
	if s == nil || s.Procs == nil {
		return nil
	}
	rows := map[int32]int{}
	for i := range s.List.Len() {
		sock := s.List.At(i)
		port := inspect.Num(sock.LocalPort)
		if !sock.Stream() || !sock.Connected() || port < n.Ports.Low || port > n.Ports.High || sock.Local().Addr() != l.Local {
			continue
		}
		if o := s.ownersOf(sock.Inode); len(o) > 0 {
			rows[o[0].row]++
		}
	}
	return s.most(rows, mostHolders)
}

// localPorts sums up who takes which ports of a range.
func localPorts(from map[netip.Addr]map[uint16]int, to []Destination, ports PortRange) (out []LocalPorts) {
	size := float64(ports.Size())
	free := map[netip.Addr]float64{} // the part of the range that no destination would have by chance
	most := map[netip.Addr]int{}
	for _, d := range to {
		if _, ok := free[d.Local]; !ok {
			free[d.Local] = 1
		}
		free[d.Local] *= max(1-float64(d.Ports)/size, 0)
		most[d.Local] = max(most[d.Local], d.Ports)
	}
	for local, list := range from {
		l := LocalPorts{Local: local, Ports: len(list), Most: most[local]}
		for _, n := range list {
			l.Sockets += n
		}
		if size > 0 {
			l.Chance = float64(l.Sockets) - size*(1-free[local])
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b LocalPorts) int {
		return cmp.Or(cmp.Compare(b.Ports, a.Ports), a.Local.Compare(b.Local))
	})
	return out
}
