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
		{Title: "Who it is", Fields: identity()},
		{Title: "What it does now", Fields: now()},
		{Title: "What it may do", Fields: rights()},
		{Title: "Signals", Fields: signals()},
		{Title: "Its namespaces and cgroups", Fields: confined(), Table: "namespaces"},
		{Title: "Time (kwhy sched PID says more)", Fields: spent()},
		{Title: "What it was kept from going on by", Fields: delays()},
		{Title: "Memory (kwhy mem PID says more)", Fields: memories()},
		{Title: "If memory runs out (kwhy oom PID says more)", Fields: scores()},
		{Title: "Files and I/O (kwhy fd PID says more)", Fields: inout()},
		{Title: "Network (kwhy net PID says more)", Fields: reached()},
		{Title: "What bounds it: its own limits, its cgroups', the host's", Table: "limits"},
		{Title: "All of its own limits", Table: "rlimits"},
	}, Rules: processRules()}
}

func processRules() []explain.Rule[detail] {
	return []explain.Rule[detail]{{
		ID: "proc.ended", What: "whether it ended while it was read", Unit: explain.Count,
		Means:    "What was read of it may be of different moments.",
		Evidence: []string{"state"}, Concept: "process-state",
		Of: func(d detail) value {
			if d.Ended {
				return explain.I(1)
			}
			return value{}
		}, At: explain.At{Notice: 1},
		Say: func(d detail) string {
			return string(named(nil, d.Row.P)) + " ended while it was read: what was read before is told"
		},
	}}
}

// text is a value that may be empty where there is nothing.
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

// lift takes a column of the table as a field of the card.
func lift(c column, label string) detailField {
	c.Label, c.Show = label, explain.Always
	f := explain.Lift(c, func(d detail) row { return d.Row })
	return explain.Own(f)
}

func told(d doc, get func(detail) value, read func(detail) string) detailField {
	return detailField{Doc: d, Get: get, Reading: read}
}

// line is a line of status as it is.
func line(key, kernel, gist string, concept explain.Concept, show explain.Show, read func(detail) string) detailField {
	return told(doc{
		Key: key, Kernel: kernel, Show: show,
		Source:  inspect.PIDStatus,
		Gist:    gist,
		Concept: concept,
	}, func(d detail) value {
		if s, ok := d.Status[kernel]; ok {
			return text(s)
		}
		if d.Row.P.Zombie() { // what it says of memory and files went with these
			return explain.None(inspect.Inapplicable)
		}
		return value{}
	}, read)
}

// numbers reads a line of numbers.
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

// lifted takes columns of the table as fields of the card.
func lifted(list ...column) (out []detailField) {
	for _, f := range list {
		out = append(out, lift(f, ""))
	}
	return out
}

type (
	nsRow    = procfacts.DetailPart[procfacts.Namespace]
	limitRow = procfacts.DetailPart[procfacts.Limit]
	rungRow  = procfacts.DetailPart[procfacts.Bound]
)

// used is what a process has of what a limit bounds.
