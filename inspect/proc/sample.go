package proc

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

// Sample is what the threads of one process were seen doing, looked at again and
// again without tracing it.
type Sample struct {
	inspect.Unpaired[*Sample]

	Host    *Shared
	Comm    string
	PID     int32
	Rounds  int           // how often all threads were looked at
	Looks   int           // at single threads
	Threads int           // that were seen at all
	Took    time.Duration // from first to last
	Cost    time.Duration // of CPU time, kwhy's own
	Ended   bool          // the process ended before the time was over
	// Ran and Waited are how long its threads were on a CPU, and ready for one,
	// by the kernel's own clocks in schedstat, except those that ended meanwhile and
	// took their clocks along: Lost is how many these are. Clocks says why there is
	// neither.
	Ran, Waited time.Duration
	Lost        int
	// Starved is how many threads were runnable whenever looked at, and did not run: what they wait
	// is in no clock before they run next (kernel/sched/stats.h, sched_info_arrive).
	Starved int
	// Deadline says that one of its threads was found under SCHED_DEADLINE, which holds a task back that has
	// used its runtime up before its period is over (kernel/sched/deadline.c, update_curr_dl).
	Deadline bool
	Clocks   inspect.Reason
	// Quota is what the bound of its cgroup's CPU time did meanwhile; Bounded is
	// false where there is none.
	Quota   cgroup.Throttle
	Bounded bool
	Frozen  bool    // its cgroup's freezer held it at both ends
	Doings  []Doing // most often first
	// Owner is whose it is, OwnUID who kwhy is: both are effective, and Owned is false
	// where the first is not known.
	Owner
	OwnUID uint32
	Owned  bool

	got [inspect.NumSources]inspect.Reason
}

// Doing is one thing that threads were seen doing.
type Doing struct {
	State   byte
	Wchan   string
	Call    Syscall // its arguments of the first time; Number is NoCall outside of one
	File    string  // what the first argument leads to, where the call works on a file
	Times   int
	Threads int

	tids map[int32]bool
}

// doingKey is what is distinguished. The first argument is a file of most calls that
// wait; of others it is of no matter.
type doingKey struct {
	state byte
	wchan string
	call  int64
	file  int32
}

// Missing says why a source gave nothing.
func (s *Sample) Missing(src inspect.Source) inspect.Reason {
	if src.Scope() != inspect.OfProcess {
		return Row{Host: s.Host}.Missing(src)
	}
	return s.got[src]
}

