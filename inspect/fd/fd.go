package fd

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"kwhy/inspect"
	"kwhy/inspect/mem"
	"kwhy/inspect/proc"
)

// Snapshot is what a host has open.
type Snapshot struct {
	Mem  *mem.Snapshot // sysctls
	Scan *proc.FDScan
	// Of /proc/sys/fs: open files of all processes and their bound; inodes and
	// dentries in the kernel's caches. Unset if unknown.
	Files, FilesMax                            inspect.Num
	Inodes, InodesUnused                       inspect.Num
	Dentries, DentriesUnused, DentriesNegative inspect.Num
	Locks, LocksWaiting                        inspect.Num
	AIO                                        inspect.Num
	Keys                                       []KeyUser
	Charges                                    *Charges                  // of the processes that may be looked at
	Spaces                                     map[inspect.Source]Spaces // by the source of their bound
	Was                                        *Snapshot

	got [inspect.NumSources]inspect.Reason
}

// Missing says why a source gave nothing.
func (f *Snapshot) Missing(s inspect.Source) inspect.Reason {
	switch {
	case ofOwnNamespace(s) && f.Charges.Own == inspect.InitialUserNS:
		return inspect.Inapplicable
	case s.Shape() == inspect.ShapeNumber:
		return f.Mem.Missing(s)
	case s == inspect.PIDFd:
		return f.Scan.Why()
	case s.Scope() == inspect.OfProcess:
		return inspect.Present
	}
	return f.got[s]
}

// SeenOf returns how much was seen of the processes that a source is read of, and of locks.
func (f *Snapshot) SeenOf(s inspect.Source) inspect.Seen {
	switch {
	case s == inspect.Locks:
		return f.locksSeen()
	case f.Scan == nil:
		return inspect.Seen{}
	case s == inspect.PIDFd:
		return f.Scan.Seen()
	case s == inspect.PIDFdinfo:
		return f.Scan.Watchers()
	}
	return f.Scan.Procs.SeenOf(s)
}

// locksSeen returns how much was seen of the locks. A /proc of a PID namespace has those alone whose
// owner has a number there, and those of open files, which have no owner (fs/locks.c, locks_show and
// locks_translate_pid, since 4.9).
func (f *Snapshot) locksSeen() inspect.Seen {
	host := f.Mem.Host
	whole, known := host.InitialPIDNamespace()
	if f.Locks < 0 || whole || !known && !host.Live {
		return inspect.Seen{}
	}
	n := int(f.Locks + f.LocksWaiting)
	return inspect.Seen{
		Each: "lock", Seen: n, All: n, Open: true, Beyond: inspect.OtherNamespace, Source: inspect.Locks, Reason: inspect.OtherNamespace,
	}
}

// Seen returns how many processes are rows: those of which it is known how many descriptors
// they have.
func (f *Snapshot) Seen() inspect.Seen { return f.Scan.Sized() }

// Before returns the sample an interval ago.
func (f *Snapshot) Before() (*Snapshot, time.Duration, bool) {
	if f.Was == nil {
		return nil, 0, false
	}
	return f.Was, f.Mem.At.Sub(f.Was.Mem.At), true
}

