package net

import (
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/explain"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

// Sockets is the table of sockets of a network namespace.
func Sockets() *explain.Table[row] {
	var fields []column
	for _, list := range [][]column{who(), traffic(), queues(), timing(), owners(), memory(), flow(), specific()} {
		fields = append(fields, list...)
	}
	return &explain.Table[row]{
		Name:     "sockets",
		Identity: []string{"protocol", "local_endpoint", "peer_endpoint"}, Sort: []string{"waiting"},
		Fields: append(fields, whyColumn()), Rules: rules(),
	}
}

// ofSocket declares a column of what every source has of a socket.
func ofSocket(d doc, get func(*sockdiag.Socket) value) column {
	if d.Source == inspect.None {
		d.Source = inspect.NetSockets
	}
	if d.Concept == "" {
		d.Concept = "socket"
	}
	return column{Doc: d, Get: func(r row) value { return get(r.It) }}
}

func text(s string) value {
	if s == "" {
		return explain.None(inspect.Inapplicable)
	}
	return explain.S(s)
}

// who are the columns that say which socket it is.
func who() []column {
	return []column{
		ofSocket(doc{
			Key:   "protocol",
			Words: protocols(),
			Gist:  "The protocol, by the name of its file in /proc/net.",
		}, func(s *sockdiag.Socket) value { return explain.S(s.ProtocolName()) }),
		{
			Doc: doc{
				Key: "local_endpoint", Label: "LOCAL", Source: inspect.NetSockets, Concept: "socket",
				Gist: "Its own address and port, name of a unix socket, or family of a netlink one.",
			},
			Write: func(b []byte, r row) []byte { return appendLocal(b, r.It) },
		},
		{
			Doc: doc{
				Key: "peer_endpoint", Label: "PEER", Source: inspect.NetSockets, Concept: "socket",
				Gist: "The peer's address and port, or who has the other end of a unix socket.",
			},
			Write: appendPeer,
		},
		{
			Doc: doc{
				Key: "local", Show: explain.Data, Source: inspect.NetSockets, Concept: "socket",
				Gist: "The address that it is bound to, or the path of a unix socket.",
			},
			Write: func(b []byte, r row) []byte {
				if r.It.Unix != nil {
					return append(b, r.It.Unix.Name...)
				}
				return appendAddr(b, r.It.Local())
			},
		},
		ofSocket(doc{
			Key: "local_port", Unit: explain.Plain, Show: explain.Data,
			Gist: "The port that it is bound to.",
		}, func(s *sockdiag.Socket) value { return port(s, s.LocalPort) }),
		{
			Doc: doc{
				Key: "peer", Show: explain.Data, Source: inspect.NetSockets, Concept: "socket",
				Gist: "The peer's address, or where the other unix socket is bound.",
			},
			Write: func(b []byte, r row) []byte {
				if p := r.Net.PeerOf(r.It); p != nil {
					return append(b, p.Unix.Name...)
				}
				if !r.It.Connected() {
					return b
				}
				return appendAddr(b, r.It.Remote())
			},
		},
		ofSocket(doc{
			Key: "peer_port", Unit: explain.Plain, Show: explain.Data,
			Gist: "The peer's port.",
		}, func(s *sockdiag.Socket) value { return port(s, s.PeerPort) }),
		ofSocket(doc{
			Key: "state", Concept: "tcp-states",
			Words: states(),
			Gist:  "Its state between opening and closing.",
		}, func(s *sockdiag.Socket) value { return text(s.StateName()) }),
	}
}

// appendAddr appends an address; nothing where there is none.
func appendAddr(b []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return b
	}
	return a.Addr().AppendTo(b)
}

func port(s *sockdiag.Socket, n uint16) value {
	if n == 0 || !s.Local().IsValid() || strings.HasPrefix(s.ProtocolName(), "raw") { // there it is the protocol
		return explain.None(inspect.Inapplicable)
	}
	return explain.I(int(n))
}

