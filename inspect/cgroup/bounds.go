package cgroup

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"

	"kwhy/inspect"
)

// Bounded is a memory cgroup that has a bound of its own: a hard limit, or memory.high.
type Bounded struct {
	Memory
	At    Place
	Below []Place // it and those below it
	Local bool    // the mount says that events leave out those of the cgroups below
}

// Hard reports whether it has a hard limit.
func (b *Bounded) Hard() bool {
	_, why := b.Limit()
	return why == inspect.Present
}

// Walk is what a walk over the hierarchy that accounts memory found.
type Walk struct {
	List    []Bounded    // of all cgroups those with a bound, a cgroup before those below it
	Seen    inspect.Seen // how much it came to
	Version int          // of cgroups: 1 or 2; 0 where it came to none
	Err     error        // why it came to nothing
}

// WalkMemory goes through the hierarchy that accounts memory, as far down as it is mounted.
func WalkMemory(h *inspect.Host) *Walk {
	mounts, err := Mounts(h)
	if err != nil {
		return &Walk{Err: err}
	}
	list := With(mounts, "memory")
	slices.SortStableFunc(list, func(a, b *Mount) int { return a.Version - b.Version })
	var seen inspect.Seen
	for _, m := range list {
		w := boundsWalk{mount: m, live: h.Live}
		w.survey.Of(m, inspect.CgroupMemory)
		if err := w.walk(m.Highest()); err != nil {
			return &Walk{Seen: w.survey.Seen, Err: err}
		}
		w.notSaved(h)
		if !w.survey.Met && !h.Live { // every cgroup of a host with the controller has its files
			return &Walk{Seen: w.survey.Seen, Err: w.missing}
		}
		if seen = w.survey.Seen; len(w.out) > 0 || m.Version == 2 {
			return &Walk{List: w.out, Seen: seen, Version: m.Version}
		}
	}
	if len(list) > 0 {
		return &Walk{Seen: seen, Version: 1} // none has a bound
	}
	return &Walk{Err: Unmounted(h, "memory")}
}

// boundsWalk goes through one hierarchy.
type boundsWalk struct {
	mount   *Mount
	live    bool // no copy
	survey  Survey
	missing error // where there is no file of the controller, why
	open    []int // indices in out of the bounded ones above
	out     []Bounded
}

// notSaved counts the cgroups of a copy's processes whose directories it has not got.
func (w *boundsWalk) notSaved(h *inspect.Host) {
	if h.Live {
		return
	}
	names, _ := h.Proc.Names(".") // without them there is no process either
	gone := map[string]bool{}
	for _, name := range names {
		if _, ok := inspect.ParsePID(name); !ok {
			continue
		}
		list, _ := ReadLines(h, name) // one without them is in none that is known
		version, at := MemoryHierarchy(list)
		if _, ok := Below(at, w.mount.Name); ok && version == w.mount.Version && !w.mount.At(at).Exists() {
			gone[at] = true
		}
	}
	if len(gone) > 0 {
		w.survey.Seen.All, w.survey.Seen.Reason = w.survey.Seen.All+len(gone), inspect.NotSaved
	}
}

// walk visits a cgroup and those below it. One that went away is no error.
func (w *boundsWalk) walk(at Place) error {
	bounded, err := w.bounded(at)
	lacks := inspect.Present
	if err != nil || !w.live { // of a copy memory.high may be there alone
		lacks = at.Lacks("memory", FilesOf(w.mount.Version).Limit)
	}
	spoilt := inspect.ReasonOf(err) == inspect.Malformed
	if spoilt {
		lacks = inspect.Malformed
	}
	if lacks != inspect.Present && at.Top() && lacks != inspect.NotSaved && !spoilt { // nothing of it may be read
		return inspect.Lacking(cmp.Or(err, fmt.Errorf("read the limit of cgroup %s: %w", at.Path, fs.ErrPermission)), lacks)
	}
	if w.survey.Met = w.survey.Met || err == nil || spoilt; at.Top() && !w.survey.Met { // the root of version 2 has no limit
		t, rel := at.File("memory.stat")
		_, none := t.Stat(rel)
		w.survey.Met, w.missing = none == nil, err
	}
	if !w.live && w.mount.Version == 2 && lacks == inspect.Present && at.Lacks("memory", FilesOf(2).high) != inspect.Present {
		bounded = true // it may have memory.high
	}
	if bounded {
		if c, err := ReadMemory(at, true); err == nil {
			w.open = append(w.open, len(w.out))
			w.out = append(w.out, Bounded{Memory: c, At: at, Local: w.mount.Has("memory_localevents")})
			defer func() { w.open = w.open[:len(w.open)-1] }()
		}
	}
	for _, i := range w.open {
		w.out[i].Below = append(w.out[i].Below, at)
	}
	for _, name := range w.survey.Below(at, lacks) {
		if err := w.walk(at.Down(name)); err != nil {
			return err
		}
	}
	return nil
}

// bounded reports whether a cgroup has a bound, or may have: of version 2 the files say "max" where there is
// none. The error is that of the hard limit's file.
func (w *boundsWalk) bounded(at Place) (yes bool, err error) {
	f := FilesOf(w.mount.Version)
	number := func(name string) error {
		t, rel := at.File(name)
		return t.Single(rel, func(b []byte) error {
			text := inspect.TrimNewline(b)
			n, ok := inspect.ParseUint(text)
			if !ok && string(text) != "max" {
				yes = true // it has one, or may have
				return inspect.ErrMalformed
			}
			yes = yes || ok && (w.mount.Version == 2 || n < UnlimitedV1)
			return nil
		})
	}
	err = number(f.Limit)
	if !yes && f.high != "" {
		if high := number(f.high); err != nil && high == nil && inspect.ReasonOf(err) != inspect.Malformed { // a copy need not have both
			err = nil
		}
	}
	return yes, err
}
