package sockdiag

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// What the tests, which are outside of the package, need of its inside.

func Messages(b []byte, seq uint32, each func([]byte)) (done, interrupted bool, err error) {
	return messages(b, seq, each)
}

func ParseInet(b []byte, protocol uint8, l *List) { parseInet(b, protocol, l) }

func ParseUnix(b []byte, l *List) { parseUnix(b, l) }

func (l *List) Cut(n int) { l.cut(n) }

// InfoFields is how many fields there are.
const InfoFields = nInfoFields

// Script is a kernel that gives the answers of a test, one a receive.
type Script struct {
	Asked    int
	Answers  []Answer
	Receives int
}

// Answer is one of them. A message in it gets the sequence number of the question.
type Answer struct {
	Data []byte
	Long int    // it says to be as long, if that is not 0
	From uint32 // the sender; 0 is the kernel
	Err  error
}

// NewConn asks a script.
func NewConn(s *Script) *Conn {
	var seq uint32
	return newConn(wire{
		send: func(b []byte) error {
			s.Asked++
			seq = binary.NativeEndian.Uint32(b[8:])
			return nil
		},
		receive: func(b []byte, flags int) (int, unix.Sockaddr, error) {
			if len(s.Answers) == 0 || flags&unix.MSG_DONTWAIT != 0 {
				return 0, nil, unix.EAGAIN
			}
			a := s.Answers[0]
			s.Answers = s.Answers[1:]
			s.Receives++
			n := copy(b, a.Data)
			for at := 0; at+16 <= n; at += (int(binary.NativeEndian.Uint32(b[at:])) + 3) &^ 3 {
				binary.NativeEndian.PutUint32(b[at+8:], seq)
			}
			return max(n, a.Long), &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: a.From}, a.Err
		},
	})
}

// Counted counts the receives of a connection to the kernel, and the bytes they gave.
func Counted(c *Conn, receives, bytes *int) {
	real := c.wire.receive
	c.wire.receive = func(b []byte, flags int) (int, unix.Sockaddr, error) {
		n, from, err := real(b, flags)
		*receives++
		*bytes += max(n, 0)
		return n, from, err
	}
}

// Plain reads a field of the kernel's own structure, unpacked.
func Plain(raw []byte, f InfoField) (uint64, bool) {
	l := infoLayout[f]
	if len(raw) < max(int(l.at)+int(l.size), int(l.until)) {
		return 0, false
	}
	var whole [8]byte
	copy(whole[:], raw[l.at:l.at+l.size])
	n := binary.NativeEndian.Uint64(whole[:]) // of a little-endian machine, as those that kwhy is built for
	if l.mask != 0 {
		n = n >> l.shift & uint64(l.mask)
	}
	return n, true
}
