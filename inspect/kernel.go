package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What the running kernel is asked by system calls and by netlink, besides its files.
// It is this machine's kernel that answers: of a copy each of these says ErrCopy. The
// kernel's list of sockets and its log have packages of their own, sockdiag and kmsg.

// ErrCopy says that something can be asked of a running kernel alone.
var ErrCopy = errors.New("a copy of a host can't be asked")

// SchedAttr asks for a task's scheduling parameters (sched_getattr(2)).
func (h *Host) SchedAttr(tid int32) (*unix.SchedAttr, error) {
	if !h.Live {
		return nil, ErrCopy
	}
	return unix.SchedGetAttr(int(tid), 0)
}

// Tick asks how long the kernel's tick is: what its coarse clocks resolve
// (kernel/time/posix-timers.c, posix_get_coarse_res).
func (h *Host) Tick() (time.Duration, error) {
	if !h.Live {
		return 0, ErrCopy
	}
	var ts unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}

// Booted returns when the kernel was started, by /proc/stat or, where that can't be read, by
// the clock that runs since then (clock_gettime(2), CLOCK_BOOTTIME); the zero time of a copy
// that does not say it.
func (h *Host) Booted() time.Time {
	if at := h.Born(0); !at.IsZero() {
		return at
	}
	return h.bootedByClock()
}

func (h *Host) bootedByClock() time.Time {
	var ts unix.Timespec
	if !h.Live || unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return time.Time{}
	}
	return h.Now().Add(-time.Duration(ts.Nano())).UTC()
}

// Loads asks for the load averages of 1, 5 and 15 minutes in units of 1/2048, to the
// bit (sysinfo(2)): /proc/loadavg rounds them.
func (h *Host) Loads() (out [3]uint64, err error) {
	if !h.Live {
		return out, ErrCopy
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return out, err
	}
	for i, l := range info.Loads {
		out[i] = unsigned(l) >> 5 // kernel/sys.c, do_sysinfo: SI_LOAD_SHIFT - FSHIFT
	}
	return out, nil
}

// unsigned widens what C calls a long.
func unsigned[N uint32 | uint64](n N) uint64 { return uint64(n) }

// OpenFilesLimit asks for the limits of open files of a process (prlimit(2)), in a
// hundredth of the time that /proc/PID/limits takes; of other users' processes it may
// not be asked.
func (h *Host) OpenFilesLimit(pid int32) (l unix.Rlimit, err error) {
	if !h.Live {
		return l, ErrCopy
	}
	return l, unix.Prlimit(int(pid), unix.RLIMIT_NOFILE, nil, &l)
}

// Log is the kernel's ring buffer. It is read without a trace: other readers see every
// record, and nothing is cleared.
type Log struct{ fd int }

// OpenLog opens /dev/kmsg. The error is fs.ErrPermission where that takes CAP_SYSLOG,
// which kernel.dmesg_restrict decides.
func (h *Host) OpenLog() (*Log, error) {
	if !h.Live {
		return nil, ErrCopy
	}
	fd, err := openat(unix.AT_FDCWD, KernelLog.String(), unix.O_NONBLOCK)
	if err == nil {
		return &Log{fd}, nil
	}
	at := &fs.PathError{Op: "read", Path: KernelLog.String(), Err: err}
	// kernel.printk is there where the log is (kernel/printk/sysctl.c): then only its device lacks.
	if _, printk := h.Proc.Stat("sys/kernel/printk"); errors.Is(err, fs.ErrNotExist) && printk == nil {
		return nil, Lacking(at, NotMounted)
	}
	return nil, at
}

// Read reads one record: unix.EAGAIN where there is no further one, and unix.EPIPE where
// the next was overwritten.
func (l *Log) Read(p []byte) (int, error) {
	n, err := unix.Read(l.fd, p)
	return max(n, 0), err
}

// Close closes it.
func (l *Log) Close() error { return unix.Close(l.fd) }

// Shared is what of two processes can be compared (include/uapi/linux/kcmp.h).
type Shared uintptr

// What SameIn and CompareFiles ask.
const (
	SharedFile   Shared = 0 // an open file of each
	SharedMemory Shared = 1
	SharedFiles  Shared = 2 // the whole table of open files
)

// SameIn asks whether two processes have one memory, or one table of open files
// (kcmp(2)); false where it may not be asked.
func (h *Host) SameIn(what Shared, pid1, pid2 int32) bool {
	order, err := h.kcmp(what, pid1, pid2, 0, 0)
	return err == nil && order == 0
}

