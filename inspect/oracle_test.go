package inspect_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"

	"kwhy/inspect"
)

// The readers that replace procfs's for the sake of speed say what procfs says.

func TestBuddyinfoAsProcfs(t *testing.T) {
	for _, text := range append(texts(t, named("proc/buddyinfo")), liveFile(t, "/proc/buddyinfo")) {
		list, err := oracle(t, "buddyinfo", text).BuddyInfo()
		if err != nil {
			t.Fatal(err)
		}
		got, err := inspect.ParseBuddyinfo([]byte(text))
		if err != nil || len(got) != len(list) {
			t.Fatalf("%d zones of %d: %v", len(got), len(list), err)
		}
		for i, z := range got {
			want := make([]float64, 0, len(z.Blocks))
			for _, n := range z.Blocks {
				want = append(want, float64(n))
			}
			if diff := cmp.Diff(list[i].Sizes, want); diff != "" || list[i].Zone != z.Name {
				t.Errorf("zone %s, %s there: %s", z.Name, list[i].Zone, diff)
			}
		}
	}
}

func TestPressureAsProcfs(t *testing.T) {
	for _, text := range append(texts(t, named("pressure/memory")), "some avg10=1.23 avg60=4.50 avg300=99.99 total=123456789\n") {
		want, err := oracle(t, "pressure/memory", text).PSIStatsForResource("memory")
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
	for _, text := range append(texts(t, named("mountinfo")), optional, liveFile(t, "/proc/self/mountinfo")) {
		want, err := oracle(t, "self/mountinfo", text).GetMounts()
		if err != nil {
			t.Fatal(err)
		}
		got, err := inspect.ParseMountinfo([]byte(text))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d mounts of %d: %v", len(got), len(want), err)
		}
		for i, m := range got {
			w := want[i]
			if m.Root != inspect.UnescapeOctal(w.Root) || m.Point != inspect.UnescapeOctal(w.MountPoint) || m.Type != w.FSType {
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

func TestMapsAsProcfs(t *testing.T) {
	for _, text := range append(texts(t, named("maps")), liveFile(t, "/proc/self/maps")) {
		proc, err := oracle(t, "1/maps", text).Proc(1)
		if err != nil {
			t.Fatal(err)
		}
		maps, err := proc.ProcMaps()
		if err != nil {
			t.Fatal(err)
		}
		got, err := inspect.ParseMaps([]byte(text))
		if err != nil || len(got) != len(maps) {
			t.Fatalf("%d mappings of %d: %v", len(got), len(maps), err)
		}
		for i, m := range maps {
			want := inspect.Mapping{Start: uint64(m.StartAddr), End: uint64(m.EndAddr), Perms: letters(m.Perms), Path: m.Pathname}
			if diff := cmp.Diff(want, got[i]); diff != "" {
				t.Error(diff)
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

// The soft limit of open files of every process as procfs has it, and the open
// files of a child that holds still.
func TestProcessFilesAsProcfs(t *testing.T) {
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	still := func() string { b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child.Process.Pid)); return string(b) }
	for range 1000 { // until it sleeps, its libraries closed again
		if strings.Contains(still(), "(sleep) S ") {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	h, err := inspect.Open("/proc", "/sys", atNoon)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ps, err := h.Procs(inspect.Of(inspect.PIDStat, inspect.PIDLimits, inspect.PIDFd, inspect.PIDIO))
	if err != nil {
		t.Fatal(err)
	}
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for i := range ps.Rows {
		p := &ps.Rows[i]
		proc, err := fs.Proc(int(p.PID))
		if err != nil {
			continue
		}
		if limits, err := proc.Limits(); err == nil && p.MaxFDs != inspect.Unset {
			compared++
			if uint64(p.MaxFDs) != limits.OpenFiles {
				t.Errorf("process %d: %d files, procfs says %d", p.PID, p.MaxFDs, limits.OpenFiles)
			}
		}
		if int(p.PID) != child.Process.Pid {
			continue // it may open one between the two
		}
		if n, err := proc.FileDescriptorsLen(); err != nil || n != int(p.FDs) || n < 3 {
			t.Errorf("process %d: %d descriptors, procfs counts %d, %v", p.PID, p.FDs, n, err)
		}
	}
	if compared == 0 {
		t.Error("nothing could be compared")
	}
}
