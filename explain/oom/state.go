package oom

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/mem"
	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
	oomfacts "kwhy/inspect/oom"
)

// The fields of a kill about the state of memory.

// ofHost says that a value of the whole machine is not in a cgroup's report.
func ofHost(k *Kill, v value) value {
	if !v.Has() && k.constraint() == "memcg" {
		return explain.None(inspect.Inapplicable)
	}
	return v
}

func zoneFields() []killField {
	zone := func(get func(*kmsg.Zone) value) func(*Kill) value {
		return func(k *Kill) value {
			if z := k.failing(); z != nil {
				return get(z)
			}
			if k.E.Manual {
				return explain.None(inspect.Inapplicable)
			}
			return ofHost(k, notLogged())
		}
	}
	return []killField{
		declareKill(doc{
			Key: "zone", Label: "zone",
			Gist:    "The zone that could not satisfy the request.",
			Concept: "watermarks",
		}, zone(func(z *kmsg.Zone) value { return explain.S(zoneName(z)) }), readZone),
		declareKill(doc{
			Key: "zone_free", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "What was free in it.",
			Concept: "watermarks",
		}, zone(func(z *kmsg.Zone) value { return logged(z.Free, kB) }), nil),
		declareKill(doc{
			Key: "zone_min", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its min watermark.",
			Concept: "watermarks",
		}, zone(func(z *kmsg.Zone) value { return logged(z.Min, kB) }), nil),
		declareKill(doc{
			Key: "zone_cma", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Free pages in CMA areas: only for contiguous and movable allocations.",
			Concept: "watermarks",
		}, zone(func(z *kmsg.Zone) value { return logged(z.CMA, kB) }), nil),
		declareKill(doc{
			Key: "zone_highatomic", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Free pages reserved for high-order atomic requests.",
			Concept: "watermarks",
		}, zone(func(z *kmsg.Zone) value { return logged(z.HighAtomic, kB) }), nil),
		declareKill(doc{
			Key: "zone_blocks", Unit: explain.Count, Show: explain.Data,
			Gist:    "Free blocks in it that were large enough and usable for the request.",
			Concept: "fragmentation",
		}, func(k *Kill) value {
			z := k.failing()
			if z == nil {
				return ofHost(k, notLogged())
			}
			if n, _, ok := k.blocks(z); ok {
				return explain.I(n)
			}
			return notLogged()
		}, nil),
	}
}

func stateFields() []killField {
	return []killField{
		declareKill(doc{
			Key: "page_cache", Unit: explain.Bytes,
			Gist:    "Page cache at that moment, including tmpfs and shared memory.",
			Concept: "page-cache",
		}, func(k *Kill) value { return ofHost(k, logged(k.E.PageCache, k.page)) }, readCacheLeft),
		declareKill(doc{Key: "swap_free", Unit: explain.Bytes, Concept: "swap", Gist: "Free swap."},
			func(k *Kill) value { return ofHost(k, logged(k.E.SwapFree, kB)) }, func(k *Kill) string {
				switch k.E.SwapTotal {
				case kmsg.Unset:
					return ""
				case 0:
					return "There was none."
				}
				return "Of " + kiB(k.E.SwapTotal) + "."
			}),
		declareKill(doc{
			Key: "swap_total", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Swap in all.",
			Concept: "swap",
		}, func(k *Kill) value { return ofHost(k, logged(k.E.SwapTotal, kB)) }, nil),
		declareKill(doc{
			Key: "slab_unreclaimable", Unit: explain.Bytes,
			Gist:    "Slab that reclaim can't free: kernel objects in use.",
			Concept: "slab",
		}, func(k *Kill) value {
			if n, ok := k.E.Mem["slab_unreclaimable"]; ok {
				return explain.I(n * k.page)
			}
			return ofHost(k, notLogged())
		}, func(k *Kill) string {
			if n := k.whole(); n > 0 {
				return units.Percent(k.E.Mem["slab_unreclaimable"]*k.page, n) + " of RAM: kernel objects that reclaim can't free. " +
					"Only their owners can."
			}
			return ""
		}),
		declareKill(doc{
			Key: "hugepages", Label: "hugetlb pools", Unit: explain.Bytes, Show: explain.Rare,
			Gist:    "Memory of huge page pools: only programs that ask for huge pages get it.",
			Concept: "huge-pages",
		}, func(k *Kill) value { return ofHost(k, logged(k.E.HugePages, kB)) }, readHuge),
		declareKill(doc{
			Key: "hugepages_free", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Memory of huge page pools that was unused.",
			Concept: "huge-pages",
		}, func(k *Kill) value { return ofHost(k, logged(k.E.HugeFree, kB)) }, nil),
		declareKill(doc{
			Key: "ram", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "RAM that the kernel managed.",
			Concept: "ram",
		}, func(k *Kill) value {
			if k.E.RAM == kmsg.Unset || k.E.Reserved == kmsg.Unset {
				return ofHost(k, notLogged())
			}
			return explain.I((k.E.RAM - k.E.Reserved) * k.page)
		}, nil),
	}
}

