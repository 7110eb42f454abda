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
	to := map[way]int{}
	for i := range s.List.Len() {
		sock := s.List.At(i)
		port := inspect.Num(sock.LocalPort)
		if !sock.Stream() || port == 0 || port < ports.Low || port > ports.High || listen[door{sock.Family, sock.LocalPort}] {
			continue
		}
		c.Ephemeral++
		if sock.Connected() {
			to[way{sock.Local().Addr(), sock.Remote()}]++
		}
	}
	for w, n := range to {
		c.Destinations = append(c.Destinations, Destination{w.from, w.to, n})
	}
	slices.SortFunc(c.Destinations, func(a, b Destination) int {
		return cmp.Or(cmp.Compare(b.Ports, a.Ports), a.Peer.Compare(b.Peer), a.Local.Compare(b.Local))
	})
	c.Destinations = c.Destinations[:min(len(c.Destinations), mostDestinations)]
	return c
}
