package net

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// What retransmissions and full buffers are explained by.
const (
	aboutLoss explain.Concept = "congestion-control"
	aboutFull explain.Concept = "accept-queue"
)

func tcp() []field {
	out := segments()
	out = append(out, connections()...)
	out = append(out, fullQueues()...)
	return append(out, ended()...)
}

// segments are what was sent, and retransmitted.
func segments() []field {
	retrans := mib("TcpRetransSegs")
	sent := func(n host) value { return explain.Sum(mib("TcpOutSegs")(n), retrans(n)) } // which does not count retransmissions
	out := counters(inspect.NetSNMP, "", "packet-path", []counter{
		{name: "TcpInSegs", gist: "Segments that TCP received, broken ones too; what GRO joined is one."},
		{name: "TcpOutSegs", gist: "Segments that TCP sent, without retransmissions."},
		{
			name: "TcpRetransSegs", concept: aboutLoss,
			also: []inspect.Source{inspect.NetNetstat},
			gist: "Segments retransmitted because no acknowledgement came.",
			read: func(n host) string {
				if retrans(n).Zero() {
					return ""
				}
				s := of(n, retrans, sent, "the segments sent") + handshakes(n, retrans)
				if data, _ := lately(n, resentData); data.Zero() {
					return s // nothing of what was sent on connections
				}
				return s + " Below 1 % is usual across the internet; within a data centre it is a bad sign."
			},
		},
	})
	out = append(out, counters(inspect.NetNetstat, "TcpExt", aboutLoss, []counter{
		{
			name: "TCPFastRetrans", show: explain.Rare,
			gist: "Segments retransmitted because later ones were acknowledged: found early.",
			say:  "Losses that acknowledgements of later segments revealed: the cheap way.",
		},
		{
			name: "TCPSlowStartRetrans", show: explain.Rare,
			gist: "Segments retransmitted while recovering from a timeout.",
			say:  "After a timeout everything in flight is retransmitted.",
		},
		{
			name: "TCPTimeouts",
			gist: "Retransmission timers that expired: nothing came back, and sending stopped.",
			read: readTimeouts,
		},
		{
			name: "TCPSynRetrans", show: explain.Rare,
			gist: "SYNs, and answers to them, that were sent again for lack of an answer.",
			say:  "Connections that were not answered at once: a listener's full queue, a filter that drops, a peer that is gone.",
		},
		{
			name: "TCPLostRetransmit", show: explain.Rare,
			gist: "Retransmitted segments that were lost too.",
			read: readLostAgain,
		},
		{
			name: "TCPRetransFail", show: explain.Rare,
			gist: "Retransmissions that the layers below refused.",
			say: "Refused on this host: a full qdisc, no route, or no memory. Newer kernels count them as retransmitted all the " +
				"same: look at the queueing disciplines.",
		},
		{
			name: "TCPSpuriousRtxHostQueues", show: explain.Rare,
			gist: "Retransmissions not made because the first copy had not left this host.",
			say: "A segment still waited in a qdisc or ring here when its timer expired. " +
				"Many per second mean that the way out of this host is the bottleneck.",
		},
		{
			name: "TCPSpuriousRTOs", show: explain.Rare,
			gist: "Timeouts that turned out false: the answer was only late.",
			say:  "Delays jump: a path that stalls, or a peer that was not scheduled.",
		},
		{
			name: "TCPSACKReorder", show: explain.Rare,
			gist: "How often segments were found to be reordered.",
			say:  "Packets overtake each other on the way: links used side by side, or queues of one card.",
		},
		{
			name: "TCPOFOQueue", show: explain.Rare,
			gist: "Segments that arrived ahead of an earlier one, and were kept.",
			say:  "Kept until the gap was filled: earlier segments were lost or overtaken on the way here.",
		},
		{
			name: "TCPSACKReneging", show: explain.Rare,
			gist: "Segments that a peer had acknowledged selectively, and dropped after all.",
			say:  "The peer ran out of receive memory.",
		},
	})...)
	return append(out, counters(inspect.NetSNMP, "", "packet-path", []counter{
		{
			name: "TcpInErrs", show: explain.Rare,
			gist: "Segments with a bad checksum or header.",
			say:  "Damaged although the link's own checksum was right: bad memory in a router or card, or a broken offload.",
		},
		{
			name: "TcpInCsumErrors", show: explain.Rare,
			gist: "Of the broken ones, those with a bad checksum.",
			say:  "Damaged although the link's own checksum was right: bad memory in a router or card, or a broken offload.",
		},
	})...)
}

