package fd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"kwhy/explain"
	"kwhy/inspect"
)

type (
	host      = *inspect.FDHost
	hostField = explain.Field[*inspect.FDHost]
	hostRow   = inspect.FDHostPart
)

// Host explains what a host has open, and its bounds.
func Host() explain.Card[*inspect.FDHost] {
	return explain.Card[*inspect.FDHost]{Name: "fd", Sections: []explain.Section[*inspect.FDHost]{
		{Title: "Open files of the whole host", Fields: bounds()},
		{Title: "By kind", Table: "kinds"},
		{Title: "Bounds of each user", Fields: perUser()},
		{Title: "The processes", Table: "processes"},
	}, Rules: hostRules()}
}

func hostDoc(d doc, get func(host) value, read func(host) string) hostField {
	if d.Concept == "" {
		d.Concept = "file-descriptor"
	}
	return hostField{Doc: d, Get: get, Reading: read}
}

func bounds() []hostField {
	total := func(l host) inspect.FDCount { n, _, _ := l.Scan.Totals(); return n }
	count := func(d doc, get func(host) inspect.Num, read func(host) string) hostField {
		d.Unit = explain.Count
		return hostDoc(d, func(f host) value { return explain.Opt(get(f)) }, read)
	}
	limit := hostDoc(doc{Key: "file_max", Kernel: "fs.file-max", Label: "file-max", Unit: explain.Count, Source: inspect.FSFileNr, Also: []inspect.Source{inspect.Meminfo}, Gist: "More open files than this fail with ENFILE, unless with CAP_SYS_ADMIN."}, func(f host) value {
		if f.FilesMax >= 1<<62 {
			return explain.None(inspect.Unlimited)
		}
		return explain.Opt(f.FilesMax)
	}, readFileMax)
	return []hostField{
		count(doc{Key: "file_nr", Kernel: "fs.file-nr", Label: "open files", Source: inspect.FSFileNr, Gist: "Open files of the whole host: what open makes, and dup and fork share."}, func(f host) inspect.Num { return f.Files }, func(f host) string {
			if f.FilesMax > 0 && f.FilesMax < 1<<62 {
				return explain.Percent(int64(f.Files), int64(f.FilesMax)) + " of file-max. dup and fork share one among descriptors."
			}
			return "dup and fork share one among descriptors."
		}),
		limit,
		hostDoc(doc{Key: "descriptors", Unit: explain.Count, Source: inspect.PIDFd, Gist: "Descriptors of all processes that may be looked at."}, func(f host) value { return explain.I(total(f).Total) }, func(f host) string {
			if n := total(f).Hidden; n > 0 {
				return "What " + explain.Number(n) + " of them lead to is not to be seen."
			}
			return "Of all processes that may be looked at, threads sharing theirs."
		}),
		hostDoc(doc{Key: "deleted_taken", Label: "deleted, kept", Unit: explain.Bytes, Source: inspect.PIDFd, Concept: "deleted-files", Gist: "Space of files that are gone from their directories and still open."}, func(f host) value {
			n, _ := kept(f)
			return explain.N(n)
		}, func(f host) string {
			if _, n := kept(f); n > 0 {
				return explain.Plural(n, "file", "files") + "; kwhy fd --deleted says which, and how to get the space back."
			}
			return "None."
		}),
		hostDoc(doc{Key: "nr_open", Kernel: "fs.nr_open", Label: "nr_open", Unit: explain.Count, Source: inspect.FSNrOpen, Gist: "How far a process's own limit may be raised."}, sysctl(inspect.FSNrOpen), nil),
		count(doc{Key: "nr_inodes", Kernel: "nr_inodes", Label: "inodes", Source: inspect.FSInodeNr, Concept: "vfs", Gist: "Files and directories that the kernel has in memory."}, func(f host) inspect.Num { return f.Inodes }, func(f host) string {
			return share(f.InodesUnused, f.Inodes) + " of them in no use: a cache that gives way when memory is wanted."
		}),
		count(doc{Key: "nr_dentry", Kernel: "nr_dentry", Label: "dentries", Source: inspect.FSDentryState, Concept: "vfs", Gist: "Names that the kernel has in memory, each with the inode it leads to."}, func(f host) inspect.Num { return f.Dentries }, func(f host) string {
			s := share(f.DentriesUnused, f.Dentries) + " of them in no use: a cache"
			if f.DentriesNegative != inspect.Unset {
				s += "; " + explain.Number(int64(f.DentriesNegative)) + " say that there is no such file"
			}
			return s + "."
		}),
		count(doc{Key: "locks", Source: inspect.Locks, Gist: "Locks on files: flock, fcntl, leases."}, func(f host) inspect.Num { return f.Locks }, func(f host) string {
			if f.LocksWaiting > 0 {
				return explain.Plural(int64(f.LocksWaiting), "more waits", "more wait") + " for one."
			}
			return "Nobody waits for one."
		}),
		hostDoc(doc{Key: "aio_nr", Kernel: "fs.aio-nr", Label: "aio-nr", Unit: explain.Count, Source: inspect.FSAIONr, Also: []inspect.Source{inspect.FSAIOMaxNr}, Show: explain.Rare, Gist: "Events that io_setup has set aside, of aio-max-nr."}, sysctl(inspect.FSAIONr), nil),
		hostDoc(doc{Key: "aio_max_nr", Kernel: "fs.aio-max-nr", Unit: explain.Count, Source: inspect.FSAIOMaxNr, Show: explain.Data, Gist: "How many events io_setup may set aside."}, sysctl(inspect.FSAIOMaxNr), nil),
		hostDoc(doc{Key: "mqueue_queues_max", Kernel: "fs.mqueue.queues_max", Unit: explain.Count, Source: inspect.MQueueQueuesMax, Show: explain.Data, Gist: "How many POSIX message queues there may be."}, sysctl(inspect.MQueueQueuesMax), nil),
	}
}

