package inspect

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// capabilities are those that any source may take (capabilities(7)), by number.
func capabilities() []string {
	return []string{
		unix.CAP_DAC_READ_SEARCH: "CAP_DAC_READ_SEARCH", unix.CAP_NET_ADMIN: "CAP_NET_ADMIN", unix.CAP_SYS_PTRACE: "CAP_SYS_PTRACE",
		unix.CAP_SYS_ADMIN: "CAP_SYS_ADMIN", unix.CAP_SYS_NICE: "CAP_SYS_NICE", unix.CAP_SYSLOG: "CAP_SYSLOG",
	}
}

// capabilities are those that it takes to read s where that is denied to others, as a mask; 0
// where none opens it. Root of the host has them, unless they were taken from it.
func (s Source) capabilities() uint64 {
	const (
		search, trace, admin = 1 << unix.CAP_DAC_READ_SEARCH, 1 << unix.CAP_SYS_PTRACE, 1 << unix.CAP_SYS_ADMIN
	)
	switch s {
	case KernelLog:
		return 1 << unix.CAP_SYSLOG
	case NetHooks, NetRules, NetRuleCounters, NetXTables, Taskstats:
		return 1 << unix.CAP_NET_ADMIN
	case PIDTimerslack:
		return 1 << unix.CAP_SYS_NICE
	case PIDStack:
		return trace | search | admin
	case PIDMapFiles:
		return trace | admin
	case PIDEntry:
		return trace
	case SockDiag:
		return admin
	}
	switch s.Opens() {
	case "":
		return 0
	case asTracer, asHidden:
		return trace
	case asOwner:
		return trace | search
	case asNetAdmin:
		return admin
	}
	return search
}

// Rights are what kwhy may do on the host: what it may do in a user namespace of its own
// counts for nothing there.
type Rights struct {
	saved       bool   // what is read is a copy: of its files those who have it decide
	root, inner bool   // user 0 of the host; of a user namespace of its own
	caps        uint64 // that hold over the host
}

// Rights finds out what kwhy may do. What is not known it may not.
func (h *Host) Rights() (r Rights) {
	if !h.Live {
		return Rights{saved: true}
	}
	self := h.OwnDir()
	user, err := h.Namespace(self, "user")
	first := err == nil && user == InitialUserNS
	r.root, r.inner = h.AsRoot() && first, h.AsRoot() && err == nil && !first
	if !first {
		return r
	}
	_ = h.Proc.With(self+"/status", func(b []byte) (err error) {
		for line := range bytes.Lines(b) {
			if text, ok := bytes.CutPrefix(line, []byte("CapEff:")); ok {
				r.caps, err = strconv.ParseUint(string(bytes.TrimSpace(text)), 16, 64)
			}
		}
		return err
	})
	return r
}

// Open reports whether kwhy has all that it takes to read s: what is denied to it then is
// withheld by something else, such as a security module, a sandbox or a namespace.
func (r Rights) Open(s Source) bool {
	needs := s.capabilities()
	return needs != 0 && needs&^r.caps == 0
}

// Advice says what it would take to read s where that was denied; "" where nothing is known
// to help, as where kwhy has the rights.
func (r Rights) Advice(s Source) string {
	missing := s.capabilities() &^ r.caps
	switch {
	case r.saved:
		return "run as a user who may read the files of this copy, or change their permissions"
	case s.Opens() == "", r.Open(s):
		return ""
	case r.inner:
		return "run as root of the host: kwhy is root of a user namespace, which is an ordinary user of the host"
	case !r.root:
		return s.Opens()
	}
	var names []string
	for bit, name := range capabilities() {
		if name != "" && missing>>bit&1 == 1 {
			names = append(names, name)
		}
	}
	return "needs " + strings.Join(names, " and ") + ", which this root lacks: a container is given it with --cap-add"
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
	found := Keep(h, func() (is isInitial) { is.yes, is.known = h.initialPIDs(); return is })
	return found.yes, found.known
}

// isInitial is what InitialPIDNamespace returns, kept: it takes up to five files to find out.
type isInitial struct{ yes, known bool }

func (h *Host) initialPIDs() (yes, known bool) {
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
	if h.lxcfs() { // it makes files for those in containers
		return false, true
	}
	if h.initScore() > 0 { // the host's init is never killed: its score is 0 (mm/oom_kill.c, oom_unkillable_task)
		return false, true
	}
	return false, false
}

// View is whose processes a /proc shows.
type View uint8

// The views.
const (
	ViewUnknown   View = iota
	ViewHost           // all of the host's
	ViewContainer      // those of a PID namespace below the host's
	ViewElsewhere      // those of a PID namespace that kwhy is not in
	ViewCopy           // those of a copy
	ViewNothing        // none: there is no /proc
)

// String returns the view as JSON spells it; "" for ViewUnknown.
func (v View) String() string {
	return [...]string{"", "host", "container", "elsewhere", "copy", "nothing"}[v]
}

// View says whose processes the /proc shows that is read.
func (h *Host) View() View {
	switch {
	case h.NoProc:
		return ViewNothing
	case !h.Live:
		return ViewCopy
	}
	switch whole, known := h.InitialPIDNamespace(); {
	case known && whole:
		return ViewHost // whoever reads it
	case !h.SameProcesses():
		return ViewElsewhere
	case known:
		return ViewContainer
	}
	return ViewUnknown
}

// initScore returns the oom_score of PID 1; Unset where it is not to be seen.
func (h *Host) initScore() Num {
	n := Unset
	_ = h.Proc.Single("1/oom_score", func(b []byte) error { n = ParseNum(TrimNewline(b)); return nil })
	return n
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
	if !h.Live {
		return 0
	}
	return int32(Keep(h, func() (pid ownPID) {
		_ = h.Proc.Single("self/stat", func(b []byte) error {
			field, _ := CutField(b)
			n, _ := ParsePID(string(field))
			pid = ownPID(n)
			return nil
		})
		return pid
	}))
}

// ownPID is what Self returns, kept.
type ownPID int32

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
