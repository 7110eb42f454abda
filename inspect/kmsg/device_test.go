package kmsg

import (
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

type reads func(p []byte) (int, error)

func (r reads) Read(p []byte) (int, error) { return r(p) }

// The kernel says EPIPE where it overwrote the record that comes next, and goes on
// with the oldest that is left (Documentation/ABI/testing/dev-kmsg).
func TestDeviceThatLostRecords(t *testing.T) {
	answers := []func(p []byte) (int, error){
		func(p []byte) (int, error) { return copy(p, "6,1,5,-;a\n"), nil },
		func([]byte) (int, error) { return 0, unix.EINTR },
		func([]byte) (int, error) { return 0, unix.EPIPE },
		func(p []byte) (int, error) { return copy(p, "6,9,7,-;b\n"), nil },
		func([]byte) (int, error) { return 0, unix.EAGAIN },
	}
	d := From(reads(func(p []byte) (int, error) {
		next := answers[0]
		answers = answers[1:]
		return next(p)
	}))
	b, err := io.ReadAll(d)
	if string(b) != "6,1,5,-;a\n6,9,7,-;b\n" || err != nil || !d.Lost {
		t.Errorf("%q, %v, lost %v", b, err, d.Lost)
	}
}
