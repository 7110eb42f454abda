package output_test

import (
	"bytes"
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/output"
)

// table prints rows of texts at a width.
func table(t *testing.T, width int, named bool, keys []string, rows ...[]string) []string {
	t.Helper()
	g := lower.Grid{Name: "t", Shown: len(rows), Total: len(rows), Named: named}
	for _, k := range keys {
		g.Docs = append(g.Docs, explain.Doc{Key: k})
	}
	g.Rows = func(yield func(lower.Row) bool) {
		for _, r := range rows {
			row := lower.Row{Values: make([]explain.Value, len(r))}
			for i, s := range r {
				row.Values[i] = explain.S(s)
			}
			if !yield(row) {
				return
			}
		}
	}
	var b bytes.Buffer
	if err := output.NewText(&b, width, output.DetailLine, false).Print(&output.Header{}, &lower.Report{Grids: []lower.Grid{g}}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	for _, l := range lines {
		if n := len([]rune(l)); n > width {
			t.Errorf("%d columns at %d: %s", n, width, l)
		}
	}
	return lines[1:] // the header is about the host
}

// A text is cut only where the terminal ends.
func TestTextsTakeTheRoomThereIs(t *testing.T) {
	path := "/usr/lib/x86_64-linux-gnu/libsystemd.so.0.38.0" // of 46 columns
	for name, c := range map[string]struct {
		width int
		named bool
		keys  []string
		rows  [][]string
		want  []string
	}{
		"with a sentence under it": {60, false, []string{"fd", "target", "why"}, [][]string{{"3", path, "says"}},
			[]string{"  FD  TARGET", "  3   " + path, "    says"}},
		"longer than its column: the sentence begins below": {100, false, []string{"fd", "target", "why"},
			[][]string{{"3", path, "says"}, {"4", "/x", "so"}},
			[]string{"  FD  TARGET                        WHY", "  3   " + path, pad(36) + "says", "  4   /x                            so"}},
		"not the last": {200, false, []string{"target", "fd", "why"}, [][]string{{path, "3", "says"}},
			[]string{"  TARGET                                          FD  WHY", "  " + path + "  3   says"}},
		"asked for by name": {80, true, []string{"target", "fd"}, [][]string{{path, "3"}},
			[]string{"  TARGET                                          FD", "  " + path + "  3"}},
		"to the edge, and gone": {60, false, []string{"fd", "target"}, [][]string{{"3", path + path + " (deleted)"}},
			[]string{"  FD  TARGET", "  3   /usr/lib/x86_64-linux-gnu/libsystemd.so.0.3… (deleted)"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := table(t, c.width, c.named, c.keys, c.rows...); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func pad(n int) string { return strings.Repeat(" ", n) }
