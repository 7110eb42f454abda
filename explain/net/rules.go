package net

import (
	"strconv"

	"kwhy/explain"
	"kwhy/explain/units"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

type rule = explain.Rule[netfacts.SocketRow]

// rules judge one socket. That a listener's queue is full is declared with the
// listeners.
func rules() []rule {
	full := explain.LiftRule(acceptQueueFull(), func(r row) row { return r })
	return []rule{full, {
		ID: "net.window_closed", What: "window probes without an answer that opened the window", Unit: explain.Count,
		Means: "The peer's receive buffer is full and it advertises a window of 0: the sender may only ask, " +
			"at growing intervals, whether that has changed.",
		Evidence: []string{"tcpi_backoff", "timer", "send_q"}, Concept: "flow-control", Next: "kwhy explain flow-control",
		Of: func(r row) value {
			if r.It.Timer != probing || !r.It.Stream() {
				return value{}
			}
			return explain.N(probes(r.It))
		},
		At: explain.At{Notice: 3, Warning: 8}, // after about 1.5 s and 50 s at the least
		Say: func(r row) string {
			return named(r) + " has " + units.Size(uint64(r.It.WQueue)) + " for " + r.It.Remote().String() +
				", whose window is closed" + unanswered(r.It)
		},
	}, {
		ID: "net.not_acknowledged", What: "how often the oldest segment was retransmitted", Unit: explain.Count,
		Means: "Nothing came back for it. Each try waits twice as long as the one before, and after tcp_retries2 of them the " +
			"connection ends with ETIMEDOUT.",
		Evidence: []string{"tcpi_retransmits", "send_q"}, Concept: "congestion-control", Next: "kwhy explain congestion-control",
		Of: func(r row) value {
			if !r.It.Stream() || len(r.It.Info) == 0 {
				return value{}
			}
			return explain.N(r.It.Info.Num(sockdiag.Retransmits))
		},
		At: explain.At{Notice: 3, Warning: 6},
		Say: func(r row) string {
			again := ", though it was retransmitted " + units.Plural(r.It.Info.Num(sockdiag.Retransmits), "time", "times")
			if r.It.State == sockdiag.SynSent {
				return r.It.Remote().String() + " does not answer " + named(r) +
					", which has asked for a connection " + units.Plural(r.It.Info.Num(sockdiag.Retransmits), "more time", "more times")
			}
			return r.It.Remote().String() + " has not acknowledged what " + named(r) + " sent" + again
		},
	}, {
		ID: "net.unread", What: "seconds since the last data arrived that is still unread", Unit: explain.Seconds,
		Means:    "It waits in the receive queue: the connection works, and the program does not read.",
		Evidence: []string{"recv_q", "tcpi_last_data_recv"}, Concept: "flow-control", Next: "kwhy proc PID",
		Of: func(r row) value {
			ms, ok := r.It.Info.Get(sockdiag.LastDataRecv)
			if !ok || r.It.State != sockdiag.Established || r.It.RQueue == 0 || r.It.Inode == 0 {
				return value{}
			}
			return explain.F(float64(ms) / 1e3)
		},
		At: explain.At{Notice: 10, Warning: 300},
		Say: func(r row) string {
			return named(r) + " has not read " + units.Size(uint64(r.It.RQueue)) + " from " +
				r.It.Remote().String() + " for " + units.Span(float64(r.It.Info.Num(sockdiag.LastDataRecv))/1e3) + " at least"
		},
	}, {
		ID: "net.datagrams_dropped", BasisOf: dropsBasis, What: "sk_drops", Unit: explain.Count,
		Means:    "Its receive buffer was full when they came: the kernel drops what does not fit, and the sender does not learn of it.",
		Evidence: []string{"sk_drops"}, Concept: "socket-buffers", Next: "kwhy net sockets --interval 1s", NextOf: nextOfDrops,
		Of: dropsOf,
		At: explain.At{Notice: 1, Warning: 1000},
		Say: func(r row) string {
			n, over := drops(r)
			if r.Owners().Len() == 0 {
				return units.Plural(n, "datagram was", "datagrams were") + " lost at " + r.It.ProtocolName() + " " +
					localName(r.It) + " " + over + ": they are not read as fast as they come"
			}
			return named(r) + " lost " + units.Plural(n, "datagram", "datagrams") + " at " + r.It.ProtocolName() +
				" " + localName(r.It) + " " + over + ": it does not read as fast as they come"
		},
	}}
}

// probes are how often a closed window was probed. The count of probes starts
// again with every answer; what each of them doubles the interval by does not, until
// the window opens (net/ipv4/tcp_output.c, tcp_send_probe0; tcp_input.c,
// tcp_ack_probe). It ends at tcp_retries2, which is 15.
func probes(s *sockdiag.Socket) uint64 {
	return max(s.Info.Num(sockdiag.Probes), s.Info.Num(sockdiag.Backoff))
}

// unanswered says that the peer does not even answer probes.
func unanswered(s *sockdiag.Socket) string {
	const some = 2 // one is on its way
	if n := s.Info.Num(sockdiag.Probes); n >= some {
		return ", and the peer does not answer " + units.Plural(n, "probe", "probes")
	}
	return ""
}

// drops are those of an interval, or of the socket's life where there is none.
func drops(r row) (n uint32, over string) {
	n = r.It.Mem[sockdiag.Drops]
	if was, span, ok := r.Before(); ok && was.It.Mem[sockdiag.Drops] <= n {
		return n - was.It.Mem[sockdiag.Drops], "in " + units.Span(span.Seconds())
	}
	return n, "since the socket was made"
}

// nextOfDrops is to see whether it goes on, or who it is that does not read.
func nextOfDrops(r row) string {
	if list := r.Owners(); dropsBasis(r) == explain.Interval && list.Len() > 0 {
		return "kwhy proc " + strconv.Itoa(int(list.At(0).P.PID))
	}
	return "kwhy net sockets --interval 1s"
}

func dropsBasis(r row) explain.Basis {
	if _, _, ok := r.Before(); ok {
		return explain.Interval
	}
	return explain.Ever
}

func dropsOf(r row) value {
	if r.It.Stream() || r.It.Unix != nil || !r.It.Told.Has(sockdiag.Dropped) {
		return value{}
	}
	n, _ := drops(r)
	return explain.N(n)
}

// named is who has a socket, or which it is.
func named(r row) string {
	if list := r.Owners(); list.Len() > 0 && list.At(0).P.Comm != "" {
		p := list.At(0).P
		return p.Comm + " (" + strconv.Itoa(int(p.PID)) + ")"
	}
	return "the socket at " + localName(r.It)
}

// acceptQueueFull judges a listener by how full its queue is: it holds one more
// than the limit.
func acceptQueueFull() rule {
	return rule{
		ID: "net.accept_queue_full", What: "connections that wait / (the limit + 1)", Unit: explain.Ratio,
		Means: "The handshakes are done and the program does not call accept. When the queue is full the kernel drops the SYNs " +
			"of further ones: their clients wait and try again.",
		Evidence: []string{"accept_queue", "accept_limit"}, Concept: "accept-queue", Next: "kwhy explain accept-queue",
		Of: func(r row) value {
			if !r.It.IsListener() || !r.It.Told.Has(sockdiag.Queues) || r.It.WQueue < 1 {
				return value{}
			}
			return explain.F(float64(r.It.RQueue) / (float64(r.It.WQueue) + 1))
		},
		At: explain.At{Notice: 0.75, Warning: 1},
		Say: func(r row) string {
			at, room := r.It.ProtocolName()+" "+localName(r.It), units.Number(uint64(r.It.WQueue)+1)
			if r.Owners().Len() == 0 {
				return units.Plural(r.It.RQueue, "connection waits", "connections wait") + " at " + at +
					", where there is room for " + room + ": they are not accepted as fast as they come"
			}
			return named(r) + " has " + units.Plural(r.It.RQueue, "connection", "connections") + " waiting at " +
				at + ", and room for " + room + ": it does not accept as fast as they come"
		},
	}
}
