package cmd

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// processRows are all processes with the named columns, by PID.
func processRows(t *testing.T, columns string) map[int]map[string]any {
	t.Helper()
	out := map[int]map[string]any{}
	for _, r := range liveJSON(t, "proc", "--limit", "0", "--columns", columns).Tables["processes"].Rows {
		out[int(r["pid"].(float64))] = r
	}
	return out
}

// settle waits until a process's own file says what the test has made it.
func settle(t *testing.T, pid int, file, want string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file)); err == nil && strings.Contains(string(b), want) {
			return
		}
	}
	t.Fatalf("/proc/%d/%s never said %q", pid, file, want)
}

// What children were made to do is what their rows say.
func TestLiveWhy(t *testing.T) {
	start := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(name, args...)
		hearing(t, c)
		return c
	}
	reads, naps, stops := start("cat"), start("sleep", "600"), start("sleep", "601")
	dead := start("true")
	settle(t, dead.Process.Pid, "stat", ") Z ")
	settle(t, reads.Process.Pid, "status", "State:\tS")
	settle(t, naps.Process.Pid, "status", "State:\tS")
	settle(t, stops.Process.Pid, "comm", "sleep")
	if err := stops.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	settle(t, stops.Process.Pid, "stat", ") T ")
	stop := "stopped by SIGSTOP"
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", stops.Process.Pid)); err != nil ||
		!strings.HasSuffix(strings.TrimSpace(string(b)), " 19") {
		stop = "stopped by a signal" // older kernels don't say by which
	}
	_, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", naps.Process.Pid))
	calls := err == nil // else it is not to be seen here
	rows := processRows(t, "pid,state,why,syscall")
	for _, c := range []struct {
		cmd   *exec.Cmd
		state string
		says  []string
	}{
		{reads, "S", []string{"sleeping in read", "data in a pipe"}},
		{naps, "S", []string{"nanosleep", "a timeout"}},
		{stops, "T", []string{stop}},
		{dead, "Z", []string{"ended", fmt.Sprintf("(%d)", os.Getpid())}},
	} {
		r := rows[c.cmd.Process.Pid]
		if r == nil || r["state"] != c.state {
			t.Errorf("%v: %v, want state %s", c.cmd.Args, r, c.state)
			continue
		}
		for _, s := range c.says {
			if why, _ := r["why"].(string); !strings.Contains(why, s) && (calls || c.state != "S") {
				t.Errorf("%v: %q does not say %q", c.cmd.Args, why, s)
			}
		}
	}
	if n := liveJSON(t, "proc").Values["zombies"].Value.(float64); n < 1 {
		t.Errorf("%v zombies, and there is one", n)
	}
	only := liveJSON(t, "proc", "--state", "T", "--limit", "0", "--name", "^sleep$").Tables["processes"].Rows
	if len(only) == 0 {
		t.Error("--state T shows none")
	}
	for _, r := range only {
		if r["state"] != "T" || r["comm"] != "sleep" {
			t.Errorf("the filters let through %v", r)
		}
	}
}

// A process that burns a CPU is first over an interval, with what it used.
func TestLiveCPU(t *testing.T) {
	c := exec.Command("sh", "-c", "while :; do :; done")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	for range 5 {
		d := liveJSON(t, "proc", "--interval", "500ms", "--limit", "0", "--columns", "pid,cpu,utime,stime")
		for _, r := range d.Tables["processes"].Rows {
			if int(r["pid"].(float64)) != c.Process.Pid {
				continue
			}
			cpu, rate := r["cpu"].(float64), r["utime_rate"].(float64)+r["stime_rate"].(float64)
			if cpu > 0.2 && cpu < 1.1 && rate > cpu-0.01 && rate < cpu+0.01 {
				return
			}
			t.Logf("cpu %v, utime and stime %v a second", cpu, rate)
		}
	}
	t.Error("the burning process never shows what it burns")
}

