package fd

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// inMemory reports whether files there take memory, and no disk: by the mount, or where the
// process does not see that, by what kind of file system the link leads to. Such are the mounts that
// only the kernel has: of tmpfs, for shared memory (mm/shmem.c, shm_mnt), and of hugetlbfs, one for each
// size of page (fs/hugetlbfs/inode.c, hugetlbfs_vfsmount).
func inMemory(h *inspect.Host, rel string, on *MountPoint) bool {
	if on != nil {
		return slices.Contains([]string{"tmpfs", "devtmpfs", "ramfs", "hugetlbfs"}, on.FSType)
	}
	if !h.Live {
		return false // where its link leads is on this host
	}
	magic, err := h.Proc.FileSystem(rel)
	return err == nil && slices.Contains([]int64{unix.TMPFS_MAGIC, unix.RAMFS_MAGIC, unix.HUGETLBFS_MAGIC}, magic)
}

// placeDeleted finds out which of the deleted files that are open take memory, and no disk. A file
// system in memory has no device: its number has the major 0 (fs/super.c, get_anon_bdev). It is looked
// at once for each number.
func placeDeleted(h *inspect.Host, scan *proc.FDScan) {
	known := map[uint64]bool{}
	for i := range scan.Counts {
		var mounts *mountTable
		for j := range scan.Counts[i].Deleted {
			d := &scan.Counts[i].Deleted[j]
			if d.Saved || d.Taken == 0 || unix.Major(d.Dev) != 0 {
				continue
			}
			memory, ok := known[d.Dev]
			if !ok {
				home := scan.Procs.Rows[i].Home(h)
				if mounts == nil {
					t, _ := readMounts(h, home) // without it the file system itself is asked
					mounts = &t
				}
				memory = inMemory(h, home+"/fd/"+strconv.Itoa(int(d.FD)), mounts.byDev[d.Dev])
				known[d.Dev] = memory
			}
			d.Memory = memory
		}
	}
}
