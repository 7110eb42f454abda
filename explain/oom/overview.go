package oom

import (
	"fmt"

	"kwhy/explain"
)

// Overview lists the kills of a log, one line each: text has it before the reports,
// where there are several.
func Overview() *explain.Table[*Kill] {
	field := func(key string) killField {
		for _, f := range Kills().Fields {
			if f.Key == key {
				f.Show = explain.Always
				return f
			}
		}
		panic("kills have no " + key)
	}
	kill, when, bound, freed, role := field("kill"), field("logged_at"), field("constraint"), field("freed_at_most"), field("role")
	kill.Label, when.Label, bound.Label, freed.Label, role.Label = "KILL", "WHEN", "CONSTRAINT", "FREED", "ROLE"
	freed.Show, role.Show = explain.Wide, explain.Wide
	return &explain.Table[*Kill]{Name: "overview", Fields: []killField{kill, when, bound, freed, role,
		declareKill(doc{
			Key: "why", Label: "VICTIM",
			Gist: "Which process was killed, and at which cgroup's limit.",
		}, func(k *Kill) value { return explain.S(k.line()) }, nil)}}
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
