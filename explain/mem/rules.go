package mem

import (
	"fmt"
	"slices"

	"kwhy/explain"
	"kwhy/explain/units"
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
)

type rule = explain.Rule[*memfacts.Snapshot]

// hostRules judge a host's memory. Their thresholds are ratios unless the
// rule says otherwise.
func hostRules() []rule { return slices.Concat(stateRules(), largeRules(), intervalRules()) }

// largeRules judge parts of RAM that reclaim does not reach, and that are small on hosts in order.
func largeRules() []rule {
	large := func(id, name, key string, concept explain.Concept, at explain.At, get func(mem) value, means, says string) rule {
		return rule{
			ID: "mem." + id + "_large", What: name + " / MemTotal", Unit: explain.Ratio, Means: means,
			Evidence: []string{key, "mem_total"}, Concept: concept, Next: "kwhy explain " + string(concept), At: at,
			Of: func(m mem) value { return explain.Share(get(m), explain.Look(m.Info, "MemTotal")) },
			Say: func(m mem) string {
				return fmt.Sprintf("%s of RAM is %s: %s", ofRAM(m, get(m)), says, size(get(m))) + removed(m, id) + sharedBy(m, id)
			},
		}
	}
	few, some := explain.At{Notice: 0.05, Warning: 0.15}, explain.At{Notice: 0.10, Warning: 0.25}
	return []rule{
		large("percpu", "Percpu", "percpu", "per-cpu", some, meminfo("Percpu"),
			"Each per-CPU variable has a copy for every possible CPU. Cgroups have many, removed ones too as long as something "+
				"refers to them, and so have BPF maps and network namespaces. Only when these go is it freed.",
			"per-CPU memory of the kernel (cgroups, BPF maps and the like)"),
		large("page_tables", "PageTables", "page_tables", "page-tables", some, meminfo("PageTables"),
			"Every process that maps a memory has page tables of its own for it, 8 bytes for 4 KiB: many processes that map one large "+
				"shared memory multiply them, and huge pages make them small. They are freed when mappings go or processes end.",
			"page tables of programs"),
		large("sec_page_tables", "SecPageTables", "sec_page_tables", "page-tables", some, meminfo("SecPageTables"),
			"Page tables of virtual machines (KVM) and, by 6.12, of devices (IOMMU): freed when the guest ends or the device lets go.",
			"page tables of guests and devices"),
		large("vmalloc", "VmallocUsed without kernel stacks", "vmalloc_less_stacks", "vmalloc", some, vmallocRest,
			"Large buffers of the kernel, its modules and BPF programs. Nothing reclaims them: only what allocated them can free them. "+
				"/proc/vmallocinfo says who did (root).",
			"vmalloc memory of the kernel"),
		large("kernel_stack", "KernelStack", "kernel_stack", "kernel-stack", few, meminfo("KernelStack"),
			"Every thread has a kernel stack, 16 KiB as a rule on 64 bits, for as long as it lives, asleep or not.",
			"kernel stacks of threads"),
		large("shmem", "Shmem", "shmem", "shared-memory", explain.At{Notice: 0.50, Warning: 0.80}, meminfo("Shmem"),
			"Files of tmpfs stay until they are deleted, also when the process that wrote them has ended: no kill frees them. "+
				"Shared memory without a name goes with its last user. Only swap can take them, where it has room.",
			"tmpfs files and shared memory"),
	}
}

// removed says of how many removed cgroups something is left, where that is much per-CPU memory.
func removed(m mem, id string) string {
	if n := dying(m); id == "percpu" && n.Has() && n.Int() >= 100 {
		return fmt.Sprintf("; %s cgroups are removed and not freed yet", num(n))
	}
	return ""
}

