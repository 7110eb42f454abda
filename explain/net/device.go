package net

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
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

type (
	interfaceRow = netfacts.Part[netfacts.Interface]
	softnetRow   = netfacts.Part[netfacts.SoftnetCPU]
	qdiscRow     = netfacts.Part[netfacts.Qdisc]
)

func flagged(f netfacts.Flag) value {
	switch f {
	case netfacts.Yes:
		return explain.B(true)
	case netfacts.No:
		return explain.B(false)
	}
	return value{}
}

// text is a value where there is one to tell.
func known(s string) value {
	if s == "" {
		return explain.None(inspect.Untold)
	}
	return explain.S(s)
}

func number(n inspect.Num) value {
	if n == inspect.Unset {
		return explain.None(inspect.Untold)
	}
	return explain.I(int64(n))
}

// Interfaces lists the interfaces of a namespace in the order of their index.
func Interfaces() *explain.Table[interfaceRow] {
	type column = explain.Field[interfaceRow]
	ofInterface := func(src inspect.Source, d doc, get func(*netfacts.Interface) value) column {
		d.Source, d.Concept = src, "network-interface"
		return column{Doc: d, Get: func(r interfaceRow) value { return get(r.It) }}
	}
	ofSysfs := func(d doc, get func(*netfacts.Interface) value) column {
		d.Also = []inspect.Source{inspect.NetSysfs, inspect.NetRoute}
		return ofInterface(inspect.NetDev, d, get)
	}
	return &explain.Table[interfaceRow]{Name: "interfaces", Fields: append([]column{
		ofInterface(inspect.NetDev, doc{Key: "interface", Gist: "Its name."},
			func(i *netfacts.Interface) value { return explain.S(i.Name) }),
		worded(ofSysfs(doc{
			Key: "operstate", Label: "STATE",
			Gist: "Whether it can send: up, down, lowerlayerdown, dormant; unknown of lo.",
		}, func(i *netfacts.Interface) value { return known(i.State) }), operstateWords()),
		ofSysfs(doc{
			Key: "admin_up", Label: "ADMIN UP", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether it is set up (administratively up).",
		}, func(i *netfacts.Interface) value { return flagged(i.Admin) }),
		ofSysfs(doc{
			Key: "carrier", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether there is a link: a cable, a peer.",
		}, func(i *netfacts.Interface) value { return flagged(i.Carrier) }),
		ofSysfs(doc{
			Key: "kind", Show: explain.Data,
			Gist: "The kind of a virtual interface: veth, bridge, vlan, bond, tun.",
		}, func(i *netfacts.Interface) value { return known(i.Kind) }),
		ofSysfs(doc{
			Key: "master", Show: explain.Data,
			Gist: "The bridge or bond that it is part of.",
		}, func(i *netfacts.Interface) value { return known(i.Master) }),
		ofSysfs(doc{
			Key: "driver", Show: explain.Data,
			Gist: "The driver of the card.",
		}, func(i *netfacts.Interface) value { return known(i.Driver) }),
		ofSysfs(doc{
			Key: "address", Show: explain.Data,
			Gist: "Its address on the link.",
		}, func(i *netfacts.Interface) value { return known(i.Hardware) }),
		ofInterface(inspect.NetRoute, doc{
			Key: "addresses", Show: explain.Wide,
			Gist: "Its addresses, with the length of the prefix of the network.",
		}, func(i *netfacts.Interface) value {
			var list []value
			for _, p := range i.Addresses {
				list = append(list, explain.S(p.String()))
			}
			return explain.L(list)
		}),
		ofSysfs(doc{
			Key: "mtu", Unit: explain.Count, Show: explain.Wide,
			Gist: "The largest packet that it sends, in bytes.",
		}, func(i *netfacts.Interface) value { return number(i.MTU) }),
		ofSysfs(doc{
			Key: "speed", Unit: explain.Count, Show: explain.Data,
			Gist: "Its speed in Mbit/s, where the driver knows one.",
		}, func(i *netfacts.Interface) value { return number(i.Speed) }),
		ofSysfs(doc{
			Key: "duplex", Show: explain.Data,
			Gist: "full, or half: on half, collisions are normal and speed is poor.",
		}, func(i *netfacts.Interface) value { return known(i.Duplex) }),
		ofSysfs(doc{
			Key: "carrier_changes", Unit: explain.Count, Show: explain.Data,
			Gist: "How often the link came or went.",
		}, func(i *netfacts.Interface) value { return number(i.Changes) }),
		ofSysfs(doc{
			Key: "tx_queue_len", Label: "TXQUEUELEN", Unit: explain.Count, Show: explain.Data,
			Gist: "The most packets that pfifo_fast and the like hold for it.",
		}, func(i *netfacts.Interface) value { return number(i.TxQueue) }),
		ofSysfs(doc{
			Key: "rx_queues", Unit: explain.Count, Show: explain.Data,
			Gist: "Its receive queues; each can interrupt a CPU of its own.",
		}, func(i *netfacts.Interface) value { return explain.I(len(i.RxQueues)) }),
		ofSysfs(doc{
			Key: "tx_queues", Unit: explain.Count, Show: explain.Data,
			Gist: "Its send queues.",
		}, func(i *netfacts.Interface) value { return explain.I(len(i.TxQueues)) }),
		ofSysfs(doc{
			Key: "rps_cpus", Unit: explain.Plain, Show: explain.Data,
			Gist: "CPUs to which some receive queue hands packets on (RPS).",
		}, func(i *netfacts.Interface) value { return cpus(rpsOf(i)) }),
		ofSysfs(doc{
			Key: "xps_cpus", Unit: explain.Plain, Show: explain.Data,
			Gist: "CPUs that have a send queue set for them (XPS).",
		}, func(i *netfacts.Interface) value { return cpus(xpsOf(i)) }),
		ofInterface(inspect.NetEthtool, doc{
			Key: "rx_ring", Unit: explain.Count, Show: explain.Data,
			Gist: "Packets that the receive ring holds for the CPU.",
		}, func(i *netfacts.Interface) value { return number(i.Rings.Rx) }),
		ofInterface(inspect.NetEthtool, doc{
			Key: "rx_ring_max", Unit: explain.Count, Show: explain.Data,
			Gist: "What ethtool -G can make of it.",
		}, func(i *netfacts.Interface) value { return number(i.Rings.RxMax) }),
		ofInterface(inspect.NetEthtool, doc{
			Key: "tx_ring", Unit: explain.Count, Show: explain.Data,
			Gist: "Packets that the send ring holds for the card.",
		}, func(i *netfacts.Interface) value { return number(i.Rings.Tx) }),
		ofInterface(inspect.NetEthtool, doc{
			Key: "tx_ring_max", Unit: explain.Count, Show: explain.Data,
			Gist: "What ethtool -G can make of it.",
		}, func(i *netfacts.Interface) value { return number(i.Rings.TxMax) }),
	}, linkCounters()...), Rules: interfaceRules()}
}

