package proc

import (
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

type (
	row    = procfacts.Row
	column = explain.Field[procfacts.Row]
	doc    = explain.Doc
	value  = explain.Value
)

// StatOf returns which fields of /proc/PID/stat, as proc_pid_stat(5) numbers them, a value is
// made of, by its key.
func StatOf(key string) uint64 {
	for _, f := range statOf() {
		if f.key == key {
			return f.fields
		}
	}
	return 0
}

// statColumn is a column, or a value, and the fields of stat that it is made of.
type statColumn struct {
	key    string
	fields uint64
}

// statOf lists those that are made of some.
func statOf() [29]statColumn {
	of := procfacts.StatFields
	return [...]statColumn{
		{"comm", of(2)}, {"tree", of(2)}, {"state", of(3)}, {"ppid", of(4)},
		{"pgrp", of(5)}, {"session", of(6)}, {"tty", of(7)}, {"terminal", of(7)},
		{"kernel", of(9)}, {"kthread", of(9)}, {"flags", of(9)}, {"minflt", of(10)},
		{"majflt", of(12)}, {"utime", of(14)}, {"stime", of(15)}, {"cutime", of(16, 17)},
		{"cpu", of(14, 15, 22)}, {"nice", of(19)}, {"weight", of(19, 41)}, {"turn", of(19, 40, 41)},
		{"threads", of(20)}, {"age", of(22)}, {"started", of(22)}, {"vsize", of(23)},
		{"rss", of(9, 24)}, {"processor", of(39)}, {"rt_priority", of(40)}, {"policy", of(41)},
		{"origin", of(9)},
	}
}

// ofStat makes a column absent where a field of stat that it is made of did not parse.
func ofStat(c column) column {
	if fields, get := StatOf(c.Key), c.Get; fields != 0 && c.Source == inspect.PIDStat && get != nil {
		c.Get = func(p row) value {
			if p.P.Spoilt(fields) && !p.P.Stood(fields) {
				return explain.None(inspect.Malformed)
			}
			return get(p)
		}
	}
	return c
}

// PID is the process's number: the first column of every process table.
func PID() column {
	return ofStat(column{Doc: doc{
		Key: "pid", Unit: explain.Plain,
		Source:  inspect.PIDEntry,
		Gist:    "The process ID, in the PID namespace of that /proc.",
		Concept: "process",
	}, Get: func(p row) value {
		if p.P.TGID != 0 {
			return explain.I(p.P.TGID)
		}
		return explain.I(p.P.PID)
	}})
}

// TID is the number of a thread; that of the main thread is the PID.
func TID() column {
	return ofStat(column{Doc: doc{
		Key: "tid", Unit: explain.Plain,
		Source: inspect.PIDEntry, Also: []inspect.Source{inspect.PIDStat, inspect.PIDTask},
		Gist:    "The thread ID; that of the main thread is the PID.",
		Concept: "process",
	}, Get: func(p row) value { return explain.I(p.P.PID) }})
}

// PPID is the parent's number.
func PPID() column {
	return ofStat(column{Doc: doc{
		Key: "ppid", Unit: explain.Plain, Show: explain.Data,
		Source:  inspect.PIDStat,
		Gist:    "The PID of its parent; 0 where that is outside the PID namespace.",
		Concept: "process",
	}, Get: func(p row) value { return explain.I(p.P.PPID) }})
}

// Comm is the name that the kernel knows.
func Comm() column {
	return ofStat(column{Doc: doc{
		Key: "comm", Label: "NAME",
		Source:  inspect.PIDStat,
		Gist:    "The kernel's name for it: 15 bytes, more for kernel threads; can be changed.",
		Concept: "process",
	}, Get: func(p row) value { return explain.S(p.P.Comm) }})
}

// Command is the command line, which the process may have overwritten.
func Command() column {
	return column{Doc: doc{
		Key: "command", Show: explain.Data,
		Source:  inspect.PIDCmdline,
		Gist:    "The command line; a process may overwrite it, a kernel thread has none.",
		Concept: "process",
	}, Get: func(p row) value {
		if p.P.Cmdline == "" {
			return explain.None(inspect.Inapplicable)
		}
		return explain.S(p.P.Cmdline)
	}}
}

// RSS is the resident memory from /proc/PID/stat, cheap to read for all processes.
func RSS() column {
	return ofStat(column{Doc: doc{
		Key: "rss", Unit: explain.Bytes, Show: explain.Data,
		Source:  inspect.PIDStat,
		Gist:    "Resident memory from stat; since 6.2 off by what CPUs have yet to add up.",
		Concept: "rss",
	}, Get: func(p row) value {
		if p.P.Kthread() {
			return explain.None(inspect.Inapplicable)
		}
		return explain.N(p.P.RSS * p.Host.Host.PageSize)
	}})
}

// VmRSS is the resident memory as /proc/PID/status gives it.
func VmRSS() column {
	return status("vm_rss", "VmRSS", "RSS", "Resident memory: pages in RAM, shared ones counted in full.",
		"rss", func(p *procfacts.Process) inspect.Num {
			return p.VmRSS
		})
}

// RssParts are the three parts of VmRSS.
func RssParts() []column {
	return []column{
		status("rss_anon", "RssAnon", "ANON", "The part of RSS that no file backs: heap, stack.", "rss", func(p *procfacts.Process) inspect.Num {
			return p.RssAnon
		}),
		status("rss_file", "RssFile", "FILE", "The part of RSS that files back: programs, libraries, mapped files.",
			"rss", func(p *procfacts.Process) inspect.Num {
				return p.RssFile
			}),
		status("rss_shmem", "RssShmem", "SHMEM", "The part of RSS that is shared memory or tmpfs.", "rss",
			func(p *procfacts.Process) inspect.Num {
				return p.RssShmem
			}),
	}
}

// VmSwap is how much of the process is swapped out.
func VmSwap() column {
	return status("vm_swap", "VmSwap", "SWAP", "Anonymous memory in swap; shared memory in swap is not counted.",
		"swap", func(p *procfacts.Process) inspect.Num {
			return p.VmSwap
		})
}

func status(key, kernel, label, gist string, concept explain.Concept, get func(*procfacts.Process) inspect.Num) column {
	d := doc{
		Key: key, Kernel: kernel, Label: label, Unit: explain.Bytes,
		Source: inspect.PIDStatus, Also: []inspect.Source{inspect.PIDStat},
		Gist:    gist,
		Concept: concept,
	}
	if strings.HasPrefix(key, "rss_") {
		d.Since = inspect.Version{Major: 4, Minor: 5}
	}
	return column{Doc: d, Get: func(p row) value {
		v := explain.Opt(get(p.P))
		if p.P.Lost(kernel) {
			return explain.None(inspect.Malformed)
		}
		if !v.Has() && (p.P.Kthread() || p.P.Zombie() || p.P.VmRSS == inspect.Unset) {
			return explain.None(inspect.Inapplicable)
		}
		return v
	}}
}

// Shares are PSS, USS and SwapPss, which the kernel walks page tables for.
func Shares() []column {
	share := func(key, kernel, label, gist string, get func(*procfacts.Process) inspect.Num) column {
		return column{Doc: doc{
			Key: key, Kernel: kernel, Label: label, Unit: explain.Bytes,
			Source:  inspect.PIDSmapsRollup,
			Gist:    gist,
			Concept: "pss",
		}, Get: func(p row) value {
			if n := get(p.P); n != inspect.Unset {
				return explain.Opt(n)
			}
			return explain.None(inspect.Malformed) // each kernel that has the file has the line
		}}
	}
	return []column{
		share("pss", "Pss", "PSS", "Resident memory, each shared page divided among the processes that map it.",
			func(p *procfacts.Process) inspect.Num {
				return p.Pss
			}),
		share("uss", "", "USS", "Resident memory that this process alone maps.", func(p *procfacts.Process) inspect.Num { return p.Uss }),
		share("swap_pss", "SwapPss", "SWAPPSS", "Anonymous memory in swap, divided where several processes share it.",
			func(p *procfacts.Process) inspect.Num {
				return p.SwapPss
			}),
	}
}

// UID is the process's owner.
func UID() column {
	return column{Doc: doc{
		Key: "uid", Kernel: "Uid", Label: "UID", Unit: explain.Plain, Show: explain.Data,
		Source:  inspect.PIDStatus,
		Gist:    "The effective user ID, as kwhy's user namespace maps it.",
		Concept: "process",
	}, Get: func(p row) value {
		if p.P.Lost("Uid") {
			return explain.None(inspect.Malformed)
		}
		return explain.N(p.P.UID)
	}}
}

// VmPTE is the size of the process's page tables.
func VmPTE() column {
	return status("vm_pte", "VmPTE", "TABLES", "Its page tables; before 4.15 with VmPMD and VmPUD added.",
		"page-tables", func(p *procfacts.Process) inspect.Num {
			return p.PageTables
		})
}

// OomScore is the kernel's own figure.
func OomScore() column {
	return column{Doc: doc{
		Key: "oom_score", Kernel: "oom_score", Label: "SCORE", Unit: explain.Plain,
		Source:  inspect.PIDOomScore,
		Gist:    "The kernel's own figure: its memory and adjustment, relative to all memory.",
		Concept: "oom-score",
	}, Get: func(p row) value { return explain.Opt(p.P.OomScore) }}
}

// OomScoreAdj is the adjustment that was set for the process or inherited.
func OomScoreAdj() column {
	return column{Doc: doc{
		Key: "oom_score_adj", Kernel: "oom_score_adj", Label: "ADJ", Unit: explain.Plain,
		Source:  inspect.PIDOomScoreAdj,
		Gist:    "From -1000 (never killed) to 1000 (killed first); children inherit it.",
		Concept: "oom-score-adj",
	}, Get: func(p row) value { return explain.I(p.P.OomScoreAdj) }}
}

// Cgroup is the cgroup to which the process's memory is charged.
func Cgroup() column {
	return column{Doc: doc{
		Key: "cgroup", Show: explain.Data,
		Source:  inspect.PIDCgroup,
		Gist:    "The memory cgroup that it is charged to; (outside) lies beyond what kwhy sees.",
		Concept: "memory-cgroup",
	}, Get: func(p row) value {
		if p.P.Cgroup == "" {
			return explain.None(inspect.Inapplicable)
		}
		return explain.S(p.P.Cgroup)
	}}
}

// words makes words of one concept from lines "NAME: gist".
func words(concept explain.Concept, lines string) (out []explain.Word) {
	for line := range strings.Lines(lines) {
		if name, gist, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			out = append(out, explain.Word{Name: name, Gist: gist, Concept: concept})
		}
	}
	return out
}

