package catalog_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/concepts"
	"kwhy/explain/lower"
	"kwhy/explain/mem"
	"kwhy/explain/oom"
	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	memfacts "kwhy/inspect/mem"
)

// snake is how the kernel's spelling becomes a key.
func snake(kernel string) string {
	for _, sysctls := range []string{"vm.", "kernel.", "fs.", "net.core.", "net.ipv4.", "net.netfilter.",
		"net."} { // their directory is left out
		if rest, ok := strings.CutPrefix(kernel, sysctls); ok {
			kernel = rest
		}
	}
	var b strings.Builder
	rs := []rune(kernel)
	for i, r := range rs {
		switch {
		case r == '(' || r == '_':
			b.WriteByte('_')
		case r == ')':
		case unicode.IsUpper(r):
			after := i > 0 && rs[i-1] != '_' && rs[i-1] != '(' && (unicode.IsLower(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1]))
			if after {
				b.WriteByte('_')
			}
			b.WriteRune(unicode.ToLower(r))
		case r == '-', r == '.': // threads-max, se.vruntime
			b.WriteByte('_')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestEveryValueIsDeclaredWhole(t *testing.T) {
	for _, e := range catalog.All().Entries {
		d := &e.Doc
		name := e.Command + " " + e.Table + " " + d.Key
		if n := utf8.RuneCountInString(d.Gist); n == 0 || n > 80 || !strings.HasSuffix(d.Gist, ".") {
			t.Errorf("%s: a gist is one sentence of at most 80 columns, this has %d: %q", name, n, d.Gist)
		}
		if d.Source == inspect.None {
			t.Errorf("%s has no source", name)
		}
		if !slices.Contains(concepts.Names(), string(d.Concept)) {
			t.Errorf("%s names the concept %q, and there is no such essay", name, d.Concept)
		}
		for _, w := range d.Words {
			if !slices.Contains(concepts.Names(), string(w.Concept)) {
				t.Errorf("%s: the word %s names the concept %q, and there is no such essay", name, w.Name, w.Concept)
			}
		}
		want := snake(d.Kernel)
		if d.Source == inspect.KSM {
			want = "ksm_" + want
		}
		if d.Kernel != "" && d.Key != want {
			t.Errorf("%s: the key of %s is %s by the rule", name, d.Kernel, want)
		}
		if d.Key != strings.ToLower(d.Key) || strings.ContainsAny(d.Key, " -.") {
			t.Errorf("%s: a key is snake_case", name)
		}
	}
}

func TestKeysAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range catalog.All().Entries {
		scope := e.Table
		if scope == "" || e.Doc.Key == "why" { // what a row says depends on the command that shows it
			scope += e.Command
		}
		if k := scope + " " + e.Doc.Key; seen[k] {
			t.Errorf("%s is declared twice", k)
		} else {
			seen[k] = true
		}
	}
}

func TestRules(t *testing.T) {
	known := map[string]bool{}
	for _, e := range catalog.All().Entries {
		known[e.Doc.Key] = true
	}
	seen := map[string]bool{}
	for _, r := range catalog.All().Rules {
		if seen[r.ID] || !strings.Contains(r.ID, ".") {
			t.Errorf("rule %q: an ID is unique, and topic.name", r.ID)
		}
		seen[r.ID] = true
		for _, k := range r.Evidence {
			if !known[k] {
				t.Errorf("rule %s rests on %q, which nobody declares", r.ID, k)
			}
		}
		if !slices.Contains(concepts.Names(), string(r.Concept)) {
			t.Errorf("rule %s names the concept %q, and there is no such essay", r.ID, r.Concept)
		}
		if r.What == "" || r.Means == "" || !strings.HasSuffix(r.Means, ".") || r.Next == "" && r.ID != "proc.ended" {
			t.Errorf("rule %s says what it measures, what that means, and what to look at next", r.ID)
		}
		if r.Unless != "" && !slices.ContainsFunc(catalog.All().Rules, func(o lower.RuleDoc) bool { return o.ID == r.Unless }) {
			t.Errorf("rule %s is left out for %q, and there is no such rule", r.ID, r.Unless)
		}
		at := []float64{r.At.Notice, r.At.Warning, r.At.Critical}
		at = slices.DeleteFunc(at, func(f float64) bool { return f == 0 })
		if len(at) == 0 || !slices.IsSortedFunc(at, func(a, b float64) int {
			if (a < b) != r.Below {
				return -1
			}
			return 1
		}) && len(at) > 1 {
			t.Errorf("rule %s: its thresholds %v are not in order", r.ID, at)
		}
	}
}

func TestFind(t *testing.T) {
	all := catalog.All()
	for name, key := range map[string]string{"MemAvailable": "mem_available", "memavailable": "mem_available", "COMMITTED_AS": "committed_as",
		"swappiness": "swappiness", "vm.swappiness": "swappiness", "VmRSS": "vm_rss", "Active(file)": "active_file",
		"pgscan_kswapd": "pgscan_kswapd"} {
		if got := catalog.Find(all, name); len(got) == 0 || got[0].Doc.Key != key {
			t.Errorf("Find(%q) = %v, want %s", name, got, key)
		}
	}
	if got := catalog.Near(known(all), "MemAvailabel"); !slices.Contains(got, "MemAvailable") {
		t.Errorf("near MemAvailabel is %v", got)
	}
	if got := catalog.Near(known(all), "zzzzzzzz"); len(got) > 0 {
		t.Errorf("near zzzzzzzz is %v", got)
	}
}

func known(all lower.Catalogue) (names []string) {
	for _, w := range catalog.Known(all) {
		names = append(names, w.Name)
	}
	return names
}

func TestNear(t *testing.T) {
	commands := []string{"check", "fd", "mem", "net", "oom", "sched", "schema", "version"}
	for name, want := range map[string]string{
		"":          "",
		"me":        "mem", // one edit; two would make fd of it
		"mme":       "mem",
		"mom":       "mem oom",
		"s":         "sched schema version",
		"vresion":   "version",
		"VRESION":   "version",
		"schedul":   "sched",
		"scheduler": "",
	} {
		if got := strings.Join(catalog.Near(commands, name), " "); got != want {
			t.Errorf("near %q is %q, want %q", name, got, want)
		}
	}
	if got := catalog.Near([]string{"aab", "aba", "baa", "aac", "aca", "caa"}, "aaa"); len(got) != 5 {
		t.Errorf("%d are offered: %v", len(got), got)
	}
}

// Whatever name a report prints, as a field or as a word that is its value, finds
// what explains it, in any case.
func TestEveryNameIsFound(t *testing.T) {
	all := catalog.All()
	is := func(e, of *lower.Entry) bool {
		return e.Command == of.Command && e.Table == of.Table && e.Doc.Key == of.Doc.Key
	}
	for i := range all.Entries {
		e := &all.Entries[i]
		for _, name := range []string{e.Doc.Key, e.Doc.Kernel, e.Doc.Label, strings.ToUpper(e.Doc.Key), strings.ToUpper(e.Doc.Kernel)} {
			if name != "" && !slices.ContainsFunc(catalog.Find(all, name), func(f lower.Entry) bool { return is(&f, e) }) {
				t.Errorf("%q does not find %s of %s", name, e.Doc.Key, e.Command)
			}
		}
		for _, w := range e.Doc.Words {
			got := catalog.Meanings(all, w.Name)
			if !slices.ContainsFunc(got, func(m catalog.Meaning) bool {
				return m.Word == w && slices.ContainsFunc(m.Of, func(f lower.Entry) bool { return is(&f, e) })
			}) {
				t.Errorf("%q does not find what it means as %s of %s", w.Name, e.Doc.Key, e.Command)
			}
		}
	}
	if got := catalog.Meanings(all, "sched_fifo"); len(got) != 1 || got[0].Name != "SCHED_FIFO" {
		t.Errorf("sched_fifo is %+v", got)
	}
	if lower, upper := catalog.Meanings(all, "t"), catalog.Meanings(all, "T"); len(lower) == 0 || len(upper) == 0 ||
		lower[0].Gist == upper[0].Gist {
		t.Errorf("t and T are two states: %+v, %+v", lower, upper)
	}
}

// A value that is read alone says what it says in the whole report: its
// literal names every source that it leans on.
func TestAloneAsInTheReport(t *testing.T) {
	for _, host := range []string{"debian-5.10-swap", "debian-6.18-swap", "debian-7.3-swap", "debian-7.3-idle"} {
		t.Run(host, func(t *testing.T) {
			h := recorded(t, host)
			card := mem.Host()
			m, err := memfacts.Take(h, card.Needs())
			if err != nil {
				t.Fatal(err)
			}
			whole := lower.Explain(&card, m, nil)
			for _, e := range lower.List(mem.Topic()).Entries {
				if e.Table != "" || e.Command != "mem" {
					continue
				}
				rep, err := e.Live(h, lower.Ask{})
				if err != nil {
					t.Fatal(err)
				}
				got, want := rep.Cell(e.Doc.Key), whole.Cell(e.Doc.Key)
				if got.Reading != want.Reading || got.Value.Compare(want.Value) != 0 || got.Level != want.Level {
					t.Errorf(
						"%s alone: %v %q %v\nin the report: %v %q %v",
						e.Doc.Key,
						got.Value,
						got.Reading,
						got.Level,
						want.Value,
						want.Reading,
						want.Level,
					)
				}
				if d := cmp.Diff(numbers(want.Derivation), numbers(got.Derivation)); d != "" {
					t.Errorf("%s: its derivation alone differs: %s", e.Doc.Key, d)
				}
			}
		})
	}
}

func TestOomAloneAsInTheReport(t *testing.T) {
	for _, host := range []string{"debian-5.10-oom", "debian-6.12-oom", "debian-7.3-oom"} {
		t.Run(host, func(t *testing.T) {
			h := recorded(t, host)
			card := oom.Host()
			o, _, err := oom.Take(h, oom.Options{Mem: card.Needs(), Limit: 5, Groups: true, Everyone: true})
			if err != nil {
				t.Fatal(err)
			}
			whole := lower.Explain(&card, o, nil)
			task, err := oom.TakeTask(h, h.Example(), nil)
			if err != nil {
				t.Fatal(err)
			}
			process := oom.Process()
			one := lower.Explain(&process, task, nil)
			for _, e := range lower.List(oom.Topic()).Entries {
				var want *lower.Cell
				switch {
				case e.Table != "":
					continue
				case e.Command == "oom":
					want = whole.Cell(e.Doc.Key)
				default:
					want = one.Cell(e.Doc.Key)
				}
				rep, err := e.Live(h, lower.Ask{})
				if err != nil {
					t.Fatal(err)
				}
				got := rep.Cell(e.Doc.Key)
				if got.Reading != want.Reading || got.Value.Compare(want.Value) != 0 || got.Level != want.Level {
					t.Errorf("%s alone: %v %q\nin the report: %v %q", e.Doc.Key, got.Value, got.Reading, want.Value, want.Reading)
				}
				if e.Doc.Key == "oom_score" && (got.Derivation == nil || got.Derivation.Agrees() != explain.Exact) {
					t.Errorf("%+v", got.Derivation)
				}
			}
		})
	}
}

func numbers(d *explain.Derivation) (out []float64) {
	if d == nil {
		return nil
	}
	for _, t := range d.Terms {
		out = append(out, t.Value.Float())
	}
	return append(out, d.Result.Float())
}

// On recorded hosts the kernel's own figures come out to the page.
func TestDerivationsAreExact(t *testing.T) {
	for _, host := range []string{"debian-5.10-idle", "debian-5.10-swap", "debian-6.1-eased", "debian-6.12-eased", "debian-6.18-swap",
		"debian-7.3-idle", "debian-7.3-swap"} {
		t.Run(host, func(t *testing.T) {
			card := mem.Host()
			m, err := memfacts.Take(recorded(t, host), card.Needs())
			if err != nil {
				t.Fatal(err)
			}
			rep := lower.Explain(&card, m, nil)
			for _, key := range []string{"mem_available", "commit_limit", "nr_dirty_threshold", "nr_dirty_background_threshold", "slab"} {
				if d := rep.Cell(key).Derivation; d == nil || d.Agrees() != explain.Exact {
					t.Errorf("%s: %+v", key, d)
				}
			}
			total, rest := rep.Cell("mem_total").Value.Float(), rep.Cell("untracked").Value.Float()
			if rest < -0.01*total || rest > 0.05*total {
				t.Errorf("%.1f %% of RAM is not accounted for", 100*rest/total)
			}
		})
	}
}

func recorded(t *testing.T, name string) *inspect.Host {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../inspect/testdata/hosts", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := inspecttest.Unpack(dir, b); err != nil {
		t.Fatal(err)
	}
	h, err := inspect.Open(filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), func() time.Time { return time.Unix(0, 0) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}
