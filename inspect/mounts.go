package inspect

import "strings"

// mount is one line of mountinfo: what of a file system is seen where.
type mount struct {
	root, point   string // escapes undone
	fsType, super string // super: the options of the file system, comma-separated
	options       string // those of the mount
}

// parseMountinfo hands each mount of a type that starts with prefix to yield,
// the others unread: a host of containers has thousands, and a few are of use.
// The fields before the hyphen are of no fixed number (proc_pid_mountinfo(5)).
// Lines of another form are passed over; a file without a good line is malformed.
func parseMountinfo(b []byte, prefix string, yield func(mount)) error {
	good := false
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
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
		yield(mount{unescapeOctal(f[3]), unescapeOctal(f[4]), fsType, super, f[5]})
	}
	if !good {
		return errMalformed
	}
	return nil
}

// cgroupMounts lists the mounts of cgroup file systems, of both versions, that
// kwhy sees.
func (h *Host) cgroupMounts() (out []mount, err error) {
	err = h.proc.with("self/mountinfo", func(b []byte) error {
		return parseMountinfo(b, "cgroup", func(m mount) { out = append(out, m) })
	})
	return out, err
}

// has tells whether the file system's options name one.
func (m *mount) has(option string) bool {
	for o := range strings.SplitSeq(m.super, ",") {
		if o == option {
			return true
		}
	}
	return false
}
