package proc

import (
	"bytes"
	"cmp"
	"hash/fnv"
	"io/fs"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// FDCount is what one process has open.
type FDCount struct {
	Total    int
	Hidden   int // of these, what they lead to may not be seen
	Below    int // of these, whose number is below the soft limit; Unset if that is not known
	Kinds    [nKinds]int32
	Deleted  []OpenDeleted // files that are gone from their directory
	Silent   int           // files that seem to be gone, and whose file system did not answer in time
	Watchers []Watcher     // inotify instances and epoll sets
	Reason   inspect.Reason
	// Sized says that Total is the size of the directory, which everybody may see since 6.2
	// (fs/proc/fd.c, proc_fd_getattr), where its entries are denied.
	Sized bool
}

// Counted reports whether it is known how many descriptors there are.
func (c *FDCount) Counted() bool { return c.Reason == inspect.Present || c.Sized }

// Listed reports whether what some of them lead to could be seen, or there are none.
func (c *FDCount) Listed() bool {
	return c.Reason == inspect.Present && (c.Hidden < c.Total || c.Total == 0)
}

// Watcher is a descriptor that leads to an inotify instance or an epoll set.
type Watcher struct {
	FD      int32
	Kind    FileKind       // KindInotify or KindEpoll
	Watches int            // what it watches, by its fdinfo
	Why     inspect.Reason // why that is not known; Present where it is
	// Sum is made of what it watches: two descriptors of one object have the same, unless
	// that changes between two reads.
	Sum uint64
	// Copy says that another descriptor of the process leads to the same object, by dup.
	Copy bool
}

// Watched counts the objects of a kind that the process has, each once, and what these watch.
func (c *FDCount) Watched(kind FileKind) (objects, watches int) {
	for i := range c.Watchers {
		if w := &c.Watchers[i]; w.Kind == kind && !w.Copy {
			objects, watches = objects+1, watches+w.Watches
		}
	}
	return objects, watches
}

// Unwatched says why it is not known what one of the objects of a kind watches; Present where
// it is known of all.
func (c *FDCount) Unwatched(kind FileKind) inspect.Reason {
	for i := range c.Watchers {
		if w := &c.Watchers[i]; w.Kind == kind && !w.Copy && w.Why.IsGap() && w.Why != inspect.Vanished {
			return w.Why
		}
	}
	return inspect.Present
}

// OpenDeleted is an open file that is gone from its directory and still takes up
// space.
type OpenDeleted struct {
	FD   int32
	Path string
	OnDisk
	Saved bool // all of it that is known is the link of a copy, which leads nowhere
	// Memory says that it takes memory or swap, and no disk: package fd finds that out.
	Memory bool
}

// OnDisk is what stat says about a file.
type OnDisk struct {
	Dev, Inode uint64
	Size       uint64 // bytes, as its length says
	Taken      uint64 // bytes of the file system: its blocks
	Regular    bool
}

// OnDiskOf takes that from stat.
func OnDiskOf(st *unix.Stat_t) OnDisk {
	const block = 512 // stat(2): st_blocks counts these
	return OnDisk{Wide(st.Dev), st.Ino, uint64(max(st.Size, 0)), uint64(max(st.Blocks, 0)) * block, st.Mode&unix.S_IFMT == unix.S_IFREG}
}

// FDScan is what all processes of a scan have open.
type FDScan struct {
	Procs  *Processes
	Counts []FDCount // by row of Procs
}

// ScanFDs looks at every descriptor of every process. match, if it is not nil, is
// asked about each link and may keep it; it is called by two workers at once.
func ScanFDs(h *inspect.Host, ps *Processes, match func(row int, fd int32, link []byte, kind FileKind)) *FDScan {
	s := &FDScan{Procs: ps, Counts: make([]FDCount, len(ps.Rows))}
	same := h.SameProcesses()
	pool := sync.Pool{New: func() any { return newFDWalker(h) }}
	EachOf(h, len(ps.Rows), 1, func(r *Reader, i int) { // who has thousands of descriptors must not hold up its neighbours
		w := pool.Get().(*fdWalker)
		defer pool.Put(w)
		if same {
			ps.Rows[i].askLimit(h)
		} else {
			r.Fill(&ps.Rows[i], inspect.Of(inspect.PIDLimits))
		}
		w.below = ps.Rows[i].MaxFDs
		s.Counts[i].Reason = w.count(&ps.Rows[i], &s.Counts[i], func(fd int32, link []byte, k FileKind) {
			if match != nil {
				match(i, fd, link, k)
			}
		})
		if s.Counts[i].Reason == inspect.Denied && (ps.Rows[i].Kthread() || ps.Rows[i].Lacks(inspect.PIDFd)) {
			s.Counts[i].Reason = inspect.Inapplicable // it has none, whoever asks
		}
		if same && s.Counts[i].Sized && ps.Rows[i].Why(inspect.PIDLimits) == inspect.Unread {
			r.Fill(&ps.Rows[i], inspect.Of(inspect.PIDLimits)) // which everybody may read, where prlimit is refused
		}
	})
	return s
}

// fdWalker goes through directories of descriptors with buffers of its own.
type fdWalker struct {
	h    *inspect.Host
	dir  []byte
	link []byte
	info []byte

	below inspect.Num // the soft limit of the process
}

func newFDWalker(h *inspect.Host) *fdWalker {
	return &fdWalker{h: h, dir: make([]byte, 32<<10), link: make([]byte, 4096), info: make([]byte, 0, 16<<10)}
}

// askLimit asks the kernel for the limits of open files, where /proc/PID/limits was
// not read.
func (p *Process) askLimit(h *inspect.Host) {
	if p.Why(inspect.PIDLimits) != inspect.Unread {
		return
	}
	l, err := h.OpenFilesLimit(p.PID)
	if err != nil {
		return
	}
	bound := func(n uint64) inspect.Num {
		if n > 1<<62 { // RLIM_INFINITY
			return inspect.Unset
		}
		return inspect.Num(n)
	}
	p.MaxFDs, p.MaxFDsHard = bound(l.Cur), bound(l.Max)
	p.note(inspect.PIDLimits, inspect.Present)
}

// count looks at the descriptors of one process: one system call for each, and a
// few more for those that want a closer look.
func (w *fdWalker) count(p *Process, c *FDCount, see func(fd int32, link []byte, k FileKind)) inspect.Reason {
	dir, err := w.h.Proc.Open(p.Home(w.h) + "/fd")
	if err != nil {
		why := w.h.PidReason(p.Dir(), err)
		if c.Below = int(inspect.Unset); why == inspect.Denied {
			c.Total, c.Sized, _ = SizeOfFDs(w.h, p.Home(w.h)+"/fd")
			if c.Total == 0 && w.moved(p) { // that of an ended main thread is root's, whose process it may be
				return w.count(p, c, see)
			}
		}
		return why
	}
	if c.Below = 0; w.below == inspect.Unset {
		c.Below = int(inspect.Unset)
	}
	defer dir.Close()
	err = dir.Each(w.dir, func(name []byte) {
		if fd, ok := inspect.ParseUint(name); ok && fd <= 1<<30 {
			w.one(p, &dir, name, int32(fd), c, see)
		}
	})
	if err == nil && c.Total == 0 && w.moved(p) {
		return w.count(p, c, see)
	}
	if err == nil && c.Total == 0 {
		n, why := NoFDs(w.h, p)
		c.Total, c.Sized = n, n > 0
		return why
	}
	return inspect.ReasonOfPID(err)
}

// moved finds where the descriptors of a process are that seems to have none: where its main thread
// has ended, a thread that goes on has them.
func (w *fdWalker) moved(p *Process) bool {
	if p.other != 0 || p.Kthread() || p.State != 0 && !p.MainEnded() || p.TGID != 0 {
		return false
	}
	r, now := Reader{Host: w.h}, NewProcess(p.PID)
	if r.One(&now, inspect.PIDStat) == inspect.Present && now.MainEnded() {
		p.other = now.other
	}
	return p.other > 0
}

// NoFDs says what an empty directory of descriptors means: why it does not show that there are
// none, and how many of them are known otherwise. A running kernel shows so that a
// process has none; in a copy it may be that who saved it had no leave to read the links, or
// left them out. There a process has none for certain if its table has no room for any, which
// status says (fs/proc/array.c, task_state: FDSize is 0 of who has no table), and if their
// fdinfo was saved there are as many.
func NoFDs(h *inspect.Host, p *Process) (n int, why inspect.Reason) {
	if h.Live || p.Kthread() {
		return 0, inspect.Present
	}
	room := inspect.Unset
	_ = h.Proc.With(p.Dir()+"/status", func(b []byte) error {
		for line := range inspect.Lines(b) {
			if rest, ok := bytes.CutPrefix(line, []byte("FDSize:")); ok {
				room = inspect.ParseNum(bytes.TrimSpace(rest))
			}
		}
		return nil
	})
	if room == 0 {
		return 0, inspect.Present
	}
	names, _ := h.Proc.Names(p.Dir() + "/fdinfo") // without it nothing is known of them
	return len(names), inspect.NotSaved
}

func (w *fdWalker) one(p *Process, dir *inspect.Dir, name []byte, fd int32, c *FDCount, see func(int32, []byte, FileKind)) {
	n, errno := dir.Readlink(name, w.link)
	switch {
	case errno == unix.EACCES || errno == unix.EPERM:
		c.Hidden++
		c.add(fd, w.below)
		return
	case errno != 0 || n == 0:
		return // closed meanwhile
	}
	link := w.link[:n]
	kind, deleted := KindOf(link)
	c.add(fd, w.below)
	c.Kinds[kind]++
	switch {
	case deleted:
		d, ok, late := w.deleted(p, string(name), fd, link)
		if late {
			c.Silent++
		}
		if ok {
			c.Deleted = append(c.Deleted, d)
		}
	case kind == KindInotify:
		c.Watchers = append(c.Watchers, w.watcher(p, name, fd, kind, "inotify "))
	case kind == KindEpoll:
		c.Watchers = append(c.Watchers, w.watcher(p, name, fd, kind, "tfd:"))
	}
	see(fd, link, kind)
}

// add counts a descriptor.
func (c *FDCount) add(fd int32, limit inspect.Num) {
	if c.Total++; inspect.Num(fd) < limit {
		c.Below++
	}
}

// Follow looks at what a link of a process leads to. In a copy of /proc it leads to a
// file of another host, and here to another one or none.
func Follow(h *inspect.Host, rel string) (unix.Stat_t, error) {
	if !h.Live {
		return unix.Stat_t{}, fs.ErrNotExist
	}
	return h.Proc.Stat(rel)
}

// deleted looks at a file that the kernel calls deleted. In a copy that is all that is known of
// it.
func (w *fdWalker) deleted(p *Process, name string, fd int32, link []byte) (d OpenDeleted, ok, late bool) {
	if !w.h.Live {
		return OpenDeleted{FD: fd, Path: string(bytes.TrimSuffix(link, []byte(" (deleted)"))), Saved: true}, true, false
	}
	st, err := Follow(w.h, p.Home(w.h)+"/fd/"+name)
	if err != nil || st.Nlink > 0 {
		return d, false, inspect.ReasonOf(err) == inspect.TimedOut
	}
	return OpenDeleted{FD: fd, Path: string(bytes.TrimSuffix(link, []byte(" (deleted)"))), OnDisk: OnDiskOf(&st)}, true, false
}

// watcher counts the lines of a descriptor's fdinfo that begin so, and sums them up. Neither
// pos, flags nor ino tell one object from another: anonymous inodes share one.
func (w *fdWalker) watcher(p *Process, name []byte, fd int32, kind FileKind, prefix string) Watcher {
	out := Watcher{FD: fd, Kind: kind}
	rel := p.Home(w.h) + "/fdinfo/" + string(name)
	b, err := w.h.Proc.Read(rel, w.info[:0], inspect.UntilEmpty)
	if w.info = b[:0]; err != nil {
		out.Why = w.h.PidReason(p.Dir(), err)
		return out
	}
	sum := fnv.New64a()
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		if bytes.HasPrefix(line, []byte(prefix)) {
			out.Watches++
			sum.Write(line)
		}
	}
	out.Sum = sum.Sum64()
	return out
}

