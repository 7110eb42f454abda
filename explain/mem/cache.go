package mem

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/units"
	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
)

func cache() []field {
	return append([]field{
		{Doc: doc{
			Key: "cached", Kernel: "Cached", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "File contents and tmpfs in RAM, without the swap cache.",
			Concept: "page-cache",
		}, Get: meminfo("Cached"), Reading: readCached},
		{Doc: doc{
			Key: "buffers", Kernel: "Buffers", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "Page cache of block devices themselves: mostly file system metadata.",
			Concept: "page-cache",
		}, Get: meminfo("Buffers")},
		{Doc: doc{
			Key: "mapped", Kernel: "Mapped", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "Page cache that processes have mapped: programs, libraries, shared memory.",
			Concept: "page-cache",
		}, Get: meminfo("Mapped"), Reading: readMapped},
		lruList("active_file", "Active(file)", "File pages used repeatedly, and programs' code; reclaimed last."),
		lruList("inactive_file", "Inactive(file)", "File pages used once, or not recently; reclaimed first."),
		lruList("active_anon", "Active(anon)", "Anonymous and shared pages used recently; reclaim could only swap them out."),
		lruList("inactive_anon", "Inactive(anon)", "Anonymous and shared pages not used recently; swapped out first."),
		{Doc: doc{
			Key: "unevictable", Kernel: "Unevictable", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "Pages that reclaim must not touch: locked, secret, or of a ramfs.",
			Concept: "mlock",
		}, Get: meminfo("Unevictable")},
		{Doc: doc{
			Key: "mlocked", Kernel: "Mlocked", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "The part of Unevictable that programs locked with mlock.",
			Concept: "mlock",
		}, Get: meminfo("Mlocked")},
	}, writeback()...)
}

// lruList declares the size of one of the LRU lists.
func lruList(key, name, gist string) field {
	return field{Doc: doc{
		Key: key, Kernel: name, Unit: bytes,
		Source:  inspect.Meminfo,
		Gist:    gist,
		Concept: "lru",
	}, Get: meminfo(name)}
}

func readCached(m mem) string {
	c, s := explain.Look(m.Info, "Cached"), explain.Look(m.Info, "Shmem")
	if sh := explain.Share(s, c); sh.Has() {
		return fmt.Sprintf("%s of it is tmpfs and shared memory (Shmem), which reclaim can only swap out.",
			units.AppendPercent(nil, sh.Float()))
	}
	return ""
}

func readMapped(m mem) string {
	whole := explain.Sum(explain.Look(m.Info, "Cached"), explain.Look(m.Info, "Buffers"))
	if s := explain.Share(explain.Look(m.Info, "Mapped"), whole); s.Has() {
		return fmt.Sprintf("%s of the cache is mapped by processes: programs, libraries, shared memory.", units.AppendPercent(nil, s.Float()))
	}
	return ""
}

type sharedRow = memfacts.Part[memfacts.Shared]

