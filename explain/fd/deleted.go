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
	sum := func(l deletedFiles, memory bool) value {
		var n uint64
		for i := range l.List {
			f := &l.List[i]
			if f.Saved {
				return explain.None(inspect.NotSaved) // a copy has links and no files
			}
			if f.Memory == memory {
				n += f.Taken
			}
		}
		return explain.N(n)
	}
	fields := []explain.Field[deletedFiles]{
		ofFiles(doc{
			Key: "gone_files", Label: "deleted files", Unit: explain.Count,
			Gist: "Deleted files that are still open, mapped, running, a loop device's or swap.",
		}, func(l deletedFiles) value { return explain.I(len(l.List)) }, readGone),
		ofFiles(doc{
			Key: "gone_disk", Label: "disk space", Unit: explain.Bytes,
			Gist: "Space that their file systems have not got back yet, each file once.",
		}, func(l deletedFiles) value { return sum(l, false) }, func(l deletedFiles) string {
			switch loops := ofLoops(l); {
			case sum(l, false).Uint() > 0:
				return "What df counts and du does not find."
			case loops > 0:
				return "But for those of loop devices, see below."
			case len(l.List) > 0:
				return "They take no space on disk."
			}
			return "" // the line above says who was looked at
		}),
		loops(),
		ofFiles(doc{
			Key: "gone_memory", Label: "memory", Unit: explain.Bytes, Show: explain.Rare,
			Gist: "What those on tmpfs and the like take: memory or swap, and no disk.",
		}, func(l deletedFiles) value { return sum(l, true) }, nil),
	}
	return explain.Card[*fdfacts.DeletedFiles]{Name: "fd --deleted", Sections: []explain.Section[deletedFiles]{
		{Title: "Deleted files that are still in use", Fields: append(fields, unlisted()...)},
		{Title: "Deleted files and their holders", Table: "deleted"},
	}}
}

// loops is what loop devices may keep besides.
func loops() explain.Field[deletedFiles] {
	return explain.Field[deletedFiles]{
		Doc: doc{
			Key: "gone_loops", Label: "of loop devices", Unit: explain.Bytes, Show: explain.Rare,
			Source: inspect.LoopBacking, Concept: "deleted-files",
			Gist: "The size of loop devices whose files are deleted: what these may take besides.",
		},
		Get: func(l deletedFiles) value { return explain.N(ofLoops(l)) },
		Reading: func(deletedFiles) string {
			return "Of the files themselves the kernel shows the paths alone: with holes they take less."
		},
	}
}

// unlisted count files that may be deleted too, and that nothing shows.
func unlisted() []explain.Field[deletedFiles] {
	field := func(d doc, of func(deletedFiles) []fdfacts.Unlisted, says string) explain.Field[deletedFiles] {
		d.Unit, d.Source, d.Concept = explain.Count, inspect.PIDFdinfo, "deleted-files"
		return explain.Field[deletedFiles]{Doc: d, Get: func(l deletedFiles) value {
			n := 0
			for _, u := range of(l) {
				n += u.N
			}
			return explain.I(n)
		}, Reading: func(l deletedFiles) string {
			var who []string
			for _, u := range of(l) {
				who = append(who, fmt.Sprintf("%s (%d) as %d", u.P.Comm, u.P.PID, u.FD))
			}
			if who == nil {
				return ""
			}
			return says + few(who) + ". Which files they are, and whether they are deleted, the kernel does not show."
		}}
	}
	return []explain.Field[deletedFiles]{
		field(doc{
			Key: "in_flight", Label: "files in flight", Show: explain.Rare, Since: inspect.Version{Major: 5, Minor: 6},
			Gist: "Files sent through unix sockets and not yet received: no descriptor has them.",
		}, func(l deletedFiles) []fdfacts.Unlisted { return l.InFlight }, "They wait in sockets that are open in "),
		field(doc{
			Key: "ring_files", Label: "files of rings", Show: explain.Rare,
			Gist: "Files registered with io_uring: kept open without a descriptor.",
		}, func(l deletedFiles) []fdfacts.Unlisted { return l.Rings }, "They are registered with rings that are open in "),
	}
}

