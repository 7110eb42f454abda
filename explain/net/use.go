package net

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// What the states and the queues of connections are explained by.
const (
	aboutStates    explain.Concept = "tcp-states"
	aboutListening explain.Concept = "accept-queue"
	aboutSockets   explain.Concept = "socket"
)

// The states by number (include/net/tcp_states.h).
const (
	established = iota + 1
	synSent
	synRecv
	finWait1
	finWait2
	timeWait
	closed
	closeWait
	lastACK
	listen
	closing
	newSynRecv
)

// state is one of the states of a TCP socket.
type state struct {
	number int
	doc    doc
	say    func(host, uint64) string // where there are some
}

func stateList() []state {
	always := func(s string) func(host, uint64) string { return func(host, uint64) string { return s } }
	return []state{
		{
			number: established,
			doc:    doc{Key: "tcp_established", Label: "ESTABLISHED", Part: 'e', Gist: "Connections over which both sides can send."},
		},
		{
			say: always("No answer yet to connect: the other side is far, gone, or a filter drops the packets. " +
				"It ends by itself after tcp_syn_retries tries and, since 6.5, tcp_syn_linear_timeouts more."),
			number: synSent,
			doc: doc{
				Key: "tcp_syn_sent", Label: "SYN_SENT", Part: 's', Show: explain.Rare,
				Gist: "connect was called, and the other side has not answered.",
			},
		},
		{
			say: always("Half-open: the client's last packet is missing. Many mean a SYN flood, whose clients never send it, " +
				"or a way back that loses packets."),
			number: synRecv,
			doc: doc{
				Key: "tcp_syn_recv", Label: "SYN_RECV", Part: 'r', Show: explain.Rare,
				Gist: "A SYN came and was answered; the last packet of the handshake is awaited.",
			},
		},
		{
			say: always("Closed here, with data or the FIN still unacknowledged: the peer reads slowly or is gone. " +
				"After close, and not after shutdown, it counts as an orphan."),
			number: finWait1,
			doc: doc{
				Key: "tcp_fin_wait1", Label: "FIN_WAIT1", Part: 'f', Show: explain.Rare,
				Gist: "This side has closed; what it sent, and its FIN, are not acknowledged yet.",
			},
		},
		{
			say:    readFinWait2,
			number: finWait2,
			doc: doc{
				Key: "tcp_fin_wait2", Label: "FIN_WAIT2", Part: 'g', Show: explain.Rare,
				Gist: "This side has closed; the peer has acknowledged that, and not closed yet.",
			},
		},
		{
			say:    readTimeWait,
			number: timeWait,
			doc: doc{
				Key: "tcp_time_wait", Label: "TIME_WAIT", Part: 't',
				Gist: "Closed, and kept for 60 s so that late segments reach no new connection.",
			},
		},
		{
			number: closed,
			doc: doc{
				Key: "tcp_close", Label: "CLOSE", Part: 'x', Show: explain.Rare,
				Gist: "Sockets without a connection: none yet, or none any more.",
			},
		},
		{
			say: always("The peer has closed, and a program here has not called close: without that only a reset, " +
				"keepalive or shutdown ends it. Growing numbers are its bug."),
			number: closeWait,
			doc: doc{
				Key: "tcp_close_wait", Label: "CLOSE_WAIT", Part: 'c', Show: explain.Rare,
				Gist: "The other side has closed, and the program here has not.",
			},
		},
		{
			number: lastACK,
			doc: doc{
				Key: "tcp_last_ack", Label: "LAST_ACK", Part: 'a', Show: explain.Rare,
				Gist: "Both sides have closed; the last acknowledgement is awaited.",
			},
		},
		{number: listen, doc: doc{Key: "tcp_listen", Label: "LISTEN", Part: 'l', Gist: "Sockets that wait for connections."}},
		{
			number: closing,
			doc: doc{
				Key: "tcp_closing", Label: "CLOSING", Part: 'b', Show: explain.Rare,
				Gist: "Both sides closed at once; the last acknowledgement is awaited.",
			},
		},
	}
}