func cpus(list []int) value {
	out := make([]value, len(list))
	for i, n := range list {
		out[i] = explain.I(n)
	}
	return explain.L(out)
}

// rpsOf joins the CPUs of all receive queues.
func rpsOf(i *netfacts.Interface) (out []int) {
	seen := map[int]bool{}
	for _, q := range i.RxQueues {
		for _, c := range q.RPS {
			if !seen[c] {
				seen[c] = true
				out = append(out, c)
			}
		}
	}
	return out
}

func xpsOf(i *netfacts.Interface) (out []int) {
	seen := map[int]bool{}
	for _, q := range i.TxQueues {
		for _, c := range q.XPS {
			if !seen[c] {
				seen[c] = true
				out = append(out, c)
			}
		}
	}
	return out
}

// linkCounters are the columns that count: first the sums of /proc/net/dev, and
// then what they are sums of.
func linkCounters() []explain.Field[interfaceRow] {
	type column = explain.Field[interfaceRow]
	ofDev := func(d doc, get func(*netfacts.DevStats) uint64) column {
		d.Counter, d.Source, d.Concept = true, inspect.NetDev, "network-interface"
		return column{Doc: d, Get: func(r interfaceRow) value { return explain.N(get(&r.It.Dev)) }}
	}
	ofStats := func(d doc) column {
		d.Key, d.Unit, d.Counter, d.Show = d.Kernel, explain.Count, true, explain.Data
		d.Source, d.Concept = inspect.NetDev, "network-interface"
		d.Also = []inspect.Source{inspect.NetSysfs, inspect.NetRoute}
		return column{Doc: d, Get: func(r interfaceRow) value {
			if v := explain.Look(r.It.Stats, d.Kernel); v.Has() {
				return v
			}
			return explain.None(inspect.Untold)
		}}
	}
	return []column{
		ofDev(doc{
			Key: "rx_packets", Label: "RX", Unit: explain.Count,
			Gist: "Packets that came in.",
		}, func(s *netfacts.DevStats) uint64 { return s.RxPackets }),
		ofDev(doc{
			Key: "rx_bytes", Show: explain.Data, Unit: explain.Bytes,
			Gist: "Bytes that came in, with the header of the link.",
		}, func(s *netfacts.DevStats) uint64 { return s.RxBytes }),
		ofDev(doc{
			Key: "rx_errs", Label: "RX ERR", Show: explain.Wide, Unit: explain.Count,
			Gist: "Packets that came in broken: bad checksum, length, cable, duplex.",
		}, func(s *netfacts.DevStats) uint64 { return s.RxErrs }),
		ofDev(doc{
			Key: "rx_drop", Unit: explain.Count,
			Gist: "Intact packets that were dropped, and those that the card missed.",
		}, func(s *netfacts.DevStats) uint64 { return s.RxDrop }),
		ofDev(doc{
			Key: "rx_fifo", Show: explain.Data, Unit: explain.Count,
			Gist: "Packets lost in the card's own buffer; drivers differ in what they count.",
		}, func(s *netfacts.DevStats) uint64 { return s.RxFIFO }),
		ofDev(doc{
			Key: "rx_frame", Show: explain.Data, Unit: explain.Count,
			Gist: "Length, over, CRC and frame errors together.",
		}, func(s *netfacts.DevStats) uint64 { return s.RxFrame }),
		ofDev(doc{
			Key: "tx_packets", Label: "TX", Unit: explain.Count,
			Gist: "Packets that went out.",
		}, func(s *netfacts.DevStats) uint64 { return s.TxPackets }),
		ofDev(doc{
			Key: "tx_bytes", Show: explain.Data, Unit: explain.Bytes,
			Gist: "Bytes that went out.",
		}, func(s *netfacts.DevStats) uint64 { return s.TxBytes }),
		ofDev(doc{
			Key: "tx_errs", Label: "TX ERR", Show: explain.Wide, Unit: explain.Count,
			Gist: "Packets that could not be sent.",
		}, func(s *netfacts.DevStats) uint64 { return s.TxErrs }),
		ofDev(doc{
			Key: "tx_drop", Unit: explain.Count,
			Gist: "Packets dropped on their way out: its queue was full, or it was down.",
		}, func(s *netfacts.DevStats) uint64 { return s.TxDrop }),
		ofDev(doc{
			Key: "tx_fifo", Show: explain.Data, Unit: explain.Count,
			Gist: "Packets not sent because the card's own buffer ran empty.",
		}, func(s *netfacts.DevStats) uint64 { return s.TxFIFO }),
		ofDev(doc{
			Key: "tx_colls", Show: explain.Data, Unit: explain.Count,
			Gist: "Collisions on a half-duplex link.",
		}, func(s *netfacts.DevStats) uint64 { return s.TxColls }),
		ofDev(doc{
			Key: "tx_carrier", Show: explain.Data, Unit: explain.Count,
			Gist: "Carrier, aborted, window and heartbeat errors together.",
		}, func(s *netfacts.DevStats) uint64 { return s.TxCarrier }),
		ofStats(doc{Kernel: "rx_dropped", Gist: "Intact packets that no protocol wanted, or a full backlog; not the card's."}),
		ofStats(doc{Kernel: "rx_missed_errors", Gist: "Packets that the card had no room for: its ring was full."}),
		ofStats(doc{Kernel: "rx_length_errors", Gist: "Packets of a wrong length."}),
		ofStats(doc{Kernel: "rx_over_errors", Gist: "Packets that did not fit into the buffers that the host gave the card."}),
		ofStats(doc{Kernel: "rx_crc_errors", Gist: "Packets with a wrong checksum of the link: a bad cable, plug or port."}),
		ofStats(doc{Kernel: "rx_frame_errors", Gist: "Packets that do not end on a whole byte."}),
		ofStats(doc{Kernel: "rx_nohandler", Gist: "Packets dropped because they came in on an inactive member of a bond."}),
		ofStats(doc{Kernel: "tx_aborted_errors", Gist: "Packets given up while being sent."}),
		ofStats(doc{Kernel: "tx_carrier_errors", Gist: "Packets that could not be sent because there was no link."}),
		ofStats(doc{Kernel: "tx_heartbeat_errors", Gist: "Errors of an old kind of transceiver."}),
		ofStats(doc{Kernel: "tx_window_errors", Gist: "Late collisions: one side runs at half duplex."}),
		{
			Doc: doc{
				Key: "why", Source: inspect.NetDev,
				Also:    []inspect.Source{inspect.NetSysfs, inspect.NetRoute, inspect.NetEthtool},
				Concept: "network-interface",
				Gist:    "What it is, what was lost there, and what to do about it.",
			},
			Write: func(b []byte, r interfaceRow) []byte { return append(b, whyInterface(r)...) },
		},
	}
}

