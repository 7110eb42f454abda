package net

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/proc"
	"kwhy/inspect/sockdiag"
)

// SocketRows are some sockets of a namespace.
type SocketRows struct {
	Net  *Sockets
	List []int32 // of Net.List
}

// Only returns the sockets that keep.
func (s *Sockets) Only(keep func(*sockdiag.Socket) bool) SocketRows {
	out := SocketRows{Net: s}
	for i := range s.List.Len() {
		if keep(s.List.At(i)) {
			out.List = append(out.List, int32(i))
		}
	}
	return out
}

// Seen returns how much was seen of the sockets that they are some of.
func (l SocketRows) Seen() inspect.Seen { return l.Net.Seen() }

// Origin is the source that a value was taken from, of one that names several.
func (l SocketRows) Origin(s inspect.Source) inspect.Source { return l.Net.Origin(s) }

// Len returns how many there are.
func (l SocketRows) Len() int { return len(l.List) }

// At returns one of them.
func (l SocketRows) At(i int) SocketRow { return l.Net.At(int(l.List[i])) }

// Fill reads what is wanted of the processes that have some of them.
func (l SocketRows) Fill(rows []int32, want inspect.Sources) []int32 {
	of := make([]int32, len(rows))
	for i, row := range rows {
		of[i] = l.List[row]
	}
	l.Net.Fill(of, want)
	return rows
}

// SocketUse is how many sockets of a protocol are in a state.
type SocketUse struct {
	Protocol string // both versions of IP together
	State    string
	Of       sockdiag.State
	N        int
	Orphans  int    // of these, what no process has
	Most     string // who has most of them, with its number; "" if nobody is known
	MostN    int
	Sure     bool      // nobody that was not seen can have more
	Holders  []Holding // who has most of them, the first is Most
	Unowned  int       // that nobody was seen to have

	Datagrams int // of unix sockets those of SOCK_DGRAM
}

// Holding is a process and how many sockets it has.
type Holding struct {
	Name string // with its number: "nginx(812)"
	PID  int32
	N    int
}

// mostHolders is how many who have sockets in a state are kept.
const mostHolders = 3

// UsePart is one count in its context.
type UsePart = inspect.Part[*Sockets, SocketUse]

// Use counts the sockets by protocol and state, and finds who has most of each.
func (s *Sockets) Use() inspect.Parts[*Sockets, SocketUse] {
	type key struct {
		protocol string
		state    sockdiag.State
		name     string
	}
	type count struct {
		n, orphans, unowned, datagrams int
		rows                           map[int32]int
	}
	counts := map[key]*count{}
	for i := range s.List.Len() {
		sock := s.List.At(i)
		k := key{strings.TrimSuffix(sock.ProtocolName(), "6"), sock.State, sock.StateName()}
		c := counts[k]
		if c == nil {
			c = &count{rows: map[int32]int{}}
			counts[k] = c
		}
		c.n++
		if sock.Inode == 0 {
			c.orphans++
		}
		if sock.Unix != nil && sock.Unix.Type == unix.SOCK_DGRAM {
			c.datagrams++
		}
		if o := s.ownersOf(sock.Inode); len(o) > 0 {
			c.rows[o[0].row]++
		} else if sock.Inode != 0 || sock.State != sockdiag.CloseWait { // which nobody has accepted yet
			c.unowned++
		}
	}
	var out []SocketUse
	for k, c := range counts {
		u := SocketUse{Protocol: k.protocol, State: k.name, Of: k.state, N: c.n, Orphans: c.orphans, Unowned: c.unowned, Datagrams: c.datagrams}
		if u.Holders = s.most(c.rows, few(k.state)); len(u.Holders) > 0 {
			u.Most, u.MostN = u.Holders[0].Name, u.Holders[0].N
		}
		u.Sure = s.holders.Whole() || 2*u.MostN > u.N
		out = append(out, u)
	}
	order := SocketProtocols()
	slices.SortFunc(out, func(a, b SocketUse) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Protocol), slices.Index(order, b.Protocol)), cmp.Compare(b.N, a.N),
			cmp.Compare(a.Of, b.Of),
		)
	})
	return inspect.Parts[*Sockets, SocketUse]{In: s, List: out, Among: inspect.NetSockets}
}

// few is how many who have sockets in a state are looked for: of what a program has not closed several.
func few(state sockdiag.State) int {
	if state == sockdiag.CloseWait {
		return mostHolders
	}
	return 1
}

// most finds who has most of some sockets, and reads their names.
func (s *Sockets) most(rows map[int32]int, few int) (out []Holding) {
	list := slices.SortedFunc(maps.Keys(rows), func(a, b int32) int {
		return cmp.Or(cmp.Compare(rows[b], rows[a]), cmp.Compare(a, b))
	})
	for _, row := range list[:min(len(list), few)] {
		s.Procs.Fill([]int32{row}, inspect.Of(inspect.PIDStat))
		p := &s.Procs.Rows[row]
		if p.Comm == "" {
			break // gone meanwhile
		}
		out = append(out, Holding{p.Comm + "(" + strconv.Itoa(int(p.PID)) + ")", p.PID, rows[row]})
	}
	return out
}

