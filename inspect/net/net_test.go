package net_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/proc"
)

// A netstat of 4.19, where counters stand that later kernels don't have.
const oldNetstat = "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPPrequeued\nTcpExt: 1 2 3 4\nIpExt: InNoRoutes InOctets\n" +
	"IpExt: 0 18446744073709551615\n"

// compared compares every field that procfs has of one protocol.
func compared(t *testing.T, prefix string, of any, got inspect.Counters) (n int) {
	t.Helper()
	v := reflect.ValueOf(of)
	for i := range v.NumField() {
		want, ok := v.Field(i).Interface().(*float64)
		if !ok || want == nil || *want < 0 {
			continue
		}
		n++
		name := prefix + v.Type().Field(i).Name
		if have, ok := got[name]; !ok || float64(have) != *want {
			t.Errorf("%s is %d (%v), procfs says %v", name, have, ok, *want)
		}
	}
	return n
}

func TestSNMPAsProcfs(t *testing.T) {
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("net/snmp")), inspecttest.LiveFile(t, "/proc/net/snmp")) {
		p, err := inspecttest.Oracle(t, "1/net/snmp", text).Proc(1)
		if err != nil {
			t.Fatal(err)
		}
		want, err := p.Snmp()
		if err != nil {
			t.Fatal(err)
		}
		got, err := netfacts.ParseMIB([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		n := compared(
			t,
			"Ip",
			want.Ip,
			got,
		) + compared(
			t,
			"Icmp",
			want.Icmp,
			got,
		) + compared(
			t,
			"Tcp",
			want.Tcp,
			got,
		) + compared(
			t,
			"Udp",
			want.Udp,
			got,
		) + compared(
			t,
			"UdpLite",
			want.UdpLite,
			got,
		)
		if n < 60 {
			t.Errorf("%d values compared", n)
		}
	}
}

func TestNetstatAsProcfs(t *testing.T) {
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("net/netstat")), oldNetstat,
		inspecttest.LiveFile(t, "/proc/net/netstat")) {
		p, err := inspecttest.Oracle(t, "1/net/netstat", text).Proc(1)
		if err != nil {
			t.Fatal(err)
		}
		want, err := p.Netstat()
		if err != nil {
			t.Fatal(err)
		}
		got, err := netfacts.ParseMIB([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if n := compared(t, "TcpExt", want.TcpExt, got) + compared(t, "IpExt", want.IpExt, got); n < 4 {
			t.Errorf("%d values compared", n)
		}
	}
	// What procfs loses: names that it does not know, and what a float64 can't hold.
	got, err := netfacts.ParseMIB([]byte(oldNetstat))
	if err != nil || got["TcpExtTCPPrequeued"] != 4 || got["IpExtInOctets"] != 1<<64-1 {
		t.Errorf("%v, %v", got, err)
	}
}

// Half a pair of lines, a bad number, a stranger between them and half a line at the end cost
// themselves alone.
func TestMIBIsRobust(t *testing.T) {
	got, err := netfacts.ParseMIB([]byte("Lost: A B\nTcp: MaxConn RetransSegs Bad OutSegs Extra\nTcp: -1 5 x 7\n\n" +
		"Udp: InErrors\nUdp: 9\nIp: InReceives\nIp: 1"))
	want := inspect.Counters{"TcpRetransSegs": 5, "TcpOutSegs": 7, "UdpInErrors": 9}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := netfacts.ParseMIB([]byte("\xff garbage\n")); !errors.Is(err, inspect.ErrMalformed) {
		t.Error(err)
	}
}

func TestSNMP6AsProcfs(t *testing.T) {
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("net/snmp6")), inspecttest.LiveFile(t, "/proc/net/snmp6")) {
		p, err := inspecttest.Oracle(t, "1/net/snmp6", text).Proc(1)
		if err != nil {
			t.Fatal(err)
		}
		want, err := p.Snmp6()
		if err != nil {
			t.Fatal(err)
		}
		got, err := inspect.ParseCounters([]byte(text), 0)
		if err != nil {
			t.Fatal(err)
		}
		if n := compared(t, "Ip6", want.Ip6, got) + compared(t, "Udp6", want.Udp6, got); n < 20 {
			t.Errorf("%d values compared", n)
		}
	}
}

