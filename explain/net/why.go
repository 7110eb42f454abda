package net

import (
	"strconv"

	"golang.org/x/sys/unix"

	"kwhy/explain/units"
	netfacts "kwhy/inspect/net"
	procfacts "kwhy/inspect/proc"
	"kwhy/inspect/sockdiag"
)

// sentence is one that is being made: its parts go into the row's scratch.
type sentence struct{ b []byte }

func (s *sentence) add(parts ...string) {
	for _, p := range parts {
		s.b = append(s.b, p...)
	}
}

func (s *sentence) size(n uint64)      { s.b = units.AppendBytes(s.b, n) }
func (s *sentence) span(sec float64)   { s.b = units.AppendSpan(s.b, sec) }
func (s *sentence) percent(of float64) { s.b = units.AppendPercent(s.b, of) }
func (s *sentence) count(n uint64, one, many string) {
	s.b = units.AppendNumber(s.b, n)
	if s.add(" "); n == 1 {
		s.add(one)
	} else {
		s.add(many)
	}
}

// program names the program that has the socket, as the subject of a sentence.
func (s *sentence) program(r row) {
	if list := r.Owners(); list.Len() > 0 && list.At(0).P.Comm != "" {
		s.process(list.At(0).P)
		return
	}
	s.add("its program")
}

// process names a process.
func (s *sentence) process(p *procfacts.Process) {
	s.add(p.Comm, "(")
	s.b = append(strconv.AppendInt(s.b, int64(p.PID), 10), ')')
}

// why says where a socket's bytes wait, or what it waits for.
func why(b []byte, r row) []byte {
	s := &sentence{b}
	switch r.It.Family {
	case unix.AF_UNIX:
		s.unix(r)
	case unix.AF_NETLINK:
		s.add("to the kernel's ", netfacts.NetlinkFamily(r.It.Protocol))
		s.unread(r)
		s.dropped(r)
	case unix.AF_PACKET:
		s.add("sees frames as they come from ")
		if r.It.Interface == 0 {
			s.add("every interface")
		} else {
			s.add("interface ", strconv.Itoa(int(r.It.Interface)))
		}
		s.unread(r)
	default:
		if r.It.Stream() {
			s.tcp(r)
			break
		}
		s.datagram(r)
	}
	return s.b
}

// unread says what waits to be read.
func (s *sentence) unread(r row) {
	if r.It.RQueue == 0 {
		return
	}
	s.add("; ")
	s.size(uint64(r.It.RQueue))
	s.add(" wait for ")
	s.program(r)
	s.add(" to read them")
}

// dropped says what was dropped because the program that has the socket did not read.
func (s *sentence) dropped(r row) {
	n := r.It.Mem[sockdiag.Drops]
	if !r.It.Told.Has(sockdiag.Dropped) || n == 0 {
		return
	}
	s.add("; ")
	s.count(uint64(n), "packet was dropped here since it was made: ", "packets were dropped here since it was made: ")
	s.program(r)
	s.add(" does not read as fast as they come")
}

// receiveFull says whether a datagram's receive buffer is as good as full: from seven
// eighths on the next datagram may not fit.
func receiveFull(it *sockdiag.Socket) bool {
	buffer := it.Mem[sockdiag.RcvBuf]
	return it.Told.Has(sockdiag.Memory) && buffer > 0 && it.Mem[sockdiag.RmemAlloc] > buffer/8*7
}

// datagram is a socket of UDP, or a raw one: what waits is counted with what
// keeping it costs (net/ipv4/udp.c, udp_rqueue_get).
func (s *sentence) datagram(r row) {
	it := r.It
	switch full := receiveFull(it); {
	case it.RQueue > 0 && full:
		s.add("its receive buffer is full: ")
		s.size(uint64(it.RQueue))
		s.add(" of ")
		s.size(uint64(it.Mem[sockdiag.RcvBuf]))
		s.add(" wait for ")
		s.program(r)
		s.add(" to read them, and what comes is dropped")
		if n := it.Mem[sockdiag.Drops]; n > 0 {
			s.add(": ")
			s.count(uint64(n), "packet", "packets")
			s.add(" since it was made")
		}
		return
	case it.RQueue > 0:
		s.size(uint64(it.RQueue))
		s.add(" wait for ")
		s.program(r)
		s.add(" to read them")
	case it.WQueue > 0:
		s.size(uint64(it.WQueue))
		s.add(" wait in the queue of this host's interface")
	case it.Connected():
		s.add("nothing waits; it talks to one peer alone")
	default:
		s.add("nothing waits; it receives from any sender")
	}
	s.dropped(r)
}

