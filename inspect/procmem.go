package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoProcess says that there is no process of that number.
var ErrNoProcess = errors.New("no such process")

// ProcMem is the memory of one process at one moment.
type ProcMem struct {
	Host    *Host
	At      time.Time
	P       Process
	Born    time.Time // zero if unknown
	Status  Counters  // /proc/PID/status: bytes, and counts such as Threads
	Rollup  Counters  // /proc/PID/smaps_rollup, bytes
	Maps    int       // mappings, as vm.max_map_count counts them
	Regions []Region  // in address order
	Kinds   []MapKind // by size, largest first
	RAM     uint64    // MemTotal, bytes; 0 if unknown
	MaxMaps int64
	Was     *ProcMem
	got     [nSources]Reason
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

// MapKinds are the kinds of mappings, in the order in which they are told.
func MapKinds() []string {
	return []string{"code", "file", "heap", "anonymous", "stack", "shared", "reserved", "vdso"}
}

// Missing says why a source gave nothing.
func (m *ProcMem) Missing(s Source) Reason { return m.got[s] }

// Before returns the sample an interval ago.
func (m *ProcMem) Before() (*ProcMem, time.Duration, bool) {
	if m.Was == nil {
		return nil, 0, false
	}
	return m.Was, m.At.Sub(m.Was.At), true
}

// Kernel returns the kernel that was read.
func (m *ProcMem) Kernel() Version { return m.Host.Kernel }

// NoMemory tells whether the process has no address space of its own: kernel
// threads have none, and zombies gave theirs up.
func (m *ProcMem) NoMemory() bool {
	_, has := m.Status["VmSize"]
	return m.P.Kthread() || m.P.State == 'Z' || m.P.State == 'X' || m.got[PIDStatus] == Present && !has
}

// Gaps lists the wanted sources that gave nothing.
func (m *ProcMem) Gaps() (out []Gap) {
	for s, r := range m.got {
		if r.IsGap() && r != Unread {
			out = append(out, Gap{Source(s), r, 1, 1})
		}
	}
	return out
}

// ProcMem reads the wanted sources of one process. The error is ErrNoProcess
// where there is none, and otherwise only what kept it from reading stat.
func (h *Host) ProcMem(pid int32, want Sources) (*ProcMem, error) {
	m := &ProcMem{Host: h, At: h.now(), P: newProcess(pid)}
	for i := range m.got {
		m.got[i] = Unread
	}
	r := &pidReader{h: h, buf: make([]byte, 0, 16<<10)}
	if err := r.file(&m.P, "/stat", atShort, m.P.parseStat); reasonForPID(err) == Vanished {
		return nil, fmt.Errorf("process %d: %w", pid, ErrNoProcess)
	} else if err != nil && reasonForPID(err) != Malformed {
		return nil, err
	} else {
		m.got[PIDStat] = reasonForPID(err)
	}
	dir := strconv.Itoa(int(pid))
	if want.Has(PIDStatus) {
		var err error
		m.Status, err = h.counters(dir+"/status", 48)
		m.got[PIDStatus] = reasonForPID(err)
	}
	h.procMemMaps(m, want, dir)
	h.procMemHost(m, want)
	m.Born = h.Born(m.P.Start)
	return m, nil
}

func (h *Host) procMemMaps(m *ProcMem, want Sources, dir string) {
	if m.NoMemory() {
		m.got[PIDMaps], m.got[PIDSmapsRollup] = Inapplicable, Inapplicable
		return
	}
	if want.Has(PIDMaps) {
		m.got[PIDMaps] = h.pidReason(dir, h.readMaps(m))
	}
	if want.Has(PIDSmapsRollup) {
		var err error
		m.Rollup, err = h.rollup(m.P.PID)
		m.got[PIDSmapsRollup] = h.pidReason(dir, err)
	}
}

// pidReason tells a process that ended from a file that this kernel does not
// have for anyone.
func (h *Host) pidReason(dir string, err error) Reason {
	r := reasonForPID(err)
	if r != Vanished || !errors.Is(err, fs.ErrNotExist) {
		return r
	}
	if _, err := h.proc.names(dir); err == nil {
		return Unsupported
	}
	return Vanished
}

func (h *Host) procMemHost(m *ProcMem, want Sources) {
	if want.Has(Meminfo) {
		info, err := h.counters("meminfo", 64)
		m.RAM, m.got[Meminfo] = info["MemTotal"], reasonFor(err)
	}
	if want.Has(VMMaxMapCount) {
		var err error
		m.MaxMaps, err = h.proc.number("sys/vm/max_map_count")
		m.got[VMMaxMapCount] = reasonFor(err)
	}
}

// userHZ is the unit of the clock ticks that /proc shows to user space: 100
// on every architecture that Go builds for (include/asm-generic/param.h),
// whatever CONFIG_HZ is.
const userHZ = 100

// Born returns when a process of that start time (stat, field 22) was started;
// the zero time if the boot time is unknown.
func (h *Host) Born(ticks uint64) time.Time {
	var boot uint64
	_ = h.proc.with("stat", func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = cutLine(b)
			if word, rest := cutField(line); string(word) == "btime" {
				boot, _ = parseUint(rest)
			}
		}
		return nil
	})
	if boot == 0 || boot > 1<<40 || ticks > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(boot), 0).Add(time.Duration(ticks) * (time.Second / userHZ)).UTC()
}

