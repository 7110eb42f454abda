package inspect

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
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
	Ends   []FDEnd // of a pipe or FIFO: others that have it
	Same   int32   // the lowest descriptor of this process with the same open file, itself if none is lower
	Shared []int32 // parent and children that have the same open file under that number
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

	// CompareDenied says that who shares an open file could not be asked.
	CompareDenied bool
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
	for s, r := range l.Sources {
		if r.IsGap() && r != Unread {
			out = append(out, Gap{s, r, 1, 1})
		}
	}
	return append(out, l.Row.Gaps()...)
}

// FDList reads what a process of a scan has open. With ends it looks who else has
// its pipes, for which it goes through the descriptors of all processes.
func (h *Host) FDList(ps *Procs, pid int32, ends bool) (*FDList, error) {
	i, ok := ps.Row(pid)
	if !ok || len(ps.Fill([]int32{i}, Of(PIDStat, PIDStatus))) == 0 {
		return nil, noProcess(pid)
	}
	l := &FDList{Row: ps.At(int(i)), Sources: map[Source]Reason{}}
	dir := l.Row.P.dir()
	names, err := h.proc.names(dir + "/fd")
	l.Sources[PIDFd] = h.pidReason(dir, err)
	for _, name := range names {
		if f, ok := h.fd(dir, name); ok {
			l.List = append(l.List, f)
		}
	}
	slices.SortFunc(l.List, func(a, b FD) int { return cmp.Compare(a.N, b.N) })
	l.Sources[PIDFdinfo] = l.Sources[PIDFd]
	var d ProcDetail
	l.Sources[PIDLimits] = h.pidReason(dir, h.proc.with(dir+"/limits", d.parseLimits))
	for _, limit := range d.Limits {
		if limit.Name == "open files" {
			l.Limit = limit
		}
	}
	if l.Sources[PIDFd] != Present {
		return l, nil
	}
	h.mountsOf(l, dir)
	h.socketsOf(l, dir)
	h.sharing(l, ps)
	if ends {
		h.ends(l, ps)
	}
	return l, nil
}

// fd reads one descriptor; ok is false where it was closed meanwhile.
func (h *Host) fd(dir, name string) (f FD, ok bool) {
	n, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return f, false
	}
	f.N, f.Same, f.MountID = int32(n), int32(n), -1
	if f.Link, err = h.proc.link(dir + "/fd/" + name); err != nil {
		return f, false
	}
	f.Kind, _ = kindOf([]byte(f.Link))
	f.HasInfo = h.proc.with(dir+"/fdinfo/"+name, f.parseInfo) == nil
	h.statFD(dir, name, &f)
	return f, true
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
	for i := range l.List {
		l.List[i].Mount = byID[l.List[i].MountID]
	}
}

// sharing finds descriptors that lead to the same open file: of this process by
// dup, of its parent and children by fork. The link must be the same; then
// kcmp(2) tells.
func (h *Host) sharing(l *FDList, ps *Procs) {
	if !h.sameProcesses() {
		return
	}
	self := l.Row.P.PID
	first := map[string][]int32{}
	for i := range l.List {
		f := &l.List[i]
		for _, other := range first[f.Link] {
			same, known := sameFile(self, self, f.N, other)
			l.CompareDenied = l.CompareDenied || !known
			if same {
				f.Same = other
				break
			}
		}
		if f.Same == f.N && len(first[f.Link]) < 64 { // the same file opened anew a thousand times is nothing to compare
			first[f.Link] = append(first[f.Link], f.N)
		}
	}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Kthread() || p.PID != l.Row.P.PPID && p.PPID != self || p.PID == self {
			continue
		}
		for j := range l.List {
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
	for i := range l.List {
		if k := l.List[i].Kind; k == KindPipe || k == KindFIFO {
			pipes[l.List[i].Link] = append(pipes[l.List[i].Link], i)
		}
	}
	if len(pipes) == 0 {
		return
	}
	type found struct {
		row  int
		fd   int32
		link string
	}
	got := make(chan found, 64)
	go func() {
		h.FDs(ps, func(row int, fd int32, link []byte, _ FileKind) {
			if list := pipes[string(link)]; list != nil {
				got <- found{row, fd, string(link)}
			}
		})
		close(got)
	}()
	for f := range got {
		p := &ps.Rows[f.row]
		var other FD
		_ = h.proc.with(p.dir()+"/fdinfo/"+strconv.Itoa(int(f.fd)), other.parseInfo)
		for _, i := range pipes[f.link] {
			if p.PID != l.Row.P.PID || f.fd != l.List[i].N {
				l.List[i].Ends = append(l.List[i].Ends, FDEnd{p, f.fd, other.Flags&unix.O_ACCMODE != unix.O_RDONLY})
			}
		}
	}
	for i := range l.List {
		slices.SortFunc(l.List[i].Ends, func(a, b FDEnd) int { return cmp.Or(cmp.Compare(a.P.PID, b.P.PID), cmp.Compare(a.FD, b.FD)) })
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

// Len returns how many there are.
func (l *FDList) Len() int { return len(l.List) }

// At returns one of them.
func (l *FDList) At(i int) FDPart { return FDPart{l, &l.List[i]} }
