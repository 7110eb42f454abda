package mem

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
)

func addressSpace() []procField {
	return []procField{
		status(doc{
			Key: "vm_size", Kernel: "VmSize",
			Gist:    "The size of all mappings: address space, not memory in use.",
			Concept: "virtual-memory",
		}, readVmSize, nil),
		status(doc{
			Key: "vm_peak", Kernel: "VmPeak",
			Gist:    "The highest VmSize so far.",
			Concept: "virtual-memory",
		}, readVmPeak, nil),
		status(doc{
			Key: "vm_data", Kernel: "VmData",
			Gist:    "Private writable mappings: heap, data and anonymous memory, touched or not.",
			Concept: "virtual-memory",
		}, nil, nil),
		status(doc{
			Key: "vm_stk", Kernel: "VmStk",
			Gist:    "The main thread's stack mapping; other threads' stacks are in VmData.",
			Concept: "address-space",
		}, nil, nil),
		status(doc{
			Key: "vm_exe", Kernel: "VmExe",
			Gist:    "The program's own code.",
			Concept: "address-space",
		}, nil, nil),
		status(doc{
			Key: "vm_lib", Kernel: "VmLib",
			Gist:    "Code of libraries: executable mappings, less VmExe.",
			Concept: "address-space",
		}, nil, nil),
		{Doc: doc{
			Key: "map_count", Label: "mappings", Unit: count,
			Source: inspect.PIDMaps, Also: also(inspect.VMMaxMapCount),
			Gist:    "Number of mappings; mmap fails beyond vm.max_map_count.",
			Concept: "address-space",
		}, Get: func(m procMem) value { return explain.I(m.Maps) }, Reading: readMaps},
		{Doc: doc{
			Key: "max_map_count", Kernel: "vm.max_map_count", Unit: count, Show: explain.Data,
			Source:  inspect.VMMaxMapCount,
			Gist:    "How many mappings a process may have.",
			Concept: "address-space",
		}, Get: func(m procMem) value { return explain.I(m.MaxMaps) }},
	}
}

func readVmSize(m procMem) string {
	size, rss := m.Status["VmSize"], m.Status["VmRSS"]
	s := "Address space, not memory: a page gets RAM when it is first touched."
	if rss > 0 && size > rss {
		s += fmt.Sprintf(" %s of it is in RAM.", units.Size(rss))
	}
	for _, k := range m.Kinds {
		if k.Name == "reserved" && k.Size > size/4 {
			s += fmt.Sprintf(" %s of it is only reserved and not accessible.", units.Size(k.Size))
		}
	}
	return s
}

func readVmPeak(m procMem) string {
	now, most := m.Status["VmSize"], m.Status["VmPeak"]
	if !told(m, "VmSize", "VmPeak") {
		return ""
	}
	if most <= now {
		return "It was never higher than now."
	}
	return units.Size(most-now) + " more than now."
}

func mapShare(m procMem) value {
	if m.Missing(inspect.VMMaxMapCount) != inspect.Present || m.Missing(inspect.PIDMaps) != inspect.Present {
		return value{}
	}
	return explain.Share(explain.I(m.Maps), explain.I(m.MaxMaps))
}

func readMaps(m procMem) string {
	if s := mapShare(m); s.Has() {
		return fmt.Sprintf("%s of the %s that vm.max_map_count allows; beyond them mmap fails with ENOMEM, however much memory is free.",
			units.AppendPercent(nil, s.Float()), units.Number(m.MaxMaps))
	}
	return ""
}

type mapsRow = memfacts.MapCountPart

