package lower

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/inspect"
)

// Page is what one form of a command shows of a snapshot S. Who needs less than the
// whole of it, such as kwhy explain for one value, takes just that.
type Page[S explain.Snapshot[S]] struct {
	Command string
	Scope   explain.Scope
	// Like is the command whose rows have the same columns, of a page that has more rows.
	Like   string
	Card   explain.Card[S]
	Tables []Attached[S] // as they are printed
	Doing  string        // while it is read, for who watches: "reading memory"

	// Take reads the wanted sources.
	Take func(h *inspect.Host, want inspect.Sources) (S, error)
	// First and Second take the samples that the page is about, where that is more than
	// Take does: rows that are shown are chosen while they are read. First is the one an
	// interval ago. Second is given that, or the zero S without one. nil: Take.
	First  func(h *inspect.Host, want inspect.Sources) (S, error)
	Second func(h *inspect.Host, want inspect.Sources, was S) (S, error)
	// Since pairs a sample with the one an interval ago, and parts the two where that is the
	// zero S; nil where a page knows no interval.
	Since func(now, was S)
	// Same reports whether two samples are of the same process, and NoneLeft marks one
	// whose process ended before the second.
	Same     func(was, now S) bool
	NoneLeft func(S)
	// Ended is found of one whose process ended before the second, where NoneLeft does not mark it.
	Ended func(S, explain.Limits) []Finding
	// Meanwhile lets the interval pass, where there is something to watch.
	Meanwhile func(h *inspect.Host, d time.Duration, sleep func(time.Duration))

	At      func(S) time.Time         // when it was taken
	Gaps    func(S) []inspect.Gap     // what could not be seen
	Summary func(*Report, S) []string // for the header of text
	Subject func(S) *Subject          // of a process
	Finish  func(rep *Report, s S)    // what joins parts of the report

	Check func() *Check[S] // how kwhy check looks at it; nil: it does not
}

// Subject is the process that a page is about.
type Subject struct {
	PID  int32
	Comm string
	Born time.Time // zero where it is not known
}

// Form returns the command that shows the page.
func (p *Page[S]) Form() string { return p.Command }

// Of returns what the page is about.
func (p *Page[S]) Of() explain.Scope { return p.Scope }

// Needs is what the whole page reads.
func (p *Page[S]) Needs() inspect.Sources {
	want := p.Card.Needs()
	for _, t := range p.Tables {
		want = want.Plus(t.Needs())
	}
	return want
}

// Sample takes the first of two samples.
func (p *Page[S]) Sample(h *inspect.Host) (S, error) {
	if p.First != nil {
		return p.First(h, p.Needs())
	}
	return p.Take(h, p.Needs())
}

// Look takes the sample that is shown; was is the one an interval ago, or the zero S.
func (p *Page[S]) Look(h *inspect.Host, was S) (S, error) {
	if p.Second != nil {
		return p.Second(h, p.Needs(), was)
	}
	return p.Take(h, p.Needs())
}

// Report lowers a snapshot and judges it.
func (p *Page[S]) Report(s S, limits explain.Limits) Report {
	rep := Explain(&p.Card, s, limits)
	for _, t := range p.Tables {
		t.Add(&rep, s)
	}
	if p.Finish != nil {
		p.Finish(&rep, s)
	}
	return rep
}

// Over adds to a report of the first of two samples that the process had ended before the second.
func (p *Page[S]) Over(rep *Report, s S) {
	if p.Ended != nil {
		rep.Findings = append(rep.Findings, p.Ended(s, rep.Limits)...)
	}
}

// Catalogue lists the values and rules of the page.
func (p *Page[S]) Catalogue() Catalogue {
	out := CardTopic(&p.Card, p.Command, p.Take)
	for _, t := range p.Tables {
		out = out.Plus(t.Catalogue(p))
	}
	for i := range out.Entries {
		out.Entries[i].Scope, out.Entries[i].Like = p.Scope, p.Like
	}
	return out
}

// choice is the columns of the table of which they can be chosen; false without one.
func (p *Page[S]) choice() (Columns, bool) {
	for _, t := range p.Tables {
		if c, asked := t.Columns(); asked {
			return c, true
		}
	}
	return Columns{}, false
}

// Run takes the page of a host once and reports it.
func (p *Page[S]) Run(h *inspect.Host, limits explain.Limits) (Report, error) {
	var none S
	s, err := p.Look(h, none)
	if err != nil {
		return Report{}, err
	}
	rep := p.Report(s, limits)
	if p.Gaps != nil {
		rep.Tell(p.Gaps(s), h.Kernel)
	}
	return rep, nil
}

