package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Net is the network of one namespace, and of the host what the kernel keeps for
// all of them, at one moment and a moment before if it was asked to watch.
type Net struct {
	Mem   *Mem // sysctls with one number or word
	Space NetSpace

	Sockstat  Counters            // sockstat and sockstat6: "TCP inuse", "TCP6 inuse"; mem is in pages
	MIB       Counters            // snmp, snmp6 and netstat, named as nstat does: TcpRetransSegs
	Protocols map[string]Protocol // of all namespaces
	Sockets   SocketCount
	Listed    *Sockets     // what Sockets counts, and the rest; nil unless the tables were wanted
	Softnet   []SoftnetCPU // of all namespaces

	Interfaces []Interface
	Qdiscs     []Qdisc
	Hooks      []Hook
	Tables     []string // of iptables: "ip filter"
	Conntrack  Counters

	TCPMem, UDPMem   [3]Num // pages
	TCPRmem, TCPWmem [3]Num // bytes
	Ports            PortRange

	Was *Net

	got  [nSources]Reason
	from Source // of Sockets
}

// PortRange is the range that connect takes local ports from.
type PortRange struct {
	Low, High Num
	Reserved  int // ports of the range that it passes over
}

// Size is how many ports there are to take; Unset where that is not known.
func (r PortRange) Size() Num {
	if r.Low < 0 || r.High < r.Low {
		return Unset
	}
	return r.High - r.Low + 1 - Num(r.Reserved)
}

// Missing says why a source gave nothing.
func (n *Net) Missing(s Source) Reason {
	if singleSysctl(s) {
		return n.Mem.Missing(s)
	}
	if s >= PIDStat {
		return Present
	}
	return n.got[s]
}

// Before returns the sample an interval ago.
func (n *Net) Before() (*Net, time.Duration, bool) {
	if n.Was == nil {
		return nil, 0, false
	}
	return n.Was, n.Mem.At.Sub(n.Was.Mem.At), true
}

// Kernel returns the kernel that was read.
func (n *Net) Kernel() Version { return n.Mem.Host.Kernel }

// Origin is the source that a value was taken from, of one that names several.
func (n *Net) Origin(s Source) Source {
	if s == TCPSockets && n.from != None {
		return n.from
	}
	return s
}

// Gaps lists the wanted sources that gave nothing.
func (n *Net) Gaps() []Gap {
	out := n.Mem.Gaps()
	if n.Listed != nil {
		out = append(out, n.Listed.Gaps()...)
	}
	for s, r := range n.got {
		if r.IsGap() && r != Unread {
			out = append(out, Gap{Source(s), r, 1, 1})
		}
	}
	return out
}

// singleSysctl tells a source that holds one number, or one word, of those that a
// snapshot of memory reads too.
func singleSysctl(s Source) bool {
	return s.shape() == number || s == DefaultQdisc
}

// hostWide tells the sysctls that exist once and are shown in the initial namespace
// alone, and the rest of them that are the same in each: they are read where kwhy
// is, whichever namespace it looks at. The others are of one namespace.
func hostWide(s Source) bool {
	switch s {
	case TCPMem, UDPMem, DefaultQdisc, RmemMax, WmemMax, RmemDefault, WmemDefault, TCPMaxOrphans, NetdevMaxBacklog, NetdevBudget, NetdevBudgetUsecs, CPUList, Meminfo:
		return true
	}
	return false
}

// Net reads the wanted sources of a namespace. It fails only where the namespace's
// files can't be read at all. What /proc/PID/net does not hold, sysctls and what is
// asked by netlink, is read in the namespace itself, by a thread that enters it and
// is thrown away, where that is permitted.
func (h *Host) Net(space NetSpace, want Sources) (*Net, error) { return h.NetWith(space, want, nil) }

