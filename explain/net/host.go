package net

import (
	"cmp"
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

type (
	host  = *netfacts.Snapshot
	field = explain.Field[*netfacts.Snapshot]
	doc   = explain.Doc
	value = explain.Value
)

// Host explains the network of a host, or of one namespace of it.
func Host() explain.Card[*netfacts.Snapshot] {
	return explain.Card[*netfacts.Snapshot]{Name: "net", Sections: []explain.Section[*netfacts.Snapshot]{
		{Title: "Network namespace", Fields: space()},
		{Title: "TCP sockets by state", Whole: "tcp_sockets", Fields: tcpStates()},
		{Title: "Other sockets", Fields: others()},
		{Title: "Listening sockets", Fields: listening(), Table: "listeners"},
		{Title: "Ephemeral ports", Fields: ports(), Table: "destinations"},
		{Title: "Socket memory of the whole host", Fields: bufferMemory()},
		{Title: "Socket buffer sizes", Fields: buffers()},
		{Title: "Interfaces", Table: "interfaces"},
		{Title: "Softnet: packet intake by CPU", Fields: softnet(), Table: "softnet"},
		{Title: "Queueing disciplines", Fields: queueing(), Table: "qdiscs"},
		{Title: "IP counters", Fields: ip()},
		{Title: "Neighbour tables of the whole host", Fields: neighbours()},
		{Title: "Netfilter", Fields: netfilter(), Table: "hooks"},
		{Title: "Packet filter rules that drop", Fields: dropping(), Table: "drops"},
		{Title: "TCP counters", Fields: tcp()},
		{Title: "UDP counters", Fields: udp()},
	}, Rules: hostRules()}
}

func version(major, minor int) inspect.Version { return inspect.Version{Major: major, Minor: minor} }

func space() []field {
	return []field{{
		Doc: doc{
			Key: "net_namespace", Label: "namespace", Unit: explain.ID, Source: inspect.PIDNs, Concept: "namespaces",
			Gist: "The network namespace: interfaces, routes, sockets and counters of its own.",
		},
		Get: func(n host) value {
			switch {
			case n.Space.Inode != 0:
				return explain.N(n.Space.Inode)
			case !n.Mem.Host.Live:
				return explain.None(inspect.NotSaved)
			case !n.Space.Own:
				return explain.None(inspect.Denied)
			}
			return explain.None(inspect.Untold)
		},
		Reading: readSpace,
	}}
}

func readSpace(n host) string {
	s := "The one that kwhy is in."
	if !n.Mem.Host.Live {
		s = "The one that the copy was made in."
	}
	if !n.Space.Own {
		s = fmt.Sprintf("The one of process %d, by /proc/%d/net; "+
			"the host's softnet, buffer memory and limits are the same in all.", n.Space.PID, n.Space.PID)
		if n.Missing(inspect.NetRoute) == inspect.Present {
			s += " Its interfaces come from rtnetlink, asked inside it: /sys shows those of another."
		}
	}
	return s
}

// Getters.

// mib gets a counter by the name that nstat gives it.
func mib(name string) func(host) value {
	return func(n host) value { return explain.Look(n.MIB, name) }
}

func sockstat(name string) func(host) value {
	return func(n host) value { return explain.Look(n.Sockstat, name) }
}

func sysctl(s inspect.Source) func(host) value {
	return func(n host) value {
		if i, ok := n.Mem.Number(s); ok {
			return explain.I(i)
		}
		return value{}
	}
}

// pages turns a number of pages into bytes.
func pages(n host, count inspect.Num) value {
	if count < 0 {
		return value{}
	}
	return explain.N(uint64(count) * n.Mem.Host.PageSize)
}

// Arithmetic that readings and rules share.

// grown is how much a counter grew over the interval; absent without one, and where
// it went back, as the counters of an interface do when it is recreated.
func grown(n host, get func(host) value) value {
	was, _, ok := n.Before()
	if !ok {
		return explain.None(inspect.NoInterval)
	}
	now, then := get(n), get(was)
	if !now.Has() || !then.Has() || then.Float() > now.Float() {
		return value{}
	}
	return explain.F(now.Float() - then.Float())
}

// lately is what grew over the interval, or without one since the counter began,
// and which of the two.
func lately(n host, get func(host) value) (v value, over string) {
	if g := grown(n, get); g.Has() {
		_, span, _ := n.Before()
		return g, "in the last " + units.Span(span.Seconds())
	}
	return get(n), "so far"
}

// rate is how much a counter grew a second over the interval.
func rate(n host, get func(host) value) value {
	g := grown(n, get)
	_, over, ok := n.Before()
	if !g.Has() || !ok || over <= 0 {
		return value{}
	}
	return explain.F(g.Float() / over.Seconds())
}

func percent(v value) string { return string(units.AppendPercent(nil, v.Float())) }

func size(v value) string { return string(v.AppendSize(nil)) }

// of says what part of another counter one is: "0.3 % of the segments sent so far".
func of(n host, part, whole func(host) value, what string) string {
	a, over := lately(n, part)
	b, _ := lately(n, whole)
	s := explain.Share(a, b)
	if !s.Has() {
		return ""
	}
	return percent(s) + " of " + what + " " + over + "."
}

// counter is a counter that is declared in one line.
type counter struct {
	name    string // as nstat has it, TcpExt and IpExt left out
	show    explain.Show
	gist    string
	say     string // where it is not zero: what that means, and what to do
	concept explain.Concept
	since   inspect.Version
	also    []inspect.Source  // what the reading leans on besides
	read    func(host) string // instead of say
}

// counters declares the counters of one file, whose names have a prefix that nstat
// puts before them.
func counters(src inspect.Source, prefix string, concept explain.Concept, list []counter) (out []field) {
	for _, c := range list {
		get := mib(prefix + c.name)
		d := doc{
			Key: key(c.name), Kernel: c.name, Unit: explain.Count, Counter: true, Show: c.show,
			Source: src, Also: c.also, Since: c.since, Concept: cmp.Or(c.concept, concept),
			Gist: c.gist,
		}
		read := c.read
		if read == nil {
			read = whenSome(get, c.say)
		}
		out = append(out, field{Doc: d, Get: get, Reading: read})
	}
	return out
}

// whenSome is a reading that says something only where the counter is not zero.
func whenSome(get func(host) value, say string) func(host) string {
	return func(n host) string {
		if get(n).Zero() {
			return ""
		}
		return say
	}
}

// key is how a name of the kernel's becomes a key: TCPBacklogDrop, tcp_backlog_drop.
func key(name string) string {
	var b strings.Builder
	upper := func(i int) bool { return i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	lower := func(i int) bool { return i < len(name) && name[i] >= 'a' && name[i] <= 'z' }
	for i := range len(name) {
		if upper(i) {
			if i > 0 && (lower(i-1) || lower(i+1)) {
				b.WriteByte('_')
			}
			b.WriteByte(name[i] | 0x20)
			continue
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// Take reads kwhy's own network namespace.
func Take(h *inspect.Host, want inspect.Sources) (host, error) {
	return netfacts.Take(h, netfacts.OwnNamespace(h), Whole(want))
}

// Whole adds to a set of sources those without which some of them say nothing:
// interfaces are found by their counters, and ports by their range.
func Whole(want inspect.Sources) inspect.Sources {
	for _, s := range []inspect.Source{inspect.NetSysfs, inspect.NetRoute, inspect.NetEthtool, inspect.NetHooks} {
		if want.Has(s) {
			want = want.Plus(inspect.Of(inspect.NetDev))
		}
	}
	if want.Has(inspect.TCPSockets) {
		want = want.Plus(inspect.Of(inspect.IPLocalPortRange, inspect.IPLocalReservedPorts))
	}
	return want
}

// TakeSpaces reads every network namespace that a process lives in.
func TakeSpaces(h *inspect.Host, want inspect.Sources) (*netfacts.Namespaces, error) {
	ps, err := proc.Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return netfacts.TakeNamespaces(h, ps, Whole(want)), nil
}

// InterfaceRows are a network's interfaces.
func InterfaceRows(n host) netfacts.Parts[netfacts.Interface] {
	return netfacts.Parts[netfacts.Interface]{In: n, List: n.Interfaces, Same: netfacts.SameInterface}
}

// SoftnetRows are the CPUs that take packets in.
func SoftnetRows(n host) netfacts.Parts[netfacts.SoftnetCPU] {
	return netfacts.Parts[netfacts.SoftnetCPU]{In: n, List: n.Softnet, Same: netfacts.SameSoftnet}
}

// QdiscRows are a network's queues on the way out.
func QdiscRows(n host) netfacts.Parts[netfacts.Qdisc] {
	return netfacts.Parts[netfacts.Qdisc]{In: n, List: n.Qdiscs, Same: netfacts.SameQdisc}
}

// HookRows are what netfilter calls.
func HookRows(n host) netfacts.Parts[netfacts.Hook] {
	return netfacts.Parts[netfacts.Hook]{In: n, List: n.Hooks}
}

// DropRows are the rules that drop packets.
func DropRows(n host) netfacts.Parts[netfacts.DropRule] {
	return netfacts.Parts[netfacts.DropRule]{In: n, List: n.Filter.Rules, Same: netfacts.SameDropRule}
}

// DestinationRows are where outgoing connections go.
func DestinationRows(n host) netfacts.Parts[netfacts.Destination] {
	return netfacts.Parts[netfacts.Destination]{In: n, List: n.Sockets.Destinations, Among: inspect.TCPSockets}
}

// Health says in a few words how a network stands.
func Health(n host) lower.Health {
	return lower.Health{Utilisation: healthUse(n, n.Listed), Saturation: healthWaits(n.Listed), Errors: healthLost(n)}
}

func healthUse(n host, sockets *netfacts.Sockets) string {
	var words []string
	if sockets != nil {
		words = append(words, socketsSeen(sockets))
	}
	if v := tcpPressed(n); v.Has() {
		words = append(words, "TCP memory at "+percent(v)+" of pressure")
	}
	if v := boundPorts(n); v.Has() && !v.Zero() {
		words = append(words, "local ports of one address "+percent(v)+" taken")
	} else if v := portsUsed(n); v.Has() && !v.Zero() {
		words = append(words, "local ports to one destination "+percent(v)+" taken")
	}
	return strings.Join(words, ", ")
}

// socketsSeen counts sockets, and says so where there may be others.
func socketsSeen(s *netfacts.Sockets) string {
	if seen := s.SeenOf(inspect.NetSockets); !seen.Whole() {
		return strings.TrimPrefix(units.Among(seen), "of the ")
	}
	return units.Plural(s.Len(), "socket", "sockets")
}

// healthWaits sums up the accept queues, where connections wait for programs.
func healthWaits(sockets *netfacts.Sockets) string {
	if sockets == nil {
		return ""
	}
	listeners, waiting, unknown := 0, uint64(0), 0
	for i := range sockets.Len() {
		switch s := sockets.At(i).It; {
		case s.IsListener() && s.Told.Has(sockdiag.Queues):
			listeners, waiting = listeners+1, waiting+uint64(s.RQueue)
		case s.IsListener(): // from a file, which does not have the limit of its queue
			unknown++
		}
	}
	seen, part := sockets.SeenOf(inspect.NetSockets), ""
	if !seen.Whole() {
		part = " that could be seen"
	}
	if listeners+unknown == 0 {
		return units.NoneOf("no listener", seen)
	}
	if listeners == 0 {
		return units.Plural(unknown, "listener", "listeners") + part + ", accept queues unknown"
	}
	return fmt.Sprintf("%s wait to be accepted at %s", units.Plural(waiting, "connection", "connections"),
		units.Plural(listeners, "listener", "listeners")) + part
}

// healthLost adds up what was lost, over the interval or since boot.
func healthLost(n host) string {
	out, over, ok := mib("TcpRetransSegs")(n), " since boot", false
	if _, span, watched := n.Before(); watched {
		out, over, ok = grown(n, mib("TcpRetransSegs")), " in "+units.Span(span.Seconds()), true
	}
	if !out.Has() {
		return ""
	}
	words := []string{units.Plural(out.Int(), "segment retransmitted", "segments retransmitted")}
	drops := softTotal(softDropped)(n)
	if ok {
		drops = grown(n, softTotal(softDropped))
	}
	if drops.Has() {
		words = append(words, units.Plural(drops.Int(), "packet dropped at a CPU's backlog", "packets dropped at a CPU's backlog"))
	}
	return strings.Join(words, ", ") + over
}
