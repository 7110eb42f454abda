package net

import (
	"slices"

	"kwhy/explain"
	"kwhy/inspect"
	"kwhy/inspect/sockdiag"
)

// since is a kernel's version.
func since(major, minor int) inspect.Version { return inspect.Version{Major: major, Minor: minor} }

// info declares a column of tcp_info. per is how many of its
// numbers make one of the column's unit; 0 leaves it an integer.
func info(f sockdiag.InfoField, d doc, per float64) column {
	d.Key, d.Source = d.Kernel, inspect.SockDiag
	if d.Show == explain.Always {
		d.Show = explain.Data
	}
	return ofSocket(d, func(s *sockdiag.Socket) value {
		n, ok := s.Info.Get(f)
		switch {
		case !ok && len(s.Info) == 0:
			return explain.None(inspect.Inapplicable)
		case !ok:
			return value{} // of a later kernel
		case unset(f, n):
			return explain.None(inspect.Inapplicable)
		case per != 0:
			return explain.F(float64(n) / per)
		}
		return explain.N(n)
	})
}

const (
	micro = 1e6
	milli = 1e3
)

// unset says whether a number stands for one that was not measured yet: no answer
// came, or nothing was delivered (net/ipv4/tcp.c, tcp_get_info).
func unset(f sockdiag.InfoField, n uint64) bool {
	switch f {
	case sockdiag.RTT, sockdiag.DeliveryRate, sockdiag.RcvRTT:
		return n == 0
	case sockdiag.MinRTT:
		return n == 1<<32-1
	}
	return false
}

// traffic are the columns of what went over a connection. Over an interval text has
// their rates, in front of what waits: they are what was asked for.
func traffic() []column {
	bytes := func(f sockdiag.InfoField, d doc) column {
		d.Unit, d.Counter, d.Watched = explain.Bytes, true, true
		return info(f, d, 0)
	}
	return []column{
		bytes(sockdiag.BytesReceived, doc{
			Kernel: "tcpi_bytes_received", Label: "RECEIVED", Since: since(4, 1), Concept: "socket",
			Gist: "Bytes that came in order; the peer's FIN counts one.",
		}),
		bytes(sockdiag.BytesAcked, doc{
			Kernel: "tcpi_bytes_acked", Label: "ACKED", Since: since(4, 1), Concept: "socket",
			Gist: "Bytes that the peer acknowledged; a FIN counts one, so does a SYN to connect.",
		}),
	}
}

func infoSeconds(f sockdiag.InfoField, per float64, d doc) column {
	d.Unit = explain.Seconds
	return info(f, d, per)
}

func infoBytes(f sockdiag.InfoField, d doc) column {
	d.Unit = explain.Bytes
	return info(f, d, 0)
}

func infoCount(f sockdiag.InfoField, d doc) column {
	d.Unit = explain.Count
	return info(f, d, 0)
}

const congestion, flowControl = explain.Concept("congestion-control"), explain.Concept("flow-control")

// flow are the columns of tcp_info that say how a connection goes.
func flow() []column { return slices.Concat(path(), counted(), agreed()) }

