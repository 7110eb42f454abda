package net

import (
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
)

type (
	hookRow = netfacts.Part[netfacts.Hook]
	dropRow = netfacts.Part[netfacts.DropRule]
)

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
	list := []field{
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
					return "No table of x_tables. Newer iptables makes rules of nftables; those that drop are in the next section."
				}
				return "Every packet passes them, with rules or without. Their rules that drop are in the next section; " +
					"iptables-legacy-save -c shows all."
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
			Gist: "Packets dropped because they could not be tracked: no room, or a lost race.",
		}, ""),
		ofConntrack(doc{
			Key: "conntrack_early_drop", Label: "early_drop", Show: explain.Rare,
			Gist: "Connections, none of them assured, that were removed to make room.",
		}, "The table was full; entries were removed that had no answer yet, or only a short exchange of UDP."),
		ofConntrack(doc{
			Key: "conntrack_insert_failed", Label: "insert_failed", Show: explain.Rare,
			Gist: "Packets whose connection was not inserted: most lost a race, and count as drop.",
		}, "Two first packets of one connection at once: typically DNS from one socket, A and AAAA together, behind NAT. "+
			"Each counts as drop too, however empty the table is."),
		ofConntrack(doc{
			Key: "conntrack_invalid", Label: "invalid", Show: explain.Rare,
			Gist: "Packets that fit no connection; rules see them as INVALID and may drop them.",
		}, "Outside the window, after a reset, or of a connection seen in one direction only: asymmetric routing does that. "+
			"Only a rule drops them."),
		ofConntrack(doc{
			Key: "conntrack_chainlength", Label: "chainlength", Show: explain.Rare,
			Gist: "Packets dropped because their bucket of the hash had too many entries.",
		}, "The hash is far too small for what is tracked: raise nf_conntrack_buckets."),
		ofConntrack(doc{
			Key: "conntrack_search_restart", Label: "search_restart", Show: explain.Data,
			Gist: "Look-ups that had to start again because an entry moved.",
		}, ""),
	}
	for i := range list {
		if list[i].Key == "conntrack_drop" {
			list[i].Reading = readUntracked
		}
	}
	return list
}

// readUntracked says what drops were: those that lost a race say nothing of the table.
func readUntracked(n host) string {
	all, races := explain.Look(n.Conntrack, "drop"), lostRaces(n)
	switch {
	case all.Zero():
		return ""
	case races.Has() && races.Float() >= all.Float():
		return "As many as could not be inserted: they lost a race, and the table was not full."
	case !races.Zero():
		return units.Number(int64(all.Float()-races.Float())) + " of them did not only lose a race: the table was full, or a helper refused."
	}
	return "The table was full, or a helper refused: raise nf_conntrack_max, or don't track what needs no tracking (notrack)."
}

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

// dropping is what the rules of packet filters drop, all together.
func dropping() []field {
	return []field{
		{
			Doc: doc{
				Key: "drop_rules", Label: "rules", Unit: explain.Count, Source: inspect.NetRules,
				Also: []inspect.Source{inspect.NetTables, inspect.NetXTables}, Concept: "netfilter",
				Gist: "Rules of nftables and x_tables that drop or reject, and policies that do.",
			},
			Get: func(n host) value { return explain.I(len(n.Filter.Rules)) }, Reading: readDropRules,
		},
		{
			Doc: doc{
				Key: "drop_rules_blind", Label: "without a counter", Unit: explain.Count, Source: inspect.NetRules, Concept: "netfilter",
				Gist: "Of these, those without a counter: nobody knows what they drop.",
			},
			Get: func(n host) value { return explain.I(blindRules(n)) },
			Reading: func(n host) string {
				if blindRules(n) == 0 {
					return ""
				}
				return "What they drop they don't count: write counter before drop, or trace a packet (nft monitor trace)."
			},
		},
		{
			Doc: doc{
				Key: "filter_dropped", Label: "dropped", Unit: explain.Count, Counter: true, Source: inspect.NetRuleCounters,
				Also: []inspect.Source{inspect.NetTables, inspect.NetXTables}, Concept: "netfilter",
				Gist: "Packets that rules and policies with a counter dropped or rejected.",
			},
			Get: func(n host) value { return explain.N(filtered(n, func(*netfacts.DropRule) bool { return true })) },
			Reading: func(n host) string {
				if len(n.Filter.Rules) == blindRules(n) {
					return ""
				}
				return "On the way in a drop is in no other counter. Of what a program here sends, a drop in OUTPUT gives it EPERM and " +
					"counts in Ip or Ip6 OutDiscards, but for TCP, which tries again or, if rejected, is refused."
			},
		},
		{
			Doc: doc{
				Key: "filter_dropped_out", Label: "of these, outgoing", Unit: explain.Count, Counter: true, Show: explain.Rare,
				Source: inspect.NetRuleCounters, Also: []inspect.Source{inspect.NetTables, inspect.NetXTables}, Concept: "netfilter",
				Gist: "Of these, what was sent from here, by programs or the kernel.",
			},
			Get: func(n host) value { return explain.N(filtered(n, onTheWayOut)) },
		},
	}
}

