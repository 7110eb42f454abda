package cmd

import (
	"io"
	"testing"
	"time"
)

// BenchmarkMem is `kwhy mem` without the start of a process.
func BenchmarkMem(b *testing.B) {
	for _, args := range [][]string{{"mem"}, {"mem", "-o", "json"}, {"mem", "--explain", "none"}, {"version"}} {
		b.Run(args[len(args)-1], func(b *testing.B) {
			for b.Loop() {
				a := &App{Out: io.Discard, Err: io.Discard, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: time.Sleep}
				if status := a.Run(args); status != 0 {
					b.Fatal(status)
				}
			}
		})
	}
}
