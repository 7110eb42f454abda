package mem_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/mem"
)

// procMem reads process 10 of the host below dir.
func procMem(t testing.TB, dir string) *mem.Process {
	t.Helper()
	m, err := mem.TakeProcess(inspecttest.Open(t, dir), 10, inspecttest.Everything)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// withMaps returns process 10 with the given mappings.
func withMaps(t testing.TB, lines ...string) *mem.Process {
	t.Helper()
	dir := inspecttest.ProcTree(t)
	inspecttest.Write(t, dir+"/proc/10/status", "Name:\tsh\nVmSize:\t     100 kB\n")
	inspecttest.Write(t, dir+"/proc/10/maps", strings.Join(lines, "\n")+"\n")
	return procMem(t, dir)
}

func TestKindOfAMapping(t *testing.T) {
	for line, want := range map[string]string{
		"00400000-00401000 r-xp 00000000 fe:00 14   /bin/sh":                     "code",
		"00400000-00401000 r-xs 00000000 fe:00 14   /bin/sh":                     "code",
		"00400000-00401000 r--p 00000000 fe:00 14   /bin/sh":                     "file",
		"00400000-00401000 rw-p 00000000 fe:00 14   /bin/sh (deleted)":           "file",
		"00400000-00401000 rw-s 00000000 fe:00 14   /var/lib/db":                 "file",
		"00400000-00401000 rw-p 00000000 00:00 0    [heap]":                      "heap",
		"00400000-00401000 rw-p 00000000 00:00 0    [stack]":                     "stack",
		"00400000-00401000 rw-p 00000000 00:00 0    [stack:123]":                 "stack",
		"00400000-00401000 rw-p 00000000 00:00 0 ":                               "anonymous",
		"00400000-00401000 rwxp 00000000 00:00 0 ":                               "anonymous", // a JIT's
		"00400000-00401000 rw-p 00000000 00:00 0    [anon:glibc: malloc]":        "anonymous",
		"00400000-00401000 ---p 00000000 00:00 0 ":                               "reserved",
		"00400000-00401000 ---p 00000000 fe:00 14   /lib/libc.so.6":              "reserved",
		"00400000-00401000 ---p 00000000 00:00 0    [anon:Go: arena]":            "reserved",
		"00400000-00401000 rw-s 00000000 00:01 1024 /dev/zero (deleted)":         "shared",
		"00400000-00401000 rw-s 00000000 00:01 3    /SYSV00000000 (deleted)":     "shared",
		"00400000-00401000 rw-s 00000000 00:01 4    /memfd:pulseaudio (deleted)": "shared",
		"00400000-00401000 r--s 00000000 00:16 5    /dev/shm/x":                  "shared",
		"00400000-00401000 rw-p 00000000 00:01 4    /memfd:copied (deleted)":     "file", // its pages are this process's own once written
		"00400000-00401000 rw-s 00000000 00:00 0    [anon_shmem:mine]":           "shared",
		"00400000-00401000 ---s 00000000 00:01 1024 /dev/zero (deleted)":         "shared",
		"00400000-00401000 r--p 00000000 00:00 0    [vvar]":                      "vdso",
		"00400000-00401000 r--p 00000000 00:00 0    [vvar_vclock]":               "vdso",
		"00400000-00401000 r-xp 00000000 00:00 0    [vdso]":                      "vdso",
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]":     "vdso",
		"00400000-00401000 r-xp 00000000 00:00 0    [uprobes]":                   "vdso",
		"00400000-00401000 r--p 00000000 fe:00 14   /tmp/a b  c":                 "file",
		"00400000-00401000 rw-p 00000000 00:0f 99   /anon_hugepage (deleted)":    "hugetlb",
		"00400000-00401000 rw-s 00000000 00:1d 14   /dev/hugepages/pool":         "file", // where it has none of the pool
	} {
		t.Run(line, func(t *testing.T) {
			m := withMaps(t, line)
			if r := m.Missing(inspect.PIDMaps); r != inspect.Present {
				t.Fatalf("maps: %q", r)
			}
			if len(m.Regions) != 1 || m.Regions[0].Kind != want {
				t.Fatalf("regions %+v, want one of kind %s", m.Regions, want)
			}
			if diff := cmp.Diff([]mem.MapKind{{Name: want, Size: 4096, Maps: 1}}, m.Kinds); diff != "" {
				t.Errorf("kinds, -want +got:\n%s", diff)
			}
		})
	}
}