func blindRules(n host) (blind int) {
	for i := range n.Filter.Rules {
		if !n.Filter.Rules[i].Counted {
			blind++
		}
	}
	return blind
}

// filtered are the packets that rules dropped, each counter with a name once.
func filtered(n host, of func(*netfacts.DropRule) bool) (packets uint64) {
	named := map[[3]string]bool{}
	for i := range n.Filter.Rules {
		d := &n.Filter.Rules[i]
		if !d.Counted || !of(d) {
			continue
		}
		if d.Named != "" {
			key := [3]string{d.Family, d.Table, d.Named}
			if named[key] {
				continue
			}
			named[key] = true
		}
		packets += d.Packets
	}
	return packets
}

// onTheWayOut reports whether a rule sees what programs here send, and nothing else.
func onTheWayOut(d *netfacts.DropRule) bool { return len(d.Hooks) == 1 && d.Hooks[0] == "output" }

func readDropRules(n host) string {
	var s string
	gap := n.Missing(inspect.NetXTables).IsGap()
	switch all, policies := len(n.Filter.Rules), policies(n); {
	case all == 0 && gap:
		s = "None of nftables drops anything in this network namespace."
	case all == 0:
		s = "None: neither nftables nor iptables drops anything in this network namespace."
	case policies > 0:
		s = units.Plural(policies, "of them is a chain's policy", "of them are chains' policies") + ": what no rule has decided on."
	}
	if m := n.Filter.Maps; m > 0 {
		s += " " + units.Plural(m, "further rule takes its verdict", "further rules take their verdicts") +
			" from a map, which is not looked into."
	}
	if n.UnseenTables() {
		s += " Rules of arptables are not among them."
	}
	if gap {
		s += " Rules of x_tables (iptables-legacy) are not among them: " + n.Missing(inspect.NetXTables).String() + "."
	}
	return strings.TrimSpace(s)
}

func policies(n host) (policies int) {
	for i := range n.Filter.Rules {
		if n.Filter.Rules[i].Handle == 0 {
			policies++
		}
	}
	return policies
}

// Drops lists the rules of packet filters that drop packets, in the order in which a packet meets them.
func Drops() *explain.Table[dropRow] {
	type column = explain.Field[dropRow]
	ofDrop := func(d doc, get func(*netfacts.DropRule) value) column {
		d.Source, d.Concept = inspect.NetRules, "netfilter"
		return column{Doc: d, Get: func(r dropRow) value { return get(r.It) }}
	}
	counted := func(get func(*netfacts.DropRule) uint64) func(*netfacts.DropRule) value {
		return func(d *netfacts.DropRule) value {
			if !d.Counted {
				return explain.None(inspect.Untold)
			}
			return explain.N(get(d))
		}
	}
	return &explain.Table[dropRow]{
		Name: "drops", Identity: []string{"engine", "family", "table", "chain", "handle"}, Sort: []string{"packets"},
		Fields: []column{
			ofDrop(doc{Key: "hooks", Label: "HOOK", Gist: "Where on a packet's path it is reached from."}, func(d *netfacts.DropRule) value {
				if len(d.Hooks) == 0 {
					return explain.None(inspect.Untold)
				}
				return explain.S(strings.Join(d.Hooks, ","))
			}),
			worded(ofDrop(doc{Key: "engine", Show: explain.Wide, Gist: "Whose rule it is."}, func(d *netfacts.DropRule) value {
				if d.Legacy {
					return explain.S("x_tables")
				}
				return explain.S("nf_tables")
			}), words("netfilter", [][2]string{
				{"nf_tables", "Of nftables: nft list ruleset shows it."},
				{"x_tables", "Of iptables-legacy and ip6tables-legacy: their -t TABLE -S shows it."},
			})),
			ofDrop(doc{Key: "family", Gist: "The family of its table: ip, ip6, inet, arp, bridge, netdev."},
				func(d *netfacts.DropRule) value { return explain.S(d.Family) }),
			ofDrop(doc{Key: "table", Gist: "The table that it is in."}, func(d *netfacts.DropRule) value { return explain.S(d.Table) }),
			ofDrop(doc{Key: "chain", Gist: "The chain that it is in."}, func(d *netfacts.DropRule) value { return explain.S(d.Chain) }),
			ofDrop(doc{
				Key: "handle", Unit: explain.Plain,
				Gist: "Its handle (nft -a), or number in a chain of x_tables; 0 is the policy.",
			},
				func(d *netfacts.DropRule) value { return explain.N(d.Handle) }),
			worded(ofDrop(doc{Key: "verdict", Gist: "What it does with packets that fit it."}, func(d *netfacts.DropRule) value {
				if d.Rejects {
					return explain.S("reject")
				}
				return explain.S("drop")
			}), words("netfilter", [][2]string{
				{"drop", "Dropped without a word; a program here that sent it gets EPERM in OUTPUT, but for TCP."},
				{"reject", "Dropped, and the sender is told by ICMP or a reset."},
			})),
			ofDrop(doc{Key: "packets", Label: "PACKETS", Unit: explain.Count, Counter: true, Gist: "Packets that it dropped, by its counter."},
				counted(func(d *netfacts.DropRule) uint64 { return d.Packets })),
			ofDrop(doc{Key: "bytes", Unit: explain.Bytes, Counter: true, Show: explain.Data, Gist: "Their bytes."},
				counted(func(d *netfacts.DropRule) uint64 { return d.Bytes })),
			{
				Doc: doc{
					Key: "why", Label: explain.Description, Source: inspect.NetRules, Concept: "netfilter",
					Gist: "What is known of what it drops.",
				},
				Write: func(b []byte, r dropRow) []byte { return append(b, whyDrop(r.It)...) },
			},
		},
	}
}