// CompareFiles asks for the order of two open files (kcmp(2)): 0 where they are the
// same, and else one by which many can be sorted.
func (h *Host) CompareFiles(pid1, pid2, fd1, fd2 int32) (order int, err error) {
	return h.kcmp(SharedFile, pid1, pid2, fd1, fd2)
}

func (h *Host) kcmp(what Shared, pid1, pid2, fd1, fd2 int32) (order int, err error) {
	if !h.Live {
		return 0, ErrCopy
	}
	n, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(pid1), uintptr(pid2), uintptr(what), uintptr(fd1), uintptr(fd2), 0)
	switch {
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, nil
	case n == 2:
		return 1, nil
	}
	return -1, nil
}

// UserNamespace is a user namespace that a process lives in, or one above that.
type UserNamespace struct {
	Inode uint64
	Owner uint32 // who made it, as kwhy's own user namespace has that user: what is used in it is charged to him too
}

// UserNamespaces asks for the user namespace that rel leads to, a file below /proc such as
// 123/ns/user, and for those above it, outwards, as far as kwhy may see them: to its own. Who
// made the initial one nobody is asked. Opening the file enters nothing; both questions
// (ioctl_nsfs(2)) want no privilege. NS_GET_PARENT is of 4.9, NS_GET_OWNER_UID of 4.11.
func (h *Host) UserNamespaces(rel string) (out []UserNamespace, err error) {
	if !h.Live {
		return nil, ErrCopy
	}
	fd, err := openat(h.Proc.fd, rel, 0)
	if err != nil {
		return nil, h.Proc.wrap("open", rel, err)
	}
	for {
		ns, err := userNamespace(fd)
		if err != nil {
			unix.Close(fd)
			return nil, h.Proc.wrap("look at", rel, err)
		}
		out = append(out, ns)
		above, err := unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
		unix.Close(fd)
		if err != nil {
			return out, nil // EPERM: it is the initial one, or kwhy's own (kernel/user_namespace.c, ns_get_owner)
		}
		fd = above
	}
}

// userNamespace looks at the one that is open.
func userNamespace(fd int) (ns UserNamespace, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return ns, err
	}
	if ns.Inode = st.Ino; ns.Inode == InitialUserNS {
		return ns, nil
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.NS_GET_OWNER_UID, uintptr(unsafe.Pointer(&ns.Owner))); errno != 0 {
		return ns, errno
	}
	return ns, nil
}

// OwnCPU is the CPU time that kwhy itself has used; 0 if that is not known.
func OwnCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Rings are the lengths of a network card's rings: how many packets they take now,
// and at most.
type Rings struct{ Rx, RxMax, Tx, TxMax uint32 }

// Rings asks the driver of an interface of the network namespace that the calling
// thread is in. ETHTOOL_GRINGPARAM wants no privilege and changes nothing; one that
// is down must not be asked, for the kernel would wake a card that sleeps
// (net/ethtool/ioctl.c, dev_ethtool).
func (h *Host) Rings(name string) (Rings, error) {
	type ringparam struct{ cmd, rxMax, rxMini, rxJumbo, txMax, rx, miniNow, jumboNow, tx uint32 }
	type ifreq struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	if !h.Live {
		return Rings{}, ErrCopy
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Rings{}, err
	}
	defer unix.Close(s)
	ring := &ringparam{cmd: unix.ETHTOOL_GRINGPARAM}
	ask := &ifreq{data: unsafe.Pointer(ring)}
	copy(ask.name[:unix.IFNAMSIZ-1], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(ask))); errno != 0 {
		return Rings{}, errno
	}
	return Rings{Rx: ring.rx, RxMax: ring.rxMax, Tx: ring.tx, TxMax: ring.txMax}, nil
}

// SocketOption asks for a socket option of the network namespace that the calling thread is in, at a
// level such as unix.IPPROTO_IP. What is in b is the question, and the answer comes there; n is how long it is.
func (h *Host) SocketOption(family, level, option int, b []byte) (n int, err error) {
	if !h.Live {
		return 0, ErrCopy
	}
	s, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(s)
	size := uint32(len(b)) // socklen_t
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, errno
	}
	return min(int(size), len(b)), nil
}

// Netlink asks one part of the kernel by netlink, in the network namespace that the
// thread was in which opened it.
type Netlink struct{ conn *netlink.Conn }

// Netlink opens it; family is unix.NETLINK_ROUTE and the like. The caller closes it.
func (h *Host) Netlink(family int) (*Netlink, error) {
	if !h.Live {
		return nil, ErrCopy
	}
	c, err := netlink.Dial(family, nil)
	if err != nil {
		return nil, err
	}
	return &Netlink{c}, nil
}

