package proc

import (
	"strings"

	"kwhy/explain"
)

// words makes words of one concept of lines "NAME gist".
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
		SIGHUP: The terminal is gone; to daemons often: read the settings anew. Ends.
		SIGINT: Ctrl-C at the terminal. Ends.
		SIGQUIT: Ctrl-\ at the terminal. Ends with a core dump.
		SIGILL: It ran an instruction that the CPU does not have. Ends with a core dump.
		SIGTRAP: A breakpoint or a step for its tracer. Ends with a core dump.
		SIGABRT: It gave itself up by abort. Ends with a core dump.
		SIGBUS: It touched mapped memory with nothing behind it. Ends with a core dump.
		SIGFPE: A division by zero and the like. Ends with a core dump.
		SIGKILL: Ends, and can't be caught, ignored or blocked.
		SIGUSR1: Of the program's own use. Ends.
		SIGSEGV: It touched memory that it may not. Ends with a core dump.
		SIGUSR2: Of the program's own use. Ends.
		SIGPIPE: It wrote to a pipe or socket that nobody reads any more. Ends.
		SIGALRM: The timer of alarm or setitimer is over. Ends.
		SIGTERM: The request to end, which kill sends by itself. Ends.
		SIGSTKFLT: Not sent by the kernel. Ends.
		SIGCHLD: A child ended or stopped. Ignored.
		SIGCONT: Goes on after it was stopped.
		SIGSTOP: Stops, and can't be caught, ignored or blocked.
		SIGTSTP: Ctrl-Z at the terminal. Stops.
		SIGTTIN: It read from its terminal in the background. Stops.
		SIGTTOU: It wrote to or set its terminal in the background. Stops.
		SIGURG: A socket has urgent data. Ignored.
		SIGXCPU: RLIMIT_CPU, or the runtime of SCHED_DEADLINE, is used up. Ends with a core dump.
		SIGXFSZ: It wrote beyond RLIMIT_FSIZE. Ends with a core dump.
		SIGVTALRM: The timer of setitimer for its own CPU time is over. Ends.
		SIGPROF: The timer of setitimer for profiling is over. Ends.
		SIGWINCH: Its terminal's size changed. Ignored.
		SIGIO: A descriptor with O_ASYNC is ready. Ends.
		SIGPWR: The power fails. Ends.
		SIGSYS: A seccomp filter refused a system call. Ends with a core dump.`)
}

// capabilityWords are the capabilities (capabilities(7), include/uapi/linux/capability.h).
func capabilityWords() []explain.Word {
	return words("capabilities", `
		CAP_CHOWN: Give files to anybody.
		CAP_DAC_OVERRIDE: Read, write and execute whatever a file's permissions say.
		CAP_DAC_READ_SEARCH: Read any file and search any directory.
		CAP_FOWNER: Do with any file what its owner may: chmod, utimes, delete in sticky directories.
		CAP_FSETID: Keep set-ID bits when a file is changed.
		CAP_KILL: Send signals to anybody's processes.
		CAP_SETGID: Take any group ID.
		CAP_SETUID: Take any user ID.
		CAP_SETPCAP: Change inheritable, ambient and bounding capabilities.
		CAP_LINUX_IMMUTABLE: Set a file's flags immutable and append-only.
		CAP_NET_BIND_SERVICE: Bind to ports below 1024 (net.ipv4.ip_unprivileged_port_start).
		CAP_NET_BROADCAST: Not used.
		CAP_NET_ADMIN: Configure interfaces, routes, firewalls, and most of net.* settings.
		CAP_NET_RAW: Open raw and packet sockets: ping, tcpdump.
		CAP_IPC_LOCK: Lock memory beyond RLIMIT_MEMLOCK.
		CAP_IPC_OWNER: Use System V IPC objects of others.
		CAP_SYS_MODULE: Load and unload kernel modules.
		CAP_SYS_RAWIO: Reach I/O ports, /dev/mem and the like.
		CAP_SYS_CHROOT: chroot, and enter other mount namespaces.
		CAP_SYS_PTRACE: Trace and look into any process, as most of /proc/PID asks.
		CAP_SYS_PACCT: Switch process accounting.
		CAP_SYS_ADMIN: Mounts, namespaces, quotas and very much else: nearly root.
		CAP_SYS_BOOT: Reboot, and load another kernel.
		CAP_SYS_NICE: Lower nice, set real-time policies and affinities, of others too.
		CAP_SYS_RESOURCE: Pass resource limits and quotas, lower oom_score_adj.
		CAP_SYS_TIME: Set the clocks.
		CAP_SYS_TTY_CONFIG: Hang up and configure terminals.
		CAP_MKNOD: Make device files.
		CAP_LEASE: Take leases on any file.
		CAP_AUDIT_WRITE: Write to the audit log.
		CAP_AUDIT_CONTROL: Configure audit.
		CAP_SETFCAP: Give capabilities to files.
		CAP_MAC_OVERRIDE: Pass over Smack's rules.
		CAP_MAC_ADMIN: Configure Smack and the like.
		CAP_SYSLOG: Read the kernel log where it is restricted, and kernel addresses.
		CAP_WAKE_ALARM: Set timers that wake the host.
		CAP_BLOCK_SUSPEND: Keep the host from suspending.
		CAP_AUDIT_READ: Read the audit log; since 3.16.
		CAP_PERFMON: Use perf on the whole host; since 5.8, CAP_SYS_ADMIN before.
		CAP_BPF: Load BPF programs; since 5.8, CAP_SYS_ADMIN before.
		CAP_CHECKPOINT_RESTORE: Save and restore processes; since 5.9, CAP_SYS_ADMIN before.`)
}

// flagWords are the flags of a task that say something.
func flagWords() (out []explain.Word) {
	for _, f := range taskFlags() {
		gist := f.text
		if gist == "" {
			gist = "It says nothing to a user."
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

// rlimitWords are the resource limits as /proc/PID/limits words them.
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
