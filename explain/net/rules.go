package net

import (
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
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
			"at growing intervals, whether that has changed. It asks so too where nothing of what it sends leaves this host.",
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
				closedWindow(r.It)
		},
	}, notAcknowledged(), notAnswered(), receiveBufferFull(), {
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

func notAcknowledged() rule {
	return rule{
		ID: "net.not_acknowledged", What: "how often the oldest segment was retransmitted", Unit: explain.Count,
		Means: "Nothing came back for it. Each try waits twice as long as the one before, up to 120 s. The connection ends with ETIMEDOUT " +
			"at the end of the time that tcp_retries2 tries would take: some 15 minutes with 15.",
		Evidence: []string{"tcpi_retransmits", "send_q"}, Concept: "congestion-control", Next: "kwhy explain congestion-control",
		Of: func(r row) value {
			if !r.It.Stream() || len(r.It.Info) == 0 || r.It.State == sockdiag.SynSent {
				return value{}
			}
			return explain.N(r.It.Info.Num(sockdiag.Retransmits))
		},
		At: explain.At{Notice: 3, Warning: 6},
		Say: func(r row) string {
			return r.It.Remote().String() + " has not acknowledged what " + named(r) + " sent, though it was retransmitted " +
				units.Plural(r.It.Info.Num(sockdiag.Retransmits), "time", "times")
		},
	}
}

// notAnswered judges a connect that gets no answer. One that is refused has got one.
func notAnswered() rule {
	return rule{
		ID: "net.syn_not_answered", What: "how often the SYN was retransmitted", Unit: explain.Count,
		Means: "connect has no answer: the host is gone, a filter drops the SYN or the answer, or the listener's queue is full. " +
			"It ends by itself with ETIMEDOUT, after tcp_syn_retries tries and, since 6.5, tcp_syn_linear_timeouts more that come a " +
			"second apart.",
		Evidence: []string{"tcpi_retransmits", "state"}, Concept: "tcp-states", Next: "kwhy explain tcp-states",
		Of: func(r row) value {
			if !r.It.Stream() || len(r.It.Info) == 0 || r.It.State != sockdiag.SynSent {
				return value{}
			}
			return explain.N(r.It.Info.Num(sockdiag.Retransmits))
		},
		At: explain.At{Notice: 3},
		Say: func(r row) string {
			return r.It.Remote().String() + " does not answer " + named(r) + ", which has asked for a connection " +
				units.Plural(r.It.Info.Num(sockdiag.Retransmits), "more time", "more times")
		},
	}
}

// receiveBufferFull judges the buffer of a socket without connections as it is now: what
// it has dropped is of its whole life. The kernel compares the memory of what waits with the
// buffer, and not its bytes (net/ipv4/udp.c, __udp_enqueue_schedule_skb).
func receiveBufferFull() rule {
	return rule{
		ID: "net.receive_buffer_full", What: "sk_rmem_alloc / sk_rcvbuf of a socket without connections", Unit: explain.Ratio,
		Means: "Its receive buffer is full now: its program does not read as fast as datagrams come, or does not read at all. " +
			"What does not fit is dropped, and the sender does not learn of it.",
		Evidence: []string{"sk_rmem_alloc", "sk_rcvbuf", "recv_q"}, Concept: "socket-buffers", Next: "kwhy net sockets --protocol udp",
		NextOf: nextOfReader,
		Of: func(r row) value {
			if r.It.Stream() || r.It.Unix != nil || !r.It.Told.Has(sockdiag.Memory) || r.It.Mem[sockdiag.RcvBuf] == 0 {
				return value{}
			}
			if r.It.RQueue == 0 {
				return explain.F(0)
			}
			return explain.F(float64(r.It.Mem[sockdiag.RmemAlloc]) / float64(r.It.Mem[sockdiag.RcvBuf]))
		},
		At: explain.At{Notice: 0.875, Warning: 0.98},
		Say: func(r row) string {
			has := named(r) + " has " + units.Size(uint64(r.It.Mem[sockdiag.RmemAlloc])) + " waiting"
			if r.Owners().Len() == 0 {
				has = units.Size(uint64(r.It.Mem[sockdiag.RmemAlloc])) + " of datagrams wait to be read"
			}
			return has + " at " + r.It.ProtocolName() + " " + localName(r.It) +
				", whose buffer is " + units.Size(uint64(r.It.Mem[sockdiag.RcvBuf])) + ": what does not fit is dropped"
		},
	}
}

// nextOfReader is to look at who does not read.
func nextOfReader(r row) string {
	if list := r.Owners(); list.Len() > 0 {
		return "kwhy proc " + strconv.Itoa(int(list.At(0).P.PID))
	}
	return listing(r.Net) + " --protocol udp"
}

// probes are how often a closed window was probed. The count of probes starts
// again with every answer; what each of them doubles the interval by does not, until
// the window opens (net/ipv4/tcp_output.c, tcp_send_probe0; tcp_input.c,
// tcp_ack_probe). It ends at tcp_retries2, which is 15.
func probes(s *sockdiag.Socket) uint64 {
	return max(s.Info.Num(sockdiag.Probes), s.Info.Num(sockdiag.Backoff))
}

// unansweredProbes are so many that not only the last is on its way.
const unansweredProbes = 2

// closedWindow says why what is written is not sent: the peer has no room for it. Where it does not even
// answer probes, these may not leave this host: the kernel probes too where it could not send at all
// (net/ipv4/tcp_output.c, tcp_write_xmit, __tcp_push_pending_frames).
func closedWindow(s *sockdiag.Socket) string {
	if n := s.Info.Num(sockdiag.Probes); n >= unansweredProbes {
		return ", and gets no answer to " + units.Plural(n, "probe", "probes") +
			": its window is closed and it does not answer, or what is sent does not leave this host " +
			"(a rule that drops it, an interface that is down)"
	}
	return ", whose window is closed"
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
	return listing(r.Net) + " --interval 1s"
}

// listing is the command that lists the sockets of the same network namespace: of another than kwhy's
// own by a process that lives there.
func listing(n *netfacts.Sockets) string {
	pid, _, _ := strings.Cut(n.Dir, "/")
	if _, ok := inspect.ParsePID(pid); !ok || n.Own {
		return "kwhy net sockets"
	}
	return "kwhy net sockets " + pid
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
		Means: "The handshakes are done, and the program calls accept too slowly or not at all. When it is full the kernel drops the SYNs " +
			"of further ones: their clients wait and try again. Of a unix socket, connect waits or gets EAGAIN.",
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
					", of " + room + " at most: they may not be accepted as fast as they come"
			}
			return named(r) + " has " + units.Plural(r.It.RQueue, "connection", "connections") + " waiting at " +
				at + ", of " + room + " at most: it may not accept as fast as they come"
		},
	}
}

