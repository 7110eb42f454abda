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

// segments are what was sent, and sent again.
func segments() []field {
	retrans := mib("TcpRetransSegs")
	sent := func(n host) value { return explain.Sum(mib("TcpOutSegs")(n), retrans(n)) } // which does not count those sent again
	out := counters(inspect.NetSNMP, "", "packet-path", []counter{
		{name: "TcpInSegs", label: "segments in", gist: "Segments that came to TCP, broken ones too; what GRO joined is one."},
		{name: "TcpOutSegs", label: "segments out", gist: "Segments that TCP sent, without those sent again."},
		{
			name: "TcpRetransSegs", label: "sent again", concept: aboutLoss,
			also: []inspect.Source{inspect.NetNetstat},
			gist: "Segments sent again because no acknowledgement came.",
			read: func(n host) string {
				if retrans(n).Zero() {
					return ""
				}
				return of(n, retrans, sent, "the segments sent") + handshakes(n, retrans) +
					" Below 1 % is usual across the internet; within a data centre it is a sign."
			},
		},
	})
	out = append(out, counters(inspect.NetNetstat, "TcpExt", aboutLoss, []counter{
		{
			name: "TCPFastRetrans", label: "found by acks", show: explain.Rare,
			gist: "Segments sent again because later ones were acknowledged: found early.",
			say:  "Lost ones that later segments' acknowledgements gave away: the cheap way.",
		},
		{
			name: "TCPSlowStartRetrans", label: "after a timeout", show: explain.Rare,
			gist: "Segments sent again while recovering from a timeout.",
			say:  "After a timeout all that was under way is sent anew.",
		},
		{
			name: "TCPTimeouts", label: "timeouts",
			gist: "Retransmission timers that ran out: nothing came back, and sending stopped.",
			read: readTimeouts,
		},
		{
			name: "TCPSynRetrans", label: "SYNs sent again", show: explain.Rare,
			gist: "SYNs and their answers that were sent again: 1 s, 2 s, 4 s later.",
			say:  "Connections that were not answered at once: a listener's full queue, a filter that drops, a peer that is gone.",
		},
		{
			name: "TCPLostRetransmit", label: "lost again", show: explain.Rare,
			gist: "Segments that were lost when they were sent again.",
			read: readLostAgain,
		},
		{
			name: "TCPRetransFail", label: "could not be sent", show: explain.Rare,
			gist: "Retransmissions that the layers below refused.",
			say: "Refused on this host: a full qdisc, no route, or no memory. Newer kernels count them as sent again all the same: " +
				"look at the queues on the way out.",
		},
		{
			name: "TCPSpuriousRtxHostQueues", label: "stuck here", show: explain.Rare,
			gist: "Retransmissions not made because the first copy had not left this host.",
			say: "A segment still waited in a qdisc or ring here when its timer ran out. " +
				"Many a second say that the way out of this host is the bottleneck.",
		},
		{
			name: "TCPSpuriousRTOs", label: "false timeouts", show: explain.Rare,
			gist: "Timeouts that turned out false: the answer was only late.",
			say:  "Delays jump: a path that stalls, or a peer that was not scheduled.",
		},
		{
			name: "TCPSACKReorder", label: "reordered", show: explain.Rare,
			gist: "How often segments were found to have overtaken each other.",
			say:  "Packets overtake each other on the way: links used side by side, or queues of one card.",
		},
		{
			name: "TCPOFOQueue", label: "out of order", show: explain.Rare,
			gist: "Segments that came before one that was to come first, and were kept.",
			say:  "Kept until the gap was filled: what came before was lost or overtaken, on the way here.",
		},
		{
			name: "TCPSACKReneging", label: "taken back", show: explain.Rare,
			gist: "Segments that a peer had acknowledged selectively, and dropped after all.",
			say:  "The peer ran out of receive memory.",
		},
	})...)
	return append(out, counters(inspect.NetSNMP, "", "packet-path", []counter{
		{
			name: "TcpInErrs", label: "broken", show: explain.Rare,
			gist: "Segments with a bad checksum or header.",
			say:  "Damaged behind the link's own checksum: bad memory in a router or card, or a broken offload.",
		},
		{
			name: "TcpInCsumErrors", label: "bad checksums", show: explain.Rare,
			gist: "Of the broken ones, those with a bad checksum.",
			say:  "Damaged behind the link's own checksum: bad memory in a router or card, or a broken offload.",
		},
	})...)
}

