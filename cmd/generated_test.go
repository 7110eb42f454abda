package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"kwhy/docs"
	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/inspect"
	"kwhy/output"
)

// update says that golden files are to be rewritten: make golden, make docs.
func update() bool { return os.Getenv("KWHY_UPDATE") != "" }

// golden compares what is generated with the file that is shipped.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if update() {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not current: run make docs", path)
	}
}

func TestGeneratedSchema(t *testing.T) {
	b, err := json.MarshalIndent(schema(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../docs/schema/kwhy-v1.schema.json", append(b, '\n'))
}

// TestGeneratedRules keeps the list of rules current: what each measures, its
// thresholds, and how these are set.
func TestGeneratedRules(t *testing.T) {
	var b strings.Builder
	b.WriteString(rulesIntro)
	domain := ""
	for _, r := range catalog.All().Rules {
		if d, _, _ := strings.Cut(r.ID, "."); d != domain {
			domain = d
			fmt.Fprintf(&b, "\n## %s\n", d)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n- Measures: %s\n", r.ID, r.Means, r.What)
		fmt.Fprintf(&b, "- Thresholds, %s: %s\n", map[bool]string{true: "less is worse", false: "more is worse"}[r.Below], r.At.Words(r.Unit))
		fmt.Fprintf(&b, "- Rests on: %s, in `kwhy %s`: `%s`\n", map[explain.Basis]string{explain.Now: "how it stands now", explain.Interval: "the interval", explain.Ever: "what was counted since the beginning, so that it is a notice at most"}[r.Basis], r.Command, strings.Join(r.Evidence, "`, `"))
		if r.Unless != "" {
			fmt.Fprintf(&b, "- Left out of `kwhy check` where %s finds something, which says the same better\n", r.Unless)
		}
		next := []string{r.Next, "kwhy explain " + string(r.Concept)}
		fmt.Fprintf(&b, "- Next: `%s`\n", strings.Join(slices.Compact(next), "`, `"))
	}
	golden(t, "../docs/rules.md", []byte(b.String()))
}

const rulesIntro = `# The rules

Levels come from these rules alone: the mark in text, the level in JSON, and what
` + "`kwhy check`" + ` finds. This page is generated from their declarations; ` + "`kwhy check --list`" + `
shows them with the thresholds in force, and ` + "`kwhy check -o json`" + ` what each measured.

Thresholds are set in a config file, below ` + "`check.thresholds`" + ` by the name of the rule,
or by a variable, which wins: ` + "`KWHY_CHECK_THRESHOLDS_MEM_AVAILABLE_LOW`" + ` for
mem.available_low. Each takes ` + "`notice=0.2,warning=0.1,critical=0.05`" + ` (or some of the
three, the rest staying as it is), the same without names, or ` + "`off`" + `; ` + "`20%`" + ` is 0.2.
` + "`check.off`" + ` and ` + "`KWHY_CHECK_OFF`" + ` list rules to switch off.
`

// object is a JSON object that is being built.
type object = map[string]any

// schema makes the contract's schema from the Go types of the envelope and
// from the catalogue.
func schema(t *testing.T) object {
	t.Helper()
	top := reflected[output.Header](t)
	props := top["properties"].(object)
	props["schema"] = object{"const": output.Schema}
	props["values"] = object{"type": "object", "properties": valueSchemas(t), "additionalProperties": reference("value"), "description": "values by key"}
	props["tables"] = object{"type": "object", "properties": tableSchemas(), "additionalProperties": reference("table"), "description": "tables by name"}
	props["findings"] = object{"type": "array", "items": reference("finding"), "description": "what rules found"}
	props["gaps"] = object{"type": "array", "items": reference("gap"), "description": "what could not be seen"}
	top["required"] = append(top["required"].([]any), "values", "tables", "findings", "gaps")
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["$id"] = "urn:kwhy:v1"
	top["title"] = "kwhy/v1"
	value := reflected[output.Value](t)
	value["properties"].(object)["level"] = object{"enum": explain.Levels()}
	value["properties"].(object)["absent"].(object)["properties"].(object)["reason"] = object{"enum": reasons()}
	gap := reflected[output.Gap](t)
	gap["properties"].(object)["reason"] = object{"enum": reasons()}
	top["$defs"] = object{
		"value": value, "finding": reflected[output.Finding](t), "gap": gap, "column": reflected[output.Column](t),
		"table": tableSchema(object{}),
	}
	return top
}

func reference(name string) object { return object{"$ref": "#/$defs/" + name} }

func reflected[T any](t *testing.T) object {
	t.Helper()
	s, err := jsonschema.For[T](nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out object
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func reasons() (names []string) {
	for _, r := range inspect.Reasons() {
		names = append(names, r.String())
	}
	return names
}

// jsonType is the type of a value with that unit; every value may be null.
func jsonType(u explain.Unit) []string {
	switch u {
	case explain.Text:
		return []string{"string", "array", "null"}
	case explain.Bool:
		return []string{"boolean", "null"}
	case explain.Ratio, explain.Seconds, explain.Decimal:
		return []string{"number", "null"}
	}
	return []string{"integer", "array", "null"}
}

func valueSchemas(t *testing.T) object {
	t.Helper()
	out := object{}
	for _, e := range catalog.All().Entries {
		if e.Table == "" {
			out[e.Doc.Key] = object{"allOf": []any{reference("value"), object{"properties": object{
				"value": object{"type": jsonType(e.Doc.Unit)}, "unit": object{"const": string(e.Doc.Unit)},
			}}}, "description": e.Doc.Gist}
		}
	}
	return out
}

func tableSchemas() object {
	rows := map[string]object{}
	for _, e := range catalog.All().Entries {
		if e.Table == "" {
			continue
		}
		if rows[e.Table] == nil {
			rows[e.Table] = object{}
		}
		rows[e.Table][e.Doc.Key] = object{"type": jsonType(e.Doc.Unit), "description": e.Doc.Gist}
		if e.Doc.Unit == explain.ID || e.Doc.Unit == explain.Address {
			rows[e.Table][e.Doc.Key+"_str"] = object{"type": []string{"string", "null"}}
		}
		if e.Doc.Counter {
			rows[e.Table][e.Doc.Key+"_rate"] = object{"type": []string{"number", "null"}}
		}
	}
	out := object{}
	for name, columns := range rows {
		out[name] = tableSchema(columns)
	}
	return out
}

func tableSchema(columns object) object {
	props := object{"level": object{"enum": explain.Levels()}, "absent": object{
		"type": "object", "additionalProperties": object{"enum": reasons()}, "description": "why a column is null"}}
	for k, v := range columns {
		props[k] = v
	}
	return object{"type": "object", "required": []string{"fields", "rows", "total"}, "properties": object{
		"fields": object{"type": "object", "additionalProperties": reference("column")},
		"rows":   object{"type": "array", "items": object{"type": "object", "required": []string{"level"}, "properties": props}},
		"total":  object{"type": "integer"},
	}}
}

// compiled is the schema that is shipped: hundreds of documents are held against it.
var compiled = sync.OnceValues(func() (*validator.Schema, error) {
	s, err := validator.UnmarshalJSON(strings.NewReader(docs.Schema))
	if err != nil {
		return nil, err
	}
	c := validator.NewCompiler()
	if err := c.AddResource("kwhy.json", s); err != nil {
		return nil, err
	}
	return c.Compile("kwhy.json")
})

// validate checks a document against the schema that is shipped.
func validate(t *testing.T, doc []byte) {
	t.Helper()
	schema, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	v, err := validator.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatalf("no JSON: %v\n%s", err, doc)
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("%v", err)
	}
}
