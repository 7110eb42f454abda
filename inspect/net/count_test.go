package net_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

// inEveryState makes sockets with something in each queue that both sources tell
// of, and returns the ports that are theirs.
func inEveryState(t *testing.T) map[uint16]bool {
	t.Helper()
	ports := map[uint16]bool{}
	note := func(a net.Addr) { ports[uint16(a.(*net.TCPAddr).Port)] = true }
	for _, at := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Logf("%s: %v", at, err)
			continue
		}
		t.Cleanup(func() { _ = l.Close() })
		note(l.Addr())
		dial := func() net.Conn {
			_, port, _ := net.SplitHostPort(l.Addr().String())
			host := "127.0.0.1"
			if at == "[::1]:0" {
				host = "::1"
			}
			c, err := net.Dial("tcp", net.JoinHostPort(host, port))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			note(c.LocalAddr())
			return c
		}
		accept := func() net.Conn {
			far, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = far.Close() })
			return far
		}
		unread := dial()
		_, _ = unread.Write(make([]byte, 3000))
		_ = accept()
		_ = dial() // CLOSE_WAIT and FIN_WAIT2
		_ = accept().Close()
		over := dial() // TIME_WAIT
		far := accept()
		_ = over.Close()
		_, _ = far.Read(make([]byte, 1))
		_ = far.Close()
		_, _ = dial(), dial() // two that wait to be accepted
	}
	time.Sleep(50 * time.Millisecond)
	return ports
}

// rowsOf are the sockets with one of some local ports, each with what both sources
// tell of it. Of TIME_WAIT a file has no inode and neither has sock_diag.
func rowsOf(s *netfacts.Sockets, ports map[uint16]bool) map[string]string {
	out := map[string]string{}
	for i := range s.Len() {
		r := s.At(i)
		if !r.It.Stream() || !ports[r.It.LocalPort] {
			continue
		}
		send := r.It.WQueue
		if r.It.IsListener() {
			send = 0 // the limit, which the files don't tell
		}
		out[fmt.Sprintf("%s %v %v %s %d", r.It.ProtocolName(), r.It.Local(), r.It.Remote(), r.It.StateName(), r.It.Inode)] = fmt.Sprintf(
			"%d unread or to be accepted, %d to be sent, uid %d, %d half open",
			r.It.RQueue,
			send,
			r.It.UID,
			halfOpen(s, r.It),
		)
	}
	return out
}

func halfOpen(s *netfacts.Sockets, sock *sockdiag.Socket) int {
	if sock.State != sockdiag.Listen {
		return 0
	}
	return s.HalfOpen(sock)
}

// What is counted of sock_diag is what is counted of the files: states, ports,
// destinations; and each socket is in the same state with the same in its queues.
// Bound sockets without a connection are in no file.
func TestLiveBothSourcesAgree(t *testing.T) {
	if c, err := sockdiag.Open(); err != nil {
		t.Skip(err)
	} else {
		var l sockdiag.List
		err = c.Inet(sockdiag.Query{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, States: sockdiag.Of(sockdiag.Listen)}, &l)
		_ = c.Close()
		if errors.Is(err, unix.ENOENT) {
			t.Skip("this kernel has no sock_diag of TCP")
		}
	}
	ports := inEveryState(t)
	asked, files := inspecttest.LiveHost(t), inspecttest.LiveHost(t)
	files.Live = false // as of a copy: the kernel is not asked
	take := func(h *inspect.Host) *netfacts.Snapshot {
		n, err := netfacts.Take(
			h,
			netfacts.OwnNamespace(h),
			inspect.Of(inspect.NetSockets, inspect.TCPSockets, inspect.IPLocalPortRange, inspect.IPLocalReservedPorts),
		)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	bound := int(sockdiag.Close)
	for range 50 {
		before, by, after := take(asked), take(files), take(asked)
		if !slices.Equal(before.Sockets.States[:], after.Sockets.States[:]) ||
			!maps.Equal(rowsOf(before.Listed, ports), rowsOf(after.Listed, ports)) ||
			!slices.Equal(before.Sockets.Destinations, after.Sockets.Destinations) {
			continue // they came and went meanwhile
		}
		if before.Origin(inspect.TCPSockets) != inspect.SockDiag || by.Origin(inspect.TCPSockets) != inspect.NetTCP {
			t.Errorf("from %v and %v", before.Origin(inspect.TCPSockets), by.Origin(inspect.TCPSockets))
		}
		more := before.Sockets.States[bound] - by.Sockets.States[bound]
		if by.Sockets.States[bound] += more; more < 0 || by.Sockets.States != before.Sockets.States {
			t.Errorf("states %v by the files, %v by sock_diag", by.Sockets.States, before.Sockets.States)
		}
		if d := before.Sockets.Ephemeral - by.Sockets.Ephemeral; d < 0 || d > more {
			t.Errorf("%d sockets on ephemeral ports by the files, %d by sock_diag", by.Sockets.Ephemeral, before.Sockets.Ephemeral)
		}
		if !slices.Equal(by.Sockets.Destinations, before.Sockets.Destinations) {
			t.Errorf("destinations %v by the files, %v by sock_diag", by.Sockets.Destinations, before.Sockets.Destinations)
		}
		mine, theirs := rowsOf(before.Listed, ports), rowsOf(by.Listed, ports)
		if !maps.Equal(mine, theirs) || len(mine) < 10 {
			t.Errorf("by sock_diag %v\nby the files %v", mine, theirs)
		}
		return
	}
	t.Skip("the sockets never held still")
}
