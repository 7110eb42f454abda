package mem

import (
	"fmt"
	"strconv"

	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
	procfacts "kwhy/inspect/proc"
)

// Processes ranks the processes by RSS. With shares it also
// has the columns that the kernel must walk page tables for.
func Processes(shares bool) *explain.Table[procfacts.Row] {
	fields := []explain.Field[procfacts.Row]{proc.PID(), proc.PPID(), proc.Comm(), proc.VmRSS()}
	if shares {
		fields = append(fields, proc.Shares()...)
	}
	fields = append(fields, proc.RssParts()...)
	fields = append(fields, proc.VmSwap(), proc.RSS(), proc.Command(), explain.Field[procfacts.Row]{
		Doc: doc{
			Key:    "why",
			Source: inspect.PIDStat, Also: also(inspect.PIDStatus),
			Gist:    "What kind of memory it has, and what would free it.",
			Concept: "rss",
		},
		Write: whyProcess,
	})
	return &explain.Table[procfacts.Row]{Name: "processes", Identity: []string{"pid", "comm"}, Sort: []string{"rss", "-pid"}, Fields: fields}
}

func whyProcess(b []byte, r procfacts.Row) []byte {
	p := r.P
	switch {
	case p.Kthread():
		return append(b, "kernel thread: no memory of its own"...)
	case p.Over():
		return append(b, "zombie: its memory is already freed"...)
	case p.VmRSS <= 0 || p.RssAnon < 0:
		return append(b, "the parts of its RSS could not be read"...)
	}
	if p.PID == r.Host.Self {
		b = append(b, "kwhy itself; "...)
	}
	anon, file, shmem := float64(p.RssAnon)/float64(p.VmRSS), float64(p.RssFile)/float64(p.VmRSS), float64(p.RssShmem)/float64(p.VmRSS)
	switch {
	case shmem >= 0.5:
		b = append(units.AppendPercent(b, shmem), " shared memory, counted in full for each process that maps it"...)
	case file >= 0.5:
		b = append(units.AppendPercent(b, file), " file pages: page cache, mostly cheap to drop"...)
	case anon >= 0.5:
		b = append(units.AppendPercent(b, anon),
			" anonymous (heap, stacks, data): no file backs it, so reclaim could only swap it, but for MADV_FREE"...)
	default:
		b = append(b, "a mix of anonymous, file and shared pages"...)
	}
	if p.VmSwap > 0 {
		b = append(units.AppendSize(append(b, "; "...), int64(p.VmSwap)), " more is swapped out"...)
	}
	return b
}

type (
	procMem   = *memfacts.Process
	procField = explain.Field[*memfacts.Process]
)

// Process explains the memory of one process.
func Process() explain.Card[*memfacts.Process] {
	return explain.Card[*memfacts.Process]{Name: "mem PID", Sections: []explain.Section[*memfacts.Process]{
		{Title: "Resident memory", Whole: "vm_rss", Fields: resident()},
		{Title: "Proportional share (PSS)", Fields: shares()},
		{Title: "Address space", Fields: addressSpace(), Table: "mapping_kinds"},
		{Title: "Mappings by address", Table: "mappings", By: "start"},
		{Title: "Page faults", Fields: faults()},
	}, Rules: processRules()}
}

// status declares a line of /proc/PID/status as a field.
func status(d doc, read func(procMem) string, derive func(procMem) explain.Derivation) procField {
	d.Source = inspect.PIDStatus
	if d.Unit == "" {
		d.Unit = bytes
	}
	return procField{Doc: d, Get: statusLine(d.Kernel), Reading: read, Derive: derive}
}

func statusLine(name string) func(procMem) value {
	return func(m procMem) value {
		if v := explain.Look(m.Status, name); v.Has() || !m.NoMemory() {
			return v
		}
		return explain.None(inspect.Inapplicable)
	}
}

