package mem_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/mem"
)

// chain is the cgroups of a tree, in short: what the tests look at.
type chain struct {
	Missing         inspect.Reason
	Version         int
	Paths           []string
	Lowest, Closest int // places in Paths, -1 for none
	Hidden          uint64
	Root            bool // the last one is the highest that can be seen
}

func chainOf(m *mem.Snapshot) (c chain) {
	c = chain{Missing: m.Missing(inspect.CgroupMemory), Lowest: cgroup.Lowest(m.Cgroups), Closest: cgroup.Closest(m.Cgroups)}
	for _, g := range m.Cgroups {
		c.Version, c.Root = g.Version, g.Root
		c.Paths = append(c.Paths, g.Path)
	}
	c.Hidden, _ = cgroup.HiddenLimit(m.Cgroups)
	return c
}

const (
	MountV2     = "24 21 0:21 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"
	MountV1     = "31 21 0:28 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
	mountV1CPU  = "30 21 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
	mountHybrid = "29 21 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	head        = "-- proc/meminfo --\nMemTotal: 1 kB\n-- proc/self/cgroup --\n"
	mountsAt    = "-- proc/self/mountinfo --\n1 1 0:2 / / rw - rootfs rootfs rw\n"
)

// tidy unpacks an archive after it took the blank lines out, which mountinfo
// never has.
func tidy(t *testing.T, archive string) string {
	t.Helper()
	return inspecttest.UnpackText(t, strings.ReplaceAll(archive, "\n\n", "\n"))
}

