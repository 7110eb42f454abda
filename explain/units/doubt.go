package units

import (
	"time"

	"kwhy/inspect"
)

// Doubt says why what a source says is not the kernel's own: "a file of fuse.lxcfs is mounted
// over it". It is "" where there is no doubt.
func Doubt(d inspect.Doubt) string {
	switch d.Kind {
	case inspect.MountedOver:
		if d.By == "" {
			return "another file is mounted over it"
		}
		return "a file of " + d.By + " is mounted over it"
	case inspect.Emulated:
		if d.By == "" {
			return "no Linux kernel wrote it: it counts no CPU time, context switch or fork"
		}
		return d.By + " wrote it, and no Linux kernel"
	case inspect.Contradicts:
		return d.Part + " (" + doubtful(d, d.Is) + ") is more than " + d.Whole + " (" + doubtful(d, d.Of) + "), and can't be"
	case inspect.NotCounted:
		return "its counters stand at 0, and every Linux kernel counts"
	case inspect.StoodStill:
		return "its counters stood still, and those of a running kernel move"
	}
	return ""
}

// Instead says where the kernel's own figures are, of a source that is in doubt; "" where that is not
// known. lxcfs makes its files of the cgroup of who reads them.
func Instead(d inspect.Doubt) string {
	if d.Kind != inspect.MountedOver || d.By != "fuse.lxcfs" {
		return ""
	}
	return "What this container may use and uses is in its cgroup: memory.max, memory.current and memory.stat " +
		"(version 1: memory.limit_in_bytes, memory.usage_in_bytes), cpu.max, cpu.stat"
}

// doubtful writes one of the figures of a contradiction.
func doubtful(d inspect.Doubt, n uint64) string {
	if d.Times {
		return Span(time.Duration(n * uint64(10*time.Millisecond)).Seconds())
	}
	return Size(n)
}