// MapCounts is the table of processes that may be near vm.max_map_count.
func MapCounts() *explain.Table[mapsRow] {
	used := func(r mapsRow) value {
		if r.It.Why != inspect.Present {
			return explain.None(r.It.Why)
		}
		return explain.Share(explain.I(r.It.Maps), explain.I(int64(r.In.Limit)))
	}
	column := func(d doc, get func(mapsRow) value) explain.Field[mapsRow] {
		d.Source, d.Concept = inspect.PIDMaps, "address-space"
		return explain.Field[mapsRow]{Doc: d, Get: get}
	}
	return &explain.Table[mapsRow]{
		Name: "map_counts", Title: "Processes by mappings", Sort: []string{"mappings"}, Identity: []string{"mapped_pid"},
		Fields: []explain.Field[mapsRow]{
			column(doc{Key: "mapped_pid", Label: "PID", Unit: explain.ID, Gist: "The process, whose address space has room for many mappings."},
				func(r mapsRow) value { return explain.I(r.It.P.PID) }),
			column(doc{Key: "mapped_comm", Label: "NAME", Gist: "Its name."}, func(r mapsRow) value { return explain.S(r.It.P.Comm) }),
			column(doc{Key: "mappings", Label: "MAPPINGS", Unit: count, Gist: "How many mappings it has: the lines of maps."},
				func(r mapsRow) value {
					if r.It.Why != inspect.Present {
						return explain.None(r.It.Why)
					}
					return explain.I(r.It.Maps)
				}),
			{Doc: doc{
				Key: "mappings_used", Label: "USED", Unit: explain.Ratio, Source: inspect.PIDMaps, Also: []inspect.Source{inspect.VMMaxMapCount},
				Gist: "Of those that vm.max_map_count allows.", Concept: "address-space",
			}, Get: used},
		},
		Rules: []explain.Rule[mapsRow]{{
			ID: "mem.process_maps_near", What: "mappings of a process / vm.max_map_count", Unit: explain.Ratio,
			Means: "At the limit mmap, mprotect and new threads of that process fail with ENOMEM, even if memory is free. Looked at are the " +
				"processes whose address space has room for so many.",
			Evidence: []string{"mappings_used", "mappings"}, Concept: "address-space", Next: "kwhy mem PID",
			NextOf: func(r mapsRow) string { return fmt.Sprintf("kwhy mem %d", r.It.P.PID) },
			Of:     used, At: explain.At{Notice: memfacts.NearMaps, Warning: 0.85, Critical: 0.95},
			Say: func(r mapsRow) string {
				return fmt.Sprintf("%s (%d) has %s mappings of the %s that vm.max_map_count allows",
					r.It.P.Comm, r.It.P.PID, units.Number(r.It.Maps), units.Number(int64(r.In.Limit)))
			},
		}},
	}
}

func kindWords() []explain.Word {
	words := map[string]string{
		"code":      "Executable file mappings: the program and its libraries.",
		"file":      "Other file mappings: constants, data, mapped files, tmpfs outside /dev/shm.",
		"heap":      "Memory from brk: small malloc allocations.",
		"anonymous": "Memory without a file: large allocations, arenas, thread stacks.",
		"stack":     "The main thread's stack; grows down on demand.",
		"shared":    "Shared memory: /dev/shm, memfd, System V, MAP_SHARED without a file.",
		"hugetlb":   "Huge pages of the pool, in neither VmRSS nor PSS; set aside when mapped, as a rule.",
		"reserved":  "Not accessible: guard pages, and address space reserved for later.",
		"vdso":      "Pages from the kernel, for system calls without a mode switch.",
	}
	var out []explain.Word
	for _, k := range memfacts.MapKinds() {
		out = append(out, explain.Word{Name: k, Gist: words[k], Concept: "address-space"})
	}
	return out
}

func kindGist(name string) string {
	for _, w := range kindWords() {
		if w.Name == name {
			return w.Gist
		}
	}
	return ""
}

// MapKinds sums up the mappings by kind.
func MapKinds() *explain.Table[memfacts.ProcessPart[memfacts.MapKind]] {
	type row = memfacts.ProcessPart[memfacts.MapKind]
	type column = explain.Field[row]
	src := inspect.PIDMaps
	return &explain.Table[row]{Name: "mapping_kinds", Fields: []column{
		{Doc: doc{
			Key:     "kind",
			Source:  src,
			Words:   kindWords(),
			Gist:    "What the mappings are.",
			Concept: "address-space",
		}, Get: func(r row) value { return explain.S(r.It.Name) }},
		{Doc: doc{
			Key: "size", Unit: bytes,
			Source:  src,
			Gist:    "Their total size.",
			Concept: "virtual-memory",
		}, Get: func(r row) value { return explain.N(r.It.Size) }},
		{Doc: doc{
			Key: "mappings", Unit: count,
			Source:  src,
			Gist:    "How many mappings there are.",
			Concept: "address-space",
		}, Get: func(r row) value { return explain.I(r.It.Maps) }},
		{Doc: doc{
			Key: "share", Unit: ratio,
			Source:  src,
			Gist:    "Their share of the address space in use.",
			Concept: "address-space",
		}, Get: func(r row) value { return explain.Share(explain.N(r.It.Size), explain.N(mapped(r.In))) }},
		{Doc: doc{Key: "why", Label: explain.Description, Source: src, Concept: "address-space", Gist: "What such mappings are for."},
			Get: func(r row) value { return explain.S(kindGist(r.It.Name)) }},
	}}
}

