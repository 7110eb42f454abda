package net

import (
	"fmt"
	"slices"
	"strconv"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
)

func ip() []field {
	out := counters(inspect.NetSNMP, "", "ip-layer", []counter{
		{name: "IpInReceives", gist: "Packets that IPv4 received, those dropped later too; what GRO joined is one."},
		{name: "IpInDelivers", gist: "Packets that IPv4 handed to TCP, UDP, ICMP and others here."},
		{name: "IpForwDatagrams", show: explain.Rare, gist: "Packets for other hosts that were forwarded."},
		{name: "IpOutRequests", gist: "Packets that protocols here gave to IPv4 to send."},
		{
			name: "IpInHdrErrors", show: explain.Rare,
			gist: "Packets dropped for a broken header, or a TTL that expired while forwarding.",
			say:  "Broken headers, or a TTL that expired while forwarding: traceroute causes that too, and so does a routing loop.",
		},
		{
			name: "IpInAddrErrors", show: explain.Rare,
			gist: "Packets for an address that is not this host's, and not forwarded.",
			say:  "Addressed to other hosts while forwarding is off, or to no valid address. A router needs net.ipv4.ip_forward=1.",
		},
		{
			name: "IpInUnknownProtos", show: explain.Rare,
			gist: "Packets of a protocol above IP that has no handler here.",
			say:  "No protocol and no raw socket accepted them: a tunnel or SCTP whose module is not loaded, or a scan.",
		},
		{
			name: "IpInDiscards",
			gist: "Intact packets dropped on their way in, usually for lack of memory.",
			say:  "Dropped though nothing was wrong with them: there was no memory (kwhy mem). What netfilter drops is not counted here.",
		},
		{
			name: "IpOutDiscards",
			gist: "Intact packets dropped on their way out: no memory, a full queue, a filter.",
			say: "Of UDP, ICMP and raw sockets: no memory, a queue that was full, or netfilter in OUTPUT (the program gets EPERM). " +
				"TCP retransmits and counts elsewhere.",
		},
		{
			name: "IpOutNoRoutes", show: explain.Rare,
			gist: "Packets that could not be sent because no route leads there.",
			say:  "ip route get ADDRESS says which way an address goes.",
		},
		{
			name: "IpReasmReqds", show: explain.Rare,
			gist: "Fragments received for reassembly.",
			say:  "Fragments of packets that are larger than the path allows. Losing one of them loses the whole packet.",
		},
		{
			name: "IpReasmFails", show: explain.Rare,
			gist: "Packets whose fragments could not be reassembled.",
			say:  "Fragments were missing after 30 s, overlapped, or had no room (net.ipv4.ipfrag_high_thresh).",
		},
		{
			name: "IpReasmTimeout", show: explain.Rare,
			gist: "Packets that still lacked fragments after ipfrag_time.",
			say:  "A fragment was lost: the path drops packets, or fragments as such. The sender should send smaller packets.",
		},
		{
			name: "IpFragFails", show: explain.Rare,
			gist: "Packets too large for the next link that must not be fragmented.",
			say: "Too large for the next link and marked not to be fragmented; the sender gets an ICMP message. " +
				"Let that pass everywhere (fragmentation needed), or set the route's mtu at the sender.",
		},
	})
	out = append(out, counters(inspect.NetNetstat, "IpExt", "ip-layer", []counter{
		{
			name: "InNoRoutes", show: explain.Rare,
			gist: "Packets for other hosts for which there was no route.",
			say:  "For other hosts, and no route leads there: ip route get ADDRESS shows it.",
		},
		{
			name: "InTruncatedPkts", show: explain.Rare,
			gist: "Packets shorter than their header says.",
			say:  "Truncated on the way: a broken link or driver; ethtool -S shows at which interface.",
		},
		{
			name: "InCsumErrors", show: explain.Rare,
			gist: "Packets whose IPv4 header has a wrong checksum.",
			say: "Headers damaged although the link's own checksum was right: bad memory in a router or card. " +
				"tcpdump -v shows where they come from.",
		},
		{
			name: "InCEPkts", show: explain.Rare,
			gist: "Packets that a router marked for congestion instead of dropping them (ECN).",
			say:  "A router on the way is congested and says so; senders slow down, and nothing is lost by it.",
		},
	})...)
	out = append(out, counters(inspect.NetNetstat, "TcpExt", "ip-layer", []counter{
		{
			name: "IPReversePathFilter", show: explain.Rare,
			gist: "Packets dropped because answers to them would leave by another interface.",
			say: "rp_filter dropped them: the route to their sender leaves by another interface than they came in by. " +
				"Where routes are asymmetric on purpose, net.ipv4.conf.*.rp_filter=2 accepts them.",
		},
	})...)
	return append(out, counters(inspect.NetSNMP6, "", "ip-layer", []counter{
		{name: "Ip6InReceives", show: explain.Rare, gist: "Packets that IPv6 received, those dropped later too."},
		{name: "Ip6OutRequests", show: explain.Rare, gist: "Packets that protocols here gave to IPv6 to send."},
		{
			name: "Ip6InHdrErrors", show: explain.Rare,
			gist: "IPv6 packets dropped for a broken header, or a hop limit that expired.",
			say:  "Broken headers, or a hop limit that expired while forwarding.",
		},
		{
			name: "Ip6InTooBigErrors", show: explain.Rare,
			gist: "IPv6 packets too large for the next link; the senders get ICMPv6 messages.",
			say:  "IPv6 never fragments on the way: the sender gets an ICMPv6 message, which filters must let through.",
		},
		{
			name: "Ip6InNoRoutes", show: explain.Rare,
			gist: "IPv6 packets that came in and had no route.",
			say:  "For other hosts, and no route leads there: ip -6 route get ADDRESS shows it.",
		},
		{
			name: "Ip6InAddrErrors", show: explain.Rare,
			gist: "IPv6 packets for an address that is not this host's, and not forwarded.",
			say:  "Addressed to other hosts while forwarding is off (net.ipv6.conf.all.forwarding), or to no valid address.",
		},
		{
			name: "Ip6InDiscards", show: explain.Rare,
			gist: "Intact IPv6 packets dropped on their way in.",
			say:  "No memory (kwhy mem), a policy of IPsec, or an interface on which IPv6 is off.",
		},
		{
			name: "Ip6InTruncatedPkts", show: explain.Rare,
			gist: "IPv6 packets shorter than their header says.",
			say:  "Truncated on the way: a broken link or driver; ethtool -S shows at which interface.",
		},
		{
			name: "Ip6OutDiscards", show: explain.Rare,
			gist: "Intact IPv6 packets dropped on their way out.",
			say:  "No memory, a full queue, an interface on which IPv6 is off, or netfilter in OUTPUT, for which the program gets EPERM.",
		},
		{
			name: "Ip6OutNoRoutes", show: explain.Rare,
			gist: "IPv6 packets that could not be sent because no route leads there.",
			say:  "Often just a host without an IPv6 route that tries IPv6 first.",
		},
		{
			name: "Ip6ReasmFails", show: explain.Rare,
			gist: "IPv6 packets whose fragments could not be reassembled.",
			say:  "Fragments were missing after 60 s, overlapped, or had no room (net.ipv6.ip6frag_high_thresh).",
		},
		{
			name: "Ip6FragFails", show: explain.Rare,
			gist: "IPv6 packets, own or forwarded, too large for the next link and not fragmented.",
			say: "Larger than the next link takes; forwarded ones are in Ip6InTooBigErrors too. Let ICMPv6 (packet too big) pass, or set " +
				"the route's mtu.",
		},
	})...)
}

