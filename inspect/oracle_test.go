package inspect_test

import (
	"errors"
	"io/fs"
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
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("pressure/memory")),
		"some avg10=1.23 avg60=4.50 avg300=99.99 total=123456789\n") {
		want, err := inspect.PressureOf(inspecttest.Oracle(t, "pressure/memory", text), "memory")
		if err != nil {
			t.Fatal(err)
		}
		got, err := inspect.ParsePressure([]byte(text))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v, -procfs +ours:\n%s", text, err, diff)
		}
	}
	if _, err := inspect.PressureOf(inspecttest.Oracle(t, "pressure/memory", ""), "memory"); !errors.Is(err, inspect.ErrMalformed) {
		t.Errorf("an emptied file: %v", err)
	}
}

// procfs reads running hosts, and has not the last word where it makes nothing of a file.
func TestByProcfs(t *testing.T) {
	live, saved := inspecttest.LiveHost(t), inspecttest.Open(t, inspecttest.Recorded(t, "debian-6.18-swap"))
	says := func(word string, err error) func(procfs.FS) (string, error) {
		return func(procfs.FS) (string, error) { return word, err }
	}
	for _, c := range []struct {
		name   string
		host   *inspect.Host
		source inspect.Source
		theirs func(procfs.FS) (string, error)
		want   string
		err    error
	}{
		{"a running host", live, inspect.Swaps, says("theirs", nil), "theirs", nil},
		{"one that may hang", live, inspect.PIDIO, says("theirs", nil), "theirs", nil},
		{"a copy", saved, inspect.Swaps, says("theirs", nil), "ours", nil},
		{"a source that it does not read", live, inspect.Meminfo, says("theirs", nil), "ours", nil},
		{"a file that it can't read", live, inspect.Swaps, says("", procfs.ErrFileParse), "ours", nil},
		{"a panic", live, inspect.Swaps, func(procfs.FS) (string, error) { panic("slice bounds") }, "ours", nil},
		{"a file that may not be read", live, inspect.Swaps, says("", fs.ErrPermission), "", fs.ErrPermission},
	} {
		got, err := inspect.ByProcfs(c.host, c.source, c.theirs, func() (string, error) { return "ours", nil })
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

// The page on dependencies has what procfs reads, and nothing more, as the table of
// sources has it.
func TestWhatProcfsReadsIsOnThePage(t *testing.T) {
	page := inspecttest.Read(t, "../docs/dependencies.md")
	n := 0
	for _, s := range inspect.Every() {
		if s.Procfs() == "" {
			continue
		}
		n++
		if row := "| `" + strings.Join(s.Files(), "`, `") + "` | " + s.Procfs() + " |"; !strings.Contains(page, row) {
			t.Errorf("docs/dependencies.md lacks %q", row)
		}
	}
	if rows := strings.Count(page, " | FS.") + strings.Count(page, " | Proc."); rows != n || n < 10 {
		t.Errorf("%d rows for %d sources", rows, n)
	}
}

func TestMountinfoAsProcfs(t *testing.T) {
	const optional = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("mountinfo")), optional,
		inspecttest.LiveFile(t, "/proc/self/mountinfo")) {
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
