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

// verdict is what a rule makes of one snapshot.
type verdict struct {
	measure explain.Value
	basis   explain.Basis
	level   explain.Level
}

// judge holds a rule against a snapshot: the one place where something is measured and
// given a level.
func judge[S explain.Snapshot[S]](r *explain.Rule[S], s S, limits explain.Limits) verdict {
	v := verdict{measure: r.Of(s), basis: basisOf(r, s)}
	if !v.measure.Has() {
		return v
	}
	v.level = grade(r, v.measure, thresholds(r, limits))
	if v.level > explain.Notice && v.basis == explain.Ever {
		v.level = explain.Notice // what was counted since the beginning may be long over
	}
	if v.level > explain.Notice && r.Most != nil {
		v.level = min(v.level, r.Most(s))
	}
	return v
}

// grade is what a measure is worth by thresholds.
func grade[S explain.Snapshot[S]](r *explain.Rule[S], v explain.Value, at explain.At) (found explain.Level) {
	for i, t := range [...]float64{at.Notice, at.Warning, at.Critical} {
		if t != 0 && (r.Below && v.Float() < t || !r.Below && v.Float() >= t) {
			found = explain.Level(i + 1)
		}
	}
	return found
}

// JudgeCard holds the card's own rules against a snapshot, each finding with its evidence.
func JudgeCard[S explain.Snapshot[S]](c *explain.Card[S], s S, limits explain.Limits) (j Judgement) {
	doubt := doubtsOf(s)
	doubted := doubt.in(c.Needs()).Any()
	for i := range c.Rules {
		r := &c.Rules[i]
		if r.Lifted {
			continue // its own topic has it
		}
		done := ruledBy(r, c.Name, limits)
		keys := restsOn(r, s)
		if done.Outcome != SwitchedOff && (!doubted || !done.noteDoubt(doubt.in(needsOf(c, keys)))) {
			cells := cellsOfCard(c, s, keys)
			var v verdict
			if done.Basis = basisOf(r, s); !done.notePart(cells) {
				v = judge(r, s, limits)
			}
			done.Measure, done.Level = v.measure, v.level
			if v.level > explain.OK {
				f := findingOf(r, s, v, limits)
				f.Cells, done.Rows = cells, 1
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

// restsOn are the keys of the values that a rule rests on here.
func restsOn[S explain.Snapshot[S]](r *explain.Rule[S], s S) []string {
	if r.Here != nil {
		return r.Here(s)
	}
	return r.Evidence
}

// Beside returns what a rule rests on that one value decides: that value and, where the kernel's own
// was seen, another one of src that is told with what the rule finds.
func Beside[S explain.Snapshot[S]](decides, told string, src inspect.Source) func(S) []string {
	return func(s S) []string {
		if s.Missing(src) != inspect.Present || doubtsOf(s).of(src).Any() {
			return []string{decides}
		}
		return []string{decides, told}
	}
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
	if why := d.Measure.Reason(); len(evidence) > 0 && unseen(why) { // the measure itself says so
		d.Outcome, d.Source, d.Reason = Blind, evidence[0].Doc.Source, why
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

// mostRows is how many rows one rule reports, the worst first.
const mostRows = 3

// JudgeTable applies the table's own rules to all rows. A rule that finds the same in many
// rows reports the worst.
func JudgeTable[S explain.Snapshot[S]](t *explain.Table[S], command string, rows explain.Rows[S], limits explain.Limits) (j Judgement) {
	doubt := doubtsOfRows(rows)
	for i := range t.Rules {
		r := &t.Rules[i]
		if r.Lifted {
			continue
		}
		done := ruledBy(r, command, limits)
		if done.Outcome != SwitchedOff && !done.noteDoubt(doubt.in(ruleNeeds(t, r))) {
			found := judgeRows(t, r, rows, limits, &done)
			if done.noteSeen(seenFor(t, r, rows)) {
				done.Measure = explain.Value{}
			}
			worst := found[:min(len(found), mostRows)]
			for _, hit := range worst {
				s := rows.At(hit.row)
				f := findingOf(r, s, hit.verdict, limits)
				f.Table, f.Cells = t.Name, cellsOfTable(t, s, f.Evidence)
				j.Findings = append(j.Findings, f)
			}
			if n := len(j.Findings); len(worst) > 0 {
				j.Findings[n-1].More = len(found) - len(worst)
			}
			done.Rows = len(found)
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
		if !t.Rules[i].Lifted {
			n = n.Plus(ruleNeeds(t, &t.Rules[i]))
		}
	}
	return n
}

// ruleNeeds is what a rule of the table rests on.
func ruleNeeds[S explain.Snapshot[S]](t *explain.Table[S], r *explain.Rule[S]) (n inspect.Sources) {
	for _, key := range r.Evidence {
		if f, err := fieldOf(t, key); err == nil {
			n = n.Plus(f.Needs())
		}
	}
	return n
}

// hit is a row that a rule finds something of.
type hit struct {
	row int
	verdict
}

// judgeRows holds a rule against all rows and notes what it measured and of how many it
// could not see what it rests on. It returns the rows that it finds something of, the worst
// first.
func judgeRows[S explain.Snapshot[S]](
	t *explain.Table[S],
	r *explain.Rule[S],
	rows explain.Rows[S],
	limits explain.Limits,
	done *Ruled,
) (found []hit) {
	first, _ := fieldOf(t, r.Evidence[0])
	if first != nil && rows.Len() == 0 {
		done.noteBlind(explain.None(emptied(rows)(first.Source)), first.Source)
	}
	var scratch []byte
	for i := range rows.Len() {
		s := rows.At(i)
		v := judge(r, s, limits)
		if !v.measure.Has() {
			noteRow(t, r, s, v.measure, &scratch, done)
			continue
		}
		if !done.Measure.Has() || worse(r, v.measure, done.Measure) > 0 {
			done.Measure, done.Basis = v.measure, v.basis
		}
		if v.level > explain.OK {
			found = append(found, hit{i, v})
			done.Level = max(done.Level, v.level)
		}
	}
	slices.SortStableFunc(found, func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.level, a.level), worse(r, b.measure, a.measure))
	})
	return found
}

// worse compares measures: above zero where the first is the worse one.
func worse[S explain.Snapshot[S]](r *explain.Rule[S], a, b explain.Value) int {
	if r.Below {
		return cmp.Compare(b.Float(), a.Float())
	}
	return cmp.Compare(a.Float(), b.Float())
}

// unseen reports whether a reason says that something is there and was not seen.
func unseen(why inspect.Reason) bool {
	switch why {
	case inspect.Unsupported, inspect.Vanished, inspect.Unread:
		return false
	}
	return why.IsGap()
}

// noteRow notes a row that could not be judged where what it rests on was not to be seen: the measure itself says so,
// or its evidence, of which the first counts or, where the rule tells, that which matters in the row.
func noteRow[S explain.Snapshot[S]](
	t *explain.Table[S], r *explain.Rule[S], s S, measure explain.Value, scratch *[]byte, done *Ruled,
) {
	keys := r.Evidence[:1]
	if r.Here != nil {
		keys = r.Here(s)
	}
	for _, key := range keys {
		f, err := fieldOf(t, key)
		if err != nil {
			continue
		}
		if done.noteBlind(measure, f.Source) || done.noteBlind(Take(f, s, scratch), f.Source) {
			return
		}
	}
}

// noteBlind notes a row that could not be judged, where a part of its evidence was not to be seen; it reports whether.
func (d *Ruled) noteBlind(v explain.Value, src inspect.Source) bool {
	why := v.Reason()
	if v.Has() || !unseen(why) {
		return false
	}
	d.Unseen, d.Source, d.Reason = d.Unseen+1, src, why
	return true
}

// fromAll says of any evidence that /proc and /sys gave nothing, and why.
func fromAll(why inspect.Reason) func([]string) (inspect.Source, inspect.Reason) {
	return func([]string) (inspect.Source, inspect.Reason) { return inspect.ProcAndSys, why }
}

// blind is what becomes of a card's or a table's own rules where nothing could be read: of says
// which source their evidence would be from, and why it gave nothing.
func blind[S explain.Snapshot[S]](
	rules []explain.Rule[S],
	command string,
	limits explain.Limits,
	of func(evidence []string) (inspect.Source, inspect.Reason),
) (j Judgement) {
	for i := range rules {
		if rules[i].Lifted {
			continue
		}
		done := ruledBy(&rules[i], command, limits)
		if src, why := of(rules[i].Evidence); done.Outcome != SwitchedOff && why.IsGap() {
			done.Outcome, done.Unseen, done.Source, done.Reason = Blind, 1, src, why
		}
		j.Rules = append(j.Rules, done)
	}
	return j
}

// noteSeen notes what was not seen of the set that a rule is about; true if that is all of it.
func (d *Ruled) noteSeen(s inspect.Seen) (nothing bool) {
	if s.Whole() {
		return false
	}
	d.Unseen += max(s.Missed(), 1)
	d.Source, d.Reason = s.Source, s.Reason
	return s.Nothing()
}

// notePart notes of a card's rule which of its evidence is of a set that was seen in part, or
// was not seen: what is measured without is not of all that it is said of. It reports whether
// the value that the rule is about was not seen, so that there is nothing to measure.
func (d *Ruled) notePart(evidence []Cell) (nothing bool) {
	for i := range evidence {
		c := &evidence[i]
		none := d.noteSeen(c.Seen)
		d.noteSeen(c.Around)
		if why := c.Value.Reason(); !c.Value.Has() && unseen(why) {
			d.Unseen, d.Source, d.Reason = d.Unseen+1, c.Doc.Source, why
			none = true
		}
		nothing = nothing || none && i == 0
	}
	return nothing
}

// seenFor returns how much was seen of the rows for a rule: of rows that say so for each
// source, for that of the value that the rule is about.
func seenFor[S explain.Snapshot[S]](t *explain.Table[S], r *explain.Rule[S], rows explain.Rows[S]) inspect.Seen {
	if v, ok := rows.(Surveyor); ok {
		if first, err := fieldOf(t, r.Evidence[0]); err == nil {
			return v.SeenOf(first.Source)
		}
	}
	return seenOf(rows)
}

// seenOf returns how much was seen of what rows are found among.
func seenOf(rows any) inspect.Seen {
	if r, ok := rows.(Surveyed); ok {
		return r.Seen()
	}
	return inspect.Seen{}
}

// Better leaves out a finding if its rule names another one that says the same better, and
// that found something as bad.
func Better(list []Finding) []Finding {
	found := map[string]explain.Level{}
	for i := range list {
		found[list[i].ID] = max(found[list[i].ID], list[i].Level)
	}
	return slices.DeleteFunc(list, func(f Finding) bool {
		worst, other := found[f.Unless]
		return f.Unless != "" && other && f.Level <= worst
	})
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

// Findings holds rules against a snapshot that has no card here.
func Findings[S explain.Snapshot[S]](rules []explain.Rule[S], s S, limits explain.Limits) (out []Finding) {
	for i := range rules {
		if v := judge(&rules[i], s, limits); v.level > explain.OK {
			out = append(out, findingOf(&rules[i], s, v, limits))
		}
	}
	return out
}

// findingOf is what r found in s.
func findingOf[S explain.Snapshot[S]](r *explain.Rule[S], s S, v verdict, limits explain.Limits) Finding {
	f := Finding{
		ID: r.ID, Level: v.level, Message: r.Say(s), Evidence: r.Evidence, Concept: r.Concept, Next: r.Next,
		Measure: v.measure, What: r.What, Unit: r.Unit, Basis: v.basis, Below: r.Below,
		At: thresholds(r, limits), Means: r.Means, Unless: r.Unless,
	}
	if r.NextOf != nil {
		f.Next = r.NextOf(s)
	}
	return f
}

// RuleDoc is a rule without its type: what documentation and tests walk.
type RuleDoc struct {
	ID       string
	Command  string // the command that reports it: mem, mem PID
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
