package cmd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
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
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// helper starts this test binary as the child that role says, and returns it with
// the first line that it prints.
func helper(t *testing.T, role string, env ...string) (*exec.Cmd, string) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestHelper"+role+"$")
	c.Env = append(append(os.Environ(), "KWHY_TEST_CHILD="+role, "GORACE=atexit_sleep_ms=0"), env...)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Skipf("the child can't be started: %v", err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child %s says %q: %v", role, line, err)
	}
	return c, strings.TrimSpace(line)
}

// absent says why a value is not there; "" where it is.
func absent(v documentValue) string {
	if v.Absent == nil {
		return ""
	}
	return v.Absent.Reason
}

// inRole skips a helper that nobody started as a child.
func inRole(t *testing.T, role string) {
	if os.Getenv("KWHY_TEST_CHILD") != role {
		t.Skip("only the child of another test runs this")
	}
}

func TestLiveTraced(t *testing.T) {
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	if err := syscall.PtraceAttach(c.Process.Pid); err != nil {
		t.Skipf("ptrace is not to be had here: %v", err)
	}
	settle(t, c.Process.Pid, "stat", ") t ")
	r := processRows(t, "pid,state,why")[c.Process.Pid]
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("stopped by its tracer %s (%d)", bytes.TrimSpace(comm), os.Getpid()); r["state"] != "t" ||
		!strings.HasPrefix(fmt.Sprint(r["why"]), want) {
		t.Errorf("%v, want %q", r, want)
	}
}

// TestHelperVfork is no test: it is a child that starts one of its own into a
// frozen cgroup, and so waits for it in vfork where no signal reaches it.
func TestHelperVfork(t *testing.T) {
	inRole(t, "Vfork")
	dir, err := os.Open(os.Getenv("KWHY_TEST_CGROUP"))
	if err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	fmt.Println(unix.Gettid())
	pid, err := syscall.ForkExec(
		path,
		[]string{path},
		&syscall.ProcAttr{Sys: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}},
	)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = syscall.Wait4(pid, nil, 0, nil)
}

// frozen makes a frozen cgroup of version 2; thaw lets go what is in it.
func frozen(t *testing.T) (dir string, thaw func()) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			dir = filepath.Join(f[1], fmt.Sprintf("kwhy-test-%d", os.Getpid()))
		}
	}
	if dir == "" {
		t.Skip("no cgroup file system of version 2 is mounted here")
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no cgroup can be made here: %v", err)
	}
	thaw = func() { _ = os.WriteFile(filepath.Join(dir, "cgroup.freeze"), []byte("0"), 0o644) }
	t.Cleanup(func() {
		thaw()
		for range 250 {
			if os.Remove(dir) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%s is left behind", dir)
	})
	if err := os.WriteFile(filepath.Join(dir, "cgroup.freeze"), []byte("1"), 0o644); err != nil {
		t.Skipf("cgroup.freeze, since 5.2: %v", err)
	}
	return dir, thaw
}

