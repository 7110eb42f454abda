package explain

import "kwhy/inspect"

// Section groups fields of a card, and says where a table belongs.
type Section[S Snapshot[S]] struct {
	Title  string
	Whole  string // the key of the value that the fields marked Part make up
	Fields []Field[S]
	Table  string // the name of the table that follows
	// By is the column of that table that Title names behind " by ", as in "Processes by
	// RSS": without it the title says no more than what they are.
	By string
	// Rest makes the last of Fields out of the others: what they leave of Whole. Without
	// one of them it is made anew.
	Rest func(parts []Field[S]) Field[S]
}

// Card is a topic that a host or a process has one of.
type Card[S Snapshot[S]] struct {
	Name     string
	Sections []Section[S]
	Rules    []Rule[S]
}

// Needs is what the whole card reads.
func (c *Card[S]) Needs() (n inspect.Sources) {
	for i := range c.Sections {
		n = n.Plus(c.Sections[i].Needs())
	}
	return n
}

// Needs is what a section reads, without its table.
func (s *Section[S]) Needs() (n inspect.Sources) {
	for i := range s.Fields {
		n = n.Plus(s.Fields[i].Needs())
	}
	return n
}
