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
	"kwhy/output"
)

const checkLong = `Checks this host against every rule of every subcommand and prints the findings, worst
first: the values behind each, what it means in terms of the kernel, and what to look at
next. Then comes a line for each domain: how much of it is in use, what waits for it, and
what went wrong.

Two samples are taken --interval apart, 1s by default, so that counters become rates:
counts since boot give a notice at most. --interval 0 takes one sample.

Thresholds are set in a config file, as check.thresholds.RULE, or by a variable,
KWHY_CHECK_THRESHOLDS_RULE: "notice=0.2,warning=0.1,critical=0.05", the same three
without names, or off. check.off and KWHY_CHECK_OFF list rules to switch off. --list
shows all rules. These settings also apply to the levels in every other subcommand.

--every repeats the check until kwhy is killed. From the second report on, counters cover
all the time since the last report, so that nothing is missed between two reports.

Findings do not change the exit status unless --fail-on gives a level: from that level on
it is 3. With --every this ends kwhy, so that it waits until something is wrong.`

type checkOptions struct {
	settings
	failOn                 explain.Level // OK: nothing fails
	failUnseen, failPartly bool          // where a domain could not be seen, or not all of one
	only                   []string
	off                    []string
	list                   bool
	all                    bool
	every                  time.Duration
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
	f.String("fail-on", "", "exit with 3 on a finding of this `LEVEL` or a worse one (notice|warning|critical), "+
		"and with unseen or partly (warning,unseen) where domains could not be seen, or not whole")
	f.StringSliceVar(&o.only, "only", nil, "look at these `DOMAINS` only ("+strings.Join(check.Names(), "|")+")")
	f.StringSliceVar(&o.off, "off", nil, "leave out these `RULES`")
	f.BoolVar(&o.list, "list", false, "list the rules with their thresholds and do not check")
	f.BoolVar(&o.all, "all", false, "in text, also show the outcome of every rule")
	f.DurationVar(&o.every, "every", 0, "check again each `D` until killed; counters then cover the time since the last report")
	// The default differs from other commands': half of the rules need two samples.
	f.String("interval", "1s", "take two samples `D` apart, so that counters get rates; 0 takes one")
	return c
}

func (o *checkOptions) parse(t *typed) error {
	if err := o.parseFailOn(t.cmd.Flag("fail-on").Value.String()); err != nil {
		return err
	}
	switch {
	case o.every < 0, o.every > 0 && o.every < time.Second:
		return usagef("--every: bad value %q: it takes a duration such as 30s or 5m, 1s at least, or 0 to check once", o.every)
	}
	for _, name := range o.only {
		if !slices.Contains(check.Names(), name) {
			return usagef("--only: bad value %q: it takes %s", name, strings.Join(check.Names(), ", "))
		}
	}
	off, err := thresholds(switchOff(o.off, "--off"))
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

// parseFailOn parses a level, words for what was not seen, or both: "warning,unseen".
func (o *checkOptions) parseFailOn(s string) error {
	if s == "" {
		return nil
	}
	for word := range strings.SplitSeq(s, ",") {
		level := slices.Index(explain.Levels(), word)
		switch {
		case word == "unseen":
			o.failUnseen = true
		case word == "partly":
			o.failUnseen, o.failPartly = true, true
		case level > 0 && o.failOn == explain.OK:
			o.failOn = explain.Level(level)
		default:
			return usagef("--fail-on: bad value %q: it takes one of %s, and unseen or partly", s, strings.Join(explain.Levels()[1:], ", "))
		}
	}
	return nil
}

func runCheck(r *run, o *checkOptions) error {
	if o.list {
		return r.listRules(o)
	}
	return r.checks(o)
}

// listRules prints the rules of the wanted domains with the current thresholds.
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

// checks checks once, or with --every again and again until it is killed, its reader is
// gone, or --fail-on ends it.
func (r *run) checks(o *checkOptions) error {
	const doing = "looking at everything"
	was, err := earlier(r, doing, func() (*check.Facts, error) { return check.Take(r.host, o.only, nil) }, nil)
	if err != nil {
		return err
	}
	if r.still {
		was = nil
	}
	for {
		f, err := take(r, doing, func() (*check.Facts, error) { return check.Take(r.host, o.only, was) })
		if err != nil {
			return err
		}
		if err := r.check(o, f); err != nil || o.every == 0 {
			return err
		}
		if r.wait(f.At.Add(o.every).Sub(r.app.Now()), nil); o.paired() && !r.still {
			was = f.Alone()
		}
		if err := r.again(); err != nil {
			return err
		}
	}
}

// again opens the host again for the next report, which has its own --timeout, and puts
// an empty line between reports in text.
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
	rep, seen := check.Judge(f, r.set.Limits)
	rep.Parts = []lower.Part{{Title: "Domains", Table: "domains"}}
	if r.set.Output == "text" && !o.all && r.set.detail() != output.DetailFull {
		rep.Grids = rep.Grids[:1]
	}
	h := r.header(f.At, f.Over)
	h.Summary = []string{seen.Summary(rep.Findings)}
	err := r.print(h, &rep)
	err = cmp.Or(err, r.blind(seen.Nothing()))
	return cmp.Or(o.failed(rep.Findings, seen), err) // a reader that closes the pipe early wants the status too
}

// failed is an error if there is a finding of the level that --fail-on names or a worse one, or
// less was seen than it asks for.
func (o *checkOptions) failed(list []lower.Finding, seen check.Coverage) error {
	switch {
	case o.failOn > explain.OK && slices.ContainsFunc(list, func(f lower.Finding) bool { return f.Level >= o.failOn }),
		o.failUnseen && seen.Unseen > 0, o.failPartly && !seen.Whole():
		return errFound
	}
	return nil
}
