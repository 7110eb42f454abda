package cgroup

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// Memory is the memory controller's files of one cgroup, with the names of
// the version that it has. Sizes are in bytes.
type Memory struct {
	Version int    // 1 or 2
	Path    string // its name: see Mount
	Nums    inspect.Counters
	Maxed   map[string]bool  // files that say "max": no bound
	Garbled map[string]bool  // files that did not parse
	Stat    inspect.Counters // memory.stat
	Events  inspect.Counters // v2: memory.events; v1: memory.oom_control
	// Pressure is v2's memory.pressure, of the process's own cgroup and of those with a bound.
	Pressure inspect.Pressure
	Root     bool           // the highest that can be seen from here
	Rest     inspect.Reason // of the highest: why there may be others above it; Present where it is the root of all

	lacks map[string]inspect.Reason // files that could not be read, and why
}

// cgroup file names by what they mean; v1 and v2 differ.
type memoryFiles struct{ Limit, high, use, peak, swapLimit, swapUse, events string }

// FilesOf returns the names of the memory controller's files in a version, 1 or 2; "" for
// what it does not have.
func FilesOf(version int) memoryFiles {
	if version == 1 {
		return memoryFiles{Limit: "memory.limit_in_bytes", use: "memory.usage_in_bytes", peak: "memory.max_usage_in_bytes",
			swapLimit: "memory.memsw.limit_in_bytes", swapUse: "memory.memsw.usage_in_bytes", events: "memory.oom_control"}
	}
	return memoryFiles{Limit: "memory.max", high: "memory.high", use: "memory.current", peak: "memory.peak",
		swapLimit: "memory.swap.max", swapUse: "memory.swap.current", events: "memory.events"}
}

// UnlimitedV1 is where v1 begins to mean no limit: it prints the largest
// count of pages in bytes, which depends on the page size (mm/memcontrol.c,
// PAGE_COUNTER_MAX) and is above 2^62 for all of them.
const UnlimitedV1 = 1 << 62

// get looks a file's number up: absent, unlimited or a number of bytes.
func (c *Memory) get(file string) (uint64, inspect.Reason) {
	n, ok := c.Nums[file]
	switch {
	case c.Garbled[file]:
		return 0, inspect.Malformed
	case file == "" || c.Root && c.Rest == inspect.Present && c.Version == 2 && !ok && !c.Maxed[file]:
		return 0, inspect.Inapplicable // the root of v2 has no such file
	case c.Maxed[file], ok && c.Version == 1 && n >= UnlimitedV1:
		return 0, inspect.Unlimited
	case c.lacks[file] != inspect.Present:
		return 0, c.lacks[file]
	case !ok:
		return 0, inspect.Unsupported
	}
	return n, inspect.Present
}

// Limit is the hard limit: memory.max, or memory.limit_in_bytes.
func (c *Memory) Limit() (uint64, inspect.Reason) { return c.get(FilesOf(c.Version).Limit) }

// High is v2's memory.high, above which tasks are throttled and reclaimed from.
func (c *Memory) High() (uint64, inspect.Reason) { return c.get(FilesOf(c.Version).high) }

// Use is what is charged now: memory.current, or memory.usage_in_bytes.
func (c *Memory) Use() (uint64, inspect.Reason) { return c.get(FilesOf(c.Version).use) }

// Peak is the most that was ever charged.
func (c *Memory) Peak() (uint64, inspect.Reason) { return c.get(FilesOf(c.Version).peak) }

// NoLimit says why its hard limit is not known; Present where it is, or it has none.
func (c *Memory) NoLimit() inspect.Reason { return c.Lacks(FilesOf(c.Version).Limit) }

// NoHigh says the same of memory.high.
func (c *Memory) NoHigh() inspect.Reason { return c.Lacks(FilesOf(c.Version).high) }

// NoSwap says why its bound of swap, or what it has in swap, is not known; Present where both are, or there is no such bound.
func (c *Memory) NoSwap() inspect.Reason {
	f := FilesOf(c.Version)
	return cmp.Or(c.Lacks(f.swapLimit), c.Lacks(f.swapUse))
}

// NoEvents says the same of its counters of events.
func (c *Memory) NoEvents() inspect.Reason { return c.Lacks(FilesOf(c.Version).events) }

