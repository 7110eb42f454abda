package inspect_test

import (
	"strings"
	"testing"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

// What a counter of pages can be off by is no contradiction, and what is beyond that is one:
// the figures are those of mm/vmstat.c, 125 pages for each CPU and counter.
func TestCountersMayBeOff(t *testing.T) {
	const page = 4096
	for _, c := range []struct {
		name   string
		shmem  uint64
		doubts bool
	}{{"equal", 100 << 20, false}, {"off by what one CPU may keep", 100<<20 + 125*page, false}, {"beyond it", 200 << 20, true}} {
		h := inspecttest.Open(t, inspecttest.Recorded(t, "debian-6.1-eased"))
		h.WeighMeminfo(inspect.Counters{"MemTotal": 4 << 30, "MemFree": 1 << 30, "Cached": 100 << 20, "Shmem": c.shmem})
		if d := h.Doubt(inspect.Meminfo); d.Any() != c.doubts || d.Any() && (d.Part != "Shmem" || d.Is != c.shmem) {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}

// Without what it takes to say so, nothing is in doubt: absent is not zero.
func TestWhatIsAbsentContradictsNothing(t *testing.T) {
	h := inspecttest.Open(t, inspecttest.Recorded(t, "debian-6.1-eased"))
	h.WeighMeminfo(inspect.Counters{"MemTotal": 4 << 30, "Shmem": 1 << 20})
	h.WeighMeminfo(inspect.Counters{"SwapFree": 1 << 20})
	h.WeighStat(1000, 0, inspect.Counters{})
	h.WeighLoadavg(inspect.Unset)
	if list := h.Doubts(); len(list) > 0 {
		t.Errorf("%+v", list)
	}
}

// A counter that stands still is in doubt on a running host, and in a copy all stand still.
func TestOnlyACopyStandsStill(t *testing.T) {
	h := inspecttest.Open(t, inspecttest.Recorded(t, "debian-6.1-eased"))
	h.StoodStill(inspect.ProcStat)
	if d := h.Doubt(inspect.ProcStat); d.Any() {
		t.Errorf("of a copy: %+v", d)
	}
	live, err := inspect.Open("/proc", "/sys", inspecttest.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	live.StoodStill(inspect.ProcStat)
	if d := live.Doubt(inspect.ProcStat); !d.Void() || !strings.Contains(d.Kind.String(), "still") {
		t.Errorf("of a running host: %+v", d)
	}
}

// Figures of a report are rounded, or not all of one moment: those of the lists of pages, on which nothing rests, may
// miss each other by a tenth.
func TestListsOfPagesThatMissEachOther(t *testing.T) {
	for part, doubted := range map[uint64]bool{2020000 << 10: false, 3000000 << 10: true} {
		h := inspecttest.Open(t, inspecttest.Recorded(t, "debian-6.1-eased"))
		h.WeighMeminfo(inspect.Counters{"MemTotal": 16 << 30, "Inactive": 2000000 << 10, "Inactive(anon)": part})
		if got := h.Doubt(inspect.Meminfo).Any(); got != doubted {
			t.Errorf("Inactive(anon) of %d: doubted %v", part, got)
		}
	}
}
