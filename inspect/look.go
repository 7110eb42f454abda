package inspect

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Look reads the file of a source, of the whole host, for nothing but whether that
// is possible. file is false where the source is no one file: then only who reads it
// for its values knows.
func (h *Host) Look(s Source) (why Reason, file bool) {
	path := s.String()
	switch {
	case s == KernelLog:
		return h.lookKernelLog(), true
	case s == Passwd && !h.Live:
		return Inapplicable, true // of a copy's users nothing is known
	case s == Passwd:
		_, err := h.Users()
		return reasonFor(err), true
	case s == KernelConfig: // which has another place
		_, why = h.kernelConfig()
		return why, true
	case s == SchedLatency || s == SchedMinGranularity || s == SchedWakeupGranularity: // which moved to debugfs
		return Unread, false
	case strings.Contains(path, "<"), !strings.HasPrefix(path, "/proc/") && !strings.HasPrefix(path, "/sys/"):
		return Unread, false
	}
	t, rel := h.at(s)
	return t.look(rel), true
}

// AsRoot tells whether kwhy runs as user 0, whoever the tree belongs to.
func (h *Host) AsRoot() bool { return unix.Geteuid() == 0 }

// look reads a file, or lists a directory.
func (t tree) look(rel string) Reason {
	err := t.with(rel, func([]byte) error { return nil })
	if errors.Is(err, unix.EISDIR) {
		_, err = t.names(rel)
	}
	return reasonFor(err)
}

// lookKernelLog opens the kernel's log, which is where the kernel checks who may read
// it (kernel/printk/printk.c, devkmsg_open), and reads nothing of it.
func (h *Host) lookKernelLog() Reason {
	if !h.Live {
		return Inapplicable
	}
	fd, err := unix.Open(KernelLog.String(), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return reasonFor(err)
}

// Tally counts for how many processes a source gave something, and why not for others.
type Tally struct {
	Source Source
	Of     int // processes that can have it
	why    [nReasons]int
}

// Gave is for how many it gave something.
func (t *Tally) Gave() int { return t.why[Present] }

// Most is the reason of most of those for which it gave nothing; Present if there are
// none.
func (t *Tally) Most() (most Reason, n int) {
	for r := Present + 1; r < nReasons; r++ {
		if t.why[r] > n {
			most, n = r, t.why[r]
		}
	}
	return most, n
}

// maxLookedAt is of how many processes the files are tried: on a host of more some of
// them, spread evenly, tell as much.
const maxLookedAt = 1000

// LookAtProcesses tries each source of processes on those of a scan that has read
// their stat. What costs the kernel a walk over an address space is opened only: that
// is where it checks who may.
func (h *Host) LookAtProcesses(ps *Procs) (out []Tally) {
	step := max(1, (len(ps.Rows)+maxLookedAt-1)/maxLookedAt)
	var rows []int32
	for i := 0; i < len(ps.Rows); i += step {
		rows = append(rows, int32(i))
	}
	var sources []Source
	var read Sources // by the readers of the scan
	for s := PIDStat; s < nSources; s++ {
		switch s {
		case Taskstats, PIDEntry: // no files of a process
			continue
		case PIDFd, PIDSmapsRollup:
		default:
			read = read.Plus(Of(s))
		}
		sources = append(sources, s)
	}
	ps.Fill(rows, read)
	got := make([][]Reason, len(rows))
	h.eachChunk(len(rows), func(_ *pidReader, i int) {
		p := &ps.Rows[rows[i]]
		for _, s := range sources {
			got[i] = append(got[i], h.lookAt(p, s))
		}
	})
	for j, s := range sources {
		t := Tally{Source: s}
		for i := range rows {
			if r := got[i][j]; r != Inapplicable && r != Vanished {
				t.why[r]++
				t.Of++
			}
		}
		out = append(out, t)
	}
	return out
}

// lookAt says what a process's files of one source give.
func (h *Host) lookAt(p *Process, s Source) Reason {
	if p.gone {
		return Vanished
	}
	if r := p.got[s-PIDStat]; r != Unread {
		if s == PIDWchan && r == Present && p.masked() {
			return Masked
		}
		return r
	}
	if p.Zombie() && (s == PIDFdinfo || s == PIDMountinfo || s == PIDNet) {
		return Inapplicable // it has let go of them
	}
	noMemory := p.Zombie() || p.Kthread() // then there is nothing to be mapped
	if p.lacks(s) || noMemory && (s == PIDMaps || s == PIDMapFiles || s == PIDSmapsRollup) {
		return Inapplicable
	}
	dir := strconv.Itoa(int(p.PID))
	return h.pidReason(dir, h.try(dir, s))
}

// masked tells whether the kernel shows a placeholder for where a process waits: to
// whom other files are denied that take the same right.
func (p *Process) masked() bool {
	denied := p.got[PIDIO-PIDStat] == Denied || p.got[PIDSyscall-PIDStat] == Denied
	return denied && p.Wchan == "" && p.State != 'R'
}

// try tries a process's file that no reader of the scan has read.
func (h *Host) try(dir string, s Source) (err error) {
	switch s {
	case PIDExe, PIDCwd, PIDRoot:
		_, err = h.proc.link(dir + strings.TrimPrefix(s.String(), "/proc/<pid>"))
	case PIDNs:
		_, err = h.namespace(dir, "pid")
	case PIDFd, PIDTask, PIDFdinfo, PIDMapFiles, PIDNet:
		_, err = h.proc.names(dir + strings.TrimPrefix(s.String(), "/proc/<pid>"))
	case PIDMaps, PIDSmapsRollup, PIDMountinfo:
		err = h.proc.open(dir + strings.TrimPrefix(s.String(), "/proc/<pid>"))
	case PIDLabel:
		if err = h.proc.with(dir+"/attr/current", func([]byte) error { return nil }); errors.Is(err, unix.EINVAL) {
			err = fs.ErrNotExist // no module has labels
		}
	default:
		err = h.proc.with(dir+strings.TrimPrefix(s.String(), "/proc/<pid>"), func([]byte) error { return nil })
	}
	return err
}

// open opens a file and reads nothing of it.
func (t tree) open(rel string) error {
	now := func() (struct{}, error) {
		fd, err := openat(t.fd, rel)
		if err != nil {
			return struct{}{}, &fs.PathError{Op: "open", Path: t.root + "/" + rel, Err: err}
		}
		return struct{}{}, unix.Close(fd)
	}
	if t.wait == nil || !held(rel) {
		_, err := now()
		return err
	}
	_, err := wait(t.wait, "open", t.root+"/"+rel, now)
	return err
}