// Kernel returns the kernel that was read.
func (s *Sample) Kernel() inspect.Kernel { return s.Host.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (s *Sample) Doubt(src inspect.Source) inspect.Doubt { return s.Host.Host.Doubt(src) }

// Gaps lists what could not be seen.
func (s *Sample) Gaps() (out []inspect.Gap) {
	for src, r := range s.got {
		if r.IsGap() && r != inspect.Unread {
			out = append(out, inspect.Gap{Source: inspect.Source(src), Reason: r, Count: 1, Of: 1})
		}
	}
	return out
}

// maxShare is how much of one CPU sampling may take: every round is followed by a
// pause of at least four times its length.
const maxShare = 4

// Sampling says how to sample.
type Sampling struct {
	Every time.Duration // between the beginnings of two rounds, or longer where a round takes long
	For   time.Duration
	// TakesFile reports whether a system call's first argument is a file.
	TakesFile func(call int64) bool
}

// TakeSample looks at what each thread of a process does, again and again
// until the time is over, the process ends or ctx is done.
func TakeSample(h *inspect.Host, ctx context.Context, ps *Processes, pid int32, how Sampling) (*Sample, error) {
	i, ok := ps.Row(pid)
	if !ok {
		return nil, h.NoProcess(pid)
	}
	s := &sampler{h: h, how: how, dir: strconv.Itoa(int(pid)), seen: map[doingKey]*Doing{}, tids: map[int32]bool{},
		rested: map[int32]bool{}, reader: Reader{Host: h},
		out: &Sample{Host: &ps.Host, PID: pid, Comm: ps.Rows[i].Comm, OwnUID: uint32(unix.Geteuid())}}
	for src := range s.out.got {
		s.out.got[src] = inspect.Unread
	}
	s.compat = s.reader.is32(&ps.Rows[i])
	whole := NewProcess(pid)
	s.out.Owned = s.reader.One(&whole, inspect.PIDStatus) == inspect.Present
	s.out.Owner = whole.Owner
	list, _ := ps.memberships(&ps.Rows[i]) // without them neither quota nor freezer are found
	was, bounded := cgroup.ThrottleOf(h, list)
	_, before := ps.heldFrozen(list)
	s.run(ctx)
	if now, ok := cgroup.ThrottleOf(h, list); ok && bounded {
		if s.out.Quota, s.out.Bounded = now.Since(was); s.out.Bounded {
			ps.Host.Throttled = map[int32]cgroup.Throttle{pid: now}
			ps.Host.Was = &Shared{quotas: map[string]cgroup.Throttle{now.Path: was}}
		}
	}
	ps.Host.frozen = nil
	_, after := ps.heldFrozen(list)
	s.out.Frozen = before && after
	if s.out.Looks == 0 {
		return nil, h.NoProcess(pid)
	}
	return s.finish(), nil
}

type sampler struct {
	h      *inspect.Host
	how    Sampling
	dir    string
	seen   map[doingKey]*Doing
	tids   map[int32]bool
	rested map[int32]bool // threads that were found in another state than R
	reader Reader
	out    *Sample
	compat bool // it is a 32-bit program
}

func (s *sampler) run(ctx context.Context) {
	begin, cost := time.Now(), inspect.OwnCPU()
	clocks, why := s.clocks()
	for s.out.Took < s.how.For && ctx.Err() == nil {
		at := time.Now()
		if !s.round() {
			s.out.Ended = true
			break
		}
		s.out.Rounds++
		took := time.Since(at)
		// Not in step with what the process does by the clock.
		pause := max(s.how.Every-took, maxShare*took) * time.Duration(750+rand.IntN(500)) / 1000
		select {
		case <-ctx.Done():
		case <-time.After(min(pause, max(s.how.For-time.Since(begin), 0))):
		}
		s.out.Took = time.Since(begin)
	}
	s.out.Took, s.out.Cost = time.Since(begin), inspect.OwnCPU()-cost
	s.out.Clocks = why
	if now, why := s.clocks(); why == inspect.Present && s.out.Clocks == inspect.Present {
		s.elapsed(clocks, now)
	} else if why != inspect.Present {
		s.out.Clocks = why
	}
}

// tick is the longest that a running thread's clock may stand still.
const tick = 10 * time.Millisecond

// clock is a thread's schedstat: time on a CPU and time ready for one, in ns.
type clock struct{ ran, waited time.Duration }

// elapsed adds up how far the threads' clocks went on.
func (s *sampler) elapsed(was, now map[string]clock) {
	for tid, c := range now {
		w, before := was[tid] // a thread that has begun meanwhile began at zero
		if id, _ := inspect.ParsePID(tid); before && w == c && s.tids[id] && !s.rested[id] && s.out.Took > 2*tick {
			s.out.Starved++
		}
		s.out.Ran, s.out.Waited = s.out.Ran+max(c.ran-w.ran, 0), s.out.Waited+max(c.waited-w.waited, 0)
	}
	for tid := range was {
		if _, ok := now[tid]; !ok {
			s.out.Lost++
		}
	}
}

// clocks reads the clocks of the threads; the reason says why there are none.
func (s *sampler) clocks() (out map[string]clock, why inspect.Reason) {
	tids, err := s.h.Proc.Names(s.dir + "/task")
	if err != nil {
		return nil, s.h.PidReason(s.dir, err)
	}
	out, why = map[string]clock{}, inspect.Vanished
	for _, tid := range tids {
		err := s.h.Proc.Single(s.dir+"/task/"+tid+"/schedstat", func(b []byte) error {
			field, rest := inspect.CutField(inspect.TrimNewline(b))
			n, ok1 := inspect.ParseUint(field)
			field, _ = inspect.CutField(rest)
			m, ok2 := inspect.ParseUint(field)
			if !ok1 || !ok2 {
				return inspect.ErrMalformed
			}
			out[tid] = clock{time.Duration(n), time.Duration(m)}
			return nil
		})
		if r := s.note(inspect.PIDSchedstat, s.h.PidReason(s.dir+"/task/"+tid, err)); why != inspect.Present {
			why = r
		}
	}
	return out, why
}

// round looks at every thread once; false where there is none left.
func (s *sampler) round() bool {
	names, err := s.h.Proc.Names(s.dir + "/task")
	if err != nil {
		return false
	}
	alive := false
	for _, name := range names {
		tid, ok := inspect.ParsePID(name)
		if !ok {
			continue
		}
		p := NewProcess(tid)
		p.TGID, _ = inspect.ParsePID(s.dir)
		if s.note(inspect.PIDStat, s.reader.One(&p, inspect.PIDStat)) != inspect.Present {
			continue
		}
		alive = alive || p.State != 'Z' && p.State != 'X'
		s.look(&p)
	}
	return alive
}

// look counts what one thread does. Between two reads it may go on: then the
// system call is the later.
func (s *sampler) look(p *Process) {
	if p.State != 'R' && p.State != 'Z' && p.State != 'X' {
		s.note(inspect.PIDWchan, s.reader.One(p, inspect.PIDWchan))
		if err := s.reader.File(
			p, "/syscall", inspect.UntilShort, p.parseSyscall,
		); s.note(inspect.PIDSyscall, inspect.ReasonOfPID(err)) != inspect.Present {
			p.Call = Syscall{Number: NoCall}
		}
	}
	if p.Wchan == "0" {
		p.Wchan = ""
	}
	key := doingKey{state: p.State, wchan: p.Wchan, call: p.Call.Number, file: -1}
	if p.Call.Number != NoCall && s.how.TakesFile(p.Call.Number) {
		key.file = int32(p.Call.Args[0])
	}
	d := s.seen[key]
	if d == nil {
		p.Call.Compat = s.compat
		d = &Doing{State: p.State, Wchan: p.Wchan, Call: p.Call, tids: map[int32]bool{}}
		if key.file >= 0 {
			d.File, _ = s.h.Proc.Readlink(s.dir + "/fd/" + strconv.Itoa(int(key.file))) // not there: closed meanwhile, or not permitted
		}
		s.seen[key] = d
	}
	d.Times++
	d.tids[p.PID], s.tids[p.PID] = true, true
	s.out.Deadline = s.out.Deadline || p.OfDeadline()
	if p.State != 'R' {
		s.rested[p.PID] = true
	}
	s.out.Looks++
}

// note keeps why a source gave nothing. What was there once is there.
func (s *sampler) note(src inspect.Source, r inspect.Reason) inspect.Reason {
	if was := s.out.got[src]; was != inspect.Present && r != inspect.Vanished {
		s.out.got[src] = r
	}
	return r
}

// merge adds what was half seen, because the thread woke between two reads, to
// what was seen whole, where just that fits.
func (s *sampler) merge() {
	for key, d := range s.seen {
		if key.state == 'R' || key.wchan != "" && key.call != NoCall || key.wchan == "" && key.call == NoCall {
			continue
		}
		var whole *Doing
		n := 0
		for k, w := range s.seen {
			fits := k.state == key.state && k.wchan != "" && k.call != NoCall &&
				(key.wchan == k.wchan || key.wchan == "" && key.call == k.call && key.file == k.file)
			if fits {
				whole = w
				n++
			}
		}
		if n == 1 {
			whole.Times += d.Times
			maps.Copy(whole.tids, d.tids)
			delete(s.seen, key)
		}
	}
}

func (s *sampler) finish() *Sample {
	s.merge()
	for _, d := range s.seen {
		d.Threads = len(d.tids)
		s.out.Doings = append(s.out.Doings, *d)
	}
	slices.SortFunc(s.out.Doings, func(a, b Doing) int {
		return cmp.Or(
			cmp.Compare(b.Times, a.Times), cmp.Compare(a.State, b.State), cmp.Compare(a.Wchan, b.Wchan),
			cmp.Compare(a.Call.Number, b.Call.Number), cmp.Compare(a.Call.Args[0], b.Call.Args[0]),
		)
	})
	s.out.Threads = len(s.tids)
	return s.out
}

// SamplePart is one of the things that a sample found.
type SamplePart = inspect.Part[*Sample, Doing]

// Task is a thread as it was found.
func (s *Sample) Task(d *Doing) Row {
	t := NewProcess(s.PID)
	t.State, t.Wchan, t.Call = d.State, d.Wchan, d.Call
	t.Frozen = s.Frozen && (t.State == 'D' || t.State == 'S')
	for _, src := range inspect.ProcessSources() {
		t.note(src, s.got[src])
	}
	return Row{Host: s.Host, P: &t}
}

// Len returns how many things were found.
func (s *Sample) Len() int { return len(s.Doings) }

// At returns one of them.
func (s *Sample) At(i int) SamplePart { return SamplePart{In: s, It: &s.Doings[i], N: i} }
