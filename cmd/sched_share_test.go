package cmd

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect/inspecttest"
)

// autogrouped tells whether a session of this test's would be a group of its own:
// whether autogroup is on and this test in no cgroup of CPUs.
func autogrouped(t *testing.T) bool {
	t.Helper()
	on, _ := os.ReadFile("/proc/sys/kernel/sched_autogroup_enabled")
	mine, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(mine)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && f[2] != "/" && slices.Contains(strings.Split(f[1], ","), "cpu") {
			return false
		}
		if len(f) == 3 && f[1] == "" {
			if _, err := os.Stat(filepath.Join("/sys/fs/cgroup", f[2], "cpu.weight")); err == nil {
				return false
			}
		}
	}
	return strings.TrimSpace(string(on)) == "1"
}

// claim is what kwhy says that a task weighs against others of the CPU: its group
// among groups, times its part of that, or where they share their groups its own
// weight. Whoever else wants the CPU at that moment is below the fraction's line,
// for all alike. The share itself has to be the product of the fractions.
func claim(t *testing.T, pid int, groups bool) float64 {
	t.Helper()
	d := liveJSON(t, "sched", strconv.Itoa(pid))
	v := d.Values["cpu_share"]
	if v.Derivation == nil || len(v.Derivation.Terms)%2 != 0 {
		t.Fatalf("the share of %d is not derived: %+v", pid, v)
	}
	var parts, wholes []float64
	product := 1.
	for i, term := range v.Derivation.Terms {
		n, ok := term.Value.(float64)
		if !ok || n <= 0 {
			t.Fatalf("%+v", term)
		}
		if i%2 == 0 {
			parts = append(parts, n)
			continue
		}
		wholes = append(wholes, n)
		product *= parts[i/2] / n
	}
	if math.Abs(product-number(t, d, "cpu_share")) > 1e-9 {
		t.Errorf("a share of %v of %v, and its parts make %v", v.Value, v.Derivation, product)
	}
	last := len(parts) - 1
	if !groups || last == 0 {
		return parts[last]
	}
	return product * wholes[0]
}

// rivals watches children that compete for one CPU for a while: what of their time
// on it each had, by the kernel's clock, and what kwhy said that they would get of
// it against each other. Others that want that CPU too change neither.
func rivals(t *testing.T, pids []int, groups bool, over time.Duration) (measured, said []float64) {
	t.Helper()
	time.Sleep(200 * time.Millisecond) // until all are where they belong
	begin := time.Now()
	ran, claims := make([]time.Duration, len(pids)), make([][]float64, len(pids))
	for i, pid := range pids {
		ran[i] = onCPU(t, pid)
	}
	for time.Since(begin) < over {
		for i, pid := range pids {
			claims[i] = append(claims[i], claim(t, pid, groups))
		}
		time.Sleep(over / 20)
	}
	var all, sum float64
	for i, pid := range pids {
		measured = append(measured, (onCPU(t, pid) - ran[i]).Seconds())
		slices.Sort(claims[i])
		said = append(said, claims[i][len(claims[i])/2])
		all, sum = all+measured[i], sum+said[i]
	}
	for i := range pids {
		measured[i], said[i] = measured[i]/all, said[i]/sum
	}
	if all < over.Seconds()/50 {
		t.Skipf("others had this CPU for nearly all of %v", over)
	}
	return measured, said
}

