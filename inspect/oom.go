package inspect

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// OOMScale is how badness points are to be understood in a scan: what they are
// set against, and how oom_score is made from them.
type OOMScale struct {
	Host   uint64 // pages of RAM and swap: what oom_score is set against, always
	Domain uint64 // pages that a kill would be set against: Host, or what a cgroup may use
	// Since59 tells the scale of 5.9 and later, which some older kernels of
	// vendors have too.
	Since59 bool
	// StatusRSS tells that the OOM code's RSS is the one of status, not of stat.
	StatusRSS bool
	// InitLives tells whether PID 1 of that /proc is the host's, which is never
	// killed: a container's can be.
	InitLives bool
}

// OOMGroup is a memory cgroup with a hard limit, and what tells of kills in it.
type OOMGroup struct {
	CgroupMem
	Pressure Pressure // memory.pressure, v2
	Together bool     // memory.oom.group: all of its processes are killed with the victim
	Local    bool     // its events leave out those of the cgroups below
	Failures Num      // v1: memory.failcnt
	Swap     Num      // v1: memory.swappiness
	Total    uint64   // pages that its processes can use at most; 0 if unknown

	PIDs    []int32 // of the processes in it and below
	Victim  *Process
	Points  int64    // those of the victim, set against Total
	ByScore *Process // whom /proc's oom_score would make one expect
	Whole   string   // the cgroup that dies as a whole with the victim; ""

	Mounted string // where its directory is
	tree    tree
	dirs    []string // it and those below it, in tree
}

// OOM is what a host knows of the OOM killer's next victim.
type OOM struct {
	Mem    *Mem
	Procs  *Procs
	Order  []int32    // rows of Procs that are shown, the next victim first
	First  *Process   // whom a global OOM would kill; nil if nobody
	Second *Process   // and after that one
	Groups []OOMGroup // those with a hard limit
	// Killers are user-space killers that run, which act before the kernel does.
	Killers []string
	Known   bool // whether the names of all processes were seen
	Was     *OOM

	Got Reason // of the walk over the cgroups
}

// Missing says why a source gave nothing.
func (o *OOM) Missing(s Source) Reason {
	switch {
	case s == PIDStat && !o.Known:
		return Unread
	case s >= PIDStat, s == KernelLog:
		return Present
	}
	return o.Mem.Missing(s)
}

// Before returns the sample an interval ago.
func (o *OOM) Before() (*OOM, time.Duration, bool) {
	if o.Was == nil {
		return nil, 0, false
	}
	return o.Was, o.Mem.At.Sub(o.Was.Mem.At), true
}

// Kernel returns the kernel that was read.
func (o *OOM) Kernel() Version { return o.Mem.Host.Kernel }

// LimitedCgroups walks the hierarchy that accounts memory, as far down as it is
// mounted, and returns the cgroups that have a hard limit.
func (h *Host) LimitedCgroups() ([]OOMGroup, error) {
	mounts, err := h.cgroupMounts()
	if err != nil {
		return nil, err
	}
	for _, version := range [...]int{1, 2} {
		for _, m := range mounts {
			if version == 1 && m.fsType == "cgroup" && m.has("memory") || version == 2 && m.fsType == "cgroup2" {
				w := groupWalk{h: h, version: version, top: path.Clean(m.point), root: m.root, local: m.has("memory_localevents")}
				w.tree, w.rel = h.under(w.top)
				if err := w.walk(""); err != nil {
					return nil, err
				}
				if len(w.out) > 0 || version == 2 {
					return w.out, nil
				}
			}
		}
	}
	return nil, &fs.PathError{Op: "find", Path: "the memory controller", Err: fs.ErrNotExist}
}