func ports() []field {
	size := func(n host) value { return explain.Opt(n.Ports.Size()) }
	return []field{
		{
			Doc: doc{
				Key: "ip_local_port_range", Kernel: "net.ipv4.ip_local_port_range", Label: "ip_local_port_range",
				Source: inspect.IPLocalPortRange, Also: []inspect.Source{inspect.IPLocalReservedPorts},
				Concept: "ephemeral-ports",
				Gist:    "The range from which connect, and bind to port 0, take a local port.",
			},
			Get: func(n host) value {
				if n.Ports.Low < 0 {
					return value{}
				}
				return explain.S(fmt.Sprintf("%d-%d", n.Ports.Low, n.Ports.High))
			},
			Reading: func(n host) string {
				s := units.Plural(int64(n.Ports.Size()), "port", "ports")
				if r := n.Ports.Reserved; r > 0 {
					s += ", " + units.Number(r) + " reserved ones left out"
				}
				return s + " for each pair of a local address and a destination's address and port."
			},
		},
		{
			Doc: doc{
				Key: "ephemeral_ports", Label: "ports in the range", Unit: explain.Count, Show: explain.Data,
				Source: inspect.IPLocalPortRange, Also: []inspect.Source{inspect.IPLocalReservedPorts},
				Concept: "ephemeral-ports",
				Gist:    "Local ports of the range, without reserved ones.",
			},
			Get: size,
		},
		{
			Doc: doc{
				Key: "ephemeral_used", Label: "sockets", Unit: explain.Count,
				Source: inspect.TCPSockets, Also: []inspect.Source{inspect.IPLocalPortRange},
				Concept: "ephemeral-ports",
				Gist:    "TCP sockets with a local port of the range that nothing listens on.",
			},
			Get: func(n host) value {
				if n.Ports.Low < 0 {
					return explain.None(n.Missing(inspect.IPLocalPortRange))
				}
				return explain.I(n.Sockets.Ephemeral)
			},
			Reading: func(n host) string {
				if n.Sockets.Ephemeral == 0 {
					return "None."
				}
				return "Including TIME_WAIT. A port can serve many destinations at once: the limit is for each."
			},
		},
		{
			Doc: doc{
				Key: "ephemeral_used_most", Label: "to one destination", Unit: explain.Ratio,
				Source:  inspect.TCPSockets,
				Also:    []inspect.Source{inspect.IPLocalPortRange, inspect.IPLocalReservedPorts},
				Concept: "ephemeral-ports",
				Gist:    "Of the local ports, those that connections to the busiest destination take.",
			},
			Get: portsUsed,
			Reading: func(n host) string {
				d := n.Sockets.Destinations[0]
				return fmt.Sprintf("%s to %s. At 100 %% connect fails with EADDRNOTAVAIL.", units.Plural(d.Ports, "port", "ports"), d.Peer)
			},
		},
		{
			Doc: doc{
				Key: "ephemeral_used_local", Label: "of one address", Unit: explain.Ratio,
				Source:  inspect.TCPSockets,
				Also:    []inspect.Source{inspect.IPLocalPortRange, inspect.IPLocalReservedPorts},
				Concept: "ephemeral-ports",
				Gist:    "Of the local ports, those that connections from the busiest local address use.",
			},
			Get: portsOfLocal, Reading: readPortsOfLocal,
		},
	}
}