// Children that compete for a CPU share it as kwhy says beforehand and as the
// kernel's rule has it, within two points: in one session by their weights, in
// several by autogroup alike, whatever their nice values and SCHED_IDLE.
func TestLiveShareOfACPU(t *testing.T) {
	long(t, "it waits for the scheduler")
	auto := autogrouped(t)
	weights := func(own bool, list ...float64) (want []float64) {
		sum := 0.
		for i := range list {
			if own && auto {
				list[i] = 1
			}
			sum += list[i]
		}
		for _, w := range list {
			want = append(want, w/sum)
		}
		return want
	}
	for name, c := range map[string]struct {
		start  func(cpu int) []int
		groups bool // each is in one of its own
		want   []float64
	}{
		"one session":  {func(cpu int) []int { return []int{busy(t, cpu, 0, false), busy(t, cpu, 5, false)} }, false, weights(false, 1024, 335)},
		"two sessions": {func(cpu int) []int { return []int{busy(t, cpu, 0, true), busy(t, cpu, 5, true)} }, auto, weights(true, 1024, 335)},
		"SCHED_IDLE in a session of its own": {func(cpu int) []int {
			idle := busy(t, cpu, 0, true)
			if err := unix.SchedSetAttr(idle, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: 5}, 0); err != nil {
				t.Skip(err)
			}
			return []int{busy(t, cpu, 0, true), busy(t, cpu, 5, true), idle}
		}, auto, weights(true, 1024, 335, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			pids := c.start(lastCPU(t))
			// A group that was on another CPU until now has some of its weight there yet.
			const tries = 4
			for try := 1; ; try++ {
				measured, said := rivals(t, pids, c.groups, 5*time.Second)
				off := 0.
				for i := range pids {
					off = max(off, math.Abs(said[i]-measured[i]), math.Abs(measured[i]-c.want[i]))
				}
				if off <= 0.02 {
					t.Logf("said %.4f, measured %.4f, the rule says %.4f", said, measured, c.want)
					return
				}
				if try == tries {
					t.Fatalf("kwhy said %.3f, they had %.3f, and the rule says %.3f", said, measured, c.want)
				}
				t.Logf("try %d: said %.4f, measured %.4f, the rule says %.4f", try, said, measured, c.want)
			}
		})
	}
}

// At every nice value a child weighs what the kernel says itself.
func TestLiveWeights(t *testing.T) {
	c := exec.Command("sleep", "600")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	settle(t, c.Process.Pid, "status", "State:\tS")
	seen := 0
	for nice := 19; nice >= -20; nice-- { // who is not root comes no lower than it began
		if unix.Setpriority(unix.PRIO_PROCESS, c.Process.Pid, nice) != nil {
			continue
		}
		d := liveJSON(t, "sched", strconv.Itoa(c.Process.Pid))
		if got := number(t, d, "nice"); got != float64(nice) {
			t.Errorf("nice %v, it was set to %d", got, nice)
		}
		if want := kernelWeight(t, c.Process.Pid); number(t, d, "weight") != want {
			t.Errorf("nice %d weighs %v, the kernel says %v", nice, d.Values["weight"].Value, want)
		}
		if x := d.Values["weight"].Derivation; x == nil || x.Exact == nil || !*x.Exact {
			t.Errorf("nice %d: %+v", nice, x)
		}
		seen++
	}
	if seen == 0 || os.Getuid() == 0 && seen < 20 {
		t.Errorf("%d nice values were seen", seen)
	}
	t.Logf("%d of 40 nice values", seen)
}

// kernelWeight is se.load.weight, which 64-bit kernels count in 1/1024.
func kernelWeight(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/sched", pid))
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(b)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "se.load.weight" {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n / 1024
		}
	}
	t.Skip("the kernel does not say")
	return 0
}

// On recorded hosts of CFS and EEVDF two tasks at nice 0 and 5 compete for CPU 1,
// and one in a cgroup has CPU 0 to itself: what kwhy says that they get is what the
// kernel's clock says that they got while both ran.
func TestRecordedShares(t *testing.T) {
	for _, host := range []string{"debian-5.10-sched", "debian-6.1-sched", "debian-6.12-sched", "debian-7.3-sched"} {
		t.Run(host, func(t *testing.T) {
			b, err := os.ReadFile("../inspect/testdata/hosts/" + host + ".txtar")
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := inspecttest.Unpack(dir, b); err != nil {
				t.Fatal(err)
			}
			share := func(name string) (said, ran float64) {
				d := liveJSON(t, "sched", name, "--proc-root", dir+"/proc", "--sys-root", dir+"/sys")
				return number(t, d, "cpu_share"), number(t, d, "run_time")
			}
			one, ran1 := share("task-1")
			two, ran2 := share("task-2")
			if math.Abs(one-1024./1359) > 0.0005 || math.Abs(two-335./1359) > 0.0005 {
				t.Errorf("shares of %.4f and %.4f", one, two)
			}
			if got := ran1 / (ran1 + ran2); math.Abs(got-one) > 0.02 {
				t.Errorf("a share of %.4f, and it ran %.4f of the time", one, got)
			}
			// It is alone on its CPU but for the program that made the copy, of the same weight.
			if alone, _ := share("throttled"); alone != 0.5 {
				t.Errorf("beside one of the same weight it has a share of %v", alone)
			}
		})
	}
}
