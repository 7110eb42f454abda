package cmd

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect/inspecttest"
)

// A file that is held up is one whose open or read does not return: here a FIFO
// that nobody writes to. No command may wait for it longer than it was told to.
func TestHeldFiles(t *testing.T) {
	b, err := os.ReadFile("../inspect/testdata/hosts/debian-7.3-oom.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := inspecttest.Unpack(dir, b); err != nil {
		t.Fatal(err)
	}
	const pid = "138"
	for _, name := range []string{"cmdline", "io", "maps", "smaps_rollup", "stack", "syscall"} {
		path := filepath.Join(dir, "proc", pid, name)
		_ = os.Remove(path) // the recording may lack it
		if err := unix.Mkfifo(path, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		held string
	}{
		{[]string{"proc", "--limit", "0"}, "/proc/<pid>/syscall"},
		{[]string{"proc", "--limit", "0", "--columns", "pid,command"}, "/proc/<pid>/cmdline"},
		{[]string{"proc", pid}, "/proc/<pid>/cmdline"},
		{[]string{"mem", pid}, "/proc/<pid>/maps"},
		{[]string{"mem", "--pss", "--limit", "0"}, "/proc/<pid>/smaps_rollup"},
	} {
		doc := heldRun(t, dir, c.args)
		if doc == nil {
			continue
		}
		i := slices.IndexFunc(doc.Gaps, func(g gapDoc) bool { return g.Source == c.held && g.Reason == "timed_out" })
		if !doc.Incomplete || i < 0 || doc.Gaps[i].Count != 1 {
			t.Errorf("%v: incomplete %v, gaps %+v", c.args, doc.Incomplete, doc.Gaps)
		}
	}
}

type gapDoc struct {
	Source, Reason string
	Count          int
}

type heldDoc struct {
	Incomplete bool
	Gaps       []gapDoc
}

func heldRun(t *testing.T, dir string, args []string) *heldDoc {
	t.Helper()
	var out, errs bytes.Buffer
	a := &App{Out: &out, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: time.Sleep}
	done := make(chan int, 1)
	go func() {
		done <- a.Run(append(args[:len(args):len(args)], "--proc-root", dir+"/proc", "--sys-root", dir+"/sys", "-o", "json", "--timeout",
			"200ms"))
	}()
	select {
	case status := <-done:
		doc := &heldDoc{}
		if err := json.Unmarshal(out.Bytes(), doc); status != 0 || err != nil {
			t.Errorf("%v: status %d, %s, %v", args, status, errs.String(), err)
			return nil
		}
		return doc
	case <-time.After(time.Minute):
		t.Errorf("%v hangs", args)
		return nil
	}
}
