package proc

import (
	"bytes"
	"math"
	"slices"
	"strconv"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

// The parsers of a process's stat, status, scores, cgroup and command line.

// ParseStat reads /proc/PID/stat. The name may hold blanks and parentheses:
// it ends at the last one (fs/proc/array.c, do_task_stat). procfs panics on a
// file that ends inside it.
func (p *Process) ParseStat(b []byte) error {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open {
		return inspect.ErrMalformed
	}
	p.Comm = string(b[open+1 : end])
	rest := b[end+1:]
	// What is behind field 24 is as long as the kernel is new, and not needed to
	// tell one process from another.
	const needed, last = 24, 52
	var field []byte
	for n := 3; n <= last; n++ {
		field, rest = inspect.CutField(rest)
		field = inspect.TrimNewline(field)
		if ok := len(field) > 0 && p.statField(n, field); !ok && n <= needed {
			return inspect.ErrMalformed
		}
	}
	return nil
}

func (p *Process) statField(n int, field []byte) (ok bool) {
	var v uint64
	switch n {
	case 3:
		p.State = field[0]
		return len(field) == 1
	case 4:
		v, ok = inspect.ParseUint(field)
		p.PPID = int32(v)
	case 28:
		p.StackStart, ok = inspect.ParseUint(field)
	case 5, 6, 7, 16, 17, 18, 19, 38, 39, 40, 41, 52:
		i, ok := inspect.ParseInt(field)
		p.statSigned(n, i)
		return ok
	case 14:
		p.UTime, ok = inspect.ParseUint(field)
	case 15:
		p.STime, ok = inspect.ParseUint(field)
	case 20:
		v, ok = inspect.ParseUint(field)
		p.Threads = int32(v)
	case 23:
		p.VSize, ok = inspect.ParseUint(field)
	case 9:
		v, ok = inspect.ParseUint(field)
		p.Flags = uint32(v)
	case 10:
		p.Minflt, ok = inspect.ParseUint(field)
	case 12:
		p.Majflt, ok = inspect.ParseUint(field)
	case 22:
		p.Start, ok = inspect.ParseUint(field)
	case 24:
		p.RSS, ok = inspect.ParseUint(field)
	default:
		return true
	}
	return ok
}

func (p *Process) statSigned(n int, i int64) {
	switch n {
	case 5:
		p.PGRP = int32(i)
	case 6:
		p.Session = int32(i)
	case 7:
		p.TTY = int32(i)
	case 16:
		p.CUTime = i
	case 17:
		p.CSTime = i
	case 18:
		p.Prio = int16(i)
	case 19:
		p.Nice = int8(i)
	case 39:
		p.CPU = int32(i)
	case 40:
		p.RTPrio = int16(i)
	case 41:
		p.Policy = int8(i)
	case 52:
		p.ExitCode = int32(i)
	}
}

// parseStatus takes the lines of /proc/PID/status that rows want. A process
// without memory of its own has no memory lines. The name is taken only where
// stat has not given it: here it is escaped.
func (p *Process) parseStatus(b []byte) error {
	seen := false
	p.PageTables = inspect.Unset
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		name, rest, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		seen = true
		field, more := inspect.CutField(rest)
		switch string(name) {
		case "Name":
			if p.Comm == "" {
				p.Comm = string(inspect.TrimBlank(rest))
			}
		case "Uid":
			if n, ok := inspect.ParseUint(field); ok && n <= math.MaxUint32 {
				p.RealUID = uint32(n)
			}
			effective, _ := inspect.CutField(more)
			if n, ok := inspect.ParseUint(effective); ok && n <= math.MaxUint32 {
				p.UID = uint32(n)
			}
		case "TracerPid":
			if n, ok := inspect.ParseUint(field); ok && n <= math.MaxInt32 {
				p.Tracer = int32(n)
			}
		case "voluntary_ctxt_switches":
			p.Voluntary = inspect.ParseNum(field)
		case "nonvoluntary_ctxt_switches":
			p.Forced = inspect.ParseNum(field)
		case "VmPTE", "VmPMD", "VmPUD":
			var n inspect.Num
			if kilobytes(&n, field); n != inspect.Unset {
				p.PageTables = max(p.PageTables, 0) + n
			}
		default:
			if to := p.memory(string(name)); to != nil {
				kilobytes(to, field)
			}
		}
	}
	if !seen {
		return inspect.ErrMalformed
	}
	return nil
}

func (p *Process) memory(name string) *inspect.Num {
	switch name {
	case "VmRSS":
		return &p.VmRSS
	case "RssAnon":
		return &p.RssAnon
	case "RssFile":
		return &p.RssFile
	case "RssShmem":
		return &p.RssShmem
	case "VmSwap":
		return &p.VmSwap
	}
	return nil
}

func kilobytes(to *inspect.Num, field []byte) {
	*to = inspect.Unset
	if n, ok := inspect.ParseUint(field); ok && n < 1<<53 {
		*to = inspect.Num(n << 10)
	}
}

func (p *Process) parseOomScore(b []byte) error {
	n, ok := inspect.ParseUint(inspect.TrimNewline(b))
	if !ok || n > math.MaxInt32 {
		return inspect.ErrMalformed
	}
	p.OomScore = inspect.Num(n)
	return nil
}

func (p *Process) parseOomScoreAdj(b []byte) error {
	n, err := strconv.ParseInt(string(inspect.TrimNewline(b)), 10, 32)
	if err != nil || n < -1000 || n > 1000 {
		return inspect.ErrMalformed
	}
	p.OomScoreAdj = int32(n)
	return nil
}

func (p *Process) parseCgroup(h *inspect.Host, b []byte) error {
	list, err := cgroup.ParseCgroups(b)
	if err != nil {
		return err
	}
	list = cgroup.Named(h, list)
	if p.Zombie() { // in hierarchies of version 1 it is said to be in the root (kernel/cgroup/cgroup.c, proc_cgroup_show)
		list = slices.DeleteFunc(list, func(m cgroup.Line) bool { return m.Hierarchy != 0 })
	}
	_, p.Cgroup = cgroup.MemoryHierarchy(list)
	var version int
	version, p.CPUCgroup = cgroup.ControllerPath(cgroup.Memberships(list), "cpu")
	p.CPUCgroupVersion = int8(version)
	if p.CPUCgroup == p.Cgroup {
		p.CPUCgroup = p.Cgroup // one text for both
	}
	return nil
}

// maxCmdline is how much of a command line a row keeps.
const maxCmdline = 1024

func (p *Process) parseCmdline(b []byte) error {
	b = bytes.TrimRight(b, "\x00")
	if len(b) > maxCmdline {
		b = b[:maxCmdline]
	}
	p.Cmdline = string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
	return nil
}
