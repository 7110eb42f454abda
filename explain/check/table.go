package check

import (
	"cmp"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
)

type (
	doc   = explain.Doc
	value = explain.Value
)

// Verdict is the state of a domain.
type Verdict struct {
	inspect.Unpaired[*Verdict]

	Domain
	Health lower.Health
	Rules  []lower.Ruled
	Level  explain.Level // the worst finding's
	Found  int           // rules with a finding that is shown: another rule may say the same better
	Err    error         // why nothing of it could be read

	on inspect.Kernel
}

// Missing says that there is a verdict.
func (v *Verdict) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// Kernel returns the kernel that was read.
func (v *Verdict) Kernel() inspect.Kernel { return v.on }

// of returns how many rules had that outcome.
func (v *Verdict) of(o lower.Outcome) (n int) {
	for i := range v.Rules {
		if v.Rules[i].Outcome == o {
			n++
		}
	}
	return n
}

// show notes which of the findings are its own.
func (v *Verdict) show(list []lower.Finding) {
	for i := range v.Rules {
		level := explain.OK
		for j := range list {
			if list[j].ID == v.Rules[i].ID {
				level = max(level, list[j].Level)
			}
		}
		if v.Level = max(v.Level, level); level > explain.OK {
			v.Found++
		}
	}
}

// Verdicts are the rows of the table of domains.
type Verdicts []*Verdict

// Len returns how many there are.
func (v Verdicts) Len() int { return len(v) }

// At returns one of them.
func (v Verdicts) At(i int) *Verdict { return v[i] }

// The states of a domain besides the levels.
const (
	stateWell   = "well"
	statePartly = "partly"
	stateUnseen = "unseen"
)

func states() []explain.Word {
	word := func(name, gist string) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: "use-method"}
	}
	return []explain.Word{
		word(stateWell, "Rules measured it, and found nothing."),
		word("notice", "Something is worth knowing but no cause for alarm."),
		word("warning", "Something is wrong, or soon will be."),
		word("critical", "Something is failing or about to fail."),
		word(statePartly, "Nothing was found in what could be seen, which was not all."),
		word(stateUnseen, "Nothing could be measured: see \"Not seen\"."),
	}
}

func (v *Verdict) state() string {
	switch {
	case v.Level > explain.OK:
		return v.Level.String()
	case v.blind():
		return stateUnseen
	case v.of(lower.Partly)+v.of(lower.Blind) > 0:
		return statePartly
	}
	return stateWell
}

// blind reports whether no rule could measure anything.
func (v *Verdict) blind() bool {
	return v.of(lower.Well)+v.of(lower.Partly)+v.of(lower.Found) == 0 && (v.Err != nil || v.of(lower.SwitchedOff) < len(v.Rules))
}

// domainTable has a row for each domain.
func domainTable() *explain.Table[*Verdict] {
	type column = explain.Field[*Verdict]
	text := func(d doc, get func(*Verdict) string) column {
		d.Source, d.Concept = inspect.ProcAndSys, "use-method"
		return column{Doc: d, Get: func(v *Verdict) value {
			if s := get(v); s != "" {
				return explain.S(s)
			}
			return explain.None(inspect.Inapplicable)
		}}
	}
	number := func(key, label, gist string, show explain.Show, n func(*Verdict) int) column {
		return column{
			Doc: doc{Key: key, Label: label, Unit: explain.Count, Source: inspect.ProcAndSys, Concept: "use-method", Show: show, Gist: gist},
			Get: func(v *Verdict) value { return explain.I(n(v)) },
		}
	}
	count := func(key, label, gist string, o lower.Outcome, show explain.Show) column {
		return number(key, label, gist, show, func(v *Verdict) int { return v.of(o) })
	}
	return &explain.Table[*Verdict]{Name: "domains", Title: "Domains", Fields: []column{
		text(
			doc{Key: "domain", Gist: "The domain: the name of the subcommand that shows more of it."},
			func(v *Verdict) string { return v.Name },
		),
		text(doc{Key: "state", Words: states(), Gist: "Well, or the worst level of what was found."}, (*Verdict).state),
		count("rules_well", "OK", "Rules that measured something and found nothing.", lower.Well, explain.Always),
		number("rules_found", "FOUND", "Rules with a finding, unless another rule says the same better.", explain.Always,
			func(v *Verdict) int { return v.Found }),
		count("rules_partly", "PARTIAL", "Rules that found nothing, but could not see everything.", lower.Partly, explain.Always),
		count("rules_blind", "UNSEEN", "Rules whose evidence could not be seen.", lower.Blind, explain.Always),
		count("rules_idle", "IDLE", "Rules with nothing to measure here: no swap, no second sample.", lower.Idle, explain.Data),
		count("rules_off", "OFF", "Rules that were switched off.", lower.SwitchedOff, explain.Data),
		text(
			doc{Key: "utilisation", Show: explain.Data, Gist: "How much of it is in use."},
			func(v *Verdict) string { return v.Health.Utilisation },
		),
		text(
			doc{Key: "saturation", Show: explain.Data, Gist: "What has to wait for it."},
			func(v *Verdict) string { return v.Health.Saturation },
		),
		text(doc{Key: "errors", Show: explain.Data, Gist: "What went wrong."}, func(v *Verdict) string { return v.Health.Errors }),
		text(doc{Key: "why", Gist: "Utilisation, saturation and errors in one line."}, (*Verdict).why),
	}}
}

