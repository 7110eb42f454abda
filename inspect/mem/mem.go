package mem

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/procfs"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
)

// Snapshot is a host's memory at one moment, and a moment before if it was asked
// to watch.
type Snapshot struct {
	inspect.Settings
	Info     inspect.Counters // /proc/meminfo: bytes; HugePages_* are counts
	Vmstat   inspect.Counters // /proc/vmstat as it is: mostly pages and events
	Zones    []Zone
	Swaps    []Swap
	Slabs    []Slab
	Pressure inspect.Pressure
	Nodes    []Node
	Pools    []HugePool
	KSM      map[string]int64
	Zrams    []Zram
	Cgroups  []cgroup.Memory // the cgroup that kwhy runs in, then each one above it
	Walk     *cgroup.Walk    // over all memory cgroups; nil: not made
	Mapped   *MapCounts      // processes by their mappings; nil: not counted
	ARC      *ARC            // ZFS's cache; nil where there is none
	// Still says that what MemAvailable is made of read the same before and
	// after zoneinfo was read, so that it can be recomputed to the page.
	Still bool
	Was   *Snapshot

	groups   *counted // see Removed
	tmpfs    []Shared
	segments []Shared

	spoilt inspect.Sources // of which a part did not parse, or which end before their end
}

// Swap is one device or file of /proc/swaps. Sizes are in bytes.
type Swap struct {
	Name, Type string
	Size, Used uint64
	Priority   int
}

// Node is one NUMA node's meminfo.
type Node struct {
	ID   int
	Info inspect.Counters // bytes
}

// HugePool is one page size of hugetlb, from /sys/kernel/mm/hugepages.
type HugePool struct {
	PageSize uint64           // bytes
	Counts   inspect.Counters // nr_hugepages, free_hugepages, resv_hugepages, surplus_hugepages, nr_overcommit_hugepages
}

// Zram is one compressed RAM disk, from /sys/block/zramN/mm_stat. Sizes are in bytes.
type Zram struct {
	Name       string
	DiskSize   uint64 // what the device offers
	Original   uint64 // what was written to it
	Compressed uint64 // what that became
	MemUsed    uint64 // RAM that the allocator took for it
	MemLimit   uint64 // 0: none
	Peak       uint64
}

// Before returns the sample an interval ago, and how long ago.
func (m *Snapshot) Before() (*Snapshot, time.Duration, bool) {
	if m.Was == nil {
		return nil, 0, false
	}
	return m.Was, m.At.Sub(m.Was.At), true
}

// Partial reports whether a source gave only a part of what it holds.
func (m *Snapshot) Partial(s inspect.Source) bool { return m.spoilt.Has(s) }

// Gaps lists the wanted sources that gave nothing, or not all.
func (m *Snapshot) Gaps() (out []inspect.Gap) {
	for s, r := range m.Got {
		switch s := inspect.Source(s); {
		case s == inspect.CgroupMemory && m.unplaced(): // they may well be there
		case s == inspect.ZFSArc && r == inspect.NotSaved: // most hosts have none
		case s == inspect.TmpfsUse && r == inspect.NotSaved, s == inspect.SysvipcShm && r == inspect.NotSaved: // Shmem has their sum
		case r.IsGap() && r != inspect.Unread:
			out = append(out, inspect.Gap{Source: s, Reason: r, Count: 1, Of: 1})
		case m.Partial(s):
			out = append(out, inspect.Gap{Source: s, Reason: inspect.Malformed, Count: 1, Of: 1})
		}
	}
	garbled, lacking, why := 0, 0, inspect.Present
	for i := range m.Cgroups {
		garbled += len(m.Cgroups[i].Garbled)
		n, reason := m.Cgroups[i].Lacking()
		lacking, why = lacking+n, max(why, reason)
	}
	if lacking > 0 {
		out = append(out, inspect.Gap{Source: inspect.CgroupMemory, Reason: why, Count: lacking, Of: lacking})
	}
	if garbled > 0 {
		out = append(out, inspect.Gap{Source: inspect.CgroupMemory, Reason: inspect.Malformed, Count: garbled, Of: garbled})
	}
	return out
}

// Take reads the wanted sources. It fails only where the root is no /proc.
func Take(h *inspect.Host, want inspect.Sources) (*Snapshot, error) {
	return TakeBeside(h, want, func() {})
}

// TakeBeside does the same, and runs other reading at the same time, as soon as what
// must hold still has been read; it returns when both are done.
func TakeBeside(h *inspect.Host, want inspect.Sources, other func()) (*Snapshot, error) {
	m := &Snapshot{Settings: h.NewSettings()}
	var errs [inspect.NumSources]error
	note := func(s inspect.Source, err error) { m.Got[s], errs[s] = inspect.ReasonOf(err), err }
	memMoving(h, m, want, note)
	jobs := memJobs(h, m, want, note)
	var next atomic.Int32
	work := func() {
		for i := next.Add(1); int(i) <= len(jobs); i = next.Add(1) {
			jobs[i-1]()
		}
	}
	var others sync.WaitGroup
	others.Go(func() { other(); work() })
	work()
	others.Wait()
	if m.Got[inspect.Meminfo] == inspect.Present {
		h.WeighMeminfo(m.Info)
		m.explainShared(h, note)
	}
	if want.Has(inspect.CgroupMemory) && m.someStalled() {
		m.Walk = cgroup.WalkMemory(h)
	}
	return m, m.noProc(errs[:])
}

