package net

import (
	"fmt"

	"kwhy/explain"
	"kwhy/inspect"
)

// nearRules rest on how near a bound is now.
func nearRules() []hostRule {
	near := func(r hostRule, of func(host) value, say string) hostRule {
		r.What, r.Unit = r.Evidence[0]+" / "+r.Evidence[1], explain.Ratio
		r.Of, r.Say = of, func(n host) string { return percent(of(n)) + say }
		return r
	}
	against := func(get func(host) value, src inspect.Source) func(host) value {
		return func(n host) value { return share(get(n), sysctl(src)(n)) }
	}
	return []hostRule{
		near(hostRule{ID: "net.conntrack_near", Evidence: []string{"nf_conntrack_count", "nf_conntrack_max"}, Concept: "conntrack", Next: "kwhy explain conntrack", At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.95},
			Means: "Every connection that netfilter tracks has an entry until its timeout; each namespace's count is held against the bound."},
			against(sysctl(inspect.ConntrackCount), inspect.ConntrackMax),
			" of the room for tracked connections is taken: at 100 % packets of new ones are dropped"),
		near(hostRule{ID: "net.orphans_near", Evidence: []string{"tcp_orphan", "tcp_max_orphans"}, Concept: aboutStates, Next: "kwhy net sockets --state FIN_WAIT1", At: explain.At{Notice: 0.25, Warning: 0.50, Critical: 0.90},
			Means: "An orphan is a connection that its program closed with data or the FIN still to be acknowledged: it holds kernel memory that no process answers for."},
			against(sockstat("TCP orphan"), inspect.TCPMaxOrphans),
			" of tcp_max_orphans: from a quarter on those whose peer stalls are reset, and at 100 % any"),
		near(hostRule{ID: "net.tw_near", Evidence: []string{"tcp_time_wait", "tcp_max_tw_buckets"}, Concept: aboutStates, Next: "kwhy explain tcp-states", At: explain.At{Notice: 0.80, Warning: 0.98},
			Means: "Without TIME_WAIT a late segment of a connection that is over may be answered with a reset, or meet a new one."},
			against(func(n host) value { return explain.I(inState(n, timeWait)) }, inspect.TCPMaxTWBuckets),
			" of tcp_max_tw_buckets: at 100 % connections end without TIME_WAIT"),
		{
			ID: "net.ports_near", Evidence: []string{"ephemeral_used_most", "ip_local_port_range"}, Concept: "ephemeral-ports", Next: "kwhy explain ephemeral-ports",
			Unit: explain.Ratio, What: "local ports of connections to one destination / ports of the range",
			Means: "A connection is told apart by both addresses and both ports: to one destination there are as many as there are local ports, those in TIME_WAIT too.",
			Of:    portsUsed, At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.97},
			Say: func(n host) string {
				return fmt.Sprintf("%s of the local ports for connections to %s are taken: at 100 %% connect fails with EADDRNOTAVAIL", percent(portsUsed(n)), n.Sockets.Destinations[0].Peer)
			},
		}, {
			ID: "net.tcp_memory_pressure", Evidence: []string{"tcp_mem_used", "tcp_mem_pressure", "tcp_memory_pressure"}, Concept: "tcp-memory", Next: "kwhy explain tcp-memory",
			What: "mem of TCP in sockstat / tcp_mem[1], 1 at least under pressure", Unit: explain.Ratio,
			Means: "All TCP sockets of the host share tcp_mem: above its second number no buffer grows and windows shrink, until its first number is reached.",
			Of:    tcpPressed, At: explain.At{Notice: 0.80, Warning: 1, Critical: 1.5}, // high is 1.5 times pressure
			Say: func(n host) string {
				s := fmt.Sprintf("TCP's buffers have %s, %s of tcp_mem pressure", size(used("TCP mem")(n)), explain.Percent(sockstat("TCP mem")(n).Int(), int64(n.TCPMem[1])))
				if underPressure(n) {
					s += ": TCP is under memory pressure now, windows shrink and buffers do not grow"
				}
				return s
			},
		},
		near(hostRule{ID: "net.udp_memory_near", Evidence: []string{"udp_mem_used", "udp_mem_low"}, Concept: "tcp-memory", Next: "kwhy explain tcp-memory", At: explain.At{Notice: 0.70, Warning: 0.90, Critical: 1},
			Means: "All UDP sockets of the host share udp_mem: above its first number a socket gets no more than udp_rmem_min."},
			func(n host) value {
				if n.UDPMem[0] <= 0 {
					return value{}
				}
				return share(sockstat("UDP mem")(n), explain.I(int64(n.UDPMem[0])))
			},
			" of udp_mem low is used by UDP's buffers: above it datagrams are lost"),
		{
			// A number of sockets: programs that close have few. net.close_wait says it with
			// who has them, where that can be seen.
			ID: "net.close_wait_many", Unless: "net.close_wait", What: "connections in CLOSE_WAIT", Unit: explain.Count,
			Means:    "The peer has closed and the kernel waits for the program here to do the same. No timer ends that.",
			Evidence: []string{"tcp_close_wait"}, Concept: aboutStates, Next: "kwhy net sockets --state CLOSE_WAIT",
			Of: func(n host) value { return explain.I(inState(n, closeWait)) }, At: explain.At{Notice: 50, Warning: 1000},
			Say: func(n host) string {
				return explain.Number(inState(n, closeWait)) + " connections in CLOSE_WAIT: their peers have closed, and a program here has not"
			},
		},
	}
}

// tcpPressed is how near TCP's memory is to the pressure threshold: 1 at least while
// the kernel is under pressure.
func tcpPressed(n host) value {
	if n.TCPMem[1] <= 0 {
		if underPressure(n) {
			return explain.F(1)
		}
		return value{}
	}
	s := share(sockstat("TCP mem")(n), explain.I(int64(n.TCPMem[1])))
	if s.Has() && underPressure(n) {
		return explain.F(max(s.Float(), 1))
	}
	return s
}
