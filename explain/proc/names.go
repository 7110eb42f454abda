package proc

import (
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// capabilities are the names by bit (include/uapi/linux/capability.h).
const capabilities = "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable " +
	"net_bind_service net_broadcast " +
	"net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice " +
	"sys_resource sys_time " +
	"sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend " +
	"audit_read perfmon bpf checkpoint_restore"

// mask parses a hexadecimal mask of status.
func mask(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 16, 64)
	return n, err == nil
}

// capNames returns the names of a capability mask. Bits that this version has no
// name for stay numbers.
func capNames(set uint64) (out []string) {
	names := strings.Fields(capabilities)
	for b := range 64 {
		if set>>b&1 == 0 {
			continue
		}
		if b < len(names) {
			out = append(out, "CAP_"+strings.ToUpper(names[b]))
		} else {
			out = append(out, "CAP_"+strconv.Itoa(b))
		}
	}
	return out
}

// everyCap is a mask of the capabilities that a kernel has: up to CAP_AUDIT_READ, which is
// in 3.16; CAP_PERFMON and CAP_BPF from 5.8 and CAP_CHECKPOINT_RESTORE from 5.9 on
// (include/uapi/linux/capability.h). Of an unknown version it is those that any has: what else
// there is, a task's bounding set shows.
func everyCap(k inspect.Kernel) uint64 {
	const upTo37, upTo39 = 1<<38 - 1, 1<<40 - 1
	all := uint64(1)<<len(strings.Fields(capabilities)) - 1
	since58 := inspect.Choose(k.Since(5, 8), uint64(upTo39), upTo37, upTo37)
	return inspect.Choose(k.Since(5, 9), all, since58, since58)
}

// SignalNames returns the names of a signal mask, whose bit n-1 is signal n.
func SignalNames(set uint64) (out []string) {
	for b := range 64 {
		if set>>b&1 == 0 {
			continue
		}
		out = append(out, signalName(b+1))
	}
	return out
}

func signalName(n int) string {
	if name := unix.SignalName(unix.Signal(n)); name != "" {
		return name
	}
	if n >= 34 {
		return "SIGRTMIN+" + strconv.Itoa(n-34)
	}
	return "signal " + strconv.Itoa(n) // 32 and 33, which the C library keeps for itself
}

// taskFlag is a PF_* bit of a task's flags.
type taskFlag struct {
	bit   uint32
	name  string
	text  string          // what it says; "": nothing to a user
	since inspect.Version // the first kernel where the bit has that name; zero: older than 4.0
}

// taskFlags are the bits by name (include/linux/sched.h). The kernel renumbers some:
// a bit that had another name before, or none, has this name since the given version.
func taskFlags() []taskFlag {
	v := func(major, minor int) inspect.Version { return inspect.Version{Major: major, Minor: minor} }
	return []taskFlag{
		{0x4, "PF_EXITING", "It is ending.", inspect.Version{}},
		{0x8, "PF_POSTCOREDUMP", "", v(5, 16)},
		{0x10, "PF_IO_WORKER", "It works for io_uring.", v(5, 12)},
		{0x20, "PF_WQ_WORKER", "It is a worker of the kernel's workqueues.", inspect.Version{}},
		{0x40, "PF_FORKNOEXEC", "It was forked and has not called exec since.", inspect.Version{}},
		{0x80, "PF_MCE_PROCESS", "", inspect.Version{}},
		{0x100, "PF_SUPERPRIV", "It has used a capability, which plain users don't have.", inspect.Version{}},
		{0x200, "PF_DUMPCORE", "It is writing a core dump.", inspect.Version{}},
		{0x400, "PF_SIGNALED", "A signal killed it.", inspect.Version{}},
		{0x800, "PF_MEMALLOC", "It may use the memory reserves, because it frees memory.", inspect.Version{}},
		{0x1000, "PF_NPROC_EXCEEDED", "When it changed its user ID, that user had too many processes.", inspect.Version{}},
		{0x4000, "PF_USER_WORKER", "It is a kernel thread that works for a program.", v(6, 4)},
		{0x8000, "PF_NOFREEZE", "Suspend does not freeze it.", inspect.Version{}},
		{0x200000, "PF_KTHREAD", "It is a kernel thread.", inspect.Version{}},
		{0x400000, "PF_RANDOMIZE", "", inspect.Version{}},
		{0x4000000, "PF_NO_SETAFFINITY", "Its CPU affinity can't be changed from user space.", inspect.Version{}},
		{0x8000000, "PF_MCE_EARLY", "", inspect.Version{}},
		{0x80000000, "PF_SUSPEND_TASK", "It suspends the host.", inspect.Version{}},
	}
}

// on reports whether the bit is set and has that name on a kernel; on one whose version is
// unknown it is a number.
func (f *taskFlag) on(flags uint32, k inspect.Kernel) bool {
	return flags&f.bit != 0 && inspect.Choose(k.Since(f.since.Major, f.since.Minor), true, false, false)
}

// readFlags explains the flags that matter to users. A cloned thread has not called
// exec, and need not; a main thread that has ended is not the process.
func readFlags(d detail) string {
	p := d.Row.P
	thread := p.TGID != 0 && p.TGID != p.PID
	var says []string
	for _, f := range taskFlags() {
		switch {
		case !f.on(p.Flags, d.Kernel()) || f.text == "" || f.bit == forkNoExec && thread:
		case f.bit == 0x4 && p.MainEnded():
			says = append(says, "Its main thread has ended.")
		case f.bit == 0x4 && p.Zombie():
			says = append(says, "It has ended.")
		default:
			says = append(says, f.text)
		}
	}
	return strings.Join(says, " ")
}

// flagNames are the names of the bits that are set. Those that this version has no name for
// on that kernel stay numbers.
func flagNames(flags uint32, k inspect.Kernel) (out []string) {
	for _, f := range taskFlags() {
		if f.on(flags, k) {
			out = append(out, f.name)
			flags &^= f.bit
		}
	}
	for ; flags != 0; flags &= flags - 1 {
		out = append(out, "0x"+strconv.FormatUint(1<<bits.TrailingZeros32(flags), 16))
	}
	return out
}
