package kmsg

import (
	"strconv"
	"strings"
)

// The lines of a report on the state of memory.

// cgroupStats reads what follows "Memory cgroup stats for ": since 5.3 a figure
// a line after it, for the cgroup and those below it. Before, each cgroup has a
// line with figures of its own in KB, so that they are added up.
func (e *Event) cgroupStats(rest string) (more bool) {
	at, line, _ := strings.Cut(rest, ": ")
	at = strings.TrimSuffix(at, ":")
	if e.Stats == nil {
		e.Stats = map[string]uint64{}
	}
	if e.OOMMemcg == "" {
		e.OOMMemcg = at
	}
	if line == "" {
		e.Listed = len(e.Stats) == 0
		return e.Listed
	}
	for word := range strings.FieldsSeq(line) {
		name, text, ok := strings.Cut(word, ":")
		kb, isKB := strings.CutSuffix(text, "KB")
		if n, err := strconv.ParseUint(kb, 10, 53); ok && isKB && err == nil && (len(e.Stats) < maxStats || e.Stats[name] > 0) {
			e.Stats[name] += n << 10
		}
	}
	return false
}

// maxStats bounds the figures of a cgroup that are kept.
const maxStats = 200

// stat reads "anon 12345", in bytes.
func (e *Event) stat(msg string) bool {
	name, text, ok := strings.Cut(msg, " ")
	n, err := strconv.ParseUint(text, 10, 63)
	if !ok || err != nil || strings.ContainsAny(name, ":=[]") || len(e.Stats) > maxStats {
		return false
	}
	e.Stats[name] = n
	return true
}

// memory reads the lines after Mem-Info.
func (e *Event) memory(msg string) {
	switch {
	case strings.HasSuffix(msg, " total pagecache pages"):
		e.PageCache = lead(msg)
	case strings.HasSuffix(msg, " pages RAM"):
		e.RAM = lead(msg)
	case strings.HasSuffix(msg, " pages reserved"), strings.HasSuffix(msg, " reserved pages"):
		e.Reserved = lead(msg)
	case strings.HasPrefix(msg, "Free swap"):
		e.SwapFree = swap(msg)
	case strings.HasPrefix(msg, "Total swap"):
		e.SwapTotal = swap(msg)
	case strings.HasPrefix(msg, "lowmem_reserve[]:"):
		e.reserve(msg)
	case strings.Contains(msg, " hugepages_total="):
		e.hugePages(msg)
	case strings.Contains(msg, " free:") && strings.Contains(msg, "kB") && strings.Contains(msg, " min:"):
		e.zone(msg)
	case strings.Contains(msg, "kB") && strings.Contains(msg, "*") && strings.Contains(msg, " = "):
		e.buddies(msg)
	case strings.Contains(msg, ":") && !strings.Contains(msg, "kB"):
		e.pages(msg)
	}
}

// swap reads "Free swap  = 12kB", and "Free swap:  12kB" of old kernels.
func swap(msg string) int64 {
	i := strings.IndexAny(msg, "=:")
	if i < 0 {
		return Unset
	}
	return kB("="+strings.TrimLeft(msg[i+1:], " "), "=")
}

func lead(msg string) int64 {
	n, ok := leading(strings.TrimLeft(msg, " "))
	if !ok || n < 0 {
		return Unset
	}
	return n
}

// pages reads " active_anon:1 inactive_anon:2 isolated_anon:0".
func (e *Event) pages(msg string) {
	words := strings.Fields(strings.TrimPrefix(msg, "Mem-Info:"))
	for _, w := range words {
		name, text, ok := strings.Cut(w, ":")
		n, err := strconv.ParseInt(text, 10, 62)
		if !ok || err != nil || name == "" || len(e.Mem) > 100 {
			return
		}
		if e.Mem == nil {
			e.Mem = map[string]int64{}
		}
		if _, again := e.Mem[name]; !again { // before 2.6.28 there are others of the name
			e.Mem[name] = n
		}
	}
}

// which reads "Node 0 Normal " at the start; old kernels leave the node out.
func which(msg string) (node int64, name, rest string) {
	node = Unset
	if tail, ok := strings.CutPrefix(msg, "Node "); ok {
		node, _ = leading(tail)
		_, msg, _ = strings.Cut(tail, " ")
	}
	name, rest, _ = strings.Cut(msg, " ")
	return node, strings.TrimSuffix(name, ":"), rest
}

func (e *Event) zone(msg string) {
	if len(e.Zones) > 4096 {
		return
	}
	z := Zone{}
	var rest string
	z.Node, z.Name, rest = which(msg)
	rest = " " + rest
	z.Free, z.Min, z.Low, z.High = kB(rest, " free:"), kB(rest, " min:"), kB(rest, " low:"), kB(rest, " high:")
	z.Present, z.Managed = kB(rest, " present:"), kB(rest, " managed:")
	z.ActiveFile, z.InactiveFile = kB(rest, " active_file:"), kB(rest, " inactive_file:")
	z.CMA, z.HighAtomic = kB(rest, " free_cma:"), kB(rest, " reserved_highatomic:")
	e.Zones = append(e.Zones, z)
}

// reserve reads "lowmem_reserve[]: 0 460 460", of the zone in the line before it.
func (e *Event) reserve(msg string) {
	if len(e.Zones) == 0 || e.Zones[len(e.Zones)-1].Reserve != nil {
		return
	}
	z := &e.Zones[len(e.Zones)-1]
	for w := range strings.FieldsSeq(strings.TrimPrefix(msg, "lowmem_reserve[]:")) {
		n, err := strconv.ParseInt(w, 10, 62)
		if err != nil || len(z.Reserve) > 10 {
			return
		}
		z.Reserve = append(z.Reserve, n)
	}
}

// hugePages reads "Node 0 hugepages_total=2 hugepages_free=1 hugepages_surp=0
// hugepages_size=2048kB", of which each node has one for each size.
func (e *Event) hugePages(msg string) {
	total, free, size := number(msg, " hugepages_total="), number(msg, " hugepages_free="), kB(msg, " hugepages_size=")
	if total < 0 || free < 0 || size <= 0 || total > 1<<40 || size > 1<<22 {
		return
	}
	e.HugePages, e.HugeFree = max(e.HugePages, 0)+total*size, max(e.HugeFree, 0)+free*size
}

// buddies reads "Node 0 Normal: 3*4kB (UME) 2*8kB (U) 0*16kB ... = 28kB".
func (e *Event) buddies(msg string) {
	node, name, rest := which(msg)
	for i := range e.Zones {
		z := &e.Zones[i]
		if z.Name == name && (z.Node == node || node == Unset || z.Node == Unset) && z.Blocks == nil {
			z.buddies(rest)
			return
		}
	}
	e.Orphans++
}

func (z *Zone) buddies(list string) {
	for w := range strings.FieldsSeq(list) {
		if w == "=" || len(z.Blocks) > 30 {
			return
		}
		if n := len(z.Types); n > 0 && strings.HasPrefix(w, "(") {
			z.Types[n-1] = strings.Trim(w, "()")
			continue
		}
		count, size, ok := strings.Cut(w, "*")
		n, err := strconv.ParseInt(count, 10, 62)
		kb, ok2 := leading(size)
		if !ok || !ok2 || err != nil {
			continue
		}
		if z.Smallest == 0 {
			z.Smallest = kb
		}
		z.Blocks, z.Types = append(z.Blocks, n), append(z.Types, "")
	}
}