// kept adds up what deleted files take, each once.
func kept(f host) (bytes uint64, files int) {
	seen := map[[2]uint64]bool{}
	for i := range f.Scan.Counts {
		for _, d := range f.Scan.Counts[i].Deleted {
			if k := [2]uint64{d.Dev, d.Inode}; !seen[k] {
				seen[k] = true
				bytes, files = bytes+d.Taken, files+1
			}
		}
	}
	return bytes, files
}

func share(part, whole inspect.Num) string {
	if part < 0 || whole <= 0 {
		return "An unknown part"
	}
	return explain.Percent(int64(part), int64(whole))
}

func sysctl(src inspect.Source) func(host) value {
	return func(f host) value {
		if n, ok := f.Mem.Number(src); ok {
			return explain.I(n)
		}
		return value{}
	}
}

// readFileMax sets the bound against what the kernel would choose: a tenth of the
// RAM in KiB at most, of 1 KiB a file (fs/file_table.c, files_maxfiles_init).
func readFileMax(f host) string {
	if f.FilesMax >= 1<<62 {
		return "No bound: systemd raises it so."
	}
	most := int64(f.Mem.Info["MemTotal"] >> 10 / 10)
	switch n := int64(f.FilesMax); {
	case most <= 0:
		return ""
	case n <= most && n > most-most/10:
		return "As the kernel chose it at boot: a tenth of the KiB of RAM, " + explain.Number(most) + ", less what was in use then."
	case n == 8192:
		return "The least that the kernel chooses."
	}
	return "Set by somebody: the kernel chooses a tenth of the KiB of RAM, " + explain.Number(most) + " at most."
}

