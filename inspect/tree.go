package inspect

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Tree is a mounted or saved /proc or /sys. Files are opened relative to it. All that
// is read of a host goes through its methods and those of Dir, and what the running
// kernel is asked besides its files goes through kernel.go: there alone it can be
// given a time to answer, be kept, and be played back.
type Tree struct {
	Root string // where it is; "" where paths are whole ones
	fd   int
	pool *sync.Pool // of *[]byte, for readers that keep nothing of what they read
	lack Reason     // why a file is not there, where that is not the kernel's doing; or Present
	own  bool       // the same of the host's own files alone, and not of those of processes
	live bool       // mounted, of a running kernel
	self string     // of a copy that has the link self as a file: where it leads
	wait *patience
	over *overlaid // what of processes has something mounted over it; nil where nothing can have
}

func openTree(root string) (Tree, error) {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Tree{}, &fs.PathError{Op: "open", Path: root, Err: err}
	}
	return Tree{Root: root, fd: fd, pool: newPool(), wait: newPatience()}, nil
}

// NoTree is a tree without anything to read: there is no directory at root.
func NoTree(root string) Tree {
	return Tree{Root: root, fd: -1, pool: newPool(), wait: newPatience(), lack: NotMounted}
}

// Elsewhere is what is read of a running host outside of /proc and /sys, by whole
// paths: /etc/passwd, the kernel's configuration in /boot, what a user asks about.
func (h *Host) Elsewhere() Tree { return Tree{fd: unix.AT_FDCWD, pool: h.Proc.pool, wait: h.Proc.wait} }

// mayHang reports whether looking at rel may be held up: by a task, or elsewhere by who serves the
// file system.
func (t Tree) mayHang(rel string) bool {
	switch {
	case t.wait == nil:
		return false
	case t.fd != unix.AT_FDCWD:
		return mayHang(rel)
	}
	return !strings.HasPrefix(rel, "/proc/") && !strings.HasPrefix(rel, "/sys/")
}

// at is where rel lies, in a copy that has links as files with what they lead to, as archives for
// other systems do: "self/status" lies in the directory of that process.
func (t Tree) at(rel string) string {
	if rest, ok := strings.CutPrefix(rel, "self"); ok && t.self != "" && (rest == "" || rest[0] == '/') {
		return t.self + rest
	}
	return rel
}

// flattened returns where self leads in a copy that has it as a file; "" elsewhere.
func (t Tree) flattened() string {
	var st unix.Stat_t
	if unix.Fstatat(t.fd, "self", &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return ""
	}
	buf := make([]byte, 16)
	n, err := t.Head("self", buf)
	to := strings.TrimSpace(string(buf[:max(n, 0)]))
	if _, ok := ParsePID(to); err != nil || !ok || unix.Fstatat(t.fd, to, &st, 0) != nil {
		return ""
	}
	return to
}

func newPool() *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}
}

func (t Tree) close() error {
	if t.fd < 0 {
		return nil
	}
	return unix.Close(t.fd)
}

// path is what errors call rel.
func (t Tree) path(rel string) string {
	if t.Root == "" {
		return rel
	}
	return t.Root + "/" + rel
}

func (t Tree) wrap(op, rel string, err error) error {
	if err == nil {
		return nil
	}
	if t.fd == -1 {
		err = unix.ENOENT
	}
	at := &fs.PathError{Op: op, Path: t.path(rel), Err: err}
	missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
	if missing && t.lack != Present && (!t.own || !ofProcess(rel) || inDirOfNet(rel)) {
		return &lacking{at, t.lack}
	}
	if missing && t.live {
		if why := t.notHere(rel); why != Present {
			return &lacking{at, why}
		}
	}
	return at
}

// notHere says why a file of a running kernel is not there, where another one proves that the
// kernel has it: a file system that is mounted nowhere, or the settings of the network namespace
// that the kernel began with alone (net/ipv4/sysctl_net_ipv4.c: tcp_mem is one of these, and
// ip_local_port_range is in each).
func (t Tree) notHere(rel string) Reason {
	unmounted := func(at string, magic int64) Reason {
		var st unix.Statfs_t
		if unix.Statfs(t.path(at), &st) == nil && signed(st.Type) != magic {
			return NotMounted
		}
		return Present
	}
	switch {
	case strings.HasPrefix(rel, "kernel/debug/"), rel == "kernel/debug":
		return unmounted("kernel/debug", unix.DEBUGFS_MAGIC)
	case strings.HasPrefix(rel, "kernel/security/"):
		return unmounted("kernel/security", unix.SECURITYFS_MAGIC)
	case strings.HasPrefix(rel, "sys/net/") && ofFirstNetwork(rel), inDirOfNet(rel) && ofFirstNetwork(rel):
		var st unix.Stat_t
		first := unix.Fstatat(t.fd, "sys/net/ipv4/tcp_mem", &st, 0) == nil
		if !first && unix.Fstatat(t.fd, "sys/net/ipv4/ip_local_port_range", &st, 0) == nil {
			return OtherNamespace
		}
	}
	return Present
}

