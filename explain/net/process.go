package net

import (
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

type (
	process      = *netfacts.Process
	processField = explain.Field[*netfacts.Process]
)

// Process sums up the sockets of one process.
func Process() explain.Card[*netfacts.Process] {
	return explain.Card[*netfacts.Process]{Name: "net PID", Sections: []explain.Section[*netfacts.Process]{
		{Title: "Summary", Fields: summary()},
		{Title: "Listening sockets", Table: "listeners"},
		{Title: "Sockets", Table: "sockets"},
	}}
}

// ofProcess declares a value of all sockets of a process.
func ofProcess(d doc, get func(process) value, read func(process) string) processField {
	if d.Source == inspect.None {
		d.Source = inspect.NetSockets
	}
	if d.Concept == "" {
		d.Concept = "socket"
	}
	if d.Source == inspect.PIDNs {
		return processField{Doc: d, Get: get, Reading: read}
	}
	d.Also = []inspect.Source{inspect.PIDFd} // which says which sockets are its own
	return processField{Doc: d, Get: func(p process) value {
		if p.FDs != inspect.Present {
			return explain.None(p.FDs)
		}
		return get(p)
	},
		Reading: read}
}

// sumOf declares a sum over all sockets of a process, in bytes unless the unit is set.
func sumOf(d doc, of func(*sockdiag.Socket) uint64, read func(process) string) processField {
	if d.Unit == explain.Text {
		d.Unit = explain.Bytes
	}
	return ofProcess(d, func(p process) value { return explain.N(total(p, of)) }, read)
}

func summary() []processField {
	return []processField{
		ofProcess(doc{
			Key: "net_namespace", Label: "namespace", Unit: explain.ID, Source: inspect.PIDNs, Concept: "namespaces",
			Gist: "The network namespace that its sockets are in.",
		}, func(p process) value { return explain.N(p.Net.Namespace) }, readNamespace),
		ofProcess(doc{
			Key: "sockets", Unit: explain.Count,
			Gist: "Its sockets, however many descriptors lead to each.",
		}, func(p process) value { return explain.I(p.Mine.Len()) }, readSockets),
		sumOf(doc{
			Key: "unread", Label: "receive queues", Concept: "flow-control",
			Gist: "Received bytes that it has not read.",
		}, unreadBytes, func(p process) string {
			n := countOf(p, func(s *sockdiag.Socket) bool { return unreadBytes(s) > 0 })
			if n == 0 {
				return "It has read all that came."
			}
			s := "In " + units.Plural(n, "socket", "sockets") + ": they wait for this program."
			if countOf(p, func(s *sockdiag.Socket) bool { return unreadBytes(s) > 0 && strings.HasPrefix(s.ProtocolName(), "udp") }) > 0 {
				s += " Of UDP it is the memory that they take, which is more." // sk_rmem_alloc (net/ipv4/udp_diag.c)
			}
			if countOf(p, func(s *sockdiag.Socket) bool { return unreadBytes(s) > 0 && unixDatagrams(s) }) > 0 {
				s += " Of unix datagrams it is the first of each socket alone."
			}
			return s
		}),
		sumOf(doc{
			Key: "unacknowledged", Label: "send queues", Concept: "flow-control",
			Gist: "Bytes that it wrote and that the peers have not acknowledged.",
		}, unackedBytes, func(p process) string {
			n := countOf(p, func(s *sockdiag.Socket) bool { return unackedBytes(s) > 0 })
			if n == 0 {
				return "All that it wrote has reached the peers."
			}
			return "In " + units.Plural(n, "socket", "sockets") + ": they wait here, in the network or in the peers."
		}),
		sumOf(doc{
			Key: "socket_memory", Source: inspect.SockDiag, Concept: "socket-buffers",
			Gist: "Memory of its sockets' buffers now, the kernel's overhead included.",
		}, func(s *sockdiag.Socket) uint64 {
			return uint64(s.Mem[sockdiag.RmemAlloc]) + uint64(s.Mem[sockdiag.WmemQueued]) + uint64(s.Mem[sockdiag.FwdAlloc])
		}, func(process) string {
			return "Receive and send queues, and what is reserved for them; it is not part of RSS."
		}),
		sumOfTCP(sockdiag.BytesReceived, doc{
			Key: "received", Label: "bytes_received", Counter: true,
			Source: inspect.SockDiag, Since: since(4, 1), Concept: "flow-control",
			Gist: "Bytes that its TCP sockets received since each was made.",
		}, nil),
		sumOfTCP(sockdiag.BytesAcked, doc{
			Key: "acknowledged", Label: "bytes_acked", Counter: true,
			Source: inspect.SockDiag, Since: since(4, 1), Concept: "flow-control",
			Gist: "Bytes of its TCP sockets that the peers acknowledged since each was made.",
		}, nil),
		sumOfTCP(sockdiag.TotalRetrans, doc{
			Key: "retransmitted", Label: "total_retrans",
			Unit: explain.Count, Counter: true, Source: inspect.SockDiag,
			Concept: "congestion-control",
			Gist:    "Segments that its TCP sockets retransmitted since each was made.",
		}, readRetransmitted),
		sumOf(doc{
			Key: "socket_drops", Label: "drops", Unit: explain.Count, Counter: true, Concept: "socket-buffers",
			Gist: "Packets dropped at its sockets since each was made.",
		}, dropped, func(p process) string {
			if total(p, dropped) == 0 {
				return "None."
			}
			return "Usually it did not read, or accept, as fast as they came."
		}),
	}
}

// sumOfTCP is a sum over sockets of TCP: of a process that has none there is none, nor
// of a kernel that does not count it. What those did that were closed over an interval is
// not in it.
func sumOfTCP(f sockdiag.InfoField, d doc, read func(process) string) processField {
	d.Show = explain.Rare
	out := sumOf(d, ofInfo(f), read)
	get := out.Get
	out.Get = func(p process) value {
		all := countOf(p, func(s *sockdiag.Socket) bool { return len(s.Info) > 0 })
		known := countOf(p, func(s *sockdiag.Socket) bool { _, ok := s.Info.Get(f); return ok })
		switch {
		case all == 0 && !p.Earlier:
			return explain.None(inspect.Inapplicable)
		case known < all:
			return value{}
		}
		return get(p)
	}
	return out
}

// ofInfo is one number of tcp_info, for sums.
func ofInfo(f sockdiag.InfoField) func(*sockdiag.Socket) uint64 {
	return func(s *sockdiag.Socket) uint64 { return s.Info.Num(f) }
}

func readRetransmitted(p process) string {
	again, sent := total(p, ofInfo(sockdiag.TotalRetrans)), total(p, ofInfo(sockdiag.DataSegsOut))
	if again == 0 || countOf(p, func(s *sockdiag.Socket) bool { return len(s.Info) > 0 && !knowsData(s) }) > 0 {
		return ""
	}
	switch data := total(p, dataAgain); data {
	case 0:
		return "None of them carried data: SYNs, answers to SYNs, or FINs."
	case again:
		return units.Percent(data, sent) + " of the segments with data that they sent."
	default:
		return "At most " + units.Percent(data, sent) + " of the segments with data that they sent: at least " +
			units.Number(again-data) + " were SYNs, answers to SYNs, or FINs."
	}
}

// knowsData says whether the kernel counts a socket's segments with data, as it does since 4.6.
func knowsData(s *sockdiag.Socket) bool {
	_, ok := s.Info.Get(sockdiag.DataSegsOut)
	return ok
}

// dataAgain bounds the segments with data that a socket retransmitted: what it retransmitted in all has SYNs
// and FINs too, and the segments with data that it sent have those that it sent again
// (net/ipv4/tcp_output.c, __tcp_transmit_skb, __tcp_retransmit_skb). bytes_retrans is of data alone.
func dataAgain(s *sockdiag.Socket) uint64 {
	if n, ok := s.Info.Get(sockdiag.BytesRetrans); ok && n == 0 {
		return 0
	}
	return min(s.Info.Num(sockdiag.TotalRetrans), s.Info.Num(sockdiag.DataSegsOut))
}

// unreadBytes are those that wait to be read. The peer's FIN counts as one in the
// queue of a socket that has got it, and is no byte to read.
func unreadBytes(s *sockdiag.Socket) uint64 {
	switch {
	case s.IsListener():
		return 0
	case s.Stream() && s.RQueue > 0 && gotFIN(s.State):
		return uint64(s.RQueue) - 1
	}
	return uint64(s.RQueue)
}

// unackedBytes are those that the peer has not acknowledged, without its own SYN or
// FIN, which count as one.
func unackedBytes(s *sockdiag.Socket) uint64 {
	switch {
	case s.IsListener():
		return 0
	case s.Stream() && s.WQueue > 0 && owesAck(s.State):
		return uint64(s.WQueue) - 1
	}
	return uint64(s.WQueue)
}

// gotFIN says of the states in which the peer's FIN stands in the receive queue.
func gotFIN(s sockdiag.State) bool {
	return s == sockdiag.CloseWait || s == sockdiag.LastAck || s == sockdiag.Closing
}

// owesAck says of the states in which its own SYN or FIN stands in the send queue.
func owesAck(s sockdiag.State) bool {
	return s == sockdiag.SynSent || s == sockdiag.FinWait1 || s == sockdiag.LastAck || s == sockdiag.Closing
}

func dropped(s *sockdiag.Socket) uint64 { return uint64(s.Mem[sockdiag.Drops]) }

func total(p process, of func(*sockdiag.Socket) uint64) (sum uint64) {
	for i := range p.Mine.Len() {
		sum += of(p.Mine.At(i).It)
	}
	return sum
}

func countOf(p process, is func(*sockdiag.Socket) bool) (n int) {
	for i := range p.Mine.Len() {
		if is(p.Mine.At(i).It) {
			n++
		}
	}
	return n
}

// readNamespace says whose namespace that is, and how it was asked.
func readNamespace(p process) string {
	if !p.Net.Host.Live {
		return "The copy has its tables of sockets: only addresses, state and queues are known."
	}
	s := "Another than kwhy's own"
	if p.Net.Own {
		s = "The one that kwhy itself is in"
	}
	switch p.Net.Missing(inspect.SockDiag) {
	case inspect.Present:
		if !p.Net.Own {
			s += "; a thread of kwhy entered it to ask the kernel"
		}
	case inspect.Denied:
		s += "; kwhy may not enter it, so that only addresses, state and queues are known, from /proc"
	default:
		s += "; the kernel could not be asked, so that only addresses, state and queues are known, from /proc"
	}
	return s + "."
}

// readSockets counts them by protocol and state.
func readSockets(p process) string {
	var order []string
	counts := map[string]int{}
	for i := range p.Mine.Len() {
		s := p.Mine.At(i).It
		name := strings.TrimSpace(strings.TrimSuffix(s.ProtocolName(), "6") + " " + s.StateName())
		if counts[name]++; counts[name] == 1 {
			order = append(order, name)
		}
	}
	if len(order) == 0 {
		return "None that the kernel lists."
	}
	for i, name := range order {
		order[i] = units.Number(counts[name]) + " " + name
	}
	return strings.Join(order, ", ") + "."
}
