package concepts_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"kwhy/explain/concepts"
)

func TestEssays(t *testing.T) {
	headings := []string{"What it is", "How the kernel does it", "How to read it", "What moves it", "By hand", "What changed"}
	named := map[string]bool{}
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if n := utf8.RuneCountInString(e.Gist); n == 0 || n > 80 || !strings.HasSuffix(e.Gist, ".") {
			t.Errorf("%s: its gist has %d columns: %q", name, n, e.Gist)
		}
		if e.Title == "" || e.Chapter == "" || len(e.Source) == 0 || len(e.See) == 0 {
			t.Errorf("%s lacks metadata: %+v", name, e)
		}
		for _, s := range e.See {
			named[s] = true
			if !slices.Contains(concepts.Names(), s) || s == name {
				t.Errorf("%s: see %q leads nowhere", name, s)
			}
		}
		var got []string
		fenced := false
		for line := range strings.Lines(e.Body) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
			}
			if h, ok := strings.CutPrefix(line, "## "); ok && !fenced {
				got = append(got, h)
			}
			if n := utf8.RuneCountInString(line); n > 78 {
				t.Errorf("%s: a line of %d columns: %s", name, n, line)
			}
			if !fenced &&
				(strings.Contains(line, "**") || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "|") || strings.Contains(line, "](")) {
				t.Errorf("%s: Markdown that kwhy does not print: %s", name, line)
			}
		}
		if fenced || !slices.Equal(got, headings) {
			t.Errorf("%s: its sections are %q", name, got)
		}
	}
	for _, name := range concepts.Names() {
		if !named[name] {
			t.Errorf("no other essay names %s", name)
		}
	}
}

// The book has its chapters, and no others.
func TestChapters(t *testing.T) {
	in := map[string]string{}
	for _, c := range concepts.Chapters() {
		for _, name := range c.Essays {
			if in[name] != "" {
				t.Errorf("%s is twice in the book", name)
			}
			in[name] = c.Name
		}
	}
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		if in[name] != e.Chapter {
			t.Errorf("%s says chapter %q, and the book has it in %q", name, e.Chapter, in[name])
		}
		delete(in, name)
	}
	for name := range in {
		t.Errorf("%s is in the book, and there is no such essay", name)
	}
}

// What is to be typed is a command to its end: what a line says besides is a comment
// of the shell. Those that only read run here.
func TestByHand(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	aside := regexp.MustCompile(`\S {3,}[^#\s]`)
	reads := regexp.MustCompile(
		`^(?:(?:cat|grep|awk|ls|wc|head|tail|sort|uniq|cut|readlink|ps|free|df|sed) [^;&<>]*?(?:\| *)?)+(?: 2>/dev/null[^;&<>]*)?$`,
	)
	complaint := regexp.MustCompile(`(?i)syntax error|invalid option|unrecognized option|unknown option|usage:`)
	ran := 0
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range byHand(e.Body) {
			if aside.MatchString(command) {
				t.Errorf("%s: not a comment: %s", name, command)
			}
			if out, err := exec.Command(shell, "-n", "-c", command).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %s", name, command, out)
			}
			plain, _, _ := strings.Cut(command, " #")
			if plain = strings.TrimSpace(strings.NewReplacer("PPID", "1", "PID", strconv.Itoa(os.Getpid())).Replace(plain)); !reads.MatchString(
				plain,
			) {
				continue
			}
			ran++
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			out, _ := exec.CommandContext(ctx, shell, "-c", plain).CombinedOutput() // a file may be missing here, or nothing be found
			if cancel(); complaint.Match(out[:min(len(out), 2000)]) && !strings.Contains(plain, "dmesg") {
				t.Errorf("%s: %s: %s", name, plain, out)
			}
		}
	}
	if ran < 80 {
		t.Errorf("%d commands that only read", ran)
	}
}

// Nothing that an essay gives to be typed changes a device, or all of the host's settings at
// once: people paste such lines on a host in trouble.
func TestByHandChangesNoDevice(t *testing.T) {
	changes := regexp.MustCompile(`>+ *"?/(?:sys|dev)/(?:block|bus|class|devices|firmware|module|power|sd|nvme|vd|mem)|` +
		`\btee +(?:-a +)?/sys/|` +
		`\bblockdev +--(?:set|flush|reread)|\bhdparm +-[A-Z]|\bnvme +(?:format|set)|\bethtool +(?:-[ACEFGKLNPUWX]|--set|--change)|` +
		`\bip +(?:-\S+ +)*link +(?:set|add|del)|\btc +\S+ +(?:add|del|change|replace)|\bmkfs|\bdd +.*of=/dev|` +
		`\bsysctl +(?:--system|-p)(?: *$| +#| +[^-])|\bmodprobe\b|\brmmod\b|\bdebugfs +-w|\bwipefs`)
	for command, want := range map[string]bool{
		"echo 1 > /sys/block/sda/queue/rotational  # root": true, "echo 1 | tee /sys/power/state": true, "ethtool -C eth0 rx-usecs 0": true,
		"blockdev --setra 1024 /dev/sda": true, "sysctl --system       # apply": true, "cat /sys/block/sda/queue/rotational": false,
		"ls /x 2>/dev/null": false, "setsid -f COMMAND </dev/null >log": false, "ethtool -S eth0": false, "sysctl --system --dry-run": false,
		"ip -s -s link": false, "blockdev --getra /dev/sda": false,
	} {
		if changes.MatchString(command) != want {
			t.Errorf("%s: %v", command, !want)
		}
	}
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range byHand(e.Body) {
			if found := changes.FindString(command); found != "" {
				t.Errorf("%s: %q changes a device: %s", name, found, command)
			}
		}
	}
}

// byHand are the commands of an essay, those of several lines whole.
func byHand(body string) (out []string) {
	_, section, _ := strings.Cut(body, "\n## By hand\n")
	section, _, _ = strings.Cut(section, "\n## ")
	fenced, open := false, ""
	for line := range strings.Lines(section) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced && (strings.HasSuffix(line, "|") || strings.HasSuffix(line, "\\") || strings.Count(open+line, "'")%2 == 1 ||
			strings.HasPrefix(line, "for ")):
			open += line + "\n"
		case fenced && strings.HasPrefix(line, " "), fenced && open != "" && !strings.Contains(open, "done"):
			open += line
			out, open = append(out, open), ""
		case fenced:
			out = append(out, open+line)
			open = ""
		}
	}
	return out
}

// An essay is read in a screen or two.
func TestEssaysAreShort(t *testing.T) {
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(e.Body, "\n"); n < 25 || n > 72 {
			t.Errorf("%s has %d lines", name, n)
		}
	}
}

// Each change says in which version.
func TestChangesHaveVersions(t *testing.T) {
	version := regexp.MustCompile(`\b[2-9]\.\d+`)
	for _, name := range concepts.Names() {
		e, err := concepts.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		_, changed, _ := strings.Cut(e.Body, "\n## What changed\n")
		items := strings.Split("\n"+changed, "\n- ")[1:]
		if len(items) == 0 {
			t.Errorf("%s names no change", name)
		}
		for _, item := range items {
			if !version.MatchString(item) && !strings.Contains(item, "since before 4.4") {
				t.Errorf("%s: no version: %s", name, item)
			}
		}
	}
}
