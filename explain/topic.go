package explain

import "kwhy/inspect"

// Topic is what a package below this one has to say: the pages that its commands show.
// Commands, kwhy check, the catalogue, doctor, completion, the schema, the reference
// and the tests walk the list of topics, and nobody lists a topic's cards and tables
// but the topic itself.
type Topic struct {
	Name  string // the subcommand
	Title string // what it is about, where kwhy check names what it looked at; "" if it does not
	// Pages and Trials are made when they are asked for: who wants one command does not
	// pay for the literals of all.
	Pages  func() []Page
	Trials func() []Trial // nil: none
}

// Page is what one form of a command shows: a card, tables, and what takes them from a
// host. Its snapshot's type is erased: package lower has the pages that can be made.
type Page interface {
	// Form is the command that shows it: "mem", "mem PID".
	Form() string
	// Of is what it is about.
	Of() Scope
}

// Scope is what a page is about.
type Scope uint8

// The scopes.
const (
	OfHost    Scope = iota // the host, or one of its namespaces
	OfProcess              // one process: in examples kwhy itself
	OfList                 // a list of its own besides the host's page: each socket, each kill
	OfAnswer               // what a flag asks for, such as who has a file open
)

// Trial is arithmetic of the kernel's that is done for each row of a table, where a
// card has none: it is tried as a whole.
type Trial struct {
	Key     string // of the column that it is about
	Command string
	Rows    string // what the rows are: "processes"
	Formula string
	Unit    Unit
	Concept Concept
	Try     func(*inspect.Host) ([]Tried, error) // a row that has nothing to compare with is left out
}

// Tried is one row of a trial.
type Tried struct {
	Row string // what the row is about: "process 1 (init)", "zone DMA"
	Derivation
}
