package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Look reads a file, or lists a directory.
func (t Tree) Look(rel string) Reason {
	err := t.With(rel, func([]byte) error { return nil })
	if errors.Is(err, unix.EISDIR) {
		_, err = t.Names(rel)
	}
	return ReasonOf(err)
}

// TryOpen opens a file and reads nothing of it.
func (t Tree) TryOpen(rel string) error {
	now := func() (struct{}, error) {
		fd, err := Openat(t.Fd, rel)
		if err != nil {
			return struct{}{}, &fs.PathError{Op: "open", Path: t.Root + "/" + rel, Err: err}
		}
		return struct{}{}, unix.Close(fd)
	}
	if t.Wait == nil || !MayHang(rel) {
		_, err := now()
		return err
	}
	_, err := Patiently(t.Wait, "open", t.Root+"/"+rel, now)
	return err
}

// Lines reads rel in pieces and hands on each line, which do must not keep: a file
// of a million sockets is not held as a whole.
func (t Tree) Lines(rel string, do func([]byte)) error {
	fd, err := Openat(t.Fd, rel)
	if err != nil {
		return &fs.PathError{Op: "read", Path: t.Root + "/" + rel, Err: err}
	}
	defer unix.Close(fd)
	const most = 64 << 10 // a line longer than this is none of a table
	p := t.Pool.Get().(*[]byte)
	defer t.Pool.Put(p)
	buf := (*p)[:cap(*p)]
	kept := 0
	for {
		n, err := unix.Read(fd, buf[kept:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return &fs.PathError{Op: "read", Path: t.Root + "/" + rel, Err: err}
		case n == 0:
			if kept > 0 {
				do(buf[:kept])
			}
			return nil
		}
		rest := buf[:kept+n]
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			do(rest[:i])
			rest = rest[i+1:]
		}
		if kept = copy(buf, rest); kept == len(buf) {
			if kept >= most {
				return ErrMalformed
			}
			buf = append(buf, make([]byte, len(buf))...)
			*p = buf[:0]
		}
	}
}

// Readlink returns where a symbolic link leads.
func (t Tree) Readlink(rel string) (string, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(t.Fd, rel, buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return "", &fs.PathError{Op: "read", Path: t.Root + "/" + rel, Err: err}
		case n < size:
			return string(buf[:n]), nil
		case size >= 1<<16:
			return "", &fs.PathError{Op: "read", Path: t.Root + "/" + rel, Err: unix.ENAMETOOLONG}
		}
	}
}

// Tree is a mounted or saved /proc or /sys. Files are opened relative to it.
type Tree struct {
	Root string // where it is
	Fd   int
	Pool *sync.Pool // of *[]byte, for readers that keep nothing of what they read
	Wait *patience
}

func openTree(root string) (Tree, error) {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Tree{}, &fs.PathError{Op: "open", Path: root, Err: err}
	}
	return Tree{Root: root, Fd: fd, Pool: NewPool(), Wait: newPatience()}, nil
}

// Read appends what rel holds to buf. It costs three system calls for a file
// that fits buf's free capacity, where os.ReadFile needs ten and more: see
// doc.go for which files that matters.
func (t Tree) Read(rel string, buf []byte, end Ending) ([]byte, error) {
	if t.Wait == nil || !MayHang(rel) {
		return t.readNow(rel, buf, end)
	}
	return Patiently(t.Wait, "read", t.Root+"/"+rel, func() ([]byte, error) { return t.readNow(rel, buf, end) })
}

func (t Tree) readNow(rel string, buf []byte, end Ending) ([]byte, error) {
	fd, err := Openat(t.Fd, rel)
	if err != nil {
		return buf, &fs.PathError{Op: "read", Path: t.Root + "/" + rel, Err: err}
	}
	buf, err = readAll(fd, buf, end)
	unix.Close(fd)
	if err != nil {
		return buf, &fs.PathError{Op: "read", Path: t.Root + "/" + rel, Err: err}
	}
	return buf, nil
}

// Stat looks at what rel is or leads to.
func (t Tree) Stat(rel string) (unix.Stat_t, error) {
	now := func() (st unix.Stat_t, err error) {
		if err = unix.Fstatat(t.Fd, rel, &st, 0); err != nil {
			err = &fs.PathError{Op: "stat", Path: t.Root + "/" + rel, Err: err}
		}
		return st, err
	}
	if t.Wait == nil || !MayHang(rel) {
		return now()
	}
	return Patiently(t.Wait, "stat", t.Root+"/"+rel, now)
}

