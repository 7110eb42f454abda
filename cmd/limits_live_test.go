package cmd

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forker is a shell of a user that tries to fork when it is told to.
type forker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// newForker starts one with a limit of its own, which everybody may lower.
func newForker(t *testing.T, attr *syscall.SysProcAttr, limit int, wrapped ...string) *forker {
	t.Helper()
	args := append(wrapped, "prlimit", fmt.Sprintf("--nproc=%d:%[1]d", limit),
		"sh", "-c", "echo up; while read x; do (exit 0) && echo ok || echo no; done")
	c := exec.Command(args[0], args[1:]...)
	attr.Setsid = true
	c.Dir, c.SysProcAttr = "/", attr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Skipf("%v can't be started so: %v", args[:1], err)
	}
	f := &forker{c, in, bufio.NewReader(out)}
	t.Cleanup(f.end)
	if up, err := f.out.ReadString('\n'); up != "up\n" {
		t.Skipf("%v does not come up: %q, %v", args, up, err)
	}
	return f
}

// forks reports whether the kernel lets it. A shell that it does not ends.
func (f *forker) forks(t *testing.T) bool {
	t.Helper()
	fmt.Fprintln(f.in)
	said, _ := f.out.ReadString('\n')
	return said == "ok\n"
}

func (f *forker) end() {
	_ = f.in.Close()
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait()
}

// tasksUser is a user whom nobody else is.
const tasksUser = 61234

// userRow is what kwhy says of his tasks.
func userRow(t *testing.T) map[string]any {
	t.Helper()
	const uid = tasksUser
	d := liveJSON(t, "proc", "--user", strconv.Itoa(uid), "--limit", "1")
	for _, r := range d.Tables["users"].Rows {
		if r["real_uid"] == float64(uid) {
			return r
		}
	}
	t.Fatalf("user %d is not among %v", uid, d.Tables["users"].Rows)
	return nil
}

// What the kernel does when a user's process forks at its limit, and one below, is what kwhy says;
// so it is for who may exceed it, and in another user namespace.
func TestLiveUserTasks(t *testing.T) {
	root(t)
	const uid, others = tasksUser, 19
	as := func() *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	for range others {
		settle(t, child(t, as(), "sleep", "600").Process.Pid, "comm", "sleep")
	}
	f := newForker(t, as(), others+2)
	r := userRow(t)
	if !f.forks(t) || r["user_tasks"] != float64(others+1) || r["rlimit_nproc"] != float64(others+2) || r["limits_looked"] != 2.0 {
		t.Errorf("one below its limit: %v", r)
	}
	f.end()
	f = newForker(t, as(), others+1)
	r = userRow(t)
	said, _, _ := live(t, "check", "--interval", "0", "--width", "200")
	want := fmt.Sprintf("user %d has 20 tasks, and RLIMIT_NPROC of sh (%d) allows it 20", uid, f.cmd.Process.Pid)
	if r["nproc_used"] != 1.0 || !strings.Contains(said, want) {
		t.Errorf("at its limit: %v, and no %q in\n%s", r, want, said)
	}
	if f.forks(t) {
		t.Error("it was to be refused")
	}
	f.end()
	t.Run("exempt", func(t *testing.T) {
		attr := as()
		attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
		f := newForker(t, attr, others)
		if r := userRow(t); !f.forks(t) || r["rlimit_nproc"] == float64(others) {
			t.Errorf("it may exceed its limit: %v", r)
		}
	})
	t.Run("namespace", func(t *testing.T) {
		inner := newForker(t, as(), others, "unshare", "-U") // it is alone in there
		if r := userRow(t); !inner.forks(t) || r["nproc_used"].(float64) > 0.5 {
			t.Errorf("it is alone in its namespace: %v", r)
		}
		f := newForker(t, as(), others+2)
		if r := userRow(t); r["nproc_used"] != 1.0 || f.forks(t) {
			t.Errorf("the one in the namespace that the user made counts: %v", r)
		}
	})
}

// A context of io_setup counts what it was asked for, and no more.
func TestLiveAIO(t *testing.T) {
	before := number(t, liveJSON(t, "fd"), "aio_nr")
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const events = 1237 // nobody else asks for so many
	var ctx uintptr
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, events, uintptr(unsafe.Pointer(&ctx)), 0); errno != 0 {
		t.Skipf("io_setup: %v", errno)
	}
	defer func() { _, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, ctx, 0, 0) }()
	if now := number(t, liveJSON(t, "fd"), "aio_nr"); int64(now-before)%events != 0 || now == before {
		t.Logf("others have contexts too: %v, then %v", before, now)
		if now < before+events {
			t.Errorf("aio_nr was %v, and with %d events more it is %v", before, events, now)
		}
	}
}

