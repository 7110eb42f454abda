package inspect

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect/sockdiag"
)

// FDHost is what a host has open.
type FDHost struct {
	Mem  *Mem // sysctls
	Scan *FDScan
	// Of /proc/sys/fs: open files of all processes and their bound; inodes and
	// dentries in the kernel's caches. Unset where they are not told.
	Files, FilesMax                             Num
	Inodes, InodesUnused                        Num
	Dentries, DentriesUnused, DentriesNegative  Num
	Locks, LocksWaiting                         Num
	AIO                                         Num
	InotifyUsers, InotifyWatchUsers, EpollUsers map[uint32]int // by user, of the processes that may be looked at
	Was                                         *FDHost

	got [nSources]Reason
}

// Missing says why a source gave nothing.
func (f *FDHost) Missing(s Source) Reason {
	if sourceTable[s].shape == number {
		return f.Mem.Missing(s)
	}
	if s >= PIDStat {
		return Present
	}
	return f.got[s]
}

// Before returns the sample an interval ago.
func (f *FDHost) Before() (*FDHost, time.Duration, bool) {
	if f.Was == nil {
		return nil, 0, false
	}
	return f.Was, f.Mem.At.Sub(f.Was.Mem.At), true
}

// Kernel returns the kernel that was read.
func (f *FDHost) Kernel() Version { return f.Mem.Host.Kernel }

// Gaps lists the wanted sources that gave nothing, and how many processes do not
// show their descriptors.
func (f *FDHost) Gaps() []Gap {
	out := f.Mem.Gaps()
	for s, r := range f.got {
		if r.IsGap() && r != Unread {
			out = append(out, Gap{Source(s), r, 1, 1})
		}
	}
	if _, seen, denied := f.Scan.Totals(); denied > 0 {
		out = append(out, Gap{PIDFd, Denied, denied, seen + denied})
	}
	return out
}

// FDHost reads what a host has open; the caller has scanned the processes, with
// their status for whose they are.
func (h *Host) FDHost(ps *Procs, want Sources) (*FDHost, error) {
	m, err := h.Mem(want.Only(func(s Source) bool { return sourceTable[s].shape == number }).Plus(Of(Meminfo)))
	if m == nil || err != nil && m.At.IsZero() {
		return nil, err
	}
	f := &FDHost{Mem: m, Files: Unset, FilesMax: Unset, Inodes: Unset, InodesUnused: Unset, Dentries: Unset, DentriesUnused: Unset, DentriesNegative: Unset, Locks: Unset, LocksWaiting: Unset, AIO: Unset}
	f.got[FSFileNr] = h.fsNumbers("file-nr", &f.Files, nil, &f.FilesMax)
	f.got[FSInodeNr] = h.fsNumbers("inode-nr", &f.Inodes, &f.InodesUnused)
	f.got[FSDentryState] = h.fsNumbers("dentry-state", &f.Dentries, &f.DentriesUnused, nil, nil, &f.DentriesNegative)
	if !h.Kernel.AtLeast(5, 0) {
		f.DentriesNegative = Unset // a dummy until then
	}
	f.got[Locks] = reasonFor(h.proc.with("locks", func(b []byte) error {
		f.Locks, f.LocksWaiting = 0, 0
		for line := range bytes.Lines(b) {
			if f.Locks++; bytes.Contains(line, []byte(": -> ")) {
				f.Locks, f.LocksWaiting = f.Locks-1, f.LocksWaiting+1
			}
		}
		return nil
	}))
	f.Scan = h.FDs(ps, nil)
	f.users()
	return f, nil
}

// fsNumbers reads a line of numbers of /proc/sys/fs into some of which.
func (h *Host) fsNumbers(name string, to ...*Num) Reason {
	return reasonFor(h.proc.single("sys/fs/"+name, func(b []byte) error {
		rest := trimNewline(b)
		for i, p := range to {
			var field []byte
			field, rest = cutField(rest)
			n := count(field)
			if n == Unset && i == 0 {
				return errMalformed
			}
			if p != nil {
				*p = n
			}
		}
		return nil
	}))
}