// appendLocal appends where a socket is bound. Every address is an asterisk.
func appendLocal(b []byte, s *sockdiag.Socket) []byte {
	switch s.Family {
	case unix.AF_UNIX:
		return append(b, s.Unix.Name...)
	case unix.AF_NETLINK:
		return append(b, netfacts.NetlinkFamily(s.Protocol)...)
	case unix.AF_PACKET:
		return b
	}
	if at := s.Local(); !at.Addr().IsUnspecified() {
		return at.AppendTo(b)
	}
	return strconv.AppendUint(append(b, "*:"...), uint64(s.LocalPort), 10)
}

// localName is where a socket is bound.
func localName(s *sockdiag.Socket) string { return string(appendLocal(nil, s)) }

// appendPeer appends the peer of a socket; of a unix socket without a path who
// has the other end.
func appendPeer(b []byte, r row) []byte {
	s := r.It
	if s.Unix != nil {
		if p := r.Net.PeerOf(s); p != nil && p.Unix.Name != "" {
			return append(b, p.Unix.Name...)
		}
		return append(b, nameOf(r.Net.OwnersOf(s.Unix.Peer))...)
	}
	if !s.Connected() || !s.Remote().IsValid() {
		return b
	}
	return s.Remote().AppendTo(b)
}

// queues are the columns of what waits.
func queues() []column {
	ofListener := func(d doc, get func(*sockdiag.Socket) uint32) column {
		d.Concept, d.Also = "accept-queue", []inspect.Source{inspect.SockDiag}
		return ofSocket(d, func(s *sockdiag.Socket) value {
			switch {
			case !s.IsListener():
				return explain.None(inspect.Inapplicable)
			case !s.Told.Has(sockdiag.Queues) && (d.Source == inspect.SockDiag || s.Unix != nil):
				return value{} // why sock_diag did not tell it
			}
			return explain.N(get(s))
		})
	}
	ofQueue := func(d doc, get func(*sockdiag.Socket) uint32) column {
		d.Unit, d.Concept = explain.Bytes, "socket-buffers"
		return ofSocket(d, func(s *sockdiag.Socket) value {
			if s.IsListener() || !s.Told.Has(sockdiag.Queues) {
				return explain.None(inspect.Inapplicable)
			}
			return explain.N(get(s))
		})
	}
	return []column{
		ofQueue(doc{
			Key: "recv_q", Label: "RECV-Q", Show: explain.Wide,
			Gist: "Received bytes that its program has not read (unix datagrams: the first one's).",
		}, func(s *sockdiag.Socket) uint32 { return s.RQueue }),
		ofQueue(doc{
			Key: "send_q", Label: "SEND-Q", Show: explain.Wide,
			Gist: "Bytes written and not acknowledged (unix: memory); its SYN or FIN counts as one.",
		}, func(s *sockdiag.Socket) uint32 { return s.WQueue }),
		ofSocket(doc{
			Key: "waiting", Unit: explain.Bytes, Show: explain.Asked, Concept: "socket-buffers",
			Gist: "Both queues together; of a listener 0.",
		}, func(s *sockdiag.Socket) value {
			if s.IsListener() {
				return explain.N(uint(0))
			}
			return explain.N(uint64(s.RQueue) + uint64(s.WQueue))
		}),
		ofListener(doc{
			Key: "accept_queue", Unit: explain.Count, Show: explain.Data,
			Gist: "Connections of a listener that wait for its program to accept them.",
		}, func(s *sockdiag.Socket) uint32 { return s.RQueue }),
		ofListener(doc{
			Key: "accept_limit", Unit: explain.Count, Show: explain.Data, Source: inspect.SockDiag,
			Gist: "The lower of listen()'s backlog and somaxconn; one more than that may wait.",
		}, func(s *sockdiag.Socket) uint32 { return s.WQueue }),
	}
}

