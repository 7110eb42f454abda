package net

import (
	"cmp"
	"fmt"
	"slices"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
)

type hostRule = explain.Rule[*netfacts.Snapshot]

// loss is a counter of what was lost, and what is said of it.
type loss struct {
	rule        hostRule
	key         string // of the value that carries the level
	part, whole func(host) value
	at          explain.At                             // of the share over an interval
	everAt      float64                                // of the share since the counters began: a notice
	most        func(lost, passed value) explain.Level // the worst that so few can be; nil: few
	say         func(n host, share, over string) string
}

// rules makes the two rules on a loss. Over an interval its share of what passed says
// what goes on now. Without one the share of all that ever passed is worth a notice at
// most: it may be long over. Which of the two a finding rests on is in its ID and in
// its sentence.
func (l loss) rules() []hostRule {
	now, ever := l.rule, l.rule
	now.Evidence = append([]string{l.key}, l.rule.Evidence...)
	ever.Evidence = append([]string{l.key}, l.rule.Evidence...)
	now.Unit, ever.Unit = explain.Ratio, explain.Ratio
	now.Basis, ever.Basis = explain.Interval, explain.Ever
	now.At = l.at
	now.Most = func(n host) explain.Level {
		if l.most != nil {
			return l.most(grown(n, l.part), grown(n, l.whole))
		}
		return few(grown(n, l.part))
	}
	now.Of = func(n host) value {
		return explain.Share(grown(n, l.part), plusF(grown(n, l.part), grown(n, l.whole)))
	}
	now.Say = func(n host) string {
		_, over, _ := n.Before()
		return l.say(n, percent(now.Of(n)), "in the last "+units.Span(over.Seconds()))
	}
	ever.ID, ever.At = l.rule.ID+"_so_far", explain.At{Notice: l.everAt}
	ever.Of = func(n host) value {
		if _, _, ok := n.Before(); ok {
			return value{} // the interval says more
		}
		return explain.Share(l.part(n), explain.Sum(l.part(n), l.whole(n)))
	}
	ever.Say = func(n host) string {
		return l.say(n, percent(ever.Of(n)), "since these counters began"+goesOn(n))
	}
	ever.Next = "kwhy net --interval 10s"
	return []hostRule{now, ever}
}

// goesOn says how to see whether something goes on, which a copy can't show.
func goesOn(n host) string {
	if !n.Mem.Host.Live {
		return ""
	}
	return "; --interval 10s says whether it goes on"
}

// few limits the level of a small loss: one packet of a few in a second is a large
// share, and no alarm.
func few(lost value) explain.Level {
	const least = 5
	if lost.Has() && lost.Float() < least {
		return explain.Notice
	}
	return explain.Critical
}

func plusF(a, b value) value {
	if !a.Has() || !b.Has() {
		return value{}
	}
	return explain.F(a.Float() + b.Float())
}

// hostRules judge a network. Their thresholds are ratios unless the rule says
// otherwise.
func hostRules() []hostRule {
	out := lossRules()
	out = append(out, rateRules()...)
	return slices.Concat(out, nearRules(), nearNeighbours(), filterRules())
}

func lossRules() []hostRule {
	return slices.Concat(
		listenOverflow().rules(),
		enough(retransmits().rules(), resentData),
		softnetDrops().rules(),
		udpLoss("net.udp_rcvbuf_errors", "udp", "Udp", "IPv4").rules(),
		udpLoss("net.udp6_rcvbuf_errors", "udp6", "Udp6", "IPv6").rules(),
	)
}

func listenOverflow() loss {
	return loss{
		rule: hostRule{
			ID:   "net.listen_overflow",
			What: "ListenOverflows / (ListenOverflows + PassiveOpens)",
			Means: "The accept queue of a listener was full: the kernel dropped the SYN, or the ACK that ends the handshake " +
				"(with tcp_abort_on_overflow it answers that by a reset). The client waits a second and more, and tries again.",
			Evidence: []string{"listen_drops", "tcp_passive_opens", "somaxconn"},
			Concept:  aboutListening, Next: "kwhy net sockets --state LISTEN",
		},
		key:  "listen_overflows",
		part: mib("TcpExtListenOverflows"), whole: mib("TcpPassiveOpens"),
		at: explain.At{Notice: 1e-9, Warning: 0.001, Critical: 0.05}, everAt: 0.001,
		say: func(_ host, share, over string) string {
			return share + " of the incoming handshakes found the accept queue of their listener full, " + over
		},
	}
}

