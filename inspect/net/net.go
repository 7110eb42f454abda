package net

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/mem"
)

// Snapshot is the network of one namespace, and of the host what the kernel keeps for
// all of them, at one moment and a moment before if it was asked to watch.
type Snapshot struct {
	Mem   *mem.Snapshot // sysctls with one number or word
	Space Namespace

	Sockstat  inspect.Counters    // sockstat and sockstat6: "TCP inuse", "TCP6 inuse"; mem is in pages
	MIB       inspect.Counters    // snmp, snmp6 and netstat, named as nstat does: TcpRetransSegs
	Protocols map[string]Protocol // of all namespaces
	Sockets   SocketCount
	Listed    *Sockets     // what Sockets counts, and the rest; nil unless the tables were wanted
	Softnet   []SoftnetCPU // of all namespaces

	Interfaces []Interface
	Qdiscs     []Qdisc
	Hooks      []Hook
	Tables     []string // of iptables: "ip filter"
	Conntrack  inspect.Counters
	Filter     Filter
	Neighbours [2]Neighbours // of IPv4 and IPv6, of all namespaces

	TCPMem, UDPMem   [3]inspect.Num // pages
	TCPRmem, TCPWmem [3]inspect.Num // bytes
	Ports            PortRange

	Was *Snapshot

	spoilt inspect.Sources // of which a part did not parse, or which end before their end

	// Six is why there are no sockets of IPv6: Unsupported where the kernel has none, or it is
	// off; Present where they were listed.
	Six inspect.Reason

	got  [inspect.NumSources]inspect.Reason
	from inspect.Source // of Sockets
	tcp  inspect.Seen   // how much of Sockets was seen
}

// PortRange is the range that connect takes local ports from.
type PortRange struct {
	Low, High inspect.Num
	Reserved  int // ports of the range that it passes over
}

// Size is how many ports there are to take; Unset if that is unknown.
func (r PortRange) Size() inspect.Num {
	if r.Low < 0 || r.High < r.Low {
		return inspect.Unset
	}
	return r.High - r.Low + 1 - inspect.Num(r.Reserved)
}

// Missing says why a source gave nothing.
func (n *Snapshot) Missing(s inspect.Source) inspect.Reason {
	if singleSysctl(s) {
		return n.Mem.Missing(s)
	}
	if s.Scope() == inspect.OfProcess {
		return inspect.Present
	}
	return n.got[s]
}

// SeenOf returns how much was seen of a set: of TCP's sockets, whose two tables may not both be there;
// over an interval, of the rules that drop packets those that count them. Verdicts that stand in maps are
// not known, nor rules of arptables.
func (n *Snapshot) SeenOf(s inspect.Source) inspect.Seen {
	if s == inspect.TCPSockets {
		return n.tcp
	}
	if s != inspect.NetRuleCounters || n.Was == nil || n.got[s] != inspect.Present {
		return inspect.Seen{}
	}
	f := &n.Filter
	seen := inspect.Seen{Each: "such rule", All: len(f.Rules), Source: s, Reason: inspect.Untold}
	for i := range f.Rules {
		if f.Rules[i].Counted {
			seen.Seen++
		}
	}
	if f.Maps > 0 || n.got[inspect.NetXTables] != inspect.Present || n.UnseenTables() {
		seen.Open, seen.Beyond = true, inspect.Unsupported
	}
	return seen
}

// UnseenTables reports whether there are tables of arptables, whose rules are not asked for.
func (n *Snapshot) UnseenTables() bool {
	return slices.ContainsFunc(n.Tables, func(t string) bool { return strings.HasPrefix(t, "arp ") })
}

// Partial reports whether a source gave only a part of what it holds.
func (n *Snapshot) Partial(s inspect.Source) bool { return n.spoilt.Has(s) || n.Mem.Partial(s) }

// Before returns the sample an interval ago.
func (n *Snapshot) Before() (*Snapshot, time.Duration, bool) {
	if n.Was == nil {
		return nil, 0, false
	}
	return n.Was, n.Mem.At.Sub(n.Was.Mem.At), true
}

