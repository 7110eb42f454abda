package cmd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/check"
	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/output"
)

const checkLong = `Holds every rule of every subcommand against this host and prints what they find,
worst first: the values that a finding rests on, what it means in terms of the kernel,
and what to look at next. Then, a line for each domain, what was looked at: how much of
it is in use, who has to wait for it, and what went wrong.

Two samples are taken --interval apart, 1s unless it says otherwise, so that counters
become rates: what was counted since boot is worth a notice at most. --interval 0 takes
one.

Thresholds are set in a config file, as check.thresholds.RULE, or by a variable, as
KWHY_CHECK_THRESHOLDS_RULE: "notice=0.2,warning=0.1,critical=0.05", the same three
without names, or off. check.off and KWHY_CHECK_OFF list rules to switch off. --list
shows them all. They hold for the levels of every other subcommand, too.

--every repeats that until it is killed. From the second report on, counters are of all
the time since the last one, so that nothing falls between two reports.

Findings do not change the exit status, unless --fail-on says from which level on it is
to be 3. With --every that ends it: it waits for something to be wrong.`

type checkOptions struct {
	settings
	failOn explain.Level // OK: nothing fails
	only   []string
	off    []string
	list   bool
	all    bool
	every  time.Duration
}

func newCheck(a *App, do func(*checkOptions) error) *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use:   "check",
		Short: "What is wrong on this host, if anything",
		Long:  checkLong,
		Example: `  kwhy check
  kwhy check --interval 10s --only net,mem
  kwhy check --fail-on warning -o json || page-somebody
  kwhy check --every 1m -o ndjson >> /var/log/kwhy.ndjson
  KWHY_CHECK_THRESHOLDS_MEM_AVAILABLE_LOW=30%,20%,10% kwhy check
  kwhy check --list                       every rule with its thresholds
  kwhy check -o json | jq -r '.findings[] | [.level, .message] | @tsv'`,
		Args: noArgs,
		RunE: settled(a, &o, do, onHost(a, "check", runCheck)),
	}
	f := c.Flags()
	f.String("fail-on", "", "exit with 3 where there is a finding of this `LEVEL` or a worse one (notice|warning|critical)")
	f.StringSliceVar(&o.only, "only", nil, "look at these `DOMAINS` only ("+strings.Join(check.Names(), "|")+")")
	f.StringSliceVar(&o.off, "off", nil, "leave out these `RULES`")
	f.BoolVar(&o.list, "list", false, "list the rules with their thresholds, and check nothing")
	f.BoolVar(&o.all, "all", false, "in text, show what became of every rule too")
	f.DurationVar(&o.every, "every", 0, "check again each `D` until killed; counters are then of the time since the last report")
	// Its own default: without two samples half of the rules have nothing to say.
	f.String("interval", "1s", "take two samples `D` apart, so that counters get rates; 0 takes one")
	return c
}

func (o *checkOptions) parse(t *typed) error {
	level := t.cmd.Flag("fail-on").Value.String()
	o.failOn = explain.Level(max(slices.Index(explain.Levels(), level), 0))
	switch {
	case level != "" && o.failOn == explain.OK:
		return usagef("--fail-on: bad value %q: it takes %s", level, strings.Join(explain.Levels()[1:], ", "))
	case o.every < 0, o.every > 0 && o.every < time.Second:
		return usagef("--every: bad value %q: it takes a duration such as 30s or 5m, 1s at least, or 0 to check once", o.every)
	}
	for _, name := range o.only {
		if !slices.Contains(check.Names(), name) {
			return usagef("--only: bad value %q: it takes %s", name, strings.Join(check.Names(), ", "))
		}
	}
	off, err := thresholds(offWishes(o.off, "--off"))
	if err != nil {
		return err
	}
	if o.Limits == nil {
		o.Limits = off
	}
	maps.Copy(o.Limits, off)
	if !o.list && o.every > 0 && o.every < o.Interval {
		return usagef("--every: bad value %q: it is shorter than the interval of %s", o.every, o.Interval)
	}
	return nil
}

func runCheck(r *run, o *checkOptions) error {
	if o.list {
		return r.listRules(o)
	}
	return r.checks(o)
}

// listRules prints the rules of the domains that are wanted, with the thresholds in
// force.
func (r *run) listRules(o *checkOptions) error {
	wanted := o.only
	if len(wanted) == 0 {
		wanted = check.Names()
	}
	rules := slices.DeleteFunc(catalog.All().Rules, func(d lower.RuleDoc) bool {
		domain, _, _ := strings.Cut(d.ID, ".")
		return !slices.Contains(wanted, domain)
	})
	g, err := check.List(rules, r.set.Limits)
	if err != nil {
		return err
	}
	return r.print(r.header(r.app.Now(), 0), &lower.Report{Grids: []lower.Grid{g}})
}

// checks checks once, or --every so often until somebody kills it, nobody reads on, or
// --fail-on is met.
func (r *run) checks(o *checkOptions) error {
	const doing = "looking at everything"
	was, err := earlier(r, doing, func() (*check.Facts, error) { return check.Take(r.host, o.only, nil) }, nil)
	if err != nil {
		return err
	}
	for {
		f, err := take(r, doing, func() (*check.Facts, error) { return check.Take(r.host, o.only, was) })
		if err != nil {
			return err
		}
		if err := r.check(o, f); err != nil || o.every == 0 {
			return err
		}
		if r.wait(f.At.Add(o.every).Sub(r.app.Now()), nil); o.paired() {
			was = f.Alone()
		}
		if err := r.again(); err != nil {
			return err
		}
	}
}

// again opens the host anew for another report, so that a file that did not answer is
// waited for again, and separates reports of text.
func (r *run) again() error {
	host, err := r.app.open(r.set)
	if err != nil {
		return err
	}
	r.host.Close()
	if r.host = host; r.set.Output == "text" {
		_, err = fmt.Fprintln(r.app.Out)
	}
	return err
}

// check prints what the rules find.
func (r *run) check(o *checkOptions, f *check.Facts) error {
	rep, err := check.Judge(f, r.set.Limits)
	if err != nil {
		return err
	}
	rep.Parts = []lower.Part{{Title: "What was checked", Table: "domains"}}
	if r.set.Output == "text" && !o.all && r.set.detail() != output.DetailFull {
		rep.Grids = rep.Grids[:1]
	}
	h := r.header(f.At, f.Over)
	h.Summary = []string{verdict(rep.Findings)}
	err = r.print(h, &rep)
	return cmp.Or(failOn(rep.Findings, o.failOn), err) // who closes the pipe early wants the status no less
}

// verdict counts the findings by level.
func verdict(list []lower.Finding) string {
	var words []string
	for l := explain.Critical; l > explain.OK; l-- {
		n := 0
		for i := range list {
			if list[i].Level == l {
				n++
			}
		}
		if n > 0 {
			words = append(words, counted(n, l))
		}
	}
	if words == nil {
		return "nothing found"
	}
	return strings.Join(words, ", ")
}

func counted(n int, l explain.Level) string {
	if l == explain.Critical {
		return fmt.Sprintf("%d critical", n)
	}
	return units.Plural(n, l.String(), l.String()+"s")
}

// failOn is an error where there is a finding of a level or a worse one.
func failOn(list []lower.Finding, level explain.Level) error {
	if level > explain.OK && slices.ContainsFunc(list, func(f lower.Finding) bool { return f.Level >= level }) {
		return errFound
	}
	return nil
}