// Drop takes a value away, wherever the page has it.
func (p *Page[S]) Drop(key string) {
	sections := slices.Clone(p.Card.Sections)
	for i := range sections {
		sections[i].Fields = without(&sections[i], key)
		if sections[i].By == key {
			sections[i].Title, _, _ = strings.Cut(sections[i].Title, " by ")
		}
	}
	p.Card.Sections = sections
	for _, t := range p.Tables {
		t.Drop(key)
	}
}

// without returns the fields of a section but for one. What the others leave of the whole
// has that one in it then.
func without[S explain.Snapshot[S]](s *explain.Section[S], key string) []explain.Field[S] {
	fields := slices.DeleteFunc(slices.Clone(s.Fields), func(f explain.Field[S]) bool { return f.Key == key })
	if last := len(fields) - 1; s.Rest != nil && len(fields) < len(s.Fields) && s.Fields[len(s.Fields)-1].Key != key {
		fields[last] = s.Rest(fields[:last])
	}
	return fields
}

// Lack is a name that a page's own code gives and that nothing of the page has.
type Lack struct {
	What string // column, identity, evidence, whole, table, order, rule
	Name string
	Rule string // whose evidence it is
	Else bool   // of a rule that another page declares, which has to have it
}

// Lacks returns the names that the page's own code gives and that nothing has: sort keys
// and columns of its tables, wholes, tables that its sections place, and evidence.
func (p *Page[S]) Lacks() (out []Lack) {
	has := map[string]bool{}
	for i := range p.Card.Sections {
		for j := range p.Card.Sections[i].Fields {
			has[p.Card.Sections[i].Fields[j].Key] = true
		}
	}
	placed := map[string]bool{}
	for _, t := range p.Tables {
		placed[t.Name()] = true
	}
	for _, s := range p.Card.Sections {
		if s.By != "" && !slices.ContainsFunc(p.Tables, func(t Attached[S]) bool { return t.Name() == s.Table && t.Has(s.By) }) {
			out = append(out, Lack{What: "order", Name: s.By})
		}
		if s.Whole != "" && !has[s.Whole] {
			out = append(out, Lack{What: "whole", Name: s.Whole})
		}
		if s.Table != "" && !placed[s.Table] {
			out = append(out, Lack{What: "table", Name: s.Table})
		}
	}
	for i := range p.Card.Rules {
		out = append(out, lackedBy(&p.Card.Rules[i], func(key string) bool { return has[key] })...)
	}
	for _, t := range p.Tables {
		out = append(out, t.Lacks()...)
	}
	return out
}

// lackedBy names the evidence of a rule that its card or table has not.
func lackedBy[S explain.Snapshot[S]](r *explain.Rule[S], has func(key string) bool) (out []Lack) {
	for i, key := range r.Evidence {
		if !has(key) { // the first carries the level: it is here, wherever the rule is from
			out = append(out, Lack{What: "evidence", Name: key, Rule: r.ID, Else: r.Lifted && i > 0})
		}
	}
	return out
}

// List lists all values, rules and trials of topics.
func List(topics ...explain.Topic) (out Catalogue) {
	for _, t := range topics {
		for _, p := range t.Pages() {
			if c, ok := p.(catalogued); ok {
				out = out.Plus(c.Catalogue())
			}
		}
		if t.Trials != nil {
			out.Trials = append(out.Trials, t.Trials()...)
		}
	}
	return out
}

// Attached is a table of a page, the type of its rows erased.
type Attached[S explain.Snapshot[S]] interface {
	// Needs is what the table reads in addition to the page's card.
	Needs() inspect.Sources
	// Add lowers the table and adds it, with what its rules find, to a report.
	Add(*Report, S)
	// Catalogue lists its columns and rules.
	Catalogue(*Page[S]) Catalogue
	// Judges is what its own rules rest on; false where it has none.
	Judges() (inspect.Sources, bool)
	// Judge holds its rules against all rows, and Blind is the judgement without any.
	Judge(command string, s S, limits explain.Limits) Judgement
	Blind(command string, limits explain.Limits, why inspect.Reason) Judgement
	// Name is the table's, by which a section places it.
	Name() string
	// Columns are those that can be chosen; false where this is not the table for it.
	Columns() (Columns, bool)
	// Drop takes a column away, Has reports whether it is there, and Lacks names what the
	// table's own code names and it has not.
	Drop(key string)
	Has(key string) bool
	Lacks() []Lack
}

