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

// Hook is a function that netfilter calls at a hook: a table of iptables, a chain of
// nftables, connection tracking, a security module.
type Hook struct {
	Family   string // ip, ip6, arp, bridge, netdev
	Hook     string // prerouting, input, forward, output, postrouting; ingress, egress
	Place    int    // of the hook on a packet's way, for the order
	Dev      string // of the family netdev
	Priority int32  // the lowest is called first
	Function string // of the kernel; "" where it was built without names
	Module   string
	Table    string // of a chain of nftables: its family and table
	Chain    string
}

// hookFamily is a family and the hooks that it has, by number.
type hookFamily struct {
	number uint8 // NFPROTO_* (include/uapi/linux/netfilter.h)
	name   string
	hooks  []string
}

func hookFamilies() []hookFamily {
	inet := []string{"prerouting", "input", "forward", "output", "postrouting"}
	return []hookFamily{
		{unix.NFPROTO_NETDEV, "netdev", []string{"ingress", "egress"}},
		{unix.NFPROTO_BRIDGE, "bridge", inet},
		{unix.NFPROTO_ARP, "arp", []string{"input", "output", "forward"}},
		{unix.NFPROTO_IPV4, "ip", inet},
		{unix.NFPROTO_IPV6, "ip6", inet},
	}
}

// hookPlace is where on a packet's way a hook is.
func hookPlace(name string) int { return slices.Index(hookWay(), name) }

// hookWay are the hooks in the order in which a packet meets them.
func hookWay() []string {
	return []string{"ingress", "prerouting", "input", "forward", "output", "postrouting", "egress"}
}

// netHooks asks nfnetlink for every function that is hooked, in the namespace that
// the calling thread is in (net/netfilter/nfnetlink_hook.c).
func netHooks(h *inspect.Host, devs []string) (out []Hook, err error) {
	c, err := h.Netlink(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for _, f := range hookFamilies() {
		on := []string{""}
		if f.number == unix.NFPROTO_NETDEV {
			on = devs
		}
		for n, hook := range f.hooks {
			for _, dev := range on {
				answers, err := askHook(c, f.number, uint32(n), dev)
				switch {
				case err == nil:
				case f.number == unix.NFPROTO_IPV4:
					return nil, err // every kernel that can be asked has these
				default:
					continue // a family that this kernel was built without
				}
				for _, a := range answers {
					if h, ok := parseHook(a.Data); ok {
						h.Family, h.Hook, h.Place, h.Dev = f.name, hook, hookPlace(hook), dev
						out = append(out, h)
					}
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Hook) int {
		return cmp.Or(cmp.Compare(a.Place, b.Place), strings.Compare(a.Family, b.Family), cmp.Compare(a.Priority, b.Priority))
	})
	return out, nil
}

const (
	nfgenmsg     = 4  // struct nfgenmsg: family, version, resource
	hookSubsys   = 12 // NFNL_SUBSYS_HOOK
	hookNumber   = 1  // NFNLA_HOOK_HOOKNUM
	hookPriority = 2  // NFNLA_HOOK_PRIORITY
	hookDev      = 3  // NFNLA_HOOK_DEV
	hookFunction = 4  // NFNLA_HOOK_FUNCTION_NAME
	hookModule   = 5  // NFNLA_HOOK_MODULE_NAME
	hookChain    = 6  // NFNLA_HOOK_CHAIN_INFO
	chainDesc    = 1  // NFNLA_HOOK_INFO_DESC
	chainTable   = 1  // NFNLA_CHAIN_TABLE
	chainFamily  = 2  // NFNLA_CHAIN_FAMILY
	chainName    = 3  // NFNLA_CHAIN_NAME
)

func askHook(c *inspect.Netlink, family uint8, number uint32, dev string) ([]netlink.Message, error) {
	attrs := netlink.NewAttributeEncoder()
	attrs.ByteOrder = binary.BigEndian
	attrs.Uint32(hookNumber, number)
	if dev != "" {
		attrs.String(hookDev, dev)
	}
	data, err := attrs.Encode()
	if err != nil {
		return nil, err
	}
	ask := netlink.Message{
		Header: netlink.Header{Type: hookSubsys << 8, Flags: netlink.Request | netlink.Dump},
		Data:   append([]byte{family, 0, 0, 0}, data...),
	}
	return c.Ask(ask)
}

// parseHook reads one answer: struct nfgenmsg and attributes.
func parseHook(b []byte) (h Hook, ok bool) {
	if len(b) < nfgenmsg {
		return h, false
	}
	ad, err := netlink.NewAttributeDecoder(b[nfgenmsg:])
	if err != nil {
		return h, false
	}
	ad.ByteOrder = binary.BigEndian
	found := false
	for ad.Next() {
		switch ad.Type() {
		case hookPriority:
			h.Priority, found = int32(ad.Uint32()), true
		case hookFunction:
			h.Function = ad.String()
		case hookModule:
			h.Module = ad.String()
		case hookChain:
			ad.Nested(func(in *netlink.AttributeDecoder) error {
				for in.Next() {
					if in.Type() == chainDesc {
						in.Nested(h.chain)
					}
				}
				return nil
			})
		}
	}
	return h, found && ad.Err() == nil
}

func (h *Hook) chain(ad *netlink.AttributeDecoder) error {
	family := ""
	for ad.Next() {
		switch ad.Type() {
		case chainTable:
			h.Table = ad.String()
		case chainName:
			h.Chain = ad.String()
		case chainFamily:
			family = nftFamily(ad.Uint8())
		}
	}
	h.Table = strings.TrimSpace(family + " " + h.Table)
	return nil
}

func nftFamily(n uint8) string {
	switch n {
	case unix.NFPROTO_INET:
		return "inet"
	case unix.NFPROTO_IPV4:
		return "ip"
	case unix.NFPROTO_ARP:
		return "arp"
	case unix.NFPROTO_NETDEV:
		return "netdev"
	case unix.NFPROTO_BRIDGE:
		return "bridge"
	case unix.NFPROTO_IPV6:
		return "ip6"
	}
	return ""
}

// hookReason says why the hooks are unknown. A kernel without the subsystem
// answers EINVAL, and one without the privilege EPERM, before it looks
// (net/netfilter/nfnetlink.c, nfnetlink_rcv).
func hookReason(err error) inspect.Reason {
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT):
		return inspect.Unsupported
	}
	return inspect.ReasonOf(err)
}

// netTables reads the tables of iptables that have been made: "ip filter". One that
// is made is hooked, with rules or without. Those of nftables are not listed here. Where one
// family's file was not saved, or could not be read, there may be others than those that are listed,
// and none is: a kernel without a family has no file of it, which a copy does not tell.
func netTables(h *inspect.Host, dir string) (out []string, why inspect.Reason) {
	why = inspect.Unsupported
	lacks := inspect.Present
	for _, f := range []string{"ip", "ip6", "arp"} {
		err := h.Proc.With(dir+"/"+f+"_tables_names", func(b []byte) error {
			for name := range strings.FieldsSeq(string(b)) {
				out = append(out, f+" "+name)
			}
			return nil
		})
		switch r := inspect.ReasonOf(err); {
		case r == inspect.Unsupported: // no table of it
		case r != inspect.Present:
			lacks = r
		default:
			why = r
		}
	}
	if lacks != inspect.Present {
		return nil, lacks
	}
	if why == inspect.Unsupported { // which the files of a running kernel alone tell
		why = inspect.Inapplicable // no iptables in this kernel: no table of it
	}
	return out, why
}
