package net

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// Interface is a network interface of a namespace. Numbers are Unset and texts ""
// if unknown.
type Interface struct {
	Name      string
	Index     inspect.Num
	Dev       DevStats
	Stats     inspect.Counters // rx_missed_errors and the like, separately, as /sys and rtnetlink name them
	State     string           // RFC 2863: up, down, dormant, lowerlayerdown, unknown, ...
	Admin     Flag             // somebody has set it up
	Carrier   Flag
	Kind      string // of a virtual one: veth, bridge, vlan, ...
	Master    string // the bridge or bond that it is part of
	Driver    string
	Hardware  string // its address on the link
	Addresses []netip.Prefix
	MTU       inspect.Num
	Speed     inspect.Num // Mbit/s
	Duplex    string
	Changes   inspect.Num // how often the carrier came or went
	TxQueue   inspect.Num // packets that a qdisc of the older kinds holds
	RxQueues  []RxQueue
	TxQueues  []TxQueue
	Rings     Rings
	Qdisc     string
}

// Flag is a yes or no that may be unknown.
type Flag int8

// The flags.
const (
	No      Flag = -1
	Unknown Flag = 0
	Yes     Flag = 1
)

// RxQueue is a queue that packets come in by.
type RxQueue struct {
	RPS   []int       // CPUs that its packets are passed on to; none: the one that it interrupts
	Flows inspect.Num // rps_flow_cnt
}

// TxQueue is a queue that packets go out by.
type TxQueue struct {
	XPS      []int       // CPUs that send by it; none: by the packet's hash
	Timeouts inspect.Num // times that the driver did not send in time
}

// Rings are the lengths of a card's rings, in packets; Unset if unknown.
type Rings struct{ Rx, RxMax, Tx, TxMax inspect.Num }

func newInterface(name string, s DevStats) Interface {
	return Interface{
		Name: name, Dev: s, Index: inspect.Unset, MTU: inspect.Unset, Speed: inspect.Unset,
		Changes: inspect.Unset, TxQueue: inspect.Unset,
		Rings: Rings{Rx: inspect.Unset, RxMax: inspect.Unset, Tx: inspect.Unset, TxMax: inspect.Unset},
	}
}

// sysfsInterface reads what /sys/class/net has of an interface. An attribute that
// is not answered is left unset: speed, duplex and carrier are EINVAL while it is down
// (net/core/net-sysfs.c).
func sysfsInterface(h *inspect.Host, i *Interface) {
	dir := "class/net/" + i.Name
	text := func(name string) (s string) {
		_ = h.Sys.Single(dir+"/"+name, func(b []byte) error { s = strings.TrimSpace(string(b)); return nil })
		return s
	}
	number := func(name string) inspect.Num { return inspect.ParseNum([]byte(text(name))) }
	i.State, i.Hardware, i.Duplex = text("operstate"), text("address"), text("duplex")
	i.MTU, i.TxQueue, i.Changes = number("mtu"), number("tx_queue_len"), number("carrier_changes")
	if i.Speed = number("speed"); i.Speed == 0 || i.Speed == 1<<32-1 {
		i.Speed = inspect.Unset // of virtio and others that do not know theirs; -1 is no number either
	}
	if flags, err := strconv.ParseUint(text("flags"), 0, 32); err == nil {
		i.Admin = flag(flags&unix.IFF_UP != 0)
	}
	switch text("carrier") {
	case "1":
		i.Carrier = Yes
	case "0":
		i.Carrier = No
	}
	if to, err := h.Sys.Readlink(dir + "/device/driver"); err == nil {
		i.Driver = path.Base(to)
	}
	if to, err := h.Sys.Readlink(dir + "/master"); err == nil {
		i.Master = path.Base(to)
	}
	i.Stats = sysfsStats(h, dir+"/statistics")
	sysfsQueues(h, dir+"/queues", i)
}

// statsNames are the counters of struct rtnl_link_stats64, in its order
// (include/uapi/linux/if_link.h).
func statsNames() []string {
	return []string{
		"rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped",
		"multicast", "collisions",
		"rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors", "rx_fifo_errors", "rx_missed_errors",
		"tx_aborted_errors", "tx_carrier_errors", "tx_fifo_errors", "tx_heartbeat_errors", "tx_window_errors",
		"rx_compressed", "tx_compressed", "rx_nohandler",
	}
}