func TestSockstatAsProcfs(t *testing.T) {
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("net/sockstat")), inspecttest.LiveFile(t, "/proc/net/sockstat")) {
		want, err := netfacts.SockstatOf(inspecttest.Oracle(t, "net/sockstat", text).NetSockstat())
		if err != nil {
			t.Fatal(err)
		}
		got, err := netfacts.ParseSockstat([]byte(text))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, -procfs +ours:\n%s", err, diff)
		}
	}
	if _, err := netfacts.SockstatOf(inspecttest.Oracle(t, "net/sockstat", "").NetSockstat()); !errors.Is(err, inspect.ErrMalformed) {
		t.Errorf("an emptied file: %v", err)
	}
}

func TestProtocolsAsProcfs(t *testing.T) {
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("net/protocols")), inspecttest.LiveFile(t, "/proc/net/protocols")) {
		want, err := inspecttest.Oracle(t, "net/protocols", text).NetProtocols()
		if err != nil {
			t.Fatal(err)
		}
		got, err := netfacts.ParseProtocols([]byte(text))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d of %d, %v", len(got), len(want), err)
		}
		for name, w := range want {
			g := got[name]
			if int64(g.Sockets) != w.Sockets || int64(g.Memory) != w.Memory || (g.Pressure == "yes") != (w.Pressure == 1) {
				t.Errorf("%s: %+v, procfs says %+v", name, g, w)
			}
		}
	}
}

// Softnet rows of kernels before 5.10, of 5.10 with CPU 1 offline, and of today.
const (
	softnetOld = "0000002a 00000001 00000003 00000000 00000000 00000000 00000000 00000000 00000000 00000004 00000005\n" +
		"ffffffff 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n"
	softnet510 = "00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000007 00000000\n" +
		"00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000002\n"
	softnetNow = "00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000007 00000003 " +
		"00000004 00000003\n"
)

func TestSoftnetAsProcfs(t *testing.T) {
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("net/softnet_stat")), softnetOld, softnet510, softnetNow,
		inspecttest.LiveFile(t, "/proc/net/softnet_stat")) {
		want, err := inspecttest.Oracle(t, "net/softnet_stat", text).NetSoftnetStat()
		if err != nil {
			t.Fatal(err)
		}
		got, err := netfacts.ParseSoftnet([]byte(text), "0,2-5")
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d of %d, %v", len(got), len(want), err)
		}
		for i, w := range want {
			g := got[i]
			if g.Processed != uint64(w.Processed) || g.Dropped != uint64(w.Dropped) || g.TimeSqueeze != uint64(w.TimeSqueezed) ||
				g.ReceivedRPS != uint64(w.ReceivedRps) ||
				g.FlowLimit != uint64(w.FlowLimitCount) {
				t.Errorf("%+v, procfs says %+v", g, w)
			}
			if w.Width >= 13 && (g.CPU != int(w.Index) || g.Backlog != inspect.Num(w.SoftnetBacklogLen)) {
				t.Errorf("%+v, procfs says %+v", g, w)
			}
		}
	}
	// What procfs loses: which CPU a row is before 5.10, and the two queues.
	if got, _ := netfacts.ParseSoftnet([]byte(softnetOld), "0,2"); got[1].CPU != 2 || got[1].Backlog != inspect.Unset {
		t.Errorf("%+v", got)
	}
	if got, _ := netfacts.ParseSoftnet([]byte(softnetNow), "0-3"); got[0].CPU != 3 || got[0].Input != 4 || got[0].Process != 3 {
		t.Errorf("%+v", got)
	}
}

func TestNetDevAsProcfs(t *testing.T) {
	const alias = "Inter-| Receive\n face |bytes\neth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("net/dev")), alias, inspecttest.LiveFile(t, "/proc/net/dev")) {
		want, err := inspecttest.Oracle(t, "net/dev", text).NetDev()
		if err != nil {
			t.Fatal(err)
		}
		got, err := netfacts.ParseNetDev([]byte(text))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d of %d, %v", len(got), len(want), err)
		}
		for name, w := range want {
			to := reflect.ValueOf(got[name])
			of := reflect.ValueOf(w)
			for i := range to.NumField() { // the same order, behind the name
				if to.Field(i).Uint() != of.Field(i+1).Uint() {
					t.Errorf(
						"%s %s: %d, procfs says %s %d",
						name,
						to.Type().Field(i).Name,
						to.Field(i).Uint(),
						of.Type().Field(i+1).Name,
						of.Field(i+1).Uint(),
					)
				}
			}
		}
	}
}

