package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// toTen makes n connections from 127.0.0.1 to ten destinations; where bound, each binds first, to
// any port.
func toTen(kept []io.Closer, bound bool, n int) ([]io.Closer, error) {
	var to []unix.Sockaddr
	for i := range 10 {
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.%d:8000", 10+i))
		if err != nil {
			return kept, err
		}
		kept = append(kept, l)
		to = append(to, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(10 + i)}, Port: 8000})
	}
	for i := range n {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return kept, err
		}
		kept = append(kept, closer(c))
		if bound {
			if err := unix.Bind(c, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
				return kept, err
			}
		}
		if err := unix.Connect(c, to[i%10]); err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// unreadDatagrams sends n datagrams to a socket that nobody reads, and keeps it.
func unreadDatagrams(kept []io.Closer, n int) ([]io.Closer, error) {
	to, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5353})
	if err != nil {
		return kept, err
	}
	kept = append(kept, to)
	if err := to.SetReadBuffer(20000); err != nil {
		return kept, err
	}
	_, err = sendDatagrams("127.0.0.1:5353", n)
	return kept, err
}

// sendDatagrams sends n datagrams to an address, and returns how often that was not permitted.
func sendDatagrams(to string, n int) (string, error) {
	denied := 0
	for range n { // of a socket each: what one is told of the last would be an error of the next
		c, err := net.Dial("udp", to)
		if err != nil {
			return "", err
		}
		_, err = c.Write(make([]byte, 100))
		_ = c.Close()
		switch {
		case errors.Is(err, unix.EPERM):
			denied++
		case err != nil:
			return "", err
		}
	}
	return strconv.Itoa(denied), nil
}

const dropping = `table inet t {
  counter c1 {
  }
  chain sub {
    udp dport 7004 counter drop
  }
  chain in {
    type filter hook input priority 0; policy accept;
    udp dport 7001 counter drop
    udp dport 7002 drop
    counter udp dport 7003 drop
    udp dport 7005 counter name c1 drop
    udp dport 7006 counter reject
    jump sub
  }
  chain out {
    type filter hook output priority 0; policy accept;
    udp dport 7007 counter drop
  }
  chain onwards {
    type filter hook forward priority 0; policy drop;
  }
}
table ip switched_off {
  flags dormant;
  chain in {
    type filter hook input priority 0; policy drop;
    udp dport 7008 counter drop
  }
}
`

// filtered loads rules into the namespace of a child.
func (n *netHostChild) filtered() {
	n.t.Helper()
	need(n.t, "nft")
	file := filepath.Join(n.t.TempDir(), "rules")
	if err := os.WriteFile(file, []byte(dropping), 0o644); err != nil {
		n.t.Fatal(err)
	}
	if out := n.run("run nft -f " + file); strings.Contains(out, "rror") {
		n.t.Skipf("nft: %s", out)
	}
}

// What rules drop is what was sent to their ports, as the sender knows; a rule without a counter
// of what it drops has no number, and what leaves by OUTPUT gives its sender EPERM. Those of a dormant
// table drop nothing, as other tables' drops after it show, and are none.
func TestLiveRulesThatDrop(t *testing.T) {
	child := inNamespace(t)
	child.filtered()
	sent := map[int]int{7001: 7, 7002: 5, 7003: 4, 7004: 3, 7005: 2, 7006: 6, 7008: 1}
	for port, n := range sent {
		if denied := child.do(fmt.Sprintf("send 127.0.0.1:%d %d", port, n)); denied != "0" {
			t.Errorf("port %d: %s of %d were denied, which INPUT does not", port, denied, n)
		}
	}
	if denied := child.do("send 127.0.0.1:7007 9"); denied != "9" {
		t.Errorf("%s of 9 were denied by OUTPUT", denied)
	}
	d := readJSON(t, child.run("kwhy net -o json"))
	got := map[string][]string{}
	for _, r := range d.Tables["drops"].Rows {
		packets := "-"
		if v, ok := r["packets"].(float64); ok {
			packets = strconv.Itoa(int(v))
		}
		key := fmt.Sprint(r["chain"], " ", r["hooks"], " ", r["verdict"])
		got[key] = append(got[key], packets)
	}
	for key, want := range map[string]string{
		"in input drop": "7 2 - -", "in input reject": "6", "sub input drop": "3", "out output drop": "9", "onwards forward drop": "-",
	} {
		if have := strings.Join(got[key], " "); have != want {
			t.Errorf("%s: %q, want %q", key, have, want)
		}
	}
	for key, want := range map[string]int{"drop_rules": 8, "drop_rules_blind": 3, "filter_dropped": 27, "filter_dropped_out": 9} {
		if v := number(t, d, key); int(v) != want {
			t.Errorf("%s is %v, want %d", key, v, want)
		}
	}
	if v := number(t, d, "ip_in_discards"); v != 0 {
		t.Errorf("%v discarded on the way in: then a counter of the kernel has what rules drop", v)
	}
	if v := number(t, d, "ip_out_discards"); v != 9 {
		t.Errorf("%v discarded on the way out, of 9", v)
	}
}

