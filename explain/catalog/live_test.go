package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/concepts"
	"kwhy/explain/lower"
)

// Each essay shows something of the host, except those on things that kwhy does not read;
// what it names is declared, and is shown.
func TestEssaysShowTheHost(t *testing.T) {
	all := catalog.All()
	host, network := recorded(t, "debian-7.3-oom"), recorded(t, "linux-6.18-lossy-net")
	nothing := []string{"io-uring", "vdso"}
	for _, name := range concepts.Names() {
		essay, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		groups := catalog.OfEssay(all, &essay)
		if (len(groups) == 0) != slices.Contains(nothing, name) {
			t.Errorf("%s shows %d groups of values", name, len(groups))
		}
		for _, g := range groups {
			h := host
			if strings.HasPrefix(g.Command, "net") {
				h = network
			}
			rep, err := g.Live(h, g.Ask)
			if err != nil {
				t.Errorf("%s: kwhy %s: %v", name, g.Command, err)
			}
			for _, grid := range rep.Grids {
				shows(t, name, &g, &grid)
			}
		}
		for i, named := range essay.Live {
			if slices.Contains(essay.Live[:i], named) {
				t.Errorf("%s names %s twice", name, named)
			}
			_, key, _ := strings.Cut("."+named, ".")
			key = key[strings.LastIndexByte(key, '.')+1:]
			if !slices.ContainsFunc(groups, func(g catalog.Group) bool { return slices.Contains(g.Ask.Keys, key) }) {
				t.Errorf("%s does not show %s", name, named)
			}
		}
	}
}

// shows checks that a table is short, says whose its rows are, and has what was
// asked for, the largest first.
func shows(t *testing.T, essay string, g *catalog.Group, grid *lower.Grid) {
	t.Helper()
	for _, key := range g.Ask.Keys {
		if !slices.ContainsFunc(grid.Docs, func(d explain.Doc) bool { return d.Key == key }) {
			t.Errorf("%s: %s of kwhy %s lacks %s", essay, grid.Name, g.Command, key)
		}
	}
	if grid.Name == "processes" && (grid.Docs[0].Key != "pid" || grid.Docs[1].Key != "comm") {
		t.Errorf("%s: rows of kwhy %s do not say which process", essay, g.Command)
	}
	at := slices.IndexFunc(grid.Docs, func(d explain.Doc) bool { return d.Key == g.Ask.Sort && d.Unit.Number() })
	n := 0
	var last explain.Value
	for r := range grid.Rows {
		if n++; at >= 0 && n > 1 && grid.Docs[at].Key != "pss" && last.Has() && r.Values[at].Has() && last.Compare(r.Values[at]) < 0 {
			t.Errorf("%s: %s of kwhy %s is not in order", essay, g.Ask.Sort, g.Command)
		}
		if at >= 0 {
			last = r.Values[at]
		}
	}
	if n > 5 {
		t.Errorf("%s: %d rows of kwhy %s", essay, n, g.Command)
	}
}

func TestAliases(t *testing.T) {
	seen := map[string]string{}
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, also := range append(e.Also, e.Title) {
			if of := seen[strings.ToLower(also)]; of != "" {
				t.Errorf("%s is another name of both %s and %s", also, of, name)
			}
			seen[strings.ToLower(also)] = name
			if c, ok := catalog.Concept(also); ok && c != name {
				t.Errorf("%s is another name of %s, and a concept", also, name)
			}
			if c, ok := catalog.Alias(also); !ok || c != name {
				t.Errorf("%s leads to %q, not to %s", also, c, name)
			}
		}
	}
	for name, want := range map[string]string{"thread": "threads", "namespace": "namespaces", "sockets": "socket",
		"PAGE_CACHE": "page-cache", "page cache": "page-cache"} {
		if got, ok := catalog.Concept(name); !ok || got != want {
			t.Errorf("%s is the concept %q, not %s", name, got, want)
		}
	}
	if got, ok := catalog.Alias("/PROC"); !ok || got != "procfs" {
		t.Errorf("/PROC is %q", got)
	}
	if near := catalog.Near(known(catalog.All()), "hugepges"); !slices.Contains(near, "hugepages") {
		t.Errorf("near hugepges is %v", near)
	}
}
