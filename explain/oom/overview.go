package oom

import (
	"fmt"

	"kwhy/explain"
)

// Overview lists the kills of a log, one line each: text has it before the reports,
// where there are several.
func Overview() *explain.Table[*Kill] {
	var fields []killField
	for _, b := range borrowed() {
		for _, f := range Kills().Fields {
			if f.Key == b.key {
				f.Label, f.Show = b.label, b.show
				fields = append(fields, f)
			}
		}
	}
	return &explain.Table[*Kill]{Name: "overview", Fields: append(fields,
		declareKill(doc{
			Key: "why", Label: "VICTIM",
			Gist: "Which process was killed, and at which cgroup's limit.",
		}, func(k *Kill) value { return explain.S(k.line()) }, nil))}
}

// borrowed are the columns of kills that the overview shows, under its own headings. One
// that kills do not have is left out; a test compares.
func borrowed() []struct {
	key, label string
	show       explain.Show
} {
	return []struct {
		key, label string
		show       explain.Show
	}{
		{"kill", "KILL", explain.Always}, {"logged_at", "WHEN", explain.Always}, {"constraint", "CONSTRAINT", explain.Always},
		{"freed_at_most", "FREED", explain.Wide}, {"role", "ROLE", explain.Wide},
	}
}

// line describes a kill in a few words.
func (k *Kill) line() string {
	s := fmt.Sprintf("%s (%d)", k.name(), k.V.PID)
	if n := len(k.E.Victims) - 1; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	if k.E.OOMMemcg != "" {
		s += ", at the limit of " + k.E.OOMMemcg
	}
	return s
}
