package net

import (
	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
)

// hostTopic lists the values and rules of a host's network.
func hostTopic() lower.Topic {
	whole := Host()
	t := lower.CardTopic(&whole, "net", Take)
	t = t.Plus(partTopic(Interfaces(), func(n host) netfacts.Parts[netfacts.Interface] { return InterfaceRows(n) }))
	t = t.Plus(partTopic(SoftnetCPUs(), func(n host) netfacts.Parts[netfacts.SoftnetCPU] { return SoftnetRows(n) }))
	t = t.Plus(partTopic(Qdiscs(), func(n host) netfacts.Parts[netfacts.Qdisc] { return QdiscRows(n) }))
	t = t.Plus(partTopic(Hooks(), func(n host) netfacts.Parts[netfacts.Hook] { return HookRows(n) }))
	t = t.Plus(partTopic(Destinations(), func(n host) netfacts.Parts[netfacts.Destination] { return DestinationRows(n) }))
	around := Around()
	t = t.Plus(lower.CardTopic(&around, "net --all-netns", TakeSpaces))
	return t.Plus(lower.TableTopic(Spaces(), "net --all-netns", func(h *inspect.Host, v *lower.View[spaceRow]) (explain.Rows[spaceRow], []int32, error) {
		l, err := TakeSpaces(h, v.Needs())
		if err != nil {
			return nil, nil, err
		}
		return l, v.Order(l), nil
	}))
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
	return netfacts.Parts[netfacts.Interface]{Net: n, List: n.Interfaces, Same: netfacts.SameInterface}
}

// SoftnetRows are the CPUs that take packets in.
func SoftnetRows(n host) netfacts.Parts[netfacts.SoftnetCPU] {
	return netfacts.Parts[netfacts.SoftnetCPU]{Net: n, List: n.Softnet, Same: netfacts.SameSoftnet}
}

// QdiscRows are a network's queues on the way out.
func QdiscRows(n host) netfacts.Parts[netfacts.Qdisc] {
	return netfacts.Parts[netfacts.Qdisc]{Net: n, List: n.Qdiscs, Same: netfacts.SameQdisc}
}

// HookRows are what netfilter calls.
func HookRows(n host) netfacts.Parts[netfacts.Hook] {
	return netfacts.Parts[netfacts.Hook]{Net: n, List: n.Hooks}
}

// DestinationRows are where outgoing connections go.
func DestinationRows(n host) netfacts.Parts[netfacts.Destination] {
	return netfacts.Parts[netfacts.Destination]{Net: n, List: n.Sockets.Destinations}
}

func partTopic[T any](table *explain.Table[netfacts.Part[T]], of func(host) netfacts.Parts[T]) lower.Topic {
	return lower.TableTopic(table, "net", func(h *inspect.Host, v *lower.View[netfacts.Part[T]]) (explain.Rows[netfacts.Part[T]], []int32, error) {
		n, err := Take(h, v.Needs().Plus(v.Rank()))
		if err != nil {
			return nil, nil, err
		}
		rows := of(n)
		return rows, v.Order(rows), nil
	})
}
