package proc

import (
	"strings"
	"testing"

	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// What a zombie had it has no more.
func TestOfAZombieWhatItHadLast(t *testing.T) {
	for state, want := range map[byte]bool{'Z': true, 'S': false} {
		d := &procfacts.Detail{Row: on(procfacts.Process{State: state, Threads: 1})}
		for _, f := range spent() {
			if f.Key != "policy" && f.Key != "rt_priority" && f.Key != "nice" {
				continue
			}
			if got := f.Reading(d); strings.HasPrefix(got, "It has ended") != want {
				t.Errorf("%c: %s says %q", state, f.Key, got)
			}
		}
	}
}

// Who does not show its namespaces does not do so to root either: nothing is said of who could see.
func TestNamespacesThatAreNotShown(t *testing.T) {
	other := on(procfacts.Process{PID: 812, Comm: "db"}).P
	for want, n := range map[string]procfacts.Namespace{
		"; no other of the processes that show theirs":              {Blind: true},
		"; no other process":                                        {},
		"; shared with db (812), of the processes that show theirs": {Blind: true, With: 1, Whom: []*procfacts.Process{other}},
		"; shared with db (812)":                                    {With: 1, Whom: []*procfacts.Process{other}},
		"":                                                          {Blind: true, With: inspect.Unset},
	} {
		if got := sharers(&n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Swap is read from a disk too, and no system call asks for it: what came from the cache is a bound.
func TestReadBytesAreOfSwapToo(t *testing.T) {
	for _, f := range inout() {
		if f.Key != "read_bytes" {
			continue
		}
		for asked, want := range map[uint64]string{10 << 10: "read back from swap", 4 << 30: "At least 75 % of what was requested"} {
			d := &procfacts.Detail{IO: inspect.Counters{"rchar": asked, "read_bytes": 1 << 30}}
			if got := f.Reading(d); !strings.Contains(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		}
	}
}
