package oom

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"kwhy/explain/kernel"
	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	oomfacts "kwhy/inspect/oom"
)

// The scale of oom_score is what the scores show, whatever the version: vendors have the newer
// one in older kernels, and a copy may not say its version. Where neither decides it is assumed.
func TestScaleIsDecidedByTheFigures(t *testing.T) {
	for name, c := range map[string]struct {
		shown            kernel.Scale
		more             int
		on               inspect.Kernel
		since59, assumed bool
	}{
		"scores of a vendor's 3.10":      {kernel.ScaleSince59, 0, inspect.KernelOf(inspect.Version{Major: 3, Minor: 10}), true, false},
		"scores against the version":     {kernel.ScaleBefore59, 0, inspect.KernelOf(inspect.Version{Major: 6, Minor: 1}), false, false},
		"the formula of an unknown one":  {kernel.ScaleUnknown, -3, inspect.Kernel{}, false, false},
		"the version alone":              {kernel.ScaleUnknown, 0, inspect.KernelOf(inspect.Version{Major: 3, Minor: 10}), false, false},
		"a bound of the version":         {kernel.ScaleUnknown, 0, inspect.Kernel{Newest: inspect.Version{Major: 5, Minor: 8}}, false, false},
		"nothing":                        {kernel.ScaleUnknown, 0, inspect.Kernel{}, true, true},
		"a bound that does not say much": {kernel.ScaleUnknown, 0, inspect.Kernel{Oldest: inspect.Version{Major: 4, Minor: 20}}, true, true},
	} {
		if since59, assumed := decideScale(c.shown, c.more, c.on); since59 != c.since59 || assumed != c.assumed {
			t.Errorf("%s: %v, assumed %v", name, since59, assumed)
		}
	}
}

