package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// opened is one descriptor that the child has made: what kwhy must call it, and a
// part of what it must say of it.
type opened struct {
	fd         int
	kind, says string
}

// TestHelperOpens is no test: it is a child with a descriptor of every kind that
// this kernel and this user have, each told on a line.
func TestHelperOpens(t *testing.T) {
	inRole(t, "Opens")
	time.Sleep(time.Millisecond) // the runtime opens what it needs for that
	dir := os.Getenv("KWHY_TEST_DIR")
	var list []opened
	add := func(fd int, err error, kind, says string) int {
		if err == nil {
			list = append(list, opened{fd, kind, says})
		}
		return fd
	}
	open := func(name string, flags int, kind, says string) int {
		fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0o600)
		return add(fd, err, kind, says)
	}
	file := open(filepath.Join(dir, "plain"), unix.O_RDWR|unix.O_CREAT|unix.O_APPEND, "file", "file of 12 B")
	_, _ = unix.Write(file, []byte("twelve bytes"))
	dup, err := unix.Dup(file)
	add(dup, err, "file", fmt.Sprintf("the same open file as %d", file))
	open(filepath.Join(dir, "plain"), unix.O_PATH, "file", "O_PATH")
	gone := open(filepath.Join(dir, "gone (deleted)"), unix.O_RDWR|unix.O_CREAT, "file", "gone from its directory, and keeps 4.0 MiB")
	_ = unix.Fallocate(gone, 0, 0, 4<<20)
	_ = unix.Unlink(filepath.Join(dir, "gone (deleted)"))
	open(filepath.Join(dir, "not gone (deleted)"), unix.O_RDWR|unix.O_CREAT, "file", "file of 0 B")
	open(dir, unix.O_RDONLY|unix.O_DIRECTORY, "directory", "directory on ")
	open("/dev/zero", unix.O_RDWR|unix.O_NONBLOCK, "chardev", "gives zeros; O_NONBLOCK")
	_ = unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600)
	open(filepath.Join(dir, "fifo"), unix.O_RDWR, "fifo", "both ends of a pipe")
	var p [2]int
	if unix.Pipe2(p[:], unix.O_CLOEXEC) == nil {
		add(p[0], nil, "pipe", fmt.Sprintf("the end to read of a pipe; the other has %s (%d) as %d", ownName(), os.Getpid(), p[1]))
		add(p[1], nil, "pipe", "the end to write of a pipe")
	}
	ev, err := unix.Eventfd(7, unix.EFD_CLOEXEC)
	add(ev, err, "eventfd", "a counter at 7")
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	add(ep, err, "epoll", fmt.Sprintf("waits for 1 descriptor: %d", ev))
	_ = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, ev, &unix.EpollEvent{Events: unix.EPOLLIN})
	tm, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	add(tm, err, "timerfd", "by the monotonic clock, goes off in ")
	_ = unix.TimerfdSettime(tm, 0, &unix.ItimerSpec{Value: unix.Timespec{Sec: 5000}, Interval: unix.Timespec{Sec: 60}}, nil)
	var set unix.Sigset_t
	set.Val[0] = 1<<(unix.SIGUSR1-1) | 1<<(unix.SIGTERM-1)
	sg, err := unix.Signalfd(-1, &set, unix.SFD_CLOEXEC)
	add(sg, err, "signalfd", "SIGUSR1 SIGTERM")
	in, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	add(in, err, "inotify", "watches 2 files and directories")
	_, _ = unix.InotifyAddWatch(in, dir, unix.IN_MODIFY)
	_, _ = unix.InotifyAddWatch(in, "/", unix.IN_MODIFY)
	fa, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC, unix.O_RDONLY)
	add(fa, err, "fanotify", "watches by fanotify")
	pf, err := unix.PidfdOpen(os.Getppid(), 0)
	add(pf, err, "pidfd", fmt.Sprintf("process %d itself", os.Getppid()))
	mf, err := unix.MemfdCreate("a memfd", unix.MFD_CLOEXEC)
	_ = unix.Ftruncate(mf, 8192)
	add(mf, err, "memfd", "8.0 KiB long")
	ns, err := unix.Open("/proc/self/ns/uts", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	add(ns, err, "namespace", "keeps that namespace alive")
	more(add)
	sockets(add, dir)
	for _, o := range list {
		fmt.Printf("%d\t%s\t%s\t", o.fd, o.kind, o.says)
	}
	fmt.Println()
	time.Sleep(10 * time.Minute)
}

// ownName is what the kernel calls this process.
func ownName() string {
	b, _ := os.ReadFile("/proc/self/comm")
	return strings.TrimSpace(string(b))
}

// more are the kinds that take rights or options of the kernel.
func more(add func(int, error, string, string) int) {
	var params [120]byte
	ring, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&params)), 0)
	add(int(ring), asError(errno), "io_uring", "a ring of I/O requests")
	uf, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	add(int(uf), asError(errno), "userfaultfd", "page faults")
	attr := struct{ kind, key, value, most, flags uint32 }{2, 4, 8, 16, 0} // an array
	bp, _, errno := unix.Syscall(unix.SYS_BPF, 0, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	add(int(bp), asError(errno), "bpf", "keys of 4 bytes, values of 8, 16 entries")
	pe, err := unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_TASK_CLOCK, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{}))}, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	add(pe, err, "perf_event", "a performance counter")
}

