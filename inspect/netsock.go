package inspect

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect/sockdiag"
)

// SocketQuery says which sockets are wanted.
type SocketQuery struct {
	Dir    string // whose network namespace, below /proc: OwnNet, or a process's number
	Kinds  []string
	States sockdiag.Mask
	Bare   bool // no memory, no tcp_info
	Owners bool // walk the descriptors of all processes
}

// Sockets are the sockets of one network namespace.
type Sockets struct {
	Host      *Host
	When      time.Time
	Dir       string
	Namespace uint64 // its number; 0 if it may not be seen
	Own       bool   // it is kwhy's own
	List      sockdiag.List
	Procs     *Procs // whose descriptors were walked; nil if nobody asked
	// Interrupted says that sockets came and went while they were listed, each time
	// that it was tried.
	Interrupted bool
	// Denied is how many processes don't show their descriptors, of Walked.
	Denied, Walked int
	Was            *Sockets

	why    [len(socketKinds)]Reason // sock_diag gave nothing of a kind
	read   [len(socketKinds)]Reason // and neither did the file
	scan   *FDScan
	owners []owned // by inode
	cookie func() map[uint64]int32
	inode  func() map[uint32]int32 // of unix sockets
	half   func() map[endpoint]int // connections half open, by listener's address
	listen func() map[endpoint]int32
}

// owned is a descriptor that leads to a socket.
type owned struct {
	inode uint32
	row   int32
	fd    int32
}

// Owner is a process that has a socket, and by which descriptor.
type Owner struct {
	P  *Process
	FD int32
}

// OwnNet is whose network namespace is meant where no process is named: kwhy's
// own, or that of the first process where /proc is of another PID namespace, such
// as a host's that is mounted in a container.
func (h *Host) OwnNet() string {
	if h.Live && !h.sameProcesses() {
		return "1"
	}
	return "self"
}

// Sockets lists the sockets of a network namespace: by sock_diag in kwhy's own, and
// in another where it may be entered; and from the files of /proc/PID/net what
// that does not tell, or where it may not be asked.
func (h *Host) Sockets(q SocketQuery) (*Sockets, error) {
	s := &Sockets{Host: h, When: h.now(), Dir: q.Dir}
	s.Namespace, _ = h.namespace(q.Dir, "net")
	own, err := h.namespace("self", "net")
	s.Own = err == nil && own == s.Namespace || q.Dir == "self"
	s.cookie = sync.OnceValue(s.byCookie)
	s.inode = sync.OnceValue(s.byInode)
	s.half = sync.OnceValue(s.halfOpen)
	s.listen = sync.OnceValue(s.listeners)
	var walk sync.WaitGroup
	if q.Owners {
		if s.Procs, err = h.Procs(Sources{}); err != nil {
			return nil, err
		}
		walk.Go(s.walk)
	}
	err = s.dump(&q)
	walk.Wait()
	if err != nil {
		return nil, err
	}
	return s, nil
}

// dump reads the tables that are wanted. It fails where none gave anything.
func (s *Sockets) dump(q *SocketQuery) error {
	conn, denied := s.Host.sockDiag(s)
	asks := uint32(0) // kwhy's own socket, which is there because it looks
	if conn != nil {
		asks = conn.Inode()
		defer func() { _ = conn.Close() }() // nothing was written
	}
	var first error
	read := 0
	for i := range socketKinds {
		k := &socketKinds[i]
		s.why[i] = Unsupported
		if q.Kinds != nil && !slices.Contains(q.Kinds, k.name) {
			s.why[i], s.read[i] = Unread, Unread
			continue
		}
		if k.asked {
			s.why[i] = reasonFor(denied)
		}
		if k.asked && conn != nil {
			if s.why[i] = s.ask(conn, k, q); s.why[i] == Present {
				read++
				continue
			}
		}
		err := s.Host.fileSockets(q.Dir, k, func(sock *sockdiag.Socket) {
			if q.States.Has(sock.State) && (asks == 0 || sock.Inode != asks) {
				s.List.Add(sock)
			}
		})
		s.read[i] = s.Host.pidReason(q.Dir, err)
		if err == nil {
			read++
		}
		first = cmp.Or(first, err)
	}
	if read == 0 && first != nil {
		return first
	}
	return nil
}

