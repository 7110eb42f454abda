package cgroup

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/prometheus/procfs"

	"kwhy/inspect"
)

// Own reads which cgroups kwhy itself is in.
func Own(h *inspect.Host) ([]Line, error) {
	return inspect.ByProcfs(h, inspect.SelfCgroup, func(fs procfs.FS) ([]Line, error) {
		self, err := fs.Self()
		if err != nil {
			return nil, err
		}
		return LinesOf(self)
	}, func() ([]Line, error) { return Read(h, "self") })
}

// Read reads which cgroups a task is in: dir is its directory below /proc.
func Read(h *inspect.Host, dir string) (list []Line, err error) {
	err = h.Proc.With(dir+"/cgroup", func(b []byte) (err error) {
		list, err = ParseCgroups(b)
		return err
	})
	return list, err
}

// MembershipsOf does the same for the outside.
func MembershipsOf(h *inspect.Host, dir string) ([]Membership, error) {
	list, err := Read(h, dir)
	return Memberships(list), err
}

// Memberships are the lines for the outside.
func Memberships(list []Line) []Membership {
	out := make([]Membership, 0, len(list))
	for _, m := range list {
		out = append(out, m.Membership())
	}
	return out
}

// LinesOf takes the lines of /proc/PID/cgroup as procfs reads them.
func LinesOf(p procfs.Proc) (out []Line, err error) {
	list, err := p.Cgroups()
	for _, c := range list {
		if c.HierarchyID < 0 || !strings.HasPrefix(c.Path, "/") {
			return nil, inspect.ErrMalformed
		}
		out = append(out, Line{uint64(c.HierarchyID), strings.Join(c.Controllers, ","), c.Path})
	}
	if err == nil && len(out) == 0 {
		err = inspect.ErrMalformed
	}
	return out, err
}

// Line is one line of /proc/PID/cgroup.
type Line struct {
	Hierarchy   uint64 // 0: version 2
	controllers string // comma-separated
	path        string
}

// ParseCgroups reads lines of "4:memory:/a/b". A line of another form is passed
// over.
func ParseCgroups(b []byte) (list []Line, err error) {
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		id, rest, ok1 := strings.Cut(string(line), ":")
		names, at, ok2 := strings.Cut(rest, ":")
		n, ok3 := inspect.ParseUint([]byte(id))
		if ok1 && ok2 && ok3 && strings.HasPrefix(at, "/") {
			list = append(list, Line{n, names, at})
		}
	}
	if len(list) == 0 {
		return nil, inspect.ErrMalformed
	}
	return list, nil
}

// Membership is the same for the outside.
func (m Line) Membership() Membership {
	out := Membership{Version: 1, Controllers: m.controllers, Path: m.path}
	if m.Hierarchy == 0 {
		out.Version = 2
	}
	return out
}

// MemoryHierarchy finds the hierarchy that accounts memory, and the path in it.
func MemoryHierarchy(list []Line) (version int, at string) {
	for _, c := range list {
		switch {
		case slices.Contains(strings.Split(c.controllers, ","), "memory"):
			return 1, c.path
		case c.Hierarchy == 0:
			version, at = 2, c.path
		}
	}
	return version, at
}

// locate finds the directory of a cgroup and that of the highest one that the
// mount shows. A path that begins with /.. lies outside the cgroup namespace
// and is nowhere to be read.
func locate(version int, at string, mounts []inspect.Mount) (dir, top string, err error) {
	return LocateFor(version, "memory", at, mounts)
}

// LocateFor does the same for another controller of version 1.
func LocateFor(version int, controller, at string, mounts []inspect.Mount) (dir, top string, err error) {
	for _, m := range mounts {
		if version == 2 && m.FSType != "cgroup2" || version == 1 && m.FSType != "cgroup" {
			continue
		}
		if version == 1 && !m.Has(controller) {
			continue
		}
		if rel, ok := Below(at, m.Root); ok {
			return path.Join(m.Point, rel), path.Clean(m.Point), nil
		}
	}
	return "", "", fmt.Errorf("find where cgroup %s is mounted: %w", at, fs.ErrNotExist)
}

// Below returns what of p lies under root. A path that climbs, as one outside of
// kwhy's cgroup namespace does, lies nowhere: who follows it up from there would
// never come to the mount.
func Below(p, root string) (string, bool) {
	if path.Clean(p) != p {
		return "", false
	}
	if root == "/" {
		return p, true
	}
	rest, ok := strings.CutPrefix(p, root)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// Under returns the tree that a path as mounted lies in: cgroup file systems
// are under /sys almost always, and then under --sys-root.
func Under(h *inspect.Host, dir string) (inspect.Tree, string) {
	if rel, ok := strings.CutPrefix(dir, "/sys/"); ok || !h.Live {
		return h.Sys, strings.TrimPrefix(rel, "/")
	}
	return h.Elsewhere(), dir
}

// HasController reports whether a controller is in a list, which is comma-separated.
func HasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// Mounts lists the mounts of cgroup file systems, of both versions, that
// kwhy sees.
func Mounts(h *inspect.Host) (out []inspect.Mount, err error) {
	err = h.Proc.With("self/mountinfo", func(b []byte) error {
		return inspect.ParseMountinfo(b, "cgroup", func(m inspect.Mount) { out = append(out, m) })
	})
	return out, err
}

// Shown returns an error where cgroup file systems are mounted, by mountinfo, and none is where
// kwhy looks: a copy, or a chroot, without /sys. What they hold is not known then.
func Shown(h *inspect.Host, mounts []inspect.Mount) (err error) {
	for _, m := range mounts {
		t, rel := Under(h, path.Clean(m.Point))
		if _, err = t.Stat(rel); err == nil {
			return nil
		}
	}
	return err
}

// Membership is a cgroup that a process is in.
type Membership struct {
	Version     int
	Controllers string // comma-separated; "" for version 2
	Path        string
}

// ControllerPath returns where a process is in the hierarchy that has a
// controller: of version 1 if it is there, of version 2 otherwise.
func ControllerPath(list []Membership, controller string) (version int, at string) {
	for _, c := range list {
		switch {
		case c.Version == 1 && HasController(c.Controllers, controller):
			version, at = 1, c.Path
		case c.Version == 2 && version == 0:
			version, at = 2, c.Path
		}
	}
	return version, at
}
