package fd

import (
	"strconv"

	"kwhy/explain"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
)

type (
	sockHolders = *fdfacts.SocketHolders
	sockHolder  = fdfacts.SocketHolderPart
)

// SocketHolders lists who has the sockets with an address.
func SocketHolders() *explain.Table[sockHolder] {
	type column = explain.Field[sockHolder]
	ofHolder := func(d doc, get func(*fdfacts.SocketHolder) value) column {
		d.Source, d.Concept = inspect.PIDFd, "file-descriptor"
		return column{Doc: d, Get: func(r sockHolder) value { return get(r.It) }}
	}
	columns := []column{
		ofHolder(doc{Key: "pid", Unit: explain.Plain, Gist: "Who has it open."},
			func(h *fdfacts.SocketHolder) value { return explain.I(h.P.PID) }),
		ofHolder(doc{Key: "comm", Label: "NAME", Gist: "The name of the process."},
			func(h *fdfacts.SocketHolder) value { return explain.S(h.P.Comm) }),
		ofHolder(doc{
			Key: "fd", Label: "FD", Unit: explain.Plain,
			Gist: "The descriptors that lead to it.",
		}, func(h *fdfacts.SocketHolder) value {
			out := []value{}
			for _, n := range h.FDs {
				out = append(out, explain.I(n))
			}
			return explain.L(out)
		}),
	}
	for _, c := range socketColumns() {
		columns = append(columns, ofHolder(c.doc, func(h *fdfacts.SocketHolder) value { return c.of(h.Socket) }))
	}
	return &explain.Table[sockHolder]{Name: "socket_holders", Sort: []string{"-pid"}, Fields: append(columns,
		ofHolder(doc{
			Key: "inode", Unit: explain.ID, Show: explain.Data,
			Gist: "The number of its inode, which identifies it in the kernel.",
		}, func(h *fdfacts.SocketHolder) value { return explain.N(h.Inode) }),
		ofHolder(doc{
			Key: "side", Show: explain.Data,
			Words: []explain.Word{
				{Name: "local", Gist: "The address is its own.", Concept: "file-descriptor"},
				{Name: "peer", Gist: "The address is its peer's.", Concept: "file-descriptor"},
			},
			Gist: "Whether the address is its own or its peer's.",
		}, func(h *fdfacts.SocketHolder) value {
			if h.Remote {
				return explain.S("peer")
			}
			return explain.S("local")
		}),
		netnsOfHolder(),
		ofHolder(doc{Key: "why", Label: explain.Description, Gist: "What that socket is."},
			func(h *fdfacts.SocketHolder) value { return explain.S(whySocket(h)) }))}
}

func netnsOfHolder() explain.Field[sockHolder] {
	return explain.Field[sockHolder]{
		Doc: doc{
			Key: "netns", Unit: explain.ID, Show: explain.Data, Source: inspect.PIDFd, Concept: "file-descriptor",
			Gist: "The number of the network namespace that it is in.",
		},
		Get: func(r sockHolder) value {
			switch {
			case r.It.Netns != 0:
				return explain.N(r.It.Netns)
			case !r.In.Procs.Host.Host.Live:
				return explain.None(inspect.NotSaved)
			}
			return explain.None(inspect.Denied)
		},
	}
}

func whySocket(h *fdfacts.SocketHolder) string {
	s := describe(h.Socket)
	if h.Remote {
		s += "; the address is its peer's"
	}
	if h.Maybe {
		s += ", and of IPv4 too unless IPV6_V6ONLY is set"
	}
	if h.NetnsPID != 0 {
		s += "; in the network namespace of process " + strconv.Itoa(int(h.NetnsPID))
	}
	return s
}
