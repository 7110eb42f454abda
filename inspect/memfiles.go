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
)

// The readers of Mem's sources that stand for themselves.

func (h *Host) readSwaps(m *Mem) error {
	err := h.proc.with("swaps", func(b []byte) (err error) {
		m.Swaps, err = parseSwaps(b)
		return err
	})
	if err == nil && len(m.Swaps) == 0 && m.Info["SwapTotal"] > 0 {
		return errMalformed // truncated: meminfo knows of swap
	}
	slices.SortStableFunc(m.Swaps, func(a, b Swap) int { return cmp.Compare(b.Priority, a.Priority) })
	return err
}

// parseSwaps reads /proc/swaps: a heading, then name, type, size, used (kB) and
// priority. procfs takes any first line for the heading, so that an emptied
// file looks like a host without swap.
func parseSwaps(b []byte) (out []Swap, err error) {
	heading, b := cutLine(b)
	if !bytes.HasPrefix(heading, []byte("Filename")) {
		return nil, errMalformed
	}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		f := strings.Fields(string(line))
		if len(f) != 5 {
			return nil, errMalformed
		}
		size, err1 := strconv.ParseUint(f[2], 10, 53)
		used, err2 := strconv.ParseUint(f[3], 10, 53)
		priority, err3 := strconv.Atoi(f[4])
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, errMalformed
		}
		out = append(out, Swap{unescapeOctal(f[0]), f[1], size << 10, used << 10, priority})
	}
	return out, nil
}

func (h *Host) readSlabs(m *Mem) error {
	return h.proc.with("slabinfo", func(b []byte) (err error) {
		m.Slabs, err = parseSlabinfo(b)
		return err
	})
}

func (h *Host) readPressure(m *Mem) error {
	return h.proc.single("pressure/memory", func(b []byte) (err error) {
		m.Pressure, err = parsePressure(b)
		return err
	})
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
		err = h.sys.single(path.Join(dir, name, "meminfo"), func(b []byte) error {
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
		if err := h.readPool(path.Join(dir, name), pool.Counts); err != nil {
			return err
		}
		m.Pools = append(m.Pools, pool)
	}
	slices.SortFunc(m.Pools, func(a, b HugePool) int { return cmp.Compare(a.PageSize, b.PageSize) })
	return nil
}

// readPool reads one pool. One without pages that may not get any by overcommit
// is not read further: none is free, promised or surplus.
func (h *Host) readPool(dir string, to Counters) error {
	for i, f := range [...]string{"nr_hugepages", "nr_overcommit_hugepages", "free_hugepages", "resv_hugepages", "surplus_hugepages"} {
		if i == 2 && len(to) == 2 && to["nr_hugepages"]+to["nr_overcommit_hugepages"] == 0 {
			break
		}
		n, err := h.sys.number(path.Join(dir, f))
		if err == nil && n >= 0 {
			to[f] = uint64(n)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return cmp.Or(err, errMalformed)
		}
	}
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
		if err := h.sys.single("block/"+name+"/mm_stat", z.parse); err != nil {
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
