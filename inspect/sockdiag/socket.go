package sockdiag

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// State is a socket's state: sk_state, which all families number as TCP does
// (include/net/tcp_states.h).
type State uint8

// The states.
const (
	Established State = iota + 1
	SynSent
	SynRecv
	FinWait1
	FinWait2
	TimeWait
	Close
	CloseWait
	LastAck
	Listen
	Closing
	NewSynRecv
	BoundInactive // asked for by this, reported as Close: since 6.8
	nStates
)

var stateNames = [nStates]string{
	"", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
	"LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV", "BOUND_INACTIVE",
}

// String returns the state as the kernel spells it; "" for one of a later kernel.
func (s State) String() string {
	if s < nStates {
		return stateNames[s]
	}
	return ""
}

// Mask is a set of states.
type Mask uint32

// Every state there is.
const Every Mask = ^Mask(0)

// Of returns the set of list.
func Of(list ...State) (m Mask) {
	for _, s := range list {
		m |= 1 << s
	}
	return m
}

// Has reports whether s is in the set.
func (m Mask) Has(s State) bool { return m>>s&1 != 0 }

// Told says which groups of values the kernel gave.
type Told uint16

// The groups. What is of the socket itself (addresses, state, queues, inode) is
// always there.
const (
	Netlink  Told = 1 << iota // all of it is from sock_diag
	Memory                    // Mem, all nine
	Dropped                   // Mem[Drops], at least
	Cgroup                    // CgroupID: since 5.8
	Mark                      // with CAP_NET_ADMIN alone
	Shutdown                  // which directions are closed
	V6Only                    // whether a listener of IPv6 refuses IPv4
	Peer                      // Unix.Peer: it has one
	Queues                    // RQueue and WQueue
)

// Has reports whether a group is there.
func (t Told) Has(g Told) bool { return t&g == g }

// The indices of Socket.Mem: SK_MEMINFO_* (include/uapi/linux/sock_diag.h).
const (
	RmemAlloc  = iota // bytes that wait to be read, with what keeping them costs
	RcvBuf            // most that RmemAlloc may be
	WmemAlloc         // bytes handed to the layers below and not sent by the device yet
	SndBuf            // most that may wait to be sent
	FwdAlloc          // bytes set aside for it and not in use
	WmemQueued        // bytes in the send queue, with what keeping them costs
	OptMem            // bytes of options and filters
	Backlog           // bytes that came while the socket was in use
	Drops             // packets dropped; of a listener SYNs and connections
	nMem
)

// Socket is one socket. Numbers of bytes and connections are as the kernel has
// them; addresses are 16 bytes; IPv4 uses the first four.
type Socket struct {
	Family, Protocol      uint8 // AF_*; IPPROTO_*, or of netlink NETLINK_*
	State                 State
	Timer                 uint8 // that runs: 1 retransmission, 2 keepalive, 3 TIME_WAIT, 4 window probes
	Retrans               uint8 // tries of it
	Closed                uint8 // 1 receiving, 2 sending
	Only6                 bool
	Told                  Told
	LocalPort, PeerPort   uint16
	LocalAddr, PeerAddr   [16]byte
	Interface             uint32 // that it is bound to; 0 is none
	Expires               uint32 // ms until the timer goes off
	RQueue, WQueue        uint32 // bytes unread; unsent or unanswered. Of a listener: waiting, and the limit
	UID, Inode, MarkValue uint32 // inode 0: no process has it, or not yet
	Mem                   [nMem]uint32
	Cookie                uint64 // its own in this boot; 0 from /proc
	CgroupID              uint64 // of cgroup v2, where it was made
	Cong                  string // congestion control
	Info                  TCPInfo
	Unix                  *Unix
}

// Unix is what a unix socket has besides.
type Unix struct {
	Type     uint8 // SOCK_*
	Name     string
	Peer     uint32   // inode of the other side
	Pending  []uint32 // inodes of those who wait to be accepted by a listener
	VFSInode uint32   // of the file that it is bound to; 0 is none
	VFSDev   uint32   // and its device, as the kernel packs it
}

// Local is where the socket is bound. An IPv4 address in an IPv6 socket is given
// as what it is.
func (s *Socket) Local() netip.AddrPort { return s.endpoint(&s.LocalAddr, s.LocalPort) }

// Remote is the peer's address; all zeros if none is set.
func (s *Socket) Remote() netip.AddrPort { return s.endpoint(&s.PeerAddr, s.PeerPort) }

func (s *Socket) endpoint(a *[16]byte, port uint16) netip.AddrPort {
	switch s.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[:4])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(*a).Unmap(), port)
	}
	return netip.AddrPort{}
}

// Connected reports whether a peer is set.
func (s *Socket) Connected() bool { return s.PeerPort != 0 || s.PeerAddr != [16]byte{} }

// Stream reports whether it is of TCP.
func (s *Socket) Stream() bool {
	return s.Protocol == unix.IPPROTO_TCP && (s.Family == unix.AF_INET || s.Family == unix.AF_INET6)
}

// IsListener reports whether connections come to it.
func (s *Socket) IsListener() bool {
	return s.State == Listen && (s.Stream() || s.Family == unix.AF_UNIX)
}

// ProtocolName names family and protocol as the files of /proc/net are called.
func (s *Socket) ProtocolName() string {
	switch s.Family {
	case unix.AF_UNIX:
		return "unix"
	case unix.AF_NETLINK:
		return "netlink"
	case unix.AF_PACKET:
		return "packet"
	}
	six := s.Family == unix.AF_INET6
	for _, p := range inetNames {
		if p.number == s.Protocol && p.six == six {
			return p.name
		}
	}
	if six {
		return "raw6" // of a protocol that its program chose
	}
	return "raw"
}

var inetNames = [...]struct {
	number uint8
	six    bool
	name   string
}{
	{unix.IPPROTO_TCP, false, "tcp"}, {unix.IPPROTO_TCP, true, "tcp6"}, {unix.IPPROTO_UDP, false, "udp"}, {unix.IPPROTO_UDP, true, "udp6"},
	{
		unix.IPPROTO_UDPLITE, false, "udplite",
	}, {unix.IPPROTO_UDPLITE, true, "udplite6"}, {unix.IPPROTO_ICMP, false, "icmp"}, {unix.IPPROTO_ICMPV6, true, "icmp6"},
}

// StateName is the state in words; "" where the state says nothing. What is not
// of TCP is connected or not.
func (s *Socket) StateName() string {
	switch {
	case s.Family == unix.AF_UNIX && s.State == Established:
		return "CONNECTED"
	case s.Family == unix.AF_UNIX && s.State != Listen:
		return "UNCONNECTED"
	case s.Stream(), s.Family == unix.AF_UNIX, s.State == Established:
		return s.State.String()
	}
	return ""
}

// TypeName is the type of a unix socket.
func (u *Unix) TypeName() string {
	switch u.Type {
	case unix.SOCK_STREAM:
		return "stream"
	case unix.SOCK_DGRAM:
		return "dgram"
	case unix.SOCK_SEQPACKET:
		return "seqpacket"
	}
	return ""
}
