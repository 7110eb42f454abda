package net

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// aboutBuffers is what the sizes of one socket's buffers are explained by.
const aboutBuffers explain.Concept = "socket-buffers"

// bounds are the three numbers of tcp_mem, or of udp_mem.
type bounds struct {
	protocol string // TCP, UDP
	source   inspect.Source
	of       func(host) [3]inspect.Num // pages
}

func bufferMemory() []field {
	tcp := bounds{"tcp", inspect.TCPMem, func(n host) [3]inspect.Num { return n.TCPMem }}
	udp := bounds{"udp", inspect.UDPMem, func(n host) [3]inspect.Num { return n.UDPMem }}
	out := []field{{
		Doc: doc{
			Key: "tcp_mem_used", Label: "TCP memory", Unit: explain.Bytes, Source: inspect.NetSockstat,
			Also: []inspect.Source{inspect.TCPMem}, Concept: "tcp-memory",
			Gist: "Memory in the buffers of all TCP sockets of the host, IPv6 too.",
		},
		Get: used("TCP mem"), Reading: readTCPUsed,
	}}
	out = append(out, tcp.fields()...)
	out = append(out, pressure()...)
	out = append(out, field{
		Doc: doc{
			Key: "udp_mem_used", Label: "UDP memory", Unit: explain.Bytes, Source: inspect.NetSockstat,
			Also: []inspect.Source{inspect.UDPMem}, Concept: "tcp-memory",
			Gist: "Memory in the buffers of all UDP sockets of the host, IPv6 too.",
		},
		Get: used("UDP mem"), Reading: func(n host) string {
			if most := n.UDPMem[0]; most > 0 {
				s := units.Percent(sockstat("UDP mem")(n).Int(), int64(most)) + " of udp_mem low, above which datagrams are dropped."
				return strings.TrimSpace(s + " " + uncounted(n))
			}
			return uncounted(n)
		},
	})
	return append(out, udp.fields()...)
}

// used is what sockstat counts in pages.
func used(of string) func(host) value {
	return func(n host) value {
		v := sockstat(of)(n)
		if !v.Has() {
			return v
		}
		return pages(n, inspect.Num(v.Int()))
	}
}

// uncounted says how far off what sockstat counts may be: since 6.0 each CPU reports what its sockets took
// or gave back once it is 1 MiB (include/net/sock.h, SK_MEMORY_PCPU_RESERVE; net.core.mem_pcpu_rsv later).
func uncounted(n host) string {
	return inspect.Choose(n.Kernel().Since(6, 0), "Exact to 1 MiB a CPU: each counts up to that on its own first.", "", "")
}

func readTCPUsed(n host) string {
	in, m := sockstat("TCP mem")(n).Int(), n.TCPMem
	reserve := uncounted(n)
	if m[1] <= 0 {
		return reserve
	}
	s := units.Percent(in, int64(m[1])) + " of tcp_mem pressure. "
	switch {
	case in > int64(m[2]):
		return s + "Above high: TCP gets no more, connections stall or are reset."
	case in > int64(m[1]):
		return s + "Above pressure: windows shrink, and no buffer grows."
	case in > int64(m[0]):
		return s + "Above low: once under pressure, it stays so until low is reached."
	}
	return s + reserve
}

// fields declares low, pressure and high.
func (b bounds) fields() []field {
	one := func(k int, name, gist string, read func(host) string, derive func(host) explain.Derivation) field {
		d := doc{
			Key: b.protocol + "_mem_" + name, Label: b.protocol + "_mem " + name, Unit: explain.Bytes,
			Source: b.source, Also: []inspect.Source{inspect.UDPMem, inspect.Meminfo}, Concept: "tcp-memory",
			Gist: gist,
		}
		return field{Doc: d, Get: func(n host) value { return pages(n, b.of(n)[k]) }, Reading: read, Derive: derive}
	}
	from := func(k int, formula string, compute func(pressure int64) int64) func(host) explain.Derivation {
		return func(n host) explain.Derivation {
			var w explain.Working
			p := w.Take("pressure", pages(n, b.of(n)[1]), explain.Bytes, b.source, "the second number, in pages")
			size := int64(n.Mem.Host.PageSize)
			d := w.Done(formula, explain.Bytes, explain.I(compute(p/size)*size))
			d.Reported, d.Cause = pages(n, b.of(n)[k]), "somebody has set it"
			return d
		}
	}
	gists := [3]string{
		"Below this, memory pressure ends.",
		"Above this TCP is under memory pressure: windows shrink, no buffer grows.",
		"Above this TCP gets no more memory: connections stall, orphans are reset.",
	}
	if b.protocol == "udp" {
		gists = [3]string{
			"Above this a UDP socket gets no more than udp_rmem_min: datagrams are lost.",
			"No effect: it exists because tcp_mem has three numbers.",
			"Above this not even udp_rmem_min is granted.",
		}
	}
	return []field{
		one(0, "low", gists[0], nil, from(0, "pressure / 4 × 3", kernel.TCPMemLow)),
		one(1, "pressure", gists[1], b.readPressure, b.derivePressure),
		one(2, "high", gists[2], nil, from(2, "pressure / 4 × 3 × 2", kernel.TCPMemHigh)),
	}
}

