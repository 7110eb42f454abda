package lower

import (
	"cmp"
	"slices"

	"kwhy/explain"
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
	Level   explain.Level
	Measure explain.Value // of a table: of the row that is worst
	Basis   explain.Basis
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

// JudgeCard holds the card's own rules against a snapshot, each finding with its evidence.
func JudgeCard[S explain.Snapshot[S]](c *explain.Card[S], s S, limits explain.Limits) (j Judgement) {
	for i := range c.Rules {
		r := &c.Rules[i]
		if r.Lifted {
			continue // its own topic has it
		}
		cells := cellsOfCard(c, s, r.Evidence)
		done := ruledBy(r, c.Name, limits)
		if done.Outcome != SwitchedOff {
			done.Measure, done.Basis = r.Of(s), basisOf(r, s)
			if f, ok := judgeRule(r, s, limits); ok {
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

func ruledBy[S explain.Snapshot[S]](r *explain.Rule[S], command string, limits explain.Limits) Ruled {
	d := Ruled{RuleDoc: docOf(r, command), Outcome: Idle}
	d.At = thresholds(r, limits)
	if d.At == (explain.At{}) {
		d.Outcome = SwitchedOff
	}
	return d
}

// settle says what became of a rule, by what it measured and what it rests on.
func (d *Ruled) settle(evidence []Cell) {
	switch {
	case d.Level > explain.OK:
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

// cellsOfCard lowers the values of keys.
func cellsOfCard[S explain.Snapshot[S]](c *explain.Card[S], s S, keys []string) (out []Cell) {
	for _, key := range keys {
		for i := range c.Sections {
			for j := range c.Sections[i].Fields {
				if f := &c.Sections[i].Fields[j]; f.Key == key {
					out = append(out, cellOf(f, s))
				}
			}
		}
	}
	return out
}

// JudgesCard is what the card's own rules rest on.
func JudgesCard[S explain.Snapshot[S]](c *explain.Card[S]) (n inspect.Sources) {
	for i := range c.Rules {
		if !c.Rules[i].Lifted {
			n = n.Plus(needsOf(c, c.Rules[i].Evidence))
		}
	}
	return n
}

// mostRows is of how many rows one rule tells, the worst first.
const mostRows = 3

// JudgeTable holds the table's own rules against all rows. Of a rule that finds the same of
// many it tells the worst.
func JudgeTable[S explain.Snapshot[S]](t *explain.Table[S], command string, rows explain.Rows[S], limits explain.Limits) (j Judgement) {
	for i := range t.Rules {
		r := &t.Rules[i]
		if r.Lifted {
			continue
		}
		done := ruledBy(r, command, limits)
		if done.Outcome != SwitchedOff {
			worst, found := worstRows(t, r, rows, limits, &done)
			for k, at := range worst {
				if f, ok := judgeRule(r, rows.At(at), limits); ok {
					f.Table, f.Cells = t.Name, cellsOfTable(t, rows.At(at), f.Evidence)
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

func cellsOfTable[S explain.Snapshot[S]](t *explain.Table[S], s S, keys []string) (out []Cell) {
	for _, key := range keys {
		if f, err := fieldOf(t, key); err == nil {
			out = append(out, cellOf(f, s))
		}
	}
	return out
}

// JudgesTable is what the table's own rules rest on.
func JudgesTable[S explain.Snapshot[S]](t *explain.Table[S]) (n inspect.Sources) {
	for i := range t.Rules {
		for _, key := range t.Rules[i].Evidence {
			if f, err := fieldOf(t, key); err == nil && !t.Rules[i].Lifted {
				n = n.Plus(f.Needs())
			}
		}
	}
	return n
}

// worstRows returns the rows of which a rule finds most, and of how many it finds
// something. It notes what it measured.
func worstRows[S explain.Snapshot[S]](
	t *explain.Table[S],
	r *explain.Rule[S],
	rows explain.Rows[S],
	limits explain.Limits,
	done *Ruled,
) (worst []int, found int) {
	type row struct {
		at    int
		level explain.Level
		by    float64
	}
	bad := func(v explain.Value) float64 {
		if r.Below {
			return -v.Float()
		}
		return v.Float()
	}
	var list []row
	first, _ := fieldOf(t, r.Evidence[0])
	var scratch []byte
	for i := range rows.Len() {
		s := rows.At(i)
		v := r.Of(s)
		if !v.Has() {
			if first != nil {
				done.noteBlind(Take(first, s, &scratch), first.Source)
			}
			continue
		}
		if !done.Measure.Has() || bad(v) > bad(done.Measure) {
			done.Measure, done.Basis = v, basisOf(r, s)
		}
		if l := grade(r, s, v, limits); l > explain.OK {
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
func (d *Ruled) noteBlind(v explain.Value, src inspect.Source) {
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

// thresholds returns the thresholds in force.
func thresholds[S explain.Snapshot[S]](r *explain.Rule[S], limits explain.Limits) explain.At {
	if at, set := limits[r.ID]; set {
		return at
	}
	return r.At
}

func basisOf[S explain.Snapshot[S]](r *explain.Rule[S], s S) explain.Basis {
	if r.BasisOf != nil {
		return r.BasisOf(s)
	}
	return r.Basis
}

// levelOf returns what the measure is worth.
func levelOf[S explain.Snapshot[S]](r *explain.Rule[S], s S, limits explain.Limits) explain.Level {
	return grade(r, s, r.Of(s), limits)
}

func grade[S explain.Snapshot[S]](r *explain.Rule[S], s S, v explain.Value, limits explain.Limits) explain.Level {
	if !v.Has() {
		return explain.OK
	}
	at, found := thresholds(r, limits), explain.OK
	for i, t := range [...]float64{at.Notice, at.Warning, at.Critical} {
		if t != 0 && (r.Below && v.Float() < t || !r.Below && v.Float() >= t) {
			found = explain.Level(i + 1)
		}
	}
	if found > explain.Notice && basisOf(r, s) == explain.Ever {
		return explain.Notice
	}
	if found > explain.Notice && r.Most != nil {
		return min(found, r.Most(s))
	}
	return found
}

// judgeRule returns what r finds in s.
func judgeRule[S explain.Snapshot[S]](r *explain.Rule[S], s S, limits explain.Limits) (Finding, bool) {
	l := levelOf(r, s, limits)
	if l == explain.OK {
		return Finding{}, false
	}
	return findingOf(r, s, l, limits), true
}

// findingOf is what r found in s, of that level.
func findingOf[S explain.Snapshot[S]](r *explain.Rule[S], s S, l explain.Level, limits explain.Limits) Finding {
	f := Finding{
		ID: r.ID, Level: l, Message: r.Say(s), Evidence: r.Evidence, Concept: r.Concept, Next: r.Next,
		Measure: r.Of(
			s,
		), What: r.What, Unit: r.Unit, Basis: basisOf(r, s), Below: r.Below, At: thresholds(r, limits), Means: r.Means, Unless: r.Unless,
	}
	if r.NextOf != nil {
		f.Next = r.NextOf(s)
	}
	return f
}

// RuleDoc is a rule without its type: what documentation and tests walk.
type RuleDoc struct {
	ID       string
	Command  string // of whose report it is: mem, mem PID
	Evidence []string
	What     string
	Unit     explain.Unit
	Basis    explain.Basis
	Below    bool
	At       explain.At
	Means    string
	Concept  explain.Concept
	Next     string
	Unless   string
}

func docOf[S explain.Snapshot[S]](r *explain.Rule[S], command string) RuleDoc {
	return RuleDoc{r.ID, command, r.Evidence, r.What, r.Unit, r.Basis, r.Below, r.At, r.Means, r.Concept, r.Next, r.Unless}
}
