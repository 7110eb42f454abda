package net

import (
	"fmt"
	"slices"
	"strings"

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
			say: "Of UDP, ICMP and raw sockets: no memory, a queue that was full, or netfilter in OUTPUT. " +
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
				"Let that pass everywhere (fragmentation needed), or set the route's mtu.",
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
			say:  "No memory, a full queue, or netfilter in OUTPUT.",
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
			gist: "IPv6 packets of this host that were too large and could not be fragmented.",
			say:  "Larger than the path allows, and not to be fragmented: let ICMPv6 (packet too big) pass, or set the route's mtu.",
		},
	})...)
}

func netfilter() []field {
	ofConntrack := func(d doc, say string) field {
		d.Unit, d.Counter, d.Source, d.Concept = explain.Count, true, inspect.NetConntrack, "conntrack"
		name := strings.TrimPrefix(d.Key, "conntrack_")
		get := func(n host) value {
			if v := explain.Look(n.Conntrack, name); v.Has() {
				return v
			}
			return explain.None(inspect.Untold) // columns were added and removed over time
		}
		return field{Doc: d, Get: get, Reading: whenSome(get, say)}
	}
	return []field{
		{
			Doc: doc{
				Key: "ip_tables_names", Label: "iptables tables", Source: inspect.NetTables, Concept: "netfilter",
				Gist: "Tables of iptables that exist: each sees every packet of its hooks.",
			},
			Get: func(n host) value {
				list := make([]value, len(n.Tables))
				for i, t := range n.Tables {
					list[i] = explain.S(t)
				}
				return explain.L(list)
			},
			Reading: func(n host) string {
				if len(n.Tables) == 0 {
					return "No table of iptables; those of nftables, which newer iptables uses, are not listed here."
				}
				return "Every packet passes them, with rules or without; iptables-save shows the rules."
			},
		},
		{
			Doc: doc{
				Key: "netfilter_hooks", Label: "hooks", Unit: explain.Count,
				Source: inspect.NetHooks, Concept: "netfilter",
				Gist: "Functions that netfilter calls for packets: tables, tracking, modules.",
			},
			Get: func(n host) value { return explain.I(len(n.Hooks)) },
			Reading: func(n host) string {
				if len(n.Hooks) == 0 {
					return "None: no packet is filtered, changed or tracked here."
				}
				return "In the order in which a packet meets them; nft list ruleset shows the rules."
			},
		},
		{
			Doc: doc{
				Key: "nf_conntrack_count", Kernel: "net.netfilter.nf_conntrack_count", Label: "nf_conntrack_count",
				Unit:   explain.Count,
				Source: inspect.ConntrackCount, Also: []inspect.Source{inspect.ConntrackMax},
				Concept: "conntrack",
				Gist:    "Connections that connection tracking knows, UDP and ICMP among them.",
			},
			Get: sysctl(inspect.ConntrackCount), Reading: readTracked,
		},
		{
			Doc: doc{
				Key: "nf_conntrack_max", Kernel: "net.netfilter.nf_conntrack_max", Label: "nf_conntrack_max",
				Unit:   explain.Count,
				Source: inspect.ConntrackMax, Also: []inspect.Source{inspect.ConntrackBuckets},
				Concept: "conntrack",
				Gist:    "The most connections it tracks: packets of further ones are dropped.",
			},
			Get: sysctl(inspect.ConntrackMax), Derive: deriveConntrack,
		},
		{
			Doc: doc{
				Key: "nf_conntrack_buckets", Kernel: "net.netfilter.nf_conntrack_buckets", Label: "nf_conntrack_buckets",
				Unit: explain.Count,
				Show: explain.Data, Source: inspect.ConntrackBuckets, Concept: "conntrack",
				Gist: "Buckets of the hash table of tracked connections; each has two entries.",
			},
			Get: sysctl(inspect.ConntrackBuckets),
		},
		ofConntrack(doc{
			Key: "conntrack_drop", Label: "drop", Show: explain.Rare,
			Gist: "Packets dropped because they could not be tracked: the table was full.",
		}, "The table was full, or a helper refused: raise nf_conntrack_max, or don't track what needs no tracking (notrack)."),
		ofConntrack(doc{
			Key: "conntrack_early_drop", Label: "early_drop", Show: explain.Rare,
			Gist: "Unanswered connections that were removed to make room for new ones.",
		}, "The table was full; entries without an answer were removed."),
		ofConntrack(doc{
			Key: "conntrack_insert_failed", Label: "insert_failed", Show: explain.Rare,
			Gist: "Packets dropped because another one had inserted the same connection first.",
		}, "Two first packets of one connection at once: typically DNS from one socket, A and AAAA together, behind NAT."),
		ofConntrack(doc{
			Key: "conntrack_invalid", Label: "invalid", Show: explain.Rare,
			Gist: "Packets that fit no connection; rules see them as INVALID and may drop them.",
		}, "Outside the window, after a reset, or of a connection seen in one direction only: asymmetric routing does that. "+
			"Only a rule drops them."),
		ofConntrack(doc{
			Key: "conntrack_chainlength", Label: "chainlength", Show: explain.Rare,
			Gist: "Packets dropped because their bucket of the hash was full.",
		}, "The hash is far too small for what is tracked: raise nf_conntrack_buckets."),
		ofConntrack(doc{
			Key: "conntrack_search_restart", Label: "search_restart", Show: explain.Data,
			Gist: "Look-ups that had to start again because an entry moved.",
		}, ""),
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

type (
	hookRow        = netfacts.Part[netfacts.Hook]
	destinationRow = netfacts.Part[netfacts.Destination]
)

// Hooks lists what netfilter calls, in the order in which a packet meets it.
func Hooks() *explain.Table[hookRow] {
	type column = explain.Field[hookRow]
	ofHook := func(d doc, get func(*netfacts.Hook) value) column {
		d.Source, d.Concept = inspect.NetHooks, "netfilter"
		return column{Doc: d, Get: func(r hookRow) value { return get(r.It) }}
	}
	return &explain.Table[hookRow]{Name: "hooks", Identity: []string{"hook", "function"}, Fields: []column{
		worded(ofHook(doc{Key: "hook", Gist: "Where on a packet's path it is called."},
			func(h *netfacts.Hook) value { return explain.S(h.Hook) }), hookWords()),
		ofHook(doc{
			Key:  "family",
			Gist: "The packets' family: ip, ip6, arp, bridge; netdev is one interface's.",
		}, func(h *netfacts.Hook) value { return explain.S(h.Family) }),
		ofHook(doc{
			Key: "interface", Show: explain.Data,
			Gist: "The interface of a hook of the family netdev.",
		}, func(h *netfacts.Hook) value { return known(h.Dev) }),
		ofHook(doc{
			Key: "priority", Unit: explain.Plain,
			Gist: "The lowest is called first.",
		}, func(h *netfacts.Hook) value { return explain.I(h.Priority) }),
		ofHook(doc{
			Key: "function", Show: explain.Wide,
			Gist: "The kernel's function that is called.",
		}, func(h *netfacts.Hook) value { return known(h.Function) }),
		ofHook(doc{Key: "module", Show: explain.Data, Gist: "The module that it is in."},
			func(h *netfacts.Hook) value { return known(h.Module) }),
		ofHook(doc{
			Key: "table", Show: explain.Data,
			Gist: "Of a chain of nftables: its family and table.",
		}, func(h *netfacts.Hook) value { return known(h.Table) }),
		ofHook(doc{
			Key: "chain", Show: explain.Data,
			Gist: "Of a chain of nftables: its name.",
		}, func(h *netfacts.Hook) value { return known(h.Chain) }),
		{
			Doc:   doc{Key: "why", Label: explain.Description, Source: inspect.NetHooks, Concept: "netfilter", Gist: "What it does with packets."},
			Write: func(b []byte, r hookRow) []byte { return append(b, whyHook(r.It)...) },
		},
	}}
}

// whyHook says what a hooked function is.
func whyHook(h *netfacts.Hook) string {
	f := h.Function
	switch {
	case h.Chain != "":
		return "the chain " + h.Chain + " of the nftables table " + h.Table
	case strings.Contains(f, "defrag"):
		return "reassembles fragments, for connection tracking"
	case containsAny(f, "conntrack_in", "conntrack_local", "ct_bridge_pre"):
		return "connection tracking looks up the packet's connection, or begins one"
	case strings.Contains(f, "confirm"):
		return "connection tracking inserts a new connection into its table"
	case strings.Contains(f, "nat"):
		return "address translation (NAT), as decided for the first packet of a connection"
	case strings.HasPrefix(f, "nft_"):
		return "a chain of nftables"
	case strings.Contains(f, "t_do_table"), hasAnyPrefix(f, "iptable_", "ip6table_", "arptable_"):
		return "a table of iptables"
	case hasAnyPrefix(f, "selinux", "smack", "apparmor"):
		return "a security module"
	case strings.Contains(f, "ip_vs"):
		return "IPVS, the load balancer in the kernel"
	case strings.HasPrefix(f, "br_nf"):
		return "hands a bridge's packets to iptables (br_netfilter)"
	case strings.Contains(f, "bpf"):
		return "a BPF program"
	case f == "":
		return "a function whose name the kernel does not keep"
	}
	return "a function of the kernel"
}

func containsAny(s string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s, part) })
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(s, prefix) })
}

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