// The filters let through what they say, by another file's word.
func TestLiveFilters(t *testing.T) {
	root(t)
	c := child(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, "sleep", "600")
	settle(t, c.Process.Pid, "comm", "sleep")
	own, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	memory := ""
	for line := range strings.Lines(string(own)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if f[1] == "" && memory == "" || slices.Contains(strings.Split(f[1], ","), "memory") {
			memory = f[2]
		}
	}
	for _, args := range [][]string{{"--user", "65534"}, {"--user", "nobody"}, {"--cgroup", memory}} {
		found := false
		for _, r := range liveJSON(t, append([]string{"proc", "--limit", "0", "--columns", "pid,uid,cgroup"},
			args...)...).Tables["processes"].Rows {
			found = found || r["pid"] == float64(c.Process.Pid)
			if args[0] == "--user" && r["uid"] != float64(65534) {
				t.Errorf("%v lets through %v", args, r)
			}
			if at := fmt.Sprint(r["cgroup"]); args[0] == "--cgroup" && memory != "/" && at != memory && !strings.HasPrefix(at, memory+"/") {
				t.Errorf("%v lets through %v", args, r)
			}
		}
		if !found {
			t.Errorf("%v does not let through the child", args)
		}
	}
	for _, r := range liveJSON(t, "proc", "--limit", "0", "--user", "65533").Tables["processes"].Rows {
		t.Errorf("a user without processes has %v", r)
	}
}

// A row of one that can open no more files is critical, as its own report is.
func TestLiveFullRow(t *testing.T) {
	c := child(t, nil, "sleep", "600")
	settle(t, c.Process.Pid, "status", "State:\tS")
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	most := uint64(0) // the lowest number that is free: it may have inherited others
	for slices.ContainsFunc(open, func(e os.DirEntry) bool { return e.Name() == strconv.FormatUint(most, 10) }) {
		most++
	}
	if err := unix.Prlimit(c.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
		t.Skip(err)
	}
	d := liveJSON(t, "proc", "--limit", "0")
	for _, r := range d.Tables["processes"].Rows {
		if r["pid"] == float64(c.Process.Pid) &&
			(r["level"] != "critical" || !strings.Contains(fmt.Sprint(r["why"]), "of the descriptors that it may have open")) {
			t.Errorf("%v", r)
		}
	}
	d = liveJSON(t, "fd", "--limit", "1") // which counts all, and so finds it
	if !slices.ContainsFunc(d.Findings, func(f documentFinding) bool {
		return f.ID == "fd.process_near" && f.Level == "critical" && strings.Contains(f.Message, fmt.Sprintf("(%d)", c.Process.Pid))
	}) {
		t.Errorf("findings %v", d.Findings)
	}
	for _, r := range rungs(ofProcess(t, c), "open files", "rlimit") {
		if r["limit"] != float64(most) || r["level"] != "critical" || r["first"] != true {
			t.Errorf("%v", r)
		}
	}
}

// What runs by the clock of real time shows by which policy and priority.
func TestLivePolicyColumn(t *testing.T) {
	path, err := exec.LookPath("chrt")
	if err != nil {
		t.Skip(err)
	}
	fifo := child(t, nil, path, "-f", "7", "sleep", "600")
	batch := child(t, nil, path, "-b", "0", "nice", "-n", "5", "sleep", "600")
	for _, c := range []*exec.Cmd{fifo, batch} {
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", c.Process.Pid)); err == nil && string(b) == "sleep\n" {
				break
			} else if err != nil || time.Now().After(deadline) {
				t.Skipf("chrt does not come to run sleep here: %v", err)
			}
		}
	}
	rows := processRows(t, "pid,turn,nice,policy")
	for c, want := range map[*exec.Cmd]string{fifo: "FIFO 7", batch: "BATCH 5"} {
		if r := rows[c.Process.Pid]; r == nil {
			t.Skip("chrt is not permitted here")
		} else if r["turn"] != want {
			t.Errorf("%v, want %s", r, want)
		}
	}
}

