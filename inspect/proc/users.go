package proc

import (
	"cmp"
	"slices"

	"kwhy/inspect"
)

// UserTasks is how many tasks a user has, and what bounds them.
//
// A task counts for its real user in its user namespace, and since 5.14, where the count is
// one of these two, for the maker of each namespace that this one is in, in the one above
// (kernel/ucount.c, inc_rlimit_ucounts); before, for its real user whatever the namespace. fork and
// clone fail where the count has come to the soft RLIMIT_NPROC of who calls them, except for the
// host's own root and who has CAP_SYS_ADMIN or CAP_SYS_RESOURCE over the host (kernel/fork.c,
// copy_process).
type UserTasks struct {
	UID       uint32 // real
	Tasks     int    // threads of its processes, as they count against that limit
	Processes int
	Looked    int            // of these, whose limits were looked at and hold
	Exempt    int            // of those looked at, whom the kernel does not hold to theirs
	Banned    int            // of those looked at, who have a limit that is too low to be judged
	Limit     inspect.Num    // of these, the one that is nearest; Unset where none of them bounds
	Of        *Process       // whose that is
	Why       inspect.Reason // why none of their limits could be looked at

	held []*Process // of those looked at, whom a limit holds
}

// Users are the users of a host that RLIMIT_NPROC holds for, those with most tasks first.
type Users struct {
	inspect.Unpaired[*Users]

	Procs *Processes
	List  []UserTasks
}

