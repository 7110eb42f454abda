package inspect_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/sysfs"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

func TestPressureAsProcfs(t *testing.T) {
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("pressure/memory")),
		"some avg10=1.23 avg60=4.50 avg300=99.99 total=123456789\n") {
		want, err := inspect.PressureOf(inspecttest.Oracle(t, "pressure/memory", text), "memory")
		if err != nil {
			t.Fatal(err)
		}
		got, err := inspect.ParsePressure([]byte(text))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v, -procfs +ours:\n%s", text, err, diff)
		}
	}
	if _, err := inspect.PressureOf(inspecttest.Oracle(t, "pressure/memory", ""), "memory"); !errors.Is(err, inspect.ErrMalformed) {
		t.Errorf("an emptied file: %v", err)
	}
}

// procfs reads running hosts, and has not the last word where it makes nothing of a file.
func TestByProcfs(t *testing.T) {
	live, saved := inspecttest.LiveHost(t), inspecttest.Open(t, inspecttest.Recorded(t, "debian-6.18-swap"))
	says := func(word string, err error) func(procfs.FS) (string, error) {
		return func(procfs.FS) (string, error) { return word, err }
	}
	for _, c := range []struct {
		name   string
		host   *inspect.Host
		source inspect.Source
		theirs func(procfs.FS) (string, error)
		want   string
		err    error
	}{
		{"a running host", live, inspect.Swaps, says("theirs", nil), "theirs", nil},
		{"one that may hang", live, inspect.PIDIO, says("theirs", nil), "theirs", nil},
		{"a copy", saved, inspect.Swaps, says("theirs", nil), "ours", nil},
		{"a source that it does not read", live, inspect.Meminfo, says("theirs", nil), "ours", nil},
		{"a file that it can't read", live, inspect.Swaps, says("", procfs.ErrFileParse), "ours", nil},
		{"a panic", live, inspect.Swaps, func(procfs.FS) (string, error) { panic("slice bounds") }, "ours", nil},
		{"a file that may not be read", live, inspect.Swaps, says("", fs.ErrPermission), "", fs.ErrPermission},
	} {
		got, err := inspect.ByProcfs(c.host, c.source, c.theirs, func() (string, error) { return "ours", nil })
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

// The page on dependencies has what procfs reads, and nothing more, as the table of
// sources has it.
func TestWhatProcfsReadsIsOnThePage(t *testing.T) {
	page := inspecttest.Read(t, "../docs/dependencies.md")
	n := 0
	for _, s := range inspect.Every() {
		if s.Procfs() == "" {
			continue
		}
		n++
		if row := "| `" + strings.Join(s.Files(), "`, `") + "` | " + s.Procfs() + " |"; !strings.Contains(page, row) {
			t.Errorf("docs/dependencies.md lacks %q", row)
		}
	}
	if rows := strings.Count(page, " | FS.") + strings.Count(page, " | Proc."); rows != n || n < 10 {
		t.Errorf("%d rows for %d sources", rows, n)
	}
}

// Every source that procfs does not read is on the page, and nothing that is none.
func TestEverySourceIsOnThePage(t *testing.T) {
	_, page, found := strings.Cut(inspecttest.Read(t, "../docs/dependencies.md"), "| files | procfs | why it is not used |")
	if !found {
		t.Fatal("docs/dependencies.md has no such table")
	}
	used := map[string]bool{}
	for row := range strings.Lines(page) {
		files, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for i, name := range strings.Split(files, "`") {
			if i%2 == 1 {
				used[name] = false
			}
		}
	}
	for _, s := range inspect.Every() {
		if s == inspect.ProcAndSys || s.Procfs() != "" {
			continue
		}
		for _, file := range s.Files() {
			for _, part := range strings.Split(file, ", or else ") { // a source that stands for two
				n := 0
				for name := range used {
					if ok, err := path.Match(name, part); ok && err == nil {
						used[name] = true
						n++
					}
				}
				if n != 1 {
					t.Errorf("%s is in %d rows of docs/dependencies.md", part, n)
				}
			}
		}
	}
	for name, is := range used {
		if !is {
			t.Errorf("docs/dependencies.md has %s, which is no source", name)
		}
	}
}

// What the page says that procfs loses of a host's files.
func TestWhatProcfsLosesOfAHost(t *testing.T) {
	load := func(rest string) *procfs.LoadAvg {
		out, err := inspecttest.Oracle(t, "loadavg", "0.10 0.20 0.30 "+rest+"\n").LoadAvg()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if a, b := load("1/200 300"), load("7/31337 31338"); *a != *b {
		t.Errorf("%v, %v: has procfs the threads and the last PID now?", a, b)
	}
	const mem = "MemTotal:        1024 kB\n"
	meminfo, err := inspecttest.Oracle(t, "meminfo", mem+"KReclaimable:   31337 kB\nBalloon:   31337 kB\nGPUActive:   31337 kB\n").Meminfo()
	if text := fmt.Sprintf("%+v", meminfo); err != nil || strings.Contains(text, "31337") {
		t.Errorf("%s, %v: has procfs all lines of meminfo now?", text, err)
	}
	if _, err := inspecttest.Oracle(t, "meminfo", mem+"MemFree: many kB\n").Meminfo(); err == nil {
		t.Error("one bad line does not cost procfs the whole of meminfo any more")
	}
	sched, err := inspecttest.Oracle(t, "schedstat", "no cpu0 0 0 0 0 0 0 1 2 3 4\n").Schedstat()
	if err != nil || len(sched.CPUs) != 1 {
		t.Errorf("%v, %v: has procfs anchored its expression?", sched, err)
	}
	if got, err := inspecttest.Oracle(t, "sys/vm/swappiness", "").SysctlInts("vm.swappiness"); err != nil || len(got) != 0 {
		t.Errorf("%v, %v: an emptied file says more to procfs now", got, err)
	}
	if got, err := inspecttest.Oracle(t, "cmdline", "a=\"b c\"\n").CmdLine(); err != nil || len(got) != 2 {
		t.Errorf("%q, %v: has procfs learned to quote?", got, err)
	}
}

// How many files of one interface procfs opens, where kwhy needs ten.
func TestWhatProcfsOpensOfAnInterface(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "class/net/eth0")
	for _, name := range strings.Fields("addr_assign_type addr_len address broadcast carrier carrier_changes carrier_down_count " +
		"carrier_up_count dev_id dormant duplex flags ifalias ifindex iflink link_mode mtu name_assign_type netdev_group " +
		"operstate phys_port_id phys_port_name phys_switch_id speed tx_queue_len type") {
		inspecttest.Write(t, filepath.Join(at, name), "1\n")
	}
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK)
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = unix.Close(watch) }()
	if _, err := unix.InotifyAddWatch(watch, at, unix.IN_OPEN); err != nil {
		t.Skip(err)
	}
	all, err := sysfs.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := all.NetClassByIface("eth0"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	n, err := unix.Read(watch, buf)
	if err != nil {
		t.Fatal(err)
	}
	opened := map[string]bool{}
	for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
		size := binary.NativeEndian.Uint32(b[12:])
		opened[string(bytes.TrimRight(b[16:16+size], "\x00"))] = true
		b = b[16+size:]
	}
	if delete(opened, ""); len(opened) < 24 {
		t.Errorf("procfs opens %d files of an interface: the page has two dozen and more", len(opened))
	}
}

func TestMountinfoAsProcfs(t *testing.T) {
	const optional = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
	for _, text := range append(inspecttest.Texts(t, inspecttest.Named("mountinfo")), optional,
		inspecttest.LiveFile(t, "/proc/self/mountinfo")) {
		want, err := inspecttest.Oracle(t, "self/mountinfo", text).GetMounts()
		if err != nil {
			t.Fatal(err)
		}
		var got []inspect.Mount
		err = inspect.ParseMountinfo([]byte(text), "", func(m inspect.Mount) { got = append(got, m) })
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d mounts of %d: %v", len(got), len(want), err)
		}
		for i, m := range got {
			w := want[i]
			if m.Root != inspect.UnescapeOctal(w.Root) || m.Point != inspect.UnescapeOctal(w.MountPoint) || m.FSType != w.FSType {
				t.Errorf("%+v, procfs has %+v", m, w)
			}
			for _, o := range slices.Collect(maps.Keys(w.SuperOptions)) {
				if !strings.Contains(m.Super, o) {
					t.Errorf("%+v lacks the option %s", m, o)
				}
			}
		}
	}
}
