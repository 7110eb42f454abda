package proc

import (
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

type (
	detail      = *procfacts.Detail
	detailField = explain.Field[*procfacts.Detail]
)

// Process explains one process as the kernel sees it.
func Process() explain.Card[*procfacts.Detail] {
	return explain.Card[*procfacts.Detail]{Name: "proc PID", Sections: []explain.Section[*procfacts.Detail]{
		{Title: "Identity", Fields: identity()},
		{Title: "State", Fields: now()},
		{Title: "Credentials and capabilities", Fields: rights()},
		{Title: "Signals", Fields: signals()},
		{Title: "Namespaces and cgroups", Fields: confined(), Table: "namespaces"},
		{Title: "CPU time (details: kwhy sched PID)", Fields: spent()},
		{Title: "Delay accounting", Fields: delays()},
		{Title: "Memory (details: kwhy mem PID)", Fields: memories()},
		{Title: "OOM score (details: kwhy oom PID)", Fields: scores()},
		{Title: "Files and I/O (details: kwhy fd PID)", Fields: inout()},
		{Title: "Network (details: kwhy net PID)", Fields: reached()},
		{Title: "Limits: rlimits, cgroups, sysctls, host", Table: "limits"},
		{Title: "Resource limits (rlimits)", Table: "rlimits"},
	}, Rules: processRules()}
}

func processRules() []explain.Rule[detail] {
	return []explain.Rule[detail]{{
		ID: "proc.ended", What: "whether it ended while it was read", Unit: explain.Count,
		Means:    "What was read may be from different moments.",
		Evidence: []string{"state"}, Concept: "process-state",
		Of: func(d detail) value {
			if d.Ended {
				return explain.I(1)
			}
			return value{}
		}, At: explain.At{Notice: 1},
		Say: func(d detail) string {
			return string(named(nil, d.Row.P)) + " ended while it was read: the report has what was read before"
		},
	}}
}

// text is a text value; inapplicable where it is empty.
func text(s string) value {
	if s == "" {
		return explain.None(inspect.Inapplicable)
	}
	return explain.S(s)
}

func names(list []string) value {
	out := make([]value, len(list))
	for i, s := range list {
		out[i] = explain.S(s)
	}
	return explain.L(out)
}

// lift makes a column of the table a field of the card.
func lift(c column, label string) detailField {
	c.Label, c.Show = label, explain.Always
	f := explain.Lift(c, func(d detail) row { return d.Row })
	return explain.Own(f)
}

// declare declares a value of one process.
func declare(d doc, get func(detail) value, read func(detail) string) detailField {
	return detailField{Doc: d, Get: get, Reading: read}
}

// statusLine declares a line of status as it is.
func statusLine(key, kernel, gist string, concept explain.Concept, show explain.Show, read func(detail) string) detailField {
	return declare(doc{
		Key: key, Kernel: kernel, Show: show,
		Source:  inspect.PIDStatus,
		Gist:    gist,
		Concept: concept,
	}, func(d detail) value {
		if s, ok := d.Status[kernel]; ok {
			return text(s)
		}
		if d.Row.P.Zombie() { // its lines about memory and files are gone
			return explain.None(inspect.Inapplicable)
		}
		return value{}
	}, read)
}

// numbers parses a line of numbers.
func numbers(text string) value {
	out := []value{}
	for f := range strings.FieldsSeq(text) {
		n, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return explain.None(inspect.Malformed)
		}
		out = append(out, explain.N(n))
	}
	return explain.L(out)
}

// lifted makes columns of the table fields of the card.
func lifted(list ...column) (out []detailField) {
	for _, f := range list {
		out = append(out, lift(f, ""))
	}
	return out
}

type (
	nsRow    = procfacts.DetailPart[procfacts.Namespace]
	limitRow = procfacts.DetailPart[procfacts.Limit]
	boundRow = procfacts.DetailPart[procfacts.Bound]
)

// used is how much of a limited resource a process uses.