// resentData are the segments that were retransmitted on connections: TCPSynRetrans has the
// SYNs and the answers to them among RetransSegs, which say that somebody does not answer,
// and nothing of what the network loses (net/ipv4/tcp_output.c, __tcp_retransmit_skb and
// tcp_rtx_synack).
func resentData(n host) value {
	all, syns := mib("TcpRetransSegs")(n), mib("TcpExtTCPSynRetrans")(n)
	if !all.Has() || !syns.Has() {
		return value{} // with SYNs among them it would be no share of connections that are open
	}
	return explain.F(max(all.Float()-syns.Float(), 0))
}

// retransmits: retransmissions are not among the segments that TcpOutSegs counts.
func retransmits() loss {
	return loss{
		rule: hostRule{
			ID:   "net.retransmits",
			What: "(RetransSegs - TCPSynRetrans) / (the same + OutSegs), of five at least; of few segments a notice at most",
			Means: "Segments of open connections that were not acknowledged in time, or only after later ones: lost on the way, " +
				"or so late that they looked lost. The sender slows down once for each such episode.",
			Evidence: []string{"tcp_out_segs", "tcp_syn_retrans", "tcp_timeouts"},
			Concept:  aboutLoss, Next: "kwhy net sockets --sort tcpi_total_retrans",
		},
		key:  "tcp_retrans_segs",
		part: resentData, whole: mib("TcpOutSegs"),
		at: explain.At{Notice: 0.01, Warning: 0.05, Critical: 0.20}, everAt: 0.02,
		most: func(lost, sent value) explain.Level {
			const resent, segments = 20, 200 // less than that is a hiccup of one connection
			if lost.Has() && (lost.Float() < resent || sent.Float() < segments) {
				return explain.Notice
			}
			return explain.Critical
		},
		say: func(_ host, share, over string) string {
			return share + " of the TCP segments of open connections were retransmitted, " + over
		},
	}
}

func softnetDrops() loss {
	return loss{
		rule: hostRule{
			ID:   "net.softnet_drops",
			What: "dropped / (dropped + processed) of softnet_stat",
			Means: "A CPU's backlog (of loopback, RPS, veth or drivers without NAPI) held netdev_max_backlog packets, " +
				"and its softirq did not process them in time.",
			Evidence: []string{"netdev_max_backlog"},
			Concept:  "softirq-napi", Next: "kwhy explain softirq-napi",
		},
		key:  "softnet_dropped",
		part: softTotal(softDropped), whole: softTotal(softProcessed),
		at: explain.At{Notice: 1e-9, Warning: 0.0001, Critical: 0.01}, everAt: 0.0001,
		say: func(_ host, share, over string) string {
			return share + " of the packets that interfaces handed over were dropped because a CPU's backlog was full, " + over
		},
	}
}

// udpLoss is what met a full receive buffer, by the version of IP. A datagram counts as
// come in when a program reads it (net/ipv4/udp.c, udp_recvmsg): those that still wait
// are in neither number, so that the sentence says both and no share.
func udpLoss(id, key, prefix, of string) loss {
	lost, read := mib(prefix+"RcvbufErrors"), mib(prefix+"InDatagrams")
	return loss{
		rule: hostRule{
			ID:   id,
			What: "RcvbufErrors / (RcvbufErrors + InDatagrams) of UDP over " + of,
			Means: "The receive buffer of a socket was full when datagrams came: its program does not read as fast as they come. " +
				"The sender does not learn of it.",
			Evidence: []string{key + "_in_errors", key + "_in_datagrams", "rmem_default", "rmem_max"},
			Concept:  "udp", Next: "kwhy net sockets --protocol udp",
		},
		key:  key + "_rcvbuf_errors",
		part: lost, whole: read,
		at: explain.At{Notice: 1e-9, Warning: 0.001, Critical: 0.05}, everAt: 0.001,
		say: func(n host, _, over string) string {
			l, _ := lately(n, lost)
			r, _ := lately(n, read)
			return units.Plural(int64(l.Float()), "datagram of "+of+" was", "datagrams of "+of+" were") +
				" lost to a full receive buffer, and " + units.Number(int64(r.Float())) + " were read, " + over
		},
	}
}

