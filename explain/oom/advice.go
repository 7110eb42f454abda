package oom

import "strings"

// advice is what would keep it from happening again; "" where the report says too
// little.
func (k *Kill) advice() string {
	b := k.blame()
	switch {
	case b.role == "asked":
		return "There is nothing to mend."
	case b.role == "member":
		return "If its processes can live without each other, set memory.oom.group to 0 there."
	case b.role == "" && k.E.OOMMemcg == "" && !k.E.Invoked:
		return ""
	}
	var s string
	switch k.constraint() {
	case "memcg":
		s = k.adviceInCgroup(b)
	case "cpuset", "mempolicy":
		s = "Let it use more memory nodes, or move others off these."
	default:
		s = k.adviceOnHost(b)
	}
	if k.E.Order > 3 {
		s += " A request of that order does not kill by itself on kernels of today."
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
		return "Raise or drop the limit of kernel memory (memory.kmem.limit_in_bytes) of " + at + "."
	case b.role == "culprit":
		return "Find out why it grew, or raise the limit of " + at + " if it needs as much."
	case b.cause == elsewhere && len(k.others()) > 0:
		return "Kills won't cure it: " + k.others()[0].cure + ", or raise the limit of " + at + "."
	case b.cause == elsewhere:
		return "Kills won't cure it: look at what else is charged to " + at + "."
	case b.cause == adjustment:
		return "Look at the larger one: the victim's end did not cure it. To have it die instead, set its oom_score_adj higher."
	}
	return "Raise the limit of " + at + ", or run less in it."
}

func (k *Kill) adviceOnHost(b blame) string {
	if k.fragmented() {
		return "It wanted adjacent pages, and not memory as such: see kwhy explain fragmentation."
	}
	if z := k.failing(); z != nil && z.Free > z.Min && k.spare(z) <= 0 && k.withheld(z).cma > 0 {
		return "Memory was free, and CMA's: a smaller area (cma= on the kernel's command line) leaves more for requests like this one."
	}
	switch {
	case b.role == "culprit":
		return "Give it a memory cgroup with a limit, so that it dies before the machine is short; find out why it grew."
	case b.cause == elsewhere && len(k.others()) > 0:
		var words []string
		for _, o := range k.others()[:min(2, len(k.others()))] {
			words = append(words, o.cure)
		}
		return "Kills won't cure it: " + strings.Join(words, "; ") + "."
	case b.cause == elsewhere:
		return "Kills won't cure it: find what holds the memory (kwhy mem)."
	case b.cause == adjustment:
		return "Look at the larger one: limit it, or set its oom_score_adj higher. The victim's end did not cure it."
	case b.role == "largest":
		return "The machine is too small for what runs on it, or has too little swap: limit what may grow."
	}
	return "Find what holds the memory (kwhy mem), and limit what may grow."
}

// fragmented tells whether it was not for want of memory, but of adjacent pages.
func (k *Kill) fragmented() bool {
	z := k.failing()
	return k.E.Order > 0 && z != nil && k.spare(z) > 0
}
