package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInterrupted says that the table changed while it was dumped, each time that
// it was tried: the list is there, and may lack some or have some twice.
var ErrInterrupted = errors.New("sockets came and went while they were listed")

// ErrMalformed marks an answer that makes no sense.
var ErrMalformed = errors.New("malformed answer of sock_diag")

// Conn asks the kernel of one network namespace. It is for one goroutine at a time.
type Conn struct {
	fd    int
	seq   uint32
	buf   []byte
	asked chan error // of a dump that was asked for already
	wire  wire
}

// wire is how questions go to the kernel and answers come, which a test can do too.
type wire struct {
	send    func([]byte) error
	receive func(b []byte, flags int) (n int, from unix.Sockaddr, err error)
}

const (
	// bufferBytes is the most that the kernel puts into one answer of a dump
	// (net/netlink/af_netlink.c, netlink_dump).
	bufferBytes = 32 << 10
	// usualWait is how long an answer may take.
	usualWait = 10 * time.Second
	// tries is how often a dump is made that was interrupted, or that overran.
	tries = 3
)

// Open asks the network namespace of the caller.
func Open() (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	c := newConn(wire{
		send:    func(b []byte) error { return unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) },
		receive: func(b []byte, flags int) (int, unix.Sockaddr, error) { return unix.Recvfrom(fd, b, flags) },
	})
	c.fd = fd
	if err := c.Wait(usualWait); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return c, nil
}

func newConn(w wire) *Conn { return &Conn{buf: make([]byte, bufferBytes), wire: w} }

// Wait sets how long an answer may take: each is of a few hundred sockets. One that
// takes longer is EAGAIN.
func (c *Conn) Wait(most time.Duration) error {
	t := unix.NsecToTimeval(int64(max(most, time.Millisecond))) // 0 would be for ever
	if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &t); err != nil {
		return fmt.Errorf("bound the wait for netlink: %w", err)
	}
	return nil
}

// Inode is the number of the socket that asks, which is in its own namespace like
// any other; 0 if it is not known.
func (c *Conn) Inode() uint32 {
	var st unix.Stat_t
	if unix.Fstat(c.fd, &st) != nil {
		return 0
	}
	return uint32(st.Ino)
}

// Close releases the socket.
func (c *Conn) Close() error {
	if c.asked != nil {
		<-c.asked // and nobody wants the answer any more
	}
	return unix.Close(c.fd)
}

// Query says which sockets of TCP, UDP and the like are wanted, and what of them.
type Query struct {
	Family, Protocol uint8 // AF_INET or AF_INET6; IPPROTO_*
	States           Mask
	Bare             bool // what a socket has in any case: no memory, no tcp_info
}

// The extensions of a request: bits of 1 << (INET_DIAG_* - 1), of which the field
// has room for eight (include/uapi/linux/inet_diag.h).
const (
	askInfo       = 1 << (diagInfo - 1)
	askCongestion = 1 << (diagCong - 1)
	askMemory     = 1 << (diagSkmeminfo - 1)
)

// Inet adds to l the sockets that q asks for. A kernel without what answers it
// gives ENOENT. After ErrInterrupted the list is there.
func (c *Conn) Inet(q Query, l *List) error {
	return c.dump(q.request(), l, func(b []byte) { parseInet(b, q.Protocol, l) })
}

// Ask asks for what Inet will be called with next: the kernel makes the first answer
// ready meanwhile, for which it goes through all connections where there are few.
func (c *Conn) Ask(q Query) {
	asked := make(chan error, 1)
	c.asked = asked
	go func() { asked <- c.send(q.request()) }()
}

func (q *Query) request() []byte {
	const size = 56 // struct inet_diag_req_v2
	ask := make([]byte, size)
	ask[0], ask[1] = q.Family, q.Protocol
	if !q.Bare {
		ask[2] = askInfo | askCongestion | askMemory
	}
	binary.NativeEndian.PutUint32(ask[4:], uint32(q.States))
	return ask
}

// Unix adds to l the unix sockets in some states, with all that the kernel knows
// of them.
func (c *Conn) Unix(states Mask, l *List) error {
	const (
		size = 24 // struct unix_diag_req
		// UDIAG_SHOW_*: name, file, peer, who waits, queues, memory, user; the last since 5.3.
		show = 0x7f
	)
	ask := make([]byte, size)
	ask[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(ask[4:], uint32(states))
	binary.NativeEndian.PutUint32(ask[12:], show)
	return c.dump(ask, l, func(b []byte) { parseUnix(b, l) })
}

// dump asks, and passes on each message; again where the kernel says that it lost
// some, or that the table changed meanwhile.
func (c *Conn) dump(ask []byte, l *List, each func([]byte)) (err error) {
	from := l.Len()
	for range tries {
		l.cut(from)
		if err = c.ask(ask); err != nil {
			break
		}
		if err = c.receive(each); !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, ErrInterrupted) {
			break
		}
		if errors.Is(err, unix.ENOBUFS) {
			c.drain()
		}
	}
	if err != nil && !errors.Is(err, ErrInterrupted) {
		l.cut(from)
	}
	return err
}

// ask sends a question, unless it was sent already.
func (c *Conn) ask(ask []byte) error {
	if sent := c.asked; sent != nil {
		c.asked = nil
		return <-sent
	}
	return c.send(ask)
}

func (c *Conn) send(ask []byte) error {
	c.seq++
	b := make([]byte, unix.NLMSG_HDRLEN, unix.NLMSG_HDRLEN+len(ask))
	binary.NativeEndian.PutUint32(b, uint32(unix.NLMSG_HDRLEN+len(ask)))
	binary.NativeEndian.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(b[8:], c.seq)
	if err := c.wire.send(append(b, ask...)); err != nil {
		return fmt.Errorf("ask sock_diag: %w", err)
	}
	return nil
}

// drain throws away what is left of a dump that overran.
func (c *Conn) drain() {
	for {
		if n, _, err := c.wire.receive(c.buf, unix.MSG_DONTWAIT); n <= 0 || err != nil {
			return
		}
	}
}

// messages goes through one answer. done says that the dump has ended, and
// interrupted that the kernel saw its table change.
func messages(b []byte, seq uint32, each func([]byte)) (done, interrupted bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		n := int(binary.NativeEndian.Uint32(b))
		if n < unix.NLMSG_HDRLEN || n > len(b) {
			return false, interrupted, ErrMalformed
		}
		kind, flags := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
		data, stale := b[unix.NLMSG_HDRLEN:n], binary.NativeEndian.Uint32(b[8:]) != seq
		b = b[min((n+3)&^3, len(b)):]
		if stale {
			continue // of a dump that was given up
		}
		interrupted = interrupted || flags&unix.NLM_F_DUMP_INTR != 0
		switch kind {
		case unix.NLMSG_DONE:
			return true, interrupted, status(data)
		case unix.NLMSG_ERROR:
			if err := status(data); err != nil {
				return false, interrupted, err
			}
		case unix.NLMSG_OVERRUN:
			return false, interrupted, fmt.Errorf("sock_diag: %w", unix.ENOBUFS)
		case unix.SOCK_DIAG_BY_FAMILY:
			each(data)
		}
	}
	return false, interrupted, nil
}

// status reads the error at the start of the last message of a dump, or of an
// error's: negative, and 0 for none. A last message may have none.
func status(b []byte) error {
	if len(b) < 4 {
		return nil
	}
	if n := int32(binary.NativeEndian.Uint32(b)); n < 0 {
		return fmt.Errorf("sock_diag: %w", unix.Errno(-n))
	}
	return nil
}
