package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	const bad = "\x00\x1b[31m\xff\x07\x9b\x7f"
	word := regexp.MustCompile(`[A-Za-z_]{3,}`)
	for host, commands := range map[string][][]string{
		"debian-7.3-oom": {
			{"mem"}, {"oom"}, {"oom", "119"}, {"proc"}, {"proc", "138"}, {"fd"}, {"check", "--interval", "0"}, {"doctor"},
			{"proc", "no such\x1b"}, {"__complete", "proc", ""},
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

// rawIn returns the first character that should have been escaped, and what is around it.
func rawIn(s string) string {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") || r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 {
			return s[max(i-20, 0):min(i+20, len(s))]
		}
	}
	return ""
}