// A thread that waits in vfork for a frozen child is in D, and the child frozen. Of
// signals SIGKILL ends that wait, as the test sees, and kwhy says no less and no more.
func TestLiveUninterruptible(t *testing.T) {
	dir, thaw := frozen(t)
	c, tid := helper(t, "Vfork", "KWHY_TEST_CGROUP="+dir)
	defer thaw() // before the child is waited for
	settle(t, c.Process.Pid, "task/"+tid+"/status", "State:\tD")
	d := liveJSON(t, "proc", "--threads", "--limit", "0", "--state", "D", "--columns", "pid,tid,state,why,syscall")
	found := false
	for _, r := range d.Tables["threads"].Rows {
		if fmt.Sprint(r["tid"]) != tid {
			continue
		}
		found = true
		why := fmt.Sprint(r["why"])
		if strings.Contains(why, "no signal reaches") || !strings.Contains(why, "SIGKILL") ||
			r["syscall"] != nil && (!strings.Contains(why, "vfork") || !strings.Contains(why, "only a fatal signal such as SIGKILL ends that")) {
			t.Errorf("%v", r)
		}
	}
	if !found {
		t.Errorf("thread %s is not among those in D: %v", tid, d.Tables["threads"].Rows)
	}
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	pid, err2 := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	if r := processRows(t, "pid,why,wchan")[pid]; r["wchan"] != nil && !strings.Contains(fmt.Sprint(r["why"]), "frozen") {
		t.Errorf("the frozen child: %v", r)
	}
	if s := liveJSON(t, "proc", strconv.Itoa(pid)).Values["origin"].Reading; !strings.Contains(s, "in its parent's memory") {
		t.Errorf("the child of vfork: %q", s)
	}
	for _, one := range []int{pid, c.Process.Pid} { // one memory, of which neither's end frees anything
		freed := liveJSON(t, "mem", strconv.Itoa(one)).Values["freed_on_exit"]
		if freed.Value != nil && (freed.Value != 0. || !strings.Contains(freed.Reading, "in the same memory")) {
			t.Errorf("%d: freed on exit %v: %q", one, freed.Value, freed.Reading)
		}
	}
	n, _ := strconv.Atoi(tid)
	if err := unix.Tgkill(c.Process.Pid, n, unix.SIGURG); err != nil { // which Go catches
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	if !inState(c.Process.Pid, "task/"+tid+"/stat", 'D') {
		t.Error("SIGURG ended the wait")
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	settle(t, c.Process.Pid, "stat", ") Z ") // and the child is frozen still
}

// inState tells whether a task is in a state now.
func inState(pid int, file string, letter byte) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	i := bytes.LastIndexByte(b, ')')
	return err == nil && i > 0 && len(b) > i+2 && b[i+2] == letter
}

// A name that could pass for the rest of the file, the screen or another text.
func TestLiveHostileName(t *testing.T) {
	path, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const name = "a) R 1\n\x1b[31m\xff" // 14 bytes
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, b, 0o755); err != nil {
		t.Skipf("the file system does not take the name: %v", err)
	}
	c := exec.Command(file, "600")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	settle(t, c.Process.Pid, "status", "State:\tS")
	r := processRows(t, "pid,comm,ppid,state,threads")[c.Process.Pid]
	if comm, _ := r["comm"].(string); comm != "a) R 1\n\x1b[31m\\xff" || !utf8.ValidString(comm) || r["ppid"] != float64(os.Getpid()) ||
		r["state"] != "S" ||
		r["threads"] != float64(1) {
		t.Errorf("%v", r)
	}
	for _, args := range [][]string{{"proc", "--limit", "0"}, {"proc", strconv.Itoa(c.Process.Pid)}, {"proc", "--tree"},
		{"proc", "--threads", "--limit", "0"}} {
		out, errs, status := live(t, args...)
		if status != exitOK || strings.Contains(out+errs, "\x1b") || !utf8.ValidString(out) || !strings.Contains(out, "a) R 1\\n") {
			t.Errorf("%v: status %d, %q", args, status, errs)
		}
	}
}

// 128 KiB of one argument.
func TestLiveLongCommandLine(t *testing.T) {
	long := strings.Repeat("x", 128<<10-2) // MAX_ARG_STRLEN, its end counted, less one
	c := exec.Command("sh", "-c", "read x", "sh", long)
	hearing(t, c)
	settle(t, c.Process.Pid, "cmdline", "read x")
	d := liveJSON(t, "proc", strconv.Itoa(c.Process.Pid))
	args := items(d.Values["cmdline"].Value)
	if len(args) < 5 || args[1] != "-c" || len(strings.Join(args, " ")) < 128<<10-16 {
		t.Errorf("%d arguments of %d bytes", len(args), len(strings.Join(args, " ")))
	}
	out, errs, status := live(t, "proc", "--limit", "0", "--columns", "pid,command")
	if status != exitOK || !strings.Contains(out, strings.Repeat("x", 20)) || len(out) > 64<<10 ||
		slices.ContainsFunc(strings.Split(out, "\n"), func(s string) bool { return utf8.RuneCountInString(s) > 80 }) {
		t.Errorf("status %d, %d bytes, %s", status, len(out), errs)
	}
	out, errs, status = live(t, "proc", strconv.Itoa(c.Process.Pid))
	if status != exitOK || len(out) > 32<<10 || !strings.Contains(out, " bytes in all; -o json has them") {
		t.Errorf("the report: status %d, %d bytes, %s", status, len(out), errs)
	}
}

