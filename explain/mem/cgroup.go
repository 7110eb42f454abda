package mem

import (
	"cmp"
	"fmt"
	"slices"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
	procfacts "kwhy/inspect/proc"
)

type cgroupRow = memfacts.Part[cgroupfacts.Memory]

func cgroup() []field {
	src := inspect.CgroupMemory
	lean := also(inspect.SelfCgroup, inspect.SelfMountinfo)
	own := func(mem) inspect.Seen { return inspect.Seen{} }
	of := func(d doc, over func(mem) inspect.Seen, get func(mem) value, read func(mem) string) field {
		d.Source, d.Also, d.Concept = src, slices.Concat(lean, d.Also), "memory-cgroup"
		return field{Doc: d, Get: get, Reading: read, Over: over}
	}
	declare := func(d doc, get func(mem) value, read func(mem) string) field { return of(d, own, get, read) }
	return []field{
		declare(doc{
			Key: "cgroup_path", Label: "cgroup",
			Gist: "The memory cgroup of who reads this: kwhy and its shell, or who made a copy.",
		}, func(m mem) value {
			if len(m.Cgroups) == 0 {
				return value{}
			}
			return explain.S(m.Cgroups[0].Path)
		}, readCgroup),
		of(doc{
			Key: "cgroup_limit", Label: "lowest hard limit", Unit: bytes, Also: also(inspect.Meminfo),
			Gist: "The lowest hard limit of this cgroup and its ancestors.",
		}, ofLimits, limit, readCgroupLimit),
		of(doc{
			Key: "cgroup_high", Label: "lowest memory.high", Unit: bytes, Show: explain.Rare,
			Gist: "The lowest memory.high on the way up: above it tasks are throttled, not killed.",
		}, func(m mem) inspect.Seen { return wayUp(m, (*cgroupfacts.Memory).NoHigh, top(m)) }, lowestHigh, readHigh),
		of(doc{
			Key: "cgroup_room", Label: "headroom", Unit: bytes,
			Gist: "What is left below the limit that is hit first; page cache counts as used.",
		}, ofWay, room, readRoom),
		declare(doc{
			Key: "cgroup_use", Label: "usage", Unit: bytes,
			Gist: "Memory charged to this cgroup now.",
		}, func(m mem) value { return ownOf(m, (*cgroupfacts.Memory).Use) }, readUse),
		{Doc: doc{
			Key: "cgroups_dying", Label: "dying cgroups", Unit: count, Show: explain.Rare, Concept: "memory-cgroup",
			Source: inspect.CgroupStat, Also: also(inspect.SelfMountinfo, inspect.CgroupMemory),
			Gist: "Memory cgroups of the host that were removed and are not freed yet.",
		}, Get: dying, Reading: readDying},
		declare(doc{
			Key: "cgroup_oom_kill", Label: "OOM kills", Unit: count, Show: explain.Rare,
			Gist: "Processes in it, and on v2 below it, that an OOM killer killed.",
		}, kills, nil),
	}
}

func ownOf(m mem, get func(*cgroupfacts.Memory) (uint64, inspect.Reason)) value {
	if len(m.Cgroups) == 0 {
		return value{}
	}
	return explain.If(get(&m.Cgroups[0]))
}

func kills(m mem) value {
	if len(m.Cgroups) == 0 {
		return value{}
	}
	n, ok := m.Cgroups[0].OOMKills()
	if !ok {
		return explain.None(cmp.Or(m.Cgroups[0].NoEvents(), inspect.Inapplicable))
	}
	return explain.N(n)
}

func readCgroup(m mem) string {
	c := &m.Cgroups[0]
	s := fmt.Sprintf("cgroup v%d", c.Version)
	if !m.Host.Live {
		s = "Of the process that made the copy: " + s
	}
	top := "the root."
	if last := &m.Cgroups[len(m.Cgroups)-1]; !last.Root || last.Rest != inspect.Present {
		top = "the topmost that is visible from here."
	}
	if len(m.Cgroups) == 1 {
		return s + ", " + top
	}
	return s + fmt.Sprintf(", %s %s", units.Plural(len(m.Cgroups)-1, "level below", "levels below"), top)
}

// lowest returns the lowest limit, and which cgroup's it is: -1 for one that
// lies above what is visible.
func lowest(m mem) (limit uint64, at int, ok bool) {
	if n, hidden := cgroupfacts.HiddenLimit(m.Cgroups); hidden {
		return n, -1, true
	}
	if at = cgroupfacts.Lowest(m.Cgroups); at < 0 {
		return 0, 0, false
	}
	limit, _ = m.Cgroups[at].Limit()
	return limit, at, true
}

