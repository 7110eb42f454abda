package inspect

// sourceInfo is one row of the table of sources.
type sourceInfo struct {
	path   string // as users read it; also where it is read, for a shape
	scope  Scope
	shape  Shape
	opens  string  // what it takes to read it when that is denied
	option string  // what the kernel must be built or booted with
	since  Version // first kernel that has it; zero: older than 4.0
	procfs string  // what of prometheus/procfs reads it of a running host, from path and from the files of also
	also   string  // another file that belongs to it

	// Of sources of a process:

	slot      uint8 // its place in processSources
	every     bool  // every process has it: where it is not there, there is no process
	mayHang   bool  // reading it waits for what a task may hold for long: see mayHang
	ends      bool  // a process lets go of it when it ends (kernel/exit.c, do_exit)
	main      bool  // it goes with the main thread, though others go on
	noKthread bool  // kernel threads have none
}

const (
	asRoot   = "run as root"
	asTracer = "run as root, as the process's user, or with CAP_SYS_PTRACE"
	// What its owner alone may open (fs/proc/base.c: S_IRUSR) takes another besides.
	asOwner  = "run as root, as the process's user, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
	asHidden = asRoot + "; /proc is mounted with hidepid"
	// What belongs to a network namespace is asked of its own namespace.
	asNetAdmin = "run as root, with CAP_SYS_ADMIN, to enter that network namespace"
	liveNet    = "the host's own /proc, not a copy"
	initialNet = "kwhy in the host's initial network namespace"
	ipv6       = "CONFIG_IPV6, and no ipv6.disable=1"
)

