package mem

import (
	"bytes"
	"strconv"

	"kwhy/inspect"
)

// Zone is one memory zone of one NUMA node, from /proc/zoneinfo and
// /proc/buddyinfo. Sizes are in pages.
type Zone struct {
	Node       int
	Name       string           // DMA, DMA32, Normal, HighMem, Movable, Device
	Pages      inspect.Counters // free, and those of zoneLine
	Protection []uint64         // pages kept back from allocations that a higher zone could serve
	PerCPU     uint64           // pages on the per-CPU lists: free, and in no MemFree
	HasPerCPU  bool
	Blocks     []uint64 // free blocks by order; nil without buddyinfo
}

// FreeInBlocks returns the pages in all free blocks of at least the given order.
func (z *Zone) FreeInBlocks(order int) (pages uint64) {
	for o := order; o < len(z.Blocks); o++ {
		pages += z.Blocks[o] << o
	}
	return pages
}

// zoneLine reports whether a word is one that zoneinfo has for a zone's sizes, each on a
// line of its own below "pages free". Which ones there are depends on the kernel
// (mm/vmstat.c, zoneinfo_show_print).
func zoneLine(word string) bool {
	switch word {
	case "boost", "min", "low", "high", "promo", "spanned", "present", "managed", "cma",
		"nr_zone_inactive_file", "nr_zone_active_file":
		return true
	}
	return false
}

// parseZoneinfo reads /proc/zoneinfo. procfs reads it too, but not the
// per-CPU lists, and its time is a third of what a whole run may take. whole is false where a
// number that is wanted did not parse, or the last line has no end and may be half of one.
func parseZoneinfo(b []byte) (zones []Zone, whole bool, err error) {
	var z *Zone
	pagesets, unpaired := false, 0 // CPUs of a zone whose count was not met yet
	end := func() {
		if z != nil && unpaired != 0 {
			z.HasPerCPU, z.PerCPU, whole = false, 0, false
		}
		unpaired = 0
	}
	whole = bytes.HasSuffix(b, []byte("\n"))
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		word, rest := inspect.CutField(line)
		switch {
		case string(word) == "Node":
			end()
			zones = append(zones, Zone{})
			z, pagesets = &zones[len(zones)-1], false
			if !z.head(rest) {
				return nil, false, inspect.ErrMalformed
			}
		case len(line) > 0 && line[0] != ' ': // what is below is of a zone that is not known
			end()
			z, whole = nil, false
		case z == nil:
		case string(word) == "pagesets":
			pagesets, z.HasPerCPU = true, true
		case pagesets:
			whole = z.pageset(word, rest, &unpaired) && whole
		default:
			whole = z.size(word, rest) && whole
		}
	}
	if end(); len(zones) == 0 {
		return nil, false, inspect.ErrMalformed
	}
	return zones, whole, nil
}

// head reads what follows "Node": "0, zone      DMA".
func (z *Zone) head(rest []byte) bool {
	node, rest := inspect.CutField(rest)
	_, rest = inspect.CutField(rest)
	name, _ := inspect.CutField(rest)
	n, err := strconv.Atoi(string(bytes.TrimSuffix(node, []byte(","))))
	z.Node, z.Name, z.Pages = n, string(name), make(inspect.Counters, 10)
	return err == nil && z.Name != ""
}

func (z *Zone) pageset(word, rest []byte, unpaired *int) (ok bool) {
	switch string(word) {
	case "cpu:":
		*unpaired++
	case "count:":
		field, _ := inspect.CutField(rest)
		n, ok := inspect.ParseUint(field)
		if ok {
			z.PerCPU += n
			*unpaired--
		}
		return ok
	}
	return true
}

func (z *Zone) size(word, rest []byte) (ok bool) {
	if string(word) == "pages" {
		word, rest = inspect.CutField(rest) // "pages free     3840"
		if string(word) != "free" {
			return true
		}
	} else if string(word) == "protection:" {
		z.Protection = parseProtection(rest)
		return z.Protection != nil
	} else if !zoneLine(string(word)) {
		return true
	}
	field, _ := inspect.CutField(rest)
	n, ok := inspect.ParseUint(field)
	if ok {
		z.Pages[string(word)] = n
	}
	return ok
}

// parseProtection reads "(0, 3018, 3530)"; nil if any of it is no number.
func parseProtection(b []byte) []uint64 {
	b = bytes.Trim(bytes.TrimSpace(b), "()")
	var out []uint64
	for part := range bytes.SplitSeq(b, []byte(",")) {
		n, ok := inspect.ParseUint(bytes.TrimSpace(part))
		if !ok {
			return nil
		}
		out = append(out, n)
	}
	return out
}
