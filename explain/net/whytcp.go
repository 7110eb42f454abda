package net

import (
	"strconv"

	"kwhy/explain/units"
	"kwhy/inspect/sockdiag"
)

// tcp says where the bytes of a connection wait, or what its end waits for.
func (s *sentence) tcp(r row) {
	it := r.It
	switch it.State {
	case sockdiag.Listen:
		s.listener(r)
	case sockdiag.Established:
		s.established(r)
	case sockdiag.SynSent:
		s.add("has asked for a connection, and has no answer")
		s.tried(it)
	case sockdiag.SynRecv, sockdiag.NewSynRecv:
		s.add("half open: answered, and the peer has yet to confirm")
		s.tried(it)
	case sockdiag.CloseWait:
		s.closeWait(r)
	case sockdiag.TimeWait:
		s.add("closed by both, this side first; kept 60 s so that late segments die")
		s.left(it, ": ", " left")
	case sockdiag.FinWait1:
		s.closed(it)
		s.add(", and the peer has not acknowledged that")
		s.unsent(r)
		s.orphan(it)
	case sockdiag.FinWait2:
		s.closed(it)
		s.add(", and the peer has yet to close")
		s.orphan(it)
		s.left(it, "; dropped in ", "")
	case sockdiag.LastAck:
		s.both(it)
		s.add(", the peer first; its last acknowledgement is due")
		s.unsent(r)
		s.orphan(it)
	case sockdiag.Closing:
		s.both(it)
		s.add(" at the same time; the peer's acknowledgement is due")
		s.unsent(r)
		s.orphan(it)
	case sockdiag.Close:
		s.add("bound to its address, neither listening nor connected")
	default:
		s.add("in a state that this kernel has and kwhy does not know")
	}
}

// tried says how often it was sent again.
func (s *sentence) tried(it *sockdiag.Socket) {
	if it.Retrans > 0 {
		s.add("; retransmitted ")
		s.count(uint64(it.Retrans), "time", "times")
	}
}

// left says how long the kernel keeps what no process has any more.
func (s *sentence) left(it *sockdiag.Socket, before, behind string) {
	const timewait = 3
	if it.Timer == timewait {
		s.add(before)
		s.span(float64(it.Expires) / 1e3)
		s.add(behind)
	}
}

// closed says that a FIN was sent. A program that still has the socket has shut it down for sending, and may
// read on (net/ipv4/tcp.c, tcp_shutdown); close takes its file away.
func (s *sentence) closed(it *sockdiag.Socket) {
	if it.Inode == 0 {
		s.add("closed here")
		return
	}
	s.add("shut down for sending here, but not closed")
}

// both says that both sides have sent a FIN, and whether the program here has closed.
func (s *sentence) both(it *sockdiag.Socket) {
	if it.Inode == 0 {
		s.add("closed by both")
		return
	}
	s.add("both have stopped sending")
}

// orphan says that the kernel alone has it.
func (s *sentence) orphan(it *sockdiag.Socket) {
	if it.Inode == 0 {
		s.add("; an orphan: no process has it any more")
	}
}

// unsent says what was written before the FIN and is not acknowledged: the FIN counts as one byte.
func (s *sentence) unsent(r row) {
	if n := unackedBytes(r.It); n > 0 {
		s.add("; ")
		s.size(n)
		s.add(" before it are not acknowledged either")
	}
}

// closeWait is the peer's close, which the program here has not followed.
func (s *sentence) closeWait(r row) {
	s.add("the peer has closed, and ")
	if r.It.Inode == 0 {
		s.add("the connection was never accepted")
		s.acceptor(r)
		return
	}
	s.program(r)
	s.add(" has yet to close it")
	if r.It.RQueue > 1 { // the peer's close counts as one byte
		s.add("; it has not read ")
		s.size(uint64(r.It.RQueue - 1))
	}
	if r.It.WQueue > 0 {
		s.add("; ")
		s.size(uint64(r.It.WQueue))
		s.add(" that it wrote are not acknowledged")
	}
}

// acceptor names the listener that a connection without a process waits at: it
// has no file before it is accepted (net/core/sock.c, sock_i_ino).
func (s *sentence) acceptor(r row) {
	s.add(": it waits in the queue of port ", strconv.Itoa(int(r.It.LocalPort)))
	if l := r.Net.ListenerOf(r.It); l != nil {
		if list := r.Net.OwnersOf(l.Inode); list.Len() > 0 && list.At(0).P.Comm != "" {
			s.add(" for ")
			s.process(list.At(0).P)
		}
	}
}

// established says where the bytes of a connection wait: those to be read first,
// then those to be sent; and what held it back before, if nothing does now.
func (s *sentence) established(r row) {
	it := r.It
	began := len(s.b)
	if it.Inode == 0 {
		s.add("connected, and not accepted yet")
		s.acceptor(r)
	}
	if it.RQueue > 0 {
		s.semicolon(began)
		s.size(uint64(it.RQueue))
		s.add(" wait for ")
		s.program(r)
		s.add(" to read them")
		s.since(it)
	}
	if it.WQueue > 0 {
		s.semicolon(began)
		s.sending(r)
	}
	if len(s.b) == began {
		s.add("nothing waits")
		if ms, ok := it.Info.Get(sockdiag.LastDataRecv); ok && ms > 0 && it.Info.Num(sockdiag.BytesReceived) > 0 {
			s.add("; data last came ")
			s.span(float64(ms) / 1e3)
			s.add(" ago")
		}
	}
	s.history(it)
}

func (s *sentence) semicolon(began int) {
	if len(s.b) > began {
		s.add("; ")
	}
}

