package sockdiag_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kwhy/inspect/sockdiag"
)

const seq = 7

// message is a netlink message as the kernel lays it out, padded.
func message(kind, flags uint16, of uint32, data []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(16+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, of)
	b = append(binary.NativeEndian.AppendUint32(b, 0), data...)
	return append(b, make([]byte, -len(b)&3)...)
}

// attribute is one of a message, padded.
func attribute(kind uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), data...)
	return append(b, make([]byte, -len(b)&3)...)
}

func words(list ...uint32) (b []byte) {
	for _, n := range list {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return b
}

// inet is a struct inet_diag_msg of a connection of IPv4, and what follows it.
func inet(state uint8, attributes ...[]byte) []byte {
	b := []byte{unix.AF_INET, state, 1, 3, 0x1f, 0x90, 0xc0, 0x01}
	b = append(append(b, 127, 0, 0, 1), make([]byte, 12)...)
	b = append(append(b, 10, 1, 2, 3), make([]byte, 12)...)
	b = append(b, words(2, 0xdead, 0xbeef, 1500, 11, 22, 1000, 4711)...)
	return slices.Concat(append([][]byte{b}, attributes...)...)
}

func TestParseInet(t *testing.T) {
	info := make([]byte, 248)
	binary.NativeEndian.PutUint32(info[68:], 12345) // tcpi_rtt
	info[6], info[7] = 0x7a, 1                      // sending 10, receiving 7; the application had no more
	data := inet(1,
		attribute(8, []byte{2}),
		attribute(5, []byte{0x10}), // a type of service, which nobody asked for
		attribute(21, binary.NativeEndian.AppendUint64(nil, 1<<40)),
		attribute(15, words(99)),
		attribute(7, words(1, 2, 3, 4, 5, 6, 7, 8, 9)),
		attribute(14, nil), // padding before what must be aligned
		attribute(2, info),
		attribute(4, []byte("cubic\x00")))
	var l sockdiag.List
	sockdiag.ParseInet(data, unix.IPPROTO_TCP, &l)
	if l.Len() != 1 {
		t.Fatalf("%d sockets", l.Len())
	}
	s := *l.At(0)
	s.Info = nil
	want := sockdiag.Socket{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, State: sockdiag.Established, Timer: 1, Retrans: 3, Closed: 2,
		LocalPort: 8080, PeerPort: 49153, LocalAddr: [16]byte{127, 0, 0, 1}, PeerAddr: [16]byte{10, 1, 2, 3}, Interface: 2, Expires: 1500,
		RQueue: 11, WQueue: 22, UID: 1000, Inode: 4711,
		MarkValue: 99, Mem: [9]uint32{1, 2, 3, 4, 5, 6, 7, 8, 9}, Cookie: 0xbeef<<32 | 0xdead, CgroupID: 1 << 40, Cong: "cubic",
		Told: sockdiag.Netlink | sockdiag.Queues | sockdiag.Memory | sockdiag.Dropped | sockdiag.Cgroup | sockdiag.Mark | sockdiag.Shutdown}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
	if s.Local() != netip.MustParseAddrPort("127.0.0.1:8080") || s.Remote() != netip.MustParseAddrPort("10.1.2.3:49153") ||
		s.ProtocolName() != "tcp" ||
		s.StateName() != "ESTABLISHED" {
		t.Errorf("%v to %v, %s, %s", s.Local(), s.Remote(), s.ProtocolName(), s.StateName())
	}
	got := l.At(0).Info
	for f, want := range map[sockdiag.InfoField]uint64{sockdiag.RTT: 12345, sockdiag.SndWscale: 10, sockdiag.RcvWscale: 7,
		sockdiag.AppLimited: 1} {
		if n, ok := got.Get(f); n != want || !ok {
			t.Errorf("field %d is %d, %v; want %d", f, n, ok, want)
		}
	}
}

// A list outlives the buffer that its sockets came in.
func TestListKeepsItsOwn(t *testing.T) {
	var l sockdiag.List
	info := make([]byte, 300)
	for i := range 5000 {
		binary.NativeEndian.PutUint32(info[68:], uint32(i))
		data := inet(1, attribute(2, info), attribute(4, []byte("bbr\x00")))
		binary.NativeEndian.PutUint32(data[68:], uint32(i))
		sockdiag.ParseInet(data, unix.IPPROTO_TCP, &l)
		clear(data)
	}
	l.Cut(3000)
	l.Cut(9999)
	if l.Len() != 3000 {
		t.Fatalf("%d sockets", l.Len())
	}
	for i := range l.Len() {
		s := l.At(i)
		if n, ok := s.Info.Get(sockdiag.RTT); s.Inode != uint32(i) || n != uint64(i) || !ok || s.Cong != "bbr" {
			t.Fatalf("socket %d: %+v", i, s)
		}
	}
	if l.Cut(0); l.Len() != 0 {
		t.Errorf("%d left", l.Len())
	}
	sockdiag.ParseInet(inet(10), unix.IPPROTO_TCP, &l)
	if l.Len() != 1 || l.At(0).State != sockdiag.Listen {
		t.Errorf("%d, %+v", l.Len(), l.At(0))
	}
}

// Of an older kernel's structure, which ends earlier, what it lacks is absent.
func TestTCPInfoByLength(t *testing.T) {
	for _, c := range []struct {
		kernel  string
		bytes   int
		last    sockdiag.InfoField
		missing sockdiag.InfoField
	}{
		{"3.2", 104, sockdiag.TotalRetrans, sockdiag.PacingRate},
		{"4.1", 136, sockdiag.BytesReceived, sockdiag.SegsOut},
		{"4.2", 144, sockdiag.SegsIn, sockdiag.NotsentBytes},
		{"4.6", 160, sockdiag.DataSegsOut, sockdiag.DeliveryRate},
		{"4.9", 168, sockdiag.AppLimited, sockdiag.BusyTime},
		{"4.10", 192, sockdiag.SndbufLimited, sockdiag.Delivered},
		{"4.18", 200, sockdiag.DeliveredCE, sockdiag.BytesSent},
		{"4.19", 224, sockdiag.ReordSeen, sockdiag.RcvOoopack},
		{"5.4", 232, sockdiag.SndWnd, sockdiag.RcvWnd},
		{"6.2", 240, sockdiag.Rehash, sockdiag.TotalRTO},
		{"6.7", 248, sockdiag.TotalRTOTime, sockdiag.InfoFields},
	} {
		info := sockdiag.PackTCPInfo(bytes.Repeat([]byte{0xff}, c.bytes))
		if n, ok := info.Get(c.last); !ok || n == 0 {
			t.Errorf("%s has no field %d", c.kernel, c.last)
		}
		if c.missing < sockdiag.InfoFields {
			if n, ok := info.Get(c.missing); ok || n != 0 {
				t.Errorf("%s has field %d: %d", c.kernel, c.missing, n)
			}
		}
		if _, ok := sockdiag.PackTCPInfo(bytes.Repeat([]byte{0xff}, c.bytes-1)).Get(c.last); ok {
			t.Errorf("field %d is there without its last byte", c.last)
		}
	}
	if _, ok := sockdiag.PackTCPInfo(make([]byte, 160)).Get(sockdiag.AppLimited); ok {
		t.Error("app_limited is there on a kernel that has no delivery rate: the bit was padding there")
	}
}

func TestMemoryByLength(t *testing.T) {
	for n, told := range map[int]sockdiag.Told{7: 0, 8: sockdiag.Memory, 9: sockdiag.Memory | sockdiag.Dropped,
		12: sockdiag.Memory | sockdiag.Dropped} {
		var l sockdiag.List
		sockdiag.ParseInet(inet(1, attribute(7, words(make([]uint32, n)...))), unix.IPPROTO_TCP, &l)
		if got := l.At(0).Told &^ (sockdiag.Netlink | sockdiag.Queues); got != told {
			t.Errorf("%d numbers: told %b, want %b", n, got, told)
		}
	}
}

// Unix sockets of every type are parsed: a dump does not end at the first that is
// no stream.
func TestParseUnix(t *testing.T) {
	head := func(kind, state uint8, inode uint32) []byte {
		return append([]byte{unix.AF_UNIX, kind, state, 0}, words(inode, 1, 0)...)
	}
	var l sockdiag.List
	for _, b := range [][]byte{
		slices.Concat(head(unix.SOCK_DGRAM, 7, 1), attribute(0, []byte("\x00abstract\x00b")), attribute(4, words(100, 0)),
			attribute(6, []byte{0})),
		slices.Concat(head(unix.SOCK_SEQPACKET, 1, 2), attribute(2, words(3)), attribute(4, words(5, 6)),
			attribute(5, words(make([]uint32, 9)...))),
		slices.Concat(head(unix.SOCK_STREAM, 10, 4), attribute(0, []byte("/run/a b\x00")), attribute(1, words(77, 8)),
			attribute(3, words(8, 9)), attribute(4, words(2, 128)), attribute(7, words(33))),
	} {
		sockdiag.ParseUnix(b, &l)
	}
	type view struct {
		name, kind, state string
		peer, r, w, uid   uint32
		pending           int
	}
	var got []view
	for i := range l.Len() {
		s := l.At(i)
		got = append(got, view{s.Unix.Name, s.Unix.TypeName(), s.StateName(), s.Unix.Peer, s.RQueue, s.WQueue, s.UID, len(s.Unix.Pending)})
	}
	want := []view{
		{"@abstract@b", "dgram", "UNCONNECTED", 0, 100, 0, 0, 0},
		{"", "seqpacket", "CONNECTED", 3, 5, 6, 0, 0},
		{"/run/a b", "stream", "LISTEN", 0, 2, 128, 33, 2},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestMessages(t *testing.T) {
	row := message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_MULTI, seq, inet(1))
	status := func(n int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }
	short := bytes.Clone(row)
	binary.NativeEndian.PutUint32(short, uint32(len(row)+1))
	for name, c := range map[string]struct {
		b                 []byte
		rows              int
		done, interrupted bool
		err               error
	}{
		"two and the end":         {slices.Concat(row, row, message(unix.NLMSG_DONE, 0, seq, status(0))), 2, true, false, nil},
		"more to come":            {row, 1, false, false, nil},
		"an end without a status": {message(unix.NLMSG_DONE, 0, seq, nil), 0, true, false, nil},
		"an end with an error": {slices.Concat(row, message(unix.NLMSG_DONE, 0, seq, status(-int32(unix.ENOMEM)))), 1, true, false,
			unix.ENOMEM},
		"no such module":     {message(unix.NLMSG_ERROR, 0, seq, status(-int32(unix.ENOENT))), 0, false, false, unix.ENOENT},
		"an acknowledgement": {slices.Concat(message(unix.NLMSG_ERROR, 0, seq, status(0)), row), 1, false, false, nil},
		"overrun":            {slices.Concat(row, message(unix.NLMSG_OVERRUN, 0, seq, nil)), 1, false, false, unix.ENOBUFS},
		"interrupted": {slices.Concat(message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP_INTR, seq, inet(1)),
			message(unix.NLMSG_DONE, 0, seq, status(0))), 1, true, true, nil},
		"of another dump":        {slices.Concat(message(unix.NLMSG_DONE, 0, seq-1, status(0)), row), 1, false, false, nil},
		"longer than the answer": {short, 0, false, false, sockdiag.ErrMalformed},
		"shorter than a header":  {make([]byte, 20), 0, false, false, sockdiag.ErrMalformed},
		"nothing":                {nil, 0, false, false, nil},
		"a rest":                 {append(bytes.Clone(row), 1, 2, 3), 1, false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			rows := 0
			done, interrupted, err := sockdiag.Messages(c.b, seq, func([]byte) { rows++ })
			if rows != c.rows || done != c.done || interrupted != c.interrupted || !errors.Is(err, c.err) {
				t.Errorf("%d rows, done %v, interrupted %v, %v", rows, done, interrupted, err)
			}
		})
	}
}

