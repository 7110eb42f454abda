package proc

import (
	"bytes"
	"path"
	"strconv"
	"strings"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

// Bound is one bound on what a process can have of a resource: its own limit, a
// cgroup's on the way up, a namespace's, a sysctl, or what the host has.
type Bound struct {
	Resource string // memory, cpus, tasks, open files, ...
	Step     string // rlimit, cgroup, high (a cgroup's memory.high), namespace, sysctl, host
	Where    string // which: a cgroup's path, a sysctl's name
	Unit     string // bytes, or "" for a count
	Limit    float64
	Bounded  bool // false: unlimited
	Used     float64
	Whose    string         // whose use is counted against it: process, user, cgroup, namespace, host
	Known    bool           // whether Used is known
	AtLeast  bool           // more may be used than can be seen
	Exempt   bool           // the kernel does not hold this process to it
	Hidden   bool           // there is a bound, and it can't be seen from here
	Unseen   inspect.Reason // why there may be a bound that can't be seen from here; or Present
	Partial  bool           // Used leaves out what the kernel uses, as version 1's root of memory does
	Source   inspect.Source
}

// Room is what is left below the bound; ok is false where one of the two is not
// known.
func (r *Bound) Room() (float64, bool) { return r.Limit - r.Used, r.Bounded && r.Known }

// boundsOf collects the bounds of a process, from its own to the host's. What a file that is not
// the kernel's own says is none: there is a bound, and it can't be seen.
func boundsOf(h *inspect.Host, d *Detail) []Bound {
	out := toldBounds(h, d)
	for i := range out {
		if r := &out[i]; h.Doubt(r.Source).Any() {
			*r = Bound{
				Resource: r.Resource, Step: r.Step, Where: r.Where, Unit: r.Unit, Whose: r.Whose, Unseen: inspect.Foreign, Source: r.Source,
			}
		}
	}
	return out
}

func toldBounds(h *inspect.Host, d *Detail) (out []Bound) {
	out = append(out, d.rlimit("address space", "memory", "bytes", float64(d.Row.P.VSize), d.Row.P.Told(StatFields(23)) == inspect.Present)...)
	out = append(out, memoryBounds(h, d)...)
	out = append(out, hostMemory(h)...)
	out = append(out, cpuBounds(h, d)...)
	if h.CPUs > 0 {
		out = append(out, Bound{
			Resource: "cpus", Step: "host", Where: "online", Limit: float64(h.CPUs), Bounded: true, Whose: "host",
			Source: inspect.ProcStat,
		})
	}
	out = append(out, userTasks(h, d)...)
	out = append(out, pidBounds(h, d)...)
	out = append(out, hostTasks(h, d)...)
	low := d.Row.P.Below()
	out = append(out, d.rlimit("open files", "open files", "", float64(low), low >= 0)...)
	out = append(out, hostFiles(h, d)...)
	locked, ok := d.statusBytes("VmLck")
	lock := d.rlimit("locked memory", "locked memory", "bytes", locked, ok)
	for i := range lock { // can_do_mlock in mm/mlock.c
		lock[i].Exempt = d.capable(capIPCLock)
	}
	out = append(out, lock...)
	queued, _, _ := strings.Cut(d.Status["SigQ"], "/")
	n, err := strconv.ParseFloat(queued, 64)
	out = append(out, ofUser(d.rlimit("pending signals", "pending signals", "", n, err == nil))...)
	return append(out, ofUser(d.rlimit("msgqueue size", "message queues", "bytes", 0, false))...)
}

// ofUser says that a limit is on what all processes of the user have together.
func ofUser(list []Bound) []Bound {
	for i := range list {
		list[i].Whose = "user"
	}
	return list
}

// hostMemory is what the host has.
func hostMemory(h *inspect.Host) []Bound {
	info, _ := h.Counters("meminfo", 64)
	total, ok := info["MemTotal"]
	if !ok {
		return nil
	}
	r := Bound{
		Resource: "memory", Step: "host", Where: "MemTotal", Unit: "bytes", Limit: float64(total), Bounded: true,
		Whose: "host", Source: inspect.Meminfo,
	}
	if left, ok := info["MemAvailable"]; ok {
		r.Used, r.Known = float64(total-min(left, total)), true
	}
	return []Bound{r}
}

// userTasks is the limit on the tasks of the process's real user, which UserTasks says more of.
func userTasks(h *inspect.Host, d *Detail) []Bound {
	out := ofUser(d.rlimit("processes", "tasks", "", 0, false))
	own, err := h.Namespace(strconv.Itoa(int(d.Row.Host.Self)), "user")
	root := d.Row.P.RealUID == 0 && err == nil && own == inspect.InitialUserNS
	for i := range out {
		r := &out[i]
		if r.Exempt = root || d.capable(capSysAdmin) || d.capable(capSysResource); r.Exempt || !r.Bounded {
			continue // what is used of it is of no matter, and takes a file of each process
		}
		r.Used, r.Known = tasksOf(d), d.Row.P.Told(StatFields(20)) == inspect.Present
		all := d.Row.Host.All // this /proc may show only some of the host's
		r.AtLeast = d.Row.Host.Hidden || d.Row.Host.Inside || !all.SeenOf(inspect.PIDStat).Whole() || !all.SeenOf(inspect.PIDStatus).Whole()
	}
	return out
}

// Capabilities that bounds don't hold for (include/uapi/linux/capability.h).
const (
	capIPCLock     = 14
	capSysAdmin    = 21
	capSysResource = 24
)

// capable reports whether the process has a capability now that holds over the host:
// one of another user namespace does not.
func (d *Detail) capable(n uint) bool {
	set, err := strconv.ParseUint(d.Status["CapEff"], 16, 64)
	return err == nil && set>>n&1 == 1 && d.HostUser
}

// statusBytes reads a line of status in kB.
func (d *Detail) statusBytes(name string) (float64, bool) {
	kb, _, _ := strings.Cut(d.Status[name], " ")
	n, err := strconv.ParseUint(kb, 10, 50)
	return float64(n << 10), err == nil
}

// rlimit is a process's own soft limit.
func (d *Detail) rlimit(name, resource, unit string, used float64, known bool) []Bound {
	for _, l := range d.Limits {
		if l.Name == name && l.Soft == inspect.Garbled {
			return []Bound{{
				Resource: resource, Step: "rlimit", Where: name, Unit: unit, Whose: "process", Unseen: inspect.Malformed,
				Source: inspect.PIDLimits,
			}}
		}
		if l.Name == name {
			return []Bound{{
				Resource: resource, Step: "rlimit", Where: name, Unit: unit, Limit: float64(l.Soft),
				Bounded: l.Soft != inspect.Unset, Used: used, Whose: "process", Known: known,
				Source: inspect.PIDLimits,
			}}
		}
	}
	return nil
}

// tasksOf counts the tasks of the process's real user: those that this /proc shows.
func tasksOf(d *Detail) float64 {
	all := d.Row.Host.All
	rows := make([]int32, len(all.Rows))
	for i := range rows {
		rows[i] = int32(i)
	}
	all.Fill(rows, inspect.Of(inspect.PIDStatus))
	return float64(all.countedWith(d.Row.P))
}

// boundFiles says which files a controller has its bound and its use in.
type boundFiles struct {
	controller     string
	v1, v2         string // the bound; "" where that version has none
	use1, use2     string
	source         inspect.Source
	resource, step string
	unit           string
	parse1, parse2 func(t inspect.Tree, dir string) (limit float64, bounded, ok bool)
	unlimited      bool // whether those that bound nothing are listed
}

// of returns the file of the bound, that of the use and the reader of one version.
func (f *boundFiles) of(version int) (bound, use string, parse func(inspect.Tree, string) (float64, bool, bool)) {
	if version == 1 {
		return f.v1, f.use1, f.parse1
	}
	return f.v2, f.use2, f.parse2
}

// climb reads a controller's files of a process's cgroup and of those above it, as far as
// they can be seen: those that can't may have a bound too.
func climb(h *inspect.Host, d *Detail, f boundFiles) (out []Bound) {
	version, name := cgroup.ControllerPath(d.Cgroups, f.controller)
	file, use, parse := f.of(version)
	if file == "" && parse == nil {
		return nil
	}
	if parse == nil {
		parse = func(t inspect.Tree, dir string) (float64, bool, bool) { return readBound(t, path.Join(dir, file)) }
	}
	bound := Bound{Resource: f.resource, Step: f.step, Unit: f.unit, Whose: "cgroup", Source: f.source}
	beyond := func(name string, why inspect.Reason) Bound {
		r := bound
		r.Where, r.Unseen = name, why
		return r
	}
	at, err := cgroup.Find(h, version, f.controller, name)
	if err != nil {
		if why := inspect.ReasonOf(err); f.unlimited && version != 0 {
			out = append(out, beyond(name, why))
		}
		return out
	}
	for ; ; at = at.Up() {
		t, rel := at.Dir()
		limit, bounded, ok := parse(t, rel)
		if !ok {
			if why := at.Lacks(f.controller, file); f.unlimited && why != inspect.Present {
				out = append(out, beyond(at.Path, why))
			} else if _, err := t.Stat(path.Join(rel, file)); err == nil {
				out = append(out, beyond(at.Path, inspect.Malformed))
			}
		}
		if ok && (bounded || f.unlimited) {
			r := bound
			r.Where, r.Limit, r.Bounded = at.Path, limit, bounded
			if n, err := t.Number(path.Join(rel, use)); use != "" && err == nil {
				r.Used, r.Known = float64(n), true
			}
			// mem_cgroup_usage in mm/memcontrol-v1.c
			r.Partial = version == 1 && f.controller == "memory" && at.Path == "/" && at.Mount.Rest == inspect.Present
			out = append(out, r)
		}
		if at.Top() {
			break
		}
	}
	if why := at.Mount.Rest; f.unlimited && why != inspect.Present {
		out = append(out, beyond("above "+at.Path, why))
	}
	return out
}

// readBound reads a number or "max".
func readBound(t inspect.Tree, rel string) (limit float64, bounded, ok bool) {
	err := t.Single(rel, func(b []byte) error {
		b = bytes.TrimSpace(b)
		if string(b) == "max" {
			ok = true
			return nil
		}
		n, good := inspect.ParseUint(b)
		if !good {
			return inspect.ErrMalformed
		}
		limit, bounded, ok = float64(n), n < cgroup.UnlimitedV1, true
		return nil
	})
	return limit, bounded, ok && err == nil
}

// memoryBounds are the bounds of memory, and those of swap that bound something.
// Version 1 bounds memory and swap together.
func memoryBounds(h *inspect.Host, d *Detail) []Bound {
	f := boundFiles{controller: "memory", source: inspect.CgroupMemory, resource: "memory", unit: "bytes", step: "cgroup", unlimited: true,
		v1: "memory.limit_in_bytes", v2: "memory.max", use1: "memory.usage_in_bytes", use2: "memory.current"}
	out := climb(h, d, f)
	high := f
	high.step, high.v1, high.v2, high.unlimited = "high", "", "memory.high", false
	out = append(out, climb(h, d, high)...)
	both := f
	both.resource, both.unlimited = "memory and swap", false
	both.v1, both.v2, both.use1 = "memory.memsw.limit_in_bytes", "", "memory.memsw.usage_in_bytes"
	out = append(out, climb(h, d, both)...)
	swap := f
	swap.resource, swap.v1, swap.v2, swap.use2, swap.unlimited = "swap", "", "memory.swap.max", "memory.swap.current", false
	return append(out, climb(h, d, swap)...)
}

func pidBounds(h *inspect.Host, d *Detail) []Bound {
	return climb(h, d, boundFiles{
		controller: "pids", v1: "pids.max", v2: "pids.max", use1: "pids.current", use2: "pids.current",
		source: inspect.CgroupPids, resource: "tasks", step: "cgroup", unlimited: true,
	})
}

// cpuBounds reads how many CPUs' worth of time cgroups may have.
func cpuBounds(h *inspect.Host, d *Detail) []Bound {
	return climb(h, d, boundFiles{controller: "cpu", source: inspect.CgroupCPU, resource: "cpus", step: "cgroup", unlimited: true,
		v1: "cpu.cfs_quota_us", v2: "cpu.max", parse1: cgroup.CFSQuota, parse2: cgroup.CPUMax})
}

// hostTasks are the kernel's own bounds on threads. Since 6.14 each PID namespace has
// a pid_max, and a thread takes a number in its own and in each above it (alloc_pid
// in kernel/pid.c): the file shows that of the namespace that kwhy lives in.
func hostTasks(h *inspect.Host, d *Detail) (out []Bound) {
	var l Snapshot
	if _ = h.Proc.Single("loadavg", l.ParseLoadavg); h.Doubt(inspect.Loadavg).Any() {
		l.Tasks = inspect.Unset
	}
	if n, ok := bound(h, inspect.KernelThreadsMax); ok {
		out = append(out, Bound{
			Resource: "tasks", Step: "sysctl", Where: "kernel.threads-max", Limit: n, Bounded: true,
			Used: float64(l.Tasks), Whose: "host", Known: l.Tasks > 0, Source: inspect.KernelThreadsMax,
		})
	}
	own := d.Row.Host.OwnPIDMax()
	r := Bound{
		Resource: "tasks", Step: "sysctl", Where: "kernel.pid_max", Bounded: true, Used: float64(l.Tasks),
		Whose: "host", Known: l.Tasks > 0, Source: inspect.KernelPIDMax,
	}
	if own {
		r.Step, r.Whose, r.Used, r.Known, r.AtLeast = "namespace", "namespace", float64(d.Row.Host.All.Tasks()), true, d.Row.Host.Hidden
	}
	var ok bool
	if r.Limit, ok = bound(h, inspect.KernelPIDMax); ok {
		out = append(out, r)
	}
	hidden := Bound{Resource: "tasks", Step: "namespace", Whose: "namespace", Hidden: true, Source: inspect.KernelPIDMax}
	if len(strings.Fields(d.Status["NSpid"])) > 1 && inspect.Choose(h.Kernel.Since(6, 14), true, false, true) {
		hidden.Where = "pid_max of the one it lives in"
		out = append(out, hidden)
	}
	if own {
		hidden.Where = "pid_max of those above this one"
		out = append(out, hidden)
	}
	return out
}

// bound reads a sysctl that bounds something.
func bound(h *inspect.Host, s inspect.Source) (float64, bool) {
	t, rel := h.At(s)
	n, err := t.Number(rel)
	return float64(n), err == nil && n > 0
}

// OwnPIDMax reports whether kernel.pid_max is that of a PID namespace below the host's; of a
// kernel whose version is unknown it is not said to be.
func (of *Shared) OwnPIDMax() bool {
	return of.Inside && inspect.Choose(of.Host.Kernel.Since(6, 14), true, false, false)
}

// Tasks counts the threads of all processes of a scan.
func (ps *Processes) Tasks() (n int64) {
	for i := range ps.Rows {
		if p := &ps.Rows[i]; p.TGID == 0 || p.TGID == p.PID {
			n += int64(p.Threads)
		}
	}
	return n
}

// hostFiles are the bounds of the host on open files: nr_open on each process's
// number, file-max on the struct files of all.
func hostFiles(h *inspect.Host, d *Detail) (out []Bound) {
	t, rel := h.At(inspect.FSNrOpen)
	if n, err := t.Number(rel); err == nil {
		out = append(out, Bound{
			Resource: "open files", Step: "sysctl", Where: "fs.nr_open", Limit: float64(n), Bounded: true,
			Used: float64(d.Row.P.FDs), Whose: "process", Known: d.Row.P.FDs >= 0, Source: inspect.FSNrOpen,
		})
	}
	_ = h.Proc.Single("sys/fs/file-nr", func(b []byte) error {
		used, rest := inspect.CutField(inspect.TrimNewline(b))
		_, most := inspect.CutField(rest)
		n, ok1 := inspect.ParseUint(used)
		all, ok2 := inspect.ParseUint(most)
		if ok1 && ok2 {
			out = append(out, Bound{
				Resource: "open files", Step: "host", Where: "fs.file-max", Limit: float64(all), Bounded: all < 1<<62,
				Used: float64(n), Whose: "host", Known: true, Exempt: d.capable(capSysAdmin),
				Source: inspect.FSFileNr,
			}) // alloc_empty_file in fs/file_table.c
		}
		return nil
	})
	return out
}