// beyond says why there may be a limit above the cgroups that are visible; Present where there
// is none. Version 1 says the lowest of all that apply, wherever these are.
func beyond(m mem) inspect.Reason {
	if len(m.Cgroups) == 0 {
		return m.Missing(inspect.CgroupMemory)
	}
	if _, told := m.Cgroups[0].Stat["hierarchical_memory_limit"]; told {
		return inspect.Present
	}
	return cmp.Or(unseenOnWay(m, (*cgroupfacts.Memory).NoLimit), top(m))
}

type lacking = func(*cgroupfacts.Memory) inspect.Reason

// unseenOnWay says why there is something that is not known of one of the cgroups that are visible.
func unseenOnWay(m mem, lacks lacking) inspect.Reason {
	for i := range m.Cgroups {
		if why := lacks(&m.Cgroups[i]); why != inspect.Present {
			return why
		}
	}
	return inspect.Present
}

// top says why there may be cgroups above those that are visible.
func top(m mem) inspect.Reason {
	if n := len(m.Cgroups); n > 0 {
		return m.Cgroups[n-1].Rest
	}
	return inspect.Present
}

// wayUp is of how many of the cgroups that apply something is known, where above says why there may be others
// above those that are visible.
func wayUp(m mem, lacks lacking, above inspect.Reason) inspect.Seen {
	if len(m.Cgroups) == 0 {
		return inspect.Seen{}
	}
	seen := inspect.SeenBy("cgroup", inspect.CgroupMemory, len(m.Cgroups), func(i int) inspect.Reason { return lacks(&m.Cgroups[i]) })
	if above != inspect.Present {
		seen.Open, seen.Beyond, seen.Reason = true, above, cmp.Or(seen.Reason, above)
	}
	return seen
}

// ofLimits is of how many the hard limit is known: version 1 says the lowest of all that apply.
func ofLimits(m mem) inspect.Seen {
	if beyond(m) == inspect.Present {
		return wayUp(m, func(*cgroupfacts.Memory) inspect.Reason { return inspect.Present }, inspect.Present)
	}
	return wayUp(m, (*cgroupfacts.Memory).NoLimit, top(m))
}

// ofWay is of how many the hard limit and what is used of it are known.
func ofWay(m mem) inspect.Seen { return wayUp(m, (*cgroupfacts.Memory).Unseen, top(m)) }

func limit(m mem) value {
	n, _, ok := lowest(m)
	switch why := beyond(m); {
	case ok:
		return explain.N(n)
	case len(m.Cgroups) == 0:
		return value{}
	case why != inspect.Present:
		return explain.None(why)
	}
	return explain.None(inspect.Unlimited)
}

func readCgroupLimit(m mem) string {
	n, at, ok := lowest(m)
	if !m.Host.Live { // whose processes are in which cgroup it need not say
		return readSavedLimit(m, n, at, ok)
	}
	if !ok {
		return "Neither this cgroup nor one above it has a limit: programs can get what the host has."
	}
	whose := "of a cgroup above those visible from here"
	if at >= 0 {
		whose = "of " + m.Cgroups[at].Path
	}
	if beyond(m) != inspect.Present {
		return fmt.Sprintf("The limit %s: programs here can get %s at most.", whose, units.Size(n))
	}
	switch total := explain.Look(m.Info, "MemTotal"); {
	case !total.Has():
		return fmt.Sprintf("The limit %s: programs here can get no more.", whose)
	case n < total.Uint():
		return fmt.Sprintf("The limit %s. Programs here can get %s, not the host's %s.", whose, units.Size(n), size(total))
	case n == total.Uint(): // lxcfs shows the limit as the host's
		return fmt.Sprintf("The limit %s, as much as the host's %s.", whose, size(total))
	default:
		return fmt.Sprintf("The limit %s, above the host's %s: RAM ends first.", whose, size(total))
	}
}

// asker is for whom the limits of the cgroups hold.
func asker(m mem) string {
	if m.Host.Live {
		return "Programs here"
	}
	return "The process that made the copy"
}

// readSavedLimit says whose limit that of a copy is: of who made it, and of no other process.
func readSavedLimit(m mem, n uint64, at int, ok bool) string {
	const who = "the process that made the copy"
	if !ok {
		return "Of the cgroup of " + who + ", and of those above it: other processes may be in others."
	}
	whose := "a cgroup above those in the copy"
	if at >= 0 {
		whose = m.Cgroups[at].Path
	}
	whose = "The limit of " + whose + ", which holds for " + who
	total := explain.Look(m.Info, "MemTotal")
	switch {
	case total.Has() && n == total.Uint(): // lxcfs shows the limit as the host's
		return whose + ", and is as much as the host's " + size(total) + "."
	case total.Has() && n > total.Uint():
		return whose + ", and is above the host's " + size(total) + ": RAM ends first."
	}
	whose += ": programs in that cgroup can get " + units.Size(n) + " at most"
	if total.Has() {
		whose += ", not the host's " + size(total)
	}
	return whose + "."
}