// readPressure sets the bound against what the kernel would choose: a part of the
// pages that were free for buffers at boot, which is nearly all of the RAM. What was
// free then is not recorded.
func (b bounds) readPressure(n host) string {
	factor, part, then := int64(16), "a sixteenth", ""
	if b.protocol == "udp" {
		factor, part, then = 8, "an eighth", " Its only effect is on low and high, which follow from it."
	}
	total := int64(n.Mem.Info["MemTotal"] / n.Mem.Host.PageSize)
	if total <= 0 {
		return ""
	}
	free := int64(b.of(n)[1]) * factor
	if free > total/2 && free <= total+total/8 {
		return fmt.Sprintf("As the kernel chose it at boot: %s of the RAM that buffers may take, which was %s of MemTotal.",
			part, units.Percent(free, total)) + then
	}
	if b.protocol == "udp" {
		return "No effect: it exists because tcp_mem has three numbers. Set by somebody."
	}
	return fmt.Sprintf("Set by somebody, or RAM was added or removed since boot: the kernel chooses %s of the RAM, here about %s.",
		part, units.Size(uint64(total/factor)*n.Mem.Host.PageSize))
}

// derivePressure computes TCP's bound from UDP's: both are parts of the same pages.
func (b bounds) derivePressure(n host) explain.Derivation {
	if b.protocol != "tcp" || n.UDPMem[1] < 0 {
		return explain.Derivation{}
	}
	var w explain.Working
	size := int64(n.Mem.Host.PageSize)
	p := w.Take("udp_mem pressure", pages(n, n.UDPMem[1]), explain.Bytes, inspect.UDPMem, "the second number, in pages")
	d := w.Done("udp_mem pressure / 2", explain.Bytes, explain.I(kernel.TCPMemPressureOfUDP(p/size)*size))
	d.Reported, d.Cause = pages(n, n.TCPMem[1]), "somebody has set one of them"
	return d
}

func pressure() []field {
	return append([]field{{
		Doc: doc{
			Key: "tcp_memory_pressure", Label: "memory pressure", Unit: explain.Bool,
			Source: inspect.NetProtocols, Concept: "tcp-memory",
			Gist: "Whether TCP is under memory pressure now.",
		},
		Get: func(n host) value {
			switch n.Protocols["TCP"].Pressure {
			case "yes":
				return explain.B(true)
			case "no":
				return explain.B(false)
			}
			return value{}
		},
		Reading: func(n host) string {
			if underPressure(n) {
				return "TCP's memory passed tcp_mem pressure, or a send got no page; this ends when it is below low."
			}
			return "Buffers may grow as their sockets need."
		},
	}}, counters(inspect.NetNetstat, "TcpExt", "tcp-memory", []counter{
		{
			name: "TCPMemoryPressures",
			gist: "How often a socket of this namespace brought TCP under memory pressure.",
			say:  "How often a socket here took TCP above tcp_mem pressure, or got no page. If it rises: smaller buffers, or a larger tcp_mem.",
		},
		{
			name: "TCPMemoryPressuresChrono", show: explain.Rare, since: version(4, 13),
			gist: "Milliseconds under memory pressure, counted when it ends.",
			say:  "In milliseconds, of all such times that are over.",
		},
		{
			name: "TCPAbortOnMemory", show: explain.Rare,
			gist: "Connections reset for lack of memory, or because of too many orphans.",
			say:  "Reset because TCP's memory was above tcp_mem high, or orphans above tcp_max_orphans.",
		},
	})...)
}

func underPressure(n host) bool { return n.Protocols["TCP"].Pressure == "yes" }

