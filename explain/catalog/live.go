package catalog

import (
	"cmp"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/concepts"
	"kwhy/explain/lower"
)

// Group is entries of one card or table, which are read together.
type Group struct {
	lower.Entry // the first of them
	Ask         lower.Ask
}

// Together groups entries by card and table: cards of the host, cards of kwhy's own
// process, then tables, the ones with the most wanted columns first.
func Together(entries []lower.Entry) (out []Group) {
	for i := range entries {
		out = join(out, entries[i])
	}
	slices.SortStableFunc(out, func(a, b Group) int {
		if rank(&a) == tables && rank(&b) == tables {
			return cmp.Compare(len(b.Ask.Keys), len(a.Ask.Keys))
		}
		return cmp.Compare(rank(&a), rank(&b))
	})
	return out
}

// EvidenceOf returns the values that a rule has as evidence, from its own report first.
func EvidenceOf(t lower.Catalogue, d *lower.RuleDoc) (out []lower.Entry) {
	for _, key := range d.Evidence {
		i := slices.IndexFunc(t.Entries, func(e lower.Entry) bool { return e.Doc.Key == key && e.Command == d.Command })
		if i < 0 { // declared in another topic
			i = slices.IndexFunc(t.Entries, func(e lower.Entry) bool { return e.Doc.Key == key })
		}
		if i >= 0 {
			out = append(out, t.Entries[i])
		}
	}
	return out
}

const (
	hostCards = iota
	ownCards
	tables
)

func rank(g *Group) int {
	switch {
	case g.Table != "":
		return tables
	case g.Scope != explain.OfHost:
		return ownCards
	}
	return hostCards
}

// join adds an entry to the group of its card or table.
func join(groups []Group, e lower.Entry) []Group {
	i := slices.IndexFunc(groups, func(g Group) bool { return g.Command == e.Command && g.Table == e.Table })
	if i < 0 {
		i = len(groups)
		groups = append(groups, Group{Entry: e})
	}
	groups[i].Ask.Keys = append(groups[i].Ask.Keys, e.Doc.Key)
	return groups
}

// OfEssay returns what an essay shows of a host: the values of cards that rest on
// it and those that it names, and the columns that it names or, where it names
// none, the tables that most rest on it.
func OfEssay(t lower.Catalogue, essay *concepts.Essay) []Group {
	var cards, columns, named []lower.Entry
	for _, e := range OfConcept(t, essay.Name) {
		switch {
		case e.Table != "":
			columns = append(columns, e)
		case e.Scope != explain.OfAnswer && !isOwnTwice(cards, &e):
			cards = append(cards, e)
		}
	}
	for _, name := range essay.Live {
		e, ok := called(t, name)
		switch {
		case !ok: // it was taken away; a test holds that each is declared
		case e.Table != "":
			named = append(named, e)
		default:
			cards = append(cards, e)
		}
	}
	out := Together(cards)
	if len(named) == 0 {
		return append(out, mostly(columns)...)
	}
	var of []Group
	for i := range named {
		of = join(of, named[i])
	}
	for i := range of {
		of[i].Ask.Sort = of[i].Doc.Key
	}
	return append(out, of...)
}

// isOwnTwice reports whether another card of a process has the value already.
func isOwnTwice(cards []lower.Entry, e *lower.Entry) bool {
	return e.Scope == explain.OfProcess && slices.ContainsFunc(cards, func(f lower.Entry) bool {
		return f.Doc.Key == e.Doc.Key && f.Scope == explain.OfProcess
	})
}

// called finds a value of a card by its key, the host's before a process's, or a column
// by table.key.
func called(t lower.Catalogue, name string) (found lower.Entry, ok bool) {
	table, key, isColumn := strings.Cut(name, ".")
	if !isColumn {
		table, key = "", name
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Table != table || e.Doc.Key != key {
			continue
		}
		if e.Scope == explain.OfHost {
			return *e, true
		}
		if !ok {
			found, ok = *e, true
		}
	}
	return found, ok
}

// maxTables is how many tables an essay shows if it names none.
const maxTables = 2

// mostly returns the tables that have most of the columns, with the columns that a report
// prints by default; if there are no others, those of kwhy's own process.
func mostly(columns []lower.Entry) []Group {
	var host, own []lower.Entry
	for i := range columns {
		e := &columns[i]
		switch {
		case e.Scope == explain.OfAnswer || e.Doc.Show > explain.Rare:
		case e.Scope == explain.OfProcess:
			own = append(own, *e)
		default:
			host = append(host, *e)
		}
	}
	if len(host) == 0 {
		host = own
	}
	list := Together(slices.DeleteFunc(host, func(e lower.Entry) bool {
		return e.Doc.Key == "why" &&
			!slices.ContainsFunc(host, func(f lower.Entry) bool { return f.Command == e.Command && f.Table == e.Table && f.Doc.Key != "why" })
	}))
	list = list[:min(len(list), maxTables)]
	for i := range list {
		list[i].Ask.Room = true
		list[i].Ask.Sort = onlyNumber(columns, &list[i])
	}
	return list
}

// onlyNumber is the key of the one number among a group's columns, to sort its rows by;
// "" if there is none, or more than one.
func onlyNumber(columns []lower.Entry, g *Group) (key string) {
	for i := range columns {
		e := &columns[i]
		if e.Command != g.Command || e.Table != g.Table || !slices.Contains(g.Ask.Keys, e.Doc.Key) || !e.Doc.Unit.Number() ||
			e.Doc.Unit == explain.Plain ||
			e.Doc.Unit == explain.ID {
			continue
		}
		if key != "" {
			return ""
		}
		key = e.Doc.Key
	}
	return key
}
