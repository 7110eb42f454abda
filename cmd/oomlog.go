package cmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kwhy/explain"
	"kwhy/explain/oom"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

const oomLogLong = `Finds every OOM kill in a kernel log and says who asked for memory, what ran out,
who was killed, whether the table of candidates explains it, whether the victim
was to blame, and what to do.

FILE is what dmesg, journalctl -k or a syslog daemon wrote, of any kernel since
2.6.32; - is standard input. Without FILE it is the kernel's own ring buffer.`

func (a *App) oomLogCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "log [FILE]",
		Short: "The kills that a kernel log reports, each explained",
		Long:  oomLogLong,
		Example: `  kwhy oom log
  kwhy oom log /var/log/kern.log
  journalctl -k -o short-iso | kwhy oom log -
  kwhy oom log -o json | jq '.tables.kills.rows[] | {time, victim_comm, why}'`,
		Args: atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			r, err := a.begin(c, "oom log")
			if err != nil {
				return err
			}
			defer r.host.Close()
			if len(args) == 0 {
				return r.oomRing()
			}
			return r.oomFile(args[0])
		},
	}
}

// oomRing reads the ring buffer of the kernel that runs.
func (r *run) oomRing() error {
	if !r.host.Live {
		return usagef("oom log: --proc-root is a saved copy, which has no ring buffer: give FILE")
	}
	d, err := kmsg.Open(inspect.KernelLog.String())
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w (%s: sudo kwhy oom log)", err, inspect.KernelLog.Opens())
	}
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return r.oomLog(d, "the kernel's ring buffer", r.host.Born(0), func() string {
		return "No OOM kill in the kernel's ring buffer. It holds the latest messages only: older ones may be in /var/log or journalctl -k."
	})
}

func (r *run) oomFile(name string) error {
	in, what := r.app.In, "standard input"
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if st, err := f.Stat(); err == nil && st.IsDir() {
			return fmt.Errorf("read %s: it is a directory", name)
		}
		in, what = f, name
	}
	return r.oomLog(in, what, time.Time{}, func() string { return "No OOM kill in " + what + "." })
}

// oomLog prints the kills of a log as they are found.
func (r *run) oomLog(in io.Reader, what string, boot time.Time, empty func() string) error {
	v, err := oom.Kills().View(nil, nil, 0)
	if err != nil {
		return err
	}
	p := r.progress("reading " + what)
	var failed error
	rep := explain.Report{Grids: make([]explain.Grid, 1)}
	v.Stream(&rep.Grids[0], func(yield func(*oom.Kill) bool) {
		_, failed = oom.Walk(in, boot, func(k *oom.Kill) bool {
			p.Stop()
			return yield(k)
		})
		p.Stop()
	})
	rep.Grids[0].Empty = empty()
	h := r.header(r.app.Now(), 0)
	h.Summary = []string{"kills in " + what}
	return errors.Join(r.print(h, &rep), failed)
}
