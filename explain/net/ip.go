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
		{name: "IpInReceives", label: "received", gist: "Packets that came to IPv4, those dropped later too; what GRO joined is one."},
		{name: "IpInDelivers", label: "delivered", gist: "Packets that IPv4 handed to TCP, UDP, ICMP and others here."},
		{name: "IpForwDatagrams", label: "forwarded", show: explain.Rare, gist: "Packets that were for others and were sent on."},
		{name: "IpOutRequests", label: "sent", gist: "Packets that protocols here gave to IPv4 to send."},
		{
			name: "IpInHdrErrors", label: "header errors", show: explain.Rare,
			gist: "Packets dropped for a broken header, or a TTL that ran out on the way on.",
			say:  "Broken headers, or a TTL at its end while forwarding: traceroute does that too, and so does a routing loop.",
		},
		{
			name: "IpInAddrErrors", label: "not for here", show: explain.Rare,
			gist: "Packets for an address that is not this host's, and not forwarded.",
			say: "Addressed to others while forwarding is off, or to no valid address. " +
				"A host that is to route wants net.ipv4.ip_forward=1.",
		},
		{
			name: "IpInUnknownProtos", label: "unknown protocols", show: explain.Rare,
			gist: "Packets of a protocol above IP that nobody here speaks.",
			say:  "No protocol and no raw socket took them: a tunnel or SCTP whose module is not loaded, or a scan.",
		},
		{
			name: "IpInDiscards", label: "discarded",
			gist: "Whole packets dropped on their way in, for want of memory as a rule.",
			say:  "Dropped though nothing was wrong with them: there was no memory (kwhy mem). What netfilter drops is not counted here.",
		},
		{
			name: "IpOutDiscards", label: "discarded, out",
			gist: "Whole packets dropped on their way out: no memory, a full queue, a filter.",
			say: "Of UDP, ICMP and raw sockets: no memory, a queue that was full, or netfilter in OUTPUT. " +
				"TCP sends again and counts elsewhere.",
		},
		{
			name: "IpOutNoRoutes", label: "no route", show: explain.Rare,
			gist: "Packets that could not be sent because no route leads there.",
			say:  "ip route get ADDRESS says which way an address goes.",
		},
		{
			name: "IpReasmReqds", label: "fragments", show: explain.Rare,
			gist: "Fragments that came in, to be put together.",
			say:  "Fragments: what is larger than the path allows. Losing one of them loses the whole packet.",
		},
		{
			name: "IpReasmFails", label: "not put together", show: explain.Rare,
			gist: "Packets whose fragments could not be put together.",
			say:  "Fragments were missing after 30 s, overlapped, or had no room (net.ipv4.ipfrag_high_thresh).",
		},
		{
			name: "IpReasmTimeout", label: "of these, too late", show: explain.Rare,
			gist: "Packets of which fragments were still missing after ipfrag_time.",
			say:  "A fragment was lost: the path drops packets, or fragments as such. What sends them should send less at a time.",
		},
		{
			name: "IpFragFails", label: "not to be cut", show: explain.Rare,
			gist: "Packets too large for the way on that must not be cut.",
			say: "Too large for the next link and marked not to be cut; the sender is told by ICMP. " +
				"Let that pass everywhere (fragmentation needed), or set the route's mtu.",
		},
	})
	out = append(out, counters(inspect.NetNetstat, "IpExt", "ip-layer", []counter{
		{
			name: "InNoRoutes", label: "no way on", show: explain.Rare,
			gist: "Packets that came in for others and for which there was no route.",
			say:  "For others, and no route leads on: ip route get ADDRESS shows it.",
		},
		{
			name: "InTruncatedPkts", label: "cut short", show: explain.Rare,
			gist: "Packets shorter than their header says.",
			say:  "Cut on the way: a broken link or driver; ethtool -S says of which interface.",
		},
		{
			name: "InCsumErrors", label: "bad checksums", show: explain.Rare,
			gist: "Packets whose IPv4 header has a wrong checksum.",
			say:  "Headers damaged behind the link's own checksum: bad memory in a router or card. tcpdump -v shows from where they come.",
		},
		{
			name: "InCEPkts", label: "marked congested", show: explain.Rare,
			gist: "Packets that a router marked for congestion instead of dropping them (ECN).",
			say:  "A router on the way is congested and says so; senders slow down, and nothing is lost by it.",
		},
	})...)
	out = append(out, counters(inspect.NetNetstat, "TcpExt", "ip-layer", []counter{
		{
			name: "IPReversePathFilter", label: "rp_filter", show: explain.Rare,
			gist: "Packets dropped because answers to them would leave by another interface.",
			say: "rp_filter dropped them: their sender is reached by another interface than they came by. " +
				"Where routes are asymmetric by intent, net.ipv4.conf.*.rp_filter=2 takes them.",
		},
	})...)
	return append(out, counters(inspect.NetSNMP6, "", "ip-layer", []counter{
		{name: "Ip6InReceives", label: "IPv6 received", show: explain.Rare, gist: "Packets that came to IPv6, those dropped later too."},
		{name: "Ip6OutRequests", label: "IPv6 sent", show: explain.Rare, gist: "Packets that protocols here gave to IPv6 to send."},
		{
			name: "Ip6InHdrErrors", label: "IPv6 header errors", show: explain.Rare,
			gist: "IPv6 packets dropped for a broken header, or a hop limit at its end.",
			say:  "Broken headers, or a hop limit at its end while forwarding.",
		},
		{
			name: "Ip6InTooBigErrors", label: "IPv6 too big", show: explain.Rare,
			gist: "IPv6 packets too large for the way on; their senders are told.",
			say:  "IPv6 never cuts on the way: the sender is told by ICMPv6, which filters must let through.",
		},
		{
			name: "Ip6InNoRoutes", label: "IPv6 no way on", show: explain.Rare,
			gist: "IPv6 packets that came in and for which there was no route.",
			say:  "For others, and no route leads there: ip -6 route get ADDRESS shows it.",
		},
		{
			name: "Ip6InAddrErrors", label: "IPv6 not for here", show: explain.Rare,
			gist: "IPv6 packets for an address that is not this host's, and not forwarded.",
			say:  "Addressed to others while forwarding is off (net.ipv6.conf.all.forwarding), or to no valid address.",
		},
		{
			name: "Ip6InDiscards", label: "IPv6 discarded", show: explain.Rare,
			gist: "Whole IPv6 packets dropped on their way in.",
			say:  "No memory (kwhy mem), a policy of IPsec, or an interface on which IPv6 is off.",
		},
		{
			name: "Ip6InTruncatedPkts", label: "IPv6 cut short", show: explain.Rare,
			gist: "IPv6 packets shorter than their header says.",
			say:  "Cut on the way: a broken link or driver; ethtool -S says of which interface.",
		},
		{
			name: "Ip6OutDiscards", label: "IPv6 discarded, out", show: explain.Rare,
			gist: "Whole IPv6 packets dropped on their way out.",
			say:  "No memory, a full queue, or netfilter in OUTPUT.",
		},
		{
			name: "Ip6OutNoRoutes", label: "IPv6 no route", show: explain.Rare,
			gist: "IPv6 packets that could not be sent because no route leads there.",
			say:  "Often just a host without an IPv6 route that tries IPv6 first.",
		},
		{
			name: "Ip6ReasmFails", label: "IPv6 not put together", show: explain.Rare,
			gist: "IPv6 packets whose fragments could not be put together.",
			say:  "Fragments were missing after 60 s, overlapped, or had no room (net.ipv6.ip6frag_high_thresh).",
		},
		{
			name: "Ip6FragFails", label: "IPv6 not to be cut", show: explain.Rare,
			gist: "IPv6 packets of this host that were too large and could not be cut.",
			say:  "Larger than the path allows, and not to be cut: let ICMPv6 (packet too big) pass, or set the route's mtu.",
		},
	})...)
}

