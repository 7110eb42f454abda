package oom

import (
	"fmt"
	"strings"

	"kwhy/explain/lower"
	"kwhy/explain/mem"
	"kwhy/explain/units"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
)

// Health summarizes how close the OOM killer is; kills are those that the
// kernel's log still has.
func Health(o host, kills Recent) lower.Health {
	return lower.Health{Utilisation: healthUse(o), Saturation: healthWaits(o), Errors: healthErrors(kills)}
}

func healthUse(o host) string {
	var words []string
	if o.First != nil {
		words = append(words, fmt.Sprintf("%s (%d) would be killed first", o.First.Comm, o.First.PID))
	}
	var fullest *oomfacts.Group
	most := 0.0
	for i := range o.Groups {
		if v := mem.Pressed(&o.Groups[i].Memory); v.Has() && v.Float() >= most {
			fullest, most = &o.Groups[i], v.Float()
		}
	}
	if fullest != nil {
		limited := units.Plural(len(o.Groups), "cgroup with a limit", "cgroups with a limit")
		words = append(words, fmt.Sprintf("of %s the fullest is %s, %s", limited, fullest.Path, units.AppendPercent(nil, most)))
	}
	return strings.Join(words, "; ")
}

func healthWaits(o host) string {
	if o.Got != inspect.Present || len(o.Groups) == 0 {
		return ""
	}
	n := 0
	for i := range o.Groups {
		if o.Groups[i].Events["under_oom"] > 0 {
			n++
		}
	}
	if n == 0 {
		return "no cgroup waits at its limit"
	}
	return units.Plural(n, "cgroup waits", "cgroups wait") + " at their limit"
}

func healthErrors(kills Recent) string {
	if len(kills) == 0 {
		return ""
	}
	last := kills[len(kills)-1]
	if v := ago(last); v.Has() {
		return fmt.Sprintf("last kill %s ago: %s", units.Span(v.Float()), last.name())
	}
	return "last kill: " + last.name()
}
