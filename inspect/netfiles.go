package inspect

import (
	"bytes"
	"encoding/hex"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/inspect/sockdiag"
)

// parseMIB reads pairs of lines, "Tcp: RtoMin RetransSegs" and "Tcp: 200 7", into
// to by the names that nstat gives them: TcpRetransSegs. What the kernel counts
// changes from version to version, so that a value is looked up by its name and
// never by its place (net/ipv4/proc.c, snmp_seq_show and netstat_seq_show).
// TcpMaxConn, which is -1, is left out: it is no counter.
func parseMIB(b []byte, to Counters) error {
	good := false
	for len(b) > 0 {
		var names, values []byte
		names, b = cutLine(b)
		prefix, list := cutField(names)
		if len(prefix) < 2 || prefix[len(prefix)-1] != ':' {
			continue
		}
		values, rest := cutLine(b)
		again, numbers := cutField(values)
		if !bytes.Equal(prefix, again) {
			continue // half a pair: the next line may begin a whole one
		}
		b = rest
		for len(list) > 0 && len(numbers) > 0 {
			var name, number []byte
			name, list = cutField(list)
			number, numbers = cutField(numbers)
			if n, ok := parseUint(number); ok {
				to[string(prefix[:len(prefix)-1])+string(name)] = n
				good = true
			}
		}
	}
	if !good {
		return errMalformed
	}
	return nil
}

// parseSockstat reads lines of "TCP: inuse 5 orphan 0" into to by the protocol and
// the word: "TCP inuse" (net/ipv4/proc.c, sockstat_seq_show).
func parseSockstat(b []byte, to Counters) error {
	good := false
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		protocol, rest := cutField(line)
		protocol, ok := bytes.CutSuffix(protocol, []byte(":"))
		for ok && len(rest) > 0 {
			var name, number []byte
			name, rest = cutField(rest)
			number, rest = cutField(rest)
			if n, ok := parseUint(number); ok {
				to[string(protocol)+" "+string(name)] = n
				good = true
			}
		}
	}
	if !good {
		return errMalformed
	}
	return nil
}

// Protocol is a row of /proc/net/protocols: a kind of socket and the memory that
// all of its sockets have, over all network namespaces.
type Protocol struct {
	Sockets, Memory Num    // Memory is in pages; Unset where the kernel does not count it
	Pressure        string // yes, no, or NI where the protocol knows no pressure
}

// parseProtocols reads the rows by the names in the header, as far as the module
// (net/core/sock.c, proto_seq_show).
func parseProtocols(b []byte) (map[string]Protocol, error) {
	head, b := cutLine(b)
	names := strings.Fields(string(head))
	at := func(name string) int { return slices.Index(names, name) }
	sockets, memory, press := at("sockets"), at("memory"), at("press")
	if len(names) == 0 || names[0] != "protocol" || sockets < 0 || memory < 0 || press < 0 {
		return nil, errMalformed
	}
	out := map[string]Protocol{}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		f := strings.Fields(string(line))
		if len(f) <= max(sockets, memory, press) {
			continue
		}
		out[f[0]] = Protocol{Sockets: count([]byte(f[sockets])), Memory: count([]byte(f[memory])), Pressure: f[press]}
	}
	if len(out) == 0 {
		return nil, errMalformed
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
	Backlog, Input, Process Num
}

