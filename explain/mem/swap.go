package mem

import (
	"fmt"
	"strings"

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
			Gist:    "The size of all swap devices.",
			Concept: "swap",
		}, Get: meminfo("SwapTotal"), Reading: readSwapTotal},
		{Doc: doc{
			Key: "swap_free", Kernel: "SwapFree", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "Swap that is unused.",
			Concept: "swap",
		}, Get: whereSwap("SwapFree"), Reading: readSwapFree},
		{Doc: doc{
			Key: "swap_cached", Kernel: "SwapCached", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "Pages in RAM that are in swap too: they can be dropped without a write.",
			Concept: "swap",
		}, Get: whereSwap("SwapCached")},
		{Doc: doc{
			Key: "swappiness", Kernel: "vm.swappiness", Unit: explain.Plain,
			Source: inspect.VMSwappiness, Also: also(inspect.Meminfo),
			Gist:    "How readily reclaim swaps pages out instead of dropping file pages.",
			Concept: "swappiness",
		}, Get: sysctl(inspect.VMSwappiness), Reading: readSwappiness},
		{Doc: doc{
			Key: "zswap_enabled", Label: "zswap enabled",
			Source: inspect.ZswapEnabled, Also: also(inspect.Meminfo),
			Gist:    "Y: pages to be swapped out are first kept compressed in RAM.",
			Concept: "compressed-swap",
		}, Get: word(inspect.ZswapEnabled), Reading: readZswap},
		{Doc: doc{
			Key: "zswap", Kernel: "Zswap", Unit: bytes, Show: explain.Rare,
			Source: inspect.Meminfo, Since: kernelVersion(5, 19), Option: "CONFIG_ZSWAP",
			Gist:    "RAM that the compressed pages of zswap use.",
			Concept: "compressed-swap",
		}, Get: meminfo("Zswap")},
		{Doc: doc{
			Key: "zswapped", Kernel: "Zswapped", Unit: bytes, Show: explain.Rare,
			Source: inspect.Meminfo, Since: kernelVersion(5, 19), Option: "CONFIG_ZSWAP",
			Gist:    "The size of those pages before compression.",
			Concept: "compressed-swap",
		}, Get: meminfo("Zswapped"), Reading: readZswapped},
		{Doc: doc{
			Key: "zram_original", Label: "zram orig_data_size", Unit: bytes, Show: explain.Rare,
			Source:  inspect.ZramStat,
			Gist:    "Uncompressed size of the data in compressed RAM disks (zram).",
			Concept: "compressed-swap",
		}, Get: zram(func(z *memfacts.Zram) uint64 { return z.Original }), Reading: readZram},
		{Doc: doc{
			Key: "zram_mem_used", Label: "zram mem_used_total", Unit: bytes, Show: explain.Rare,
			Source:  inspect.ZramStat,
			Gist:    "RAM that zram uses for that data.",
			Concept: "compressed-swap",
		}, Get: zram(func(z *memfacts.Zram) uint64 { return z.MemUsed })},
	}
}

// whereSwap gets a counter that is inapplicable without a swap device.
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

// plenty is from which share of RAM on, by availableShare, a full swap is no shortage.
const plenty = 0.25

// swapFull is how full swap is, and 0 where plenty of RAM is available.
func swapFull(m mem) value {
	full := explain.Share(swapUsed(m), explain.Look(m.Info, "SwapTotal"))
	if share := availableShare(m); full.Has() && share.Has() && share.Float() >= plenty {
		return explain.F(0)
	}
	return full
}

// byAvailable is the highest level for a full swap: no more than the RAM that is left is worth.
func byAvailable(m mem) explain.Level {
	switch share := availableShare(m); {
	case share.Has() && share.Float() >= 0.15:
		return explain.Notice
	case share.Has() && share.Float() >= 0.08:
		return explain.Warning
	}
	return explain.Critical
}

