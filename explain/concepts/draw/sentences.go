package main

import (
	"bytes"
	"cmp"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sentences returns what the Go files and the essays below explain say, by file and line.
// The same sentence of a file is in it once.
func sentences(root fs.FS) (all []sentence, err error) {
	err = fs.WalkDir(root, "explain", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || name == "explain/concepts/draw"):
			return fs.SkipDir
		case d.IsDir(), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		b, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		var found []sentence
		switch path.Ext(name) {
		case ".go":
			found, err = ofGo(name, b)
		case ".md":
			found = ofEssay(name, string(b))
		}
		all = append(all, unique(found)...)
		return err
	})
	return all, err
}

func unique(list []sentence) (out []sentence) {
	slices.SortStableFunc(list, func(a, b sentence) int { return cmp.Compare(a.line, b.line) })
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s.text] {
			out = append(out, s)
		}
		seen[s.text] = true
	}
	return out
}

// ofGo returns the sentences in the string literals of a Go file. What is joined with + is
// one text, in which {…} stands for what is no literal.
func ofGo(name string, src []byte) ([]sentence, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	v := visitor{name: name, files: files}
	ast.Inspect(f, v.visit)
	return v.found, nil
}

// visitor walks through a Go file.
type visitor struct {
	name  string
	files *token.FileSet
	found []sentence
}

func (v *visitor) visit(n ast.Node) bool {
	t := text{name: v.name}
	switch n := n.(type) {
	case *ast.ImportSpec:
		return false
	case *ast.Field: // of a struct: its tag says nothing
		n.Tag = nil
	case *ast.BasicLit:
		if t.literal(v.files, n) {
			v.found = append(v.found, t.sentences()...)
		}
	case *ast.BinaryExpr:
		rest, joined := t.join(v.files, n)
		if !joined {
			return true
		}
		v.found = append(v.found, t.sentences()...)
		for _, e := range rest {
			ast.Inspect(e, v.visit)
		}
		return false
	}
	return true
}

// text is what is said in one go, put together of pieces.
type text struct {
	name   string
	b      strings.Builder
	starts []start // in their order
}

// start says on which line of the file a piece begins, and where in the text.
type start struct{ at, line int }

func (t *text) add(s string, line int) {
	t.starts = append(t.starts, start{t.b.Len(), line})
	t.b.WriteString(s)
}

// literal adds a literal that is a string. One between backquotes has a line for each of its
// own.
func (t *text) literal(files *token.FileSet, lit *ast.BasicLit) bool {
	s, err := strconv.Unquote(lit.Value)
	if lit.Kind != token.STRING || err != nil {
		return false
	}
	line := files.Position(lit.Pos()).Line
	if lit.Value[0] != '`' {
		t.add(s, line)
		return true
	}
	for part := range strings.Lines(s) {
		t.add(part, line)
		line++
	}
	return true
}

// longest is the longest expression that is printed as it is.
const longest = 40

// join adds what is joined with +, and returns what of it is no literal; false: nothing is.
func (t *text) join(files *token.FileSet, e ast.Expr) (rest []ast.Expr, any bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if t.literal(files, e) {
			return nil, true
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			left, some := t.join(files, e.X)
			right, more := t.join(files, e.Y)
			return append(left, right...), some || more
		}
	}
	var b bytes.Buffer
	if err := printer.Fprint(&b, files, e); err != nil || b.Len() > longest || bytes.ContainsAny(b.Bytes(), "\n{") {
		b.Reset()
		b.WriteString("…")
	}
	t.add("{"+b.String()+"}", files.Position(e.Pos()).Line)
	return []ast.Expr{e}, false
}

// sentences cuts the text where one ends and another begins.
func (t *text) sentences() (out []sentence) {
	s, from := t.b.String(), 0
	for from < len(s) {
		end := from + sentenceEnd(s[from:])
		said := strings.Join(strings.Fields(s[from:end]), " ")
		if words(said) >= fewest && !command(said) {
			out = append(out, sentence{t.name, t.lineOf(from + skip(s[from:end])), said})
		}
		from = end
	}
	return out
}

// command reports whether something is to be typed, which other tests do.
func command(s string) bool { return strings.HasPrefix(s, "kwhy ") && !strings.HasSuffix(s, ".") }

func skip(s string) int { return len(s) - len(strings.TrimLeftFunc(s, unicode.IsSpace)) }

func (t *text) lineOf(at int) (line int) {
	for _, s := range t.starts {
		if s.at > at {
			break
		}
		line = s.line
	}
	return line
}

// sentenceEnd returns where the first sentence ends: behind a full stop that blanks and
// no small letter follow, or before an empty line.
func sentenceEnd(s string) int {
	for i, c := range s {
		switch rest := strings.TrimLeft(s[i+utf8.RuneLen(max(c, 0)):], " \n"); {
		case c == '\n' && strings.HasPrefix(s[i+1:], "\n"):
			return i + 1
		case !strings.ContainsRune(".?!", c), i+1 == len(s), s[i+1] != ' ' && s[i+1] != '\n', rest == "":
		case abbreviated(s[:i]):
		default:
			if r, _ := utf8.DecodeRuneInString(rest); !unicode.IsLower(r) {
				return i + 1
			}
		}
	}
	return len(s)
}

func abbreviated(before string) bool {
	for _, a := range []string{"e.g", "i.e", "etc", "vs", "cf"} {
		if strings.HasSuffix(before, a) {
			return true
		}
	}
	return false
}

// fewest is the number of words from which on something is said.
const fewest = 3

// words counts what is of letters, and what stands for a number or a name.
func words(s string) (n int) {
	for _, w := range strings.Fields(s) {
		if strings.ContainsFunc(w, unicode.IsLetter) {
			n++
		}
	}
	return n
}

// ofEssay returns the sentences of an essay: its gist, its paragraphs and items, and each
// line of a fenced block; of commands to be typed those that say what they do.
func ofEssay(name, md string) (out []sentence) {
	t := text{name: name}
	flush := func() {
		out = append(out, t.sentences()...)
		t = text{name: name}
	}
	var head, fenced, typed bool
	var line, number int // the latter of the item of a list
	for l := range strings.Lines(md) {
		line++
		bare := strings.TrimSpace(l)
		gist, isGist := strings.CutPrefix(bare, "gist:")
		switch {
		case bare == "---" && line == 1, bare == "---" && head:
			head = line == 1
		case head && isGist:
			t.add(strings.Trim(gist, ` "'`), line)
			flush()
		case head:
		case strings.HasPrefix(bare, "```"):
			flush()
			fenced = !fenced
		case fenced:
			if !typed || strings.Contains(bare, "# ") {
				t.add(bare, line)
			}
			flush()
		case bare == "", strings.HasPrefix(bare, "## "):
			flush()
			typed = bare == "## By hand" || typed && bare == ""
		case strings.HasPrefix(bare, "- "), strings.HasPrefix(bare, "1. "), strings.HasPrefix(bare, strconv.Itoa(number+1)+". "):
			flush()
			mark, said, _ := strings.Cut(bare, " ")
			number, _ = strconv.Atoi(strings.TrimSuffix(mark, "."))
			t.add(said+" ", line)
		default:
			t.add(bare+" ", line)
		}
	}
	flush()
	return out
}
