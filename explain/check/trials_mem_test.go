package check_test

import (
	"fmt"
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

func available(kb int) edit { return line(meminfo, "MemAvailable:", fmt.Sprint(kb, " kB")) }

// psi is a file of /proc/pressure with the means of 10 s in percent, and how long tasks
// stood in all, in µs.
func psi(some, full float64, total int) string {
	return fmt.Sprintf("some avg10=%.2f avg60=0.00 avg300=0.00 total=%d\nfull avg10=%.2f avg60=0.00 avg300=0.00 total=0\n", some, total, full)
}

// group is a cgroup with a limit of 100 MiB and 1 MiB of file pages.
func group(dir string, used int) edit {
	return some(file(dir+"memory.max", "104857600\n"), file(dir+"memory.current", fmt.Sprint(used<<20, "\n")),
		line(dir+"memory.stat", "inactive_file", "1048576"), line(dir+"memory.stat", "active_file", "0"))
}

// throttle is where writers are slowed down: at 20,000 pages, which are 80,000 kB.
func throttle(dirty, writeback int) edit {
	return some(line(vmstat, "nr_dirty_threshold", "30000"), line(vmstat, "nr_dirty_background_threshold", "10000"),
		line(meminfo, "Dirty:", fmt.Sprint(dirty, " kB")), line(meminfo, "Writeback:", fmt.Sprint(writeback, " kB")))
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
	)
}

// dma32 is how much is free in the zone with a min watermark of 11,086 pages and a low
// one of 13,857.
func dma32(free string) edit {
	return instead(zoneinfo, "pages free     183831\n", "pages free     "+free+"\n")
}

func memTrials() []trial {
	return []trial{{
		rule: "mem.available_low", host: idle, fires: []rung{
			notice("only 14 % of RAM is available: 137 MiB", total(), available(140000)),
			warning("only 7.0 % of RAM is available: 68.4 MiB", total(), available(70000)),
			critical("only 2.0 % of RAM is available: 19.5 MiB", total(), available(20000)),
		}, well: edits{total(), available(150000)}, // 15 % is not below 15 %
	}, {
		// Of 85 MiB 1 MiB can be dropped.
		rule: "mem.cgroup_near_limit", host: idle, fires: []rung{
			notice("84 % of the limit of cgroup /app/web (100 MiB) is used", group(web, 85)),
			warning("94 % of the limit of cgroup /app/web", group(web, 95)),
			critical("98 % of the limit of cgroup /app/web", group(web, 99)),
		}, well: edits{group(web, 80)},
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
		rule: "mem.slab_unreclaimable_large", host: idle, fires: []rung{
			notice("20 % of RAM is slab that cannot be reclaimed", total(), line(meminfo, "SUnreclaim:", "200000 kB")),
			warning("30 % of RAM", total(), line(meminfo, "SUnreclaim:", "300000 kB")),
		}, well: edits{total(), line(meminfo, "SUnreclaim:", "149000 kB")},
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
			notice("swap is 80 % full: 195 MiB left", swap(200000)),
			warning("swap is 90 % full: 97.7 MiB left", swap(100000)),
			critical("swap is 100 % full: 0 B left", swap(0)),
		}, well: edits{swap(300000)},
	}, {
		rule: "mem.pressure_some", host: idle, fires: []rung{
			notice("tasks are stalled on memory 7.5 % of the time", file(pressure, psi(7.5, 0, 0))),
			warning("tasks are stalled on memory 25 %", file(pressure, psi(25, 0, 0))),
			critical("tasks are stalled on memory 50 %", file(pressure, psi(50, 0, 0))),
		}, well: edits{file(pressure, psi(4.99, 0, 0))},
	}, {
		rule: "mem.pressure_full", host: idle, fires: []rung{
			notice("all non-idle tasks are stalled on memory 2.5 % of the time", file(pressure, psi(2.5, 2.5, 0))),
			warning("stalled on memory 12 % of the time", file(pressure, psi(12, 12, 0))),
			critical("stalled on memory 30 % of the time", file(pressure, psi(30, 30, 0))),
		}, well: edits{file(pressure, psi(4, 1.99, 0))},
	}, {
		rule: "mem.hugetlb_idle", host: idle, fires: []rung{
			notice("20 % of RAM is in huge pages that nothing uses: 200 MiB", huge(150, 50)), // 100 of 2048 kB
			warning("31 % of RAM is in huge pages", huge(150, 0)),
		}, well: edits{huge(150, 126)},
	}, {
		rule: "mem.hardware_corrupted", host: idle,
		fires: []rung{notice("4.0 KiB of RAM is faulty and out of use", line(meminfo, "HardwareCorrupted:", "4 kB"))},
		well:  edits{line(meminfo, "HardwareCorrupted:", "0 kB")},
	}, {
		rule: "mem.zone_below_low", host: idle,
		fires: []rung{notice("zone DMA32 of node 0 has 46.9 MiB free, less than its low watermark: kswapd reclaims", dma32("12000"))},
		well:  edits{dma32("13857")},
	}, {
		rule: "mem.zone_below_min", host: idle,
		fires: []rung{warning("zone DMA32 of node 0 has 39.1 MiB free, less than its min watermark: tasks must reclaim", dma32("10000"))},
		well:  edits{dma32("12000")},
	}}
}

// thrash is how long tasks stood in the second, in percent, and how many pages came back.
func thrash(stood, pages int) edit {
	return some(becomes(pressure, psi(9, 0, 0), psi(9, 0, stood*10000)), grows(vmstat, "workingset_refault_file", 0, uint64(pages)))
}

// slab is how much SUnreclaim is, and becomes, in kB.
func slab(was, now uint64) edit {
	return func(p *pair) {
		total()(p)
		available(700000)(p)
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
