package cmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"kwhy/explain/oom"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

const oomLong = `Without a PID: the processes in the order in which the kernel would kill them,
each score recomputed from its parts; the memory that is left; the memory cgroups
with a limit, each with its own victim; and the host's OOM policy.

With a PID: the parts of that process's badness, its rank, and with --adj what
another oom_score_adj would change. Nothing is written.`

type oomOptions struct {
	settings
	limit  int
	sort   []string
	who    processFilter
	cgroup string
	adj    *int32 // nil: none was given
	pid    int32  // 0 is the host
}

func (o *oomOptions) parse(t *typed) (err error) {
	switch {
	case o.limit < autoLimit:
		return usagef("--limit: bad value %d: it takes a number of rows, or 0 for all", o.limit)
	case t.given("adj") == "":
		o.adj = nil
	case len(t.args) == 0:
		return usagef("--adj needs a PID: it says what would become of that process")
	case *o.adj < -1000 || *o.adj > 1000:
		return usagef("--adj: bad value %d: it takes -1000 to 1000", *o.adj)
	}
	if t.given("cgroup") != "" && o.cgroup == "" {
		return usagef("--cgroup: it takes the path of a memory cgroup, as /proc/PID/cgroup spells it")
	}
	if len(t.args) == 0 {
		o.who.settle()
		return nil
	}
	if name := t.given("limit", "sort", "user", "name", "cgroup"); name != "" {
		return usagef("--%s is for the ranking, and a PID was given", name)
	}
	o.pid, err = parsePID(t.arg())
	return err
}

func newOom(a *App, do func(*oomOptions) error) *cobra.Command {
	o := oomOptions{adj: new(int32)}
	c := &cobra.Command{
		Use:   "oom [PID]",
		Short: "The OOM killer: the next victim and why, and past kills",
		Long:  oomLong,
		Example: `  kwhy oom                        the next victim on this host
  kwhy oom 1234 --adj -500        one process, and with another oom_score_adj
  kwhy oom --cgroup /app/web      the next victim at that cgroup's limit
  kwhy oom --user www-data --limit 0
  kwhy oom log                    the kills in the kernel's log`,
		Args: atMostOne,
		RunE: settled(a, &o, do, onHost(a, "oom", runOom)),
	}
	f := c.Flags()
	f.IntVar(&o.limit, "limit", autoLimit, "`N` rows of processes; 0 is all, -1 as many as a screen takes")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
	o.who.flags(f)
	f.StringVar(&o.cgroup, "cgroup", "", "rank within the memory cgroup of this `PATH`, by its own limit")
	f.Int32Var(o.adj, "adj", 0, "with a PID: what an oom_score_adj of `N` would change, -1000 to 1000")
	c.AddCommand(newOomLog(a, nil))
	return c
}

func runOom(r *run, o *oomOptions) error {
	if o.pid != 0 {
		return show(r, oom.ProcessPage(o.pid, o.adj))
	}
	who, err := r.wanted(&o.who)
	if err != nil {
		return err
	}
	screen := r.app.screenRows()
	asked := oom.HostOptions{Sort: o.sort, Limit: rowLimit(o.limit, screen), Screen: screen, Filter: who}
	if o.cgroup != "" {
		if asked.Cgroup, err = oom.FindGroup(r.host, o.cgroup); err != nil {
			return err
		}
	}
	page, err := oom.HostPage(asked)
	return showAsked(r, page, err)
}

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
	if t.given("interval") != "" {
		return usagef("--interval is of counters, and a log has none")
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
	if r.host.NoProc {
		return nil, nil, usagef("oom log: there is no /proc at %s to say whose log the ring buffer has: give FILE", r.host.Proc.Root)
	}
	if r.host.Copy() {
		return nil, nil, usagef("oom log: --proc-root is a saved copy, which has no ring buffer: give FILE")
	}
	log, err := r.host.OpenLog()
	switch {
	case errors.Is(err, fs.ErrPermission):
		advice := "something withholds it from kwhy, which has the rights"
		if rights := r.host.Rights(); !rights.Open(inspect.KernelLog) {
			advice = rights.Advice(inspect.KernelLog)
		}
		return nil, nil, fmt.Errorf("%w (%s; or give it a log: journalctl -k | kwhy oom log -)", err, advice)
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("%w (%s; or give it a log: journalctl -k | kwhy oom log -)", err,
			inspect.KernelLog.Shows(inspect.NotMounted))
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
		rep := l.Report(stop)
		h := r.header(r.app.Now(), 0)
		h.Summary = []string{"kills in " + l.Name}
		err = errors.Join(r.print(h, rep), l.Err())
	})
	return err
}