// path are what is on the way now, how fast it goes, and what holds it back.
func path() []column {
	ssthresh := infoCount(sockdiag.SndSsthresh, doc{
		Kernel: "tcpi_snd_ssthresh", Concept: congestion,
		Gist: "The congestion window, in segments, up to which slow start goes.",
	})
	unlimited(&ssthresh, 0x7fffffff)
	most := infoBytes(sockdiag.MaxPacingRate, doc{
		Kernel: "tcpi_max_pacing_rate", Show: explain.Asked, Concept: congestion,
		Gist: "Bytes per second that SO_MAX_PACING_RATE allows.",
	})
	unlimited(&most, 1<<64-1)
	pacing := infoBytes(sockdiag.PacingRate, doc{
		Kernel: "tcpi_pacing_rate", Concept: congestion,
		Gist: "Bytes per second at which the kernel paces its segments.",
	})
	unlimited(&pacing, 1<<64-1)
	limited := info(sockdiag.AppLimited, doc{
		Kernel: "tcpi_delivery_rate_app_limited", Unit: explain.Bool, Since: since(4, 9), Concept: congestion,
		Gist: "Whether the program limited that rate: it had no more to send.",
	}, 0)
	flag := limited.Get
	limited.Get = func(r row) value {
		if v := flag(r); v.Has() {
			return explain.B(v.Uint() != 0)
		} else {
			return v
		}
	}
	return []column{
		infoSeconds(sockdiag.RTT, micro, doc{
			Kernel: "tcpi_rtt", Label: "RTT", Show: explain.Wide, Concept: congestion,
			Gist: "The round-trip time, smoothed over many.",
		}),
		infoSeconds(sockdiag.RTTVar, micro, doc{Kernel: "tcpi_rttvar", Concept: congestion, Gist: "How much the round-trip time varies."}),
		infoSeconds(sockdiag.MinRTT, micro, doc{
			Kernel: "tcpi_min_rtt", Since: since(4, 6), Concept: congestion,
			Gist: "The shortest recent round trip: the path without queues.",
		}),
		infoSeconds(sockdiag.RTO, micro, doc{
			Kernel: "tcpi_rto", Concept: congestion,
			Gist: "How long it waits for an acknowledgement before it retransmits.",
		}),
		infoCount(sockdiag.SndCwnd, doc{
			Kernel: "tcpi_snd_cwnd", Label: "CWND", Show: explain.Wide, Concept: congestion,
			Gist: "Congestion window: segments that may be in flight at one time.",
		}),
		ssthresh,
		infoBytes(sockdiag.SndMSS, doc{Kernel: "tcpi_snd_mss", Concept: congestion, Gist: "The most data in one segment that it sends."}),
		infoCount(sockdiag.Unacked, doc{
			Kernel: "tcpi_unacked", Concept: congestion,
			Gist: "Segments in flight: sent and not acknowledged.",
		}),
		infoCount(sockdiag.Lost, doc{Kernel: "tcpi_lost", Concept: congestion, Gist: "Of these, segments that are considered lost."}),
		infoCount(sockdiag.Retrans, doc{Kernel: "tcpi_retrans", Concept: congestion, Gist: "Of these, segments that were retransmitted."}),
		infoCount(sockdiag.Retransmits, doc{
			Kernel: "tcpi_retransmits", Concept: congestion,
			Gist: "Times in a row that the retransmission timer went off.",
		}),
		infoCount(sockdiag.Backoff, doc{
			Kernel: "tcpi_backoff", Concept: congestion,
			Gist: "How often its timer was doubled: no answer, or a closed window.",
		}),
		counting(infoCount(sockdiag.TotalRetrans, doc{
			Kernel: "tcpi_total_retrans", Label: "RETRANS", Show: explain.Wide, Concept: congestion,
			Gist: "Segments retransmitted since it was made.",
		})),
		infoBytes(sockdiag.NotsentBytes, doc{
			Kernel: "tcpi_notsent_bytes", Since: since(4, 6), Concept: "socket-buffers",
			Gist: "Bytes of its send queue that were not sent yet.",
		}),
		infoBytes(sockdiag.SndWnd, doc{
			Kernel: "tcpi_snd_wnd", Since: since(5, 4), Concept: flowControl,
			Gist: "The peer's window: bytes that it takes beyond what it acknowledged.",
		}),
		infoBytes(sockdiag.RcvWnd, doc{
			Kernel: "tcpi_rcv_wnd", Since: since(6, 2), Concept: flowControl,
			Gist: "The window advertised to the peer: bytes that it may send.",
		}),
		pacing, most,
		infoBytes(sockdiag.DeliveryRate, doc{
			Kernel: "tcpi_delivery_rate", Since: since(4, 9), Concept: congestion,
			Gist: "Bytes per second that reached the peer recently.",
		}),
		limited,
		counting(infoSeconds(sockdiag.BusyTime, micro, doc{
			Kernel: "tcpi_busy_time", Since: since(4, 10), Concept: flowControl,
			Gist: "How long it had something to send or to be acknowledged.",
		})),
		counting(infoSeconds(sockdiag.RwndLimited, micro, doc{
			Kernel: "tcpi_rwnd_limited", Since: since(4, 10), Concept: flowControl,
			Gist: "How long of that the peer's window held it back.",
		})),
		counting(infoSeconds(sockdiag.SndbufLimited, micro, doc{
			Kernel: "tcpi_sndbuf_limited", Since: since(4, 10), Concept: flowControl,
			Gist: "How long of that its send buffer was too small.",
		})),
	}
}

