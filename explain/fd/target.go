package fd

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
)

func onDisk(f *inspect.FD) string {
	var b strings.Builder
	b.WriteString("file")
	if f.HasStat {
		b.WriteString(" of " + explain.Size(f.Size))
	}
	b.WriteString(where(f))
	switch {
	case f.Deleted && f.Taken == 0:
		b.WriteString("; gone from its directory, and takes no space")
	case f.Deleted:
		b.WriteString("; gone from its directory, and keeps " + explain.Size(f.Taken) + " until it is closed")
	}
	return b.String()
}

func where(f *inspect.FD) string {
	if f.Mount == nil {
		return ""
	}
	return " on " + f.Mount.FSType + " at " + f.Mount.Point
}

// deviceName says what the character devices are that programs have by default
// (Documentation/admin-guide/devices.txt).
func deviceName(f *inspect.FD) string {
	known := map[string]string{"1:3": "takes all and gives nothing", "1:5": "gives zeros", "1:7": "is always full", "1:8": "gives random bytes", "1:9": "gives random bytes", "5:0": "the terminal of its session", "5:2": "a new pseudo terminal"}
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
	return "character device " + dev
}

func pipe(f *inspect.FD, relatives bool) string {
	writes := f.Flags&accessMode != 0
	reads := f.Flags&accessMode != 1
	var same, other []string
	for _, e := range f.Ends {
		who := fmt.Sprintf("%s (%d) as %d", e.P.Comm, e.P.PID, e.FD)
		if f.HasInfo && e.Writes != writes {
			other = append(other, who)
		} else {
			same = append(same, who)
		}
	}
	name := "the end to read of a pipe"
	switch {
	case !f.HasInfo:
		name = "one end of a pipe"
	case reads && writes:
		name = "both ends of a pipe"
	case writes:
		name = "the end to write of a pipe"
	}
	switch {
	case len(other) > 0:
		name += "; the other has " + few(other)
	case f.HasInfo && (!reads || !writes) && relatives:
		name += "; none of its relatives has the other, and this host has too much open to look through all"
	case f.HasInfo && (!reads || !writes):
		name += "; nobody that can be seen has the other"
	}
	if len(same) > 0 {
		name += "; this one too: " + few(same)
	}
	return name
}

func few(list []string) string {
	if len(list) > 3 {
		return strings.Join(list[:3], ", ") + fmt.Sprintf(" and %d more", len(list)-3)
	}
	return strings.Join(list, ", ")
}