// handshakes says how much of what grew was SYNs and their answers. These are sent
// again for other reasons than data is: no program accepts, or no peer is there.
func handshakes(n host, all func(host) value) string {
	syn, _ := lately(n, mib("TcpExtTCPSynRetrans"))
	whole, _ := lately(n, all)
	if !syn.Has() || !whole.Has() || syn.Float() < 1 || syn.Float() > whole.Float() {
		return ""
	}
	if syn.Float() == whole.Float() {
		return " All were SYNs or answers to them, not data."
	}
	if syn.Float() == 1 {
		return " 1 of them was a SYN or the answer to one, not data."
	}
	return " " + units.Number(int64(syn.Float())) + " of them were SYNs or answers to them, not data."
}

// readTimeouts: a SYN that is not answered runs into the same timer, and into the
// same counter, as data does (net/ipv4/tcp_timer.c, tcp_retransmit_timer; for the
// answers to SYNs tcp_syn_ack_timeout).
func readTimeouts(n host) string {
	all, _ := lately(n, mib("TcpExtTCPTimeouts"))
	if !all.Has() || all.Zero() {
		return ""
	}
	syn, _ := lately(n, mib("TcpExtTCPSynRetrans"))
	last, _ := lately(n, mib("TcpExtTCPAbortOnTimeout")) // nothing is sent again at the last one
	data := "Each stopped a connection, usually for 200 ms or more: the end of a burst was lost, or the path or the peer is dead."
	switch {
	case !syn.Has() || syn.Zero():
		return data
	case syn.Float()+last.Float() >= all.Float():
		return "In handshakes, as far as retransmitted SYNs show: clients that wait a second or more to connect. " +
			"Look there before you look at the path."
	}
	return fmt.Sprintf("Up to %s of them in handshakes. The others stopped a connection, usually for 200 ms or more: "+
		"the end of a burst was lost, or the path or the peer is dead.", units.Number(int64(syn.Float())))
}

// readLostAgain: every timeout after the first one of a SYN marks it lost again
// (net/ipv4/tcp_input.c, tcp_mark_skb_lost, by tcp_enter_loss).
func readLostAgain(n host) string {
	lost, _ := lately(n, mib("TcpExtTCPLostRetransmit"))
	if !lost.Has() || lost.Zero() {
		return ""
	}
	if syn, _ := lately(n, mib("TcpExtTCPSynRetrans")); syn.Has() && syn.Float() >= lost.Float() {
		return "Not more than retransmitted SYNs, which count here from the second time on: a full accept queue or a peer that is " +
			"gone is enough."
	}
	return "The path loses retransmissions too: congestion, or a policer."
}

// readResets sets them against the connections that there were. One with both ends
// here is counted at each.
func readResets(n host) string {
	get := mib("TcpEstabResets")
	if get(n).Zero() {
		return ""
	}
	opened := func(n host) value { return explain.Sum(mib("TcpActiveOpens")(n), mib("TcpPassiveOpens")(n)) }
	a, over := lately(n, get)
	s := ""
	if b, _ := lately(n, opened); explain.Share(a, b).Has() && a.Float() <= b.Float() {
		s = "As many as " + percent(explain.Share(a, b)) + " of the connections opened " + over + ". "
	}
	return s + "Usual for clients that hang up and for programs that close with data unread; otherwise a crash, or a filter between."
}

