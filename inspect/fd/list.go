package fd

import (
	"cmp"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// Descriptor is one descriptor of a process and what it leads to.
type Descriptor struct {
	N       int32
	Link    string // as the kernel words it
	Kind    proc.FileKind
	Deleted bool // gone from its directory, by the number of its links; in a copy by what its link says
	Saved   bool // it is of a copy, which has the link and nothing that it leads to

	// From fdinfo. Flags are O_*; Pos is where the next read or write is.
	HasInfo bool
	NoInfo  inspect.Reason // why there is none
	Flags   uint64
	Pos     int64
	MountID int64
	Ino     uint64     // its inode's number, as stat has it too; 0 before 5.14
	Info    []InfoLine // what is particular to its kind, in order

	// From stat, where it is a file.
	HasStat     bool
	Late        bool // its file system did not answer in time
	Dev, Inode  uint64
	Rdev        uint64
	Size, Taken uint64 // bytes

	Mount  *MountPoint
	Socket *Socket
	Proto  string  // of a socket that /proc/net does not list, by the kernel's name of its protocol
	Ends   []End   // of a pipe or FIFO: others that have it; of a unix socket: who has its peer
	Same   int32   // the lowest descriptor of this process with the same open file, itself if none is lower
	Shared []int32 // parent and children that have the same open file
}

// InfoLine is a line of fdinfo.
type InfoLine struct{ Name, Value string }

// End is a process that has an end of a pipe.
type End struct {
	P      *proc.Process
	FD     int32
	Writes bool
	// Untold says that its fdinfo, whose flags say which end it is, could not be read.
	Untold bool
}

// List is what one process has open.
type List struct {
	Row     proc.Row
	List    []Descriptor
	Size    int        // how many descriptors it has, where it is Sized
	Sized   bool       // the list is denied, and the size of its directory is not
	Limit   proc.Limit // of open files
	Sources map[inspect.Source]inspect.Reason
	Was     *List

	// Shown is how many of the list, from the first, were looked at closely: of the
	// others there is the link alone.
	Shown int
	// Sharing is what is known of open files that several descriptors lead to.
	Sharing Sharing
	// Relatives says that who has the other ends of pipes was looked for among
	// parent, children and those of its session only: the host has too much open.
	Relatives bool

	// Servers are who serves the FUSE file systems that did not answer in time, by device.
	Servers map[uint64][]*proc.Process

	mounts  mountTable
	drivers map[uint64]string // by device; a minor of all ones stands for any
}

// Missing says why a source gave nothing.
func (l *List) Missing(s inspect.Source) inspect.Reason {
	if r, ok := l.Sources[s]; ok {
		return r
	}
	if s.Scope() == inspect.OfProcess {
		return l.Row.Missing(s)
	}
	return inspect.Present
}

// Count returns how many descriptors it has: those of the list, or by the size of their directory.
func (l *List) Count() int {
	if l.Sized {
		return l.Size
	}
	return len(l.List)
}

// Stood reports whether a value, by its key, is of the size of the directory and not of its entries.
func (l *List) Stood(declared inspect.Source, key string) (instead inspect.Source, ok bool) {
	return inspect.PIDFd, l.Sized && declared == inspect.PIDFd && key == "open_fds"
}

// Before returns the sample an interval ago.
func (l *List) Before() (*List, time.Duration, bool) {
	if l.Was == nil {
		return nil, 0, false
	}
	return l.Was, l.Row.Host.At.Sub(l.Was.Row.Host.At), true
}

// Kernel returns the kernel that was read.
func (l *List) Kernel() inspect.Kernel { return l.Row.Kernel() }

// Doubt says why what a source says is not the kernel's own.
func (l *List) Doubt(src inspect.Source) inspect.Doubt { return l.Row.Doubt(src) }

// Gaps lists what could not be seen.
func (l *List) Gaps() (out []inspect.Gap) {
	for _, s := range slices.Sorted(maps.Keys(l.Sources)) {
		if r := l.Sources[s]; r.IsGap() && r != inspect.Unread {
			out = append(out, inspect.Gap{Source: s, Reason: r, Count: 1, Of: 1})
		}
	}
	return append(out, l.Row.Gaps()...)
}

// TakeList reads what a process of a scan has open, and looks closely at the first
// limit of them; 0 is all. It looks who else has its pipes, for which it goes
// through the descriptors of all processes, unless these are more than a host has
// time for.
func TakeList(h *inspect.Host, ps *proc.Processes, pid int32, limit int) (*List, error) {
	i, ok := ps.Row(pid)
	if !ok || len(ps.Fill([]int32{i}, inspect.Of(inspect.PIDStat, inspect.PIDStatus))) == 0 {
		return nil, h.NoProcess(pid)
	}
	l := &List{Row: ps.At(int(i)), Sources: map[inspect.Source]inspect.Reason{}}
	dir := l.Row.P.Home(h)
	var err error
	l.List, err = links(h, dir)
	if l.Sources[inspect.PIDFd] = h.PidReason(dir, err); l.Sources[inspect.PIDFd] == inspect.Denied {
		l.Size, l.Sized, _ = proc.SizeOfFDs(h, dir+"/fd")
	}
	if err == nil && len(l.List) == 0 {
		_, l.Sources[inspect.PIDFd] = proc.NoFDs(h, l.Row.P)
	}
	l.Shown = len(l.List)
	if limit > 0 {
		l.Shown = min(l.Shown, limit)
	}
	var d proc.Detail
	l.Limit.Soft, l.Limit.Hard = inspect.Garbled, inspect.Garbled // of a file without that line
	l.Sources[inspect.PIDLimits] = h.PidReason(dir, h.Proc.With(dir+"/limits", d.ParseLimits))
	for _, bound := range d.Limits {
		if bound.Name == "open files" {
			l.Limit = bound
		}
	}
	l.Sources[inspect.PIDFdinfo], l.Sources[inspect.PIDNet] = l.Sources[inspect.PIDFd], inspect.Present
	if l.Sources[inspect.PIDFd] != inspect.Present {
		return l, nil
	}
	proc.EachChunk(h, len(l.List), func(_ *proc.Reader, i int) {
		f := &l.List[i]
		name := strconv.Itoa(int(f.N))
		if i < l.Shown {
			err := h.Proc.With(dir+"/fdinfo/"+name, f.parseInfo)
			f.HasInfo, f.NoInfo = err == nil, h.PidReason(dir, err)
		}
		if i < l.Shown || strings.HasSuffix(f.Link, " (deleted)") {
			statFD(h, dir, name, f)
		}
	})
	mountsOf(h, l, dir)
	serversOf(l, ps)
	socketsOf(h, l, dir)
	protocols(h, l, dir)
	unmounted(h, l, dir)
	drivers(h, l)
	sharing(h, l, ps)
	ends(h, l, ps)
	return l, nil
}

// serversOf finds who serves the file systems that did not answer, where these are of FUSE.
func serversOf(l *List, ps *proc.Processes) {
	for i := range l.List {
		f := &l.List[i]
		if !f.Late || f.Mount == nil || !strings.HasPrefix(f.Mount.FSType, "fuse") {
			continue
		}
		if l.Servers == nil {
			l.Servers = map[uint64][]*proc.Process{}
		}
		if _, known := l.Servers[f.Mount.Dev]; !known {
			l.Servers[f.Mount.Dev] = ps.ServersOf(f.Mount.Dev)
		}
	}
}

// links reads where the descriptors of a process lead, in order of their numbers:
// one system call each, by two workers.
func links(h *inspect.Host, dir string) ([]Descriptor, error) {
	open, err := h.Proc.Open(dir + "/fd")
	if err != nil {
		return nil, err
	}
	defer open.Close()
	names, ends, err := entries(&open)
	if err != nil {
		return nil, err
	}
	list := make([]Descriptor, len(ends))
	var denied atomic.Bool
	walkers := sync.Pool{New: func() any { return &linker{to: make([]byte, 4096), known: map[string]string{}, saved: !h.Live} }}
	proc.EachChunk(h, len(ends), func(_ *proc.Reader, i int) {
		w := walkers.Get().(*linker)
		defer walkers.Put(w)
		from := 0
		if i > 0 {
			from = ends[i-1] + 1
		}
		if !w.read(&open, names[from:ends[i]], &list[i]) {
			denied.Store(true)
		}
	})
	list = slices.DeleteFunc(list, func(f Descriptor) bool { return f.N < 0 })
	slices.SortFunc(list, func(a, b Descriptor) int { return cmp.Compare(a.N, b.N) })
	if denied.Load() && len(list) == 0 {
		return nil, &fs.PathError{Op: "read", Path: h.Proc.Root + "/" + dir + "/fd", Err: unix.EACCES}
	}
	return list, nil
}

// entries returns the names in a directory, each followed by a zero byte, and where
// they end.
func entries(d *inspect.Dir) (names []byte, ends []int, err error) {
	if n := d.Size(); n > 0 && n < 1<<20 {
		names, ends = make([]byte, 0, 8*n), make([]int, 0, n+16)
	}
	err = d.Each(make([]byte, 32<<10), func(name []byte) {
		if _, ok := inspect.ParseUint(name); ok {
			names = append(append(names, name...), 0)
			ends = append(ends, len(names)-1)
		}
	})
	return names, ends, err
}

// linker reads links into a buffer of its own, and keeps each text once: who has
// thousands of descriptors has many that lead to the same.
type linker struct {
	to    []byte
	known map[string]string
	saved bool // of a copy
}

// read reads one link; f.N is negative where there is none. ok is false where it
// may not be seen.
func (w *linker) read(dir *inspect.Dir, name []byte, f *Descriptor) (ok bool) {
	number, good := inspect.ParseUint(name)
	f.N, f.MountID = -1, -1
	if !good || number > 1<<30 {
		return true
	}
	n, errno := dir.Readlink(name, w.to)
	switch {
	case errno == unix.EACCES || errno == unix.EPERM:
		return false
	case errno != 0 || n == 0:
		return true // closed meanwhile
	}
	link, seen := w.known[string(w.to[:n])]
	if !seen {
		link = string(w.to[:n])
		w.known[link] = link
	}
	f.N, f.Same, f.Link = int32(number), int32(number), link
	var gone bool
	f.Kind, gone = proc.KindOf(w.to[:n])
	f.Saved, f.Deleted = w.saved, w.saved && gone
	return true
}

// OfFile reports whether it is of a file that stat shows something of.
func (f *Descriptor) OfFile() bool {
	switch f.Kind {
	case proc.KindPath, proc.KindDevice, proc.KindMemfd, proc.KindPipe, proc.KindSecret, proc.KindFile, proc.KindDirectory,
		proc.KindChar, proc.KindBlock, proc.KindFIFO:
		return true
	}
	return false
}

// statFD looks at the file itself: which kind, where, how large. A descriptor that
// is no file of a file system, or one that is on a server, is left alone where
// that is known beforehand.
func statFD(h *inspect.Host, dir, name string, f *Descriptor) {
	switch f.Kind {
	case proc.KindPath, proc.KindDevice, proc.KindMemfd, proc.KindPipe, proc.KindSecret:
	default:
		return
	}
	st, err := proc.Follow(h, dir+"/fd/"+name)
	if err != nil {
		f.Late = inspect.ReasonOf(err) == inspect.TimedOut
		return
	}
	on := proc.OnDiskOf(&st)
	f.HasStat, f.Dev, f.Inode, f.Rdev = true, on.Dev, on.Inode, proc.Wide(st.Rdev)
	f.Size, f.Taken = on.Size, on.Taken
	if f.Kind == proc.KindMemfd || f.Kind == proc.KindPipe || f.Kind == proc.KindSecret && st.Nlink > 0 {
		return
	}
	f.Deleted = st.Nlink == 0
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f.Kind = proc.KindFile
	case unix.S_IFDIR:
		f.Kind = proc.KindDirectory
	case unix.S_IFCHR:
		f.Kind = proc.KindChar
	case unix.S_IFBLK:
		f.Kind = proc.KindBlock
	case unix.S_IFIFO:
		f.Kind = proc.KindFIFO
	case unix.S_IFSOCK:
		f.Kind = proc.KindSocket
	}
}

// Part is one descriptor in its context.
type Part = inspect.Part[*List, Descriptor]

// Len returns how many there are, all of them.
func (l *List) Len() int { return len(l.List) }

// At returns one of them.
func (l *List) At(i int) Part { return Part{In: l, It: &l.List[i], N: i} }
