package proc_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/proc"
)

// The soft limit of open files of every process as procfs has it, and the open
// files of a child that holds still.
func TestProcessFilesAsProcfs(t *testing.T) {
	child := exec.Command("sleep", "600")
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	still := func() string { b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child.Process.Pid)); return string(b) }
	for range 1000 { // until it sleeps, its libraries closed again
		if strings.Contains(still(), "(sleep) S ") {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	h, err := inspect.Open("/proc", "/sys", inspecttest.AtNoon)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat, inspect.PIDLimits, inspect.PIDFd, inspect.PIDIO))
	if err != nil {
		t.Fatal(err)
	}
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for i := range ps.Rows {
		p := &ps.Rows[i]
		theirs, err := fs.Proc(int(p.PID))
		if err != nil {
			continue
		}
		if limits, err := theirs.Limits(); err == nil && p.MaxFDs != inspect.Unset {
			compared++
			if uint64(p.MaxFDs) != limits.OpenFiles {
				t.Errorf("process %d: %d files, procfs says %d", p.PID, p.MaxFDs, limits.OpenFiles)
			}
		}
		if int(p.PID) != child.Process.Pid {
			continue // it may open one between the two
		}
		if n, err := theirs.FileDescriptorsLen(); err != nil || n != int(p.FDs) || n < 3 {
			t.Errorf("process %d: %d descriptors, procfs counts %d, %v", p.PID, p.FDs, n, err)
		}
	}
	if compared == 0 {
		t.Error("nothing could be compared")
	}
}

