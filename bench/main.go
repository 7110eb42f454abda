// Bench runs kwhy and its peers as whole processes, in turn, and compares wall
// time and peak memory with the targets that kwhy has set itself:
//
//	go run ./bench
//
// README.md in this directory says how to read the table.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// options are what one can ask for.
type options struct {
	rounds int
	warm   int
	slow   bool
	only   *regexp.Regexp
}

const reminder = "Machines are shared and differ: compare within a row, quote ratios, never milliseconds."

func main() {
	if len(os.Args) > 2 && os.Args[1] == launcher {
		launch(os.Args[2:])
		return
	}
	if len(os.Args) == 3 && os.Args[1] == holder {
		hold(os.Args[2])
		return
	}
	if len(os.Args) == 3 && os.Args[1] == connecter {
		connect(os.Args[2])
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 31, "measured `rounds` of each job; each runs kwhy, then the peer")
	flag.IntVar(&o.warm, "warm", 2, "`rounds` before those, not measured")
	flag.BoolVar(&o.slow, "slow", false, "rest between rounds, so that others on a shared machine get their turn")
	only := flag.String("jobs", "", "only the jobs whose name matches this `regexp`")
	flag.Parse()
	err := errors.New("-rounds must be at least 1")
	if o.rounds > 0 {
		o.only, err = regexp.Compile(*only)
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	dir, err := os.MkdirTemp("", "kwhy-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	kwhy := filepath.Join(dir, "kwhy")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", kwhy, "./cmd/kwhy")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building kwhy: %w\n%s", err, out)
	}

	fmt.Printf("%-24s  %-12s  %-9s  %6s  %17s  %15s  %s\n", "", "", "", "wall", "median ms", "peak RSS, MiB", "")
	fmt.Printf("%-24s  %-12s  %-9s  %6s  %8s %8s  %7s %7s  %s\n", "job", "kwhy", "peer", "ratio", "kwhy", "peer", "kwhy", "peer", "target")
	missed := 0
	for _, j := range jobs() {
		if !o.only.MatchString(j.name) {
			continue
		}
		r, err := o.measure(kwhy, j)
		if err != nil {
			fmt.Printf("%-24s  skipped: %v\n", j.name, err)
			continue
		}
		verdict, ok := j.judge(r)
		if !ok {
			missed++
		}
		fmt.Printf("%-24s  %-12s  %-9s  %6s  %8.2f %8s  %7.1f %7s  %s\n", j.name,
			strings.Join(j.kwhy, " "), cmp.Or(j.shown(), "-"), known(r.ratio, "%.2fx"),
			r.ours.ms, known(r.peer.ms, "%.2f"), r.ours.mib, known(r.peer.mib, "%.1f"), verdict)
	}
	fmt.Printf("\n%d rounds, interleaved. The ratio is the median of the rounds' ratios.\n%s\n", o.rounds, reminder)
	if missed > 0 {
		return fmt.Errorf("targets missed in %d jobs", missed)
	}
	return nil
}
