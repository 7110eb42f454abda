package inspect

import "strings"

// Mount is one line of mountinfo: what of a file system is seen where.
type Mount struct {
	Root, Point   string // escapes undone
	FSType, Super string // super: the options of the file system, comma-separated
	Options       string // those of the mount
}

// ParseMountinfo hands each mount of a type that starts with prefix to yield,
// the others unread: a host of containers has thousands, and a few are of use.
// The fields before the hyphen are of no fixed number (proc_pid_mountinfo(5)).
// Lines of another form are passed over; a file without a good line is malformed.
func ParseMountinfo(b []byte, prefix string, yield func(Mount)) error {
	good := false
	for len(b) > 0 {
		var line []byte
		line, b = CutLine(b)
		before, after, ok := strings.Cut(string(line), " - ")
		f := strings.Fields(before)
		if !ok || len(f) < 6 {
			continue
		}
		good = true
		fsType, rest, _ := strings.Cut(after, " ")
		if !strings.HasPrefix(fsType, prefix) {
			continue
		}
		_, super, _ := strings.Cut(rest, " ")
		yield(Mount{UnescapeOctal(f[3]), UnescapeOctal(f[4]), fsType, super, f[5]})
	}
	if !good {
		return ErrMalformed
	}
	return nil
}

// Has reports whether the file system's options name one.
func (m *Mount) Has(option string) bool {
	for o := range strings.SplitSeq(m.Super, ",") {
		if o == option {
			return true
		}
	}
	return false
}
