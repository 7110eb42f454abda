package inspect_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

func TestPressureAsProcfs(t *testing.T) {
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("pressure/memory")), "some avg10=1.23 avg60=4.50 avg300=99.99 total=123456789\n") {
		want, err := inspecttest.Oracle(t, "pressure/memory", text).PSIStatsForResource("memory")
		if err != nil {
			t.Fatal(err)
		}
		got, err := inspect.ParsePressure([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range []struct {
			got  *inspect.Stall
			want *procfs.PSILine
		}{{got.Some, want.Some}, {got.Full, want.Full}} {
			if diff := cmp.Diff((*inspect.Stall)(pair.want), pair.got); diff != "" {
				t.Errorf("%q: %s", text, diff)
			}
		}
	}
}

func TestMountinfoAsProcfs(t *testing.T) {
	const optional = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("mountinfo")), optional, inspecttest.LiveFile(t, "/proc/self/mountinfo")) {
		want, err := inspecttest.Oracle(t, "self/mountinfo", text).GetMounts()
		if err != nil {
			t.Fatal(err)
		}
		var got []inspect.Mount
		err = inspect.ParseMountinfo([]byte(text), "", func(m inspect.Mount) { got = append(got, m) })
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d mounts of %d: %v", len(got), len(want), err)
		}
		for i, m := range got {
			w := want[i]
			if m.Root != inspect.UnescapeOctal(w.Root) || m.Point != inspect.UnescapeOctal(w.MountPoint) || m.FSType != w.FSType {
				t.Errorf("%+v, procfs has %+v", m, w)
			}
			for _, o := range slices.Collect(maps.Keys(w.SuperOptions)) {
				if !strings.Contains(m.Super, o) {
					t.Errorf("%+v lacks the option %s", m, o)
				}
			}
		}
	}
}
