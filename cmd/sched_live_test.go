package cmd

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// busy starts a child of one thread that computes, on one CPU, with a nice value.
func busy(t *testing.T, cpu, nice int, ownSession bool) int {
	t.Helper()
	c := exec.Command("sh", "-c", "while :; do :; done")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: ownSession}
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(c.Process.Pid, &set); err != nil {
		t.Skipf("pinning: %v", err)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, c.Process.Pid, nice); err != nil {
		t.Skipf("nice %d: %v", nice, err)
	}
	return c.Process.Pid
}

// onCPU is how long a process of one thread has been on a CPU, by its schedstat.
func onCPU(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		t.Skip(err)
	}
	ns, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ns)
}

// lastCPU is one that this test may use.
func lastCPU(t *testing.T) int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Skip(err)
	}
	last := 0
	for i := range 1024 {
		if set.IsSet(i) {
			last = i
		}
	}
	return last
}

// Children of every policy are told apart, with their parameters.
func TestLivePolicies(t *testing.T) {
	for name, c := range map[string]struct {
		attr   unix.SchedAttr
		values map[string]any
	}{
		"SCHED_FIFO":  {unix.SchedAttr{Policy: 1, Priority: 10}, map[string]any{"rt_priority": 10.}},
		"SCHED_RR":    {unix.SchedAttr{Policy: 2, Priority: 20}, map[string]any{"rt_priority": 20.}},
		"SCHED_BATCH": {unix.SchedAttr{Policy: 3, Nice: 7}, map[string]any{"nice": 7., "weight": 215.}},
		"SCHED_IDLE":  {unix.SchedAttr{Policy: 5}, map[string]any{"weight": 3.}},
		"SCHED_DEADLINE": {unix.SchedAttr{Policy: 6, Runtime: 1e6, Deadline: 5e6, Period: 10e6},
			map[string]any{"dl_runtime": 0.001, "dl_deadline": 0.005, "dl_period": 0.01}},
		"SCHED_OTHER": {unix.SchedAttr{Policy: 0, Nice: 3}, map[string]any{"nice": 3., "weight": 526.}},
	} {
		t.Run(name, func(t *testing.T) {
			child := exec.Command("sleep", "600")
			if err := child.Start(); err != nil {
				t.Skip(err)
			}
			defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
			settle(t, child.Process.Pid, "status", "State:\tS")
			c.attr.Size = unix.SizeofSchedAttr
			if err := unix.SchedSetAttr(child.Process.Pid, &c.attr, 0); err != nil {
				t.Skipf("%s is not to be had here: %v", name, err)
			}
			d := liveJSON(t, "sched", strconv.Itoa(child.Process.Pid))
			if got := d.Values["policy"].Value; got != name {
				t.Errorf("policy %v", got)
			}
			for key, want := range c.values {
				if got := d.Values[key].Value; got != want {
					t.Errorf("%s is %v, want %v", key, got, want)
				}
			}
			before := name == "SCHED_FIFO" || name == "SCHED_RR" || name == "SCHED_DEADLINE"
			for _, key := range []string{"weight", "cpu_share", "sched_group", "se_vruntime", "se_avg_util_avg"} {
				if d.Values[key].Value != nil && before {
					t.Errorf("%s is %v, and of such a task the kernel does not keep it", key, d.Values[key].Value)
				}
			}
			listed := false
			for _, r := range liveJSON(t, "sched").Tables["realtime"].Rows {
				if r["pid"] == float64(child.Process.Pid) {
					why, _ := r["why"].(string)
					listed = r["policy"] == name &&
						(r["dl_period"] == nil || r["dl_period"] == c.values["dl_period"] && strings.Contains(why,
							"gets 1 ms of each 10 ms, 10 % of a CPU") && strings.Contains(why, "within 5 ms"))
				}
			}
			if listed != before {
				t.Errorf("among those before all others: %v", listed)
			}
			for _, r := range liveJSON(t, "sched", "--limit", "0", "--columns", "pid,policy,weight,nice,rt_priority").Tables["processes"].Rows {
				if r["pid"] == float64(child.Process.Pid) && r["policy"] != name {
					t.Errorf("%v", r)
				}
			}
		})
	}
}

