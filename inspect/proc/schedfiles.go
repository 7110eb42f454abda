package proc

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"kwhy/inspect"
)

// TaskSched is what /proc/PID/sched says about one task; Unset where the kernel does
// not have a line (kernel/sched/debug.c, proc_sched_show_task).
type TaskSched struct {
	Vruntime    int64 // ns; may be negative
	HasVruntime bool
	Exec        inspect.Num // ns on a CPU
	Migrations  inspect.Num
	Weight      inspect.Num // as the kernel shows it: times 1024 on 64-bit machines
	Slice       inspect.Num // ns
	Util        inspect.Num // of 1024: how much of a CPU it has used lately
	Prio        inspect.Num
	Ext         bool        // by a BPF scheduler
	LastRan     inspect.Num // ns of the clock of the CPU that it was on; 0: never, or it was moved before it ran
	UclampMin   inspect.Num // effective, of 1024
	UclampMax   inspect.Num
	NumaNode    inspect.Num // that it would rather be on
	NumaFaults  inspect.Num // by which the kernel looked where its memory is
	NumaMoved   inspect.Num // pages that were moved for it
}

// parseSched reads lines of "se.vruntime : 1294416.668720".
func (p *Process) parseSched(b []byte) error {
	t := &TaskSched{
		Exec: inspect.Unset, Migrations: inspect.Unset, Weight: inspect.Unset, Slice: inspect.Unset,
		Util: inspect.Unset, Prio: inspect.Unset, UclampMin: inspect.Unset, UclampMax: inspect.Unset,
		NumaNode: inspect.Unset, NumaFaults: inspect.Unset, NumaMoved: inspect.Unset, LastRan: inspect.Unset,
	}
	_, b = inspect.CutLine(b) // its name, which may hold anything but is one line
	found := false
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		found = t.line(bytes.TrimSpace(name), bytes.TrimSpace(value)) || found
	}
	if !found {
		return inspect.ErrMalformed
	}
	p.Sched = t
	return nil
}

// Ext reports whether a BPF scheduler deals with p, by whichever policy.
func (p *Process) Ext() bool { return p.Sched != nil && p.Sched.Ext }

// number is where a line's number belongs; nil for other lines.
func (t *TaskSched) number(name []byte) *inspect.Num {
	switch string(name) {
	case "se.nr_migrations":
		return &t.Migrations
	case "se.load.weight":
		return &t.Weight
	case "se.slice":
		return &t.Slice
	case "se.avg.util_avg":
		return &t.Util
	case "prio":
		return &t.Prio
	case "effective uclamp.min":
		return &t.UclampMin
	case "effective uclamp.max":
		return &t.UclampMax
	case "numa_preferred_nid":
		return &t.NumaNode
	case "total_numa_faults":
		return &t.NumaFaults
	case "numa_pages_migrated":
		return &t.NumaMoved
	}
	return nil
}

func (t *TaskSched) line(name, value []byte) bool {
	switch string(name) {
	case "se.vruntime":
		t.Vruntime, t.HasVruntime = SplitNS(string(value))
		return t.HasVruntime
	case "se.sum_exec_runtime":
		return splitTo(&t.Exec, value)
	case "se.exec_start":
		return splitTo(&t.LastRan, value)
	case "ext.enabled":
		t.Ext = string(value) == "1"
		return true
	}
	to := t.number(name)
	if to == nil {
		return false
	}
	n, ok := inspect.ParseInt(value)
	if ok && n >= 0 {
		*to = inspect.Num(n)
	}
	return ok
}

func splitTo(to *inspect.Num, value []byte) bool {
	n, ok := SplitNS(string(value))
	if ok && n >= 0 {
		*to = inspect.Num(n)
	}
	return ok
}

