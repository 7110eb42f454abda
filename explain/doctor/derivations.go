package doctor

import (
	"kwhy/explain"
	"kwhy/inspect"
)

// derivationTable is every derivation with its numbers.
func derivationTable() *explain.Table[*Derivation] {
	type column = explain.Field[*Derivation]
	field := func(d doc, get func(*Derivation) value) column {
		d.Source, d.Concept = inspect.ProcAndSys, "kernel-arithmetic"
		return column{Doc: d, Get: get}
	}
	text := func(d doc, get func(*Derivation) string) column {
		return field(d, func(d *Derivation) value { return orNone(get(d)) })
	}
	number := func(key, gist string, get func(*Derivation) value) column {
		return field(doc{Key: key, Unit: explain.Decimal, Show: explain.Data, Gist: gist}, func(d *Derivation) value {
			if v := get(d); v.Has() {
				return v
			}
			return explain.None(inspect.Inapplicable)
		})
	}
	count := func(key, gist string, get func(*Derivation) int) column {
		return field(doc{Key: key, Unit: explain.Count, Show: explain.Data, Gist: gist}, func(d *Derivation) value { return explain.I(get(d)) })
	}
	return &explain.Table[*Derivation]{Name: "derivations", Title: "Derivations", Fields: []column{
		text(
			doc{Key: "name", Show: explain.Data, Gist: "The key of the value that the kernel computes."},
			func(d *Derivation) string { return d.Key },
		),
		text(doc{Key: "command", Show: explain.Wide, Gist: "The subcommand that shows it."}, func(d *Derivation) string { return d.Command }),
		text(doc{Key: "verdict", Words: verdicts(), Gist: "How the result compares with the kernel's figure."}, (*Derivation).Verdict),
		text(
			doc{Key: "formula", Show: explain.Data, Gist: "The kernel's formula, in the names of its terms."},
			func(d *Derivation) string { return d.Formula },
		),
		field(
			doc{Key: "terms", Show: explain.Data, Gist: "Its inputs: name, value, unit, source, the kernel's name."},
			func(d *Derivation) value { return terms(d) },
		),
		text(
			doc{Key: "unit", Show: explain.Data, Gist: "The unit of result, reported, difference and tolerance."},
			func(d *Derivation) string { return string(d.Unit) },
		),
		number("result", "What kwhy computed; of several rows, the worst.", func(d *Derivation) value { return d.Result }),
		number("reported", "What the kernel says.", func(d *Derivation) value { return d.Reported }),
		number("difference", "The kernel's figure minus the result.", func(d *Derivation) value { return d.Difference() }),
		number("tolerance", "How far they may differ while both are right.", func(d *Derivation) value { return explain.N(d.Slack) }),
		count("rows", "How many rows it was computed for.", func(d *Derivation) int { return d.Rows }),
		count("exact", "How many of the rows were exact.", func(d *Derivation) int { return d.Exact }),
		text(
			doc{Key: "row", Show: explain.Data, Gist: "Of several rows: which one the numbers belong to."},
			func(d *Derivation) string { return d.Row },
		),
		count("tries", "How often it was computed: again while it was off.", func(d *Derivation) int { return d.Tries }),
		field(
			doc{Key: "moved", Show: explain.Data, Gist: "What changed between the tries."},
			func(d *Derivation) value { return names(d.Moved) },
		),
		text(doc{Key: "reason", Show: explain.Data, Gist: "Why nothing was computed."}, func(d *Derivation) string {
			if d.Result.Has() {
				return ""
			}
			return d.Why.String()
		}),
		text(doc{Key: "why", Gist: "The verdict in words, with the numbers."}, (*Derivation).line),
	}, Rules: []explain.Rule[*Derivation]{{
		ID: "doctor.derivation_off", Evidence: []string{"verdict", "difference"}, Concept: "kernel-arithmetic",
		What: "derivations that are off", Unit: explain.Count, At: explain.At{Warning: 1},
		Of: func(d *Derivation) value { return explain.I(b2i(d.Verdict() == VerdictOff)) },
		Say: func(d *Derivation) string {
			return d.Key + ", which kwhy " + d.Command + " shows, is off: " + d.says() + "."
		},
		Means: "kwhy computes a value differently from this kernel: " +
			"one of the two changed, a file does not mean what kwhy assumes, or the values moved between the reads, as in a copy. " +
			"Don't trust what kwhy says about that value here; report the numbers as a bug.",
		Next: "kwhy doctor -o json",
	}}}
}

func terms(d *Derivation) value {
	out := make([]value, len(d.Terms))
	for i, t := range d.Terms {
		out[i] = explain.R(
			"name value unit source kernel",
			explain.S(t.Name),
			t.Value,
			explain.S(string(t.Unit)),
			explain.S(t.Source.String()),
			explain.S(t.Kernel),
		)
	}
	return explain.L(out)
}
