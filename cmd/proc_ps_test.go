package cmd

import (
	"math"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// psColumn is a column of both, and how to tell that they agree.
type psColumn struct {
	ours, ps string
	same     func(any, string) bool
	moves    bool // between two reads, so that some may differ
}

// psColumns are the columns that ps has too, those of one word.
func psColumns() []psColumn {
	text := func(a any, b string) bool { return a == b }
	return []psColumn{
		{
			"ppid",
			"ppid",
			sameNumber(1),
			false,
		}, {"uid", "euid", sameNumber(1), false}, {"user", "euser:32", text, false}, {"pgrp", "pgid", sameNumber(1), false},
		{"session", "sid", sameNumber(1), false},
		{
			"nice",
			"ni",
			sameNumber(1),
			false,
		}, {"policy", "cls", samePolicy, false}, {"rt_priority", "rtprio", sameNumber(1), false}, {"tty", "tty", sameTerminal, false},
		{"age", "etimes", sameWithin(1.5), true},
		{
			"state",
			"s",
			text,
			true,
		}, {"threads", "nlwp", sameNumber(1), true}, {"vsize", "vsz", sameNumber(1024), true}, {"vm_rss", "rss", sameNumber(1024), true},
		{"minflt", "min_flt", sameNumber(1), true}, {"majflt", "maj_flt", sameNumber(1), true},
		{"processor", "psr", sameNumber(1), true}, {"cpu", "pcpu", sameShare, true}, {"wchan", "wchan:64", sameWchan, true},
	}
}

// ps, of procps, reads the same files with other code: what it says of a process
// that lived through both reads is what kwhy said just before or just after. Of what
// moves, of each column by itself, a few may have moved between the reads.
func TestLiveAgreesWithPs(t *testing.T) {
	path, err := exec.LookPath("ps")
	if err != nil {
		t.Skip("ps is not installed")
	}
	child(t, nil, "sleep", "600")
	columns := psColumns()
	names, args := []string{"pid"}, []string{"-e", "-o", "pid="}
	for _, c := range columns {
		names, args = append(names, c.ours), append(args, "-o", c.ps+"=")
	}
	all := strings.Join(names, ",")
	for try := range 5 {
		before := processRows(t, all)
		out, err := exec.Command(path, args...).Output()
		if err != nil {
			t.Skipf("this ps does not take these columns: %v", err)
		}
		after := processRows(t, all)
		compared, bad := comparePs(t, columns, string(out), before, after)
		if compared < 10 {
			t.Fatalf("%d processes compared", compared)
		}
		worst := 0
		for i, c := range columns {
			switch {
			case !c.moves && bad[i] > 0:
				t.Errorf("%s of %d of %d processes differs", c.ours, bad[i], compared)
			case c.moves:
				worst = max(worst, bad[i])
			}
		}
		if t.Failed() || worst <= max(2, compared/20) {
			return
		}
		t.Logf("try %d: of one column %d of %d differ", try, worst, compared)
	}
	t.Error("one column always differs")
}

func comparePs(t *testing.T, columns []psColumn, out string, before, after map[int]map[string]any) (compared int, bad []int) {
	bad = make([]int, len(columns))
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		pid, _ := strconv.Atoi(f[0])
		a, b := before[pid], after[pid]
		if a == nil || b == nil || len(f) != len(columns)+1 {
			continue
		}
		compared++
		for i, c := range columns {
			if !c.same(a[c.ours], f[i+1]) && !c.same(b[c.ours], f[i+1]) {
				bad[i]++
				t.Logf("process %d: %s is %v, then %v, and ps says %s %s", pid, c.ours, a[c.ours], b[c.ours], c.ps, f[i+1])
			}
		}
	}
	return compared, bad
}

// The columns that ps makes of more than one word, each in a call of its own.
func TestLiveTextsAgreeWithPs(t *testing.T) {
	path, err := exec.LookPath("ps")
	if err != nil {
		t.Skip("ps is not installed")
	}
	c := exec.Command("sh", "-c", "read x; exit", "a name", "with  blanks")
	hearing(t, c) // and waits for what is written to it
	settle(t, c.Process.Pid, "comm", "sh")
	pid := strconv.Itoa(c.Process.Pid)
	rows := processRows(t, "pid,comm,command,started")
	for _, p := range []string{pid, "2"} {
		n, _ := strconv.Atoi(p)
		r := rows[n]
		if r == nil {
			continue
		}
		for ours, ps := range map[string]string{"comm": "comm=", "command": "args="} {
			out, err := exec.Command(path, "-p", p, "-o", ps, "-ww").Output()
			if err != nil {
				t.Skip(err)
			}
			want := strings.TrimRight(string(out), "\n ")
			if ours == "command" && r[ours] == nil {
				if !strings.HasPrefix(want, "[") { // so ps marks those without a command line
					t.Errorf("process %s: no command line, and ps says %q", p, want)
				}
				continue
			}
			if r[ours] != want {
				t.Errorf("process %s: %s is %q, and ps says %q", p, ours, r[ours], want)
			}
		}
		cmd := exec.Command(path, "-p", p, "-o", "lstart=")
		cmd.Env = append(cmd.Environ(), "TZ=UTC", "LC_ALL=C")
		out, err := cmd.Output()
		if err != nil {
			t.Skip(err)
		}
		theirs, err1 := time.Parse("Mon Jan 2 15:04:05 2006", strings.Join(strings.Fields(string(out)), " "))
		own, err2 := time.Parse(time.RFC3339, r["started"].(string))
		if d := own.Sub(theirs); err1 != nil || err2 != nil || d > 2*time.Second || d < -2*time.Second {
			t.Errorf("process %s: started %v, ps says %v; %v, %v", p, own, theirs, err1, err2)
		}
	}
}

func sameNumber(unit float64) func(any, string) bool {
	return func(a any, b string) bool {
		n, err := strconv.ParseFloat(b, 64)
		if a == nil { // a kernel thread has no RSS, one of real time no nice value: ps says 0, or a dash
			return err != nil || n == 0
		}
		x, ok := a.(float64)
		return ok && (err == nil && x == n*unit || err != nil && x == 0)
	}
}

func sameWithin(off float64) func(any, string) bool {
	return func(a any, b string) bool {
		n, err := strconv.ParseFloat(b, 64)
		x, ok := a.(float64)
		return err == nil && ok && math.Abs(x-n) <= off
	}
}

// sameShare compares shares of one CPU over a life, of which ps tells tenths of a
// percent, over whole seconds: of the young they are far apart.
func sameShare(a any, b string) bool {
	n, err := strconv.ParseFloat(b, 64)
	x, ok := a.(float64)
	return err == nil && (!ok || math.Abs(100*x-n) <= 0.2+n/4 || n > 10)
}

func samePolicy(a any, b string) bool {
	words := map[string]string{
		"TS":  "SCHED_OTHER",
		"FF":  "SCHED_FIFO",
		"RR":  "SCHED_RR",
		"B":   "SCHED_BATCH",
		"IDL": "SCHED_IDLE",
		"DLN": "SCHED_DEADLINE",
		"ISO": "SCHED_ISO",
	}
	return words[b] == "" || a == words[b]
}

func sameTerminal(a any, b string) bool { return a == nil && b == "?" || a == b }

// sameWchan: ps writes a dash for what is not to be seen or does not wait.
func sameWchan(a any, b string) bool { return a == nil && (b == "-" || b == "0") || a == b }
