package cgroup

import (
	"bytes"
	"path"

	"kwhy/inspect"
)

// Frozen reads version 1's freezer.state, or cgroup.events of version 2. Both
// say what holds for the cgroup, whichever above it was frozen: by names those that
// were told to freeze, itself and those above it, from the top down. All of them have to be
// thawed before its tasks go on (kernel/cgroup/legacy_freezer.c, freezer_css_online and
// update_if_frozen, with freezer.self_freezing; kernel/cgroup/freezer.c, cgroup_freeze, with
// cgroup.freeze). It names none where that is not to be seen from here.
func Frozen(h *inspect.Host, m Membership) (by []string, yes bool) {
	at, err := Find(h, m.Version, "freezer", m.Path)
	if err != nil {
		return nil, false
	}
	t, rel := at.Dir()
	told := "cgroup.freeze"
	if m.Version == 1 {
		told = "freezer.self_freezing"
		_ = t.Single(path.Join(rel, "freezer.state"), func(b []byte) error {
			yes = string(bytes.TrimSpace(b)) == "FROZEN"
			return nil
		})
	} else {
		_ = t.Single(path.Join(rel, "cgroup.events"), func(b []byte) error {
			c, err := inspect.ParseCounters(b, 2)
			yes = c["frozen"] == 1
			return err
		})
	}
	if !yes {
		return nil, false
	}
	for _, above := range at.Way() {
		if n, err := above.Number(told); err == nil && n == 1 { // a root has no such file
			by = append(by, above.Path)
		}
	}
	return by, true
}