var sourceTable = [NumSources]sourceInfo{
	ProcAndSys: {path: "/proc and /sys"},

	Meminfo:     {path: "/proc/meminfo"},
	Zoneinfo:    {path: "/proc/zoneinfo", opens: asRoot},
	Vmstat:      {path: "/proc/vmstat"},
	Buddyinfo:   {path: "/proc/buddyinfo", procfs: "FS.BuddyInfo", opens: asRoot},
	Swaps:       {path: "/proc/swaps", procfs: "FS.Swaps", option: "CONFIG_SWAP"},
	LoopBacking: {path: "/sys/block/loop<n>/loop/backing_file", option: "CONFIG_BLK_DEV_LOOP, and its module loaded"},
	Slabinfo:    {path: "/proc/slabinfo", opens: asRoot, option: "CONFIG_SLUB_DEBUG"},
	PressureMemory: {
		path: "/proc/pressure/memory", procfs: "FS.PSIStatsForResource", opens: asRoot, option: "CONFIG_PSI and, if it is off by default, psi=1",
		since: Version{4, 20, 0},
	},

	VMOvercommitMemory:      {path: "/proc/sys/vm/overcommit_memory", shape: ShapeNumber},
	VMOvercommitRatio:       {path: "/proc/sys/vm/overcommit_ratio", shape: ShapeNumber},
	VMOvercommitKbytes:      {path: "/proc/sys/vm/overcommit_kbytes", shape: ShapeNumber},
	VMAdminReserveKbytes:    {path: "/proc/sys/vm/admin_reserve_kbytes", shape: ShapeNumber},
	VMUserReserveKbytes:     {path: "/proc/sys/vm/user_reserve_kbytes", shape: ShapeNumber},
	VMSwappiness:            {path: "/proc/sys/vm/swappiness", shape: ShapeNumber},
	VMDirtyRatio:            {path: "/proc/sys/vm/dirty_ratio", shape: ShapeNumber},
	VMDirtyBytes:            {path: "/proc/sys/vm/dirty_bytes", shape: ShapeNumber},
	VMDirtyBackgroundRatio:  {path: "/proc/sys/vm/dirty_background_ratio", shape: ShapeNumber},
	VMDirtyBackgroundBytes:  {path: "/proc/sys/vm/dirty_background_bytes", shape: ShapeNumber},
	VMMinFreeKbytes:         {path: "/proc/sys/vm/min_free_kbytes", shape: ShapeNumber},
	VMWatermarkScaleFactor:  {path: "/proc/sys/vm/watermark_scale_factor", shape: ShapeNumber, since: Version{4, 6, 0}},
	VMMaxMapCount:           {path: "/proc/sys/vm/max_map_count", shape: ShapeNumber},
	VMPanicOnOOM:            {path: "/proc/sys/vm/panic_on_oom", shape: ShapeNumber},
	VMOOMKillAllocatingTask: {path: "/proc/sys/vm/oom_kill_allocating_task", shape: ShapeNumber},
	VMOOMDumpTasks:          {path: "/proc/sys/vm/oom_dump_tasks", shape: ShapeNumber},

	THPEnabled: {path: "/sys/kernel/mm/transparent_hugepage/enabled", shape: ShapeWord, option: "CONFIG_TRANSPARENT_HUGEPAGE"},
	THPDefrag:  {path: "/sys/kernel/mm/transparent_hugepage/defrag", shape: ShapeWord, option: "CONFIG_TRANSPARENT_HUGEPAGE"},
	THPShmemEnabled: {
		path: "/sys/kernel/mm/transparent_hugepage/shmem_enabled", shape: ShapeWord,
		option: "CONFIG_TRANSPARENT_HUGEPAGE", since: Version{4, 8, 0},
	},
	HugepagePools: {path: "/sys/kernel/mm/hugepages", option: "CONFIG_HUGETLBFS"},
	KSM:           {path: "/sys/kernel/mm/ksm", option: "CONFIG_KSM"},
	ZswapEnabled:  {path: "/sys/module/zswap/parameters/enabled", shape: ShapeWord, option: "CONFIG_ZSWAP"},
	ZramStat:      {path: "/sys/block/zram<n>/mm_stat", option: "CONFIG_ZRAM, and its module loaded"},
	NodeMeminfo:   {path: "/sys/devices/system/node/node<n>/meminfo", option: "CONFIG_NUMA"},

	SelfCgroup:    {path: "/proc/self/cgroup", procfs: "Proc.Cgroups", option: "CONFIG_CGROUPS"},
	SelfMountinfo: {path: "/proc/self/mountinfo"},
	CgroupMemory: {
		path:   "/sys/fs/cgroup/<cgroup>/memory.*",
		option: "CONFIG_MEMCG, the memory controller enabled and its cgroup file system mounted",
	},
	CgroupStat:   {path: "/sys/fs/cgroup/cgroup.stat", also: "/proc/cgroups", option: "CONFIG_MEMCG, and its cgroup file system mounted"},
	TmpfsUse:     {path: "statfs(2) of tmpfs", option: "the host's own mounts, not a copy"},
	SysvipcShm:   {path: "/proc/sysvipc/shm", option: "CONFIG_SYSVIPC"},
	ZFSArc:       {path: "/proc/spl/kstat/zfs/arcstats", option: "the ZFS module, loaded"},
	CgroupPids:   {path: "/sys/fs/cgroup/<cgroup>/pids.*", option: "CONFIG_CGROUP_PIDS"},
	CgroupCPU:    {path: "/sys/fs/cgroup/<cgroup>/cpu.*", option: "CONFIG_CFS_BANDWIDTH"},
	CgroupCpuset: {path: "/sys/fs/cgroup/<cgroup>/cpuset.*", option: "CONFIG_CPUSETS"},

	KernelLog: {
		path: "/dev/kmsg", opens: asRoot + ", with CAP_SYSLOG, or set kernel.dmesg_restrict to 0",
		option: "CONFIG_PRINTK",
	},
	ProcStat:         {path: "/proc/stat", procfs: "FS.Stat"},
	Loadavg:          {path: "/proc/loadavg"},
	Uptime:           {path: "/proc/uptime"},
	KernelPIDMax:     {path: "/proc/sys/kernel/pid_max", shape: ShapeNumber},
	KernelThreadsMax: {path: "/proc/sys/kernel/threads-max", shape: ShapeNumber},
	KernelBuild:      {path: "/proc/sys/kernel/version"},
	KernelConfig:     {path: "/proc/config.gz", option: "CONFIG_IKCONFIG_PROC, or the configuration in /boot"},
	KernelCmdline:    {path: "/proc/cmdline"},

	FSFileNr:            {path: "/proc/sys/fs/file-nr"},
	FSNrOpen:            {path: "/proc/sys/fs/nr_open", shape: ShapeNumber},
	FSInodeNr:           {path: "/proc/sys/fs/inode-nr"},
	FSDentryState:       {path: "/proc/sys/fs/dentry-state"},
	Locks:               {path: "/proc/locks", option: "CONFIG_FILE_LOCKING"},
	FSAIONr:             {path: "/proc/sys/fs/aio-nr", shape: ShapeNumber, option: "CONFIG_AIO"},
	FSAIOMaxNr:          {path: "/proc/sys/fs/aio-max-nr", shape: ShapeNumber, option: "CONFIG_AIO"},
	InotifyMaxInstances: {path: "/proc/sys/fs/inotify/max_user_instances", shape: ShapeNumber, option: "CONFIG_INOTIFY_USER"},
	InotifyMaxWatches:   {path: "/proc/sys/fs/inotify/max_user_watches", shape: ShapeNumber, option: "CONFIG_INOTIFY_USER"},
	EpollMaxWatches:     {path: "/proc/sys/fs/epoll/max_user_watches", shape: ShapeNumber, option: "CONFIG_EPOLL"},
	UserMaxInotifyInstances: {
		path: "/proc/sys/user/max_inotify_instances", shape: ShapeNumber, option: "CONFIG_INOTIFY_USER", since: Version{4, 11, 0},
	},
	UserMaxInotifyWatches: {
		path: "/proc/sys/user/max_inotify_watches", shape: ShapeNumber, option: "CONFIG_INOTIFY_USER", since: Version{4, 11, 0},
	},
	UserMaxUserNamespaces: {path: "/proc/sys/user/max_user_namespaces", shape: ShapeNumber, since: Version{4, 9, 0}, option: "CONFIG_USER_NS"},
	UserMaxNetNamespaces:  {path: "/proc/sys/user/max_net_namespaces", shape: ShapeNumber, since: Version{4, 9, 0}, option: "CONFIG_NET_NS"},
	UserMaxMntNamespaces:  {path: "/proc/sys/user/max_mnt_namespaces", shape: ShapeNumber, since: Version{4, 9, 0}, option: "CONFIG_USER_NS"},
	UserMaxPidNamespaces:  {path: "/proc/sys/user/max_pid_namespaces", shape: ShapeNumber, since: Version{4, 9, 0}, option: "CONFIG_PID_NS"},
	PipeMaxSize:           {path: "/proc/sys/fs/pipe-max-size", shape: ShapeNumber},
	PipeUserPagesSoft:     {path: "/proc/sys/fs/pipe-user-pages-soft", shape: ShapeNumber, since: Version{4, 5, 0}},
	PipeUserPagesHard:     {path: "/proc/sys/fs/pipe-user-pages-hard", shape: ShapeNumber, since: Version{4, 5, 0}},
	MQueueQueuesMax:       {path: "/proc/sys/fs/mqueue/queues_max", shape: ShapeNumber, option: "CONFIG_POSIX_MQUEUE"},
	PtyNr:                 {path: "/proc/sys/kernel/pty/nr", shape: ShapeNumber, option: "CONFIG_UNIX98_PTYS"},
	PtyMax:                {path: "/proc/sys/kernel/pty/max", shape: ShapeNumber, option: "CONFIG_UNIX98_PTYS"},
	PtyReserve:            {path: "/proc/sys/kernel/pty/reserve", shape: ShapeNumber, option: "CONFIG_UNIX98_PTYS"},
	KeyUsers:              {path: "/proc/key-users", option: "CONFIG_KEYS"},

	TickClock: {path: "clock_getres(2)", option: "the host's own /proc, not a copy"},
	SchedDebug: {
		path: "/sys/kernel/debug/sched", opens: asRoot + ", where lockdown allows it",
		option: "debugfs mounted and, before 6.15, CONFIG_SCHED_DEBUG",
	},
	SchedLag: {
		path: "/sys/kernel/debug/sched/debug", opens: asRoot + ", where lockdown allows it",
		option: "debugfs mounted and, before 6.15, CONFIG_SCHED_DEBUG", since: Version{6, 6, 0},
	},
	SchedExt:       {path: "/sys/kernel/sched_ext", option: "CONFIG_SCHED_CLASS_EXT", since: Version{6, 12, 0}},
	SchedAutogroup: {path: "/proc/sys/kernel/sched_autogroup_enabled", shape: ShapeNumber, option: "CONFIG_SCHED_AUTOGROUP"},
	CPUList:        {path: "/sys/devices/system/cpu/online"},
	PressureCPU: {
		path: "/proc/pressure/cpu", procfs: "FS.PSIStatsForResource", opens: asRoot, option: "CONFIG_PSI and, if it is off by default, psi=1",
		since: Version{4, 20, 0},
	},
	Schedstat:    {path: "/proc/schedstat", option: "CONFIG_SCHEDSTATS"},
	Sysinfo:      {path: "sysinfo(2)", option: "the host's own /proc, not a copy"},
	SchedGetattr: {path: "sched_getattr(2)", option: "the host's own /proc, not a copy"},

	SchedRTRuntime:   {path: "/proc/sys/kernel/sched_rt_runtime_us", shape: ShapeNumber},
	SchedRTPeriod:    {path: "/proc/sys/kernel/sched_rt_period_us", shape: ShapeNumber},
	SchedRRTimeslice: {path: "/proc/sys/kernel/sched_rr_timeslice_ms", shape: ShapeNumber},
	SchedLatency: {
		path: "/proc/sys/kernel/sched_latency_ns", shape: ShapeNumber,
		option: "a kernel before 5.13; later ones have it in debugfs until 6.5",
	},
	SchedMinGranularity: {
		path: "/proc/sys/kernel/sched_min_granularity_ns", shape: ShapeNumber,
		option: "a kernel before 5.13; later ones have it in debugfs until 6.5",
	},
	SchedWakeupGranularity: {
		path: "/proc/sys/kernel/sched_wakeup_granularity_ns", shape: ShapeNumber,
		option: "a kernel before 5.13; later ones have it in debugfs until 6.5",
	},

	Passwd:      {path: "/etc/passwd"},
	Devices:     {path: "/proc/devices"},
	MiscDevices: {path: "/proc/misc"},

	NetSockets: {path: "sock_diag(7), or else /proc/<pid>/net", scope: OfNetwork, option: "CONFIG_NET"},
	SockDiag: {
		path: "sock_diag(7)", scope: OfNetwork, opens: asRoot + ", with CAP_SYS_ADMIN in that network namespace",
		option: "CONFIG_INET_DIAG and CONFIG_UNIX_DIAG, and the host's own /proc, not a copy",
	},
	NetSockstat:  {path: "/proc/net/sockstat", procfs: "FS.NetSockstat", scope: OfNetwork, option: "CONFIG_INET"},
	NetSockstat6: {path: "/proc/net/sockstat6", procfs: "FS.NetSockstat6", scope: OfNetwork, option: ipv6},
	NetSNMP:      {path: "/proc/net/snmp", scope: OfNetwork, option: "CONFIG_INET"},
	NetSNMP6:     {path: "/proc/net/snmp6", scope: OfNetwork, option: ipv6},
	NetNetstat:   {path: "/proc/net/netstat", scope: OfNetwork, option: "CONFIG_INET"},
	NetProtocols: {path: "/proc/net/protocols", scope: OfNetwork},
	NetTCP:       {path: "/proc/net/tcp", scope: OfNetwork, option: "CONFIG_INET"},
	TCPSockets:   {path: "sock_diag(7), or else /proc/net/tcp", scope: OfNetwork, option: "CONFIG_INET"},
	NetSoftnet:   {path: "/proc/net/softnet_stat", scope: OfNetwork},
	NetDev:       {path: "/proc/net/dev", scope: OfNetwork},
	NetSysfs:     {path: "/sys/class/net", scope: OfNetwork, option: "a /sys that was mounted in this network namespace"},
	NetRoute:     {path: "rtnetlink", scope: OfNetwork, opens: asNetAdmin, option: liveNet},
	NetQdisc:     {path: "rtnetlink, RTM_GETQDISC", scope: OfNetwork, opens: asNetAdmin, option: liveNet + ", and CONFIG_NET_SCHED"},
	NetEthtool: {
		path: "ioctl(SIOCETHTOOL)", scope: OfNetwork, opens: asNetAdmin,
		option: liveNet + ", and a driver that reports its rings",
	},
	NetHooks: {
		path: "nfnetlink, hooks", scope: OfNetwork, opens: asRoot + ", with CAP_NET_ADMIN",
		option: "CONFIG_NETFILTER_NETLINK_HOOK, and the host's own /proc", since: Version{5, 14, 0},
	},
	NetRules: {
		path: "nfnetlink, nf_tables", scope: OfNetwork, opens: asRoot + ", with CAP_NET_ADMIN",
		option: "CONFIG_NF_TABLES, and the host's own /proc",
	},
	NetRuleCounters: {
		path: "nfnetlink, counters of nf_tables", scope: OfNetwork, opens: asRoot + ", with CAP_NET_ADMIN",
		option: "CONFIG_NF_TABLES, rules with counters, and the host's own /proc",
	},
	NetXTables: {
		path: "getsockopt(IPT_SO_GET_ENTRIES)", scope: OfNetwork, opens: asRoot + ", with CAP_NET_ADMIN",
		option: "CONFIG_IP_NF_IPTABLES, and the host's own /proc",
	},
	NetTables: {path: "/proc/net/ip_tables_names", scope: OfNetwork, opens: asRoot},
	NetConntrack: {
		path: "/proc/net/stat/nf_conntrack", scope: OfNetwork,
		option: "connection tracking loaded, and CONFIG_NF_CONNTRACK_PROCFS",
	},
	NetARPCache:   {path: "/proc/net/stat/arp_cache", option: initialNet},
	NetNdiscCache: {path: "/proc/net/stat/ndisc_cache", option: initialNet + ", and " + ipv6},

	TCPMem:               {path: "/proc/sys/net/ipv4/tcp_mem", option: initialNet},
	UDPMem:               {path: "/proc/sys/net/ipv4/udp_mem", option: initialNet},
	TCPRmem:              {path: "/proc/sys/net/ipv4/tcp_rmem", scope: OfNetwork, opens: asNetAdmin},
	TCPWmem:              {path: "/proc/sys/net/ipv4/tcp_wmem", scope: OfNetwork, opens: asNetAdmin},
	IPLocalPortRange:     {path: "/proc/sys/net/ipv4/ip_local_port_range", scope: OfNetwork, opens: asNetAdmin},
	IPLocalReservedPorts: {path: "/proc/sys/net/ipv4/ip_local_reserved_ports", scope: OfNetwork, opens: asNetAdmin},
	DefaultQdisc:         {path: "/proc/sys/net/core/default_qdisc", shape: ShapeWord, option: initialNet},
	RmemMax:              {path: "/proc/sys/net/core/rmem_max", shape: ShapeNumber, option: initialNet},
	WmemMax:              {path: "/proc/sys/net/core/wmem_max", shape: ShapeNumber, option: initialNet},
	RmemDefault:          {path: "/proc/sys/net/core/rmem_default", shape: ShapeNumber, option: initialNet},
	WmemDefault:          {path: "/proc/sys/net/core/wmem_default", shape: ShapeNumber, option: initialNet},

	Somaxconn:        {path: "/proc/sys/net/core/somaxconn", scope: OfNetwork, shape: ShapeNumber, opens: asNetAdmin},
	TCPMaxSynBacklog: {path: "/proc/sys/net/ipv4/tcp_max_syn_backlog", scope: OfNetwork, shape: ShapeNumber, opens: asNetAdmin},
	TCPMaxOrphans:    {path: "/proc/sys/net/ipv4/tcp_max_orphans", shape: ShapeNumber, option: initialNet},
	TCPMaxTWBuckets:  {path: "/proc/sys/net/ipv4/tcp_max_tw_buckets", scope: OfNetwork, shape: ShapeNumber, opens: asNetAdmin},
	TCPEhashEntries: {
		path: "/proc/sys/net/ipv4/tcp_ehash_entries", scope: OfNetwork, shape: ShapeNumber, opens: asNetAdmin,
		since: Version{6, 1, 0},
	},
	TCPSyncookies: {
		path: "/proc/sys/net/ipv4/tcp_syncookies", scope: OfNetwork, shape: ShapeNumber, opens: asNetAdmin,
		option: "CONFIG_SYN_COOKIES",
	},
	TCPAbortOnOverflow: {path: "/proc/sys/net/ipv4/tcp_abort_on_overflow", scope: OfNetwork, shape: ShapeNumber, opens: asNetAdmin},
	TCPFinTimeout:      {path: "/proc/sys/net/ipv4/tcp_fin_timeout", scope: OfNetwork, shape: ShapeNumber, opens: asNetAdmin},
	TCPModerateRcvbuf:  {path: "/proc/sys/net/ipv4/tcp_moderate_rcvbuf", scope: OfNetwork, shape: ShapeNumber, opens: asNetAdmin},

	NetdevMaxBacklog: {path: "/proc/sys/net/core/netdev_max_backlog", shape: ShapeNumber, option: initialNet},
	NetdevBudget:     {path: "/proc/sys/net/core/netdev_budget", shape: ShapeNumber, option: initialNet},
	NetdevBudgetUsecs: {
		path: "/proc/sys/net/core/netdev_budget_usecs", shape: ShapeNumber, option: initialNet,
		since: Version{4, 12, 0},
	},
	ConntrackMax: {
		path: "/proc/sys/net/netfilter/nf_conntrack_max", scope: OfNetwork, shape: ShapeNumber, opens: asNetAdmin,
		option: "connection tracking loaded",
	},
	ConntrackCount: {
		path: "/proc/sys/net/netfilter/nf_conntrack_count", scope: OfNetwork, shape: ShapeNumber, opens: asNetAdmin,
		option: "connection tracking loaded",
	},
	ConntrackBuckets: {
		path: "/proc/sys/net/netfilter/nf_conntrack_buckets", scope: OfNetwork, shape: ShapeNumber,
		opens: asNetAdmin, option: "connection tracking loaded",
	},

	NeighThresh1:  {path: "/proc/sys/net/ipv4/neigh/default/gc_thresh1", shape: ShapeNumber, option: initialNet},
	NeighThresh2:  {path: "/proc/sys/net/ipv4/neigh/default/gc_thresh2", shape: ShapeNumber, option: initialNet},
	NeighThresh3:  {path: "/proc/sys/net/ipv4/neigh/default/gc_thresh3", shape: ShapeNumber, option: initialNet},
	Neigh6Thresh1: {path: "/proc/sys/net/ipv6/neigh/default/gc_thresh1", shape: ShapeNumber, option: initialNet + ", and " + ipv6},
	Neigh6Thresh2: {path: "/proc/sys/net/ipv6/neigh/default/gc_thresh2", shape: ShapeNumber, option: initialNet + ", and " + ipv6},
	Neigh6Thresh3: {path: "/proc/sys/net/ipv6/neigh/default/gc_thresh3", shape: ShapeNumber, option: initialNet + ", and " + ipv6},

	SecurityLockdown: {
		path: "/sys/kernel/security/lockdown", shape: ShapeWord, opens: asRoot,
		option: "CONFIG_SECURITY_LOCKDOWN_LSM, and securityfs mounted", since: Version{5, 4, 0},
	},
	YamaPtraceScope:   {path: "/proc/sys/kernel/yama/ptrace_scope", shape: ShapeNumber, option: "CONFIG_SECURITY_YAMA"},
	DmesgRestrict:     {path: "/proc/sys/kernel/dmesg_restrict", shape: ShapeNumber, option: "CONFIG_PRINTK"},
	KptrRestrict:      {path: "/proc/sys/kernel/kptr_restrict", shape: ShapeNumber, option: "CONFIG_PRINTK"},
	PerfEventParanoid: {path: "/proc/sys/kernel/perf_event_paranoid", shape: ShapeNumber, option: "CONFIG_PERF_EVENTS"},

	PIDStat:        {path: "/proc/<pid>/stat", scope: OfProcess, slot: 0, every: true, opens: asHidden},
	PIDStatus:      {path: "/proc/<pid>/status", scope: OfProcess, slot: 1, every: true, opens: asHidden},
	PIDOomScoreAdj: {path: "/proc/<pid>/oom_score_adj", scope: OfProcess, slot: 2, every: true, opens: asHidden},
	PIDOomScore:    {path: "/proc/<pid>/oom_score", scope: OfProcess, slot: 3, every: true, opens: asHidden},
	PIDCmdline:     {path: "/proc/<pid>/cmdline", scope: OfProcess, slot: 4, mayHang: true, ends: true, main: true, opens: asHidden},
	PIDCgroup: {
		path: "/proc/<pid>/cgroup", procfs: "Proc.Cgroups", scope: OfProcess, slot: 5, main: true, opens: asHidden,
		option: "CONFIG_CGROUPS",
	},
	PIDWchan: {path: "/proc/<pid>/wchan", scope: OfProcess, slot: 6, ends: true, opens: asTracer, option: "CONFIG_KALLSYMS"},
	PIDSyscall: {
		path: "/proc/<pid>/syscall", scope: OfProcess, slot: 7, mayHang: true, ends: true, opens: asOwner,
		option: "CONFIG_HAVE_ARCH_TRACEHOOK",
	},
	PIDFd:     {path: "/proc/<pid>/fd", scope: OfProcess, slot: 8, ends: true, main: true, opens: asOwner},
	PIDLimits: {path: "/proc/<pid>/limits", scope: OfProcess, slot: 9, opens: asHidden},
	PIDIO: {
		path: "/proc/<pid>/io", procfs: "Proc.IO", scope: OfProcess, slot: 10, mayHang: true, opens: asOwner,
		option: "CONFIG_TASK_IO_ACCOUNTING",
	},

	PIDExe:  {path: "/proc/<pid>/exe", scope: OfProcess, slot: 11, ends: true, main: true, noKthread: true, opens: asTracer},
	PIDCwd:  {path: "/proc/<pid>/cwd", scope: OfProcess, slot: 12, ends: true, main: true, opens: asTracer},
	PIDRoot: {path: "/proc/<pid>/root", scope: OfProcess, slot: 13, ends: true, main: true, opens: asTracer},
	PIDNs: {
		path: "/proc/<pid>/ns", procfs: "Proc.Namespaces", scope: OfProcess, slot: 14, ends: true, main: true, opens: asTracer,
		option: "CONFIG_NAMESPACES",
	},
	PIDStack: {
		path: "/proc/<pid>/stack", scope: OfProcess, slot: 15, mayHang: true, ends: true,
		opens: asRoot + ", with CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH and CAP_SYS_ADMIN", option: "CONFIG_STACKTRACE",
	},
	PIDLabel: {
		path: "/proc/<pid>/attr/current", scope: OfProcess, slot: 16, opens: asTracer,
		option: "a Linux security module that labels processes",
	},

	PIDSchedstat: {path: "/proc/<pid>/schedstat", scope: OfProcess, slot: 17, option: "CONFIG_SCHED_INFO"},
	PIDSched:     {path: "/proc/<pid>/sched", scope: OfProcess, slot: 18, option: "CONFIG_SCHED_DEBUG before 6.15"},
	PIDAutogroup: {path: "/proc/<pid>/autogroup", scope: OfProcess, slot: 19, option: "CONFIG_SCHED_AUTOGROUP"},
	PIDTimerslack: {
		path: "/proc/<pid>/timerslack_ns", scope: OfProcess, slot: 20, opens: asRoot + ", with CAP_SYS_NICE",
		since: Version{4, 6, 0},
	},
	PIDTask: {path: "/proc/<pid>/task", scope: OfProcess, slot: 21, opens: asHidden},

	PIDFdinfo:    {path: "/proc/<pid>/fdinfo", scope: OfProcess, slot: 22, mayHang: true, ends: true, opens: asTracer},
	PIDMountinfo: {path: "/proc/<pid>/mountinfo", scope: OfProcess, slot: 23, ends: true, opens: asTracer},
	PIDNet:       {path: "/proc/<pid>/net", scope: OfProcess, slot: 24, ends: true, opens: asTracer, option: "CONFIG_NET"},
	Taskstats: {
		path: "taskstats, by netlink", scope: OfProcess, slot: 25, opens: asRoot + ", with CAP_NET_ADMIN",
		option: "CONFIG_TASK_DELAY_ACCT and kernel.task_delayacct=1 (before 5.14 it is on unless booted with nodelayacct)",
	},
	PIDMaps: {path: "/proc/<pid>/maps", scope: OfProcess, slot: 26, mayHang: true, ends: true, main: true, opens: asTracer},
	PIDMapFiles: {
		path: "/proc/<pid>/map_files", scope: OfProcess, slot: 27,
		opens:  asRoot + ", with CAP_SYS_PTRACE and CAP_SYS_ADMIN or, since 5.9, CAP_CHECKPOINT_RESTORE",
		option: "CONFIG_CHECKPOINT_RESTORE before 4.3",
	},
	PIDSmapsRollup: {
		path: "/proc/<pid>/smaps_rollup", procfs: "Proc.ProcSMapsRollup", also: "/proc/<pid>/smaps",
		scope: OfProcess, slot: 28, mayHang: true, ends: true, main: true,
		opens: asTracer, option: "CONFIG_PROC_PAGE_MONITOR",
	},
	PIDEntry: {
		path: "/proc/<pid>", scope: OfProcess, slot: 29,
		opens: asRoot + ": this /proc is mounted with hidepid, and shows others' processes to nobody else",
	},
}

// processSources are the sources of a process in the order in which they are read: what
// identifies a process first.
var processSources = [...]Source{
	PIDStat,
	PIDStatus,
	PIDOomScoreAdj,
	PIDOomScore,
	PIDCmdline,
	PIDCgroup,
	PIDWchan,
	PIDSyscall,
	PIDFd,
	PIDLimits,
	PIDIO,
	PIDExe,
	PIDCwd,
	PIDRoot,
	PIDNs,
	PIDStack,
	PIDLabel,
	PIDSchedstat,
	PIDSched,
	PIDAutogroup,
	PIDTimerslack,
	PIDTask,
	PIDFdinfo,
	PIDMountinfo,
	PIDNet,
	Taskstats,
	PIDMaps,
	PIDMapFiles,
	PIDSmapsRollup,
	PIDEntry,
}

// NumProcessSources is how many sources a process has.
const NumProcessSources = len(processSources)