// Ask sends a question and returns all answers. Some may be there besides an error.
func (n *Netlink) Ask(m netlink.Message) ([]netlink.Message, error) { return n.conn.Execute(m) }

// answerBytes is the most that the kernel puts into one answer of a dump (net/netlink/af_netlink.c,
// netlink_dump), if it was asked with room for as much: many small ones take it much longer, for
// before each it goes through all that it has told already.
const answerBytes = 32 << 10

// Dump asks for all of a kind, and passes on each of the answers as it comes: it must not be kept.
// The error is unix.EINTR where what is listed changed meanwhile.
func (n *Netlink) Dump(m netlink.Message, each func(data []byte)) error {
	sent, err := n.conn.Send(m)
	if err != nil {
		return err
	}
	raw, err := n.conn.SyscallConn()
	if err != nil {
		return err
	}
	torn := false
	for buf := make([]byte, answerBytes); ; {
		var got int
		if again := raw.Read(func(fd uintptr) bool {
			got, _, err = unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
			return !errors.Is(err, unix.EAGAIN)
		}); again != nil || err != nil {
			return errors.Join(again, err)
		}
		list, err := syscall.ParseNetlinkMessage(buf[:got])
		if err != nil {
			return err
		}
		for i := range list {
			a := &list[i]
			if a.Header.Seq != sent.Header.Sequence {
				continue
			}
			torn = torn || a.Header.Flags&unix.NLM_F_DUMP_INTR != 0
			switch a.Header.Type {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				return endOfDump(a.Data, torn)
			}
			each(a.Data)
		}
	}
}

// endOfDump is what the last answer of a dump says: an error of the kernel, or none.
func endOfDump(b []byte, torn bool) error {
	if len(b) >= 4 {
		if errno := int32(binary.NativeEndian.Uint32(b)); errno != 0 {
			return syscall.Errno(-errno)
		}
	}
	if torn {
		return unix.EINTR
	}
	return nil
}

// Close closes it.
func (n *Netlink) Close() { _ = n.conn.Close() } // nothing was written

// HasModule reports whether a part of the kernel that can be a module is there: loaded, or built
// in. To ask one by netlink that is not there has the kernel load it (net/netfilter/nfnetlink.c,
// nfnetlink_rcv_msg), which kwhy must not cause. A kernel without modules can be asked for
// anything.
func (h *Host) HasModule(name string) (there bool) {
	err := h.Proc.With("modules", func(b []byte) error {
		there = bytes.HasPrefix(b, []byte(name+" ")) || bytes.Contains(b, []byte("\n"+name+" "))
		return nil
	})
	if there || ReasonOf(err).IsMissing() {
		return true
	}
	list := "/lib/modules/" + h.Release + "/modules.builtin"
	_ = h.Elsewhere().With(list, func(b []byte) error { // where it can't be read, nobody says that it is built in
		there = bytes.Contains(b, []byte("/"+name+".ko\n"))
		return nil
	})
	return there
}

// GenericNetlink asks one question of a family of generic netlink, of version 1.
func (h *Host) GenericNetlink(family string, command uint8, data []byte) ([]genetlink.Message, error) {
	if !h.Live {
		return nil, ErrCopy
	}
	c, err := genetlink.Dial(nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // nothing was written
	f, err := c.GetFamily(family)
	if err != nil {
		return nil, err
	}
	ask := genetlink.Message{Header: genetlink.Header{Command: command, Version: 1}, Data: data}
	return c.Execute(ask, f.ID, netlink.Request)
}

// InNetwork runs do in the network namespace that rel leads to, a file below /proc such
// as 123/ns/net, on a thread of its own that ends with it: a thread that has entered
// another namespace must run nothing else. Entering wants CAP_SYS_ADMIN, here and in
// the user namespace that owns it (setns(2)).
func (h *Host) InNetwork(rel string, do func() error) error {
	if !h.Live {
		return ErrCopy
	}
	fd, err := openat(h.Proc.fd, rel, 0)
	if err != nil {
		return h.Proc.wrap("open", rel, err)
	}
	defer unix.Close(fd)
	return onSpareThread(func() error {
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			return err
		}
		return do()
	})
}

// onSpareThread runs do on a thread that ends with it. The main thread won't do:
// the runtime keeps it, and with it /proc/self would stay in the other namespace.
func onSpareThread(do func() error) error {
	done := make(chan error, 1)
	spare := func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this function
		done <- do()
	}
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			spare()
			return
		}
		defer runtime.UnlockOSThread()
		held := make(chan struct{})
		go func() { // not on the main thread, which is held here meanwhile
			defer close(held)
			spare()
		}()
		<-held
	}()
	return <-done
}
