package inspecttest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"github.com/rogpeppe/go-internal/txtar"

	"kwhy/inspect"
)

// LiveHost opens this machine's own /proc and /sys.
func LiveHost(t testing.TB) *inspect.Host {
	return OpenRoots(t, "/proc", "/sys", time.Now)
}

// Everything is every source.
var Everything = inspect.Of(inspect.Every()...)

// Noon is when the clock of the tests stands.
var Noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// AtNoon is the clock of the tests.
func AtNoon() time.Time { return Noon }

// hosts returns the names of the recorded hosts whose memory was recorded in full:
// those ending in -sched were cut to what scheduling needs, and those that do not
// begin with a distribution's name to what their tests need.
func hosts(t testing.TB) []string {
	t.Helper()
	return slices.DeleteFunc(AllHosts(t), func(name string) bool {
		return strings.HasSuffix(name, "-sched") || strings.HasPrefix(name, "linux-")
	})
}

// AllHosts returns the names of all recorded hosts.
func AllHosts(t testing.TB) (names []string) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(hostsDir(t), "*.txtar"))
	if err != nil || len(list) == 0 {
		t.Fatalf("recorded hosts: %v, %v", list, err)
	}
	for _, p := range list {
		names = append(names, strings.TrimSuffix(filepath.Base(p), ".txtar"))
	}
	return names
}

// hostsDir returns where the recorded hosts are, from whichever package's directory
// a test runs in: below the directory that has go.mod.
func hostsDir(t testing.TB) string {
	t.Helper()
	for dir := "."; ; dir = filepath.Join(dir, "..") {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "inspect", "testdata", "hosts")
		}
		if abs, err := filepath.Abs(dir); err != nil || abs == "/" {
			t.Fatal("no go.mod above this test")
		}
	}
}

// OnEach runs do for each recorded host, unpacked.
func OnEach(t *testing.T, do func(t *testing.T, dir string)) {
	for _, name := range hosts(t) {
		t.Run(name, func(t *testing.T) { do(t, Recorded(t, name)) })
	}
}

// Recorded unpacks a recorded host and returns where.
func Recorded(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(hostsDir(t), name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return UnpackText(t, string(data))
}

// UnpackText writes an archive to a directory of its own and returns it.
func UnpackText(t testing.TB, archive string) string {
	t.Helper()
	dir := t.TempDir()
	if err := Unpack(dir, []byte(archive)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Open opens the host below dir.
func Open(t testing.TB, dir string) *inspect.Host {
	t.Helper()
	return OpenRoots(t, filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), AtNoon)
}

// OpenRoots opens the trees at two roots, until the test ends.
func OpenRoots(t testing.TB, proc, sys string, now func() time.Time) *inspect.Host {
	t.Helper()
	h, err := inspect.Open(proc, sys, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// Write writes a file, and the directories that it needs.
func Write(t testing.TB, path string, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Read reads a file.
func Read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// LiveFile reads a file of this host's /proc once, so that two parsers see the
// same bytes; it skips the test where that is not allowed.
func LiveFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("live: %v", err)
	}
	return string(b)
}

// Oracle returns procfs on a tree that holds but one file.
func Oracle(t testing.TB, rel, text string) procfs.FS {
	t.Helper()
	dir := t.TempDir()
	Write(t, filepath.Join(dir, rel), text)
	f, err := procfs.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Texts returns the text of one file of every recorded host, for seeds.
func Texts(t testing.TB, match func(name string) bool) (out []string) {
	t.Helper()
	for _, name := range AllHosts(t) {
		a, err := txtar.ParseFile(filepath.Join(hostsDir(t), name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if match(f.Name) {
				out = append(out, string(f.Data))
			}
		}
	}
	if len(out) == 0 {
		t.Fatal("no recorded host has such a file")
	}
	return out
}

// Named selects the files of that name, for Texts.
func Named(name string) func(string) bool {
	return func(s string) bool { return s == name || strings.HasSuffix(s, "/"+name) }
}
