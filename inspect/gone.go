package inspect

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Keeper is a process that keeps a file which is gone from its directory.
type Keeper struct {
	P      *Process
	FDs    []int32
	Mapped bool // in its memory
	Runs   bool // as its program
	// Appends and Writes say that it may write at the end, or at an offset of its own.
	Appends, Writes bool
}

// GoneFile is a file that is gone from its directory and that somebody keeps.
type GoneFile struct {
	Path string
	onDisk
	Mount   *MountPoint // nil where the first who keeps it does not see it
	Keepers []Keeper
}

// GoneFiles are all such files of a host, those that take most first.
type GoneFiles struct {
	Procs *Procs
	List  []GoneFile
	// Denied is how many processes don't show their descriptors, of All; MapsDenied
	// how many have files mapped that seem to be gone and may not be looked at.
	Denied, All, MapsDenied int
}

// Missing says that what is listed was seen.
func (l *GoneFiles) Missing(Source) Reason { return Present }

// Before says that they are not followed over an interval.
func (l *GoneFiles) Before() (*GoneFiles, time.Duration, bool) { return nil, 0, false }

// Kernel returns the kernel that was read.
func (l *GoneFiles) Kernel() Version { return l.Procs.Host.Host.Kernel }

// Len returns how many there are.
func (l *GoneFiles) Len() int { return len(l.List) }

// At returns one of them.
func (l *GoneFiles) At(i int) GonePart { return GonePart{l, &l.List[i]} }

// Keepers counts the processes that keep any.
func (l *GoneFiles) Keepers() int {
	who := map[int32]bool{}
	for i := range l.List {
		for _, k := range l.List[i].Keepers {
			who[k.P.PID] = true
		}
	}
	return len(who)
}

// Gaps says how many processes could not be looked at.
func (l *GoneFiles) Gaps() (out []Gap) {
	if l.Denied > 0 {
		out = append(out, Gap{PIDFd, Denied, l.Denied, l.All})
	}
	if l.MapsDenied > 0 {
		out = append(out, Gap{PIDMapFiles, Denied, l.MapsDenied, l.All})
	}
	return out
}

// GonePart is one of them in its context.
type GonePart struct {
	All *GoneFiles
	It  *GoneFile
}

// Missing says that what is listed was seen.
func (p GonePart) Missing(Source) Reason { return Present }

// Before says that it is not followed over an interval.
func (p GonePart) Before() (GonePart, time.Duration, bool) { return GonePart{}, 0, false }

// Kernel returns the kernel that was read.
func (p GonePart) Kernel() Version { return p.All.Kernel() }

// DeletedFiles finds the files that are gone from their directories and still take
// space: open, mapped, or run.
func (h *Host) DeletedFiles(ps *Procs) *GoneFiles {
	l := &GoneFiles{Procs: ps}
	var mu sync.Mutex
	at := map[[2]uint64]int{}
	scan := h.FDs(ps, nil)
	_, seen, denied := scan.Totals()
	l.Denied, l.All = denied, seen+denied
	h.eachChunk(len(ps.Rows), func(_ *pidReader, i int) {
		if ps.Rows[i].Kthread() {
			return
		}
		w := goneWalker{h: h, p: &ps.Rows[i], found: map[[2]uint64]*GoneFile{}}
		w.walk(scan.Counts[i].Deleted)
		mu.Lock()
		defer mu.Unlock()
		if w.denied {
			l.MapsDenied++
		}
		for k, f := range w.found {
			if n, ok := at[k]; ok {
				l.List[n].Keepers = append(l.List[n].Keepers, f.Keepers...)
				continue
			}
			at[k] = len(l.List)
			l.List = append(l.List, *f)
		}
	})
	slices.SortFunc(l.List, func(a, b GoneFile) int {
		return cmp.Or(cmp.Compare(b.Taken, a.Taken), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Inode, b.Inode))
	})
	for i := range l.List {
		slices.SortFunc(l.List[i].Keepers, func(a, b Keeper) int { return cmp.Compare(a.P.PID, b.P.PID) })
	}
	return l
}

