package cgroup

import (
	"slices"
	"strings"

	"github.com/prometheus/procfs"

	"kwhy/inspect"
)

// Own reads which cgroups kwhy itself is in.
func Own(h *inspect.Host) ([]Line, error) {
	list, err := inspect.ByProcfs(h, inspect.SelfCgroup, func(fs procfs.FS) ([]Line, error) {
		self, err := fs.Self()
		if err != nil {
			return nil, err
		}
		return LinesOf(self)
	}, func() ([]Line, error) { return ReadLines(h, "self") })
	return Named(h, list), err
}

// Read reads which cgroups a task is in: dir is its directory below /proc.
func Read(h *inspect.Host, dir string) ([]Line, error) {
	list, err := ReadLines(h, dir)
	return Named(h, list), err
}

// ReadLines does the same, with paths as /proc has them.
func ReadLines(h *inspect.Host, dir string) (list []Line, err error) {
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

// LinesOf takes the lines of /proc/PID/cgroup as procfs reads them; see Named.
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

// ParseCgroups reads lines of "4:memory:/a/b". A line of another form makes all malformed: a
// controller that no other line names may be in its hierarchy. The paths are as seen from kwhy's cgroup namespace: see Named.
func ParseCgroups(b []byte) (list []Line, err error) {
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		id, rest, ok1 := strings.Cut(string(line), ":")
		names, at, ok2 := strings.Cut(rest, ":")
		n, ok3 := inspect.ParseUint([]byte(id))
		if !ok1 || !ok2 || !ok3 || !strings.HasPrefix(at, "/") {
			return nil, inspect.ErrMalformed
		}
		list = append(list, Line{n, names, at})
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

// HasController reports whether a controller is in a list, which is comma-separated.
func HasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
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