// ofFirstNetwork reports whether a file is that of the first network namespace alone: a setting, or
// one of a process's net.
func ofFirstNetwork(rel string) bool {
	if _, ofNet, ok := strings.Cut(rel, "/net/"); ok && ofProcess(rel) {
		rel = "net/" + ofNet
	}
	for i := range sourceTable {
		if s := &sourceTable[i]; strings.HasPrefix(s.option, initialNet) && s.path == "/proc/"+rel {
			return true
		}
	}
	return false
}

// ofProcess reports whether a path below /proc is a process's.
func ofProcess(rel string) bool {
	name, _, _ := strings.Cut(rel, "/")
	_, number := ParsePID(name)
	return number || name == "self" || name == "thread-self"
}

// inDirOfNet reports whether a file is in a directory of a process's net: subset=pid shows net
// itself, and nothing in its directories, such as net/stat (fs/proc/generic.c, proc_lookup; since
// 5.8).
func inDirOfNet(rel string) bool {
	_, rest, _ := strings.Cut(rel, "/net/")
	return ofProcess(rel) && strings.Contains(rest, "/")
}

// lacking is the error of a file that is not there, with the reason where that is not the
// kernel: nobody saved it, or nobody mounted what holds it.
type lacking struct {
	error
	why Reason
}

// Lacking returns an error with the reason why a file is not there.
func Lacking(err error, why Reason) error { return &lacking{err, why} }

// Unwrap returns the error without the reason.
func (l *lacking) Unwrap() error { return l.error }

// guarded does what looks at rel, and gives up where a task holds it up for too long.
func guarded[T any](t Tree, op, rel string, now func() (T, error)) (T, error) {
	if !t.mayHang(rel) {
		return now()
	}
	return patiently(t.wait, op, t.path(rel), now)
}

