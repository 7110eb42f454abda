package proc_test

import (
	"testing"

	"kwhy/inspect/proc"
)

func TestParseTaskSched(t *testing.T) {
	s, err := proc.ParseTaskSched(
		[]byte(
			"a : 1.000000 (1, #threads: 1)\n-----\nse.vruntime                                  :       1294416.668720\n" +
				"se.sum_exec_runtime : 0.040836\nse.nr_migrations : 3\nse.load.weight : 1048576\nprio : 120\nse.slice : 1400000\nuclamp.min : 5\n" +
				"effective uclamp.min : 0\neffective uclamp.max : 1024\nnuma_pages_migrated : 3\nnuma_preferred_nid : -1\ntotal_numa_faults : 12\n" +
				"foo : bar\n",
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	want := proc.TaskSched{
		Vruntime:    1294416668720,
		HasVruntime: true,
		Exec:        40836,
		Migrations:  3,
		Weight:      1048576,
		Prio:        120,
		Slice:       1400000,
		UclampMin:   0,
		UclampMax:   1024,
		Util:        -1,
		NumaNode:    -1,
		NumaFaults:  12,
		NumaMoved:   3,
		LastRan:     -1,
	}
	if *s != want {
		t.Errorf("%+v, want %+v", *s, want)
	}
	if s, err := proc.ParseTaskSched([]byte("x (1, #threads: 1)\n---\nse.vruntime : -12.345678\n")); err != nil || s.Vruntime != -12345678 {
		t.Errorf("%+v, %v: a negative one", s, err)
	}
	// A name of 15 bytes can't pass for a line: the kernel's own comes after it.
	if s, err := proc.ParseTaskSched([]byte("a\nprio : 5 (1, #threads: 1)\n---\nprio : 120\n")); err != nil || s.Prio != 120 {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []string{"", "x\n", "x\n---\nfoo : 1\n", "x\nse.vruntime : 1.5\n"} {
		if s, err := proc.ParseTaskSched([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, s)
		}
	}
}

func TestParseAutogroup(t *testing.T) {
	for text, want := range map[string][2]int{"/autogroup-9 nice 0\n": {9, 0}, "/autogroup-123 nice -5\n": {123, -5}, "": {-1, 0}} {
		if id, nice, err := proc.ParseAutogroup([]byte(text)); err != nil || int(id) != want[0] || int(nice) != want[1] {
			t.Errorf("%q: %d, %d, %v", text, id, nice, err)
		}
	}
	for _, bad := range []string{"/autogroup- nice 0", "/autogroup-1", "x", "/autogroup-1 nice x"} {
		if id, _, err := proc.ParseAutogroup([]byte(bad)); err == nil {
			t.Errorf("%q: %d", bad, id)
		}
	}
}
