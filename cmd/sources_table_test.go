package cmd

import (
	"slices"
	"strings"
	"testing"

	"kwhy/inspect"
)

// takeTable says of each source what goes with it, on a recorded host.
func takeTable() []takes {
	return []takes{
		{source: inspect.Meminfo, host: "debian-7.3-sched", goes: []string{
			"check mem.available_low=blind mem.available_wrong=blind mem.commit_near_limit=blind mem.dirty_throttled=blind",
			"check mem.hardware_corrupted=blind mem.hugetlb_idle=blind mem.kernel_stack_large=blind",
			"check mem.page_tables_large=blind mem.percpu_large=blind mem.sec_page_tables_large=blind mem.shmem_large=blind",
			"check mem.slab_growing=blind mem.slab_unreclaimable_large=blind mem.swap_full=blind mem.untracked_large=blind",
			"check mem.vmalloc_large=blind",
			"mem active_anon active_file anon_huge_pages anon_pages bounce buffers cached commit_limit commit_limit= committed_as",
			"mem direct_map2m direct_map4k dirty file_huge_pages gpu_active gpu_reclaim hardware_corrupted huge_pages_free",
			"mem huge_pages_rsvd huge_pages_surp huge_pages_total hugepagesize hugetlb inactive_anon inactive_file kernel_stack",
			"mem mapped mem_available mem_available= mem_free mem_total misc_reclaimable misc_reclaimable= mlocked",
			"mem page_cache page_cache= page_tables percpu s_reclaimable",
			"mem s_unreclaim sec_page_tables shmem shmem_huge_pages slab slab= swap_cached_unmapped swap_cached_unmapped=",
			"mem swap_total unevictable untracked untracked= vmalloc_less_stacks vmalloc_less_stacks= writeback writeback_tmp zswap",
			"mem zswapped",
			"oom mem_available mem_available= oom_score_adj_step oom_score_idle processes.points processes~ scores_exact swap_total",
			"oom PID oom_score= points points= rank",
			"proc PID limits~",
		}},
		{source: inspect.Zoneinfo, host: "debian-7.3-sched", goes: []string{
			"check mem.untracked_large=blind mem.zone_below_low=blind mem.zone_below_min=blind",
			"mem mem_available= nr_dirty_background_threshold= nr_dirty_threshold= pcp_lists untracked untracked= zones.boost",
			"mem zones.free zones.high zones.low zones.managed zones.min zones.node zones.per_cpu zones.present zones.promo",
			"mem zones.protection zones.zone",
			"oom mem_available=",
		}},
		{source: inspect.Vmstat, host: "debian-7.3-sched", goes: []string{
			"check mem.compaction_stalls=blind mem.direct_reclaim=blind mem.dirty_throttled=blind mem.fragmented=blind",
			"check mem.oom_kills=blind mem.oom_kills_now=blind mem.swapping_in=blind mem.thrashing=blind",
			"check mem.untracked_large=blind",
			"mem allocstall compact_fail compact_stall nr_dirty_background_threshold nr_dirty_background_threshold=",
			"mem nr_dirty_threshold nr_dirty_threshold= oom_kill pgfault pgmajfault pgscan_direct pgscan_kswapd pgsteal_direct",
			"mem pgsteal_kswapd pswpin pswpout untracked untracked= workingset_activate workingset_refault_anon workingset_refault_file zspages",
			"oom oom_kill",
		}},
		{source: inspect.Buddyinfo, host: "debian-7.3-sched", goes: []string{
			"mem zones.free_blocks zones.unusable_index",
		}},
		{source: inspect.Swaps, host: "debian-7.3-sched", why: "a table of swap areas, of which there are none"},
		{source: inspect.Slabinfo, host: "debian-7.3-sched", goes: []string{
			"mem slabs.*",
		}},
		{source: inspect.PressureMemory, host: "debian-7.3-sched", goes: []string{
			"check mem.pressure_full=blind mem.pressure_some=blind mem.thrashing=blind",
			"mem pressure_memory_full pressure_memory_full_total pressure_memory_some pressure_memory_some_total",
			"oom pressure_memory_full",
		}},
		{source: inspect.VMOvercommitMemory, host: "debian-7.3-sched", goes: []string{
			"check mem.commit_near_limit=blind",
			"mem overcommit_memory",
			"oom overcommit_memory",
		}},
		{source: inspect.VMOvercommitRatio, host: "debian-7.3-sched", goes: []string{
			"mem commit_limit=",
		}},
		{source: inspect.VMOvercommitKbytes, host: "debian-7.3-sched", why: "it is 0 there, and the ratio counts"},
		{source: inspect.VMAdminReserveKbytes, host: "debian-7.3-sched", why: "a reading names it"},
		{source: inspect.VMUserReserveKbytes, host: "debian-7.3-sched", why: "a reading names it"},
		{source: inspect.VMSwappiness, host: "debian-7.3-sched", goes: []string{
			"mem swappiness",
		}},
		{source: inspect.VMDirtyRatio, host: "debian-7.3-sched", goes: []string{
			"mem nr_dirty_background_threshold= nr_dirty_threshold=",
		}},
		{source: inspect.VMDirtyBytes, host: "debian-7.3-sched", goes: []string{
			"mem nr_dirty_background_threshold= nr_dirty_threshold=",
		}},
		{source: inspect.VMDirtyBackgroundRatio, host: "debian-7.3-sched", goes: []string{
			"mem nr_dirty_background_threshold= nr_dirty_threshold=",
		}},
		{source: inspect.VMDirtyBackgroundBytes, host: "debian-7.3-sched", goes: []string{
			"mem nr_dirty_background_threshold= nr_dirty_threshold=",
		}},
		{source: inspect.VMMinFreeKbytes, host: "debian-7.3-sched", goes: []string{
			"mem min_free_kbytes",
			"oom min_free_kbytes",
		}},
		{source: inspect.VMWatermarkScaleFactor, host: "debian-7.3-sched", goes: []string{
			"mem watermark_scale_factor",
		}},
		{source: inspect.VMMaxMapCount, host: "debian-7.3-sched", goes: []string{
			"check mem.process_maps_near=blind",
			"mem PID max_map_count",
		}},
		{source: inspect.VMPanicOnOOM, host: "debian-7.3-sched", goes: []string{
			"check oom.panics=blind",
			"oom panic_on_oom",
		}},
		{source: inspect.VMOOMKillAllocatingTask, host: "debian-7.3-sched", goes: []string{
			"oom oom_kill_allocating_task",
		}},
		{source: inspect.VMOOMDumpTasks, host: "debian-7.3-sched", goes: []string{
			"oom oom_dump_tasks",
		}},
		{source: inspect.THPEnabled, host: "debian-7.3-sched", goes: []string{
			"mem thp_enabled",
		}},
		{source: inspect.THPDefrag, host: "debian-7.3-sched", goes: []string{
			"mem thp_defrag",
		}},
		{source: inspect.THPShmemEnabled, host: "debian-7.3-sched", goes: []string{
			"mem thp_shmem_enabled",
		}},
		{source: inspect.HugepagePools, host: "debian-7.3-sched", goes: []string{
			"check mem.hugetlb_idle=partly", // of the default size meminfo has them
			"mem hugetlb_idle",
		}},
		{source: inspect.KSM, host: "debian-7.3-sched", goes: []string{
			"mem ksm_general_profit ksm_pages_shared ksm_pages_sharing ksm_run",
		}},
		{source: inspect.ZswapEnabled, host: "debian-7.3-sched", goes: []string{
			"mem zswap_enabled",
		}},
		{source: inspect.ZramStat, host: "linux-6.18-files", goes: []string{
			"mem zram_mem_used zram_original",
		}},
		{source: inspect.NodeMeminfo, host: "debian-7.3-sched", goes: []string{
			"check mem.node_short=blind",
			"mem nodes.*",
		}},
		{source: inspect.SelfCgroup, host: "debian-7.3-sched", goes: []string{
			"check mem.cgroup_level_near_limit=blind mem.cgroup_near_limit=blind",
			"mem cgroup_limit cgroup_path cgroups.*",
			"oom cgroup_limit processes~",
		}},
		{source: inspect.SelfMountinfo, host: "debian-7.3-sched", goes: []string{
			"check mem.cgroup_level_near_limit=blind mem.cgroup_near_limit=blind mem.cgroup_stalled=blind",
			"check oom.cgroup_near_limit=blind oom.cgroup_stuck=blind",
			"check proc.cgroup_pids_near=blind sched.throttled=blind",
			"mem cgroup_limit cgroup_path cgroups.*",
			"oom cgroup_limit limited_cgroups",
			"proc PID limits~",
			"sched cpu_cgroups.*",
			"sched PID cpu_quota cpu_share cpu_share= cpu_throttled cpu_throttled_time",
		}},
		{source: inspect.CgroupMemory, host: "debian-7.3-sched", goes: []string{
			"check mem.cgroup_stalled=blind oom.cgroup_near_limit=blind oom.cgroup_stuck=blind",
			"oom cgroup_limit limited_cgroups",
			"proc PID limits~",
		}},
		{source: inspect.KernelLog, why: "a device: a copy has none"},
		{source: inspect.ProcStat, host: "debian-7.3-sched", goes: []string{
			"check sched.cpu_held=blind sched.cpu_hog=blind sched.fork_rate=blind sched.run_queue=blind sched.steal=blind",
			"proc processes procs_blocked procs_running",
			"proc PID started",
			"sched cpu_guest cpu_idle cpu_iowait cpu_irq cpu_nice cpu_softirq cpu_steal cpu_system cpu_time cpu_user cpus.* ctxt",
			"sched processes procs_blocked procs_running run_delay_total",
		}},
		{source: inspect.Loadavg, host: "debian-7.3-sched", goes: []string{
			// Without it nobody can tell whether a copy has all processes.
			"check mem.process_maps_near=blind proc.pids_near_limit=blind proc.stopped=blind proc.threads_near_limit=blind",
			"check proc.uninterruptible=blind proc.user_tasks_near=blind proc.zombies=partly",
			"check sched.blocked=partly sched.cpu_hog=blind sched.realtime_starves=blind sched.realtime_unbounded=partly",
			"check sched.starved=blind sched.stuck=blind",
			"oom next_victim_comm next_victim_pid scores_exact~ unkillable~ userspace_killers~",
			"oom PID rank",
			"proc kernel_threads~ tasks user_processes~ zombies~",
			"proc PID children~ limits~ tracees~",
			"sched load_1 load_15 load_5 realtime_tasks~ uninterruptible~",
			"sched PID cpu_share~",
		}},
		{source: inspect.Uptime, host: "debian-7.3-sched", goes: []string{
			"proc processes.age processes.cpu processes~",
			"proc PID cpu",
			"sched processes.cpu processes~",
			"sched PID cpu",
		}},
		{source: inspect.KernelPIDMax, host: "debian-7.3-sched", goes: []string{
			"check proc.pids_near_limit=blind",
			"proc pid_max",
			"proc PID limits~",
		}},
		{source: inspect.KernelThreadsMax, host: "debian-7.3-sched", goes: []string{
			"check proc.threads_near_limit=blind",
			"proc threads_max",
			"proc PID limits~",
		}},
		{source: inspect.FSFileNr, host: "debian-7.3-sched", goes: []string{
			"check fd.host_near=blind",
			"fd file_max file_nr",
			"proc PID limits~",
		}},
		{source: inspect.FSNrOpen, host: "debian-7.3-sched", goes: []string{
			"fd nr_open",
			"proc PID limits~",
		}},
		{source: inspect.FSInodeNr, host: "linux-6.18-files", goes: []string{
			"fd nr_inodes",
		}},
		{source: inspect.FSDentryState, host: "linux-6.18-files", goes: []string{
			"fd nr_dentry",
		}},
		{source: inspect.Locks, host: "linux-6.18-files", goes: []string{
			"fd locks",
		}},
		{source: inspect.FSAIONr, host: "linux-6.18-files", goes: []string{
			"check fd.aio_near=blind",
			"fd aio_nr",
		}},
		{source: inspect.FSAIOMaxNr, host: "linux-6.18-files", goes: []string{
			"check fd.aio_near=blind",
			"fd aio_max_nr",
		}},
		{source: inspect.PtyNr, why: "the recordings are older than its reader"},
		{source: inspect.PtyMax, why: "the recordings are older than its reader"},
		{source: inspect.PtyReserve, why: "the recordings are older than its reader"},
		{source: inspect.TmpfsUse, why: "it is asked of a running kernel"},
		{source: inspect.SysvipcShm, why: "the recordings are older than its reader"},
		{source: inspect.KeyUsers, why: "the recordings are older than its reader"},
		{source: inspect.UserMaxUserNamespaces, why: "the recordings are older than its reader"},
		{source: inspect.UserMaxNetNamespaces, why: "the recordings are older than its reader"},
		{source: inspect.UserMaxMntNamespaces, why: "the recordings are older than its reader"},
		{source: inspect.UserMaxPidNamespaces, why: "the recordings are older than its reader"},
		{source: inspect.CgroupStat, why: "the recordings are older than its reader"},
		{source: inspect.ZFSArc, why: "no recorded host has ZFS"},
		{source: inspect.LoopBacking, why: "no loop device has a file there"},
		{source: inspect.UserMaxInotifyInstances, why: "of a user namespace below the first, which no recorded host is in"},
		{source: inspect.UserMaxInotifyWatches, why: "of a user namespace below the first, which no recorded host is in"},
		{source: inspect.InotifyMaxInstances, host: "linux-6.18-files", goes: []string{
			"check fd.inotify_instances_near=blind",
			"fd max_user_instances",
		}},
		{source: inspect.InotifyMaxWatches, host: "linux-6.18-files", goes: []string{
			"check fd.inotify_near=blind",
			"fd max_user_watches",
		}},
		{source: inspect.EpollMaxWatches, host: "linux-6.18-files", goes: []string{
			"fd epoll_max_user_watches",
		}},
		{source: inspect.PipeMaxSize, host: "linux-6.18-files", goes: []string{
			"fd pipe_max_size",
		}},
		{source: inspect.PipeUserPagesSoft, host: "linux-6.18-files", goes: []string{
			"fd pipe_user_pages_soft",
		}},
		{source: inspect.PipeUserPagesHard, host: "linux-6.18-files", goes: []string{
			"fd pipe_user_pages_hard",
		}},
		{source: inspect.MQueueQueuesMax, host: "linux-6.18-files", goes: []string{
			"fd mqueue_queues_max",
		}},
		{source: inspect.CgroupPids, host: "debian-7.3-sched", goes: []string{
			"check proc.cgroup_pids_near=blind",
			"proc PID limits~",
		}},
		{source: inspect.CgroupCPU, host: "debian-7.3-sched", goes: []string{
			"check sched.throttled=blind",
			"proc PID limits~",
			"sched cpu_cgroups.*",
			"sched PID cpu_quota cpu_throttled cpu_throttled_time sched_group~",
		}},
		{source: inspect.KernelBuild, host: "debian-7.3-sched", goes: []string{
			"sched preemption scheduler",
		}},
		{source: inspect.KernelConfig, why: "no recorded host has it"},
		{source: inspect.KernelCmdline, host: "debian-7.3-sched", why: "it does not name a mode of preemption"},
		{source: inspect.TickClock, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.SchedDebug, host: "debian-7.3-sched", goes: []string{
			"check sched.realtime_unbounded=blind",
			"sched fair_server_runtime preemption sched_features",
			"sched PID eligible vdeadline",
		}},
		{source: inspect.SchedLag, host: "debian-7.3-sched", goes: []string{
			"sched PID eligible vdeadline",
		}},
		{source: inspect.SchedExt, host: "debian-7.3-sched", why: "no scheduler is loaded"},
		{source: inspect.SchedAutogroup, host: "debian-7.3-sched", goes: []string{
			"sched sched_autogroup_enabled",
		}},
		{source: inspect.SchedRTRuntime, host: "debian-7.3-sched", goes: []string{
			"sched sched_rt_runtime_us",
		}},
		{source: inspect.SchedRTPeriod, host: "debian-7.3-sched", goes: []string{
			"sched sched_rt_period_us",
		}},
		{source: inspect.SchedRRTimeslice, host: "debian-7.3-sched", goes: []string{
			"sched sched_rr_timeslice_ms",
		}},
		{source: inspect.SchedLatency, host: "debian-5.10-sched", goes: []string{
			"sched sched_latency_ns",
		}},
		{source: inspect.SchedMinGranularity, host: "debian-5.10-sched", goes: []string{
			"sched sched_min_granularity_ns",
		}},
		{source: inspect.SchedWakeupGranularity, host: "debian-5.10-sched", goes: []string{
			"sched sched_wakeup_granularity_ns",
		}},
		{source: inspect.CPUList, host: "debian-7.3-sched", goes: []string{
			"sched cpus_online smt",
		}},
		{source: inspect.PressureCPU, host: "debian-7.3-sched", goes: []string{
			"check sched.cpu_held=blind sched.cpu_hog=blind sched.cpu_pressure=blind",
			"sched pressure_cpu_full pressure_cpu_some pressure_cpu_some_total",
		}},
		{source: inspect.Schedstat, host: "debian-7.3-sched", goes: []string{
			"sched cpus.rq_cpu_time cpus.run_delay run_delay_total",
		}},
		{source: inspect.Sysinfo, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.SchedGetattr, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.CgroupCpuset, host: "debian-7.3-sched", why: "no cgroup is kept to some CPUs"},
		{source: inspect.Passwd, why: "it is of the host that kwhy runs on"},
		{source: inspect.Devices, host: "linux-6.18-files", why: "it names devices, in sentences"},
		{source: inspect.MiscDevices, host: "linux-6.18-files", why: "it names devices, in sentences"},
		{source: inspect.NetSockets, why: "it stands for others"},
		{source: inspect.SockDiag, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.NetSockstat, host: "linux-6.18-lossy-net", goes: []string{
			"check net.orphans_near=blind net.tcp_memory_pressure=blind net.udp_memory_near=blind",
			"net frag_inuse frag_memory raw_inuse sockets_used tcp_alloc tcp_inuse tcp_mem_used tcp_orphan tcp_tw udp_inuse",
			"net udp_mem_used",
		}},
		{source: inspect.NetSockstat6, host: "linux-6.18-lossy-net", goes: []string{
			"net raw6_inuse tcp6_inuse udp6_inuse",
		}},
		{source: inspect.NetSNMP, host: "linux-6.18-lossy-net", goes: []string{
			"check net.listen_overflow=blind net.listen_overflow_so_far=blind net.retransmits=blind net.retransmits_so_far=blind",
			"check net.udp_memory=blind net.udp_rcvbuf_errors=blind net.udp_rcvbuf_errors_so_far=blind",
			"net ip_forw_datagrams ip_frag_fails ip_in_addr_errors ip_in_delivers ip_in_discards ip_in_hdr_errors ip_in_receives",
			"net ip_in_unknown_protos ip_out_discards ip_out_no_routes ip_out_requests ip_reasm_fails ip_reasm_reqds",
			"net ip_reasm_timeout tcp_active_opens tcp_attempt_fails tcp_estab_resets tcp_in_csum_errors tcp_in_errs tcp_in_segs",
			"net tcp_out_rsts tcp_out_segs tcp_passive_opens tcp_retrans_segs udp_in_csum_errors udp_in_datagrams udp_in_errors",
			"net udp_mem_errors udp_no_ports udp_out_datagrams udp_rcvbuf_errors udp_sndbuf_errors",
		}},
		{source: inspect.NetSNMP6, host: "linux-6.18-lossy-net", goes: []string{
			"check net.udp6_rcvbuf_errors=blind net.udp6_rcvbuf_errors_so_far=blind net.udp_memory=blind",
			"net ip6_frag_fails ip6_in_addr_errors ip6_in_discards ip6_in_hdr_errors ip6_in_no_routes ip6_in_receives",
			"net ip6_in_too_big_errors ip6_in_truncated_pkts ip6_out_discards ip6_out_no_routes ip6_out_requests ip6_reasm_fails",
			"net udp6_in_csum_errors udp6_in_datagrams udp6_in_errors udp6_mem_errors udp6_no_ports udp6_out_datagrams",
			"net udp6_rcvbuf_errors udp6_sndbuf_errors",
		}},
		{source: inspect.NetNetstat, host: "linux-6.18-lossy-net", goes: []string{
			"check net.listen_overflow=blind net.listen_overflow_so_far=blind net.retransmits=blind net.retransmits_so_far=blind",
			"check net.syn_retransmits=blind net.syncookies=blind",
			"net in_ce_pkts in_csum_errors in_no_routes in_truncated_pkts ip_reverse_path_filter listen_drops listen_overflows ofo_pruned",
			"net paws_estab prune_called rcv_pruned syncookies_failed syncookies_recv syncookies_sent tcp_abort_on_close tcp_abort_on_data",
			"net tcp_abort_on_linger tcp_abort_on_memory tcp_abort_on_timeout tcp_backlog_drop tcp_fast_retrans tcp_lost_retransmit",
			"net tcp_memory_pressures tcp_memory_pressures_chrono tcp_rcv_collapsed tcp_rcv_q_drop tcp_req_q_full_do_cookies",
			"net tcp_req_q_full_drop tcp_retrans_fail tcp_slow_start_retrans tcp_spurious_rt_os tcp_spurious_rtx_host_queues",
			"net tcp_syn_retrans tcp_time_wait_overflow tcp_timeouts tcp_to_zero_window_adv tcp_wqueue_too_big tcp_zero_window_drop",
			"net tcpofo_drop tcpofo_queue tcpsack_reneging tcpsack_reorder",
		}},
		{source: inspect.NetProtocols, host: "linux-6.18-lossy-net", goes: []string{
			"check net.tcp_memory_pressure=partly",
			"net tcp_memory_pressure",
		}},
		{source: inspect.NetTCP, host: "linux-6.18-lossy-net", goes: []string{
			"check net.close_wait=blind net.close_wait_many=blind net.ports_bound=blind net.ports_near=blind net.syn_retransmits=blind",
			"check net.tw_near=blind",
			"net destinations.* ephemeral_used ephemeral_used_local ephemeral_used_most listeners.* states.* tcp_close tcp_close_wait tcp_closing",
			"net tcp_established tcp_fin_wait1 tcp_fin_wait2 tcp_last_ack tcp_listen tcp_sockets tcp_syn_recv tcp_syn_sent",
			"net tcp_time_wait",
		}},
		{source: inspect.TCPSockets, why: "it stands for others"},
		{source: inspect.NetSoftnet, host: "linux-6.18-lossy-net", goes: []string{
			"check net.softnet_drops=blind net.softnet_drops_so_far=blind net.time_squeeze=blind",
			"net softnet.* softnet_dropped softnet_processed softnet_time_squeeze",
		}},
		{source: inspect.NetDev, host: "linux-6.18-lossy-net", goes: []string{
			"check net.nic_errors=blind net.nic_errors_so_far=blind net.nic_missed=blind net.nic_missed_so_far=blind",
			"net interfaces.*",
		}},
		{source: inspect.NetSysfs, host: "linux-6.18-lossy-net", goes: []string{
			"net interfaces.address interfaces.admin_up interfaces.carrier interfaces.carrier_changes interfaces.driver",
			"net interfaces.duplex interfaces.mtu interfaces.operstate interfaces.rx_crc_errors interfaces.rx_dropped",
			"net interfaces.rx_frame_errors interfaces.rx_length_errors interfaces.rx_missed_errors interfaces.rx_nohandler",
			"net interfaces.rx_over_errors interfaces.tx_aborted_errors interfaces.tx_carrier_errors interfaces.tx_heartbeat_errors",
			"net interfaces.tx_queue_len interfaces.tx_window_errors interfaces~",
		}},
		{source: inspect.NetRoute, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.NetQdisc, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.NetEthtool, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.NetHooks, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.NetRules, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.NetXTables, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.NetRuleCounters, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.NetTables, host: "linux-6.18-lossy-net", goes: []string{"net ip_tables_names"}},
		{source: inspect.NetConntrack, host: "linux-6.18-lossy-net", goes: []string{
			"check net.conntrack_clashes=blind net.conntrack_drops=blind",
			"net conntrack_chainlength conntrack_drop conntrack_early_drop conntrack_insert_failed conntrack_invalid",
			"net conntrack_search_restart",
		}},
		{source: inspect.NetARPCache, why: "no recorded host has it"},
		{source: inspect.NetNdiscCache, why: "no recorded host has it"},
		{source: inspect.TCPMem, host: "linux-6.18-lossy-net", goes: []string{
			"check net.tcp_memory_pressure=blind",
			"net tcp_mem_high tcp_mem_high= tcp_mem_low tcp_mem_low= tcp_mem_pressure tcp_mem_pressure=",
		}},
		{source: inspect.UDPMem, host: "linux-6.18-lossy-net", goes: []string{
			"check net.udp_memory_near=blind",
			"net tcp_mem_pressure= udp_mem_high udp_mem_high= udp_mem_low udp_mem_low= udp_mem_pressure",
		}},
		{source: inspect.TCPRmem, host: "linux-6.18-lossy-net", goes: []string{
			"net tcp_rmem_default tcp_rmem_max tcp_rmem_min",
		}},
		{source: inspect.TCPWmem, host: "linux-6.18-lossy-net", goes: []string{
			"net tcp_wmem_default tcp_wmem_max tcp_wmem_min",
		}},
		{source: inspect.IPLocalPortRange, host: "linux-6.18-lossy-net", goes: []string{
			"check net.ports_bound=blind net.ports_near=blind",
			"net destinations.* ephemeral_ports ephemeral_used ephemeral_used_local ephemeral_used_most ip_local_port_range",
		}},
		{source: inspect.IPLocalReservedPorts, host: "linux-6.18-lossy-net", why: "no port is reserved"},
		{source: inspect.DefaultQdisc, host: "linux-6.18-lossy-net", goes: []string{
			"net default_qdisc",
		}},
		{source: inspect.RmemMax, host: "linux-6.18-lossy-net", goes: []string{
			"check net.udp6_rcvbuf_errors=blind net.udp6_rcvbuf_errors_so_far=blind net.udp_rcvbuf_errors=blind",
			"net rmem_max",
		}},
		{source: inspect.WmemMax, host: "linux-6.18-lossy-net", goes: []string{
			"net wmem_max",
		}},
		{source: inspect.RmemDefault, host: "linux-6.18-lossy-net", goes: []string{
			"check net.udp6_rcvbuf_errors=blind net.udp6_rcvbuf_errors_so_far=blind net.udp_rcvbuf_errors=blind",
			"net rmem_default",
		}},
		{source: inspect.WmemDefault, host: "linux-6.18-lossy-net", goes: []string{
			"net wmem_default",
		}},
		{source: inspect.Somaxconn, host: "linux-6.18-lossy-net", goes: []string{
			"check net.listen_overflow=blind",
			"net somaxconn",
		}},
		{source: inspect.TCPMaxSynBacklog, host: "linux-6.18-lossy-net", goes: []string{
			"net tcp_max_syn_backlog tcp_max_syn_backlog=",
		}},
		{source: inspect.TCPMaxOrphans, host: "linux-6.18-lossy-net", goes: []string{
			"check net.orphans_near=blind",
			"net tcp_max_orphans tcp_max_orphans=",
		}},
		{source: inspect.TCPMaxTWBuckets, host: "linux-6.18-lossy-net", goes: []string{
			"check net.tw_near=blind",
			"net tcp_max_tw_buckets tcp_max_tw_buckets=",
		}},
		{source: inspect.TCPEhashEntries, host: "linux-6.18-lossy-net", goes: []string{
			"net tcp_ehash_entries tcp_max_orphans= tcp_max_syn_backlog= tcp_max_tw_buckets=",
		}},
		{source: inspect.TCPSyncookies, host: "linux-6.18-lossy-net", goes: []string{
			"check net.syncookies=blind",
			"net tcp_syncookies",
		}},
		{source: inspect.TCPAbortOnOverflow, host: "linux-6.18-lossy-net", goes: []string{
			"net tcp_abort_on_overflow",
		}},
		{source: inspect.TCPFinTimeout, host: "linux-6.18-lossy-net", why: "a reading names it"},
		{source: inspect.TCPModerateRcvbuf, host: "linux-6.18-lossy-net", goes: []string{
			"net tcp_moderate_rcvbuf",
		}},
		{source: inspect.NetdevMaxBacklog, host: "linux-6.18-lossy-net", goes: []string{
			"check net.softnet_drops=blind net.softnet_drops_so_far=partly",
			"net netdev_max_backlog",
		}},
		{source: inspect.NetdevBudget, host: "linux-6.18-lossy-net", goes: []string{
			"net netdev_budget",
		}},
		{source: inspect.NetdevBudgetUsecs, host: "linux-6.18-lossy-net", goes: []string{
			"net netdev_budget_usecs",
		}},
		{source: inspect.ConntrackMax, host: "linux-6.18-lossy-net", goes: []string{
			"check net.conntrack_drops=blind net.conntrack_near=blind",
			"net nf_conntrack_max nf_conntrack_max=",
		}},
		{source: inspect.ConntrackCount, host: "linux-6.18-lossy-net", goes: []string{
			"check net.conntrack_drops=blind net.conntrack_near=blind",
			"net nf_conntrack_count",
		}},
		{source: inspect.ConntrackBuckets, host: "linux-6.18-lossy-net", goes: []string{
			"net nf_conntrack_buckets nf_conntrack_max=",
		}},
		{source: inspect.NeighThresh1, why: "no recorded host has it"},
		{source: inspect.NeighThresh2, why: "no recorded host has it"},
		{source: inspect.NeighThresh3, why: "no recorded host has it"},
		{source: inspect.Neigh6Thresh1, why: "no recorded host has it"},
		{source: inspect.Neigh6Thresh2, why: "no recorded host has it"},
		{source: inspect.Neigh6Thresh3, why: "no recorded host has it"},
		{source: inspect.SecurityLockdown, why: "no recorded host has it"},
		{source: inspect.YamaPtraceScope, why: "no recorded host has it"},
		{source: inspect.DmesgRestrict, why: "no recorded host has it"},
		{source: inspect.KptrRestrict, why: "no recorded host has it"},
		{source: inspect.PerfEventParanoid, why: "no recorded host has it"},
		{source: inspect.PIDStat, host: "debian-7.3-sched", goes: []string{ // but what status has too
			"check mem.process_maps_near=blind proc.stopped=blind proc.uninterruptible=blind proc.zombies=blind sched.blocked=blind",
			"check sched.cpu_hog=blind sched.realtime_starves=blind",
			"check sched.realtime_unbounded=blind sched.starved=blind sched.stuck=blind",
			"mem processes.rss",
			"mem PID majflt minflt",
			"oom next_victim_comm next_victim_pid processes.ppid processes~ scores_exact unkillable userspace_killers",
			"oom PID points=~ points_rss~ points~ rank",
			"proc kernel_threads processes.age processes.cpu processes.nice processes.rss",
			"proc processes.turn processes~ user_processes zombies",
			"proc PID children cpu cutime flags kthread limits~ majflt minflt nice origin pgrp policy processor rlimits~",
			"proc PID rt_priority session started stime utime",
			"sched processes.cpu processes.nice processes.policy processes.processor",
			"sched processes.rt_priority processes.se_vruntime processes.weight processes~ realtime.*",
			"sched realtime_tasks uninterruptible",
			"sched PID cpu cpu_share cpu_share= eligible nice policy processor sched_group se_avg_util_avg se_vruntime vdeadline",
			"sched PID weight weight=",
		}},
		{source: inspect.PIDStatus, host: "debian-7.3-sched", goes: []string{
			"check proc.user_tasks_near=blind",
			"mem processes.rss_anon processes.rss_file processes.rss_shmem processes.vm_rss processes.vm_swap processes~",
			"mem PID hugetlb_pages rss_anon rss_file rss_shmem vm_data vm_exe vm_hwm vm_lck vm_lib vm_peak vm_pin vm_pte vm_rss",
			"mem PID vm_rss= vm_size vm_stk vm_swap",
			"oom next_victim_comm next_victim_pid processes.agreement processes.exact processes.points processes.points_adj",
			"oom processes.points_anon processes.points_file processes.points_lag processes.points_rss processes.points_shmem",
			"oom processes.points_swap processes.points_tables processes.recomputed processes.rss_anon processes.rss_file",
			"oom processes.rss_from processes.rss_shmem processes.uid processes.vm_pte processes.vm_rss processes.vm_swap",
			"oom processes~ scores_exact unkillable",
			"oom PID killable oom_score= points points= points_rss rank rss_anon rss_file rss_shmem vm_pte vm_rss vm_swap",
			"proc processes.user processes.vm_rss",
			"proc PID cap_amb cap_bnd cap_eff cap_inh cap_prm capabilities gid groups limits~ n_spid no_new_privs",
			"proc PID nonvoluntary_ctxt_switches rlimits~ seccomp shd_pnd sig_blk sig_cgt sig_ign sig_pnd sig_q tracees uid umask vm_rss",
			"proc PID vm_swap voluntary_ctxt_switches",
			"sched processes.nonvoluntary_ctxt_switches processes.voluntary_ctxt_switches",
			"sched PID cpus_allowed_list nonvoluntary_ctxt_switches voluntary_ctxt_switches",
		}},
		{source: inspect.PIDOomScoreAdj, host: "debian-7.3-sched", goes: []string{
			"oom processes.oom_score_adj processes.points processes.points_adj processes~ scores_exact unkillable",
			"oom PID oom_score= oom_score_adj points points= rank",
			"proc PID oom_score_adj",
		}},
		{source: inspect.PIDOomScore, host: "debian-7.3-sched", goes: []string{
			"oom next_victim_comm next_victim_pid processes.agreement processes.exact processes.oom_score processes~ scores_exact",
			"oom PID oom_score oom_score=",
			"proc PID oom_score",
		}},
		{source: inspect.PIDCmdline, host: "debian-7.3-sched", goes: []string{
			"mem processes.command",
			"oom processes.command",
			"proc PID cmdline",
		}},
		{source: inspect.PIDCgroup, host: "debian-7.3-sched", goes: []string{
			"check mem.cgroup_level_near_limit=blind mem.cgroup_near_limit=blind",
			"mem cgroup_limit cgroup_path cgroups.*",
			"oom cgroup_limit processes.cgroup",
			"proc PID cgroups limits~",
			"sched PID cpu_quota cpu_throttled cpu_throttled_time sched_group",
		}},
		{source: inspect.PIDWchan, host: "debian-7.3-sched", why: "sentences name it"},
		{source: inspect.PIDSyscall, host: "debian-7.3-sched", why: "sentences name it"},
		{source: inspect.PIDFd, host: "linux-6.18-files", goes: []string{
			"check fd.inotify_instances_near=blind fd.inotify_near=blind fd.process_near=blind",
			"fd descriptors kinds.* processes.*",
			"fd PID fd_lowest_free fds.* open_fds",
			"proc processes.fds",
			"proc PID fds limits~ rlimits~ sockets",
		}},
		{source: inspect.PIDLimits, host: "debian-7.3-sched", goes: []string{
			"fd PID fd_limit_hard fd_limit_soft",
			"proc PID limits~ rlimits.*",
		}},
		{source: inspect.PIDIO, host: "debian-7.3-sched", goes: []string{
			"proc PID cancelled_write_bytes rchar read_bytes wchar write_bytes",
		}},
		{source: inspect.PIDExe, host: "linux-6.18-files", goes: []string{
			"proc PID exe",
		}},
		{source: inspect.PIDCwd, host: "linux-6.18-files", goes: []string{
			"proc PID cwd",
		}},
		{source: inspect.PIDRoot, host: "linux-6.18-files", goes: []string{
			"proc PID root",
		}},
		{source: inspect.PIDNs, host: "linux-6.18-files", goes: []string{
			"proc PID limits~ namespaces.*",
		}},
		{source: inspect.PIDStack, host: "linux-6.18-files", goes: []string{
			"proc PID stack",
		}},
		{source: inspect.PIDLabel, why: "no recorded host has it"},
		{source: inspect.PIDSchedstat, host: "debian-7.3-sched", goes: []string{
			"check sched.starved=blind",
			"sched processes.run_time processes.timeslices processes.wait_time",
			"sched PID mean_turn mean_wait run_time timeslices wait_time",
		}},
		{source: inspect.PIDSched, host: "debian-7.3-sched", goes: []string{
			"sched processes.se_nr_migrations processes.se_vruntime",
			"sched PID numa_pages_migrated se_avg_util_avg se_nr_migrations se_slice se_vruntime total_numa_faults uclamp_max",
			"sched PID uclamp_min weight=",
		}},
		{source: inspect.PIDAutogroup, host: "debian-7.3-sched", why: "the tasks are in no session of their own"},
		{source: inspect.PIDTimerslack, host: "debian-7.3-sched", goes: []string{
			"sched PID timerslack_ns",
		}},
		{source: inspect.PIDTask, why: "no recorded host has it"},
		{source: inspect.PIDFdinfo, host: "linux-6.18-files", goes: []string{
			"check fd.inotify_near=blind",
			"fd processes.epoll_watches processes.inotify_watches",
			"fd PID fds.flags fds.fs fds.info fds.inode fds.inode_str fds.mode fds.mount fds.pos",
		}},
		{source: inspect.PIDMountinfo, host: "debian-7.3-sched", goes: []string{
			"check mem.cgroup_level_near_limit=blind mem.cgroup_near_limit=blind mem.cgroup_stalled=blind",
			"check oom.cgroup_near_limit=blind oom.cgroup_stuck=blind",
			"check proc.cgroup_pids_near=blind sched.throttled=blind",
			"mem cgroup_limit cgroup_path cgroups.*",
			"oom cgroup_limit limited_cgroups",
			"proc PID limits~",
			"sched cpu_cgroups.*",
			"sched PID cpu_quota cpu_share cpu_share= cpu_throttled cpu_throttled_time",
		}},
		{source: inspect.PIDNet, host: "linux-6.18-lossy-net", goes: []string{
			"check net.close_wait=blind net.close_wait_many=blind net.conntrack_clashes=blind net.conntrack_drops=blind",
			"check net.conntrack_near=blind net.listen_overflow=blind net.listen_overflow_so_far=blind net.nic_errors=blind",
			"check net.nic_errors_so_far=blind net.nic_missed=blind net.nic_missed_so_far=blind net.orphans_near=blind",
			"check net.ports_bound=blind net.ports_near=blind net.retransmits=blind net.retransmits_so_far=blind net.softnet_drops=blind",
			"check net.softnet_drops_so_far=blind net.syn_retransmits=blind net.syncookies=blind net.tcp_memory_pressure=blind",
			"check net.time_squeeze=blind net.tw_near=blind net.udp6_rcvbuf_errors=blind net.udp6_rcvbuf_errors_so_far=blind",
			"check net.udp_memory=blind net.udp_memory_near=blind net.udp_rcvbuf_errors=blind net.udp_rcvbuf_errors_so_far=blind",
			"net conntrack_chainlength conntrack_drop conntrack_early_drop conntrack_insert_failed conntrack_invalid",
			"net conntrack_search_restart default_qdisc destinations.* ephemeral_ports ephemeral_used ephemeral_used_local",
			"net ephemeral_used_most frag_inuse frag_memory in_ce_pkts in_csum_errors in_no_routes in_truncated_pkts interfaces.*",
			"net ip6_frag_fails ip6_in_addr_errors ip6_in_discards ip6_in_hdr_errors ip6_in_no_routes ip6_in_receives",
			"net ip6_in_too_big_errors ip6_in_truncated_pkts ip6_out_discards ip6_out_no_routes ip6_out_requests ip6_reasm_fails",
			"net ip_forw_datagrams ip_frag_fails ip_in_addr_errors ip_in_delivers ip_in_discards ip_in_hdr_errors ip_in_receives",
			"net ip_in_unknown_protos ip_local_port_range ip_out_discards ip_out_no_routes ip_out_requests ip_reasm_fails ip_reasm_reqds",
			"net ip_reasm_timeout ip_reverse_path_filter ip_tables_names listen_drops listen_overflows listeners.* net_namespace",
			"net netdev_budget netdev_budget_usecs netdev_max_backlog nf_conntrack_buckets nf_conntrack_count nf_conntrack_max",
			"net nf_conntrack_max= ofo_pruned paws_estab prune_called raw6_inuse raw_inuse rcv_pruned rmem_default rmem_max sockets_used",
			"net softnet.* softnet_dropped softnet_processed softnet_time_squeeze somaxconn states.* syncookies_failed syncookies_recv",
			"net syncookies_sent tcp6_inuse tcp_abort_on_close tcp_abort_on_data tcp_abort_on_linger tcp_abort_on_memory",
			"net tcp_abort_on_overflow tcp_abort_on_timeout tcp_active_opens tcp_alloc tcp_attempt_fails tcp_backlog_drop tcp_close",
			"net tcp_close_wait tcp_closing tcp_ehash_entries tcp_estab_resets tcp_established tcp_fast_retrans tcp_fin_wait1",
			"net tcp_fin_wait2 tcp_in_csum_errors tcp_in_errs tcp_in_segs tcp_inuse tcp_last_ack tcp_listen tcp_lost_retransmit",
			"net tcp_max_orphans tcp_max_orphans= tcp_max_syn_backlog tcp_max_syn_backlog= tcp_max_tw_buckets tcp_max_tw_buckets=",
			"net tcp_mem_high tcp_mem_high= tcp_mem_low tcp_mem_low= tcp_mem_pressure tcp_mem_pressure= tcp_mem_used tcp_memory_pressure",
			"net tcp_memory_pressures tcp_memory_pressures_chrono tcp_moderate_rcvbuf tcp_orphan tcp_out_rsts tcp_out_segs",
			"net tcp_passive_opens tcp_rcv_collapsed tcp_rcv_q_drop tcp_req_q_full_do_cookies tcp_req_q_full_drop tcp_retrans_fail",
			"net tcp_retrans_segs tcp_rmem_default tcp_rmem_max tcp_rmem_min tcp_slow_start_retrans tcp_sockets tcp_spurious_rt_os",
			"net tcp_spurious_rtx_host_queues tcp_syn_recv tcp_syn_retrans tcp_syn_sent tcp_syncookies tcp_time_wait",
			"net tcp_time_wait_overflow tcp_timeouts tcp_to_zero_window_adv tcp_tw tcp_wmem_default tcp_wmem_max tcp_wmem_min",
			"net tcp_wqueue_too_big tcp_zero_window_drop tcpofo_drop tcpofo_queue tcpsack_reneging tcpsack_reorder udp6_in_csum_errors",
			"net udp6_in_datagrams udp6_in_errors udp6_inuse udp6_mem_errors udp6_no_ports udp6_out_datagrams udp6_rcvbuf_errors",
			"net udp6_sndbuf_errors udp_in_csum_errors udp_in_datagrams udp_in_errors udp_inuse udp_mem_errors udp_mem_high udp_mem_high=",
			"net udp_mem_low udp_mem_low= udp_mem_pressure udp_mem_used udp_no_ports udp_out_datagrams udp_rcvbuf_errors udp_sndbuf_errors",
			"net wmem_default wmem_max",
			"net PID net_namespace",
		}},
		{source: inspect.Taskstats, why: "it is asked of a running kernel, which a copy is not"},
		{source: inspect.PIDMaps, host: "debian-7.3-sched", why: "it is recorded of another process"},
		{source: inspect.PIDMapFiles, why: "no recorded host has it"},
		{source: inspect.PIDSmapsRollup, host: "debian-7.3-sched", why: "it is recorded of another process"},
		{source: inspect.PIDEntry, host: "debian-7.3-sched", goes: []string{
			"check mem.cgroup_level_near_limit=blind mem.cgroup_near_limit=blind mem.cgroup_stalled=blind mem.process_maps_near=blind",
			"check oom.cgroup_near_limit=blind oom.cgroup_stuck=blind",
			"check proc.cgroup_pids_near=blind proc.stopped=blind",
			"check proc.uninterruptible=blind proc.user_tasks_near=blind proc.zombies=blind sched.blocked=blind",
			"check sched.cpu_hog=blind sched.realtime_starves=blind sched.realtime_unbounded=blind sched.starved=blind sched.stuck=blind",
			"check sched.throttled=blind",
			"fd PID fd_limit_hard fd_limit_soft",
			"mem cgroup_limit cgroup_path cgroups.* processes.*",
			"mem PID hugetlb_pages majflt max_map_count minflt rss_anon rss_file rss_shmem vm_data vm_exe vm_hwm vm_lck vm_lib",
			"mem PID vm_peak vm_pin vm_pte vm_rss vm_rss= vm_size vm_stk vm_swap",
			"oom cgroup_limit limited_cgroups next_victim_comm next_victim_pid processes.* scores_exact unkillable",
			"oom userspace_killers",
			"oom PID killable oom_score oom_score= oom_score_adj points points= points_rss rank rss_anon rss_file rss_shmem vm_pte",
			"oom PID vm_rss vm_swap",
			"proc kernel_threads processes.* user_processes zombies",
			"proc PID cancelled_write_bytes cap_amb cap_bnd cap_eff cap_inh cap_prm capabilities cgroups children cmdline comm cpu",
			"proc PID cutime flags gid groups kthread limits.* majflt minflt n_spid nice no_new_privs nonvoluntary_ctxt_switches",
			"proc PID oom_score oom_score_adj origin pgrp policy ppid processor rchar read_bytes rlimits.* rt_priority seccomp",
			"proc PID session shd_pnd sig_blk sig_cgt sig_ign sig_pnd sig_q started state stime threads tracees uid umask utime vm_rss",
			"proc PID vm_swap voluntary_ctxt_switches wchar write_bytes",
			"sched cpu_cgroups.* processes.* realtime.* realtime_tasks uninterruptible",
			"sched PID cpu cpu_quota cpu_share cpu_share= cpu_throttled cpu_throttled_time cpus_allowed_list eligible mean_turn",
			"sched PID mean_wait nice nonvoluntary_ctxt_switches numa_pages_migrated policy processor run_time sched_group",
			"sched PID se_avg_util_avg se_nr_migrations se_slice se_vruntime timerslack_ns timeslices total_numa_faults uclamp_max",
			"sched PID uclamp_min vdeadline voluntary_ctxt_switches wait_time weight weight=",
		}},
	}
}