const conntrackOld = `entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop ` +
	`icmp_error  expect_new expect_create expect_delete search_restart
00000021  00000000 00000003 00000000 00000003 00000048 00000000 00000000 00000000 00000001 00000002 00000000 00000000  ` +
	`00000000 00000000 00000000 00000000
00000021  00000000 00000001 00000000 00000007 00000000 00000000 00000000 00000000 00000010 00000000 00000004 00000000  ` +
	`00000000 00000000 00000000 00000000
`

func TestConntrackAsProcfs(t *testing.T) {
	for _, text := range []string{conntrackOld} {
		list, err := inspecttest.Oracle(t, "net/stat/nf_conntrack", text).ConntrackStat()
		if err != nil {
			t.Fatal(err)
		}
		got, err := netfacts.ParseConntrack([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var drop, failed, early, invalid uint64
		for _, e := range list {
			drop, failed, early, invalid = drop+e.Drop, failed+e.InsertFailed, early+e.EarlyDrop, invalid+e.Invalid
		}
		if got["drop"] != drop || got["insert_failed"] != failed || got["early_drop"] != early || got["invalid"] != invalid ||
			got["entries"] != list[0].Entries {
			t.Errorf("%v, procfs says %+v", got, list)
		}
	}
	// What procfs loses: columns of today have other names, and mean other things.
	got, err := netfacts.ParseConntrack([]byte(strings.Replace(conntrackOld, "searched", "clashres", 1)))
	if err != nil || got["searched"] != 0 || got["drop"] != 2 {
		t.Errorf("%v, %v", got, err)
	}
}

const tcpHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// Ten destinations of 40 connections each: where connect chose the ports many are shared, as it
// takes them from one half of the range first; where bind did, none is.
func TestPortsThatBindTook(t *testing.T) {
	text := func(port func(i int) int) []byte {
		b := []byte(tcpHead)
		for i := range 400 {
			b = fmt.Appendf(b, "%4d: 0100007F:%04X %02X00007F:1F40 01 00000000:00000000 00:00000000 00000000     0        0 %d 1 0 100 0 0 10 0\n",
				i, port(i), 10+i%10, 100+i)
		}
		return b
	}
	for name, c := range map[string]struct {
		port  func(i int) int
		high  inspect.Num
		bound bool
	}{
		"bind, each its own":           {func(i int) int { return 40000 + i }, 40399, true},
		"connect, even ones":           {func(i int) int { return 40000 + 2*((i%10*17+i/10)%100) }, 40199, false},
		"connect, of a large range":    {func(i int) int { return 40000 + i }, 60000, false}, // too few to tell
		"bind, but for a few that did": {func(i int) int { return 40000 + i%390 }, 40399, true},
	} {
		got := netfacts.CountSockets(text(c.port), "tcp", netfacts.PortRange{Low: 40000, High: c.high}).From
		if len(got) != 1 || got[0].Bound() != c.bound || got[0].Sockets != 400 || got[0].Most != 40 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestCountSockets(t *testing.T) {
	rest := " 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0 10 0\n"
	text := tcpHead +
		"   0: 00000000:9C40 00000000:0000 0A" + rest + // listens on 40000
		"   1: 0100007F:9C40 0100007F:8001 01" + rest + // accepted there
		"   2: 0100007F:8001 0100007F:9C40 01" + rest + // from 32769
		"   3: 0100007F:8002 0100007F:9C40 06" + rest + // TIME_WAIT
		"   4: 0100007F:8003 0100007F:0050 08" + rest +
		"   5: 0100007F:8004 00000000:0000 07" + rest + // bound, and no more
		"   6: 0100007F:0016 0200007F:8003 03" + rest +
		"   7: garbage\n   8: 0100007F:0016 0200007F:8003 FF" + rest
	ports := netfacts.PortRange{Low: 32768, High: 60999}
	got := netfacts.CountSockets([]byte(text), "tcp", ports)
	want := netfacts.SocketCount{Ephemeral: 4, Destinations: []netfacts.Destination{
		{Local: netip.MustParseAddr("127.0.0.1"), Peer: netip.MustParseAddrPort("127.0.0.1:40000"), Ports: 2},
		{Local: netip.MustParseAddr("127.0.0.1"), Peer: netip.MustParseAddrPort("127.0.0.1:80"), Ports: 1},
	}, From: []netfacts.LocalPorts{ // three of the range, each by one connection
		{Local: netip.MustParseAddr("127.0.0.1"), Ports: 3, Sockets: 3, Most: 2, Chance: got.From[0].Chance},
	}}
	if c := got.From[0].Chance; c < 0 || c > 1e-3 { // 2 × 1 of 28,232 ports
		t.Errorf("by chance %g ports are shared", c)
	}
	want.States[10], want.States[1], want.States[6], want.States[8], want.States[7], want.States[3] = 1, 2, 1, 1, 1, 1
	same := cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
	if got := netfacts.CountSockets([]byte(text), "tcp", netfacts.PortRange{Low: inspect.Unset, High: inspect.Unset}); got.Ephemeral != 0 ||
		got.Destinations != nil ||
		got.States != want.States {
		t.Errorf("without a range: %+v", got)
	}
}

// A connection of IPv4 takes a port of IPv4, whichever kind of socket it is in.
func TestCountMappedSockets(t *testing.T) {
	text := tcpHead + "   0: 0000000000000000FFFF00000100007F:8001 0000000000000000FFFF00000100007F:0050 01 00000000:00000000 " +
		"00:00000000 00000000     0        0 1 1 0\n"
	got := netfacts.CountSockets([]byte(text), "tcp6", netfacts.PortRange{Low: 32768, High: 60999})
	if len(got.Destinations) != 1 || got.Destinations[0].Peer != netip.MustParseAddrPort("127.0.0.1:80") {
		t.Errorf("%+v", got)
	}
}

// Of a copy, and where the kernel is not asked, the files are counted, in pieces
// as in one, and are the source that is named.
func TestCountSocketsInPieces(t *testing.T) {
	dir := inspecttest.UnpackText(t, "-- proc/self.link --\n1\n-- proc/1/net/tcp6 --\n#empty\n-- sys/x --\n")
	line := "   0: 0100007F:8001 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 20 4 30 10 -1\n"
	inspecttest.Write(t, dir+"/proc/1/net/tcp", tcpHead+strings.Repeat(line, 10000))
	n, err := netfacts.Take(inspecttest.Open(t, dir), netfacts.Namespace{Dir: "1/net", Own: true}, inspect.Of(inspect.TCPSockets))
	if err != nil || n.Sockets.States[1] != 10000 || n.Missing(inspect.TCPSockets) != inspect.Present ||
		n.Origin(inspect.TCPSockets) != inspect.NetTCP ||
		n.Listed != nil {
		t.Errorf("%+v, %v", n.Sockets, err)
	}
	inspecttest.Write(t, dir+"/proc/1/net/tcp", "nothing of the kind\n")
	if n, err = netfacts.Take(inspecttest.Open(t, dir), netfacts.Namespace{Dir: "1/net", Own: true},
		inspect.Of(inspect.TCPSockets)); err != nil ||
		n.Missing(inspect.TCPSockets) != inspect.Malformed {
		t.Errorf("%v, %v", n.Missing(inspect.TCPSockets), err)
	}
}

func TestCPUMask(t *testing.T) {
	for mask, want := range map[string][]int{"0": nil, "3": {0, 1}, "80000001,00000000": {32, 63}, "00000000,0000ffff,fffffffe": nil,
		"x": nil, "": nil, strings.Repeat("1,", 1<<12): nil} {
		if mask == "00000000,0000ffff,fffffffe" {
			for n := 1; n < 48; n++ {
				want = append(want, n)
			}
		}
		if got := netfacts.CPUMask(mask); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", mask, got, want)
		}
	}
}

// attribute is one of netlink's: a length, a type, a value.
func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func big(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// What nfnetlink answers, as include/uapi/linux/netfilter/nfnetlink_hook.h lays it
// out: a chain of nftables, with a negative priority.
func TestParseHook(t *testing.T) {
	chain := slices.Concat(attribute(1, []byte("t\x00")), attribute(3, []byte("in\x00")), attribute(2, []byte{1}))
	info := slices.Concat(attribute(2, big(1)), attribute(1|1<<15, chain))
	b := slices.Concat(
		[]byte{2, 0, 0, 0},
		attribute(1, big(1)),
		attribute(2, big(^uint32(199))),
		attribute(4, []byte("nft_do_chain_inet\x00")),
		attribute(5, []byte("nf_tables\x00")),
		attribute(6|1<<15, info),
	)
	got, ok := netfacts.ParseHook(b)
	if want := (netfacts.Hook{Priority: -200, Function: "nft_do_chain_inet", Module: "nf_tables", Table: "inet t", Chain: "in"}); !ok ||
		got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := netfacts.ParseHook(b[:7]); ok {
		t.Error("half an answer")
	}
}

// What rtnetlink answers of a qdisc (struct tcmsg, TCA_KIND, TCA_STATS2).
func TestParseQdisc(t *testing.T) {
	u32 := func(list ...uint32) (b []byte) {
		for _, n := range list {
			b = binary.NativeEndian.AppendUint32(b, n)
		}
		return b
	}
	stats := slices.Concat(
		attribute(1, binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint64(nil, 1500), 7)),
		attribute(3, u32(1, 100, 2, 3, 4)),
		attribute(8, binary.NativeEndian.AppendUint64(nil, 1<<33)),
	)
	b := slices.Concat(u32(0, 2, 0x80010000, 0xffffffff, 0), attribute(1, []byte("fq_codel\x00")), attribute(7, stats))
	got, ok := netfacts.ParseQdisc(b)
	if want := (netfacts.Qdisc{Kind: "fq_codel", Handle: 0x80010000, Parent: 0xffffffff, Bytes: 1500, Packets: 1 << 33, Length: 1,
		Backlog: 100, Dropped: 2, Requeues: 3, Overlimits: 4}); !ok ||
		got != want {
		t.Errorf("%+v, %v", got, ok)
	}
}

// The interfaces of this namespace as Go's package net has them, by the same
// netlink read another way, and their counters as /proc/net/dev has them.
func TestLiveInterfaces(t *testing.T) {
	h := inspecttest.OpenRoots(t, "/proc", "/sys", inspecttest.AtNoon)
	n, err := netfacts.Take(h, netfacts.OwnNamespace(h), inspecttest.Everything)
	if err != nil {
		t.Fatal(err)
	}
	list, err := net.Interfaces()
	if err != nil || n.Missing(inspect.NetRoute) != inspect.Present {
		t.Skip(err, n.Missing(inspect.NetRoute))
	}
	for _, w := range list {
		i := slices.IndexFunc(n.Interfaces, func(g netfacts.Interface) bool { return g.Name == w.Name })
		if i < 0 {
			t.Errorf("no interface %s", w.Name)
			continue
		}
		g := &n.Interfaces[i]
		if int(g.Index) != w.Index || int(g.MTU) != w.MTU || (g.Admin == netfacts.Yes) != (w.Flags&net.FlagUp != 0) ||
			w.HardwareAddr != nil && g.Hardware != w.HardwareAddr.String() {
			t.Errorf("%+v, net says %+v", g, w)
		}
		addrs, err := w.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			if !slices.ContainsFunc(g.Addresses, func(p netip.Prefix) bool { return p.String() == a.String() }) {
				t.Errorf("%s lacks the address %s: %v", g.Name, a, g.Addresses)
			}
		}
		if sum := g.Stats["rx_dropped"] + g.Stats["rx_missed_errors"]; g.Stats != nil && sum < g.Dev.RxDrop {
			t.Errorf("%s: %d dropped, /proc/net/dev says %d", g.Name, sum, g.Dev.RxDrop)
		}
	}
	if len(list) != len(n.Interfaces) {
		t.Errorf("%d interfaces of %d", len(n.Interfaces), len(list))
	}
}

func TestNetNamespaces(t *testing.T) {
	h := inspecttest.OpenRoots(t, "/proc", "/sys", inspecttest.AtNoon)
	ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat))
	if err != nil {
		t.Fatal(err)
	}
	found := netfacts.FindNamespaces(h, ps)
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil || len(found.List) == 0 {
		t.Skip(err)
	}
	first := found.List[0]
	if !first.Own || !strings.Contains(own, "["+itoa(first.Inode)+"]") || !slices.Contains(first.Processes, int32(os.Getpid())) {
		t.Errorf("%s: %+v", own, first)
	}
	for _, s := range found.List {
		for _, pid := range s.Processes {
			if to, err := os.Readlink("/proc/" + itoa(uint64(pid)) + "/ns/net"); err == nil && to != "net:["+itoa(s.Inode)+"]" {
				t.Errorf("process %d is in %s, not in %d", pid, to, s.Inode)
			}
		}
	}
}

