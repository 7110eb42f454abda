package cgroup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/inspecttest"
)

// A path as /proc has it begins at the root of kwhy's cgroup namespace, and so does the root of a
// mount (cgroup_namespaces(7)); where a mount shows more than that, paths have its names.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		climbs   int
		base     string
		at, want string
	}{
		{0, "/", "/", "/"},
		{0, "/", "/a/b", "/a/b"},
		{0, "/", "/../x", "(outside)/x"},
		{0, "/", "/..", "(outside)/"},
		{2, "/docker/ID", "/", "/docker/ID"},
		{2, "/docker/ID", "/a", "/docker/ID/a"},
		{2, "/docker/ID", "/../other", "/docker/other"},
		{2, "/docker/ID", "/../../system", "/system"},
		{2, "/docker/ID", "/../..", "/"},
		{2, "/docker/ID", "/../../../x", "(outside)/x"},
		{2, "", "/", "(outside)/"}, // which of those below it is not known
		{2, "", "/../x", "(outside)/x"},
		{2, "", "/../../x", "/x"},
		{0, "/", "/..a", "/..a"}, // a name that begins so climbs nowhere
	} {
		if got := cgroup.NameIn(c.climbs, c.base, c.at); got != c.want {
			t.Errorf("%s, with the namespace's root at %q %d levels down: %s, want %s", c.at, c.base, c.climbs, got, c.want)
		}
	}
	for _, p := range []string{"(outside)/x", "/../x", "a"} {
		if rest, ok := cgroup.Below(p, "/"); ok {
			t.Errorf("%s lies at %s", p, rest)
		}
	}
}

// Of several mounts of a hierarchy the one that shows most of it is read, and it is known
// whether that is all: of a container's own part it is not.
func TestHierarchies(t *testing.T) {
	const head = "-- proc/self/mountinfo --\n1 1 0:2 / / rw - rootfs rootfs rw\n"
	for name, c := range map[string]struct {
		archive string
		want    map[string]inspect.Reason // by controllers or version, and the name of its top
	}{
		"a host": {
			"24 1 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			map[string]inspect.Reason{"cgroup2 /": inspect.Present},
		},
		"a container's own part of version 2": {
			"24 1 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n-- sys/fs/cgroup/cgroup.events --\npopulated 1\n",
			map[string]inspect.Reason{"cgroup2 /": inspect.OtherNamespace},
		},
		"a part that is bound there": {
			"24 1 0:21 /docker/ID /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			map[string]inspect.Reason{"cgroup2 /docker/ID": inspect.NotMounted},
		},
		"twice": {
			"24 1 0:21 /docker/ID /sys/fs/cgroup/own rw - cgroup cgroup rw,memory\n25 1 0:21 / /sys/fs/cgroup/all ro - cgroup cgroup ro,memory\n" +
				"26 1 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
			map[string]inspect.Reason{"memory /": inspect.Present, "cpu /": inspect.Present},
		},
		"one above kwhy's own root": {
			"24 1 0:21 / /sys/fs/cgroup/own rw - cgroup cgroup rw,memory\n25 1 0:21 /../.. /sys/fs/cgroup/all ro - cgroup cgroup ro,memory\n",
			map[string]inspect.Reason{"memory /": inspect.OtherNamespace},
		},
		"elsewhere": {"24 1 0:21 / /host/sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", map[string]inspect.Reason{}},
	} {
		t.Run(name, func(t *testing.T) {
			h := inspecttest.Open(t, inspecttest.UnpackText(t, head+c.archive))
			list, err := cgroup.Mounts(h)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]inspect.Reason{}
			for _, m := range list {
				got[m.Key()+" "+m.Name] = m.Rest
			}
			if len(got) != len(c.want) || len(list) != len(got) {
				t.Errorf("%v, want %v", got, c.want)
			}
			for key, why := range c.want {
				if r, ok := got[key]; !ok || r != why {
					t.Errorf("%s: %v %v, want %v", key, ok, r, why)
				}
			}
		})
	}
}

// A hierarchy of version 2 has the controllers that its top can use; where a copy does not say
// which these are, it may have any.
func TestControllersOfVersion2(t *testing.T) {
	for file, want := range map[string]int{"": 1, "-- sys/fs/cgroup/cgroup.controllers --\nhugetlb\n": 0,
		"-- sys/fs/cgroup/cgroup.controllers --\n\n": 0, "-- sys/fs/cgroup/cgroup.controllers --\ncpu memory pids\n": 1} {
		dir := t.TempDir()
		if err := inspecttest.Unpack(dir, []byte("-- proc/self/mountinfo --\n1 1 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"+
			"-- proc/self/cgroup --\n0::/\n-- sys/fs/cgroup/cgroup.procs --\n1\n"+file)); err != nil {
			t.Fatal(err)
		}
		mounts, err := cgroup.Mounts(inspecttest.Open(t, dir))
		if err != nil || len(mounts) != 1 {
			t.Fatal(mounts, err)
		}
		if got := cgroup.With(mounts, "memory"); len(got) != want {
			t.Errorf("%q: %d", file, len(got))
		}
	}
}

// One line that is none makes all malformed: the hierarchy of a controller that no other line
// names is not known then, and is not the root of version 2.
func TestAGarbledLineOfCgroups(t *testing.T) {
	const good = "4:memory:/a\n3:cpu,cpuacct:/b\n1:name=systemd:/\n0::/\n"
	if list, err := cgroup.ParseCgroups([]byte(good)); err != nil || len(list) != 4 {
		t.Fatalf("%v %v", list, err)
	}
	for _, line := range []string{"4:mem", "4", "mem:/a", ":memory:/a", "4:memory:", "x:memory:/a", "4:memory:a"} {
		text := strings.Replace(good, "4:memory:/a", line, 1)
		if list, err := cgroup.ParseCgroups([]byte(text)); err == nil {
			t.Errorf("%q: %v", line, list)
		}
	}
}

// A walk ends where mountinfo is garbled: no cgroup lies below a root that is no path.
func TestAWalkEnds(t *testing.T) {
	for _, root := range []string{"/", "x", "-1", "..", "/.", "//"} {
		proc, sys := t.TempDir(), t.TempDir()
		write := func(dir, name, text string) {
			name = filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write(proc, "self/mountinfo", "27 24 0:24 "+root+" /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n")
		write(proc, "self/cgroup", "0::/a\n")
		write(sys, "fs/cgroup/a/cpu.max", "10000 100000\n")
		write(sys, "fs/cgroup/a/cpu.stat", "nr_periods 1\n")
		write(sys, "fs/cgroup/a/memory.max", "4096\n")
		h := inspecttest.OpenRoots(t, proc, sys, inspecttest.AtNoon)
		groups, _, why := cgroup.CPUGroups(h)
		if root == "/" && (len(groups) != 1 || groups[0].Path != "/a") {
			t.Errorf("%v, %s", groups, why)
		}
		if len(groups) > 1 {
			t.Errorf("a root of %q has %d cgroups", root, len(groups))
		}
		if w := cgroup.WalkMemory(h); len(w.List) > 1 {
			t.Errorf("a root of %q has %d memory cgroups", root, len(w.List))
		}
	}
}
