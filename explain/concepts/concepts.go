// Package concepts holds the essays: one Markdown file a concept, embedded.
//
// An essay begins with a few lines of YAML that tests check: its title, its
// chapter, one sentence, the kernel sources and man pages behind it, and the
// concepts to read next. This package parses them and nothing else.
package concepts

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed *.md
var files embed.FS

// Essay is one concept.
type Essay struct {
	Name    string   `yaml:"-"`
	Title   string   `yaml:"title"`
	Chapter string   `yaml:"chapter"`
	Gist    string   `yaml:"gist"`
	Source  []string `yaml:"source"` // files of the kernel tree, with a function behind a colon
	Man     []string `yaml:"man"`
	See     []string `yaml:"see"`
	Body    string   `yaml:"-"` // Markdown: headings, paragraphs, lists, fenced blocks, code spans
}

// Chapters returns the chapters of the book, in the order in which they are read.
func Chapters() []string {
	return []string{"user and kernel space", "processes", "scheduler", "memory", "oom", "files", "network", "isolation", "proc and sys"}
}

// Names returns the names of all concepts, in alphabetical order.
func Names() []string {
	entries, _ := fs.ReadDir(files, ".") // an embedded root is always there
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = strings.TrimSuffix(e.Name(), ".md")
	}
	return out
}

// Read returns the essay of that name; the error is fs.ErrNotExist where there
// is none.
func Read(name string) (Essay, error) {
	b, err := files.ReadFile(name + ".md")
	if err != nil {
		return Essay{}, fmt.Errorf("concept %q: %w", name, fs.ErrNotExist)
	}
	e, err := parse(b)
	e.Name = name
	if err != nil {
		return e, fmt.Errorf("concept %q: %w", name, err)
	}
	return e, nil
}

func parse(b []byte) (e Essay, err error) {
	rest, ok := bytes.CutPrefix(b, []byte("---\n"))
	head, body, ok2 := bytes.Cut(rest, []byte("\n---\n"))
	if !ok || !ok2 {
		return e, fmt.Errorf("it does not begin with its metadata between lines of ---")
	}
	d := yaml.NewDecoder(bytes.NewReader(head))
	d.KnownFields(true)
	if err := d.Decode(&e); err != nil {
		return e, fmt.Errorf("metadata: %w", err)
	}
	e.Body = string(bytes.TrimSpace(body)) + "\n"
	return e, nil
}
