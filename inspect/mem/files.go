package mem

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

	"github.com/prometheus/procfs"

	"kwhy/inspect"
)

// The readers of Mem's sources that stand for themselves.

func readSwaps(h *inspect.Host, m *Snapshot) error {
	var err error
	m.Swaps, err = inspect.ByProcfs(h, inspect.Swaps, swapsOf, func() (list []Swap, err error) {
		err = h.Proc.With("swaps", func(b []byte) (err error) {
			list, err = parseSwaps(b)
			return err
		})
		return list, err
	})
	if err == nil && len(m.Swaps) == 0 && m.Info["SwapTotal"] > 0 {
		return inspect.ErrMalformed // truncated: meminfo knows of swap
	}
	slices.SortStableFunc(m.Swaps, func(a, b Swap) int { return cmp.Compare(b.Priority, a.Priority) })
	return err
}

// swapsOf takes them as procfs reads them. It takes any first line for the heading, so
// that an emptied file looks like a host without swap: whether there is none is not its
// to say.
func swapsOf(fs procfs.FS) (out []Swap, err error) {
	list, err := fs.Swaps()
	if err == nil && len(list) == 0 {
		err = inspect.ErrMalformed
	}
	for _, s := range list {
		if s.Size < 0 || s.Used < 0 {
			return nil, inspect.ErrMalformed
		}
		out = append(out, Swap{inspect.UnescapeOctal(s.Filename), s.Type, uint64(s.Size) << 10, uint64(s.Used) << 10, s.Priority})
	}
	return out, err
}

// parseSwaps reads /proc/swaps: a heading, then name, type, size, used (kB) and
// priority.
func parseSwaps(b []byte) (out []Swap, err error) {
	heading, b := inspect.CutLine(b)
	if !bytes.HasPrefix(heading, []byte("Filename")) {
		return nil, inspect.ErrMalformed
	}
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		f := strings.Fields(string(line))
		if len(f) != 5 {
			return nil, inspect.ErrMalformed
		}
		size, err1 := strconv.ParseUint(f[2], 10, 53)
		used, err2 := strconv.ParseUint(f[3], 10, 53)
		priority, err3 := strconv.Atoi(f[4])
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, inspect.ErrMalformed
		}
		out = append(out, Swap{inspect.UnescapeOctal(f[0]), f[1], size << 10, used << 10, priority})
	}
	return out, nil
}

func readSlabs(h *inspect.Host, m *Snapshot) error {
	return h.Proc.With("slabinfo", func(b []byte) (err error) {
		m.Slabs, err = parseSlabinfo(b)
		return err
	})
}

func readPressure(h *inspect.Host, m *Snapshot) (err error) {
	m.Pressure, err = h.Pressure(inspect.PressureMemory, "memory")
	return err
}

func readNodes(h *inspect.Host, m *Snapshot) error {
	const dir = "devices/system/node"
	names, err := h.Sys.Names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		id, err := strconv.Atoi(strings.TrimPrefix(name, "node"))
		if !strings.HasPrefix(name, "node") || err != nil {
			continue
		}
		err = h.Sys.Single(path.Join(dir, name, "meminfo"), func(b []byte) error {
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
func parseNodeMeminfo(b []byte) (inspect.Counters, error) {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		word, rest := inspect.CutField(line)
		if string(word) != "Node" {
			continue
		}
		_, rest = inspect.CutField(rest)
		out = append(append(out, rest...), '\n')
	}
	return inspect.ParseCounters(out, 40)
}

func readPools(h *inspect.Host, m *Snapshot) error {
	const dir = "kernel/mm/hugepages"
	names, err := h.Sys.Names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(name, "hugepages-"), "kB"), 10, 40)
		if err != nil {
			continue
		}
		pool := HugePool{PageSize: kb << 10, Counts: inspect.Counters{}}
		if err := readPool(h, path.Join(dir, name), pool.Counts); err != nil {
			return err
		}
		m.Pools = append(m.Pools, pool)
	}
	slices.SortFunc(m.Pools, func(a, b HugePool) int { return cmp.Compare(a.PageSize, b.PageSize) })
	return nil
}

// readPool reads one pool. One without pages that may not get any by overcommit
// is not read further: none is free, promised or surplus.
func readPool(h *inspect.Host, dir string, to inspect.Counters) error {
	for i, f := range [...]string{"nr_hugepages", "nr_overcommit_hugepages", "free_hugepages", "resv_hugepages", "surplus_hugepages"} {
		if i == 2 && len(to) == 2 && to["nr_hugepages"]+to["nr_overcommit_hugepages"] == 0 {
			break
		}
		n, err := h.Sys.Number(path.Join(dir, f))
		if err == nil && n >= 0 {
			to[f] = uint64(n)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return cmp.Or(err, inspect.ErrMalformed)
		}
	}
	return nil
}

func readKSM(h *inspect.Host, m *Snapshot) error {
	out := map[string]int64{}
	for _, f := range []string{"run", "pages_shared", "pages_sharing", "general_profit"} {
		n, err := h.Sys.Number("kernel/mm/ksm/" + f)
		if err == nil {
			out[f] = n
		} else if f == "run" || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	m.KSM = out
	return nil
}

// ARC is the cache of ZFS, which is memory of the kernel in no counter of meminfo but, in part,
// slab and vmalloc. Sizes are in bytes (module/zfs/arc.c of OpenZFS, arc_stats).
type ARC struct{ Size, Min, Max uint64 }

// readARC reads arcstats: a line of numbers, one of names, then "size 4 123".
func readARC(h *inspect.Host, m *Snapshot) error {
	return h.Proc.With("spl/kstat/zfs/arcstats", func(b []byte) error {
		arc, found := ARC{}, 0
		for line := range inspect.Lines(b) {
			f := strings.Fields(string(line))
			if len(f) != 3 {
				continue
			}
			to := map[string]*uint64{"size": &arc.Size, "c_min": &arc.Min, "c_max": &arc.Max}[f[0]]
			n, ok := inspect.ParseUint([]byte(f[2]))
			if to != nil && ok {
				*to, found = n, found+1
			}
		}
		if found < 3 {
			return inspect.ErrMalformed
		}
		m.ARC = &arc
		return nil
	})
}

func readZrams(h *inspect.Host, m *Snapshot) error {
	names, err := h.Sys.Names("block")
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "zram") {
			continue
		}
		z := Zram{Name: name}
		if n, err := h.Sys.Number("block/" + name + "/disksize"); err == nil && n >= 0 {
			z.DiskSize = uint64(n)
		}
		if err := h.Sys.Single("block/"+name+"/mm_stat", z.parse); err != nil {
			return err
		}
		m.Zrams = append(m.Zrams, z)
	}
	if len(m.Zrams) == 0 {
		return fmt.Errorf("list %s/block: no zram: %w", h.Sys.Root, fs.ErrNotExist)
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
		field, b = inspect.CutField(b)
		if *to, ok = inspect.ParseUint(inspect.TrimNewline(field)); !ok {
			return inspect.ErrMalformed
		}
	}
	return nil
}
