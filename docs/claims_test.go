package docs_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"kwhy/explain/catalog"
	"kwhy/explain/lower"
)

// TestPagesBlocks: a block runs, or says why not; and what looks like output is output.
func TestPagesBlocks(t *testing.T) {
	for _, p := range pages(t) {
		for _, f := range p.fences {
			_, isOutput := f.notes["output"]
			why, isExample := f.notes["example"]
			reason, notRun := f.notes["not run"]
			switch f.lang {
			case "sh":
				if notRun && len(reason) < 10 || !notRun && f.host == "" {
					t.Errorf("%s:%d: neither a host to run on nor a reason not to run", p.path, f.from)
				}
			case "text", "json":
				if !isOutput && (!isExample || len(why) < 10) {
					t.Errorf("%s:%d: neither <!-- output --> nor <!-- example: WHY -->", p.path, f.from)
				}
			case "yaml", "sql", "dockerfile", "ini", "go", "":
			default:
				t.Errorf("%s:%d: a block of %q, which no test knows", p.path, f.from, f.lang)
			}
		}
	}
}

var (
	ruleSpan = regexp.MustCompile("`((?:mem|oom|proc|sched|fd|net)\\.[a-z_]+)`")
	codeSpan = regexp.MustCompile("`(kwhy [^`]*)`")
	mdLink   = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
)

// TestPagesCommands: every command line of kwhy in prose and in blocks, those too that are
// not run, has a subcommand and flags that there are.
func TestPagesCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("it parses command lines, one after the other")
	}
	for _, p := range pages(t) {
		if filepath.Base(p.path) == "rules.md" {
			continue
		}
		for _, m := range codeSpan.FindAllStringSubmatch(strings.Join(p.lines, "\n"), -1) {
			checkCommand(t, p.path, strings.ReplaceAll(m[1], "\n", " "))
		}
		for _, m := range ruleSpan.FindAllStringSubmatch(strings.Join(p.lines, "\n"), -1) {
			if !slices.ContainsFunc(catalog.All().Rules, func(r lower.RuleDoc) bool { return r.ID == m[1] }) {
				t.Errorf("%s: no such rule: %s", p.path, m[1])
			}
		}
		for _, f := range p.fences {
			if f.lang != "sh" && f.lang != "" {
				continue
			}
			for _, m := range inShell.FindAllStringSubmatch(strings.ReplaceAll(p.text(f), "\\\n", " "), -1) {
				checkCommand(t, p.path, m[1])
			}
		}
	}
}

// inShell is a command line of kwhy in a block, up to what ends or pipes it.
var inShell = regexp.MustCompile(`(?m)(?:^|[|;(=] *|\$\(|-- |'|sudo |bin/)(kwhy [^|;#)>&'\n]*)`)

// checkCommand parses a command line as kwhy would. A word in capitals stands for
// something that the reader has.
func checkCommand(t *testing.T, path, line string) {
	t.Helper()
	args := strings.Fields(strings.NewReplacer(`"`, "", "…", "").Replace(line))[1:]
	c, rest, err := app(new(bytes.Buffer)).Manual().Commands[0].Find(args)
	if err != nil {
		t.Errorf("%s: %s: %v", path, line, err)
		return
	}
	var unknown []string
	for _, arg := range rest {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") || arg == "-" || strings.Trim(name, "0123456789") == "" {
			continue
		}
		var f *pflag.Flag
		if c.InheritedFlags(); strings.HasPrefix(arg, "--") {
			f = c.Flags().Lookup(name)
		} else {
			f = c.Flags().ShorthandLookup(name[:1])
		}
		if f == nil && name != "help" && name != "h" {
			unknown = append(unknown, arg)
		}
	}
	if len(unknown) > 0 {
		t.Errorf("%s: %s: no such flag: %v", path, line, unknown)
	}
	if c.Name() == "explain" && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && rest[0] != strings.ToUpper(rest[0]) {
		var out bytes.Buffer
		if status := app(&out).Run([]string{"explain", "--no-live", rest[0]}); status != 0 {
			t.Errorf("%s: %s: %s", path, line, out.String())
		}
	}
}

// TestPagesLinks: what a page links to is there.
func TestPagesLinks(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range mdLink.FindAllStringSubmatch(strings.Join(p.lines, "\n"), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(p.path), m[1])); err != nil {
				t.Errorf("%s: %v", p.path, err)
			}
		}
	}
}

// quoted is what a page says in quotation marks: words of kwhy's.
var quoted = regexp.MustCompile(`"([^"]+)"`)

// TestPagesQuotes: what the tour and a runbook quote in their prose stands in the output
// that they show.
func TestPagesQuotes(t *testing.T) {
	for _, p := range pages(t) {
		if filepath.Base(p.path) != "tour.md" && filepath.Base(filepath.Dir(p.path)) != "runbooks" {
			continue
		}
		prose, shown := slices.Clone(p.lines), ""
		for i := len(p.fences) - 1; i >= 0; i-- {
			f := p.fences[i]
			prose = slices.Delete(prose, f.from, f.to)
			if f.lang == "text" || f.lang == "json" {
				shown += p.text(f)
			}
		}
		shown = strings.Join(strings.Fields(shown), " ")
		for _, m := range quoted.FindAllStringSubmatch(strings.Join(prose, "\n"), -1) {
			if !strings.Contains(shown, strings.Join(strings.Fields(m[1]), " ")) {
				t.Errorf("%s: no output on this page says %q", p.path, m[1])
			}
		}
	}
}

