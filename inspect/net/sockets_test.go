package net_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

func TestParseSocket(t *testing.T) {
	type view struct {
		protocol, local, peer, state string
		recv, send, inode, drops     uint32
		groups                       sockdiag.Told
	}
	for line, want := range map[[2]string]view{
		{"tcp", "   0: 0100007F:1F90 0200000A:C001 01 00000003:00004E20 01:00000014 00000002  1000        0 4711 1 0000000000000000 20 4 0 " +
			"10 -1"}: {"tcp", "127.0.0.1:8080", "10.0.0.2:49153", "ESTABLISHED", 20000, 3, 4711, 0, sockdiag.Queues},
		{"tcp", "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000006 00:00000000 00000000     0        0 99 3 0000000000000000 100 0 0 " +
			"10 0"}: {"tcp", "127.0.0.1:8080", "0.0.0.0:0", "LISTEN", 6, 0, 99, 0, 0},
		{"tcp", "   2: 0100007F:1F90 0100007F:1F91 0C 00000000:00000000 01:00000064 00000001     0        0 0 0 " +
			"0000000000000000"}: {"tcp", "127.0.0.1:8080", "127.0.0.1:8081", "SYN_RECV", 0, 0, 0, 0, sockdiag.Queues},
		{"tcp6", "   0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C001 08 00000000:00000001 00:00000000 " +
			"00000000     0        0 5 1 0 20 4 0 10 -1"}: {"tcp6", "127.0.0.1:8080", "127.0.0.1:49153", "CLOSE_WAIT", 1, 0, 5, 0, sockdiag.Queues},
		{"udp", " 2084: 0100007F:14E9 00000000:0000 07 00000000:00001200 00:00000000 00000000     0        0 7 2 000000009953d587 " +
			"18"}: {"udp", "127.0.0.1:5353", "0.0.0.0:0", "", 0x1200, 0, 7, 18, sockdiag.Queues | sockdiag.Dropped},
		{"udp6", "  1: 000080FE00000000000000000100A8C0:14E9 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 " +
			"00000000  5 0 8 2 0 0"}: {"udp6", "[fe80::c0a8:1]:5353", "[::]:0", "", 0, 0, 8, 0, sockdiag.Queues | sockdiag.Dropped},
		{"unix", "0000000000000000: 00000002 00000000 00010000 0001 01 30 /run/a b c"}: {"unix", "", "", "LISTEN", 0, 0, 30,
			0, 0},
		{"unix", "0000000000000000: 00000003 00000000 00000000 0005 03 31"}: {"unix", "", "", "CONNECTED", 0, 0,
			31, 0, 0},
		{"netlink", "00000000c0b5 4   1234       00000111 1024     2048     0     2        5        33"}: {"netlink", "", "", "", 1024, 2048,
			33, 5, sockdiag.Queues | sockdiag.Dropped},
		{"packet", "0000000000000000 3      3    0003   2     1 512      0      34"}: {"packet", "", "", "", 512, 0, 34, 0, 0},
	} {
		s, ok := net.ParseSocket(line[0], line[1])
		got := view{s.ProtocolName(), "", "", s.StateName(), s.RQueue, s.WQueue, s.Inode, s.Mem[sockdiag.Drops], s.Told}
		if s.Local().IsValid() {
			got.local, got.peer = s.Local().String(), s.Remote().String()
		}
		if !ok || got != want {
			t.Errorf("%q is %+v, %v; want %+v", line[1], got, ok, want)
		}
	}
	if s, _ := net.ParseSocket("unix", "0000000000000000: 00000002 00000000 00010000 0001 01 30 /run/a b c"); s.Unix.Name != "/run/a b c" ||
		s.Unix.TypeName() != "stream" {
		t.Errorf("%+v", s.Unix)
	}
	if s, _ := net.ParseSocket("tcp", "   3: 0100007F:2382 0100007F:A029 06 00000000:00000000 03:0000158E 00000000     0        0 0 3 "+
		"000000009acdb224"); s.Timer != 3 ||
		s.Expires != 55180 {
		t.Errorf("timer %d in %d ms", s.Timer, s.Expires)
	}
	for _, bad := range [][2]string{
		{"tcp", ""}, {"tcp", "0: 0100007F:1F90"}, {"tcp", "0: 0100007F:1F90 0100007:1F91 01 0:0 0:0 0 0 0 5"},
		{"tcp", "0: 0100007F:1F90 0100007F:1F91 101 0:0 0:0 0 0 0 5"},
		{"tcp", "0: 0100007F:1F90 0100007F:1F91 01 0:x 0:0 0 0 0 5"}, {"tcp", "0: 0100007G:1F90 0100007F:1F91 01 0:0 0:0 0 0 0 5"},
		{"unix", "0: 2 0 0 1 1 x"}, {"unix", "0: 2 0"},
		{"netlink", "0 0 0 0 0 0 0 2 0 5"}, {"packet", "0 1 2"},
	} {
		if s, ok := net.ParseSocket(bad[0], bad[1]); ok {
			t.Errorf("%q is a socket: %+v", bad[1], s)
		}
	}
}

