package inspect

import (
	"cmp"
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// NetSpace is a network namespace, and how it is reached.
type NetSpace struct {
	Inode     uint64  // tells one from another; 0 if unknown
	Dir       string  // its directory below /proc: self/net, 1234/net
	PID       int32   // the process through which it is reached
	Own       bool    // kwhy is in it
	Processes []int32 // that live in it, in ascending order; of NetNamespaces alone
}

// NetNamespaces are the network namespaces of a host.
type NetNamespaces struct {
	Procs  *Procs
	List   []NetSpace // kwhy's own first, then by how many processes live there
	Denied int        // processes whose namespace may not be seen
}

// NetNamespaces finds the namespaces that processes live in. One that is kept alive
// by a bind mount (ip netns add) or by a socket alone has no process, and is not
// found. A thread can be in another than its process: that is not looked for.
func (h *Host) NetNamespaces(ps *Procs) *NetNamespaces {
	out := &NetNamespaces{Procs: ps}
	own, ownInode := h.OwnSpace(), h.ownInode()
	at := map[uint64]*NetSpace{}
	var mu sync.Mutex
	h.eachChunk(len(ps.Rows), func(_ *pidReader, i int) {
		p := &ps.Rows[i]
		if p.Kthread() {
			return // all are in the initial one
		}
		inode, err := h.namespace(p.dir(), "net")
		mu.Lock()
		defer mu.Unlock()
		switch reasonForPID(err) {
		case Present:
		case Denied:
			out.Denied++
			return
		default:
			return
		}
		s := at[inode]
		if s == nil {
			s = &NetSpace{Inode: inode, Own: inode == ownInode}
			at[inode] = s
		}
		s.Processes = append(s.Processes, p.PID)
	})
	for _, s := range at {
		slices.Sort(s.Processes)
		s.PID = s.Processes[0]
		if s.Dir = strconv.Itoa(int(s.PID)) + "/net"; s.Own && own.Own {
			s.Dir, s.PID = own.Dir, own.PID
		}
		out.List = append(out.List, *s)
	}
	slices.SortFunc(out.List, func(a, b NetSpace) int {
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

// errCopy says that a copy of a host has no namespace to enter.
var errCopy = errors.New("a copy")

// inside runs do in a network namespace, on a thread of its own that ends with it:
// a thread that has entered another namespace must run nothing else. Entering wants
// CAP_SYS_ADMIN, here and in the user namespace that owns it (setns(2)).
func (h *Host) inside(space NetSpace, do func()) error {
	if !h.Live {
		return errCopy
	}
	fd, err := unix.Openat(h.proc.fd, strconv.Itoa(int(space.PID))+"/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: strconv.Itoa(int(space.PID)) + "/ns/net", Err: err}
	}
	defer unix.Close(fd)
	return onSpareThread(func() error {
		err := unix.Setns(fd, unix.CLONE_NEWNET)
		if err == nil {
			do()
		}
		return err
	})
}

// onSpareThread runs do on a thread that ends with it. The main thread won't do:
// the runtime keeps it, and with it /proc/self would stay in the other namespace.
func onSpareThread(do func() error) error {
	done := make(chan error, 1)
	spare := func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		done <- do()
	}
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			spare()
			return
		}
		defer runtime.UnlockOSThread()
		held := make(chan struct{})
		go func() { // not on the main thread, which is held here meanwhile
			defer close(held)
			spare()
		}()
		<-held
	}()
	return <-done
}

// NetSpacePart is the network of one namespace, among all.
type NetSpacePart struct {
	All *NetSpaces
	It  *Net
	N   int
}

// NetSpaces is the network of each namespace that a process lives in.
type NetSpaces struct {
	Found *NetNamespaces
	List  []*Net
	Was   *NetSpaces
}

// NetSpaces reads the wanted sources of every namespace. One that ends meanwhile is
// left out.
func (h *Host) NetSpaces(ps *Procs, want Sources) *NetSpaces {
	out := &NetSpaces{Found: h.NetNamespaces(ps)}
	for _, s := range out.Found.List {
		if n, err := h.Net(s, want); err == nil {
			out.List = append(out.List, n)
		}
	}
	return out
}

// Missing says that nothing of all namespaces together is missing: Gaps counts.
func (l *NetSpaces) Missing(Source) Reason { return Present }

// Before returns the sample an interval ago.
func (l *NetSpaces) Before() (*NetSpaces, time.Duration, bool) {
	if l.Was == nil {
		return nil, 0, false
	}
	return l.Was, l.Found.Procs.Host.At.Sub(l.Was.Found.Procs.Host.At), true
}

// Origin is the source that a value of all was taken from, of one that names several.
func (l *NetSpaces) Origin(s Source) Source {
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
func (l *NetSpaces) Kernel() Version { return l.Found.Procs.Host.Host.Kernel }

// Len returns how many there are.
func (l *NetSpaces) Len() int { return len(l.List) }

// At returns one of them.
func (l *NetSpaces) At(i int) NetSpacePart { return NetSpacePart{l, l.List[i], i} }

// Gaps lists what could not be seen.
func (l *NetSpaces) Gaps() (out []Gap) {
	if n := l.Found.Denied; n > 0 {
		total := n
		for i := range l.Found.List {
			total += len(l.Found.List[i].Processes)
		}
		out = append(out, Gap{PIDNs, Denied, n, total})
	}
	for s := None + 1; s < PIDStat; s++ {
		g := Gap{Source: s}
		for _, n := range l.List {
			if r := n.Missing(s); r.IsGap() && r != Unread {
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
func (p NetSpacePart) Missing(s Source) Reason { return p.It.Missing(s) }

// Before returns the same namespace an interval ago.
func (p NetSpacePart) Before() (NetSpacePart, time.Duration, bool) {
	if p.All.Was == nil {
		return NetSpacePart{}, 0, false
	}
	for i, w := range p.All.Was.List {
		if w.Space.Inode == p.It.Space.Inode {
			return NetSpacePart{p.All.Was, w, i}, p.It.Mem.At.Sub(w.Mem.At), true
		}
	}
	return NetSpacePart{}, 0, false
}

// Kernel returns the kernel that was read.
func (p NetSpacePart) Kernel() Version { return p.It.Kernel() }

// NetPart is one of the many of a kind that a network has.
type NetPart[T any] struct {
	Net *Net
	It  *T

	was func(*Net, *T) *T
}

// Missing says why a source gave nothing.
func (p NetPart[T]) Missing(s Source) Reason { return p.Net.Missing(s) }

// Before returns the same thing an interval ago.
func (p NetPart[T]) Before() (NetPart[T], time.Duration, bool) {
	was, over, ok := p.Net.Before()
	if !ok || p.was == nil {
		return NetPart[T]{}, 0, false
	}
	it := p.was(was, p.It)
	if it == nil {
		return NetPart[T]{}, 0, false
	}
	return NetPart[T]{was, it, p.was}, over, true
}

// Kernel returns the kernel that was read.
func (p NetPart[T]) Kernel() Version { return p.Net.Kernel() }

// NetParts is a list in its context: the rows of a table.
type NetParts[T any] struct {
	Net  *Net
	List []T
	Same func(*Net, *T) *T // finds one in an earlier sample; nil where they are not followed
}

// Origin is the source that a value was taken from, of one that names several.
func (l NetParts[T]) Origin(s Source) Source { return l.Net.Origin(s) }

// Missing says why a source gave nothing, so that there are no rows.
func (l NetParts[T]) Missing(s Source) Reason { return l.Net.Missing(s) }

// Len returns how many there are.
func (l NetParts[T]) Len() int { return len(l.List) }

// At returns one of them.
func (l NetParts[T]) At(i int) NetPart[T] { return NetPart[T]{l.Net, &l.List[i], l.Same} }

// SameInterface finds an interface in an earlier sample.
func SameInterface(was *Net, i *Interface) *Interface {
	for k := range was.Interfaces {
		if w := &was.Interfaces[k]; w.Name == i.Name && w.Index == i.Index {
			return w
		}
	}
	return nil
}

// SameSoftnet finds a CPU in an earlier sample.
func SameSoftnet(was *Net, c *SoftnetCPU) *SoftnetCPU {
	for k := range was.Softnet {
		if was.Softnet[k].CPU == c.CPU {
			return &was.Softnet[k]
		}
	}
	return nil
}

// SameQdisc finds a qdisc in an earlier sample.
func SameQdisc(was *Net, q *Qdisc) *Qdisc {
	for k := range was.Qdiscs {
		if w := &was.Qdiscs[k]; w.Dev == q.Dev && w.Kind == q.Kind && w.Handle == q.Handle && w.Parent == q.Parent {
			return w
		}
	}
	return nil
}
