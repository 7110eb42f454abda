package inspect

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Sched is how a host's CPUs are shared out, at one moment and a moment before if
// it was asked to watch.
type Sched struct {
	Mem   *Mem // sysctls
	Procs *Procs
	Order []int32 // rows that are shown

	Build   string            // uname -v: #1 SMP PREEMPT_DYNAMIC ...
	Cmdline string            // what the kernel was booted with
	Config  map[string]string // options that bear on scheduling; "n" for those that are not set
	Tick    time.Duration     // between two timer interrupts of a busy CPU
	Debug   SchedDebugfs
	Ext     SchedExtState

	CPUs     []CPU // those of /proc/stat: the ones online
	All      CPUTimes
	Stat     Counters // ctxt, processes, procs_running, procs_blocked
	Lists    CPULists
	Load     [3]string // as /proc/loadavg has them
	Tasks    Num       // threads of the whole host, from loadavg
	Loads    [3]uint64 // the same to the bit, in units of 1/2048
	Step     LoadStep
	Pressure Pressure

	Realtime []Task // tasks of policies that come before the fair ones
	Blocked  []Task // tasks in D
	Groups   []CPUGroup

	Was *Sched
	got [nSources]Reason
}

// CPUTimes are the times of a CPU by kind, in ticks of 1/100 s since boot
// (proc_stat(5)). User holds Guest, and Nice GuestNice.
type CPUTimes struct {
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ, Steal, Guest, GuestNice uint64
}

// Total is all of it: guests' time is in user and nice already.
func (t *CPUTimes) Total() uint64 {
	return t.User + t.Nice + t.System + t.Idle + t.IOWait + t.IRQ + t.SoftIRQ + t.Steal
}

// CPU is one that is online.
type CPU struct {
	ID    int
	Times CPUTimes
	// From /proc/schedstat, in ns: what tasks ran here, and waited here while
	// others ran; Unset without it.
	Ran, Waited Num
}

// CPULists are lists of CPUs such as "0-3,8", as /sys has them; "" for none.
type CPULists struct {
	Online, Isolated, NohzFull string
	SMT                        string // on, off, notsupported, ...; "" if unknown
}

// SchedDebugfs is what debugfs tells of the scheduler; Unset where it does not.
type SchedDebugfs struct {
	Preempt                                    string // none, voluntary, full, lazy
	Features                                   []string
	BaseSlice, MinGranularity, Latency, Wakeup Num // ns
	FairRuntime, FairPeriod                    Num // ns, of the fair server of the first CPU
}

// SchedExtState is that of sched_ext.
type SchedExtState struct{ State, Ops string }

// LoadStep is an update of the load averages that was seen happen.
type LoadStep struct {
	Old, New [3]uint64
	Seen     bool
}

// Task is a thread with the parameters that sched_getattr tells.
type Task struct {
	Proc
	Attr *unix.SchedAttr
}

// CPUGroup is a cgroup with something to say on CPUs.
type CPUGroup struct {
	Version int
	Path    string
	Bounded bool
	CPUs    float64 // that it may use
	Period  uint64  // µs
	Burst   Num     // µs; Unset before 5.14
	Weight  Num     // shares: 1024 by default
	Idle    bool
	Cpuset  string // CPUs that it is kept to, where these are not all
	Stat    Counters
}

// Missing says why a source gave nothing.
func (s *Sched) Missing(src Source) Reason {
	switch src {
	case SchedLatency:
		return s.tunable(src, s.Debug.Latency)
	case SchedMinGranularity:
		return s.tunable(src, s.Debug.MinGranularity)
	case SchedWakeupGranularity:
		return s.tunable(src, s.Debug.Wakeup)
	}
	if sourceTable[src].shape == number {
		return s.Mem.Missing(src)
	}
	if src >= PIDStat {
		return Present
	}
	return s.got[src]
}

// tunable says why one of CFS is not there: a sysctl until 5.12, then a file of
// debugfs, and gone since 6.6.
func (s *Sched) tunable(src Source, debug Num) Reason {
	switch k := s.Kernel(); {
	case debug != Unset:
		return Present
	case !k.AtLeast(5, 13):
		return s.Mem.Missing(src)
	case k.AtLeast(6, 6):
		return Inapplicable
	}
	return s.got[SchedDebug]
}

