package cgroup

// NameIn is the name of a cgroup where the root of kwhy's namespace is at base, so many levels
// below the top of the mount.
func NameIn(climbs int, base, at string) string {
	return (&Mount{climbs: climbs, base: base}).name(at)
}

// Key tells the hierarchy of a mount apart.
func (m *Mount) Key() string { return hierarchyOf(&m.Mount) }
