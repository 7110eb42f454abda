package proc

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

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

// Detail is all that the kernel shows of one process.
type Detail struct {
	Row    Row               // among the others of one scan
	Status map[string]string // the lines of /proc/PID/status, as they are
	Args   []string          // of the command line
	Born   time.Time         // zero if unknown

	Exe, Cwd, Root string
	// Replaced says of a program whose file is gone whether another has its name now.
	Replaced   inspect.Answer
	There      bool       // the name of its program ends in "(deleted)", and the file is there
	Files      []OpenFile // by number
	IO         inspect.Counters
	Namespaces []Namespace
	Cgroups    []cgroup.Membership
	Limits     []Limit
	Bounds     []Bound  // what bounds it, from its own limits to the host's
	Stack      []string // functions, innermost first
	Label      string   // of the security module
	Delays     Delays
	Groups     inspect.Userland // names of groups

	Ancestors []*Process // parent first
	Children  []*Process
	// Shares are the groups that it shares CPUs in, the outermost first.
	Shares    []cgroup.ShareGroup
	Tracees   []*Process   // those that it traces
	Traceable inspect.Seen // among how many these were looked for
	Held      []Process    // those of its threads that a tracer has stopped, but the main one, where it has not too many
	Borrowed  bool         // it runs in its parent's memory, as after vfork
	Ended     bool         // while it was read: what was read before is there

	// HostUser reports whether it lives in the host's own user namespace, the only one
	// whose capabilities hold over the host; UserKnown is false where that is not to
	// be seen.
	HostUser, UserKnown bool

	Was *Detail
	got [inspect.NumSources]inspect.Reason
}

// Limit is one line of /proc/PID/limits. Unset is unlimited, and Garbled did not parse.
type Limit struct {
	Name, Unit string
	Soft, Hard inspect.Num
}

// Missing says why a source gave nothing.
func (d *Detail) Missing(s inspect.Source) inspect.Reason {
	if s.Scope() != inspect.OfProcess {
		return d.Row.Missing(s)
	}
	return d.got[s]
}

// Partial reports whether a source gave only a part of what it holds.
func (d *Detail) Partial(s inspect.Source) bool { return d.Row.Partial(s) }

// Stood says of a value what its row says.
func (d *Detail) Stood(declared inspect.Source, key string) (instead inspect.Source, ok bool) {
	return d.Row.Stood(declared, key)
}

// Before returns the sample an interval ago.
func (d *Detail) Before() (*Detail, time.Duration, bool) {
	if d.Was == nil {
		return nil, 0, false
	}
	return d.Was, d.Row.Host.At.Sub(d.Was.Row.Host.At), true
}

// Kernel returns the kernel that was read.
func (d *Detail) Kernel() inspect.Kernel { return d.Row.Kernel() }

// Doubt says why what a source says is not the kernel's own.
func (d *Detail) Doubt(src inspect.Source) inspect.Doubt { return d.Row.Doubt(src) }

// Gaps lists the wanted sources that gave nothing. All that went with the process
// is one.
func (d *Detail) Gaps() (out []inspect.Gap) {
	if d.Row.Host.Hidden {
		out = append(out, inspect.Gap{Source: inspect.PIDEntry, Reason: inspect.Hidden, Count: 1, Of: 1})
	}
	for s, r := range d.got {
		if r.IsGap() && r != inspect.Unread && r != inspect.Vanished {
			out = append(out, inspect.Gap{Source: inspect.Source(s), Reason: r, Count: 1, Of: 1})
		}
	}
	if d.Ended {
		out = append(out, inspect.Gap{Source: inspect.PIDEntry, Reason: inspect.Vanished, Count: 1, Of: 1})
	}
	return out
}

// TakeDetail reads the wanted sources of one process of a scan; stat
// and status are read again. The error is ErrNoProcess where there is none.
func TakeDetail(h *inspect.Host, ps *Processes, pid int32, want inspect.Sources) (*Detail, error) {
	return takeDetail(h, ps, ps, pid, want)
}

// TakeThread does the same for one thread of one of the scan's processes.
func TakeThread(h *inspect.Host, ps *Processes, tid int32, want inspect.Sources) (*Detail, error) {
	tgid, err := ProcessOf(h, tid)
	if err != nil {
		return nil, err
	}
	threads, err := ScanThreads(h, tgid, inspect.Of(inspect.PIDStat))
	if err != nil {
		return nil, err
	}
	return takeDetail(h, ps, threads, tid, want)
}