// portsUsed is how much of the range the busiest destination takes.
func portsUsed(n host) value {
	if len(n.Sockets.Destinations) == 0 || n.Ports.Size() <= 0 {
		return explain.None(inspect.Inapplicable)
	}
	return explain.F(float64(n.Sockets.Destinations[0].Ports) / float64(n.Ports.Size()))
}

// busiest is the local address whose sockets use most ports, of those whose ports serve their
// sockets alone if there are such.
func busiest(n host) (l netfacts.LocalPorts, ok bool) {
	if len(n.Sockets.From) == 0 || n.Ports.Size() <= 0 {
		return l, false
	}
	i := max(slices.IndexFunc(n.Sockets.From, netfacts.LocalPorts.Bound), 0)
	return n.Sockets.From[i], true
}

// portsOfLocal is how much of the range the sockets of the busiest local address use.
func portsOfLocal(n host) value {
	l, ok := busiest(n)
	if !ok {
		return explain.None(inspect.Inapplicable)
	}
	return explain.F(float64(l.Ports) / float64(n.Ports.Size()))
}

func readPortsOfLocal(n host) string {
	l, _ := busiest(n)
	s := units.Plural(l.Ports, "port", "ports") + " by " + units.Plural(l.Sockets, "connection", "connections") +
		" from " + l.Local.String() + "."
	switch {
	case l.Bound():
		s += " Connect would have used many of them twice: a program binds before it connects, which takes a port for every destination."
	case l.Sockets > l.Ports:
		s += " Connections to different destinations share them, so they don't run out."
	}
	return s
}

func portsNear() hostRule {
	return hostRule{
		ID: "net.ports_near", What: "local ports taken towards one destination / ports of ip_local_port_range", Unit: explain.Ratio,
		Means: "Both addresses and both ports identify a connection. To one destination there can be as many as the range has " +
			"ports; those in TIME_WAIT count too.",
		Evidence: []string{"ephemeral_used_most", "ip_local_port_range"},
		Concept:  "ephemeral-ports", Next: "kwhy explain ephemeral-ports",
		Of: portsUsed,
		At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.97},
		Say: func(n host) string {
			return fmt.Sprintf("%s of the local ports for connections to %s are taken: at 100 %% connect fails with EADDRNOTAVAIL",
				percent(portsUsed(n)), n.Sockets.Destinations[0].Peer)
		},
	}
}

