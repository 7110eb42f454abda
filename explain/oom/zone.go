package oom

import (
	"fmt"
	"slices"
	"strings"

	"kwhy/explain/units"
	"kwhy/inspect/kmsg"
)

// failing returns the zone that could not satisfy the request: of those that it may
// come from the highest of each node, and of these the one with least to spare.
// It is nil where the line of some zone is missing: that one may have been it.
func (k *Kill) failing() *kmsg.Zone {
	if c := k.constraint(); c == "memcg" || k.E.Manual || k.E.Orphans > 0 {
		return nil
	}
	var worst *kmsg.Zone
	tops := map[int64]*kmsg.Zone{}
	for i := range k.E.Zones {
		z := &k.E.Zones[i]
		if z.Free == kmsg.Unset || z.Min == kmsg.Unset || z.Managed == 0 || z.Present == 0 || !inNodes(k.E.Nodes, z.Node) || !k.mayUse(z.Name) {
			continue
		}
		if top := tops[z.Node]; top == nil || height(z.Name) >= height(top.Name) {
			tops[z.Node] = z
		}
	}
	for _, z := range tops {
		a, b := k.spare(z), int64(0)
		if worst != nil {
			b = k.spare(worst)
		}
		if worst == nil || a < b || a == b && z.Node < worst.Node {
			worst = z
		}
	}
	return worst
}

func height(zone string) int {
	return slices.Index([]string{"DMA", "DMA32", "Normal", "HighMem", "Movable"}, zone)
}

// topZone is the highest zone that the request could come from: the mask names it.
func (k *Kill) topZone() string {
	top := "Normal"
	for _, f := range flags(k.E) {
		switch f {
		case "GFP_DMA", "__GFP_DMA":
			top = "DMA"
		case "GFP_DMA32", "__GFP_DMA32":
			top = "DMA32"
		case "GFP_HIGHUSER", "__GFP_HIGHMEM":
			top = "HighMem"
		case "GFP_HIGHUSER_MOVABLE", "GFP_TRANSHUGE", "GFP_TRANSHUGE_LIGHT":
			top = "Movable"
		}
	}
	return top
}

func (k *Kill) mayUse(zone string) bool { return height(zone) <= height(k.topZone()) }

// movable reports whether the request could get pages of CMA, which must be able
// to move away.
func (k *Kill) movable() bool { return k.topZone() == "Movable" }

// withheld is the free memory of a zone that the request could not use, in kB.
type withheld struct{ cma, atomic, reserve int64 }

func (k *Kill) withheld(z *kmsg.Zone) (w withheld) {
	if !k.movable() {
		w.cma = max(z.CMA, 0)
	}
	w.atomic = max(z.HighAtomic, 0)
	// Reserves go by the highest zone of a request; 64-bit kernels have no HighMem.
	names := []string{"DMA", "DMA32", "Normal", "Movable"}
	if n := slices.Index(names, k.topZone()); n >= 0 && n < len(z.Reserve) && k.topZone() != z.Name {
		w.reserve = z.Reserve[n] * k.page >> 10
	}
	return w
}

// spare is how far a zone was above what the request had to leave free, in kB.
func (k *Kill) spare(z *kmsg.Zone) int64 {
	w := k.withheld(z)
	return z.Free - w.cma - w.atomic - w.reserve - z.Min
}

func zoneName(z *kmsg.Zone) string {
	if z.Node == kmsg.Unset {
		return z.Name
	}
	return fmt.Sprintf("node %d %s", z.Node, z.Name)
}

func kiB(n int64) string { return units.Size(uint64(max(n, 0)) << 10) }

func readZone(k *Kill) string {
	z := k.failing()
	w := k.withheld(z)
	var kept []string
	for _, part := range []struct {
		n    int64
		name string
	}{
		{w.cma, "in CMA, for movable pages only"},
		{w.atomic, "reserved for atomic requests"},
		{w.reserve, "reserved for requests that can't use a higher zone"},
	} {
		if part.n > 0 {
			kept = append(kept, kiB(part.n)+" "+part.name)
		}
	}
	switch {
	case z.Free <= z.Min:
		return fmt.Sprintf("%s free, at or below its min watermark of %s. The rest is for tasks that free memory: "+
			"reclaim, and tasks being killed.", kiB(z.Free), kiB(z.Min))
	case k.spare(z) <= 0 && len(kept) > 0:
		return fmt.Sprintf("%s free, of which this request could use no more than %s (%s): that is at or below the min watermark of %s.",
			kiB(z.Free), kiB(z.Free-w.cma-w.atomic-w.reserve), strings.Join(kept, ", "), kiB(z.Min))
	case k.E.Order > 0:
		return fmt.Sprintf("%s free, above its min watermark of %s: contiguous pages were missing. %s",
			kiB(z.Free), kiB(z.Min), k.readBlocks(z))
	}
	return fmt.Sprintf("%s free, above its min watermark of %s when this was logged: "+
		"memory was freed after the request had failed.", kiB(z.Free), kiB(z.Min))
}

// blocks counts a zone's free blocks that are large enough: those that the request
// could use, and those that it could not.
func (k *Kill) blocks(z *kmsg.Zone) (usable, kept int64, known bool) {
	if k.E.Order < 0 || int(k.E.Order) >= len(z.Blocks) {
		return 0, 0, false
	}
	for n := int(k.E.Order); n < len(z.Blocks); n++ {
		free := strings.Trim(z.Types[n], "HI")
		if !k.movable() {
			free = strings.Trim(free, "C")
		}
		if z.Types[n] != "" && free == "" {
			kept += z.Blocks[n]
		} else {
			usable += z.Blocks[n]
		}
	}
	return usable, kept, true
}

func (k *Kill) readBlocks(z *kmsg.Zone) string {
	usable, kept, known := k.blocks(z)
	many := func(n int64) string { return units.Plural(n, "block", "blocks") }
	switch {
	case !known:
		return ""
	case usable == 0 && kept == 0:
		return fmt.Sprintf("It had no free block of order %d or above.", k.E.Order)
	case usable == 0:
		return fmt.Sprintf("Of order %d and above it had %s, none usable for this request: "+
			"CMA (C), high-atomic (H) or isolated (I).", k.E.Order, many(kept))
	}
	s := fmt.Sprintf("When this was logged it had %s of order %d and above again: they were freed after the request had failed.",
		many(usable), k.E.Order)
	if kept > 0 {
		s += fmt.Sprintf(" Another %s were not usable: CMA (C), high-atomic (H) or isolated (I).", units.Number(kept))
	}
	return s
}
