package inspect

import (
	"path"
	"slices"
	"time"
)

// PidsGroup is a cgroup with a bound on its threads.
type PidsGroup struct {
	Version int
	Path    string // as its hierarchy shows it
	Limit   uint64 // pids.max
	Use     uint64 // pids.current: its threads and those of the cgroups below it
	Refused Num    // "max" of pids.events: how often fork failed here; Unset where it is not told
}

// PidsGroups are those of a host.
type PidsGroups struct {
	Host *Host
	List []PidsGroup
	Got  Reason // of the walk
}

// Missing says why a source gave nothing.
func (l *PidsGroups) Missing(Source) Reason { return l.Got }

// Before says that they are not followed over an interval.
func (l *PidsGroups) Before() (*PidsGroups, time.Duration, bool) { return nil, 0, false }

// Kernel returns the kernel that was read.
func (l *PidsGroups) Kernel() Version { return l.Host.Kernel }

// Len returns how many there are.
func (l *PidsGroups) Len() int { return len(l.List) }

// At returns one of them.
func (l *PidsGroups) At(i int) PidsPart { return PidsPart{l, &l.List[i]} }

// PidsPart is one of them in its context.
type PidsPart struct {
	All *PidsGroups
	It  *PidsGroup
}

// Missing says why a source gave nothing.
func (p PidsPart) Missing(s Source) Reason { return p.All.Missing(s) }

// Before says that it is not followed over an interval.
func (p PidsPart) Before() (PidsPart, time.Duration, bool) { return PidsPart{}, 0, false }

// Kernel returns the kernel that was read.
func (p PidsPart) Kernel() Version { return p.All.Kernel() }

// PidsGroups walks the hierarchy that has the pids controller, as far down as it is
// mounted, and returns the cgroups that have a bound.
func (h *Host) PidsGroups() *PidsGroups {
	out := &PidsGroups{Host: h, Got: Unsupported}
	mounts, err := h.cgroupMounts()
	if err != nil {
		out.Got = reasonFor(err)
		return out
	}
	for _, m := range mounts {
		version := 2
		if m.fsType == "cgroup" {
			version = 1
		}
		if version == 1 && !m.has("pids") {
			continue
		}
		out.Got = Present
		w := pidsWalk{version: version, root: m.root, out: out}
		w.tree, w.rel = h.under(path.Clean(m.point))
		w.walk("")
	}
	return out
}

// pidsWalk goes through one hierarchy.
type pidsWalk struct {
	version int
	root    string
	tree    tree
	rel     string
	out     *PidsGroups
}

func (w *pidsWalk) walk(at string) {
	dir := path.Join(w.rel, at)
	if limit, err := w.tree.number(path.Join(dir, "pids.max")); err == nil && limit >= 0 { // "max" is no number
		if use, err := w.tree.number(path.Join(dir, "pids.current")); err == nil && use >= 0 {
			g := PidsGroup{Version: w.version, Path: path.Join(w.root, at), Limit: uint64(limit), Use: uint64(use), Refused: Unset}
			_ = w.tree.single(path.Join(dir, "pids.events"), func(b []byte) error {
				events, err := parseCounters(b, 2)
				g.Refused = events.num("max")
				return err
			})
			w.out.List = append(w.out.List, g)
		}
	}
	names, err := w.tree.directories(dir)
	if err != nil {
		return
	}
	slices.Sort(names)
	for _, name := range names {
		w.walk(path.Join(at, name))
	}
}
