package inspect

import (
	"bytes"
	"strings"
)

// FirstDynamic is where the numbers of namespaces begin that are made later; those
// below it are of the namespaces that the kernel begins with (fs/proc/generic.c,
// PROC_DYNAMIC_FIRST). By 6.18 all kinds have one (include/uapi/linux/nsfs.h).
const FirstDynamic = 0xF0000000

// FirstNamespace returns the number of the namespace that the kernel began with,
// of the kinds for which it is fixed (include/linux/proc_ns.h); 0 for others. That
// of mnt and net is fixed where the one that was read, inode, is.
func FirstNamespace(name string, inode uint64) uint64 {
	switch strings.TrimSuffix(name, "_for_children") {
	case "mnt":
		if inode < FirstDynamic {
			return 4026531832
		}
	case "net":
		if inode < FirstDynamic {
			return 4026531833
		}
	case "time":
		return 4026531834
	case "cgroup":
		return 4026531835
	case "pid":
		return 4026531836
	case "user":
		return InitialUserNS
	case "uts":
		return 4026531838
	case "ipc":
		return 4026531839
	}
	return 0
}

// InitialUserNS is the number of the user namespace that the kernel began with,
// which is the only one whose capabilities hold over the host (capable() in
// kernel/capability.c).
const InitialUserNS = 4026531837

// Namespace reads the number in a link such as "net:[4026531840]".
func (h *Host) Namespace(dir, name string) (uint64, error) {
	to, err := h.Proc.Readlink(dir + "/ns/" + name)
	if err != nil {
		return 0, err
	}
	_, number, _ := strings.Cut(to, "[")
	n, ok := ParseUint([]byte(strings.TrimSuffix(number, "]")))
	if !ok {
		return 0, ErrMalformed
	}
	return n, nil
}

// SharesNetwork reports whether a process is in kwhy's own network namespace, by the inode of a
// file of /proc/PID/net, which anybody may look at: each namespace has files of its own there,
// with numbers that no other has (fs/proc/proc_net.c, proc_net_ns_init; fs/proc/generic.c,
// proc_register). known is false where one of them is not to be seen, as in a copy.
func (h *Host) SharesNetwork(dir string) (yes, known bool) {
	if !h.Live {
		return false, false
	}
	its, err1 := h.Proc.Stat(dir + "/net/dev")
	own, err2 := h.Elsewhere().Stat("/proc/self/net/dev")
	known = err1 == nil && err2 == nil
	return known && its.Ino == own.Ino, known
}

// Mount is one line of mountinfo: what of a file system is seen where.
type Mount struct {
	Root, Point   string // escapes undone
	FSType, Super string // super: the options of the file system, comma-separated
	Options       string // those of the mount
	Source        string // what is mounted: a device, a server's directory
	Dev           uint64 // of the files on it, as stat has it; 0 if unknown
}

// ParseMountinfo hands each mount of a type that starts with prefix to yield,
// the others unread: a host of containers has thousands, and a few are of use.
// The fields before the hyphen are of no fixed number (proc_pid_mountinfo(5)).
// Lines of another form are passed over, and so is one without an end, which may be half of
// one; a file without a good line is malformed.
func ParseMountinfo(b []byte, prefix string, yield func(Mount)) error {
	good := false
	for len(b) > 0 {
		at := bytes.IndexByte(b, '\n')
		if at < 0 {
			break
		}
		var line []byte
		line, b = b[:at], b[at+1:]
		before, after, ok := strings.Cut(string(line), " - ")
		f := strings.Fields(before)
		if !ok || len(f) < 6 {
			continue
		}
		good = true
		fsType, rest, _ := strings.Cut(after, " ")
		if !strings.HasPrefix(fsType, prefix) {
			continue
		}
		source, super, _ := strings.Cut(rest, " ")
		dev, _ := ParseDev(f[2], 10)
		yield(Mount{UnescapeOctal(f[3]), UnescapeOctal(f[4]), fsType, super, f[5], UnescapeOctal(source), dev})
	}
	if !good {
		return ErrMalformed
	}
	return nil
}

// NeedsServer reports whether a type of file system is served by a process or over a network: who looks at
// it may wait for ever.
func NeedsServer(fsType string) bool {
	kind, _, _ := strings.Cut(fsType, ".")
	switch kind {
	case "fuse", "fuseblk", "virtiofs", "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "lustre", "beegfs", "gpfs", "orangefs", "autofs":
		return true
	}
	return false
}

// Has reports whether the file system's options name one.
func (m *Mount) Has(option string) bool {
	for o := range strings.SplitSeq(m.Super, ",") {
		if o == option {
			return true
		}
	}
	return false
}
