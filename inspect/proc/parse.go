package proc

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

// The parsers of a process's stat, status, scores, cgroup and command line.

// What is behind field 24 is as long as the kernel is new, and not needed to tell one process
// from another.
const needed, last = 24, 52

// wanted are the fields of it that every kernel has and that are read.
const wanted = 1<<3 | 1<<4 | 1<<9 | 1<<14 | 1<<15 | 1<<22 | 1<<24

// nextField returns the field behind one blank: what is between two is one that is empty.
func nextField(b []byte) (field, rest []byte) {
	if len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return b[:i], b[i:]
	}
	return b, nil
}

// statName takes the name and returns what follows it. Where it has lost its parentheses it is
// taken for one word.
func (p *Process) statName(b []byte) (rest []byte, ok bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open >= 0 && end > open {
		p.Comm = string(b[open+1 : end])
		return b[end+1:], true
	}
	_, rest = nextField(b)
	_, rest = nextField(rest)
	return rest, false
}

// ParseStat reads /proc/PID/stat. The name may hold blanks and parentheses:
// it ends at the last one (fs/proc/array.c, do_task_stat). procfs panics on a
// file that ends inside it. A field that does not parse spoils what is made of it, and where
// the file ends too early, its last field, which may be half of one, and all that follow.
func (p *Process) ParseStat(b []byte) error {
	rest, named := p.statName(b)
	whole := len(rest) > 0 && rest[len(rest)-1] == '\n'
	rest = inspect.TrimNewline(rest)
	p.spoilt = 0
	if !named {
		p.spoilt = StatFields(2)
	}
	good := 0
	for n := 3; n <= last; n++ {
		var field []byte
		there := len(rest) > 0
		field, rest = nextField(rest)
		switch ok := len(field) > 0 && (whole || len(rest) > 0) && p.statField(n, field); {
		case ok:
			good++
		case there || n <= needed || !whole:
			p.spoilt |= 1 << n
		}
	}
	if good == 0 || p.spoilt&wanted == wanted {
		return inspect.ErrMalformed // nothing of what all kernels have
	}
	return nil
}

