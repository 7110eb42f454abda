package catalog_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/fd"
	"kwhy/explain/lower"
	"kwhy/explain/mem"
	"kwhy/explain/oom"
	"kwhy/explain/proc"
	"kwhy/explain/sched"
	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/output"
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

// form is a page that can be made again, and the host that it is run on.
type form struct {
	name string
	host *inspect.Host
	make func() made
}

// forms are all pages with hosts on which they show all that they declare. A page that
// its topic has for what it declares alone is here with rows.
func forms(t *testing.T) (out []form) {
	dir := inspecttest.Recorded(t, "debian-7.3-oom")
	inspecttest.Write(t, filepath.Join(dir, "proc/sysvipc/shm"), // which the recording is older than
		"key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap\n"+
			"0 7 1600 8192 1 1 2 0 0 0 0 0 0 0 4096 4096\n")
	idle := inspecttest.Open(t, dir)
	net := inspecttest.Open(t, inspecttest.Recorded(t, "linux-6.18-net"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	logs, err := os.ReadFile("../../cmd/testdata/script/oom_log.txtar")
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(inspecttest.UnpackText(t, string(logs)), "kern.log"))
	if err != nil {
		t.Fatal(err)
	}
	kills := func(l oom.Log) func() made {
		return func() made {
			one := l
			one.In = bytes.NewReader(log)
			return oom.LogPage(&one)
		}
	}
	instead := map[string][]func() made{
		"oom log":             {kills(oom.Log{Text: true, Limit: -1}), kills(oom.Log{Limit: 0})},
		"fd --path":           {func() made { return lower.MustPage(fd.PathPage(self, fd.Options{})) }},
		"proc --threads":      {func() made { return lower.MustPage(proc.HostPage(proc.HostOptions{Threads: true})) }},
		"sched PID --threads": {func() made { return sched.ProcessPage(0, true) }},
	}
	for i, p := range pages(t) {
		h := idle
		switch {
		case p.Form() == "fd --path", p.Form() == "proc PID --sample": // what a copy of /proc has not
			h = inspecttest.LiveHost(t)
		case strings.HasPrefix(p.Form(), "net"), strings.HasPrefix(p.Form(), "fd"):
			h = net
		}
		list, is := instead[p.Form()]
		if !is {
			list = []func() made{func() made { return pages(t)[i] }}
		}
		for _, again := range list {
			out = append(out, form{p.Form(), h, again})
		}
	}
	return out
}

// Each value is taken away in turn: the page still runs, and the value is gone from its
// report, from text, JSON, schema and catalogue.
func TestAnyRowCanBeTakenAway(t *testing.T) {
	if testing.Short() {
		t.Skip("left out of a short run: it runs in one goroutine, and takes long")
	}
	n := 0
	for _, f := range forms(t) {
		rep, err := f.make().Run(f.host, nil)
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		whole := shown(&rep)
		for _, key := range keysOf(f.make()) {
			if !slices.Contains(whole, key) {
				t.Errorf("%s never shows %s: taking it away proves nothing", f.name, key)
			}
			if n++; !inspecttest.HasTurn(n) {
				continue
			}
			one := f.make()
			one.Drop(key)
			rep, err := one.Run(f.host, nil)
			if err != nil {
				t.Errorf("%s without %s: %v", f.name, key, err)
				continue
			}
			if got := shown(&rep); slices.Contains(got, key) {
				t.Errorf("%s shows %s, which was taken away", f.name, key)
			}
			goneFromOutput(t, f, one, &rep, key)
		}
	}
}

// goneFromOutput looks for a value that was taken away in what is printed and declared.
func goneFromOutput(t *testing.T, f form, one made, rep *lower.Report, key string) {
	t.Helper()
	again := func() {
		if f.name != "oom log" { // whose rows come but once
			return
		}
		r, err := one.Run(f.host, nil)
		if *rep = r; err != nil {
			t.Errorf("%s without %s: %v", f.name, key, err)
		}
	}
	entries := one.Catalogue().Entries
	if slices.ContainsFunc(entries, func(e lower.Entry) bool { return e.Doc.Key == key }) {
		t.Errorf("%s: the catalogue has %s", f.name, key)
	}
	schema, err := output.JSONSchema(entries, nil)
	if err != nil || bytes.Contains(schema, []byte(`"`+key+`": {"allOf"`)) {
		t.Errorf("%s: the schema has %s, or fails: %v", f.name, key, err)
	}
	again()
	var text, data bytes.Buffer
	if err := output.NewText(&text, 200, output.DetailLine, false).Print(&output.Header{}, rep); err != nil {
		t.Errorf("%s without %s: %v", f.name, key, err)
	}
	for _, name := range namesOnlyOf(f.make().Catalogue().Entries, key) {
		if named := regexp.MustCompile(`(?m)  ` + regexp.QuoteMeta(name) + `(  |$)`).FindString(text.String()); named != "" {
			t.Errorf("%s without %s: text has %q", f.name, key, named)
		}
	}
	again()
	if err := output.NewJSON(&data).Print(&output.Header{}, rep); err != nil {
		t.Errorf("%s without %s: %v", f.name, key, err)
	}
	var doc struct {
		Values map[string]any
		Tables map[string]struct {
			Fields map[string]any
			Rows   []map[string]any
		}
	}
	if err := json.Unmarshal(data.Bytes(), &doc); err != nil {
		t.Fatalf("%s without %s: %v", f.name, key, err)
	}
	_, has := doc.Values[key]
	for _, table := range doc.Tables {
		_, is := table.Fields[key]
		has = has || is || slices.ContainsFunc(table.Rows, func(row map[string]any) bool { _, is := row[key]; return is })
	}
	if has {
		t.Errorf("%s without %s: JSON has it", f.name, key)
	}
}

// namesOnlyOf are the names in text of the values with a key, where neither another value
// nor a word that is one looks like them.
func namesOnlyOf(entries []lower.Entry, key string) (names []string) {
	heading := func(e *lower.Entry) string {
		if name := e.Doc.Name(); e.Table == "" || e.Doc.Label == "" && name != strings.ToLower(name) {
			return name
		}
		return strings.ToUpper(strings.ReplaceAll(e.Doc.Name(), "_", " "))
	}
	for i := range entries {
		name := heading(&entries[i])
		if entries[i].Doc.Key == key && !slices.ContainsFunc(entries, func(e lower.Entry) bool {
			return e.Doc.Key != key && heading(&e) == name ||
				slices.ContainsFunc(e.Doc.Words, func(w explain.Word) bool { return w.Name == name })
		}) {
			names = append(names, name)
		}
	}
	return names
}

// What says how a table is sorted says so no more where it is not.
func TestTitleClaimsNoOrderThatIsGone(t *testing.T) {
	h := inspecttest.Open(t, inspecttest.Recorded(t, "debian-7.3-oom"))
	for key, want := range map[string]string{"pid": "Processes by RSS", "rss": "Processes"} {
		page := mem.HostPage(mem.HostOptions{})
		page.Drop(key)
		rep, err := page.Run(h, nil)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(rep.Parts, func(p lower.Part) bool { return p.Table == "processes" })
		if got := rep.Parts[i].Title; got != want {
			t.Errorf("without %s: %q, want %q", key, got, want)
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