// readGone says who keeps them; where nobody does, who was looked at, for there are ways to keep
// a file that nothing shows.
func readGone(l deletedFiles) string {
	var by []string
	if n := l.Keepers(); n > 0 {
		by = append(by, units.Plural(n, "process", "processes"))
	}
	kernel := 0
	for i := range l.List {
		kernel += len(l.List[i].Kernel)
	}
	if kernel > 0 {
		by = append(by, units.Plural(kernel, "loop device or swap area", "loop devices and swap areas"))
	}
	s := nobodyKeeps(l)
	if len(by) > 0 {
		s = "Kept by " + strings.Join(by, " and ") + "."
	}
	for i := range l.List {
		if l.List[i].Saved {
			s += " By the links of the copy alone: one that has another name too is among them."
			break
		}
	}
	switch {
	case l.Missing(inspect.PIDFdinfo) == inspect.Unsupported:
		return s + " Files in flight over unix sockets are not shown by this kernel."
	case len(l.InFlight)+len(l.Rings) > 0:
		return s + " Files in flight or of rings, which are below, may be deleted too."
	}
	return s
}

// nobodyKeeps says who has none, of those that could be looked at.
func nobodyKeeps(l deletedFiles) string {
	who := []string{"process"}
	for _, other := range []struct {
		src  inspect.Source
		what string
	}{{inspect.LoopBacking, "loop device"}, {inspect.Swaps, "swap area"}} {
		if why := l.Missing(other.src); why == inspect.Present || why == inspect.Unsupported {
			who = append(who, other.what)
		}
	}
	last := len(who) - 1
	if last == 0 {
		return "No process has one."
	}
	return "No " + strings.Join(who[:last], ", ") + " or " + who[last] + " has one."
}

// ofLoops is how large the loop devices are whose files are deleted.
func ofLoops(l deletedFiles) (bytes uint64) {
	for i := range l.List {
		if f := &l.List[i]; f.Untold {
			bytes += f.Size
		}
	}
	return bytes
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
			switch {
			case f.Saved && f.Mount == nil:
				return explain.None(inspect.NotSaved)
			case f.Inode == 0 && f.Mount == nil:
				return explain.None(inspect.Unsupported) // the kernel shows the path alone
			case f.Mount == nil:
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
	ofInode := func(d doc, get func(*fdfacts.DeletedFile) value) column {
		d.Show = explain.Data
		return ofFile(d, func(f *fdfacts.DeletedFile) value {
			switch {
			case f.Inode != 0:
				return get(f)
			case f.Saved:
				return explain.None(inspect.NotSaved)
			}
			return explain.None(inspect.Unsupported)
		})
	}
	return &explain.Table[deletedRow]{Name: "deleted", Sort: []string{"taken"}, Rules: []explain.Rule[deletedRow]{runsOld()}, Fields: []column{
		ofFile(doc{
			Key: "taken", Unit: explain.Bytes,
			Gist: "What it takes of its file system.",
		}, func(f *fdfacts.DeletedFile) value {
			switch {
			case f.Saved:
				return explain.None(inspect.NotSaved)
			case f.Untold:
				return explain.None(inspect.Unsupported) // of a loop device's file the kernel shows the path
			}
			return explain.N(f.Taken)
		}),
		ofFile(doc{
			Key: "size", Unit: explain.Bytes, Show: explain.Data,
			Gist: "How long it is; with holes it is longer than what it takes.",
		}, func(f *fdfacts.DeletedFile) value {
			if f.Saved {
				return explain.None(inspect.NotSaved)
			}
			return explain.N(f.Size)
		}),
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
			Key: "kernel_holders", Show: explain.Data, Also: []inspect.Source{inspect.LoopBacking, inspect.Swaps},
			Gist: "What of the kernel keeps it: a loop device by name, or swap.",
		}, func(f *fdfacts.DeletedFile) value {
			out := []value{}
			for _, by := range f.Kernel {
				out = append(out, explain.S(by))
			}
			return explain.L(out)
		}),
		ofInode(doc{
			Key:  "dev",
			Gist: "The device of its file system, major:minor.",
		}, func(f *fdfacts.DeletedFile) value { return explain.S(device(f.Dev)) }),
		ofInode(doc{
			Key: "inode", Unit: explain.ID,
			Gist: "The number of its inode there.",
		}, func(f *fdfacts.DeletedFile) value { return explain.N(f.Inode) }),
		ofFile(doc{Key: "target", Gist: "The path that it had."}, func(f *fdfacts.DeletedFile) value { return explain.S(f.Path) }),
		ofFile(doc{Key: "why", Gist: "Who keeps it, and how to get the space back."}, func(f *fdfacts.DeletedFile) value {
			return explain.S(whyDeleted(f))
		}),
	}}
}

