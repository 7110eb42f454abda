package cmd

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// logOf writes a log into a file of its own.
func logOf(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// kill12 is the line of one kill, and what some kernels print before it.
func kill12(second, pid int) string {
	return fmt.Sprintf("[%5d.100000] hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n", second) +
		fmt.Sprintf(
			"[%5d.200000] Out of memory: Killed process %d (hog) total-vm:100kB, anon-rss:40kB, file-rss:0kB, shmem-rss:0kB, UID:0 "+
				"pgtables:40kB oom_score_adj:0\n",
			second,
			pid,
		)
}

func TestOomLogOfManyKills(t *testing.T) {
	var text strings.Builder
	for i := range 20 {
		text.WriteString(kill12(10*(i+1), 100+i))
	}
	text.WriteString(
		"[  500.1] Memory cgroup out of memory: Killed process 900 (w) total-vm:100kB, anon-rss:40kB, file-rss:0kB, shmem-rss:0kB\n" +
			"[  500.1] Tasks in /app are going to be killed due to memory.oom.group set\n",
	)
	for i := range 30 {
		fmt.Fprintf(
			&text,
			"[  500.2] Memory cgroup out of memory: Killed process %d (w) total-vm:100kB, anon-rss:40kB, file-rss:0kB, shmem-rss:0kB\n",
			901+i,
		)
	}
	path := logOf(t, "kern.log", text.String())
	for _, c := range []struct {
		args     []string
		full     int // kills that are told in full
		overview bool
	}{
		{nil, 3, true}, {[]string{"--limit", "1"}, 1, true}, {[]string{"--limit", "21"}, 21, true}, {[]string{"--limit", "0"}, 21, false},
	} {
		out, errs, status := live(t, append([]string{"oom", "log", path}, c.args...)...)
		if status != 0 || strings.Count(out, "\nKill ") != c.full || strings.Contains(out, "KILL  WHEN") != c.overview {
			t.Errorf("%v: status %d, %d kills in full, want %d:\n%s%s", c.args, status, strings.Count(out, "\nKill "), c.full, out, errs)
		}
		if c.overview && !strings.Contains(out, "w (900) and 30 more") || !strings.Contains(out, "Kill 21: w (900), with all of /app\n") ||
			!strings.Contains(out, "and 10 more") {
			t.Errorf("%v:\n%s", c.args, out)
		}
	}
	for _, c := range []struct {
		args []string
		rows int
	}{{nil, 51}, {[]string{"--limit", "2"}, 32}, {[]string{"--limit", "0"}, 51}} {
		out, errs, status := live(t, append([]string{"oom", "log", path, "-o", "json"}, c.args...)...)
		if status != 0 {
			t.Fatal(errs)
		}
		d := readJSON(t, out)
		if n := len(d.Tables["kills"].Rows); n != c.rows || len(d.Tables) != 1 {
			t.Errorf("%v: %d rows, want %d, in %d tables", c.args, n, c.rows, len(d.Tables))
		}
	}
	if _, errs, status := live(t, "oom", "log", path, "--limit", "-2"); status != exitUsage || !strings.Contains(errs, "--limit") {
		t.Errorf("status %d, %s", status, errs)
	}
}

// Logs that logrotate packed, and what can't be read here.
func TestOomLogPacked(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(kill12(10, 12))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	out, errs, status := live(t, "oom", "log", logOf(t, "kern.log.2.gz", b.String()))
	if status != 0 || !strings.Contains(out, "Kill 1: hog (12)") {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
	for _, form := range []string{"text", "json"} {
		out, errs, status := live(t, "oom", "log", logOf(t, "kern.log.2.xz", "\xfd7zXZ\x00 and so on"), "-o", form)
		if status != exitFailed || out != "" || !strings.Contains(errs, "it is packed with xz: unpack it first") ||
			strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: status %d, %q, %q", form, status, out, errs)
		}
	}
}

// Lines that only look like kills are no kills, and are told of.
func TestOomLogOfOthers(t *testing.T) {
	path := logOf(
		t,
		"app.log",
		strings.Repeat("Nov 24 10:20:42 web-1 app[7]: Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:1kB\n", 3),
	)
	out, errs, status := live(t, "oom", "log", path, "--width", "160")
	if status != 0 || !strings.Contains(out, "No OOM kill in ") ||
		!strings.Contains(out, "3 lines look like kills, but are not the kernel's own") {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
	out, _, _ = live(t, "oom", "log", path, "-o", "json")
	if d := readJSON(t, out); len(d.Tables["kills"].Rows) != 0 || len(d.Gaps) != 1 || d.Gaps[0].Count != 3 {
		t.Errorf("%+v", d)
	}
}
