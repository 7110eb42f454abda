package fd

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// lift takes a column of processes.
func lift(c explain.Field[procfacts.Row]) explain.Field[hostRow] {
	return explain.Own(explain.Lift(c, func(r hostRow) procfacts.Row { return r.Row }))
}

type hostColumn = explain.Field[hostRow]

// counted declares a column that counts descriptors. Those whose targets are not
// visible are in no kind's number.
func counted(d doc, get func(*procfacts.FDCount) int) hostColumn {
	d.Unit, d.Source, d.Concept = explain.Count, inspect.PIDFd, cmp.Or(d.Concept, "file-descriptor")
	return hostColumn{Doc: d, Get: func(r hostRow) value {
		if d.Key != "fds" && !r.It.Listed() {
			return explain.None(cmp.Or(r.It.Reason, inspect.Denied))
		}
		return explain.I(get(r.It))
	}}
}

// watched declares a column that counts what objects of a kind watch, by their fdinfo.
func watched(d doc, kind procfacts.FileKind) hostColumn {
	d.Show = explain.Data
	column := counted(d, func(c *procfacts.FDCount) int { _, n := c.Watched(kind); return n })
	count := column.Get
	column.Get = func(r hostRow) value {
		if why := r.It.Unwatched(kind); why != inspect.Present && r.It.Listed() {
			return explain.None(why)
		}
		return count(r)
	}
	return column
}

func ofKind(kind procfacts.FileKind) func(*procfacts.FDCount) int {
	return func(c *procfacts.FDCount) int { return int(c.Kinds[kind]) }
}

// Processes is the table of processes by what they have open.
func Processes() *explain.Table[hostRow] {
	fds := counted(doc{Key: "fds", Label: "FDS", Gist: "Its open file descriptors."}, func(c *procfacts.FDCount) int { return c.Total })
	fds.Counter, fds.Gauge = true, true
	ppid, user := lift(proc.PPID()), lift(proc.User())
	user.Show = explain.Wide
	columns := append([]hostColumn{lift(proc.PID()), ppid, user, fds}, bound()...)
	return &explain.Table[hostRow]{
		Name: "processes", Identity: []string{"pid", "comm"}, Sort: []string{"fds", "-pid"},
		Fields: append(columns,
			counted(doc{Key: "files", Label: "FILES", Gist: "Files and directories.", Show: explain.Wide}, ofKind(procfacts.KindPath)),
			counted(doc{Key: "sockets", Concept: "socket", Label: "SOCKETS", Gist: "Sockets.", Show: explain.Wide}, ofKind(procfacts.KindSocket)),
			counted(doc{Key: "pipes", Concept: "pipe", Label: "PIPES", Gist: "Ends of pipes.", Show: explain.Wide}, ofKind(procfacts.KindPipe)),
			counted(doc{
				Key: "devices", Label: "DEVICES", Show: explain.Data,
				Gist: "Devices and terminals.",
			}, ofKind(procfacts.KindDevice)),
			counted(doc{
				Key: "inotify", Label: "INOTIFY", Show: explain.Data, Concept: "inotify-fanotify",
				Gist: "inotify instances.",
			}, func(c *procfacts.FDCount) int { n, _ := c.Watched(procfacts.KindInotify); return n }),
			watched(doc{
				Key: "inotify_watches", Concept: "inotify-fanotify",
				Gist: "Files and directories that its inotify instances watch.",
			}, procfacts.KindInotify),
			counted(doc{Key: "epoll", Concept: "epoll", Label: "EPOLL", Gist: "epoll sets.", Show: explain.Data},
				func(c *procfacts.FDCount) int { n, _ := c.Watched(procfacts.KindEpoll); return n }),
			watched(doc{
				Key: "epoll_watches", Concept: "epoll",
				Gist: "Descriptors that its epoll sets wait for.",
			}, procfacts.KindEpoll),
			counted(doc{
				Key: "memfds", Concept: "special-descriptors", Label: "MEMFD", Show: explain.Data,
				Gist: "Files in memory, without a name.",
			}, ofKind(procfacts.KindMemfd)),
			hostColumn{
				Doc: doc{
					Key: "deleted", Unit: explain.Bytes, Show: explain.Wide, Source: inspect.PIDFd,
					Concept: "deleted-files",
					Gist:    "Space of deleted files that it keeps open.",
				},
				Get: func(r hostRow) value { return deletedBy(r, func(*procfacts.OpenDeleted) bool { return true }) },
			},
			hostColumn{
				Doc: doc{
					Key: "deleted_disk", Unit: explain.Bytes, Show: explain.Data, Source: inspect.PIDFd,
					Also: []inspect.Source{inspect.PIDMountinfo}, Concept: "deleted-files",
					Gist: "Of that what is on a disk: what is on tmpfs and the like takes memory.",
				},
				Get: func(r hostRow) value { return deletedBy(r, takesDisk) },
			},
			lift(proc.Comm()),
			hostColumn{
				Doc: doc{Key: "why", Label: explain.Description, Source: inspect.PIDFd, Concept: "file-descriptor", Gist: "What it has open, by kind."},
				Get: func(r hostRow) value { return explain.S(whyHost(r)) },
			},
		),
		Rules: []explain.Rule[hostRow]{near(), keepsSpace()},
	}
}

