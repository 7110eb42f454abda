package inspect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ProcDetail is all that the kernel shows of one process.
type ProcDetail struct {
	Row    Proc              // among the others of one scan
	Status map[string]string // the lines of /proc/PID/status, as they are
	Args   []string          // of the command line
	Born   time.Time         // zero if unknown

	Exe, Cwd, Root string
	Files          []OpenFile // by number
	IO             Counters
	Namespaces     []Namespace
	Cgroups        []Membership
	Limits         []Limit
	Ladder         []Rung   // what bounds it, from its own limits to the host's
	Stack          []string // functions, innermost first
	Label          string   // of the security module
	Delays         Delays
	Groups         Userland // names of groups

	Ancestors []*Process // parent first
	Children  []*Process
	Borrowed  bool // it runs in its parent's memory, as after vfork
	Ended     bool // while it was read: what was read before is there

	// HostUser tells whether it lives in the host's own user namespace, the only one
	// whose capabilities hold over the host; UserKnown is false where that is not to
	// be seen.
	HostUser, UserKnown bool

	Was *ProcDetail
	got [nSources]Reason
}

// Membership is a cgroup that a process is in.
type Membership struct {
	Version     int
	Controllers string // comma-separated; "" for version 2
	Path        string
}

// Limit is one line of /proc/PID/limits. Unset is unlimited.
type Limit struct {
	Name, Unit string
	Soft, Hard Num
}

// Missing says why a source gave nothing.
func (d *ProcDetail) Missing(s Source) Reason {
	if s < PIDStat {
		return Present // of the host: what is not there has no rung
	}
	return d.got[s]
}

// Before returns the sample an interval ago.
func (d *ProcDetail) Before() (*ProcDetail, time.Duration, bool) {
	if d.Was == nil {
		return nil, 0, false
	}
	return d.Was, d.Row.Host.At.Sub(d.Was.Row.Host.At), true
}

// Kernel returns the kernel that was read.
func (d *ProcDetail) Kernel() Version { return d.Row.Kernel() }

// Gaps lists the wanted sources that gave nothing. All that went with the process
// is one.
func (d *ProcDetail) Gaps() (out []Gap) {
	if d.Row.Host.Hidden {
		out = append(out, Gap{PIDEntry, Denied, 1, 1})
	}
	for s, r := range d.got {
		if r.IsGap() && r != Unread && r != Vanished {
			out = append(out, Gap{Source(s), r, 1, 1})
		}
	}
	if d.Ended {
		out = append(out, Gap{PIDEntry, Vanished, 1, 1})
	}
	return out
}

// ProcDetail reads the wanted sources of one process of a scan, of which stat
// and status are read anew. The error is ErrNoProcess where there is none.
func (h *Host) ProcDetail(ps *Procs, pid int32, want Sources) (*ProcDetail, error) {
	return h.detail(ps, ps, pid, want)
}

func noProcess(pid int32) error { return fmt.Errorf("process %d: %w", pid, ErrNoProcess) }

// ThreadDetail does the same for one thread of one of the scan's processes.
func (h *Host) ThreadDetail(ps *Procs, tid int32, want Sources) (*ProcDetail, error) {
	tgid, err := h.processOf(tid)
	if err != nil {
		return nil, err
	}
	threads, err := h.Threads(tgid, Of(PIDStat))
	if err != nil {
		return nil, err
	}
	return h.detail(ps, threads, tid, want)
}