// boundPorts is how much of the range is taken for every destination at once. Where it is as good
// as all towards one destination, that is said of this.
func boundPorts(n host) value {
	l, ok := busiest(n)
	if !ok || n.Ports.Size() <= 0 {
		return explain.None(inspect.Inapplicable)
	}
	if !l.Bound() || 10*l.Most >= 9*l.Ports {
		return explain.F(0)
	}
	return portsOfLocal(n)
}

func portsBound() hostRule {
	return hostRule{
		ID: "net.ports_bound", Unit: explain.Ratio,
		What: "local ports that one address takes by bind before connect / ports of ip_local_port_range",
		Means: "A program that binds to an address and port 0, and then connects, takes a port for all destinations: bind can't know " +
			"where it will connect to, and connect passes such ports over. With IP_BIND_ADDRESS_NO_PORT (since 4.2) bind leaves the " +
			"port to connect. That it was bind is concluded from how few ports two destinations share.",
		Evidence: []string{"ephemeral_used_local", "ip_local_port_range"},
		Concept:  "ephemeral-ports", Next: "kwhy explain ephemeral-ports",
		Of: boundPorts,
		At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.97},
		Say: func(n host) string {
			l, _ := busiest(n)
			who := "a program binds"
			if list := n.HoldersOf(l); len(list) > 0 {
				who = fmt.Sprintf("%s, which has %s of them, binds", list[0].Name, units.Number(list[0].N))
			}
			return fmt.Sprintf("%s of the %s local ports of %s are taken, each by a connection of its own: %s before it connects, "+
				"without IP_BIND_ADDRESS_NO_PORT; when all are, bind fails with EADDRINUSE",
				units.Number(l.Ports), units.Number(int64(n.Ports.Size())), l.Local, who)
		},
		NextOf: func(n host) string {
			l, _ := busiest(n)
			if list := n.HoldersOf(l); len(list) > 0 {
				return "kwhy net " + strconv.Itoa(int(list[0].PID))
			}
			return "kwhy net sockets"
		},
	}
}

type destinationRow = netfacts.Part[netfacts.Destination]

// Destinations lists where outgoing connections go, by the local ports they take.
func Destinations() *explain.Table[destinationRow] {
	type column = explain.Field[destinationRow]
	ofDestination := func(d doc, get func(destinationRow) value) column {
		d.Source, d.Concept = inspect.TCPSockets, "ephemeral-ports"
		d.Also = []inspect.Source{inspect.IPLocalPortRange, inspect.IPLocalReservedPorts}
		return column{Doc: d, Get: get}
	}
	return &explain.Table[destinationRow]{
		Name:     "destinations",
		Identity: []string{"local", "peer", "peer_port"},
		Sort:     []string{"ports", "peer", "peer_port", "local"},
		Fields: []column{
			ofDestination(doc{Key: "local", Gist: "The local address."}, func(r destinationRow) value {
				return explain.S(r.It.Local.String())
			}),
			ofDestination(doc{Key: "peer", Gist: "The remote address."}, func(r destinationRow) value {
				return explain.S(r.It.Peer.Addr().String())
			}),
			ofDestination(doc{
				Key: "peer_port", Unit: explain.Plain,
				Gist: "The remote port.",
			}, func(r destinationRow) value { return explain.N(r.It.Peer.Port()) }),
			ofDestination(doc{
				Key: "ports", Label: "PORTS", Unit: explain.Count,
				Gist: "Local ports that connections there use, TIME_WAIT included.",
			}, func(r destinationRow) value { return explain.I(r.It.Ports) }),
			ofDestination(doc{
				Key: "ports_used", Label: "OF RANGE", Unit: explain.Ratio,
				Gist: "Share of the ports that are available for each destination.",
			}, func(r destinationRow) value {
				if s := r.In.Ports.Size(); s > 0 {
					return explain.F(float64(r.It.Ports) / float64(s))
				}
				return value{}
			}),
		},
	}
}

