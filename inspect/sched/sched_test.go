package sched_test

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/prometheus/procfs"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/proc"
	"kwhy/inspect/sched"
)

// The times of CPUs and the counters are those that procfs reads, in its seconds.
func TestCPUTimesAsProcfs(t *testing.T) {
	text := inspecttest.LiveFile(t, "/proc/stat")
	want, err := inspecttest.Oracle(t, "stat", text).Stat()
	if err != nil {
		t.Fatal(err)
	}
	got, err := sched.ParseCPUStat([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	same := func(name string, got sched.CPUTimes, want procfs.CPUStat) {
		for _, pair := range [...]struct {
			ticks   uint64
			seconds float64
		}{{got.User, want.User}, {got.Nice, want.Nice}, {got.System, want.System}, {got.Idle, want.Idle}, {got.IOWait, want.Iowait},
			{got.IRQ, want.IRQ}, {got.SoftIRQ, want.SoftIRQ}, {got.Steal, want.Steal}, {got.Guest, want.Guest}, {got.GuestNice, want.GuestNice}} {
			if math.Abs(float64(pair.ticks)/100-pair.seconds) > 1e-6 {
				t.Errorf("%s: %d ticks, procfs says %v s", name, pair.ticks, pair.seconds)
			}
		}
	}
	same("all", got.All, want.CPUTotal)
	if len(got.CPUs) != len(want.CPU) {
		t.Fatalf("%d CPUs, procfs says %d", len(got.CPUs), len(want.CPU))
	}
	for _, c := range got.CPUs {
		same("one", c.Times, want.CPU[int64(c.ID)])
	}
	for name, n := range map[string]uint64{"ctxt": want.ContextSwitches, "processes": want.ProcessCreated,
		"procs_running": want.ProcessesRunning, "procs_blocked": want.ProcessesBlocked} {
		if got.Stat[name] != n {
			t.Errorf("%s is %d, procfs says %d", name, got.Stat[name], n)
		}
	}
}

// The configuration is read no further than all that is wanted is found, however
// it comes in pieces. So it stands in kernels of 5.10, where no option of the block
// is behind CONFIG_PREEMPT, and of 6.18.
func TestParseConfig(t *testing.T) {
	old := "#\n# Automatically generated\n# CONFIG_HZ_PERIODIC is not set\n\n# CONFIG_PREEMPT_NONE is not set\n" +
		"CONFIG_PREEMPT_VOLUNTARY=y\n# CONFIG_PREEMPT is not set\n\n#\n# CPU/Task time and stats accounting\n#\nCONFIG_TICK_CPU_ACCOUNTING=y\n"
	head := "#\n# Automatically generated\nCONFIG_PREEMPT_BUILD=y\nCONFIG_ARCH_HAS_PREEMPT_LAZY=y\nCONFIG_PREEMPT_NONE=y\n" +
		"# CONFIG_PREEMPT_VOLUNTARY is not set\n# CONFIG_PREEMPT is not set\n# CONFIG_PREEMPT_LAZY is not set\nCONFIG_PREEMPT_RT=y\n" +
		"CONFIG_PREEMPT_COUNT=y\nCONFIG_PREEMPTION=y\nCONFIG_PREEMPT_DYNAMIC=y\nCONFIG_SCHED_CORE=y\n"
	tail := "CONFIG_HZ_250=y\nCONFIG_HZ=250"
	for name, text := range map[string]string{"whole": head + tail, "with a line behind": head + tail + "\nCONFIG_X=y\n"} {
		got, err := sched.ParseConfig(iotest.OneByteReader(strings.NewReader(text)), true)
		if err != nil || got["CONFIG_PREEMPT_NONE"] != "y" || got["CONFIG_PREEMPT"] != "n" || got["CONFIG_HZ"] != "250" ||
			got["CONFIG_X"] != "" ||
			got["CONFIG_PREEMPT_BUILD"] != "" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if got, err := sched.ParseConfig(strings.NewReader("nothing\n"), true); err == nil {
		t.Errorf("%v", got)
	}
	if got, err := sched.ParseConfig(strings.NewReader(head+strings.Repeat("x", 1<<20)), true); err == nil {
		t.Errorf("%v of a line that does not end", got)
	}
	rest := iotest.ErrReader(os.ErrClosed)
	if got, err := sched.ParseConfig(io.MultiReader(strings.NewReader(head), rest), false); err != nil || got["CONFIG_PREEMPT_RT"] != "y" ||
		got["CONFIG_PREEMPT_DYNAMIC"] != "y" {
		t.Errorf("%v, %v: it reads on though it has all", got, err)
	}
	if got, err := sched.ParseConfig(io.MultiReader(strings.NewReader(old), rest), false); err != nil ||
		got["CONFIG_PREEMPT_VOLUNTARY"] != "y" ||
		len(got) != 3 {
		t.Errorf("%v, %v: of 5.10", got, err)
	}
	if got, err := sched.ParseConfig(io.MultiReader(strings.NewReader(head+tail+"\nCONFIG_X=y\n"), rest), true); err != nil ||
		got["CONFIG_HZ"] != "250" {
		t.Errorf("%v, %v: it reads on though it has the tick", got, err)
	}
}

// As Linux 6.12 and 7.3 write it; before 6.6 there is no such column.
const schedDebug = `Sched Debug Version: v0.11, 6.12.118
cpu#0, 2500.000 MHz
  .nr_running                    : 1

cfs_rq[0]:/batch
  .avg_vruntime                  : 7332.100000
cfs_rq[0]:/
  .avg_vruntime                  : 100.000000

rt_rq[0]:
  .rt_nr_running                 : 0

runnable tasks:
 S            task   PID       vruntime   eligible    deadline             slice          sum-exec      switches  prio       ` +
	`  wait-time        sum-sleep       sum-block  node   group-id  group-path
-----
 R       throttled   152      7331.000000   E      7333.400000           1.400000      3710.000000       256   120      0.0 ` +
	`0.0 0.0 0 0 /batch
 R          a 131 1  133        12.345678   N        13.745678           1.400000      3710.000000       256   120      0.0 0.0 0.0 0 0 /

cpu#1, 2500.000 MHz
cfs_rq[1]:/
  .avg_vruntime                  : 20400.500000
runnable tasks:
 S            task   PID       vruntime   eligible    deadline             slice          sum-exec      switches  prio       ` +
	`  wait-time        sum-sleep       sum-block  node   group-id  group-path
-----
>R          task-1   131     20401.000000   N     20402.400000   S       3.000000     19500.000000      3977   120      0.0 0.0 0.0 0 0 /
`

func TestParseLag(t *testing.T) {
	for pid, want := range map[int32]sched.Lag{
		131: {Eligible: false, Deadline: 20402400000, Vruntime: 20401000000, Mean: 20400500000, HasMean: true},
		152: {Eligible: true, Deadline: 7333400000, Vruntime: 7331000000, Mean: 7332100000, HasMean: true},
		133: {Eligible: false, Deadline: 13745678, Vruntime: 12345678, Mean: 100000000, HasMean: true},
	} {
		if got, ok := sched.ParseLag([]byte(schedDebug), pid); !ok || got != want {
			t.Errorf("%d: %+v, %v; want %+v", pid, got, ok, want)
		}
	}
	// 7.3 has the weight there too.
	newer := strings.NewReplacer("PID       vruntime", "PID     weight       vruntime", "   131     20401", "   131    1048576     20401").
		Replace(schedDebug)
	if got, ok := sched.ParseLag([]byte(newer), 131); !ok || got.Vruntime != 20401000000 {
		t.Errorf("%+v, %v", got, ok)
	}
	if got, ok := sched.ParseLag([]byte(schedDebug), 1); ok {
		t.Errorf("%+v, and it is not there", got)
	}
	if got, ok := sched.ParseLag([]byte(strings.ReplaceAll(schedDebug, "eligible", "tree-key")), 131); ok {
		t.Errorf("%+v of a kernel that does not say", got)
	}
}

// On recorded hosts, whose tasks are known: two compete at nice 0 and 5 on CPU 1,
// one is FIFO at 10, one has deadlines, one is in a cgroup that may use 0.2 CPUs.
func TestRecordedScheduling(t *testing.T) {
	for _, name := range inspecttest.AllHosts(t) {
		if !strings.HasSuffix(name, "-sched") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			h := inspecttest.Open(t, inspecttest.Recorded(t, name))
			ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat, inspect.PIDSched, inspect.PIDSchedstat))
			if err != nil {
				t.Fatal(err)
			}
			s, err := sched.Take(h, ps, nil, inspecttest.Everything)
			if err != nil {
				t.Fatal(err)
			}
			byName := map[string]*proc.Process{}
			for i := range ps.Rows {
				byName[ps.Rows[i].Comm] = &ps.Rows[i]
			}
			one, two := byName["task-1"], byName["task-2"]
			if one == nil || two == nil || one.Nice != 0 || two.Nice != 5 || one.Sched.Weight != 1024*1024 || two.Sched.Weight != 335*1024 {
				t.Fatalf("%+v, %+v", one, two)
			}
			// What they got is what their weights give them, of the time that they both ran.
			if f := float64(two.Ran) / float64(one.Ran+two.Ran); math.Abs(f-335./1359) > 0.02 {
				t.Errorf("the one at nice 5 got %.3f of the CPU", f)
			}
			if (one.Sched.Slice == inspect.Unset) != h.Kernel.Oldest.Before(inspect.Version{Major: 6, Minor: 6}) {
				t.Errorf("a slice of %d on Linux %v", one.Sched.Slice, h.Kernel)
			}
			policies := map[int8]bool{}
			for _, task := range s.Realtime {
				policies[task.P.Policy] = true
				if run, end, period := task.Deadline(); run != inspect.Unset || end != inspect.Unset || period != inspect.Unset {
					t.Errorf("%d of %d ns in %d: a copy can't be asked", run, end, period)
				}
			}
			if !policies[1] || !policies[6] || byName["task-3"].RTPrio != 10 {
				t.Errorf("real-time policies %v", policies)
			}
			if i := len(s.Groups) - 1; i != 0 || s.Groups[0].Path != "/batch" || s.Groups[0].CPUs != 0.2 || s.Groups[0].Period != 100000 ||
				s.Groups[0].Stat["nr_throttled"] == 0 {
				t.Errorf("%+v", s.Groups)
			}
			task, err := sched.TakeProcess(h, ps, one.PID, inspecttest.Everything)
			if err != nil {
				t.Fatal(err)
			}
			if len(task.Rivals) < 2 || task.Bounded {
				t.Errorf("%d rivals, bounded %v", len(task.Rivals), task.Bounded)
			}
			// Where debugfs has lag, only tasks that are not ahead may be picked.
			if task.Queued && (task.Lag.Mean >= task.Lag.Vruntime) != task.Lag.Eligible {
				t.Errorf("%+v", task.Lag)
			}
			if task.Queued != h.Kernel.Oldest.AtLeast(6, 12) {
				t.Errorf("queued: %v", task.Queued)
			}
			other, err := sched.TakeProcess(h, ps, byName["throttled"].PID, inspecttest.Everything)
			if err != nil || !other.Bounded || other.Bound.CPUs != 0.2 || other.Bound.Throttled == 0 {
				t.Errorf("%+v, %v", other.Bound, err)
			}
		})
	}
}

// A process whose threads can't be read stands for them itself, and is a gap.
func TestUnreadableThreads(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-sched")
	name := ""
	stats, _ := filepath.Glob(filepath.Join(dir, "proc", "*", "stat"))
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), "(task-3) ") {
			continue
		}
		f := strings.Fields(string(b))
		f[19] = "2" // threads
		if err := os.WriteFile(path, []byte(strings.Join(f, " ")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		name = filepath.Base(filepath.Dir(path))
		if err := os.RemoveAll(filepath.Join(filepath.Dir(path), "task")); err != nil {
			t.Fatal(err)
		}
	}
	h := inspecttest.Open(t, dir)
	ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sched.Take(h, ps, nil, inspecttest.Everything)
	if err != nil {
		t.Fatal(err)
	}
	listed, counted := false, false
	for _, task := range s.Realtime {
		listed = listed || strconv.Itoa(int(task.P.PID)) == name
	}
	for _, g := range s.Gaps() {
		counted = counted || g.Source == inspect.PIDTask && g.Count == 1 && g.Of == 1
	}
	if !listed || !counted {
		t.Errorf("process %s: listed %v, counted %v: %v", name, listed, counted, s.Gaps())
	}
}
