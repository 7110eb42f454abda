package cmd

import (
	"bufio"
	"bytes"
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

	"golang.org/x/sys/unix"
)

// child starts a program that the test ends.
func child(t *testing.T, attr *syscall.SysProcAttr, name string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir, c.SysProcAttr = "/", attr
	if err := c.Start(); err != nil {
		t.Skipf("%s can't be started so: %v", name, err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c
}

// ofProcess explains a child.
func ofProcess(t *testing.T, c *exec.Cmd, args ...string) document {
	t.Helper()
	return liveJSON(t, append([]string{"proc", strconv.Itoa(c.Process.Pid)}, args...)...)
}

// toldEnd checks that a report says that the process ended, once, and nothing of what
// went with it.
func toldEnd(t *testing.T, d document) {
	t.Helper()
	if s := d.Values["state"].Reading; !strings.HasPrefix(s, "It ended while it was read. Before that: ") ||
		d.Values["state"].Level != "notice" {
		t.Errorf("state: %q, level %s", s, d.Values["state"].Level)
	}
	if len(d.Findings) != 1 || d.Findings[0].ID != "proc.ended" {
		t.Errorf("findings %v", d.Findings)
	}
	if n := len(d.Tables["limits"].Rows); n > 0 {
		t.Errorf("%d rungs of a ladder without a process", n)
	}
	gone := 0
	for _, g := range d.Gaps {
		if g.Reason == "vanished" {
			gone++
		}
	}
	if gone != 1 {
		t.Errorf("%d of the gaps are of what vanished: %v", gone, d.Gaps)
	}
}

// A process that ends in the middle of a read: what is behind its oom_score_adj is gone by
// the time that it is read, because that is a pipe, and who writes to it takes the process
// away.
func TestProcessEndsWhileItIsRead(t *testing.T) {
	for _, args := range [][]string{{"-o", "json"}, {"--width", "100"}} {
		dir := unpacked(t, "debian-7.3-oom")
		process := filepath.Join(dir, "proc/138")
		adj := filepath.Join(process, "oom_score_adj")
		if err := os.Remove(adj); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(adj, 0o644); err != nil {
			t.Skip(err)
		}
		go func() {
			f, err := os.OpenFile(adj, os.O_WRONLY, 0)
			if err != nil {
				return
			}
			_ = os.RemoveAll(process)
			_ = f.Close()
		}()
		var out, errs bytes.Buffer
		a := &App{Out: &out, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: time.Sleep}
		if s := a.Run(append([]string{"proc", "138", "--proc-root", dir + "/proc", "--sys-root", dir + "/sys"}, args...)); s != exitOK ||
			errs.Len() > 0 {
			t.Fatalf("status %d, %s", s, errs.String())
		}
		if args[0] == "-o" {
			toldEnd(t, readJSON(t, out.String()))
		} else if s := out.String(); strings.Count(s, "vanished") != 1 || !strings.Contains(s, "batch-b (138) ended while it was read") {
			t.Errorf("%s", s)
		}
	}
}

// One that ends during the interval leaves its first sample, whether its parent has waited for it or
// not, and every command says so alike.
func TestLiveEndsDuringTheInterval(t *testing.T) {
	for _, command := range []string{"proc", "mem", "sched", "fd", "net"} {
		endsMeanwhile(t, command, func(c *exec.Cmd) { _ = c.Wait() })
		endsMeanwhile(t, command, func(c *exec.Cmd) { settle(t, c.Process.Pid, "stat", ") Z ") })
	}
}

func endsMeanwhile(t *testing.T, command string, wait func(*exec.Cmd)) {
	t.Helper()
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = c.Wait() })
	var out, errs bytes.Buffer
	a := &App{Out: &out, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now,
		Sleep: func(time.Duration) { _ = c.Process.Kill(); wait(c) }}
	s := a.Run([]string{command, strconv.Itoa(c.Process.Pid), "--interval", "1s", "-o", "json"})
	if s != exitFailed || strings.Count(errs.String(), "\n") != 1 || !strings.Contains(errs.String(), "ended during the interval") {
		t.Fatalf("%s: status %d, %s", command, s, errs.String())
	}
	d := readJSON(t, out.String())
	if s := d.Values["state"].Reading; command == "proc" && !strings.HasPrefix(s, "It ended while it was read.") ||
		d.Subject.Comm != "sleep" {
		t.Errorf("%s: %q of %s", command, s, d.Subject.Comm)
	}
	if f := d.finding("proc.ended"); !strings.HasPrefix(f, "sleep (") {
		t.Errorf("%s: found that it ended: %q", command, f)
	}
	if !slices.ContainsFunc(d.Gaps, func(g documentGap) bool { return g.Source == "/proc/<pid>" && g.Reason == "vanished" }) {
		t.Errorf("%s: gaps %v", command, d.Gaps)
	}
}

