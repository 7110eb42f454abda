package cmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"kwhy/explain/lower"
	"kwhy/explain/oom"
	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
	memfacts "kwhy/inspect/mem"
)

const oomLogLong = `Finds every OOM kill in a kernel log and says which task needed memory, what ran out,
which process was killed, whether the table of candidates explains it, whether the
victim caused the OOM, and what to do.

FILE is the output of dmesg, journalctl -k or a syslog daemon, of any kernel since
2.6.32; - is standard input. Without FILE it is the kernel's ring buffer.
Journals may be in the short, json, export and verbose formats; files may be
compressed with gzip or bzip2.

If there are several kills, text lists all and explains the last three in full:
with --limit N the last N, with --limit 0 all.`

func (a *App) oomLogCommand() *cobra.Command {
	limit := autoLimit
	c := &cobra.Command{
		Use:   "log [FILE]",
		Short: "The kills that a kernel log reports, each explained",
		Long:  oomLogLong,
		Example: `  kwhy oom log
  kwhy oom log /var/log/kern.log
  journalctl -k -o short-iso | kwhy oom log -
  kwhy oom log -o json | jq '.tables.kills.rows[] | {time, victim_comm, why}'`,
		Args: atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			if limit < autoLimit {
				return usagef("--limit: bad value %d: it takes a number of kills, or 0 for all", limit)
			}
			r, err := a.begin(c, "oom log")
			if err != nil {
				return err
			}
			defer r.host.Close()
			if len(args) == 0 {
				return r.oomRing(limit)
			}
			return r.oomFile(args[0], limit)
		},
	}
	c.Flags().IntVar(&limit, "limit", autoLimit, "`N` kills, the latest; 0 is all, -1 all in an overview and the last three in full")
	return c
}

// oomRing reads the ring buffer of the kernel that runs.
func (r *run) oomRing(limit int) error {
	if !r.host.Live {
		return usagef("oom log: --proc-root is a saved copy, which has no ring buffer: give FILE")
	}
	log, err := r.host.OpenLog()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (%s: sudo kwhy oom log)", err, inspect.KernelLog.Opens())
	case errors.Is(err, fs.ErrNotExist): // as in a container that was not given it
		return fmt.Errorf("%w (give it a log: journalctl -k | kwhy oom log -)", err)
	case err != nil:
		return err
	}
	defer func() { _ = log.Close() }()
	d := kmsg.From(log)
	by := oom.Examiner{Boot: r.host.Born(0)}
	if m, err := memfacts.Take(r.host, inspect.Of(inspect.Meminfo)); err == nil {
		if swap, ok := m.Info["SwapTotal"]; ok {
			by.Here, by.Swap = true, int64(swap>>10)
		}
	}
	return r.oomLog(&oomLog{in: d, what: "the kernel's ring buffer", by: by, limit: limit, lost: func() bool { return d.Lost },
		empty: "No OOM kill in the kernel's ring buffer. It holds the latest messages only: older ones may be in /var/log or journalctl -k."})
}

func (r *run) oomFile(name string, limit int) error {
	l := oomLog{in: r.app.In, what: "standard input", limit: limit, lost: func() bool { return false }}
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if st, err := f.Stat(); err == nil && st.IsDir() {
			return fmt.Errorf("read %s: it is a directory", name)
		}
		l.in, l.what = f, name
	}
	in, err := kmsg.Unpack(l.in)
	if err != nil {
		return fmt.Errorf("read %s: %w", l.what, err)
	}
	l.in = in
	l.empty = "No OOM kill in " + l.what + "."
	return r.oomLog(&l)
}

// oomLog is a log on its way to a report.
type oomLog struct {
	in    io.Reader
	what  string // its name in text
	limit int
	by    oom.Examiner
	lost  func() bool // whether records were overwritten meanwhile
	empty string

	rep    lower.Report
	kills  int // reports with a kill
	failed error
}

