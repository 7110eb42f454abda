package cmd

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/sys/unix"

	"kwhy/explain/mem"
)

// live runs a command line on this host.
func live(t *testing.T, args ...string) (out, errs string, status int) {
	t.Helper()
	return liveAt(t, time.Now, args...)
}

// liveAt does the same by another clock.
func liveAt(t *testing.T, now func() time.Time, args ...string) (out, errs string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	a := &App{Out: &o, Err: &e, Getenv: func(string) (string, bool) { return "", false }, Now: now, Sleep: time.Sleep}
	status = a.Run(args)
	return o.String(), e.String(), status
}

// document is what a reader finds in a report who knows the contract, and not the types
// that kwhy encodes.
type document struct {
	Values   map[string]documentValue `json:"values"`
	Tables   map[string]documentTable `json:"tables"`
	Findings []documentFinding        `json:"findings"`
	Gaps     []documentGap            `json:"gaps"`
	Interval *float64                 `json:"interval"`
	View     string                   `json:"view"`
	Foreign  []struct {
		Source, Kind, By, Detail, Instead string
	} `json:"foreign"`
	Subject *struct {
		PID       int32      `json:"pid"`
		Comm      string     `json:"comm"`
		StartTime *time.Time `json:"start_time"`
	} `json:"subject"`
}

type documentValue struct {
	Value   any      `json:"value"`
	Kernel  string   `json:"kernel"`
	Source  string   `json:"source"`
	Gist    string   `json:"gist"`
	Level   string   `json:"level"`
	Reading string   `json:"reading"`
	Rate    *float64 `json:"rate"`
	Of      *struct {
		Seen   int
		All    *int
		Reason string
	}
	Absent *struct {
		Reason string  `json:"reason"`
		Hint   *string `json:"hint"`
	} `json:"absent"`
	Derivation *documentDerivation `json:"derivation"`
	Doubt      string              `json:"doubt"`
}

type documentDerivation struct {
	Terms []struct {
		Name  string `json:"name"`
		Value any    `json:"value"`
	} `json:"terms"`
	Result     any   `json:"result"`
	Reported   any   `json:"reported"`
	Difference any   `json:"difference"`
	Exact      *bool `json:"exact"`
}

type documentTable struct {
	Rows  []map[string]any `json:"rows"`
	Total int              `json:"total"`
	Of    *struct {
		Seen   int
		All    *int
		Reason string
	}
}

type documentFinding struct {
	ID       string                   `json:"id"`
	Level    string                   `json:"level"`
	Message  string                   `json:"message"`
	Next     string                   `json:"next"`
	Readings map[string]documentValue `json:"readings"`
	Measure  struct {
		Value any `json:"value"`
	} `json:"measure"`
}

type documentGap struct {
	Source string   `json:"source"`
	Reason string   `json:"reason"`
	Count  int      `json:"count"`
	Hint   *string  `json:"hint"`
	Keys   []string `json:"keys"`
}

func liveJSON(t *testing.T, args ...string) document {
	t.Helper()
	out, errs, status := live(t, append(args, "-o", "json")...)
	if status != 0 || errs != "" {
		t.Fatalf("kwhy %v: status %d, stderr %q", args, status, errs)
	}
	return readJSON(t, out)
}

// readJSON reads a document that keeps to the schema.
func readJSON(t *testing.T, out string) (d document) {
	t.Helper()
	validate(t, []byte(out))
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func number(t *testing.T, d document, key string) float64 {
	t.Helper()
	n, ok := d.Values[key].Value.(float64)
	if !ok {
		t.Fatalf("%s is %v, no number", key, d.Values[key].Value)
	}
	return n
}

// Every command's real output keeps to the schema.
func TestLiveSchema(t *testing.T) {
	long(t, "it runs thirty commands, which others run")
	pid := strconv.Itoa(os.Getpid())
	for _, args := range [][]string{{"mem"}, {"mem", pid}, {"mem", "--pss", "--limit", "0"}, {"mem", "--interval", "20ms"},
		{"oom"}, {"oom", pid}, {"oom", pid, "--adj", "7"}, {"oom", "--interval", "20ms", "--limit", "3"},
		{"oom", "--sort", "vm_rss,-pid", "--user", "0"}, {"proc"}, {"proc", pid}, {"proc", pid, "--interval", "20ms"}, {"proc", "--tree"},
		{"net"}, {"net", pid}, {"net", "sockets"}, {"net", "sockets", pid, "--interval", "20ms", "--limit", "0"}, {"explain", "accept-queue"},
		{"explain", "tcpi_rtt"}, {"explain", "owners"}, {"sched"}, {"sched", "--interval", "20ms"}, {"sched", pid, "--threads"},
		{"sched", pid, "--interval", "20ms"}, {"oom", pid, "--interval", "20ms"},
		{"explain", "oom_score"}, {"explain", "seccomp"}, {"explain", "namespaces"},
		{"explain", "oom-killer"}, {"explain", "victim_pid"},
		{"explain"}, {"explain", "ram"}, {"explain", "MemAvailable"}, {"explain", "vm_rss"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) { liveJSON(t, args...) })
	}
}