// Entering a namespace leaves no thread of this process there, the main thread least
// of all: /proc/self is what it says.
func TestEnteringLeavesNobodyBehind(t *testing.T) {
	c := exec.Command("sleep", "600")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := c.Start(); err != nil {
		t.Skipf("a network namespace: %v", err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	h := inspecttest.OpenRoots(t, "/proc", "/sys", inspecttest.AtNoon)
	space, err := netfacts.NamespaceOf(h, int32(c.Process.Pid))
	if err != nil || space.Own {
		t.Fatal(space, err)
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Skip(err)
	}
	for range 200 {
		n, err := netfacts.Take(h, space, inspect.Of(inspect.Somaxconn, inspect.NetDev))
		if err != nil || n.Missing(inspect.Somaxconn) != inspect.Present || len(n.Interfaces) != 1 {
			t.Fatal(n.Missing(inspect.Somaxconn), n.Interfaces, err)
		}
		if now, err := os.Readlink("/proc/self/ns/net"); err != nil || now != own {
			t.Fatalf("this process is in %s, and was in %s: %v", now, own, err)
		}
	}
	left := 0
	for range 100 { // a thread that ends takes a moment
		left = 0
		threads, _ := filepath.Glob("/proc/self/task/*/ns/net")
		for _, p := range threads {
			if in, err := os.Readlink(p); err == nil && in != own {
				left++
			}
		}
		if left == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d threads are still in the other namespace", left)
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }

func FuzzMIB(f *testing.F) {
	inspecttest.Seed(f, inspecttest.Named("net/netstat"), oldNetstat, "A: b\nA: 1", "A:\nA:\n", "A: b c\nB: 1 2\nB: 3 4")
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			b = b[:bytes.LastIndexByte(b, '\n')+1] // half a line, which is none, would be made whole
			got, err := netfacts.ParseMIB(b)
			inspecttest.SomeOrMalformed(t, len(got), err)
			again, err := netfacts.ParseMIB(slices.Concat(b, []byte("\n\xff bad: one\n")))
			if diff := cmp.Diff(got, again); err == nil && diff != "" {
				t.Fatalf("with a bad line at the end:\n%s", diff)
			}
		})
	})
}

