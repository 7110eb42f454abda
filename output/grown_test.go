package output

import (
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/explain/lower"
)

// For a counter that is shown by its growth, text has the seconds of the interval and
// no second share; of another its total and the rate.
func TestGrown(t *testing.T) {
	cell := lower.Cell{Doc: explain.Doc{Key: "cpu_user", Label: "user", Unit: explain.Seconds, Counter: true, Grown: true},
		Value: explain.F(220), Rate: explain.F(0.77), Grown: explain.F(1.54), Reading: "77 %: programs' own code."}
	other := cell
	other.Doc.Key, other.Grown = "other", explain.Value{}
	var b strings.Builder
	p := NewText(&b, 100, DetailLine, false)
	if err := p.Print(&Header{}, &lower.Report{Parts: []lower.Part{{Title: "T", Cells: []lower.Cell{cell, other}}}}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	found := 0
	for _, l := range lines {
		switch {
		case strings.Contains(l, "1.54 s") && !strings.Contains(l, "of the time") && !strings.Contains(l, "3m40s"):
			found |= 1
		case strings.Contains(l, "3m40s") && strings.Contains(l, "77 % of the time"):
			found |= 2
		}
	}
	if found != 3 {
		t.Errorf("%q", lines)
	}
}
