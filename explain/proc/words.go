package proc

import (
	"strings"

	"kwhy/explain"
)

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
		SIGABRT: It called abort. Terminates with a core dump.
		SIGBUS: It accessed mapped memory that has no backing. Terminates with a core dump.
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
