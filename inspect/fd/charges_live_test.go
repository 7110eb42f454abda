package fd_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/fd"
	"kwhy/inspect/proc"
)

const role = "KWHY_TEST_CHILD"

// stranger is a user that nobody on this host is: what is charged to him is the test's.
func stranger(t *testing.T) uint32 {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it takes root to become a user that nobody else is")
	}
	return 2_000_000_000 + uint32(os.Getpid())
}

// child starts this test binary in a role and returns the line that it says; it ends with the
// test. It is run by a descriptor: its directory is closed to others than who built it.
func child(t *testing.T, name string, attr *syscall.SysProcAttr, env ...string) string {
	t.Helper()
	c, in, out := roleOf(t, name, attr, env...)
	t.Cleanup(func() { in.Close(); _ = c.Wait() }) // it ends, with its own children, when nobody hears it
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Skipf("no child: %v; it said %q", err, said)
	}
	return strings.TrimSpace(said)
}

func roleOf(t *testing.T, name string, attr *syscall.SysProcAttr, env ...string) (*exec.Cmd, io.WriteCloser, io.Reader) {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	c := exec.Command("/proc/self/fd/3", "-test.run", "^TestHelper"+name+"$", "-test.v=false")
	c.ExtraFiles, c.SysProcAttr, c.Dir = []*os.File{self}, attr, "/"
	c.Env = append(os.Environ(), append(env, role+"="+name)...)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out io.Reader
	if out, err = c.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Skipf("no child in the role %s: %v", name, err)
	}
	return c, in, out
}

// inRole skips all but the child of another test, and makes it the user that it is told to be.
func inRole(t *testing.T, name string) {
	t.Helper()
	if os.Getenv(role) != name {
		t.Skip("only the child of another test runs this")
	}
	if uid, err := strconv.Atoi(os.Getenv("KWHY_TEST_UID")); err == nil {
		if err := syscall.Setuid(uid); err != nil {
			t.Fatal(err)
		}
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil { // or its files in /proc are root's
			t.Fatal(err)
		}
	}
}

// untilDeaf waits until the parent has gone.
func untilDeaf() { _, _ = io.Copy(io.Discard, os.Stdin) }

// TestHelperCopies is no test: it has two inotify instances with one watch, and an epoll set
// with two, one instance twice by dup, and sixty children that have copies of them all.
func TestHelperCopies(t *testing.T) {
	inRole(t, "Copies")
	var files []*os.File
	for range 2 {
		n, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, os.NewFile(uintptr(n), "inotify"))
	}
	_, err1 := unix.InotifyAddWatch(int(files[0].Fd()), "/", unix.IN_CREATE)
	_, err2 := unix.FcntlInt(files[0].Fd(), unix.F_DUPFD_CLOEXEC, 0)
	set, err3 := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	for _, f := range files {
		err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, int(f.Fd()), &unix.EpollEvent{Events: unix.EPOLLIN})
		if err != nil || err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err, err1, err2, err3)
		}
	}
	files = append(files, os.NewFile(uintptr(set), "epoll"))
	var children []*exec.Cmd
	for range 60 {
		c := exec.Command("sleep", "600")
		c.ExtraFiles = files
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := c.Start(); err != nil {
			break
		}
		children = append(children, c)
	}
	fmt.Println(len(children))
	untilDeaf()
	for _, c := range children {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	os.Exit(0)
}

// charged takes what this host has open.
func charged(t *testing.T) *fd.Charges {
	t.Helper()
	h, err := inspect.Open("/proc", "/sys", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat, inspect.PIDStatus))
	if err != nil {
		t.Fatal(err)
	}
	f, err := fd.Take(h, ps, inspect.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	return f.Charges
}

// Sixty-one processes that have the same two instances have two.
func TestLiveCopiesAreOne(t *testing.T) {
	uid := stranger(t)
	if said := child(t, "Copies", nil, fmt.Sprint("KWHY_TEST_UID=", uid)); said != "60" {
		t.Skipf("%s copies of 60", said)
	}
	c := charged(t)
	if !c.Exact {
		t.Skip("kcmp(2) may not be asked here")
	}
	if got, want := c.Inotify[fd.Account{NS: c.Own, UID: uid}], (fd.Charge{Instances: 2, Watches: 1}); got != want {
		t.Errorf("charged %+v, made %+v", got, want)
	}
	if n := c.Epoll[uid]; n < 2 || n > 6 { // what Go's runtime watches besides is not of this test
		t.Errorf("%d watches of epoll sets, made 2", n)
	}
}

// TestHelperMaker is no test: it is a user who makes two user namespaces, as an engine makes
// containers. In the first a process takes some instances, in the second as many as it gets.
func TestHelperMaker(t *testing.T) {
	inRole(t, "Maker")
	space := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
	}
	var got []string
	for _, want := range []string{"7", "1000000"} {
		c, in, out := roleOf(t, "Container", space, "KWHY_TEST_UID=", "KWHY_TEST_WANT="+want)
		defer func() { in.Close(); _ = c.Wait() }()
		said, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatalf("%v; it said %q", err, said)
		}
		got = append(got, strings.TrimSpace(said))
	}
	fmt.Println(strings.Join(got, " "))
	untilDeaf()
}

// TestHelperContainer is no test: it makes inotify instances, as many as it is told or gets.
func TestHelperContainer(t *testing.T) {
	inRole(t, "Container")
	want, _ := strconv.Atoi(os.Getenv("KWHY_TEST_WANT"))
	n := 0
	for n < want {
		if _, err := unix.InotifyInit1(unix.IN_CLOEXEC); err != nil {
			break
		}
		n++
	}
	fmt.Println(n)
	untilDeaf()
	os.Exit(0)
}

// What is made in user namespaces is charged to their maker: the kernel refuses the next
// instance when it has counted as many as kwhy does.
func TestLiveMakersAreCharged(t *testing.T) {
	uid := stranger(t)
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances")
	most, err2 := strconv.Atoi(string(bytes.TrimSpace(b)))
	if err != nil || err2 != nil || most > 4096 {
		t.Skipf("a user may have %q instances: %v", b, err)
	}
	said := child(t, "Maker", nil, fmt.Sprint("KWHY_TEST_UID=", uid))
	var first, second int
	if _, err := fmt.Sscan(said, &first, &second); err != nil || first != 7 || second == 0 {
		t.Skipf("no user namespaces with instances: %q", said)
	}
	c := charged(t)
	if c.Own != inspect.InitialUserNS {
		t.Skip("the limit is one of the initial user namespace, and this is another")
	}
	got := c.Inotify[fd.Account{NS: c.Own, UID: uid}]
	if want := (fd.Charge{Instances: most, Below: most, Namespaces: 2}); got != want || first+second != most {
		t.Errorf("charged %+v; the kernel gave %d and %d of %d", got, first, second, most)
	}
	inside := map[int]int{} // accounts of the same user in the namespaces themselves, by instances
	for who, one := range c.Inotify {
		if who.UID == uid && who.NS != c.Own {
			inside[one.Instances]++
		}
	}
	if inside[first] == 0 || inside[second] == 0 || len(inside) > 2 {
		t.Errorf("in the namespaces: %v, made %d and %d", inside, first, second)
	}
}
