package cmd

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

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
	long(t, "TestLiveNetProcess reads the same")
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
			if again, ok := after[key]; !ok ||
				fmt.Sprint(
					again.words["skmem"],
					again.recv,
					again.send,
					again.words["cwnd"],
					again.words["rtt"],
				) != fmt.Sprint(
					s.words["skmem"],
					s.recv,
					s.send,
					s.words["cwnd"],
					s.words["rtt"],
				) {
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
	columns := []string{
		"sk_rmem_alloc",
		"sk_rcvbuf",
		"sk_wmem_alloc",
		"sk_sndbuf",
		"sk_forward_alloc",
		"sk_wmem_queued",
		"sk_omem_alloc",
		"sk_backlog_len",
		"sk_drops",
	}
	for i, w := range regexp.MustCompile(`\d+`).FindAllString(s.words["skmem"], -1) {
		if s.state != "LISTEN" || columns[i] != "sk_drops" { // the full one goes on dropping
			equal(columns[i], w)
		}
	}
	if s.state == "LISTEN" {
		return n
	}
	for column, word := range map[string]string{"tcpi_snd_cwnd": "cwnd", "tcpi_snd_mss": "mss", "tcpi_bytes_acked": "bytes_acked",
		"tcpi_bytes_received": "bytes_received", "tcpi_snd_ssthresh": "ssthresh", "tcpi_unacked": "unacked", "tcpi_notsent_bytes": "notsent"} {
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
	long(t, "TestLiveNetProcess reads the same")
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
		if same := again[k]; same == nil || same["recv_q"] != r["recv_q"] || same["send_q"] != r["send_q"] ||
			r["local_port"] == float64(made["bound"]) {
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
	countsAgree(t, c.Process.Pid)
	if n < 10 {
		t.Errorf("%d sockets compared of %d and %d", n, first.Tables["sockets"].Total, files.Tables["sockets"].Total)
	}
}

// countsAgree compares the counts of a host's report by both sources, each of which
// is told. The one bound socket of the child is in no file; since 6.8 sock_diag has it.
func countsAgree(t *testing.T, pid int) {
	t.Helper()
	args := []string{"net", "--netns", strconv.Itoa(pid)}
	for range 20 {
		first, files, second := liveJSON(t, args...), asNobody(t, args...), liveJSON(t, args...)
		same, different := true, 0
		for key, v := range first.Values {
			if !strings.HasPrefix(v.Source, "sock_diag(7)") || v.Value == nil {
				continue
			}
			same = same && v.Value == second.Values[key].Value
			f := files.Values[key]
			if f.Value == nil {
				continue // the range of ports, which a plain user may not see there
			}
			if v.Source != "sock_diag(7)" || f.Source != "/proc/net/tcp" {
				t.Errorf("%s is from %q, and from %q", key, v.Source, f.Source)
			}
			if n := v.Value.(float64) - f.Value.(float64); n != 0 && (key != "tcp_close" && key != "tcp_sockets" || n != 1) {
				different++
				t.Logf("%s is %v by sock_diag, %v by the files", key, v.Value, f.Value)
			}
		}
		if different == 0 {
			return
		}
		if same {
			t.Errorf("%d counts differ, and held still", different)
			return
		}
	}
	t.Log("the sockets never held still")
}
