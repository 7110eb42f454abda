package inspecttest

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"kwhy/inspect"
	"kwhy/inspect/net"
)

// networks records the files of the network namespaces that the processes are in,
// each once, below the process that comes first.
func (r *recording) networks() {
	before := len(r.files)
	seen := map[string]bool{}
	for _, pid := range slices.Concat([]int32{r.Self}, r.PIDs) {
		dir := "/proc/" + strconv.Itoa(int(pid)) + "/"
		space, err := os.Readlink(r.at(dir + "ns/net"))
		if err != nil && pid != r.Self || seen[space] {
			continue
		}
		seen[space] = true
		for _, s := range inspect.Every() {
			rest, ok := strings.CutPrefix(s.String(), "/proc/net/")
			if !ok {
				continue
			}
			names := []string{rest}
			switch s {
			case inspect.NetTCP:
				names = append(names, "tcp6")
			case inspect.NetTables:
				names = append(names, "ip6_tables_names", "arp_tables_names")
			}
			for _, name := range names {
				r.file(dir + "net/" + name)
			}
		}
	}
	if len(r.files) > before {
		r.add(entry{name: "proc/net", link: "self/net"})
	}
}

// interfaces records what kwhy reads of /sys/class/net. An attribute that the
// driver does not answer is passed over.
func (r *recording) interfaces(p string) {
	list, err := os.ReadDir(r.at(p))
	if err != nil {
		return
	}
	for _, d := range list {
		dir := path.Join(p, d.Name())
		for _, name := range []string{
			"address", "carrier", "carrier_changes", "duplex", "flags", "ifindex", "mtu", "operstate", "speed",
			"tx_queue_len",
		} {
			r.file(path.Join(dir, name))
		}
		r.link(path.Join(dir, "device/driver"))
		r.link(path.Join(dir, "master"))
		for _, name := range net.LinkCounters() {
			r.file(path.Join(dir, "statistics", name))
		}
		queues, _ := os.ReadDir(r.at(path.Join(dir, "queues")))
		for _, q := range queues {
			for _, name := range []string{"rps_cpus", "rps_flow_cnt", "xps_cpus", "tx_timeout"} {
				r.quiet(path.Join(dir, "queues", q.Name(), name))
			}
		}
	}
}

// quiet is file for one that a driver may refuse to read.
func (r *recording) quiet(p string) {
	n := len(r.errs)
	r.file(p)
	r.errs = r.errs[:min(n, len(r.errs))]
}

// onLoopback keeps of a table of sockets those whose ends are both on the loopback
// addresses: others are nobody's business.
func onLoopback(data []byte) []byte {
	return keepLines(data, func(line string) bool {
		f := strings.Fields(line)
		if len(f) < 4 || f[1] == "local_address" {
			return true
		}
		inside := func(s string) bool {
			return strings.HasPrefix(s, "0100007F:") || strings.HasPrefix(s, "00000000000000000000000001000000:")
		}
		return inside(f[1]) && (inside(f[2]) || f[3] == "0A")
	})
}

// family records one file of each of many devices, and what inspect reads
// besides it.
func (r *recording) family(s inspect.Source, p string) {
	before, after, _ := strings.Cut(p, "<n>")
	dir, stem := path.Split(before)
	list, err := os.ReadDir(r.at(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.errs = append(r.errs, err)
	}
	for _, d := range list {
		n, ok := strings.CutPrefix(d.Name(), stem)
		if _, err := strconv.ParseUint(n, 10, 32); !ok || err != nil {
			continue
		}
		r.file(before + n + after)
		if s == inspect.ZramStat {
			r.file(before + n + "/disksize")
		}
	}
}
