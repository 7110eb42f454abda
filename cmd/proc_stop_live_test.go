package cmd

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A child with a session of its own that got SIGSTOP: no shell has it as a job, and how long it is stopped
// is what the clock of this test says.
func TestLiveStopped(t *testing.T) {
	c := exec.Command("sleep", "600")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	hearing(t, c)
	settle(t, c.Process.Pid, "comm", "sleep")
	before := time.Now()
	if err := c.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	settle(t, c.Process.Pid, "stat", ") T ")
	after := time.Now()
	time.Sleep(1500 * time.Millisecond)
	least := time.Since(after)
	d := ofProcess(t, c)
	if s := d.Values["state"].Reading; !strings.Contains(s, "by SIGSTOP") || !strings.HasSuffix(s, "no shell has it as a job.") {
		t.Errorf("%q", s)
	}
	v := d.Values["last_ran"]
	if absent(v) != "" {
		t.Skipf("when it ran is not known here: %s", absent(v))
	}
	got, most := v.Value.(float64), time.Since(before).Seconds()
	atLeast := strings.HasPrefix(v.Reading, "At least")
	if off := 0.6; got > most+off || got < least.Seconds()-off && !atLeast {
		t.Errorf("%v s, and it is stopped for %v to %v s: %s", got, least.Seconds(), most, v.Reading)
	}
}

// A process names those that it traces, whether they are stopped or run.
func TestLiveTracees(t *testing.T) {
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	held := exec.Command("sleep", "600")
	hearing(t, held)
	settle(t, held.Process.Pid, "comm", "sleep")
	tracer := &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}
	names := func() string { return ofProcess(t, tracer).Values["tracees"].Reading }
	if s := names(); strings.Contains(s, fmt.Sprintf("(%d)", held.Process.Pid)) {
		t.Errorf("%q before it is traced", s)
	}
	if err := syscall.PtraceAttach(held.Process.Pid); err != nil {
		t.Skipf("ptrace is not to be had here: %v", err)
	}
	settle(t, held.Process.Pid, "stat", ") t ")
	if s := names(); !strings.Contains(s, fmt.Sprintf("sleep (%d), which it has stopped", held.Process.Pid)) {
		t.Errorf("%q", s)
	}
	s := ofProcess(t, held).Values["state"].Reading
	if !strings.HasPrefix(s, "Stopped by its tracer ") || !strings.Contains(s, fmt.Sprintf("(%d)", os.Getpid())) {
		t.Errorf("%q", s)
	}
}

// A job of a shell on a terminal that got what Ctrl-Z sends, or read its terminal from the background: the
// signal is told, and which shell has it.
func TestLiveStoppedJob(t *testing.T) {
	for signal, command := range map[string]string{
		"SIGTSTP": "set -m; sleep 600 & echo $!; read x",
		"SIGTTIN": "set -m; cat & echo $!; read x",
	} {
		master, slave := pty(t)
		c := exec.Command("sh", "-c", command)
		c.Stdin, c.Stdout, c.SysProcAttr = slave, slave, &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := c.Start(); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		text, err := bufio.NewReader(master).ReadString('\n')
		pid, err2 := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || err2 != nil {
			t.Fatalf("%q, %v, %v", text, err, err2)
		}
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		if signal == "SIGTSTP" {
			settle(t, pid, "comm", "sleep")
			if err := syscall.Kill(pid, syscall.SIGTSTP); err != nil {
				t.Fatal(err)
			}
		}
		settle(t, pid, "stat", ") T ")
		s := ofProcess(t, &exec.Cmd{Process: &os.Process{Pid: pid}}).Values["state"].Reading
		if shell := fmt.Sprintf("fg in its shell, sh (%d)", c.Process.Pid); !strings.Contains(s, "by "+signal) || !strings.Contains(s, shell) {
			t.Errorf("%s: %q, want %q", signal, s, shell)
		}
	}
}

// pty makes a pseudo terminal.
func pty(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
	}); err != nil || failed != nil {
		t.Skip(err, failed)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = slave.Close() })
	return master, slave
}

// One that is stopped in a frozen cgroup goes on only when that is thawed.
func TestLiveStoppedAndFrozen(t *testing.T) {
	dir, thaw := frozen(t)
	c := exec.Command("sleep", "600")
	hearing(t, c)
	settle(t, c.Process.Pid, "comm", "sleep")
	if err := c.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	settle(t, c.Process.Pid, "stat", ") T ")
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(c.Process.Pid)), 0o644); err != nil {
		t.Skip(err)
	}
	defer thaw() // before the child is waited for
	defer func() { _ = c.Process.Kill() }()
	s := ofProcess(t, c).Values["state"].Reading
	if !strings.HasPrefix(s, "Stopped, and frozen with its cgroup ") || !strings.Contains(s, "SIGCONT continues it only then") {
		t.Errorf("%q", s)
	}
}