func perUser() []hostField {
	use := func(key, label, gist string, src inspect.Source, users func(host) map[uint32]int) hostField {
		return hostDoc(doc{Key: key, Label: label, Unit: explain.Count, Source: src, Also: []inspect.Source{inspect.PIDFd}, Gist: gist}, sysctl(src), func(f host) string {
			most, uid := top(users(f))
			n, _ := f.Mem.Number(src)
			if most == 0 {
				return "None is used by processes that may be looked at; the kernel does not tell the use itself."
			}
			return fmt.Sprintf("%s by user %s, who has most: %s. Summed over fdinfo: the kernel does not tell the use itself.", explain.Percent(int64(most), n), userName(f, uid), explain.Number(most))
		})
	}
	return []hostField{
		use("max_user_instances", "inotify instances", "How many inotify instances a user may have: EMFILE after that.", inspect.InotifyMaxInstances, func(f host) map[uint32]int { return f.InotifyUsers }),
		use("max_user_watches", "inotify watches", "How many files a user may watch by inotify: ENOSPC after that.", inspect.InotifyMaxWatches, func(f host) map[uint32]int { return f.InotifyWatchUsers }),
		use("epoll_max_user_watches", "epoll watches", "How many descriptors a user may have in epoll sets: ENOSPC after that.", inspect.EpollMaxWatches, func(f host) map[uint32]int { return f.EpollUsers }),
		hostDoc(doc{Key: "pipe_user_pages_soft", Kernel: "fs.pipe-user-pages-soft", Label: "pipe pages, soft", Unit: explain.Count, Source: inspect.PipeUserPagesSoft, Gist: "Above this new pipes of a user get a page or two; use is not told."}, sysctl(inspect.PipeUserPagesSoft), nil),
		hostDoc(doc{Key: "pipe_user_pages_hard", Kernel: "fs.pipe-user-pages-hard", Label: "pipe pages, hard", Unit: explain.Count, Source: inspect.PipeUserPagesHard, Show: explain.Rare, Gist: "Above this a user gets no new pipes; 0 is no bound."}, sysctl(inspect.PipeUserPagesHard), nil),
		hostDoc(doc{Key: "pipe_max_size", Kernel: "fs.pipe-max-size", Label: "pipe, most", Unit: explain.Bytes, Source: inspect.PipeMaxSize, Show: explain.Data, Gist: "How large a pipe may be made without CAP_SYS_RESOURCE."}, sysctl(inspect.PipeMaxSize), nil),
	}
}

// top finds the user with the most.
func top(users map[uint32]int) (most int, uid uint32) {
	for _, u := range slices.Sorted(maps.Keys(users)) {
		if users[u] > most {
			most, uid = users[u], u
		}
	}
	return most, uid
}

func userName(f host, uid uint32) string {
	return cmp.Or(f.Scan.Procs.Host.Users[uid], fmt.Sprint(uid))
}

func hostRules() []explain.Rule[*inspect.FDHost] {
	return []explain.Rule[*inspect.FDHost]{{
		ID: "fd.host_near", Evidence: []string{"file_nr", "file_max"}, Concept: "file-descriptor", Next: "kwhy fd",
		Of: func(f host) value {
			if f.Files < 0 || f.FilesMax <= 0 || f.FilesMax >= 1<<62 {
				return value{}
			}
			return explain.F(float64(f.Files) / float64(f.FilesMax))
		}, At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.95},
		Say: func(f host) string {
			return explain.Percent(int64(f.Files), int64(f.FilesMax)) + " of the files that this host may have open"
		},
	}, {
		ID: "fd.inotify_near", Evidence: []string{"max_user_watches"}, Concept: "file-descriptor", Next: "kwhy fd --sort inotify",
		Of: func(f host) value {
			most, _ := top(f.InotifyWatchUsers)
			n, ok := f.Mem.Number(inspect.InotifyMaxWatches)
			if !ok || n <= 0 {
				return value{}
			}
			return explain.F(float64(most) / float64(n))
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Say: func(f host) string {
			most, uid := top(f.InotifyWatchUsers)
			n, _ := f.Mem.Number(inspect.InotifyMaxWatches)
			return fmt.Sprintf("user %s has %s of the files that a user may watch by inotify", userName(f, uid), explain.Percent(int64(most), n))
		},
	}}
}
