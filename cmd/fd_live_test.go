package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
		var no unix.Errno
		switch {
		case err == nil:
			list = append(list, opened{fd, kind, says})
		case errors.As(err, &no): // told too: what a kernel or user lacks is no reason to say nothing
			list = append(list, opened{-1, kind, unix.ErrnoName(no)})
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
	gone := open(filepath.Join(dir, "gone (deleted)"), unix.O_RDWR|unix.O_CREAT, "file", "deleted, and keeps 4.0 MiB")
	_ = unix.Fallocate(gone, 0, 0, 4<<20)
	_ = unix.Unlink(filepath.Join(dir, "gone (deleted)"))
	open(filepath.Join(dir, "not gone (deleted)"), unix.O_RDWR|unix.O_CREAT, "file", "file of 0 B")
	open(dir, unix.O_RDONLY|unix.O_DIRECTORY, "directory", "directory on ")
	open("/dev/zero", unix.O_RDWR|unix.O_NONBLOCK, "chardev", "gives zeros; O_NONBLOCK")
	_ = unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600)
	open(filepath.Join(dir, "fifo"), unix.O_RDWR, "fifo", "both ends of a pipe")
	var p [2]int
	if unix.Pipe2(p[:], unix.O_CLOEXEC) == nil {
		add(p[0], nil, "pipe", fmt.Sprintf("the read end of a pipe; the other end is open in %s (%d) as %d", ownName(), os.Getpid(), p[1]))
		add(p[1], nil, "pipe", "the write end of a pipe")
	}
	ev, err := unix.Eventfd(7, unix.EFD_CLOEXEC)
	add(ev, err, "eventfd", "a counter at 7")
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	add(ep, err, "epoll", fmt.Sprintf("waits for 1 descriptor: %d for EPOLLIN", ev))
	_ = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, ev, &unix.EpollEvent{Events: unix.EPOLLIN})
	tm, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	add(tm, err, "timerfd", "on the monotonic clock, expires in ")
	_ = unix.TimerfdSettime(tm, 0, &unix.ItimerSpec{Value: unix.Timespec{Sec: 5000}, Interval: unix.Timespec{Sec: 60}}, nil)
	var set unix.Sigset_t
	set.Val[0] = 1<<(unix.SIGUSR1-1) | 1<<(unix.SIGTERM-1)
	sg, err := unix.Signalfd(-1, &set, unix.SFD_CLOEXEC)
	add(sg, err, "signalfd", "SIGUSR1 SIGTERM")
	in, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	add(in, err, "inotify", "watches 2 files and directories: inode 2 at / for IN_MODIFY, inode ")
	_, _ = unix.InotifyAddWatch(in, dir, unix.IN_MODIFY)
	_, _ = unix.InotifyAddWatch(in, "/", unix.IN_MODIFY)
	fa, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC, unix.O_RDONLY)
	var st unix.Stat_t
	if err == nil && unix.FanotifyMark(fa, unix.FAN_MARK_ADD, unix.FAN_MODIFY, unix.AT_FDCWD, dir) == nil && unix.Stat(dir, &st) == nil {
		add(fa, err, "fanotify", fmt.Sprintf("watches by fanotify, 1 mark: inode %d at ", st.Ino))
	} else {
		add(fa, err, "fanotify", "watches by fanotify, and has no mark yet")
	}
	gone1, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC)
	add(gone1, err, "timerfd", "a timer on the wall clock, expired and was not read yet")
	_ = unix.TimerfdSettime(gone1, 0, &unix.ItimerSpec{Value: unix.Timespec{Nsec: 1000}}, nil)
	pf, err := unix.PidfdOpen(os.Getppid(), 0)
	add(pf, err, "pidfd", fmt.Sprintf("process %d itself, even if its number is reused", os.Getppid()))
	if tf, err := unix.PidfdOpen(unix.Gettid(), unix.PIDFD_THREAD); err == nil { // since 6.9
		add(tf, err, "pidfd", fmt.Sprintf("thread %d itself, even if its number is reused", unix.Gettid()))
	}
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
	add(int(ring), asError(errno), "io_uring", "a ring of I/O requests, 0 handed in and not taken yet")
	uf, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	add(int(uf), asError(errno), "userfaultfd", "page faults of a range of memory, served by a program: 0 wait")
	attr := struct{ kind, key, value, most, flags uint32 }{2, 4, 8, 16, 0} // an array
	bp, _, errno := unix.Syscall(unix.SYS_BPF, 0, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	add(int(bp), asError(errno), "bpf", "of type array: keys of 4 bytes, values of 8, 16 entries at most")
	bpfProgram(add)
	special(add)
	pe, err := unix.PerfEventOpen(
		&unix.PerfEventAttr{
			Type:   unix.PERF_TYPE_SOFTWARE,
			Config: unix.PERF_COUNT_SW_TASK_CLOCK,
			Size:   uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		},
		0,
		-1,
		-1,
		unix.PERF_FLAG_FD_CLOEXEC,
	)
	add(pe, err, "perf_event", "a performance counter")
}