// NetWith is Net where the descriptors of all processes were walked already.
func (h *Host) NetWith(space NetSpace, want Sources, walk *FDWalk) (*Net, error) {
	n := h.newNet(space)
	if err := h.netFiles(n, want); err != nil {
		if pid, ok := parsePID(strings.TrimSuffix(space.Dir, "/net")); ok {
			err = orGone(h, pid, err)
		}
		return nil, err
	}
	h.netSysctls(n, want, hostWide)
	inside := func() {
		h.netSysctls(n, want, func(s Source) bool { return !hostWide(s) })
		h.netAsk(n, want)
	}
	if space.Own {
		inside()
	} else if err := h.inside(space, inside); errors.Is(err, errCopy) {
		n.shut(want, Inapplicable)
	} else if err != nil {
		n.shut(want, reasonFor(err))
	}
	h.netSockets(n, want, walk)
	return n, nil
}

func (h *Host) newNet(space NetSpace) *Net {
	unset := [3]Num{Unset, Unset, Unset}
	n := &Net{Mem: &Mem{Settings: h.NewSettings()}, Space: space, Sockstat: Counters{}, MIB: Counters{}, TCPMem: unset, UDPMem: unset, TCPRmem: unset, TCPWmem: unset, Ports: PortRange{Low: Unset, High: Unset}}
	for s := range n.got {
		n.got[s], n.Mem.got[s] = Unread, Unread
	}
	return n
}

// shut notes why nothing could be read inside of the namespace.
func (n *Net) shut(want Sources, why Reason) {
	for s := None + 1; s < PIDStat; s++ {
		switch {
		case !want.Has(s) || hostWide(s):
		case singleSysctl(s):
			n.Mem.got[s] = why
		case insideOnly(s):
			n.got[s] = why
		}
	}
}

// insideOnly tells what is of one namespace, and in none of its files.
func insideOnly(s Source) bool {
	switch s {
	case TCPRmem, TCPWmem, IPLocalPortRange, IPLocalReservedPorts, NetRoute, NetQdisc, NetEthtool, NetHooks:
		return true
	}
	return false
}

// netFiles reads the files of the namespace's directory.
func (h *Host) netFiles(n *Net, want Sources) error {
	var first error
	failed := 0
	for s := None + 1; s < PIDStat; s++ {
		read := h.netReader(n, s)
		if read == nil || !want.Has(s) {
			continue
		}
		err := read()
		if n.got[s] = netReason(err); err != nil && n.got[s] != Malformed {
			failed++
			first = errors.Join(first, err)
		}
	}
	if _, err := h.proc.names(n.Space.Dir); err != nil && failed > 0 {
		return fmt.Errorf("the network namespace of %s: %w", n.Space.Dir, err)
	}
	return nil
}

// netReason classes an error of a file of a namespace's directory: one that is not
// there is gone with its process, or else this kernel does not have it.
func netReason(err error) Reason {
	r := reasonFor(err)
	if r == Failed && errors.Is(err, unix.EINVAL) {
		return Vanished // the last process has left the namespace
	}
	return r
}

// netReader returns what reads a file of the namespace's directory into n.
func (h *Host) netReader(n *Net, s Source) func() error {
	at := func(name string, parse func([]byte) error) func() error {
		return func() error { return h.proc.with(n.Space.Dir+"/"+name, parse) }
	}
	switch s {
	case Meminfo:
		return func() (err error) { n.Mem.Info, err = h.counters("meminfo", 64); return err }
	case NetSockstat:
		return at("sockstat", func(b []byte) error { return parseSockstat(b, n.Sockstat) })
	case NetSockstat6:
		return at("sockstat6", func(b []byte) error { return parseSockstat(b, n.Sockstat) })
	case NetSNMP:
		return at("snmp", func(b []byte) error { return parseMIB(b, n.MIB) })
	case NetNetstat:
		return at("netstat", func(b []byte) error { return parseMIB(b, n.MIB) })
	case NetSNMP6:
		return at("snmp6", func(b []byte) error { return n.parseSNMP6(b) })
	case NetProtocols:
		return at("protocols", func(b []byte) (err error) { n.Protocols, err = parseProtocols(b); return err })
	case NetSoftnet:
		return at("softnet_stat", func(b []byte) (err error) { n.Softnet, err = parseSoftnet(b, h.onlineList()); return err })
	case NetDev:
		return at("dev", func(b []byte) error {
			return parseNetDev(b, func(name string, s DevStats) { n.Interfaces = append(n.Interfaces, newInterface(name, s)) })
		})
	case NetConntrack:
		return at("stat/nf_conntrack", func(b []byte) (err error) { n.Conntrack, err = parseConntrack(b); return err })
	case NetTables:
		return func() error {
			n.Tables, n.got[s] = h.netTables(n.Space.Dir)
			if n.got[s] == Denied {
				return fs.ErrPermission
			}
			return nil
		}
	}
	return nil
}