// mainEnds is, in a child of TestLiveMainThreadEnded, its main thread that ends. Its
// others go on with a file open that it tells the number of. Go's main begins on the
// main thread; where it has left that already, the child begins anew.
func mainEnds() {
	if os.Getenv("KWHY_TEST_CHILD") != "MainEnds" {
		return
	}
	runtime.LockOSThread()
	if unix.Gettid() != os.Getpid() {
		fmt.Println(unix.Exec("/proc/self/exe", os.Args, os.Environ()))
		os.Exit(1)
	}
	f, err := os.Open("/dev/zero")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		time.Sleep(10 * time.Minute)
		f.Close()
		os.Exit(1)
	}()
	fmt.Println(f.Fd())
	_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0) // of this thread alone
}

func TestLiveMainThreadEnded(t *testing.T) {
	c, fd := helper(t, "MainEnds")
	settle(t, c.Process.Pid, "stat", ") Z ")
	open := 0
	for { // the others open no more files
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", c.Process.Pid))
		if err != nil || len(list) < 2 {
			t.Fatal(list, err)
		}
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/task/%s/fd", c.Process.Pid, list[len(list)-1].Name()))
		if err == nil && len(fds) > 0 {
			open = len(fds)
			break
		}
	}
	dead := child(t, nil, "true")
	settle(t, dead.Process.Pid, "stat", ") Z ")
	for i := 0; ; i++ { // others' zombies come and go meanwhile
		d := liveJSON(t, "proc", "--state", "Z", "--limit", "0")
		rows := len(d.Tables["processes"].Rows) // the one with threads among them
		if number(t, d, "zombies") == float64(rows-1) {
			break
		}
		if i == 10 {
			t.Fatalf("%v zombies of %d in Z, of which one has threads that go on", number(t, d, "zombies"), rows)
		}
	}
	r := processRows(t, "pid,state,why,fds,vm_rss")[c.Process.Pid]
	if why := fmt.Sprint(r["why"]); r["state"] != "Z" || !strings.Contains(why, "main thread has ended") ||
		strings.Contains(why, "has to wait") {
		t.Errorf("%v", r)
	}
	if r["fds"] != float64(open) || r["vm_rss"] == nil || r["vm_rss"].(float64) < 1<<20 {
		t.Errorf("%v, and its threads have %d files open", r, open)
	}
	d := ofProcess(t, c)
	if exe, _ := os.Executable(); d.Values["exe"].Value != exe || number(t, d, "fds") != float64(open) ||
		len(d.Tables["namespaces"].Rows) < 5 {
		t.Errorf(
			"program %v, %v files, %d namespaces; want file %s among them",
			d.Values["exe"].Value,
			d.Values["fds"].Value,
			len(d.Tables["namespaces"].Rows),
			fd,
		)
	}
	for _, g := range d.Gaps {
		if strings.HasSuffix(g.Source, "/ns") || strings.HasSuffix(g.Source, "/exe") {
			t.Errorf("gap %v", g)
		}
	}
}

