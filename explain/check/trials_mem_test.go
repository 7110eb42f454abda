package check_test

import (
	"fmt"
	"strings"
	"time"
)

const (
	idle     = "debian-7.3-idle"
	meminfo  = "proc/meminfo"
	vmstat   = "proc/vmstat"
	zoneinfo = "proc/zoneinfo"
	pressure = "proc/pressure/memory"
	web      = "sys/fs/cgroup/app/web/"
	app      = "sys/fs/cgroup/app/"
)

// total makes the host one of 1,000,000 kB.
func total() edit { return line(meminfo, "MemTotal:", "1000000 kB") }

// mapped gives app (22650) so many mappings, of 20,000.
func mapped(n int) edit {
	const pid = 22650
	var maps strings.Builder
	for i := range n {
		fmt.Fprintf(&maps, "%x-%x rw-p 00000000 00:00 0 \n", 0x1000*(2*i+1), 0x1000*(2*i+2))
	}
	return some(sysctl("vm/max_map_count", 20000), stat(pid, 23, "90000000", "90000000"),
		file(fmt.Sprintf("proc/%d/maps", pid), maps.String()+"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"))
}

// available is MemAvailable, and as much less free that it can be right.
func available(kb int) edit {
	return some(line(meminfo, "MemAvailable:", fmt.Sprint(kb, " kB")), line(meminfo, "MemFree:", fmt.Sprint(kb/2, " kB")))
}

// large makes the host one of 512 GiB, of which so many kB are available and in pools of huge pages.
func large(availableKB, pooledKB int) edit {
	return some(line(meminfo, "MemTotal:", "536870912 kB"), available(availableKB), line(meminfo, "Hugetlb:", fmt.Sprint(pooledKB, " kB")))
}

// arc is ZFS's cache: how many MiB it has, of which it keeps 30.
func arc(size int) edit {
	const name = "proc/spl/kstat/zfs/arcstats"
	return file(name, fmt.Sprintf("13 1 0x01 147 39984 7 9\nname type data\nhits 4 1\nc_min 4 %d\nc_max 4 %d\nsize 4 %d\n",
		30<<20, 2*size<<20, size<<20))
}

// psi is a file of /proc/pressure with the means of 10 s in percent, and how long tasks
// stood in all, in µs.
func psi(some, full float64, total int) string {
	return fmt.Sprintf("some avg10=%.2f avg60=0.00 avg300=0.00 total=%d\nfull avg10=%.2f avg60=0.00 avg300=0.00 total=0\n", some, total, full)
}

// group is a cgroup with a limit of 100 MiB and 1 MiB of file pages.
func group(dir string, used int) edit {
	return some(file(dir+"memory.max", "104857600\n"), file(dir+"memory.current", fmt.Sprint(used<<20, "\n")),
		line(dir+"memory.stat", "inactive_file", "1048576"), line(dir+"memory.stat", "active_file", "0"),
		line(dir+"memory.stat", "slab_reclaimable", "0"))
}

// holds is where the process that made the copy is: at its own memory.high, of 25 MiB, so many
// times, with all of its tasks stalled so many percent of the time.
func holds(high, hits int, full float64) edit {
	return some(file(web+"memory.high", fmt.Sprint(high<<20, "\n")), file(web+"memory.max", "max\n"), file(web+"memory.current", "26767360\n"),
		file(web+"memory.events", fmt.Sprintf("low 0\nhigh %d\nmax 0\noom 0\noom_kill 0\n", hits)),
		file(web+"memory.pressure", psi(full+1, full, 1)))
}

// tight leaves no zone enough: of DMA32, which has a min watermark of 11,086 pages and a low one of
// 13,857, so many pages are free, and of DMA no more than it keeps back.
func tight(free string) edit {
	return both(zoneinfo, func(text string) string {
		text = strings.Replace(text, "pages free     183831\n", "pages free     "+free+"\n", 1)
		return strings.Replace(text, "pages free     3808\n", "pages free     900\n", 1)
	})
}

