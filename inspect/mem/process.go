package mem

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// Process is the memory of one process at one moment.
type Process struct {
	Host    *inspect.Host
	At      time.Time
	P       proc.Process
	Born    time.Time        // zero if unknown
	Status  inspect.Counters // /proc/PID/status: bytes, and counts such as Threads
	Rollup  inspect.Counters // /proc/PID/smaps_rollup, bytes
	Maps    int              // mappings, as vm.max_map_count counts them
	Regions []Region         // in address order
	Kinds   []MapKind        // by size, largest first
	RAM     uint64           // MemTotal, bytes; 0 if unknown
	MaxMaps int64
	Sharers []*proc.Process // others that run in the same memory, as far as kcmp(2) says
	Was     *Process
	got     [inspect.NumSources]inspect.Reason
	huge    map[uint64]bool // the devices of hugetlbfs, where it has huge pages of the pool
	part    bool            // of status only a part could be used
}

// Region is a run of neighbouring mappings of one object.
type Region struct {
	Start, End uint64
	Size       uint64   // the mappings in it, without holes
	Kind       string   // one of MapKinds
	Object     string   // a path, [heap], or "" for anonymous memory
	Perms      []string // those of its mappings, each once: r-xp
	Maps       int
	Gap        uint64 // the hole below it
}

// MapKind is all mappings of one kind together.
type MapKind struct {
	Name string
	Size uint64
	Maps int
}

// MapKinds are the kinds of mappings, in the order in which they are printed.
func MapKinds() []string {
	return []string{"code", "file", "heap", "anonymous", "stack", "shared", "hugetlb", "reserved", "vdso"}
}

// Missing says why a source gave nothing.
func (m *Process) Missing(s inspect.Source) inspect.Reason { return m.got[s] }

// Partial reports whether a source gave only a part of what it holds.
func (m *Process) Partial(s inspect.Source) bool { return s == inspect.PIDStatus && m.part }

// Before returns the sample an interval ago.
func (m *Process) Before() (*Process, time.Duration, bool) {
	if m.Was == nil {
		return nil, 0, false
	}
	return m.Was, m.At.Sub(m.Was.At), true
}

// Kernel returns the kernel that was read.
func (m *Process) Kernel() inspect.Kernel { return m.Host.Kernel }

// Doubt says why what a source says is not the kernel's own.
func (m *Process) Doubt(src inspect.Source) inspect.Doubt { return m.Host.Doubt(src) }

// NoMemory reports whether the process has no address space of its own: kernel
// threads have none, and zombies gave theirs up.
func (m *Process) NoMemory() bool {
	_, has := m.Status["VmSize"]
	return m.P.Kthread() || m.P.Over() || m.got[inspect.PIDStatus] == inspect.Present && !has && !m.part
}

// Gaps lists the wanted sources that gave nothing.
func (m *Process) Gaps() (out []inspect.Gap) {
	for s, r := range m.got {
		if r.IsGap() && r != inspect.Unread {
			out = append(out, inspect.Gap{Source: inspect.Source(s), Reason: r, Count: 1, Of: 1})
		}
	}
	if m.part {
		out = append(out, inspect.Gap{Source: inspect.PIDStatus, Reason: inspect.Malformed, Count: 1, Of: 1})
	}
	return out
}

// parseStatus takes the numbers of status, and notes where it ends too early, or has a size that
// is none. All kernels have the line nonvoluntary_ctxt_switches behind those of memory.
func (m *Process) parseStatus(b []byte) (err error) {
	if m.Status, err = inspect.ParseCounters(b, 48); err != nil {
		return err
	}
	m.part = true
	garbled := false
	for line := range inspect.Lines(b) {
		name, _, _ := strings.Cut(string(line), ":")
		if name == "nonvoluntary_ctxt_switches" {
			m.part = false
		}
		_, good := m.Status[name]
		size := strings.HasPrefix(name, "Vm") || strings.HasPrefix(name, "Rss") || name == "HugetlbPages"
		garbled = garbled || size && !good
	}
	m.part = m.part || garbled
	return nil
}

// TakeProcess reads the wanted sources of one process. The error is ErrNoProcess
// where there is none, and otherwise only what kept it from reading stat.
func TakeProcess(h *inspect.Host, pid int32, want inspect.Sources) (*Process, error) {
	m := &Process{Host: h, At: h.Now(), P: proc.NewProcess(pid)}
	for i := range m.got {
		m.got[i] = inspect.Unread
	}
	r := &proc.Reader{Host: h, Buf: make([]byte, 0, 16<<10)}
	dir := strconv.Itoa(int(pid))
	err := r.File(&m.P, "/stat", inspect.UntilShort, m.P.ParseStat)
	if err == nil && m.P.MainEnded() {
		_ = r.One(&m.P, inspect.PIDStat) // which finds a thread that goes on
	}
	switch m.got[inspect.PIDStat] = h.PidReason(dir, err); m.got[inspect.PIDStat] {
	case inspect.Present, inspect.Malformed, inspect.NotSaved, inspect.Denied:
	case inspect.Vanished:
		return nil, h.NoProcess(pid)
	default:
		return nil, err
	}
	if want.Has(inspect.PIDStatus) {
		m.got[inspect.PIDStatus] = h.PidReason(dir, h.Proc.With(m.P.Home(h)+"/status", m.parseStatus))
	}
	procMemMaps(h, m, want, dir)
	procMemHost(h, m, want)
	if m.got[inspect.PIDStat] == inspect.Present && !m.P.Spoilt(proc.StatFields(22)) {
		m.Born = h.Born(m.P.Start)
	}
	return m, nil
}