func TestLivePartsSumToMemTotal(t *testing.T) {
	d := liveJSON(t, "mem")
	var sum float64
	var keys []string
	for _, sec := range mem.Host().Sections {
		for _, f := range sec.Fields {
			if f.Part == 0 {
				continue
			}
			keys = append(keys, f.Key)
			if n, ok := d.Values[f.Key].Value.(float64); ok {
				sum += n
			}
		}
	}
	total := number(t, d, "mem_total")
	if sum != total {
		t.Errorf("the parts sum to %.0f, MemTotal is %.0f: %v", sum, total, keys)
	}
	if rest := number(t, d, "untracked"); rest > total/4 || rest < -total/50 {
		t.Errorf("%.0f of %.0f is not accounted for: parts are missing or counted twice", rest, total)
	}
}

// free, of procps, reads the same files with other code.
func TestLiveAgreesWithFree(t *testing.T) {
	path, err := exec.LookPath("free")
	if err != nil {
		t.Skip("free is not installed")
	}
	for try := range 20 {
		d := liveJSON(t, "mem")
		out, err := exec.Command(path, "-b").Output()
		if err != nil {
			t.Fatal(err)
		}
		f := strings.Fields(strings.SplitN(string(out), "\n", 3)[1])
		total, _ := strconv.ParseFloat(f[1], 64)
		available, _ := strconv.ParseFloat(f[6], 64)
		if number(t, d, "mem_total") != total {
			t.Fatalf("MemTotal is %v, free says %v", number(t, d, "mem_total"), total)
		}
		diff := number(t, d, "mem_available") - available
		if diff < total/100 && diff > -total/100 {
			return
		}
		t.Logf("try %d: MemAvailable differs by %.0f", try, diff)
	}
	t.Error("MemAvailable never came within 1 % of what free says")
}

// The kernel's own figures are reproduced to the page, unless the host never
// held still.
func TestLiveDerivations(t *testing.T) {
	for _, key := range []string{"mem_available", "commit_limit", "nr_dirty_threshold", "nr_dirty_background_threshold", "slab"} {
		t.Run(key, func(t *testing.T) {
			var last *documentDerivation
			for range 50 {
				d := liveJSON(t, "mem", "--limit", "1").Values[key].Derivation
				if d == nil || d.Exact == nil {
					t.Fatalf("no derivation, or nothing to compare it with: %+v", d)
				}
				if last = d; *d.Exact {
					return
				}
			}
			t.Errorf("50 tries, and the last still differs by %v: %+v", last.Difference, last)
		})
	}
}

func TestLiveOwnProcess(t *testing.T) {
	d := liveJSON(t, "mem", strconv.Itoa(os.Getpid()))
	if d.Subject == nil || d.Subject.PID != int32(os.Getpid()) {
		t.Fatalf("subject is %+v", d.Subject)
	}
	if age := time.Since(*d.Subject.StartTime); age < 0 || age > time.Hour {
		t.Errorf("this test is said to have started %v ago", age)
	}
	rss := number(t, d, "rss_anon") + number(t, d, "rss_file") + number(t, d, "rss_shmem")
	if rss != number(t, d, "vm_rss") {
		t.Errorf("parts sum to %.0f, VmRSS is %.0f", rss, number(t, d, "vm_rss"))
	}
	if number(t, d, "uss") > number(t, d, "pss") {
		t.Errorf("USS %.0f is more than PSS %.0f", number(t, d, "uss"), number(t, d, "pss"))
	}
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	lines := float64(bytes.Count(b, []byte("\n")) - bytes.Count(b, []byte("[vsyscall]")))
	if got := number(t, d, "map_count"); got < lines-8 || got > lines+8 {
		t.Errorf("%v mappings, /proc/self/maps has %v", got, lines)
	}
}

