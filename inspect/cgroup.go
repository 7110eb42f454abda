package inspect

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// CgroupMem is the memory controller's files of one cgroup, with the names of
// the version that it has. Sizes are in bytes.
type CgroupMem struct {
	Version int    // 1 or 2
	Path    string // as seen from the cgroup namespace of the process
	Nums    Counters
	Maxed   map[string]bool // files that say "max": no bound
	Garbled map[string]bool // files that did not parse
	Stat    Counters        // memory.stat
	Events  Counters        // v2: memory.events; v1: memory.oom_control
	Root    bool            // the highest that can be seen from here
}

// cgroup file names by what they mean; v1 and v2 differ.
type cgroupFiles struct{ limit, high, use, peak, swapLimit, swapUse, events string }

func filesOf(version int) cgroupFiles {
	if version == 1 {
		return cgroupFiles{limit: "memory.limit_in_bytes", use: "memory.usage_in_bytes", peak: "memory.max_usage_in_bytes",
			swapLimit: "memory.memsw.limit_in_bytes", swapUse: "memory.memsw.usage_in_bytes", events: "memory.oom_control"}
	}
	return cgroupFiles{limit: "memory.max", high: "memory.high", use: "memory.current", peak: "memory.peak",
		swapLimit: "memory.swap.max", swapUse: "memory.swap.current", events: "memory.events"}
}

// unlimitedV1 is where v1 begins to mean no limit: it prints the largest
// count of pages in bytes, which depends on the page size (mm/memcontrol.c,
// PAGE_COUNTER_MAX) and is above 2^62 for all of them.
const unlimitedV1 = 1 << 62

// get looks a file's number up: absent, unlimited or a number of bytes.
func (c *CgroupMem) get(file string) (uint64, Reason) {
	n, ok := c.Nums[file]
	switch {
	case c.Garbled[file]:
		return 0, Malformed
	case file == "" || c.Root && c.Version == 2 && !ok && !c.Maxed[file]:
		return 0, Inapplicable // the root of v2 has no such file
	case c.Maxed[file], ok && c.Version == 1 && n >= unlimitedV1:
		return 0, Unlimited
	case !ok:
		return 0, Unsupported
	}
	return n, Present
}

// Limit is the hard limit: memory.max, or memory.limit_in_bytes.
func (c *CgroupMem) Limit() (uint64, Reason) { return c.get(filesOf(c.Version).limit) }

// High is v2's memory.high, above which tasks are throttled and reclaimed from.
func (c *CgroupMem) High() (uint64, Reason) { return c.get(filesOf(c.Version).high) }

// Use is what is charged now: memory.current, or memory.usage_in_bytes.
func (c *CgroupMem) Use() (uint64, Reason) { return c.get(filesOf(c.Version).use) }

// Peak is the most that was ever charged.
func (c *CgroupMem) Peak() (uint64, Reason) { return c.get(filesOf(c.Version).peak) }

// SwapLimit is v2's memory.swap.max; v1's memory.memsw.limit_in_bytes, which
// bounds memory and swap together.
func (c *CgroupMem) SwapLimit() (uint64, Reason) { return c.get(filesOf(c.Version).swapLimit) }

// SwapUse is v2's memory.swap.current, and what v1 counts for memory and swap
// together beyond memory alone: the two are not read at one moment.
func (c *CgroupMem) SwapUse() (uint64, Reason) {
	n, why := c.get(filesOf(c.Version).swapUse)
	if c.Version == 1 && why == Present {
		use, why := c.Use()
		return n - min(n, use), why
	}
	return n, why
}

// Reclaimable is the charged file memory on the inactive and active lists,
// which the kernel takes back before it kills.
func (c *CgroupMem) Reclaimable() (uint64, bool) {
	names := [2]string{"inactive_file", "active_file"}
	if c.Version == 1 { // the plain names leave out the cgroups below
		names = [2]string{"total_inactive_file", "total_active_file"}
	}
	a, ok1 := c.Stat[names[0]]
	b, ok2 := c.Stat[names[1]]
	return a + b, ok1 && ok2
}

// OOMKills is how many processes the kernel killed for this cgroup's limit.
func (c *CgroupMem) OOMKills() (uint64, bool) {
	n, ok := c.Events["oom_kill"]
	return n, ok
}

