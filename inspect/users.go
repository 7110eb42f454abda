package inspect

import (
	"bytes"
	"errors"
	"io/fs"
)

// Userland is what is read of a host besides its kernel: names by number.
type Userland map[uint32]string

// Users reads the names of users. Only this machine's own can be known.
func (h *Host) Users() (Userland, error) { return h.userland("/etc/passwd") }

// Groups reads the names of groups.
func (h *Host) Groups() (Userland, error) { return h.userland("/etc/group") }

// ErrNoNames is what a copy of a host says when it is asked for a user by name.
var ErrNoNames = errors.New("a saved copy has no names of users")

// UserID finds the number of a user; false where nobody has that name. A number may have
// several names, and all of them lead to it.
func (h *Host) UserID(name string) (id uint32, found bool, err error) {
	if !h.Live {
		return 0, false, ErrNoNames
	}
	err = h.named("/etc/passwd", func(n uint32, is []byte) {
		if !found && string(is) == name {
			id, found = n, true
		}
	})
	return id, found, err
}

// userland reads names by number. Of two names for a number the first holds.
func (h *Host) userland(file string) (Userland, error) {
	out := Userland{}
	if !h.Live {
		return out, nil
	}
	err := h.named(file, func(id uint32, name []byte) {
		if _, again := out[id]; !again {
			out[id] = string(name)
		}
	})
	return out, err
}

// named reads lines of name:password:number:... (passwd(5), group(5)).
func (h *Host) named(file string, each func(id uint32, name []byte)) error {
	err := h.Elsewhere().With(file, func(b []byte) error {
		for line := range bytes.Lines(b) { // people write it: the last may lack its end
			f := bytes.SplitN(line, []byte(":"), 4)
			if len(f) < 4 {
				continue
			}
			if id, ok := ParseUint(f[2]); ok && id <= 1<<32-1 {
				each(uint32(id), f[0])
			}
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) { // an image without users: it is no matter of the kernel's
		return Lacking(err, NotMounted)
	}
	return err
}