// ask asks sock_diag for one table.
func (s *Sockets) ask(c *sockdiag.Conn, k *socketKind, q *SocketQuery) Reason {
	var err error
	if k.family == unix.AF_UNIX {
		err = c.Unix(q.States, &s.List)
	} else {
		err = c.Inet(sockdiag.Query{Family: k.family, Protocol: k.protocol, States: q.States, Bare: q.Bare}, &s.List)
	}
	switch {
	case errors.Is(err, sockdiag.ErrInterrupted):
		s.Interrupted = true
		return Present
	case errors.Is(err, sockdiag.ErrMalformed):
		return Malformed
	case errors.Is(err, unix.EAGAIN):
		return TimedOut
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT):
		return Unsupported // by the module, or by the family
	}
	return reasonFor(err)
}

// sockDiag opens sock_diag in a network namespace.
func (h *Host) sockDiag(s *Sockets) (*sockdiag.Conn, error) {
	if !h.Live {
		return nil, unix.ENOENT // this kernel knows nothing of another host's
	}
	if s.Own {
		return sockdiag.Open()
	}
	fd, err := unix.Openat(h.proc.fd, s.Dir+"/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return sockdiag.OpenIn(fd)
}

// walk finds who has which socket.
func (s *Sockets) walk() {
	lists := make([][]owned, len(s.Procs.Rows)) // each is one worker's at a time: no lock is taken for a descriptor
	scan := s.Host.FDs(s.Procs, func(row int, fd int32, link []byte, k FileKind) {
		if k != KindSocket {
			return
		}
		if n, ok := inodeIn(link); ok {
			lists[row] = append(lists[row], owned{uint32(n), int32(row), fd})
		}
	})
	_, seen, denied := scan.Totals()
	s.scan, s.Denied, s.Walked = scan, denied, seen+denied
	s.owners = slices.Concat(lists...)
	slices.SortFunc(s.owners, func(a, b owned) int {
		if a.inode != b.inode {
			return cmp.Compare(a.inode, b.inode)
		}
		return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(a.fd, b.fd))
	})
}

// Owners is who has a socket: a view of a list of all, so that looking at one
// allocates nothing.
type Owners struct {
	procs *Procs
	list  []owned
}

// Len returns how many descriptors lead to it.
func (o Owners) Len() int { return len(o.list) }

// At returns one of them, the lowest number of the first process first.
func (o Owners) At(i int) Owner { return Owner{&o.procs.Rows[o.list[i].row], o.list[i].fd} }

// Others is how many processes have it besides the first.
func (o Owners) Others() (n int) {
	for i := 1; i < len(o.list); i++ {
		if o.list[i].row != o.list[i-1].row {
			n++
		}
	}
	return n
}

// OwnersOf returns who has a socket. Their names are known once Fill was told to
// read them.
func (s *Sockets) OwnersOf(inode uint32) Owners { return Owners{s.Procs, s.ownersOf(inode)} }

func (s *Sockets) ownersOf(inode uint32) []owned {
	if inode == 0 {
		return nil
	}
	from, _ := slices.BinarySearchFunc(s.owners, inode, func(o owned, n uint32) int { return cmp.Compare(o.inode, n) })
	to := from
	for to < len(s.owners) && s.owners[to].inode == inode {
		to++
	}
	return s.owners[from:to]
}

