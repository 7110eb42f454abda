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
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
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

type oomLogOptions struct {
	settings
	limit int
	ring  bool   // the ring buffer of the kernel that runs
	file  string // otherwise; - is standard input
}

func (o *oomLogOptions) parse(t *typed) error {
	if o.limit < autoLimit {
		return usagef("--limit: bad value %d: it takes a number of kills, or 0 for all", o.limit)
	}
	o.ring, o.file = len(t.args) == 0, t.arg()
	return nil
}

func newOomLog(a *App, do func(*oomLogOptions) error) *cobra.Command {
	var o oomLogOptions
	c := &cobra.Command{
		Use:   "log [FILE]",
		Short: "The kills that a kernel log reports, each explained",
		Long:  oomLogLong,
		Example: `  kwhy oom log
  kwhy oom log /var/log/kern.log
  journalctl -k -o short-iso | kwhy oom log -
  kwhy oom log -o json | jq '.tables.kills.rows[] | {time, victim_comm, why}'`,
		Args: atMostOne,
		RunE: settled(a, &o, do, onHost(a, "oom log", runOomLog)),
	}
	c.Flags().IntVar(&o.limit, "limit", autoLimit, "`N` kills, the latest; 0 is all, -1 all in an overview and the last three in full")
	return c
}

// source opens the log. The closer is nil if there is nothing to close.
func (o *oomLogOptions) source(r *run) (*oom.Log, io.Closer, error) {
	switch {
	case o.ring:
		return ring(r)
	case o.file == "-":
		l, err := lines(r.app.In, "standard input")
		return l, nil, err
	}
	f, err := os.Open(o.file)
	if err != nil {
		return nil, nil, err
	}
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return nil, f, fmt.Errorf("read %s: it is a directory", o.file)
	}
	l, err := lines(f, o.file)
	return l, f, err
}

func ring(r *run) (*oom.Log, io.Closer, error) {
	if !r.host.Live {
		return nil, nil, usagef("oom log: --proc-root is a saved copy, which has no ring buffer: give FILE")
	}
	log, err := r.host.OpenLog()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, fmt.Errorf("%w (%s: sudo kwhy oom log)", err, inspect.KernelLog.Opens())
	case errors.Is(err, fs.ErrNotExist): // as in a container that was not given it
		return nil, nil, fmt.Errorf("%w (give it a log: journalctl -k | kwhy oom log -)", err)
	case err != nil:
		return nil, nil, err
	}
	d := kmsg.From(log)
	return &oom.Log{
		In: d, Name: "the kernel's ring buffer", By: oom.Here(r.host), Lost: func() bool { return d.Lost },
		Empty: "No OOM kill in the kernel's ring buffer. It holds the latest messages only: older ones may be in /var/log or journalctl -k.",
	}, log, nil
}

func lines(from io.Reader, name string) (*oom.Log, error) {
	in, err := kmsg.Unpack(from)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return &oom.Log{In: in, Name: name, Empty: "No OOM kill in " + name + "."}, nil
}

// runOomLog prints the kills of a log.
func runOomLog(r *run, o *oomLogOptions) error {
	l, from, err := o.source(r)
	if from != nil {
		defer func() { _ = from.Close() }()
	}
	if err != nil {
		return err
	}
	l.Limit, l.Text = o.limit, o.Output == "text"
	r.during("reading "+l.Name, func(stop func()) {
		var rep *lower.Report
		if rep, err = l.Report(stop); err != nil {
			return
		}
		h := r.header(r.app.Now(), 0)
		h.Summary = []string{"kills in " + l.Name}
		err = errors.Join(r.print(h, rep), l.Err())
	})
	return err
}
