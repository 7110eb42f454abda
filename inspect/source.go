package inspect

import (
	"iter"
	"strings"
)

// Source is a file, or a family of files, that kwhy reads. The table in sourcetable.go is
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
	LoopBacking
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
	CgroupStat
	ZFSArc
	TmpfsUse
	SysvipcShm
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
	UserMaxInotifyInstances
	UserMaxInotifyWatches
	UserMaxUserNamespaces
	UserMaxNetNamespaces
	UserMaxMntNamespaces
	UserMaxPidNamespaces
	PipeMaxSize
	PipeUserPagesSoft
	PipeUserPagesHard
	MQueueQueuesMax
	PtyNr
	PtyMax
	PtyReserve
	KeyUsers
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
	NetRules
	NetRuleCounters
	NetXTables
	NetTables
	NetConntrack
	NetARPCache
	NetNdiscCache
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
	NeighThresh1
	NeighThresh2
	NeighThresh3
	Neigh6Thresh1
	Neigh6Thresh2
	Neigh6Thresh3
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
	NumSources // how many there are, None counted
)

// Shape says how a file is laid out, where one reader serves many files.
type Shape uint8

// The shapes.
const (
	ShapeCustom Shape = iota // its own
	ShapeNumber              // one integer
	ShapeWord                // words, the chosen one in brackets
)

// Scope says how many of a source there are.
type Scope uint8

// The scopes.
const (
	OfHost    Scope = iota // one
	OfNetwork              // one in each network namespace
	OfProcess              // one for each process, or thread
)

// ProcessSources lists the sources of a process in the order in which they are read.
func ProcessSources() [NumProcessSources]Source { return processSources }

// Slot is the place of a process's source among ProcessSources; of no other source has
// it a meaning.
func (s Source) Slot() int { return int(sourceTable[s].slot) }

// Scope says how many of s there are: one, or one in each network namespace or process.
func (s Source) Scope() Scope { return sourceTable[s].scope }

// OfEveryProcess reports whether every process has s: where it is not there, there is no
// process.
func (s Source) OfEveryProcess() bool { return sourceTable[s].every }

// MayHang reports whether the reading of s waits for what a task may hold for long.
func (s Source) MayHang() bool { return sourceTable[s].mayHang }

// EndsWithProcess reports whether a process releases what s reads when it ends.
func (s Source) EndsWithProcess() bool { return sourceTable[s].ends }

// GoesWithMainThread reports whether s goes with the main thread though others go on.
func (s Source) GoesWithMainThread() bool { return sourceTable[s].main }

// NotOfKthreads reports whether kernel threads have no s.
func (s Source) NotOfKthreads() bool { return sourceTable[s].noKthread }

// Shape says how the file of s is laid out.
func (s Source) Shape() Shape { return sourceTable[s].shape }

// String returns the path as users see it, with <pid> or <n> for a family.
func (s Source) String() string { return sourceTable[s].path }

// Files are the files that s is read from, as String spells them: one, except for what
// stands elsewhere in older kernels.
func (s Source) Files() []string {
	row := &sourceTable[s]
	if row.also == "" {
		return []string{row.path}
	}
	return []string{row.path, row.also}
}

// Opens says what it takes to read s where that was denied.
func (s Source) Opens() string { return sourceTable[s].opens }

// Shows says what it takes to see s where it is not mounted, or of another namespace; "" where
// there is nothing to say.
func (s Source) Shows(why Reason) string {
	path := s.String()
	switch {
	case s == KernelLog:
		return "a container is given the device with --device /dev/kmsg"
	case s == Passwd:
		return ""
	case strings.HasPrefix(path, "/sys/fs/cgroup/"):
		return "mount the host's /sys where kwhy runs and name it with --sys-root, or run kwhy on the host"
	case strings.HasPrefix(path, "/sys/kernel/debug"):
		return "mount debugfs at /sys/kernel/debug"
	case strings.HasPrefix(path, "/sys/kernel/security"):
		return "mount securityfs at /sys/kernel/security"
	case why == OtherNamespace && strings.HasPrefix(s.Option(), initialNet):
		return "run kwhy in the host's network namespace (--network host, hostNetwork)"
	case why == OtherNamespace:
		return "run kwhy in the host's PID namespace (--pid host, hostPID), or name its /proc with --proc-root"
	case strings.HasPrefix(path, "/sys/"):
		return "mount /sys where kwhy looks, or give --sys-root"
	}
	return "mount /proc where kwhy looks, without subset=pid"
}

