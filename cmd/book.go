package cmd

import (
	"slices"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/concepts"
	"kwhy/explain/lower"
	"kwhy/inspect"
	"kwhy/output"
)

// essays reads all essays, in the order of the book.
func essays() (list []concepts.Essay, err error) {
	for _, c := range concepts.Chapters() {
		for _, name := range c.Essays {
			e, err := concepts.Read(name)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
	}
	return list, nil
}

func (r *run) listConcepts() error {
	list, err := essays()
	if err != nil {
		return err
	}
	if r.set.Output != "text" {
		return r.print(r.header(r.app.Now(), 0), &lower.Report{Grids: []lower.Grid{conceptGrid(list, false)}})
	}
	return r.text().Concepts(chapters(list))
}

// book prints all essays; JSON has all values, words and rules too.
func (r *run) book() error {
	list, err := essays()
	if err != nil {
		return err
	}
	if r.set.Output != "text" {
		all := catalog.All()
		return r.print(r.header(r.app.Now(), 0), &lower.Report{Grids: []lower.Grid{
			conceptGrid(list, true), valueGrid(all.Entries), wordGrid(catalog.Words(all)), ruleGrid(all.Rules),
		}})
	}
	t := r.text()
	for i := range list {
		t.Page(essay(&list[i]))
	}
	return t.Live("", &lower.Report{}, false)
}

// chapters groups essays as the book does.
func chapters(list []concepts.Essay) (out []output.Chapter) {
	for _, c := range concepts.Chapters() {
		lines := output.Chapter{Title: c.Title}
		for _, e := range list {
			if e.Chapter == c.Name {
				lines.Lines = append(lines.Lines, [2]string{e.Name, e.Gist})
			}
		}
		out = append(out, lines)
	}
	return out
}

// fact is a column of a table of what kwhy knows: what it is called, and how it is taken
// out of a row.
type fact[T any] struct {
	doc explain.Doc
	get func(*T) explain.Value
}

// catalogue is a table of what kwhy knows, not of what it read.
func catalogue[T any](name string, list []T, facts []fact[T]) lower.Grid {
	g := lower.Grid{Name: name, Shown: len(list), Total: len(list)}
	for _, f := range facts {
		g.Docs = append(g.Docs, f.doc)
	}
	g.Rows = func(yield func(lower.Row) bool) {
		for i := range list {
			row := lower.Row{Values: make([]explain.Value, len(facts))}
			for j, f := range facts {
				row.Values[j] = f.get(&list[i])
			}
			if !yield(row) {
				return
			}
		}
	}
	return g
}

// textFact is a fact that is a text.
func textFact[T any](key, gist string, get func(*T) string) fact[T] {
	return fact[T]{explain.Doc{Key: key, Gist: gist}, func(of *T) explain.Value { return explain.S(get(of)) }}
}

// textsFact is a fact that is a list of texts.
func textsFact[T any](key, gist string, get func(*T) []string) fact[T] {
	return fact[T]{explain.Doc{Key: key, Gist: gist}, func(of *T) explain.Value { return texts(get(of)) }}
}

// conceptGrid is a table of essays.
func conceptGrid(list []concepts.Essay, whole bool) lower.Grid {
	type essay = concepts.Essay
	facts := []fact[essay]{
		textFact("name", "What kwhy explain takes.", func(e *essay) string { return e.Name }),
		textFact("title", "Its title.", func(e *essay) string { return e.Title }),
		textFact("chapter", "Where in the book it stands.", func(e *essay) string { return e.Chapter }),
		textFact("gist", "One sentence.", func(e *essay) string { return e.Gist }),
		textsFact("source", "Kernel sources and documentation behind it.", func(e *essay) []string { return e.Source }),
		textsFact("man", "Manual pages.", func(e *essay) []string { return e.Man }),
		textsFact("see", "Concepts to read next.", func(e *essay) []string { return e.See }),
		textsFact("also", "Other names that it is found by.", func(e *essay) []string { return e.Also }),
		textsFact("moved", "Sources that stood elsewhere in older kernels, and where.", moved),
	}
	if whole {
		facts = append(facts, textFact("essay", "The text, in Markdown.", func(e *essay) string { return e.Body }))
	}
	return catalogue("concepts", list, facts)
}

// moved lists where an essay's sources were in older kernels.
func moved(e *concepts.Essay) (out []string) {
	for _, s := range e.Source {
		if m, ok := concepts.Before(s); ok {
			out = append(out, s+" ("+m.String()+")")
		}
	}
	return out
}

// valueGrid is a table of declared values.
func valueGrid(list []lower.Entry) lower.Grid {
	type entry = lower.Entry
	return catalogue("values", list, []fact[entry]{
		textFact("key", "Its key in JSON.", func(e *entry) string { return e.Doc.Key }),
		textFact("kernel", "The kernel's own spelling; empty where kwhy made the value up.", func(e *entry) string { return e.Doc.Kernel }),
		textFact("command", "The subcommand that prints it.", func(e *entry) string { return e.Command }),
		textFact("table", "The table whose column it is; empty for a value of a card.", func(e *entry) string { return e.Table }),
		textFact("section", "The section of its card.", func(e *entry) string { return e.Section }),
		textFact("unit", "What the number counts.", func(e *entry) string { return string(e.Doc.Unit) }),
		textFact("source", "The file it is read from.", func(e *entry) string { return e.Doc.Source.String() }),
		textFact("since", "The first kernel that has it; empty: all since 4.0.", func(e *entry) string { return release(e.Doc.Since) }),
		textFact("until", "The first kernel without it.", func(e *entry) string { return release(e.Doc.Until) }),
		textFact("needs", "What the kernel must be built or booted with.", func(e *entry) string { return e.Doc.Requires() }),
		textFact("gist", "One sentence.", func(e *entry) string { return e.Doc.Gist }),
		textFact("concept", "The essay behind it.", func(e *entry) string { return string(e.Doc.Concept) }),
		textsFact("words", "The words that are its values.", func(e *entry) (out []string) {
			for _, w := range e.Doc.Words {
				out = append(out, w.Name)
			}
			return out
		}),
	})
}

func release(v inspect.Version) string {
	if v == (inspect.Version{}) {
		return ""
	}
	return v.String()
}

// wordGrid is a table of the words that values can be.
func wordGrid(list []catalog.Meaning) lower.Grid {
	type meaning = catalog.Meaning
	return catalogue("words", list, []fact[meaning]{
		textFact("name", "The word.", func(m *meaning) string { return m.Name }),
		textFact("gist", "One sentence.", func(m *meaning) string { return m.Gist }),
		textFact("concept", "The essay behind it.", func(m *meaning) string { return string(m.Concept) }),
		textsFact("of", "The keys of the values that it can be.", func(m *meaning) (keys []string) {
			for i := range m.Of {
				keys = append(keys, m.Of[i].Doc.Key)
			}
			slices.Sort(keys)
			return slices.Compact(keys)
		}),
	})
}

// ruleGrid is a table of rules.
func ruleGrid(list []lower.RuleDoc) lower.Grid {
	type rule = lower.RuleDoc
	from := func(key, gist string, get func(*rule) float64) fact[rule] {
		return fact[rule]{explain.Doc{Key: key, Gist: gist, Unit: explain.Decimal}, func(r *rule) explain.Value {
			if at := get(r); at != 0 {
				return explain.F(at)
			}
			return explain.None(inspect.Inapplicable)
		}}
	}
	return catalogue("rules", list, []fact[rule]{
		textFact("id", "Its name.", func(r *rule) string { return r.ID }),
		textFact("command", "The subcommand whose values it judges.", func(r *rule) string { return r.Command }),
		textFact("what", "What it measures.", func(r *rule) string { return r.What }),
		textFact("unit", "The unit of its measure and thresholds.", func(r *rule) string { return string(r.Unit) }),
		textFact("basis", "The time that it rests on: now, interval, since_start.", func(r *rule) string { return r.Basis.String() }),
		textFact("means", "What it means in terms of the kernel.", func(r *rule) string { return r.Means }),
		textsFact("evidence", "Keys of the values that it rests on; the first carries the level.", func(r *rule) []string { return r.Evidence }),
		{
			explain.Doc{Key: "below", Gist: "Whether small is bad.", Unit: explain.Bool},
			func(r *rule) explain.Value { return explain.B(r.Below) },
		},
		from("notice", "From here it is worth a notice.", func(r *rule) float64 { return r.At.Notice }),
		from("warning", "From here a warning.", func(r *rule) float64 { return r.At.Warning }),
		from("critical", "From here critical.", func(r *rule) float64 { return r.At.Critical }),
		textFact("concept", "The essay behind it.", func(r *rule) string { return string(r.Concept) }),
		textFact("next", "What to run next.", func(r *rule) string { return r.Next }),
	})
}

func texts(list []string) explain.Value {
	out := make([]explain.Value, len(list))
	for i, s := range list {
		out[i] = explain.S(s)
	}
	return explain.L(out)
}