// HasMemoryCgroup tells whether there is a memory cgroup of a path, as
// /proc/PID/cgroup spells it or as it is mounted, limited or not.
func (h *Host) HasMemoryCgroup(at string) bool {
	mounts, err := h.cgroupMounts()
	if err != nil {
		return false
	}
	for _, m := range mounts {
		if m.fsType != "cgroup2" && (m.fsType != "cgroup" || !m.has("memory")) {
			continue
		}
		top := path.Clean(m.point)
		rest, ok := below(at, m.root)
		if inside, mounted := below(at, top); mounted {
			rest, ok = inside, true
		}
		if !ok {
			continue
		}
		tree, rel := h.under(path.Join(top, rest))
		if st, err := tree.stat(rel); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return true
		}
	}
	return false
}

// groupWalk goes through one hierarchy.
type groupWalk struct {
	h         *Host
	version   int
	top, root string // where it is mounted, and which cgroup that shows
	local     bool   // mounted so that events are each cgroup's own
	tree      tree
	rel       string
	open      []int // indices in out of the limited ones above
	out       []OOMGroup
}

// walk visits a directory and those below it. One that went away is no error.
func (w *groupWalk) walk(at string) error {
	dir := path.Join(w.rel, at)
	limited := false
	err := w.tree.single(path.Join(dir, filesOf(w.version).limit), func(b []byte) error {
		n, ok := parseUint(trimNewline(b))
		limited = ok && (w.version == 2 || n < unlimitedV1)
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
		return err
	}
	if limited {
		if g, err := w.group(at); err == nil {
			w.open = append(w.open, len(w.out))
			w.out = append(w.out, g)
			defer func() { w.open = w.open[:len(w.open)-1] }()
		}
	}
	for _, i := range w.open {
		w.out[i].dirs = append(w.out[i].dirs, dir)
	}
	names, err := w.tree.directories(dir)
	if err != nil {
		return ignoreGone(err)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := w.walk(path.Join(at, name)); err != nil {
			return err
		}
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func (w *groupWalk) group(at string) (g OOMGroup, err error) {
	g.CgroupMem, err = w.h.cgroupMem(w.version, path.Join(w.top, at), true)
	if err != nil {
		return g, err
	}
	g.Path, g.Root, g.Mounted = path.Join(w.root, at), at == "", path.Join(w.top, at)
	g.Failures, g.Swap, g.tree = Unset, Unset, w.tree
	dir := path.Join(w.rel, at)
	if w.version == 1 {
		g.Failures = g.Nums.num("memory.failcnt")
		if n, err := w.tree.number(path.Join(dir, "memory.swappiness")); err == nil && n >= 0 {
			g.Swap = Num(n)
		}
		return g, nil
	}
	_ = w.tree.single(path.Join(dir, "memory.pressure"), func(b []byte) error {
		g.Pressure, err = parsePressure(b)
		return err
	})
	// memory.events sums up the subtree since 5.2.
	g.Local = w.local || w.h.Kernel.Before(Version{5, 2, 0})
	n, err := w.tree.number(path.Join(dir, "memory.oom.group"))
	g.Together = err == nil && n == 1
	return g, nil
}

// Members reads which processes are in the group and below it.
func (g *OOMGroup) Members() {
	g.PIDs = nil
	for _, dir := range g.dirs {
		_ = g.tree.with(path.Join(dir, "cgroup.procs"), func(b []byte) error {
			for len(b) > 0 {
				var line []byte
				line, b = cutLine(b)
				if pid, ok := parsePID(string(line)); ok {
					g.PIDs = append(g.PIDs, pid)
				}
			}
			return nil
		})
	}
	slices.Sort(g.PIDs)
	g.PIDs = slices.Compact(g.PIDs)
}

// Holds tells whether the cgroup at is g or lies below it.
func (g *OOMGroup) Holds(at string) bool {
	_, ok := below(at, g.Path)
	return ok
}

// KilledWhole returns the cgroup that the kernel kills as a whole together with
// a victim in the cgroup at: the highest one from there up to g that has
// memory.oom.group set (mm/memcontrol.c, mem_cgroup_get_oom_group); "" if none.
func (g *OOMGroup) KilledWhole(at string) (whole string) {
	rest, ok := strings.CutPrefix(at, g.Path)
	if g.Version != 2 || !ok || len(g.dirs) == 0 {
		return ""
	}
	for {
		n, err := g.tree.number(path.Join(g.dirs[0], rest, "memory.oom.group"))
		if err == nil && n == 1 {
			whole = path.Join(g.Path, rest)
		}
		if rest = strings.Trim(rest, "/"); rest == "" {
			return whole
		}
		if rest = path.Dir(rest); rest == "." {
			rest = ""
		}
	}
}

// OOMPart is one limited cgroup in its context.
type OOMPart struct {
	OOM *OOM
	It  *OOMGroup
	N   int // its place in the list
}

// Missing says why a source gave nothing.
func (p OOMPart) Missing(s Source) Reason {
	if s == CgroupMemory {
		return p.OOM.Got
	}
	return p.OOM.Missing(s)
}

// Before returns the same cgroup an interval ago.
func (p OOMPart) Before() (OOMPart, time.Duration, bool) {
	was, over, ok := p.OOM.Before()
	if !ok {
		return OOMPart{}, 0, false
	}
	for i := range was.Groups {
		if was.Groups[i].Path == p.It.Path {
			return OOMPart{was, &was.Groups[i], i}, over, true
		}
	}
	return OOMPart{}, 0, false
}

// Kernel returns the kernel that was read.
func (p OOMPart) Kernel() Version { return p.OOM.Kernel() }

// OOMParts are the limited cgroups: the rows of a table.
type OOMParts struct{ OOM *OOM }

// Len returns how many there are.
func (l OOMParts) Len() int { return len(l.OOM.Groups) }

// At returns one of them.
func (l OOMParts) At(i int) OOMPart { return OOMPart{l.OOM, &l.OOM.Groups[i], i} }

// OOMTask is one process and where it stands among the others.
type OOMTask struct {
	OOM      *OOM
	Row      Proc
	Rank     int // among those that can be killed: 1 dies first; 0 if it can't be
	Killable int // how many can be killed

	Group         *OOMGroup // the limited cgroup nearest above it; nil if none
	RankInGroup   int
	KillableGroup int

	From *Process // the nearest ancestor with the same oom_score_adj, where that is not 0

	If *OOMWhatIf
}

// OOMWhatIf is what another oom_score_adj would make of a process.
type OOMWhatIf struct {
	Adj           int32
	Moot          bool // no adjustment makes a difference, or its parts are not to be seen
	Killable      bool
	Points, Score int64
	Rank          int
	Victim        *Process // of a global OOM then

	GroupPoints int64
	RankInGroup int
	GroupVictim *Process
}

// Missing says why a source gave nothing.
func (t *OOMTask) Missing(s Source) Reason {
	if s >= PIDStat {
		return t.Row.Missing(s)
	}
	if s == CgroupMemory {
		return t.OOM.Got
	}
	return t.OOM.Missing(s)
}

// Before says that a process's rank is not followed over an interval.
func (t *OOMTask) Before() (*OOMTask, time.Duration, bool) { return nil, 0, false }

// Kernel returns the kernel that was read.
func (t *OOMTask) Kernel() Version { return t.OOM.Kernel() }

// Row returns the index of a PID in the scan.
func (ps *Procs) Row(pid int32) (int32, bool) {
	i, ok := slices.BinarySearchFunc(ps.Rows, pid, func(p Process, pid int32) int { return int(p.PID) - int(pid) })
	return int32(i), ok
}

// InitialPIDNamespace tells whether the processes of this /proc are the whole
// host's: then its PID 1 is the one that is never killed. known is false where
// that is not to be seen.
func (h *Host) InitialPIDNamespace() (yes, known bool) {
	const initial = "pid:[4026531836]" // include/linux/proc_ns.h, PROC_PID_INIT_INO
	for _, pid := range [...]int32{1, h.Self()} {
		buf := make([]byte, 64)
		n, err := unix.Readlinkat(h.proc.fd, strconv.Itoa(int(pid))+"/ns/pid", buf)
		if err == nil && n > 0 {
			return string(buf[:n]) == initial, true
		}
	}
	return false, false
}
