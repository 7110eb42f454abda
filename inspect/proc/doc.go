// Package proc reads processes and threads: the scan of them all, which reads of each
// no more than is asked for, and all that the kernel shows of one.
package proc
