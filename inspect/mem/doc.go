// Package mem reads memory: the host's (meminfo, vmstat, zones, swap, slabs, huge
// pages, the memory cgroups above kwhy) and one process's mappings.
package mem
