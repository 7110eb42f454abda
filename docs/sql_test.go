package docs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	sqlPath = regexp.MustCompile(`'\$\.([a-z_.]+)'`)
	sqlCall = regexp.MustCompile(`JSONExtract\w+\(line, ((?:'\w+'(?:, )?)+)\)`)
)

// TestPagesSQL: every path into a line that SQL of a page names leads to a value in a line
// that the commands of that page have made.
func TestPagesSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("sqlite does the work")
	}
	paths := 0
	for _, p := range pages(t) {
		dir := ""
		for _, f := range p.fences {
			if f.lang != "sql" {
				continue
			}
			if dir == "" {
				dir = ranPage(t, &p)
			}
			lines := readLines(t, filepath.Join(dir, f.notes["json"]))
			for _, path := range sqlPaths(p.text(f)) {
				paths++
				if !leads(lines, path) {
					t.Errorf("%s:%d: no line of %s has %s", p.path, f.from, f.notes["json"], strings.Join(path, "."))
				}
			}
		}
	}
	if paths < 15 {
		t.Errorf("only %d paths found", paths)
	}
}

// ranPage runs the blocks of a page up to its first SQL and returns their directory.
func ranPage(t *testing.T, p *page) string {
	dir := t.TempDir()
	for _, f := range p.fences {
		if _, notRun := f.notes["not run"]; f.lang == "sh" && !notRun {
			runFence(t, p, f, dir)
		}
		if f.lang == "sql" {
			break
		}
	}
	return dir
}

func sqlPaths(sql string) (paths [][]string) {
	for _, m := range sqlPath.FindAllStringSubmatch(sql, -1) {
		paths = append(paths, strings.Split(m[1], "."))
	}
	for _, m := range sqlCall.FindAllStringSubmatch(sql, -1) {
		paths = append(paths, strings.Split(strings.NewReplacer("'", "", " ", "").Replace(m[1]), ","))
	}
	return paths
}

func readLines(t *testing.T, path string) (lines []object) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, o)
	}
	return lines
}

// leads reports whether a path ends at a value in one of the lines.
func leads(lines []object, path []string) bool {
	for _, line := range lines {
		var at any = line
		for _, key := range path {
			o, _ := at.(object)
			at = o[key]
		}
		if at != nil {
			return true
		}
	}
	return false
}
