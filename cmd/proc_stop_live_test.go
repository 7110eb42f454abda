package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
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
