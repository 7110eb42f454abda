package lower_test

import (
	"fmt"
	"slices"
	"testing"

	"kwhy/explain"
	"kwhy/explain/lower"
)

// What several rows say in the same words is said once, with how many more say it.
func TestOnce(t *testing.T) {
	var list []lower.Finding
	for _, m := range []string{"a", "b", "a", "c", "a"} {
		list = append(list, lower.Finding{ID: "net.x", Message: m})
	}
	list[4].More = 3
	list = append(list, lower.Finding{ID: "net.y", Message: "a"})
	var said []string
	for _, f := range lower.Once(list) {
		said = append(said, fmt.Sprint(f.ID, " ", f.Message, " ", f.More))
	}
	if want := []string{"net.x a 5", "net.x b 0", "net.x c 0", "net.y a 0"}; !slices.Equal(said, want) {
		t.Errorf("%q, want %q", said, want)
	}
}

// A finding is left out where the rule that it names has found something as bad, and not
// where that is milder.
func TestBetter(t *testing.T) {
	list := []lower.Finding{
		{ID: "a", Unless: "b", Level: explain.Notice}, {ID: "b", Level: explain.Notice}, {ID: "c", Unless: "d", Level: explain.Notice},
		{ID: "e", Unless: "b", Level: explain.Warning}, {ID: "b", Level: explain.OK},
	}
	var kept []string
	for _, f := range lower.Better(list) {
		kept = append(kept, f.ID)
	}
	if want := []string{"b", "c", "e", "b"}; !slices.Equal(kept, want) {
		t.Errorf("%q, want %q", kept, want)
	}
}
