package proc

import (
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

func inout() []detailField {
	io := func(key, gist string, read func(detail) string) detailField {
		return declare(doc{
			Key: key, Kernel: key, Unit: explain.Bytes, Counter: true,
			Source:  inspect.PIDIO,
			Gist:    gist,
			Concept: "page-cache",
		}, func(d detail) value { return explain.Look(d.IO, key) }, read)
	}
	return []detailField{
		declare(doc{
			Key: "fds", Label: "open descriptors", Unit: explain.Count,
			Source: inspect.PIDFd, Also: []inspect.Source{inspect.PIDLimits},
			Gist:    "Its open file descriptors.",
			Concept: "file-descriptor",
		}, func(d detail) value { return explain.Opt(d.Row.P.FDs) }, readFiles),
		io("rchar", "Bytes read by system calls, with those of its children that it waited for.", nil),
		io("read_bytes", "Bytes read from disks for it, with those of its children that it waited for.", func(d detail) string {
			return cached(d.IO["rchar"], d.IO["read_bytes"], "came from the page cache, pipes and sockets",
				"As much as was requested, or more: whole blocks, read ahead or mapped.")
		}),
		io("wchar", "Bytes written by system calls, with those of its children it waited for.", nil),
		io("write_bytes", "Bytes to be written to disks, now or at writeback, with those of children.", func(d detail) string {
			return cached(d.IO["wchar"], d.IO["write_bytes"], "went to pipes, sockets, terminals, or was overwritten in the cache",
				"As much as was written, or more: whole pages, and those of mapped files.")
		}),
		io("cancelled_write_bytes", "Bytes of that which were dropped before they reached a disk.", nil),
	}
}

// reached is its network in brief; kwhy net has the rest.
func reached() []detailField {
	return []detailField{
		declare(doc{
			Key: "sockets", Unit: explain.Count,
			Source: inspect.PIDFd, Also: []inspect.Source{inspect.PIDNs},
			Gist:    "How many of its open files are sockets.",
			Concept: "file-descriptor",
		}, func(d detail) value {
			if d.Missing(inspect.PIDFd) != inspect.Present {
				return explain.None(d.Missing(inspect.PIDFd))
			}
			return explain.I(countFiles(d)[0])
		}, func(d detail) string {
			for i := range d.Namespaces {
				switch n := &d.Namespaces[i]; {
				case n.Name != "net":
				case n.Init != 0 && n.Init == n.Inode:
					return "It is in PID 1's network namespace."
				case n.Init != 0:
					return "It is in a different network namespace than PID 1, with its own addresses, ports and limits."
				}
			}
			return ""
		}),
	}
}

// fileKinds are the kinds of open files, singular and plural.
func fileKinds() [5][2]string {
	return [...][2]string{
		{"socket", "sockets"},
		{"device", "devices"},
		{"end of a pipe", "ends of pipes"},
		{"file", "files"},
		{"descriptor of another kind", "descriptors of other kinds"},
	}
}

// countFiles counts the open files of each of these kinds.
func countFiles(d detail) (n [5]int) {
	for _, f := range d.Files {
		switch to := f.To; {
		case strings.HasPrefix(to, "socket:["):
			n[0]++
		case strings.HasPrefix(to, "/dev/"):
			n[1]++
		case strings.HasPrefix(to, "pipe:["):
			n[2]++
		case strings.HasPrefix(to, "/"):
			n[3]++
		default:
			n[4]++
		}
	}
	return n
}

func readFiles(d detail) string {
	var words []string
	for i, n := range countFiles(d) {
		if n > 0 {
			words = append(words, units.Plural(n, fileKinds()[i][0], fileKinds()[i][1]))
		}
	}
	var s string
	if p := d.Row.P; p.MaxFDs > 0 && p.FDs >= 0 {
		s = units.Percent(int64(p.FDs), int64(p.MaxFDs)) + " of the " + units.Number(int64(p.MaxFDs)) + " that it may have. "
	}
	if words != nil {
		s += strings.Join(words, ", ") + "."
	}
	return strings.TrimSpace(s)
}

// cached explains the difference between what was requested and what disks did.
func cached(all, disk uint64, where, more string) string {
	switch {
	case all == 0 && disk == 0:
		return "None."
	case disk >= all:
		return more
	}
	return units.Percent(all-disk, all) + " of what was requested " + where + "."
}