// Listeners is the table of sockets that take connections, the fullest first.
func Listeners() *explain.Table[row] {
	keep := map[string]explain.Show{
		"protocol": explain.Always, "local_endpoint": explain.Always, "local": explain.Data, "local_port": explain.Data,
		"accept_queue": explain.Always, "accept_limit": explain.Always, "sk_drops": explain.Always,
		"process": explain.Always, "pid": explain.Data, "owners": explain.Data,
		"cgroup": explain.Data, "uid": explain.Data, "inode": explain.Data, "source": explain.Data,
	}
	t := &explain.Table[row]{
		Name:     "listeners",
		Identity: []string{"protocol", "local_endpoint"}, Sort: []string{"accept_used"},
		Rules: []rule{acceptQueueFull()},
	}
	for _, f := range Sockets().Fields {
		show, ok := keep[f.Key]
		if !ok {
			continue
		}
		f.Show = show
		switch f.Key {
		case "accept_queue":
			f.Label = "ACCEPT-Q"
			t.Fields = append(t.Fields, f)
			continue
		case "accept_limit":
			f.Label = "BACKLOG"
			t.Fields = append(t.Fields, f, acceptUsed(), synQueue())
			continue
		}
		t.Fields = append(t.Fields, f)
	}
	t.Fields = append(t.Fields, whyColumn())
	return t
}