// Totals adds up what all processes have open.
func (s *FDScan) Totals() (out FDCount, seen, denied int) {
	for i := range s.Counts {
		c := &s.Counts[i]
		switch {
		case c.Reason == inspect.Denied, c.Hidden > 0:
			denied++
		case c.Reason == inspect.Present:
			seen++
		}
		out.Total, out.Hidden = out.Total+c.Total, out.Hidden+c.Hidden
		for k, n := range c.Kinds {
			out.Kinds[k] += n
		}
		out.Deleted = append(out.Deleted, c.Deleted...)
	}
	return out, seen, denied
}

// Seen returns how many processes showed their descriptors, with what each leads to.
// Kernel threads have none.
func (s *FDScan) Seen() inspect.Seen {
	return inspect.SeenBy("process", inspect.PIDFd, len(s.Counts), s.why).Within(s.Procs.Seen())
}

// why says why one of the processes did not show its descriptors, or what each leads to.
func (s *FDScan) why(i int) inspect.Reason {
	switch {
	case s.Procs.Rows[i].Kthread():
		return inspect.Inapplicable
	case s.Counts[i].Hidden > 0:
		return inspect.Denied
	}
	return s.Counts[i].Reason
}

// Sized returns how many processes it is known of how many descriptors they have.
func (s *FDScan) Sized() inspect.Seen {
	out := inspect.SeenBy("process", inspect.PIDFd, len(s.Counts), func(i int) inspect.Reason {
		switch c := &s.Counts[i]; {
		case s.Procs.Rows[i].Kthread():
			return inspect.Inapplicable
		case !c.Counted():
			return c.Reason
		}
		return inspect.Present
	})
	return out.Within(s.Procs.Seen())
}