// Before returns the sample an interval ago.
func (s *Sched) Before() (*Sched, time.Duration, bool) {
	if s.Was == nil {
		return nil, 0, false
	}
	return s.Was, s.Mem.At.Sub(s.Was.Mem.At), true
}

// Kernel returns the kernel that was read.
func (s *Sched) Kernel() Version { return s.Mem.Host.Kernel }

// List is what the table of processes shares with it.
func (s *Sched) List() *ProcList {
	l := &ProcList{Mem: s.Mem, Procs: s.Procs, Order: s.Order, Stat: s.Stat, Tasks: s.Tasks, stat: s.got[ProcStat], load: s.got[Loadavg]}
	if s.Was != nil {
		l.Was = &ProcList{Mem: s.Was.Mem, Procs: s.Was.Procs, Stat: s.Was.Stat, Tasks: s.Was.Tasks}
	}
	return l
}

// Gaps lists the wanted sources that gave nothing.
func (s *Sched) Gaps() []Gap {
	out := s.Mem.Gaps()
	for src, r := range s.got {
		if r.IsGap() && r != Unread {
			out = append(out, Gap{Source(src), r, 1, 1})
		}
	}
	return append(out, s.Procs.Gaps(s.Order)...)
}

// Sched reads the wanted sources of a host; the caller has scanned the processes.
func (h *Host) Sched(ps *Procs, order []int32, want Sources) (*Sched, error) {
	m, err := h.Mem(want.Only(func(s Source) bool {
		old := s == SchedLatency || s == SchedMinGranularity || s == SchedWakeupGranularity // sysctls until 5.12
		return sourceTable[s].shape == number && (!old || !h.Kernel.AtLeast(5, 13))
	}))
	if m == nil || err != nil && m.At.IsZero() {
		return nil, err
	}
	s := &Sched{Mem: m, Procs: ps, Order: order, Tasks: Unset}
	s.Debug = SchedDebugfs{BaseSlice: Unset, MinGranularity: Unset, Latency: Unset, Wakeup: Unset, FairRuntime: Unset, FairPeriod: Unset}
	for src := range s.got {
		s.got[src] = Unread
	}
	for src := None + 1; src < PIDStat; src++ {
		if read := h.schedReader(s, src); read != nil && want.Has(src) {
			s.got[src] = read()
		}
	}
	h.schedTasks(s)
	ps.Notes(order)
	return s, nil
}

// Only returns the members of a set that keep.
func (set Sources) Only(keep func(Source) bool) (out Sources) {
	for s := None + 1; s < nSources; s++ {
		if set.Has(s) && keep(s) {
			out = out.Plus(Of(s))
		}
	}
	return out
}

// schedReader returns what reads a source of its own into s.
func (h *Host) schedReader(s *Sched, src Source) func() Reason {
	single := func(rel string, parse func([]byte) error) func() Reason {
		return func() Reason { return reasonFor(h.proc.single(rel, parse)) }
	}
	switch src {
	case KernelBuild:
		return single("sys/kernel/version", func(b []byte) error { s.Build = string(trimNewline(b)); return nil })
	case KernelCmdline:
		return single("cmdline", func(b []byte) error { s.Cmdline = string(trimNewline(b)); return nil })
	case KernelConfig:
		return func() (r Reason) { s.Config, r = h.kernelConfig(); return r }
	case TickClock:
		return func() Reason { return h.tick(s) }
	case Sysinfo:
		return func() (r Reason) { s.Loads, r = h.Loads(); return r }
	case SchedDebug:
		return func() Reason { return h.schedDebug(&s.Debug) }
	case SchedExt:
		return func() Reason { return h.schedExt(&s.Ext) }
	case CPUList:
		return func() Reason { return h.cpuLists(&s.Lists) }
	case ProcStat:
		return func() Reason { return reasonFor(h.proc.single("stat", s.parseStat)) }
	case Loadavg:
		return single("loadavg", s.parseLoadavg)
	case PressureCPU:
		return single("pressure/cpu", func(b []byte) (err error) { s.Pressure, err = parsePressure(b); return err })
	case Schedstat:
		return func() Reason { return reasonFor(h.proc.with("schedstat", s.parseSchedstat)) }
	case CgroupCPU:
		return func() (r Reason) { s.Groups, r = h.cpuGroups(); return r }
	}
	return nil
}

