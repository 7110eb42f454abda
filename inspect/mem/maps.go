package mem

import (
	"strconv"
	"strings"

	"kwhy/inspect"
)

// Mapping is one line of maps.
type Mapping struct {
	Start, End uint64
	perms      string // as the kernel writes them: r-xp
	Dev, Inode uint64 // of its file; 0 where there is none
	Path       string
}

// Parse reads "start-end perms offset dev inode   path"; the path may hold
// blanks (fs/proc/task_mmu.c, show_map_vma).
func (v *Mapping) Parse(line []byte) bool {
	span, rest := inspect.CutField(line)
	perms, rest := inspect.CutField(rest)
	var fields [3][]byte // offset, dev, inode
	for i := range fields {
		if fields[i], rest = inspect.CutField(rest); len(fields[i]) == 0 {
			return false
		}
	}
	dev, _ := inspect.ParseDev(string(fields[1]), 16)
	inode, _ := inspect.ParseUint(fields[2])
	from, to, ok := strings.Cut(string(span), "-")
	start, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	*v = Mapping{start, end, string(perms), dev, inode, string(rest)}
	return ok && err1 == nil && err2 == nil && start < end && len(perms) == 4
}

func (v *Mapping) may(letter byte) bool { return strings.IndexByte(v.perms, letter) >= 0 }

// kind classes one mapping by what the kernel says of it; huge are the devices of hugetlbfs.
func (v *Mapping) kind(huge map[uint64]bool) string {
	path := v.Path
	switch {
	case strings.HasPrefix(path, "/anon_hugepage"), huge[v.Dev] && v.Inode != 0:
		return "hugetlb"
	case path == "[heap]":
		return "heap"
	case path == "[stack]", strings.HasPrefix(path, "[stack:"):
		return "stack"
	case strings.HasPrefix(path, "[anon_shmem:"), isShmem(path) && v.may('s'):
		return "shared"
	case strings.HasPrefix(v.perms, "---"):
		return "reserved"
	case path == "", strings.HasPrefix(path, "[anon:"):
		return "anonymous"
	case path[0] == '[':
		return "vdso" // [vdso], [vvar], [vvar_vclock], [vsyscall], [sigpage], [uprobes]
	case v.may('x'):
		return "code"
	}
	return "file"
}

// isShmem reports whether a name is one that tmpfs gives to memory without a file of
// its own: shared anonymous mappings, System V segments, memfds; and /dev/shm.
func isShmem(path string) bool {
	return path == "/dev/zero (deleted)" || strings.HasPrefix(path, "/SYSV") ||
		strings.HasPrefix(path, "/memfd:") || strings.HasPrefix(path, "/dev/shm/")
}
