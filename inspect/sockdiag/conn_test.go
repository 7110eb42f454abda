package sockdiag_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"kwhy/inspect/sockdiag"
)

// rows is an answer with connections that are numbered from some inode on.
func rows(flags uint16, inodes ...uint32) (b []byte) {
	for _, n := range inodes {
		data := inet(1)
		binary.NativeEndian.PutUint32(data[68:], n)
		b = append(b, message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_MULTI|flags, 0, data)...)
	}
	return b
}

func end(status int32) []byte {
	return message(unix.NLMSG_DONE, unix.NLM_F_MULTI, 0, binary.NativeEndian.AppendUint32(nil, uint32(status)))
}

func TestDump(t *testing.T) {
	type answers = []sockdiag.Answer
	intr := uint16(unix.NLM_F_DUMP_INTR)
	interrupted := sockdiag.Answer{Data: slices.Concat(rows(intr, 1, 2), end(0))}
	whole := sockdiag.Answer{Data: slices.Concat(rows(0, 5, 6, 7), end(0))}
	var many answers
	var all []uint32
	for i := range uint32(40) {
		many = append(many, sockdiag.Answer{Data: rows(0, 2*i+1, 2*i+2)})
		all = append(all, 2*i+1, 2*i+2)
	}
	for name, c := range map[string]struct {
		answers answers
		asked   int
		inodes  []uint32
		err     error
	}{
		"at once":         {answers{whole}, 1, []uint32{5, 6, 7}, nil},
		"in many answers": {append(slices.Clone(many), sockdiag.Answer{Data: end(0)}), 1, all, nil},
		"the end with the last": {append(slices.Clone(many), sockdiag.Answer{Data: slices.Concat(rows(0, 99), end(0))}), 1,
			append(slices.Clone(all), 99), nil},
		"none":                  {answers{{Data: end(0)}}, 1, nil, nil},
		"interrupted once":      {answers{interrupted, whole}, 2, []uint32{5, 6, 7}, nil},
		"interrupted late":      {append(slices.Clone(many), interrupted, whole), 2, []uint32{5, 6, 7}, nil},
		"interrupted each time": {answers{interrupted, interrupted, interrupted}, 3, []uint32{1, 2}, sockdiag.ErrInterrupted},
		"overrun once":          {answers{{Data: rows(0, 1)}, {Err: unix.ENOBUFS}, whole}, 2, []uint32{5, 6, 7}, nil},
		"overrun each time":     {answers{{Err: unix.ENOBUFS}, {Err: unix.ENOBUFS}, {Err: unix.ENOBUFS}}, 3, nil, unix.ENOBUFS},
		"overrun in many":       {append(slices.Clone(many), sockdiag.Answer{Err: unix.ENOBUFS}, whole), 2, []uint32{5, 6, 7}, nil},
		"an error at the end":   {answers{{Data: slices.Concat(rows(0, 1), end(-int32(unix.ENOMEM)))}}, 1, nil, unix.ENOMEM},
		"an error after many":   {append(slices.Clone(many), sockdiag.Answer{Data: end(-int32(unix.ENOMEM))}), 1, nil, unix.ENOMEM},
		"no module": {answers{{Data: message(unix.NLMSG_ERROR, 0, 0,
			binary.NativeEndian.AppendUint32(nil, uint32(0xffffffff)-uint32(unix.ENOENT)+1))}}, 1, nil, unix.ENOENT},
		"no answer":                {answers{{Data: rows(0, 1)}}, 1, nil, unix.EAGAIN},
		"no answer after many":     {slices.Clone(many), 1, nil, unix.EAGAIN},
		"longer than its buffer":   {answers{{Data: rows(0, 1), Long: 1 << 20}}, 1, nil, sockdiag.ErrMalformed},
		"a signal":                 {answers{{Err: unix.EINTR}, whole}, 1, []uint32{5, 6, 7}, nil},
		"another process's answer": {answers{{Data: slices.Concat(rows(0, 9), end(0)), From: 1234}, whole}, 1, []uint32{5, 6, 7}, nil},
		"garbage":                  {answers{{Data: []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}}, 1, nil, sockdiag.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sockdiag.Script{Answers: c.answers}
			var l sockdiag.List
			sockdiag.ParseInet(inet(10), unix.IPPROTO_TCP, &l) // of an earlier dump: it stays
			err := sockdiag.NewConn(s).Inet(sockdiag.Query{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, States: sockdiag.Every}, &l)
			var got []uint32
			for i := 1; i < l.Len(); i++ {
				got = append(got, l.At(i).Inode)
			}
			if !errors.Is(err, c.err) || c.err == nil && err != nil || s.Asked != c.asked || !slices.Equal(got, c.inodes) || len(s.Answers) > 0 {
				t.Errorf("asked %d times, %v, %v, %d answers left; want %d times, %v, %v", s.Asked, got, err, len(s.Answers), c.asked, c.inodes, c.err)
			}
		})
	}
}

// What was asked for early is not asked for again.
func TestAskEarly(t *testing.T) {
	s := &sockdiag.Script{Answers: []sockdiag.Answer{{Data: slices.Concat(rows(0, 5), end(0))}, {Data: slices.Concat(rows(0, 6), end(0))}}}
	c := sockdiag.NewConn(s)
	q := sockdiag.Query{Family: unix.AF_INET6, Protocol: unix.IPPROTO_TCP, States: sockdiag.Every}
	c.Ask(q)
	var l sockdiag.List
	for n := range 2 {
		if err := c.Inet(q, &l); err != nil || l.Len() != n+1 || s.Asked != n+1 {
			t.Errorf("%d sockets, asked %d times, %v", l.Len(), s.Asked, err)
		}
	}
}

// A dump takes a receive for each 32 KiB, and one for the first answer, which the
// kernel makes before it knows how much would fit, and one for the end.
func TestLiveReceives(t *testing.T) {
	for range 100 { // so that there is something to list
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { unix.Close(l) })
		if err := errors.Join(unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(l, 1)); err != nil {
			t.Skip(err)
		}
	}
	c := open(t)
	receives, bytes := 0, 0
	sockdiag.Counted(c, &receives, &bytes)
	var l sockdiag.List
	if err := c.Inet(sockdiag.Query{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, States: sockdiag.Every}, &l); err != nil {
		t.Skip(err)
	}
	const most, largest = 32 << 10, 1 << 10 // the last message that did not fit leaves as much free at most
	if allowed := bytes/(most-largest) + 3; receives > allowed || l.Len() < 100 {
		t.Errorf("%d receives of %d bytes, %d sockets; %d would do", receives, bytes, l.Len(), allowed)
	}
}

// A packed tcp_info says what the kernel's own does, whatever is in it and wherever
// it ends.
func FuzzTCPInfo(f *testing.F) {
	f.Add(make([]byte, 248))
	f.Add([]byte{1, 2, 3, 4, 5, 6, 0x7a, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		packed := sockdiag.PackTCPInfo(raw)
		for f := range sockdiag.InfoFields {
			want, there := sockdiag.Plain(raw, f)
			if got, ok := packed.Get(f); ok != there || got != want {
				t.Fatalf("field %d of %x: %d, %v, want %d, %v", f, raw, got, ok, want, there)
			}
		}
	})
}