// users adds up by user what has a limit for each.
func (f *FDHost) users() {
	f.InotifyUsers, f.InotifyWatchUsers, f.EpollUsers = map[uint32]int{}, map[uint32]int{}, map[uint32]int{}
	for i := range f.Scan.Counts {
		c, uid := &f.Scan.Counts[i], f.Scan.Procs.Rows[i].RealUID
		f.InotifyUsers[uid] += int(c.Kinds[KindInotify])
		f.InotifyWatchUsers[uid] += c.InotifyWatches
		f.EpollUsers[uid] += c.EpollWatches
	}
}

// FDHostPart is what one process has open, among all.
type FDHostPart struct {
	Host *FDHost
	Row  Proc
	It   *FDCount
	N    int
}

// Missing says why a source gave nothing.
func (p FDHostPart) Missing(s Source) Reason {
	if s == PIDFd {
		return p.It.Reason
	}
	return p.Row.Missing(s)
}

// Before returns the same process an interval ago.
func (p FDHostPart) Before() (FDHostPart, time.Duration, bool) {
	was, over, ok := p.Host.Before()
	if !ok {
		return FDHostPart{}, 0, false
	}
	i, ok := was.Scan.Procs.Row(p.Row.P.PID)
	if !ok || was.Scan.Procs.Rows[i].Start != p.Row.P.Start || was.Scan.Counts[i].Reason != Present {
		return FDHostPart{}, 0, false
	}
	return FDHostPart{was, was.Scan.Procs.At(int(i)), &was.Scan.Counts[i], int(i)}, over, true
}

// Kernel returns the kernel that was read.
func (p FDHostPart) Kernel() Version { return p.Host.Kernel() }

// Len returns the number of processes.
func (f *FDHost) Len() int { return len(f.Scan.Counts) }

// At returns one of them.
func (f *FDHost) At(i int) FDHostPart {
	return FDHostPart{f, f.Scan.Procs.At(i), &f.Scan.Counts[i], i}
}

// FDKindPart is how many descriptors of a kind a host has.
type FDKindPart struct {
	Host *FDHost
	Kind FileKind
	N    int
}

// Missing says why a source gave nothing.
func (p FDKindPart) Missing(s Source) Reason { return p.Host.Missing(s) }

// Before returns the same kind an interval ago.
func (p FDKindPart) Before() (FDKindPart, time.Duration, bool) {
	was, over, ok := p.Host.Before()
	if !ok {
		return FDKindPart{}, 0, false
	}
	totals, _, _ := was.Scan.Totals()
	return FDKindPart{was, p.Kind, int(totals.Kinds[p.Kind])}, over, true
}

// Kernel returns the kernel that was read.
func (p FDKindPart) Kernel() Version { return p.Host.Kernel() }

// FDKinds are the kinds that a host has descriptors of, the most first.
type FDKinds []FDKindPart

// Len returns how many kinds there are.
func (l FDKinds) Len() int { return len(l) }

// At returns one of them.
func (l FDKinds) At(i int) FDKindPart { return l[i] }

// Kinds counts a host's descriptors by kind.
func (f *FDHost) Kinds() (out FDKinds) {
	totals, _, _ := f.Scan.Totals()
	for k, n := range totals.Kinds {
		if n > 0 {
			out = append(out, FDKindPart{f, FileKind(k), int(n)})
		}
	}
	slices.SortStableFunc(out, func(a, b FDKindPart) int { return cmp.Compare(b.N, a.N) })
	return out
}

// Holder is a process that has something open, and by what.
type Holder struct {
	P      *Process
	How    string // fd, cwd, root, exe, mapped
	FD     int32  // -1 unless How is fd
	Target string
	Socket *sockdiag.Socket
	Size   uint64 // bytes, of a deleted file: its length
	Taken  uint64 // and what it takes of its file system
	Dev    uint64
	Inode  uint64
}

// FDHolders is a list of holders in its context.
type FDHolders struct {
	Procs *Procs
	List  []Holder
	What  string // that they hold
	// Denied is how many processes could not be looked at, of All.
	Denied, All int
}

// Len returns how many there are.
func (l *FDHolders) Len() int { return len(l.List) }

// At returns one of them.
func (l *FDHolders) At(i int) HolderPart { return HolderPart{l, &l.List[i]} }

// Gaps says how many processes could not be looked at.
func (l *FDHolders) Gaps() []Gap {
	if l.Denied == 0 {
		return nil
	}
	return []Gap{{PIDFd, Denied, l.Denied, l.All}}
}

