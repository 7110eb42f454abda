package inspect

import (
	"bytes"
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Dir is an open directory of a tree. One of many thousand entries is gone through
// with a system call for each, whose path is not walked again.
type Dir struct {
	fd   int
	tree Tree
	rel  string
}

// Open opens the directory rel; the caller closes it.
func (t Tree) Open(rel string) (Dir, error) {
	if err := t.covered("list", rel); err != nil {
		return Dir{}, err
	}
	fd, err := openat(t.fd, t.at(rel), unix.O_DIRECTORY)
	if err != nil {
		return Dir{}, t.wrap("list", rel, err)
	}
	return Dir{fd, t, rel}, nil
}

// Close closes the directory.
func (d *Dir) Close() { unix.Close(d.fd) }

// Size is the size that stat gives: for /proc/PID/fd, since 6.2, how many
// entries there are. 0 if unknown.
func (d *Dir) Size() int64 {
	var st unix.Stat_t
	if unix.Fstat(d.fd, &st) != nil {
		return 0
	}
	return st.Size
}

// Each passes on the names of the entries, read into buf. A name must not be kept, and
// is followed by a zero byte, as Readlink wants it.
func (d *Dir) Each(buf []byte, do func(name []byte)) error {
	for {
		n, err := unix.ReadDirent(d.fd, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return d.tree.wrap("list", d.rel, err)
		case n <= 0:
			return nil
		}
		eachName(buf[:n], do)
	}
}

// eachName passes on the names in what getdents64 gave.
func eachName(b []byte, do func(name []byte)) {
	const lengthAt, nameAt = 16, 19 // struct linux_dirent64
	for len(b) > nameAt {
		n := int(binary.NativeEndian.Uint16(b[lengthAt:]))
		if n <= nameAt || n > len(b) {
			return
		}
		name := b[nameAt:n]
		if i := bytes.IndexByte(name, 0); i >= 0 { // the kernel ends each with one
			if name = name[:i]; string(name) != "." && string(name) != ".." {
				do(name)
			}
		}
		b = b[n:]
	}
}

// Readlink reads where the link of that name leads into to, and returns how long that
// is. It is readlinkat without the two copies that unix.Readlinkat makes of a name:
// name must be followed by a zero byte, as those of Each are.
func (d *Dir) Readlink(name, to []byte) (int, unix.Errno) {
	from, into := unsafe.Pointer(unsafe.SliceData(name)), unsafe.Pointer(unsafe.SliceData(to))
	for {
		n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(d.fd), uintptr(from), uintptr(into), uintptr(len(to)), 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
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
	if err := t.covered("list", rel); err != nil {
		return nil, err
	}
	fd, err := openat(t.fd, t.at(rel), unix.O_DIRECTORY)
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