// stateRules judge the current state, and some counters.
func stateRules() []rule {
	return []rule{{
		ID: "mem.available_low", What: "(MemAvailable + what ZFS's ARC yields) / (MemTotal − Hugetlb), of which 64 GiB at most",
		Unit: explain.Ratio,
		Means: "MemAvailable is what the kernel can allocate without swapping. " +
			"Below the min watermarks every allocation first has to reclaim, and where that fails the OOM killer kills a process.",
		Evidence: []string{"mem_available", "mem_total", "hugetlb"}, Concept: "available-memory", Next: "kwhy explain available-memory",
		Here: pooledToo("mem_available", "mem_total"),
		Of:   availableShare, Below: true, At: explain.At{Notice: 0.15, Warning: 0.08, Critical: 0.03},
		Say: func(m mem) string {
			s := fmt.Sprintf("only %s of RAM is available: %s", ofRAM(m, available(m)), size(available(m)))
			if n := yields(m); n > 0 {
				s += fmt.Sprintf(", and %s more where ZFS's cache gives way", units.Size(uint64(n)))
			}
			if pool := hugetlb(m); pool.Has() && !pool.Zero() {
				s += fmt.Sprintf("; %s is in pools of huge pages", size(pool))
			}
			return s
		},
	}, {
		ID: "mem.available_wrong", What: "(MemFree − what the kernel can keep back − MemAvailable) / MemTotal", Unit: explain.Ratio,
		Means: "The kernel's own rule begins with the free pages beyond its reserve and adds to that: MemAvailable can't be far below. " +
			"Programs that go by it (free, monitoring, killers in user space) see a shortage that is none.",
		Evidence: []string{"mem_available", "mem_free"}, Concept: "available-memory", Next: "kwhy explain available-memory",
		Of: func(m mem) value {
			if v := belied(m); v.Has() || !explain.Look(m.Info, "MemAvailable").Has() {
				return v
			}
			return explain.F(0)
		}, At: explain.At{Notice: 0.10},
		Say: func(m mem) string {
			return fmt.Sprintf("MemAvailable of %s can't be right: MemFree alone is %s (%s of RAM)", size(explain.Look(m.Info, "MemAvailable")),
				size(explain.Look(m.Info, "MemFree")), ofRAM(m, explain.Look(m.Info, "MemFree")))
		},
	}, {
		ID: "mem.cgroup_near_limit", What: "memory that cannot be reclaimed / the limit of the cgroup that bounds kwhy", Unit: explain.Ratio,
		Means: "At the limit the kernel reclaims from this cgroup alone, " +
			"and if that frees nothing it kills a process in it or below, however much the host has free.",
		Evidence: []string{"cgroup_room", "cgroup_limit"}, Concept: "memory-cgroup", Next: "kwhy explain memory-cgroup",
		Of: func(m mem) value {
			if at := cgroupfacts.Closest(m.Cgroups); at >= 0 {
				return Pressed(m, &m.Cgroups[at])
			}
			return value{}
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.97},
		Say: func(m mem) string {
			c := &m.Cgroups[cgroupfacts.Closest(m.Cgroups)]
			limit, _ := c.Limit()
			return fmt.Sprintf("%s of the limit of cgroup %s (%s) is used by memory that cannot be reclaimed",
				units.AppendPercent(nil, Pressed(m, c).Float()), c.Path, units.Size(limit))
		},
	}, {
		ID: "mem.untracked_large", What: "(RAM in no counter − ZFS's ARC) / MemTotal", Unit: explain.Ratio,
		Means: "Pages that somebody allocated directly from the page allocator: drivers of graphics or network cards, a balloon, " +
			"ZFS, a leak. Nothing in /proc says who. Few are in the RSS of a process: what a driver maps into it.",
		Evidence: []string{"untracked", "mem_total"}, Concept: "untracked-memory", Next: "kwhy explain untracked-memory",
		Of: func(m mem) value { return explain.Share(unowned(m), explain.Look(m.Info, "MemTotal")) },
		At: explain.At{Notice: 0.10, Warning: 0.30},
		Say: func(m mem) string {
			return fmt.Sprintf("%s of RAM is in no counter: %s", ofRAM(m, untracked(m)), size(untracked(m))) + maybeIn(m)
		},
	}, {
		ID: "mem.slab_unreclaimable_large", What: "SUnreclaim / MemTotal", Unit: explain.Ratio,
		Means: "Kernel objects that are in use: reclaim cannot free them, only their owners can, by closing, " +
			"unmounting or ending. Leaked kernel memory is counted here too.",
		Evidence: []string{"s_unreclaim", "mem_total"}, Concept: "slab", Next: "kwhy explain slab",
		Of: func(m mem) value {
			return explain.Share(explain.Look(m.Info, "SUnreclaim"), explain.Look(m.Info, "MemTotal"))
		}, At: explain.At{Notice: 0.15, Warning: 0.30},
		Say: func(m mem) string {
			return fmt.Sprintf("%s of RAM is slab that cannot be reclaimed", ofRAM(m, explain.Look(m.Info, "SUnreclaim")))
		},
	}, {
		ID: "mem.dirty_throttled", What: "(Dirty + Writeback) / the mean of nr_dirty_threshold and nr_dirty_background_threshold",
		Unit:     explain.Ratio,
		Means:    "From here on the kernel throttles writers in write() to the speed of the disk, so that dirty pages do not fill RAM.",
		Evidence: []string{"dirty", "writeback", "nr_dirty_threshold"}, Concept: "dirty-pages", Next: "kwhy explain dirty-pages",
		Of: func(m mem) value { return explain.Share(dirtyNow(m), freerun(m)) }, At: explain.At{Notice: 0.80, Warning: 1},
		Say: func(m mem) string {
			return fmt.Sprintf("%s is dirty or under writeback, %s of the level at which the kernel throttles writers",
				size(dirtyNow(m)), percentOf(dirtyNow(m), freerun(m)))
		},
	}, {
		ID: "mem.commit_near_limit", What: "Committed_AS / CommitLimit, where overcommit_memory is 2", Unit: explain.Ratio,
		Means:    "In this mode mmap, brk and fork fail with ENOMEM near the limit, however much RAM is free.",
		Evidence: []string{"committed_as", "commit_limit", "overcommit_memory"}, Concept: "overcommit", Next: "kwhy explain overcommit",
		Of: func(m mem) value {
			if mode(m) != 2 {
				return value{}
			}
			return explain.Share(explain.Look(m.Info, "Committed_AS"), explain.Look(m.Info, "CommitLimit"))
		}, At: explain.At{Notice: 0.85, Warning: 0.93, Critical: 0.98},
		Say: func(m mem) string {
			return fmt.Sprintf("%s of CommitLimit is committed, and mode 2 refuses requests from somewhat below it on",
				percentOf(explain.Look(m.Info, "Committed_AS"), explain.Look(m.Info, "CommitLimit")))
		},
	}, {
		ID: "mem.swap_full", What: "(SwapTotal − SwapFree) / SwapTotal, where less than a quarter of RAM (of 64 GiB at most) is available",
		Unit: explain.Ratio,
		Means: "Anonymous memory can't be swapped out any more: reclaim can only drop file pages, " +
			"and when those are gone the OOM killer acts. While RAM is available a full swap is no shortage: it holds what nobody needs.",
		Evidence: []string{"swap_free", "swap_total", "mem_available"}, Concept: "swap", Next: "kwhy explain swap",
		Of: swapFull, At: explain.At{Notice: 0.75, Warning: 0.90, Critical: 0.98}, Most: byAvailable,
		Say: func(m mem) string {
			s := fmt.Sprintf("swap is %s full: %s left", percentOf(swapUsed(m), explain.Look(m.Info, "SwapTotal")),
				size(explain.Look(m.Info, "SwapFree")))
			if a := available(m); a.Has() {
				s += fmt.Sprintf(", and of RAM %s is available (%s)", size(a), ofRAM(m, a))
			}
			return s
		},
	}, {
		ID: "mem.pressure_some", Unless: "mem.thrashing", What: "PSI memory some avg10, where no cgroup at its own bound explains it",
		Unit:     explain.Ratio,
		Means:    "Tasks were stalled because memory had to be reclaimed, compacted, or read back first: the host's, or that of their cgroup.",
		Evidence: []string{"pressure_memory_some"}, Concept: "pressure", Next: "kwhy explain pressure",
		Of: hostStall(some), At: explain.At{Notice: 0.05, Warning: 0.20, Critical: 0.50}, Most: byRoom,
		Say: func(m mem) string {
			return fmt.Sprintf("tasks are stalled on memory %.3g %% of the time", some(m).Avg10) + notTheHost(m)
		},
	}, {
		ID: "mem.pressure_full", What: "PSI memory full avg10, where no cgroup at its own bound explains it", Unit: explain.Ratio,
		Means:    "On a CPU all non-idle tasks were stalled at once, and nobody did useful work there: the mean of the CPUs.",
		Evidence: []string{"pressure_memory_full"}, Concept: "pressure", Next: "kwhy explain pressure",
		Of: hostStall(full), At: explain.At{Notice: 0.02, Warning: 0.10, Critical: 0.30}, Most: byRoom,
		Say: func(m mem) string {
			return fmt.Sprintf("all non-idle tasks of a CPU are stalled on memory %.3g %% of the time", full(m).Avg10) + notTheHost(m)
		},
	}, {
		// A rate: stalls per second. Stalls since boot say nothing about now.
		ID: "mem.direct_reclaim", What: "allocstall, per second", Unit: explain.Decimal, Basis: explain.Interval,
		Means:    "kswapd, which reclaims in the background, does not keep up: tasks that allocate a page have to reclaim first, and wait.",
		Evidence: []string{"allocstall"}, Concept: "reclaim", Next: "kwhy explain reclaim",
		Of: rateOf(perZone("allocstall")), At: explain.At{Notice: 1, Warning: 50},
		Say: func(m mem) string {
			return explain.Often(rateOf(perZone("allocstall"))(m).Float()) + " a task has to reclaim memory before it gets any"
		},
	}, {
		// A rate: pages per second.
		ID: "mem.swapping_in", What: "pswpin, per second, where not all swap is zram", Unit: explain.Decimal, Basis: explain.Interval,
		Means: "Pages that were swapped out are needed again: tasks wait until they are read back. Readahead, which reads the neighbours " +
			"of a page too, is counted with them. Pages that come from zswap are not (zswpin), and on zram there is no disk to wait for.",
		Evidence: []string{"pswpin"}, Concept: "swap", Next: "kwhy explain swap",
		Of: swappingIn, At: explain.At{Notice: 50, Warning: 1000},
		Say: func(m mem) string {
			s := fmt.Sprintf("%s pages per second are read from swap, readahead included", decimal(rateOf(vmstat("pswpin"))(m)))
			if some, _ := onZram(m); some {
				s += "; a part of them may come from zram, which is RAM"
			}
			return s
		},
	}, {
		// A count: victims since boot, or over the interval.
		ID: "mem.oom_kills", Unless: "oom.killed_lately", What: "oom_kill", Unit: explain.Count, Basis: explain.Ever,
		Means: "The kernel found nothing more to reclaim, on the host, on the nodes allowed or in a cgroup (or was told to by sysrq f), " +
			"and killed a process.",
		Evidence: []string{"oom_kill"}, Concept: "oom-killer", Next: "kwhy oom log",
		Of: func(m mem) value {
			if _, _, ok := m.Before(); ok && !rateOf(vmstat("oom_kill"))(m).Zero() {
				return value{} // the interval says more
			}
			return vmstat("oom_kill")(m)
		}, At: explain.At{Notice: 1},
		Say: func(m mem) string {
			n := vmstat("oom_kill")(m)
			return fmt.Sprintf("%s killed by the OOM killer since boot", units.Plural(n.Int(), "process was", "processes were"))
		},
	}, {
		ID: "mem.hugetlb_idle", What: "free and unreserved huge pages of all sizes / MemTotal", Unit: explain.Ratio,
		Means: "hugetlb pages are taken out of general use when they are allocated; " +
			"nothing else can use them while they are idle, and reclaim cannot free them.",
		Evidence: []string{"hugetlb", "hugetlb_idle", "huge_pages_free"}, Concept: "huge-pages", Next: "kwhy explain huge-pages",
		Of: func(m mem) value { return explain.Share(idleHuge(m), explain.Look(m.Info, "MemTotal")) },
		At: explain.At{Notice: 0.05, Warning: 0.25},
		Say: func(m mem) string {
			s := fmt.Sprintf("%s of RAM is in huge pages that nothing uses: %s", ofRAM(m, idleHuge(m)), size(idleHuge(m)))
			switch p := poolsOf(m); {
			case p.each != "":
				s += " (" + p.each + ")"
			case !p.idle.Has():
				s += ", of the default size alone"
			}
			return s
		},
	}, {
		ID: "mem.cgroups_dying", What: "nr_dying_descendants of the root cgroup; of version 1 /proc/cgroups less those that are there",
		Unit: explain.Count,
		Means: "A cgroup that was removed stays as long as something refers to it: memory in swap, a socket, a BPF program, pages of the " +
			"cache (by 7.1 no longer), slab objects (up to 5.2). Each keeps per-CPU memory, and makes reclaim and the reading of " +
			"memory.stat slower.",
		Evidence: []string{"cgroups_dying"}, Concept: "memory-cgroup", Next: "kwhy explain memory-cgroup",
		Of: dying, At: explain.At{Notice: 2000, Warning: 20000},
		Say: func(m mem) string {
			return fmt.Sprintf("%s cgroups are removed, and not freed because something still refers to them", num(dying(m)))
		},
	}}
}