func tcpStates() []field {
	total := field{
		Doc: doc{
			Key: "tcp_sockets", Label: "TCP", Unit: explain.Count, Source: inspect.TCPSockets,
			Also: []inspect.Source{inspect.NetSockstat}, Concept: aboutStates,
			Gist: "TCP sockets of IPv4 and IPv6, in any state, half-open ones too.",
		},
		Get: func(n host) value { return explain.I(allStates(n)) },
		Reading: func(n host) string {
			s := "Of IPv4 and IPv6."
			if n.Six != inspect.Present {
				s = "Of IPv4" + withoutIPv6(n.Six)
			}
			if v := sockstat("TCP alloc")(n); v.Has() {
				s += " The whole host has " + units.Number(v.Uint()) + ", including those without a connection, but not " +
					"TIME_WAIT, half-open ones, and FIN_WAIT2 after close."
			}
			return s
		},
	}
	out := []field{total}
	for _, st := range stateList() {
		f := field{Doc: st.doc, Get: func(n host) value { return explain.I(inState(n, st.number)) }}
		f.Unit, f.Source, f.Concept = explain.Count, inspect.TCPSockets, aboutStates
		switch st.number {
		case timeWait:
			f.Also = []inspect.Source{inspect.TCPMaxTWBuckets}
		case finWait2:
			f.Also = []inspect.Source{inspect.TCPFinTimeout}
		}
		if st.say != nil {
			f.Reading = func(n host) string {
				if c := inState(n, st.number); c > 0 {
					return st.say(n, uint64(c))
				}
				return ""
			}
		}
		out = append(out, f)
	}
	return append(out, ends()...)
}

// withoutIPv6 says, behind what is said of IPv4, why nothing is of IPv6.
func withoutIPv6(why inspect.Reason) string {
	if why == inspect.Unsupported {
		return ": this kernel has no IPv6, or it is switched off."
	}
	return " alone: that of IPv6 is " + units.AbsentWord(why) + "."
}

func inState(n host, number int) int {
	c := n.Sockets.States[number]
	if number == synRecv {
		c += n.Sockets.States[newSynRecv]
	}
	return c
}

func allStates(n host) (all int) {
	for _, c := range n.Sockets.States {
		all += c
	}
	return all
}

func readTimeWait(n host, count uint64) string {
	s := "Kept 60 s by the side that closed first, without a process and with little memory; harmless except for the local ports they take."
	if m, ok := n.Mem.Number(inspect.TCPMaxTWBuckets); ok && m > 0 {
		s = units.Percent(int64(count), m) + " of tcp_max_tw_buckets. " + s
	}
	return s
}

func readFinWait2(n host, _ uint64) string {
	s := "The peer has not closed. While a program here keeps the socket it can last for ever"
	if t, ok := n.Mem.Number(inspect.TCPFinTimeout); ok {
		s += fmt.Sprintf("; without one, %d s (tcp_fin_timeout)", t)
	}
	return s + "."
}

// ends are what is left of connections that no process has any more.
func ends() []field {
	return []field{
		{
			Doc: doc{
				Key: "tcp_orphan", Label: "orphans", Unit: explain.Count, Source: inspect.NetSockstat,
				Also: []inspect.Source{inspect.TCPMaxOrphans}, Concept: aboutStates,
				Gist: "Sockets of the whole host that no process has any more and that live on.",
			},
			Get: sockstat("TCP orphan"),
			Reading: func(n host) string {
				s := "Closed by their programs, with data or the FIN on its way; of the whole host."
				if m, ok := n.Mem.Number(inspect.TCPMaxOrphans); ok && m > 0 {
					s = units.Percent(sockstat("TCP orphan")(n).Int(), m) + " of tcp_max_orphans. " + s
				}
				return s
			},
		},
		{
			Doc: doc{
				Key: "tcp_max_orphans", Kernel: "net.ipv4.tcp_max_orphans", Label: "tcp_max_orphans",
				Unit:   explain.Count,
				Source: inspect.TCPMaxOrphans, Also: []inspect.Source{inspect.TCPEhashEntries},
				Concept: aboutStates,
				Gist:    "The most orphans: further ones are reset, stalled ones at a half or quarter.",
			},
			Get:    sysctl(inspect.TCPMaxOrphans),
			Derive: fromEhash("ehash / 2", kernel.TCPMaxOrphans),
		},
		{
			Doc: doc{
				Key: "tcp_max_tw_buckets", Kernel: "net.ipv4.tcp_max_tw_buckets", Label: "tcp_max_tw_buckets",
				Unit:   explain.Count,
				Source: inspect.TCPMaxTWBuckets, Also: []inspect.Source{inspect.TCPEhashEntries},
				Concept: aboutStates,
				Gist:    "The most TIME_WAIT sockets: further connections end without that state.",
			},
			Get:    sysctl(inspect.TCPMaxTWBuckets),
			Derive: fromEhash("ehash / 2", kernel.TCPMaxOrphans),
		},
		{
			Doc: doc{
				Key: "tcp_ehash_entries", Kernel: "net.ipv4.tcp_ehash_entries", Label: "tcp_ehash_entries",
				Unit: explain.Count,
				Show: explain.Data, Source: inspect.TCPEhashEntries, Concept: aboutSockets,
				Gist: "Buckets of the hash table of connections; below 0: another namespace's.",
			},
			Get: sysctl(inspect.TCPEhashEntries),
		},
	}
}