// connections are how they begin, and what a listener turned away.
func connections() []field {
	out := counters(inspect.NetSNMP, "", aboutStates, []counter{
		{name: "TcpActiveOpens", gist: "Connections that this side opened."},
		{name: "TcpPassiveOpens", gist: "Connections that a peer opened and the kernel completed, for accept."},
		{
			name: "TcpAttemptFails", show: explain.Rare,
			gist: "Connections that failed before they were established, on either side.",
			say:  "Refused or reset during the handshake: no listener there, or a client that went away.",
		},
	})
	return append(out, counters(inspect.NetNetstat, "TcpExt", aboutListening, []counter{
		{
			name: "ListenOverflows",
			gist: "Handshakes that found the accept queue of their listener full.",
			read: func(n host) string {
				if mib("TcpExtListenOverflows")(n).Zero() {
					return ""
				}
				return "Its program accepts too slowly, or asked for too short a queue in listen. " +
					"A client tries again and is counted again."
			},
		},
		{
			name: "ListenDrops",
			gist: "SYNs and last packets of handshakes that a listener dropped, for any cause.",
			say: "Those that found the accept queue full are included; the rest had no memory, a full SYN queue without cookies, " +
				"or no route back.",
		},
		{
			name: "TCPReqQFullDoCookies", show: explain.Rare,
			gist: "SYNs that got a cookie: the SYN queue was full, or tcp_syncookies is 2.",
			also: []inspect.Source{inspect.TCPSyncookies},
			read: readCookies("TcpExtTCPReqQFullDoCookies", "A SYN queue was full: a flood, or more clients at once than its backlog holds."),
		},
		{
			name: "TCPReqQFullDrop", show: explain.Rare,
			gist: "SYNs dropped because the SYN queue was full and cookies are off.",
			say:  "With tcp_syncookies=1 they would be answered.",
		},
		{
			name: "SyncookiesSent", show: explain.Rare,
			gist: "SYNs answered with a cookie: a SYN queue was full, or tcp_syncookies is 2.",
			also: []inspect.Source{inspect.TCPSyncookies},
			read: readCookies("TcpExtSyncookiesSent", "Such connections lose options such as window scaling, unless timestamps carry them."),
		},
		{
			name: "SyncookiesRecv", show: explain.Rare,
			gist: "Cookies that came back right: real clients.",
			say:  "Real clients, whose connections the kernel had kept nothing of.",
		},
		{
			name: "SyncookiesFailed", show: explain.Rare,
			gist: "Last packets of handshakes whose cookie was wrong or too old.",
			say:  "Late, or forged; counted only if a SYN queue was full a moment before.",
		},
		{
			name: "TCPTimeWaitOverflow", show: explain.Rare,
			gist: "Connections that ended without TIME_WAIT: tcp_max_tw_buckets was reached.",
			say:  "They ended at once: late segments may be answered with a reset.",
		},
	})...)
}

// fullQueues are what was dropped because a socket had no room for it.
func fullQueues() []field {
	return counters(inspect.NetNetstat, "TcpExt", aboutFull, []counter{
		{
			name: "TCPBacklogDrop",
			gist: "Segments dropped because the program held its socket and the backlog was full.",
			say: "While a program holds its socket, segments wait in its backlog, which the two buffer sizes limit. " +
				"Larger buffers help, or less work under the lock.",
		},
		{
			name: "TCPRcvQDrop",
			gist: "Segments dropped because their socket's receive memory was used up.",
			say:  "The program does not read, or TCP's memory is short: the sender has to repeat them.",
		},
		{
			name: "TCPZeroWindowDrop", show: explain.Rare, since: version(5, 0),
			gist: "Segments dropped because the advertised window was zero.",
			say:  "The peer sent into a closed window.",
		},
		{
			name: "TCPToZeroWindowAdv", show: explain.Rare,
			gist: "How often a window went from open to closed: a program here did not read.",
			say: "How often a program here did not read, its buffer was full, and the sender had to stop. Not an error: " +
				"the program is slower than its peer. kwhy net sockets --sort recv_q shows which program does not read now.",
		},
		{
			name: "PruneCalled",
			gist: "How often a socket over its receive buffer had to make room.",
			say:  "Received data took more memory than the receive buffer allows: small packets cost more than they carry.",
		},
		{
			name: "TCPRcvCollapsed", show: explain.Rare,
			gist: "Segments merged into fewer buffers, to make room.",
			say:  "Merged to save memory: it costs CPU time.",
		},
		{
			name: "RcvPruned",
			gist: "Segments dropped because making room was not enough.",
			say:  "Received and dropped again: the program does not read, and the buffer is full.",
		},
		{
			name: "OfoPruned", show: explain.Rare,
			gist: "How often segments that were out of order were dropped to make room.",
			say:  "What had come out of order was dropped, and has to be retransmitted.",
		},
		{
			name: "TCPOFODrop", show: explain.Rare,
			gist: "Segments out of order for which there was no memory.",
			say:  "No receive memory for what came out of order.",
		},
		{
			name: "TCPWqueueTooBig", show: explain.Rare,
			gist: "Segments that were not cut because the send queue had outgrown its buffer.",
			say:  "A guard against peers that make the send queue grow by tiny windows (CVE-2019-11478).",
		},
	})
}

