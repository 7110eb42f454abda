package cmd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// netChild starts a child in a network namespace of its own, or in this one where
// that takes rights that the test does not have, and returns what it prints: what
// it has made.
func netChild(t *testing.T, role string, env ...string) (c *exec.Cmd, made map[string]int, own bool) {
	t.Helper()
	start := func(flags uintptr) (string, error) {
		c = exec.Command(os.Args[0], "-test.run=^TestHelper"+role+"$")
		c.Env = append(append(os.Environ(), "KWHY_TEST_CHILD="+role, "GORACE=atexit_sleep_ms=0"), env...)
		c.Stderr = os.Stderr
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags} // no Pdeathsig: the thread that starts it may be one that a test throws away
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			return "", err
		}
		started := c
		t.Cleanup(func() { _ = started.Process.Kill(); _ = started.Wait() })
		return bufio.NewReader(out).ReadString('\n')
	}
	line, err := start(syscall.CLONE_NEWNET)
	if own = !errors.Is(err, syscall.EPERM); !own {
		line, err = start(0)
	}
	if err == nil && strings.HasPrefix(line, "skip ") {
		t.Skip(strings.TrimSpace(line[5:]))
	}
	if err == nil {
		err = json.Unmarshal([]byte(line), &made)
	}
	if err != nil {
		t.Fatalf("the child %s says %q: %v", role, line, err)
	}
	return c, made, own
}

// link sets the loopback interface of this network namespace up or down.
func link(up bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r)
	}
	if err != nil {
		return err
	}
	flags := r.Uint16() &^ unix.IFF_UP
	if up {
		flags |= unix.IFF_UP
	}
	r.SetUint16(flags)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

// tell prints what a child has made, and waits to be killed.
func tell(made map[string]int) {
	b, _ := json.Marshal(made)
	fmt.Println(string(b))
	time.Sleep(10 * time.Minute)
	os.Exit(0)
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Printf("skip %v\n", err)
		os.Exit(0)
	}
	return v
}

// tcp is a socket of TCP over IPv4, bound to loopback.
func tcpSocket() int {
	fd := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	must(0, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	return fd
}

func listening(backlog int) int {
	fd := tcpSocket()
	must(0, unix.Listen(fd, backlog))
	return fd
}

func portOf(fd int) int {
	return must(unix.Getsockname(fd)).(*unix.SockaddrInet4).Port
}

// pair is a connection to a listener, both ends.
func pair(l int) (near, far int) {
	near = tcpSocket()
	must(0, unix.Connect(near, must(unix.Getsockname(l))))
	far, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	return near, must(far, err)
}

// TestHelperSockets is no test: it is a child with a socket in each of the troubles
// that a socket can be in, and tells the local port of each.
func TestHelperSockets(t *testing.T) {
	inRole(t, "Sockets")
	_ = link(true)
	made := map[string]int{}

	full := listening(2)
	made["full"] = portOf(full)
	for range 8 {
		c := tcpSocket()
		must(0, unix.SetNonblock(c, true))
		_ = unix.Connect(c, must(unix.Getsockname(full)))
	}

	l := listening(16)
	near, far := pair(l)
	must(unix.Write(near, make([]byte, 20000)))
	made["unread"], made["unread_peer"] = portOf(far), portOf(near)

	near, _ = pair(l)
	made["blocked"] = portOf(near)
	must(0, unix.SetNonblock(near, true))
	for {
		if _, err := unix.Write(near, make([]byte, 65536)); err != nil {
			break
		}
	}

	near, far = pair(l)
	must(0, unix.Close(far))
	made["close_wait"] = portOf(near)

	near, _ = pair(l)
	made["idle"] = portOf(near)

	u := must(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	must(0, unix.Bind(u, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(0, unix.SetsockoptInt(u, unix.SOL_SOCKET, unix.SO_RCVBUF, 2304))
	made["udp"] = portOf(u)
	v := must(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	must(0, unix.Connect(v, must(unix.Getsockname(u))))
	for range 100 {
		_, _ = unix.Write(v, make([]byte, 1000))
	}

	two := must(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	must(unix.Write(two[0], make([]byte, 300)))
	var st unix.Stat_t
	must(0, unix.Fstat(two[0], &st))
	made["unix_sender"] = int(st.Ino)
	must(0, unix.Fstat(two[1], &st))
	made["unix_reader"] = int(st.Ino)
	bound := tcpSocket()
	made["bound"] = portOf(bound)
	time.Sleep(1200 * time.Millisecond) // so that what waits has waited for more than a second
	tell(made)
}

// byPort finds the row of a socket by its local port, or else of a unix socket by
// its number.
func byPort(t *testing.T, d document, made map[string]int, name, state string) map[string]any {
	t.Helper()
	for _, r := range d.Tables["sockets"].Rows {
		if peer, set := made[name+"_peer"]; set && r["peer_port"] != float64(peer) {
			continue
		}
		if (r["local_port"] == float64(made[name]) || strings.HasPrefix(name, "unix") && r["inode"] == float64(made[name])) &&
			(state == "" || r["state"] == state) {
			return r
		}
	}
	t.Errorf("%s, %d, is not listed", name, made[name])
	return map[string]any{}
}

func commOf(t *testing.T, pid string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/comm")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// inNetOf runs do on a thread that has entered the network namespace of a process,
// and is thrown away: children of it are there too. That is never the main thread,
// by which /proc/self knows this process.
func inNetOf(t *testing.T, pid int, do func()) {
	t.Helper()
	if err := enter(pid, do); err != nil {
		t.Skipf("entering a network namespace: %v", err)
	}
}

func enter(pid int, do func()) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if unix.Gettid() == unix.Getpid() {
			err := enter(pid, do)
			runtime.UnlockOSThread()
			done <- err
			return
		}
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			do()
		}
		done <- err
	}()
	return <-done
}

// kwhyIn runs kwhy as a process in the network namespace of another.
func kwhyIn(t *testing.T, pid int, args ...string) document {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	inNetOf(t, pid, func() {
		c := &exec.Cmd{Path: self, Args: append([]string{"kwhy", "-o", "json"}, args...), Stdout: &out, Stderr: &errs}
		err = c.Run()
	})
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%v: %v, %s", args, err, errs.String())
	}
	return readJSON(t, out.String())
}

// output of a tool in the network namespace of a process; it skips where there is none.
func toolIn(t *testing.T, pid int, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Skipf("%s is not installed", args[0])
	}
	var out []byte
	inNetOf(t, pid, func() { out, err = exec.Command(path, args[1:]...).CombinedOutput() })
	if err != nil {
		t.Fatalf("%v: %v, %s", args, err, out)
	}
	return string(out)
}

// Whose namespace link a plain user may not read, its files show: of a process in the plain
// user's own namespace the sockets can be asked for, and of one in another not.
func TestNamespaceByItsFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving up root takes root")
	}
	for _, c := range []struct {
		flags uintptr
		want  string
	}{{0, ""}, {syscall.CLONE_NEWNET, "denied"}} {
		other := child(t, &syscall.SysProcAttr{Cloneflags: c.flags}, "sleep", "600")
		d := asNobody(t, "net", strconv.Itoa(other.Process.Pid))
		why := ""
		for _, g := range d.Gaps {
			if g.Source == "sock_diag(7)" {
				why = g.Reason
			}
		}
		if why != c.want || absent(d.Values["net_namespace"]) != "denied" && c.want == "" {
			t.Errorf("with flags %#x: sock_diag %q, namespace %v", c.flags, why, d.Values["net_namespace"])
		}
	}
}
