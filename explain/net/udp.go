package net

import (
	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

func udp() []field {
	out := counters(inspect.NetSNMP, "", "udp", []counter{
		{name: "UdpInDatagrams", gist: "Datagrams of IPv4 that a program, or a tunnel, has read."},
		{name: "UdpOutDatagrams", gist: "Datagrams of IPv4 that were sent."},
		{
			name: "UdpNoPorts",
			gist: "Datagrams for a port without a socket; the sender gets an ICMP message.",
			say:  "For ports without a socket: a program that does not run, late answers, scanners.",
		},
		{
			name: "UdpInErrors",
			gist: "Datagrams that arrived and were lost, all causes below together.",
			say:  "Includes the causes that are counted separately below.",
		},
		{
			name: "UdpRcvbufErrors",
			gist: "Datagrams dropped because their socket's receive buffer was full.",
			read: readRcvbuf("Udp"),
		},
		{
			name: "UdpSndbufErrors",
			gist: "Datagrams not sent because a queue on the way out was full.",
			say:  "The send buffer, the qdisc or the card's queue was full: the program got ENOBUFS, or waited for room.",
		},
		{
			name: "UdpMemErrors", show: explain.Rare, since: version(5, 11),
			gist: "Datagrams dropped because all of UDP had more than udp_mem allows.",
			say:  "All UDP sockets of the host together had too much: see udp_mem.",
		},
		{
			name: "UdpInCsumErrors", show: explain.Rare,
			gist: "Datagrams with a bad checksum.",
			say:  "Damaged although the link's own checksum was right, or a sender that does not compute it.",
		},
	})
	return append(out, counters(inspect.NetSNMP6, "", "udp", []counter{
		{name: "Udp6InDatagrams", show: explain.Rare, gist: "Datagrams of IPv6 that a program has read."},
		{name: "Udp6OutDatagrams", show: explain.Rare, gist: "Datagrams of IPv6 that were sent."},
		{
			name: "Udp6NoPorts", show: explain.Rare,
			gist: "Datagrams of IPv6 for a port without a socket.",
			say:  "For ports without a socket.",
		},
		{
			name: "Udp6InErrors", show: explain.Rare,
			gist: "Datagrams of IPv6 that arrived and were lost, all causes together.",
			say:  "Includes the causes that are counted separately below.",
		},
		{
			name: "Udp6RcvbufErrors", show: explain.Rare,
			gist: "Datagrams of IPv6 dropped because a receive buffer was full.",
			read: readRcvbuf("Udp6"),
		},
		{
			name: "Udp6SndbufErrors", show: explain.Rare,
			gist: "Datagrams of IPv6 not sent because a queue on the way out was full.",
			say:  "The send buffer, the qdisc or the card's queue was full.",
		},
		{
			name: "Udp6MemErrors", show: explain.Rare, since: version(5, 11),
			gist: "Datagrams of IPv6 dropped because UDP had more than udp_mem allows.",
			say:  "All UDP sockets of the host together had too much: see udp_mem.",
		},
		{
			name: "Udp6InCsumErrors", show: explain.Rare,
			gist: "Datagrams of IPv6 with a bad checksum.",
			say:  "Damaged although the link's own checksum was right.",
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
		return s + "A program reads too slowly or in bursts: a larger SO_RCVBUF (up to rmem_max) helps, or more readers. " +
			"kwhy net sockets --protocol udp shows at which socket."
	}
}
