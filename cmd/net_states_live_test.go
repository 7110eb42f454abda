package cmd

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHelperTimeWait is no test: it is a child that closes thousands of connections
// first.
func TestHelperTimeWait(t *testing.T) {
	inRole(t, "TimeWait")
	must(0, link(true)) // in a namespace of its own alone
	many, _ := strconv.Atoi(os.Getenv("KWHY_TEST_MANY"))
	l := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	must(0, unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(0, unix.Listen(l, 16))
	if port := portOf(l); port >= 20000 && port < 20000+many {
		fmt.Println("skip the listener has one of the ports that the test wants")
		os.Exit(0)
	}
	for i := range many {
		near := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
		// A port of its own: over loopback the kernel takes one in TIME_WAIT again.
		must(0, unix.Bind(near, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 20000 + i}))
		must(0, unix.Connect(near, must(unix.Getsockname(l))))
		far, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
		must(far, err)
		_, _ = unix.Close(near), unix.Close(far)
	}
	tell(map[string]int{"port": portOf(l)})
}

// Thousands of connections in TIME_WAIT are counted, as many as ss and sockstat
// count, and explained.
func TestLiveTimeWait(t *testing.T) {
	long(t, "it waits for connections to end")
	const many = 5000
	c, made, own := netChild(t, "TimeWait", "KWHY_TEST_MANY="+strconv.Itoa(many))
	if !own {
		t.Skip("5,000 ports of this namespace are not the test's to take")
	}
	d := kwhyIn(t, c.Process.Pid, "net")
	count := 0.
	for _, r := range d.Tables["states"].Rows {
		if r["protocol"] == "tcp" && r["state"] == "TIME_WAIT" {
			count = r["sockets"].(float64)
			if !strings.Contains(fmt.Sprint(r["why"]), "kept 60 s so that late segments die") {
				t.Errorf("%q", r["why"])
			}
		}
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/sockstat", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`TCP: .*tw (\d+)`).FindStringSubmatch(string(b))
	if m == nil || fmt.Sprint(count) != m[1] || count != many {
		t.Errorf("%v in TIME_WAIT, made %d, sockstat says %v", count, many, m)
	}
	rows := kwhyIn(t, c.Process.Pid, "net", "sockets", "--state", "time-wait", "--limit", "3", "--port",
		strconv.Itoa(made["port"])).Tables["sockets"].Rows
	if len(rows) != 3 || rows[0]["timer"] != "timewait" || rows[0]["timer_expires"].(float64) > 60 || rows[0]["owners"] != nil ||
		rows[0]["inode"] != nil {
		t.Errorf("%v", rows)
	}
}

// TestHelperSilence is no test: it is a child whose network goes away under a
// connection.
func TestHelperSilence(t *testing.T) {
	inRole(t, "Silence")
	must(0, link(true))
	l := listening(4)
	near, _ := pair(l)
	must(0, link(false))
	must(unix.Write(near, make([]byte, 5000)))
	time.Sleep(2 * time.Second) // for a few timeouts of 200 ms, doubled each time
	tell(map[string]int{"silent": portOf(near)})
}

// A connection whose segments nobody answers waits in the network, and says how
// often it was sent again.
func TestLiveSilentNetwork(t *testing.T) {
	c, made, own := netChild(t, "Silence")
	if !own {
		t.Skip("the network of others is not the test's to take down")
	}
	r := byPort(t, liveJSON(t, "net", "sockets", strconv.Itoa(c.Process.Pid), "--limit", "0"), made, "silent", "ESTABLISHED")
	if again, _ := r["tcpi_retransmits"].(float64); again < 1 || r["timer"] != "on" || r["send_q"] != 5000. ||
		!strings.Contains(fmt.Sprint(r["why"]), "4.9 KiB wait in the network: nothing was acknowledged though it was retransmitted ") {
		t.Errorf("%v retransmits, timer %v, %v to be sent: %q", r["tcpi_retransmits"], r["timer"], r["send_q"], r["why"])
	}
}
