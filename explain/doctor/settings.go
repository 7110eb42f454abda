package doctor

import (
	"kwhy/explain"
	"kwhy/inspect"
)

// settings decide who sees what, whatever a file's mode says.
func settings() []field {
	number := func(d doc, read func(n int64, s sights) string) field {
		d.Unit = explain.Plain
		return told(d, func(s sights) value {
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
				Gist:    "Whom Yama lets attach to a process, beside the usual checks.",
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
				Gist:    "Whether reading the kernel's log takes CAP_SYSLOG.",
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
				Gist:    "Whether files show addresses of the kernel.",
			},
			func(n int64, _ sights) string {
				switch n {
				case 0:
					return "Addresses are hashed. kwhy reads names of functions, and no address."
				case 1:
					return "Addresses are zeros without CAP_SYSLOG. kwhy reads names of functions, and no address."
				}
				return "Addresses are zeros for everybody. kwhy reads names of functions, and no address."
			},
		),
		number(
			doc{
				Key:     "perf_event_paranoid",
				Kernel:  "kernel.perf_event_paranoid",
				Label:   "perf_event_paranoid",
				Source:  inspect.PerfEventParanoid,
				Concept: "proc-permissions",
				Gist:    "What perf events a user without CAP_PERFMON may count.",
			},
			func(n int64, s sights) string {
				text := "kwhy counts no perf events: this is for the tools that you may turn to next."
				switch yes, ok := s.OverHost(38); {
				case ok && yes:
					return text + " CAP_PERFMON is there, and opens them all."
				case n < 0:
					return text + " All are open to everybody."
				case n >= 2:
					return text + " Of the kernel's own side they show nothing to others than root."
				}
				return text + " Of the whole CPU they show little to others than root."
			},
		),
	}
}

func lockdown() field {
	word := func(name, gist string) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: "debugfs"}
	}
	return told(doc{Key: "lockdown", Source: inspect.SecurityLockdown, Concept: "debugfs", Words: []explain.Word{
		word("none", "Root may do all that a capability allows."),
		word("integrity", "Root may not change the running kernel."),
		word("confidentiality", "Root may not change the running kernel, nor read its memory."),
	}, Gist: "What the kernel keeps even from root."}, func(s sights) value {
		w, _ := s.Word(inspect.SecurityLockdown)
		return orNone(w)
	}, func(s sights) string {
		if w, _ := s.Word(inspect.SecurityLockdown); w == "none" {
			return "Nothing is kept from root."
		}
		return "Files of debugfs that may be written can't be opened even by root: those of the scheduler's tunables."
	})
}

func readScope(n int64, _ sights) string {
	const which = "which system call others are in (/proc/PID/syscall)"
	switch n {
	case 0:
		return "Whoever may read a process may attach to it."
	case 1:
		return "Only a process's ancestors, and CAP_SYS_PTRACE, see " + which + "; what needs no more than reading stays open."
	case 2:
		return "Only CAP_SYS_PTRACE sees " + which + "."
	}
	return "Nobody sees " + which + ", until the next boot."
}

func readDmesg(n int64, s sights) string {
	if n == 0 {
		return "Everybody may read it, as far as the mode of /dev/kmsg lets them."
	}
	switch yes, ok := s.OverHost(34); {
	case !ok:
		return "It takes CAP_SYSLOG."
	case yes:
		return "It takes CAP_SYSLOG, which is there."
	}
	return "It takes CAP_SYSLOG, which is not there: OOM kills in the log are not seen."
}
