package net

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// xFamily is one of the families of x_tables and how its rules are laid out: struct ipt_entry
// (include/uapi/linux/netfilter_ipv4/ip_tables.h) and struct ip6t_entry
// (include/uapi/linux/netfilter_ipv6/ip6_tables.h).
type xFamily struct {
	name            string
	domain, level   int
	targetAt        int // where the offset of the target stands; that of the next entry follows
	countersAt      int
	entry, getStart int // the least size of an entry, and where the first one begins in an answer
}

func xFamilies() []xFamily {
	list := []xFamily{
		{name: "ip", domain: unix.AF_INET, level: unix.IPPROTO_IP, targetAt: 88, countersAt: 96, entry: 112, getStart: 40},
		{name: "ip6", domain: unix.AF_INET6, level: unix.IPPROTO_IPV6, targetAt: 140, countersAt: 152, entry: 168, getStart: 40},
	}
	if runtime.GOARCH == "386" { // where 64 bits stand at any multiple of four
		list[0].getStart, list[1].getStart = 36, 36
		list[1].countersAt, list[1].entry = 148, 164
	}
	return list
}

const (
	xGetInfo    = 64 // IPT_SO_GET_INFO, IP6T_SO_GET_INFO
	xGetEntries = 65
	xName       = 32 // XT_TABLE_MAXNAMELEN
	xHooks      = 5  // NF_INET_NUMHOOKS
	xInfo       = 84 // struct ipt_getinfo
	xTarget     = 32 // struct xt_entry_target: size, name, revision
	xTargetName = 29 // XT_EXTENSION_MAXNAMELEN
	xErrorName  = 30 // XT_FUNCTION_MAXNAMELEN
)

// xRules asks x_tables for the rules of tables that have been made, such as "ip filter". Asking for one
// that has not would make it (net/netfilter/x_tables.c, xt_find_table_lock); for these it changes
// nothing, not even a counter (net/ipv4/netfilter/ip_tables.c, get_info and get_entries). Those of arp are
// left out.
func (r *ruleset) xRules(h *inspect.Host, tables []string) error {
	for _, f := range xFamilies() {
		for _, t := range tables {
			name, ok := strings.CutPrefix(t, f.name+" ")
			if !ok {
				continue
			}
			if err := r.xTable(h, &f, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *ruleset) xTable(h *inspect.Host, f *xFamily, table string) (err error) {
	for range dumpTries { // for as long as its size changes between the two questions
		info := append([]byte(table), make([]byte, xInfo-len(table))...)
		if _, err = h.SocketOption(f.domain, f.level, xGetInfo, info); err != nil {
			return err
		}
		size := binary.NativeEndian.Uint32(info[xInfo-4:])
		b := make([]byte, f.getStart+int(size))
		copy(b, table)
		binary.NativeEndian.PutUint32(b[xName:], size)
		if _, err = h.SocketOption(f.domain, f.level, xGetEntries, b); err == nil {
			return r.xEntries(f, table, info, b[f.getStart:])
		}
		if !errors.Is(err, unix.EAGAIN) {
			break
		}
	}
	return err
}

// xWalk is where one is in the rules of a table.
type xWalk struct {
	at     chainKey
	n      uint64             // of the rule in its chain, as iptables -L --line-numbers shows it
	starts map[int]string     // where the chains of users begin
	jumps  map[chainKey][]int // to which places a chain leads
}

// xEntries takes in the rules of a table. They stand one behind the other: each chain of a hook begins
// where info says and ends with its policy; one of a user begins behind an entry that names it.
func (r *ruleset) xEntries(f *xFamily, table string, info, b []byte) error {
	w := xWalk{starts: map[int]string{}, jumps: map[chainKey][]int{}}
	for off := 0; off < len(b); {
		e := b[off:]
		if len(e) < f.entry {
			return inspect.ErrMalformed
		}
		target, next := int(binary.NativeEndian.Uint16(e[f.targetAt:])), int(binary.NativeEndian.Uint16(e[f.targetAt+2:]))
		if target < f.entry || next < target+xTarget || next > len(e) {
			return inspect.ErrMalformed
		}
		hook, policy := xHook(info, off)
		if hook >= 0 {
			w.at, w.n = chainKey{family: f.name, table: table, chain: xChain(hook), legacy: true}, 0
			r.chains[w.at] = &nftChain{hook: hookName(f.name, uint32(hook))}
		}
		r.xEntry(f, &w, e[:next], off, target, policy)
		off += next
	}
	for from, list := range w.jumps {
		for _, to := range list {
			if name, ok := w.starts[to]; ok {
				r.calls[from] = append(r.calls[from], chainKey{f.name, table, name, true})
			}
		}
	}
	return nil
}

// xHook tells of an entry which hook's chain begins with it, -1 where none does, and whether it is the
// policy of one. valid_hooks, hook_entry and underflow follow the name in struct ipt_getinfo.
func xHook(info []byte, off int) (begins int, policy bool) {
	begins = -1
	valid := binary.NativeEndian.Uint32(info[xName:])
	for hook := range xHooks {
		if valid>>hook&1 == 0 {
			continue
		}
		entry := info[xName+4+4*hook:]
		if binary.NativeEndian.Uint32(entry) == uint32(off) {
			begins = hook
		}
		if binary.NativeEndian.Uint32(entry[4*xHooks:]) == uint32(off) {
			policy = true
		}
	}
	return begins, policy
}

// xChain is the name of a hook's chain: iptables writes it with capitals.
func xChain(hook int) string { return strings.ToUpper(hookName("ip", uint32(hook))) }

// xEntry takes in one entry. What a rule or a policy decides on, it counts.
func (r *ruleset) xEntry(f *xFamily, w *xWalk, e []byte, off, target int, policy bool) {
	packets, bytes := binary.NativeEndian.Uint64(e[f.countersAt:]), binary.NativeEndian.Uint64(e[f.countersAt+8:])
	name, data := xString(e[target+2:], xTargetName), e[target+xTarget:]
	verdict, rejects := int32(0), name == "REJECT"
	switch {
	case name == "ERROR": // it begins a chain, or ends the table
		w.at, w.n = chainKey{f.name, w.at.table, xString(data, xErrorName), true}, 0
		w.starts[off+len(e)] = w.at.chain
		r.chains[w.at] = &nftChain{}
		return
	case name == "" && len(data) >= 4: // a standard target: a place to go on at, or -1 less a verdict
		verdict = int32(binary.NativeEndian.Uint32(data))
	case !rejects:
		w.n++
		return
	}
	w.n++
	drops := name == "" && verdict == -1-nftDrop
	switch c := r.chains[w.at]; {
	case policy && c != nil:
		c.drops, c.counted, c.packets, c.bytes = drops, true, packets, bytes
	case drops || rejects:
		r.drops = append(r.drops, DropRule{
			Family: f.name, Table: w.at.table, Chain: w.at.chain, Legacy: true, Handle: w.n, Rejects: rejects, Counted: true,
			Packets: packets, Bytes: bytes,
		})
	case verdict >= 0:
		w.jumps[w.at] = append(w.jumps[w.at], int(verdict))
	}
}

// xString is a name that a zero ends, of at most so many bytes.
func xString(b []byte, most int) string {
	name, _, _ := bytes.Cut(b[:min(most, len(b))], []byte{0})
	return string(name)
}