// bpfProgram is "r0 = 0; exit", to filter a socket.
func bpfProgram(add func(int, error, string, string) int) {
	code := [2]uint64{0xb7, 0x95}
	license := []byte("GPL\x00")
	attr := struct {
		kind, n           uint32
		code, license     uint64
		level, size, log0 uint32
		_                 uint32
		log               [8]uint64
	}{kind: 1, n: 2, code: uint64(uintptr(unsafe.Pointer(&code))), license: uint64(uintptr(unsafe.Pointer(&license[0])))}
	const load = 5
	fd, _, errno := unix.Syscall(unix.SYS_BPF, load, uintptr(unsafe.Pointer(&attr)), 48)
	add(int(fd), asError(errno), "bpf", ") of type socket_filter, tag ")
}

// special are files of file systems that need not be mounted, and devices.
func special(add func(int, error, string, string) int) {
	name, _ := unix.BytePtrFromString(fmt.Sprintf("kwhy-test-%d", os.Getpid()))
	mq, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR|unix.O_CREAT, 0o600, 0, 0, 0)
	add(int(mq), asError(errno), "mqueue", fmt.Sprintf("POSIX message queue /kwhy-test-%d", os.Getpid()))
	_, _, _ = unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0)
	se, _, errno := unix.Syscall(unix.SYS_MEMFD_SECRET, unix.O_CLOEXEC, 0, 0)
	add(int(se), asError(errno), "secretmem", "secret memory, 0 B long")
	loop, err := unix.Open("/dev/loop0", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	add(loop, err, "blockdev", "block device 7:0 of the driver loop: reads and writes bypass the file system on it")
	tun, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	add(tun, err, "chardev", "character device 10:200 of the driver tun")
	heap, err := unix.Open("/dev/dma_heap/system", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		add(-1, err, "dmabuf", "")
		return
	}
	ask := struct {
		length    uint64
		fd, flags uint32
		heap      uint64
	}{8192, 0, unix.O_RDWR | unix.O_CLOEXEC, 0}
	const alloc = 0xc0184800 // DMA_HEAP_IOCTL_ALLOC
	_, _, errno = unix.Syscall(unix.SYS_IOCTL, uintptr(heap), alloc, uintptr(unsafe.Pointer(&ask)))
	add(int(ask.fd), asError(errno), "dmabuf", "memory shared among devices, 8.0 KiB")
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
	if cl, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err == nil &&
		unix.Connect(cl, &unix.SockaddrUnix{Name: path}) == nil {
		list := fmt.Sprintf("unix stream socket at %s, LISTEN, 1 connection waits to be accepted", path)
		add(ux, nil, "socket", list)
	}
	ud, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil && unix.Bind(ud, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) == nil {
		to, _ := unix.Getsockname(ud)
		_ = unix.Sendto(ud, make([]byte, 100), 0, to)
		add(ud, nil, "socket", fmt.Sprintf("udp 127.0.0.1:%d, what is unread takes ", to.(*unix.SockaddrInet4).Port))
	}
	free, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	add(free, err, "socket", "TCP socket, neither bound nor connected, or of another network namespace")
	vs, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	add(vs, err, "socket", "AF_VSOCK socket: /proc/net has no file for its family")
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		add(
			pair[0],
			nil,
			"socket",
			fmt.Sprintf("unix stream socket, CONNECTED; the other side is open in %s (%d) as %d", ownName(), os.Getpid(), pair[1]),
		)
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
	d := liveJSON(t, "fd", strconv.Itoa(c.Process.Pid))
	rows := map[int]map[string]any{}
	for _, r := range d.Tables["fds"].Rows {
		rows[int(r["fd"].(float64))] = r
	}
	kinds := map[string]bool{}
	for _, o := range list {
		if o.fd < 0 {
			t.Logf("%s: %s", o.kind, o.says)
			if os.Geteuid() == 0 &&
				!slices.Contains([]string{"ENOSYS", "EPERM", "EACCES", "ENODEV", "ENXIO", "ENOENT", "EAFNOSUPPORT", "EOPNOTSUPP"}, o.says) {
				t.Errorf("the child could not make a %s: %s", o.kind, o.says)
			}
			continue
		}
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

// lsof and lsfd name the same descriptors, no more and no fewer, and the same files,
// addresses and states behind them.
func TestLiveFDsAgreeWithLsofAndLsfd(t *testing.T) {
	c, _ := made(t, t.TempDir())
	pid := strconv.Itoa(c.Process.Pid)
	ours := map[string]map[string]any{}
	for _, r := range liveJSON(t, "fd", pid).Tables["fds"].Rows {
		ours[strconv.Itoa(int(r["fd"].(float64)))] = r
	}
	compared := 0
	for tool, compare := range map[string]func(*testing.T, string, string, map[string]map[string]any) map[string]bool{"lsfd": withLsfd,
		"lsof": withLsof} {
		path, err := exec.LookPath(tool)
		if err != nil {
			continue
		}
		compared++
		seen := compare(t, path, pid, ours)
		for fd := range ours {
			if !seen[fd] {
				t.Errorf("%s has no descriptor %s: %v", tool, fd, ours[fd])
			}
		}
		for fd := range seen {
			if ours[fd] == nil {
				t.Errorf("%s has a descriptor %s", tool, fd)
			}
		}
	}
	if compared == 0 {
		t.Skip("neither lsfd nor lsof is installed")
	}
}

// withLsfd compares types and inodes, and returns what lsfd lists.
func withLsfd(t *testing.T, path, pid string, ours map[string]map[string]any) map[string]bool {
	t.Helper()
	out, err := exec.Command(path, "-p", pid, "--noheadings", "--raw", "-o", "FD,TYPE,INODE").Output()
	if err != nil {
		t.Logf("lsfd: %v", err)
	}
	seen := map[string]bool{}
	types := map[string]string{
		"REG":  "file memfd mqueue secretmem namespace",
		"DIR":  "directory",
		"CHR":  "chardev",
		"BLK":  "blockdev",
		"FIFO": "pipe fifo",
		"SOCK": "socket",
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 || strings.Trim(f[0], "0123456789") != "" { // cwd, mem and the like
			continue
		}
		seen[f[0]] = true
		r := ours[f[0]]
		if r == nil {
			continue
		}
		if want, known := types[f[1]]; known && !slices.Contains(strings.Fields(want), r["kind"].(string)) && r["kind"] != "pidfd" {
			t.Errorf("%s is %v, lsfd says %s", f[0], r["kind"], f[1])
		}
		if n := r["inode_str"]; n != nil && n != f[2] {
			t.Errorf("%s has inode %v, lsfd says %s", f[0], n, f[2])
		}
	}
	return seen
}

// withLsof compares paths, and of TCP and UDP addresses and states.
func withLsof(t *testing.T, path, pid string, ours map[string]map[string]any) map[string]bool {
	t.Helper()
	out, _ := exec.Command(path, "-w", "-nP", "-a", "-p", pid, "-d", "0-9999", "-F", "ftnPT").Output()
	seen, fd, protocol := map[string]bool{}, "", ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\n")
		value := line[1:]
		switch line[0] {
		case 'f':
			fd, protocol = value, ""
			seen[fd] = true
		case 'P':
			protocol = value
		}
		r := ours[fd]
		if r == nil {
			continue
		}
		switch {
		case strings.HasPrefix(line, "n/"):
			if to := fmt.Sprint(r["target"]); !strings.HasPrefix(value, strings.TrimSuffix(to, " (deleted)")) && r["kind"] != "socket" {
				t.Errorf("%s leads to %s, lsof says %s", fd, to, value)
			}
		case line[0] == 'n' && (protocol == "TCP" || protocol == "UDP") && r["local"] != nil:
			local, remote, _ := strings.Cut(value, "->")
			if r["local"] != local || remote != "" && r["remote"] != remote {
				t.Errorf("%s is at %v to %v, lsof says %s", fd, r["local"], r["remote"], value)
			}
		case strings.HasPrefix(line, "TST=") && protocol == "TCP" && r["state"] != nil:
			if r["state"] != strings.TrimPrefix(line, "TST=") {
				t.Errorf("%s is %v, lsof says %s", fd, r["state"], line)
			}
		}
	}
	return seen
}

// As a plain user: one's own descriptors are whole, those of others a gap with how
// many processes it is of.
func TestLiveFDsUnprivileged(t *testing.T) {
	long(t, "TestLiveUnprivileged runs the same")
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
	if d = asNobody(t, "fd", strconv.Itoa(os.Getpid())); len(d.Tables["fds"].Rows) != 0 {
		t.Errorf("%d rows of another user's process", len(d.Tables["fds"].Rows))
	}
	mine, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	v, own := d.Values["open_fds"], float64(len(mine)) // since 6.2 everybody may see how many there are
	if n, told := v.Value.(float64); told && (n < own/2 || n > own*2) || !told && absent(v) != "denied" {
		t.Errorf("%v descriptors, %s, and this process has %v", v.Value, absent(v), own)
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

// TestHelperNearLimit is no test: it is a child that opens files until it may have no
// more, of a limit that it sets before, or after it has opened more than that.
func TestHelperNearLimit(t *testing.T) {
	inRole(t, "NearLimit")
	time.Sleep(time.Millisecond) // the runtime opens what it needs for that
	most, _ := strconv.Atoi(os.Getenv("KWHY_TEST_LIMIT"))
	limit := func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(most), Max: uint64(most)}); err != nil {
			t.Fatal(err)
		}
	}
	after, n := os.Getenv("KWHY_TEST_AFTER") != "", 0
	if !after {
		limit()
	}
	for fd := 0; fd < 2*most; n++ {
		var err error
		if fd, err = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			break
		}
	}
	if after {
		limit()
	}
	fmt.Println("ready")
	time.Sleep(10 * time.Minute)
}

