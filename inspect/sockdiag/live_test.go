package sockdiag_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/sockdiag"
)

// all lists the TCP sockets that c sees, of both versions of IP.
func all(t *testing.T, c *sockdiag.Conn, states sockdiag.Mask) *sockdiag.List {
	t.Helper()
	l := new(sockdiag.List)
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if err := c.Inet(sockdiag.Query{Family: family, Protocol: unix.IPPROTO_TCP, States: states}, l); err != nil &&
			!errors.Is(err, sockdiag.ErrInterrupted) {
			if errors.Is(err, unix.ENOENT) {
				t.Skip("this kernel has no sock_diag of TCP")
			}
			t.Fatal(err)
		}
	}
	return l
}

func open(t *testing.T) *sockdiag.Conn {
	t.Helper()
	c, err := sockdiag.Open()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func find(l *sockdiag.List, local net.Addr, state sockdiag.State) *sockdiag.Socket {
	for i := range l.Len() {
		if s := l.At(i); s.Local().String() == local.String() && s.State == state {
			return s
		}
	}
	return nil
}

// connection finds one by both its ends: others may have a port of it.
func connection(l *sockdiag.List, c net.Conn) *sockdiag.Socket {
	for i := range l.Len() {
		if s := l.At(i); s.Local().String() == c.LocalAddr().String() && s.Remote().String() == c.RemoteAddr().String() {
			return s
		}
	}
	return nil
}

// What the dump says of a connection is what getsockopt says of it: TCP_INFO and
// SO_MEMINFO, which the kernel fills from the same socket by another way.
func TestLiveAsGetsockopt(t *testing.T) {
	_, c, far := inspecttest.Connection(t)
	if _, err := c.Write(make([]byte, 20000)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // until it is acknowledged
	conn := open(t)
	list := all(t, conn, sockdiag.Of(sockdiag.Established))
	for _, end := range []net.Conn{c, far} {
		s := connection(list, end)
		if s == nil {
			t.Fatalf("%v is not listed", end.LocalAddr())
		}
		raw, err := end.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var want *unix.TCPInfo
		var mem [9]uint32
		var st unix.Stat_t
		err = raw.Control(func(fd uintptr) {
			want, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			mem = memInfo(t, int(fd))
			_ = unix.Fstat(int(fd), &st)
		})
		if err != nil {
			t.Skip(err)
		}
		if s.Inode != uint32(st.Ino) || s.Mem != mem || !s.Told.Has(sockdiag.Netlink|sockdiag.Memory|sockdiag.Dropped) {
			t.Errorf("inode %d, memory %v; the socket's own are %d, %v", s.Inode, s.Mem, st.Ino, mem)
		}
		for f, n := range map[sockdiag.InfoField]uint64{
			sockdiag.RTT: uint64(want.Rtt), sockdiag.RTTVar: uint64(want.Rttvar), sockdiag.RTO: uint64(want.Rto),
			sockdiag.SndMSS: uint64(want.Snd_mss), sockdiag.SndCwnd: uint64(want.Snd_cwnd),
			sockdiag.PMTU: uint64(want.Pmtu), sockdiag.PacingRate: want.Pacing_rate, sockdiag.BytesAcked: want.Bytes_acked,
			sockdiag.BytesReceived: want.Bytes_received, sockdiag.SegsIn: uint64(want.Segs_in),
			sockdiag.DeliveryRate: want.Delivery_rate, sockdiag.BusyTime: want.Busy_time, sockdiag.BytesSent: want.Bytes_sent,
			sockdiag.SndWnd: uint64(want.Snd_wnd), sockdiag.MinRTT: uint64(want.Min_rtt), sockdiag.RcvWnd: uint64(want.Rcv_wnd),
		} {
			if got, ok := s.Info.Get(f); ok && got != n {
				t.Errorf("field %d of %v is %d, getsockopt says %d", f, end.LocalAddr(), got, n)
			}
		}
	}
	if s := connection(list, far); s.RQueue != 20000 {
		t.Errorf("%d bytes unread of 20000", s.RQueue)
	}
}

func memInfo(t *testing.T, fd int) (out [9]uint32) {
	t.Helper()
	const soMeminfo = 55
	size := uint32(unsafe.Sizeof(out))
	_, _, errno := unix.Syscall6(
		unix.SYS_GETSOCKOPT,
		uintptr(fd),
		unix.SOL_SOCKET,
		soMeminfo,
		uintptr(unsafe.Pointer(&out)),
		uintptr(unsafe.Pointer(&size)),
		0,
	)
	if errno != 0 {
		t.Skipf("SO_MEMINFO: %v", errno)
	}
	return out
}

// A listener says how many wait to be accepted, and how many may.
func TestLiveListener(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 5)); err != nil {
		t.Fatal(err)
	}
	sa, _ := unix.Getsockname(fd)
	at := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*unix.SockaddrInet4).Port}
	for range 3 {
		c, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	conn := open(t)
	for range 100 {
		list := all(t, conn, sockdiag.Of(sockdiag.Listen))
		s := find(list, at, sockdiag.Listen)
		if s == nil {
			t.Fatal("the listener is not listed")
		}
		if s.RQueue == 3 && s.WQueue == 5 && len(s.Info) == 0 {
			for i := range list.Len() {
				if list.At(i).State != sockdiag.Listen {
					t.Errorf("%v is listed, and nobody asked for it", list.At(i).State)
				}
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the queue is never 3 of 5")
}

// Another network namespace is asked by a thread that ends: the process stays
// where it is.
func TestLiveOtherNamespace(t *testing.T) {
	type made struct {
		ns   int
		addr net.Addr
		err  error
	}
	got := make(chan made)
	done := make(chan struct{})
	defer close(done)
	var child func()
	child = func() {
		runtime.LockOSThread() // and never unlocked
		if unix.Gettid() == unix.Getpid() {
			go child() // the main thread is where this process is known to be
			<-done
			runtime.UnlockOSThread()
			return
		}
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			got <- made{err: err}
			return
		}
		ns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		fd, err2 := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		err = errors.Join(err, err2, unix.Bind(fd, &unix.SockaddrInet4{Port: 4711}), unix.Listen(fd, 1))
		got <- made{ns, &net.TCPAddr{IP: net.IPv4zero, Port: 4711}, err}
		<-done
		unix.Close(fd)
	}
	go child()
	m := <-got
	if errors.Is(m.err, syscall.EPERM) {
		t.Skip("a network namespace of its own takes CAP_SYS_ADMIN")
	}
	if m.err != nil {
		t.Fatal(m.err)
	}
	defer unix.Close(m.ns)
	h, err := inspect.Open("/proc", "/sys", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	before, _ := os.Readlink("/proc/self/ns/net")
	for range 20 {
		var c *sockdiag.Conn
		err := h.InNetwork(fmt.Sprintf("self/fd/%d", m.ns), func() (err error) {
			c, err = sockdiag.Open()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		list := all(t, c, sockdiag.Every)
		_ = c.Close()
		if list.Len() != 1 || find(list, m.addr, sockdiag.Listen) == nil {
			t.Fatalf("%d sockets there, and not the one listener", list.Len())
		}
	}
	if after, _ := os.Readlink("/proc/self/ns/net"); after != before {
		t.Errorf("the process is in %s, and was in %s", after, before)
	}
	if find(all(t, open(t), sockdiag.Every), m.addr, sockdiag.Listen) != nil {
		t.Error("its listener is here too")
	}
}

// A family that no kernel has is an error, and no empty list.
func TestLiveNoSuchProtocol(t *testing.T) {
	l := new(sockdiag.List)
	if err := open(t).Inet(sockdiag.Query{Family: unix.AF_INET, Protocol: 254, States: sockdiag.Every}, l); err == nil || l.Len() != 0 {
		t.Errorf("%d sockets, %v", l.Len(), err)
	}
}
