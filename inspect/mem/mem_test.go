package mem_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/mem"
	"kwhy/inspect/proc"
)

func TestParseNodeMeminfo(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want inspect.Counters // nil: malformed
	}{
		"a node": {"Node 0 MemTotal:  100 kB\nNode 0 HugePages_Total:  3\n",
			inspect.Counters{"MemTotal": 102400, "HugePages_Total": 3}},
		"any number":                 {"Node 12 MemFree: 1 kB\n", inspect.Counters{"MemFree": 1024}},
		"lines that are of no node":  {"\nMemTotal: 1 kB\nNode 0 MemFree: 1 kB\nNode\nNode 0\n", inspect.Counters{"MemFree": 1024}},
		"meminfo is not of its form": {"MemTotal: 1 kB\n", nil},
		"empty":                      {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mem.ParseNodeMeminfo([]byte(c.text))
			if diff := cmp.Diff(c.want, got); diff != "" || errors.Is(err, inspect.ErrMalformed) != (c.want == nil) {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

func TestParseZramStat(t *testing.T) {
	want := mem.Zram{Original: 66560000, Compressed: 17439764, MemUsed: 18063360, MemLimit: 0, Peak: 18673664}
	for name, text := range map[string]string{
		"8 columns, 5.10":        "66560000 17439764 18063360        0 18673664        0       16       11\n",
		"9 columns, 6.18":        "66560000 17439764 18063360 0 18673664 0 16 11 6\n",
		"no more than are taken": "66560000 17439764 18063360 0 18673664\n",
		"no newline":             "66560000 17439764 18063360 0 18673664",
	} {
		if got, err := mem.ParseZram([]byte(text)); got != want || err != nil {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for _, text := range []string{"", "\n", "1 2 3 4\n", "1 2 3 4", "1 2 x 4 5\n", "1 2 -3 4 5\n", "1 2 3 4 18446744073709551616\n"} {
		if got, err := mem.ParseZram([]byte(text)); !errors.Is(err, inspect.ErrMalformed) {
			t.Errorf("%q: got %+v, %v; want malformed", text, got, err)
		}
	}
}

// ofMemory reports whether a source belongs to a host's memory.
func ofMemory(s inspect.Source) bool {
	switch s {
	case inspect.Meminfo, inspect.Zoneinfo, inspect.Vmstat, inspect.Buddyinfo, inspect.ZswapEnabled,
		inspect.SelfCgroup, inspect.SelfMountinfo, inspect.CgroupMemory:
		return true
	}
	if s.Shape() != inspect.ShapeCustom {
		return strings.HasPrefix(s.String(), "/proc/sys/vm/") || strings.HasPrefix(s.String(), "/sys/kernel/mm/")
	}
	return mem.Reader(nil, s) != nil
}

// missing are the sources that a recorded host lacks: it was built without
// zswap, its zram was not set up yet, it has no ZFS; and what was not recorded, or is asked of a running
// kernel.
func missing(name string) map[inspect.Source]inspect.Reason {
	out := map[inspect.Source]inspect.Reason{
		inspect.ZFSArc: inspect.NotSaved, inspect.CgroupStat: inspect.NotSaved, inspect.SysvipcShm: inspect.NotSaved,
		inspect.TmpfsUse: inspect.Inapplicable,
	}
	if !strings.Contains(name, "7.3") {
		out[inspect.ZswapEnabled] = inspect.NotSaved
	}
	if strings.Contains(name, "idle") {
		out[inspect.ZramStat] = inspect.NotSaved
	}
	return out
}

func TestRecordedHostGivesAllThatItsKernelHas(t *testing.T) {
	inspecttest.OnEach(t, func(t *testing.T, dir string) {
		m := take(t, dir)
		want := missing(t.Name())
		for _, s := range inspect.Every() {
			if ofMemory(s) && m.Missing(s) != want[s] {
				t.Errorf("%v: %q, want %q", s, m.Missing(s), want[s])
			}
		}
		if !m.Still {
			t.Error("a tree of files does not hold still")
		}
		// What the process table wants of a host is not in the older recordings.
		gaps := slices.DeleteFunc(m.Gaps(), func(g inspect.Gap) bool { return !ofMemory(g.Source) })
		if len(gaps) != len(want)-3 { // that a copy has no ZFS, and does not say who holds Shmem, is none
			t.Errorf("gaps %v, want %d", gaps, len(want))
		}
		if m.At != inspecttest.Noon {
			t.Errorf("taken at %v, want the clock's %v", m.At, inspecttest.Noon)
		}
	})
}

func TestRecordedHostAddsUp(t *testing.T) {
	inspecttest.OnEach(t, func(t *testing.T, dir string) {
		m := take(t, dir)
		if total := m.Info["MemTotal"]; total < 400<<20 || total > 1<<30 {
			t.Errorf("MemTotal %d", total)
		}
		var swap, used uint64
		for _, s := range m.Swaps {
			swap, used = swap+s.Size, used+s.Used
		}
		if swap != m.Info["SwapTotal"] || swap-used != m.Info["SwapFree"] {
			t.Errorf("swaps %d with %d used, meminfo %d with %d free", swap, used, m.Info["SwapTotal"], m.Info["SwapFree"])
		}
		slabs := 25
		if strings.HasSuffix(t.Name(), "-oom") {
			slabs = 10
		}
		if len(m.Slabs) != slabs || len(m.Pools) != 1 || m.Pools[0].PageSize != 2<<20 || len(m.Pools[0].Counts) != 2 {
			t.Errorf("%d slabs, pools %v", len(m.Slabs), m.Pools)
		}
		if len(m.Nodes) != 1 || m.Nodes[0].Info["MemTotal"] != m.Info["MemTotal"] {
			t.Errorf("nodes %v, MemTotal %d", len(m.Nodes), m.Info["MemTotal"])
		}
		if m.Pressure.Some == nil || m.Pressure.Full == nil || m.Pressure.Full.Total > m.Pressure.Some.Total {
			t.Errorf("pressure %+v", m.Pressure)
		}
		if n, ok := m.Number(inspect.VMMaxMapCount); !ok || n < 65530 {
			t.Errorf("max_map_count %d, %v", n, ok)
		}
		if w, ok := m.Word(inspect.THPEnabled); !ok || w == "" {
			t.Errorf("transparent huge pages %q, %v", w, ok)
		}
		if swap > 0 &&
			(len(m.Zrams) != 1 || m.Zrams[0].Name != "zram0" || m.Zrams[0].DiskSize != 128<<20 || m.Zrams[0].Compressed >= m.Zrams[0].Original) {
			t.Errorf("zrams %+v", m.Zrams)
		}
	})
}

func TestOnlyWhatIsWantedIsRead(t *testing.T) {
	h := inspecttest.Open(t, inspecttest.Recorded(t, "debian-6.18-swap"))
	for _, s := range inspect.Every() {
		if !ofMemory(s) || s == inspect.SelfCgroup || s == inspect.SelfMountinfo || h.Kernel.Oldest.Before(s.Since()) {
			continue
		}
		m, err := mem.Take(h, inspect.Of(s))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: %v", s, err)
		}
		if err != nil {
			continue
		}
		for _, other := range inspect.Every() {
			either := s == inspect.CgroupMemory && (other == inspect.SelfCgroup || other == inspect.SelfMountinfo)
			if read := m.Missing(other) != inspect.Unread; read != (other == s || either) {
				t.Errorf("asked for %v: %v is %q", s, other, m.Missing(other))
			}
		}
	}
}

func TestSwapsAreByPriorityWithTheirNames(t *testing.T) {
	dir := inspecttest.UnpackText(t, `
-- proc/swaps --
Filename				Type		Size		Used		Priority
/swap\040file                           file		8		0		-2
/dev/zram0                              partition	131068		57548		100
/dev/sda2                               partition	16		4		-2
`)
	want := []mem.Swap{
		{Name: "/dev/zram0", Type: "partition", Size: 131068 << 10, Used: 57548 << 10, Priority: 100},
		{Name: "/swap file", Type: "file", Size: 8 << 10, Priority: -2},
		{Name: "/dev/sda2", Type: "partition", Size: 16 << 10, Used: 4 << 10, Priority: -2},
	}
	if diff := cmp.Diff(want, take(t, dir).Swaps); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestBuddyinfoWithoutZoneinfoMakesItsZones(t *testing.T) {
	dir := inspecttest.UnpackText(
		t,
		"-- proc/buddyinfo --\nNode 0, zone      DMA      1      0      3\nNode 1, zone   Normal      0      5      0\n",
	)
	want := []mem.Zone{{Node: 0, Name: "DMA", Blocks: []uint64{1, 0, 3}}, {Node: 1, Name: "Normal", Blocks: []uint64{0, 5, 0}}}
	if diff := cmp.Diff(want, take(t, dir).Zones); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNodesAndPoolsAreInOrder(t *testing.T) {
	var archive strings.Builder
	for _, n := range []int{10, 2, 0} {
		archive.WriteString("-- sys/devices/system/node/node" + strconv.Itoa(n) + "/meminfo --\nNode " + strconv.Itoa(n) + " MemTotal: 1 kB\n")
	}
	for _, kb := range []string{"1048576", "2048", "64"} {
		archive.WriteString("-- sys/kernel/mm/hugepages/hugepages-" + kb + "kB/nr_hugepages --\n1\n")
	}
	archive.WriteString("-- sys/devices/system/node/possible --\n0-10\n-- proc/meminfo --\nMemTotal: 1 kB\n")
	m := take(t, inspecttest.UnpackText(t, archive.String()))
	var ids []int
	var sizes []uint64
	for _, n := range m.Nodes {
		ids = append(ids, n.ID)
	}
	for _, p := range m.Pools {
		sizes = append(sizes, p.PageSize)
	}
	if diff := cmp.Diff([]int{0, 2, 10}, ids) + cmp.Diff([]uint64{64 << 10, 2 << 20, 1 << 30}, sizes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMemFailsOnlyWhereNothingIsThere(t *testing.T) {
	h := inspecttest.Open(t, inspecttest.UnpackText(t, "-- proc/version --\nLinux\n"))
	if m, err := mem.Take(h, inspecttest.Everything); err == nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a tree without files: %v, %v; want that they are not there", m, err)
	}
	h = inspecttest.Open(t, inspecttest.UnpackText(t, "-- proc/meminfo --\ngarbage\n"))
	if m, err := mem.Take(h, inspecttest.Everything); err != nil || m.Missing(inspect.Meminfo) != inspect.Malformed {
		t.Errorf("a tree with one bad file: %v; want no error", err)
	}
}

func TestBeforeIsTheEarlierSample(t *testing.T) {
	m := take(t, inspecttest.Recorded(t, "debian-7.3-idle"))
	if _, _, ok := m.Before(); ok {
		t.Error("a first sample has one before it")
	}
	was := *m
	was.At = inspecttest.Noon.Add(-3e9)
	m.Was = &was
	if got, d, ok := m.Before(); got != &was || d != 3e9 || !ok {
		t.Errorf("before: %v ago, %v", d, ok)
	}
}

// spoiled are ways in which a file can be bad.
var spoiled = map[string]func(string) string{
	"cut in half": func(s string) string { return s[:len(s)/2] },
	"empty":       func(string) string { return "" },
	"garbage": func(string) string {
		return "\x00\xff)( : [\n-1 99999999999999999999 kB\n\n" + strings.Repeat("a:b,c-d ", 300)
	},
}

// eachSpoiled runs do on recorded hosts with one bad file.
func eachSpoiled(t *testing.T, do func(t *testing.T, dir, file, how string)) {
	inspecttest.OnEach(t, func(t *testing.T, dir string) {
		t.Parallel()
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			rel, _ := filepath.Rel(dir, p)
			text := inspecttest.Read(t, p)
			for how, edit := range spoiled {
				if text != "" {
					inspecttest.Write(t, p, edit(text))
					do(t, dir, rel, how)
				}
			}
			inspecttest.Write(t, p, text)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestBadFilesAreNoPanicAndNoError(t *testing.T) {
	if testing.Short() {
		t.Skip("left out of a short run: it runs in one goroutine, and takes long")
	}
	eachSpoiled(t, func(t *testing.T, dir, file, how string) {
		h, err := inspect.Open(dir+"/proc", dir+"/sys", inspecttest.AtNoon)
		if err != nil {
			t.Fatalf("%s %s: %v", file, how, err)
		}
		defer h.Close()
		m, err := mem.Take(h, inspecttest.Everything)
		if err != nil {
			t.Fatalf("%s %s: %v", file, how, err)
		}
		for _, s := range inspect.Every() {
			if ofMemory(s) && m.Missing(s) == inspect.Unread && s != inspect.SelfCgroup && s != inspect.SelfMountinfo {
				t.Errorf("%s %s: nobody tried to read %v", file, how, s)
			}
		}
		if _, ok := m.Number(inspect.VMSwappiness); file == "proc/sys/vm/swappiness" && how != "cut in half" && ok {
			t.Errorf("%s %s: a number came out", file, how)
		}
		ps, err := proc.Scan(h, inspecttest.Everything)
		if err != nil || ps.Len() < 6 {
			t.Errorf("%s %s: %d processes, %v", file, how, ps.Len(), err)
		}
		if _, err := mem.TakeProcess(h, max(h.Example(), 1), inspecttest.Everything); err != nil {
			t.Errorf("%s %s: %v", file, how, err)
		}
	})
}

// fileOf returns a file of a source in a recorded host; "" where several share
// the work and one bad one is not the end.
func fileOf(s inspect.Source, dir string) string {
	p := s.String()
	switch s {
	case inspect.CgroupMemory, inspect.TmpfsUse:
		return ""
	case inspect.HugepagePools:
		p += "/hugepages-2048kB/nr_hugepages"
	case inspect.KSM:
		p += "/run"
	case inspect.SelfCgroup, inspect.SelfMountinfo:
		self, _ := os.Readlink(dir + "/proc/self")
		p = strings.Replace(p, "self", self, 1)
	}
	return strings.TrimPrefix(strings.Replace(p, "<n>", "0", 1), "/")
}

func TestAnEmptiedFileIsNotPresent(t *testing.T) {
	inspecttest.OnEach(t, func(t *testing.T, dir string) {
		lacks := missing(t.Name())
		for _, s := range inspect.Every() {
			file := fileOf(s, dir)
			if !ofMemory(s) || file == "" || lacks[s] != inspect.Present {
				continue
			}
			text := inspecttest.Read(t, filepath.Join(dir, file))
			inspecttest.Write(t, filepath.Join(dir, file), "")
			if got := take(t, dir).Missing(s); got != inspect.Malformed {
				t.Errorf("%v emptied: %q, want malformed", s, got)
			}
			inspecttest.Write(t, filepath.Join(dir, file), text)
		}
	})
}

// A kernel that lacks the one sysctl that is asked for is a kernel still; a directory
// of anything else is none.
func TestOneAbsentFileIsNoAbsentProc(t *testing.T) {
	const swappiness = "proc/sys/vm/swappiness"
	for _, there := range []string{"proc/stat", "proc/meminfo", "proc/sys/kernel/osrelease"} {
		dir := t.TempDir()
		inspecttest.Write(t, filepath.Join(dir, there), "1\n")
		m, err := mem.Take(inspecttest.Open(t, dir), inspect.Of(inspect.VMSwappiness))
		if err != nil || m.Missing(inspect.VMSwappiness) != inspect.NotSaved {
			t.Errorf("besides %s: %v", there, err)
		}
	}
	dir := t.TempDir()
	inspecttest.Write(t, filepath.Join(dir, "proc/readme"), "1\n")
	if _, err := mem.Take(inspecttest.Open(t, dir), inspect.Of(inspect.VMSwappiness)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no /proc at all: %v", err)
	}
	inspecttest.Write(t, filepath.Join(dir, swappiness), "60\n")
	if m, err := mem.Take(inspecttest.Open(t, dir), inspect.Of(inspect.VMSwappiness)); err != nil ||
		m.Missing(inspect.VMSwappiness) != inspect.Present {
		t.Errorf("a copy of one file: %v", err)
	}
}

func TestARemovedFileIsNotInTheCopy(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-oom")
	for _, s := range inspect.Every() {
		file := fileOf(s, dir)
		if !ofMemory(s) || file == "" || s == inspect.HugepagePools || s == inspect.ZFSArc || s == inspect.CgroupStat ||
			s == inspect.SysvipcShm {
			continue // a pool may lack a counter
		}
		at, aside := filepath.Join(dir, file), filepath.Join(dir, "aside")
		if err := os.Rename(at, aside); err != nil {
			t.Fatal(err)
		}
		if got := take(t, dir).Missing(s); got != inspect.NotSaved {
			t.Errorf("%v removed: %q, want not_in_copy", s, got)
		}
		if err := os.Rename(aside, at); err != nil {
			t.Fatal(err)
		}
	}
}

// take reads all of the memory of the host below dir.
func take(t testing.TB, dir string) *mem.Snapshot {
	t.Helper()
	m, err := mem.Take(inspecttest.Open(t, dir), inspecttest.Everything)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
