package mem_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/mem"
)

func FuzzZoneinfo(f *testing.F) {
	headers := regexp.MustCompile(`(?m)^[ \t]*Node([ \t]|$)`)
	inspecttest.Seed(f, inspecttest.Named("zoneinfo"), zoneNormal+zoneEmpty, "Node 0, zone", "Node 0, zone DMA\nNode x")
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			zones, _, err := mem.ParseZoneinfo(b)
			inspecttest.SomeOrMalformed(t, len(zones), err)
			if want := len(headers.FindAll(b[:bytes.LastIndexByte(b, '\n')+1], -1)); err == nil && len(zones) != want {
				t.Fatalf("%d zones of %d", len(zones), want)
			}
			for _, z := range zones {
				if z.Name == "" || z.Pages == nil || z.PerCPU > 0 && !z.HasPerCPU || len(z.Pages) > 12 {
					t.Fatalf("zone %+v", z)
				}
			}
		})
	})
}

func FuzzSlabinfo(f *testing.F) {
	inspecttest.Seed(f, inspecttest.Named("slabinfo"), slabHead, "a 1 2 3 4 5 : tunables 0 0 0 : slabdata 1 2 3")
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			slabs, err := mem.ParseSlabinfo(b)
			inspecttest.SomeOrMalformed(t, len(slabs), err)
			for _, s := range slabs {
				if s.Name == "" || strings.ContainsAny(s.Name, " \t\n") {
					t.Fatalf("slab %+v", s)
				}
			}
		})
	})
}

func FuzzNodeMeminfo(f *testing.F) {
	inspecttest.Seed(f, inspecttest.Named("node0/meminfo"), "Node 0 MemTotal: 1 kB", "Node\nNode 0\nNode 0 a: 1\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			got, err := mem.ParseNodeMeminfo(b)
			inspecttest.SomeOrMalformed(t, len(got), err)
		})
	})
}

func FuzzZram(f *testing.F) {
	inspecttest.Seed(f, inspecttest.Named("mm_stat"), "1 2 3 4 5", "1 2 3 4\n5\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			if z, err := mem.ParseZram(b); err != nil && !errors.Is(err, inspect.ErrMalformed) || err == nil && len(bytes.Fields(b)) < 5 {
				t.Fatalf("%+v, %v", z, err)
			}
		})
	})
}

func FuzzBuddyinfo(f *testing.F) {
	inspecttest.Seed(
		f,
		inspecttest.Named("proc/buddyinfo"),
		"Node 0, zone DMA 1\nNode 0, zone DMA 2 3",
		"Node x, zone DMA 1",
		"Node 0, zone DMA",
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			zones, err := mem.ParseBuddyinfo(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) || err == nil && len(zones) == 0 {
				t.Fatalf("%d zones and %v", len(zones), err)
			}
			for _, z := range zones {
				if z.Name == "" || len(z.Blocks) == 0 {
					t.Fatalf("%+v", z)
				}
			}
		})
	})
}

func FuzzMaps(f *testing.F) {
	inspecttest.Seed(
		f,
		inspecttest.Named("maps"),
		"1000-2000 r-xp 00000000 08:01 7   /a  b\n",
		"2000-1000 r-xp 0 0 0\n",
		"1-2 r-xp 0 0 0",
		"-1-2 rwxp 0 0 0 [heap]",
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			maps, err := mem.ParseMaps(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatal(err)
			}
			for _, m := range maps {
				if m.Start >= m.End || len(m.Perms()) != 4 || strings.ContainsAny(m.Path, "\n") {
					t.Fatalf("%+v", m)
				}
			}
		})
	})
}

// FuzzCgroupFiles makes the files that a container's inside can shape: where
// it is, what is mounted, and a limit.
func FuzzCgroupFiles(f *testing.F) {
	for _, cgroup := range append(inspecttest.Texts(f, inspecttest.Named("cgroup")), "2:memory:/m\n0::/u\n", "0::/../x\n",
		"0::/a/../../..\n", "0:::\n") {
		for _, mount := range []string{MountV2, MountV1, "24 21 0:21 /m /sys/fs/cgroup ro - cgroup2 c rw\n",
			"24 21 0:21 / /../.. ro - cgroup2 c rw\n"} {
			for _, limit := range []string{"max\n", "1000\n", "9223372036854771712\n", ""} {
				f.Add(cgroup, mount, limit)
			}
		}
	}
	dir := f.TempDir()
	inspecttest.Write(f, dir+"/proc/meminfo", "MemTotal: 1 kB\n")
	for _, d := range []string{"fs/cgroup", "fs/cgroup/app/web", "fs/cgroup/memory", "fs/cgroup/memory/m"} {
		for _, file := range []string{"memory.current", "memory.usage_in_bytes"} {
			inspecttest.Write(f, filepath.Join(dir, "sys", d, file), "500\n")
		}
	}
	h := inspecttest.Open(f, dir)
	f.Fuzz(func(t *testing.T, at, mount, limit string) {
		inspecttest.Write(t, dir+"/proc/self/cgroup", at)
		inspecttest.Write(t, dir+"/proc/self/mountinfo", mount)
		for _, d := range []string{"fs/cgroup/memory.max", "fs/cgroup/memory/m/memory.limit_in_bytes"} {
			inspecttest.Write(t, filepath.Join(dir, "sys", d), limit)
		}
		m, err := mem.Take(h, inspect.Of(inspect.Meminfo, inspect.CgroupMemory))
		if err != nil {
			t.Fatal(err)
		}
		if m.Missing(inspect.CgroupMemory) == inspect.Present && len(m.Cgroups) == 0 || len(m.Cgroups) > strings.Count(at, "/")+1 {
			t.Fatalf("%d cgroups from %q, %q", len(m.Cgroups), at, m.Missing(inspect.CgroupMemory))
		}
		for _, i := range []int{cgroup.Lowest(m.Cgroups), cgroup.Closest(m.Cgroups)} {
			if i >= 0 {
				if _, r := m.Cgroups[i].Limit(); r != inspect.Present {
					t.Fatalf("cgroup %d is the one to mind, and its limit %q", i, r)
				}
			}
		}
		if n, ok := cgroup.HiddenLimit(m.Cgroups); ok && n == 0 {
			t.Fatal("a hidden limit of nothing")
		}
	})
}
