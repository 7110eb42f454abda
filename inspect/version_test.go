package inspect_test

import (
	"bytes"
	"compress/gzip"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

func TestParseVersion(t *testing.T) {
	for release, want := range map[string]version{
		"6.18.44":                      {6, 18, 44},
		"5.10.0-46-cloud-amd64":        {5, 10, 0},
		"6.12.117+deb12-cloud-amd64":   {6, 12, 117},
		"6.18.44-fc-v769":              {6, 18, 44},
		"3.10.0-1160.el7.x86_64":       {3, 10, 0},
		"4.18.0-553.el8_10":            {4, 18, 0},
		"7.0":                          {7, 0, 0},
		"7.1-rc3":                      {7, 1, 0},
		"7":                            {7, 0, 0},
		"6.":                           {6, 0, 0},
		"6..1":                         {6, 0, 0},
		"6.1.2.3.4":                    {6, 1, 2},
		"":                             {},
		"linux":                        {},
		"-6.1":                         {},
		" 6.1":                         {},
		".6.1":                         {},
		"99999999999999999999.1":       {},
		"6.99999999999999999999":       {6, 0, 0},
		"5.15.167.4-microsoft-WSL2":    {5, 15, 167},
		"6.6.87.2-microsoft-standard-": {6, 6, 87},
	} {
		t.Run(release, func(t *testing.T) {
			if got := inspect.ParseVersion(release); got != want {
				t.Errorf("ParseVersion(%q) = %v, want %v", release, got, want)
			}
		})
	}
}

func TestVersionComparesByMajorThenMinor(t *testing.T) {
	for _, c := range []struct {
		v, than         version
		atLeast, before bool
	}{
		{version{6, 18, 44}, version{6, 18, 0}, true, false},
		{version{6, 18, 0}, version{6, 18, 44}, true, false}, // patches never decide
		{version{6, 9, 0}, version{6, 18, 0}, false, true},
		{version{7, 0, 0}, version{6, 18, 0}, true, false},
		{version{5, 19, 0}, version{6, 0, 0}, false, true},
		{version{4, 4, 0}, version{4, 5, 0}, false, true},
		{version{}, version{4, 5, 0}, false, false}, // unknown is neither
	} {
		t.Run(c.v.String()+" and "+c.than.String(), func(t *testing.T) {
			if got := c.v.AtLeast(c.than.Major, c.than.Minor); got != c.atLeast {
				t.Errorf("AtLeast = %v, want %v", got, c.atLeast)
			}
			if got := c.v.Before(c.than); got != c.before {
				t.Errorf("Before = %v, want %v", got, c.before)
			}
		})
	}
}

func TestSinceHasThreeAnswers(t *testing.T) {
	v := func(major, minor int) version { return version{Major: major, Minor: minor} }
	for _, c := range []struct {
		of           inspect.Kernel
		major, minor int
		want         inspect.Answer
		says         string
	}{
		{inspect.KernelOf(v(5, 10)), 5, 9, inspect.Yes, "5.10"},
		{inspect.KernelOf(v(5, 10)), 5, 10, inspect.Yes, "5.10"},
		{inspect.KernelOf(v(5, 10)), 5, 11, inspect.No, "5.10"},
		{inspect.Kernel{}, 5, 9, inspect.Unknown, "of unknown version"},
		{inspect.Kernel{}, 0, 0, inspect.Yes, "of unknown version"}, // what all kernels have
		{inspect.Kernel{Oldest: v(4, 20)}, 4, 5, inspect.Yes, "4.20 or later"},
		{inspect.Kernel{Oldest: v(4, 20)}, 5, 9, inspect.Unknown, "4.20 or later"},
		{inspect.Kernel{Newest: v(5, 8)}, 5, 9, inspect.No, "5.8 or earlier"},
		{inspect.Kernel{Newest: v(5, 8)}, 4, 5, inspect.Unknown, "5.8 or earlier"},
		{inspect.Kernel{Oldest: v(4, 20), Newest: v(5, 8)}, 5, 2, inspect.Unknown, "4.20 to 5.8"},
	} {
		if got := c.of.Since(c.major, c.minor); got != c.want || c.of.String() != c.says {
			t.Errorf("%s since %d.%d: %d, want %d of %q", c.of, c.major, c.minor, got, c.want, c.says)
		}
	}
}

// unanswered lists where a file compares an Answer, or lacks a case of a switch on one: an
// unknown version falls to one side there without anybody having said so.
func unanswered(t *testing.T, file string, src any) (out []string) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(e ast.Expr) string {
		if sel, ok := e.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); !ok || pkg.Name != "inspect" {
				return ""
			}
			e = sel.Sel
		} else if f.Name.Name != "inspect" {
			return ""
		}
		if id, ok := e.(*ast.Ident); ok && slices.Contains([]string{"Yes", "No", "Unknown"}, id.Name) {
			return id.Name
		}
		return ""
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if answer(n.X)+answer(n.Y) != "" {
				out = append(out, set.Position(n.Pos()).String())
			}
		case *ast.SwitchStmt:
			has := map[string]bool{}
			for _, c := range n.Body.List {
				for _, e := range c.(*ast.CaseClause).List {
					if name := answer(e); name != "" {
						has[name] = true
					}
				}
			}
			if len(has) > 0 && len(has) < 3 {
				out = append(out, set.Position(n.Pos()).String())
			}
		}
		return true
	})
	return out
}

