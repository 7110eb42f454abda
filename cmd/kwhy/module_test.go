package main

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"kwhy/inspect/inspecttest"
)

// moved is where the test moves the tree to: a host that nobody can own (RFC 2606).
const moved = "example.org/someone/kwhy"

// make module moves all that is of the module path, and nothing that only looks like it;
// and what comes out is a program. With KWHY_TEST_ALL all of it is compiled, the tests too.
func TestModuleMoves(t *testing.T) {
	if testing.Short() {
		t.Skip("it parses the whole tree, twice")
	}
	from := modulePath(t, "../..")
	dir := t.TempDir()
	copyTree(t, dir)
	before := readTree(t, dir)
	move := func(to string) (string, error) {
		out, err := exec.Command(filepath.Join(dir, ".ci/module"), to).CombinedOutput()
		return string(out), err
	}
	for _, to := range []string{
		"", "kwhy", "owner/kwhy", "/host.example/kwhy", "https://host.example/kwhy", "host.example", "host.example/a b",
	} {
		if out, err := move(to); err == nil || !strings.Contains(out, "HOST/OWNER") || !maps.EqualFunc(before, readTree(t, dir), bytes.Equal) {
			t.Errorf("to %q, where go install finds nothing: %v, %s", to, err, out)
		}
	}
	if out, err := move(moved); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := modulePath(t, dir); got != moved {
		t.Errorf("the module is %s", got)
	}
	checkMoved(t, before, readTree(t, dir), from)
	c := checker{fset: token.NewFileSet(), parsed: map[string]*ast.File{}}
	if err := c.check(filepath.Join(dir, "cmd/kwhy"), runtime.GOARCH); err != nil {
		t.Error(err)
	}
	if inspecttest.AllTurns() {
		goIn(t, dir, "vet", "./...")
		goIn(t, dir, "build", "-o", "kwhy", "./cmd/kwhy")
	}
}

// checkMoved holds each file to what it was.
func checkMoved(t *testing.T, before, after map[string][]byte, from string) {
	t.Helper()
	packages := map[string]bool{}
	for name := range after {
		if strings.HasSuffix(name, ".go") {
			packages[path.Dir(name)] = true
		}
	}
	all := strings.Join(slices.Collect(maps.Keys(packages)), "|")
	named := regexp.MustCompile(`(?:^|[^\w./-])` + regexp.QuoteMeta(from) + `/(?:` + all + `)\b`)
	for name, was := range before {
		now := after[name]
		switch {
		case strings.HasSuffix(name, ".go"):
			checkGo(t, name, was, now, from, packages)
		case name == ".golangci.yaml":
			checkLinter(t, was, now, from)
		case name == "README.md":
			if !bytes.Contains(now, []byte("\ngo install "+moved+"/cmd/kwhy@latest\n")) || bytes.Contains(now, []byte("git clone …")) {
				t.Error("README.md does not say how to install it from there")
			}
		case name == "go.mod":
		case !bytes.Equal(was, now):
			t.Errorf("%s has changed", name)
		case bytes.Contains(now, []byte(from+"/")) && named.Match(now):
			t.Errorf("%s names the package %s", name, named.Find(now))
		}
	}
}

func modulePath(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	return string(regexp.MustCompile(`(?m)^module (\S+)$`).FindSubmatch(b)[1])
}

// copyTree copies what git knows, or would take.
func copyTree(t *testing.T, to string) {
	t.Helper()
	c := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	c.Dir = "../.."
	names, err := c.Output()
	if err != nil {
		t.Skipf("git ls-files: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		from := filepath.Join("../..", name)
		info, err := os.Lstat(from)
		if err != nil || !info.Mode().IsRegular() {
			continue // removed, and not yet committed
		}
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), b, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
}

func readTree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		out[filepath.ToSlash(strings.TrimPrefix(name, dir+"/"))] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkGo holds a file to what it was: the same but for the imports of this module, which
// are in order, and no string that names one of its packages.
func checkGo(t *testing.T, name string, was, now []byte, from string, packages map[string]bool) {
	t.Helper()
	rest, imports := parted(t, name, was)
	for i, of := range imports {
		if below, ours := strings.CutPrefix(of, from+"/"); ours {
			imports[i] = moved + "/" + below
		}
	}
	slices.Sort(imports)
	newRest, newImports := parted(t, name, now)
	slices.Sort(newImports)
	if rest != newRest || !slices.Equal(imports, newImports) {
		t.Errorf("%s has changed, or should have: it imports %v, want %v", name, newImports, imports)
	}
	if good, err := format.Source(now); err != nil || !bytes.Equal(good, now) {
		t.Errorf("%s is not as gofmt has it: %v", name, err)
	}
	var s scanner.Scanner
	fset := token.NewFileSet()
	s.Init(fset.AddFile(name, -1, len(now)), now, nil, 0)
	for _, tok, text := s.Scan(); tok != token.EOF; _, tok, text = s.Scan() {
		if text, err := strconv.Unquote(text); tok == token.STRING && err == nil {
			if below, ours := strings.CutPrefix(text, from+"/"); ours && packages[below] {
				t.Errorf("%s names the package %s", name, text)
			}
		}
	}
}

// parted is a file without its imports, and these.
func parted(t *testing.T, name string, src []byte) (rest string, imports []string) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, src, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, d := range f.Decls {
		rest += string(src[at:fset.Position(d.Pos()).Offset])
		at = fset.Position(d.End()).Offset
	}
	for _, i := range f.Imports {
		of, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		imports = append(imports, of)
	}
	return rest + string(src[at:]), imports
}

// checkLinter holds the linter's rules to what they were: packages of this module are those
// of the other, and nothing else has changed.
func checkLinter(t *testing.T, was, now []byte, from string) {
	t.Helper()
	want, got := words(t, was), words(t, now)
	ours := 0
	for i, w := range want {
		for _, before := range []string{"", "(*"} {
			if below, is := strings.CutPrefix(w, before+from+"/"); is {
				want[i] = before + moved + "/" + below
				ours++
			}
		}
	}
	if !slices.Equal(want, got) {
		t.Errorf(".golangci.yaml has other rules:\n%q\nwant\n%q", got, want)
	}
	if ours < 10 {
		t.Errorf(".golangci.yaml has %d rules on packages of %s", ours, from)
	}
}

// words are all keys and values of a YAML.
func words(t *testing.T, text []byte) (out []string) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			out = append(out, n.Value)
		}
		for _, below := range n.Content {
			walk(below)
		}
	}
	walk(&doc)
	return out
}

func goIn(t *testing.T, dir string, args ...string) {
	t.Helper()
	c := exec.Command("go", args...)
	c.Dir = dir
	// What is compiled in another directory each time is found again by its path alone.
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("go %v: %v\n%s", args, err, out)
	}
}
