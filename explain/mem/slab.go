package mem

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
)

func slabTotal() []field {
	return []field{{
		Doc: doc{Key: "slab", Kernel: "Slab", Unit: bytes, Source: inspect.Meminfo, Concept: "slab",
			Gist: "All kernel objects: SReclaimable and SUnreclaim together."},
		Get: meminfo("Slab"), Reading: readSlab, Derive: deriveSlab,
	}}
}

func readSlab(m mem) string {
	return fmt.Sprintf("%s of RAM; %s of it can be reclaimed.", ofRAM(m, explain.Look(m.Info, "Slab")),
		percentOf(explain.Look(m.Info, "SReclaimable"), explain.Look(m.Info, "Slab")))
}

func deriveSlab(m mem) explain.Derivation {
	var w explain.Working
	a := w.Take("SReclaimable", explain.Look(m.Info, "SReclaimable"), bytes, inspect.Meminfo, "SReclaimable")
	b := w.Take("SUnreclaim", explain.Look(m.Info, "SUnreclaim"), bytes, inspect.Meminfo, "SUnreclaim")
	return w.Done("SReclaimable + SUnreclaim", "", bytes, explain.I(a+b))
}

// Slabs lists the slab caches by what they hold.
func Slabs() *explain.Table[inspect.MemPart[inspect.Slab]] {
	type row = inspect.MemPart[inspect.Slab]
	type column = explain.Field[row]
	src := inspect.Slabinfo
	return &explain.Table[row]{Name: "slabs", Sort: []string{"size", "name"}, Fields: []column{
		{Doc: doc{Key: "name", Label: "CACHE", Source: src, Concept: "slab", Gist: "The cache's name."},
			Get: func(r row) value { return explain.S(r.It.Name) }},
		{Doc: doc{Key: "size", Unit: bytes, Bar: true, Source: src, Concept: "slab", Gist: "RAM that the cache takes, its free objects included."},
			Get: func(r row) value { return inBytes(r.Mem, int64(r.It.Pages())) }},
		{Doc: doc{Key: "active_objs", Label: "objects", Kernel: "active_objs", Unit: count, Source: src, Concept: "slab", Gist: "Objects in use."},
			Get: func(r row) value { return explain.N(r.It.Active) }},
		{Doc: doc{Key: "objsize", Label: "each", Kernel: "objsize", Unit: bytes, Source: src, Concept: "slab", Gist: "The size of one object."},
			Get: func(r row) value { return explain.N(r.It.ObjectSize) }},
		{Doc: doc{Key: "used", Unit: explain.Ratio, Source: src, Concept: "slab", Show: explain.Wide, Gist: "Objects in use of those there is room for."},
			Get: func(r row) value { return share(explain.N(r.It.Active), explain.N(r.It.Objects)) }},
		{Doc: doc{Key: "why", Source: src, Concept: "slab", Gist: "What such objects are for."},
			Get: func(r row) value { return explain.S(whySlab(r.It.Name)) }},
	}}
}

