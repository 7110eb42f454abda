package check_test

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"kwhy/explain/check"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
)

// Who goes from report to report keeps the facts of two of them and no older ones: the
// garbage collector finds these.
func TestAloneKeepsNoneBefore(t *testing.T) {
	h, err := inspect.Open("/proc", "/sys", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	was, err := check.Take(h, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := weak.Make(was.Processes())
	firstNet := weak.Make(of[*netfacts.Snapshot](was))
	now, err := check.Take(h, nil, was)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GC(); first.Value() == nil || firstNet.Value() == nil {
		t.Fatal("what the facts were paired with is gone before they are alone")
	}
	kept := now.Alone()
	if runtime.GC(); first.Value() != nil || firstNet.Value() != nil {
		t.Error("the facts keep those before them")
	}
	runtime.KeepAlive(kept)
}

// of returns the snapshot of one domain.
func of[S any](f *check.Facts) S {
	for _, s := range f.Snapshots() {
		if s, ok := s.(S); ok {
			return s
		}
	}
	panic("no such domain")
}
