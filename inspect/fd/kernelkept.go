package fd

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/mem"
	"kwhy/inspect/net"
	"kwhy/inspect/proc"
	"kwhy/inspect/sockdiag"
)

// Unlisted are files that a process keeps and that no descriptor of it leads to: which files
// they are the kernel does not show, only how many.
type Unlisted struct {
	P  *proc.Process
	FD int32 // of the socket or the ring that has them
	N  int
}

// byKernel finds the deleted files that the kernel itself keeps: those behind loop devices, and
// swap files. Of both it shows the path alone.
func (l *DeletedFiles) byKernel(h *inspect.Host) {
	l.why[inspect.LoopBacking] = l.loops(h)
	l.why[inspect.Swaps] = eachSwap(h, func(s *mem.Swap) {
		if strings.HasSuffix(s.Name, deletedSuffix) {
			// It has no holes, and a page more than it swaps to (mm/swapfile.c, setup_swap_extents).
			taken := s.Size + h.PageSize
			l.keptByKernel("swap", s.Name, DeletedFile{OnDisk: proc.OnDisk{Size: taken, Taken: taken, Regular: true}})
		}
	})
}

// eachSwap passes on the swap files and devices.
func eachSwap(h *inspect.Host, do func(*mem.Swap)) inspect.Reason {
	m, err := mem.Take(h, inspect.Of(inspect.Swaps))
	if m == nil {
		return inspect.ReasonOf(err)
	}
	for i := range m.Swaps {
		do(&m.Swaps[i])
	}
	return m.Missing(inspect.Swaps)
}

// loops looks at the loop devices that have a file (drivers/block/loop.c,
// loop_attr_backing_file_show).
func (l *DeletedFiles) loops(h *inspect.Host) inspect.Reason {
	return eachLoop(h, func(name, path string) {
		if !strings.HasSuffix(path, deletedSuffix) {
			return
		}
		f := DeletedFile{OnDisk: proc.OnDisk{Regular: true}, Untold: true}
		if n, err := h.Sys.Number("block/" + name + "/size"); err == nil && n > 0 {
			const sector = 512
			f.Size = uint64(n) * sector
		}
		l.keptByKernel(name, path, f)
	})
}

// eachLoop passes on the loop devices that have a file, in order, with its path as the kernel gives it.
func eachLoop(h *inspect.Host, do func(name, path string)) inspect.Reason {
	names, err := h.Sys.Names("block")
	if err != nil {
		return inspect.ReasonOf(err)
	}
	slices.Sort(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "loop") {
			continue
		}
		path, dir := "", "block/"+name
		err := h.Sys.Single(dir+"/loop/backing_file", func(b []byte) error { path = string(inspect.TrimNewline(b)); return nil })
		if err == nil && path != "" {
			do(name, path)
		}
	}
	return inspect.Present
}

// hasInKernel finds what of the kernel has what is wanted: a loop device behind which it lies, and swap
// on it. Both show a path alone; of a file system whose server is not asked it is held to that.
func (l *PathHolders) hasInKernel(h *inspect.Host, w *wantedFile) {
	mounts, _ := readMounts(h, "self")
	look := func(by, path string) {
		if strings.HasSuffix(path, deletedSuffix) {
			return // it has no path that anybody could ask for
		}
		is := false
		if on := mounts.served(path); on != nil {
			is = w.whole[on.Dev] || w.path != "" && w.names(path)
		} else if st, err := h.Elsewhere().Node(path); err == nil {
			node := w.node != 0 && !w.char && st.Rdev == w.node && st.Mode&unix.S_IFMT == unix.S_IFBLK
			is = node || w.path == "" && w.same(&st) || w.whole[st.Dev] && st.Mode&unix.S_IFMT != unix.S_IFBLK
		}
		if is {
			l.List = append(l.List, PathHolder{Kernel: by, Target: path})
		}
	}
	l.why = map[inspect.Source]inspect.Reason{
		inspect.LoopBacking: eachLoop(h, look),
		inspect.Swaps:       eachSwap(h, func(s *mem.Swap) { look("swap", s.Name) }),
	}
}

// kernelGaps are those of what the kernel itself may have.
func kernelGaps(why map[inspect.Source]inspect.Reason) (out []inspect.Gap) {
	for s := range inspect.Of(inspect.LoopBacking, inspect.Swaps).Each() {
		if why := why[s]; why.IsGap() && why != inspect.Unsupported {
			out = append(out, inspect.Gap{Source: s, Reason: why, Count: 1, Of: 1})
		}
	}
	return out
}

// keptByKernel adds a file that the kernel keeps, or that it keeps one that a process keeps too:
// by the path, for the kernel shows nothing else of it.
func (l *DeletedFiles) keptByKernel(by, path string, f DeletedFile) {
	f.Path = strings.TrimSuffix(path, deletedSuffix)
	for i := range l.List {
		if l.List[i].Path == f.Path {
			l.List[i].Kernel = append(l.List[i].Kernel, by)
			return
		}
	}
	f.Kernel = []string{by}
	l.List = append(l.List, f)
}

