package inspect

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Doubt is why what a source says is not the kernel's own: who serves it instead, or what of
// it no kernel would write. The zero value is none.
type Doubt struct {
	Source Source
	Kind   DoubtKind
	By     string // who serves it: the type of a file system (fuse.lxcfs), the name of an emulator; "" if unknown
	Part   string // of a contradiction: what is larger
	Whole  string // than that which it is a part of,
	Is, Of uint64 // and both, in bytes, or in hundredths of a second where they are times
	Times  bool
	// Ever says that what was counted since boot is in doubt, and not what was counted between
	// two samples.
	Ever bool
}

// DoubtKind is what kind of doubt it is.
type DoubtKind uint8

// The kinds of doubt.
const (
	NoDoubt     DoubtKind = iota
	MountedOver           // another file is mounted over the kernel's
	Emulated              // the whole of /proc is written by something that is no Linux kernel
	Contradicts           // a part is larger than its whole
	NotCounted            // what every kernel counts stands at nothing
	StoodStill            // what every kernel counts did not move on a running host
	NumDoubts             // how many there are, NoDoubt counted
)

var doubtNames = [NumDoubts]string{
	MountedOver: "mounted_over", Emulated: "emulated", Contradicts: "contradiction", NotCounted: "not_counted", StoodStill: "stood_still",
}

// String returns the kind as JSON spells it; "" for NoDoubt.
func (k DoubtKind) String() string { return doubtNames[k] }

// Any reports whether there is a doubt.
func (d Doubt) Any() bool { return d.Kind != NoDoubt }

// Void reports whether the source holds no figures at all, and not those of somebody else.
func (d Doubt) Void() bool { return d.Kind == NotCounted || d.Kind == StoodStill }

// doubts are those that were found of a host, by source.
type doubts struct {
	sync.Mutex
	of      map[Source]Doubt
	devices map[string]uint64 // of the trees, by their roots
}

// Doubt returns why what a source says is not the kernel's own, as far as that shows by now:
// contradictions show once the source was read.
func (h *Host) Doubt(s Source) Doubt {
	if h.doubts == nil || s == None || s == ProcAndSys {
		return Doubt{}
	}
	h.doubts.Lock()
	defer h.doubts.Unlock()
	d, known := h.doubts.of[s]
	if !known {
		d = h.served(s)
		h.doubts.of[s] = d
	}
	return d
}

// Doubts returns those that were found of the sources that somebody asked for, in the order
// of the sources; of a tree that is emulated the one that stands for all.
func (h *Host) Doubts() (out []Doubt) {
	switch {
	case h == nil || h.doubts == nil:
		return nil
	case h.emulator != nil:
		return []Doubt{{Source: ProcAndSys, Kind: Emulated, By: *h.emulator}}
	}
	h.doubts.Lock()
	defer h.doubts.Unlock()
	for _, d := range h.doubts.of {
		if d.Any() {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Doubt) int { return cmp.Compare(a.Source, b.Source) })
	return out
}

// suspect notes a doubt that what was read gives, where there is none yet, or none that says
// as much: an emulator may count.
func (h *Host) suspect(s Source, d Doubt) {
	if was := h.Doubt(s); h.doubts == nil || was.Any() && (was.Kind != Emulated || !d.Void()) {
		return
	}
	d.Source = s
	h.doubts.Lock()
	h.doubts.of[s] = d
	h.doubts.Unlock()
}

// served finds who else than the kernel serves a source.
func (h *Host) served(s Source) Doubt {
	if h.emulator != nil && s.String()[0] == '/' {
		return Doubt{Source: s, Kind: Emulated, By: *h.emulator}
	}
	if s.Scope() != OfHost || strings.Contains(s.String(), "<") || s.Asked() {
		return Doubt{}
	}
	if by, over := h.mountedOver(s); over {
		return Doubt{Source: s, Kind: MountedOver, By: by}
	}
	return Doubt{}
}

// kernelsOwn are the file systems below /proc and /sys whose files the kernel writes.
func kernelsOwn() []int64 {
	return []int64{
		unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC,
		unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.BPF_FS_MAGIC,
	}
}

// replaced reports whether another file is mounted over a source's: what is known by other means
// is not taken from it then.
func (h *Host) replaced(s Source) bool { return h.Doubt(s).Kind == MountedOver }

// mountedOver reports whether another file is mounted over a source's, and the type of the
// file system that it is of. A running host tells by the file's device; of a copy the list of
// mounts of who made it does.
func (h *Host) mountedOver(s Source) (by string, over bool) {
	t, rel := h.At(s)
	if h.Live {
		own, known := h.doubts.devices[t.Root]
		if !known {
			own, _ = t.Device(".") // 0, which none has, where it cannot be told
			h.doubts.devices[t.Root] = own
		}
		if at, err := t.Device(rel); err != nil || at == own || own == 0 {
			return "", false
		}
		if magic, err := t.FileSystem(rel); err != nil || slices.Contains(kernelsOwn(), magic) {
			return "", false
		}
	}
	if _, err := t.Stat(rel); err != nil {
		return "", false
	}
	for _, m := range slices.Backward(h.mountsOver()) { // the last lies on top
		if path := s.String(); m.Point == path || strings.HasPrefix(path, m.Point+"/") {
			return m.FSType, true
		}
	}
	return "", h.Live
}

