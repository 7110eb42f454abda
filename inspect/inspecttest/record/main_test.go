package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"kwhy/inspect/inspecttest"
)

const host = "-- proc/self.link --\n7\n-- proc/7/stat --\n7 (a)\n-- proc/8/stat --\n8 (b)\n-- proc/9/stat --\n9 (c)\n" +
	"-- proc/sys/kernel/hostname --\nreal-name\n"

func TestRunWritesAnArchive(t *testing.T) {
	dir := t.TempDir()
	if err := inspecttest.Unpack(dir, []byte(host)); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	err := run(
		[]string{"-proc", dir + "/proc", "-sys", dir + "/sys", "-pids", "8, 9", "-self", "9", "-hostname", "web-1", "-comment", "A host."},
		&out,
		&errs,
	)
	want := "A host.\n\n-- proc/8/stat --\n8 (b)\n-- proc/9/stat --\n9 (c)\n-- proc/self.link --\n9\n-- proc/sys/kernel/hostname --\nweb-1\n"
	if out.String() != want || errs.Len() > 0 || err != nil {
		t.Errorf("%v, %q, got:\n%s\nwant:\n%s", err, errs.String(), out.String(), want)
	}
	if a := txtar.Parse([]byte(out.String())); len(a.Files) != 4 {
		t.Errorf("%d files, want 4", len(a.Files))
	}
}

func TestRunRefuses(t *testing.T) {
	for why, args := range map[string][]string{
		"no PID":          {"-pids", "1,x"},
		"a negative PID":  {"-pids", "-1"},
		"an argument":     {"host.txtar"},
		"an unknown flag": {"-frob"},
	} {
		var out, errs strings.Builder
		if err := run(args, &out, &errs); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, wrote %q", why, err, out.String())
		}
	}
	if err := run([]string{"-proc", t.TempDir()}, &strings.Builder{}, &strings.Builder{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is no /proc: %v", err)
	}
}
