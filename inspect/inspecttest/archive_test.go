package inspecttest_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"kwhy/inspect/inspecttest"
)

// node is a file, link or directory as it lies on disk.
type node struct {
	Mode fs.FileMode
	Text string // a link's target
}

// list returns what lies below dir; of the directories the empty ones.
func list(t *testing.T, dir string) map[string]node {
	t.Helper()
	out := map[string]node{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		delete(out, filepath.Dir(rel))
		info, err := d.Info()
		n := node{Mode: info.Mode()}
		switch {
		case d.Type() == fs.ModeSymlink:
			n.Text, err = os.Readlink(p)
			n.Mode = fs.ModeSymlink
		case d.Type().IsRegular() && (n.Mode != 0 || os.Geteuid() == 0):
			var b []byte
			b, err = os.ReadFile(p)
			n.Text = string(b)
		}
		out[rel] = n
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(out, ".")
	return out
}

func unpack(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	if err := inspecttest.Unpack(dir, []byte(archive)); err != nil {
		t.Fatal(err)
	}
	return dir
}

const conventions = `a comment

-- proc/1/cmdline --
sh␀-c␀true␀
#nonl
-- proc/1/comm --
a␀b
-- proc/1/environ --
A=1␀
-- proc/1/maps --
#denied
-- proc/1/smaps_rollup --
#denied
Rss: 1 kB
-- proc/2/cmdline --
#empty
-- proc/2/maps --
-- proc/plain --
1

2

-- proc/self.link --
1
-- proc/short --
1
#nonl
-- sys/empty/ --
`

func TestUnpackFollowsTheConventions(t *testing.T) {
	want := map[string]node{
		"proc/1/cmdline":      {0o644, "sh\x00-c\x00true\x00"},
		"proc/1/comm":         {0o644, "a␀b\n"},
		"proc/1/environ":      {0o644, "A=1\x00\n"},
		"proc/1/maps":         {0, ""},
		"proc/1/smaps_rollup": {0, "Rss: 1 kB\n"},
		"proc/2/cmdline":      {0o644, ""},
		"proc/2/maps":         {0o644, ""},
		"proc/plain":          {0o644, "1\n\n2\n\n"},
		"proc/self":           {fs.ModeSymlink, "1"},
		"proc/short":          {0o644, "1"},
		"sys/empty":           {fs.ModeDir | 0o755, ""},
	}
	if os.Geteuid() != 0 {
		want["proc/1/smaps_rollup"] = node{} // it cannot be read
	}
	if diff := cmp.Diff(want, list(t, unpack(t, conventions))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPackUndoesUnpack(t *testing.T) {
	dir := unpack(t, conventions)
	a, err := inspecttest.Pack(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list(t, dir), list(t, unpack(t, string(txtar.Format(a))))); diff != "" {
		t.Errorf("-first +second:\n%s", diff)
	}
	if names := namesOf(a); !slices.IsSorted(names) {
		t.Errorf("not in order: %q", names)
	}
}

func namesOf(a *txtar.Archive) (names []string) {
	for _, f := range a.Files {
		names = append(names, f.Name)
	}
	return names
}

func TestPackHoldsWhatProcessesChose(t *testing.T) {
	for name, text := range map[string]string{
		"no newline":          "a",
		"newlines at the end": "a\n\n\n",
		"only a newline":      "\n",
		"NUL bytes":           "a\x00b\x00",
		"not UTF-8":           "\xff\xfe\n",
		"escape codes":        "\x1b[2J",
		"carriage returns":    "a\r\nb\r",
		"nearly a marker":     "-- a--\n --- b ---\n",
		"a marker as a word":  "x #denied\n #empty\n",
	} {
		for _, file := range []string{"cmdline", "comm"} {
			dir := t.TempDir()
			put(t, dir, file, text)
			a, err := inspecttest.Pack(dir)
			if err != nil {
				t.Errorf("%s in %s: %v", name, file, err)
				continue
			}
			if got := list(t, unpack(t, string(txtar.Format(a))))[file].Text; got != text {
				t.Errorf("%s in %s: %q came back as %q", name, file, text, got)
			}
		}
	}
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestPackRefusesWhatWouldNotComeBack(t *testing.T) {
	for why, c := range map[string]struct{ name, text string }{
		"a text that looks like a file's name": {"comm", "-- proc/1/stat --\n"},
		"the same in the middle":               {"comm", "a\n-- x --\nb\n"},
		"the same at the end":                  {"comm", "a\n-- x --"},
		"a text that begins with a convention": {"comm", "#denied\nx\n"},
		"a text that is one":                   {"comm", "#empty\n"},
		"a text that ends with one":            {"comm", "a\n#nonl\n"},
		"a command line with a ␀":              {"cmdline", "a␀b\x00"},
		"a name with a newline":                {"a\nb", "x\n"},
		"a name with a blank at its end":       {"a ", "x\n"},
		"a name with a blank at its beginning": {" a", "x\n"},
		"a name that ends as a link's does":    {"a.link", "x\n"},
	} {
		dir := t.TempDir()
		put(t, dir, c.name, c.text)
		if a, err := inspecttest.Pack(dir); err == nil {
			t.Errorf("%s became %q", why, txtar.Format(a))
		}
	}
}

func TestPackRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	mkfifo(t, filepath.Join(dir, "pipe"))
	if _, err := inspecttest.Pack(dir); err == nil || !strings.Contains(err.Error(), "pipe") {
		t.Errorf("got %v, want an error that names the pipe", err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	for why, archive := range map[string]string{
		"a name outside":              "-- ../x --\na\n",
		"an absolute name":            "-- /tmp/x --\na\n",
		"a name twice":                "-- x --\na\n-- x --\nb\n",
		"a directory that is a file":  "-- x --\na\n-- x/y --\nb\n",
		"a link where something lies": "-- x/y --\na\n-- x.link --\nz\n",
	} {
		dir := filepath.Join(t.TempDir(), "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := inspecttest.Unpack(dir, []byte(archive)); err == nil {
			t.Errorf("%s: no error", why)
		}
		if rest := slices.Collect(maps.Keys(list(t, filepath.Dir(dir)))); slices.Contains(rest, "x") {
			t.Errorf("%s: wrote outside: %q", why, rest)
		}
	}
	if err := inspecttest.Unpack(filepath.Join(t.TempDir(), "nowhere"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestUnpackWritesNothingThroughALink(t *testing.T) {
	outside := t.TempDir()
	dir := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "proc")); err != nil {
		t.Fatal(err)
	}
	if err := inspecttest.Unpack(dir, []byte("-- proc/x --\na\n")); err == nil {
		t.Error("no error")
	}
	if got := list(t, outside); len(got) > 0 {
		t.Errorf("wrote %v", got)
	}
}

// FuzzPack: whatever a file holds, it comes back or is refused.
func FuzzPack(f *testing.F) {
	for _, s := range []string{"", "a", "a\n", "#denied\n", "#empty", "#empty\n", "a\n#nonl\n", "#nonl\n", "\n#nonl\n", "-- x --\n",
		"-- x --\r\n", "\n-- x --", "-- --", "a\n-- --\r\nb", "a\x00␀", "#denied\n#empty\n"} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"cmdline", "comm"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			a, err := inspecttest.Pack(dir)
			if err == nil {
				if got := list(t, unpack(t, string(txtar.Format(a))))[name].Text; got != text {
					t.Errorf("%s: %q came back as %q", name, text, got)
				}
			}
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