func asError(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

func sockets(add func(int, error, string, string) int, dir string) {
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	_ = unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	_ = unix.Listen(l, 5)
	sa, _ := unix.Getsockname(l)
	port := sa.(*unix.SockaddrInet4).Port
	add(l, nil, "socket", fmt.Sprintf("tcp 127.0.0.1:%d, LISTEN, 1 connection waits to be accepted", port))
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil && unix.Connect(c, sa) == nil {
		add(c, nil, "socket", fmt.Sprintf("to 127.0.0.1:%d, ESTABLISHED", port))
	}
	u6, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil && unix.Bind(u6, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}) == nil {
		add(u6, nil, "socket", "udp6 [::1]:")
	}
	ux, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	path := filepath.Join(dir, "a socket")
	if err == nil && unix.Bind(ux, &unix.SockaddrUnix{Name: path}) == nil && unix.Listen(ux, 1) == nil {
		add(ux, nil, "socket", "unix stream socket at "+path+", LISTEN")
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		add(pair[0], nil, "socket", fmt.Sprintf("unix stream socket, CONNECTED; the other side has %s (%d) as %d", ownName(), os.Getpid(), pair[1]))
	}
	nl, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err == nil && unix.Bind(nl, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) == nil {
		add(nl, nil, "socket", "netlink socket to the kernel's ROUTE")
	}
	pk, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	add(pk, err, "socket", "packet socket")
}

// made starts the child and reads what it has made.
func made(t *testing.T, dir string) (*exec.Cmd, []opened) {
	t.Helper()
	c, line := helper(t, "Opens", "KWHY_TEST_DIR="+dir)
	f := strings.Split(line, "\t")
	var list []opened
	for i := 0; i+2 < len(f); i += 3 {
		fd, err := strconv.Atoi(f[i])
		if err != nil {
			t.Fatalf("the child says %q", line)
		}
		list = append(list, opened{fd, f[i+1], f[i+2]})
	}
	return c, list
}

// Every descriptor of a child that has one of each kind is called what it is, with
// its particulars.
func TestLiveFDsOfEveryKind(t *testing.T) {
	dir := t.TempDir()
	c, list := made(t, dir)
	if len(list) < 20 {
		t.Errorf("the child could make %d kinds only", len(list))
	}
	d := liveJSON(t, "fd", strconv.Itoa(c.Process.Pid))
	rows := map[int]map[string]any{}
	for _, r := range d.Tables["fds"].Rows {
		rows[int(r["fd"].(float64))] = r
	}
	kinds := map[string]bool{}
	for _, o := range list {
		kinds[o.kind] = true
		r := rows[o.fd]
		if r == nil || r["kind"] != o.kind || !strings.Contains(fmt.Sprint(r["why"]), o.says) {
			t.Errorf("%d: %v, %q; want %s, %q", o.fd, r["kind"], r["why"], o.kind, o.says)
		}
	}
	t.Logf("%d kinds", len(kinds))
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.Process.Pid))
	if err != nil || len(entries) != len(rows) || number(t, d, "open_fds") != float64(len(entries)) {
		t.Errorf("%d rows, %v told, %d entries in /proc, %v", len(rows), d.Values["open_fds"].Value, len(entries), err)
	}
	for fd, r := range rows { // the target is the link
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.Process.Pid, fd)); err != nil || r["target"] != to {
			t.Errorf("%d leads to %v, the link to %q, %v", fd, r["target"], to, err)
		}
	}
	next := 0
	for rows[next] != nil {
		next++
	}
	if got := number(t, d, "fd_lowest_free"); got != float64(next) {
		t.Errorf("the lowest free one is %v, want %d", got, next)
	}
	if got := number(t, d, "fd_deleted"); got != 4<<20 {
		t.Errorf("deleted files keep %v bytes, the child set 4 MiB aside", got)
	}
}

