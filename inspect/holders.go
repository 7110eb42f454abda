package inspect

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Holder is a process that has a file open, or something of a file system.
type Holder struct {
	P     *Process
	FDs   []int32
	Nodes []int32 // descriptors on the block device itself
	// What else it has there: it works in it, takes it for its root, runs it, and how
	// many files of it are mapped.
	Cwd, Root, Exe bool
	Maps           int
	Target         string // what the kernel calls the first of them
}

// Holders are the processes that have something open.
type Holders struct {
	Procs *Procs
	List  []Holder
	What  string // that they hold
	Whole bool   // it is a file system, of which anything counts
	// Denied is how many processes could not be looked at, of All.
	Denied, All int
}

// Len returns how many there are.
func (l *Holders) Len() int { return len(l.List) }

// At returns one of them.
func (l *Holders) At(i int) HolderPart { return HolderPart{l, &l.List[i]} }

// Gaps says how many processes could not be looked at.
func (l *Holders) Gaps() []Gap {
	if l.Denied == 0 {
		return nil
	}
	return []Gap{{PIDFd, Denied, l.Denied, l.All}}
}

// HolderPart is one holder in its context.
type HolderPart struct {
	List *Holders
	It   *Holder
}

// Missing says that a holder has what it was found by.
func (p HolderPart) Missing(Source) Reason { return Present }

// Before says that it is not followed over an interval.
func (p HolderPart) Before() (HolderPart, time.Duration, bool) { return HolderPart{}, 0, false }

// Kernel returns the kernel that was read.
func (p HolderPart) Kernel() Version { return p.List.Procs.Host.Host.Kernel }

// wantedFile is what is looked for: a file by its inode, whatever it is called.
type wantedFile struct {
	dev, inode uint64
	node       uint64          // the device that it is; 0: none
	char       bool            // a character device
	mapsDev    uint64          // how maps spell its device, where that is known
	whole      map[uint64]bool // file systems of which anything counts, as mountinfo spells their devices
	aliased    bool            // stat gives other devices than mountinfo on that file system
	socket     map[string]bool // links of sockets that are bound to it
}

// PathHolders finds who has a file, directory or device open, by its inode: open,
// as working directory or root, as the program, or mapped. Of a device, and of a
// directory on which a file system is mounted, it finds who has anything of that
// file system; of a unix socket, who has what is bound to it.
func (h *Host) PathHolders(ps *Procs, name string) (*Holders, error) {
	w, err := h.wanted(name)
	if err != nil {
		return nil, err
	}
	if w.socket != nil {
		h.boundTo(ps, name, w.socket)
	}
	list := make([]Holder, len(ps.Rows)) // a row is one worker's at a time
	scan := h.FDs(ps, func(row int, fd int32, link []byte, k FileKind) {
		p, it := &ps.Rows[row], &list[row]
		switch {
		case k == KindSocket && w.socket[string(link)]:
			it.note(string(link)).FDs = append(it.FDs, fd)
		case k == KindPath || k == KindDevice:
			h.look(p, p.dir()+"/fd/"+strconv.Itoa(int(fd)), w, it, func(node bool) {
				if node {
					it.Nodes = append(it.Nodes, fd)
				} else {
					it.FDs = append(it.FDs, fd)
				}
			})
		}
	})
	h.eachChunk(len(ps.Rows), func(_ *pidReader, i int) {
		p, it := &ps.Rows[i], &list[i]
		if p.Kthread() {
			return
		}
		h.look(p, p.dir()+"/cwd", w, it, func(bool) { it.Cwd = true })
		h.look(p, p.dir()+"/root", w, it, func(bool) { it.Root = true })
		h.look(p, p.dir()+"/exe", w, it, func(bool) { it.Exe = true })
		h.mappedBy(p, w, it)
	})
	out := &Holders{Procs: ps, What: name, Whole: len(w.whole) > 0}
	for i := range list {
		if it := &list[i]; it.Target != "" {
			it.P = &ps.Rows[i]
			slices.Sort(it.FDs)
			slices.Sort(it.Nodes)
			out.List = append(out.List, *it)
		}
	}
	_, seen, denied := scan.Totals()
	out.Denied, out.All = denied, seen+denied
	return out, nil
}

// note keeps what the kernel calls the first that was found.
func (it *Holder) note(target string) *Holder {
	it.Target = cmp.Or(it.Target, target)
	return it
}

