package lower

import (
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
)

// ColumnHelp lists columns by key, each with its gist, and what has a rate.
func ColumnHelp[S explain.Snapshot[S]](fields []explain.Field[S]) string {
	var b strings.Builder
	var rates []string
	for i := range fields {
		fmt.Fprintf(&b, "%-28s %s\n", fields[i].Key, fields[i].Gist)
		if fields[i].Counter {
			rates = append(rates, fields[i].Key+rateSuffix)
		}
	}
	if rates != nil {
		fmt.Fprintf(&b, "\nWith --interval, a second: %s\n", strings.Join(rates, ", "))
	}
	return b.String()
}

// ColumnWords are the columns by key, each with its gist, and the rates of counters:
// what --columns and --sort take.
func ColumnWords[S explain.Snapshot[S]](fields []explain.Field[S]) (out []explain.Word) {
	for i := range fields {
		out = append(out, explain.Word{Name: fields[i].Key, Gist: fields[i].Gist})
	}
	for i := range fields {
		if fields[i].Counter {
			out = append(out, explain.Word{Name: fields[i].Key + rateSuffix, Gist: "The same a second, with --interval: " + fields[i].Gist})
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