// truth is what the kernel's sources say of one of its files: what is in it, and what is not.
type truth struct {
	source      inspect.Source
	goes, stays []string
}

// truths are written by hand, from the kernel's sources, and hold the table above.
func truths() []truth {
	return []truth{
		{ // fs/proc/stat.c, show_stat
			source: inspect.ProcStat,
			goes: []string{
				"sched cpu_user", "sched cpu_steal", "sched ctxt", "sched processes", "sched procs_running", "sched procs_blocked",
				"proc PID started",
			},
			stays: []string{"sched load_1", "sched pressure_cpu_some", "proc tasks", "proc PID utime"},
		},
		{ // fs/proc/loadavg.c, loadavg_proc_show
			source: inspect.Loadavg,
			goes:   []string{"sched load_1", "sched load_5", "sched load_15", "proc tasks"},
			stays:  []string{"sched procs_running", "sched pressure_cpu_some", "proc zombies"},
		},
		{ // fs/proc/meminfo.c, meminfo_proc_show
			source: inspect.Meminfo,
			goes:   []string{"mem mem_total", "mem mem_available", "mem swap_total", "mem commit_limit", "mem slab", "mem dirty"},
			stays:  []string{"mem pgfault", "mem pressure_memory_some", "mem min_free_kbytes", "oom next_victim_pid", "oom processes.oom_score"},
		},
		{ // mm/vmstat.c
			source: inspect.Vmstat,
			goes:   []string{"mem pgfault", "mem oom_kill", "mem pgscan_direct", "mem nr_dirty_threshold"},
			stays:  []string{"mem mem_available", "mem dirty", "mem pressure_memory_full"},
		},
		{ // fs/proc/array.c, do_task_stat
			source: inspect.PIDStat,
			goes:   []string{"proc processes.nice", "proc zombies", "proc PID utime", "sched processes.policy"},
			stays: []string{
				"proc processes.pid", "proc processes.vm_rss", "proc processes.user", "proc PID capabilities", "oom processes.oom_score",
				// proc_pid_status has State, PPid and Threads too.
				"proc processes.state", "proc processes.ppid", "proc PID threads",
			},
		},
		{ // fs/proc/array.c, proc_pid_status
			source: inspect.PIDStatus,
			goes:   []string{"proc processes.user", "proc processes.vm_rss", "proc PID seccomp", "mem PID vm_swap", "sched PID cpus_allowed_list"},
			stays:  []string{"proc processes.pid", "proc processes.state", "proc processes.comm", "proc PID utime", "mem PID majflt"},
		},
		{ // fs/proc/fd.c
			source: inspect.PIDFd,
			goes:   []string{"fd PID open_fds", "fd descriptors", "proc processes.fds"},
			stays:  []string{"fd PID fd_limit_soft", "fd file_nr", "fd nr_inodes", "proc processes.state"},
		},
		{ // fs/proc/base.c, proc_oom_score
			source: inspect.PIDOomScore,
			goes:   []string{"oom processes.oom_score", "oom PID oom_score"},
			stays:  []string{"oom PID points", "oom PID oom_score_adj", "oom processes.vm_rss"},
		},
		{ // fs/file_table.c, proc_nr_files
			source: inspect.FSFileNr,
			goes:   []string{"fd file_nr", "fd file_max", "check fd.host_near=blind"},
			stays:  []string{"fd nr_open", "fd descriptors", "check fd.process_near=blind"},
		},
		{ // net/ipv4/proc.c, sockstat_seq_show
			source: inspect.NetSockstat,
			goes:   []string{"net tcp_orphan", "net tcp_mem_used", "net udp_inuse", "check net.orphans_near=blind"},
			stays:  []string{"net tcp_established", "net tcp_retrans_segs", "net udp_rcvbuf_errors"},
		},
		{ // net/ipv4/tcp_ipv4.c, tcp4_seq_show
			source: inspect.NetTCP,
			goes:   []string{"net tcp_established", "net tcp_listen", "net tcp_time_wait"},
			stays:  []string{"net tcp_orphan", "net udp_inuse", "net tcp_retrans_segs"},
		},
		{ // net/core/dev.c
			source: inspect.NetSoftnet,
			goes:   []string{"net softnet_dropped", "net softnet_time_squeeze"},
			stays:  []string{"net netdev_budget", "net tcp_established"},
		},
		{ // kernel/sched/psi.c
			source: inspect.PressureCPU,
			goes:   []string{"sched pressure_cpu_some", "check sched.cpu_pressure=blind"},
			stays:  []string{"sched load_1", "sched cpu_user", "check sched.steal=blind"},
		},
	}
}

