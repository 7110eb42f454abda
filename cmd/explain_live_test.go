package cmd

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kwhy/explain/concepts"
)

// Every essay is printed with what it reads of this host, soon and within the width.
func TestLiveEssays(t *testing.T) {
	long(t, "it reads every essay, one after the other")
	shown := 0
	for _, name := range concepts.Names() {
		began := time.Now()
		out, errs, status := live(t, "explain", name, "--width", "80")
		if status != 0 || errs != "" {
			t.Errorf("%s: status %d: %s", name, status, errs)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s took %s", name, took)
		}
		e, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		essay, here, _ := strings.Cut(out, "\nOn this host now\n")
		if !strings.HasPrefix(essay, e.Title+"\n") || !strings.Contains(essay, "\nWhat changed\n") {
			t.Errorf("%s begins with %.60q", name, essay)
		}
		if strings.TrimSpace(here) != "" {
			shown++
		}
		for line := range strings.Lines(out) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 && !strings.Contains(essay, line) {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
	if shown < len(concepts.Names())-8 {
		t.Errorf("%d essays show something of this host", shown)
	}
}

// What the essay on threads shows first is who has most of them, as kwhy proc has it.
func TestLiveFirstRow(t *testing.T) {
	d := liveJSON(t, "explain", "threads")
	rows := d.Tables["processes"].Rows
	if len(rows) == 0 || len(rows) > 5 || d.Tables["processes"].Total < len(rows) {
		t.Fatalf("%d rows of %d", len(rows), d.Tables["processes"].Total)
	}
	var counts []float64
	for _, r := range rows {
		counts = append(counts, r["threads"].(float64))
		if r["comm"] == "" || r["pid"].(float64) < 1 {
			t.Errorf("whose is %v?", r)
		}
	}
	if !slices.IsSortedFunc(counts, func(a, b float64) int { return int(b - a) }) {
		t.Errorf("%v is not in order", counts)
	}
	most := 0.0
	for _, r := range liveJSON(t, "proc", "--sort", "threads", "--columns", "pid,threads", "--limit", "1").Tables["processes"].Rows {
		most = r["threads"].(float64)
	}
	if most > 2*counts[0]+8 {
		t.Errorf(
			"the first row has %s threads, and somebody has %s",
			strconv.FormatFloat(counts[0], 'f', 0, 64),
			strconv.FormatFloat(most, 'f', 0, 64),
		)
	}
}