// preemptOptions are what of the kernel's configuration bears on scheduling.
func preemptOptions() []string {
	return []string{"CONFIG_PREEMPT_NONE", "CONFIG_PREEMPT_VOLUNTARY", "CONFIG_PREEMPT", "CONFIG_PREEMPT_RT", "CONFIG_PREEMPT_LAZY", "CONFIG_PREEMPT_DYNAMIC", "CONFIG_HZ"}
}

// kernelConfig reads the options that bear on scheduling, no further than it must:
// from /proc, or where a live kernel does not have it there, from where
// distributions put it.
func (h *Host) kernelConfig() (out map[string]string, why Reason) {
	err := h.proc.with("config.gz", func(b []byte) error {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return errMalformed
		}
		out, err = parseConfig(z)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) && h.Live {
		t := tree{root: "", fd: unix.AT_FDCWD, pool: h.proc.pool}
		err = t.with("/boot/config-"+h.Release, func(b []byte) error {
			out, err = parseConfig(bytes.NewReader(b))
			return err
		})
	}
	return out, reasonFor(err)
}

// parseConfig reads lines of "CONFIG_HZ=250" and "# CONFIG_PREEMPT_RT is not set"
// until all wanted options are found.
func parseConfig(r io.Reader) (map[string]string, error) {
	out := map[string]string{}
	var rest []byte
	buf := make([]byte, 16<<10)
	for len(out) < len(preemptOptions()) {
		n, err := r.Read(buf)
		rest = append(rest, buf[:n]...)
		for {
			line, more, ok := bytes.Cut(rest, []byte("\n"))
			if !ok {
				break
			}
			rest = more
			configLine(string(line), out)
		}
		if err == io.EOF {
			configLine(string(rest), out)
			break
		}
		if err != nil || len(rest) > 1<<20 {
			return nil, errMalformed
		}
	}
	if len(out) == 0 {
		return nil, errMalformed
	}
	return out, nil
}

func configLine(line string, out map[string]string) {
	name, value, ok := strings.Cut(line, "=")
	if !ok {
		if name, ok = strings.CutPrefix(line, "# "); !ok {
			return
		}
		if name, ok = strings.CutSuffix(name, " is not set"); !ok {
			return
		}
		value = "n"
	}
	if slices.Contains(preemptOptions(), name) {
		out[name] = value
	}
}

// tick asks how long the kernel's tick is: what its coarse clocks resolve
// (kernel/time/posix-timers.c, posix_get_coarse_res).
func (h *Host) tick(s *Sched) Reason {
	if !h.Live {
		return Inapplicable
	}
	var ts unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &ts); err != nil {
		return reasonFor(err)
	}
	s.Tick = time.Duration(ts.Nano())
	return Present
}

// Loads returns the load averages in units of 1/2048, to the bit: /proc/loadavg
// rounds them.
func (h *Host) Loads() (out [3]uint64, why Reason) {
	if !h.Live {
		return out, Inapplicable
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return out, reasonFor(err)
	}
	for i, l := range info.Loads {
		out[i] = unsigned(l) >> 5 // kernel/sys.c, do_sysinfo: SI_LOAD_SHIFT - FSHIFT
	}
	return out, Present
}

// unsigned widens what C calls a long.
func unsigned[N uint32 | uint64](n N) uint64 { return uint64(n) }

func (h *Host) schedDebug(d *SchedDebugfs) Reason {
	const dir = "kernel/debug/sched"
	names, err := h.sys.names(dir)
	if err != nil {
		if h.Kernel.AtLeast(5, 13) {
			return reasonFor(err)
		}
		return reasonFor(h.sys.single("kernel/debug/sched_features", func(b []byte) error { d.Features = strings.Fields(string(b)); return nil }))
	}
	number := func(name string) Num {
		if n, err := h.sys.number(dir + "/" + name); err == nil && n >= 0 {
			return Num(n)
		}
		return Unset
	}
	d.BaseSlice, d.MinGranularity, d.Latency, d.Wakeup = number("base_slice_ns"), number("min_granularity_ns"), number("latency_ns"), number("wakeup_granularity_ns")
	d.FairRuntime, d.FairPeriod = number("fair_server/cpu0/runtime"), number("fair_server/cpu0/period")
	err = h.sys.single(dir+"/features", func(b []byte) error { d.Features = strings.Fields(string(b)); return nil })
	_ = h.sys.single(dir+"/preempt", func(b []byte) error {
		_, rest, _ := strings.Cut(string(b), "(")
		d.Preempt, _, _ = strings.Cut(rest, ")")
		return nil
	})
	if slices.Contains(names, "features") {
		return reasonFor(err)
	}
	return Present
}

