package oom

import "strings"

// advice is what would prevent it from happening again; "" where the report has too
// little.
func (k *Kill) advice() string {
	b := k.blame()
	switch {
	case b.role == "asked":
		return "There is nothing to fix."
	case b.role == "member":
		return "If its processes can work without each other, set memory.oom.group to 0 there."
	case b.role == "" && k.E.OOMMemcg == "" && !k.E.Invoked:
		return ""
	}
	var s string
	switch k.constraint() {
	case "memcg":
		s = k.adviceInCgroup(b)
	case "cpuset", "mempolicy":
		s = "Let it use more memory nodes, or move other tasks off these."
	default:
		s = k.adviceOnHost(b)
	}
	if k.E.Order > 3 {
		s += " On current kernels a request of that order does not invoke the OOM killer by itself."
	}
	return s
}

func (k *Kill) adviceInCgroup(b blame) string {
	at := k.E.OOMMemcg
	if at == "" {
		at = "that cgroup"
	}
	switch {
	case b.cause == kernelOnly:
		return "Raise or remove the limit of kernel memory (memory.kmem.limit_in_bytes) of " + at + "."
	case b.role == "culprit":
		return "Find out why it grew, or raise the limit of " + at + " if it needs as much."
	case b.cause == elsewhere && len(k.others()) > 0:
		return "Kills won't help: " + k.others()[0].cure + ", or raise the limit of " + at + "."
	case b.cause == elsewhere:
		return "Kills won't help: look at what else is charged to " + at + "."
	case b.cause == adjustment:
		return "Look at the larger one: killing the victim did not help. To have the larger one killed instead, raise its oom_score_adj."
	}
	return "Raise the limit of " + at + ", or run less in it."
}

func (k *Kill) adviceOnHost(b blame) string {
	if k.fragmented() {
		return "Contiguous pages were missing, not memory as such: see kwhy explain fragmentation."
	}
	if z := k.failing(); z != nil && z.Free > z.Min && k.spare(z) <= 0 && k.withheld(z).cma > 0 {
		return "Memory was free, but belonged to CMA: a smaller area (cma= on the kernel's command line) leaves more for requests like this one."
	}
	switch {
	case b.role == "culprit":
		return "Give it a memory cgroup with a limit, so that it is killed before the host runs out; find out why it grew."
	case b.cause == elsewhere && len(k.others()) > 0:
		var words []string
		for _, o := range k.others()[:min(2, len(k.others()))] {
			words = append(words, o.cure)
		}
		return "Kills won't help: " + strings.Join(words, "; ") + "."
	case b.cause == elsewhere:
		return "Kills won't help: find what uses the memory (kwhy mem)."
	case b.cause == adjustment:
		return "Look at the larger one: limit it, or set its oom_score_adj higher. Killing the victim did not help."
	case b.role == "largest":
		return "The host has too little memory for what runs on it, or too little swap: limit what may grow."
	}
	return "Find what uses the memory (kwhy mem), and limit what may grow."
}

// fragmented reports whether contiguous pages were missing, not memory as such.
func (k *Kill) fragmented() bool {
	z := k.failing()
	return k.E.Order > 0 && z != nil && k.spare(z) > 0
}