// wanted looks at what a path leads to.
func (h *Host) wanted(name string) (*wantedFile, error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return nil, fmt.Errorf("look at %s: %w", name, err)
	}
	w := &wantedFile{dev: wide(st.Dev), inode: st.Ino, mapsDev: wide(st.Dev)}
	mounts, _ := h.readMounts("self") // without it the devices are as stat has them
	on := mounts.byID[mountID(unix.AT_FDCWD, name)]
	if on != nil {
		w.mapsDev = on.Dev
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		w.node, w.char = wide(st.Rdev), true
	case unix.S_IFBLK:
		w.node = wide(st.Rdev)
		w.wholeOf(mounts, func(m *MountPoint) bool { return m.Dev == wide(st.Rdev) || m.on(wide(st.Rdev)) }, wide(st.Rdev))
	case unix.S_IFSOCK:
		w.socket = map[string]bool{}
	case unix.S_IFDIR:
		var above unix.Stat_t
		if unix.Stat(name+"/..", &above) == nil && (above.Dev != st.Dev || above.Ino == st.Ino) && (on == nil || on.mountedAt(name)) {
			w.wholeOf(mounts, func(m *MountPoint) bool { return m.Dev == w.mapsDev }, w.mapsDev)
		}
	}
	return w, nil
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

// on tells whether a mount is of a block device, by the name of its source.
func (m *MountPoint) on(rdev uint64) bool {
	var st unix.Stat_t
	return strings.HasPrefix(m.Source, "/dev/") && unix.Stat(m.Source, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK && wide(st.Rdev) == rdev
}

// mountedAt tells whether a directory is where the mount is: a subvolume has a
// device of its own, and is none.
func (m *MountPoint) mountedAt(name string) bool {
	full, err := filepath.Abs(name)
	if err == nil {
		full, err = filepath.EvalSymlinks(full)
	}
	return err != nil || full == m.Point
}

// mountID returns the number of the mount that a file is on; -1 where the kernel
// does not tell, as before 5.8.
func mountID(dir int, name string) int64 {
	var st unix.Statx_t
	if unix.Statx(dir, name, unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st) != nil || st.Mask&unix.STATX_MNT_ID == 0 {
		return -1
	}
	return int64(st.Mnt_id)
}

// look tells whether a link of a process leads to what is wanted.
func (h *Host) look(p *Process, rel string, w *wantedFile, it *Holder, found func(node bool)) {
	st, err := h.follow(rel)
	if err != nil {
		return
	}
	node := w.node != 0 && wide(st.Rdev) == w.node && (st.Mode&unix.S_IFMT == unix.S_IFCHR) == w.char
	if !node && !w.same(&st) && !h.within(p, rel, w, &st) {
		return
	}
	if to, err := h.proc.link(rel); err == nil {
		it.note(to)
		found(node && !w.char)
	}
}

func (w *wantedFile) same(st *unix.Stat_t) bool { return wide(st.Dev) == w.dev && st.Ino == w.inode }

// within tells whether a file is on a file system of which anything counts.
func (h *Host) within(p *Process, rel string, w *wantedFile, st *unix.Stat_t) bool {
	if w.whole[wide(st.Dev)] || !w.aliased {
		return w.whole[wide(st.Dev)]
	}
	id, err := wait(h.proc.wait, "stat", h.proc.root+"/"+rel, func() (int64, error) { return mountID(h.proc.fd, rel), nil })
	if err != nil || id < 0 {
		return false
	}
	t, _ := h.readMounts(p.dir()) // a mount that is not in it is of no use
	on := t.byID[id]
	return on != nil && w.whole[on.Dev]
}

// mappedBy finds what of it a process has mapped. Device and inode in maps are those
// of the file system as a whole: of subvolumes two files may have the same, and an
// overlay can show the file below (until 6.8). There map_files decides, or what the
// path leads to.
func (h *Host) mappedBy(p *Process, w *wantedFile, it *Holder) {
	type mapped struct {
		inode uint64
		path  string
	}
	seen := map[mapped]bool{}
	_ = h.proc.with(p.dir()+"/maps", func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = cutLine(b)
			var m mapping
			if !m.parse(line) || m.inode == 0 || seen[mapped{m.inode, m.path}] {
				continue
			}
			seen[mapped{m.inode, m.path}] = true
			if w.whole[m.dev] || m.inode == w.inode && (m.dev == w.mapsDev && w.mapsDev == w.dev || h.leadsTo(p, &m, w)) {
				it.note(m.path).Maps++
			}
		}
		return nil
	})
}

func (h *Host) leadsTo(p *Process, m *mapping, w *wantedFile) bool {
	st, err := h.follow(fmt.Sprintf("%s/map_files/%x-%x", p.dir(), m.start, m.end))
	if err != nil {
		err = unix.Stat(m.path, &st)
	}
	return err == nil && w.same(&st)
}

// boundTo finds the sockets that are bound to a path, in every network namespace
// that a process lives in: by the name that they were bound with.
func (h *Host) boundTo(ps *Procs, name string, links map[string]bool) {
	names := map[string]bool{name: true}
	if full, err := filepath.Abs(name); err == nil {
		names[full] = true
		if real, err := filepath.EvalSymlinks(full); err == nil {
			names[real] = true
		}
	}
	for _, n := range h.netNamespaces(ps) {
		_ = h.eachSocket(n.dir, func(inode uint64, s *Socket) {
			if s.Protocol == "unix" && names[s.Path] {
				links["socket:["+strconv.FormatUint(inode, 10)+"]"] = true
			}
		})
	}
}
