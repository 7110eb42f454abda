package doctor

import (
	"errors"
	"io/fs"
	"slices"
	"testing"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
)

// moving is a card of one derivation: free is what moves, and the kernel's figure is of
// the time of another read until it settles.
func moving(settles int) (lower.Entry, func() lower.Examination) {
	n := 0
	read := func() lower.Examination {
		n++
		var w explain.Working
		w.Take("total", explain.I(100), explain.Bytes, inspect.Meminfo, "MemTotal")
		w.Take("free", explain.I(10*n), explain.Bytes, inspect.Meminfo, "MemFree")
		d := w.Done("total − free", explain.Bytes, explain.I(100-10*n))
		d.Reported = explain.I(95)
		if n >= settles {
			d.Reported = d.Result
		}
		return lower.Examination{Cells: []lower.Cell{{Doc: explain.Doc{Key: "used"}, Value: d.Reported, Derivation: &d}}}
	}
	return lower.Entry{Doc: explain.Doc{Key: "used"}, Command: "mem", Derives: true,
		Examine: func(*inspect.Host, ...string) (lower.Examination, error) { return read(), nil }}, read
}

// One that is off is tried again, and says how often and what moved; one that stays so
// is off. Of a copy nothing moves, and it is tried once.
func TestTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		settles int
		live    bool
		verdict string
		tries   int
		says    string
	}{
		{"at once", 1, true, VerdictExact, 1, "90 B"},
		{"settles", 3, true, VerdictExact, 3, "70 B; computed 3 times while free, the kernel's figure changed"},
		{"never", 99, true, VerdictOff, maxTries, "computed 50, the kernel says 95: they differ by 45; computed 5 times while free changed"},
		{"a copy", 3, false, VerdictOff, 1, "computed 90, the kernel says 95: they differ by 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, read := moving(c.settles)
			g := group{first: e, entries: []lower.Entry{e}, keys: []string{"used"}}
			got := g.tried(&inspect.Host{Live: c.live}, read())
			if d := got[0]; len(got) != 1 || d.Verdict() != c.verdict || d.Tries != c.tries || d.says() != c.says {
				t.Errorf("%s, %d tries: %q, want %s, %d: %q", d.Verdict(), d.Tries, d.says(), c.verdict, c.tries, c.says)
			}
		})
	}
}

// Of several rows it names the worst, and counts the exact ones.
func TestTrial(t *testing.T) {
	row := func(name string, computed, reported int64) explain.Tried {
		return explain.Tried{Row: name, Derivation: explain.Derivation{Result: explain.I(computed), Reported: explain.I(reported), Slack: 2}}
	}
	try := func(rows ...explain.Tried) *Derivation {
		return trial(
			&inspect.Host{},
			explain.Trial{Key: "min", Rows: "zones", Unit: explain.Bytes, Try: func(*inspect.Host) ([]explain.Tried, error) { return rows, nil }},
		)
	}
	d := try(row("zone A", 1, 1), row("zone B", 10, 13), row("zone C", 10, 20), row("zone D", 5, 6))
	if d.Verdict() != VerdictOff || d.Row != "zone C" || d.Rows != 4 || d.Exact != 1 {
		t.Errorf("%+v", d)
	}
	want := "exact for 1 of 4 zones; for zone C computed 10, the kernel says 20: they differ by 10, where up to 2 is normal"
	if d.says() != want {
		t.Errorf("%q, want %q", d.says(), want)
	}
	if d := try(row("zone A", 1, 1), row("zone D", 5, 6)); d.Verdict() != VerdictNear || d.Row != "zone D" {
		t.Errorf("%+v", d)
	}
	if d := try(); d.Verdict() != VerdictUncomputed || d.says() != "there is nothing to compute here" {
		t.Errorf("%s: %q", d.Verdict(), d.says())
	}
	failed := trial(
		&inspect.Host{},
		explain.Trial{Key: "min", Try: func(*inspect.Host) ([]explain.Tried, error) { return nil, errors.Join(fs.ErrPermission) }},
	)
	if failed.Verdict() != VerdictUncomputed || failed.Why != inspect.Denied {
		t.Errorf("%+v", failed)
	}
}

// The result lacks what its terms lack: the file that was denied, or a line that a file
// does not have.
func TestLack(t *testing.T) {
	for _, c := range []struct {
		term value
		seen []lower.Seen
		want inspect.Reason
	}{
		{value{}, []lower.Seen{{Source: inspect.Zoneinfo, Why: inspect.Denied}}, inspect.Denied},
		{value{}, []lower.Seen{{Source: inspect.Zoneinfo}}, inspect.Unsupported},
		{explain.None(inspect.Malformed), nil, inspect.Malformed},
	} {
		var w explain.Working
		w.Take("low", c.term, explain.Bytes, inspect.Zoneinfo, "low")
		d := &Derivation{Derivation: w.Done("low", explain.Bytes, explain.I(1)), Why: inspect.Present}
		if d.lack(c.seen); d.Why != c.want || d.Lacks != "low of /proc/zoneinfo" {
			t.Errorf("%v %q, want %v", d.Why, d.Lacks, c.want)
		}
	}
}

// What a file gave and what its readers made of it are one verdict.
func TestSettle(t *testing.T) {
	for _, c := range []struct {
		name   string
		source inspect.Source
		looked []inspect.Reason // none: no file
		seen   []inspect.Reason
		live   bool
		want   inspect.Reason
	}{
		{"readable", inspect.Meminfo, []inspect.Reason{inspect.Present}, []inspect.Reason{inspect.Present}, true, inspect.Present},
		{"garbage", inspect.Meminfo, []inspect.Reason{inspect.Present}, []inspect.Reason{inspect.Present, inspect.Malformed}, true,
			inspect.Malformed},
		{"nothing in it", inspect.Swaps, []inspect.Reason{inspect.Present}, []inspect.Reason{inspect.Inapplicable}, true, inspect.Present},
		{"denied, whoever says otherwise", inspect.Slabinfo, []inspect.Reason{inspect.Denied}, []inspect.Reason{inspect.Present}, true,
			inspect.Denied},
		{"gone, and nobody misses it", inspect.SchedExt, []inspect.Reason{inspect.Unsupported}, []inspect.Reason{inspect.Inapplicable}, true,
			inspect.Inapplicable},
		{"asked, and some answered", inspect.NetEthtool, nil, []inspect.Reason{inspect.Inapplicable, inspect.Present}, true, inspect.Present},
		{"asked of a copy", inspect.NetRoute, nil, []inspect.Reason{inspect.Unsupported}, false, inspect.Inapplicable},
		{"never tried", inspect.NetRoute, nil, nil, true, inspect.Unread},
	} {
		f := &findings{
			host:   &inspect.Host{Live: c.live},
			looked: map[inspect.Source]inspect.Reason{},
			seen:   map[inspect.Source][]inspect.Reason{c.source: c.seen},
		}
		if c.looked != nil {
			f.looked[c.source] = c.looked[0]
		}
		if got := f.settle(c.source); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Each reason for an absent value that a source can have is a word that is explained.
func TestStatesAreWords(t *testing.T) {
	for _, r := range bySeverity() {
		s := &Source{Source: inspect.Meminfo, Why: r, host: &inspect.Host{Live: true}}
		if !slices.ContainsFunc(states(), func(w explain.Word) bool { return w.Name == s.State() }) {
			t.Errorf("%q is explained nowhere", s.State())
		}
	}
}