// mountsOver lists the mounts over files and directories of /proc and /sys that are not the
// kernel's, by the paths that Source.String gives.
func (h *Host) mountsOver() (out []Mount) {
	if h.mounts == nil {
		return nil
	}
	for _, m := range h.mounts() {
		switch m.FSType {
		case "proc", "sysfs", "debugfs", "tracefs", "securityfs", "cgroup", "cgroup2", "bpf":
		default:
			out = append(out, m)
		}
	}
	return out
}

// lxcfs reports whether lxcfs has files of its own over the kernel's.
func (h *Host) lxcfs() bool {
	return slices.ContainsFunc(h.mountsOver(), func(m Mount) bool { return m.FSType == "fuse.lxcfs" && strings.HasPrefix(m.Point, "/proc/") })
}

// mountsBelow lists what is mounted below /proc and /sys in kwhy's own mount namespace, or that of
// who made a copy, with the point as Source.String would give it. Host.mounts keeps it.
func (h *Host) mountsBelow() (out []Mount) {
	roots := map[string]string{"/proc": "/proc", "/sys": "/sys"}
	if h.Live {
		roots = map[string]string{absolute(h.Proc.Root): "/proc", absolute(h.Sys.Root): "/sys"}
	}
	bare := h.Proc
	bare.over = nil // which this is read for
	_ = bare.With(h.OwnDir()+"/mountinfo", func(b []byte) error {
		return ParseMountinfo(b, "", func(m Mount) {
			for root, as := range roots {
				if rest, ok := strings.CutPrefix(m.Point, root+"/"); ok {
					m.Point = as + "/" + rest
					out = append(out, m)
				}
			}
		})
	})
	return out
}

// overlaid lists, once somebody asks, what of processes has something mounted over it, by paths below
// /proc. The kernel mounts nothing there, so that whatever is there hides what it says of that process,
// be it a file of another process.
type overlaid struct {
	list func() []string
	all  bool // they are of the whole tree, and not of processes alone
}

func (h *Host) overProcesses() (out []string) {
	for _, m := range h.mounts() {
		if rel, ok := strings.CutPrefix(m.Point, "/proc/"); ok && ofProcess(rel) {
			out = append(out, rel)
		}
	}
	return out
}

// overCgroups lists the same of the files of cgroups: what is mounted there that is no hierarchy of them, nor lxcfs's
// of old, whose files are the kernel's.
func (h *Host) overCgroups() (out []string) {
	for _, m := range h.mountsOver() {
		if rel, ok := strings.CutPrefix(m.Point, "/sys/fs/cgroup/"); ok && m.FSType != "fuse.lxcfs" {
			out = append(out, "fs/cgroup/"+rel)
		}
	}
	return out
}

// covered returns an error for what of a process lies under a mount: what is read there is not what
// the kernel says of that process.
func (t Tree) covered(op, rel string) error {
	if t.over == nil || rel == "" || !t.over.all && (rel[0] < '0' || rel[0] > '9') {
		return nil
	}
	for _, c := range t.over.list() {
		if rest, ok := strings.CutPrefix(rel, c); ok && (rest == "" || rest[0] == '/') {
			return &lacking{&fs.PathError{Op: op, Path: t.path(rel), Err: errMountedOver}, Foreign}
		}
	}
	return nil
}

// Overlaid reports whether something is mounted over the directory of a process or in it.
func (t Tree) Overlaid(dir string) bool {
	return t.over != nil && slices.ContainsFunc(t.over.list(), func(c string) bool { return c == dir || strings.HasPrefix(c, dir+"/") })
}

// errMountedOver says why a file of a process or a cgroup is not read.
var errMountedOver = errors.New("something is mounted over it")

func absolute(root string) string {
	if path, err := filepath.Abs(root); err == nil {
		return path
	}
	return root
}

// emulatorBy tells who wrote a /proc that no Linux kernel did, "" where that has no name; nil
// for a kernel's. A kernel's /proc/version says in parentheses who built it and with what
// (init/version.c, linux_proc_banner; 4.0 to 6.18), which gVisor leaves out. WSL 1 calls its
// release so, as WSL 2, which runs a kernel, does not. In a copy the counters of /proc/stat
// tell: a running host is not asked for these, which cost it much where it has many interrupts.
func (h *Host) emulatorBy(banner string) *string {
	name := func(s string) *string { return &s }
	switch {
	case strings.HasSuffix(h.Release, "-Microsoft"):
		return name("WSL 1")
	case strings.HasPrefix(banner, "Linux version ") && !strings.Contains(banner, "("):
		return name("gVisor")
	case !h.Live && h.countsNothing():
		return name("")
	}
	return nil
}

