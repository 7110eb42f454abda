package net

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"kwhy/inspect"
)

// parseMIB reads pairs of lines, "Tcp: RtoMin RetransSegs" and "Tcp: 200 7", into
// to by the names that nstat gives them: TcpRetransSegs. What the kernel counts
// changes from version to version, so that a value is looked up by its name and
// never by its place (net/ipv4/proc.c, snmp_seq_show and netstat_seq_show).
// TcpMaxConn, which is -1, is left out: it is no counter.
func parseMIB(b []byte, to inspect.Counters) error {
	good := false
	for len(b) > 0 {
		var names, values []byte
		names, b = inspect.CutLine(b)
		prefix, list := inspect.CutField(names)
		if len(prefix) < 2 || prefix[len(prefix)-1] != ':' {
			continue
		}
		values, rest := inspect.CutLine(b)
		again, numbers := inspect.CutField(values)
		if !bytes.Equal(prefix, again) {
			continue // half a pair: the next line may begin a whole one
		}
		b = rest
		for len(list) > 0 && len(numbers) > 0 {
			var name, number []byte
			name, list = inspect.CutField(list)
			number, numbers = inspect.CutField(numbers)
			if n, ok := inspect.ParseUint(number); ok {
				to[string(prefix[:len(prefix)-1])+string(name)] = n
				good = true
			}
		}
	}
	if !good {
		return inspect.ErrMalformed
	}
	return nil
}

// wholeMIB reports whether each line of a file that parseMIB reads has its pair, and each name its
// number, which may be negative.
func wholeMIB(b []byte) bool {
	if len(b) == 0 || inspect.CutOff(b) {
		return false
	}
	for len(b) > 0 {
		var names, values []byte
		names, b = inspect.CutLine(b)
		values, b = inspect.CutLine(b)
		name, number := bytes.Fields(names), bytes.Fields(values)
		if len(name) == 0 || len(name) != len(number) || !bytes.Equal(name[0], number[0]) {
			return false
		}
		for _, field := range number[1:] {
			_, negative := inspect.ParseInt(field)
			if _, ok := inspect.ParseUint(field); !ok && !negative {
				return false
			}
		}
	}
	return true
}

// readSockstat reads sockstat or sockstat6. procfs reads those of kwhy's own namespace.
func readSockstat(h *inspect.Host, n *Snapshot, s inspect.Source, call func(procfs.FS) (*procfs.NetSockstat, error)) error {
	ours := func() (out inspect.Counters, err error) {
		rel := n.Space.Dir + strings.TrimPrefix(s.String(), "/proc/net")
		err = h.Proc.With(rel, func(b []byte) error {
			n.noteWhole(s, !inspect.CutOff(b))
			out, err = parseSockstat(b)
			return err
		})
		return out, err
	}
	read := ours
	if n.Space.Dir == "self/net" {
		read = func() (inspect.Counters, error) {
			return inspect.ByProcfs(h, s, func(fs procfs.FS) (inspect.Counters, error) { return sockstatOf(call(fs)) }, ours)
		}
	}
	list, err := read()
	maps.Copy(n.Sockstat, list)
	return err
}

// sockstatOf takes the numbers as procfs reads them.
func sockstatOf(s *procfs.NetSockstat, err error) (inspect.Counters, error) {
	if err != nil {
		return nil, err
	}
	out := inspect.Counters{}
	add := func(name string, n *int) {
		if n != nil && *n >= 0 {
			out[name] = uint64(*n)
		}
	}
	add("sockets used", s.Used)
	for i := range s.Protocols {
		p := &s.Protocols[i]
		add(p.Protocol+" inuse", &p.InUse)
		add(p.Protocol+" orphan", p.Orphan)
		add(p.Protocol+" tw", p.TW)
		add(p.Protocol+" alloc", p.Alloc)
		add(p.Protocol+" mem", p.Mem)
		add(p.Protocol+" memory", p.Memory)
	}
	if len(out) == 0 {
		return nil, inspect.ErrMalformed
	}
	return out, nil
}

// parseSockstat reads lines of "TCP: inuse 5 orphan 0" by the protocol and the word:
// "TCP inuse" (net/ipv4/proc.c, sockstat_seq_show).
func parseSockstat(b []byte) (inspect.Counters, error) {
	to, good := inspect.Counters{}, false
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		protocol, rest := inspect.CutField(line)
		protocol, ok := bytes.CutSuffix(protocol, []byte(":"))
		for ok && len(rest) > 0 {
			var name, number []byte
			name, rest = inspect.CutField(rest)
			number, rest = inspect.CutField(rest)
			if n, ok := inspect.ParseUint(number); ok {
				to[string(protocol)+" "+string(name)] = n
				good = true
			}
		}
	}
	if !good {
		return nil, inspect.ErrMalformed
	}
	return to, nil
}

// Protocol is a row of /proc/net/protocols: a kind of socket and the memory that
// all of its sockets have, over all network namespaces.
type Protocol struct {
	Sockets, Memory inspect.Num // Memory is in pages; Unset where the kernel does not count it
	Pressure        string      // yes, no, or NI where the protocol knows no pressure
}