// A child at its limit is a finding, however small that is, in the table and by
// itself; what is above a limit that was lowered takes none of its numbers.
func TestLiveNearItsLimit(t *testing.T) {
	for name, c := range map[string]struct {
		env  []string
		most int
		says string
	}{
		"small":   {[]string{"KWHY_TEST_LIMIT=24"}, 24, "No number below it is free"},
		"lowered": {[]string{"KWHY_TEST_LIMIT=16", "KWHY_TEST_AFTER=1"}, 16, "No number below it is free, and "},
	} {
		t.Run(name, func(t *testing.T) {
			child, _ := helper(t, "NearLimit", c.env...)
			pid := strconv.Itoa(child.Process.Pid)
			entries, err := os.ReadDir("/proc/" + pid + "/fd")
			if err != nil {
				t.Fatal(err)
			}
			d := liveJSON(t, "fd", "--limit", "1")
			found := false
			for _, f := range d.Findings {
				if strings.Contains(f.Message, "("+pid+")") {
					found = f.Level == "critical" && f.Next == "kwhy fd "+pid && strings.Contains(f.Message, "100 %")
				}
			}
			if !found {
				t.Errorf("%+v; want one of %s", d.Findings, pid)
			}
			r := rowOf(liveJSON(t, "fd", "--limit", "0"), "processes", "pid", float64(child.Process.Pid))
			if r == nil || r["fds"] != float64(len(entries)) || r["fd_limit"] != float64(c.most) || r["fd_used"] != 1. || r["level"] != "critical" {
				t.Errorf("%v, with %d in /proc", r, len(entries))
			}
			one := liveJSON(t, "fd", pid)
			soft := one.Values["fd_limit_soft"]
			if soft.Level != "critical" || soft.Value != float64(c.most) || !strings.Contains(soft.Reading, c.says) ||
				!strings.Contains(soft.Reading, "CAP_SYS_RESOURCE") {
				t.Errorf("%+v", soft)
			}
		})
	}
}

