package inspect

import (
	"bytes"
	"strconv"
	"strings"
)

// TaskSched is what /proc/PID/sched tells of one task; Unset where the kernel does
// not have a line (kernel/sched/debug.c, proc_sched_show_task).
type TaskSched struct {
	Vruntime    int64 // ns; may be negative
	HasVruntime bool
	Exec        Num // ns on a CPU
	Migrations  Num
	Weight      Num // as the kernel shows it: times 1024 on 64-bit machines
	Slice       Num // ns
	Util        Num // of 1024: how much of a CPU it has used lately
	Prio        Num
	Ext         bool // by a BPF scheduler
	UclampMin   Num  // effective, of 1024
	UclampMax   Num
	NumaNode    Num // that it would rather be on
	NumaFaults  Num // by which the kernel looked where its memory is
	NumaMoved   Num // pages that were moved for it
}

// parseSched reads lines of "se.vruntime : 1294416.668720".
func (p *Process) parseSched(b []byte) error {
	t := &TaskSched{Exec: Unset, Migrations: Unset, Weight: Unset, Slice: Unset, Util: Unset, Prio: Unset, UclampMin: Unset, UclampMax: Unset, NumaNode: Unset, NumaFaults: Unset, NumaMoved: Unset}
	_, b = cutLine(b) // its name, which may hold anything but is one line
	found := false
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		found = t.line(bytes.TrimSpace(name), bytes.TrimSpace(value)) || found
	}
	if !found {
		return errMalformed
	}
	p.Sched = t
	return nil
}

// Ext tells whether a BPF scheduler deals with p, by whichever policy.
func (p *Process) Ext() bool { return p.Sched != nil && p.Sched.Ext }

// number is where a line's number belongs; nil for other lines.
func (t *TaskSched) number(name []byte) *Num {
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
		t.Vruntime, t.HasVruntime = splitNS(string(value))
		return t.HasVruntime
	case "se.sum_exec_runtime":
		n, ok := splitNS(string(value))
		if ok && n >= 0 {
			t.Exec = Num(n)
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
	n, ok := parseInt(value)
	if ok && n >= 0 {
		*to = Num(n)
	}
	return ok
}

// splitNS reads what the kernel's SPLIT_NS writes: milliseconds, a point and six
// digits; a negative number has its sign before the milliseconds alone.
func splitNS(s string) (ns int64, ok bool) {
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
func (r *pidReader) schedstat(p *Process) error {
	if p.TGID != 0 || p.Threads <= 1 {
		return r.file(p, "/schedstat", atShort, p.parseSchedstat)
	}
	names, err := r.h.proc.names(p.dir() + "/task")
	if err != nil {
		return err
	}
	var sum Process
	for _, name := range names {
		tid, ok := parsePID(name)
		if !ok {
			continue
		}
		t := Process{PID: tid, TGID: p.PID}
		if err = r.file(&t, "/schedstat", atShort, t.parseSchedstat); err == nil { // else it has ended
			sum.Ran, sum.Waited, sum.Turns = sum.Ran+t.Ran, sum.Waited+t.Waited, sum.Turns+t.Turns
			p.Ran, p.Waited, p.Turns = sum.Ran, sum.Waited, sum.Turns
		}
	}
	if p.Turns != Unset {
		return nil
	}
	return err
}

// parseSchedstat reads "105486 80110 2": ns on a CPU, ns ready for one, turns.
func (p *Process) parseSchedstat(b []byte) error {
	field, rest := cutField(trimNewline(b))
	ran := count(field)
	field, rest = cutField(rest)
	waited := count(field)
	field, _ = cutField(rest)
	turns := count(field)
	if ran == Unset || waited == Unset || turns == Unset {
		return errMalformed
	}
	p.Ran, p.Waited, p.Turns = ran, waited, turns
	return nil
}

// parseAutogroup reads "/autogroup-9 nice 0"; nothing is there for a task that has
// none.
func (p *Process) parseAutogroup(b []byte) error {
	name, rest := cutField(trimNewline(b))
	if len(name) == 0 {
		return nil
	}
	word, nice := cutField(rest)
	id, err1 := strconv.ParseInt(strings.TrimPrefix(string(name), "/autogroup-"), 10, 32)
	n, err2 := strconv.ParseInt(string(nice), 10, 8)
	if err1 != nil || err2 != nil || id < 0 || string(word) != "nice" {
		return errMalformed
	}
	p.Autogroup, p.AutogroupNice = int32(id), int8(n)
	return nil
}
