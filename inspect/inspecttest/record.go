package inspecttest

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/net"
)

// Recorder says what to record. Only PIDs has no default that suits a live host.
type Recorder struct {
	Proc, Sys string  // the roots; "" for /proc and /sys
	PIDs      []int32 // processes whose files are recorded; Self is always one of them
	Self      int32   // the process that proc/self points to; 0 for the one that it does point to
	Detail    []int32 // processes whose mappings are recorded too; nil for all
	Slabs     int     // how many of the largest caches slabinfo keeps; 0 for all
	Hostname  string  // stands for the host's name; "" to leave it
	Net       bool    // the sockets too, with their addresses
	Anonymous bool    // zeros for the boot ID, and "host" for a name that Hostname leaves. Command lines stay as they are
}

// Record records the host at the two roots with the given processes, and all that
// is of them.
func Record(procRoot, sysRoot string, pids []int32) (*txtar.Archive, error) {
	return Recorder{Proc: procRoot, Sys: sysRoot, PIDs: pids, Net: true}.Record()
}

// openReads is what [inspect.Open] reads of a host before any source.
var openReads = []string{
	"/proc/stat",
	"/proc/sys/kernel/osrelease",
	"/proc/sys/kernel/hostname",
	"/proc/sys/kernel/arch",
	"/proc/sys/kernel/random/boot_id",
	"/sys/devices/system/cpu/online",
}

// Record opens what [inspect.Every] lists and what [inspect.Open] needs, and
// no other file. What is not there, or belongs to a process that ended, is not
// in the archive, and neither is what the kernel refuses as switched off; what
// may not be read is there as #denied.
func (r Recorder) Record() (*txtar.Archive, error) {
	r.Proc, r.Sys = cmp.Or(r.Proc, "/proc"), cmp.Or(r.Sys, "/sys")
	if r.Self == 0 {
		to, err := os.Readlink(r.Proc + "/self")
		pid, err2 := strconv.ParseInt(to, 10, 32)
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("which process is proc/self: %w", err)
		}
		r.Self = int32(pid)
	}
	if !slices.Contains(r.PIDs, r.Self) {
		r.PIDs = append(slices.Clone(r.PIDs), r.Self)
	}
	rec := recording{Recorder: r, files: map[string]txtar.File{}}
	rec.add(entry{name: "proc/self", link: strconv.Itoa(int(r.Self))})
	for _, p := range openReads {
		rec.file(p)
	}
	for _, s := range inspect.Every() {
		rec.source(s)
	}
	rec.networks()
	a := new(txtar.Archive)
	for _, f := range rec.files {
		a.Files = append(a.Files, f)
	}
	slices.SortFunc(a.Files, func(x, y txtar.File) int { return cmp.Compare(x.Name, y.Name) })
	return a, errors.Join(rec.errs...)
}

type recording struct {
	Recorder
	files map[string]txtar.File
	errs  []error
}

func (r *recording) add(e entry) {
	f, err := encode(e)
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	r.files[f.Name] = f
}

// source records the files of one source.
func (r *recording) source(s inspect.Source) {
	p := s.String()
	switch {
	case strings.Contains(p, "<pid>"):
		for _, pid := range r.PIDs {
			of := strings.ReplaceAll(p, "<pid>", strconv.Itoa(int(pid)))
			switch s {
			case inspect.PIDFd, inspect.PIDNs:
				r.links(of)
				continue
			case inspect.PIDExe, inspect.PIDCwd, inspect.PIDRoot:
				r.link(of)
				continue
			case inspect.PIDFdinfo:
				r.infos(of)
				continue
			case inspect.PIDEntry, inspect.PIDTask, inspect.PIDMapFiles:
				continue
			case inspect.PIDNet: // addresses are nobody's business, unless they were made for a test
				for _, name := range net.SocketProtocols() {
					if r.Net {
						r.file(path.Join(of, name))
					}
				}
				continue
			}
			if detail := s == inspect.PIDMaps || s == inspect.PIDSmapsRollup; !detail || r.Detail == nil || slices.Contains(r.Detail, pid) {
				r.file(strings.ReplaceAll(p, "<pid>", strconv.Itoa(int(pid))))
			}
		}
	case strings.Contains(p, "<cgroup>"):
		r.cgroups()
	case strings.HasPrefix(p, "/proc/net/"): // of each network namespace: networks
	case s == inspect.CgroupStat:
		r.file(p)
		r.file("/proc/cgroups")
	case s == inspect.NetSysfs:
		r.interfaces(p)
	case strings.Contains(p, "<n>"):
		r.family(s, p)
	case s == inspect.KernelLog, s == inspect.Passwd, !strings.HasPrefix(p, "/"): // no files of the two trees
	case s == inspect.CPUList:
		for _, name := range []string{"online", "isolated", "nohz_full", "smt/control"} {
			r.file("/sys/devices/system/cpu/" + name)
		}
	case strings.HasPrefix(p, "/proc/self/"):
		r.file(strings.Replace(p, "self", strconv.Itoa(int(r.Self)), 1))
	default:
		if info, err := os.Stat(r.at(p)); err == nil && info.IsDir() {
			r.directory(p)
		} else {
			r.file(p)
		}
	}
}

