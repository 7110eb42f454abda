package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// With reads rel into a lent buffer and hands it to use, which must not keep it.
func (t Tree) With(rel string, use func([]byte) error) error { return t.lend(rel, UntilEmpty, use) }

// Single does the same for a file that the kernel makes in one go: see UntilShort.
func (t Tree) Single(rel string, use func([]byte) error) error { return t.lend(rel, UntilShort, use) }

func (t Tree) lend(rel string, end Ending, use func([]byte) error) error {
	p := t.pool.Get().(*[]byte)
	defer t.pool.Put(p)
	b, err := t.Read(rel, (*p)[:0], end)
	*p = b[:0]
	if err != nil {
		return err
	}
	if err := use(b); err != nil {
		return fmt.Errorf("parse %s: %w", t.path(rel), err)
	}
	return nil
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

// Cause is what is wrong with a file, without which one it is: for who says that in
// words of his own.
func Cause(err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	return err
}

// ReasonOf classes an error of a file of the whole host.
func ReasonOf(err error) Reason {
	lacks := (*lacking)(nil)
	switch {
	case err == nil:
		return Present
	case errors.As(err, &lacks):
		return lacks.why
	case errors.Is(err, fs.ErrPermission):
		return Denied
	case errors.Is(err, ErrTimedOut):
		return TimedOut
	case errors.Is(err, ErrCopy):
		return Inapplicable // its answer would be about another host
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