// TestHelperThreads is no test: it is a child of a thousand threads.
func TestHelperThreads(t *testing.T) {
	inRole(t, "Threads")
	ready := make(chan bool)
	for range 1000 {
		go func() {
			runtime.LockOSThread()
			ready <- true
			for {
				_ = unix.Nanosleep(&unix.Timespec{Sec: 600}, nil)
			}
		}()
	}
	for range 1000 {
		<-ready
	}
	fmt.Println("ready")
	time.Sleep(10 * time.Minute)
}

func TestLiveThousandThreads(t *testing.T) {
	c, _ := helper(t, "Threads")
	pid := strconv.Itoa(c.Process.Pid)
	tasks, err := os.ReadDir("/proc/" + pid + "/task")
	if err != nil {
		t.Fatal(err)
	}
	if d := liveJSON(t, "proc", pid); number(t, d, "threads") < 1000 {
		t.Errorf("%v threads", d.Values["threads"].Value)
	}
	rows := 0
	for _, r := range liveJSON(t, "proc", "--threads", "--limit", "0", "--columns", "pid,tid").Tables["threads"].Rows {
		if fmt.Sprint(r["pid"]) == pid {
			rows++
		}
	}
	if rows < 1000 || rows < len(tasks)-5 || rows > len(tasks)+5 {
		t.Errorf("%d rows of %d threads", rows, len(tasks))
	}
	var share float64
	for range 20 { // on a busy machine it takes them a while to fall asleep
		d := liveJSON(t, "proc", pid, "--sample", "500ms")
		if got := number(t, d, "sampled_threads"); got < 1000 {
			t.Errorf("a sample saw %v threads", got)
		}
		if share = d.Tables["doings"].Rows[0]["share"].(float64); share > 0.9 {
			return
		}
	}
	t.Errorf("they all sleep, and the first row has %v", share)
}

func TestLiveOtherPIDNamespace(t *testing.T) {
	c := exec.Command("sleep", "600")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if err := c.Start(); err != nil {
		t.Skipf("no PID namespace can be made here: %v", err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	settle(t, c.Process.Pid, "comm", "sleep")
	d := liveJSON(t, "proc", strconv.Itoa(c.Process.Pid))
	if got := strings.Split(fmt.Sprint(d.Values["n_spid"].Value), " "); len(got) < 2 || got[len(got)-1] != "1" {
		t.Errorf("NSpid %q, and it is PID 1 in a namespace of its own", got)
	}
	if v := d.Values["container"]; absent(v) == "" && !strings.Contains(v.Reading, "pid") {
		t.Errorf("apart in %v: %q", v.Value, v.Reading)
	}
	if got := d.Values["origin"].Value; got != "exec" {
		t.Errorf("it came to be by %v", got)
	}
}

// While processes come and go by the hundred, every scan ends, and has those that
// stay.
func TestLiveForkStorm(t *testing.T) {
	storm := exec.Command("sh", "-c", "while :; do /bin/true & /bin/true & /bin/true & wait; done")
	storm.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := storm.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = syscall.Kill(-storm.Process.Pid, syscall.SIGKILL); _ = storm.Wait() }()
	forks := number(t, liveJSON(t, "proc", "--limit", "1"), "processes")
	for range 10 {
		for _, args := range [][]string{{"proc", "--limit", "0"}, {"proc", "--threads", "--limit", "0"}, {"proc", "--tree"}} {
			begin, known := time.Now(), len(processes(t))
			d := liveJSON(t, args...)
			// A scan lists once: it is not led on by what begins meanwhile.
			if took, n := time.Since(begin), d.Tables["processes"].Total; took > 30*time.Second || n > 2*known+200 {
				t.Errorf("%v takes %v for %d processes, and there were %d", args, took, n, known)
			}
			own := false
			for _, table := range d.Tables {
				for _, r := range table.Rows {
					own = own || r["pid"] == float64(os.Getpid())
				}
			}
			if !own {
				t.Errorf("%v does not have this process", args)
			}
		}
	}
	if now := number(t, liveJSON(t, "proc", "--limit", "1"), "processes"); now < forks+30 {
		t.Errorf("%v processes were started meanwhile: no storm", now-forks)
	}
}

// processes are the numbers that /proc lists.
func processes(t *testing.T) (out []string) {
	t.Helper()
	list, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if strings.Trim(e.Name(), "0123456789") == "" {
			out = append(out, e.Name())
		}
	}
	return out
}

