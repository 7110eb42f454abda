package net

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
)

type hostRule = explain.Rule[*netfacts.Snapshot]

// loss makes the two rules on a counter of what was lost. Over an interval its share
// of what passed says what goes on now. Without one the share of all that ever
// passed is worth a notice at most: it may be long over. Which of the two a finding
// rests on is in its ID and in its sentence.
func loss(r hostRule, key string, part, whole func(host) value, at explain.At, everAt float64, say func(n host, share, over string) string) []hostRule {
	now, ever := r, r
	now.Evidence, ever.Evidence = append([]string{key}, r.Evidence...), append([]string{key}, r.Evidence...)
	now.Unit, ever.Unit = explain.Ratio, explain.Ratio
	now.Basis, ever.Basis = explain.Interval, explain.Ever
	now.At = at
	now.Most = func(n host) explain.Level { return few(grown(n, part)) }
	now.Of = func(n host) value { return explain.Share(grown(n, part), plusF(grown(n, part), grown(n, whole))) }
	now.Say = func(n host) string {
		_, over, _ := n.Before()
		return say(n, percent(now.Of(n)), "in the last "+units.Span(over.Seconds()))
	}
	ever.ID, ever.At = r.ID+"_so_far", explain.At{Notice: everAt}
	ever.Of = func(n host) value {
		if _, _, ok := n.Before(); ok {
			return value{} // the interval says more
		}
		return explain.Share(part(n), explain.Sum(part(n), whole(n)))
	}
	ever.Say = func(n host) string {
		return say(n, percent(ever.Of(n)), "since these counters began; --interval 10s says whether it goes on")
	}
	ever.Next = "kwhy net --interval 10s"
	return []hostRule{now, ever}
}

// few is what a loss of so many is worth at most: of a few packets in a second one is a
// large share, and no alarm.
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
	return append(out, nearRules()...)
}

func lossRules() (out []hostRule) {
	out = append(out, loss(hostRule{ID: "net.listen_overflow",
		What:     "ListenOverflows / (ListenOverflows + PassiveOpens)",
		Means:    "The accept queue of a listener was full: the kernel dropped the SYN, or the ACK that ends the handshake (with tcp_abort_on_overflow it answers that by a reset). The client waits a second and more, and tries again.",
		Evidence: []string{"listen_drops", "tcp_passive_opens", "somaxconn"}, Concept: aboutListening, Next: "kwhy net sockets --state LISTEN"},
		"listen_overflows", mib("TcpExtListenOverflows"), mib("TcpPassiveOpens"), explain.At{Notice: 1e-9, Warning: 0.001, Critical: 0.05}, 0.001,
		func(_ host, share, over string) string {
			return share + " of the handshakes that came found the accept queue of their listener full, " + over
		})...)
	// Segments sent again are not among those that TcpOutSegs counts.
	out = append(out, enough(loss(hostRule{ID: "net.retransmits",
		What:     "RetransSegs / (RetransSegs + OutSegs), of five at least",
		Means:    "Segments that were not acknowledged in time, or of which later ones were: lost on the way, or held up so long that it looked like it. The sender slows down for each.",
		Evidence: []string{"tcp_out_segs", "tcp_syn_retrans", "tcp_timeouts"}, Concept: aboutLoss, Next: "kwhy net sockets --sort tcpi_total_retrans"},
		"tcp_retrans_segs", mib("TcpRetransSegs"), mib("TcpOutSegs"), explain.At{Notice: 0.01, Warning: 0.05, Critical: 0.20}, 0.02,
		func(_ host, share, over string) string {
			return share + " of the TCP segments were sent again, " + over
		}), mib("TcpRetransSegs"))...)
	out = append(out, loss(hostRule{ID: "net.softnet_drops",
		What:     "dropped / (dropped + processed) of softnet_stat",
		Means:    "A CPU's backlog had netdev_max_backlog packets, of loopback, RPS, veth or drivers without NAPI, and its softirq did not come to them in time.",
		Evidence: []string{"netdev_max_backlog"}, Concept: "softirq-napi", Next: "kwhy explain softirq-napi"},
		"softnet_dropped", softTotal(softDropped), softTotal(softProcessed), explain.At{Notice: 1e-9, Warning: 0.0001, Critical: 0.01}, 0.0001,
		func(_ host, share, over string) string {
			return share + " of the packets that interfaces handed over met a CPU's full backlog and were dropped, " + over
		})...)
	out = append(out, udpLoss("net.udp_rcvbuf_errors", "udp", "Udp", "IPv4")...)
	out = append(out, udpLoss("net.udp6_rcvbuf_errors", "udp6", "Udp6", "IPv6")...)
	return out
}

