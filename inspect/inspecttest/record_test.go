package inspecttest_test

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/mem"
	"kwhy/inspect/proc"
)

func mkfifo(t *testing.T, p string) {
	t.Helper()
	if err := unix.Mkfifo(p, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestRecordOfARecordedHostIsItself holds the recorder to the archives: each
// has just what it would record again.
func TestRecordOfARecordedHostIsItself(t *testing.T) {
	paths, err := filepath.Glob("../testdata/hosts/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("recorded hosts: %v, %v", paths, err)
	}
	for _, p := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(p), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			want := txtar.Parse(data)
			dir := unpack(t, string(data))
			pids := pidsOf(t, dir)
			got, err := inspecttest.Record(dir+"/proc", dir+"/sys", pids)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(want.Files, func(a, b txtar.File) int { return cmp.Compare(a.Name, b.Name) })
			if diff := gocmp.Diff(texts(want), texts(got)); diff != "" {
				t.Errorf("-archive +recorded:\n%s", diff)
			}
			if n := len(data); n > 72<<10 {
				t.Errorf("%d bytes: record less of it", n)
			}
			if local := []byte("/home/"); bytes.Contains(data, local) {
				t.Errorf("there is a path of somebody's machine in it")
			}
		})
	}
}

func texts(a *txtar.Archive) map[string]string {
	out := map[string]string{}
	for _, f := range a.Files {
		out[f.Name] = string(f.Data)
	}
	return out
}

func pidsOf(t *testing.T, dir string) (pids []int32) {
	t.Helper()
	ps, err := proc.Scan(open(t, dir+"/proc", dir+"/sys"), inspect.Of(inspect.PIDStat))
	if err != nil {
		t.Fatal(err)
	}
	for i := range ps.Rows {
		pids = append(pids, ps.Rows[i].PID)
	}
	return pids
}