// ProcessOf returns the process that a thread belongs to: /proc has a directory
// for each thread, though it does not list them.
func ProcessOf(h *inspect.Host, tid int32) (tgid int32, err error) {
	rel := strconv.Itoa(int(tid)) + "/status"
	err = h.Proc.Single(rel, func(b []byte) error {
		var d Detail
		if err := d.ParseStatus(b); err != nil {
			return err
		}
		var ok bool
		if tgid, ok = inspect.ParsePID(d.Status["Tgid"]); !ok {
			return inspect.ErrMalformed
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, h.NoThread(tid)
	}
	return tgid, err
}

// takeDetail reads row pid of rows, which are all processes or the threads of one.
func takeDetail(h *inspect.Host, all, rows *Processes, pid int32, want inspect.Sources) (*Detail, error) {
	i, ok := rows.Row(pid)
	if !ok {
		return nil, h.NoProcess(pid)
	}
	d := &Detail{Row: rows.At(int(i))}
	d.Row.Host = &all.Host
	for s := range d.got {
		d.got[s] = inspect.Unread
	}
	row := inspect.Of(
		inspect.PIDStat, inspect.PIDStatus, inspect.PIDOomScoreAdj, inspect.PIDOomScore, inspect.PIDCmdline,
		inspect.PIDWchan, inspect.PIDSyscall, inspect.PIDFd, inspect.PIDLimits, inspect.PIDIO,
	)
	for _, s := range [...]inspect.Source{inspect.PIDSched, inspect.PIDAutogroup} {
		if want.Has(s) {
			row = row.Plus(inspect.Of(s))
		}
	}
	if len(rows.Fill([]int32{i}, row)) == 0 {
		return nil, h.NoProcess(pid)
	}
	for _, s := range inspect.ProcessSources() {
		if row.Has(s) {
			d.got[s] = d.Row.P.Why(s)
		}
	}
	d.Born = d.Row.Born()
	readDetail(h, d, want)
	d.Replaced = replaced(h, d)
	d.family(all)
	d.Borrowed = borrowed(h, d)
	d.Groups, _ = h.Groups() // without them numbers stand for them
	if ended(h, d); d.Ended || d.Row.P.Zombie() {
		return d, nil // nothing bounds it or holds it up any more
	}
	d.lookAround(h, all, want)
	return d, nil
}

// lookAround finds what bounds a process that lives, and who holds it up or is held by it.
func (d *Detail) lookAround(h *inspect.Host, all *Processes, want inspect.Sources) {
	if want.Has(inspect.FSFileNr) {
		d.Bounds = boundsOf(h, d)
	}
	if want.Has(inspect.Taskstats) {
		d.Delays, d.got[inspect.Taskstats] = delays(h, d)
	}
	if want.Has(inspect.CgroupCPU) {
		all.throttleRow(d.Row.P)
	}
	if want.Has(inspect.PIDAutogroup) {
		auto, _ := h.Settings(inspect.Of(inspect.SchedAutogroup)).Number(inspect.SchedAutogroup)
		version, path := cgroup.ControllerPath(d.Cgroups, "cpu")
		d.Shares = cgroup.NewShares(h, auto == 1).Of(version, path, d.Row.P.Autogroup, d.Row.P.AutogroupNice)
	}
	all.FreezeRow(d.Row.P)
	all.tracer(d.Row.P)
	all.FindWaits(func(yield func(Row) bool) { yield(d.Row) })
	all.LastRuns(d.Row.P)
	d.findTracees(all)
	d.findHeld(h, all)
}

// readDetail reads the wanted sources that have a reader of their own.
func readDetail(h *inspect.Host, d *Detail, want inspect.Sources) {
	p := d.Row.P
	dir, late := p.Dir(), p.late
	via := (&Reader{Host: h}).via(p).Dir()
	for _, s := range inspect.ProcessSources() {
		from := dir
		if s.GoesWithMainThread() {
			from = via
		}
		read := detailReader(h, d, from, s)
		switch {
		case read == nil || !want.Has(s):
		case p.Lacks(s):
			d.got[s] = inspect.Inapplicable
		case late && s.MayHang():
			d.got[s] = inspect.TimedOut
		default:
			d.got[s] = h.PidReason(dir, read())
			late = late || d.got[s] == inspect.TimedOut
		}
	}
	if via != dir && d.got[inspect.PIDStatus] == inspect.Present { // of an ended thread the file lacks what it let go of
		var other Detail
		if h.Proc.With(via+"/status", other.ParseStatus) == nil {
			for name, text := range other.Status {
				if _, ok := d.Status[name]; !ok {
					d.Status[name] = text
				}
			}
		}
	}
	if n, err := h.Namespace(via, "user"); err == nil {
		d.HostUser, d.UserKnown = n == inspect.InitialUserNS, true
	}
	if p.Zombie() {
		d.Cgroups = slices.DeleteFunc(d.Cgroups, func(m cgroup.Membership) bool { return m.Version == 1 })
	}
}

// ended finds out whether the process ended while it was read: a file vanished,
// or it is a zombie now.
func ended(h *inspect.Host, d *Detail) {
	p := d.Row.P
	for _, s := range inspect.ProcessSources() {
		d.Ended = d.Ended || d.got[s] == inspect.Vanished
	}
	if d.Ended || p.Zombie() || p.State == 'X' {
		return
	}
	now := NewProcess(p.PID)
	now.TGID = p.TGID
	switch why := (&Reader{Host: h}).One(&now, inspect.PIDStat); {
	case why == inspect.Vanished, why == inspect.Present && now.Start != p.Start:
		d.Ended = true
	case why == inspect.Present && now.Zombie():
		d.Ended = true
		p.ExitCode = now.ExitCode
		for _, s := range inspect.ProcessSources() {
			if now.Lacks(s) && d.got[s].IsMissing() {
				d.got[s] = inspect.Inapplicable
			}
		}
	}
}

// detailReader returns what reads a source of its own into d.
func detailReader(h *inspect.Host, d *Detail, dir string, s inspect.Source) func() error {
	file := func(name string, parse func([]byte) error) func() error {
		return func() error { return h.Proc.With(dir+name, parse) }
	}
	link := func(name string, to *string) func() error {
		return func() (err error) { *to, err = h.Proc.Readlink(dir + name); return err }
	}
	switch s {
	case inspect.PIDStatus:
		return file("/status", d.ParseStatus)
	case inspect.PIDCmdline:
		return file("/cmdline", func(b []byte) error { d.Args = splitArgs(b); return nil })
	case inspect.PIDLimits:
		return file("/limits", d.ParseLimits)
	case inspect.PIDIO:
		return func() (err error) { d.IO, err = readIO(h, d.Row.P, dir); return err }
	case inspect.PIDCgroup:
		return func() error { return readCgroups(h, d, dir) }
	case inspect.PIDStack:
		return file("/stack", d.parseStack)
	case inspect.PIDLabel:
		return func() error {
			err := h.Proc.With(dir+"/attr/current", func(b []byte) error { d.Label = string(bytes.TrimRight(b, "\x00\n")); return nil })
			if errors.Is(err, unix.EINVAL) { // no module has labels
				return fmt.Errorf("read %s/%s/attr/current: %w", h.Proc.Root, dir, fs.ErrNotExist)
			}
			return err
		}
	case inspect.PIDExe:
		return link("/exe", &d.Exe)
	case inspect.PIDCwd:
		return link("/cwd", &d.Cwd)
	case inspect.PIDRoot:
		return link("/root", &d.Root)
	case inspect.PIDNs:
		return func() error { return readNamespaces(h, d, dir) }
	case inspect.PIDFd:
		return func() error { return readFiles(h, d, dir) }
	}
	return nil
}

// replaced answers whether there is a file of the name of a program whose own is gone. The kernel adds
// "(deleted)" to the name in both cases (fs/d_path.c, path_with_deleted). Of a process with another root
// the name is not looked for: whose root it begins at is not known.
func replaced(h *inspect.Host, d *Detail) inspect.Answer {
	name, gone := strings.CutSuffix(d.Exe, " (deleted)")
	if !gone || !h.Live || d.Root != "/" {
		return inspect.Unknown
	}
	home := d.Row.P.Home(h)
	own, err1 := h.Proc.Node(home + "/exe")
	if named, err2 := h.Proc.Node(home + "/root" + d.Exe); err1 == nil && err2 == nil && own == named {
		d.There = true // that is how it is called
	}
	_, err := h.Proc.Node(home + "/root" + name)
	switch {
	case err == nil:
		return inspect.Yes
	case errors.Is(err, fs.ErrNotExist):
		return inspect.No
	}
	return inspect.Unknown
}

// OpenFile is a file descriptor and what it leads to, as the link in
// /proc/PID/fd has it: a path, or a kind and its inode.
type OpenFile struct {
	FD int32
	To string
}

// maxFiles is how many descriptors of one process are looked at.
const maxFiles = 1 << 16

func readFiles(h *inspect.Host, d *Detail, dir string) error {
	names, err := h.Proc.Names(dir + "/fd")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		if _, why := NoFDs(h, d.Row.P); why != inspect.Present {
			return inspect.Lacking(fs.ErrNotExist, why)
		}
	}
	for _, name := range names[:min(len(names), maxFiles)] {
		fd, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			continue
		}
		if to, err := h.Proc.Readlink(dir + "/fd/" + name); err == nil { // else it was closed meanwhile
			d.Files = append(d.Files, OpenFile{int32(fd), to})
		}
	}
	slices.SortFunc(d.Files, func(a, b OpenFile) int { return cmp.Compare(a.FD, b.FD) })
	return nil
}