// oomLog prints the kills of a log.
func (r *run) oomLog(l *oomLog) error {
	v, err := lower.NewView(oom.Kills(), nil, nil, 0)
	if err != nil {
		return err
	}
	p := r.progress("reading " + l.what)
	text := r.set.Output == "text"
	l.rep.Grids = make([]lower.Grid, 1)
	switch {
	case l.limit > 0 || text && l.limit < 0:
		if err := l.gather(v, text); err != nil {
			return err
		}
		p.Stop()
	default: // as they come, in the same memory however many
		v.Stream(&l.rep.Grids[0], func(yield func(*oom.Kill) bool) {
			l.walk(func(k *oom.Kill) bool {
				p.Stop()
				return text && !k.First() || yield(k)
			})
			p.Stop()
		})
	}
	l.rep.Grids[len(l.rep.Grids)-1].Empty = l.empty
	h := r.header(r.app.Now(), 0)
	h.Summary = []string{"kills in " + l.what}
	return errors.Join(r.print(h, &l.rep), l.failed)
}

// walk reads the log, and notes what could not be seen of it.
func (l *oomLog) walk(yield func(*oom.Kill) bool) {
	tally, err := l.by.Walk(l.in, func(k *oom.Kill) bool {
		l.kills = k.Number
		return yield(k)
	})
	if err != nil {
		l.failed = fmt.Errorf("read %s: %w", l.what, err)
	}
	if l.lost() {
		l.rep.Gaps = append(
			l.rep.Gaps,
			lower.Gap{Source: l.what, Reason: inspect.Vanished, Count: 1, Hint: "newer records overwrote some before they were read"},
		)
	}
	if n := tally.Refused; n > 0 {
		l.rep.Gaps = append(l.rep.Gaps, lower.Gap{Source: l.what, Reason: inspect.Malformed, Count: n,
			Hint: units.Plural(
				n,
				"line looks like a kill, but is",
				"lines look like kills, but are",
			) + " not the kernel's own, or in a format that kwhy does not know"})
	}
}

const (
	// inFull is how many kills text tells in full unless it is asked for more.
	inFull = 3
	// maxOverview bounds the lines of the overview.
	maxOverview = 1000
)

// gather reads the whole log and keeps the rows of the last kills, and for text
// a line of each.
func (l *oomLog) gather(v *lower.View[*oom.Kill], text bool) error {
	ov, err := lower.NewView(oom.Overview(), nil, nil, 0)
	if err != nil {
		return err
	}
	full := l.limit
	if full < 0 {
		full = inFull
	}
	var rows, lines []lower.Row
	var numbers []int // of the reports that rows are of
	l.walk(func(k *oom.Kill) bool {
		if text && !k.First() {
			return true
		}
		if text {
			lines = append(lines, lowerKill(ov, k)...)
			lines = lines[max(0, len(lines)-maxOverview):]
		}
		rows, numbers = append(rows, lowerKill(v, k)...), append(numbers, k.Number)
		for numbers[0] <= k.Number-full {
			rows, numbers = rows[1:], numbers[1:]
		}
		return true
	})
	l.rep.Grids = l.rep.Grids[:0]
	if text && l.kills > 1 {
		g := grid(ov, lines)
		if g.Total = l.kills; l.kills > full {
			g.Title = fmt.Sprintf("%s, of which the last %d are told in full (--limit 0: all)", units.Plural(l.kills, "kill", "kills"), full)
		}
		l.rep.Grids = append(l.rep.Grids, g)
	}
	l.rep.Grids = append(l.rep.Grids, grid(v, rows))
	return nil
}

// lowerKill takes the values of one kill, which its report is not needed for then.
func lowerKill(v *lower.View[*oom.Kill], k *oom.Kill) (out []lower.Row) {
	var g lower.Grid
	v.Stream(&g, func(yield func(*oom.Kill) bool) { yield(k) })
	for row := range g.Rows {
		out = append(out, row)
	}
	return out
}

// grid is a table of rows that were lowered before.
func grid(v *lower.View[*oom.Kill], rows []lower.Row) lower.Grid {
	var g lower.Grid
	v.Stream(&g, func(func(*oom.Kill) bool) {})
	g.Shown, g.Total = len(rows), len(rows)
	g.Rows = func(yield func(lower.Row) bool) {
		for _, row := range rows {
			if !yield(row) {
				return
			}
		}
	}
	return g
}