func whyDrop(d *netfacts.DropRule) string {
	s := ""
	if d.Handle == 0 {
		s = "the chain's policy: what no rule of it has decided on"
	}
	join := func(more string) {
		if s != "" {
			s += "; "
		}
		s += more
	}
	switch {
	case !d.Counted && d.Handle == 0:
		join("without a counter")
	case !d.Counted:
		join("without a counter of what it drops: that is not known")
	case d.Named != "":
		join("counts in " + d.Named + ", where other rules may count too")
	default:
		join("by its own counter")
	}
	if len(d.Hooks) == 0 {
		join("no chain with a hook leads to it by a rule that can be seen")
	}
	return s
}

// dropRate is how many packets a second rules with a counter dropped.
func dropRate(of func(*netfacts.DropRule) bool) func(host) value {
	return func(n host) value {
		return rate(n, func(n host) value {
			if n.Missing(inspect.NetRules) != inspect.Present {
				return explain.None(n.Missing(inspect.NetRules))
			}
			return explain.N(filtered(n, of))
		})
	}
}

// filterRules say what filters drop now. On the way in some is normal: the noise of a network.
func filterRules() []hostRule {
	in := func(d *netfacts.DropRule) bool { return !onTheWayOut(d) }
	came := either("IpInReceives", "Ip6InReceives")
	return []hostRule{{
		ID: "net.filter_drops", Basis: explain.Interval, Unit: explain.Decimal,
		What: "packets that rules of packet filters dropped, per second; 0 where they are under 5 % of those that came in",
		Means: "Rules with a drop or reject verdict, or a chain's policy, dropped a good part of what came in or was to be forwarded. " +
			"That is in no other counter: to a client it looks as if nobody were there.",
		Evidence: []string{"filter_dropped", "drop_rules_blind", "ip_in_receives", "ip6_in_receives"}, Concept: "netfilter",
		Next: "kwhy net --interval 10s",
		Of: func(n host) value {
			v, all := dropRate(in)(n), rate(n, came)
			switch {
			case !all.Has():
				return all
			case v.Has() && v.Float() < 0.05*all.Float():
				return explain.F(0)
			}
			return v
		},
		At:  explain.At{Notice: 10},
		Say: func(n host) string { return sayDrops(n, dropRate(in), in) },
	}, {
		ID: "net.filter_drops_out", Basis: explain.Interval, Unit: explain.Decimal,
		What: "packets of this host's programs that rules of packet filters dropped, per second",
		Means: "A rule in OUTPUT dropped what a program here sends: send gives it EPERM, \"Operation not permitted\", or connect waits " +
			"as if nobody answered, or is refused if it rejects.",
		Evidence: []string{"filter_dropped_out", "drop_rules_blind"}, Concept: "netfilter", Next: "kwhy net --interval 10s",
		Of:  dropRate(onTheWayOut),
		At:  explain.At{Notice: 0.2},
		Say: func(n host) string { return sayDrops(n, dropRate(onTheWayOut), onTheWayOut) },
	}}
}

// sayDrops says how much was dropped, and which rule dropped most of it.
func sayDrops(n host, much func(host) value, of func(*netfacts.DropRule) bool) string {
	was, over, _ := n.Before()
	s := explain.Often(much(n).Float()) + " in the last " + units.Span(over.Seconds()) + " a rule of a packet filter dropped a packet"
	var most *netfacts.DropRule
	best := uint64(0)
	for i := range n.Filter.Rules {
		d := &n.Filter.Rules[i]
		w := netfacts.SameDropRule(was, d)
		if w == nil || !of(d) || d.Packets < w.Packets {
			continue
		}
		if grew := d.Packets - w.Packets; grew > best {
			most, best = d, grew
		}
	}
	if most == nil {
		return s
	}
	which := fmt.Sprintf("rule %d", most.Handle)
	if most.Handle == 0 {
		which = "the policy"
	}
	engine := ""
	if most.Legacy {
		engine = "x_tables "
	}
	share := ", most of them "
	if float64(best) <= 0.5*much(n).Float()*over.Seconds() {
		share = "; none dropped more of them than "
	}
	return s + share + which + " of chain " + most.Chain + " (" + engine + most.Family + " " + most.Table + ")"
}
