package proc

import (
	"cmp"
	"fmt"
	"strconv"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

type userRow = procfacts.UserPart

// Users is the table of users by how many tasks they have of those that RLIMIT_NPROC allows.
func Users() *explain.Table[userRow] {
	return &explain.Table[userRow]{
		Name: "users", Title: "Tasks of users", Sort: []string{"user_tasks", "real_user"}, Identity: []string{"real_user"},
		Fields: append(userNames(), userNumbers()...), Rules: userRules(),
	}
}

func ofUsers(d doc, get func(userRow) value) explain.Field[userRow] {
	if d.Source == inspect.None {
		d.Source = inspect.PIDStatus
	}
	d.Also, d.Concept = append(d.Also, inspect.PIDStat), "resource-limits"
	return explain.Field[userRow]{Doc: d, Get: get}
}

func userNames() []explain.Field[userRow] {
	return []explain.Field[userRow]{
		ofUsers(doc{
			Key: "real_user", Label: "USER",
			Gist: "The real user's name, or number where it has no name here.",
		}, func(r userRow) value { return explain.S(realUser(r)) }),
		ofUsers(doc{
			Key: "real_uid", Unit: explain.Plain, Show: explain.Data,
			Gist: "The real user's number, as kwhy's own user namespace has it.",
		}, func(r userRow) value { return explain.I(int64(r.It.UID)) }),
	}
}

func userNumbers() []explain.Field[userRow] {
	ofLimits := func(d doc, get func(userRow) value) explain.Field[userRow] {
		d.Source, d.Also = inspect.PIDLimits, []inspect.Source{inspect.PIDStatus}
		return ofUsers(d, get)
	}
	return []explain.Field[userRow]{
		ofUsers(doc{
			Key: "user_processes", Label: "PROCESSES", Unit: explain.Count,
			Gist: "Processes of that real user.",
		}, func(r userRow) value { return explain.I(r.It.Processes) }),
		ofUsers(doc{
			Key: "user_tasks", Label: "TASKS", Unit: explain.Count,
			Gist: "Threads of these processes, as RLIMIT_NPROC counts them.",
		}, func(r userRow) value { return explain.I(r.It.Tasks) }),
		ofLimits(doc{
			Key: "rlimit_nproc", Kernel: "RLIMIT_NPROC", Label: "LIMIT", Unit: explain.Count,
			Gist: "The nearest soft limit of those looked at; one below 4 is taken for a ban.",
		}, userLimit),
		ofLimits(doc{
			Key: "nproc_used", Label: "USED", Unit: explain.Ratio,
			Gist: "The share of that limit that is used: at it fork fails with EAGAIN.",
		}, userUsed),
		ofLimits(doc{
			Key: "limits_looked", Label: "LOOKED AT", Unit: explain.Count, Show: explain.Data,
			Gist: "Processes whose limits were looked at: one of each large session.",
		}, func(r userRow) value { return explain.I(r.It.Looked + r.It.Exempt) }),
		ofLimits(doc{
			Key: "why", Gist: "Whose limit that is, and of how many it is the nearest.",
		}, func(r userRow) value { return explain.S(whyUser(r)) }),
	}
}

func realUser(r userRow) string {
	return cmp.Or(r.In.Procs.Host.Users[r.It.UID], strconv.FormatUint(uint64(r.It.UID), 10))
}

func userLimit(r userRow) value {
	switch u := r.It; {
	case u.Why != inspect.Present && u.Exempt == 0:
		return explain.None(u.Why)
	case u.Limit == inspect.Unset && u.Banned > 0:
		return explain.None(inspect.Inapplicable)
	case u.Limit == inspect.Unset:
		return explain.None(inspect.Unlimited)
	}
	return explain.I(int64(r.It.Limit))
}

func userUsed(r userRow) value {
	if limit := userLimit(r); !limit.Has() {
		return limit
	}
	return explain.F(float64(r.It.Tasks) / float64(r.It.Limit))
}

// whyUser says whose limit is the nearest, of how many.
func whyUser(r userRow) string {
	u := r.It
	switch limit := userLimit(r); {
	case u.Looked == 0 && u.Exempt > 0:
		return "those looked at are exempt: they have CAP_SYS_ADMIN or CAP_SYS_RESOURCE"
	case limit.Reason() == inspect.Unread:
		return "no limit of its processes was looked at: others have more tasks"
	case u.Looked == 0:
		return "its limits are " + units.AbsentWord(limit.Reason()) + " here"
	case !limit.Has() && u.Banned > 0:
		return "a limit below 4, as programs set that want no children; " + lookedAt(r)
	case !limit.Has():
		return "no limit, of " + lookedAt(r)
	case u.Tasks >= int(u.Limit):
		return "fork fails for " + string(named(nil, u.Of)) + ", " + nearestOf(r)
	}
	return units.Number(int(u.Limit)-u.Tasks) + " left to " + string(named(nil, u.Of)) + ", " + nearestOf(r)
}

// nearestOf says of how many limits that is the nearest.
func nearestOf(r userRow) string {
	u := r.It
	switch {
	case u.Processes == 1 && !r.In.Seen().Whole():
		return "the one of its processes that could be seen"
	case u.Processes == 1:
		return "its only process"
	case u.Looked == 1:
		return "the one looked at of its " + processesOf(r)
	}
	return "the nearest of " + lookedAt(r)
}

// lookedAt says of how many processes limits were looked at.
func lookedAt(r userRow) string {
	return fmt.Sprintf("%s looked at, of its %s", units.Number(r.It.Looked), processesOf(r))
}

// processesOf counts the processes of a user, or those that could be seen.
func processesOf(r userRow) string {
	all := units.Plural(r.It.Processes, "process", "processes")
	if r.In.Seen().Whole() {
		return all
	}
	return all + " that could be seen"
}

func userRules() []explain.Rule[userRow] {
	return []explain.Rule[userRow]{{
		ID: "proc.user_tasks_near", Unit: explain.Ratio,
		What: "tasks of a user / soft RLIMIT_NPROC, of those of its processes that are looked at the nearest",
		Means: "RLIMIT_NPROC counts the threads of all processes of a real user in a user namespace. Where there are as many as " +
			"the limit of who calls fork or clone, they fail with EAGAIN: programs say that they cannot create a thread, or that a " +
			"resource is temporarily unavailable. One process of each of a user's largest sessions is looked at: limits are inherited.",
		Evidence: []string{"nproc_used", "user_tasks", "rlimit_nproc"}, Concept: "resource-limits", Next: "kwhy proc --sort threads",
		NextOf: func(r userRow) string { return "kwhy proc --user " + units.Shell(realUser(r)) + " --sort threads" },
		Of: func(r userRow) value {
			if v := userUsed(r); v.Has() {
				return v
			}
			return value{}
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Most: func(r userRow) explain.Level {
			const few = 16                                        // may be all that its program needs
			if r.It.Limit < few || r.It.Tasks > int(r.It.Limit) { // or others made them: this one may need none
				return explain.Warning
			}
			return explain.Critical
		},
		Say: func(r userRow) string {
			u := r.It
			return fmt.Sprintf("user %s has %s, and RLIMIT_NPROC of %s allows it %s",
				realUser(r), units.Plural(u.Tasks, "task", "tasks"), named(nil, u.Of), units.Number(int64(u.Limit)))
		},
	}}
}