// Rates can be asked for, alone and to sort by, and their headings leave room.
func TestLiveRateColumns(t *testing.T) {
	c := child(t, nil, "sh", "-c", "while :; do :; done")
	for range 5 {
		rows := liveJSON(t, "proc", "--interval", "300ms", "--limit", "0", "--columns", "pid,utime_rate", "--sort",
			"utime_rate").Tables["processes"].Rows
		for i, r := range rows {
			next := math.Inf(1)
			if i > 0 && rows[i-1]["utime_rate"] != nil && r["utime_rate"] != nil {
				next = rows[i-1]["utime_rate"].(float64)
			}
			if v, ok := r["utime_rate"].(float64); ok && v > next {
				t.Errorf("%v comes behind %v", r, rows[i-1])
			}
		}
		if i := slices.IndexFunc(rows, func(r map[string]any) bool { return r["pid"] == float64(c.Process.Pid) }); i >= 0 && i < 8 {
			out, _, status := live(
				t,
				"proc",
				"--interval",
				"20ms",
				"--limit",
				"5",
				"--width",
				"160",
				"--columns",
				"pid,voluntary_ctxt_switches,nonvoluntary_ctxt_switches,minflt,majflt,utime,stime,comm",
			)
			for line := range strings.Lines(out) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); status != exitOK || n > 160 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			return
		}
	}
	t.Error("what burns a CPU is not among the first by utime_rate")
}