// udpLoss are the rules on what met a full receive buffer, by the version of IP. A
// datagram counts as come in when a program reads it (net/ipv4/udp.c, udp_recvmsg):
// those that still wait are in neither number, so that the sentence says both and no
// share.
func udpLoss(id, key, prefix, of string) []hostRule {
	lost, read := mib(prefix+"RcvbufErrors"), mib(prefix+"InDatagrams")
	return loss(hostRule{ID: id,
		What:     "RcvbufErrors / (RcvbufErrors + InDatagrams) of UDP over " + of,
		Means:    "The receive buffer of a socket was full when datagrams came: its program does not read as fast as they come. The sender is told nothing.",
		Evidence: []string{key + "_in_errors", key + "_in_datagrams", "rmem_default", "rmem_max"}, Concept: "udp", Next: "kwhy net sockets --protocol udp"},
		key+"_rcvbuf_errors", lost, read, explain.At{Notice: 1e-9, Warning: 0.001, Critical: 0.05}, 0.001,
		func(n host, _, over string) string {
			l, _ := lately(n, lost)
			r, _ := lately(n, read)
			return units.Plural(int64(l.Float()), "datagram of "+of+" was", "datagrams of "+of+" were") + " lost to a full receive buffer, and " + units.Number(int64(r.Float())) + " were read, " + over
		})
}

// enough makes the share nought where what was lost is too little to speak of one: one
// segment of ten sent again is no sign.
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

// rateRules rest on what a counter grows a second: what it was before says nothing.
func rateRules() []hostRule {
	perSecond := func(id, key, means, concept, next string, get func(host) value, at explain.At, say string) hostRule {
		return hostRule{
			ID: id, Evidence: []string{key}, Concept: explain.Concept(concept), Next: next, At: at,
			What: key + ", per second", Unit: explain.Decimal, Basis: explain.Interval, Means: means,
			Of: func(n host) value { return rate(n, get) },
			Say: func(n host) string {
				_, over, _ := n.Before()
				return explain.Often(rate(n, get).Float()) + " in the last " + units.Span(over.Seconds()) + " " + say
			},
		}
	}
	return []hostRule{
		perSecond("net.time_squeeze", "softnet_time_squeeze",
			"The round of softirqs that takes packets in ended by netdev_budget or netdev_budget_usecs while more were there: they wait for the next round, and where that goes on the rings run over.",
			"softirq-napi", "kwhy explain softirq-napi", softTotal(softSqueezed), explain.At{Notice: 10, Warning: 200},
			"a CPU ended a round of taking in packets with packets left: it does not keep up"),
		perSecond("net.conntrack_drops", "conntrack_drop",
			"The table of tracked connections was full, or had no memory: packets of new connections are dropped, and the kernel log says \"table full\".",
			"conntrack", "kwhy explain conntrack", func(n host) value { return explain.Look(n.Conntrack, "drop") }, explain.At{Warning: 1e-9, Critical: 10},
			"a packet was dropped because its connection could not be tracked"),
		perSecond("net.syncookies", "syncookies_sent",
			"More connections were half open than the listener has room for. With a cookie the kernel keeps nothing of a SYN: window scaling and SACK survive only by way of timestamps.",
			string(aboutListening), "kwhy net sockets --state LISTEN", mib("TcpExtSyncookiesSent"), explain.At{Notice: 1e-9, Warning: 100},
			"a SYN was answered with a cookie: a listener's SYN queue is full, by a flood or by too short a backlog"),
		perSecond("net.udp_memory", "udp_mem_errors",
			"All UDP sockets together had more than udp_mem allows: a datagram is dropped though its own socket has room.",
			"tcp-memory", "kwhy explain tcp-memory", either("UdpMemErrors", "Udp6MemErrors"), explain.At{Warning: 1e-9, Critical: 100},
			"a datagram was lost because all UDP sockets together had more than udp_mem allows"),
	}
}

