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

	Was *ProcDetail
	got [nSources]Reason
}

// Namespace is one that a process lives in.
type Namespace struct {
	Name  string // pid, net, mnt, ...
	Inode uint64
	Init  uint64     // that of PID 1 of the same /proc, or the one that the kernel began with; 0 if unknown
	With  int        // how many other processes whose namespaces may be seen share it
	Whom  []*Process // the first few of these
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

// Gaps lists the wanted sources that gave nothing.
func (d *ProcDetail) Gaps() (out []Gap) {
	for s, r := range d.got {
		if r.IsGap() && r != Unread {
			out = append(out, Gap{Source(s), r, 1, 1})
		}
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
		return nil, fmt.Errorf("process %d: %w", pid, ErrNoProcess)
	}
	for s := PIDStat; s < nSources; s++ {
		if row.Has(s) {
			d.got[s] = d.Row.P.got[s-PIDStat]
		}
	}
	d.Born = h.Born(d.Row.P.Start)
	dir, late := d.Row.P.dir(), d.Row.P.late
	for s := PIDStat; s < nSources; s++ {
		read := h.detailReader(d, dir, s)
		switch {
		case read == nil || !want.Has(s):
		case late && s.held():
			d.got[s] = TimedOut
		default:
			d.got[s] = h.pidReason(dir, read())
			late = late || d.got[s] == TimedOut
		}
	}
	d.family(all)
	d.Groups, _ = h.Groups() // without them numbers stand for them
	if want.Has(FSFileNr) {
		d.Ladder = h.ladder(d)
	}
	if want.Has(Taskstats) {
		d.Delays, d.got[Taskstats] = h.delays(d)
	}
	if want.Has(CgroupCPU) {
		all.throttle(d.Row.P)
	}
	return d, nil
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

func (h *Host) readNamespaces(d *ProcDetail, dir string) error {
	names, err := h.proc.names(dir + "/ns")
	if err != nil {
		return err
	}
	slices.Sort(names)
	whole, _ := h.InitialPIDNamespace()
	for _, name := range names {
		inode, err := h.namespace(dir, name)
		if err != nil {
			return err
		}
		n := Namespace{Name: name, Inode: inode}
		if n.Init, err = h.namespace("1", name); err != nil && whole {
			n.Init = firstNamespace(name) // PID 1's is not to be seen: the host's stays where the kernel began
		}
		h.namesakes(d, &n)
		d.Namespaces = append(d.Namespaces, n)
	}
	if len(d.Namespaces) == 0 {
		return errMalformed
	}
	return nil
}

// maxWhom is how many of those who share a namespace are named.
const maxWhom = 4

// namesakes finds who else lives in a namespace.
func (h *Host) namesakes(d *ProcDetail, n *Namespace) {
	if strings.HasSuffix(n.Name, "_for_children") {
		return
	}
	for i := range d.Row.Host.All.Rows {
		other := &d.Row.Host.All.Rows[i]
		if other.PID == d.Row.P.PID || other.PID == d.Row.P.TGID {
			continue
		}
		if its, err := h.namespace(strconv.Itoa(int(other.PID)), n.Name); err == nil && its == n.Inode {
			if n.With++; n.With <= maxWhom {
				n.Whom = append(n.Whom, other)
			}
		}
	}
}

// firstNamespace returns the number of the namespace that the kernel began with,
// of the kinds for which it is fixed (include/linux/proc_ns.h); 0 for others.
func firstNamespace(name string) uint64 {
	switch strings.TrimSuffix(name, "_for_children") {
	case "time":
		return 4026531834
	case "cgroup":
		return 4026531835
	case "pid":
		return 4026531836
	case "user":
		return 4026531837
	case "uts":
		return 4026531838
	case "ipc":
		return 4026531839
	}
	return 0
}

// namespace reads the number in a link such as "net:[4026531840]".
func (h *Host) namespace(dir, name string) (uint64, error) {
	to, err := h.proc.link(dir + "/ns/" + name)
	if err != nil {
		return 0, err
	}
	_, number, _ := strings.Cut(to, "[")
	n, ok := parseUint([]byte(strings.TrimSuffix(number, "]")))
	if !ok {
		return 0, errMalformed
	}
	return n, nil
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

// Len returns how many there are.
func (l DetailParts[T]) Len() int { return len(l.List) }

// At returns one of them.
func (l DetailParts[T]) At(i int) DetailPart[T] { return DetailPart[T]{l.Detail, &l.List[i]} }