// File returns what a descriptor leads to; "" if it is not known.
func (d *Detail) File(fd int32) string {
	if i, ok := slices.BinarySearchFunc(d.Files, fd, func(f OpenFile, fd int32) int { return cmp.Compare(f.FD, fd) }); ok {
		return d.Files[i].To
	}
	return ""
}

// ParseStatus takes the lines of /proc/PID/status by their names. A file without any is
// ErrMalformed.
func (d *Detail) ParseStatus(b []byte) error {
	d.Status = map[string]string{}
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		if name, rest, ok := strings.Cut(string(line), ":"); ok {
			d.Status[name] = strings.TrimSpace(rest)
		}
	}
	if len(d.Status) == 0 {
		return inspect.ErrMalformed
	}
	return nil
}

// maxArgs bounds the command line that is kept: it may be megabytes.
const maxArgs = 8 << 20

// splitArgs splits a command line at its NULs. A program that wrote a title over its arguments
// leaves the rest of their room as NULs: many at the end are no empty arguments.
func splitArgs(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	const empty = 2 // NULs at the end of a command line whose last argument is empty
	b = b[:min(len(b), maxArgs)]
	if title := bytes.TrimRight(b, "\x00"); len(b)-len(title) > empty && len(title) > 0 {
		b = title
	}
	return strings.Split(string(bytes.TrimSuffix(b, []byte{0})), "\x00")
}

