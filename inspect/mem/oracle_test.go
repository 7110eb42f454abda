package mem_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/mem"
)

// Of the same bytes our readers say what procfs says.

func TestBuddyinfoAsProcfs(t *testing.T) {
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("proc/buddyinfo")), inspecttest.LiveFile(t, "/proc/buddyinfo")) {
		want, err := mem.BuddiesOf(inspecttest.Oracle(t, "buddyinfo", text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := mem.ParseBuddyinfo([]byte(text))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, -procfs +ours:\n%s", err, diff)
		}
	}
	if _, err := mem.BuddiesOf(inspecttest.Oracle(t, "buddyinfo", "")); !errors.Is(err, inspect.ErrMalformed) {
		t.Errorf("an emptied file: %v", err)
	}
}

func TestMapsAsProcfs(t *testing.T) {
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("maps")), inspecttest.LiveFile(t, "/proc/self/maps")) {
		proc, err := inspecttest.Oracle(t, "1/maps", text).Proc(1)
		if err != nil {
			t.Fatal(err)
		}
		maps, err := proc.ProcMaps()
		if err != nil {
			t.Fatal(err)
		}
		got, err := mem.ParseMaps([]byte(text))
		if err != nil || len(got) != len(maps) {
			t.Fatalf("%d mappings of %d: %v", len(got), len(maps), err)
		}
		for i, m := range maps {
			g := got[i]
			if g.Start != uint64(m.StartAddr) || g.End != uint64(m.EndAddr) || g.Perms() != letters(m.Perms) || g.Path != m.Pathname {
				t.Errorf("%+v, procfs has %+v", g, m)
			}
		}
	}
}

func letters(p *procfs.ProcMapPermissions) string {
	b := []byte("---p")
	for i, set := range [...]bool{p.Read, p.Write, p.Execute} {
		if set {
			b[i] = "rwx"[i]
		}
	}
	if p.Shared {
		b[3] = 's'
	}
	return string(b)
}
