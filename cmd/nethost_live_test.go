package cmd

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHelperNetHost is no test: it is the child that lives in a network namespace
// of its own and does there what it is told, a line each.
func TestHelperNetHost(t *testing.T) {
	if os.Getenv("KWHY_TEST_CHILD") != "nethost" {
		t.Skip("only the child of another test runs this")
	}
	if err := loopbackUp(); err != nil {
		fmt.Println("error", err)
		os.Exit(0)
	}
	fmt.Println("ready")
	var kept []io.Closer
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		f := strings.Fields(in.Text())
		n, _ := strconv.Atoi(f[len(f)-1])
		var out string
		var err error
		switch f[0] {
		case "udp":
			out, err = tooManyDatagrams(n)
		case "listen":
			kept, err = tooManyClients(kept, n)
		case "timewait", "closewait":
			kept, err = endings(kept, f[0], n)
		case "bind", "connect":
			kept, err = toTen(kept, f[0] == "bind", n)
		case "range":
			err = os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte(f[1]+" "+f[2]), 0o644)
		case "unread":
			kept, err = unreadDatagrams(kept, n)
		case "send":
			out, err = sendDatagrams(f[1], n)
		case "run":
			var b []byte
			b, err = exec.Command(f[1], f[2:]...).CombinedOutput()
			out = base64.StdEncoding.EncodeToString(b)
		case "kwhy":
			var b, errs bytes.Buffer
			a := &App{Out: &b, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: time.Sleep}
			if status := a.Run(f[1:]); status != exitOK {
				err = fmt.Errorf("status %d: %s", status, errs.String())
			}
			out = base64.StdEncoding.EncodeToString(b.Bytes())
		}
		if err != nil {
			out = "error " + strings.Join(strings.Fields(err.Error()), " ")
		}
		fmt.Println("-", out)
	}
	os.Exit(0)
}

func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	ask, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ask.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, ask)
}

// tooManyDatagrams sends n datagrams to a socket that nobody reads, and then reads
// how many got there.
func tooManyDatagrams(n int) (string, error) {
	to, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", err
	}
	defer func() { _ = to.Close() }()
	if err := to.SetReadBuffer(1000); err != nil {
		return "", err
	}
	from, err := net.DialUDP("udp4", nil, to.LocalAddr().(*net.UDPAddr))
	if err != nil {
		return "", err
	}
	defer func() { _ = from.Close() }()
	for range n {
		if _, err := from.Write(make([]byte, 200)); err != nil {
			return "", err
		}
	}
	read, buf := 0, make([]byte, 300)
	for {
		_ = to.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := to.Read(buf); err != nil {
			return strconv.Itoa(read), nil
		}
		read++
	}
}

// closer closes a file descriptor.
type closer int

func (c closer) Close() error { return unix.Close(int(c)) }

// tooManyClients connects n times to a listener with a backlog of 1 that accepts
// nobody.
func tooManyClients(kept []io.Closer, n int) ([]io.Closer, error) {
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return kept, err
	}
	kept = append(kept, closer(l))
	if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return kept, err
	}
	if err := unix.Listen(l, 1); err != nil {
		return kept, err
	}
	at, err := unix.Getsockname(l)
	if err != nil {
		return kept, err
	}
	for range n {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return kept, err
		}
		kept = append(kept, closer(c))
		if err := unix.Connect(c, at); err != nil && err != unix.EINPROGRESS {
			return kept, err
		}
	}
	return kept, nil
}

// endings makes n connections of which the client closes first: with the server
// after it they are in TIME_WAIT, and without in CLOSE_WAIT.
func endings(kept []io.Closer, which string, n int) ([]io.Closer, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return kept, err
	}
	kept = append(kept, l)
	for range n {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			return kept, err
		}
		s, err := l.Accept()
		if err != nil {
			return kept, err
		}
		_ = c.Close()
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			return kept, fmt.Errorf("read: %w", err)
		}
		if which == "closewait" {
			kept = append(kept, s)
			continue
		}
		_ = s.Close()
	}
	return kept, nil
}

// netHostChild is a child in a network namespace of its own.
type netHostChild struct {
	t   *testing.T
	pid int
	in  io.Writer
	out *bufio.Scanner
}

// inNamespace starts the child; where it may not have a namespace, the test is
// skipped.
func inNamespace(t *testing.T) *netHostChild {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestHelperNetHost$")
	c.Env = append(os.Environ(), "KWHY_TEST_CHILD=nethost")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET} // it ends when its input does
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	in, out := hearing(t, c)
	n := &netHostChild{t, c.Process.Pid, in, bufio.NewScanner(out)}
	n.out.Buffer(nil, 16<<20)
	if !n.out.Scan() || n.out.Text() != "ready" {
		t.Skipf("the child in its namespace: %s", n.out.Text())
	}
	return n
}

