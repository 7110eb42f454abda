package fd

import (
	"fmt"
	"strconv"
	"strings"

	"kwhy/explain/units"
	fdfacts "kwhy/inspect/fd"
)

// named returns what the bits of a mask are called, in order, and the rest as one
// hexadecimal number.
func named(mask uint64, prefix string, known []flag) string {
	var out []string
	for _, k := range known {
		if mask&k.bit == k.bit {
			out = append(out, prefix+k.name)
			mask &^= k.bit
		}
	}
	if mask != 0 {
		out = append(out, "0x"+strconv.FormatUint(mask, 16))
	}
	return strings.Join(out, " ")
}

// changes are the events that inotify and fanotify have in common
// (include/linux/fsnotify_backend.h).
func changes() []flag {
	return []flag{
		{0x1, "ACCESS"}, {0x2, "MODIFY"}, {0x4, "ATTRIB"}, {0x8, "CLOSE_WRITE"}, {0x10, "CLOSE_NOWRITE"}, {0x20, "OPEN"},
		{0x40, "MOVED_FROM"}, {0x80, "MOVED_TO"}, {0x100, "CREATE"}, {0x200, "DELETE"}, {0x400, "DELETE_SELF"}, {0x800, "MOVE_SELF"},
	}
}

// inotifyEvents names what an inotify watch is for (include/uapi/linux/inotify.h).
func inotifyEvents(mask uint64) string {
	const all = 0xfff // IN_ALL_EVENTS
	if mask&all == all {
		return "every event"
	}
	return named(mask, "IN_", changes())
}

// fanotifyEvents does the same for a mark of fanotify (include/uapi/linux/fanotify.h).
func fanotifyEvents(mask uint64) string {
	return named(mask, "FAN_", append(changes(), []flag{
		{0x1000, "OPEN_EXEC"}, {0x4000, "Q_OVERFLOW"}, {0x8000, "FS_ERROR"}, {0x10000, "OPEN_PERM"},
		{0x20000, "ACCESS_PERM"}, {0x40000, "OPEN_EXEC_PERM"},
		{0x100000, "PRE_ACCESS"}, {0x1000000, "MNT_ATTACH"}, {0x2000000, "MNT_DETACH"}, {0x8000000, "EVENT_ON_CHILD"},
		{0x10000000, "RENAME"}, {0x40000000, "ONDIR"},
	}...))
}

// epollEvents names what an epoll set waits for. The kernel adds EPOLLERR and
// EPOLLHUP to each (fs/eventpoll.c, do_epoll_ctl): they say nothing.
func epollEvents(mask uint64) string {
	const always, how = 0x18, 0xf8000000
	if mask&^how == 0 {
		return "nothing until it is armed again" // EPOLLONESHOT went off: fs/eventpoll.c, ep_send_events
	}
	if mask&^how == always {
		return "EPOLLERR EPOLLHUP"
	}
	return named(mask&^always, "EPOLL", []flag{
		{0x1, "IN"}, {0x2, "PRI"}, {0x4, "OUT"}, {0x40, "RDNORM"}, {0x80, "RDBAND"},
		{0x100, "WRNORM"}, {0x200, "WRBAND"}, {0x400, "MSG"}, {0x2000, "RDHUP"},
		{1 << 27, "_URING_WAKE"}, {1 << 28, "EXCLUSIVE"}, {1 << 29, "WAKEUP"}, {1 << 30, "ONESHOT"}, {1 << 31, "ET"},
	})
}

// epoll lists what is watched: "tfd: 5 events: 19 data: 5 pos:0 ino:..".
func epoll(f *fdfacts.Descriptor) string {
	var list []string
	for _, l := range lines(f, "tfd") {
		w := strings.Fields(l)
		if len(w) == 0 {
			continue
		}
		text := w[0]
		if len(w) > 2 {
			if mask, err := strconv.ParseUint(w[2], 16, 32); err == nil {
				text += " for " + epollEvents(mask)
			}
		}
		list = append(list, text)
	}
	if len(list) == 0 {
		return "waits for none"
	}
	const shown = 6
	more := ""
	if len(list) > shown {
		more = fmt.Sprintf(", and %d more", len(list)-shown)
	}
	return "waits for " + units.Plural(len(list), "descriptor", "descriptors") + ": " +
		strings.Join(list[:min(len(list), shown)], ", ") + more
}

// mark is a line of inotify or fanotify: "wd:1 ino:13 sdev:fe00000 mask:102 ...",
// numbers in hexadecimal.
type mark map[string]string

func markOf(line string) mark {
	m := mark{}
	for _, word := range strings.Fields(line) {
		name, value, _ := strings.Cut(word, ":")
		m[name] = value
	}
	return m
}

func (m mark) number(name string) (uint64, bool) {
	n, err := strconv.ParseUint(m[name], 16, 64)
	return n, err == nil
}

// inotify says what is watched: the kernel has the inode, and no path.
func inotify(r fdRow) string {
	var list []string
	for _, l := range lines(r.It, "inotify") {
		m := markOf(l)
		mask, _ := m.number("mask")
		list = append(list, place(r.In, m)+" for "+inotifyEvents(mask))
	}
	n := units.Plural(len(list), "file or directory", "files and directories")
	if len(list) == 0 {
		return "watches none"
	}
	return "watches " + n + ": " + few(list)
}

// fanotify does the same. Its first line is of the group, and no mark
// (fs/notify/fdinfo.c, fanotify_show_fdinfo).
func fanotify(r fdRow) string {
	var list []string
	for _, l := range lines(r.It, "fanotify") {
		m := markOf(l)
		if _, group := m["flags"]; group {
			continue
		}
		mask, _ := m.number("mask")
		text := place(r.In, m)
		if mask != 0 {
			text += " for " + fanotifyEvents(mask)
		}
		if but, ok := m.number("ignored_mask"); ok && but != 0 {
			text += ", not " + fanotifyEvents(but)
		}
		list = append(list, text)
	}
	if len(list) == 0 {
		return "watches by fanotify, and has no mark yet"
	}
	return "watches by fanotify, " + units.Plural(len(list), "mark", "marks") + ": " + few(list)
}

// place says on what a mark is: an inode, a mount, a file system or a mount
// namespace.
func place(l list, m mark) string {
	at := func(prefix string) string {
		dev, ok := m.number("sdev")
		if !ok {
			return prefix
		}
		if on := l.MountOf(dev); on != nil {
			return prefix + " at " + on.Point
		}
		return prefix + " that is not mounted here"
	}
	if ino, ok := m.number("ino"); ok {
		return at(fmt.Sprintf("inode %d", ino))
	}
	if id, ok := m.number("mnt_id"); ok {
		if on := l.MountByID(int64(id)); on != nil {
			return "the mount at " + on.Point
		}
		return "a mount that the process does not see"
	}
	if _, ok := m.number("sdev"); ok {
		return at("the whole file system")
	}
	return "the mounts of a namespace" // mnt_ns of newer kernels
}
