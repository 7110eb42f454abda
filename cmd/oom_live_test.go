package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// kernelScore is the kernel's own figure.
func kernelScore(t *testing.T, pid string) (int, bool) {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/oom_score")
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return n, true
}

func pidOf(row map[string]any) string { return strconv.Itoa(int(row["pid"].(float64))) }

// The score of every process that holds still comes out of its parts.
func TestLiveScores(t *testing.T) {
	d := liveJSON(t, "oom", "--limit", "0")
	rows := d.Tables["processes"].Rows
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(rows) < len(entries)*8/10 {
		t.Fatalf("%d rows of %d processes, %v", len(rows), len(entries), err)
	}
	exact, moved := 0, 0
	for _, r := range rows {
		pid := pidOf(r)
		score, ok := kernelScore(t, pid)
		told, isNumber := r["oom_score"].(float64)
		if !ok || !isNumber || score != int(told) {
			moved++ // it ended, or changed since
			continue
		}
		if r["recomputed"] == nil || r["recomputed"].(float64) != told {
			if vfork(pid) {
				moved++
				continue
			}
			t.Errorf("process %s: the kernel says %v, its parts make %v: %v", pid, told, r["recomputed"], r["why"])
			continue
		}
		exact++
	}
	t.Logf("%d of %d scores are exact, %d processes moved", exact, len(rows), moved)
	if exact < len(rows)*9/10 {
		t.Errorf("only %d of %d scores could be compared", exact, len(rows))
	}
}

// vfork tells a process that may still be on its parent's memory: it has the
// same maps. Where that can't be seen, it is not taken for one.
func vfork(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return true
	}
	rest := string(b[strings.LastIndexByte(string(b), ')')+1:])
	parent := strings.Fields(rest)[1]
	mine, err1 := os.ReadFile("/proc/" + pid + "/maps")
	its, err2 := os.ReadFile("/proc/" + parent + "/maps")
	return err1 == nil && err2 == nil && len(mine) > 0 && string(mine) == string(its)
}

// The order is that of the kernel's own figures, for all that held still: nearly all.
func TestLiveOrder(t *testing.T) {
	most := 0.0
	for range 20 {
		rows := liveJSON(t, "oom", "--limit", "0").Tables["processes"].Rows
		scores := make([]int, 0, len(rows))
		for _, r := range rows {
			if n, ok := kernelScore(t, pidOf(r)); ok && r["oom_score"] == float64(n) { // else it ended, or moved since
				scores = append(scores, n)
			}
		}
		if !slices.IsSortedFunc(scores, func(a, b int) int { return b - a }) {
			t.Fatalf("the rows are not in the kernel's order: %v", scores)
		}
		if most = max(most, float64(len(scores))/float64(len(rows))); most == 1 {
			return
		}
	}
	if t.Logf("at best %.0f %% of the processes held still", 100*most); most < 0.9 {
		t.Errorf("no more than %.0f %% of the rows could be compared", 100*most)
	}
}

// The split adds up to the points, in every row.
func TestLiveSplit(t *testing.T) {
	n := 0
	for _, r := range liveJSON(t, "oom", "--limit", "0").Tables["processes"].Rows {
		points, ok := r["points"].(float64)
		if !ok {
			continue
		}
		of := func(keys ...string) (sum float64) {
			for _, key := range keys {
				sum += r["points_"+key].(float64)
			}
			return sum
		}
		if n++; of("rss", "swap", "tables", "adj") != points || of("anon", "file", "shmem", "lag") != of("rss") {
			t.Errorf("%v", r)
		}
	}
	if n == 0 {
		t.Error("no row has points")
	}
}

