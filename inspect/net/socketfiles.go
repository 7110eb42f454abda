package net

import (
	"bytes"
	"encoding/hex"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/sockdiag"
)

// socketKind is one table of sockets that the kernel has: how sock_diag is asked
// for it, and its file in /proc/net. What sock_diag is not asked for has no
// protocol of its own there, or says no more than the file.
type socketKind struct {
	name             string
	family, protocol uint8
	asked            bool
	registered       string // in /proc/net/protocols (struct proto's name)
}

// socketKinds are all of them. Of raw sockets sock_diag has those of every
// protocol under the one number.
var socketKinds = [...]socketKind{
	{"tcp", unix.AF_INET, unix.IPPROTO_TCP, true, "TCP"}, {"tcp6", unix.AF_INET6, unix.IPPROTO_TCP, true, "TCPv6"},
	{"udp", unix.AF_INET, unix.IPPROTO_UDP, true, "UDP"}, {"udp6", unix.AF_INET6, unix.IPPROTO_UDP, true, "UDPv6"},
	{"udplite", unix.AF_INET, unix.IPPROTO_UDPLITE, true, "UDP-Lite"},
	{"udplite6", unix.AF_INET6, unix.IPPROTO_UDPLITE, true, "UDPLITEv6"},
	{"raw", unix.AF_INET, unix.IPPROTO_RAW, true, "RAW"}, {"raw6", unix.AF_INET6, unix.IPPROTO_RAW, true, "RAWv6"},
	{"icmp", unix.AF_INET, unix.IPPROTO_ICMP, false, "PING"}, {"icmp6", unix.AF_INET6, unix.IPPROTO_ICMPV6, false, "PINGv6"},
	{"unix", unix.AF_UNIX, 0, true, "UNIX"}, {"netlink", unix.AF_NETLINK, 0, false, "NETLINK"},
	{"packet", unix.AF_PACKET, 0, false, "PACKET"},
}

// SocketProtocols are the names of the tables of sockets, as their files in
// /proc/net are called.
func SocketProtocols() (names []string) {
	for _, k := range socketKinds {
		names = append(names, k.name)
	}
	return names
}

// fileSockets passes on the sockets in a file of the kind of /proc/net/tcp. Their
// number and their order are as the kernel gives them while they come and go.
func fileSockets(h *inspect.Host, dir string, kind *socketKind, do func(*sockdiag.Socket)) error {
	headed := false
	err := h.Proc.Lines(path.Join(dir, "net", kind.name), func(line []byte) {
		if !headed {
			headed = bytes.Contains(line, []byte("node")) // each file calls a column so: inode, Inode
			return
		}
		if s, ok := parseSocket(kind, string(line)); ok {
			do(&s)
		}
	})
	if err == nil && !headed {
		err = inspect.ErrMalformed
	}
	return err
}

func parseSocket(kind *socketKind, line string) (s sockdiag.Socket, ok bool) {
	s = sockdiag.Socket{Family: kind.family, Protocol: kind.protocol}
	f := strings.Fields(line)
	switch kind.family {
	case unix.AF_UNIX:
		return s, parseUnix(&s, line, f)
	case unix.AF_NETLINK:
		// sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode. The kernel's own ends have the number 0.
		return s, len(f) >= 10 && f[2] != "0" && put8(&s.Protocol, f[1], 10) && put32(&s.RQueue, f[4], 10) && put32(&s.WQueue, f[5], 10) &&
			put32(&s.Mem[sockdiag.Drops], f[8], 10) && put32(&s.Inode, f[9], 10) && tell(&s, sockdiag.Queues|sockdiag.Dropped)
	case unix.AF_PACKET:
		// sk RefCnt Type Proto Iface R Rmem User Inode
		return s, len(f) >= 9 && put32(
			&s.Interface, f[4], 10,
		) && put32(&s.RQueue, f[6], 10) && put32(&s.UID, f[7], 10) && put32(&s.Inode, f[8], 10)
	}
	return s, parseInet(&s, f)
}

