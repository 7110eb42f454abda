package docs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kwhy/inspect/inspecttest"
)

// A page of docs/ is read by people and by these tests. Its fenced blocks of shell run on
// a recorded host, and comments, which a browser does not show, say how:
//
//	<!-- host: NAME -->        from here on, kwhy reads this recorded host
//	<!-- file: PATH -->        a file of the repository that the commands find in their directory
//
// and, above a block, of that block alone:
//
//	<!-- not run: REASON -->   the test leaves it alone
//	<!-- exits: N -->          it ends with this status, instead of 0
//	<!-- nulls: REASON -->     null is what it is to print
//	<!-- output: LINES -->     the block is what the last command printed: all of it, or
//	                           from each line that begins so (parted by ;) to the next empty
//	                           one, or N lines of it (PREFIX /N) with those that go on with them.
//	                           make golden rewrites it.

// fence is a fenced block of a page, and what the comments above it say.
type fence struct {
	lang, host string
	notes      map[string]string
	from, to   int // its lines, without the fences
}

// page is one page of docs/.
type page struct {
	path   string
	lines  []string
	fences []fence
	files  []string
}

// note is a comment that speaks to the tests.
var note = regexp.MustCompile(`^<!-- ([a-z ]+):? ?(.*?) ?-->$`)

// pages reads those of docs/ that people wrote; the others are generated.
func pages(t *testing.T) (out []page) {
	t.Helper()
	var paths []string
	for _, glob := range []string{"../README.md", "*.md", "runbooks/*.md"} {
		found, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, parsePage(t, path, string(b)))
	}
	return out
}

func parsePage(t *testing.T, path, text string) page {
	t.Helper()
	p := page{path: path, lines: strings.Split(text, "\n")}
	notes, host := map[string]string{}, ""
	open := -1
	for i, line := range p.lines {
		switch m := note.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "```") && open < 0:
			open = i
		case line == "```":
			p.fences = append(p.fences, fence{strings.TrimPrefix(p.lines[open], "```"), host, notes, open + 1, i})
			notes, open = map[string]string{}, -1
		case open >= 0 || m == nil:
		case m[1] == "host":
			host = m[2]
		case m[1] == "file":
			p.files = append(p.files, m[2])
		default:
			notes[m[1]] = m[2]
		}
	}
	if open >= 0 {
		t.Fatalf("%s:%d: this block has no end", path, open+1)
	}
	return p
}

func (p *page) text(f fence) string { return strings.Join(p.lines[f.from:f.to], "\n") + "\n" }

// TestPages runs the commands of every page, and compares what they print.
func TestPages(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs every command of the documentation, which TestScript runs too")
	}
	for _, p := range pages(t) {
		t.Run(strings.TrimSuffix(filepath.Base(p.path), ".md"), func(t *testing.T) {
			t.Parallel()
			runPage(t, &p)
		})
	}
}

