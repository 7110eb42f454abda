package oom

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/inspect/kmsg"
)

// flag is a bit of a GFP mask as kernels had it that did not print its name.
type flag struct {
	bit  uint64
	name string
}

// before44 are the bits of 2.6.32 to 4.3 (include/linux/gfp.h); what came and
// went in between is left out.
func before44() []flag {
	return append(common(), flag{0x10, "__GFP_WAIT"}, flag{0x80000, "__GFP_RECLAIMABLE"}, flag{0x400000, "__GFP_NO_KSWAPD"})
}

// of44 are those of 4.4 and 4.5, which parted waiting from waking kswapd.
func of44() []flag {
	return append(common(), flag{0x10, "__GFP_RECLAIMABLE"}, flag{0x80000, "__GFP_ATOMIC"}, flag{0x400000, "__GFP_DIRECT_RECLAIM"},
		flag{0x2000000, "__GFP_KSWAPD_RECLAIM"})
}

func common() []flag {
	return []flag{
		{0x1, "__GFP_DMA"}, {0x2, "__GFP_HIGHMEM"}, {0x4, "__GFP_DMA32"}, {0x8, "__GFP_MOVABLE"},
		{0x20, "__GFP_HIGH"}, {0x40, "__GFP_IO"}, {0x80, "__GFP_FS"}, {0x100, "__GFP_COLD"}, {0x200, "__GFP_NOWARN"},
		{0x400, "__GFP_REPEAT"}, {0x800, "__GFP_NOFAIL"}, {0x1000, "__GFP_NORETRY"}, {0x2000, "__GFP_MEMALLOC"}, {0x4000, "__GFP_COMP"},
		{0x8000, "__GFP_ZERO"}, {0x10000, "__GFP_NOMEMALLOC"}, {0x20000, "__GFP_HARDWALL"}, {0x40000, "__GFP_THISNODE"},
		{0x200000, "__GFP_NOTRACK"},
	}
}

// flags returns the names of a mask: as the kernel printed them, or by the bits
// of the kernels that did not. Bits without a name stay numbers.
func flags(e *kmsg.Event) []string {
	if e.GFPNames != "" {
		return strings.Split(e.GFPNames, "|")
	}
	if !e.HasGFP {
		return nil
	}
	const reclaim44 = 0x2400000
	list, wait := before44(), uint64(0x10)
	if e.GFP&reclaim44 != 0 && e.GFP&reclaim44 != 0x400000 {
		list, wait = of44(), reclaim44
	}
	rest := e.GFP
	var out []string
	for _, whole := range []flag{ // the widest first
		{wait | 0x40 | 0x80 | 0x20000 | 0x2 | 0x8, "GFP_HIGHUSER_MOVABLE"},
		{wait | 0x40 | 0x80 | 0x20000 | 0x2, "GFP_HIGHUSER"},
		{wait | 0x40 | 0x80 | 0x20000, "GFP_USER"},
		{wait | 0x40 | 0x80, "GFP_KERNEL"},
		{wait | 0x40, "GFP_NOFS"},
		{wait, "GFP_NOIO"},
	} {
		if rest&whole.bit == whole.bit {
			out, rest = append(out, whole.name), rest&^whole.bit
			break
		}
	}
	for _, f := range list {
		if rest&f.bit == f.bit {
			out, rest = append(out, f.name), rest&^f.bit
		}
	}
	if rest != 0 {
		out = append(out, fmt.Sprintf("0x%x", rest))
	}
	return out
}

// purpose says what was requested, as far as the mask shows.
func purpose(e *kmsg.Event, memcg bool) string {
	has := map[string]bool{}
	for _, f := range flags(e) {
		has[f] = true
	}
	switch {
	case len(has) == 0:
		return ""
	case has["GFP_TRANSHUGE"], has["GFP_TRANSHUGE_LIGHT"]:
		return "a transparent huge page"
	case has["GFP_HIGHUSER_MOVABLE"] && has["__GFP_ZERO"]:
		return "a new anonymous page for a process"
	case has["GFP_HIGHUSER_MOVABLE"] && has["__GFP_COLD"]:
		return "a page to read a file into"
	case has["GFP_HIGHUSER_MOVABLE"], has["GFP_HIGHUSER"]:
		return "a page for a process: anonymous memory or page cache"
	case has["GFP_USER"]:
		return "memory that user space will map"
	case has["GFP_NOFS"]:
		return "kernel memory from within a file system, which must not enter file systems to reclaim"
	case has["GFP_NOIO"]:
		return "kernel memory from within the block layer, which must not start I/O to reclaim"
	case has["GFP_KERNEL"] && memcg:
		return "a page to charge to the cgroup"
	case has["GFP_KERNEL_ACCOUNT"]:
		return "kernel memory that is charged to a cgroup"
	case has["GFP_KERNEL"]:
		return "memory for the kernel itself"
	}
	return ""
}

// gfpWords are the names in a GFP mask (include/linux/gfp_types.h).
func gfpWords() (out []explain.Word) {
	for _, w := range [][2]string{
		{"GFP_KERNEL", "May wait, start I/O and enter file systems."},
		{"GFP_KERNEL_ACCOUNT", "As GFP_KERNEL, and charged to the caller's memory cgroup."},
		{"GFP_USER", "For memory that user space maps, on the nodes that its cpuset allows."},
		{"GFP_HIGHUSER", "For pages of user space, in any zone."},
		{"GFP_HIGHUSER_MOVABLE", "For anonymous pages or page cache, which may be moved later."},
		{"GFP_NOFS", "May wait and start I/O, must not enter file systems."},
		{"GFP_NOIO", "May wait, must not start I/O."}, {"GFP_NOWAIT", "Must not wait; wakes kswapd."},
		{"GFP_ATOMIC", "Must not wait, may use the reserves."},
		{"GFP_TRANSHUGE", "A transparent huge page; gives up early."},
		{"GFP_TRANSHUGE_LIGHT", "A transparent huge page, only where one is free."},
		{"GFP_DMA", "From the zone DMA."}, {"GFP_DMA32", "From the zones below 4 GiB."}, {"__GFP_ZERO", "Filled with zeros."},
		{"__GFP_COMP", "As one compound page."},
		{"__GFP_NORETRY", "Fails rather than try again or call the OOM killer."},
		{"__GFP_RETRY_MAYFAIL", "Tries hard, then fails before the OOM killer is called."},
		{"__GFP_NOFAIL", "Never fails."}, {"__GFP_NOWARN", "Logs nothing when it fails."}, {"__GFP_THISNODE", "From this node alone."},
		{"__GFP_HARDWALL", "Only from the nodes that the cpuset allows."}, {"__GFP_ACCOUNT", "Charged to the caller's memory cgroup."},
		{"__GFP_MOVABLE", "May be moved later."},
		{"__GFP_RECLAIMABLE", "Can be freed by a shrinker."}, {"__GFP_WRITE", "Will be written to: spread over nodes."},
		{"__GFP_MEMALLOC", "May use all of the reserves, to free memory."},
		{"__GFP_NOMEMALLOC", "May not use the reserves."}, {"__GFP_HIGH", "May use some of the reserves."},
		{"__GFP_IO", "May start I/O."}, {"__GFP_FS", "May enter file systems."},
		{"__GFP_DIRECT_RECLAIM", "May reclaim memory itself; since 4.4."}, {"__GFP_KSWAPD_RECLAIM", "Wakes kswapd; since 4.4."},
		{"__GFP_HIGHMEM", "May come from HighMem."},
	} {
		out = append(out, explain.Word{Name: w[0], Gist: w[1], Concept: "gfp-mask"})
	}
	return out
}
