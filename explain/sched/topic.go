package sched

import (
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
)

var _ lower.Surveyor = sched(nil)

// voters is of how many default tasks the slice is read.
const voters = 5

// readSlices reads the slices of some default tasks, kwhy's own first if it is one.
func readSlices(ps *procfacts.Processes) {
	var rows []int32
	if i, ok := ps.Row(ps.Host.Self); ok && hasSlice(&ps.Rows[i]) {
		rows = append(rows, i)
	}
	for i := range ps.Rows {
		if p := &ps.Rows[i]; len(rows) < voters && hasSlice(p) && p.PID != ps.Host.Self {
			rows = append(rows, int32(i))
		}
	}
	ps.Fill(rows, inspect.Of(inspect.PIDSched))
}

// Topic is how CPUs are shared out: over the host, and to one process.
func Topic() explain.Topic {
	return explain.Topic{Name: "sched", Title: "CPUs", Pages: func() []explain.Page {
		return []explain.Page{
			lower.MustPage(HostPage(HostOptions{})), threadsPage(), ProcessPage(0, false),
		}
	}}
}

// HostOptions are what the page of a host's CPUs is asked for.
type HostOptions struct {
	Columns, Sort []string
	Limit         int // rows of processes; 0 is all
	Screen        int // rows of a screen
	Filter        proc.Filter
	Text          bool // columns that only data has are left out
}

// HostPage shows who gets the CPUs of a host. It fails where the options name a column
// that there is not, or a filter does not make sense.
func HostPage(o HostOptions) (*lower.Page[sched], error) {
	v, err := lower.NewView(Processes(), o.Columns, o.Sort, o.Limit)
	if err != nil {
		return nil, err
	}
	if err := o.Filter.Apply(v); err != nil {
		return nil, err
	}
	if o.Text {
		v.ForText()
	}
	rows := rowsOf(v, proc.Scan)
	rows.Asked = true
	var step schedfacts.LoadStep
	return &lower.Page[sched]{
		Command: "sched", Card: Host(), Doing: "reading the processes",
		Tables: []lower.Attached[sched]{
			part(CPUs(), o.Screen, schedfacts.SameCPU, func(s sched) []schedfacts.CPU { return s.CPUs }),
			part(Blocked(), o.Screen, schedfacts.SameBlocked, func(s sched) []schedfacts.Task { return s.Blocked }),
			part(Realtime(), o.Screen, schedfacts.SameRealtime, func(s sched) []schedfacts.Task { return s.Realtime }),
			part(Cgroups(), o.Screen, schedfacts.SameGroup, func(s sched) []cgroupfacts.CPU { return s.Groups }),
			rows,
		},
		Take: take,
		First: func(h *inspect.Host, want inspect.Sources) (sched, error) {
			s, err := takeRows(h, v, want, nil)
			if err == nil {
				v.Watch(s.Procs)
			}
			return s, err
		},
		Second: func(h *inspect.Host, want inspect.Sources, was sched) (sched, error) {
			if was == nil {
				return takeRows(h, v, want, nil)
			}
			return takeRows(h, v, want, was.Procs)
		},
		Meanwhile: func(h *inspect.Host, d time.Duration, sleep func(time.Duration)) { step = watchLoads(h, d, sleep) },
		Since: func(now, was sched) {
			now.Was, now.Step = was, step
			now.Weigh(was)
			now.FindStarved(was)
			now.FindUsers(was)
		},
		At:   func(s sched) time.Time { return s.Settings.At },
		Gaps: sched.Gaps,
		Summary: func(_ *lower.Report, s sched) []string {
			return []string{proc.Counted(s.Procs)}
		},
		Check: check,
	}, nil
}

// check looks at who waits and who is bounded.
func check() *lower.Check[sched] {
	return &lower.Check[sched]{
		Take: func(sh *lower.Shared, want inspect.Sources) (sched, error) {
			threads := func() *procfacts.Threads { return lower.Share(sh, procfacts.TakeThreads) }
			return schedfacts.TakeBeside(sh.Host, sh.Procs, threads, nil, want.Plus(HealthNeeds()).Plus(inspect.Of(inspect.CPUList)))
		},
		Scan:   inspect.Of(inspect.PIDStatus), // how often each gave up its CPU
		Health: Health, Rests: HealthNeeds(), Gaps: sched.Gaps,
	}
}

// alsoRead is what the page reads besides what its values name: what tasks and cgroups say.
func alsoRead() inspect.Sources {
	return inspect.Of(inspect.CgroupCPU, inspect.Schedstat, inspect.ProcStat, inspect.SchedGetattr)
}

// takeRows scans the processes for a view, and completes the scan.
func takeRows(h *inspect.Host, v *lower.View[row], want inspect.Sources, was *procfacts.Processes) (sched, error) {
	rows, order, err := v.Scan(func(need inspect.Sources) (explain.Scan[row], error) { return proc.Scan(h, need, was) })
	if err != nil {
		return nil, err
	}
	return Take(h, rows.(*procfacts.Processes), order, want.Plus(alsoRead()))
}