// throttle is where writers are slowed down: at 20,000 pages, which are 80,000 kB.
func throttle(dirty, writeback int) edit {
	return some(line(vmstat, "nr_dirty_threshold", "30000"), line(vmstat, "nr_dirty_background_threshold", "10000"),
		line(meminfo, "Dirty:", fmt.Sprint(dirty, " kB")), line(meminfo, "Writeback:", fmt.Sprint(writeback, " kB")),
		line(meminfo, "Cached:", "200000 kB"))
}

func commit(mode string, kb int) edit {
	return some(
		file("proc/sys/vm/overcommit_memory", mode+"\n"),
		line(meminfo, "CommitLimit:", "1000000 kB"),
		line(meminfo, "Committed_AS:", fmt.Sprint(kb, " kB")),
	)
}

func swap(free int) edit {
	return some(line(meminfo, "SwapTotal:", "1000000 kB"), line(meminfo, "SwapFree:", fmt.Sprint(free, " kB")))
}

func huge(free, reserved int) edit {
	return some(
		total(),
		line(meminfo, "HugePages_Total:", "200"),
		line(meminfo, "HugePages_Free:", fmt.Sprint(free)),
		line(meminfo, "HugePages_Rsvd:", fmt.Sprint(reserved)),
		pool("2048", 200, free, reserved),
	)
}

// pool is a pool of huge pages of so many kB.
func pool(kb string, total, free, reserved int) edit {
	dir := "sys/kernel/mm/hugepages/hugepages-" + kb + "kB/"
	return some(file(dir+"nr_hugepages", fmt.Sprint(total, "\n")), file(dir+"free_hugepages", fmt.Sprint(free, "\n")),
		file(dir+"resv_hugepages", fmt.Sprint(reserved, "\n")), file(dir+"nr_overcommit_hugepages", "0\n"))
}

// node is one NUMA node of 1 GB: what is free of it, and in the cache, in kB.
func node(id, free, cache int) edit {
	name := fmt.Sprintf("sys/devices/system/node/node%d/meminfo", id)
	return file(name, fmt.Sprintf("Node %d MemTotal: 1000000 kB\nNode %[1]d MemFree: %[2]d kB\n"+
		"Node %[1]d Active(file): %[3]d kB\nNode %[1]d Inactive(file): 0 kB\nNode %[1]d SReclaimable: 0 kB\n", id, free, cache))
}

// swapped is what /proc/swaps has: one device.
func swapped(name string) edit {
	return file("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"+name+" partition 1000000 500000 -2\n")
}

// tables is how many kB page tables have, by both files that say it.
func tables(kb int) edit {
	return some(line(meminfo, "MemFree:", "300000 kB"), line(meminfo, "PageTables:", fmt.Sprint(kb, " kB")),
		line(vmstat, "nr_page_table_pages", fmt.Sprint(kb/4)))
}

// shared is how many kB tmpfs and shared memory have, which the page cache contains.
func shared(kb int) edit {
	return some(line(meminfo, "Shmem:", fmt.Sprint(kb, " kB")), line(meminfo, "Cached:", fmt.Sprint(kb+1000, " kB")))
}

// removedGroups is how many cgroups were removed and are not freed.
func removedGroups(n int) edit {
	return file("sys/fs/cgroup/cgroup.stat", fmt.Sprintf("nr_descendants 20\nnr_dying_descendants %d\n", n))
}

