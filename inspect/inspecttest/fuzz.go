package inspecttest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"kwhy/inspect"
)

// Seed adds the recorded files of a name, cut down: mutating 20 kB finds
// nothing that 2 kB don't.
func Seed(f *testing.F, match func(string) bool, more ...string) {
	for _, text := range slices.Concat(Texts(f, match), more) {
		f.Add([]byte(text[:min(len(text), 2000)]))
	}
}

// SomeOrMalformed is what every reader owes: either values or inspect.ErrMalformed.
func SomeOrMalformed(t *testing.T, n int, err error) {
	t.Helper()
	if (n == 0) != (err != nil) || err != nil && !errors.Is(err, inspect.ErrMalformed) {
		t.Fatalf("%d values and %v", n, err)
	}
}

// Mutate hands f's input on as a copy and checks that the reader left it alone:
// it works on a lent buffer.
func Mutate(t *testing.T, b []byte, read func([]byte)) {
	t.Helper()
	lent := bytes.Clone(b)
	read(lent)
	if !bytes.Equal(lent, b) {
		t.Fatal("the reader changed what it read")
	}
}

// Mangle does what the kernel's mangle_path does (fs/seq_file.c), for the
// characters that it is asked to here.
func Mangle(s string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`, "#", `\043`).Replace(s)
}
