package net

import (
	"bytes"

	"kwhy/inspect"
	"kwhy/inspect/sockdiag"
)

// ParseSocket reads a line of a file of /proc/net.
func ParseSocket(name, line string) (sockdiag.Socket, bool) {
	for i := range socketKinds {
		if socketKinds[i].name == name {
			return parseSocket(&socketKinds[i], line)
		}
	}
	return sockdiag.Socket{}, false
}

func ParseMIB(b []byte) (inspect.Counters, error) {
	out := inspect.Counters{}
	err := parseMIB(b, out)
	return out, err
}

var ParseSockstat = parseSockstat

// SockstatOf is what procfs reads.
var SockstatOf = sockstatOf

var ParseProtocols = parseProtocols

var ParseSoftnet = parseSoftnet

var ParseConntrack = parsePerCPU

var ParseQdisc = parseQdisc

var ParseHook = parseHook

// ParseFilter is what answers of nftables say: to questions for chains, rules and counters.
func ParseFilter(chains, rules, counters [][]byte) Filter {
	r := newRuleset()
	for list, parse := range map[*[][]byte]func([]byte){&chains: r.chain, &rules: r.rule, &counters: r.counter} {
		for _, b := range *list {
			parse(b)
		}
	}
	return r.filter()
}

var CPUMask = cpuMask

func ParseNetDev(b []byte) (map[string]DevStats, error) {
	out := map[string]DevStats{}
	err := parseNetDev(b, func(name string, s DevStats) { out[name] = s })
	return out, err
}

// ParseLinks reads answers to RTM_GETLINK and to RTM_GETADDR.
func ParseLinks(links, addresses [][]byte) map[string]*Interface {
	n := rtnet{links: map[string]*Interface{}, index: map[int32]string{}}
	for _, b := range links {
		n.link(b)
	}
	for _, b := range addresses {
		n.address(b)
	}
	return n.links
}

// CountSockets counts the sockets in a file of /proc/net.
func CountSockets(b []byte, kind string, p PortRange) SocketCount {
	var s Sockets
	for line := range bytes.Lines(b) {
		if sock, ok := ParseSocket(kind, string(inspect.TrimNewline(line))); ok {
			s.List.Add(&sock)
		}
	}
	return s.Count(p)
}

// ParseXTable is what a table of x_tables says: to the questions for its outline and for its entries.
func ParseXTable(family string, info, entries []byte) (Filter, error) {
	r := newRuleset()
	for _, f := range xFamilies() {
		if f.name == family {
			err := r.xEntries(&f, "filter", info, entries)
			return r.filter(), err
		}
	}
	return Filter{}, nil
}