func (v *Verdict) why() string {
	if v.Err != nil {
		return v.Err.Error()
	}
	h := v.Health
	switch {
	case h == (lower.Health{}) && v.blind():
		return "nothing of it can be seen here"
	case h == (lower.Health{}):
		return "no figure that sums it up can be seen here"
	}
	words := slices.DeleteFunc([]string{h.Utilisation, h.Saturation, h.Errors}, func(s string) bool { return s == "" })
	return strings.Join(words, " · ")
}

// Rule is a rule and its outcome, as a row.
type Rule struct {
	inspect.Unpaired[*Rule]

	lower.Ruled
	Domain string

	on inspect.Kernel
}

// Missing says that its outcome is known.
func (r *Rule) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// Kernel returns the kernel that was read.
func (r *Rule) Kernel() inspect.Kernel { return r.on }

// Rules are the rows of the table of rules.
type Rules []*Rule

// Len returns how many there are.
func (r Rules) Len() int { return len(r) }

// At returns one of them.
func (r Rules) At(i int) *Rule { return r[i] }

func outcomes() []explain.Word {
	word := func(o lower.Outcome, gist string) explain.Word {
		return explain.Word{Name: o.String(), Gist: gist, Concept: "use-method"}
	}
	return []explain.Word{
		word(lower.Found, "Its measure has reached a threshold."),
		word(lower.Well, "It measured something, and no threshold was reached."),
		word(lower.Partly, "It found nothing in the rows that could be seen; others could not."),
		word(lower.Blind, "Its evidence could not be seen."),
		word(lower.Idle, "There is nothing to measure: no swap, no second sample, no such row."),
		word(lower.SwitchedOff, "The user's settings switch it off."),
	}
}

// ruleTable has a row for each rule, with its thresholds and what it measured.
func ruleTable() *explain.Table[*Rule] {
	type column = explain.Field[*Rule]
	field := func(d doc, get func(*Rule) value) column {
		d.Source, d.Concept = inspect.ProcAndSys, "use-method"
		return column{Doc: d, Get: get}
	}
	text := func(d doc, get func(*Rule) string) column {
		return field(d, func(r *Rule) value {
			if s := get(r); s != "" {
				return explain.S(s)
			}
			return explain.None(inspect.Inapplicable)
		})
	}
	at := func(key, gist string, get func(explain.At) float64) column {
		return field(doc{Key: key, Unit: explain.Decimal, Show: explain.Data, Gist: gist}, func(r *Rule) value {
			if n := get(r.At); n != 0 {
				return explain.F(n)
			}
			return explain.None(inspect.Inapplicable)
		})
	}
	return &explain.Table[*Rule]{Name: "checks", Title: "Rules", Fields: []column{
		text(doc{Key: "id", Gist: "The rule's name, which settings use to set its thresholds."}, func(r *Rule) string { return r.ID }),
		text(
			doc{Key: "domain", Show: explain.Data, Gist: "The domain: the name of the subcommand that shows more of it."},
			func(r *Rule) string { return r.Domain },
		),
		text(
			doc{Key: "outcome", Words: outcomes(), Gist: "Whether it found something, found nothing, or could not measure."},
			func(r *Rule) string { return r.Outcome.String() },
		),
		text(doc{Key: "measured", Gist: "What it measured, with its unit."}, func(r *Rule) string {
			if !r.Measure.Has() {
				return ""
			}
			return explain.Amount(r.Measure.Float(), r.Unit)
		}),
		field(
			doc{Key: "measure", Unit: explain.Decimal, Show: explain.Data, Gist: "What it measured; of a table, in the worst row."},
			func(r *Rule) value {
				if !r.Measure.Has() {
					return explain.None(cmp.Or(r.Reason, inspect.Inapplicable))
				}
				return explain.F(r.Measure.Float())
			},
		),
		text(doc{Key: "thresholds", Gist: "Where notice, warning and critical begin."}, thresholds),
		at("notice", "Where a notice begins.", func(a explain.At) float64 { return a.Notice }),
		at("warning", "Where a warning begins.", func(a explain.At) float64 { return a.Warning }),
		at("critical", "Where critical begins.", func(a explain.At) float64 { return a.Critical }),
		text(
			doc{Key: "basis", Show: explain.Data, Words: bases(), Gist: "The time that the measure covers."},
			func(r *Rule) string { return r.Basis.String() },
		),
		text(
			doc{Key: "unit", Show: explain.Data, Gist: "The unit of the measure and the thresholds."},
			func(r *Rule) string { return string(r.Unit) },
		),
		field(
			doc{Key: "below", Show: explain.Data, Unit: explain.Bool, Gist: "Whether low values are bad."},
			func(r *Rule) value { return explain.B(r.Below) },
		),
		text(doc{Key: "why", Label: explain.Description, Gist: "What it measures."}, func(r *Rule) string { return r.What }),
	}}
}

// thresholds are a rule's thresholds in its unit: "< 15 %, 8 %, 3 %", with a dash for one
// that is not set.
func thresholds(r *Rule) string {
	if r.At == (explain.At{}) {
		return "off"
	}
	var words []string
	for _, n := range [...]float64{r.At.Notice, r.At.Warning, r.At.Critical} {
		if n == 0 {
			words = append(words, "–")
			continue
		}
		words = append(words, explain.Threshold(n, r.Unit))
	}
	s := strings.Join(words, ", ")
	if r.Below {
		return "< " + s
	}
	return s
}

func bases() []explain.Word {
	word := func(b explain.Basis, gist string) explain.Word {
		return explain.Word{Name: b.String(), Gist: gist, Concept: "use-method"}
	}
	return []explain.Word{
		word(explain.Now, "The state now, or the kernel's own average over some seconds."),
		word(explain.Interval, "What happened between two samples."),
		word(explain.Ever, "Counted since boot, or since its counter exists: never more than a notice."),
	}
}
