package fd

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
	procfacts "kwhy/inspect/proc"
)

type (
	host      = *fdfacts.Snapshot
	hostField = explain.Field[*fdfacts.Snapshot]
	hostRow   = fdfacts.ProcessPart
)

// Host explains what a host has open, and its bounds.
func Host() explain.Card[*fdfacts.Snapshot] {
	return explain.Card[*fdfacts.Snapshot]{Name: "fd", Sections: []explain.Section[*fdfacts.Snapshot]{
		{Title: "Open files", Fields: bounds()},
		{Title: "Descriptors by kind", Table: "kinds", By: "kind"},
		{Title: "Limits per user", Fields: perUser()},
		{Title: "Kernel keys of users", Table: "key_users"},
		{Title: "Processes", Table: "processes"},
	}, Rules: hostRules()}
}

func ofHost(d doc, get func(host) value, read func(host) string) hostField {
	if d.Concept == "" {
		d.Concept = "file-descriptor"
	}
	return hostField{Doc: d, Get: get, Reading: read}
}

func bounds() []hostField { return append(append(openFiles(), caches()...), elsewhere()...) }

// descriptors counts those of all processes: of some by their names, of others by the size of
// the directory that has them.
func descriptors() hostField {
	total := func(f host) procfacts.FDCount { n, _, _ := f.Scan.Totals(); return n }
	f := countOfHost(doc{
		Key: "descriptors", Source: inspect.PIDFd,
		Gist: "Descriptors of all processes: numbers that each lead to an open file.",
	}, func(f host) value { return explain.I(total(f).Total) }, func(f host) string {
		s := "Numbers in the tables of processes, each leading to an open file."
		if n := total(f).Hidden; n > 0 {
			s += " The targets of " + units.Number(n) + " of them are not visible."
		}
		return s
	})
	f.Over = func(f host) inspect.Seen { return f.Scan.Sized() }
	return f
}

// openFiles are descriptors and what they lead to: struct file.
func openFiles() []hostField {
	return []hostField{
		descriptors(),
		countOfHost(doc{
			Key: "file_nr", Kernel: "fs.file-nr", Label: "file-nr", Source: inspect.FSFileNr,
			Concept: "struct-file",
			Gist:    "Open files (struct file) of the whole host: what open makes, dup shares.",
		}, func(f host) value { return explain.Opt(f.Files) }, func(f host) string {
			s := "struct file: what open makes, with an offset of its own; dup and fork share one."
			if f.FilesMax > 0 && f.FilesMax < 1<<62 {
				s = units.Percent(int64(f.Files), int64(f.FilesMax)) + " of file-max. " + s
			}
			return s
		}),
		countOfHost(doc{
			Key: "file_max", Kernel: "fs.file-max", Label: "file-max", Source: inspect.FSFileNr,
			Also: []inspect.Source{inspect.Meminfo}, Concept: "struct-file",
			Gist: "The most open files: ENFILE beyond that, except with CAP_SYS_ADMIN.",
		}, func(f host) value {
			if f.FilesMax >= 1<<62 {
				return explain.None(inspect.Unlimited)
			}
			return explain.Opt(f.FilesMax)
		}, readFileMax),
		countOfHost(doc{
			Key: "nr_open", Kernel: "fs.nr_open", Label: "nr_open", Source: inspect.FSNrOpen,
			Gist: "The highest that a process's own limit can be set to.",
		}, sysctl(inspect.FSNrOpen), nil),
	}
}

