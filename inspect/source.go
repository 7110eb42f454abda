package inspect

// Only returns the members of a set that keep.
func (set Sources) Only(keep func(Source) bool) (out Sources) {
	for s := None + 1; s < NumSources; s++ {
		if set.Has(s) && keep(s) {
			out = out.Plus(Of(s))
		}
	}
	return out
}

// Source is a file, or a family of files, that kwhy reads. The table below is
// the one list of them: gaps, documentation and the recorder walk it.
type Source uint8

// The sources, in the order in which reports name them.
const (
	None       Source = iota
	ProcAndSys        // of values that are made of many: no file of its own
	Meminfo
	Zoneinfo
	Vmstat
	Buddyinfo
	Swaps
	Slabinfo
	PressureMemory
	VMOvercommitMemory
	VMOvercommitRatio
	VMOvercommitKbytes
	VMAdminReserveKbytes
	VMUserReserveKbytes
	VMSwappiness
	VMDirtyRatio
	VMDirtyBytes
	VMDirtyBackgroundRatio
	VMDirtyBackgroundBytes
	VMMinFreeKbytes
	VMWatermarkScaleFactor
	VMMaxMapCount
	VMPanicOnOOM
	VMOOMKillAllocatingTask
	VMOOMDumpTasks
	THPEnabled
	THPDefrag
	THPShmemEnabled
	HugepagePools
	KSM
	ZswapEnabled
	ZramStat
	NodeMeminfo
	SelfCgroup
	SelfMountinfo
	CgroupMemory
	KernelLog
	ProcStat
	Loadavg
	Uptime
	KernelPIDMax
	KernelThreadsMax
	FSFileNr
	FSNrOpen
	FSInodeNr
	FSDentryState
	Locks
	FSAIONr
	FSAIOMaxNr
	InotifyMaxInstances
	InotifyMaxWatches
	EpollMaxWatches
	PipeMaxSize
	PipeUserPagesSoft
	PipeUserPagesHard
	MQueueQueuesMax
	CgroupPids
	CgroupCPU
	KernelBuild
	KernelConfig
	KernelCmdline
	TickClock
	SchedDebug
	SchedLag
	SchedExt
	SchedAutogroup
	SchedRTRuntime
	SchedRTPeriod
	SchedRRTimeslice
	SchedLatency
	SchedMinGranularity
	SchedWakeupGranularity
	CPUList
	PressureCPU
	Schedstat
	Sysinfo
	SchedGetattr
	CgroupCpuset
	Passwd
	Devices
	MiscDevices
	NetSockets
	SockDiag
	NetSockstat
	NetSockstat6
	NetSNMP
	NetSNMP6
	NetNetstat
	NetProtocols
	NetTCP
	TCPSockets
	NetSoftnet
	NetDev
	NetSysfs
	NetRoute
	NetQdisc
	NetEthtool
	NetHooks
	NetTables
	NetConntrack
	TCPMem
	UDPMem
	TCPRmem
	TCPWmem
	IPLocalPortRange
	IPLocalReservedPorts
	DefaultQdisc
	RmemMax
	WmemMax
	RmemDefault
	WmemDefault
	Somaxconn
	TCPMaxSynBacklog
	TCPMaxOrphans
	TCPMaxTWBuckets
	TCPEhashEntries
	TCPSyncookies
	TCPAbortOnOverflow
	TCPFinTimeout
	TCPModerateRcvbuf
	NetdevMaxBacklog
	NetdevBudget
	NetdevBudgetUsecs
	ConntrackMax
	ConntrackCount
	ConntrackBuckets
	SecurityLockdown
	YamaPtraceScope
	DmesgRestrict
	KptrRestrict
	PerfEventParanoid
	PIDStat
	PIDStatus
	PIDOomScoreAdj
	PIDOomScore
	PIDCmdline
	PIDCgroup
	PIDWchan
	PIDSyscall
	PIDFd
	PIDLimits
	PIDIO
	PIDExe
	PIDCwd
	PIDRoot
	PIDNs
	PIDStack
	PIDLabel
	PIDSchedstat
	PIDSched
	PIDAutogroup
	PIDTimerslack
	PIDTask
	PIDFdinfo
	PIDMountinfo
	PIDNet
	Taskstats
	PIDMaps
	PIDMapFiles
	PIDSmapsRollup
	PIDEntry
	NumSources
)

