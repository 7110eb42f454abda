package wait

// place is a part of the name of a kernel function, and what a task that sleeps there waits for.
type place struct {
	part  string
	kind  Kind
	fatal bool // SIGKILL ends the wait, in D
}

// locks are the locks that are known from their caller: wchan skips the functions that sleep in such
// a lock themselves (include/linux/sched/debug.h, __sched). Those of an address space are taken so
// that SIGKILL ends the wait (include/linux/mmap_lock.h, mmap_write_lock_killable), madvise's apart.
func locks() [19]place {
	return [...]place{
		{"vm_munmap", MmapLock, true},
		{"vm_mmap_pgoff", MmapLock, true},
		{"lock_mm_and_find_vma", MmapLock, true},
		{"mprotect", MmapLock, true},
		{"sys_mremap", MmapLock, true},
		{"sys_brk", MmapLock, true},
		{"mmap_read_lock", MmapLock, true},
		{"mmap_write_lock", MmapLock, true},
		{"do_madvise", MmapLock, false},
		{"madvise_lock", MmapLock, false},
		{"path_openat", DirLock, false},
		{"open_last_lookups", DirLock, false},
		{"do_unlinkat", DirLock, false},
		{"filename_create", DirLock, false},
		{"do_rmdir", DirLock, false},
		{"do_renameat2", DirLock, false},
		{"lock_rename", DirLock, false},
		{"lookup_slow", DirLock, false},
		{"iterate_dir", DirLock, false},
	}
}

// places are the others, the specific ones first. SIGKILL ends a wait for a child of vfork
// (kernel/fork.c, wait_for_vfork_done), for room in a memory cgroup (mm/memcontrol.c,
// mem_cgroup_oom_synchronize and mem_cgroup_handle_over_high, schedule_timeout_killable), for an
// answer to fanotify (fs/notify/fanotify/fanotify.c, fanotify_get_response, in 6.1 and later), and for NFS
// (net/sunrpc/sched.c, rpc_wait_bit_killable). That for FUSE it ends only as long as the request was not
// handed to the server (fs/fuse/dev.c, request_wait_answer), and one for the lock that a server without parallel
// work on directories needs (fs/fuse/inode.c, fuse_lock_inode) no signal ends. Those who serve or watch sleep in functions of
// the same file system: fuse_dev_do_read (fs/fuse/dev.c), fanotify_read
// (fs/notify/fanotify/fanotify_user.c), nfs41_callback_svc (fs/nfs/callback.c, in older kernels), and all of nfsd.
func places() [60]place {
	return [...]place{
		{"futex", Futex, false},
		{"callback_svc", Request, false},
		{"nfsd", Unknown, false},
		{"rpc_wait_bit_killable", NFS, true},
		{"nfs", NFS, false},
		{"rpc_wait", NFS, false},
		{"fuse_dev_do_read", Request, false},
		{"request_wait_answer", FUSE, false},
		{"fuse_simple_request", FUSE, false},
		{"fuse_request_send", FUSE, false},
		{"fuse_get_req", FUSE, false},
		{"fuse_lock_inode", FUSELock, false},
		{"fuse_wait_on", FUSE, false},
		{"fuse_sync_writes", FUSE, false},
		{"fuse_set_nowrite", FUSE, false},
		{"fanotify_read", Events, false},
		{"inotify_read", Events, false},
		{"fanotify_get_response", Fanotify, true},
		{"fanotify_handle", Fanotify, true},
		{"jbd2", Journal, false},
		{"xlog", Journal, false},
		{"do_get_write_access", Journal, false},
		{"io_schedule", Disk, false},
		{"folio_wait", DiskPage, false},
		{"wait_on_page", DiskPage, false},
		{"lock_page", DiskPage, false},
		{"wait_on_buffer", DiskBlock, false},
		{"blk_", Disk, false},
		{"rq_qos_wait", Disk, false},
		{"iomap_dio", Disk, false}, // blk_io_schedule is inline in it, as in those below
		{"dio_await", Disk, false},
		{"blockdev_direct", Disk, false},
		{"blkdev_direct", Disk, false},
		{"blkdev_issue", Disk, false},
		{"submit_bio", Disk, false},
		{"balance_dirty", Dirty, false},
		{"throttle_direct_reclaim", Reclaim, false},
		{"mem_cgroup_handle_over_high", MemoryHigh, true},
		{"mem_cgroup_oom_synchronize", MemoryOOM, true},
		{"rwsem", KernelLock, false},
		{"mutex_lock", KernelLock, false},
		{"pipe_read", PipeData, false},
		{"pipe_write", PipeRoom, false},
		{"accept", Accept, false},
		{"unix_stream", UnixData, false},
		{"skb_wait", SocketData, false},
		{"skb_recv", SocketData, false},
		{"sk_wait_data", SocketData, false},
		{"sk_stream_wait_memory", SocketRoom, false},
		{"tty_read", Terminal, false},
		{"vfork", Vfork, true},
		{"do_wait", Child, false},
		{"nanosleep", Timer, false},
		{"ep_poll", Events, false},
		{"poll_schedule", Events, false},
		{"do_epoll", Events, false},
		{"do_select", Events, false},
		{"sys_pause", Signal, false},
		{"sigsuspend", Signal, false},
		{"sigtimedwait", Signal, false},
	}
}

// byCall says what a task waits for, by the name of the system call.
func byCall(call string) Kind {
	switch call {
	case "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6":
		return Events
	case "futex", "futex_wait", "futex_waitv":
		return Futex
	case "wait4", "waitid":
		return Child
	case "nanosleep", "clock_nanosleep":
		return Timer
	case "pause", "rt_sigsuspend", "rt_sigtimedwait":
		return Signal
	case "accept", "accept4":
		return Accept
	case "connect":
		return Connect
	case "recvfrom", "recvmsg", "recvmmsg":
		return SocketData
	case "sendto", "sendmsg", "sendmmsg":
		return SocketRoom
	case "io_getevents", "io_uring_enter":
		return AIO
	case "fsync", "fdatasync", "sync", "syncfs", "msync":
		return Writeback
	case "flock":
		return FileLock
	case "semop", "semtimedop":
		return Semaphore
	case "vfork", "clone", "clone3":
		return Vfork
	}
	return Unknown
}
