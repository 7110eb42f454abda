package proc

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	procfacts "kwhy/inspect/proc"
)

// What a snapshot offers besides, as the machinery looks for it.
var (
	_ lower.Gapped   = list(nil)
	_ lower.Surveyor = list(nil)
	_ lower.Surveyed = (*procfacts.Processes)(nil)
)

// Topic is processes: the host's, and one.
func Topic() explain.Topic {
	return explain.Topic{Name: "proc", Title: "processes", Pages: func() []explain.Page {
		return []explain.Page{
			lower.MustPage(HostPage(HostOptions{})), samplePage(20 * time.Millisecond), ProcessPage(0), threadsPage(),
		}
	}}
}

// HostOptions are what the table of processes is asked for.
type HostOptions struct {
	Columns, Sort []string
	Limit         int // rows; 0 is all
	Screen        int // rows of a screen
	Tree, Threads bool
	Filter        Filter
	Interval      bool // there will be two samples
}

// HostPage shows the processes, or the threads, of a host. It fails where the options
// name a column that there is not, or a filter does not make sense.
func HostPage(o HostOptions) (*lower.Page[list], error) {
	v, err := o.view()
	if err != nil {
		return nil, err
	}
	scan, command := Scan, "proc"
	if o.Threads {
		scan, command = ScanThreads, "proc --threads"
	}
	take := func(h *inspect.Host, was *procfacts.Processes) (list, error) {
		rows, order, err := v.Scan(func(want inspect.Sources) (explain.Scan[row], error) { return scan(h, want, was) })
		if err != nil {
			return nil, err
		}
		ps := rows.(*procfacts.Processes)
		fillHeld(ps, inspect.Sources{})
		if o.Tree {
			order = AsTree(ps, order)
		}
		l, err := procfacts.Take(h, ps, order)
		if err == nil && !o.Threads && ps.Asked(inspect.PIDStatus) {
			l.Users = procfacts.TakeUsers(ps)
		}
		return l, err
	}
	rows := rowsOf(v, scan)
	if !o.Threads {
		rows.Leaves = []string{"proc.files_near_limit"} // fd counts descriptors
	}
	var judged *cgroupfacts.PidsList // of kwhy check, which reads them with all else
	tables := []lower.Attached[list]{rows, pidsGroups(o.Screen, &judged)}
	if !o.Threads { // whose rows are no processes
		tables = append(tables, users())
	}
	return &lower.Page[list]{
		Command: command, Card: Host(), Doing: "reading the processes",
		Tables: tables,
		Take:   takeAlone,
		First:  func(h *inspect.Host, _ inspect.Sources) (list, error) { return take(h, nil) },
		Second: func(h *inspect.Host, _ inspect.Sources, was list) (list, error) {
			if was == nil {
				return take(h, nil)
			}
			return take(h, was.Procs)
		},
		Since: func(now, was list) { now.Was = was },
		At:    func(l list) time.Time { return l.Settings.At },
		Gaps:  list.Gaps,
		Summary: func(_ *lower.Report, l list) []string {
			return []string{Counted(l.Procs)}
		},
		Check: func() *lower.Check[list] { return check(&judged) },
	}, nil
}

// pidsGroups attaches the table of cgroups that bound the number of processes.
func pidsGroups(screen int, judged **cgroupfacts.PidsList) lower.Attached[list] {
	t := lower.Table(PidsGroups(), screen, func(l list) explain.Rows[cgroupfacts.PidsPart] { return cgroupfacts.TakePids(l.Procs.Host.Host) })
	t.Judged = func(list) explain.Rows[cgroupfacts.PidsPart] { return *judged }
	t.Scan = func(h *inspect.Host, v *lower.View[cgroupfacts.PidsPart]) (explain.Rows[cgroupfacts.PidsPart], []int32, error) {
		l := cgroupfacts.TakePids(h)
		return l, v.Order(l), nil
	}
	return t
}

