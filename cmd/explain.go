package cmd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kwhy/docs"
	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/concepts"
	"kwhy/output"
)

const explainLong = `Without a name: the concepts by chapter, a line each.

A name is a concept (page-cache), a value as kwhy or the kernel spells it, in any
case (MemAvailable, committed_as, se.vruntime, VmRSS), or a word that is a value (D,
SCHED_DEADLINE, memfd). It is explained, and then read on this host.`

type explainOptions struct{ noLive, all bool }

func (a *App) explainCommand() *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain [NAME]",
		Short: "Concepts and values: what they mean, and what they read here",
		Long:  explainLong,
		Example: `  kwhy explain
  kwhy explain available-memory
  kwhy explain MemAvailable
  kwhy explain D
  kwhy explain --all -o json | jq -r '.tables.values.rows[] | [.key, .gist] | @tsv'`,
		Args: atMostOne,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completions(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			if o.all && len(args) > 0 {
				return usagef("--all is without a name")
			}
			r, err := a.begin(c, "explain")
			if err != nil {
				return err
			}
			defer r.host.Close()
			switch {
			case o.all:
				return r.book()
			case len(args) == 0:
				return r.listConcepts()
			}
			return r.explain(args[0], o.noLive)
		},
	}
	c.Flags().BoolVar(&o.noLive, "no-live", false, "leave out what it reads on this host")
	c.Flags().BoolVar(&o.all, "all", false, "the whole book; as JSON, with every value, word and rule")
	return c
}

// completions are the names that explain takes.
func completions() []string {
	out := concepts.Names()
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			out = append(out, name)
		}
		seen[name] = true
	}
	all := catalog.All()
	for _, e := range all.Entries {
		add(cmp.Or(e.Doc.Kernel, e.Doc.Key))
	}
	for _, w := range catalog.Words(all) {
		add(w.Name)
	}
	return out
}

// explain explains a concept, or a value or a word by any of its names.
func (r *run) explain(name string, noLive bool) error {
	all := catalog.All()
	concept, isConcept := catalog.Concept(name)
	entries, words := catalog.Find(all, name), catalog.Meanings(all, name)
	if isConcept && (len(entries) == 0 || name == concept) {
		return r.explainConcept(concept, catalog.OfConcept(all, concept), noLive)
	}
	if len(entries)+len(words) > 0 {
		return r.explainValue(entries, words, noLive)
	}
	near := catalog.Near(all, name)
	if len(near) == 0 {
		return usagef("nothing is called %q; kwhy explain lists the concepts", name)
	}
	return usagef("nothing is called %q; near it: %s", name, strings.Join(near, ", "))
}

func (r *run) explainConcept(name string, entries []explain.Entry, noLive bool) error {
	essay, err := concepts.Read(name)
	if err != nil {
		return err
	}
	var rep explain.Report
	if !noLive {
		if rep, err = r.live(entries); err != nil {
			return err
		}
	}
	if r.set.Output != "text" {
		rep.Grids = append(rep.Grids, conceptGrid([]concepts.Essay{essay}, true))
		return r.print(r.header(r.app.Now(), 0), &rep)
	}
	t := r.text()
	t.Essay(told(&essay))
	return t.Live("On this host now", &rep)
}

// told is an essay as output takes it.
func told(e *concepts.Essay) output.Essay {
	return output.Essay{Title: e.Title, Gist: e.Gist, Body: e.Body, Source: e.Source, Man: e.Man, See: e.See}
}

// explainValue explains what a name means as a value, and as a word that is one. Of
// a word it prints the essay too: there is nothing of it to be read alone.
func (r *run) explainValue(entries []explain.Entry, words []catalog.Meaning, noLive bool) error {
	var rep explain.Report
	if !noLive {
		var err error
		if rep, err = r.live(entries); err != nil {
			return err
		}
	}
	if r.set.Output != "text" {
		rep.Grids = append(rep.Grids, valueGrid(entries), wordGrid(words))
		return r.print(r.header(r.app.Now(), 0), &rep)
	}
	t := r.text()
	for i := range entries {
		t.Definition(&entries[i])
	}
	for _, w := range words {
		t.Word(w.Word, w.Of)
	}
	if len(entries) == 0 {
		essay, err := concepts.Read(string(words[0].Concept))
		if err != nil {
			return err
		}
		t.Essay(told(&essay))
	}
	return t.Live("On this host now", &rep)
}

// live reads what the entries read on this host, those of one card or table at
// one time. One that cannot be read here is a gap like any other.
func (r *run) live(entries []explain.Entry) (explain.Report, error) {
	var all explain.Report
	groups := together(entries)
	for _, g := range groups {
		if of, ok := strings.CutSuffix(g.first.Command, " --threads"); ok && slices.ContainsFunc(groups, func(h group) bool { return h.first.Command == of }) {
			continue // the processes have the same columns
		}
		if g.first.Table != "" && all.Grid(g.first.Table) != nil {
			continue // another command's table of that name had more of them
		}
		one, err := g.first.Live(r.host, g.keys...)
		if err != nil {
			return all, err
		}
		for i := range one.Parts {
			one.Parts[i].Title = ""
			if i == 0 && strings.HasSuffix(g.first.Command, " PID") {
				one.Parts[i].Title = "Of kwhy itself, as kwhy " + g.first.Command + " shows any process"
			}
		}
		for i := range one.Grids {
			one.Grids[i].Title = "kwhy " + g.first.Command
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