// counted are what was counted since the connection was made.
func counted() []column {
	return []column{
		counting(infoBytes(sockdiag.BytesSent, doc{
			Kernel: "tcpi_bytes_sent", Show: explain.Asked, Since: since(4, 19), Concept: "socket",
			Gist: "Bytes sent, retransmissions included.",
		})),
		counting(infoBytes(sockdiag.BytesRetrans, doc{
			Kernel: "tcpi_bytes_retrans", Show: explain.Asked, Since: since(4, 19), Concept: congestion,
			Gist: "Bytes retransmitted.",
		})),
		counting(infoCount(sockdiag.SegsOut, doc{
			Kernel: "tcpi_segs_out", Show: explain.Asked, Since: since(4, 2), Concept: "socket",
			Gist: "Segments sent.",
		})),
		counting(infoCount(sockdiag.SegsIn, doc{
			Kernel: "tcpi_segs_in", Show: explain.Asked, Since: since(4, 2), Concept: "socket",
			Gist: "Segments that came.",
		})),
		counting(infoCount(sockdiag.DataSegsOut, doc{
			Kernel: "tcpi_data_segs_out", Show: explain.Asked, Since: since(4, 6), Concept: "socket",
			Gist: "Segments sent with data in them.",
		})),
		counting(infoCount(sockdiag.DataSegsIn, doc{
			Kernel: "tcpi_data_segs_in", Show: explain.Asked, Since: since(4, 6), Concept: "socket",
			Gist: "Segments that came with data in them.",
		})),
		counting(infoCount(sockdiag.Delivered, doc{
			Kernel: "tcpi_delivered", Show: explain.Asked, Since: since(4, 18), Concept: congestion,
			Gist: "Segments that reached the peer.",
		})),
		counting(infoCount(sockdiag.DeliveredCE, doc{
			Kernel: "tcpi_delivered_ce", Show: explain.Asked, Since: since(4, 18), Concept: congestion,
			Gist: "Of these, segments that a router marked: it had a queue.",
		})),
		counting(infoCount(sockdiag.DsackDups, doc{
			Kernel: "tcpi_dsack_dups", Show: explain.Asked, Since: since(4, 19), Concept: congestion,
			Gist: "Segments that the peer got twice: retransmitted without need.",
		})),
		counting(infoCount(sockdiag.ReordSeen, doc{
			Kernel: "tcpi_reord_seen", Show: explain.Asked, Since: since(4, 19), Concept: congestion,
			Gist: "Times that segments were reordered on the way.",
		})),
		counting(infoCount(sockdiag.RcvOoopack, doc{
			Kernel: "tcpi_rcv_ooopack", Show: explain.Asked, Since: since(5, 4), Concept: congestion,
			Gist: "Segments that came out of order.",
		})),
		counting(infoCount(sockdiag.TotalRTO, doc{
			Kernel: "tcpi_total_rto", Show: explain.Asked, Since: since(6, 7), Concept: congestion,
			Gist: "Times that the retransmission timer went off.",
		})),
	}
}