// Fill reads what is wanted of the processes that have the sockets of some rows.
func (s *Sockets) Fill(rows []int32, want Sources) []int32 {
	want = want.Only(func(src Source) bool { return src == PIDStat || src == PIDCgroup })
	if s.Procs == nil || want == (Sources{}) {
		return rows
	}
	wanted := map[int32]bool{}
	note := func(inode uint32) {
		for _, o := range s.ownersOf(inode) {
			wanted[o.row] = true
		}
	}
	for _, i := range rows {
		sock := s.List.At(int(i))
		note(sock.Inode)
		switch {
		case sock.Unix != nil:
			note(sock.Unix.Peer)
		case sock.Inode == 0 && sock.Stream(): // who could accept it
			if l := s.ListenerOf(sock); l != nil {
				note(l.Inode)
			}
		}
	}
	list := make([]int32, 0, len(wanted))
	for row := range wanted {
		list = append(list, row)
	}
	s.Procs.Fill(list, want)
	return rows
}

// NameAll reads the names of all who have sockets.
func (s *Sockets) NameAll() {
	var rows []int32
	for i := range s.scan.Counts {
		if s.scan.Counts[i].Kinds[KindSocket] > 0 {
			rows = append(rows, int32(i))
		}
	}
	s.Procs.Fill(rows, Of(PIDStat))
}

// Has tells whether a process has the socket of a row.
func (s *Sockets) Has(pid int32, sock *sockdiag.Socket) bool {
	return slices.ContainsFunc(s.ownersOf(sock.Inode), func(o owned) bool { return s.Procs.Rows[o.row].PID == pid })
}

func (s *Sockets) byCookie() map[uint64]int32 {
	out := make(map[uint64]int32, s.List.Len())
	for i := range s.List.Len() {
		if c := s.List.At(i).Cookie; c != 0 {
			out[c] = int32(i)
		}
	}
	return out
}

func (s *Sockets) byInode() map[uint32]int32 {
	out := map[uint32]int32{}
	for i := range s.List.Len() {
		if sock := s.List.At(i); sock.Unix != nil {
			out[sock.Inode] = int32(i)
		}
	}
	return out
}

// PeerOf returns the other side of a unix socket; nil where it is not known.
func (s *Sockets) PeerOf(sock *sockdiag.Socket) *sockdiag.Socket {
	if sock.Unix == nil || sock.Unix.Peer == 0 {
		return nil
	}
	if i, ok := s.inode()[sock.Unix.Peer]; ok {
		return s.List.At(int(i))
	}
	return nil
}

// endpoint is an address to listen on.
type endpoint struct {
	addr [16]byte
	port uint16
}

// halfOpen counts the connections that are half open by the address and port that
// they came to, and by port alone.
func (s *Sockets) halfOpen() map[endpoint]int {
	out := map[endpoint]int{}
	for i := range s.List.Len() {
		if sock := s.List.At(i); sock.Stream() && sock.State == sockdiag.SynRecv {
			to := sock.Local()
			out[endpoint{to.Addr().As16(), to.Port()}]++
			out[endpoint{port: to.Port()}]++
		}
	}
	return out
}

// HalfOpen returns how many connections to a listener wait for the last segment of
// their handshake. Listeners that share a port by SO_REUSEPORT get the sum of all.
func (s *Sockets) HalfOpen(listener *sockdiag.Socket) int {
	at := listener.Local()
	if at.Addr().IsUnspecified() {
		return s.half()[endpoint{port: at.Port()}]
	}
	return s.half()[endpoint{at.Addr().As16(), at.Port()}]
}

// Missing says why a source gave nothing.
func (s *Sockets) Missing(src Source) Reason {
	switch src {
	case SockDiag:
		for i := range socketKinds { // the first that was wanted stands for all
			if socketKinds[i].asked && s.why[i] != Unread {
				return s.why[i]
			}
		}
		return Unread
	case PIDFd:
		if s.Procs == nil {
			return Unread
		}
	}
	return Present
}