// A terminal that the test opened is the one that its child is said to have.
func TestLiveTerminal(t *testing.T) {
	m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	defer unix.Close(m)
	n, err := unix.IoctlGetUint32(m, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	s, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	defer s.Close()
	c := exec.Command("sleep", "600")
	c.Stdin = s
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	if got := liveJSON(t, "proc", strconv.Itoa(c.Process.Pid)).Values["terminal"].Value; got != fmt.Sprintf("pts/%d", n) {
		t.Errorf("%v, want pts/%d", got, n)
	}
	r := processRows(t, "pid,tty")[c.Process.Pid]
	if r["tty"] != fmt.Sprintf("pts/%d", n) {
		t.Errorf("%v, want pts/%d", r, n)
	}
}

// asNobody runs kwhy as a plain user.
func asNobody(t *testing.T, args ...string) document {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out, errs bytes.Buffer
	c := &exec.Cmd{
		Path:       "/proc/self/fd/3",
		Args:       append([]string{"kwhy", "-o", "json"}, args...),
		Stdout:     &out,
		Stderr:     &errs,
		ExtraFiles: []*os.File{f},
	}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := c.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("%v: %v, %s", args, err, errs.String())
	}
	validate(t, out.Bytes())
	return readJSON(t, out.String())
}

// What a plain user sees of root's process: gaps, and none of them an error.
func TestLiveUnprivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving up root takes root")
	}
	d := asNobody(t, "proc", strconv.Itoa(os.Getpid()))
	for _, key := range []string{"exe", "cwd", "rchar"} {
		if v := d.Values[key]; absent(v) != "denied" || v.Value != nil {
			t.Errorf("%s is %v, %q; want denied", key, v.Value, absent(v))
		}
	}
	if number(t, d, "threads") < 1 || d.Values["comm"].Value == nil {
		t.Error("what all may see is not there")
	}
	if d = asNobody(t, "proc", strconv.Itoa(os.Getpid()), "--sample", "100ms"); len(d.Tables["doings"].Rows) == 0 {
		t.Error("a sample has no states")
	}
	if s := d.Values["rounds"].Reading; !strings.HasSuffix(s, "it runs as UID 0, kwhy as UID 65534.") {
		t.Errorf("rounds of root's process: %q", s)
	}
	for _, r := range d.Tables["doings"].Rows {
		if r["syscall"] != nil || r["file"] != nil {
			t.Errorf("%v: the call of another user's process", r)
		}
	}
	asNobody(t, "proc", "--limit", "0")
}

// What is withheld from root of its own process is not another user's.
func TestLiveDeniedToItsUser(t *testing.T) {
	if _, err := os.ReadFile("/proc/1/syscall"); !errors.Is(err, os.ErrPermission) || os.Geteuid() != 0 {
		t.Skip("root may read what PID 1 waits in, or this is not root")
	}
	who, err := os.Stat("/proc/1/task")
	if err != nil || who.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Skipf("PID 1 is not root's: %v", err)
	}
	if s := liveJSON(t, "proc", "1", "--sample", "50ms").Values["rounds"].Reading; !strings.HasSuffix(s, "though both run as UID 0.") {
		t.Errorf("rounds: %q", s)
	}
}

// Delay accounting, where it is on: what the child waited for CPUs is what its own
// schedstat says.
func TestLiveDelays(t *testing.T) {
	c, _ := helper(t, "Burns")
	dir := fmt.Sprintf("/proc/%d/task", c.Process.Pid)
	waited := func() (s float64) {
		tasks, _ := os.ReadDir(dir)
		for _, e := range tasks {
			b, err := os.ReadFile(dir + "/" + e.Name() + "/schedstat")
			if f := strings.Fields(string(b)); err == nil && len(f) == 3 {
				ns, _ := strconv.ParseFloat(f[1], 64)
				s += ns / 1e9
			}
		}
		return s
	}
	before := waited()
	v := liveJSON(t, "proc", strconv.Itoa(c.Process.Pid)).Values["cpu_delay"]
	after := waited()
	if why := absent(v); why != "" {
		if !slices.Contains([]string{"disabled", "denied", "unsupported"}, why) {
			t.Errorf("absent: %s", why)
		}
		t.Skipf("delay accounting is %s here", why)
	}
	if s := v.Value.(float64); s < before-1e-6 || s > after+1e-6 {
		t.Errorf("%v s, and schedstat says %v to %v", s, before, after)
	}
}
