package mem

import (
	"fmt"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/units"
	"kwhy/inspect"
)

func commit() []field {
	lean := also(inspect.VMOvercommitMemory, inspect.VMOvercommitRatio, inspect.VMOvercommitKbytes)
	return []field{
		{Doc: doc{
			Key: "overcommit_memory", Kernel: "vm.overcommit_memory", Unit: explain.Plain,
			Source: inspect.VMOvercommitMemory, Also: also(inspect.Meminfo),
			Gist:    "0, 1 or 2: which requests for memory the kernel refuses.",
			Concept: "overcommit",
		}, Get: sysctl(inspect.VMOvercommitMemory), Reading: readMode},
		{Doc: doc{
			Key: "commit_limit", Kernel: "CommitLimit", Unit: bytes,
			Source: inspect.Meminfo, Also: lean,
			Gist:    "How much may be committed in mode 2; the other modes ignore it.",
			Concept: "overcommit",
		}, Get: meminfo("CommitLimit"), Reading: readLimit, Derive: deriveLimit},
		{Doc: doc{
			Key: "committed_as", Kernel: "Committed_AS", Unit: bytes,
			Source:  inspect.Meminfo,
			Also:    append(lean, inspect.VMAdminReserveKbytes, inspect.VMUserReserveKbytes),
			Gist:    "Memory promised to all programs; they use only what they touch.",
			Concept: "overcommit",
		}, Get: meminfo("Committed_AS"), Reading: readCommitted},
	}
}

func mode(m mem) int64 {
	n, ok := m.Number(inspect.VMOvercommitMemory)
	if !ok {
		return -1
	}
	return n
}

func readMode(m mem) string {
	switch mode(m) {
	case 1:
		return "Always: no request is refused, however large. If there is too little memory when it is touched, the OOM killer acts."
	case 2:
		return "Strict: requests beyond CommitLimit, " +
			"less admin_reserve_kbytes and user_reserve_kbytes, fail with ENOMEM, so the OOM killer acts less often."
	}
	total := explain.Sum(explain.Look(m.Info, "MemTotal"), explain.Look(m.Info, "SwapTotal"))
	if !total.Has() {
		return "Heuristic: only an obviously impossible request is refused."
	}
	older := fmt.Sprintf("Heuristic: a single request far beyond RAM and swap (%s) is refused; "+
		"before 5.2 the heuristic looked at free memory and page cache too.", size(total))
	return inspect.Choose(m.Kernel().Since(5, 2),
		fmt.Sprintf("Heuristic: only a single request for more than RAM and swap together, %s, is refused.", size(total)), older, older)
}

func readLimit(m mem) string {
	switch mode(m) {
	case 2:
		return "In force: beyond it, requests for memory fail."
	case -1:
		return "It applies only with vm.overcommit_memory=2; the mode could not be read."
	}
	return "Not in force: it applies only with vm.overcommit_memory=2."
}

func deriveLimit(m mem) explain.Derivation {
	var w explain.Working
	page := int64(m.Host.PageSize)
	take := func(name string, v value, spelling string) int64 {
		return w.Take(name, v, bytes, inspect.Meminfo, spelling) / page
	}
	kb, ok := m.Number(inspect.VMOvercommitKbytes)
	if ok && kb > 0 {
		w.Take("kbytes", explain.I(kb<<10), bytes, inspect.VMOvercommitKbytes, "vm.overcommit_kbytes")
		swap := take("swap", explain.Look(m.Info, "SwapTotal"), "SwapTotal")
		return w.Done("kbytes + swap", bytes, inBytes(m, kernel.CommitLimit(0, 0, 0, (kb<<10)/page, swap)))
	}
	total := take("total", explain.Look(m.Info, "MemTotal"), "MemTotal")
	huge := take("hugetlb", or0(hugetlb(m)), "Hugetlb: all pools")
	percent := number(m, inspect.VMOvercommitRatio, 1)
	r := percent.Int()
	w.Take("ratio", explain.Share(percent, explain.I(100)), ratio, inspect.VMOvercommitRatio, "vm.overcommit_ratio")
	swap := take("swap", explain.Look(m.Info, "SwapTotal"), "SwapTotal")
	return w.Done("(total − hugetlb) × ratio + swap", bytes, inBytes(m, kernel.CommitLimit(total, huge, r, 0, swap)))
}

func readCommitted(m mem) string {
	c, l := explain.Look(m.Info, "Committed_AS"), explain.Look(m.Info, "CommitLimit")
	if !l.Has() {
		return ""
	}
	s := fmt.Sprintf("%s of CommitLimit.", percentOf(c, l))
	left := l.Int() - c.Int()
	admin, ok1 := m.Number(inspect.VMAdminReserveKbytes)
	user, ok2 := m.Number(inspect.VMUserReserveKbytes)
	switch {
	case !ok1 || !ok2 || mode(m) < 0:
		return s
	case mode(m) != 2 && left > 0:
		return s + fmt.Sprintf(" In mode 2, requests for %s more would succeed, less up to %s reserved for root and for recovery.",
			units.Size(uint64(left)), units.Size(uint64(admin+user)<<10))
	case mode(m) != 2:
		return s + fmt.Sprintf(" In mode 2 this host would already refuse requests: it is %s over the limit.", units.Size(uint64(-left)))
	case left <= 0:
		return s + " Nothing is left: every request for memory fails."
	}
	return s + fmt.Sprintf(" Requests for %s more succeed; of that, %s is for CAP_SYS_ADMIN alone, "+
		"and up to %s is withheld from each process.",
		units.Size(uint64(left)), units.Size(uint64(admin)<<10), units.Size(uint64(user)<<10))
}

func percentOf(a, b value) string {
	if s := explain.Share(a, b); s.Has() {
		return string(units.AppendPercent(nil, s.Float()))
	}
	return "an unknown share"
}
