package net

import (
	"kwhy/explain"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

type (
	row    = netfacts.SocketRow
	column = explain.Field[netfacts.SocketRow]
)

// states are the words of a socket's state (include/net/tcp_states.h).
func states() []explain.Word {
	word := func(s sockdiag.State, gist string) explain.Word {
		return explain.Word{Name: s.String(), Gist: gist, Concept: "tcp-states"}
	}
	return []explain.Word{
		word(sockdiag.Established, "Connected; of UDP: it has a peer set."),
		word(sockdiag.SynSent, "A SYN was sent, and no answer came yet."),
		word(sockdiag.SynRecv, "Half open: answered, and not confirmed by the peer yet."),
		word(sockdiag.FinWait1, "Closed here first; the peer has yet to acknowledge that."),
		word(sockdiag.FinWait2, "Closed here first and acknowledged; the peer has yet to close."),
		word(sockdiag.TimeWait, "Closed by both, kept 60 s by the side that closed first."),
		word(sockdiag.Close, "Not connected: bound to an address at most."),
		word(sockdiag.CloseWait, "The peer has closed; the program here has yet to."),
		word(sockdiag.LastAck, "Closed by both, the peer first; its last acknowledgement is due."),
		word(sockdiag.Listen, "Accepts connections."),
		word(sockdiag.Closing, "Closed by both at the same time; an acknowledgement is due."),
		{Name: "CONNECTED", Gist: "A unix socket with a peer.", Concept: "unix-socket"},
		{Name: "UNCONNECTED", Gist: "A unix socket without a peer.", Concept: "unix-socket"},
	}
}

// protocols are the words of a socket's protocol: the files of /proc/net.
func protocols() []explain.Word {
	word := func(name, gist string, c explain.Concept) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: c}
	}
	return []explain.Word{
		word("tcp", "TCP over IPv4.", "tcp-states"),
		word("tcp6", "TCP over IPv6, and over IPv4 by a socket of IPv6.", "tcp-states"),
		word("udp", "UDP over IPv4.", "socket"),
		word("udp6", "UDP over IPv6, and over IPv4 by a socket of IPv6.", "socket"),
		word("udplite", "UDP-Lite over IPv4: checksums of a part.", "socket"),
		word("udplite6", "UDP-Lite over IPv6.", "socket"),
		word("raw", "IPv4 packets of a protocol, or of any.", "socket"),
		word("raw6", "IPv6 packets of a protocol, or of any.", "socket"),
		word("icmp", "Echo requests of IPv4 without privilege.", "socket"),
		word("icmp6", "Echo requests of IPv6 without privilege.", "socket"),
		word("unix", "Between processes of this host.", "unix-socket"),
		word("netlink", "To the kernel.", "socket"),
		word("packet", "Frames of an interface.", "socket"),
	}
}

// origins are the words of where a row is from.
func origins() []explain.Word {
	return []explain.Word{
		{Name: "sock_diag", Gist: "The kernel was asked by netlink: all values.", Concept: "socket"},
		{Name: "proc", Gist: "A file of /proc/net: addresses, state and queues alone.", Concept: "socket"},
	}
}

// timers are the words of the timer that runs (net/ipv4/inet_diag.c).
func timers() []explain.Word {
	word := func(name, gist string, c explain.Concept) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: c}
	}
	return []explain.Word{
		word("on", "Retransmits what is not acknowledged when it goes off.", "congestion-control"),
		word("keepalive", "Asks an idle peer whether it is still there.", "tcp-states"),
		word("timewait", "Ends TIME_WAIT, or FIN_WAIT2 without a process.", "tcp-states"),
		word("persist", "Asks a peer with a closed window whether it has opened.", "flow-control"),
	}
}

// worded gives a column the words that its values can be.
func worded[S explain.Snapshot[S]](f explain.Field[S], words []explain.Word) explain.Field[S] {
	f.Words = words
	return f
}

func words(concept explain.Concept, list [][2]string) (out []explain.Word) {
	for _, w := range list {
		out = append(out, explain.Word{Name: w[0], Gist: w[1], Concept: concept})
	}
	return out
}

// qdiscWords are the queueing disciplines that are met most (net/sched, tc(8)).
func qdiscWords() []explain.Word {
	return words("qdisc", [][2]string{
		{"noqueue", "No queue: handed on at once, as of loopback, veth; Wi-Fi has its own."},
		{"mq", "One queue below it for each send queue of the card."},
		{"mqprio", "Send queues of the card by class of traffic."},
		{"pfifo_fast", "Three bands by a packet's priority: the kernel's own default."},
		{"pfifo", "One queue, bounded in packets."},
		{"bfifo", "One queue, bounded in bytes."},
		{"fq_codel", "A queue for each flow; what waits too long is dropped."},
		{"codel", "One queue; what waits too long is dropped."},
		{"fq", "A queue for each flow, sent at the pace its socket asks for."},
		{"cake", "A queue for each flow and host; shapes if a bandwidth is set; since 4.19."},
		{"sfq", "A queue for each flow, served in turn."},
		{"htb", "Classes with a rate each, which may lend to one another."},
		{"hfsc", "Classes with curves of rate and delay."},
		{"tbf", "A bound on the rate."},
		{"prio", "Bands; the first is served first."},
		{"red", "Drops at random as the queue grows."},
		{"netem", "Delay, loss and disorder for tests."},
		{"etf", "Each packet at the time that its program asks."},
		{"taprio", "A timetable of classes, for networks with set times."},
		{"ingress", "Where filters for incoming packets are attached."},
		{"clsact", "Where filters for both directions are attached; since 4.5."},
	})
}

// operstateWords are the states of an interface (RFC 2863, Documentation/networking/operstates.rst).
func operstateWords() []explain.Word {
	return words("network-interface", [][2]string{
		{"up", "It can send and receive."},
		{"down", "No carrier, or administratively down."},
		{"lowerlayerdown", "The device below it is down."},
		{"dormant", "It waits for something outside, such as 802.1X."},
		{"testing", "It tests itself and sends nothing."},
		{"notpresent", "The device is not there."},
		{"unknown", "The driver does not say, as of lo."},
	})
}

// hookWords are the hooks of netfilter (include/uapi/linux/netfilter.h).
func hookWords() []explain.Word {
	return words("netfilter", [][2]string{
		{"prerouting", "Packets that came in, before routing."},
		{"input", "Packets for this host."},
		{"forward", "Packets that are forwarded."},
		{"output", "Packets that this host sends."},
		{"postrouting", "All packets that go out, after routing."},
		{"ingress", "What one interface received, before all else; since 4.2."},
		{"egress", "What goes out by one interface; since 5.16."},
	})
}
