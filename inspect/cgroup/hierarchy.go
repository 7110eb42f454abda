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
	why := inspect.NotMounted
	if !h.Live {
		why = inspect.NotSaved
	}
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

// With returns the hierarchies that may have a controller: those of version 2, and those of
// version 1 that are mounted with it.
func With(mounts []*Mount, controllers ...string) (out []*Mount) {
	for _, m := range mounts {
		for _, c := range controllers {
			if m.Version == 2 || m.Has(c) {
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

// mounted is what Mounts returns, kept.
type mounted struct {
	list []*Mount
	err  error
}

// Mounts lists the hierarchies of cgroups, of both versions, that kwhy can read: each once,
// where its mounts lie below --sys-root.
func Mounts(h *inspect.Host) ([]*Mount, error) {
	m := inspect.Keep(h, func() *mounted {
		all, err := allMounts(h)
		return &mounted{list: hierarchies(h, all), err: err}
	})
	return m.list, m.err
}

// allMounts lists the mounts of cgroup file systems that kwhy sees, wherever they are. Their
// roots are as seen from kwhy's cgroup namespace, whoever's mountinfo is read (kernel/cgroup/cgroup.c,
// cgroup_show_path).
func allMounts(h *inspect.Host) (out []inspect.Mount, err error) {
	read := func(rel string) error {
		return h.Proc.With(rel, func(b []byte) error {
			return inspect.ParseMountinfo(b, "cgroup", func(m inspect.Mount) { out = append(out, m) })
		})
	}
	if err = read("self/mountinfo"); err != nil && h.Live && h.OwnDir() != "self" {
		err = read(h.OwnDir() + "/mountinfo")
	}
	return out, err
}

// hierarchies makes one of all mounts of a hierarchy.
func hierarchies(h *inspect.Host, all []inspect.Mount) (out []*Mount) {
	below, everywhere := h.Beneath()
	best, last := map[string]*Mount{}, map[string]int{} // of several at one place the last lies on top
	for i := range all {
		last[all[i].Point] = i
	}
	for i, it := range all {
		if last[it.Point] != i {
			continue
		}
		m := &Mount{Mount: it, Version: 2, tree: h.Sys}
		var ok bool
		if m.rel, ok = below(it.Point); !ok {
			if !everywhere {
				continue
			}
			m.tree, m.rel = h.Elsewhere(), path.Clean(it.Point)
		}
		if it.FSType == "cgroup" {
			m.Version = 1
		}
		if h.Live && !m.onTop() {
			continue
		}
		m.climbs, m.Name = climb(it.Root)
		key := hierarchyOf(&m.Mount)
		switch was := best[key]; {
		case was == nil:
			best[key] = m
			out = append(out, m)
		case better(m, was, h):
			*was = *m
		}
	}
	for _, m := range out {
		if m.climbs == 0 {
			m.base = "/"
		} else {
			m.base = m.findBase(h, all)
		}
		m.Rest = m.rest(h)
	}
	return out
}

// onTop reports whether the file system is what one finds where it is mounted: another one may
// lie over it.
func (m *Mount) onTop() bool {
	magic, err := m.tree.FileSystem(m.rel)
	if m.Version == 1 {
		return err == nil && magic == unix.CGROUP_SUPER_MAGIC
	}
	return err == nil && magic == unix.CGROUP2_SUPER_MAGIC
}

// hierarchyOf tells hierarchies apart: there is one of version 2, and those of version 1 differ
// in what their file system's options name.
func hierarchyOf(m *inspect.Mount) string {
	if m.FSType != "cgroup" {
		return m.FSType
	}
	var names []string
	for o := range strings.SplitSeq(m.Super, ",") {
		if o != "rw" && o != "ro" {
			names = append(names, o)
		}
	}
	return strings.Join(names, ",")
}

// better reports whether a mount is to be read in place of another of the same hierarchy: it
// lies below --sys-root, or shows more.
func better(m, than *Mount, h *inspect.Host) bool {
	in, wasIn := m.tree == h.Sys, than.tree == h.Sys
	switch {
	case in != wasIn:
		return in
	case m.climbs != than.climbs:
		return m.climbs > than.climbs
	}
	a, b := strings.Count(strings.Trim(m.Name, "/"), "/"), strings.Count(strings.Trim(than.Name, "/"), "/")
	if one, other := m.Name == "/", than.Name == "/"; one != other {
		return one
	}
	return a < b
}

// findBase finds the root of kwhy's cgroup namespace below the top of a mount that shows more. Where
// another mount of the hierarchy shows that root, its inode is the same in both, for they are one file
// system (kernel/cgroup/cgroup.c, cgroup_do_get_tree); else kwhy's own process is in it, or as far
// below it as /proc says.
func (m *Mount) findBase(h *inspect.Host, all []inspect.Mount) string {
	if !h.Live {
		return ""
	}
	for _, own := range all {
		if own.Root != "/" || hierarchyOf(&own) != hierarchyOf(&m.Mount) {
			continue
		}
		want, err1 := h.Elsewhere().Stat(own.Point)
		top, err2 := m.tree.Stat(m.rel)
		if err1 != nil || err2 != nil || want.Dev != top.Dev {
			continue // another mount lies over it
		}
		return m.search("/", m.climbs, func(at string) bool {
			st, err := m.tree.Stat(path.Join(m.rel, at))
			return err == nil && st.Ino == want.Ino
		})
	}
	list, _ := ReadLines(h, h.OwnDir())
	for _, l := range list {
		if up, _ := climb(l.path); l.of(m) && up == 0 {
			return m.search("/", m.climbs, func(at string) bool { return m.holds(path.Join(at, l.path), unix.Getpid()) })
		}
	}
	return ""
}

// holds reports whether a process of kwhy's own PID namespace is in a cgroup.
func (m *Mount) holds(at string, pid int) (yes bool) {
	_ = m.tree.With(path.Join(m.rel, at, "cgroup.procs"), func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = inspect.CutLine(b)
			n, ok := inspect.ParsePID(string(line))
			yes = yes || ok && int(n) == pid
		}
		return nil
	})
	return yes
}

// search looks so many levels below a cgroup for the one that is meant; "" where there is none.
func (m *Mount) search(at string, levels int, meant func(at string) bool) string {
	names, _ := m.tree.Directories(path.Join(m.rel, at)) // of one that went nothing is found
	for _, name := range names {
		below := path.Join(at, name)
		if levels > 1 {
			if found := m.search(below, levels-1, meant); found != "" {
				return found
			}
		} else if meant(below) {
			return below
		}
	}
	return ""
}

// rest says why more than the mount shows may be there. In version 2 the root of the hierarchy
// alone has no cgroup.events (kernel/cgroup/cgroup.c, cgroup_base_files: CFTYPE_NOT_ON_ROOT);
// in version 1 it alone has release_agent (kernel/cgroup/cgroup-v1.c, cgroup1_base_files:
// CFTYPE_ONLY_ON_ROOT). A copy need not have either.
func (m *Mount) rest(h *inspect.Host) inspect.Reason {
	has := func(name string) bool {
		_, err := m.tree.Stat(path.Join(m.rel, name))
		return err == nil
	}
	whole := false
	switch {
	case m.Name != "/":
		return inspect.NotMounted
	case h.Live && m.Version == 1:
		whole = has("release_agent")
	case m.Version == 1:
		whole = !apart(h)
	default:
		whole = !has("cgroup.events") && !has("memory.max") && !has("cpu.max") && !has("pids.max")
	}
	if whole {
		return inspect.Present
	}
	return inspect.OtherNamespace
}

// firstCgroupNS is the number of the cgroup namespace that the kernel began with
// (include/linux/proc_ns.h, PROC_CGROUP_INIT_INO).
const firstCgroupNS = 4026531835

// isApart says that kwhy is in a cgroup namespace of its own.
type isApart bool

// apart reports whether kwhy is in a cgroup namespace other than the one that the kernel began
// with: then paths of cgroups begin at another root. Where that can't be seen, it is not.
func apart(h *inspect.Host) bool {
	return bool(inspect.Keep(h, func() isApart {
		if n, err := h.Namespace(h.OwnDir(), "cgroup"); err == nil || h.Live {
			return isApart(err == nil && n != firstCgroupNS)
		}
		all, _ := allMounts(h)
		return isApart(slices.ContainsFunc(all, func(m inspect.Mount) bool { return strings.HasPrefix(m.Root, "/..") }))
	}))
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
		return inspect.Lacking(err, inspect.NotSaved)
	}
	list, _ := Own(h)
	for _, l := range list {
		if HasController(l.controllers, controller) || l.Hierarchy == 0 {
			return inspect.Lacking(err, inspect.NotMounted)
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

// Below lists the names of the cgroups right below one, sorted.
func (s *Survey) Below(p Place) []string {
	t, rel := p.Dir()
	names, err := t.Directories(rel)
	switch why := inspect.ReasonOf(err); {
	case err == nil:
		s.Seen.Seen, s.Seen.All = s.Seen.Seen+1, s.Seen.All+1
	case why.IsMissing(), errors.Is(err, unix.ENODEV): // it went meanwhile
	default:
		s.Seen.All, s.Seen.Reason = s.Seen.All+1, why
	}
	slices.Sort(names)
	return names
}