// Unseen says why its hard limit, or what is used of it, is not known; Present where both are, or it has none.
func (c *Memory) Unseen() inspect.Reason {
	f := FilesOf(c.Version)
	return cmp.Or(c.Lacks(f.Limit), c.Lacks(f.use))
}

// The files that are no single number, as Lacks knows them.
const (
	MemoryStat     = "memory.stat"
	MemoryPressure = "memory.pressure"
)

// Lacks says why one of its files is not known, though the cgroup has it; Present where it is known, or there is none.
func (c *Memory) Lacks(file string) inspect.Reason {
	if c.Garbled[file] {
		return inspect.Malformed
	}
	return c.lacks[file]
}

// Lacking returns how many of its files are there and gave nothing, those that did not parse aside, and why.
func (c *Memory) Lacking() (n int, why inspect.Reason) {
	for name, reason := range c.lacks {
		if !c.Garbled[name] {
			n, why = n+1, max(why, reason)
		}
	}
	return n, why
}

// Unbound says why it is not known whether it is at a bound of its own, of version 2; Present where it is known.
func (c *Memory) Unbound() inspect.Reason {
	f := FilesOf(c.Version)
	return cmp.Or(c.Lacks(f.use), c.Lacks(f.high), c.Lacks(f.Limit))
}

// SwapLimit is v2's memory.swap.max; v1's memory.memsw.limit_in_bytes, which
// bounds memory and swap together.
func (c *Memory) SwapLimit() (uint64, inspect.Reason) { return c.get(FilesOf(c.Version).swapLimit) }

// SwapUse is v2's memory.swap.current, and what v1 counts for memory and swap
// together beyond memory alone: the two are not read at one moment.
func (c *Memory) SwapUse() (uint64, inspect.Reason) {
	n, why := c.get(FilesOf(c.Version).swapUse)
	if c.Version == 1 && why == inspect.Present {
		use, why := c.Use()
		return n - min(n, use), why
	}
	return n, why
}

// Reclaimable is the charged file memory on the inactive and active lists and, of version 2,
// reclaimable slab, which the kernel takes back before it kills.
func (c *Memory) Reclaimable() (uint64, bool) {
	names := [2]string{"inactive_file", "active_file"}
	if c.Version == 1 { // the plain names leave out the cgroups below
		names = [2]string{"total_inactive_file", "total_active_file"}
	}
	a, ok1 := c.Stat[names[0]]
	b, ok2 := c.Stat[names[1]]
	return a + b + c.Stat["slab_reclaimable"], ok1 && ok2
}

// KillerOff reports whether its OOM killer is disabled, which version 1 alone can be: at the limit its
// tasks wait, and none is killed (mm/memcontrol-v1.c, mem_cgroup_oom_control_write; before 6.11 in
// mm/memcontrol.c).
func (c *Memory) KillerOff() bool { return c.Version == 1 && c.Events["oom_kill_disable"] == 1 }

// OOMKills is how many processes the kernel killed for this cgroup's limit.
func (c *Memory) OOMKills() (uint64, bool) {
	n, ok := c.Events["oom_kill"]
	return n, ok
}

