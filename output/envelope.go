package output

import (
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
)

// Schema is the name and major version of the JSON contract. Within it, keys
// are added and never renamed.
const Schema = "kwhy/v1"

// Header begins every report. It and the types below are the contract: they encode
// themselves, and the JSON Schema is made from them and from the catalogue of values.
// A field of type any holds whatever a Value of package explain may hold.
type Header struct {
	Schema      String    `json:"schema" jsonschema:"the contract's name and major version"`
	Kwhy        String    `json:"kwhy" jsonschema:"the version of kwhy that read it"`
	Command     String    `json:"command" jsonschema:"the subcommand that ran"`
	CollectedAt Time      `json:"collected_at" jsonschema:"when the values were read"`
	Interval    *Number   `json:"interval" jsonschema:"seconds between the two samples that rates come from; null without --interval"`
	Incomplete  bool      `json:"incomplete" jsonschema:"whether files did not answer within --timeout, so that existing values are missing"`
	Host        Host      `json:"host" jsonschema:"the host that was read"`
	View        String    `json:"view" jsonschema:"whose processes /proc shows: host, container, elsewhere, copy, nothing; empty if unknown"`
	OtherPIDs   bool      `json:"other_pids,omitempty" jsonschema:"whether these are numbers of a PID namespace that kwhy is not in"`
	Copy        *Copy     `json:"copy,omitempty" jsonschema:"of a saved copy of a host: when it was made"`
	Foreign     []Foreign `json:"foreign,omitempty" jsonschema:"files that are not the kernel's own: nothing is said of what they hold"`
	Subject     *Subject  `json:"subject" jsonschema:"the process that the report is about; null for a host's"`
	Summary     []string  `json:"-"` // further words for the header of the text
}

// Copy says that what was read is a copy of a host's files. A copy has its own time: that of
// the report is then the same, where it is known.
type Copy struct {
	SavedAt       *Time `json:"saved_at" jsonschema:"the boot time and uptime in it, added; null if it lacks one of them"`
	PageSizeKnown bool  `json:"page_size_known" jsonschema:"whether the copy shows host.page_size; if not, it is this host's"`
	TicksKnown    bool  `json:"ticks_known" jsonschema:"whether it shows how long clock ticks are; if not, 10 ms are taken"`
	// KernelVersion is what the copy shows where host.kernel is empty.
	KernelVersion String `json:"kernel_version" jsonschema:"the version of its kernel, or what its files show of it: '4.20 or later'"`
	LiveSys       bool   `json:"live_sys,omitempty" jsonschema:"whether the /sys beside it is this host's own, which shows what is so now"`
	Still         bool   `json:"still,omitempty" jsonschema:"whether no time passed in it over --interval: then it has no second sample"`
}

// Foreign says of a file why it is not the kernel's own.
type Foreign struct {
	Source String `json:"source" jsonschema:"the file; /proc and /sys where no Linux kernel wrote any of them"`
	Kind   String `json:"kind"`
	By     String `json:"by,omitempty" jsonschema:"who wrote it: the type of a file system, the name of an emulator"`
	Detail String `json:"detail" jsonschema:"the same in words"`
	// Instead is "" where nothing is known to say what the kernel's file would.
	Instead String `json:"instead,omitempty" jsonschema:"where the kernel's own figures are"`
	Ever    bool   `json:"ever,omitempty" jsonschema:"whether that is so of what was counted since boot alone, and not of an interval"`
}

// Doubt adds to the header what is not the kernel's own of what was read.
func (h *Header) Doubt(list []lower.Doubt) {
	for _, d := range list {
		f := Foreign{Source: String(d.Source.String()), Kind: String(d.Kind.String()), By: String(d.By), Ever: d.Ever}
		f.Detail, f.Instead = String(units.Doubt(d)), String(units.Instead(d))
		h.Foreign = append(h.Foreign, f)
	}
}

// Host says which host was read.
type Host struct {
	Hostname String `json:"hostname"`
	Kernel   String `json:"kernel" jsonschema:"the kernel's release, as uname -r gives it"`
	Arch     String `json:"arch" jsonschema:"the machine's name, as uname -m gives it; empty if unknown"`
	BootID   String `json:"boot_id"`
	CPUs     int    `json:"cpus" jsonschema:"CPUs online; 0 if unknown"`
	PageSize uint64 `json:"page_size" jsonschema:"bytes"`
}

// Subject is the process of a PID report.
type Subject struct {
	PID       int32  `json:"pid"`
	Comm      String `json:"comm"`
	StartTime *Time  `json:"start_time" jsonschema:"when it was started; null if the boot time is unknown"`
}

// Absence says why a value is null.
type Absence struct {
	Reason String  `json:"reason"`
	Detail *String `json:"detail" jsonschema:"the same in words"`
	Hint   *String `json:"hint" jsonschema:"what it would take to see it"`
}

