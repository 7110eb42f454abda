package cgroup

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// mounted is what Mounts returns, kept.
type mounted struct {
	list []*Mount
	err  error
	cut  bool // the list ends in the middle of a mount: there may be others
}

// Mounts lists the hierarchies of cgroups, of both versions, that kwhy can read: each once,
// where its mounts lie below --sys-root.
func Mounts(h *inspect.Host) ([]*Mount, error) {
	m := mountsOf(h)
	return m.list, m.err
}

func mountsOf(h *inspect.Host) *mounted {
	return inspect.Keep(h, func() *mounted {
		all, cut, err := allMounts(h)
		return &mounted{list: hierarchies(h, all), err: err, cut: cut}
	})
}

// MountsOf returns why the list of hierarchies is not whole: Malformed where it ends in the middle
// of a mount, and Present where it does not.
func MountsOf(h *inspect.Host) inspect.Reason {
	switch m := mountsOf(h); {
	case m.err != nil:
		return inspect.ReasonOf(m.err)
	case m.cut:
		return inspect.Malformed
	}
	return inspect.Present
}

// lacks returns why a hierarchy is in none of the mounts: where their list is cut it is not
// known to be.
func lacks(h *inspect.Host, why inspect.Reason) inspect.Reason {
	if mountsOf(h).cut {
		return inspect.Malformed
	}
	return why
}

// allMounts lists the mounts of cgroup file systems that kwhy sees, wherever they are. Their
// roots are as seen from kwhy's cgroup namespace, whoever's mountinfo is read (kernel/cgroup/cgroup.c,
// cgroup_show_path).
func allMounts(h *inspect.Host) (out []inspect.Mount, cut bool, err error) {
	read := func(rel string) error {
		return h.Proc.With(rel, func(b []byte) error {
			cut = inspect.CutOff(b)
			return inspect.ParseMountinfo(b, "cgroup", func(m inspect.Mount) { out = append(out, m) })
		})
	}
	if err = read("self/mountinfo"); err != nil && h.Live && h.OwnDir() != "self" {
		err = read(h.OwnDir() + "/mountinfo")
	}
	return out, cut, err
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
		if m.Rest = m.rest(h); m.Version == 2 {
			m.readOffers()
		}
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
		all, _, _ := allMounts(h)
		return isApart(slices.ContainsFunc(all, func(m inspect.Mount) bool { return strings.HasPrefix(m.Root, "/..") }))
	}))
}