// loadEvery is how often the load averages are looked at while an interval goes
// by: they change every five seconds, and one change at a time can be solved.
const loadEvery = 100 * time.Millisecond

// watchLoads waits for the interval and watches for updates of the load averages.
func watchLoads(h *inspect.Host, d time.Duration, sleep func(time.Duration)) (step schedfacts.LoadStep) {
	old, why := schedfacts.Loads(h)
	if why != inspect.Present {
		sleep(d)
		return step
	}
	for left := d; left > 0; left -= loadEvery {
		sleep(min(left, loadEvery))
		if now, why := schedfacts.Loads(h); why == inspect.Present && now != old {
			step = schedfacts.LoadStep{Old: old, New: now, Seen: true}
			old = now
		}
	}
	return step
}

type scanner func(*inspect.Host, inspect.Sources, *procfacts.Processes) (*procfacts.Processes, error)

// rowsOf attaches the table of processes or threads.
func rowsOf(v *lower.View[row], scan scanner) *lower.Rows[sched, row] {
	return &lower.Rows[sched, row]{View: v, Ready: true, More: "--limit 0 shows all", Left: lower.NotAsked,
		Of:    func(s sched) explain.Rows[row] { return s.Procs },
		Order: func(s sched) []int32 { return s.Order },
		Scan: func(h *inspect.Host, v *lower.View[row]) (explain.Rows[row], []int32, error) {
			return v.Scan(func(want inspect.Sources) (explain.Scan[row], error) { return scan(h, want, nil) })
		},
	}
}

// threadsPage is what --threads adds to the page of a process.
func threadsPage() *lower.Page[sched] {
	v := lower.Own(EachThread(), nil, nil, 0)
	return &lower.Page[sched]{
		Command: "sched PID --threads",
		Scope:   explain.OfAnswer,
		Like:    "sched PID",
		Tables:  []lower.Attached[sched]{rowsOf(v, proc.ScanThreads)},
	}
}

// ProcessPage shows one process, or one thread; 0 is kwhy itself.
func ProcessPage(pid int32, threads bool) *lower.Page[one] {
	p := &lower.Page[one]{
		Command: "sched PID", Scope: explain.OfProcess, Card: Process(), Doing: "reading the process",
		Take: func(h *inspect.Host, want inspect.Sources) (one, error) {
			if pid == 0 {
				return Task(h, h.Example(), want)
			}
			return Task(h, pid, want)
		},
		Since: func(now, was one) {
			now.Was = was
			now.Row.Host.Was, now.Row.Was = was.Row.Host, was.Row.P
			now.Threads.Since(was.Threads)
		},
		Same:    func(was, now one) bool { return was.Row.P.GoesOn(now.Row.P) },
		Ended:   func(left one, limits explain.Limits) []lower.Finding { return proc.Ended(left.Row.P, limits) },
		At:      func(t one) time.Time { return t.Row.Host.At },
		Gaps:    one.Gaps,
		Subject: func(t one) *lower.Subject { return proc.Subject(pid, t.Row) },
	}
	if threads {
		v := lower.Own(EachThread(), nil, nil, 0)
		p.Tables = append(p.Tables, &lower.Rows[one, row]{View: v, Ready: true, Of: func(t one) explain.Rows[row] { return t.Threads },
			Order: func(t one) []int32 {
				order := v.Order(t.Threads)
				t.Threads.Fill(order, v.Needs())
				return order
			}})
	}
	return p
}

// part attaches a table of the parts of a host's scheduling.
func part[T any](t *explain.Table[schedfacts.Part[T]], limit int, was func(sched, *T) *T, of func(sched) []T) lower.Attached[sched] {
	among := inspect.None
	if t.Fields[0].Source.Scope() == inspect.OfProcess {
		among = inspect.PIDTask // their stat has the state and the policy, by which tasks are listed
	}
	return lower.Table(t, limit, func(s sched) explain.Rows[schedfacts.Part[T]] {
		rows := schedfacts.Parts[T]{In: s, List: of(s), Same: was, Among: among}
		if t.Fields[0].Source == inspect.CgroupCPU {
			rows.Set = s.Walked
		}
		return rows
	})
}

// Take completes a scan of processes to a host's scheduling.
func Take(h *inspect.Host, ps *procfacts.Processes, order []int32, want inspect.Sources) (sched, error) {
	readSlices(ps)
	return schedfacts.Take(h, ps, order, want)
}

func take(h *inspect.Host, want inspect.Sources) (sched, error) {
	ps, err := proc.Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return Take(h, ps, nil, want)
}

// Task reads one process, or one thread, and those that it shares CPUs with.
func Task(h *inspect.Host, id int32, want inspect.Sources) (one, error) {
	ps, err := proc.Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	readSlices(ps)
	host := Host()
	return schedfacts.TakeProcess(h, ps, id, want.Plus(host.Sections[0].Needs()))
}
