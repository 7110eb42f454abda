package fd

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"kwhy/inspect"
	"kwhy/inspect/net"
	"kwhy/inspect/proc"
)

// netNamespace is a network namespace that processes live in.
type netNamespace struct {
	number uint64
	pid    int32  // one of them; 0 where it is kwhy's own
	dir    string // where that has its files, below /proc
}

// netNamespaces finds the network namespaces that processes live in, kwhy's own
// first. Those of processes whose links may not be read are not among them.
func netNamespaces(h *inspect.Host, ps *proc.Processes) []netNamespace {
	own, _ := h.Namespace("self", "net")
	dir := "self"
	if !h.Live {
		dir = net.OwnDir(h)
	}
	out := []netNamespace{{own, 0, dir}}
	seen := map[uint64]bool{own: true}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Kthread() {
			continue
		}
		if n, err := h.Namespace(p.Home(h), "net"); err == nil && !seen[n] {
			seen[n] = true
			out = append(out, netNamespace{n, p.PID, p.Home(h)})
		}
	}
	return out
}

// SocketHolder is a process that has a socket with the address that was asked for.
type SocketHolder struct {
	P      *proc.Process
	FDs    []int32
	Inode  uint64
	Socket *Socket
	Remote bool // the address is the peer's
	Maybe  bool // it is a wildcard of IPv6, which need not serve the IPv4 that was asked for
	// Netns is the network namespace that it is in, and NetnsPID a process there; 0
	// where that is kwhy's own.
	Netns    uint64
	NetnsPID int32
}

// SocketHolders are all of them.
type SocketHolders struct {
	inspect.Unpaired[*SocketHolders]

	Procs      *proc.Processes
	List       []SocketHolder
	Namespaces int // that were looked at
	Unheld     int // sockets with that address for which no process could be found

	seen inspect.Seen
	gaps []inspect.Gap
}

// Missing says that there is an answer: what could not be looked at is in Gaps.
func (l *SocketHolders) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// Kernel returns the kernel that was read.
func (l *SocketHolders) Kernel() inspect.Kernel { return l.Procs.Host.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (l *SocketHolders) Doubt(src inspect.Source) inspect.Doubt { return l.Procs.Host.Host.Doubt(src) }

// Seen returns how many processes showed what they have open.
func (l *SocketHolders) Seen() inspect.Seen { return l.seen }

// Taken returns when reading began.
func (l *SocketHolders) Taken() time.Time { return l.Procs.Host.At }

// Len returns how many there are.
func (l *SocketHolders) Len() int { return len(l.List) }

// At returns one of them.
func (l *SocketHolders) At(i int) SocketHolderPart {
	return SocketHolderPart{In: l, It: &l.List[i], N: i}
}

// Gaps says how many processes could not be looked at.
func (l *SocketHolders) Gaps() []inspect.Gap {
	return l.gaps
}

// SocketHolderPart is one of them in its context.
type SocketHolderPart = inspect.Part[*SocketHolders, SocketHolder]

// wantedAddress is an address that sockets are looked for by.
type wantedAddress struct {
	addr netip.Addr // invalid, or all zeros: any
	port uint16
}

// serves reports whether a socket that is bound so gets what is sent to the address. A
// wildcard of IPv6 may serve IPv4 as well: whether it refuses to (IPV6_V6ONLY),
// /proc/net does not say.
func (w *wantedAddress) serves(local netip.AddrPort) bool {
	a := local.Addr()
	switch {
	case local.Port() != w.port:
		return false
	case !w.addr.IsValid() || w.addr.IsUnspecified() || a == w.addr:
		return true
	case a.IsUnspecified():
		return a.Is6() || w.addr.Is4()
	}
	return false
}

// is reports whether the peer of a socket has the address.
func (w *wantedAddress) is(peer netip.AddrPort) bool {
	return peer.Port() == w.port && w.port != 0 && (!w.addr.IsValid() || w.addr.IsUnspecified() || peer.Addr() == w.addr)
}

// hasPorts reports whether a protocol's sockets have ports: raw ones have the number of
// their protocol in that place, and those of ping an identifier.
func hasPorts(protocol string) bool {
	return strings.HasPrefix(protocol, "tcp") || strings.HasPrefix(protocol, "udp")
}

// TakeSocketHolders finds who has the sockets with an address, local or the peer's, in
// every network namespace that a process lives in. An address of all zeros, or none,
// is any.
func TakeSocketHolders(h *inspect.Host, ps *proc.Processes, addr netip.Addr, port uint16) (*SocketHolders, error) {
	w := wantedAddress{addr.Unmap().WithZone(""), port}
	wanted := map[uint64]*SocketHolder{}
	spaces := netNamespaces(h, ps)
	for i, n := range spaces {
		err := eachSocket(h, n.dir, func(inode uint64, s *Socket) {
			if !hasPorts(s.Protocol) || wanted[inode] != nil {
				return
			}
			if local, peer := w.serves(s.Local), w.is(s.Peer); local || peer {
				wanted[inode] = &SocketHolder{
					Inode: inode, Socket: s, Remote: !local,
					Maybe: local && w.addr.Is4() && s.Local.Addr() == netip.IPv6Unspecified(), Netns: n.number,
					NetnsPID: n.pid,
				}
			}
		})
		if err != nil && i == 0 {
			return nil, err
		}
	}
	return havers(h, ps, wanted, len(spaces)), nil
}

// havers finds who has the sockets.
func havers(h *inspect.Host, ps *proc.Processes, wanted map[uint64]*SocketHolder, spaces int) *SocketHolders {
	type who struct {
		row   int
		inode uint64
	}
	var mu sync.Mutex
	found := map[who][]int32{}
	scan := proc.ScanFDs(h, ps, func(row int, fd int32, link []byte, k proc.FileKind) {
		if k != proc.KindSocket {
			return
		}
		if n, ok := proc.InodeIn(link); ok && wanted[n] != nil {
			mu.Lock()
			found[who{row, n}] = append(found[who{row, n}], fd)
			mu.Unlock()
		}
	})
	out := &SocketHolders{Procs: ps, Namespaces: spaces}
	held := map[uint64]bool{}
	for k, fds := range found {
		it := *wanted[k.inode]
		slices.Sort(fds)
		it.P, it.FDs, held[k.inode] = &ps.Rows[k.row], fds, true
		out.List = append(out.List, it)
	}
	out.Unheld = len(wanted) - len(held)
	slices.SortFunc(out.List, func(a, b SocketHolder) int {
		return cmp.Or(cmp.Compare(a.P.PID, b.P.PID), cmp.Compare(a.FDs[0], b.FDs[0]))
	})
	out.seen, out.gaps = scan.Seen(), scan.Gaps()
	return out
}