func (h *Host) schedExt(e *SchedExtState) Reason {
	err := h.sys.single("kernel/sched_ext/state", func(b []byte) error { e.State = string(trimNewline(b)); return nil })
	_ = h.sys.single("kernel/sched_ext/root/ops", func(b []byte) error { e.Ops = string(trimNewline(b)); return nil })
	if r := reasonFor(err); r != Unsupported {
		return r
	}
	return Inapplicable // without it no BPF program decides: that is an answer
}

func (h *Host) cpuLists(l *CPULists) Reason {
	read := func(name string, to *string) error {
		return h.sys.single("devices/system/cpu/"+name, func(b []byte) error { *to = strings.TrimSpace(string(b)); return nil })
	}
	err := read("online", &l.Online)
	_, _, _ = read("isolated", &l.Isolated), read("nohz_full", &l.NohzFull), read("smt/control", &l.SMT)
	if l.NohzFull == "(null)" {
		l.NohzFull = ""
	}
	return reasonFor(err)
}

// parseStat reads the times by CPU and the counters of /proc/stat. The line of
// interrupts, which may be long, is passed over.
func (s *Sched) parseStat(b []byte) error {
	s.Stat = Counters{}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, rest := cutField(line)
		switch {
		case bytes.HasPrefix(name, []byte("cpu")):
			t, ok := parseTimes(rest)
			id, err := strconv.Atoi(string(name[3:]))
			switch {
			case !ok:
				return errMalformed
			case len(name) == 3:
				s.All = t
			case err == nil && id >= 0:
				s.CPUs = append(s.CPUs, CPU{ID: id, Times: t, Ran: Unset, Waited: Unset})
			}
		case bytes.Equal(name, []byte("intr")), bytes.Equal(name, []byte("softirq")):
		default:
			if n, ok := parseUint(rest); ok {
				s.Stat[string(name)] = n
			}
		}
	}
	if s.All.Total() == 0 && len(s.Stat) == 0 {
		return errMalformed
	}
	return nil
}

// parseTimes reads the times of one CPU: four at least, ten since 2.6.33.
func parseTimes(b []byte) (t CPUTimes, ok bool) {
	to := [...]*uint64{&t.User, &t.Nice, &t.System, &t.Idle, &t.IOWait, &t.IRQ, &t.SoftIRQ, &t.Steal, &t.Guest, &t.GuestNice}
	for i, p := range to {
		var field []byte
		field, b = cutField(b)
		n, good := parseUint(field)
		if !good {
			return t, i >= 4 && len(field) == 0
		}
		*p = n
	}
	return t, true
}

func (s *Sched) parseLoadavg(b []byte) error {
	var l ProcList
	if err := l.parseLoadavg(b); err != nil {
		return err
	}
	rest := b
	for i := range s.Load {
		var field []byte
		field, rest = cutField(rest)
		if _, err := strconv.ParseFloat(string(field), 64); err != nil {
			return errMalformed
		}
		s.Load[i] = string(field)
	}
	s.Tasks = l.Tasks
	return nil
}

// parseSchedstat reads the lines of CPUs: the seventh and eighth number are the
// time that tasks ran and that they waited (Documentation/scheduler/
// sched-stats.rst; so in all versions since 15).
func (s *Sched) parseSchedstat(b []byte) error {
	found := false
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		f := strings.Fields(string(line))
		if len(f) < 10 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		id, err := strconv.Atoi(f[0][3:])
		ran, ok1 := parseUint([]byte(f[7]))
		waited, ok2 := parseUint([]byte(f[8]))
		if err != nil || !ok1 || !ok2 {
			return errMalformed
		}
		found = true
		for i := range s.CPUs {
			if s.CPUs[i].ID == id {
				s.CPUs[i].Ran, s.CPUs[i].Waited = Num(ran), Num(waited)
			}
		}
	}
	if !found {
		return errMalformed
	}
	return nil
}