// enough makes the share zero where too little was lost to speak of one: one segment of
// ten retransmitted is no sign.
func enough(rules []hostRule, lost func(host) value) []hostRule {
	const least = 5
	for i := range rules {
		share := rules[i].Of
		rules[i].Of = func(n host) value {
			v := share(n)
			if g, _ := lately(n, lost); v.Has() && g.Float() < least {
				return explain.F(0)
			}
			return v
		}
	}
	return rules
}

// either adds the counters of both versions of IP; the second may not be there.
func either(v4, v6 string) func(host) value {
	return func(n host) value {
		v := mib(v4)(n)
		if w := mib(v6)(n); v.Has() && w.Has() {
			return explain.Sum(v, w)
		}
		return v
	}
}

// growth is a counter whose rate is judged.
type growth struct {
	rule    hostRule
	key     string
	besides []string // other values that it rests on
	get     func(host) value
	say     string            // behind how often, and in which interval
	saying  func(host) string // the same, where it depends on the host
}

// judged completes the rule.
func (g growth) judged() hostRule {
	r := g.rule
	r.Evidence, r.Unit, r.Basis = append([]string{g.key}, g.besides...), explain.Decimal, explain.Interval
	r.What = cmp.Or(r.What, g.key) + ", per second"
	r.Of = func(n host) value { return rate(n, g.get) }
	r.Say = func(n host) string {
		_, over, _ := n.Before()
		say := g.say
		if g.saying != nil {
			say = g.saying(n)
		}
		return explain.Often(rate(n, g.get).Float()) + " in the last " + units.Span(over.Seconds()) + " " + say
	}
	return r
}

// rateRules rest on what a counter grows a second: what it was before says nothing.
func rateRules() []hostRule {
	return []hostRule{
		growth{
			rule: hostRule{
				ID: "net.time_squeeze",
				Means: "A round of receive processing (net_rx_action) used up netdev_budget or netdev_budget_usecs while packets " +
					"were left: they wait for the next round, and if that goes on the rings overflow.",
				Concept: "softirq-napi", Next: "kwhy explain softirq-napi",
				At: explain.At{Notice: 10, Warning: 200},
			},
			key: "softnet_time_squeeze", get: softTotal(softSqueezed),
			say: "a CPU ended a round of receive processing with packets left: it does not keep up",
		}.judged(),
		untracked(),
		clashes(),
		synsResent(),
		growth{
			rule: hostRule{
				ID: "net.syncookies",
				Means: "More connections were half open than the listener has room for. With a cookie the kernel keeps nothing of a SYN: " +
					"window scaling and SACK survive only by way of timestamps.",
				Concept: aboutListening, Next: "kwhy net sockets --state LISTEN",
				At: explain.At{Notice: 1e-9, Warning: 100},
			},
			key: "syncookies_sent", get: cookiesOfNeed, besides: []string{"tcp_syncookies"},
			say: "a SYN was answered with a cookie: a listener's SYN queue is full, by a flood or by too short a backlog",
		}.judged(),
		growth{
			rule: hostRule{
				ID: "net.udp_memory",
				Means: "All UDP sockets together had more than udp_mem allows, or the memory cgroup of one was at its limit: a datagram is " +
					"dropped though its own socket has room.",
				Concept: "tcp-memory", Next: "kwhy explain tcp-memory",
				At: explain.At{Warning: 1e-9, Critical: 100},
			},
			key: "udp_mem_errors", besides: []string{"udp6_mem_errors"}, get: either("UdpMemErrors", "Udp6MemErrors"),
			say: "a datagram was lost because all UDP sockets together had more than udp_mem allows, or a memory cgroup was at its limit",
		}.judged(),
	}
}