func FuzzSockstat(f *testing.F) {
	inspecttest.Seed(f, inspecttest.Named("net/sockstat"), "TCP: inuse 1 orphan", "TCP:\n", ": a 1")
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			got, err := netfacts.ParseSockstat(b)
			inspecttest.SomeOrMalformed(t, len(got), err)
		})
	})
}

func FuzzProtocols(f *testing.F) {
	inspecttest.Seed(
		f,
		inspecttest.Named("net/protocols"),
		"protocol sockets memory press\nTCP 1 2 no\n",
		"protocol press memory sockets\nx no -1 3",
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			got, err := netfacts.ParseProtocols(b)
			inspecttest.SomeOrMalformed(t, len(got), err)
		})
	})
}

func FuzzSoftnet(f *testing.F) {
	f.Add([]byte(softnetOld), "0-1")
	f.Add([]byte(softnet510), "")
	f.Add([]byte(softnetNow), "3")
	f.Fuzz(func(t *testing.T, b []byte, online string) {
		inspecttest.Mutate(t, b, func(b []byte) {
			got, err := netfacts.ParseSoftnet(b, online)
			if (len(got) == 0) != (err != nil) {
				t.Fatalf("%d CPUs, %v", len(got), err)
			}
			if err == nil && len(got) != bytes.Count(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))+1 {
				t.Fatalf("%d CPUs of %q", len(got), b)
			}
		})
	})
}