func acceptUsed() column {
	return column{
		Doc: doc{
			Key: "accept_used", Unit: explain.Ratio, Show: explain.Data, Source: inspect.SockDiag,
			Concept: "accept-queue",
			Gist:    "How full its accept queue is; it holds one more than the limit.",
		},
		Get: func(r row) value {
			if !r.It.Told.Has(sockdiag.Queues) {
				return value{} // this kernel's sock_diag does not tell it
			}
			return explain.F(float64(r.It.RQueue) / (float64(r.It.WQueue) + 1))
		},
	}
}

func synQueue() column {
	return column{
		Doc: doc{
			Key: "syn_queue", Label: "SYN-Q", Unit: explain.Count, Show: explain.Always,
			Source: inspect.NetSockets, Concept: "accept-queue",
			Gist: "Connections to it that are half open: its SYN_RECV sockets.",
		},
		Get: func(r row) value {
			if !r.It.Stream() {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(r.Net.HalfOpen(r.It))
		},
	}
}

// Use counts the sockets of a network namespace by protocol and state.
func Use() *explain.Table[netfacts.UsePart] {
	type part = netfacts.UsePart
	ofState := func(d doc, get func(part) value) explain.Field[part] {
		d.Source = inspect.NetSockets
		if d.Concept == "" {
			d.Concept = "tcp-states"
		}
		return explain.Field[part]{Doc: d, Get: get}
	}
	return &explain.Table[part]{Name: "states", Identity: []string{"protocol", "state"}, Fields: []explain.Field[part]{
		ofState(doc{
			Key:   "protocol",
			Words: protocols(),
			Gist:  "The protocol; both versions of IP together.",
		}, func(p part) value { return explain.S(p.It.Protocol) }),
		ofState(doc{
			Key:   "state",
			Words: states(),
			Gist:  "Their state between opening and closing.",
		}, func(p part) value { return text(p.It.State) }),
		ofState(doc{
			Key: "sockets", Unit: explain.Count, Bar: true,
			Gist: "How many there are.",
		}, func(p part) value { return explain.I(p.It.N) }),
		ofState(doc{Key: "why", Gist: "What many sockets in this state mean."}, func(p part) value { return explain.S(whyUse(p)) }),
	}, Rules: []explain.Rule[part]{closeWaitOfOne()}}
}

// closeWaitOfOne judges by who has most in CLOSE_WAIT: a few of each of many programs are on their
// way to be closed. Those whose program is not known may be of one.
func closeWaitOfOne() explain.Rule[netfacts.UsePart] {
	type part = netfacts.UsePart
	return explain.Rule[part]{
		ID: "net.close_wait", What: "connections of one process in CLOSE_WAIT, or of those that could not be seen", Unit: explain.Count,
		Means: "The peer has closed and the kernel waits for the program here to do the same. " +
			"Without keepalive no timer ends that once all is sent: a program with this many has lost track of them, and " +
			"keeps a descriptor and a port for each.",
		Evidence: []string{"sockets", "state"}, Concept: "tcp-states", Next: "kwhy net sockets --state CLOSE_WAIT",
		NextOf: func(p part) string {
			next := listing(p.In) + " --state CLOSE_WAIT"
			if len(p.It.Holders) > 0 && p.It.MostN >= p.It.Unowned {
				next += " --process " + strconv.Itoa(int(p.It.Holders[0].PID))
			}
			return next
		},
		Of: func(p part) value {
			if p.It.Of != sockdiag.CloseWait {
				return value{}
			}
			return explain.I(max(p.It.MostN, p.It.Unowned))
		},
		At: explain.At{Notice: 50, Warning: 1000},
		Say: func(p part) string {
			s := units.Plural(p.It.N, "connection that the peer has closed is", "connections that the peer has closed are") + " kept open here"
			for i, h := range p.It.Holders {
				between := ", "
				if i == 0 {
					between = ": "
				}
				s += between + units.Number(h.N) + " by " + h.Name
			}
			if p.It.Unowned > 0 && len(p.It.Holders) > 0 {
				s += "; of " + units.Number(p.It.Unowned) + " no process that could be seen has a descriptor"
			}
			return s
		},
	}
}

// whyUse says what a state says when there are many of it.
func whyUse(p netfacts.UsePart) string {
	who := ""
	switch {
	case p.It.Most == "" || p.It.MostN <= 1:
	case p.It.Sure:
		who = "; most, " + units.Number(p.It.MostN) + ", are " + p.It.Most + "'s"
	default:
		who = "; " + units.Number(p.It.MostN) + " are " + p.It.Most + "'s, more than any other's that could be seen"
	}
	switch p.It.Of {
	case sockdiag.TimeWait:
		return "Closed here first, each kept 60 s so that late segments die out: " + units.Number((p.It.N+59)/60) +
			" per second at an even rate. Each takes a port and little memory; no program has it open."
	case sockdiag.CloseWait:
		return "The peer has closed and the program here has not: one that stays so is a leak" + who + "."
	case sockdiag.FinWait1, sockdiag.Closing, sockdiag.LastAck:
		return closedHere(p) + ", and the peer does not acknowledge" + orphans(p) + "."
	case sockdiag.FinWait2:
		s := closedHere(p) + ", and the peer keeps its side open"
		if p.It.Orphans > 0 {
			s += "; " + units.Plural(p.It.Orphans, "has no process any more and ends", "have no process any more and end") +
				" after tcp_fin_timeout"
		}
		return s + "."
	case sockdiag.SynSent:
		return "Connections that have no answer yet" + who + "."
	case sockdiag.SynRecv:
		return "Answered, and not confirmed by the peer: many mean a SYN flood, or replies that get lost."
	case sockdiag.Listen:
		return "Accept connections" + who + "."
	case sockdiag.Close:
		switch p.It.Protocol {
		case "tcp":
			return "Bound to an address, neither listening nor connected" + who + "."
		case "unix":
			return unconnected(p.It.N, p.It.Datagrams) + who + "."
		}
		return "Receive from any sender" + who + "."
	case sockdiag.Established:
		return connected(p, who)
	}
	return "Neither connected nor listening" + who + "."
}

// closedHere says that this side has sent its FIN: what a program still has was shut down for sending alone.
func closedHere(p netfacts.UsePart) string {
	switch p.It.Orphans {
	case p.It.N:
		return "Closed here"
	case 0:
		return "Shut down for sending here"
	}
	return "Closed or shut down for sending here"
}

// unconnected is of unix sockets without a peer: of them only those of datagrams receive anything
// (net/unix/af_unix.c, unix_stream_read_generic, unix_dgram_sendmsg).
func unconnected(n, datagrams int) string {
	switch datagrams {
	case n:
		return "Those with a name receive datagrams from any sender"
	case 0:
		return "Neither listening nor connected: they receive nothing"
	}
	return units.Number(datagrams) + " of datagrams, which receive from any sender if they have a name; " +
		"the others are neither listening nor connected"
}

func orphans(p netfacts.UsePart) string {
	if p.It.Orphans == 0 {
		return ""
	}
	return "; " + units.Plural(p.It.Orphans, "is an orphan", "are orphans") + " that no process has any more"
}

func connected(p netfacts.UsePart, who string) string {
	s := "Connected" + who
	if p.It.Orphans > 0 {
		s += "; " + units.Plural(p.It.Orphans, "waits", "wait") + " to be accepted"
	}
	return s + "."
}
