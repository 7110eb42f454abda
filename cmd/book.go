package cmd

import (
	"iter"
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

// catalogue is a table of what kwhy knows, not of what it read.
func catalogue(name string, columns []explain.Doc, n int, row func(i int) []explain.Value) lower.Grid {
	return lower.Grid{Name: name, Docs: columns, Shown: n, Total: n, Rows: iter.Seq[lower.Row](func(yield func(lower.Row) bool) {
		for i := range n {
			if !yield(lower.Row{Values: row(i)}) {
				return
			}
		}
	})}
}

func column(key, gist string) explain.Doc { return explain.Doc{Key: key, Gist: gist} }

// conceptGrid is a table of essays.
func conceptGrid(list []concepts.Essay, whole bool) lower.Grid {
	columns := []explain.Doc{
		column("name", "What kwhy explain takes."), column("title", "Its title."), column("chapter", "Where in the book it stands."),
		column("gist", "One sentence."), column("source", "Kernel sources and documentation behind it."),
		column("man", "Manual pages."), column("see", "Concepts to read next."), column("also", "Other names that it is found by."),
		column("moved", "Sources that stood elsewhere in older kernels, and where."),
	}
	if whole {
		columns = append(columns, column("essay", "The text, in Markdown."))
	}
	return catalogue("concepts", columns, len(list), func(i int) []explain.Value {
		e := &list[i]
		row := []explain.Value{
			explain.S(e.Name),
			explain.S(e.Title),
			explain.S(e.Chapter),
			explain.S(e.Gist),
			texts(e.Source),
			texts(e.Man),
			texts(e.See),
			texts(e.Also),
			texts(moved(e)),
		}
		if whole {
			row = append(row, explain.S(e.Body))
		}
		return row
	})
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
	return catalogue("values", []explain.Doc{
		column("key", "Its key in JSON."), column("kernel", "The kernel's own spelling; empty where kwhy made the value up."),
		column("command", "The subcommand that prints it."), column("table", "The table whose column it is; empty for a value of a card."),
		column("section", "The section of its card."), column("unit", "What the number counts."), column("source", "The file it is read from."),
		column("since", "The first kernel that has it; empty: all since 4.0."), column("until", "The first kernel without it."),
		column(
			"needs",
			"What the kernel must be built or booted with.",
		), column("gist", "One sentence."), column("concept", "The essay behind it."),
		column("words", "The words that are its values."),
	}, len(list), func(i int) []explain.Value {
		e := &list[i]
		d := &e.Doc
		var words []string
		for _, w := range d.Words {
			words = append(words, w.Name)
		}
		return []explain.Value{
			explain.S(d.Key),
			explain.S(d.Kernel),
			explain.S(e.Command),
			explain.S(e.Table),
			explain.S(e.Section),
			explain.S(string(d.Unit)),
			explain.S(d.Source.String()),
			explain.S(
				release(d.Since),
			),
			explain.S(release(d.Until)),
			explain.S(d.Requires()),
			explain.S(d.Gist),
			explain.S(string(d.Concept)),
			texts(words),
		}
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
	return catalogue("words", []explain.Doc{
		column(
			"name",
			"The word.",
		), column("gist", "One sentence."), column("concept", "The essay behind it."), column("of", "The keys of the values that it can be."),
	}, len(list), func(i int) []explain.Value {
		var keys []string
		for _, e := range list[i].Of {
			keys = append(keys, e.Doc.Key)
		}
		slices.Sort(keys)
		return []explain.Value{explain.S(list[i].Name), explain.S(list[i].Gist), explain.S(string(list[i].Concept)), texts(slices.Compact(keys))}
	})
}

// ruleGrid is a table of rules.
func ruleGrid(list []lower.RuleDoc) lower.Grid {
	at := func(f float64) explain.Value {
		if f == 0 {
			return explain.None(inspect.Inapplicable)
		}
		return explain.F(f)
	}
	number := func(key, gist string) explain.Doc { return explain.Doc{Key: key, Gist: gist, Unit: explain.Decimal} }
	return catalogue("rules", []explain.Doc{
		column(
			"id",
			"Its name.",
		),
		column("command", "The subcommand whose values it judges."),
		column("what", "What it measures."),
		column("unit", "The unit of its measure and thresholds."),
		column(
			"basis",
			"The time that it rests on: now, interval, since_start.",
		),
		column("means", "What it means in terms of the kernel."),
		column("evidence", "Keys of the values that it rests on; the first carries the level."),
		{Key: "below", Gist: "Whether small is bad.", Unit: explain.Bool},
		number("notice", "From here it is worth a notice."), number("warning", "From here a warning."), number("critical", "From here critical."),
		column("concept", "The essay behind it."), column("next", "What to run next."),
	}, len(list), func(i int) []explain.Value {
		r := &list[i]
		return []explain.Value{
			explain.S(r.ID),
			explain.S(r.Command),
			explain.S(r.What),
			explain.S(string(r.Unit)),
			explain.S(r.Basis.String()),
			explain.S(r.Means),
			texts(r.Evidence),
			explain.B(r.Below),
			at(r.At.Notice),
			at(r.At.Warning),
			at(r.At.Critical),
			explain.S(string(r.Concept)),
			explain.S(r.Next),
		}
	})
}

func texts(list []string) explain.Value {
	out := make([]explain.Value, len(list))
	for i, s := range list {
		out[i] = explain.S(s)
	}
	return explain.L(out)
}
