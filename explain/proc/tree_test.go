package proc_test

import (
	"slices"
	"testing"

	"kwhy/explain/proc"
	procfacts "kwhy/inspect/proc"
)

func TestAsTree(t *testing.T) {
	// 1 has 5 and 3, 3 has 9; 7's parent is not shown; 8 and 6 are each other's
	// parent, as two reads of a moving host can have it.
	ps := &procfacts.Processes{
		Rows: []procfacts.Process{
			{PID: 1},
			{PID: 3, PPID: 1},
			{PID: 5, PPID: 1},
			{PID: 6, PPID: 8},
			{PID: 7, PPID: 4},
			{PID: 8, PPID: 6},
			{PID: 9, PPID: 3},
		},
	}
	var pids, depths []int32
	for _, i := range proc.AsTree(ps, []int32{6, 5, 4, 3, 2, 1, 0}) {
		pids, depths = append(pids, ps.Rows[i].PID), append(depths, ps.Rows[i].Depth)
	}
	if !slices.Equal(pids, []int32{1, 3, 9, 5, 7, 8, 6}) || !slices.Equal(depths, []int32{0, 1, 2, 1, 0, 0, 0}) {
		t.Errorf("%v at depths %v", pids, depths)
	}
}
