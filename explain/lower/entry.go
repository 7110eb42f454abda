package lower

import (
	"slices"

	"kwhy/explain"
	"kwhy/inspect"
)

// Entry is one declared value without its type: what `kwhy explain`, the
// schema, completion and documentation walk.
type Entry struct {
	Doc     explain.Doc
	Command string // the subcommand that prints it: mem, mem PID
	Scope   explain.Scope
	Like    string // the command that has the same columns; "" where none has
	Section string // of its card
	Table   string // its table's name; "" for a value of a card
	Derives bool   // the kernel computes it, and so does kwhy
	// Live reads it on a host, and what else of its card or table is asked for.
	Live func(h *inspect.Host, ask Ask) (Report, error)
	// Examine reads it, and others of the same card or table, for what became of each
	// source; of a table the first rows.
	Examine func(h *inspect.Host, keys ...string) (Examination, error)
}

// Ask is what to read of a card or table in addition to an entry's own value.
type Ask struct {
	Keys []string // other values or columns
	Sort string   // of a table: the column whose largest come first; "": as the table has it
	Room bool     // of a table: columns for which there is no room are left out
	// Limits are the thresholds by which levels are given.
	Limits explain.Limits
}

// Catalogue is what pages declare, without types.
type Catalogue struct {
	Entries []Entry
	Rules   []RuleDoc
	Trials  []explain.Trial
}

// Plus joins topics.
func (t Catalogue) Plus(u Catalogue) Catalogue {
	return Catalogue{append(t.Entries, u.Entries...), append(t.Rules, u.Rules...), append(t.Trials, u.Trials...)}
}

// CardTopic erases S. take says how a command gets a snapshot of just what a value
// and its rules need.
func CardTopic[S explain.Snapshot[S]](
	c *explain.Card[S],
	command string,
	take func(*inspect.Host, inspect.Sources) (S, error),
) (out Catalogue) {
	for _, sec := range c.Sections {
		for _, f := range sec.Fields {
			if f.Lifted {
				continue
			}
			out.Entries = append(out.Entries, Entry{
				Doc: f.Doc, Command: command, Section: sec.Title, Derives: f.Derive != nil,
				Live: func(h *inspect.Host, ask Ask) (Report, error) {
					ask.Keys = append([]string{f.Key}, ask.Keys...)
					return liveCard(c, h, ask, take)
				},
				Examine: func(h *inspect.Host, keys ...string) (Examination, error) { return examineCard(c, h, keys, take) },
			})
		}
	}
	for i := range c.Rules {
		if !c.Rules[i].Lifted {
			out.Rules = append(out.Rules, docOf(&c.Rules[i], command))
		}
	}
	return out
}

func liveCard[S explain.Snapshot[S]](
	c *explain.Card[S],
	h *inspect.Host,
	ask Ask,
	take func(*inspect.Host, inspect.Sources) (S, error),
) (Report, error) {
	one := Only(c, func(d *explain.Doc) bool { return slices.Contains(ask.Keys, d.Key) })
	want := one.Needs()
	for _, r := range one.Rules {
		want = want.Plus(needsOf(c, r.Evidence))
	}
	s, err := take(h, want)
	if err != nil {
		return Report{}, err
	}
	rep := Explain(&one, s, ask.Limits)
	rep.unseen(s, want, h.Kernel)
	return rep, nil
}

// TableTopic erases S. rows says how a command gets rows with just what the columns
// need; the first column says which row it is.
func TableTopic[S explain.Snapshot[S]](
	t *explain.Table[S],
	command string,
	rows func(*inspect.Host, *View[S]) (explain.Rows[S], []int32, error),
) (out Catalogue) {
	for i := range t.Fields {
		key := t.Fields[i].Key
		out.Entries = append(out.Entries, Entry{
			Doc: t.Fields[i].Doc, Command: command, Table: t.Name,
			Live: func(h *inspect.Host, ask Ask) (Report, error) {
				ask.Keys = append([]string{key}, ask.Keys...)
				return liveTable(t, h, ask, rows)
			},
			Examine: func(h *inspect.Host, keys ...string) (Examination, error) { return examineTable(t, h, keys, rows) },
		})
	}
	for i := range t.Rules {
		if !t.Rules[i].Lifted {
			out.Rules = append(out.Rules, docOf(&t.Rules[i], command))
		}
	}
	return out
}