// ended is how connections came to an end before their time.
func ended() []field {
	out := counters(inspect.NetSNMP, "", aboutStates, []counter{
		{
			name: "TcpEstabResets", show: explain.Rare,
			gist: "Connections that ended at once: by a reset, a timeout, or ss -K.",
			read: readResets,
		},
		{
			name: "TcpOutRsts", show: explain.Rare,
			gist: "Segments with a reset that this host sent.",
			say:  "To ports without a listener, for connections that are gone, and for those closed with data unread.",
		},
	})
	return append(out, counters(inspect.NetNetstat, "TcpExt", aboutStates, []counter{
		{
			name: "TCPAbortOnClose", show: explain.Rare,
			gist: "Connections reset because the program closed them with data unread.",
			say:  "A program here closed before it had read all: the peer gets a reset.",
		},
		{
			name: "TCPAbortOnData", show: explain.Rare,
			gist: "Connections reset because data came after the close, or by linger 0.",
			say:  "Data came for a socket that its program had closed, or it was closed with SO_LINGER at 0.",
		},
		{
			name: "TCPAbortOnTimeout", show: explain.Rare,
			gist: "Connections given up after all retransmissions, probes or keepalives.",
			say:  "The peer was gone: its host, the path or a filter that forgot the connection.",
		},
		{
			name: "TCPAbortOnLinger", show: explain.Rare,
			gist: "Orphans reset in FIN_WAIT2 rather than wait for the peer's FIN.",
			say:  "By TCP_LINGER2 below 0.",
		},
		{
			name: "PAWSEstab", show: explain.Rare,
			gist: "Segments dropped because their timestamp was older than the last one's.",
			say:  "Late duplicates; many of them are a load balancer or NAT that mixes hosts.",
		},
	})...)
}

// readCookies says of a counter of cookies what it says where they are sent for a full queue alone.
func readCookies(name, say string) func(host) string {
	return func(n host) string {
		if mib(name)(n).Zero() {
			return ""
		}
		if c, ok := n.Mem.Number(inspect.TCPSyncookies); ok && c == 2 {
			return "tcp_syncookies is 2: every SYN gets a cookie, so that this is no sign of a full SYN queue."
		}
		return say
	}
}

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
			gist: "Datagrams not sent: a buffer, a queue on the way out, or neighbours full.",
			say: "The send buffer was full, and the program got EAGAIN or waited; or a qdisc was, or by 6.12 the table of neighbours, " +
				"of which it learns only if it set IP_RECVERR. In 6.1 a full table gives EINVAL, and no count here.",
		},
		{
			name: "UdpMemErrors", show: explain.Rare, since: version(5, 11),
			gist: "Datagrams dropped because UDP, or their memory cgroup, had too much.",
			say:  "All UDP sockets of the host together had too much (see udp_mem), or a memory cgroup was at its limit.",
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
			gist: "Datagrams of IPv6 for a socket that were lost, all causes together.",
			say:  "Includes the causes that are counted separately below.",
		},
		{
			name: "Udp6RcvbufErrors", show: explain.Rare,
			gist: "Datagrams of IPv6 dropped because a receive buffer was full.",
			read: readRcvbuf("Udp6"),
		},
		{
			name: "Udp6SndbufErrors", show: explain.Rare,
			gist: "Datagrams of IPv6 not sent: a buffer or a queue full, or no memory.",
			say: "The send buffer or a qdisc was full, or the kernel had no memory. A full table of neighbours gives EINVAL, and counts " +
				"Ip6OutNoRoutes (6.1 and 6.12).",
		},
		{
			name: "Udp6MemErrors", show: explain.Rare, since: version(5, 11),
			gist: "Datagrams of IPv6 dropped because UDP, or their cgroup, had too much.",
			say:  "All UDP sockets of the host together had too much (see udp_mem), or a memory cgroup was at its limit.",
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
