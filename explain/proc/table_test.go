package proc

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kwhy/explain"
	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	procfacts "kwhy/inspect/proc"
	"kwhy/inspect/wait"
)

// on is a process on a host that has been up for ten seconds.
func on(p procfacts.Process) row {
	h := &procfacts.Shared{
		Host:   &inspect.Host{Kernel: inspect.KernelOf(inspect.Version{Major: 6, Minor: 18}), Arch: "x86_64"},
		Uptime: 10, All: &procfacts.Processes{},
	}
	h.All.Host = *h
	return row{Host: h, P: &p}
}

// A process that was started in this hundredth of a second has no share of it yet, on
// every kernel.
func TestCPUOfTheNewborn(t *testing.T) {
	if v := CPU().Get(on(procfacts.Process{Start: 1000})); v.Has() || v.Reason() != inspect.NoInterval {
		t.Errorf("%v, %v", v, v.Reason())
	}
	if v := CPU().Get(on(procfacts.Process{Start: 500, UTime: 50})); v.Float() != 0.1 {
		t.Errorf("%v", v)
	}
	late := on(procfacts.Process{Start: 999, UTime: 50}) // half a second in a hundredth: its stat was read later
	if late.Host.Host.CPUs = 2; CPU().Get(late).Has() {
		t.Errorf("%v", CPU().Get(late))
	}
}

// Uptime and start have hundredths, and so has what is between them.
func TestAgeHasHundredths(t *testing.T) {
	for start, want := range map[uint64]float64{1176: 987654420.34, 98765431634: 115.76, 98765443151: 0.59, 98765443210: 0} {
		p := on(procfacts.Process{Start: start})
		p.Host.Uptime = 987654432.10 // of 31 years
		if got := Age().Get(p).Float(); got != want {
			t.Errorf("started at tick %d: %v, want %v", start, got, want)
		}
	}
}

