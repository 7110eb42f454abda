package main

import (
	"fmt"
	"os/exec"
	"slices"
	"time"
)

// result is what a job came to.
type result struct {
	ratio      float64 // median of the rounds' ratios; 0 without a peer
	ours, peer cost
}

// cost is the median wall time and the largest peak RSS of a command.
type cost struct{ ms, mib float64 }

// measure runs a job, its two commands in turn.
func (o options) measure(kwhy string, j job) (result, error) {
	ours, peer := append([]string{kwhy}, j.kwhy...), j.peer
	if peer != nil {
		path, err := exec.LookPath(peer[0])
		if err != nil {
			return result{}, fmt.Errorf("no %s here", peer[0])
		}
		peer = append([]string{path}, peer[1:]...)
	}
	end, err := j.company(ours, peer)
	if err != nil {
		return result{}, err
	}
	defer end()
	if j.crowd > 0 || j.files || j.socks > 0 {
		o.rounds = min(o.rounds, crowdRounds)
	}
	var a, b []sample
	var ratios []float64
	for round := range o.warm + o.rounds {
		x, err := once(ours)
		if err != nil {
			return result{}, err
		}
		var y sample
		if peer != nil {
			if y, err = once(peer); err != nil {
				return result{}, err
			}
		}
		if o.slow {
			time.Sleep(max(3*(x.wall+y.wall), 50*time.Millisecond))
		}
		if round < o.warm {
			continue
		}
		a = append(a, x)
		if peer != nil {
			b, ratios = append(b, y), append(ratios, float64(x.wall)/float64(y.wall))
		}
	}
	return result{median(ratios), sum(a), sum(b)}, nil
}

// crowdRounds is how often a job with a crowd is measured at most: each round
// takes about a second.
const crowdRounds = 11

func sum(list []sample) (c cost) {
	walls := make([]float64, len(list))
	for i, s := range list {
		walls[i] = s.wall.Seconds() * 1e3
		c.mib = max(c.mib, float64(s.kib)/1024)
	}
	c.ms = median(walls)
	return c
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}

func known(n float64, format string) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf(format, n)
}