// HolderPart is one holder in its context.
type HolderPart struct {
	List *FDHolders
	It   *Holder
}

// Missing says that a holder has what it was found by.
func (p HolderPart) Missing(Source) Reason { return Present }

// Before says that it is not followed over an interval.
func (p HolderPart) Before() (HolderPart, time.Duration, bool) { return HolderPart{}, 0, false }

// Kernel returns the kernel that was read.
func (p HolderPart) Kernel() Version { return p.List.Procs.Host.Host.Kernel }

// collector gathers holders from two workers.
type collector struct {
	mu   sync.Mutex
	list []Holder
}

func (c *collector) add(h Holder) {
	c.mu.Lock()
	c.list = append(c.list, h)
	c.mu.Unlock()
}

func (h *Host) holders(ps *Procs, scan *FDScan, c *collector, what string) *FDHolders {
	_, seen, denied := scan.Totals()
	slices.SortFunc(c.list, func(a, b Holder) int {
		return cmp.Or(cmp.Compare(b.Taken, a.Taken), cmp.Compare(a.P.PID, b.P.PID), cmp.Compare(a.How, b.How), cmp.Compare(a.FD, b.FD), cmp.Compare(a.Target, b.Target))
	})
	return &FDHolders{Procs: ps, List: c.list, What: what, Denied: denied, All: seen + denied}
}

// DeletedFiles finds the files that are gone from their directories and still take
// space: open, mapped, or run.
func (h *Host) DeletedFiles(ps *Procs) *FDHolders {
	var c collector
	scan := h.FDs(ps, nil)
	h.eachChunk(len(ps.Rows), func(_ *pidReader, i int) {
		p := &ps.Rows[i]
		open := map[[2]uint64]bool{}
		for _, d := range scan.Counts[i].Deleted {
			open[[2]uint64{d.Dev, d.Inode}] = true
			c.add(Holder{P: p, How: "fd", FD: d.FD, Target: d.Path, Size: d.Size, Taken: d.Taken, Dev: d.Dev, Inode: d.Inode})
		}
		if !p.Kthread() {
			h.deletedMaps(p, open, &c)
		}
	})
	return h.holders(ps, scan, &c, "files that are gone from their directories")
}

// deletedMaps finds deleted files that are mapped without a descriptor, the
// program among them. Their size only map_files tells, to root.
func (h *Host) deletedMaps(p *Process, open map[[2]uint64]bool, c *collector) {
	dir := p.dir()
	_ = h.proc.with(dir+"/maps", func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = cutLine(b)
			if !bytes.HasSuffix(line, []byte(" (deleted)")) || noDisk(line) {
				continue
			}
			var m mapping
			if !m.parse(line) {
				continue
			}
			var st unix.Stat_t
			err := unix.Fstatat(h.proc.fd, fmt.Sprintf("%s/map_files/%x-%x", dir, m.start, m.end), &st, 0)
			key := [2]uint64{st.Dev, st.Ino}
			if err != nil || st.Nlink > 0 || open[key] {
				continue
			}
			open[key] = true
			const block = 512 // stat(2)
			c.add(Holder{P: p, How: "mapped", FD: -1, Target: strings.TrimSuffix(m.path, " (deleted)"), Size: uint64(max(st.Size, 0)), Taken: uint64(max(st.Blocks, 0)) * block, Dev: st.Dev, Inode: st.Ino})
		}
		return nil
	})
}

// noDisk tells whether a mapping that is called deleted never had a name on a disk.
func noDisk(line []byte) bool {
	for _, part := range []string{"/memfd:", "/SYSV", "/dev/zero", "/[aio]", "/anon_hugepage", "/drm mm object", "/i915"} {
		if bytes.Contains(line, []byte(" "+part)) {
			return true
		}
	}
	return false
}

