package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kwhy/inspect/inspecttest"
)

// takeAway takes a file of a tree away, or leaves nothing in it.
func takeAway(t *testing.T, file string, empty bool) {
	t.Helper()
	err := os.Remove(file)
	if err == nil && empty {
		err = os.WriteFile(file, nil, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A rule on cgroups is not well, nor without anything to measure, where a file that it rests on was not seen of
// one of them.
func TestAFileOfACgroupThatWasNotSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ host, file, rules string }{
		{"debian-6.12-oom", "app/web/memory.current", "mem.cgroup_stalled oom.cgroup_near_limit mem.cgroup_near_limit"},
		{"debian-6.12-oom", "app/web/memory.max", "mem.cgroup_stalled oom.cgroup_near_limit mem.cgroup_near_limit"},
		{"debian-6.12-oom", "app/web/memory.stat", "oom.cgroup_near_limit"},
		{"debian-6.12-oom", "app/web/memory.high", "mem.cgroup_stalled"},
		{"debian-6.12-oom", "app/web/memory.pressure", "mem.cgroup_stalled"},
		{"debian-6.12-oom", "../../../proc/meminfo", "oom.cgroup_near_limit"},
		{"debian-6.12-sched", "batch/pids.max", "proc.cgroup_pids_near"},
		{"debian-6.12-sched", "batch/cpu.stat", "sched.throttled"},
		{"debian-6.12-sched", "batch/cpu.max", "sched.throttled"},
	} {
		for _, empty := range []bool{false, true} {
			dir := inspecttest.Recorded(t, c.host)
			takeAway(t, filepath.Join(dir, "sys/fs/cgroup", c.file), empty)
			d, _ := taken(t, dir, "check", "--interval", "0")
			for _, row := range d.Tables["checks"].Rows {
				id, _ := row["id"].(string)
				if said := row["outcome"]; strings.Contains(" "+c.rules+" ", " "+id+" ") && said != "partly" && said != "blind" {
					t.Errorf("%s, empty %v: %s is %v", c.file, empty, id, said)
				}
			}
		}
	}
}

// Which process of a cgroup would be killed is told where all of them were judged, and nowhere else.
func TestVictimsOfCgroupsAreOfAllMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file  string
		group string // all, where ""
	}{
		{"", "none"},
		{"proc/meminfo", ""},
		{"proc/156/status", "/app"},
		{"proc/156/oom_score_adj", "/app"},
		{"proc/156/stat", "none"}, // status has all parts of the points
		{"sys/fs/cgroup/app/web/cgroup.procs", "/app"},
		{"sys/fs/cgroup/app/web/memory.max", "/app/web"},
	} {
		for _, empty := range []bool{false, true} {
			if empty && (c.file == "" || strings.HasSuffix(c.file, "cgroup.procs")) {
				continue // an empty list is one of nobody
			}
			dir := inspecttest.Recorded(t, "debian-6.12-oom")
			if c.file != "" {
				takeAway(t, filepath.Join(dir, c.file), empty)
			}
			d, _ := taken(t, dir, "oom")
			for _, row := range d.Tables["cgroups"].Rows {
				at, _ := row["path"].(string)
				why, _ := row["why"].(string)
				judged := !strings.HasPrefix(at, c.group)
				if told := row["victim_pid"] != nil; told != judged {
					t.Errorf("without %s, empty %v: of %s the victim is %v: %s", c.file, empty, at, row["victim_pid"], why)
				}
				if !judged && (strings.Contains(why, "can be killed") || strings.Contains(why, "no process in it") && !strings.Contains(why, ";")) {
					t.Errorf("without %s, empty %v: %s: %s", c.file, empty, at, why)
				}
			}
		}
	}
}
