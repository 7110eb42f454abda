package fd

import (
	"fmt"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
)

type (
	deletedFiles = *fdfacts.DeletedFiles
	deletedRow   = fdfacts.DeletedPart
)

// Deleted sums up the deleted files that are still in use.
func Deleted() explain.Card[*fdfacts.DeletedFiles] {
	ofFiles := func(d doc, get func(deletedFiles) value, read func(deletedFiles) string) explain.Field[deletedFiles] {
		d.Source, d.Concept = inspect.PIDFd, "deleted-files"
		d.Also = []inspect.Source{inspect.PIDMapFiles, inspect.PIDMountinfo}
		return explain.Field[deletedFiles]{Doc: d, Get: get, Reading: read}
	}
	sum := func(l deletedFiles, memory bool) (n uint64) {
		for i := range l.List {
			if f := &l.List[i]; inMemory(f.Mount) == memory {
				n += f.Taken
			}
		}
		return n
	}
	return explain.Card[*fdfacts.DeletedFiles]{Name: "fd --deleted", Sections: []explain.Section[deletedFiles]{
		{Title: "Deleted files that are still in use", Fields: []explain.Field[deletedFiles]{
			ofFiles(doc{
				Key: "gone_files", Label: "deleted files", Unit: explain.Count,
				Gist: "Deleted files that a process still has open, mapped or running.",
			}, func(l deletedFiles) value { return explain.I(len(l.List)) }, func(l deletedFiles) string {
				if len(l.List) == 0 {
					return "No visible process keeps one."
				}
				return "Kept by " + units.Plural(l.Keepers(), "process", "processes") + "."
			}),
			ofFiles(doc{
				Key: "gone_disk", Label: "disk space", Unit: explain.Bytes,
				Gist: "Space that their file systems have not got back yet, each file once.",
			}, func(l deletedFiles) value { return explain.N(sum(l, false)) }, func(l deletedFiles) string {
				if sum(l, false) == 0 {
					return "They take no space on disk."
				}
				return "What df counts and du does not find."
			}),
			ofFiles(doc{
				Key: "gone_memory", Label: "memory", Unit: explain.Bytes, Show: explain.Rare,
				Gist: "What those on tmpfs and the like take: memory or swap, and no disk.",
			}, func(l deletedFiles) value { return explain.N(sum(l, true)) }, nil),
		}},
		{Title: "Deleted files and their holders", Table: "deleted"},
	}}
}

// inMemory says whether files there take memory and no disk.
func inMemory(on *fdfacts.MountPoint) bool {
	if on == nil {
		return false
	}
	switch on.FSType {
	case "tmpfs", "devtmpfs", "ramfs", "hugetlbfs":
		return true
	}
	return false
}

// DeletedList lists them, each with who keeps it and how to get the space back.
func DeletedList() *explain.Table[deletedRow] {
	type column = explain.Field[deletedRow]
	ofFile := func(d doc, get func(*fdfacts.DeletedFile) value) column {
		d.Source, d.Concept = inspect.PIDFd, "deleted-files"
		return column{Doc: d, Get: func(r deletedRow) value { return get(r.It) }}
	}
	ofMount := func(d doc, get func(*fdfacts.MountPoint) string) column {
		d.Also = []inspect.Source{inspect.PIDMountinfo}
		return ofFile(d, func(f *fdfacts.DeletedFile) value {
			if f.Mount == nil {
				return explain.None(inspect.Masked)
			}
			return explain.S(get(f.Mount))
		})
	}
	ofKeepers := func(d doc, get func(*fdfacts.Keeper) value) column {
		d.Show = explain.Data
		return ofFile(d, func(f *fdfacts.DeletedFile) value {
			out := []value{}
			for i := range f.Keepers {
				out = append(out, get(&f.Keepers[i]))
			}
			return explain.L(out)
		})
	}
	return &explain.Table[deletedRow]{Name: "deleted", Sort: []string{"taken"}, Fields: []column{
		ofFile(doc{
			Key: "taken", Unit: explain.Bytes,
			Gist: "What it takes of its file system.",
		}, func(f *fdfacts.DeletedFile) value { return explain.N(f.Taken) }),
		ofFile(doc{
			Key: "size", Unit: explain.Bytes, Show: explain.Data,
			Gist: "How long it is; with holes it is longer than what it takes.",
		}, func(f *fdfacts.DeletedFile) value { return explain.N(f.Size) }),
		ofMount(doc{Key: "fs", Label: "FS", Gist: "The type of its file system."}, func(m *fdfacts.MountPoint) string { return m.FSType }),
		ofMount(doc{
			Key: "mount", Show: explain.Wide,
			Gist: "Where that is mounted, as its holder sees it.",
		}, func(m *fdfacts.MountPoint) string { return m.Point }),
		ofFile(doc{
			Key: "processes", Unit: explain.Count,
			Gist: "How many processes keep it.",
		}, func(f *fdfacts.DeletedFile) value { return explain.I(len(f.Keepers)) }),
		ofKeepers(doc{
			Key: "pids", Unit: explain.Plain,
			Gist: "The processes that keep it.",
		}, func(k *fdfacts.Keeper) value { return explain.I(k.P.PID) }),
		ofKeepers(doc{Key: "holders", Gist: "The same by name, with how each keeps it."},
			func(k *fdfacts.Keeper) value { return explain.S(keeper(k)) }),
		ofFile(doc{
			Key: "dev", Show: explain.Data,
			Gist: "The device of its file system, major:minor.",
		}, func(f *fdfacts.DeletedFile) value { return explain.S(device(f.Dev)) }),
		ofFile(doc{
			Key: "inode", Unit: explain.ID, Show: explain.Data,
			Gist: "The number of its inode there.",
		}, func(f *fdfacts.DeletedFile) value { return explain.N(f.Inode) }),
		ofFile(doc{Key: "target", Gist: "The path that it had."}, func(f *fdfacts.DeletedFile) value { return explain.S(f.Path) }),
		ofFile(doc{Key: "why", Gist: "Who keeps it, and how to get the space back."}, func(f *fdfacts.DeletedFile) value {
			return explain.S(whyDeleted(f))
		}),
	}}
}

