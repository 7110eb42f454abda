package fd

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
	procfacts "kwhy/inspect/proc"
)

// FDs is the table of descriptors of one process.
func FDs() *explain.Table[fdRow] {
	columns := append(fdOpened(), fdOnDisk()...)
	for _, c := range socketColumns() {
		columns = append(columns, ofFD(c.doc, func(f *fdfacts.Descriptor) value { return c.of(f.Socket) }))
	}
	return &explain.Table[fdRow]{Name: "fds", Fields: append(columns,
		ofFD(doc{
			Key: "same_as", Label: "DUP OF", Unit: explain.Plain, Show: explain.Data,
			Gist: "A lower descriptor of this process with the same open file.",
		}, func(f *fdfacts.Descriptor) value {
			if f.Same == f.N {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(f.Same)
		}),
		ofFD(doc{
			Key: "shared", Unit: explain.Plain, Show: explain.Data,
			Gist: "Its parent and children that have the same open file, by fork.",
		}, func(f *fdfacts.Descriptor) value {
			out := []value{}
			for _, pid := range f.Shared {
				out = append(out, explain.I(pid))
			}
			return explain.L(out)
		}),
		ofInfo(doc{
			Key: "info", Show: explain.Data,
			Gist: "What fdinfo says of its kind, line by line.",
		}, func(f *fdfacts.Descriptor) value {
			out := []value{}
			for _, l := range f.Info {
				out = append(out, explain.S(l.Name+": "+l.Value))
			}
			return explain.L(out)
		}),
		ofFD(doc{Key: "target", Gist: "What the kernel says it leads to."},
			func(f *fdfacts.Descriptor) value { return explain.S(f.Link) }),
		fdField{
			Doc: doc{
				Key: "why", Label: explain.Description, Source: inspect.PIDFd,
				Also:    []inspect.Source{inspect.PIDFdinfo, inspect.PIDNet, inspect.PIDMountinfo, inspect.Devices, inspect.MiscDevices},
				Concept: "file-descriptor",
				Gist:    "What that is, in detail.",
			},
			Get: func(r fdRow) value { return explain.S(why(r)) },
		},
	)}
}

type fdField = explain.Field[fdRow]

func ofFD(d doc, get func(*fdfacts.Descriptor) value) fdField {
	if d.Source == inspect.None {
		d.Source = inspect.PIDFd
	}
	d.Concept = "file-descriptor"
	return fdField{Doc: d, Get: func(r fdRow) value { return get(r.It) }}
}

// ofStat declares a column of what stat shows of a file.
func ofStat(d doc, get func(*fdfacts.Descriptor) value) fdField {
	column := ofFD(d, nil)
	column.Get = func(r fdRow) value {
		switch {
		case r.It.HasStat:
			return get(r.It)
		case saved(r) && r.It.OfFile():
			return explain.None(inspect.NotSaved)
		}
		return explain.None(inspect.Inapplicable)
	}
	return column
}

// saved reports whether it is of a copy, which has the links and not what they lead to.
func saved(r fdRow) bool { return !r.In.Row.Host.Host.Live }

// ofInfo declares a column of what fdinfo shows.
func ofInfo(d doc, get func(*fdfacts.Descriptor) value) fdField {
	d.Source = inspect.PIDFdinfo
	column := ofFD(d, nil)
	column.Get = func(r fdRow) value {
		if !r.It.HasInfo {
			return explain.None(noInfo(r))
		}
		return get(r.It)
	}
	return column
}

// noInfo says why a descriptor has no fdinfo.
func noInfo(r fdRow) inspect.Reason {
	return cmp.Or(r.It.NoInfo, inspect.Unread) // or it was not among the first that were looked at
}

// fdOpened are the columns of the descriptor itself.
func fdOpened() []fdField {
	flags := ofInfo(doc{Key: "flags", Show: explain.Data, Words: flagWords(), Gist: "How it was opened: O_*, without those of access."}, nil)
	flags.Get = func(r fdRow) value {
		if !r.It.HasInfo {
			return explain.None(noInfo(r))
		}
		var out []value
		for _, name := range flagsOf(r.It.Flags, r.In.Row.Host.Host.Arch) {
			out = append(out, explain.S(name))
		}
		return explain.L(out)
	}
	return []fdField{
		ofFD(doc{
			Key: "fd", Label: "FD", Unit: explain.Plain,
			Gist: "The number of the descriptor.",
		}, func(f *fdfacts.Descriptor) value { return explain.I(f.N) }),
		ofFD(doc{Key: "kind", Words: kinds(), Gist: "What it leads to."}, func(f *fdfacts.Descriptor) value {
			return explain.S(f.Kind.String())
		}),
		ofInfo(doc{
			Key:  "mode",
			Gist: "r for reading, w for writing, - for a place that is not open (O_PATH).",
		}, func(f *fdfacts.Descriptor) value { return explain.S(modeOf(f)) }),
		flags,
		ofInfo(doc{
			Key: "pos", Unit: explain.Bytes, Show: explain.Wide,
			Gist: "Where the next read or write is; several descriptors may share it.",
		}, func(f *fdfacts.Descriptor) value {
			if f.Kind != procfacts.KindFile && f.Kind != procfacts.KindMemfd && f.Kind != procfacts.KindBlock || f.Pos < 0 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(f.Pos)
		}),
	}
}

// fdOnDisk are the columns of the file that it leads to.
func fdOnDisk() []fdField {
	ofMount := func(d doc, get func(*fdfacts.MountPoint) string) fdField {
		d.Source, d.Show = inspect.PIDMountinfo, explain.Data
		return ofFD(d, func(f *fdfacts.Descriptor) value {
			if f.Mount == nil {
				return explain.None(inspect.Inapplicable)
			}
			return explain.S(get(f.Mount))
		})
	}
	inode := ofStat(doc{
		Key: "inode", Unit: explain.ID, Show: explain.Data,
		Gist: "The number of its inode there.",
	}, func(f *fdfacts.Descriptor) value { return explain.N(f.Inode) })
	byStat := inode.Get
	inode.Get = func(r fdRow) value {
		if saved(r) && r.It.Ino != 0 && r.It.OfFile() {
			return explain.N(r.It.Ino)
		}
		return byStat(r)
	}
	return []fdField{
		ofStat(doc{Key: "size", Unit: explain.Bytes, Show: explain.Wide, Gist: "How long the file is."}, func(f *fdfacts.Descriptor) value {
			if f.Kind != procfacts.KindFile && f.Kind != procfacts.KindMemfd && f.Kind != procfacts.KindSecret {
				return explain.None(inspect.Inapplicable)
			}
			return explain.N(f.Size)
		}),
		ofStat(doc{
			Key: "taken", Unit: explain.Bytes, Show: explain.Data,
			Gist: "What it takes of its file system: less than its length where it has holes.",
		}, func(f *fdfacts.Descriptor) value { return explain.N(f.Taken) }),
		ofFD(doc{
			Key: "deleted", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether it is deleted, by the number of its links; in a copy by its link.",
		}, func(f *fdfacts.Descriptor) value {
			if !f.HasStat && !f.Saved && (f.Kind == procfacts.KindPath || f.Kind == procfacts.KindDevice) {
				return explain.None(inspect.Unread)
			}
			return explain.B(f.Deleted)
		}),
		ofStat(doc{
			Key: "dev", Show: explain.Data,
			Gist: "The device of its file system, major:minor.",
		}, func(f *fdfacts.Descriptor) value { return explain.S(device(f.Dev)) }),
		inode,
		ofMount(doc{Key: "fs", Label: "FS", Gist: "The type of its file system."}, func(m *fdfacts.MountPoint) string { return m.FSType }),
		ofMount(doc{Key: "mount", Gist: "Where that is mounted, as the process sees it."},
			func(m *fdfacts.MountPoint) string { return m.Point }),
	}
}

func device(n uint64) string {
	major, minor := n>>8&0xfff|n>>32&0xfffff000, n&0xff|n>>12&0xffffff00
	return strconv.FormatUint(major, 10) + ":" + strconv.FormatUint(minor, 10)
}

// manyShared is up to how many open files that a relative has each says so itself.
const manyShared = 5

// why says what a descriptor leads to.
func why(r fdRow) string {
	f := r.It
	s := details(r)
	if fl := flagsOf(f.Flags, r.In.Row.Host.Host.Arch); f.HasInfo && len(fl) > 0 {
		s += "; " + strings.Join(fl, " ")
	}
	if f.Same != f.N {
		s += fmt.Sprintf("; the same open file as %d", f.Same)
	}
	if list := r.In.Sharing.Relatives; len(f.Shared) > 0 {
		var who []string
		for _, rel := range list { // who has many is named once, above the table
			if rel.Shared <= manyShared && slices.Contains(f.Shared, rel.P.PID) {
				who = append(who, fmt.Sprintf("%s (%d)", rel.P.Comm, rel.P.PID))
			}
		}
		if len(who) > 0 {
			s += "; shared with " + few(who)
		}
	}
	return s
}

func details(r fdRow) string {
	f := r.It
	switch f.Kind {
	case procfacts.KindFile, procfacts.KindPath:
		return onDisk(r)
	case procfacts.KindDirectory:
		return "directory" + where(f)
	case procfacts.KindChar, procfacts.KindDevice:
		return deviceName(r)
	case procfacts.KindBlock:
		return "block device " + device(f.Rdev) + driver(r, true) + ": reads and writes bypass the file system on it"
	case procfacts.KindMqueue:
		return "POSIX message queue " + f.Link
	case procfacts.KindSecret:
		return "secret memory" + long(f) + ": not even the kernel has it mapped"
	case procfacts.KindPipe, procfacts.KindFIFO:
		return pipe(f, r.In.Relatives)
	case procfacts.KindSocket:
		return socket(f)
	case procfacts.KindMemfd:
		return "a file in memory, without a name" + long(f)
	case procfacts.KindNamespace:
		return "keeps that namespace alive, and lets setns enter it"
	}
	return special(r)
}

// long is how long a file is, where that is known.
func long(f *fdfacts.Descriptor) string {
	if !f.HasStat {
		return ""
	}
	return ", " + units.Size(f.Size) + " long"
}