// A child that maps 256 MiB and touches 64 MiB shows just that.
func TestLiveTouched(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run=^TestHelperTouch$")
	child.Env = append(os.Environ(), "KWHY_TEST_CHILD=touch", "MALLOC_ARENA_MAX=1")
	in, out := hearing(t, child)
	say := func() {
		if _, err := in.Write([]byte("\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	pid := strconv.Itoa(child.Process.Pid)
	say() // it runs
	before := liveJSON(t, "mem", pid)
	say() // it has mapped and touched
	after := liveJSON(t, "mem", pid)
	// A thread that the child's runtime starts meanwhile maps a stack of 8 MiB, and touches little of it.
	slack := map[string]float64{"vm_size": 40 << 20, "rss_anon": 4 << 20}
	for key, want := range map[string]float64{"vm_size": 256 << 20, "rss_anon": 64 << 20} {
		got := number(t, after, key) - number(t, before, key)
		if got < want-(4<<20) || got > want+slack[key] {
			t.Errorf("%s grew by %.1f MiB, the child made it %.0f", key, got/(1<<20), want/(1<<20))
		}
	}
	if got := number(t, after, "freed_on_exit") - number(t, before, "freed_on_exit"); got < 60<<20 {
		t.Errorf("its end would free only %.1f MiB more", got/(1<<20))
	}
}

func TestLiveErrors(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"no such process":  {[]string{"mem", "2147483600"}, exitFailed, "kwhy: process 2147483600: no such process\n"},
		"no PID":           {[]string{"mem", "x"}, exitUsage, "bad PID \"x\""},
		"no such root":     {[]string{"mem", "--proc-root", "/nowhere"}, exitFailed, "/nowhere"},
		"a root, no proc":  {[]string{"mem", "--proc-root", t.TempDir()}, exitFailed, "meminfo"},
		"bad output":       {[]string{"mem", "-o", "xml"}, exitUsage, "--output: bad value \"xml\": it takes text, json, ndjson"},
		"bad interval":     {[]string{"mem", "--interval", "1"}, exitUsage, "--interval: bad value \"1\": it takes a duration such as"},
		"no width":         {[]string{"mem", "--width", "x"}, exitUsage, "--width: bad value \"x\": it takes a number of columns"},
		"no limit":         {[]string{"mem", "--limit", "x"}, exitUsage, "--limit: bad value \"x\": it takes a whole number"},
		"no timeout":       {[]string{"mem", "--timeout", "-1s"}, exitUsage, "--timeout: bad value \"-1s\": it takes a duration such as"},
		"two questions":    {[]string{"mem", "1", "--pss"}, exitUsage, "--pss is for the table of all processes"},
		"bad flag":         {[]string{"mem", "--nope"}, exitUsage, "--nope"},
		"bad command":      {[]string{"mme"}, exitUsage, "did you mean mem"},
		"unknown name":     {[]string{"explain", "MemAvailabel"}, exitUsage, "MemAvailable"},
		"bad width":        {[]string{"mem", "--width", "3"}, exitUsage, "--width"},
		"bad limit":        {[]string{"mem", "--limit", "-7"}, exitUsage, "--limit"},
		"config not there": {[]string{"mem", "--config", "/nowhere.yaml"}, exitUsage, "/nowhere.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := live(t, c.args...)
			if status != c.status || !strings.Contains(errs, c.want) {
				t.Errorf("status %d, stderr %q; want %d and %q", status, errs, c.status, c.want)
			}
			if out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "kwhy: ") {
				t.Errorf("an error is one line on stderr: stdout %q, stderr %q", out, errs)
			}
		})
	}
}

