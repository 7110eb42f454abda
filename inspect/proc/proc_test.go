package proc_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/proc"
)

// ignoreGot leaves out why a process's sources gave nothing.
var ignoreGot = cmpopts.IgnoreUnexported(proc.Process{})

func TestStatIsThatOfProcfs(t *testing.T) {
	check := func(t *testing.T, pid int, text string) {
		t.Helper()
		theirs, err := inspecttest.Oracle(t, fmt.Sprintf("%d/stat", pid), text).Proc(pid)
		if err != nil {
			t.Fatal(err)
		}
		want, err := theirs.Stat()
		if err != nil {
			t.Fatalf("procfs: %v", err)
		}
		got, err := proc.ParseStat([]byte(text))
		if err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		g := []any{
			got.Comm,
			string(got.State),
			int(got.PPID),
			uint(got.Flags),
			uint(got.Minflt),
			uint(got.Majflt),
			got.Start,
			int(got.RSS),
			int(got.PGRP),
			int(got.Session),
			int(got.TTY),
			uint(got.UTime),
			uint(got.STime),
			int(got.CUTime),
			int(got.CSTime),
			int(got.Prio),
			int(got.Nice),
			int(got.Threads),
			uint(got.VSize),
			uint(got.CPU),
			uint(got.RTPrio),
			uint(got.Policy),
		}
		w := []any{
			want.Comm,
			want.State,
			want.PPID,
			want.Flags,
			want.MinFlt,
			want.MajFlt,
			want.Starttime,
			want.RSS,
			want.PGRP,
			want.Session,
			want.TTY,
			want.UTime,
			want.STime,
			want.CUTime,
			want.CSTime,
			want.Priority,
			want.Nice,
			want.NumThreads,
			want.VSize,
			want.Processor,
			want.RTPriority,
			want.Policy,
		}
		if diff := cmp.Diff(w, g); diff != "" {
			t.Errorf("process %d, -procfs +ours:\n%s", pid, diff)
		}
	}
	t.Run("live", func(t *testing.T) { eachStat(t, "/proc", check) })
	inspecttest.OnEach(t, func(t *testing.T, dir string) { eachStat(t, dir+"/proc", check) })
}

func eachStat(t *testing.T, root string, check func(*testing.T, int, string)) {
	dirs, err := filepath.Glob(root + "/[1-9]*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("processes below %s: %d, %v", root, len(dirs), err)
	}
	n := 0
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		b, err2 := os.ReadFile(dir + "/stat")
		if err == nil && err2 == nil { // some end meanwhile
			check(t, pid, string(b))
			n++
		}
	}
	if n == 0 {
		t.Error("no process could be read")
	}
}