func netfilter() []field {
	track := func(d doc, say string) field {
		d.Unit, d.Counter, d.Source, d.Concept = explain.Count, true, inspect.NetConntrack, "conntrack"
		name := strings.TrimPrefix(d.Key, "conntrack_")
		get := func(n host) value {
			if v := explain.Look(n.Conntrack, name); v.Has() {
				return v
			}
			return explain.None(inspect.Untold) // columns came and went
		}
		return field{Doc: d, Get: get, Reading: whenSome(get, say)}
	}
	return []field{
		{
			Doc: doc{
				Key: "ip_tables_names", Label: "iptables", Source: inspect.NetTables, Concept: "netfilter",
				Gist: "Tables of iptables that have been made: each sees every packet of its hooks.",
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
					return "No table of iptables; those of nftables, which newer iptables uses, are not told here."
				}
				return "Made, and so passed by every packet, with rules or without; iptables-save shows the rules."
			},
		},
		{
			Doc: doc{
				Key: "netfilter_hooks", Label: "functions hooked", Unit: explain.Count,
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
				Key: "nf_conntrack_count", Kernel: "net.netfilter.nf_conntrack_count", Label: "tracked",
				Unit: explain.Count, Source: inspect.ConntrackCount, Also: []inspect.Source{inspect.ConntrackMax},
				Concept: "conntrack",
				Gist:    "Connections that connection tracking knows, UDP and ICMP among them.",
			},
			Get: sysctl(inspect.ConntrackCount), Reading: readTracked,
		},
		{
			Doc: doc{
				Key: "nf_conntrack_max", Kernel: "net.netfilter.nf_conntrack_max", Label: "most of them",
				Unit: explain.Count, Source: inspect.ConntrackMax, Also: []inspect.Source{inspect.ConntrackBuckets},
				Concept: "conntrack",
				Gist:    "Room for so many: packets of further connections are dropped.",
			},
			Get: sysctl(inspect.ConntrackMax), Derive: deriveConntrack,
		},
		{
			Doc: doc{
				Key: "nf_conntrack_buckets", Kernel: "net.netfilter.nf_conntrack_buckets", Unit: explain.Count,
				Show: explain.Data, Source: inspect.ConntrackBuckets, Concept: "conntrack",
				Gist: "Buckets of the hash of tracked connections; each entry is in it twice.",
			},
			Get: sysctl(inspect.ConntrackBuckets),
		},
		track(doc{
			Key: "conntrack_drop", Label: "dropped", Show: explain.Rare,
			Gist: "Packets dropped because they could not be tracked: the table was full.",
		}, "The table was full, or a helper refused: raise nf_conntrack_max, or don't track what needs no tracking (notrack)."),
		track(doc{
			Key: "conntrack_early_drop", Label: "pushed out", Show: explain.Rare,
			Gist: "Tracked connections that had seen no answer and made room for new ones.",
		}, "The table was full; entries that no answer had confirmed gave way."),
		track(doc{
			Key: "conntrack_insert_failed", Label: "not entered", Show: explain.Rare,
			Gist: "Packets dropped because another one had entered the same connection first.",
		}, "Two first packets of one connection at once: typically DNS from one socket, A and AAAA together, behind NAT."),
		track(doc{
			Key: "conntrack_invalid", Label: "invalid", Show: explain.Rare,
			Gist: "Packets that fit no connection; rules see them as INVALID and may drop them.",
		}, "Out of a window, after a reset, or of half a connection: asymmetric routing does that. Nothing is dropped but by a rule."),
		track(doc{
			Key: "conntrack_chainlength", Label: "chain too long", Show: explain.Rare,
			Gist: "Packets dropped because their bucket of the hash was full.",
		}, "The hash is far too small for what is tracked: raise nf_conntrack_buckets."),
		track(doc{
			Key: "conntrack_search_restart", Label: "searches restarted", Show: explain.Data,
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
	s := units.Percent(c, m) + " of the room."
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
	if !n.Kernel().AtLeast(5, 15) {
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
	declare := func(d doc, get func(*netfacts.Hook) value) column {
		d.Source, d.Concept = inspect.NetHooks, "netfilter"
		return column{Doc: d, Get: func(r hookRow) value { return get(r.It) }}
	}
	return &explain.Table[hookRow]{Name: "hooks", Identity: []string{"hook", "function"}, Fields: []column{
		worded(declare(doc{Key: "hook", Gist: "Where on a packet's way it is called."},
			func(h *netfacts.Hook) value { return explain.S(h.Hook) }), hookWords()),
		declare(doc{
			Key:  "family",
			Gist: "Whose packets: ip, ip6, arp, bridge; netdev is one interface's.",
		}, func(h *netfacts.Hook) value { return explain.S(h.Family) }),
		declare(doc{
			Key: "interface", Show: explain.Data,
			Gist: "The interface of a hook of the family netdev.",
		}, func(h *netfacts.Hook) value { return told(h.Dev) }),
		declare(doc{
			Key: "priority", Unit: explain.Plain,
			Gist: "The lowest is called first.",
		}, func(h *netfacts.Hook) value { return explain.I(h.Priority) }),
		declare(doc{
			Key: "function", Show: explain.Wide,
			Gist: "The kernel's function that is called.",
		}, func(h *netfacts.Hook) value { return told(h.Function) }),
		declare(doc{Key: "module", Show: explain.Data, Gist: "The module that it is in."},
			func(h *netfacts.Hook) value { return told(h.Module) }),
		declare(doc{
			Key: "table", Show: explain.Data,
			Gist: "Of a chain of nftables: its family and table.",
		}, func(h *netfacts.Hook) value { return told(h.Table) }),
		declare(doc{
			Key: "chain", Show: explain.Data,
			Gist: "Of a chain of nftables: its name.",
		}, func(h *netfacts.Hook) value { return told(h.Chain) }),
		{
			Doc:   doc{Key: "why", Source: inspect.NetHooks, Concept: "netfilter", Gist: "What it does with packets."},
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
		return "puts fragments together, for connection tracking"
	case containsAny(f, "conntrack_in", "conntrack_local", "ct_bridge_pre"):
		return "connection tracking looks up the packet's connection, or begins one"
	case strings.Contains(f, "confirm"):
		return "connection tracking enters a new connection into its table"
	case strings.Contains(f, "nat"):
		return "address translation, of what the first packet of a connection decided"
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
	declare := func(d doc, get func(destinationRow) value) column {
		d.Source, d.Concept = inspect.TCPSockets, "ephemeral-ports"
		d.Also = []inspect.Source{inspect.IPLocalPortRange, inspect.IPLocalReservedPorts}
		return column{Doc: d, Get: get}
	}
	return &explain.Table[destinationRow]{
		Name:     "destinations",
		Identity: []string{"local", "peer", "peer_port"},
		Sort:     []string{"ports", "peer", "peer_port", "local"},
		Fields: []column{
			declare(doc{Key: "local", Label: "FROM", Gist: "The local address."}, func(r destinationRow) value {
				return explain.S(r.It.Local.String())
			}),
			declare(doc{Key: "peer", Label: "TO", Gist: "The remote address."}, func(r destinationRow) value {
				return explain.S(r.It.Peer.Addr().String())
			}),
			declare(doc{
				Key: "peer_port", Label: "PORT", Unit: explain.Plain,
				Gist: "The remote port.",
			}, func(r destinationRow) value { return explain.N(r.It.Peer.Port()) }),
			declare(doc{
				Key: "ports", Label: "PORTS USED", Unit: explain.Count,
				Gist: "Local ports that connections there take, those in TIME_WAIT too.",
			}, func(r destinationRow) value { return explain.I(r.It.Ports) }),
			declare(doc{
				Key: "ports_used", Label: "OF RANGE", Unit: explain.Ratio,
				Gist: "Of the ports that there are for each destination.",
			}, func(r destinationRow) value {
				if s := r.Net.Ports.Size(); s > 0 {
					return explain.F(float64(r.It.Ports) / float64(s))
				}
				return value{}
			}),
		},
	}
}