// caches are what the VFS keeps in memory: the inode of a file, and the dentries that
// are its names.
func caches() []hostField {
	return []hostField{
		countOfHost(doc{
			Key: "nr_dentry", Kernel: "nr_dentry", Label: "nr_dentry", Source: inspect.FSDentryState,
			Concept: "dentry",
			Gist:    "Names that the kernel has in memory, each with the inode it leads to.",
		}, func(f host) value { return explain.Opt(f.Dentries) }, func(f host) string {
			s := "Names in directories, each leading to an inode; " + share(f.DentriesUnused, f.Dentries) + " unused: a cache"
			if f.DentriesNegative != inspect.Unset {
				s += "; " + units.Number(int64(f.DentriesNegative)) + " say that there is no such file"
			}
			return s + "."
		}),
		countOfHost(doc{
			Key: "nr_inodes", Kernel: "nr_inodes", Label: "nr_inodes", Source: inspect.FSInodeNr, Concept: "inode",
			Gist: "Files and directories that the kernel has in memory.",
		}, func(f host) value { return explain.Opt(f.Inodes) }, func(f host) string {
			return "Files themselves, of all file systems; " + share(f.InodesUnused, f.Inodes) +
				" unused: a cache that shrinks when memory is needed."
		}),
		ofHost(doc{
			Key: "deleted_taken", Label: "deleted files", Unit: explain.Bytes, Source: inspect.PIDFd,
			Concept: "deleted-files",
			Gist:    "Space of deleted files that are still open.",
		}, func(f host) value {
			if k := keptBy(f); k.told {
				return explain.N(k.disk + k.memory)
			}
			return explain.None(f.Scan.Procs.Host.Host.Lack())
		}, func(f host) string {
			k := keptBy(f)
			if k.files == 0 {
				return "No descriptor keeps a deleted file."
			}
			says := units.Plural(k.files, "inode", "inodes") + " without a name, kept by a descriptor; "
			switch {
			case k.memory > 0 && k.disk == 0:
				says += "all of it is memory, and no disk; "
			case k.memory > 0:
				says += units.Size(k.memory) + " of it is memory, and no disk; "
			}
			return says + "kwhy fd --deleted shows which, and how to get the space back."
		}),
		countOfHost(doc{
			Key: "locks", Source: inspect.Locks, Concept: "file-locks",
			Gist: "Locks on files: flock, fcntl, leases.",
		}, func(f host) value { return explain.Opt(f.Locks) }, func(f host) string {
			if f.LocksWaiting > 0 {
				return "On inodes. " + units.Plural(int64(f.LocksWaiting), "more waits", "more wait") + " for one."
			}
			if !f.SeenOf(inspect.Locks).Whole() {
				return "On inodes. Nobody waits for one of these."
			}
			return "On inodes. Nobody waits for one."
		}),
	}
}

// elsewhere are limits of what is read through descriptors and is no file.
func elsewhere() []hostField {
	return []hostField{
		countOfHost(doc{
			Key: "aio_nr", Kernel: "fs.aio-nr", Label: "aio-nr", Show: explain.Rare,
			Source: inspect.FSAIONr, Also: []inspect.Source{inspect.FSAIOMaxNr},
			Gist: "Events that io_setup was asked for and holds, of aio-max-nr.",
		}, sysctl(inspect.FSAIONr), func(f host) string {
			n, _ := f.Mem.Number(inspect.FSAIONr)
			most, ok := f.Mem.Number(inspect.FSAIOMaxNr)
			if !ok || most <= 0 {
				return ""
			}
			return units.Percent(n, most) + " of aio-max-nr: at the limit io_setup fails with EAGAIN."
		}),
		countOfHost(doc{
			Key: "aio_max_nr", Kernel: "fs.aio-max-nr", Label: "aio-max-nr", Source: inspect.FSAIOMaxNr,
			Gist: "The most events that io_setup may reserve in total: EAGAIN after that.",
		}, sysctl(inspect.FSAIOMaxNr), nil),
		countOfHost(doc{
			Key: "pty_nr", Kernel: "kernel.pty.nr", Label: "pty.nr", Show: explain.Rare, Concept: "session-and-terminal",
			Source: inspect.PtyNr, Also: []inspect.Source{inspect.PtyMax, inspect.PtyReserve},
			Gist: "Pseudo terminals that are open, of all mounts of devpts together.",
		}, sysctl(inspect.PtyNr), readPtys),
		countOfHost(doc{
			Key: "pty_max", Kernel: "kernel.pty.max", Label: "pty.max", Source: inspect.PtyMax,
			Concept: "session-and-terminal",
			Gist:    "There are always fewer pseudo terminals than this.",
		}, sysctl(inspect.PtyMax), nil),
		countOfHost(doc{
			Key: "pty_reserve", Kernel: "kernel.pty.reserve", Label: "pty.reserve", Source: inspect.PtyReserve,
			Concept: "session-and-terminal",
			Gist:    "How many of these no container gets: they are for the host's own mount.",
		}, sysctl(inspect.PtyReserve), nil),
		countOfHost(doc{
			Key: "mqueue_queues_max", Kernel: "fs.mqueue.queues_max", Label: "mqueue.queues_max",
			Source: inspect.MQueueQueuesMax,
			Gist:   "The most POSIX message queues of an IPC namespace; their use is not shown.",
		}, sysctl(inspect.MQueueQueuesMax), nil),
	}
}

