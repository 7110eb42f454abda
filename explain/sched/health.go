package sched

import (
	"fmt"
	"strings"

	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
	schedfacts "kwhy/inspect/sched"
)

// HealthNeeds is the sources that Health uses.
func HealthNeeds() inspect.Sources {
	return inspect.Of(inspect.ProcStat, inspect.Loadavg, inspect.PressureCPU)
}

// Health says in a few words how a host's CPUs stand.
func Health(s sched) lower.Health {
	return lower.Health{Utilisation: healthUse(s), Saturation: healthWaits(s), Errors: healthLost(s)}
}

func stolenTime(t *schedfacts.CPUTimes) uint64 { return t.Steal }

// stolen is the share of the interval's CPU time that was stolen; false where it is not known:
// what was once is no alarm now.
func stolen(s sched) (float64, bool) {
	was, _, ok := s.Before()
	if !ok || wentBack(&s.All, &was.All, stolenTime) {
		return 0, false
	}
	return share(&s.All, &was.All, stolenTime)
}

func idle(t *schedfacts.CPUTimes) uint64 { return t.Idle + t.IOWait }

func healthUse(s sched) string {
	var words []string
	if was, over, ok := s.Before(); ok {
		if f, counted := share(&s.All, &was.All, idle); counted {
			words = append(words, fmt.Sprintf("%s busy over %s", units.AppendPercent(nil, 1-f), units.Span(over.Seconds())))
		}
	}
	if s.Load[0] != "" {
		load := "load " + s.Load[0]
		if n := s.Settings.Host.CPUs; n > 0 {
			load += " on " + units.Plural(n, "CPU", "CPUs")
		}
		words = append(words, load)
	}
	return strings.Join(words, ", ")
}

func healthWaits(s sched) string {
	var words []string
	if l := s.Pressure.Some; l != nil {
		words = append(words, fmt.Sprintf("pressure %s", units.AppendPercent(nil, l.Avg10/100)))
	}
	if n, ok := s.Stat["procs_running"]; ok {
		words = append(words, fmt.Sprintf("%s runnable", units.Number(n)))
	}
	return strings.Join(words, ", ")
}

func healthLost(s sched) string {
	f, ok := stolen(s)
	if !ok {
		return ""
	}
	return fmt.Sprintf("steal %s", units.AppendPercent(nil, f))
}
