package cmd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// beside starts a program that the test's end kills.
func beside(t *testing.T, c *exec.Cmd) *exec.Cmd {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	settle(t, c.Process.Pid, "comm", filepath.Base(c.Path))
	return c
}

// rowOf returns the row whose column has that value.
func rowOf(d document, table, column string, want any) map[string]any {
	for _, r := range d.Tables[table].Rows {
		if r[column] == want {
			return r
		}
	}
	return nil
}

// created makes a file of n bytes, all of them taken.
func created(t *testing.T, name string, n int64) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.Fallocate(int(f.Fd()), 0, 0, n); err != nil {
		t.Skipf("%d bytes: %v", n, err)
	}
	return f
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// Deleted files are told once each, with all who keep them and what gives the space
// back: 200 MB that two processes have open, one that is mapped too, one that is
// mapped alone, a program, one in memory, and one that takes nothing.
func TestLiveDeleted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("map_files takes root")
	}
	dir, pid := t.TempDir(), float64(os.Getpid())
	big := created(t, filepath.Join(dir, "big"), 200e6)
	sleep := exec.Command("sleep", "600")
	sleep.ExtraFiles = []*os.File{big}
	beside(t, sleep)
	other := float64(sleep.Process.Pid)
	both := created(t, filepath.Join(dir, "both"), 1<<20)
	alone := created(t, filepath.Join(dir, "alone"), 1<<20)
	for _, f := range []*os.File{both, alone} {
		m, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Munmap(m) }()
	}
	alone.Close()
	empty := created(t, filepath.Join(dir, "empty"), 1)
	if err := empty.Truncate(0); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if out, err := exec.Command("cp", sleep.Path, program).CombinedOutput(); err != nil {
		t.Skipf("%v: %s", err, out)
	}
	runs := beside(t, exec.Command(program, "600"))
	for _, name := range []string{"big", "both", "alone", "empty", "program"} {
		remove(t, filepath.Join(dir, name))
	}
	shm := created(t, fmt.Sprintf("/dev/shm/kwhy-test-%d", os.Getpid()), 1<<20)
	remove(t, shm.Name())

	d := liveJSON(t, "fd", "--deleted")
	for _, c := range []struct {
		name, says, not string
		pids            []any
		taken           float64
	}{
		{big.Name(), fmt.Sprintf("comes back when both have closed it; so does truncate -s 0 /proc/%d/fd/%d", min(int(pid), int(other)),
			map[bool]int{true: int(big.Fd()), false: 3}[pid < other]), "", []any{min(pid, other), max(pid, other)}, 200e6},
		{both.Name(), "closing it is not enough: it is mapped too", "truncate", []any{pid}, 1 << 20},
		{alone.Name(), "in its memory; a restart gives the space back", "truncate", []any{pid}, 1 << 20},
		{program, "as its program; a restart gives the space back", "truncate", []any{float64(runs.Process.Pid)}, 1},
		{shm.Name(), "it takes memory, and no disk", "", []any{pid}, 1 << 20},
		{empty.Name(), "it takes no space", "closing", []any{pid}, 0},
	} {
		r := rowOf(d, "deleted", "target", c.name)
		if r == nil {
			t.Errorf("%s is not listed", c.name)
			continue
		}
		taken, _ := r["taken"].(float64)
		why := fmt.Sprint(r["why"])
		if taken < c.taken || taken > c.taken+1e6 || !slices.Equal(r["pids"].([]any), c.pids) || !strings.Contains(why, c.says) ||
			c.not != "" && strings.Contains(why, c.not) {
			t.Errorf("%s: %v; want %v, %v bytes and %q", c.name, r, c.pids, c.taken, c.says)
		}
	}
	if r := rowOf(d, "deleted", "target", shm.Name()); r != nil && r["fs"] != "tmpfs" {
		t.Errorf("%v; want tmpfs", r)
	}
	sum := 0.0
	for _, r := range d.Tables["deleted"].Rows {
		sum += r["taken"].(float64)
	}
	if got := number(t, d, "gone_disk") + number(t, d, "gone_memory"); got != sum ||
		number(t, d, "gone_files") != float64(len(d.Tables["deleted"].Rows)) {
		t.Errorf("%v bytes in all, the rows have %v", got, sum)
	}
}

