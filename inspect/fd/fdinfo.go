package fd

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// parseInfo reads fdinfo: pos, flags (octal), mnt_id and, since 5.14, ino; then
// what is particular to the kind (proc_pid_fdinfo(5)).
func (f *Descriptor) parseInfo(b []byte) error {
	found := false
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		name, value, ok := strings.Cut(string(line), ":")
		if !ok {
			if name, value, ok = strings.Cut(string(line), " "); !ok { // inotify wd:1 ino:2 ...
				continue
			}
		} else if head, rest, blank := strings.Cut(name, " "); blank && (head == "inotify" || head == "fanotify") {
			name, value = head, rest+":"+value
		}
		value = strings.TrimSpace(value)
		var err error
		switch name {
		case "pos":
			f.Pos, err = strconv.ParseInt(value, 10, 64)
			found = found || err == nil
		case "flags":
			if f.HasInfo { // a second line of that name is the kind's own
				f.Info = append(f.Info, InfoLine{name, value})
				continue
			}
			f.Flags, err = strconv.ParseUint(value, 8, 64)
			f.HasInfo = err == nil
		case "mnt_id":
			f.MountID, err = strconv.ParseInt(value, 10, 64)
		case "ino":
			f.Ino, err = strconv.ParseUint(value, 10, 64)
		default:
			f.Info = append(f.Info, InfoLine{name, value})
		}
		if err != nil {
			return inspect.ErrMalformed
		}
	}
	if !found {
		return inspect.ErrMalformed
	}
	return nil
}

// protocols names what the sockets are that /proc/net does not list: the kernel has
// the name of its protocol as an extended attribute of each (net/socket.c,
// sockfs_xattr_get), which the link leads to.
func protocols(h *inspect.Host, l *List, dir string) {
	for i := range l.List[:l.Shown] {
		f := &l.List[i]
		if f.Kind != proc.KindSocket || f.Socket != nil || !h.Live {
			continue
		}
		f.Proto, _ = h.Proc.Attribute(dir+"/fd/"+strconv.Itoa(int(f.N)), "system.sockprotoname")
	}
}

// unmounted looks closer at files of a file system that the process does not see: the
// one of POSIX message queues need not be mounted (ipc/mqueue.c).
func unmounted(h *inspect.Host, l *List, dir string) {
	const mqueue = 0x19800202 // MQUEUE_MAGIC, include/uapi/linux/magic.h
	for i := range l.List[:l.Shown] {
		f := &l.List[i]
		switch {
		case f.Kind != proc.KindFile || f.Mount != nil && f.Mount.FSType != "mqueue":
		case f.Mount != nil:
			f.Kind = proc.KindMqueue
		case h.Live:
			magic, err := h.Proc.FileSystem(dir + "/fd/" + strconv.Itoa(int(f.N)))
			if err == nil && magic == mqueue {
				f.Kind = proc.KindMqueue
			}
		}
	}
}

// anyMinor stands for all minor numbers of a major one.
const anyMinor = 0xfffff

// drivers reads which driver has which devices, where there is a device to name:
// /proc/devices by major number, /proc/misc by the minor ones of major 10.
func drivers(h *inspect.Host, l *List) {
	if !slices.ContainsFunc(l.List[:l.Shown], func(f Descriptor) bool { return f.Kind == proc.KindChar || f.Kind == proc.KindBlock }) {
		return
	}
	l.drivers = map[uint64]string{}
	l.Sources[inspect.Devices] = inspect.ReasonOf(h.Proc.With("devices", func(b []byte) error { return parseDevices(b, l.drivers) }))
	l.Sources[inspect.MiscDevices] = inspect.ReasonOf(h.Proc.With("misc", func(b []byte) error { return parseMisc(b, l.drivers) }))
}

// blockBit distinguishes block devices from character devices in one map.
const blockBit = 1 << 63

