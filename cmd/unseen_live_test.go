package cmd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A /proc of a PID namespace leaves out the locks of others: that there is none is not known there,
// and what is counted is of a part.
func TestLiveLocksOfAPIDNamespace(t *testing.T) {
	root(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "locked"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if d := liveJSON(t, "fd"); d.View == "host" {
		if v := d.Values["locks"]; v.Of != nil || number(t, d, "locks") < 1 {
			t.Errorf("on the host: %+v", v)
		}
	}
	d := doctorIn(t, `mkdir "$1/p" && mount -t proc proc "$1/p" && "$0" fd --proc-root "$1/p" -o json; e=$?; umount "$1/p"; exit $e`,
		"--mount", "--pid", "--fork")
	v := d.Values["locks"]
	if known := v.Of != nil && v.Of.Reason == "other_namespace"; v.Value != nil && !known || v.Value == nil && absent(v) != "other_namespace" {
		t.Errorf("in a PID namespace: %+v", v)
	}
}

// What a /proc with subset=pid leaves out is not mounted: no value is called unsupported there that a
// whole /proc gives.
func TestLiveReasonsWithoutFiles(t *testing.T) {
	long(t, "it runs many commands, in one goroutine each")
	for _, args := range []string{"proc 1", "mem 1", "oom 1", "sched 1", "fd 1", "net 1", "proc", "mem", "oom", "sched", "fd", "net"} {
		script := `mkdir "$1/p" && mount -t proc -o SUBSET proc "$1/p" && "$0" ` + args +
			` --proc-root "$1/p" -o json; e=$?; umount "$1/p"; exit $e`
		whole := doctorIn(t, strings.Replace(script, "SUBSET", "rw", 1), "--mount", "--pid", "--fork")
		part := doctorIn(t, strings.Replace(script, "SUBSET", "subset=pid", 1), "--mount", "--pid", "--fork")
		for key, v := range part.Values {
			if absent(v) == "unsupported" && absent(whole.Values[key]) != "unsupported" {
				t.Errorf("%s: %s, from %s, is unsupported", args, key, v.Source)
			}
		}
	}
}

// A process that has ended and is not waited for has no files and no namespaces, and that is what is
// said of it.
func TestLiveFilesOfAZombie(t *testing.T) {
	c := exec.Command("true")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Wait() })
	pid := strconv.Itoa(c.Process.Pid)
	settle(t, c.Process.Pid, "stat", ") Z ")
	d := liveJSON(t, "fd", pid)
	if len(d.Gaps) > 0 {
		t.Errorf("fd: gaps %v", d.Gaps)
	}
	for _, key := range []string{"open_fds", "fd_limit_soft", "fd_limit_hard", "fd_deleted"} {
		if v := d.Values[key]; !strings.HasPrefix(v.Reading, "It has ended") {
			t.Errorf("fd: %s: %v, %q", key, v.Value, v.Reading)
		}
	}
	for _, args := range [][]string{{"net", pid}, {"net", "sockets", pid}} {
		if _, errs, status := live(t, args...); status != 1 || !strings.Contains(errs, "has ended") || strings.Contains(errs, "no such file") {
			t.Errorf("%v: status %d, %q", args, status, errs)
		}
	}
}

// What no limit leaves out no limit brings back.
func TestLiveNothingLeftByNoLimit(t *testing.T) {
	for _, args := range []string{
		"proc", "proc --user nobody", "mem", "oom", "oom --user nobody", "sched", "fd", "fd --user nobody", "fd --deleted", "net sockets",
		"net sockets --state LISTEN", "fd " + strconv.Itoa(os.Getpid()),
	} {
		if out, _, _ := live(t, append(strings.Fields(args), "--limit", "0")...); strings.Contains(out, "; --limit 0 shows all") {
			t.Errorf("%s --limit 0 tells to give --limit 0", args)
		}
	}
}

// No report takes an interval and shows nothing of it.
func TestLiveIntervalIsHeeded(t *testing.T) {
	for _, args := range append(everyReport(strconv.Itoa(os.Getpid())), []string{"oom", strconv.Itoa(os.Getpid()), "--adj", "5"}) {
		if args[0] == "doctor" || args[0] == "check" { // which have their own; check is given 0
			continue
		}
		out, errs, status := live(t, append(args, "--interval", "20ms", "-o", "json")...)
		if refused := status == 2 && strings.Contains(errs, "--interval"); !refused && readJSON(t, out).Interval == nil {
			t.Errorf("%v: status %d, no interval; %s", args, status, errs)
		}
	}
}

// Of figures that somebody else made up nothing follows: that the kernel's score is another is not
// called a change of the process. And a rule is blind only where what decides it is not the kernel's.
func TestLiveMadeUpFiguresDecideNothing(t *testing.T) {
	long(t, "it runs many commands, in one goroutine each")
	root(t)
	fake := filepath.Join(t.TempDir(), "fake")
	write(t, fake, "MemTotal: 4000000 kB\nMemFree: 1000000 kB\nMemAvailable: 2000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n")
	for _, args := range [][]string{{"oom", "--width", "1000"}, {"oom", strconv.Itoa(os.Getpid())}, {"doctor", "--width", "1000"}} {
		var out, errs bytes.Buffer
		withMounts(t, func() error { return under(fake, "/proc/meminfo", &out, &errs, args) })
		if s := out.String(); s == "" || strings.Contains(s, "between the reads") || strings.Contains(s, "between two reads") {
			t.Errorf("%v: %s\n%s", args, errs.String(), s)
		}
	}
	write(t, fake, "0.10 0.10 0.10 1/100 4711\n")
	var out, errs bytes.Buffer
	withMounts(t, func() error {
		return under(fake, "/proc/loadavg", &out, &errs, []string{"check", "--interval", "0", "-o", "json"})
	})
	d := readJSON(t, out.String())
	for _, id := range []string{"sched.run_queue", "sched.cpu_pressure"} {
		if r := rowOf(d, "checks", "id", id); r["outcome"] == "blind" && r["reason"] == "foreign" {
			t.Errorf("%v", r)
		}
	}
}