// HiddenLimit returns v1's hierarchical_memory_limit where it is lower than
// any limit that can be seen: one above a container's root.
func HiddenLimit(chain []CgroupMem) (uint64, bool) {
	if len(chain) == 0 || chain[0].Version != 1 {
		return 0, false
	}
	n, ok := chain[0].Stat["hierarchical_memory_limit"]
	if !ok || n >= unlimitedV1 {
		return 0, false
	}
	if i := Lowest(chain); i >= 0 {
		if seen, _ := chain[i].Limit(); seen <= n {
			return 0, false
		}
	}
	return n, true
}

// Lowest returns the index of the cgroup with the lowest hard limit on the way
// up: what the programs in chain[0] can have at most. -1 if none has one.
func Lowest(chain []CgroupMem) int {
	return least(chain, func(c *CgroupMem) (int64, bool) {
		limit, why := c.Limit()
		return int64(limit), why == Present
	})
}

// LowestHigh does the same for v2's memory.high.
func LowestHigh(chain []CgroupMem) int {
	return least(chain, func(c *CgroupMem) (int64, bool) {
		high, why := c.High()
		return int64(high), why == Present
	})
}

// Closest returns the index of the cgroup on the way up that has the least
// room under its hard limit: which one is hit first. -1 if none has one, or where
// what is used can't be told.
func Closest(chain []CgroupMem) int {
	return least(chain, func(c *CgroupMem) (int64, bool) {
		limit, r1 := c.Limit()
		use, r2 := c.Use()
		return int64(limit) - int64(use), r1 == Present && r2 == Present
	})
}

// least returns the index of the cgroup of which the figure is lowest; -1 where none
// has it.
func least(chain []CgroupMem, of func(*CgroupMem) (int64, bool)) int {
	best := -1
	var low int64
	for i := range chain {
		if n, ok := of(&chain[i]); ok && (best < 0 || n < low) {
			best, low = i, n
		}
	}
	return best
}

func (h *Host) memCgroups(m *Mem, note func(Source, error)) {
	list, err := h.cgroupsOf("self")
	note(SelfCgroup, err)
	mounts, err2 := h.cgroupMounts()
	note(SelfMountinfo, err2)
	if err != nil || err2 != nil {
		m.got[CgroupMemory] = max(m.got[SelfCgroup], m.got[SelfMountinfo])
		return
	}
	m.Cgroups, err = h.memChain(list, mounts)
	note(CgroupMemory, err)
}

// cgroupsOf reads /proc/PID/cgroup.
func (h *Host) cgroupsOf(pid string) (list []membership, err error) {
	err = h.proc.with(pid+"/cgroup", func(b []byte) (err error) {
		list, err = parseCgroups(b)
		return err
	})
	return list, err
}

// membership is one line of /proc/PID/cgroup.
type membership struct {
	hierarchy   uint64 // 0: version 2
	controllers string // comma-separated
	path        string
}

// parseCgroups reads lines of "4:memory:/a/b". A line of another form is passed
// over.
func parseCgroups(b []byte) (list []membership, err error) {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		id, rest, ok1 := strings.Cut(string(line), ":")
		names, at, ok2 := strings.Cut(rest, ":")
		n, ok3 := parseUint([]byte(id))
		if ok1 && ok2 && ok3 && strings.HasPrefix(at, "/") {
			list = append(list, membership{n, names, at})
		}
	}
	if len(list) == 0 {
		return nil, errMalformed
	}
	return list, nil
}

// told is the same for the outside.
func (m membership) told() Membership {
	out := Membership{Version: 1, Controllers: m.controllers, Path: m.path}
	if m.hierarchy == 0 {
		out.Version = 2
	}
	return out
}

// memChain reads the memory controller of the cgroup that list names, and of
// each one above it.
func (h *Host) memChain(list []membership, mounts []mount) ([]CgroupMem, error) {
	version, at := memoryHierarchy(list)
	if version == 0 {
		return nil, fmt.Errorf("find the memory controller: %w", fs.ErrNotExist)
	}
	dir, top, err := locate(version, at, mounts)
	if err != nil {
		return nil, err
	}
	var chain []CgroupMem
	for {
		c, err := h.cgroupMem(version, dir, len(chain) == 0)
		if err != nil {
			return nil, err
		}
		if own, ok := c.Nums["memory.use_hierarchy"]; ok && own == 0 && len(chain) > 0 {
			break // v1: this one does not count what is below it
		}
		c.Path, c.Root = at, dir == top
		if chain = append(chain, c); c.Root {
			break
		}
		dir, at = path.Dir(dir), path.Dir(at)
	}
	if !slices.ContainsFunc(chain, func(c CgroupMem) bool { return len(c.Nums)+len(c.Maxed) > 0 }) && !chain[0].Root {
		return chain, fmt.Errorf("read %s: memory controller: %w", dir, unix.EOPNOTSUPP)
	}
	return chain, nil
}

