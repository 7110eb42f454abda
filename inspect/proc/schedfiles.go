package proc

import (
	"bytes"
	"strconv"
	"strings"

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
		NumaNode: inspect.Unset, NumaFaults: inspect.Unset, NumaMoved: inspect.Unset,
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
		n, ok := SplitNS(string(value))
		if ok && n >= 0 {
			t.Exec = inspect.Num(n)
		}
		return ok
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
