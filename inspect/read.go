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

// errMalformed marks a file that was read and made no sense.
var errMalformed = errors.New("malformed")

// tree is a mounted or saved /proc or /sys. Files are opened relative to it.
type tree struct {
	root string // where it is
	fd   int
	pool *sync.Pool // of *[]byte, for readers that keep nothing of what they read
	wait *patience
}

func openTree(root string) (tree, error) {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return tree{}, &fs.PathError{Op: "open", Path: root, Err: err}
	}
	return tree{root: root, fd: fd, pool: newPool(), wait: newPatience()}, nil
}

// read appends what rel holds to buf. It costs three system calls for a file
// that fits buf's free capacity, where os.ReadFile needs ten and more: see
// doc.go for which files that matters.
func (t tree) read(rel string, buf []byte, end ending) ([]byte, error) {
	if t.wait == nil || !held(rel) {
		return t.readNow(rel, buf, end)
	}
	return wait(t.wait, "read", t.root+"/"+rel, func() ([]byte, error) { return t.readNow(rel, buf, end) })
}

func (t tree) readNow(rel string, buf []byte, end ending) ([]byte, error) {
	fd, err := openat(t.fd, rel)
	if err != nil {
		return buf, &fs.PathError{Op: "read", Path: t.root + "/" + rel, Err: err}
	}
	buf, err = readAll(fd, buf, end)
	unix.Close(fd)
	if err != nil {
		return buf, &fs.PathError{Op: "read", Path: t.root + "/" + rel, Err: err}
	}
	return buf, nil
}

// stat looks at what rel is or leads to.
func (t tree) stat(rel string) (unix.Stat_t, error) {
	now := func() (st unix.Stat_t, err error) {
		if err = unix.Fstatat(t.fd, rel, &st, 0); err != nil {
			err = &fs.PathError{Op: "stat", Path: t.root + "/" + rel, Err: err}
		}
		return st, err
	}
	if t.wait == nil || !held(rel) {
		return now()
	}
	return wait(t.wait, "stat", t.root+"/"+rel, now)
}

func openat(dir int, rel string) (fd int, err error) {
	for {
		fd, err = unix.Openat(dir, rel, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// ending says how the end of a file is known.
type ending uint8

const (
	// atZero: by a read that gives nothing. seq_file gives a page of records at
	// a time, so that a short read of a file of many says nothing.
	atZero ending = iota
	// atShort: by a read that gives less than was asked for. So it is with files
	// that the kernel makes in one go: sysctls, sysfs, cgroup files and those of
	// single_open, for which seq_file grows its buffer until all of it fits.
	atShort
)

// readAll reads fd to its end.
func readAll(fd int, buf []byte, end ending) ([]byte, error) {
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
		if n == 0 || end == atShort && len(buf) < cap(buf) {
			return buf, nil
		}
	}
}

func newPool() *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}
}

// with reads rel into a lent buffer and hands it to use, which must not keep it.
func (t tree) with(rel string, use func([]byte) error) error { return t.lend(rel, atZero, use) }

// single does the same for a file that the kernel makes in one go: see atShort.
func (t tree) single(rel string, use func([]byte) error) error { return t.lend(rel, atShort, use) }

func (t tree) lend(rel string, end ending, use func([]byte) error) error {
	p := t.pool.Get().(*[]byte)
	defer t.pool.Put(p)
	b, err := t.read(rel, (*p)[:0], end)
	*p = b[:0]
	if err != nil {
		return err
	}
	if err := use(b); err != nil {
		return fmt.Errorf("parse %s/%s: %w", t.root, rel, err)
	}
	return nil
}

// names lists the entries of the directory rel.
func (t tree) names(rel string) ([]string, error) {
	fd, err := unix.Openat(t.fd, rel, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: t.root + "/" + rel, Err: err}
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
			return nil, &fs.PathError{Op: "list", Path: t.root + "/" + rel, Err: err}
		}
		if n <= 0 {
			return out, nil
		}
		_, _, out = unix.ParseDirent(buf[:n], -1, out)
	}
}

// directories lists the directories in the directory rel.
func (t tree) directories(rel string) (out []string, err error) {
	fd, err := unix.Openat(t.fd, rel, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: t.root + "/" + rel, Err: err}
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

// number reads a file that holds one integer.
func (t tree) number(rel string) (n int64, err error) {
	err = t.single(rel, func(b []byte) error {
		n, err = strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
		if err != nil {
			return errMalformed
		}
		return nil
	})
	return n, err
}

// choice reads a file of words and returns the one in brackets, or the only one.
func (t tree) choice(rel string) (word string, err error) {
	err = t.single(rel, func(b []byte) error {
		var ok bool
		if word, ok = parseChoice(string(b)); !ok {
			return errMalformed
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

// Counters are named numbers of one file: bytes where the file gave kB, and
// the number itself elsewhere. A name that the kernel does not have is not in it.
type Counters map[string]uint64

// parseCounters reads lines of "name value", "name: value" and "name: value kB".
// Lines of another form are passed over, so that one bad line costs itself
// alone; a file without a single good line is malformed.
func parseCounters(b []byte, sizeHint int) (Counters, error) {
	out := make(Counters, sizeHint)
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, rest := cutField(line)
		value, rest := cutField(rest)
		unit, rest := cutField(rest)
		n, ok := parseUint(value)
		if !ok || len(rest) > 0 {
			continue
		}
		switch string(unit) {
		case "":
		case "kB":
			if n >= 1<<54 {
				continue
			}
			n <<= 10
		default:
			continue
		}
		out[string(bytes.TrimSuffix(name, []byte(":")))] = n
	}
	if len(out) == 0 {
		return nil, errMalformed
	}
	return out, nil
}

func cutLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// cutField returns the first blank-separated field of b and what follows it,
// blanks trimmed.
func cutField(b []byte) (field, rest []byte) {
	b = trimBlank(b)
	for i, c := range b {
		if c == ' ' || c == '\t' {
			return b[:i], trimBlank(b[i:])
		}
	}
	return b, nil
}

func trimBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

func parseUint(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// reasonFor classes an error of a file of the whole host.
func reasonFor(err error) Reason {
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
	case errors.Is(err, errMalformed), errors.Is(err, procfs.ErrFileParse),
		errors.Is(err, strconv.ErrSyntax), errors.Is(err, strconv.ErrRange):
		return Malformed
	}
	var sys unix.Errno
	if errors.As(err, &sys) {
		return Failed
	}
	return Malformed // what is left are parsers that name no error
}

// ReasonOf classes the error of a reading; Present for none.
func ReasonOf(err error) Reason { return reasonFor(err) }

// reasonForPID classes an error of a file of one process, where a missing
// file means a missing process unless the caller knows better.
func reasonForPID(err error) Reason {
	if r := reasonFor(err); r != Unsupported {
		return r
	}
	return Vanished
}

func (c Counters) num(name string) Num {
	if n, ok := c[name]; ok && n < 1<<63 {
		return Num(n)
	}
	return Unset
}

// sum adds names up; Unset if one is missing.
func (c Counters) sum(names ...string) (total Num) {
	for _, name := range names {
		n := c.num(name)
		if n == Unset {
			return Unset
		}
		total += n
	}
	return total
}
