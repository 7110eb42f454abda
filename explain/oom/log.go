package oom

import (
	"errors"
	"fmt"
	"io/fs"
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

// Overview lists the kills of a log, one line each: text has it before the reports,
// where there are several.
func Overview() *explain.Table[*Kill] {
	var fields []killField
	for _, b := range borrowed() {
		for _, f := range Kills().Fields {
			if f.Key == b.key {
				f.Label, f.Show = b.label, b.show
				fields = append(fields, f)
			}
		}
	}
	return &explain.Table[*Kill]{Name: "overview", Fields: append(fields,
		declareKill(doc{
			Key: "why", Label: "VICTIM",
			Gist: "Which process was killed, and at which cgroup's limit.",
		}, func(k *Kill) value { return explain.S(k.line()) }, nil))}
}

// borrowed are the columns of kills that the overview shows, under its own headings. One
// that kills do not have is left out; a test compares.
func borrowed() []struct {
	key, label string
	show       explain.Show
} {
	return []struct {
		key, label string
		show       explain.Show
	}{
		{"kill", "KILL", explain.Always}, {"logged_at", "WHEN", explain.Always}, {"constraint", "CONSTRAINT", explain.Always},
		{"freed_at_most", "FREED", explain.Wide}, {"role", "ROLE", explain.Wide},
	}
}

// line describes a kill in a few words.
func (k *Kill) line() string {
	s := fmt.Sprintf("%s (%d)", k.name(), k.V.PID)
	if n := len(k.E.Victims) - 1; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	if k.E.OOMMemcg != "" {
		s += ", at the limit of " + k.E.OOMMemcg
	}
	return s
}

// Ring reads the kills that the running kernel's ring buffer still has, and
// why it could not: the buffer is bounded, so none there does not mean none happened.
// A copy of /proc has none.
func Ring(h *inspect.Host, now time.Time) (Recent, inspect.Reason) {
	log, err := h.OpenLog()
	switch {
	case errors.Is(err, inspect.ErrCopy):
		return nil, inspect.Inapplicable
	case errors.Is(err, fs.ErrPermission):
		return nil, inspect.Denied
	case errors.Is(err, fs.ErrNotExist):
		return nil, inspect.Unsupported
	case err != nil:
		return nil, inspect.Failed
	}
	defer func() { _ = log.Close() }()
	var out Recent
	by := Examiner{Boot: h.Born(0), Now: now}
	_, err = by.Walk(kmsg.From(log), func(k *Kill) bool {
		out = append(out, k)
		if len(out) > maxRecent {
			out = out[1:]
		}
		return true
	})
	if err != nil {
		return out, inspect.Failed
	}
	return out, inspect.Present
}

// maxRecent is how many of the kills are kept, the last ones.
const maxRecent = 10

// Recent is kills of this host, the latest one last: the rows of a table.
type Recent []*Kill

// Len returns how many there are.
func (r Recent) Len() int { return len(r) }

// At returns one of them.
func (r Recent) At(i int) *Kill { return r[i] }

// ago is how long ago it was, in seconds; absent where that is unknown.
func ago(k *Kill) value {
	t, _ := at(k)
	if t.IsZero() || k.Now.IsZero() {
		return value{}
	}
	return explain.F(max(k.Now.Sub(t).Seconds(), 0))
}

func killRules() []explain.Rule[*Kill] {
	return []explain.Rule[*Kill]{{
		ID: "oom.killed_lately", Evidence: []string{"victim_comm", "constraint", "oom_memcg", "invoker_comm"}, Concept: "oom-killer",
		Next: "kwhy oom log",
		What: "time since the kill, by the kernel's log", Unit: explain.Seconds, Below: true,
		Means: "The kernel found nothing more to reclaim, on the host or in a cgroup, and killed the process that had the most points there.",
		Of:    ago, At: explain.At{Notice: 86400, Warning: 600},
		Say: func(k *Kill) string {
			s := fmt.Sprintf("the OOM killer killed %s (%d) %s ago", k.name(), k.V.PID, units.Span(ago(k).Float()))
			if g := k.E.OOMMemcg; g != "" {
				s += ", at the limit of cgroup " + g
			}
			return s
		},
	}}
}