// Before returns the sample an interval ago.
func (s *Sockets) Before() (*Sockets, time.Duration, bool) {
	if s.Was == nil {
		return nil, 0, false
	}
	return s.Was, s.When.Sub(s.Was.When), true
}

// Kernel returns the kernel that was read.
func (s *Sockets) Kernel() Version { return s.Host.Kernel }

// Gaps lists what could not be seen: sock_diag as a whole where it told nothing of
// TCP, the files that took its place, and processes that don't show whose sockets
// they are. That a kernel has no sock_diag for a rare protocol is none: its file
// says what there is.
func (s *Sockets) Gaps() (out []Gap) {
	if r := s.Missing(SockDiag); r.IsGap() && r != Unread {
		out = append(out, Gap{SockDiag, r, 1, 1})
	}
	counts := [nReasons]int{}
	for i, r := range s.read {
		if r.IsGap() && r != Unread && (r != Unsupported || i == 0) {
			counts[r]++
		}
	}
	for r, n := range counts {
		if n > 0 {
			out = append(out, Gap{PIDNet, Reason(r), n, len(s.read)})
		}
	}
	if s.Denied > 0 {
		out = append(out, Gap{PIDFd, Denied, s.Denied, s.Walked})
	}
	return out
}

// Len returns how many sockets there are.
func (s *Sockets) Len() int { return s.List.Len() }

// At returns one of them.
func (s *Sockets) At(i int) SocketRow { return SocketRow{s, s.List.At(i)} }

// SocketRow is a socket in its context.
type SocketRow struct {
	Net *Sockets
	It  *sockdiag.Socket
}

// Missing says why a source gave nothing.
func (r SocketRow) Missing(src Source) Reason {
	switch src {
	case SockDiag:
		if r.It.Told.Has(sockdiag.Netlink) {
			return Present
		}
		return r.Net.whyOf(r.It)
	case PIDFd:
		return r.Net.Missing(src)
	}
	return Present
}

// whyOf says why sock_diag did not tell of a socket.
func (s *Sockets) whyOf(sock *sockdiag.Socket) Reason {
	name := sock.ProtocolName()
	for i := range socketKinds {
		if socketKinds[i].name == name {
			return s.why[i]
		}
	}
	return Unsupported
}

// Before returns the same socket an interval ago, by its cookie.
func (r SocketRow) Before() (SocketRow, time.Duration, bool) {
	was, over, ok := r.Net.Before()
	if !ok || r.It.Cookie == 0 {
		return SocketRow{}, 0, false
	}
	i, ok := was.cookie()[r.It.Cookie]
	if !ok {
		return SocketRow{}, 0, false
	}
	return was.At(int(i)), over, true
}

// Kernel returns the kernel that was read.
func (r SocketRow) Kernel() Version { return r.Net.Kernel() }

// Owners returns who has it.
func (r SocketRow) Owners() Owners { return r.Net.OwnersOf(r.It.Inode) }

// ListenerOf returns the listener that a connection came to, by address and port;
// nil if there is none any more.
func (s *Sockets) ListenerOf(sock *sockdiag.Socket) *sockdiag.Socket {
	at := sock.Local()
	for _, e := range [...]endpoint{{at.Addr().As16(), at.Port()}, {port: at.Port()}} {
		if i, ok := s.listen()[e]; ok {
			return s.List.At(int(i))
		}
	}
	return nil
}

// listeners finds those of TCP by address and port; one of every address by port
// alone.
func (s *Sockets) listeners() map[endpoint]int32 {
	out := map[endpoint]int32{}
	for i := range s.List.Len() {
		if sock := s.List.At(i); sock.Stream() && sock.State == sockdiag.Listen {
			at := sock.Local()
			e := endpoint{at.Addr().As16(), at.Port()}
			if at.Addr().IsUnspecified() {
				e.addr = [16]byte{}
			}
			out[e] = int32(i)
		}
	}
	return out
}
