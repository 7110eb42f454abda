package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/explain/catalog"
)

// checked runs kwhy check -o json with some variables, of one sample.
func checked(t *testing.T, env []string, args ...string) document {
	t.Helper()
	var out, errs bytes.Buffer
	a := &App{
		Out:     &out,
		Err:     &errs,
		Getenv:  func(string) (string, bool) { return "", false },
		Environ: func() []string { return env },
		Now:     time.Now,
		Sleep:   time.Sleep,
	}
	if status := a.Run(append([]string{"check", "--interval", "0", "-o", "json"}, args...)); status != 0 || errs.Len() > 0 {
		t.Fatalf("check %v: status %d, %s", args, status, errs.String())
	}
	return readJSON(t, out.String())
}

// findings are what a rule found.
func findings(d document, id string) (out []documentFinding) {
	for _, f := range d.Findings {
		if f.ID == id {
			out = append(out, f)
		}
	}
	return out
}

// saying returns the finding of a rule that says something.
func saying(t *testing.T, d document, id, what string) documentFinding {
	t.Helper()
	list := findings(d, id)
	for _, f := range list {
		if strings.Contains(f.Message, what) {
			return f
		}
	}
	t.Fatalf("%s says nothing of %q: %+v", id, what, list)
	return documentFinding{}
}

func read(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}

// word returns the number behind a word of a file of the kernel's; 0 where there is none.
func word(name, key string) (n float64) {
	_, rest, _ := strings.Cut(read(name), key)
	rest, _, _ = strings.Cut(strings.TrimLeft(rest, " :="), " ")
	rest, _, _ = strings.Cut(rest, "\n")
	n, _ = strconv.ParseFloat(strings.TrimSpace(rest), 64)
	return n
}

// loaded are the rules that may be right to find something though nothing is wrong with
// the machine: whatever else runs on it beside this test can be too much for it. Each
// has the kernel's own figure for that.
func loaded() map[string]func() bool {
	killed := func() bool { return word("/proc/vmstat", "oom_kill") > 0 } // other tests have a cgroup killed in
	pressed := func() bool { return word("/proc/pressure/memory", "some avg10=") > 4 }
	return map[string]func() bool{
		"sched.cpu_pressure": func() bool { return word("/proc/pressure/cpu", "some avg10=") > 40 },
		"sched.run_queue":    func() bool { return word("/proc/stat", "procs_running") > 2*float64(runtime.NumCPU()) },
		"mem.pressure_some":  pressed, "mem.pressure_full": pressed, "mem.thrashing": pressed, "mem.direct_reclaim": pressed,
		"oom.killed_lately": killed, "mem.oom_kills_now": killed,
	}
}

// On a machine with which nothing is wrong nothing is found above a notice. Something
// may be for a moment, a task in D or a full queue: what is found five times in a row
// stands.
func TestLiveCheckQuiet(t *testing.T) {
	for name, run := range map[string]func() document{
		"root":   func() document { return liveJSON(t, "check", "--interval", "300ms") },
		"nobody": func() document { return asNobody(t, "check", "--interval", "0") },
	} {
		t.Run(name, func(t *testing.T) {
			if name == "nobody" && os.Geteuid() != 0 {
				t.Skip("giving up root takes root")
			}
			var standing map[string]string
			for try := range 5 {
				found := map[string]string{}
				for _, f := range run().Findings {
					busy := loaded()[f.ID]
					if f.Level != "notice" && (busy == nil || !busy()) && (try == 0 || standing[f.ID] != "") {
						found[f.ID] = f.Level + ": " + f.Message
					}
				}
				if standing = found; len(standing) == 0 {
					return
				}
				time.Sleep(time.Second)
			}
			for id, what := range maps.All(standing) {
				t.Errorf("%s: %s", id, what)
			}
		})
	}
}