func countOfHost(d doc, get func(host) value, read func(host) string) hostField {
	d.Unit = explain.Count
	return ofHost(d, get, read)
}

// kept is what deleted files take that are still open, each once: of disks, and of memory. told is
// false where that is not known, as of a copy, which has links and no files.
type kept struct {
	disk, memory uint64
	files        int
	told         bool
}

func keptBy(f host) (k kept) {
	seen := map[[2]uint64]bool{}
	for i := range f.Scan.Counts {
		for _, d := range f.Scan.Counts[i].Deleted {
			if d.Saved {
				return kept{}
			}
			id := [2]uint64{d.Dev, d.Inode}
			if seen[id] {
				continue
			}
			seen[id] = true
			if k.files++; d.Memory {
				k.memory += d.Taken
			} else {
				k.disk += d.Taken
			}
		}
	}
	k.told = true
	return k
}

func share(part, whole inspect.Num) string {
	if part < 0 || whole <= 0 {
		return "An unknown part"
	}
	return units.Percent(int64(part), int64(whole))
}

func sysctl(src inspect.Source) func(host) value {
	return func(f host) value {
		if n, ok := f.Mem.Number(src); ok {
			return explain.I(n)
		}
		return value{}
	}
}

// readFileMax compares the limit with what the kernel would choose: a tenth of the
// RAM in KiB at most, of 1 KiB a file (fs/file_table.c, files_maxfiles_init).
func readFileMax(f host) string {
	if f.FilesMax >= 1<<62 {
		return "No limit: systemd sets it so."
	}
	most := int64(f.Mem.Info["MemTotal"] >> 10 / 10)
	switch n := int64(f.FilesMax); {
	case most <= 0:
		return ""
	case n <= most && n > most-most/10:
		return "As the kernel chose it at boot: a tenth of the KiB of RAM, " + units.Number(most) + ", less what was in use then."
	case n == 8192:
		return "The lowest value that the kernel chooses."
	}
	return "Set by somebody: the kernel chooses a tenth of the KiB of RAM, " + units.Number(most) + " at most."
}

func hostRules() []explain.Rule[*fdfacts.Snapshot] {
	return []explain.Rule[*fdfacts.Snapshot]{{
		ID: "fd.host_near", What: "file-nr / file-max", Unit: explain.Ratio,
		Means:    "At fs.file-max every open fails with ENFILE, except with CAP_SYS_ADMIN.",
		Evidence: []string{"file_nr", "file_max"}, Concept: "file-descriptor", Next: "kwhy fd",
		Of: func(f host) value {
			if f.Files < 0 || f.FilesMax <= 0 || f.FilesMax >= 1<<62 {
				return value{}
			}
			return explain.F(float64(f.Files) / float64(f.FilesMax))
		},
		At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.95},
		Say: func(f host) string {
			return units.Percent(int64(f.Files), int64(f.FilesMax)) + " of the files that this host may have open"
		},
	}, instancesNear(), watchesNear(), aioNear(), ptysNear(), spacesNear(0), spacesNear(1), spacesNear(2), spacesNear(3)}
}