func runPage(t *testing.T, p *page) {
	dir := t.TempDir()
	for _, name := range p.files {
		b, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var last *string // what the last command printed; nil: it was left alone
	texts := map[int]string{}
	for i, f := range p.fences {
		_, isOutput := f.notes["output"]
		_, notRun := f.notes["not run"]
		switch {
		case f.lang == "sh" && notRun:
			last = nil
		case f.lang == "sh":
			t.Run(fmt.Sprintf("line %d", f.from), func(t *testing.T) { last = nil; last = runFence(t, p, f, dir) })
		case isOutput && last != nil:
			want, err := excerpt(*last, f.notes["output"])
			if err != nil {
				t.Errorf("%s:%d: %v in\n%s", p.path, f.from, err, *last)
				continue
			}
			texts[i] = want
			if got := p.text(f); got != want && !update() {
				t.Errorf("%s:%d is not what the command prints: run make golden\n got %s\nwant %s", p.path, f.from, got, want)
			}
		}
	}
	if update() && len(texts) > 0 {
		rewrite(t, p, texts)
	}
}

// rewrite puts the texts into the page's blocks.
func rewrite(t *testing.T, p *page, texts map[int]string) {
	lines := slices.Clone(p.lines)
	for i := len(p.fences) - 1; i >= 0; i-- {
		if text, ok := texts[i]; ok {
			f := p.fences[i]
			lines = slices.Replace(lines, f.from, f.to, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
		}
	}
	if err := os.WriteFile(p.path, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tool is a program that a block of shell may want and that kwhy does not bring.
var tool = regexp.MustCompile(`(?m)(?:^|[|;(]\s*|\$\()\s*(jq|sqlite3|column)\b`)

// runFence runs a block of shell and returns what it printed.
func runFence(t *testing.T, p *page, f fence, dir string) *string {
	for _, m := range tool.FindAllStringSubmatch(p.text(f), -1) {
		if _, err := exec.LookPath(m[1]); err != nil {
			t.Skipf("%s is not installed", m[1])
		}
	}
	root := hostRoot(t, dir, f.host)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", p.text(f))
	c.Dir = dir
	c.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C",
		"KWHY_PROC_ROOT=" + filepath.Join(root, "proc"), "KWHY_SYS_ROOT=" + filepath.Join(root, "sys"),
	}
	var out, stderr bytes.Buffer
	c.Stdout, c.Stderr = &out, &stderr
	err := c.Run()
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	want, _ := strconv.Atoi(f.notes["exits"])
	text := strings.ReplaceAll(out.String(), root, "")
	if status != want || strings.TrimSpace(text) == "" {
		t.Fatalf("%s:%d ended with %d, want %d, and printed %q\n%s", p.path, f.from, status, want, text, stderr.String())
	}
	if _, ok := f.notes["nulls"]; !ok && strings.Contains(p.text(f), "jq ") {
		noNulls(t, text)
	}
	return &text
}

// hostRoot unpacks a recorded host, once a page.
func hostRoot(t *testing.T, dir, name string) string {
	if name == "" {
		t.Fatal("no <!-- host: NAME --> above this block")
	}
	root := filepath.Join(dir, ".hosts", name)
	if _, err := os.Stat(root); err == nil {
		return root
	}
	b, err := os.ReadFile(filepath.Join("../inspect/testdata/hosts", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := inspecttest.Unpack(root, b); err != nil {
		t.Fatal(err)
	}
	return root
}

// bareNull is what a key that is misspelt prints: null, or, in @tsv, nothing.
var bareNull = regexp.MustCompile(`(?m)\bnull\b|^\t|\t\t|\t$|^$`)

func noNulls(t *testing.T, out string) {
	if m := bareNull.FindStringIndex(strings.TrimSuffix(out, "\n")); m != nil {
		t.Errorf("null, or an empty field: is a key misspelt?\n%s", out)
	}
}

// goesOn reports whether a line only goes on with what the one before it began: it is far to
// the right, and has no columns.
func goesOn(line string) bool {
	return strings.HasPrefix(line, "    ") && !strings.Contains(strings.TrimSpace(line), "  ")
}

// excerpt takes from out what the note of an output block asks for.
func excerpt(out, wanted string) (string, error) {
	if wanted == "" {
		return out, nil
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	var b strings.Builder
	end := 0
	for i, want := range strings.Split(wanted, ";") {
		prefix, n := strings.TrimSpace(want), len(lines)
		if before, after, ok := strings.Cut(prefix, " /"); ok {
			var err error
			if n, err = strconv.Atoi(after); err != nil {
				return "", err
			}
			prefix = before
		}
		at := slices.IndexFunc(lines[end:], func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), prefix) })
		if at < 0 {
			return "", fmt.Errorf("no line begins with %q after line %d", prefix, end)
		}
		if i > 0 && slices.ContainsFunc(lines[end:end+at], func(l string) bool { return l != "" }) {
			b.WriteString("...\n")
		} else if i > 0 {
			b.WriteString(strings.Repeat("\n", at))
		}
		for end += at; end < len(lines) && lines[end] != "" && (n > 0 || goesOn(lines[end])); end++ {
			if b.WriteString(lines[end] + "\n"); !goesOn(lines[end]) {
				n--
			}
		}
	}
	return b.String(), nil
}
