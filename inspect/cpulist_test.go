package inspect_test

import (
	"testing"

	"kwhy/inspect"
)

func TestCountList(t *testing.T) {
	for list, want := range map[string]int{
		"0": 1, "0-1": 2, "0-3,8": 5, "0-3,8-11,64-127": 72, "7": 1, "3-3": 1,
		"": 0, "x": 0, "0-": 0, "-3": 0, "3-1": 0, "0,": 0, "0-3,x": 0, "0 1": 0, "0-1-2": 0,
	} {
		t.Run(list, func(t *testing.T) {
			if got := inspect.CountList(list); got != want {
				t.Errorf("countList(%q) = %d, want %d", list, got, want)
			}
		})
	}
}

func TestCPUListHolds(t *testing.T) {
	for _, c := range []struct {
		all, some string
		want      bool
	}{{"0-3", "0-3", true}, {"0-3", "1,3", true}, {"0,2", "0-1", false}, {"0-7", "0-8", false}, {"", "", true}, {"1", "", true},
		{"", "0", false}, {"0-99999999", "5", true}} {
		if got := inspect.CPUListHolds(c.all, c.some); got != c.want {
			t.Errorf("%q holds %q: %v", c.all, c.some, got)
		}
	}
}

func TestCountListOfGarbage(t *testing.T) {
	if got := inspect.CountList("0-9223372036854775807"); got != 0 {
		t.Errorf("a range without end counts %d CPUs", got)
	}
}
