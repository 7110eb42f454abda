package net

import (
	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

func udp() []field {
	out := counters(inspect.NetSNMP, "", "udp", []counter{
		{name: "UdpInDatagrams", label: "datagrams in", gist: "Datagrams of IPv4 that a program, or a tunnel, has read."},
		{name: "UdpOutDatagrams", label: "datagrams out", gist: "Datagrams of IPv4 that were sent."},
		{
			name: "UdpNoPorts", label: "no port",
			gist: "Datagrams for a port that nobody here has; the sender is told by ICMP.",
			say:  "For ports without a socket: a program that does not run, late answers, scanners.",
		},
		{
			name: "UdpInErrors", label: "lost, all",
			gist: "Datagrams that came and were lost, for every cause below together.",
			say:  "With the causes that are counted apart below in it.",
		},
		{
			name: "UdpRcvbufErrors", label: "receive buffer full",
			gist: "Datagrams dropped because their socket's receive buffer was full.",
			read: readRcvbuf("Udp"),
		},
		{
			name: "UdpSndbufErrors", label: "send buffer full",
			gist: "Datagrams not sent because a queue on the way out was full.",
			say:  "The send buffer, the qdisc or the card's queue was full: the program got ENOBUFS, or waited for room.",
		},
		{
			name: "UdpMemErrors", label: "no memory", show: explain.Rare, since: version(5, 11),
			gist: "Datagrams dropped because all of UDP had more than udp_mem allows.",
			say:  "All UDP sockets of the host together had too much: see udp_mem.",
		},
		{
			name: "UdpInCsumErrors", label: "bad checksums", show: explain.Rare,
			gist: "Datagrams with a bad checksum.",
			say:  "Damaged behind the link's own checksum, or a sender that does not compute it.",
		},
	})
	return append(out, counters(inspect.NetSNMP6, "", "udp", []counter{
		{name: "Udp6InDatagrams", label: "IPv6 in", show: explain.Rare, gist: "Datagrams of IPv6 that a program has read."},
		{name: "Udp6OutDatagrams", label: "IPv6 out", show: explain.Rare, gist: "Datagrams of IPv6 that were sent."},
		{
			name: "Udp6NoPorts", label: "IPv6 no port", show: explain.Rare,
			gist: "Datagrams of IPv6 for a port that nobody here has.",
			say:  "For ports without a socket.",
		},
		{
			name: "Udp6InErrors", label: "IPv6 lost, all", show: explain.Rare,
			gist: "Datagrams of IPv6 that came and were lost, for every cause together.",
			say:  "With the causes that are counted apart below in it.",
		},
		{
			name: "Udp6RcvbufErrors", label: "IPv6 buffer full", show: explain.Rare,
			gist: "Datagrams of IPv6 dropped because a receive buffer was full.",
			read: readRcvbuf("Udp6"),
		},
		{
			name: "Udp6SndbufErrors", label: "IPv6 send buffer full", show: explain.Rare,
			gist: "Datagrams of IPv6 not sent because a queue on the way out was full.",
			say:  "The send buffer, the qdisc or the card's queue was full.",
		},
		{
			name: "Udp6MemErrors", label: "IPv6 no memory", show: explain.Rare, since: version(5, 11),
			gist: "Datagrams of IPv6 dropped because UDP had more than udp_mem allows.",
			say:  "All UDP sockets of the host together had too much: see udp_mem.",
		},
		{
			name: "Udp6InCsumErrors", label: "IPv6 bad checksums", show: explain.Rare,
			gist: "Datagrams of IPv6 with a bad checksum.",
			say:  "Damaged behind the link's own checksum.",
		},
	})...)
}

// readRcvbuf sets what was lost against what was read, which is when a datagram
// counts as come in (net/ipv4/udp.c, udp_recvmsg).
func readRcvbuf(prefix string) func(host) string {
	return func(n host) string {
		lost, over := lately(n, mib(prefix+"RcvbufErrors"))
		read, _ := lately(n, mib(prefix+"InDatagrams"))
		if !lost.Has() || lost.Zero() {
			return ""
		}
		s := ""
		if read.Has() {
			s = units.Number(int64(lost.Float())) + " lost for " + units.Number(int64(read.Float())) + " that were read " + over + ". "
		}
		return s + "A program reads too slowly or in bursts: a larger SO_RCVBUF (up to rmem_max), or more who read. " +
			"kwhy net sockets --protocol udp says at whose socket."
	}
}