// A plain user finds a program of its own that was deleted by the program's link, and
// is told that of mapped files nothing can be seen.
func TestLiveDeletedUnprivileged(t *testing.T) {
	long(t, "TestLiveUnprivileged runs the same")
	if os.Geteuid() != 0 {
		t.Skip("giving up root takes root")
	}
	path, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("/tmp", "kwhy-test") // where everybody may look
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	_ = os.Chmod(dir, 0o755)
	program := filepath.Join(dir, "program")
	if out, err := exec.Command("cp", path, program).CombinedOutput(); err != nil {
		t.Skipf("%v: %s", err, out)
	}
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	runs := exec.Command(program, "600")
	runs.SysProcAttr = nobody
	beside(t, runs)
	remove(t, program)
	maps := exec.Command(path, "600")
	maps.SysProcAttr = nobody
	library := filepath.Join(dir, "library")
	if list, _ := filepath.Glob("/lib/*/libm.so.6"); len(list) > 0 && exec.Command("cp", list[0], library).Run() == nil {
		maps.Env = []string{"LD_PRELOAD=" + library}
	}
	beside(t, maps)
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", maps.Process.Pid))
	mapped := strings.Contains(string(text), library)
	_ = os.Remove(library)
	d := asNobody(t, "fd", "--deleted")
	if r := rowOf(d, "deleted", "target", program); r == nil || r["fs"] == nil ||
		!slices.Equal(r["pids"].([]any), []any{float64(runs.Process.Pid)}) {
		t.Errorf("%v; want the program of %d", r, runs.Process.Pid)
	}
	told := map[string]bool{}
	for _, g := range d.Gaps {
		told[g.Source+" "+g.Reason] = g.Count > 0
	}
	if mapped && !told["/proc/<pid>/map_files denied"] || !told["/proc/<pid>/fd denied"] {
		t.Errorf("gaps %+v", d.Gaps)
	}
}

// Who has a file is found by its inode, whatever name was given, one row a process.
func TestLivePath(t *testing.T) {
	dir := t.TempDir()
	kept, err := os.Create(filepath.Join(dir, "kept"))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	again, err := os.Open(kept.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := os.Link(kept.Name(), filepath.Join(dir, "by another name")); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "600")
	child.Dir = dir
	beside(t, child)
	sleep, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", child.Process.Pid))
	if err != nil {
		t.Skip(err)
	}
	u, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	own, other := os.Getpid(), child.Process.Pid
	for _, c := range []struct {
		path string
		pid  int
		how  []any
		fds  float64
	}{
		{filepath.Join(dir, "by another name"), own, []any{"fd"}, 2},
		{dir, other, []any{"cwd"}, 0},
		{sleep, other, []any{"exe", "mapped"}, 0},
		{filepath.Join(dir, "socket"), own, []any{"fd"}, 1},
	} {
		rows := liveJSON(t, "fd", "--path", c.path).Tables["holders"].Rows
		found := 0
		for _, r := range rows {
			if r["pid"] == float64(c.pid) {
				found++
				if !slices.Equal(r["how"].([]any), c.how) || r["fds"] != c.fds {
					t.Errorf("%s: %v; want %v, %v descriptors", c.path, r, c.how, c.fds)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s: %d is in %d rows", c.path, c.pid, found)
		}
	}
	if d := liveJSON(t, "fd", "--path", "/dev/null", "--limit", "1"); len(d.Tables["holders"].Rows) != 1 || d.Tables["holders"].Total < 1 {
		t.Errorf("%d rows of %d with --limit 1", len(d.Tables["holders"].Rows), d.Tables["holders"].Total)
	}
}

// inMounts runs a script in a mount namespace of its own, with kwhy in its PATH, and
// returns what it prints.
func inMounts(t *testing.T, dir, script string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting takes root")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "kwhy")); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-eu", "-c", script)
	c.Dir, c.Env = dir, append(os.Environ(), "PATH="+bin+":/usr/sbin:/sbin:"+os.Getenv("PATH"))
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Skipf("%v: %s", err, errs.String())
	}
	return string(out)
}

// Of a disk those are found who have a file of its file system, work in it, run it or
// have the device itself open.
func TestLivePathOfDevice(t *testing.T) {
	out := inMounts(t, t.TempDir(), `
truncate -s 16M img; mkfs.ext4 -q -F img; mkdir m
loop=$(losetup -f --show img)
trap 'kill $one $two 2>/dev/null; wait 2>/dev/null || :; exec 7<&-; umount m; losetup -d $loop' EXIT
one= two=
mount $loop m
cp $(command -v sleep) m/s
exec 7<$loop
m/s 600 >/dev/null & one=$!
cd m; sleep 600 >/dev/null & two=$!
cd ..
until [ "$(cat /proc/$one/comm /proc/$two/comm)" = "s
sleep" ]; do sleep 0.05; done
echo $one $two $$
kwhy fd --path $loop -o json
`)
	line, text, _ := strings.Cut(out, "\n")
	d := readJSON(t, text)
	pids := strings.Fields(line)
	for i, want := range [][]any{{"exe", "mapped"}, {"cwd"}, {"node"}} {
		pid, _ := strconv.ParseFloat(pids[i], 64)
		r := rowOf(d, "holders", "pid", pid)
		if r == nil {
			t.Errorf("%v is not listed in %v", pid, d.Tables["holders"].Rows)
			continue
		}
		how := r["how"].([]any)
		if i == 1 { // it has the descriptor of the shell too
			want = append([]any{"node"}, want...)
		}
		if i == 0 {
			want = append([]any{"node"}, want...)
		}
		if !slices.Equal(how, want) {
			t.Errorf("%v: %v; want %v", pid, r, want)
		}
	}
}