// bound are the columns of the limit of a process.
func bound() []hostColumn {
	soft := lift(proc.FDLimit())
	soft.Label, soft.Show = "LIMIT", explain.Always
	return []hostColumn{
		soft,
		{
			Doc: doc{
				Key: "fd_limit_hard", Label: "HARD LIMIT", Unit: explain.Count, Show: explain.Wide,
				Source: inspect.PIDLimits, Concept: "file-descriptor",
				Gist: "How far the process may raise its soft limit itself.",
			},
			Get: func(r hostRow) value {
				return proc.Limited(r.Row.P.MaxFDsHard)
			},
		},
		{
			Doc: doc{
				Key: "fd_used", Label: "USED", Unit: explain.Ratio, Source: inspect.PIDLimits,
				Also: []inspect.Source{inspect.PIDFd}, Concept: "file-descriptor",
				Gist: "The share of the descriptor numbers below its limit that are taken.",
			},
			Get: used,
		},
	}
}

// used is the share of the numbers below the soft limit that are taken: the limit
// bounds the number of a descriptor, and not how many there are.
func used(r hostRow) value {
	soft := r.Row.P.MaxFDs
	switch {
	case r.Row.Missing(inspect.PIDLimits) != inspect.Present:
		return explain.None(r.Row.Missing(inspect.PIDLimits))
	case soft <= 0:
		return explain.None(inspect.Unlimited)
	case !r.It.Counted():
		return explain.None(r.It.Reason)
	case r.It.Below >= 0:
		return explain.F(float64(r.It.Below) / float64(soft))
	case int64(r.It.Total) > int64(soft):
		return explain.None(cmp.Or(r.It.Reason, inspect.Unread)) // some are above it, and how many their number does not say
	}
	return explain.F(float64(r.It.Total) / float64(soft))
}

func takesDisk(d *procfacts.OpenDeleted) bool { return !d.Memory }

// deletedBy is what deleted files take that a process has open, of those that count.
func deletedBy(r hostRow, counts func(*procfacts.OpenDeleted) bool) value {
	if !r.It.Listed() {
		return explain.None(cmp.Or(r.It.Reason, inspect.Denied))
	}
	var n uint64
	for _, d := range eachOnce(r.It.Deleted) {
		if d.Saved { // a copy has the link, and no file
			return explain.None(inspect.NotSaved)
		}
		if counts(&d) {
			n += d.Taken
		}
	}
	return explain.N(n)
}

// eachOnce leaves out further descriptors of a file.
func eachOnce(list []procfacts.OpenDeleted) (out []procfacts.OpenDeleted) {
	seen := map[[2]uint64]bool{}
	for _, d := range list {
		if k := [2]uint64{d.Dev, d.Inode}; !seen[k] {
			seen[k] = true
			out = append(out, d)
		}
	}
	return out
}

// near finds the processes that will soon be refused a descriptor.
func near() explain.Rule[hostRow] {
	return explain.Rule[hostRow]{
		ID: "fd.process_near", What: "descriptors below the soft RLIMIT_NOFILE / that limit", Unit: explain.Ratio,
		Means:    "At the limit open, socket and accept fail with EMFILE: a server stops accepting.",
		Evidence: []string{"fd_used", "fds"}, Concept: "file-descriptor", Next: "kwhy fd PID",
		NextOf: func(r hostRow) string { return "kwhy fd " + strconv.Itoa(int(r.Row.P.PID)) },
		Of: func(r hostRow) value {
			if v := used(r); v.Has() {
				return v
			}
			return value{}
		},
		At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Say: func(r hostRow) string {
			return fmt.Sprintf("%s (%d) has taken %s of the descriptor numbers below its limit of %s",
				r.Row.P.Comm, r.Row.P.PID, units.AppendPercent(nil, used(r).Float()), units.Number(int64(r.Row.P.MaxFDs)))
		},
	}
}

// keepsSpace finds the processes whose deleted files take much space.
func keepsSpace() explain.Rule[hostRow] {
	return explain.Rule[hostRow]{
		ID: "fd.deleted_space", Evidence: []string{"deleted_disk", "comm"}, Concept: "deleted-files", Next: "kwhy fd --deleted",
		What: "space on disks of deleted files that a process has open", Unit: explain.Bytes,
		Means: "The name is gone, the inode is not: its blocks are freed when the last descriptor is closed. df counts them, du does not " +
			"find them. Deleted files on tmpfs and hugetlbfs take memory and no disk: that is how memory is shared, and is not counted here.",
		Of: func(r hostRow) value {
			if v := deletedBy(r, takesDisk); v.Has() {
				return v
			}
			return value{}
		},
		At: explain.At{Notice: 1 << 30, Warning: 10 << 30, Critical: 100 << 30},
		Say: func(r hostRow) string {
			files := slices.DeleteFunc(eachOnce(r.It.Deleted), func(d procfacts.OpenDeleted) bool { return d.Memory })
			largest := slices.MaxFunc(files, func(a, b procfacts.OpenDeleted) int { return cmp.Compare(a.Taken, b.Taken) })
			were := "were"
			if len(files) == 1 {
				were = "was"
			}
			return fmt.Sprintf("%s (%d) keeps %s in %s that %s deleted, the largest %s",
				r.Row.P.Comm, r.Row.P.PID, units.Size(deletedBy(r, takesDisk).Uint()),
				units.Plural(len(files), "file", "files"), were, strings.TrimSuffix(largest.Path, " (deleted)"))
		},
	}
}

func whyHost(r hostRow) string {
	counts := map[procfacts.FileKind]int{}
	for k, n := range r.It.Kinds {
		counts[procfacts.FileKind(k)] = int(n)
	}
	if !r.It.Listed() {
		return "their targets are not visible"
	}
	s := countKinds(counts)
	if n := len(r.It.Deleted); n > 0 {
		s += "; " + units.Plural(n, "is deleted", "are deleted")
	}
	if was, _, ok := r.Before(); ok && r.It.Total != was.It.Total {
		s += fmt.Sprintf("; %+d in this interval", r.It.Total-was.It.Total)
	}
	return s
}
