package cmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// long leaves a test out of a short run, which the one under the race detector is: it
// shares no more between goroutines than others do, and takes long for it.
func long(t *testing.T, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("left out of a short run: " + why)
	}
}

// withMounts calls do in a mount namespace of its own, and skips the test where none can be made
// or do says why it can't.
func withMounts(t *testing.T, do func() error) {
	t.Helper()
	done := make(chan error)
	go func() { done <- apart(do) }()
	if err := <-done; err != nil {
		t.Skip(err)
	}
}

// apart does it in a thread with mounts of its own, which ends with the goroutine. The main thread
// would not, and /proc/self of all others is what it has: that one is held until another has done it.
func apart(do func() error) error {
	runtime.LockOSThread() // and never let go
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		done := make(chan error)
		go func() { done <- apart(do) }()
		return <-done
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	return do()
}

// hearing starts a child that hears what is written to in and says what out has. It
// ends with the test, whatever it does then.
func hearing(t *testing.T, c *exec.Cmd) (in io.WriteCloser, out io.Reader) {
	t.Helper()
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if out, err = c.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	switch err := c.Start(); {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrPermission):
		t.Skipf("no child %s: %v", c.Path, err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); in.Close(); _ = c.Wait() })
	return in, out
}

// TestHelperTouch is no test: it is the child that TestLiveTouched makes.
func TestHelperTouch(t *testing.T) {
	if os.Getenv("KWHY_TEST_CHILD") != "touch" {
		t.Skip("only the child of another test runs this")
	}
	in := bufio.NewReader(os.Stdin)
	wait := func() {
		if _, err := in.ReadByte(); err != nil {
			os.Exit(0) // the parent has gone
		}
	}
	wait()
	fmt.Print("1")
	wait()
	b, err := unix.Mmap(-1, 0, 256<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 64<<20; i += os.Getpagesize() {
		b[i] = 1
	}
	fmt.Print("2")
	wait()
	os.Exit(0)
}

// TestHelperFork is no test: it is the child that TestLiveForkShares makes. It has
// memory of its own that a child of its own shares, as fork leaves it, and a shared
// mapping that the latter has too.
func TestHelperFork(t *testing.T) {
	if os.Getenv("KWHY_TEST_CHILD") != "fork" {
		t.Skip("only the child of another test runs this")
	}
	for _, kind := range []int{unix.MAP_PRIVATE, unix.MAP_SHARED} {
		b, err := unix.Mmap(-1, 0, forkShares, unix.PROT_READ|unix.PROT_WRITE, kind|unix.MAP_ANONYMOUS)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(b); i += os.Getpagesize() {
			b[i] = 1
		}
	}
	in := bufio.NewReader(os.Stdin)
	pid := fork()
	fmt.Print("1")
	_, _ = in.ReadByte()
	_ = unix.Kill(pid, unix.SIGKILL)
	_, _ = unix.Wait4(pid, nil, 0, nil)
	fmt.Print("2")
	_, _ = in.ReadByte()
	os.Exit(0)
}

// forkShares is how much the two share of each kind.
const forkShares = 48 << 20

// fork makes a process that does nothing, and touches nothing: it has one thread, and
// of Go's runtime no use.
//
//go:norace
func fork() int { return forkBy(0) }

// forkBy does that by clone with further flags, but for those that share memory.
//
//go:norace
func forkBy(flags uintptr) int {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return -1
	}
	if pid == 0 { // who is killed leaves nobody behind
		_, _, _ = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0, 0)
	}
	for pid == 0 {
		_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
	return int(pid)
}