func procMemMaps(h *inspect.Host, m *Process, want inspect.Sources, dir string) {
	if m.NoMemory() {
		m.got[inspect.PIDMaps], m.got[inspect.PIDSmapsRollup] = inspect.Inapplicable, inspect.Inapplicable
		return
	}
	if want.Has(inspect.PIDMaps) {
		m.got[inspect.PIDMaps] = h.PidReason(dir, readMaps(h, m))
	}
	if want.Has(inspect.PIDSmapsRollup) {
		var err error
		m.Rollup, err = proc.Rollup(h, m.P.Home(h))
		m.got[inspect.PIDSmapsRollup] = h.PidReason(dir, err)
		m.Sharers = sharers(h, &m.P)
	}
}

func procMemHost(h *inspect.Host, m *Process, want inspect.Sources) {
	if want.Has(inspect.Meminfo) {
		info, err := h.Counters("meminfo", 64)
		m.RAM, m.got[inspect.Meminfo] = info["MemTotal"], inspect.ReasonOf(err)
	}
	if want.Has(inspect.VMMaxMapCount) {
		var err error
		m.MaxMaps, err = h.Proc.Number("sys/vm/max_map_count")
		m.got[inspect.VMMaxMapCount] = inspect.ReasonOf(err)
	}
}

func readMaps(h *inspect.Host, m *Process) error {
	if m.Status["HugetlbPages"] > 0 {
		m.huge = hugetlbDevices(h, m.P.Home(h))
	}
	err := h.Proc.With(m.P.Home(h)+"/maps", m.layOut)
	if err == nil && len(m.Regions) == 0 { // a process that has ended meanwhile has no mappings left
		if p := proc.NewProcess(m.P.PID); (&proc.Reader{Host: h}).File(
			&p, "/stat", inspect.UntilShort, p.ParseStat,
		) != nil || p.Start != m.P.Start || p.Over() {
			return unix.ESRCH
		}
		return inspect.ErrMalformed
	}
	return err
}

// hugetlbDevices returns the devices of the hugetlbfs mounts that a process sees: a file of one is
// huge pages of the pool. Nil where its mounts are not to be seen.
func hugetlbDevices(h *inspect.Host, dir string) (out map[uint64]bool) {
	_ = h.Proc.With(dir+"/mountinfo", func(b []byte) error {
		return inspect.ParseMountinfo(b, "hugetlbfs", func(m inspect.Mount) {
			if out == nil {
				out = map[uint64]bool{}
			}
			out[m.Dev] = true
		})
	})
	return out
}

// layOut reads maps, sorts mappings into kinds and joins neighbours into regions.
// One that does not end with a line ends too early: of the mappings behind that nothing is known.
func (m *Process) layOut(b []byte) error {
	if inspect.CutOff(b) {
		return inspect.ErrMalformed
	}
	sums := map[string]*MapKind{}
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		var v Mapping
		if !v.Parse(line) {
			m.Maps, m.Regions = 0, nil
			return inspect.ErrMalformed
		}
		size := v.End - v.Start
		kind := v.kind(m.huge)
		if v.Path != "[vsyscall]" { // the gate page: in no task's map_count
			m.Maps++
		}
		k := sums[kind]
		if k == nil {
			k = &MapKind{Name: kind}
			sums[kind] = k
		}
		k.Size, k.Maps = k.Size+size, k.Maps+1
		m.place(&v, kind, size)
	}
	for _, name := range MapKinds() {
		if k := sums[name]; k != nil {
			m.Kinds = append(m.Kinds, *k)
		}
	}
	return nil
}

// hole is from where on an unused stretch of addresses parts two regions.
const hole = 16 << 20

func (m *Process) place(v *Mapping, kind string, size uint64) {
	start, end, object := v.Start, v.End, v.Path
	if kind == "reserved" || kind == "anonymous" && !strings.HasPrefix(object, "[anon:") {
		object = ""
	}
	var gap uint64
	if n := len(m.Regions); n > 0 {
		last := &m.Regions[n-1]
		gap = start - last.End
		joins := last.Object == object && (object != "" || last.Kind == kind)
		if joins && gap < hole {
			last.End, last.Size, last.Maps = end, last.Size+size, last.Maps+1
			if !slices.Contains(last.Perms, v.perms) {
				last.Perms = append(last.Perms, v.perms)
			}
			if kind == "code" {
				last.Kind = kind // one executable part makes a file's region code
			}
			return
		}
	} else {
		gap = start
	}
	m.Regions = append(m.Regions, Region{Start: start, End: end, Size: size, Kind: kind, Object: object,
		Perms: []string{v.perms}, Maps: 1, Gap: gap})
}

// ProcessPart is one of the many of a kind that a process's memory has, in its context.
type ProcessPart[T any] = inspect.Part[*Process, T]

// ProcessParts is a list of them: the rows of a table.
type ProcessParts[T any] = inspect.Parts[*Process, T]
