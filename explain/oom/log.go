package oom

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
	memfacts "kwhy/inspect/mem"
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
// where there are several. Its columns are those of kills.
func Overview(kills *explain.Table[*Kill]) *explain.Table[*Kill] {
	var fields []killField
	for _, b := range borrowed() {
		for _, f := range kills.Fields {
			if f.Key == b.key {
				f.Label, f.Show = b.label, b.show
				if f.Key == "why" { // it says who here, and at its length there
					f.Gist = "Which process was killed, and at which cgroup's limit."
					f.Get = func(k *Kill) value { return explain.S(k.line()) }
				}
				fields = append(fields, f)
			}
		}
	}
	return &explain.Table[*Kill]{Name: "overview", Fields: fields}
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
		{"freed_at_most", "FREED", explain.Wide}, {"role", "ROLE", explain.Wide}, {"why", "VICTIM", explain.Always},
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
	if !h.Live {
		return nil, inspect.NotSaved
	}
	log, err := h.OpenLog()
	if err != nil {
		return nil, inspect.ReasonOf(err)
	}
	defer func() { _ = log.Close() }()
	var out Recent
	by := Examiner{Boot: h.Booted(), Now: now}
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

// maxRecent is how many of the kills are kept, the last ones: more than a ring buffer of the
// usual size holds.
const maxRecent = 1000

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
		Means: "The kernel found nothing more to reclaim, on the host, on the nodes allowed or in a cgroup, and killed a process, as a rule " +
			"the one with the most points.",
		Of: ago, At: explain.At{Notice: 86400, Warning: 600},
		Say: func(k *Kill) string {
			s := fmt.Sprintf("the OOM killer killed %s (%d) %s ago", k.name(), k.V.PID, units.Span(ago(k).Float()))
			if g := k.E.OOMMemcg; g != "" {
				s += ", at the limit of cgroup " + g
			}
			return s
		},
	}}
}

const (
	// inFull is how many kills text explains in full unless it is asked for more.
	inFull = 3
	// maxOverview bounds the lines of the overview.
	maxOverview = 1000
)

// Log is a kernel log whose kills are reported.
type Log struct {
	In    io.Reader
	Name  string      // "the kernel's ring buffer"
	Empty string      // what text says where there is no kill
	Lost  func() bool // whether records were overwritten while it was read; nil: they can't be
	By    Examiner
	Limit int  // kills in full, the latest; 0 is all, less is as many as suit the form
	Text  bool // for people: an overview of several kills, and one report for those killed together

	view   *lower.View[*Kill]
	rep    lower.Report
	kills  int // reports with a kill
	failed error
}

// Here examines the log of the machine that kwhy runs on.
func Here(h *inspect.Host) Examiner {
	by := Examiner{Boot: h.Booted()}
	if m, err := memfacts.Take(h, inspect.Of(inspect.Meminfo)); err == nil {
		if swap, ok := m.Info["SwapTotal"]; ok && !faked(h) {
			by.Here, by.Swap = true, int64(swap>>10)
		}
	}
	return by
}

// Report reports the kills of the log and calls found when there is something to print.
// All kills come as they are read, in the same memory however many they are, so that gaps
// and Err are known when the rows have been printed.
func (l *Log) Report(found func()) *lower.Report {
	v := l.columns()
	if l.Limit > 0 || l.Text && l.Limit < 0 {
		l.gather(v)
		found()
	} else {
		l.rep.Grids = make([]lower.Grid, 1)
		v.Stream(&l.rep.Grids[0], func(yield func(*Kill) bool) {
			l.walk(func(k *Kill) bool {
				found()
				return l.Text && !k.First() || yield(k)
			})
			found()
		})
	}
	l.rep.Grids[len(l.rep.Grids)-1].Empty = l.Empty
	return &l.rep
}

// columns are those of its kills; a page of it has the same.
func (l *Log) columns() *lower.View[*Kill] {
	if l.view == nil {
		l.view = lower.Own(Kills(), nil, nil, 0)
	}
	return l.view
}

// Err is what kept the log from being read to its end.
func (l *Log) Err() error { return l.failed }

// walk reads the log, and notes what could not be seen of it.
func (l *Log) walk(yield func(*Kill) bool) {
	tally, err := l.By.Walk(l.In, func(k *Kill) bool {
		l.kills = k.Number
		return yield(k)
	})
	if err != nil {
		l.failed = fmt.Errorf("read %s: %w", l.Name, err)
	}
	if l.Lost != nil && l.Lost() {
		l.gap(inspect.Vanished, 1, "newer records overwrote some before they were read")
	}
	if n := tally.Refused; n > 0 {
		l.gap(inspect.Malformed, n, units.Plural(n, "line looks like a kill, but is", "lines look like kills, but are")+
			" not the kernel's own, or in a format that kwhy does not know")
	}
}

func (l *Log) gap(why inspect.Reason, n int, hint string) {
	l.rep.Gaps = append(l.rep.Gaps, lower.Gap{Source: l.Name, Reason: why, Count: n, Hint: hint})
}

// gather reads the whole log and keeps the rows of the last kills, and for text a line of
// each.
func (l *Log) gather(v *lower.View[*Kill]) {
	ov := lower.Own(Overview(v.Table()), nil, nil, 0)
	full := l.Limit
	if full < 0 {
		full = inFull
	}
	var rows, lines []lower.Row
	var numbers []int // of the report of each row
	l.walk(func(k *Kill) bool {
		if l.Text && !k.First() {
			return true
		}
		if l.Text {
			lines = append(lines, lowerKill(ov, k)...)
			lines = lines[max(0, len(lines)-maxOverview):]
		}
		rows, numbers = append(rows, lowerKill(v, k)...), append(numbers, k.Number)
		for numbers[0] <= k.Number-full {
			rows, numbers = rows[1:], numbers[1:]
		}
		return true
	})
	if l.Text && l.kills > 1 {
		g := grid(ov, lines)
		if g.Total = l.kills; l.kills > full {
			g.Title = fmt.Sprintf("%s; the last %d are explained in full (--limit 0: all)", units.Plural(l.kills, "kill", "kills"), full)
		}
		l.rep.Grids = append(l.rep.Grids, g)
	}
	l.rep.Grids = append(l.rep.Grids, grid(v, rows))
}

// lowerKill takes the values of one kill: its report need not be kept for them.
func lowerKill(v *lower.View[*Kill], k *Kill) (out []lower.Row) {
	var g lower.Grid
	v.Stream(&g, func(yield func(*Kill) bool) { yield(k) })
	for row := range g.Rows {
		out = append(out, row)
	}
	return out
}

// grid is a table of rows that were lowered before.
func grid(v *lower.View[*Kill], rows []lower.Row) lower.Grid {
	var g lower.Grid
	v.Stream(&g, func(func(*Kill) bool) {})
	g.Shown, g.Total = len(rows), len(rows)
	g.Rows = slices.Values(rows)
	return g
}