// parseInet reads "sl local rem st tx:rx tr:when retrnsmt uid timeout inode ref
// pointer", and of those without connections drops behind it.
func parseInet(s *sockdiag.Socket, f []string) bool {
	if len(f) < 10 {
		return false
	}
	tx, rx, _ := strings.Cut(f[4], ":")
	timer, when, _ := strings.Cut(f[5], ":")
	state := uint8(0)
	ok := parseEndpoint(f[1], &s.LocalAddr, &s.LocalPort) && parseEndpoint(f[2], &s.PeerAddr, &s.PeerPort) && put8(&state, f[3], 16) &&
		put32(&s.WQueue, tx, 16) && put32(&s.RQueue, rx, 16) && put8(&s.Timer, timer, 16) && put32(&s.UID, f[7], 10) && put32(&s.Inode, f[9], 10)
	s.State = sockdiag.State(state)
	if s.State == sockdiag.NewSynRecv {
		s.State = sockdiag.SynRecv
	}
	const tick = 10 // ms: USER_HZ is 100 on every machine that Go builds for
	ticks, err := strconv.ParseUint(when, 16, 32)
	s.Expires = uint32(min(ticks*tick, math.MaxUint32))
	retries, err2 := strconv.ParseUint(f[6], 16, 32)
	s.Retrans = uint8(min(retries, 255))
	if s.Stream() && s.State == sockdiag.Listen {
		s.WQueue = 0 // the limit of the queue is not given here
	} else {
		s.Told |= sockdiag.Queues
	}
	if !s.Stream() && len(f) >= 13 && put32(&s.Mem[sockdiag.Drops], f[12], 10) {
		s.Told |= sockdiag.Dropped
	}
	return ok && err == nil && err2 == nil
}

func tell(s *sockdiag.Socket, t sockdiag.Told) bool {
	s.Told |= t
	return true
}

func put8(to *uint8, text string, base int) bool {
	n, err := strconv.ParseUint(text, base, 8)
	*to = uint8(n)
	return err == nil
}

func put32(to *uint32, text string, base int) bool {
	n, err := strconv.ParseUint(text, base, 32)
	*to = uint32(n)
	return err == nil
}

// parseEndpoint reads "0100007F:1F90": the address as the machine has it in
// memory, word by word; of version 6 four words.
func parseEndpoint(text string, to *[16]byte, port *uint16) bool {
	addr, number, ok := strings.Cut(text, ":")
	if !ok || len(addr) != 8 && len(addr) != 32 {
		return false
	}
	raw, err := hex.DecodeString(addr)
	n, err2 := strconv.ParseUint(number, 16, 16)
	if err != nil || err2 != nil {
		return false
	}
	for i := 0; i < len(raw); i += 4 { // both machines that kwhy is built for are little-endian
		slices.Reverse(raw[i : i+4])
	}
	copy(to[:], raw)
	*port = uint16(n)
	return true
}

// parseUnix reads "0000000000000000: 00000003 00000000 00000000 0001 03 12345 /path":
// the path may hold blanks. SS_CONNECTED is 3, and __SO_ACCEPTCON the one flag
// (net/unix/af_unix.c, unix_seq_show).
func parseUnix(s *sockdiag.Socket, line string, f []string) bool {
	var kind uint64
	if len(f) >= 7 {
		kind, _ = strconv.ParseUint(f[4], 16, 8)
	}
	if len(f) < 7 || !put32(&s.Inode, f[6], 10) {
		return false
	}
	s.Unix = &sockdiag.Unix{Type: uint8(kind)}
	switch flags, state := f[3], f[5]; {
	case flags == "00010000":
		s.State = sockdiag.Listen
	case state == "03":
		s.State = sockdiag.Established
	default:
		s.State = sockdiag.Close
	}
	if len(f) > 7 {
		at := strings.Index(line, " "+f[6]+" ")
		s.Unix.Name = line[at+len(f[6])+2:]
	}
	return true
}

// NetlinkFamily names a protocol of netlink (include/uapi/linux/netlink.h).
func NetlinkFamily(n uint8) string {
	names := []string{
		"ROUTE", "UNUSED", "USERSOCK", "FIREWALL", "SOCK_DIAG", "NFLOG", "XFRM", "SELINUX", "ISCSI", "AUDIT",
		"FIB_LOOKUP", "CONNECTOR", "NETFILTER", "IP6_FW", "DNRTMSG", "KOBJECT_UEVENT", "GENERIC", "", "SCSITRANSPORT",
		"ECRYPTFS", "RDMA", "CRYPTO", "SMC",
	}
	if int(n) >= len(names) || names[n] == "" {
		return strconv.Itoa(int(n))
	}
	return names[n]
}
