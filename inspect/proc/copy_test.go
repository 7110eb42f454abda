package proc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/proc"
)

// A copy says in /proc/loadavg how many threads the host had: with fewer than that it lacks
// processes, and nobody knows how many. Some few may have ended while it was made. Without that
// number a copy whose every parent is there may have all.
func TestACopyLacksProcesses(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-sched") // 8 processes of a thread each
	for _, c := range []struct {
		loadavg string
		lacks   bool
	}{
		{"0.74 0.18 0.06 4/8 156\n", false}, {"0.74 0.18 0.06 4/14 156\n", false}, {"0.74 0.18 0.06 4/77 156\n", true},
		{"nothing of the kind\n", true},
	} {
		if err := os.WriteFile(filepath.Join(dir, "proc/loadavg"), []byte(c.loadavg), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, want := range []inspect.Sources{inspect.Of(inspect.PIDStat), inspect.Of(inspect.PIDStatus)} {
			ps, err := proc.Scan(inspecttest.Open(t, dir), want)
			if err != nil || len(ps.Rows) != 8 {
				t.Fatalf("%d processes, %v", len(ps.Rows), err)
			}
			if s := ps.Seen(); s.Whole() == c.lacks || c.lacks && (!s.Open || s.Reason != inspect.NotSaved || s.Seen != 8) {
				t.Errorf("%q: %+v", c.loadavg, s)
			}
		}
	}
}

// Each field of stat is spoiled in turn: that field alone is lost, and what others say stays.
func TestSpoiltFieldsOfStat(t *testing.T) {
	fields := strings.Fields(strings.TrimSpace(inspecttest.StatLine))
	wanted := map[int]bool{}
	for _, n := range []int{3, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 28, 38, 39, 40, 41, 52} {
		wanted[n] = true
	}
	for i := range fields {
		n := i + 3
		for _, bad := range []string{"xx", "99999999999999999999", ""} {
			line := strings.Join(append(append(append([]string{}, fields[:i]...), bad), fields[i+1:]...), " ")
			p := proc.NewProcess(10)
			if err := p.ParseStat([]byte("10 (sh) " + line + "\n")); err != nil {
				t.Fatalf("field %d as %q: %v", n, bad, err)
			}
			for other := 3; other <= 52; other++ {
				if lost := p.Spoilt(proc.StatFields(other)); lost != (other == n && (wanted[n] || bad == "")) {
					t.Errorf("field %d as %q: %d is lost: %v", n, bad, other, lost)
				}
			}
		}
		cut := "10 (sh) " + strings.Join(fields[:i+1], " ")
		p := proc.NewProcess(10)
		if err := p.ParseStat([]byte(cut)); i > 0 && (err != nil || !p.Spoilt(proc.StatFields(n)) || p.Spoilt(proc.StatFields(n-1))) {
			t.Errorf("cut in field %d: %v", n, err)
		}
	}
	p := proc.NewProcess(10)
	if err := p.ParseStat([]byte("10 sh " + strings.Join(fields, " ") + "\n")); err != nil || !p.Spoilt(proc.StatFields(2)) || p.PPID != 7 {
		t.Errorf("without parentheses: %v, %+v", err, p)
	}
}

// TestEachProcessHasAThread: a count of threads far below that of the processes was cut.
func TestEachProcessHasAThread(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-sched") // 8 processes
	for loadavg, want := range map[string]inspect.Reason{
		"0.74 0.18 0.06 4/9 156\n": inspect.Malformed, "0.74 0.18 0.06 4/64 156\n": inspect.Present,
		"0.74 0.18 0.06 4/640 156": inspect.Malformed,
	} {
		inspecttest.Write(t, filepath.Join(dir, "proc/loadavg"), loadavg)
		h := inspecttest.Open(t, dir)
		ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			ps.Rows = append(ps.Rows, ps.Rows...) // 64
		}
		l, err := proc.Take(h, ps, nil)
		if err != nil || l.Missing(inspect.Loadavg) != want || want != inspect.Present && l.Tasks != inspect.Unset {
			t.Errorf("%q: %q, %d threads, %v", loadavg, l.Missing(inspect.Loadavg), l.Tasks, err)
		}
	}
}
