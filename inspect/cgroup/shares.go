package cgroup

import (
	"errors"
	"io/fs"
	"path"
	"strconv"

	"kwhy/inspect"
)

// ShareGroup is a group of tasks that shares CPUs with others: a cgroup with a CPU
// controller, or the autogroup of a session.
type ShareGroup struct {
	Name   string
	Shares int64 // of version 1, 1024 by default; 0 if unknown
	Weight int64 // of version 2, 100 by default; 0 if unknown
	Nice   int8  // of an autogroup
	Auto   bool
	Idle   bool
	Unseen inspect.Reason // why its weight, or which groups there are, can't be seen; or Present
}

// Shares looks up the groups that tasks share CPUs in.
type Shares struct {
	h     *inspect.Host
	known map[Place]*ShareGroup // nil: no group of its own
	auto  bool
}

// NewShares returns one for a host; auto says that its sessions are groups: autogroup is on.
func NewShares(h *inspect.Host, auto bool) *Shares {
	return &Shares{h: h, known: map[Place]*ShareGroup{}, auto: auto}
}

// Of returns the groups of a task, the outermost first, by its cgroup of CPUs and its autogroup, which is
// -1 where it has none. A cgroup of version 2 without the cpu controller is none: its tasks belong to the
// nearest one above that has it (kernel/cgroup/cgroup.c, cgroup_e_css_by_mask). Those that so come to the
// root of all are in their session's autogroup (kernel/sched/autogroup.c, task_wants_autogroup).
func (g *Shares) Of(version int, name string, autogroup int32, nice int8) (out []ShareGroup) {
	at, err := Find(g.h, version, "cpu", name)
	switch {
	case name == "":
	case err != nil:
		out = append(out, ShareGroup{Name: name, Unseen: inspect.ReasonOf(err)})
	default:
		if why := at.Mount.Rest; why != inspect.Present { // nobody sees how many there are above
			out = append(out, ShareGroup{Name: "above " + at.Mount.Name, Unseen: why})
		}
		for _, at := range at.Way() {
			out = g.add(out, at)
		}
	}
	if len(out) == 0 && g.auto && autogroup >= 0 {
		out = append(out, ShareGroup{Name: "/autogroup-" + strconv.Itoa(int(autogroup)), Nice: nice, Auto: true})
	}
	return out
}

// add appends a cgroup if it is one of CPUs.
func (g *Shares) add(out []ShareGroup, at Place) []ShareGroup {
	group, ok := g.known[at]
	if !ok {
		group = shareOf(at)
		g.known[at] = group
	}
	if group == nil {
		return out
	}
	return append(out, *group)
}

// shareOf reads one cgroup; nil where it is none of CPUs, as the root of all is.
func shareOf(at Place) *ShareGroup {
	version := at.Mount.Version
	if version == 1 && at.Top() && at.Mount.Rest == inspect.Present {
		return nil // its shares are of no use (kernel/sched/fair.c, sched_group_set_shares)
	}
	out := &ShareGroup{Name: at.Path}
	t, rel := at.Dir()
	if n, err := t.Number(path.Join(rel, "cpu.idle")); err == nil && n == 1 {
		out.Idle = true
		return out
	}
	name, to := "cpu.shares", &out.Shares
	if version == 2 {
		name, to = "cpu.weight", &out.Weight
	}
	n, err := t.Number(path.Join(rel, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && n > 0:
		*to = n
	}
	return out
}