// runsOld finds the programs that run though their file is deleted.
func runsOld() explain.Rule[deletedRow] {
	who := func(f *fdfacts.DeletedFile) (out []string) {
		for i := range f.Keepers {
			if k := &f.Keepers[i]; k.Runs {
				out = append(out, fmt.Sprintf("%s (%d)", k.P.Comm, k.P.PID))
			}
		}
		return out
	}
	return explain.Rule[deletedRow]{
		ID: "fd.deleted_program", What: "processes that run a program whose file is deleted", Unit: explain.Count,
		Means: "An upgrade put another file in the program's place, or it was removed: the process runs the old one, with its old faults, " +
			"until it is started again.",
		Evidence: []string{"processes", "target", "why"}, Concept: "deleted-files", Next: "kwhy proc PID",
		NextOf: func(r deletedRow) string {
			for i := range r.It.Keepers {
				if k := &r.It.Keepers[i]; k.Runs {
					return "kwhy proc " + strconv.Itoa(int(k.P.PID))
				}
			}
			return "kwhy proc"
		},
		Of: func(r deletedRow) value { return explain.I(len(who(r.It))) },
		At: explain.At{Notice: 1},
		Say: func(r deletedRow) string {
			list := who(r.It)
			runs, became := "runs", inspect.Choose(r.It.Replaced, "was replaced by another file there", "was deleted", "was deleted or replaced")
			until := "it goes on with the old program until it is started again"
			if len(list) > 1 {
				runs, until = "run", "they go on with the old program until they are started again"
			}
			return fmt.Sprintf("%s %s %s, which %s: %s", few(list), runs, r.It.Path, became, until)
		},
	}
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
	for _, by := range f.Kernel {
		if by == "swap" {
			by = "swap on it"
		} else {
			by = "loop device " + by
		}
		who = append(who, by)
	}
	for i := range f.Keepers {
		who = append(who, keeper(&f.Keepers[i]))
	}
	s := "kept by " + few(who) + "; "
	switch {
	case f.Untold:
		return s + wayBackOfKernel(f)
	case f.Taken == 0 && !f.Saved:
		return s + "it takes no space"
	case f.Memory:
		s += "it takes memory, and no disk; "
	}
	if len(f.Kernel) > 0 {
		return s + wayBackOfKernel(f)
	}
	return s + wayBack(f)
}

// wayBackOfKernel is what gives the space back where the kernel itself keeps it. swapoff wants a
// path to the file (mm/swapfile.c, SYSCALL_DEFINE1 swapoff), and it has none but that of who has
// it open.
func wayBackOfKernel(f *fdfacts.DeletedFile) string {
	by, also := f.Kernel[0], ""
	if len(f.Keepers) > 0 {
		also = ", and all who have it open must close it"
	}
	if by != "swap" {
		return "when nothing of it is mounted, losetup -d /dev/" + by + " gives the space back" + also
	}
	for i := range f.Keepers {
		if k := &f.Keepers[i]; len(k.FDs) > 0 {
			return fmt.Sprintf("swapoff /proc/%d/fd/%d ends that, for it has no other name%s", k.P.PID, k.FDs[0], also)
		}
	}
	return "without a name it cannot be told to swapoff: the space comes back with the next boot"
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
