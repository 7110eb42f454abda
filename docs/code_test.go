package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
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

// TestRooms: a folder has at most 20 files of Go besides tests, the vocabulary of explain
// less than 900 lines, and cmd less than 3,600.
func TestRooms(t *testing.T) {
	const files, vocabulary, commands = 20, 900, 3600
	lines := map[string]int{}
	count := map[string]int{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		dir := filepath.ToSlash(filepath.Dir(path))
		count[dir]++
		lines[dir] += strings.Count(string(b), "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, n := range count {
		if n > files {
			t.Errorf("%s has %d files, more than %d", dir, n, files)
		}
	}
	if n := lines["../explain"]; n == 0 || n >= vocabulary {
		t.Errorf("explain has %d lines: it is what an author reads, and the machinery is in explain/lower", n)
	}
	if n := lines["../cmd"]; n == 0 || n >= commands {
		t.Errorf("cmd has %d lines: topics know what they take and how it is filtered", n)
	}
}

// TestPlainWords: code, pages and essays are in words that people use now.
func TestPlainWords(t *testing.T) {
	old := regexp.MustCompile(`(?i)\b(reckon\w*|dear(er|est)?|graver|nought|befall\w*|befell|lays? at the door|` +
		`of whom|nobody but|shall|lest|hence|whence|wherein|therein|thereof|aught|midst|for want of)\b`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".md") {
			return err
		}
		if d.Name() == "code_test.go" { // which has them
			return nil
		}
		b, err := os.ReadFile(path)
		for i, line := range strings.Split(string(b), "\n") {
			if word := old.FindString(line); word != "" {
				t.Errorf("%s:%d: %q", path, i+1, word)
			}
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
