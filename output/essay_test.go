package output

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"kwhy/explain/concepts"
)

// Lists keep an item a line, whatever begins it, and the lines of an item are wrapped together
// below its text. A number that ends a sentence begins nothing.
func TestEssayLists(t *testing.T) {
	body := "## What it is\nOf three:\n\n1. the first, which needs more than\n   one line of forty columns\n2. the second,\n" +
		"3. and `a third`.\n\n- one\n- two\n\nThe default is\n60. It is no percentage, and of\n12. nothing.\n\n10. ten\n11. eleven\n"
	want := "\nTitle\nGist.\n\nWhat it is\nOf three:\n\n" +
		"1. the first, which needs more than one\n   line of forty columns\n2. the second,\n3. and a third.\n\n- one\n- two\n\n" +
		"The default is 60. It is no percentage,\nand of 12. nothing.\n\n10. ten\n11. eleven\n"
	var b bytes.Buffer
	text := NewText(&b, 40, 0, false)
	text.Essay(Essay{Title: "Title", Gist: "Gist.", Body: body})
	if err := text.w.Flush(); err != nil || strings.TrimLeft(b.String(), "\n") != strings.TrimLeft(want, "\n") {
		t.Errorf("%v, got\n%s\nwant\n%s", err, b.String(), want)
	}
}

// Every item of every essay begins a line of its own, at any width.
func TestListsOfAllEssays(t *testing.T) {
	item := regexp.MustCompile(`^(-|(\d+)\.) \S+`)
	items := 0
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, width := range []int{60, 80, 200} {
			var b bytes.Buffer
			text := NewText(&b, width, 0, false)
			text.Essay(Essay{Title: e.Title, Gist: e.Gist, Body: e.Body})
			if err := text.w.Flush(); err != nil {
				t.Fatal(err)
			}
			fenced, number := false, 0
			for line := range strings.Lines(e.Body) {
				fenced = fenced != strings.HasPrefix(line, "```")
				m := item.FindStringSubmatch(line)
				if m == nil || fenced {
					continue
				}
				n, _ := strconv.Atoi(m[2])
				if m[2] != "" && n != 1 && n != number+1 {
					continue // it ends the sentence of the line above
				}
				number = n
				items++
				if !strings.Contains(b.String(), "\n"+plain(m[0])) {
					t.Errorf("%s at %d columns has no line that begins %q", name, width, m[0])
				}
			}
		}
	}
	if items < 1000 {
		t.Errorf("%d items", items)
	}
}
