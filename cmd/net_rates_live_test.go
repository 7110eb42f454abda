package cmd

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"kwhy/inspect/inspecttest"
)

// Over an interval, counters of sockets have rates, and those of the loopback
// connection that this test feeds come out.
func TestLiveSocketRates(t *testing.T) {
	_, c, far := inspecttest.Connection(t)
	if _, err := c.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	a := &App{Out: &o, Err: &e, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: func(d time.Duration) {
		_, _ = c.Write(make([]byte, 20000))
		time.Sleep(d)
	}}
	if status := a.Run([]string{"net", "sockets", "--interval", "200ms", "--limit", "0", "--port", portText(far), "-o",
		"json"}); status != 0 ||
		e.Len() > 0 {
		t.Fatalf("status %d, %s", status, e.String())
	}
	for _, r := range readJSON(t, o.String()).Tables["sockets"].Rows {
		if r["source"] == "proc" {
			t.Skip("sock_diag can't be asked here")
		}
		if r["local_port"] != r["peer_port"] && fmt.Sprint(r["local_port"]) == portText(far) && r["state"] == "ESTABLISHED" {
			rate, _ := r["tcpi_bytes_received_rate"].(float64)
			if rate < 20000/2. || rate > 20000/0.19 {
				t.Errorf("%v bytes a second came, and 20,000 in 0.2 s or a little more", rate)
			}
			return
		}
	}
	t.Error("the connection is not listed")
}

// A process's own rates are those of the connection and of the full UDP socket that
// this test feeds meanwhile; a connection that is made in the interval counts whole.
func TestLiveProcessRates(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = l.Close() }()
	u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = u.Close() }()
	_ = u.SetReadBuffer(2304)
	to, err := net.Dial("udp", u.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = to.Close() }()
	var o, e bytes.Buffer
	slept := time.Duration(0)
	a := &App{Out: &o, Err: &e, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: func(d time.Duration) {
		slept += d
		for range 100 {
			_, _ = to.Write(make([]byte, 1000))
		}
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = c.Close() })
		if far, err := l.Accept(); err == nil {
			t.Cleanup(func() { _ = far.Close() })
			_, _ = c.Write(make([]byte, 20000))
		}
		time.Sleep(d)
	}}
	if status := a.Run([]string{"net", strconv.Itoa(os.Getpid()), "--interval", "200ms", "-o", "json"}); status != 0 || e.Len() > 0 {
		t.Fatalf("status %d, %s", status, e.String())
	}
	d := readJSON(t, o.String())
	if d.Tables["sockets"].Rows[0]["source"] == "proc" {
		t.Skip("sock_diag can't be asked here")
	}
	if d.Interval == nil || *d.Interval < slept.Seconds() {
		t.Fatalf("over %v", d.Interval)
	}
	for key, least := range map[string]float64{"received": 20000, "acknowledged": 20000, "socket_drops": 50} {
		grew := d.Values[key].Rate
		if grew == nil || *grew**d.Interval < least-1 || *grew**d.Interval > 100*least {
			t.Errorf("%s: %v a second over %v", key, grew, *d.Interval)
		}
	}
	dropsOf(t, d, u.LocalAddr().(*net.UDPAddr).Port)
}

// dropsOf looks at the row of a UDP socket that drops what comes.
func dropsOf(t *testing.T, d document, port int) {
	t.Helper()
	for _, r := range d.Tables["sockets"].Rows {
		if r["protocol"] == "udp" && fmt.Sprint(r["local_port"]) == strconv.Itoa(port) && r["sk_drops"].(float64) > 0 {
			if rate, ok := r["sk_drops_rate"].(float64); !ok || rate <= 0 {
				t.Errorf("drops %v, a second %v", r["sk_drops"], r["sk_drops_rate"])
			}
			return
		}
	}
	t.Error("the UDP socket is not listed")
}

func portText(c net.Conn) string { return strconv.Itoa(c.LocalAddr().(*net.TCPAddr).Port) }
