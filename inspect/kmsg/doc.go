// Package kmsg finds the OOM kills in a kernel log: the ring buffer's records,
// what dmesg and journalctl print, and what syslog daemons write, of kernels
// from 2.6.32 on.
//
// It reads line by line and keeps one report at a time, so that a log of any
// size takes the same memory. What a text does not say stays unset. A line
// counts only as the kernel's own message and from its start: not what another
// program logged, and not what a process put into its name. The package judges
// nothing and prints nothing.
package kmsg