// signalWords are the signals (signal(7)).
func signalWords() []explain.Word {
	return words("signals", `
		SIGHUP: Hangup of the terminal; many daemons reload their settings. Terminates.
		SIGINT: Ctrl-C at the terminal. Terminates.
		SIGQUIT: Ctrl-\ at the terminal. Terminates with a core dump.
		SIGILL: It ran an instruction that the CPU does not have. Terminates with a core dump.
		SIGTRAP: A breakpoint or a step for its tracer. Terminates with a core dump.
		SIGABRT: It called abort, or a watchdog such as systemd's sent it. Terminates with a core dump.
		SIGBUS: It accessed memory without backing, unreadable, broken or misaligned. Terminates with a core dump.
		SIGFPE: A division by zero and the like. Terminates with a core dump.
		SIGKILL: Terminates; can't be caught, ignored or blocked.
		SIGUSR1: For the program's own use. Terminates.
		SIGSEGV: It accessed memory that it may not. Terminates with a core dump.
		SIGUSR2: For the program's own use. Terminates.
		SIGPIPE: It wrote to a pipe or socket without a reader. Terminates.
		SIGALRM: The timer of alarm or setitimer expired. Terminates.
		SIGTERM: A request to terminate, the default of kill. Terminates.
		SIGSTKFLT: Not sent by the kernel. Terminates.
		SIGCHLD: A child terminated or stopped. Ignored.
		SIGCONT: Continues after it was stopped.
		SIGSTOP: Stops; can't be caught, ignored or blocked.
		SIGTSTP: Ctrl-Z at the terminal. Stops.
		SIGTTIN: It read from its terminal while in the background. Stops.
		SIGTTOU: It wrote to or configured its terminal while in the background. Stops.
		SIGURG: A socket has urgent data. Ignored.
		SIGXCPU: RLIMIT_CPU, or the runtime of SCHED_DEADLINE, is used up. Terminates with a core dump.
		SIGXFSZ: It wrote beyond RLIMIT_FSIZE. Terminates with a core dump.
		SIGVTALRM: The timer of setitimer for its own CPU time expired. Terminates.
		SIGPROF: The timer of setitimer for profiling expired. Terminates.
		SIGWINCH: Its terminal's size changed. Ignored.
		SIGIO: A descriptor with O_ASYNC is ready. Terminates.
		SIGPWR: The power fails. Terminates.
		SIGSYS: A seccomp filter refused a system call. Terminates with a core dump.`)
}

