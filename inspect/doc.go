// Package inspect reads facts from a host's /proc and /sys.
//
// A Host is a pair of trees: mounted here, mounted elsewhere, or saved. The packages
// below take snapshots of it (mem.Take, proc.Scan, net.Take) with just the sources that
// the caller wants; a source that gave nothing says why (Reason), and no missing
// number is ever a zero. They explain nothing, print nothing, keep
// no state besides the Host, and write to nothing that they read. What /proc does not
// hold of a network is asked by netlink; a kernel whose netfilter can tell its hooks
// by a module loads it when root asks, as it does for nft and ss. No file is opened
// whose reading has an effect: vm/lowmem_reserve_ratio recomputes the
// zones' reserves, vm/stat_refresh folds counters.
//
// The bytes come through Tree and Dir, and what a kernel is asked besides its files through
// kernel.go: nothing else opens, reads or asks (seam_test.go).
//
// A running host's files are read with prometheus/procfs where that has all that kwhy says
// of them: what is read once for the whole host, and the report of one process. The column
// procfs of the source table names the call; ByProcfs makes it, and a reader of our own
// reads copies, and files that procfs does not read. docs/dependencies.md lists both
// kinds, and why; the tests named ...AsProcfs give both readers the same bytes.
package inspect
