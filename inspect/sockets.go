package inspect

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Socket is a socket as /proc/net tells of it.
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

// tcpStates are by number (include/net/tcp_states.h).
var tcpStates = [...]string{"", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"}

// socketsOf resolves the sockets of a process, in its own network namespace.
func (h *Host) socketsOf(l *FDList, dir string) {
	wanted := map[uint64][]int{}
	for i := range l.List[:l.Shown] {
		if n, ok := inodeIn([]byte(l.List[i].Link)); ok && l.List[i].Kind == KindSocket {
			wanted[n] = append(wanted[n], i)
		}
	}
	if len(wanted) == 0 {
		return
	}
	local := map[uint64]*Socket{}
	l.Sources[PIDNet] = h.pidReason(dir, h.eachSocket(dir+"/net", func(inode uint64, s *Socket) {
		for _, i := range wanted[inode] {
			l.List[i].Socket = s
		}
		if s.Protocol == "unix" {
			local[inode] = s
		}
	}))
	h.peersOf(l, dir, local)
}

// peersOf finds the peers of unix sockets, where sock_diag speaks of the process's
// network namespace.
func (h *Host) peersOf(l *FDList, dir string, local map[uint64]*Socket) {
	theirs, err1 := h.namespace(dir, "net")
	own, err2 := h.namespace("self", "net")
	if len(local) == 0 || !h.sameProcesses() || err1 != nil || err2 != nil || theirs != own {
		return
	}
	peers, queued, err := unixPeers()
	if err != nil {
		return // then they are unknown
	}
	for i := range l.List[:l.Shown] {
		s := l.List[i].Socket
		n, ok := inodeIn([]byte(l.List[i].Link))
		if ok && s != nil && s.Protocol == "unix" && s.State == "LISTEN" {
			s.Recv = queued[n]
		}
		if ok && s != nil && s.Protocol == "unix" && peers[n] != 0 {
			if s.PeerInode = peers[n]; local[s.PeerInode] != nil {
				s.PeerPath = local[s.PeerInode].Path
			}
		}
	}
}

// eachSocket hands on the sockets in a directory of the kind of /proc/net. A file
// that the kernel does not have is passed over; the error is that of tcp, which
// every kernel with a network has.
func (h *Host) eachSocket(dir string, do func(inode uint64, s *Socket)) (first error) {
	for i, name := range []string{"tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6", "icmp", "icmp6", "unix", "netlink", "packet"} {
		err := h.proc.with(dir+"/"+name, func(b []byte) error {
			_, b = cutLine(b)
			for len(b) > 0 {
				var line []byte
				line, b = cutLine(b)
				if inode, s, ok := parseSocket(name, string(line)); ok && inode != 0 {
					do(inode, s)
				}
			}
			return nil
		})
		if i == 0 {
			first = err
		}
	}
	return first
}

func parseSocket(protocol, line string) (inode uint64, s *Socket, ok bool) {
	f := strings.Fields(line)
	switch protocol {
	case "unix":
		return parseUnix(line, f)
	case "netlink":
		// sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
		if len(f) < 10 {
			return 0, nil, false
		}
		inode, err := strconv.ParseUint(f[9], 10, 64)
		return inode, &Socket{Protocol: protocol, Note: netlinkFamily(f[1])}, err == nil
	case "packet":
		// sk RefCnt Type Proto Iface R Rmem User Inode
		if len(f) < 9 {
			return 0, nil, false
		}
		inode, err := strconv.ParseUint(f[8], 10, 64)
		return inode, &Socket{Protocol: protocol}, err == nil
	}
	// sl local rem st tx:rx tr:when retrnsmt uid timeout inode
	if len(f) < 10 {
		return 0, nil, false
	}
	s = &Socket{Protocol: protocol}
	var ok1, ok2 bool
	s.Local, ok1 = parseEndpoint(f[1])
	s.Peer, ok2 = parseEndpoint(f[2])
	state, err1 := strconv.ParseUint(f[3], 16, 8)
	tx, rx, _ := strings.Cut(f[4], ":")
	var err2, err3 error
	s.Send, err2 = strconv.ParseUint(tx, 16, 64)
	s.Recv, err3 = strconv.ParseUint(rx, 16, 64)
	inode, err4 := strconv.ParseUint(f[9], 10, 64)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		return 0, nil, false
	}
	if int(state) < len(tcpStates) && (strings.HasPrefix(protocol, "tcp") || tcpStates[state] == "ESTABLISHED") {
		s.State = tcpStates[state]
	}
	return inode, s, true
}

// parseEndpoint reads "0100007F:1F90": the address as the machine has it in
// memory, word by word; of version 6 four words.
func parseEndpoint(text string) (netip.AddrPort, bool) {
	addr, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(addr)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 { // both machines that kwhy is built for are little-endian
		slices.Reverse(raw[i : i+4])
	}
	a, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), ok
}

// parseUnix reads "0000000000000000: 00000003 00000000 00000000 0001 03 12345 /path":
// the path may hold blanks.
func parseUnix(line string, f []string) (inode uint64, s *Socket, ok bool) {
	if len(f) < 7 {
		return 0, nil, false
	}
	inode, err := strconv.ParseUint(f[6], 10, 64)
	if err != nil {
		return 0, nil, false
	}
	s = &Socket{Protocol: "unix", Type: map[string]string{"0001": "stream", "0002": "dgram", "0005": "seqpacket"}[f[4]]}
	switch flags, state := f[3], f[5]; {
	case flags == "00010000": // __SO_ACCEPTCON
		s.State = "LISTEN"
	case state == "03":
		s.State = "CONNECTED"
	case state == "01":
		s.State = "UNCONNECTED"
	}
	if len(f) > 7 {
		at := strings.Index(line, " "+f[6]+" ")
		s.Path = line[at+len(f[6])+2:]
	}
	return inode, s, true
}

// netlinkFamily names a protocol of netlink (include/uapi/linux/netlink.h).
func netlinkFamily(number string) string {
	names := []string{"ROUTE", "UNUSED", "USERSOCK", "FIREWALL", "SOCK_DIAG", "NFLOG", "XFRM", "SELINUX", "ISCSI", "AUDIT", "FIB_LOOKUP", "CONNECTOR", "NETFILTER", "IP6_FW", "DNRTMSG", "KOBJECT_UEVENT", "GENERIC", "", "SCSITRANSPORT", "ECRYPTFS", "RDMA", "CRYPTO", "SMC"}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= len(names) {
		return number
	}
	return names[n]
}
