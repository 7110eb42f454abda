package lower

import (
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
)

// Columns are what --columns and --sort take of a table: its columns by key, each with its
// gist, and the rates of counters.
type Columns struct{ Keys, Rates []explain.Word }

func columnsIn[S explain.Snapshot[S]](fields []explain.Field[S]) (out Columns) {
	for i := range fields {
		f := &fields[i]
		out.Keys = append(out.Keys, explain.Word{Name: f.Key, Gist: f.Gist})
		if f.Counter {
			out.Rates = append(out.Rates, explain.Word{Name: f.Key + rateSuffix, Gist: "The same a second, with --interval: " + f.Gist})
		}
	}
	return out
}

// Words are all that can be given.
func (c Columns) Words() []explain.Word { return slices.Concat(c.Keys, c.Rates) }

// Help lists the columns by key, each with its gist, and what has a rate.
func (c Columns) Help() string {
	var b strings.Builder
	for _, w := range c.Keys {
		fmt.Fprintf(&b, "%-28s %s\n", w.Name, w.Gist)
	}
	var rates []string
	for _, w := range c.Rates {
		rates = append(rates, w.Name)
	}
	if rates != nil {
		fmt.Fprintf(&b, "\nWith --interval, a second: %s\n", strings.Join(rates, ", "))
	}
	return b.String()
}

// Choices are the columns that each form of a topic's commands lets choose.
func Choices(t *explain.Topic) map[string]Columns {
	out := map[string]Columns{}
	for _, p := range t.Pages() {
		if c, ok := p.(choosy); ok {
			if columns, asked := c.choice(); asked {
				out[p.Form()] = columns
			}
		}
	}
	return out
}

// Having is those of the columns and sort keys that a table has, of code that gives them
// in the place of a user: so one can be taken away in one place. A test holds that the
// table has them all.
func Having[S explain.Snapshot[S]](t *explain.Table[S], keys ...string) []string {
	return slices.DeleteFunc(keys, func(key string) bool { _, err := fieldOf(t, strings.TrimPrefix(key, "-")); return err != nil })
}

// WordsOf are the words that a column can have as its value.
func WordsOf[S explain.Snapshot[S]](fields []explain.Field[S], key string) []explain.Word {
	for i := range fields {
		if fields[i].Key == key {
			return fields[i].Words
		}
	}
	return nil
}