// cpuGroup makes a cgroup that may use a fifth of a CPU.
func cpuGroup(t *testing.T) (dir string) {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"} {
		d := filepath.Join(root, fmt.Sprintf("kwhy-test-%d", os.Getpid()))
		if os.Mkdir(d, 0o755) != nil {
			continue
		}
		if os.WriteFile(d+"/cpu.max", []byte("20000 100000"), 0o644) == nil ||
			os.WriteFile(d+"/cpu.cfs_quota_us", []byte("20000"), 0o644) == nil {
			dir = d
			break
		}
		_ = os.Remove(d)
	}
	if dir == "" {
		t.Skip("no cgroup with a bound on CPU time can be made here")
	}
	t.Cleanup(func() {
		for range 250 {
			if os.Remove(dir) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%s is left behind", dir)
	})
	return dir
}

// cpuStat reads a number of cpu.stat.
func cpuStat(t *testing.T, dir, name string) float64 {
	t.Helper()
	b, err := os.ReadFile(dir + "/cpu.stat")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			n, _ := strconv.ParseFloat(f[1], 64)
			return n
		}
	}
	t.Fatalf("no %s in %s", name, dir)
	return 0
}

// stopped is how long the kernel says that a cgroup's CPUs were stopped.
func stopped(t *testing.T, dir string) float64 {
	t.Helper()
	if b, _ := os.ReadFile(dir + "/cpu.stat"); strings.Contains(string(b), "throttled_usec") {
		return cpuStat(t, dir, "throttled_usec") / 1e6
	}
	return cpuStat(t, dir, "throttled_time") / 1e9
}