// whyInterface says what an interface is and what it lost.
func whyInterface(r interfaceRow) string {
	i := r.It
	s := describe(i)
	switch {
	case i.Admin == netfacts.No:
		return s + ": administratively down"
	case i.Carrier == netfacts.No:
		return s + ": set up, and no link: a cable, a switch port or a peer is missing"
	}
	d := &i.Dev
	if d.RxErrs+d.RxDrop+d.TxErrs+d.TxDrop == 0 {
		return s + ": nothing lost"
	}
	return s + ": " + lost(i)
}

// describe says what an interface is.
func describe(i *netfacts.Interface) string {
	var s string
	switch {
	case i.Name == "lo":
		s = "loopback"
	case i.Driver != "":
		s = i.Driver
	case i.Kind != "":
		s = i.Kind
	default:
		s = "an interface"
	}
	if i.Speed > 0 {
		s += fmt.Sprintf(", %s Mbit/s", units.Number(int64(i.Speed)))
	}
	if i.Duplex == "half" {
		s += " half duplex"
	}
	if i.Master != "" {
		s += ", part of " + i.Master
	}
	if rx, tx := len(i.RxQueues), len(i.TxQueues); rx > 1 || tx > 1 {
		s += fmt.Sprintf(", %s in and %d out", units.Plural(rx, "queue", "queues"), tx)
	}
	if cpus := rpsOf(i); len(cpus) > 0 {
		s += ", RPS to " + units.Plural(len(cpus), "CPU", "CPUs")
	}
	if cpus := xpsOf(i); len(cpus) > 0 && len(i.TxQueues) > 1 {
		s += ", XPS from " + units.Plural(len(cpus), "CPU", "CPUs")
	}
	return s
}