// users attaches the table of users, which is shown where the status of all processes was read for
// something else.
func users() lower.Attached[list] {
	t := lower.Table(Users(), 0, func(l list) explain.Rows[userRow] {
		if l.Users == nil {
			return nil
		}
		return l.Users
	})
	t.Empty = "No process is of a user whom RLIMIT_NPROC holds."
	t.Scan = func(h *inspect.Host, v *lower.View[userRow]) (explain.Rows[userRow], []int32, error) {
		ps, err := Scan(h, inspect.Of(inspect.PIDStatus), nil)
		if err != nil {
			return nil, nil, err
		}
		u := procfacts.TakeUsers(ps)
		return u, v.Order(u), nil
	}
	return t
}

// check looks at what processes there are, and at the bounds of their number.
func check(pids **cgroupfacts.PidsList) *lower.Check[list] {
	return &lower.Check[list]{
		Take: func(sh *lower.Shared, want inspect.Sources) (list, error) {
			fillHeld(sh.Procs, want)
			*pids = cgroupfacts.TakePids(sh.Host)
			l, err := procfacts.Take(sh.Host, sh.Procs, nil)
			if err == nil {
				l.Threads, l.Users = lower.Share(sh, procfacts.TakeThreads), procfacts.TakeUsers(sh.Procs)
			}
			return l, err
		},
		Scan:   inspect.Of(inspect.PIDStatus), // how often each gave up its CPU, and whose it is
		Health: Health, Rests: inspect.Of(inspect.Loadavg, inspect.KernelThreadsMax),
	}
}

// fillHeld reads of those in D what they wait for, and how often each gave up its CPU, and of those
// that are stopped who could continue them, whether or not they are shown.
func fillHeld(ps *procfacts.Processes, want inspect.Sources) {
	var blocked []int32
	for i := range ps.Rows {
		if ps.Rows[i].State == 'D' {
			blocked = append(blocked, int32(i))
		}
	}
	ps.Fill(blocked, want.Plus(inspect.Of(inspect.PIDStatus, inspect.PIDWchan, inspect.PIDSyscall)))
	ps.Freeze(blocked)
	ps.FindWaitsOf(blocked)
	ps.FindStops()
}

// Counted says for a header how many processes there are, as far as they are seen; "" where none
// could be.
func Counted(ps *procfacts.Processes) string {
	words := units.Plural(ps.Len(), "process", "processes")
	switch seen := ps.Seen(); {
	case seen.Nothing():
		return ""
	case !seen.Whole():
		return words + " seen"
	}
	return words
}

type scanner func(*inspect.Host, inspect.Sources, *procfacts.Processes) (*procfacts.Processes, error)

// rowsOf attaches the table of processes or threads.
func rowsOf(v *lower.View[row], scan scanner) *lower.Rows[list, row] {
	return &lower.Rows[list, row]{
		View: v, Asked: true, Ready: true, More: "--limit 0 shows all", Left: lower.NotAsked, Known: inspect.Of(inspect.PIDStat),
		Of:    func(l list) explain.Rows[row] { return l.Procs },
		Order: func(l list) []int32 { return l.Order },
		Scan: func(h *inspect.Host, v *lower.View[row]) (explain.Rows[row], []int32, error) {
			return v.Scan(func(want inspect.Sources) (explain.Scan[row], error) { return scan(h, want, nil) })
		},
	}
}

// threadsPage is what --threads adds to the page of the host.
func threadsPage() *lower.Page[list] {
	v := lower.Own(EachThread(), nil, nil, 0)
	return &lower.Page[list]{
		Command: "proc --threads",
		Scope:   explain.OfAnswer,
		Like:    "proc",
		Tables:  []lower.Attached[list]{rowsOf(v, ScanThreads)},
	}
}

// takeAlone is a host's processes for one value of its card.
func takeAlone(h *inspect.Host, _ inspect.Sources) (list, error) {
	ps, err := Scan(h, inspect.Of(inspect.PIDStat), nil)
	if err != nil {
		return nil, err
	}
	return procfacts.Take(h, ps, nil)
}

// view is the table as it was asked for.
func (o *HostOptions) view() (*lower.View[row], error) {
	columns, sort := o.Columns, o.Sort
	table := Processes()
	if o.Threads {
		table = EachThread()
	}
	if o.Tree && len(columns) == 0 {
		columns = lower.Having(table, "pid", "user", "state", "cpu", "vm_rss", "age", "tree", "why")
	}
	if len(sort) == 0 && o.Interval { // then a busy kernel thread stands where it belongs
		sort = lower.Having(table, "cpu", "rss", "-pid")
	}
	v, err := lower.NewView(table, columns, sort, o.Limit)
	if err != nil {
		return nil, err
	}
	return v, o.Filter.Apply(v)
}