// capabilityWords are the capabilities (capabilities(7), include/uapi/linux/capability.h).
func capabilityWords() []explain.Word {
	return words("capabilities", `
		CAP_CHOWN: Change the owner of files.
		CAP_DAC_OVERRIDE: Read, write and execute files regardless of their permissions.
		CAP_DAC_READ_SEARCH: Read any file and search any directory.
		CAP_FOWNER: Do with any file what its owner may do: chmod, utimes, delete in sticky directories.
		CAP_FSETID: Keep set-ID bits when a file is changed.
		CAP_KILL: Send signals to any process.
		CAP_SETGID: Take any group ID.
		CAP_SETUID: Take any user ID.
		CAP_SETPCAP: Change inheritable, ambient and bounding capabilities.
		CAP_LINUX_IMMUTABLE: Set a file's flags immutable and append-only.
		CAP_NET_BIND_SERVICE: Bind to ports below 1024 (net.ipv4.ip_unprivileged_port_start).
		CAP_NET_BROADCAST: Not used.
		CAP_NET_ADMIN: Configure interfaces, routes, firewalls, and most of net.* settings.
		CAP_NET_RAW: Open raw and packet sockets: ping, tcpdump.
		CAP_IPC_LOCK: Lock memory beyond RLIMIT_MEMLOCK.
		CAP_IPC_OWNER: Use System V IPC objects of other users.
		CAP_SYS_MODULE: Load and unload kernel modules.
		CAP_SYS_RAWIO: Access I/O ports, /dev/mem and the like.
		CAP_SYS_CHROOT: chroot, and enter other mount namespaces.
		CAP_SYS_PTRACE: Trace and inspect any process, as much of /proc/PID needs.
		CAP_SYS_PACCT: Switch process accounting on or off.
		CAP_SYS_ADMIN: Mounts, namespaces, quotas and much more: nearly root.
		CAP_SYS_BOOT: Reboot, and load another kernel.
		CAP_SYS_NICE: Lower nice, set real-time policies and affinities, also for others.
		CAP_SYS_RESOURCE: Exceed resource limits and quotas, lower oom_score_adj.
		CAP_SYS_TIME: Set the clocks.
		CAP_SYS_TTY_CONFIG: Hang up and configure terminals.
		CAP_MKNOD: Create device files.
		CAP_LEASE: Take leases on any file.
		CAP_AUDIT_WRITE: Write to the audit log.
		CAP_AUDIT_CONTROL: Configure audit.
		CAP_SETFCAP: Give capabilities to files.
		CAP_MAC_OVERRIDE: Override Smack's rules.
		CAP_MAC_ADMIN: Configure Smack and the like.
		CAP_SYSLOG: Read the kernel log where it is restricted, and kernel addresses.
		CAP_WAKE_ALARM: Set timers that wake the host.
		CAP_BLOCK_SUSPEND: Keep the host from suspending.
		CAP_AUDIT_READ: Read the audit log; since 3.16.
		CAP_PERFMON: Use perf on the whole host; since 5.8, CAP_SYS_ADMIN before.
		CAP_BPF: Load BPF programs; since 5.8, CAP_SYS_ADMIN before.
		CAP_CHECKPOINT_RESTORE: Save and restore processes; since 5.9, CAP_SYS_ADMIN before.`)
}

