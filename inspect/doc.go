// Package inspect reads facts from a host's /proc and /sys.
//
// A Host is a pair of trees: mounted here, mounted elsewhere, or saved. Its
// methods take snapshots (Mem, Procs, ProcMem) of just the sources that the
// caller wants; a source that gave nothing says why (Reason), and no missing
// number is ever a zero. This package explains nothing, prints nothing, keeps
// no state beside the Host, and writes to nothing that it reads. What /proc does not
// hold of a network is asked by netlink; a kernel whose netfilter can tell its hooks
// by a module loads it when root asks, as it does for nft and ss. It never opens
// a file whose reading has an effect: vm/lowmem_reserve_ratio recomputes the
// zones' reserves, vm/stat_refresh folds counters.
//
// Files are read through prometheus/procfs, with these exceptions, for which
// procfs is what the tests compare with:
//
//   - meminfo, status and smaps_rollup: procfs has no KReclaimable, Balloon or
//     GPUActive, one garbage line costs it the whole file, and an empty
//     smaps_rollup reads as zeros.
//   - vmstat: procfs has no reader.
//   - swaps: procfs takes an emptied file for a host without swap.
//   - zoneinfo: procfs has no per-CPU page lists, and takes a third of the time
//     of a whole run.
//   - buddyinfo, pressure and mountinfo: ten and more system calls each, and
//     procfs keeps every mount of a host that may have thousands; it has no
//     reader for a cgroup's pressure.
//   - slabinfo: a regular expression a line takes longer than the rest of a run.
//   - PID/stat, PID/status and PID/cmdline of all processes: three system calls
//     and a fixed buffer where procfs needs ten and more; it panics on a stat
//     that ends within the name.
//   - PID/maps: procfs joins the words of a path with single blanks, and keeps
//     20,000 mappings as objects where a few dozen regions are wanted.
//   - net/tcp, udp, raw, unix and the like: procfs stops at 1 MiB without a word,
//     cuts a path at its first blank, and one bad line costs the whole file. What
//     the files don't tell, the kernel is asked for: package sockdiag.
//   - self/cgroup: one line that does not parse costs procfs all of them.
//   - snmp, netstat and snmp6: procfs has a fixed set of counters, drops those that
//     it does not know, and holds them in float64.
//   - sockstat, softnet_stat, protocols and stat/nf_conntrack: procfs reads those of
//     kwhy's own network namespace alone, takes a softnet row before 5.10 for the
//     CPU of its number, and columns of conntrack by their place, which changed.
//   - net/dev: procfs loses the order of the interfaces.
//   - cgroup files, sysctls one by one (FS.VM reads all, those with effects
//     too), zram, node meminfo, hugepages, KSM: procfs has no reader.
package inspect