// Rows attaches a table to a page.
type Rows[S explain.Snapshot[S], T explain.Snapshot[T]] struct {
	View *View[T] // the table as it was asked for
	// Of returns the rows; nil where the table is not shown.
	Of func(S) explain.Rows[T]
	// Order returns the rows that are shown, where they were chosen while they were read.
	Order func(S) []int32
	// Scan reads just what a view needs; nil: the page's Take does.
	Scan func(h *inspect.Host, v *View[T]) (explain.Rows[T], []int32, error)
	// Plus is what its rows need in addition to their own columns when they are read alone.
	Plus inspect.Sources
	// Asked says that --columns and --sort of the command are of this table.
	Asked bool
	// Ready is what is read for the page itself already: nothing more for its columns.
	Ready bool
	// Command is the command that kwhy check names for its rules; "" is the page's.
	Command string
	// Judged returns the rows that kwhy check judges, where these are not those of Of, and
	// Leaves are the rules that it leaves to another topic, which says the same better.
	Judged func(S) explain.Rows[T]
	Leaves []string
	// Known is what is read of every row, shown or not, besides what filter and first sort key
	// need: a rule that rests on more marks rows and finds nothing, for what it finds would
	// depend on how many are shown. Of a table without it every row is read whole.
	Known inspect.Sources
	Title string // where it is not the table's
	More  string // how to see the rows that are left out
	Left  string // what the rows are that no limit left out
	Empty string // what stands in place of rows
	// Found changes what its rules found.
	Found func(*Report, S, []Finding) []Finding
	// Elsewhere is a table that another page declares: this one's catalogue leaves it out.
	Elsewhere bool
}

// NotAsked are the rows of a table of processes that no limit left out.
const NotAsked = "the others ended meanwhile, or are not as was asked"

// Table attaches a table in its own order, cut to a limit; 0 is none.
func Table[S explain.Snapshot[S], T explain.Snapshot[T]](t *explain.Table[T], limit int, of func(S) explain.Rows[T]) *Rows[S, T] {
	return &Rows[S, T]{View: Own(t, nil, nil, limit), Of: of}
}

// Judged attaches a table of another form of the command, for kwhy check alone: its rows are
// judged here, and shown and listed there.
func Judged[S explain.Snapshot[S], T explain.Snapshot[T]](form string, t *explain.Table[T], of func(S) explain.Rows[T]) *Rows[S, T] {
	return &Rows[S, T]{
		View: Own(t, nil, nil, 0), Ready: true, Elsewhere: true, Command: form,
		Of: func(S) explain.Rows[T] { return nil }, Judged: of,
	}
}

// Needs is what the table reads in addition to the page's card.
func (r *Rows[S, T]) Needs() inspect.Sources {
	if r.Ready {
		return inspect.Sources{}
	}
	return r.View.Needs().Plus(r.View.Rank()).Plus(r.Plus)
}

// Add lowers the table and adds it to a report.
func (r *Rows[S, T]) Add(rep *Report, s S) {
	rows := r.Of(s)
	if rows == nil {
		return
	}
	var order []int32
	if r.Order != nil {
		order = r.Order(s)
	} else {
		order = r.View.Order(rows)
	}
	g, _ := r.View.Explain(rows, order, rep.Limits)
	found := r.everywhere(rows, rep.Limits)
	if r.Title != "" {
		g.Title = r.Title
	}
	g.More, g.Empty = r.More, r.Empty
	if r.View.limit == 0 || g.Shown < r.View.limit {
		g.More = r.Left // no limit left them out
	}
	if r.Found != nil {
		found = r.Found(rep, s, found)
	}
	rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
}

// mostFilled is of how many rows in which something was found the rest is read, to tell it.
const mostFilled = 100

// everywhere holds the rules against all rows that the filters let through, so that what is
// found does not depend on how many of them are shown.
func (r *Rows[S, T]) everywhere(rows explain.Rows[T], limits explain.Limits) []Finding {
	v := *r.View.trusting(rows)
	if r.Known != (inspect.Sources{}) {
		known := r.Known.Plus(v.first()).Plus(inspect.Of(inspect.PIDEntry)) // that it is a row
		t := *v.table
		t.Rules = slices.DeleteFunc(slices.Clone(t.Rules), func(rule explain.Rule[T]) bool {
			rests := ruleNeeds(&t, &rule)
			return rests.Plus(known) != known
		})
		v.table = &t
	}
	if len(v.table.Rules) == 0 {
		return nil
	}
	v.limit = 0
	hits := slices.DeleteFunc(v.kept(rows), func(i int32) bool { return levelOfRow(v.table, rows.At(int(i)), limits) == explain.OK })
	hits = v.cut(rows, hits, min(1, len(v.sort))) // further keys are not read of all
	if scan, ok := rows.(explain.Scan[T]); ok {   // what is found is told whole, shown or not
		scan.Fill(hits[:min(len(hits), mostFilled)], v.Needs())
	}
	_, found := v.judgeRows(rows, hits, limits)
	return found
}

