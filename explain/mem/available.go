package mem

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
)

func left() []field {
	return []field{{
		Doc: doc{
			Key: "mem_total", Kernel: "MemTotal", Unit: bytes,
			Source: inspect.Meminfo, Also: also(inspect.Zoneinfo),
			Gist:    "RAM that the kernel can allocate, without what it reserved at boot.",
			Concept: "ram",
		},
		Get: meminfo("MemTotal"), Reading: readTotal,
	}, {
		Doc: doc{
			Key: "mem_available", Kernel: "MemAvailable", Unit: bytes,
			Source: inspect.Meminfo, Also: also(inspect.Zoneinfo, inspect.CgroupMemory),
			Gist:    "An estimate of what new programs can get without swapping.",
			Concept: "available-memory",
		},
		Get: meminfo("MemAvailable"), Reading: readAvailable, Derive: deriveAvailable,
	}}
}

func readTotal(m mem) string {
	var present uint64
	nodes := map[int]bool{}
	for i := range m.Zones {
		present += m.Zones[i].Pages["present"] * m.Host.PageSize
		if m.Zones[i].Pages["managed"] > 0 {
			nodes[m.Zones[i].Node] = true
		}
	}
	s := "In pages of " + units.Size(m.Host.PageSize) + "."
	if len(nodes) > 0 {
		s = fmt.Sprintf("On %s, in pages of %s.", units.Plural(len(nodes), "NUMA node", "NUMA nodes"), units.Size(m.Host.PageSize))
	}
	if total := explain.Look(m.Info, "MemTotal").Uint(); present > total && present-total < total/4 {
		s += fmt.Sprintf(" %s more was present at boot and is reserved for the kernel itself: its image, and a struct page for each page.",
			units.Size(present-total))
	}
	return s
}

func availableShare(m mem) value {
	return explain.Share(explain.Look(m.Info, "MemAvailable"), explain.Look(m.Info, "MemTotal"))
}

func readAvailable(m mem) string {
	a := explain.Look(m.Info, "MemAvailable")
	s := fmt.Sprintf("%s of RAM can be allocated without swapping.", ofRAM(m, a))
	if i := cgroupfacts.Lowest(m.Cgroups); i >= 0 {
		if limit, _ := m.Cgroups[i].Limit(); limit < a.Uint() {
			s += " " + asker(m) + " can get less: a memory cgroup has a lower limit, see below."
		}
	}
	return s
}

// reserve is totalreserve_pages and the sum of the low watermarks; absent
// where zoneinfo lacks a part of it.
func reserve(m mem) (reserved, low value) {
	var r, l int64
	for i := range m.Zones {
		z := &m.Zones[i]
		managed, ok1 := z.Pages["managed"]
		high, ok2 := z.Pages["high"]
		lo, ok3 := z.Pages["low"]
		if !ok1 || !ok2 || !ok3 || z.Protection == nil {
			return explain.None(inspect.Malformed), explain.None(inspect.Malformed)
		}
		// The kernel computes its reserve from high as it was set up, while
		// zoneinfo's includes the temporary boost that fragmentation causes.
		r += kernel.ZoneReserve(int64(managed), int64(high-z.Pages["boost"]), z.Protection)
		l += int64(lo)
	}
	if len(m.Zones) == 0 {
		why := m.Missing(inspect.Zoneinfo)
		return explain.None(why), explain.None(why)
	}
	return explain.I(r), explain.I(l)
}

func filePages(m mem) value {
	return inPages(m, explain.Sum(explain.Look(m.Info, "Active(file)"), explain.Look(m.Info, "Inactive(file)")))
}

// reclaimable is what the kernel counts as reclaimable slab: KReclaimable
// since 4.20, which also counts memory outside slab that a shrinker can free.
func reclaimable(m mem) (v value, name string) {
	if v := explain.Look(m.Info, "KReclaimable"); v.Has() {
		return inPages(m, v), "KReclaimable"
	}
	return inPages(m, explain.Look(m.Info, "SReclaimable")), "SReclaimable"
}

const (
	formulaAvailable = "free − reserve + file − min(file/2, low) + reclaimable − min(reclaimable/2, low)"
	formulaBefore45  = "free − low + file − min(file/2, low) + reclaimable − min(reclaimable/2, low)"
)

func deriveAvailable(m mem) explain.Derivation {
	var w explain.Working
	reserved, lows := reserve(m)
	rec, recName := reclaimable(m)
	take := func(name string, v value, src inspect.Source, spelling string) int64 {
		return w.Take(name, scaled(m, v), bytes, src, spelling) / int64(m.Host.PageSize)
	}
	free := take("free", inPages(m, explain.Look(m.Info, "MemFree")), inspect.Meminfo, "MemFree")
	hold := take("reserve", reserved, inspect.Zoneinfo, "each zone's high − boost + max(protection), at most managed")
	file := take("file", filePages(m), inspect.Meminfo, "Active(file) + Inactive(file)")
	reclaim := take("reclaimable", rec, inspect.Meminfo, recName)
	low := take("low", lows, inspect.Zoneinfo, "the sum of the zones' low watermarks")
	formula, result := formulaAvailable, kernel.Available(free, hold, file, reclaim, low)
	early := kernel.AvailableBefore45(free, file, reclaim, low)
	fits := func(pages int64) bool { return inBytes(m, pages).Int() == int64(m.Info["MemAvailable"]) }
	since := m.Kernel().Since(4, 5)
	if mayBeOld := inspect.Choose(since, false, true, true); mayBeOld && fits(early) && !fits(result) {
		formula, result = formulaBefore45, early // vendors backported the later rule
	}
	d := w.Done(formula, bytes, inBytes(m, result))
	d.Cause = causeAvailable(m)
	if assumed := inspect.Choose(since, false, false, true); assumed && !fits(result) {
		d.Cause = "the kernel's version is unknown: this is the rule since 4.5, and the one before it fits no better; or " + d.Cause
	}
	return d
}

// scaled converts pages to bytes; an absent value stays absent.
func scaled(m mem, v value) value {
	if !v.Has() {
		return v
	}
	return inBytes(m, v.Int())
}

// causeAvailable is why the kernel's figure may differ.
func causeAvailable(m mem) string {
	const changed = "the kernel computed its reserve when watermarks or zones were last set up, and they have changed since"
	if !m.Still {
		return "memory use changed between the reads of meminfo and zoneinfo, every time"
	}
	// between is what is said of kernels from one version to before another; in doubt the general cause is.
	between := func(from, to inspect.Version, says, other string) string {
		unsure := other + "; or " + says
		older := inspect.Choose(m.Kernel().Since(to.Major, to.Minor), other, says, unsure)
		return inspect.Choose(m.Kernel().Since(from.Major, from.Minor), older, other, inspect.Choose(m.Kernel().Since(to.Major, to.Minor), other,
			unsure, unsure))
	}
	return between(kernelVersion(5, 0), kernelVersion(5, 16),
		"from 5.0 to 5.15 watermarks can be boosted, and zoneinfo does not show by how much",
		between(kernelVersion(4, 18), kernelVersion(4, 20),
			"4.18 and 4.19 also count indirectly reclaimable bytes, which meminfo does not show", changed))
}