// What rules of iptables' own tables drop is what was sent to their ports, of both families, in a chain
// of a user too; the policy of a chain counts what it decides on.
func TestLiveLegacyRulesThatDrop(t *testing.T) {
	need(t, "iptables-legacy")
	need(t, "ip6tables-legacy")
	child := inNamespace(t)
	for _, rule := range []string{
		"iptables-legacy -N sub", "iptables-legacy -N alone", "iptables-legacy -A INPUT -p udp --dport 7100 -j ACCEPT",
		"iptables-legacy -A INPUT -p udp --dport 7001 -j DROP", "iptables-legacy -A INPUT -p udp --dport 7002 -j REJECT",
		"iptables-legacy -A INPUT -p udp -j sub", "iptables-legacy -A FORWARD -p udp -g sub",
		"iptables-legacy -A sub -p udp --dport 7003 -j DROP", "iptables-legacy -A alone -j DROP",
		"iptables-legacy -A OUTPUT -p udp --dport 7004 -j DROP", "iptables-legacy -P FORWARD DROP",
		"ip6tables-legacy -A INPUT -p udp --dport 7005 -j DROP",
	} {
		if out := child.run("run " + rule); strings.Contains(out, "v1.") { // which each of its errors begins with
			t.Skipf("%s: %s", rule, out)
		}
	}
	for port, n := range map[int]int{7001: 7, 7002: 5, 7003: 4, 7100: 3} {
		if denied := child.do(fmt.Sprintf("send 127.0.0.1:%d %d", port, n)); denied != "0" {
			t.Errorf("port %d: %s of %d were denied, which INPUT does not", port, denied, n)
		}
	}
	if denied := child.do("send 127.0.0.1:7004 9"); denied != "9" {
		t.Errorf("%s of 9 were denied by OUTPUT", denied)
	}
	child.do("send [::1]:7005 6")
	d := readJSON(t, child.run("kwhy net -o json"))
	var got []string
	for _, r := range d.Tables["drops"].Rows {
		got = append(got, fmt.Sprint(r["engine"], " ", r["family"], " ", r["table"], " ", r["chain"], " ", r["handle"], " ", r["hooks"], " ",
			r["verdict"], " ", r["packets"]))
	}
	slices.Sort(got)
	want := []string{
		"x_tables ip filter FORWARD 0 forward drop 0", "x_tables ip filter INPUT 2 input drop 7", "x_tables ip filter INPUT 3 input reject 5",
		"x_tables ip filter OUTPUT 1 output drop 9", "x_tables ip filter alone 1 <nil> drop 0", "x_tables ip filter sub 1 input,forward drop 4",
		"x_tables ip6 filter INPUT 1 input drop 6",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for key, want := range map[string]int{"drop_rules": 7, "drop_rules_blind": 0, "filter_dropped": 31, "filter_dropped_out": 9} {
		if v := number(t, d, key); int(v) != want {
			t.Errorf("%s is %v, want %d", key, v, want)
		}
	}
	f := child.over("send 127.0.0.1:7004 5").finding("net.filter_drops_out")
	if !strings.Contains(f, "rule 1 of chain OUTPUT (x_tables ip filter)") {
		t.Errorf("%q", f)
	}
	if tables := child.run("run cat /proc/self/net/ip_tables_names"); strings.TrimSpace(tables) != "filter" {
		t.Errorf("kwhy is to make no table, and there are %q", tables)
	}
}

// over runs kwhy of a child's namespace over an interval in which it does something.
func (n *netHostChild) over(do string, args ...string) document {
	n.t.Helper()
	var out, errs bytes.Buffer
	a := &App{Out: &out, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: func(d time.Duration) {
		if time.Sleep(d); do != "" {
			n.do(do)
		}
	}}
	args = append([]string{"net", "--netns", strconv.Itoa(n.pid), "-o", "json", "--interval", "50ms"}, args...)
	if status := a.Run(args); status != exitOK {
		n.t.Skip(errs.String()) // the namespace may not be entered
	}
	return readJSON(n.t, out.String())
}

// What a rule drops now is found, with the rule; what it dropped before is not.
func TestLiveDropsOverAnInterval(t *testing.T) {
	child := inNamespace(t)
	child.filtered()
	child.do("send 127.0.0.1:7007 50")
	d := child.over("")
	if _, ok := d.Values["filter_dropped"].Value.(float64); !ok {
		t.Skip("the rules of another namespace may not be asked for")
	}
	if f := d.finding("net.filter_drops") + d.finding("net.filter_drops_out"); f != "" {
		t.Errorf("nothing was dropped in the interval, and yet: %q", f)
	}
	f := child.over("send 127.0.0.1:7007 5").finding("net.filter_drops_out")
	if !strings.Contains(f, "packet filter dropped a packet, most of them rule ") || !strings.Contains(f, "of chain out (inet t)") {
		t.Errorf("%q", f)
	}
	if f := child.over("send 127.0.0.1:7004 20").finding("net.filter_drops"); !strings.Contains(f, "of chain sub (inet t)") {
		t.Errorf("%q", f)
	}
}

// Who binds before it connects takes a port for all destinations, as the kernel says by
// EADDRINUSE; who lets connect choose does not, with as many connections.
func TestLivePortsTakenByBind(t *testing.T) {
	for _, c := range []struct {
		how   string
		n     int
		found string
	}{
		{"bind", 200, "200 of the 200 local ports of 127.0.0.1 are taken, each by a connection of its own"},
		{"bind", 120, ""},
		{"connect", 400, ""},
	} {
		child := inNamespace(t)
		child.do("range 40000 40199")
		child.do(fmt.Sprintf("%s %d", c.how, c.n))
		d := readJSON(t, child.run("kwhy net -o json"))
		if f := d.finding("net.ports_bound"); (f == "") != (c.found == "") || !strings.HasPrefix(f, c.found) {
			t.Errorf("%d by %s: %q", c.n, c.how, f)
		} else if who := fmt.Sprintf("(%d), which has 200 of them, binds before", child.pid); f != "" && !strings.Contains(f, who) {
			t.Errorf("%q does not say who", f)
		}
		if v := number(t, d, "ephemeral_used_local"); c.how == "bind" && v != float64(c.n)/200 {
			t.Errorf("%d of 200 ports are %v", c.n, v)
		}
	}
}

// A socket whose buffer is full now is found, and one that has room is not.
func TestLiveFullReceiveBuffer(t *testing.T) {
	for n, found := range map[string]bool{"100": true, "2": false} {
		child := inNamespace(t)
		child.do("unread " + n)
		d := readJSON(t, child.run("kwhy net -o json"))
		r := readJSON(t, child.run("kwhy net sockets --protocol udp -o json"))
		f := d.finding("net.receive_buffer_full") + r.finding("net.receive_buffer_full")
		if found != strings.Contains(f, "waiting at udp 127.0.0.1:5353, whose buffer is ") {
			t.Errorf("%s datagrams: %q", n, f)
		}
	}
}

// SYNs that nobody answers are told as that, and not as segments of which all are lost.
func TestLiveUnansweredSYNs(t *testing.T) {
	long(t, "it waits until SYNs were sent again three times")
	child := inNamespace(t)
	child.do("listen 20") // a backlog of 1: most SYNs are dropped
	deadline := time.Now().Add(20 * time.Second)
	for {
		d := child.over("")
		if s := d.finding("net.retransmits") + d.finding("net.retransmits_so_far") + d.finding("net.not_acknowledged"); s != "" {
			t.Fatalf("SYNs are told as segments: %q", s)
		}
		if s := readJSON(t, child.run("kwhy net sockets -o json")).finding("net.syn_not_answered"); s != "" {
			if !strings.Contains(s, "which has asked for a connection 3 more times") && !strings.Contains(s, "more times") {
				t.Errorf("%q", s)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no SYN was sent three times")
		}
		time.Sleep(200 * time.Millisecond)
	}
	for time.Now().Before(deadline) { // some of the eighteen are sent again within half a second
		d := child.over("", "--interval", "1200ms")
		if s := d.finding("net.syn_retransmits"); strings.Contains(s, "SYNs or answers to them were sent again in the last 1.") {
			return
		}
	}
	t.Error("no SYN was found to be sent again")
}

// Who has connections in CLOSE_WAIT is told, with how many.
func TestLiveCloseWaitByOwner(t *testing.T) {
	child := inNamespace(t)
	child.do("closewait 60")
	d := readJSON(t, child.run("kwhy net -o json"))
	f := d.finding("net.close_wait")
	if !strings.HasPrefix(f, "60 connections that the peer has closed are kept open here: 60 by ") ||
		!strings.HasSuffix(f, fmt.Sprintf("(%d)", child.pid)) {
		t.Errorf("%q", f)
	}
}

// Neighbours of every network namespace are in one table, whose size the kernel says by netlink
// too (RTM_GETNEIGHTBL, ip ntable); permanent ones are told from those that its bound counts.
func TestLiveNeighbours(t *testing.T) {
	need(t, "ip")
	root(t)
	child := inNamespace(t)
	if v := liveJSON(t, "net").Values["arp_cache_entries"]; v.Value == nil {
		t.Skipf("this is not the first network namespace: %v", v)
	}
	const n = 600 // of 1,024 that may be made: permanent ones do not count, and go with the namespace
	file := filepath.Join(t.TempDir(), "batch")
	var b strings.Builder
	b.WriteString("link add v0 type veth peer name v1\nlink set v0 up\nlink set v1 up\n")
	for i := range n {
		fmt.Fprintf(&b, "neigh add 10.9.%d.%d lladdr 02:00:00:00:00:01 nud permanent dev v0\n", i/200+1, i%200+1)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	child.run("run ip -batch " + file)
	size := func() (entries int) {
		out, err := exec.Command("ip", "-s", "ntable", "show", "name", "arp_cache").Output()
		if _, rest, ok := strings.Cut(string(out), "entries "); err != nil || !ok {
			t.Skipf("ip ntable: %v: %s", err, out)
		} else if _, err := fmt.Sscan(rest, &entries); err != nil {
			t.Fatal(err)
		}
		return entries
	}
	before := size()
	d := liveJSON(t, "net", "--netns", strconv.Itoa(child.pid))
	after := size()
	if got := int(number(t, d, "arp_cache_entries")); got < min(before, after) || got > max(before, after) || got < n {
		t.Errorf("%d entries, and the kernel says %d and then %d", got, before, after)
	}
	if s := d.Values["arp_cache_entries"].Reading; !strings.Contains(s, fmt.Sprintf("%d are permanent", n)) {
		t.Errorf("%q", s)
	}
	if s := d.finding("net.arp_near"); s != "" {
		t.Errorf("permanent entries are not bound: %q", s)
	}
}
