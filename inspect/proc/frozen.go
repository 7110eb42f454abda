package proc

import (
	"strings"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

// Freeze notes which of the given rows the freezer of their cgroup holds, of those
// whose state can be that of a frozen task: version 2 keeps such tasks in S, where
// do_freezer_trap in kernel/signal.c puts them; version 1, and suspend, in D, and
// from 6.1 until a fix in 6.13 and its stable trees in R (include/linux/sched.h,
// __task_state_index).
func (ps *Processes) Freeze(rows []int32) {
	for _, i := range rows {
		ps.FreezeRow(&ps.Rows[i])
	}
}

// FreezeRow does the same for one process.
func (ps *Processes) FreezeRow(p *Process) {
	if p.Kthread() || !p.maybeFrozen(ps.Host.Host.Kernel) {
		return
	}
	if list, ok := ps.memberships(p); ok {
		p.Frozen = ps.heldFrozen(list)
	}
}

// maybeFrozen reports whether a task may be frozen, by its state and, where that is to
// be seen, by where it waits.
func (p *Process) maybeFrozen(on inspect.Kernel) bool {
	switch p.State {
	case 'D':
		return true
	case 'R':
		return inspect.Choose(on.Since(6, 1), true, false, true) && inspect.Choose(on.Since(6, 13), false, true, true)
	case 'S':
		if p.Why(inspect.PIDWchan) == inspect.Unread {
			return false // nobody wants to know what it does
		}
		return p.Wchan == "" || p.Wchan == "0" || p.Wchan == "get_signal" || strings.Contains(p.Wchan, "freezer")
	}
	return false
}

// memberships reads in which cgroups a process is.
func (ps *Processes) memberships(p *Process) ([]cgroup.Membership, bool) {
	list, err := cgroup.MembershipsOf(ps.Host.Host, p.Dir())
	return list, err == nil
}

// heldFrozen reports whether the freezer of either version holds the tasks of a cgroup.
// Each cgroup is read once.
func (ps *Processes) heldFrozen(list []cgroup.Membership) bool {
	for _, m := range list {
		if m.Version == 1 && !cgroup.HasController(m.Controllers, "freezer") {
			continue
		}
		key := string(rune('0'+m.Version)) + m.Path
		yes, known := ps.Host.frozen[key]
		if !known {
			if yes = cgroup.Frozen(ps.Host.Host, m); ps.Host.frozen == nil {
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
