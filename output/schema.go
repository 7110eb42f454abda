package output

import (
	"encoding/json"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"

	"kwhy/explain"
	"kwhy/explain/lower"
)

// document is all that -o json prints. It never exists as a whole: JSON writes it part by
// part. The schema is made from it.
type document struct {
	Header
	Values   values    `json:"values" jsonschema:"values by key"`
	Tables   tables    `json:"tables" jsonschema:"tables by name"`
	Findings []Finding `json:"findings" jsonschema:"what rules found"`
	Gaps     []Gap     `json:"gaps" jsonschema:"what could not be seen"`
}

// values and tables have a schema for each value and table that is declared.
type (
	values map[string]Value
	tables map[string]any
)

// JSONSchema returns the schema of the contract: the envelope's from the types that encode
// it, that of values and tables from what is declared. The caller passes the reasons why
// a value may be absent, which this package does not know.
func JSONSchema(entries []lower.Entry, reasons []string) ([]byte, error) {
	c := contract{levels: oneOf(explain.Levels()), reasons: oneOf(reasons)}
	defs, err := c.definitions()
	if err != nil {
		return nil, err
	}
	top, err := jsonschema.For[document](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[Time]():      {Type: "string"},
		reflect.TypeFor[values]():    {Type: "object", Properties: valueSchemas(entries), AdditionalProperties: reference("value")},
		reflect.TypeFor[tables]():    {Type: "object", Properties: c.tables(entries), AdditionalProperties: reference("table")},
		reflect.TypeFor[[]Finding](): {Type: "array", Items: reference("finding")},
		reflect.TypeFor[[]Gap]():     {Type: "array", Items: reference("gap")},
	}})
	if err != nil {
		return nil, err
	}
	top.Defs = defs
	top.Schema, top.ID, top.Title = "https://json-schema.org/draft/2020-12/schema", "urn:kwhy:v1", Schema
	top.Properties["schema"] = constant(Schema)
	return sorted(top)
}

// contract holds what several parts of the schema refer to.
type contract struct {
	levels, reasons *jsonschema.Schema
}

// definitions are the parts of the envelope that occur more than once.
func (c contract) definitions() (map[string]*jsonschema.Schema, error) {
	reading, err := jsonschema.For[Value](nil)
	if err != nil {
		return nil, err
	}
	types := &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[Readings](): {Type: "object", AdditionalProperties: reading},
	}}
	out := map[string]*jsonschema.Schema{"table": c.table(nil)}
	for name, part := range map[string]any{"value": Value{}, "finding": Finding{}, "gap": Gap{}, "column": Column{}, "seen": Seen{}} {
		if out[name], err = jsonschema.ForType(reflect.TypeOf(part), types); err != nil {
			return nil, err
		}
	}
	value := out["value"].Properties
	value["level"], value["absent"].Properties["reason"] = c.levels, c.reasons
	out["gap"].Properties["reason"], out["seen"].Properties["reason"] = c.reasons, c.reasons
	return out, nil
}

func valueSchemas(entries []lower.Entry) map[string]*jsonschema.Schema {
	out := map[string]*jsonschema.Schema{}
	for i := range entries {
		if d := &entries[i].Doc; entries[i].Table == "" {
			of := map[string]*jsonschema.Schema{"value": {Types: jsonTypes(d.Unit)}, "unit": constant(string(d.Unit))}
			out[d.Key] = &jsonschema.Schema{AllOf: []*jsonschema.Schema{reference("value"), {Properties: of}}, Description: d.Gist}
		}
	}
	return out
}

func (c contract) tables(entries []lower.Entry) map[string]*jsonschema.Schema {
	columns := map[string]map[string]*jsonschema.Schema{}
	for i := range entries {
		d, of := &entries[i].Doc, columns[entries[i].Table]
		if of == nil {
			of = map[string]*jsonschema.Schema{}
			columns[entries[i].Table] = of
		}
		of[d.Key] = &jsonschema.Schema{Types: jsonTypes(d.Unit), Description: d.Gist}
		if asText(d.Unit) {
			of[d.Key+"_str"] = &jsonschema.Schema{Types: []string{"string", "null"}}
		}
		if d.Counter {
			of[d.Key+"_rate"] = &jsonschema.Schema{Types: []string{"number", "null"}}
		}
	}
	delete(columns, "") // values of cards
	out := map[string]*jsonschema.Schema{}
	for name, of := range columns {
		out[name] = c.table(of)
	}
	return out
}

// table is the schema of a table with these columns and any others.
func (c contract) table(columns map[string]*jsonschema.Schema) *jsonschema.Schema {
	row := map[string]*jsonschema.Schema{"level": c.levels, "absent": {
		Type: "object", AdditionalProperties: c.reasons, Description: "why a column is null"}}
	for key, column := range columns {
		row[key] = column
	}
	return &jsonschema.Schema{Type: "object", Required: []string{"fields", "rows", "total"}, Properties: map[string]*jsonschema.Schema{
		"fields": {Type: "object", AdditionalProperties: reference("column")},
		"rows":   {Type: "array", Items: &jsonschema.Schema{Type: "object", Required: []string{"level"}, Properties: row}},
		"total":  {Type: "integer"},
		"of":     reference("seen"),
	}}
}

// jsonTypes are the types of a value in that unit; every value may be null.
func jsonTypes(u explain.Unit) []string {
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

func reference(name string) *jsonschema.Schema { return &jsonschema.Schema{Ref: "#/$defs/" + name} }

func constant(s string) *jsonschema.Schema {
	return &jsonschema.Schema{Const: jsonschema.Ptr[any](s)}
}

func oneOf(names []string) *jsonschema.Schema {
	s := new(jsonschema.Schema)
	for _, name := range names {
		s.Enum = append(s.Enum, name)
	}
	return s
}

// sorted writes a schema with its keys in alphabetical order: people compare two versions
// of it line by line.
func sorted(s *jsonschema.Schema) ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var anyOrder any
	if err := json.Unmarshal(b, &anyOrder); err != nil {
		return nil, err
	}
	b, err = json.MarshalIndent(anyOrder, "", "  ")
	return append(b, '\n'), err
}
