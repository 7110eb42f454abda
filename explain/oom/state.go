package oom

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

// The fields of a kill that tell the state of memory.

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
			return ofHost(k, untold())
		}
	}
	return []killField{
		logField(doc{
			Key: "zone", Label: "zone",
			Gist:    "The zone that could not serve the request.",
			Concept: "watermarks",
		}, zone(func(z *kmsg.Zone) value { return explain.S(zoneName(z)) }), readZone),
		logField(doc{
			Key: "zone_free", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "What was free in it.",
			Concept: "watermarks",
		}, zone(func(z *kmsg.Zone) value { return told(z.Free, kB) }), nil),
		logField(doc{
			Key: "zone_min", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its min watermark.",
			Concept: "watermarks",
		}, zone(func(z *kmsg.Zone) value { return told(z.Min, kB) }), nil),
		logField(doc{
			Key: "zone_cma", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "What of it is free for contiguous allocations, and for pages that move.",
			Concept: "watermarks",
		}, zone(func(z *kmsg.Zone) value { return told(z.CMA, kB) }), nil),
		logField(doc{
			Key: "zone_highatomic", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "What of it is kept for requests that can't wait.",
			Concept: "watermarks",
		}, zone(func(z *kmsg.Zone) value { return told(z.HighAtomic, kB) }), nil),
		logField(doc{
			Key: "zone_blocks", Unit: explain.Count, Show: explain.Data,
			Gist:    "Free blocks in it that were large enough and open to the request.",
			Concept: "fragmentation",
		}, func(k *Kill) value {
			z := k.failing()
			if z == nil {
				return ofHost(k, untold())
			}
			if n, _, ok := k.blocks(z); ok {
				return explain.I(n)
			}
			return untold()
		}, nil),
	}
}

func stateFields() []killField {
	return []killField{
		logField(doc{
			Key: "page_cache", Unit: explain.Bytes,
			Gist:    "Page cache at that moment, tmpfs and shared memory in it.",
			Concept: "page-cache",
		}, func(k *Kill) value { return ofHost(k, told(k.E.PageCache, k.page)) }, readCacheLeft),
		logField(doc{Key: "swap_free", Unit: explain.Bytes, Concept: "swap", Gist: "Swap that was free."},
			func(k *Kill) value { return ofHost(k, told(k.E.SwapFree, kB)) }, func(k *Kill) string {
				switch k.E.SwapTotal {
				case kmsg.Unset:
					return ""
				case 0:
					return "There was none."
				}
				return "Of " + kiB(k.E.SwapTotal) + "."
			}),
		logField(doc{
			Key: "swap_total", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Swap in all.",
			Concept: "swap",
		}, func(k *Kill) value { return ofHost(k, told(k.E.SwapTotal, kB)) }, nil),
		logField(doc{
			Key: "slab_unreclaimable", Unit: explain.Bytes,
			Gist:    "Kernel objects that reclaim can't take: only their owners free them.",
			Concept: "slab",
		}, func(k *Kill) value {
			if n, ok := k.E.Mem["slab_unreclaimable"]; ok {
				return explain.I(n * k.page)
			}
			return ofHost(k, untold())
		}, func(k *Kill) string {
			if n := k.whole(); n > 0 {
				return units.Percent(k.E.Mem["slab_unreclaimable"]*k.page, n) + " of RAM: kernel objects that reclaim can't take. " +
					"Only their owners free them."
			}
			return ""
		}),
		logField(doc{
			Key: "hugepages", Label: "huge page pools", Unit: explain.Bytes, Show: explain.Rare,
			Gist:    "Memory set aside for huge pages: only programs that ask for those get it.",
			Concept: "huge-pages",
		}, func(k *Kill) value { return ofHost(k, told(k.E.HugePages, kB)) }, readHuge),
		logField(doc{
			Key: "hugepages_free", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "What of that nobody used.",
			Concept: "huge-pages",
		}, func(k *Kill) value { return ofHost(k, told(k.E.HugeFree, kB)) }, nil),
		logField(doc{
			Key: "ram", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "RAM that the kernel managed.",
			Concept: "ram",
		}, func(k *Kill) value {
			if k.E.RAM == kmsg.Unset || k.E.Reserved == kmsg.Unset {
				return ofHost(k, untold())
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
	return fmt.Sprintf("%s of it tmpfs and shared memory, which only swap can take: the rest is what reclaim had to work with.",
		units.Size(uint64(shmem*k.page)))
}