// parseDevices reads lines of "major name" under "Character devices:" and "Block
// devices:". A name may stand there for several, and for one several may.
func parseDevices(b []byte, to map[uint64]string) error {
	bit, good := uint64(0), false
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		if strings.HasPrefix(string(line), "Block") {
			bit = blockBit
		}
		number, name := inspect.CutField(line)
		n, ok := inspect.ParseUint(number)
		if !ok || len(name) == 0 || n > 1<<20 {
			continue
		}
		good = true
		if key := unix.Mkdev(uint32(n), anyMinor) | bit; to[key] == "" {
			to[key] = string(name)
		}
	}
	if !good {
		return inspect.ErrMalformed
	}
	return nil
}

// parseMisc reads lines of "minor name".
func parseMisc(b []byte, to map[uint64]string) error {
	const misc = 10
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		number, name := inspect.CutField(line)
		if n, ok := inspect.ParseUint(number); ok && len(name) > 0 && n < anyMinor {
			to[unix.Mkdev(misc, uint32(n))] = string(name)
		}
	}
	return nil
}

// Driver returns the name of the driver of a device; "" if it is not known.
func (l *List) Driver(rdev uint64, block bool) string {
	bit := uint64(0)
	if block {
		bit = blockBit
	}
	if name := l.drivers[rdev|bit]; name != "" {
		return name
	}
	return l.drivers[unix.Mkdev(unix.Major(rdev), anyMinor)|bit]
}

// MountPoint is where a file system is mounted, as a process sees it.
type MountPoint struct {
	ID                    int64
	Dev                   uint64 // of the file system, as maps and the kernel's own marks spell it
	Root                  string // what of it is mounted there
	Point, FSType, Source string
}

// mountTable are the mounts that a process sees.
type mountTable struct {
	byID  map[int64]*MountPoint
	byDev map[uint64]*MountPoint // the first that has all of the file system, or else the first
}

// readMounts reads the mountinfo of a process.
func readMounts(h *inspect.Host, dir string) (t mountTable, err error) {
	t = mountTable{map[int64]*MountPoint{}, map[uint64]*MountPoint{}}
	err = h.Proc.With(dir+"/mountinfo", func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			if line, b = inspect.CutLine(b); !t.add(string(line)) {
				continue
			}
		}
		return nil
	})
	return t, err
}

// add takes a line such as "36 35 98:0 /mnt1 /mnt2 rw - ext3 /dev/root rw".
func (t *mountTable) add(line string) bool {
	before, after, ok := strings.Cut(line, " - ")
	f, g := strings.Fields(before), strings.Fields(after)
	if !ok || len(f) < 5 || len(g) < 2 {
		return false
	}
	id, err := strconv.ParseInt(f[0], 10, 64)
	dev, good := inspect.ParseDev(f[2], 10)
	if err != nil || !good {
		return false
	}
	m := &MountPoint{id, dev, inspect.UnescapeOctal(f[3]), inspect.UnescapeOctal(f[4]), g[0], inspect.UnescapeOctal(g[1])}
	t.byID[id] = m
	if was := t.byDev[dev]; was == nil || was.Root != "/" && m.Root == "/" {
		t.byDev[dev] = m
	}
	return true
}

// kernelDev is a device as the kernel keeps it; fdinfo has the bare number
// (include/linux/kdev_t.h).
func kernelDev(n uint64) uint64 {
	const minorBits = 20
	return unix.Mkdev(uint32(n>>minorBits), uint32(n&(1<<minorBits-1)))
}

// MountOf returns where the file system with a device is mounted, which the kernel
// gave as a bare number; nil where the process does not see it.
func (l *List) MountOf(dev uint64) *MountPoint { return l.mounts.byDev[kernelDev(dev)] }

// MountByID returns the mount with a number.
func (l *List) MountByID(id int64) *MountPoint { return l.mounts.byID[id] }

// mountsOf finds where the file systems are mounted that the files are on.
func mountsOf(h *inspect.Host, l *List, dir string) {
	var err error
	l.mounts, err = readMounts(h, dir)
	if l.Sources[inspect.PIDMountinfo] = h.PidReason(dir, err); err != nil && l.Row.P.Lacks(inspect.PIDMountinfo) {
		l.Sources[inspect.PIDMountinfo] = inspect.Inapplicable // it has let go of its namespaces
	}
	for i := range l.List[:l.Shown] {
		l.List[i].Mount = l.mounts.byID[l.List[i].MountID]
	}
}
