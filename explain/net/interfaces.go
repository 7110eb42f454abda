package net

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
)

type interfaceRow = netfacts.Part[netfacts.Interface]

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

// linkShare is the share of an interface's packets that a counter has counted, over
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

// linkLoss is what an interface lost, and what is said of it.
type linkLoss struct {
	rule      explain.Rule[interfaceRow]
	bad, good func(*netfacts.Interface) uint64
	at        explain.At // of the share over an interval
	everAt    float64    // of the share since it was created: a notice
	what      string
}

// rules makes the two rules on such a loss, as those of a host's losses.
func (l linkLoss) rules() []explain.Rule[interfaceRow] {
	over := func(r interfaceRow) value { return linkShare(r, l.bad, l.good) }
	all := func(r interfaceRow) value {
		if _, _, ok := r.In.Before(); ok {
			return value{}
		}
		return explain.Share(explain.N(l.bad(r.It)), explain.N(l.bad(r.It)+l.good(r.It)))
	}
	now, ever := l.rule, l.rule
	now.Unit, now.Basis, now.Concept, now.Next = explain.Ratio, explain.Interval, "network-interface", "kwhy explain network-interface"
	now.Of, now.At = over, l.at
	now.Most = func(r interfaceRow) explain.Level {
		was, _, ok := r.Before()
		if !ok {
			return explain.Critical
		}
		return few(explain.N(l.bad(r.It) - min(l.bad(r.It), l.bad(was.It))))
	}
	now.Say = func(r interfaceRow) string {
		_, span, _ := r.Before()
		return fmt.Sprintf("%s: %s of its packets %s, in the last %s", r.It.Name, percent(over(r)), l.what, units.Span(span.Seconds()))
	}
	ever.ID += "_so_far"
	ever.Unit, ever.Basis, ever.Concept, ever.Next = explain.Ratio, explain.Ever, "network-interface", "kwhy net --interval 10s"
	ever.Of, ever.At = all, explain.At{Notice: l.everAt}
	ever.Say = func(r interfaceRow) string {
		return fmt.Sprintf("%s: %s of its packets %s, since it was created%s",
			r.It.Name, percent(all(r)), l.what, goesOn(r.In))
	}
	return []explain.Rule[interfaceRow]{now, ever}
}

func interfaceRules() []explain.Rule[interfaceRow] {
	type rule = explain.Rule[interfaceRow]
	return append(
		linkLoss{
			rule: rule{
				ID: "net.nic_errors", What: "errors / (errors + packets), in and out",
				Means: "The interface received broken frames, or could not send: cable, transceiver, duplex, " +
					"or a driver that counts its own problems here.",
				Evidence: []string{"rx_errs"},
			},
			bad: linkErrors, good: linkPackets,
			at: explain.At{Notice: 1e-9, Warning: 0.0001, Critical: 0.01}, everAt: 0.0001,
			what: "were broken or could not be sent",
		}.rules(),
		linkLoss{
			rule: rule{
				ID: "net.nic_missed", What: "missed / (missed + packets in)",
				Means:    "Frames arrived while the ring had no free slot: the CPUs did not empty it in time.",
				Evidence: []string{"rx_missed_errors"},
			},
			bad: linkMissed, good: linkReceived,
			at: explain.At{Notice: 1e-9, Warning: 0.0001, Critical: 0.01}, everAt: 0.0001,
			what: "were missed: the ring was full",
		}.rules()...)
}