// Kernel returns the kernel that was read.
func (n *Snapshot) Kernel() inspect.Kernel { return n.Mem.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (n *Snapshot) Doubt(src inspect.Source) inspect.Doubt { return n.Mem.Host.Doubt(src) }

// Origin is the source that a value was taken from, of one that names several.
func (n *Snapshot) Origin(s inspect.Source) inspect.Source {
	if s == inspect.TCPSockets && n.from != inspect.None {
		return n.from
	}
	return s
}

// Gaps lists the wanted sources that gave nothing.
func (n *Snapshot) Gaps() []inspect.Gap {
	out := n.Mem.Gaps()
	if n.Listed != nil {
		out = append(out, n.Listed.Gaps()...)
	}
	for s, r := range n.got {
		switch s := inspect.Source(s); {
		case r.IsGap() && r != inspect.Unread:
			out = append(out, inspect.Gap{Source: s, Reason: r, Count: 1, Of: 1})
		case n.spoilt.Has(s) && r == inspect.Present:
			out = append(out, inspect.Gap{Source: s, Reason: inspect.Malformed, Count: 1, Of: 1})
		}
	}
	return out
}

// singleSysctl reports whether a source holds one number, or one word. A snapshot of
// memory reads some of these too.
func singleSysctl(s inspect.Source) bool {
	return s.Shape() == inspect.ShapeNumber || s == inspect.DefaultQdisc
}

// hostWide reports whether a source covers the whole host: sysctls that exist once and
// are shown only in the initial namespace, and others. They are read where kwhy is,
// whichever namespace it looks at.
func hostWide(s inspect.Source) bool { return s.Scope() == inspect.OfHost }

// Take reads the wanted sources of a namespace. It fails only where the namespace's
// files can't be read at all. What /proc/PID/net does not hold, sysctls and what is
// asked by netlink, is read in the namespace itself, by a thread that enters it and
// is thrown away, where that is permitted.
func Take(h *inspect.Host, space Namespace, want inspect.Sources) (*Snapshot, error) {
	return TakeWith(h, space, want, nil)
}

// TakeWith is Net where the descriptors of all processes were walked already.
func TakeWith(h *inspect.Host, space Namespace, want inspect.Sources, walk *FDWalk) (*Snapshot, error) {
	n := newNet(h, space)
	if err := netFiles(h, n, want); err != nil {
		if pid, ok := inspect.ParsePID(strings.TrimSuffix(space.Dir, "/net")); ok {
			err = orGone(h, pid, err)
		}
		return nil, err
	}
	netSysctls(h, n, want, hostWide)
	ask := func() {
		netSysctls(h, n, want, func(s inspect.Source) bool { return !hostWide(s) })
		netAsk(h, n, want)
	}
	if space.Own {
		ask()
	} else if err := h.InNetwork(space.owner()+"/ns/net", func() error { ask(); return nil }); err != nil {
		n.shut(want, inspect.ReasonOf(err))
	}
	netSockets(h, n, want, walk)
	return n, nil
}

func newNet(h *inspect.Host, space Namespace) *Snapshot {
	unset := [3]inspect.Num{inspect.Unset, inspect.Unset, inspect.Unset}
	n := &Snapshot{
		Mem: &mem.Snapshot{Settings: h.NewSettings()}, Space: space, Sockstat: inspect.Counters{},
		MIB: inspect.Counters{}, TCPMem: unset, UDPMem: unset, TCPRmem: unset, TCPWmem: unset,
		Ports:      PortRange{Low: inspect.Unset, High: inspect.Unset},
		Neighbours: [2]Neighbours{{Exempt: inspect.Unset}, {Exempt: inspect.Unset}},
	}
	for s := range n.got {
		n.got[s], n.Mem.Got[s] = inspect.Unread, inspect.Unread
	}
	return n
}

// shut notes why nothing could be read inside of the namespace.
func (n *Snapshot) shut(want inspect.Sources, why inspect.Reason) {
	for s := range want.Each() {
		switch {
		case hostWide(s):
		case singleSysctl(s):
			n.Mem.Got[s] = why
		case insideOnly(s):
			n.got[s] = why
		}
	}
}

// insideOnly lists what belongs to one namespace but is in none of its files.
func insideOnly(s inspect.Source) bool {
	switch s {
	case inspect.TCPRmem, inspect.TCPWmem, inspect.IPLocalPortRange, inspect.IPLocalReservedPorts, inspect.NetRoute,
		inspect.NetQdisc, inspect.NetEthtool, inspect.NetHooks, inspect.NetRules, inspect.NetRuleCounters, inspect.NetXTables:
		return true
	}
	return false
}

// netFiles reads the files of the namespace's directory.
func netFiles(h *inspect.Host, n *Snapshot, want inspect.Sources) error {
	var first error
	failed := 0
	for s := range want.Each() {
		read := netReader(h, n, s)
		if read == nil {
			continue
		}
		err := read()
		if n.got[s] = n.lacking(h, s, netReason(err)); err != nil && n.got[s] != inspect.Malformed {
			failed++
			first = errors.Join(first, err)
		}
	}
	if _, err := h.Proc.Names(n.Space.Dir); err != nil && failed > 0 {
		if h.Live || !inspect.ReasonOf(err).IsMissing() {
			return fmt.Errorf("the network namespace of %s: %w", n.Space.Dir, err)
		}
		if h.NoProc {
			return fmt.Errorf("there is no /proc here: %w", err)
		}
		return fmt.Errorf("nothing of the network is in this copy: %w", err)
	}
	return nil
}

// netReason classes an error of a file of a namespace's directory: one that is not
// there is gone with its process, or else this kernel does not have it.
func netReason(err error) inspect.Reason {
	r := inspect.ReasonOf(err)
	if r == inspect.Failed && errors.Is(err, unix.EINVAL) {
		return inspect.Vanished // the last process has left the namespace
	}
	return r
}

// lacking says why a file of the namespace is not there: a copy lacks none that its kernel had not.
func (n *Snapshot) lacking(h *inspect.Host, s inspect.Source, why inspect.Reason) inspect.Reason {
	if why == inspect.NotSaved && s.OfIPv6() && neverHad(h, n.Space.Dir, "TCPv6") {
		return inspect.Unsupported
	}
	return why
}

// netReader returns what reads a file of the namespace's directory into n.
func netReader(h *inspect.Host, n *Snapshot, s inspect.Source) func() error {
	at := func(name string, parse func([]byte) error) func() error {
		return func() error {
			return h.Proc.With(n.Space.Dir+"/"+name, func(b []byte) error {
				n.noteWhole(s, !inspect.CutOff(b))
				return parse(b)
			})
		}
	}
	switch s {
	case inspect.Meminfo:
		return func() (err error) { n.Mem.Info, err = h.Counters("meminfo", 64); return err }
	case inspect.NetSockstat:
		return func() error { return readSockstat(h, n, s, procfs.FS.NetSockstat) }
	case inspect.NetSockstat6:
		return func() error { return readSockstat(h, n, s, procfs.FS.NetSockstat6) }
	case inspect.NetSNMP:
		return at("snmp", func(b []byte) error { return n.parseMIB(s, b) })
	case inspect.NetNetstat:
		return at("netstat", func(b []byte) error { return n.parseMIB(s, b) })
	case inspect.NetSNMP6:
		return at("snmp6", func(b []byte) error { return n.parseSNMP6(b) })
	case inspect.NetProtocols:
		return at("protocols", func(b []byte) (err error) { n.Protocols, err = parseProtocols(b); return err })
	case inspect.NetSoftnet:
		return at("softnet_stat", func(b []byte) (err error) { n.Softnet, err = parseSoftnet(b, onlineList(h)); return err })
	case inspect.NetDev:
		return at("dev", func(b []byte) error {
			return parseNetDev(b, func(name string, s DevStats) { n.Interfaces = append(n.Interfaces, newInterface(name, s)) })
		})
	case inspect.NetConntrack:
		return at("stat/nf_conntrack", func(b []byte) (err error) { n.Conntrack, err = parsePerCPU(b); return err })
	case inspect.NetARPCache, inspect.NetNdiscCache:
		return neighbourReader(h, n, s)
	case inspect.NetTables:
		return func() error {
			tables, why := netTables(h, n.Space.Dir)
			if n.Tables = tables; why.IsGap() {
				return inspect.Lacking(fs.ErrNotExist, why)
			}
			return nil
		}
	}
	return nil
}

// noteWhole notes a file of which only a part could be used.
func (n *Snapshot) noteWhole(s inspect.Source, whole bool) {
	if !whole {
		n.spoilt = n.spoilt.Plus(inspect.Of(s))
	}
}

// parseMIB reads snmp or netstat.
func (n *Snapshot) parseMIB(s inspect.Source, b []byte) error {
	n.noteWhole(s, wholeMIB(b))
	return parseMIB(b, n.MIB)
}

// parseSNMP6 reads lines of "Ip6InReceives 1": the names are nstat's already.
func (n *Snapshot) parseSNMP6(b []byte) error {
	list, whole, err := inspect.ParseAllCounters(b, 128)
	n.noteWhole(inspect.NetSNMP6, whole)
	for name, value := range list {
		n.MIB[name] = value
	}
	return err
}

func onlineList(h *inspect.Host) string {
	var l inspect.CPULists
	h.CpuLists(&l)
	return l.Online
}

// netSysctls reads the wanted sysctls, in the namespace that the calling thread is
// in: /proc/sys/net shows each thread its own.
func netSysctls(h *inspect.Host, n *Snapshot, want inspect.Sources, which func(inspect.Source) bool) {
	for s := range want.Each() {
		if !which(s) || !strings.HasPrefix(s.String(), "/proc/sys/") {
			continue
		}
		if singleSysctl(s) {
			if read := mem.Reader(h, s); read != nil {
				n.Mem.Got[s] = n.lacking(h, s, inspect.ReasonOf(read(n.Mem)))
			}
			continue
		}
		switch s {
		case inspect.TCPMem:
			n.got[s] = numbers(h, s, n.TCPMem[:])
		case inspect.UDPMem:
			n.got[s] = numbers(h, s, n.UDPMem[:])
		case inspect.TCPRmem:
			n.got[s] = numbers(h, s, n.TCPRmem[:])
		case inspect.TCPWmem:
			n.got[s] = numbers(h, s, n.TCPWmem[:])
		case inspect.IPLocalPortRange:
			var r [2]inspect.Num
			if n.got[s] = numbers(h, s, r[:]); n.got[s] == inspect.Present {
				n.Ports.Low, n.Ports.High = r[0], r[1]
			}
		case inspect.IPLocalReservedPorts:
			n.got[s] = reservedPorts(h, n)
		}
	}
}

// numbers reads a sysctl of several numbers.
func numbers(h *inspect.Host, s inspect.Source, to []inspect.Num) inspect.Reason {
	t, rel := h.At(s)
	return inspect.ReasonOf(t.Single(rel, func(b []byte) error {
		rest := inspect.TrimNewline(b)
		got := make([]inspect.Num, len(to))
		for i := range got {
			var field []byte
			field, rest = inspect.CutField(rest)
			if got[i] = inspect.ParseNum(field); got[i] == inspect.Unset {
				return inspect.ErrMalformed
			}
		}
		copy(to, got)
		return nil
	}))
}

// reservedPorts counts those of the range that connect passes over.
func reservedPorts(h *inspect.Host, n *Snapshot) inspect.Reason {
	t, rel := h.At(inspect.IPLocalReservedPorts)
	return inspect.ReasonOf(t.Single(rel, func(b []byte) error {
		inspect.EachCPU(string(inspect.TrimNewline(b)), func(port int) { // a list of the same form
			if inspect.Num(port) >= n.Ports.Low && inspect.Num(port) <= n.Ports.High {
				n.Ports.Reserved++
			}
		})
		return nil
	}))
}

// netAsk asks by netlink what the namespace that the calling thread is in has, and
// reads what /sys shows of it. A copy of a host answers by its files alone.
func netAsk(h *inspect.Host, n *Snapshot, want inspect.Sources) {
	var rt rtnet
	live := h.Live // the kernel that is asked is the one whose files were read
	none := func(s inspect.Source) {
		if want.Has(s) {
			n.got[s] = inspect.NotSaved // the numbers here are another host's
		}
	}
	if live && (want.Has(inspect.NetRoute) || want.Has(inspect.NetQdisc)) {
		n.got[inspect.NetRoute] = inspect.ReasonOf(rt.routes(h))
	} else {
		none(inspect.NetRoute)
	}
	if want.Has(inspect.NetSysfs) {
		n.got[inspect.NetSysfs] = sysfsInterfaces(h, n, &rt)
	}
	for i := range n.Interfaces {
		if from := rt.links[n.Interfaces[i].Name]; from != nil {
			n.Interfaces[i].fill(from)
		}
	}
	if !live {
		none(inspect.NetQdisc)
		none(inspect.NetEthtool)
		none(inspect.NetHooks)
		none(inspect.NetRules)
		none(inspect.NetRuleCounters)
		none(inspect.NetXTables)
		return
	}
	n.askNeighbours(h)
	if want.Has(inspect.NetRules) || want.Has(inspect.NetRuleCounters) || want.Has(inspect.NetXTables) {
		n.askFilter(h)
	}
	if want.Has(inspect.NetQdisc) {
		n.got[inspect.NetQdisc] = inspect.ReasonOf(rt.queues(h))
		n.Qdiscs = rt.qdiscs
	}
	if want.Has(inspect.NetEthtool) {
		n.got[inspect.NetEthtool] = n.askRings(h)
	}
	if want.Has(inspect.NetHooks) {
		var devs []string
		for i := range n.Interfaces {
			devs = append(devs, n.Interfaces[i].Name)
		}
		hooks, err := netHooks(h, devs)
		n.Hooks, n.got[inspect.NetHooks] = hooks, hookReason(err)
	}
}

// askFilter asks for the rules that drop. Which tables of x_tables there are is read before.
func (n *Snapshot) askFilter(h *inspect.Host) {
	filter, nft, x := netFilter(h, n.Tables)
	n.Filter = filter
	n.got[inspect.NetRules], n.got[inspect.NetRuleCounters] = filterReason(nft), filterReason(nft)
	n.got[inspect.NetXTables] = inspect.ReasonOf(x)
	if why := n.got[inspect.NetTables]; why.IsGap() {
		n.got[inspect.NetXTables] = why
	}
}

// askRings asks the cards that are up. Most virtual interfaces have no rings, and
// say so.
func (n *Snapshot) askRings(h *inspect.Host) inspect.Reason {
	for i := range n.Interfaces {
		at := &n.Interfaces[i]
		if at.State != "up" {
			continue
		}
		switch err := at.rings(h); {
		case err == nil, errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENODEV):
		default:
			return inspect.ReasonOf(err)
		}
	}
	return inspect.Present
}

