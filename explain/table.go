package explain

import "kwhy/inspect"

// Table is a topic that a host has many of.
type Table[S Snapshot[S]] struct {
	Name  string   // as JSON has it
	Title string   // over it in text
	Sort  []string // default keys; numbers largest first, a leading - turns one round; none: as found
	// Identity is the columns that say which row it is; none: the first.
	Identity []string
	Fields   []Field[S]
	Rules    []Rule[S]
	// Heading makes each row a section of its own in text, with a line and a
	// reading for every value: for the few rows that have much to say.
	Heading func(S) string
}

// Rows is a scan: a length and an indexed view.
type Rows[S any] interface {
	Len() int
	At(int) S
}

// Scan is rows that can be read little by little. Fill reads more of some rows,
// and returns those that are still there.
type Scan[S any] interface {
	Rows[S]
	Fill(rows []int32, want inspect.Sources) []int32
}
