package fd

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"kwhy/inspect"
	"kwhy/inspect/mem"
	"kwhy/inspect/proc"
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
	m, err := mem.Take(h, inspect.Of(inspect.Swaps))
	if m == nil {
		l.why[inspect.Swaps] = inspect.ReasonOf(err)
		return
	}
	l.why[inspect.Swaps] = m.Missing(inspect.Swaps)
	for _, s := range m.Swaps {
		if strings.HasSuffix(s.Name, deletedSuffix) {
			// It has no holes, and a page more than it swaps to (mm/swapfile.c, setup_swap_extents).
			taken := s.Size + h.PageSize
			l.keptByKernel("swap", s.Name, DeletedFile{OnDisk: proc.OnDisk{Size: taken, Taken: taken, Regular: true}})
		}
	}
}

// loops looks at the loop devices that have a file (drivers/block/loop.c,
// loop_attr_backing_file_show).
func (l *DeletedFiles) loops(h *inspect.Host) inspect.Reason {
	names, err := h.Sys.Names("block")
	if err != nil {
		return inspect.ReasonOf(err)
	}
	slices.Sort(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "loop") {
			continue
		}
		var path string
		dir := "block/" + name
		err := h.Sys.Single(dir+"/loop/backing_file", func(b []byte) error { path = string(inspect.TrimNewline(b)); return nil })
		if err != nil || !strings.HasSuffix(path, deletedSuffix) { // it has no file
			continue
		}
		f := DeletedFile{OnDisk: proc.OnDisk{Regular: true}, Untold: true}
		if n, err := h.Sys.Number(dir + "/size"); err == nil && n > 0 {
			const sector = 512
			f.Size = uint64(n) * sector
		}
		l.keptByKernel(name, path, f)
	}
	return inspect.Present
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
func (l *DeletedFiles) unlisted(h *inspect.Host, list []special) {
	slices.SortFunc(list, func(a, b special) int { return int(a.row) - int(b.row) })
	seen := map[string]bool{}
	var rings []special
	list = slices.DeleteFunc(list, func(s special) bool {
		if s.kind == proc.KindSocket {
			was := seen[s.link]
			seen[s.link] = true
			return was
		}
		for _, r := range rings {
			same, err := h.CompareFiles(l.Procs.Rows[r.row].PID, l.Procs.Rows[s.row].PID, r.fd, s.fd)
			if err == nil && same == 0 {
				return true // a copy by fork
			}
		}
		rings = append(rings, s)
		return false
	})
	counts := make([]int, len(list))
	proc.EachChunk(h, len(list), func(_ *proc.Reader, i int) {
		s := &list[i]
		_ = h.Proc.With(l.Procs.Rows[s.row].Dir()+"/fdinfo/"+strconv.Itoa(int(s.fd)), func(b []byte) error {
			if s.kind == proc.KindIOUring {
				counts[i] = registered(b)
			} else {
				counts[i], s.told = inFlight(b)
			}
			return nil
		})
	})
	told := false
	for i, s := range list {
		told = told || s.told
		one := Unlisted{&l.Procs.Rows[s.row], s.fd, counts[i]}
		switch {
		case counts[i] == 0:
		case s.kind == proc.KindIOUring:
			l.Rings = append(l.Rings, one)
		default:
			l.InFlight = append(l.InFlight, one)
		}
	}
	if !told && inspect.Choose(h.Kernel.Since(5, 6), false, true, false) {
		l.why[inspect.PIDFdinfo] = inspect.Unsupported
	}
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
	for line := range bytes.Lines(b) {
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
	for line := range bytes.Lines(b) {
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
