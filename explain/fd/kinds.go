package fd

import (
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
	procfacts "kwhy/inspect/proc"
)

// kindsOf counts by kind, the most first. Where not all were looked at closely, what
// only that distinguishes is counted as one kind.
func kindsOf(l list) string {
	counts := map[procfacts.FileKind]int{}
	for i := range l.List {
		k := l.List[i].Kind
		if l.Shown < len(l.List) {
			switch k {
			case procfacts.KindFile, procfacts.KindDirectory, procfacts.KindFIFO, procfacts.KindMqueue:
				k = procfacts.KindPath
			case procfacts.KindChar, procfacts.KindBlock:
				k = procfacts.KindDevice
			}
		}
		counts[k]++
	}
	return countKinds(counts)
}

func countKinds(counts map[procfacts.FileKind]int) string {
	kinds := []procfacts.FileKind{}
	for _, k := range procfacts.FileKinds() {
		if counts[k] > 0 {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return "none"
	}
	slices.SortStableFunc(kinds, func(a, b procfacts.FileKind) int { return counts[b] - counts[a] })
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = units.Plural(counts[k], plain(k), plural(k))
	}
	return strings.Join(words, ", ")
}

// plain is a kind in a sentence.
func plain(k procfacts.FileKind) string {
	switch k {
	case procfacts.KindPath:
		return "file"
	case procfacts.KindChar:
		return "character device"
	case procfacts.KindBlock:
		return "block device"
	case procfacts.KindPipe:
		return "end of a pipe"
	case procfacts.KindBPF:
		return "BPF object"
	case procfacts.KindPerf:
		return "performance counter"
	case procfacts.KindMqueue:
		return "message queue"
	case procfacts.KindSecret:
		return "secret memory"
	case procfacts.KindOther:
		return "of another kind"
	}
	return k.String()
}

func plural(k procfacts.FileKind) string {
	switch k {
	case procfacts.KindDirectory:
		return "directories"
	case procfacts.KindPipe:
		return "ends of pipes"
	case procfacts.KindSecret, procfacts.KindOther, procfacts.KindInotify, procfacts.KindFanotify, procfacts.KindEpoll:
		return plain(k)
	}
	return plain(k) + "s"
}

// kinds are the words for what a descriptor leads to.
func kinds() []explain.Word {
	gists := map[procfacts.FileKind]string{
		procfacts.KindPath:        "A file or directory, by its path.",
		procfacts.KindFile:        "A regular file.",
		procfacts.KindDirectory:   "A directory.",
		procfacts.KindDevice:      "A device or terminal, by its path.",
		procfacts.KindChar:        "A character device: a terminal, /dev/null, a driver.",
		procfacts.KindBlock:       "A block device: a disk.",
		procfacts.KindPipe:        "One end of a pipe.",
		procfacts.KindFIFO:        "One end of a pipe with a name.",
		procfacts.KindSocket:      "A socket.",
		procfacts.KindEventfd:     "A counter to wait on.",
		procfacts.KindEpoll:       "A set of descriptors to wait on.",
		procfacts.KindTimerfd:     "A timer to wait on.",
		procfacts.KindSignalfd:    "Signals to read instead of handling them.",
		procfacts.KindInotify:     "Watches on files and directories.",
		procfacts.KindFanotify:    "Watches on files, directories, mounts or whole file systems.",
		procfacts.KindPidfd:       "A process or a thread, identified by more than its number.",
		procfacts.KindIOUring:     "A ring of I/O requests.",
		procfacts.KindUserfaultfd: "Page faults for a program to handle.",
		procfacts.KindBPF:         "A BPF program, map or link.",
		procfacts.KindMemfd:       "A file in memory, without a name.",
		procfacts.KindPerf:        "A performance counter.",
		procfacts.KindDMABuf:      "Memory shared among devices.",
		procfacts.KindNamespace:   "A namespace, kept alive.",
		procfacts.KindMqueue:      "A POSIX message queue.",
		procfacts.KindSecret:      "Memory that not even the kernel maps (memfd_secret).",
		procfacts.KindOther:       "Another kind that the kernel names in the target.",
	}
	var out []explain.Word
	for _, k := range procfacts.FileKinds() {
		out = append(out, explain.Word{Name: k.String(), Gist: gists[k], Concept: conceptOfKind(k)})
	}
	return out
}

// conceptOfKind is the essay behind a kind of descriptor.
func conceptOfKind(k procfacts.FileKind) explain.Concept {
	switch k {
	case procfacts.KindPipe, procfacts.KindFIFO:
		return "pipe"
	case procfacts.KindSocket:
		return "socket"
	case procfacts.KindEpoll:
		return "epoll"
	case procfacts.KindInotify, procfacts.KindFanotify:
		return "inotify-fanotify"
	case procfacts.KindIOUring:
		return "io-uring"
	case procfacts.KindNamespace:
		return "namespaces"
	case procfacts.KindEventfd, procfacts.KindTimerfd, procfacts.KindSignalfd,
		procfacts.KindPidfd, procfacts.KindMemfd, procfacts.KindUserfaultfd:
		return "special-descriptors"
	case procfacts.KindFile, procfacts.KindDirectory:
		return "inode"
	case procfacts.KindChar, procfacts.KindBlock, procfacts.KindDevice:
		return "everything-is-a-file"
	}
	return "file-descriptor"
}

// Kinds counts a host's descriptors by kind.
func Kinds() *explain.Table[fdfacts.KindPart] {
	type part = fdfacts.KindPart
	ofCount := func(d doc, get func(part) value) explain.Field[part] {
		d.Source, d.Concept = inspect.PIDFd, "file-descriptor"
		return explain.Field[part]{Doc: d, Get: get}
	}
	return &explain.Table[part]{Name: "kinds", Fields: []explain.Field[part]{
		ofCount(doc{
			Key:   "kind",
			Words: kinds(),
			Gist:  "What descriptors lead to, as far as their links show.",
		}, func(p part) value { return explain.S(p.It.Kind.String()) }),
		ofCount(doc{
			Key: "fds", Label: "FDS", Unit: explain.Count, Counter: true, Gauge: true, Bar: true,
			Gist: "How many descriptors lead to one, of the visible processes.",
		}, func(p part) value { return explain.I(p.It.N) }),
		ofCount(doc{Key: "why", Label: explain.Description, Gist: "What that is."}, func(p part) value {
			for _, w := range kinds() {
				if w.Name == p.It.Kind.String() {
					return explain.S(strings.ToLower(w.Gist[:1]) + strings.TrimSuffix(w.Gist[1:], "."))
				}
			}
			return value{}
		}),
	}}
}
