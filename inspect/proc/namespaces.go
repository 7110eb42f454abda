package proc

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"kwhy/inspect"
)

// Namespace is one that a process lives in.
type Namespace struct {
	Name  string // pid, net, mnt, ...
	Inode uint64
	Init  uint64      // that of PID 1 of the same /proc, or the one that the kernel began with; 0 if unknown
	Own   uint64      // kwhy's own; 0 if unknown
	With  inspect.Num // how many other processes whose namespaces may be seen share it; Unset where they were not counted
	Whom  []*Process  // the first few of these
	Blind bool        // there are processes whose namespaces may not be seen
}

// ForChildren reports whether it is that of the processes which will be started.
func (n *Namespace) ForChildren() bool { return strings.HasSuffix(n.Name, "_for_children") }

func readNamespaces(h *inspect.Host, d *Detail, dir string) error {
	inodes, err := oneByProcfs(
		h, d.Row.P, dir, inspect.PIDNs, namespacesOf,
		func() (map[string]uint64, error) { return namespaceNumbers(h, dir) },
	)
	if err != nil {
		return err
	}
	self := strconv.Itoa(int(d.Row.Host.Self))
	for _, name := range slices.Sorted(maps.Keys(inodes)) {
		inode := inodes[name]
		n := Namespace{Name: name, Inode: inode, With: inspect.Unset}
		if n.Init, err = h.Namespace("1", name); err != nil && d.Row.Host.Whole {
			n.Init = inspect.FirstNamespace(name, inode) // PID 1's can't be seen: the host's stays where the kernel began
		}
		n.Own, _ = h.Namespace(self, name)
		d.Namespaces = append(d.Namespaces, n)
	}
	if len(d.Namespaces) == 0 {
		return inspect.ErrMalformed
	}
	namesakes(h, d)
	return nil
}

// namespaceNumbers reads the links of a task's namespaces.
func namespaceNumbers(h *inspect.Host, dir string) (map[string]uint64, error) {
	names, err := h.Proc.Names(dir + "/ns")
	if err != nil {
		return nil, err
	}
	out := map[string]uint64{}
	for _, name := range names {
		if out[name], err = h.Namespace(dir, name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// namespacesOf takes them as procfs reads them.
func namespacesOf(p procfs.Proc) (map[string]uint64, error) {
	list, err := p.Namespaces()
	if err != nil {
		return nil, err
	}
	out := map[string]uint64{}
	for name, n := range list {
		out[name] = uint64(n.Inode)
	}
	return out, nil
}

const (
	// maxWhom is how many of those who share a namespace are named.
	maxWhom = 4
	// maxLooked is how many processes are looked at: beyond that who shares a
	// namespace is not counted.
	maxLooked = 4096
)

// namesakes finds who else lives in those namespaces that are not the host's.
func namesakes(h *inspect.Host, d *Detail) {
	own, all := d.Row.P, d.Row.Host.All.Rows
	if len(all) > maxLooked {
		return
	}
	for i := range d.Namespaces {
		n := &d.Namespaces[i]
		if n.ForChildren() || n.Inode == n.Init || n.Inode < inspect.FirstDynamic {
			continue
		}
		n.With = 0
		for j := range all {
			other := &all[j]
			if other.PID == own.PID || other.PID == own.TGID || other.Kthread() {
				continue
			}
			switch its, err := h.Namespace(strconv.Itoa(int(other.PID)), n.Name); {
			case err != nil:
				n.Blind = n.Blind || inspect.ReasonOf(err) == inspect.Denied
			case its == n.Inode:
				if n.With++; n.With <= maxWhom {
					n.Whom = append(n.Whom, other)
				}
			}
		}
	}
}