// A child that may have a fifth of a CPU and wants one: what kwhy says of it lies
// between what the kernel counts before and after, of all time and of an interval.
func TestLiveThrottledGroup(t *testing.T) {
	long(t, "it waits for the scheduler")
	dir := cpuGroup(t)
	c := exec.Command("sh", "-c", "echo $$ >"+dir+"/cgroup.procs && while :; do :; done")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	pid := strconv.Itoa(c.Process.Pid)
	settle(t, c.Process.Pid, "cgroup", filepath.Base(dir))
	for range 200 {
		if cpuStat(t, dir, "nr_throttled") > 3 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	before, stoppedBefore := cpuStat(t, dir, "nr_throttled"), stopped(t, dir)
	d := liveJSON(t, "sched", pid)
	if q := d.Values["cpu_quota"]; q.Value != 0.2 || !strings.Contains(q.Reading, filepath.Base(dir)) {
		t.Errorf("%v, %q", q.Value, q.Reading)
	}
	says := d.Values["cpu_throttled"].Reading
	n, err := strconv.ParseFloat(strings.ReplaceAll(strings.Fields(says + " x")[0], ",", ""), 64)
	if after := cpuStat(t, dir, "nr_throttled"); err != nil || n < before || n > after || before <= 3 {
		t.Errorf("%q, and the kernel counted %v, then %v", says, before, after)
	}
	if f, after := number(t, d, "cpu_throttled_time"), stopped(t, dir); f < stoppedBefore || f > after || f <= 0 {
		t.Errorf("stopped for %v s, the kernel says %v, then %v", f, stoppedBefore, after)
	}
	rule := ""
	for _, f := range d.Findings {
		if f.ID == "sched.task_throttled" {
			rule = f.Level
		}
	}
	if rule != "notice" {
		t.Errorf("what was since the cgroup was made raises %q", rule)
	}
	notHeld(t, dir)
	throttledInterval(t, dir, pid)
}

// notHeld looks at a real-time task of a cgroup that is throttled: the quota does not hold it.
func notHeld(t *testing.T, dir string) {
	t.Helper()
	c := exec.Command("chrt", "-f", "1", "sleep", "600")
	if err := c.Start(); err != nil {
		return // no chrt
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	pid := strconv.Itoa(c.Process.Pid)
	settle(t, c.Process.Pid, "comm", "sleep")
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(pid), 0o644); err != nil {
		t.Logf("a real-time task may not be in this cgroup: %v", err) // with CONFIG_RT_GROUP_SCHED it has no time there
		return
	}
	d := liveJSON(t, "sched", pid)
	if says := d.Values["cpu_quota"].Reading; !strings.Contains(says, "for its fair tasks: this one is none") {
		t.Errorf("of a real-time task: %q", says)
	}
	for _, f := range d.Findings {
		if f.ID == "sched.task_throttled" {
			t.Errorf("of a real-time task: %s", f.Message)
		}
	}
}

// throttledInterval compares what the host's report says of a cgroup over an
// interval with the kernel's counters around it.
func throttledInterval(t *testing.T, dir, pid string) {
	t.Helper()
	at := [...]float64{cpuStat(t, dir, "nr_periods"), cpuStat(t, dir, "nr_throttled"), stopped(t, dir)}
	d := liveJSON(t, "sched", "--interval", "1s")
	then := [...]float64{cpuStat(t, dir, "nr_periods"), cpuStat(t, dir, "nr_throttled"), stopped(t, dir)}
	for _, r := range d.Tables["cpu_cgroups"].Rows {
		if path, _ := r["cgroup"].(string); filepath.Base(path) != filepath.Base(dir) {
			continue
		}
		if r["quota"] != 0.2 {
			t.Errorf("%v", r)
		}
		for i, key := range []string{"nr_periods", "nr_throttled", "throttled_time"} {
			value, _ := r[key].(float64)
			rate, ok := r[key+"_rate"].(float64)
			if value < at[i] || value > then[i] || !ok || rate <= 0 || rate > then[i]-at[i] {
				t.Errorf("%s is %v and grew by %v in 1 s; the kernel counted %v, then %v", key, value, rate, at[i], then[i])
			}
		}
		periods, throttled := r["nr_periods_rate"].(float64), r["nr_throttled_rate"].(float64)
		if share, _ := r["throttled_share"].(float64); share < throttled/periods-1e-9 || share > throttled/periods+1e-9 {
			t.Errorf("stopped in %v of the periods, and %v of %v in a second were", share, throttled, periods)
		}
		return
	}
	t.Errorf("the cgroup of %s is not listed", pid)
}

func TestLiveAffinity(t *testing.T) {
	cpu := lastCPU(t)
	pid := strconv.Itoa(busy(t, cpu, 19, false))
	d := liveJSON(t, "sched", pid)
	v := d.Values["cpus_allowed_list"]
	if v.Value != strconv.Itoa(cpu) {
		t.Errorf("allowed %v, pinned to %d", v.Value, cpu)
	}
	if cpu > 0 && !strings.Contains(v.Reading, "Not all") {
		t.Errorf("%q", v.Reading)
	}
	if on := number(t, liveJSON(t, "sched", pid), "processor"); on != float64(cpu) {
		t.Errorf("it ran on %v", on)
	}
}

// Of two children one ran before the interval and one in it: the row that comes up
// has rates all the same, and nothing is called unread.
func TestLiveIntervalRates(t *testing.T) {
	long(t, "it waits for intervals")
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	start := func(name, script string) int {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, shell, 0o755); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(path, "-c", script)
		hearing(t, c)
		return c.Process.Pid
	}
	first := start("kwhyrate-first", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; read x")
	settle(t, first, "status", "State:\tS")
	pid := start("kwhyrate-then", "sleep 1; while :; do :; done")
	settle(t, pid, "status", "State:\tS")
	out, errs, status := live(t, "sched", "--interval", "3s", "--name", "^kwhyrate-", "--limit", "1", "--width", "200")
	if status != 0 || errs != "" || strings.Contains(out, "unread") {
		t.Errorf("status %d, %q, %s", status, errs, out)
	}
	line := regexp.MustCompile(fmt.Sprintf(`(?m)^ *%d .*kwhyrate-then.*$`, pid)).FindString(out)
	if line == "" || strings.Contains(line, "new") {
		t.Errorf("the child that began to compute meanwhile: %q in\n%s", line, out)
	}
}

// A thread in D is named.
func TestLiveBlockedIsNamed(t *testing.T) {
	dir, thaw := frozen(t)
	c, tid := helper(t, "Vfork", "KWHY_TEST_CGROUP="+dir)
	defer thaw()
	settle(t, c.Process.Pid, "task/"+tid+"/status", "State:\tD")
	d := liveJSON(t, "sched")
	found := false
	for _, r := range d.Tables["blocked"].Rows {
		found = found || fmt.Sprint(r["tid"]) == tid && r["pid"] == float64(c.Process.Pid) && r["comm"] != ""
	}
	if !found || number(t, d, "uninterruptible") < 1 {
		t.Errorf("thread %s in D is not among %v", tid, d.Tables["blocked"].Rows)
	}
}

// Three children that never wait are in the load averages' last update: at least
// they are counted, and no more than there are threads.
func TestLiveLoad(t *testing.T) {
	long(t, "it waits for the load average")
	cpu := lastCPU(t)
	for range 3 {
		busy(t, cpu, 19, false)
	}
	for range 3 { // an update every 5.004 s or so; NOHZ may put one off
		d := liveJSON(t, "sched", "--interval", "6s", "--limit", "1")
		v := d.Values["load_active"]
		if absent(v) != "" {
			t.Logf("absent: %s", absent(v))
			continue
		}
		n, threads := v.Value.(float64), 0.
		for _, r := range liveJSON(t, "proc", "--limit", "0", "--columns", "threads").Tables["processes"].Rows {
			threads += r["threads"].(float64)
		}
		if n < 3 || n > threads {
			t.Errorf("%v active, with three that never wait and %v threads", n, threads)
		}
		if v.Derivation == nil || v.Derivation.Exact == nil || !*v.Derivation.Exact {
			t.Errorf("the update does not follow from it: %+v", v.Derivation)
		}
		return
	}
	t.Error("no update was seen")
}

// What a row says of time is what the kernel's own file says, of a child that
// sleeps.
func TestLiveSchedRow(t *testing.T) {
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	settle(t, child.Process.Pid, "status", "State:\tS")
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", child.Process.Pid))
	if err != nil {
		t.Skip(err)
	}
	f := strings.Fields(string(b))
	for _, r := range liveJSON(t, "sched", "--limit", "0", "--columns", "pid,run_time,wait_time,timeslices").Tables["processes"].Rows {
		if r["pid"] != float64(child.Process.Pid) {
			continue
		}
		for i, key := range []string{"run_time", "wait_time", "timeslices"} {
			want, _ := strconv.ParseFloat(f[i], 64)
			if i < 2 {
				want /= 1e9
			}
			if got := r[key].(float64); got < want-1e-9 || got > want+1e-9 {
				t.Errorf("%s is %v, the kernel says %v", key, got, want)
			}
		}
		return
	}
	t.Error("the child is not listed")
}

// A process of many threads, as this one is, has run as long as all of them have,
// and one of its threads as long as that one.
func TestLiveSchedThreads(t *testing.T) {
	all := func(of string) (sum time.Duration, threads int) {
		files, _ := filepath.Glob("/proc/self/task/" + of + "/schedstat")
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Skip(err)
			}
			ns, _ := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
			sum += time.Duration(ns)
		}
		return sum, len(files)
	}
	pid := strconv.Itoa(os.Getpid())
	before, threads := all("*")
	if threads < 2 {
		t.Skip("one thread")
	}
	d := liveJSON(t, "sched", pid, "--threads")
	after, _ := all("*")
	if got := number(t, d, "run_time"); got < before.Seconds()-0.001 || got > after.Seconds()+0.001 {
		t.Errorf("it ran %v s, by its threads' clocks %v before and %v after", got, before, after)
	}
	if n := len(d.Tables["threads"].Rows); n < threads {
		t.Errorf("%d threads, and there are %d", n, threads)
	}
	sum := 0.
	for _, r := range d.Tables["threads"].Rows {
		sum += r["run_time"].(float64)
	}
	if got := number(t, d, "run_time"); math.Abs(got-sum) > 1e-6 {
		t.Errorf("it ran %v s, its threads %v", got, sum)
	}
}

func TestLiveSchedErrors(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"no such process": {[]string{"sched", "2147483600"}, exitFailed, "2147483600: no such process"},
		"no such column":  {[]string{"sched", "--columns", "pid,nope"}, exitUsage, "no column \"nope\""},
		"threads of all":  {[]string{"sched", "--threads"}, exitUsage, "--threads"},
		"table and PID":   {[]string{"sched", "1", "--limit", "3"}, exitUsage, "--limit"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := live(t, c.args...)
			if status != c.status || !strings.Contains(errs, c.want) || out != "" || strings.Count(errs, "\n") != 1 {
				t.Errorf("status %d, stdout %q, stderr %q; want %d and %q", status, out, errs, c.status, c.want)
			}
		})
	}
}
