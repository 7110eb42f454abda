package inspect

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// opening are the capabilities that any Source.Opens names (capabilities(7)).
const opening = 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_PTRACE |
	1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_SYS_NICE | 1<<unix.CAP_SYSLOG

// Entitled reports whether kwhy has all rights that any Source.Opens asks for: it is root
// in the user namespace that the kernel began with, with each of those capabilities.
// Where that is not known it is false. What is denied to it then is withheld by
// something else: a security module, a sandbox, a namespace.
func (h *Host) Entitled() bool {
	if !h.Live || unix.Geteuid() != 0 {
		return false
	}
	self := h.OwnDir()
	user, err := h.Namespace(self, "user")
	if err != nil || user != InitialUserNS {
		return false
	}
	var set uint64
	err = h.Proc.With(self+"/status", func(b []byte) (err error) {
		for line := range bytes.Lines(b) {
			if text, ok := bytes.CutPrefix(line, []byte("CapEff:")); ok {
				set, err = strconv.ParseUint(string(bytes.TrimSpace(text)), 16, 64)
			}
		}
		return err
	})
	return err == nil && set&opening == opening
}

// AsRoot reports whether kwhy runs as user 0, whatever host the tree belongs to.
func (h *Host) AsRoot() bool { return unix.Geteuid() == 0 }

// InitialPIDNamespace reports whether the processes of this /proc are the whole
// host's: then its PID 1 is the one that is never killed. known is false where
// that can't be seen.
//
// PID 1 is of the namespace that a /proc shows. To whom its link is denied the kernel's own
// threads tell: all are in the initial one, and kthreadd has the number 2 (init/main.c,
// rest_init). kwhy's own link tells where its number there is its own.
func (h *Host) InitialPIDNamespace() (yes, known bool) {
	const initial = "pid:[4026531836]" // include/linux/proc_ns.h, PROC_PID_INIT_INO
	if to, err := h.Proc.Readlink("1/ns/pid"); err == nil && to != "" {
		return to == initial, true
	}
	if h.kernelThread("2") {
		return true, true
	}
	if h.SameProcesses() {
		if to, err := h.Proc.Readlink("self/ns/pid"); err == nil && to != "" {
			return to == initial, true
		}
	}
	return false, false
}

// kernelThread reports whether the stat of a process says so: PF_KTHREAD in its ninth field.
func (h *Host) kernelThread(dir string) (yes bool) {
	const kthread, flags = 0x00200000, 6 // include/linux/sched.h; behind the name and its bracket
	_ = h.Proc.Single(dir+"/stat", func(b []byte) error {
		if fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]); len(fields) > flags {
			n, _ := ParseUint(fields[flags])
			yes = n&kthread != 0
		}
		return nil
	})
	return yes
}

// Self returns kwhy's own PID as the tree has it: a mounted /proc may be
// another PID namespace's. In a copy it is 0: there, self is who made the copy.
func (h *Host) Self() int32 {
	var pid int32
	if !h.Live {
		return 0
	}
	_ = h.Proc.Single("self/stat", func(b []byte) error {
		field, _ := CutField(b)
		pid, _ = ParsePID(string(field))
		return nil
	})
	return pid
}

// Example returns the process that shows what a value of a process looks like: kwhy itself; of
// a copy the one that made it, or else the first that it has. It is 0 where there is none.
func (h *Host) Example() int32 {
	if h.Live {
		return h.Self()
	}
	if to, err := h.Proc.Readlink("self"); err == nil {
		if pid, ok := ParsePID(to); ok {
			if _, err := h.Proc.Stat(to); err == nil {
				return pid
			}
		}
	}
	names, _ := h.Proc.Names(".")
	first := int32(0)
	for _, name := range names {
		if pid, ok := ParsePID(name); ok && (first == 0 || pid < first) {
			first = pid
		}
	}
	return first
}

// SameProcesses reports whether the numbers in this /proc mean the same processes to
// system calls.
func (h *Host) SameProcesses() bool { return h.Live && h.Self() == int32(unix.Getpid()) }

// OwnDir is where kwhy's own files are, below the root of /proc: a /proc of a PID
// namespace that it is not in has none of them, and then its own /proc does.
func (h *Host) OwnDir() string {
	if h.Live && h.Self() == 0 {
		return "/proc/self"
	}
	return "self"
}
