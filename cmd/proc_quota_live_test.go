package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// quota sets how much of each tenth of a second a cgroup may use, in µs.
func quota(t *testing.T, dir string, us int) {
	t.Helper()
	if os.WriteFile(dir+"/cpu.max", fmt.Appendf(nil, "%d 100000", us), 0o644) != nil {
		if err := os.WriteFile(dir+"/cpu.cfs_quota_us", fmt.Appendf(nil, "%d", us), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A child that may have a fifth of a CPU and wants one: its row says so, as history,
// or as what happened during the interval. When it may have more than it can use, the
// history stays, and nothing happens any more.
func TestLiveThrottled(t *testing.T) {
	long(t, "it waits for the scheduler")
	dir := cpuGroup(t)
	c := exec.Command("sh", "-c", "echo $$ >"+dir+"/cgroup.procs && while :; do :; done")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	settle(t, c.Process.Pid, "cgroup", filepath.Base(dir))
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if cpuStat(t, dir, "nr_throttled") > 2 {
			break
		}
	}
	why := func(args ...string) string {
		for _, r := range liveJSON(t, append([]string{"proc", "--limit", "0", "--columns", "pid,why"}, args...)...).Tables["processes"].Rows {
			if int(r["pid"].(float64)) == c.Process.Pid {
				return fmt.Sprint(r["why"])
			}
		}
		return ""
	}
	if s := why(); !strings.Contains(s, "; its cgroup may use 0.2 CPUs, and was throttled in ") ||
		!strings.HasSuffix(s, "since it was created") {
		t.Errorf("%q", s)
	}
	if s := why("--interval", "500ms"); !strings.Contains(s, "; throttled: its cgroup may use 0.2 CPUs, and was throttled in ") ||
		strings.Contains(s, "since it was created") {
		t.Errorf("over an interval: %q", s)
	}
	for _, r := range rungs(ofProcess(t, c), "cpus", "cgroup") {
		if strings.HasSuffix(fmt.Sprint(r["where"]), filepath.Base(dir)) && (r["limit"] != 0.2 || r["first"] != true) {
			t.Errorf("%v", r)
		}
	}
	stood := cpuStat(t, dir, "nr_throttled")
	d := ofProcess(t, c, "--sample", "1s")
	stood = cpuStat(t, dir, "nr_throttled") - stood
	if v := d.Values["waited"]; absent(v) == "" && stood > 5 && !strings.Contains(v.Reading, "quota") {
		t.Errorf("stopped in %v periods, and a sample says of its waiting %q", stood, v.Reading)
	}
	if v := d.Values["stood"]; stood > 5 && (v.Value == nil || v.Value.(float64) <= 0 || !strings.Contains(v.Reading, "0.2 CPUs")) {
		t.Errorf("stopped by its quota for %v: %q", v.Value, v.Reading)
	}
	quota(t, dir, 900000)
	time.Sleep(200 * time.Millisecond) // the period that has begun
	if s := why("--interval", "500ms"); s == "" || strings.Contains(s, "throttled") || strings.Contains(s, "stopped") {
		t.Errorf("with more than it can use: %q", s)
	}
}
