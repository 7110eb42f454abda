package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// Mount is a hierarchy of cgroups as kwhy reads it: of its mounts, the one below --sys-root
// that shows the most of it.
type Mount struct {
	inspect.Mount
	Version int
	// Name is the cgroup that lies at its top: "/" where that is the root of the hierarchy, or
	// where nothing above it can be named.
	Name string
	// Rest says why there may be cgroups above its top and beside it that are not seen there;
	// Present where its top is the root of the hierarchy.
	Rest inspect.Reason

	tree inspect.Tree
	rel  string // the top, in tree
	// Paths in /proc begin at the root of the reader's cgroup namespace. That lies so many
	// levels below the top, at base; where base is "", it was not found there.
	climbs int
	base   string

	offers   []string // controllers, of version 2
	noOffers inspect.Reason
}

// mayHave reports whether a controller may be found in it: of version 2 one that its top can use
// (cgroup.controllers), or any where it is not known which these are.
func (m *Mount) mayHave(controller string) bool {
	if m.Version == 1 {
		return m.Has(controller)
	}
	return m.noOffers != inspect.Present || slices.Contains(m.offers, controller)
}

// Controllers returns those that its top can use, of version 2 (cgroup.controllers), and why they
// are not known; Present where they are.
func (m *Mount) Controllers() ([]string, inspect.Reason) { return m.offers, m.noOffers }

// readOffers reads which controllers its top can use.
func (m *Mount) readOffers() {
	t, rel := m.Highest().File("cgroup.controllers")
	m.noOffers = inspect.ReasonOf(t.Single(rel, func(b []byte) error { m.offers = strings.Fields(string(b)); return nil }))
}

// Highest returns the place of its top.
func (m *Mount) Highest() Place { return m.At(m.Name) }

// At returns the place of a cgroup of that name.
func (m *Mount) At(name string) Place { return Place{m, name} }

// outside begins the name of a cgroup that lies beyond what can be named from here.
const outside = "(outside)/"

// name returns the name of a cgroup by its path as /proc has it.
func (m *Mount) name(at string) string {
	up, rest := climb(at)
	switch {
	case up > m.climbs, up < m.climbs && m.base == "":
		return outside + strings.TrimPrefix(rest, "/")
	case up == m.climbs:
		return rest
	}
	return path.Join(m.base, at)
}

// climb splits a path such as "/../../a" into how many levels it goes up, and the rest.
func climb(at string) (up int, rest string) {
	rest = at
	for rest == "/.." || strings.HasPrefix(rest, "/../") {
		up, rest = up+1, rest[len("/.."):]
	}
	if rest == "" {
		rest = "/"
	}
	return up, rest
}

// Place is the directory of a cgroup.
type Place struct {
	Mount *Mount
	Path  string // the cgroup's name
}

// Dir returns the directory: a tree and the path in it.
func (p Place) Dir() (inspect.Tree, string) {
	rest, _ := Below(p.Path, p.Mount.Name)
	return p.Mount.tree, path.Join(p.Mount.rel, rest)
}

// File returns one of its files.
func (p Place) File(name string) (inspect.Tree, string) {
	t, rel := p.Dir()
	return t, path.Join(rel, name)
}

// Top reports whether it is the highest that can be seen from here.
func (p Place) Top() bool { return p.Path == p.Mount.Name }

// Up returns the place above; not of the top.
func (p Place) Up() Place { return Place{p.Mount, path.Dir(p.Path)} }

// Way returns the places from the highest that can be seen down to it.
func (p Place) Way() (out []Place) {
	for ; ; p = p.Up() {
		if out = append(out, p); p.Top() {
			slices.Reverse(out)
			return out
		}
	}
}

// Down returns the place of a cgroup right below.
func (p Place) Down(name string) Place { return Place{p.Mount, path.Join(p.Path, name)} }

// Number reads one of its files that holds a number.
func (p Place) Number(name string) (int64, error) {
	t, rel := p.File(name)
	return t.Number(rel)
}

// Mounted returns the whole path of its directory.
func (p Place) Mounted() string {
	rest, _ := Below(p.Path, p.Mount.Name)
	return path.Join(p.Mount.Point, rest)
}

// Lacks says why a file that bounds a cgroup can't be read; Present where it can, and where there is no such
// bound: the root of version 2 has none, nor has a cgroup to which the one above does not hand the controller
// on, which then has no such file. A copy need not have what its host had.
func (p Place) Lacks(controller, file string) inspect.Reason {
	t, rel := p.File(file)
	why := t.Look(rel)
	switch {
	case why == inspect.Present, p.Mount.Version == 2 && p.Top() && p.Mount.Rest == inspect.Present:
		return inspect.Present
	case why == inspect.NotSaved && p.Mount.Version == 2:
		handed := ""
		t, rel := p.File("cgroup.controllers")
		if t.Single(rel, func(b []byte) error { handed = string(b); return nil }) == nil && !slices.Contains(strings.Fields(handed), controller) {
			return inspect.Present
		}
		return why
	case why.IsMissing() && why != inspect.NotSaved, why == inspect.Vanished, why == inspect.Malformed:
		return inspect.Present
	}
	return why
}

