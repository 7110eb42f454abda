package doctor

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/proc"
	"kwhy/inspect/sched"
)

// Probe tries to read the file of a source of the whole host, only to see whether that
// is possible. file is false if the source is not one file: then only the reader of its
// values knows.
func Probe(h *inspect.Host, s inspect.Source) (why inspect.Reason, file bool) {
	path := s.String()
	switch {
	case s == inspect.KernelLog:
		return lookKernelLog(h), true
	case s == inspect.Passwd && !h.Live:
		return inspect.Inapplicable, true // of a copy's users nothing is known
	case s == inspect.Passwd:
		_, err := h.Users()
		return inspect.ReasonOf(err), true
	case s == inspect.KernelConfig: // which has another place
		_, why = sched.KernelConfig(h)
		return why, true
	case s == inspect.SchedLatency || s == inspect.SchedMinGranularity || s == inspect.SchedWakeupGranularity: // which moved to debugfs
		return inspect.Unread, false
	case s == inspect.CgroupStat: // which is of one version, where it is mounted, and has another file in the other
		return inspect.Unread, false
	case strings.Contains(path, "<"), !strings.HasPrefix(path, "/proc/") && !strings.HasPrefix(path, "/sys/"):
		return inspect.Unread, false
	}
	t, rel := h.At(s)
	return t.Look(rel), true
}

// lookKernelLog opens the kernel's log, which is where the kernel checks who may read
// it (kernel/printk/printk.c, devkmsg_open), and reads nothing of it.
func lookKernelLog(h *inspect.Host) inspect.Reason {
	log, err := h.OpenLog()
	if err == nil {
		_ = log.Close() // nothing was written
	}
	return inspect.ReasonOf(err)
}

// Tally counts for how many processes a source gave something, and why not for others.
type Tally struct {
	Source inspect.Source
	Of     int // processes that can have it
	why    [inspect.NumReasons]int
}

// Gave is for how many it gave something.
func (t *Tally) Gave() int { return t.why[inspect.Present] }

// Most is the most frequent reason why it gave nothing; Present if there is none.
func (t *Tally) Most() (most inspect.Reason, n int) {
	for _, r := range inspect.Reasons() {
		if t.why[r] > n {
			most, n = r, t.why[r]
		}
	}
	return most, n
}

// maxLookedAt is for how many processes the files are tried: on a host with more, some
// of them, spread evenly, show as much.
const maxLookedAt = 1000

// ProbeProcesses tries each source of processes on those of a scan that has read their
// stat. It only opens files that cost the kernel a walk over an address space: open is
// where the kernel checks permission.
func ProbeProcesses(h *inspect.Host, ps *proc.Processes) (out []Tally) {
	step := max(1, (len(ps.Rows)+maxLookedAt-1)/maxLookedAt)
	var rows []int32
	for i := 0; i < len(ps.Rows); i += step {
		rows = append(rows, int32(i))
	}
	var sources []inspect.Source
	var read inspect.Sources // by the readers of the scan
	for _, s := range inspect.ProcessSources() {
		switch s {
		case inspect.Taskstats, inspect.PIDEntry: // no files of a process
			continue
		case inspect.PIDFd, inspect.PIDSmapsRollup:
		default:
			read = read.Plus(inspect.Of(s))
		}
		sources = append(sources, s)
	}
	ps.Fill(rows, read)
	got := make([][]inspect.Reason, len(rows))
	proc.EachChunk(h, len(rows), func(_ *proc.Reader, i int) {
		p := &ps.Rows[rows[i]]
		for _, s := range sources {
			got[i] = append(got[i], probe(h, p, s))
		}
	})
	for j, s := range sources {
		t := Tally{Source: s}
		for i := range rows {
			if r := got[i][j]; r != inspect.Inapplicable && r != inspect.Vanished {
				t.why[r]++
				t.Of++
			}
		}
		out = append(out, t)
	}
	return out
}

// probe says what a process's files of one source give.
func probe(h *inspect.Host, p *proc.Process, s inspect.Source) inspect.Reason {
	if p.Gone {
		return inspect.Vanished
	}
	if r := p.Why(s); r != inspect.Unread {
		if s == inspect.PIDWchan && r == inspect.Present && masked(p) {
			return inspect.Masked
		}
		return r
	}
	noMemory := p.Zombie() || p.Kthread() // then there is nothing to be mapped
	if p.Lacks(s) || noMemory && (s == inspect.PIDMaps || s == inspect.PIDMapFiles || s == inspect.PIDSmapsRollup) {
		return inspect.Inapplicable
	}
	dir := strconv.Itoa(int(p.PID))
	return h.PidReason(dir, try(h, dir, s))
}

// masked reports whether the kernel shows a placeholder for where a process waits: to
// whom other files are denied that take the same right.
func masked(p *proc.Process) bool {
	denied := p.Why(inspect.PIDIO) == inspect.Denied || p.Why(inspect.PIDSyscall) == inspect.Denied
	return denied && p.Wchan == "" && p.State != 'R'
}

// try tries a process's file that no reader of the scan has read.
func try(h *inspect.Host, dir string, s inspect.Source) (err error) {
	switch s {
	case inspect.PIDExe, inspect.PIDCwd, inspect.PIDRoot:
		_, err = h.Proc.Readlink(dir + strings.TrimPrefix(s.String(), "/proc/<pid>"))
	case inspect.PIDNs:
		_, err = h.Namespace(dir, "pid")
	case inspect.PIDFd, inspect.PIDTask, inspect.PIDFdinfo, inspect.PIDMapFiles, inspect.PIDNet:
		_, err = h.Proc.Names(dir + strings.TrimPrefix(s.String(), "/proc/<pid>"))
	case inspect.PIDMaps, inspect.PIDSmapsRollup, inspect.PIDMountinfo:
		err = h.Proc.TryOpen(dir + strings.TrimPrefix(s.String(), "/proc/<pid>"))
	case inspect.PIDLabel:
		if err = h.Proc.With(dir+"/attr/current", func([]byte) error { return nil }); errors.Is(err, unix.EINVAL) {
			err = fs.ErrNotExist // no module has labels
		}
	default:
		err = h.Proc.With(dir+strings.TrimPrefix(s.String(), "/proc/<pid>"), func([]byte) error { return nil })
	}
	return err
}
