package inspect_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// harmless are what packages that reach the outside world have for calculations alone.
func harmless() map[string][]string {
	return map[string][]string{
		"golang.org/x/sys/unix":         {"Major", "Minor", "Mkdev", "Errno", "Geteuid", "Getpid"},
		"syscall":                       nil,
		"os":                            nil,
		"net":                           nil,
		"path/filepath":                 {"Abs", "Base", "Clean", "Dir", "Join"}, // Abs asks where kwhy is, not what is there
		"github.com/mdlayher/netlink":   {"HeaderType", "NewAttributeDecoder", "NewAttributeEncoder"},
		"github.com/mdlayher/genetlink": nil,
		"github.com/prometheus/procfs":  nil,
	}
}

// calls names what of those packages a file calls that is not harmless.
func calls(t *testing.T, file string, src any) (out []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	outside := map[string][]string{}
	for _, imp := range f.Imports {
		p, _ := strconv.Unquote(imp.Path.Value)
		list, ok := harmless()[p]
		if !ok {
			continue
		}
		name := p[strings.LastIndexByte(p, '/')+1:]
		if imp.Name != nil {
			name = imp.Name.Name
		}
		outside[name] = list
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		if list, ok := outside[pkg.Name]; ok && !slices.Contains(list, sel.Sel.Name) {
			out = append(out, pkg.Name+"."+sel.Sel.Name)
		}
		return true
	})
	return out
}

// All that is read of a host, and all that its kernel is asked, goes through the base
// of inspect: there it is bounded in time, and there it can be kept and played back.
// sockdiag has a socket of its own, and nothing else.
func TestTheBaseAloneReads(t *testing.T) {
	own := map[string]string{
		"sockdiag/dump.go": "unix.Close unix.Fstat unix.NsecToTimeval unix.Recvfrom unix.Sendto unix.SetsockoptTimeval unix.Socket",
	}
	files := 0
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "inspecttest" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir(), !strings.HasSuffix(p, ".go"), strings.HasSuffix(p, "_test.go"), filepath.Dir(p) == ".":
			return nil
		}
		files++
		got := calls(t, p, nil)
		slices.Sort(got)
		if s := strings.Join(slices.Compact(got), " "); s != own[p] {
			t.Errorf("%s calls %s: what reads a host belongs to Tree, Dir or kernel.go", p, s)
		}
		return nil
	})
	if err != nil || files < 50 {
		t.Fatalf("%d files: %v", files, err)
	}
}

// The rule sees what it is there for, under another name too.
func TestARulebreakerIsSeen(t *testing.T) {
	const src = `package x
import ("os"; sys "golang.org/x/sys/unix"; "path/filepath")
func f() { os.ReadFile("/proc/stat"); sys.Openat(1, "x", 0, 0); sys.Mkdev(1, 2); filepath.Glob("*"); filepath.Join("a") }`
	if got := strings.Join(calls(t, "x.go", src), " "); got != "os.ReadFile sys.Openat filepath.Glob" {
		t.Errorf("seen: %s", got)
	}
}
