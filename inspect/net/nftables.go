package net

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// DropRule is a rule of nftables or x_tables that drops or rejects packets, or the policy of a chain that
// drops those that no rule has decided on.
type DropRule struct {
	Family, Table, Chain string
	Legacy               bool     // of x_tables, which iptables-legacy shows
	Handle               uint64   // of the rule, as nft -a lists it, or its number in the chain of x_tables; 0 is the chain's policy
	Hooks                []string // that lead to it, in the order of a packet's way; none where none is known
	Rejects              bool     // it answers, too
	Counted              bool     // it has a counter of the packets that it drops
	Named                string   // the counter, where it is one with a name: other rules may count there too
	Packets, Bytes       uint64   // that it dropped, where it is counted
}

// Filter is what nftables and x_tables have that drops packets in a network namespace.
type Filter struct {
	Rules []DropRule
	Maps  int // rules that take their verdict from a map, which may hold drops too

	index map[ruleKey]int
}

// chainKey is which chain it is.
type chainKey struct {
	family, table, chain string
	legacy               bool // of x_tables
}

// nftChain is a chain as the kernel lists it, of x_tables too.
type nftChain struct {
	hook    string // "" where others lead to it alone
	drops   bool   // its policy
	counted bool
	packets uint64
	bytes   uint64
}

// Of nftables' messages and attributes (include/uapi/linux/netfilter/nf_tables.h).
const (
	nftTableOf     = 1 // NFTA_CHAIN_TABLE, NFTA_RULE_TABLE and NFTA_OBJ_TABLE
	nftTableName   = 1
	nftTableFlags  = 2
	nftChainName   = 3
	nftChainHook   = 4
	nftChainPolicy = 5
	nftChainCounts = 8
	nftRuleChain   = 2
	nftRuleHandle  = 3
	nftRuleExprs   = 4
	nftObjName     = 2
	nftObjType     = 3
	nftObjData     = 4
	nftHookNumber  = 1
	nftBytes       = 1 // NFTA_COUNTER_BYTES
	nftPackets     = 2
	nftExprName    = 1
	nftExprData    = 2
	nftImmData     = 2
	nftVerdict     = 2 // NFTA_DATA_VERDICT
	nftVerdictCode = 1
	nftVerdictTo   = 2
	nftLookupTo    = 3 // NFTA_LOOKUP_DREG
	nftObjRefType  = 1
	nftObjRefName  = 2
	nftTargetName  = 1
	nftCounterObj  = 1 // NFT_OBJECT_COUNTER
	nftDrop        = 0 // NF_DROP
	nftDormant     = 1 // NFT_TABLE_F_DORMANT
)

// netFilter asks nftables and x_tables for the rules that drop, in the namespace that the calling thread is
// in: of x_tables those of tables that are known to be there. Each has its own error.
func netFilter(h *inspect.Host, tables []string) (f Filter, nft, x error) {
	r, nft := nftRules(h)
	x = r.xRules(h, tables)
	return r.filter(), nft, x
}

// nftRules asks nftables: dumps of chains and rules, which change nothing, not even a counter
// (net/netfilter/nf_tables_api.c, nf_tables_dump_rules). Where nf_tables is not loaded there are
// none, and it is not asked: that would have the kernel load it.
func nftRules(h *inspect.Host) (r ruleset, err error) {
	if !h.HasModule("nf_tables") {
		return newRuleset(), nil
	}
	c, err := h.Netlink(unix.NETLINK_NETFILTER)
	if err != nil {
		return newRuleset(), err
	}
	defer c.Close()
	for range dumpTries { // for as long as the rules change while they are listed
		if r, err = listRules(c); err == nil {
			return r, nil
		}
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return newRuleset(), err
}

func newRuleset() ruleset {
	return ruleset{dormant: map[[2]string]bool{}, chains: map[chainKey]*nftChain{}, calls: map[chainKey][]chainKey{}}
}

// listRules asks for tables, chains and rules, and for counters with a name where a rule uses one.
func listRules(c *inspect.Netlink) (r ruleset, err error) {
	r = newRuleset()
	if err := nftDump(c, unix.NFT_MSG_GETTABLE, r.table); err != nil {
		return r, err
	}
	if err := nftDump(c, unix.NFT_MSG_GETCHAIN, r.chain); err != nil {
		return r, err
	}
	if err := nftDump(c, unix.NFT_MSG_GETRULE, r.rule); err != nil {
		return r, err
	}
	if r.named {
		err = nftDump(c, unix.NFT_MSG_GETOBJ, r.counter)
	}
	return r, err
}

// dumpTries is how often the rules are listed that change meanwhile.
const dumpTries = 3

// nftDump asks for all of a kind, of every family.
func nftDump(c *inspect.Netlink, what int, each func([]byte)) error {
	return c.Dump(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | what), Flags: netlink.Request | netlink.Dump},
		Data:   []byte{unix.NFPROTO_UNSPEC, 0, 0, 0},
	}, each)
}