// memoryHierarchy finds the hierarchy that accounts memory, and the path in it.
func memoryHierarchy(list []membership) (version int, at string) {
	for _, c := range list {
		switch {
		case slices.Contains(strings.Split(c.controllers, ","), "memory"):
			return 1, c.path
		case c.hierarchy == 0:
			version, at = 2, c.path
		}
	}
	return version, at
}

// locate finds the directory of a cgroup and that of the highest one that the
// mount shows. A path that begins with /.. lies outside the cgroup namespace
// and is nowhere to be read.
func locate(version int, at string, mounts []mount) (dir, top string, err error) {
	return locateFor(version, "memory", at, mounts)
}

// locateFor does the same for another controller of version 1.
func locateFor(version int, controller, at string, mounts []mount) (dir, top string, err error) {
	for _, m := range mounts {
		if version == 2 && m.fsType != "cgroup2" || version == 1 && m.fsType != "cgroup" {
			continue
		}
		if version == 1 && !m.has(controller) {
			continue
		}
		if rel, ok := below(at, m.root); ok {
			return path.Join(m.point, rel), path.Clean(m.point), nil
		}
	}
	return "", "", fmt.Errorf("find where cgroup %s is mounted: %w", at, fs.ErrNotExist)
}

// below returns what of p lies under root. A path that climbs, as one outside of
// kwhy's cgroup namespace does, lies nowhere: who follows it up from there would
// never come to the mount.
func below(p, root string) (string, bool) {
	if path.Clean(p) != p {
		return "", false
	}
	if root == "/" {
		return p, true
	}
	rest, ok := strings.CutPrefix(p, root)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// cgroupMem reads one directory. What is missing there is missing in the
// result; a directory that is not there at all is an error. The statistics are
// read of the process's own cgroup and of those with a limit.
func (h *Host) cgroupMem(version int, dir string, own bool) (CgroupMem, error) {
	c := CgroupMem{Version: version, Nums: Counters{}, Maxed: map[string]bool{}, Garbled: map[string]bool{}}
	t, rel := h.under(dir)
	if fd, err := unix.Openat(t.fd, rel, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
		return c, &fs.PathError{Op: "read", Path: dir, Err: err}
	} else {
		unix.Close(fd)
	}
	f := filesOf(version)
	names := []string{f.limit, f.use, f.peak, f.swapLimit, f.swapUse}
	if version == 1 {
		names = append(names, "memory.use_hierarchy", "memory.failcnt")
	} else {
		names = append(names, f.high)
	}
	for _, name := range names {
		_ = t.single(path.Join(rel, name), func(b []byte) error { return c.note(name, string(b)) })
	}
	if _, why := c.Limit(); own || why == Present { // the kernel adds it up for each reader
		_ = t.single(path.Join(rel, "memory.stat"), func(b []byte) (err error) {
			c.Stat, err = parseCounters(b, 64)
			return err
		})
	}
	_ = t.single(path.Join(rel, f.events), func(b []byte) (err error) {
		c.Events, err = parseCounters(b, 8)
		return err
	})
	return c, nil
}

func (c *CgroupMem) note(name, text string) error {
	text = strings.TrimSpace(text)
	if text == "max" {
		c.Maxed[name] = true
		return nil
	}
	n, ok := parseUint([]byte(text))
	if !ok {
		c.Garbled[name] = true
		return errMalformed
	}
	c.Nums[name] = n
	return nil
}

// under returns the tree that a path as mounted lies in: cgroup file systems
// are under /sys almost always, and then under --sys-root.
func (h *Host) under(dir string) (tree, string) {
	if rel, ok := strings.CutPrefix(dir, "/sys/"); ok || !h.Live {
		return h.sys, strings.TrimPrefix(rel, "/")
	}
	return tree{root: "/", fd: unix.AT_FDCWD, pool: h.proc.pool}, dir
}
