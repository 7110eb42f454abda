package oom

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

// The fields of a kill that say who asked, and what bound the request.

func askedFields() []killField {
	return []killField{
		logField(doc{
			Key: "invoker_comm", Label: "who asked",
			Gist: "The task that asked for memory and could not get it.",
		}, func(k *Kill) value { return word(k.E.Invoker.Comm) }, readInvoker),
		logField(doc{Key: "invoker_pid", Unit: explain.Plain, Show: explain.Data, Gist: "Its PID."},
			func(k *Kill) value { return told(k.E.Invoker.PID, 1) }, nil),
		logField(doc{
			Key: "invoker_oom_score_adj", Unit: explain.Plain, Show: explain.Data,
			Gist:    "Its oom_score_adj.",
			Concept: "oom-score-adj",
		}, func(k *Kill) value {
			if !k.E.Invoker.HasAdj {
				return untold()
			}
			return explain.I(k.E.Invoker.Adj)
		}, nil),
		logField(doc{
			Key: "gfp_mask", Unit: explain.Address, Show: explain.Data,
			Gist:    "The flags of the request, as its kernel counts them.",
			Concept: "gfp-mask",
		}, func(k *Kill) value {
			if !k.E.HasGFP {
				return untold()
			}
			return explain.N(k.E.GFP)
		}, nil),
		logField(doc{
			Key: "gfp_flags", Show: explain.Data,
			Words:   gfpWords(),
			Gist:    "Their names: the kernel's, or by the bits of kernels before 4.6.",
			Concept: "gfp-mask",
		}, func(k *Kill) value {
			list := flags(k.E)
			if list == nil {
				return untold()
			}
			out := make([]value, len(list))
			for i, f := range list {
				out[i] = explain.S(f)
			}
			return explain.L(out)
		}, nil),
		logField(doc{
			Key: "order", Unit: explain.Plain, Show: explain.Data,
			Gist:    "It asked for 2 to the power of this many adjacent pages; -1: sysrq f.",
			Concept: "fragmentation",
		}, func(k *Kill) value {
			if k.E.Manual {
				return explain.I(-1)
			}
			return told(k.E.Order, 1)
		}, nil),
	}
}