// ruleset is what is gathered of the rules.
type ruleset struct {
	dormant  map[[2]string]bool // by family and table: those that are switched off
	chains   map[chainKey]*nftChain
	calls    map[chainKey][]chainKey // which chains a chain leads to
	drops    []DropRule
	counters map[[3]string][2]uint64 // by family, table and name: packets and bytes
	named    bool
	maps     int
}

// nftAttrs goes through the attributes of an answer of nftables.
func nftAttrs(b []byte, each func(*netlink.AttributeDecoder)) (family string, ok bool) {
	if len(b) < nfgenmsg {
		return "", false
	}
	ad, err := netlink.NewAttributeDecoder(b[nfgenmsg:])
	if err != nil {
		return "", false
	}
	nftEach(ad, each)
	return nftFamily(b[0]), ad.Err() == nil
}

// nftEach goes through attributes, whose numbers are in the network's order.
func nftEach(ad *netlink.AttributeDecoder, each func(*netlink.AttributeDecoder)) {
	for ad.ByteOrder = binary.BigEndian; ad.Next(); {
		each(ad)
	}
}

// nested goes through the attributes that one holds.
func nested(ad *netlink.AttributeDecoder, each func(*netlink.AttributeDecoder)) {
	ad.Nested(func(in *netlink.AttributeDecoder) error {
		nftEach(in, each)
		return in.Err()
	})
}

// counts reads the numbers of a counter.
func counts(ad *netlink.AttributeDecoder) (packets, bytes uint64) {
	nested(ad, func(in *netlink.AttributeDecoder) {
		switch in.Type() {
		case nftBytes:
			bytes = in.Uint64()
		case nftPackets:
			packets = in.Uint64()
		}
	})
	return packets, bytes
}

// table takes in an answer to NFT_MSG_GETTABLE. The chains of a dormant table are at no hook
// (net/netfilter/nf_tables_api.c, nf_tables_table_disable): no packet comes to its rules, though
// chains and rules are listed as ever.
func (r *ruleset) table(b []byte) {
	var name string
	flags := uint32(0)
	family, ok := nftAttrs(b, func(ad *netlink.AttributeDecoder) {
		switch ad.Type() {
		case nftTableName:
			name = ad.String()
		case nftTableFlags:
			flags = ad.Uint32()
		}
	})
	if ok && flags&nftDormant != 0 {
		r.dormant[[2]string{family, name}] = true
	}
}

// chain takes in an answer to NFT_MSG_GETCHAIN. A chain's own counter counts what its policy
// decides on, where it was made with one, as iptables does
// (net/netfilter/nf_tables_core.c, nft_do_chain).
func (r *ruleset) chain(b []byte) {
	var key chainKey
	var c nftChain
	hook := uint32(0)
	hooked := false
	family, ok := nftAttrs(b, func(ad *netlink.AttributeDecoder) {
		switch ad.Type() {
		case nftTableOf:
			key.table = ad.String()
		case nftChainName:
			key.chain = ad.String()
		case nftChainHook:
			hooked = true
			nested(ad, func(in *netlink.AttributeDecoder) {
				if in.Type() == nftHookNumber {
					hook = in.Uint32()
				}
			})
		case nftChainPolicy:
			c.drops = ad.Uint32() == nftDrop
		case nftChainCounts:
			c.counted = true
			c.packets, c.bytes = counts(ad)
		}
	})
	if key.family = family; !ok || r.dormant[[2]string{family, key.table}] {
		return
	}
	if hooked {
		c.hook = hookName(family, hook)
	}
	r.chains[key] = &c
}

// hookName names a hook of a family. Those of inet are those of ip, and ingress since 5.10.
func hookName(family string, n uint32) string {
	names := []string{"prerouting", "input", "forward", "output", "postrouting", "ingress"}
	for _, f := range hookFamilies() {
		if f.name == family {
			names = f.hooks
		}
	}
	if int(n) < len(names) {
		return names[n]
	}
	return ""
}

// rule takes in an answer to NFT_MSG_GETRULE, which has the rule's expressions in their order.
func (r *ruleset) rule(b []byte) {
	var at chainKey
	var d DropRule
	var to string
	decides := undecided
	family, ok := nftAttrs(b, func(ad *netlink.AttributeDecoder) {
		switch ad.Type() {
		case nftTableOf:
			at.table = ad.String()
		case nftRuleChain:
			at.chain = ad.String()
		case nftRuleHandle:
			d.Handle = ad.Uint64()
		case nftRuleExprs:
			nested(ad, func(in *netlink.AttributeDecoder) {
				nested(in, expression(func(name string, data *netlink.AttributeDecoder) {
					d.express(name, data, &decides, &to)
				}))
			})
		}
	})
	if at.family = family; !ok || r.dormant[[2]string{family, at.table}] {
		return
	}
	switch decides {
	case byMap:
		r.maps++
	case jumps:
		r.calls[at] = append(r.calls[at], chainKey{family: family, table: at.table, chain: to})
	case drops, rejects:
		d.Family, d.Table, d.Chain, d.Rejects = family, at.table, at.chain, decides == rejects
		r.named = r.named || d.Named != ""
		r.drops = append(r.drops, d)
	}
}