// unlisted counts the files that are in flight over unix sockets (SCM_RIGHTS), and those that
// are registered with rings of io_uring. Each socket and ring is looked at once.
func (l *DeletedFiles) unlisted(h *inspect.Host, list []special, scan *proc.FDScan) {
	slices.SortFunc(list, func(a, b special) int { return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(a.fd, b.fd)) })
	list = l.carriers(h, l.once(h, list))
	counts, whys := make([]int, len(list)), make([]inspect.Reason, len(list))
	proc.EachChunk(h, len(list), func(_ *proc.Reader, i int) {
		s := &list[i]
		dir, n := l.Procs.Rows[s.row].Home(h), strconv.Itoa(int(s.fd))
		err := h.Proc.With(dir+"/fdinfo/"+n, func(b []byte) error {
			if s.kind == proc.KindIOUring {
				counts[i] = registered(b)
			} else {
				counts[i], s.told = inFlight(b)
			}
			return nil
		})
		whys[i] = h.PidReason(dir, err)
	})
	told := false
	lacks := map[int32]inspect.Reason{}
	for i, s := range list {
		told = told || s.told
		if whys[i].IsGap() && whys[i] != inspect.Vanished {
			lacks[s.row] = whys[i]
		}
		one := Unlisted{&l.Procs.Rows[s.row], s.fd, counts[i]}
		switch {
		case counts[i] == 0:
		case s.kind == proc.KindIOUring:
			l.Rings = append(l.Rings, one)
		default:
			l.InFlight = append(l.InFlight, one)
		}
	}
	l.infos = inspect.SeenBy("process", inspect.PIDFdinfo, len(scan.Counts), func(i int) inspect.Reason {
		switch c := &scan.Counts[i]; {
		case c.Reason != inspect.Present || l.Procs.Rows[i].Kthread():
			return cmp.Or(c.Reason, inspect.Inapplicable)
		case c.Hidden > 0: // nobody knows what these are
			return inspect.Denied
		}
		return lacks[int32(i)]
	}).Within(l.Procs.Seen())
	if !told && inspect.Choose(h.Kernel.Since(5, 6), false, true, false) {
		l.why[inspect.PIDFdinfo] = inspect.Unsupported
	}
}

// once leaves out further descriptors of a socket, which its link names, or of a ring, which
// kcmp(2) tells from others.
func (l *DeletedFiles) once(h *inspect.Host, list []special) (out []special) {
	seen := map[string]bool{}
	var rings []special
	for _, s := range list {
		switch {
		case s.kind == proc.KindIOUring:
			rings = append(rings, s)
		case !seen[s.link]:
			seen[s.link] = true
			out = append(out, s)
		}
	}
	same, ok := identical(h, rings, func(s *special) (pid, fd int32) { return l.Procs.Rows[s.row].PID, s.fd })
	if !ok {
		return append(out, rings...)
	}
	for _, list := range same {
		out = append(out, slices.MinFunc(list, func(a, b special) int { return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(a.fd, b.fd)) }))
	}
	return out
}

// fewSockets is how many sockets' fdinfo is read without a look whether they can have files in
// flight: some milliseconds.
const fewSockets = 500

// carriers leaves out sockets that can't have files in flight: unix ones alone carry them
// (net/unix/af_unix.c, unix_attach_fds). Of many the kernel lists those of TCP and UDP in less
// time than their fdinfo takes, in kwhy's own network namespace, and in others if many are left.
func (l *DeletedFiles) carriers(h *inspect.Host, list []special) []special {
	sockets := func() (n int) {
		for i := range list {
			if list[i].kind == proc.KindSocket {
				n++
			}
		}
		return n
	}
	if !h.Live || sockets() <= fewSockets {
		return list
	}
	others := func(dir string) {
		all, err := net.TakeSockets(h, net.SocketQuery{
			Dir: dir, Kinds: []string{"tcp", "tcp6", "udp", "udp6"}, States: sockdiag.Every &^ sockdiag.Of(sockdiag.TimeWait), Bare: true,
		})
		if err != nil {
			return // then fdinfo is read of all
		}
		inodes := make(map[uint64]bool, all.List.Len())
		for i := range all.List.Len() {
			inodes[uint64(all.List.At(i).Inode)] = true
		}
		list = slices.DeleteFunc(list, func(s special) bool {
			n, ok := proc.InodeIn([]byte(s.link))
			return ok && s.kind == proc.KindSocket && inodes[n]
		})
	}
	if others("self"); sockets() > fewSockets {
		for _, n := range netNamespaces(h, l.Procs)[1:] {
			others(n.dir)
		}
	}
	return list
}

// special is a descriptor that leads to a socket or a ring.
type special struct {
	row, fd int32
	link    string
	kind    proc.FileKind
	told    bool
}

// inFlight reads how many files wait to be received from a unix socket: "scm_fds: 1", since
// 5.6 (net/unix/af_unix.c, unix_show_fdinfo). told is false of other sockets.
func inFlight(b []byte) (n int, told bool) {
	for line := range inspect.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("scm_fds:")); ok {
			count, good := inspect.ParseUint(bytes.TrimSpace(rest))
			return int(count), good
		}
	}
	return 0, false
}

// registered counts the files of a ring: "UserFiles:" and how many slots there are, then a line
// of each, "    0: name" or "    1: <none>" (io_uring/fdinfo.c).
func registered(b []byte) (n int) {
	slots := 0
	for line := range inspect.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("UserFiles:")); ok {
			all, _ := inspect.ParseUint(bytes.TrimSpace(rest))
			slots = int(all)
			continue
		}
		if slots > 0 {
			if slots--; !bytes.HasSuffix(bytes.TrimSpace(line), []byte("<none>")) {
				n++
			}
		}
	}
	return n
}