// samplePage is where kwhy itself spends its time, for examples.
func samplePage(over time.Duration) *lower.Page[sample] {
	return SamplePage(context.Background(), 0, over)
}

// SamplePage shows where a process spends its time, which is watched for so long.
func SamplePage(ctx context.Context, pid int32, over time.Duration) *lower.Page[sample] {
	return &lower.Page[sample]{
		Command: "proc PID --sample", Scope: explain.OfAnswer, Card: Sampled(), Doing: "watching the process for " + over.String(),
		Tables: []lower.Attached[sample]{lower.Table(Doings(), 0, func(s sample) explain.Rows[doingRow] { return s })},
		Take: func(h *inspect.Host, _ inspect.Sources) (sample, error) {
			if pid == 0 {
				return Take(ctx, h, h.Example(), over)
			}
			return Take(ctx, h, pid, over)
		},
		At:      func(s sample) time.Time { return s.Host.At },
		Gaps:    sample.Gaps,
		Subject: func(s sample) *lower.Subject { return &lower.Subject{PID: pid, Comm: s.Comm} },
	}
}

// ProcessPage shows one process; 0 is kwhy itself.
func ProcessPage(pid int32) *lower.Page[detail] {
	return detailPage(pid, Detail)
}

// ThreadPage shows one thread.
func ThreadPage(tid int32) *lower.Page[detail] {
	return detailPage(tid, ThreadDetail)
}

func detailPage(pid int32, read func(*inspect.Host, int32, inspect.Sources) (detail, error)) *lower.Page[detail] {
	return &lower.Page[detail]{
		Command: "proc PID", Scope: explain.OfProcess, Card: Process(), Doing: "reading the process",
		Tables: []lower.Attached[detail]{
			part(Namespaces(), func(d detail) []procfacts.Namespace { return d.Namespaces }),
			part(Limits(), func(d detail) []procfacts.Bound { return d.Bounds }),
			part(Rlimits(), func(d detail) []procfacts.Limit { return d.Limits }),
		},
		Take: func(h *inspect.Host, want inspect.Sources) (detail, error) {
			if pid == 0 {
				return read(h, h.Example(), want)
			}
			return read(h, pid, want)
		},
		Since: func(now, was detail) {
			now.Was = was
			now.Row.Host.Was, now.Row.Was = was.Row.Host, was.Row.P
		},
		Same:     func(was, now detail) bool { return was.Row.P.GoesOn(now.Row.P) },
		NoneLeft: func(d detail) { d.Ended = true },
		At:       func(d detail) time.Time { return d.Row.Host.At },
		Gaps:     detail.Gaps,
		Subject:  func(d detail) *lower.Subject { return &lower.Subject{PID: pid, Comm: d.Row.P.Comm, Born: d.Born} },
	}
}

// part attaches a table of a process's parts.
func part[T any](t *explain.Table[procfacts.DetailPart[T]], of func(detail) []T) lower.Attached[detail] {
	r := lower.Table(t, 0, func(d detail) explain.Rows[procfacts.DetailPart[T]] {
		return procfacts.DetailParts[T]{In: d, List: of(d)}
	})
	r.Plus = inspect.Of(inspect.PIDStatus, inspect.PIDCgroup, inspect.PIDLimits)
	return r
}

// Scan scans the processes with what identifies their rows besides their own
// files: users' names, and the scan an interval ago, if there is one. stat is
// always read: it says what a process is.
func Scan(h *inspect.Host, want inspect.Sources, was *procfacts.Processes) (*procfacts.Processes, error) {
	ps, err := procfacts.Scan(h, want.Plus(inspect.Of(inspect.PIDStat)))
	if err != nil {
		return nil, err
	}
	return known(h, ps, was), nil
}

// ScanThreads does the same for every thread of the host.
func ScanThreads(h *inspect.Host, want inspect.Sources, was *procfacts.Processes) (*procfacts.Processes, error) {
	ps, err := procfacts.ScanThreads(h, 0, want.Plus(inspect.Of(inspect.PIDStat)))
	if err != nil {
		return nil, err
	}
	return known(h, ps, was), nil
}