// counter takes in an answer to NFT_MSG_GETOBJ.
func (r *ruleset) counter(b []byte) {
	var key [3]string
	var n [2]uint64
	kind := uint32(0)
	family, ok := nftAttrs(b, func(ad *netlink.AttributeDecoder) {
		switch ad.Type() {
		case nftTableOf:
			key[1] = ad.String()
		case nftObjName:
			key[2] = ad.String()
		case nftObjType:
			kind = ad.Uint32()
		case nftObjData:
			n[0], n[1] = counts(ad)
		}
	})
	if key[0] = family; !ok || kind != nftCounterObj {
		return
	}
	if r.counters == nil {
		r.counters = map[[3]string][2]uint64{}
	}
	r.counters[key] = n
}

// filter is what was gathered: the rules that drop, in the order of a packet's way.
func (r *ruleset) filter() Filter {
	f := Filter{Rules: r.drops, Maps: r.maps}
	for key, c := range r.chains {
		if c.hook != "" && c.drops {
			f.Rules = append(f.Rules, DropRule{
				Family: key.family, Table: key.table, Chain: key.chain, Legacy: key.legacy, Counted: c.counted, Packets: c.packets, Bytes: c.bytes,
			})
		}
	}
	hooks := r.hooks()
	for i := range f.Rules {
		d := &f.Rules[i]
		d.Hooks = hooks[d.key().chainKey]
		if d.Named == "" {
			continue
		}
		n, ok := r.counters[[3]string{d.Family, d.Table, d.Named}]
		d.Counted, d.Packets, d.Bytes = ok, n[0], n[1]
	}
	slices.SortFunc(f.Rules, func(a, b DropRule) int {
		return cmp.Or(
			cmp.Compare(a.place(), b.place()), strings.Compare(a.Family, b.Family), strings.Compare(a.Table, b.Table),
			strings.Compare(a.Chain, b.Chain), cmp.Compare(a.Handle-1, b.Handle-1), // a policy comes last
		)
	})
	f.number()
	return f
}

// number makes the index of the rules.
func (f *Filter) number() {
	f.index = make(map[ruleKey]int, len(f.Rules))
	for i := range f.Rules {
		f.index[f.Rules[i].key()] = i
	}
}

// SetFilter sets the rules that drop, for tests: no copy of a host has them.
func (n *Snapshot) SetFilter(rules []DropRule) {
	n.Filter = Filter{Rules: rules}
	n.Filter.number()
	n.got[inspect.NetRules], n.got[inspect.NetRuleCounters], n.got[inspect.NetXTables] = inspect.Present, inspect.Present, inspect.Present
}

func (d *DropRule) place() int {
	if len(d.Hooks) == 0 {
		return len(hookWay())
	}
	return hookPlace(d.Hooks[0])
}

// hooks finds from which hooks each chain is reached, by the jumps that rules have.
func (r *ruleset) hooks() map[chainKey][]string {
	out := map[chainKey][]string{}
	var reach func(at chainKey, hook string)
	reach = func(at chainKey, hook string) {
		if slices.Contains(out[at], hook) {
			return
		}
		out[at] = append(out[at], hook)
		for _, to := range r.calls[at] {
			reach(to, hook)
		}
	}
	for key, c := range r.chains {
		if c.hook != "" {
			reach(key, c.hook)
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b string) int { return cmp.Compare(hookPlace(a), hookPlace(b)) })
	}
	return out
}

// SameDropRule finds a rule in an earlier sample.
func SameDropRule(was *Snapshot, d *DropRule) *DropRule {
	if i, ok := was.Filter.index[d.key()]; ok {
		return &was.Filter.Rules[i]
	}
	return nil
}

// ruleKey is which rule it is.
type ruleKey struct {
	chainKey
	handle uint64
}

func (d *DropRule) key() ruleKey {
	return ruleKey{chainKey{d.Family, d.Table, d.Chain, d.Legacy}, d.Handle}
}

// filterReason says why the rules are unknown: by EINVAL a kernel says that it has no nftables.
func filterReason(err error) inspect.Reason {
	if errors.Is(err, unix.EINTR) {
		return inspect.Failed // it changed each time that it was read
	}
	if r := hookReason(err); r != inspect.Unsupported {
		return r
	}
	return inspect.Present // no nftables, and so none of its rules
}