// timing are the columns of the timer.
func timing() []column {
	return []column{
		ofSocket(doc{
			Key: "timer", Show: explain.Data, Concept: "congestion-control",
			Words: timers(),
			Gist:  "What the kernel will do when its timer goes off.",
		}, func(s *sockdiag.Socket) value {
			words := [...]string{"", "on", "keepalive", "timewait", "persist"}
			if int(s.Timer) >= len(words) {
				return explain.None(inspect.Inapplicable)
			}
			return text(words[s.Timer])
		}),
		ofSocket(doc{
			Key: "timer_expires", Unit: explain.Seconds, Show: explain.Data,
			Concept: "congestion-control",
			Gist:    "How long until it goes off.",
		}, func(s *sockdiag.Socket) value {
			if s.Timer == 0 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.F(float64(s.Expires) / 1e3)
		}),
		ofSocket(doc{
			Key: "timer_tries", Unit: explain.Count, Show: explain.Data, Concept: "congestion-control",
			Gist: "How often it went off without an answer.",
		}, func(s *sockdiag.Socket) value {
			if s.Timer == 0 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.N(s.Retrans)
		}),
	}
}

// owners are the columns of who has it.
func owners() []column {
	ofOwners := func(d doc, get func(row, netfacts.Owners) value) column {
		d.Source, d.Also, d.Concept = inspect.PIDFd, append(d.Also, inspect.PIDStat), "file-descriptor"
		return column{Doc: d, Get: func(r row) value {
			list := r.Owners()
			switch {
			case list.Len() > 0:
				return get(r, list)
			case r.It.Inode != 0 && !r.Net.SeenOf(inspect.PIDFd).Whole():
				return explain.None(r.Net.SeenOf(inspect.PIDFd).Reason)
			}
			return explain.None(inspect.Inapplicable)
		}}
	}
	return []column{
		ofOwners(doc{
			Key: "process", Show: explain.Wide,
			Gist: "The first process that has it, and how many more do.",
		}, func(_ row, list netfacts.Owners) value { return explain.S(nameOf(list)) }),
		ofOwners(doc{
			Key: "pid", Unit: explain.Plain, Show: explain.Data,
			Gist: "The number of the first process that has it.",
		}, func(_ row, list netfacts.Owners) value { return explain.I(list.At(0).P.PID) }),
		ofOwners(doc{
			Key: "owners", Show: explain.Data,
			Gist: "Which processes have it: pid, fd and comm of each.",
		}, func(_ row, list netfacts.Owners) value {
			out := make([]value, 0, list.Len())
			for i := range list.Len() {
				o := list.At(i)
				out = append(out, explain.R("pid fd comm", explain.I(o.P.PID), explain.I(o.FD), explain.S(o.P.Comm)))
			}
			return explain.L(out)
		}),
		ofOwners(doc{
			Key: "cgroup", Show: explain.Data, Also: []inspect.Source{inspect.PIDCgroup},
			Gist: "The memory cgroup of the first process that has it.",
		}, func(_ row, list netfacts.Owners) value { return text(list.At(0).P.Cgroup) }),
		ofSocket(doc{Key: "uid", Unit: explain.Plain, Show: explain.Data, Gist: "The user who made it."}, func(s *sockdiag.Socket) value {
			if s.Inode == 0 || s.Unix != nil && !s.Told.Has(sockdiag.Netlink) || s.Family == unix.AF_NETLINK {
				return explain.None(inspect.Inapplicable)
			}
			return explain.N(s.UID)
		}),
		ofSocket(doc{
			Key: "inode", Unit: explain.ID, Show: explain.Data,
			Gist: "Its number in socket:[...]; absent once closed, and before accept.",
		}, func(s *sockdiag.Socket) value {
			if s.Inode == 0 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.N(s.Inode)
		}),
		ofSocket(doc{Key: "source", Words: origins(), Show: explain.Data, Gist: "Where the row is from."}, func(s *sockdiag.Socket) value {
			if s.Told.Has(sockdiag.Netlink) {
				return explain.S("sock_diag")
			}
			return explain.S("proc")
		}),
	}
}

// nameOf names the first of those who have a socket.
func nameOf(list netfacts.Owners) string {
	if list.Len() == 0 {
		return ""
	}
	p := list.At(0).P
	name := append(append(make([]byte, 0, 64), p.Comm...), '(')
	name = append(strconv.AppendInt(name, int64(p.PID), 10), ')')
	if n := list.Others(); n > 0 {
		name = strconv.AppendInt(append(name, " +"...), int64(n), 10)
	}
	return string(name)
}