// SCHED_* (include/uapi/linux/sched.h).
const (
	policyFIFO     = 1
	policyRR       = 2
	policyDeadline = 6
)

// schedTasks finds the tasks of real-time policies and those in D, among all
// threads of all processes: of a process of one thread, stat has said it.
func (h *Host) schedTasks(s *Sched) {
	ps := s.Procs
	note := func(p *Process) {
		t := Task{Proc: Proc{Host: &ps.Host, P: p}}
		switch p.Policy {
		case policyFIFO, policyRR, policyDeadline:
			t.Attr = h.attr(p)
			s.Realtime = append(s.Realtime, t)
		}
		if p.State == 'D' {
			s.Blocked = append(s.Blocked, t)
		}
	}
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Threads <= 1 || p.TGID != 0 {
			note(p)
			continue
		}
		threads, err := h.Threads(p.PID, Of(PIDStat))
		if err != nil {
			continue
		}
		for j := range threads.Rows {
			note(&threads.Rows[j])
		}
	}
	r := &pidReader{h: h}
	for i := range s.Blocked {
		r.fill(s.Blocked[i].P, Of(PIDWchan, PIDSyscall))
	}
	s.got[SchedGetattr] = Present
	if !h.sameProcesses() {
		s.got[SchedGetattr] = Inapplicable
	}
}

// sameProcesses tells whether the numbers in this /proc mean the same processes to
// system calls.
func (h *Host) sameProcesses() bool { return h.Live && h.Self() == int32(unix.Getpid()) }

// Deadline is what a SCHED_DEADLINE task asked for, in ns; Unset where
// sched_getattr can't be asked. What /proc/PID/sched calls dl.runtime and
// dl.deadline is what is left of the runtime, and when the next deadline is.
func (t *Task) Deadline() (runtime, deadline, period Num) {
	if a := t.Attr; a != nil {
		return Num(a.Runtime), Num(a.Deadline), Num(a.Period)
	}
	return Unset, Unset, Unset
}

// attr asks for a task's scheduling parameters; nil where they can't be had.
func (h *Host) attr(p *Process) *unix.SchedAttr {
	if !h.sameProcesses() {
		return nil
	}
	a, err := unix.SchedGetAttr(int(p.PID), 0)
	if err != nil {
		return nil
	}
	return a
}

// cpuGroups walks the hierarchies that have CPU controllers and returns the
// cgroups that are not as they are by default.
func (h *Host) cpuGroups() ([]CPUGroup, Reason) {
	mounts, err := h.cgroupMounts()
	if err != nil {
		return nil, reasonFor(err)
	}
	found := false
	var out []CPUGroup
	for _, m := range mounts {
		version := 2
		if m.fsType == "cgroup" {
			version = 1
		}
		if version == 1 && !m.has("cpu") && !m.has("cpuset") {
			continue
		}
		found = true
		w := cpuWalk{h: h, version: version, top: path.Clean(m.point), root: m.root}
		w.tree, w.rel = h.under(w.top)
		w.walk("", "")
		out = append(out, w.out...)
	}
	if !found {
		return nil, Unsupported
	}
	return out, Present
}

// cpuWalk goes through one hierarchy.
type cpuWalk struct {
	h         *Host
	version   int
	top, root string
	tree      tree
	rel       string
	out       []CPUGroup
}

// walk visits a directory and those below it; above is the cpuset of the one
// above.
func (w *cpuWalk) walk(at, above string) {
	dir := path.Join(w.rel, at)
	g := CPUGroup{Version: w.version, Path: path.Join(w.root, at), Burst: Unset, Weight: Unset}
	cpuset := w.read(&g, dir)
	if cpuset == "" {
		cpuset = above
	}
	// The top of all has everything; a container's top has bounds of its own.
	if at != "" && cpuset != above && above != "" {
		g.Cpuset = cpuset
	}
	if g.Bounded || g.Idle || g.Cpuset != "" || g.Stat["nr_throttled"] > 0 || g.Weight != Unset && g.Weight != 1024 {
		w.out = append(w.out, g)
	}
	names, err := w.tree.directories(dir)
	if err != nil {
		return
	}
	slices.Sort(names)
	for _, name := range names {
		w.walk(path.Join(at, name), cpuset)
	}
}

