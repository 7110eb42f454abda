package check_test

import (
	"fmt"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"kwhy/explain/check"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

const (
	lossy    = "linux-6.18-lossy-net"
	snmp     = "proc/self/net/snmp"
	netstat  = "proc/self/net/netstat"
	sockstat = "proc/self/net/sockstat"
	softnet  = "proc/self/net/softnet_stat"
	tcpTable = "proc/self/net/tcp"
)

// overflows is what listeners turned away, and took.
func overflows(away, took [2]uint64) edit {
	return some(mib(netstat, "TcpExt", "ListenOverflows", away[0], away[1]), mib(snmp, "Tcp", "PassiveOpens", took[0], took[1]))
}

// again is what was sent again, none of it SYNs, and what was sent.
func again(again, out [2]uint64) edit { return someAgain(again, [2]uint64{}, out) }

// someAgain is the same where SYNs are among what was sent again.
func someAgain(again, syns, out [2]uint64) edit {
	return some(
		mib(snmp, "Tcp", "RetransSegs", again[0], again[1]), mib(snmp, "Tcp", "OutSegs", out[0], out[1]),
		mib(netstat, "TcpExt", "TCPSynRetrans", syns[0], syns[1]),
	)
}

// lost is what met a full receive buffer, and what did not.
func lost(lost, got [2]uint64) edit {
	return some(mib(snmp, "Udp", "RcvbufErrors", lost[0], lost[1]), mib(snmp, "Udp", "InDatagrams", got[0], got[1]))
}

// lost6 is the same of IPv6, which has a file of its own.
func lost6(lost, got [2]uint64) edit {
	const snmp6 = "proc/self/net/snmp6"
	return some(grows(snmp6, "Udp6RcvbufErrors", lost[0], lost[1]), grows(snmp6, "Udp6InDatagrams", got[0], got[1]))
}

// soft is softnet_stat of two CPUs: packets processed and dropped, rounds cut short.
func soft(processed, dropped, squeezed int) string {
	const rest = " 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
	return fmt.Sprintf("%08x %08x %08x%s00000000 00000000 00000000\n%08x %08x %08x%s00000001 00000000 00000000\n",
		processed/2, 0, squeezed, rest, processed-processed/2, dropped, 0, rest)
}

// tracking is stat/nf_conntrack.
const tracking = "proc/self/net/stat/nf_conntrack"

// dropsOf is stat/nf_conntrack with so many drops of the second CPU.
func dropsOf(n int) string { return dropsAnd(n, 0, 0) }

// dropsAnd is the same with packets that could not be inserted, and with those of them whose
// chain of the hash was too long.
func dropsAnd(n, failed, long int) string {
	row := func(n, failed, long int) string {
		f := strings.Fields(strings.Repeat("00000000 ", 17))
		f[7], f[9], f[10] = fmt.Sprintf("%08x", long), fmt.Sprintf("%08x", failed), fmt.Sprintf("%08x", n)
		return strings.Join(f, " ") + "\n"
	}
	return "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new " +
		"expect_create expect_delete search_restart\n" + row(0, 0, 0) + row(n, failed, long)
}

// connections are lines of /proc/net/tcp: from 10.0.0.1 and local ports from 40000 up to
// 10.0.0.2:443, in a state (include/net/tcp_states.h).
func connections(state, n int) edit {
	var b strings.Builder
	b.WriteString("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	for i := range n {
		fmt.Fprintf(
			&b,
			"%4d: 0100000A:%04X 0200000A:01BB %02X 00000000:00000000 00:00000000 00000000     0        0 %d 1 0000000000000000 20 4 30 10 -1\n",
			i,
			40000+i,
			state,
			7000+i,
		)
	}
	return file(tcpTable, b.String())
}

const (
	established = 1
	synSent     = 2
	timeWait    = 6
	closeWait   = 8
)

func netTrials() []trial {
	return []trial{{
		rule: "net.listen_overflow", host: lossy, fires: []rung{
			few(
				"<0.1 % of the incoming handshakes found the accept queue of their listener full, in the last 1 s",
				overflows([2]uint64{5, 6}, [2]uint64{100, 10099}),
			),
			few("1.0 % of the incoming handshakes", overflows([2]uint64{5, 6}, [2]uint64{100, 199})), // one alone is no alarm
			warning("1.0 % of the incoming handshakes", overflows([2]uint64{5, 10}, [2]uint64{100, 595})),
			critical("5.0 % of the incoming handshakes", overflows([2]uint64{5, 10}, [2]uint64{100, 195})),
		}, well: edits{overflows([2]uint64{500, 500}, [2]uint64{100, 195})},
	}, {
		rule: "net.listen_overflow_so_far", host: lossy, once: true, fires: []rung{
			notice(
				"10 % of the incoming handshakes found the accept queue of their listener full, since these counters began",
				overflows([2]uint64{10, 10}, [2]uint64{90, 90}),
			),
		}, well: edits{overflows([2]uint64{9, 9}, [2]uint64{9991, 9991})},
	}, {
		rule: "net.retransmits", host: lossy, fires: []rung{
			notice(
				"2.0 % of the TCP segments of open connections were retransmitted, in the last 1 s",
				again([2]uint64{100, 120}, [2]uint64{1000, 1980}),
			),
			warning("5.0 % of the TCP segments", again([2]uint64{100, 150}, [2]uint64{1000, 1950})),
			critical("20 % of the TCP segments", again([2]uint64{100, 300}, [2]uint64{1000, 1800})),
		}, well: edits{again([2]uint64{100, 109}, [2]uint64{1000, 1991})},
	}, {
		// Of five at least: one of ten is no sign, nor were those before.
		rule: "net.retransmits", host: lossy, fires: []rung{
			few("20 % of the TCP segments", again([2]uint64{0, 5}, [2]uint64{0, 20})),
			few("50 % of the TCP segments", again([2]uint64{0, 150}, [2]uint64{0, 150})), // of a connection that hangs
		},
		well: edits{again([2]uint64{100, 104}, [2]uint64{1000, 1006})},
	}, {
		// 35 SYNs to a host that does not answer are no loss of the network, and nothing critical.
		rule: "net.retransmits", host: lossy, fires: []rung{
			warning("9.1 % of the TCP segments", someAgain([2]uint64{0, 135}, [2]uint64{0, 35}, [2]uint64{0, 1000})),
		},
		well: edits{someAgain([2]uint64{100, 135}, [2]uint64{40, 75}, [2]uint64{1000, 1035})},
	}, {
		rule: "net.syn_retransmits", host: lossy, fires: []rung{
			notice(
				"35 SYNs or answers to them were sent again in the last 1 s; now 35 sockets wait for an answer (SYN_SENT), and 0 are half open",
				someAgain([2]uint64{100, 135}, [2]uint64{40, 75}, [2]uint64{1000, 1000}), connections(synSent, 35),
			),
			notice("5 SYNs or answers", someAgain([2]uint64{100, 105}, [2]uint64{40, 45}, [2]uint64{1000, 1000})),
		},
		well: edits{someAgain([2]uint64{100, 300}, [2]uint64{4000, 4004}, [2]uint64{1000, 1000})},
	}, {
		rule: "net.retransmits_so_far", host: lossy, once: true,
		fires: []rung{notice("50 % of the TCP segments", again([2]uint64{5, 5}, [2]uint64{5, 5}))},
		well:  edits{again([2]uint64{4, 4}, [2]uint64{4, 4})},
	}, {
		rule: "net.retransmits_so_far", host: lossy, once: true, fires: []rung{
			notice(
				"2.0 % of the TCP segments of open connections were retransmitted, since these counters began",
				again([2]uint64{20, 20}, [2]uint64{980, 980}),
			),
		}, well: edits{again([2]uint64{19, 19}, [2]uint64{981, 981})},
	}, {
		rule: "net.softnet_drops", host: lossy, fires: []rung{
			few(
				"<0.1 % of the packets that interfaces handed over were dropped because a CPU's backlog was full",
				becomes(softnet, soft(0, 0, 0), soft(99999, 1, 0)),
			),
			warning("<0.1 % of the packets", becomes(softnet, soft(0, 0, 0), soft(19990, 6, 0))),
			critical("10 % of the packets", becomes(softnet, soft(50, 50, 0), soft(140, 60, 0))),
		}, well: edits{becomes(softnet, soft(50, 50, 0), soft(1000, 50, 0))},
	}, {
		rule: "net.softnet_drops_so_far", host: lossy, once: true, fires: []rung{
			notice(
				"1.0 % of the packets that interfaces handed over were dropped because a CPU's backlog was full, since these counters began",
				file(softnet, soft(990, 10, 0)),
			),
		}, well: edits{file(softnet, soft(999910, 90, 0))},
	}, {
		rule: "net.udp_rcvbuf_errors", host: lossy, fires: []rung{
			few(
				"1 datagram of IPv4 was lost to a full receive buffer, and 9,999 were read, in the last 1 s",
				lost([2]uint64{7, 8}, [2]uint64{0, 9999}),
			),
			warning("5 datagrams of IPv4 were lost to a full receive buffer, and 995 were read", lost([2]uint64{7, 12}, [2]uint64{0, 995})),
			critical("50 datagrams of IPv4 were lost to a full receive buffer, and 50 were read", lost([2]uint64{7, 57}, [2]uint64{0, 50})),
		}, well: edits{lost([2]uint64{700, 700}, [2]uint64{0, 99})},
	}, {
		rule: "net.udp_rcvbuf_errors_so_far", host: lossy, once: true, fires: []rung{
			notice(
				"1 datagram of IPv4 was lost to a full receive buffer, and 99 were read, since these counters began",
				lost([2]uint64{1, 1}, [2]uint64{99, 99}),
			),
		}, well: edits{lost([2]uint64{1, 1}, [2]uint64{9999, 9999})},
	}, {
		rule: "net.udp6_rcvbuf_errors", host: lossy, fires: []rung{
			few(
				"1 datagram of IPv6 was lost to a full receive buffer, and 9,999 were read, in the last 1 s",
				lost6([2]uint64{7, 8}, [2]uint64{0, 9999}),
			),
			warning("5 datagrams of IPv6 were lost to a full receive buffer, and 995 were read", lost6([2]uint64{7, 12}, [2]uint64{0, 995})),
			critical("50 datagrams of IPv6 were lost to a full receive buffer, and 50 were read", lost6([2]uint64{7, 57}, [2]uint64{0, 50})),
		}, well: edits{lost6([2]uint64{700, 700}, [2]uint64{0, 99})},
	}, {
		rule: "net.udp6_rcvbuf_errors_so_far", host: lossy, once: true, fires: []rung{
			notice(
				"1 datagram of IPv6 was lost to a full receive buffer, and 99 were read, since these counters began",
				lost6([2]uint64{1, 1}, [2]uint64{99, 99}),
			),
		}, well: edits{lost6([2]uint64{1, 1}, [2]uint64{9999, 9999})},
	}, {
		rule: "net.time_squeeze", host: lossy, fires: []rung{
			notice(
				"10 times a second in the last 1 s a CPU ended a round of receive processing with packets left",
				becomes(softnet, soft(9, 0, 700), soft(9, 0, 710)),
			),
			warning("200 times a second", becomes(softnet, soft(9, 0, 700), soft(9, 0, 900))),
		}, well: edits{becomes(softnet, soft(9, 0, 700), soft(9, 0, 709))},
	}, {
		rule: "net.conntrack_drops", host: lossy, fires: []rung{
			warning(
				"once a second in the last 1 s a packet was dropped because its connection could not be tracked",
				becomes(tracking, dropsOf(3), dropsOf(4)),
			),
			critical("10 times a second", becomes(tracking, dropsOf(3), dropsOf(13))),
			// All of them where the table is full: then a race is the smaller thing.
			critical(
				"10 times a second in the last 1 s a packet was dropped because its connection could not be tracked: the table is full",
				becomes(tracking, dropsAnd(3, 3, 0), dropsAnd(13, 13, 0)), tracked(96),
			),
			// One of eleven alone was no race; a chain that is too long is no drop.
			warning("once a second", becomes(tracking, dropsAnd(3, 3, 0), dropsAnd(14, 20, 7))),
		}, well: edits{becomes(tracking, dropsOf(3000), dropsOf(3000))},
	}, {
		// DNS of a Kubernetes node: each race counts as both, and the table is almost empty.
		rule: "net.conntrack_drops", host: lossy, fires: []rung{critical("10 times", becomes(tracking, dropsAnd(3, 3, 0), dropsAnd(23, 13, 0)))},
		well: edits{becomes(tracking, dropsAnd(3, 3, 0), dropsAnd(53, 53, 0)), tracked(2)},
	}, {
		rule: "net.conntrack_clashes", host: lossy, fires: []rung{
			notice(
				"once a second in the last 1 s a packet was dropped because another one had begun the same connection at the same moment",
				becomes(tracking, dropsAnd(3, 3, 0), dropsAnd(4, 4, 0)),
			),
			warning("50 times a second", becomes(tracking, dropsAnd(3, 3, 0), dropsAnd(53, 53, 0))),
		}, well: edits{becomes(tracking, dropsAnd(3000, 3000, 2), dropsAnd(3000, 3050, 52))},
	}, {
		rule: "net.syncookies", host: lossy, fires: []rung{
			notice("once a second in the last 1 s a SYN was answered with a cookie", mib(netstat, "TcpExt", "SyncookiesSent", 8, 9)),
			warning("100 times a second", mib(netstat, "TcpExt", "SyncookiesSent", 8, 108)),
		}, well: edits{mib(netstat, "TcpExt", "SyncookiesSent", 8000, 8000)},
	}, {
		// Where every SYN gets a cookie, they are no sign of a full queue.
		rule: "net.syncookies", host: lossy, fires: []rung{warning("100 times a second", mib(netstat, "TcpExt", "SyncookiesSent", 8, 108))},
		well: edits{mib(netstat, "TcpExt", "SyncookiesSent", 8, 10008), sysctl("net/ipv4/tcp_syncookies", 2)},
		idle: "tcp_syncookies is 2",
	}, {
		rule: "net.udp_memory", host: lossy, fires: []rung{
			warning(
				"once a second in the last 1 s a datagram was lost because all UDP sockets together had more",
				mib(snmp, "Udp", "MemErrors", 8, 9),
			),
			critical("100 times a second", mib(snmp, "Udp", "MemErrors", 8, 108)),
		}, well: edits{mib(snmp, "Udp", "MemErrors", 8000, 8000)},
	}, {
		rule: "net.conntrack_near", host: lossy, fires: []rung{
			notice("75 % of nf_conntrack_max is in use", tracked(75)),
			warning("85 % of nf_conntrack_max", tracked(85)),
			critical("95 % of nf_conntrack_max", tracked(95)),
		}, well: edits{tracked(69)},
	}, {
		rule: "net.orphans_near", host: lossy, fires: []rung{
			notice("25 % of tcp_max_orphans: from a quarter on", orphans(25)),
			warning("50 % of tcp_max_orphans", orphans(50)),
			critical("90 % of tcp_max_orphans", orphans(90)),
		}, well: edits{orphans(24)},
	}, {
		rule: "net.tw_near", host: lossy, fires: []rung{
			notice("80 % of tcp_max_tw_buckets", connections(timeWait, 80), sysctl("net/ipv4/tcp_max_tw_buckets", 100)),
			warning("98 % of tcp_max_tw_buckets", connections(timeWait, 98), sysctl("net/ipv4/tcp_max_tw_buckets", 100)),
		}, well: edits{connections(timeWait, 79), sysctl("net/ipv4/tcp_max_tw_buckets", 100)},
	}, {
		rule: "net.ports_near", host: lossy, fires: []rung{
			notice("70 % of the local ports for connections to 10.0.0.2:443 are taken", connections(established, 70), ports()),
			warning("85 % of the local ports", connections(timeWait, 85), ports()),
			critical("97 % of the local ports", connections(established, 97), ports()),
		}, well: edits{connections(established, 69), ports()},
	}, {
		// From one address to ten others: bind before connect takes each port once, and connect many twice.
		rule: "net.ports_bound", host: lossy, fires: []rung{
			notice(
				"70 of the 100 local ports of 10.0.0.1 are taken, each by a connection of its own: a program binds before it connects",
				spread(70, 70), ports(),
			),
			warning("85 of the 100 local ports", spread(85, 85), ports()),
			critical("100 of the 100 local ports", spread(100, 100), ports()),
		}, well: edits{spread(400, 100), ports()},
	}, {
		// All to one destination is said of that.
		rule: "net.ports_bound", host: lossy, fires: []rung{critical("98 of the 100", spread(98, 98), ports())},
		well: edits{connections(established, 100), ports()},
	}, {
		rule: "net.arp_near", host: lossy, fires: []rung{
			notice("80 % of gc_thresh3 is in use by neighbours of IPv4", neighbours("arp_cache", 80, 0, 0), known(0)),
			warning("95 % of gc_thresh3", neighbours("arp_cache", 95, 0, 0), known(0)),
			few("100 % of gc_thresh3", neighbours("arp_cache", 100, 0, 0)), // which may all be permanent
		}, well: edits{neighbours("arp_cache", 79, 0, 0)},
	}, {
		// Those that flannel or a routing daemon made do not count.
		rule: "net.arp_near", host: lossy, fires: []rung{warning("95 % of gc_thresh3", neighbours("arp_cache", 495, 0, 0), known(400))},
		well: edits{neighbours("arp_cache", 495, 0, 0), known(450)},
	}, {
		rule: "net.arp_full", host: lossy, fires: []rung{
			critical("once a second in the last 1 s no entry could be made for a neighbour of IPv4", neighbours("arp_cache", 100, 7, 8)),
			critical("10 times a second", neighbours("arp_cache", 100, 7, 17)),
		}, well: edits{neighbours("arp_cache", 100, 7000, 7000)},
	}, {
		rule: "net.ndisc_near", host: lossy, fires: []rung{
			notice("80 % of gc_thresh3 is in use by neighbours of IPv6", neighbours("ndisc_cache", 80, 0, 0), known(0)),
			warning("95 % of gc_thresh3", neighbours("ndisc_cache", 95, 0, 0), known(0)),
		}, well: edits{neighbours("ndisc_cache", 79, 0, 0)},
	}, {
		rule: "net.ndisc_full", host: lossy, over: 10 * time.Second, fires: []rung{
			warning("0.1 times a second in the last 10 s no entry could be made for a neighbour of IPv6", neighbours("ndisc_cache", 100, 7, 8)),
			critical("10 times a second", neighbours("ndisc_cache", 100, 7, 107)),
		}, well: edits{neighbours("ndisc_cache", 100, 7000, 7000)},
	}, {
		rule: "net.filter_drops", host: lossy, bare: "a copy of /proc does not tell it", fires: []rung{
			notice(
				"10 times a second in the last 1 s a rule of a packet filter dropped a packet, most of them rule 4 of chain in (inet t)",
				filters("input", 110), mib(snmp, "Ip", "InReceives", 1000, 1100),
			),
			notice(
				"20 times a second in the last 1 s a rule of a packet filter dropped a packet; none dropped more of them than rule 4 of chain in",
				filters("input", 110, 110), mib(snmp, "Ip", "InReceives", 1000, 1100),
			),
		}, well: edits{filters("input", 110), mib(snmp, "Ip", "InReceives", 1000, 2000)},
	}, {
		rule: "net.filter_drops_out", host: lossy, bare: "a copy of /proc does not tell it", fires: []rung{
			notice(
				"once a second in the last 1 s a rule of a packet filter dropped a packet, most of them rule 4 of chain in (inet t)",
				filters("output", 101),
			),
		}, well: edits{filters("output", 100)},
	}, {
		// 100 pages are 400 KiB.
		rule: "net.tcp_memory_pressure", host: lossy, fires: []rung{
			notice("TCP's buffers have 320 KiB, 80 % of tcp_mem pressure", tcpMemory(80, "no")),
			warning("TCP's buffers have 320 KiB, 80 % of tcp_mem pressure: TCP is under memory pressure now", tcpMemory(80, "yes")),
			critical("TCP's buffers have 600 KiB, 150 % of tcp_mem pressure: TCP is under memory pressure now", tcpMemory(150, "yes")),
		}, well: edits{tcpMemory(79, "no")},
	}, {
		rule: "net.udp_memory_near", host: lossy, fires: []rung{
			notice("70 % of udp_mem low is used by UDP's buffers", udpMemory(70)),
			warning("90 % of udp_mem low", udpMemory(90)),
			critical("100 % of udp_mem low", udpMemory(100)),
		}, well: edits{udpMemory(69)},
	}, {
		rule: "net.close_wait_many", host: lossy, fires: []rung{
			// Where sockets themselves can be listed, another rule says whose they are.
			notice("50 connections in CLOSE_WAIT: the other side has closed", connections(closeWait, 50), unlisted()),
			warning("1,000 connections in CLOSE_WAIT", connections(closeWait, 1000), unlisted()),
		}, well: edits{connections(closeWait, 49), unlisted()},
	}}
}

// unlisted hides the sockets themselves, so that their number alone is known.
func unlisted() edit { return func(p *pair) { p.without = "net.close_wait" } }

func tracked(n int) edit {
	return some(sysctl("net/netfilter/nf_conntrack_count", n), sysctl("net/netfilter/nf_conntrack_max", 100))
}

func orphans(n int) edit {
	return some(sysctl("net/ipv4/tcp_max_orphans", 100), line(sockstat, "TCP:", fmt.Sprintf("inuse 25 orphan %d tw 67 alloc 49 mem 1", n)))
}

// spread are lines of /proc/net/tcp: n connections from 10.0.0.1 to ten others, on so many ports from
// 40000 on.
func spread(n, ports int) edit {
	var b strings.Builder
	b.WriteString("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	for i := range n {
		fmt.Fprintf(
			&b,
			"%4d: 0100000A:%04X %02X00000A:01BB 01 00000000:00000000 00:00000000 00000000     0        0 %d 1 0000000000000000 20 4 30 10 -1\n",
			i, 40000+i%ports, 0x10+(i+i/ports)%10, 7000+i)
	}
	return file(tcpTable, b.String())
}

// neighbours is a table with so many entries, of 100 that there may be, and how often it was full.
func neighbours(of string, entries, first, then int) edit {
	const head = "entries  allocs   destroys hash_grows lookups  hits     res_failed rcv_probes_mcast rcv_probes_ucast periodic_gc_runs " +
		"forced_gc_runs unresolved_discards table_fulls\n"
	table := func(full int) string {
		row := func(full int) string {
			return fmt.Sprintf("%08x %s%08x\n", entries, strings.Repeat("00000000 ", 11), full)
		}
		return head + row(0) + row(full)
	}
	version := map[string]string{"arp_cache": "ipv4", "ndisc_cache": "ipv6"}[of]
	return some(becomes("proc/self/net/stat/"+of, table(first), table(then)), sysctl("net/"+version+"/neigh/default/gc_thresh3", 100))
}

// known is how many neighbours do not count, of which the kernel is asked.
func known(exempt int) edit {
	return facts(func(now, was *check.Facts) {
		for i := range of[*netfacts.Snapshot](now).Neighbours {
			it := &of[*netfacts.Snapshot](now).Neighbours[i]
			it.Exempt, it.Own = inspect.Num(exempt), max(int(it.Stat["entries"])-exempt, 0)
		}
	})
}

// filters are rules that drop, from number 4 on, whose counters were at 100 and then have more. A copy of /proc has none.
func filters(hook string, then ...uint64) edit {
	return facts(func(now, was *check.Facts) {
		for i, f := range []*check.Facts{was, now} {
			if f == nil {
				continue
			}
			var rules []netfacts.DropRule
			for at, n := range then {
				rules = append(rules, netfacts.DropRule{
					Family: "inet", Table: "t", Chain: "in", Handle: uint64(4 + at), Hooks: []string{hook}, Counted: true,
					Packets: [2]uint64{100, n}[i],
				})
			}
			of[*netfacts.Snapshot](f).SetFilter(rules)
		}
	})
}

// ports are 100, from 40000 on.
func ports() edit { return file("proc/sys/net/ipv4/ip_local_port_range", "40000\t40099\n") }

func tcpMemory(pages int, under string) edit {
	return some(
		file("proc/sys/net/ipv4/tcp_mem", "75\t100\t150\n"),
		line(sockstat, "TCP:", fmt.Sprintf("inuse 25 orphan 0 tw 67 alloc 49 mem %d", pages)),
		file("proc/self/net/protocols", fmt.Sprintf("protocol  size sockets  memory press maxhdr\nTCP 2432 25 %d %s 320\n", pages, under)),
	)
}

func udpMemory(pages int) edit {
	return some(file("proc/sys/net/ipv4/udp_mem", "100\t133\t200\n"), line(sockstat, "UDP:", fmt.Sprintf("inuse 2 mem %d", pages)))
}

// eth0 is what the card took in and sent, and the errors of both.
func eth0(received, errs, sent int) edit {
	return line("proc/self/net/dev", "  eth0:", fmt.Sprintf("706495301 %d %d 0 0 0 0 0 1083725 %d 0 0 0 0 0 0", received, errs, sent))
}

func then(was, now edit) edit {
	return func(p *pair) {
		first, second := &pair{t: p.t, was: p.was, now: p.was}, &pair{t: p.t, was: p.now, now: p.now}
		was(first)
		now(second)
	}
}

func missed(was, now int) edit {
	return becomes("sys/class/net/eth0/statistics/rx_missed_errors", fmt.Sprint(was, "\n"), fmt.Sprint(now, "\n"))
}

// queue is the queue of eth0 on the way out: packets sent and dropped, first and then. A
// copy of /proc has none: they are asked for by netlink.
func queue(sent, dropped [2]uint64) edit {
	return facts(func(now, was *check.Facts) {
		for i, f := range []*check.Facts{was, now} {
			if f != nil {
				of[*netfacts.Snapshot](f).Qdiscs = []netfacts.Qdisc{
					{Dev: "eth0", Kind: "fq_codel", Handle: 0x10000, Packets: sent[i], Dropped: dropped[i]},
				}
			}
		}
	})
}

func linkTrials() []trial {
	return []trial{{
		// 1,000 packets, received and sent.
		rule: "net.nic_errors", host: lossy, fires: []rung{
			few("eth0: <0.1 % of its packets were broken or could not be sent, in the last 1 s", then(eth0(0, 7, 0), eth0(10000, 8, 9999))),
			warning("eth0: 0.1 % of its packets", then(eth0(0, 7, 0), eth0(2495, 12, 2500))),
			critical("eth0: 1.0 % of its packets", then(eth0(0, 7, 0), eth0(490, 17, 500))),
		}, well: edits{then(eth0(0, 700, 0), eth0(499, 700, 500))},
	}, {
		rule: "net.nic_errors_so_far", host: lossy, once: true, fires: []rung{
			notice("eth0: 1.0 % of its packets were broken or could not be sent, since it was created", eth0(500, 10, 490)),
		}, well: edits{eth0(50000, 9, 49991)},
	}, {
		rule: "net.nic_missed", host: lossy, fires: []rung{
			few("eth0: <0.1 % of its packets were missed: the ring was full, in the last 1 s", then(eth0(0, 0, 0), eth0(99999, 0, 0)), missed(7, 8)),
			warning("eth0: 0.1 % of its packets were missed", then(eth0(0, 0, 0), eth0(4995, 0, 0)), missed(7, 12)),
			critical("eth0: 10 % of its packets were missed", then(eth0(0, 0, 0), eth0(90, 0, 0)), missed(7, 17)),
		}, well: edits{then(eth0(0, 0, 0), eth0(999, 0, 0)), missed(700, 700)},
	}, {
		rule: "net.nic_missed_so_far", host: lossy, once: true, fires: []rung{
			notice("eth0: 1.0 % of its packets were missed: the ring was full, since it was created", eth0(990, 0, 0), missed(10, 10)),
		}, well: edits{eth0(99991, 0, 0), missed(9, 9)},
	}, {
		rule: "net.qdisc_drops", host: lossy, bare: "a copy of /proc says that it has no queues", fires: []rung{
			notice("eth0: its fq_codel dropped 1.0 % of the packets to send, in the last 1 s", queue([2]uint64{100, 1090}, [2]uint64{70, 80})),
			warning("eth0: its fq_codel dropped 10 %", queue([2]uint64{100, 190}, [2]uint64{70, 80})),
			critical("eth0: its fq_codel dropped 20 %", queue([2]uint64{100, 180}, [2]uint64{70, 90})),
		}, well: edits{queue([2]uint64{100, 10099}, [2]uint64{700, 701})},
	}}
}

// serving has shop (1200) with its sockets: it listens at 127.0.0.1:8080 and talks to
// itself at 127.0.0.1:9090.
const serving = "linux-6.18-net"

// socket changes what sock_diag says about the socket with an inode. A copy of /proc has
// its files alone.
func socket(inode uint32, change func(now, was *sockdiag.Socket)) edit {
	return facts(func(now, was *check.Facts) {
		of := func(f *check.Facts) *sockdiag.Socket {
			if f == nil {
				return new(sockdiag.Socket)
			}
			for i := range of[*netfacts.Snapshot](f).Listed.List.Len() {
				if s := of[*netfacts.Snapshot](f).Listed.List.At(i); s.Inode == inode {
					s.Cookie = uint64(inode)
					return s
				}
			}
			panic("no such socket")
		}
		change(of(now), of(was))
	})
}

const (
	listener = 1033415
	writer   = 1033420
	datagram = 1033426
)

// queued is a listener with so many of its backlog of 8 waiting: it has room for 9.
func queued(n uint32) edit {
	return socket(listener, func(now, was *sockdiag.Socket) {
		now.RQueue, now.WQueue, now.Told = n, 8, now.Told|sockdiag.Netlink|sockdiag.Queues
	})
}

// info is tcp_info as the kernel hands it out.
func info(i unix.TCPInfo) sockdiag.TCPInfo {
	return sockdiag.PackTCPInfo(unsafe.Slice((*byte)(unsafe.Pointer(&i)), unsafe.Sizeof(i)))
}

// probes is a connection whose peer has no room and answers: the timer is that of
// probes, and each has doubled its interval.
func probes(n uint8) edit {
	return socket(writer, func(now, was *sockdiag.Socket) {
		now.Timer, now.WQueue, now.Told, now.Info = 4, 20480, now.Told|sockdiag.Netlink, info(unix.TCPInfo{Backoff: n})
	})
}

func retransmits(n uint8) edit {
	return socket(writer, func(now, was *sockdiag.Socket) {
		now.Timer, now.WQueue, now.Told, now.Info = 1, 20480, now.Told|sockdiag.Netlink, info(unix.TCPInfo{Retransmits: n})
	})
}

// asking is a connect that has no answer: what it sent again is the SYN.
func asking(n uint8) edit {
	return socket(writer, func(now, was *sockdiag.Socket) {
		now.State, now.Timer, now.WQueue = sockdiag.SynSent, 1, 1
		now.Told, now.Info = now.Told|sockdiag.Netlink, info(unix.TCPInfo{Retransmits: n})
	})
}

// waiting is a datagram socket with so much memory of what waits, of 212,992 bytes.
func waiting(n uint32) edit {
	return socket(datagram, func(now, was *sockdiag.Socket) {
		now.Mem[sockdiag.RmemAlloc], now.Mem[sockdiag.RcvBuf], now.RQueue = n, 212992, n
		now.Told |= sockdiag.Netlink | sockdiag.Memory
	})
}

// unread is a connection with 20,000 bytes that came so many ms ago.
func unread(ms uint32) edit {
	return socket(writer, func(now, was *sockdiag.Socket) {
		now.RQueue, now.Told, now.Info = 20480, now.Told|sockdiag.Netlink, info(unix.TCPInfo{Last_data_recv: ms})
	})
}

func dropped(first, then uint32) edit {
	return socket(datagram, func(now, was *sockdiag.Socket) {
		now.Mem[sockdiag.Drops], was.Mem[sockdiag.Drops] = then, first
		now.Told, was.Told = now.Told|sockdiag.Dropped, was.Told|sockdiag.Dropped
	})
}

func socketTrials() []trial {
	return []trial{{
		rule: "net.close_wait", host: lossy, part: "a copy of the tables of TCP alone", fires: []rung{
			notice("50 connections that the peer has closed are kept open here", connections(closeWait, 50)),
			warning("1,000 connections that the peer has closed", connections(closeWait, 1000)),
		}, well: edits{connections(closeWait, 49)},
	}, {
		rule: "net.accept_queue_full", host: serving, part: "a copy does not tell the queue of unix sockets", fires: []rung{
			notice("shop (1200) has 7 connections waiting at tcp 127.0.0.1:8080, of 9 at most", queued(7)),
			warning("shop (1200) has 9 connections waiting", queued(9)),
		}, well: edits{queued(6)},
	}, {
		rule: "net.window_closed", host: serving, part: "a copy does not tell the same of other connections", fires: []rung{
			notice("shop (1200) has 20.0 KiB for 127.0.0.1:9090, whose window is closed", probes(3)),
			warning("whose window is closed", probes(8)),
		}, well: edits{probes(2)},
	}, {
		rule: "net.not_acknowledged", host: serving, part: "a copy does not tell the same of other connections", fires: []rung{
			notice("127.0.0.1:9090 has not acknowledged what shop (1200) sent, though it was retransmitted 3 times", retransmits(3)),
			warning("though it was retransmitted 6 times", retransmits(6)),
		}, well: edits{retransmits(2)},
	}, {
		rule: "net.syn_not_answered", host: serving, part: "a copy does not tell the same of other connections", fires: []rung{
			notice("127.0.0.1:9090 does not answer shop (1200), which has asked for a connection 3 more times", asking(3)),
			notice("127.0.0.1:9090 does not answer shop (1200), which has asked for a connection 9 more times", asking(9)),
		}, well: edits{asking(2)},
	}, {
		rule: "net.receive_buffer_full", host: serving, part: "a copy does not tell it of other sockets", fires: []rung{
			notice("shop (1200) has 187 KiB waiting at udp 127.0.0.1:5353, whose buffer is 208 KiB: what does not fit is dropped", waiting(191000)),
			warning("shop (1200) has 209 KiB waiting", waiting(214000)),
		}, well: edits{waiting(186000)},
	}, {
		rule: "net.unread", host: serving, fires: []rung{
			notice("shop (1200) has not read 20.0 KiB from 127.0.0.1:9090 for 12 s at least", unread(12000)),
			warning("for 5m0s at least", unread(300000)),
		}, well: edits{unread(9999)},
	}, {
		rule: "net.datagrams_dropped", host: serving, part: "a copy does not tell it of other sockets", fires: []rung{
			notice("shop (1200) lost 1 datagram at udp 127.0.0.1:5353 in 1 s", dropped(18, 19)),
			warning("shop (1200) lost 1,000 datagrams", dropped(18, 1018)),
		}, well: edits{dropped(18, 18)},
	}, {
		rule: "net.datagrams_dropped", host: serving, part: "a copy does not tell it of other sockets", once: true, fires: []rung{
			notice("shop (1200) lost 5,000 datagrams at udp 127.0.0.1:5353 since the socket was made", dropped(0, 5000)),
		}, well: edits{dropped(0, 0)},
	}}
}