// at returns where p, a path as the user sees it, lies.
func (r *recording) at(p string) string {
	if rest, ok := strings.CutPrefix(p, "/proc/"); ok {
		return filepath.Join(r.Proc, rest)
	}
	return filepath.Join(r.Sys, strings.TrimPrefix(p, "/sys/"))
}

// file records one file, under its own name where links lead elsewhere.
func (r *recording) file(p string) {
	e, err := readFile(r.at(p))
	switch {
	case err == nil:
		e.name = p[1:]
		e.data = r.edit(p, e.data)
		r.add(e)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENOTDIR),
		errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
	default:
		r.errs = append(r.errs, err)
	}
}

// edit cuts what is useless, and hides what must stay private.
func (r *recording) edit(p string, data []byte) []byte {
	switch {
	case strings.HasSuffix(p, "/net/tcp"), strings.HasSuffix(p, "/net/tcp6"):
		return onLoopback(data)
	case r.Anonymous && strings.HasPrefix(p, "/sys/class/net/") && path.Base(p) == "address":
		return []byte("02:00:00:00:00:01\n")
	}
	switch p {
	case "/proc/stat":
		return keepLines(data, func(line string) bool {
			name, _, _ := strings.Cut(line, " ")
			return strings.HasPrefix(name, "cpu") || slices.Contains([]string{"btime", "ctxt", "processes", "procs_running", "procs_blocked"}, name)
		})
	case "/proc/slabinfo":
		return r.largestSlabs(data)
	case "/sys/kernel/debug/sched/debug":
		return r.ownTasks(data)
	case "/proc/sys/kernel/hostname":
		if name := r.Hostname; name != "" || r.Anonymous {
			return []byte(cmp.Or(name, "host") + "\n")
		}
	case "/proc/sys/kernel/random/boot_id":
		if r.Anonymous {
			return []byte("00000000-0000-0000-0000-000000000000\n")
		}
	}
	return data
}

// ownTasks keeps of sched/debug the queues' means and the tasks that are recorded.
func (r *recording) ownTasks(data []byte) []byte {
	return keepLines(data, func(line string) bool {
		for _, part := range []string{"cpu#", "cfs_rq[", "rt_rq[", "dl_rq[", ".avg_vruntime", "eligible"} {
			if strings.Contains(line, part) {
				return true
			}
		}
		f := strings.Fields(line)
		for i := range min(len(f), 6) {
			if n, err := strconv.ParseInt(f[i], 10, 32); err == nil && i > 0 && strings.Contains(line, ".") && slices.Contains(r.PIDs, int32(n)) {
				return true
			}
		}
		return false
	})
}

func keepLines(data []byte, keep func(string) bool) (out []byte) {
	for line := range strings.Lines(string(data)) {
		if keep(line) {
			out = append(out, line...)
		}
	}
	return out
}

// largestSlabs keeps the caches with the most pages, in their order, and the
// two lines above them.
func (r *recording) largestSlabs(data []byte) []byte {
	size := map[string]int{}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 16 {
			pages, _ := strconv.Atoi(f[5])
			slabs, _ := strconv.Atoi(f[14])
			size[line] = pages * slabs
		}
	}
	if r.Slabs == 0 || len(size) <= r.Slabs {
		return data
	}
	lines := make([]string, 0, len(size))
	for line := range size {
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b string) int { return cmp.Or(cmp.Compare(size[b], size[a]), cmp.Compare(a, b)) })
	return keepLines(data, func(line string) bool {
		_, isSlab := size[line]
		return !isSlab || slices.Contains(lines[:r.Slabs], line)
	})
}

// link records where a link leads, if that may be seen, and not what is there.
func (r *recording) link(p string) {
	if to, err := os.Readlink(r.at(p)); err == nil {
		r.add(entry{name: p[1:], link: to})
	}
}