// Each open master is a pseudo terminal, of whatever mount of devpts.
func TestLivePtys(t *testing.T) {
	const many = 40
	for range many {
		f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Skipf("a pseudo terminal: %v", err)
		}
		defer f.Close()
	}
	d := liveJSON(t, "fd")
	b, err := os.ReadFile("/proc/sys/kernel/pty/max")
	if err != nil {
		t.Fatal(err)
	}
	if n := number(t, d, "pty_nr"); n < many {
		t.Errorf("%d are open, and it counts %v", many, n)
	}
	if most := number(t, d, "pty_max"); strings.TrimSpace(string(b)) != fmt.Sprint(int64(most)) {
		t.Errorf("pty.max is %s, not %v", b, most)
	}
}

// TestHelperKeys has keys: it says when it was refused one, and waits.
func TestHelperKeys(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("KWHY_TEST_KEYS"))
	if err != nil {
		t.Skip("it is run by TestLiveKeys")
	}
	for i := range n {
		const ofProcess = -2 // KEY_SPEC_PROCESS_KEYRING: it goes with the process
		if _, err := unix.AddKey("user", fmt.Sprintf("kwhy-%d", i), []byte("0123456789"), ofProcess); err != nil {
			fmt.Println("keys:", i, err)
			break
		}
	}
	fmt.Println("done")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// A user's keys are told, and where the quota is used up add_key fails.
func TestLiveKeys(t *testing.T) {
	root(t)
	const uid, many = 61235, 300
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	c := exec.Command("/proc/self/fd/3", "-test.run=^TestHelperKeys$")
	c.ExtraFiles, c.Env, c.Dir = []*os.File{exe}, append(os.Environ(), fmt.Sprintf("KWHY_TEST_KEYS=%d", many)), "/"
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	in, _ := c.StdinPipe()
	out, _ := c.StdoutPipe()
	if err := c.Start(); err != nil {
		t.Skipf("the helper: %v", err)
	}
	t.Cleanup(func() { in.Close(); _ = c.Process.Kill(); _ = c.Wait() })
	lines := bufio.NewReader(out)
	failed := 0
	for said := ""; said != "done\n"; {
		if said, err = lines.ReadString('\n'); err != nil {
			t.Skipf("the helper ended: %v", err)
		}
		_, _ = fmt.Sscanf(said, "keys: %d disk quota exceeded", &failed)
		if strings.HasPrefix(said, "keys:") && !strings.Contains(said, "disk quota exceeded") {
			t.Skip(said)
		}
	}
	for _, r := range liveJSON(t, "fd").Tables["key_users"].Rows {
		if r["key_uid"] != float64(uid) {
			continue
		}
		keys, most := r["qnkeys"].(float64), r["keys_maxkeys"].(float64)
		if failed == 0 {
			t.Skipf("the quota is larger than what was made: %v", r)
		}
		if keys < float64(failed) || keys > float64(failed)+3 || r["keys_used"].(float64) < 0.95 {
			t.Errorf("add_key failed after %d keys, and it says %v of %v: %v", failed, keys, most, r)
		}
		return
	}
	t.Error("the user is not told")
}

// A process with almost as many mappings as vm.max_map_count allows is found: the kernel refuses one more
// soon. Each mapping of its own has another protection than its neighbours.
func TestLiveManyMappings(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		t.Fatal(err)
	}
	limit, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	if limit > 200_000 {
		t.Skipf("%d mappings are too many to make", limit)
	}
	const script = "import ctypes,sys\nl=ctypes.CDLL(None);l.mmap.restype=ctypes.c_void_p\n" +
		"l.mmap.argtypes=[ctypes.c_void_p,ctypes.c_size_t,ctypes.c_int,ctypes.c_int,ctypes.c_int,ctypes.c_long]\nn=0\n" +
		"while n<int(sys.argv[1]) and l.mmap(None,4096,1 if n&1 else 3,0x22,-1,0) not in (None,2**64-1): n+=1\n" +
		"print(n,flush=True);sys.stdin.read()"
	need(t, "python3")
	for want, n := range map[string]int{"critical": limit, "": limit / 2} {
		c := exec.Command("python3", "-c", script, strconv.Itoa(n))
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		end := func() { _ = in.Close(); _ = c.Wait() }
		made, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			end()
			t.Fatalf("%q, %v", made, err)
		}
		level := ""
		for _, f := range liveJSON(t, "check", "--interval", "0", "--only", "mem").Findings {
			if f.ID == "mem.process_maps_near" && strings.Contains(f.Message, fmt.Sprintf("(%d)", c.Process.Pid)) {
				level = f.Level
			}
		}
		if end(); level != want {
			t.Errorf("with %s mappings of %d it is %q, want %q", strings.TrimSpace(made), limit, level, want)
		}
	}
}
