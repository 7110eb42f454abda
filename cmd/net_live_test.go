package cmd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// netChild starts a child in a network namespace of its own, or in this one where
// that takes rights that the test does not have, and returns what it prints: what
// it has made.
func netChild(t *testing.T, role string, env ...string) (c *exec.Cmd, made map[string]int, own bool) {
	t.Helper()
	start := func(flags uintptr) (string, error) {
		c = exec.Command(os.Args[0], "-test.run=^TestHelper"+role+"$")
		c.Env = append(append(os.Environ(), "KWHY_TEST_CHILD="+role, "GORACE=atexit_sleep_ms=0"), env...)
		c.Stderr = os.Stderr
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags} // no Pdeathsig: the thread that starts it may be one that a test throws away
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			return "", err
		}
		started := c
		t.Cleanup(func() { _ = started.Process.Kill(); _ = started.Wait() })
		return bufio.NewReader(out).ReadString('\n')
	}
	line, err := start(syscall.CLONE_NEWNET)
	if own = !errors.Is(err, syscall.EPERM); !own {
		line, err = start(0)
	}
	if err == nil && strings.HasPrefix(line, "skip ") {
		t.Skip(strings.TrimSpace(line[5:]))
	}
	if err == nil {
		err = json.Unmarshal([]byte(line), &made)
	}
	if err != nil {
		t.Fatalf("the child %s says %q: %v", role, line, err)
	}
	return c, made, own
}

// link sets the loopback interface of this network namespace up or down.
func link(up bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r)
	}
	if err != nil {
		return err
	}
	flags := r.Uint16() &^ unix.IFF_UP
	if up {
		flags |= unix.IFF_UP
	}
	r.SetUint16(flags)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

// tell prints what a child has made, and waits to be killed.
func tell(made map[string]int) {
	b, _ := json.Marshal(made)
	fmt.Println(string(b))
	time.Sleep(10 * time.Minute)
	os.Exit(0)
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Printf("skip %v\n", err)
		os.Exit(0)
	}
	return v
}

