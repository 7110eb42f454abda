package cmd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Each socket of a child in trouble is told by the right sentence and by the right
// number.
func TestLiveSocketsInTrouble(t *testing.T) {
	c, made, own := netChild(t, "Sockets")
	pid := strconv.Itoa(c.Process.Pid)
	d := liveJSON(t, "net", "sockets", pid, "--limit", "0")
	if d.Tables["sockets"].Rows[0]["source"] != "sock_diag" {
		t.Skip("sock_diag can't be asked here")
	}
	who := fmt.Sprintf("%s(%s)", commOf(t, pid), pid)
	for _, k := range []struct {
		name, state, says string
		values            map[string]any
	}{
		{"full", "LISTEN", "its accept queue is full: 3 connections wait for " + who + " to accept, and no more fit",
			map[string]any{"accept_queue": 3., "accept_limit": 2., "level": "warning"}},
		{"unread", "ESTABLISHED", "19.5 KiB wait for " + who + " to read them, for 1.",
			map[string]any{"recv_q": 20000., "send_q": 0., "tcpi_bytes_received": 20000.}},
		{"unread_peer", "ESTABLISHED", "nothing waits", map[string]any{"send_q": 0., "tcpi_bytes_acked": 20001.}},
		{"blocked", "ESTABLISHED", "wait in the peer's window, which is ", map[string]any{"timer": "persist"}},
		{"blocked", "ESTABLISHED", "its program does not read", nil},
		{"close_wait", "CLOSE_WAIT", "the peer has closed, and " + who + " has yet to close it", nil},
		{"idle", "ESTABLISHED", "nothing waits", map[string]any{"recv_q": 0., "send_q": 0.}},
		{"udp", "", "to read them, and what comes is dropped", map[string]any{"sk_rcvbuf": 4608., "level": "warning"}},
		{"unix_sender", "CONNECTED", "wait for " + who + " to read them",
			map[string]any{"peer_inode": float64(made["unix_reader"]), "recv_q": 0.}},
		{"unix_reader", "CONNECTED", "300 B from " + who + " wait for " + who + " to read them",
			map[string]any{"recv_q": 300., "peer_inode": float64(made["unix_sender"])}},
	} {
		r := byPort(t, d, made, k.name, k.state)
		if !strings.Contains(fmt.Sprint(r["why"]), k.says) {
			t.Errorf("%s: %q does not say %q", k.name, r["why"], k.says)
		}
		for key, want := range k.values {
			if r[key] != want {
				t.Errorf("%s: %s is %v, want %v", k.name, key, r[key], want)
			}
		}
		if owners, ok := r["owners"].([]any); !ok || len(owners) == 0 || owners[0].(map[string]any)["pid"] != float64(c.Process.Pid) {
			t.Errorf("%s: owners %v, want %s", k.name, r["owners"], pid)
		}
	}
	blocked := byPort(t, d, made, "blocked", "ESTABLISHED")
	if busy, limited := blocked["tcpi_busy_time"], blocked["tcpi_rwnd_limited"]; busy != nil &&
		(limited.(float64) <= 0 || limited.(float64) > busy.(float64)) {
		t.Errorf("of %v s busy the peer's window was the limit for %v", busy, limited)
	}
	if wait := byPort(t, d, made, "full", "ESTABLISHED"); !strings.HasPrefix(
		fmt.Sprint(wait["why"]),
		fmt.Sprintf("connected, and not accepted yet: it waits in the queue of port %d for %s", made["full"], who),
	) ||
		wait["inode"] != nil {
		t.Errorf("one that waits to be accepted: %q, inode %v", wait["why"], wait["inode"])
	}
	if own { // then these are the only ones that the counters of the namespace count
		countersAgree(t, d, made, pid)
		host := liveJSON(t, "net", "--netns", pid)
		if f := host.finding("net.datagrams_dropped"); !strings.HasPrefix(f, fmt.Sprintf("%s (%s) lost ", commOf(t, pid), pid)) ||
			!strings.Contains(f, fmt.Sprintf("at udp 127.0.0.1:%d since the socket was made", made["udp"])) {
			t.Errorf("whose datagrams were lost: %q", f)
		}
	}
}