// keeper says who it is and by what: "go (12) as 3, 4 and in its memory".
func keeper(k *fdfacts.Keeper) string {
	var by []string
	if len(k.FDs) > 0 {
		by = append(by, "as "+numbers(k.FDs))
	}
	switch {
	case k.Runs:
		by = append(by, "as its program")
	case k.Mapped:
		by = append(by, "in its memory")
	}
	return fmt.Sprintf("%s (%d) %s", k.P.Comm, k.P.PID, strings.Join(by, " and "))
}

// numbers lists descriptors, of many the first.
func numbers(fds []int32) string {
	var out []string
	for _, n := range fds {
		out = append(out, strconv.Itoa(int(n)))
	}
	return few(out)
}

// whyDeleted says who keeps a file and what must happen for its space to come back.
func whyDeleted(f *fdfacts.DeletedFile) string {
	var who []string
	for i := range f.Keepers {
		who = append(who, keeper(&f.Keepers[i]))
	}
	s := "kept by " + few(who) + "; "
	if f.Taken == 0 {
		return s + "it takes no space"
	}
	if inMemory(f.Mount) {
		s += "it takes memory, and no disk; "
	}
	return s + wayBack(f)
}

// wayBack is what gives the space back. The end of a mapping alone does where there
// is one: who touches a page behind the end of an emptied file gets SIGBUS (mmap(2)).
func wayBack(f *fdfacts.DeletedFile) string {
	all := func(one, many string) string {
		if len(f.Keepers) == 1 {
			return one
		}
		if len(f.Keepers) == 2 {
			return strings.ReplaceAll(many, "all", "both")
		}
		return strings.ReplaceAll(many, "all", fmt.Sprintf("all %d", len(f.Keepers)))
	}
	var runs, maps bool
	var open *fdfacts.Keeper
	for i := range f.Keepers {
		k := &f.Keepers[i]
		runs, maps = runs || k.Runs, maps || k.Mapped
		if len(k.FDs) > 0 && open == nil {
			open = k
		}
	}
	switch {
	case runs:
		return all("a restart gives the space back", "the space comes back when all have been restarted")
	case maps && open != nil:
		return all("closing it is not enough: it is mapped too, until a restart",
			"the space comes back when all have closed and unmapped it, or were restarted") +
			"; truncating it would kill with SIGBUS whoever touches the mapping"
	case maps:
		return all("a restart gives the space back", "the space comes back when all have been restarted") +
			"; truncating it would kill with SIGBUS whoever touches the mapping"
	case !f.Regular:
		return all("closing it gives the space back", "the space comes back when all have closed it")
	}
	return all("closing it gives the space back", "the space comes back when all have closed it") + emptied(f, open)
}

// emptied says how to get the space without that, and what it does to the writer.
func emptied(f *fdfacts.DeletedFile, k *fdfacts.Keeper) string {
	s := fmt.Sprintf("; so does truncate -s 0 /proc/%d/fd/%d, at once: what is in it is lost", k.P.PID, k.FDs[0])
	writes, appends := false, false
	for _, k := range f.Keepers {
		writes, appends = writes || k.Writes, appends || k.Appends
	}
	switch {
	case writes:
		s += ", and the writer continues at its old offset, after a hole"
	case appends:
		s += ", and the writer continues at its start"
	}
	return s
}