func FuzzNetDev(f *testing.F) {
	inspecttest.Seed(
		f,
		inspecttest.Named("net/dev"),
		" face |bytes\n",
		"a:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
		":1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			got, err := netfacts.ParseNetDev(b)
			if err != nil && (len(got) > 0 || !errors.Is(err, inspect.ErrMalformed)) {
				t.Fatalf("%v, %v", got, err)
			}
			for name := range got {
				if name == "" || !bytes.Contains(b, []byte(name+":")) {
					t.Fatalf("%q is not in the file", name)
				}
			}
		})
	})
}

func FuzzConntrack(f *testing.F) {
	f.Add([]byte(conntrackOld))
	f.Add([]byte("entries drop\n0 1\n0 2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			got, err := netfacts.ParseConntrack(b)
			inspecttest.SomeOrMalformed(t, len(got), err)
		})
	})
}

func FuzzCountSockets(f *testing.F) {
	f.Add([]byte(tcpHead+"   0: 0100007F:8001 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 0 0 1"), int64(32768), int64(60999))
	f.Add([]byte("0: 00000000000000000000000001000000:8001 0000000000000000FFFF00000100007F:9C40 06 0:0 0:0 0 0 0 1"), int64(0), int64(65535))
	f.Fuzz(func(t *testing.T, b []byte, low, high int64) {
		inspecttest.Mutate(t, b, func(b []byte) {
			for _, kind := range []string{"tcp", "tcp6"} {
				got := netfacts.CountSockets(b, kind, netfacts.PortRange{Low: inspect.Num(low), High: inspect.Num(high)})
				all, to := 0, 0
				for _, n := range got.States {
					all += n
				}
				for _, d := range got.Destinations {
					to += d.Ports
				}
				if all > bytes.Count(b, []byte("\n"))+1 || got.Ephemeral > all || to > got.Ephemeral ||
					!slices.IsSortedFunc(got.Destinations, func(a, b netfacts.Destination) int { return b.Ports - a.Ports }) {
					t.Fatalf("%+v", got)
				}
			}
		})
	})
}

