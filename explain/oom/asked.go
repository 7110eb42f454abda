package oom

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

// The fields of a kill about the request, and what limited it.

func requestFields() []killField {
	return []killField{
		declareKill(doc{
			Key: "invoker_comm", Label: "invoked by",
			Gist: "The task whose allocation failed and invoked the OOM killer.",
		}, func(k *Kill) value { return word(k.E.Invoker.Comm) }, readInvoker),
		declareKill(doc{Key: "invoker_pid", Unit: explain.Plain, Show: explain.Data, Gist: "Its PID."},
			func(k *Kill) value { return logged(k.E.Invoker.PID, 1) }, nil),
		declareKill(doc{
			Key: "invoker_oom_score_adj", Unit: explain.Plain, Show: explain.Data,
			Gist:    "Its oom_score_adj.",
			Concept: "oom-score-adj",
		}, func(k *Kill) value {
			if !k.E.Invoker.HasAdj {
				return notLogged()
			}
			return explain.I(k.E.Invoker.Adj)
		}, nil),
		declareKill(doc{
			Key: "gfp_mask", Unit: explain.Address, Show: explain.Data,
			Gist:    "The GFP flags of the request, as numbered by its kernel.",
			Concept: "gfp-mask",
		}, func(k *Kill) value {
			if !k.E.HasGFP {
				return notLogged()
			}
			return explain.N(k.E.GFP)
		}, nil),
		declareKill(doc{
			Key: "gfp_flags", Show: explain.Data,
			Words:   gfpWords(),
			Gist:    "Their names: as printed, or decoded for kernels before 4.6.",
			Concept: "gfp-mask",
		}, func(k *Kill) value {
			list := flags(k.E)
			if list == nil {
				return notLogged()
			}
			out := make([]value, len(list))
			for i, f := range list {
				out[i] = explain.S(f)
			}
			return explain.L(out)
		}, nil),
		declareKill(doc{
			Key: "order", Unit: explain.Plain, Show: explain.Data,
			Gist:    "It requested 2 to the power of this many contiguous pages; -1: sysrq f.",
			Concept: "fragmentation",
		}, func(k *Kill) value {
			if k.E.Manual {
				return explain.I(-1)
			}
			return logged(k.E.Order, 1)
		}, nil),
	}
}

func readInvoker(k *Kill) string {
	e := k.E
	if e.Manual {
		return "An operator, through sysrq f: this task only ran the OOM killer."
	}
	var s strings.Builder
	if e.Invoker.PID != kmsg.Unset {
		fmt.Fprintf(&s, "PID %d. ", e.Invoker.PID)
	}
	s.WriteString("It requested ")
	switch what := purpose(e, k.constraint() == "memcg"); {
	case what != "":
		s.WriteString(what)
	default:
		s.WriteString("memory")
	}
	if list := flags(e); len(list) > 0 {
		s.WriteString(" (" + strings.Join(list, "|") + ")")
	}
	if e.Order >= 0 && e.Order < 30 {
		fmt.Fprintf(&s, ", order %d: %s", e.Order, units.Size(uint64(k.page)<<e.Order))
	}
	return s.String() + "."
}

func constraintFields() []killField {
	return []killField{
		declareKill(doc{
			Key: "constraint",
			Words: []explain.Word{
				{Name: "none", Label: "none (host)", Gist: "The whole host.", Concept: "oom-killer"},
				{Name: "cpuset", Gist: "The nodes that a cpuset allows.", Concept: "numa"},
				{Name: "mempolicy", Gist: "The nodes that a memory policy allows.", Concept: "numa"},
				{Name: "memcg", Gist: "The limit of a memory cgroup.", Concept: "memory-cgroup"},
			},
			Gist: "What limited the allocation: the host's memory, or a part of it.",
		}, func(k *Kill) value { return word(k.constraint()) }, readConstraint),
		declareKill(doc{
			Key: "oom_memcg", Label: "oom_memcg",
			Gist:    "The cgroup whose limit was hit.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value {
			if k.E.OOMMemcg == "" && k.constraint() != "memcg" && k.constraint() != "" {
				return explain.None(inspect.Inapplicable)
			}
			return word(k.E.OOMMemcg)
		}, readLimit),
		declareKill(doc{
			Key: "cpuset", Show: explain.Data,
			Gist:    "The cpuset of the task that invoked the OOM killer.",
			Concept: "numa",
		}, func(k *Kill) value { return word(k.E.Cpuset) }, nil),
		declareKill(doc{
			Key: "nodes", Show: explain.Data,
			Gist:    "The NUMA nodes that it could use.",
			Concept: "numa",
		}, func(k *Kill) value { return word(k.E.Nodes) }, nil),
	}
}

