package mem

import (
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
)

func slabTotal() []field {
	return []field{{
		Doc: doc{
			Key: "slab", Kernel: "Slab", Unit: bytes,
			Source:  inspect.Meminfo,
			Gist:    "All kernel objects: SReclaimable and SUnreclaim together.",
			Concept: "slab",
		},
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
	return w.Done("SReclaimable + SUnreclaim", bytes, explain.I(a+b))
}

// Slabs lists the slab caches by what they hold.
func Slabs() *explain.Table[memfacts.Part[memfacts.Slab]] {
	type row = memfacts.Part[memfacts.Slab]
	type column = explain.Field[row]
	src := inspect.Slabinfo
	return &explain.Table[row]{Name: "slabs", Sort: []string{"size", "name"}, Fields: []column{
		{Doc: doc{Key: "name", Label: "CACHE", Source: src, Concept: "slab", Gist: "The cache's name."},
			Get: func(r row) value { return explain.S(r.It.Name) }},
		{Doc: doc{
			Key: "size", Unit: bytes, Bar: true,
			Source:  src,
			Gist:    "Memory of the cache, free objects included.",
			Concept: "slab",
		}, Get: func(r row) value { return inBytes(r.In, int64(r.It.Pages())) }},
		{Doc: doc{
			Key: "active_objs", Kernel: "active_objs", Unit: count,
			Source:  src,
			Gist:    "Objects in use.",
			Concept: "slab",
		}, Get: func(r row) value { return explain.N(r.It.Active) }},
		{Doc: doc{
			Key: "objsize", Kernel: "objsize", Unit: bytes,
			Source:  src,
			Gist:    "The size of one object.",
			Concept: "slab",
		}, Get: func(r row) value { return explain.N(r.It.ObjectSize) }},
		{Doc: doc{
			Key: "used", Unit: explain.Ratio, Show: explain.Wide,
			Source:  src,
			Gist:    "Share of the allocated objects that is in use.",
			Concept: "slab",
		}, Get: func(r row) value { return explain.Share(explain.N(r.It.Active), explain.N(r.It.Objects)) }},
		{Doc: doc{Key: "why", Label: explain.Description, Source: src, Concept: "slab", Gist: "What these objects are for."},
			Get: func(r row) value { return explain.S(whySlab(r.It.Name)) }},
	}}
}

// slabName is what caches of these names hold.
type slabName struct {
	word  string
	names []string
}

// slabWords says what caches hold, by their whole names; whySlab also by how
// names begin.
func slabWords() []slabName {
	return []slabName{
		{"directory entries: the path lookup cache", []string{"dentry"}},
		{"inodes of small file systems without a cache of their own", []string{"inode_cache"}},
		{"inodes of /proc: something reads it a lot", []string{"proc_inode_cache"}},
		{"inodes of tmpfs and of shared memory", []string{"shmem_inode_cache"}},
		{"one for each socket: its inode and socket struct", []string{"sock_inode_cache"}},
		{"files and directories of sysfs and the cgroup file system", []string{"kernfs_node_cache"}},
		{"trees that index the page cache and more", []string{"radix_tree_node"}},
		{"trees of the mappings in address spaces (6.1 and later)", []string{"maple_node"}},
		{"cached locations of the blocks of ext4 files", []string{"extent_status", "ext4_extent_status"}},
		{"blocks within cached pages: ext4 and block devices", []string{"buffer_head"}},
		{"one for each mapping of each process", []string{"vm_area_struct"}},
		{"reverse mappings of anonymous pages", []string{"anon_vma", "anon_vma_chain"}},
		{"one for each address space", []string{"mm_struct"}},
		{"one for each thread", []string{"task_struct"}},
		{"one for each process: its signal state", []string{"signal_cache", "sighand_cache"}},
		{"one for each process: its table of file descriptors", []string{"files_cache"}},
		{"open files: one struct file each", []string{"filp"}},
		{"credentials of tasks and open files", []string{"cred_jar"}},
		{"one for each process and thread number", []string{"pid"}},
		{"path names while system calls work on them", []string{"names_cache"}},
		{"watches on files (inotify, fanotify)", []string{
			"fsnotify_mark_connector", "inotify_inode_mark", "fsnotify_mark", "fanotify_mark", "dnotify_mark",
		}},
		{"what epoll instances watch", []string{"eventpoll_epi", "eventpoll_pwq"}},
		{"locks and leases on files", []string{"file_lock_cache", "file_lock_ctx", "file_lease_cache"}},
		{"state of the security module (SELinux, AppArmor, ...)", []string{
			"lsm_inode_cache", "lsm_file_cache", "avc_node", "avc_xperms_node", "selinux_inode_security",
		}},
		{"the tracing system's own tables", []string{"trace_event_file", "ftrace_event_field"}},
		{"work queues of the kernel", []string{"pool_workqueue"}},
		{"connections that netfilter tracks", []string{"nf_conntrack"}},
		{"one for each TCP socket", []string{"TCP", "TCPv6"}},
		{"one for each UDP socket", []string{"UDP", "UDPv6", "UDP-Lite", "UDPLITEv6"}},
		{"one for each unix socket", []string{"UNIX", "UNIX-STREAM"}},
		{"packets: their descriptors and headers", []string{"skbuff_head_cache", "skbuff_fclone_cache", "skbuff_small_head", "skbuff_ext_cache"}},
		{"NUMA placement policies", []string{"numa_policy", "shared_policy_node"}},
		{"bookkeeping of compressed memory", []string{"zspage", "zs_handle"}},
		{"namespaces", []string{"nsproxy", "pid_namespace", "net_namespace", "uts_namespace", "user_namespace"}},
		{"inodes of overlayfs: container images", []string{"ovl_inode"}},
		{"inodes of FUSE file systems", []string{"fuse_inode"}},
		{"bookkeeping of page merging (KSM)", []string{"ksm_rmap_item", "ksm_stable_node", "ksm_mm_slot"}},
		{"locks of page tables", []string{"page->ptl"}},
		{"accounting of tasks", []string{"taskstats", "task_delay_info"}},
		{"CPU groups of the scheduler", []string{"task_group"}},
		{"files of /proc and the like that are open", []string{"seq_file"}},
		{"the firmware's ACPI tables, interpreted", []string{"Acpi-Operand", "Acpi-Namespace", "Acpi-State", "Acpi-Parse", "Acpi-ParseExt"}},
		{"the kernel's own debugging of objects", []string{"debug_objects_cache"}},
	}
}

func slabWord(name string) string {
	for _, w := range slabWords() {
		if slices.Contains(w.names, name) {
			return w.word
		}
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
		{"dma-kmalloc-", "kmalloc buffers for devices with few address bits"},
		{"kmalloc-", "kernel buffers up to that size, of many owners"},
		{"ext4_inode", "inodes of ext4"}, {"ext4_", "ext4: extents, journal and allocation"}, {"jbd2_", "the ext4 journal"},
		{"xfs_inode", "inodes of XFS"}, {"xfs_", "XFS: log items, buffers, metadata"}, {"btrfs_inode", "inodes of Btrfs"},
		{"btrfs_", "Btrfs metadata"},
		{"nfs_inode", "inodes of NFS mounts"}, {"nfs_", "NFS requests and state"}, {"nfsd_", "the NFS server"},
		{"zfs_", "ZFS"}, {"zio_", "ZFS buffers"}, {"dnode_", "ZFS"}, {"arc_", "ZFS cache bookkeeping"},
		{"request_sock_", "connections that are being opened"}, {"tw_sock_", "closed connections in TIME_WAIT"},
		{"bio-", "block I/O requests"}, {"biovec-", "block I/O requests"}, {"dm_", "device mapper requests"},
		{"kvm_", "virtual machines (KVM)"}, {"fuse_", "FUSE requests"}, {"bpf_", "BPF"}, {"iommu_", "tables for devices"},
		{"mb_cache", "extended attributes of ext file systems"}, {"scsi_", "SCSI requests"},
		{"ip_vs_", "connections through IPVS"}, {"ip_", "routing and IP state"},
		{"ip6_", "routing and IP state"},
		{"inet_", "network peers and ports"}, {"io_kiocb", "io_uring requests"}, {"mqueue_", "POSIX message queues"}, {"cifs_", "SMB mounts"},
	} {
		if strings.HasPrefix(name, p.prefix) {
			return p.word
		}
	}
	return "objects of the kernel or a module that kwhy does not know"
}
