package proc_test

import (
	"strconv"
	"strings"
	"testing"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/proc"
)

// The threads that a tracer holds are found by their own state, whatever the main thread's is.
func TestFindHeld(t *testing.T) {
	dir := t.TempDir()
	for tid, state := range map[int]string{5: "S", 6: "t", 7: "S"} {
		at := dir + "/5/task/" + strconv.Itoa(tid)
		inspecttest.Write(t, at+"/stat", strconv.Itoa(tid)+" (x) "+state+" 1 5 5 0 -1"+strings.Repeat(" 0", 44)+"\n")
		inspecttest.Write(t, at+"/status", "Name:\tx\nTracerPid:\t9\n")
	}
	h := inspecttest.OpenRoots(t, dir, t.TempDir(), inspecttest.AtNoon)
	ps := proc.ScanRows(h, []proc.Process{proc.NewProcess(5), proc.NewProcess(9)}, inspect.Sources{})
	d := &proc.Detail{Row: ps.At(0)}
	d.Row.P.Threads = 3
	if proc.FindHeld(d, h, ps); len(d.Held) != 1 {
		t.Fatalf("%+v", d.Held)
	}
	if t6 := d.Held[0]; t6.PID != 6 || t6.Tracer != 9 {
		t.Errorf("%d, traced by %d", t6.PID, t6.Tracer)
	}
}
