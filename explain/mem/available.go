package mem

import (
	"fmt"
	"strings"

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
			Source: inspect.Meminfo, Also: also(inspect.Zoneinfo, inspect.Vmstat, inspect.VMMinFreeKbytes, inspect.ZFSArc, inspect.CgroupMemory),
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

// available is MemAvailable, or, where that can't be right, what the kernel's rule makes of the
// same read.
func available(m mem) value {
	told := explain.Look(m.Info, "MemAvailable")
	if !told.Has() || !belied(m).Has() {
		return told
	}
	if byRule := deriveAvailable(m).Result; byRule.Has() {
		return byRule
	}
	return explain.I(explain.Look(m.Info, "MemFree").Int() - keptBack(m).Int())
}

// enough is as much RAM as thresholds in percent are of: a share of more is no shortage.
const enough = 64 << 30

// availableShare is how much of what all else lives on, besides pools of huge pages, is
// available: of 64 GiB at most. ZFS's cache gives way too, and MemAvailable does not count it.
func availableShare(m mem) value {
	whole, left := unpooled(m), available(m)
	if !whole.Has() || !left.Has() {
		return value{}
	}
	return explain.Share(explain.I(left.Int()+yields(m)), explain.I(min(whole.Int(), enough)))
}

// yields is by how many bytes ZFS's cache gives way.
func yields(m mem) int64 {
	if m.ARC == nil {
		return 0
	}
	return int64(m.ARC.Size - min(m.ARC.Size, m.ARC.Min))
}

// keptBack is how much of the free memory the kernel's reserve can be at most. From 5.0 to 5.15
// zoneinfo does not show by how much watermarks are boosted: by one and a half times high
// (vm.watermark_boost_factor, 15000). Without zoneinfo it is an estimate by vm.min_free_kbytes:
// three times that and a twentieth of RAM, where high is one and a half times min as a rule.
func keptBack(m mem) value {
	if r, _ := reserve(m); r.Has() {
		return inBytes(m, r.Int()*5/2)
	}
	least, ok := m.Number(inspect.VMMinFreeKbytes)
	if !ok {
		return value{}
	}
	return explain.I(3*(least<<10) + explain.Look(m.Info, "MemTotal").Int()/20)
}

// belied is by how much, of all RAM, MemAvailable is less than free memory beyond all that the
// kernel can keep back: its rule adds to that, and takes nothing away. Absent where it is not.
func belied(m mem) value {
	told, free, total := explain.Look(m.Info, "MemAvailable"), explain.Look(m.Info, "MemFree"), explain.Look(m.Info, "MemTotal")
	if !told.Has() || !free.Has() || !total.Has() || total.Zero() {
		return value{}
	}
	lacks := free.Int() - keptBack(m).Int() - told.Int()
	if !keptBack(m).Has() && (told.Int() > free.Int()/10 || free.Int() < total.Int()/4) || lacks < total.Int()/10 {
		return value{}
	}
	return explain.F(float64(lacks) / float64(total.Int()))
}

func readBelied(m mem) string {
	s := fmt.Sprintf("It can't be right: MemFree alone is %s, %s of RAM, ", size(explain.Look(m.Info, "MemFree")),
		ofRAM(m, explain.Look(m.Info, "MemFree")))
	switch r, _ := reserve(m); {
	case r.Has():
		s += "of which the zones' watermarks keep back " + size(scaled(m, r)) + "."
	case keptBack(m).Has():
		s += "of which vm.min_free_kbytes keeps back little."
	default:
		s += "unless vm.min_free_kbytes, which was not read, keeps back nearly all of it."
	}
	return s + " kwhy goes by " + size(available(m)) + "."
}

func readAvailable(m mem) string {
	if belied(m).Has() {
		return readBelied(m)
	}
	a := explain.Look(m.Info, "MemAvailable")
	s := fmt.Sprintf("%s of RAM can be allocated without swapping.", ofRAM(m, a))
	if pool := or0(hugetlb(m)); pool.Uint() > explain.Look(m.Info, "MemTotal").Uint()/10 {
		s = fmt.Sprintf("%s of RAM, and %s of what is not in pools of huge pages (%s), can be allocated without swapping.",
			ofRAM(m, a), percentOf(a, unpooled(m)), size(unpooled(m)))
	}
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

// inputs are what several of the kernel's rules begin with, in pages, of one read of one file.
type inputs struct {
	free, file, reclaimable value
	names                   [3]string // how that file spells them
	of                      inspect.Source
}

// read returns them as meminfo has them, and as vmstat has: the kernel counts both alike, and
// writes them at two moments.
func read(m mem) [2]inputs {
	rec, name := reclaimable(m)
	pages := func(names ...string) value {
		list := make([]value, len(names))
		for i, n := range names {
			list[i] = explain.Look(m.Vmstat, n)
		}
		return explain.Sum(list...)
	}
	kernels := pages("nr_slab_reclaimable")
	if misc := pages("nr_kernel_misc_reclaimable"); misc.Has() {
		kernels = explain.Sum(kernels, misc)
	}
	return [2]inputs{
		{inPages(m, explain.Look(m.Info, "MemFree")), filePages(m), rec,
			[3]string{"MemFree", "Active(file) + Inactive(file)", name}, inspect.Meminfo},
		{pages("nr_free_pages"), pages("nr_active_file", "nr_inactive_file"), kernels,
			[3]string{"nr_free_pages", "nr_active_file + nr_inactive_file", "nr_slab_reclaimable + nr_kernel_misc_reclaimable"}, inspect.Vmstat},
	}
}

// called is how a formula names an input of a file: by what it is, of vmstat with that before it.
func (in *inputs) called(name string) string {
	if in.of == inspect.Vmstat {
		return "vmstat " + name
	}
	return name
}

// spelled is a formula with the names of the inputs.
func (in *inputs) spelled(formula string) string {
	for _, name := range [...]string{"free", "file", "reclaimable"} {
		formula = strings.ReplaceAll(formula, name, in.called(name))
	}
	return formula
}

// deriveAvailable computes it from meminfo's own lines, or from vmstat's where these fit and
// those do not.
func deriveAvailable(m mem) explain.Derivation {
	all := read(m)
	d, exact := availableOf(m, &all[0])
	if !exact {
		if other, fits := availableOf(m, &all[1]); fits {
			return other
		}
		d.Cause = causeAvailable(m, &d)
	}
	return d
}

// availableOf computes it from one file's inputs, and reports whether it is what the kernel says.
func availableOf(m mem, in *inputs) (d explain.Derivation, exact bool) {
	var w explain.Working
	reserved, lows := reserve(m)
	take := func(name string, v value, src inspect.Source, spelling string) int64 {
		return w.Take(name, scaled(m, v), bytes, src, spelling) / int64(m.Host.PageSize)
	}
	free := take(in.called("free"), in.free, in.of, in.names[0])
	hold := take("reserve", reserved, inspect.Zoneinfo, "each zone's high − boost + max(protection), at most managed")
	file := take(in.called("file"), in.file, in.of, in.names[1])
	reclaim := take(in.called("reclaimable"), in.reclaimable, in.of, in.names[2])
	low := take("low", lows, inspect.Zoneinfo, "the sum of the zones' low watermarks")
	formula, result := formulaAvailable, kernel.Available(free, hold, file, reclaim, low)
	early := kernel.AvailableBefore45(free, file, reclaim, low)
	fits := func(pages int64) bool { return inBytes(m, pages).Int() == int64(m.Info["MemAvailable"]) }
	since := m.Kernel().Since(4, 5)
	if mayBeOld := inspect.Choose(since, false, true, true); mayBeOld && fits(early) && !fits(result) {
		formula, result = formulaBefore45, early // vendors backported the later rule
	}
	d = w.Done(in.spelled(formula), bytes, inBytes(m, result))
	return d, d.Result.Has() && fits(result)
}

// scaled converts pages to bytes; an absent value stays absent.
func scaled(m mem, v value) value {
	if !v.Has() {
		return v
	}
	return inBytes(m, v.Int())
}

// unexplained is said of a difference that the data does not explain.
const unexplained = "not explained by what can be read"

// causeAvailable is why the kernel's figure differs, where what was read shows it.
func causeAvailable(m mem, d *explain.Derivation) string {
	told := explain.Look(m.Info, "MemAvailable")
	if !told.Has() || !d.Result.Has() {
		return ""
	}
	reserved, _ := reserve(m)
	more := (told.Int() - d.Result.Int()) / int64(m.Host.PageSize)
	const either = "the kernel's version is unknown: this is the rule since 4.5, and the one before it fits no better; "
	assumed := inspect.Choose(m.Kernel().Since(4, 5), "", "", either)
	switch boost, ok := boosted(m); {
	case belied(m).Has():
		return "the kernel's figure can't be right, for free memory beyond all that it can keep back is more than that"
	case ok && boost > 0 && max(more-boost, boost-more) <= wmarkSlack*int64(len(m.Zones)):
		return fmt.Sprintf("the zones' min watermarks add up to %s more than vm.min_free_kbytes: they are boosted by that, "+
			"and the kernel's reserve is without it", size(inBytes(m, boost)))
	case !told.Zero() && fitsDirty(m, reserved.Int()-more):
		return fmt.Sprintf("it fits a reserve of %s, and so do the dirty thresholds: the kernel set its reserve "+
			"before the zones or their watermarks became what they are", size(inBytes(m, reserved.Int()-more)))
	case !m.Still:
		return assumed + "memory use changed with every read, and the kernel takes the lines of meminfo at different moments"
	case more > 0 && indirectly(m):
		return assumed + "4.18 and 4.19 also count indirectly reclaimable bytes, which no file shows"
	}
	return assumed + unexplained
}

// indirectly reports whether the kernel is one of those that count some memory in MemAvailable
// that no file shows.
func indirectly(m mem) bool {
	return inspect.Choose(m.Kernel().Since(4, 18), true, false, false) && inspect.Choose(m.Kernel().Since(4, 20), false, true, false)
}

// boosted is by how many pages all watermarks of a kind are boosted, where zoneinfo does not
// say it of each zone: from 5.0 to 5.15. Of all zones but highmem min adds up to
// vm.min_free_kbytes otherwise.
func boosted(m mem) (pages int64, ok bool) {
	least, ok := m.Number(inspect.VMMinFreeKbytes)
	if !ok || m.Host.PageSize == 0 {
		return 0, false
	}
	for i := range m.Zones {
		z := &m.Zones[i]
		if _, told := z.Pages["boost"]; told {
			return 0, false
		}
		if !capped(z) {
			pages += int64(z.Pages["min"])
		}
	}
	return pages - (least<<10)/int64(m.Host.PageSize), len(m.Zones) > 0
}

// fitsDirty reports whether the dirty threshold, which has the reserve in it too, comes out right
// with a reserve of so many pages, and not with what the zones add up to.
func fitsDirty(m mem, reserved int64) bool {
	in := read(m)[1]
	if !in.free.Has() || !in.file.Has() {
		return false
	}
	now, _ := reserve(m)
	told := explain.Look(m.Vmstat, "nr_dirty_threshold")
	with := func(hold int64) bool {
		hard, _, ok := thresholds(m, kernel.Dirtyable(in.free.Int(), hold, in.file.Int(), highPages(m)))
		return ok && told.Has() && max(hard-told.Int(), told.Int()-hard) <= 1
	}
	return with(reserved) && !with(now.Int())
}