// Children with adjustments of their own stand where the kernel's arithmetic
// puts them, and what --adj foretells comes true.
func TestLiveAdj(t *testing.T) {
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	pid := strconv.Itoa(child.Process.Pid)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) { // until it runs sleep
		if comm, _ := os.ReadFile("/proc/" + pid + "/comm"); string(comm) == "sleep\n" || time.Now().After(deadline) {
			break
		}
	}
	foretold := number(t, liveJSON(t, "oom", pid, "--adj", "700"), "if_oom_score")
	if err := os.WriteFile("/proc/"+pid+"/oom_score_adj", []byte("700"), 0o644); err != nil {
		t.Skip(err)
	}
	d := liveJSON(t, "oom", pid)
	score, _ := kernelScore(t, pid)
	if got := number(t, d, "oom_score"); int(got) != score || got != foretold {
		t.Errorf("the kernel says %d, kwhy %v, and foretold %v", score, got, foretold)
	}
	if deriv := d.Values["oom_score"].Derivation; deriv == nil || deriv.Exact == nil || !*deriv.Exact {
		t.Errorf("%+v", deriv)
	}
	above := 0
	for _, r := range liveJSON(t, "oom", "--limit", "0").Tables["processes"].Rows {
		if s, ok := r["oom_score"].(float64); ok && int(s) > score {
			above++
		}
	}
	if rank := number(t, d, "rank"); int(rank) < 1 || int(rank) > above+1 {
		t.Errorf("rank %v, and %d have a higher score", rank, above)
	}
}

// A child of the name that nohang has: it is a script, and python runs it.
func TestLiveNohang(t *testing.T) {
	dir := t.TempDir()
	python := filepath.Join(dir, "python3")
	if err := os.Symlink(os.Args[0], python); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(python, "-test.run=^TestHelperHog$", filepath.Join(dir, "nohang"))
	c.Env = append(os.Environ(), "KWHY_TEST_CHILD=hog", "KWHY_TEST_MIB=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the child did not start: %v", err)
	}
	if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", c.Process.Pid)); string(comm) != "python3\n" {
		t.Fatalf("the child is called %q", comm)
	}
	list, _ := liveJSON(t, "oom").Values["userspace_killers"].Value.([]any)
	if !slices.Contains(list, any("nohang")) {
		t.Errorf("the killers are %v", list)
	}
}

// What an adjustment makes of the ends of its range, and of those whom none moves.
func TestLiveAdjAtItsEnds(t *testing.T) {
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	pid := strconv.Itoa(child.Process.Pid)
	d := liveJSON(t, "oom", pid, "--adj", "-1000")
	if v := d.Values["if_victim_pid"]; v.Value == nil || v.Value == float64(child.Process.Pid) ||
		!strings.Contains(v.Reading, "would be killed first") ||
		d.Values["if_rank"].Value != nil {
		t.Errorf("the victim then: %+v", v)
	}
	if err := os.WriteFile("/proc/"+pid+"/oom_score_adj", []byte("1000"), 0o644); err != nil {
		t.Skip(err)
	}
	if v := liveJSON(t, "oom", pid).Values["rank"]; v.Value != float64(1) ||
		!strings.Contains(v.Reading, "this one stays first even without any memory") {
		t.Errorf("%+v", v)
	}
	for _, pid := range []string{"1", "2"} {
		d := liveJSON(t, "oom", pid, "--adj", "500")
		if d.Values["killable"].Value != false {
			continue // a container's
		}
		if v := d.Values["if_oom_score_adj"]; v.Value != float64(500) || !strings.HasPrefix(v.Reading, "It would change nothing: ") ||
			d.Values["if_oom_score"].Value != nil {
			t.Errorf("process %s: %+v", pid, v)
		}
	}
}

func TestLiveOomErrors(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"adj too large":       {[]string{"oom", self, "--adj", "1001"}, exitUsage, "--adj: bad value 1001: it takes -1000 to 1000"},
		"adj too small":       {[]string{"oom", self, "--adj", "-1001"}, exitUsage, "-1000 to 1000"},
		"adj of nobody":       {[]string{"oom", "--adj", "5"}, exitUsage, "--adj needs a PID"},
		"no such process":     {[]string{"oom", "2147483600"}, exitFailed, "process 2147483600: no such process"},
		"no such column":      {[]string{"oom", "--sort", "nope"}, exitUsage, "no column \"nope\""},
		"bad name":            {[]string{"oom", "--name", "("}, exitUsage, "--name"},
		"no such user":        {[]string{"oom", "--user", "no-such-user"}, exitUsage, "no-such-user"},
		"no such cgroup":      {[]string{"oom", "--cgroup", "/no/such"}, exitFailed, "there is no memory cgroup of that path"},
		"rank of a process":   {[]string{"oom", self, "--limit", "3"}, exitUsage, "--limit"},
		"no such log":         {[]string{"oom", "log", "/nowhere.log"}, exitFailed, "/nowhere.log"},
		"a directory, no log": {[]string{"oom", "log", "/"}, exitFailed, "directory"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := live(t, c.args...)
			if status != c.status || !strings.Contains(errs, c.want) || out != "" || strings.Count(errs, "\n") != 1 {
				t.Errorf("status %d, stdout %q, stderr %q; want %d and %q", status, out, errs, c.status, c.want)
			}
		})
	}
}