// HiddenLimit returns v1's hierarchical_memory_limit where it is lower than
// any limit that can be seen: one above a container's root.
func HiddenLimit(chain []Memory) (uint64, bool) {
	if len(chain) == 0 || chain[0].Version != 1 {
		return 0, false
	}
	n, ok := chain[0].Stat["hierarchical_memory_limit"]
	if !ok || n >= UnlimitedV1 {
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
func Lowest(chain []Memory) int {
	return least(chain, func(c *Memory) (int64, bool) {
		limit, why := c.Limit()
		return int64(limit), why == inspect.Present
	})
}

// LowestHigh does the same for v2's memory.high.
func LowestHigh(chain []Memory) int {
	return least(chain, func(c *Memory) (int64, bool) {
		high, why := c.High()
		return int64(high), why == inspect.Present
	})
}

// Closest returns the index of the cgroup on the way up that has the least
// room under its hard limit: which one is hit first. -1 if none has one, or where
// what is used is unknown.
func Closest(chain []Memory) int {
	return least(chain, func(c *Memory) (int64, bool) {
		limit, r1 := c.Limit()
		use, r2 := c.Use()
		return int64(limit) - int64(use), r1 == inspect.Present && r2 == inspect.Present
	})
}

// least returns the index of the cgroup with the lowest figure; -1 if none has it.
func least(chain []Memory, of func(*Memory) (int64, bool)) int {
	best := -1
	var low int64
	for i := range chain {
		if n, ok := of(&chain[i]); ok && (best < 0 || n < low) {
			best, low = i, n
		}
	}
	return best
}

// MemoryChain reads the memory controller of the cgroup that list names, and of
// each one above it.
func MemoryChain(h *inspect.Host, list []Line) ([]Memory, error) {
	version, path := MemoryHierarchy(list)
	if version == 0 {
		return nil, fmt.Errorf("find the memory controller: %w", fs.ErrNotExist)
	}
	at, err := Find(h, version, "memory", path)
	if err != nil {
		return nil, err
	}
	var chain []Memory
	for ; ; at = at.Up() {
		c, err := ReadMemory(at, len(chain) == 0)
		if err != nil {
			return nil, err
		}
		if own, ok := c.Nums["memory.use_hierarchy"]; ok && own == 0 && len(chain) > 0 {
			break // v1: this one does not count what is below it
		}
		if chain = append(chain, c); c.Root {
			break
		}
	}
	if !slices.ContainsFunc(chain, func(c Memory) bool { return len(c.Nums)+len(c.Maxed) > 0 }) && !chain[0].Root {
		return chain, fmt.Errorf("read %s: memory controller: %w", at.Path, unix.EOPNOTSUPP)
	}
	return chain, nil
}

// ReadMemory reads one directory. What is missing there is missing in the
// result; a directory that is not there at all is an error. The statistics are
// read of the process's own cgroup and of those with a limit.
func ReadMemory(at Place, own bool) (Memory, error) {
	version := at.Mount.Version
	c := Memory{Version: version, Path: at.Path, Nums: inspect.Counters{}, Maxed: map[string]bool{}, Garbled: map[string]bool{},
		lacks: map[string]inspect.Reason{}}
	if c.Root = at.Top(); c.Root {
		c.Rest = at.Mount.Rest
	}
	t, rel := at.Dir()
	if _, err := t.Stat(rel); err != nil {
		return c, err
	}
	f := FilesOf(version)
	names := []string{f.Limit, f.use, f.peak, f.swapLimit, f.swapUse}
	if version == 1 {
		names = append(names, "memory.use_hierarchy", "memory.failcnt")
	} else {
		names = append(names, f.high)
	}
	failed := map[string]error{}
	for _, name := range names {
		err := t.Single(path.Join(rel, name), func(b []byte) error { return c.note(name, string(b)) })
		failed[name] = err
		if err != nil && (name == f.Limit || name == f.use || name == f.high) { // the others are not in every version
			c.lack(at, name, err)
		}
	}
	if failed[f.swapLimit] == nil || failed[f.swapUse] == nil { // a kernel that counts swap has both
		c.lack(at, f.swapLimit, failed[f.swapLimit])
		c.lack(at, f.swapUse, failed[f.swapUse])
	}
	_, limited := c.Limit()
	_, high := c.High()
	if version == 2 && (own || limited == inspect.Present || high == inspect.Present) {
		c.lack(at, MemoryPressure, t.Single(path.Join(rel, MemoryPressure), func(b []byte) (err error) {
			c.Pressure, err = inspect.ParsePressure(b)
			return err
		}))
	}
	if own || limited == inspect.Present { // the kernel adds it up for each reader
		c.lack(at, MemoryStat, t.Single(path.Join(rel, MemoryStat), func(b []byte) (err error) {
			c.Stat, err = inspect.ParseCounters(b, 64)
			return err
		}))
	}
	c.lack(at, f.events, t.Single(path.Join(rel, f.events), func(b []byte) (err error) {
		c.Events, err = inspect.ParseCounters(b, 8)
		return err
	}))
	return c, nil
}

// lack notes why a file gave nothing, by the error of its reading.
func (c *Memory) lack(at Place, name string, err error) {
	if err == nil {
		return
	}
	why := inspect.ReasonOf(err)
	if why != inspect.Malformed {
		why = at.Lacks("memory", name)
	}
	if why != inspect.Present {
		c.lacks[name] = why
	}
}

func (c *Memory) note(name, text string) error {
	text = strings.TrimSpace(text)
	if text == "max" {
		c.Maxed[name] = true
		return nil
	}
	n, ok := inspect.ParseUint([]byte(text))
	if !ok {
		c.Garbled[name] = true
		return inspect.ErrMalformed
	}
	c.Nums[name] = n
	return nil
}