// Process is one process's share of its network namespace.
type Process struct {
	Net  *Sockets
	Row  proc.Row
	Mine SocketRows
	FDs  inspect.Reason // why its descriptors were not seen
	Was  *Process

	Earlier bool // it is the sample an interval ago: of those sockets that there are still
}

// TakeProcess lists the sockets of a process, in its own network namespace. was is a
// list of an interval ago, or nil.
func TakeProcess(h *inspect.Host, pid int32, was *Sockets) (*Process, error) {
	s, err := TakeSockets(h, SocketQuery{Dir: proc.HomeOf(h, pid), States: sockdiag.Every, Owners: true})
	if err != nil {
		return nil, err
	}
	i, ok := s.Procs.Row(pid)
	if !ok || len(s.Procs.Fill([]int32{i}, inspect.Of(inspect.PIDStat, inspect.PIDStatus))) == 0 {
		return nil, h.NoProcess(pid)
	}
	n := &Process{Net: s, Row: s.Procs.At(int(i)), FDs: s.scan.Counts[i].Reason}
	if s.scan.Counts[i].Hidden > 0 {
		n.FDs = inspect.Denied // of its links some may not be read: those may be sockets
	}
	n.Mine = s.Only(func(sock *sockdiag.Socket) bool { return s.Has(pid, sock) })
	if was != nil && was.Namespace == s.Namespace {
		s.Was = was
		n.Was = &Process{Net: was, Row: n.Row, FDs: n.FDs, Mine: n.Mine.before(), Earlier: true}
	}
	return n, nil
}

// before are the same sockets an interval ago. One that was made since is not among
// them, so that a difference of sums has all that it did; and what one did that was
// closed since is not known.
func (l SocketRows) before() SocketRows {
	out := SocketRows{Net: l.Net.Was}
	for _, i := range l.List {
		if was, ok := out.Net.same(l.Net.List.At(int(i))); ok {
			out.List = append(out.List, was)
		}
	}
	return out
}

// orGone distinguishes an error of a process that is gone, or has ended and let go of its namespaces,
// from others. Its directory net can be listed by nobody then (fs/proc/proc_net.c, get_proc_task_net).
func orGone(h *inspect.Host, pid int32, err error) error {
	if _, gone := h.Proc.Stat(strconv.Itoa(int(pid))); errors.Is(gone, fs.ErrNotExist) {
		return h.NoProcess(pid)
	}
	if proc.Ended(h, pid) {
		return endedError(pid)
	}
	return err
}

// endedError says of a zombie that it has no sockets: as to them, there is no such process.
type endedError int32

func (e endedError) Error() string {
	return fmt.Sprintf("process %d has ended and its parent has not waited for it: it has no sockets and no network namespace any more",
		int32(e))
}

func (endedError) Unwrap() error { return inspect.ErrNoProcess }

// Missing says why a source gave nothing.
func (n *Process) Missing(s inspect.Source) inspect.Reason {
	switch s {
	case inspect.PIDFd:
		return n.FDs
	case inspect.SockDiag, inspect.NetSockets:
		return n.Net.Missing(s)
	case inspect.PIDNs:
		switch {
		case n.Net.Namespace != 0:
		case n.Net.Host.Live:
			return inspect.Denied
		default:
			return inspect.NotSaved
		}
		return inspect.Present
	}
	return n.Row.Missing(s)
}

// Origin is the source that a value was taken from, of one that names several.
func (n *Process) Origin(s inspect.Source) inspect.Source { return n.Net.Origin(s) }

// Before returns the sample an interval ago.
func (n *Process) Before() (*Process, time.Duration, bool) {
	if n.Was == nil {
		return nil, 0, false
	}
	return n.Was, n.Net.When.Sub(n.Was.Net.When), true
}

// Kernel returns the kernel that was read.
func (n *Process) Kernel() inspect.Kernel { return n.Net.Kernel() }

// Doubt says why what a source says is not the kernel's own.
func (n *Process) Doubt(src inspect.Source) inspect.Doubt { return n.Net.Doubt(src) }

// Gaps lists what could not be seen.
func (n *Process) Gaps() []inspect.Gap {
	out := n.Net.Gaps()
	if n.FDs.IsGap() {
		out = slices.DeleteFunc(out, func(g inspect.Gap) bool { return g.Source == inspect.PIDFd })
		out = append(out, inspect.Gap{Source: inspect.PIDFd, Reason: n.FDs, Count: 1, Of: 1})
	}
	return out
}