func TestStuck(t *testing.T) {
	level := func(p row) (l explain.Level) {
		for _, r := range rowRules() {
			if v := r.Of(p); r.ID == "proc.uninterruptible" && v.Has() {
				l = explain.Level(v.Int())
			}
		}
		return l
	}
	for name, c := range map[string]struct {
		p, was procfacts.Process
		want   explain.Level
	}{
		"asleep":              {procfacts.Process{State: 'S'}, procfacts.Process{}, explain.OK},
		"in D once":           {procfacts.Process{State: 'D', Voluntary: 7}, procfacts.Process{State: 'S', Voluntary: 7}, explain.Notice},
		"in D again":          {procfacts.Process{State: 'D', Voluntary: 7}, procfacts.Process{State: 'D', Voluntary: 6}, explain.Notice},
		"in D all the time":   {procfacts.Process{State: 'D', Voluntary: 7}, procfacts.Process{State: 'D', Voluntary: 7}, explain.Warning},
		"frozen":              {procfacts.Process{State: 'D', Frozen: true}, procfacts.Process{}, explain.OK},
		"frozen where it was": {procfacts.Process{State: 'D', Wchan: "__refrigerator"}, procfacts.Process{}, explain.OK},
	} {
		p, was := on(c.p), on(c.was)
		p.Was, p.Host.Was = was.P, was.Host
		if got := level(p); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Few switches say nothing of what a process is like.
func TestSwitches(t *testing.T) {
	for _, c := range []struct {
		waits, off inspect.Num
		says       string
	}{{0, 0, "not run"}, {2, 1, "Too few"}, {1, 2, "Too few"}, {10, 500, "More often"}, {1000, 200, "Sometimes"}, {1000, 3, "Rarely"}} {
		d := &procfacts.Detail{Row: on(procfacts.Process{Voluntary: c.waits, Forced: c.off})}
		if s := readSwitches(d); !strings.HasPrefix(s, c.says) && !strings.Contains(s, c.says) {
			t.Errorf("%d and %d: %q", c.waits, c.off, s)
		}
	}
}

// The share of disks has different words for reads and writes.
func TestCachedSaysWhichWay(t *testing.T) {
	d := &procfacts.Detail{
		Row: on(procfacts.Process{}),
		IO:  inspect.Counters{"rchar": 10, "read_bytes": 4096, "wchar": 10, "write_bytes": 4096},
	}
	for _, f := range inout() {
		if f.Key == "write_bytes" && strings.Contains(f.Reading(d), "read") || f.Key == "read_bytes" && !strings.Contains(f.Reading(d),
			"read ahead") {
			t.Errorf("%s: %q", f.Key, f.Reading(d))
		}
	}
}

// Of a task in D that seems to be in a wait which signals end, its state and its wait are of two moments:
// nothing is said of signals then.
func TestAWaitOfAnotherMoment(t *testing.T) {
	for where, want := range map[string]string{
		"do_wait": "waits for a child to end", "__iomap_dio_rw": "no signal ends that, except perhaps a fatal one such as SIGKILL",
		"fanotify_get_response": "only a fatal signal such as SIGKILL ends that", "mem_cgroup_handle_over_high": "up to 2 s at a time",
	} {
		p := on(procfacts.Process{State: 'D', Wchan: where})
		if says := string(doing(nil, p)); !strings.Contains(says, want) || where == "do_wait" && strings.Contains(says, "signal") {
			t.Errorf("%s: %q", where, says)
		}
	}
}

// The states add up to the processes that are counted, whichever field of stat is spoilt.
func TestCountedAlike(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-oom")
	files, err := filepath.Glob(dir + "/proc/[0-9]*/stat")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for i, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f := strings.Fields(string(b))
		if i%2 == 0 {
			f[8] = "x" // the flags, behind a name without blanks
		}
		if err := os.WriteFile(name, []byte(strings.Join(f, " ")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(filepath.Dir(name), "status")); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	h := inspecttest.Open(t, dir)
	ps, err := procfacts.Scan(h, inspect.Of(inspect.PIDStat, inspect.PIDStatus))
	if err != nil {
		t.Fatal(err)
	}
	users, _ := split(&procfacts.Snapshot{Procs: ps})
	sum := 0
	for _, word := range strings.Fields(readStates(&procfacts.Snapshot{Procs: ps})) {
		if n, err := strconv.Atoi(word); err == nil {
			sum += n
		}
	}
	if users == 0 || sum != users {
		t.Errorf("%d processes, and %d with a state", users, sum)
	}
}

// A frozen task names the cgroups that have to be thawed, and what holds it besides.
func TestFrozenAndWhatElse(t *testing.T) {
	for _, c := range []struct {
		state byte
		where string
		by    []string
		says  string
	}{
		{'D', "hrtimer_nanosleep", []string{"/a/b"}, "frozen with its cgroup /a/b until that is thawed"},
		{'S', "get_signal", []string{"/a"}, "frozen with cgroup /a, above its own, until that is thawed"},
		{'S', "", []string{"/a", "/a/b"}, "frozen with cgroups /a and /a/b until all of these are thawed"},
		{'S', "", nil, "frozen with its cgroup /a/b until that, or one above it, is thawed"},
		{'T', "", []string{"/a/b"}, "stopped, and frozen with its cgroup /a/b until that is thawed: SIGCONT continues it only then"},
		{'D', "do_signal_stop", []string{"/a/b"},
			"stopped, and frozen with its cgroup /a/b until that is thawed: SIGCONT continues it only then"},
		{'D', "kernel_clone", []string{"/a/b"}, "waits for its child from vfork, and frozen with its cgroup /a/b until that is thawed"},
		{'t', "ptrace_stop", []string{"/a/b"}, "stopped by its tracer, and frozen with its cgroup /a/b until that is thawed"},
	} {
		p := on(procfacts.Process{State: c.state, Wchan: c.where, Frozen: true})
		if c.where == "kernel_clone" {
			p.P.Call.Number = 58 // vfork, of amd64
		}
		p.Host.Waits = map[int32]wait.Wait{0: {Kind: wait.Frozen, Object: "/a/b", Frozen: c.by}}
		if says := string(doing(nil, p)); says != c.says {
			t.Errorf("%c in %q: %q, want %q", c.state, c.where, says, c.says)
		}
	}
}

// Who traces a zombie and is not its parent has to wait for it before the parent can.
func TestWhoReapsATracedZombie(t *testing.T) {
	for tracer, want := range map[int32]string{
		0: "ended with status 5; par (10) has to wait for it", 10: "ended with status 5; par (10) has to wait for it; traced by par (10)",
		12: "ended with status 5; trc (12), which traces it, has to wait for it first, and then par (10) has to",
	} {
		p := on(procfacts.Process{PID: 11, PPID: 10, State: 'Z', ExitCode: 5 << 8})
		p.P.Tracer = tracer
		p.Host.All.Rows = []procfacts.Process{{PID: 10, Comm: "par"}, {PID: 11}, {PID: 12, Comm: "trc"}}
		if says := string(why(nil, p)); says != want {
			t.Errorf("traced by %d: %q, want %q", tracer, says, want)
		}
	}
}

// What a thread that never got a CPU waits is in no clock yet: then it is not said that the process got one quickly.
func TestWaitedOfAStarvedThread(t *testing.T) {
	quick := &procfacts.Sample{Ran: time.Second, Waited: time.Millisecond, Took: time.Second}
	if says := readWaited(quick); says != quickly {
		t.Errorf("%q", says)
	}
	quick.Starved = 2
	if says := readWaited(quick); !strings.HasPrefix(says, "2 threads were runnable all the time and did not run") {
		t.Errorf("%q", says)
	}
}

// Of a process whose main thread has ended, how long ago that ran says nothing of the process.
func TestLastRanOfAMainThreadThatEnded(t *testing.T) {
	d := &procfacts.Detail{Row: on(procfacts.Process{PID: 7, State: 'Z', Threads: 2})}
	if v := lastRan(d); v.Reason() != inspect.Inapplicable {
		t.Errorf("%v, %v", v, v.Reason())
	}
}

// What ends a wait in D: for a FUSE server's answer no signal does once it has read the request, and a pending SIGKILL
// shows that it has; for the lock that another request holds none ever does.
func TestSignalsInD(t *testing.T) {
	for _, c := range []struct {
		where  string
		killed bool
		says   string
	}{
		{"request_wait_answer", false, "; a fatal signal such as SIGKILL ends that only as long as the server has not read the request"},
		{"request_wait_answer", true,
			"; SIGKILL is pending and does not end that: only the server's answer, or an abort of its connection, does"},
		{"fuse_lock_inode", false, "which another request to it holds; no signal ends that"},
		{"__lock_page", true, "; SIGKILL is pending and has not ended that"},
	} {
		p := on(procfacts.Process{State: 'D', Wchan: c.where})
		p.P.Killed = c.killed
		if says := string(doing(nil, p)); !strings.HasSuffix(says, c.says) {
			t.Errorf("%s: %q, want %q", c.where, says, c.says)
		}
	}
}

// A task in D that does not show where it waits, and has a child that has run no program, may be in vfork, where
// that is a healthy wait which any fatal signal ends: a notice, and no more.
func TestPerhapsInVfork(t *testing.T) {
	p := on(procfacts.Process{PID: 5, State: 'D', Voluntary: 7})
	was := *p.P
	if v := Stuck(p, &was); v.Int() != 2 {
		t.Errorf("without a child: %v", v)
	}
	p.Host.Waits = map[int32]wait.Wait{5: {Holders: []int32{6}, Sure: wait.Candidates}}
	if v := Stuck(p, &was); v.Int() != 1 {
		t.Errorf("with one: %v", v)
	}
	want := "perhaps it waits for its child from vfork, 6; no signal ends that, except perhaps a fatal one"
	if says := string(doing(nil, p)); !strings.Contains(says, want) {
		t.Errorf("%q", says)
	}
}

// A task of SCHED_DEADLINE waits for its own runtime on an idle host: others are not blamed alone, nor a quota that
// it has none of.
func TestHeldByItsOwnRuntime(t *testing.T) {
	s := &procfacts.Sample{Ran: time.Second / 10, Waited: time.Second, Took: time.Second, Deadline: true}
	p := on(procfacts.Process{State: 'R', Policy: 6, Voluntary: 1, Forced: 100})
	for _, says := range []string{readWaited(s), readSwitches(&procfacts.Detail{Row: p}), string(doing(nil, p))} {
		if !strings.Contains(says, "SCHED_DEADLINE") || strings.Contains(says, "quota") {
			t.Errorf("%q", says)
		}
	}
}

// A thread that a tracer has stopped is told on the page of its process, whose main thread goes on.
func TestAThreadThatATracerStopped(t *testing.T) {
	p := on(procfacts.Process{PID: 5, State: 'S', Threads: 2})
	p.Host.All.Rows = []procfacts.Process{{PID: 5}, {PID: 9, Comm: "strace"}}
	d := &procfacts.Detail{Row: p, Held: []procfacts.Process{{PID: 6, TGID: 5, Comm: "worker", State: 't'}}}
	if d.Held[0].Tracer = 9; heldThreads(d) != "; 1 other thread is stopped by a tracer: worker (6) by strace (9)" {
		t.Errorf("%q", heldThreads(d))
	}
	if d.Held = nil; heldThreads(d) != "" {
		t.Errorf("%q", heldThreads(d))
	}
}
