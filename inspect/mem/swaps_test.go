package mem_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/mem"
)

const swapsHeading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"

func TestParseSwaps(t *testing.T) {
	got, err := mem.ParseSwaps(
		[]byte(swapsHeading + "/dev/sda2                               partition\t1048572\t\t512\t\t-2\n/mnt/a\\040b\tfile\t\t4\t\t0\t\t5\n"),
	)
	want := []mem.Swap{
		{Name: "/dev/sda2", Type: "partition", Size: 1048572 << 10, Used: 512 << 10, Priority: -2},
		{Name: "/mnt/a b", Type: "file", Size: 4 << 10, Priority: 5},
	}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if got, err := mem.ParseSwaps([]byte(swapsHeading)); err != nil || len(got) > 0 {
		t.Errorf("a heading alone is no swap: got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "garbage", swapsHeading + "/dev/sda2 partition 1", swapsHeading + "/dev/sda2 partition x 0 0\n",
		swapsHeading + "a b 1 -1 0\n"} {
		if _, err := mem.ParseSwaps([]byte(bad)); !errors.Is(err, inspect.ErrMalformed) {
			t.Errorf("%q: %v, want malformed", bad, err)
		}
	}
}

// What procfs reads of a host's swaps is what we read; of one without any it can't tell
// whether the file is whole.
func TestSwapsAsProcfs(t *testing.T) {
	texts := append(
		inspecttest.Texts(t, inspecttest.Named("swaps")),
		swapsHeading+"/mnt/a\\040b file 4 0 5\n/dev/sda2 partition 1048572 512 -2\n",
	)
	for _, text := range texts {
		got, err := mem.ParseSwaps([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := mem.SwapsOf(inspecttest.Oracle(t, "swaps", text))
		if diff := cmp.Diff(theirs, got); diff != "" || (err == nil) != (len(got) > 0) {
			t.Errorf("%q: %v, -procfs +ours:\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"", swapsHeading, swapsHeading + "/dev/sda2 partition x 0 0\n"} {
		if _, err := mem.SwapsOf(inspecttest.Oracle(t, "swaps", text)); inspect.ReasonOf(err) != inspect.Malformed {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzSwaps(f *testing.F) {
	f.Add([]byte(swapsHeading + "/dev/zram0 partition 131068 4 -2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := mem.ParseSwaps(b)
		if err != nil && (len(got) > 0 || !errors.Is(err, inspect.ErrMalformed)) {
			t.Errorf("%+v and %v", got, err)
		}
	})
}

// A cgroup mount below a path with a blank is escaped in mountinfo.
func TestCgroupMountWithABlank(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"proc/self/cgroup":                    "0::/app\n",
		"proc/self/mountinfo":                 "31 23 0:28 / /sys/fs/my\\040cgroup rw - cgroup2 cgroup2 rw\n",
		"proc/meminfo":                        "MemTotal: 1024 kB\n",
		"sys/fs/my cgroup/app/memory.max":     "1048576\n",
		"sys/fs/my cgroup/app/memory.current": "4096\n",
		"sys/fs/my cgroup/cgroup.controllers": "memory\n",
	} {
		inspecttest.Write(t, dir+"/"+name, text)
	}
	h, err := inspect.Open(dir+"/proc", dir+"/sys", inspecttest.AtNoon)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	m, err := mem.Take(h, inspect.Of(inspect.Meminfo, inspect.CgroupMemory))
	if err != nil || len(m.Cgroups) != 2 {
		t.Fatalf("%+v, %v, %v", m.Cgroups, m.Missing(inspect.CgroupMemory), err)
	}
	if n, why := m.Cgroups[0].Limit(); n != 1<<20 || why != inspect.Present {
		t.Errorf("its limit is %d, %v", n, why)
	}
}
