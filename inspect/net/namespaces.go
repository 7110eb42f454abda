package net

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"time"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// Namespace is a network namespace, and how it is reached.
type Namespace struct {
	Inode     uint64  // identifies it; 0 if unknown
	Dir       string  // its directory below /proc: self/net, 1234/net
	PID       int32   // the process through which it is reached
	Own       bool    // kwhy is in it
	Processes []int32 // that live in it, in ascending order; of those that FindNamespaces found
}

// NamespaceList are the network namespaces of a host.
type NamespaceList struct {
	Procs  *proc.Processes
	List   []Namespace // kwhy's own first, then by how many processes live there
	Denied int         // processes whose namespace may not be seen

	seen inspect.Seen // how many processes showed theirs
}

// FindNamespaces finds the namespaces that processes live in. One that is kept alive
// by a bind mount (ip netns add) or by a socket alone has no process, and is not
// found. A thread can be in another than its process: that is not looked for.
func FindNamespaces(h *inspect.Host, ps *proc.Processes) *NamespaceList {
	out := &NamespaceList{Procs: ps}
	own, ownInode := OwnNamespace(h), ownInode(h)
	at := map[uint64]*Namespace{}
	whys := make([]inspect.Reason, len(ps.Rows))
	var mu sync.Mutex
	proc.EachChunk(h, len(ps.Rows), func(_ *proc.Reader, i int) {
		p := &ps.Rows[i]
		if p.Kthread() || p.Zombie() {
			whys[i] = inspect.Inapplicable // all of the kernel's are in the initial one
			return
		}
		inode, err := h.Namespace(p.Home(h), "net")
		whys[i] = inspect.ReasonOfPID(err)
		mu.Lock()
		defer mu.Unlock()
		switch whys[i] {
		case inspect.Present:
		case inspect.Denied:
			out.Denied++
			return
		default:
			return
		}
		s := at[inode]
		if s == nil {
			s = &Namespace{Inode: inode, Own: inode == ownInode}
			at[inode] = s
		}
		s.Processes = append(s.Processes, p.PID)
	})
	of := func(i int) inspect.Reason { return whys[i] }
	out.seen = inspect.SeenBy("process", inspect.PIDNs, len(ps.Rows), of).Within(ps.Seen())
	for _, s := range at {
		slices.Sort(s.Processes)
		s.PID = s.Processes[0]
		i, _ := ps.Row(s.PID)
		if s.Dir = ps.Rows[i].Home(h) + "/net"; s.Own && own.Own {
			s.Dir, s.PID = own.Dir, own.PID
		}
		out.List = append(out.List, *s)
	}
	slices.SortFunc(out.List, func(a, b Namespace) int {
		if a.Own != b.Own {
			if a.Own {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(len(b.Processes), len(a.Processes)), cmp.Compare(a.PID, b.PID))
	})
	return out
}

// NamespacePart is the network of one namespace, among all.
type NamespacePart struct {
	All *Namespaces
	It  *Snapshot
	N   int
}

// Namespaces is the network of each namespace that a process lives in.
type Namespaces struct {
	Found *NamespaceList
	List  []*Snapshot
	Was   *Namespaces
}

// TakeNamespaces reads the wanted sources of every namespace. One that ends meanwhile is
// left out.
func TakeNamespaces(h *inspect.Host, ps *proc.Processes, want inspect.Sources) *Namespaces {
	out := &Namespaces{Found: FindNamespaces(h, ps)}
	for _, s := range out.Found.List {
		if n, err := Take(h, s, want); err == nil {
			out.List = append(out.List, n)
		}
	}
	return out
}

// Missing says that nothing of all namespaces together is missing: Gaps counts.
func (l *Namespaces) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// SeenOf returns how much was seen of the processes that they are found by.
func (l *Namespaces) SeenOf(s inspect.Source) inspect.Seen {
	if s.Scope() == inspect.OfProcess {
		return l.Found.seen
	}
	return inspect.Seen{}
}

// Seen returns the same of the rows.
func (l *Namespaces) Seen() inspect.Seen { return l.Found.seen }

// Before returns the sample an interval ago.
func (l *Namespaces) Before() (*Namespaces, time.Duration, bool) {
	if l.Was == nil {
		return nil, 0, false
	}
	return l.Was, l.Found.Procs.Host.At.Sub(l.Was.Found.Procs.Host.At), true
}

// Origin is the source that a value of all was taken from, of one that names several.
func (l *Namespaces) Origin(s inspect.Source) inspect.Source {
	for i, n := range l.List {
		if n.Origin(s) != l.List[max(i-1, 0)].Origin(s) {
			return s
		}
	}
	if len(l.List) == 0 {
		return s
	}
	return l.List[0].Origin(s)
}

// Kernel returns the kernel that was read.
func (l *Namespaces) Kernel() inspect.Kernel { return l.Found.Procs.Host.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (l *Namespaces) Doubt(src inspect.Source) inspect.Doubt {
	return l.Found.Procs.Host.Host.Doubt(src)
}

// Len returns how many there are.
func (l *Namespaces) Len() int { return len(l.List) }

// At returns one of them.
func (l *Namespaces) At(i int) NamespacePart { return NamespacePart{l, l.List[i], i} }

// Gaps lists what could not be seen.
func (l *Namespaces) Gaps() (out []inspect.Gap) {
	if n := l.Found.Denied; n > 0 {
		total := n
		for i := range l.Found.List {
			total += len(l.Found.List[i].Processes)
		}
		out = append(out, inspect.Gap{Source: inspect.PIDNs, Reason: inspect.Denied, Count: n, Of: total})
	}
	if g, ok := l.Found.Procs.Seen().Unlisted(); ok {
		out = append(out, g)
	}
	for _, s := range inspect.Every() {
		g := inspect.Gap{Source: s}
		for _, n := range l.List {
			if r := n.Missing(s); r.IsGap() && r != inspect.Unread {
				g.Reason = r
				g.Count++
			}
		}
		if g.Of = len(l.List); g.Count > 0 {
			out = append(out, g)
		}
	}
	return out
}

// Missing says why a source gave nothing.
func (p NamespacePart) Missing(s inspect.Source) inspect.Reason { return p.It.Missing(s) }

// Before returns the same namespace an interval ago.
func (p NamespacePart) Before() (NamespacePart, time.Duration, bool) {
	if p.All.Was == nil {
		return NamespacePart{}, 0, false
	}
	for i, w := range p.All.Was.List {
		if w.Space.Inode == p.It.Space.Inode {
			return NamespacePart{p.All.Was, w, i}, p.It.Mem.At.Sub(w.Mem.At), true
		}
	}
	return NamespacePart{}, 0, false
}

// Kernel returns the kernel that was read.
func (p NamespacePart) Kernel() inspect.Kernel { return p.It.Kernel() }

// Doubt says why what a source says is not the kernel's own.
func (p NamespacePart) Doubt(src inspect.Source) inspect.Doubt { return p.It.Doubt(src) }

// Part is one of the many of a kind that a network has, in its context.
type Part[T any] = inspect.Part[*Snapshot, T]

// Parts is a list of them: the rows of a table.
type Parts[T any] = inspect.Parts[*Snapshot, T]

// SameInterface finds an interface in an earlier sample.
func SameInterface(was *Snapshot, i *Interface) *Interface {
	for k := range was.Interfaces {
		if w := &was.Interfaces[k]; w.Name == i.Name && w.Index == i.Index {
			return w
		}
	}
	return nil
}

// SameSoftnet finds a CPU in an earlier sample.
func SameSoftnet(was *Snapshot, c *SoftnetCPU) *SoftnetCPU {
	for k := range was.Softnet {
		if was.Softnet[k].CPU == c.CPU {
			return &was.Softnet[k]
		}
	}
	return nil
}

// SameQdisc finds a qdisc in an earlier sample.
func SameQdisc(was *Snapshot, q *Qdisc) *Qdisc {
	for k := range was.Qdiscs {
		if w := &was.Qdiscs[k]; w.Dev == q.Dev && w.Kind == q.Kind && w.Handle == q.Handle && w.Parent == q.Parent {
			return w
		}
	}
	return nil
}

// OwnNamespace is the namespace that kwhy is in; of a /proc of another PID namespace,
// the host's mounted into a container, that of its first process: /proc/self there
// would lead back to the container's network.
func OwnNamespace(h *inspect.Host) Namespace {
	if h.Live && !h.SameProcesses() {
		if s, err := NamespaceOf(h, 1); err == nil {
			return s
		}
	}
	s := Namespace{Dir: "self/net", Own: true, PID: h.Self()}
	if !h.Live {
		dir := OwnDir(h)
		if s.Dir = path.Join(dir, "net"); dir == "1" {
			s.PID = 1
		}
	}
	s.Inode = ownInode(h)
	return s
}

// NamespaceOf is the namespace that a process is in. Its number is
// shown only to those who may trace the process, its /proc/PID/net to everyone: a
// namespace without a number is an answer too.
func NamespaceOf(h *inspect.Host, pid int32) (Namespace, error) {
	dir := proc.HomeOf(h, pid)
	inode, err := h.Namespace(dir, "net")
	if errors.Is(err, fs.ErrPermission) {
		s := Namespace{Dir: dir + "/net", PID: pid}
		if s.Own = sharesFiles(h, dir); s.Own {
			s.Inode = ownInode(h)
		}
		return s, nil
	}
	if _, there := h.Proc.Stat(dir); err != nil && there == nil && inspect.ReasonOf(err) == inspect.NotSaved {
		return Namespace{Dir: dir + "/net", PID: pid}, nil
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = inspect.ErrNoProcess
		}
		return Namespace{}, fmt.Errorf("the network namespace of process %d: %w", pid, err)
	}
	return Namespace{Dir: dir + "/net", PID: pid, Inode: inode, Own: inode == ownInode(h)}, nil
}

// sharesFiles reports whether a process is in kwhy's own network namespace, as anybody may see.
func sharesFiles(h *inspect.Host, dir string) bool {
	yes, _ := h.SharesNetwork(dir)
	return yes
}

// ownInode is the inode of the namespace that this process is in: of a copy, that
// which the copy was made in.
func ownInode(h *inspect.Host) uint64 {
	if h.Live {
		if to, err := h.Elsewhere().Readlink("/proc/self/ns/net"); err == nil {
			if n, ok := proc.InodeIn([]byte(to)); ok {
				return n
			}
		}
	}
	n, _ := numberOf(h, OwnDir(h))
	return n
}