// attr is an attribute of netlink: numbers in it are in the network's order.
func attr(kind uint16, data ...[]byte) []byte {
	body := bytes.Join(data, nil)
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(body)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), body...)
	return append(b, make([]byte, (4-len(b)%4)%4)...)
}

func word(s string) []byte { return append([]byte(s), 0) }

func be32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// expr is an expression of a rule (enum nft_expr_attributes).
func expr(name string, data ...[]byte) []byte { return attr(1, attr(1, word(name)), attr(2, data...)) }

// nftAnswers are a chain at input whose policy drops, one that it jumps to, and rules.
func nftAnswers() (chains, rules, counters [][]byte) {
	const inet = 1 // NFPROTO_INET
	of := func(parts ...[]byte) []byte {
		return append([]byte{inet, 0, 0, 0}, bytes.Join(append([][]byte{attr(1, word("t"))}, parts...), nil)...)
	}
	rule := func(chain string, handle uint64, list ...[]byte) []byte {
		return of(attr(2, word(chain)), attr(3, be64(handle)), attr(4, list...))
	}
	counter := func(packets uint64) []byte { return expr("counter", attr(1, be64(64*packets)), attr(2, be64(packets))) }
	verdict := func(code int32, to ...[]byte) []byte {
		return expr("immediate", attr(1, be32(0)), attr(2, attr(2, append([][]byte{attr(1, be32(uint32(code)))}, to...)...)))
	}
	fits := expr("cmp", attr(1, be32(8)))
	chains = [][]byte{
		of(attr(3, word("in")), attr(4, attr(1, be32(1)), attr(2, be32(0))), attr(5, be32(0))), of(attr(3, word("sub"))), {inet}, nil,
	}
	rules = [][]byte{
		rule("in", 1, fits, counter(7), verdict(0)), rule("in", 2, counter(9), fits, verdict(0)), rule("in", 3, fits, verdict(1)),
		rule("in", 4, verdict(-3, attr(2, word("sub")))), rule("sub", 5, fits, expr("log"), counter(3), expr("reject")),
		rule("sub", 6, fits, expr("objref", attr(1, be32(1)), attr(2, word("c"))), verdict(0)),
		rule("sub", 7, expr("lookup", attr(1, word("m")), attr(3, be32(0)))), rule("alone", 8, fits, verdict(0)), {inet, 0, 0, 0, 9},
	}
	return chains, rules, [][]byte{of(attr(2, word("c")), attr(3, be32(1)), attr(4, attr(1, be64(100)), attr(2, be64(5))))}
}

// A counter counts what its rule drops only where it stands behind all that packets may not fit.
func TestRulesThatDrop(t *testing.T) {
	got := netfacts.ParseFilter(nftAnswers())
	in := []string{"input"}
	rule := func(chain string, handle uint64) netfacts.DropRule {
		return netfacts.DropRule{Family: "inet", Table: "t", Chain: chain, Handle: handle, Hooks: in}
	}
	counted := func(d netfacts.DropRule, packets, bytes uint64) netfacts.DropRule {
		d.Counted, d.Packets, d.Bytes = true, packets, bytes
		return d
	}
	reject, named, alone := counted(rule("sub", 5), 3, 192), counted(rule("sub", 6), 5, 100), rule("alone", 8)
	reject.Rejects, named.Named, alone.Hooks = true, "c", nil
	want := []netfacts.DropRule{counted(rule("in", 1), 7, 448), rule("in", 2), rule("in", 0), reject, named, alone}
	if diff := cmp.Diff(want, got.Rules); diff != "" || got.Maps != 1 {
		t.Errorf("%d maps; %s", got.Maps, diff)
	}
}

