package net

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
)

type (
	softnetRow = netfacts.Part[netfacts.SoftnetCPU]
	qdiscRow   = netfacts.Part[netfacts.Qdisc]
)

// softnet is what the CPUs do with packets that interfaces hand them.
func softnet() []field {
	ofSoftnet := func(d doc, of func(*netfacts.SoftnetCPU) uint64, say string) field {
		d.Unit, d.Counter, d.Source, d.Concept = explain.Count, true, inspect.NetSoftnet, "softirq-napi"
		get := softTotal(of)
		return field{Doc: d, Get: get, Reading: whenSome(get, say)}
	}
	ofSysctl := func(d doc) field {
		d.Kernel, d.Unit, d.Concept = "net.core."+d.Key, explain.Count, "softirq-napi"
		return field{Doc: d, Get: sysctl(d.Source)}
	}
	return []field{
		ofSoftnet(doc{
			Key: "softnet_processed", Label: "processed",
			Gist: "Packets handed to the protocols by all CPUs; what GRO joined counts as one.",
		}, softProcessed, "Of all CPUs and all namespaces; what GRO joined counts as one packet, and a VLAN's packet as two."),
		ofSoftnet(doc{
			Key: "softnet_dropped", Label: "dropped",
			Gist: "Packets dropped because a CPU's backlog was full.",
		}, softDropped, "A backlog was full: the CPU was too slow, or one flow took too much. "+
			"More CPUs by RPS, or a longer netdev_max_backlog."),
		ofSoftnet(doc{
			Key: "softnet_time_squeeze", Label: "time_squeeze",
			Gist: "Rounds that ended with packets left: netdev_budget or its time ran out.",
		}, softSqueezed, "Rounds that ended with work left. No packet is lost by this; many per second mean that the CPU does not keep up."),
		ofSysctl(doc{
			Key: "netdev_max_backlog", Label: "netdev_max_backlog", Source: inspect.NetdevMaxBacklog,
			Gist: "The most packets in a CPU's backlog: loopback, RPS, veth, old drivers.",
		}),
		ofSysctl(doc{
			Key: "netdev_budget", Label: "netdev_budget", Source: inspect.NetdevBudget,
			Gist: "Packets that one round takes from all interfaces of a CPU.",
		}),
		{
			Doc: doc{
				Key: "netdev_budget_usecs", Kernel: "net.core.netdev_budget_usecs", Label: "netdev_budget_usecs",
				Unit:   explain.Seconds,
				Source: inspect.NetdevBudgetUsecs, Concept: "softirq-napi",
				Gist: "How long such a round may last, in whole ticks.",
			},
			Get: func(n host) value {
				if us, ok := n.Mem.Number(inspect.NetdevBudgetUsecs); ok {
					return explain.F(float64(us) / 1e6)
				}
				return value{}
			},
		},
	}
}

func softProcessed(c *netfacts.SoftnetCPU) uint64 { return c.Processed }
func softDropped(c *netfacts.SoftnetCPU) uint64   { return c.Dropped }
func softSqueezed(c *netfacts.SoftnetCPU) uint64  { return c.TimeSqueeze }

// softTotal is what all CPUs counted.
func softTotal(of func(*netfacts.SoftnetCPU) uint64) func(host) value {
	return func(n host) value {
		if len(n.Softnet) == 0 {
			return value{}
		}
		var all uint64
		for i := range n.Softnet {
			all += of(&n.Softnet[i])
		}
		return explain.N(all)
	}
}

func queueing() []field {
	return []field{{
		Doc: doc{
			Key: "default_qdisc", Kernel: "net.core.default_qdisc", Label: "default_qdisc",
			Source: inspect.DefaultQdisc, Concept: "qdisc",
			Words: qdiscWords(),
			Gist:  "The queue that a card gets by itself, or each of its queues below mq.",
		},
		Get: func(n host) value {
			if w, ok := n.Mem.Word(inspect.DefaultQdisc); ok {
				return explain.S(w)
			}
			return value{}
		},
		Reading: func(n host) string {
			switch w, _ := n.Mem.Word(inspect.DefaultQdisc); w {
			case "pfifo_fast":
				return "Three bands in order of priority and no order among flows: where more is sent than the link takes, " +
					"one of them can fill it and delay the others of its band. fq_codel and fq keep them apart."
			case "fq_codel":
				return "A queue for each flow, and packets that wait too long are dropped: no flow delays the others."
			case "fq":
				return "A queue for each flow, paced as its socket asks; BBR is at its best with it."
			}
			return ""
		},
	}}
}

