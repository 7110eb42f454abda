package check_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/check"
	"kwhy/explain/lower"
)

// trial is how a rule is tried: on a recorded host, edited so that the rule fires, and
// so that it measures the same and must stay silent. Numbers in what it says were
// computed by hand from those of the edits.
type trial struct {
	rule, host string
	fires      []rung
	well       edits
	// idle says why there is nothing to measure where nothing is to be found; then
	// well must leave the rule idle.
	idle string
	part string        // why what it finds nothing in was not all seen
	bare string        // why the values that it rests on are not there, though the facts are
	once bool          // of one sample: what was counted since the beginning
	over time.Duration // the interval, 1 s unless it says otherwise
}

// rung is a level that a rule gives, and part of what it says.
type rung struct {
	level explain.Level
	says  string
	edits edits
	most  explain.Level // the worst that any threshold makes of it
}

func notice(says string, list ...edit) rung {
	return rung{explain.Notice, says, list, explain.Critical}
}
func warning(says string, list ...edit) rung {
	return rung{explain.Warning, says, list, explain.Critical}
}
func critical(says string, list ...edit) rung {
	return rung{explain.Critical, says, list, explain.Critical}
}

// few is what is never more than a notice, because it is so little.
func few(says string, list ...edit) rung { return rung{explain.Notice, says, list, explain.Notice} }

// noWorse is what is a warning and never more.
func noWorse(says string, list ...edit) rung {
	return rung{explain.Warning, says, list, explain.Warning}
}

func trials() []trial {
	return slices.Concat(
		memTrials(),
		strainTrials(),
		oomTrials(),
		procTrials(),
		schedTrials(),
		fdTrials(),
		netTrials(),
		linkTrials(),
		socketTrials(),
	)
}

// elsewhere are the rules that `kwhy check` does not run: they judge one process, whose
// report has them.
func elsewhere() map[string]string {
	return map[string]string{
		"mem.maps_near_limit":   "of one process: mem.process_maps_near judges those that may be near",
		"fd.limit_near":         "of one process: fd.process_near judges all",
		"proc.files_near_limit": "fd.process_near judges all, with a closer look",
		"fd.deleted_program":    "a link more of each process to be read: fd --deleted looks",
		"proc.ended":            "of one process",
		"proc.limit_near":       "of one process",
		"doctor.derivation_off": "of kwhy doctor, which tries the arithmetic",
		"sched.task_throttled":  "of one process: sched.throttled judges all cgroups",
	}
}

// Every rule has a trial, and every trial a rule.
func TestEveryRuleIsTried(t *testing.T) {
	tried := map[string]bool{}
	for _, c := range trials() {
		tried[c.rule] = true
		if len(c.fires) == 0 || c.well == nil {
			t.Errorf("%s: a trial says what makes the rule fire, and where it stays silent", c.rule)
		}
	}
	run := newHosts(t).of(t, lossy).judge(0, nil).outcome
	ran := slices.Sorted(maps.Keys(run))
	for _, r := range catalog.All().Rules {
		_, runs := run[r.ID]
		if why := elsewhere()[r.ID]; runs == (why != "") {
			t.Errorf("check runs %s: %v; said to be judged elsewhere: %q", r.ID, runs, why)
		}
		if runs && !tried[r.ID] {
			t.Errorf("no trial of %s", r.ID)
		}
		delete(run, r.ID)
		delete(tried, r.ID)
	}
	if listed := slices.Sorted(maps.Keys(check.Runs())); !slices.Equal(listed, ran) {
		t.Errorf("check --list says that it runs %v, and it runs %v", listed, ran)
	}
	for id := range run {
		t.Errorf("check runs %s, and the catalogue does not have it", id)
	}
	for id := range tried {
		t.Errorf("a trial of %s, and there is no such rule", id)
	}
}

func TestRules(t *testing.T) {
	if testing.Short() {
		t.Skip("left out of a short run: it runs in one goroutine, and takes long")
	}
	all := newHosts(t)
	for _, c := range trials() {
		t.Run(c.rule, func(t *testing.T) {
			p := all.of(t, c.host)
			for _, r := range c.fires {
				c.fire(p, r)
			}
			c.silent(p)
		})
	}
}

func (c *trial) interval() time.Duration {
	if c.once {
		return 0
	}
	return cmp.Or(c.over, time.Second)
}