func known(h *inspect.Host, ps, was *procfacts.Processes) *procfacts.Processes {
	var err error
	if ps.Host.Users, err = h.Users(); err != nil {
		ps.Host.Users = nil // then numbers stand for them
	}
	ps.Terminals()
	if was != nil {
		ps.Since(was)
	}
	return ps
}

// Detail reads one process, and of the others who they are.
func Detail(h *inspect.Host, pid int32, want inspect.Sources) (*procfacts.Detail, error) {
	ps, err := Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return procfacts.TakeDetail(h, ps, pid, want)
}

// ThreadDetail reads one thread, and of the processes who they are.
func ThreadDetail(h *inspect.Host, tid int32, want inspect.Sources) (*procfacts.Detail, error) {
	ps, err := Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return procfacts.TakeThread(h, ps, tid, want)
}

// Filter says which processes are wanted. What is empty keeps all.
type Filter struct {
	UID    *uint32
	Name   string // a regular expression
	State  string // letters: D,Z
	Cgroup string // a path: those in it and below it
}

// Apply puts the filter before a view. It fails where a part of it makes no sense, and
// then names the flag that it is from.
func (f *Filter) Apply(v *lower.View[row]) error { return Keep(v, f, func(p row) row { return p }) }

// Keep does so for rows of what has a process.
func Keep[S explain.Snapshot[S]](v *lower.View[S], f *Filter, of func(S) row) error {
	if f.UID != nil {
		uid := *f.UID
		v.Where(inspect.Of(inspect.PIDStatus), func(s S) bool {
			p := of(s)
			return p.Missing(inspect.PIDStatus) == inspect.Present && p.P.UID == uid
		})
	}
	if f.Name != "" {
		re, err := regexp.Compile(f.Name)
		if err != nil {
			return fmt.Errorf("--name: %w", err)
		}
		v.Where(inspect.Of(inspect.PIDStat), func(s S) bool { return re.MatchString(of(s).P.Comm) })
	}
	if f.State != "" {
		letters := strings.ReplaceAll(f.State, ",", "")
		if bad := strings.Trim(letters, "RSDTtZIXP"); bad != "" {
			return fmt.Errorf("--state: bad value %q: it takes the letters R, S, D, T, t, Z, I, X and P", f.State)
		}
		v.Where(inspect.Of(inspect.PIDStat), func(s S) bool { return strings.IndexByte(letters, of(s).P.State) >= 0 })
	}
	if f.Cgroup != "" {
		top := "/" + strings.Trim(f.Cgroup, "/")
		v.Where(inspect.Of(inspect.PIDCgroup), func(s S) bool {
			p := of(s)
			return p.P.Cgroup != "" && (top == "/" || p.P.Cgroup == top || strings.HasPrefix(p.P.Cgroup, top+"/"))
		})
	}
	return nil
}

// Find returns the process of a name that just one has, kwhy itself aside. The error
// says how many have it, and is inspect.ErrNoProcess where none has.
func Find(h *inspect.Host, name string) (int32, error) {
	ps, err := Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return 0, err
	}
	var found []string
	var pid int32
	for i := range ps.Rows {
		if p := &ps.Rows[i]; p.Comm == name && p.PID != ps.Host.Self {
			pid = p.PID
			found = append(found, strconv.Itoa(int(pid)))
		}
	}
	switch n := len(found); {
	case n == 0:
		none := units.NoneOf(fmt.Sprintf("no process is called %q", name), ps.SeenOf(inspect.PIDStat))
		return 0, fmt.Errorf("%s (kwhy proc --name finds parts of names): %w", none, inspect.ErrNoProcess)
	case n > 20:
		return 0, fmt.Errorf("%d processes are called %q: give a PID, such as %s", n, name, found[0])
	case n > 1:
		return 0, fmt.Errorf("%d processes are called %q: give a PID of %s", n, name, strings.Join(found, ", "))
	}
	return pid, nil
}

// Subject is the process of a row, for a page that is about it.
func Subject(pid int32, r row) *lower.Subject {
	return &lower.Subject{PID: pid, Comm: r.P.Comm, Born: r.Born()}
}