// slabWord says what a cache holds, by its whole name; whySlab also by its beginning.
func slabWord(name string) string {
	switch name {
	case "dentry":
		return "names in directories: the path lookup cache"
	case "inode_cache":
		return "inodes of small file systems without a cache of their own"
	case "proc_inode_cache":
		return "inodes of /proc: somebody reads it a lot"
	case "shmem_inode_cache":
		return "inodes of tmpfs and of shared memory"
	case "sock_inode_cache":
		return "one for each socket: its inode and socket struct"
	case "kernfs_node_cache":
		return "files and directories of sysfs and the cgroup file system"
	case "radix_tree_node":
		return "trees that find the page cache's pages, and other indexes"
	case "maple_node":
		return "trees of the mappings in address spaces (6.1 and later)"
	case "extent_status", "ext4_extent_status":
		return "where the blocks of ext4 files are, cached"
	case "buffer_head":
		return "blocks within cached pages: ext4 and block devices"
	case "vm_area_struct":
		return "one for each mapping of each process"
	case "anon_vma", "anon_vma_chain":
		return "back from an anonymous page to those who map it"
	case "mm_struct":
		return "one for each address space"
	case "task_struct":
		return "one for each thread"
	case "signal_cache", "sighand_cache":
		return "one for each process: its signal state"
	case "files_cache":
		return "one for each process: its table of file descriptors"
	case "filp":
		return "open files: one struct file each"
	case "cred_jar":
		return "credentials of tasks and open files"
	case "pid":
		return "one for each process and thread number"
	case "names_cache":
		return "path names while system calls work on them"
	case "fsnotify_mark_connector", "inotify_inode_mark", "fsnotify_mark", "fanotify_mark", "dnotify_mark":
		return "watches on files (inotify, fanotify)"
	case "eventpoll_epi", "eventpoll_pwq":
		return "what epoll instances watch"
	case "file_lock_cache", "file_lock_ctx", "file_lease_cache":
		return "locks and leases on files"
	case "lsm_inode_cache", "lsm_file_cache", "avc_node", "avc_xperms_node", "selinux_inode_security":
		return "state of the security module (SELinux, AppArmor, ...)"
	case "trace_event_file", "ftrace_event_field":
		return "the tracing system's own tables"
	case "pool_workqueue":
		return "work queues of the kernel"
	case "nf_conntrack":
		return "connections that netfilter tracks"
	case "TCP", "TCPv6":
		return "one for each TCP socket"
	case "UDP", "UDPv6", "UDP-Lite", "UDPLITEv6":
		return "one for each UDP socket"
	case "UNIX", "UNIX-STREAM":
		return "one for each unix socket"
	case "skbuff_head_cache", "skbuff_fclone_cache", "skbuff_small_head", "skbuff_ext_cache":
		return "packets: their descriptors and headers"
	case "numa_policy", "shared_policy_node":
		return "NUMA placement policies"
	case "zspage", "zs_handle":
		return "bookkeeping of compressed memory"
	case "nsproxy", "pid_namespace", "net_namespace", "uts_namespace", "user_namespace":
		return "namespaces"
	case "ovl_inode":
		return "inodes of overlayfs: container images"
	case "fuse_inode":
		return "inodes of FUSE file systems"
	case "ksm_rmap_item", "ksm_stable_node", "ksm_mm_slot":
		return "bookkeeping of page merging (KSM)"
	case "page->ptl":
		return "locks of page tables"
	case "taskstats", "task_group", "task_delay_info":
		return "accounting of tasks"
	case "seq_file":
		return "files of /proc and the like while they are read"
	case "Acpi-Operand", "Acpi-Namespace", "Acpi-State", "Acpi-Parse", "Acpi-ParseExt":
		return "the firmware's ACPI tables, interpreted"
	case "debug_objects_cache":
		return "the kernel's own debugging of objects"
	}
	return ""
}

func whySlab(name string) string {
	if s := slabWord(name); s != "" {
		return s
	}
	for _, p := range [...]struct{ prefix, word string }{
		{"kmalloc-rcl-", "reclaimable kmalloc buffers of that size"},
		{"kmalloc-cg-", "kmalloc buffers charged to a memory cgroup"},
		{"kmalloc-rnd-", "kmalloc buffers, spread over caches against exploits"},
		{"dma-kmalloc-", "kmalloc buffers for devices that reach little RAM"},
		{"kmalloc-", "kernel buffers of up to that size, of many owners"},
		{"ext4_inode", "inodes of ext4"}, {"ext4_", "ext4: extents, journal and allocation"}, {"jbd2_", "the ext4 journal"},
		{"xfs_inode", "inodes of XFS"}, {"xfs_", "XFS: log items, buffers, metadata"}, {"btrfs_inode", "inodes of Btrfs"}, {"btrfs_", "Btrfs metadata"},
		{"nfs_inode", "inodes of NFS mounts"}, {"nfs_", "NFS requests and state"}, {"nfsd_", "the NFS server"},
		{"zfs_", "ZFS"}, {"zio_", "ZFS buffers"}, {"dnode_", "ZFS"}, {"arc_", "ZFS cache bookkeeping"},
		{"request_sock_", "connections that are being opened"}, {"tw_sock_", "closed connections in TIME_WAIT"},
		{"bio-", "block I/O requests"}, {"biovec-", "block I/O requests"}, {"dm_", "device mapper requests"},
		{"kvm_", "virtual machines (KVM)"}, {"fuse_", "FUSE requests"}, {"bpf_", "BPF"}, {"iommu_", "tables for devices"},
		{"mb_cache", "extended attributes of ext file systems"}, {"scsi_", "SCSI requests"}, {"ip_", "routing and IP state"}, {"ip6_", "routing and IP state"},
		{"inet_", "network peers and ports"}, {"io_kiocb", "io_uring requests"}, {"mqueue_", "POSIX message queues"}, {"cifs_", "SMB mounts"},
	} {
		if strings.HasPrefix(name, p.prefix) {
			return p.word
		}
	}
	return "objects of the kernel or a module that kwhy has no word for"
}
