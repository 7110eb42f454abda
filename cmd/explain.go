package cmd

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/concepts"
	"kwhy/explain/lower"
	"kwhy/inspect"
	"kwhy/output"
)

const explainLong = `Without a name: the concepts by chapter, one line each.

A name is a concept (page-cache), a value as kwhy or the kernel spells it, in any case
(MemAvailable, committed_as, se.vruntime, VmRSS), a word that a value can be (D,
SCHED_DEADLINE, memfd), or a rule of kwhy check (mem.available_low). kwhy explains it
and then reads it on this host.`

type explainOptions struct {
	settings
	named       bool
	name        string
	noLive, all bool
}

func (o *explainOptions) parse(t *typed) error {
	if o.named, o.name = len(t.args) > 0, t.arg(); o.all && o.named {
		return usagef("--all is without a name")
	}
	return nil
}

func newExplain(a *App, do func(*explainOptions) error) *cobra.Command {
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
		RunE: settled(a, &o, do, onHost(a, "explain", runExplain)),
	}
	c.Flags().BoolVar(&o.noLive, "no-live", false, "leave out what it reads on this host")
	c.Flags().BoolVar(&o.all, "all", false, "the whole book; as JSON, with every value, word and rule")
	return c
}

func runExplain(r *run, o *explainOptions) error {
	switch {
	case o.all:
		return r.book()
	case !o.named:
		return r.listConcepts()
	}
	return r.explain(o.name, o.noLive)
}

// explain explains a concept, a value or a word by any of its names.
func (r *run) explain(name string, noLive bool) error {
	all := catalog.All()
	concept, isConcept := catalog.Concept(name)
	entries, words := catalog.Find(all, name), catalog.Meanings(all, name)
	if also := catalog.Spelled(name); !isConcept && len(entries)+len(words) == 0 {
		entries, words = catalog.Find(all, also), catalog.Meanings(all, also)
	}
	if isConcept && (len(entries) == 0 || name == concept) {
		return r.explainConcept(concept, all, noLive)
	}
	if len(entries)+len(words) > 0 {
		return r.explainValue(entries, words, noLive)
	}
	if concept, ok := catalog.Alias(name); ok {
		return r.explainConcept(concept, all, noLive)
	}
	if i := slices.IndexFunc(all.Rules, func(d lower.RuleDoc) bool { return strings.EqualFold(d.ID, name) }); i >= 0 {
		return r.explainRule(&all.Rules[i], all, noLive)
	}
	if in := catalog.Mentions(name); len(in) > 0 {
		return usagef("nothing is called %q; these concepts mention it: %s", name, strings.Join(in[:min(len(in), maxMentions)], ", "))
	}
	var known []string
	for _, w := range catalog.Known(all) {
		known = append(known, w.Name)
	}
	near := catalog.Near(known, name)
	if len(near) == 0 {
		return usagef("nothing is called %q; kwhy explain lists the concepts", name)
	}
	return usagef("nothing is called %q; near it: %s", name, strings.Join(near, ", "))
}

// maxMentions is how many essays are listed that mention a name without its own essay.
const maxMentions = 8

func (r *run) explainConcept(name string, all lower.Catalogue, noLive bool) error {
	e, err := concepts.Read(name)
	if err != nil {
		return err
	}
	var rep lower.Report
	if !noLive {
		rep = r.live(catalog.OfEssay(all, &e))
	}
	if r.set.Output != "text" {
		rep.Grids = append(rep.Grids, conceptGrid([]concepts.Essay{e}, true))
		return r.print(r.header(r.app.Now(), 0), &rep)
	}
	t := r.text()
	t.Essay(essay(&e))
	return t.Live(r.whose(), &rep, !reveal(&rep, e.Live))
}

// explainRule explains a rule and shows the values that it uses.
func (r *run) explainRule(d *lower.RuleDoc, all lower.Catalogue, noLive bool) error {
	if at, set := r.set.Limits[d.ID]; set {
		d.At = at
	}
	var rep lower.Report
	if !noLive {
		rep = r.live(catalog.Together(catalog.EvidenceOf(all, d)))
	}
	if r.set.Output != "text" {
		rep.Grids = append(rep.Grids, ruleGrid([]lower.RuleDoc{*d}))
		return r.print(r.header(r.app.Now(), 0), &rep)
	}
	t := r.text()
	t.Rule(d)
	return t.Live(r.whose(), &rep, true)
}

// reveal makes text show the values that an essay names, even if only JSON has them
// otherwise, and reports whether there is any to show.
func reveal(rep *lower.Report, named []string) (some bool) {
	for i := range rep.Parts {
		for j := range rep.Parts[i].Cells {
			c := &rep.Parts[i].Cells[j]
			if slices.Contains(named, c.Doc.Key) {
				c.Doc.Show = explain.Always
			}
			some = some || c.Doc.Show == explain.Always || c.Doc.Show == explain.Rare && !c.Value.Zero()
		}
	}
	return some
}

// essay converts an essay for output.
func essay(e *concepts.Essay) output.Essay {
	out := output.Essay{Title: e.Title, Gist: e.Gist, Body: e.Body, Man: slices.Clone(e.Man), See: e.See}
	for _, s := range e.Source {
		if m, ok := concepts.Before(s); ok {
			s += " (" + m.String() + ")"
		}
		out.Source = append(out.Source, s)
	}
	for i := len(e.Man) - 1; i >= 0; i-- {
		if strings.HasPrefix(e.Man[i], "proc_") {
			out.Man[i] += " (up to man-pages 6.8 in proc(5))"
			break
		}
	}
	return out
}

