package inspect

import (
	"bytes"
	"path"
	"strconv"
	"strings"
)

// Rung is one bound on what a process can have of a resource: its own limit, a
// cgroup's on the way up, a sysctl, or what the host has.
type Rung struct {
	Resource string // memory, cpus, tasks, open files, ...
	Step     string // rlimit, cgroup, sysctl, host
	Where    string // which: a cgroup's path, a sysctl's name
	Unit     string // bytes, or "" for a count
	Limit    float64
	Bounded  bool // false: unlimited
	Used     float64
	Known    bool // whether Used is known
	Exempt   bool // the kernel does not hold this process to it
	Source   Source
}

// Room is what is left below the bound; ok is false where one of the two is not
// known.
func (r *Rung) Room() (float64, bool) { return r.Limit - r.Used, r.Bounded && r.Known }

// ladder collects the bounds of a process, from its own to the host's.
func (h *Host) ladder(d *ProcDetail) (out []Rung) {
	mounts, err := h.cgroupMounts()
	if err != nil {
		mounts = nil
	}
	info, _ := h.counters("meminfo", 64)
	out = append(out, d.rlimit("address space", "memory", "bytes", float64(d.Row.P.VSize), true)...)
	out = append(out, h.memoryRungs(d, mounts)...)
	if total, ok := info["MemTotal"]; ok {
		r := Rung{Resource: "memory", Step: "host", Where: "MemTotal", Unit: "bytes", Limit: float64(total), Bounded: true, Source: Meminfo}
		if left, ok := info["MemAvailable"]; ok {
			r.Used, r.Known = float64(total-min(left, total)), true
		}
		out = append(out, r)
	}
	out = append(out, h.cpuRungs(d, mounts)...)
	if h.CPUs > 0 {
		out = append(out, Rung{Resource: "cpus", Step: "host", Where: "online", Limit: float64(h.CPUs), Bounded: true, Source: ProcStat})
	}
	tasks := d.rlimit("processes", "tasks", "", h.tasksOf(d), true)
	for i := range tasks { // copy_process in kernel/fork.c
		tasks[i].Exempt = d.Row.P.RealUID == 0 || d.capable(capSysAdmin) || d.capable(capSysResource)
	}
	out = append(out, tasks...)
	out = append(out, h.pidRungs(d, mounts)...)
	out = append(out, h.hostTasks()...)
	out = append(out, d.rlimit("open files", "open files", "", float64(d.Row.P.FDs), d.Row.P.FDs >= 0)...)
	out = append(out, h.hostFiles(d)...)
	locked, ok := d.statusBytes("VmLck")
	lock := d.rlimit("locked memory", "locked memory", "bytes", locked, ok)
	for i := range lock { // can_do_mlock in mm/mlock.c
		lock[i].Exempt = d.capable(capIPCLock)
	}
	out = append(out, lock...)
	queued, _, _ := strings.Cut(d.Status["SigQ"], "/")
	n, err := strconv.ParseFloat(queued, 64)
	out = append(out, d.rlimit("pending signals", "pending signals", "", n, err == nil)...)
	return append(out, d.rlimit("msgqueue size", "message queues", "bytes", 0, false)...)
}

// Capabilities that bounds don't hold for (include/uapi/linux/capability.h).
const (
	capIPCLock     = 14
	capSysAdmin    = 21
	capSysResource = 24
)

// capable tells whether the process has a capability now.
func (d *ProcDetail) capable(n uint) bool {
	set, err := strconv.ParseUint(d.Status["CapEff"], 16, 64)
	return err == nil && set>>n&1 == 1
}

// statusBytes reads a line of status in kB.
func (d *ProcDetail) statusBytes(name string) (float64, bool) {
	kb, _, _ := strings.Cut(d.Status[name], " ")
	n, err := strconv.ParseUint(kb, 10, 50)
	return float64(n << 10), err == nil
}

// rlimit is a process's own soft limit.
func (d *ProcDetail) rlimit(name, resource, unit string, used float64, known bool) []Rung {
	for _, l := range d.Limits {
		if l.Name == name {
			return []Rung{{Resource: resource, Step: "rlimit", Where: name, Unit: unit, Limit: float64(l.Soft), Bounded: l.Soft != Unset, Used: used, Known: known, Source: PIDLimits}}
		}
	}
	return nil
}

// tasksOf counts the threads of the process's real user, as RLIMIT_NPROC does:
// over the whole PID namespace, of which this /proc is one.
func (h *Host) tasksOf(d *ProcDetail) (n float64) {
	all := d.Row.Host.All
	rows := make([]int32, len(all.Rows))
	for i := range rows {
		rows[i] = int32(i)
	}
	for _, i := range all.Fill(rows, Of(PIDStatus)) {
		if p := &all.Rows[i]; p.RealUID == d.Row.P.RealUID && !p.Kthread() {
			n += float64(p.Threads)
		}
	}
	return n
}

