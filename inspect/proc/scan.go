package proc

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/wait"
)

// OOMScale is how badness points are to be understood in a scan: what they are
// set against, and how oom_score is made from them.
type OOMScale struct {
	Host   uint64 // pages of RAM and swap: what oom_score is set against, always
	Domain uint64 // pages that a kill would be set against: Host, or what a cgroup may use
	// Why is why these are unknown, which are 0 then.
	Why inspect.Reason
	// Since59 says that the scale is that of 5.9 and later, which some older kernels of
	// vendors have too.
	Since59 bool
	// Assumed says that neither the scores nor a version show which scale it is.
	Assumed bool
	// StatusRSS says that the OOM code's RSS is the one of status, not of stat.
	StatusRSS bool
	// InitLives reports whether PID 1 of that /proc is the host's, which is never
	// killed: a container's can be.
	InitLives bool
}

// Sure59 reports whether the scale is known to be that of 5.9: then a score of 0 says something.
func (s *OOMScale) Sure59() bool { return s.Since59 && !s.Assumed }

// Row returns the index of a PID in the scan.
func (ps *Processes) Row(pid int32) (int32, bool) {
	i, ok := slices.BinarySearchFunc(ps.Rows, pid, func(p Process, pid int32) int { return int(p.PID) - int(pid) })
	return int32(i), ok
}

// Shared is what the rows of one scan share.
type Shared struct {
	Host *inspect.Host
	At   time.Time
	Self int32 // kwhy's own PID in that tree; 0 if unknown
	OOM  OOMScale
	// Uptime is how long the host has been up, in seconds; 0 if unknown, and NoUptime why.
	Uptime   float64
	NoUptime inspect.Reason
	Users    inspect.Userland
	TTYs     map[int32]string // names of terminals, below /dev, by number
	// Throttled are bounds on the CPU time of those that want some, by PID.
	Throttled map[int32]cgroup.Throttle
	// Hidden reports whether this /proc does not show the processes of others to
	// this reader.
	Hidden bool

	// Whole says that this /proc shows the host's own PID namespace, Inside that it
	// shows one below; where neither can be seen, neither is set.
	Whole, Inside bool
	// Waits are what tasks wait for, of those that FindWaits had more to say of, by PID or TID.
	Waits map[int32]wait.Wait
	// Tracers are the processes of those tracers that are no main threads, by TID.
	Tracers map[int32]int32

	// Lacking says that a copy has only some of the processes that the host had, Uncounted why
	// nobody can tell whether it has all.
	Lacking   bool
	Uncounted inspect.Reason

	quotas map[string]cgroup.Throttle // by cgroup
	frozen map[string]frozen          // by cgroup
	// lastRuns is how long ago tasks were last on a CPU, by PID or TID.
	lastRuns map[int32]LastRun
	All      *Processes
	Was      *Shared
}

// Row is one process in its context: a view of three words, never stored.
type Row struct {
	Host *Shared
	P    *Process
	Was  *Process // the same process an interval ago, or nil
}

// Missing says why a source of this process gave nothing, or the host's uptime and boot time, from
// which its age and its start are computed.
func (p Row) Missing(s inspect.Source) inspect.Reason {
	switch {
	case s == inspect.Uptime:
		return p.Host.NoUptime
	case s == inspect.ProcStat && p.Host.Host != nil:
		return p.Host.Host.NoBoot()
	case s.Scope() != inspect.OfProcess, s == inspect.PIDEntry: // that it is a row
		return inspect.Present
	}
	return p.P.Why(s)
}

// Partial reports whether a source gave only a part of what it holds.
func (p Row) Partial(s inspect.Source) bool { return s == inspect.PIDStatus && p.P.cut }

// Stood reports whether status gave a value, by its key, that stat has and did not give.
func (p Row) Stood(declared inspect.Source, key string) (instead inspect.Source, ok bool) {
	field := map[string]int{"comm": 2, "tree": 2, "state": 3, "ppid": 4, "threads": 20, "vsize": 23}[key]
	return inspect.PIDStatus, declared == inspect.PIDStat && field != 0 && p.P.Stood(StatFields(field))
}

// Born returns when it was started; the zero time where that is not known.
func (p Row) Born() time.Time { return p.P.Born(p.Host.Host) }

