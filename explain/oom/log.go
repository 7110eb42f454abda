package oom

import (
	"fmt"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

type killField = explain.Field[*Kill]

func notLogged() value { return explain.None(inspect.Untold) }

// logged is a number that a log may lack, multiplied by a factor.
func logged(n, times int64) value {
	if n == kmsg.Unset {
		return notLogged()
	}
	return explain.I(n * times)
}

func word(s string) value {
	if s == "" {
		return notLogged()
	}
	return explain.S(s)
}

const kB = 1 << 10

// declareKill declares a value of a kill that a log reports.
func declareKill(d doc, get func(*Kill) value, read func(*Kill) string) killField {
	d.Source = inspect.KernelLog
	if d.Concept == "" {
		d.Concept = "oom-report"
	}
	return killField{Doc: d, Get: get, Reading: read}
}

// Kills is the post-mortem: one row per victim.
func Kills() *explain.Table[*Kill] {
	var fields []killField
	for _, list := range [][]killField{
		whenFields(), requestFields(), constraintFields(), cgroupFields(), zoneFields(), stateFields(),
		victimFields(), sizeFields(), reapFields(), pointFields(), rankingFields(), verdictFields(),
	} {
		fields = append(fields, list...)
	}
	return &explain.Table[*Kill]{Name: "kills", Fields: fields, Heading: heading, Rules: killRules()}
}

// name is the victim's name, as far as its line has it.
func (k *Kill) name() string {
	if k.V.Cut {
		return k.V.Comm + "…"
	}
	return k.V.Comm
}

func heading(k *Kill) string {
	s := fmt.Sprintf("Kill %d: %s (%d)", k.Number, k.name(), k.V.PID)
	if k.E.Whole != "" {
		s += ", with all of " + k.E.Whole
	}
	return s
}

// at is when it happened, as far as the log says.
func at(k *Kill) (t time.Time, zone bool) {
	s := &k.V.Stamp
	switch {
	case !s.Wall.IsZero():
		return s.Wall, s.Zone
	case s.Uptime >= 0 && !k.Boot.IsZero():
		return k.Boot.Add(s.Uptime).UTC(), true
	}
	return time.Time{}, false
}

// clock formats the date and time; "" where the log does not have both.
func clock(k *Kill, between string) string {
	t, zone := at(k)
	switch {
	case t.IsZero():
		return ""
	case zone:
		return t.Format("2006-01-02" + between + "15:04:05Z07:00")
	}
	return t.Format("2006-01-02" + between + "15:04:05")
}

func readWhen(k *Kill) string {
	var words []string
	if s := clock(k, " "); s != "" {
		words = append(words, s)
	}
	if up := k.V.Stamp.Uptime; up >= 0 {
		words = append(words, units.Span(up.Seconds())+" after boot")
	}
	if len(words) == 0 {
		return "The log has no year and no time since boot."
	}
	return strings.Join(words, ", ") + "."
}

func whenFields() []killField {
	return []killField{
		declareKill(doc{
			Key: "kill", Unit: explain.Plain, Show: explain.Data,
			Gist: "The number of the report in the log; several victims may share one.",
		}, func(k *Kill) value { return explain.I(k.Number) }, nil),
		declareKill(doc{Key: "logged_at", Label: "logged at", Gist: "The time as logged."},
			func(k *Kill) value { return word(k.V.Stamp.Text) }, readWhen),
		declareKill(doc{
			Key: "time", Show: explain.Data,
			Gist: "When it was logged, where the log says so; without a zone where it has none.",
		}, func(k *Kill) value { return word(clock(k, "T")) }, nil),
		declareKill(doc{
			Key: "uptime", Unit: explain.Seconds, Show: explain.Data,
			Gist: "The same in seconds after boot.",
		}, func(k *Kill) value {
			if k.V.Stamp.Uptime < 0 {
				return notLogged()
			}
			return explain.F(k.V.Stamp.Uptime.Seconds())
		}, nil),
		declareKill(doc{Key: "kernel", Show: explain.Data, Gist: "The release of the kernel that wrote the report."},
			func(k *Kill) value { return word(k.E.Release) }, nil),
	}
}
