package kmsg

import (
	"errors"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Device is the kernel's ring buffer, read to where it ends now.
type Device struct {
	log  io.Reader
	buf  [16 << 10]byte // a record is at most 8 KiB and some
	rest []byte
	Lost bool // older records were overwritten while they were read
}

// From reads a log that gives a record at a time, as inspect.Log does.
func From(log io.Reader) *Device { return &Device{log: log} }

// Read gives records, one or a part of one at a time.
func (d *Device) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		n, err := d.log.Read(d.buf[:])
		switch {
		case errors.Is(err, unix.EPIPE):
			d.Lost = true
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN), err == nil && n == 0:
			return 0, io.EOF
		case err != nil:
			return 0, &fs.PathError{Op: "read", Path: "/dev/kmsg", Err: err}
		default:
			d.rest = d.buf[:n]
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}