// flagWords are the flags of a task.
func flagWords() (out []explain.Word) {
	for _, f := range taskFlags() {
		gist := f.text
		if gist == "" {
			gist = "Internal to the kernel."
		}
		out = append(out, explain.Word{Name: f.name, Gist: gist, Concept: "task-struct"})
	}
	return out
}

// namespaceWords are the kinds of namespaces by their links in /proc/PID/ns.
func namespaceWords() (out []explain.Word) {
	for _, name := range []string{"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"} {
		concept := explain.Concept("namespaces")
		switch name {
		case "user":
			concept = "user-namespace"
		case "pid", "pid_for_children":
			concept = "pid-namespace"
		case "cgroup":
			concept = "cgroups"
		}
		out = append(out, explain.Word{Name: name, Gist: "A namespace: " + whyNamespace(name) + ".", Concept: concept})
	}
	return out
}

// rlimitWords are the resource limits as /proc/PID/limits names them.
func rlimitWords() (out []explain.Word) {
	for _, name := range []string{
		"cpu time", "file size", "data size", "stack size", "core file size", "resident set", "processes", "open files",
		"locked memory", "address space", "file locks", "pending signals", "msgqueue size", "nice priority", "realtime priority",
		"realtime timeout",
	} {
		out = append(out, explain.Word{Name: name, Gist: "A limit: " + whyRlimit(name) + ".", Concept: "resource-limits"})
	}
	return out
}