// fromEhash derives a default from the size of the hash of connections, which the
// kernel chooses at boot by the RAM (net/ipv4/tcp.c, tcp_init). Where somebody has
// set it the figures differ, and that is the cause.
func fromEhash(formula string, compute func(ehash int64) int64) func(host) explain.Derivation {
	return func(n host) explain.Derivation {
		e, ok := n.Mem.Number(inspect.TCPEhashEntries)
		if !ok || e == 0 {
			return explain.Derivation{} // before 6.1 the size is in the kernel's log alone
		}
		e = max(e, -e) // one that shares the initial namespace's hash says so by the sign
		var w explain.Working
		w.Take("ehash", explain.I(e), explain.Count, inspect.TCPEhashEntries, "tcp_ehash_entries")
		d := w.Done(formula, explain.Count, explain.I(compute(e)))
		d.Cause = "somebody has set it"
		return d
	}
}

func others() []field {
	ofSockstat := func(d doc, of string) field {
		d.Unit, d.Concept = explain.Count, aboutSockets
		return field{Doc: d, Get: sockstat(of)}
	}
	v6 := inspect.NetSockstat6
	udp := ofSockstat(doc{
		Key: "udp_inuse", Label: "UDP inuse", Source: inspect.NetSockstat,
		Gist: "UDP sockets of IPv4 that have a port.",
	}, "UDP inuse")
	udp.Also = []inspect.Source{v6}
	udp.Reading = func(n host) string {
		if why := n.Missing(v6); why.IsGap() && why != inspect.Unread {
			return "With a port. Of IPv4" + withoutIPv6(why)
		}
		return "Of IPv4, with a port. IPv6, raw sockets and fragments are shown where there are any; unix sockets below."
	}
	return []field{
		ofSockstat(doc{
			Key: "sockets_used", Label: "sockets used", Source: inspect.NetSockstat,
			Gist: "Sockets of every kind in this namespace, unix and netlink sockets too.",
		}, "sockets used"),
		udp,
		ofSockstat(doc{
			Key: "udp6_inuse", Label: "UDP6 inuse", Show: explain.Rare, Source: v6,
			Gist: "UDP sockets of IPv6 that have a port.",
		}, "UDP6 inuse"),
		ofSockstat(doc{
			Key: "tcp_inuse", Label: "TCP inuse", Show: explain.Data, Source: inspect.NetSockstat,
			Gist: "TCP sockets of IPv4 that are bound, listen or are connected; not TIME_WAIT.",
		}, "TCP inuse"),
		ofSockstat(doc{
			Key: "tcp6_inuse", Label: "TCP6 inuse", Show: explain.Data, Source: v6,
			Gist: "TCP sockets of IPv6 that are bound, listen or are connected; not TIME_WAIT.",
		}, "TCP6 inuse"),
		ofSockstat(doc{
			Key: "tcp_tw", Label: "TCP tw", Show: explain.Data, Source: inspect.NetSockstat,
			Gist: "Sockets in TIME_WAIT, by the count that the kernel keeps.",
		}, "TCP tw"),
		ofSockstat(doc{
			Key: "tcp_alloc", Label: "TCP alloc", Show: explain.Data, Source: inspect.NetSockstat,
			Gist: "TCP sockets of the whole host, without TIME_WAIT and half-open ones.",
		}, "TCP alloc"),
		ofSockstat(doc{
			Key: "raw_inuse", Label: "RAW inuse", Show: explain.Rare, Source: inspect.NetSockstat,
			Gist: "Raw sockets of IPv4: ping, routing daemons, scanners.",
		}, "RAW inuse"),
		ofSockstat(doc{Key: "raw6_inuse", Label: "RAW6 inuse", Gist: "Raw sockets of IPv6.", Source: v6, Show: explain.Rare}, "RAW6 inuse"),
		ofSockstat(doc{
			Key: "frag_inuse", Label: "FRAG inuse", Show: explain.Rare, Source: inspect.NetSockstat,
			Gist: "Packets of IPv4 that wait for more fragments.",
		}, "FRAG inuse"),
		{
			Doc: doc{
				Key: "frag_memory", Label: "FRAG memory", Unit: explain.Bytes, Show: explain.Rare,
				Source: inspect.NetSockstat, Concept: "ip-layer",
				Gist: "Memory of the fragments that wait for the rest of their packet.",
			},
			Get: sockstat("FRAG memory"),
		},
	}
}