// Shape says how a file is laid out, where one reader serves many files.
type Shape uint8

const (
	ShapeCustom Shape = iota
	ShapeNumber       // one integer
	ShapeWord         // words, the chosen one in brackets
)

// sourceInfo is one row of the table of sources.
type sourceInfo struct {
	path   string // as told to the user; also where it is read, for a shape
	shape  Shape
	opens  string  // what it takes to read it when that is denied
	option string  // what the kernel must be built or booted with
	since  Version // first kernel that has it; zero: older than 4.0
}

const (
	asRoot   = "run as root"
	asTracer = "run as root, as the process's user, or with CAP_SYS_PTRACE"
	// What its owner alone may open (fs/proc/base.c: S_IRUSR) takes another besides.
	asOwner = "run as root, as the process's user, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
	// What belongs to a network namespace is asked of its own namespace.
	asNetAdmin = "run as root, with CAP_SYS_ADMIN, to enter that network namespace"
	liveNet    = "the host's own /proc, not a copy"
	initialNet = "kwhy in the host's initial network namespace"
)

var sourceTable = [NumSources]sourceInfo{
	Meminfo:                 {path: "/proc/meminfo"},
	Zoneinfo:                {path: "/proc/zoneinfo", opens: asRoot},
	Vmstat:                  {path: "/proc/vmstat"},
	Buddyinfo:               {path: "/proc/buddyinfo", opens: asRoot},
	Swaps:                   {path: "/proc/swaps", option: "CONFIG_SWAP"},
	Slabinfo:                {path: "/proc/slabinfo", opens: asRoot, option: "CONFIG_SLUB_DEBUG"},
	PressureMemory:          {path: "/proc/pressure/memory", opens: asRoot, option: "CONFIG_PSI and, if it is off by default, psi=1", since: Version{4, 20, 0}},
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
	THPEnabled:              {path: "/sys/kernel/mm/transparent_hugepage/enabled", shape: ShapeWord, option: "CONFIG_TRANSPARENT_HUGEPAGE"},
	THPDefrag:               {path: "/sys/kernel/mm/transparent_hugepage/defrag", shape: ShapeWord, option: "CONFIG_TRANSPARENT_HUGEPAGE"},
	THPShmemEnabled:         {path: "/sys/kernel/mm/transparent_hugepage/shmem_enabled", shape: ShapeWord, option: "CONFIG_TRANSPARENT_HUGEPAGE", since: Version{4, 8, 0}},
	HugepagePools:           {path: "/sys/kernel/mm/hugepages", option: "CONFIG_HUGETLBFS"},
	KSM:                     {path: "/sys/kernel/mm/ksm", option: "CONFIG_KSM"},
	ZswapEnabled:            {path: "/sys/module/zswap/parameters/enabled", shape: ShapeWord, option: "CONFIG_ZSWAP"},
	ZramStat:                {path: "/sys/block/zram<n>/mm_stat", option: "CONFIG_ZRAM, and its module loaded"},
	NodeMeminfo:             {path: "/sys/devices/system/node/node<n>/meminfo", option: "CONFIG_NUMA"},
	SelfCgroup:              {path: "/proc/self/cgroup", option: "CONFIG_CGROUPS"},
	SelfMountinfo:           {path: "/proc/self/mountinfo"},
	CgroupMemory:            {path: "/sys/fs/cgroup/<cgroup>/memory.*", option: "CONFIG_MEMCG, the memory controller enabled and its cgroup file system mounted"},
	KernelLog:               {path: "/dev/kmsg", opens: asRoot + ", with CAP_SYSLOG, or set kernel.dmesg_restrict to 0", option: "CONFIG_PRINTK"},
	ProcStat:                {path: "/proc/stat"},
	Loadavg:                 {path: "/proc/loadavg"},
	Uptime:                  {path: "/proc/uptime"},
	KernelPIDMax:            {path: "/proc/sys/kernel/pid_max", shape: ShapeNumber},
	KernelThreadsMax:        {path: "/proc/sys/kernel/threads-max", shape: ShapeNumber},
	FSFileNr:                {path: "/proc/sys/fs/file-nr"},
	FSNrOpen:                {path: "/proc/sys/fs/nr_open", shape: ShapeNumber},
	CgroupPids:              {path: "/sys/fs/cgroup/<cgroup>/pids.*", option: "CONFIG_CGROUP_PIDS"},
	CgroupCPU:               {path: "/sys/fs/cgroup/<cgroup>/cpu.*", option: "CONFIG_CFS_BANDWIDTH"},
	FSInodeNr:               {path: "/proc/sys/fs/inode-nr"},
	FSDentryState:           {path: "/proc/sys/fs/dentry-state"},
	Locks:                   {path: "/proc/locks", option: "CONFIG_FILE_LOCKING"},
	FSAIONr:                 {path: "/proc/sys/fs/aio-nr", shape: ShapeNumber, option: "CONFIG_AIO"},
	FSAIOMaxNr:              {path: "/proc/sys/fs/aio-max-nr", shape: ShapeNumber, option: "CONFIG_AIO"},
	InotifyMaxInstances:     {path: "/proc/sys/fs/inotify/max_user_instances", shape: ShapeNumber, option: "CONFIG_INOTIFY_USER"},
	InotifyMaxWatches:       {path: "/proc/sys/fs/inotify/max_user_watches", shape: ShapeNumber, option: "CONFIG_INOTIFY_USER"},
	EpollMaxWatches:         {path: "/proc/sys/fs/epoll/max_user_watches", shape: ShapeNumber, option: "CONFIG_EPOLL"},
	PipeMaxSize:             {path: "/proc/sys/fs/pipe-max-size", shape: ShapeNumber},
	PipeUserPagesSoft:       {path: "/proc/sys/fs/pipe-user-pages-soft", shape: ShapeNumber, since: Version{4, 5, 0}},
	PipeUserPagesHard:       {path: "/proc/sys/fs/pipe-user-pages-hard", shape: ShapeNumber, since: Version{4, 5, 0}},
	MQueueQueuesMax:         {path: "/proc/sys/fs/mqueue/queues_max", shape: ShapeNumber, option: "CONFIG_POSIX_MQUEUE"},
	KernelBuild:             {path: "/proc/sys/kernel/version"},
	KernelConfig:            {path: "/proc/config.gz", option: "CONFIG_IKCONFIG_PROC, or the configuration in /boot"},
	KernelCmdline:           {path: "/proc/cmdline"},
	TickClock:               {path: "clock_getres(2)", option: "the host's own /proc, not a copy"},
	SchedDebug:              {path: "/sys/kernel/debug/sched", opens: asRoot + ", where lockdown allows it", option: "debugfs mounted and, before 6.15, CONFIG_SCHED_DEBUG"},
	SchedLag:                {path: "/sys/kernel/debug/sched/debug", opens: asRoot + ", where lockdown allows it", option: "debugfs mounted and, before 6.15, CONFIG_SCHED_DEBUG", since: Version{6, 6, 0}},
	SchedExt:                {path: "/sys/kernel/sched_ext", option: "CONFIG_SCHED_CLASS_EXT", since: Version{6, 12, 0}},
	SchedAutogroup:          {path: "/proc/sys/kernel/sched_autogroup_enabled", shape: ShapeNumber, option: "CONFIG_SCHED_AUTOGROUP"},
	SchedRTRuntime:          {path: "/proc/sys/kernel/sched_rt_runtime_us", shape: ShapeNumber},
	SchedRTPeriod:           {path: "/proc/sys/kernel/sched_rt_period_us", shape: ShapeNumber},
	SchedRRTimeslice:        {path: "/proc/sys/kernel/sched_rr_timeslice_ms", shape: ShapeNumber},
	SchedLatency:            {path: "/proc/sys/kernel/sched_latency_ns", shape: ShapeNumber, option: "a kernel before 5.13; later ones have it in debugfs until 6.5"},
	SchedMinGranularity:     {path: "/proc/sys/kernel/sched_min_granularity_ns", shape: ShapeNumber, option: "a kernel before 5.13; later ones have it in debugfs until 6.5"},
	SchedWakeupGranularity:  {path: "/proc/sys/kernel/sched_wakeup_granularity_ns", shape: ShapeNumber, option: "a kernel before 5.13; later ones have it in debugfs until 6.5"},
	CPUList:                 {path: "/sys/devices/system/cpu/online"},
	PressureCPU:             {path: "/proc/pressure/cpu", opens: asRoot, option: "CONFIG_PSI and, if it is off by default, psi=1", since: Version{4, 20, 0}},
	Schedstat:               {path: "/proc/schedstat", option: "CONFIG_SCHEDSTATS"},
	Sysinfo:                 {path: "sysinfo(2)", option: "the host's own /proc, not a copy"},
	SchedGetattr:            {path: "sched_getattr(2)", option: "the host's own /proc, not a copy"},
	CgroupCpuset:            {path: "/sys/fs/cgroup/<cgroup>/cpuset.*", option: "CONFIG_CPUSETS"},
	Passwd:                  {path: "/etc/passwd"},
	Devices:                 {path: "/proc/devices"},
	MiscDevices:             {path: "/proc/misc"},
	NetSockets:              {path: "sock_diag(7), or else /proc/<pid>/net", option: "CONFIG_NET"},
	SockDiag:                {path: "sock_diag(7)", opens: asRoot + ", with CAP_SYS_ADMIN in that network namespace", option: "CONFIG_INET_DIAG and CONFIG_UNIX_DIAG, and the host's own /proc, not a copy"},
	NetSockstat:             {path: "/proc/net/sockstat", option: "CONFIG_INET"},
	NetSockstat6:            {path: "/proc/net/sockstat6", option: "CONFIG_IPV6"},
	NetSNMP:                 {path: "/proc/net/snmp", option: "CONFIG_INET"},
	NetSNMP6:                {path: "/proc/net/snmp6", option: "CONFIG_IPV6"},
	NetNetstat:              {path: "/proc/net/netstat", option: "CONFIG_INET"},
	NetProtocols:            {path: "/proc/net/protocols"},
	NetTCP:                  {path: "/proc/net/tcp", option: "CONFIG_INET"},
	TCPSockets:              {path: "sock_diag(7), or else /proc/net/tcp", option: "CONFIG_INET"},
	NetSoftnet:              {path: "/proc/net/softnet_stat"},
	NetDev:                  {path: "/proc/net/dev"},
	NetSysfs:                {path: "/sys/class/net", option: "a /sys that was mounted in this network namespace"},
	NetRoute:                {path: "rtnetlink", opens: asNetAdmin, option: liveNet},
	NetQdisc:                {path: "rtnetlink, RTM_GETQDISC", opens: asNetAdmin, option: liveNet + ", and CONFIG_NET_SCHED"},
	NetEthtool:              {path: "ioctl(SIOCETHTOOL)", opens: asNetAdmin, option: liveNet + ", and a driver that tells its rings"},
	NetHooks:                {path: "nfnetlink, hooks", opens: asRoot + ", with CAP_NET_ADMIN", option: "CONFIG_NETFILTER_NETLINK_HOOK, and the host's own /proc", since: Version{5, 14, 0}},
	NetTables:               {path: "/proc/net/ip_tables_names", opens: asRoot},
	NetConntrack:            {path: "/proc/net/stat/nf_conntrack", option: "connection tracking loaded, and CONFIG_NF_CONNTRACK_PROCFS"},
	TCPMem:                  {path: "/proc/sys/net/ipv4/tcp_mem", option: initialNet},
	UDPMem:                  {path: "/proc/sys/net/ipv4/udp_mem", option: initialNet},
	TCPRmem:                 {path: "/proc/sys/net/ipv4/tcp_rmem", opens: asNetAdmin},
	TCPWmem:                 {path: "/proc/sys/net/ipv4/tcp_wmem", opens: asNetAdmin},
	IPLocalPortRange:        {path: "/proc/sys/net/ipv4/ip_local_port_range", opens: asNetAdmin},
	IPLocalReservedPorts:    {path: "/proc/sys/net/ipv4/ip_local_reserved_ports", opens: asNetAdmin},
	DefaultQdisc:            {path: "/proc/sys/net/core/default_qdisc", shape: ShapeWord, option: initialNet},
	RmemMax:                 {path: "/proc/sys/net/core/rmem_max", shape: ShapeNumber, option: initialNet},
	WmemMax:                 {path: "/proc/sys/net/core/wmem_max", shape: ShapeNumber, option: initialNet},
	RmemDefault:             {path: "/proc/sys/net/core/rmem_default", shape: ShapeNumber, option: initialNet},
	WmemDefault:             {path: "/proc/sys/net/core/wmem_default", shape: ShapeNumber, option: initialNet},
	Somaxconn:               {path: "/proc/sys/net/core/somaxconn", shape: ShapeNumber, opens: asNetAdmin},
	TCPMaxSynBacklog:        {path: "/proc/sys/net/ipv4/tcp_max_syn_backlog", shape: ShapeNumber, opens: asNetAdmin},
	TCPMaxOrphans:           {path: "/proc/sys/net/ipv4/tcp_max_orphans", shape: ShapeNumber, option: initialNet},
	TCPMaxTWBuckets:         {path: "/proc/sys/net/ipv4/tcp_max_tw_buckets", shape: ShapeNumber, opens: asNetAdmin},
	TCPEhashEntries:         {path: "/proc/sys/net/ipv4/tcp_ehash_entries", shape: ShapeNumber, opens: asNetAdmin, since: Version{6, 1, 0}},
	TCPSyncookies:           {path: "/proc/sys/net/ipv4/tcp_syncookies", shape: ShapeNumber, opens: asNetAdmin, option: "CONFIG_SYN_COOKIES"},
	TCPAbortOnOverflow:      {path: "/proc/sys/net/ipv4/tcp_abort_on_overflow", shape: ShapeNumber, opens: asNetAdmin},
	TCPFinTimeout:           {path: "/proc/sys/net/ipv4/tcp_fin_timeout", shape: ShapeNumber, opens: asNetAdmin},
	TCPModerateRcvbuf:       {path: "/proc/sys/net/ipv4/tcp_moderate_rcvbuf", shape: ShapeNumber, opens: asNetAdmin},
	NetdevMaxBacklog:        {path: "/proc/sys/net/core/netdev_max_backlog", shape: ShapeNumber, option: initialNet},
	NetdevBudget:            {path: "/proc/sys/net/core/netdev_budget", shape: ShapeNumber, option: initialNet},
	NetdevBudgetUsecs:       {path: "/proc/sys/net/core/netdev_budget_usecs", shape: ShapeNumber, option: initialNet, since: Version{4, 12, 0}},
	ConntrackMax:            {path: "/proc/sys/net/netfilter/nf_conntrack_max", shape: ShapeNumber, opens: asNetAdmin, option: "connection tracking loaded"},
	ConntrackCount:          {path: "/proc/sys/net/netfilter/nf_conntrack_count", shape: ShapeNumber, opens: asNetAdmin, option: "connection tracking loaded"},
	ConntrackBuckets:        {path: "/proc/sys/net/netfilter/nf_conntrack_buckets", shape: ShapeNumber, opens: asNetAdmin, option: "connection tracking loaded"},
	SecurityLockdown:        {path: "/sys/kernel/security/lockdown", shape: ShapeWord, opens: asRoot, option: "CONFIG_SECURITY_LOCKDOWN_LSM, and securityfs mounted", since: Version{5, 4, 0}},
	YamaPtraceScope:         {path: "/proc/sys/kernel/yama/ptrace_scope", shape: ShapeNumber, option: "CONFIG_SECURITY_YAMA"},
	DmesgRestrict:           {path: "/proc/sys/kernel/dmesg_restrict", shape: ShapeNumber, option: "CONFIG_PRINTK"},
	KptrRestrict:            {path: "/proc/sys/kernel/kptr_restrict", shape: ShapeNumber, option: "CONFIG_PRINTK"},
	PerfEventParanoid:       {path: "/proc/sys/kernel/perf_event_paranoid", shape: ShapeNumber, option: "CONFIG_PERF_EVENTS"},
	PIDStat:                 {path: "/proc/<pid>/stat", opens: asRoot + "; /proc is mounted with hidepid"},
	PIDStatus:               {path: "/proc/<pid>/status", opens: asRoot + "; /proc is mounted with hidepid"},
	PIDCmdline:              {path: "/proc/<pid>/cmdline", opens: asRoot + "; /proc is mounted with hidepid"},
	PIDOomScoreAdj:          {path: "/proc/<pid>/oom_score_adj", opens: asRoot + "; /proc is mounted with hidepid"},
	PIDOomScore:             {path: "/proc/<pid>/oom_score", opens: asRoot + "; /proc is mounted with hidepid"},
	PIDCgroup:               {path: "/proc/<pid>/cgroup", opens: asRoot + "; /proc is mounted with hidepid", option: "CONFIG_CGROUPS"},
	PIDWchan:                {path: "/proc/<pid>/wchan", opens: asTracer, option: "CONFIG_KALLSYMS"},
	PIDSyscall:              {path: "/proc/<pid>/syscall", opens: asOwner, option: "CONFIG_HAVE_ARCH_TRACEHOOK"},
	PIDFd:                   {path: "/proc/<pid>/fd", opens: asOwner},
	PIDLimits:               {path: "/proc/<pid>/limits", opens: asRoot + "; /proc is mounted with hidepid"},
	PIDIO:                   {path: "/proc/<pid>/io", opens: asOwner, option: "CONFIG_TASK_IO_ACCOUNTING"},
	PIDExe:                  {path: "/proc/<pid>/exe", opens: asTracer},
	PIDCwd:                  {path: "/proc/<pid>/cwd", opens: asTracer},
	PIDRoot:                 {path: "/proc/<pid>/root", opens: asTracer},
	PIDNs:                   {path: "/proc/<pid>/ns", opens: asTracer, option: "CONFIG_NAMESPACES"},
	PIDStack:                {path: "/proc/<pid>/stack", opens: asRoot + ", with CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH and CAP_SYS_ADMIN", option: "CONFIG_STACKTRACE"},
	PIDLabel:                {path: "/proc/<pid>/attr/current", opens: asTracer, option: "a Linux security module that labels processes"},
	PIDSchedstat:            {path: "/proc/<pid>/schedstat", option: "CONFIG_SCHED_INFO"},
	PIDSched:                {path: "/proc/<pid>/sched", option: "CONFIG_SCHED_DEBUG before 6.15"},
	PIDAutogroup:            {path: "/proc/<pid>/autogroup", option: "CONFIG_SCHED_AUTOGROUP"},
	PIDTimerslack:           {path: "/proc/<pid>/timerslack_ns", opens: asRoot + ", with CAP_SYS_NICE", since: Version{4, 6, 0}},
	PIDTask:                 {path: "/proc/<pid>/task", opens: asRoot + "; /proc is mounted with hidepid"},
	PIDFdinfo:               {path: "/proc/<pid>/fdinfo", opens: asTracer},
	PIDMountinfo:            {path: "/proc/<pid>/mountinfo", opens: asTracer},
	PIDNet:                  {path: "/proc/<pid>/net", opens: asTracer, option: "CONFIG_NET"},
	Taskstats:               {path: "taskstats, by netlink", opens: asRoot + ", with CAP_NET_ADMIN", option: "CONFIG_TASK_DELAY_ACCT and kernel.task_delayacct=1 (before 5.14 it is on unless booted with nodelayacct)"},
	PIDMaps:                 {path: "/proc/<pid>/maps", opens: asTracer},
	PIDMapFiles:             {path: "/proc/<pid>/map_files", opens: asRoot + ", with CAP_SYS_PTRACE and CAP_SYS_ADMIN or, since 5.9, CAP_CHECKPOINT_RESTORE", option: "CONFIG_CHECKPOINT_RESTORE before 4.3"},
	PIDSmapsRollup:          {path: "/proc/<pid>/smaps_rollup", opens: asTracer, option: "CONFIG_PROC_PAGE_MONITOR"},
	PIDEntry:                {path: "/proc/<pid>", opens: asRoot + ": this /proc is mounted with hidepid, and shows others' processes to nobody else"},
	ProcAndSys:              {path: "/proc and /sys"},
}

