package mem

import (
	"cmp"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

func memCgroups(h *inspect.Host, m *Snapshot, note func(inspect.Source, error)) {
	list, err := cgroup.Own(h)
	note(inspect.SelfCgroup, err)
	_, err2 := cgroup.Mounts(h)
	note(inspect.SelfMountinfo, err2)
	if err != nil || err2 != nil {
		m.Got[inspect.CgroupMemory] = cmp.Or(m.Got[inspect.SelfCgroup], m.Got[inspect.SelfMountinfo])
		return
	}
	m.Cgroups, err = cgroup.MemoryChain(h, list)
	note(inspect.CgroupMemory, err)
}
