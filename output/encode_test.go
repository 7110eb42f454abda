package output

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"kwhy/explain"
)

// What the contract says of bytes is not what encoding/json makes of Go's own types.
func TestEncoded(t *testing.T) {
	name := "a\n\xff<&>\u2028\x7f\u0085\""
	winter := time.Date(2026, 11, 24, 0, 16, 1, 123456789, time.FixedZone("", 3*3600+1800))
	long := time.Date(12345, 1, 2, 3, 4, 5, 0, time.UTC)
	reading := func(key string) Reading { return Reading{key, Value{Value: 1}} }
	for want, v := range map[string]any{
		`"a\u000a\\xff<&>\u2028\u007f\u0085\""`: String(name),
		`0.000000001`:                           Number(1e-9),
		`1e+21`:                                 Number(1e21),
		`0.000001`:                              Number(1e-6),
		`3`:                                     Number(3),
		`"2026-11-23T20:46:01.123456Z"`:         Time{winter},
		`"12345-01-02T03:04:05Z"`:               Time{long},
		`[18446744073709551615,-3,0.5,true,"<\u007f>",null,{"a":1,"b":"x"}]`: datum(explain.L([]explain.Value{
			explain.N(^uint64(0)), explain.I(-3), explain.F(0.5), explain.B(true), explain.S("<\x7f>"), {},
			explain.R("a b", explain.I(1), explain.S("x")),
		})),
	} {
		e := newEncoder()
		got := string(e.encode(v))
		if got != want || e.err != nil {
			t.Errorf("%v becomes %s, not %s: %v", v, got, want, e.err)
		}
	}
	got := string(newEncoder().encode(Readings{reading("z<"), reading("a")}))
	if !strings.HasPrefix(got, `{"z<":{"value":1,`) || !strings.Contains(got, `,"a":{"value":1,`) {
		t.Errorf("readings become %s", got)
	}
}

// Whatever the envelope has of texts, numbers and moments are those types: with another
// one, a name that a process chose would lose its bytes.
func TestEnvelopeEncodesItself(t *testing.T) {
	encodes := reflect.TypeFor[json.Marshaler]()
	seen := map[reflect.Type]bool{}
	var walk func(t reflect.Type, path string)
	walk = func(of reflect.Type, path string) {
		switch {
		case of.Implements(encodes) || seen[of]:
			return
		case of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice:
			walk(of.Elem(), path)
			return
		}
		seen[of] = true
		switch of.Kind() {
		case reflect.Struct:
			for i := range of.NumField() {
				if f := of.Field(i); f.Tag.Get("json") != "-" {
					walk(f.Type, path+"."+f.Name)
				}
			}
		case reflect.Bool, reflect.Int, reflect.Int32, reflect.Uint64, reflect.Interface:
		default:
			t.Errorf("%s is a %s", path, of)
		}
	}
	for _, part := range []any{headerLine{}, valueLine{}, rowLine{}, findingLine{}, gapLine{}, Column{}, Reading{}.Value} {
		walk(reflect.TypeOf(part), reflect.TypeOf(part).Name())
	}
	if !seen[reflect.TypeFor[Derivation]()] || !seen[reflect.TypeFor[Host]()] {
		t.Error("not all of the envelope was walked")
	}
}

// The keys of the schema are those that are encoded, at every depth, and it asks for
// those that stand there even where there is nothing to say.
func TestSchemaIsOfTheTypes(t *testing.T) {
	b, err := JSONSchema(nil, []string{"denied"})
	if err != nil {
		t.Fatal(err)
	}
	schema := decoded(t, b)
	defs := schema["$defs"].(map[string]any)
	for name, part := range map[string]any{"value": Value{}, "finding": Finding{}, "gap": Gap{}, "column": Column{}} {
		agree(t, name, defs[name].(map[string]any), reflect.TypeOf(part))
	}
	props := schema["properties"].(map[string]any)
	for _, key := range []string{"values", "tables", "findings", "gaps"} {
		if props[key] == nil {
			t.Errorf("the schema has no %s", key)
		}
		delete(props, key)
	}
	required := schema["required"].([]any)
	schema["required"] = required[:len(required)-4]
	agree(t, "header", schema, reflect.TypeFor[Header]())
}

// agree holds a schema to what a type encodes with all there is, and with nothing.
func agree(t *testing.T, path string, schema map[string]any, of reflect.Type) {
	t.Helper()
	all := reflect.New(of).Elem()
	fill(all)
	e := newEncoder()
	full, empty := decoded(t, e.encode(all.Interface())), decoded(t, e.encode(reflect.Zero(of).Interface()))
	var required []string
	for _, key := range schema["required"].([]any) {
		required = append(required, key.(string))
	}
	slices.Sort(required)
	if got := keys(empty); !slices.Equal(got, required) {
		t.Errorf("%s has at least %v, and the schema asks for %v", path, got, required)
	}
	same(t, path, schema, full)
}

// same compares the keys of an object, and of what is in it, with those of a schema.
func same(t *testing.T, path string, schema map[string]any, doc map[string]any) {
	t.Helper()
	props, _ := schema["properties"].(map[string]any)
	if each, ok := schema["additionalProperties"].(map[string]any); ok {
		for key, v := range doc {
			same(t, path+"."+key, each, v.(map[string]any))
		}
		return
	}
	if got, want := keys(doc), keys(props); !slices.Equal(got, want) {
		t.Errorf("%s has %v, the schema %v", path, got, want)
	}
	for key, v := range doc {
		of, _ := props[key].(map[string]any)
		switch v := v.(type) {
		case map[string]any:
			same(t, path+"."+key, of, v)
		case []any:
			if item, ok := v[0].(map[string]any); ok {
				same(t, path+"."+key, of["items"].(map[string]any), item)
			}
		}
	}
}

// fill gives a value to whatever has none.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !f.Anonymous {
				fill(v.Field(i))
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Interface:
		v.Set(reflect.ValueOf(1))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.Int, reflect.Int32:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	}
}

func decoded(t *testing.T, b []byte) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return out
}

func keys(of map[string]any) (out []string) {
	for key := range of {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

// A number has the digits that its sources have, and no more: differences and sums of what the
// kernel prints with two decimals have two.
func TestNumbersHaveTheDigitsOfTheirSources(t *testing.T) {
	for _, cents := range []int{1, 59, 100, 7919, 123456, 8640017, 99999999} {
		for _, from := range []int{1176, 271828, 314159265} {
			sum := from + cents
			age := float64(sum)/100 - float64(from)/100
			want := fmt.Sprintf("%d.%02d", cents/100, cents%100)
			want = strings.TrimRight(strings.TrimRight(want, "0"), ".")
			if got := string(appendFloat(nil, age)); got != want {
				t.Errorf("%d − %d hundredths: %s, want %s", sum, from, got, want)
			}
		}
	}
	for f, want := range map[float64]string{
		0: "0", 1: "1", -0.1 - 0.2: "-0.3", 1 - 0.95: "0.05", 0.1 * 3 * 1e-5: "0.000003", 2.5e-7: "0.00000025", 1e-12: "0.000000000001",
		6.3848009328e-5: "0.000063848", 6.3848e-8: "0.0000000638", 1e-200: "1e-200",
		123456789.25: "123456789.25", 1.5e300: "1.5e+300", 2.0 / 3: "0.666666667",
	} {
		if got := string(appendFloat(nil, f)); got != want {
			t.Errorf("%g: %s, want %s", f, got, want)
		}
	}
}
