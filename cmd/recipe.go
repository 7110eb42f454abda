package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
	"kwhy/output"
)

// options are a parsed command line. parse finds every mistake in it before anything runs.
type options interface{ parse(*typed) error }

// reading are the options of a command with settings, which embeds them.
type reading interface {
	options
	shared() *settings
}

// tabled are the options of a command with --columns, which lists them on request.
type tabled interface{ asksHelp() bool }

// typed is a command line whose flags have been read, but not checked.
type typed struct {
	cmd  *cobra.Command
	args []string
}

// arg is the first argument; "" without one.
func (t *typed) arg() string { return strings.Join(t.args[:min(len(t.args), 1)], "") }

// given returns the first of these flags that was set; "" if none was.
func (t *typed) given(flags ...string) string {
	i := slices.IndexFunc(flags, t.cmd.Flags().Changed)
	if i < 0 {
		return ""
	}
	return flags[i]
}

// settled is the body of every command: it parses settings, flags and arguments into o and
// calls do, or real if do is nil. A test passes its own do, so that nothing runs. In place of
// real, --columns help lists the columns.
func settled[O options](a *App, o O, do, real func(O) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if with, ok := any(o).(reading); ok {
			set, err := a.load(c.Flags())
			if err != nil {
				return err
			}
			*with.shared() = *set
		}
		if err := o.parse(&typed{c, args}); err != nil {
			return err
		}
		if do != nil {
			return do(o)
		}
		if t, ok := any(o).(tabled); ok && t.asksHelp() {
			_, err := fmt.Fprint(a.Out, choice(c).Help())
			return err
		}
		return real(o)
	}
}

// run is what a command works with once its command line is parsed.
type run struct {
	app  *App
	set  *settings
	host *inspect.Host
	name string

	still bool // no time passed in the copy that is read: there is no interval
}

// onHost opens the host and calls do.
func onHost[O reading](a *App, name string, do func(*run, O) error) func(O) error {
	return func(o O) error {
		r, err := a.begin(o.shared(), name)
		if err != nil {
			return err
		}
		defer func() { r.host.Close() }() // the last one: check --every opens others
		return do(r, o)
	}
}

func (a *App) begin(set *settings, name string) (*run, error) {
	host, err := a.open(set)
	return &run{app: a, set: set, host: host, name: name}, err
}

func (a *App) open(set *settings) (*inspect.Host, error) {
	host, err := inspect.Open(set.ProcRoot, set.SysRoot, a.Now)
	if err != nil {
		return nil, err
	}
	host.Wait(cmp.Or(set.Timeout, math.MaxInt64))
	return host, nil
}

// show shows a page: it takes one sample, or two an interval apart, explains the later one
// and prints it.
func show[S explain.Snapshot[S]](r *run, page *lower.Page[S]) error {
	s, ended, err := sample(r, page)
	if err != nil {
		return err
	}
	_, over, _ := s.Before()
	rep := page.Report(s, r.set.Limits)
	if ended {
		page.Over(&rep, s)
	}
	rep.Tell(vanished(page.Gaps(s), ended && page.NoneLeft == nil), r.host.Kernel)
	h := r.header(page.At(s), over)
	if page.Summary != nil {
		h.Summary = page.Summary(&rep, s)
	}
	if page.Subject != nil {
		of := page.Subject(s)
		h.Subject = output.NewSubject(of.PID, of.Comm, of.Born)
	}
	if err := r.print(h, &rep); err != nil || !ended {
		return cmp.Or(err, r.blind(rep.Blank()))
	}
	return fmt.Errorf("process %d ended during the interval: this is what it was like before", h.Subject.PID)
}

// blind is how a report ends of whose subject nothing could be read.
func (r *run) blind(blank bool) error {
	if blank {
		return fmt.Errorf("nothing could be seen below %s", r.host.Proc.Root)
	}
	return nil
}

