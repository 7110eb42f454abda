package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"kwhy/inspect/inspecttest"
)

// Bytes that no terminal should get, in every word of every file: none of them is printed as it
// is, in text, JSON, errors or completion.
func TestNoRawBytesArePrinted(t *testing.T) {
	long(t, "it runs a hundred commands")
	t.Parallel()
	const bad = "\x00\x1b[31m\xff\x07\x9b\x7f\u202e\u200b\u00ad\u3164\ufe0f\u2028\U000e0041"
	word := regexp.MustCompile(`[A-Za-z_]{3,}`)
	for host, commands := range map[string][][]string{
		"debian-7.3-oom": {
			{"mem"}, {"oom"}, {"oom", "119"}, {"proc"}, {"proc", "138"}, {"fd"}, {"check", "--interval", "0"}, {"doctor"},
			{"proc", "no such\x1b\u202e\u3164"}, {"__complete", "proc", ""},
		},
		"debian-7.3-sched":     {{"sched"}, {"sched", "131"}},
		"linux-6.18-lossy-net": {{"net"}, {"__complete", "net", "--netns", ""}},
	} {
		for name, spoil := range map[string]func(string) string{
			"words": func(s string) string { return word.ReplaceAllString(s, "${0}"+bad) },
			"lines": func(s string) string { return strings.ReplaceAll(s, "\n", bad+"\n") },
		} {
			dir := inspecttest.Recorded(t, host)
			for _, rel := range filesToSpoil(t, dir) {
				text := inspecttest.Read(t, filepath.Join(dir, rel))
				if err := os.WriteFile(filepath.Join(dir, rel), []byte(spoil(text)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, args := range commands {
				for _, format := range []string{"text", "json"} {
					at := []string{"--proc-root", dir + "/proc", "--sys-root", dir + "/sys", "-o", format}
					out, errs, status := live(t, slices.Concat(args[:len(args):len(args)], at)...)
					if raw := rawIn(out + errs); status > 1 || raw != "" {
						t.Errorf("%s, %s of all files: kwhy %q as %s prints %q, status %d", host, name, args, format, raw, status)
					}
				}
			}
		}
	}
}

// rawIn returns the first character that should have been escaped, and what is around it:
// controls, what is not UTF-8, and what Unicode's data files have as Bidi_Control,
// Default_Ignorable_Code_Point, a space of another width, or the end of a line.
func rawIn(s string) string {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") || r < ' ' && r != '\n' || r >= 0x7f && r < 0xa1 || unseen(r) {
			return s[max(i-20, 0):min(i+20, len(s))]
		}
	}
	return ""
}

func unseen(r rune) bool {
	for _, of := range [][2]rune{
		{0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c}, {0x115f, 0x1160}, {0x1680, 0x1680}, {0x17b4, 0x17b5}, {0x180b, 0x180f},
		{0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f}, {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164},
		{0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
		{0xe0000, 0xe0fff},
	} {
		if r >= of[0] && r <= of[1] {
			return true
		}
	}
	return false
}

// Names that a process chose to mislead whoever reads them, or to give a terminal orders, reach
// nobody as they are: not in text, JSON, errors or completion, and JSON gives each back.
func TestLiveHostileNames(t *testing.T) {
	for _, name := range []string{
		"ab\u202ednilb", "a\u200bb", "a\u2066b\u2069", "\u3164\u115f", "x\ufe0f\u034f", "\x1b[2Jx", "a\tb\nc", "\u009b31m", "tag\U000e0041",
		"cut\xe2\x80", `a\u202e`, "\u00ada\u00a0", "\ufeffbom",
	} {
		pid := named(t, name)
		at := strconv.Itoa(pid)
		for _, args := range [][]string{
			{"proc", at}, {"proc", "--name", "."}, {"mem", at}, {"fd", at}, {"sched", at}, {"oom", at}, {"net", at},
			{"proc", name + "?"}, {"__complete", "proc", at},
		} {
			for _, format := range []string{"text", "json", "ndjson"} {
				if format == "ndjson" && len(args) > 1 && args[1] == at {
					continue // it is of tables
				}
				out, errs, status := live(t, slices.Concat(args, []string{"-o", format})...)
				if raw := rawIn(out + errs); status > 2 || raw != "" {
					t.Errorf("%q: kwhy %q as %s prints %q, status %d: %s", name, args, format, raw, status, errs)
				}
			}
		}
		out, _, _ := live(t, "proc", at, "-o", "json")
		var doc struct{ Subject struct{ Comm string } }
		if err := json.Unmarshal([]byte(out), &doc); err != nil || utf8.ValidString(name) && doc.Subject.Comm != name {
			t.Errorf("%q came back as %q: %v", name, doc.Subject.Comm, err)
		}
	}
}

// named starts a child that calls itself name.
func named(t *testing.T, name string) (pid int) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestHelperNamed$")
	c.Env = append(os.Environ(), "KWHY_TEST_CHILD=named", "KWHY_TEST_NAME="+name)
	_, out := hearing(t, c)
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid
}

// TestHelperNamed is no test: it is the child that named starts. What its first thread is
// called, the process is.
func TestHelperNamed(t *testing.T) {
	if os.Getenv("KWHY_TEST_CHILD") != "named" {
		t.Skip("only the child of another test runs this")
	}
	comm := "/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/comm"
	if err := os.WriteFile(comm, []byte(os.Getenv("KWHY_TEST_NAME")), 0o644); err != nil {
		t.Fatal(err)
	}
	fmt.Print("1")
	_, _ = os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}