// shareOf is what one sysctl counts of what another allows.
func shareOf(f host, used, most inspect.Source) value {
	n, ok := f.Mem.Number(used)
	limit, known := f.Mem.Number(most)
	if !ok || !known || limit <= 0 || n < 0 {
		return value{}
	}
	return explain.F(float64(n) / float64(limit))
}

// aioNear is about contexts of io_setup(2), which is charged what it is asked for, and not the
// larger ring that it makes (fs/aio.c, ioctx_alloc).
func aioNear() explain.Rule[host] {
	return explain.Rule[host]{
		ID: "fd.aio_near", What: "aio-nr / aio-max-nr", Unit: explain.Ratio,
		Means: "Each context of asynchronous I/O reserves as many events as io_setup was asked for. Where those of all processes " +
			"would come to more than aio-max-nr, io_setup fails with EAGAIN: databases don't start, or go on without it. io_uring does " +
			"not count.",
		Evidence: []string{"aio_nr", "aio_max_nr"}, Concept: "io-uring", Next: "kwhy explain io-uring",
		Of: func(f host) value { return shareOf(f, inspect.FSAIONr, inspect.FSAIOMaxNr) },
		At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Say: func(f host) string {
			n, _ := f.Mem.Number(inspect.FSAIONr)
			most, _ := f.Mem.Number(inspect.FSAIOMaxNr)
			return fmt.Sprintf("%s of the %s of asynchronous I/O that fs.aio-max-nr allows are reserved",
				units.Number(n), units.Plural(most, "event", "events"))
		},
	}
}

// readPtys says how much is left, to the host and to containers.
func readPtys(f host) string {
	n, _ := f.Mem.Number(inspect.PtyNr)
	most, ok := f.Mem.Number(inspect.PtyMax)
	if !ok || most <= 0 {
		return ""
	}
	s := units.Percent(n, most) + " of pty.max: who opens /dev/ptmx when only one is left gets an error"
	if kept, ok := f.Mem.Number(inspect.PtyReserve); ok && kept > 0 {
		s += "; in containers, when " + units.Number(kept+1) + " are"
	}
	return s + "."
}

// ptysNear is about pseudo terminals: the count is the host's, and a mount of devpts that was made
// in another mount namespace than the first gets none of the reserve (fs/devpts/inode.c,
// devpts_new_index).
func ptysNear() explain.Rule[host] {
	return explain.Rule[host]{
		ID: "fd.ptys_near", What: "pty.nr / pty.max", Unit: explain.Ratio,
		Means: "Where all are in use, /dev/ptmx cannot be opened: sshd, tmux and terminal windows get no terminal. All mounts " +
			"of devpts share kernel.pty.max; those of containers get none of the last kernel.pty.reserve, a quarter by default.",
		Evidence: []string{"pty_nr", "pty_max"}, Concept: "session-and-terminal", Next: "kwhy explain session-and-terminal",
		Of: func(f host) value { return shareOf(f, inspect.PtyNr, inspect.PtyMax) },
		At: explain.At{Notice: 0.70, Warning: 0.85, Critical: 0.95},
		Say: func(f host) string {
			n, _ := f.Mem.Number(inspect.PtyNr)
			most, _ := f.Mem.Number(inspect.PtyMax)
			s := fmt.Sprintf("%s of %s are in use", units.Number(n), units.Plural(most, "pseudo terminal", "pseudo terminals"))
			if kept, ok := f.Mem.Number(inspect.PtyReserve); ok && kept > 0 && n+1 >= most-kept {
				s += ": containers get no more"
			}
			return s
		},
	}
}
