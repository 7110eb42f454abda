package inspect_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"kwhy/inspect"
)

// Each source of a process has a place of its own, and the places leave no gap.
func TestSlots(t *testing.T) {
	listed := map[inspect.Source]bool{}
	for i, s := range inspect.ProcessSources() {
		if s.Slot() != i || listed[s] || s.Scope() != inspect.OfProcess {
			t.Errorf("%v is at %d, and says %d", s, i, s.Slot())
		}
		listed[s] = true
	}
	for _, s := range inspect.Every() {
		if ofProcess := s.Scope() == inspect.OfProcess; ofProcess != listed[s] {
			t.Errorf("%v is of a process: %v, and listed: %v", s, ofProcess, listed[s])
		}
		if strings.HasPrefix(s.String(), "/proc/<pid>") && !listed[s] {
			t.Errorf("%v is not of a process", s)
		}
		if columns := s.MayHang() || s.EndsWithProcess() || s.GoesWithMainThread() || s.OfEveryProcess() || s.NotOfKthreads(); columns &&
			!listed[s] {
			t.Errorf("%v has columns that are for sources of a process", s)
		}
	}
	if inspect.ProcessSources()[0] != inspect.PIDStat {
		t.Error("stat is what identifies a process, and is read first")
	}
}

// What the table says of a source is what the reader of its file goes by.
func TestMayHangIsOfTheFile(t *testing.T) {
	for _, s := range inspect.ProcessSources() {
		name, ok := strings.CutPrefix(s.String(), "/proc/<pid>/")
		if !ok || s == inspect.PIDExe || s == inspect.PIDCwd || s == inspect.PIDRoot { // links, which are read and not followed
			continue
		}
		if s == inspect.PIDFdinfo {
			name += "/3"
		}
		if got := inspect.MayHang("12/" + name); got != s.MayHang() {
			t.Errorf("%v may hang: %v, and its file: %v", s, s.MayHang(), got)
		}
	}
}

// ordered finds where the order of two constants of an enum, or the distance between
// them, is taken for something: an operator besides one of the names.
func ordered(t *testing.T, file string, src any, names map[string]bool) (out []string) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	named := func(e ast.Expr) bool {
		switch e := e.(type) {
		case *ast.Ident:
			return names[e.Name]
		case *ast.SelectorExpr:
			pkg, ok := e.X.(*ast.Ident)
			return ok && pkg.Name == "inspect" && names[e.Sel.Name]
		}
		return false
	}
	ast.Inspect(f, func(n ast.Node) bool {
		b, ok := n.(*ast.BinaryExpr)
		if !ok {
			return true
		}
		switch b.Op {
		case token.LSS, token.GTR, token.LEQ, token.GEQ, token.ADD, token.SUB:
			if named(b.X) || named(b.Y) {
				out = append(out, set.Position(b.Pos()).String())
			}
		}
		return true
	})
	return out
}

// sourceNames are the constants of Source and of Reason.
func sourceNames(t *testing.T) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "source.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		first, _ := g.Specs[0].(*ast.ValueSpec)
		kind, ok := first.Type.(*ast.Ident)
		if !ok || kind.Name != "Source" && kind.Name != "Reason" {
			continue
		}
		for _, s := range g.Specs {
			names[s.(*ast.ValueSpec).Names[0].Name] = true
		}
	}
	return names
}

// Nothing is to be read out of the order of the constants: which sources are a
// process's, which hang and which must be there are columns of the table.
func TestTheOrderOfSourcesMeansNothing(t *testing.T) {
	names := sourceNames(t)
	if !names["PIDStat"] || !names["Denied"] || !names["NumSources"] {
		t.Fatalf("%d names", len(names))
	}
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || p == filepath.Join("..", "inspect", "source.go") {
			return err
		}
		for _, at := range ordered(t, p, nil, names) {
			t.Errorf("%s: the order of sources means nothing; ask Scope, Slot or another column", at)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	const src = `package x
func f() { _, _, _ = s < inspect.PIDStat, s-PIDStat, inspect.None+1; _ = s == inspect.PIDStat }`
	if got := ordered(t, "x.go", src, names); len(got) != 3 {
		t.Errorf("seen: %v", got)
	}
}