// The table agrees with what the kernel's sources say of its files.
func TestWhatGoesIsWhatTheKernelSays(t *testing.T) {
	table := takeTable()
	for _, tr := range truths() {
		i := slices.IndexFunc(table, func(row takes) bool { return row.source == tr.source })
		for _, at := range tr.goes {
			if !table[i].takes(at) {
				t.Errorf("%s has %s", tr.source, at)
			}
		}
		for _, at := range tr.stays {
			if table[i].takes(at) {
				t.Errorf("%s does not have %s", tr.source, at)
			}
		}
	}
}

// takes reports whether a row has "command key".
func (row *takes) takes(at string) bool {
	i := strings.LastIndex(at, " ")
	command, key := at[:i], at[i+1:]
	all := key[:strings.IndexByte(key+".", '.')] + ".*"
	return slices.ContainsFunc(row.goes, func(words string) bool {
		list, ok := strings.CutPrefix(words, command+" ")
		if list, pid := strings.CutPrefix(list, "PID "); pid && ok { // of another command
			return strings.HasSuffix(command, " PID") && slices.Contains(strings.Fields(list), key)
		}
		return ok && (slices.Contains(strings.Fields(list), key) || strings.Contains(key, ".") && slices.Contains(strings.Fields(list), all))
	})
}
