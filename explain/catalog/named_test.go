package catalog_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/lower"
	"kwhy/explain/mem"
	"kwhy/explain/net"
	"kwhy/explain/oom"
	"kwhy/explain/proc"
)

// What code calls by a name that is a string is there, or a row that was renamed would be
// missed in silence: what is borrowed of a card, columns and sort keys of views, values of
// reports, keys and rules that something is compared with.
func TestNamesInCodeAreThoseOfRows(t *testing.T) {
	n := names{all: catalog.All(), of: declared(), files: token.NewFileSet()}
	for _, pattern := range []string{"../*/*.go", "../../cmd/*.go", "../../output/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if b, err := os.ReadFile(file); err == nil && !strings.HasSuffix(file, "_test.go") {
				n.file(t, file, string(b))
			}
		}
	}
	if n.seen < 90 {
		t.Errorf("%d names were seen, there are more", n.seen)
	}
}

// Each way to name what is not there is seen.
func TestANameOfNoRowIsSeen(t *testing.T) {
	const src = `package mem
func f() {
	all := proc.Host()
	explain.Borrow(all, of, "processes", "no1")
	lower.Own(net.Sockets(), []string{"no2"}, []string{"-no3", "-pid"}, 0)
	lower.WordsOf(proc.Processes().Fields, "no4")
	rep.Cell("no5")
	v.Ranks("no6")
	_ = f.Key == "no7" || r.Evidence[0] != "no8" || x.ID == "mem.no9" || p.Table == "no10"
	switch f.Key {
	case "mem_total", "no11":
	}
	show := map[string]explain.Show{"no12": 0}
	lower.Part{Table: "no13"}
	keep := []string{"no14"}
	slices.Contains(keep, f.Key)
	lower.Having(whose(), "pid")
}`
	n := names{all: catalog.All(), of: declared(), files: token.NewFileSet()}
	var got []string
	n.lacks = func(_ token.Pos, name string) { got = append(got, strings.TrimPrefix(name, "mem.")) }
	n.file(t, "../mem/x.go", src)
	slices.Sort(got)
	var want []string
	for i := range 14 {
		want = append(want, "no"+strconv.Itoa(i+1))
	}
	want = append(want, "whose")
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("seen: %q\nwant: %q", got, want)
	}
}