// A zombie is what is left of a process: how it ended, and no files, no memory, no
// bounds. None of that is a gap.
func TestLiveZombie(t *testing.T) {
	c := child(t, nil, "sh", "-c", "exit 3")
	killed := child(t, nil, "sleep", "600")
	if err := killed.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	settle(t, c.Process.Pid, "stat", ") Z ")
	settle(t, killed.Process.Pid, "stat", ") Z ")
	rows := processRows(t, "pid,why,fds")
	for c, want := range map[*exec.Cmd]string{c: "ended with status 3; ", killed: "ended by SIGTERM; "} {
		r := rows[c.Process.Pid]
		if why := fmt.Sprint(r["why"]); !strings.HasPrefix(why, want) ||
			!strings.Contains(why, fmt.Sprintf("(%d) has to wait for it", os.Getpid())) ||
			r["fds"] != nil {
			t.Errorf("%v, want %q", r, want)
		}
	}
	d := ofProcess(t, c)
	for _, key := range []string{"exe", "cwd", "umask", "fds", "container"} {
		if why := absent(d.Values[key]); why != "inapplicable" {
			t.Errorf("%s of a zombie is %v, %q", key, d.Values[key].Value, why)
		}
	}
	if n := len(d.Tables["limits"].Rows); n > 0 {
		t.Errorf("%d bounds of a zombie", n)
	}
	for _, g := range d.Gaps {
		if strings.HasPrefix(g.Source, "/proc/<pid>/") && !strings.HasSuffix(g.Source, "/attr/current") {
			t.Errorf("gap %v", g)
		}
	}
	if s := d.Values["origin"].Reading; strings.Contains(s, "pages") {
		t.Errorf("%q: it has none", s)
	}
	if got := items(d.Values["cgroups"].Value); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, ":") }) {
		t.Errorf("cgroups %v: version 1 says / of all that have ended", got)
	}
}

// Frozen by version 1's freezer, and by version 2's as a plain user who can't see
// where it waits.
func TestLiveFrozen(t *testing.T) {
	long(t, "it waits for the scheduler")
	t.Run("version 1", func(t *testing.T) {
		dir := fmt.Sprintf("/sys/fs/cgroup/freezer/kwhy-test-%d", os.Getpid())
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Skipf("no cgroup with a freezer of version 1 can be made here: %v", err)
		}
		c := child(t, nil, "sleep", "600")
		thaw := func() { _ = os.WriteFile(dir+"/freezer.state", []byte("THAWED"), 0o644) }
		t.Cleanup(func() {
			thaw()
			_ = c.Process.Kill()
			_ = c.Wait()
			for range 250 {
				if os.Remove(dir) == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Errorf("%s is left behind", dir)
		})
		settle(t, c.Process.Pid, "status", "State:\tS")
		saysFrozen(t, c, dir+"/cgroup.procs", dir+"/freezer.state", "FROZEN")
	})
	t.Run("version 2", func(t *testing.T) {
		dir, thaw := frozen(t)
		c := child(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, "sleep", "600")
		t.Cleanup(thaw)
		settle(t, c.Process.Pid, "status", "State:\tS")
		saysFrozen(t, c, dir+"/cgroup.procs", dir+"/cgroup.events", "frozen 1")
	})
}

