package inspect

import (
	"slices"
	"strconv"
	"strings"
)

// Namespace is one that a process lives in.
type Namespace struct {
	Name  string // pid, net, mnt, ...
	Inode uint64
	Init  uint64     // that of PID 1 of the same /proc, or the one that the kernel began with; 0 if unknown
	Own   uint64     // kwhy's own; 0 if unknown
	With  Num        // how many other processes whose namespaces may be seen share it; Unset where they were not counted
	Whom  []*Process // the first few of these
	Blind bool       // there are processes whose namespaces may not be seen
}

// ForChildren tells whether it is that of the processes which will be started.
func (n *Namespace) ForChildren() bool { return strings.HasSuffix(n.Name, "_for_children") }

// firstDynamic is where the numbers of namespaces begin that are made later; those
// below it are of the namespaces that the kernel begins with (fs/proc/generic.c,
// PROC_DYNAMIC_FIRST). By 6.18 all kinds have one (include/uapi/linux/nsfs.h).
const firstDynamic = 0xF0000000

func (h *Host) readNamespaces(d *ProcDetail, dir string) error {
	names, err := h.proc.names(dir + "/ns")
	if err != nil {
		return err
	}
	slices.Sort(names)
	self := strconv.Itoa(int(d.Row.Host.Self))
	for _, name := range names {
		inode, err := h.namespace(dir, name)
		if err != nil {
			return err
		}
		n := Namespace{Name: name, Inode: inode, With: Unset}
		if n.Init, err = h.namespace("1", name); err != nil && d.Row.Host.Whole {
			n.Init = firstNamespace(name, inode) // PID 1's is not to be seen: the host's stays where the kernel began
		}
		n.Own, _ = h.namespace(self, name)
		d.Namespaces = append(d.Namespaces, n)
	}
	if len(d.Namespaces) == 0 {
		return errMalformed
	}
	h.namesakes(d)
	return nil
}

const (
	// maxWhom is how many of those who share a namespace are named.
	maxWhom = 4
	// maxLooked is how many processes are looked at: beyond that who shares a
	// namespace is not counted.
	maxLooked = 4096
)

// namesakes finds who else lives in those namespaces that are not the host's.
func (h *Host) namesakes(d *ProcDetail) {
	own, all := d.Row.P, d.Row.Host.All.Rows
	if len(all) > maxLooked {
		return
	}
	for i := range d.Namespaces {
		n := &d.Namespaces[i]
		if n.ForChildren() || n.Inode == n.Init || n.Inode < firstDynamic {
			continue
		}
		n.With = 0
		for j := range all {
			other := &all[j]
			if other.PID == own.PID || other.PID == own.TGID || other.Kthread() {
				continue
			}
			switch its, err := h.namespace(strconv.Itoa(int(other.PID)), n.Name); {
			case err != nil:
				n.Blind = n.Blind || reasonFor(err) == Denied
			case its == n.Inode:
				if n.With++; n.With <= maxWhom {
					n.Whom = append(n.Whom, other)
				}
			}
		}
	}
}

// firstNamespace returns the number of the namespace that the kernel began with,
// of the kinds for which it is fixed (include/linux/proc_ns.h); 0 for others. That
// of mnt and net is fixed where the one that was read, inode, is.
func firstNamespace(name string, inode uint64) uint64 {
	switch strings.TrimSuffix(name, "_for_children") {
	case "mnt":
		if inode < firstDynamic {
			return 4026531832
		}
	case "net":
		if inode < firstDynamic {
			return 4026531833
		}
	case "time":
		return 4026531834
	case "cgroup":
		return 4026531835
	case "pid":
		return 4026531836
	case "user":
		return initialUser
	case "uts":
		return 4026531838
	case "ipc":
		return 4026531839
	}
	return 0
}

// initialUser is the number of the user namespace that the kernel began with,
// which is the only one whose capabilities hold over the host (capable() in
// kernel/capability.c).
const initialUser = 4026531837

// namespace reads the number in a link such as "net:[4026531840]".
func (h *Host) namespace(dir, name string) (uint64, error) {
	to, err := h.proc.link(dir + "/ns/" + name)
	if err != nil {
		return 0, err
	}
	_, number, _ := strings.Cut(to, "[")
	n, ok := parseUint([]byte(strings.TrimSuffix(number, "]")))
	if !ok {
		return 0, errMalformed
	}
	return n, nil
}
