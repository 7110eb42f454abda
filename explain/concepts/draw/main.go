// Draw prints sentences of kwhy drawn at random, to be checked against the kernel's
// source by somebody who wrote none of them:
//
//	go run ./explain/concepts/draw -seed $(git rev-parse HEAD)
//
// It takes them from all that explain says: gists, rules, words and readings, which are
// string literals in Go, and the essays. Which ones depends on nothing but the seed and
// the sentences themselves: the seed of a commit that is yet to come can be chosen by
// nobody, and anybody can draw the same again.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

// errUsage says that package flag has printed what was wrong.
var errUsage = errors.New("usage")

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("draw", flag.ContinueOnError)
	flags.SetOutput(stderr)
	seed := flags.String("seed", "", "what decides which are drawn: the `hash` of the last commit")
	n := flags.Int("n", 60, "how many; 0: all")
	root := flags.String("C", ".", "the `directory` that holds explain")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected %q", flags.Arg(0))
	case *seed == "" && *n != 0:
		return errors.New("-seed is missing: the hash of the last commit")
	}
	all, err := sentences(os.DirFS(*root))
	if err != nil {
		return err
	}
	drawn := all
	if *n > 0 {
		drawn = draw(all, *seed, *n)
	}
	w := bufio.NewWriter(stdout)
	for _, s := range drawn {
		fmt.Fprintln(w, s)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stderr, "%d of %d sentences\n", len(drawn), len(all))
	return err
}

// sentence is what kwhy says somewhere.
type sentence struct {
	file string // from the root, with slashes
	line int    // on which it begins
	text string // with {…} where Go puts something in
}

func (s sentence) String() string { return fmt.Sprintf("%s:%d: %s", s.file, s.line, s.text) }

// draw returns n of them, in their order, none of them twice: those for which the digest
// of seed, file and text is smallest. What stands on which line does not matter.
func draw(all []sentence, seed string, n int) []sentence {
	digests := make([][sha256.Size]byte, len(all))
	order := make([]int, len(all))
	for i, s := range all {
		digests[i], order[i] = sha256.Sum256([]byte(seed+"\x00"+s.file+"\x00"+s.text)), i
	}
	slices.SortStableFunc(order, func(a, b int) int { return bytes.Compare(digests[a][:], digests[b][:]) })
	order = slices.CompactFunc(order, func(a, b int) bool { return digests[a] == digests[b] })
	order = order[:min(n, len(order))]
	slices.Sort(order)
	var out []sentence
	for _, i := range order {
		out = append(out, all[i])
	}
	return out
}
