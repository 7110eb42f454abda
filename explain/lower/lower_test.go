package lower_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// snap is a snapshot of two numbers.
type snap struct {
	n      map[string]uint64
	before *snap
	gone   inspect.Source
}

func (s *snap) Missing(src inspect.Source) inspect.Reason {
	if src == s.gone && src != inspect.None {
		return inspect.Denied
	}
	return inspect.Present
}

func (s *snap) Before() (*snap, time.Duration, bool) {
	return s.before, 2 * time.Second, s.before != nil
}

func (s *snap) Kernel() inspect.Kernel { return inspect.KernelOf(inspect.Version{Major: 5, Minor: 4}) }

func get(name string) func(*snap) explain.Value {
	return func(s *snap) explain.Value { return explain.Look(s.n, name) }
}

func card() explain.Card[*snap] {
	field := func(key string, since int) explain.Field[*snap] {
		return explain.Field[*snap]{Doc: explain.Doc{Key: key, Kernel: key, Unit: explain.Count, Counter: true, Source: inspect.Vmstat,
			Since: inspect.Version{Major: since}, Gist: "A number."}, Get: get(key)}
	}
	derived := field("sum", 0)
	derived.Derive = func(s *snap) explain.Derivation {
		var w explain.Working
		a := w.Take("a", explain.Look(s.n, "a"), explain.Count, inspect.Vmstat, "a")
		b := w.Take("b", explain.Look(s.n, "b"), explain.Count, inspect.Vmstat, "b")
		return w.Done("a + b", explain.Count, explain.I(a+b))
	}
	return explain.Card[*snap]{Name: "t", Sections: []explain.Section[*snap]{{Title: "T", Fields: []explain.Field[*snap]{
		field("a", 0), field("b", 0), field("new", 6), derived,
	}}}, Rules: []explain.Rule[*snap]{
		{
			ID:       "t.a_low",
			Evidence: []string{"a"},
			Of:       get("a"),
			Below:    true,
			At:       explain.At{Notice: 10, Warning: 5},
			Say:      func(*snap) string { return "low" },
		},
		{ID: "t.b_high", Evidence: []string{"b"}, Of: get("b"), At: explain.At{Critical: 100}, Say: func(*snap) string { return "high" }},
	}}
}

func TestRulesGiveLevels(t *testing.T) {
	c := card()
	for _, k := range []struct {
		a, b   uint64
		la, lb explain.Level
		limits explain.Limits
	}{
		{10, 99, explain.OK, explain.OK, nil},
		{9, 100, explain.Notice, explain.Critical, nil},
		{4, 0, explain.Warning, explain.OK, nil},
		{4, 0, explain.OK, explain.OK, explain.Limits{"t.a_low": {Notice: 1}}},
		{4, 0, explain.OK, explain.OK, explain.Limits{"t.a_low": {}}},
	} {
		r := lower.Explain(&c, &snap{n: map[string]uint64{"a": k.a, "b": k.b, "sum": k.a + k.b}}, k.limits)
		if la, lb := r.Cell("a").Level, r.Cell("b").Level; la != k.la || lb != k.lb {
			t.Errorf("a=%d b=%d: levels %v and %v, want %v and %v", k.a, k.b, la, lb, k.la, k.lb)
		}
		want := 0
		for _, l := range []explain.Level{k.la, k.lb} {
			if l > explain.OK {
				want++
			}
		}
		if len(r.Findings) != want {
			t.Errorf("a=%d b=%d: findings %v", k.a, k.b, r.Findings)
		}
	}
}

func TestAbsentIsNotZero(t *testing.T) {
	c := card()
	r := lower.Explain(&c, &snap{n: map[string]uint64{"a": 50, "sum": 50}}, nil)
	if b := r.Cell("b"); b.Value.Has() || b.Value.Reason() != inspect.Unsupported {
		t.Errorf("b is %v", b.Value)
	}
	if n := r.Cell("new"); n.Hint != "needs Linux 6.0 or later" {
		t.Errorf("the hint of a field of a later kernel: %q", n.Hint)
	}
	d := r.Cell("sum").Derivation
	if d.Result.Has() || d.Agrees() != explain.Unknown {
		t.Errorf("a sum with a missing term came out as %v", d.Result)
	}
	r = lower.Explain(&c, &snap{n: map[string]uint64{"a": 50}, gone: inspect.Vmstat}, nil)
	if a := r.Cell("a"); a.Value.Has() || a.Value.Reason() != inspect.Denied {
		t.Errorf("a of a file that is denied: %v", a.Value)
	}
}