func resident() []procField {
	none := procField{Doc: doc{
		Key: "no_memory", Label: "no memory",
		Source: inspect.PIDStat, Also: also(inspect.PIDStatus),
		Words:   noMemoryWords(),
		Gist:    "Why it has no memory of its own.",
		Concept: "process",
	}, Get: noMemory, Reading: readNoMemory}
	rss := status(doc{
		Key: "vm_rss", Kernel: "VmRSS",
		Also:    also(inspect.Meminfo),
		Gist:    "Its pages in RAM; shared pages are counted in full.",
		Concept: "rss",
	}, readRSS, deriveRSS)
	parts := []procField{
		status(doc{
			Key: "rss_anon", Kernel: "RssAnon", Part: '█',
			Since:   kernelVersion(4, 5),
			Gist:    "Memory that no file backs: heap, stacks, private data.",
			Concept: "anonymous-memory",
		}, readRssAnon, nil),
		status(doc{
			Key: "rss_file", Kernel: "RssFile", Part: '▓',
			Since:   kernelVersion(4, 5),
			Gist:    "File pages: the program, libraries, mapped files.",
			Concept: "page-cache",
		}, readRssFile, nil),
		status(doc{
			Key: "rss_shmem", Kernel: "RssShmem", Part: '▒',
			Since:   kernelVersion(4, 5),
			Gist:    "Pages of shared memory and tmpfs.",
			Concept: "shared-memory",
		}, nil, nil),
	}
	rest := []procField{
		status(doc{
			Key: "vm_hwm", Kernel: "VmHWM",
			Gist:    "The highest VmRSS so far (high-water mark).",
			Concept: "rss",
		}, readHWM, nil),
		status(doc{
			Key: "vm_swap", Kernel: "VmSwap",
			Gist:    "Its anonymous memory in swap; shared memory in swap is not counted.",
			Concept: "swap",
		}, readVmSwap, nil),
		status(doc{
			Key: "vm_pte", Kernel: "VmPTE",
			Gist:    "Its page tables, which translate its addresses.",
			Concept: "page-tables",
		}, readPTE, nil),
		status(doc{
			Key: "vm_lck", Kernel: "VmLck", Show: explain.Rare,
			Gist:    "Memory locked in RAM with mlock.",
			Concept: "mlock",
		}, readLocked, nil),
		status(doc{
			Key: "vm_pin", Kernel: "VmPin", Show: explain.Rare,
			Gist:    "Memory pinned for devices, which cannot even be moved.",
			Concept: "mlock",
		}, nil, nil),
		status(doc{
			Key: "hugetlb_pages", Kernel: "HugetlbPages", Show: explain.Rare,
			Since: kernelVersion(4, 4), Option: "CONFIG_HUGETLB_PAGE",
			Gist:    "Huge pages of the pool; VmRSS does not count them.",
			Concept: "huge-pages",
		}, readHugetlbPages, nil),
	}
	return append(append([]procField{none, rss}, parts...), rest...)
}

func noMemoryWords() []explain.Word {
	return []explain.Word{
		{Name: "kernel thread", Gist: "It runs in the kernel's memory and has none of its own.", Concept: "kernel-thread"},
		{Name: "zombie", Gist: "It has ended and its memory is freed; its PID stays until its parent waits for it.", Concept: "process"},
	}
}

// noMemory says why there are no mappings.
func noMemory(m procMem) value {
	switch {
	case m.P.Kthread():
		return explain.S("kernel thread")
	case m.P.Over():
		return explain.S("zombie")
	}
	return explain.None(inspect.Inapplicable)
}

func readNoMemory(m procMem) string {
	for _, w := range noMemoryWords() {
		if w.Name == noMemory(m).Text() {
			return w.Gist
		}
	}
	return ""
}

func readRSS(m procMem) string {
	s := "Pages in RAM, shared ones counted in full"
	if m.RAM > 0 && m.Missing(inspect.Meminfo) == inspect.Present {
		s += ": " + units.Percent(m.Status["VmRSS"], m.RAM) + " of the host's"
	}
	if m.Status["VmSize"] > 0 {
		s += "; " + units.Percent(m.Status["VmRSS"], m.Status["VmSize"]) + " of its address space is in RAM"
	}
	return s + "."
}

