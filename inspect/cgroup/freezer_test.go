package cgroup_test

import (
	"slices"
	"testing"

	"kwhy/inspect/cgroup"
	"kwhy/inspect/inspecttest"
)

// Who is to be thawed is who was told to freeze, wherever above that is, and not who is frozen with it.
func TestWhoWasToldToFreeze(t *testing.T) {
	const head = "-- proc/self/mountinfo --\n1 1 0:2 / / rw - rootfs rootfs rw\n"
	const v1 = head + "24 1 0:21 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n" +
		"-- sys/fs/cgroup/freezer/cgroup.procs --\n1\n" +
		"-- sys/fs/cgroup/freezer/a/freezer.state --\nFROZEN\n-- sys/fs/cgroup/freezer/a/freezer.self_freezing --\n1\n" +
		"-- sys/fs/cgroup/freezer/a/b/freezer.state --\nFROZEN\n-- sys/fs/cgroup/freezer/a/b/freezer.self_freezing --\n"
	const v2 = head + "24 1 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n-- sys/fs/cgroup/cgroup.procs --\n1\n" +
		"-- sys/fs/cgroup/a/cgroup.events --\npopulated 1\nfrozen 1\n-- sys/fs/cgroup/a/cgroup.freeze --\n1\n" +
		"-- sys/fs/cgroup/a/b/cgroup.events --\npopulated 1\nfrozen 1\n-- sys/fs/cgroup/a/b/cgroup.freeze --\n"
	for _, c := range []struct {
		files   string
		version int
		path    string
		by      []string
		frozen  bool
	}{
		{v1 + "0\n", 1, "/a/b", []string{"/a"}, true}, {v1 + "1\n", 1, "/a/b", []string{"/a", "/a/b"}, true},
		{v2 + "0\n", 2, "/a/b", []string{"/a"}, true}, {v2 + "1\n", 2, "/a/b", []string{"/a", "/a/b"}, true},
		{v2 + "1\n", 2, "/a", []string{"/a"}, true}, {v2 + "1\n", 2, "/c", nil, false},
	} {
		m := cgroup.Membership{Version: c.version, Path: c.path}
		if c.version == 1 {
			m.Controllers = "freezer"
		}
		by, yes := cgroup.Frozen(inspecttest.Open(t, inspecttest.UnpackText(t, c.files)), m)
		if yes != c.frozen || !slices.Equal(by, c.by) {
			t.Errorf("version %d, %s: %v by %v, want %v", c.version, c.path, yes, by, c.by)
		}
	}
}
