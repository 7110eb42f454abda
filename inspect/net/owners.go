package net

import (
	"cmp"
	"slices"

	"kwhy/inspect"
	"kwhy/inspect/proc"
	"kwhy/inspect/sockdiag"
)

// owned is a descriptor that leads to a socket.
type owned struct {
	inode uint32
	row   int32
	fd    int32
}

// Owner is a process that has a socket, and by which descriptor.
type Owner struct {
	P  *proc.Process
	FD int32
}

// FDWalk is one walk over the descriptors of processes: what they are, and which has
// which socket.
type FDWalk struct {
	Scan   *proc.FDScan
	owners []owned // by inode
}

// WalkFDs walks the descriptors of all processes of a scan.
func WalkFDs(h *inspect.Host, ps *proc.Processes) *FDWalk {
	lists := make([][]owned, len(ps.Rows)) // each is one worker's at a time: no lock is taken for a descriptor
	w := &FDWalk{}
	w.Scan = proc.ScanFDs(h, ps, func(row int, fd int32, link []byte, k proc.FileKind) {
		if k != proc.KindSocket {
			return
		}
		if n, ok := proc.InodeIn(link); ok {
			lists[row] = append(lists[row], owned{uint32(n), int32(row), fd})
		}
	})
	w.owners = slices.Concat(lists...)
	slices.SortFunc(w.owners, func(a, b owned) int {
		if a.inode != b.inode {
			return cmp.Compare(a.inode, b.inode)
		}
		return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(a.fd, b.fd))
	})
	return w
}

// owned takes over who has which socket from a walk.
func (s *Sockets) owned(w *FDWalk) {
	_, seen, denied := w.Scan.Totals()
	s.Procs, s.scan, s.owners, s.Denied, s.Walked = w.Scan.Procs, w.Scan, w.owners, denied, seen+denied
	s.holders = w.Scan.Seen()
}

// Owners is who has a socket: a view of a list of all, so that looking at one
// allocates nothing.
type Owners struct {
	procs *proc.Processes
	list  []owned
}

// Len returns how many descriptors lead to it.
func (o Owners) Len() int { return len(o.list) }

// At returns one of them, the lowest number of the first process first.
func (o Owners) At(i int) Owner { return Owner{&o.procs.Rows[o.list[i].row], o.list[i].fd} }

// Others is how many processes have it besides the first.
func (o Owners) Others() (n int) {
	for i := 1; i < len(o.list); i++ {
		if o.list[i].row != o.list[i-1].row {
			n++
		}
	}
	return n
}

// OwnersOf returns who has a socket. Their names are known once Fill was asked to
// read them.
func (s *Sockets) OwnersOf(inode uint32) Owners { return Owners{s.Procs, s.ownersOf(inode)} }

func (s *Sockets) ownersOf(inode uint32) []owned {
	if inode == 0 {
		return nil
	}
	from, _ := slices.BinarySearchFunc(s.owners, inode, func(o owned, n uint32) int { return cmp.Compare(o.inode, n) })
	to := from
	for to < len(s.owners) && s.owners[to].inode == inode {
		to++
	}
	return s.owners[from:to]
}

// Fill reads what is wanted of the processes that have the sockets of some rows.
func (s *Sockets) Fill(rows []int32, want inspect.Sources) []int32 {
	want = want.Only(func(src inspect.Source) bool { return src == inspect.PIDStat || src == inspect.PIDCgroup })
	if s.Procs == nil || want == (inspect.Sources{}) {
		return rows
	}
	wanted := map[int32]bool{}
	note := func(inode uint32) {
		for _, o := range s.ownersOf(inode) {
			wanted[o.row] = true
		}
	}
	for _, i := range rows {
		sock := s.List.At(int(i))
		note(sock.Inode)
		switch {
		case sock.Unix != nil:
			note(sock.Unix.Peer)
		case sock.Inode == 0 && sock.Stream(): // who could accept it
			if l := s.ListenerOf(sock); l != nil {
				note(l.Inode)
			}
		}
	}
	list := make([]int32, 0, len(wanted))
	for row := range wanted {
		list = append(list, row)
	}
	s.Procs.Fill(list, want)
	return rows
}

// NameAll reads the names of all who have sockets.
func (s *Sockets) NameAll() {
	var rows []int32
	for i := range s.scan.Counts {
		if s.scan.Counts[i].Kinds[proc.KindSocket] > 0 {
			rows = append(rows, int32(i))
		}
	}
	s.Procs.Fill(rows, inspect.Of(inspect.PIDStat))
}

// Has reports whether a process has the socket of a row.
func (s *Sockets) Has(pid int32, sock *sockdiag.Socket) bool {
	return slices.ContainsFunc(s.ownersOf(sock.Inode), func(o owned) bool { return s.Procs.Rows[o.row].PID == pid })
}

// Owners returns who has it.
func (r SocketRow) Owners() Owners { return r.Net.OwnersOf(r.It.Inode) }