// Term is one input of a derivation.
type Term struct {
	Name   String `json:"name"`
	Value  any    `json:"value"`
	Unit   String `json:"unit"`
	Source String `json:"source"`
	Kernel String `json:"kernel" jsonschema:"the kernel's name, or what it is computed from"`
}

// Derivation is the kernel's arithmetic with this host's numbers.
type Derivation struct {
	Formula    String `json:"formula" jsonschema:"the formula, in the names of the terms"`
	Terms      []Term `json:"terms"`
	Result     any    `json:"result"`
	Reported   any    `json:"reported" jsonschema:"the kernel's own figure; null if it prints none"`
	Difference any    `json:"difference" jsonschema:"reported minus result"`
	Tolerance  uint64 `json:"tolerance" jsonschema:"how far they may differ while both are right"`
	Exact      *bool  `json:"exact" jsonschema:"whether they are equal; null if one is missing"`
	Cause      String `json:"cause,omitempty" jsonschema:"why they differ"`
}

// Value is one value of a card.
type Value struct {
	Value      any         `json:"value"`
	Unit       String      `json:"unit"`
	Kernel     String      `json:"kernel" jsonschema:"the kernel's own spelling; empty if the kernel has no name for it"`
	Source     String      `json:"source" jsonschema:"the file it was read from"`
	Section    String      `json:"section"`
	Gist       String      `json:"gist" jsonschema:"what it means on every host"`
	Concept    String      `json:"concept" jsonschema:"the essay on it: kwhy explain CONCEPT"`
	Level      String      `json:"level,omitempty"`
	Reading    String      `json:"reading,omitempty" jsonschema:"what it says here and now"`
	Rate       *Number     `json:"rate,omitempty" jsonschema:"how much a counter grew per second, over the interval"`
	Doubt      String      `json:"doubt,omitempty" jsonschema:"why what it rests on is not the kernel's own, so that nothing is said of it"`
	Of         *Seen       `json:"of,omitempty" jsonschema:"of a value about a set that was not seen whole: how much of it was"`
	Absent     *Absence    `json:"absent,omitempty"`
	Derivation *Derivation `json:"derivation,omitempty"`
}

// Seen is how much of a set was seen.
type Seen struct {
	Each   String `json:"each" jsonschema:"what its members are: process, cgroup"`
	Seen   int    `json:"seen" jsonschema:"how many were seen"`
	All    *int   `json:"all" jsonschema:"of how many; null where nobody can count them from here"`
	Reason String `json:"reason" jsonschema:"why the rest was not seen"`
	Source String `json:"source" jsonschema:"what did not give the rest"`
	Others int    `json:"others,omitempty" jsonschema:"how many of the rest were not seen for other reasons than that"`
}

// seenOf describes a set that was not seen whole; nil is one that was.
func seenOf(s lower.Coverage) *Seen {
	if s.Whole() {
		return nil
	}
	out := &Seen{Each: String(s.Each), Seen: s.Seen, Reason: String(s.Reason.String()), Source: String(s.Source.String()), Others: s.Others}
	if !s.Open {
		out.All = &s.All
	}
	return out
}

// Column describes a column of a table.
type Column struct {
	Unit    String `json:"unit"`
	Gist    String `json:"gist"`
	Concept String `json:"concept"`
	Kernel  String `json:"kernel"`
	Source  String `json:"source"`
}

// Finding is what a rule found.
type Finding struct {
	ID       String   `json:"id"`
	Level    String   `json:"level"`
	Message  String   `json:"message"`
	Evidence []String `json:"evidence" jsonschema:"the keys of the values that it was found in"`
	Table    String   `json:"table,omitempty" jsonschema:"the table of the row that it is about"`
	Concept  String   `json:"concept"`
	Next     String   `json:"next" jsonschema:"what to run next"`
	Means    String   `json:"means" jsonschema:"what the kernel does, on every host"`
	Basis    String   `json:"basis" jsonschema:"what it covers: now, interval, or since_start (boot, or the making of the counter)"`
	Measure  Measure  `json:"measure"`
	// In check only.
	Readings Readings `json:"readings,omitempty" jsonschema:"the evidence with its values, by key"`
	More     int      `json:"more,omitempty" jsonschema:"how many more rows of the table have the same finding"`
}

// Measure is what a rule measured, and its thresholds.
type Measure struct {
	What     String  `json:"what" jsonschema:"the measure in words"`
	Value    any     `json:"value"`
	Unit     String  `json:"unit"`
	Below    bool    `json:"below" jsonschema:"whether low values are bad"`
	Notice   *Number `json:"notice"`
	Warning  *Number `json:"warning"`
	Critical *Number `json:"critical"`
}

