package cgroup

import (
	"bytes"
	"path"

	"kwhy/inspect"
)

// Frozen reads version 1's freezer.state, or cgroup.events of version 2. Both
// say what holds for the cgroup, whichever above it was frozen.
func Frozen(h *inspect.Host, m Membership) (yes bool) {
	at, err := Find(h, m.Version, "freezer", m.Path)
	if err != nil {
		return false
	}
	t, rel := at.Dir()
	if m.Version == 1 {
		_ = t.Single(path.Join(rel, "freezer.state"), func(b []byte) error {
			yes = string(bytes.TrimSpace(b)) == "FROZEN"
			return nil
		})
		return yes
	}
	_ = t.Single(path.Join(rel, "cgroup.events"), func(b []byte) error {
		c, err := inspect.ParseCounters(b, 2)
		yes = c["frozen"] == 1
		return err
	})
	return yes
}
