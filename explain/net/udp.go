package net

import (
	"kwhy/explain"
	"kwhy/inspect"
)

func udp() []field {
	rcvbuf, in := mib("UdpRcvbufErrors"), mib("UdpInDatagrams")
	all := func(n host) value { return plus(in(n), rcvbuf(n)) }
	out := counters(inspect.NetSNMP, "", "udp", []counter{
		{name: "UdpInDatagrams", label: "datagrams in", gist: "Datagrams of IPv4 that a program, or a tunnel, has read."},
		{name: "UdpOutDatagrams", label: "datagrams out", gist: "Datagrams of IPv4 that were sent."},
		{name: "UdpNoPorts", label: "no port", gist: "Datagrams for a port that nobody here has; the sender is told by ICMP.", say: "For ports without a socket: a program that does not run, late answers, scanners."},
		{name: "UdpInErrors", label: "lost, all", gist: "Datagrams that came and were lost, for every cause below together.", say: "With the causes that are counted apart below in it."},
		{name: "UdpRcvbufErrors", label: "receive buffer full", gist: "Datagrams dropped because their socket's receive buffer was full.", read: func(n host) string {
			if rcvbuf(n).Zero() {
				return ""
			}
			return of(n, rcvbuf, all, "what came") + " A program reads too slowly or in bursts: a larger SO_RCVBUF (up to rmem_max), or more who read."
		}},
		{name: "UdpSndbufErrors", label: "send buffer full", gist: "Datagrams not sent because a queue on the way out was full.", say: "The send buffer, the qdisc or the card's queue was full: the program got ENOBUFS, or waited for room."},
		{name: "UdpMemErrors", label: "no memory", show: explain.Rare, since: version(5, 11), gist: "Datagrams dropped because all of UDP had more than udp_mem allows.", say: "All UDP sockets of the host together had too much: see udp_mem."},
		{name: "UdpInCsumErrors", label: "bad checksums", show: explain.Rare, gist: "Datagrams with a bad checksum.", say: "Damaged behind the link's own checksum, or a sender that does not compute it."},
	})
	return append(out, counters(inspect.NetSNMP6, "", "udp", []counter{
		{name: "Udp6InDatagrams", label: "IPv6 in", show: explain.Rare, gist: "Datagrams of IPv6 that a program has read."},
		{name: "Udp6OutDatagrams", label: "IPv6 out", show: explain.Rare, gist: "Datagrams of IPv6 that were sent."},
		{name: "Udp6NoPorts", label: "IPv6 no port", show: explain.Rare, gist: "Datagrams of IPv6 for a port that nobody here has.", say: "For ports without a socket."},
		{name: "Udp6InErrors", label: "IPv6 lost, all", show: explain.Rare, gist: "Datagrams of IPv6 that came and were lost, for every cause together.", say: "With the causes that are counted apart below in it."},
		{name: "Udp6RcvbufErrors", label: "IPv6 buffer full", show: explain.Rare, gist: "Datagrams of IPv6 dropped because a receive buffer was full.", say: "A program reads too slowly or in bursts: a larger SO_RCVBUF (up to rmem_max), or more who read."},
		{name: "Udp6SndbufErrors", label: "IPv6 send buffer full", show: explain.Rare, gist: "Datagrams of IPv6 not sent because a queue on the way out was full.", say: "The send buffer, the qdisc or the card's queue was full."},
		{name: "Udp6MemErrors", label: "IPv6 no memory", show: explain.Rare, since: version(5, 11), gist: "Datagrams of IPv6 dropped because UDP had more than udp_mem allows.", say: "All UDP sockets of the host together had too much: see udp_mem."},
		{name: "Udp6InCsumErrors", label: "IPv6 bad checksums", show: explain.Rare, gist: "Datagrams of IPv6 with a bad checksum.", say: "Damaged behind the link's own checksum."},
	})...)
}