func deriveRSS(m procMem) explain.Derivation {
	var w explain.Working
	var sum int64
	for _, name := range []string{"RssAnon", "RssFile", "RssShmem"} {
		sum += w.Take(name, explain.Look(m.Status, name), bytes, inspect.PIDStatus, name)
	}
	return w.Done("RssAnon + RssFile + RssShmem", bytes, explain.I(sum))
}

// ofRSS says how much of VmRSS a part is, and what it is; that alone where one of them is unknown.
func ofRSS(m procMem, part, is string) string {
	if told(m, part, "VmRSS") && m.Status["VmRSS"] > 0 {
		return units.Percent(m.Status[part], m.Status["VmRSS"]) + " of VmRSS: " + is
	}
	return units.Capital(is)
}

// told reports whether status has all of these lines.
func told(m procMem, names ...string) bool {
	for _, name := range names {
		if _, ok := m.Status[name]; !ok {
			return false
		}
	}
	return true
}

func readRssAnon(m procMem) string {
	is := "no file backs it: reclaim could only swap it out, or drop what MADV_FREE gave up."
	if m.Status["VmLck"]+m.Status["VmPin"] > 0 {
		is = "no file backs it: swap could take it, or what MADV_FREE gave up be dropped, but for what is locked (VmLck) or pinned (VmPin)."
	}
	return ofRSS(m, "RssAnon", is) + " Children made by fork share it until one side writes."
}

// readLocked says what VmLck counts: ranges, whatever is mapped there (mm/mlock.c, mlock_fixup).
func readLocked(m procMem) string {
	if m.Status["VmLck"] == 0 {
		return ""
	}
	return "The size of its locked ranges, of anonymous, shared and file memory alike: which of RssAnon, RssShmem and RssFile it is " +
		"part of, Locked in /proc/PID/smaps tells of each."
}

func readRssFile(m procMem) string {
	return ofRSS(m, "RssFile", "pages of mapped files, shared with all that map them, and of drivers that map memory into it.")
}

func readHWM(m procMem) string {
	now, most := m.Status["VmRSS"], m.Status["VmHWM"]
	if !told(m, "VmRSS", "VmHWM") {
		return ""
	}
	if most <= now {
		return "It never had more in RAM than now."
	}
	return "It once had " + units.Size(most-now) + " more in RAM than now."
}

func readVmSwap(m procMem) string {
	if m.Status["VmSwap"] == 0 {
		return "None of its anonymous memory is swapped out."
	}
	return "Swapped out: what is touched again has to be read first, or unpacked where swap is compressed RAM."
}

func readHugetlbPages(m procMem) string {
	if m.Status["HugetlbPages"] == 0 {
		return ""
	}
	return "RAM, from the pools that were set aside: in neither VmRSS nor PSS, never swapped, and not counted by the OOM killer."
}

func readPTE(m procMem) string {
	if rss := m.Status["VmRSS"]; rss > 0 {
		return units.Percent(m.Status["VmPTE"], rss) + " of its resident memory; freed when it ends."
	}
	return ""
}

