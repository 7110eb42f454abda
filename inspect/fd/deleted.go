package fd

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/mem"
	"kwhy/inspect/proc"
)

// Keeper is a process that keeps a file which is gone from its directory.
type Keeper struct {
	P      *proc.Process
	FDs    []int32
	Mapped bool // in its memory
	Runs   bool // as its program
	// Appends and Writes say that it may write at the end, or at an offset of its own.
	Appends, Writes bool
}

// DeletedFile is a file that is gone from its directory and that somebody keeps.
type DeletedFile struct {
	Path string
	proc.OnDisk
	Mount   *MountPoint // nil where the first who keeps it does not see it
	Keepers []Keeper
	Kernel  []string // what of the kernel keeps it: "loop0", "swap"
	// Memory says that it takes memory or swap, and no disk: it is on tmpfs or the like.
	Memory bool
	Untold bool // what it takes is not shown, nor who it is but for its path
	// Replaced answers of a program that runs whether another file has its path now.
	Replaced inspect.Answer
	Saved    bool // of a copy, which has no sizes: dev and inode are 0 where nothing else tells them
}

// DeletedFiles are all such files of a host, those that take most first.
type DeletedFiles struct {
	inspect.Unpaired[*DeletedFiles]

	Procs *proc.Processes
	List  []DeletedFile
	// MapsDenied is how many of All processes have files mapped that seem to be gone and may not
	// be looked at.
	All, MapsDenied int
	// InFlight are files on their way through unix sockets, Rings those registered with
	// io_uring: a file may be among them that is deleted and in no list.
	InFlight, Rings []Unlisted

	seen  inspect.Seen
	maps  inspect.Seen // the same with what they have mapped
	infos inspect.Seen // and with the fdinfo of sockets and rings
	gaps  []inspect.Gap
	why   map[inspect.Source]inspect.Reason // of what is not read of each process
}

// Missing says why a source that is not read of each process gave nothing.
func (l *DeletedFiles) Missing(s inspect.Source) inspect.Reason { return l.why[s] }

// SeenOf returns how many processes showed what they keep open.
func (l *DeletedFiles) SeenOf(s inspect.Source) inspect.Seen {
	switch {
	case s == inspect.PIDFdinfo:
		return l.infos
	case s == inspect.PIDMapFiles:
		return l.maps
	case s.Scope() != inspect.OfProcess:
		return inspect.Seen{}
	}
	return l.seen
}

// Seen is the same of the list.
func (l *DeletedFiles) Seen() inspect.Seen { return l.seen }

