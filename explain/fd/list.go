package fd

import (
	"fmt"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
)

// FDs is the table of descriptors of one process.
func FDs() *explain.Table[fdRow] {
	type column = explain.Field[fdRow]
	declare := func(d doc, get func(*inspect.FD) value) column {
		if d.Source == inspect.None {
			d.Source = inspect.PIDFd
		}
		d.Concept = "file-descriptor"
		return column{Doc: d, Get: func(r fdRow) value { return get(r.It) }}
	}
	stat := func(d doc, get func(*inspect.FD) value) column {
		return declare(d, func(f *inspect.FD) value {
			if !f.HasStat {
				return explain.None(inspect.Inapplicable)
			}
			return get(f)
		})
	}
	info := func(d doc, get func(*inspect.FD) value) column {
		d.Source = inspect.PIDFdinfo
		return declare(d, func(f *inspect.FD) value {
			if !f.HasInfo {
				return explain.None(inspect.Masked)
			}
			return get(f)
		})
	}
	flags := info(doc{Key: "flags", Show: explain.Wide, Gist: "How it was opened: O_*, those of access apart."}, nil)
	flags.Get = func(r fdRow) value {
		if !r.It.HasInfo {
			return explain.None(inspect.Masked)
		}
		var out []value
		for _, name := range flagsOf(r.It.Flags, r.List.Row.Host.Host.Arch) {
			out = append(out, explain.S(name))
		}
		return explain.L(out)
	}
	flags.Show = explain.Data
	return &explain.Table[fdRow]{Name: "fds", Fields: []column{
		declare(doc{Key: "fd", Label: "FD", Unit: explain.Plain, Gist: "The number of the descriptor."}, func(f *inspect.FD) value { return explain.I(f.N) }),
		declare(doc{Key: "kind", Words: kinds(), Gist: "What it leads to."}, func(f *inspect.FD) value { return explain.S(f.Kind.String()) }),
		info(doc{Key: "mode", Gist: "r for reading, w for writing, - for a place that is not open (O_PATH)."}, func(f *inspect.FD) value { return explain.S(modeOf(f)) }),
		flags,
		info(doc{Key: "pos", Unit: explain.Bytes, Show: explain.Wide, Gist: "Where the next read or write is; several descriptors may share it."}, func(f *inspect.FD) value {
			if f.Kind != inspect.KindFile && f.Kind != inspect.KindMemfd && f.Kind != inspect.KindBlock || f.Pos < 0 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(f.Pos)
		}),
		stat(doc{Key: "size", Unit: explain.Bytes, Show: explain.Wide, Gist: "How long the file is."}, func(f *inspect.FD) value {
			if f.Kind != inspect.KindFile && f.Kind != inspect.KindMemfd {
				return explain.None(inspect.Inapplicable)
			}
			return explain.N(f.Size)
		}),
		stat(doc{Key: "taken", Unit: explain.Bytes, Show: explain.Data, Gist: "What it takes of its file system: less than its length where it has holes."}, func(f *inspect.FD) value { return explain.N(f.Taken) }),
		declare(doc{Key: "deleted", Unit: explain.Bool, Show: explain.Data, Gist: "Whether it is gone from its directory, by the number of its links."}, func(f *inspect.FD) value { return explain.B(f.Deleted) }),
		stat(doc{Key: "dev", Show: explain.Data, Gist: "The device of its file system, major:minor."}, func(f *inspect.FD) value { return explain.S(device(f.Dev)) }),
		stat(doc{Key: "inode", Unit: explain.ID, Show: explain.Data, Gist: "The number of its inode there."}, func(f *inspect.FD) value { return explain.N(f.Inode) }),
		declare(doc{Key: "fs", Label: "FS", Source: inspect.PIDMountinfo, Show: explain.Data, Gist: "The type of its file system."}, func(f *inspect.FD) value {
			if f.Mount == nil {
				return explain.None(inspect.Inapplicable)
			}
			return explain.S(f.Mount.FSType)
		}),
		declare(doc{Key: "mount", Source: inspect.PIDMountinfo, Show: explain.Data, Gist: "Where that is mounted, as the process sees it."}, func(f *inspect.FD) value {
			if f.Mount == nil {
				return explain.None(inspect.Inapplicable)
			}
			return explain.S(f.Mount.Point)
		}),
		declare(doc{Key: "same_as", Label: "DUP OF", Unit: explain.Plain, Show: explain.Data, Gist: "A lower descriptor of this process with the same open file."}, func(f *inspect.FD) value {
			if f.Same == f.N {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(f.Same)
		}),
		info(doc{Key: "info", Show: explain.Data, Gist: "What fdinfo says of its kind, line by line."}, func(f *inspect.FD) value {
			out := []value{}
			for _, l := range f.Info {
				out = append(out, explain.S(l.Name+": "+l.Value))
			}
			return explain.L(out)
		}),
		declare(doc{Key: "target", Gist: "What the kernel says it leads to."}, func(f *inspect.FD) value { return explain.S(f.Link) }),
		{Doc: doc{Key: "why", Source: inspect.PIDFd, Also: []inspect.Source{inspect.PIDFdinfo, inspect.PIDNet, inspect.PIDMountinfo}, Concept: "file-descriptor", Gist: "What that is, with its particulars."},
			Get: func(r fdRow) value { return explain.S(why(r)) }},
	}}
}

func device(n uint64) string {
	major, minor := n>>8&0xfff|n>>32&0xfffff000, n&0xff|n>>12&0xffffff00
	return strconv.FormatUint(major, 10) + ":" + strconv.FormatUint(minor, 10)
}

// why says what a descriptor leads to.
func why(r fdRow) string {
	f := r.It
	s := particulars(r)
	if fl := flagsOf(f.Flags, r.List.Row.Host.Host.Arch); f.HasInfo && len(fl) > 0 {
		s += "; " + strings.Join(fl, " ")
	}
	if f.Same != f.N {
		s += fmt.Sprintf("; the same open file as %d", f.Same)
	}
	if len(f.Shared) > 0 {
		var who []string
		for _, pid := range f.Shared[:min(len(f.Shared), 3)] {
			who = append(who, strconv.Itoa(int(pid)))
		}
		s += "; shared with process " + strings.Join(who, ", ")
		if n := len(f.Shared) - len(who); n > 0 {
			s += fmt.Sprintf(" and %d more", n)
		}
	}
	return s
}

func particulars(r fdRow) string {
	f := r.It
	switch f.Kind {
	case inspect.KindFile, inspect.KindPath:
		return onDisk(f)
	case inspect.KindDirectory:
		return "directory" + where(f)
	case inspect.KindChar, inspect.KindDevice:
		return deviceName(f)
	case inspect.KindBlock:
		return "block device " + device(f.Rdev) + ": reads and writes bypass the file system on it"
	case inspect.KindPipe, inspect.KindFIFO:
		return pipe(f, r.List.Relatives)
	case inspect.KindSocket:
		return socket(f) + peer(f)
	case inspect.KindMemfd:
		return "memory that is a file without a name, " + explain.Size(f.Size) + " long"
	case inspect.KindNamespace:
		return "keeps that namespace alive, and lets setns enter it"
	}
	return special(r)
}
