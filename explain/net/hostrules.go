package net

import (
	"fmt"

	"kwhy/explain"
	"kwhy/inspect"
)

type hostRule = explain.Rule[*inspect.Net]

// lossRule declares the two rules on a counter of what was lost. Over an interval its
// share of what passed says what goes on now. Without one the share of all that ever
// passed is worth a notice at most: it may be long over. Which of the two a finding
// rests on is in its ID, its basis and its sentence.
type lossRule struct {
	rule        hostRule // what both have
	key         string   // of the counter, whose value carries the level
	part, whole func(host) value
	whatWhole   string // how What names the two together
	at          explain.At
	everAt      float64
	say         func(part, whole value, over string) string
}

func (l lossRule) rules() []hostRule {
	now, ever := l.rule, l.rule
	now.Evidence, ever.Evidence = append([]string{l.key}, l.rule.Evidence...), append([]string{l.key}, l.rule.Evidence...)
	now.Unit, ever.Unit = explain.Ratio, explain.Ratio
	now.At, now.Basis, now.What = l.at, explain.Interval, l.whatWhole+", over the interval"
	now.Of = func(n host) value { return share(grown(n, l.part), plusF(grown(n, l.part), grown(n, l.whole))) }
	now.Say = func(n host) string {
		_, over, _ := n.Before()
		return l.say(grown(n, l.part), grown(n, l.whole), "in the last "+explain.Span(over.Seconds()))
	}
	ever.ID, ever.At, ever.Basis, ever.What = l.rule.ID+"_so_far", explain.At{Notice: l.everAt}, explain.Ever, l.whatWhole+", since counting began"
	ever.Of = func(n host) value {
		if _, _, ok := n.Before(); ok {
			return value{} // the interval says more
		}
		return share(l.part(n), plus(l.part(n), l.whole(n)))
	}
	ever.Say = func(n host) string {
		return l.say(l.part(n), l.whole(n), "since these counters began; --interval 10s says whether it goes on")
	}
	ever.Next = "kwhy net --interval 10s"
	return []hostRule{now, ever}
}

// partOf is the share of a part of it and the rest together.
func partOf(part, rest value) string {
	return percent(share(part, plusF(part, rest)))
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
	return append(out, nearRules()...)
}

func lossRules() (out []hostRule) {
	for _, l := range []lossRule{{
		rule: hostRule{ID: "net.listen_overflow", Evidence: []string{"listen_drops", "tcp_passive_opens", "somaxconn"}, Concept: aboutListening, Next: "kwhy net sockets --state LISTEN",
			Means: "The kernel had done the handshake and there was no room for the connection in its listener's accept queue: the last packet is dropped, and the client tries again and is late, or gives up."},
		key: "listen_overflows", part: mib("TcpExtListenOverflows"), whole: mib("TcpPassiveOpens"), whatWhole: "ListenOverflows / (ListenOverflows + PassiveOpens)",
		at: explain.At{Notice: 1e-9, Warning: 0.001, Critical: 0.05}, everAt: 0.001,
		say: func(part, whole value, over string) string {
			return partOf(part, whole) + " of the handshakes that came found the accept queue of their listener full, " + over
		},
	}, {
		// Segments sent again are not among those that TcpOutSegs counts.
		rule: hostRule{ID: "net.retransmits", Evidence: []string{"tcp_out_segs", "tcp_syn_retrans", "tcp_timeouts"}, Concept: aboutLoss, Next: "kwhy net sockets --sort tcpi_total_retrans",
			Means: "No acknowledgement came for what was sent, so that it was sent again: it was lost on the way, or the answer was, or the peer dropped it."},
		key: "tcp_retrans_segs", part: enough(mib("TcpRetransSegs")), whole: mib("TcpOutSegs"), whatWhole: "RetransSegs / (RetransSegs + OutSegs), where that is 5 at least",
		at: explain.At{Notice: 0.01, Warning: 0.05, Critical: 0.20}, everAt: 0.02,
		say: func(part, whole value, over string) string {
			return partOf(part, whole) + " of the TCP segments were sent again, " + over
		},
	}, {
		rule: hostRule{ID: "net.softnet_drops", Evidence: []string{"netdev_max_backlog"}, Concept: "softirq-napi", Next: "kwhy explain softirq-napi",
			Means: "A CPU's queue of packets from loopback, RPS, veth and the like held netdev_max_backlog, or one flow took more than its part of it."},
		key: "softnet_dropped", part: softTotal(softDropped), whole: softTotal(softProcessed), whatWhole: "dropped / (dropped + processed) of softnet_stat",
		at: explain.At{Notice: 1e-9, Warning: 0.0001, Critical: 0.01}, everAt: 0.0001,
		say: func(part, whole value, over string) string {
			return partOf(part, whole) + " of the packets that interfaces handed over met a CPU's full backlog and were dropped, " + over
		},
	}, udpLoss("net.udp_rcvbuf_errors", "udp", "Udp", "IPv4"), udpLoss("net.udp6_rcvbuf_errors", "udp6", "Udp6", "IPv6")} {
		out = append(out, l.rules()...)
	}
	return out
}

