package net

import (
	"slices"
	"sync"
	"time"

	"kwhy/inspect"
	"kwhy/inspect/proc"
	"kwhy/inspect/sockdiag"
)

// SocketQuery says which sockets are wanted.
type SocketQuery struct {
	Dir    string // whose network namespace, below /proc: OwnDir, or a process's number
	Kinds  []string
	States sockdiag.Mask
	Bare   bool    // no memory, no tcp_info
	Owners bool    // walk the descriptors of all processes
	Walk   *FDWalk // where they were walked already
}

// Sockets are the sockets of one network namespace.
type Sockets struct {
	Host      *inspect.Host
	When      time.Time
	Dir       string
	Namespace uint64 // its number; 0 if it may not be seen
	Own       bool   // it is kwhy's own
	List      sockdiag.List
	Procs     *proc.Processes // whose descriptors were walked; nil if nobody asked
	// Interrupted says that sockets came and went while they were listed, each time
	// that it was tried.
	Interrupted bool
	// Denied is how many processes don't show their descriptors, of Walked.
	Denied, Walked int
	// ByOwner says that what is shown are the sockets of some processes.
	ByOwner bool
	Was     *Sockets

	holders inspect.Seen
	files   string // whose tables are read, below /proc, where sock_diag is not asked

	why    [len(socketKinds)]inspect.Reason // sock_diag gave nothing of a kind
	read   [len(socketKinds)]inspect.Reason // and neither did the file
	scan   *proc.FDScan
	owners []owned // by inode
	cookie func() map[uint64]int32
	inode  func() map[uint32]int32 // of unix sockets
	number func() map[uint32]int32 // of those that a file lists, by inode
	half   func() map[endpoint]int // connections half open, by listener's address
	listen func() map[endpoint]int32
}

// OwnDir is whose network namespace is meant where no process is named: kwhy's
// own, or that of the first process where /proc is of another PID namespace, such
// as a host's that is mounted in a container. In a copy it is where that has a directory net:
// below self, below "." or below the first process, which on a host is where the copy was made.
func OwnDir(h *inspect.Host) string {
	if h.Live && !h.SameProcesses() {
		return "1"
	}
	if !h.Live {
		for _, dir := range []string{"self", ".", "1"} {
			if names, err := h.Proc.Names(dir + "/net"); err == nil && len(names) > 0 {
				return dir
			}
		}
		return "."
	}
	return "self"
}

// numberOf returns the number of the network namespace that a directory of OwnDir's is of.
func numberOf(h *inspect.Host, dir string) (uint64, error) {
	if dir == "." {
		dir = "self"
	}
	return h.Namespace(dir, "net")
}

// tablesOf returns where the tables of sockets are that the process of dir sees: of a copy
// without them those of the namespace that it was made in, unless it says that the process is in
// another. What is looked up there by inode is found or not, whosever it is.
func tablesOf(h *inspect.Host, dir string) string {
	if h.Live {
		return dir
	}
	if _, err := h.Proc.Names(dir + "/net"); err == nil {
		return dir
	}
	own := OwnDir(h)
	its, err := numberOf(h, dir)
	number, unknown := numberOf(h, own)
	if err == nil && unknown == nil && its != number {
		return dir
	}
	return own
}