// items are the texts of a list value.
func items(v any) (out []string) {
	list, _ := v.([]any)
	for _, x := range list {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

// What the kernel shows of this test's own process by other ways.
func TestLiveProcess(t *testing.T) {
	d := liveJSON(t, "proc", strconv.Itoa(os.Getpid()))
	exe, _ := os.Executable()
	cwd, _ := os.Getwd()
	ids := []string{strconv.Itoa(os.Getuid()), strconv.Itoa(os.Geteuid())}
	for key, want := range map[string]any{"exe": exe, "cwd": cwd, "ppid": float64(os.Getppid()), "pgrp": float64(syscall.Getpgrp())} {
		if got := d.Values[key].Value; got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	if got := items(d.Values["uid"].Value); len(got) != 4 || got[0] != ids[0] || got[1] != ids[1] {
		t.Errorf("uid %v, want %v", got, ids)
	}
	if got := items(d.Values["cmdline"].Value); !slices.Equal(got, os.Args) {
		t.Errorf("command line %q, want %q", got, os.Args)
	}
	for _, r := range d.Tables["namespaces"].Rows {
		name := r["name"].(string)
		link, err := os.Readlink("/proc/self/ns/" + name)
		if err != nil || !strings.HasSuffix(link, fmt.Sprintf(":[%s]", r["inode_str"])) {
			t.Errorf("namespace %s is %v, the link says %q, %v", name, r["inode_str"], link, err)
		}
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	for _, r := range d.Tables["rlimits"].Rows {
		if r["name"] == "open files" && r["soft"] != float64(files.Cur) {
			t.Errorf("open files %v, getrlimit says %d", r["soft"], files.Cur)
		}
	}
}

// Children that were made to differ in one thing each.
func TestLiveProcessCases(t *testing.T) {
	run := func(name string, args ...string) string {
		t.Helper()
		c := exec.Command(name, args...)
		c.Dir = "/"
		if err := c.Start(); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		return strconv.Itoa(c.Process.Pid)
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }

	deaf := run("sh", "-c", "trap '' HUP USR2; umask 027; exec sleep 600")
	settle(t, number(deaf), "comm", "sleep")
	d := liveJSON(t, "proc", deaf)
	if got := items(d.Values["sig_ign"].Value); !slices.Contains(got, "SIGHUP") || !slices.Contains(got, "SIGUSR2") ||
		slices.Contains(got, "SIGTERM") {
		t.Errorf("ignored: %v", got)
	}
	if d.Values["umask"].Value != "0027" || d.Values["cwd"].Value != "/" || d.Values["ppid"].Value != float64(os.Getpid()) {
		t.Errorf("umask %v, cwd %v, parent %v", d.Values["umask"].Value, d.Values["cwd"].Value, d.Values["ppid"].Value)
	}

	path, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	gone := t.TempDir() + "/kwhy-test-gone"
	if err := os.WriteFile(gone, b, 0o755); err != nil {
		t.Fatal(err)
	}
	pid := run(gone, "600")
	settle(t, number(pid), "status", "State:\tS")
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	d = liveJSON(t, "proc", pid)
	if v := d.Values["exe"]; v.Value != gone+" (deleted)" || !strings.Contains(v.Reading, "The file was deleted: ") {
		t.Errorf("%v, %q", v.Value, v.Reading)
	}
	if err := os.WriteFile(gone, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if v := liveJSON(t, "proc", pid).Values["exe"]; !strings.Contains(v.Reading, "The file was replaced by another of that name: ") {
		t.Errorf("%v, %q", v.Value, v.Reading)
	}
	// By its name, which is its alone.
	if byName := liveJSON(t, "proc", "kwhy-test-gone"); byName.Subject == nil || int(byName.Subject.PID) != number(pid) {
		t.Errorf("by name: %+v", byName.Subject)
	}

	apart := exec.Command("sleep", "600")
	apart.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUTS}
	if err := apart.Start(); err != nil {
		t.Skipf("no namespace can be made here: %v", err)
	}
	defer func() { _ = apart.Process.Kill(); _ = apart.Wait() }()
	d = liveJSON(t, "proc", strconv.Itoa(apart.Process.Pid))
	if v := d.Values["container"]; v.Value != nil && (v.Value != float64(1) || !strings.Contains(v.Reading, "uts")) {
		t.Errorf("apart in %v: %q", v.Value, v.Reading)
	}
}

func TestLiveProcErrors(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"no such process": {[]string{"proc", "2147483600"}, exitFailed, "process 2147483600: no such process"},
		"no such name":    {[]string{"proc", "no-such-name"}, exitFailed, "no process is called \"no-such-name\""},
		"no such column":  {[]string{"proc", "--columns", "pid,nope"}, exitUsage, "no column \"nope\""},
		"no such state":   {[]string{"proc", "--state", "Q"}, exitUsage, "--state"},
		"tree and sort":   {[]string{"proc", "--tree", "--sort", "cpu"}, exitUsage, "--tree"},
		"table and PID":   {[]string{"proc", "1", "--limit", "3"}, exitUsage, "--limit"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := live(t, c.args...)
			if status != c.status || !strings.Contains(errs, c.want) || out != "" || strings.Count(errs, "\n") != 1 {
				t.Errorf("status %d, stdout %q, stderr %q; want %d and %q", status, out, errs, c.status, c.want)
			}
		})
	}
}

// A row for each thread that /proc lists of this test's own process.
func TestLiveThreads(t *testing.T) {
	for try := range 20 {
		before, err1 := os.ReadDir("/proc/self/task")
		d := liveJSON(t, "proc", "--threads", "--limit", "0", "--columns", "tid,comm")
		after, err2 := os.ReadDir("/proc/self/task")
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		got := 0
		tids := map[string]bool{}
		for _, e := range after {
			tids[e.Name()] = true
		}
		for _, r := range d.Tables["threads"].Rows {
			tid, ok := r["tid"].(float64)
			if !ok {
				t.Errorf("a row without a number: %v; gaps %+v", r, d.Gaps)
			}
			if tids[strconv.Itoa(int(tid))] {
				got++
			}
		}
		if len(before) == len(after) && got == len(after) {
			return
		}
		t.Logf("try %d: %d rows, %d threads before and %d after", try, got, len(before), len(after))
	}
	t.Error("the threads of this process are never all there")
}

// The ladder has the limit of a cgroup that the test made, and what is used of it.
func TestLiveLadder(t *testing.T) {
	const limit = 200 << 20
	g := newMemcg(t, limit)
	child := g.start(t, 30, 0, true)
	d := liveJSON(t, "proc", strconv.Itoa(child.Process.Pid))
	var rlimit, host, cgroup bool
	for _, r := range d.Tables["limits"].Rows {
		if r["resource"] != "memory" {
			continue
		}
		switch r["step"] {
		case "rlimit":
			rlimit = true
		case "host":
			host = r["limit"] == number(t, liveJSON(t, "mem"), "mem_total")
		case "cgroup":
			if r["where"] == g.path {
				used, _ := r["used"].(float64)
				cgroup = r["limit"] == float64(limit) && used >= 30<<20 && used <= limit && r["first"] == true
				if !cgroup {
					t.Errorf("%v", r)
				}
			}
		}
	}
	if !rlimit || !host || !cgroup {
		t.Errorf("own %v, cgroup's %v, host's %v", rlimit, cgroup, host)
	}
}
