package inspect

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// FD is one descriptor of a process and what it leads to.
type FD struct {
	N       int32
	Link    string // as the kernel words it
	Kind    FileKind
	Deleted bool // gone from its directory, by the number of its links

	// From fdinfo. Flags are O_*; Pos is where the next read or write is.
	HasInfo bool
	Flags   uint64
	Pos     int64
	MountID int64
	Info    []InfoLine // what is particular to its kind, in order

	// From stat, where it is a file.
	HasStat     bool
	Dev, Inode  uint64
	Rdev        uint64
	Size, Taken uint64 // bytes

	Mount  *MountPoint
	Socket *Socket
	Proto  string  // of a socket that /proc/net does not list, by the kernel's name of its protocol
	Ends   []FDEnd // of a pipe or FIFO: others that have it; of a unix socket: who has its peer
	Same   int32   // the lowest descriptor of this process with the same open file, itself if none is lower
	Shared []int32 // parent and children that have the same open file
}

// InfoLine is a line of fdinfo.
type InfoLine struct{ Name, Value string }

// FDEnd is a process that has an end of a pipe.
type FDEnd struct {
	P      *Process
	FD     int32
	Writes bool
}

// FDList is what one process has open.
type FDList struct {
	Row     Proc
	List    []FD
	Limit   Limit // of open files
	Sources map[Source]Reason
	Was     *FDList

	// Shown is how many of the list, from the first, were looked at closely: of the
	// others there is the link alone.
	Shown int
	// Sharing is what is known of open files that several descriptors lead to.
	Sharing Sharing
	// Relatives says that who has the other ends of pipes was looked for among
	// parent, children and those of its session only: the host has too much open.
	Relatives bool

	mounts  mountTable
	drivers map[uint64]string // by device; a minor of all ones stands for any
}

// Missing says why a source gave nothing.
func (l *FDList) Missing(s Source) Reason {
	if r, ok := l.Sources[s]; ok {
		return r
	}
	if s >= PIDStat {
		return l.Row.Missing(s)
	}
	return Present
}

// Before returns the sample an interval ago.
func (l *FDList) Before() (*FDList, time.Duration, bool) {
	if l.Was == nil {
		return nil, 0, false
	}
	return l.Was, l.Row.Host.At.Sub(l.Was.Row.Host.At), true
}

// Kernel returns the kernel that was read.
func (l *FDList) Kernel() Version { return l.Row.Kernel() }

// Gaps lists what could not be seen.
func (l *FDList) Gaps() (out []Gap) {
	for _, s := range slices.Sorted(maps.Keys(l.Sources)) {
		if r := l.Sources[s]; r.IsGap() && r != Unread {
			out = append(out, Gap{s, r, 1, 1})
		}
	}
	return append(out, l.Row.Gaps()...)
}

// FDList reads what a process of a scan has open, and looks closely at the first
// limit of them; 0 is all. It looks who else has its pipes, for which it goes
// through the descriptors of all processes, unless these are more than a host has
// time for.
func (h *Host) FDList(ps *Procs, pid int32, limit int) (*FDList, error) {
	i, ok := ps.Row(pid)
	if !ok || len(ps.Fill([]int32{i}, Of(PIDStat, PIDStatus))) == 0 {
		return nil, noProcess(pid)
	}
	l := &FDList{Row: ps.At(int(i)), Sources: map[Source]Reason{}}
	dir := l.Row.P.dir()
	var err error
	l.List, err = h.links(dir)
	l.Sources[PIDFd] = h.pidReason(dir, err)
	l.Shown = len(l.List)
	if limit > 0 {
		l.Shown = min(l.Shown, limit)
	}
	var d ProcDetail
	l.Sources[PIDLimits] = h.pidReason(dir, h.proc.with(dir+"/limits", d.parseLimits))
	for _, bound := range d.Limits {
		if bound.Name == "open files" {
			l.Limit = bound
		}
	}
	l.Sources[PIDFdinfo], l.Sources[PIDNet] = l.Sources[PIDFd], Present
	if l.Sources[PIDFd] != Present {
		return l, nil
	}
	h.eachChunk(len(l.List), func(_ *pidReader, i int) {
		f := &l.List[i]
		name := strconv.Itoa(int(f.N))
		if i < l.Shown {
			f.HasInfo = h.proc.with(dir+"/fdinfo/"+name, f.parseInfo) == nil
		}
		if i < l.Shown || strings.HasSuffix(f.Link, " (deleted)") {
			h.statFD(dir, name, f)
		}
	})
	h.mountsOf(l, dir)
	h.socketsOf(l, dir)
	h.protocols(l, dir)
	h.unmounted(l, dir)
	h.drivers(l)
	h.sharing(l, ps)
	h.ends(l, ps)
	return l, nil
}

