package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/lower"
	"kwhy/explain/mem"
	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

// made is what a page of any snapshot can do.
type made interface {
	explain.Page
	Run(*inspect.Host, explain.Limits) (lower.Report, error)
	Drop(key string)
	Lacks() []lower.Lack
	Catalogue() lower.Catalogue
}

// pages returns all pages, made again.
func pages(t *testing.T) (out []made) {
	t.Helper()
	for _, topic := range catalog.Topics() {
		for _, p := range topic.Pages() {
			m, ok := p.(made)
			if !ok {
				t.Fatalf("%s is no page that can be made", p.Form())
			}
			out = append(out, m)
		}
	}
	return out
}

// Names that code gives of rows are names of rows: sort keys, columns, wholes, tables of
// sections, and all evidence. That of a rule which another page declares stands there,
// and a form of a command may leave to another form of it a table that its card places.
func TestNamesOfRowsAreThoseOfRows(t *testing.T) {
	all := catalog.All()
	for _, p := range pages(t) {
		for _, l := range p.Lacks() {
			i := slices.IndexFunc(all.Rules, func(r lower.RuleDoc) bool { return l.Else && r.ID == l.Rule })
			if !slices.ContainsFunc(all.Entries, func(e lower.Entry) bool {
				if l.What == "table" {
					return e.Table == l.Name && strings.HasPrefix(e.Command, p.Form()+" ")
				}
				return i >= 0 && e.Doc.Key == l.Name && e.Command == all.Rules[i].Command
			}) {
				t.Errorf("%s names %s %q, which it does not have %s", p.Form(), l.What, l.Name, l.Rule)
			}
		}
	}
}

// Each value is taken away in turn: the page still runs, and the value is gone from it.
func TestAnyRowCanBeTakenAway(t *testing.T) {
	idle := inspecttest.Open(t, inspecttest.Recorded(t, "debian-7.3-oom"))
	net := inspecttest.Open(t, inspecttest.Recorded(t, "linux-6.18-net"))
	for i, p := range pages(t) {
		if slices.Contains([]string{"proc PID --sample", "check", "proc --threads", "sched PID --threads", "oom log", "fd --path"}, p.Form()) {
			continue // they wait, judge everything, or are of a host's log or directory: their tables are those of others
		}
		h := idle
		if strings.HasPrefix(p.Form(), "net") || strings.HasPrefix(p.Form(), "fd") {
			h = net
		}
		rep, err := pages(t)[i].Run(h, nil)
		if err != nil {
			t.Fatalf("%s: %v", p.Form(), err)
		}
		whole := shown(&rep)
		for _, key := range keysOf(p) {
			if !slices.Contains(whole, key) {
				t.Errorf("%s never shows %s: taking it away proves nothing", p.Form(), key)
			}
			one := pages(t)[i]
			one.Drop(key)
			rep, err := one.Run(h, nil)
			if err != nil {
				t.Errorf("%s without %s: %v", p.Form(), key, err)
				continue
			}
			if got := shown(&rep); slices.Contains(got, key) {
				t.Errorf("%s shows %s, which was taken away", p.Form(), key)
			}
		}
	}
}

// Whichever value of a host's memory is taken away, the parts of MemTotal sum to it: what
// is left over has that part in it then.
func TestPartsSumWithoutAnyRow(t *testing.T) {
	for _, host := range []string{"debian-5.10-swap", "debian-7.3-idle", "debian-7.3-oom"} {
		h := inspecttest.Open(t, inspecttest.Recorded(t, host))
		page := mem.HostPage(mem.HostOptions{})
		m, err := page.Take(h, page.Needs())
		if err != nil {
			t.Fatal(err)
		}
		whole := lower.Explain(&page.Card, m, nil)
		total, left := whole.Cell("mem_total").Value.Int(), whole.Cell("untracked").Value.Int()
		if got, n := partsOf(&whole, "mem_total"); got != total || n < 15 {
			t.Fatalf("%s: %d parts sum to %d, MemTotal is %d", host, n, got, total)
		}
		for i := range whole.Parts {
			for _, c := range whole.Parts[i].Cells {
				one, want := mem.HostPage(mem.HostOptions{}), total
				one.Drop(c.Doc.Key)
				if c.Doc.Key == "untracked" { // what takes up the rest: then it is that which is missing
					want -= left
				}
				rep := lower.Explain(&one.Card, m, nil)
				if got, _ := partsOf(&rep, "mem_total"); got != want || rep.Cell(c.Doc.Key) != nil {
					t.Errorf("%s without %s: the parts sum to %d, MemTotal is %d", host, c.Doc.Key, got, want)
				}
			}
		}
	}
}

// partsOf adds up the parts of a whole in a report.
func partsOf(rep *lower.Report, whole string) (sum int64, n int) {
	for i := range rep.Parts {
		for _, c := range rep.Parts[i].Cells {
			if rep.Parts[i].Whole == whole && c.Doc.Part != 0 && c.Value.Has() {
				sum, n = sum+c.Value.Int(), n+1
			}
		}
	}
	return sum, n
}

// keysOf are the values that a page shows unless it is told which.
func keysOf(p made) (keys []string) {
	for _, e := range p.Catalogue().Entries {
		if e.Table == "" || e.Doc.Show != explain.Asked {
			keys = append(keys, e.Doc.Key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// shown walks a report as output does, and returns the keys that it has.
func shown(rep *lower.Report) (keys []string) {
	for i := range rep.Parts {
		for j := range rep.Parts[i].Cells {
			keys = append(keys, rep.Parts[i].Cells[j].Doc.Key)
		}
	}
	for i := range rep.Grids {
		for _, d := range rep.Grids[i].Docs {
			keys = append(keys, d.Key)
		}
		if rep.Grids[i].Rows == nil {
			continue
		}
		for range rep.Grids[i].Rows {
			continue
		}
	}
	return keys
}