// Before returns the same process an interval ago.
func (p Row) Before() (Row, time.Duration, bool) {
	if p.Was == nil || p.Host.Was == nil {
		return Row{}, 0, false
	}
	return Row{Host: p.Host.Was, P: p.Was}, p.Host.At.Sub(p.Host.Was.At), true
}

// Kernel returns the kernel that was read.
func (p Row) Kernel() inspect.Kernel { return p.Host.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (p Row) Doubt(src inspect.Source) inspect.Doubt { return p.Host.Host.Doubt(src) }

// Gaps lists what the process did not give.
func (p Row) Gaps() (out []inspect.Gap) {
	for _, s := range inspect.ProcessSources() {
		if r := p.P.Why(s); r.IsGap() && r != inspect.Unread {
			out = append(out, inspect.Gap{Source: s, Reason: r, Count: 1, Of: 1})
		}
	}
	return out
}

// Processes is one scan of all processes.
type Processes struct {
	Host Shared
	Rows []Process
	// FillTook is how long Fill took: the kernel walks page tables for some.
	FillTook time.Duration

	prev  *Processes
	pairs []int32 // for each row its index in prev, or -1
}

// Len returns the number of processes.
func (ps *Processes) Len() int { return len(ps.Rows) }

// Seen returns how many processes there are: of a /proc that hides those of others, of one that
// shows a PID namespace below the host's, and of a copy without any or without a count of all,
// nobody can tell.
func (ps *Processes) Seen() inspect.Seen {
	if ps.Host.Host == nil {
		return inspect.Seen{} // nobody scanned: there is no set
	}
	s := inspect.Seen{Each: "process", Seen: len(ps.Rows), All: len(ps.Rows), Source: inspect.PIDEntry}
	switch {
	case ps.Host.Hidden:
		s.Open, s.Reason = true, inspect.Hidden
	case ps.Host.Inside:
		s.Open, s.Reason = true, inspect.OtherNamespace
	case len(ps.Rows) == 0, ps.Host.Lacking:
		s.Open, s.Reason = true, ps.Host.Host.Lack()
	case ps.Host.Uncounted != inspect.Present:
		s.Open, s.Source, s.Reason, s.Beyond = true, inspect.Loadavg, ps.Host.Uncounted, inspect.Untold
		return s
	}
	s.Beyond = s.Reason
	return s
}

// SeenOf returns how many of them gave a source that is read of each.
func (ps *Processes) SeenOf(s inspect.Source) inspect.Seen {
	switch {
	case s == inspect.PIDEntry:
		return ps.Seen()
	case s.Scope() != inspect.OfProcess:
		return inspect.Seen{}
	}
	counted := StatFields(3, 9, 41) // by its state, its policy, and by its flags whether it is a kernel thread
	return inspect.SeenBy("process", s, len(ps.Rows), func(i int) inspect.Reason {
		if p := &ps.Rows[i]; s != inspect.PIDStat || !p.Spoilt(counted) {
			return p.Why(s)
		}
		return inspect.Malformed
	}).Within(ps.Seen())
}

// Asked reports whether a source was read, or tried to be, of each of them.
func (ps *Processes) Asked(s inspect.Source) bool {
	for i := range ps.Rows {
		if ps.Rows[i].Why(s) == inspect.Unread {
			return false
		}
	}
	return true
}

// At returns row i in its context.
func (ps *Processes) At(i int) Row {
	v := Row{Host: &ps.Host, P: &ps.Rows[i]}
	if ps.prev != nil && ps.pairs[i] >= 0 {
		v.Was = &ps.prev.Rows[ps.pairs[i]]
	}
	return v
}

// Since pairs the rows with those of an earlier scan, by PID and start time:
// a number may have been given to another process meanwhile.
func (ps *Processes) Since(prev *Processes) {
	ps.prev, ps.Host.Was = prev, &prev.Host
	ps.pairs = make([]int32, len(ps.Rows))
	for i := range ps.Rows {
		p := &ps.Rows[i]
		j, ok := slices.BinarySearchFunc(prev.Rows, p.PID, func(q Process, pid int32) int { return cmp.Compare(q.PID, pid) })
		if ps.pairs[i] = int32(j); !ok || prev.Rows[j].Start != p.Start {
			ps.pairs[i] = -1
		}
	}
}

// Alone undoes Since.
func (ps *Processes) Alone() { ps.prev, ps.pairs, ps.Host.Was = nil, nil, nil }

// Scan reads the wanted sources of every process. Those that end meanwhile
// are left out.
func Scan(h *inspect.Host, want inspect.Sources) (*Processes, error) {
	names, err := h.Proc.Names(".")
	if err != nil {
		return nil, err
	}
	rows := make([]Process, 0, len(names))
	for _, name := range names {
		if pid, ok := inspect.ParsePID(name); ok && !savedThread(h, pid) {
			rows = append(rows, NewProcess(pid))
		}
	}
	ps := ScanRows(h, rows, want)
	ps.Host.Hidden = ps.hidden()
	ps.Host.Lacking, ps.Host.Uncounted = ps.lacking()
	return ps, nil
}

// savedThread reports whether a directory of a copy is that of a thread: /proc has these too,
// unlisted, and who copied it by number has both. A running kernel lists none.
func savedThread(h *inspect.Host, pid int32) bool {
	if h.Live {
		return false
	}
	tgid, err := ProcessOf(h, pid)
	return err == nil && tgid != pid
}

// ScanRows reads the wanted sources of rows, and leaves out those that are gone.
func ScanRows(h *inspect.Host, rows []Process, want inspect.Sources) *Processes {
	ps := &Processes{Host: Shared{Host: h, At: h.Now(), Self: h.Self()}, Rows: rows}
	ps.Host.Uptime, ps.Host.NoUptime = h.Uptime()
	ps.Host.All = ps
	if whole, known := h.InitialPIDNamespace(); known {
		ps.Host.Whole, ps.Host.Inside = whole, !whole
	}
	slices.SortFunc(ps.Rows, func(a, b Process) int { return cmp.Compare(a.PID, b.PID) })
	EachChunk(h, len(ps.Rows), func(r *Reader, i int) { r.Fill(&ps.Rows[i], want) })
	ps.Rows = slices.DeleteFunc(ps.Rows, func(p Process) bool { return p.Gone })
	return ps
}

// ScanThreads reads the wanted sources of every thread of the host, or of one process
// if pid is not 0.
func ScanThreads(h *inspect.Host, pid int32, want inspect.Sources) (*Processes, error) {
	names := []string{strconv.Itoa(int(pid))}
	if pid == 0 {
		var err error
		if names, err = h.Proc.Names("."); err != nil {
			return nil, err
		}
	}
	var rows []Process
	for _, name := range names {
		tgid, ok := inspect.ParsePID(name)
		if !ok {
			continue
		}
		tids, err := h.Proc.Names(name + "/task")
		if err != nil {
			continue // it has ended
		}
		for _, name := range tids {
			if tid, ok := inspect.ParsePID(name); ok {
				p := NewProcess(tid)
				p.TGID = tgid
				rows = append(rows, p)
			}
		}
	}
	ps := ScanRows(h, rows, want)
	ps.Host.Hidden = pid == 0 && ps.hidden()
	return ps, nil
}

// Threads are the threads of all processes of a scan. What is counted of threads, such as
// those in D, is counted of one of these: a second read finds others.
type Threads struct {
	of    *Processes
	lists map[int32]*threadList // of the processes that have more than one, by PID
}

// threadList is the threads of a process, with their stat.
type threadList struct {
	rows []Process
	err  error
}

// TakeThreads reads the stat of each thread of the processes that have more than one. Of the
// main thread the state is the one that the process was seen in: /proc/PID/stat has it.
func TakeThreads(h *inspect.Host, ps *Processes) *Threads {
	t := &Threads{of: ps, lists: map[int32]*threadList{}}
	var many []int32
	for i := range ps.Rows {
		if p := &ps.Rows[i]; p.Threads > 1 && p.TGID == 0 {
			many, t.lists[p.PID] = append(many, int32(i)), &threadList{}
		}
	}
	EachChunk(h, len(many), func(r *Reader, i int) {
		p := &ps.Rows[many[i]]
		list := t.lists[p.PID]
		list.rows, list.err = threads(r, p)
		if n := len(list.rows); list.err == nil && !h.Live && n < int(p.Threads) { // nothing ends in a copy
			list.err = inspect.Lacking(fmt.Errorf("%s/task: %d of %d threads", p.Dir(), n, p.Threads), inspect.NotSaved)
		}
	})
	return t
}

// threads reads stat of each thread of a process. Those that end meanwhile are left out.
func threads(r *Reader, p *Process) ([]Process, error) {
	names, err := r.Host.Proc.Names(p.Dir() + "/task")
	if err != nil {
		return nil, err
	}
	out := make([]Process, 0, len(names))
	for _, name := range names {
		tid, ok := inspect.ParsePID(name)
		if !ok {
			continue
		}
		t := NewProcess(tid)
		t.TGID = p.PID
		if r.Fill(&t, inspect.Of(inspect.PIDStat)); t.Why(inspect.PIDStat) != inspect.Present {
			continue
		}
		if tid == p.PID {
			t.State = p.State
		}
		out = append(out, t)
	}
	return out, nil
}

// Each passes on every thread that was seen: of a process of one thread, and of one whose threads
// cannot be read, its row stands for them.
func (t *Threads) Each(do func(*Process)) {
	for i := range t.of.Rows {
		p := &t.of.Rows[i]
		list := t.lists[p.PID]
		if list == nil || len(list.rows) == 0 {
			do(p)
			continue
		}
		for j := range list.rows {
			do(&list.rows[j])
		}
	}
}

// Blocked returns the threads in D.
func (t *Threads) Blocked() (out []*Process) {
	t.Each(func(p *Process) {
		if p.State == 'D' {
			out = append(out, p)
		}
	})
	return out
}

// Seen returns of how many processes all threads were seen.
func (t *Threads) Seen() inspect.Seen {
	why := func(i int) inspect.Reason {
		p := &t.of.Rows[i]
		if list := t.lists[p.PID]; list != nil && list.err != nil {
			return t.of.Host.Host.PidReason(p.Dir(), list.err)
		}
		return p.Why(inspect.PIDStat)
	}
	return inspect.SeenBy("process", inspect.PIDTask, len(t.of.Rows), why).Within(t.of.Seen())
}

// Unread counts by reason the processes whose threads could not be read, of all that have more
// than one.
func (t *Threads) Unread() (by [inspect.NumReasons]int, all int) {
	for pid, list := range t.lists {
		if list.err != nil {
			by[t.of.Host.Host.PidReason(strconv.Itoa(int(pid)), list.err)]++
		}
	}
	return by, len(t.lists)
}

// Fill reads further sources of some rows, and returns those of them that are
// still there.
func (ps *Processes) Fill(rows []int32, want inspect.Sources) []int32 {
	start := time.Now()
	defer func() { ps.FillTook += time.Since(start) }()
	EachChunk(ps.Host.Host, len(rows), func(r *Reader, i int) { r.Fill(&ps.Rows[rows[i]], want) })
	return slices.DeleteFunc(slices.Clone(rows), func(i int32) bool { return ps.Rows[i].Gone })
}

// settleTries is how often Settle reads a row again.
const settleTries = 2

// Settle reads the wanted sources of a row again, one right after the other, as
// long as settled finds that they don't fit together: a process moves between
// two reads.
func (ps *Processes) Settle(rows []int32, want inspect.Sources, settled func(Row) bool) {
	EachChunk(ps.Host.Host, len(rows), func(r *Reader, i int) {
		p := &ps.Rows[rows[i]]
		for n := 0; n < settleTries && !p.Gone && !settled(ps.At(int(rows[i]))); n++ {
			p.forget(want)
			r.Fill(p, want)
		}
	})
}

func (p *Process) forget(want inspect.Sources) {
	for _, s := range inspect.ProcessSources() {
		if want.Has(s) {
			p.note(s, inspect.Unread)
		}
	}
}

// Gaps counts what processes did not give, of all that were asked for it: of a source that is read of those
// alone that are shown, of these.
func (ps *Processes) Gaps() []inspect.Gap {
	out := ps.Hidden()
	for _, s := range inspect.ProcessSources() {
		some := false
		for _, g := range inspect.GapsBy(s, len(ps.Rows), func(i int) inspect.Reason {
			p := &ps.Rows[i]
			if p.Kthread() && (s.NotOfKthreads() || s == inspect.PIDFd) {
				return inspect.Inapplicable
			}
			some = some || p.Why(s) == inspect.Unread
			return p.Why(s)
		}) {
			g.Some = some
			out = append(out, g)
		}
	}
	return out
}

// Hidden is the gap of a /proc that does not show the processes of others.
func (ps *Processes) Hidden() []inspect.Gap {
	if !ps.Host.Hidden {
		return nil
	}
	return []inspect.Gap{{Source: inspect.PIDEntry, Reason: inspect.Hidden, Count: 1, Of: 1}}
}