// Open files that a child has by fork are told once, with how many, and its table
// that another process has too (CLONE_FILES) as one.
func TestLiveShared(t *testing.T) {
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sleep := exec.Command("sleep", "600")
	sleep.ExtraFiles = []*os.File{f}
	beside(t, sleep)
	d := liveJSON(t, "fd", strconv.Itoa(sleep.Process.Pid))
	r := rowOf(d, "fds", "fd", 3.)
	if r == nil || !slices.Contains(r["shared"].([]any), any(float64(os.Getpid()))) ||
		!strings.Contains(fmt.Sprint(r["why"]), "shared with ") ||
		number(t, d, "fd_shared") < 1 {
		t.Errorf("3 is %v, %v are shared; want with %d", r, d.Values["fd_shared"], os.Getpid())
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip(err)
	}
	const script = `
import ctypes, os, platform, sys, time
n = {"x86_64": 56, "aarch64": 220}[platform.machine()]
pid = ctypes.CDLL(None).syscall(n, 0x400 | 17, 0, 0, 0, 0)
if pid: print(pid, flush=True)
time.sleep(600)
`
	c := exec.Command(python, "-c", script)
	out, err := c.StdoutPipe()
	if err != nil || c.Start() != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil || pid <= 0 {
		t.Skipf("%d, %v", pid, err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	one := liveJSON(t, "fd", strconv.Itoa(pid))
	if got := one.Values["fd_shared"].Reading; !strings.Contains(got, "It shares its descriptor table with") ||
		number(t, one, "fd_shared") != number(t, one, "open_fds") {
		t.Errorf("%+v", one.Values["fd_shared"])
	}
}

// A process that closes files has a rate that is negative.
func TestLiveFewerOverAnInterval(t *testing.T) {
	var open []*os.File
	for range 20 {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, f)
	}
	over := func(args ...string) document {
		var out, errs bytes.Buffer
		a := &App{Out: &out, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: func(d time.Duration) {
			for _, f := range open[:10] {
				f.Close()
			}
			open = open[10:]
			time.Sleep(d)
		}}
		if status := a.Run(append(args, "--interval", "100ms", "-o", "json")); status != exitOK {
			t.Fatalf("%v: %d, %s", args, status, errs.String())
		}
		return readJSON(t, out.String())
	}
	r := rowOf(over("fd", "--limit", "0"), "processes", "pid", float64(os.Getpid()))
	if rate, ok := r["fds_rate"].(float64); !ok || rate >= 0 {
		t.Errorf("the rate is %v", r["fds_rate"])
	}
	v := over("fd", strconv.Itoa(os.Getpid())).Values["open_fds"]
	if v.Rate == nil || *v.Rate >= 0 || !strings.Contains(v.Reading, "closed ") {
		t.Errorf("%+v", v)
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
		"an interval":     {[]string{"fd", "--deleted", "--interval", "1s"}, exitUsage, "--interval is of counts"},
		"no column":       {[]string{"fd", "--columns", "x"}, exitUsage, "inotify_watches"},
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