// A peer that answers every probe of its closed window and does not read is found:
// the probes are counted by what lengthens their interval.
func TestLiveWindowClosed(t *testing.T) {
	long(t, "it waits for probes of a window")
	c, made, _ := netChild(t, "Sockets")
	pid := strconv.Itoa(c.Process.Pid)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		d := liveJSON(t, "net", "sockets", pid, "--limit", "0")
		r := byPort(t, d, made, "blocked", "ESTABLISHED")
		if r["source"] != "sock_diag" {
			t.Skip("sock_diag can't be asked here")
		}
		f, why := d.finding("net.window_closed"), fmt.Sprint(r["why"])
		if strings.HasSuffix(f, ", whose window is closed") && r["level"] == "notice" && strings.Contains(why, "; probed ") &&
			strings.Contains(why, " times or more") {
			if n, _ := r["tcpi_backoff"].(float64); n < 3 || r["timer"] != "persist" {
				t.Errorf("backoff %v, timer %v", r["tcpi_backoff"], r["timer"])
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("finding %q, level %v, %q", f, r["level"], why)
		}
	}
}

// countersAgree compares the drops of sockets with what the kernel counts for their
// whole network namespace.
func countersAgree(t *testing.T, d document, made map[string]int, pid string) {
	t.Helper()
	if got, want := byPort(t, d, made, "udp", "")["sk_drops"], counterOf(t, pid, "snmp", "Udp:", "RcvbufErrors"); got != float64(want) ||
		want == 0 {
		t.Errorf("%v datagrams dropped, the namespace counts %d", got, want)
	}
	for range 20 { // clients of the full listener try again now and then
		before := counterOf(t, pid, "netstat", "TcpExt:", "ListenDrops")
		got := byPort(t, liveJSON(t, "net", "sockets", pid, "--limit", "0", "--protocol", "tcp"), made, "full", "LISTEN")["sk_drops"]
		if before == counterOf(t, pid, "netstat", "TcpExt:", "ListenDrops") {
			if got != float64(before) || before == 0 {
				t.Errorf("%v connections dropped at the listener, the namespace counts %d", got, before)
			}
			return
		}
	}
	t.Log("the counter of drops never held still")
}

