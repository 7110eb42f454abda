package mem

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// HealthNeeds is the sources that Health uses.
func HealthNeeds() inspect.Sources {
	return inspect.Of(inspect.Meminfo, inspect.Vmstat, inspect.PressureMemory)
}

// Health summarizes the state of a host's memory.
func Health(m mem) lower.Health {
	return lower.Health{Utilisation: healthUse(m), Saturation: healthWaits(m), Errors: healthErrors(m)}
}

func healthUse(m mem) string {
	var words []string
	if left := explain.Share(available(m), explain.Look(m.Info, "MemTotal")); left.Has() {
		s := fmt.Sprintf("%s of RAM in use and not reclaimable", units.AppendPercent(nil, 1-left.Float()))
		if pool := explain.Share(hugetlb(m), explain.Look(m.Info, "MemTotal")); pool.Has() && pool.Float() >= 0.1 {
			s += fmt.Sprintf(" (%s in pools of huge pages)", units.AppendPercent(nil, pool.Float()))
		}
		words = append(words, s)
	}
	switch used := swapUsed(m); {
	case used.Has():
		words = append(words, fmt.Sprintf("swap %s full", percentOf(used, explain.Look(m.Info, "SwapTotal"))))
	case noSwap(m):
		words = append(words, "no swap")
	}
	return strings.Join(words, ", ")
}

func healthWaits(m mem) string {
	var words []string
	if l := some(m); l != nil {
		words = append(words, fmt.Sprintf("pressure %s", units.AppendPercent(nil, l.Avg10/100)))
	}
	if n, span := grown(m, perZone("allocstall")); n.Has() {
		words = append(words, fmt.Sprintf("%s %s", units.Plural(n.Int(), "direct reclaim", "direct reclaims"), span))
	}
	return strings.Join(words, ", ")
}

func healthErrors(m mem) string {
	n := vmstat("oom_kill")(m)
	switch {
	case !n.Has():
		return ""
	case n.Zero():
		return "no OOM kill since boot"
	}
	return units.Plural(n.Int(), "OOM kill", "OOM kills") + " since boot"
}