// SplitNS reads what the kernel's SPLIT_NS writes: milliseconds, a point and six
// digits; a negative number has its sign before the milliseconds alone.
func SplitNS(s string) (ns int64, ok bool) {
	ms, rest, ok := strings.Cut(s, ".")
	if !ok || len(rest) != 6 {
		return 0, false
	}
	a, err1 := strconv.ParseInt(ms, 10, 43)
	c, err2 := strconv.ParseUint(rest, 10, 20)
	if err1 != nil || err2 != nil {
		return 0, false
	}
	if strings.HasPrefix(ms, "-") {
		return a*1e6 - int64(c), true
	}
	return a*1e6 + int64(c), true
}

// schedstat reads the clocks of a thread, and of a process those of all its
// threads: its own file has the main thread's.
func (r *Reader) schedstat(p *Process) error {
	if p.TGID != 0 || p.Threads <= 1 {
		return r.File(p, "/schedstat", inspect.UntilShort, p.parseSchedstat)
	}
	names, err := r.Host.Proc.Names(p.Dir() + "/task")
	if err != nil {
		return err
	}
	var sum Process
	for _, name := range names {
		tid, ok := inspect.ParsePID(name)
		if !ok {
			continue
		}
		t := Process{PID: tid, TGID: p.PID}
		if err = r.File(&t, "/schedstat", inspect.UntilShort, t.parseSchedstat); err == nil { // else it has ended
			sum.Ran, sum.Waited, sum.Turns = sum.Ran+t.Ran, sum.Waited+t.Waited, sum.Turns+t.Turns
			p.Ran, p.Waited, p.Turns = sum.Ran, sum.Waited, sum.Turns
		}
	}
	if p.Turns != inspect.Unset {
		return nil
	}
	return err
}

// parseSchedstat reads "105486 80110 2": ns on a CPU, ns ready for one, turns.
func (p *Process) parseSchedstat(b []byte) error {
	field, rest := inspect.CutField(inspect.TrimNewline(b))
	ran := inspect.ParseNum(field)
	field, rest = inspect.CutField(rest)
	waited := inspect.ParseNum(field)
	field, _ = inspect.CutField(rest)
	turns := inspect.ParseNum(field)
	if ran == inspect.Unset || waited == inspect.Unset || turns == inspect.Unset {
		return inspect.ErrMalformed
	}
	p.Ran, p.Waited, p.Turns = ran, waited, turns
	return nil
}

// parseAutogroup reads "/autogroup-9 nice 0"; nothing is there for a task that has
// none.
func (p *Process) parseAutogroup(b []byte) error {
	name, rest := inspect.CutField(inspect.TrimNewline(b))
	if len(name) == 0 {
		return nil
	}
	word, nice := inspect.CutField(rest)
	id, err1 := strconv.ParseInt(strings.TrimPrefix(string(name), "/autogroup-"), 10, 32)
	n, err2 := strconv.ParseInt(string(nice), 10, 8)
	if err1 != nil || err2 != nil || id < 0 || string(word) != "nice" {
		return inspect.ErrMalformed
	}
	p.Autogroup, p.AutogroupNice = int32(id), int8(n)
	return nil
}

// LastRun is how long ago a task was last on a CPU: at least, and at most. The time that the host was
// suspended is not in it.
type LastRun struct{ Least, Most time.Duration }

// LastRuns finds how long ago tasks were last on a CPU, of those that are on none now and whose sched
// was read. That file has when, by the clock of the run queue that they were on (kernel/sched/fair.c,
// update_curr); kwhy's own threads show what that clock says now.
func (ps *Processes) LastRuns(list ...*Process) {
	var clocks *queueClocks
	for _, p := range list {
		if p.State == 'R' || p.Sched == nil || p.Sched.LastRan <= 0 || p.CPU < 0 || !ps.Host.Host.Live {
			continue
		}
		if clocks == nil {
			clocks = newQueueClocks(ps.Host.Host, ps.Host.Self)
		}
		at := time.Duration(p.Sched.LastRan)
		least, most, ok := clocks.now(p.CPU)
		if !ok || most < at {
			continue
		}
		if ps.Host.lastRuns == nil {
			ps.Host.lastRuns = map[int32]LastRun{}
		}
		ps.Host.lastRuns[p.PID] = LastRun{max(least-at, 0), most - at}
	}
}

