package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"kwhy/explain/catalog"
	"kwhy/explain/concepts"
)

const root = "../../.."

func drawn(t *testing.T, args ...string) []string {
	t.Helper()
	var out, errs bytes.Buffer
	if err := run(append([]string{"-C", root}, args...), &out, &errs); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// All that the catalogue and the book have can be drawn, and is where it is said to be.
func TestAllThatIsSaidCanBeDrawn(t *testing.T) {
	said := map[string]bool{}
	var whole strings.Builder
	for _, l := range drawn(t, "-n", "0") {
		where, text, _ := strings.Cut(l, ": ")
		file, n, _ := strings.Cut(where, ":")
		said[text] = true
		whole.WriteString(text + " ")
		number, _ := strconv.Atoi(n)
		b, err := os.ReadFile(root + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		first := strings.Fields(strings.Split(text, "{")[0] + " ")
		if lines := strings.Split(string(b), "\n"); number < 1 || number > len(lines) {
			t.Errorf("%s has no such line", l)
		} else if len(first) > 0 && !strings.ContainsAny(first[0], `"\`) && !strings.Contains(lines[number-1], first[0]) {
			t.Errorf("%s stands not there: %s", l, lines[number-1])
		}
	}
	if len(said) < 5000 {
		t.Errorf("%d sentences", len(said))
	}
	all := catalog.All()
	for i := range all.Entries {
		d := &all.Entries[i].Doc
		if strings.HasPrefix(d.Key, "load_") { // one literal, made for 1, 5 and 15 minutes
			continue
		}
		if strings.Contains(d.Key, "neigh") || strings.Contains(d.Key, "arp_cache") || strings.Contains(d.Key, "ndisc_cache") {
			continue // one literal, made for IPv4 and IPv6
		}
		if len(strings.Fields(d.Gist)) > 2 && !strings.Contains(whole.String(), d.Gist) {
			t.Errorf("the gist of %s is not among them: %s", d.Key, d.Gist)
		}
	}
	for i := range all.Rules {
		both := all.Rules[i].ID == "net.arp_full" || all.Rules[i].ID == "net.ndisc_full" // one literal, for IPv4 and IPv6
		if means := all.Rules[i].Means; !both && !strings.Contains(whole.String(), means) {
			t.Errorf("what %s means is not among them: %s", all.Rules[i].ID, means)
		}
	}
	for _, name := range concepts.Names() {
		if e, err := concepts.Read(name); err != nil || !said[e.Gist] {
			t.Errorf("%s: %v: %s", name, err, e.Gist)
		}
	}
}

// A seed is one draw, another seed another; a line more above a sentence changes none.
func TestDrawIsDecidedByTheSeed(t *testing.T) {
	first := drawn(t, "-seed", "1f0c")
	if len(first) != 60 || !slices.Equal(first, drawn(t, "-seed", "1f0c")) {
		t.Errorf("%d sentences, or others the second time", len(first))
	}
	both := 0
	for _, s := range drawn(t, "-seed", "1f0d") {
		if slices.Contains(first, s) {
			both++
		}
	}
	if both > 10 {
		t.Errorf("another seed draws %d of the same", both)
	}
	files := func(above string) fstest.MapFS {
		var md strings.Builder
		for i := range 200 {
			fmt.Fprintf(&md, "Sentence number %d of these.\n\n", i)
		}
		return fstest.MapFS{"explain/concepts/a.md": {Data: []byte("---\ngist: Some words of it.\n---\n" + above + md.String())}}
	}
	text := func(above string) (out []string) {
		all, err := sentences(files(above))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range draw(all, "1f0c", 20) {
			out = append(out, s.text)
		}
		return out
	}
	if a, b := text(""), text("\n\n"); len(a) != 20 || !slices.Equal(a, b) {
		t.Errorf("%q, and with two lines above %q", a, b)
	}
}

// Each kind of text is cut where its sentences end.
func TestSentences(t *testing.T) {
	files := fstest.MapFS{
		"explain/a/a.go": {Data: []byte("package a\n\nimport \"x/y of z\"\n\nfunc f(n int) string {\n" +
			"\treturn of(n, \"pages of the page cache\") +\n\t\t\" of RAM, e.g. Linux 6.1. Many read \" + g(n) +\n\t\t\" at once.\"\n}\n\n" +
			"type s struct {\n\tA int `json:\"no words at all\"`\n}\n\nconst c = `One line of it\ngoes on here. And\nanother one.`\n")},
		"explain/a/a_test.go":        {Data: []byte("package a\n\nconst c = \"A test says this.\"\n")},
		"explain/a/testdata/b.go":    {Data: []byte("package b\n\nconst c = \"Nor this of testdata.\"\n")},
		"explain/concepts/draw/x.go": {Data: []byte("package x\n\nconst c = \"Nor this of draw.\"\n")},
		"explain/concepts/b.md": {Data: []byte("---\ntitle: Not the title here\ngist: What it is about.\n---\n## What it is\n\n" +
			"A first sentence\nof two lines, and\n60. A second: 3.5 of them.\n\n1. an item of a list,\n   on two lines\n2. another item of it\n\n" +
			"```\na = b of c\n```\n\n## By hand\n\n```\ncat the file here\nsync all now # write and wait\n```\n")},
	}
	all, err := sentences(files)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		got = append(got, s.String())
	}
	want := []string{
		`explain/a/a.go:6: pages of the page cache`,
		`explain/a/a.go:6: {of(n, "pages of the page cache")} of RAM, e.g. Linux 6.1.`,
		`explain/a/a.go:7: Many read {g(n)} at once.`,
		`explain/a/a.go:15: One line of it goes on here.`,
		`explain/a/a.go:16: And another one.`,
		`explain/concepts/b.md:3: What it is about.`,
		`explain/concepts/b.md:7: A first sentence of two lines, and 60.`,
		`explain/concepts/b.md:9: A second: 3.5 of them.`,
		`explain/concepts/b.md:11: an item of a list, on two lines`,
		`explain/concepts/b.md:13: another item of it`,
		`explain/concepts/b.md:16: a = b of c`,
		`explain/concepts/b.md:23: sync all now # write and wait`,
	}
	slices.Sort(got[:2])
	slices.Sort(want[:2])
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRunRefuses(t *testing.T) {
	for why, args := range map[string][]string{
		"no seed":   {"-n", "5"},
		"no folder": {"-C", "/nonexistent", "-seed", "1"},
		"a word":    {"-seed", "1", "more"},
		"no option": {"-what"},
	} {
		var out, errs bytes.Buffer
		if err := run(args, &out, &errs); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, %q", why, err, out.String())
		}
	}
}