// LinkCounters are the counters of an interface that /proc/net/dev has only as sums, or not at all.
func LinkCounters() []string {
	return []string{"rx_dropped", "rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors", "rx_missed_errors",
		"tx_aborted_errors", "tx_carrier_errors", "tx_heartbeat_errors", "tx_window_errors", "rx_nohandler"}
}

func sysfsStats(h *inspect.Host, dir string) inspect.Counters {
	out := inspect.Counters{}
	for _, name := range LinkCounters() {
		if n, err := h.Sys.Number(dir + "/" + name); err == nil && n >= 0 {
			out[name] = uint64(n)
		}
	}
	return out
}

func sysfsQueues(h *inspect.Host, dir string, i *Interface) {
	names, err := h.Sys.Names(dir)
	if err != nil {
		return
	}
	mask := func(rel string) (cpus []int) {
		_ = h.Sys.Single(rel, func(b []byte) error { cpus = cpuMask(string(inspect.TrimNewline(b))); return nil })
		return cpus
	}
	number := func(rel string) inspect.Num {
		if n, err := h.Sys.Number(rel); err == nil && n >= 0 {
			return inspect.Num(n)
		}
		return inspect.Unset
	}
	slices.SortFunc(names, func(a, b string) int { return len(a) - len(b) })
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, "rx-"):
			i.RxQueues = append(i.RxQueues, RxQueue{mask(dir + "/" + name + "/rps_cpus"), number(dir + "/" + name + "/rps_flow_cnt")})
		case strings.HasPrefix(name, "tx-"):
			i.TxQueues = append(i.TxQueues, TxQueue{mask(dir + "/" + name + "/xps_cpus"), number(dir + "/" + name + "/tx_timeout")})
		}
	}
}

// cpuMask reads a mask of CPUs, "ff,00000003": words of 32 bits, the highest first.
func cpuMask(s string) (cpus []int) {
	words := strings.Split(s, ",")
	if len(words) > 1<<11 {
		return nil
	}
	for at := range words {
		w, err := strconv.ParseUint(words[len(words)-1-at], 16, 32)
		if err != nil {
			return nil
		}
		for bit := range 32 {
			if w>>bit&1 != 0 {
				cpus = append(cpus, 32*at+bit)
			}
		}
	}
	return cpus
}

// rtnet is what rtnetlink says about a namespace: its links, addresses and qdiscs.
type rtnet struct {
	links  map[string]*Interface
	index  map[int32]string
	qdiscs []Qdisc
}

// Qdisc is a queueing discipline of an interface: what packets pass or wait in
// before the driver has them.
type Qdisc struct {
	Dev, Kind      string
	Handle, Parent uint32
	Bytes, Packets uint64
	Dropped        uint64
	Overlimits     uint64
	Requeues       uint64
	Backlog        uint64 // bytes that wait now
	Length         uint64 // packets that wait now
}

// dump asks rtnetlink for everything of a kind.
func dump(h *inspect.Host, kind uint16, request int, each func([]byte)) error {
	c, err := h.Netlink(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer c.Close()
	head := netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | netlink.Dump}
	answers, err := c.Ask(netlink.Message{Header: head, Data: make([]byte, request)})
	for _, a := range answers {
		if len(a.Data) >= request {
			each(a.Data)
		}
	}
	return err
}

// routes reads the links and their addresses of the namespace that the calling
// thread is in.
func (n *rtnet) routes(h *inspect.Host) error {
	n.links, n.index = map[string]*Interface{}, map[int32]string{}
	if err := dump(h, unix.RTM_GETLINK, unix.SizeofIfInfomsg, n.link); err != nil {
		return err
	}
	for _, i := range n.links {
		if m := i.Master; m != "" { // an index until now
			k, _ := strconv.Atoi(m)
			i.Master = n.index[int32(k)]
		}
	}
	return dump(h, unix.RTM_GETADDR, unix.SizeofIfAddrmsg, n.address)
}

// operStates are by number (RFC 2863; include/uapi/linux/if.h).
var operStates = [...]string{"unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"}

