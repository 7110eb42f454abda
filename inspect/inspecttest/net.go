package inspecttest

import (
	"net"
	"testing"
)

// Connection makes a connection over loopback, both ends of it and the listener that
// it came to. All are closed with the test, which is skipped where there is no
// loopback.
func Connection(t testing.TB) (l net.Listener, near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	return l, near, far
}