func (s Source) Shape() Shape { return sourceTable[s].shape }

// String returns the path told to the user, with <pid> or <n> for a family.
func (s Source) String() string { return sourceTable[s].path }

// Opens says what it takes to read s where that was denied.
func (s Source) Opens() string { return sourceTable[s].opens }

// Option says what the kernel must be built or booted with to have s.
func (s Source) Option() string { return sourceTable[s].option }

// Either returns the sources of which s is the first that answers; nil for one that
// stands for itself.
func (s Source) Either() []Source {
	switch s {
	case NetSockets:
		return []Source{SockDiag, PIDNet}
	case TCPSockets:
		return []Source{SockDiag, NetTCP}
	}
	return nil
}

// Asked tells whether s is asked of a running kernel, which a copy of its files is not.
func (s Source) Asked() bool {
	path := sourceTable[s].path
	return path != "" && path[0] != '/' || s == KernelLog
}

// Since returns the first kernel that has s; the zero Version if it is older
// than 4.0, the oldest that kwhy cares for.
func (s Source) Since() Version { return sourceTable[s].since }

// Every returns each source once that is read, in order.
func Every() []Source {
	out := make([]Source, 0, NumSources-2)
	for s := ProcAndSys + 1; s < NumSources; s++ {
		out = append(out, s)
	}
	return out
}