// policies are the scheduling policies by number (include/uapi/linux/sched.h).
func policies() []explain.Word {
	word := func(name string, concept explain.Concept, gist string) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: concept}
	}
	return []explain.Word{
		word("SCHED_OTHER", "nice", "The default: a fair share, weighted by nice."),
		word("SCHED_FIFO", "real-time", "Real-time: runs until it blocks."),
		word("SCHED_RR", "real-time", "Real-time: takes turns with tasks of the same priority."),
		word("SCHED_BATCH", "nice", "A fair share, for work that can wait."),
		word("SCHED_ISO", "scheduler", "Reserved, never used."), word("SCHED_IDLE", "nice", "Only CPU time that nothing else wants."),
		word("SCHED_DEADLINE", "deadline", "A runtime budget in each period."),
		word("SCHED_EXT", "sched-ext", "Scheduled by a BPF program, since 6.12."),
	}
}

func schedules() []column {
	return append([]column{Policy(), RTPriority(), Processor()}, Switches()...)
}

// Switches are the voluntary and involuntary context switches of its main thread.
func Switches() []column {
	switches := func(key, label, gist string, get func(*procfacts.Process) inspect.Num) column {
		return column{Doc: doc{
			Key: key, Kernel: key, Label: label, Unit: explain.Count, Counter: true,
			Source:  inspect.PIDStatus,
			Gist:    gist,
			Concept: "context-switch",
		}, Get: func(p row) value { return explain.Opt(get(p.P)) }}
	}
	return []column{
		switches("voluntary_ctxt_switches", "VOL SWITCHES", "How often its main thread gave up the CPU to wait.",
			func(p *procfacts.Process) inspect.Num {
				return p.Voluntary
			}),
		switches("nonvoluntary_ctxt_switches", "INVOL SWITCHES", "How often its main thread was preempted for another.",
			func(p *procfacts.Process) inspect.Num {
				return p.Forced
			}),
	}
}

// Policy is its scheduling policy.
func Policy() column {
	return ofStat(column{Doc: doc{
		Key:     "policy",
		Source:  inspect.PIDStat,
		Words:   policies(),
		Gist:    "Its scheduling policy.",
		Concept: "scheduler",
	}, Get: func(p row) value {
		if n := int(p.P.Policy); n >= 0 && n < len(policies()) {
			return explain.S(policies()[n].Name)
		}
		return value{}
	}})
}

// RTPriority is its real-time priority.
func RTPriority() column {
	return ofStat(column{Doc: doc{
		Key: "rt_priority", Unit: explain.Plain,
		Source:  inspect.PIDStat,
		Gist:    "Its real-time priority, 1 to 99; 0 without one.",
		Concept: "real-time",
	}, Get: func(p row) value { return explain.I(p.P.RTPrio) }})
}

// Processor is the CPU that it last ran on.
func Processor() column {
	return ofStat(column{Doc: doc{
		Key: "processor", Unit: explain.Plain,
		Source:  inspect.PIDStat,
		Gist:    "The CPU that it last ran on.",
		Concept: "affinity",
	}, Get: func(p row) value {
		if p.P.CPU < 0 {
			return value{}
		}
		return explain.I(p.P.CPU)
	}})
}