// cookiesOfNeed are the cookies that were sent because a SYN queue was full; with
// tcp_syncookies=2 every SYN gets one (net/ipv4/tcp_input.c, tcp_conn_request), which says
// nothing of a queue.
func cookiesOfNeed(n host) value {
	if c, ok := n.Mem.Number(inspect.TCPSyncookies); ok && c == 2 {
		return explain.None(inspect.Inapplicable)
	}
	return mib("TcpExtSyncookiesSent")(n)
}

// synsResent says of SYNs what is not said of segments: that somebody does not answer.
func synsResent() hostRule {
	return hostRule{
		ID: "net.syn_retransmits", Basis: explain.Interval, Unit: explain.Count,
		What: "TCPSynRetrans over the interval",
		Means: "SYNs, or the answers of a listener to them, that got no answer themselves and were sent again: the host is gone, a filter " +
			"drops them or what comes back, or a listener's queue is full. No connection that is open is touched.",
		Evidence: []string{"tcp_syn_retrans", "tcp_syn_sent", "tcp_syn_recv"},
		Concept:  aboutStates, Next: "kwhy net sockets --state SYN_SENT,SYN_RECV",
		Of: func(n host) value { return grown(n, mib("TcpExtTCPSynRetrans")) },
		At: explain.At{Notice: 5},
		Say: func(n host) string {
			_, over, _ := n.Before()
			s := units.Plural(grown(n, mib("TcpExtTCPSynRetrans")).Int(), "SYN or answer to one was", "SYNs or answers to them were") +
				" sent again in the last " + units.Span(over.Seconds())
			asked, half := inState(n, synSent), inState(n, synRecv)
			return s + fmt.Sprintf("; now %s for an answer (SYN_SENT), and %s half open",
				units.Plural(asked, "socket waits", "sockets wait"), units.Plural(half, "is", "are"))
		},
	}
}

// against is the share that something takes of a bound that a sysctl sets.
func against(get func(host) value, src inspect.Source) func(host) value {
	return func(n host) value { return explain.Share(get(n), sysctl(src)(n)) }
}

// percentOf completes a rule on a share: it says the share, and then the rest.
func percentOf(r hostRule, rest string) hostRule {
	r.Unit = explain.Ratio
	r.Say = func(n host) string { return percent(r.Of(n)) + rest }
	return r
}

// nearRules rest on how near a bound is now.
func nearRules() []hostRule {
	return slices.Concat(nearTables(), []hostRule{portsNear(), portsBound()}, nearMemory(), []hostRule{closeWaitMany()})
}

// nearTables are the bounds on how many there may be.
func nearTables() []hostRule {
	return []hostRule{
		percentOf(hostRule{
			ID: "net.conntrack_near", What: "nf_conntrack_count / nf_conntrack_max",
			Means: "Netfilter keeps an entry for each connection as long as its timeouts say. " +
				"When the table is full, packets of new connections are dropped unless an entry that is not assured can be removed for them; " +
				"those of known ones pass.",
			Evidence: []string{"nf_conntrack_count", "nf_conntrack_max"},
			Concept:  "conntrack", Next: "kwhy explain conntrack",
			Of: against(sysctl(inspect.ConntrackCount), inspect.ConntrackMax),
			At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.95},
		}, " of nf_conntrack_max is in use: at 100 % packets of new connections are dropped"),
		percentOf(hostRule{
			ID: "net.orphans_near", What: "orphaned sockets / tcp_max_orphans",
			Means: "Orphans are TCP sockets that their programs have closed, with data or a FIN still on its way. " +
				"tcp_max_orphans limits them on the whole host; above it each further one is reset at once.",
			Evidence: []string{"tcp_orphan", "tcp_max_orphans"},
			Concept:  aboutStates, Next: "kwhy explain packet-path",
			Of: against(sockstat("TCP orphan"), inspect.TCPMaxOrphans),
			At: explain.At{Notice: 0.25, Warning: 0.50, Critical: 0.90},
		}, " of tcp_max_orphans: from a quarter on, orphans whose peer stalls are reset; at 100 %, any further one"),
		percentOf(hostRule{
			ID: "net.tw_near", What: "TIME_WAIT sockets / tcp_max_tw_buckets",
			Means: "The side that closes first keeps a small entry for 60 s, so that late segments do not reach a new " +
				"connection. Above the limit there is no entry, and they can.",
			Evidence: []string{"tcp_time_wait", "tcp_max_tw_buckets"},
			Concept:  aboutStates, Next: "kwhy explain packet-path",
			Of: against(func(n host) value { return explain.I(inState(n, timeWait)) }, inspect.TCPMaxTWBuckets),
			At: explain.At{Notice: 0.80, Warning: 0.98},
		}, " of tcp_max_tw_buckets: at 100 % connections end without TIME_WAIT"),
	}
}

