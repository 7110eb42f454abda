package proc

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

// oneByProcfs reads a source of one task with procfs: of a process, or of a thread,
// whose directory below /proc is dir. procfs goes by the number: whether that was given
// to another process meanwhile, the start time shows.
func oneByProcfs[T any](
	h *inspect.Host, p *Process, dir string, s inspect.Source, theirs func(procfs.Proc) (T, error),
	ours func() (T, error),
) (T, error) {
	if h.Proc.Overlaid(dir) {
		return ours() // which tells what is the kernel's from what is not
	}
	return inspect.ByProcfs(h, s, func(fs procfs.FS) (out T, err error) {
		task, err := taskOf(fs, dir)
		if err != nil {
			return out, err
		}
		if out, err = theirs(task); err != nil {
			return out, err
		}
		now := NewProcess(p.PID)
		now.TGID = p.TGID
		if why := (&Reader{Host: h}).One(&now, inspect.PIDStat); why == inspect.Present && now.Start != p.Start {
			return out, fmt.Errorf("process %d is another now: %w", p.PID, unix.ESRCH)
		}
		return out, nil
	}, ours)
}

// taskOf finds a process, "12", or a thread, "12/task/13".
func taskOf(fs procfs.FS, dir string) (procfs.Proc, error) {
	process, thread, ok := strings.Cut(dir, "/task/")
	pid, err := strconv.Atoi(process)
	if err != nil {
		return procfs.Proc{}, inspect.ErrMalformed
	}
	if !ok {
		return fs.Proc(pid)
	}
	tid, err := strconv.Atoi(thread)
	if err != nil {
		return procfs.Proc{}, inspect.ErrMalformed
	}
	return fs.Thread(pid, tid)
}

// readIO reads what a task read and wrote.
func readIO(h *inspect.Host, p *Process, dir string) (inspect.Counters, error) {
	return oneByProcfs(h, p, dir, inspect.PIDIO, ioOf, func() (out inspect.Counters, err error) {
		err = h.Proc.With(dir+"/io", func(b []byte) (err error) {
			out, err = inspect.ParseCounters(b, 8)
			return err
		})
		return out, err
	})
}

// ioOf takes the counters as procfs reads them: those that every kernel has.
func ioOf(p procfs.Proc) (inspect.Counters, error) {
	c, err := p.IO()
	if err != nil {
		return nil, err
	}
	if c.CancelledWriteBytes < 0 {
		return nil, inspect.ErrMalformed
	}
	return inspect.Counters{
		"rchar": c.RChar, "wchar": c.WChar, "syscr": c.SyscR, "syscw": c.SyscW,
		"read_bytes": c.ReadBytes, "write_bytes": c.WriteBytes,
		"cancelled_write_bytes": uint64(c.CancelledWriteBytes),
	}, nil
}

// readCgroups reads which cgroups a task is in.
func readCgroups(h *inspect.Host, d *Detail, dir string) error {
	ours := func() ([]cgroup.Line, error) { return cgroup.ReadLines(h, dir) }
	list, err := oneByProcfs(h, d.Row.P, dir, inspect.PIDCgroup, cgroup.LinesOf, ours)
	d.Cgroups = cgroup.Memberships(cgroup.Named(h, list))
	return err
}
