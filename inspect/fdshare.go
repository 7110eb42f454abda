package inspect

import (
	"cmp"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxAlike is how many descriptors with the same link are compared, each with each.
const maxAlike = 64

// sharing finds descriptors that lead to the same open file: of this process by
// dup, of its parent and children by fork. The link must be the same; then
// kcmp(2) tells.
func (h *Host) sharing(l *FDList, ps *Procs) {
	if !h.sameProcesses() {
		return
	}
	self := l.Row.P.PID
	alike := map[string][]int{}
	for i := range l.List[:l.Shown] {
		alike[l.List[i].Link] = append(alike[l.List[i].Link], i)
	}
	for _, list := range alike {
		if len(list) > maxAlike {
			l.Uncompared += len(list)
			continue
		}
		for n, i := range list {
			for _, j := range list[:n] {
				same, known := sameFile(self, self, l.List[i].N, l.List[j].N)
				l.CompareDenied = l.CompareDenied || !known
				if same {
					l.List[i].Same = l.List[j].Same
					break
				}
			}
		}
	}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Kthread() || p.PID != l.Row.P.PPID && p.PPID != self || p.PID == self {
			continue
		}
		for j := range l.List[:min(l.Shown, maxAlike)] {
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
	for i := range l.List[:l.Shown] {
		if k := l.List[i].Kind; k == KindPipe || k == KindFIFO {
			pipes[l.List[i].Link] = append(pipes[l.List[i].Link], i)
		}
		if s := l.List[i].Socket; s != nil && s.PeerInode != 0 {
			peer := "socket:[" + strconv.FormatUint(s.PeerInode, 10) + "]"
			pipes[peer] = append(pipes[peer], i)
		}
	}
	if len(pipes) == 0 {
		return
	}
	own := l.Row.P
	for i := range l.List {
		for _, j := range pipes[l.List[i].Link] {
			if i != j {
				f := &l.List[i]
				if !f.HasInfo && f.Kind != KindSocket {
					f.HasInfo = h.proc.with(own.dir()+"/fdinfo/"+strconv.Itoa(int(f.N)), f.parseInfo) == nil
				}
				l.List[j].Ends = append(l.List[j].Ends, FDEnd{own, f.N, f.Flags&unix.O_ACCMODE != unix.O_RDONLY})
			}
		}
	}
	all := ps.others(own, false)
	if h.tooMany(all) {
		l.Relatives = true
		all = ps.others(own, true)
	}
	type found struct {
		row  int
		fd   int32
		link string
	}
	got := make(chan found, 64)
	go func() {
		h.FDs(all, func(row int, fd int32, link []byte, _ FileKind) {
			if list := pipes[string(link)]; list != nil {
				got <- found{row, fd, string(link)}
			}
		})
		close(got)
	}()
	for f := range got {
		p := &all.Rows[f.row]
		var other FD
		_ = h.proc.with(p.dir()+"/fdinfo/"+strconv.Itoa(int(f.fd)), other.parseInfo)
		for _, i := range pipes[f.link] {
			l.List[i].Ends = append(l.List[i].Ends, FDEnd{p, f.fd, other.Flags&unix.O_ACCMODE != unix.O_RDONLY})
		}
	}
	for i := range l.List {
		slices.SortFunc(l.List[i].Ends, func(a, b FDEnd) int { return cmp.Or(cmp.Compare(a.P.PID, b.P.PID), cmp.Compare(a.FD, b.FD)) })
	}
}

// maxEnds is how many descriptors of a host are gone through for the other ends of
// one process's pipes: it takes a quarter of a second or so.
const maxEnds = 50000

// tooMany tells whether the host has more open than that. Before 6.2 the kernel
// does not say how many a process has without listing them.
func (h *Host) tooMany(ps *Procs) bool {
	if !h.Live || !h.Kernel.AtLeast(6, 2) {
		return false
	}
	sum := int64(0)
	for i := range ps.Rows {
		var st unix.Stat_t
		if unix.Fstatat(h.proc.fd, ps.Rows[i].dir()+"/fd", &st, 0) == nil {
			sum += st.Size
		}
	}
	return sum > maxEnds
}

// others are the other processes that run programs, or of these the ones that a
// pipe is likely shared with: parent, children, and those of its process group.
func (ps *Procs) others(of *Process, relatives bool) *Procs {
	const most = 64 // of a process group that is a crowd
	out := &Procs{Host: ps.Host}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		related := p.PID == of.PPID || p.PPID == of.PID || p.PGRP == of.PGRP && p.PGRP != 0
		if p.PID != of.PID && !p.Kthread() && (!relatives || related && len(out.Rows) < most) {
			out.Rows = append(out.Rows, *p)
		}
	}
	return out
}
