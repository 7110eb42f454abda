package units_test

import (
	"testing"

	"kwhy/explain/units"
	"kwhy/inspect"
)

// What is said of a set says of which part of it.
func TestNoneOfWhatWasSeen(t *testing.T) {
	for want, s := range map[string]inspect.Seen{
		"none in D": {Each: "process", Seen: 125, All: 125},
		"none in D among the 7 processes that could be seen; 118 denied": {
			Each: "process", Seen: 7, All: 125, Reason: inspect.Denied,
		},
		"none in D among the 1 process that could be seen; this /proc hides those of others": {
			Each: "process", Seen: 1, All: 1, Open: true, Reason: inspect.Hidden,
		},
		"none in D among the 3 processes that could be seen; 1 denied; this /proc hides those of others": {
			Each: "process", Seen: 3, All: 4, Open: true, Reason: inspect.Denied,
		},
		"of none of the 3 processes could it be seen: not in this copy; the copy has not all of them": {
			Each: "process", All: 3, Open: true, Source: inspect.PIDFd, Reason: inspect.NotSaved,
		},
		"of none of the 3 threads could it be seen: denied": {Each: "thread", All: 3, Source: inspect.PIDWchan, Reason: inspect.Denied},
		"no process could be seen: denied":                  {Each: "process", All: 3, Source: inspect.PIDStat, Reason: inspect.Denied},
		"no process could be seen: not in this copy":        {Each: "process", All: 3, Reason: inspect.NotSaved},
		"no process could be seen; there may be more":       {Each: "process", Open: true, Reason: inspect.NotSaved},
	} {
		if got := units.NoneOf("none in D", s); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
	for want, s := range map[string]inspect.Seen{
		"":                                  {Each: "cgroup", Seen: 4, All: 4},
		"of 7 of 125 processes; 118 denied": {Each: "process", Seen: 7, All: 125, Reason: inspect.Denied},
	} {
		if got := units.Among(s); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
}

// Members that have no such thing are not of the set.
func TestSeenByCountsThoseThatCanHaveIt(t *testing.T) {
	why := []inspect.Reason{inspect.Present, inspect.Inapplicable, inspect.Denied, inspect.Denied, inspect.TimedOut}
	s := inspect.SeenBy("process", inspect.PIDFd, len(why), func(i int) inspect.Reason { return why[i] })
	if s.Seen != 1 || s.All != 4 || s.Reason != inspect.Denied || s.Whole() || s.Nothing() || s.Missed() != 3 {
		t.Errorf("%+v", s)
	}
	in := s.Within(inspect.Seen{Each: "process", Seen: 4, All: 4, Open: true, Reason: inspect.Hidden})
	if !in.Open || in.Reason != inspect.Denied {
		t.Errorf("within a set that is hidden: %+v", in)
	}
	if none := inspect.SeenBy("process", inspect.PIDFd, 0, nil); !none.Whole() || none.Nothing() {
		t.Errorf("of none: %+v", none)
	}
}

// A copy that has not all processes, and of one not its file: nobody hides any of them.
func TestWordsOfACopyInPart(t *testing.T) {
	part := inspect.Seen{Each: "process", Seen: 13, All: 13, Open: true, Reason: inspect.NotSaved}
	if got := units.NoneOf("none", part); got != "none among the 13 processes that could be seen; the copy has not all of them" {
		t.Error(got)
	}
	part.Source, part.Beyond = inspect.Loadavg, inspect.Untold
	if got := units.NoneOf("none", part); got != "none among the 13 processes that could be seen; the copy may not have all of them" {
		t.Error(got)
	}
	part.Source, part.Beyond = inspect.PIDStat, inspect.Present
	part.Seen, part.Reason = 12, inspect.Malformed
	if got := units.Among(part); got != "of 12 of 13 processes; 1 malformed; there may be more" {
		t.Error(got)
	}
}
