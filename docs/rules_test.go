package docs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/explain/catalog"
)

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
		worse := map[bool]string{true: "less is worse", false: "more is worse"}[r.Below]
		fmt.Fprintf(&b, "- Thresholds, %s: %s\n", worse, r.At.Words(r.Unit))
		basis := map[explain.Basis]string{
			explain.Now: "how it stands now", explain.Interval: "the interval",
			explain.Ever: "what was counted since the beginning, so that it is a notice at most",
		}[r.Basis]
		fmt.Fprintf(&b, "- Rests on: %s, in `kwhy %s`: `%s`\n", basis, r.Command, strings.Join(r.Evidence, "`, `"))
		if r.Unless != "" {
			fmt.Fprintf(&b, "- Left out of `kwhy check` where %s finds something, which says the same better\n",
				r.Unless)
		}
		next := []string{r.Next, "kwhy explain " + string(r.Concept)}
		fmt.Fprintf(&b, "- Next: `%s`\n", strings.Join(slices.Compact(next), "`, `"))
	}
	generated(t, "rules.md", []byte(b.String()))
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