// parseProtocols reads the rows by the names in the header, as far as the module
// (net/core/sock.c, proto_seq_show).
func parseProtocols(b []byte) (map[string]Protocol, error) {
	head, b := inspect.CutLine(b)
	names := strings.Fields(string(head))
	at := func(name string) int { return slices.Index(names, name) }
	sockets, memory, press := at("sockets"), at("memory"), at("press")
	if len(names) == 0 || names[0] != "protocol" || sockets < 0 || memory < 0 || press < 0 {
		return nil, inspect.ErrMalformed
	}
	out := map[string]Protocol{}
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		f := strings.Fields(string(line))
		if len(f) <= max(sockets, memory, press) {
			continue
		}
		out[f[0]] = Protocol{Sockets: inspect.ParseNum([]byte(f[sockets])), Memory: inspect.ParseNum([]byte(f[memory])), Pressure: f[press]}
	}
	if len(out) == 0 {
		return nil, inspect.ErrMalformed
	}
	return out, nil
}

// SoftnetCPU is what one CPU did with packets that came in, since boot.
type SoftnetCPU struct {
	CPU         int
	Processed   uint64 // packets handed to the protocols, on whichever device
	Dropped     uint64 // the backlog was full
	TimeSqueeze uint64 // the budget or the time was over with work left
	ReceivedRPS uint64 // times that another CPU sent it packets by RPS
	FlowLimit   uint64 // of Dropped: a flow had more than its share of the backlog
	// Now in the backlog, and of that in the queue that is filled and the queue
	// that is emptied. Unset before 5.10, and before 5.14.
	Backlog, Input, Process inspect.Num
}

// parseSoftnet reads rows of hexadecimal columns (net/core/net-procfs.c,
// softnet_seq_show). A row is a CPU that is online; column 13 says which one
// since 5.10, and before that by the place among those of the list online.
func parseSoftnet(b []byte, online string) (out []SoftnetCPU, err error) {
	var cpus []int
	inspect.EachCPU(online, func(n int) { cpus = append(cpus, n) })
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		var col []uint64
		for rest := line; len(rest) > 0; {
			var field []byte
			field, rest = inspect.CutField(rest)
			n, err := strconv.ParseUint(string(field), 16, 32)
			if err != nil {
				return nil, inspect.ErrMalformed
			}
			col = append(col, n)
		}
		if len(col) < 9 {
			return nil, inspect.ErrMalformed
		}
		c := SoftnetCPU{
			CPU: len(out), Processed: col[0], Dropped: col[1], TimeSqueeze: col[2], Backlog: inspect.Unset,
			Input: inspect.Unset, Process: inspect.Unset,
		}
		if len(cpus) > len(out) {
			c.CPU = cpus[len(out)]
		}
		if len(col) > 10 {
			c.ReceivedRPS, c.FlowLimit = col[9], col[10]
		}
		if len(col) > 12 {
			c.Backlog, c.CPU = inspect.Num(col[11]), int(col[12])
		}
		if len(col) > 14 {
			c.Input, c.Process = inspect.Num(col[13]), inspect.Num(col[14])
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, inspect.ErrMalformed
	}
	return out, nil
}

// DevStats are the counters of an interface as /proc/net/dev has them, some of them
// sums of what the driver counts separately (net/core/net-procfs.c, dev_seq_printf_stats).
type DevStats struct {
	RxBytes, RxPackets, RxErrs uint64
	RxDrop                     uint64 // rx_dropped and rx_missed_errors
	RxFIFO                     uint64
	RxFrame                    uint64 // length, over, CRC and frame errors
	RxCompressed, RxMulticast  uint64
	TxBytes, TxPackets         uint64
	TxErrs, TxDrop, TxFIFO     uint64
	TxColls                    uint64
	TxCarrier                  uint64 // carrier, aborted, window and heartbeat errors
	TxCompressed               uint64
}

// parseNetDev passes on the interfaces in the order of their index.
func parseNetDev(b []byte, add func(name string, s DevStats)) error {
	good := false
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		i := bytes.LastIndexByte(line, ':')
		if i < 0 {
			if bytes.HasPrefix(inspect.TrimBlank(line), []byte("face |")) {
				good = true // a namespace can be without any
			}
			continue
		}
		var s DevStats
		to := [...]*uint64{&s.RxBytes, &s.RxPackets, &s.RxErrs, &s.RxDrop, &s.RxFIFO, &s.RxFrame, &s.RxCompressed, &s.RxMulticast,
			&s.TxBytes, &s.TxPackets, &s.TxErrs, &s.TxDrop, &s.TxFIFO, &s.TxColls, &s.TxCarrier, &s.TxCompressed}
		rest, whole := line[i+1:], true
		for _, p := range to {
			var field []byte
			field, rest = inspect.CutField(rest)
			n, ok := inspect.ParseUint(field)
			*p, whole = n, whole && ok
		}
		if name := inspect.TrimBlank(line[:i]); whole && len(name) > 0 {
			add(string(name), s)
			good = true
		}
	}
	if !good {
		return inspect.ErrMalformed
	}
	return nil
}

// parsePerCPU reads a file of /proc/net/stat, with the counters of every CPU by the names in the
// header, and adds them up. entries is the same in every row: the size of the table
// (net/netfilter/nf_conntrack_standalone.c, ct_cpu_seq_show; net/core/neighbour.c,
// neigh_stat_seq_show, whose counters are of the size of a long).
func parsePerCPU(b []byte) (inspect.Counters, error) {
	head, b := inspect.CutLine(b)
	names := strings.Fields(string(head))
	out := inspect.Counters{}
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		for i, f := range strings.Fields(string(line)) {
			n, err := strconv.ParseUint(f, 16, 64)
			if err != nil || i >= len(names) {
				return nil, inspect.ErrMalformed
			}
			if names[i] == "entries" {
				out[names[i]] = n
				continue
			}
			out[names[i]] += n
		}
	}
	if len(out) == 0 || len(names) == 0 || names[0] != "entries" {
		return nil, inspect.ErrMalformed
	}
	return out, nil
}