// pooledToo are the keys, and where RAM is in pools of huge pages that too.
func pooledToo(keys ...string) func(mem) []string {
	return func(m mem) []string {
		if or0(hugetlb(m)).Zero() {
			return keys
		}
		return slices.Concat(keys, []string{"hugetlb"})
	}
}

// rateOf is how much a counter grew per second; absent without an interval.
func rateOf(get func(mem) value) func(mem) value {
	return func(m mem) value {
		was, over, ok := m.Before()
		if !ok || over <= 0 {
			return value{}
		}
		now, before := get(m), get(was)
		if !now.Has() || !before.Has() || before.Float() > now.Float() {
			return value{}
		}
		return explain.F((now.Float() - before.Float()) / over.Seconds())
	}
}

func zoneRules() []explain.Rule[zoneRow] {
	against := func(mark string) func(zoneRow) value {
		return func(r zoneRow) value {
			if r.It.Pages["managed"] == 0 {
				return value{}
			}
			return served(r, mark)
		}
	}
	say := func(mark, means string) func(zoneRow) string {
		return func(r zoneRow) string {
			return fmt.Sprintf("zone %s of node %d has %s free, less than its %s watermark, and no zone that could stand in has more: %s",
				r.It.Name, r.It.Node, size(zonePages("free")(r)), mark, means)
		}
	}
	return []explain.Rule[zoneRow]{
		{ID: "mem.zone_below_low", What: "free / the low watermark, of the zone or of the best that the same requests can take",
			Unit:     explain.Ratio,
			Means:    "kswapd is awake and reclaims until the high watermark is reached.",
			Evidence: []string{"free", "low"}, Concept: "watermarks", Next: "kwhy explain watermarks",
			Of: against("low"), Below: true, At: explain.At{Notice: 1}, Say: say("low", "kswapd reclaims")},
		{ID: "mem.zone_below_min", What: "free / the min watermark, of the zone or of the best that the same requests can take",
			Unit:     explain.Ratio,
			Means:    "The rest is reserved for allocations that may not wait; all others have to reclaim first.",
			Evidence: []string{"free", "min"}, Concept: "watermarks", Next: "kwhy explain watermarks",
			Of: against("min"), Below: true, At: explain.At{Warning: 1}, Say: say("min", "tasks must reclaim before they get a page")},
	}
}

