package cmd

import (
	"errors"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
	"kwhy/output"
)

// show is what every command does that shows a page: it takes one sample, or two an
// interval apart, explains the later one and prints it.
func show[S explain.Snapshot[S]](r *run, page *lower.Page[S]) error {
	s, ended, err := sample(r, page)
	if err != nil {
		return err
	}
	_, over, _ := s.Before()
	rep := page.Report(s, r.set.Limits)
	rep.Tell(vanished(page.Gaps(s), ended), r.host.Kernel)
	h := r.header(page.At(s), over)
	if page.Summary != nil {
		h.Summary = page.Summary(&rep, s)
	}
	if page.Subject != nil {
		of := page.Subject(s)
		h.Subject = output.NewSubject(of.PID, of.Comm, of.Born)
	}
	return r.print(h, &rep)
}

// sample takes what a page is about, and what it was an interval ago. Of a process that
// ends between the two, or whose number is another's by then, the first is what there
// is to show.
func sample[S explain.Snapshot[S]](r *run, page *lower.Page[S]) (now S, ended bool, err error) {
	var was S
	two := r.set.Interval > 0 && page.Since != nil
	if two {
		if was, err = page.Sample(r.host); err != nil {
			return now, false, err
		}
		r.wait(r.set.Interval, page.Meanwhile)
	}
	p := r.progress(page.Doing)
	now, err = page.Look(r.host, was)
	p.Stop()
	switch {
	case !two:
		return now, false, err
	case page.Same == nil && err != nil, err != nil && !errors.Is(err, inspect.ErrNoProcess):
		return now, false, err
	case err != nil, page.Same != nil && !page.Same(was, now):
		if page.NoneLeft != nil {
			page.NoneLeft(was)
			return was, false, nil
		}
		return was, true, nil
	}
	page.Since(now, was)
	return now, false, nil
}

// vanished is the gap that an ended process leaves.
func vanished(gaps []inspect.Gap, ended bool) []inspect.Gap {
	if !ended {
		return gaps
	}
	return append(gaps, inspect.Gap{Source: inspect.PIDEntry, Reason: inspect.Vanished, Count: 1, Of: 1})
}

// wait lets time pass between two samples, and says so where somebody watches.
func (r *run) wait(d time.Duration, meanwhile func(*inspect.Host, time.Duration, func(time.Duration))) {
	p := r.progress("sampling for " + d.Round(time.Millisecond).String())
	defer p.Stop()
	if meanwhile != nil {
		meanwhile(r.host, d, r.app.Sleep)
		return
	}
	r.app.Sleep(d)
}

func (r *run) progress(what string) *output.Progress {
	return output.StartProgress(r.app.Err, !r.app.ErrTerminal, what)
}

// header describes the report; over is the interval, if there was one.
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
	if over > 0 {
		s := output.Number(over.Seconds())
		head.Interval = &s
	}
	return head
}

// print prints a report as it was asked for.
func (r *run) print(h *output.Header, rep *lower.Report) error {
	if rep.Denies() && r.host.Entitled() {
		rep.Entitle()
	}
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
