package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect/inspecttest"
)

// twoThreads makes a process of a copy one of two threads: its stat, that of its main thread
// and that of the other have these states.
func twoThreads(t *testing.T, dir string, pid int, process, main, other string) {
	t.Helper()
	name := filepath.Join(dir, "proc", strconv.Itoa(pid), "stat")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	as := func(state string) []byte {
		head, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		f[0], f[17] = state, "2" // proc_pid_stat(5): state is field 3, num_threads field 20
		return []byte(head + ") " + strings.Join(f, " ") + "\n")
	}
	for path, state := range map[string]string{
		name: process, filepath.Join(dir, fmt.Sprintf("proc/%d/task/%d/stat", pid, pid)): main,
		filepath.Join(dir, fmt.Sprintf("proc/%d/task/%d/stat", pid, pid+1)): other,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, as(state), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// saysOfD is what check says of threads in D: of the processes, and what it finds.
func saysOfD(t *testing.T, d document) (health string, found []string) {
	t.Helper()
	for _, row := range d.Tables["domains"].Rows {
		if row["domain"] == "proc" {
			health, _ = row["saturation"].(string)
		}
	}
	for _, f := range d.Findings {
		if slices.Contains([]string{"sched.blocked", "sched.stuck", "proc.uninterruptible"}, f.ID) {
			found = append(found, f.ID)
		}
	}
	return health, found
}

// check counts threads in D once, whichever of the files of a process says so, and one rule
// speaks of one cause.
func TestThreadsInDAreCountedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		process, main, other, says string
		finds                      []string
	}{
		"none":                          {"S", "S", "S", "no thread in D", nil},
		"another than the main thread":  {"S", "S", "D", "1 thread in D", []string{"sched.stuck"}},
		"the main thread":               {"D", "D", "S", "1 thread in D", []string{"sched.stuck"}},
		"the process, a moment earlier": {"D", "S", "S", "1 thread in D", []string{"sched.stuck"}},
		"its thread, a moment later":    {"S", "D", "S", "no thread in D", nil},
		"both":                          {"D", "D", "D", "2 threads in D", []string{"sched.stuck", "sched.stuck"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := inspecttest.Recorded(t, "debian-7.3-sched")
			twoThreads(t, dir, 152, c.process, c.main, c.other)
			d, _ := taken(t, dir, "check", "--interval", "0")
			if health, found := saysOfD(t, d); health != c.says || !slices.Equal(found, c.finds) {
				t.Errorf("check says %q and finds %q", health, found)
			}
			alone, _ := taken(t, dir, "check", "--interval", "0", "--only", "proc")
			if health, _ := saysOfD(t, alone); health != c.says {
				t.Errorf("check --only proc says %q", health)
			}
			of, _ := taken(t, dir, "sched")
			if n, _, _ := strings.Cut(c.says, " "); fmt.Sprint(of.Values["uninterruptible"].Value) != strings.Replace(n, "no", "0", 1) {
				t.Errorf("sched counts %v", of.Values["uninterruptible"].Value)
			}
		})
	}
}

// TestHelperVforks is no test: it is a child of which a thread that is not the main one waits
// in vfork.
func TestHelperVforks(t *testing.T) {
	inRole(t, "Vforks")
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			fmt.Println("main")
			return
		}
		fmt.Println(unix.Gettid())
		forkBy(unix.CLONE_VFORK)
	}()
	var b [1]byte
	_, _ = os.Stdin.Read(b[:])
	os.Exit(0)
}

// A parent in vfork is in D until its child ends or runs a program (kernel/fork.c,
// wait_for_vfork_done): a thread of it counts, though its process sleeps.
func TestLiveAThreadInDIsNotNone(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.run", "^TestHelperVforks$")
	c.Env = append(os.Environ(), "KWHY_TEST_CHILD=Vforks")
	_, out := hearing(t, c)
	var tid int
	if _, err := fmt.Fscan(out, &tid); err != nil {
		t.Skip("the goroutine was given the main thread")
	}
	pid := c.Process.Pid
	stat := func(name string) string {
		b, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(b), ") ")
		return rest[:min(len(rest), 1)]
	}
	thread := fmt.Sprintf("/proc/%d/task/%d/stat", pid, tid)
	for range 500 {
		if stat(thread) == "D" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	said, _, _ := live(t, "check", "--interval", "0", "-o", "json")
	health, _ := saysOfD(t, readJSON(t, said))
	if stat(thread) != "D" || stat(fmt.Sprintf("/proc/%d/stat", pid)) == "D" {
		t.Skip("the thread left D, or its process is in it")
	}
	if n, _, _ := strings.Cut(health, " thread"); n == "no" || n == "" || n == health {
		t.Errorf("with thread %d of %d in D, check says %q", tid, pid, health)
	}
}
