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

// Add appends a copy of a socket.
func (l *List) Add(s *Socket) { l.add(s, nil) }

// add appends a copy of a socket, with a tcp_info of the kernel's.
func (l *List) add(s *Socket, info []byte) {
	if l.n == len(l.pieces)*pieceRows {
		size := pieceRows
		if l.n == 0 {
			size = 64 // most processes and many hosts have few
		}
		l.pieces = append(l.pieces, make([]Socket, 0, size))
	}
	last := &l.pieces[len(l.pieces)-1]
	*last = append(*last, *s)
	if len(info) > 0 {
		(*last)[len(*last)-1].Info = l.keep(info)
	}
	l.n++
}

// keep packs a tcp_info to where it may stay.
func (l *List) keep(info []byte) TCPInfo {
	if cap(l.arena)-len(l.arena) < wordsAt+4*mostWords {
		l.arena = make([]byte, 0, min(arenaBytes, max(4096, 4*cap(l.arena))))
	}
	at := len(l.arena)
	l.arena = appendInfo(l.arena, info)
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
