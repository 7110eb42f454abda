package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// sample is one run of a command: the time from before its fork until after
// its end, and the kernel's account of its peak RSS.
type sample struct {
	wall time.Duration
	kib  int64
}

// launcher is the first argument that makes this program a launcher.
//
// Exec hands the peak RSS of the memory it drops down to the new program
// (fs/exec.c, exec_mmap: setmax_mm_hiwater_rss), and after Go's fork that is
// the parent's memory. So the parent must be small, or no child could be seen
// to be smaller than it: a fresh copy of this program starts each command and
// waits for it, with about as little memory as a Go program can have (2.6 MiB).
const launcher = "-launch"

// once runs a command through a launcher.
func once(command []string) (s sample, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	c := exec.Command(self, append([]string{launcher}, command...)...)
	out, err := c.Output()
	if err != nil {
		return s, fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	}
	var status int
	if _, err := fmt.Sscan(string(out), &s.wall, &s.kib, &status); err != nil {
		return s, err
	}
	if status != 0 {
		return s, fmt.Errorf("%s: exit status %d", filepath.Base(command[0]), status)
	}
	return s, nil
}

// launch runs a command with its output thrown away and prints its cost.
func launch(command []string) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		os.Exit(1)
	}
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}}
	start := time.Now()
	pid, err := syscall.ForkExec(command[0], command, attr)
	if err != nil {
		os.Exit(1)
	}
	var status syscall.WaitStatus
	var use syscall.Rusage
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		_, err = syscall.Wait4(pid, &status, 0, &use)
	}
	wall := time.Since(start)
	fmt.Println(int64(wall), use.Maxrss, status.ExitStatus()) // -1: a signal
}
