package mem

import (
	"cmp"
	"strings"

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

// someStalled reports whether tasks may be stalled on memory somewhere. A task that is stalled in a
// cgroup is one of the host's too (kernel/sched/psi.c, psi_task_change): without any there is no
// cgroup to look for. Of a copy, whose host's pressure may be of another moment, it is not asked.
func (m *Snapshot) someStalled() bool {
	if !m.Host.Live {
		return true
	}
	some := m.Pressure.Some
	return some != nil && (some.Avg10 > 0 || some.Avg60 > 0)
}

// Removed returns how many memory cgroups were removed and are not freed: of version 2 the root
// counts them (cgroup.stat, since 4.14). Of version 1 they are those that /proc/cgroups counts beyond
// the ones that a walk came to. The reason is why that is not known; Present where it is.
func (m *Snapshot) Removed() (uint64, inspect.Reason) {
	switch why := m.Got[inspect.CgroupStat]; {
	case why != inspect.Present || m.groups == nil:
		return 0, why
	case m.groups.version == 2:
		return m.groups.n, inspect.Present
	case m.Walk == nil || m.Walk.Version != 1 || !m.Walk.Seen.Whole():
		return 0, inspect.Inapplicable
	}
	return m.groups.n - min(m.groups.n, uint64(m.Walk.Seen.Seen)), inspect.Present
}

// counted is how many cgroups the kernel counts: of version 2 removed ones, of version 1 all.
type counted struct {
	version int
	n       uint64
}

// readRemoved reads what Removed is made of, of the hierarchy that accounts memory.
func readRemoved(h *inspect.Host, m *Snapshot) error {
	mounts, err := cgroup.Mounts(h)
	if err != nil {
		return err
	}
	list := cgroup.With(mounts, "memory")
	for _, at := range list {
		if at.Version == 1 {
			n, err := memoryCgroups(h)
			m.groups = &counted{1, n}
			return err
		}
	}
	if len(list) == 0 {
		return cgroup.Unmounted(h, "memory")
	}
	t, rel := list[0].Highest().File("cgroup.stat")
	return t.Single(rel, func(b []byte) error {
		stat, err := inspect.ParseCounters(b, 4)
		n, ok := stat["nr_dying_descendants"]
		if err == nil && !ok {
			err = inspect.ErrMalformed
		}
		m.groups = &counted{2, n}
		return err
	})
}

// memoryCgroups reads how many memory cgroups there are, removed ones included, from lines of
// "memory 4 120 1": name, hierarchy, cgroups, enabled (kernel/cgroup/cgroup-v1.c, proc_cgroupstats_show).
func memoryCgroups(h *inspect.Host) (n uint64, err error) {
	err = h.Proc.Single("cgroups", func(b []byte) error {
		for line := range inspect.Lines(b) {
			if f := strings.Fields(string(line)); len(f) == 4 && f[0] == "memory" {
				var ok bool
				if n, ok = inspect.ParseUint([]byte(f[2])); ok {
					return nil
				}
			}
		}
		return inspect.ErrMalformed
	})
	return n, err
}

// unplaced reports whether the memory cgroups lack only what says where they are.
func (m *Snapshot) unplaced() bool {
	why := m.Got[inspect.CgroupMemory]
	return why.IsGap() && (why == m.Got[inspect.SelfCgroup] || why == m.Got[inspect.SelfMountinfo])
}