// lost names the largest of the causes that the driver counts.
func lost(i *netfacts.Interface) string {
	stat := func(name string) uint64 { return i.Stats[name] }
	causes := []struct {
		n    uint64
		says string
	}{
		{stat("rx_missed_errors"), "the card's receive ring was full" + ringHint(i)},
		{i.Dev.RxFIFO, "lost in the card's own buffer, or out of sequence in a tunnel: drivers differ"},
		{stat("rx_crc_errors"), "wrong checksums: look at the cable, the plug and the other port"},
		{stat("rx_frame_errors") + stat("tx_window_errors"), "broken frames: the two ends may differ in duplex"},
		{stat("rx_length_errors") + stat("rx_over_errors"), "wrong lengths: the other side's MTU may be larger"},
		{stat("rx_dropped"), "dropped after the card: protocols without a handler here, a full backlog, or no memory"},
		{stat("tx_carrier_errors"), "no link while sending"},
		{i.Dev.TxDrop, "dropped while sending: its queue was full, or it was down"},
		{i.Dev.RxErrs + i.Dev.TxErrs, "errors without a further cause from the driver"},
	}
	best := causes[0]
	for _, c := range causes {
		if c.n > best.n {
			best = c
		}
	}
	if best.n == 0 {
		return units.Number(i.Dev.RxDrop) + " in and " + units.Number(i.Dev.TxDrop) + " out dropped"
	}
	return units.Number(best.n) + " " + best.says
}

func ringHint(i *netfacts.Interface) string {
	if r := i.Rings; r.Rx > 0 && r.RxMax > r.Rx {
		return fmt.Sprintf(": it holds %d packets, and ethtool -G makes it up to %d", r.Rx, r.RxMax)
	}
	return ": more of ethtool -G, or more CPUs for its queues"
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
		"noqueue":    "no queue: virtual interfaces hand packets on at once",
		"mq":         "only holds the queues of the card's send queues",
		"pfifo_fast": "three bands by priority",
		"pfifo":      "first come, first served",
		"bfifo":      "first come, first served",
		"fq_codel":   "a queue for each flow, and packets that wait too long are dropped",
		"fq":         "a queue for each flow, paced",
		"codel":      "packets that wait too long are dropped",
		"cake":       "shapes, and a queue for each flow",
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
