package inspect

import (
	"bytes"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"
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
	field, rest := cutField(trimNewline(b))
	if string(field) == "running" {
		c.Running = true
		p.Call = c
		return nil
	}
	n, ok := parseInt(field)
	if !ok {
		return errMalformed
	}
	c.Number = n
	if n < 0 {
		c.Number = NoCall
		p.Call = c
		return nil
	}
	for i := range c.Args {
		field, rest = cutField(rest)
		v, err := strconv.ParseUint(string(bytes.TrimPrefix(field, []byte("0x"))), 16, 64)
		if err != nil {
			return errMalformed
		}
		c.Args[i] = v
	}
	p.Call = c
	return nil
}

// parseLimits takes the limits of open files. "unlimited" leaves none.
func (p *Process) parseLimits(b []byte) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if rest, ok := bytes.CutPrefix(line, []byte("Max open files")); ok {
			soft, rest := cutField(rest)
			hard, _ := cutField(rest)
			p.MaxFDs, p.MaxFDsHard = count(soft), count(hard)
			return nil
		}
	}
	return errMalformed
}

func (p *Process) parseIO(b []byte) error {
	c, err := parseCounters(b, 8)
	p.ReadBytes, p.WriteBytes = c.num("read_bytes"), c.num("write_bytes")
	return err
}

// descriptors counts the open files. Since 6.2 the directory's size is their
// number; where it is 0, which older kernels and saved trees say too, they are
// counted.
func (r *pidReader) descriptors(p *Process) error {
	rel := r.via(p).dir() + "/fd"
	var st unix.Stat_t
	if err := unix.Fstatat(r.h.proc.fd, rel, &st, 0); err != nil {
		return &fs.PathError{Op: "stat", Path: r.h.proc.root + "/" + rel, Err: err}
	}
	if r.h.Live && st.Size > 0 && r.h.Kernel.AtLeast(6, 2) {
		p.FDs = Num(st.Size)
		return nil
	}
	names, err := r.h.proc.names(rel)
	if err != nil {
		return err
	}
	p.FDs = Num(len(names))
	return nil
}

// is32 tells whether a process runs a 32-bit program. One whose stack begins above
// 4 GiB does not, and its program, which may lie on a server that does not answer,
// need not be opened. Of others it is the class in the ELF header, which is read as
// the system call was, by leave to trace it.
func (r *pidReader) is32(p *Process) bool {
	if p.StackStart >= 1<<32 {
		return false
	}
	rel := p.dir() + "/exe"
	head, err := wait(r.h.proc.wait, "read", r.h.proc.root+"/"+rel, func() (head [5]byte, err error) {
		fd, err := openat(r.h.proc.fd, rel)
		if err != nil {
			return head, err
		}
		defer unix.Close(fd)
		_, err = unix.Pread(fd, head[:], 0)
		return head, err
	})
	const class, is32 = 4, 1 // elf(5): EI_CLASS, ELFCLASS32
	return err == nil && string(head[:class]) == "\x7fELF" && head[class] == is32
}

// uptime reads how long the host has been up, in seconds; 0 if unknown.
func (h *Host) uptime() (seconds float64) {
	_ = h.proc.single("uptime", func(b []byte) error {
		field, _ := cutField(b)
		seconds, _ = strconv.ParseFloat(string(field), 64)
		return nil
	})
	if !(seconds >= 0) || seconds > 1e12 {
		return 0
	}
	return seconds
}

// Userland is what is read of a host beside its kernel: names by number.
type Userland map[uint32]string

// Users reads the names of users. Only this machine's own can be known.
func (h *Host) Users() (Userland, error) { return h.userland("/etc/passwd") }

// Groups reads the names of groups.
func (h *Host) Groups() (Userland, error) { return h.userland("/etc/group") }

// userland reads lines of name:password:number:... (passwd(5), group(5)). Of
// two names for a number the first holds.
func (h *Host) userland(file string) (Userland, error) {
	out := Userland{}
	if !h.Live {
		return out, nil
	}
	t := tree{root: "/", fd: unix.AT_FDCWD, pool: h.proc.pool}
	err := t.with(file, func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = cutLine(b)
			f := bytes.SplitN(line, []byte(":"), 4)
			if len(f) < 4 {
				continue
			}
			id, ok := parseUint(f[2])
			if _, again := out[uint32(id)]; ok && !again && id <= 1<<32-1 {
				out[uint32(id)] = string(f[0])
			}
		}
		return nil
	})
	return out, err
}
