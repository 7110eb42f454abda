package mem

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
)

func swap() []field {
	return []field{
		{Doc: doc{
			Key: "swap_total", Kernel: "SwapTotal", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "Room on swap devices for anonymous and shared pages.",
			Concept: "swap",
		}, Get: meminfo("SwapTotal"), Reading: readSwapTotal},
		{Doc: doc{
			Key: "swap_free", Kernel: "SwapFree", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "What of it is unused.",
			Concept: "swap",
		}, Get: whereSwap("SwapFree"), Reading: readSwapFree},
		{Doc: doc{
			Key: "swap_cached", Kernel: "SwapCached", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "Pages in RAM that still have their place in swap: to drop them costs no write.",
			Concept: "swap",
		}, Get: whereSwap("SwapCached")},
		{Doc: doc{
			Key: "swappiness", Kernel: "vm.swappiness", Unit: explain.Plain,
			Source: inspect.VMSwappiness, Also: also(inspect.Meminfo),
			Gist:    "How dear reclaim takes swapping to be against dropping file pages.",
			Concept: "swappiness",
		}, Get: sysctl(inspect.VMSwappiness), Reading: readSwappiness},
		{Doc: doc{
			Key: "zswap_enabled", Label: "zswap",
			Source: inspect.ZswapEnabled, Also: also(inspect.Meminfo),
			Gist:    "Y: pages on their way to swap are first kept compressed in RAM.",
			Concept: "compressed-swap",
		}, Get: word(inspect.ZswapEnabled), Reading: readZswap},
		{Doc: doc{
			Key: "zswap", Kernel: "Zswap", Label: "Zswap pool", Unit: bytes, Show: explain.Rare,
			Source: inspect.Meminfo, Since: kernelVersion(5, 19), Option: "CONFIG_ZSWAP",
			Gist:    "RAM that zswap's compressed pages take.",
			Concept: "compressed-swap",
		}, Get: meminfo("Zswap")},
		{Doc: doc{
			Key: "zswapped", Kernel: "Zswapped", Unit: bytes, Show: explain.Rare,
			Source: inspect.Meminfo, Since: kernelVersion(5, 19), Option: "CONFIG_ZSWAP",
			Gist:    "What those pages were before they were compressed.",
			Concept: "compressed-swap",
		}, Get: meminfo("Zswapped"), Reading: readZswapped},
		{Doc: doc{
			Key: "zram_original", Label: "in zram", Unit: bytes, Show: explain.Rare,
			Source:  inspect.ZramStat,
			Gist:    "What was written to compressed RAM disks (zram).",
			Concept: "compressed-swap",
		}, Get: zram(func(z *memfacts.Zram) uint64 { return z.Original }), Reading: readZram},
		{Doc: doc{
			Key: "zram_mem_used", Label: "zram takes", Unit: bytes, Show: explain.Rare,
			Source:  inspect.ZramStat,
			Gist:    "The RAM that it takes there, compressed.",
			Concept: "compressed-swap",
		}, Get: zram(func(z *memfacts.Zram) uint64 { return z.MemUsed })},
	}
}

// whereSwap gets a counter that means nothing without a swap device.
func whereSwap(name string) func(mem) value {
	return func(m mem) value {
		if total := explain.Look(m.Info, "SwapTotal"); total.Zero() {
			return explain.None(inspect.Inapplicable)
		}
		return explain.Look(m.Info, name)
	}
}

func swapUsed(m mem) value {
	total, free := explain.Look(m.Info, "SwapTotal"), explain.Look(m.Info, "SwapFree")
	if !total.Has() || !free.Has() || total.Zero() {
		return value{}
	}
	return explain.I(total.Int() - free.Int())
}

// noSwap tells whether the host is known to have none.
func noSwap(m mem) bool { return explain.Look(m.Info, "SwapTotal").Zero() }

func readSwapTotal(m mem) string {
	if noSwap(m) {
		return "No swap: programs' own memory and tmpfs stay in RAM until they are freed, and when RAM is out the OOM killer is next."
	}
	used := swapUsed(m)
	if used.Zero() {
		return "All of it is free."
	}
	return fmt.Sprintf("%s in use, %s. Use alone is no trouble: pages that nobody needs lie well there. "+
		"Look at pswpin for pages that come back.",
		size(used), percentOf(used, explain.Look(m.Info, "SwapTotal")))
}

func readSwapFree(m mem) string {
	return percentOf(explain.Look(m.Info, "SwapFree"), explain.Look(m.Info, "SwapTotal")) + " of the swap space."
}

