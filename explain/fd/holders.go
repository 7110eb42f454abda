package fd

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
)

type holderRow = inspect.HolderPart

// Holders lists who has something open. For deleted files it tells sizes.
func Holders(deleted bool) *explain.Table[holderRow] {
	type column = explain.Field[holderRow]
	declare := func(d doc, get func(*inspect.Holder) value) column {
		d.Source, d.Concept = inspect.PIDFd, "file-descriptor"
		return column{Doc: d, Get: func(r holderRow) value { return get(r.It) }}
	}
	fields := []column{
		declare(doc{Key: "pid", Unit: explain.Plain, Gist: "Who has it open."}, func(h *inspect.Holder) value { return explain.I(h.P.PID) }),
		declare(doc{Key: "comm", Label: "NAME", Gist: "The name of the process."}, func(h *inspect.Holder) value { return explain.S(h.P.Comm) }),
		declare(doc{Key: "how", Words: hows(), Gist: "By what it has it."}, func(h *inspect.Holder) value { return explain.S(h.How) }),
		declare(doc{Key: "fd", Label: "FD", Unit: explain.Plain, Gist: "By which descriptor."}, func(h *inspect.Holder) value {
			if h.FD < 0 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(h.FD)
		}),
	}
	name := "holders"
	if deleted {
		name = "deleted"
		fields = append(fields,
			declare(doc{Key: "taken", Unit: explain.Bytes, Gist: "What it takes of its file system."}, func(h *inspect.Holder) value { return explain.N(h.Taken) }),
			declare(doc{Key: "size", Unit: explain.Bytes, Show: explain.Data, Gist: "How long it is."}, func(h *inspect.Holder) value { return explain.N(h.Size) }),
			declare(doc{Key: "dev", Show: explain.Data, Gist: "The device of its file system, major:minor."}, func(h *inspect.Holder) value { return explain.S(device(h.Dev)) }),
			declare(doc{Key: "inode", Unit: explain.ID, Show: explain.Data, Gist: "The number of its inode there."}, func(h *inspect.Holder) value { return explain.N(h.Inode) }))
	}
	return &explain.Table[holderRow]{Name: name, Fields: append(fields,
		declare(doc{Key: "target", Gist: "What the kernel calls it."}, func(h *inspect.Holder) value { return explain.S(h.Target) }),
		declare(doc{Key: "why", Gist: "What follows from it."}, func(h *inspect.Holder) value { return explain.S(whyHolder(h, deleted)) }))}
}

func hows() []explain.Word {
	word := func(name, gist string) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: "file-descriptor"}
	}
	return []explain.Word{word("fd", "By a descriptor."), word("cwd", "As its working directory."), word("root", "As its root directory."), word("exe", "As the program that it runs."), word("mapped", "In its memory.")}
}

func whyHolder(h *inspect.Holder, deleted bool) string {
	switch {
	case deleted && h.How == "fd":
		return fmt.Sprintf("closing it gives the space back; without that, truncate -s 0 /proc/%d/fd/%d does, if the program can lose what is in it", h.P.PID, h.FD)
	case deleted:
		return "mapped: a program or library that was replaced; a restart of the process gives the space back"
	case h.Socket != nil:
		return strings.TrimPrefix(socket(&inspect.FD{Socket: h.Socket}), "; ")
	}
	switch h.How {
	case "cwd":
		return "works in it: that keeps the file system mounted"
	case "root":
		return "takes it for its root directory"
	case "exe":
		return "runs it: writing to it fails with ETXTBSY"
	case "mapped":
		return "has it mapped into its memory"
	}
	return "has it open"
}
