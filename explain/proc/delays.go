package proc

import (
	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// delays are the kernel's delay accounting. The fields come with versions of the
// kernel's structure.
func delays() []detailField {
	field := func(key, label, gist string, concept explain.Concept, version uint16, get func(*procfacts.Delays) procfacts.Delay) detailField {
		return told(doc{
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
		field("cpu_delay", "others on the CPU", "It was ready, and others had the CPU.", "cpu-time", 1, func(d of) procfacts.Delay {
			return d.CPU
		}),
		field("blkio_delay", "block devices", "It waited for a block device that it had asked itself.",
			"page-cache", 1, func(d of) procfacts.Delay {
				return d.Block
			}),
		field("swapin_delay", "swap", "It waited for pages from swap.", "swap", 1, func(d of) procfacts.Delay { return d.Swapin }),
		field("freepages_delay", "reclaim", "It had to free memory itself before it got some.", "reclaim", 7, func(d of) procfacts.Delay {
			return d.Reclaim
		}),
		field("thrashing_delay", "thrashing", "It waited for pages that the page cache had just lost.",
			"working-set", 9, func(d of) procfacts.Delay {
				return d.Thrashing
			}),
		field("compact_delay", "compaction", "It had to bring free pages together.", "compaction", 11, func(d of) procfacts.Delay {
			return d.Compaction
		}),
		field("wpcopy_delay", "copying pages", "It copied pages that it had shared until it wrote to them.",
			"page-fault", 13, func(d of) procfacts.Delay {
				return d.Copy
			}),
		field("irq_delay", "interrupts", "Interrupts took time from it.", "interrupts", 14, func(d of) procfacts.Delay { return d.IRQ }),
	}
}
