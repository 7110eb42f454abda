package oom

import (
	"slices"
	"strconv"
	"strings"

	"kwhy/inspect/kmsg"
)

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
// still room for less.
func (k *Kill) limitHit() (name string, hit *kmsg.Usage) {
	e := k.E
	var least int64
	for _, c := range [...]struct {
		name string
		u    *kmsg.Usage
	}{{"memory", &e.Memory}, {"memory+swap", &e.MemSwap}, {"kmem", &e.Kmem}} {
		if c.u.Limit == kmsg.Unset && c.name != "kmem" && e.Swap.Limit == kmsg.Unset {
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