// Gaps says how many processes do not show their descriptors, and why, and how many have files on a
// file system that did not answer.
func (s *FDScan) Gaps() []inspect.Gap {
	out := append(s.Procs.Hidden(), inspect.GapsBy(inspect.PIDFd, len(s.Counts), s.why)...)
	silent := 0
	for i := range s.Counts {
		if s.Counts[i].Silent > 0 {
			silent++
		}
	}
	if silent > 0 {
		out = append(out, inspect.Gap{Source: inspect.PIDFd, Reason: inspect.TimedOut, Count: silent, Of: len(s.Counts)})
	}
	return out
}

// Watchers returns how many processes showed what their inotify instances and epoll sets
// watch, those among them that have none.
func (s *FDScan) Watchers() inspect.Seen {
	out := inspect.SeenBy("process", inspect.PIDFdinfo, len(s.Counts), func(i int) inspect.Reason {
		switch c := &s.Counts[i]; {
		case s.Procs.Rows[i].Kthread():
			return inspect.Inapplicable
		case c.Reason != inspect.Present:
			return c.Reason
		case c.Hidden > 0:
			return inspect.Denied
		default:
			return cmp.Or(c.Unwatched(KindInotify), c.Unwatched(KindEpoll))
		}
	})
	return out.Within(s.Procs.Seen())
}

// Why says why no descriptor of any process was seen; Present if one was.
func (s *FDScan) Why() inspect.Reason {
	why := inspect.Present
	for i := range s.Counts {
		switch c := &s.Counts[i]; {
		case c.Reason == inspect.Present && (c.Total == 0 || c.Hidden < c.Total):
			return inspect.Present
		case c.Hidden > 0 || c.Reason == inspect.Denied:
			why = inspect.Denied
		case why != inspect.Denied:
			why = c.Reason
		}
	}
	return why
}

// InodeIn reads the number in "socket:[123]".
func InodeIn(link []byte) (uint64, bool) {
	_, rest, ok := bytes.Cut(link, []byte(":["))
	if !ok || len(rest) == 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(bytes.TrimSuffix(rest, []byte("]"))), 10, 64)
	return n, err == nil
}

// Wide is a device number as most machines have it: mips and mips64 keep those of
// struct stat in 32 bits (arch/mips/include/uapi/asm/stat.h).
func Wide[T uint32 | uint64](dev T) uint64 { return uint64(dev) }