// Each domain was looked at, and says in a line how it stands; what a rule found is
// said, by it or by the better one.
func TestLiveCheckDomains(t *testing.T) {
	d := checked(t, nil)
	var got []string
	for _, r := range d.Tables["domains"].Rows {
		got = append(got, fmt.Sprint(r["domain"]))
		if why, _ := r["why"].(string); why == "" || r["state"] == "unseen" {
			t.Errorf("%v", r)
		}
	}
	if want := []string{"mem", "oom", "proc", "sched", "fd", "net"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	better := map[any]string{}
	for _, r := range catalog.All().Rules {
		better[r.ID] = r.Unless
	}
	for _, r := range d.Tables["checks"].Rows {
		id := fmt.Sprint(r["id"])
		if said := len(findings(d, id)) > 0; r["outcome"] == "found" && !said && len(findings(d, better[id])) == 0 ||
			r["outcome"] != "found" && said {
			t.Errorf("%s: %v, and it is said: %v", id, r["outcome"], said)
		}
	}
}

// pidsGroup is a cgroup of the test's own with a bound on its threads.
func pidsGroup(t *testing.T, limit int) (dir, path string) {
	t.Helper()
	for line := range strings.Lines(read("/proc/self/cgroup")) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) == 3 && f[1] == "pids":
			dir, path = "/sys/fs/cgroup/pids"+f[2], f[2]
		case len(f) == 3 && f[0] == "0" && dir == "":
			dir, path = "/sys/fs/cgroup"+f[2], f[2]
		}
	}
	name := fmt.Sprintf("kwhy-check-%d", os.Getpid())
	dir, path = filepath.Join(dir, name), filepath.Join(path, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no cgroup can be made here: %v", err)
	}
	t.Cleanup(func() {
		for range 200 { // the last process may take a moment to leave
			if os.Remove(dir) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%s is left behind", dir)
	})
	if err := os.WriteFile(filepath.Join(dir, "pids.max"), []byte(strconv.Itoa(limit)), 0o644); err != nil {
		t.Skipf("the pids controller is not to be had here: %v", err)
	}
	return dir, path
}

// A shell with eight children has nine of ten threads; an eleventh fork fails.
func TestLiveCheckPids(t *testing.T) {
	dir, path := pidsGroup(t, 10)
	c := exec.Command("sh", "-c", "echo $$ >"+dir+"/cgroup.procs && for i in 1 2 3 4 5 6 7 8; do sleep 600 & done; echo ready; wait")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = unix.Kill(-c.Process.Pid, unix.SIGKILL); _ = c.Wait() })
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if n := strings.TrimSpace(read(dir + "/pids.current")); n != "9" {
		t.Fatalf("the kernel counts %s", n)
	}
	d := checked(t, nil, "--only", "proc")
	f := saying(t, d, "proc.cgroup_pids_near", "cgroup "+path+" has 9 of its 10 threads")
	if f.Level != "warning" || f.Measure.Value != 0.9 || !strings.HasPrefix(f.Next, "kwhy proc ") {
		t.Errorf("%+v", f)
	}
	listed := 0
	for _, r := range liveJSON(t, append(strings.Fields(f.Next)[1:], "--limit", "0")...).Tables["processes"].Rows {
		if pid, _ := r["pid"].(float64); strings.Contains(read(fmt.Sprintf("/proc/%d/cgroup", int(pid))), path) {
			listed++
		}
	}
	if listed != 9 {
		t.Errorf("%s lists %d of them", f.Next, listed)
	}
}

// A child that takes most of its cgroup's memory.
func TestLiveCheckMemory(t *testing.T) {
	g := newMemcg(t, smallLimit)
	c := g.start(t, raceRoom*54, 500, true)
	use, stat, kind := "memory.usage_in_bytes", "memory.stat", "total_"
	if g.v2 {
		use, kind = "memory.current", ""
	}
	used := word(
		filepath.Join(g.dir, use),
		"",
	) - word(
		filepath.Join(g.dir, stat),
		"\n"+kind+"inactive_file",
	) - word(
		filepath.Join(g.dir, stat),
		"\n"+kind+"active_file",
	)
	share := used / smallLimit
	if share < 0.8 {
		t.Fatalf("the kernel says %v of the limit", share)
	}
	f := saying(t, checked(t, nil, "--only", "oom"), "oom.cgroup_near_limit", "cgroup "+g.path+" uses ")
	if got, _ := f.Measure.Value.(float64); got < share-0.03 || got > share+0.03 || f.Level == "notice" && share > 0.93 {
		t.Errorf("%s, %v; the kernel's own files say %v", f.Level, f.Measure.Value, share)
	}
	if !strings.Contains(f.Message, fmt.Sprintf(" (%d) would be killed first", c.Process.Pid)) {
		t.Errorf("%q does not name who would die there, %d", f.Message, c.Process.Pid)
	}
}