// rungFiles says which files a controller has its bound and its use in.
type rungFiles struct {
	controller     string
	v1, v2         string // the bound
	use1, use2     string
	source         Source
	resource       string
	unit           string
	parse1, parse2 func(t tree, dir string) (limit float64, bounded, ok bool)
}

// climb reads a controller's files of a process's cgroup and of those above it.
func (h *Host) climb(d *ProcDetail, mounts []mount, f rungFiles) (out []Rung) {
	version, at := controllerPath(d.Cgroups, f.controller)
	dir, top, err := locateFor(version, f.controller, at, mounts)
	if err != nil {
		return nil
	}
	for {
		t, rel := h.under(dir)
		file, use, parse := f.v2, f.use2, f.parse2
		if version == 1 {
			file, use, parse = f.v1, f.use1, f.parse1
		}
		if parse == nil {
			parse = func(t tree, dir string) (float64, bool, bool) { return readBound(t, path.Join(dir, file)) }
		}
		if limit, bounded, ok := parse(t, rel); ok {
			r := Rung{Resource: f.resource, Step: "cgroup", Where: at, Unit: f.unit, Limit: limit, Bounded: bounded, Source: f.source}
			if n, err := t.number(path.Join(rel, use)); use != "" && err == nil {
				r.Used, r.Known = float64(n), true
			}
			out = append(out, r)
		}
		if dir == top {
			return out
		}
		dir, at = path.Dir(dir), path.Dir(at)
	}
}

func hasController(list, name string) bool {
	for c := range strings.SplitSeq(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// readBound reads a number or "max".
func readBound(t tree, rel string) (limit float64, bounded, ok bool) {
	err := t.single(rel, func(b []byte) error {
		b = bytes.TrimSpace(b)
		if string(b) == "max" {
			ok = true
			return nil
		}
		n, good := parseUint(b)
		if !good {
			return errMalformed
		}
		limit, bounded, ok = float64(n), n < unlimitedV1, true
		return nil
	})
	return limit, bounded, ok && err == nil
}

func (h *Host) memoryRungs(d *ProcDetail, mounts []mount) []Rung {
	return h.climb(d, mounts, rungFiles{controller: "memory", v1: "memory.limit_in_bytes", v2: "memory.max", use1: "memory.usage_in_bytes", use2: "memory.current",
		source: CgroupMemory, resource: "memory", unit: "bytes"})
}

func (h *Host) pidRungs(d *ProcDetail, mounts []mount) []Rung {
	return h.climb(d, mounts, rungFiles{controller: "pids", v1: "pids.max", v2: "pids.max", use1: "pids.current", use2: "pids.current", source: CgroupPids, resource: "tasks"})
}

// cpuRungs reads how many CPUs' worth of time cgroups may have.
func (h *Host) cpuRungs(d *ProcDetail, mounts []mount) []Rung {
	return h.climb(d, mounts, rungFiles{controller: "cpu", source: CgroupCPU, resource: "cpus",
		parse1: tree.cfsQuota, parse2: tree.cpuMax})
}

// hostTasks are the kernel's own bounds on threads.
func (h *Host) hostTasks() (out []Rung) {
	var l ProcList
	_ = h.proc.single("loadavg", l.parseLoadavg)
	for _, s := range [...]Source{KernelThreadsMax, KernelPIDMax} {
		t, rel := h.at(s)
		if n, err := t.number(rel); err == nil && n > 0 {
			out = append(out, Rung{Resource: "tasks", Step: "sysctl", Where: "kernel." + path.Base(rel), Limit: float64(n), Bounded: true, Used: float64(l.Tasks), Known: l.Tasks > 0, Source: s})
		}
	}
	return out
}

// hostFiles are the bounds of the host on open files: nr_open on each process's
// number, file-max on the struct files of all.
func (h *Host) hostFiles(d *ProcDetail) (out []Rung) {
	t, rel := h.at(FSNrOpen)
	if n, err := t.number(rel); err == nil {
		out = append(out, Rung{Resource: "open files", Step: "sysctl", Where: "fs.nr_open", Limit: float64(n), Bounded: true, Used: float64(d.Row.P.FDs), Known: d.Row.P.FDs >= 0, Source: FSNrOpen})
	}
	_ = h.proc.single("sys/fs/file-nr", func(b []byte) error {
		used, rest := cutField(trimNewline(b))
		_, most := cutField(rest)
		n, ok1 := parseUint(used)
		all, ok2 := parseUint(most)
		if ok1 && ok2 {
			out = append(out, Rung{Resource: "open files", Step: "host", Where: "fs.file-max", Limit: float64(all), Bounded: all < 1<<62, Used: float64(n), Known: true, Exempt: d.capable(capSysAdmin), Source: FSFileNr}) // alloc_empty_file in fs/file_table.c
		}
		return nil
	})
	return out
}