func FuzzDropRules(f *testing.F) {
	chains, rules, counters := nftAnswers()
	for _, list := range [][][]byte{chains, rules, counters} {
		for _, b := range list {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := netfacts.ParseFilter([][]byte{b}, [][]byte{b}, [][]byte{b})
		for _, d := range got.Rules {
			if !d.Counted && (d.Packets != 0 || d.Bytes != 0) {
				t.Errorf("%+v", d)
			}
		}
	})
}

func FuzzNetlink(f *testing.F) {
	f.Add(make([]byte, 20))
	f.Add(append(make([]byte, 20), 8, 0, 1, 0, 'm', 'q', 0, 0))
	f.Add(append(make([]byte, 4), 8, 0, 2, 0, 0xff, 0xff, 0xff, 0x38))
	f.Add(append(make([]byte, 16), 8, 0, 3, 0, 'l', 'o', 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			if q, ok := netfacts.ParseQdisc(b); ok && q.Kind == "" {
				t.Fatalf("%+v", q)
			}
			netfacts.ParseHook(b)
			if len(b) < 16 {
				return
			}
			for name, i := range netfacts.ParseLinks([][]byte{b}, [][]byte{b}) {
				if name == "" || i.Name != name {
					t.Fatalf("%+v", i)
				}
			}
		})
	})
}

// TestATableOfIptablesIsCountedWithAllFamilies: each family has a file, and a copy that lacks one
// does not tell whether the host had it.
func TestATableOfIptablesIsCountedWithAllFamilies(t *testing.T) {
	files := map[string]string{"ip": "nat\nfilter\n", "ip6": "", "arp": "filter\n"}
	for lost := range files {
		dir := t.TempDir()
		take := func() *netfacts.Snapshot {
			n, err := netfacts.Take(inspecttest.OpenRoots(t, dir, dir, inspecttest.AtNoon), netfacts.Namespace{Dir: "self/net", Own: true},
				inspect.Of(inspect.NetTables))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		for family, text := range files {
			if family != lost {
				inspecttest.Write(t, dir+"/self/net/"+family+"_tables_names", text)
			}
		}
		if n := take(); n.Missing(inspect.NetTables) != inspect.NotSaved || len(n.Tables) > 0 {
			t.Errorf("without %s: %q, %q", lost, n.Missing(inspect.NetTables), n.Tables)
		}
		inspecttest.Write(t, dir+"/self/net/"+lost+"_tables_names", files[lost])
		want := []string{"ip nat", "ip filter", "arp filter"}
		if n := take(); n.Missing(inspect.NetTables) != inspect.Present || !slices.Equal(n.Tables, want) {
			t.Errorf("with all: %q, %q", n.Missing(inspect.NetTables), n.Tables)
		}
	}
}

// TestACounterThatDoesNotParseIsMalformed: its line is there, so that no kernel lacks it. TcpMaxConn
// is -1 in every kernel, and spoils nothing.
func TestACounterThatDoesNotParseIsMalformed(t *testing.T) {
	const good = "Tcp: MaxConn RetransSegs\nTcp: -1 5\nUdp: InDatagrams\nUdp: 128\n"
	for text, partial := range map[string]bool{
		good: false, strings.Replace(good, " 5", " x", 1): true, strings.Replace(good, " 5", "", 1): true,
		strings.TrimSuffix(good, "28\n"): true, strings.TrimSuffix(good, "Udp: 128\n"): true, "\n" + good: true,
	} {
		dir := t.TempDir()
		inspecttest.Write(t, dir+"/self/net/snmp", text)
		n, err := netfacts.Take(inspecttest.OpenRoots(t, dir, dir, inspecttest.AtNoon), netfacts.Namespace{Dir: "self/net", Own: true},
			inspect.Of(inspect.NetSNMP))
		if err != nil {
			t.Fatal(err)
		}
		if n.Partial(inspect.NetSNMP) != partial || len(n.Gaps()) > 0 != partial {
			t.Errorf("of %q: partial %v, gaps %v", text, n.Partial(inspect.NetSNMP), n.Gaps())
		}
		if v, ok := n.MIB["UdpInDatagrams"]; ok && v != 128 {
			t.Errorf("of %q: UdpInDatagrams %d", text, v)
		}
	}
}