func mapped(m procMem) (n uint64) {
	for _, k := range m.Kinds {
		n += k.Size
	}
	return n
}

// Mappings lists the address space, lowest address first.
func Mappings() *explain.Table[memfacts.ProcessPart[memfacts.Region]] {
	type row = memfacts.ProcessPart[memfacts.Region]
	type column = explain.Field[row]
	src := inspect.PIDMaps
	return &explain.Table[row]{Name: "mappings", Fields: []column{
		{Doc: doc{
			Key: "start", Unit: explain.Address,
			Source:  src,
			Gist:    "The lowest address; 0 where the reader has no permission to see it.",
			Concept: "address-space",
		}, Get: func(r row) value { return explain.N(r.It.Start) }},
		{Doc: doc{
			Key: "end", Unit: explain.Address, Show: explain.Data,
			Source:  src,
			Gist:    "The first address after it.",
			Concept: "address-space",
		}, Get: func(r row) value { return explain.N(r.It.End) }},
		{Doc: doc{
			Key: "gap", Label: "gap below", Unit: bytes, Show: explain.Wide,
			Source:  src,
			Gist:    "Unused addresses below it.",
			Concept: "address-space",
		}, Get: func(r row) value {
			if r.It.Start >= 1<<63 { // beyond the hole that no address may be in
				return explain.None(inspect.Inapplicable)
			}
			return explain.N(r.It.Gap)
		}},
		{Doc: doc{
			Key: "size", Unit: bytes, Bar: true,
			Source:  src,
			Gist:    "The size of its mappings, without the holes between them.",
			Concept: "virtual-memory",
		}, Get: func(r row) value { return explain.N(r.It.Size) }},
		{Doc: doc{
			Key: "perms", Show: explain.Data,
			Source:  src,
			Gist:    "Read, write, execute; private or shared: all that its mappings have.",
			Concept: "address-space",
		}, Get: perms},
		{Doc: doc{
			Key: "mappings", Unit: count,
			Source:  src,
			Gist:    "How many mappings it consists of.",
			Concept: "address-space",
		}, Get: func(r row) value { return explain.I(r.It.Maps) }},
		{Doc: doc{Key: "kind", Source: src, Concept: "address-space", Words: kindWords(), Gist: "What it is."},
			Get: func(r row) value { return explain.S(r.It.Kind) }},
		{Doc: doc{
			Key: "object", Show: explain.Data,
			Source:  src,
			Gist:    "The file, or the kernel's name for it.",
			Concept: "address-space",
		}, Get: func(r row) value {
			if r.It.Object == "" {
				return explain.None(inspect.Inapplicable)
			}
			return explain.S(r.It.Object)
		}},
		{Doc: doc{Key: "why", Label: "OBJECT", Source: src, Concept: "address-space", Gist: "What is mapped there."},
			Get: func(r row) value { return explain.S(whyRegion(r.It)) }},
	}}
}

func perms(r memfacts.ProcessPart[memfacts.Region]) value {
	list := make([]value, len(r.It.Perms))
	for i, p := range r.It.Perms {
		list[i] = explain.S(p)
	}
	return explain.L(list)
}

func whyRegion(r *memfacts.Region) string {
	switch r.Object {
	case "/anon_hugepage", "/anon_hugepage (deleted)":
		return r.Object + ": memory that asked for huge pages (MAP_HUGETLB)"
	case "":
		return map[string]string{"anonymous": "allocations, arenas, thread stacks", "reserved": "reserved, without access"}[r.Kind]
	case "[heap]":
		return "[heap]: small malloc allocations (brk)"
	case "[stack]":
		return "[stack] of the main thread; grows down"
	case "[vdso]":
		return "[vdso]: the kernel's code for calls without a mode switch"
	case "[vvar]", "[vvar_vclock]":
		return r.Object + ": the kernel's clock data for the vdso"
	case "[vsyscall]":
		return "[vsyscall]: fixed page of old system calls, not in VmSize"
	}
	return r.Object
}