func shares() []procField {
	rollup := func(d doc, get func(procMem) value, read func(procMem) string, derive func(procMem) explain.Derivation) procField {
		d.Source, d.Unit, d.Concept = inspect.PIDSmapsRollup, bytes, "pss"
		return procField{Doc: d, Get: get, Reading: read, Derive: derive}
	}
	sum := func(name string) func(procMem) value {
		return func(m procMem) value {
			if v := explain.Look(m.Rollup, name); v.Has() || m.Rollup == nil {
				return v
			}
			return explain.None(inspect.Malformed) // each kernel that has the file has the line
		}
	}
	return []procField{
		rollup(doc{
			Key: "pss", Kernel: "Pss",
			Gist: "Each page divided by the number of processes that map it.",
		}, sum("Pss"), readPss, nil),
		rollup(doc{
			Key: "uss", Label: "USS",
			Gist: "Pages that no other memory maps: private, clean and dirty.",
		}, uss, readUss, deriveUss),
		rollup(doc{
			Key: "swap_pss", Kernel: "SwapPss",
			Gist: "Its share of anonymous memory in swap; shared memory is not counted.",
		}, sum("SwapPss"), nil, nil),
		rollup(doc{
			Key: "freed_on_exit", Label: "freed on exit",
			Also: also(inspect.PIDStatus),
			Gist: "An upper bound of the anonymous memory and page tables freed when it ends.",
		}, freed, readFreed, deriveFreed),
		rollup(doc{
			Key: "freed_on_exit_least", Show: explain.Data,
			Also: also(inspect.PIDStatus), Since: kernelVersion(5, 3),
			Gist: "A lower bound of the same: private pages that can't be file or shared memory.",
		}, freedAtLeast, nil, nil),
	}
}

func uss(m procMem) value {
	return explain.Sum(explain.Look(m.Rollup, "Private_Clean"), explain.Look(m.Rollup, "Private_Dirty"))
}

func readPss(m procMem) string {
	rss, pss, own := m.Rollup["Rss"], m.Rollup["Pss"], uss(m)
	if len(m.Sharers) > 0 {
		return "Of one memory, which is there once: " + sharersOf(m) + " in it too, and shows the same PSS."
	}
	if !own.Has() || rss <= uint64(own.Int()) || pss <= uint64(own.Int()) {
		return "It shares no page with others: PSS is its whole cost."
	}
	shared := rss - uint64(own.Int())
	each := float64(shared) / float64(pss-uint64(own.Int()))
	return units.Size(shared) + " of its RSS is mapped more than once, " + strconv.FormatFloat(each, 'f', 1, 64) +
		" times on average, by others or by itself; the sum of PSS over all processes counts every mapped page once, unless some run " +
		"in one memory."
}

// sharersOf names the others that run in the same memory, with their verb.
func sharersOf(m procMem) string {
	first := fmt.Sprintf("%s (%d)", m.Sharers[0].Comm, m.Sharers[0].PID)
	switch n := len(m.Sharers); n {
	case 1:
		return first + " runs"
	default:
		return first + " and " + units.Plural(n-1, "other process", "other processes") + " run"
	}
}

func readUss(m procMem) string {
	if len(m.Sharers) > 0 {
		return "Not its own: " + sharersOf(m) + " in the same memory."
	}
	return ""
}

func deriveUss(m procMem) explain.Derivation {
	var w explain.Working
	a := w.Take("Private_Clean", explain.Look(m.Rollup, "Private_Clean"), bytes, inspect.PIDSmapsRollup, "Private_Clean")
	b := w.Take("Private_Dirty", explain.Look(m.Rollup, "Private_Dirty"), bytes, inspect.PIDSmapsRollup, "Private_Dirty")
	return w.Done("Private_Clean + Private_Dirty", bytes, explain.I(a+b))
}

// freed is an upper bound: anonymous memory that no other process maps, and page tables.
// The kernel sums private pages over all kinds, and anonymous pages over all that
// share them: the smaller sum bounds what is both. File pages that it alone
// maps stay in the page cache; shared memory stays until it is deleted.
func freed(m procMem) value {
	own, anon, tables := uss(m), anonShare(m), explain.Look(m.Status, "VmPTE")
	if len(m.Sharers) > 0 {
		return explain.I(0) // the memory ends with the last that runs in it (kernel/fork.c, mmput)
	}
	if !own.Has() || !anon.Has() || !tables.Has() {
		return value{}
	}
	return explain.I(min(own.Int(), anon.Int()) + tables.Int())
}

// anonShare is its share of the anonymous memory that it maps; before 5.3, where the
// kernel has no share by kind, all of it.
func anonShare(m procMem) value {
	if v := explain.Look(m.Rollup, "Pss_Anon"); v.Has() {
		return v
	}
	return explain.Look(m.Rollup, "Anonymous")
}