func TestNeighboursOfOneObjectAreOneRegion(t *testing.T) {
	m := withMaps(t,
		"00400000-00401000 r--p 00000000 fe:00 14 /bin/sh",
		"00401000-00403000 r-xp 00001000 fe:00 14 /bin/sh",
		"00404000-00405000 rw-p 00004000 fe:00 14 /bin/sh",
		"00405000-00407000 rw-p 00000000 00:00 0 ",
		"00407000-00408000 r--p 00000000 00:00 0 ",
		"00408000-00409000 ---p 00000000 00:00 0 ",
		"01408000-01409000 ---p 00000000 00:00 0 ", // just below the width of a hole
		"02409000-0240a000 ---p 00000000 00:00 0 ", // just that
		"7f0000000000-7f0000001000 rw-p 00000000 00:00 0 [anon:a]",
		"7f0000001000-7f0000002000 rw-p 00000000 00:00 0 [anon:b]",
		"7f0000002000-7f0000003000 r-xp 00000000 fe:00 14 /bin/sh",
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
	)
	want := []mem.Region{
		{
			Start:  0x400000,
			End:    0x405000,
			Size:   0x4000,
			Kind:   "code",
			Object: "/bin/sh",
			Perms:  []string{"r--p", "r-xp", "rw-p"},
			Maps:   3,
			Gap:    0x400000,
		},
		{Start: 0x405000, End: 0x408000, Size: 0x3000, Kind: "anonymous", Perms: []string{"rw-p", "r--p"}, Maps: 2},
		{Start: 0x408000, End: 0x1409000, Size: 0x2000, Kind: "reserved", Perms: []string{"---p"}, Maps: 2},
		{Start: 0x2409000, End: 0x240a000, Size: 0x1000, Kind: "reserved", Perms: []string{"---p"}, Maps: 1, Gap: 16 << 20},
		{
			Start:  0x7f0000000000,
			End:    0x7f0000001000,
			Size:   0x1000,
			Kind:   "anonymous",
			Object: "[anon:a]",
			Perms:  []string{"rw-p"},
			Maps:   1,
			Gap:    0x7f0000000000 - 0x240a000,
		},
		{Start: 0x7f0000001000, End: 0x7f0000002000, Size: 0x1000, Kind: "anonymous", Object: "[anon:b]", Perms: []string{"rw-p"}, Maps: 1},
		{Start: 0x7f0000002000, End: 0x7f0000003000, Size: 0x1000, Kind: "code", Object: "/bin/sh", Perms: []string{"r-xp"}, Maps: 1},
		{
			Start:  0xffffffffff600000,
			End:    0xffffffffff601000,
			Size:   0x1000,
			Kind:   "vdso",
			Object: "[vsyscall]",
			Perms:  []string{"--xp"},
			Maps:   1,
			Gap:    0xffffffffff600000 - 0x7f0000003000,
		},
	}
	if diff := cmp.Diff(want, m.Regions); diff != "" {
		t.Errorf("regions, -want +got:\n%s", diff)
	}
	kinds := []mem.MapKind{
		{Name: "code", Size: 0x3000, Maps: 2}, {Name: "file", Size: 0x2000, Maps: 2}, {Name: "anonymous", Size: 0x5000, Maps: 4},
		{Name: "reserved", Size: 0x3000, Maps: 3}, {Name: "vdso", Size: 0x1000, Maps: 1},
	}
	if diff := cmp.Diff(kinds, m.Kinds); diff != "" {
		t.Errorf("kinds, -want +got:\n%s", diff)
	}
	if m.Maps != 11 {
		t.Errorf("%d mappings, want 11: the gate page is in no task's count", m.Maps)
	}
}

func TestARegionNamesEachPermissionOnce(t *testing.T) {
	m := withMaps(t,
		"00400000-00401000 rw-s 00000000 fe:00 14 /db",
		"00401000-00402000 r--p 00000000 fe:00 14 /db",
		"00402000-00403000 rw-s 00002000 fe:00 14 /db",
		"00403000-00404000 ---s 00002000 fe:00 14 /dev/shm/x")
	if diff := cmp.Diff([]string{"rw-s", "r--p"}, m.Regions[0].Perms) + cmp.Diff([]string{"---s"}, m.Regions[1].Perms); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestBadMapsAreMalformed(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "cut in a line": "00400000-00401000 r-xp 00000000 fe:00 14 /bin/sh\n00401000-004", "garbage": "\x00\xff\n",
		"letters cut": "00400000-00401000 r-\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := inspecttest.ProcTree(t)
			inspecttest.Write(t, dir+"/proc/10/status", "VmSize:\t1 kB\n")
			inspecttest.Write(t, dir+"/proc/10/maps", text)
			m := procMem(t, dir)
			if r := m.Missing(inspect.PIDMaps); r != inspect.Malformed || len(m.Regions)+len(m.Kinds) > 0 {
				t.Errorf("%q, %d regions; want malformed and none", r, len(m.Regions))
			}
		})
	}
}