// Whatever comes, the parser ends, keeps within its bounds and leaves what it was
// given as it is.
func FuzzMessages(f *testing.F) {
	f.Add(
		slices.Concat(
			message(unix.SOCK_DIAG_BY_FAMILY, 2, seq, inet(1, attribute(7, words(1, 2, 3)), attribute(2, make([]byte, 248)))),
			message(unix.NLMSG_DONE, 0, seq, words(0)),
		),
	)
	f.Add(
		message(
			unix.SOCK_DIAG_BY_FAMILY,
			2,
			seq,
			append([]byte{unix.AF_UNIX, 2, 1, 0}, slices.Concat(words(4, 1, 0), attribute(0, []byte("\x00a")), attribute(3, words(1, 2)))...),
		),
	)
	f.Add(message(unix.NLMSG_ERROR, 0, seq, words(^uint32(1))))
	f.Fuzz(func(t *testing.T, b []byte) {
		lent := bytes.Clone(b)
		var l sockdiag.List
		rows := 0
		_, _, err := sockdiag.Messages(lent, seq, func(data []byte) {
			rows++
			sockdiag.ParseInet(data, unix.IPPROTO_TCP, &l)
			sockdiag.ParseUnix(data, &l)
		})
		if !bytes.Equal(lent, b) {
			t.Fatal("the parser changed what it read")
		}
		if err != nil && !errors.Is(err, sockdiag.ErrMalformed) && !errors.As(err, new(unix.Errno)) {
			t.Fatal(err)
		}
		if l.Len() > 2*rows {
			t.Fatalf("%d sockets of %d messages", l.Len(), rows)
		}
		for i := range l.Len() {
			s := l.At(i)
			_, _, _, _ = s.Local(), s.Remote(), s.ProtocolName(), s.StateName()
			for f := range sockdiag.InfoFields {
				if n, ok := s.Info.Get(f); !ok && n != 0 {
					t.Fatalf("field %d is unknown and %d", f, n)
				}
			}
		}
	})
}
