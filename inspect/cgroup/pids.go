package cgroup

import (
	"path"
	"slices"

	"kwhy/inspect"
)

// Pids is a cgroup with a bound on its threads.
type Pids struct {
	Version int
	Path    string      // as its hierarchy shows it
	Limit   uint64      // pids.max
	Use     uint64      // pids.current: its threads and those of the cgroups below it
	Refused inspect.Num // "max" of pids.events: how often fork failed here; Unset if unknown
}

// PidsList are those of a host.
type PidsList struct {
	inspect.Unpaired[*PidsList]

	Host *inspect.Host
	List []Pids
	Got  inspect.Reason // of the walk
}

// Missing says why a source gave nothing.
func (l *PidsList) Missing(inspect.Source) inspect.Reason { return l.Got }

// Kernel returns the kernel that was read.
func (l *PidsList) Kernel() inspect.Version { return l.Host.Kernel }

// Len returns how many there are.
func (l *PidsList) Len() int { return len(l.List) }

// At returns one of them.
func (l *PidsList) At(i int) PidsPart { return PidsPart{In: l, It: &l.List[i], N: i} }

// PidsPart is one of them in its context.
type PidsPart = inspect.Part[*PidsList, Pids]

// TakePids walks the hierarchy that has the pids controller, as far down as it is
// mounted, and returns the cgroups that have a bound.
func TakePids(h *inspect.Host) *PidsList {
	out := &PidsList{Host: h, Got: inspect.Unsupported}
	mounts, err := Mounts(h)
	if err == nil {
		err = Shown(h, mounts)
	}
	if err != nil {
		out.Got = inspect.ReasonOf(err)
		return out
	}
	for _, m := range mounts {
		version := 2
		if m.FSType == "cgroup" {
			version = 1
		}
		if version == 1 && !m.Has("pids") {
			continue
		}
		out.Got = inspect.Present
		w := pidsWalk{version: version, root: m.Root, out: out}
		w.tree, w.rel = Under(h, path.Clean(m.Point))
		w.walk("")
		if !w.met && !h.Live { // every cgroup of a host with the controller has its files
			out.Got = inspect.NotSaved
		}
	}
	return out
}

// pidsWalk goes through one hierarchy.
type pidsWalk struct {
	version int
	root    string
	tree    inspect.Tree
	rel     string
	met     bool // there is some file of the controller
	out     *PidsList
}

func (w *pidsWalk) walk(at string) {
	dir := path.Join(w.rel, at)
	limit, err := w.tree.Number(path.Join(dir, "pids.max"))
	w.met = w.met || !inspect.ReasonOf(err).IsMissing()
	if err == nil && limit >= 0 { // "max" is no number
		if use, err := w.tree.Number(path.Join(dir, "pids.current")); err == nil && use >= 0 {
			g := Pids{Version: w.version, Path: path.Join(w.root, at), Limit: uint64(limit), Use: uint64(use), Refused: inspect.Unset}
			_ = w.tree.Single(path.Join(dir, "pids.events"), func(b []byte) error {
				events, err := inspect.ParseCounters(b, 2)
				g.Refused = events.Num("max")
				return err
			})
			w.out.List = append(w.out.List, g)
		}
	}
	names, err := w.tree.Directories(dir)
	if err != nil {
		return
	}
	slices.Sort(names)
	for _, name := range names {
		w.walk(path.Join(at, name))
	}
}
