package net

import (
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

// tcpInfo is what a kernel of 6.x tells of a connection.
func tcpInfo(again, data uint32, bytes uint64) sockdiag.TCPInfo {
	i := unix.TCPInfo{Total_retrans: again, Data_segs_out: data, Bytes_retrans: bytes}
	return sockdiag.PackTCPInfo(unsafe.Slice((*byte)(unsafe.Pointer(&i)), unsafe.Sizeof(i)))
}

// having is a process that has these sockets.
func having(list ...sockdiag.Socket) process {
	s := &netfacts.Sockets{Host: &inspect.Host{}}
	for i := range list {
		s.List.Add(&list[i])
	}
	return &netfacts.Process{Net: s, Mine: s.Only(func(*sockdiag.Socket) bool { return true })}
}

func tcpIn(state sockdiag.State, inode uint32, info sockdiag.TCPInfo) sockdiag.Socket {
	return sockdiag.Socket{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, State: state, Inode: inode, Info: info}
}

// A SYN that nobody answered is no segment with data, whatever else the process sent.
func TestRetransmittedSYNsAreNoData(t *testing.T) {
	asks := tcpIn(sockdiag.SynSent, 9, tcpInfo(4, 0, 0))
	late := tcpIn(sockdiag.Established, 10, tcpInfo(2, 7, 0)) // its SYN was sent again
	lossy := tcpIn(sockdiag.Established, 11, tcpInfo(3, 93, 3000))
	for _, c := range []struct {
		want string
		of   []sockdiag.Socket
	}{
		{"None of them carried data: SYNs, answers to SYNs, or FINs.", []sockdiag.Socket{asks, late}},
		{"At most 3.0 % of the segments with data that they sent: at least 6 were", []sockdiag.Socket{asks, late, lossy}},
		{"3.2 % of the segments with data that they sent.", []sockdiag.Socket{lossy}},
		{"", []sockdiag.Socket{tcpIn(sockdiag.Established, 12, tcpInfo(0, 7, 0))}},
	} {
		if got := readRetransmitted(having(c.of...)); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if got := whyOf(tcpIn(sockdiag.Established, 13, tcpInfo(6, 7, 0))); strings.Contains(got, "retransmitted") {
		t.Errorf("%q", got)
	}
}

func whyOf(it sockdiag.Socket) string { return string(why(nil, having(it).Mine.At(0))) }

// What a program still has it has not closed: it has shut it down for sending.
func TestShutDownIsNotClosed(t *testing.T) {
	for _, state := range []sockdiag.State{sockdiag.FinWait1, sockdiag.FinWait2, sockdiag.LastAck, sockdiag.Closing} {
		kept, left := tcpIn(state, 9, nil), tcpIn(state, 0, nil)
		if got := whyOf(kept); strings.Contains(got, "closed") {
			if !strings.Contains(got, "but not closed") {
				t.Errorf("%v: %q", state, got)
			}
		}
		if got := whyOf(left); !strings.HasPrefix(got, "closed ") {
			t.Errorf("%v: %q", state, got)
		}
		for _, c := range []struct {
			list  []sockdiag.Socket
			begin string
		}{
			{[]sockdiag.Socket{kept}, "Shut down for"}, {[]sockdiag.Socket{left}, "Closed here"},
			{[]sockdiag.Socket{kept, left}, "Closed or shut"},
		} {
			if got := whyUse(having(c.list...).Net.Use().At(0)); !strings.HasPrefix(got, c.begin) {
				t.Errorf("%v: %q", state, got)
			}
		}
	}
}

func unixOf(kind uint8, received, sent uint32) sockdiag.Socket {
	return sockdiag.Socket{
		Family: unix.AF_UNIX, State: sockdiag.Close, Inode: 9, RQueue: received, WQueue: sent, Told: sockdiag.Netlink,
		Unix: &sockdiag.Unix{Type: kind, Name: "@x"},
	}
}

// Of datagrams the kernel tells the first one's size, and a stream without a peer receives nothing
// (net/unix/af_unix.c, unix_inq_len).
func TestUnixSockets(t *testing.T) {
	for want, it := range map[string]sockdiag.Socket{
		"datagrams wait for its program to read them: the first has 100 B": unixOf(unix.SOCK_DGRAM, 100, 0),
		"100 B from the other side wait for its program to read them":      unixOf(unix.SOCK_STREAM, 100, 0),
		"8.2 KiB wait for the other side to read them; where more than net.unix.max_dgram_qlen datagrams wait there, " +
			"send has to wait too": unixOf(unix.SOCK_DGRAM, 0, 8448),
		"8.2 KiB wait for the other side to read them": unixOf(unix.SOCK_STREAM, 0, 8448),
	} {
		if got := whyOf(it); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	datagram, stream := unixOf(unix.SOCK_DGRAM, 0, 0), unixOf(unix.SOCK_STREAM, 0, 0)
	for want, list := range map[string][]sockdiag.Socket{
		"Those with a name receive datagrams from any sender.":        {datagram, datagram},
		"Neither listening nor connected: they receive nothing.":      {stream, stream},
		"1 of datagrams, which receive from any sender if they have ": {stream, datagram},
	} {
		if got := whyUse(having(list...).Net.Use().At(0)); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What is advised lists the sockets of the namespace that it is about.
func TestAdviceIsOfTheSameNamespace(t *testing.T) {
	it := sockdiag.Socket{Family: unix.AF_INET, Protocol: unix.IPPROTO_UDP, State: sockdiag.Close, Inode: 9}
	for _, c := range []struct {
		dir, want string
		own       bool
	}{
		{"812", "kwhy net sockets 812 --", false}, {"812/task/815", "kwhy net sockets 812 --", false},
		{"812", "kwhy net sockets --", true}, {"self", "kwhy net sockets --", true}, {".", "kwhy net sockets --", false},
	} {
		p := having(it)
		p.Net.Dir, p.Net.Own = c.dir, c.own
		row := p.Mine.At(0)
		for _, next := range []string{nextOfDrops(row), nextOfReader(row), closeWaitOfOne().NextOf(p.Net.Use().At(0))} {
			if !strings.HasPrefix(next, c.want) {
				t.Errorf("of %s: %q, want %q", c.dir, next, c.want)
			}
		}
	}
}

// What sockstat says of memory is as inexact of UDP as of TCP.
func TestSockstatMemoryIsInexact(t *testing.T) {
	h := inspecttest.Open(t, inspecttest.Recorded(t, "linux-6.18-net"))
	n, err := Take(h, inspect.Of(inspect.NetSockstat, inspect.UDPMem, inspect.TCPMem))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range bufferMemory() {
		if f.Key == "tcp_mem_used" || f.Key == "udp_mem_used" {
			if got := f.Reading(n); !strings.Contains(got, "Exact to 1 MiB a CPU") {
				t.Errorf("%s: %q", f.Key, got)
			}
		}
	}
}