// TestHelperTroubled is no test: it is a child in a network namespace of its own, where
// it has a connection whose data it does not read, several listeners, and a child with a
// listener that does not accept; it writes down what check says of them.
func TestHelperTroubled(t *testing.T) {
	inRole(t, "Troubled")
	_ = link(true)
	near, far := pair(listening(4))
	_, err := unix.Write(near, make([]byte, 5000))
	must(0, err)
	for range 4 {
		listening(1)
	}
	deaf, port := helper(t, "Deaf")
	n := must(strconv.Atoi(port))
	for range 2 {
		must(0, unix.Connect(tcpSocket(), &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: n}))
	}
	time.Sleep(300 * time.Millisecond)
	var out bytes.Buffer
	a := &App{Out: &out, Err: os.Stderr, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: time.Sleep,
		Environ: func() []string { return []string{"KWHY_CHECK_THRESHOLDS_NET_UNREAD=0.2"} }}
	status := a.Run([]string{"check", "--interval", "0", "--only", "net", "-o", "json"})
	must(0, os.WriteFile(os.Getenv("KWHY_TEST_OUT"), out.Bytes(), 0o600))
	fmt.Printf(`{"status":%d,"deaf":%d,"port":%d,"near":%d,"far":%d}`+"\n", status, deaf.Process.Pid, n, portOf(near), portOf(far))
}

// TestHelperDeaf is no test: it is the child that does not accept.
func TestHelperDeaf(t *testing.T) {
	inRole(t, "Deaf")
	parent := os.Getppid()
	fmt.Println(portOf(listening(1)))
	for os.Getppid() == parent { // which may be killed before it ends its own child
		time.Sleep(20 * time.Millisecond)
	}
}

// A listener that does not accept and a connection that is not read, each with whose it
// is, though others have more sockets.
func TestLiveCheckSockets(t *testing.T) {
	to := filepath.Join(t.TempDir(), "check.json")
	c, made, own := netChild(t, "Troubled", "KWHY_TEST_OUT="+to)
	if !own {
		t.Skip("what else this namespace has would be told first")
	}
	if made["status"] != 0 {
		t.Fatalf("status %d", made["status"])
	}
	d := readJSON(t, read(to))
	name := strings.TrimSpace(read("/proc/self/comm"))
	f := saying(
		t,
		d,
		"net.accept_queue_full",
		fmt.Sprintf("%s (%d) has 2 connections waiting at tcp 127.0.0.1:%d, of 2 at most", name, made["deaf"], made["port"]),
	)
	if f.Level != "warning" || f.Measure.Value != float64(1) || f.Readings["accept_queue"].Value != float64(2) ||
		f.Readings["accept_limit"].Value != float64(1) {
		t.Errorf("%+v", f)
	}
	f = saying(t, d, "net.unread", fmt.Sprintf("%s (%d) has not read 4.9 KiB from 127.0.0.1:%d for ", name, c.Process.Pid, made["near"]))
	if got, _ := f.Measure.Value.(float64); f.Level != "notice" || got < 0.2 || got > 60 {
		t.Errorf("%+v", f)
	}
	if list := findings(checked(t, nil, "--only", "net"), "net.unread"); slices.ContainsFunc(
		list,
		func(f documentFinding) bool { return strings.Contains(f.Message, fmt.Sprint("(", c.Process.Pid, ")")) },
	) {
		t.Errorf("a socket of another namespace: %+v", list)
	}
}

// TestHelperNoWait is no test: it is the child whose children end, and that never asks.
func TestHelperNoWait(t *testing.T) {
	inRole(t, "NoWait")
	for range 25 {
		c := exec.Command("true")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		settle(t, c.Process.Pid, "stat", ") Z ")
	}
	fmt.Println("ready")
	time.Sleep(10 * time.Minute)
}