// SharedMemory is the table of who holds shared memory, whether or not a process uses it.
func SharedMemory() *explain.Table[sharedRow] {
	column := func(d doc, get func(*memfacts.Shared) value) explain.Field[sharedRow] {
		d.Source, d.Also, d.Concept = inspect.TmpfsUse, also(inspect.SysvipcShm), "shared-memory"
		return explain.Field[sharedRow]{Doc: d, Get: func(r sharedRow) value { return get(r.It) }}
	}
	number := func(n inspect.Num) value {
		if n == inspect.Unset {
			return explain.None(inspect.Inapplicable)
		}
		return explain.I(int64(n))
	}
	out := explain.Table[sharedRow]{Name: "shared_memory", Sort: []string{"used"}, Identity: []string{"kind", "holder"}}
	out.Fields = []explain.Field[sharedRow]{
		column(doc{Key: "kind", Words: []explain.Word{
			{Name: "tmpfs", Gist: "A file system in memory.", Concept: "shared-memory"},
			{Name: "devtmpfs", Gist: "That of /dev, in memory too.", Concept: "shared-memory"},
			{Name: "sysv", Gist: "A segment of System V (shmget).", Concept: "shared-memory"},
		}, Gist: "What it is: a mount of tmpfs, or a segment."}, func(s *memfacts.Shared) value { return explain.S(s.Kind) }),
		column(doc{Key: "holder", Gist: "Where it is mounted, or the number of the segment (shmid)."},
			func(s *memfacts.Shared) value { return explain.S(s.Name) }),
		column(doc{Key: "used", Unit: bytes, Gist: "What it takes: of tmpfs in RAM and swap, of a segment in RAM."},
			func(s *memfacts.Shared) value { return explain.N(s.Used) }),
		column(doc{Key: "swap", Unit: bytes, Show: explain.Data, Gist: "What of a segment is in swap; tmpfs does not say."},
			func(s *memfacts.Shared) value { return number(s.Swap) }),
		column(doc{Key: "most", Unit: bytes, Gist: "What it may take."}, func(s *memfacts.Shared) value { return number(s.Most) }),
		column(doc{Key: "uid", Unit: explain.Plain, Show: explain.Data, Gist: "The owner of a segment."},
			func(s *memfacts.Shared) value { return number(s.UID) }),
		column(doc{Key: "attached", Unit: count, Show: explain.Data, Gist: "How often a segment is attached."},
			func(s *memfacts.Shared) value { return number(s.Attached) }),
		column(doc{Key: "creator", Unit: explain.Plain, Show: explain.Data, Gist: "The PID of who made a segment: it may have ended."},
			func(s *memfacts.Shared) value { return number(s.Creator) }),
		{Doc: doc{
			Key: "why", Source: inspect.TmpfsUse, Also: also(inspect.SysvipcShm), Concept: "shared-memory",
			Gist: "How to look into it, and what frees it.",
		}, Get: func(r sharedRow) value { return explain.S(whyShared(r.It)) }},
	}
	return &out
}

func whyShared(s *memfacts.Shared) string {
	if s.Kind != "sysv" {
		return "its files stay until they are deleted; du -sx " + s.Name + " finds them"
	}
	if s.Attached == 0 {
		return fmt.Sprintf("nobody has it attached, and it stays: ipcrm -m %s frees it", s.Name)
	}
	says := fmt.Sprintf("attached %s; of user %d", units.Plural(int64(s.Attached), "time", "times"), s.UID)
	if s.Swap > 0 {
		says += "; " + units.Size(uint64(s.Swap)) + " more in swap"
	}
	return says
}

// sharedBy says who holds most of Shmem, as far as mounts and segments show it.
func sharedBy(m mem, id string) string {
	if id != "shmem" {
		return ""
	}
	var words []string
	for _, s := range m.Shared() {
		if s.Used < m.Info["Shmem"]/20 || len(words) == 3 {
			break
		}
		name := "tmpfs at " + s.Name
		if s.Kind == "sysv" {
			name = "segment " + s.Name + " of System V"
		}
		words = append(words, name+" has "+units.Size(s.Used))
	}
	if len(words) == 0 {
		return ""
	}
	return "; " + strings.Join(words, ", ")
}

func writeback() []field {
	ratios := also(inspect.VMDirtyRatio, inspect.VMDirtyBytes, inspect.VMDirtyBackgroundRatio, inspect.VMDirtyBackgroundBytes)
	lean := append(also(inspect.Meminfo, inspect.Zoneinfo, inspect.VMMinFreeKbytes), ratios...)
	return []field{
		{Doc: doc{
			Key: "dirty", Kernel: "Dirty", Unit: bytes,
			Source: inspect.Meminfo, Also: also(inspect.Vmstat),
			Gist:    "Page cache with changes that are not on disk yet.",
			Concept: "dirty-pages",
		}, Get: meminfo("Dirty"), Reading: readDirty},
		{Doc: doc{
			Key: "writeback", Kernel: "Writeback", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "Pages of the cache, or for swap, that are being written to disk now.",
			Concept: "dirty-pages",
		}, Get: meminfo("Writeback")},
		{Doc: doc{
			Key: "nr_dirty_background_threshold", Kernel: "nr_dirty_background_threshold", Unit: bytes,
			Source: inspect.Vmstat, Also: lean,
			Gist:    "Above this much dirty memory, background writeback starts.",
			Concept: "dirty-pages",
		}, Get: vmstatPages("nr_dirty_background_threshold"), Reading: readBackground, Derive: deriveBackground},
		{Doc: doc{
			Key: "nr_dirty_threshold", Kernel: "nr_dirty_threshold", Unit: bytes,
			Source: inspect.Vmstat, Also: lean,
			Gist:    "The limit for dirty memory, which no writer may exceed.",
			Concept: "dirty-pages",
		}, Get: vmstatPages("nr_dirty_threshold"), Reading: readThreshold, Derive: deriveThreshold},
	}
}