// Whoever asks for a version says what holds where it is unknown: an Answer goes into Choose,
// which takes three, or into a switch with a case for each. There is no other way to use one.
func TestEveryAnswerHasItsCase(t *testing.T) {
	files, asked := 0, 0
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		files++
		asked += strings.Count(string(b), ".Choose(")
		for _, at := range unanswered(t, p, b) {
			t.Errorf("%s: what if the version is unknown? Use Choose, or a switch with three cases", at)
		}
		return nil
	})
	if err != nil || files < 250 || asked < 30 {
		t.Errorf("%d files, %d questions: %v", files, asked, err)
	}
	const src = `package x
func f() { if k.Since(5, 9) == inspect.Yes {}
switch k.Since(5, 9) { case inspect.Yes: }
switch k.Since(5, 9) { case inspect.Yes, inspect.No: case inspect.Unknown: } }`
	if got := unanswered(t, "x.go", src); !slices.Equal(got, []string{"x.go:2:15", "x.go:3:1"}) {
		t.Errorf("seen: %v", got)
	}
}

// Without the files that name the version, a recorded host is still known to be between some:
// its own among them. With any one of them it is known.
func TestVersionOfACopyIsShownByItsFiles(t *testing.T) {
	inspecttest.OnEach(t, func(t *testing.T, dir string) {
		whole := inspecttest.Open(t, dir)
		remove := func(name string) {
			if err := os.Remove(filepath.Join(dir, "proc", name)); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		remove("sys/kernel/osrelease")
		version := filepath.Join(dir, "proc/version")
		if err := os.WriteFile(version, []byte("Linux version "+whole.Release+" (x@y) (gcc) #1 SMP\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if h := inspecttest.Open(t, dir); h.Kernel != whole.Kernel || h.Release != whole.Release {
			t.Errorf("by /proc/version: %v", h.Kernel)
		}
		remove("version")
		remove("config.gz")
		is := whole.Kernel.Oldest
		h := inspecttest.Open(t, dir)
		k := h.Kernel
		if k.Known() || inspect.Choose(k.Since(is.Major, is.Minor), false, true, false) || !is.AtLeast(k.Oldest.Major, k.Oldest.Minor) {
			t.Errorf("Linux %v is said to be %v", is, k)
		}
		if len(hostFile(t, dir, "meminfo")) > 0 && !k.Oldest.AtLeast(5, 4) {
			t.Errorf("Linux %v is said to be %v, and its meminfo shows more", is, k)
		}
		writeConfig(t, dir, "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 4.18.0 Kernel Configuration\n#\nCONFIG_HZ=250\n")
		if h := inspecttest.Open(t, dir); h.Kernel != inspect.KernelOf(inspect.Version{Major: 4, Minor: 18}) {
			t.Errorf("by its configuration: %v", h.Kernel)
		}
	})
}

func hostFile(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "proc", name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}

func writeConfig(t *testing.T, dir, text string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "proc/config.gz"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Until 5.8 there was one line for what is two since then.
func TestOneSignBoundsTheVersionFromAbove(t *testing.T) {
	dir := inspecttest.UnpackText(t, "-- proc/vmstat --\noom_kill 0\nworkingset_refault 5\n-- proc/pressure/cpu --\nsome\n")
	if got := inspecttest.Open(t, dir).Kernel.String(); got != "4.20 to 5.8" {
		t.Error(got)
	}
}

// What the kernel was built with is what its own configuration says; half a configuration says
// it of no option.
func TestBuilt(t *testing.T) {
	var whole bytes.Buffer
	z := gzip.NewWriter(&whole)
	const text = "#\n# Linux/x86 6.1.0 Kernel Configuration\n#\nCONFIG_KSM=y\nCONFIG_ZRAM=m\n# CONFIG_NUMA is not set\nCONFIG_HZ=250\n"
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file []byte
		want map[string]inspect.Answer
	}{
		"whole": {whole.Bytes(), map[string]inspect.Answer{
			"CONFIG_KSM": inspect.Yes, "CONFIG_ZRAM": inspect.Yes, "CONFIG_NUMA": inspect.No, "CONFIG_HZ": inspect.No, "CONFIG_X": inspect.No,
		}},
		"cut":  {whole.Bytes()[:whole.Len()-12], map[string]inspect.Answer{"CONFIG_KSM": inspect.Unknown, "CONFIG_NUMA": inspect.Unknown}},
		"none": {nil, map[string]inspect.Answer{"CONFIG_KSM": inspect.Unknown}},
	} {
		dir := inspecttest.Recorded(t, "debian-7.3-idle")
		if c.file != nil {
			inspecttest.Write(t, filepath.Join(dir, "proc/config.gz"), string(c.file))
		}
		h := inspecttest.Open(t, dir)
		for option, want := range c.want {
			if got := h.Built(option); got != want {
				t.Errorf("%s: %s: %v, want %v", name, option, got, want)
			}
		}
	}
}