// Sources is a set of sources.
type Sources struct{ words [4]uint64 }

// Of returns the set of list; None is in no set.
func Of(list ...Source) (set Sources) {
	for _, s := range list {
		if s != None {
			set.words[s>>6] |= 1 << (s & 63)
		}
	}
	return set
}

// Has tells whether s is in the set.
func (set Sources) Has(s Source) bool { return set.words[s>>6]&(1<<(s&63)) != 0 }

// Meets tells whether set and other have a source in common.
func (set Sources) Meets(other Sources) bool {
	for i := range set.words {
		if set.words[i]&other.words[i] != 0 {
			return true
		}
	}
	return false
}

// Plus returns the union of both sets.
func (set Sources) Plus(other Sources) Sources {
	for i := range set.words {
		set.words[i] |= other.words[i]
	}
	return set
}

// Reason is why there is no value. Its zero value says that there is one.
type Reason uint8

// The reasons. Inapplicable and Unlimited are answers, not gaps.
const (
	Present      Reason = iota
	Unread              // nobody asked for it
	Denied              // permission
	Unsupported         // this kernel does not have it
	Disabled            // this kernel has it, switched off
	Masked              // the kernel shows a placeholder to this reader
	Vanished            // the process ended
	Malformed           // the file did not parse
	Failed              // the read failed: no descriptors, no memory, an I/O error
	TimedOut            // it did not answer in time
	NoInterval          // a rate needs two samples
	NoUpdate            // the kernel did not compute it anew in the interval
	Reset               // the counter went backwards
	Inapplicable        // it makes no sense here: a kernel thread has no RSS
	Unlimited           // no bound is set
	Untold              // the log does not say
	NumReasons
)

var reasonNames = [NumReasons]string{
	Unread: "unread", Denied: "denied", Unsupported: "unsupported", Disabled: "disabled",
	Masked: "masked", Vanished: "vanished", Malformed: "malformed", Failed: "failed", TimedOut: "timed_out",
	NoInterval: "no_interval", NoUpdate: "no_update", Reset: "reset", Inapplicable: "inapplicable", Unlimited: "unlimited", Untold: "untold",
}

// String returns the reason as JSON spells it; "" for Present.
func (r Reason) String() string { return reasonNames[r] }

// Reasons returns every reason for an absent value, in order.
func Reasons() []Reason {
	out := make([]Reason, 0, NumReasons-1)
	for r := Present + 1; r < NumReasons; r++ {
		out = append(out, r)
	}
	return out
}

// IsGap tells whether r is something that the user could wish to mend.
func (r Reason) IsGap() bool {
	switch r {
	case Present, NoInterval, NoUpdate, Inapplicable, Unlimited, Untold:
		return false
	}
	return true
}

// Gap is a source that gave nothing, and for how many of its files.
type Gap struct {
	Source    Source
	Reason    Reason
	Count, Of int
}
