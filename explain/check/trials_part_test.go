package check_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kwhy/explain/catalog"
	"kwhy/explain/lower"
	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

// bystanders are processes of recorded hosts that no trial has to do with.
func bystanders() map[string]string {
	return map[string]string{sched: "1", files: "22659", killer: "1", idle: "1", lossy: "520"}
}

// whole are rules whose evidence nobody can take away from a saved tree, and why.
func whole() map[string]string {
	return map[string]string{
		"oom.killed_lately":    "the kernel's log is asked for: a copy has none, and then the rule is blind",
		"net.qdisc_drops":      "queues are asked for by netlink: a copy has none, and then the rule is blind",
		"net.filter_drops":     "rules of packet filters are asked for by netlink: a copy has none, and then the rule is blind",
		"net.filter_drops_out": "rules of packet filters are asked for by netlink: a copy has none, and then the rule is blind",
		"fd.deleted_space":     "what deleted files take only a running kernel says: cmd has it live, for a plain user",
	}
}

// added are rules about a sum: of a part it may be below its threshold.
func added() []string { return []string{"fd.inotify_instances_near", "fd.inotify_near"} }

// spared are sources that a rule rests on elsewhere, and not on the host of its first trial.
func spared(id string) (none inspect.Source) {
	switch id {
	case "sched.realtime_unbounded": // until 6.11; here the fair server reserves time
		return inspect.SchedRTRuntime
	case "sched.cpu_pressure", "sched.run_queue": // told with what is found, and not decided by it
		return inspect.Loadavg
	case "mem.oom_kills_now":
		return inspect.Meminfo
	}
	return none
}

// evidenceOf are the sources of a rule's evidence, that of the value that it is about first.
func evidenceOf(id string) (out []inspect.Source) {
	all := catalog.All()
	r := declared(id)
	for _, key := range r.Evidence {
		i := slices.IndexFunc(all.Entries, func(e lower.Entry) bool { return e.Doc.Key == key && e.Command == r.Command })
		if i < 0 { // borrowed of another topic
			i = slices.IndexFunc(all.Entries, func(e lower.Entry) bool { return e.Doc.Key == key && e.Table == "" })
		}
		if i >= 0 && !slices.Contains(out, all.Entries[i].Doc.Source) {
			out = append(out, all.Entries[i].Doc.Source)
		}
	}
	return out
}

// pathsOf are where a saved tree has a source; of is a process, or a pattern for all.
func pathsOf(s inspect.Source, of string) (out []string) {
	for _, one := range append(s.Either(), s) {
		path := strings.TrimPrefix(one.String(), "/")
		switch {
		case one == inspect.PIDNet: // a kind of sockets that nobody could list
			continue
		case strings.HasPrefix(path, "sys/fs/cgroup/"):
			path = "sys/fs/cgroup"
		case strings.HasPrefix(path, "proc/net/"):
			path = "proc/self/net/" + strings.TrimPrefix(path, "proc/net/")
		}
		out = append(out, strings.ReplaceAll(strings.ReplaceAll(path, "<pid>", of), "<n>", "[0-9]*"))
	}
	return out
}

// taken takes files away from both trees of a pair, and says whether there were any.
func (p *pair) taken(patterns []string) (there bool, undo func()) {
	p.t.Helper()
	moved := map[string]string{}
	for _, h := range []*tree{p.was, p.now} {
		for _, pattern := range patterns {
			list, err := filepath.Glob(filepath.Join(h.dir, pattern))
			if err != nil {
				p.t.Fatal(err)
			}
			for _, name := range list {
				aside := name + ".aside"
				if err := os.Rename(name, aside); err != nil {
					p.t.Fatal(err)
				}
				moved[name] = aside
			}
		}
	}
	return len(moved) > 0, func() {
		for name, aside := range moved {
			if err := os.Rename(aside, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				p.t.Error(err)
			}
		}
	}
}

// Without a part of its evidence a rule that finds nothing is partly or blind, never well or
// idle; and what it finds in the part that was seen it still finds. A third of the rules has its turn
// in each commit, and all with KWHY_TEST_ALL.
func TestRulesSeenInPart(t *testing.T) {
	if testing.Short() {
		t.Skip("left out of a short run: it runs in one goroutine, and takes long")
	}
	all := newHosts(t)
	reasons := whole()
	done := map[string]bool{}
	for i, c := range trials() {
		if done[c.rule] || c.idle != "" {
			continue // of a trial that leaves the rule idle there is nothing to be seen
		}
		if done[c.rule] = true; !inspecttest.HasTurn(i) {
			continue
		}
		t.Run(c.rule, func(t *testing.T) {
			if reasons[c.rule] != "" {
				return
			}
			p := all.of(t, c.host)
			tried := false
			for i, s := range evidenceOf(c.rule) {
				if s != spared(c.rule) {
					tried = c.without(p, s, i == 0) || tried
				}
			}
			if !tried {
				t.Errorf("nothing of %v can be taken away on %s", evidenceOf(c.rule), c.host)
			}
		})
	}
	for _, c := range trials() {
		if !done[c.rule] && reasons[c.rule] == "" {
			done[c.rule] = true
			t.Run(c.rule, func(t *testing.T) {
				p := all.of(t, c.host)
				if s := evidenceOf(c.rule)[0]; !c.without(p, s, true) {
					t.Errorf("%s can't be taken away on %s", s, c.host)
				}
			})
		}
	}
}