// processOf returns the process that a thread belongs to: /proc has a directory
// for each thread, though it does not list them.
func (h *Host) processOf(tid int32) (tgid int32, err error) {
	rel := strconv.Itoa(int(tid)) + "/status"
	err = h.proc.single(rel, func(b []byte) error {
		var d ProcDetail
		if err := d.parseStatus(b); err != nil {
			return err
		}
		var ok bool
		if tgid, ok = parsePID(d.Status["Tgid"]); !ok {
			return errMalformed
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, fmt.Errorf("thread %d: %w", tid, ErrNoProcess)
	}
	return tgid, err
}

// detail reads row pid of rows, which are all processes or the threads of one.
func (h *Host) detail(all, rows *Procs, pid int32, want Sources) (*ProcDetail, error) {
	i, ok := rows.Row(pid)
	if !ok {
		return nil, noProcess(pid)
	}
	d := &ProcDetail{Row: rows.At(int(i))}
	d.Row.Host = &all.Host
	for s := range d.got {
		d.got[s] = Unread
	}
	row := Of(PIDStat, PIDStatus, PIDOomScoreAdj, PIDOomScore, PIDCmdline, PIDWchan, PIDSyscall, PIDFd, PIDLimits, PIDIO)
	if len(rows.Fill([]int32{i}, row)) == 0 {
		return nil, noProcess(pid)
	}
	for s := PIDStat; s < nSources; s++ {
		if row.Has(s) {
			d.got[s] = d.Row.P.got[s-PIDStat]
		}
	}
	d.Born = h.Born(d.Row.P.Start)
	h.readDetail(d, want)
	d.family(all)
	d.Borrowed = h.borrowed(d)
	d.Groups, _ = h.Groups() // without them numbers stand for them
	if h.ended(d); d.Ended || d.Row.P.Zombie() {
		return d, nil // nothing bounds it or holds it up any more
	}
	if want.Has(FSFileNr) {
		d.Ladder = h.ladder(d)
	}
	if want.Has(Taskstats) {
		d.Delays, d.got[Taskstats] = h.delays(d)
	}
	if want.Has(CgroupCPU) {
		all.throttle(d.Row.P)
	}
	all.freeze(d.Row.P)
	all.tracer(d.Row.P)
	return d, nil
}

// readDetail reads the wanted sources that have a reader of their own.
func (h *Host) readDetail(d *ProcDetail, want Sources) {
	p := d.Row.P
	dir, late := p.dir(), p.late
	via := (&pidReader{h: h}).via(p).dir()
	for s := PIDStat; s < nSources; s++ {
		from := dir
		if s.goesFirst() {
			from = via
		}
		read := h.detailReader(d, from, s)
		switch {
		case read == nil || !want.Has(s):
		case p.lacks(s):
			d.got[s] = Inapplicable
		case late && s.held():
			d.got[s] = TimedOut
		default:
			d.got[s] = h.pidReason(dir, read())
			late = late || d.got[s] == TimedOut
		}
	}
	if via != dir && d.got[PIDStatus] == Present { // of an ended thread the file lacks what it let go of
		var other ProcDetail
		if h.proc.with(via+"/status", other.parseStatus) == nil {
			for name, text := range other.Status {
				if _, ok := d.Status[name]; !ok {
					d.Status[name] = text
				}
			}
		}
	}
	if n, err := h.namespace(via, "user"); err == nil {
		d.HostUser, d.UserKnown = n == initialUser, true
	}
	if p.Zombie() {
		d.Cgroups = slices.DeleteFunc(d.Cgroups, func(m Membership) bool { return m.Version == 1 })
	}
}

// ended finds out whether the process ended while it was read: a file vanished,
// or it is a zombie now.
func (h *Host) ended(d *ProcDetail) {
	p := d.Row.P
	for s := PIDStat; s < nSources; s++ {
		d.Ended = d.Ended || d.got[s] == Vanished
	}
	if d.Ended || p.Zombie() || p.State == 'X' {
		return
	}
	now := newProcess(p.PID)
	now.TGID = p.TGID
	switch why := (&pidReader{h: h}).one(&now, PIDStat); {
	case why == Vanished, why == Present && now.Start != p.Start:
		d.Ended = true
	case why == Present && now.Zombie():
		d.Ended = true
		p.ExitCode = now.ExitCode
		for s := PIDStat; s < nSources; s++ {
			if now.lacks(s) && d.got[s] == Unsupported {
				d.got[s] = Inapplicable
			}
		}
	}
}

// detailReader returns what reads a source of its own into d.
func (h *Host) detailReader(d *ProcDetail, dir string, s Source) func() error {
	file := func(name string, parse func([]byte) error) func() error {
		return func() error { return h.proc.with(dir+name, parse) }
	}
	link := func(name string, to *string) func() error {
		return func() (err error) { *to, err = h.proc.link(dir + name); return err }
	}
	switch s {
	case PIDStatus:
		return file("/status", d.parseStatus)
	case PIDCmdline:
		return file("/cmdline", func(b []byte) error { d.Args = splitArgs(b); return nil })
	case PIDLimits:
		return file("/limits", d.parseLimits)
	case PIDIO:
		return file("/io", func(b []byte) (err error) { d.IO, err = parseCounters(b, 8); return err })
	case PIDCgroup:
		return file("/cgroup", d.parseCgroup)
	case PIDStack:
		return file("/stack", d.parseStack)
	case PIDLabel:
		return func() error {
			err := h.proc.with(dir+"/attr/current", func(b []byte) error { d.Label = string(bytes.TrimRight(b, "\x00\n")); return nil })
			if errors.Is(err, unix.EINVAL) { // no module has labels
				return fmt.Errorf("read %s/%s/attr/current: %w", h.proc.root, dir, fs.ErrNotExist)
			}
			return err
		}
	case PIDExe:
		return link("/exe", &d.Exe)
	case PIDCwd:
		return link("/cwd", &d.Cwd)
	case PIDRoot:
		return link("/root", &d.Root)
	case PIDNs:
		return func() error { return h.readNamespaces(d, dir) }
	case PIDFd:
		return func() error { return h.readFiles(d, dir) }
	}
	return nil
}

// OpenFile is a file descriptor and what it leads to, as the link in
// /proc/PID/fd tells: a path, or a kind and its inode.
type OpenFile struct {
	FD int32
	To string
}

// maxFiles is how many descriptors of one process are looked at.
const maxFiles = 1 << 16

func (h *Host) readFiles(d *ProcDetail, dir string) error {
	names, err := h.proc.names(dir + "/fd")
	if err != nil {
		return err
	}
	for _, name := range names[:min(len(names), maxFiles)] {
		fd, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			continue
		}
		if to, err := h.proc.link(dir + "/fd/" + name); err == nil { // else it was closed meanwhile
			d.Files = append(d.Files, OpenFile{int32(fd), to})
		}
	}
	slices.SortFunc(d.Files, func(a, b OpenFile) int { return cmp.Compare(a.FD, b.FD) })
	return nil
}

// File returns what a descriptor leads to; "" if it is not known.
func (d *ProcDetail) File(fd int32) string {
	if i, ok := slices.BinarySearchFunc(d.Files, fd, func(f OpenFile, fd int32) int { return cmp.Compare(f.FD, fd) }); ok {
		return d.Files[i].To
	}
	return ""
}

// link returns where a symbolic link leads.
func (t tree) link(rel string) (string, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(t.fd, rel, buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return "", &fs.PathError{Op: "read", Path: t.root + "/" + rel, Err: err}
		case n < size:
			return string(buf[:n]), nil
		case size >= 1<<16:
			return "", &fs.PathError{Op: "read", Path: t.root + "/" + rel, Err: unix.ENAMETOOLONG}
		}
	}
}