// object is a JSON object as it is read.
type object = map[string]any

// contract holds the names that its JSON has.
type contract struct {
	values, envelope map[string]bool
	tables           map[string]map[string]bool
}

func contractKeys(t *testing.T) contract {
	t.Helper()
	var s object
	if err := json.Unmarshal(kwhy(t, "schema"), &s); err != nil {
		t.Fatal(err)
	}
	k := contract{map[string]bool{}, map[string]bool{}, map[string]map[string]bool{}}
	for _, e := range catalog.All().Entries {
		if e.Table == "" {
			k.values[e.Doc.Key] = true
		}
	}
	props := s["properties"].(object)
	for name, table := range props["tables"].(object)["properties"].(object) {
		row := table.(object)["properties"].(object)["rows"].(object)["items"].(object)["properties"].(object)
		k.tables[name] = map[string]bool{name: true}
		for column := range row {
			k.tables[name][column] = true
		}
	}
	delete(props["values"].(object), "properties")
	delete(props["tables"].(object), "properties")
	addNames(s, k.envelope)
	for _, ndjson := range []string{"type", "table", "row", "key", "finding", "gap"} {
		k.envelope[ndjson] = true
	}
	return k
}

// addNames adds the names of all properties below s.
func addNames(s any, to map[string]bool) {
	switch s := s.(type) {
	case object:
		if props, ok := s["properties"].(object); ok {
			for name := range props {
				to[name] = true
			}
		}
		for _, below := range s {
			addNames(below, to)
		}
	case []any:
		for _, below := range s {
			addNames(below, to)
		}
	}
}

var (
	jqProgram = regexp.MustCompile(`\bjq(?: +-{1,2}[a-zA-Z-]+| +--arg \w+ \S+)*\s+(?:'([^']*)'|(\.\S+))`)
	jqLiteral = regexp.MustCompile(`"(?:[^"\\]|\\[^(])*"`)
	jqKey     = regexp.MustCompile(`\.([A-Za-z_]\w*)`)
	jqValue   = regexp.MustCompile(`\.values\.(\w+)`)
	jqTable   = regexp.MustCompile(`\.tables\.(\w+)`)
	jqOwn     = regexp.MustCompile(`(\w+):|[{,]\s*(\w+)\s*[,}]`)
)

// TestPagesKeys: every key that a jq program of a page names is one of the contract, and,
// where it names a value or a table, one of that.
func TestPagesKeys(t *testing.T) {
	k := contractKeys(t)
	programs := 0
	for _, p := range pages(t) {
		for _, f := range p.fences {
			if f.lang != "sh" && f.lang != "" {
				continue
			}
			for _, m := range jqProgram.FindAllStringSubmatch(p.text(f), -1) {
				programs++
				for _, bad := range k.unknown(m[1] + m[2]) {
					t.Errorf("%s:%d: the contract has no %s", p.path, f.from, bad)
				}
			}
		}
	}
	if programs < 20 {
		t.Errorf("only %d jq programs found", programs)
	}
}

// unknown returns the names in a jq program that the contract does not have.
func (k contract) unknown(program string) (bad []string) {
	program = jqLiteral.ReplaceAllString(program, "")
	names := maps.Clone(k.envelope)
	for _, m := range jqValue.FindAllStringSubmatch(program, -1) {
		if !k.values[m[1]] {
			bad = append(bad, ".values."+m[1])
		}
		names[m[1]] = true
	}
	if strings.Contains(program, ".values |") {
		maps.Copy(names, k.values)
	}
	tables := jqTable.FindAllStringSubmatch(program, -1)
	for _, m := range tables {
		if k.tables[m[1]] == nil {
			bad = append(bad, ".tables."+m[1])
		}
		maps.Copy(names, k.tables[m[1]])
	}
	if len(tables) == 0 && strings.Contains(program, ".row") {
		for _, columns := range k.tables {
			maps.Copy(names, columns)
		}
	}
	for _, m := range jqOwn.FindAllStringSubmatch(program, -1) {
		names[m[1]] = true
	}
	for _, m := range jqKey.FindAllStringSubmatch(program, -1) {
		if !names[m[1]] {
			bad = append(bad, "."+m[1])
		}
	}
	return bad
}

// TestPagesKnow: the check of keys finds a key that is misspelt.
func TestPagesKnow(t *testing.T) {
	k := contractKeys(t)
	for program, want := range map[string]int{
		".values.mem_available.value":                                                          0,
		".values.mem_availble.value":                                                           1,
		".tables.processes.rows[] | select(.oom_score > 900) | .pid":                           0,
		".tables.processes.rows[] | select(.oom_skore < 900) | .pid":                           1,
		".tables.listeners.rows[] | select(.oom_score < 900)":                                  1,
		`.findings[] | select(.id == "net.nonsense") | "\(.levels)"`:                           1,
		`.tables.fds.rows | group_by(.kind) | map({kind: .[0].kind, n: length}) | sort_by(.n)`: 0,
	} {
		if bad := k.unknown(program); len(bad) != want {
			t.Errorf("%s: %v", program, bad)
		}
	}
}
