package fd

import (
	"cmp"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// maxTogether is how many descriptors are compared with all others by kcmp, in some ten
// milliseconds. Of more than that only those are that watch the same.
const maxTogether = 2000

// holder is a descriptor that leads to an inotify instance or an epoll set.
type holder struct {
	row int32 // of the scan
	p   *proc.Process
	*proc.Watcher
}

// object is one inotify instance or epoll set. Fork and dup copy descriptors, and the object
// stays one: it was charged to a user once, when it was made.
type object struct {
	made    holder // the one that the object is taken to be made by: of the process that is oldest
	watches int
}

// watchers finds the objects of a kind behind the descriptors of a scan, each once. exact
// says that the kernel was asked for each two whether they are one (kcmp(2)), and not
// concluded.
func watchers(h *inspect.Host, scan *proc.FDScan, kind proc.FileKind) (out []object, exact bool) {
	var list []holder
	for i := range scan.Counts {
		for j := range scan.Counts[i].Watchers {
			if w := &scan.Counts[i].Watchers[j]; w.Kind == kind {
				list = append(list, holder{int32(i), &scan.Procs.Rows[i], w})
			}
		}
	}
	bySum := func(a, b holder) int { return cmp.Compare(a.Sum, b.Sum) }
	exact = true
	if len(list) > maxTogether {
		slices.SortStableFunc(list, bySum)
	} else {
		bySum = func(holder, holder) int { return 0 }
	}
	for len(list) > 0 {
		n := 1
		for n < len(list) && bySum(list[0], list[n]) == 0 {
			n++
		}
		alike, asked := identical(h, list[:n], func(w *holder) (pid, fd int32) { return w.p.PID, w.FD })
		if !asked {
			alike, exact = concluded(list[:n]), false
		}
		for _, one := range alike {
			out = append(out, objectOf(one))
		}
		list = list[n:]
	}
	return out, exact
}

// objectOf is what several descriptors lead to.
func objectOf(list []holder) object {
	o := object{made: slices.MinFunc(list, func(a, b holder) int {
		return cmp.Or(cmp.Compare(a.p.Start, b.p.Start), cmp.Compare(a.row, b.row), cmp.Compare(a.FD, b.FD))
	})}
	slices.SortFunc(list, func(a, b holder) int { return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(a.FD, b.FD)) })
	for i := range list {
		o.watches = max(o.watches, list[i].Watches)
		list[i].Copy = i > 0 && list[i].row == list[i-1].row
	}
	return o
}

// identical sorts descriptors by what they lead to, as kcmp orders it, and returns those of each
// open file together. Those that were closed meanwhile are left out. ok is false where it may not
// be asked.
func identical[T any](h *inspect.Host, list []T, at func(*T) (pid, fd int32)) (out [][]T, ok bool) {
	if !h.SameProcesses() {
		return nil, false
	}
	compare := func(a, b *T) (int, error) {
		pid, fd := at(a)
		pid2, fd2 := at(b)
		return h.CompareFiles(pid, pid2, fd, fd2)
	}
	there := make([]T, 0, len(list))
	for i := range list {
		switch _, err := compare(&list[i], &list[i]); {
		case err == nil:
			there = append(there, list[i])
		case !errors.Is(err, unix.EBADF) && !errors.Is(err, unix.ESRCH):
			return nil, false
		}
	}
	order := func(a, b T) int {
		n, err := compare(&a, &b)
		if err != nil { // closed just now: any order will do
			pid, fd := at(&a)
			pid2, fd2 := at(&b)
			return cmp.Or(cmp.Compare(pid, pid2), cmp.Compare(fd, fd2))
		}
		return n
	}
	slices.SortFunc(there, order)
	for len(there) > 0 {
		n := 1
		for n < len(there) && order(there[0], there[n]) == 0 {
			n++
		}
		out, there = append(out, there[:n]), there[n:]
	}
	return out, true
}

// concluded joins descriptors where the kernel is not asked: a process has one by fork if its
// parent has the same number with the same watches.
func concluded(list []holder) (out [][]holder) {
	type key struct {
		pid, fd int32
		sum     uint64
	}
	at := map[key]int{} // which of out it is in
	of := func(w *holder) key { return key{w.p.PID, w.FD, w.Sum} }
	mine := map[key]*holder{}
	for i := range list {
		mine[of(&list[i])] = &list[i]
	}
	for i := range list {
		first := &list[i]
		for range list { // no further up than there are processes
			above := mine[key{first.p.PPID, first.FD, first.Sum}]
			if above == nil {
				break
			}
			first = above
		}
		n, ok := at[of(first)]
		if !ok {
			n = len(out)
			at[of(first)], out = n, append(out, nil)
		}
		out[n] = append(out[n], list[i])
	}
	return out
}