func lowestHigh(m mem) value {
	at := cgroupfacts.LowestHigh(m.Cgroups)
	if at < 0 {
		return explain.None(cmp.Or(unseenOnWay(m, (*cgroupfacts.Memory).NoHigh), inspect.Inapplicable))
	}
	return explain.If(m.Cgroups[at].High())
}

func readHigh(m mem) string {
	c := &m.Cgroups[cgroupfacts.LowestHigh(m.Cgroups)]
	high, _ := c.High()
	s := "Of " + c.Path + ". Above it the kernel reclaims from its tasks and throttles them, but kills none."
	if use, why := c.Use(); why == inspect.Present {
		s += " " + units.Percent(use, high) + " of it is used."
	}
	return s
}

func room(m mem) value {
	at := cgroupfacts.Closest(m.Cgroups)
	if at < 0 {
		if len(m.Cgroups) == 0 {
			return value{}
		}
		return explain.None(cmp.Or(unseenOnWay(m, (*cgroupfacts.Memory).Unseen), top(m), inspect.Inapplicable))
	}
	limit, _ := m.Cgroups[at].Limit()
	use, _ := m.Cgroups[at].Use()
	left := limit - min(limit, use)
	if above, ok := roomAbove(m); ok {
		left = min(left, above)
	}
	return explain.N(left)
}

// roomAbove is what is left at most below a limit of a cgroup above those that are visible, which uses at least
// what the topmost of these does; ok is false where no such limit is known.
func roomAbove(m mem) (uint64, bool) {
	n, hidden := cgroupfacts.HiddenLimit(m.Cgroups)
	if !hidden {
		return 0, false
	}
	use, why := m.Cgroups[len(m.Cgroups)-1].Use()
	return n - min(n, use), why == inspect.Present
}

func readRoom(m mem) string {
	if above, ok := roomAbove(m); ok && room(m).Uint() == above {
		n, _, _ := lowest(m)
		return fmt.Sprintf("At most: the limit of %s is of a cgroup above those visible from here, and what others use of it is not known.",
			units.Size(n))
	}
	c := &m.Cgroups[cgroupfacts.Closest(m.Cgroups)]
	limit, _ := c.Limit()
	use, _ := c.Use()
	s := fmt.Sprintf("Hit first: the limit of %s, %s of %s used.", c.Path, units.Percent(use, limit), units.Size(limit))
	if r, ok := c.Reclaimable(); ok {
		s += fmt.Sprintf(" Up to %s of that is file cache and slab, which the kernel drops before it kills.", units.Size(r))
	}
	return s
}

func readUse(m mem) string {
	r, ok := m.Cgroups[0].Reclaimable()
	if !ok {
		return ""
	}
	return fmt.Sprintf("Page cache included: up to %s of it can be dropped.", units.Size(r))
}

// Pressed is the share of a limit that is used by what reclaim can't take: neither file pages and
// reclaimable slab, which are dropped, nor what swap has room for.
func Pressed(m mem, c *cgroupfacts.Memory) value {
	limit, r1 := c.Limit()
	use, r2 := c.Use()
	cache, ok := c.Reclaimable()
	swap := swappable(m, c)
	lacks := cmp.Or(c.NoLimit(), c.Unseen(), c.Lacks(cgroupfacts.MemoryStat))
	switch {
	case lacks != inspect.Present:
		return explain.None(lacks)
	case r1 != inspect.Present || r2 != inspect.Present || !ok || limit == 0:
		return value{}
	case !swap.Has():
		return swap
	}
	return explain.F(float64(use-min(use, cache+swap.Uint())) / float64(limit))
}

// swappable is how much of a cgroup's memory swap can still take: anonymous and shared memory, up
// to its own bound of swap and to what the host has free. With vm.swappiness 0 reclaim at a
// cgroup's limit swaps nothing (mm/vmscan.c, get_scan_count).
func swappable(m mem, c *cgroupfacts.Memory) value {
	free := explain.Look(m.Info, "SwapFree")
	names := [...]string{"anon", "shmem", "unevictable"}
	if c.Version == 1 {
		names = [...]string{"total_rss", "total_shmem", "total_unevictable"}
	}
	room := ^uint64(0)
	if most, why := c.SwapLimit(); why == inspect.Present {
		used, _ := c.SwapUse()
		if use, _ := c.Use(); c.Version == 1 { // of memory and swap together
			used += use
		}
		room = most - min(most, used)
	}
	switch n, ok := m.Number(inspect.VMSwappiness); {
	case ok && n == 0, room == 0, noSwap(m), free.Zero():
		return explain.N(uint64(0))
	case c.NoSwap() != inspect.Present:
		return explain.None(c.NoSwap())
	case !free.Has():
		return explain.None(cmp.Or(m.Missing(inspect.Meminfo), inspect.Malformed))
	}
	lists := c.Stat[names[0]] + c.Stat[names[1]]
	return explain.N(min(lists-min(lists, c.Stat[names[2]]), room, free.Uint()))
}