func TestDerivationAgrees(t *testing.T) {
	c := card()
	for sum, want := range map[uint64]explain.Agreement{30: explain.Exact, 31: explain.Off} {
		r := lower.Explain(&c, &snap{n: map[string]uint64{"a": 10, "b": 20, "sum": sum}}, nil)
		if got := r.Cell("sum").Derivation.Agrees(); got != want {
			t.Errorf("10 + 20 against %d: %v, want %v", sum, got, want)
		}
	}
	near := explain.Derivation{Result: explain.N(uint64(10)), Reported: explain.N(uint64(8)), Slack: 2}
	if near.Agrees() != explain.Near {
		t.Errorf("10 against 8 with a slack of 2: %v", near.Agrees())
	}
}

func TestRates(t *testing.T) {
	c := card()
	was := &snap{n: map[string]uint64{"a": 10, "b": 90, "sum": 1}}
	r := lower.Explain(&c, &snap{n: map[string]uint64{"a": 30, "b": 20, "sum": 1}, before: was}, nil)
	if got := r.Cell("a").Rate; got.Float() != 10 {
		t.Errorf("20 more in 2 s is %v a second", got.Float())
	}
	if got := r.Cell("b").Rate; got.Has() || got.Reason() != inspect.Reset {
		t.Errorf("a counter that went back: %v", got)
	}
	r = lower.Explain(&c, was, nil)
	if got := r.Cell("a").Rate; got.Has() || got.Reason() != inspect.NoInterval {
		t.Errorf("a rate of one sample: %v", got)
	}
}

type rows []*snap

func (r rows) Len() int { return len(r) }

func (r rows) At(i int) *snap { return r[i] }

func TestTableOrder(t *testing.T) {
	table := &explain.Table[*snap]{Name: "t", Sort: []string{"a", "-b"}, Fields: card().Sections[0].Fields[:2]}
	all := rows{
		{n: map[string]uint64{"a": 1, "b": 1}},
		{n: map[string]uint64{"b": 0}},
		{n: map[string]uint64{"a": 2, "b": 9}},
		{n: map[string]uint64{"a": 2, "b": 3}},
	}
	v, err := lower.NewView(table, nil, nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	order := v.Order(all)
	if want := []int32{3, 2, 0}; len(order) != 3 || order[0] != want[0] || order[1] != want[1] || order[2] != want[2] {
		t.Errorf("order %v, want %v: largest a first, then smallest b, absent last", order, want)
	}
	g, _ := v.Explain(all, order, nil)
	n := 0
	for row := range g.Rows {
		if n == 0 && row.Values[1].Uint() != 3 {
			t.Errorf("the first row is %v", row.Values)
		}
		n++
	}
	if n != 3 || g.Total != 4 || g.Shown != 3 {
		t.Errorf("%d rows, %d of %d", n, g.Shown, g.Total)
	}
	if _, err := lower.NewView(table, []string{"nope"}, nil, 0); err == nil {
		t.Error("an unknown column is no error")
	}
}

func TestSizes(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 102348: "99.9 KiB", 102400: "100 KiB",
		1<<20 - 1: "1.0 MiB", 23730000000: "22.1 GiB", 1<<64 - 1: "16.0 EiB"} {
		if got := units.Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "−1,234,567"} {
		if got := units.Number(n); got != want {
			t.Errorf("Number(%d) = %q, want %q", n, got, want)
		}
	}
	for part, want := range map[int]string{0: "0 %", 1: "<0.1 %", 50: "0.5 %", 999: "10 %", 5000: "50 %", 9990: "99.9 %", 10000: "100 %"} {
		if got := units.Percent(part, 10000); got != want {
			t.Errorf("Percent(%d, 10000) = %q, want %q", part, got, want)
		}
	}
}

