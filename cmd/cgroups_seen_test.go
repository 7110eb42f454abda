package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// outcomes are what became of each rule of check.
func outcomes(d document) map[string]string {
	out := map[string]string{}
	for _, row := range d.Tables["checks"].Rows {
		out[fmt.Sprint(row["id"])] = fmt.Sprint(row["outcome"])
	}
	return out
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
			said := outcomes(d)
			for rule := range strings.FieldsSeq(c.rules) {
				if said[rule] != "partly" && said[rule] != "blind" {
					t.Errorf("%s, empty %v: %s is %q", c.file, empty, rule, said[rule])
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
			if empty && c.file == "" {
				continue
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

// What was not seen of swap is no swap without a bound: a cgroup that is full of what swap may not take is not well.
func TestABoundOfSwapThatWasNotSeen(t *testing.T) {
	t.Parallel()
	const group = "sys/fs/cgroup/app/web/"
	for _, text := range []string{"0\n", "", "zz\n", "none"} {
		dir := inspecttest.Recorded(t, "debian-7.3-oom")
		write(t, filepath.Join(dir, group+"memory.current"), "66000000\n")
		stat := strings.NewReplacer("\nanon 19947520\n", "\nanon 57726080\n", "anon 19947520\n", "anon 57726080\n").
			Replace(inspecttest.Read(t, filepath.Join(dir, group+"memory.stat")))
		write(t, filepath.Join(dir, group+"memory.stat"), stat)
		if text == "none" {
			takeAway(t, filepath.Join(dir, group+"memory.swap.max"), false)
		} else {
			write(t, filepath.Join(dir, group+"memory.swap.max"), text)
		}
		d, _ := taken(t, dir, "check", "--interval", "0")
		for _, rule := range []string{"oom.cgroup_near_limit", "mem.cgroup_near_limit"} {
			said := outcomes(d)[rule]
			if full := text == "0\n"; full != (said == "found") || !full && said != "partly" && said != "blind" {
				t.Errorf("swap.max %q: %s is %q", text, rule, said)
			}
		}
	}
}

// A process that has taken all numbers below its limit is found in a copy too.
func TestDescriptorsInACopy(t *testing.T) {
	t.Parallel()
	dir := inspecttest.Recorded(t, "linux-6.18-files")
	limits := filepath.Join(dir, "proc/22650/limits")
	write(t, limits, strings.ReplaceAll(inspecttest.Read(t, limits), "20000 ", "10    "))
	d, _ := taken(t, dir, "check", "--interval", "0", "--only", "fd")
	if !slices.ContainsFunc(d.Findings, func(f documentFinding) bool { return f.ID == "fd.process_near" && f.Level == "critical" }) {
		t.Errorf("findings %v", d.Findings)
	}
	takeAway(t, limits, false)
	d, _ = taken(t, dir, "check", "--interval", "0", "--only", "fd")
	if said := fmt.Sprint(d.Tables["domains"].Rows); !strings.Contains(said, "closest to its limit") || !strings.Contains(said, "1 of 2") {
		t.Errorf("without limits: %s", said)
	}
}

// Of a cgroup that is not in the copy nobody knows how it shares the CPUs; and no part is more than its whole.
func TestSharesOfACgroupThatWasNotSeen(t *testing.T) {
	t.Parallel()
	dir := inspecttest.Recorded(t, "debian-7.3-sched")
	stat := filepath.Join(dir, "sys/fs/cgroup/batch/cpu.stat")
	text := inspecttest.Read(t, stat)
	write(t, stat, regexp.MustCompile(`nr_periods \d+`).ReplaceAllString(text, "nr_periods 1"))
	d, _ := taken(t, dir, "sched")
	for _, row := range d.Tables["cpu_cgroups"].Rows {
		if row["path"] == "/batch" && row["throttled_share"] != nil {
			t.Errorf("throttled %v of its periods", row["throttled_share"])
		}
	}
	if err := os.RemoveAll(filepath.Dir(stat)); err != nil {
		t.Fatal(err)
	}
	d, _ = taken(t, dir, "sched", "152")
	if v := d.Values["sched_group"]; !strings.Contains(v.Reading, "not in this copy") {
		t.Errorf("%v: %q", v.Value, v.Reading)
	}
}