// Kernel returns the kernel that was read.
func (l *DeletedFiles) Kernel() inspect.Kernel { return l.Procs.Host.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (l *DeletedFiles) Doubt(src inspect.Source) inspect.Doubt { return l.Procs.Host.Host.Doubt(src) }

// Len returns how many there are.
func (l *DeletedFiles) Len() int { return len(l.List) }

// At returns one of them.
func (l *DeletedFiles) At(i int) DeletedPart { return DeletedPart{In: l, It: &l.List[i], N: i} }

// Keepers counts the processes that keep any.
func (l *DeletedFiles) Keepers() int {
	who := map[int32]bool{}
	for i := range l.List {
		for _, k := range l.List[i].Keepers {
			who[k.P.PID] = true
		}
	}
	return len(who)
}

// Gaps says how many processes could not be looked at.
func (l *DeletedFiles) Gaps() (out []inspect.Gap) {
	out = append(out, l.gaps...)
	if l.MapsDenied > 0 {
		out = append(out, inspect.Gap{Source: inspect.PIDMapFiles, Reason: inspect.Denied, Count: l.MapsDenied, Of: l.All})
	}
	return append(out, kernelGaps(l.why)...)
}

// DeletedPart is one of them in its context.
type DeletedPart = inspect.Part[*DeletedFiles, DeletedFile]

// TakeDeleted finds the files that are gone from their directories and still take
// space: open, mapped, or run.
func TakeDeleted(h *inspect.Host, ps *proc.Processes) *DeletedFiles {
	l := &DeletedFiles{Procs: ps, why: map[inspect.Source]inspect.Reason{}}
	var mu sync.Mutex
	at := map[fileID]int{}
	var others []special
	scan := proc.ScanFDs(h, ps, func(row int, fd int32, link []byte, k proc.FileKind) {
		if k == proc.KindSocket || k == proc.KindIOUring {
			mu.Lock()
			defer mu.Unlock()
			others = append(others, special{row: int32(row), fd: fd, link: string(link), kind: k})
		}
	})
	l.seen, l.gaps = scan.Seen(), scan.Gaps()
	l.All = l.seen.All
	whys := make([]inspect.Reason, len(ps.Rows))
	proc.EachChunk(h, len(ps.Rows), func(_ *proc.Reader, i int) {
		if whys[i] = scan.Counts[i].Reason; ps.Rows[i].Kthread() {
			whys[i] = inspect.Inapplicable
			return
		}
		w := deletedWalker{h: h, p: &ps.Rows[i], found: map[fileID]*DeletedFile{}}
		w.walk(scan.Counts[i].Deleted)
		mu.Lock()
		defer mu.Unlock()
		if w.denied {
			l.MapsDenied++
			whys[i] = inspect.Denied
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
	l.maps = inspect.SeenBy("process", inspect.PIDMapFiles, len(whys), func(i int) inspect.Reason { return whys[i] }).Within(ps.Seen())
	l.byKernel(h)
	l.unlisted(h, others, scan)
	slices.SortFunc(l.List, func(a, b DeletedFile) int {
		return cmp.Or(cmp.Compare(b.Taken, a.Taken), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Inode, b.Inode))
	})
	for i := range l.List {
		slices.SortFunc(l.List[i].Keepers, func(a, b Keeper) int { return cmp.Compare(a.P.PID, b.P.PID) })
	}
	return l
}

// deletedWalker finds what one process keeps.
type deletedWalker struct {
	h      *inspect.Host
	p      *proc.Process
	found  map[fileID]*DeletedFile
	mounts *mountTable
	denied bool // it has mapped what seems to be gone, and may not be looked at
}

func (w *deletedWalker) walk(open []proc.OpenDeleted) {
	dir := w.p.Home(w.h)
	for _, d := range open {
		var info Descriptor
		if w.h.Proc.With(dir+"/fdinfo/"+strconv.Itoa(int(d.FD)), info.parseInfo) != nil {
			info = Descriptor{MountID: -1}
		}
		on := w.table().byID[info.MountID]
		if d.Saved {
			if noDisk([]byte(" " + d.Path)) {
				continue
			}
			d.OnDisk = identified(on, &info)
		}
		f := w.file(dir+"/fd/"+strconv.Itoa(int(d.FD)), d.Path, d.OnDisk)
		if on != nil {
			f.Mount = on
		}
		k := &f.Keepers[0]
		k.FDs = append(k.FDs, d.FD)
		if info.Flags&unix.O_ACCMODE != unix.O_RDONLY {
			k.Appends, k.Writes = k.Appends || info.Flags&unix.O_APPEND != 0, k.Writes || info.Flags&unix.O_APPEND == 0
		}
	}
	if w.h.Live {
		w.program()
		w.maps()
		return
	}
	w.maps() // which say what file it is; the link of a copy does not
	w.program()
}

// program looks whether what the process runs is gone.
func (w *deletedWalker) program() {
	rel := w.p.Home(w.h) + "/exe"
	to, err := w.h.Proc.Readlink(rel)
	if err != nil || !strings.HasSuffix(to, deletedSuffix) || noDisk([]byte(" "+to)) {
		return
	}
	if !w.h.Live {
		w.saved(to, proc.OnDisk{}).Keepers[0].Runs = true
		return
	}
	if st, err := proc.Follow(w.h, rel); err == nil && st.Nlink == 0 {
		f := w.file(rel, to, proc.OnDiskOf(&st))
		f.Keepers[0].Runs, f.Replaced = true, w.replaced(f.Path)
	}
}

// replaced answers whether there is a file at the path that a program had: the kernel shows the same where
// one was deleted, and where another took its place (fs/d_path.c, path_with_deleted). Of a process with
// another root it is not looked for: at whose root the path begins is not known.
func (w *deletedWalker) replaced(path string) inspect.Answer {
	home := w.p.Home(w.h)
	if root, err := w.h.Proc.Readlink(home + "/root"); err != nil || root != "/" {
		return inspect.Unknown
	}
	_, err := w.h.Proc.Node(home + "/root" + path)
	switch {
	case err == nil:
		return inspect.Yes
	case errors.Is(err, fs.ErrNotExist):
		return inspect.No
	}
	return inspect.Unknown
}

// fileID is which file it is: by device and inode; of a copy that does not tell both, by its path.
type fileID struct {
	dev, inode uint64
	path       string
}

// identified is what a copy has of a file: the device of the mount that it is on, and the inode
// that its fdinfo names since 5.14.
func identified(on *MountPoint, info *Descriptor) (d proc.OnDisk) {
	if on != nil && info.Ino != 0 {
		d.Dev, d.Inode = on.Dev, info.Ino
	}
	return d
}

// saved returns the entry of a file of a copy: of two with one path, of which one does not say
// which file it is, that they are the same.
func (w *deletedWalker) saved(path string, d proc.OnDisk) *DeletedFile {
	path = strings.TrimSuffix(path, deletedSuffix)
	for _, f := range w.found {
		if f.Path == path && (f.Inode == 0 || d.Inode == 0) {
			if f.Inode == 0 {
				f.OnDisk = d
			}
			return f
		}
	}
	return w.file("", path, d)
}

const deletedSuffix = " (deleted)"

// file returns the entry of a file, which the process has by the link rel.
func (w *deletedWalker) file(rel, path string, d proc.OnDisk) *DeletedFile {
	path = strings.TrimSuffix(path, deletedSuffix)
	key := fileID{dev: d.Dev, inode: d.Inode}
	if !w.h.Live && d.Inode == 0 {
		key.path = path
	}
	f := w.found[key]
	if f == nil {
		f = &DeletedFile{Path: path, OnDisk: d, Mount: w.table().byDev[d.Dev], Keepers: []Keeper{{P: w.p}}, Saved: !w.h.Live}
		f.Memory = inMemory(w.h, rel, f.Mount)
		w.found[key] = f
	}
	return f
}

func (w *deletedWalker) table() *mountTable {
	if w.mounts == nil {
		t, _ := readMounts(w.h, w.p.Home(w.h)) // without it their file systems are not named
		w.mounts = &t
	}
	return w.mounts
}

// maps finds deleted files that are mapped. Only map_files says what they are,
// and it requires a right that /proc/PID/maps does not.
func (w *deletedWalker) maps() {
	looked := map[string]bool{} // by device, inode and path
	_ = w.h.Proc.With(w.p.Home(w.h)+"/maps", func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = inspect.CutLine(b)
			if !bytes.HasSuffix(line, []byte(deletedSuffix)) || noDisk(line) {
				continue
			}
			var m mem.Mapping
			if !m.Parse(line) {
				continue
			}
			at := fmt.Sprint(m.Dev, m.Inode, m.Path)
			if looked[at] {
				continue
			}
			looked[at] = true
			w.mapped(&m)
		}
		return nil
	})
}

func (w *deletedWalker) mapped(m *mem.Mapping) {
	if !w.h.Live {
		w.saved(m.Path, proc.OnDisk{Dev: m.Dev, Inode: m.Inode}).Keepers[0].Mapped = true
		return
	}
	rel := fmt.Sprintf("%s/map_files/%x-%x", w.p.Home(w.h), m.Start, m.End)
	st, err := proc.Follow(w.h, rel)
	switch {
	case err == nil && st.Nlink == 0:
		f := w.file(rel, m.Path, proc.OnDiskOf(&st))
		f.Keepers[0].Mapped = true
		if f.Mount == nil {
			f.Mount = w.table().byDev[m.Dev]
		}
	case err != nil:
		for _, f := range w.found { // known by a descriptor, or as the program
			if f.Inode == m.Inode && f.Path == strings.TrimSuffix(m.Path, deletedSuffix) {
				f.Keepers[0].Mapped = true
				return
			}
		}
		w.denied = w.denied || inspect.ReasonOf(err) == inspect.Denied
	}
}

// noDisk reports whether a mapping that is called deleted never had a name on a disk.
func noDisk(line []byte) bool {
	for _, part := range []string{"/memfd:", "/SYSV", "/dev/zero", "/[aio]", "/anon_hugepage", "/drm mm object", "/i915", "/secretmem"} {
		if bytes.Contains(line, []byte(" "+part)) {
			return true
		}
	}
	return false
}
