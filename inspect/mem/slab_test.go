package mem_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/mem"
)

func TestSlabsAreThoseOfProcfs(t *testing.T) {
	check := func(t *testing.T, text string) {
		info, err := inspecttest.Oracle(t, "slabinfo", text).SlabInfo()
		if err != nil {
			t.Fatal(err)
		}
		var want []mem.Slab
		for _, s := range info.Slabs {
			want = append(want, mem.Slab{Name: s.Name, Active: uint64(s.ObjActive), Objects: uint64(s.ObjNum),
				ObjectSize: uint64(s.ObjSize), PagesPerSlab: uint64(s.PagesPerSlab), Slabs: uint64(s.SlabNum)})
		}
		got, err := mem.ParseSlabinfo([]byte(text))
		if diff := cmp.Diff(want, got); diff != "" || err != nil || len(got) == 0 {
			t.Errorf("%d caches, %v, -procfs +ours:\n%s", len(got), err, diff)
		}
	}
	t.Run("live", func(t *testing.T) { check(t, inspecttest.LiveFile(t, "/proc/slabinfo")) })
	inspecttest.OnEach(t, func(t *testing.T, dir string) { check(t, inspecttest.Read(t, dir+"/proc/slabinfo")) })
}

const slabHead = "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : " +
	"tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n"

func TestParseSlabinfoByHand(t *testing.T) {
	const line = "dentry  90 100 192 21 2 : tunables 0 0 0 : slabdata 5 6 0\n"
	dentry := mem.Slab{Name: "dentry", Active: 90, Objects: 100, ObjectSize: 192, PagesPerSlab: 2, Slabs: 6}
	for name, c := range map[string]struct {
		text string
		want []mem.Slab // nil: malformed
	}{
		"one cache":                   {slabHead + line, []mem.Slab{dentry}},
		"half a line is none":         {slabHead + strings.TrimSuffix(line, "\n"), nil},
		"debug builds append columns": {slabHead + strings.Replace(line, "5 6 0", "5 6 0 : globalstat 1 2 3", 1), []mem.Slab{dentry}},
		"a garbage line costs itself": {slabHead + "x y z\n\x00\n" + line, []mem.Slab{dentry}},
		"a line cut short is none":    {slabHead + line + line[:len(line)-5], []mem.Slab{dentry}},
		"a negative number is none":   {slabHead + strings.Replace(line, " 90 ", " -90 ", 1) + line, []mem.Slab{dentry}},
		"headers alone":               {slabHead, nil},
		"empty":                       {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mem.ParseSlabinfo([]byte(c.text))
			if diff := cmp.Diff(c.want, got); diff != "" || errors.Is(err, inspect.ErrMalformed) != (c.want == nil) {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

func TestSlabPages(t *testing.T) {
	if got := (&mem.Slab{Slabs: 6, PagesPerSlab: 2}).Pages(); got != 12 {
		t.Errorf("6 slabs of 2 pages have %d pages, want 12", got)
	}
}