// counterOf reads a counter of /proc/PID/net/snmp or netstat by its name.
func counterOf(t *testing.T, pid, file, head, name string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/net/" + file)
	if err != nil {
		t.Skip(err)
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != head {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i := range min(len(names), len(f)) {
			if names[i] == name {
				n, _ := strconv.Atoi(f[i])
				return n
			}
		}
	}
	t.Skipf("%s has no %s", file, name)
	return 0
}

// One process's report has its own sockets, all of them, and its full listener is a
// finding with its name.
func TestLiveNetProcess(t *testing.T) {
	c, made, own := netChild(t, "Sockets")
	pid := strconv.Itoa(c.Process.Pid)
	d := liveJSON(t, "net", pid)
	inodes := map[string]bool{}
	fds, err := os.ReadDir("/proc/" + pid + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, _ := os.Readlink("/proc/" + pid + "/fd/" + fd.Name()); strings.HasPrefix(to, "socket:[") {
			inodes[strings.Trim(to[7:], "[]")] = true
		}
	}
	for _, r := range d.Tables["sockets"].Rows {
		if !inodes[fmt.Sprint(r["inode_str"])] {
			t.Errorf("%v is none of its sockets", r)
		}
	}
	unbound := 4 // what is neither bound nor connected, or bound alone before 6.8, is in no table
	if n := len(d.Tables["sockets"].Rows); n > len(inodes) || n < len(inodes)-unbound {
		t.Errorf("%d sockets of %d", n, len(inodes))
	}
	if own {
		ns, _ := os.Readlink("/proc/" + pid + "/ns/net")
		if got := fmt.Sprintf("net:[%.0f]", number(t, d, "net_namespace")); got != ns {
			t.Errorf("its namespace is %s, told as %s", ns, got)
		}
	}
	found := false
	for _, f := range d.Findings {
		found = found ||
			f.ID == "net.accept_queue_full" && f.Level == "warning" &&
				strings.HasPrefix(
					f.Message,
					fmt.Sprintf("%s (%s) has 3 connections waiting at tcp 127.0.0.1:%d, of 3 at most", commOf(t, pid), pid, made["full"]),
				)
	}
	if !found && d.Tables["listeners"].Rows[0]["source"] == "sock_diag" {
		t.Errorf("no finding says that the queue is full: %+v", d.Findings)
	}
	if number(t, d, "unread") < 20000 || d.Values["sockets"].Value != float64(len(d.Tables["sockets"].Rows)) {
		t.Errorf("unread %v, sockets %v", d.Values["unread"].Value, d.Values["sockets"].Value)
	}
}

func TestLiveNetFilters(t *testing.T) {
	c, made, own := netChild(t, "Sockets")
	if !own {
		t.Skip("a network namespace of its own takes CAP_SYS_ADMIN")
	}
	pid, comm := strconv.Itoa(c.Process.Pid), commOf(t, strconv.Itoa(c.Process.Pid))
	all := liveJSON(t, "net", "sockets", pid, "--limit", "0").Tables["sockets"].Rows
	port := strconv.Itoa(made["unread"])
	for name, k := range map[string]struct {
		args []string
		is   func(map[string]any) bool
	}{
		"state": {[]string{"--state", "close-wait,LISTEN"},
			func(r map[string]any) bool { return r["state"] == "CLOSE_WAIT" || r["state"] == "LISTEN" }},
		"protocol": {[]string{"--protocol", "udp"}, func(r map[string]any) bool { return r["protocol"] == "udp" || r["protocol"] == "udp6" }},
		"port": {[]string{"--port", port}, func(r map[string]any) bool {
			return r["local_port"] == float64(made["unread"]) || r["peer_port"] == float64(made["unread"])
		}},
		"address": {[]string{"--address", "127.0.0.0/8"},
			func(r map[string]any) bool { return strings.HasPrefix(fmt.Sprint(r["local"]), "127.") }},
		"process": {[]string{"--process", "^" + regexp.QuoteMeta(comm) + "$"},
			func(r map[string]any) bool { return r["pid"] == float64(c.Process.Pid) }},
		"number": {[]string{"--process", pid}, func(r map[string]any) bool { return r["pid"] == float64(c.Process.Pid) }},
	} {
		want := 0
		for _, r := range all {
			if k.is(r) {
				want++
			}
		}
		got := liveJSON(t, append([]string{"net", "sockets", pid, "--limit", "0"}, k.args...)...).Tables["sockets"].Rows
		for _, r := range got {
			if !k.is(r) {
				t.Errorf("%s: %v", name, r)
			}
		}
		if len(got) != want || want == 0 {
			t.Errorf("%s: %d rows, want %d", name, len(got), want)
		}
	}
	for _, r := range liveJSON(t, "net", "sockets", pid, "--no-owners").Tables["sockets"].Rows {
		if r["owners"] != nil || r["absent"].(map[string]any)["owners"] != "unread" {
			t.Errorf("%v has owners, and nobody asked", r)
		}
	}
}

// A unix listener at a path is found by it.
func TestLiveUnixAddress(t *testing.T) {
	at := filepath.Join(t.TempDir(), "a socket")
	l, err := net.Listen("unix", at)
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = l.Close() }()
	rows := liveJSON(t, "net", "sockets", "--address", at).Tables["sockets"].Rows
	if len(rows) != 1 || rows[0]["local"] != at || rows[0]["state"] != "LISTEN" || rows[0]["pid"] != float64(os.Getpid()) {
		t.Errorf("%v", rows)
	}
}
