// Package oom declares what kwhy says of the OOM killer: the ranking of its
// victims with the kernel's arithmetic, the memory cgroups in which it may
// strike, the host's policy, one process's badness, and the kills that a kernel
// log reports. It reads nothing and prints nothing.
package oom