// handshakes says how much of what grew was SYNs and their answers. These are sent
// again for other reasons than data is: nobody accepts, or nobody is there.
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
	data := "Each stopped a connection, for 200 ms or more as a rule: the end of a burst was lost, or the path or the peer is dead."
	switch {
	case !syn.Has() || syn.Zero():
		return data
	case syn.Float()+last.Float() >= all.Float():
		return "Of handshakes, as far as SYNs sent again tell: clients that wait a second or more to be let in. " +
			"Look there before at the path."
	}
	return fmt.Sprintf("Up to %s of them of handshakes. The others stopped a connection, for 200 ms or more as a rule: "+
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
		return "No more than SYNs sent again, which count here from the second time on: a full accept queue or a peer that is gone " +
			"is enough for it."
	}
	return "A path that loses what is repeated, too: congestion, or a policer."
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
		s = "As many as " + percent(explain.Share(a, b)) + " of the connections begun " + over + ". "
	}
	return s + "Usual for clients that hang up and for programs that close with data unread; otherwise a crash, or a filter between."
}

// connections are how they begin, and what a listener turned away.
func connections() []field {
	out := counters(inspect.NetSNMP, "", aboutStates, []counter{
		{name: "TcpActiveOpens", label: "opened", gist: "Connections that this side began."},
		{name: "TcpPassiveOpens", label: "accepted", gist: "Connections that a peer began and the kernel completed, for accept to take."},
		{
			name: "TcpAttemptFails", label: "failed", show: explain.Rare,
			gist: "Connections that failed before they were established, on either side.",
			say:  "Refused or reset during the handshake: nobody listens there, or a client that went away.",
		},
	})
	return append(out, counters(inspect.NetNetstat, "TcpExt", aboutListening, []counter{
		{
			name: "ListenOverflows", label: "accept queue full",
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
			name: "ListenDrops", label: "dropped by listeners",
			gist: "SYNs and last packets of handshakes that a listener dropped, for any cause.",
			say: "Those that found the accept queue full are among them; the rest is for want of memory, a full SYN queue without " +
				"cookies, or no route back.",
		},
		{
			name: "TCPReqQFullDoCookies", label: "cookies begun", show: explain.Rare,
			gist: "SYNs that met a full SYN queue and were answered with a cookie.",
			say:  "A SYN queue was full: a flood, or more clients at once than its backlog holds.",
		},
		{
			name: "TCPReqQFullDrop", label: "SYN queue full", show: explain.Rare,
			gist: "SYNs dropped because the SYN queue was full and cookies are off.",
			say:  "With tcp_syncookies=1 they would be answered.",
		},
		{
			name: "SyncookiesSent", label: "cookies sent", show: explain.Rare,
			gist: "SYNs answered with a cookie, because a SYN queue was full.",
			say:  "Connections made so lose options such as window scaling, unless timestamps carry them.",
		},
		{
			name: "SyncookiesRecv", label: "cookies back", show: explain.Rare,
			gist: "Cookies that came back right: real clients.",
			say:  "Real clients behind a full SYN queue.",
		},
		{
			name: "SyncookiesFailed", label: "cookies wrong", show: explain.Rare,
			gist: "Last packets of handshakes whose cookie was wrong or too old.",
			say:  "Late, or forged; counted while a SYN queue was full a moment ago.",
		},
		{
			name: "TCPTimeWaitOverflow", label: "TIME_WAIT full", show: explain.Rare,
			gist: "Connections that ended without TIME_WAIT: tcp_max_tw_buckets was reached.",
			say:  "They ended at once: late segments may be answered with a reset.",
		},
	})...)
}