// links records a directory of links, where it may be read.
func (r *recording) links(p string) {
	list, err := os.ReadDir(r.at(p))
	if err != nil {
		return
	}
	r.add(entry{name: p[1:], dir: true})
	for _, d := range list {
		r.link(path.Join(p, d.Name()))
	}
}

// infos records the files of a directory that may be read, as they are at that
// moment: descriptors come and go.
func (r *recording) infos(p string) {
	list, err := os.ReadDir(r.at(p))
	if err != nil {
		return
	}
	for _, d := range list {
		n := len(r.errs)
		r.file(path.Join(p, d.Name()))
		r.errs = r.errs[:min(n, len(r.errs))]
	}
}

// directory records all files below p. Those that can only be written are
// passed over, and so is what the kernel refuses to say.
func (r *recording) directory(p string) {
	list, err := os.ReadDir(r.at(p))
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	if len(list) == 0 {
		r.add(entry{name: p[1:], dir: true})
	}
	for _, d := range list {
		if name := path.Join(p, d.Name()); d.IsDir() {
			r.directory(name)
		} else if readable(d) {
			r.file(name)
		}
	}
}

// readable reports whether d is a file that someone may read, or one that
// nobody may do anything with: a #denied one of a recorded host.
func readable(d fs.DirEntry) bool {
	info, err := d.Info()
	return err == nil && info.Mode().IsRegular() && (info.Mode().Perm()&0o444 != 0 || info.Mode().Perm() == 0)
}

// cgroups records the memory controller's files of the cgroups that the
// processes are in, and of each one above them, in every hierarchy that may
// account memory.
func (r *recording) cgroups() {
	fsys, err := procfs.NewFS(r.Proc)
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	mounts, err := fsys.GetProcMounts(int(r.Self))
	if err != nil {
		return // nothing to find them by: the files themselves tell
	}
	for _, pid := range r.PIDs {
		if p, err := fsys.Proc(int(pid)); err == nil {
			list, _ := p.Cgroups()
			r.above(list, mounts)
		}
	}
}

func (r *recording) above(list []procfs.Cgroup, mounts []*procfs.MountInfo) {
	for _, c := range list {
		for _, m := range mounts {
			rest, ok := strings.CutPrefix(c.Path, strings.TrimSuffix(m.Root, "/"))
			if !ok || !accountsMemory(c, m) || rest != "" && rest[0] != '/' {
				continue
			}
			for dir := path.Join(m.MountPoint, rest); ; dir = path.Dir(dir) {
				r.cgroup(dir)
				if dir == path.Clean(m.MountPoint) || !strings.HasPrefix(dir, m.MountPoint) {
					break
				}
			}
		}
	}
}

func accountsMemory(c procfs.Cgroup, m *procfs.MountInfo) bool {
	_, v1 := m.SuperOptions["memory"]
	return c.HierarchyID == 0 && m.FSType == "cgroup2" || m.FSType == "cgroup" && v1 && slices.Contains(c.Controllers, "memory")
}

// cgroup records what kwhy reads of one directory, but not memory.numa_stat, which is as long as
// all the others, and v1's kmem files: nothing reads them.
func (r *recording) cgroup(dir string) {
	if !strings.HasPrefix(dir, "/sys/") {
		r.errs = append(r.errs, fmt.Errorf("record cgroup %s: only what is mounted below /sys has a place in an archive", dir))
		return
	}
	list, err := os.ReadDir(r.at(dir))
	if err != nil {
		return
	}
	others := []string{
		"cgroup.procs", "cpu.max", "cpu.max.burst", "cpu.weight", "cpu.idle", "cpu.stat", "cpu.shares",
		"cpu.cfs_quota_us", "cpu.cfs_period_us", "cpuset.cpus.effective", "pids.max", "pids.current",
	}
	found := false
	for _, d := range list {
		name, ok := strings.CutPrefix(d.Name(), "memory.")
		if ok = ok || slices.Contains(others, name); ok && name != "numa_stat" && !strings.HasPrefix(name, "kmem.") && readable(d) {
			r.cgroupFile(path.Join(dir, d.Name()))
			found = found || name != "cgroup.procs"
		}
	}
	if !found {
		r.add(entry{name: dir[1:], dir: true})
	}
}

// cgroupFile is file for one that the kernel may refuse for a reason of the
// controller's: v1 has some that never read.
func (r *recording) cgroupFile(p string) {
	n := len(r.errs)
	if r.file(p); len(r.errs) > n && errors.As(r.errs[n], new(unix.Errno)) {
		r.errs = r.errs[:n]
	}
}
