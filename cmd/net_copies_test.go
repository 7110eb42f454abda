package cmd

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kwhy/inspect/inspecttest"
)

// savedTables is a copy with this process, its descriptors, and tables of its network under a
// directory of /proc: of a copy nothing can be asked by netlink.
func savedTables(t *testing.T, under string, tables ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	saveProcess(t, dir, "stat", "status", "fd", "fdinfo")
	for _, name := range tables {
		b, err := os.ReadFile("/proc/self/net/" + name)
		if err != nil {
			t.Skipf("no /proc/net/%s here: %v", name, err)
		}
		inspecttest.Write(t, filepath.Join(dir, "proc", under, name), string(b))
	}
	return dir
}

// Tables of sockets are read wherever a copy has them: as /proc/net, of the process or of the
// first one.
func TestSavedSocketTables(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	name := filepath.Join(t.TempDir(), "socket")
	u, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Close() })
	address := l.Addr().String()
	for _, under := range []string{"net", "self/net", "1/net", pid + "/net"} {
		t.Run(strings.ReplaceAll(under, pid, "PID"), func(t *testing.T) {
			dir := savedTables(t, under, "tcp", "unix")
			for _, args := range [][]string{{"net", "sockets", pid}, {"net", "sockets"}, {"net", pid}} {
				if under == pid+"/net" && len(args) == 2 && args[1] == "sockets" {
					continue // the copy does not say that this is where it was made
				}
				d, errs := taken(t, dir, args...)
				rows := d.Tables["sockets"].Rows
				i := slices.IndexFunc(rows, func(r map[string]any) bool { return r["local_endpoint"] == address })
				if i < 0 || rows[i]["state"] != "LISTEN" || rows[i]["pid"] != float64(os.Getpid()) {
					t.Errorf("%v: no listener at %s of %s among %d; %s", args, address, pid, len(rows), errs)
				}
			}
			d, _ := taken(t, dir, "fd", pid)
			for _, want := range []string{address, name} {
				if !slices.ContainsFunc(d.Tables["fds"].Rows, func(r map[string]any) bool { return r["local"] == want }) {
					t.Errorf("fd %s has no socket at %s", pid, want)
				}
			}
			if under == pid+"/net" {
				return
			}
			d, errs := taken(t, dir, "fd", "--socket", address)
			if rows := d.Tables["socket_holders"].Rows; len(rows) == 0 || rows[0]["pid"] != float64(os.Getpid()) {
				t.Errorf("--socket %s: %v; %s", address, rows, errs)
			}
			d, errs = taken(t, dir, "net")
			if v := d.Values["tcp_listen"]; v.Value == nil || v.Value == 0.0 {
				t.Errorf("net: %v listeners; %s", v.Value, errs)
			}
		})
	}
}

// Of a table that a copy has not got nothing is told: not that there are no such sockets, unless
// the list of protocols says that its kernel had none.
func TestSavedSocketTablesInPart(t *testing.T) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(s) })
	dir := savedTables(t, "net", "tcp")
	d, _ := taken(t, dir, "net", "sockets")
	of := d.Tables["sockets"].Of
	if of == nil || of.All != nil || of.Reason != "not_in_copy" {
		t.Errorf("of one table of many: %+v", of)
	}
	for key, v := range d.Values {
		if absent(v) == "unsupported" {
			t.Errorf("%s of a copy is unsupported", key)
		}
	}
	inspecttest.Write(t, dir+"/proc/net/protocols",
		"protocol  size sockets  memory press maxhdr  slab module\nTCP 2000 1 1 no 320 yes kernel\n")
	d, _ = taken(t, dir, "net", "sockets")
	if of := d.Tables["sockets"].Of; of != nil {
		t.Errorf("the kernel had no other protocols: %+v", of)
	}
	text, _, _ := live(t, "net", "sockets", "--proc-root", dir+"/proc", "--sys-root", dir+"/sys")
	if strings.Contains(text, "unsupported") {
		t.Errorf("a copy says what its kernel does not have:\n%s", text)
	}
}

