package mem

import (
	"cmp"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

// memCgroups reads the memory cgroups on the way up from the own one. Where they are is in two
// files of /proc: without these, or with one in part, they lack what these do.
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
	if err != nil {
		m.Got[inspect.SelfMountinfo] = cgroup.MountsOf(h)
	}
}

// unplaced reports whether the memory cgroups lack only what says where they are.
func (m *Snapshot) unplaced() bool {
	why := m.Got[inspect.CgroupMemory]
	return why.IsGap() && (why == m.Got[inspect.SelfCgroup] || why == m.Got[inspect.SelfMountinfo])
}