// Gap is something that could not be seen.
type Gap struct {
	Source String   `json:"source"`
	Reason String   `json:"reason"`
	Count  int      `json:"count" jsonschema:"how many of its files or values"`
	Of     int      `json:"of,omitempty" jsonschema:"of how many processes, where there may be many"`
	Some   bool     `json:"some,omitempty" jsonschema:"only some processes were looked at, those that are shown"`
	Hint   *String  `json:"hint" jsonschema:"what it would take to see it"`
	Keys   []String `json:"keys,omitempty" jsonschema:"the values that this kernel's version of the file does not have"`
}

// NewSubject returns the subject of a report; born is zero if unknown.
func NewSubject(pid int32, comm string, born time.Time) *Subject {
	s := &Subject{PID: pid, Comm: String(comm)}
	if !born.IsZero() {
		s.StartTime = &Time{born}
	}
	return s
}

func valueOf(c *lower.Cell, section string) Value {
	v := Value{
		Value: datum(c.Value), Unit: String(c.Doc.Unit), Kernel: String(c.Doc.Kernel), Source: String(c.Doc.Source.String()),
		Section: String(section), Gist: String(c.Doc.Gist), Concept: String(c.Doc.Concept),
	}
	v.Of, v.Doubt = seenOf(c.Seen), String(units.Doubt(c.Doubt))
	if !c.Value.Has() {
		detail := String(units.AbsentWord(c.Value.Reason()))
		v.Absent = &Absence{Reason: String(c.Value.Reason().String()), Detail: &detail, Hint: optional(c.Hint)}
		return v
	}
	v.Level, v.Reading = String(c.Level.String()), String(c.Reading)
	if c.Rate.Has() {
		rate := Number(c.Rate.Float())
		v.Rate = &rate
	}
	if c.Derivation != nil {
		v.Derivation = derivationOf(c.Derivation)
	}
	return v
}

func derivationOf(d *explain.Derivation) *Derivation {
	out := &Derivation{
		Formula: String(d.Formula), Terms: make([]Term, 0, len(d.Terms)),
		Result: datum(d.Result), Reported: datum(d.Reported), Difference: datum(d.Difference()), Tolerance: d.Slack,
	}
	for i := range d.Terms {
		t := &d.Terms[i]
		out.Terms = append(out.Terms, Term{
			Name: String(t.Name), Value: datum(t.Value), Unit: String(t.Unit), Source: String(t.Source.String()), Kernel: String(t.Kernel),
		})
	}
	a := d.Agrees()
	if a != explain.Unknown {
		exact := a == explain.Exact
		out.Exact = &exact
	}
	if a == explain.Off {
		out.Cause = String(d.Cause)
	}
	return out
}

func columnOf(d *explain.Doc) Column {
	return Column{
		Unit: String(unitName(d.Unit)), Gist: String(d.Gist), Concept: String(d.Concept),
		Kernel: String(d.Kernel), Source: String(d.Source.String()),
	}
}

// unitName is what JSON calls a unit.
func unitName(u explain.Unit) string {
	if u == explain.Text {
		return "text"
	}
	return string(u)
}

func findingOf(f *lower.Finding) Finding {
	out := Finding{
		ID: String(f.ID), Level: String(f.Level.String()), Message: String(f.Message), Evidence: texts(f.Evidence), Table: String(f.Table),
		Concept: String(f.Concept), Next: String(f.Next), Means: String(f.Means), Basis: String(f.Basis.String()), More: f.More,
		Measure: Measure{
			What: String(f.What), Value: datum(f.Measure), Unit: String(f.Unit), Below: f.Below,
			Notice: threshold(f.At.Notice), Warning: threshold(f.At.Warning), Critical: threshold(f.At.Critical),
		},
	}
	for i := range f.Cells {
		out.Readings = append(out.Readings, Reading{f.Cells[i].Doc.Key, valueOf(&f.Cells[i], "")})
	}
	return out
}

// ofMany is of how many processes a gap is; 0 of a source that there is one of.
func ofMany(g *lower.Gap) int {
	if len(g.Keys) > 0 || g.Of < 2 {
		return 0
	}
	return g.Of
}

func gapOf(g *lower.Gap) Gap {
	return Gap{
		Source: String(g.Source), Reason: String(g.Reason.String()), Count: g.Count, Of: ofMany(g), Some: g.Some,
		Hint: optional(g.Hint), Keys: texts(g.Keys),
	}
}

// threshold is nil for a level that is never given.
func threshold(n float64) *Number {
	if n == 0 {
		return nil
	}
	return (*Number)(&n)
}

func optional(s string) *String {
	if s == "" {
		return nil
	}
	return (*String)(&s)
}

// texts returns a list, never null, even if it is empty.
func texts(list []string) []String {
	out := make([]String, len(list))
	for i, s := range list {
		out[i] = String(s)
	}
	return out
}