// statField takes a field; one that does not parse is as in a process that was not read.
func (p *Process) statField(n int, field []byte) (ok bool) {
	var v uint64
	switch n {
	case 3:
		if ok = isState(field); ok {
			p.State = field[0]
		}
		return ok
	case 4:
		v, ok = small(field)
		p.PPID = int32(v)
	case 28:
		p.StackStart, ok = inspect.ParseUint(field)
	case 5, 6, 7, 18, 19, 38, 39, 40, 41, 52:
		i, ok := inspect.ParseInt(field)
		if ok = ok && i >= math.MinInt32 && i <= math.MaxInt32; ok {
			p.statSigned(n, i)
		}
		return ok
	case 16:
		p.CUTime, ok = inspect.ParseInt(field)
	case 17:
		p.CSTime, ok = inspect.ParseInt(field)
	case 14:
		p.UTime, ok = inspect.ParseUint(field)
	case 15:
		p.STime, ok = inspect.ParseUint(field)
	case 20:
		v, ok = small(field)
		p.Threads = int32(v)
	case 23:
		p.VSize, ok = inspect.ParseUint(field)
	case 9:
		if v, ok = inspect.ParseUint(field); v > math.MaxUint32 {
			v, ok = 0, false
		}
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

// isState reports whether a field is the letter of a state: those of task_state_array (fs/proc/array.c; 6.1
// and 6.12), and x, K and W besides, which older kernels had there.
func isState(field []byte) bool {
	return len(field) == 1 && bytes.IndexByte([]byte("RSDTtZXIPxKW"), field[0]) >= 0
}

// small reads a number that an int of the kernel's holds, and that is not negative.
func small(field []byte) (n uint64, ok bool) {
	if n, ok = inspect.ParseUint(field); !ok || n > math.MaxInt32 {
		return 0, false
	}
	return n, true
}

func (p *Process) statSigned(n int, i int64) {
	switch n {
	case 5:
		p.PGRP = int32(i)
	case 6:
		p.Session = int32(i)
	case 7:
		p.TTY = int32(i)
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
	seen, memory, end := false, false, false
	p.PageTables, p.lost, p.stood = inspect.Unset, 0, 0
	for len(b) > 0 {
		at := bytes.IndexByte(b, '\n')
		if at < 0 {
			end = false
			break // half a line
		}
		name, rest, ok := bytes.Cut(b[:at], []byte(":"))
		if b = b[at+1:]; !ok {
			continue
		}
		seen = true
		memory = memory || bytes.HasPrefix(name, []byte("Vm"))
		end = end || string(name) == "nonvoluntary_ctxt_switches" // the last of all kernels; some have more behind it
		p.statusLine(name, rest)
	}
	if !seen {
		return inspect.ErrMalformed
	}
	if memory && p.VmRSS == inspect.Unset {
		p.lost |= lineBit("VmRSS")
	}
	if p.RssAnon != inspect.Unset || p.RssFile != inspect.Unset || p.RssShmem != inspect.Unset {
		end = end && p.RssAnon != inspect.Unset && p.RssFile != inspect.Unset && p.RssShmem != inspect.Unset // they came together, in 4.5
	}
	p.cut = !end
	for _, name := range statusLines() {
		if to := p.memory(name); !end && to != nil && *to == inspect.Unset {
			p.lost |= lineBit(name)
		}
	}
	return nil
}

// statusLine takes one line, and notes where it should be a number and is none.
func (p *Process) statusLine(name, rest []byte) {
	field, more := inspect.CutField(rest)
	switch string(name) {
	case "Name":
		if p.Comm == "" || p.inStat(2) {
			p.Comm, p.stood = unescapeName(bytes.TrimPrefix(rest, []byte("\t"))), p.stood|StatFields(2)
		}
	case "State", "PPid", "Threads", "VmSize":
		p.standIn(string(name), field)
	case "Uid":
		effective, _ := inspect.CutField(more)
		owner, ok := inspect.ParseUint(field)
		user, ok2 := inspect.ParseUint(effective)
		if !ok || !ok2 || owner > math.MaxUint32 || user > math.MaxUint32 {
			p.lost |= lineBit("Uid")
			return
		}
		p.RealUID, p.UID = uint32(owner), uint32(user)
	case "TracerPid":
		if n, ok := inspect.ParseUint(field); ok && n <= math.MaxInt32 {
			p.Tracer = int32(n)
		}
	case "SigPnd":
		const kill = 9 // SIGKILL, which each thread has pending when its process gets it (kernel/signal.c, complete_signal)
		set, err := strconv.ParseUint(string(field), 16, 64)
		p.Killed = err == nil && set&(1<<(kill-1)) != 0
	case "CapEff":
		set, err := strconv.ParseUint(string(field), 16, 64)
		p.Privileged = err == nil && set&(1<<capSysAdmin|1<<capSysResource) != 0
	case "voluntary_ctxt_switches":
		p.Voluntary = inspect.ParseNum(field)
	case "nonvoluntary_ctxt_switches":
		p.Forced = inspect.ParseNum(field)
	case "VmPMD", "VmPUD":
		var n inspect.Num
		if kilobytes(&n, field); n != inspect.Unset {
			p.PageTables = max(p.PageTables, 0) + n
		}
	case "VmPTE":
		var n inspect.Num
		if kilobytes(&n, field); n == inspect.Unset {
			p.lost |= lineBit("VmPTE")
			return
		}
		p.PageTables = max(p.PageTables, 0) + n
	default:
		if to := p.memory(string(name)); to != nil {
			if kilobytes(to, field); *to == inspect.Unset {
				p.lost |= lineBit(string(name))
			}
		}
	}
}

// standIn takes what stat has too, and did not give.
func (p *Process) standIn(name string, field []byte) {
	switch name {
	case "State":
		p.survived = len(field) > 0 && field[0] == 'Z'
		if isState(field) && p.inStat(3) {
			p.State, p.stood = field[0], p.stood|StatFields(3)
		}
	case "PPid":
		if n, ok := small(field); ok && p.inStat(4) {
			p.PPID, p.stood = int32(n), p.stood|StatFields(4)
		}
	case "Threads":
		more, ok := small(field)
		p.survived = p.survived && ok && more > 1
		if n, ok := small(field); ok && p.inStat(20) {
			p.Threads, p.stood = int32(n), p.stood|StatFields(20)
		}
	case "VmSize":
		var n inspect.Num
		if kilobytes(&n, field); n != inspect.Unset && p.inStat(23) {
			p.VSize, p.stood = uint64(n), p.stood|StatFields(23)
		}
	}
}

// inStat reports whether one of these fields of stat is wanted of status, for stat did not give it.
func (p *Process) inStat(fields ...int) bool {
	why := p.Why(inspect.PIDStat)
	return why != inspect.Present && why != inspect.Unread || p.Spoilt(StatFields(fields...))
}

// unescapeName undoes what status does to a name: a newline and a backslash in it are written
// as \n and \\ (fs/proc/array.c, task_name, which newer kernels call proc_task_name).
func unescapeName(b []byte) string { return nameEscapes().Replace(string(b)) }

func nameEscapes() *strings.Replacer { return strings.NewReplacer(`\\`, `\`, `\n`, "\n") }

// statusLines are the lines of status that can be lost.
func statusLines() [7]string {
	return [...]string{"Uid", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmSwap", "VmPTE"}
}

func lineBit(name string) uint8 {
	for i, line := range statusLines() {
		if line == name {
			return 1 << i
		}
	}
	return 0
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
	case "VmPTE":
		return &p.PageTables
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
