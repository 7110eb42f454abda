package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"kwhy/explain/kernel"
)

// inverses is sched_prio_to_wmult, 2^32 / weight, by which the kernel divides
// (kernel/sched/core.c): a table of its own besides that of the weights.
var inverses = [40]float64{
	48388, 59856, 76040, 92818, 118348,
	147320, 184698, 229616, 287308, 360437,
	449829, 563644, 704093, 875809, 1099582,
	1376151, 1717300, 2157191, 2708050, 3363326,
	4194304, 5237765, 6557202, 8165337, 10153587,
	12820798, 15790321, 19976592, 24970740, 31350126,
	39045157, 49367440, 61356676, 76695844, 95443717,
	119304647, 148102320, 186737708, 238609294, 286331153,
}

// The rule that the kernel documents besides its table: nice 0 is 1024, and one step
// changes a task's share against an equal by about 10 %, a factor of 1.25.
func TestNiceWeight(t *testing.T) {
	var last int64
	for nice := -20; nice <= 19; nice++ {
		w, ok := kernel.NiceWeight(nice)
		if !ok || w <= 0 {
			t.Fatalf("nice %d weighs %d", nice, w)
		}
		if f := float64(last) / float64(w); last != 0 && (f < 1.19 || f > 1.28) {
			t.Errorf("from nice %d to %d a factor of %.3f", nice-1, nice, f)
		}
		if want := 1024 / math.Pow(1.25, float64(nice)); math.Abs(float64(w)-want)/want > 0.04 {
			t.Errorf("nice %d weighs %d, 1024 / 1.25^nice is %.1f", nice, w, want)
		}
		last = w
	}
	for i, inverse := range inverses {
		if w, _ := kernel.NiceWeight(i - 20); w != int64(math.Round((1<<32)/inverse)) {
			t.Errorf("nice %d weighs %d, and the kernel's inverse is 2^32 / %.1f", i-20, w, (1<<32)/inverse)
		}
	}
	for _, nice := range []int{-21, 20, 100} {
		if w, ok := kernel.NiceWeight(nice); ok {
			t.Errorf("nice %d weighs %d, and there is no such", nice, w)
		}
	}
}

// Documentation/admin-guide/cgroup-v2.rst: cpu.weight 100 is the default, as 1024
// shares are; 1 and 10000 are the ends.
func TestSharesOfWeight(t *testing.T) {
	for weight, want := range map[int64]int64{1: 10, 50: 512, 100: 1024, 200: 2048, 10000: 102400} {
		if got := kernel.SharesOfWeight(weight); got != want {
			t.Errorf("weight %d is %d shares, want %d", weight, got, want)
		}
	}
}

func TestTunableFactor(t *testing.T) {
	for cpus, want := range map[int]int64{0: 1, 1: 1, 2: 2, 3: 2, 4: 3, 7: 3, 8: 4, 9: 4, 512: 4} {
		if got := kernel.TunableFactor(cpus); got != want {
			t.Errorf("%d CPUs: %d, want %d", cpus, got, want)
		}
	}
}

func TestGroupWeight(t *testing.T) {
	for _, c := range []struct{ shares, here, everywhere, want int64 }{
		{1024, 1024, 1024, 1024}, {1024, 1024, 2048, 512}, {1024, 0, 2048, 2}, {1024, 1, 0, 1024}, {2048, 335, 335, 2048},
	} {
		if got := kernel.GroupWeight(c.shares, c.here, c.everywhere); got != c.want {
			t.Errorf("%v: %d", c, got)
		}
	}
}

// With a constant number of tasks the averages go there: after a minute the first
// has come 63 % of the way.
func TestLoadNext(t *testing.T) {
	var load uint64
	for range 12 { // updates in a minute
		load = kernel.LoadNext(load, 0, 10)
	}
	if got := float64(load) / 2048; got < 6.2 || got > 6.5 {
		t.Errorf("after a minute with 10 tasks the load is %.2f, want 10 × (1 − 1/e) or so", got)
	}
	for range 2000 {
		load = kernel.LoadNext(load, 0, 10)
	}
	if load != 10*2048 {
		t.Errorf("in the end it is %d/2048, want 10", load)
	}
}

// Any sequence gives the numbers back that it was made of, and one that no number
// makes gives none.
func TestActiveTasks(t *testing.T) {
	old := [3]uint64{3000, 2500, 1000}
	for range 1000 {
		n := uint64(rand.IntN(4000))
		if rand.IntN(2) == 0 {
			n = uint64(rand.IntN(8))
		}
		var next [3]uint64
		for i := range next {
			next[i] = kernel.LoadNext(old[i], i, n)
		}
		if got, ok := kernel.ActiveTasks(old, next); !ok || got != n {
			t.Fatalf("%v to %v by %d tasks: %d, %v", old, next, n, got, ok)
		}
		if next[1]++; n > 0 {
			if got, ok := kernel.ActiveTasks(old, next); ok {
				t.Fatalf("%v to %v: %d, and no number gives that", old, next, got)
			}
			next[1]--
		}
		old = next
	}
}
