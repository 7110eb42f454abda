package inspect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Mem is a host's memory at one moment, and a moment before if it was asked
// to watch.
type Mem struct {
	Host     *Host
	At       time.Time
	Info     Counters // /proc/meminfo: bytes; HugePages_* are counts
	Vmstat   Counters // /proc/vmstat as it is: mostly pages and events
	Zones    []Zone
	Swaps    []Swap
	Slabs    []Slab
	Pressure Pressure
	Nodes    []Node
	Pools    []HugePool
	KSM      map[string]int64
	Zrams    []Zram
	Cgroups  []CgroupMem // the cgroup that kwhy runs in, then each one above it
	// Still says that what MemAvailable is made of read the same before and
	// after zoneinfo was read, so that it can be recomputed to the page.
	Still bool
	Was   *Mem

	numbers [nSources]int64
	words   [nSources]string
	got     [nSources]Reason
}

// Pressure is a file of /proc/pressure; a line that the kernel does not have is nil.
type Pressure struct{ Some, Full *Stall }

// Stall is one line of it.
type Stall struct {
	Avg10, Avg60, Avg300 float64 // percent
	Total                uint64  // microseconds since boot
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
	Info Counters // bytes
}

// HugePool is one page size of hugetlb, from /sys/kernel/mm/hugepages.
type HugePool struct {
	PageSize uint64   // bytes
	Counts   Counters // nr_hugepages, free_hugepages, resv_hugepages, surplus_hugepages, nr_overcommit_hugepages
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

// Missing says why a source gave nothing.
func (m *Mem) Missing(s Source) Reason { return m.got[s] }

// Before returns the sample an interval ago, and how long ago.
func (m *Mem) Before() (*Mem, time.Duration, bool) {
	if m.Was == nil {
		return nil, 0, false
	}
	return m.Was, m.At.Sub(m.Was.At), true
}

// Number returns the integer of a source that holds just one.
func (m *Mem) Number(s Source) (int64, bool) {
	return m.numbers[s], m.got[s] == Present && sourceTable[s].shape == number
}

// Word returns the chosen word of a source that offers several.
func (m *Mem) Word(s Source) (string, bool) {
	return m.words[s], m.got[s] == Present && sourceTable[s].shape == choice
}

// Kernel returns the kernel that was read.
func (m *Mem) Kernel() Version { return m.Host.Kernel }

// Gaps lists the wanted sources that gave nothing.
func (m *Mem) Gaps() (out []Gap) {
	for s, r := range m.got {
		if r.IsGap() && r != Unread {
			out = append(out, Gap{Source(s), r, 1, 1})
		}
	}
	return out
}

// Mem reads the wanted sources. It fails only where no file of /proc is there,
// which means that the root is none.
func (h *Host) Mem(want Sources) (*Mem, error) { return h.MemBeside(want, func() {}) }

// MemBeside does the same, and runs other reading beside it as soon as what
// must hold still has been read; it returns when both are done.
func (h *Host) MemBeside(want Sources, other func()) (*Mem, error) {
	m := &Mem{Host: h, At: h.now()}
	for i := range m.got {
		m.got[i] = Unread
	}
	var first error
	found := false
	note := func(s Source, err error) {
		m.got[s] = reasonFor(err)
		if !strings.HasPrefix(s.String(), "/proc/") {
			return
		}
		if m.got[s] == Present || m.got[s] == Malformed || m.got[s] == Denied {
			found = true
		} else if first == nil {
			first = err
		}
	}
	h.memMoving(m, want, note)
	var beside sync.WaitGroup
	beside.Go(other)
	defer beside.Wait()
	for _, s := range Every() {
		if read := h.memReader(s); want.Has(s) && read != nil {
			note(s, read(m))
		}
	}
	h.memCgroups(m, want, note)
	if !found && first != nil {
		return nil, first
	}
	return m, nil
}

// available names what MemAvailable is computed from and what it is: the
// lines of meminfo that must hold still for a recomputation.
var available = [...]string{"MemFree", "Active(file)", "Inactive(file)", "SReclaimable", "KReclaimable", "MemAvailable"}

// maxTries bounds how often a moving system is read again.
const maxTries = 8

// memMoving reads meminfo and zoneinfo, which belong together, and vmstat and
// buddyinfo, close to them. meminfo is read again until it repeats around
// zoneinfo: a page allocated in between would show as an error of the
// arithmetic.
func (h *Host) memMoving(m *Mem, want Sources, note func(Source, error)) {
	if want.Has(Meminfo) {
		info, err := h.counters("meminfo", 64)
		note(Meminfo, err)
		for range maxTries {
			if m.Info = info; err != nil || !want.Has(Zoneinfo) {
				break
			}
			note(Zoneinfo, h.readZones(m))
			if want.Has(Vmstat) {
				note(Vmstat, h.readVmstat(m))
			}
			if info, err = h.counters("meminfo", 64); err != nil {
				break
			}
			if m.Still = same(m.Info, info); m.Still {
				break
			}
		}
	}
	if want.Has(Zoneinfo) && m.got[Zoneinfo] == Unread {
		note(Zoneinfo, h.readZones(m))
	}
	if want.Has(Vmstat) && m.Vmstat == nil {
		note(Vmstat, h.readVmstat(m))
	}
	if want.Has(Buddyinfo) {
		note(Buddyinfo, h.readBuddies(m))
	}
}

func same(a, b Counters) bool {
	for _, k := range available {
		if a[k] != b[k] {
			return false
		}
	}
	return true
}

func (h *Host) readZones(m *Mem) error {
	return h.proc.with("zoneinfo", func(b []byte) (err error) {
		m.Zones, err = parseZoneinfo(b)
		return err
	})
}

func (h *Host) readVmstat(m *Mem) (err error) {
	m.Vmstat, err = h.counters("vmstat", 256)
	return err
}

// readBuddies attaches the free blocks to the zones, which it makes where
// zoneinfo gave none.
func (h *Host) readBuddies(m *Mem) error {
	list, err := h.fs.BuddyInfo()
	if err == nil && len(list) == 0 {
		err = errMalformed
	}
	if err != nil {
		return err
	}
	for _, b := range list {
		node, err := strconv.Atoi(b.Node)
		if err != nil {
			return errMalformed
		}
		z := m.zone(node, b.Zone)
		z.Blocks = make([]uint64, len(b.Sizes))
		for i, n := range b.Sizes {
			z.Blocks[i] = uint64(n)
		}
	}
	return nil
}

func (m *Mem) zone(node int, name string) *Zone {
	for i := range m.Zones {
		if z := &m.Zones[i]; z.Node == node && z.Name == name {
			return z
		}
	}
	m.Zones = append(m.Zones, Zone{Node: node, Name: name})
	return &m.Zones[len(m.Zones)-1]
}

// memReader returns what reads a source of its own into m; nil for those that
// are read with others.
func (h *Host) memReader(s Source) func(*Mem) error {
	switch sourceTable[s].shape {
	case number:
		return func(m *Mem) (err error) {
			t, rel := h.at(s)
			m.numbers[s], err = t.number(rel)
			return err
		}
	case choice:
		return func(m *Mem) (err error) {
			t, rel := h.at(s)
			m.words[s], err = t.choice(rel)
			return err
		}
	}
	switch s {
	case Swaps:
		return h.readSwaps
	case Slabinfo:
		return h.readSlabs
	case PressureMemory:
		return h.readPressure
	case NodeMeminfo:
		return h.readNodes
	case HugepagePools:
		return h.readPools
	case KSM:
		return h.readKSM
	case ZramStat:
		return h.readZrams
	}
	return nil
}

func (h *Host) readSwaps(m *Mem) error {
	err := h.proc.with("swaps", func(b []byte) error {
		if !bytes.HasPrefix(b, []byte("Filename")) {
			return errMalformed // procfs takes any first line for the heading, and none for no swap
		}
		return nil
	})
	if err != nil {
		return err
	}
	list, err := h.fs.Swaps()
	if err != nil {
		return err
	}
	if len(list) == 0 && m.Info["SwapTotal"] > 0 {
		return errMalformed // truncated: meminfo knows of swap
	}
	for _, s := range list {
		if s.Size < 0 || s.Used < 0 {
			return errMalformed
		}
		m.Swaps = append(m.Swaps, Swap{unescapeOctal(s.Filename), s.Type, uint64(s.Size) << 10, uint64(s.Used) << 10, s.Priority})
	}
	slices.SortStableFunc(m.Swaps, func(a, b Swap) int { return cmp.Compare(b.Priority, a.Priority) })
	return nil
}

func (h *Host) readSlabs(m *Mem) error {
	return h.proc.with("slabinfo", func(b []byte) (err error) {
		m.Slabs, err = parseSlabinfo(b)
		return err
	})
}

func (h *Host) readPressure(m *Mem) error {
	stats, err := h.fs.PSIStatsForResource("memory")
	if err == nil && stats.Some == nil && stats.Full == nil {
		return errMalformed
	}
	if stats.Some != nil {
		m.Pressure.Some = &Stall{stats.Some.Avg10, stats.Some.Avg60, stats.Some.Avg300, stats.Some.Total}
	}
	if stats.Full != nil {
		m.Pressure.Full = &Stall{stats.Full.Avg10, stats.Full.Avg60, stats.Full.Avg300, stats.Full.Total}
	}
	return err
}

func (h *Host) readNodes(m *Mem) error {
	const dir = "devices/system/node"
	names, err := h.sys.names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		id, err := strconv.Atoi(strings.TrimPrefix(name, "node"))
		if !strings.HasPrefix(name, "node") || err != nil {
			continue
		}
		err = h.sys.with(path.Join(dir, name, "meminfo"), func(b []byte) error {
			info, err := parseNodeMeminfo(b)
			m.Nodes = append(m.Nodes, Node{id, info})
			return err
		})
		if err != nil {
			return err
		}
	}
	if len(m.Nodes) == 0 {
		return fmt.Errorf("list %s: %w", dir, fs.ErrNotExist)
	}
	slices.SortFunc(m.Nodes, func(a, b Node) int { return a.ID - b.ID })
	return nil
}