func readHuge(k *Kill) string {
	s := kiB(k.E.HugeFree) + " of it unused: only programs that ask for huge pages get it (vm.nr_hugepages)."
	if n := k.whole(); n > 0 && k.constraint() != "memcg" {
		s = units.Percent(k.E.HugePages<<10, n) + " of RAM, " + s
	}
	return s
}

func readCacheLeft(k *Kill) string {
	shmem, ok := k.E.Mem["shmem"]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s of it is tmpfs and shared memory, which only swapping can reclaim: the rest is what reclaim had to work with.",
		units.Size(uint64(shmem*k.page)))
}

// Health summarizes how close the OOM killer is; kills are those that the
// kernel's log still has.
func Health(o host, kills Recent) lower.Health {
	return lower.Health{Utilisation: healthUse(o), Saturation: healthWaits(o), Errors: healthErrors(kills)}
}

func healthUse(o host) string {
	var words []string
	judged := o.Unjudged == inspect.Present && o.SeenOf(inspect.PIDStat).Whole() && o.SeenOf(inspect.PIDStatus).Whole()
	if o.First != nil && o.Tied == 0 && judged {
		words = append(words, fmt.Sprintf("%s (%d) would be killed first", o.First.Comm, o.First.PID))
	}
	var fullest *oomfacts.Group
	most, known := 0.0, 0
	for i := range o.Groups {
		v := mem.Pressed(o.Mem, &o.Groups[i].Memory)
		if v.Has() {
			known++
		}
		if v.Has() && v.Float() >= most {
			fullest, most = &o.Groups[i], v.Float()
		}
	}
	if fullest != nil {
		limited := units.Plural(known, "cgroup with a limit", "cgroups with a limit")
		if !o.Walked.Whole() || known < len(o.Groups) {
			limited += " that can be seen"
		}
		words = append(words, fmt.Sprintf("of %s %s has the most of its limit in use that cannot be reclaimed, %s",
			limited, fullest.Path, units.AppendPercent(nil, most)))
	}
	return strings.Join(words, "; ")
}

func healthWaits(o host) string {
	if o.Got != inspect.Present || len(o.Groups) == 0 {
		return ""
	}
	n := 0
	for i := range o.Groups {
		if o.Groups[i].Events["under_oom"] > 0 {
			n++
		}
	}
	if n == 0 {
		seen := inspect.SeenBy("cgroup", inspect.CgroupMemory, len(o.Groups), func(i int) inspect.Reason { return noKiller(&o.Groups[i]) })
		return units.NoneOf("no cgroup waits at its limit", seen.Within(o.Walked))
	}
	return units.Plural(n, "cgroup waits at its limit", "cgroups wait at their limits")
}

func healthErrors(kills Recent) string {
	if len(kills) == 0 {
		return ""
	}
	last := kills[len(kills)-1]
	if v := ago(last); v.Has() {
		return fmt.Sprintf("last kill %s ago: %s", units.Span(v.Float()), last.name())
	}
	return "last kill: " + last.name()
}
