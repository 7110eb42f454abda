package inspect

import "testing"

func TestInList(t *testing.T) {
	for _, c := range []struct {
		list string
		n    int
		want bool
	}{{"", 0, false}, {"0", 0, true}, {"0,2-3", 1, false}, {"0,2-3", 3, true}, {"10-12", 1, false}, {"-", 0, false}, {"a-b", 0, false}} {
		if got := InList(c.list, c.n); got != c.want {
			t.Errorf("%d in %q: %v", c.n, c.list, got)
		}
	}
}