func readSwappiness(m mem) string {
	n, _ := m.Number(inspect.VMSwappiness)
	top := int64(100)
	if m.Kernel().AtLeast(5, 8) {
		top = 200
	}
	s := fmt.Sprintf("From 0 to %d. No percentage and no threshold: a weight.", top)
	switch {
	case n == 0:
		s += " 0: the file pages are dropped first; programs' memory is swapped only when free and file pages are nearly out."
	case n < 100:
		s += fmt.Sprintf(" At %d, swapping a page is held dearer than reading a file page again.", n)
	case n == 100:
		s += " At 100 both are held equally dear."
	default:
		s += fmt.Sprintf(" At %d, swapping is held cheaper than reading files again: right for zram, zswap and fast devices.", n)
	}
	if noSwap(m) {
		s += " Without swap it does nothing."
	}
	return s
}

func readZswap(m mem) string {
	w, _ := m.Word(inspect.ZswapEnabled)
	switch {
	case w != "Y" && noSwap(m):
		return "Off."
	case w != "Y":
		return "Off: pages go to the swap devices as they are."
	case noSwap(m):
		return "On, but without a swap device behind it, it holds nothing."
	}
	return "On: pages on their way to swap are kept compressed in RAM while the pool has room."
}

func readZswapped(m mem) string {
	if s := explain.Share(explain.Look(m.Info, "Zswap"), explain.Look(m.Info, "Zswapped")); s.Has() {
		return fmt.Sprintf("Compressed to %s of its size.", units.AppendPercent(nil, s.Float()))
	}
	return ""
}

func zram(of func(*memfacts.Zram) uint64) func(mem) value {
	return func(m mem) value {
		var n uint64
		for i := range m.Zrams {
			n += of(&m.Zrams[i])
		}
		return explain.N(n)
	}
}

func readZram(m mem) string {
	s := explain.Share(zram(func(z *memfacts.Zram) uint64 {
		return z.MemUsed
	})(m), zram(func(z *memfacts.Zram) uint64 { return z.Original })(m))
	if !s.Has() {
		return ""
	}
	return fmt.Sprintf("On %s; it takes %s of that in RAM.", units.Plural(len(m.Zrams), "device", "devices"),
		units.AppendPercent(nil, s.Float()))
}

// Swaps lists the swap devices, the one that is filled first on top.
func Swaps() *explain.Table[memfacts.Part[memfacts.Swap]] {
	type row = memfacts.Part[memfacts.Swap]
	type column = explain.Field[row]
	src := inspect.Swaps
	return &explain.Table[row]{Name: "swaps", Fields: []column{
		{Doc: doc{Key: "name", Label: "DEVICE", Source: src, Concept: "swap", Gist: "The swap device or file."},
			Get: func(r row) value { return explain.S(r.It.Name) }},
		{Doc: doc{Key: "type", Source: src, Concept: "swap", Gist: "A partition or a file."},
			Get: func(r row) value { return explain.S(r.It.Type) }},
		{Doc: doc{Key: "size", Unit: bytes, Source: src, Concept: "swap", Gist: "Its size."},
			Get: func(r row) value { return explain.N(r.It.Size) }},
		{Doc: doc{Key: "used", Unit: bytes, Source: src, Concept: "swap", Gist: "What of it is used."},
			Get: func(r row) value { return explain.N(r.It.Used) }},
		{Doc: doc{
			Key: "priority", Unit: explain.Plain,
			Source:  src,
			Gist:    "The device with the highest priority is filled first; equals take turns.",
			Concept: "swap",
		}, Get: func(r row) value { return explain.I(r.It.Priority) }},
		{Doc: doc{Key: "why", Source: src, Concept: "swap", Gist: "Its place in the order."},
			Get: func(r row) value { return explain.S(whySwap(r)) }},
	}}
}

func whySwap(r memfacts.Part[memfacts.Swap]) string {
	equals, above := 0, 0
	for i := range r.Mem.Swaps {
		switch s := &r.Mem.Swaps[i]; {
		case s.Priority == r.It.Priority:
			equals++
		case s.Priority > r.It.Priority:
			above++
		}
	}
	switch {
	case len(r.Mem.Swaps) == 1:
		return percentOf(explain.N(r.It.Used), explain.N(r.It.Size)) + " used"
	case equals > 1:
		return fmt.Sprintf("takes turns with %s of the same priority", units.Plural(equals-1, "other", "others"))
	case above == 0:
		return "filled first"
	}
	return fmt.Sprintf("filled after %s with higher priority", units.Plural(above, "device", "devices"))
}