// memJobs lists the reads that need no order among them, the longest first.
// Each writes to fields of its own.
func memJobs(h *inspect.Host, m *Snapshot, want inspect.Sources, note func(inspect.Source, error)) []func() {
	jobs := make([]func(), 0, inspect.NumSources)
	if want.Has(inspect.CgroupMemory) {
		jobs = append(jobs, func() { memCgroups(h, m, note) })
	}
	for _, s := range inspect.Every() {
		if read := Reader(h, s); want.Has(s) && read != nil {
			jobs = append(jobs, func() { note(s, read(m)) })
		}
	}
	return jobs
}

// noProc returns the first error of a file of /proc where the root is none: nothing of
// what was wanted is there, nor what every /proc has.
func (m *Snapshot) noProc(errs []error) (first error) {
	for i, err := range errs {
		s := inspect.Source(i)
		if m.Got[s] == inspect.Unread || !strings.HasPrefix(s.String(), "/proc/") {
			continue
		}
		switch m.Got[s] {
		case inspect.Present, inspect.Malformed, inspect.Denied:
			return nil
		}
		first = cmp.Or(first, err)
	}
	if m.Host.Live || m.Got[inspect.Meminfo] == inspect.Unread && !m.Host.NoProc {
		return nil // what was wanted is what this kernel may lack; every one has meminfo, but for subset=pid
	}
	return first
}

// available names what MemAvailable is computed from and what it is: the
// lines of meminfo that must hold still for a recomputation.
var available = [...]string{"MemFree", "Active(file)", "Inactive(file)", "SReclaimable", "KReclaimable", "MemAvailable"}

// maxTries bounds how often a moving system is read again.
const maxTries = 8

// memMoving reads meminfo and zoneinfo, which belong together, and vmstat and
// buddyinfo, close to them. meminfo is read again until it repeats around
// zoneinfo: a page allocated in between would show as an error of the
// arithmetic. What was read is parsed when it holds still.
func memMoving(h *inspect.Host, m *Snapshot, want inspect.Sources, note func(inspect.Source, error)) {
	files := [...]struct {
		src   inspect.Source
		parse func([]byte) error
	}{{inspect.Meminfo, m.parseMeminfo}, {inspect.Zoneinfo, m.parseZones}, {inspect.Vmstat, m.parseVmstat}}
	var raw [len(files)][]byte
	var errs [len(files)]error
	read := func(i int) {
		_, rel := h.At(files[i].src)
		raw[i], errs[i] = h.Proc.Read(rel, raw[i][:0], inspect.UntilEmpty)
	}
	var before []byte
	for try := range maxTries {
		for i, f := range files {
			if want.Has(f.src) && (i > 0 || try == 0) {
				read(i)
			}
		}
		if !want.Has(inspect.Meminfo) || !want.Has(inspect.Zoneinfo) || errs[0] != nil || errs[1] != nil {
			break
		}
		before, raw[0] = raw[0], before
		if read(0); errs[0] != nil {
			break
		}
		if m.Still = sameLines(before, raw[0]); m.Still {
			break
		}
	}
	for i, f := range files {
		if !want.Has(f.src) {
			continue
		}
		if errs[i] == nil {
			if errs[i] = f.parse(raw[i]); errs[i] != nil {
				errs[i] = fmt.Errorf("parse %s: %w", f.src, errs[i])
			}
		}
		note(f.src, errs[i])
	}
	if want.Has(inspect.Buddyinfo) {
		note(inspect.Buddyinfo, readBuddies(h, m))
	}
}

// sameLines reports whether the lines that must hold still do.
func sameLines(a, b []byte) bool {
	for _, name := range available {
		if !bytes.Equal(lineOf(a, name), lineOf(b, name)) {
			return false
		}
	}
	return true
}

// lineOf returns what a file of "name: value" says behind a name; nil if nothing.
func lineOf(b []byte, name string) []byte {
	at := bytes.Index(b, append(append([]byte{'\n'}, name...), ':'))
	if at < 0 {
		return nil
	}
	line, _ := inspect.CutLine(b[at+1:])
	return line
}

// parseMeminfo notes where the file ends too early: every kernel since 4.0 has the
// lines that are asked for here, one near its beginning, one near its end.
func (m *Snapshot) parseMeminfo(b []byte) (err error) {
	var whole bool
	m.Info, whole, err = inspect.ParseAllCounters(b, 64)
	_, begun := m.Info["MemTotal"]
	_, done := m.Info["Committed_AS"]
	m.noteWhole(inspect.Meminfo, whole && (done || !begun), err)
	return err
}

