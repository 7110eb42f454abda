package proc

import (
	"maps"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
)

func inout() []detailField {
	io := func(key, gist string, read func(detail) string) detailField {
		return told(doc{Key: key, Kernel: key, Unit: explain.Bytes, Counter: true, Source: inspect.PIDIO, Concept: "page-cache", Gist: gist},
			func(d detail) value { return explain.Look(d.IO, key) }, read)
	}
	return []detailField{
		told(doc{Key: "fds", Label: "open files", Unit: explain.Count, Source: inspect.PIDFd, Concept: "file-descriptor", Gist: "Its open file descriptors."},
			func(d detail) value { return explain.Opt(d.Row.P.FDs) }, readFiles),
		told(doc{Key: "sockets", Unit: explain.Count, Source: inspect.PIDFd, Concept: "file-descriptor", Gist: "How many of these are sockets."},
			func(d detail) value { return explain.I(fileKinds(d)["sockets"]) }, nil),
		io("rchar", "What it read by system calls, from wherever.", nil),
		io("read_bytes", "What it made disks read.", func(d detail) string {
			return cached(d.IO["rchar"], d.IO["read_bytes"], "came from the page cache, pipes and sockets")
		}),
		io("wchar", "What it wrote by system calls.", nil),
		io("write_bytes", "What it made disks write, or will have when it is written back.", func(d detail) string {
			return cached(d.IO["wchar"], d.IO["write_bytes"], "went to pipes, sockets, terminals, or was overwritten in the cache")
		}),
		io("cancelled_write_bytes", "Of that, what was dropped before it reached a disk.", nil),
	}
}

// fileKinds counts what the open files are.
func fileKinds(d detail) map[string]int {
	kinds := map[string]int{}
	for _, f := range d.Files {
		switch to := f.To; {
		case strings.HasPrefix(to, "socket:["):
			kinds["sockets"]++
		case strings.HasPrefix(to, "pipe:["):
			kinds["ends of pipes"]++
		case strings.HasPrefix(to, "/dev/"):
			kinds["devices"]++
		case strings.HasPrefix(to, "/"):
			kinds["files"]++
		default:
			kinds["descriptors of other kinds"]++
		}
	}
	return kinds
}

func readFiles(d detail) string {
	kinds := fileKinds(d)
	var words []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		words = append(words, explain.Number(kinds[k])+" "+k)
	}
	if words == nil {
		return ""
	}
	return strings.Join(words, ", ") + "."
}

func cached(all, disk uint64, where string) string {
	switch {
	case all == 0 && disk == 0:
		return "None."
	case disk >= all:
		return "As much as it asked for, or more: whole blocks, read ahead or mapped."
	}
	return explain.Percent(all-disk, all) + " of what it asked for " + where + "."
}
