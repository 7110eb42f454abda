package edge

import (
	"strings"
	"testing"

	"kwhy/inspect/wait"
)

// A kernel lock is known from its caller, and only in D. Who serves a file system or watches one does not
// wait for himself, though he sleeps in its functions, too.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		state       byte
		call, where string
		kind, says  string
		kill        bool
	}{
		{'D', "munmap", "__vm_munmap", Lock, "address space", true},
		{'D', "mmap", "vm_mmap_pgoff", Lock, "address space", true},
		{'D', "", "lock_mm_and_find_vma", Lock, "address space", true},
		{'D', "openat", "path_openat", Lock, "directory", false},
		{'D', "unlink", "do_unlinkat", Lock, "directory", false},
		{'S', "openat", "path_openat", Unknown, "", false},
		{'D', "read", "folio_wait_bit_common", Disk, "a page from a disk", false},
		{'D', "vfork", "kernel_clone", Child, "vfork", true},
		{'S', "restart_syscall", "hrtimer_nanosleep", Choice, "a timeout", false},
		{'S', "restart_syscall", "do_syscall_64", Unknown, "", false},
		{'D', "openat", "request_wait_answer", Disk, "serves a FUSE file system", false},
		{'S', "stat", "__fuse_simple_request", Disk, "serves a FUSE file system", false},
		{'S', "read", "fuse_dev_do_read", Events, "a request to serve", false},
		{'S', "read", "fuse_dev_do_read.isra.0", Events, "a request to serve", false},
		{'D', "openat", "fanotify_get_response", Local, "fanotify", true},
		{'D', "openat", "fanotify_handle_event", Local, "fanotify", true},
		{'S', "read", "fanotify_read", Events, "an event on its files", false},
		{'S', "", "nfs41_callback_svc", Events, "a request to serve", false},
		{'S', "", "nfsd", Unknown, "", false},
		{'D', "", "nfs_wait_bit_killable", Disk, "an NFS server", false},
		{'D', "read", "__iomap_dio_rw", Disk, "a disk", false},
		{'D', "read", "__blkdev_direct_IO_simple", Disk, "a disk", false},
		{'D', "fsync", "blkdev_issue_flush", Disk, "a disk", false},
		{'D', "read", "__lock_page", Disk, "a page from a disk", false},
		{'D', "stat", "fuse_lock_inode", Disk, "which another request to it holds", false},
	} {
		w := wait.Wait{}
		w.Kind, w.Fatal, w.Evidence = wait.Sleeping(c.state, c.call, c.where)
		what := string(AppendWhat(nil, w, nil))
		if Group(w.Kind) != c.kind || !strings.Contains(what, c.says) || c.says == "" && what != "" || w.Fatal != c.kill {
			t.Errorf("%c in %s, %s: %+v, %q", c.state, c.call, c.where, w, what)
		}
	}
}

// What is known of the thing and of who could end the wait is named, and what is not is left out.
func TestWaitsAreNamed(t *testing.T) {
	named := func(b []byte, pid int32) []byte { return append(b, "p"+string('0'+pid)...) }
	for _, c := range []struct {
		w    wait.Wait
		says string
	}{
		{wait.Wait{Kind: wait.FUSE}, "the process that serves a FUSE file system"},
		{wait.Wait{Kind: wait.FUSE, Object: "/mnt"}, "who serves the FUSE file system at /mnt"},
		{wait.Wait{Kind: wait.FUSE, Object: "/mnt", Holders: []int32{7}, Sure: wait.OnlyOne}, "p7, which serves the FUSE file system at /mnt"},
		{wait.Wait{Kind: wait.FUSE, Object: "/mnt", Holders: []int32{7, 8}, Sure: wait.Candidates},
			"one of p7, p8, which serves the FUSE file system at /mnt"},
		{wait.Wait{Kind: wait.FUSE, Object: "/mnt", Holders: []int32{4, 5, 6, 7, 8}, Sure: wait.Candidates},
			"one of p4, p5, p6 and 2 more, which serves the FUSE file system at /mnt"},
		{wait.Wait{Kind: wait.FUSELock, Object: "/mnt", Holders: []int32{7}, Sure: wait.OnlyOne},
			"the lock of a directory of the FUSE file system at /mnt, which another request to it holds; who serves it: p7"},
		{wait.Wait{Kind: wait.Vfork, Holders: []int32{7}, Sure: wait.OnlyOne}, "its child from vfork: p7"},
		{wait.Wait{Kind: wait.Child}, "a child to end"},
		{wait.Wait{Kind: wait.Child, Holders: []int32{7}, Sure: wait.Says},
			"a child that has ended: p7, which traces it, has to wait for it first"},
		{wait.Wait{Kind: wait.MemoryOOM}, "memory in its cgroup, which is at its limit"},
		{wait.Wait{Kind: wait.MemoryOOM, Object: "/a", Limit: 1 << 20},
			"memory: cgroup /a is at its limit of 1.0 MiB, and its OOM killer is disabled (oom_kill_disable)"},
		{wait.Wait{Kind: wait.MemoryHigh, Object: "/a", Limit: 1 << 20}, "the memory of cgroup /a to get below memory.high, 1.0 MiB"},
	} {
		if got := string(AppendWhat(nil, c.w, named)); got != c.says {
			t.Errorf("%+v: %q, want %q", c.w, got, c.says)
		}
	}
}