// goneWalker finds what one process keeps.
type goneWalker struct {
	h      *Host
	p      *Process
	found  map[[2]uint64]*GoneFile
	mounts *mountTable
	denied bool // it has mapped what seems to be gone, and may not be looked at
}

func (w *goneWalker) walk(open []DeletedFile) {
	dir := w.p.dir()
	for _, d := range open {
		var info FD
		if w.h.proc.with(dir+"/fdinfo/"+strconv.Itoa(int(d.FD)), info.parseInfo) != nil {
			info = FD{MountID: -1}
		}
		f := w.file(d.Path, d.onDisk)
		if on := w.table().byID[info.MountID]; on != nil {
			f.Mount = on
		}
		k := &f.Keepers[0]
		k.FDs = append(k.FDs, d.FD)
		if info.Flags&unix.O_ACCMODE != unix.O_RDONLY {
			k.Appends, k.Writes = k.Appends || info.Flags&unix.O_APPEND != 0, k.Writes || info.Flags&unix.O_APPEND == 0
		}
	}
	if to, err := w.h.proc.link(dir + "/exe"); err == nil && strings.HasSuffix(to, deletedSuffix) && !noDisk([]byte(" "+to)) {
		if st, err := w.h.follow(dir + "/exe"); err == nil && st.Nlink == 0 {
			w.file(to, onDiskOf(&st)).Keepers[0].Runs = true
		}
	}
	w.maps()
}

const deletedSuffix = " (deleted)"

// file returns the entry of a file.
func (w *goneWalker) file(path string, d onDisk) *GoneFile {
	key := [2]uint64{d.Dev, d.Inode}
	f := w.found[key]
	if f == nil {
		f = &GoneFile{Path: strings.TrimSuffix(path, deletedSuffix), onDisk: d, Mount: w.table().byDev[d.Dev], Keepers: []Keeper{{P: w.p}}}
		w.found[key] = f
	}
	return f
}

func (w *goneWalker) table() *mountTable {
	if w.mounts == nil {
		t, _ := w.h.readMounts(w.p.dir()) // without it their file systems are not named
		w.mounts = &t
	}
	return w.mounts
}

// maps finds deleted files that are mapped. What they are only map_files tells,
// which takes a right that /proc/PID/maps does not.
func (w *goneWalker) maps() {
	looked := map[string]bool{} // by device, inode and path
	_ = w.h.proc.with(w.p.dir()+"/maps", func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = cutLine(b)
			if !bytes.HasSuffix(line, []byte(deletedSuffix)) || noDisk(line) {
				continue
			}
			var m mapping
			if !m.parse(line) {
				continue
			}
			at := fmt.Sprint(m.dev, m.inode, m.path)
			if looked[at] {
				continue
			}
			looked[at] = true
			w.mapped(&m)
		}
		return nil
	})
}

func (w *goneWalker) mapped(m *mapping) {
	st, err := w.h.follow(fmt.Sprintf("%s/map_files/%x-%x", w.p.dir(), m.start, m.end))
	switch {
	case err == nil && st.Nlink == 0:
		f := w.file(m.path, onDiskOf(&st))
		f.Keepers[0].Mapped = true
		if f.Mount == nil {
			f.Mount = w.table().byDev[m.dev]
		}
	case err != nil:
		for _, f := range w.found { // known by a descriptor, or as the program
			if f.Inode == m.inode && f.Path == strings.TrimSuffix(m.path, deletedSuffix) {
				f.Keepers[0].Mapped = true
				return
			}
		}
		w.denied = w.denied || reasonFor(err) == Denied
	}
}

// noDisk tells whether a mapping that is called deleted never had a name on a disk.
func noDisk(line []byte) bool {
	for _, part := range []string{"/memfd:", "/SYSV", "/dev/zero", "/[aio]", "/anon_hugepage", "/drm mm object", "/i915", "/secretmem"} {
		if bytes.Contains(line, []byte(" "+part)) {
			return true
		}
	}
	return false
}
