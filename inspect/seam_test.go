package inspect_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// harmless are what packages that reach the outside world have for calculations alone.
func harmless() map[string][]string {
	return map[string][]string{
		"golang.org/x/sys/unix":         {"Major", "Minor", "Mkdev", "Errno", "Geteuid", "Getpid", "Signal", "SignalName"},
		"syscall":                       nil,
		"os":                            nil,
		"net":                           nil,
		"os/user":                       nil,
		"path/filepath":                 {"Abs", "Base", "Clean", "Dir", "IsAbs", "Join"}, // Abs asks where kwhy is, not what is there
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
// sockdiag has a socket of its own, and cmd what is no part of a host: the streams, how many
// files kwhy itself may open, its config file, and the log that a user names.
func TestTheBaseAloneReads(t *testing.T) {
	own := map[string]string{
		"inspect/sockdiag/dump.go": "unix.Close unix.Fstat unix.NsecToTimeval unix.Recvfrom unix.Sendto unix.SetsockoptTimeval unix.Socket",
		"cmd/app.go":               "unix.Getrlimit",
		"cmd/config.go":            "os.Open",
		"cmd/oom.go":               "os.Open",
		"cmd/kwhy/main.go":         "os.Exit",
		// It reads sources, and is not part of kwhy.
		"explain/concepts/draw/main.go": "os.DirFS os.Exit",
	}
	files := 0
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(filepath.ToSlash(p), "../")
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"bench", "docs"}, name) || slices.Contains([]string{"inspecttest", "testdata"}, d.Name())),
			d.IsDir() && len(name) > 1 && strings.HasPrefix(d.Name(), ".") && name != "..":
			return filepath.SkipDir
		case d.IsDir(), !strings.HasSuffix(p, ".go"), strings.HasSuffix(p, "_test.go"), path.Dir(name) == "inspect":
			return nil
		}
		files++
		got := calls(t, p, nil)
		slices.Sort(got)
		if own[name] != "" && !strings.HasPrefix(name, "cmd/") {
			got = slices.Compact(got) // of cmd each one counts
		}
		if s := strings.Join(got, " "); s != own[name] {
			t.Errorf("%s calls %s: what reads a host belongs to Tree, Dir or kernel.go", name, s)
		}
		delete(own, name)
		return nil
	})
	if err != nil || files < 250 || len(own) > 0 {
		t.Fatalf("%d files: %v; not there: %v", files, err, own)
	}
}

// The rule sees what it is there for, under another name too.
func TestARulebreakerIsSeen(t *testing.T) {
	const src = `package x
import ("os"; "os/user"; sys "golang.org/x/sys/unix"; "path/filepath")
func f() { os.ReadFile("/proc/stat"); sys.Openat(1, "x", 0, 0); sys.Mkdev(1, 2); filepath.Glob("*"); filepath.Join("a")
user.Lookup("root") }`
	if got := strings.Join(calls(t, "x.go", src), " "); got != "os.ReadFile sys.Openat filepath.Glob user.Lookup" {
		t.Errorf("seen: %s", got)
	}
}