// nearRules rest on how near a bound is now.
func nearRules() []hostRule {
	near := func(id, what, means, concept, next string, evidence []string, of func(host) value, at explain.At, say string) hostRule {
		return hostRule{ID: id, What: what, Unit: explain.Ratio, Means: means, Evidence: evidence, Concept: explain.Concept(concept), Next: next, Of: of, At: at, Say: func(n host) string { return percent(of(n)) + say }}
	}
	against := func(get func(host) value, src inspect.Source) func(host) value {
		return func(n host) value { return explain.Share(get(n), sysctl(src)(n)) }
	}
	return []hostRule{
		near("net.conntrack_near", "nf_conntrack_count / nf_conntrack_max",
			"Netfilter keeps an entry for each connection as long as its timeouts say. When the table is full, packets of new connections are dropped; those of known ones pass.",
			"conntrack", "kwhy explain conntrack", []string{"nf_conntrack_count", "nf_conntrack_max"},
			against(sysctl(inspect.ConntrackCount), inspect.ConntrackMax), explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.95},
			" of the room for tracked connections is taken: at 100 % packets of new ones are dropped"),
		near("net.orphans_near", "orphaned sockets / tcp_max_orphans",
			"Orphans are TCP sockets that their programs have closed, with data or a FIN still on its way. tcp_max_orphans bounds them on the whole host; beyond it one more is reset at once.",
			string(aboutStates), "kwhy explain packet-path", []string{"tcp_orphan", "tcp_max_orphans"},
			against(sockstat("TCP orphan"), inspect.TCPMaxOrphans), explain.At{Notice: 0.25, Warning: 0.50, Critical: 0.90},
			" of tcp_max_orphans: from a quarter on those whose peer stalls are reset, and at 100 % any"),
		near("net.tw_near", "TIME_WAIT sockets / tcp_max_tw_buckets",
			"Whoever closes first keeps a small entry for 60 s, so that late segments meet no new connection. Beyond the bound there is none, and what it guards against may happen.",
			string(aboutStates), "kwhy explain packet-path", []string{"tcp_time_wait", "tcp_max_tw_buckets"},
			against(func(n host) value { return explain.I(inState(n, timeWait)) }, inspect.TCPMaxTWBuckets), explain.At{Notice: 0.80, Warning: 0.98},
			" of tcp_max_tw_buckets: at 100 % connections end without TIME_WAIT"),
		{
			ID: "net.ports_near", What: "local ports taken towards one destination / ports of ip_local_port_range", Unit: explain.Ratio,
			Means:    "A connection is told from others by both addresses and both ports. For one destination there are as many as the range has ports; in TIME_WAIT they count, too.",
			Evidence: []string{"ephemeral_used_most", "ip_local_port_range"}, Concept: "ephemeral-ports", Next: "kwhy explain ephemeral-ports",
			Of: portsUsed, At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.97},
			Say: func(n host) string {
				return fmt.Sprintf("%s of the local ports for connections to %s are taken: at 100 %% connect fails with EADDRNOTAVAIL", percent(portsUsed(n)), n.Sockets.Destinations[0].Peer)
			},
		}, {
			ID: "net.tcp_memory_pressure", What: "pages of TCP / tcp_mem pressure, 1 at least while the kernel is under pressure", Unit: explain.Ratio,
			Means:    "tcp_mem bounds the buffers of all TCP sockets together. From pressure on until below low windows shrink and buffers do not grow; above high, memory is refused.",
			Evidence: []string{"tcp_mem_used", "tcp_mem_pressure", "tcp_memory_pressure"}, Concept: "tcp-memory", Next: "kwhy explain tcp-memory",
			Of: tcpPressed, At: explain.At{Notice: 0.80, Warning: 1, Critical: 1.5}, // high is 1.5 times pressure
			Say: func(n host) string {
				s := fmt.Sprintf("TCP's buffers have %s, %s of tcp_mem pressure", size(used("TCP mem")(n)), units.Percent(sockstat("TCP mem")(n).Int(), int64(n.TCPMem[1])))
				if underPressure(n) {
					s += ": TCP is under memory pressure now, windows shrink and buffers do not grow"
				}
				return s
			},
		},
		near("net.udp_memory_near", "pages of UDP / udp_mem low",
			"UDP knows no pressure: above the first of udp_mem a socket that has more than udp_rmem_min gets nothing, and datagrams are lost.",
			"tcp-memory", "kwhy explain tcp-memory", []string{"udp_mem_used", "udp_mem_low"},
			func(n host) value {
				if n.UDPMem[0] <= 0 {
					return value{}
				}
				return explain.Share(sockstat("UDP mem")(n), explain.I(int64(n.UDPMem[0])))
			}, explain.At{Notice: 0.70, Warning: 0.90, Critical: 1},
			" of udp_mem low is used by UDP's buffers: above it datagrams are lost"),
		{
			// A number of sockets: programs that close have few.
			ID: "net.close_wait_many", Unless: "net.close_wait", What: "connections in CLOSE_WAIT", Unit: explain.Count,
			Means:    "The peer has closed and the kernel waits for the program here to do the same. No timer ends that: a program that has so many has lost sight of them.",
			Evidence: []string{"tcp_close_wait"}, Concept: aboutStates, Next: "kwhy net sockets --state CLOSE_WAIT",
			Of: func(n host) value { return explain.I(inState(n, closeWait)) }, At: explain.At{Notice: 50, Warning: 1000},
			Say: func(n host) string {
				return units.Number(inState(n, closeWait)) + " connections in CLOSE_WAIT: their peers have closed, and a program here has not"
			},
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

// linkShare is the share of an interface's packets of which a counter tells, over
// the interval.
func linkShare(r interfaceRow, bad, good func(*netfacts.Interface) uint64) value {
	was, _, ok := r.Before()
	if !ok || bad(r.It) < bad(was.It) || good(r.It) < good(was.It) {
		return value{}
	}
	b, g := bad(r.It)-bad(was.It), good(r.It)-good(was.It)
	return explain.Share(explain.N(b), explain.N(b+g))
}

func linkErrors(i *netfacts.Interface) uint64 { return i.Dev.RxErrs + i.Dev.TxErrs }

func linkPackets(i *netfacts.Interface) uint64 { return i.Dev.RxPackets + i.Dev.TxPackets }

func linkReceived(i *netfacts.Interface) uint64 { return i.Dev.RxPackets }

func linkMissed(i *netfacts.Interface) uint64 { return i.Stats["rx_missed_errors"] }

func interfaceRules() []explain.Rule[interfaceRow] {
	type rule = explain.Rule[interfaceRow]
	pair := func(id, key, measure, means string, bad, good func(*netfacts.Interface) uint64, at explain.At, ever float64, what string) []rule {
		over := func(r interfaceRow) value { return linkShare(r, bad, good) }
		all := func(r interfaceRow) value {
			if _, _, ok := r.Net.Before(); ok {
				return value{}
			}
			return explain.Share(explain.N(bad(r.It)), explain.N(bad(r.It)+good(r.It)))
		}
		return []rule{{
			ID: id, What: measure, Unit: explain.Ratio, Basis: explain.Interval, Means: means,
			Evidence: []string{key}, Concept: "network-interface", Next: "kwhy explain network-interface", Of: over, At: at,
			Most: func(r interfaceRow) explain.Level {
				was, _, ok := r.Before()
				if !ok {
					return explain.Critical
				}
				return few(explain.N(bad(r.It) - min(bad(r.It), bad(was.It))))
			},
			Say: func(r interfaceRow) string {
				_, span, _ := r.Before()
				return fmt.Sprintf("%s: %s of its packets %s, in the last %s", r.It.Name, percent(over(r)), what, units.Span(span.Seconds()))
			},
		}, {
			ID: id + "_so_far", What: measure, Unit: explain.Ratio, Basis: explain.Ever, Means: means,
			Evidence: []string{key}, Concept: "network-interface", Next: "kwhy net --interval 10s", Of: all, At: explain.At{Notice: ever},
			Say: func(r interfaceRow) string {
				return fmt.Sprintf("%s: %s of its packets %s, since it is there; --interval 10s says whether it goes on", r.It.Name, percent(all(r)), what)
			},
		}}
	}
	return append(
		pair("net.nic_errors", "rx_errs", "errors / (errors + packets), in and out", "The interface took in frames that were broken, or could not send: cable, transceiver, duplex, or a driver that counts its own trouble here.", linkErrors, linkPackets, explain.At{Notice: 1e-9, Warning: 0.0001, Critical: 0.01}, 0.0001, "were broken or could not be sent"),
		pair("net.nic_missed", "rx_missed_errors", "missed / (missed + packets in)", "Frames came, and the ring had no free place for them: the CPUs did not empty it in time.", linkMissed, linkReceived, explain.At{Notice: 1e-9, Warning: 0.0001, Critical: 0.01}, 0.0001, "were missed: the ring was full")...)
}

func qdiscRules() []explain.Rule[qdiscRow] {
	dropped := func(r qdiscRow) value {
		was, _, ok := r.Before()
		if !ok || r.It.Dropped < was.It.Dropped || r.It.Packets < was.It.Packets {
			return value{}
		}
		d := r.It.Dropped - was.It.Dropped
		return explain.Share(explain.N(d), explain.N(d+r.It.Packets-was.It.Packets))
	}
	return []explain.Rule[qdiscRow]{{
		ID: "net.qdisc_drops", What: "dropped / (dropped + sent)", Unit: explain.Ratio, Basis: explain.Interval,
		Means:    "The queue on the way out was full, or its policy (AQM, a policer) dropped to tell senders to slow down.",
		Evidence: []string{"dropped"}, Concept: "qdisc", Next: "kwhy explain qdisc", Of: dropped,
		// A queue that drops is how a sender learns of the bottleneck: little of it is right.
		At: explain.At{Notice: 0.001, Warning: 0.02, Critical: 0.20},
		Say: func(r qdiscRow) string {
			_, over, _ := r.Before()
			return fmt.Sprintf("%s: its %s dropped %s of what was to be sent, in the last %s", r.It.Dev, r.It.Kind, percent(dropped(r)), units.Span(over.Seconds()))
		},
	}}
}
