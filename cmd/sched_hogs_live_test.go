package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHelperSpins is no test: it is a child whose many threads compute for some seconds.
func TestHelperSpins(t *testing.T) {
	inRole(t, "Spins")
	threads := 8 * runtime.NumCPU()
	runtime.GOMAXPROCS(threads + 2)
	for range threads {
		go func() {
			runtime.LockOSThread()
			for n := 0; ; n++ {
				runtime.KeepAlive(n)
			}
		}()
	}
	fmt.Println("ready")
	time.Sleep(30 * time.Second)
	os.Exit(0)
}

// allThreads is how long the threads of a process have been on a CPU, by the kernel's clock of that process.
func allThreads(t *testing.T, pid int) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil { // CPUCLOCK_SCHED of pid, as clock_getcpuclockid(3) makes it
		t.Skipf("its clock: %v", err)
	}
	return time.Duration(ts.Nano())
}

// A process that has the CPUs while others want them is named, with what it had.
func TestLiveHogIsNamed(t *testing.T) {
	long(t, "it waits for intervals")
	c, _ := helper(t, "Spins")
	pid := c.Process.Pid
	at, before := time.Now(), allThreads(t, pid)
	d := liveJSON(t, "sched", "--interval", "2s")
	after, over := allThreads(t, pid), time.Since(at)
	most := (after - before).Seconds() / 2
	if most < 1 {
		t.Skipf("beside all else that runs the child had %.2f CPUs alone", most)
	}
	who := fmt.Sprintf(" (%d)", pid)
	v := d.Values["busiest"]
	// What was before the first look and after the second is in the test's figure, and not in kwhy's.
	slack := (over.Seconds()-2)*float64(runtime.NumCPU())/2 + 0.1
	if got, _ := v.Value.(float64); got > most+0.1 || got < most-slack || !strings.Contains(v.Reading, who) {
		t.Errorf("the child had %.2f CPUs (−%.2f), and the busiest %v: %q", most, slack, v.Value, v.Reading)
	}
	for _, f := range d.Findings {
		if f.ID == "sched.cpu_hog" && strings.Contains(f.Message, who+" ") && strings.Contains(f.Message, "while others waited") &&
			f.Level == "notice" && strings.HasPrefix(f.Next, fmt.Sprintf("kwhy sched %d ", pid)) {
			return
		}
	}
	t.Errorf("it is not found: %+v", d.Findings)
}

// Who starts commands in a loop is named, with what these used, and how many were started.
func TestLiveForksAndWhoForks(t *testing.T) {
	long(t, "it waits for an interval")
	c := exec.Command("sh", "-c", "while :; do /bin/true; done")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	forks := func() float64 { return word("/proc/stat", "\nprocesses") }
	time.Sleep(200 * time.Millisecond)
	before := forks()
	d := liveJSON(t, "sched", "--interval", "1s")
	after := forks()
	v := d.Values["processes"]
	said := regexp.MustCompile(`^([0-9,]+) in the last `).FindStringSubmatch(v.Reading)
	if said == nil {
		t.Fatalf("%q", v.Reading)
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(said[1], ",", ""), 64)
	if err != nil || n <= 0 || n > after-before {
		t.Errorf("%q, and the kernel counted %v", v.Reading, after-before)
	}
	want := fmt.Sprintf("sh (%d) waited for children that used ", c.Process.Pid)
	if strings.Count(v.Reading, " waited for children") == 3 && !strings.Contains(v.Reading, want) {
		t.Skip("three others started more: " + v.Reading)
	}
	if !strings.Contains(v.Reading, want) {
		t.Errorf("%q; want %q", v.Reading, want)
	}
}