func memTrials() []trial {
	return []trial{{
		rule: "mem.available_low", host: idle, fires: []rung{
			notice("only 14 % of RAM is available: 137 MiB", total(), available(140000)),
			warning("only 7.0 % of RAM is available: 68.4 MiB", total(), available(70000)),
			critical("only 2.0 % of RAM is available: 19.5 MiB", total(), available(20000)),
		}, well: edits{total(), available(150000)}, // 15 % is not below 15 %
	}, {
		// 480 of 512 GiB are in a pool: what is left has plenty. So has 3 % of 512 GiB.
		rule: "mem.available_low", host: idle, fires: []rung{
			notice("only 0.6 % of RAM is available: 3.0 GiB; 480 GiB is in pools of huge pages", large(2000000*3/2+100000, 503316480)),
		}, well: edits{large(12<<20, 503316480)},
	}, {
		rule: "mem.available_low", host: idle, fires: []rung{warning("only 0.6 % of RAM is available: 3.0 GiB", large(3<<20, 0))},
		well: edits{large(15<<20, 0)},
	}, {
		rule: "mem.available_low", host: idle, fires: []rung{
			notice("only 7.0 % of RAM is available: 68.4 MiB, and 10.0 MiB more where ZFS's cache gives way",
				total(), available(70000), arc(40)),
		}, well: edits{total(), available(70000), arc(400)},
	}, {
		rule: "mem.available_wrong", host: idle, fires: []rung{
			notice("MemAvailable of 0 B can't be right: MemFree alone is 733 MiB (76 % of RAM)", line(meminfo, "MemAvailable:", "0 kB")),
		}, well: edits{line(meminfo, "MemAvailable:", "0 kB"), line(meminfo, "MemFree:", "140000 kB")},
	}, {
		rule: "mem.cgroup_stalled", host: idle, fires: []rung{
			notice("cgroup /app/web: memory.high (25.0 MiB) holds it, 482,113 times so far; all of its tasks that are not idle are stalled 10 %",
				holds(25, 482113, 10)),
			warning("stalled 40 % of the time. That bound kills nobody", holds(25, 482113, 40)),
			critical("stalled 91 % of the time. That bound kills nobody: it goes on until memory is freed or the bound is raised",
				holds(25, 482113, 91)),
		}, well: edits{holds(100, 482113, 91)}, // another has it stand still: it is far from its bound
	}, {
		rule: "mem.cgroup_stalled", host: idle, fires: []rung{
			critical("cgroup /app/web: memory.max (100 MiB) holds it, 77 times so far; all of its tasks that are not idle "+
				"are stalled 60 % of the time; "+
				"0 processes were killed in it", holds(100, 0, 60), group(web, 99),
				file(web+"memory.events", "low 0\nhigh 0\nmax 77\noom 0\noom_kill 0\n")),
		}, well: edits{holds(100, 0, 60), group(web, 99), file(web+"memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n")},
	}, {
		// Of 85 MiB 1 MiB can be dropped.
		rule: "mem.cgroup_near_limit", host: idle, fires: []rung{
			notice("84 % of the limit of cgroup /app/web (100 MiB) is used", group(web, 85)),
			warning("94 % of the limit of cgroup /app/web", group(web, 95)),
			critical("98 % of the limit of cgroup /app/web", group(web, 99)),
		}, well: edits{group(web, 80)},
	}, {
		// Slab is dropped, and swap takes what it has room for.
		rule: "mem.cgroup_near_limit", host: idle, fires: []rung{
			notice("84 % of the limit of cgroup /app/web (100 MiB) is used",
				group(web, 95), line(web+"memory.stat", "slab_reclaimable", "10485760")),
			notice("84 % of the limit",
				group(web, 95), swap(10240), line(web+"memory.stat", "anon", "94371840"), file(web+"memory.swap.max", "max\n")),
		}, well: edits{group(web, 95), swap(500000), line(web+"memory.stat", "anon", "94371840"), file(web+"memory.swap.max", "max\n")},
	}, {
		// The one above has less room in percent, and more in MiB.
		rule: "mem.cgroup_level_near_limit", host: idle, fires: []rung{
			notice("80 % of the limit of cgroup /app is used", group(web, 90), group(app, 81)),
			critical("97 % of the limit of cgroup /app is used", group(web, 99), group(app, 98)),
		}, well: edits{group(web, 90), group(app, 80)},
	}, {
		// 0.6 % of the 985,100 kB is untracked as it was recorded; 150,000 kB are 15.2 %.
		rule: "mem.untracked_large", host: idle, fires: []rung{
			notice("16 % of RAM is in no counter: 15", line(meminfo, "MemFree:", "600556 kB")),
			warning("36 % of RAM is in no counter: 34", line(meminfo, "MemFree:", "400556 kB")),
		}, well: edits{line(meminfo, "MemFree:", "660556 kB")},
	}, {
		// ZFS has 290 of 342 MiB.
		rule: "mem.untracked_large", host: idle, fires: []rung{
			notice("36 % of RAM is in no counter: 348 MiB; ZFS's cache (ARC) has 200 MiB, most of it here, and gives way down to 30.0 MiB",
				line(meminfo, "MemFree:", "400556 kB"), arc(200)),
			warning("36 % of RAM is in no counter: 348 MiB; a balloon has taken 300 MiB, which is a part of this if its driver left it in MemTotal",
				line(meminfo, "MemFree:", "400556 kB"), line(vmstat, "balloon_inflate", "76900"), line(vmstat, "balloon_deflate", "100")),
		}, well: edits{line(meminfo, "MemFree:", "400556 kB"), arc(290)},
	}, {
		rule: "mem.percpu_large", host: idle, fires: []rung{
			notice("12 % of RAM is per-CPU memory of the kernel (cgroups, BPF maps and the like): 117 MiB",
				total(), line(meminfo, "Percpu:", "120000 kB")),
			warning("43 % of RAM is per-CPU memory of the kernel (cgroups, BPF maps and the like): 420 MiB; 70,000 "+
				"cgroups are removed and not freed yet",
				total(), line(meminfo, "Percpu:", "430000 kB"), removedGroups(70000)),
		}, well: edits{total(), line(meminfo, "Percpu:", "90000 kB")},
	}, {
		rule: "mem.cgroups_dying", host: idle, fires: []rung{
			notice("3,000 cgroups are removed, and not freed because something still refers to them", removedGroups(3000)),
			warning("30,000 cgroups are removed", removedGroups(30000)),
		}, well: edits{removedGroups(1999)},
	}, {
		// Its address space has room for that many, and those of the others have not.
		rule: "mem.process_maps_near", host: files, fires: []rung{
			notice("app (22650) has 14,000 mappings of the 20,000 that vm.max_map_count allows", mapped(14000)),
			warning("app (22650) has 17,000 mappings", mapped(17000)),
			critical("app (22650) has 19,000 mappings", mapped(19000)),
		}, well: edits{mapped(13999)},
	}, {
		rule: "mem.page_tables_large", host: idle, fires: []rung{
			notice("10 % of RAM is page tables of programs: 97.7 MiB", total(), tables(100000)),
			warning("30 % of RAM", total(), tables(300000)),
		}, well: edits{total(), tables(99000)},
	}, {
		rule: "mem.sec_page_tables_large", host: idle, fires: []rung{
			notice("10 % of RAM is page tables of guests and devices", total(), line(meminfo, "SecPageTables:", "100000 kB")),
			warning("30 % of RAM", total(), line(meminfo, "SecPageTables:", "300000 kB")),
		}, well: edits{total(), line(meminfo, "SecPageTables:", "99000 kB")},
	}, {
		rule: "mem.vmalloc_large", host: idle, fires: []rung{
			notice("10 % of RAM is vmalloc memory of the kernel",
				total(), line(meminfo, "KernelStack:", "1000 kB"), line(meminfo, "VmallocUsed:", "101000 kB")),
			warning("30 % of RAM", total(), line(meminfo, "KernelStack:", "1000 kB"), line(meminfo, "VmallocUsed:", "301000 kB")),
		}, well: edits{total(), line(meminfo, "KernelStack:", "1000 kB"), line(meminfo, "VmallocUsed:", "99000 kB")},
	}, {
		rule: "mem.kernel_stack_large", host: idle, fires: []rung{
			notice("5.0 % of RAM is kernel stacks of threads: 48.8 MiB", total(), line(meminfo, "KernelStack:", "50000 kB")),
			warning("20 % of RAM", total(), line(meminfo, "KernelStack:", "200000 kB")),
		}, well: edits{total(), line(meminfo, "KernelStack:", "49000 kB")},
	}, {
		rule: "mem.shmem_large", host: idle, fires: []rung{
			notice("60 % of RAM is tmpfs files and shared memory: 586 MiB", total(), shared(600000)),
			warning("80 % of RAM", total(), shared(800000)),
		}, well: edits{total(), shared(400000)}, // a database may have that much on purpose
	}, {
		// Of another node half is free.
		rule: "mem.node_short", host: idle, fires: []rung{
			notice("NUMA node 0 has 4.0 % of its memory free or droppable, node 1 50 %", node(0, 10000, 30000), node(1, 500000, 0)),
			warning("NUMA node 1 has 1.0 % of its memory free or droppable, node 0 50 %", node(0, 500000, 0), node(1, 10000, 0)),
		}, well: edits{node(0, 10000, 30000), node(1, 200000, 0)}, // both are nearly full
	}, {
		rule: "mem.node_short", host: idle, fires: []rung{notice("NUMA node 0", node(0, 10000, 30000), node(1, 500000, 0))},
		well: edits{node(0, 10000, 300000), node(1, 500000, 0)}, // what it has is cache
	}, {
		rule: "mem.slab_unreclaimable_large", host: idle, fires: []rung{
			notice("20 % of RAM is slab that cannot be reclaimed", total(), slabs(200000)),
			warning("30 % of RAM", total(), slabs(300000)),
		}, well: edits{total(), slabs(149000)},
	}, {
		rule: "mem.dirty_throttled", host: idle, fires: []rung{
			notice("62.5 MiB is dirty or under writeback, 80 % of the level at which the kernel throttles writers", throttle(60000, 4000)),
			warning("78.1 MiB is dirty or under writeback, 100 %", throttle(20000, 60000)),
		}, well: edits{throttle(60000, 3000)},
	}, {
		rule: "mem.commit_near_limit", host: idle, fires: []rung{
			notice("90 % of CommitLimit is committed, and mode 2 refuses", commit("2", 900000)),
			warning("95 % of CommitLimit", commit("2", 950000)),
			critical("98 % of CommitLimit", commit("2", 980000)),
		}, well: edits{commit("2", 800000)},
	}, {
		// In another mode the limit is none.
		rule: "mem.commit_near_limit", host: idle, fires: []rung{notice("90 % of CommitLimit", commit("2", 900000))},
		well: edits{commit("0", 990000)}, idle: "the limit holds in mode 2 alone",
	}, {
		rule: "mem.swap_full", host: idle, fires: []rung{
			notice("swap is 80 % full: 195 MiB left, and of RAM 68.4 MiB is available (7.0 %)", swap(200000), total(), available(70000)),
			warning("swap is 90 % full: 97.7 MiB left", swap(100000), total(), available(70000)),
			critical("swap is 100 % full: 0 B left", swap(0), total(), available(70000)),
		}, well: edits{swap(300000), total(), available(70000)},
	}, {
		// Full for months, and nobody is short.
		rule: "mem.swap_full", host: idle, fires: []rung{
			few("swap is 100 % full: 0 B left, and of RAM 195 MiB is available (20 %)", swap(0), total(), available(200000)),
			warning("swap is 100 % full: 0 B left, and of RAM 97.7 MiB is available (10 %)", swap(0), total(), available(100000)),
		}, well: edits{swap(0), large(300<<20, 0)},
	}, {
		rule: "mem.pressure_some", host: idle, fires: []rung{
			notice("tasks are stalled on memory 7.5 % of the time", file(pressure, psi(7.5, 0, 0)), tight("20000")),
			warning("tasks are stalled on memory 25 %", file(pressure, psi(25, 0, 0)), tight("20000")),
			critical("tasks are stalled on memory 50 %", file(pressure, psi(50, 0, 0)), tight("20000")),
		}, well: edits{file(pressure, psi(4.99, 0, 0)), tight("20000")},
	}, {
		// The host has plenty: a cgroup at its own bound explains it, or at least it is not the host.
		rule: "mem.pressure_some", host: idle, fires: []rung{
			noWorse("tasks are stalled on memory 60 % of the time, though the host has 733 MiB free and reclaims none: "+
				"a cgroup at its own limit, or compaction",
				file(pressure, psi(60, 50, 0))),
		}, well: edits{file(pressure, psi(60, 50, 0)), holds(25, 482113, 91)},
	}, {
		rule: "mem.pressure_full", host: idle, fires: []rung{
			noWorse("all non-idle tasks of a CPU are stalled on memory 50 % of the time, though the host has 733 MiB free and reclaims none",
				file(pressure, psi(60, 50, 0))),
		}, well: edits{file(pressure, psi(60, 50, 0)), holds(25, 482113, 91)},
	}, {
		rule: "mem.pressure_full", host: idle, fires: []rung{
			notice("all non-idle tasks of a CPU are stalled on memory 2.5 % of the time", file(pressure, psi(2.5, 2.5, 0)), tight("20000")),
			warning("stalled on memory 12 % of the time", file(pressure, psi(12, 12, 0)), tight("20000")),
			critical("stalled on memory 30 % of the time", file(pressure, psi(30, 30, 0)), tight("20000")),
		}, well: edits{file(pressure, psi(4, 1.99, 0)), tight("20000")},
	}, {
		rule: "mem.hugetlb_idle", host: idle, fires: []rung{
			notice("20 % of RAM is in huge pages that nothing uses: 200 MiB", huge(150, 50)), // 100 of 2048 kB
			warning("31 % of RAM is in huge pages", huge(150, 0)),
		}, well: edits{huge(150, 126)},
	}, {
		// Pages of both sizes.
		rule: "mem.hugetlb_idle", host: idle, fires: []rung{
			warning("41 % of RAM is in huge pages that nothing uses: 400 MiB (144 MiB in pages of 2.0 MiB, 256 MiB in pages of 64.0 MiB)",
				huge(72, 0), pool("65536", 5, 4, 0)),
		}, well: edits{huge(10, 0), pool("65536", 5, 5, 5)},
	}, {
		rule: "mem.hardware_corrupted", host: idle,
		fires: []rung{notice("4.0 KiB of RAM is out of use as faulty", line(meminfo, "HardwareCorrupted:", "4 kB"))},
		well:  edits{line(meminfo, "HardwareCorrupted:", "0 kB")},
	}, {
		rule: "mem.zone_below_low", host: idle,
		fires: []rung{notice("zone DMA32 of node 0 has 46.9 MiB free, less than its low watermark, and no zone that could stand in has more: "+
			"kswapd reclaims", tight("12000"))},
		well: edits{tight("13857")},
	}, {
		rule: "mem.zone_below_min", host: idle,
		fires: []rung{warning("zone DMA32 of node 0 has 39.1 MiB free, less than its min watermark, and no zone that could stand in has more: "+
			"tasks must reclaim", tight("10000"))},
		well: edits{tight("12000")},
	}}
}