// countsNothing reports whether /proc/stat is there and has counted no CPU time, context
// switch or fork.
func (h *Host) countsNothing() bool {
	kept := 0
	all := h.linesOf("stat", func(line []byte) bool {
		name, rest := CutField(line)
		switch string(name) {
		case "cpu", "ctxt", "processes":
			if len(bytes.Trim(rest, " 0\n")) > 0 {
				kept++
			}
			return true
		}
		return false
	})
	return all == 3 && kept == 0
}

// drift bounds by how much a sum of the kernel's counters of pages can be off: each CPU keeps
// up to 125 of each to itself, for each zone or node (mm/vmstat.c, calculate_normal_threshold).
func (h *Host) drift() uint64 { return 4 * 125 * uint64(max(h.CPUs, 1)) * h.PageSize }

// WeighMeminfo looks for what no kernel writes to /proc/meminfo: a part that is larger than
// its whole by more than its counters can be off.
func (h *Host) WeighMeminfo(info Counters) {
	total, ok := info["MemTotal"]
	if !ok {
		return
	}
	sum := func(names ...string) (n uint64) {
		for _, name := range names {
			n += info[name]
		}
		return n
	}
	check := func(part string, is uint64, whole string, of uint64) {
		if is > of+h.drift() {
			h.suspect(Meminfo, Doubt{Kind: Contradicts, Part: part, Whole: whole, Is: is, Of: of})
		}
	}
	for _, name := range [...]string{
		"MemFree", "MemAvailable", "Buffers", "Cached", "Active", "Inactive", "AnonPages", "Shmem", "Slab", "PageTables", "KernelStack",
	} {
		check(name, info[name], "MemTotal", total)
	}
	if _, ok := info["SwapTotal"]; ok {
		check("SwapFree", info["SwapFree"], "SwapTotal", info["SwapTotal"])
	}
	for _, of := range [...][2]string{
		{"Active(anon)", "Active"}, {"Active(file)", "Active"}, {"Inactive(anon)", "Inactive"}, {"Inactive(file)", "Inactive"},
		{"SReclaimable", "Slab"}, {"SUnreclaim", "Slab"},
	} {
		// Nothing else is told by these, and in reports they are often rounded or of another moment.
		if whole, ok := info[of[1]]; ok {
			check(of[0], info[of[0]], of[1], whole+whole/10)
		}
	}
	if _, ok := info["Cached"]; ok {
		check("Dirty", info["Dirty"], "Cached + SwapCached + Buffers", sum("Cached", "SwapCached", "Buffers"))
		check("Shmem", info["Shmem"], "Cached", sum("Cached", "SwapCached", "Buffers"))
	}
	lru := [...]string{"MemFree", "Active", "Inactive", "Unevictable", "Slab", "PageTables"}
	check(strings.Join(lru[:], " + "), sum(lru[:]...), "MemTotal", total)
}

// WeighStat looks for what no kernel writes to /proc/stat: no CPU time, context switch or
// fork since it was booted; or more CPU time, in clock ticks, than its CPUs had since then. That
// may be the fault of /proc/uptime as well, and leaves what was counted between two samples.
func (h *Host) WeighStat(ticks uint64, cpus int, counts Counters) {
	up, _ := h.Uptime()
	ctxt, counted := counts["ctxt"]
	if ticks == 0 && cpus > 0 || counted && ctxt == 0 {
		h.suspect(ProcStat, Doubt{Kind: NotCounted})
		return
	}
	if _, whole := counts["btime"]; !whole {
		return // it ends among its CPUs: there may be more of them
	}
	spent, had := h.Seconds(ticks), up*float64(cpus)
	if up <= 0 || cpus == 0 || spent <= had*1.1+10*float64(cpus) || h.ownTime() || h.replaced(Uptime) {
		return
	}
	d := Doubt{
		Kind: Contradicts, Part: "the time of all CPUs", Whole: "uptime times CPUs", Times: true, Ever: true,
		Is: uint64(spent * 100), Of: uint64(had * 100),
	}
	h.suspect(ProcStat, d)
	h.suspect(Uptime, d)
}

// WeighLoadavg looks for what no kernel writes to /proc/loadavg: no thread, where somebody
// reads it.
func (h *Host) WeighLoadavg(tasks Num) {
	if tasks == 0 {
		h.suspect(Loadavg, Doubt{Kind: NotCounted})
	}
}

// ownTime reports whether kwhy may be in a time namespace, to which /proc/uptime is set and
// /proc/stat is not (since 5.5; kernel/time/namespace.c).
func (h *Host) ownTime() bool {
	n, err := h.Namespace(h.OwnDir(), "time")
	return err == nil && n != FirstNamespace("time", n)
}

// StoodStill notes that counters which every running kernel moves did not move between two
// samples of it.
func (h *Host) StoodStill(s Source) {
	if h.Live {
		h.suspect(s, Doubt{Kind: StoodStill})
	}
}