// buffers are the bounds of one socket.
func buffers() []field {
	triple := func(d doc, k int, of func(host) [3]inspect.Num, read func(host) string) field {
		d.Unit, d.Concept = explain.Bytes, aboutBuffers
		d.Also = []inspect.Source{inspect.TCPModerateRcvbuf, inspect.Meminfo}
		return field{Doc: d, Get: func(n host) value {
			if of(n)[k] < 0 {
				return value{}
			}
			return explain.I(int64(of(n)[k]))
		},
			Reading: read}
	}
	single := func(d doc, read func(host) string) field {
		d.Kernel, d.Label, d.Unit, d.Concept = "net.core."+d.Key, d.Key, explain.Bytes, aboutBuffers
		return field{Doc: d, Get: sysctl(d.Source), Reading: read}
	}
	rmem := func(n host) [3]inspect.Num { return n.TCPRmem }
	wmem := func(n host) [3]inspect.Num { return n.TCPWmem }
	return []field{
		triple(doc{
			Key: "tcp_rmem_min", Label: "tcp_rmem min", Source: inspect.TCPRmem,
			Gist: "What a TCP receive buffer gets even under memory pressure.",
		}, 0, rmem, nil),
		triple(doc{
			Key: "tcp_rmem_default", Label: "tcp_rmem default", Source: inspect.TCPRmem,
			Gist: "The initial size of a TCP receive buffer.",
		}, 1, rmem, nil),
		triple(doc{
			Key: "tcp_rmem_max", Label: "tcp_rmem max", Source: inspect.TCPRmem,
			Gist: "The largest size to which a TCP receive buffer grows by itself.",
		}, 2, rmem, readRmemMax),
		triple(doc{
			Key: "tcp_wmem_min", Label: "tcp_wmem min", Source: inspect.TCPWmem,
			Gist: "What a TCP send buffer gets even under memory pressure.",
		}, 0, wmem, nil),
		triple(doc{
			Key: "tcp_wmem_default", Label: "tcp_wmem default", Source: inspect.TCPWmem,
			Gist: "The initial size of a TCP send buffer.",
		}, 1, wmem, nil),
		triple(doc{
			Key: "tcp_wmem_max", Label: "tcp_wmem max", Source: inspect.TCPWmem,
			Gist: "The largest size to which a TCP send buffer grows by itself.",
		}, 2, wmem, func(host) string {
			return "A sender grows its buffer to twice what the congestion window allows in flight. SO_SNDBUF stops that too."
		}),
		{
			Doc: doc{
				Key: "tcp_moderate_rcvbuf", Kernel: "net.ipv4.tcp_moderate_rcvbuf", Label: "tcp_moderate_rcvbuf",
				Unit: explain.Plain, Show: explain.Data,
				Source: inspect.TCPModerateRcvbuf, Concept: aboutBuffers,
				Gist: "Whether TCP receive buffers grow by themselves.",
			},
			Get: sysctl(inspect.TCPModerateRcvbuf),
		},
		single(doc{
			Key: "rmem_max", Source: inspect.RmemMax,
			Gist: "The most that SO_RCVBUF accepts; the kernel doubles what it is given.",
		}, func(n host) string { return readCoreMax(n, inspect.RmemMax, "SO_RCVBUF") }),
		single(doc{
			Key: "wmem_max", Source: inspect.WmemMax,
			Gist: "The most that SO_SNDBUF accepts; the kernel doubles what it is given.",
		}, func(n host) string { return readCoreMax(n, inspect.WmemMax, "SO_SNDBUF") }),
		single(doc{
			Key: "rmem_default", Source: inspect.RmemDefault,
			Gist: "The receive buffer of UDP and others that do not grow by themselves.",
		}, func(host) string {
			return "For UDP and all others except TCP: these do not grow, and a larger burst is lost."
		}),
		single(doc{
			Key: "wmem_default", Show: explain.Rare, Source: inspect.WmemDefault,
			Gist: "The send buffer of UDP and others that do not grow by themselves.",
		}, nil),
	}
}

func readRmemMax(n host) string {
	if on, ok := n.Mem.Number(inspect.TCPModerateRcvbuf); ok && on == 0 {
		return "tcp_moderate_rcvbuf is off: none grows by itself."
	}
	return "It grows as the program reads, by what one round trip brings. A program that sets SO_RCVBUF stops that " +
		"for its socket." + chosenRmemMax(n)
}

// chosenRmemMax says whether the bound is the kernel's own: a 128th of the RAM that
// was free for buffers at boot, and 32 MiB at most, 6 MiB before 6.16
// (net/ipv4/tcp.c, tcp_init).
func chosenRmemMax(n host) string {
	now, ram := int64(n.TCPRmem[2]), int64(n.Mem.Info["MemTotal"]/128)
	most := inspect.Choose(n.Kernel().Since(6, 16), int64(32<<20), 6<<20, 0)
	switch {
	case now == most:
		return fmt.Sprintf(" %d MiB is the most that the kernel chooses by itself.", most>>20)
	case most == 0 && now == 6<<20:
		return " 6 MiB is the most that kernels before 6.16 choose by themselves."
	case most == 0 && now == 32<<20:
		return " 32 MiB is the most that kernels since 6.16 choose by themselves."
	case most == 0 && now > 6<<20:
		return "" // which of the two bounds it is under, nobody knows
	case ram > 0 && now < most && now <= ram && now > ram-ram/4:
		return " As the kernel chose it: a 128th of the RAM."
	}
	return ""
}

func readCoreMax(n host, src inspect.Source, option string) string {
	m, _ := n.Mem.Number(src)
	return fmt.Sprintf("%s of more gives %s. It does not limit what TCP grows by itself.", option, units.Size(uint64(max(m, 0))*2))
}
