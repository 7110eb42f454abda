package inspect

import "bytes"

// Userland is what is read of a host besides its kernel: names by number.
type Userland map[uint32]string

// Users reads the names of users. Only this machine's own can be known.
func (h *Host) Users() (Userland, error) { return h.userland("/etc/passwd") }

// Groups reads the names of groups.
func (h *Host) Groups() (Userland, error) { return h.userland("/etc/group") }

// userland reads lines of name:password:number:... (passwd(5), group(5)). Of
// two names for a number the first holds.
func (h *Host) userland(file string) (Userland, error) {
	out := Userland{}
	if !h.Live {
		return out, nil
	}
	err := h.Elsewhere().With(file, func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = CutLine(b)
			f := bytes.SplitN(line, []byte(":"), 4)
			if len(f) < 4 {
				continue
			}
			id, ok := ParseUint(f[2])
			if _, again := out[uint32(id)]; ok && !again && id <= 1<<32-1 {
				out[uint32(id)] = string(f[0])
			}
		}
		return nil
	})
	return out, err
}
