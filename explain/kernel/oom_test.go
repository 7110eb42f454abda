package kernel_test

import (
	"testing"

	"kwhy/explain/kernel"
)

// Scores that a kernel printed for a process of known parts, RSS and page tables,
// as its adjustment was set.
func TestScore(t *testing.T) {
	const total = 6171021 // pages of the machine they were seen on
	for _, c := range []struct{ rss, adj, score int64 }{
		{45 + 9, 0, 666}, {71 + 9, 1000, 1333}, {117 + 10, 500, 1000}, {244 + 10, 100, 733}, {357 + 12, 300, 866},
	} {
		if got := kernel.Score(kernel.Badness(c.rss, 0, 0, c.adj, total), total); got != c.score {
			t.Errorf("rss %d, adj %d: %d, want %d", c.rss, c.adj, got, c.score)
		}
	}
	for _, c := range []struct{ rss, adj, score int64 }{
		{0, 0, 0},
		{6171, 0, 0},
		{6172, 0, 1},
		{0, 1000, 999},
		{3085511, 0, 500},
		{100, -500, 0},
	} {
		if got := kernel.ScoreBefore59(kernel.Badness(c.rss, 0, 0, c.adj, total), total); got != c.score {
			t.Errorf("before 5.9, rss %d, adj %d: %d, want %d", c.rss, c.adj, got, c.score)
		}
	}
	// Before 5.9 the minimum was 1, except for -1000: two of these were tied.
	for _, c := range []struct{ rss, adj, want, since int64 }{
		{100, -500, 1, 100 - 500*6171},
		{90000, -1, 90000 - 6171, 90000 - 6171},
		{6171, -1, 1, 0},
		{0, 0, 1, 0},
	} {
		if was, is := kernel.BadnessBefore59(c.rss, 0, 0, c.adj, total), kernel.Badness(c.rss, 0, 0, c.adj,
			total); was != c.want || is != c.since {
			t.Errorf("rss %d, adj %d: %d before 5.9 and %d since, want %d and %d", c.rss, c.adj, was, is, c.want, c.since)
		}
	}
	if kernel.Score(5, 0) != 0 || kernel.ScoreBefore59(5, 0) != 0 {
		t.Error("nothing in all, and a score")
	}
}

func TestMemcgTotal(t *testing.T) {
	for _, c := range []struct{ limit, swapMax, totalSwap, swappiness, want int64 }{
		{16384, 0, 0, 60, 16384}, {16384, 1 << 50, 1000, 60, 17384}, {16384, 500, 1000, 60, 16884}, {16384, 500, 1000, 0, 16384},
		{0, 0, 0, 60, 1},
	} {
		if got := kernel.MemcgTotal(c.limit, c.swapMax, c.totalSwap, c.swappiness); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// What a score shows by itself, for hosts of 64 MiB to 1 TiB: the scale that made it is never
// taken for the other one.
func TestScaleOfOneScore(t *testing.T) {
	for _, total := range []int64{16999, 149873, 6171 * 1000, 268435456} {
		for _, adj := range []int64{-999, -500, -1, 0, 1, 300, 500, 999, 1000} {
			for share := int64(0); share <= 100; share += 5 {
				rss := total * share / 100
				since := kernel.Score(kernel.Badness(rss, 0, 0, adj, total), total)
				before := kernel.ScoreBefore59(kernel.BadnessBefore59(rss, 0, 0, adj, total), total)
				if kernel.ScaleOf(since, adj) == kernel.ScaleBefore59 || kernel.ScaleOf(before, adj) == kernel.ScaleSince59 {
					t.Errorf("total %d, adj %d, %d %%: %d since 5.9, %d before", total, adj, share, since, before)
				}
				if share == 0 && since > 0 && !kernel.AtFloor(since, adj) || share == 0 && adj <= 0 && kernel.AtFloor(before, adj) {
					t.Errorf("total %d, adj %d: %d and %d without memory", total, adj, since, before)
				}
			}
		}
	}
	for _, c := range []struct {
		score, adj int64
		want       kernel.Scale
	}{
		{666, 0, kernel.ScaleUnknown}, {1334, 200, kernel.ScaleSince59}, {1001, 0, kernel.ScaleSince59},
		{3, 0, kernel.ScaleBefore59}, {0, 0, kernel.ScaleUnknown}, {907, 0, kernel.ScaleUnknown},
	} {
		if got := kernel.ScaleOf(c.score, c.adj); got != c.want {
			t.Errorf("%d with %d: %d, want %d", c.score, c.adj, got, c.want)
		}
	}
}
