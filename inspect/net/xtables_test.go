package net_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
)

// xEntry is a struct ipt_entry of a 64-bit machine without matches: its target is an extension's, or with no
// name a standard one, whose data is a verdict.
func xEntry(packets uint64, target string, data ...byte) []byte {
	b := make([]byte, 112+32+len(data)+(8-len(data)%8)%8)
	binary.NativeEndian.PutUint16(b[88:], 112)
	binary.NativeEndian.PutUint16(b[90:], uint16(len(b)))
	binary.NativeEndian.PutUint64(b[96:], packets)
	binary.NativeEndian.PutUint64(b[104:], 100*packets)
	binary.NativeEndian.PutUint16(b[112:], uint16(len(b)-112))
	copy(b[114:], target)
	copy(b[144:], data)
	return b
}

// standard is a verdict as x_tables has it: -1 less that of netfilter, or the place to go on at.
func standard(packets uint64, verdict int32) []byte {
	return xEntry(packets, "", binary.NativeEndian.AppendUint32(nil, uint32(verdict))...)
}

// xTable has INPUT, which leads to a chain of a user's and whose policy drops.
func xTable() (info, entries []byte) {
	name := make([]byte, 30)
	copy(name, "sub")
	list := [][]byte{
		standard(7, -1), xEntry(2, "LOG"), nil, standard(5, -1), // the last is the policy
		xEntry(0, "ERROR", name...), xEntry(3, "REJECT", 0, 0, 0, 0), standard(0, -5), // the implied return
		xEntry(0, "ERROR", []byte("ERROR\x00")...),
	}
	jump := len(list[0]) + len(list[1]) + 2*len(list[3]) + len(list[4])
	list[2] = standard(4, int32(jump))
	policy := len(list[0]) + len(list[1]) + len(list[2])
	for _, e := range list {
		entries = append(entries, e...)
	}
	info = make([]byte, 84)
	binary.NativeEndian.PutUint32(info[32:], 1<<1) // valid_hooks
	binary.NativeEndian.PutUint32(info[36+4:], 0)
	binary.NativeEndian.PutUint32(info[56+4:], uint32(policy))
	return info, entries
}

// Rules have the numbers that iptables -L --line-numbers shows, and a chain of a user's is reached from
// the hooks that lead to it.
func TestRulesOfXTablesThatDrop(t *testing.T) {
	info, entries := xTable()
	got, err := netfacts.ParseXTable("ip", info, entries)
	if err != nil {
		t.Fatal(err)
	}
	rule := func(chain string, handle, packets uint64) netfacts.DropRule {
		return netfacts.DropRule{
			Family: "ip", Table: "filter", Chain: chain, Legacy: true, Handle: handle, Hooks: []string{"input"}, Counted: true,
			Packets: packets, Bytes: 100 * packets,
		}
	}
	reject := rule("sub", 1, 3)
	reject.Rejects = true
	if diff := cmp.Diff([]netfacts.DropRule{rule("INPUT", 1, 7), rule("INPUT", 0, 5), reject}, got.Rules); diff != "" {
		t.Error(diff)
	}
	for cut := range len(entries) {
		if _, err := netfacts.ParseXTable("ip", info, entries[:cut]); err != nil && !errors.Is(err, inspect.ErrMalformed) {
			t.Fatalf("%d bytes: %v", cut, err)
		}
	}
}

func FuzzXTables(f *testing.F) {
	info, entries := xTable()
	f.Add(info, entries)
	f.Fuzz(func(t *testing.T, info, b []byte) {
		info = append(info, make([]byte, 84)...)[:84]
		for _, family := range []string{"ip", "ip6"} {
			got, err := netfacts.ParseXTable(family, info, b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatal(err)
			}
			for _, d := range got.Rules {
				if !d.Counted || !d.Legacy || d.Family != family {
					t.Errorf("%+v", d)
				}
			}
		}
	})
}
