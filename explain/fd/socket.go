package fd

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
)

// socketColumn is a column of any table whose rows have a socket.
type socketColumn struct {
	doc
	of func(*fdfacts.Socket) value
}

// socketColumns are what a socket is, in parts; a row without one has none of them.
func socketColumns() []socketColumn {
	ofSocket := func(d doc, get func(*fdfacts.Socket) value) socketColumn {
		d.Show, d.Source, d.Concept = explain.Data, inspect.PIDNet, "file-descriptor"
		return socketColumn{d, func(s *fdfacts.Socket) value {
			if s == nil {
				return explain.None(inspect.Inapplicable)
			}
			return get(s)
		}}
	}
	text := func(s string) value {
		if s == "" {
			return explain.None(inspect.Inapplicable)
		}
		return explain.S(s)
	}
	queue := func(n func(*fdfacts.Socket) uint64) func(*fdfacts.Socket) value {
		return func(s *fdfacts.Socket) value {
			if !s.Local.IsValid() {
				return explain.None(inspect.Inapplicable) // they are of addresses with a port
			}
			return explain.N(n(s))
		}
	}
	return []socketColumn{
		ofSocket(doc{
			Key:  "protocol",
			Gist: "The file of /proc/net that has it: tcp, udp6, unix, ...",
		}, func(s *fdfacts.Socket) value { return explain.S(s.Protocol) }),
		ofSocket(doc{Key: "local", Gist: "Its own address, or the path of a unix socket."}, func(s *fdfacts.Socket) value {
			if s.Local.IsValid() {
				return explain.S(s.Local.String())
			}
			return text(s.Path)
		}),
		ofSocket(doc{
			Key:  "remote",
			Gist: "The address of its peer, or the path that a unix peer is bound to.",
		}, func(s *fdfacts.Socket) value {
			if connected(s) {
				return explain.S(s.Peer.String())
			}
			return text(s.PeerPath)
		}),
		ofSocket(doc{Key: "state", Gist: "Its state: LISTEN, ESTABLISHED, ..."}, func(s *fdfacts.Socket) value { return text(s.State) }),
		ofSocket(doc{
			Key: "recv_queue", Unit: explain.Count,
			Gist: "Bytes unread; of a listener connections; of UDP and raw memory charged.",
		}, queue(func(s *fdfacts.Socket) uint64 { return s.Recv })),
		ofSocket(doc{
			Key: "send_queue", Unit: explain.Count,
			Gist: "Bytes unsent or unacknowledged; of UDP and raw the memory charged for them.",
		}, queue(func(s *fdfacts.Socket) uint64 { return s.Send })),
		ofSocket(doc{
			Key: "peer_inode", Unit: explain.ID,
			Gist: "The inode of the other side of a unix socket.",
		}, func(s *fdfacts.Socket) value {
			if s.PeerInode == 0 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.N(s.PeerInode)
		}),
	}
}

func connected(s *fdfacts.Socket) bool {
	return s.Peer.IsValid() && (s.Peer.Port() != 0 || !s.Peer.Addr().IsUnspecified())
}

// socket describes a descriptor's socket. One that is in no file of /proc/net has its
// protocol by the name that the kernel gives it.
func socket(f *fdfacts.Descriptor) string {
	if f.Socket != nil {
		return describe(f.Socket) + peer(f)
	}
	switch name := f.Proto; {
	case name == "":
		return "socket that /proc/net does not list: not bound yet, of another network namespace, or of a family without a file there"
	case strings.HasPrefix(name, "AF_"):
		return name + " socket: /proc/net has no file for its family"
	case listed(name):
		return name + " socket, neither bound nor connected, or of another network namespace"
	default:
		return name + " socket: /proc/net does not list it"
	}
}

// listed says of which protocols /proc/net lists the sockets once they have an
// address, by the names in /proc/net/protocols.
func listed(name string) bool {
	switch strings.TrimSuffix(name, "v6") {
	case "TCP", "UDP", "UDPLITE", "UDP-Lite", "RAW", "PING":
		return true
	}
	return false
}

// describe says what a socket is.
func describe(s *fdfacts.Socket) string {
	switch s.Protocol {
	case "unix":
		name := "unix " + s.Type + " socket"
		if s.Path != "" {
			name += " at " + s.Path
		}
		return name + state(s) + waiting(s)
	case "netlink":
		return "netlink socket to the kernel's " + s.Note
	case "packet":
		return "packet socket: it sees frames as they come from the interface"
	}
	name := s.Protocol + " " + s.Local.String()
	if connected(s) {
		name += " to " + s.Peer.String()
	}
	name += state(s) + queues(s)
	if s.State == "CLOSE_WAIT" {
		name += ": the peer has closed, and this program has yet to"
	}
	return name
}

func waiting(s *fdfacts.Socket) string {
	if s.State != "LISTEN" || s.Recv == 0 {
		return ""
	}
	return ", " + units.Plural(s.Recv, "connection waits", "connections wait") + " to be accepted"
}

// queues says what waits. TCP counts bytes of the stream; the others what the kernel
// charges for whole packets, its own bookkeeping included (net/ipv4/udp.c,
// udp4_format_sock: sk_rmem_alloc), which is some hundred bytes more than they carry.
func queues(s *fdfacts.Socket) string {
	switch {
	case s.State == "LISTEN":
		return waiting(s)
	case s.Recv == 0 && s.Send == 0:
		return ""
	case strings.HasPrefix(s.Protocol, "tcp"):
		return fmt.Sprintf(", %s unread, %s unsent or unacknowledged", units.Size(s.Recv), units.Size(s.Send))
	case s.Send == 0:
		return ", what is unread takes " + units.Size(s.Recv) + " of memory"
	}
	return fmt.Sprintf(", what is unread takes %s of memory, what is not sent yet %s", units.Size(s.Recv), units.Size(s.Send))
}

// peer says who has the other side of a unix socket.
func peer(f *fdfacts.Descriptor) string {
	if f.Socket == nil || f.Socket.PeerInode == 0 {
		return ""
	}
	who := ends(f.Ends)
	s := ""
	if f.Socket.PeerPath != "" {
		s = "; the other side is bound to " + f.Socket.PeerPath
	}
	if len(who) == 0 {
		return s + "; no visible process has the other side"
	}
	return s + "; the other side is open in " + few(who)
}

func state(s *fdfacts.Socket) string {
	if s.State == "" {
		return ""
	}
	return ", " + s.State
}