// SoftnetCPUs lists what each CPU did with packets.
func SoftnetCPUs() *explain.Table[softnetRow] {
	type column = explain.Field[softnetRow]
	ofCPU := func(d doc, get func(*netfacts.SoftnetCPU) value) column {
		if d.Unit == explain.Text {
			d.Unit = explain.Count
		}
		d.Source, d.Concept = inspect.NetSoftnet, "softirq-napi"
		return column{Doc: d, Get: func(r softnetRow) value { return get(r.It) }}
	}
	count := func(of func(*netfacts.SoftnetCPU) uint64) func(*netfacts.SoftnetCPU) value {
		return func(c *netfacts.SoftnetCPU) value { return explain.N(of(c)) }
	}
	return &explain.Table[softnetRow]{Name: "softnet", Sort: []string{"processed", "-cpu"}, Fields: []column{
		ofCPU(doc{
			Key: "cpu", Unit: explain.Plain,
			Gist: "The number of the CPU.",
		}, func(c *netfacts.SoftnetCPU) value { return explain.I(c.CPU) }),
		ofCPU(doc{
			Key: "processed", Counter: true, Bar: true,
			Gist: "Packets that it handed to the protocols.",
		}, count(softProcessed)),
		ofCPU(doc{
			Key: "dropped", Label: "DROPPED", Counter: true,
			Gist: "Packets dropped because its backlog was full.",
		}, count(softDropped)),
		ofCPU(doc{
			Key: "time_squeeze", Counter: true,
			Gist: "Rounds that ended with packets left.",
		}, count(softSqueezed)),
		ofCPU(doc{
			Key: "received_rps", Show: explain.Wide, Counter: true,
			Gist: "How often another CPU woke it for packets, by RPS.",
		}, count(func(c *netfacts.SoftnetCPU) uint64 { return c.ReceivedRPS })),
		ofCPU(doc{
			Key: "flow_limit_count", Show: explain.Data, Counter: true,
			Gist: "Of those dropped, packets of one flow that took over a half-full backlog.",
		}, count(func(c *netfacts.SoftnetCPU) uint64 { return c.FlowLimit })),
		ofCPU(doc{
			Key: "softnet_backlog_len", Label: "BACKLOG", Show: explain.Wide,
			Gist: "Packets in its backlog now.",
		}, func(c *netfacts.SoftnetCPU) value { return explain.Opt(c.Backlog) }),
		ofCPU(doc{
			Key: "input_qlen", Show: explain.Data,
			Gist: "Of these, in the queue that is being filled.",
		}, func(c *netfacts.SoftnetCPU) value { return explain.Opt(c.Input) }),
		ofCPU(doc{
			Key: "process_qlen", Show: explain.Data,
			Gist: "Of these, in the queue that is being emptied.",
		}, func(c *netfacts.SoftnetCPU) value { return explain.Opt(c.Process) }),
	}}
}

