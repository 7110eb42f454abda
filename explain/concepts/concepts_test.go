package concepts_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"kwhy/explain/concepts"
)

func TestEssays(t *testing.T) {
	headings := []string{"What it is", "How the kernel does it", "How to read it", "What moves it", "By hand", "What changed"}
	named := map[string]bool{}
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if n := utf8.RuneCountInString(e.Gist); n == 0 || n > 80 || !strings.HasSuffix(e.Gist, ".") {
			t.Errorf("%s: its gist has %d columns: %q", name, n, e.Gist)
		}
		if e.Title == "" || e.Chapter == "" || len(e.Source) == 0 || len(e.See) == 0 {
			t.Errorf("%s lacks metadata: %+v", name, e)
		}
		for _, s := range e.See {
			named[s] = true
			if !slices.Contains(concepts.Names(), s) || s == name {
				t.Errorf("%s: see %q leads nowhere", name, s)
			}
		}
		var got []string
		fenced := false
		for line := range strings.Lines(e.Body) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
			}
			if h, ok := strings.CutPrefix(line, "## "); ok && !fenced {
				got = append(got, h)
			}
			if n := utf8.RuneCountInString(line); n > 78 {
				t.Errorf("%s: a line of %d columns: %s", name, n, line)
			}
			if !fenced && (strings.Contains(line, "**") || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "|") || strings.Contains(line, "](")) {
				t.Errorf("%s: Markdown that kwhy does not print: %s", name, line)
			}
		}
		if fenced || !slices.Equal(got, headings) {
			t.Errorf("%s: its sections are %q", name, got)
		}
	}
	for _, name := range concepts.Names() {
		if !named[name] {
			t.Errorf("no other essay names %s", name)
		}
	}
}

// The book has its chapters, and no others.
func TestChapters(t *testing.T) {
	in := map[string]string{}
	for _, c := range concepts.Chapters() {
		for _, name := range c.Essays {
			if in[name] != "" {
				t.Errorf("%s is twice in the book", name)
			}
			in[name] = c.Name
		}
	}
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		if in[name] != e.Chapter {
			t.Errorf("%s says chapter %q, and the book has it in %q", name, e.Chapter, in[name])
		}
		delete(in, name)
	}
	for name := range in {
		t.Errorf("%s is in the book, and there is no such essay", name)
	}
}
