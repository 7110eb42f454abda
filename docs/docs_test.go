package docs_test

import (
	"bytes"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kwhy/cmd"
	"kwhy/inspect/inspecttest"
)

// TestMain makes kwhy a program in the path, which the commands of pages run: with a clock
// that stands still, as the recorded hosts do.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kwhy": func() {
		a := cmd.System()
		a.Build, a.Now, a.HostConfig = cmd.Build{Version: "v0.0.0-test"}, inspecttest.Now, ""
		os.Exit(a.Run(os.Args[1:]))
	}})
}

// app is kwhy without settings of the machine at hand.
func app(out *bytes.Buffer) *cmd.App {
	return &cmd.App{Out: out, Err: out, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: time.Sleep}
}

// kwhy runs a command line and returns what it prints.
func kwhy(t *testing.T, args ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	if status := app(&out).Run(args); status != 0 {
		t.Fatalf("kwhy %v: status %d\n%s", args, status, out.String())
	}
	return out.Bytes()
}

// update says that what is generated is to be rewritten: make golden, make docs.
func update() bool { return os.Getenv("KWHY_UPDATE") != "" }

// generated compares what is generated with the file that is shipped, which .gitattributes
// has to mark.
func generated(t *testing.T, name string, got []byte) {
	t.Helper()
	if !marked(t, name) {
		t.Errorf(".gitattributes does not mark docs/%s as generated", name)
	}
	golden(t, name, got)
}

// golden does the same with a file that is only partly generated.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if update() {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/%s is not current: run make docs", name)
	}
}

// marked reports whether .gitattributes says of a file that it is generated.
func marked(t *testing.T, name string) bool {
	t.Helper()
	b, err := os.ReadFile("../.gitattributes")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 1 && slices.Contains(f[1:], "linguist-generated") {
			if same, err := path.Match(f[0], "docs/"+name); err == nil && same {
				return true
			}
		}
	}
	return false
}