func readTracked(n host) string {
	c, _ := n.Mem.Number(inspect.ConntrackCount)
	m, ok := n.Mem.Number(inspect.ConntrackMax)
	if !ok || m <= 0 {
		return ""
	}
	s := units.Percent(c, m) + " of nf_conntrack_max."
	if c == 0 {
		s += " Nothing is tracked: no rule of this namespace asks for it, or nothing has passed."
	}
	return s
}

// deriveConntrack computes the default by the buckets: one entry for each since
// 5.15, four before, and eight where the buckets were given by hand.
func deriveConntrack(n host) explain.Derivation {
	b, ok := n.Mem.Number(inspect.ConntrackBuckets)
	m, ok2 := n.Mem.Number(inspect.ConntrackMax)
	if !ok || !ok2 {
		return explain.Derivation{}
	}
	factor := int64(1)
	older := inspect.Choose(n.Kernel().Since(5, 15), false, true, m != kernel.ConntrackMax(b, 1))
	if older {
		if factor = 4; m == kernel.ConntrackMax(b, 8) {
			factor = 8
		}
	}
	var w explain.Working
	w.Take("buckets", explain.I(b), explain.Count, inspect.ConntrackBuckets, "nf_conntrack_buckets")
	formula := "buckets"
	if factor > 1 {
		formula = fmt.Sprintf("buckets × %d", factor)
	}
	d := w.Done(formula, explain.Count, explain.I(kernel.ConntrackMax(b, factor)))
	d.Cause = "somebody has set one of them"
	return d
}

// lostRaces are the packets that were dropped because another one had inserted the same
// connection first: each counts as drop and as insert_failed (net/netfilter/nf_conntrack_core.c,
// nf_ct_resolve_clash). A chain of the hash that is too long counts as insert_failed alone.
func lostRaces(n host) value {
	failed, long := explain.Look(n.Conntrack, "insert_failed"), explain.Look(n.Conntrack, "chainlength")
	if !failed.Has() || !long.Has() {
		return failed
	}
	return explain.F(max(failed.Float()-long.Float(), 0))
}

// tableNearFull reports whether the table of connections is as good as full now.
func tableNearFull(n host) bool {
	used := against(sysctl(inspect.ConntrackCount), inspect.ConntrackMax)(n)
	return used.Has() && used.Float() >= 0.95
}

// untrackable are the packets that were dropped because their connection could not be
// tracked, without those that lost a race unless the table is as good as full.
func untrackable(n host) value {
	all, races := explain.Look(n.Conntrack, "drop"), lostRaces(n)
	if !all.Has() || !races.Has() || tableNearFull(n) {
		return all
	}
	return explain.F(max(all.Float()-races.Float(), 0))
}

func untracked() hostRule {
	return growth{
		rule: hostRule{
			ID:   "net.conntrack_drops",
			What: "drop - (insert_failed - chainlength); all of drop where the table is at 95 % of nf_conntrack_max",
			Means: "The table of tracked connections was full (then the kernel log says \"table full\"), there was no memory for an " +
				"entry, or a helper refused: packets of new connections are dropped. Those that only lost a race are left out.",
			Concept: "conntrack", Next: "kwhy explain conntrack",
			At: explain.At{Warning: 1e-9, Critical: 10},
		},
		key: "conntrack_drop", besides: []string{"conntrack_insert_failed", "nf_conntrack_count", "nf_conntrack_max"},
		get: untrackable,
		saying: func(n host) string {
			s := "a packet was dropped because its connection could not be tracked"
			if tableNearFull(n) {
				s += ": the table is full"
			}
			return s
		},
	}.judged()
}

func clashes() hostRule {
	return growth{
		rule: hostRule{
			ID:   "net.conntrack_clashes",
			What: "insert_failed - chainlength",
			Means: "Two first packets of one connection passed at once, and the second found the place in the table taken. It is " +
				"dropped, and counts as drop too, however empty the table is. Most often it is DNS: A and AAAA asked for at once " +
				"over one socket, behind NAT; the resolver waits 5 s and asks again.",
			Concept: "conntrack", Next: "kwhy explain conntrack",
			At: explain.At{Notice: 0.2, Warning: 10},
		},
		key: "conntrack_insert_failed", besides: []string{"conntrack_drop"}, get: lostRaces,
		say: "a packet was dropped because another one had begun the same connection at the same moment",
	}.judged()
}
