package sched

import (
	"math"
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/inspect"
)

// rival is a runnable task with a nice value on a CPU.
func rival(pid int32, nice int8, cpu int32, groups ...inspect.ShareGroup) inspect.Rival {
	return inspect.Rival{P: &inspect.Process{PID: pid, Nice: nice, CPU: cpu, State: 'R'}, Groups: groups}
}

func session(id string, nice int8) inspect.ShareGroup {
	return inspect.ShareGroup{Name: "/autogroup-" + id, Nice: nice, Auto: true}
}

func cgroup(name string, shares int64) inspect.ShareGroup {
	return inspect.ShareGroup{Name: name, Shares: shares}
}

func weighted(name string, weight int64) inspect.ShareGroup {
	return inspect.ShareGroup{Name: name, Weight: weight}
}

// The kernel's documented rule: CPU time is shared by weight, among groups first
// and then within them (sched(7), sched-design-CFS.rst); a group's weight is
// spread over CPUs by where its tasks are.
func TestShares(t *testing.T) {
	idle := rival(9, 0, 0)
	idle.P.Policy = policyIdle
	fifo := rival(8, 0, 0)
	fifo.P.Policy = policyFIFO
	for name, c := range map[string]struct {
		rivals []inspect.Rival // the first one is the task
		want   float64
	}{
		"alone":                 {[]inspect.Rival{rival(1, 0, 0)}, 1},
		"equals":                {[]inspect.Rival{rival(1, 0, 0), rival(2, 0, 0)}, 0.5},
		"nice 0 and 5":          {[]inspect.Rival{rival(1, 0, 0), rival(2, 5, 0)}, 1024. / 1359},
		"nice 5 and 0":          {[]inspect.Rival{rival(1, 5, 0), rival(2, 0, 0)}, 335. / 1359},
		"on another CPU":        {[]inspect.Rival{rival(1, 5, 0), rival(2, -20, 1)}, 1},
		"beside SCHED_IDLE":     {[]inspect.Rival{rival(1, 0, 0), idle}, 1024. / 1027},
		"SCHED_IDLE":            {[]inspect.Rival{idle, rival(1, 0, 0)}, 3. / 1027},
		"beside SCHED_FIFO":     {[]inspect.Rival{rival(1, 0, 0), fifo}, 1}, // of what it leaves
		"in one session":        {[]inspect.Rival{rival(1, 0, 0, session("1", 0)), rival(2, 5, 0, session("1", 0))}, 1024. / 1359},
		"in two sessions":       {[]inspect.Rival{rival(1, 0, 0, session("1", 0)), rival(2, 5, 0, session("2", 0))}, 0.5},
		"a nice session":        {[]inspect.Rival{rival(1, 0, 0, session("1", 5)), rival(2, 0, 0, session("2", 0))}, 335. / 1359},
		"two against one":       {[]inspect.Rival{rival(1, 0, 0, session("1", 0)), rival(2, 0, 0, session("1", 0)), rival(3, 0, 0, session("2", 0))}, 0.25},
		"beside a plain task":   {[]inspect.Rival{rival(1, 0, 0, session("1", 0)), rival(2, 0, 0)}, 0.5},
		"a group half here":     {[]inspect.Rival{rival(1, 0, 0, session("1", 0)), rival(2, 0, 1, session("1", 0)), rival(3, 0, 0)}, 512. / 1536},
		"cgroups of version 2":  {[]inspect.Rival{rival(1, 0, 0, weighted("/a", 50)), rival(2, 0, 0, weighted("/b", 100))}, 1. / 3},
		"a cgroup of 512":       {[]inspect.Rival{rival(1, 0, 0, cgroup("/a", 512)), rival(2, 0, 0, cgroup("/b", 1024))}, 1. / 3},
		"a cgroup in a cgroup":  {[]inspect.Rival{rival(1, 0, 0, cgroup("/a", 1024), cgroup("/a/x", 1024)), rival(2, 0, 0, cgroup("/a", 1024), cgroup("/a/y", 3072)), rival(3, 0, 0)}, 0.125},
		"a cgroup with idle":    {[]inspect.Rival{rival(1, 0, 0, inspect.ShareGroup{Name: "/i", Idle: true}), rival(2, 0, 0)}, 3. / 1027},
		"who is not runnable":   {[]inspect.Rival{rival(1, 19, 0), rival(2, 0, 0)}, 15. / 1039},
		"beside a nested group": {[]inspect.Rival{rival(1, 0, 0, cgroup("/a", 1024)), rival(2, 0, 0, cgroup("/a", 1024), cgroup("/a/x", 1024))}, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			task := &inspect.SchedTask{Row: inspect.Proc{P: c.rivals[0].P}, Rivals: c.rivals}
			got := cpuShare(task)
			if !got.Has() || math.Abs(got.Float()-c.want) > 0.0005 {
				t.Errorf("%v, want %v", got, c.want)
			}
			d := deriveShare(task)
			if d.Agrees() == explain.Off || math.Abs(d.Result.Float()-c.want) > 0.0005 {
				t.Errorf("the derivation says %v", d.Result)
			}
			if says := readShare(task); says == "" || strings.Contains(says, "%!") {
				t.Errorf("%q", says)
			}
		})
	}
	unseen := []inspect.Rival{rival(1, 0, 0, cgroup("/a", 1024)), rival(2, 0, 0, cgroup("/../b", 0))}
	if v := cpuShare(&inspect.SchedTask{Row: inspect.Proc{P: unseen[0].P}, Rivals: unseen}); v.Has() {
		t.Errorf("beside a group of unknown weight the share is %v", v)
	}
	if v := cpuShare(&inspect.SchedTask{Row: inspect.Proc{P: fifo.P}, Rivals: []inspect.Rival{fifo}}); v.Has() {
		t.Errorf("a SCHED_FIFO task has a share of %v", v)
	}
}