func TestStatOfHostileNames(t *testing.T) {
	for _, comm := range []string{"", "sh", ")", "(", "))", "a) R 1 (b", "x) Z 1 1 1 1", "a b", "a\nb", "\x1b[2J", "\x1b]0;own\x07",
		"\xff\xfe", "ﷺ", "\n", " ", "a\x00b"} {
		t.Run(fmt.Sprintf("%q", comm), func(t *testing.T) {
			got, err := proc.ParseStat([]byte("12 (" + comm + ")" + inspecttest.StatLine))
			want := proc.NewProcess(1)
			want.PPID, want.PGRP, want.Session, want.State, want.Flags, want.Comm, want.Start, want.RSS = 7, 1, 1, 'S', 4194304, comm, 222, 240
			want.Minflt, want.Majflt, want.UTime, want.STime, want.CUTime, want.CSTime = 101, 103, 5, 6, 7, 8
			want.Prio, want.Threads, want.VSize, want.CPU, want.Policy, want.StackStart = 20, 1, 4096000, 1, 0, 3
			if diff := cmp.Diff(want, got, ignoreGot); diff != "" || err != nil {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

// A stat that is cut anywhere has what stands before the cut, and nothing half: its last field
// and what follows are lost.
func TestStatTruncatedAnywhereKeepsWhatItHas(t *testing.T) {
	whole := proc.NewProcess(1)
	if err := whole.ParseStat([]byte("12 (sh)" + inspecttest.StatLine)); err != nil {
		t.Fatal(err)
	}
	for _, comm := range []string{"sh", "a) R 1 (b", "a\n) 1"} {
		text := "12 (" + comm + ")" + inspecttest.StatLine
		for i := range text {
			p, err := proc.ParseStat([]byte(text[:i]))
			fields := strings.Count(text[len("12 ("+comm+")"):max(i, len("12 ("+comm+")"))], " ")
			if fields < 2 {
				continue // the state, at most
			}
			lost := proc.StatFields(fields + 2)
			if err != nil || !p.Spoilt(lost) || p.Spoilt(proc.StatFields(fields+1)) || p.State != 'S' {
				t.Errorf("%q: %v, %+v", text[:i], err, p)
			}
			if fields > 30 && (p.Start != whole.Start || p.RSS != whole.RSS) {
				t.Errorf("%q: started at %d, RSS %d", text[:i], p.Start, p.RSS)
			}
		}
	}
}

func TestStatRefusesWhatIsNoStat(t *testing.T) {
	for _, text := range []string{"", "12", "12 (", "12 )(", "12 (sh)", "12 (sh)\n", "\x00\xff", "nothing of the kind\n"} {
		if p, err := proc.ParseStat([]byte(text)); !errors.Is(err, inspect.ErrMalformed) {
			t.Errorf("%q: got %+v, %v; want malformed", text, p, err)
		}
	}
}

func TestStatusIsThatOfProcfs(t *testing.T) {
	check := func(t *testing.T, pid int, text string) {
		theirs, err := inspecttest.Oracle(t, fmt.Sprintf("%d/status", pid), text).Proc(pid)
		if err != nil {
			t.Fatal(err)
		}
		want, err := theirs.NewStatus()
		if err != nil {
			t.Fatal(err)
		}
		got, err := proc.ParseStatus([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		g := []inspect.Num{got.VmRSS, got.RssAnon, got.RssFile, got.RssShmem, got.VmSwap}
		w := []inspect.Num{
			inspect.Num(want.VmRSS),
			inspect.Num(want.RssAnon),
			inspect.Num(want.RssFile),
			inspect.Num(want.RssShmem),
			inspect.Num(want.VmSwap),
		}
		if diff := cmp.Diff(w, g); diff != "" || got.VmRSS <= 0 {
			t.Errorf("VmRSS %d, -procfs +ours:\n%s", got.VmRSS, diff)
		}
	}
	t.Run("this process", func(t *testing.T) { check(t, os.Getpid(), inspecttest.LiveFile(t, "/proc/self/status")) })
	inspecttest.OnEach(t, func(t *testing.T, dir string) { check(t, 1, inspecttest.Read(t, dir+"/proc/1/status")) })
}

func TestParseStatusByHand(t *testing.T) {
	unset := proc.NewProcess(1)
	unset.Comm = "sh"
	with := func(edit func(*proc.Process)) *proc.Process { p := unset; edit(&p); return &p }
	for name, c := range map[string]struct {
		text string
		want *proc.Process // nil: malformed
	}{
		"a user's process": {"Name:\tsh\nVmRSS:\t     100 kB\nRssAnon:\t       1 kB\nRssFile:\t       2 kB\nRssShmem:\t       3 kB\n" +
			"VmSwap:\t       4 kB\n",
			with(func(p *proc.Process) {
				p.VmRSS, p.RssAnon, p.RssFile, p.RssShmem, p.VmSwap = 102400, 1024, 2048, 3072, 4096
			})},
		"before 4.5 there was only VmRSS": {"Name:\tsh\nVmRSS:\t8 kB\n", with(func(p *proc.Process) { p.VmRSS = 8192 })},
		"a user":                          {"Name:\tsh\nUid:\t1\t1000\t3\t4\n", with(func(p *proc.Process) { p.UID, p.RealUID = 1000, 1 })},
		"tables of 4.15 and later":        {"Name:\tsh\nVmPTE:\t      44 kB\n", with(func(p *proc.Process) { p.PageTables = 44 << 10 })},
		"tables before it": {"Name:\tsh\nVmPTE:\t      44 kB\nVmPMD:\t      12 kB\n",
			with(func(p *proc.Process) { p.PageTables = 56 << 10 })},
		"zero is a value":               {"Name:\tsh\nVmSwap:\t0 kB\n", with(func(p *proc.Process) { p.VmSwap = 0 })},
		"a kernel thread has no memory": {"Name:\tsh\nState:\tS (sleeping)\nThreads:\t1\n", &unset},
		"a name of a memory line":       {"Name:\tVmRSS: 1 kB\nState:\tS\n", with(func(p *proc.Process) { p.Comm = "VmRSS: 1 kB" })},
		"a number that cannot be bytes": {"Name:\tsh\nVmRSS:\t18446744073709551615 kB\nVmSwap:\t1 kB\n",
			with(func(p *proc.Process) { p.VmSwap = 1024 })},
		"the largest number of bytes": {"Name:\tsh\nVmRSS:\t9007199254740991 kB\n",
			with(func(p *proc.Process) { p.VmRSS = 9007199254740991 << 10 })},
		"a line without its number": {"Name:\tsh\nVmRSS:\nVmSwap:\tx kB\n", &unset},
		"empty":                     {"", nil},
		"garbage":                   {"\x00\xff\n\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := proc.ParseStatus([]byte(c.text))
			if c.want == nil {
				if !errors.Is(err, inspect.ErrMalformed) {
					t.Errorf("got %+v, %v; want malformed", got, err)
				}
				return
			}
			if diff := cmp.Diff(*c.want, got, ignoreGot); diff != "" || err != nil {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

func TestParseCmdline(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"sh\x00":                    "sh",
		"sh\x00-c\x00echo a b\x00":  "sh -c echo a b",
		"sh\x00\x00\x00":            "sh",
		"nginx: master process -g ": "nginx: master process -g ", // a title: no NUL
		"\x00":                      "",
		strings.Repeat("x", 5000):   strings.Repeat("x", 1024),
	} {
		if got, err := proc.ParseCmdline([]byte(text)); got != want || err != nil {
			t.Errorf("parseCmdline(%.20q) = %.20q, %v; want %.20q", text, got, err, want)
		}
	}
}

func scan(t testing.TB, dir string, want ...inspect.Source) *proc.Processes {
	t.Helper()
	ps, err := proc.Scan(inspecttest.Open(t, dir), inspect.Of(want...))
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func pids(ps *proc.Processes) (out []int32) {
	for i := range ps.Rows {
		out = append(out, ps.Rows[i].PID)
	}
	return out
}

// Of a copy a PID is a process whatever was saved of it: nothing ends there.
func TestNoProcessVanishesFromACopy(t *testing.T) {
	ps := scan(t, inspecttest.ProcTree(t), inspect.PIDStat)
	if diff := cmp.Diff([]int32{2, 10, 11}, pids(ps)); diff != "" {
		t.Errorf("processes, -want +got:\n%s", diff)
	}
	want := []inspect.Gap{{Source: inspect.PIDStat, Reason: inspect.NotSaved, Count: 1, Of: 3}}
	if diff := cmp.Diff(want, ps.Gaps()); diff != "" {
		t.Errorf("gaps, -want +got:\n%s", diff)
	}
	if seen := ps.SeenOf(inspect.PIDStat); seen.Seen != 2 || seen.All != 3 || seen.Whole() || seen.Reason != inspect.NotSaved {
		t.Errorf("seen: %+v", seen)
	}
}

func TestFillReadsOnlyTheGivenRowsAndOnlyOnce(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	ps := scan(t, dir, inspect.PIDStat)
	if got := ps.At(1).Missing(inspect.PIDStatus); got != inspect.Unread {
		t.Errorf("status before Fill: %q, want unread", got)
	}
	ps.Fill([]int32{1}, inspect.Of(inspect.PIDStatus, inspect.PIDCmdline, inspect.PIDSmapsRollup))
	p := ps.At(1).P
	if p.VmRSS != 100<<10 || p.Cmdline != "sh -c true" || p.Pss != 50<<10 || p.Uss != 40<<10 || p.SwapPss != 4<<10 {
		t.Errorf("filled row: %+v", p)
	}
	if got := ps.At(0).Missing(inspect.PIDStatus); got != inspect.Unread {
		t.Errorf("the row that was not asked for: status %q, want unread", got)
	}
	inspecttest.Write(t, dir+"/proc/10/status", "VmRSS: 200 kB\n")
	if ps.Fill([]int32{1}, inspect.Of(inspect.PIDStatus)); p.VmRSS != 100<<10 {
		t.Errorf("VmRSS %d after a second Fill, want what was read first", p.VmRSS)
	}
}

func TestKernelThreadsHaveNoMappings(t *testing.T) {
	ps := scan(t, inspecttest.ProcTree(t), inspect.PIDStat, inspect.PIDSmapsRollup, inspect.PIDStatus)
	kthread := ps.At(0)
	if !kthread.P.Kthread() || ps.At(1).P.Kthread() {
		t.Errorf("kernel threads: %v, %v; want true, false", kthread.P.Kthread(), ps.At(1).P.Kthread())
	}
	if got := kthread.Missing(inspect.PIDSmapsRollup); got != inspect.Inapplicable {
		t.Errorf("smaps_rollup of a kernel thread: %q, want inapplicable", got)
	}
	if kthread.P.VmRSS != inspect.Unset || kthread.Missing(inspect.PIDStatus) != inspect.Present {
		t.Errorf("VmRSS %d, status %q", kthread.P.VmRSS, kthread.Missing(inspect.PIDStatus))
	}
}

func TestGapsAreCountedByReason(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	inspecttest.Write(t, dir+"/proc/13/stat", "13 (bad")
	inspecttest.Write(t, dir+"/proc/14/stat", "14 (late)"+inspecttest.StatLine)
	inspecttest.Write(t, dir+"/proc/10/status", "\x00")
	ps := scan(t, dir, inspect.PIDStat, inspect.PIDStatus)
	want := []inspect.Gap{
		{Source: inspect.PIDStat, Reason: inspect.Malformed, Count: 1, Of: 5},
		{Source: inspect.PIDStat, Reason: inspect.NotSaved, Count: 1, Of: 5},
		{Source: inspect.PIDStatus, Reason: inspect.Malformed, Count: 1, Of: 5},
		{Source: inspect.PIDStatus, Reason: inspect.NotSaved, Count: 3, Of: 5}, // 11 and 13 have no status either
	}
	if diff := cmp.Diff(want, ps.Gaps()); diff != "" {
		t.Errorf("gaps, -want +got:\n%s", diff)
	}
}

// TestAFileThatTheKernelLacksIsNotAProcessThatEnded takes smaps_rollup, which
// a kernel without CONFIG_PROC_PAGE_MONITOR has for none.
func TestAFileThatTheKernelLacksIsNotAProcessThatEnded(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	if err := os.Remove(dir + "/proc/10/smaps_rollup"); err != nil {
		t.Fatal(err)
	}
	ps := scan(t, dir, inspect.PIDStat, inspect.PIDSmapsRollup)
	if got := ps.At(1).Missing(inspect.PIDSmapsRollup); got != inspect.NotSaved {
		t.Errorf("smaps_rollup of a process that is there: %q, want not_in_copy", got)
	}
}

func TestSincePairsByPIDAndStartTime(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	inspecttest.Write(t, dir+"/proc/20/stat", "20 (ended)"+inspecttest.StatLine)
	inspecttest.Write(t, dir+"/proc/30/stat", "30 (old)"+inspecttest.StatLine)
	before := scan(t, dir, inspect.PIDStat)
	if err := os.RemoveAll(dir + "/proc/20"); err != nil {
		t.Fatal(err)
	}
	inspecttest.Write(t, dir+"/proc/25/stat", "25 (new)"+inspecttest.StatLine)
	inspecttest.Write(t, dir+"/proc/30/stat", "30 (other)"+strings.Replace(inspecttest.StatLine, " 222 ", " 333 ", 1))
	after := scan(t, dir, inspect.PIDStat)
	after.Since(before)
	got := map[int32]string{}
	for i := range after.Rows {
		name := ""
		if was, _, ok := after.At(i).Before(); ok {
			name = was.P.Comm
		}
		got[after.Rows[i].PID] = name
	}
	want := map[int32]string{2: "kthreadd", 10: "sh", 11: "", 25: "", 30: ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paired with, -want +got:\n%s", diff)
	}
	if _, _, ok := before.At(0).Before(); ok {
		t.Error("the first scan has one before it")
	}
}

// TestRowsAreTheSameOnAnyNumberOfWorkers scans more processes than one worker
// takes at a time.
func TestRowsAreTheSameOnAnyNumberOfWorkers(t *testing.T) {
	dir := t.TempDir()
	const n = 500
	for pid := 1; pid <= n; pid++ {
		inspecttest.Write(t, fmt.Sprintf("%s/proc/%d/stat", dir, pid), fmt.Sprintf("%d (p%d)%s", pid, pid, inspecttest.StatLine))
	}
	ps := scan(t, dir, inspect.PIDStat)
	if ps.Len() != n {
		t.Fatalf("%d processes, want %d", ps.Len(), n)
	}
	for i := range ps.Rows {
		if p := ps.Rows[i]; p.PID != int32(i+1) || p.Comm != fmt.Sprintf("p%d", i+1) {
			t.Fatalf("row %d is %d (%s)", i, p.PID, p.Comm)
		}
	}
}

func TestRecordedProcesses(t *testing.T) {
	inspecttest.OnEach(t, func(t *testing.T, dir string) {
		ps := scan(t, dir, inspect.PIDStat, inspect.PIDStatus, inspect.PIDCmdline)
		byName := map[string]*proc.Process{}
		for i := range ps.Rows {
			byName[ps.Rows[i].Comm] = &ps.Rows[i]
		}
		for _, comm := range []string{"init", "kthreadd", "sh", "sleep", "hog", "hog2"} {
			if byName[comm] == nil {
				t.Fatalf("no process %s in %v", comm, pids(ps))
			}
		}
		hog := byName["hog"]
		if hog.PID != ps.Host.Host.Example() || ps.Host.Self != 0 || !strings.HasPrefix(hog.Cmdline, "/data/hog 64 ") {
			t.Errorf("hog %d (%q), self %d; want them to be one", hog.PID, hog.Cmdline, ps.Host.Self)
		}
		if hog.VmRSS != hog.RssAnon+hog.RssFile+hog.RssShmem || hog.VmRSS <= 0 {
			t.Errorf("VmRSS %d of %d + %d + %d", hog.VmRSS, hog.RssAnon, hog.RssFile, hog.RssShmem)
		}
		if gaps := ps.Gaps(); len(gaps) > 0 {
			t.Errorf("gaps %v, want none", gaps)
		}
	})
}

func TestProcsFailsWithoutItsDirectory(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	h := inspecttest.Open(t, dir)
	if err := os.RemoveAll(dir + "/proc"); err != nil {
		t.Fatal(err)
	}
	if ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat)); err == nil && ps.Len() > 0 {
		t.Errorf("processes %v of a tree that is gone", pids(ps))
	}
}

// Whose stack begins above 4 GiB runs no 32-bit program, and its program is not looked
// at: here it is one, which is found where the stack is not known.
func TestProgramIsNotOpenedForNothing(t *testing.T) {
	for stack, want := range map[string]bool{"140737488347136": false, "0": true, "4294959104": true} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"stat":    "7 (a)" + strings.Replace(inspecttest.StatLine, " 1 2 3 0", " 1 2 "+stack+" 0", 1),
			"status":  "Name:\ta\n",
			"syscall": "3 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n",
			"exe":     "\x7fELF\x01",
		} {
			if err := os.MkdirAll(dir+"/7", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/7/"+name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		h, err := inspect.Open(dir, dir, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat, inspect.PIDSyscall))
		if err != nil || len(ps.Rows) != 1 {
			t.Fatal(ps, err)
		}
		if got := ps.Rows[0].Call; got.Number != 3 || got.Compat != want {
			t.Errorf("stack at %s: %+v", stack, got)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The times of children are signed in the kernel (fs/proc/array.c, do_task_stat): one below
// zero costs no process.
func TestTimesOfChildrenMayBeBelowZero(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	line := strings.Replace(inspecttest.StatLine, " 7 8 20 0 ", " -3 8 20 0 ", 1)
	if line == inspecttest.StatLine {
		t.Fatal("the line has no such fields")
	}
	inspecttest.Write(t, dir+"/proc/10/stat", "10 (sh)"+line)
	ps := scan(t, dir, inspect.PIDStat)
	p := ps.At(1)
	if p.Missing(inspect.PIDStat) != inspect.Present || p.P.Comm != "sh" || p.P.CUTime != -3 || p.P.CSTime != 8 {
		t.Errorf("%q: %+v", p.Missing(inspect.PIDStat), p.P)
	}
}

// A title that was written over the arguments leaves NULs behind, which are no arguments.
func TestATitleHasNoEmptyArguments(t *testing.T) {
	for cmdline, want := range map[string][]string{
		"nginx: worker process\x00\x00\x00\x00\x00\x00": {"nginx: worker process"},
		"sh\x00-c\x00\x00":     {"sh", "-c", ""},
		"sh\x00-c\x00true\x00": {"sh", "-c", "true"},
		"\x00\x00\x00":         {"", "", ""},
	} {
		dir := inspecttest.ProcTree(t)
		inspecttest.Write(t, dir+"/proc/10/cmdline", cmdline)
		ps := scan(t, dir, inspect.PIDStat)
		d, err := proc.TakeDetail(inspecttest.Open(t, dir), ps, 10, inspect.Of(inspect.PIDCmdline))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, d.Args); diff != "" {
			t.Errorf("%q, -want +got:\n%s", cmdline, diff)
		}
	}
}

// Who saved /proc by number has threads beside their processes: they are not processes too.
func TestSavedThreadsAreNoProcesses(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	inspecttest.Write(t, dir+"/proc/12/stat", "12 (sh)"+inspecttest.StatLine)
	inspecttest.Write(t, dir+"/proc/12/status", "Name:\tsh\nTgid:\t10\nPid:\t12\n")
	inspecttest.Write(t, dir+"/proc/15/stat", "15 (sh)"+inspecttest.StatLine)
	inspecttest.Write(t, dir+"/proc/15/status", "Name:\tsh\nTgid:\t15\nPid:\t15\n")
	if diff := cmp.Diff([]int32{2, 10, 11, 15}, pids(scan(t, dir, inspect.PIDStat))); diff != "" {
		t.Errorf("processes, -want +got:\n%s", diff)
	}
}