func TestMappingsOfRecordedHosts(t *testing.T) {
	inspecttest.OnEach(t, func(t *testing.T, dir string) {
		h := inspecttest.Open(t, dir)
		m, err := mem.TakeProcess(h, h.Example(), inspecttest.Everything)
		if err != nil {
			t.Fatal(err)
		}
		var kinds, regions uint64
		maps := 0
		for _, k := range m.Kinds {
			kinds, maps = kinds+k.Size, maps+k.Maps
		}
		for i, r := range m.Regions {
			regions += r.Size
			if r.Size > r.End-r.Start || i > 0 && r.Start != m.Regions[i-1].End+r.Gap {
				t.Errorf("region %+v after %+v", r, m.Regions[i-1])
			}
		}
		size := m.Status["VmSize"]
		if i := len(m.Regions) - 1; m.Regions[i].Object == "[vsyscall]" {
			size, maps = size+m.Regions[i].Size, maps-1 // the gate page is in no VmSize
		}
		if kinds != size || regions != size || maps != m.Maps {
			t.Errorf("kinds %d, regions %d, want VmSize %d; %d maps of kinds, want %d", kinds, regions, size, maps, m.Maps)
		}
		// Up to 6.1, status leaves out what the process's tasks have not added up yet.
		if rss := m.Status["VmRSS"]; rss == 0 || max(m.Rollup["Rss"], rss)-min(m.Rollup["Rss"], rss) > 1<<20 {
			t.Errorf("smaps_rollup %d, VmRSS %d", m.Rollup["Rss"], rss)
		}
		if m.RAM < 400<<20 || m.MaxMaps < 65530 || len(m.Gaps()) > 0 {
			t.Errorf("RAM %d, max_map_count %d, gaps %v", m.RAM, m.MaxMaps, m.Gaps())
		}
	})
}

// TestACutFileOfAProcessGivesOnlyWhatItHas cuts both files after each of their bytes.
func TestACutFileOfAProcessGivesOnlyWhatItHas(t *testing.T) {
	const status = "Name:\tsh\nVmSize:\t     100 kB\nVmRSS:\t      44 kB\nnonvoluntary_ctxt_switches:\t12\n"
	const maps = "00400000-00401000 r-xp 00000000 fe:00 14   /bin/sh\n00501000-00502000 rw-p 00000000 00:00 0    [heap]\n"
	dir := inspecttest.ProcTree(t)
	write := func(status, maps string) *mem.Process {
		inspecttest.Write(t, dir+"/proc/10/status", status)
		inspecttest.Write(t, dir+"/proc/10/maps", maps)
		return procMem(t, dir)
	}
	whole := write(status, maps)
	if whole.Partial(inspect.PIDStatus) || whole.Maps != 2 {
		t.Fatalf("whole: %+v", whole)
	}
	for n := range len(status) {
		m := write(status[:n], maps)
		for name, v := range m.Status {
			if v != whole.Status[name] {
				t.Errorf("of %q: %s %d", status[:n], name, v)
			}
		}
		if !m.Partial(inspect.PIDStatus) && m.Missing(inspect.PIDStatus) != inspect.Malformed || m.NoMemory() {
			t.Errorf("of %q: partial %v, no memory %v", status[:n], m.Partial(inspect.PIDStatus), m.NoMemory())
		}
	}
	if m := write(strings.Replace(status, " 44", " 4x", 1), maps); !m.Partial(inspect.PIDStatus) {
		t.Error("a garbled VmRSS leaves status whole")
	}
	for n := range len(maps) {
		m := write(status, maps[:n])
		if n != strings.Index(maps, "\n")+1 && (m.Maps != 0 || m.Missing(inspect.PIDMaps) != inspect.Malformed) {
			t.Errorf("of %q: %d mappings, %q", maps[:n], m.Maps, m.Missing(inspect.PIDMaps))
		}
	}
}

func TestProcessesWithoutMemory(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	inspecttest.Write(t, dir+"/proc/3/stat", "3 (zombie)"+strings.Replace(inspecttest.StatLine, " S ", " Z ", 1))
	inspecttest.Write(t, dir+"/proc/4/stat", "4 (exiting)"+inspecttest.StatLine)
	inspecttest.Write(t, dir+"/proc/4/status", "Name:\texiting\nThreads:\t1\nnonvoluntary_ctxt_switches:\t0\n")
	h := inspecttest.Open(t, dir)
	for _, pid := range []int32{2, 3, 4} {
		m, err := mem.TakeProcess(h, pid, inspecttest.Everything)
		if err != nil {
			t.Fatal(err)
		}
		if !m.NoMemory() || m.Missing(inspect.PIDMaps) != inspect.Inapplicable || m.Missing(inspect.PIDSmapsRollup) != inspect.Inapplicable {
			t.Errorf(
				"%s: no memory %v, maps %q, smaps_rollup %q; want true and inapplicable",
				m.P.Comm,
				m.NoMemory(),
				m.Missing(inspect.PIDMaps),
				m.Missing(inspect.PIDSmapsRollup),
			)
		}
	}
}

