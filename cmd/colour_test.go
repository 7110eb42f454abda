package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kwhy/inspect/inspecttest"
)

// Colour adds escape codes and nothing else: without them the text is the one that
// a pipe gets.
func TestColourAddsNothing(t *testing.T) {
	long(t, "it prints every report in every colour")
	codes := regexp.MustCompile("\x1b\\[[0-9;]*m")
	lines := func(s string) (out []string) {
		for line := range strings.Lines(s) {
			if !strings.Contains(line, " UTC") { // the clock goes on between the two
				out = append(out, strings.TrimRight(line, " \n"))
			}
		}
		return out
	}
	coloured := 0
	for _, host := range []string{"debian-7.3-sched", "debian-7.3-oom", "debian-6.18-swap"} {
		b, err := os.ReadFile(filepath.Join("../inspect/testdata/hosts", host+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := inspecttest.Unpack(dir, b); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"mem"}, {"oom"}, {"proc"}, {"sched"}, {"sched", "1"}, {"mem", "1"}, {"proc", "1"}} {
			for _, more := range [][]string{nil, {"--explain", "none"}, {"--explain", "full"}, {"--width", "150"}} {
				run := func(color string) []string {
					out, errs, status := liveAt(
						t,
						func() time.Time { return time.Unix(1e9, 0) },
						append(append([]string{"--proc-root", dir + "/proc", "--sys-root", dir + "/sys", "--color", color}, args...), more...)...)
					if status != exitOK || errs != "" {
						t.Fatalf("%v of %s: status %d, %s", args, host, status, errs)
					}
					if codes.MatchString(out) {
						coloured++
					}
					return lines(codes.ReplaceAllString(out, ""))
				}
				with, without := run("always"), run("never")
				for i := range max(len(with), len(without)) {
					if i >= len(with) || i >= len(without) || with[i] != without[i] {
						t.Errorf("%v %v of %s, line %d:\n%q\n%q", args, more, host, i, at(with, i), at(without, i))
						break
					}
				}
			}
		}
	}
	if coloured == 0 {
		t.Error("nothing had a colour")
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}
