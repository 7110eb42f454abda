// Package mem is the glossary of memory: every value of `kwhy mem` and
// `kwhy mem PID`, what it means, what it says here and now, how the kernel
// computed it, and from which threshold it deserves attention.
//
// It reads no file and prints nothing: its functions look at snapshots of
// package inspect and return literals of package explain. The kernel's
// arithmetic is in package explain/kernel.
package mem