func listening() []field {
	return []field{
		{
			Doc: doc{
				Key: "somaxconn", Kernel: "net.core.somaxconn", Label: "somaxconn", Unit: explain.Count,
				Source: inspect.Somaxconn, Concept: aboutListening,
				Gist: "The limit of the accept queue that a program can ask for in listen.",
			},
			Get: sysctl(inspect.Somaxconn), Reading: readSomaxconn,
		},
		{
			Doc: doc{
				Key: "tcp_max_syn_backlog", Kernel: "net.ipv4.tcp_max_syn_backlog", Label: "tcp_max_syn_backlog",
				Unit:   explain.Count,
				Source: inspect.TCPMaxSynBacklog,
				Also:   []inspect.Source{inspect.TCPEhashEntries, inspect.TCPSyncookies}, Concept: aboutListening,
				Gist: "How many half-open connections a listener keeps where cookies are off.",
			},
			Get: sysctl(inspect.TCPMaxSynBacklog),
			Reading: func(n host) string {
				if c, ok := n.Mem.Number(inspect.TCPSyncookies); ok && c > 0 {
					return "Applies only with tcp_syncookies=0: with cookies, a listener's backlog limits its half-open connections too."
				}
				return "With cookies off, a quarter of it is reserved for known clients."
			},
			Derive: fromEhash("max(128, ehash / 128)", kernel.TCPMaxSynBacklog),
		},
		{
			Doc: doc{
				Key: "tcp_syncookies", Kernel: "net.ipv4.tcp_syncookies", Label: "tcp_syncookies",
				Unit:   explain.Plain,
				Source: inspect.TCPSyncookies, Concept: aboutListening,
				Gist: "Whether a listener answers with a cookie, and no state, at a full SYN queue.",
			},
			Get: sysctl(inspect.TCPSyncookies),
			Reading: func(n host) string {
				switch c, _ := n.Mem.Number(inspect.TCPSyncookies); c {
				case 0:
					return "Off: a full SYN queue drops new clients."
				case 2:
					return "Always, for tests: each SYN gets one, and the counts of cookies say nothing of a full queue."
				}
				return "On: where the SYN queue is full, the state goes into the answer's sequence number."
			},
		},
		{
			Doc: doc{
				Key: "tcp_abort_on_overflow", Kernel: "net.ipv4.tcp_abort_on_overflow", Label: "tcp_abort_on_overflow",
				Unit: explain.Plain, Show: explain.Rare,
				Source: inspect.TCPAbortOnOverflow, Concept: aboutListening,
				Gist: "Whether a full accept queue resets clients instead of letting them retry.",
			},
			Get: sysctl(inspect.TCPAbortOnOverflow),
			Reading: func(n host) string {
				if c, _ := n.Mem.Number(inspect.TCPAbortOnOverflow); c != 0 {
					return "On: a client that finds the accept queue full is reset, though a retry might have succeeded."
				}
				return ""
			},
		},
	}
}

func readSomaxconn(n host) string {
	s := "An accept queue is as long as the program asked in listen, and no longer than this; it holds one more."
	const old, now = 128, 4096 // since 5.4 (include/linux/socket.h, SOMAXCONN)
	c, _ := n.Mem.Number(inspect.Somaxconn)
	isDefault := inspect.Choose(n.Kernel().Since(5, 4), now, old, -1)
	switch {
	case c == int64(isDefault):
		s += " This is the kernel's default."
	case c == now && isDefault < 0:
		s += " 4,096 is the default of kernels since 5.4."
	case c == old:
		s += " 128 is the default of kernels before 5.4, and little."
	}
	return s
}
