package cmd

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kwhy/explain/catalog"
	"kwhy/explain/lower"
)

// printed is what the contract's documents have that has a name.
type printed struct {
	Values map[string]struct {
		Value  any    `json:"value"`
		Kernel string `json:"kernel"`
		Absent *struct {
			Reason string `json:"reason"`
		} `json:"absent"`
		Concept    string `json:"concept"`
		Derivation *struct {
			Terms []struct {
				Kernel string `json:"kernel"`
			} `json:"terms"`
		} `json:"derivation"`
	} `json:"values"`
	Tables map[string]struct {
		Fields map[string]struct {
			Kernel  string `json:"kernel"`
			Concept string `json:"concept"`
		} `json:"fields"`
		Rows []map[string]any `json:"rows"`
	} `json:"tables"`
	Findings []struct {
		Concept string `json:"concept"`
	} `json:"findings"`
}

// Whatever name a command prints, of a value, a column or a word that is a value, in
// any case, kwhy explain knows; and each leads to an essay.
func TestEveryPrintedNameIsExplained(t *testing.T) {
	long(t, "it looks thousands of names up, one after the other")
	all := catalog.All()
	name := regexp.MustCompile(`^[\w.()]+$`) // of a term, which may be told in words instead
	told := map[string]bool{}
	known := func(word, where string) {
		if word == "" || told[word] {
			return
		}
		told[word] = true
		for _, spelled := range []string{word, strings.ToUpper(word), strings.ToLower(word)} {
			if len(catalog.Find(all, spelled))+len(catalog.Meanings(all, spelled)) == 0 {
				t.Errorf("%s prints %s, and nothing is called %s", where, word, spelled)
			}
		}
	}
	essay := func(concept, where string) {
		if _, ok := catalog.Concept(concept); !ok {
			t.Errorf("%s names the concept %q", where, concept)
		}
	}
	for host, commands := range map[string][][]string{
		"debian-7.3-oom": {{"mem", "--pss"}, {"mem", "138"}, {"oom"}, {"oom", "138"}, {"proc", "--limit", "0"}, {"proc", "138"},
			{"proc", "1"}, {"fd"}, {"fd", "138"}},
		"debian-7.3-sched": {{"sched"}, {"sched", "131", "--threads"}, {"sched", "152"}}, "debian-5.10-sched": {{"sched"}, {"sched", "1"}},
		"debian-5.10-swap": {{"mem"}}, "debian-7.3-swap": {{"mem"}},
		"linux-6.18-net":       {{"net"}, {"net", "1200"}, {"net", "sockets", "--limit", "0"}, {"fd", "1200"}, {"fd", "--socket", ":8080"}},
		"linux-6.18-lossy-net": {{"net"}}, "linux-6.18-files": {{"fd"}},
	} {
		dir := unpacked(t, host)
		for _, args := range commands {
			where := host + ": kwhy " + strings.Join(args, " ")
			doc := asData(t, dir, args)
			for key, v := range doc.Values {
				known(key, where)
				known(v.Kernel, where)
				essay(v.Concept, where+" "+key)
				if v.Absent != nil {
					known(v.Absent.Reason, where)
				}
				if v.Derivation != nil {
					for _, term := range v.Derivation.Terms {
						if _, ok := catalog.Alias(term.Kernel); !ok && name.MatchString(term.Kernel) {
							known(term.Kernel, where)
						}
					}
				}
				wordly(all, "", key, v.Value, func(w string) { known(w, where+" "+key) })
			}
			for grid, table := range doc.Tables {
				for key, f := range table.Fields {
					known(key, where)
					known(f.Kernel, where)
					essay(f.Concept, where+" "+grid+" "+key)
				}
				for _, row := range table.Rows {
					for key, v := range row {
						wordly(all, grid, key, v, func(w string) { known(w, where+" "+grid+" "+key) })
					}
				}
			}
			for _, f := range doc.Findings {
				essay(f.Concept, where)
			}
		}
	}
	if len(told) < 700 {
		t.Errorf("%d names were printed", len(told))
	}
}

// wordly hands on the words of a value whose words are declared.
func wordly(all lower.Catalogue, table, key string, v any, each func(string)) {
	if !slices.ContainsFunc(all.Entries, func(e lower.Entry) bool {
		return e.Table == table && e.Doc.Key == key && len(e.Doc.Words) > 0
	}) {
		return
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, item := range list {
		if s, ok := item.(string); ok && !strings.HasPrefix(s, "SIGRTMIN+") && !strings.HasPrefix(s, "0x") {
			each(s)
		}
	}
}

func asData(t *testing.T, dir string, args []string) (doc printed) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &App{Out: &out, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: time.Sleep}
	if status := a.Run(append(slices.Clone(args), "--proc-root", filepath.Join(dir, "proc"), "--sys-root", filepath.Join(dir, "sys"), "-o",
		"json")); status != 0 {
		t.Fatalf("%v: exit status %d: %s", args, status, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}