// parseSoftnet reads rows of hexadecimal columns (net/core/net-procfs.c,
// softnet_seq_show). A row is a CPU that is online; which one is told in column 13
// since 5.10, and before that by the place among those of the list online.
func parseSoftnet(b []byte, online string) (out []SoftnetCPU, err error) {
	var cpus []int
	eachCPU(online, func(n int) { cpus = append(cpus, n) })
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		var col []uint64
		for rest := line; len(rest) > 0; {
			var field []byte
			field, rest = cutField(rest)
			n, err := strconv.ParseUint(string(field), 16, 32)
			if err != nil {
				return nil, errMalformed
			}
			col = append(col, n)
		}
		if len(col) < 9 {
			return nil, errMalformed
		}
		c := SoftnetCPU{CPU: len(out), Processed: col[0], Dropped: col[1], TimeSqueeze: col[2], Backlog: Unset, Input: Unset, Process: Unset}
		if len(cpus) > len(out) {
			c.CPU = cpus[len(out)]
		}
		if len(col) > 10 {
			c.ReceivedRPS, c.FlowLimit = col[9], col[10]
		}
		if len(col) > 12 {
			c.Backlog, c.CPU = Num(col[11]), int(col[12])
		}
		if len(col) > 14 {
			c.Input, c.Process = Num(col[13]), Num(col[14])
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errMalformed
	}
	return out, nil
}

// DevStats are the counters of an interface as /proc/net/dev has them, some of them
// sums of what the driver counts apart (net/core/net-procfs.c, dev_seq_printf_stats).
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

// parseNetDev hands on the interfaces in the order of their index.
func parseNetDev(b []byte, add func(name string, s DevStats)) error {
	good := false
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		i := bytes.LastIndexByte(line, ':')
		if i < 0 {
			if bytes.HasPrefix(trimBlank(line), []byte("face |")) {
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
			field, rest = cutField(rest)
			n, ok := parseUint(field)
			*p, whole = n, whole && ok
		}
		if name := trimBlank(line[:i]); whole && len(name) > 0 {
			add(string(name), s)
			good = true
		}
	}
	if !good {
		return errMalformed
	}
	return nil
}

// parseConntrack reads the counters of every CPU by the names in the header, and
// adds them up. entries is the same in every row: the size of the table
// (net/netfilter/nf_conntrack_standalone.c, ct_cpu_seq_show).
func parseConntrack(b []byte) (Counters, error) {
	head, b := cutLine(b)
	names := strings.Fields(string(head))
	out := Counters{}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		for i, f := range strings.Fields(string(line)) {
			n, err := strconv.ParseUint(f, 16, 32)
			if err != nil || i >= len(names) {
				return nil, errMalformed
			}
			if names[i] == "entries" {
				out[names[i]] = n
				continue
			}
			out[names[i]] += n
		}
	}
	if len(out) == 0 || len(names) == 0 || names[0] != "entries" {
		return nil, errMalformed
	}
	return out, nil
}

// lines reads rel in pieces and hands on each line, which do must not keep: a file
// of a million sockets is not held as a whole.
func (t tree) lines(rel string, do func([]byte)) error {
	fd, err := openat(t.fd, rel)
	if err != nil {
		return &fs.PathError{Op: "read", Path: t.root + "/" + rel, Err: err}
	}
	defer unix.Close(fd)
	const most = 64 << 10 // a line longer than this is none of a table
	p := t.pool.Get().(*[]byte)
	defer t.pool.Put(p)
	buf := (*p)[:cap(*p)]
	kept := 0
	for {
		n, err := unix.Read(fd, buf[kept:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return &fs.PathError{Op: "read", Path: t.root + "/" + rel, Err: err}
		case n == 0:
			if kept > 0 {
				do(buf[:kept])
			}
			return nil
		}
		rest := buf[:kept+n]
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			do(rest[:i])
			rest = rest[i+1:]
		}
		if kept = copy(buf, rest); kept == len(buf) {
			if kept >= most {
				return errMalformed
			}
			buf = append(buf, make([]byte, len(buf))...)
			*p = buf[:0]
		}
	}
}

// SocketCount counts the TCP sockets of a network namespace.
type SocketCount struct {
	States       [int(sockdiag.NewSynRecv) + 1]int // by number (include/net/tcp_states.h)
	Ephemeral    int                               // that have a local port of the range for outgoing connections, and listen on none
	Destinations []Destination                     // the most used first
}