func openat(dir int, rel string, flags int) (fd int, err error) {
	for {
		fd, err = unix.Openat(dir, rel, unix.O_RDONLY|unix.O_CLOEXEC|flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// Is reports whether the tree is the root of a mounted file system of that kind
// (unix.PROC_SUPER_MAGIC and the like).
func (t Tree) Is(magic int64) bool {
	var st unix.Statfs_t
	return t.fd >= 0 && unix.Fstatfs(t.fd, &st) == nil && signed(st.Type) == magic
}

// signed widens what C calls a long, and s390x an unsigned int.
func signed[N int32 | int64 | uint32](n N) int64 { return int64(n) }

// Stat looks at what rel is or leads to.
func (t Tree) Stat(rel string) (unix.Stat_t, error) {
	if err := t.covered("stat", rel); err != nil {
		return unix.Stat_t{}, err
	}
	return guarded(t, "stat", rel, func() (st unix.Stat_t, err error) {
		err = t.wrap("stat", rel, unix.Fstatat(t.fd, t.at(rel), &st, 0))
		return st, err
	})
}

// FileSystem returns what kind of file system rel leads to: a magic number.
func (t Tree) FileSystem(rel string) (int64, error) {
	return guarded(t, "look at", rel, func() (int64, error) {
		var st unix.Statfs_t
		err := t.wrap("look at", rel, unix.Statfs(t.path(rel), &st))
		return signed(st.Type), err
	})
}

// Room is what a file system has, and what of it is free, in bytes.
type Room struct {
	Dev        uint64
	Size, Free uint64
}

// Room asks the file system that rel leads to.
func (t Tree) Room(rel string) (Room, error) {
	return guarded(t, "look at", rel, func() (r Room, err error) {
		var st unix.Statfs_t
		var on unix.Stat_t
		if err = unix.Statfs(t.path(rel), &st); err == nil {
			err = unix.Fstatat(t.fd, t.at(rel), &on, 0)
		}
		block := uint64(signed(st.Bsize))
		r.Dev = uint64(on.Dev) //nolint:unconvert // its type differs by machine
		r.Size, r.Free = st.Blocks*block, min(st.Bfree, st.Blocks)*block
		return r, t.wrap("look at", rel, err)
	})
}

// MountID returns the number of the mount that rel is on; -1 where the kernel does
// not say, as before 5.8.
func (t Tree) MountID(rel string) (int64, error) {
	return guarded(t, "stat", rel, func() (int64, error) {
		var st unix.Statx_t
		if unix.Statx(t.fd, t.at(rel), unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st) != nil || st.Mask&unix.STATX_MNT_ID == 0 {
			return -1, nil
		}
		return int64(st.Mnt_id), nil
	})
}

// Node is what is known of a file without asking who serves its file system: that may be a program
// that does not answer, or a server that is away.
type Node struct {
	Dev, Inode, Rdev uint64
	Mode             uint32
}

// Node returns what rel is or leads to, as the kernel has it in mind.
func (t Tree) Node(rel string) (Node, error) {
	return guarded(t, "stat", rel, func() (Node, error) {
		var st unix.Statx_t
		err := unix.Statx(t.fd, t.at(rel), unix.AT_STATX_DONT_SYNC|unix.AT_EMPTY_PATH, unix.STATX_TYPE|unix.STATX_INO, &st)
		if errors.Is(err, unix.ENOSYS) { // before 4.11
			var old unix.Stat_t
			err = unix.Fstatat(t.fd, t.at(rel), &old, unix.AT_EMPTY_PATH)
			return Node{uint64(old.Dev), old.Ino, uint64(old.Rdev), old.Mode}, t.wrap("stat", rel, err) //nolint:unconvert // types differ by machine
		}
		return Node{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino, unix.Mkdev(st.Rdev_major, st.Rdev_minor), uint32(st.Mode)},
			t.wrap("stat", rel, err)
	})
}

// Cached does the same for a path that it need ask nobody to walk: it fails where a part of it is not
// in the kernel's caches, and before 5.12 (RESOLVE_CACHED).
func (t Tree) Cached(rel string) (Node, error) {
	const resolveCached = 0x20 // include/uapi/linux/openat2.h; package unix has no name for it
	fd, err := unix.Openat2(t.fd, rel, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolveCached})
	if err != nil {
		return Node{}, t.wrap("open", rel, err)
	}
	defer unix.Close(fd)
	return Tree{fd: fd}.Node("")
}

// Device returns the device that rel is on, as stat(2) numbers it, without asking who serves
// its file system.
func (t Tree) Device(rel string) (uint64, error) {
	n, err := t.Node(rel)
	return n.Dev, err
}

// Attribute returns an extended attribute of what rel leads to, of at most 64 bytes.
func (t Tree) Attribute(rel, name string) (string, error) {
	return guarded(t, "look at", rel, func() (string, error) {
		buf := make([]byte, 64)
		n, err := unix.Getxattr(t.path(rel), name, buf)
		return strings.TrimRight(string(buf[:max(n, 0)]), "\x00"), t.wrap("look at", rel, err)
	})
}

// Readlink returns where a symbolic link leads.
func (t Tree) Readlink(rel string) (string, error) {
	if rel == "self" && t.self != "" {
		return t.self, nil
	}
	if err := t.covered("read", rel); err != nil {
		return "", err
	}
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(t.fd, t.at(rel), buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return "", t.wrap("read", rel, err)
		case n < size:
			return string(buf[:n]), nil
		case size >= 1<<16:
			return "", t.wrap("read", rel, unix.ENAMETOOLONG)
		}
	}
}

// Resolve returns the whole path of rel, and that path with all symbolic links
// followed; what can't be read of it is "".
func (t Tree) Resolve(rel string) (full, followed string) {
	full, err := filepath.Abs(t.path(rel))
	if err != nil {
		return "", ""
	}
	followed, _ = guarded(t, "look at", rel, func() (string, error) { return filepath.EvalSymlinks(full) }) // "" where a part is not there
	return full, followed
}

// Head reads the first bytes of rel into to, and returns how many there were.
func (t Tree) Head(rel string, to []byte) (int, error) {
	if err := t.covered("read", rel); err != nil {
		return 0, err
	}
	b, err := guarded(t, "read", rel, func() ([]byte, error) {
		fd, err := openat(t.fd, t.at(rel), 0)
		if err != nil {
			return nil, t.wrap("read", rel, err)
		}
		defer unix.Close(fd)
		b := make([]byte, len(to)) // not to, which is nobody's to write to when it is too late
		n, err := unix.Pread(fd, b, 0)
		return b[:max(n, 0)], t.wrap("read", rel, err)
	})
	return copy(to, b), err
}

// TryOpen opens a file and reads nothing of it.
func (t Tree) TryOpen(rel string) error {
	if err := t.covered("open", rel); err != nil {
		return err
	}
	_, err := guarded(t, "open", rel, func() (struct{}, error) {
		fd, err := openat(t.fd, t.at(rel), 0)
		if err != nil {
			return struct{}{}, t.wrap("open", rel, err)
		}
		return struct{}{}, unix.Close(fd)
	})
	return err
}

// Look reads a file, or lists a directory, only to see whether that is possible.
func (t Tree) Look(rel string) Reason {
	err := t.With(rel, func([]byte) error { return nil })
	if errors.Is(err, unix.EISDIR) {
		_, err = t.Names(rel)
	}
	return ReasonOf(err)
}

// Ending says how the end of a file is known.
type Ending uint8

const (
	// UntilEmpty ends at a read that gives nothing. seq_file gives a page of records
	// at a time, so that a short read of a file of many says nothing.
	UntilEmpty Ending = iota
	// UntilShort ends at a read that gives less than was asked for. So it is with
	// files that the kernel makes in one go: sysctls, sysfs, cgroup files and those
	// of single_open, for which seq_file grows its buffer until all of it fits.
	UntilShort
)

// Read appends what rel holds to buf. It costs three system calls for a file
// that fits buf's free capacity, where os.ReadFile needs ten and more.
func (t Tree) Read(rel string, buf []byte, end Ending) ([]byte, error) {
	if err := t.covered("read", rel); err != nil {
		return buf, err
	}
	if !t.mayHang(rel) {
		return t.readNow(rel, buf, end)
	}
	return patiently(t.wait, "read", t.path(rel), func() ([]byte, error) { return t.readNow(rel, buf, end) })
}

func (t Tree) readNow(rel string, buf []byte, end Ending) ([]byte, error) {
	fd, err := openat(t.fd, t.at(rel), 0)
	if err != nil {
		return buf, t.wrap("read", rel, err)
	}
	buf, err = readAll(fd, buf, end)
	unix.Close(fd)
	return buf, t.wrap("read", rel, err)
}

// atOnce is the most that one read asks for: of a sysctl the kernel has a buffer of as much
// made, and refuses 4 MiB with ENOMEM (fs/proc/proc_sysctl.c, proc_sys_call_handler). A buffer
// that was used for a large file is as large.
const atOnce = 1 << 20

// readAll reads fd to its end.
func readAll(fd int, buf []byte, end Ending) ([]byte, error) {
	for {
		if cap(buf)-len(buf) < 512 {
			buf = append(buf, make([]byte, max(4096, cap(buf)))...)[:len(buf)]
		}
		room := min(cap(buf)-len(buf), atOnce)
		n, err := unix.Read(fd, buf[len(buf):len(buf)+room])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return buf, err
		}
		buf = buf[:len(buf)+n]
		if n == 0 || end == UntilShort && n < room {
			return buf, nil
		}
	}
}

// Lines reads rel in pieces and passes on each line that has an end, as CutLine does, which do
// must not keep: a file of a million sockets is not held as a whole.
func (t Tree) Lines(rel string, do func([]byte)) error {
	if err := t.covered("read", rel); err != nil {
		return err
	}
	fd, err := openat(t.fd, t.at(rel), 0)
	if err != nil {
		return t.wrap("read", rel, err)
	}
	defer unix.Close(fd)
	const most = 64 << 10 // a line longer than this is none of a table
	p := t.pool.Get().(*[]byte)
	defer t.pool.Put(p)
	buf := (*p)[:cap(*p)]
	kept := 0
	for {
		n, err := unix.Read(fd, buf[kept:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return t.wrap("read", rel, err)
		case n == 0:
			return nil
		}
		rest := wholeLines(buf[:kept+n], do)
		if kept = copy(buf, rest); kept == len(buf) {
			if kept >= most {
				return ErrMalformed
			}
			buf = append(buf, make([]byte, len(buf))...)
			*p = buf[:0]
		}
	}
}

// wholeLines passes on the lines of b that have an end, and returns what is left.
func wholeLines(b []byte, do func([]byte)) (rest []byte) {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return b
		}
		do(b[:i])
		b = b[i+1:]
	}
}