// sysfsInterfaces adds what /sys/class/net has. That is of the namespace in which
// /sys was mounted, which need not be the one that is looked at: an interface is
// the same where rtnetlink gives the same index and address, and without rtnetlink,
// in a copy, where both lists are the same.
func sysfsInterfaces(h *inspect.Host, n *Snapshot, rt *rtnet) inspect.Reason {
	names, err := sysfsNames(h)
	if err != nil {
		return inspect.ReasonOf(err)
	}
	matched := false
	for i := range n.Interfaces {
		at := &n.Interfaces[i]
		if !slices.Contains(names, at.Name) || !sysfsSame(h, n, rt, at.Name, len(names)) {
			continue
		}
		sysfsInterface(h, at)
		matched = true
	}
	if !matched && len(n.Interfaces) > 0 {
		return inspect.Inapplicable // it speaks of another namespace
	}
	return inspect.Present
}

func sysfsSame(h *inspect.Host, n *Snapshot, rt *rtnet, name string, listed int) bool {
	if rt.links == nil {
		return n.Space.Own && listed == len(n.Interfaces)
	}
	link := rt.links[name]
	if link == nil {
		return false
	}
	index, err := h.Sys.Number("class/net/" + name + "/ifindex")
	same := err == nil && inspect.Num(index) == link.Index
	if name == "lo" { // each has one, alike: only the whole list identifies the namespace
		same = same && listed == len(n.Interfaces)
	}
	address := ""
	_ = h.Sys.Single("class/net/"+name+"/address", func(b []byte) error { address = strings.TrimSpace(string(b)); return nil })
	return same && address == link.Hardware
}

// owner is whose directory below /proc it has.
func (n *Namespace) owner() string { return path.Dir(n.Dir) }