// fire tries a rule where it fires.
func (c *trial) fire(p *pair, r rung) {
	t := p.t
	t.Helper()
	defer p.apply(r.edits)()
	j := p.judge(c.interval(), nil)
	f := j.found(c.rule)
	switch {
	case f == nil:
		t.Fatalf("found nothing: %s (want %s)", j.outcome[c.rule], r.level)
	case f.Level != r.level || !strings.Contains(f.Message, r.says):
		t.Errorf("%s: %q\n    want %s: %q", f.Level, f.Message, r.level, r.says)
	case j.outcome[c.rule] != "found":
		t.Errorf("it found something, and its outcome is %s", j.outcome[c.rule])
	case f.What == "" || f.Means == "" || f.Next == "" || !f.Measure.Has():
		t.Errorf("a finding says what was measured, what it means, and what is next: %+v", f)
	case len(f.Cells) == 0 || !f.Cells[0].Value.Has() && !f.Cells[0].Value.Unlimited() && c.bare == "":
		t.Errorf("the value that carries its level is not there: %v", f.Evidence)
	}
	if r.level == c.fires[0].level {
		c.off(p)
		if f.Basis == explain.Ever {
			r.most = explain.Notice
		}
		c.worst(p, r.most)
	}
	if f.Basis == explain.Interval {
		c.alone(p)
	}
}

// off tries the same with the rule switched off.
func (c *trial) off(p *pair) {
	p.t.Helper()
	j := p.judge(c.interval(), explain.Limits{c.rule: {}})
	if f := j.found(c.rule); f != nil || j.outcome[c.rule] != "off" {
		p.t.Errorf("switched off, its outcome is %s, and it found %v", j.outcome[c.rule], f)
	}
}

// worst tries thresholds that anything reaches: what was counted since the beginning, or
// is too little, is worth a notice at most, and anything else critical.
func (c *trial) worst(p *pair, want explain.Level) {
	p.t.Helper()
	at := explain.At{Notice: 1e-12, Warning: 1e-12, Critical: 1e-12}
	if declared(c.rule).Below {
		at = explain.At{Notice: 1e12, Warning: 1e12, Critical: 1e12}
	}
	j := p.judge(c.interval(), explain.Limits{c.rule: at})
	if f := j.found(c.rule); f == nil || f.Level != want {
		p.t.Errorf("with thresholds that anything reaches it found %+v, want %s", f, want)
	}
}

// alone tries one sample where a rule rests on two.
func (c *trial) alone(p *pair) {
	p.t.Helper()
	j := p.judge(0, nil)
	f := j.found(c.rule)
	if f != nil && (f.Basis != explain.Ever || declared(c.rule).Basis == explain.Interval) || j.outcome[c.rule] == "blind" && c.bare == "" {
		p.t.Errorf("of one sample: %s, %+v", j.outcome[c.rule], f)
	}
}

// silent tries a rule where it measures the same as where it fires, below its threshold.
func (c *trial) silent(p *pair) {
	t := p.t
	t.Helper()
	defer p.apply(c.well)()
	j := p.judge(c.interval(), nil)
	want := "well"
	switch {
	case c.idle != "":
		want = "idle"
	case c.part != "":
		want = "partly"
	}
	if f := j.found(c.rule); f != nil || j.outcome[c.rule] != want {
		t.Errorf("%s where it ought to be %s: %+v", j.outcome[c.rule], want, f)
	}
	if strings.HasSuffix(c.rule, "_so_far") { // the interval says more
		if j := p.judge(time.Second, nil); j.outcome[c.rule] != "idle" {
			t.Errorf("%s over an interval, where another rule judges", j.outcome[c.rule])
		}
	}
}

func declared(id string) lower.RuleDoc {
	list := catalog.All().Rules
	return list[slices.IndexFunc(list, func(r lower.RuleDoc) bool { return r.ID == id })]
}

// Where a rule says that another says the same better, and both find something, check
// speaks only of the other.
func TestTheBetterRuleSpeaks(t *testing.T) {
	all := newHosts(t)
	list := trials()
	for _, r := range catalog.All().Rules {
		if r.Unless == "" {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			i := slices.IndexFunc(list, func(c trial) bool { return c.rule == r.ID })
			for _, better := range list {
				if better.rule != r.Unless || better.host != list[i].host {
					continue
				}
				p := all.of(t, better.host)
				undo := p.apply(slices.Concat(list[i].fires[0].edits, better.fires[len(better.fires)-1].edits))
				p.without = ""
				j := p.judge(better.interval(), nil)
				undo()
				if j.found(r.ID) != nil || j.found(r.Unless) == nil || j.outcome[r.ID] != "found" {
					t.Errorf("%s: %+v; %s: %+v; the first is %s", r.ID, j.found(r.ID), r.Unless, j.found(r.Unless), j.outcome[r.ID])
				}
				return
			}
			t.Errorf("no trial of %s on the host of %s", r.Unless, r.ID)
		})
	}
}

// What goes on now comes before what was counted since the beginning, and the worse
// before the better.
func TestOrder(t *testing.T) {
	p := newHosts(t).of(t, idle)
	defer p.apply(
		edits{
			line(meminfo, "MemTotal:", "1000000 kB"),
			available(140000),
			line(meminfo, "AnonPages:", "820000 kB"),
			grows(vmstat, "oom_kill", 3, 3),
			file(pressure, psi(12, 12, 0)),
		},
	)()
	j := p.judge(time.Second, nil)
	var got []string
	for _, f := range j.Findings {
		got = append(got, f.ID)
	}
	if want := "mem.pressure_full mem.available_low mem.pressure_some mem.oom_kills"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
