package fd

import (
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
)

// kindsOf counts by kind, the most first. Where not all were looked at closely, what
// only that tells apart is counted as one kind.
func kindsOf(l list) string {
	counts := map[inspect.FileKind]int{}
	for i := range l.List {
		k := l.List[i].Kind
		if l.Shown < len(l.List) {
			switch k {
			case inspect.KindFile, inspect.KindDirectory, inspect.KindFIFO, inspect.KindMqueue:
				k = inspect.KindPath
			case inspect.KindChar, inspect.KindBlock:
				k = inspect.KindDevice
			}
		}
		counts[k]++
	}
	return countKinds(counts)
}

func countKinds(counts map[inspect.FileKind]int) string {
	kinds := []inspect.FileKind{}
	for _, k := range inspect.FileKinds() {
		if counts[k] > 0 {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return "none"
	}
	slices.SortStableFunc(kinds, func(a, b inspect.FileKind) int { return counts[b] - counts[a] })
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = explain.Plural(counts[k], plain(k), plural(k))
	}
	return strings.Join(words, ", ")
}

// plain is a kind in a sentence.
func plain(k inspect.FileKind) string {
	switch k {
	case inspect.KindPath:
		return "file"
	case inspect.KindChar:
		return "character device"
	case inspect.KindBlock:
		return "block device"
	case inspect.KindPipe:
		return "end of a pipe"
	case inspect.KindBPF:
		return "BPF object"
	case inspect.KindPerf:
		return "performance counter"
	case inspect.KindMqueue:
		return "message queue"
	case inspect.KindSecret:
		return "secret memory"
	case inspect.KindOther:
		return "of another kind"
	}
	return k.String()
}

func plural(k inspect.FileKind) string {
	switch k {
	case inspect.KindDirectory:
		return "directories"
	case inspect.KindPipe:
		return "ends of pipes"
	case inspect.KindSecret, inspect.KindOther, inspect.KindInotify, inspect.KindFanotify, inspect.KindEpoll:
		return plain(k)
	}
	return plain(k) + "s"
}

// kinds are the words for what a descriptor leads to.
func kinds() []explain.Word {
	gists := map[inspect.FileKind]string{
		inspect.KindPath: "A file or directory, by its path.", inspect.KindFile: "A regular file.", inspect.KindDirectory: "A directory.", inspect.KindDevice: "A device or terminal, by its path.",
		inspect.KindChar: "A character device: a terminal, /dev/null, a driver.", inspect.KindBlock: "A block device: a disk.", inspect.KindPipe: "One end of a pipe.", inspect.KindFIFO: "One end of a pipe with a name.",
		inspect.KindSocket: "A socket.", inspect.KindEventfd: "A counter to wait on.", inspect.KindEpoll: "A set of descriptors to wait on.", inspect.KindTimerfd: "A timer to wait on.",
		inspect.KindSignalfd: "Signals to read instead of handling them.", inspect.KindInotify: "Watches on files and directories.", inspect.KindFanotify: "Watches on file systems.", inspect.KindPidfd: "A process, held by more than its number.",
		inspect.KindIOUring: "A ring of I/O requests.", inspect.KindUserfaultfd: "Page faults to serve oneself.", inspect.KindBPF: "A BPF program, map or link.", inspect.KindMemfd: "Memory that is a file without a name.",
		inspect.KindPerf: "A performance counter.", inspect.KindDMABuf: "Memory shared among devices.", inspect.KindNamespace: "A namespace, kept alive.", inspect.KindMqueue: "A POSIX message queue.", inspect.KindSecret: "Memory that not even the kernel maps (memfd_secret).", inspect.KindOther: "Another kind that the kernel names in the target.",
	}
	var out []explain.Word
	for _, k := range inspect.FileKinds() {
		out = append(out, explain.Word{Name: k.String(), Gist: gists[k], Concept: conceptOfKind(k)})
	}
	return out
}

// conceptOfKind is the essay behind a kind of descriptor.
func conceptOfKind(k inspect.FileKind) explain.Concept {
	switch k {
	case inspect.KindPipe, inspect.KindFIFO:
		return "pipe"
	case inspect.KindSocket:
		return "socket"
	case inspect.KindEpoll:
		return "epoll"
	case inspect.KindInotify, inspect.KindFanotify:
		return "inotify-fanotify"
	case inspect.KindIOUring:
		return "io-uring"
	case inspect.KindNamespace:
		return "namespaces"
	case inspect.KindEventfd, inspect.KindTimerfd, inspect.KindSignalfd, inspect.KindPidfd, inspect.KindMemfd, inspect.KindUserfaultfd:
		return "special-descriptors"
	case inspect.KindFile, inspect.KindDirectory:
		return "inode"
	case inspect.KindChar, inspect.KindBlock, inspect.KindDevice:
		return "everything-is-a-file"
	}
	return "file-descriptor"
}

// Kinds counts a host's descriptors by kind.
func Kinds() *explain.Table[inspect.FDKindPart] {
	type part = inspect.FDKindPart
	declare := func(d doc, get func(part) value) explain.Field[part] {
		d.Source, d.Concept = inspect.PIDFd, "file-descriptor"
		return explain.Field[part]{Doc: d, Get: get}
	}
	return &explain.Table[part]{Name: "kinds", Fields: []explain.Field[part]{
		declare(doc{Key: "kind", Words: kinds(), Gist: "What descriptors lead to, as far as their links tell."}, func(p part) value { return explain.S(p.Kind.String()) }),
		declare(doc{Key: "fds", Label: "FDS", Unit: explain.Count, Counter: true, Gauge: true, Bar: true, Gist: "How many descriptors lead to one, of the processes that may be looked at."}, func(p part) value { return explain.I(p.N) }),
		declare(doc{Key: "why", Gist: "What that is."}, func(p part) value {
			for _, w := range kinds() {
				if w.Name == p.Kind.String() {
					return explain.S(strings.ToLower(w.Gist[:1]) + strings.TrimSuffix(w.Gist[1:], "."))
				}
			}
			return value{}
		}),
	}}
}