// memory are the nine numbers of SKMEMINFO (net/core/sock.c, sk_get_meminfo).
func memory() []column {
	ofMemory := func(i int, d doc) column {
		d.Source, d.Concept, d.Show = inspect.SockDiag, "socket-buffers", explain.Data
		d.Key = strings.ReplaceAll(d.Kernel, ".", "_")
		return ofSocket(d, func(s *sockdiag.Socket) value {
			group := sockdiag.Memory
			if i == sockdiag.Drops {
				group = sockdiag.Dropped
			}
			if !s.Told.Has(group) {
				return noGroup(s)
			}
			return explain.N(s.Mem[i])
		})
	}
	drops := ofMemory(sockdiag.Drops, doc{
		Kernel: "sk_drops", Label: "DROPS", Unit: explain.Count, Counter: true,
		Gist: "Packets dropped at it since it was made; of a listener connections.",
	})
	drops.Source, drops.Also, drops.Watched = inspect.NetSockets, []inspect.Source{inspect.SockDiag}, true
	return []column{
		ofMemory(sockdiag.RmemAlloc, doc{
			Kernel: "sk_rmem_alloc", Label: "RMEM", Unit: explain.Bytes,
			Gist: "Memory of what came and was not read, out of order too, with the overhead.",
		}),
		ofMemory(sockdiag.RcvBuf, doc{
			Kernel: "sk_rcvbuf", Label: "RCVBUF", Unit: explain.Bytes,
			Gist: "The most memory that unread data may take.",
		}),
		ofMemory(sockdiag.WmemAlloc, doc{
			Kernel: "sk_wmem_alloc", Label: "WMEM", Unit: explain.Bytes,
			Gist: "Memory handed to the layers below that the device has not released yet.",
		}),
		ofMemory(sockdiag.SndBuf, doc{
			Kernel: "sk_sndbuf", Label: "SNDBUF", Unit: explain.Bytes,
			Gist: "The most memory that unsent data may take.",
		}),
		ofMemory(sockdiag.FwdAlloc, doc{
			Kernel: "sk_forward_alloc", Label: "FORWARD", Unit: explain.Bytes,
			Gist: "Memory that is already charged to it and not in use.",
		}),
		ofMemory(sockdiag.WmemQueued, doc{
			Kernel: "sk_wmem_queued", Label: "QUEUED", Unit: explain.Bytes,
			Gist: "Memory of the send queue, the kernel's overhead included.",
		}),
		ofMemory(sockdiag.OptMem, doc{
			Kernel: "sk_omem_alloc", Label: "OPTIONS", Unit: explain.Bytes,
			Gist: "Memory of its options and filters.",
		}),
		ofMemory(sockdiag.Backlog, doc{
			Kernel: "sk_backlog.len", Label: "BACKLOG", Unit: explain.Bytes,
			Gist: "What arrived while a thread held the socket.",
		}),
		drops,
	}
}

// noGroup says why the kernel gave nothing of a group: a connection that is half
// open or in TIME_WAIT is no full socket, and has no buffers.
func noGroup(s *sockdiag.Socket) value {
	noFull := s.State == sockdiag.TimeWait || s.State == sockdiag.SynRecv || s.State == sockdiag.FinWait2
	if s.Stream() && noFull || s.Family == unix.AF_PACKET {
		return explain.None(inspect.Inapplicable)
	}
	return value{} // why sock_diag did not tell it
}

// whyColumn says where the bytes wait.
func whyColumn() column {
	return column{
		Doc: doc{
			Key: "why", Source: inspect.NetSockets,
			Also: []inspect.Source{inspect.SockDiag, inspect.PIDFd, inspect.PIDStat}, Concept: "socket",
			Gist: "Where its bytes wait: here, in the peer, in the network; or what it waits for.",
		},
		Write: why,
	}
}