func open(t *testing.T, proc, sys string) *inspect.Host {
	t.Helper()
	h, err := inspect.Open(proc, sys, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// TestARecordingGivesWhatTheHostGave compares why sources are missing, live
// and recorded: the recorder forgets no file that a source needs.
func TestARecordingGivesWhatTheHostGave(t *testing.T) {
	a, err := inspecttest.Record("/proc", "/sys", []int32{int32(os.Getpid())})
	if err != nil {
		t.Fatal(err)
	}
	dir := unpack(t, string(txtar.Format(a)))
	all := inspect.Of(inspect.Every()...)
	live, saved := open(t, "/proc", "/sys"), open(t, dir+"/proc", dir+"/sys")
	if saved.Live || saved.Name != live.Name || saved.Release != live.Release || saved.CPUs != live.CPUs || saved.PageSize != live.PageSize ||
		saved.Self() != 0 || saved.Example() != int32(os.Getpid()) {
		t.Errorf("recorded %+v, self %d; live %+v", saved, saved.Self(), live)
	}
	was, err1 := mem.Take(live, all)
	is, err2 := mem.Take(saved, all)
	wasProc, err3 := mem.TakeProcess(live, int32(os.Getpid()), all)
	isProc, err4 := mem.TakeProcess(saved, int32(os.Getpid()), all)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	for _, s := range inspect.Every() {
		if was.Missing(s) == inspect.Disabled || s == inspect.TmpfsUse {
			continue // an archive cannot say that, and cannot be asked
		}
		if is.Missing(s) == inspect.NotSaved && was.Missing(s).IsMissing() {
			continue // of a copy it is not known which
		}
		if os.Geteuid() != 0 || was.Missing(s) != inspect.Denied { // root reads #denied files
			if is.Missing(s) != was.Missing(s) || isProc.Missing(s) != wasProc.Missing(s) {
				t.Errorf("%v: recorded %q and %q, live %q and %q", s, is.Missing(s), isProc.Missing(s), was.Missing(s), wasProc.Missing(s))
			}
		}
	}
	if len(is.Cgroups) != len(was.Cgroups) || is.Info["MemTotal"] != was.Info["MemTotal"] {
		t.Errorf(
			"recorded %d cgroups and MemTotal %d, live %d and %d",
			len(is.Cgroups),
			is.Info["MemTotal"],
			len(was.Cgroups),
			was.Info["MemTotal"],
		)
	}
}

// bait is a host with files that must stay shut.
const bait = `
-- proc/self.link --
10
-- proc/10/stat --
10 (sh) S
-- proc/10/comm --
sh
-- proc/10/environ --
SECRET=1␀
-- proc/10/maps --
#denied
-- proc/11/stat --
11 (not asked for) S
-- proc/10/cgroup --
0::/a
-- proc/10/mountinfo --
24 21 0:21 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw
-- proc/stat --
cpu 1 2 3
btime 5
-- proc/meminfo --
MemTotal: 1 kB
-- proc/sys/vm/lowmem_reserve_ratio --
256
-- proc/sys/vm/stat_refresh --
-- proc/sys/vm/swappiness --
60
-- proc/sys/kernel/hostname --
real-name
-- proc/sys/kernel/random/boot_id --
12345678-1234-1234-1234-123456789abc
-- proc/slabinfo --
slabinfo - version: 2.1
# name <active_objs>
small 1 1 8 512 1 : tunables 0 0 0 : slabdata 1 1 0
big 1 1 8 512 8 : tunables 0 0 0 : slabdata 9 9 0
mid 1 1 8 512 2 : tunables 0 0 0 : slabdata 5 5 0
-- sys/fs/cgroup/a/memory.max --
5
-- sys/fs/cgroup/a/memory.numa_stat --
anon N0=1
-- sys/fs/cgroup/a/io.max --
max
-- sys/fs/cgroup/memory.stat --
anon 1
-- sys/fs/cgroup/b/memory.max --
7
-- sys/block/zram0/mm_stat --
1 2 3 4 5
-- sys/block/zram0/disksize --
6
-- sys/block/sda/stat --
0
-- sys/block/zramx/mm_stat --
1 2 3 4 5
-- sys/kernel/mm/hugepages/ --
-- sys/kernel/mm/ksm/run --
0
`

func TestRecordOpensOnlyWhatIsListed(t *testing.T) {
	dir := unpack(t, bait)
	opened := watch(t, dir)
	a, err := inspecttest.Record(dir+"/proc", dir+"/sys", []int32{10})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"proc/10/cgroup", "proc/10/maps", "proc/10/mountinfo", "proc/10/stat", "proc/meminfo", "proc/self.link", "proc/slabinfo", "proc/stat",
		"proc/sys/kernel/hostname", "proc/sys/kernel/random/boot_id", "proc/sys/vm/swappiness",
		"sys/block/zram0/disksize", "sys/block/zram0/mm_stat", "sys/fs/cgroup/a/memory.max", "sys/fs/cgroup/memory.stat",
		"sys/kernel/mm/hugepages/", "sys/kernel/mm/ksm/run",
	}
	if diff := gocmp.Diff(want, namesOf(a)); diff != "" {
		t.Errorf("files, -want +got:\n%s", diff)
	}
	names := opened()
	for _, shut := range []string{"lowmem_reserve_ratio", "stat_refresh", "environ", "comm", "io.max", "memory.numa_stat"} {
		if slices.Contains(names, shut) {
			t.Errorf("%s was opened", shut)
		}
	}
	if !slices.Contains(names, "swappiness") {
		t.Errorf("the watch saw nothing: %q", names)
	}
}

// watch returns a function that lists the files below dir that were opened since.
func watch(t *testing.T, dir string) func() []string {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Skipf("inotify: %v", err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	for _, sub := range []string{"proc/10", "proc/sys/vm", "sys/fs/cgroup/a"} {
		if _, err := unix.InotifyAddWatch(fd, filepath.Join(dir, sub), unix.IN_OPEN); err != nil {
			t.Skipf("inotify: %v", err)
		}
	}
	return func() (names []string) {
		buf := make([]byte, 64<<10)
		n, err := unix.Read(fd, buf)
		for b := buf[:max(n, 0)]; err == nil && len(b) >= unix.SizeofInotifyEvent; {
			end := unix.SizeofInotifyEvent + int(b[12]) // the length of the name, below 256
			names = append(names, string(bytes.TrimRight(b[unix.SizeofInotifyEvent:end], "\x00")))
			b = b[end:]
		}
		return names
	}
}

func TestRecorderCutsAndHides(t *testing.T) {
	dir := unpack(t, bait)
	record := func(r inspecttest.Recorder) map[string]string {
		t.Helper()
		r.Proc, r.Sys = dir+"/proc", dir+"/sys"
		a, err := r.Record()
		if err != nil {
			t.Fatal(err)
		}
		return texts(a)
	}
	plain := record(inspecttest.Recorder{})
	if plain["proc/stat"] != "cpu 1 2 3\nbtime 5\n" || plain["proc/sys/kernel/hostname"] != "real-name\n" ||
		!strings.HasPrefix(plain["proc/10/maps"], "#denied\n") {
		t.Errorf("stat %q, hostname %q, maps %q", plain["proc/stat"], plain["proc/sys/kernel/hostname"], plain["proc/10/maps"])
	}
	cut := record(inspecttest.Recorder{Slabs: 2, Hostname: "web-1", Anonymous: true, Self: 11, Detail: []int32{11}})
	if s := cut["proc/slabinfo"]; strings.Contains(s, "small") || strings.Index(s, "big") > strings.Index(s, "mid") ||
		!strings.HasPrefix(s, "slabinfo - version") {
		t.Errorf("slabinfo %q, want the two largest in their order", s)
	}
	if cut["proc/sys/kernel/hostname"] != "web-1\n" || cut["proc/sys/kernel/random/boot_id"] != "00000000-0000-0000-0000-000000000000\n" {
		t.Errorf("host %q, boot %q", cut["proc/sys/kernel/hostname"], cut["proc/sys/kernel/random/boot_id"])
	}
	if _, ok := cut["proc/10/maps"]; ok || cut["proc/self.link"] != "11\n" || cut["proc/11/stat"] == "" {
		t.Errorf("self %q, files %v", cut["proc/self.link"], len(cut))
	}
	if got := record(inspecttest.Recorder{Anonymous: true})["proc/sys/kernel/hostname"]; got != "host\n" {
		t.Errorf("an anonymous host is %q", got)
	}
}

func TestRecordNeedsToKnowItself(t *testing.T) {
	dir := unpack(t, "-- proc/meminfo --\nMemTotal: 1 kB\n")
	if _, err := inspecttest.Record(dir+"/proc", dir+"/sys", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that proc/self is not there", err)
	}
}

func TestRecordRefusesAFileThatAnArchiveCannotHold(t *testing.T) {
	dir := unpack(t, bait)
	put(t, dir, "proc/10/stat", "10 (\n-- proc/10/maps --\n) S")
	if _, err := inspecttest.Record(dir+"/proc", dir+"/sys", nil); err == nil || !strings.Contains(err.Error(), "proc/10/stat") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}