// onZram reports whether some of the swap, and whether all of it, is on compressed RAM disks.
func onZram(m mem) (some, all bool) {
	all = len(m.Swaps) > 0
	for i := range m.Swaps {
		zram := strings.HasPrefix(m.Swaps[i].Name, "/dev/zram")
		some, all = some || zram, all && zram
	}
	return some, all
}

// swappingIn is how many pages are read from swap per second, where that is not in RAM.
func swappingIn(m mem) value {
	v := rateOf(vmstat("pswpin"))(m)
	if _, all := onZram(m); all && v.Has() {
		return explain.F(0)
	}
	return v
}

// noSwap reports whether the host is known to have none.
func noSwap(m mem) bool { return explain.Look(m.Info, "SwapTotal").Zero() }

func readSwapTotal(m mem) string {
	if noSwap(m) {
		return "No swap: anonymous memory and tmpfs stay in RAM until they are freed, and when RAM is used up the OOM killer acts."
	}
	used := swapUsed(m)
	if !used.Has() {
		return "How much of it is in use is not known."
	}
	if used.Zero() {
		return "All of it is free."
	}
	return fmt.Sprintf("%s in use, %s. Used swap alone is no problem: those pages may not be needed. "+
		"pswpin, and for zswap zswpin, count the pages that are read back.",
		size(used), percentOf(used, explain.Look(m.Info, "SwapTotal")))
}

func readSwapFree(m mem) string {
	if !explain.Look(m.Info, "SwapTotal").Has() {
		return ""
	}
	return percentOf(explain.Look(m.Info, "SwapFree"), explain.Look(m.Info, "SwapTotal")) + " of the swap space."
}

func readSwappiness(m mem) string {
	n, _ := m.Number(inspect.VMSwappiness)
	const to200 = "From 0 to 200. "
	s := inspect.Choose(m.Kernel().Since(5, 8), to200, "From 0 to 100. ", "From 0 to 100, and since Linux 5.8 to 200. ")
	if n > 100 {
		s = to200
	}
	s += "It is a weight, not a percentage or a threshold."
	switch {
	case n == 0:
		s += " 0: file pages are dropped first; anonymous memory is swapped only when free and file pages are nearly used up."
	case n < 100:
		s += fmt.Sprintf(" At %d, swapping a page counts as more expensive than reading a file page again.", n)
	case n == 100:
		s += " At 100 both count as equally expensive."
	default:
		s += fmt.Sprintf(" At %d, swapping counts as cheaper than reading files again, which suits zram, zswap and fast devices.", n)
	}
	if noSwap(m) {
		s += " Without swap it has no effect."
	}
	return s
}

func readZswap(m mem) string {
	w, _ := m.Word(inspect.ZswapEnabled)
	switch {
	case w != "Y" && noSwap(m):
		return "Off."
	case w != "Y":
		return "Off: pages go to the swap devices uncompressed."
	case noSwap(m):
		return "On, but without a swap device it stores nothing."
	}
	return "On: pages to be swapped out are kept compressed in RAM while the pool has room."
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
	return fmt.Sprintf("On %s; it uses %s of that in RAM.", units.Plural(len(m.Zrams), "device", "devices"),
		units.AppendPercent(nil, s.Float()))
}

// Swaps lists the swap devices, the one that is filled first at the top.
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
		{Doc: doc{Key: "used", Unit: bytes, Source: src, Concept: "swap", Gist: "How much of it is used."},
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
	for i := range r.In.Swaps {
		switch s := &r.In.Swaps[i]; {
		case s.Priority == r.It.Priority:
			equals++
		case s.Priority > r.It.Priority:
			above++
		}
	}
	switch {
	case len(r.In.Swaps) == 1:
		return percentOf(explain.N(r.It.Used), explain.N(r.It.Size)) + " used"
	case equals > 1:
		return fmt.Sprintf("takes turns with %s of the same priority", units.Plural(equals-1, "other", "others"))
	case above == 0:
		return "filled first"
	}
	return fmt.Sprintf("filled after %s with higher priority", units.Plural(above, "device", "devices"))
}