// read reads one directory, and returns the CPUs that it is kept to.
func (w *cpuWalk) read(g *CPUGroup, dir string) (cpuset string) {
	t := w.tree
	num := func(name string) Num {
		if n, err := t.number(path.Join(dir, name)); err == nil && n >= 0 {
			return Num(n)
		}
		return Unset
	}
	set := "cpuset.cpus.effective"
	if w.version == 1 {
		set = "cpuset.effective_cpus"
		g.CPUs, g.Bounded, _ = t.cfsQuota(dir)
		g.Weight, g.Burst = num("cpu.shares"), num("cpu.cfs_burst_us")
		if n := num("cpu.cfs_period_us"); n > 0 {
			g.Period = uint64(n)
		}
	} else {
		g.CPUs, g.Bounded, _ = t.cpuMax(dir)
		_ = t.single(path.Join(dir, "cpu.max"), func(b []byte) error {
			_, period := cutField(trimNewline(b))
			g.Period, _ = parseUint(period)
			return nil
		})
		g.Burst = num("cpu.max.burst")
		if n := num("cpu.weight"); n != Unset {
			g.Weight = (n*1024 + 50) / 100
		}
	}
	g.Idle = num("cpu.idle") == 1
	_ = t.single(path.Join(dir, "cpu.stat"), func(b []byte) (err error) { g.Stat, err = parseCounters(b, 8); return err })
	_ = t.single(path.Join(dir, set), func(b []byte) error { cpuset = strings.TrimSpace(string(b)); return nil })
	return cpuset
}

// SchedPart is one of the many of a kind in a host's scheduling.
type SchedPart[T any] struct {
	Sched *Sched
	It    *T
	N     int
	was   func(*Sched, *T) *T
}

// Missing says why a source gave nothing.
func (p SchedPart[T]) Missing(s Source) Reason { return p.Sched.Missing(s) }

// Before returns the same one an interval ago.
func (p SchedPart[T]) Before() (SchedPart[T], time.Duration, bool) {
	was, over, ok := p.Sched.Before()
	if !ok || p.was == nil {
		return SchedPart[T]{}, 0, false
	}
	it := p.was(was, p.It)
	return SchedPart[T]{was, it, p.N, p.was}, over, it != nil
}

// Kernel returns the kernel that was read.
func (p SchedPart[T]) Kernel() Version { return p.Sched.Kernel() }

// SchedParts is a list in its context: the rows of a table. Was finds one in an
// earlier sample, where there is one.
type SchedParts[T any] struct {
	Sched *Sched
	List  []T
	Was   func(*Sched, *T) *T
}

// Len returns how many there are.
func (l SchedParts[T]) Len() int { return len(l.List) }

// At returns one of them.
func (l SchedParts[T]) At(i int) SchedPart[T] {
	return SchedPart[T]{l.Sched, &l.List[i], i, l.Was}
}

// SameCPU finds a CPU in an earlier sample.
func SameCPU(was *Sched, c *CPU) *CPU {
	for i := range was.CPUs {
		if was.CPUs[i].ID == c.ID {
			return &was.CPUs[i]
		}
	}
	return nil
}

// SameGroup finds a cgroup in an earlier sample.
func SameGroup(was *Sched, g *CPUGroup) *CPUGroup {
	for i := range was.Groups {
		if was.Groups[i].Path == g.Path && was.Groups[i].Version == g.Version {
			return &was.Groups[i]
		}
	}
	return nil
}

// CPUListHolds tells whether every CPU of the list some is in the list all: a list
// is "0-3,8".
func CPUListHolds(all, some string) bool {
	in := map[int]bool{}
	eachCPU(all, func(n int) { in[n] = true })
	holds := true
	eachCPU(some, func(n int) { holds = holds && in[n] })
	return holds
}

func eachCPU(list string, do func(int)) {
	const most = 1 << 16 // far above any NR_CPUS
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		b := a
		if isRange && err == nil {
			b, err = strconv.Atoi(to)
		}
		for n := a; err == nil && n >= 0 && n <= min(b, most); n++ {
			do(n)
		}
	}
}
