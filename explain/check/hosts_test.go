package check_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kwhy/explain"
	"kwhy/explain/check"
	"kwhy/explain/lower"
	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

// tree is a recorded host that is edited, and put back as it was.
type tree struct {
	dir   string
	saved map[string][]byte // nil: it was not there
}

// put writes a file of the tree.
func (h *tree) put(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(h.dir, name)
	if _, ok := h.saved[name]; !ok {
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		h.saved[name] = b
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// get reads a file of the tree.
func (h *tree) get(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// restore undoes what put did.
func (h *tree) restore(t *testing.T) {
	t.Helper()
	for name, b := range h.saved {
		path := filepath.Join(h.dir, name)
		var err error
		if b == nil {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range h.saved { // a process that was made up leaves a directory
		if dir, _, ok := strings.Cut(strings.TrimPrefix(name, "proc/"), "/"); ok && strings.HasPrefix(dir, "9") {
			_ = os.RemoveAll(filepath.Join(h.dir, "proc", dir))
		}
	}
	clear(h.saved)
}

// pair is a recorded host at two moments. They are the same until they are edited.
type pair struct {
	t        *testing.T
	was, now *tree
	facts    []func(now, was *check.Facts)
	without  string // a rule that is switched off, so that another is heard
}

// edit changes what is seen of a host: its files, or what was taken from them.
type edit func(p *pair)

type edits []edit

// hosts unpacks each recorded host once.
type hosts struct{ dir map[string]*pair }

func (all *hosts) of(t *testing.T, name string) *pair {
	t.Helper()
	if p, ok := all.dir[name]; ok {
		p.t = t
		return p
	}
	b, err := os.ReadFile("../../inspect/testdata/hosts/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t}
	for _, h := range []**tree{&p.was, &p.now} {
		dir, err := os.MkdirTemp(all.root(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := inspecttest.Unpack(dir, b); err != nil {
			t.Fatal(err)
		}
		*h = &tree{dir, map[string][]byte{}}
	}
	all.dir[name] = p
	return p
}

func (all *hosts) root() string { return filepath.Join(all.dir[""].now.dir) }

func newHosts(t *testing.T) *hosts {
	return &hosts{map[string]*pair{"": {now: &tree{dir: t.TempDir()}}}}
}

// apply edits a pair and returns what undoes that.
func (p *pair) apply(list edits) (undo func()) {
	for _, e := range list {
		e(p)
	}
	return func() { p.was.restore(p.t); p.now.restore(p.t); p.facts, p.without = nil, "" }
}

// moment is when the first sample is taken.
func moment() time.Time { return time.Date(2026, 11, 23, 20, 46, 1, 0, time.UTC) }

// judged is what `kwhy check` says of a pair: of both samples, or of the second alone.
type judged struct {
	lower.Report
	outcome map[string]string // by rule
}

// judge takes two samples over apart, or one where over is 0, and judges them.
func (p *pair) judge(over time.Duration, limits explain.Limits) judged {
	p.t.Helper()
	var was *check.Facts
	if over > 0 {
		was = p.take(p.was, moment(), nil)
	}
	now := p.take(p.now, moment().Add(over), was)
	for _, change := range p.facts {
		change(now, was)
	}
	if p.without != "" {
		limits = maps.Clone(limits)
		if limits == nil {
			limits = explain.Limits{}
		}
		limits[p.without] = explain.At{}
	}
	rep, _ := check.Judge(now, limits)
	j := judged{rep, map[string]string{}}
	g := rep.Grid("checks")
	for row := range g.Rows {
		cell := map[string]string{}
		for i, d := range g.Docs {
			cell[d.Key] = row.Values[i].Text()
		}
		j.outcome[cell["id"]] = cell["outcome"]
	}
	return j
}

func (p *pair) take(h *tree, at time.Time, was *check.Facts) *check.Facts {
	p.t.Helper()
	host, err := inspect.Open(h.dir+"/proc", h.dir+"/sys", func() time.Time { return at })
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = host.Close() })
	f, err := check.Take(host, nil, was)
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

// found returns what a rule found, the worst first.
func (j *judged) found(id string) *lower.Finding {
	for i := range j.Findings {
		if f := &j.Findings[i]; f.ID == id {
			return f
		}
	}
	return nil
}

// both edits the file of both moments.
func both(name string, change func(text string) string) edit {
	return func(p *pair) {
		p.t.Helper()
		for _, h := range []*tree{p.was, p.now} {
			h.put(p.t, name, change(h.get(p.t, name)))
		}
	}
}

// file writes a file, at both moments.
func file(name, text string) edit {
	return func(p *pair) { p.was.put(p.t, name, text); p.now.put(p.t, name, text) }
}

// becomes writes a file: what it says first, and what then.
func becomes(name, was, now string) edit {
	return func(p *pair) { p.was.put(p.t, name, was); p.now.put(p.t, name, now) }
}

// line sets what a file says behind a name, at both moments.
func line(name, key, value string) edit {
	return both(name, func(text string) string { return setLine(text, key, value) })
}

// grows sets a counter behind a name: what it says first, and what then.
func grows(name, key string, was, now uint64) edit {
	return func(p *pair) {
		p.was.put(p.t, name, setLine(p.was.get(p.t, name), key, fmt.Sprint(was)))
		p.now.put(p.t, name, setLine(p.now.get(p.t, name), key, fmt.Sprint(now)))
	}
}

// setLine replaces the line that begins with key, or adds one.
func setLine(text, key, value string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		if rest, ok := strings.CutPrefix(l, key); ok && strings.TrimLeft(rest, " \t:") != rest {
			lines[i] = key + " " + value + "\n"
			return strings.Join(lines, "")
		}
	}
	return text + key + " " + value + "\n"
}

// instead replaces a text that a file has once, at both moments.
func instead(name, old, new string) edit {
	return func(p *pair) {
		p.t.Helper()
		both(name, func(text string) string {
			if strings.Count(text, old) != 1 {
				p.t.Fatalf("%s has %q %d times", name, old, strings.Count(text, old))
			}
			return strings.Replace(text, old, new, 1)
		})(p)
	}
}

// mib sets a counter of snmp or netstat: what it says first, and what then. They have a
// line of names and one of numbers.
func mib(name, protocol, key string, was, now uint64) edit {
	set := func(t *testing.T, text string, n uint64) string {
		t.Helper()
		lines := strings.Split(text, "\n")
		for i := 0; i+1 < len(lines); i++ {
			names, numbers := strings.Fields(lines[i]), strings.Fields(lines[i+1])
			if len(names) == 0 || names[0] != protocol+":" || len(names) != len(numbers) {
				continue
			}
			for k := range names {
				if names[k] == key {
					numbers[k] = fmt.Sprint(n)
					lines[i+1] = strings.Join(numbers, " ")
					return strings.Join(lines, "\n")
				}
			}
		}
		t.Fatalf("%s has no %s of %s", name, key, protocol)
		return ""
	}
	return func(p *pair) {
		p.t.Helper()
		p.was.put(p.t, name, set(p.t, p.was.get(p.t, name), was))
		p.now.put(p.t, name, set(p.t, p.now.get(p.t, name), now))
	}
}

// stat sets a field of the stat of a process, counted as proc_pid_stat(5) does: what it
// says first, and what then.
func stat(pid, field int, was, now string) edit {
	name := fmt.Sprintf("proc/%d/stat", pid)
	set := func(text, value string) string {
		at := strings.LastIndex(text, ")") + 2
		fields := strings.Fields(text[at:])
		fields[field-3] = value
		return text[:at] + strings.Join(fields, " ") + "\n"
	}
	return func(p *pair) {
		p.was.put(p.t, name, set(p.was.get(p.t, name), was))
		p.now.put(p.t, name, set(p.now.get(p.t, name), now))
	}
}

// facts edits what was taken. was is nil where there is one sample alone.
func facts(change func(now, was *check.Facts)) edit {
	return func(p *pair) { p.facts = append(p.facts, change) }
}

// some puts edits together.
func some(list ...edit) edit {
	return func(p *pair) {
		for _, e := range list {
			e(p)
		}
	}
}