// Destination is where the connections from one local address to one remote
// address and port go: each takes a local port of its own.
type Destination struct {
	Local netip.Addr
	Peer  netip.AddrPort
	Ports int // local ports that are taken, those in TIME_WAIT among them
}

// socketCounter counts sockets in the lines of /proc/net/tcp and tcp6.
type socketCounter struct {
	low, high uint64 // local ports that connect chooses from; none where high is 0
	count     SocketCount
	listen    map[uint64]bool
	to        map[string]int // by local address, remote address and port, as the file has them
	lines     int
	key       []byte
}

// line counts one socket: "sl local_address rem_address st ...". It allocates
// nothing but for a destination that is new (net/ipv4/tcp_ipv4.c, get_tcp4_sock).
func (c *socketCounter) line(b []byte) {
	_, rest := cutField(b)
	local, rest := cutField(rest)
	peer, rest := cutField(rest)
	state, _ := cutField(rest)
	addr, port, ok := bytes.Cut(local, []byte(":"))
	n, ok1 := parseHex(port)
	st, ok2 := parseHex(state)
	if !ok || !ok1 || !ok2 || st == 0 || st >= uint64(len(c.count.States)) || len(addr) != 8 && len(addr) != 32 {
		return // the header, or a line of another kind
	}
	c.lines++
	c.count.States[st]++
	const listening = 10
	if st == listening {
		c.listen[n] = true // those that listen come first in the file
		return
	}
	if n < c.low || n > c.high || c.listen[n] {
		return
	}
	c.count.Ephemeral++
	c.key = append(append(append(c.key[:0], addr...), ' '), peer...)
	c.to[string(c.key)]++
}

// most is how many destinations are kept.
const mostDestinations = 100

func (c *socketCounter) done() SocketCount {
	for key, n := range c.to {
		local, peer, _ := strings.Cut(key, " ")
		var from, to sockdiag.Socket
		from.Family = family(local)
		to.Family = from.Family
		if parseEndpoint(local+":0", &from.LocalAddr, &from.LocalPort) && parseEndpoint(peer, &to.LocalAddr, &to.LocalPort) {
			c.count.Destinations = append(c.count.Destinations, Destination{from.Local().Addr(), to.Local(), n})
		}
	}
	slices.SortFunc(c.count.Destinations, func(a, b Destination) int {
		if a.Ports != b.Ports {
			return b.Ports - a.Ports
		}
		if d := a.Peer.Compare(b.Peer); d != 0 {
			return d
		}
		return a.Local.Compare(b.Local)
	})
	c.count.Destinations = c.count.Destinations[:min(len(c.count.Destinations), mostDestinations)]
	return c.count
}

// family tells an address of IPv4, of eight digits, from one of IPv6.
func family(hex string) uint8 {
	if len(hex) == 8 {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// parseHex reads up to 16 hexadecimal digits.
func parseHex(b []byte) (n uint64, ok bool) {
	var raw [8]byte
	if len(b) == 0 || len(b) > 16 {
		return 0, false
	}
	var whole [16]byte
	for i := range whole {
		whole[i] = '0'
	}
	copy(whole[16-len(b):], b)
	if _, err := hex.Decode(raw[:], whole[:]); err != nil {
		return 0, false
	}
	for _, c := range raw {
		n = n<<8 | uint64(c)
	}
	return n, true
}

// tcpSockets counts the TCP sockets below dir: "self/net".
func (h *Host) tcpSockets(dir string, low, high uint64) (SocketCount, error) {
	c := &socketCounter{low: low, high: high, listen: map[uint64]bool{}, to: map[string]int{}}
	good := false
	first := func(b []byte) {
		good = good || bytes.Contains(b, []byte("local_address"))
		c.line(b)
	}
	err := h.proc.lines(dir+"/tcp", first)
	if err == nil && !good {
		err = errMalformed
	}
	c.listen = map[uint64]bool{}          // a port of one version is not taken in the other
	_ = h.proc.lines(dir+"/tcp6", c.line) // not there: no version 6
	return c.done(), err
}