func cgroupRules() []explain.Rule[cgroupRow] {
	return []explain.Rule[cgroupRow]{{
		ID: "mem.cgroup_level_near_limit", What: "memory that cannot be reclaimed / limit, of a cgroup above the one that bounds kwhy",
		Unit:     explain.Ratio,
		Means:    "An ancestor's limit applies to all cgroups below it: at the limit the kernel reclaims from, and kills in, all of them.",
		Evidence: []string{"use", "limit"}, Concept: "memory-cgroup", Next: "kwhy explain memory-cgroup",
		Of: func(r cgroupRow) value {
			if r.N == cgroupfacts.Closest(r.In.Cgroups) {
				return value{} // mem.cgroup_near_limit speaks of that one
			}
			return Pressed(r.In, r.It)
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.97},
		Say: func(r cgroupRow) string {
			return fmt.Sprintf("%s of the limit of cgroup %s is used by memory that cannot be reclaimed",
				units.AppendPercent(nil, Pressed(r.In, r.It).Float()), r.It.Path)
		},
	}}
}

func processRules() []explain.Rule[procMem] {
	return []explain.Rule[procMem]{{
		ID: "mem.maps_near_limit", What: "mappings / vm.max_map_count", Unit: explain.Ratio,
		Means:    "At the limit mmap, mprotect and new threads fail with ENOMEM, even if memory is free.",
		Evidence: []string{"map_count", "max_map_count"}, Concept: "address-space", Next: "kwhy explain address-space",
		Of: mapShare, At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.95},
		Say: func(m procMem) string {
			return fmt.Sprintf("it has %s of the mappings that vm.max_map_count allows", units.AppendPercent(nil, mapShare(m).Float()))
		},
	}}
}
