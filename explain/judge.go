package explain

import (
	"cmp"
	"slices"

	"kwhy/inspect"
)

// Outcome is what became of a rule.
type Outcome uint8

// The outcomes, mildest first.
const (
	SwitchedOff Outcome = iota // the user switched it off
	Idle                       // nothing to measure: no swap, no second sample, no such row
	Well                       // measured, and nothing found
	Partly                     // the same of some rows of a table, and of others nothing could be seen
	Blind                      // what it rests on could not be seen
	Found
)

// Outcomes returns the names of the outcomes.
func Outcomes() []string { return []string{"off", "idle", "well", "partly", "blind", "found"} }

// String returns the outcome's name.
func (o Outcome) String() string { return Outcomes()[o] }

// Ruled is a rule and what became of it.
type Ruled struct {
	RuleDoc
	Outcome Outcome
	Level   Level
	Measure Value // of a table: of the row that is worst
	Basis   Basis
	Rows    int            // in how many rows it found something
	Unseen  int            // in how many what it rests on could not be seen
	Source  inspect.Source // of a blind one: what could not be seen, and why
	Reason  inspect.Reason
}

// Judgement is what became of the rules of a card or a table.
type Judgement struct {
	Findings []Finding
	Rules    []Ruled
}

// Plus joins judgements.
func (j Judgement) Plus(k Judgement) Judgement {
	return Judgement{append(j.Findings, k.Findings...), append(j.Rules, k.Rules...)}
}

// Judge holds the card's own rules against a snapshot, each finding with its evidence.
func (c *Card[S]) Judge(s S, limits Limits) (j Judgement) {
	for i := range c.Rules {
		r := &c.Rules[i]
		if r.lifted {
			continue // its own topic has it
		}
		cells := c.cells(s, r.Evidence)
		done := r.ruled(c.Name, limits)
		if done.Outcome != SwitchedOff {
			done.Measure, done.Basis = r.Of(s), r.basis(s)
			if f, ok := r.judge(s, limits); ok {
				f.Cells, done.Rows = cells, 1
				done.Level = f.Level
				j.Findings = append(j.Findings, f)
			}
			done.settle(cells)
		}
		j.Rules = append(j.Rules, done)
	}
	return j
}

func (r *Rule[S]) ruled(command string, limits Limits) Ruled {
	d := Ruled{RuleDoc: r.doc(command), Outcome: Idle}
	d.At = r.at(limits)
	if d.At == (At{}) {
		d.Outcome = SwitchedOff
	}
	return d
}

// settle says what became of a rule, by what it measured and what it rests on.
func (d *Ruled) settle(evidence []Cell) {
	switch {
	case d.Level > OK:
		d.Outcome = Found
		return
	case d.Measure.Has() && d.Unseen > 0:
		d.Outcome = Partly
		return
	case d.Measure.Has():
		d.Outcome = Well
		return
	case d.Unseen > 0:
		d.Outcome = Blind
		return
	}
	for i := range evidence {
		c := &evidence[i]
		if why := c.Value.Reason(); !c.Value.Has() && unseen(why) {
			d.Outcome, d.Source, d.Reason = Blind, c.Doc.Source, why
			return
		}
	}
}

// cells lowers the values of keys.
func (c *Card[S]) cells(s S, keys []string) (out []Cell) {
	for _, key := range keys {
		for i := range c.Sections {
			for j := range c.Sections[i].Fields {
				if f := &c.Sections[i].Fields[j]; f.Key == key {
					out = append(out, f.cell(s))
				}
			}
		}
	}
	return out
}

// Judges is what the card's own rules rest on.
func (c *Card[S]) Judges() (n inspect.Sources) {
	for i := range c.Rules {
		if !c.Rules[i].lifted {
			n = n.Plus(c.needsOf(c.Rules[i].Evidence))
		}
	}
	return n
}

// mostRows is of how many rows one rule tells, the worst first.
const mostRows = 3