// A host whose version is taken away, once with its scores and once with those of the older
// scale: without meminfo no formula can be tried, and the scores alone show it.
func TestScaleOfAHostWithoutAVersion(t *testing.T) {
	for _, old := range []bool{false, true} {
		dir := inspecttest.Recorded(t, "debian-7.3-oom")
		for _, name := range []string{"sys/kernel/osrelease", "version", "meminfo", "vmstat", "pressure/memory", "pressure/cpu", "pressure/io"} {
			if err := os.Remove(filepath.Join(dir, "proc", name)); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		if old {
			scores, err := filepath.Glob(dir + "/proc/[0-9]*/oom_score")
			if err != nil || len(scores) < 5 {
				t.Fatal(scores, err)
			}
			for i, name := range scores {
				if err := os.WriteFile(name, fmt.Appendf(nil, "%d\n", i*7), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		o, _, err := Take(inspecttest.Open(t, dir), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if s := o.Procs.Host.OOM; s.Assumed || s.Since59 == old {
			t.Errorf("old %v: %+v", old, s)
		}
	}
}

// Of processes with one score, which is rounded, the points tell the first. Without the host's
// RAM there are none: then nobody is named, by whatever number it has.
func TestATieIsNoVictim(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-oom")
	same := func(pid string) {
		if err := os.WriteFile(filepath.Join(dir, "proc", pid, "oom_score"), []byte("886\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		change func()
		tied   int
	}{
		{func() {}, 0}, // 130 has 886
		{func() { same("117") }, 0},
		{func() { _ = os.Remove(filepath.Join(dir, "proc/meminfo")) }, 2},
		{func() { same("120") }, 3},
	} {
		c.change()
		o, _, err := Take(inspecttest.Open(t, dir), Options{})
		if err != nil || o.Tied != c.tied || o.First == nil {
			t.Fatalf("%+v: tied %d, %v", o.First, o.Tied, err)
		}
		for _, f := range next() {
			if v := f.Get(o); f.Key == "next_victim_pid" && (v.Has() == (c.tied > 0) || !v.Has() && v.Reason() != inspect.NotSaved) {
				t.Errorf("with %d tied: %v, %v", c.tied, v.Has(), v.Reason())
			}
		}
	}
}

// Without oom_score nothing is compared, and a bad oom_score_adj takes away what needs it alone.
func TestPartsWithoutTheOthers(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-oom")
	dirs, err := filepath.Glob(dir + "/proc/[0-9]*/oom_score_adj")
	if err != nil || len(dirs) == 0 {
		t.Fatal(dirs, err)
	}
	for _, name := range dirs {
		if err := os.WriteFile(name, []byte("banana\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(filepath.Dir(name), "oom_score")); err != nil {
			t.Fatal(err)
		}
	}
	o, order, err := Take(inspecttest.Open(t, dir), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if exact, of, _ := agreement(o); exact != 0 || of != 0 {
		t.Errorf("%d of %d scores are exact, and there are none", exact, of)
	}
	known := 0
	for _, f := range Processes(false).Fields {
		for _, i := range order {
			r := o.Procs.At(int(i))
			if immortal(r) != "" || r.Missing(inspect.PIDStatus) != inspect.Present {
				continue
			}
			switch f.Key {
			case "points_rss", "points_swap", "points_tables":
				if v := f.Get(r); !v.Has() {
					t.Errorf("%s of %d is absent (%v) for lack of its oom_score_adj", f.Key, r.P.PID, v.Reason())
				}
				known++
			case "points", "points_adj", "recomputed":
				if v := f.Get(r); v.Has() {
					t.Errorf("%s of %d is %v without its oom_score_adj", f.Key, r.P.PID, v)
				}
			}
		}
	}
	if known == 0 {
		t.Error("no process has parts")
	}
}

// One of which the score was not seen is first all the same where its points are the most; and where they are not
// known either, nobody is said to be.
func TestAScoreThatWasNotSeen(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-6.12-oom")
	const most = "proc/170/"
	for _, c := range []struct {
		without  string
		unjudged inspect.Reason
	}{{"oom_score", inspect.Present}, {"oom_score_adj", inspect.NotSaved}} {
		if err := os.Remove(filepath.Join(dir, most, c.without)); err != nil {
			t.Fatal(err)
		}
		o, _, err := Take(inspecttest.Open(t, dir), Options{})
		if err != nil || o.First == nil {
			t.Fatal(o, err)
		}
		if o.Unjudged != c.unjudged || c.unjudged == inspect.Present && o.First.PID != 170 {
			t.Errorf("without %s: first is %d, unjudged %v", c.without, o.First.PID, o.Unjudged)
		}
	}
}

// One odd score does not turn the scale that the others show.
func TestOneOddScore(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-oom")
	if err := os.WriteFile(filepath.Join(dir, "proc/119/oom_score"), []byte("69\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, _, err := Take(inspecttest.Open(t, dir), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if exact, of, _ := agreement(o); !o.Procs.Host.OOM.Since59 || exact < 3 || of-exact != 1 {
		t.Errorf("since 5.9: %v; %d of %d exact", o.Procs.Host.OOM.Since59, exact, of)
	}
}

// Who is outside of the cgroup that was asked for is no victim in it, whatever was seen of its score.
func TestAScoreOutsideOfTheCgroup(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-6.12-oom")
	for _, pid := range []string{"170", "156"} { // the largest of the host; and the only one of /app
		if err := os.Remove(filepath.Join(dir, "proc", pid, "oom_score")); err != nil {
			t.Fatal(err)
		}
	}
	h := inspecttest.Open(t, dir)
	groups, _, err := oomfacts.LimitedCgroups(h)
	if err != nil {
		t.Fatal(err)
	}
	for i := range groups {
		g := &groups[i]
		want := map[string]int32{"/batch": 177, "/app": 156, "/app/web": 156}[g.Path]
		s, err := (&HostOptions{Cgroup: g}).take(h, inspect.Sources{}, nil)
		if err != nil || s.First == nil || s.First.PID != want || s.Unjudged != inspect.Present {
			t.Errorf("%s: %v, %v; want %d", g.Path, s.First, err, want)
		}
	}
	if len(groups) != 3 {
		t.Errorf("%d groups", len(groups))
	}
}