func TestLiveCheckZombies(t *testing.T) {
	c, _ := helper(t, "NoWait")
	f := saying(
		t,
		checked(t, nil, "--only", "proc"),
		"proc.zombies",
		fmt.Sprintf("25 of %s (%d)", strings.TrimSpace(read("/proc/self/comm")), c.Process.Pid),
	)
	if n, _ := f.Measure.Value.(float64); n < 25 || f.Level == "critical" {
		t.Errorf("%+v", f)
	}
	if d := checked(t, []string{"KWHY_CHECK_THRESHOLDS_PROC_ZOMBIES=notice=1000000,warning=off"}, "--only", "proc"); len(
		findings(d, "proc.zombies"),
	) > 0 {
		t.Errorf("far below its threshold: %+v", d.Findings)
	}
}

// A deleted file that stays open, by two descriptors: its space is told once.
func TestLiveCheckDeleted(t *testing.T) {
	const size = 96 << 20
	f, err := os.CreateTemp(t.TempDir(), "deleted")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		t.Skipf("no file of %d bytes: %v", size, err)
	}
	again, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(again)
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	self := fmt.Sprintf(" (%d) keeps ", os.Getpid())
	found := saying(t, checked(t, []string{"KWHY_CHECK_THRESHOLDS_FD_DELETED_SPACE=1048576"}, "--only", "fd"), "fd.deleted_space", self)
	if got, _ := found.Measure.Value.(float64); got < float64(st.Blocks)*512 || got > float64(st.Blocks)*512+(1<<20) ||
		found.Level != "notice" {
		t.Errorf("%v, the file takes %d: %+v", found.Measure.Value, st.Blocks*512, found)
	}
	if !strings.Contains(found.Message, "in 1 file that was deleted") || !strings.HasSuffix(found.Message, f.Name()) {
		t.Errorf("%q", found.Message)
	}
	for _, f := range findings(checked(t, nil, "--only", "fd"), "fd.deleted_space") {
		if strings.Contains(f.Message, self) {
			t.Errorf("far below its threshold: %+v", f)
		}
	}
}

// sheets takes so many writes, and none after them: a reader who has seen enough.
type sheets struct {
	bytes.Buffer
	left int
}

func (s *sheets) Write(b []byte) (int, error) {
	if s.left--; s.left < 0 {
		return 0, syscall.EPIPE
	}
	return s.Buffer.Write(b)
}

// With --every report follows report, each of the time since the one before: what lies
// between two of them is what the second says its counters are of.
func TestLiveCheckEvery(t *testing.T) {
	out := sheets{left: 3}
	var slept []time.Duration
	a := &App{
		Out:    &out,
		Err:    io.Discard,
		Getenv: func(string) (string, bool) { return "", false },
		Now:    time.Now,
		Sleep: func(d time.Duration) {
			slept = append(slept, d)
			time.Sleep(d / 20)
		},
	}
	if status := a.Run([]string{"check", "--only", "oom", "--every", "2s", "--interval", "1s", "-o", "ndjson"}); status != 0 {
		t.Fatalf("status %d once nobody reads on", status)
	}
	var was time.Time
	var n int
	for line := range strings.Lines(out.String()) {
		var h struct {
			Type string
			At   time.Time `json:"collected_at"`
			Over float64   `json:"interval"`
		}
		if err := json.Unmarshal([]byte(line), &h); err != nil || h.Type != "header" {
			continue
		}
		if n++; n > 1 {
			if gap := h.At.Sub(was).Seconds(); math.Abs(gap-h.Over) > 1e-5 {
				t.Errorf("report %d is of %v s, %v s after the one before", n, h.Over, gap)
			}
		}
		was = h.At
	}
	if n != 3 {
		t.Errorf("%d reports were written, not 3", n)
	}
	for i, d := range slept {
		if i == 0 && d != time.Second || i > 0 && (d > 2*time.Second || d < time.Second) {
			t.Errorf("pause %d is of %v", i, d)
		}
	}
}