func vmstatPages(name string) func(mem) value {
	return func(m mem) value { return scaled(m, explain.Look(m.Vmstat, name)) }
}

// freerun is where the kernel begins to throttle writers: halfway between the
// thresholds (mm/page-writeback.c, dirty_freerun_ceiling).
func freerun(m mem) value {
	a, b := vmstatPages("nr_dirty_background_threshold")(m), vmstatPages("nr_dirty_threshold")(m)
	if !a.Has() || !b.Has() {
		return value{}
	}
	return explain.I((a.Int() + b.Int()) / 2)
}

func dirtyNow(m mem) value {
	return explain.Sum(explain.Look(m.Info, "Dirty"), explain.Look(m.Info, "Writeback"))
}

func readDirty(m mem) string {
	if s := explain.Share(dirtyNow(m), freerun(m)); s.Has() {
		return fmt.Sprintf("Dirty + Writeback is %s of the %s at which the kernel starts to throttle writers.",
			units.AppendPercent(nil, s.Float()), size(freerun(m)))
	}
	return ""
}

func readBackground(m mem) string {
	return "Above it the kernel's flusher threads write " +
		"and no task waits. " + knob(m, inspect.VMDirtyBackgroundBytes, inspect.VMDirtyBackgroundRatio)
}

func readThreshold(m mem) string {
	return "A hard limit: writers sleep until the disk catches up. " + knob(m, inspect.VMDirtyBytes, inspect.VMDirtyRatio)
}

func knob(m mem, inBytes, inRatio inspect.Source) string {
	if n, ok := m.Number(inBytes); ok && n > 0 {
		return fmt.Sprintf("Set by vm.dirty_*bytes to %s.", units.Size(uint64(n)))
	}
	if n, ok := m.Number(inRatio); ok {
		return fmt.Sprintf("It is %d %% of free and file memory, not of all RAM.", n)
	}
	return ""
}

func deriveThreshold(m mem) explain.Derivation  { return deriveDirty(m, false) }
func deriveBackground(m mem) explain.Derivation { return deriveDirty(m, true) }

const (
	formulaDirtyRatio = "ratio × (free − min(free, reserve) + file + 1 page)"
	formulaDirtyHigh  = "ratio × (free − min(free, reserve) + file − highmem + 1 page)"
	formulaDirtyBytes = "dirty bytes, in whole pages"
)

// deriveDirty recomputes one of the thresholds, which the kernel computes when it writes vmstat:
// from meminfo's lines, or from vmstat's own where these fit and those do not.
func deriveDirty(m mem, background bool) explain.Derivation {
	all := read(m)
	d, exact := dirtyOf(m, background, &all[0])
	if !exact {
		if other, fits := dirtyOf(m, background, &all[1]); fits {
			return other
		}
		d.Cause = causeDirty(m)
	}
	return d
}