// parseSNMP6 reads lines of "Ip6InReceives 1": the names are nstat's already.
func (n *Net) parseSNMP6(b []byte) error {
	list, err := parseCounters(b, 128)
	for name, value := range list {
		n.MIB[name] = value
	}
	return err
}

func (h *Host) onlineList() string {
	var l CPULists
	h.cpuLists(&l)
	return l.Online
}

// netSysctls reads the sysctls of which, in the namespace that the calling thread is
// in: /proc/sys/net shows each thread its own.
func (h *Host) netSysctls(n *Net, want Sources, which func(Source) bool) {
	for s := None + 1; s < PIDStat; s++ {
		if !want.Has(s) || !which(s) || !strings.HasPrefix(s.String(), "/proc/sys/") {
			continue
		}
		if singleSysctl(s) {
			if read := h.memReader(s); read != nil {
				n.Mem.got[s] = reasonFor(read(n.Mem))
			}
			continue
		}
		switch s {
		case TCPMem:
			n.got[s] = h.numbers(s, n.TCPMem[:])
		case UDPMem:
			n.got[s] = h.numbers(s, n.UDPMem[:])
		case TCPRmem:
			n.got[s] = h.numbers(s, n.TCPRmem[:])
		case TCPWmem:
			n.got[s] = h.numbers(s, n.TCPWmem[:])
		case IPLocalPortRange:
			var r [2]Num
			if n.got[s] = h.numbers(s, r[:]); n.got[s] == Present {
				n.Ports.Low, n.Ports.High = r[0], r[1]
			}
		case IPLocalReservedPorts:
			n.got[s] = h.reservedPorts(n)
		}
	}
}

// numbers reads a sysctl of several numbers.
func (h *Host) numbers(s Source, to []Num) Reason {
	t, rel := h.at(s)
	return reasonFor(t.single(rel, func(b []byte) error {
		rest := trimNewline(b)
		got := make([]Num, len(to))
		for i := range got {
			var field []byte
			field, rest = cutField(rest)
			if got[i] = count(field); got[i] == Unset {
				return errMalformed
			}
		}
		copy(to, got)
		return nil
	}))
}

// reservedPorts counts those of the range that connect passes over.
func (h *Host) reservedPorts(n *Net) Reason {
	t, rel := h.at(IPLocalReservedPorts)
	return reasonFor(t.single(rel, func(b []byte) error {
		eachCPU(string(trimNewline(b)), func(port int) { // a list of the same form
			if Num(port) >= n.Ports.Low && Num(port) <= n.Ports.High {
				n.Ports.Reserved++
			}
		})
		return nil
	}))
}

// netAsk asks by netlink what the namespace that the calling thread is in has, and
// reads what /sys shows of it. A copy of a host answers by its files alone.
func (h *Host) netAsk(n *Net, want Sources) {
	var rt rtnet
	live := h.Live // the kernel that is asked is the one whose files were read
	none := func(s Source) {
		if want.Has(s) {
			n.got[s] = Inapplicable // the numbers there are another host's
		}
	}
	if live && (want.Has(NetRoute) || want.Has(NetQdisc)) {
		n.got[NetRoute] = reasonFor(rt.routes())
	} else {
		none(NetRoute)
	}
	if want.Has(NetSysfs) {
		n.got[NetSysfs] = h.sysfsInterfaces(n, &rt)
	}
	for i := range n.Interfaces {
		if from := rt.links[n.Interfaces[i].Name]; from != nil {
			n.Interfaces[i].fill(from)
		}
	}
	if !live {
		none(NetQdisc)
		none(NetEthtool)
		none(NetHooks)
		return
	}
	if want.Has(NetQdisc) {
		n.got[NetQdisc] = reasonFor(rt.queues())
		n.Qdiscs = rt.qdiscs
	}
	if want.Has(NetEthtool) {
		n.got[NetEthtool] = n.askRings()
	}
	if want.Has(NetHooks) {
		var devs []string
		for i := range n.Interfaces {
			devs = append(devs, n.Interfaces[i].Name)
		}
		hooks, err := netHooks(devs)
		n.Hooks, n.got[NetHooks] = hooks, hookReason(err)
	}
}