// lsof and lsfd name the same descriptors, and the same files behind them.
func TestLiveFDsAgreeWithLsofAndLsfd(t *testing.T) {
	dir := t.TempDir()
	c, _ := made(t, dir)
	pid := strconv.Itoa(c.Process.Pid)
	ours := map[string]map[string]any{}
	for _, r := range liveJSON(t, "fd", pid).Tables["fds"].Rows {
		ours[strconv.Itoa(int(r["fd"].(float64)))] = r
	}
	compared := 0
	if path, err := exec.LookPath("lsfd"); err == nil {
		out, err := exec.Command(path, "-p", pid, "--noheadings", "--raw", "-o", "FD,TYPE,INODE").Output()
		if err != nil {
			t.Logf("lsfd: %v", err)
		}
		types := map[string]string{"REG": "file memfd", "DIR": "directory", "CHR": "chardev", "BLK": "blockdev", "FIFO": "pipe fifo", "SOCK": "socket"}
		for line := range strings.Lines(string(out)) {
			f := strings.Fields(line)
			if len(f) < 3 || ours[f[0]] == nil {
				continue
			}
			if want, known := types[f[1]]; known && !strings.Contains(want, ours[f[0]]["kind"].(string)) && ours[f[0]]["kind"] != "namespace" && ours[f[0]]["kind"] != "pidfd" {
				t.Errorf("%s is %v, lsfd says %s", f[0], ours[f[0]]["kind"], f[1])
			}
			if n := ours[f[0]]["inode_str"]; n != nil && n != f[2] {
				t.Errorf("%s has inode %v, lsfd says %s", f[0], n, f[2])
			}
			compared++
		}
	}
	if path, err := exec.LookPath("lsof"); err == nil {
		out, _ := exec.Command(path, "-w", "-a", "-p", pid, "-d", "0-9999", "-F", "ftn").Output()
		fd := ""
		for line := range strings.Lines(string(out)) {
			line = strings.TrimRight(line, "\n")
			switch {
			case strings.HasPrefix(line, "f"):
				fd = line[1:]
				if ours[fd] == nil {
					t.Errorf("lsof has a descriptor %s", fd)
				}
				compared++
			case strings.HasPrefix(line, "n/") && ours[fd] != nil:
				if to := fmt.Sprint(ours[fd]["target"]); !strings.HasPrefix(line[1:], strings.TrimSuffix(to, " (deleted)")) && ours[fd]["kind"] != "socket" {
					t.Errorf("%s leads to %s, lsof says %s", fd, to, line[1:])
				}
			}
		}
	}
	if compared == 0 {
		t.Skip("neither lsfd nor lsof is installed")
	}
}

// As a plain user: one's own descriptors are whole, those of others a gap with how
// many processes it is of.
func TestLiveFDsUnprivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving up root takes root")
	}
	child := exec.Command("sleep", "600")
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	settle(t, child.Process.Pid, "comm", "sleep")
	d := asNobody(t, "fd", strconv.Itoa(child.Process.Pid))
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", child.Process.Pid))
	if err != nil || len(d.Tables["fds"].Rows) != len(entries) {
		t.Errorf("%d rows, %d descriptors, %v", len(d.Tables["fds"].Rows), len(entries), err)
	}
	if d = asNobody(t, "fd", strconv.Itoa(os.Getpid())); len(d.Tables["fds"].Rows) != 0 || absent(d.Values["open_fds"]) != "denied" {
		t.Errorf("%d rows of another user's process, %v", len(d.Tables["fds"].Rows), d.Values["open_fds"])
	}
	d = asNobody(t, "fd")
	told := false
	for _, g := range d.Gaps {
		told = told || g.Source == "/proc/<pid>/fd" && g.Reason == "denied" && g.Count > 0
	}
	if !told {
		t.Errorf("gaps %+v do not say that others' descriptors are denied", d.Gaps)
	}
}

// TestHelperNearLimit is no test: it is a child that has nearly all the files open
// that it may.
func TestHelperNearLimit(t *testing.T) {
	inRole(t, "NearLimit")
	time.Sleep(time.Millisecond) // the runtime opens what it needs for that
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 300, Max: 300}); err != nil {
		t.Fatal(err)
	}
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil || fd >= 289 {
			break
		}
	}
	fmt.Println("ready")
	time.Sleep(10 * time.Minute)
}

// A child near its limit is a finding, in the table and by itself.
func TestLiveNearItsLimit(t *testing.T) {
	c, _ := helper(t, "NearLimit")
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, r := range liveJSON(t, "fd", "--limit", "0").Tables["processes"].Rows {
		if r["pid"] == float64(c.Process.Pid) {
			found = r["fds"] == float64(len(entries)) && r["fd_limit"] == 300. && r["level"] == "warning" && r["devices"].(float64) > 280
			if !found {
				t.Errorf("%v, with %d in /proc", r, len(entries))
			}
		}
	}
	if !found {
		t.Error("the child is not reported")
	}
	d := liveJSON(t, "fd", strconv.Itoa(c.Process.Pid))
	if d.Values["open_fds"].Level != "warning" || number(t, d, "fd_limit_soft") != 300 {
		t.Errorf("%+v", d.Values["open_fds"])
	}
}

func TestLiveFDErrors(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"no such process": {[]string{"fd", "2147483600"}, exitFailed, "2147483600: no such process"},
		"no such file":    {[]string{"fd", "--path", "/no/such"}, exitFailed, "/no/such"},
		"no address":      {[]string{"fd", "--socket", "x"}, exitUsage, "--socket: bad value"},
		"two questions":   {[]string{"fd", "--socket", ":1", "--deleted"}, exitUsage, "ask one"},
		"table and PID":   {[]string{"fd", "1", "--user", "root"}, exitUsage, "--user"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := live(t, c.args...)
			if status != c.status || !strings.Contains(errs, c.want) || out != "" || strings.Count(errs, "\n") != 1 {
				t.Errorf("status %d, stdout %q, stderr %q; want %d and %q", status, out, errs, c.status, c.want)
			}
		})
	}
}
