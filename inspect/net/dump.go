package net

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/sockdiag"
)

// asker is how sock_diag is asked in one namespace: of TCP over IPv6, and of the rest.
type asker struct {
	conn, six *sockdiag.Conn // nil where it can't be asked
	own       [2]uint32      // kwhy's own sockets, which are there because it looks
	denied    error
}

// asker opens sock_diag. Both tables of TCP are one hash of all connections, and for
// each question the kernel goes through the whole of it: the second is asked at once.
func (s *Sockets) asker(q *SocketQuery) (a asker) {
	if a.conn, a.denied = sockDiag(s.Host, s); a.denied != nil {
		a.conn = nil
		return a
	}
	a.own[0] = a.conn.Inode()
	if !q.wants("tcp") || !q.wants("tcp6") {
		return a
	}
	six, err := sockDiag(s.Host, s)
	if err != nil {
		return a // one does for both
	}
	a.six, a.own[1] = six, six.Inode()
	six.Ask(inetQuery(&socketKinds[1], q))
	return a
}

// of returns which is asked for a table.
func (a *asker) of(k *socketKind) *sockdiag.Conn {
	if a.six != nil && k.name == "tcp6" {
		return a.six
	}
	return a.conn
}

func (a *asker) close() {
	for _, c := range [...]*sockdiag.Conn{a.conn, a.six} {
		if c != nil {
			_ = c.Close() // nothing was written
		}
	}
}

func (q *SocketQuery) wants(kind string) bool {
	return q.Kinds == nil || slices.Contains(q.Kinds, kind)
}

func inetQuery(k *socketKind, q *SocketQuery) sockdiag.Query {
	return sockdiag.Query{Family: k.family, Protocol: k.protocol, States: q.States, Bare: q.Bare}
}

// dump reads the tables that are wanted. It fails where none gave anything.
func (s *Sockets) dump(q *SocketQuery) error {
	a := s.asker(q)
	defer a.close()
	var first error
	read := 0
	for i := range socketKinds {
		k := &socketKinds[i]
		if s.why[i] = inspect.Unsupported; !s.Host.Live {
			s.why[i] = inspect.NotSaved
		}
		if !q.wants(k.name) {
			s.why[i], s.read[i] = inspect.Unread, inspect.Unread
			continue
		}
		if k.asked {
			s.why[i] = inspect.ReasonOf(a.denied)
		}
		if k.asked && a.conn != nil {
			if s.why[i] = s.ask(a.of(k), k, q); s.why[i] == inspect.Present {
				read++
				continue
			}
		}
		err := fileSockets(s.Host, s.files, k, func(sock *sockdiag.Socket) {
			if q.States.Has(sock.State) && (sock.Inode == 0 || !slices.Contains(a.own[:], sock.Inode)) {
				s.List.Add(sock)
			}
		})
		s.read[i] = s.lacking(k, err)
		if err == nil {
			read++
		}
		first = cmp.Or(first, err)
	}
	if read > 0 || first == nil {
		return nil
	}
	if s.Host.NoProc {
		return fmt.Errorf("there is no /proc here: %w", first)
	}
	if !s.Host.Live && inspect.ReasonOf(first).IsMissing() {
		return fmt.Errorf("no table of sockets is in this copy: %w", first)
	}
	return first
}

// lacking says why the file of a table gave nothing. Whether a copy has not got it or its kernel
// had none, the list of protocols tells where that was saved.
func (s *Sockets) lacking(k *socketKind, err error) inspect.Reason {
	why := s.Host.PidReason(s.files, err)
	if s.Host.Live || err == nil || why != inspect.Vanished && why != inspect.NotSaved {
		return why
	}
	if neverHad(s.Host, s.files+"/net", k.registered) {
		return inspect.Unsupported
	}
	return inspect.NotSaved
}

// neverHad reports whether the list of protocols was saved and has not got one: then the kernel of
// the copy had none of its files either. One that was booted with ipv6.disable=1 registers none of
// IPv6 (net/ipv6/af_inet6.c, inet6_init; 4.0 to 6.18).
func neverHad(h *inspect.Host, dir, protocol string) bool {
	var known map[string]Protocol
	err := h.Proc.With(dir+"/protocols", func(b []byte) (err error) { known, err = parseProtocols(b); return err })
	_, had := known[protocol]
	return err == nil && !had
}

// ask asks sock_diag for one table.
func (s *Sockets) ask(c *sockdiag.Conn, k *socketKind, q *SocketQuery) inspect.Reason {
	var err error
	if k.family == unix.AF_UNIX {
		err = c.Unix(q.States, &s.List)
	} else {
		err = c.Inet(inetQuery(k, q), &s.List)
	}
	switch {
	case errors.Is(err, sockdiag.ErrInterrupted):
		s.Interrupted = true
		return inspect.Present
	case errors.Is(err, sockdiag.ErrMalformed):
		return inspect.Malformed
	case errors.Is(err, unix.EAGAIN):
		s.Host.CameLate()
		return inspect.TimedOut
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT):
		return inspect.Unsupported // by the module, or by the family
	}
	return inspect.ReasonOf(err)
}

// sockDiag opens sock_diag in a network namespace, and waits for an answer as long as
// for a file.
func sockDiag(h *inspect.Host, s *Sockets) (*sockdiag.Conn, error) {
	if !h.Live {
		return nil, inspect.Lacking(unix.ENOENT, inspect.NotSaved) // this kernel knows nothing of another host's
	}
	c, err := openDiag(h, s)
	if err != nil {
		return nil, err
	}
	if err := c.Wait(h.Patience()); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// openDiag opens it. A socket stays in the namespace that it was made in, wherever the
// thread goes that made it.
func openDiag(h *inspect.Host, s *Sockets) (c *sockdiag.Conn, err error) {
	if s.Own {
		return sockdiag.Open()
	}
	err = h.InNetwork(s.Dir+"/ns/net", func() (err error) {
		c, err = sockdiag.Open()
		return err
	})
	return c, err
}
