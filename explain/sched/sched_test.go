package sched

import (
	"math"
	"strings"
	"testing"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
)

// rival is a runnable task with a nice value on a CPU.
func rival(pid int32, nice int8, cpu int32, groups ...schedfacts.ShareGroup) schedfacts.Rival {
	return schedfacts.Rival{P: &procfacts.Process{PID: pid, Nice: nice, CPU: cpu, State: 'R'}, Groups: groups}
}

func session(id string, nice int8) schedfacts.ShareGroup {
	return schedfacts.ShareGroup{Name: "/autogroup-" + id, Nice: nice, Auto: true}
}

func cgroup(name string, shares int64) schedfacts.ShareGroup {
	return schedfacts.ShareGroup{Name: name, Shares: shares}
}

func weighted(name string, weight int64) schedfacts.ShareGroup {
	return schedfacts.ShareGroup{Name: name, Weight: weight}
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
		rivals []schedfacts.Rival // the first one is the task
		want   float64
	}{
		"alone":           {[]schedfacts.Rival{rival(1, 0, 0)}, 1},
		"equals":          {[]schedfacts.Rival{rival(1, 0, 0), rival(2, 0, 0)}, 0.5},
		"nice 0 and 5":    {[]schedfacts.Rival{rival(1, 0, 0), rival(2, 5, 0)}, 1024. / 1359},
		"nice 5 and 0":    {[]schedfacts.Rival{rival(1, 5, 0), rival(2, 0, 0)}, 335. / 1359},
		"on another CPU":  {[]schedfacts.Rival{rival(1, 5, 0), rival(2, -20, 1)}, 1},
		"with SCHED_IDLE": {[]schedfacts.Rival{rival(1, 0, 0), idle}, 1024. / 1027},
		"SCHED_IDLE":      {[]schedfacts.Rival{idle, rival(1, 0, 0)}, 3. / 1027},
		"with SCHED_FIFO": {[]schedfacts.Rival{rival(1, 0, 0), fifo}, 1}, // of what it leaves
		"in one session":  {[]schedfacts.Rival{rival(1, 0, 0, session("1", 0)), rival(2, 5, 0, session("1", 0))}, 1024. / 1359},
		"in two sessions": {[]schedfacts.Rival{rival(1, 0, 0, session("1", 0)), rival(2, 5, 0, session("2", 0))}, 0.5},
		"a nice session":  {[]schedfacts.Rival{rival(1, 0, 0, session("1", 5)), rival(2, 0, 0, session("2", 0))}, 335. / 1359},
		"two against one": {
			[]schedfacts.Rival{rival(1, 0, 0, session("1", 0)), rival(2, 0, 0, session("1", 0)), rival(3, 0, 0, session("2", 0))},
			0.25,
		},
		"with a plain task": {[]schedfacts.Rival{rival(1, 0, 0, session("1", 0)), rival(2, 0, 0)}, 0.5},
		"a group half here": {
			[]schedfacts.Rival{rival(1, 0, 0, session("1", 0)), rival(2, 0, 1, session("1", 0)), rival(3, 0, 0)},
			512. / 1536,
		},
		"cgroups of version 2": {[]schedfacts.Rival{rival(1, 0, 0, weighted("/a", 50)), rival(2, 0, 0, weighted("/b", 100))}, 1. / 3},
		"a cgroup of 512":      {[]schedfacts.Rival{rival(1, 0, 0, cgroup("/a", 512)), rival(2, 0, 0, cgroup("/b", 1024))}, 1. / 3},
		"a cgroup in a cgroup": {
			[]schedfacts.Rival{
				rival(1, 0, 0, cgroup("/a", 1024), cgroup("/a/x", 1024)),
				rival(2, 0, 0, cgroup("/a", 1024), cgroup("/a/y", 3072)), rival(3, 0, 0),
			},
			0.125,
		},
		"a cgroup with idle": {
			[]schedfacts.Rival{rival(1, 0, 0, schedfacts.ShareGroup{Name: "/i", Idle: true}), rival(2, 0, 0)},
			3. / 1027,
		},
		"who is not runnable": {[]schedfacts.Rival{rival(1, 19, 0), rival(2, 0, 0)}, 15. / 1039},
		"with a nested group": {
			[]schedfacts.Rival{rival(1, 0, 0, cgroup("/a", 1024)), rival(2, 0, 0, cgroup("/a", 1024), cgroup("/a/x", 1024))},
			0.5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			task := &schedfacts.Process{Row: procfacts.Row{P: c.rivals[0].P}, Rivals: c.rivals, Sched: &schedfacts.Snapshot{}}
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
	// A quota is the narrower bound only where it is below the share.
	for _, c := range []struct {
		cpus    float64
		bounded bool
	}{{0.2, true}, {0.6, false}} {
		two := []schedfacts.Rival{rival(1, 0, 0), rival(2, 0, 0)}
		task := &schedfacts.Process{
			Row: procfacts.Row{P: two[0].P}, Rivals: two, Sched: &schedfacts.Snapshot{}, Bounded: true, Bound: cgroupfacts.Throttle{CPUs: c.cpus},
		}
		if says := readShare(task); strings.Contains(says, "quota limits it") != c.bounded {
			t.Errorf("with half a CPU and a quota of %v: %q", c.cpus, says)
		}
	}
	unseen := []schedfacts.Rival{rival(1, 0, 0, cgroup("/a", 1024)), rival(2, 0, 0, cgroup("/../b", 0))}
	if v := cpuShare(&schedfacts.Process{Row: procfacts.Row{P: unseen[0].P}, Rivals: unseen}); v.Has() {
		t.Errorf("with a group of unknown weight the share is %v", v)
	}
	if v := cpuShare(&schedfacts.Process{Row: procfacts.Row{P: fifo.P}, Rivals: []schedfacts.Rival{fifo}}); v.Has() {
		t.Errorf("a SCHED_FIFO task has a share of %v", v)
	}
}

// The mode of preemption is taken from where the kernel shows it, in order; where
// it shows it in part, no more is said.
func TestPreemption(t *testing.T) {
	old, lazy, seven := version(5, 10), version(6, 18), version(7, 0)
	for name, c := range map[string]struct {
		s    schedfacts.Snapshot
		on   inspect.Version
		want string
	}{
		"debugfs": {
			schedfacts.Snapshot{Debug: schedfacts.Debugfs{Preempt: "lazy"}, Build: "#1 SMP PREEMPT_DYNAMIC", Cmdline: "preempt=none"},
			lazy, "lazy",
		},
		"real time":        {schedfacts.Snapshot{Build: "#1 SMP PREEMPT_RT Debian 6.12"}, lazy, "rt"},
		"real time of 4.x": {schedfacts.Snapshot{Build: "#1 SMP PREEMPT RT Debian 4.19"}, old, "rt"},
		"command line": {
			schedfacts.Snapshot{
				Build: "#1 SMP PREEMPT_DYNAMIC", Cmdline: "ro preempt=voluntary quiet",
				Config: map[string]string{"CONFIG_PREEMPT": "y"},
			},
			lazy, "voluntary",
		},
		"refused since 7.0": {
			schedfacts.Snapshot{
				Build: "#1 SMP PREEMPT_DYNAMIC", Cmdline: "preempt=none",
				Config: map[string]string{"CONFIG_PREEMPT_LAZY": "y"},
			},
			seven, "lazy",
		},
		"taken since 7.0": {
			schedfacts.Snapshot{
				Build: "#1 SMP PREEMPT_DYNAMIC", Cmdline: "preempt=full",
				Config: map[string]string{"CONFIG_PREEMPT_LAZY": "y"},
			},
			seven, "full",
		},
		"not known before 6.13": {
			schedfacts.Snapshot{Build: "#1 SMP PREEMPT_DYNAMIC", Cmdline: "preempt=lazy", Config: map[string]string{"CONFIG_PREEMPT": "y"}},
			version(6, 12), "full",
		},
		"not dynamic": {
			schedfacts.Snapshot{Build: "#1 SMP", Cmdline: "preempt=full", Config: map[string]string{"CONFIG_PREEMPT_NONE": "y"}},
			old, "none",
		},
		"another option": {
			schedfacts.Snapshot{
				Build: "#1 SMP PREEMPT_DYNAMIC", Cmdline: "preempt=sideways",
				Config: map[string]string{"CONFIG_PREEMPT": "y"},
			},
			lazy, "full",
		},
		"uname":            {schedfacts.Snapshot{Build: "#1 SMP PREEMPT"}, old, "full"},
		"uname since 6.13": {schedfacts.Snapshot{Build: "#1 SMP PREEMPT"}, lazy, fullOrLazy},
		"uname and options": {
			schedfacts.Snapshot{Build: "#1 SMP PREEMPT", Config: map[string]string{"CONFIG_PREEMPT_LAZY": "y"}}, lazy,
			"lazy",
		},
		"configuration": {
			schedfacts.Snapshot{
				Build:  "#1 SMP PREEMPT_DYNAMIC",
				Config: map[string]string{"CONFIG_PREEMPT": "n", "CONFIG_PREEMPT_VOLUNTARY": "y"},
			},
			lazy, "voluntary",
		},
		"uname of an unknown version": {schedfacts.Snapshot{Build: "#1 SMP PREEMPT"}, inspect.Version{}, fullOrLazy},
		"command line of an unknown version": {
			schedfacts.Snapshot{Build: "#1 SMP PREEMPT_DYNAMIC", Cmdline: "preempt=none"}, inspect.Version{}, "",
		},
		"nowhere":               {schedfacts.Snapshot{Build: "#1 SMP PREEMPT_DYNAMIC"}, lazy, ""},
		"not in uname":          {schedfacts.Snapshot{Build: "#1 SMP"}, old, noneOrVoluntary},
		"nothing is to be seen": {schedfacts.Snapshot{}, old, ""},
	} {
		c.s.Settings = &inspect.Settings{Host: &inspect.Host{Kernel: inspect.KernelOf(c.on), Arch: "x86_64"}}
		got, from := preemption(&c.s)
		if got != c.want || (got == "") != (from == "") {
			t.Errorf("%s: %q, %q; want %q", name, got, from, c.want)
		}
		c.s.Tick = 4 * time.Millisecond
		// Only a kernel in which almost everything can be preempted preempts a task at the tick itself.
		if says := readTick(&c.s); strings.HasSuffix(says, "slice is preempted.") != (got == "full" || got == "rt") {
			t.Errorf("%s: %s says %q", name, got, says)
		}
	}
}

// What is said of one task, by its policy and groups.
func TestReadings(t *testing.T) {
	host := &inspect.Host{Kernel: inspect.KernelOf(version(6, 18)), Arch: "x86_64"}
	task := func(policy int8, state byte, groups ...schedfacts.ShareGroup) *schedfacts.Process {
		p := &procfacts.Process{
			PID: 5, Policy: policy, State: state, Autogroup: -1,
			Sched: &procfacts.TaskSched{Util: 410, HasVruntime: true, Vruntime: 5e9, Slice: inspect.Unset},
		}
		s := &schedfacts.Snapshot{Settings: &inspect.Settings{Host: host}, Debug: schedfacts.Debugfs{FairRuntime: 50e6, FairPeriod: 1e9}}
		return &schedfacts.Process{
			Sched:  s,
			Row:    procfacts.Row{Host: &procfacts.Shared{Host: host}, P: p},
			Rivals: []schedfacts.Rival{{P: p, Groups: groups}},
		}
	}
	value := func(t *schedfacts.Process, key string) explain.Value {
		for _, sec := range Process().Sections {
			for _, f := range sec.Fields {
				if f.Key == key {
					return f.Get(t)
				}
			}
		}
		panic(key)
	}
	for _, policy := range []int8{policyFIFO, policyRR, policyDeadline} {
		rt := task(policy, 'S', session("5", 0))
		for _, key := range []string{"se_avg_util_avg", "se_vruntime", "sched_group", "weight", "cpu_share"} {
			if v := value(rt, key); v.Has() {
				t.Errorf("policy %d: %s is %v, and the kernel does not keep it for such a task", policy, key, v)
			}
		}
		if v := value(rt, "rt_priority"); v.Has() != (policy != policyDeadline) {
			t.Errorf("policy %d: the priority is %v", policy, v)
		}
	}
	if v := value(task(0, 'R'), "rt_priority"); v.Has() {
		t.Errorf("a default task has the priority %v", v)
	}
	for _, f := range policyFields() {
		if f.Key != "weight" && f.Key != "policy" && f.Key != "rt_priority" {
			continue
		}
		if says := f.Reading(task(0, 'Z')); !strings.HasPrefix(says, "It has ended") {
			t.Errorf("%s of a zombie: %q", f.Key, says)
		}
	}
	if says := readPolicy(task(policyFIFO, 'R')); !strings.Contains(says, "fair server gives fair tasks 50 ms of each 1 s") {
		t.Error(says)
	}
	says := readPolicy(task(policyIdle, 'R', session("5", 0)))
	if strings.Contains(says, "no one") || !strings.Contains(says, "alone in its group") {
		t.Error(says)
	}
	if says := readNice(task(0, 'R', cgroup("/batch", 1024))); !strings.Contains(says, "of cgroup /batch") {
		t.Error(says)
	}
	asleep, awake := task(0, 'D'), task(0, 'R')
	for _, f := range computed() {
		if f.Key != "se_avg_util_avg" && f.Key != "se_vruntime" {
			continue
		}
		if !strings.Contains(f.Reading(asleep), "last slept") || strings.Contains(f.Reading(awake), "last slept") {
			t.Errorf("%s: %q, %q", f.Key, f.Reading(asleep), f.Reading(awake))
		}
	}
}

// Over an interval what is said of turns, waiting and stops is of the interval.
func TestOverAnInterval(t *testing.T) {
	host := &inspect.Host{Kernel: inspect.KernelOf(version(6, 18))}
	begin := time.Unix(1000, 0)
	at := func(n int64, ran, waited, timeslices inspect.Num, periods, throttled uint64) *schedfacts.Process {
		p := &procfacts.Process{PID: 5, State: 'R', Ran: ran, Waited: waited, Turns: timeslices}
		return &schedfacts.Process{
			Row:     procfacts.Row{Host: &procfacts.Shared{Host: host, At: begin.Add(time.Duration(n) * time.Second)}, P: p},
			Bounded: true,
			Bound: cgroupfacts.Throttle{
				Counted: true,
				Path:    "/batch", CPUs: 0.2, Periods: periods, Throttled: throttled,
				Stood: time.Duration(n) * time.Second,
			},
		}
	}
	was, now := at(0, 100e9, 300e9, 1000, 773, 745), at(2, 101e9, 301e9, 1500, 793, 745)
	read := func(task *schedfacts.Process, key string) (float64, string) {
		for _, f := range append(cpuUse(), quotaFields()...) {
			if f.Key == key {
				return f.Get(task).Float(), f.Reading(task)
			}
		}
		panic(key)
	}
	if f, says := read(was, "cpu_throttled"); f < 0.96 || !strings.Contains(says, "745 of 773 periods since it was made") {
		t.Errorf("%v, %q", f, says)
	}
	card := explain.Card[*schedfacts.Process]{Rules: boundRules()}
	found := lower.Explain(&card, was, nil).Findings
	if len(found) != 1 || found[0].Level != explain.Notice || found[0].Basis != explain.Ever {
		t.Errorf("what was once, in 96 %% of the periods, is a notice and no more: %+v", found)
	}
	now.Was = was
	for key, want := range map[string]struct {
		value float64
		says  string
	}{
		"mean_turn":     {0.002, "500 timeslices in the last 2 s"},
		"mean_wait":     {0.002, "500 timeslices in the last 2 s"},
		"wait_time":     {301, "in the last 2 s: 50 %"},
		"run_time":      {101, "in the last 2 s"},
		"cpu_throttled": {0, "0 of 20 periods in the last 2 s"},
	} {
		if f, says := read(now, key); math.Abs(f-want.value) > 1e-9 || !strings.Contains(says, want.says) {
			t.Errorf("%s: %v, %q", key, f, says)
		}
	}
	if v := boundRules()[0].Of(now); v.Float() != 0 {
		t.Errorf("not stopped in the interval, and yet %v", v)
	}
	now.Bound.Throttled += 20
	if v := boundRules()[0].Of(now); v.Float() != 1 {
		t.Errorf("stopped in all periods of the interval, and yet %v", v)
	}
	free := at(0, 1, 1, 1, 0, 0)
	free.Bounded = false
	for _, f := range quotaFields() {
		if v := f.Get(free); v.Has() || v.Unlimited() != (f.Key == "cpu_quota") {
			t.Errorf("%s of a task without a bound: %v, %v", f.Key, v, v.Reason())
		}
	}
}

// The sentence of a row of the table.
func TestWhy(t *testing.T) {
	host := &procfacts.Shared{Host: &inspect.Host{Kernel: inspect.KernelOf(version(6, 18))}, At: time.Unix(1002, 0)}
	for name, c := range map[string]struct {
		p    procfacts.Process
		want string
	}{
		"a zombie": {
			procfacts.Process{State: 'Z', Policy: policyIdle, Ran: 5e6, Waited: 5e6, Turns: 1},
			"ended: it needs no CPU any more",
		},
		"idle": {
			procfacts.Process{State: 'S', Policy: policyIdle, Ran: 5e6, Waited: 5e6, Turns: 1},
			"gets what others of its group leave; waits 5 ms for a timeslice of 5 ms",
		},
		"FIFO": {
			procfacts.Process{State: 'S', Policy: policyFIFO, Ran: 4e6, Waited: 2e6, Turns: 2},
			"runs before every fair task; waits 1 ms for a timeslice of 2 ms",
		},
		"has waited": {procfacts.Process{State: 'S', Ran: 0, Waited: 0, Turns: 0}, "did not want a CPU"},
	} {
		if got := string(why(nil, procfacts.Row{Host: host, P: &c.p})); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	// How often its cgroup was stopped is of the interval too.
	host.Throttled = map[int32]cgroupfacts.Throttle{7: {Path: "/b", CPUs: 0.2, Periods: 120, Throttled: 100, Counted: true}}
	before := &procfacts.Shared{
		At: time.Unix(1000, 0), Host: host.Host,
		Throttled: map[int32]cgroupfacts.Throttle{7: {Path: "/b", CPUs: 0.2, Periods: 100, Throttled: 95, Counted: true}},
	}
	p := procfacts.Process{PID: 7, State: 'R', Ran: 2e6, Waited: 2e6, Turns: 2}
	was := procfacts.Process{PID: 7, State: 'R', Ran: 1e6, Waited: 1e6, Turns: 1}
	host.Was = before
	got := string(why(nil, procfacts.Row{Host: host, P: &p, Was: &was}))
	if !strings.HasSuffix(got, "was stopped in 25 % of its periods over the interval") {
		t.Errorf("%q", got)
	}
	delete(before.Throttled, 7)
	got = string(why(nil, procfacts.Row{Host: host, P: &p, Was: &was}))
	if !strings.HasSuffix(got, "was throttled in 83 % of its periods since it was created") {
		t.Errorf("%q", got)
	}
}

// What a cgroup's settings do is said of all of them.
func TestWhyGroup(t *testing.T) {
	s := &schedfacts.Snapshot{}
	bounded := cgroupfacts.CPU{
		Bounded: true, CPUs: 0.2, Period: 100000,
		Stat: inspect.Counters{"nr_periods": 100, "nr_throttled": 50}, Shares: inspect.Unset, Weight: 50, Cpuset: "0",
	}
	idle := bounded
	idle.Idle = true
	lifted := cgroupfacts.CPU{Stat: inspect.Counters{"nr_throttled": 5}, Shares: 1024, Weight: inspect.Unset}
	for want, g := range map[string]cgroupfacts.CPU{
		"50 % of its periods of 0.1 s since it was made ended early: then its fair tasks are stopped until the quota is filled up " +
			"again; " +
			"50 % of what a sibling with default settings gets, where both want all they can get; restricted to CPUs 0": bounded,
		"50 % of its periods of 0.1 s since it was made ended early: then its fair tasks are stopped until the quota is filled up " +
			"again; cpu.idle: " +
			"it gets what others leave, at the weight of SCHED_IDLE; restricted to CPUs 0": idle,
		"was throttled before its quota was removed":                                           lifted,
		"200 % of what a sibling with default settings gets, where both want all they can get": {Shares: 2048, Weight: inspect.Unset},
	} {
		if got := whyGroup(schedfacts.Parts[cgroupfacts.CPU]{In: s, List: []cgroupfacts.CPU{g}}.At(0)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Of a cgroup's counters that were not seen, or that went back in an interval, as those of one that was made
// again do, nothing is said.
func TestThrottlingThatIsNotKnown(t *testing.T) {
	of := func(periods, throttled uint64, why inspect.Reason) cgroupfacts.CPU {
		g := cgroupfacts.CPU{Path: "/b", Bounded: true, CPUs: 0.2, Period: 100000, Shares: inspect.Unset, Weight: inspect.Unset, NoStat: why}
		if why == inspect.Present {
			g.Stat = inspect.Counters{"nr_periods": periods, "nr_throttled": throttled}
		}
		return g
	}
	for want, c := range map[string]struct {
		now, was cgroupfacts.CPU
		why      inspect.Reason
	}{
		"whether it was throttled in this interval is not known: its counters went back": {
			of(3, 0, inspect.Present), of(100, 50, inspect.Present), inspect.Reset,
		},
		"whether it was throttled is not known: cpu.stat is not in this copy": {
			of(0, 0, inspect.NotSaved), of(100, 50, inspect.Present), inspect.NotSaved,
		},
		"never throttled in this interval":  {of(120, 50, inspect.Present), of(100, 50, inspect.Present), inspect.Present},
		"never throttled since it was made": {of(120, 0, inspect.Present), of(0, 0, inspect.Denied), inspect.Present},
	} {
		host := &inspect.Host{}
		s := &schedfacts.Snapshot{Settings: &inspect.Settings{Host: host, At: time.Unix(2, 0)}, Groups: []cgroupfacts.CPU{c.now}}
		s.Was = &schedfacts.Snapshot{Settings: &inspect.Settings{Host: host, At: time.Unix(1, 0)}, Groups: []cgroupfacts.CPU{c.was}}
		r := schedfacts.Parts[cgroupfacts.CPU]{In: s, List: s.Groups, Same: schedfacts.SameGroup}.At(0)
		if got := whyGroup(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if v := groupRules()[0].Of(r); v.Has() != (c.why == inspect.Present) || v.Reason() != c.why {
			t.Errorf("%s: the rule measures %v (%v), want %v", want, v, v.Reason(), c.why)
		}
	}
}

// Over an interval the CPUs' time is that of the interval: seconds that grew and
// one share of them.
func TestCPUTimeOverAnInterval(t *testing.T) {
	host := &inspect.Host{Kernel: inspect.KernelOf(version(6, 18)), CPUs: 1}
	at := func(n int64, user, idle, steal uint64) *schedfacts.Snapshot {
		return &schedfacts.Snapshot{
			Settings: &inspect.Settings{Host: host, At: time.Unix(n, 0)},
			All:      schedfacts.CPUTimes{User: user, Idle: idle, Steal: steal},
		}
	}
	now := at(1002, 22154, 10046, 18)
	now.Was = at(1000, 22000, 10000, 18)
	card := Host()
	rep := lower.Explain(&card, now, nil)
	for key, want := range map[string]struct {
		grown float64
		says  string
	}{
		"cpu_user":  {1.54, "77 %: programs' own code"},
		"cpu_idle":  {0.46, "23 %: nothing to do"},
		"cpu_steal": {0, "the hypervisor kept none of it from this host"},
		"cpu_time":  {2, "in the last 2 s"},
	} {
		c := rep.Cell(key)
		if math.Abs(c.Grown.Float()-want.grown) > 1e-9 || !c.Grown.Has() || !strings.Contains(c.Reading, want.says) {
			t.Errorf("%s: %v, %q", key, c.Grown, c.Reading)
		}
		if c.Value.Float() <= c.Grown.Float() {
			t.Errorf("%s: JSON's value is %v, since boot it is more", key, c.Value)
		}
	}
	if v := rep.Cell("load_active"); v.Value.Reason() != inspect.NoUpdate || !strings.Contains(v.Hint, "--interval 6s") {
		t.Errorf("%v: %q", v.Value.Reason(), v.Hint)
	}
	alone := lower.Explain(&card, at(1000, 1, 1, 0), nil)
	if v := alone.Cell("load_active"); v.Value.Reason() != inspect.NoInterval || v.Hint != "add --interval 6s" {
		t.Errorf("%v: %q", v.Value.Reason(), v.Hint)
	}
	if says := alone.Cell("cpu_steal").Reading; !strings.Contains(says, "no hypervisor") {
		t.Errorf("%q", says)
	}
}

// A time that fell over the interval, as iowait does on healthy hosts, has no share and no
// growth, and its total since boot stands for neither; the others share what they grew by.
func TestATimeThatFell(t *testing.T) {
	host := &inspect.Host{Kernel: inspect.KernelOf(version(6, 18)), CPUs: 1}
	at := func(n int64, user, idle, iowait, steal uint64) *schedfacts.Snapshot {
		return &schedfacts.Snapshot{
			Settings: &inspect.Settings{Host: host, At: time.Unix(n, 0)},
			All:      schedfacts.CPUTimes{User: user, Idle: idle, IOWait: iowait, Steal: steal},
		}
	}
	now := at(1002, 22050, 10150, 472011, 890)
	now.Was = at(1000, 22000, 10000, 472016, 900)
	card := Host()
	rep := lower.Explain(&card, now, nil)
	for _, key := range []string{"cpu_iowait", "cpu_steal"} {
		c := rep.Cell(key)
		if c.Shown().Has() || c.Shown().Reason() != inspect.Reset || !strings.Contains(c.Reading, "It fell by ") {
			t.Errorf("%s: %v (%q), %q", key, c.Shown(), c.Shown().Reason(), c.Reading)
		}
	}
	if c := rep.Cell("cpu_time"); math.Abs(c.Grown.Float()-2) > 1e-9 || math.Abs(c.Rate.Float()-1) > 1e-9 ||
		!strings.Contains(c.Reading, "Without steal and iowait, of which nothing is known") {
		t.Errorf("all of the time: %v, %v a second, %q", c.Grown, c.Rate, c.Reading)
	}
	// 50 of user and 150 of idle, whatever the others lost.
	for key, says := range map[string]string{"cpu_user": "25 %: ", "cpu_idle": "75 %: "} {
		if c := rep.Cell(key); !strings.HasPrefix(c.Reading, says) {
			t.Errorf("%s: %q does not say %q", key, c.Reading, says)
		}
	}
	for _, r := range lower.JudgeCard(&card, now, nil).Rules {
		if r.ID == "sched.steal" && r.Measure.Has() {
			t.Errorf("steal that fell is measured as %v", r.Measure)
		}
	}
	if text := Health(now); strings.Contains(text.Errors, "steal") || !strings.Contains(text.Utilisation, "25 % busy") {
		t.Errorf("%+v", text)
	}
}

// The base slice is what most default tasks have, though kwhy itself is real time
// and one asked for a slice of its own.
func TestBaseSlice(t *testing.T) {
	task := func(pid int32, policy int8, slice inspect.Num) procfacts.Process {
		return procfacts.Process{PID: pid, Policy: policy, Sched: &procfacts.TaskSched{Slice: slice}}
	}
	ps := &procfacts.Processes{
		Rows: []procfacts.Process{task(1, 0, 3e6), task(2, 0, 1.4e6), {PID: 3}, task(4, 3, 1.4e6), task(5, policyFIFO, inspect.Unset)},
	}
	ps.Host.Self = 5
	s := &schedfacts.Snapshot{
		Procs:    ps,
		Settings: &inspect.Settings{Host: &inspect.Host{Kernel: inspect.KernelOf(version(6, 18)), CPUs: 2}},
		Debug:    schedfacts.Debugfs{BaseSlice: inspect.Unset, Latency: inspect.Unset},
	}
	if n := baseSliceNS(s); n != 1.4e6 {
		t.Errorf("%d ns", n)
	}
	s.Debug.BaseSlice = 2.8e6
	if n := baseSliceNS(s); n != 2.8e6 {
		t.Errorf("debugfs says 2.8 ms, and it is %d ns", n)
	}
}

func TestUclamp(t *testing.T) {
	p := &procfacts.Process{Sched: &procfacts.TaskSched{UclampMin: 512, UclampMax: 1024}}
	task := &schedfacts.Process{Row: procfacts.Row{P: p}}
	at := func(key string) taskField {
		for _, f := range computed() {
			if f.Key == key {
				return f
			}
		}
		panic(key)
	}
	least, most := at("uclamp_min"), at("uclamp_max")
	if v, w := least.Get(task), most.Get(task); v.Float() != 0.5 || w.Float() != 1 {
		t.Errorf("%v to %v", v, w)
	}
	for _, c := range []struct {
		least, most inspect.Num
		says        string
	}{{512, 1024, ""}, {0, 1024, "No limit"}, {1024, 1024, "fastest"}} {
		p.Sched.UclampMin, p.Sched.UclampMax = c.least, c.most
		if got := least.Reading(task); !strings.Contains(got, c.says) || (got == "") != (c.says == "") {
			t.Errorf("%d to %d: %q", c.least, c.most, got)
		}
	}
	p.Sched.UclampMin = inspect.Unset
	if v := least.Get(task); v.Reason() != inspect.Unsupported {
		t.Errorf("without the option: %v", v.Reason())
	}
}

// A thread that stood ready over the interval is told of, though the process's clocks, which have it not yet,
// say that it waited for nothing; where the reading is of one thread, its siblings do not count.
func TestOneThreadStarves(t *testing.T) {
	thread := func(pid int32, ran, turns inspect.Num) procfacts.Process {
		return procfacts.Process{PID: pid, TGID: 5, State: 'R', Ran: ran, Turns: turns}
	}
	at := func(n int64, ran inspect.Num, threads ...procfacts.Process) *schedfacts.Process {
		p := &procfacts.Process{PID: 5, TGID: 5, State: 'R', Ran: ran, Waited: 300e3 * inspect.Num(n), Turns: 10 * inspect.Num(n), Threads: 2}
		h := &procfacts.Shared{Host: &inspect.Host{}, At: time.Unix(n, 0)}
		return &schedfacts.Process{Row: procfacts.Row{Host: h, P: p}, Threads: &procfacts.Processes{Rows: threads}}
	}
	now := at(3, 4e9, thread(5, 4e9, 90), thread(6, 7, 3))
	now.Was = at(1, 2e9, thread(5, 2e9, 80), thread(6, 7, 3))
	if says := readWaited(now); !strings.HasPrefix(says, "1 thread was ready and did not run in the last 2 s") {
		t.Errorf("%q", says)
	}
	now.Was.Threads.Rows[1].Turns = 2
	if says := readWaited(now); !strings.HasPrefix(says, "Ready and not on a CPU, in the last 2 s: <0.1 %") {
		t.Errorf("it had a turn: %q", says)
	}
	now.Was.Threads.Rows[1].Turns, now.Row.P.PID = 3, 7
	if says := readWaited(now); strings.Contains(says, "thread was ready") {
		t.Errorf("a thread that is not it: %q", says)
	}
}

// One of SCHED_DEADLINE that stood ready is not laid to others: its own runtime may be used up.
func TestDeadlineIsNotStarvedByOthers(t *testing.T) {
	task := &schedfacts.Process{Row: procfacts.Row{P: &procfacts.Process{Policy: policyDeadline}}}
	if says := heldBack(task); !strings.Contains(says, "once its runtime is used up") {
		t.Errorf("%q", says)
	}
	if task.Row.P.Policy = policyFIFO; heldBack(task) != "" {
		t.Errorf("%q", heldBack(task))
	}
}