// PathHolders finds who has a file, directory or device open, by its inode: open,
// as working directory or root, as the program, or mapped. Of a device, and of a
// directory on which a file system is mounted, it finds who has anything of that
// file system.
func (h *Host) PathHolders(ps *Procs, name string) (*FDHolders, error) {
	var want unix.Stat_t
	if err := unix.Stat(name, &want); err != nil {
		return nil, fmt.Errorf("look at %s: %w", name, err)
	}
	whole := uint64(0) // a file system of which anything counts
	if want.Mode&unix.S_IFMT == unix.S_IFBLK {
		whole = want.Rdev
	}
	var above unix.Stat_t
	if want.Mode&unix.S_IFMT == unix.S_IFDIR && unix.Stat(name+"/..", &above) == nil && (above.Dev != want.Dev || above.Ino == want.Ino) {
		whole = want.Dev
	}
	matches := func(st *unix.Stat_t) bool {
		return st.Dev == want.Dev && st.Ino == want.Ino || whole != 0 && st.Dev == whole || want.Rdev != 0 && st.Rdev == want.Rdev && st.Mode&unix.S_IFMT == want.Mode&unix.S_IFMT
	}
	var c collector
	look := func(p *Process, rel, how string, fd int32) {
		var st unix.Stat_t
		if unix.Fstatat(h.proc.fd, rel, &st, 0) == nil && matches(&st) {
			to, _ := h.proc.link(rel)
			c.add(Holder{P: p, How: how, FD: fd, Target: to, Dev: st.Dev, Inode: st.Ino})
		}
	}
	scan := h.FDs(ps, func(row int, fd int32, _ []byte, k FileKind) {
		if k == KindPath || k == KindDevice {
			look(&ps.Rows[row], ps.Rows[row].dir()+"/fd/"+strconv.Itoa(int(fd)), "fd", fd)
		}
	})
	h.eachChunk(len(ps.Rows), func(_ *pidReader, i int) {
		p := &ps.Rows[i]
		if p.Kthread() {
			return
		}
		for _, how := range [...]string{"cwd", "root", "exe"} {
			look(p, p.dir()+"/"+how, how, -1)
		}
		h.mappedBy(p, &want, whole, &c)
	})
	return h.holders(ps, scan, &c, name), nil
}

// mappedBy finds whether a process has a file mapped, by the device and inode in
// maps.
func (h *Host) mappedBy(p *Process, want *unix.Stat_t, whole uint64, c *collector) {
	seen := map[string]bool{}
	_ = h.proc.with(p.dir()+"/maps", func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = cutLine(b)
			f := strings.Fields(string(line))
			if len(f) < 6 || f[4] == "0" {
				continue
			}
			major, minor, _ := strings.Cut(f[3], ":")
			ma, err1 := strconv.ParseUint(major, 16, 32)
			mi, err2 := strconv.ParseUint(minor, 16, 32)
			inode, err3 := strconv.ParseUint(f[4], 10, 64)
			dev := unix.Mkdev(uint32(ma), uint32(mi))
			if err1 != nil || err2 != nil || err3 != nil {
				continue
			}
			same := dev == want.Dev && inode == want.Ino
			if !same && (whole == 0 || dev != whole) {
				continue
			}
			path := strings.Join(f[5:], " ")
			if !seen[path] {
				seen[path] = true
				c.add(Holder{P: p, How: "mapped", FD: -1, Target: path, Dev: dev, Inode: inode})
			}
		}
		return nil
	})
}

// SocketHolders finds who has the sockets with an address, local or the peer's, in
// this network namespace. An address of all zeros, or none, is any.
func (h *Host) SocketHolders(ps *Procs, addr netip.Addr, port uint16) (*FDHolders, error) {
	fits := func(a netip.AddrPort) bool {
		return a.Port() == port && (!addr.IsValid() || addr.IsUnspecified() || a.Addr() == addr.Unmap() || a.Addr().IsUnspecified())
	}
	s, err := h.Sockets(SocketQuery{Dir: h.OwnNet(), States: sockdiag.Every, Bare: true})
	if err != nil {
		return nil, err
	}
	wanted := map[uint32]*sockdiag.Socket{}
	for i := range s.List.Len() {
		sock := s.List.At(i)
		if local, peer := sock.Local(), sock.Remote(); sock.Inode != 0 && local.IsValid() && (fits(local) || peer.Port() != 0 && fits(peer)) {
			wanted[sock.Inode] = sock
		}
	}
	var c collector
	scan := h.FDs(ps, func(row int, fd int32, link []byte, k FileKind) {
		if k != KindSocket {
			return
		}
		if n, ok := inodeIn(link); ok && wanted[uint32(n)] != nil {
			c.add(Holder{P: &ps.Rows[row], How: "fd", FD: fd, Target: string(link), Socket: wanted[uint32(n)], Inode: n})
		}
	})
	return h.holders(ps, scan, &c, "sockets"), nil
}