// link reads one answer to RTM_GETLINK: struct ifinfomsg and attributes.
func (n *rtnet) link(b []byte) {
	i := newInterface("", DevStats{})
	i.Index = inspect.Num(int32(binary.NativeEndian.Uint32(b[4:])))
	i.Admin = flag(binary.NativeEndian.Uint32(b[8:])&unix.IFF_UP != 0)
	ad, err := netlink.NewAttributeDecoder(b[unix.SizeofIfInfomsg:])
	if err != nil {
		return
	}
	for ad.Next() {
		i.attribute(ad)
	}
	if ad.Err() != nil || i.Name == "" {
		return
	}
	for q := range i.TxQueues {
		i.TxQueues[q].Timeouts = inspect.Unset
	}
	for q := range i.RxQueues {
		i.RxQueues[q].Flows = inspect.Unset
	}
	n.links[i.Name], n.index[int32(i.Index)] = &i, i.Name
}

// attribute takes one attribute of a link.
func (i *Interface) attribute(ad *netlink.AttributeDecoder) {
	switch ad.Type() {
	case unix.IFLA_IFNAME:
		i.Name = ad.String()
	case unix.IFLA_MTU:
		i.MTU = inspect.Num(ad.Uint32())
	case unix.IFLA_TXQLEN:
		i.TxQueue = inspect.Num(ad.Uint32())
	case unix.IFLA_OPERSTATE:
		if s := ad.Uint8(); int(s) < len(operStates) {
			i.State = operStates[s]
		}
	case unix.IFLA_CARRIER:
		i.Carrier = flag(ad.Uint8() == 1)
	case unix.IFLA_CARRIER_CHANGES:
		i.Changes = inspect.Num(ad.Uint32())
	case unix.IFLA_MASTER:
		i.Master = strconv.Itoa(int(ad.Uint32()))
	case unix.IFLA_ADDRESS:
		i.Hardware = hardware(ad.Bytes())
	case unix.IFLA_QDISC:
		i.Qdisc = ad.String()
	case unix.IFLA_NUM_RX_QUEUES:
		i.RxQueues = make([]RxQueue, min(ad.Uint32(), 1<<12))
	case unix.IFLA_NUM_TX_QUEUES:
		i.TxQueues = make([]TxQueue, min(ad.Uint32(), 1<<12))
	case unix.IFLA_STATS64:
		i.Stats = linkStats(ad.Bytes())
	case unix.IFLA_LINKINFO:
		ad.Nested(func(in *netlink.AttributeDecoder) error {
			for in.Next() {
				if in.Type() == unix.IFLA_INFO_KIND {
					i.Kind = in.String()
				}
			}
			return nil
		})
	}
}

func flag(b bool) Flag {
	if b {
		return Yes
	}
	return No
}

func hardware(b []byte) string {
	var s strings.Builder
	for k, c := range b {
		if k > 0 {
			s.WriteByte(':')
		}
		const digits = "0123456789abcdef"
		s.Write([]byte{digits[c>>4], digits[c&15]})
	}
	return s.String()
}

// linkStats reads struct rtnl_link_stats64 as far as the kernel has it.
func linkStats(b []byte) inspect.Counters {
	out := inspect.Counters{}
	wanted := LinkCounters()
	for k, name := range statsNames() {
		if len(b) < 8*(k+1) {
			break
		}
		if slices.Contains(wanted, name) {
			out[name] = binary.NativeEndian.Uint64(b[8*k:])
		}
	}
	return out
}

// address reads one answer to RTM_GETADDR: struct ifaddrmsg and attributes. On a
// link between two ends IFA_ADDRESS is the other's, and IFA_LOCAL its own.
func (n *rtnet) address(b []byte) {
	bits, index := int(b[1]), int32(binary.NativeEndian.Uint32(b[4:]))
	ad, err := netlink.NewAttributeDecoder(b[unix.SizeofIfAddrmsg:])
	i := n.links[n.index[index]]
	if err != nil || i == nil {
		return
	}
	var own, any netip.Addr
	for ad.Next() {
		switch ad.Type() {
		case unix.IFA_LOCAL:
			own, _ = netip.AddrFromSlice(ad.Bytes())
		case unix.IFA_ADDRESS:
			any, _ = netip.AddrFromSlice(ad.Bytes())
		}
	}
	if !own.IsValid() {
		own = any
	}
	if p := netip.PrefixFrom(own, bits); p.IsValid() {
		i.Addresses = append(i.Addresses, p)
	}
}

