package concepts

import "strings"

// Move says that a source which an essay names stood elsewhere in older kernels.
type Move struct {
	Now  string // a path, or path:function; with a / at its end, all that is below
	Then string // the same in that older kernel; "": it was not there
	In   string // the newest kernel of those looked at in which it was so
}

// moves are what the list in testdata shows to have moved; what is said of a file
// holds for its functions. Of two that fit a source the first counts.
func moves() []Move {
	return []Move{
		{"Documentation/arch/x86/", "Documentation/x86/", "6.1"},
		{"Documentation/admin-guide/RAS/main.rst", "Documentation/admin-guide/ras.rst", "6.1"},
		{"Documentation/mm/allocation-profiling.rst", "", "6.1"},
		{"Documentation/mm/physical_memory.rst", "", "5.10"},
		{"Documentation/mm/vmalloced-kernel-stacks.rst", "", "5.10"},
		{"Documentation/mm/vmemmap_dedup.rst", "", "5.10"},
		{"Documentation/mm/", "Documentation/vm/", "5.10"},
		{"Documentation/admin-guide/mm/multigen_lru.rst", "", "5.10"},
		{"Documentation/admin-guide/mm/zswap.rst", "Documentation/vm/zswap.rst", "5.10"},
		{"Documentation/networking/napi.rst", "", "6.1"},
		{"Documentation/scheduler/sched-eevdf.rst", "", "6.1"},
		{"Documentation/scheduler/sched-ext.rst", "", "6.1"},
		{"Documentation/scheduler/sched-util-clamp.rst", "", "6.1"},
		{"Documentation/scheduler/schedutil.rst", "", "5.10"},
		{"Documentation/virt/kvm/x86/msr.rst", "Documentation/virt/kvm/msr.rst", "5.10"},
		{"arch/x86/entry/syscall_64.c:do_syscall_64", "arch/x86/entry/common.c:do_syscall_64", "6.12"},
		{"block/bdev.c", "fs/block_dev.c", "5.10"},
		{"drivers/iommu/iommu-pages.c", "drivers/iommu/iommu-pages.h", "6.12"},
		{"drivers/thermal/intel/therm_throt.c", "arch/x86/kernel/cpu/mce/therm_throt.c", "5.10"},
		{"fs/namei.c:filename_unlinkat", "fs/namei.c:do_unlinkat", "6.12"},
		{"fs/pidfs.c", "", "6.1"},
		{"fs/pipe.c:anon_pipe_write", "fs/pipe.c:pipe_write", "6.12"},
		{"fs/proc/task_mmu.c:get_vma_name", "fs/proc/task_mmu.c:show_map_vma", "6.1"},
		{"include/linux/filelock.h", "include/linux/fs.h", "6.1"},
		{"include/linux/gfp_types.h", "include/linux/gfp.h", "5.10"},
		{"include/linux/mm.h:__pagetable_ctor", "include/linux/mm.h:pagetable_pte_ctor", "6.12"},
		{"include/linux/mm_inline.h:lru_gen_is_active", "", "5.10"},
		{"include/linux/sched/ext.h", "", "6.1"},
		{"io_uring/fdinfo.c", "io_uring/io_uring.c", "5.10"},
		{"io_uring/sqpoll.c", "io_uring/io_uring.c", "5.10"},
		{"kernel/sched/core.c:__pick_next_task", "kernel/sched/core.c:pick_next_task", "5.10"},
		{"kernel/sched/core.c:sched_dynamic_mode", "", "5.10"},
		{"kernel/sched/ext/ext.c", "kernel/sched/ext.c", "6.12"},
		{"kernel/sched/fair.c:fair_server_init", "", "6.1"},
		{"kernel/sched/fair.c:pick_eevdf", "kernel/sched/fair.c:pick_next_entity", "6.1"},
		{"kernel/sched/fair.c:sched_balance_rq", "kernel/sched/fair.c:load_balance", "6.1"},
		{"kernel/sched/fair.c:update_deadline", "", "6.1"},
		{"kernel/sched/syscalls.c", "kernel/sched/core.c", "6.1"},
		{"kernel/softirq.c:handle_softirqs", "kernel/softirq.c:__do_softirq", "5.10"},
		{"mm/balloon.c", "mm/balloon_compaction.c", "6.12"},
		{"mm/memcontrol.c:try_charge_memcg", "mm/memcontrol.c:try_charge", "5.10"},
		{"mm/page_alloc.c:account_freepages", "", "6.1"},
		{"mm/page_alloc.c:calculate_min_free_kbytes", "mm/page_alloc.c:init_per_zone_wmark_min", "5.10"},
		{"mm/page_alloc.c:zone_highsize", "", "5.10"},
		{"mm/secretmem.c", "", "5.10"},
		{"mm/show_mem.c:__show_mem", "mm/page_alloc.c:__show_free_areas", "6.1"},
		{"mm/show_mem.c", "mm/page_alloc.c", "6.1"},
		{"mm/vma.c", "mm/mmap.c", "6.1"},
		{"mm/vmscan.c:calculate_pressure_balance", "mm/vmscan.c:get_scan_count", "6.12"},
		{"net/netfilter/nfnetlink_hook.c", "", "5.10"},
	}
}

// Before says where a source that an essay names was in an older kernel, if
// it was not where the newest have it.
func Before(source string) (was Move, ok bool) {
	for _, m := range moves() {
		switch rest, below := strings.CutPrefix(source, m.Now); {
		case !below:
		case m.Then == "" && rest == "":
			return Move{source, "", m.In}, true
		case rest == "", rest[0] == ':', strings.HasSuffix(m.Now, "/"):
			return Move{source, m.Then + rest, m.In}, true
		}
	}
	return Move{}, false
}

// String is what a reader of an older kernel wants to know: "6.1: mm/page_alloc.c",
// "not in 5.10". Of a function that moved within its file or kept its name only
// what changed is named.
func (m Move) String() string {
	if m.Then == "" {
		return "not in " + m.In
	}
	path, name, _ := strings.Cut(m.Now, ":")
	oldPath, oldName, _ := strings.Cut(m.Then, ":")
	switch {
	case path == oldPath:
		return m.In + ": " + oldName
	case name == oldName:
		return m.In + ": " + oldPath
	}
	return m.In + ": " + m.Then
}
