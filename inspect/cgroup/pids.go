package cgroup

import "kwhy/inspect"

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
	All  inspect.Seen   // how much of the hierarchy it came to
}

// Missing says why a source gave nothing.
func (l *PidsList) Missing(inspect.Source) inspect.Reason { return l.Got }

// Kernel returns the kernel that was read.
func (l *PidsList) Kernel() inspect.Kernel { return l.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (l *PidsList) Doubt(src inspect.Source) inspect.Doubt { return l.Host.Doubt(src) }

// Seen returns how many cgroups there are that may have a bound.
func (l *PidsList) Seen() inspect.Seen { return l.All }

// Len returns how many there are.
func (l *PidsList) Len() int { return len(l.List) }

// At returns one of them.
func (l *PidsList) At(i int) PidsPart { return PidsPart{In: l, It: &l.List[i], N: i} }

// PidsPart is one of them in its context.
type PidsPart = inspect.Part[*PidsList, Pids]

// TakePids walks the hierarchy that has the pids controller, as far down as it is
// mounted, and returns the cgroups that have a bound.
func TakePids(h *inspect.Host) *PidsList {
	out := &PidsList{Host: h}
	mounts, err := Mounts(h)
	if list := With(mounts, "pids"); err == nil && len(list) > 0 {
		w := pidsWalk{out: out}
		for _, m := range list {
			w.Of(m, inspect.CgroupPids)
			w.walk(m.Highest())
		}
		if out.All = w.Seen; !w.Met && !h.Live { // every cgroup of a host with the controller has its files
			out.Got = h.Lack()
		}
		return out
	}
	if err == nil {
		err = Unmounted(h, "pids")
	}
	out.Got = inspect.ReasonOf(err)
	return out
}

// pidsWalk goes through one hierarchy after the other.
type pidsWalk struct {
	Survey
	out *PidsList
}

func (w *pidsWalk) walk(at Place) {
	limit, bounded, lacks := at.pidsMax()
	w.Met = w.Met || !lacks.IsMissing()
	use, err := at.Number("pids.current")
	switch {
	case lacks.IsMissing() && (lacks != inspect.NotSaved || err != nil): // it has no such controller, as far as is known
		lacks = inspect.Present
	case bounded && err != nil:
		if lacks = inspect.ReasonOf(err); lacks != inspect.Malformed {
			lacks = at.Lacks("pids", "pids.current")
		}
	case bounded && use >= 0:
		g := Pids{Version: at.Mount.Version, Path: at.Path, Limit: limit, Use: uint64(use), Refused: inspect.Unset}
		t, rel := at.File("pids.events")
		_ = t.Single(rel, func(b []byte) error {
			events, err := inspect.ParseCounters(b, 2)
			g.Refused = events.Num("max")
			return err
		})
		w.out.List = append(w.out.List, g)
	}
	for _, name := range w.Below(at, lacks) {
		w.walk(at.Down(name))
	}
}

// pidsMax reads the bound on threads; lacks says why it is not known.
func (p Place) pidsMax() (limit uint64, bounded bool, lacks inspect.Reason) {
	t, rel := p.File("pids.max")
	err := t.Single(rel, func(b []byte) error {
		text := inspect.TrimNewline(b)
		if limit, bounded = inspect.ParseUint(text); !bounded && string(text) != "max" {
			return inspect.ErrMalformed
		}
		return nil
	})
	return limit, bounded, inspect.ReasonOf(err)
}