// fullQueues are what was dropped because a socket had no room for it.
func fullQueues() []field {
	return counters(inspect.NetNetstat, "TcpExt", aboutFull, []counter{
		{
			name: "TCPBacklogDrop", label: "backlog full",
			gist: "Segments dropped because the program held its socket and the backlog was full.",
			say: "While a program works on its socket segments wait in its backlog, bounded by the two buffers. " +
				"Larger buffers, or less work under the lock.",
		},
		{
			name: "TCPRcvQDrop", label: "receive queue full",
			gist: "Segments dropped because their socket's receive memory was used up.",
			say:  "The program does not read, or TCP's memory is short: the sender has to repeat them.",
		},
		{
			name: "TCPZeroWindowDrop", label: "behind the window", show: explain.Rare, since: version(5, 0),
			gist: "Segments dropped because the window that was offered was nought.",
			say:  "The peer sent into a closed window.",
		},
		{
			name: "TCPToZeroWindowAdv", label: "windows closed", show: explain.Rare,
			gist: "How often a window went from open to closed: a program here did not read.",
			say: "So often a program here did not read, its buffer was full, and the sender was told to stop. Not an error: " +
				"a program slower than its peer. kwhy net sockets --sort recv_q shows who does not read now.",
		},
		{
			name: "PruneCalled", label: "prunes",
			gist: "How often a socket over its receive buffer had to make room.",
			say:  "Received data took more memory than the receive buffer allows: small packets cost more than they carry.",
		},
		{
			name: "TCPRcvCollapsed", label: "collapsed", show: explain.Rare,
			gist: "Segments copied together into fewer buffers, to make room.",
			say:  "Copied together to save memory: it costs CPU time.",
		},
		{
			name: "RcvPruned", label: "pruned",
			gist: "Segments dropped because making room was not enough.",
			say:  "Received and dropped again: the program does not read, and the buffer is at its end.",
		},
		{
			name: "OfoPruned", label: "out of order, dropped", show: explain.Rare,
			gist: "How often segments that were out of order were dropped to make room.",
			say:  "What had come out of order was thrown away, and has to be sent again.",
		},
		{
			name: "TCPOFODrop", label: "out of order, no room", show: explain.Rare,
			gist: "Segments out of order for which there was no memory.",
			say:  "No receive memory for what came out of order.",
		},
		{
			name: "TCPWqueueTooBig", label: "send queue too big", show: explain.Rare,
			gist: "Segments that were not cut because the send queue had outgrown its buffer.",
			say:  "A guard against peers that make the send queue grow by tiny windows (CVE-2019-11478).",
		},
	})
}

// ended is how connections came to an end before their time.
func ended() []field {
	out := counters(inspect.NetSNMP, "", aboutStates, []counter{
		{
			name: "TcpEstabResets", label: "reset while open", show: explain.Rare,
			gist: "Connections that ended by a reset, from here or from the peer.",
			read: readResets,
		},
		{
			name: "TcpOutRsts", label: "resets sent", show: explain.Rare,
			gist: "Segments with a reset that this host sent.",
			say:  "To ports where nobody listens, for connections that are gone, and for those closed with data unread.",
		},
	})
	return append(out, counters(inspect.NetNetstat, "TcpExt", aboutStates, []counter{
		{
			name: "TCPAbortOnClose", label: "closed unread", show: explain.Rare,
			gist: "Connections reset because the program closed them with data unread.",
			say:  "A program here closed before it had read all: the peer gets a reset.",
		},
		{
			name: "TCPAbortOnData", label: "data after close", show: explain.Rare,
			gist: "Connections reset because data came after the close, or by linger 0.",
			say:  "Data came for a socket that its program had closed, or it was closed with SO_LINGER at 0.",
		},
		{
			name: "TCPAbortOnTimeout", label: "given up", show: explain.Rare,
			gist: "Connections given up after all retransmissions, probes or keepalives.",
			say:  "The peer was gone: its host, the path or a filter that forgot the connection.",
		},
		{
			name: "TCPAbortOnLinger", label: "no FIN awaited", show: explain.Rare,
			gist: "Orphans reset in FIN_WAIT2 rather than wait for the peer's FIN.",
			say:  "By TCP_LINGER2 below 0.",
		},
		{
			name: "PAWSEstab", label: "old timestamps", show: explain.Rare,
			gist: "Segments dropped because their timestamp was older than the last one's.",
			say:  "Late duplicates; many of them are a load balancer or NAT that mixes hosts.",
		},
	})...)
}
