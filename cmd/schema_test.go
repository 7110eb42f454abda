package cmd

import (
	"bytes"
	"sync"
	"testing"

	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

// compiled is the schema that kwhy schema prints: hundreds of documents are held against
// it.
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

// validate checks a document against the schema.
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