// OfIPv6 reports whether s is of IPv6, which a kernel may be without.
func (s Source) OfIPv6() bool { return strings.Contains(s.Option(), ipv6) }

// Option says what the kernel must be built or booted with to have s.
func (s Source) Option() string { return sourceTable[s].option }

// Either returns the sources that s stands for, the first that answers; nil for one that
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

// Asked reports whether s is asked of a running kernel, which a copy of its files is not.
func (s Source) Asked() bool {
	path := sourceTable[s].path
	return path != "" && path[0] != '/' || s == KernelLog // a device: a copy has none
}

// Since returns the first kernel that has s; the zero Version if it is older
// than 4.0, the oldest that kwhy cares for.
func (s Source) Since() Version { return sourceTable[s].since }

// Every returns each source once that is read, in order.
func Every() []Source {
	out := make([]Source, 0, NumSources-2)
	for i := range sourceTable {
		if s := Source(i); s != None && s != ProcAndSys {
			out = append(out, s)
		}
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

// Has reports whether s is in the set.
func (set Sources) Has(s Source) bool { return set.words[s>>6]&(1<<(s&63)) != 0 }

// Each goes through the members of the set in the order in which reports name them.
func (set Sources) Each() iter.Seq[Source] {
	return func(yield func(Source) bool) {
		for i := range sourceTable {
			if s := Source(i); set.Has(s) && !yield(s) {
				return
			}
		}
	}
}

// Only returns the members of a set that keep.
func (set Sources) Only(keep func(Source) bool) (out Sources) {
	for s := range set.Each() {
		if keep(s) {
			out = out.Plus(Of(s))
		}
	}
	return out
}

// Meets reports whether set and other have a source in common.
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
	Present        Reason = iota
	Unread                // nobody asked for it
	Denied                // permission
	Unsupported           // this kernel does not have it
	Disabled              // this kernel has it, switched off
	Masked                // the kernel shows a placeholder to this reader
	Vanished              // the process ended
	Malformed             // the file did not parse
	Failed                // the read failed: no descriptors, no memory, an I/O error
	TimedOut              // it did not answer in time
	NoInterval            // a rate needs two samples
	NoUpdate              // the kernel did not compute it again in the interval
	Reset                 // the counter went backwards
	Inapplicable          // it makes no sense here: a kernel thread has no RSS
	Unlimited             // no bound is set
	Untold                // the log does not say
	Hidden                // this /proc does not show the processes of others: hidepid
	NotMounted            // what holds it is not mounted where kwhy looks: subset=pid, a chroot without /sys
	NotSaved              // it is not in the copy that is read
	OtherNamespace        // it is of another namespace than kwhy's, or outside of its container
	Foreign               // it is not the kernel's: another file is mounted over it, or it can't be true
	NumReasons            // how many there are, Present counted
)

var reasonNames = [NumReasons]string{
	Unread: "unread", Denied: "denied", Unsupported: "unsupported", Disabled: "disabled",
	Masked: "masked", Vanished: "vanished", Malformed: "malformed", Failed: "failed", TimedOut: "timed_out",
	NoInterval: "no_interval", NoUpdate: "no_update", Reset: "reset", Inapplicable: "inapplicable", Unlimited: "unlimited", Untold: "untold",
	Hidden: "hidden", NotMounted: "not_mounted", NotSaved: "not_in_copy",
	OtherNamespace: "other_namespace", Foreign: "foreign",
}

// String returns the reason as JSON spells it; "" for Present.
func (r Reason) String() string { return reasonNames[r] }

// Reasons returns every reason for an absent value, in order.
func Reasons() []Reason {
	out := make([]Reason, 0, NumReasons-1)
	for i := range reasonNames {
		if r := Reason(i); r != Present {
			out = append(out, r)
		}
	}
	return out
}

// IsGap reports whether r is something that the user could wish to mend.
func (r Reason) IsGap() bool {
	switch r {
	case Present, NoInterval, NoUpdate, Inapplicable, Unlimited, Untold:
		return false
	}
	return true
}

// IsMissing reports whether r says that a file is not there: the kernel does not have it, or
// what is read does not hold it. A caller that knows another file for the same tries that.
func (r Reason) IsMissing() bool {
	return r == Unsupported || r == NotMounted || r == NotSaved || r == OtherNamespace
}

// Gap is a source that gave nothing, and for how many of its files.
type Gap struct {
	Source    Source
	Reason    Reason
	Count, Of int
	Some      bool // only some were asked, such as those that are shown: Of is how many
}
