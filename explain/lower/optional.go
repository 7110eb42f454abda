package lower

import (
	"kwhy/explain"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// What a snapshot, or its rows, can offer in addition to explain.Snapshot. Each topic says
// beside its own which of them do: a renamed method would be missed there, and nowhere else.
type (
	// Originer says which source was read, of one that stands for several.
	Originer interface {
		Origin(declared inspect.Source) inspect.Source
	}
	// Partial says that a source gave only the beginning of what it holds.
	Partial interface {
		Partial(inspect.Source) bool
	}
	// Grower says by how much a counter grew over the interval whose parts may go back, each on its own: by
	// what those grew that went forward. ok is false for every other counter.
	Grower interface {
		Grew(key string) (n float64, ok bool)
	}

	// Standing says that a value, by its key, was taken from another source in place of the one
	// that it is declared with, and which.
	Standing interface {
		Stood(declared inspect.Source, key string) (instead inspect.Source, ok bool)
	}
	// Gapped lists what it could not see.
	Gapped interface {
		Gaps() []inspect.Gap
	}
	// Surveyed is rows that are found among a set, which may not have been seen whole.
	Surveyed interface {
		Seen() inspect.Seen
	}
	// Surveyor is a snapshot of sets: of the processes of a host, of its sockets. It says how
	// much was seen of what a source is read of.
	Surveyor interface {
		SeenOf(inspect.Source) inspect.Seen
	}
	// Doubter says why what a source says is not the kernel's own.
	Doubter interface {
		Doubt(inspect.Source) inspect.Doubt
	}
	// Misser says why there is no row.
	Misser interface {
		Missing(inspect.Source) inspect.Reason
	}
)

// What a page can be besides explain.Page.
type (
	// catalogued lists its values and rules.
	catalogued interface {
		explain.Page
		Catalogue() Catalogue
	}
	// choosy has a table of which columns can be chosen; false where it has none.
	choosy interface {
		choice() (Columns, bool)
	}
	// checked has how kwhy check looks at it; false where it does not.
	checked interface {
		domain() (Domain, bool)
	}
)

// Of any snapshot, such as one process.
var (
	_ catalogued              = (*Page[procfacts.Row])(nil)
	_ choosy                  = (*Page[procfacts.Row])(nil)
	_ checked                 = (*Page[procfacts.Row])(nil)
	_ Attached[procfacts.Row] = (*Rows[procfacts.Row, procfacts.Row])(nil)
)
