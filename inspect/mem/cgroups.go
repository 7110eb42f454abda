package mem

import (
	"cmp"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

func memCgroups(h *inspect.Host, m *Snapshot, note func(inspect.Source, error)) {
	list, err := cgroup.Own(h)
	note(inspect.SelfCgroup, err)
	mounts, err2 := cgroup.Mounts(h)
	note(inspect.SelfMountinfo, err2)
	if err != nil || err2 != nil {
		m.Got[inspect.CgroupMemory] = cmp.Or(m.Got[inspect.SelfCgroup], m.Got[inspect.SelfMountinfo])
		return
	}
	if err = cgroup.Shown(h, mounts); err == nil {
		m.Cgroups, err = cgroup.MemoryChain(h, list, mounts)
	}
	note(inspect.CgroupMemory, err)
}