// do tells the child what to do and returns what it answers.
func (n *netHostChild) do(what string) string {
	n.t.Helper()
	if _, err := fmt.Fprintln(n.in, what); err != nil {
		n.t.Fatal(err)
	}
	if !n.out.Scan() {
		n.t.Fatalf("%s: the child has gone", what)
	}
	answer := strings.TrimPrefix(n.out.Text(), "- ")
	if text, bad := strings.CutPrefix(answer, "error "); bad {
		n.t.Fatalf("%s: %s", what, text)
	}
	return answer
}

// run runs a command in the namespace.
func (n *netHostChild) run(command string) string {
	n.t.Helper()
	b, err := base64.StdEncoding.DecodeString(n.do(command))
	if err != nil {
		n.t.Fatal(err)
	}
	return string(b)
}

// finding is what a rule says; "" where it found nothing.
func (d document) finding(id string) string {
	for _, f := range d.Findings {
		if f.ID == id {
			return f.Message
		}
	}
	return ""
}

func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skip(err)
	}
}

// Datagrams that met a full receive buffer are those that were sent and can't be
// read any more; kwhy tells so from within the namespace, and from without.
func TestLiveUDPRcvbufErrors(t *testing.T) {
	child := inNamespace(t)
	const sent = 300
	read, err := strconv.Atoi(child.do("udp 300"))
	if err != nil || read == 0 || read == sent {
		t.Fatalf("%d of %d were read, %v", read, sent, err)
	}
	inside := readJSON(t, child.run("kwhy net -o json"))
	outside := liveJSON(t, "net", "--netns", strconv.Itoa(child.pid))
	for where, d := range map[string]document{"inside": inside, "outside": outside} {
		if got := number(t, d, "udp_rcvbuf_errors"); int(got) != sent-read {
			t.Errorf("%s: %v met a full buffer; %d were sent and %d read", where, got, sent, read)
		}
		if all, in := number(t, d, "udp_in_errors"), number(t, d, "udp_in_datagrams"); int(all) != sent-read || int(in) != read {
			t.Errorf("%s: %v errors and %v datagrams in", where, all, in)
		}
		if f := d.finding("net.udp_rcvbuf_errors_so_far"); !strings.Contains(f, "full receive buffer") ||
			!strings.Contains(f, "since these counters began") {
			t.Errorf("%s: the finding is %q", where, f)
		}
	}
}

// Over an interval in which nothing is lost, nothing is found, whatever was lost
// before; and what is lost in it is found.
func TestLiveLossOverAnInterval(t *testing.T) {
	child := inNamespace(t)
	child.do("udp 300")
	d := readJSON(t, child.run("kwhy net -o json --interval 50ms"))
	if f := d.finding("net.udp_rcvbuf_errors") + d.finding("net.udp_rcvbuf_errors_so_far"); f != "" {
		t.Errorf("nothing was lost in the interval, and yet: %q", f)
	}
	var out, errs bytes.Buffer
	a := &App{Out: &out, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now,
		Sleep: func(d time.Duration) { child.do("udp 300"); time.Sleep(d) }}
	if status := a.Run([]string{"net", "--netns", strconv.Itoa(child.pid), "-o", "json", "--interval", "50ms"}); status != exitOK {
		t.Fatal(errs.String())
	}
	d = readJSON(t, out.String())
	if f := d.finding("net.udp_rcvbuf_errors"); !strings.Contains(f, "in the last") {
		t.Errorf("lost in the interval, and the finding is %q", f)
	}
}