// Cgroups lists kwhy's own memory cgroup and those above it.
func Cgroups() *explain.Table[cgroupRow] {
	type column = explain.Field[cgroupRow]
	src := inspect.CgroupMemory
	amount := func(key, gist string, get func(*cgroupfacts.Memory) (uint64, inspect.Reason), show explain.Show) column {
		return column{Doc: doc{
			Key: key, Unit: bytes, Show: show,
			Source:  src,
			Gist:    gist,
			Concept: "memory-cgroup",
		}, Get: func(r cgroupRow) value { return explain.If(get(r.It)) }}
	}
	return &explain.Table[cgroupRow]{Name: "cgroups", Fields: []column{
		{Doc: doc{
			Key: "path", Label: "CGROUP",
			Source:  src,
			Gist:    "The cgroup, as seen from kwhy's cgroup namespace.",
			Concept: "memory-cgroup",
		}, Get: func(r cgroupRow) value { return explain.S(r.It.Path) }},
		{Doc: doc{
			Key: "version", Unit: explain.Plain, Show: explain.Data,
			Source:  src,
			Gist:    "cgroup version, 1 or 2.",
			Concept: "memory-cgroup",
		}, Get: func(r cgroupRow) value { return explain.I(r.It.Version) }},
		amount("limit", "Its hard limit: memory.max, or memory.limit_in_bytes.", (*cgroupfacts.Memory).Limit, explain.Always),
		amount("memory_high", "memory.high: above it, tasks are throttled and their memory is reclaimed.",
			(*cgroupfacts.Memory).High, explain.Wide),
		amount("use", "Memory charged to it now.", (*cgroupfacts.Memory).Use, explain.Always),
		amount("peak", "The highest usage ever recorded.", (*cgroupfacts.Memory).Peak, explain.Always),
		amount("swap_limit", "memory.swap.max; in v1 the limit of memory and swap together.", (*cgroupfacts.Memory).SwapLimit, explain.Wide),
		amount("swap_use", "memory.swap.current; in v1 memory and swap less memory.", (*cgroupfacts.Memory).SwapUse, explain.Wide),
		{Doc: doc{
			Key:     "why",
			Source:  src,
			Gist:    "What its limit means for the processes in it.",
			Concept: "memory-cgroup",
		}, Get: func(r cgroupRow) value { return explain.S(whyCgroup(r)) }},
	}, Rules: cgroupRules()}
}

func whyCgroup(r cgroupRow) string {
	limit, why := r.It.Limit()
	switch {
	case r.It.NoLimit() != inspect.Present:
		return "its limit is " + units.AbsentWord(why)
	case why != inspect.Present && r.It.Root && r.It.Rest != inspect.Present:
		return "no limit of its own; the topmost that is visible from here"
	case why != inspect.Present && r.It.Root && r.It.Version == 1:
		return "the root; in v1 its use lacks the kernel's own memory"
	case why != inspect.Present && r.It.Root:
		return "the root, which has no limit"
	case why != inspect.Present:
		if high, why := r.It.High(); why == inspect.Present {
			return "no hard limit; above " + units.Size(high) + " its tasks are throttled"
		}
		if why := r.It.NoHigh(); why != inspect.Present {
			return "no hard limit; its memory.high is " + units.AbsentWord(why)
		}
		return "no limit of its own"
	}
	s := "a limit, but not the lowest"
	if r.N == cgroupfacts.Lowest(r.In.Cgroups) {
		s = "the lowest limit"
	}
	if r.N == cgroupfacts.Closest(r.In.Cgroups) {
		s += ", and the one hit first"
	}
	if r.In.Cgroups[len(r.In.Cgroups)-1].Rest != inspect.Present {
		s += " of those that are visible"
	}
	if use, why := r.It.Use(); why == inspect.Present && limit > 0 {
		s += ": " + units.Percent(use, limit) + " used"
	}
	return s
}

func dying(m mem) value { return explain.If(m.Removed()) }

func readDying(m mem) string {
	if dying(m).Zero() {
		return "None: nothing refers to a removed cgroup."
	}
	return "Removed, and kept by what still refers to them: memory in swap, sockets, pages of the cache (by 7.1 no longer); " +
		"each has per-CPU memory."
}

// Walked is the walk over the memory cgroups that the domains of check share.
func Walked(sh *lower.Shared) *cgroupfacts.Walk {
	return lower.Share(sh, func(h *inspect.Host, _ *procfacts.Processes) *cgroupfacts.Walk { return cgroupfacts.WalkMemory(h) })
}
