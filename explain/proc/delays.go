package proc

import (
	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// delays are the kernel's delay accounting. The fields depend on the version of the
// kernel's structure.
func delays() []detailField {
	delay := func(key, label, gist string, concept explain.Concept, version uint16, get func(*procfacts.Delays) procfacts.Delay) detailField {
		return declare(doc{
			Key: key, Label: label, Unit: explain.Seconds, Counter: true,
			Source:  inspect.Taskstats,
			Gist:    gist,
			Concept: concept,
		}, func(d detail) value {
			if d.Delays.Version < version {
				return explain.None(inspect.Unsupported)
			}
			return explain.F(get(&d.Delays).Seconds)
		}, func(d detail) string {
			n := get(&d.Delays)
			if n.Count == 0 {
				return "Never."
			}
			return units.Plural(n.Count, "time", "times") + ", " + units.Span(n.Seconds/float64(n.Count)) + " each."
		})
	}
	type of = *procfacts.Delays
	return []detailField{
		delay("cpu_delay", "waiting for CPU", "Time it was runnable and waited for a CPU.", "cpu-time", 1, func(d of) procfacts.Delay {
			return d.CPU
		}),
		delay("blkio_delay", "block devices", "Time it waited for block I/O that it had submitted itself.",
			"page-cache", 1, func(d of) procfacts.Delay {
				return d.Block
			}),
		delay("swapin_delay", "swap", "Time it waited for pages from swap.", "swap", 1, func(d of) procfacts.Delay { return d.Swapin }),
		delay("freepages_delay", "reclaim", "Time it spent in direct reclaim to get memory.", "reclaim", 7, func(d of) procfacts.Delay {
			return d.Reclaim
		}),
		delay("thrashing_delay", "thrashing", "Time it waited for pages that had just been evicted.",
			"working-set", 9, func(d of) procfacts.Delay {
				return d.Thrashing
			}),
		delay("compact_delay", "compaction", "Time it spent in compaction to get contiguous pages.",
			"compaction", 11, func(d of) procfacts.Delay {
				return d.Compaction
			}),
		delay("wpcopy_delay", "copy on write", "Time it spent copying shared pages on write.",
			"page-fault", 13, func(d of) procfacts.Delay {
				return d.Copy
			}),
		delay("irq_delay", "interrupts", "Time that interrupts took while it was on a CPU.", "interrupts", 14, func(d of) procfacts.Delay {
			return d.IRQ
		}),
	}
}
