package proc

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// The parsers of a process's smaller files.

func (p *Process) parseWchan(b []byte) error {
	p.Wchan = string(bytes.TrimSpace(b))
	return nil
}

// parseSyscall reads "230 0x0 0x0 0x7ffd 0x0 0x0 0x0 0x7ffc 0x7f44": the number,
// six arguments, stack and program counter; or "running"; or -1 and the last two
// where it waits outside of a system call (proc_pid_syscall(5)).
func (p *Process) parseSyscall(b []byte) error {
	c := Syscall{Number: NoCall}
	field, rest := inspect.CutField(inspect.TrimNewline(b))
	if string(field) == "running" {
		c.Running = true
		p.Call = c
		return nil
	}
	n, ok := inspect.ParseInt(field)
	if !ok {
		return inspect.ErrMalformed
	}
	c.Number = n
	if n < 0 {
		c.Number = NoCall
		p.Call = c
		return nil
	}
	for i := range c.Args {
		field, rest = inspect.CutField(rest)
		v, err := strconv.ParseUint(string(bytes.TrimPrefix(field, []byte("0x"))), 16, 64)
		if err != nil {
			return inspect.ErrMalformed
		}
		c.Args[i] = v
	}
	p.Call = c
	return nil
}

// parseLimits takes the limits of tasks and of open files, which stand in this order. "unlimited"
// leaves none. Without the second number the line was cut, and the first may be half of one.
func (p *Process) parseLimits(b []byte) error {
	p.MaxTasks = inspect.Garbled
	for line := range inspect.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte("Max open files"))
		if tasks, ofTasks := bytes.CutPrefix(line, []byte("Max processes")); ofTasks {
			if soft, hard := inspect.CutField(tasks); len(bytes.TrimSpace(hard)) > 0 {
				p.MaxTasks = inspect.ParseLimit(soft)
			}
		}
		if ok {
			soft, rest := inspect.CutField(rest)
			hard, _ := inspect.CutField(rest)
			if len(hard) == 0 {
				break
			}
			p.MaxFDs, p.MaxFDsHard = inspect.ParseLimit(soft), inspect.ParseLimit(hard)
			return nil
		}
	}
	return inspect.ErrMalformed
}

func (p *Process) parseIO(b []byte) error {
	c, err := inspect.ParseCounters(b, 8)
	p.ReadBytes, p.WriteBytes = c.Num("read_bytes"), c.Num("write_bytes")
	return err
}

// descriptors counts the open files. Since 6.2 the directory's size is their
// number; where it is 0, which older kernels and saved trees say too, they are
// counted.
func (r *Reader) descriptors(p *Process) error {
	rel := r.via(p).Dir() + "/fd"
	n, sized, err := SizeOfFDs(r.Host, rel)
	if err != nil {
		return err
	}
	if sized {
		p.FDs = inspect.Num(n)
		return nil
	}
	names, err := r.Host.Proc.Names(rel)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		p.FDs = inspect.Num(len(names))
		return nil
	}
	n, why := NoFDs(r.Host, r.via(p))
	if n == 0 && why != inspect.Present {
		return inspect.Lacking(unix.ENOENT, why)
	}
	p.FDs = inspect.Num(n)
	return nil
}

// countLow counts the descriptors below the soft limit where they may be as many as it allows: those that were above it
// when it was lowered stay open, and their number alone does not tell one from the other. Most processes need no list.
func (r *Reader) countLow(p *Process) {
	if p.MaxFDs <= 0 || p.LowFDs != inspect.Unset || float64(p.FDs) < nearly*float64(p.MaxFDs) {
		return
	}
	names, err := r.Host.Proc.Names(r.via(p).Dir() + "/fd")
	if err != nil || len(names) == 0 {
		return
	}
	p.LowFDs = 0
	for _, name := range names {
		if fd, ok := inspect.ParseUint([]byte(name)); ok && fd < uint64(p.MaxFDs) {
			p.LowFDs++
		}
	}
}

// nearly is the share of the soft limit from which on it matters which descriptors are below it.
const nearly = 0.8

// Below returns how many descriptors are below the soft limit; Unset where that is not known, as that of more
// than the limit allows whose list is not to be seen. Of no more than that it is the most that can be.
func (p *Process) Below() inspect.Num {
	if p.LowFDs == inspect.Unset && p.FDs <= p.MaxFDs {
		return p.FDs
	}
	return p.LowFDs
}

// SizeOfFDs returns how many descriptors a process has, by the size of their directory, which
// everybody may see; false before 6.2 (fs/proc/fd.c, proc_fd_getattr) and in a copy.
func SizeOfFDs(h *inspect.Host, rel string) (n int, sized bool, err error) {
	st, err := h.Proc.Stat(rel)
	if err != nil || !h.Live || st.Size <= 0 || inspect.Choose(h.Kernel.Since(6, 2), false, true, true) {
		return 0, false, err
	}
	return int(st.Size), true, nil
}

// is32 reports whether a process runs a 32-bit program. One whose stack begins above
// 4 GiB does not, and its program, which may lie on a server that does not answer,
// need not be opened. Of others it is the class in the ELF header, which is read as
// the system call was, by leave to trace it.
func (r *Reader) is32(p *Process) bool {
	if p.StackStart >= 1<<32 {
		return false
	}
	var head [5]byte
	_, err := r.Host.Proc.Head(p.Dir()+"/exe", head[:])
	const class, is32 = 4, 1 // elf(5): EI_CLASS, ELFCLASS32
	return err == nil && string(head[:class]) == "\x7fELF" && head[class] == is32
}