// Qdiscs lists the queues on the way out.
func Qdiscs() *explain.Table[qdiscRow] {
	type column = explain.Field[qdiscRow]
	ofQdisc := func(d doc, get func(*netfacts.Qdisc) value) column {
		d.Source, d.Concept = inspect.NetQdisc, "qdisc"
		return column{Doc: d, Get: func(r qdiscRow) value { return get(r.It) }}
	}
	counterOf := func(d doc, of func(*netfacts.Qdisc) uint64) column {
		d.Unit, d.Counter = explain.Count, true
		return ofQdisc(d, func(q *netfacts.Qdisc) value { return explain.N(of(q)) })
	}
	return &explain.Table[qdiscRow]{
		Name: "qdiscs", Identity: []string{"interface", "qdisc"},
		Sort: []string{"dropped", "sent_packets", "interface"},
		Fields: []column{
			ofQdisc(doc{Key: "interface", Gist: "The interface whose packets pass it."},
				func(q *netfacts.Qdisc) value { return known(q.Dev) }),
			worded(ofQdisc(doc{Key: "qdisc", Gist: "Its kind."}, func(q *netfacts.Qdisc) value { return explain.S(q.Kind) }), qdiscWords()),
			ofQdisc(doc{
				Key: "handle", Show: explain.Data,
				Gist: "Its handle, as tc shows it; 0: is one that the kernel set up.",
			}, func(q *netfacts.Qdisc) value { return explain.S(handle(q.Handle)) }),
			ofQdisc(doc{
				Key: "parent", Show: explain.Data,
				Gist: "Its parent; root for the top one of an interface.",
			}, func(q *netfacts.Qdisc) value { return explain.S(handle(q.Parent)) }),
			counterOf(doc{
				Key: "sent_packets", Label: "SENT",
				Gist: "Packets that it let through.",
			}, func(q *netfacts.Qdisc) uint64 { return q.Packets }),
			ofQdisc(doc{
				Key: "sent_bytes", Unit: explain.Bytes, Show: explain.Data, Counter: true,
				Gist: "Bytes that it let through.",
			}, func(q *netfacts.Qdisc) value { return explain.N(q.Bytes) }),
			counterOf(doc{
				Key: "dropped", Label: "DROPPED",
				Gist: "Packets that it dropped: full, or by its rule.",
			}, func(q *netfacts.Qdisc) uint64 { return q.Dropped }),
			counterOf(doc{
				Key: "overlimits", Show: explain.Data,
				Gist: "How often its rate held a packet back.",
			}, func(q *netfacts.Qdisc) uint64 { return q.Overlimits }),
			counterOf(doc{
				Key: "requeues", Show: explain.Wide,
				Gist: "How often the card was busy and gave a packet back.",
			}, func(q *netfacts.Qdisc) uint64 { return q.Requeues }),
			ofQdisc(doc{
				Key: "backlog", Unit: explain.Bytes,
				Gist: "Bytes that wait in it now.",
			}, func(q *netfacts.Qdisc) value { return explain.N(q.Backlog) }),
			ofQdisc(doc{
				Key: "qlen", Unit: explain.Count, Show: explain.Data,
				Gist: "Packets that wait in it now.",
			}, func(q *netfacts.Qdisc) value { return explain.N(q.Length) }),
			{
				Doc: doc{
					Key: "why", Source: inspect.NetQdisc, Concept: "qdisc",
					Gist: "What kind of queue it is, and whether packets were lost there.",
				},
				Write: func(b []byte, r qdiscRow) []byte { return append(b, whyQdisc(r.It)...) },
			},
		},
		Rules: qdiscRules(),
	}
}

// handle writes a handle as tc does: 8001:, 1:2, root.
func handle(h uint32) string {
	const root, ingress = 0xffffffff, 0xfffffff1 // TC_H_ROOT, TC_H_INGRESS
	switch h {
	case root:
		return "root"
	case ingress:
		return "ingress"
	}
	if minor := h & 0xffff; minor != 0 {
		return fmt.Sprintf("%x:%x", h>>16, minor)
	}
	return fmt.Sprintf("%x:", h>>16)
}