// The overview of kills has all the columns that it takes from these.
func TestOverviewHasWhatItBorrows(t *testing.T) {
	want := []string{"kill", "logged_at", "constraint", "freed_at_most", "role", "why"}
	if got := keysOfTable(oom.Overview(oom.Kills())); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A trial is of a column that its command has.
func TestTrialsAreOfColumns(t *testing.T) {
	all := catalog.All()
	for _, trial := range all.Trials {
		if !slices.ContainsFunc(all.Entries, func(e lower.Entry) bool {
			return e.Table == trial.Rows && e.Doc.Key == trial.Key && e.Command == trial.Command
		}) {
			t.Errorf("%s of %s is no column of kwhy %s", trial.Key, trial.Rows, trial.Command)
		}
	}
}

// declared is what cards and tables have, by the function that declares them.
func declared() map[string][]string {
	of := map[string][]string{
		"mem.Host": keysOfCard(mem.Host()), "oom.Host": keysOfCard(oom.Host()), "proc.Host": keysOfCard(proc.Host()),
		"mem.Processes": keysOfTable(mem.Processes(true)), "oom.Processes": keysOfTable(oom.Processes(false)),
		"proc.Processes": keysOfTable(proc.Processes()), "net.Sockets": keysOfTable(net.Sockets()),
	}
	for _, e := range catalog.All().Entries {
		for table, name := range map[string]string{
			"sources": "doctor.sourceTable", "derivations": "doctor.derivationTable", "checks": "check.ruleTable",
		} {
			if e.Table == table && strings.HasPrefix(name, e.Command+".") {
				of[name] = append(of[name], e.Doc.Key)
			}
		}
	}
	return of
}

func keysOfCard[S explain.Snapshot[S]](c explain.Card[S]) (keys []string) {
	for _, s := range c.Sections {
		for i := range s.Fields {
			keys = append(keys, s.Fields[i].Key)
		}
	}
	return keys
}

func keysOfTable[S explain.Snapshot[S]](t *explain.Table[S]) (keys []string) {
	for i := range t.Fields {
		keys = append(keys, t.Fields[i].Key)
	}
	return keys
}

// names are those that code gives.
type names struct {
	all   lower.Catalogue
	of    map[string][]string
	files *token.FileSet
	lacks func(at token.Pos, name string)
	seen  int

	pkg  string
	vars map[string]ast.Expr // of the function at hand, as they are first set
}

func (n *names) file(t *testing.T, file, src string) {
	t.Helper()
	f, err := parser.ParseFile(n.files, file, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if n.lacks == nil {
		n.lacks = func(at token.Pos, name string) { t.Errorf("%s: nothing is called %q", n.files.Position(at), name) }
	}
	n.pkg = filepath.Base(filepath.Dir(file))
	for _, d := range f.Decls {
		n.vars = map[string]ast.Expr{}
		ast.Inspect(d, func(x ast.Node) bool {
			if a, ok := x.(*ast.AssignStmt); ok && len(a.Rhs) > 0 {
				for i, to := range a.Lhs {
					if id, ok := to.(*ast.Ident); ok && n.vars[id.Name] == nil {
						n.vars[id.Name] = a.Rhs[min(i, len(a.Rhs)-1)]
					}
				}
			}
			return true
		})
		ast.Inspect(d, func(x ast.Node) bool { n.node(x); return true })
	}
}

// node checks the names in one node.
func (n *names) node(x ast.Node) {
	switch x := x.(type) {
	case *ast.CallExpr:
		n.call(x)
	case *ast.BinaryExpr:
		if x.Op == token.EQL || x.Op == token.NEQ {
			n.compared(x.X, x.Y)
			n.compared(x.Y, x.X)
		}
	case *ast.SwitchStmt:
		for _, c := range x.Body.List {
			n.compared(x.Tag, c.(*ast.CaseClause).List...)
		}
	case *ast.CompositeLit:
		for _, e := range x.Elts {
			kv, ok := e.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			if m, ok := x.Type.(*ast.MapType); ok && last(m.Value) == "Show" {
				n.check(n.isKey, kv.Key)
			}
			if last(kv.Key) == "Table" {
				n.check(n.isTable, kv.Value)
			}
		}
	}
}

func (n *names) call(c *ast.CallExpr) {
	switch name := last(c.Fun); {
	case slices.Contains([]string{"Borrow", "Own", "NewView", "Having", "WordsOf"}, name) && len(c.Args) > 1:
		if len(n.texts(c.Args[1:]...)) == 0 {
			return
		}
		of := n.whose(c.Args[0])
		keys, ok := n.of[of]
		if !ok {
			n.lacks(c.Pos(), of)
		}
		n.check(func(key string) bool { return !ok || slices.Contains(keys, key) }, c.Args[1:]...)
	case name == "Cell" || name == "Ranks":
		n.check(n.isKey, c.Args...)
	case name == "Grid":
		n.check(n.isTable, c.Args...)
	case name == "Contains" && len(c.Args) == 2:
		n.compared(c.Args[1], c.Args[0])
	}
}

// compared checks what a key, a rule's ID or a table is held against.
func (n *names) compared(what ast.Expr, with ...ast.Expr) {
	if i, ok := what.(*ast.IndexExpr); ok && last(i.X) == "Evidence" {
		n.check(n.isKey, with...)
	}
	sel, ok := what.(*ast.SelectorExpr)
	if !ok {
		return
	}
	switch sel.Sel.Name {
	case "Key":
		n.check(n.isKey, with...)
	case "ID":
		n.check(n.isRule, with...)
	case "Table":
		n.check(n.isTable, with...)
	}
}

// check holds each text among expressions against what there is.
func (n *names) check(is func(string) bool, in ...ast.Expr) {
	for _, x := range in {
		for _, name := range n.texts(x) {
			if n.seen++; !is(strings.TrimPrefix(name, "-")) {
				n.lacks(x.Pos(), strings.TrimPrefix(name, "-"))
			}
		}
	}
}

// texts are the texts among expressions, and in the variables that these are.
func (n *names) texts(in ...ast.Expr) (out []string) {
	for _, x := range in {
		if id, ok := x.(*ast.Ident); ok && n.vars[id.Name] != nil {
			if _, list := n.vars[id.Name].(*ast.CompositeLit); list {
				x = n.vars[id.Name]
			}
		}
		ast.Inspect(x, func(x ast.Node) bool {
			if lit, ok := x.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && s != "" {
					out = append(out, s)
				}
			}
			return true
		})
	}
	return out
}

// whose is the function that declares the card or table that an expression is.
func (n *names) whose(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		if n.vars[x.Name] != nil {
			return n.whose(n.vars[x.Name])
		}
		return x.Name
	case *ast.CallExpr:
		if id, ok := x.Fun.(*ast.Ident); ok {
			return n.pkg + "." + id.Name
		}
		if sel, ok := x.Fun.(*ast.SelectorExpr); ok {
			return last(sel.X) + "." + sel.Sel.Name
		}
	case *ast.SelectorExpr: // its fields
		return n.whose(x.X)
	}
	return last(x)
}

// last is the name that an expression ends in.
func last(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.IndexExpr:
		return last(x.X)
	case *ast.IndexListExpr:
		return last(x.X)
	}
	return ""
}

func (n *names) isKey(key string) bool {
	return slices.ContainsFunc(n.all.Entries, func(e lower.Entry) bool {
		topic, _, _ := strings.Cut(e.Command, " ")
		return e.Doc.Key == key && (topic == n.pkg || topic == "mem" && n.pkg == "oom" ||
			!slices.Contains([]string{"mem", "oom", "sched", "fd", "net"}, n.pkg))
	})
}

func (n *names) isTable(name string) bool {
	return slices.ContainsFunc(n.all.Entries, func(e lower.Entry) bool { return e.Table == name })
}

func (n *names) isRule(id string) bool {
	return slices.ContainsFunc(n.all.Rules, func(r lower.RuleDoc) bool { return r.ID == id })
}