func readInvoker(k *Kill) string {
	e := k.E
	if e.Manual {
		return "An operator did, through sysrq f: this task only carried it out."
	}
	var s strings.Builder
	if e.Invoker.PID != kmsg.Unset {
		fmt.Fprintf(&s, "PID %d. ", e.Invoker.PID)
	}
	s.WriteString("It wanted ")
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

func boundFields() []killField {
	return []killField{
		logField(doc{
			Key: "constraint", Label: "what ran out",
			Words: []explain.Word{
				{Name: "none", Label: "the machine", Gist: "The whole machine.", Concept: "oom-killer"},
				{Name: "cpuset", Gist: "The nodes that a cpuset allows.", Concept: "numa"},
				{Name: "mempolicy", Gist: "The nodes that a memory policy allows.", Concept: "numa"},
				{Name: "memcg", Gist: "The limit of a memory cgroup.", Concept: "memory-cgroup"},
			},
			Gist: "What bound the allocation: the machine, or a part of it.",
		}, func(k *Kill) value { return word(k.constraint()) }, readConstraint),
		logField(doc{
			Key: "oom_memcg", Label: "whose limit",
			Gist:    "The cgroup whose limit was hit.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value {
			if k.E.OOMMemcg == "" && k.constraint() != "memcg" && k.constraint() != "" {
				return explain.None(inspect.Inapplicable)
			}
			return word(k.E.OOMMemcg)
		}, readLimit),
		logField(doc{
			Key: "cpuset", Show: explain.Data,
			Gist:    "The cpuset of the task that asked.",
			Concept: "numa",
		}, func(k *Kill) value { return word(k.E.Cpuset) }, nil),
		logField(doc{
			Key: "nodes", Show: explain.Data,
			Gist:    "The memory nodes that it could use.",
			Concept: "numa",
		}, func(k *Kill) value { return word(k.E.Nodes) }, nil),
	}
}

// limited is a limit in kB.
func limited(kb int64) value {
	if kb != kmsg.Unset && kb >= boundless {
		return explain.None(inspect.Unlimited)
	}
	return told(kb, kB)
}

func cgroupFields() []killField {
	return []killField{
		logField(doc{
			Key: "task_memcg", Show: explain.Data,
			Gist:    "The victim's own cgroup.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return word(k.E.TaskMemcg) }, nil),
		logField(doc{
			Key: "limit_hit", Show: explain.Data,
			Words: []explain.Word{
				{Name: "memory", Gist: "What is charged to it in RAM.", Concept: "memory-cgroup"},
				{Name: "memory+swap", Gist: "RAM and swap together, of version 1.", Concept: "memory-cgroup"},
				{Name: "kmem", Gist: "Kernel memory alone, of version 1.", Concept: "memory-cgroup"},
			},
			Gist:    "Which of its counters was at its limit.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value {
			if c := k.constraint(); c != "memcg" && c != "" {
				return explain.None(inspect.Inapplicable)
			}
			name, _ := k.limitHit()
			return word(name)
		}, nil),
		logField(doc{
			Key: "memcg_usage", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "What was charged to that cgroup.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return told(k.E.Memory.Use, kB) }, nil),
		logField(doc{
			Key: "memcg_limit", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its limit.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return told(k.E.Memory.Limit, kB) }, nil),
		logField(doc{
			Key: "memcg_failcnt", Unit: explain.Count, Show: explain.Data,
			Gist:    "How often it had been hit.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return told(k.E.Memory.Failed, 1) }, nil),
		logField(doc{
			Key: "memcg_memsw_usage", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its memory and swap together, of version 1.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return told(k.E.MemSwap.Use, kB) }, nil),
		logField(doc{
			Key: "memcg_memsw_limit", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "The limit of those; absent where there is none.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return limited(k.E.MemSwap.Limit) }, nil),
		logField(doc{
			Key: "memcg_kmem_limit", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its limit of kernel memory; absent where there is none.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return limited(k.E.Kmem.Limit) }, nil),
		logField(doc{
			Key: "memcg_swap_usage", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its swap, of version 2.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return told(k.E.Swap.Use, kB) }, nil),
	}
}

func readConstraint(k *Kill) string {
	switch k.constraint() {
	case "none":
		if k.E.Manual {
			return "Nothing had to be short: sysrq f kills whatever is free. Every process was a candidate."
		}
		return "As a whole, and not a cgroup: every process was a candidate."
	case "cpuset":
		return "The nodes that its cpuset allows (" + k.E.Nodes + "): others may have had memory."
	case "mempolicy":
		return "The nodes that its memory policy allows (" + k.E.Nodes + "): others may have had memory."
	}
	return "The limit of a memory cgroup: only processes inside were candidates, whatever the host had left."
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
		switch name {
		case "memory+swap":
			s = "Memory and swap together (memory.memsw): " + s
		case "kmem":
			s = "Kernel memory (memory.kmem): " + s
		}
		if u.Failed > 0 {
			s += ", hit " + units.Plural(u.Failed, "time", "times")
		}
		s += "."
	}
	if e.TaskMemcg != "" && e.TaskMemcg != e.OOMMemcg {
		s += " The victim was below it, in " + e.TaskMemcg + "."
	}
	if swap := &e.Swap; swap.Limit == 0 {
		s += " It may not swap."
	}
	return strings.TrimSpace(s + " " + readStats(k))
}

// readStats says what filled a cgroup, where its statistics are in the report.
func readStats(k *Kill) string {
	var words []string
	for _, part := range []struct{ v2, v1, name string }{
		{"anon", "rss", "of processes' own"}, {"file", "cache", "of files and tmpfs"}, {"shmem", "shmem", "of that tmpfs and shared"},
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
	return "In it: " + strings.Join(words, ", ") + "."
}