// Without the tables' names, queues and hooks of a copy it is not said that there are none.
func TestACopyDoesNotSayThatNothingIsFiltered(t *testing.T) {
	dir := savedTables(t, "net", "tcp", "dev", "snmp")
	d, _ := taken(t, dir, "net")
	for _, key := range []string{"ip_tables_names", "netfilter_hooks"} {
		if v := d.Values[key]; v.Value != nil || absent(v) != "not_in_copy" {
			t.Errorf("%s: %v, %q", key, v.Value, absent(v))
		}
	}
	text, _, _ := live(t, "net", "--width", "300", "--proc-root", dir+"/proc", "--sys-root", dir+"/sys")
	for _, claim := range []string{"No table of x_tables", "no packet is filtered"} {
		if strings.Contains(text, claim) {
			t.Errorf("a copy says %q:\n%s", claim, text)
		}
	}
}

// Of what a copy has not got there is no 0 and no "of both": each table of sockets and each file of
// counters is taken in turn. Where the copy's list of protocols shows that its kernel had no IPv6, as
// after ipv6.disable=1, its files are not missed.
func TestATableOfSocketsThatIsNotInACopy(t *testing.T) {
	ofTCP := []string{"tcp_sockets", "tcp_established", "tcp_time_wait", "tcp_listen"}
	all := map[string][]string{ // the values that are of a file
		"tcp": ofTCP, "tcp6": ofTCP, "sockstat": {"udp_inuse", "sockets_used"}, "sockstat6": {"udp6_inuse", "raw6_inuse"},
		"snmp": {"udp_mem_errors"}, "snmp6": {"udp6_mem_errors", "ip6_in_receives"},
		"udp": nil, "udp6": nil, "udplite": nil,
		"raw": nil, "raw6": nil, "icmp": nil, "icmp6": nil, "unix": nil, "netlink": nil, "packet": nil,
	}
	saved := func(t *testing.T, without ...string) string {
		t.Helper()
		dir := savedTables(t, "net", "protocols")
		for name := range all {
			b, err := os.ReadFile("/proc/self/net/" + name)
			if err == nil && !slices.Contains(without, name) {
				inspecttest.Write(t, filepath.Join(dir, "proc/net", name), string(b))
			}
		}
		return dir
	}
	for name, keys := range all {
		if _, err := os.Stat("/proc/self/net/" + name); err != nil {
			continue // this kernel has none of it
		}
		dir := saved(t, name)
		d, _ := taken(t, dir, "net")
		for _, key := range keys {
			v := d.Values[key]
			if v.Value != nil && v.Of == nil || strings.Contains(v.Reading, "IPv4 and IPv6") {
				t.Errorf("without %s: %s is %v, %q", name, key, v.Value, v.Reading)
			}
		}
		if strings.Contains(name, "stat") || strings.Contains(name, "snmp") {
			continue
		}
		text, _, _ := live(t, "net", "sockets", "--width", "1000", "--proc-root", dir+"/proc")
		if head, _, _ := strings.Cut(text, "\n"); !strings.Contains(head, "the copy has not all of them") {
			t.Errorf("without %s: %s", name, head)
		}
	}
	var six []string
	for name := range all {
		if strings.HasSuffix(name, "6") {
			six = append(six, name)
		}
	}
	dir := saved(t, six...)
	list := filepath.Join(dir, "proc/net/protocols")
	b, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	inspecttest.Write(t, list, strings.Join(slices.DeleteFunc(strings.SplitAfter(string(b), "\n"), func(line string) bool {
		name, _, _ := strings.Cut(line, " ")
		return strings.HasSuffix(name, "v6")
	}), ""))
	d, _ := taken(t, dir, "net")
	for _, key := range ofTCP {
		if v := d.Values[key]; v.Value == nil || v.Of != nil || strings.Contains(v.Reading, "and IPv6") {
			t.Errorf("of a kernel without IPv6: %s is %+v", key, v)
		}
	}
	for _, key := range []string{"udp6_inuse", "udp6_mem_errors"} {
		if v := d.Values[key]; absent(v) != "unsupported" {
			t.Errorf("of a kernel without IPv6: %s is %+v", key, v)
		}
	}
}