// Exists reports whether there is such a cgroup.
func (p Place) Exists() bool {
	t, rel := p.Dir()
	st, err := t.Stat(rel)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// Find returns where a cgroup can be read: at is its name in the hierarchy that has a
// controller, of version 1, or in the one of version 2. The error says why it can't.
func Find(h *inspect.Host, version int, controller, at string) (Place, error) {
	mounts, err := Mounts(h)
	if err != nil {
		return Place{}, err
	}
	why := lacks(h, h.Lack())
	for _, m := range mounts {
		if m.Version != version || version == 1 && !m.Has(controller) {
			continue
		}
		if _, ok := Below(at, m.Name); ok {
			return Place{m, at}, nil
		}
		if m.Rest != inspect.Present {
			why = m.Rest
		}
	}
	if strings.HasPrefix(at, outside) {
		why = inspect.OtherNamespace
	}
	return Place{}, inspect.Lacking(fmt.Errorf("find where cgroup %s is mounted: %w", at, fs.ErrNotExist), why)
}

// With returns the hierarchies that may have a controller: those of version 2 that offer it, and
// those of version 1 that are mounted with it.
func With(mounts []*Mount, controllers ...string) (out []*Mount) {
	for _, m := range mounts {
		for _, c := range controllers {
			if m.mayHave(c) {
				out = append(out, m)
				break
			}
		}
	}
	return out
}

// Below returns what of p lies under root. A path that climbs, as one outside of
// kwhy's cgroup namespace does, lies nowhere: who follows it up from there would
// never come to the mount.
func Below(p, root string) (string, bool) {
	if path.Clean(p) != p || !strings.HasPrefix(p, "/") {
		return "", false
	}
	if root == "/" {
		return p, true
	}
	rest, ok := strings.CutPrefix(p, root)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// Named gives cgroups the names that they have in what is mounted: /proc has their paths from
// the root of the reader's cgroup namespace (kernel/cgroup/cgroup.c, proc_cgroup_show). One that lies
// outside of all that can be named begins with "(outside)/".
func Named(h *inspect.Host, list []Line) []Line {
	if !apart(h) && !slices.ContainsFunc(list, func(l Line) bool { up, _ := climb(l.path); return up > 0 }) {
		return list
	}
	mounts, err := Mounts(h)
	if err != nil {
		mounts = nil
	}
	own := &Mount{base: "/"} // of a hierarchy that is not mounted: what lies below that root has a name
	for i := range list {
		l := &list[i]
		of := own
		for _, m := range mounts {
			if l.of(m) {
				of = m
			}
		}
		l.path = of.name(l.path)
	}
	return list
}

// of reports whether a line is of a hierarchy.
func (m *Line) of(it *Mount) bool {
	if it.Version == 2 || m.Hierarchy == 0 {
		return it.Version == 2 && m.Hierarchy == 0
	}
	for c := range strings.SplitSeq(m.controllers, ",") {
		if it.Has(c) {
			return true
		}
	}
	return false
}

// Unmounted is why a controller's hierarchy is not to be seen where none is mounted: the
// kernel has it, by what it says of kwhy's own cgroups, or does not.
func Unmounted(h *inspect.Host, controller string) error {
	err := &fs.PathError{Op: "find", Path: "the " + controller + " controller", Err: fs.ErrNotExist}
	if !h.Live {
		return inspect.Lacking(err, lacks(h, h.Lack()))
	}
	list, _ := Own(h)
	for _, l := range list {
		if HasController(l.controllers, controller) || l.Hierarchy == 0 {
			return inspect.Lacking(err, lacks(h, inspect.NotMounted))
		}
	}
	return err
}

// Shown returns why no cgroup of a controller is to be seen; nil where some are. A copy names in
// mountinfo what it need not have.
func Shown(h *inspect.Host, controller string) error {
	mounts, err := Mounts(h)
	if err != nil {
		return err
	}
	err = Unmounted(h, controller)
	for _, m := range With(mounts, controller) {
		t, rel := m.Highest().Dir()
		if _, err = t.Stat(rel); err == nil {
			return nil
		}
	}
	return err
}

// Survey counts the cgroups that walks come to.
type Survey struct {
	Seen inspect.Seen
	Met  bool // some of them has a file of the controller
}

// Of begins a walk through a hierarchy.
func (s *Survey) Of(m *Mount, src inspect.Source) {
	s.Seen.Each, s.Seen.Source = "cgroup", src
	if m.Rest != inspect.Present {
		s.Seen.Open, s.Seen.Reason = true, m.Rest
	}
}

// Below lists the names of the cgroups right below one, sorted. lacks says why what bounds that one is not
// known; Present where it is.
func (s *Survey) Below(p Place, lacks inspect.Reason) []string {
	if rest, ok := Below(p.Path, p.Mount.Name); !ok || rest == "" && !p.Top() {
		return nil // a garbled mountinfo: it would be the top's directory again, without end
	}
	t, rel := p.Dir()
	names, err := t.Directories(rel)
	switch why := inspect.ReasonOf(err); {
	case err == nil && lacks != inspect.Present:
		s.Seen.All, s.Seen.Reason = s.Seen.All+1, lacks
	case err == nil:
		s.Seen.Seen, s.Seen.All = s.Seen.Seen+1, s.Seen.All+1
	case why.IsMissing(), errors.Is(err, unix.ENODEV): // it went meanwhile
	default:
		s.Seen.All, s.Seen.Reason = s.Seen.All+1, why
	}
	slices.Sort(names)
	return names
}