// The reader says what procfs says of the files that it reads.
func TestNetFilesAsProcfs(t *testing.T) {
	for name, list := range map[string]func(procfs.FS) (procfs.NetTCP, error){
		"tcp":  procfs.FS.NetTCP,  //nolint:staticcheck // the file is what is compared, and not the better way
		"tcp6": procfs.FS.NetTCP6, //nolint:staticcheck // the same
	} {
		for _, text := range append(inspecttest.Texts(t, func(f string) bool { return strings.HasSuffix(f, "/net/"+name) }),
			inspecttest.LiveFile(t, "/proc/self/net/"+name)) {
			want, err := list(inspecttest.Oracle(t, "net/"+name, text))
			if err != nil {
				t.Fatal(err)
			}
			lines := slices.Collect(strings.Lines(text))[1:]
			if len(lines) != len(want) {
				t.Fatalf("%d lines, procfs has %d", len(lines), len(want))
			}
			for i, line := range lines {
				s, ok := net.ParseSocket(name, line)
				w := want[i]
				addr, _ := netip.AddrFromSlice(w.LocalAddr)
				peer, _ := netip.AddrFromSlice(w.RemAddr)
				if !ok || s.Local() != netip.AddrPortFrom(addr.Unmap(), uint16(w.LocalPort)) || s.Remote() != netip.AddrPortFrom(peer.Unmap(),
					uint16(w.RemPort)) ||
					uint64(s.State) != w.St || uint64(s.RQueue) != w.RxQueue ||
					uint64(s.Inode) != w.Inode ||
					uint64(s.UID) != w.UID ||
					s.State != sockdiag.Listen && uint64(s.WQueue) != w.TxQueue {
					t.Errorf("%+v, procfs has %+v", s, w)
				}
			}
		}
	}
}

// On a host that was recorded, the files tell whose the sockets are, and this
// kernel is not asked.
func TestSocketsOfARecordedHost(t *testing.T) {
	h := inspecttest.Open(t, inspecttest.Recorded(t, "linux-6.18-net"))
	s, err := net.TakeSockets(h, net.SocketQuery{Dir: net.OwnDir(h), States: sockdiag.Every, Owners: true})
	if err != nil {
		t.Fatal(err)
	}
	if s.Missing(inspect.SockDiag) != inspect.NotSaved || s.Len() != 19 || !s.Own || s.Namespace != 4026532177 {
		t.Errorf("%d sockets, own %v, %d, sock_diag %v", s.Len(), s.Own, s.Namespace, s.Missing(inspect.SockDiag))
	}
	owned, waiting := 0, 0
	for i := range s.Len() {
		r := s.At(i)
		list := r.Owners()
		for i := range list.Len() {
			if owned++; list.At(i).P.PID != 1200 {
				t.Errorf("%+v is %d's", r.It, list.At(i).P.PID)
			}
		}
		if l := s.ListenerOf(r.It); r.It.Stream() && r.It.State == sockdiag.Established && r.It.Inode == 0 {
			if waiting++; l == nil || l.LocalPort != 8080 {
				t.Errorf("%+v waits at %+v", r.It, l)
			}
		}
	}
	if owned != 15 || waiting != 2 {
		t.Errorf("%d sockets have an owner, %d wait to be accepted", owned, waiting)
	}
	// The parents of its processes were not saved: others may have sockets too.
	if got := s.Gaps(); len(got) != 2 || got[0].Source != inspect.SockDiag || got[1].Source != inspect.PIDEntry {
		t.Errorf("gaps %v", got)
	}
}

func FuzzSocket(f *testing.F) {
	for _, name := range net.SocketProtocols() {
		for _, text := range inspecttest.Texts(f, func(file string) bool { return strings.HasSuffix(file, "/net/"+name) }) {
			for line := range strings.Lines(text) {
				f.Add(name, strings.TrimSuffix(line, "\n"))
			}
		}
	}
	f.Fuzz(func(t *testing.T, name, line string) {
		s, ok := net.ParseSocket(name, line)
		if !ok {
			return
		}
		if s.ProtocolName() != name && !strings.HasPrefix(s.ProtocolName(), "raw") || s.Told.Has(sockdiag.Netlink) ||
			s.Told.Has(sockdiag.Memory) ||
			len(s.Info) > 0 {
			t.Fatalf("%q of %s is %+v", line, name, s)
		}
		if s.Family == unix.AF_UNIX && !strings.HasSuffix(line, s.Unix.Name) {
			t.Fatalf("%q is bound to %q", line, s.Unix.Name)
		}
		_, _, _ = s.Local(), s.Remote(), s.StateName()
	})
}