// thrash is how long tasks stood in the second, in percent, and how many pages came back.
func thrash(stood, pages int) edit {
	return some(tight("20000"), becomes(pressure, psi(9, 0, 0), psi(9, 0, stood*10000)),
		grows(vmstat, "workingset_refault_file", 0, uint64(pages)))
}

// slabs is how much SUnreclaim is, in kB, and what must go with it.
func slabs(n int) edit {
	return some(line(meminfo, "SUnreclaim:", fmt.Sprint(n, " kB")), line(meminfo, "SReclaimable:", "9000 kB"),
		line(meminfo, "Slab:", fmt.Sprint(n+9000, " kB")), line(meminfo, "MemFree:", "300000 kB"))
}

// slab is how much SUnreclaim is, and becomes, in kB.
func slab(was, now uint64) edit {
	return func(p *pair) {
		total()(p)
		available(700000)(p)
		slabs(int(max(was, now)))(p) // all of it
		p.was.put(p.t, meminfo, setLine(p.was.get(p.t, meminfo), "SUnreclaim:", fmt.Sprint(was, " kB")))
		p.now.put(p.t, meminfo, setLine(p.now.get(p.t, meminfo), "SUnreclaim:", fmt.Sprint(now, " kB")))
	}
}

// halves are free blocks of which half lies in those of 16 pages.
const halves = "Node 0, zone DMA 0 0 0 0 0 0 0 0 0 0 3\nNode 0, zone DMA32 16 0 0 0 1 0 0 0 0 0 0\n"

