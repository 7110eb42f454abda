package cmd

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"kwhy/explain"
	"kwhy/explain/catalog"
)

type object = map[string]any

// compiled is the schema that kwhy schema prints, as another author reads it: hundreds of
// documents are held against it.
var compiled = sync.OnceValues(func() (*validator.Schema, error) {
	b, err := jsonSchema()
	if err != nil {
		return nil, err
	}
	s, err := validator.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	c := validator.NewCompiler()
	if err := c.AddResource("kwhy.json", s); err != nil {
		return nil, err
	}
	return c.Compile("kwhy.json")
})

// fits tells what a document has against the schema.
func fits(t *testing.T, doc []byte) error {
	t.Helper()
	schema, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	v, err := validator.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatalf("no JSON: %v\n%s", err, doc)
	}
	return schema.Validate(v)
}

// validate checks a document against the schema.
func validate(t *testing.T, doc []byte) {
	t.Helper()
	if err := fits(t, doc); err != nil {
		t.Errorf("%v", err)
	}
}

// Each command that prints a document prints one that fits.
func TestSchemaFitsEveryCommand(t *testing.T) {
	script, err := txtar.ParseFile("testdata/script/oom_log.txtar")
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "kern.log")
	for _, f := range script.Files {
		if f.Name == "kern.log" {
			if err := os.WriteFile(log, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	tasks, sockets := unpacked(t, "debian-7.3-oom"), unpacked(t, "linux-6.18-net")
	args := map[string][][]string{
		"mem": {{"138"}}, "oom": {{"138"}}, "proc": {{"138"}, {"--tree"}}, "sched": {{"138"}}, "fd": {{"138"}}, "net": {{"1200"}},
		"explain": {{"mem_available"}, {"vm_rss"}, {"page-cache"}, {"D"}, {"--all"}}, "check": {{"--list"}},
	}
	for _, c := range (&App{Getenv: os.LookupEnv}).Manual().Commands {
		path := pathOf(c)
		lines, dir := append([][]string{nil}, args[path]...), tasks
		if strings.HasPrefix(path, "net") {
			dir = sockets
		}
		switch path {
		case "", "completion", "schema":
			continue // print no document
		case "oom log":
			lines = [][]string{{log}}
		}
		for _, more := range lines {
			line := append(strings.Fields(path), more...)
			t.Run(strings.Join(line, " "), func(t *testing.T) {
				validate(t, []byte(recorded(t, dir, line...)))
			})
		}
	}
}

// recorded is what a command prints as JSON on a recorded host.
func recorded(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, errs, status := live(t, append(slices.Clone(args), "-o", "json", "--proc-root", dir+"/proc", "--sys-root", dir+"/sys")...)
	if status != 0 {
		t.Fatalf("kwhy %v: status %d, %s", args, status, errs)
	}
	return out
}

// A document that is wrong in one place does not fit.
func TestSchemaRefuses(t *testing.T) {
	doc := recorded(t, unpacked(t, "linux-6.18-files"), "mem")
	validate(t, []byte(doc))
	for name, spoil := range map[string]func(d object){
		"a text for a number":         func(d object) { d["values"].(object)["mem_total"].(object)["value"] = "much" },
		"a number for a text":         func(d object) { d["values"].(object)["swappiness"].(object)["gist"] = 1 },
		"another unit":                func(d object) { d["values"].(object)["mem_total"].(object)["unit"] = "pages" },
		"a value with a key too many": func(d object) { d["values"].(object)["mem_total"].(object)["colour"] = "red" },
		"a level that is none":        func(d object) { d["values"].(object)["mem_total"].(object)["level"] = "bad" },
		"a reason that is none":       func(d object) { firstRow(d)["absent"] = object{"pss": "lost"} },
		"a column of another type":    func(d object) { firstRow(d)["pid"] = "one" },
		"a row without a level":       func(d object) { delete(firstRow(d), "level") },
		"a finding without a measure": func(d object) { delete(d["findings"].([]any)[0].(object), "measure") },
		"a gap without a count":       func(d object) { delete(d["gaps"].([]any)[0].(object), "count") },
		"no gaps":                     func(d object) { delete(d, "gaps") },
		"a key that is unknown":       func(d object) { d["colour"] = "red" },
		"another contract":            func(d object) { d["schema"] = "kwhy/v2" },
		"no time":                     func(d object) { d["collected_at"] = 1 },
	} {
		var d object
		if err := json.Unmarshal([]byte(doc), &d); err != nil {
			t.Fatal(err)
		}
		spoil(d)
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if fits(t, b) == nil {
			t.Errorf("%s fits", name)
		}
	}
}

func firstRow(d object) object {
	return d["tables"].(object)["processes"].(object)["rows"].([]any)[0].(object)
}

// The schema names every key that is declared, as what its unit makes of it in JSON.
func TestSchemaNamesEveryKey(t *testing.T) {
	out, errs, status := live(t, "schema")
	if status != 0 || errs != "" {
		t.Fatalf("status %d, %s", status, errs)
	}
	var s struct {
		Properties struct {
			Values struct {
				Properties map[string]struct {
					AllOf []struct {
						Properties struct {
							Value schemaType
							Unit  struct{ Const string }
						}
					}
				}
			}
			Tables struct {
				Properties map[string]struct {
					Properties struct {
						Rows struct {
							Items struct{ Properties map[string]schemaType }
						}
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	for _, e := range catalog.All().Entries {
		where := e.Command + ": " + e.Table + " " + e.Doc.Key
		if e.Table == "" {
			v, ok := s.Properties.Values.Properties[e.Doc.Key]
			if !ok || len(v.AllOf) != 2 || v.AllOf[1].Properties.Unit.Const != string(e.Doc.Unit) {
				t.Errorf("%s: %+v", where, v)
				continue
			}
			v.AllOf[1].Properties.Value.holds(t, where, e.Doc.Unit)
			continue
		}
		row := s.Properties.Tables.Properties[e.Table].Properties.Rows.Items.Properties
		row[e.Doc.Key].holds(t, where, e.Doc.Unit)
		if _, rate := row[e.Doc.Key+"_rate"]; e.Doc.Counter && !rate {
			t.Errorf("%s has no rate", where)
		}
		if _, text := row[e.Doc.Key+"_str"]; (e.Doc.Unit == explain.ID || e.Doc.Unit == explain.Address) && !text {
			t.Errorf("%s is no text", where)
		}
	}
}

// schemaType is a name, or a list of them.
type schemaType struct{ Type any }

// holds says where a value of that unit has another type, or may not be null.
func (s schemaType) holds(t *testing.T, where string, u explain.Unit) {
	t.Helper()
	want := map[explain.Unit]string{
		explain.Text: "string", explain.Bool: "boolean", explain.Ratio: "number", explain.Seconds: "number", explain.Decimal: "number",
	}[u]
	if want == "" {
		want = "integer"
	}
	if types, ok := s.Type.([]any); !ok || !slices.Contains(types, any(want)) || !slices.Contains(types, any("null")) {
		t.Errorf("%s, of unit %q, is %v", where, u, s.Type)
	}
}