// queues reads the qdiscs: those that a classful one or mq has made for its queues
// among them.
func (n *rtnet) queues(h *inspect.Host) error {
	const tcmsg = 20 // struct tcmsg
	return dump(h, unix.RTM_GETQDISC, tcmsg, func(b []byte) {
		if q, ok := parseQdisc(b); ok {
			q.Dev = n.index[int32(binary.NativeEndian.Uint32(b[4:]))]
			n.qdiscs = append(n.qdiscs, q)
		}
	})
}

// parseQdisc reads struct tcmsg and attributes (include/uapi/linux/rtnetlink.h and
// gen_stats.h).
func parseQdisc(b []byte) (q Qdisc, ok bool) {
	const (
		tcmsg      = 20
		kind       = 1 // TCA_KIND
		stats2     = 7 // TCA_STATS2
		statsBasic = 1 // TCA_STATS_BASIC: u64 bytes, u32 packets
		statsQueue = 3 // TCA_STATS_QUEUE: u32 qlen, backlog, drops, requeues, overlimits
		statsPkt64 = 8 // TCA_STATS_PKT64, since 5.5
	)
	if len(b) < tcmsg {
		return q, false
	}
	q.Handle, q.Parent = binary.NativeEndian.Uint32(b[8:]), binary.NativeEndian.Uint32(b[12:])
	ad, err := netlink.NewAttributeDecoder(b[tcmsg:])
	if err != nil {
		return q, false
	}
	for ad.Next() {
		switch ad.Type() {
		case kind:
			q.Kind = ad.String()
		case stats2:
			ad.Nested(func(in *netlink.AttributeDecoder) error {
				for in.Next() {
					switch b := in.Bytes(); {
					case in.Type() == statsBasic && len(b) >= 12 && q.Packets == 0:
						q.Bytes, q.Packets = binary.NativeEndian.Uint64(b), uint64(binary.NativeEndian.Uint32(b[8:]))
					case in.Type() == statsPkt64 && len(b) >= 8:
						q.Packets = binary.NativeEndian.Uint64(b)
					case in.Type() == statsQueue && len(b) >= 20:
						u := func(k int) uint64 { return uint64(binary.NativeEndian.Uint32(b[4*k:])) }
						q.Length, q.Backlog, q.Dropped, q.Requeues, q.Overlimits = u(0), u(1), u(2), u(3), u(4)
					}
				}
				return nil
			})
		}
	}
	return q, ad.Err() == nil && q.Kind != ""
}

// fill gives an interface what rtnetlink knows and /sys does not have.
func (i *Interface) fill(from *Interface) {
	i.Index, i.Kind, i.Qdisc, i.Addresses = from.Index, from.Kind, from.Qdisc, from.Addresses
	for _, p := range []struct{ to, from *string }{{&i.State, &from.State}, {&i.Hardware, &from.Hardware}, {&i.Master, &from.Master}} {
		if *p.to == "" {
			*p.to = *p.from
		}
	}
	for _, p := range []struct{ to, from *inspect.Num }{{&i.MTU, &from.MTU}, {&i.TxQueue, &from.TxQueue}, {&i.Changes, &from.Changes}} {
		if *p.to == inspect.Unset {
			*p.to = *p.from
		}
	}
	for _, p := range []struct{ to, from *Flag }{{&i.Admin, &from.Admin}, {&i.Carrier, &from.Carrier}} {
		if *p.to == Unknown {
			*p.to = *p.from
		}
	}
	if len(i.Stats) == 0 {
		i.Stats = from.Stats
	}
	if len(i.RxQueues) == 0 && len(i.TxQueues) == 0 {
		i.RxQueues, i.TxQueues = from.RxQueues, from.TxQueues
	}
}

// rings asks the driver for the lengths of a card's rings.
func (i *Interface) rings(h *inspect.Host) error {
	r, err := h.Rings(i.Name)
	if err == nil {
		i.Rings = Rings{Rx: inspect.Num(r.Rx), RxMax: inspect.Num(r.RxMax), Tx: inspect.Num(r.Tx), TxMax: inspect.Num(r.TxMax)}
	}
	return err
}

// sysfsNames lists the interfaces that /sys has.
func sysfsNames(h *inspect.Host) ([]string, error) {
	names, err := h.Sys.Names("class/net")
	return slices.DeleteFunc(names, func(n string) bool { return bytes.HasPrefix([]byte(n), []byte("bonding_")) }), err
}