func strainTrials() []trial {
	return []trial{{
		rule: "mem.direct_reclaim", host: idle, fires: []rung{
			notice("30 times a second a task has to reclaim memory", grows(vmstat, "allocstall_normal", 100, 130)),
			warning("60 times a second", grows(vmstat, "allocstall_normal", 100, 130), grows(vmstat, "allocstall_movable", 7, 37)),
		}, well: edits{grows(vmstat, "allocstall_normal", 9000, 9000)},
	}, {
		rule: "mem.swapping_in", host: idle, fires: []rung{
			notice("100 pages per second are read from swap", grows(vmstat, "pswpin", 5000, 5100)),
			warning("1,000 pages per second", grows(vmstat, "pswpin", 5000, 6000)),
		}, well: edits{grows(vmstat, "pswpin", 5000, 5049)},
	}, {
		// On zram no disk is waited for.
		rule: "mem.swapping_in", host: idle, fires: []rung{
			warning("1,000 pages per second are read from swap, readahead included", swapped("/dev/sda2"), grows(vmstat, "pswpin", 5000, 6000)),
		}, well: edits{swapped("/dev/zram0"), grows(vmstat, "pswpin", 5000, 9000)},
	}, {
		rule: "mem.oom_kills", host: killer, fires: []rung{
			notice("3 processes were killed by the OOM killer since boot", grows(vmstat, "oom_kill", 3, 3)),
		}, well: edits{grows(vmstat, "oom_kill", 0, 0)},
	}, {
		rule: "mem.oom_kills_now", host: idle, fires: []rung{
			critical("1 process was killed by the OOM killer in 1 s", grows(vmstat, "oom_kill", 3, 4)),
		}, well: edits{grows(vmstat, "oom_kill", 3, 3)},
	}, {
		rule: "mem.thrashing", host: idle, fires: []rung{
			notice("in 1 s tasks were stalled on memory for 10 % of the time, and 2.0 MiB was read back", thrash(10, 512)),
			warning("stalled on memory for 20 % of the time", thrash(20, 512)),
			critical("stalled on memory for 50 % of the time", thrash(50, 512)),
		}, well: edits{thrash(50, 255)}, // less than 1 MiB a second came back
	}, {
		rule: "mem.thrashing", host: idle, fires: []rung{notice("stalled on memory for 5.0 % of the time", thrash(5, 256))},
		well: edits{thrash(4, 5000)},
	}, {
		rule: "mem.compaction_stalls", host: idle, fires: []rung{
			notice("20 times a second a task has to compact memory", grows(vmstat, "compact_stall", 1000, 1020)),
			warning("200 times a second", grows(vmstat, "compact_stall", 1000, 1200)),
		}, well: edits{grows(vmstat, "compact_stall", 1000, 1009)},
	}, {
		rule: "mem.fragmented", host: idle, fires: []rung{
			notice(
				"20 times a second no large block could be made by compaction: of the free memory in zone DMA32 of node 0, 50 % is in blocks of "+
					"more than 8 pages",
				grows(vmstat, "compact_fail", 1000, 1020),
				file("proc/buddyinfo", halves),
			),
			warning("200 times a second", grows(vmstat, "compact_fail", 1000, 1200), file("proc/buddyinfo", halves)),
		}, well: edits{grows(vmstat, "compact_fail", 1000, 1009)},
	}, {
		// 700,000 kB are available.
		rule: "mem.slab_growing", host: idle, over: 10 * time.Second, fires: []rung{
			notice("grew by 977 KiB per second to 68.1 MiB: at this rate it uses up MemAvailable in 11m56s", slab(60000, 69770)),
			warning("grew by 2.0 MiB per second to 78.1 MiB: at this rate it uses up MemAvailable in 5m50s", slab(60000, 80000)),
			critical("in 35 s", slab(60000, 260000)),
		}, well: edits{slab(60000, 61000)}, idle: "it grew by less than 0.5 % of RAM",
	}, {
		rule: "mem.slab_growing", host: idle, over: 10 * time.Minute, fires: []rung{notice("grew by 200 KiB per second", slab(60000, 180000))},
		well: edits{slab(60000, 70000)}, // 17 kB a second
	}, {
		// Of a little slab, or a little growth, nothing is said.
		rule: "mem.slab_growing", host: idle, fires: []rung{few("in 14 s", slab(60000, 110000))}, // a second of it may be a burst
		well: edits{slab(10000, 49000)}, idle: "slab has less than 5 % of RAM",
	}}
}
