package sockdiag

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Attributes of an answer about TCP and the like: INET_DIAG_*.
const (
	diagInfo      = 2
	diagCong      = 4
	diagSkmeminfo = 7
	diagShutdown  = 8
	diagProtocol  = 10
	diagV6Only    = 11
	diagMark      = 15
	diagCgroupID  = 21
)

// Attributes of an answer about unix sockets: UNIX_DIAG_*
// (include/uapi/linux/unix_diag.h).
const (
	unixName = iota
	unixVFS
	unixPeer
	unixIcons
	unixRqlen
	unixMeminfo
	unixShutdown
	unixUID
)

// attributes goes through the attributes of a message. One that does not fit ends
// it: what came before is taken.
func attributes(b []byte, each func(kind uint16, data []byte)) {
	const header = 4
	const kinds = ^uint16(unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	for len(b) >= header {
		n := int(binary.NativeEndian.Uint16(b))
		if n < header || n > len(b) {
			return
		}
		each(binary.NativeEndian.Uint16(b[2:])&kinds, b[header:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}

// parseInet reads struct inet_diag_msg and its attributes. A message that is too
// short is passed over.
func parseInet(b []byte, protocol uint8, l *List) {
	const size = 72
	if len(b) < size {
		return
	}
	s := Socket{Family: b[0], Protocol: protocol, State: State(b[1]), Timer: b[2], Retrans: b[3], Told: Netlink | Queues}
	s.LocalPort, s.PeerPort = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	copy(s.LocalAddr[:], b[8:24])
	copy(s.PeerAddr[:], b[24:40])
	s.Interface, s.Cookie = binary.NativeEndian.Uint32(b[40:]), binary.NativeEndian.Uint64(b[44:])
	s.Expires = sinceNow(binary.NativeEndian.Uint32(b[52:]))
	s.RQueue, s.WQueue = binary.NativeEndian.Uint32(b[56:]), binary.NativeEndian.Uint32(b[60:])
	s.UID, s.Inode = binary.NativeEndian.Uint32(b[64:]), binary.NativeEndian.Uint32(b[68:])
	var info []byte
	attributes(b[size:], func(kind uint16, data []byte) {
		switch {
		case kind == diagSkmeminfo:
			s.memory(data)
		case kind == diagInfo && s.State != Listen: // of a listener there is the queue alone, once more
			info = data
		case kind == diagCong:
			s.Cong = l.intern(untilNUL(data))
		case kind == diagCgroupID && len(data) >= 8:
			s.CgroupID, s.Told = binary.NativeEndian.Uint64(data), s.Told|Cgroup
		case kind == diagMark && len(data) >= 4:
			s.MarkValue, s.Told = binary.NativeEndian.Uint32(data), s.Told|Mark
		case kind == diagShutdown && len(data) >= 1:
			s.Closed, s.Told = data[0], s.Told|Shutdown
		case kind == diagV6Only && len(data) >= 1:
			s.Only6, s.Told = data[0] != 0, s.Told|V6Only
		case kind == diagProtocol && len(data) >= 1:
			s.Protocol = data[0]
		}
	})
	l.add(&s, info)
}

// sinceNow takes what counts as past for now: until 5.15 the kernel did not, and
// gave the difference as it was (net/ipv4/inet_diag.c, jiffies_delta_to_msecs).
func sinceNow(ms uint32) uint32 {
	if int32(ms) < 0 {
		return 0
	}
	return ms
}

// memory reads the nine numbers of SK_MEMINFO_*. Kernels before 4.7 have eight: no
// drops.
func (s *Socket) memory(b []byte) {
	for i := range s.Mem {
		if len(b) < 4*(i+1) {
			break
		}
		s.Mem[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	if len(b) >= 4*Drops {
		s.Told |= Memory
	}
	if len(b) >= 4*nMem {
		s.Told |= Dropped
	}
}

func untilNUL(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// parseUnix reads struct unix_diag_msg and its attributes.
func parseUnix(b []byte, l *List) {
	const size = 16
	if len(b) < size {
		return
	}
	u := &Unix{Type: b[1]}
	s := Socket{Family: unix.AF_UNIX, State: State(b[2]), Told: Netlink, Unix: u}
	s.Inode, s.Cookie = binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint64(b[8:])
	attributes(b[size:], func(kind uint16, data []byte) {
		switch {
		case kind == unixName:
			u.Name = unixPath(data)
		case kind == unixVFS && len(data) >= 8:
			u.VFSInode, u.VFSDev = binary.NativeEndian.Uint32(data), binary.NativeEndian.Uint32(data[4:])
		case kind == unixPeer && len(data) >= 4:
			u.Peer, s.Told = binary.NativeEndian.Uint32(data), s.Told|Peer
		case kind == unixIcons:
			for ; len(data) >= 4; data = data[4:] {
				u.Pending = append(u.Pending, binary.NativeEndian.Uint32(data))
			}
		case kind == unixRqlen && len(data) >= 8:
			s.RQueue, s.WQueue, s.Told = binary.NativeEndian.Uint32(data), binary.NativeEndian.Uint32(data[4:]), s.Told|Queues
		case kind == unixMeminfo:
			s.memory(data)
		case kind == unixShutdown && len(data) >= 1:
			s.Closed, s.Told = data[0], s.Told|Shutdown
		case kind == unixUID && len(data) >= 4:
			s.UID = binary.NativeEndian.Uint32(data)
		}
	})
	l.Add(&s)
}

// unixPath reads sun_path: a path ends at its first zero byte, and a name that
// begins with one has no file. There an @ stands for each, as in /proc/net/unix.
func unixPath(b []byte) string {
	if len(b) > 0 && b[0] == 0 {
		return string(bytes.ReplaceAll(b, []byte{0}, []byte{'@'}))
	}
	return string(untilNUL(b))
}
