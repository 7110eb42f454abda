package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kwhy/inspect"
)

// TestPagesCode: Go that a page shows stands in the file that it names.
func TestPagesCode(t *testing.T) {
	for _, p := range pages(t) {
		for _, f := range p.fences {
			if f.lang != "go" {
				continue
			}
			b, err := os.ReadFile(filepath.Join("..", f.notes["from"]))
			if err != nil {
				t.Errorf("%s:%d: %v", p.path, f.from, err)
			} else if !strings.Contains(string(b), p.text(f)) {
				t.Errorf("%s:%d: %s has no such lines", p.path, f.from, f.notes["from"])
			}
		}
	}
}

// TestPagesPackages: the plan of the house has every room.
func TestPagesPackages(t *testing.T) {
	plan, err := os.ReadFile("architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || len(name) > 2 && name[0] == '.' {
			return fs.SkipDir
		}
		code, err := filepath.Glob(filepath.Join(path, "*.go"))
		dir := filepath.ToSlash(strings.TrimPrefix(path, "../"))
		if len(code) > 0 && !strings.Contains(string(plan), dir) {
			t.Errorf("architecture.md does not name %s", dir)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPagesContract: the page on JSON names every key of the envelope and every reason.
func TestPagesContract(t *testing.T) {
	b, err := os.ReadFile("json.md")
	if err != nil {
		t.Fatal(err)
	}
	for key := range contractKeys(t).envelope {
		if !strings.Contains(string(b), "`"+key+"`") && !strings.Contains(string(b), `"`+key+`"`) {
			t.Errorf("json.md does not name the key %s", key)
		}
	}
	for _, r := range inspect.Reasons() {
		if !strings.Contains(string(b), "| `"+r.String()+"` |") {
			t.Errorf("json.md does not name the reason %s", r)
		}
	}
}
