package sockdiag

// List holds sockets in pieces that never move: growing it copies nothing.
type List struct {
	pieces [][]Socket
	n      int
	arena  []byte
	names  map[string]string // of congestion controls: a few, shared by all
}

const (
	pieceRows  = 1024
	arenaBytes = 256 << 10
)

// Len returns how many there are.
func (l *List) Len() int { return l.n }

// At returns one of them, which may be kept.
func (l *List) At(i int) *Socket { return &l.pieces[i/pieceRows][i%pieceRows] }

// Add appends a copy of a socket and of the tcp_info that it leads to.
func (l *List) Add(s *Socket) {
	if l.n == len(l.pieces)*pieceRows {
		size := pieceRows
		if l.n == 0 {
			l.pieces = append(l.pieces, make([]Socket, 0, 64)) // most processes and many hosts have few
		} else {
			l.pieces = append(l.pieces, make([]Socket, 0, size))
		}
	}
	last := &l.pieces[len(l.pieces)-1]
	*last = append(*last, *s)
	(*last)[len(*last)-1].Info = l.keep(s.Info)
	l.n++
}

// keep copies a tcp_info to where it may stay, cut to what TCPInfo can tell.
func (l *List) keep(info TCPInfo) TCPInfo {
	if len(info) == 0 {
		return nil
	}
	info = info[:min(len(info), infoBytes)]
	if cap(l.arena)-len(l.arena) < len(info) {
		l.arena = make([]byte, 0, min(arenaBytes, max(4096, 4*cap(l.arena))))
	}
	at := len(l.arena)
	l.arena = append(l.arena, info...)
	return TCPInfo(l.arena[at:len(l.arena):len(l.arena)])
}

// intern returns the same text for the same bytes.
func (l *List) intern(b []byte) string {
	if s, ok := l.names[string(b)]; ok {
		return s
	}
	if l.names == nil {
		l.names = map[string]string{}
	}
	s := string(b)
	l.names[s] = s
	return s
}

// cut drops what was added after the first n.
func (l *List) cut(n int) {
	for l.n > n {
		last := len(l.pieces) - 1
		keep := max(n-last*pieceRows, 0)
		l.n -= len(l.pieces[last]) - keep
		if l.pieces[last] = l.pieces[last][:keep]; keep == 0 {
			l.pieces = l.pieces[:last]
		}
	}
}
