package inspect

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
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
	wait *patience
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
func (h *Host) Elsewhere() Tree { return Tree{fd: unix.AT_FDCWD, pool: h.Proc.pool} }

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
	if t.wait == nil || !mayHang(rel) {
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
	return guarded(t, "stat", rel, func() (st unix.Stat_t, err error) {
		err = t.wrap("stat", rel, unix.Fstatat(t.fd, rel, &st, 0))
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

// MountID returns the number of the mount that rel is on; -1 where the kernel does
// not say, as before 5.8.
func (t Tree) MountID(rel string) (int64, error) {
	return guarded(t, "stat", rel, func() (int64, error) {
		var st unix.Statx_t
		if unix.Statx(t.fd, rel, unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st) != nil || st.Mask&unix.STATX_MNT_ID == 0 {
			return -1, nil
		}
		return int64(st.Mnt_id), nil
	})
}

// Device returns the device that rel is on, as stat(2) numbers it, without asking who serves
// its file system: that may be a program that does not answer.
func (t Tree) Device(rel string) (uint64, error) {
	return guarded(t, "stat", rel, func() (uint64, error) {
		var st unix.Statx_t
		err := unix.Statx(t.fd, rel, unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st)
		if errors.Is(err, unix.ENOSYS) { // before 4.11
			var old unix.Stat_t
			err = unix.Fstatat(t.fd, rel, &old, 0)
			return uint64(old.Dev), t.wrap("stat", rel, err) //nolint:unconvert // its type differs by machine
		}
		return unix.Mkdev(st.Dev_major, st.Dev_minor), t.wrap("stat", rel, err)
	})
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
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(t.fd, rel, buf)
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
	followed, _ = filepath.EvalSymlinks(full) // "" where a part of it is not there
	return full, followed
}

// Head reads the first bytes of rel into to, and returns how many there were.
func (t Tree) Head(rel string, to []byte) (int, error) {
	b, err := guarded(t, "read", rel, func() ([]byte, error) {
		fd, err := openat(t.fd, rel, 0)
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
	_, err := guarded(t, "open", rel, func() (struct{}, error) {
		fd, err := openat(t.fd, rel, 0)
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
	if t.wait == nil || !mayHang(rel) {
		return t.readNow(rel, buf, end)
	}
	return patiently(t.wait, "read", t.path(rel), func() ([]byte, error) { return t.readNow(rel, buf, end) })
}

func (t Tree) readNow(rel string, buf []byte, end Ending) ([]byte, error) {
	fd, err := openat(t.fd, rel, 0)
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
	fd, err := openat(t.fd, rel, 0)
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

// Names lists the entries of the directory rel.
func (t Tree) Names(rel string) (out []string, err error) {
	d, err := t.Open(rel)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := d.Each(make([]byte, 32<<10), func(name []byte) { out = append(out, string(name)) }); err != nil {
		return nil, err
	}
	return out, nil
}

// Directories lists the directories in the directory rel.
func (t Tree) Directories(rel string) (out []string, err error) {
	fd, err := openat(t.fd, rel, unix.O_DIRECTORY)
	if err != nil {
		return nil, t.wrap("list", rel, err)
	}
	dir := os.NewFile(uintptr(fd), rel)
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out, err
}