// without tries a rule without a source: of all, and, where it is read of each process, of a
// bystander alone. It reports whether there was something to take away.
func (c *trial) without(p *pair, s inspect.Source, first bool) bool {
	p.t.Helper()
	if s == inspect.NetSockets || s == inspect.SockDiag { // some kind of sockets could not be listed
		undo := p.apply(append(slices.Clone(c.well), file("proc/self/net/raw", "no such table\n")))
		j := p.judge(c.interval(), nil)
		undo()
		c.partly(p, &j, s)
		return true
	}
	there := c.lacking(p, c.well, pathsOf(s, "[0-9]*"), func(j *judged) { c.partly(p, j, s) })
	if !there && first && s.Scope() != inspect.OfProcess {
		return false
	}
	by, ok := bystanders()[c.host]
	if c.rule == "sched.starved" { // which looks at who is runnable alone
		by = "134"
	}
	if s.Scope() != inspect.OfProcess || !ok {
		return there
	}
	c.lacking(p, c.well, pathsOf(s, by), func(j *judged) { c.partly(p, j, s) })
	if !slices.Contains(added(), c.rule) {
		c.lacking(p, c.fires[0].edits, pathsOf(s, by), func(j *judged) {
			if j.outcome[c.rule] != "found" {
				p.t.Errorf("without %s of process %s it finds no more what it found: %s", s, by, j.outcome[c.rule])
			}
		})
	}
	return there
}

// lacking judges an edited pair without some files.
func (c *trial) lacking(p *pair, list edits, patterns []string, look func(*judged)) bool {
	p.t.Helper()
	restore := p.apply(list)
	there, undo := p.taken(patterns)
	if there {
		j := p.judge(c.interval(), nil)
		look(&j)
	}
	undo()
	restore()
	return there
}

func (c *trial) partly(p *pair, j *judged, s inspect.Source) {
	p.t.Helper()
	if got := j.outcome[c.rule]; got != "partly" && got != "blind" {
		p.t.Errorf("without %s, or a part of it, it is %s", s, got)
	}
}

// What a finding says rests on what can be seen: with any source taken away in turn, those that
// are still made say no figure that they didn't say before, such as 0 of what is not there.
func TestMessagesRestOnWhatIsSeen(t *testing.T) {
	if testing.Short() {
		t.Skip("left out of a short run: it runs in one goroutine, and takes long")
	}
	all := newHosts(t)
	done := map[string]bool{}
	for i, c := range trials() {
		if done[c.rule] || whole()[c.rule] != "" || !inspecttest.HasTurn(i) {
			continue
		}
		done[c.rule] = true
		t.Run(c.rule, func(t *testing.T) {
			p := all.of(t, c.host)
			defer p.apply(c.fires[0].edits)()
			if len(p.facts) > 0 {
				return // what was taken is edited, not a file: it stays whatever file goes
			}
			seen := p.judge(c.interval(), nil)
			f := seen.found(c.rule)
			if f == nil {
				t.Fatal("it does not fire")
			}
			tried := 0
			for _, s := range nearby(c.rule) {
				there, undo := p.taken(pathsOf(s, "[0-9]*"))
				if there {
					tried++
					j := p.judge(c.interval(), nil)
					if g := j.found(c.rule); g != nil && !strings.HasSuffix(g.Message, ", of the default size alone") {
						newFigures(t, s, f.Message, g.Message)
					}
				}
				undo()
			}
			if tried == 0 {
				t.Error("nothing could be taken away")
			}
		})
	}
}

// nearby are the sources of all values of the command that a rule belongs to.
func nearby(id string) (out []inspect.Source) {
	command := declared(id).Command
	for _, e := range catalog.All().Entries {
		if e.Command != command {
			continue
		}
		for _, s := range append(slices.Clone(e.Doc.Also), e.Doc.Source) {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// newFigures looks for figures in a message that was said without a source, and not with it.
func newFigures(t *testing.T, s inspect.Source, with, without string) {
	t.Helper()
	figure := regexp.MustCompile(`\d[\d.,]*`)
	known := figure.FindAllString(with, -1)
	for _, n := range figure.FindAllString(without, -1) {
		if !slices.Contains(known, n) {
			t.Errorf("without %s: %q\n   with it: %q", s, without, with)
			return
		}
	}
}