func whyQdisc(q *netfacts.Qdisc) string {
	kinds := map[string]string{
		"noqueue":    "no queue here: packets are handed on at once (Wi-Fi has queues of its own)",
		"mq":         "only holds the queues of the card's send queues",
		"pfifo_fast": "three bands by priority",
		"pfifo":      "first come, first served",
		"bfifo":      "first come, first served",
		"fq_codel":   "a queue for each flow, and packets that wait too long are dropped",
		"fq":         "a queue for each flow, paced",
		"codel":      "packets that wait too long are dropped",
		"cake":       "a queue for each flow; shapes, if a bandwidth is set",
		"tbf":        "holds the rate to a bound",
		"htb":        "classes with a rate each",
		"netem":      "delays and loses packets on purpose",
		"ingress":    "only for filters on the way in",
		"clsact":     "only for filters and BPF, both ways",
		"prio":       "bands by priority",
		"sfq":        "flows in turn",
		"red":        "drops early, by chance",
	}
	s := kinds[q.Kind]
	if s == "" {
		s = "a queue of the kind " + q.Kind
	}
	if q.Dropped > 0 {
		s += fmt.Sprintf("; %s of what came was dropped", units.Percent(q.Dropped, q.Dropped+q.Packets))
	}
	return s
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
		Means:    "The queueing discipline was full, or its policy (AQM, a policer) dropped packets so that senders slow down.",
		Evidence: []string{"dropped"}, Concept: "qdisc", Next: "kwhy explain qdisc", Of: dropped,
		// A queue that drops is how a sender learns of the bottleneck: little of it is right.
		At: explain.At{Notice: 0.001, Warning: 0.02, Critical: 0.20},
		Say: func(r qdiscRow) string {
			_, over, _ := r.Before()
			return fmt.Sprintf("%s: its %s dropped %s of the packets to send, in the last %s",
				r.It.Dev, r.It.Kind, percent(dropped(r)), units.Span(over.Seconds()))
		},
	}}
}

const aboutNeighbours explain.Concept = "neighbour-table"

// neighbourFamily is how one of the two tables of neighbours is called.
type neighbourFamily struct {
	at               int    // in Snapshot.Neighbours
	prefix, ip, path string // path is that of the settings
	settings         string // and their keys
	stat             inspect.Source
	thresh           [3]inspect.Source
}

func neighbourFamilies() [2]neighbourFamily {
	return [2]neighbourFamily{
		{0, "arp_cache", "IPv4", "net.ipv4.neigh.default.", "neigh_default_", inspect.NetARPCache,
			[3]inspect.Source{inspect.NeighThresh1, inspect.NeighThresh2, inspect.NeighThresh3}},
		{1, "ndisc_cache", "IPv6", "net.ipv6.neigh.default.", "ipv6_neigh_default_", inspect.NetNdiscCache,
			[3]inspect.Source{inspect.Neigh6Thresh1, inspect.Neigh6Thresh2, inspect.Neigh6Thresh3}},
	}
}

func (f neighbourFamily) get(name string) func(host) value {
	return func(n host) value {
		if v := explain.Look(n.Neighbours[f.at].Stat, name); v.Has() || len(n.Neighbours[f.at].Stat) == 0 {
			return v
		}
		return explain.None(inspect.Untold) // table_fulls is of 4.3
	}
}

// counted are the entries that gc_thresh3 bounds: without those that are known not to be
// counted, permanent ones and those that a routing daemon learned, since 5.0.
func (f neighbourFamily) counted(n host) value {
	v := f.get("entries")(n)
	exempt := n.Neighbours[f.at].Exempt
	if !v.Has() || exempt <= 0 || !inspect.Choose(n.Kernel().Since(5, 0), true, false, true) {
		return v
	}
	return explain.F(max(v.Float()-float64(exempt), 0))
}

