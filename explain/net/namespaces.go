package net

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
)

type spaceRow = netfacts.NamespacePart

// Namespaces lists the network namespaces that processes live in.
func Namespaces() *explain.Table[spaceRow] {
	type column = explain.Field[spaceRow]
	ofNamespace := func(d doc, get func(spaceRow) value) column {
		if d.Source == inspect.None {
			d.Source = inspect.PIDNs
		}
		if d.Concept == "" {
			d.Concept = "namespaces"
		}
		return column{Doc: d, Get: get}
	}
	ofHost := func(d doc, get func(host) value) column {
		d.Unit, d.Concept = explain.Count, "packet-path"
		return ofNamespace(d, func(r spaceRow) value { return get(r.It) })
	}
	return &explain.Table[spaceRow]{Name: "net_namespaces", Fields: []column{
		ofNamespace(doc{
			Key: "net_namespace", Label: "NAMESPACE", Unit: explain.ID,
			Gist: "The network namespace.",
		}, func(r spaceRow) value { return explain.N(r.It.Space.Inode) }),
		ofNamespace(doc{
			Key: "pid", Label: "PID", Unit: explain.Plain,
			Gist: "A process in it, for --netns.",
		}, func(r spaceRow) value { return explain.I(r.It.Space.PID) }),
		ofNamespace(doc{
			Key: "processes", Label: "PROCESSES", Unit: explain.Count,
			Gist: "How many processes are in it.",
		}, func(r spaceRow) value { return explain.I(len(r.It.Space.Processes)) }),
		ofHost(doc{
			Key: "tcp_established", Label: "ESTABLISHED", Source: inspect.TCPSockets,
			Gist: "Connections over which both sides can send.",
		}, func(n host) value { return explain.I(inState(n, established)) }),
		ofHost(doc{
			Key: "tcp_listen", Label: "LISTEN", Show: explain.Wide, Source: inspect.TCPSockets,
			Gist: "Sockets that wait for connections.",
		}, func(n host) value { return explain.I(inState(n, listen)) }),
		ofHost(doc{
			Key: "tcp_time_wait", Label: "TIME_WAIT", Show: explain.Wide, Source: inspect.TCPSockets,
			Gist: "Closed connections that are kept for 60 s.",
		}, func(n host) value { return explain.I(inState(n, timeWait)) }),
		ofHost(doc{
			Key: "tcp_close_wait", Label: "CLOSE_WAIT", Show: explain.Data, Source: inspect.TCPSockets,
			Gist: "The peer has closed, and the program has not.",
		}, func(n host) value { return explain.I(inState(n, closeWait)) }),
		ofHost(doc{
			Key: "sockets_used", Label: "SOCKETS", Show: explain.Data, Source: inspect.NetSockstat,
			Gist: "Sockets of every kind.",
		}, sockstat("sockets used")),
		ofHost(doc{
			Key: "tcp_out_segs", Label: "OutSegs", Show: explain.Data, Counter: true,
			Source: inspect.NetSNMP,
			Gist:   "Segments that TCP sent, without retransmissions.",
		}, mib("TcpOutSegs")),
		ofHost(doc{
			Key: "tcp_retrans_segs", Label: "RetransSegs", Show: explain.Wide, Counter: true,
			Source: inspect.NetSNMP,
			Gist:   "Segments retransmitted.",
		}, mib("TcpRetransSegs")),
		ofHost(doc{
			Key: "listen_overflows", Label: "ListenOverflows", Show: explain.Wide, Counter: true,
			Source: inspect.NetNetstat,
			Gist:   "Handshakes that found an accept queue full.",
		}, mib("TcpExtListenOverflows")),
		ofHost(doc{
			Key: "udp_rcvbuf_errors", Label: "RcvbufErrors", Show: explain.Wide, Counter: true,
			Source: inspect.NetSNMP,
			Gist:   "Datagrams of IPv4 dropped because a receive buffer was full.",
		}, mib("UdpRcvbufErrors")),
		ofNamespace(doc{
			Key: "interface_names", Label: "INTERFACES", Show: explain.Data, Source: inspect.NetDev,
			Concept: "network-interface",
			Gist:    "Its interfaces.",
		}, func(r spaceRow) value {
			var list []value
			for i := range r.It.Interfaces {
				list = append(list, explain.S(r.It.Interfaces[i].Name))
			}
			return explain.L(list)
		}),
		ofNamespace(doc{
			Key: "names", Show: explain.Data,
			Gist: "The names of its processes, the most frequent first.",
		}, func(r spaceRow) value {
			var list []value
			for _, name := range living(r) {
				list = append(list, explain.S(name))
			}
			return explain.L(list)
		}),
		{
			Doc: doc{
				Key: "why", Source: inspect.PIDNs,
				Also: []inspect.Source{inspect.NetDev, inspect.NetNetstat, inspect.NetSNMP}, Concept: "namespaces",
				Gist: "Its processes, the interfaces that reach it, and what it lost.",
			},
			Write: func(b []byte, r spaceRow) []byte { return append(b, whySpace(r)...) },
		},
	}}
}

// living are the names of the processes of a namespace, the most frequent first.
func living(r spaceRow) []string {
	ps := r.All.Found.Procs
	count := map[string]int{}
	for _, pid := range r.It.Space.Processes {
		if i, ok := ps.Row(pid); ok {
			count[ps.Rows[i].Comm]++
		}
	}
	return slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), strings.Compare(a, b))
	})
}

func whySpace(r spaceRow) string {
	const most = 3
	names := living(r)
	s := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		s += fmt.Sprintf(" and %s", units.Plural(more, "other name", "other names"))
	}
	if r.It.Space.Own {
		s = "kwhy's own: " + s
	}
	var links []string
	for i := range r.It.Interfaces {
		if name := r.It.Interfaces[i].Name; name != "lo" {
			links = append(links, name)
		}
	}
	switch {
	case len(links) == 0:
		s += "; no interface except lo: no way out"
	case len(links) <= most:
		s += "; " + strings.Join(links, ", ")
	default:
		s += "; " + units.Plural(len(links), "interface", "interfaces")
	}
	for _, c := range []struct{ name, says string }{
		{"TcpExtListenOverflows", "handshakes found a full accept queue"},
		{"UdpRcvbufErrors", "datagrams found a full receive buffer"},
	} {
		if v, over := lately(r.It, mib(c.name)); v.Has() && v.Float() > 0 {
			s += fmt.Sprintf("; %s %s %s", units.Number(v.Int()), c.says, over)
		}
	}
	return s
}

// Around is the card above the table of namespaces.
func Around() explain.Card[*netfacts.Namespaces] {
	return explain.Card[*netfacts.Namespaces]{Name: "net --all-netns", Sections: []explain.Section[*netfacts.Namespaces]{{
		Title: "Network namespaces", Table: "net_namespaces", Fields: []explain.Field[*netfacts.Namespaces]{{
			Doc: doc{
				Key: "net_namespaces", Label: "namespaces", Unit: explain.Count, Source: inspect.PIDNs,
				Concept: "namespaces",
				Gist:    "Network namespaces that have processes.",
			},
			Get: func(l *netfacts.Namespaces) value { return explain.I(len(l.List)) },
			Reading: func(*netfacts.Namespaces) string {
				return "Those that have processes. One kept alive only by a bind mount (ip netns add) or an open socket is not " +
					"seen. kwhy net --netns PID shows one in full."
			},
		}},
	}}}
}
