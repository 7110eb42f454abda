package net

import (
	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

// Listeners is the table of sockets that take connections, the fullest first.
func Listeners() *explain.Table[row] {
	keep := map[string]explain.Show{
		"protocol": explain.Always, "local_endpoint": explain.Always, "local": explain.Data, "local_port": explain.Data,
		"accept_queue": explain.Always, "accept_limit": explain.Always, "sk_drops": explain.Always,
		"process": explain.Always, "pid": explain.Data, "owners": explain.Data,
		"cgroup": explain.Data, "uid": explain.Data, "inode": explain.Data, "source": explain.Data,
	}
	t := &explain.Table[row]{
		Name:     "listeners",
		Identity: []string{"protocol", "local_endpoint"}, Sort: []string{"accept_used"},
		Rules: []rule{acceptQueueFull()},
	}
	for _, f := range Sockets().Fields {
		show, ok := keep[f.Key]
		if !ok {
			continue
		}
		f.Show = show
		switch f.Key {
		case "accept_queue":
			f.Label = "ACCEPT-Q"
			t.Fields = append(t.Fields, f)
			continue
		case "accept_limit":
			f.Label = "BACKLOG"
			t.Fields = append(t.Fields, f, acceptUsed(), synQueue())
			continue
		}
		t.Fields = append(t.Fields, f)
	}
	t.Fields = append(t.Fields, whyColumn())
	return t
}

func acceptUsed() column {
	return column{
		Doc: doc{
			Key: "accept_used", Unit: explain.Ratio, Show: explain.Data, Source: inspect.SockDiag,
			Concept: "accept-queue",
			Gist:    "How full its accept queue is; it holds one more than the limit.",
		},
		Get: func(r row) value {
			if !r.It.Told.Has(sockdiag.Queues) {
				return value{} // this kernel's sock_diag does not tell it
			}
			return explain.F(float64(r.It.RQueue) / (float64(r.It.WQueue) + 1))
		},
	}
}

func synQueue() column {
	return column{
		Doc: doc{
			Key: "syn_queue", Label: "SYN-Q", Unit: explain.Count, Show: explain.Always,
			Source: inspect.NetSockets, Concept: "accept-queue",
			Gist: "Connections to it that are half open: its SYN_RECV sockets.",
		},
		Get: func(r row) value {
			if !r.It.Stream() {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(r.Net.HalfOpen(r.It))
		},
	}
}

// Use counts the sockets of a network namespace by protocol and state.
func Use() *explain.Table[netfacts.UsePart] {
	type part = netfacts.UsePart
	ofState := func(d doc, get func(part) value) explain.Field[part] {
		d.Source = inspect.NetSockets
		if d.Concept == "" {
			d.Concept = "tcp-states"
		}
		return explain.Field[part]{Doc: d, Get: get}
	}
	return &explain.Table[part]{Name: "states", Identity: []string{"protocol", "state"}, Fields: []explain.Field[part]{
		ofState(doc{
			Key:   "protocol",
			Words: protocols(),
			Gist:  "The protocol; both versions of IP together.",
		}, func(p part) value { return explain.S(p.It.Protocol) }),
		ofState(doc{
			Key:   "state",
			Words: states(),
			Gist:  "Their state between opening and closing.",
		}, func(p part) value { return text(p.It.State) }),
		ofState(doc{
			Key: "sockets", Unit: explain.Count, Bar: true,
			Gist: "How many there are.",
		}, func(p part) value { return explain.I(p.It.N) }),
		ofState(doc{Key: "why", Gist: "What many sockets in this state mean."}, func(p part) value { return explain.S(whyUse(p)) }),
	}, Rules: []explain.Rule[part]{{
		ID: "net.close_wait", What: "connections in CLOSE_WAIT", Unit: explain.Count,
		Means: "The peer has closed and the kernel waits for the program here to do the same. No timer ends that: " +
			"a program with this many has lost track of them, and keeps a descriptor and a port for each.",
		Evidence: []string{"sockets", "state"}, Concept: "tcp-states", Next: "kwhy net sockets --state CLOSE_WAIT",
		Of: func(p part) value {
			if p.It.Of != sockdiag.CloseWait {
				return value{}
			}
			return explain.I(p.It.N)
		},
		At: explain.At{Notice: 50, Warning: 1000},
		Say: func(p part) string {
			s := units.Plural(p.It.N, "connection that the peer has closed is", "connections that the peer has closed are") + " kept open here"
			if p.It.Most != "" {
				s += ", " + units.Number(p.It.MostN) + " of them by " + p.It.Most
			}
			return s
		},
	}}}
}

// whyUse says what a state says when there are many of it.
func whyUse(p netfacts.UsePart) string {
	who := ""
	switch {
	case p.It.Most == "" || p.It.MostN <= 1:
	case p.It.Sure:
		who = "; most, " + units.Number(p.It.MostN) + ", are " + p.It.Most + "'s"
	default:
		who = "; " + units.Number(p.It.MostN) + " are " + p.It.Most + "'s, more than any other's that could be seen"
	}
	switch p.It.Of {
	case sockdiag.TimeWait:
		return "Closed here first, each kept 60 s so that late segments die out: " + units.Number((p.It.N+59)/60) +
			" per second at an even rate. Each takes a port and little memory; no program has it open."
	case sockdiag.CloseWait:
		return "The peer has closed and the program here has not: one that stays so is a leak" + who + "."
	case sockdiag.FinWait1, sockdiag.Closing, sockdiag.LastAck:
		return "Closed here, and the peer does not acknowledge" + orphans(p) + "."
	case sockdiag.FinWait2:
		s := "Closed here, and the peer keeps its side open"
		if p.It.Orphans > 0 {
			s += "; " + units.Plural(p.It.Orphans, "has no process any more and ends", "have no process any more and end") +
				" after tcp_fin_timeout"
		}
		return s + "."
	case sockdiag.SynSent:
		return "Connections that have no answer yet" + who + "."
	case sockdiag.SynRecv:
		return "Answered, and not confirmed by the peer: many mean a SYN flood, or replies that get lost."
	case sockdiag.Listen:
		return "Accept connections" + who + "."
	case sockdiag.Close:
		if p.It.Protocol == "tcp" {
			return "Bound to an address, neither listening nor connected" + who + "."
		}
		return "Receive from any sender" + who + "."
	case sockdiag.Established:
		return connected(p, who)
	}
	return "Neither connected nor listening" + who + "."
}

func orphans(p netfacts.UsePart) string {
	if p.It.Orphans == 0 {
		return ""
	}
	return "; " + units.Plural(p.It.Orphans, "is an orphan", "are orphans") + " that no process has any more"
}

func connected(p netfacts.UsePart, who string) string {
	s := "Connected" + who
	if p.It.Orphans > 0 {
		s += "; " + units.Plural(p.It.Orphans, "waits", "wait") + " to be accepted"
	}
	return s + "."
}