// The accept queue of a listener that accepts nobody overflows: nstat counts what
// kwhy counts.
func TestLiveListenOverflows(t *testing.T) {
	need(t, "nstat")
	child := inNamespace(t)
	child.do("listen 8")
	for try := 0; ; try++ {
		before := nstat(child)
		d := readJSON(t, child.run("kwhy net -o json"))
		after := nstat(child)
		if before["TcpExtListenOverflows"] != after["TcpExtListenOverflows"] && try < 50 {
			continue // clients try again
		}
		want := before["TcpExtListenOverflows"]
		if want == 0 && try < 50 {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if got := number(t, d, "listen_overflows"); got != want || want == 0 {
			t.Errorf("%v overflows, nstat says %v", got, want)
		}
		if f := d.finding("net.listen_overflow_so_far"); !strings.Contains(f, "accept queue") {
			t.Errorf("the finding is %q", f)
		}
		return
	}
}

// nstat reads all counters of the child's namespace, and keeps no history.
func nstat(child *netHostChild) map[string]float64 {
	out := map[string]float64{}
	for line := range strings.Lines(child.run("run nstat -azs")) {
		if f := strings.Fields(line); len(f) == 3 {
			if n, err := strconv.ParseFloat(f[1], 64); err == nil {
				out[f[0]] = n
			}
		}
	}
	return out
}

// Every counter of IP, TCP and UDP that kwhy tells is what nstat says, where it held
// still.
func TestLiveNetAgreesWithNstat(t *testing.T) {
	need(t, "nstat")
	child := inNamespace(t)
	child.do("udp 100")
	child.do("timewait 20")
	child.do("listen 6")
	compared := map[string]bool{}
	for range 20 {
		before := nstat(child)
		d := readJSON(t, child.run("kwhy net -o json"))
		after := nstat(child)
		for key, v := range d.Values {
			for _, prefix := range []string{"", "TcpExt", "IpExt"} {
				name := prefix + v.Kernel
				want, ok := before[name]
				if !ok || v.Kernel == "" || after[name] != want {
					continue
				}
				compared[name] = true
				if v.Value == nil || fmt.Sprint(v.Value) != fmt.Sprint(want) {
					t.Errorf("%s is %v, nstat says %s %v", key, v.Value, name, want)
				}
			}
		}
		if len(compared) > 80 {
			return
		}
	}
	t.Errorf("only %d counters could be compared: %v", len(compared), slices.Sorted(maps.Keys(compared)))
}

// States of TCP sockets, and the summary, as ss has them by sock_diag.
func TestLiveNetAgreesWithSS(t *testing.T) {
	need(t, "ss")
	child := inNamespace(t)
	child.do("timewait 40")
	child.do("closewait 7")
	child.do("listen 2")
	keys := map[string]string{
		"ESTAB":      "tcp_established",
		"SYN-SENT":   "tcp_syn_sent",
		"SYN-RECV":   "tcp_syn_recv",
		"FIN-WAIT-1": "tcp_fin_wait1",
		"FIN-WAIT-2": "tcp_fin_wait2",
		"TIME-WAIT":  "tcp_time_wait",
		"UNCONN":     "tcp_close",
		"CLOSE-WAIT": "tcp_close_wait",
		"LAST-ACK":   "tcp_last_ack",
		"LISTEN":     "tcp_listen",
		"CLOSING":    "tcp_closing",
	}
	count := func() map[string]int {
		out := map[string]int{}
		for line := range strings.Lines(child.run("run ss -Htan")) {
			if f := strings.Fields(line); len(f) > 3 {
				out[f[0]]++
			}
		}
		return out
	}
	for range 20 {
		before, summary := count(), child.run("run ss -s")
		d := readJSON(t, child.run("kwhy net -o json"))
		if !maps.Equal(before, count()) || summary != child.run("run ss -s") {
			continue
		}
		for state, key := range keys {
			if got := number(t, d, key); int(got) != before[state] {
				t.Errorf("%s: %v, ss says %d", key, got, before[state])
			}
		}
		if before["TIME-WAIT"] != 40 || before["CLOSE-WAIT"] != 7 {
			t.Errorf("ss does not see what the child has made: %v", before)
		}
		var timewait, orphans int
		_, rest, _ := strings.Cut(summary, "orphaned ")
		if _, err := fmt.Sscanf(rest, "%d, timewait %d", &orphans, &timewait); err != nil {
			t.Fatalf("%v in %q", err, summary)
		}
		if int(number(t, d, "tcp_tw")) != timewait {
			t.Errorf("%v in TIME_WAIT, ss -s says %d", number(t, d, "tcp_tw"), timewait)
		}
		return
	}
	t.Skip("the sockets never held still")
}

// Interfaces, addresses and qdiscs as ip and tc have them, in a namespace that /sys
// does not speak of.
func TestLiveInterfacesAgreeWithIP(t *testing.T) {
	need(t, "ip")
	need(t, "tc")
	if os.Geteuid() != 0 {
		t.Skip("a pair of interfaces wants root")
	}
	child := inNamespace(t)
	child.run("run ip link add kwhy0 type veth peer name kwhy1")
	child.run("run ip addr add 192.0.2.1/24 dev kwhy0")
	child.run("run ip link set kwhy0 mtu 1400")
	child.run("run ip link set kwhy0 up")
	child.run("run tc qdisc add dev kwhy0 root pfifo limit 7")
	var links []struct {
		Ifname, Operstate string
		Mtu               int
		Addr_info         []struct {
			Local     string
			Prefixlen int
		}
	}
	if err := json.Unmarshal([]byte(child.run("run ip -j addr")), &links); err != nil || len(links) < 3 {
		t.Skipf("ip -j: %v, %d interfaces", err, len(links))
	}
	for where, d := range map[string]document{"inside": readJSON(t, child.run("kwhy net -o json")),
		"outside": liveJSON(t, "net", "--netns", strconv.Itoa(child.pid))} {
		rows := d.Tables["interfaces"].Rows
		if len(rows) != len(links) {
			t.Errorf("%s: %d interfaces of %d", where, len(rows), len(links))
		}
		for _, w := range links {
			i := slices.IndexFunc(rows, func(r map[string]any) bool { return r["interface"] == w.Ifname })
			if i < 0 {
				t.Errorf("%s: no interface %s", where, w.Ifname)
				continue
			}
			r := rows[i]
			if fmt.Sprint(r["operstate"]) != strings.ToLower(w.Operstate) || fmt.Sprint(r["mtu"]) != fmt.Sprint(w.Mtu) {
				t.Errorf("%s: %s is %v with MTU %v, ip says %s and %d", where, w.Ifname, r["operstate"], r["mtu"], w.Operstate, w.Mtu)
			}
			for _, a := range w.Addr_info {
				if want := fmt.Sprintf("%s/%d", a.Local, a.Prefixlen); !strings.Contains(fmt.Sprint(r["addresses"]), want) {
					t.Errorf("%s: %s has %v, ip says %s", where, w.Ifname, r["addresses"], want)
				}
			}
		}
		if kinds := fmt.Sprint(d.Tables["qdiscs"].Rows); !strings.Contains(kinds, "pfifo") {
			t.Errorf("%s: the qdiscs are %s", where, kinds)
		}
	}
}

// The child's namespace is among all, by its inode and by its name.
func TestLiveAllNamespaces(t *testing.T) {
	child := inNamespace(t)
	child.do("listen 1")
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", child.pid))
	if err != nil {
		t.Skip(err)
	}
	d := liveJSON(t, "net", "--all-netns")
	for _, r := range d.Tables["net_namespaces"].Rows {
		if link != fmt.Sprintf("net:[%v]", r["net_namespace_str"]) {
			continue
		}
		if fmt.Sprint(r["processes"]) != "1" || r["pid"] != float64(child.pid) || fmt.Sprint(r["tcp_listen"]) != "1" ||
			fmt.Sprint(r["interface_names"]) != "[lo]" {
			t.Errorf("%v", r)
		}
		return
	}
	t.Errorf("%s is not among %v", link, d.Tables["net_namespaces"].Rows)
}

// Which namespace a process of another user is in is not told, unless the files of /proc/PID/net
// are those of one's own; what is in them is.
func TestLiveNamespaceOfAnotherUser(t *testing.T) {
	const other = 1 // init, root's
	if _, err := os.Readlink("/proc/1/ns/net"); !errors.Is(err, os.ErrPermission) {
		t.Skipf("reading another's namespace: %v", err)
	}
	d := liveJSON(t, "net", "--netns", strconv.Itoa(other))
	inode := func(name string) uint64 {
		var st unix.Stat_t
		if err := unix.Stat(name, &st); err != nil {
			t.Skip(err)
		}
		return st.Ino
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Skip(err)
	}
	same := inode("/proc/1/net/dev") == inode("/proc/self/net/dev")
	v := d.Values["net_namespace"]
	if same && own != fmt.Sprintf("net:[%.0f]", v.Value) || !same && absent(v) != "denied" {
		t.Errorf("the namespace is %+v, kwhy's %s; the same: %v", v, own, same)
	}
	b, err := os.ReadFile("/proc/1/net/snmp")
	if err != nil {
		t.Skip(err)
	}
	if at := strings.LastIndex(string(b), "Tcp: "); at < 0 ||
		!strings.Contains(string(b[at:]), " "+strconv.Itoa(int(number(t, d, "tcp_active_opens")))+" ") {
		t.Errorf("%v connections were opened, the file says %s", number(t, d, "tcp_active_opens"), b[max(at, 0):])
	}
}

func TestLiveNetErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"net", "--netns", "4194305"}, "4194305"},
		{[]string{"net", "--netns", "no such name"}, "no process is called"},
		{[]string{"net", "--netns", "1", "--all-netns"}, "ask one"},
	} {
		if _, errs, status := live(t, c.args...); status == exitOK || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: status %d, %q", c.args, status, errs)
		}
	}
}