// Kernel returns the kernel that was read.
func (f *Snapshot) Kernel() inspect.Kernel { return f.Mem.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (f *Snapshot) Doubt(src inspect.Source) inspect.Doubt { return f.Mem.Host.Doubt(src) }

// Gaps lists the wanted sources that gave nothing, and how many processes do not
// show their descriptors.
func (f *Snapshot) Gaps() []inspect.Gap {
	out := f.Mem.Gaps()
	for s, r := range f.got {
		if r.IsGap() && r != inspect.Unread {
			out = append(out, inspect.Gap{Source: inspect.Source(s), Reason: r, Count: 1, Of: 1})
		}
	}
	return append(out, f.Scan.Gaps()...)
}

// Take reads what a host has open; the caller has scanned the processes, with
// their status for their users. Without processes no descriptor is looked at.
func Take(h *inspect.Host, ps *proc.Processes, want inspect.Sources) (*Snapshot, error) {
	return TakeBeside(h, func() *proc.FDScan {
		if ps == nil {
			return &proc.FDScan{Procs: &proc.Processes{}}
		}
		return proc.ScanFDs(h, ps, nil)
	}, want)
}

// TakeBeside is FDHost where the descriptors were walked already, or are by scan.
func TakeBeside(h *inspect.Host, scan func() *proc.FDScan, want inspect.Sources) (*Snapshot, error) {
	own := ownUserNS(h)
	m, err := mem.Take(h, want.Only(func(s inspect.Source) bool {
		return s.Shape() == inspect.ShapeNumber && (own != inspect.InitialUserNS || !ofOwnNamespace(s))
	}).Plus(inspect.Of(inspect.Meminfo)))
	if m == nil || err != nil && m.At.IsZero() {
		return nil, err
	}
	f := &Snapshot{
		Mem: m, Files: inspect.Unset, FilesMax: inspect.Unset, Inodes: inspect.Unset, InodesUnused: inspect.Unset,
		Dentries: inspect.Unset, DentriesUnused: inspect.Unset, DentriesNegative: inspect.Unset, Locks: inspect.Unset,
		LocksWaiting: inspect.Unset, AIO: inspect.Unset,
	}
	f.got[inspect.FSFileNr] = fsNumbers(h, "file-nr", &f.Files, nil, &f.FilesMax)
	f.got[inspect.FSInodeNr] = fsNumbers(h, "inode-nr", &f.Inodes, &f.InodesUnused)
	f.got[inspect.FSDentryState] = fsNumbers(h, "dentry-state", &f.Dentries, &f.DentriesUnused, nil, nil, &f.DentriesNegative)
	// A dummy of 0 until 5.0.
	if dummy := inspect.Choose(h.Kernel.Since(5, 0), false, true, f.DentriesNegative == 0); dummy {
		f.DentriesNegative = inspect.Unset
	}
	f.got[inspect.Locks] = inspect.ReasonOf(h.Proc.With("locks", func(b []byte) error {
		f.Locks, f.LocksWaiting = 0, 0
		for line := range inspect.Lines(b) {
			if f.Locks++; bytes.Contains(line, []byte(": -> ")) {
				f.Locks, f.LocksWaiting = f.Locks-1, f.LocksWaiting+1
			}
		}
		return nil
	}))
	if f.got[inspect.KeyUsers] = inspect.Unread; want.Has(inspect.KeyUsers) {
		f.got[inspect.KeyUsers] = f.readKeys(h)
	}
	f.Scan = scan()
	placeDeleted(h, f.Scan)
	f.Charges = chargesOf(h, f.Scan, own)
	f.countSpaces(h, want, own)
	return f, nil
}

// fsNumbers reads a line of numbers of /proc/sys/fs.
func fsNumbers(h *inspect.Host, name string, to ...*inspect.Num) inspect.Reason {
	return inspect.ReasonOf(h.Proc.Single("sys/fs/"+name, func(b []byte) error {
		rest := inspect.TrimNewline(b)
		for i, p := range to {
			var field []byte
			field, rest = inspect.CutField(rest)
			n := inspect.ParseNum(field)
			if n == inspect.Unset && i == 0 {
				return inspect.ErrMalformed
			}
			if p != nil {
				*p = n
			}
		}
		return nil
	}))
}

// ProcessPart is what one process has open, among all.
type ProcessPart struct {
	Host *Snapshot
	Row  proc.Row
	It   *proc.FDCount
	N    int
}

// Missing says why a source gave nothing.
func (p ProcessPart) Missing(s inspect.Source) inspect.Reason {
	switch {
	case s == inspect.PIDFd && p.It.Counted():
		return inspect.Present
	case s == inspect.PIDFd:
		return p.It.Reason
	}
	return p.Row.Missing(s)
}

// Before returns the same process an interval ago.
func (p ProcessPart) Before() (ProcessPart, time.Duration, bool) {
	was, over, ok := p.Host.Before()
	if !ok {
		return ProcessPart{}, 0, false
	}
	i, ok := was.Scan.Procs.Row(p.Row.P.PID)
	if !ok || was.Scan.Procs.Rows[i].Start != p.Row.P.Start || was.Scan.Counts[i].Reason != inspect.Present {
		return ProcessPart{}, 0, false
	}
	return ProcessPart{was, was.Scan.Procs.At(int(i)), &was.Scan.Counts[i], int(i)}, over, true
}

// Kernel returns the kernel that was read.
func (p ProcessPart) Kernel() inspect.Kernel { return p.Host.Kernel() }

// Doubt says why what a source says is not the kernel's own.
func (p ProcessPart) Doubt(src inspect.Source) inspect.Doubt { return p.Host.Doubt(src) }

// Len returns the number of processes.
func (f *Snapshot) Len() int { return len(f.Scan.Counts) }

// At returns one of them.
func (f *Snapshot) At(i int) ProcessPart {
	return ProcessPart{f, f.Scan.Procs.At(i), &f.Scan.Counts[i], i}
}

// KindCount is how many descriptors of a kind a host has.
type KindCount struct {
	Kind proc.FileKind
	N    int
}

// KindPart is one of these counts in its context.
type KindPart = inspect.Part[*Snapshot, KindCount]

// Kinds counts a host's descriptors by kind: the kinds that it has, the most first.
func (f *Snapshot) Kinds() inspect.Parts[*Snapshot, KindCount] {
	totals, _, _ := f.Scan.Totals()
	var list []KindCount
	for k, n := range totals.Kinds {
		if n > 0 {
			list = append(list, KindCount{proc.FileKind(k), int(n)})
		}
	}
	slices.SortStableFunc(list, func(a, b KindCount) int { return cmp.Compare(b.N, a.N) })
	return inspect.Parts[*Snapshot, KindCount]{In: f, List: list, Same: sameKind, Among: inspect.PIDFd}
}

// sameKind counts the descriptors of a kind in an earlier sample.
func sameKind(was *Snapshot, k *KindCount) *KindCount {
	totals, _, _ := was.Scan.Totals()
	return &KindCount{k.Kind, int(totals.Kinds[k.Kind])}
}