// parseNodeMeminfo reads lines of "Node 0 MemTotal: 123 kB".
func parseNodeMeminfo(b []byte) (Counters, error) {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		word, rest := cutField(line)
		if string(word) != "Node" {
			continue
		}
		_, rest = cutField(rest)
		out = append(append(out, rest...), '\n')
	}
	return parseCounters(out, 40)
}

func (h *Host) readPools(m *Mem) error {
	const dir = "kernel/mm/hugepages"
	names, err := h.sys.names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(name, "hugepages-"), "kB"), 10, 40)
		if err != nil {
			continue
		}
		pool := HugePool{PageSize: kb << 10, Counts: Counters{}}
		for _, f := range []string{"nr_hugepages", "free_hugepages", "resv_hugepages", "surplus_hugepages", "nr_overcommit_hugepages"} {
			n, err := h.sys.number(path.Join(dir, name, f))
			if err == nil && n >= 0 {
				pool.Counts[f] = uint64(n)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return cmp.Or(err, errMalformed)
			}
		}
		m.Pools = append(m.Pools, pool)
	}
	slices.SortFunc(m.Pools, func(a, b HugePool) int { return cmp.Compare(a.PageSize, b.PageSize) })
	return nil
}

func (h *Host) readKSM(m *Mem) error {
	out := map[string]int64{}
	for _, f := range []string{"run", "pages_shared", "pages_sharing", "general_profit"} {
		n, err := h.sys.number("kernel/mm/ksm/" + f)
		if err == nil {
			out[f] = n
		} else if f == "run" || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	m.KSM = out
	return nil
}

func (h *Host) readZrams(m *Mem) error {
	names, err := h.sys.names("block")
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "zram") {
			continue
		}
		z := Zram{Name: name}
		if n, err := h.sys.number("block/" + name + "/disksize"); err == nil && n >= 0 {
			z.DiskSize = uint64(n)
		}
		if err := h.sys.with("block/"+name+"/mm_stat", z.parse); err != nil {
			return err
		}
		m.Zrams = append(m.Zrams, z)
	}
	if len(m.Zrams) == 0 {
		return fmt.Errorf("list %s/block: no zram: %w", h.sys.root, fs.ErrNotExist)
	}
	return nil
}

