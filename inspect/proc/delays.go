package proc

import (
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// Delay is how often, and how long in all, a process was kept from going on by
// one cause.
type Delay struct {
	Count   uint64
	Seconds float64
}

// Delays is the kernel's delay accounting of a process, over all of its threads,
// those that have ended among them (Documentation/accounting/delay-accounting.rst).
type Delays struct {
	CPU        Delay // ready, and others had the CPU
	Block      Delay // waited for a block device that it had asked itself
	Swapin     Delay // waited for a page from swap
	Reclaim    Delay // had to free memory itself
	Thrashing  Delay // waited for a page that was in the page cache a moment ago; from version 9
	Compaction Delay // had to bring pages together; from version 11
	Copy       Delay // copied pages that were shared for writing; from version 13
	IRQ        Delay // interrupts took its time; from version 14

	Version uint16 // of the kernel's structure: what it does not have is zero
}

// delays asks the kernel for the delay accounting of a process. The kernel counts
// what a CPU was waited for in any case, and the rest where kernel.task_delayacct
// is on.
func delays(h *inspect.Host, d *Detail) (out Delays, why inspect.Reason) {
	if !h.SameProcesses() {
		return out, inspect.Inapplicable // the numbers there mean other processes, or another kernel's
	}
	on, err := h.Proc.Number("sys/kernel/task_delayacct")
	if err == nil && on == 0 {
		return out, inspect.Disabled
	}
	b, err := taskstats(h, uint32(d.Row.P.PID), d.Row.P.TGID == 0)
	if err != nil {
		return out, h.PidReason(d.Row.P.Dir(), err)
	}
	return parseTaskstats(b)
}

// taskstats asks for a process's statistics, or a thread's, by generic netlink.
func taskstats(h *inspect.Host, id uint32, process bool) ([]byte, error) {
	ask := netlink.NewAttributeEncoder()
	if process {
		ask.Uint32(unix.TASKSTATS_CMD_ATTR_TGID, id)
	} else {
		ask.Uint32(unix.TASKSTATS_CMD_ATTR_PID, id)
	}
	data, err := ask.Encode()
	if err != nil {
		return nil, err
	}
	answers, err := h.GenericNetlink("TASKSTATS", unix.TASKSTATS_CMD_GET, data)
	if err != nil {
		return nil, err
	}
	for _, a := range answers {
		if b := statsIn(a.Data); b != nil {
			return b, nil
		}
	}
	return nil, inspect.ErrMalformed
}

// statsIn finds the structure in an answer: in the attribute that holds it
// together with the number that was asked for.
func statsIn(answer []byte) (out []byte) {
	outer, err := netlink.NewAttributeDecoder(answer)
	if err != nil {
		return nil
	}
	for outer.Next() {
		if t := outer.Type(); t != unix.TASKSTATS_TYPE_AGGR_TGID && t != unix.TASKSTATS_TYPE_AGGR_PID {
			continue
		}
		outer.Nested(func(inner *netlink.AttributeDecoder) error {
			for inner.Next() {
				if inner.Type() == unix.TASKSTATS_TYPE_STATS {
					out = inner.Bytes()
				}
			}
			return nil
		})
	}
	return out
}

// parseTaskstats reads struct taskstats, which grows at its end with its version.
// Version 15 alone, of 6.14 and 6.15, has fields in the middle and can't be recognised by
// its size.
func parseTaskstats(b []byte) (out Delays, why inspect.Reason) {
	var s unix.Taskstats
	if len(b) < int(unsafe.Offsetof(s.Ac_comm)) {
		return out, inspect.Malformed
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&s)), int(unsafe.Sizeof(s))), b)
	if out.Version = s.Version; s.Version == 15 {
		return out, inspect.Unsupported
	}
	delay := func(count, ns uint64) Delay { return Delay{count, float64(ns) / 1e9} }
	out.CPU = delay(s.Cpu_count, s.Cpu_delay_total)
	out.Block = delay(s.Blkio_count, s.Blkio_delay_total)
	out.Swapin = delay(s.Swapin_count, s.Swapin_delay_total)
	out.Reclaim = delay(s.Freepages_count, s.Freepages_delay_total)
	out.Thrashing = delay(s.Thrashing_count, s.Thrashing_delay_total)
	out.Compaction = delay(s.Compact_count, s.Compact_delay_total)
	out.Copy = delay(s.Wpcopy_count, s.Wpcopy_delay_total)
	out.IRQ = delay(s.Irq_count, s.Irq_delay_total)
	return out, inspect.Present
}
