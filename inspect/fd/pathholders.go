package fd

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/mem"
	"kwhy/inspect/proc"
)

// PathHolder is a process that has a file open, or something of a file system; or what of the kernel
// itself has.
type PathHolder struct {
	P      *proc.Process // nil of the kernel,
	Kernel string        // where it is a loop device by its name, or "swap"

	FDs   []int32
	Nodes []int32 // descriptors on the block device itself
	// What else it has there: it works in it, takes it for its root, runs it, and how
	// many files of it are mapped.
	Cwd, Root, Exe bool
	Maps           int
	Target         string // what the kernel calls the first of them
}

// PathHolders are the processes that have something open.
type PathHolders struct {
	inspect.Unpaired[*PathHolders]

	Procs *proc.Processes
	List  []PathHolder
	What  string // that they hold
	// Unasked is the mount of what they hold where its file system needs a server, which may not answer
	// and is not asked: who has it open is known by what the kernel has in mind, and links name.
	Unasked *MountPoint
	Whole   bool // it is a file system: anything on it counts

	seen inspect.Seen
	gaps []inspect.Gap
	why  map[inspect.Source]inspect.Reason // of what is not read of each process
}

// Missing says that there is an answer: what could not be looked at is in Gaps.
func (l *PathHolders) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// Looked reports whether one of the sources of what the kernel itself has was read, or has nothing on
// this kernel.
func (l *PathHolders) Looked(s inspect.Source) bool {
	why := l.why[s]
	return why == inspect.Present || why == inspect.Unsupported
}

// Kernel returns the kernel that was read.
func (l *PathHolders) Kernel() inspect.Kernel { return l.Procs.Host.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (l *PathHolders) Doubt(src inspect.Source) inspect.Doubt { return l.Procs.Host.Host.Doubt(src) }

// Seen returns how many processes showed what they have open.
func (l *PathHolders) Seen() inspect.Seen { return l.seen }

// Taken returns when reading began.
func (l *PathHolders) Taken() time.Time { return l.Procs.Host.At }

// Len returns how many there are.
func (l *PathHolders) Len() int { return len(l.List) }

// At returns one of them.
func (l *PathHolders) At(i int) PathHolderPart { return PathHolderPart{In: l, It: &l.List[i], N: i} }

// Gaps says how many processes could not be looked at.
func (l *PathHolders) Gaps() []inspect.Gap {
	return append(kernelGaps(l.why), l.gaps...)
}

// PathHolderPart is one holder in its context.
type PathHolderPart = inspect.Part[*PathHolders, PathHolder]

// wantedFile is what is looked for: a file by its inode, whatever it is called.
type wantedFile struct {
	dev, inode uint64
	node       uint64          // the device that it is; 0: none
	char       bool            // a character device
	mapsDev    uint64          // how maps spell its device, where that is known
	whole      map[uint64]bool // file systems: anything on them counts; as mountinfo spells their devices
	aliased    bool            // stat gives other devices than mountinfo on that file system
	unasked    *MountPoint     // its file system needs a server
	path       string          // of one that is known by nothing else; or ""
	socket     map[string]bool // links of sockets that are bound to it
}

// TakePathHolders finds who has a file, directory or device open, by its inode: open,
// as working directory or root, as the program, or mapped. Of a device, and of a
// directory on which a file system is mounted, it finds who has anything of that
// file system; of a unix socket, who has what is bound to it. Loop devices and swap have
// files too.
func TakePathHolders(h *inspect.Host, ps *proc.Processes, name string) (*PathHolders, error) {
	w, err := wanted(h, name)
	if err != nil {
		return nil, err
	}
	if w.socket != nil {
		boundTo(h, ps, name, w.socket)
	}
	list := make([]PathHolder, len(ps.Rows)) // a row is one worker's at a time
	scan := proc.ScanFDs(h, ps, func(row int, fd int32, link []byte, k proc.FileKind) {
		p, it := &ps.Rows[row], &list[row]
		switch {
		case k == proc.KindSocket && w.socket[string(link)]:
			it.note(string(link)).FDs = append(it.FDs, fd)
		case k == proc.KindPath || k == proc.KindDevice:
			look(h, p, p.Home(h)+"/fd/"+strconv.Itoa(int(fd)), w, it, func(node bool) {
				if node {
					it.Nodes = append(it.Nodes, fd)
				} else {
					it.FDs = append(it.FDs, fd)
				}
			})
		}
	})
	proc.EachChunk(h, len(ps.Rows), func(_ *proc.Reader, i int) {
		p, it := &ps.Rows[i], &list[i]
		if p.Kthread() {
			return
		}
		look(h, p, p.Home(h)+"/cwd", w, it, func(bool) { it.Cwd = true })
		look(h, p, p.Home(h)+"/root", w, it, func(bool) { it.Root = true })
		look(h, p, p.Home(h)+"/exe", w, it, func(bool) { it.Exe = true })
		mappedBy(h, p, w, it)
	})
	out := &PathHolders{Procs: ps, What: name, Whole: len(w.whole) > 0, Unasked: w.unasked}
	for i := range list {
		if it := &list[i]; it.Target != "" {
			it.P = &ps.Rows[i]
			slices.Sort(it.FDs)
			slices.Sort(it.Nodes)
			out.List = append(out.List, *it)
		}
	}
	out.hasInKernel(h, w)
	out.seen, out.gaps = scan.Seen(), scan.Gaps()
	return out, nil
}

// note keeps what the kernel calls the first that was found.
func (it *PathHolder) note(target string) *PathHolder {
	it.Target = cmp.Or(it.Target, target)
	return it
}

// wanted looks at what a path leads to.
func wanted(h *inspect.Host, name string) (*wantedFile, error) {
	mounts, _ := readMounts(h, "self") // without it the devices are as stat has them
	if full, err := filepath.Abs(name); err == nil {
		if m := mounts.served(full); m != nil {
			return distant(h, full, m), nil
		}
	}
	st, err := h.Elsewhere().Stat(name)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", name, inspect.Cause(err))
	}
	w := &wantedFile{dev: proc.Wide(st.Dev), inode: st.Ino, mapsDev: proc.Wide(st.Dev)}
	id, _ := h.Elsewhere().MountID(name)
	on := mounts.byID[id]
	if on != nil {
		w.mapsDev = on.Dev
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		w.node, w.char = proc.Wide(st.Rdev), true
	case unix.S_IFBLK:
		w.node = proc.Wide(st.Rdev)
		w.wholeOf(mounts, func(m *MountPoint) bool { return m.Dev == proc.Wide(st.Rdev) || m.on(h, proc.Wide(st.Rdev)) }, proc.Wide(st.Rdev))
	case unix.S_IFSOCK:
		w.socket = map[string]bool{}
	case unix.S_IFDIR:
		above, err := h.Elsewhere().Stat(name + "/..")
		if err == nil && (above.Dev != st.Dev || above.Ino == st.Ino) && (on == nil || on.mountedAt(h, name)) {
			w.wholeOf(mounts, func(m *MountPoint) bool { return m.Dev == w.mapsDev }, w.mapsDev)
		}
	}
	return w, nil
}

