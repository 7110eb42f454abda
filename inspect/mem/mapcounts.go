package mem

import (
	"bytes"
	"cmp"
	"slices"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// MapCounts are the processes that may be near vm.max_map_count, with their numbers of mappings. The kernel
// keeps that number (mm_struct.map_count) and shows it nowhere: it is counted in maps, of those alone whose
// address space has room for so many.
type MapCounts struct {
	inspect.Unpaired[*MapCounts]

	Procs *proc.Processes
	Limit inspect.Num // vm.max_map_count
	List  []MapCount  // those that were looked at, those with most mappings first

	why  inspect.Reason // why there is no limit
	seen inspect.Seen
}

// MapCount is how many mappings a process has.
type MapCount struct {
	P    *proc.Process
	Maps int
	Why  inspect.Reason // why they could not be counted
}

// MapCountPart is one of them in its context.
type MapCountPart = inspect.Part[*MapCounts, MapCount]

// Missing says why a source gave nothing.
func (c *MapCounts) Missing(s inspect.Source) inspect.Reason {
	if s == inspect.VMMaxMapCount {
		return c.why
	}
	return inspect.Present
}

// Kernel returns the kernel that was read.
func (c *MapCounts) Kernel() inspect.Kernel { return c.Procs.Host.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (c *MapCounts) Doubt(src inspect.Source) inspect.Doubt { return c.Procs.Host.Host.Doubt(src) }

// SeenOf returns of how many processes it is known how many mappings they have, or that these are few.
func (c *MapCounts) SeenOf(inspect.Source) inspect.Seen { return c.seen }

// Seen returns the same.
func (c *MapCounts) Seen() inspect.Seen { return c.seen }

// Len returns how many were looked at.
func (c *MapCounts) Len() int { return len(c.List) }

// At returns one of them.
func (c *MapCounts) At(i int) MapCountPart { return MapCountPart{In: c, It: &c.List[i], N: i} }

const (
	// NearMaps is the share of vm.max_map_count from which on it is told.
	NearMaps = 0.7
	// mostMapped is of how many processes the mappings are counted.
	mostMapped = 64
)

// TakeMapCounts counts the mappings of those processes that may have many, of a scan with stat. So many need
// an address space of as many pages; where more processes have that than are looked at, the kernel's
// count of all mappings, of all processes together, may tell that none can be near.
func TakeMapCounts(ps *proc.Processes) *MapCounts {
	h := ps.Host.Host
	c := &MapCounts{Procs: ps, Limit: inspect.Unset}
	n, err := h.Proc.Number("sys/vm/max_map_count")
	if c.why = inspect.ReasonOf(err); err != nil || n <= 0 { // then of none it is known whether it is near
		c.seen = inspect.Seen{Each: "process", All: len(ps.Rows), Source: inspect.VMMaxMapCount, Reason: cmp.Or(c.why, inspect.Malformed)}
		return c
	}
	c.Limit = inspect.Num(n)
	near := NearMaps * float64(n)
	var rows []int32
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Kthread() || p.Over() || p.Told(proc.StatFields(23)) == inspect.Present && float64(p.VSize) < near*float64(h.PageSize) {
			continue
		}
		rows = append(rows, int32(i))
	}
	if len(rows) > mostMapped && fewInAll(h, near) {
		rows = nil
	}
	slices.SortStableFunc(rows, func(a, b int32) int { return cmp.Compare(ps.Rows[b].VSize, ps.Rows[a].VSize) })
	all := len(rows)
	c.count(rows[:min(all, mostMapped)])
	c.seen = inspect.SeenBy("process", inspect.PIDMaps, len(c.List), func(i int) inspect.Reason { return c.List[i].Why })
	if left := all - len(c.List); left > 0 {
		c.seen.All += left
		c.seen.Reason = cmp.Or(c.seen.Reason, inspect.Unread)
	}
	c.seen = c.seen.Within(ps.Seen())
	slices.SortStableFunc(c.List, func(a, b MapCount) int { return cmp.Compare(b.Maps, a.Maps) })
	return c
}

// fewInAll reports whether all processes together have fewer mappings than so many: each is an object of
// vm_area_struct (kernel/fork.c). Objects on the lists of CPUs count as used there, so that there may
// be fewer.
func fewInAll(h *inspect.Host, near float64) bool {
	few := false
	_ = h.Proc.With("slabinfo", func(b []byte) error { // root alone may read it
		list, err := parseSlabinfo(b)
		for i := range list {
			few = few || list[i].Name == "vm_area_struct" && float64(list[i].Active) < near
		}
		return err
	})
	return few
}

// count counts the lines of maps.
func (c *MapCounts) count(rows []int32) {
	h := c.Procs.Host.Host
	c.List = make([]MapCount, len(rows))
	for i, row := range rows {
		one := &c.List[i]
		one.P = &c.Procs.Rows[row]
		err := h.Proc.With(one.P.Home(h)+"/maps", func(b []byte) error {
			if inspect.CutOff(b) {
				return inspect.ErrMalformed
			}
			if one.Maps = bytes.Count(b, []byte("\n")); bytes.HasSuffix(b, []byte("[vsyscall]\n")) {
				one.Maps-- // the gate page: in no task's map_count
			}
			return nil
		})
		one.Why = h.PidReason(one.P.Dir(), err)
	}
}