// A counter's rate is a column too: to show, and to sort by; beside the counter it is
// shown once.
func TestRateColumns(t *testing.T) {
	counter := func(key string) explain.Field[*snap] {
		return explain.Field[*snap]{
			Doc: explain.Doc{Key: key, Unit: explain.Count, Counter: true, Source: inspect.Vmstat, Gist: "A number."},
			Get: get(key),
		}
	}
	table := &explain.Table[*snap]{
		Name: "t",
		Fields: []explain.Field[*snap]{
			counter("a"),
			{Doc: explain.Doc{Key: "b", Unit: explain.Count, Source: inspect.Vmstat, Gist: "A number."}, Get: get("b")},
		},
	}
	list := rows{
		{n: map[string]uint64{"a": 100, "b": 1}, before: &snap{n: map[string]uint64{"a": 90}}},
		{n: map[string]uint64{"a": 50, "b": 2}, before: &snap{n: map[string]uint64{"a": 10}}},
	}
	v, err := lower.NewView(table, []string{"a", "a_rate"}, []string{"a_rate"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	g, _ := v.Explain(list, v.Order(list), nil)
	var got [][]float64
	for r := range g.Rows {
		var row []float64
		for _, v := range r.Values {
			row = append(row, v.Float())
		}
		got = append(got, row)
	}
	if want := [][]float64{{50, 20}, {100, 5}}; len(g.Docs) != 2 || g.Docs[1].Key != "a_rate" || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d columns, %v, want %v", len(g.Docs), got, want)
	}
	if _, err := lower.NewView(table, []string{"b_rate"}, nil, 0); err == nil {
		t.Error("b does not count, and has a rate")
	}
	list[0].before, list[1].before = nil, nil
	for r := range g.Rows {
		if v := r.Values[1]; v.Has() || v.Reason() != inspect.NoInterval {
			t.Errorf("%v, %v without an interval", v, v.Reason())
		}
	}
}

// The advice of what was denied is what would help kwhy itself, and none where it has the
// rights; that of what the kernel does not have does not change.
func TestAdvise(t *testing.T) {
	c := card()
	c.Sections[0].Fields[0].Source = inspect.Zoneinfo
	rep := lower.Explain(&c, &snap{n: map[string]uint64{"b": 1}, gone: inspect.Zoneinfo}, nil)
	on := inspect.KernelOf(inspect.Version{Major: 5, Minor: 4})
	rep.Tell([]inspect.Gap{{Source: inspect.Zoneinfo, Reason: inspect.Denied, Count: 1, Of: 1}}, on)
	a, fresh := rep.Cell("a"), rep.Cell("new")
	if !rep.Denies() || a.Hint != inspect.Zoneinfo.Opens() || fresh.Hint != "needs Linux 6.0 or later" {
		t.Fatalf("denied: %v; hints %q and %q", rep.Denies(), a.Hint, fresh.Hint)
	}
	var plainUser inspect.Rights
	want := inspect.Zoneinfo.Opens()
	rep.Advise(plainUser)
	if a.Hint != want || rep.Gaps[0].Hint != want || fresh.Hint != "needs Linux 6.0 or later" {
		t.Errorf("hints %q, %q and %q", a.Hint, rep.Gaps[0].Hint, fresh.Hint)
	}
	copied := (&inspect.Host{}).Rights()
	if rep.Advise(copied); a.Hint == want || !strings.Contains(a.Hint, "of this copy") || rep.Gaps[0].Hint != a.Hint {
		t.Errorf("of a copy it is said: %q and %q", a.Hint, rep.Gaps[0].Hint)
	}
	plain := lower.Explain(&c, &snap{n: map[string]uint64{"a": 1, "b": 1}}, nil)
	if plain.Tell(nil, inspect.KernelOf(inspect.Version{Major: 5, Minor: 4})); plain.Denies() {
		t.Error("a report denies what this kernel does not have")
	}
}