// TakeSockets lists the sockets of a network namespace: by sock_diag in kwhy's own, and
// in another where it may be entered; and from the files of /proc/PID/net what
// that does not tell, or where it may not be asked.
func TakeSockets(h *inspect.Host, q SocketQuery) (*Sockets, error) {
	s := &Sockets{Host: h, When: h.Now(), Dir: q.Dir, files: tablesOf(h, q.Dir)}
	s.Namespace, _ = numberOf(h, q.Dir)
	own, err := h.Namespace("self", "net")
	s.Own = err == nil && own == s.Namespace || q.Dir == "self" || s.Namespace == 0 && sharesFiles(h, q.Dir)
	s.cookie = sync.OnceValue(s.byCookie)
	s.inode = sync.OnceValue(s.byInode)
	s.number = sync.OnceValue(s.byNumber)
	s.half = sync.OnceValue(s.halfOpen)
	s.listen = sync.OnceValue(s.listeners)
	var walk sync.WaitGroup
	switch {
	case q.Walk != nil:
		s.owned(q.Walk)
	case q.Owners:
		ps, err := proc.Scan(h, inspect.Sources{})
		if err != nil {
			return nil, err
		}
		walk.Go(func() { s.owned(WalkFDs(h, ps)) })
	}
	err = s.dump(&q)
	walk.Wait()
	if pid, ok := inspect.ParsePID(q.Dir); ok && err != nil {
		err = orGone(h, pid, err)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
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

func (s *Sockets) byNumber() map[uint32]int32 {
	out := map[uint32]int32{}
	for i := range s.List.Len() {
		if sock := s.List.At(i); sock.Cookie == 0 && sock.Inode != 0 {
			out[sock.Inode] = int32(i)
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

// PeerOf returns the other side of a unix socket; nil if it is unknown.
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
func (s *Sockets) Missing(src inspect.Source) inspect.Reason {
	switch src {
	case inspect.SockDiag:
		for i := range socketKinds { // the first that was wanted stands for all
			if socketKinds[i].asked && s.why[i] != inspect.Unread {
				return s.why[i]
			}
		}
		return inspect.Unread
	case inspect.PIDFd:
		if s.Procs == nil {
			return inspect.Unread
		}
	}
	return inspect.Present
}

// Before returns the sample an interval ago.
func (s *Sockets) Before() (*Sockets, time.Duration, bool) {
	if s.Was == nil {
		return nil, 0, false
	}
	return s.Was, s.When.Sub(s.Was.When), true
}

// Kernel returns the kernel that was read.
func (s *Sockets) Kernel() inspect.Kernel { return s.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (s *Sockets) Doubt(src inspect.Source) inspect.Doubt { return s.Host.Doubt(src) }

// Gaps lists what could not be seen: sock_diag as a whole where it listed nothing of
// TCP, the files that took its place, and processes that don't show whose sockets
// they are. That a kernel has no sock_diag for a rare protocol is none: its file
// says what there is.
func (s *Sockets) Gaps() (out []inspect.Gap) {
	if r := s.Missing(inspect.SockDiag); r.IsGap() && r != inspect.Unread {
		out = append(out, inspect.Gap{Source: inspect.SockDiag, Reason: r, Count: 1, Of: 1})
	}
	counts := [inspect.NumReasons]int{}
	for i, r := range s.read {
		if lacks(i, r) {
			counts[r]++
		}
	}
	for r, n := range counts {
		if n > 0 {
			out = append(out, inspect.Gap{Source: inspect.PIDNet, Reason: inspect.Reason(r), Count: n, Of: len(s.read)})
		}
	}
	if s.Denied > 0 {
		out = append(out, inspect.Gap{Source: inspect.PIDFd, Reason: inspect.Denied, Count: s.Denied, Of: s.Walked})
	}
	if g, ok := s.holders.Unlisted(); ok {
		out = append(out, g)
	}
	return out
}

// SeenOf returns how much was seen of the processes whose descriptors say whose a socket is.
// The kernel lists the sockets themselves to everybody.
func (s *Sockets) SeenOf(src inspect.Source) inspect.Seen {
	switch {
	case src == inspect.NetSockets, src == inspect.SockDiag:
		return s.listed("socket")
	case src.Scope() == inspect.OfProcess:
		return s.holders
	}
	return inspect.Seen{}
}

// Seen returns how much was seen of the sockets: all that the kernel has, but those of
// protocols that neither it nor a file listed; and, where those of a process were asked for,
// those that could be found by descriptors.
func (s *Sockets) Seen() inspect.Seen {
	if s.ByOwner {
		return s.holders
	}
	return s.listed("socket")
}

// lacks reports whether a table was not seen, by what became of its file. A kernel may be without
// those of rare protocols, and of IPv6; it is not without TCP.
func lacks(table int, r inspect.Reason) bool {
	return r.IsGap() && r != inspect.Unread && (r != inspect.Unsupported || table == 0)
}

// listed returns how much was seen of the sockets of some tables; none named is all.
func (s *Sockets) listed(each string, tables ...string) inspect.Seen {
	of := func(i int) bool { return len(tables) == 0 || slices.Contains(tables, socketKinds[i].name) }
	for i, r := range s.read {
		if !of(i) || !lacks(i, r) {
			continue
		}
		n := 0
		for at := range s.List.Len() {
			if len(tables) == 0 || slices.Contains(tables, s.List.At(at).ProtocolName()) {
				n++
			}
		}
		return inspect.Seen{Each: each, Seen: n, All: n, Open: true, Beyond: r, Source: inspect.PIDNet, Reason: r}
	}
	return inspect.Seen{}
}

// whyNone says why a table gave no sockets; Present where it was listed, and Unread where nobody
// asked for it.
func (s *Sockets) whyNone(table string) inspect.Reason {
	for i := range socketKinds {
		if socketKinds[i].name == table && s.why[i] != inspect.Present {
			return s.read[i]
		}
	}
	return inspect.Present
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
func (r SocketRow) Missing(src inspect.Source) inspect.Reason {
	switch src {
	case inspect.SockDiag:
		if r.It.Told.Has(sockdiag.Netlink) {
			return inspect.Present
		}
		return r.Net.whyOf(r.It)
	case inspect.PIDFd:
		return r.Net.Missing(src)
	}
	return inspect.Present
}

// whyOf says why sock_diag did not list a socket.
func (s *Sockets) whyOf(sock *sockdiag.Socket) inspect.Reason {
	name := sock.ProtocolName()
	for i := range socketKinds {
		if socketKinds[i].name == name {
			return s.why[i]
		}
	}
	if !s.Host.Live {
		return inspect.NotSaved
	}
	return inspect.Unsupported
}

// Before returns the same socket an interval ago: by its cookie, which no other has
// in this boot, or, where a file lists it, by its number and its own address.
func (r SocketRow) Before() (SocketRow, time.Duration, bool) {
	was, over, ok := r.Net.Before()
	if !ok {
		return SocketRow{}, 0, false
	}
	i, ok := was.same(r.It)
	if !ok {
		return SocketRow{}, 0, false
	}
	return was.At(int(i)), over, true
}

// same finds a socket of a later list.
func (s *Sockets) same(later *sockdiag.Socket) (int32, bool) {
	if later.Cookie != 0 {
		i, ok := s.cookie()[later.Cookie]
		return i, ok
	}
	if later.Inode == 0 {
		return 0, false
	}
	i, ok := s.number()[later.Inode]
	if !ok {
		return 0, false
	}
	it := s.List.At(int(i))
	return i, it.Cookie == 0 && it.Family == later.Family && it.Protocol == later.Protocol &&
		it.LocalPort == later.LocalPort && it.LocalAddr == later.LocalAddr
}

// Kernel returns the kernel that was read.
func (r SocketRow) Kernel() inspect.Kernel { return r.Net.Kernel() }

// Doubt says why what a source says is not the kernel's own.
func (r SocketRow) Doubt(src inspect.Source) inspect.Doubt { return r.Net.Doubt(src) }

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