func (d *ProcDetail) parseStatus(b []byte) error {
	d.Status = map[string]string{}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if name, rest, ok := strings.Cut(string(line), ":"); ok {
			d.Status[name] = strings.TrimSpace(rest)
		}
	}
	if len(d.Status) == 0 {
		return errMalformed
	}
	return nil
}

// maxArgs bounds the command line that is kept: it may be megabytes.
const maxArgs = 128 << 10

func splitArgs(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	b = bytes.TrimSuffix(b[:min(len(b), maxArgs)], []byte{0})
	return strings.Split(string(b), "\x00")
}

// parseLimits reads "Max open files  1024  524288  files": names have single
// blanks, columns more (fs/proc/base.c, proc_pid_limits).
func (d *ProcDetail) parseLimits(b []byte) error {
	_, b = cutLine(b)
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, rest, ok := strings.Cut(string(line), "  ")
		f := strings.Fields(rest)
		if !ok || len(f) < 2 {
			continue
		}
		l := Limit{Name: strings.TrimPrefix(name, "Max "), Soft: count([]byte(f[0])), Hard: count([]byte(f[1]))}
		if len(f) > 2 {
			l.Unit = f[2]
		}
		d.Limits = append(d.Limits, l)
	}
	if len(d.Limits) == 0 {
		return errMalformed
	}
	return nil
}

func (d *ProcDetail) parseCgroup(b []byte) error {
	list, err := parseCgroups(b)
	for _, m := range list {
		d.Cgroups = append(d.Cgroups, m.told())
	}
	return err
}

// parseStack reads lines of "[<0>] do_wait+0x5e/0xe0".
func (d *ProcDetail) parseStack(b []byte) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		_, call, ok := strings.Cut(string(line), "] ")
		name, _, _ := strings.Cut(call, "+")
		if ok && name != "" && !strings.HasPrefix(name, "0xffff") {
			d.Stack = append(d.Stack, name)
		}
	}
	return nil
}

// family finds the ancestors and children in the scan.
func (d *ProcDetail) family(ps *Procs) {
	own := d.Row.P.PID
	if d.Row.P.TGID != 0 {
		own = d.Row.P.TGID
	}
	for at, n := d.Row.P, 0; n < len(ps.Rows); n++ {
		i, ok := ps.Row(at.PPID)
		if !ok || at.PPID == at.PID {
			break
		}
		at = &ps.Rows[i]
		d.Ancestors = append(d.Ancestors, at)
	}
	for i := range ps.Rows {
		if p := &ps.Rows[i]; p.PPID == own && p.PID != p.PPID {
			d.Children = append(d.Children, p)
		}
	}
}

// DetailPart is one of the many of a kind that a process has, in its context.
type DetailPart[T any] struct {
	Detail *ProcDetail
	It     *T
}

// Missing says why a source gave nothing.
func (p DetailPart[T]) Missing(s Source) Reason { return p.Detail.Missing(s) }

// Before says that parts are not followed over an interval.
func (p DetailPart[T]) Before() (DetailPart[T], time.Duration, bool) {
	return DetailPart[T]{}, 0, false
}

// Kernel returns the kernel that was read.
func (p DetailPart[T]) Kernel() Version { return p.Detail.Kernel() }

// DetailParts is a list in its context: the rows of a table.
type DetailParts[T any] struct {
	Detail *ProcDetail
	List   []T
}

// Missing says why a source gave nothing, so that there are no rows.
func (l DetailParts[T]) Missing(s Source) Reason { return l.Detail.Missing(s) }

// Len returns how many there are.
func (l DetailParts[T]) Len() int { return len(l.List) }

// At returns one of them.
func (l DetailParts[T]) At(i int) DetailPart[T] { return DetailPart[T]{l.Detail, &l.List[i]} }
