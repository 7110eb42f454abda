package output

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
)

// findings prints what rules found, worst first, a line each. If they come with evidence,
// it prints that too, and what it means.
func (t *Text) findings(list []lower.Finding) {
	if len(list) == 0 {
		return
	}
	t.line("")
	last := "" // the rule whose evidence was printed
	for l := explain.Critical; l > explain.OK; l-- {
		for i := range list {
			f := &list[i]
			switch {
			case f.Level != l:
				continue
			case last != "" && f.ID != last:
				t.line("")
			}
			t.finding(f, f.ID == last)
			if last = ""; len(f.Cells) > 0 && t.detail > DetailNone {
				last = f.ID
			}
		}
	}
}

// leveledAt is the column where the texts of findings begin, after their levels.
const leveledAt = 10

// finding prints a finding; again says that its rule was explained before.
func (t *Text) finding(f *lower.Finding, again bool) {
	text := f.Message
	if f.More > 0 {
		text += "; and " + units.Plural(f.More, "more", "more") + " like it"
	}
	alone := len(f.Cells) == 0
	if alone && f.Next != "" && t.detail > DetailNone {
		text += " → " + f.Next
	}
	t.lines(t.style.Level(f.Level, left(f.Level.String(), leveledAt)), leveledAt, wrap(Safe(text), t.width-leveledAt))
	if alone || again && t.detail < DetailFull || t.detail == DetailNone {
		return
	}
	t.evidence(f.Cells)
	indent := pad(leveledAt)
	t.lines(indent, leveledAt, t.dimmed(wrap(Safe(judged(f)), t.width-leveledAt)))
	t.lines(indent, leveledAt, t.dimmed(wrap(Safe(f.Means), t.width-leveledAt)))
	t.lines(indent, leveledAt, wrap("→ "+Safe(steps(f)), t.width-leveledAt))
}

// evidence prints the values that a finding was found in, and what they say.
func (t *Text) evidence(list []lower.Cell) {
	g := geometry{label: 8, value: 6}
	var kept []*lower.Cell
	for i := range list {
		c := &list[i]
		if !c.Value.Has() && !c.Value.Unlimited() || c.Doc.Unit == explain.Text && c.Reading == "" {
			continue // the message has the text already
		}
		kept = append(kept, c)
		g.label, g.value = max(g.label, min(cells(c.Doc.Name()), maxLabel)), max(g.value, min(cells(display(c)), maxValue))
	}
	at := leveledAt + g.label + 1 + g.value + gapBehind
	for _, c := range kept {
		lead := pad(leveledAt) + left(c.Doc.Name(), g.label+1) + right(display(c), g.value) + pad(gapBehind)
		text := wrap(Safe(t.sentence(c)), t.width-at)
		if t.width-at < minText || cells(c.Doc.Name()) > g.label || cells(display(c)) > g.value {
			t.lines(pad(leveledAt), leveledAt+margin, wrap(c.Doc.Name()+" "+display(c), t.width-leveledAt-margin))
			t.lines(pad(leveledAt+margin), leveledAt+margin, t.dimmed(wrap(Safe(t.sentence(c)), t.width-leveledAt-margin)))
			continue
		}
		t.lines(lead, at, t.dimmed(text))
	}
}

// judged says what was measured, over what time, and the thresholds.
func judged(f *lower.Finding) string {
	over := map[explain.Basis]string{explain.Now: "now", explain.Interval: "over the interval", explain.Ever: "since counting began"}[f.Basis]
	from := "from"
	if f.Below {
		from = "below"
	}
	return fmt.Sprintf("%s: %s %s; %s %s (%s)", f.What, explain.Amount(f.Measure.Float(), f.Unit), over, from, f.At.Words(f.Unit), f.ID)
}

// steps are what to run next.
func steps(f *lower.Finding) string {
	out := []string{f.Next}
	domain, _, _ := strings.Cut(f.ID, ".")
	if strings.HasPrefix(f.Next, "kwhy explain") {
		out = []string{"kwhy " + domain + f.Where}
	}
	return strings.Join(append(out, "kwhy explain "+string(f.Concept)), " · ")
}

// Rule explains a rule.
func (t *Text) Rule(d *lower.RuleDoc) {
	width := min(t.width, maxProse)
	t.title(d.ID)
	t.lines("", 0, wrap(d.Means, width))
	from := "from"
	if d.Below {
		from = "below"
	}
	t.line("")
	lines := []string{
		"It measures: " + d.What + ".",
		"Levels, " + from + ": " + d.At.Words(d.Unit) + ".",
		"It looks at " + basis(d.Basis) + ", in kwhy " + d.Command + ": " + strings.Join(d.Evidence, ", ") + ".",
		"To set other thresholds: check.thresholds." + d.ID + " in a config file, or KWHY_CHECK_THRESHOLDS_" + strings.ToUpper(
			strings.ReplaceAll(d.ID, ".", "_"),
		) + ".",
	}
	if d.Unless != "" {
		lines = append(lines, "kwhy check leaves it out if "+d.Unless+" finds something, which says the same better.")
	}
	for _, l := range lines {
		t.lines("", margin, wrap(l, width))
	}
	t.references("See also, with kwhy explain", []string{string(d.Concept)}, width)
}

// basis is the time that a rule covers.
func basis(b explain.Basis) string {
	return map[explain.Basis]string{
		explain.Now:      "the state now",
		explain.Interval: "what happens over an interval",
		explain.Ever:     "what was counted since boot or start, which is worth a notice at most",
	}[b]
}