func Openat(dir int, rel string) (fd int, err error) {
	for {
		fd, err = unix.Openat(dir, rel, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// Ending says how the end of a file is known.
type Ending uint8

const (
	// atZero: by a read that gives nothing. seq_file gives a page of records at
	// a time, so that a short read of a file of many says nothing.
	UntilEmpty Ending = iota
	// atShort: by a read that gives less than was asked for. So it is with files
	// that the kernel makes in one go: sysctls, sysfs, cgroup files and those of
	// single_open, for which seq_file grows its buffer until all of it fits.
	UntilShort
)

// readAll reads fd to its end.
func readAll(fd int, buf []byte, end Ending) ([]byte, error) {
	for {
		if cap(buf)-len(buf) < 512 {
			buf = append(buf, make([]byte, max(4096, cap(buf)))...)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return buf, err
		}
		buf = buf[:len(buf)+n]
		if n == 0 || end == UntilShort && len(buf) < cap(buf) {
			return buf, nil
		}
	}
}

func NewPool() *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}
}

// With reads rel into a lent buffer and hands it to use, which must not keep it.
func (t Tree) With(rel string, use func([]byte) error) error { return t.lend(rel, UntilEmpty, use) }

// Single does the same for a file that the kernel makes in one go: see atShort.
func (t Tree) Single(rel string, use func([]byte) error) error { return t.lend(rel, UntilShort, use) }

func (t Tree) lend(rel string, end Ending, use func([]byte) error) error {
	p := t.Pool.Get().(*[]byte)
	defer t.Pool.Put(p)
	b, err := t.Read(rel, (*p)[:0], end)
	*p = b[:0]
	if err != nil {
		return err
	}
	if err := use(b); err != nil {
		return fmt.Errorf("parse %s/%s: %w", t.Root, rel, err)
	}
	return nil
}

// Names lists the entries of the directory rel.
func (t Tree) Names(rel string) ([]string, error) {
	fd, err := unix.Openat(t.Fd, rel, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: t.Root + "/" + rel, Err: err}
	}
	defer unix.Close(fd)
	buf := make([]byte, 32<<10)
	var out []string
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "list", Path: t.Root + "/" + rel, Err: err}
		}
		if n <= 0 {
			return out, nil
		}
		_, _, out = unix.ParseDirent(buf[:n], -1, out)
	}
}

// Directories lists the directories in the directory rel.
func (t Tree) Directories(rel string) (out []string, err error) {
	fd, err := unix.Openat(t.Fd, rel, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: t.Root + "/" + rel, Err: err}
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

// Number reads a file that holds one integer.
func (t Tree) Number(rel string) (n int64, err error) {
	err = t.Single(rel, func(b []byte) error {
		n, err = strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
		if err != nil {
			return ErrMalformed
		}
		return nil
	})
	return n, err
}

// Choice reads a file of words and returns the one in brackets, or the only one.
func (t Tree) Choice(rel string) (word string, err error) {
	err = t.Single(rel, func(b []byte) error {
		var ok bool
		if word, ok = parseChoice(string(b)); !ok {
			return ErrMalformed
		}
		return nil
	})
	return word, err
}

func parseChoice(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if _, rest, ok := strings.Cut(s, "["); ok {
		word, _, ok := strings.Cut(rest, "]")
		return word, ok && word != ""
	}
	return s, s != "" && !strings.ContainsAny(s, " \n")
}

// ReasonOf classes an error of a file of the whole host.
func ReasonOf(err error) Reason {
	switch {
	case err == nil:
		return Present
	case errors.Is(err, fs.ErrPermission):
		return Denied
	case errors.Is(err, ErrTimedOut):
		return TimedOut
	case errors.Is(err, unix.ESRCH):
		return Vanished
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return Unsupported
	case errors.Is(err, unix.EOPNOTSUPP):
		return Disabled // /proc/pressure/* under psi=0
	case errors.Is(err, ErrMalformed), errors.Is(err, procfs.ErrFileParse),
		errors.Is(err, strconv.ErrSyntax), errors.Is(err, strconv.ErrRange):
		return Malformed
	}
	var sys unix.Errno
	if errors.As(err, &sys) {
		return Failed
	}
	return Malformed // what is left are parsers that name no error
}

// ReasonOfPID classes an error of a file of one process, where a missing
// file means a missing process unless the caller knows better.
func ReasonOfPID(err error) Reason {
	if r := ReasonOf(err); r != Unsupported {
		return r
	}
	return Vanished
}