// Judge holds the table's own rules against all rows. Of a rule that finds the same of
// many it tells the worst.
func (t *Table[S]) Judge(command string, rows Rows[S], limits Limits) (j Judgement) {
	for i := range t.Rules {
		r := &t.Rules[i]
		if r.lifted {
			continue
		}
		done := r.ruled(command, limits)
		if done.Outcome != SwitchedOff {
			worst, found := t.worst(r, rows, limits, &done)
			for k, at := range worst {
				if f, ok := r.judge(rows.At(at), limits); ok {
					f.Table, f.Cells = t.Name, t.cells(rows.At(at), f.Evidence)
					if k == len(worst)-1 {
						f.More = found - len(worst)
					}
					j.Findings = append(j.Findings, f)
				}
			}
			done.Rows = found
			done.settle(nil)
		}
		j.Rules = append(j.Rules, done)
	}
	return j
}

func (t *Table[S]) cells(s S, keys []string) (out []Cell) {
	for _, key := range keys {
		if f, err := t.field(key); err == nil {
			out = append(out, f.cell(s))
		}
	}
	return out
}

// Judges is what the table's own rules rest on.
func (t *Table[S]) Judges() (n inspect.Sources) {
	for i := range t.Rules {
		for _, key := range t.Rules[i].Evidence {
			if f, err := t.field(key); err == nil && !t.Rules[i].lifted {
				n = n.Plus(f.Needs())
			}
		}
	}
	return n
}

// worst returns the rows of which a rule finds most, and of how many it finds
// something. It notes what it measured.
func (t *Table[S]) worst(r *Rule[S], rows Rows[S], limits Limits, done *Ruled) (worst []int, found int) {
	type row struct {
		at    int
		level Level
		by    float64
	}
	bad := func(v Value) float64 {
		if r.Below {
			return -v.Float()
		}
		return v.Float()
	}
	var list []row
	first, _ := t.field(r.Evidence[0])
	var scratch []byte
	for i := range rows.Len() {
		s := rows.At(i)
		v := r.Of(s)
		if !v.Has() {
			if first != nil {
				done.noteBlind(first.take(s, &scratch), first.Source)
			}
			continue
		}
		if !done.Measure.Has() || bad(v) > bad(done.Measure) {
			done.Measure, done.Basis = v, r.basis(s)
		}
		if l := r.grade(s, v, limits); l > OK {
			list = append(list, row{i, l, bad(v)})
			done.Level = max(done.Level, l)
		}
	}
	slices.SortStableFunc(list, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(b.by, a.by))
	})
	for _, r := range list[:min(len(list), mostRows)] {
		worst = append(worst, r.at)
	}
	return worst, len(list)
}

// unseen tells whether a reason says that something is there and was not seen.
func unseen(why inspect.Reason) bool {
	switch why {
	case inspect.Unsupported, inspect.Vanished, inspect.Unread:
		return false
	}
	return why.IsGap()
}

// noteBlind notes a row that could not be judged, where its evidence was not to be seen.
func (d *Ruled) noteBlind(v Value, src inspect.Source) {
	if why := v.Reason(); !v.Has() && unseen(why) {
		d.Unseen, d.Source, d.Reason = d.Unseen+1, src, why
	}
}

// Better leaves out findings whose rule names another that says the same better and
// has found something.
func Better(list []Finding) []Finding {
	found := map[string]bool{}
	for i := range list {
		found[list[i].ID] = true
	}
	return slices.DeleteFunc(list, func(f Finding) bool { return f.Unless != "" && found[f.Unless] })
}

// Once joins findings of a rule that say the same in the same words, such as those of
// several sockets that nobody has.
func Once(list []Finding) (out []Finding) {
	type said struct{ id, message string }
	at := map[said]int{}
	for _, f := range list {
		k := said{f.ID, f.Message}
		if i, ok := at[k]; ok {
			out[i].More += 1 + f.More
			continue
		}
		at[k] = len(out)
		out = append(out, f)
	}
	return out
}

// Health is how a domain stands, in a few words each: how much of it is in use, who
// has to wait for it, and what went wrong.
type Health struct{ Utilisation, Saturation, Errors string }