// nearMemory are the bounds on the memory of buffers.
func nearMemory() []hostRule {
	return []hostRule{{
		ID: "net.tcp_memory_pressure", What: "pages of TCP / tcp_mem pressure, 1 at least while the kernel is under pressure",
		Unit: explain.Ratio,
		Means: "tcp_mem limits the buffers of all TCP sockets together. From pressure on, or where a send got no page, and until below low, " +
			"windows shrink and buffers do not grow; above high, TCP gets no more memory.",
		Evidence: []string{"tcp_mem_used", "tcp_mem_pressure", "tcp_memory_pressure"},
		Concept:  "tcp-memory", Next: "kwhy explain tcp-memory",
		Of: tcpPressed,
		At: explain.At{Notice: 0.80, Warning: 1, Critical: 1.5}, // high is 1.5 times pressure
		Say: func(n host) string {
			s := fmt.Sprintf("TCP's buffers have %s, %s of tcp_mem pressure",
				size(used("TCP mem")(n)), units.Percent(sockstat("TCP mem")(n).Int(), int64(n.TCPMem[1])))
			if underPressure(n) {
				s += ": TCP is under memory pressure now, windows shrink and buffers do not grow"
			}
			return s
		},
	}, percentOf(hostRule{
		ID: "net.udp_memory_near", What: "pages of UDP / udp_mem low",
		Means: "UDP has no pressure state: above the first number of udp_mem a socket that has more than udp_rmem_min gets no " +
			"more memory, and datagrams are lost.",
		Evidence: []string{"udp_mem_used", "udp_mem_low"},
		Concept:  "tcp-memory", Next: "kwhy explain tcp-memory",
		Of: func(n host) value {
			if n.UDPMem[0] <= 0 {
				return value{}
			}
			return explain.Share(sockstat("UDP mem")(n), explain.I(int64(n.UDPMem[0])))
		},
		At: explain.At{Notice: 0.70, Warning: 0.90, Critical: 1},
	}, " of udp_mem low is used by UDP's buffers: above it datagrams are lost")}
}

// closeWaitMany judges a number of sockets: programs that close have few.
func closeWaitMany() hostRule {
	return hostRule{
		ID: "net.close_wait_many", Unless: "net.close_wait", What: "connections in CLOSE_WAIT", Unit: explain.Count,
		Means: "The peer has closed and the kernel waits for the program here to do the same. " +
			"Without keepalive no timer ends that once all is sent: a program with this many has lost track of them.",
		Evidence: []string{"tcp_close_wait"},
		Concept:  aboutStates, Next: "kwhy net sockets --state CLOSE_WAIT",
		Of: func(n host) value { return explain.I(inState(n, closeWait)) },
		At: explain.At{Notice: 50, Warning: 1000},
		Say: func(n host) string {
			return units.Plural(inState(n, closeWait), "connection", "connections") +
				" in CLOSE_WAIT: the other side has closed, and a program here has not"
		},
	}
}

// tcpPressed is how near TCP's memory is to the pressure threshold: 1 at least while
// the kernel is under pressure.
func tcpPressed(n host) value {
	if n.TCPMem[1] <= 0 {
		if underPressure(n) {
			return explain.F(1)
		}
		return value{}
	}
	s := explain.Share(sockstat("TCP mem")(n), explain.I(int64(n.TCPMem[1])))
	if s.Has() && underPressure(n) {
		return explain.F(max(s.Float(), 1))
	}
	return s
}