func TestCgroupsOnTheWayUp(t *testing.T) {
	for name, c := range map[string]struct {
		archive string
		want    chain
	}{
		"v2, nested: the lowest limit is not the closest": {head + "0::/a/b\n" + mountsAt + MountV2 + `
-- sys/fs/cgroup/memory.stat --
anon 1
-- sys/fs/cgroup/a/memory.max --
1000
-- sys/fs/cgroup/a/memory.current --
990
-- sys/fs/cgroup/a/b/memory.max --
900
-- sys/fs/cgroup/a/b/memory.current --
100
`, chain{Version: 2, Paths: []string{"/a/b", "/a", "/"}, Lowest: 0, Closest: 1, Root: true}},

		"v2, a limit above only": {head + "0::/a/b\n" + mountsAt + MountV2 + `
-- sys/fs/cgroup/a/memory.max --
1000
-- sys/fs/cgroup/a/memory.current --
1
-- sys/fs/cgroup/a/b/memory.max --
max
-- sys/fs/cgroup/a/b/memory.current --
1
`, chain{Version: 2, Paths: []string{"/a/b", "/a", "/"}, Lowest: 1, Closest: 1, Root: true}},

		"v2, use above the limit": {head + "0::/a/b\n" + mountsAt + MountV2 + `
-- sys/fs/cgroup/a/memory.max --
1000
-- sys/fs/cgroup/a/memory.current --
1001
-- sys/fs/cgroup/a/b/memory.max --
900
-- sys/fs/cgroup/a/b/memory.current --
900
`, chain{Version: 2, Paths: []string{"/a/b", "/a", "/"}, Lowest: 0, Closest: 1, Root: true}},

		"v2, a limit, and what is used is unknown": {head + "0::/a\n" + mountsAt + MountV2 + `
-- sys/fs/cgroup/a/memory.max --
1000
-- sys/fs/cgroup/a/memory.current --
a lot
`, chain{Version: 2, Paths: []string{"/a", "/"}, Lowest: 0, Closest: -1, Root: true}},

		"v2, in the root": {head + "0::/\n" + mountsAt + MountV2 + "-- sys/fs/cgroup/memory.stat --\nanon 1\n",
			chain{Version: 2, Paths: []string{"/"}, Lowest: -1, Closest: -1, Root: true}},

		"v2, the controller is not enabled": {head + "0::/a\n" + mountsAt + MountV2 + "-- sys/fs/cgroup/a/cgroup.procs --\n1\n",
			chain{Missing: inspect.Disabled, Version: 2, Paths: []string{"/a", "/"}, Lowest: -1, Closest: -1, Root: true}},

		"v2, in a container: the namespace's root has files": {head + "0::/\n" + mountsAt + MountV2 + `
-- sys/fs/cgroup/memory.max --
500
-- sys/fs/cgroup/memory.current --
100
`, chain{Version: 2, Paths: []string{"/"}, Lowest: 0, Closest: 0, Root: true}},

		"v2, a mount of a part": {head + "0::/docker/abc/x\n" + mountsAt +
			"24 21 0:21 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n" + `
-- sys/fs/cgroup/memory.max --
500
-- sys/fs/cgroup/memory.current --
1
-- sys/fs/cgroup/x/memory.max --
max
-- sys/fs/cgroup/x/memory.current --
1
`, chain{Version: 2, Paths: []string{"/docker/abc/x", "/docker/abc"}, Lowest: 1, Closest: 1, Root: true}},

		"v2, a mount of another part": {head + "0::/docker/abcdef\n" + mountsAt +
			"24 21 0:21 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n-- sys/fs/cgroup/memory.max --\n500\n",
			chain{Missing: inspect.NotMounted, Lowest: -1, Closest: -1}},

		"v2, outside the namespace": {head + "0::/../x\n" + mountsAt + MountV2 + "-- sys/fs/cgroup/memory.max --\n500\n",
			chain{Missing: inspect.OtherNamespace, Lowest: -1, Closest: -1}},

		"v2, a name that begins with dots is inside": {head + "0::/..x\n" + mountsAt + MountV2 +
			"-- sys/fs/cgroup/..x/memory.max --\n500\n-- sys/fs/cgroup/..x/memory.current --\n1\n",
			chain{Version: 2, Paths: []string{"/..x", "/"}, Lowest: 0, Closest: 0, Root: true}},

		"v2, a removed cgroup": {head + "0::/gone (deleted)\n" + mountsAt + MountV2 + "-- sys/fs/cgroup/memory.stat --\nanon 1\n",
			chain{Missing: inspect.NotSaved, Lowest: -1, Closest: -1}},

		"v1": {head + "3:cpu,cpuacct:/c\n2:memory:/m\n1:name=systemd:/s\n" + mountsAt + mountV1CPU + MountV1 + `
-- sys/fs/cgroup/memory/memory.limit_in_bytes --
9223372036854771712
-- sys/fs/cgroup/memory/memory.usage_in_bytes --
100
-- sys/fs/cgroup/memory/m/memory.limit_in_bytes --
500
-- sys/fs/cgroup/memory/m/memory.usage_in_bytes --
100
-- sys/fs/cgroup/memory/m/memory.use_hierarchy --
1
`, chain{Version: 1, Paths: []string{"/m", "/"}, Lowest: 0, Closest: 0, Root: true}},

		"v1 without use_hierarchy: what is above does not count": {head + "2:memory:/m/n\n" + mountsAt + MountV1 + `
-- sys/fs/cgroup/memory/memory.use_hierarchy --
0
-- sys/fs/cgroup/memory/m/memory.use_hierarchy --
0
-- sys/fs/cgroup/memory/m/memory.limit_in_bytes --
10
-- sys/fs/cgroup/memory/m/memory.usage_in_bytes --
10
-- sys/fs/cgroup/memory/m/n/memory.use_hierarchy --
0
-- sys/fs/cgroup/memory/m/n/memory.limit_in_bytes --
500
-- sys/fs/cgroup/memory/m/n/memory.usage_in_bytes --
100
`, chain{Version: 1, Paths: []string{"/m/n"}, Lowest: 0, Closest: 0}},

		"v1, a limit above what a container sees": {head + "2:memory:/\n" + mountsAt + MountV1 + `
-- sys/fs/cgroup/memory/memory.limit_in_bytes --
9223372036854771712
-- sys/fs/cgroup/memory/memory.usage_in_bytes --
100
-- sys/fs/cgroup/memory/memory.stat --
hierarchical_memory_limit 700
`, chain{Version: 1, Paths: []string{"/"}, Lowest: -1, Closest: -1, Hidden: 700, Root: true}},

		"v1, the hierarchical limit is one that can be seen": {head + "2:memory:/m\n" + mountsAt + MountV1 + `
-- sys/fs/cgroup/memory/m/memory.limit_in_bytes --
700
-- sys/fs/cgroup/memory/m/memory.usage_in_bytes --
100
-- sys/fs/cgroup/memory/m/memory.stat --
hierarchical_memory_limit 700
`, chain{Version: 1, Paths: []string{"/m", "/"}, Lowest: 0, Closest: 0, Root: true}},

		"v1, no limit anywhere": {head + "2:memory:/\n" + mountsAt + MountV1 + `
-- sys/fs/cgroup/memory/memory.limit_in_bytes --
9223372036854710272
-- sys/fs/cgroup/memory/memory.stat --
hierarchical_memory_limit 9223372036854710272
`, chain{Version: 1, Paths: []string{"/"}, Lowest: -1, Closest: -1, Root: true}},

		"hybrid: v1 accounts memory": {head + "5:memory:/m\n0::/u\n" + mountsAt + mountHybrid + MountV1 + `
-- sys/fs/cgroup/unified/u/cgroup.procs --
1
-- sys/fs/cgroup/memory/m/memory.limit_in_bytes --
500
-- sys/fs/cgroup/memory/m/memory.usage_in_bytes --
1
`, chain{Version: 1, Paths: []string{"/m", "/"}, Lowest: 0, Closest: 0, Root: true}},

		"hybrid: v2 accounts memory": {head + "3:cpu,cpuacct:/c\n0::/u\n" + mountsAt + mountV1CPU + mountHybrid + `
-- sys/fs/cgroup/unified/u/memory.max --
500
-- sys/fs/cgroup/unified/u/memory.current --
1
`, chain{Version: 2, Paths: []string{"/u", "/"}, Lowest: 0, Closest: 0, Root: true}},

		"v1 only, without memory": {head + "3:cpu,cpuacct:/c\n" + mountsAt + mountV1CPU,
			chain{Missing: inspect.Unsupported, Lowest: -1, Closest: -1}},
		"not mounted": {head + "0::/a\n" + mountsAt, chain{Missing: inspect.NotSaved, Lowest: -1, Closest: -1}},
		"a colon and commas in it": {head + "0::/a:b,memory\n" + mountsAt + MountV2 +
			"-- sys/fs/cgroup/a:b,memory/memory.max --\n5\n-- sys/fs/cgroup/a:b,memory/memory.current --\n1\n",
			chain{Version: 2, Paths: []string{"/a:b,memory", "/"}, Lowest: 0, Closest: 0, Root: true}},
		"garbage": {head + "\x00\xff\n:::\n" + mountsAt + MountV2, chain{Missing: inspect.Malformed, Lowest: -1, Closest: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, chainOf(take(t, tidy(t, c.archive)))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFilesOfACgroup(t *testing.T) {
	v2 := take(t, tidy(t, head+"0::/a\n"+mountsAt+MountV2+`
-- sys/fs/cgroup/memory.stat --
anon 1
-- sys/fs/cgroup/a/memory.max --
max
-- sys/fs/cgroup/a/memory.high --
300
-- sys/fs/cgroup/a/memory.current --
200
-- sys/fs/cgroup/a/memory.swap.max --
garbage
-- sys/fs/cgroup/a/memory.swap.current --
0
-- sys/fs/cgroup/a/memory.stat --
inactive_file 3
active_file 4
-- sys/fs/cgroup/a/memory.events --
oom 5
oom_kill 6
`)).Cgroups
	v1 := take(t, tidy(t, head+"2:memory:/a\n"+mountsAt+MountV1+`
-- sys/fs/cgroup/memory/a/memory.limit_in_bytes --
9223372036854771712
-- sys/fs/cgroup/memory/a/memory.usage_in_bytes --
200
-- sys/fs/cgroup/memory/a/memory.max_usage_in_bytes --
210
-- sys/fs/cgroup/memory/a/memory.memsw.limit_in_bytes --
4611686018427387903
-- sys/fs/cgroup/memory/a/memory.stat --
inactive_file 1
total_inactive_file 3
total_active_file 4
-- sys/fs/cgroup/memory/a/memory.oom_control --
oom_kill_disable 0
under_oom 0
oom_kill 6
`)).Cgroups
	if len(v2) != 2 || len(v1) != 2 {
		t.Fatalf("%d cgroups of v2, %d of v1; want 2 of each", len(v2), len(v1))
	}
	for name, c := range map[string]struct {
		of     func() (uint64, inspect.Reason)
		want   uint64
		reason inspect.Reason
	}{
		"v2 max":               {v2[0].Limit, 0, inspect.Unlimited},
		"v2 high":              {v2[0].High, 300, inspect.Present},
		"v2 current":           {v2[0].Use, 200, inspect.Present},
		"v2 peak before 5.19":  {v2[0].Peak, 0, inspect.Unsupported},
		"v2 swap.current of 0": {v2[0].SwapUse, 0, inspect.Present},
		"v2 root limit":        {v2[1].Limit, 0, inspect.Inapplicable},
		"v2 root use":          {v2[1].Use, 0, inspect.Inapplicable},
		"v1 no limit":          {v1[0].Limit, 0, inspect.Unlimited},
		"v1 has no high":       {v1[0].High, 0, inspect.Inapplicable},
		"v1 usage":             {v1[0].Use, 200, inspect.Present},
		"v1 max_usage":         {v1[0].Peak, 210, inspect.Present},
		"v1 memsw below 2^62":  {v1[0].SwapLimit, 1<<62 - 1, inspect.Present},
		"v1 memsw use":         {v1[0].SwapUse, 0, inspect.NotSaved}, // the bound is there, so the use was
	} {
		if got, reason := c.of(); got != c.want || reason != c.reason {
			t.Errorf("%s: %d, %q; want %d, %q", name, got, reason, c.want, c.reason)
		}
	}
	for name, c := range map[string]cgroup.Memory{"v2": v2[0], "v1": v1[0]} {
		if n, ok := c.Reclaimable(); n != 7 || !ok {
			t.Errorf("%s: %d reclaimable, %v; want 7", name, n, ok)
		}
		if n, ok := c.OOMKills(); n != 6 || !ok {
			t.Errorf("%s: %d OOM kills, %v; want 6", name, n, ok)
		}
	}
	if n, ok := v2[1].OOMKills(); ok {
		t.Errorf("the root of v2: %d OOM kills, want none known", n)
	}
}

func TestAMalformedCgroupFileIsTold(t *testing.T) {
	m := take(
		t,
		inspecttest.UnpackText(
			t,
			head+"0::/a\n"+mountsAt+MountV2+"-- sys/fs/cgroup/a/memory.max --\ngarbage\n-- sys/fs/cgroup/a/memory.current --\n1\n",
		),
	)
	if _, got := m.Cgroups[0].Limit(); got != inspect.Malformed {
		t.Errorf("a memory.max of garbage: %q, want malformed", got)
	}
}

func TestRecordedHostHasItsNestedLimits(t *testing.T) {
	inspecttest.OnEach(t, func(t *testing.T, dir string) {
		m := take(t, dir)
		want := chain{Version: 2, Paths: []string{"/app/web", "/app", "/"}, Lowest: 0, Closest: 0, Root: true}
		if diff := cmp.Diff(want, chainOf(m)); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
		for i, want := range []uint64{64 << 20, 200 << 20} {
			if got, r := m.Cgroups[i].Limit(); got != want || r != inspect.Present {
				t.Errorf("%s: limit %d, %q; want %d", m.Cgroups[i].Path, got, r, want)
			}
		}
		if high, r := m.Cgroups[0].High(); high != 48<<20 || r != inspect.Present {
			t.Errorf("high %d, %q; want %d", high, r, 48<<20)
		}
		if _, r := m.Cgroups[0].Peak(); (r == inspect.Unsupported) != m.Kernel().Oldest.Before(inspect.Version{Major: 5, Minor: 19}) {
			t.Errorf("peak: %q on %v; 5.19 brought it", r, m.Kernel())
		}
	})
}

// What was removed is counted by the root of version 2, and of version 1 by /proc/cgroups, where a
// walk knows how many are there.
func TestRemovedCgroups(t *testing.T) {
	const v2 = head + "0::/a\n-- proc/self/mountinfo --\n" + MountV2 + "-- sys/fs/cgroup/a/memory.max --\nmax\n"
	const v1 = head + "4:memory:/a\n-- proc/self/mountinfo --\n" + MountV1 +
		"-- sys/fs/cgroup/memory/memory.limit_in_bytes --\n9223372036854771712\n-- sys/fs/cgroup/memory/a/memory.limit_in_bytes --\n1048576\n"
	for _, c := range []struct {
		name, tree string
		n          uint64
		why        inspect.Reason
	}{
		{"version 2", v2 + "-- sys/fs/cgroup/cgroup.stat --\nnr_descendants 1\nnr_dying_descendants 70000\n", 70000, inspect.Present},
		{"version 2 before 4.14", v2, 0, inspect.NotSaved},
		{"version 2 without the line", v2 + "-- sys/fs/cgroup/cgroup.stat --\nnr_descendants 1\n", 0, inspect.Malformed},
		{"version 1", v1 + "-- proc/cgroups --\n#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t9\t1\n" +
			"memory\t4\t52\t1\n", 50, inspect.Present},
		{"version 1 without counts", v1, 0, inspect.NotSaved},
	} {
		m := take(t, inspecttest.UnpackText(t, c.tree))
		if n, why := m.Removed(); why != c.why || why == inspect.Present && n != c.n {
			t.Errorf("%s: %d, %q, want %d, %q", c.name, n, why, c.n, c.why)
		}
	}
}

// In a copy made by an archiver without links, /proc/self is a file with what it leads to.
func TestALinkThatIsAFile(t *testing.T) {
	tree := func(self string) string {
		return "-- proc/meminfo --\nMemTotal: 1 kB\n-- proc/12/cgroup --\n0::/a\n-- proc/12/mountinfo --\n" + MountV2 +
			"-- sys/fs/cgroup/a/memory.max --\n1048576\n-- proc/self --\n" + self
	}
	m := take(t, inspecttest.UnpackText(t, tree("12")))
	if got := chainOf(m); got.Missing != inspect.Present || len(got.Paths) != 2 || got.Paths[0] != "/a" || m.Host.Example() != 12 {
		t.Errorf("self is a file: %+v, example %d", got, m.Host.Example())
	}
	for _, self := range []string{"13", "12x", "..", ""} {
		if got := chainOf(take(t, inspecttest.UnpackText(t, tree(self)))); got.Missing == inspect.Present {
			t.Errorf("self is a file with %q: %+v", self, got)
		}
	}
}

// ZFS says how large its cache is, and may at least be.
func TestARC(t *testing.T) {
	const name = "-- proc/spl/kstat/zfs/arcstats --\n"
	m := take(t, inspecttest.UnpackText(t, head+"0::/\n"+name+
		"13 1 0x01 147 39984 7 9\nname type data\nhits 4 1\nc_min 4 1000\nc_max 4 5000\nsize 4 4000\n"))
	if m.ARC == nil || *m.ARC != (mem.ARC{Size: 4000, Min: 1000, Max: 5000}) {
		t.Errorf("%+v", m.ARC)
	}
	m = take(t, inspecttest.UnpackText(t, head+"0::/\n"+name+"13 1 0x01 147 39984 7 9\nname type data\nsize 4 4000\n"))
	if m.ARC != nil || m.Missing(inspect.ZFSArc) != inspect.Malformed {
		t.Errorf("without its bounds: %+v, %q", m.ARC, m.Missing(inspect.ZFSArc))
	}
}