// links reads where the descriptors of a process lead, in order of their numbers:
// one system call each, by two workers.
func (h *Host) links(dir string) ([]FD, error) {
	path := h.proc.root + "/" + dir + "/fd"
	fd, err := unix.Openat(h.proc.fd, dir+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: path, Err: err}
	}
	defer unix.Close(fd)
	names, ends, err := entries(fd)
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: path, Err: err}
	}
	list := make([]FD, len(ends))
	var denied atomic.Bool
	walkers := sync.Pool{New: func() any { return &linker{to: make([]byte, 4096), known: map[string]string{}} }}
	h.eachChunk(len(ends), func(_ *pidReader, i int) {
		w := walkers.Get().(*linker)
		defer walkers.Put(w)
		from := 0
		if i > 0 {
			from = ends[i-1] + 1
		}
		if !w.read(fd, names[from:ends[i]], &list[i]) {
			denied.Store(true)
		}
	})
	list = slices.DeleteFunc(list, func(f FD) bool { return f.N < 0 })
	slices.SortFunc(list, func(a, b FD) int { return cmp.Compare(a.N, b.N) })
	if denied.Load() && len(list) == 0 {
		return nil, &fs.PathError{Op: "read", Path: path, Err: unix.EACCES}
	}
	return list, nil
}

// entries returns the names in a directory, each followed by a zero byte, and where
// they end.
func entries(fd int) (names []byte, ends []int, err error) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil && st.Size > 0 && st.Size < 1<<20 { // how many there are, since 6.2
		names, ends = make([]byte, 0, 8*st.Size), make([]int, 0, st.Size+16)
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, nil, err
		case n <= 0:
			return names, ends, nil
		}
		eachName(buf[:n], func(name []byte) {
			if _, ok := parseUint(name); ok {
				names = append(append(names, name...), 0)
				ends = append(ends, len(names)-1)
			}
		})
	}
}

// linker reads links into a buffer of its own, and keeps each text once: who has
// thousands of descriptors has many that lead to the same.
type linker struct {
	to    []byte
	known map[string]string
}

// read reads one link; f.N is negative where there is none. ok is false where it
// may not be seen.
func (w *linker) read(dir int, name []byte, f *FD) (ok bool) {
	number, good := parseUint(name)
	f.N, f.MountID = -1, -1
	if !good || number > 1<<30 {
		return true
	}
	n, errno := readlink(dir, name, w.to)
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
	f.Kind, _ = kindOf(w.to[:n])
	return true
}

// statFD looks at the file itself: which kind, where, how large. A descriptor that
// is no file of a file system, or one that is on a server, is left alone where
// that is known beforehand.
func (h *Host) statFD(dir, name string, f *FD) {
	if f.Kind != KindPath && f.Kind != KindDevice && f.Kind != KindMemfd && f.Kind != KindPipe && f.Kind != KindSecret {
		return
	}
	st, err := h.follow(dir + "/fd/" + name)
	if err != nil {
		return
	}
	const block = 512 // stat(2)
	f.HasStat, f.Dev, f.Inode, f.Rdev, f.Size, f.Taken = true, wide(st.Dev), st.Ino, wide(st.Rdev), uint64(max(st.Size, 0)), uint64(max(st.Blocks, 0))*block
	if f.Kind == KindMemfd || f.Kind == KindPipe || f.Kind == KindSecret && st.Nlink > 0 {
		return
	}
	f.Deleted = st.Nlink == 0
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f.Kind = KindFile
	case unix.S_IFDIR:
		f.Kind = KindDirectory
	case unix.S_IFCHR:
		f.Kind = KindChar
	case unix.S_IFBLK:
		f.Kind = KindBlock
	case unix.S_IFIFO:
		f.Kind = KindFIFO
	case unix.S_IFSOCK:
		f.Kind = KindSocket
	}
}

// FDPart is one descriptor in its context.
type FDPart struct {
	List *FDList
	It   *FD
}

// Missing says why a source gave nothing.
func (p FDPart) Missing(s Source) Reason { return p.List.Missing(s) }

// Before says that a descriptor is not followed over an interval.
func (p FDPart) Before() (FDPart, time.Duration, bool) { return FDPart{}, 0, false }

// Kernel returns the kernel that was read.
func (p FDPart) Kernel() Version { return p.List.Kernel() }

// Len returns how many there are, all of them.
func (l *FDList) Len() int { return len(l.List) }

// At returns one of them.
func (l *FDList) At(i int) FDPart { return FDPart{l, &l.List[i]} }