// unix is a socket between processes: what was sent and not read counts as the
// sender's, with what keeping it costs (net/unix/af_unix.c, unix_outq_len).
func (s *sentence) unix(r row) {
	it := r.It
	if it.State == sockdiag.Listen {
		s.listener(r)
		return
	}
	peer := nameOf(r.Net.OwnersOf(it.Unix.Peer))
	if peer == "" {
		peer = "the other side"
	}
	switch {
	case it.RQueue > 0 && unixDatagrams(it): // what it has is of the first (net/unix/af_unix.c, unix_inq_len)
		s.add("datagrams wait for ")
		s.program(r)
		s.add(" to read them: the first has ")
		s.size(uint64(it.RQueue))
	case it.RQueue > 0:
		s.size(uint64(it.RQueue))
		s.add(" from ", peer, " wait for ")
		s.program(r)
		s.add(" to read them")
	case it.WQueue > 0 && it.Told.Has(sockdiag.Memory) && it.Mem[sockdiag.WmemAlloc] >= it.Mem[sockdiag.SndBuf]:
		s.add("its send buffer is full: ")
		s.size(uint64(it.WQueue))
		s.add(" wait for ", peer, " to read them")
	case it.WQueue > 0:
		s.size(uint64(it.WQueue))
		s.add(" wait for ", peer, " to read them")
		if unixDatagrams(it) { // unix_dgram_sendmsg, unix_recvq_full; how many wait there no kernel tells
			s.add("; where more than net.unix.max_dgram_qlen datagrams wait there, send has to wait too")
		}
	case !it.Told.Has(sockdiag.Netlink):
		s.add("only sock_diag shows what waits, and who has the other end")
	default:
		s.idleUnix(r, peer)
	}
}

// unixDatagrams says of a unix socket that it is of datagrams.
func unixDatagrams(s *sockdiag.Socket) bool { return s.Unix != nil && s.Unix.Type == unix.SOCK_DGRAM }

// idleUnix says who is on the other side of a unix socket that nothing waits in. A
// peer without a number has no file: closed, or not accepted yet. A socket of datagrams needs none, and
// since 5.15 is in state ESTABLISHED once another has connected to it (net/unix/af_unix.c, unix_dgram_connect).
func (s *sentence) idleUnix(r row, peer string) {
	const receiving = 1
	it := r.It
	datagrams := unixDatagrams(it)
	switch {
	case it.Unix.Peer != 0 && peer == "the other side":
		s.add("nothing waits; no visible process has the other end")
	case it.Unix.Peer != 0:
		s.add("nothing waits; ", peer, " has the other end")
	case datagrams && it.Unix.Name != "":
		s.add("receives what is sent to its name; nothing waits")
	case datagrams:
		s.add("has no name and no peer; nothing waits")
	case it.Told.Has(sockdiag.Peer) && it.Closed&receiving == 0:
		s.add("connected, and not accepted yet by the other side")
	case it.State == sockdiag.Established:
		s.add("nothing waits; the other end is closed")
	case it.Unix.Name != "":
		s.add("bound to its name, and neither listens nor is connected")
	default:
		s.add("has no name and no peer")
	}
}

// listener is one of TCP or a unix socket: the kernel refuses when more wait than
// the limit, so that one more than it fits (include/net/sock.h,
// sk_acceptq_is_full).
func (s *sentence) listener(r row) {
	it := r.It
	known := it.Told.Has(sockdiag.Queues)
	switch waits, most := uint64(it.RQueue), uint64(it.WQueue)+1; {
	case !known && !it.Stream():
		s.add("accepts connections; only sock_diag shows how many wait")
	case known && waits >= most:
		s.add("its accept queue is full: ")
		s.count(waits, "connection waits for ", "connections wait for ")
		s.program(r)
		s.add(" to accept, and no more fit")
	case waits > 0:
		s.count(waits, "connection waits for ", "connections wait for ")
		s.program(r)
		s.add(" to accept")
		if known {
			s.add(", of ")
			s.b = units.AppendNumber(s.b, most)
			s.add(" that fit")
		}
	default:
		s.add("accepts connections; none waits to be accepted")
	}
	if n := r.Net.HalfOpen(it); it.Stream() && n > 0 {
		s.add("; ")
		s.count(uint64(n), "is half open", "are half open")
	}
	if n := it.Mem[sockdiag.Drops]; it.Told.Has(sockdiag.Dropped) && n > 0 {
		s.add("; ")
		s.count(uint64(n), "packet was dropped here since it was made", "packets were dropped here since it was made")
	}
}
