package fd

import (
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
)

type (
	holders   = *fdfacts.PathHolders
	holderRow = fdfacts.PathHolderPart
)

// PathHolders lists who has a file, or something of a file system, open.
func PathHolders() *explain.Table[holderRow] {
	type column = explain.Field[holderRow]
	ofHolder := func(d doc, get func(*fdfacts.PathHolder) value) column {
		d.Source, d.Concept = inspect.PIDFd, "file-descriptor"
		return column{Doc: d, Get: func(r holderRow) value { return get(r.It) }}
	}
	list := func(fds []int32) value {
		out := []value{}
		for _, n := range fds {
			out = append(out, explain.I(n))
		}
		return explain.L(out)
	}
	return &explain.Table[holderRow]{Name: "holders", Sort: []string{"-pid"}, Fields: []column{
		ofHolder(doc{Key: "pid", Unit: explain.Plain, Gist: "Who has it open."},
			whereProcess(func(h *fdfacts.PathHolder) value { return explain.I(h.P.PID) })),
		ofHolder(doc{Key: "comm", Label: "NAME", Gist: "The name of the process."},
			whereProcess(func(h *fdfacts.PathHolder) value { return explain.S(h.P.Comm) })),
		{Doc: doc{
			Key: "kernel_holder", Show: explain.Data, Source: inspect.LoopBacking, Also: []inspect.Source{inspect.Swaps}, Concept: "deleted-files",
			Gist: "What of the kernel has it, where it is no process: a loop device, or swap.",
		}, Get: func(r holderRow) value {
			if r.It.P != nil {
				return explain.None(inspect.Inapplicable)
			}
			return explain.S(r.It.Kernel)
		}},
		ofHolder(doc{Key: "how", Words: ways(), Gist: "How it has it open."},
			func(h *fdfacts.PathHolder) value { return explain.L(how(h)) }),
		ofHolder(doc{
			Key: "fds", Label: "FDS", Unit: explain.Count, Show: explain.Wide,
			Gist: "How many of its descriptors lead there.",
		}, func(h *fdfacts.PathHolder) value { return explain.I(len(h.FDs) + len(h.Nodes)) }),
		ofHolder(doc{
			Key: "maps", Unit: explain.Count, Show: explain.Wide,
			Gist: "How many files there it has mapped.",
		}, func(h *fdfacts.PathHolder) value { return explain.I(h.Maps) }),
		ofHolder(doc{
			Key: "fd", Label: "FD", Unit: explain.Plain, Show: explain.Data,
			Gist: "The descriptors that lead there.",
		}, func(h *fdfacts.PathHolder) value { return list(h.FDs) }),
		ofHolder(doc{
			Key: "node", Unit: explain.Plain, Show: explain.Data,
			Gist: "The descriptors on the device itself.",
		}, func(h *fdfacts.PathHolder) value { return list(h.Nodes) }),
		ofHolder(doc{
			Key:  "target",
			Gist: "The kernel's name for the first that was found.",
		}, func(h *fdfacts.PathHolder) value { return explain.S(h.Target) }),
		{
			Doc: doc{Key: "why", Label: explain.Description, Source: inspect.PIDFd, Concept: "file-descriptor", Gist: "What it has there."},
			Get: func(r holderRow) value { return explain.S(whyHolder(r.It, r.In.Whole)) },
		},
	}}
}

// whereProcess is of a holder that is a process.
func whereProcess(get func(*fdfacts.PathHolder) value) func(*fdfacts.PathHolder) value {
	return func(h *fdfacts.PathHolder) value {
		if h.P == nil {
			return explain.None(inspect.Inapplicable)
		}
		return get(h)
	}
}

func ways() []explain.Word {
	word := func(name, gist string) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: "file-descriptor"}
	}
	return []explain.Word{
		word("node", "By a descriptor on the device itself."),
		word("fd", "By a descriptor."),
		word("cwd", "As its working directory."),
		word("root", "As its root directory."),
		word("exe", "As the program that it runs."),
		word("mapped", "In its memory."),
		word("loop", "As the file behind a loop device."),
		word("swap", "As swap."),
	}
}

func how(h *fdfacts.PathHolder) (out []value) {
	ofKernel := h.P == nil
	for i, has := range []bool{
		len(h.Nodes) > 0, len(h.FDs) > 0, h.Cwd, h.Root, h.Exe, h.Maps > 0, ofKernel && h.Kernel != swapped, ofKernel && h.Kernel == swapped,
	} {
		if has {
			out = append(out, explain.S(ways()[i].Name))
		}
	}
	return out
}

// swapped is what of the kernel has a swap file.
const swapped = "swap"

// whyKernel says what of the kernel has it, and what ends that.
func whyKernel(h *fdfacts.PathHolder) string {
	if h.Kernel == swapped {
		return "the kernel swaps to it: swapoff " + units.Shell(h.Target) + " ends that"
	}
	return "loop device " + h.Kernel + " has it as its file: when nothing of that is in use, losetup -d /dev/" + h.Kernel + " ends that"
}

// whyHolder says what a process has of a file, or of a whole file system.
func whyHolder(h *fdfacts.PathHolder, whole bool) string {
	if h.P == nil {
		return whyKernel(h)
	}
	var s []string
	say := func(has bool, one, any string) {
		switch {
		case has && whole:
			s = append(s, any)
		case has:
			s = append(s, one)
		}
	}
	if len(h.Nodes) > 0 {
		s = append(s, "has the device itself open as "+numbers(h.Nodes))
	}
	say(len(h.FDs) > 0, "has it open as "+numbers(h.FDs), "has "+
		units.Plural(len(h.FDs), "file of it open", "files of it open")+": "+numbers(h.FDs))
	say(h.Cwd, "works in it: that keeps the file system mounted", "works in a directory of it")
	say(h.Root, "has it as its root directory", "has its root directory there")
	say(h.Exe, "runs it: writing to it fails with ETXTBSY", "runs a program of it")
	say(h.Maps > 0 && (whole || !h.Exe), "has it mapped into its memory", "has "+
		units.Plural(h.Maps, "file of it mapped", "files of it mapped"))
	return strings.Join(s, "; ")
}
