package inspect_test

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
	"kwhy/inspect/inspecttest"
)

var everything = inspect.Of(inspect.Every()...)

// noon is when the clock of the tests stands.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// hosts returns the names of the recorded hosts whose memory was recorded in full:
// those ending in -sched were cut to what scheduling needs, and those that do not
// begin with a distribution's name to what their tests need.
func hosts(t testing.TB) []string {
	t.Helper()
	return slices.DeleteFunc(allHosts(t), func(name string) bool { return strings.HasSuffix(name, "-sched") || strings.HasPrefix(name, "linux-") })
}

// allHosts returns the names of all recorded hosts.
func allHosts(t testing.TB) (names []string) {
	t.Helper()
	list, err := filepath.Glob("testdata/hosts/*.txtar")
	if err != nil || len(list) == 0 {
		t.Fatalf("recorded hosts: %v, %v", list, err)
	}
	for _, p := range list {
		names = append(names, strings.TrimSuffix(filepath.Base(p), ".txtar"))
	}
	return names
}

// onEach runs do for each recorded host, unpacked.
func onEach(t *testing.T, do func(t *testing.T, dir string)) {
	for _, name := range hosts(t) {
		t.Run(name, func(t *testing.T) { do(t, recorded(t, name)) })
	}
}

// recorded unpacks a recorded host and returns where.
func recorded(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/hosts", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return unpack(t, string(data))
}

// unpack writes an archive to a directory of its own and returns it.
func unpack(t testing.TB, archive string) string {
	t.Helper()
	dir := t.TempDir()
	if err := inspecttest.Unpack(dir, []byte(archive)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// open opens the host below dir.
func open(t testing.TB, dir string) *inspect.Host {
	t.Helper()
	return openRoots(t, filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), atNoon)
}

func openRoots(t testing.TB, proc, sys string, now func() time.Time) *inspect.Host {
	t.Helper()
	h, err := inspect.Open(proc, sys, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// mem reads all of the memory of the host below dir.
func mem(t testing.TB, dir string) *inspect.Mem {
	t.Helper()
	m, err := open(t, dir).Mem(everything)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func write(t testing.TB, path string, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// liveFile reads a file of this host's /proc once, so that two parsers see the
// same bytes; it skips the test where that is not allowed.
func liveFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("live: %v", err)
	}
	return string(b)
}

// oracle returns procfs on a tree that holds but one file.
func oracle(t testing.TB, rel, text string) procfs.FS {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, rel), text)
	f, err := procfs.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// texts returns the text of one file of every recorded host, for seeds.
func texts(t testing.TB, match func(name string) bool) (out []string) {
	t.Helper()
	for _, name := range allHosts(t) {
		a, err := txtar.ParseFile(filepath.Join("testdata/hosts", name+".txtar"))
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

func named(name string) func(string) bool {
	return func(s string) bool { return s == name || strings.HasSuffix(s, "/"+name) }
}