// ParseLimits reads "Max open files  1024  524288  files": names have single
// blanks, columns more (fs/proc/base.c, proc_pid_limits).
func (d *Detail) ParseLimits(b []byte) error {
	_, b = inspect.CutLine(b)
	for line := range inspect.Lines(b) {
		name, rest, ok := strings.Cut(string(line), "  ")
		f := strings.Fields(rest)
		if !ok {
			continue
		}
		l := Limit{Name: strings.TrimPrefix(name, "Max "), Soft: inspect.Garbled, Hard: inspect.Garbled}
		if len(f) > 1 { // with one alone the line was cut, and it may be half a number
			l.Soft, l.Hard = inspect.ParseLimit([]byte(f[0])), inspect.ParseLimit([]byte(f[1]))
		}
		if len(f) > 2 {
			l.Unit = f[2]
		}
		d.Limits = append(d.Limits, l)
	}
	if len(d.Limits) == 0 {
		return inspect.ErrMalformed
	}
	return nil
}

// parseStack reads lines of "[<0>] do_wait+0x5e/0xe0".
func (d *Detail) parseStack(b []byte) error {
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		_, call, ok := strings.Cut(string(line), "] ")
		name, _, _ := strings.Cut(call, "+")
		if ok && name != "" && !strings.HasPrefix(name, "0xffff") {
			d.Stack = append(d.Stack, name)
		}
	}
	return nil
}

// family finds the ancestors and children in the scan.
func (d *Detail) family(ps *Processes) {
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
type DetailPart[T any] = inspect.Part[*Detail, T]

// DetailParts is a list of them: the rows of a table.
type DetailParts[T any] = inspect.Parts[*Detail, T]