func (h *Host) readMaps(m *ProcMem) error {
	err := h.proc.with(strconv.Itoa(int(m.P.PID))+"/maps", m.layOut)
	if err == nil && len(m.Regions) == 0 { // a process that has ended meanwhile has no mappings left
		if p := newProcess(m.P.PID); (&pidReader{h: h}).file(&p, "/stat", atShort, p.parseStat) != nil || p.Start != m.P.Start || p.State == 'Z' || p.State == 'X' {
			return unix.ESRCH
		}
		return errMalformed
	}
	return err
}

// mapping is one line of maps.
type mapping struct {
	start, end uint64
	perms      string // as the kernel writes them: r-xp
	dev, inode uint64 // of its file; 0 where there is none
	path       string
}

// parse reads "start-end perms offset dev inode   path"; the path may hold
// blanks (fs/proc/task_mmu.c, show_map_vma).
func (v *mapping) parse(line []byte) bool {
	span, rest := cutField(line)
	perms, rest := cutField(rest)
	var fields [3][]byte // offset, dev, inode
	for i := range fields {
		if fields[i], rest = cutField(rest); len(fields[i]) == 0 {
			return false
		}
	}
	dev, _ := parseDev(string(fields[1]), 16)
	inode, _ := parseUint(fields[2])
	from, to, ok := strings.Cut(string(span), "-")
	start, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	*v = mapping{start, end, string(perms), dev, inode, string(rest)}
	return ok && err1 == nil && err2 == nil && start < end && len(perms) == 4
}

func (v *mapping) may(letter byte) bool { return strings.IndexByte(v.perms, letter) >= 0 }

// layOut reads maps, sorts mappings into kinds and joins neighbours into regions.
func (m *ProcMem) layOut(b []byte) error {
	sums := map[string]*MapKind{}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		var v mapping
		if !v.parse(line) {
			m.Maps, m.Regions = 0, nil
			return errMalformed
		}
		size := v.end - v.start
		kind := v.kind()
		if v.path != "[vsyscall]" { // the gate page: in no task's map_count
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

func (m *ProcMem) place(v *mapping, kind string, size uint64) {
	start, end, object := v.start, v.end, v.path
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

// kind classes one mapping by what the kernel says of it.
func (v *mapping) kind() string {
	path := v.path
	switch {
	case path == "[heap]":
		return "heap"
	case path == "[stack]", strings.HasPrefix(path, "[stack:"):
		return "stack"
	case strings.HasPrefix(path, "[anon_shmem:"), isShmem(path) && v.may('s'):
		return "shared"
	case strings.HasPrefix(v.perms, "---"):
		return "reserved"
	case path == "", strings.HasPrefix(path, "[anon:"):
		return "anonymous"
	case path[0] == '[':
		return "vdso" // [vdso], [vvar], [vvar_vclock], [vsyscall], [sigpage], [uprobes]
	case v.may('x'):
		return "code"
	}
	return "file"
}

// isShmem tells the names that tmpfs gives to memory without a file of its
// own: shared anonymous mappings, System V segments, memfds; and /dev/shm.
func isShmem(path string) bool {
	return path == "/dev/zero (deleted)" || strings.HasPrefix(path, "/SYSV") ||
		strings.HasPrefix(path, "/memfd:") || strings.HasPrefix(path, "/dev/shm/")
}

// ProcMemPart is one of the many of a kind that a process's memory has, in its
// context.
type ProcMemPart[T any] struct {
	Mem *ProcMem
	It  *T
}

// Missing says why a source gave nothing.
func (p ProcMemPart[T]) Missing(s Source) Reason { return p.Mem.got[s] }

// Before says that parts are not followed over an interval.
func (p ProcMemPart[T]) Before() (ProcMemPart[T], time.Duration, bool) {
	return ProcMemPart[T]{}, 0, false
}

// Kernel returns the kernel that was read.
func (p ProcMemPart[T]) Kernel() Version { return p.Mem.Host.Kernel }

// ProcMemParts is a list in its context: the rows of a table.
type ProcMemParts[T any] struct {
	Mem  *ProcMem
	List []T
}

// Missing says why a source gave nothing, so that there are no rows.
func (l ProcMemParts[T]) Missing(s Source) Reason { return l.Mem.Missing(s) }

// Len returns how many there are.
func (l ProcMemParts[T]) Len() int { return len(l.List) }

// At returns one of them.
func (l ProcMemParts[T]) At(i int) ProcMemPart[T] { return ProcMemPart[T]{l.Mem, &l.List[i]} }