// distant is what is wanted on a file system whose server is not asked: it may be away, and who waits
// for it may not even be killed (fs/dcache.c, d_alloc_parallel; fs/fuse/dev.c, request_wait_answer). It is
// the file that the kernel has in mind, or else what links name.
func distant(h *inspect.Host, full string, m *MountPoint) *wantedFile {
	w := &wantedFile{mapsDev: m.Dev, unasked: m, path: full}
	if m.Point == full {
		w.whole = map[uint64]bool{m.Dev: true}
		return w
	}
	if n, err := h.Elsewhere().Cached(full); err == nil {
		w.dev, w.inode, w.path = n.Dev, n.Inode, ""
	}
	return w
}

// served returns the mount that a path leads into, by its name, where its file system needs a server;
// nil where it needs none.
func (t *mountTable) served(full string) (on *MountPoint) {
	for _, m := range t.byID {
		if _, ok := cgroup.Below(full, m.Point); ok && (on == nil || len(m.Point) > len(on.Point) || m.Point == on.Point && m.ID > on.ID) {
			on = m
		}
	}
	if on == nil {
		return nil
	}
	if inspect.NeedsServer(on.FSType) {
		return on
	}
	return nil
}

// names reports whether a link names it, or what is below it.
func (w *wantedFile) names(link string) bool {
	_, ok := cgroup.Below(strings.TrimSuffix(link, " (deleted)"), w.path)
	return ok
}

// wholeOf takes in the file systems that are mounted so.
func (w *wantedFile) wholeOf(mounts mountTable, is func(*MountPoint) bool, dev uint64) {
	w.whole = map[uint64]bool{dev: true}
	for _, m := range mounts.byID {
		if is(m) {
			w.whole[m.Dev] = true
			// Subvolumes of btrfs and bcachefs have devices of their own in stat, and so
			// can have files of an overlay.
			w.aliased = w.aliased || m.FSType == "btrfs" || m.FSType == "bcachefs" || m.FSType == "overlay"
		}
	}
}

