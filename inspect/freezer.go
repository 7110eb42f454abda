package inspect

import (
	"bytes"
	"path"
	"strings"
)

// Freeze notes which of the given rows the freezer of their cgroup holds, of those
// whose state can be that of a frozen task: version 2 keeps such tasks in S, where
// do_freezer_trap in kernel/signal.c puts them; version 1, and suspend, in D, and
// from 6.1 until a fix in 6.13 and its stable trees in R (include/linux/sched.h,
// __task_state_index).
func (ps *Procs) Freeze(rows []int32) {
	for _, i := range rows {
		ps.freeze(&ps.Rows[i])
	}
}

func (ps *Procs) freeze(p *Process) {
	if p.Kthread() || !p.maybeFrozen(ps.Host.Host.Kernel) {
		return
	}
	if list, ok := ps.memberships(p); ok {
		p.Frozen = ps.heldFrozen(list)
	}
}

// maybeFrozen tells whether a task may be frozen, by its state and, where that is to
// be seen, by where it waits.
func (p *Process) maybeFrozen(on Version) bool {
	switch p.State {
	case 'D':
		return true
	case 'R':
		return on.AtLeast(6, 1) && on.Before(Version{6, 13, 0})
	case 'S':
		if p.got[PIDWchan-PIDStat] == Unread {
			return false // nobody wants to know what it does
		}
		return p.Wchan == "" || p.Wchan == "0" || p.Wchan == "get_signal" || strings.Contains(p.Wchan, "freezer")
	}
	return false
}

// memberships reads in which cgroups a process is, and notes where these are mounted.
func (ps *Procs) memberships(p *Process) ([]Membership, bool) {
	h := ps.Host.Host
	if ps.Host.mounts == nil {
		ps.Host.mounts, _ = h.cgroupMounts() // without them nothing is found
	}
	var d ProcDetail
	err := h.proc.with(p.dir()+"/cgroup", d.parseCgroup)
	return d.Cgroups, err == nil
}

// heldFrozen tells whether the freezer of either version holds the tasks of a cgroup.
// Each cgroup is read once.
func (ps *Procs) heldFrozen(list []Membership) bool {
	for _, m := range list {
		if m.Version == 1 && !hasController(m.Controllers, "freezer") {
			continue
		}
		key := string(rune('0'+m.Version)) + m.Path
		yes, known := ps.Host.frozen[key]
		if !known {
			if yes = ps.Host.Host.frozenCgroup(m, ps.Host.mounts); ps.Host.frozen == nil {
				ps.Host.frozen = map[string]bool{}
			}
			ps.Host.frozen[key] = yes
		}
		if yes {
			return true
		}
	}
	return false
}

// frozenCgroup reads version 1's freezer.state, or cgroup.events of version 2. Both
// say what holds for the cgroup, whichever above it was frozen.
func (h *Host) frozenCgroup(m Membership, mounts []mount) (yes bool) {
	dir, _, err := locateFor(m.Version, "freezer", m.Path, mounts)
	if err != nil {
		return false
	}
	t, rel := h.under(dir)
	if m.Version == 1 {
		_ = t.single(path.Join(rel, "freezer.state"), func(b []byte) error {
			yes = string(bytes.TrimSpace(b)) == "FROZEN"
			return nil
		})
		return yes
	}
	_ = t.single(path.Join(rel, "cgroup.events"), func(b []byte) error {
		c, err := parseCounters(b, 2)
		yes = c["frozen"] == 1
		return err
	})
	return yes
}