// memcg is a small memory cgroup of the test's own, below the one it runs in.
type memcg struct {
	dir, path string
	v2        bool
}

func newMemcg(t *testing.T, limit int64) memcg {
	t.Helper()
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip(err)
	}
	var g memcg
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) == 3 && slices.Contains(strings.Split(f[1], ","), "memory"):
			g = memcg{dir: "/sys/fs/cgroup/memory" + f[2], path: f[2]}
		case len(f) == 3 && f[0] == "0" && g.dir == "":
			g = memcg{dir: "/sys/fs/cgroup" + f[2], path: f[2], v2: true}
		}
	}
	name := fmt.Sprintf("kwhy-test-%d", os.Getpid())
	g.dir, g.path = filepath.Join(g.dir, name), filepath.Join(g.path, name)
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Skipf("no memory cgroup can be made here: %v", err)
	}
	t.Cleanup(func() {
		for range 100 { // the last process may take a moment to leave
			if err := os.Remove(g.dir); err == nil || errors.Is(err, fs.ErrNotExist) {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%s is left behind", g.dir)
	})
	file := "memory.limit_in_bytes"
	if g.v2 {
		file = "memory.max"
	}
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.FormatInt(limit, 10)), 0o644); err != nil {
		t.Skipf("the memory controller is not to be had here: %v", err)
	}
	if g.v2 {
		_ = os.WriteFile(filepath.Join(g.dir, "memory.swap.max"), []byte("0"), 0o644)
	}
	return g
}

// start runs the test's own hog in the cgroup: it takes mib, says so, and waits.
func (g memcg) start(t *testing.T, mib, adj int, wait bool) *exec.Cmd {
	t.Helper()
	c := exec.Command(
		"sh",
		"-c",
		fmt.Sprintf(
			"echo $$ >%s/cgroup.procs && echo %d >/proc/self/oom_score_adj && exec %s -test.run='^TestHelperHog$'",
			g.dir,
			adj,
			os.Args[0],
		),
	)
	c.Env = append(os.Environ(), "KWHY_TEST_CHILD=hog", "KWHY_TEST_MIB="+strconv.Itoa(mib), "GOGC=off", "MALLOC_ARENA_MAX=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if wait {
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatalf("the child did not start: %v", err)
		}
	}
	return c
}