// Missing says why a source gave nothing.
func (u *Users) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// Kernel returns the kernel that was read.
func (u *Users) Kernel() inspect.Kernel { return u.Procs.Host.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (u *Users) Doubt(src inspect.Source) inspect.Doubt { return u.Procs.Host.Host.Doubt(src) }

// SeenOf returns how many of the processes show whose they are: the others may be of any user.
func (u *Users) SeenOf(inspect.Source) inspect.Seen { return u.Procs.SeenOf(inspect.PIDStatus) }

// Seen returns how many of the processes show whose they are.
func (u *Users) Seen() inspect.Seen { return u.SeenOf(inspect.PIDStatus) }

// Len returns how many there are.
func (u *Users) Len() int { return len(u.List) }

// At returns one of them.
func (u *Users) At(i int) UserPart { return UserPart{In: u, It: &u.List[i], N: i} }

// UserPart is one of them in its context.
type UserPart = inspect.Part[*Users, UserTasks]

const (
	// mostLooked is of how many processes of a host the limits are looked at, and ofOne of how
	// many of one user. They are a process's own, and inherited: one of each session is looked at,
	// of those with most tasks.
	mostLooked, ofOne = 128, 8
	// leastTasks is the lowest limit that is judged: lower ones are set by programs that
	// want no child, as avahi-daemon's 3 is.
	leastTasks = 4
)

// TakeUsers counts the tasks of users, of processes that were read with their status, and looks at
// limits of some of their processes.
func TakeUsers(ps *Processes) *Users {
	u := &Users{Procs: ps}
	t := u.tally()
	var looked []int32
	for i := range u.List {
		if n := mostLooked - len(looked); n > 0 {
			looked = append(looked, t.leaders(u.List[i].UID, min(ofOne, n))...)
		}
	}
	EachChunk(ps.Host.Host, len(looked), func(r *Reader, i int) {
		if p := &ps.Rows[looked[i]]; p.MaxTasks == inspect.Garbled {
			p.note(inspect.PIDLimits, r.One(p, inspect.PIDLimits))
		}
	})
	for _, i := range looked {
		u.look(&ps.Rows[i])
	}
	for i := range u.List {
		u.List[i].nearest(ps)
	}
	return u
}

// session is one of a user's processes: what one of them was started with, all mostly have.
type session struct {
	uid     uint32
	session int32
	tasks   int
	first   int32 // its leader, or else its oldest process: a row
}

type tally struct{ sessions []session }

// tally counts tasks by user and by session.
func (u *Users) tally() (t tally) {
	type key struct {
		uid     uint32
		session int32
	}
	at, of := map[key]int{}, map[uint32]int{}
	skip := u.Procs.rootIsHosts()
	for i := range u.Procs.Rows {
		p := &u.Procs.Rows[i]
		if p.Why(inspect.PIDStatus) != inspect.Present || p.Lost("Uid") || p.Told(StatFields(20)) != inspect.Present ||
			p.Kthread() || skip && p.RealUID == 0 {
			continue
		}
		k, ok := of[p.RealUID]
		if !ok {
			k, of[p.RealUID] = len(u.List), len(u.List)
			u.List = append(u.List, UserTasks{UID: p.RealUID, Limit: inspect.Unset, Why: inspect.Unread})
		}
		u.List[k].Tasks, u.List[k].Processes = u.List[k].Tasks+int(p.Threads), u.List[k].Processes+1
		s, ok := at[key{p.RealUID, p.Session}]
		if !ok {
			s, at[key{p.RealUID, p.Session}] = len(t.sessions), len(t.sessions)
			t.sessions = append(t.sessions, session{p.RealUID, p.Session, 0, int32(i)})
		}
		if t.sessions[s].tasks += int(p.Threads); p.PID == p.Session {
			t.sessions[s].first = int32(i)
		}
	}
	slices.SortStableFunc(u.List, func(a, b UserTasks) int { return cmp.Or(cmp.Compare(b.Tasks, a.Tasks), cmp.Compare(a.UID, b.UID)) })
	slices.SortStableFunc(t.sessions, func(a, b session) int { return cmp.Compare(b.tasks, a.tasks) })
	return t
}

// leaders returns rows of the sessions of a user that have most tasks, one of each.
func (t *tally) leaders(uid uint32, most int) (rows []int32) {
	for _, s := range t.sessions {
		if s.uid == uid && len(rows) < most {
			rows = append(rows, s.first)
		}
	}
	return rows
}

// rootIsHosts reports whether user 0 is taken for the root of the host, whom no limit holds: it is,
// unless kwhy is in a user namespace below the first, where another is called so.
func (ps *Processes) rootIsHosts() bool {
	h := ps.Host.Host
	own, err := h.Namespace(h.OwnDir(), "user")
	if err != nil || !h.Live || own == inspect.InitialUserNS {
		return true
	}
	same := false
	_ = h.Proc.Single(h.OwnDir()+"/uid_map", func(b []byte) error {
		inside, rest := inspect.CutField(b)
		outside, _ := inspect.CutField(rest)
		same = string(inside) == "0" && string(outside) == "0"
		return nil
	})
	return same
}

// look takes the limit of a process, if it holds for it.
func (u *Users) look(p *Process) {
	i := slices.IndexFunc(u.List, func(t UserTasks) bool { return t.UID == p.RealUID })
	one := &u.List[i]
	why := p.Why(inspect.PIDLimits)
	if why == inspect.Present && p.MaxTasks == inspect.Garbled {
		why = inspect.Malformed
	}
	if why == inspect.Present && p.Privileged { // of another user namespace that holds for nothing here
		switch in, err := u.Procs.Host.Host.Namespace(p.Home(u.Procs.Host.Host), "user"); {
		case err != nil && u.Procs.Host.Host.Live:
			why = inspect.ReasonOfPID(err)
		case err != nil || in == inspect.InitialUserNS:
			one.Exempt++
			return
		}
	}
	if why != inspect.Present {
		if one.Looked+one.Exempt == 0 {
			one.Why = why
		}
		return
	}
	one.Looked, one.Why = one.Looked+1, inspect.Present
	switch {
	case p.MaxTasks >= leastTasks:
		one.held = append(one.held, p)
	case p.MaxTasks != inspect.Unset:
		one.Banned++
	}
}

// nearest finds the limit that is nearest. Where the user has many tasks, those that count in other
// user namespaces are left out, as far as these can be seen.
func (t *UserTasks) nearest(ps *Processes) {
	const many = 0.5
	all, worst := t.Tasks, -1.0
	for _, p := range t.held {
		n := all
		if float64(all) >= many*float64(p.MaxTasks) {
			n = ps.countedWith(p)
		}
		if share := float64(n) / float64(p.MaxTasks); share > worst {
			t.Tasks, t.Limit, t.Of, worst = n, p.MaxTasks, p, share
		}
	}
}

// countedWith counts the tasks of a process's real user that count in its user namespace: of
// those that this /proc shows. What users of other numbers have in namespaces that he made is
// not in it.
func (ps *Processes) countedWith(of *Process) (n int) {
	h := ps.Host.Host
	in, err := h.Namespace(of.Home(h), "user")
	everywhere := err != nil || inspect.Choose(h.Kernel.Since(5, 14), false, true, false)
	known := map[uint64]bool{}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Why(inspect.PIDStatus) != inspect.Present || p.RealUID != of.RealUID || p.Kthread() {
			continue
		}
		if everywhere || countsIn(h, p, in, known) {
			n += int(p.Threads)
		}
	}
	return n
}

// countsIn reports whether the tasks of a process count for its user in a user namespace:
// they are in it, or below one that the user made there. One whose namespace cannot be seen is
// taken to be there. known keeps what was found of each namespace.
func countsIn(h *inspect.Host, p *Process, in uint64, known map[uint64]bool) bool {
	its, err := h.Namespace(p.Home(h), "user")
	if err != nil || its == in {
		return true
	}
	counts, asked := known[its]
	if asked {
		return counts
	}
	chain, err := h.UserNamespaces(p.Home(h) + "/ns/user")
	if counts = err != nil; !counts {
		for i := range chain[:max(len(chain)-1, 0)] {
			counts = counts || chain[i+1].Inode == in && chain[i].Owner == p.RealUID
		}
	}
	known[its] = counts
	return counts
}