// parse reads mm_stat: orig_data_size compr_data_size mem_used_total
// mem_limit mem_used_max same_pages pages_compacted huge_pages ..., of which
// later kernels have more (Documentation/admin-guide/blockdev/zram.rst).
func (z *Zram) parse(b []byte) error {
	for _, to := range []*uint64{&z.Original, &z.Compressed, &z.MemUsed, &z.MemLimit, &z.Peak} {
		var field []byte
		var ok bool
		field, b = cutField(b)
		if *to, ok = parseUint(trimNewline(field)); !ok {
			return errMalformed
		}
	}
	return nil
}

func trimNewline(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		return b[:n-1]
	}
	return b
}

// unescapeOctal undoes what the kernel's mangle_path did to blanks and
// newlines in a path: \040 is a blank. Anything else stays.
func unescapeOctal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out = append(out, byte(n))
				i += 3
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// MemPart is one of the many of a kind that a snapshot holds, in its context.
type MemPart[T any] struct {
	Mem *Mem
	It  *T
	N   int // its place in the list
}

// Missing says why a source gave nothing.
func (p MemPart[T]) Missing(s Source) Reason { return p.Mem.got[s] }

// Before says that parts are not followed over an interval.
func (p MemPart[T]) Before() (MemPart[T], time.Duration, bool) { return MemPart[T]{}, 0, false }

// Kernel returns the kernel that was read.
func (p MemPart[T]) Kernel() Version { return p.Mem.Host.Kernel }

// MemParts is a list in its context: the rows of a table.
type MemParts[T any] struct {
	Mem  *Mem
	List []T
}

// Len returns how many there are.
func (l MemParts[T]) Len() int { return len(l.List) }

// At returns one of them.
func (l MemParts[T]) At(i int) MemPart[T] { return MemPart[T]{l.Mem, &l.List[i], i} }
