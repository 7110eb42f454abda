package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/lower"
	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

// made is what a page of any snapshot can do.
type made interface {
	explain.Page
	Run(*inspect.Host, explain.Limits) (lower.Report, error)
	Drop(key string)
	Lacks() []string
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

// Names that code gives of rows are names of rows: sort keys, columns, wholes, evidence.
func TestNamesOfRowsAreThoseOfRows(t *testing.T) {
	for _, p := range pages(t) {
		if lacks := p.Lacks(); len(lacks) > 0 {
			t.Errorf("%s names what it does not have: %q", p.Form(), lacks)
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

// keysOf are the values that a page shows by default.
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