func saysFrozen(t *testing.T, c *exec.Cmd, procs, state, want string) {
	t.Helper()
	if err := os.WriteFile(procs, []byte(strconv.Itoa(c.Process.Pid)), 0o644); err != nil {
		t.Skip(err)
	}
	if strings.HasSuffix(state, ".state") {
		if err := os.WriteFile(state, []byte("FROZEN"), 0o644); err != nil {
			t.Skip(err)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for b, _ := os.ReadFile(state); !strings.Contains(string(b), want); b, _ = os.ReadFile(state) {
		if time.Now().After(deadline) {
			t.Fatalf("%s never says %s", state, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if why := fmt.Sprint(processRows(t, "pid,why")[c.Process.Pid]["why"]); !strings.Contains(why, "frozen") {
		t.Errorf("%q", why)
	}
	if s := ofProcess(t, c).Values["state"].Reading; !strings.Contains(s, "rozen") {
		t.Errorf("%q", s)
	}
	if d := ofProcess(t, c, "--sample", "50ms"); d.Tables["doings"].Rows[0]["kind"] != "stopped" {
		t.Errorf("a sample: %v", d.Tables["doings"].Rows)
	}
	if os.Geteuid() != 0 {
		return
	}
	for _, r := range asNobody(t, "proc", "--limit", "0", "--columns", "pid,why").Tables["processes"].Rows {
		if why := fmt.Sprint(r["why"]); r["pid"] == float64(c.Process.Pid) && !strings.Contains(why, "frozen") {
			t.Errorf("a plain user is told %q", why)
		}
	}
}

// TestHelperMaps is no test: it is a child whose threads want the lock of its address
// space all the time.
func TestHelperMaps(t *testing.T) {
	inRole(t, "Maps")
	for range 4 {
		go func() {
			runtime.LockOSThread()
			for {
				b, err := unix.Mmap(-1, 0, 16<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
				if err == nil {
					_ = unix.Munmap(b)
				}
			}
		}()
	}
	fmt.Println("ready")
	time.Sleep(10 * time.Minute)
}

// Threads that wait for the lock of their address space are said to.
func TestLiveKernelLock(t *testing.T) {
	c, _ := helper(t, "Maps")
	for range 10 {
		for _, r := range ofProcess(t, c, "--sample", "500ms").Tables["doings"].Rows {
			if r["state"] != "D" || r["wchan"] == nil {
				continue
			}
			if r["kind"] == "lock" && strings.Contains(fmt.Sprint(r["why"]), "the lock of its address space") {
				return
			}
			t.Logf("%v", r)
		}
	}
	t.Skip("none was seen waiting for it")
}

// What a child did that was waited for is in its parent's figures: so they are told.
func TestLiveIOOfChildren(t *testing.T) {
	const size = 3 << 20
	c := exec.Command("sh", "-c", fmt.Sprintf("head -c %d /dev/zero >/dev/null; echo done; read x", size))
	_, out := hearing(t, c)
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	v := ofProcess(t, c).Values["wchar"]
	if why := absent(v); why != "" {
		t.Skipf("I/O is not to be seen here: %s", why)
	}
	if n := v.Value.(float64); n >= size && !strings.Contains(v.Gist, "children") {
		t.Errorf("a shell that wrote nothing has %v bytes: %q", n, v.Gist)
	}
}

// A process whose main thread is gone shows its sockets to its own user, as to root: by a thread that goes on.
func TestLiveSocketsWithoutMainThread(t *testing.T) {
	root(t)
	need(t, "python3")
	c := exec.Command("python3", "-c", "import socket,threading,time,ctypes\ns=socket.socket();s.bind(('127.0.0.1',0));s.listen(5)\n"+
		"threading.Thread(target=time.sleep,args=(600,)).start()\nprint(s.getsockname()[1],flush=True)\n"+
		"ctypes.CDLL(None).syscall("+strconv.Itoa(unix.SYS_EXIT)+",0)")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	_, out := hearing(t, c)
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Skip(err)
	}
	settle(t, c.Process.Pid, "stat", ") Z ")
	rows := asNobody(t, "net", strconv.Itoa(c.Process.Pid)).Tables["listeners"].Rows
	if len(rows) != 1 || fmt.Sprint(rows[0]["local_port"]) != strings.TrimSpace(port) {
		t.Errorf("it listens on port %s: %v", strings.TrimSpace(port), rows)
	}
}

// A process whose main thread alone ends in the interval goes on, for every command.
func TestLiveMainThreadEndsDuringTheInterval(t *testing.T) {
	need(t, "python3")
	for _, command := range []string{"proc", "mem", "sched", "fd", "net"} {
		c := exec.Command("python3", "-c", "import sys,threading,time,ctypes\nthreading.Thread(target=time.sleep,args=(600,)).start()\n"+
			"print(flush=True)\nsys.stdin.readline()\nctypes.CDLL(None).syscall("+strconv.Itoa(unix.SYS_EXIT)+",0)")
		in, out := hearing(t, c)
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Skip(err)
		}
		var said, errs bytes.Buffer
		a := &App{Out: &said, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now,
			Sleep: func(time.Duration) {
				fmt.Fprintln(in)
				settle(t, c.Process.Pid, "stat", ") Z ")
			}}
		s := a.Run([]string{command, strconv.Itoa(c.Process.Pid), "--interval", "1s", "-o", "json"})
		if s != 0 || readJSON(t, said.String()).finding("proc.ended") != "" {
			t.Errorf("%s: status %d, %s", command, s, errs.String())
		}
	}
}