// since says how long all of it has waited at least: the last of it came then.
func (s *sentence) since(it *sockdiag.Socket) {
	if ms, ok := it.Info.Get(sockdiag.LastDataRecv); ok && ms >= 1000 {
		s.add(", for ")
		s.span(float64(ms) / 1e3)
		s.add(" at least")
	}
	if n, ok := it.Info.Get(sockdiag.RcvWnd); ok && n == 0 {
		s.add(": the peer may send no more until then")
	}
}

const (
	probing     = 4 // the timer of window probes (net/ipv4/inet_diag.c)
	caRecovery  = 3 // TCP_CA_Recovery
	caLoss      = 4 // TCP_CA_Loss
	wholeWindow = 1<<32 - 1
)

// sending says why bytes are not acknowledged yet: the peer's window is closed,
// the network loses them, a window is full, or they are in flight.
func (s *sentence) sending(r row) {
	it := r.It
	unsent, known := it.Info.Get(sockdiag.NotsentBytes)
	way := uint64(it.WQueue) - min(unsent, uint64(it.WQueue))
	window := uint64(wholeWindow)
	if n, ok := it.Info.Get(sockdiag.SndWnd); ok {
		window = n
	}
	switch {
	case it.Timer == probing, unsent > 0 && window == 0:
		s.closedWindow(it, window)
	case it.Info.Num(sockdiag.Retransmits) > 0, it.Info.Num(sockdiag.CAState) == caLoss:
		s.silence(it)
	case it.Info.Num(sockdiag.CAState) == caRecovery:
		s.size(way)
		s.add(" are in the network")
		if lost := it.Info.Num(sockdiag.Lost); lost > 0 {
			s.add(": ")
			s.count(lost, "segment was lost and is", "segments were lost and are")
			s.add(" retransmitted")
		} else {
			s.add("; lost segments are retransmitted")
		}
	case !known:
		s.size(uint64(it.WQueue))
		s.add(" are sent and not acknowledged, or not sent yet")
	case unsent > 0 && window-min(way, window) < it.Info.Num(sockdiag.SndMSS):
		s.size(unsent)
		s.add(" wait for room in the peer's window of ")
		s.size(window)
		s.add(": it reads too slowly, or its buffer is small for this round trip")
	case unsent > 0 && it.Info.Num(sockdiag.Unacked) >= it.Info.Num(sockdiag.SndCwnd):
		s.size(unsent)
		s.add(" wait for the congestion window: ")
		s.count(it.Info.Num(sockdiag.Unacked), "segment is", "segments are")
		s.add(" in flight, the round trip takes ")
		s.span(float64(it.Info.Num(sockdiag.RTT)) / 1e6)
	case unsent > 0:
		s.size(unsent)
		s.add(" wait in its send buffer: for the pace, for more to fill a segment, or for this host's interface")
	default:
		s.size(way)
		s.add(" are in flight and not acknowledged yet; the round trip takes ")
		s.span(float64(it.Info.Num(sockdiag.RTT)) / 1e6)
	}
	if it.Told.Has(sockdiag.Memory) && it.Mem[sockdiag.WmemQueued] >= it.Mem[sockdiag.SndBuf] {
		s.add("; its send buffer is full, so that ")
		s.program(r)
		s.add(" has to wait to write")
	}
}

// closedWindow is a peer that takes no more.
func (s *sentence) closedWindow(it *sockdiag.Socket, window uint64) {
	s.size(uint64(it.WQueue))
	s.add(" wait in the peer's window, which is ")
	if window > 0 && window < wholeWindow {
		s.add("too small for a segment: ")
	} else {
		s.add("closed: ")
	}
	s.add("its program does not read")
	if n := probes(it); n > 0 {
		s.add("; probed ")
		s.count(n, "time", "times")
		s.add(" or more")
	}
	if n := it.Info.Num(sockdiag.Probes); n >= unansweredProbes {
		s.add(" without an answer: the peer may be gone, or what is sent does not leave this host")
	}
}

// silence is a peer, or a network, that acknowledges nothing.
func (s *sentence) silence(it *sockdiag.Socket) {
	s.size(uint64(it.WQueue))
	s.add(" wait in the network: nothing was acknowledged ")
	if n := it.Info.Num(sockdiag.Retransmits); n > 0 {
		s.add("though it was retransmitted ")
		s.count(n, "time", "times")
	} else {
		s.add("in time")
	}
	if it.Expires > 0 {
		s.add(", and will be in ")
		s.span(float64(it.Expires) / 1e3)
	}
}

// notable is from which part on it is worth saying.
const notable = 0.05

// history says what held the connection back in the time that it had something to
// send, and how much it had to send again.
func (s *sentence) history(it *sockdiag.Socket) {
	busy := float64(it.Info.Num(sockdiag.BusyTime))
	for _, h := range [...]struct {
		f    sockdiag.InfoField
		says string
	}{
		{sockdiag.RwndLimited, " of its sending time the peer's window held it back"},
		{sockdiag.SndbufLimited, " of its sending time its own buffer was too small"},
	} {
		if n := float64(it.Info.Num(h.f)); busy > 0 && n/busy >= notable {
			s.add("; ")
			s.percent(min(n/busy, 1))
			s.add(h.says)
		}
	}
	const few = 5 // too few for a share
	again, sent := dataAgain(it), it.Info.Num(sockdiag.DataSegsOut)
	if sent > 0 && again >= few && float64(again)/float64(sent) >= notable/5 {
		s.add("; ")
		s.b = units.AppendPercent(s.b, min(float64(again)/float64(sent), 1))
		s.add(" of its segments with data were retransmitted")
	}
}