// No line of text is wider than it was asked to be.
func TestLiveWidth(t *testing.T) {
	for _, width := range []string{"60", "80", "120", "200"} {
		for _, args := range [][]string{{"mem"}, {"mem", strconv.Itoa(os.Getpid())}, {"explain", "reclaim"}, {"proc"},
			{"proc", strconv.Itoa(os.Getpid())}, {"oom"}, {"oom", strconv.Itoa(os.Getpid()), "--adj", "5"},
			{"oom", "log", "../inspect/kmsg/testdata/mainline-4.9-global.log"}} {
			for _, detail := range []string{"none", "line", "full"} {
				out, _, _ := live(t, append(slices.Clone(args), "--width", width, "--explain", detail)...)
				most, _ := strconv.Atoi(width)
				for l := range strings.Lines(out) {
					if n := runewidth.StringWidth(strings.TrimSuffix(l, "\n")); n > most && len(strings.Fields(l)) > 1 &&
						(args[0] != "explain" || !strings.HasPrefix(l, "    ")) { // a word alone and a line of code have no place to break
						t.Errorf("%v at %s, %s: %d columns: %s", args, width, detail, n, l)
					}
				}
			}
		}
	}
}

// Memory that a fork shares is not free when one of the two ends. What is, lies
// between the two figures; and when the other has gone, both say so.
func TestLiveForkShares(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run=^TestHelperFork$")
	child.Env = append(os.Environ(), "KWHY_TEST_CHILD=fork", "GOGC=off")
	in, out := hearing(t, child)
	wait := func() {
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	pid := strconv.Itoa(child.Process.Pid)
	wait()
	doc := liveJSON(t, "mem", pid)
	least, most := number(t, doc, "freed_on_exit_least"), number(t, doc, "freed_on_exit")
	if least > 24<<20 || most > forkShares*3/2+(16<<20) {
		t.Errorf("with a child that shares all: from %.1f to %.1f MiB would come free", least/(1<<20), most/(1<<20))
	}
	if rss := number(t, doc, "rss_anon"); rss < forkShares {
		t.Errorf("it has %.1f MiB of anonymous memory", rss/(1<<20))
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	wait()
	doc = liveJSON(t, "mem", pid)
	least, most = number(t, doc, "freed_on_exit_least"), number(t, doc, "freed_on_exit")
	if least < forkShares*3/4 || most < forkShares {
		t.Errorf("alone: from %.1f to %.1f MiB would come free", least/(1<<20), most/(1<<20))
	}
}

// What one part of MemTotal has, no other has: where a program fills one kind of
// memory, what is not accounted stays as it was.
func TestLivePartsDoNotOverlap(t *testing.T) {
	const size = 96 << 20
	fill := map[string]func() func(){
		"shmem": func() func() {
			b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
			if err != nil {
				t.Fatal(err)
			}
			return func() { _ = unix.Munmap(b) }
		},
		"anon_pages": func() func() {
			b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
			if err != nil {
				t.Fatal(err)
			}
			return func() { _ = unix.Munmap(b) }
		},
	}
	for key, grow := range fill {
		ok := false
		var grew, rest float64
		for range 5 { // others work on this machine too
			before := liveJSON(t, "mem", "--limit", "1")
			shrink := grow()
			after := liveJSON(t, "mem", "--limit", "1")
			shrink()
			grew = number(t, after, key) - number(t, before, key)
			rest = number(t, after, "untracked") - number(t, before, "untracked")
			if ok = grew > size*3/4 && grew < size*5/4 && rest > -size/4 && rest < size/4; ok {
				break
			}
		}
		if !ok {
			t.Errorf("%s: 96 MiB more, of which it shows %.1f; what is not accounted changed by %.1f MiB", key, grew/(1<<20), rest/(1<<20))
		}
	}
}

// SIGINT ends kwhy at once, and by that signal.
func TestLiveInterrupt(t *testing.T) {
	c := exec.Command("kwhy", "mem", "--interval", "1m")
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	start := time.Now()
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	ws, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !ws.Signaled() || ws.Signal() != syscall.SIGINT || out.Len() > 0 || time.Since(start) > 30*time.Second {
		t.Errorf("it ended with %v after %s, and printed %q", c.ProcessState, time.Since(start), out.String())
	}
}
