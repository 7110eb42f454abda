package fd

import (
	"testing"

	"kwhy/inspect/inspecttest"
	"kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

// Lines of /proc/net as the kernel writes them.
func TestParseSocket(t *testing.T) {
	for name, c := range map[string]struct{ protocol, line, local, peer, state, path string }{
		"listener": {"tcp", "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 42 1 " +
			"0000000000000000 100 0 0 10 0", "127.0.0.1:8080", "0.0.0.0:0", "LISTEN", ""},
		"connection": {"tcp6", "   1: 00000000000000000000000001000000:0050 00000000000000000000000001000000:C001 01 00000005:00000007 " +
			"00:00000000 00000000  1000        0 42 1", "[::1]:80", "[::1]:49153", "ESTABLISHED", ""},
		"mapped": {"tcp6", "   1: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 " +
			"00:00000000 00000000 0 0 42 1", "127.0.0.1:80", "[::]:0", "LISTEN", ""},
		"datagrams": {"udp", "  61: 0100007F:0035 00000000:0000 07 00000000:00000340 00:00000000 00000000   101        0 42 2 " +
			"0000000000000000 0", "127.0.0.1:53", "0.0.0.0:0", "", ""},
		"unix": {"unix", "0000000000000000: 00000002 00000000 00010000 0001 01 42 /run/a b", "invalid AddrPort", "invalid AddrPort",
			"LISTEN", "/run/a b"},
		"unix, no name": {"unix", "0000000000000000: 00000003 00000000 00000000 0005 03 42", "invalid AddrPort", "invalid AddrPort",
			"CONNECTED", ""},
		"netlink": {"netlink", "0000000000000000 0   1234   00000111 0        0        0     2        0        42", "invalid AddrPort",
			"invalid AddrPort", "", ""},
		"packet": {"packet", "0000000000000000 3      3    0003   2     1 0      0      42", "invalid AddrPort", "invalid AddrPort", "", ""},
	} {
		inode, s, ok := socketOf(t, c.protocol, c.line)
		if !ok || inode != 42 || s.Local.String() != c.local || s.Peer.String() != c.peer || s.State != c.state || s.Path != c.path {
			t.Errorf("%s: %d, %+v, %v", name, inode, s, ok)
		}
	}
	for _, bad := range []string{"", "0: 0100007F 00000000:0000 0A 0:0 0 0 0 0 42", "0: 01007F:1F90 00000000:0000 0A 0:0 0 0 0 0 42",
		"0: 0100007F:1F90 00000000:0000 0A 0:0 0 0 0 0 x"} {
		if _, _, ok := socketOf(t, "tcp", bad); ok {
			t.Errorf("%q is a socket", bad)
		}
	}
}

// socketOf is what fd makes of a line of a file of /proc/net.
func socketOf(t *testing.T, name, line string) (inode uint64, s *Socket, ok bool) {
	t.Helper()
	dir := inspecttest.UnpackText(t, "-- proc/1/net/"+name+" --\nInode\n"+line+"\n-- sys/x --\n")
	all, err := net.TakeSockets(inspecttest.Open(t, dir), net.SocketQuery{Dir: "1", Kinds: []string{name}, States: sockdiag.Every})
	if err != nil || all.Len() == 0 {
		return 0, nil, false
	}
	sock := all.List.At(0)
	return uint64(sock.Inode), described(all, sock), true
}
