package proc

import (
	"fmt"
	"strings"

	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// Health summarizes the state of a host's processes.
func Health(l *procfacts.Snapshot) lower.Health {
	return lower.Health{Utilisation: healthUse(l), Saturation: healthWaits(l), Errors: healthErrors(l)}
}

func healthUse(l list) string {
	users, _ := split(l)
	words := []string{units.Plural(users, "process", "processes")}
	if max, ok := l.Settings.Number(inspect.KernelThreadsMax); ok && max > 0 && l.Tasks != inspect.Unset {
		threads := units.Plural(int64(l.Tasks), "thread", "threads")
		words = append(words, fmt.Sprintf("%s, %s of threads-max", threads, units.Percent(int64(l.Tasks), max)))
	}
	return strings.Join(words, ", ")
}

func healthWaits(l list) string {
	n := 0
	for i := range l.Procs.Rows {
		if Stuck(l.Procs.At(i), nil).Has() {
			n++
		}
	}
	if n == 0 {
		return "none in D"
	}
	return units.Number(n) + " in D"
}

func healthErrors(l list) string {
	if l.Procs.Host.Hidden {
		return ""
	}
	if n := len(zombies(l)); n > 0 {
		return units.Plural(n, "zombie", "zombies")
	}
	return "no zombies"
}
