package fd

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/net"
	"kwhy/inspect/proc"
	"kwhy/inspect/sockdiag"
)

// Socket describes the socket that a descriptor leads to.
type Socket struct {
	Protocol    string // tcp, tcp6, udp, udp6, raw, unix, netlink, packet, ...
	Local, Peer netip.AddrPort
	State       string // of TCP, or of a unix socket
	Send, Recv  uint64 // bytes in the queues; of a listening one Recv is the accept queue
	Path        string // of a unix socket; @ stands for the zero byte of an abstract one
	Type        string // stream, dgram, seqpacket, of a unix socket
	Note        string // what else there is to say: the netlink family
	PeerInode   uint64 // of a connected unix socket; 0 if unknown
	PeerPath    string // and where that is bound
}

// socketsOf resolves the sockets of a process, in its own network namespace.
func socketsOf(h *inspect.Host, l *List, dir string) {
	wanted := map[uint64][]int{}
	for i := range l.List[:l.Shown] {
		if n, ok := proc.InodeIn([]byte(l.List[i].Link)); ok && l.List[i].Kind == proc.KindSocket {
			wanted[n] = append(wanted[n], i)
		}
	}
	if len(wanted) == 0 {
		return
	}
	all, err := fdSockets(h, dir)
	if l.Sources[inspect.PIDNet] = h.PidReason(dir, err); err != nil {
		return
	}
	for n := range all.List.Len() {
		sock := all.List.At(n)
		for _, i := range wanted[uint64(sock.Inode)] {
			l.List[i].Socket = described(all, sock)
		}
	}
}

// fdSockets lists the sockets of a process's network namespace that a descriptor may
// lead to.
func fdSockets(h *inspect.Host, dir string) (*net.Sockets, error) {
	return net.TakeSockets(h, net.SocketQuery{Dir: dir, States: sockdiag.Every &^ sockdiag.Of(sockdiag.TimeWait), Bare: true})
}

// eachSocket passes on each of them.
func eachSocket(h *inspect.Host, dir string, do func(inode uint64, s *Socket)) error {
	all, err := fdSockets(h, dir)
	if err != nil {
		return err
	}
	for i := range all.List.Len() {
		if sock := all.List.At(i); sock.Inode != 0 {
			do(uint64(sock.Inode), described(all, sock))
		}
	}
	return nil
}

// described is a socket in the words that people use.
func described(s *net.Sockets, sock *sockdiag.Socket) *Socket {
	out := &Socket{
		Protocol: sock.ProtocolName(), State: sock.StateName(), Local: sock.Local(), Peer: sock.Remote(),
		Send: uint64(sock.WQueue), Recv: uint64(sock.RQueue),
	}
	switch {
	case sock.Family == unix.AF_NETLINK:
		out.Note = net.NetlinkFamily(sock.Protocol)
	case sock.Unix == nil:
	default:
		out.Path, out.Type = sock.Unix.Name, sock.Unix.TypeName()
		if peer := s.PeerOf(sock); peer != nil {
			out.PeerInode, out.PeerPath = uint64(peer.Inode), peer.Unix.Name
		}
	}
	return out
}