// LastRun returns how long ago a task was last on a CPU, where LastRuns found that.
func (p Row) LastRun() (LastRun, bool) {
	r, ok := p.Host.lastRuns[p.P.PID]
	return r, ok
}

// queueClocks are the clocks of the CPUs' run queues. Each is that of sched_clock less what
// interrupts and the hypervisor took of that CPU, where the kernel accounts for these
// (kernel/sched/core.c, update_rq_clock_task).
type queueClocks struct {
	h    *inspect.Host
	own  []ownClock
	lost map[int32]time.Duration // the most that may be missing of a CPU's clock; nil until it is needed
}

// ownClock is what a CPU's clock was when a thread of kwhy's last ran on it, at most so long ago.
type ownClock struct {
	cpu       int32
	at, stale time.Duration
}

// newQueueClocks looks at kwhy's own threads: one that runs does so now, and another has
// run since kwhy was started.
func newQueueClocks(h *inspect.Host, self int32) *queueClocks {
	const turn = 100 * time.Millisecond // a thread that is runnable may wait that long for a CPU, or for the tick
	c := &queueClocks{h: h}
	if self <= 0 {
		return c
	}
	threads, err := ScanThreads(h, self, inspect.Of(inspect.PIDStat, inspect.PIDSched))
	if err != nil {
		return c
	}
	up, _ := h.Uptime()
	for i := range threads.Rows {
		t := &threads.Rows[i]
		again := NewProcess(t.PID)
		again.TGID = t.TGID
		if t.Sched == nil || t.Sched.LastRan <= 0 || (&Reader{Host: h}).One(&again, inspect.PIDStat) != inspect.Present || again.CPU != t.CPU {
			continue // it moved while it was read
		}
		o := ownClock{t.CPU, time.Duration(t.Sched.LastRan), turn}
		if t.State != 'R' {
			o.stale = time.Duration((up - h.Seconds(t.Start)) * float64(time.Second))
		}
		if o.stale > 0 {
			c.own = append(c.own, o)
		}
	}
	return c
}

// now returns what the clock of a CPU says, at least and at most.
func (c *queueClocks) now(cpu int32) (least, most time.Duration, ok bool) {
	least, most = math.MinInt64, math.MaxInt64
	for _, o := range c.own {
		from, to := o.at, o.at+o.stale
		if o.cpu != cpu {
			there, ok1 := c.lostOf(cpu)
			here, ok2 := c.lostOf(o.cpu)
			if !ok1 || !ok2 {
				continue
			}
			from, to = from-there, to+here
		}
		least, most, ok = max(least, from), min(most, to), true
	}
	return least, max(most, least), ok
}

// lostOf returns how much interrupts and the hypervisor took of a CPU since boot.
func (c *queueClocks) lostOf(cpu int32) (time.Duration, bool) {
	if c.lost == nil {
		c.lost = map[int32]time.Duration{}
		if !c.h.Doubt(inspect.ProcStat).Any() {
			_ = c.h.Proc.With("stat", func(b []byte) error { // without it, the clock of that CPU alone counts
				for line := range inspect.Lines(b) {
					c.lostIn(line)
				}
				return nil
			})
		}
	}
	d, ok := c.lost[cpu]
	return d, ok
}

// lostIn adds up irq, softirq and steal of a line such as "cpu0 3613683 114071 1540235 742594 6878 0 7583 0 0 0".
func (c *queueClocks) lostIn(line []byte) {
	name, rest := inspect.CutField(line)
	cpu, ok := inspect.ParseUint(bytes.TrimPrefix(name, []byte("cpu")))
	if !ok || !bytes.HasPrefix(name, []byte("cpu")) || cpu > math.MaxInt32 {
		return
	}
	var ticks uint64
	for n := range 8 {
		var field []byte
		field, rest = inspect.CutField(rest)
		v, ok := inspect.ParseUint(field)
		if !ok {
			return
		}
		if n >= 5 {
			ticks += v
		}
	}
	c.lost[int32(cpu)] = time.Duration(c.h.Seconds(ticks+1) * float64(time.Second))
}
