package inspect_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

func TestUnescapeOctal(t *testing.T) {
	for text, want := range map[string]string{
		`/swapfile`: "/swapfile", `/a\040b`: "/a b", `\011\012\134`: "\t\n\\", `\040`: " ", `\377`: "\xff",
		`\`: `\`, `\0`: `\0`, `\04`: `\04`, `\04x`: `\04x`, `\999`: `\999`, `\777`: `\777`, `\400`: `\400`, `\+40`: `\+40`, `\\040`: `\ `, ``: ``,
	} {
		if got := inspect.UnescapeOctal(text); got != want {
			t.Errorf("unescapeOctal(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestALineWithoutAnEndIsNone cuts a file after each of its bytes: what is read of it are lines
// that the whole file has.
func TestALineWithoutAnEndIsNone(t *testing.T) {
	const file = "ctxt 207123\nbtime 1700000000\n\nprocesses 4711\n"
	whole := strings.Split(strings.TrimSuffix(file, "\n"), "\n")
	for n := range len(file) + 1 {
		ended := strings.Count(file[:n], "\n")
		var cut, listed []string
		for b := []byte(file[:n]); bytes.ContainsRune(b, '\n'); {
			var line []byte
			line, b = inspect.CutLine(b)
			cut = append(cut, string(line))
		}
		for line := range inspect.Lines([]byte(file[:n])) {
			listed = append(listed, string(line))
		}
		if !slices.Equal(cut, whole[:ended]) || !slices.Equal(listed, whole[:ended]) {
			t.Errorf("of %q: %q and %q", file[:n], cut, listed)
		}
		counters, _ := inspect.ParseCounters([]byte(file[:n]), 3)
		for name, v := range counters {
			if !slices.Contains(whole, name+" "+strconv.FormatUint(v, 10)) {
				t.Errorf("of %q: %s %d", file[:n], name, v)
			}
		}
	}
	if line, rest := inspect.CutLine([]byte("ctxt 207")); line != nil || rest != nil {
		t.Errorf("half a line: %q, %q", line, rest)
	}
}

// TestAStatThatEndsAmongItsCPUsTellsNoCount: there may be more of them than it has, and no more
// time than they had.
func TestAStatThatEndsAmongItsCPUsTellsNoCount(t *testing.T) {
	const stat = "cpu  4000000 0 4000000 8000000 0 0 0 0 0 0\ncpu0 2000000 0 2000000 4000000 0 0 0 0 0 0\n" +
		"cpu1 2000000 0 2000000 4000000 0 0 0 0 0 0\nintr 5 1\nctxt 207123\nbtime 1700000000\nprocesses 4711\n"
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("uptime", "80000.00 80000.00\n") // two CPUs, 160,000 s in all
	for n := range len(stat) + 1 {
		write("stat", stat[:n])
		h := inspecttest.OpenRoots(t, dir, dir, inspecttest.AtNoon)
		want := 0
		if n > strings.Index(stat, "btime ")+len("btime 1700000000") {
			want = 2
		}
		if h.CPUs != want {
			t.Errorf("of %q: %d CPUs", stat[:n], h.CPUs)
		}
	}
	counts, cut := inspect.Counters{"ctxt": 207, "btime": 1700000000, "processes": 4711}, inspect.Counters{"ctxt": 207}
	for doubts, counts := range map[bool]inspect.Counters{true: counts, false: cut} {
		h := inspecttest.OpenRoots(t, dir, dir, inspecttest.AtNoon)
		h.WeighStat(160000*100, 1, counts)
		if d := h.Doubt(inspect.ProcStat); d.Any() != doubts {
			t.Errorf("of %v: %+v", counts, d)
		}
	}
}

// TestASubsetOfProcShowsNothingBelowNet: with subset=pid a process's net has no directories, which
// says nothing of the kernel; what is missing in net itself the kernel lacks.
func TestASubsetOfProcShowsNothingBelowNet(t *testing.T) {
	for rel, want := range map[string]bool{
		"self/net/stat/nf_conntrack": true, "12/net/stat/nf_conntrack": true,
		"self/net/snmp6": false, "12/status": false, "net/stat/nf_conntrack": false, "12/task/13/stat": false,
	} {
		if got := inspect.InDirOfNet(rel); got != want {
			t.Errorf("%s: %v", rel, got)
		}
	}
}