// dirtyOf computes it from one file's inputs, and reports whether it is what the kernel says.
func dirtyOf(m mem, background bool, in *inputs) (d explain.Derivation, exact bool) {
	var w explain.Working
	page := int64(m.Host.PageSize)
	reserved, _ := reserve(m)
	take := func(name string, v value, spelling string, src inspect.Source) int64 {
		return w.Take(name, scaled(m, v), bytes, src, spelling) / page
	}
	free := take(in.called("free"), in.free, in.names[0], in.of)
	hold := take("reserve", reserved, "each zone's high − boost + max(protection), at most managed", inspect.Zoneinfo)
	file := take(in.called("file"), in.file, in.names[1], in.of)
	high := highPages(m)
	if high > 0 {
		take("highmem", explain.I(high), "its free pages beyond high, and its file pages", inspect.Zoneinfo)
	}
	own := takeKnobs(m, &w, background)
	hard, soft, _ := thresholds(m, kernel.Dirtyable(free, hold, file, high))
	formula, result := formulaDirtyRatio, hard
	if high > 0 {
		formula = formulaDirtyHigh
	}
	told := vmstatPages("nr_dirty_threshold")(m)
	if background {
		result, told = soft, vmstatPages("nr_dirty_background_threshold")(m)
	}
	if own > 0 {
		formula = formulaDirtyBytes
	}
	d = w.Done(in.spelled(formula), bytes, inBytes(m, result))
	return d, d.Result.Has() && told.Has() && d.Result.Int() == told.Int()
}

// takeKnobs notes the settings of both thresholds, and returns the bytes that are set for this one.
func takeKnobs(m mem, w *explain.Working, background bool) (own int64) {
	names := [4]string{"ratio", "dirty bytes", "background ratio", "background bytes"}
	if background {
		names = [4]string{"hard ratio", "hard bytes", "ratio", "dirty bytes"}
	}
	for i, s := range dirtyKnobs() {
		v := number(m, s, 1)
		if i%2 == 0 && v.Has() {
			w.Take(names[i], explain.F(v.Float()/100), ratio, s, "")
			continue
		}
		n := w.Take(names[i], v, bytes, s, "")
		if names[i] == "dirty bytes" {
			own = n
		}
	}
	return own
}

// dirtyKnobs are the settings: the ratio and the bytes of the threshold, then those of the
// background one.
func dirtyKnobs() [4]inspect.Source {
	return [4]inspect.Source{inspect.VMDirtyRatio, inspect.VMDirtyBytes, inspect.VMDirtyBackgroundRatio, inspect.VMDirtyBackgroundBytes}
}

// thresholds computes both from so many dirtyable pages; false where a setting is unknown.
func thresholds(m mem, dirtyable int64) (hard, soft int64, ok bool) {
	var set [4]int64
	for i, s := range dirtyKnobs() {
		if set[i], ok = m.Number(s); !ok {
			return 0, 0, false
		}
	}
	hard, soft = kernel.DirtyThresholds(dirtyable, int64(m.Host.PageSize), set[0], set[1], set[2], set[3])
	return hard, soft, true
}

// highPages are those of highmem, on 32 bits, that the kernel leaves out unless
// vm.highmem_is_dirtyable says otherwise (mm/page-writeback.c, highmem_dirtyable_memory).
func highPages(m mem) (pages int64) {
	for i := range m.Zones {
		if z := &m.Zones[i]; z.Name == "HighMem" {
			free := int64(z.Pages["free"])
			pages += free - min(free, int64(z.Pages["high"])) + int64(z.Pages["nr_zone_inactive_file"]+z.Pages["nr_zone_active_file"])
		}
	}
	return pages
}

// causeDirty is why the kernel's figure differs, where what was read shows it.
func causeDirty(m mem) string {
	available := deriveAvailable(m)
	told := explain.Look(m.Info, "MemAvailable")
	reserved, _ := reserve(m)
	if available.Result.Has() && told.Has() && !told.Zero() {
		more := (told.Int() - available.Result.Int()) / int64(m.Host.PageSize)
		if more != 0 && fitsDirty(m, reserved.Int()-more) {
			return fmt.Sprintf("it fits a reserve of %s, and so does MemAvailable: the kernel set its reserve "+
				"before the zones or their watermarks became what they are", size(inBytes(m, reserved.Int()-more)))
		}
	}
	return unexplained
}