// task is process 12 of a tree that holds but one file of it.
func task(t *testing.T, name, text string) procfs.Proc {
	t.Helper()
	p, err := proc.TaskOf(inspecttest.Oracle(t, "12/"+name, text), "12")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The counters of /proc/stat: procfs says 0 if a line is not there.
func TestStatAsProcfs(t *testing.T) {
	texts := append(inspecttest.Texts(t, inspecttest.Named("proc/stat")), inspecttest.LiveFile(t, "/proc/stat"))
	for _, text := range texts {
		if !strings.Contains(text, "\nprocesses ") {
			continue // of a host that was recorded without
		}
		want, err := proc.StatOf(inspecttest.Oracle(t, "stat", text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := inspect.ParseCounters([]byte(text), 8)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, -procfs +ours:\n%s", err, diff)
		}
	}
	for _, text := range []string{"", "cpu 1 2 3 4\n", "cpu 1 2 3 4\nctxt 5\nbtime 6\n"} {
		if _, err := proc.StatOf(inspecttest.Oracle(t, "stat", text)); !errors.Is(err, inspect.ErrMalformed) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestIOAsProcfs(t *testing.T) {
	texts := append(
		inspecttest.Texts(t, func(name string) bool { return strings.HasSuffix(name, "/io") }),
		inspecttest.LiveFile(t, "/proc/self/io"),
	)
	for _, text := range texts {
		want, err := proc.IOOf(task(t, "io", text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := inspect.ParseCounters([]byte(text), 8)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v, -procfs +ours:\n%s", err, diff)
		}
	}
	for _, text := range []string{"", "rchar: 1\n", "rchar: 1\nwchar: x\n"} {
		if got, err := proc.IOOf(task(t, "io", text)); inspect.ReasonOf(err) != inspect.Malformed {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestCgroupsAsProcfs(t *testing.T) {
	texts := append(
		inspecttest.Texts(t, func(name string) bool { return strings.HasSuffix(name, "/cgroup") }),
		inspecttest.LiveFile(t, "/proc/self/cgroup"),
		"4:cpu,cpuacct:/a:b c\n1:name=systemd:/\n0::/../x\n",
	)
	for _, text := range texts {
		want, err := cgroup.LinesOf(task(t, "cgroup", text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := cgroup.ParseCgroups([]byte(text))
		if diff := cmp.Diff(cgroup.Memberships(want), cgroup.Memberships(got)); diff != "" || err != nil {
			t.Errorf("%v, -procfs +ours:\n%s", err, diff)
		}
	}
	for _, text := range []string{"", "garbage\n", "4:memory\n", "4:memory:relative\n"} {
		if got, err := cgroup.LinesOf(task(t, "cgroup", text)); inspect.ReasonOf(err) != inspect.Malformed {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// The links of a process's namespaces, and of a thread's.
func TestNamespacesAsProcfs(t *testing.T) {
	h := inspecttest.LiveHost(t)
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{fmt.Sprint(os.Getpid()), fmt.Sprintf("%d/task/%d", os.Getpid(), os.Getpid())} {
		p, err := proc.TaskOf(fs, dir)
		if err != nil {
			t.Fatal(err)
		}
		want, err1 := proc.NamespacesOf(p)
		got, err2 := proc.NamespaceNumbers(h, dir)
		if diff := cmp.Diff(want, got); diff != "" || err1 != nil || err2 != nil || len(got) < 6 {
			t.Errorf("%v, %v, -procfs +ours:\n%s", err1, err2, diff)
		}
	}
}

// Before 4.14 smaps is added up.
func TestSmapsAsProcfs(t *testing.T) {
	text := inspecttest.LiveFile(t, "/proc/self/smaps")
	want, err := proc.SmapsOf(inspecttest.Oracle(t, "12/smaps", text), 12)
	if err != nil {
		t.Fatal(err)
	}
	got, err := proc.SumSmaps([]byte(text))
	if diff := cmp.Diff(want, got); diff != "" || err != nil || got["Rss"] == 0 {
		t.Errorf("%v, -procfs +ours:\n%s", err, diff)
	}
	for _, bad := range []string{"Rss: x kB\n", "Rss: 4 kB\nPss: 4 k", "Rss: 4 kB\nRss: x kB\n"} {
		if got, err := proc.SumSmaps([]byte(bad)); !errors.Is(err, inspect.ErrMalformed) {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
	one, err := proc.SumSmaps([]byte("Rss: 4 kB\nPss: 3 kB\nRss: 8 kB\nPss: x kB\n"))
	if diff := cmp.Diff(inspect.Counters{"Rss": 12 << 10}, one); diff != "" || err != nil {
		t.Errorf("with one bad line of Pss: %v, -want +got:\n%s", err, diff)
	}
}

// What procfs would lose of the one process that is reported: the hard limits, how
// it ended, and the lines of status that it does not know.
func TestWhatProcfsLosesOfOneProcess(t *testing.T) {
	limits, err := task(
		t,
		"limits",
		"Limit                     Soft Limit           Hard Limit           Units     \n"+
			"Max open files            1024                 524288               files     \n",
	).Limits()
	if text := fmt.Sprintf("%+v", limits); err != nil || !strings.Contains(text, "1024") || strings.Contains(text, "524288") {
		t.Errorf("limits %s, %v: has procfs the hard ones now?", text, err)
	}
	stat, err := task(
		t,
		"stat",
		"12 (sh) S 1 12 12 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 222 4096000 240 18446744073709551615 1 1 140737488340016 0 0 0 0 0 0 0 0 0 "+
			"17 1 0 0 0 0 0 0 0 0 0 0 0 31337\n",
	).Stat()
	if text := fmt.Sprintf("%+v", stat); err != nil || strings.Contains(text, ":31337") {
		t.Errorf("stat %s, %v: has procfs the exit code now?", text, err)
	}
	status, err := task(t, "status", "Name:\tsh\nSeccomp_filters:\t31337\n").NewStatus()
	if text := fmt.Sprintf("%+v", status); err != nil || strings.Contains(text, "31337") {
		t.Errorf("status %s, %v: has procfs all lines now?", text, err)
	}
}

// A number that was given to another process while procfs read by it gives nothing.
func TestAnotherProcessOfTheNumber(t *testing.T) {
	h := inspecttest.LiveHost(t)
	ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat))
	if err != nil {
		t.Fatal(err)
	}
	i, ok := ps.Row(int32(os.Getpid()))
	if !ok {
		t.Fatal("this process is not there")
	}
	p := ps.Rows[i]
	if got, err := proc.ReadIO(h, &p, p.Dir()); err != nil || got["rchar"] == 0 {
		t.Errorf("%v, %v", got, err)
	}
	p.Start++ // it was another, and began at another time
	if _, err := proc.ReadIO(h, &p, p.Dir()); inspect.ReasonOf(err) != inspect.Vanished {
		t.Errorf("another process: %v", err)
	}
}