// tcp is a socket of TCP over IPv4, bound to loopback.
func tcpSocket() int {
	fd := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	must(0, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	return fd
}

func listening(backlog int) int {
	fd := tcpSocket()
	must(0, unix.Listen(fd, backlog))
	return fd
}

func portOf(fd int) int {
	return must(unix.Getsockname(fd)).(*unix.SockaddrInet4).Port
}

// pair is a connection to a listener, both ends.
func pair(l int) (near, far int) {
	near = tcpSocket()
	must(0, unix.Connect(near, must(unix.Getsockname(l))))
	far, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
	return near, must(far, err)
}

// TestHelperSockets is no test: it is a child with a socket in each of the troubles
// that a socket can be in, and tells the local port of each.
func TestHelperSockets(t *testing.T) {
	inRole(t, "Sockets")
	_ = link(true)
	made := map[string]int{}

	full := listening(2)
	made["full"] = portOf(full)
	for range 8 {
		c := tcpSocket()
		must(0, unix.SetNonblock(c, true))
		_ = unix.Connect(c, must(unix.Getsockname(full)))
	}

	l := listening(16)
	near, far := pair(l)
	must(unix.Write(near, make([]byte, 20000)))
	made["unread"], made["unread_peer"] = portOf(far), portOf(near)

	near, _ = pair(l)
	made["blocked"] = portOf(near)
	must(0, unix.SetNonblock(near, true))
	for {
		if _, err := unix.Write(near, make([]byte, 65536)); err != nil {
			break
		}
	}

	near, far = pair(l)
	must(0, unix.Close(far))
	made["close_wait"] = portOf(near)

	near, _ = pair(l)
	made["idle"] = portOf(near)

	u := must(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	must(0, unix.Bind(u, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(0, unix.SetsockoptInt(u, unix.SOL_SOCKET, unix.SO_RCVBUF, 2304))
	made["udp"] = portOf(u)
	v := must(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	must(0, unix.Connect(v, must(unix.Getsockname(u))))
	for range 100 {
		_, _ = unix.Write(v, make([]byte, 1000))
	}

	two := must(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	must(unix.Write(two[0], make([]byte, 300)))
	var st unix.Stat_t
	must(0, unix.Fstat(two[0], &st))
	made["unix_sender"] = int(st.Ino)
	must(0, unix.Fstat(two[1], &st))
	made["unix_reader"] = int(st.Ino)
	bound := tcpSocket()
	made["bound"] = portOf(bound)
	time.Sleep(1200 * time.Millisecond) // so that what waits has waited for more than a second
	tell(made)
}

// byPort finds the row of a socket by its local port, or else of a unix socket by
// its number.
func byPort(t *testing.T, d document, made map[string]int, name, state string) map[string]any {
	t.Helper()
	for _, r := range d.Tables["sockets"].Rows {
		if peer, set := made[name+"_peer"]; set && r["peer_port"] != float64(peer) {
			continue
		}
		if (r["local_port"] == float64(made[name]) || strings.HasPrefix(name, "unix") && r["inode"] == float64(made[name])) && (state == "" || r["state"] == state) {
			return r
		}
	}
	t.Errorf("%s, %d, is not listed", name, made[name])
	return map[string]any{}
}

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
		{"full", "LISTEN", "its accept queue is full: 3 connections wait for " + who + " to accept, and no more fit", map[string]any{"accept_queue": 3., "accept_limit": 2., "level": "warning"}},
		{"unread", "ESTABLISHED", "19.5 KiB wait for " + who + " to read them, for 1.", map[string]any{"recv_q": 20000., "send_q": 0., "tcpi_bytes_received": 20000.}},
		{"unread_peer", "ESTABLISHED", "nothing waits", map[string]any{"send_q": 0., "tcpi_bytes_acked": 20001.}},
		{"blocked", "ESTABLISHED", "wait in the peer's window, which is ", map[string]any{"timer": "persist"}},
		{"blocked", "ESTABLISHED", "its program does not read", nil},
		{"close_wait", "CLOSE_WAIT", "the peer has closed, and " + who + " has yet to close it", nil},
		{"idle", "ESTABLISHED", "nothing waits", map[string]any{"recv_q": 0., "send_q": 0.}},
		{"udp", "", "to read them, and what comes is dropped", map[string]any{"sk_rcvbuf": 4608., "level": "notice"}},
		{"unix_sender", "CONNECTED", "wait for " + who + " to read them", map[string]any{"peer_inode": float64(made["unix_reader"]), "recv_q": 0.}},
		{"unix_reader", "CONNECTED", "300 B from " + who + " wait for " + who + " to read them", map[string]any{"recv_q": 300., "peer_inode": float64(made["unix_sender"])}},
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
	if busy, limited := blocked["tcpi_busy_time"], blocked["tcpi_rwnd_limited"]; busy != nil && (limited.(float64) <= 0 || limited.(float64) > busy.(float64)) {
		t.Errorf("of %v s busy the peer's window was the limit for %v", busy, limited)
	}
	if wait := byPort(t, d, made, "full", "ESTABLISHED"); !strings.HasPrefix(fmt.Sprint(wait["why"]), fmt.Sprintf("connected, and not accepted yet: it waits in the queue of port %d for %s", made["full"], who)) || wait["inode"] != nil {
		t.Errorf("one that waits to be accepted: %q, inode %v", wait["why"], wait["inode"])
	}
	if own { // then these are the only ones that the counters of the namespace count
		countersAgree(t, d, made, pid)
		host := liveJSON(t, "net", "--netns", pid)
		if f := host.finding("net.datagrams_dropped"); !strings.HasPrefix(f, fmt.Sprintf("%s (%s) lost ", commOf(t, pid), pid)) || !strings.Contains(f, fmt.Sprintf("at udp 127.0.0.1:%d since the socket was made", made["udp"])) {
			t.Errorf("whose datagrams were lost: %q", f)
		}
	}
}

// A peer that answers every probe of its closed window and does not read is found:
// the probes are counted by what lengthens their interval.
func TestLiveWindowClosed(t *testing.T) {
	c, made, _ := netChild(t, "Sockets")
	pid := strconv.Itoa(c.Process.Pid)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		d := liveJSON(t, "net", "sockets", pid, "--limit", "0")
		r := byPort(t, d, made, "blocked", "ESTABLISHED")
		if r["source"] != "sock_diag" {
			t.Skip("sock_diag can't be asked here")
		}
		f, why := d.finding("net.window_closed"), fmt.Sprint(r["why"])
		if strings.HasSuffix(f, ", whose window is closed") && r["level"] == "notice" && strings.Contains(why, "; asked ") && strings.Contains(why, " times or more whether it has opened") {
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

func commOf(t *testing.T, pid string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/comm")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// countersAgree compares the drops of sockets with what the kernel counts for their
// whole network namespace.
func countersAgree(t *testing.T, d document, made map[string]int, pid string) {
	t.Helper()
	if got, want := byPort(t, d, made, "udp", "")["sk_drops"], counterOf(t, pid, "snmp", "Udp:", "RcvbufErrors"); got != float64(want) || want == 0 {
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
		found = found || f.ID == "net.accept_queue_full" && f.Level == "warning" && strings.HasPrefix(f.Message, fmt.Sprintf("%s (%s) has 3 connections waiting at tcp 127.0.0.1:%d, and room for 3", commOf(t, pid), pid, made["full"]))
	}
	if !found && d.Tables["listeners"].Rows[0]["source"] == "sock_diag" {
		t.Errorf("no finding says that the queue is full: %+v", d.Findings)
	}
	if number(t, d, "unread") < 20000 || d.Values["sockets"].Value != float64(len(d.Tables["sockets"].Rows)) {
		t.Errorf("unread %v, sockets %v", d.Values["unread"].Value, d.Values["sockets"].Value)
	}
}

// inNetOf runs do on a thread that has entered the network namespace of a process,
// and is thrown away: children of it are there too. That is never the main thread,
// by which /proc/self knows this process.
func inNetOf(t *testing.T, pid int, do func()) {
	t.Helper()
	if err := enter(pid, do); err != nil {
		t.Skipf("entering a network namespace: %v", err)
	}
}

func enter(pid int, do func()) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if unix.Gettid() == unix.Getpid() {
			err := enter(pid, do)
			runtime.UnlockOSThread()
			done <- err
			return
		}
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			unix.Close(fd)
		}
		if err == nil {
			do()
		}
		done <- err
	}()
	return <-done
}

// kwhyIn runs kwhy as a process in the network namespace of another.
func kwhyIn(t *testing.T, pid int, args ...string) document {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	inNetOf(t, pid, func() {
		c := &exec.Cmd{Path: self, Args: append([]string{"kwhy", "-o", "json"}, args...), Stdout: &out, Stderr: &errs}
		err = c.Run()
	})
	if err != nil || errs.Len() > 0 {
		t.Fatalf("%v: %v, %s", args, err, errs.String())
	}
	return readJSON(t, out.String())
}

// output of a tool in the network namespace of a process; it skips where there is none.
func toolIn(t *testing.T, pid int, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Skipf("%s is not installed", args[0])
	}
	var out []byte
	inNetOf(t, pid, func() { out, err = exec.Command(path, args[1:]...).CombinedOutput() })
	if err != nil {
		t.Fatalf("%v: %v, %s", args, err, out)
	}
	return string(out)
}

// ssLine is what ss says of one socket.
type ssLine struct {
	state, recv, send, local, peer string
	words                          map[string]string // skmem, cwnd, rtt, ...
}

// ssOf runs ss and reads its lines by inode and addresses.
func ssOf(t *testing.T, pid int, flags string) map[string]ssLine {
	t.Helper()
	out := map[string]ssLine{}
	for line := range strings.Lines(toolIn(t, pid, "ss", "-H", "-O", flags)) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		s := ssLine{state: strings.ReplaceAll(f[0], "-", "_"), recv: f[1], send: f[2], local: f[3], peer: f[4], words: map[string]string{}}
		for _, w := range f[5:] {
			if k, v, ok := strings.Cut(w, ":"); ok {
				s.words[k] = v
			}
		}
		out[s.local+" "+s.peer+" "+s.state] = s
	}
	return out
}

// Every TCP and UDP socket, state, queue and memory number is as ss has them, where
// it held still while both looked.
func TestLiveAgreesWithSs(t *testing.T) {
	c, _, own := netChild(t, "Sockets")
	if !own {
		t.Skip("a network namespace of its own takes CAP_SYS_ADMIN")
	}
	pid := strconv.Itoa(c.Process.Pid)
	for _, k := range []struct{ protocol, flags string }{{"tcp", "-tanemi"}, {"udp", "-uanemi"}} {
		before := ssOf(t, c.Process.Pid, k.flags)
		d := liveJSON(t, "net", "sockets", pid, "--limit", "0", "--protocol", k.protocol)
		after := ssOf(t, c.Process.Pid, k.flags)
		rows := map[string]map[string]any{}
		for _, r := range d.Tables["sockets"].Rows {
			rows[ssKey(r)] = r
		}
		still, numbers := 0, 0
		for key, s := range before {
			r := rows[key]
			if again, ok := after[key]; !ok || fmt.Sprint(again.words["skmem"], again.recv, again.send, again.words["cwnd"], again.words["rtt"]) != fmt.Sprint(s.words["skmem"], s.recv, s.send, s.words["cwnd"], s.words["rtt"]) {
				continue
			}
			if r == nil {
				t.Errorf("ss has %s, and kwhy does not", key)
				continue
			}
			still++
			numbers += sameAsSs(t, key, r, s)
		}
		if len(rows) < still || still == 0 || still < len(before)/2 {
			t.Errorf("%s: %d of %d sockets held still, kwhy has %d", k.protocol, still, len(before), len(rows))
		}
		t.Logf("%s: %d of %d sockets held still, %d numbers agree", k.protocol, still, len(before), numbers)
	}
}

// ssKey is how ss names a row.
func ssKey(r map[string]any) string {
	at := func(addr, port any) string {
		if port == nil {
			port = "*"
		}
		if addr == nil {
			addr = "0.0.0.0"
		}
		if s := fmt.Sprint(addr); strings.Contains(s, ":") {
			addr = "[" + s + "]"
		}
		return fmt.Sprintf("%v:%v", addr, port)
	}
	states := map[any]string{"ESTABLISHED": "ESTAB", "FIN_WAIT1": "FIN_WAIT_1", "FIN_WAIT2": "FIN_WAIT_2", nil: "UNCONN"}
	state, ok := states[r["state"]]
	if !ok {
		state = fmt.Sprint(r["state"])
	}
	return at(r["local"], r["local_port"]) + " " + at(r["peer"], r["peer_port"]) + " " + state
}

// sameAsSs compares the numbers of one socket, and returns how many there were.
func sameAsSs(t *testing.T, key string, r map[string]any, s ssLine) (n int) {
	t.Helper()
	equal := func(column string, want string) {
		if want == "" {
			return
		}
		w, err := strconv.ParseFloat(want, 64)
		if got, _ := r[column].(float64); err != nil || got < w*0.9999 || got > w*1.0001 {
			t.Errorf("%s: %s is %v, ss says %s", key, column, r[column], want)
		}
		n++
	}
	if s.state == "LISTEN" {
		equal("accept_queue", s.recv)
		equal("accept_limit", s.send)
	} else {
		equal("recv_q", s.recv)
		equal("send_q", s.send)
	}
	if ino := s.words["ino"]; ino != "" && ino != "0" {
		equal("inode", ino)
	}
	columns := []string{"sk_rmem_alloc", "sk_rcvbuf", "sk_wmem_alloc", "sk_sndbuf", "sk_forward_alloc", "sk_wmem_queued", "sk_omem_alloc", "sk_backlog_len", "sk_drops"}
	for i, w := range regexp.MustCompile(`\d+`).FindAllString(s.words["skmem"], -1) {
		if s.state != "LISTEN" || columns[i] != "sk_drops" { // the full one goes on dropping
			equal(columns[i], w)
		}
	}
	if s.state == "LISTEN" {
		return n
	}
	for column, word := range map[string]string{"tcpi_snd_cwnd": "cwnd", "tcpi_snd_mss": "mss", "tcpi_bytes_acked": "bytes_acked", "tcpi_bytes_received": "bytes_received", "tcpi_snd_ssthresh": "ssthresh", "tcpi_unacked": "unacked", "tcpi_notsent_bytes": "notsent"} {
		equal(column, s.words[word])
	}
	if rtt, vary, ok := strings.Cut(s.words["rtt"], "/"); ok && rtt != "0" {
		for column, text := range map[string]string{"tcpi_rtt": rtt, "tcpi_rttvar": vary} {
			ms, _ := strconv.ParseFloat(text, 64)
			equal(column, fmt.Sprint(ms/1e3))
		}
	}
	return n
}

// Unix sockets have the peers and queues that ss tells.
func TestLiveUnixAgreesWithSs(t *testing.T) {
	c, made, own := netChild(t, "Sockets")
	if !own {
		t.Skip("a network namespace of its own takes CAP_SYS_ADMIN")
	}
	d := liveJSON(t, "net", "sockets", strconv.Itoa(c.Process.Pid), "--limit", "0", "--protocol", "unix")
	rows := map[string]map[string]any{}
	for _, r := range d.Tables["sockets"].Rows {
		rows[fmt.Sprint(r["inode_str"])] = r
	}
	n := 0
	for line := range strings.Lines(toolIn(t, c.Process.Pid, "ss", "-H", "-xan")) {
		f := strings.Fields(line) // Netid State Recv-Q Send-Q path inode path peer
		if len(f) < 8 {
			continue
		}
		r := rows[f[5]]
		if r == nil {
			t.Errorf("ss has unix socket %s, and kwhy does not", f[5])
			continue
		}
		if n++; fmt.Sprint(r["recv_q"]) != f[2] || fmt.Sprint(r["send_q"]) != f[3] || fmt.Sprint(r["peer_inode_str"]) != f[7] && f[7] != "0" {
			t.Errorf("%v; ss says %q", r, line)
		}
	}
	if n < 2 || n != len(rows) || rows[strconv.Itoa(made["unix_sender"])] == nil {
		t.Errorf("%d of ss, %d rows", n, len(rows))
	}
}

// What /proc/net tells is what sock_diag tells: a plain user may not enter the
// namespace, and reads the files.
func TestLiveSockDiagAndProcAgree(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving up root takes root")
	}
	c, made, own := netChild(t, "Sockets")
	if !own {
		t.Skip("a network namespace of its own takes CAP_SYS_ADMIN")
	}
	pid := strconv.Itoa(c.Process.Pid)
	args := []string{"net", "sockets", pid, "--limit", "0"}
	key := func(r map[string]any) string { return fmt.Sprint(r["protocol"], ssKey(r), r["inode_str"]) }
	first, files, second := liveJSON(t, args...), asNobody(t, args...), liveJSON(t, args...)
	told := map[string]bool{}
	for _, g := range files.Gaps {
		told[g.Source+" "+g.Reason] = true
	}
	if !told["sock_diag(7) denied"] || !told["/proc/<pid>/fd denied"] {
		t.Errorf("gaps %+v", files.Gaps)
	}
	rows := map[string]map[string]any{}
	for _, r := range files.Tables["sockets"].Rows {
		if r["source"] != "proc" || r["sk_rmem_alloc"] != nil || r["tcpi_rtt"] != nil || r["owners"] != nil {
			t.Fatalf("a row of a file: %v", r)
		}
		rows[key(r)] = r
	}
	again := map[string]map[string]any{}
	for _, r := range second.Tables["sockets"].Rows {
		again[key(r)] = r
	}
	n := 0
	for _, r := range first.Tables["sockets"].Rows {
		k := key(r)
		if same := again[k]; same == nil || same["recv_q"] != r["recv_q"] || same["send_q"] != r["send_q"] || r["local_port"] == float64(made["bound"]) {
			continue // it went, it moved, or it is bound and no more, which the files don't list
		}
		f := rows[k]
		if f == nil {
			t.Errorf("%s is not in the files", k)
			continue
		}
		n++
		for _, column := range []string{"local", "local_port", "peer", "peer_port", "state", "recv_q", "send_q", "accept_queue", "uid"} {
			if r["protocol"] != "unix" && f[column] != r[column] || f["state"] != r["state"] {
				t.Errorf("%s: %s is %v by the file, and %v by sock_diag", k, column, f[column], r[column])
			}
		}
	}
	if n < 10 {
		t.Errorf("%d sockets compared of %d and %d", n, first.Tables["sockets"].Total, files.Tables["sockets"].Total)
	}
}

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
	rows := kwhyIn(t, c.Process.Pid, "net", "sockets", "--state", "time-wait", "--limit", "3", "--port", strconv.Itoa(made["port"])).Tables["sockets"].Rows
	if len(rows) != 3 || rows[0]["timer"] != "timewait" || rows[0]["timer_expires"].(float64) > 60 || rows[0]["owners"] != nil || rows[0]["inode"] != nil {
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
		!strings.Contains(fmt.Sprint(r["why"]), "4.9 KiB wait in the network: nothing was acknowledged though it was sent again ") {
		t.Errorf("%v retransmits, timer %v, %v to be sent: %q", r["tcpi_retransmits"], r["timer"], r["send_q"], r["why"])
	}
}

// Over an interval, counters of sockets have rates, and those of the loopback
// connection that this test feeds come out.
func TestLiveSocketRates(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = l.Close() }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close() }()
	if _, err := c.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	a := &App{Out: &o, Err: &e, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: func(d time.Duration) {
		_, _ = c.Write(make([]byte, 20000))
		time.Sleep(d)
	}}
	if status := a.Run([]string{"net", "sockets", "--interval", "200ms", "--limit", "0", "--port", portText(far), "-o", "json"}); status != 0 || e.Len() > 0 {
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

func portText(c net.Conn) string { return strconv.Itoa(c.LocalAddr().(*net.TCPAddr).Port) }

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
		"state":    {[]string{"--state", "close-wait,LISTEN"}, func(r map[string]any) bool { return r["state"] == "CLOSE_WAIT" || r["state"] == "LISTEN" }},
		"protocol": {[]string{"--protocol", "udp"}, func(r map[string]any) bool { return r["protocol"] == "udp" || r["protocol"] == "udp6" }},
		"port": {[]string{"--port", port}, func(r map[string]any) bool {
			return r["local_port"] == float64(made["unread"]) || r["peer_port"] == float64(made["unread"])
		}},
		"address": {[]string{"--address", "127.0.0.0/8"}, func(r map[string]any) bool { return strings.HasPrefix(fmt.Sprint(r["local"]), "127.") }},
		"process": {[]string{"--process", "^" + regexp.QuoteMeta(comm) + "$"}, func(r map[string]any) bool { return r["pid"] == float64(c.Process.Pid) }},
		"number":  {[]string{"--process", pid}, func(r map[string]any) bool { return r["pid"] == float64(c.Process.Pid) }},
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
