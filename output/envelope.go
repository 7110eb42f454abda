package output

import "time"

// Schema is the name and major version of the JSON contract. Within it, keys
// are added and never renamed.
const Schema = "kwhy/v1"

// Header begins every report. These types are the documented contract: the
// JSON Schema is made from them and from the catalogue of values.
type Header struct {
	Schema      string    `json:"schema" jsonschema:"the contract's name and major version"`
	Kwhy        string    `json:"kwhy" jsonschema:"the version of kwhy that read it"`
	Command     string    `json:"command" jsonschema:"the subcommand that ran"`
	CollectedAt time.Time `json:"collected_at" jsonschema:"when the values were read"`
	Interval    *float64  `json:"interval" jsonschema:"seconds between the two samples that rates are of; null without --interval"`
	Incomplete  bool      `json:"incomplete" jsonschema:"whether files did not answer within --timeout, so that something is missing that is there"`
	Host        Host      `json:"host" jsonschema:"the host that was read"`
	Subject     *Subject  `json:"subject" jsonschema:"the process that the report is about; null for a host's"`
	Summary     []string  `json:"-"` // further words for the header of the text
}

// Host says which host was read.
type Host struct {
	Hostname string `json:"hostname"`
	Kernel   string `json:"kernel" jsonschema:"the kernel's release, as uname -r gives it"`
	Arch     string `json:"arch" jsonschema:"the machine's name, as uname -m gives it; empty where it is not known"`
	BootID   string `json:"boot_id"`
	CPUs     int    `json:"cpus" jsonschema:"CPUs online; 0 where that is not known"`
	PageSize uint64 `json:"page_size" jsonschema:"bytes"`
}

// Subject is the process of a PID report.
type Subject struct {
	PID       int32      `json:"pid"`
	Comm      string     `json:"comm"`
	StartTime *time.Time `json:"start_time" jsonschema:"when it was started; null where the boot time is not known"`
}

// Absence says why a value is null.
type Absence struct {
	Reason string  `json:"reason"`
	Detail *string `json:"detail" jsonschema:"the same in words"`
	Hint   *string `json:"hint" jsonschema:"what it would take to see it"`
}

// Term is one input of a derivation.
type Term struct {
	Name   string `json:"name"`
	Value  any    `json:"value"`
	Unit   string `json:"unit"`
	Source string `json:"source"`
	Kernel string `json:"kernel" jsonschema:"how the kernel spells it, or what it is made of"`
}

// Derivation is the kernel's arithmetic with this host's numbers.
type Derivation struct {
	Formula    string `json:"formula" jsonschema:"in the names of the terms"`
	Terms      []Term `json:"terms"`
	Result     any    `json:"result"`
	Reported   any    `json:"reported" jsonschema:"what the kernel says; null where it says nothing"`
	Difference any    `json:"difference" jsonschema:"reported less result"`
	Tolerance  uint64 `json:"tolerance" jsonschema:"how far they may be apart and both be right"`
	Exact      *bool  `json:"exact" jsonschema:"whether they are equal; null where one is missing"`
	Cause      string `json:"cause,omitempty" jsonschema:"why they differ"`
}

// Value is one value of a card.
type Value struct {
	Value      any         `json:"value"`
	Unit       string      `json:"unit"`
	Kernel     string      `json:"kernel" jsonschema:"the kernel's own spelling; empty where kwhy made the value up"`
	Source     string      `json:"source" jsonschema:"the file it was read from"`
	Section    string      `json:"section"`
	Gist       string      `json:"gist" jsonschema:"what it means on every host"`
	Concept    string      `json:"concept" jsonschema:"the essay behind it: kwhy explain CONCEPT"`
	Level      string      `json:"level,omitempty"`
	Reading    string      `json:"reading,omitempty" jsonschema:"what it says here and now"`
	Rate       *float64    `json:"rate,omitempty" jsonschema:"how much a counter grew a second, over the interval"`
	Absent     *Absence    `json:"absent,omitempty"`
	Derivation *Derivation `json:"derivation,omitempty"`
}

// Column describes a column of a table.
type Column struct {
	Unit    string `json:"unit"`
	Gist    string `json:"gist"`
	Concept string `json:"concept"`
	Kernel  string `json:"kernel"`
	Source  string `json:"source"`
}

// Finding is what a rule found.
type Finding struct {
	ID       string   `json:"id"`
	Level    string   `json:"level"`
	Message  string   `json:"message"`
	Evidence []string `json:"evidence" jsonschema:"the keys of the values it rests on"`
	Table    string   `json:"table,omitempty" jsonschema:"the table of whose row it speaks"`
	Concept  string   `json:"concept"`
	Next     string   `json:"next" jsonschema:"what to run next"`
	Means    string   `json:"means" jsonschema:"what it means in terms of the kernel, on every host"`
	Basis    string   `json:"basis" jsonschema:"the time that it rests on: now, interval, or since_start (boot, or whatever counts was made)"`
	Measure  Measure  `json:"measure"`
	// Of check alone.
	Readings map[string]Value `json:"readings,omitempty" jsonschema:"the evidence with its values, by key"`
	More     int              `json:"more,omitempty" jsonschema:"further rows of the table of which the same is found"`
}

// Measure is what a rule measured, and the thresholds that it was held against.
type Measure struct {
	What     string   `json:"what" jsonschema:"the measure in words"`
	Value    any      `json:"value"`
	Unit     string   `json:"unit"`
	Below    bool     `json:"below" jsonschema:"whether small is bad"`
	Notice   *float64 `json:"notice"`
	Warning  *float64 `json:"warning"`
	Critical *float64 `json:"critical"`
}

// Gap is something that could not be seen.
type Gap struct {
	Source string   `json:"source"`
	Reason string   `json:"reason"`
	Count  int      `json:"count" jsonschema:"for how many of its files, or values"`
	Hint   *string  `json:"hint" jsonschema:"what it would take to see it"`
	Keys   []string `json:"keys,omitempty" jsonschema:"the values that this kernel does not have in a file that it does have"`
}