// agreed are when something last happened, and what the two ends agreed on.
func agreed() []column {
	return []column{
		infoSeconds(sockdiag.LastDataSent, milli, doc{
			Kernel: "tcpi_last_data_sent", Show: explain.Asked, Concept: "socket",
			Gist: "How long ago it last sent data.",
		}),
		infoSeconds(sockdiag.LastDataRecv, milli, doc{
			Kernel: "tcpi_last_data_recv", Concept: "socket",
			Gist: "How long ago data last came.",
		}),
		infoSeconds(sockdiag.LastAckRecv, milli, doc{
			Kernel: "tcpi_last_ack_recv", Show: explain.Asked, Concept: "socket",
			Gist: "How long ago an acknowledgement last came.",
		}),
		infoSeconds(sockdiag.RcvRTT, micro, doc{
			Kernel: "tcpi_rcv_rtt", Show: explain.Asked, Concept: "socket-buffers",
			Gist: "Round-trip time as the receiver measures it: it tunes the buffer.",
		}),
		infoBytes(sockdiag.RcvSpace, doc{
			Kernel: "tcpi_rcv_space", Show: explain.Asked, Concept: "socket-buffers",
			Gist: "The most that its program read in one round trip so far: it tunes the buffer.",
		}),
		infoBytes(sockdiag.RcvSsthresh, doc{
			Kernel: "tcpi_rcv_ssthresh", Show: explain.Asked, Concept: flowControl,
			Gist: "The largest window that it advertises for now.",
		}),
		infoBytes(sockdiag.AdvMSS, doc{
			Kernel: "tcpi_advmss", Show: explain.Asked, Concept: "socket",
			Gist: "The most data in one segment that it accepts.",
		}),
		infoBytes(sockdiag.PMTU, doc{
			Kernel: "tcpi_pmtu", Show: explain.Asked, Concept: "socket",
			Gist: "The largest packet that gets through to the peer.",
		}),
		infoCount(sockdiag.SndWscale, doc{
			Kernel: "tcpi_snd_wscale", Show: explain.Asked, Concept: flowControl,
			Gist: "The peer's window scale: its windows count units of two to this power.",
		}),
		infoCount(sockdiag.RcvWscale, doc{
			Kernel: "tcpi_rcv_wscale", Show: explain.Asked, Concept: flowControl,
			Gist: "Its own window scale: its windows count units of two to this power.",
		}),
	}
}

func counting(c column) column {
	c.Counter = true
	return c
}

// unlimited makes a number that stands for no bound an answer.
func unlimited(c *column, none uint64) {
	get := c.Get
	c.Get = func(r row) value {
		if v := get(r); !v.Has() || v.Uint() != none {
			return v
		}
		return explain.None(inspect.Unlimited)
	}
}

// specific are the columns that only some sockets have.
func specific() []column {
	return []column{
		ofSocket(doc{
			Key: "congestion", Show: explain.Data, Source: inspect.SockDiag, Concept: "congestion-control",
			Gist: "The congestion control: cubic, bbr, reno.",
		}, func(s *sockdiag.Socket) value { return text(s.Cong) }),
		ofSocket(doc{
			Key: "unix_type", Show: explain.Data, Concept: "unix-socket",
			Gist: "stream, dgram or seqpacket, of a unix socket.",
		}, func(s *sockdiag.Socket) value {
			if s.Unix == nil {
				return explain.None(inspect.Inapplicable)
			}
			return text(s.Unix.TypeName())
		}),
		ofSocket(doc{
			Key: "peer_inode", Unit: explain.ID, Show: explain.Data, Source: inspect.SockDiag, Concept: "unix-socket",
			Gist: "The number of the unix socket on the other side.",
		}, func(s *sockdiag.Socket) value {
			if s.Unix == nil || s.Unix.Peer == 0 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.N(s.Unix.Peer)
		}),
		ofSocket(doc{
			Key: "cookie", Unit: explain.ID, Show: explain.Asked, Source: inspect.SockDiag,
			Gist: "Its number in this boot, never given twice.",
		}, func(s *sockdiag.Socket) value { return explain.N(s.Cookie) }),
		ofSocket(doc{
			Key: "cgroup_id", Unit: explain.ID, Show: explain.Asked, Source: inspect.SockDiag, Since: since(5, 8),
			Option: "CONFIG_SOCK_CGROUP_DATA",
			Gist:   "The cgroup v2 that it was made in: the inode of its directory.",
		}, func(s *sockdiag.Socket) value {
			if !s.Told.Has(sockdiag.Cgroup) {
				return value{}
			}
			return explain.N(s.CgroupID)
		}),
		ofSocket(doc{
			Key: "mark", Unit: explain.Plain, Show: explain.Asked, Source: inspect.SockDiag,
			Gist: "What SO_MARK set, for routing and filters; shown to CAP_NET_ADMIN.",
		}, func(s *sockdiag.Socket) value {
			if !s.Told.Has(sockdiag.Mark) {
				return explain.None(inspect.Masked)
			}
			return explain.N(s.MarkValue)
		}),
		ofSocket(doc{
			Key: "interface", Unit: explain.Plain, Show: explain.Asked, Source: inspect.SockDiag,
			Gist: "The index of the interface that it is bound to.",
		}, func(s *sockdiag.Socket) value {
			if s.Interface == 0 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.N(s.Interface)
		}),
	}
}
