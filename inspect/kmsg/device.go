package kmsg

import (
	"errors"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Device is the kernel's ring buffer, read to where it ends now. It is read
// without a trace: other readers see every record, and nothing is cleared.
type Device struct {
	fd   int
	read func(fd int, p []byte) (int, error)
	buf  [16 << 10]byte // a record is at most 8 KiB and some
	rest []byte
	Lost bool // older records were overwritten while they were read
}

// Open opens /dev/kmsg. The error is fs.ErrPermission where that takes
// CAP_SYSLOG, which kernel.dmesg_restrict decides.
func Open(path string) (*Device, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return &Device{fd: fd, read: unix.Read}, nil
}

// Read gives records, one or a part of one at a time.
func (d *Device) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		n, err := d.read(d.fd, d.buf[:])
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

// Close closes it.
func (d *Device) Close() error { return unix.Close(d.fd) }