// limited is a limit in kB.
func limited(kb int64) value {
	if kb != kmsg.Unset && kb >= boundless {
		return explain.None(inspect.Unlimited)
	}
	return logged(kb, kB)
}

func cgroupFields() []killField {
	return []killField{
		declareKill(doc{
			Key: "task_memcg", Show: explain.Data,
			Gist:    "The victim's own cgroup.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return word(k.E.TaskMemcg) }, nil),
		declareKill(doc{
			Key: "limit_hit", Show: explain.Data,
			Words: []explain.Word{
				{Name: "memory", Gist: "Memory charged to it.", Concept: "memory-cgroup"},
				{Name: "memory+swap", Gist: "RAM and swap together, in version 1.", Concept: "memory-cgroup"},
			},
			Gist:    "Which of the cgroup's counters was at its limit.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value {
			if c := k.constraint(); c != "memcg" && c != "" {
				return explain.None(inspect.Inapplicable)
			}
			name, _ := k.limitHit()
			return word(name)
		}, nil),
		declareKill(doc{
			Key: "memcg_usage", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "What was charged to that cgroup.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return logged(k.E.Memory.Use, kB) }, nil),
		declareKill(doc{
			Key: "memcg_limit", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its limit.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return logged(k.E.Memory.Limit, kB) }, nil),
		declareKill(doc{
			Key: "memcg_failcnt", Unit: explain.Count, Show: explain.Data,
			Gist:    "How often the limit had been hit.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return logged(k.E.Memory.Failed, 1) }, nil),
		declareKill(doc{
			Key: "memcg_memsw_usage", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its memory and swap together, in version 1.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return logged(k.E.MemSwap.Use, kB) }, nil),
		declareKill(doc{
			Key: "memcg_memsw_limit", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "The limit of memory and swap; absent where there is none.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return limited(k.E.MemSwap.Limit) }, nil),
		declareKill(doc{
			Key: "memcg_kmem_limit", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its limit of kernel memory; absent where there is none.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return limited(k.E.Kmem.Limit) }, nil),
		declareKill(doc{
			Key: "memcg_swap_usage", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its swap, in version 2.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return logged(k.E.Swap.Use, kB) }, nil),
	}
}

func readConstraint(k *Kill) string {
	switch k.constraint() {
	case "none":
		if k.E.Manual {
			return "Memory need not have been short: sysrq f kills in any case. Every process was a candidate."
		}
		return "The host as a whole, not a cgroup: every process was a candidate."
	case "cpuset":
		return "The nodes that its cpuset allows (" + k.E.Nodes + "): other nodes may have had memory."
	case "mempolicy":
		return "The nodes that its memory policy allows (" + k.E.Nodes + "): other nodes may have had memory."
	}
	return "The limit of a memory cgroup: only processes in it were candidates, however much the host had free."
}

func readLimit(k *Kill) string {
	e := k.E
	var s string
	name, u := k.limitHit()
	if u == nil {
		name, u = "memory", &e.Memory
	}
	if u.Limit != kmsg.Unset && u.Use != kmsg.Unset {
		s = fmt.Sprintf("%s of %s used", kiB(u.Use), kiB(u.Limit))
		if name == "memory+swap" {
			s = "Memory and swap together (memory.memsw): " + s
		}
		if u.Failed > 0 {
			s += ", hit " + units.Plural(u.Failed, "time", "times")
		}
		s += "."
	}
	if e.TaskMemcg != "" && e.TaskMemcg != e.OOMMemcg {
		s += " The victim was in a cgroup below it, " + e.TaskMemcg + "."
	}
	if swap := &e.Swap; swap.Limit == 0 {
		s += " It is not allowed to swap."
	}
	return strings.TrimSpace(s + " " + readStats(k))
}

// readStats says what used a cgroup's memory, if its statistics are in the report.
func readStats(k *Kill) string {
	var words []string
	for _, part := range []struct{ v2, v1, name string }{
		{"anon", "rss", "of anonymous memory"}, {"file", "cache", "of files and tmpfs"}, {"shmem", "shmem", "of that tmpfs and shared memory"},
		{"slab", "", "of slab"}, {"sock", "", "of socket buffers"}, {"kernel_stack", "", "of kernel stacks"},
		{"pagetables", "", "of page tables"},
	} {
		n, ok := k.E.Stats[part.v2]
		if !ok && part.v1 != "" {
			if n, ok = k.E.Stats["total_"+part.v1]; !ok {
				n, ok = k.E.Stats[part.v1]
			}
		}
		if ok && n >= 1<<20 {
			words = append(words, units.Size(n)+" "+part.name)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "Its memory: " + strings.Join(words, ", ") + "."
}

// constraint is what limited the allocation; "" where the log does not say.
func (k *Kill) constraint() string {
	e := k.E
	switch e.Constraint {
	case "CPUSET":
		return "cpuset"
	case "MEMORY_POLICY":
		return "mempolicy"
	case "MEMCG":
		return "memcg"
	}
	switch {
	case k.V.Memcg, e.OOMMemcg != "" && !e.Global, e.Memory.Limit != kmsg.Unset:
		return "memcg" // there are kernels of 5.0 that wrote NONE there
	case e.Constraint == "NONE":
		return "none"
	case e.Invoked && len(e.Zones) > 0 && e.Orphans == 0:
		return k.boundBefore50()
	}
	return ""
}

// boundBefore50 infers the constraint where the kernel does not log it: from
// the lists of nodes, and from whether the zones shown are all of RAM.
func (k *Kill) boundBefore50() string {
	e := k.E
	var present int64
	var nodes []int64
	for _, z := range e.Zones {
		if z.Present > 0 {
			present += z.Present
			nodes = append(nodes, max(z.Node, 0))
		}
	}
	all := e.RAM != kmsg.Unset && present<<10/k.page == e.RAM
	more := e.RAM != kmsg.Unset && present<<10/k.page < e.RAM-e.RAM/100 // zones that are not shown
	lacks := func(list string) bool {
		return more || slices.ContainsFunc(nodes, func(n int64) bool { return !inNodes(list, n) })
	}
	policy := e.NodeMask != "" && e.NodeMask != "(null)"
	switch {
	case policy && (lacks(e.NodeMask) || e.Cpuset == "/" && e.MemsAllowed != "" && e.MemsAllowed != e.NodeMask):
		return "mempolicy"
	case policy && !all && (e.Cpuset != "/" || e.MemsAllowed != e.NodeMask):
		return ""
	case e.Cpuset == "/" && e.MemsAllowed != "":
		return "none" // which allows every node
	case e.MemsAllowed == "":
		return ""
	case !lacks(e.MemsAllowed) && all:
		return "none"
	case lacks(e.MemsAllowed) && k.hardwall():
		return "cpuset"
	}
	return ""
}

// hardwall reports whether the request had to stay in its cpuset: those of user
// space do.
func (k *Kill) hardwall() bool {
	return slices.ContainsFunc(flags(k.E), func(f string) bool {
		return strings.HasPrefix(f, "GFP_HIGHUSER") || strings.HasPrefix(f, "GFP_USER") || strings.HasPrefix(f,
			"GFP_TRANSHUGE") || f == "__GFP_HARDWALL"
	})
}

// inNodes reports whether a list such as 0,2-3 contains a node.
func inNodes(list string, node int64) bool {
	if list == "" || node == kmsg.Unset {
		return true
	}
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseInt(from, 10, 32)
		if err != nil {
			return true
		}
		b := a
		if isRange {
			if b, err = strconv.ParseInt(to, 10, 32); err != nil {
				return true
			}
		}
		if node >= a && node <= b {
			return true
		}
	}
	return false
}

// limitHit is which of a cgroup's counters was at its limit, and that counter;
// "" where none was, or the report does not say. A huge page fails while there is
// still room for less. At the limit of kernel memory allocations fail, and nobody is
// killed for it (mm/memcontrol.c, __memcg_kmem_charge, up to 5.10).
func (k *Kill) limitHit() (name string, hit *kmsg.Usage) {
	e := k.E
	var least int64
	for _, c := range [...]struct {
		name string
		u    *kmsg.Usage
	}{{"memory", &e.Memory}, {"memory+swap", &e.MemSwap}} {
		if c.u.Limit == kmsg.Unset && e.Swap.Limit == kmsg.Unset {
			return "", nil // the line that is missing may have been it
		}
		if c.u.Use == kmsg.Unset || c.u.Limit <= 0 || c.u.Limit >= boundless {
			continue
		}
		gap := max(c.u.Limit-c.u.Use, 0)
		if gap <= min(2048, c.u.Limit/20) && (hit == nil || gap < least) {
			name, hit, least = c.name, c.u, gap
		}
	}
	return name, hit
}
