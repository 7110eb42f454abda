package fd

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// Sharing is what is known of open files that several descriptors lead to.
type Sharing struct {
	Asked     bool // kcmp could be asked at all: the processes are this host's, and kwhy's
	Compared  int  // descriptors of the process that were compared
	Denied    bool // it takes the right to trace the process
	Unasked   int  // relatives that it takes the right to trace too
	Cut       bool // there was more to compare than is worth it
	Relatives []Relative
}

// Relative is a parent or child that shares open files.
type Relative struct {
	P      *proc.Process
	Parent bool
	Table  bool // the whole table: one process closes, and the other has it closed (CLONE_FILES)
	Shared int  // how many open files
}

// maxCompared is how often kcmp is asked, at most, for each process that a process is
// compared with: it takes some ten milliseconds. maxRelatives is how many those are.
const maxCompared, maxRelatives = 20000, 64

// comparer asks kcmp(2), which wants an order of what it compares so that many can be
// sorted (kernel/kcmp.c).
type comparer struct {
	l      *List
	left   int
	denied bool
}

// compare returns the order of two open files; known is false where it may not be
// asked, or no more.
func (c *comparer) compare(pid1, pid2, fd1, fd2 int32) (order int, known bool) {
	if c.left--; c.left < 0 {
		c.l.Sharing.Cut = true
		return 0, false
	}
	order, err := c.l.Row.Host.Host.CompareFiles(pid1, pid2, fd1, fd2)
	c.denied = c.denied || errors.Is(err, fs.ErrPermission)
	return order, err == nil // else closed meanwhile, or a kernel without it
}

// sharing finds descriptors that lead to the same open file: of this process by
// dup, of its parent and children by fork. The link must be the same; then
// kcmp(2) decides.
func sharing(h *inspect.Host, l *List, ps *proc.Processes) {
	if l.Sharing.Asked = h.SameProcesses() && !l.Row.P.Over(); !l.Sharing.Asked {
		return
	}
	alike := map[string][]int{}
	for i := range l.List[:l.Shown] {
		alike[l.List[i].Link] = append(alike[l.List[i].Link], i)
	}
	l.Sharing.Compared = l.Shown
	own := comparer{l: l, left: maxCompared}
	for _, list := range alike {
		own.duplicates(list)
	}
	l.Sharing.Denied = own.denied
	relatives := 0
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Kthread() || p.PID != l.Row.P.PPID && p.PPID != l.Row.P.PID || p.PID == l.Row.P.PID {
			continue
		}
		if relatives++; relatives > maxRelatives {
			l.Sharing.Cut = true
			return
		}
		sharedWith(h, l, p, alike)
	}
}

// duplicates sorts descriptors with one link by the open files behind them, and gives
// each the lowest that is the same.
func (c *comparer) duplicates(list []int) {
	fds, self := c.l.List, c.l.Row.P.PID
	if len(list) < 2 {
		return
	}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(i, j int) int {
		order, _ := c.compare(self, self, fds[i].N, fds[j].N)
		return order
	})
	for n := 1; n < len(sorted); n++ {
		i, j := sorted[n-1], sorted[n]
		if order, known := c.compare(self, self, fds[i].N, fds[j].N); known && order == 0 {
			fds[j].Same = min(fds[j].Same, fds[i].Same)
		}
	}
}

// sharedWith finds what a relative has of them, under whatever number.
func sharedWith(h *inspect.Host, l *List, p *proc.Process, alike map[string][]int) {
	r := Relative{P: p, Parent: p.PID == l.Row.P.PPID}
	self := l.Row.P.PID
	if r.Table = h.SameIn(inspect.SharedFiles, self, p.PID); r.Table {
		l.Sharing.Relatives = append(l.Sharing.Relatives, r)
		return
	}
	theirs, err := links(h, p.Home(h))
	if err != nil {
		l.Sharing.Unasked++ // by kcmp neither
		return
	}
	byLink := map[string][]int32{}
	for i := range theirs {
		if alike[theirs[i].Link] != nil {
			byLink[theirs[i].Link] = append(byLink[theirs[i].Link], theirs[i].N)
		}
	}
	c := comparer{l: l, left: maxCompared}
	for i := range l.List[:l.Shown] {
		f := &l.List[i]
		if c.has(p.PID, f, byLink[f.Link]) {
			f.Shared = append(f.Shared, p.PID)
			r.Shared++
		}
	}
	if c.denied {
		l.Sharing.Unasked++
	}
	if r.Shared > 0 {
		l.Sharing.Relatives = append(l.Sharing.Relatives, r)
	}
}

