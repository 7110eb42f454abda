package proc

import (
	"testing"
	"time"
)

// Threads that were ready whenever looked at, and whose clocks stood still, did not run.
func TestSampleCountsStarvedThreads(t *testing.T) {
	s := &sampler{tids: map[int32]bool{1: true, 2: true, 3: true}, rested: map[int32]bool{3: true}, out: &Sample{Took: time.Second}}
	was := map[string]clock{"1": {1, 2}, "2": {5, 5}, "3": {7, 7}, "4": {1, 1}}
	s.elapsed(was, map[string]clock{"1": {9, 2}, "2": {5, 5}, "3": {7, 7}, "4": {1, 1}, "5": {0, 0}})
	if s.out.Starved != 1 || s.out.Ran != 8 {
		t.Errorf("%d starved, ran %d: thread 2 alone was ready and stood", s.out.Starved, s.out.Ran)
	}
	s.out.Starved, s.out.Took = 0, tick
	if s.elapsed(was, was); s.out.Starved != 0 {
		t.Errorf("%d within a tick, in which a clock may stand", s.out.Starved)
	}
}
