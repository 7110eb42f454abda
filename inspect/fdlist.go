package inspect

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect/sockdiag"
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

	Mount    *MountPoint
	Socket   *sockdiag.Socket
	PeerPath string  // of a unix socket: where the other side is bound
	Ends     []FDEnd // of a pipe or FIFO: others that have it; of a unix socket: who has its peer
	Same     int32   // the lowest descriptor of this process with the same open file, itself if none is lower
	Shared   []int32 // parent and children that have the same open file under that number
}

// InfoLine is a line of fdinfo.
type InfoLine struct{ Name, Value string }

// FDEnd is a process that has an end of a pipe.
type FDEnd struct {
	P      *Process
	FD     int32
	Writes bool
}

// MountPoint is where a file system is mounted, as a process sees it.
type MountPoint struct{ Point, FSType, Source string }

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
	// CompareDenied says that who shares an open file could not be asked, and
	// Uncompared of how many it was not, for they are too many alike.
	CompareDenied bool
	Uncompared    int
	// Relatives says that who has the other ends of pipes was looked for among
	// parent, children and those of its session only: the host has too much open.
	Relatives bool
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
	l.Sources[PIDFdinfo] = l.Sources[PIDFd]
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
	h.sharing(l, ps)
	h.ends(l, ps)
	return l, nil
}

// links reads where the descriptors of a process lead, in order of their numbers:
// one system call each.
func (h *Host) links(dir string) (list []FD, err error) {
	fd, err := unix.Openat(h.proc.fd, dir+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: h.proc.root + "/" + dir + "/fd", Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil && st.Size > 0 && st.Size < 1<<20 { // how many there are, since 6.2
		list = make([]FD, 0, st.Size+16)
	}
	w := newFDWalker(h)
	known := map[string]string{} // who has thousands has many of the same
	for {
		n, err := unix.ReadDirent(fd, w.dir)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return list, &fs.PathError{Op: "list", Path: h.proc.root + "/" + dir + "/fd", Err: err}
		case n <= 0:
			slices.SortFunc(list, func(a, b FD) int { return cmp.Compare(a.N, b.N) })
			return list, nil
		}
		eachName(w.dir[:n], func(name []byte) {
			number, ok := parseUint(name)
			if !ok || number > 1<<30 {
				return
			}
			n, errno := readlink(fd, name, w.link)
			switch {
			case errno == unix.EACCES || errno == unix.EPERM:
				err = cmp.Or(err, error(errno))
				return
			case errno != 0 || n == 0:
				return // closed meanwhile
			}
			link, ok := known[string(w.link[:n])]
			if !ok {
				link = string(w.link[:n])
				known[link] = link
			}
			kind, _ := kindOf(w.link[:n])
			list = append(list, FD{N: int32(number), Same: int32(number), MountID: -1, Link: link, Kind: kind})
		})
		if err != nil && len(list) == 0 {
			return nil, &fs.PathError{Op: "read", Path: h.proc.root + "/" + dir + "/fd", Err: err}
		}
	}
}

// statFD looks at the file itself: which kind, where, how large. A descriptor that
// is no file of a file system, or one that is on a server, is left alone where
// that is known beforehand.
func (h *Host) statFD(dir, name string, f *FD) {
	if f.Kind != KindPath && f.Kind != KindDevice && f.Kind != KindMemfd && f.Kind != KindPipe {
		return
	}
	var st unix.Stat_t
	if err := unix.Fstatat(h.proc.fd, dir+"/fd/"+name, &st, 0); err != nil {
		return
	}
	const block = 512 // stat(2)
	f.HasStat, f.Dev, f.Inode, f.Rdev, f.Size, f.Taken = true, st.Dev, st.Ino, st.Rdev, uint64(max(st.Size, 0)), uint64(max(st.Blocks, 0))*block
	if f.Kind == KindMemfd || f.Kind == KindPipe {
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

// parseInfo reads fdinfo: pos, flags (octal), mnt_id and, since 5.14, ino; then
// what is particular to the kind (proc_pid_fdinfo(5)).
func (f *FD) parseInfo(b []byte) error {
	found := false
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, value, ok := strings.Cut(string(line), ":")
		if !ok {
			if name, value, ok = strings.Cut(string(line), " "); !ok { // inotify wd:1 ino:2 ...
				continue
			}
		} else if head, rest, blank := strings.Cut(name, " "); blank && (head == "inotify" || head == "fanotify") {
			name, value = head, rest+":"+value
		}
		value = strings.TrimSpace(value)
		var err error
		switch name {
		case "pos":
			f.Pos, err = strconv.ParseInt(value, 10, 64)
			found = found || err == nil
		case "flags":
			if f.HasInfo { // a second line of that name is the kind's own
				f.Info = append(f.Info, InfoLine{name, value})
				continue
			}
			f.Flags, err = strconv.ParseUint(value, 8, 64)
			f.HasInfo = err == nil
		case "mnt_id":
			f.MountID, err = strconv.ParseInt(value, 10, 64)
		case "ino":
		default:
			f.Info = append(f.Info, InfoLine{name, value})
		}
		if err != nil {
			return errMalformed
		}
	}
	if !found {
		return errMalformed
	}
	return nil
}

// mountsOf finds where the file systems are mounted that the files are on.
func (h *Host) mountsOf(l *FDList, dir string) {
	byID := map[int64]*MountPoint{}
	l.Sources[PIDMountinfo] = h.pidReason(dir, h.proc.with(dir+"/mountinfo", func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = cutLine(b)
			before, after, ok := strings.Cut(string(line), " - ")
			f, g := strings.Fields(before), strings.Fields(after)
			if !ok || len(f) < 5 || len(g) < 2 {
				continue
			}
			if id, err := strconv.ParseInt(f[0], 10, 64); err == nil {
				byID[id] = &MountPoint{unescapeOctal(f[4]), g[0], unescapeOctal(g[1])}
			}
		}
		return nil
	}))
	for i := range l.List[:l.Shown] {
		l.List[i].Mount = byID[l.List[i].MountID]
	}
}

