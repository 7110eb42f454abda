package oom

import (
	"strconv"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
)

// trials are the arithmetic of rows: the score of every process.
func trials() []explain.Trial {
	return []explain.Trial{{
		Key: "oom_score", Command: "oom", Rows: "processes", Unit: explain.Plain, Concept: "oom-score", Try: scores,
		Formula: "of rss, swap, tables, adj and total, by the scale of this kernel",
	}}
}

// scores recomputes the score of every process. Those that the kernel skips for
// reasons that are not visible have none to compare with.
func scores(h *inspect.Host) (out []explain.Tried, err error) {
	v, err := lower.NewView(Processes(false), []string{"pid", "points"}, nil, 0)
	if err != nil {
		return nil, err
	}
	o, order, err := Take(h, Options{View: v})
	if err != nil {
		return nil, err
	}
	for _, i := range order {
		r := o.Procs.At(int(i))
		n, _, ok := recompute(r)
		if !ok || spared(r) || r.Missing(inspect.PIDOomScore) != inspect.Present {
			continue
		}
		t := &oomfacts.Task{OOM: o, Row: r}
		var w explain.Working
		terms(&w, t, r.Host.OOM.Host)
		d := w.Done("", explain.Plain, explain.I(n))
		if immortal(r) != "" {
			d = explain.Derivation{Unit: explain.Plain, Result: explain.I(n)}
		}
		d.Reported, d.Cause = explain.I(int64(r.P.OomScore)), "pages that CPUs have yet to add up, or the process changed between the reads"
		out = append(out, explain.Tried{Row: "process " + strconv.Itoa(int(r.P.PID)) + " (" + r.P.Comm + ")", Derivation: d})
	}
	return out, nil
}
