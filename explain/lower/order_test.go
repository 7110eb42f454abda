package lower_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
)

// many is a table of values that a test makes, one a row.
func many(list []explain.Value) (*explain.Table[*snap], rows) {
	all := make(rows, len(list))
	for i := range list {
		all[i] = &snap{n: map[string]uint64{"at": uint64(i)}}
	}
	return &explain.Table[*snap]{Name: "t", Sort: []string{"v"}, Fields: []explain.Field[*snap]{
		{
			Doc: explain.Doc{Key: "v", Unit: explain.Count, Source: inspect.Vmstat, Gist: "A number."},
			Get: func(s *snap) explain.Value { return list[s.n["at"]] },
		},
		{Doc: explain.Doc{Key: "at", Unit: explain.Count, Source: inspect.Vmstat, Gist: "A number."}, Get: get("at")},
	}}, all
}

// Numbers of each kind, and of several, are in the order of Compare, as found where
// they are the same; and as many as were asked for.
func TestOrderOfNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := map[string]func() explain.Value{
		"uint": func() explain.Value { return explain.N(r.Uint64() >> (r.IntN(2) * 60)) },
		"int":  func() explain.Value { return explain.I(r.Int64() >> (r.IntN(2) * 60) * int64(1-2*r.IntN(2))) },
		"float": func() explain.Value {
			return explain.F([]float64{0, math.Copysign(0, -1), -1.5, 1e300, -1e300, r.Float64()}[r.IntN(6)])
		},
		"mixed": func() explain.Value {
			return []explain.Value{explain.N(uint(2)), explain.I(-2), explain.F(1.5)}[r.IntN(3)]
		},
		"absent": func() explain.Value {
			return []explain.Value{explain.N(r.Uint32N(9)), explain.None(inspect.Denied)}[r.IntN(2)]
		},
	}
	for name, make1 := range kinds {
		for _, key := range []string{"v", "-v"} {
			for _, limit := range []int{0, 7} {
				list := make([]explain.Value, 300)
				for i := range list {
					list[i] = make1()
				}
				table, all := many(list)
				v, err := lower.NewView(table, nil, []string{key}, limit)
				if err != nil {
					t.Fatal(err)
				}
				want := make([]int32, len(list))
				for i := range want {
					want[i] = int32(i)
				}
				slices.SortStableFunc(want, func(a, b int32) int {
					c := list[a].Compare(list[b])
					if key == "v" && list[a].Has() && list[b].Has() {
						return -c
					}
					return c
				})
				if limit > 0 {
					want = want[:limit]
				}
				if got := v.Order(all); !slices.Equal(got, want) {
					t.Errorf("%s by %s: %v, want %v", name, key, got, want)
				}
			}
		}
	}
}

// Of a few findings a rule tells the first, and the last of them counts the rest, of
// few rows and of many, which are judged in two halves; each row has its level.
func TestFewFindings(t *testing.T) {
	for _, n := range []int{2, 3, 4, 100, 5000, 20000} {
		list := make([]explain.Value, n)
		for i := range list {
			list[i] = explain.N(uint(i % 2)) // every second row is found
		}
		table, all := many(list)
		table.Sort = nil
		table.Rules = []explain.Rule[*snap]{
			{
				ID:       "t.one",
				Evidence: []string{"v"},
				Of:       func(s *snap) explain.Value { return list[s.n["at"]] },
				At:       explain.At{Warning: 1},
				Say:      func(s *snap) string { return fmt.Sprint(s.n["at"]) },
			},
		}
		v, err := lower.NewView(table, nil, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		v.Few(3)
		g, found := v.Explain(all, v.Order(all), nil)
		told, more := 0, 0
		for i, f := range found {
			if f.Message != fmt.Sprint(2*i+1) || f.Table != "t" || f.More > 0 && i != len(found)-1 {
				t.Errorf("%d rows: finding %d is %+v", n, i, f)
			}
			told, more = told+1, more+f.More
		}
		if told != min(3, n/2) || told+more != n/2 {
			t.Errorf("%d rows: %d told and %d more", n, told, more)
		}
		at := 0
		for row := range g.Rows {
			if want := []explain.Level{explain.OK, explain.Warning}[at%2]; row.Level != want {
				t.Fatalf("row %d is %v", at, row.Level)
			}
			at++
		}
		v.Few(0)
		if _, every := v.Explain(all, v.Order(all), nil); len(every) != n/2 {
			t.Errorf("%d rows: %d findings where all are told", n, len(every))
		}
	}
}