// sample takes the sample that a page shows, and pairs it with one an interval earlier. If
// a process ended between the two, even if its PID is in use again, the first is shown.
func sample[S explain.Snapshot[S]](r *run, page *lower.Page[S]) (now S, ended bool, err error) {
	var was S
	two := page.Since != nil && r.set.paired()
	if two {
		first := func() (S, error) { return page.Sample(r.host) }
		if was, err = earlier(r, page.Doing, first, page.Meanwhile); err != nil {
			return now, false, err
		}
	}
	if r.still {
		return was, false, nil
	}
	now, err = take(r, page.Doing, func() (S, error) { return page.Look(r.host, was) })
	switch {
	case !two:
		return now, false, err
	case page.Same == nil && err != nil, err != nil && !errors.Is(err, inspect.ErrNoProcess):
		return now, false, err
	case err != nil, page.Same != nil && !page.Same(was, now):
		if page.NoneLeft != nil {
			page.NoneLeft(was) // which says so itself
		}
		return was, true, nil
	}
	page.Since(now, was)
	return now, false, nil
}

// earlier takes the first of two samples and waits for the interval. Without an interval it
// returns the zero S. A copy in which no time passed meanwhile has no second sample.
func earlier[S any](r *run, doing string, first func() (S, error), meanwhile watcher) (was S, err error) {
	if !r.set.paired() {
		return was, nil
	}
	if was, err = take(r, doing, first); err == nil {
		at := r.host.Clocks()
		r.wait(r.set.Interval, meanwhile)
		r.still = !r.host.Live && r.host.Clocks() == at
	}
	return was, err
}

// take takes a sample.
func take[S any](r *run, doing string, sample func() (S, error)) (s S, err error) {
	r.during(doing, func(func()) { s, err = sample() })
	return s, err
}

// watcher lets time pass and watches something meanwhile.
type watcher = func(h *inspect.Host, d time.Duration, sleep func(time.Duration))

// wait lets time pass between two samples.
func (r *run) wait(d time.Duration, meanwhile watcher) {
	r.during("sampling for "+d.Round(time.Millisecond).String(), func(func()) {
		if meanwhile != nil {
			meanwhile(r.host, d, r.app.Sleep)
			return
		}
		r.app.Sleep(d)
	})
}

// during calls do, which takes time, and says so on a terminal until do returns or calls
// stop.
func (r *run) during(what string, do func(stop func())) {
	p := output.StartProgress(r.app.Err, !r.app.ErrTerminal, what)
	defer p.Stop()
	do(p.Stop)
}

// vanished adds the gap that a process leaves that has ended.
func vanished(gaps []inspect.Gap, ended bool) []inspect.Gap {
	if !ended {
		return gaps
	}
	return append(gaps, inspect.Gap{Source: inspect.PIDEntry, Reason: inspect.Vanished, Count: 1, Of: 1})
}

// header describes the report; over is the interval, 0 without one.
func (r *run) header(at time.Time, over time.Duration) *output.Header {
	h := r.host
	head := &output.Header{
		Schema: output.Schema, Kwhy: output.String(r.app.Build.Version), Command: output.String(r.name),
		CollectedAt: output.Time{Time: at}, Incomplete: h.Late() > 0,
		Host: output.Host{
			Hostname: output.String(h.Name), Kernel: output.String(h.Release), Arch: output.String(h.Arch), BootID: output.String(h.BootID),
			CPUs: h.CPUs, PageSize: h.PageSize,
		},
	}
	head.View = output.String(h.View().String())
	head.OtherPIDs = h.Live && !h.SameProcesses()
	if h.Copy() {
		head.Copy = &output.Copy{
			PageSizeKnown: h.PageSizeKnown, TicksKnown: h.TicksKnown, KernelVersion: output.String(h.Kernel.String()), Still: r.still,
			LiveSys: h.SysOfNow(),
		}
		if saved := h.SavedAt(); !saved.IsZero() {
			head.CollectedAt.Time = saved
			head.Copy.SavedAt = &head.CollectedAt
		}
	}
	if over > 0 {
		s := output.Number(over.Seconds())
		head.Interval = &s
	}
	return head
}

// print prints a report in the format of --output.
func (r *run) print(h *output.Header, rep *lower.Report) error {
	doubts := r.host.Doubts()
	rep.Doubt(doubts)
	h.Doubt(doubts)
	if rep.Denies() {
		rep.Advise(r.host.Rights())
	}
	rep.Built(r.host.Built)
	rep.Direct(r.set.here)
	switch r.set.Output {
	case "json":
		return output.NewJSON(r.app.Out).Print(h, rep)
	case "ndjson":
		return output.NewNDJSON(r.app.Out).Print(h, rep)
	}
	return r.text().Print(h, rep)
}

func (r *run) text() *output.Text {
	return output.NewText(r.app.Out, r.app.columns(r.set), r.set.detail(), r.app.colour(r.set))
}