// neighbours are the tables of addresses on links.
func neighbours() (out []field) {
	for _, f := range neighbourFamilies() {
		ofStat := func(name, gist, say string) field {
			get := f.get(name)
			return field{Doc: doc{
				Key: f.prefix + "_" + name, Label: name, Unit: explain.Count, Counter: true, Show: explain.Rare, Source: f.stat,
				Concept: aboutNeighbours, Gist: gist,
			}, Get: get, Reading: whenSome(get, say)}
		}
		out = append(out, field{
			Doc: doc{
				Key: f.prefix + "_entries", Label: f.prefix, Unit: explain.Count, Source: f.stat,
				Also: []inspect.Source{f.thresh[2]}, Concept: aboutNeighbours,
				Gist: "Neighbours on links that " + f.ip + " knows or asks for, of all namespaces together.",
			},
			Get: f.get("entries"), Reading: f.read,
		})
		for i, gist := range []string{
			"Below so many entries of " + f.ip + " none is collected, however old.",
			"Above so many entries of " + f.ip + ", one in use is made by removing others.",
			"The most entries of " + f.ip + ": above it packets to new neighbours are dropped.",
		} {
			show := explain.Data
			if i == 2 {
				show = explain.Always
			}
			name := "gc_thresh" + string(rune('1'+i))
			out = append(out, field{
				Doc: doc{
					Key: f.settings + name, Kernel: f.path + name, Label: name, Unit: explain.Count, Show: show,
					Source: f.thresh[i], Concept: aboutNeighbours, Gist: gist,
				},
				Get: sysctl(f.thresh[i]),
			})
		}
		out = append(out,
			ofStat("table_fulls", "Neighbours that "+f.ip+" could not make, for the table was full.",
				"Packets to further neighbours were dropped: raise gc_thresh3, and gc_thresh2 with it."),
			ofStat("forced_gc_runs", "How often entries of "+f.ip+" were removed to make room.",
				"The table was above gc_thresh2: entries in no use were thrown away, and are asked for again when they are needed."),
			ofStat("res_failed", "Neighbours of "+f.ip+" that did not answer when they were asked for.",
				"Nobody answered for that address: a host that is off, a wrong netmask, or a scan of addresses that are not there."),
			ofStat("unresolved_discards", "Packets dropped while their neighbour of "+f.ip+" had not answered.",
				"More packets waited for an answer than unres_qlen_bytes holds; the oldest were dropped."))
	}
	return out
}

func (f neighbourFamily) read(n host) string {
	s := ""
	if most, ok := n.Mem.Number(f.thresh[2]); ok && most > 0 {
		s = units.Percent(f.get("entries")(n).Int(), most) + " of gc_thresh3, which bounds those of all network namespaces together."
	}
	if e := n.Neighbours[f.at].Exempt; e > 0 {
		s += " " + units.Plural(int64(e), "is", "are") + " permanent or learned from a routing daemon: since 5.0 these do not count."
	}
	return s
}

// nearNeighbours are the rules on both tables.
func nearNeighbours() (out []hostRule) {
	for _, f := range neighbourFamilies() {
		id := map[string]string{"arp_cache": "net.arp", "ndisc_cache": "net.ndisc"}[f.prefix]
		near := percentOf(hostRule{
			ID: id + "_near", What: "entries of " + f.prefix + " that count / gc_thresh3 of " + f.ip,
			Means: "One table has the neighbours of all network namespaces. At gc_thresh3 the kernel makes no entry for a further one, " +
				"unless it can remove one that nobody uses: packets to it are dropped (of UDP SndbufErrors counts them), and the kernel log says " +
				"\"neighbor table overflow\".",
			Evidence: []string{f.prefix + "_entries", f.settings + "gc_thresh3"}, Concept: aboutNeighbours, Next: "kwhy explain neighbour-table",
			Of: func(n host) value { return explain.Share(f.counted(n), sysctl(f.thresh[2])(n)) },
			At: explain.At{Notice: 0.80, Warning: 0.95},
			Most: func(n host) explain.Level {
				if it := n.Neighbours[f.at]; it.Exempt < 0 || float64(it.Own) < f.counted(n).Float()/2 {
					return explain.Notice // permanent ones may be among them, of other namespaces too
				}
				return explain.Critical
			},
		}, " of gc_thresh3 is in use by neighbours of "+f.ip+", of all network namespaces together, permanent ones of others included, "+
			"which do not count: at 100 % packets to further ones are dropped")
		full := growth{
			rule: hostRule{
				ID: id + "_full",
				Means: "The table of neighbours of " + f.ip + " was at gc_thresh3, and no entry could be removed: packets to addresses on a " +
					"link that are not in it are dropped, in every network namespace; of UDP SndbufErrors counts them.",
				Concept: aboutNeighbours, Next: "kwhy explain neighbour-table",
				At: explain.At{Warning: 1e-9, Critical: 1},
			},
			key: f.prefix + "_table_fulls", besides: []string{f.prefix + "_entries", f.settings + "gc_thresh3"}, get: f.get("table_fulls"),
			say: "no entry could be made for a neighbour of " + f.ip + ", for the table was full",
		}.judged()
		out = append(out, near, full)
	}
	return out
}
