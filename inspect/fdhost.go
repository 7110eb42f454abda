package inspect

import (
	"bytes"
	"cmp"
	"slices"
	"time"
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
	if s.shape() == number {
		return f.Mem.Missing(s)
	}
	switch {
	case s == PIDFd:
		return f.Scan.why()
	case s >= PIDStat:
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
	} else if r := f.Scan.why(); r.IsGap() {
		out = append(out, Gap{PIDFd, r, len(f.Scan.Counts), len(f.Scan.Counts)})
	}
	return out
}

// FDHost reads what a host has open; the caller has scanned the processes, with
// their status for whose they are. Without processes no descriptor is looked at.
func (h *Host) FDHost(ps *Procs, want Sources) (*FDHost, error) {
	return h.FDHostOf(func() *FDScan {
		if ps == nil {
			return &FDScan{Procs: &Procs{}}
		}
		return h.FDs(ps, nil)
	}, want)
}

// FDHostOf is FDHost where the descriptors were walked already, or are by scan.
func (h *Host) FDHostOf(scan func() *FDScan, want Sources) (*FDHost, error) {
	m, err := h.Mem(want.Only(func(s Source) bool { return s.shape() == number }).Plus(Of(Meminfo)))
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
	f.Scan = scan()
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
