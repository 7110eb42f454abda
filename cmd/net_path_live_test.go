package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHelperPath is no test: it is a child that sends over a loopback interface with
// loss or delay, made by what the kernel has for it.
func TestHelperPath(t *testing.T) {
	inRole(t, "Path")
	must(0, link(true))
	run := func(words ...string) {
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			fmt.Printf("skip %s: %s\n", strings.Join(words, " "), strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", " "))
			os.Exit(0)
		}
	}
	run("ip", "link", "set", "lo", "mtu", "1500")
	how := os.Getenv("KWHY_TEST_PATH")
	switch how {
	case "netem":
		run("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "50ms", "loss", "10%")
	case "loss":
		run("nft", "add", "table", "ip", "kwhy")
		run("nft", "add chain ip kwhy in { type filter hook input priority 0; }")
		run("nft", "add rule ip kwhy in tcp dport 5000 tcp flags & syn == 0 numgen random mod 100 < 10 drop")
	case "delay": // by a queue that empties slowly
		run("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "4mbit", "burst", "4kb", "limit", "500kb")
	}
	l := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	must(0, unix.Bind(l, &unix.SockaddrInet4{Port: 5000, Addr: [4]byte{127, 0, 0, 1}}))
	must(0, unix.Listen(l, 4))
	near := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	must(0, unix.SetsockoptString(near, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")) // which fills the queue
	must(0, unix.Connect(near, must(unix.Getsockname(l))))
	far, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	must(far, err)
	var read int
	done := make(chan bool)
	go func() {
		b := make([]byte, 65536)
		for {
			n, err := unix.Read(far, b)
			if n <= 0 || err != nil {
				return
			}
			if read += n; read >= 500_000 {
				done <- true
			}
		}
	}()
	must(0, unix.SetNonblock(near, true))
	for tried := false; !tried; {
		_, _ = unix.Write(near, make([]byte, 10000)) // there is always more to send
		select {
		case tried = <-done:
		default:
		}
	}
	tell(map[string]int{"near": portOf(near)})
}

// pathChild starts the child and returns the row of its connection, asked again as
// long as the sentence is another.
func pathChild(t *testing.T, how string) (pid string, row func() map[string]any) {
	t.Helper()
	c, made, own := netChild(t, "Path", "KWHY_TEST_PATH="+how)
	if !own {
		t.Skip("the network of others is not the test's to slow down")
	}
	pid = strconv.Itoa(c.Process.Pid)
	return pid, func() map[string]any {
		return byPort(t, liveJSON(t, "net", "sockets", pid, "--limit", "0"), made, "near", "ESTABLISHED")
	}
}

// Delay and loss by netem are seen in the round trip time and in what was retransmitted.
func TestLiveDelayAndLoss(t *testing.T) {
	_, row := pathChild(t, "netem")
	r := row()
	if rtt, _ := r["tcpi_min_rtt"].(float64); rtt < 0.09 || rtt > 0.5 {
		t.Errorf("the round trip takes %v s, twice 50 ms was set", r["tcpi_min_rtt"])
	}
	if n, _ := r["tcpi_total_retrans"].(float64); n == 0 || !strings.Contains(fmt.Sprint(r["why"]), "retransmitted") {
		t.Errorf("%v segments were retransmitted: %q", r["tcpi_total_retrans"], r["why"])
	}
}

// Where packets are dropped on the way in, the socket and the host say what was sent
// again, as many as ss counts, and the finding has their share.
func TestLiveLoss(t *testing.T) {
	need(t, "ss")
	pid, row := pathChild(t, "loss")
	r := row()
	n, _ := r["tcpi_total_retrans"].(float64)
	if n < 5 || !strings.Contains(fmt.Sprint(r["why"]), "retransmitted") {
		t.Errorf("%v segments were retransmitted: %q", n, r["why"])
	}
	if !strings.Contains(toolIn(t, c2i(t, pid), "ss", "-tinH", "sport = :"+fmt.Sprint(r["local_port"])), " retrans:") {
		t.Error("ss knows of no retransmission")
	}
	host := liveJSON(t, "net", "--netns", pid)
	all := number(t, host, "tcp_retrans_segs")
	if all < n {
		t.Errorf("%v of the host's segments were retransmitted, and %v of one socket's", all, n)
	}
	// How much is retransmitted depends on the load: from 2 % on it is worth a notice.
	data := all - number(t, host, "tcp_syn_retrans") // what is lost of a handshake is told of that
	share := data / (data + number(t, host, "tcp_out_segs"))
	if f := host.finding("net.retransmits_so_far"); strings.Contains(
		f,
		" of the TCP segments of open connections were retransmitted, since these counters began",
	) != (share >= 0.02 && data >= 5) {
		t.Errorf("of %v retransmitted the finding is %q", share, f)
	}
	for key, says := range map[string]string{"tcp_retrans_segs": " % of the segments sent so far.",
		"tcp_fast_retrans": "Losses that acknowledgements of later segments revealed"} {
		if got := host.Values[key].Reading; !strings.Contains(got, says) {
			t.Errorf("%s: %q does not say %q", key, got, says)
		}
	}
}

// A slow queue on the way out is told as what holds the connection: the answer is
// late, and the queue has what tc says it has.
func TestLiveDelay(t *testing.T) {
	need(t, "tc")
	pid, row := pathChild(t, "delay")
	r := row()
	if rtt, _ := r["tcpi_rtt"].(float64); rtt < 0.01 || rtt > 5 {
		t.Errorf("an answer takes %v s behind a queue of 4 Mbit/s", r["tcpi_rtt"])
	}
	// What holds it changes from one moment to the next, for the peer's window grows with what
	// it reads: most of the time it is the way.
	waitsForTheWay := func() bool {
		why := fmt.Sprint(row()["why"])
		return strings.Contains(why, "congestion window") || strings.Contains(why, "send buffer") || strings.Contains(why, "in flight")
	}
	for end := time.Now().Add(20 * time.Second); !waitsForTheWay(); {
		if time.Now().After(end) {
			t.Fatalf("%q does not say that it waits for the way", row()["why"])
		}
	}
	var tc []struct {
		Kind           string
		Drops, Packets float64
	}
	dump := func() {
		if err := json.Unmarshal([]byte(toolIn(t, c2i(t, pid), "tc", "-s", "-j", "qdisc", "show", "dev", "lo")), &tc); err != nil ||
			len(tc) != 1 {
			t.Skipf("tc -j: %v, %v", err, tc)
		}
	}
	dump()
	before := tc[0]
	q := liveJSON(t, "net", "--netns", pid).Tables["qdiscs"].Rows[0]
	dump()
	if q["qdisc"] != "tbf" || q["sent_packets"].(float64) < before.Packets || q["sent_packets"].(float64) > tc[0].Packets ||
		q["dropped"].(float64) < before.Drops ||
		q["dropped"].(float64) > tc[0].Drops {
		t.Errorf("%v; tc says %+v before and %+v after", q, before, tc[0])
	}
}

func c2i(t *testing.T, pid string) int {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHelperHalfOpen is no test: it is a child with a listener that waits for data
// before it takes a connection, so that its clients stay half open.
func TestHelperHalfOpen(t *testing.T) {
	inRole(t, "HalfOpen")
	_ = link(true)
	l := listening(16)
	must(0, unix.SetsockoptInt(l, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 60))
	for range 7 {
		must(0, unix.Connect(tcpSocket(), must(unix.Getsockname(l))))
	}
	tell(map[string]int{"half": portOf(l)})
}

// Half-open connections are counted at their listener, which has room for them, and
// among the states.
func TestLiveHalfOpen(t *testing.T) {
	need(t, "ss")
	c, made, own := netChild(t, "HalfOpen")
	if !own {
		t.Skip("half-open connections of others would be counted too")
	}
	pid := strconv.Itoa(c.Process.Pid)
	if n := strings.Count(toolIn(t, c.Process.Pid, "ss", "-tanH", "state", "syn-recv"), "\n"); n != 7 {
		t.Skipf("ss sees %d half-open connections", n)
	}
	d := liveJSON(t, "net", "--netns", pid)
	if number(t, d, "tcp_syn_recv") != 7 {
		t.Errorf("%v in SYN_RECV", number(t, d, "tcp_syn_recv"))
	}
	for _, r := range d.Tables["listeners"].Rows {
		if r["local_port"] == float64(made["half"]) {
			if r["syn_queue"] != 7. || r["accept_queue"] != 0. ||
				!strings.Contains(fmt.Sprint(r["why"]), "none waits to be accepted; 7 are half open") {
				t.Errorf("%v half open, %v to be accepted: %q", r["syn_queue"], r["accept_queue"], r["why"])
			}
			return
		}
	}
	t.Error("the listener is not listed")
}