// askRings asks the cards that are up. Most virtual interfaces have no rings, and
// say so.
func (n *Net) askRings() Reason {
	for i := range n.Interfaces {
		at := &n.Interfaces[i]
		if at.State != "up" {
			continue
		}
		switch err := at.rings(); {
		case err == nil, errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENODEV):
		default:
			return reasonFor(err)
		}
	}
	return Present
}

// sysfsInterfaces adds what /sys/class/net has. That is of the namespace in which
// /sys was mounted, which need not be the one that is looked at: an interface is
// the same where rtnetlink gives the same index and address, and without rtnetlink,
// in a copy, where both lists are the same.
func (h *Host) sysfsInterfaces(n *Net, rt *rtnet) Reason {
	names, err := h.sysfsNames()
	if err != nil {
		return reasonFor(err)
	}
	matched := false
	for i := range n.Interfaces {
		at := &n.Interfaces[i]
		if !slices.Contains(names, at.Name) || !h.sysfsSame(n, rt, at.Name, len(names)) {
			continue
		}
		h.sysfsInterface(at)
		matched = true
	}
	if !matched && len(n.Interfaces) > 0 {
		return Inapplicable // it speaks of another namespace
	}
	return Present
}

func (h *Host) sysfsSame(n *Net, rt *rtnet, name string, listed int) bool {
	if rt.links == nil {
		return n.Space.Own && listed == len(n.Interfaces)
	}
	link := rt.links[name]
	if link == nil {
		return false
	}
	index, err := h.sys.number("class/net/" + name + "/ifindex")
	same := err == nil && Num(index) == link.Index
	if name == "lo" { // each has one, alike: the whole list tells
		same = same && listed == len(n.Interfaces)
	}
	address := ""
	_ = h.sys.single("class/net/"+name+"/address", func(b []byte) error { address = strings.TrimSpace(string(b)); return nil })
	return same && address == link.Hardware
}

// OwnSpace is the namespace that kwhy is in; of a /proc of another PID namespace,
// the host's mounted into a container, that of its first process: /proc/self there
// would lead back to the container's network.
func (h *Host) OwnSpace() NetSpace {
	if h.Live && !h.sameProcesses() {
		if s, err := h.NetOf(1); err == nil {
			return s
		}
	}
	s := NetSpace{Dir: "self/net", Own: true, PID: h.Self()}
	s.Inode, _ = h.namespace("self", "net")
	return s
}

// NetOf is the namespace that a process is in. Which one that is the kernel tells to
// those alone who may trace the process; its /proc/PID/net it shows to everyone, so
// that a namespace without a number is an answer too.
func (h *Host) NetOf(pid int32) (NetSpace, error) {
	dir := strconv.Itoa(int(pid))
	inode, err := h.namespace(dir, "net")
	if errors.Is(err, fs.ErrPermission) {
		return NetSpace{Dir: dir + "/net", PID: pid}, nil
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrNoProcess
		}
		return NetSpace{}, fmt.Errorf("the network namespace of process %d: %w", pid, err)
	}
	return NetSpace{Dir: dir + "/net", PID: pid, Inode: inode, Own: inode == h.ownInode()}, nil
}

// ownInode is the inode of the namespace that this process is in: of a copy, that
// which the copy was made in.
func (h *Host) ownInode() uint64 {
	if h.Live {
		if to, err := os.Readlink("/proc/self/ns/net"); err == nil {
			if n, ok := inodeIn([]byte(to)); ok {
				return n
			}
		}
	}
	n, _ := h.namespace("self", "net")
	return n
}