// maxAlike is how many descriptors with the same link are compared, each with each.
const maxAlike = 64

// sharing finds descriptors that lead to the same open file: of this process by
// dup, of its parent and children by fork. The link must be the same; then
// kcmp(2) tells.
func (h *Host) sharing(l *FDList, ps *Procs) {
	if !h.sameProcesses() {
		return
	}
	self := l.Row.P.PID
	alike := map[string][]int{}
	for i := range l.List[:l.Shown] {
		alike[l.List[i].Link] = append(alike[l.List[i].Link], i)
	}
	for _, list := range alike {
		if len(list) > maxAlike {
			l.Uncompared += len(list)
			continue
		}
		for n, i := range list {
			for _, j := range list[:n] {
				same, known := sameFile(self, self, l.List[i].N, l.List[j].N)
				l.CompareDenied = l.CompareDenied || !known
				if same {
					l.List[i].Same = l.List[j].Same
					break
				}
			}
		}
	}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Kthread() || p.PID != l.Row.P.PPID && p.PPID != self || p.PID == self {
			continue
		}
		for j := range l.List[:min(l.Shown, maxAlike)] {
			f := &l.List[j]
			if same, _ := sameFile(self, p.PID, f.N, f.N); same {
				f.Shared = append(f.Shared, p.PID)
			}
		}
	}
}

// sameFile asks whether two descriptors are one open file.
func sameFile(pid1, pid2, fd1, fd2 int32) (same, known bool) {
	const kcmpFile = 0 // include/uapi/linux/kcmp.h
	n, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(pid1), uintptr(pid2), kcmpFile, uintptr(fd1), uintptr(fd2), 0)
	return errno == 0 && n == 0, errno == 0
}

// ends finds who else has the pipes.
func (h *Host) ends(l *FDList, ps *Procs) {
	pipes := map[string][]int{}
	for i := range l.List[:l.Shown] {
		if k := l.List[i].Kind; k == KindPipe || k == KindFIFO {
			pipes[l.List[i].Link] = append(pipes[l.List[i].Link], i)
		}
		if s := l.List[i].Socket; s != nil && s.Unix != nil && s.Unix.Peer != 0 {
			peer := "socket:[" + strconv.FormatUint(uint64(s.Unix.Peer), 10) + "]"
			pipes[peer] = append(pipes[peer], i)
		}
	}
	if len(pipes) == 0 {
		return
	}
	own := l.Row.P
	for i := range l.List {
		for _, j := range pipes[l.List[i].Link] {
			if i != j {
				f := &l.List[i]
				if !f.HasInfo && f.Kind != KindSocket {
					f.HasInfo = h.proc.with(own.dir()+"/fdinfo/"+strconv.Itoa(int(f.N)), f.parseInfo) == nil
				}
				l.List[j].Ends = append(l.List[j].Ends, FDEnd{own, f.N, f.Flags&unix.O_ACCMODE != unix.O_RDONLY})
			}
		}
	}
	all := ps.others(own, false)
	if h.tooMany(all) {
		l.Relatives = true
		all = ps.others(own, true)
	}
	type found struct {
		row  int
		fd   int32
		link string
	}
	got := make(chan found, 64)
	go func() {
		h.FDs(all, func(row int, fd int32, link []byte, _ FileKind) {
			if list := pipes[string(link)]; list != nil {
				got <- found{row, fd, string(link)}
			}
		})
		close(got)
	}()
	for f := range got {
		p := &all.Rows[f.row]
		var other FD
		_ = h.proc.with(p.dir()+"/fdinfo/"+strconv.Itoa(int(f.fd)), other.parseInfo)
		for _, i := range pipes[f.link] {
			l.List[i].Ends = append(l.List[i].Ends, FDEnd{p, f.fd, other.Flags&unix.O_ACCMODE != unix.O_RDONLY})
		}
	}
	for i := range l.List {
		slices.SortFunc(l.List[i].Ends, func(a, b FDEnd) int { return cmp.Or(cmp.Compare(a.P.PID, b.P.PID), cmp.Compare(a.FD, b.FD)) })
	}
}

// maxEnds is how many descriptors of a host are gone through for the other ends of
// one process's pipes: it takes a quarter of a second or so.
const maxEnds = 50000

// tooMany tells whether the host has more open than that. Before 6.2 the kernel
// does not say how many a process has without listing them.
func (h *Host) tooMany(ps *Procs) bool {
	if !h.Live || !h.Kernel.AtLeast(6, 2) {
		return false
	}
	sum := int64(0)
	for i := range ps.Rows {
		var st unix.Stat_t
		if unix.Fstatat(h.proc.fd, ps.Rows[i].dir()+"/fd", &st, 0) == nil {
			sum += st.Size
		}
	}
	return sum > maxEnds
}

// others are the other processes that run programs, or of these the ones that a
// pipe is likely shared with: parent, children, and those of its process group.
func (ps *Procs) others(of *Process, relatives bool) *Procs {
	const most = 64 // of a process group that is a crowd
	out := &Procs{Host: ps.Host}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		related := p.PID == of.PPID || p.PPID == of.PID || p.PGRP == of.PGRP && p.PGRP != 0
		if p.PID != of.PID && !p.Kthread() && (!relatives || related && len(out.Rows) < most) {
			out.Rows = append(out.Rows, *p)
		}
	}
	return out
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
