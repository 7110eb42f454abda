package fd

import (
	"fmt"

	"kwhy/explain"
	"kwhy/inspect"
)

func socket(f *inspect.FD) string {
	s := f.Socket
	if s == nil {
		return "socket that /proc/net does not list: not bound yet, of another network namespace, or of a family without a file there"
	}
	switch s.Protocol {
	case "unix":
		name := "unix " + s.Type + " socket"
		if s.Path != "" {
			name += " at " + s.Path
		}
		return name + state(s)
	case "netlink":
		return "netlink socket to the kernel's " + s.Note
	case "packet":
		return "packet socket: it sees frames as they come from the interface"
	}
	name := s.Protocol + " " + s.Local.String()
	if s.Peer.Port() != 0 || !s.Peer.Addr().IsUnspecified() {
		name += " to " + s.Peer.String()
	}
	name += state(s)
	switch {
	case s.State == "LISTEN" && s.Recv > 0:
		name += ", " + explain.Plural(s.Recv, "connection waits", "connections wait") + " to be accepted"
	case s.Recv > 0 || s.Send > 0:
		name += fmt.Sprintf(", %s unread, %s unsent or unanswered", explain.Size(s.Recv), explain.Size(s.Send))
	}
	if s.State == "CLOSE_WAIT" {
		name += ": the peer has closed, and this program has yet to"
	}
	return name
}

// peer says who has the other side of a unix socket.
func peer(f *inspect.FD) string {
	if f.Socket == nil || f.Socket.PeerInode == 0 {
		return ""
	}
	var who []string
	for _, e := range f.Ends {
		who = append(who, fmt.Sprintf("%s (%d) as %d", e.P.Comm, e.P.PID, e.FD))
	}
	s := ""
	if f.Socket.PeerPath != "" {
		s = "; the other side is bound to " + f.Socket.PeerPath
	}
	if len(who) == 0 {
		return s + "; nobody that can be seen has the other side"
	}
	return s + "; the other side has " + few(who)
}

func state(s *inspect.Socket) string {
	if s.State == "" {
		return ""
	}
	return ", " + s.State
}