// noteWhole notes a file of which only a part could be used.
func (m *Snapshot) noteWhole(s inspect.Source, whole bool, err error) {
	if !whole && err == nil {
		m.spoilt = m.spoilt.Plus(inspect.Of(s))
	}
}

func (m *Snapshot) parseZones(b []byte) (err error) {
	var whole bool
	m.Zones, whole, err = parseZoneinfo(b)
	m.noteWhole(inspect.Zoneinfo, whole, err)
	return err
}

func (m *Snapshot) parseVmstat(b []byte) (err error) {
	var whole bool
	m.Vmstat, whole, err = inspect.ParseAllCounters(b, 256)
	m.noteWhole(inspect.Vmstat, whole, err)
	return err
}

// readBuddies attaches the free blocks to the zones, which it makes where
// zoneinfo gave none.
func readBuddies(h *inspect.Host, m *Snapshot) error {
	list, err := inspect.ByProcfs(h, inspect.Buddyinfo, buddiesOf, func() (list []buddies, err error) {
		err = h.Proc.With("buddyinfo", func(b []byte) (err error) {
			list, err = parseBuddyinfo(b)
			return err
		})
		return list, err
	})
	for _, z := range list {
		m.zone(z.Node, z.Name).Blocks = z.Blocks
	}
	return err
}

// buddies are the free blocks of a zone, by order.
type buddies struct {
	Node   int
	Name   string
	Blocks []uint64
}

// buddiesOf takes them as procfs reads them: numbers up to 2^53 are the same there.
func buddiesOf(fs procfs.FS) (out []buddies, err error) {
	list, err := fs.BuddyInfo()
	if err == nil && len(list) == 0 {
		err = inspect.ErrMalformed
	}
	for _, z := range list {
		node, err := strconv.Atoi(z.Node)
		if err != nil {
			return nil, inspect.ErrMalformed
		}
		blocks := make([]uint64, len(z.Sizes))
		for i, n := range z.Sizes {
			blocks[i] = uint64(n)
		}
		out = append(out, buddies{node, z.Zone, blocks})
	}
	return out, err
}

// parseBuddyinfo reads lines of "Node 0, zone DMA 1 0 3". What stands above a line that
// makes no sense is there.
func parseBuddyinfo(b []byte) (out []buddies, err error) {
	for first := true; first || len(b) > 0; first = false {
		var line []byte
		line, b = inspect.CutLine(b)
		f := strings.Fields(string(line))
		if len(f) < 5 || f[0] != "Node" || f[2] != "zone" {
			return out, inspect.ErrMalformed
		}
		node, err := strconv.Atoi(strings.TrimSuffix(f[1], ","))
		if err != nil {
			return out, inspect.ErrMalformed
		}
		blocks := make([]uint64, 0, len(f)-4)
		for _, text := range f[4:] {
			n, ok := inspect.ParseUint([]byte(text))
			if !ok {
				return out, inspect.ErrMalformed
			}
			blocks = append(blocks, n)
		}
		out = append(out, buddies{node, f[3], blocks})
	}
	return out, nil
}

func (m *Snapshot) zone(node int, name string) *Zone {
	for i := range m.Zones {
		if z := &m.Zones[i]; z.Node == node && z.Name == name {
			return z
		}
	}
	m.Zones = append(m.Zones, Zone{Node: node, Name: name})
	return &m.Zones[len(m.Zones)-1]
}

// Reader returns what reads a source of its own into m; nil for those that
// are read with others.
func Reader(h *inspect.Host, s inspect.Source) func(*Snapshot) error {
	if s.Shape() != inspect.ShapeCustom {
		return func(m *Snapshot) error { return m.Read(s) }
	}
	switch s {
	case inspect.Swaps:
		return func(m *Snapshot) error { return readSwaps(h, m) }
	case inspect.Slabinfo:
		return func(m *Snapshot) error { return readSlabs(h, m) }
	case inspect.PressureMemory:
		return func(m *Snapshot) error { return readPressure(h, m) }
	case inspect.NodeMeminfo:
		return func(m *Snapshot) error { return readNodes(h, m) }
	case inspect.HugepagePools:
		return func(m *Snapshot) error { return readPools(h, m) }
	case inspect.KSM:
		return func(m *Snapshot) error { return readKSM(h, m) }
	case inspect.CgroupStat:
		return func(m *Snapshot) error { return readRemoved(h, m) }
	case inspect.ZFSArc:
		return func(m *Snapshot) error { return readARC(h, m) }
	case inspect.TmpfsUse:
		return func(m *Snapshot) error { return readTmpfs(h, m) }
	case inspect.SysvipcShm:
		return func(m *Snapshot) error { return readSegments(h, m) }
	case inspect.ZramStat:
		return func(m *Snapshot) error { return readZrams(h, m) }
	}
	return nil
}

// Part is one of the many of a kind that a host's memory has, in its context.
type Part[T any] = inspect.Part[*Snapshot, T]

// Parts is a list of them: the rows of a table.
type Parts[T any] = inspect.Parts[*Snapshot, T]
