package proc

import (
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// capabilities are the names by bit (include/uapi/linux/capability.h).
const capabilities = "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast " +
	"net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time " +
	"sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"

// mask reads a hexadecimal mask of status.
func mask(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 16, 64)
	return n, err == nil
}

// capNames returns the names of a capability mask. Bits that this kwhy has no
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

// everyCap is a mask of all that have names here.
func everyCap() uint64 { return 1<<len(strings.Fields(capabilities)) - 1 }

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

// readFlags says what the flags that matter mean.
func readFlags(d detail) string {
	var says []string
	for _, f := range [...]struct {
		bit  uint32
		text string
	}{
		{0x4, "It is ending."}, {0x40, "It was forked and has run no program of its own since."}, {0x200, "It is writing a core dump."}, {0x400, "A signal killed it."},
		{0x100, "It has used a right that only root has."}, {0x800, "It may use the memory reserves: it frees memory."}, {0x200000, "It is a thread of the kernel."},
		{0x4000000, "Its CPUs can't be changed from outside."},
	} {
		if d.Row.P.Flags&f.bit != 0 {
			says = append(says, f.text)
		}
	}
	return strings.Join(says, " ")
}

// flagNames are the PF_* bits that say something to a user
// (include/linux/sched.h); the kernel moves others about.
func flagNames(flags uint32) (out []string) {
	for _, f := range [...]struct {
		bit  uint32
		name string
	}{
		{0x4, "PF_EXITING"}, {0x20, "PF_WQ_WORKER"}, {0x40, "PF_FORKNOEXEC"}, {0x100, "PF_SUPERPRIV"}, {0x200, "PF_DUMPCORE"},
		{0x400, "PF_SIGNALED"}, {0x800, "PF_MEMALLOC"}, {0x200000, "PF_KTHREAD"}, {0x400000, "PF_RANDOMIZE"}, {0x4000000, "PF_NO_SETAFFINITY"},
	} {
		if flags&f.bit != 0 {
			out = append(out, f.name)
			flags &^= f.bit
		}
	}
	for ; flags != 0; flags &= flags - 1 {
		out = append(out, "0x"+strconv.FormatUint(1<<bits.TrailingZeros32(flags), 16))
	}
	return out
}