// The mode of preemption is taken from where the kernel tells it, in order.
func TestPreemption(t *testing.T) {
	for name, c := range map[string]struct {
		s    inspect.Sched
		want string
	}{
		"debugfs":           {inspect.Sched{Debug: inspect.SchedDebugfs{Preempt: "lazy"}, Build: "#1 SMP PREEMPT_DYNAMIC", Cmdline: "preempt=none"}, "lazy"},
		"real time":         {inspect.Sched{Build: "#1 SMP PREEMPT_RT Debian 6.12"}, "rt"},
		"real time of 4.x":  {inspect.Sched{Build: "#1 SMP PREEMPT RT Debian 4.19"}, "rt"},
		"command line":      {inspect.Sched{Build: "#1 SMP PREEMPT_DYNAMIC", Cmdline: "ro preempt=voluntary quiet", Config: map[string]string{"CONFIG_PREEMPT": "y"}}, "voluntary"},
		"not dynamic":       {inspect.Sched{Build: "#1 SMP", Cmdline: "preempt=full", Config: map[string]string{"CONFIG_PREEMPT_NONE": "y"}}, "none"},
		"another option":    {inspect.Sched{Build: "#1 SMP PREEMPT_DYNAMIC", Cmdline: "preempt=sideways", Config: map[string]string{"CONFIG_PREEMPT": "y"}}, "full"},
		"uname":             {inspect.Sched{Build: "#1 SMP PREEMPT"}, "full"},
		"configuration":     {inspect.Sched{Build: "#1 SMP PREEMPT_DYNAMIC", Config: map[string]string{"CONFIG_PREEMPT": "n", "CONFIG_PREEMPT_VOLUNTARY": "y"}}, "voluntary"},
		"nowhere":           {inspect.Sched{Build: "#1 SMP PREEMPT_DYNAMIC"}, ""},
		"nowhere, not said": {inspect.Sched{Build: "#1 SMP"}, ""},
	} {
		if got, from := preemption(&c.s); got != c.want || (got == "") != (from == "") {
			t.Errorf("%s: %q, %q; want %q", name, got, from, c.want)
		}
	}
}
