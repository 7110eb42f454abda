package fd

import (
	"fmt"
	"strings"

	"kwhy/explain/units"
	fdfacts "kwhy/inspect/fd"
)

func onDisk(r fdRow) string {
	f := r.It
	var b strings.Builder
	b.WriteString("file")
	if f.HasStat {
		b.WriteString(" of " + units.Size(f.Size))
	}
	b.WriteString(where(f))
	switch {
	case f.Deleted && !f.HasStat:
		b.WriteString("; deleted")
	case f.Deleted && f.Taken == 0:
		b.WriteString("; deleted, and takes no space")
	case f.Deleted:
		b.WriteString("; deleted, and keeps " + units.Size(f.Taken) + " until it is closed")
	}
	return b.String() + silent(r)
}

// silent says of a file whose file system did not answer in time who serves that.
func silent(r fdRow) string {
	f := r.It
	if !f.Late || f.Mount == nil {
		return ""
	}
	s := " (" + f.Mount.Source + "), whose server did not answer in time"
	var who []string
	for _, p := range r.In.Servers[f.Mount.Dev] {
		who = append(who, fmt.Sprintf("%s (%d)", p.Comm, p.PID))
	}
	if len(who) > 0 {
		s += ": " + few(who)
	}
	return s
}

func where(f *fdfacts.Descriptor) string {
	if f.Mount == nil {
		return ""
	}
	return " on " + f.Mount.FSType + " at " + f.Mount.Point
}

// deviceName says what the character devices are that programs have by default
// (Documentation/admin-guide/devices.txt).
func deviceName(r fdRow) string {
	f := r.It
	known := map[string]string{
		"1:3": "discards what is written, and reads as empty", "1:5": "gives zeros", "1:7": "is always full",
		"1:8": "gives random bytes", "1:9": "gives random bytes", "5:0": "the terminal of its session",
		"5:2": "a new pseudo terminal",
	}
	dev := device(f.Rdev)
	if says := known[dev]; says != "" && f.HasStat {
		return "character device " + dev + ": " + says
	}
	if strings.HasPrefix(f.Link, "/dev/pts/") {
		return "pseudo terminal " + strings.TrimPrefix(f.Link, "/dev/pts/")
	}
	if !f.HasStat {
		return "device"
	}
	return "character device " + dev + driver(r, false)
}

// driver names who serves a device.
func driver(r fdRow, block bool) string {
	if name := r.In.Driver(r.It.Rdev, block); name != "" {
		return " of the driver " + name
	}
	return ""
}

// pipe says which end it is, and who has the other. One that is open for both, as a
// FIFO may be, has no other end.
func pipe(f *fdfacts.Descriptor, relatives bool) string {
	writes, reads := f.Flags&accessMode != 0, f.Flags&accessMode != 1
	var same, other, untold []fdfacts.End
	for _, e := range f.Ends {
		if one := !f.HasInfo || reads != writes; one && (e.Untold || !f.HasInfo) {
			untold = append(untold, e)
		} else if e.Writes != writes && reads != writes {
			other = append(other, e)
		} else {
			same = append(same, e)
		}
	}
	name := "the read end of a pipe"
	switch {
	case !f.HasInfo:
		name = "one end of a pipe, which one is not known"
	case reads && writes:
		name = "both ends of a pipe"
	case writes:
		name = "the write end of a pipe"
	}
	switch one := f.HasInfo && reads != writes; {
	case len(other) > 0:
		name += "; the other end is open in " + few(ends(other))
	case one && len(untold) > 0: // one of these may have it
	case one && relatives:
		name += "; none of its relatives has the other end, and this host has too many open files to search all"
	case one:
		name += "; no visible process has the other end"
	}
	switch {
	case len(same) == 0:
	case f.HasInfo && reads && writes:
		name += "; also open in " + few(ends(same))
	default:
		name += "; this end is also open in " + few(ends(same))
	}
	switch {
	case len(untold) == 0:
	case f.HasInfo:
		name += "; one end, which one is not known, is open in " + few(ends(untold))
	default:
		name += "; one of its ends is also open in " + few(ends(untold))
	}
	return name
}

// ends names processes, each once with its descriptors.
func ends(list []fdfacts.End) (out []string) {
	for i := 0; i < len(list); { // by process
		p := list[i].P
		var fds []int32
		for ; i < len(list) && list[i].P.PID == p.PID; i++ {
			fds = append(fds, list[i].FD)
		}
		out = append(out, fmt.Sprintf("%s (%d) as %s", p.Comm, p.PID, numbers(fds)))
	}
	return out
}

func few(list []string) string {
	if len(list) > 3 {
		return strings.Join(list[:3], ", ") + fmt.Sprintf(" and %d more", len(list)-3)
	}
	return strings.Join(list, ", ")
}