// has reports whether a process has the open file under one of its numbers, the same
// number first: fork keeps it.
func (c *comparer) has(pid int32, f *Descriptor, numbers []int32) bool {
	same := func(n int32) bool {
		order, known := c.compare(c.l.Row.P.PID, pid, f.N, n)
		return known && order == 0
	}
	if slices.Contains(numbers, f.N) && same(f.N) {
		return true
	}
	return slices.ContainsFunc(numbers, func(n int32) bool { return n != f.N && same(n) })
}

// ends finds who else has the pipes, and who has the other side of unix sockets.
func ends(h *inspect.Host, l *List, ps *proc.Processes) {
	pipes := l.endLinks()
	if len(pipes) == 0 {
		return
	}
	ownEnds(h, l, pipes)
	all := others(ps, l.Row.P, false)
	if tooMany(h, all) {
		l.Relatives = true
		all = others(ps, l.Row.P, true)
	}
	type found struct {
		row  int
		fd   int32
		link string
	}
	got := make(chan found, 64)
	go func() {
		proc.ScanFDs(h, all, func(row int, fd int32, link []byte, _ proc.FileKind) {
			if pipes[string(link)] != nil {
				got <- found{row, fd, string(link)}
			}
		})
		close(got)
	}()
	for f := range got {
		p := &all.Rows[f.row]
		var other Descriptor
		_ = h.Proc.With(p.Home(h)+"/fdinfo/"+strconv.Itoa(int(f.fd)), other.parseInfo)
		for _, i := range pipes[f.link] {
			l.List[i].Ends = append(l.List[i].Ends, End{p, f.fd, other.Flags&unix.O_ACCMODE != unix.O_RDONLY, !other.HasInfo})
		}
	}
	for i := range l.List {
		slices.SortFunc(l.List[i].Ends, func(a, b End) int { return cmp.Or(cmp.Compare(a.P.PID, b.P.PID), cmp.Compare(a.FD, b.FD)) })
	}
}

// endLinks are the links that lead to other ends, and the descriptors whose they are.
func (l *List) endLinks() map[string][]int {
	pipes := map[string][]int{}
	for i := range l.List[:l.Shown] {
		if k := l.List[i].Kind; k == proc.KindPipe || k == proc.KindFIFO {
			pipes[l.List[i].Link] = append(pipes[l.List[i].Link], i)
		}
		if s := l.List[i].Socket; s != nil && s.PeerInode != 0 {
			peer := "socket:[" + strconv.FormatUint(s.PeerInode, 10) + "]"
			pipes[peer] = append(pipes[peer], i)
		}
	}
	return pipes
}

// ownEnds finds the ends that the process itself has.
func ownEnds(h *inspect.Host, l *List, pipes map[string][]int) {
	own := l.Row.P
	for i := range l.List {
		for _, j := range pipes[l.List[i].Link] {
			if i == j {
				continue
			}
			f := &l.List[i]
			if !f.HasInfo && f.Kind != proc.KindSocket {
				f.HasInfo = h.Proc.With(own.Home(h)+"/fdinfo/"+strconv.Itoa(int(f.N)), f.parseInfo) == nil
			}
			l.List[j].Ends = append(l.List[j].Ends, End{own, f.N, f.Flags&unix.O_ACCMODE != unix.O_RDONLY, !f.HasInfo})
		}
	}
}

// maxEnds is how many descriptors of a host are gone through for the other ends of
// one process's pipes: it takes a quarter of a second or so.
const maxEnds = 50000

// tooMany reports whether the host has more open than that. Before 6.2 the kernel
// does not say how many a process has without listing them.
func tooMany(h *inspect.Host, ps *proc.Processes) bool {
	if !h.Live || inspect.Choose(h.Kernel.Since(6, 2), false, true, true) {
		return false
	}
	sum := int64(0)
	for i := range ps.Rows {
		if st, err := h.Proc.Stat(ps.Rows[i].Home(h) + "/fd"); err == nil {
			sum += st.Size
		}
	}
	return sum > maxEnds
}

// others are the other processes that run programs, or of these the ones that a
// pipe is likely shared with: parent, children, and those of its process group.
func others(ps *proc.Processes, of *proc.Process, relatives bool) *proc.Processes {
	const most = 64 // of a process group that is a crowd
	out := &proc.Processes{Host: ps.Host}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		related := p.PID == of.PPID || p.PPID == of.PID || p.PGRP == of.PGRP && p.PGRP != 0
		if p.PID != of.PID && !p.Kthread() && (!relatives || related && len(out.Rows) < most) {
			out.Rows = append(out.Rows, *p)
		}
	}
	return out
}