// Catalogue lists the table's columns and rules.
func (r *Rows[S, T]) Catalogue(p *Page[S]) Catalogue {
	if r.Elsewhere {
		return Catalogue{}
	}
	scan := r.Scan
	if scan == nil {
		scan = func(h *inspect.Host, v *View[T]) (explain.Rows[T], []int32, error) {
			s, err := p.Take(h, v.Needs().Plus(v.Rank()).Plus(r.Plus))
			if err != nil {
				return nil, nil, err
			}
			rows := r.Of(s)
			return rows, v.Order(rows), nil
		}
	}
	return TableTopic(r.View.table, p.Command, scan)
}

// Name is the table's.
func (r *Rows[S, T]) Name() string { return r.View.table.Name }

// Columns are those that can be chosen; false where this is not the table for it.
func (r *Rows[S, T]) Columns() (Columns, bool) { return columnsIn(r.View.table.Fields), r.Asked }

// Drop takes a column away.
func (r *Rows[S, T]) Drop(key string) { r.View.Drop(key) }

// Has reports whether the table has a column.
func (r *Rows[S, T]) Has(key string) bool {
	_, err := fieldOf(r.View.table, key)
	return err == nil
}

// Lacks names what the table's own code names and it does not have.
func (r *Rows[S, T]) Lacks() (out []Lack) {
	t, has := r.View.table, r.Has
	for _, key := range r.View.lacks {
		out = append(out, Lack{What: "column", Name: key})
	}
	for _, key := range t.Identity {
		if !has(key) {
			out = append(out, Lack{What: "identity", Name: key})
		}
	}
	for i := range t.Rules {
		out = append(out, lackedBy(&t.Rules[i], has)...)
	}
	for _, id := range r.Leaves {
		if !slices.ContainsFunc(t.Rules, func(rule explain.Rule[T]) bool { return rule.ID == id }) {
			out = append(out, Lack{What: "rule", Name: id})
		}
	}
	return out
}

// judged is the table with the rules that kwhy check holds against its rows.
func (r *Rows[S, T]) judged() *explain.Table[T] {
	t := *r.View.table
	t.Rules = slices.DeleteFunc(slices.Clone(t.Rules), func(rule explain.Rule[T]) bool { return slices.Contains(r.Leaves, rule.ID) })
	return &t
}

// Judges is what the table's own rules rest on; false where it has none.
func (r *Rows[S, T]) Judges() (inspect.Sources, bool) {
	t := r.judged()
	return JudgesTable(t), slices.ContainsFunc(t.Rules, func(rule explain.Rule[T]) bool { return !rule.Lifted })
}

// Judge holds the table's rules against all rows.
func (r *Rows[S, T]) Judge(command string, s S, limits explain.Limits) Judgement {
	of := r.Of
	if r.Judged != nil {
		of = r.Judged
	}
	rows, t := of(s), r.judged()
	switch _, any := r.Judges(); {
	case !any:
		return Judgement{}
	case rows == nil: // they could not be listed
		return blind(t.Rules, cmp.Or(r.Command, command), limits, func(evidence []string) (inspect.Source, inspect.Reason) {
			f, err := fieldOf(t, evidence[0])
			if err != nil {
				return inspect.None, inspect.Present
			}
			return f.Source, s.Missing(f.Source)
		})
	}
	return JudgeTable(t, cmp.Or(r.Command, command), rows, limits)
}

// Blind is the judgement of a table of which nothing could be read.
func (r *Rows[S, T]) Blind(command string, limits explain.Limits, why inspect.Reason) Judgement {
	return blind(r.judged().Rules, cmp.Or(r.Command, command), limits, fromAll(why))
}

// MustPage returns a page with its own options, which name nothing that is not there.
func MustPage[S explain.Snapshot[S]](p *Page[S], err error) *Page[S] {
	if err != nil {
		panic(err)
	}
	return p
}