// explainValue explains what a name means as a value and as a word that values can be. If
// it is only a word, the essay is printed too: a word has no reading of its own.
func (r *run) explainValue(entries []lower.Entry, words []catalog.Meaning, noLive bool) error {
	var rep lower.Report
	if !noLive {
		groups := catalog.Together(entries)
		for i := range groups {
			groups[i].Ask.Sort = groups[i].Doc.Key
		}
		rep = r.live(groups)
	}
	if r.set.Output != "text" {
		rep.Grids = append(rep.Grids, valueGrid(entries), wordGrid(words))
		return r.print(r.header(r.app.Now(), 0), &rep)
	}
	t := r.text()
	for _, same := range sameValues(entries) {
		t.Definition(same)
	}
	for _, w := range words {
		t.Word(w.Word, w.Of)
	}
	if len(entries) == 0 {
		e, err := concepts.Read(string(words[0].Concept))
		if err != nil {
			return err
		}
		t.Essay(essay(&e))
	}
	return t.Live(r.whose(), &rep, true)
}

// live reads groups of values on this host. A group that cannot be read becomes a gap.
func (r *run) live(groups []catalog.Group) (all lower.Report) {
	for _, g := range groups {
		if g.Like != "" && slices.ContainsFunc(groups, func(h catalog.Group) bool { return h.Command == g.Like }) {
			continue // the processes have the same columns
		}
		if g.Table != "" && all.Grid(g.Table) != nil {
			continue // another command's table of that name has more columns
		}
		g.Ask.Limits = r.set.Limits
		one, err := g.Live(r.host, g.Ask)
		if err != nil {
			d, why := &g.Doc, inspect.ReasonOf(err)
			all.Gaps = append(all.Gaps, lower.Gap{Source: d.Source.String(), Reason: why, Count: 1, Of: 1, Hint: d.Hint(why, r.host.Kernel)})
			continue
		}
		of := ""
		if g.Scope == explain.OfProcess {
			of = r.example()
		}
		for i := range one.Parts {
			one.Parts[i].Title = ""
			if i == 0 && of != "" {
				one.Parts[i].Title = "Of " + of + ", as kwhy " + g.Command + " shows any process"
			}
		}
		for i := range one.Grids {
			if one.Grids[i].Title = tableTitle(&g, &one.Grids[i]); of != "" {
				one.Grids[i].Title += ", of " + of
			}
		}
		all.Parts = append(all.Parts, one.Parts...)
		all.Findings = append(all.Findings, one.Findings...)
		all.Grids = append(all.Grids, one.Grids...)
		all.Gaps = append(all.Gaps, one.Gaps...)
	}
	all.Gaps = unique(all.Gaps)
	all.Tell(nil, r.host.Kernel)
	return all
}

// whose is the title above what was read: of this host and now, or of a copy and when that was
// made.
func (r *run) whose() string {
	saved := r.host.SavedAt()
	switch {
	case !r.host.Copy():
		return "On this host now"
	case saved.IsZero():
		return "In the copy, of unknown time"
	}
	return "In the copy of " + saved.Format("2006-01-02 15:04:05 MST")
}

// example names the process that shows what the values of one look like: in a copy kwhy is none.
func (r *run) example() string {
	if r.host.Live {
		return "kwhy itself"
	}
	return "process " + strconv.Itoa(int(r.host.Example())) + " of the copy"
}

// sameValues groups the entries of one value that several commands print.
func sameValues(entries []lower.Entry) (out [][]lower.Entry) {
	for _, e := range entries {
		i := slices.IndexFunc(out, func(same []lower.Entry) bool {
			d := &same[0].Doc
			return d.Kernel == e.Doc.Kernel && d.Gist == e.Doc.Gist && d.Source == e.Doc.Source && d.Unit == e.Doc.Unit
		})
		if i < 0 {
			i = len(out)
			out = append(out, nil)
		}
		out[i] = append(out[i], e)
	}
	return out
}

// unique leaves out repeated gaps: cards and tables share sources.
func unique(gaps []lower.Gap) (out []lower.Gap) {
	for _, g := range gaps {
		if !slices.ContainsFunc(out, func(o lower.Gap) bool { return o.Source == g.Source && o.Reason == g.Reason }) {
			out = append(out, g)
		}
	}
	return out
}

// tableTitle says which table it is and how its rows are sorted.
func tableTitle(g *catalog.Group, grid *lower.Grid) string {
	out := "kwhy " + g.Command + " · " + strings.ReplaceAll(grid.Name, "_", " ")
	for i := range grid.Docs {
		if d := &grid.Docs[i]; d.Key == g.Ask.Sort && grid.Total > grid.Shown && grid.Shown > 0 && d.Unit.Number() {
			out += ", most " + cmp.Or(d.Kernel, d.Key) + " first"
		}
	}
	return out
}

type schemaOptions struct{}

func (*schemaOptions) parse(*typed) error { return nil }

func newSchema(a *App, do func(*schemaOptions) error) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of kwhy/v1", Args: noArgs,
		Long: "Prints the JSON Schema of what every command prints with -o json.",
		RunE: settled(a, &schemaOptions{}, do, a.schema),
	}
}

func (a *App) schema(*schemaOptions) error {
	b, err := jsonSchema()
	if err != nil {
		return err
	}
	_, err = a.Out.Write(b)
	return err
}

// jsonSchema is the JSON Schema of everything that is declared.
func jsonSchema() ([]byte, error) {
	var reasons []string
	for _, r := range inspect.Reasons() {
		reasons = append(reasons, r.String())
	}
	return output.JSONSchema(catalog.All().Entries, reasons)
}