// freedAtLeast is how many private pages must be anonymous, since its share of
// files and shared memory is no larger than PSS says.
func freedAtLeast(m procMem) value {
	own, file, shmem, tables := uss(m), explain.Look(m.Rollup, "Pss_File"), explain.Look(m.Rollup,
		"Pss_Shmem"), explain.Look(m.Status, "VmPTE")
	if len(m.Sharers) > 0 {
		return explain.I(0)
	}
	if !own.Has() || !file.Has() || !shmem.Has() || !tables.Has() {
		return value{}
	}
	return explain.I(max(own.Int()-file.Int()-shmem.Int(), 0) + tables.Int())
}

func deriveFreed(m procMem) explain.Derivation {
	if len(m.Sharers) > 0 {
		return explain.Derivation{}
	}
	var w explain.Working
	name := "Pss_Anon"
	if _, ok := m.Rollup[name]; !ok {
		name = "Anonymous"
	}
	a := w.Take("USS", uss(m), bytes, inspect.PIDSmapsRollup, "Private_Clean + Private_Dirty")
	b := w.Take(name, anonShare(m), bytes, inspect.PIDSmapsRollup, name)
	c := w.Take("VmPTE", explain.Look(m.Status, "VmPTE"), bytes, inspect.PIDStatus, "VmPTE")
	return w.Done("min(USS, "+name+") + VmPTE", bytes, explain.I(min(a, b)+c))
}

func readFreed(m procMem) string {
	if len(m.Sharers) > 0 {
		return "Nothing: " + sharersOf(m) + " in the same memory, which is freed when the last of them ends."
	}
	s := "At most."
	if least, most := freedAtLeast(m), freed(m); least.Has() && most.Int()-least.Int() < most.Int()/10 {
		s = "Its own memory and page tables."
	} else if least.Has() {
		s = fmt.Sprintf("At least %s: the sums don't show which private pages are file or shared memory.", size(least))
	}
	if own, anon := uss(m), explain.Look(m.Rollup, "Anonymous"); own.Has() && anon.Has() && own.Int() > anon.Int() {
		s += " At least " + units.Size(uint64(own.Int()-anon.Int())) + " more that it alone maps is file memory, " +
			"which stays in the page cache, or shared memory."
	}
	if m.Status["VmSwap"] > 0 {
		s += " " + units.Size(m.Status["VmSwap"]) + " of swap is freed too."
	}
	if m.Status["RssShmem"] > 0 {
		s += " Shared memory stays until it is deleted or its last user ends."
	}
	return s
}

func faults() []procField {
	fault := func(key, gist string, get func(*procfacts.Process) uint64, read func(procMem) string) procField {
		fields := proc.StatOf(key)
		return procField{Doc: doc{
			Key: key, Kernel: key, Unit: count, Counter: true,
			Source:  inspect.PIDStat,
			Gist:    gist,
			Concept: "page-fault",
		}, Get: func(m procMem) value {
			if m.P.Spoilt(fields) {
				return explain.None(inspect.Malformed)
			}
			return explain.N(get(&m.P))
		}, Reading: read}
	}
	return []procField{
		fault("minflt", "Page faults without I/O: first touches, shared and cached pages.", func(p *procfacts.Process) uint64 {
			return p.Minflt
		}, nil),
		fault("majflt", "Page faults whose page had to be read, or that had to wait and be retried.",
			func(p *procfacts.Process) uint64 { return p.Majflt }, readMajflt),
	}
}

func readMajflt(m procMem) string {
	switch {
	case m.P.Kthread():
		return "A kernel thread touches no program's pages."
	case m.P.Majflt == 0:
		return "None: no page fault of it had to wait for a read."
	}
	return units.Percent(m.P.Majflt, m.P.Majflt+m.P.Minflt) + " of its faults had their page read, or waited: " +
		"to load its program or files, or to bring back what had been reclaimed or swapped out, to zram too."
}
