package cmd

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kwhy/docs"
	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/concepts"
	"kwhy/output"
)

const explainLong = `Without a name: the concepts, a line each.

A name is a concept (page-cache), or a value as kwhy or the kernel spells it, in
any case: MemAvailable, committed_as, nr_dirty_threshold, VmRSS. It is explained,
and then read on this host.`

func (a *App) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [NAME]",
		Short: "Concepts and values: what they mean, and what they read here",
		Long:  explainLong,
		Example: `  kwhy explain
  kwhy explain available-memory
  kwhy explain MemAvailable`,
		Args: atMostOne,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completions(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			r, err := a.begin(c, "explain")
			if err != nil {
				return err
			}
			defer r.host.Close()
			if len(args) == 0 {
				return r.listConcepts()
			}
			return r.explain(args[0])
		},
	}
}

// completions are the names that explain takes.
func completions() []string {
	out := concepts.Names()
	seen := map[string]bool{}
	for _, e := range catalog.All().Entries {
		name := e.Doc.Key
		if e.Doc.Kernel != "" {
			name = e.Doc.Kernel
		}
		if !seen[name] {
			out = append(out, name)
		}
		seen[name] = true
	}
	return out
}

// explain explains a concept, or a value by any of its names.
func (r *run) explain(name string) error {
	all := catalog.All()
	concept, isConcept := catalog.Concept(name)
	entries := catalog.Find(all, name)
	switch {
	case isConcept && (len(entries) == 0 || name == concept):
		return r.explainConcept(concept, catalog.OfConcept(all, concept))
	case len(entries) > 0:
		return r.explainValue(entries)
	}
	near := catalog.Near(all, name)
	if len(near) == 0 {
		return usagef("nothing is called %q; kwhy explain lists the concepts", name)
	}
	return usagef("nothing is called %q; near it: %s", name, strings.Join(near, ", "))
}

func (r *run) explainConcept(name string, entries []explain.Entry) error {
	essay, err := concepts.Read(name)
	if err != nil {
		return err
	}
	rep, err := r.live(entries)
	if err != nil {
		return err
	}
	if r.set.Output != "text" {
		rep.Grids = append(rep.Grids, conceptGrid([]concepts.Essay{essay}, true))
		return r.print(r.header(r.app.Now(), 0), &rep)
	}
	t := r.text()
	t.Essay(output.Essay{Title: essay.Title, Gist: essay.Gist, Body: essay.Body, Source: essay.Source, Man: essay.Man, See: essay.See})
	return t.Live("On this host now", &rep)
}

func (r *run) explainValue(entries []explain.Entry) error {
	rep, err := r.live(entries)
	if err != nil {
		return err
	}
	if r.set.Output != "text" {
		return r.print(r.header(r.app.Now(), 0), &rep)
	}
	t := r.text()
	for i := range entries {
		t.Definition(&entries[i])
	}
	return t.Live("On this host now", &rep)
}

// live reads what the entries read on this host, those of one card or table at
// one time. One that cannot be read here is a gap like any other.
func (r *run) live(entries []explain.Entry) (explain.Report, error) {
	var all explain.Report
	for _, g := range together(entries) {
		if g.first.Table != "" && all.Grid(g.first.Table) != nil {
			continue // another command's table of that name had more of them
		}
		one, err := g.first.Live(r.host, g.keys...)
		if err != nil {
			return all, err
		}
		all.Parts = append(all.Parts, one.Parts...)
		all.Findings = append(all.Findings, one.Findings...)
		all.Grids = append(all.Grids, one.Grids...)
	}
	all.Tell(nil, r.host.Kernel)
	return all, nil
}

// group is entries that are read together.
type group struct {
	first explain.Entry
	keys  []string
}

// together groups entries by card and table: cards in their order, then tables,
// those first of which most columns are wanted.
func together(entries []explain.Entry) (out []group) {
	for _, e := range entries {
		i := slices.IndexFunc(out, func(g group) bool { return g.first.Command == e.Command && g.first.Table == e.Table })
		if i < 0 {
			i = len(out)
			out = append(out, group{first: e})
		}
		out[i].keys = append(out[i].keys, e.Doc.Key)
	}
	slices.SortStableFunc(out, func(a, b group) int {
		if a.first.Table == "" || b.first.Table == "" {
			return cmp.Compare(b2i(a.first.Table != ""), b2i(b.first.Table != ""))
		}
		return cmp.Compare(len(b.keys), len(a.keys))
	})
	return out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (r *run) listConcepts() error {
	var list []concepts.Essay
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			return err
		}
		list = append(list, e)
	}
	if r.set.Output != "text" {
		return r.print(r.header(r.app.Now(), 0), &explain.Report{Grids: []explain.Grid{conceptGrid(list, false)}})
	}
	return r.text().Concepts(chapters(list))
}

// chapters groups essays as the book does.
func chapters(list []concepts.Essay) (out []output.Chapter) {
	for _, e := range list {
		i := 0
		for i < len(out) && out[i].Title != e.Chapter {
			i++
		}
		if i == len(out) {
			out = append(out, output.Chapter{Title: e.Chapter})
		}
		out[i].Lines = append(out[i].Lines, [2]string{e.Name, e.Gist})
	}
	return out
}

// conceptGrid is essays as a table of the JSON contract.
func conceptGrid(list []concepts.Essay, whole bool) explain.Grid {
	column := func(key, gist string) explain.Doc { return explain.Doc{Key: key, Gist: gist} }
	g := explain.Grid{Name: "concepts", Shown: len(list), Total: len(list), Docs: []explain.Doc{
		column("name", "What kwhy explain takes."), column("title", "Its title."), column("chapter", "Where in the book it stands."),
		column("gist", "One sentence."), column("source", "Kernel sources and documentation behind it."),
		column("man", "Manual pages."), column("see", "Concepts to read next."),
	}}
	if whole {
		g.Docs = append(g.Docs, column("essay", "The text, in Markdown."))
	}
	g.Rows = iter.Seq[explain.Row](func(yield func(explain.Row) bool) {
		for i := range list {
			e := &list[i]
			row := explain.Row{Values: []explain.Value{
				explain.S(e.Name), explain.S(e.Title), explain.S(e.Chapter), explain.S(e.Gist),
				texts(e.Source), texts(e.Man), texts(e.See),
			}}
			if whole {
				row.Values = append(row.Values, explain.S(e.Body))
			}
			if !yield(row) {
				return
			}
		}
	})
	return g
}

func texts(list []string) explain.Value {
	out := make([]explain.Value, len(list))
	for i, s := range list {
		out[i] = explain.S(s)
	}
	return explain.L(out)
}

func (a *App) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of kwhy/v1", Args: noArgs,
		Long: "Prints the JSON Schema that the output of every command with -o json keeps to.",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.Out, docs.Schema)
			return err
		},
	}
}