func TestFilesOfAProcessThatAreNotThere(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	inspecttest.Write(t, dir+"/proc/10/status", "VmSize:\t1 kB\n")
	if err := os.Remove(dir + "/proc/10/smaps_rollup"); err != nil {
		t.Fatal(err)
	}
	m := procMem(t, dir)
	for _, s := range []inspect.Source{inspect.PIDSmapsRollup, inspect.PIDMaps} {
		if got := m.Missing(s); got != inspect.NotSaved {
			t.Errorf("%v: %q, want unsupported: its directory is there", s, got)
		}
	}
}

func TestSmapsStandInForSmapsRollup(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	if err := os.Remove(dir + "/proc/10/smaps_rollup"); err != nil {
		t.Fatal(err)
	}
	inspecttest.Write(t, dir+"/proc/10/status", "VmSize:\t1 kB\n")
	one := "00400000-00401000 r-xp 00000000 fe:00 14 /bin/sh\nRss: 4 kB\nPss: 2 kB\nPrivate_Clean: 1 kB\nPrivate_Dirty: 2 kB\n" +
		"Swap: 8 kB\nVmFlags: rd ex\n"
	inspecttest.Write(t, dir+"/proc/10/smaps", one+one)
	m := procMem(t, dir)
	for name, want := range map[string]uint64{"Rss": 8192, "Pss": 4096, "Private_Clean": 2048, "Private_Dirty": 4096, "Swap": 16384} {
		if got := m.Rollup[name]; got != want {
			t.Errorf("%s: %d, want the sum %d", name, got, want)
		}
	}
}

func TestNoProcess(t *testing.T) {
	h := inspecttest.Open(t, inspecttest.ProcTree(t))
	for _, pid := range []int32{12, 99} { // no number, not there
		if m, err := mem.TakeProcess(h, pid, inspecttest.Everything); !errors.Is(err, inspect.ErrNoProcess) {
			t.Errorf("process %d: %v, %v; want ErrNoProcess", pid, m, err)
		}
	}
}

func TestBadStatIsAGapOnly(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	inspecttest.Write(t, dir+"/proc/10/stat", "10 (sh) S")
	inspecttest.Write(t, dir+"/proc/10/status", "Name:\tsh\nVmSize:\t1 kB\n")
	m := procMem(t, dir)
	if m.Missing(inspect.PIDStat) != inspect.Malformed || m.Status["VmSize"] != 1024 {
		t.Errorf("stat %q, status %v", m.Missing(inspect.PIDStat), m.Status)
	}
}

func TestBornIsBootTimeAndStart(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	for name, c := range map[string]struct {
		stat string
		want time.Time
	}{
		"btime":              {"cpu 1 2 3\nbtime 1700000000\nprocesses 5\n", time.Unix(1700000002, 220e6).UTC()},
		"no btime":           {"cpu 1 2 3\n", time.Time{}},
		"btime is no number": {"btime x\n", time.Time{}},
	} {
		inspecttest.Write(t, dir+"/proc/stat", c.stat)
		if got := procMem(t, dir).Born; !got.Equal(c.want) {
			t.Errorf("%s: born %v, want %v", name, got, c.want)
		}
	}
}

// A file of hugetlbfs is known by its device, of a process that has pages of the pool.
func TestAFileOfHugetlbfs(t *testing.T) {
	dir := inspecttest.ProcTree(t)
	inspecttest.Write(t, dir+"/proc/10/status", "Name:\tsh\nVmSize:\t     100 kB\nHugetlbPages:\t    2048 kB\n")
	inspecttest.Write(t, dir+"/proc/10/mountinfo", "30 21 0:29 / /mnt/large rw - hugetlbfs none rw,pagesize=2M\n")
	inspecttest.Write(t, dir+"/proc/10/maps", "00400000-00600000 rw-s 00000000 00:1d 14   /mnt/large/pool\n"+
		"00700000-00701000 rw-s 00000000 fe:00 14   /mnt/other\n")
	m := procMem(t, dir)
	if len(m.Regions) != 2 || m.Regions[0].Kind != "hugetlb" || m.Regions[1].Kind != "file" {
		t.Errorf("%+v", m.Regions)
	}
}