// TestHelperHog is no test: it is the child that takes memory.
func TestHelperHog(t *testing.T) {
	if os.Getenv("KWHY_TEST_CHILD") != "hog" {
		t.Skip("a child of the tests of memory cgroups")
	}
	mib, err := strconv.Atoi(os.Getenv("KWHY_TEST_MIB"))
	if err != nil {
		t.Fatal(err)
	}
	// Not from Go's heap, which the race detector shadows several times over.
	b, err := unix.Mmap(-1, 0, mib<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	fmt.Print("\n")
	time.Sleep(10 * time.Minute)
}

// A small cgroup: kwhy says beforehand who will be killed in it, though
// another has the higher oom_score; then it is, and the counters and the
// kernel's log say so.
func TestLiveMemcgKill(t *testing.T) {
	long(t, "it makes the kernel kill a process in a cgroup of its own")
	g := newMemcg(t, smallLimit)
	for range 5 {
		victim := g.foretoldKill(t)
		d := liveJSON(t, "oom", "--cgroup", g.path)
		if n, ok := d.Tables["cgroups"].Rows[0]["oom_kill"].(float64); ok && n < 1 {
			t.Errorf("oom_kill is %v after a kill", n)
		}
		if reported := g.inLog(t, victim); reported {
			return
		}
		time.Sleep(6 * time.Second) // ten reports in 5 s is the kernel's limit
	}
	t.Error("the kernel dropped the report five times")
}

const smallLimit = raceRoom * 64 << 20

// foretoldKill fills the cgroup until somebody dies, and returns who. It must be
// the one that kwhy named before.
func (g memcg) foretoldKill(t *testing.T) (victim string) {
	t.Helper()
	large, small := g.start(t, raceRoom*24, 0, true), g.start(t, 1, 100, true)
	one, two := strconv.Itoa(large.Process.Pid), strconv.Itoa(small.Process.Pid)
	a, _ := kernelScore(t, one)
	b, _ := kernelScore(t, two)
	if b <= a {
		t.Fatalf("the small one has %d, the large one %d: no trap to walk into", b, a)
	}
	d := liveJSON(t, "oom", "--cgroup", g.path)
	rows := d.Tables["processes"].Rows
	if len(rows) != 2 || pidOf(rows[0]) != one || pidOf(rows[1]) != two {
		t.Fatalf("ranked %v, want %s before %s", rows, one, two)
	}
	cg := d.Tables["cgroups"].Rows
	if len(cg) != 1 || cg[0]["path"] != g.path || cg[0]["victim_pid"].(float64) != float64(large.Process.Pid) ||
		cg[0]["highest_score_pid"].(float64) != float64(small.Process.Pid) ||
		cg[0]["limit"].(float64) != smallLimit {
		t.Fatalf("%v", cg)
	}
	task := liveJSON(t, "oom", two)
	if task.Values["limited_by"].Value != g.path || number(t, task, "rank_in_cgroup") != 2 {
		t.Errorf("limited by %v, rank %v", task.Values["limited_by"].Value, task.Values["rank_in_cgroup"].Value)
	}
	grown := g.start(t, 600, 0, false) // more than there is: somebody dies
	died := make(chan string, 2)
	for _, c := range []*exec.Cmd{large, grown} {
		go func() { _ = c.Wait(); died <- strconv.Itoa(c.Process.Pid) }()
	}
	select {
	case victim = <-died:
	case <-time.After(time.Minute):
		t.Fatal("nobody was killed in a minute")
	}
	for _, c := range []*exec.Cmd{grown, large, small} {
		_ = c.Process.Kill()
	}
	_ = small.Wait()
	<-died
	return victim
}

// inLog tells whether the kernel's log has the report of a kill, which must then
// say what is known of it.
func (g memcg) inLog(t *testing.T, victim string) bool {
	t.Helper()
	out, errs, status := live(t, "oom", "log", "-o", "json")
	if status != 0 {
		t.Skipf("the kernel's log is not to be read: %s", errs)
	}
	kills := readJSON(t, out).Tables["kills"].Rows
	for _, k := range slices.Backward(kills) {
		if fmt.Sprint(int(k["victim_pid"].(float64))) != victim {
			continue
		}
		if k["invoker_comm"] == nil {
			return false
		}
		if k["constraint"] != "memcg" || k["oom_memcg"] != g.path || k["memcg_limit"].(float64) != smallLimit || k["limit_hit"] != "memory" ||
			k["rank"] != float64(1) ||
			k["explained"] != true {
			t.Errorf("%v", k)
		}
		return true
	}
	t.Errorf("process %s was killed, and the log's kills are %v", victim, kills)
	return true
}

// Where there is no log device, as in a container, kwhy says what else to give it.
func TestLiveOOMLogWithoutADevice(t *testing.T) {
	root(t)
	c := exec.Command(
		"unshare",
		"--mount",
		"sh",
		"-c",
		`mount --make-rprivate / && mount -t tmpfs none /dev && exec "$0" oom log`,
		kwhyCommand(t),
	)
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(out), "kmsg") {
		t.Skipf("no mount namespace of its own: %v: %s", err, out)
	}
	want := "kwhy: read /dev/kmsg: no such file or directory (a container is given the device with --device /dev/kmsg; " +
		"or give it a log: journalctl -k | kwhy oom log -)\n"
	if string(out) != want || exit.ExitCode() != exitFailed {
		t.Errorf("status %d, %q", exit.ExitCode(), out)
	}
}