// udpLoss is what met a full receive buffer. A datagram counts as come in when a
// program reads it (net/ipv4/udp.c, udp_recvmsg): those that still wait are in
// neither number.
func udpLoss(id, key, prefix, of string) lossRule {
	return lossRule{
		rule: hostRule{ID: id, Evidence: []string{key + "_in_errors", key + "_in_datagrams", "rmem_default", "rmem_max"}, Concept: "udp", Next: "kwhy net sockets --protocol udp",
			Means: "The socket's receive buffer was full: the kernel drops what does not fit, and tells the sender nothing."},
		key: key + "_rcvbuf_errors", part: mib(prefix + "RcvbufErrors"), whole: mib(prefix + "InDatagrams"), whatWhole: "RcvbufErrors / (RcvbufErrors + InDatagrams) of " + of,
		at: explain.At{Notice: 1e-9, Warning: 0.001, Critical: 0.05}, everAt: 0.001,
		say: func(part, whole value, over string) string {
			return explain.Plural(int64(part.Float()), "datagram", "datagrams") + " of " + of + " met a full receive buffer and were lost, and " + explain.Number(int64(whole.Float())) + " were read, " + over
		},
	}
}

// enough leaves out what is too little to speak of a share: one segment of ten sent
// again is no sign.
func enough(get func(host) value) func(host) value {
	const least = 5
	return func(n host) value {
		if v := get(n); v.Has() && v.Float() >= least {
			return v
		}
		return value{}
	}
}

// either adds the counters of both versions of IP; the second may not be there.
func either(v4, v6 string) func(host) value {
	return func(n host) value {
		v := mib(v4)(n)
		if w := mib(v6)(n); v.Has() && w.Has() {
			return plus(v, w)
		}
		return v
	}
}

// rateRules rest on what a counter grows a second: what it was before says nothing.
func rateRules() []hostRule {
	perSecond := func(r hostRule, get func(host) value, what, say string) hostRule {
		r.What, r.Unit, r.Basis = what+", per second", explain.Decimal, explain.Interval
		r.Of = func(n host) value { return rate(n, get) }
		r.Say = func(n host) string {
			_, over, _ := n.Before()
			return fmt.Sprintf("%s times a second in the last %s %s", explain.AppendDecimal(nil, rate(n, get).Float()), explain.Span(over.Seconds()), say)
		}
		return r
	}
	return []hostRule{
		perSecond(hostRule{ID: "net.time_squeeze", Evidence: []string{"softnet_time_squeeze"}, Concept: "softirq-napi", Next: "kwhy explain softirq-napi", At: explain.At{Notice: 10, Warning: 200},
			Means: "netdev_budget or netdev_budget_usecs was used up with packets left in the rings. Nothing is lost by that; it goes on in the next round."},
			softTotal(softSqueezed), "time_squeeze of softnet_stat",
			"a CPU ended a round of taking in packets with packets left: it does not keep up"),
		perSecond(hostRule{ID: "net.conntrack_drops", Evidence: []string{"conntrack_drop"}, Concept: "conntrack", Next: "kwhy explain conntrack", At: explain.At{Warning: 1e-9, Critical: 10},
			Means: "The table of connections was full, or there was no memory for an entry: the packet is dropped before any rule sees it."},
			func(n host) value { return explain.Look(n.Conntrack, "drop") }, "drop of nf_conntrack",
			"a packet was dropped because its connection could not be tracked"),
		perSecond(hostRule{ID: "net.syncookies", Evidence: []string{"syncookies_sent"}, Concept: aboutListening, Next: "kwhy net sockets --state LISTEN", At: explain.At{Notice: 1e-9, Warning: 100},
			Means: "The listener had no room for one more half-open connection: what is to be remembered of it went into the answer's sequence number."},
			mib("TcpExtSyncookiesSent"), "SyncookiesSent",
			"a SYN was answered with a cookie: a listener's SYN queue is full, by a flood or by too short a backlog"),
		perSecond(hostRule{ID: "net.udp_memory", Evidence: []string{"udp_mem_errors"}, Concept: "tcp-memory", Next: "kwhy explain tcp-memory", At: explain.At{Warning: 1e-9, Critical: 100},
			Means: "The bound is of all UDP sockets of the host together: a socket with room in its own buffer loses datagrams, too."},
			either("UdpMemErrors", "Udp6MemErrors"), "MemErrors of UDP",
			"a datagram was lost because all UDP sockets together had more than udp_mem allows"),
	}
}