// on reports whether a mount is of a block device, by the name of its source.
func (m *MountPoint) on(h *inspect.Host, rdev uint64) bool {
	if !strings.HasPrefix(m.Source, "/dev/") {
		return false
	}
	st, err := h.Elsewhere().Stat(m.Source)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK && proc.Wide(st.Rdev) == rdev
}

// mountedAt reports whether a directory is where the mount is: a subvolume has a
// device of its own, and is none.
func (m *MountPoint) mountedAt(h *inspect.Host, name string) bool {
	_, at := h.Elsewhere().Resolve(name)
	return at == "" || at == m.Point
}

// look reports whether a link of a process leads to what is wanted.
func look(h *inspect.Host, p *proc.Process, rel string, w *wantedFile, it *PathHolder, found func(node bool)) {
	st, ok := ledTo(h, rel)
	if !ok {
		return
	}
	node := w.node != 0 && st.Rdev == w.node && (st.Mode&unix.S_IFMT == unix.S_IFCHR) == w.char
	if !node && !w.same(&st) && !within(h, p, rel, w, &st) {
		return
	}
	if to, err := h.Proc.Readlink(rel); err == nil && (w.path == "" || len(w.whole) > 0 || w.names(to)) {
		it.note(to)
		found(node && !w.char)
	}
}

func (w *wantedFile) same(st *inspect.Node) bool {
	if w.path != "" {
		return st.Dev == w.mapsDev
	}
	return st.Dev == w.dev && st.Inode == w.inode
}

// within reports whether a file is on a file system where anything counts.
func within(h *inspect.Host, p *proc.Process, rel string, w *wantedFile, st *inspect.Node) bool {
	if w.whole[st.Dev] || !w.aliased {
		return w.whole[st.Dev]
	}
	id, err := h.Proc.MountID(rel)
	if err != nil || id < 0 {
		return false
	}
	t, _ := readMounts(h, p.Home(h)) // a mount that is not in it is useless
	on := t.byID[id]
	return on != nil && w.whole[on.Dev]
}

// mappedBy finds what of it a process has mapped. Device and inode in maps are those
// of the file system as a whole: of subvolumes two files may have the same, and an
// overlay can show the file below (until 6.8). There map_files decides, or what the
// path leads to.
func mappedBy(h *inspect.Host, p *proc.Process, w *wantedFile, it *PathHolder) {
	type mapped struct {
		inode uint64
		path  string
	}
	seen := map[mapped]bool{}
	_ = h.Proc.With(p.Home(h)+"/maps", func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = inspect.CutLine(b)
			var m mem.Mapping
			if !m.Parse(line) || m.Inode == 0 || seen[mapped{m.Inode, m.Path}] {
				continue
			}
			seen[mapped{m.Inode, m.Path}] = true
			if w.path != "" && m.Dev == w.mapsDev && w.names(m.Path) {
				it.note(m.Path).Maps++
				continue
			}
			if w.whole[m.Dev] || m.Inode == w.inode && (m.Dev == w.mapsDev && w.mapsDev == w.dev || leadsTo(h, p, &m, w)) {
				it.note(m.Path).Maps++
			}
		}
		return nil
	})
}

// ledTo returns the file that a link of /proc leads to. In a copy it leads to a file of another host:
// here to another one or none.
func ledTo(h *inspect.Host, rel string) (st inspect.Node, ok bool) {
	if !h.Live {
		return st, false
	}
	st, err := h.Proc.Node(rel)
	return st, err == nil
}

func leadsTo(h *inspect.Host, p *proc.Process, m *mem.Mapping, w *wantedFile) bool {
	st, ok := ledTo(h, fmt.Sprintf("%s/map_files/%x-%x", p.Home(h), m.Start, m.End))
	if !ok && h.Live {
		var err error
		st, err = h.Elsewhere().Node(m.Path)
		ok = err == nil
	}
	return ok && w.same(&st)
}

// boundTo finds the sockets that are bound to a path, in every network namespace
// that a process lives in: by the name that they were bound with.
func boundTo(h *inspect.Host, ps *proc.Processes, name string, links map[string]bool) {
	full, followed := h.Elsewhere().Resolve(name)
	names := map[string]bool{name: true, full: true, followed: true}
	delete(names, "")
	for _, n := range netNamespaces(h, ps) {
		_ = eachSocket(h, n.dir, func(inode uint64, s *Socket) {
			if s.Protocol == "unix" && names[s.Path] {
				links["socket:["+strconv.FormatUint(inode, 10)+"]"] = true
			}
		})
	}
}
