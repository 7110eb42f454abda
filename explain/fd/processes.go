package fd

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/inspect"
)

// lift takes a column of processes.
func lift(c explain.Field[inspect.Proc]) explain.Field[hostRow] {
	return explain.Own(explain.Lift(c, func(r hostRow) inspect.Proc { return r.Row }))
}

// Processes is the table of processes by what they have open.
func Processes() *explain.Table[hostRow] {
	type column = explain.Field[hostRow]
	count := func(key, label, gist string, show explain.Show, counter bool, get func(*inspect.FDCount) int) column {
		return column{Doc: doc{Key: key, Label: label, Unit: explain.Count, Counter: counter, Show: show, Source: inspect.PIDFd, Concept: "file-descriptor", Gist: gist}, Get: func(r hostRow) value { return explain.I(get(r.It)) }}
	}
	kinds := func(list ...inspect.FileKind) func(*inspect.FDCount) int {
		return func(c *inspect.FDCount) (n int) {
			for _, k := range list {
				n += int(c.Kinds[k])
			}
			return n
		}
	}
	hard := column{Doc: doc{Key: "fd_limit_hard", Label: "HARD", Unit: explain.Count, Show: explain.Data, Source: inspect.PIDLimits, Concept: "file-descriptor", Gist: "How far the process may raise its soft limit itself."}, Get: func(r hostRow) value {
		if r.Row.P.MaxFDsHard == inspect.Unset {
			return explain.None(inspect.Unlimited)
		}
		return explain.Opt(r.Row.P.MaxFDsHard)
	}}
	soft := lift(proc.FDLimit())
	soft.Label, soft.Show = "LIMIT", explain.Always
	ppid, user := lift(proc.PPID()), lift(proc.User())
	user.Show = explain.Wide
	return &explain.Table[hostRow]{Name: "processes", Sort: []string{"fds", "-pid"}, Fields: []column{
		lift(proc.PID()), ppid, user,
		count("fds", "FDS", "Its open file descriptors.", explain.Always, true, func(c *inspect.FDCount) int { return c.Total }),
		soft, hard,
		{Doc: doc{Key: "fd_used", Label: "USED", Unit: explain.Ratio, Source: inspect.PIDFd, Also: []inspect.Source{inspect.PIDLimits}, Concept: "file-descriptor", Gist: "What it has of what it may have."}, Get: func(r hostRow) value {
			switch m := r.Row.P.MaxFDs; {
			case r.Row.Missing(inspect.PIDLimits) == inspect.Unread:
				return explain.None(inspect.Unread)
			case m <= 0:
				return explain.None(inspect.Unlimited)
			}
			return explain.F(float64(r.It.Total) / float64(r.Row.P.MaxFDs))
		}},
		count("files", "FILES", "Files and directories.", explain.Wide, false, kinds(inspect.KindPath)),
		count("sockets", "SOCKETS", "Sockets.", explain.Wide, false, kinds(inspect.KindSocket)),
		count("pipes", "PIPES", "Ends of pipes.", explain.Wide, false, kinds(inspect.KindPipe)),
		count("devices", "DEVICES", "Devices and terminals.", explain.Data, false, kinds(inspect.KindDevice)),
		count("inotify", "INOTIFY", "inotify instances.", explain.Data, false, kinds(inspect.KindInotify)),
		count("epoll", "EPOLL", "epoll sets.", explain.Data, false, kinds(inspect.KindEpoll)),
		count("memfds", "MEMFD", "Files without a name that are memory.", explain.Data, false, kinds(inspect.KindMemfd)),
		{Doc: doc{Key: "deleted", Unit: explain.Bytes, Show: explain.Wide, Source: inspect.PIDFd, Concept: "deleted-files", Gist: "Space of files that are gone from their directories, and that it keeps."}, Get: func(r hostRow) value {
			var n uint64
			for _, d := range r.It.Deleted {
				n += d.Taken
			}
			return explain.N(n)
		}},
		lift(proc.Comm()),
		{Doc: doc{Key: "why", Source: inspect.PIDFd, Concept: "file-descriptor", Gist: "What it has open, by kind."}, Get: func(r hostRow) value { return explain.S(whyHost(r)) }},
	}, Rules: []explain.Rule[hostRow]{{
		ID: "fd.process_near", Evidence: []string{"fd_used", "fds"}, Concept: "file-descriptor", Next: "kwhy fd PID",
		Of: func(r hostRow) value {
			if r.Row.P.MaxFDs <= 0 {
				return value{}
			}
			return explain.F(float64(r.It.Total) / float64(r.Row.P.MaxFDs))
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Say: func(r hostRow) string {
			return fmt.Sprintf("%s (%d) has %s of the files that it may have open", r.Row.P.Comm, r.Row.P.PID, explain.Percent(r.It.Total, int(r.Row.P.MaxFDs)))
		},
	}}}
}

func whyHost(r hostRow) string {
	counts := map[inspect.FileKind]int{}
	for k, n := range r.It.Kinds {
		counts[inspect.FileKind(k)] = int(n)
	}
	if r.It.Hidden > 0 && r.It.Hidden == r.It.Total {
		return "what they lead to is not to be seen"
	}
	s := countKinds(counts)
	if n := len(r.It.Deleted); n > 0 {
		s += "; " + explain.Plural(n, "is gone from its directory", "are gone from their directories")
	}
	if was, _, ok := r.Before(); ok && r.It.Total != was.It.Total {
		s += fmt.Sprintf("; %+d in this interval", r.It.Total-was.It.Total)
	}
	return s
}