// On btrfs maps has other devices than stat, and two files of two subvolumes can have
// the same there.
func TestLivePathOnBtrfs(t *testing.T) {
	out := inMounts(t, t.TempDir(), `
truncate -s 128M img; mkfs.btrfs -q img >/dev/null; mkdir m
loop=$(losetup -f --show img)
trap 'kill $one $two 2>/dev/null; wait 2>/dev/null || :; umount m; losetup -d $loop' EXIT
one= two=
mount $loop m
btrfs -q subvolume create m/sub
cp $(command -v sleep) m/s
cp $(command -v sleep) m/sub/s
m/s 600 >/dev/null & one=$!
m/sub/s 600 >/dev/null & two=$!
until [ "$(cat /proc/$one/comm /proc/$two/comm)" = "s
s" ]; do sleep 0.05; done
echo $one $two
kwhy fd --path m/sub/s --columns pid,how,maps -o ndjson | grep '"pid"'
echo =
kwhy fd --path $loop --columns pid,how,maps -o ndjson | grep '"pid"'
`)
	line, rest, _ := strings.Cut(out, "\n")
	pids := strings.Fields(line)
	file, whole, _ := strings.Cut(rest, "=\n")
	has := func(text, pid string) bool { return strings.Contains(text, `"pid":`+pid+`,"how":["exe","mapped"]`) }
	if !has(file, pids[1]) || strings.Contains(file, `"pid":`+pids[0]+",") {
		t.Errorf("the file of the subvolume, that %s runs and %s does not: %s", pids[1], pids[0], file)
	}
	if !has(whole, pids[0]) || !has(whole, pids[1]) {
		t.Errorf("the whole of it, %v: %s", pids, whole)
	}
}

// TestHelperNetns is no test: it is a child that listens, in the network namespace of
// its own that it was started in.
func TestHelperNetns(t *testing.T) {
	inRole(t, "Netns")
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(s, &unix.SockaddrInet4{})
	}
	if err == nil {
		err = unix.Listen(s, 1)
	}
	if err != nil {
		fmt.Println("no")
		return
	}
	sa, _ := unix.Getsockname(s)
	fmt.Println(sa.(*unix.SockaddrInet4).Port)
	time.Sleep(10 * time.Minute)
}

// An address finds the sockets that serve it, and no others.
func TestLiveSocket(t *testing.T) {
	listen := func(network, address string) int {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l.Addr().(*net.TCPAddr).Port
	}
	one, any4, any6 := listen("tcp4", "127.0.0.1:0"), listen("tcp4", "0.0.0.0:0"), listen("tcp6", "[::]:0")
	conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", one))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	own := float64(os.Getpid())
	for _, c := range []struct {
		ask   string
		found bool
		local string
	}{
		{fmt.Sprintf("127.0.0.1:%d", one), true, fmt.Sprintf("127.0.0.1:%d", one)},
		{fmt.Sprintf(":%d", one), true, fmt.Sprintf("127.0.0.1:%d", one)},
		{fmt.Sprintf("127.0.0.2:%d", one), false, ""},
		{fmt.Sprintf("127.0.0.1:%d", any4), true, fmt.Sprintf("0.0.0.0:%d", any4)},
		{fmt.Sprintf("[::1]:%d", any4), false, ""},
		{fmt.Sprintf("[::1]:%d", any6), true, fmt.Sprintf("[::]:%d", any6)},
		{"127.0.0.1:" + conn.LocalAddr().String()[len("127.0.0.1:"):], true, conn.LocalAddr().String()},
	} {
		d := liveJSON(t, "fd", "--socket", c.ask)
		r := rowOf(d, "socket_holders", "local", c.local)
		if found := rowOf(d, "socket_holders", "pid", own) != nil; found != c.found || found && (r == nil || r["protocol"] == nil) {
			t.Errorf("%s: %v; want %v, %s", c.ask, d.Tables["socket_holders"].Rows, c.found, c.local)
		}
	}
	if out, _, status := live(t, "fd", "--socket", "127.0.0.1:1"); status != exitOK ||
		!strings.Contains(out, "Nobody has a socket with 127.0.0.1:1") {
		t.Errorf("status %d, %q", status, out)
	}
	if raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 1); err == nil {
		defer unix.Close(raw)
		if r := rowOf(liveJSON(t, "fd", "--socket", ":1"), "socket_holders", "pid", own); r != nil {
			t.Errorf("a raw socket of protocol 1 has no port: %v", r)
		}
	}
	c := exec.Command(os.Args[0], "-test.run=^TestHelperNetns$")
	c.Env = append(os.Environ(), "KWHY_TEST_CHILD=Netns")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := c.StdoutPipe()
	if err != nil || c.Start() != nil {
		return // a network namespace takes root
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	var port string
	if _, err := fmt.Fscan(out, &port); err == nil && port != "no" {
		d := liveJSON(t, "fd", "--socket", ":"+port)
		r := rowOf(d, "socket_holders", "pid", float64(c.Process.Pid))
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", c.Process.Pid))
		if r == nil || err != nil || fmt.Sprintf("net:[%s]", r["netns_str"]) != link ||
			!strings.Contains(fmt.Sprint(r["why"]), "in the network namespace of process ") {
			t.Errorf("%v of %v; want %d in %s, %v", r, d.Tables["socket_holders"].Rows, c.Process.Pid, link, err)
		}
	}
}
