package doctor

import (
	"kwhy/explain"
	"kwhy/inspect"
)

// settings are the kernel's settings that restrict who sees what, whatever a file's mode says.
func settings() []field {
	number := func(d doc, read func(n int64, s sights) string) field {
		d.Unit = explain.Plain
		return newField(d, func(s sights) value {
			if n, ok := s.Number(d.Source); ok {
				return explain.I(n)
			}
			return value{}
		}, func(s sights) string {
			n, _ := s.Number(d.Source)
			return read(n, s)
		})
	}
	return []field{
		lockdown(),
		number(
			doc{
				Key:     "yama_ptrace_scope",
				Kernel:  "kernel.yama.ptrace_scope",
				Label:   "ptrace_scope",
				Source:  inspect.YamaPtraceScope,
				Concept: "ptrace",
				Gist:    "Who may attach to a process under Yama, on top of the usual checks.",
			},
			readScope,
		),
		number(
			doc{
				Key:     "dmesg_restrict",
				Kernel:  "kernel.dmesg_restrict",
				Label:   "dmesg_restrict",
				Source:  inspect.DmesgRestrict,
				Also:    []inspect.Source{inspect.PIDStatus},
				Concept: "kernel-log",
				Gist:    "Whether reading the kernel's log requires CAP_SYSLOG.",
			},
			readDmesg,
		),
		number(
			doc{
				Key:     "kptr_restrict",
				Kernel:  "kernel.kptr_restrict",
				Label:   "kptr_restrict",
				Source:  inspect.KptrRestrict,
				Concept: "proc-permissions",
				Gist:    "Whether files show kernel addresses.",
			},
			func(n int64, _ sights) string {
				switch n {
				case 0:
					return "Addresses (%pK) are hashed, before 4.15 shown. kwhy reads only names of functions."
				case 1:
					return "Addresses (%pK) are zeros without CAP_SYSLOG. kwhy reads only names of functions."
				}
				return "Addresses (%pK) are zeros for everybody. kwhy reads only names of functions."
			},
		),
		number(
			doc{
				Key:     "perf_event_paranoid",
				Kernel:  "kernel.perf_event_paranoid",
				Label:   "perf_event_paranoid",
				Source:  inspect.PerfEventParanoid,
				Concept: "proc-permissions",
				Gist:    "Which perf events a user without CAP_PERFMON may count.",
			},
			func(n int64, s sights) string {
				text := "kwhy counts no perf events, but the tool you try next may."
				switch yes, ok := s.OverHost(38); {
				case ok && yes:
					return text + " CAP_PERFMON is there and allows them all."
				case n < 0:
					return text + " Everybody may count all of them."
				case n >= 2:
					return text + " Only root may count what happens inside the kernel."
				}
				return text + " Users other than root see little of a whole CPU."
			},
		),
	}
}

func lockdown() field {
	word := func(name, gist string) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: "debugfs"}
	}
	return newField(doc{Key: "lockdown", Source: inspect.SecurityLockdown, Concept: "debugfs", Words: []explain.Word{
		word("none", "Root may do all that a capability allows."),
		word("integrity", "Root may not change the running kernel."),
		word("confidentiality", "Root may neither change the running kernel nor read its memory."),
	}, Gist: "What the kernel denies even to root."}, func(s sights) value {
		w, _ := s.Word(inspect.SecurityLockdown)
		return orNone(w)
	}, func(s sights) string {
		if w, _ := s.Word(inspect.SecurityLockdown); w == "none" {
			return "It denies root nothing."
		}
		return "Even root can't open files of debugfs that are writable, such as the scheduler's tunables."
	})
}

func readScope(n int64, _ sights) string {
	const which = "which system call another process is in (/proc/PID/syscall)"
	switch n {
	case 0:
		return "Whoever may read a process may attach to it."
	case 1:
		return "Only a process's ancestors, and CAP_SYS_PTRACE, see " + which + "; files that only need read access stay open."
	case 2:
		return "Only CAP_SYS_PTRACE sees " + which + "."
	}
	return "Nobody sees " + which + ", until the next boot."
}

func readDmesg(n int64, s sights) string {
	if n == 0 {
		return "Everybody may read it, if the mode of /dev/kmsg lets them."
	}
	switch yes, ok := s.OverHost(34); {
	case !ok:
		return "It requires CAP_SYSLOG."
	case yes:
		return "It requires CAP_SYSLOG, which kwhy has."
	}
	return "It requires CAP_SYSLOG, which kwhy lacks: OOM kills in the log are not seen."
}
