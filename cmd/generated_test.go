package cmd

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/explain/catalog"
)

// update says that golden files are to be rewritten: make golden, make docs.
func update() bool { return os.Getenv("KWHY_UPDATE") != "" }

// generated compares what is generated with the file that is shipped, which .gitattributes
// has to mark.
func generated(t *testing.T, name string, got []byte) {
	t.Helper()
	if !marked(t, name) {
		t.Errorf(".gitattributes does not mark %s as generated", name)
	}
	golden(t, name, got)
}

// golden does the same with a file of which only a part is generated.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if update() {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not current: run make docs", name)
	}
}

// marked tells whether .gitattributes says of a file that it is generated.
func marked(t *testing.T, name string) bool {
	t.Helper()
	b, err := os.ReadFile("../.gitattributes")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 1 && slices.Contains(f[1:], "linguist-generated") {
			if same, err := path.Match("../"+f[0], name); err == nil && same {
				return true
			}
		}
	}
	return false
}

// TestGeneratedRules keeps the list of rules current: what each measures, its
// thresholds, and how these are set.
func TestGeneratedRules(t *testing.T) {
	var b strings.Builder
	b.WriteString(rulesIntro)
	domain := ""
	for _, r := range catalog.All().Rules {
		if d, _, _ := strings.Cut(r.ID, "."); d != domain {
			domain = d
			fmt.Fprintf(&b, "\n## %s\n", d)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n- Measures: %s\n", r.ID, r.Means, r.What)
		fmt.Fprintf(&b, "- Thresholds, %s: %s\n", map[bool]string{true: "less is worse", false: "more is worse"}[r.Below], r.At.Words(r.Unit))
		fmt.Fprintf(&b, "- Rests on: %s, in `kwhy %s`: `%s`\n", map[explain.Basis]string{explain.Now: "how it stands now", explain.Interval: "the interval", explain.Ever: "what was counted since the beginning, so that it is a notice at most"}[r.Basis], r.Command, strings.Join(r.Evidence, "`, `"))
		if r.Unless != "" {
			fmt.Fprintf(&b, "- Left out of `kwhy check` where %s finds something, which says the same better\n", r.Unless)
		}
		next := []string{r.Next, "kwhy explain " + string(r.Concept)}
		fmt.Fprintf(&b, "- Next: `%s`\n", strings.Join(slices.Compact(next), "`, `"))
	}
	generated(t, "../docs/rules.md", []byte(b.String()))
}

const rulesIntro = `# The rules

Levels come from these rules alone: the mark in text, the level in JSON, and what
` + "`kwhy check`" + ` finds. This page is generated from their declarations; ` + "`kwhy check --list`" + `
shows them with the thresholds in force, and ` + "`kwhy check -o json`" + ` what each measured.

Thresholds are set in a config file, below ` + "`check.thresholds`" + ` by the name of the rule,
or by a variable, which wins: ` + "`KWHY_CHECK_THRESHOLDS_MEM_AVAILABLE_LOW`" + ` for
mem.available_low. Each takes ` + "`notice=0.2,warning=0.1,critical=0.05`" + ` (or some of the
three, the rest staying as it is), the same without names, or ` + "`off`" + `; ` + "`20%`" + ` is 0.2.
` + "`check.off`" + ` and ` + "`KWHY_CHECK_OFF`" + ` list rules to switch off.
`
